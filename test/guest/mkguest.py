#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernel and initramfs of the guest that test/e2e/qemu.t boots.

    mkguest.py CACHE DIR [CC]

makes DIR/vmlinuz and DIR/initramfs. The kernel is that of Debian's package for
clouds, not installed, but fetched once and kept in CACHE. All else comes from
programs installed here (see install-deps.sh), with the libraries they are
linked with, and from this directory: init, agent, net.c, and what dhclient
needs. The archive is made anew each time, which takes less than a second, so
nothing in it can be out of date. It is not compressed: an emulated machine
loads more quickly than it unpacks.

What is missing is said in one line, with status 77, for the test to skip."""
import lzma
import os
import re
import shutil
import stat
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
META = "linux-image-cloud-amd64"
PROGRAMS = "busybox", "dhclient", "rdisc6"
MODULES = "virtio_pci", "virtio_net"
PATH = "/bin:/sbin:/usr/bin:/usr/sbin"
MISSING = 77


def missing(what):
    print(what, file=sys.stderr)
    sys.exit(MISSING)


def output(*argv, **kw):
    return subprocess.run(argv, capture_output=True, text=True, check=True,
                          env=dict(os.environ, LC_ALL="C"), **kw).stdout


# --- kernel ---

def fetch(where):
    """The package of the versioned kernel, into a directory."""
    # The package named META is empty, and depends on the present version
    name = re.search(r"Depends: (linux-image-\S+)",
                     output("apt-cache", "depends", META))
    if not name:
        raise RuntimeError(f"{META}: not known to apt")
    output("apt-get", "download", name[1], cwd=where)
    return os.path.join(where, os.listdir(where)[0])


def kernel(where):
    """Get a kernel to @where, unless there is one: vmlinuz, and in modules/
    MODULES and what they need, named so that their order is that to load
    them in."""
    if os.path.isdir(where):
        return
    part = f"{where}.{os.getpid()}"
    os.makedirs(f"{part}/deb")
    os.makedirs(f"{part}/new/modules")
    try:
        try:
            deb = fetch(f"{part}/deb")
        except (RuntimeError, subprocess.CalledProcessError):
            output("apt-get", "update", "-q")       # lists old, or none
            deb = fetch(f"{part}/deb")
        output("dpkg-deb", "-x", deb, f"{part}/x")
        image = [f for f in os.listdir(f"{part}/x/boot")
                 if f.startswith("vmlinuz")][0]
        os.rename(f"{part}/x/boot/{image}", f"{part}/new/vmlinuz")
        for i, (name, data) in enumerate(modules(f"{part}/x").items()):
            with open(f"{part}/new/modules/{i:02}-{name}.ko", "wb") as f:
                f.write(data)
        os.rename(f"{part}/new", where)
    except (OSError, RuntimeError, subprocess.CalledProcessError) as e:
        if not os.path.isdir(where):        # else somebody was faster
            said = (getattr(e, "stderr", None) or str(e)).strip()
            missing(f"no kernel for a guest: {said.splitlines()[-1]}")
    finally:
        shutil.rmtree(part, ignore_errors=True)


def modules(root):
    """MODULES and what they need, by name, in the order to load them in; but
    for what is in the kernel itself."""
    paths, loaded, builtin = {}, {}, ""
    for d, _, files in (*os.walk(f"{root}/lib/modules"),        # Debian 12
                        *os.walk(f"{root}/usr/lib/modules")):   # 13
        for f in files:
            name, _, kind = f.partition(".")
            if kind in ("ko", "ko.xz"):
                paths[name.replace("-", "_")] = os.path.join(d, f)
            elif f == "modules.builtin":
                with open(os.path.join(d, f)) as b:
                    builtin = b.read().replace("-", "_")

    def load(name):
        if name in loaded or f"/{name}.ko\n" in builtin:
            return
        if name not in paths:
            raise RuntimeError(f"no module {name}")
        opened = lzma.open if paths[name].endswith(".xz") else open
        with opened(paths[name], "rb") as f:
            data = f.read()
        needs = re.search(rb"\0depends=([^\0]*)\0", data)[1].decode()
        for n in filter(None, needs.split(",")):
            load(n.replace("-", "_"))
        loaded[name] = data
    for m in MODULES:
        load(m)
    return loaded


# --- initramfs: an archive as by cpio -H newc, see the kernel's
# Documentation/driver-api/early-userspace/buffer-format.rst ---

class Archive:
    def __init__(self, path):
        self.file = open(path, "wb")
        self.known = set()

    def _entry(self, name, mode, data=b"", rdev=(0, 0)):
        def pad():
            self.file.write(b"\0" * (-self.file.tell() % 4))
        name = name.encode() + b"\0"
        fields = (len(self.known), mode, 0, 0, 1, 0, len(data), 0, 0, *rdev,
                  len(name), 0)
        self.file.write(b"070701" + b"".join(b"%08x" % f for f in fields))
        self.file.write(name)
        pad()
        self.file.write(data)
        pad()

    def add(self, path, mode, data=b"", rdev=(0, 0)):
        """A member @path, without slash at its front, and its parents."""
        if path in self.known:
            return
        if os.path.dirname(path):
            self.add(os.path.dirname(path), stat.S_IFDIR | 0o755)
        self.known.add(path)
        self._entry(path, mode, data, rdev)

    def copy(self, source, path):
        with open(source, "rb") as f:
            self.add(path, stat.S_IFREG | 0o755, f.read())

    def link(self, path, target):
        self.add(path, stat.S_IFLNK | 0o777, target.encode())

    def program(self, name):
        """An installed program as /bin/NAME, with its libraries."""
        path = shutil.which(name, path=PATH)
        if not path:
            missing(f"no {name} for the guest")
        self.copy(path, f"bin/{name}")
        libs = subprocess.run(["ldd", path], capture_output=True, text=True)
        for lib in re.findall(r"(/\S+) \(0x", libs.stdout):
            self.copy(lib, lib[1:])

    def close(self):
        self._entry("TRAILER!!!", 0)
        self.file.close()


def initramfs(path, mods, net):
    a = Archive(path)
    a.add("dev/console", stat.S_IFCHR | 0o600, rdev=(5, 1))
    for d in "proc", "sys", "tmp", "etc", "var/lib/dhcp":
        a.add(d, stat.S_IFDIR | 0o755)
    for p in PROGRAMS:
        a.program(p)
    for applet in output(shutil.which("busybox", path=PATH),
                         "--list").split():
        a.link(f"bin/{applet}", "busybox")
    for m in sorted(os.listdir(mods)):
        a.copy(f"{mods}/{m}", f"modules/{m}")
    a.copy(net, "bin/net")
    a.copy(f"{HERE}/init", "init")
    a.copy(f"{HERE}/dhclient.conf", "etc/dhcp/dhclient.conf")
    for script in "agent", "dhclient-script":
        a.copy(f"{HERE}/{script}", f"bin/{script}")
    a.close()


def main(cache, out, cc="cc"):
    if os.uname().machine != "x86_64":
        missing("the guest's kernel and programs are x86-64")
    for tool in "apt-get", "dpkg-deb":
        if not shutil.which(tool, path=PATH):
            missing("no Debian to take a kernel from")
    os.makedirs(cache, exist_ok=True)
    kernel(f"{cache}/kernel")
    shutil.copy(f"{cache}/kernel/vmlinuz", out)
    subprocess.run([*cc.split(), "-static", "-O2", "-Wall", "-Wextra", "-o",
                    f"{out}/net", f"{HERE}/net.c"], check=True)
    initramfs(f"{out}/initramfs", f"{cache}/kernel/modules", f"{out}/net")


if __name__ == "__main__":
    main(*sys.argv[1:])
