#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""qrap: which socket it takes, which QEMU it becomes, with which arguments. In
a /tmp of its own, so that its sockets are nobody else's; passt is the real one
or a few lines here, and so is QEMU."""
import contextlib
import json
import os
import platform
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
from lib import *       # noqa: E402

need_root()
HERE = os.path.dirname(os.path.abspath(sys.argv[0]))
TOP = os.path.join(HERE, "..", "..")
ARCH = platform.machine()
SYSTEM = f"qemu-system-{ARCH}"
MAC = bytes.fromhex("525400123456")
NET = "-netdev socket,fd=5,id=hostnet0"
TAIL = ",netdev=hostnet0,x-txburst=4096"
CONNECTED = "Connected to /tmp/passt_%u.socket\n"

# What QEMU is run as: tells its name, arguments and descriptors
FAKE = """#!/bin/sh
printf '%s\\0' "$0" "$@" >"$OUT"
"""

# The same, and a guest's first request over the descriptor FD
GUEST = f"""#!/usr/bin/python3
import fcntl, json, os, socket, struct, sys
fd = int(os.environ["FD"])
s = socket.socket(fileno=fd)
t = {{"argv": sys.argv, "blocking": not fcntl.fcntl(fd, fcntl.F_GETFL) &
     os.O_NONBLOCK, "fds": sorted(map(int, os.listdir("/proc/self/fd"))),
     "timeout": s.getsockopt(socket.SOL_SOCKET, 21, 16).hex()}}
s.settimeout(5)

def exactly(n):
    b = b""
    while len(b) < n:
        b += s.recv(n - len(b)) or sys.exit("end of stream")
    return b

mac, target = bytes.fromhex("{MAC.hex()}"), socket.inet_aton("198.51.100.7")
arp = struct.pack("!6s6sHHHBBH6s4s6s4s", b"\\xff" * 6, mac, 0x806, 1, 0x800, 6,
                  4, 1, mac, socket.inet_aton("{HOST[4]}"), bytes(6), target)
s.sendall(struct.pack("!I", len(arp)) + arp)
t["frames"] = []
while True:
    f = exactly(struct.unpack("!I", exactly(4))[0])
    t["frames"].append(f.hex())
    if f[12:14] == b"\\x08\\x06" and f[28:32] == target:
        break
with open(os.environ["OUT"], "w") as f:
    json.dump(t, f)
"""


class Place:
    """Namespaces: the host's network and a /tmp of its own. .bin is a folder for
    programs, which both see, and .out where QEMU tells."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(dir="/dev/shm")
        os.chmod(self.dir, 0o755)
        self.ns = start(["nsenter", f"--net=/proc/{topo.host}/ns/net",
                         "unshare", "--mount", "sh", "-c", "mount -t tmpfs -o "
                         "mode=1777 tmp /tmp && exec sleep infinity"])
        wait_for("mount", lambda: comm(self.ns.pid) == "sleep", proc=self.ns)
        self.bin, self.out = self.sub("bin"), self.sub("out") + "/told"
        os.chmod(self.sub("out"), 0o777)
        for name in "passt", "qrap":
            shutil.copy(os.environ.get(name.upper()) or f"{TOP}/{name}",
                        f"{self.dir}/{name}")
        self.qrap = f"{self.dir}/qrap"

    def sub(self, name):
        path = f"{self.dir}/{name}"
        os.makedirs(path, exist_ok=True)
        return path

    def program(self, path, text=FAKE):
        """A script, in a sub-folder; its path."""
        path = f"{self.dir}/{path}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, 0o755)
        return path

    def link(self, path):
        """Us by another name."""
        path = f"{self.dir}/{path}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.symlink(self.qrap, path)
        return path

    def socket(self, n):
        """As seen from here."""
        return f"/proc/{self.ns.pid}/root/tmp/passt_{n}.socket"

    def clear(self):
        for n in range(1, 100):
            if os.path.lexists(self.socket(n)):
                os.unlink(self.socket(n))

    def inside(self, *argv, **env):
        env = [f"{k}={v}" for k, v in env.items()]
        return ["nsenter", f"--net=/proc/{self.ns.pid}/ns/net",
                f"--mount=/proc/{self.ns.pid}/ns/mnt", "setpriv",
                f"--reuid={UID}", f"--regid={UID}", "--clear-groups",
                "--inh-caps=-all", "env", *env, *argv]

    def run(self, *argv, path=None, timeout=20, **env):
        """qrap, or another name of it, to its end: .told is what QEMU got, or
        None, .took the seconds."""
        if os.path.exists(self.out):
            os.unlink(self.out)
        t = time.monotonic()
        r = run(*self.inside(*argv, OUT=self.out, PATH=path or
                             f"{self.bin}:/usr/bin:/bin", **env), check=False,
                timeout=timeout, cwd="/")
        r.took = time.monotonic() - t
        told = read(self.out)
        r.told = told.split("\0")[:-1] if "\0" in told else \
            json.loads(told) if told else None
        return r

    @contextlib.contextmanager
    def passt(self, *opts):
        """The real one; its socket is number 1."""
        log = open(tmp(f"log{time.monotonic_ns()}"), "w+")
        p = start(self.inside(f"{self.dir}/passt", "-f", *opts), stdout=log,
                  stderr=log, cwd="/")
        p.text = lambda: read(log.name)
        wait_for("socket", lambda: any(
            l.split()[3] == "00010000" and l.endswith(" /tmp/passt_1.socket")
            for l in read(f"/proc/{self.ns.pid}/net/unix").splitlines()),
            proc=p)
        try:
            yield p
        finally:
            stop(p)
            log.close()


class Server:
    """Number @n; calls @f with each connection, counted in .times, until it
    returns true. Nobody sees it before it listens."""

    def __init__(self, n, f, backlog=100, uid=0):
        self.times, self.f = 0, f
        self.s = socket.socket(socket.AF_UNIX)
        path = place.socket(n)
        self.s.bind(path + ".new")
        os.chmod(path + ".new", 0o777)
        os.seteuid(uid)             # what the client is told
        self.s.listen(backlog)
        os.seteuid(0)
        os.rename(path + ".new", path)
        self.path, self.kept = path, []
        self.thread = threading.Thread(target=self.loop, daemon=True)
        if f:
            self.thread.start()

    def loop(self):
        while True:
            try:
                c = self.s.accept()[0]
            except OSError:
                return
            self.times += 1
            self.kept.append(c)
            with contextlib.suppress(OSError):      # it has gone
                self.f(c, self.times)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.s.shutdown(socket.SHUT_RDWR)
        if self.f:
            self.thread.join(5)
        self.s.close()
        for c in self.kept:
            c.close()
        os.unlink(self.path)


def answer(c, times=0):
    c.sendall(struct.pack("!I", 14) + bytes(14))


def hang_up(c, times):
    c.close()


def one_line(r, name, *words):
    ok(r.returncode == 1 and r.told is None and not r.stdout and
       r.stderr.count("\n") == 1 and all(w in r.stderr for w in words), name,
       f"{r.returncode}: {r.stdout}{r.stderr}")


# --- with passt ---

def with_passt():
    name = "in QEMU's place"
    place.program("bin/kvm", GUEST)
    with case(name), place.passt("-d") as p:
        r = place.run(place.qrap, "-machine", "pc", "-net", "user",
                      "disk img", FD=5)
        t = r.told
        ok(r.returncode == 0 and r.stderr == CONNECTED % 1 and t,
           f"{name}: connected, and told to which socket", r.stderr)
        ok(t["argv"] == [f"{place.bin}/kvm", *f"{NET} -device virtio-net-pci,"
                         f"bus=pci.0,addr=0x3{TAIL} -machine pc".split(),
                         "disk img"], f"{name}: arguments", t["argv"])
        # The last one is the folder of them
        ok(t["fds"][:3] == [0, 1, 2] and 5 in t["fds"] and
           len(t["fds"]) == 5 and t["blocking"] and
           int(t["timeout"], 16) == 0,
           f"{name}: one descriptor more, as good as new", t)
        frames = [bytes.fromhex(f) for f in t["frames"]]
        ok(frames[-1][:6] == MAC and all(len(f) >= 42 for f in frames),
           f"{name}: passt answers, in whole frames", t["frames"])
        ok(any(f[12:14] == b"\x08\x06" and f[28:32] == bytes([192, 0, 0, 8])
               for f in frames) and
           any(f[12:14] == b"\x86\xdd" and f[54] == 136 for f in frames),
           f"{name}: it has answered both questions", t["frames"])
        log = p.text()
        ok(re.findall("guest has MAC address (.*)", log) == [MAC.hex(":")],
           "passt has learned no MAC address from the questions", log)
        r = place.run(place.qrap, "-S", FD=5)
        ok(r.returncode == 0 and r.told and stop(p) == 0,
           "... and lives, to serve the next one", r.stderr)

    place.program("bin/kvm")
    for opts in "-4", "-6", "-6 --no-ra", "--no-ndp":
        with case(opts), place.passt("-q", *opts.split()):
            r = place.run(place.qrap, "-S")
            ok(r.returncode == 0 and r.told and r.took < 5,
               f"passt {opts} answers", r.stderr)


def with_number():
    place.program("bin/fake-qemu", GUEST)
    for fd in 3, 5, 7, 100:
        name = f"descriptor {fd}"
        with case(name), place.passt("-q"):
            argv = ["-net", "user", "-device", "e1000", "-version", "6", ""]
            r = place.run(place.qrap, str(fd), "fake-qemu", *argv, FD=fd)
            ok(r.returncode == 0 and r.told and r.stderr == CONNECTED % 1 and
               r.told["argv"][1:] == argv and fd in r.told["fds"] and
               len(r.told["fds"]) == 5,
               f"{name}: arguments as they are", f"{r.stderr} {r.told}")
    place.clear()
    with case("path"), Server(1, answer):
        path = place.program("elsewhere/q")
        r = place.run(place.qrap, "5", path, "x")
        ok(r.returncode == 0 and r.told == [path, "x"],
           "a command by its path", r.stderr)


def busy():
    """Somebody is connected already, and leaves."""
    with case("passt is busy"), place.passt("-q"), \
            socket.socket(socket.AF_UNIX) as s:
        s.connect(place.socket(1))
        timer = threading.Timer(0.7, s.shutdown, [socket.SHUT_RDWR])
        timer.start()
        r = place.run(place.qrap, "-S")
        ok(r.returncode == 0 and r.told and r.took > 0.6,
           "passt is busy: waits for it", f"{r.stderr} {r.took}")
        timer.join()


# --- which socket ---

def questions():
    """What is sent, byte by byte."""
    got = []

    def serve(c, times):
        c.settimeout(5)
        got.append(recv_all(c, 4 + 60 + 4 + 78))
        answer(c)
        c.settimeout(0.5)
        try:
            got.append(c.recv(1))
        except ConnectionResetError:    # by what QEMU has not read
            got.append(b"")
        except OSError:
            got.append(None)

    with case("questions"), Server(1, serve):
        r = place.run(place.qrap, "-S")
        d = got[0]
        arp, ns = d[4:64], d[68:]
        ok(r.returncode == 0 and d[:4] == struct.pack("!I", 60) and
           arp == b"\xff" * 6 + bytes(6) + bytes.fromhex(
               "0806 0001 0800 06 04 0001") + bytes(16) +
           bytes([192, 0, 0, 8]) + bytes(18),
           "an ARP request, from no address", arp.hex())
        nobody = b"\1" + bytes(14) + b"\10"
        ok(d[64:68] == struct.pack("!I", 78) and
           ns[:22] == bytes.fromhex("3333ff000008 000000000000 86dd 60000000 "
                                    "0018 3a ff") and
           ns[22:38] == socket.inet_pton(socket.AF_INET6, "fe80::8") and
           ns[38:54] == socket.inet_pton(socket.AF_INET6, "ff02::1:ff00:8") and
           ns[54:56] == bytes([135, 0]) and ns[58:] == bytes(4) + nobody,
           "a neighbour solicitation", ns.hex())
        pseudo = ns[22:54] + struct.pack("!II", 24, 58) + ns[54:]
        s = sum(struct.unpack(f"!{len(pseudo) // 2}H", pseudo))
        ok((s & 0xffff) + (s >> 16) == 0xffff, "... with its checksum")
        wait_for("end", lambda: len(got) > 1)
        ok(got[1] == b"", "... and nothing else", got[1])


def whose():
    """Anybody may make these names; so a socket of one's own, or root's, comes
    first, and that of somebody else is not taken silently."""
    got = {}

    def note_it(n):
        def serve(c, times):
            c.settimeout(5)
            if c.recv(1):           # was asked anything
                got[n] = True
                answer(c)
        return serve
    with case("whose"), Server(1, note_it(1), uid=54321):
        for uid in 0, UID:
            with Server(2, note_it(2), uid=uid):
                r = place.run(place.qrap, "-S")
                ok(r.returncode == 0 and r.stderr == CONNECTED % 2 and
                   got == {2: True},
                   f"another user's is passed over for one of user {uid}",
                   f"{r.stderr} {got}")
            got.clear()
        r = place.run(place.qrap, "-S")
        ok(r.returncode == 0 and got == {1: True} and re.fullmatch(
            ".*passt_1.socket.* another user.* 54321.*\n" + CONNECTED % 1,
            r.stderr), "with no other one, it is taken, and that is told",
           f"{r.stderr} {got}")


def none():
    one_line(place.run(place.qrap, "-m", "1"), "no socket", "passt_1.socket",
             "passt_99.socket", "No passt")
    one_line(place.run(place.qrap, "5", "fake-qemu"), "no socket, by number",
             "passt_1.socket", "No passt")
    s = socket.socket(socket.AF_UNIX)
    s.bind(place.socket(1))
    os.chmod(place.socket(1), 0o777)
    s.close()
    one_line(place.run(place.qrap, "-S"), "a stale one", "passt_1.socket: nobody")
    os.chmod(place.socket(1), 0)
    one_line(place.run(place.qrap, "-S"), "one we may not use",
             "passt_1.socket: Permission denied")
    place.clear()
    with open(place.socket(3), "w") as f:
        f.write("x")
    os.chmod(place.socket(3), 0o666)
    one_line(place.run(place.qrap, "-S"), "a file", "passt_3.socket: nobody")
    place.clear()


def stays_silent(c, times):
    pass


def others():
    """Number 1 is not to be used, for all kinds of reasons; number 4 is."""
    def three(c, times):
        c.sendall(b"\0\0\0")

    def short(c, times):
        c.sendall(struct.pack("!I", 13) + bytes(13))

    def text(c, times):
        c.sendall(b"220 smtp.example.com\r\n")

    for name, f, times, least, most in (
            ("stale", None, 0, 0, 3),
            ("silent", stays_silent, 1, 0.5, 5),
            ("half a length", three, 1, 0.5, 5),
            ("frames too short", short, 1, 0, 5),
            ("no frames", text, 1, 0, 5),
            ("resets", hang_up, 51, 2.5, 15)):
        with case(name), Server(4, answer):
            if f:
                with Server(1, f) as s:
                    r = place.run(place.qrap, "-S")
                    n = s.times
            else:
                s = socket.socket(socket.AF_UNIX)
                s.bind(place.socket(1))
                os.chmod(place.socket(1), 0o777)
                s.close()
                r, n = place.run(place.qrap, "-S"), 0
            ok(r.returncode == 0 and r.told and r.stderr == CONNECTED % 4 and
               n == times and least <= r.took <= most,
               f"number 1: {name}; the next one is used",
               f"{r.stderr}, {n} times, {r.took} s")
        place.clear()

    with case("nobody accepts"), Server(4, answer), \
            Server(1, None, backlog=0) as s:
        with socket.socket(socket.AF_UNIX) as first:
            first.connect(place.socket(1))
            r = place.run(place.qrap, "-S")
        ok(r.returncode == 0 and r.stderr == CONNECTED % 4 and
           0.5 <= r.took < 5, "number 1: nobody accepts; the next one is used",
           f"{r.stderr} {r.took}")


def after_resets():
    def late(c, times):
        if times < 4:
            c.close()
        else:
            answer(c)

    def late_with_data(c, times):
        c.settimeout(5)
        c.recv(1)                       # what is unread makes it a reset
        late(c, times)

    def late_all_read(c, times):
        c.settimeout(5)
        recv_all(c, 4 + 60 + 4 + 78)
        late(c, times)

    def slow(c, times):
        time.sleep(0.3)
        c.sendall(b"\0")
        time.sleep(0.05)
        c.sendall(b"\0\0\x0e" + bytes(14))

    for name, f, n, least in (("hangs up", late, 4, 0.15),
                              ("resets", late_with_data, 4, 0.15),
                              ("reads, hangs up", late_all_read, 4, 0.15),
                              ("slow", slow, 1, 0.3)):
        with case(name), Server(1, f) as s:
            r = place.run(place.qrap, "-S")
            ok(r.returncode == 0 and r.stderr == CONNECTED % 1 and
               s.times == n and r.took >= least,
               f"{name}: used in the end", f"{r.stderr} {s.times} {r.took}")


# --- arguments ---

ROWS = [
    # name, before, after; "=" stands for NET and the device of a PC in slot 2
    ("-net", "-nodefaults -net none", "= -nodefaults"),
    ("-net nic and user", "-nodefaults -net nic -net user", "= -nodefaults"),
    ("-netdev", "-nodefaults -netdev user,id=a", "= -nodefaults"),
    ("--netdev", "-nodefaults --netdev user,id=a", "= -nodefaults"),
    ("-netdev, JSON", '-nodefaults -netdev {"type":"user","id":"a"}',
     "= -nodefaults"),
    ("-nic", "-nodefaults -nic user", "= -nodefaults"),
] + [
    (d, f"-nodefaults -device {d},netdev=a,id=b", "= -nodefaults") for d in
    ("virtio-net-pci", "virtio-net-ccw", "e1000", "e1000e", "rtl8139")
] + [
    (f"{d}, JSON", '-nodefaults -device {"driver":"%s","netdev":"a"}' % d,
     "= -nodefaults") for d in
    ("virtio-net-pci", "virtio-net-ccw", "e1000", "e1000e", "rtl8139")
] + [
    ("other devices stay", "-nodefaults -device e1000-not -device a,id=e1000",
     "= -nodefaults -device e1000-not -device a,id=e1000"),
    ("other devices stay, JSON",
     '-nodefaults -device {"driver":"a","id":"e1000"}',
     '= -nodefaults -device {"driver":"a","id":"e1000"}'),
    ("texts stay", "-nodefaults -append -net -name -device",
     "= -nodefaults -append -net -name -device"),
    ("MAC", "-nodefaults -device e1000,mac=52:54:00:00:00:01",
     "=,mac=52:54:00:00:00:01 -nodefaults"),
    ("pc, slots", "-M pc-i440fx-5.2 -nodefaults -device a,bus=pci.0,addr=0x2 "
     "-device b,addr=0x3.0x1 -device c,bus=pci.1,addr=0x4",
     f"{NET} -device virtio-net-pci,bus=pci.0,addr=0x4{TAIL} -M "
     "pc-i440fx-5.2 -nodefaults -device a,bus=pci.0,addr=0x2 -device "
     "b,addr=0x3.0x1 -device c,bus=pci.1,addr=0x4"),
    ("pc, hexadecimal", "-nodefaults " + " ".join(
        f"-device a,addr={n:#x}" for n in range(2, 12)),
     f"{NET} -device virtio-net-pci,bus=pci.0,addr=0xc{TAIL} -nodefaults " +
     " ".join(f"-device a,addr={n:#x}" for n in range(2, 12))),
    ("pc, slot of one that goes", "-nodefaults -device e1000,addr=0x2",
     "= -nodefaults"),
    ("pc, JSON", '-nodefaults -device {"driver":"a","addr":"0x2"}',
     f"{NET} -device virtio-net-pci,bus=pci.0,addr=0x3{TAIL} -nodefaults "
     '-device {"driver":"a","addr":"0x2"}'),
    ("pc-q35", "-machine pc-q35-5.2,accel=kvm -device pcie-root-port,id=pci.3",
     f"{NET} -machine pc-q35-5.2,accel=kvm -device pcie-root-port,id=pci.3 "
     f"-device virtio-net-pci,bus=pci.3,addr=0x0{TAIL}"),
    ("q35, next bus", "-M q35 -device a,id=pci.3 -device a,id=pci.4 -device "
     "b,bus=pci.3,addr=0x0",
     f"{NET} -M q35 -device a,id=pci.3 -device a,id=pci.4 -device "
     f"b,bus=pci.3,addr=0x0 -device virtio-net-pci,bus=pci.4,addr=0x0{TAIL}"),
    ("q35, next bus, JSON", '-machine type=q35 -device '
     '{"driver":"a","id":"pci.4"} -device {"driver":"b","bus":"pci.3"}',
     f'{NET} -machine type=q35 -device {{"driver":"a","id":"pci.4"}} -device '
     '{"driver":"b","bus":"pci.3"} -device virtio-net-pci,bus=pci.4,addr=0x0'
     f'{TAIL}'),
    ("q35, without ports", "-M q35",
     f"{NET} -M q35 -device pcie-root-port,id=pci.3,chassis=3 "
     f"-device virtio-net-pci,bus=pci.3,addr=0x0{TAIL}"),
    ("s390-ccw", "-machine s390-ccw-virtio-5.2 -device "
     "virtio-net-ccw,devno=fe.0.0001",
     f"{NET} -device virtio-net-ccw,devno=fe.0.0001{TAIL} -machine "
     "s390-ccw-virtio-5.2"),
    ("s390-ccw, next number", "-M s390-ccw-virtio -device a,devno=fe.0.0001",
     f"{NET} -device virtio-net-ccw,devno=fe.0.0002{TAIL} -M s390-ccw-virtio "
     "-device a,devno=fe.0.0001"),
    ("another machine", "-M virt",
     f"{NET} -M virt -device virtio-net-pci{TAIL}"),
]


def arguments():
    pc = f"{NET} -device virtio-net-pci,bus=pci.0,addr=0x2{TAIL}"
    with Server(1, answer):
        for name, before, after in ROWS:
            # Whatever machine this is
            m = "" if re.search(r"-(M|machine) ", before) else "-M pc"
            want = after.replace("=", pc, 1) if after[0] == "=" else after
            with case(name):
                r = place.run(place.qrap, *before.split(), *m.split())
                ok(r.returncode == 0 and
                   r.told[1:] == want.split() + m.split(), name,
                   f"{r.stderr}\n{r.told}\n{want}")

        with case("many arguments"):
            argv = [f"-x{i}" for i in range(20000)] + ["", "a b\n", "y" * 100000]
            r = place.run(place.qrap, "-M", "virt", *argv)
            ok(r.returncode == 0 and r.told[5:-2] == argv,
               "20000 arguments, empty and long ones", r.stderr)
        full = [w for n in range(2, 32) for w in ("-device", f"a,addr={n:x}")]
        one_line(place.run(place.qrap, "-M", "pc", *full), "no free slot",
                 "pci.0")


def no_guest():
    for argv in ["-version"], ["--help"], ["-device", "help"], \
            ["-S", "-machine", "none,accel=tcg", "-nodefaults", "-net", "none"]:
        name = " ".join(argv)
        with case(name):
            r = place.run(place.qrap, *argv)
            ok(r.returncode == 0 and r.told[1:] == argv and not r.stderr,
               f"{name}: without a socket", f"{r.stderr} {r.told}")


# --- which QEMU ---

def lookup():
    argv = ["-version"]

    def found(name, folders, want, prog=place.qrap, args=argv, **env):
        with case(name):
            r = place.run(prog, *args, path=":".join(
                f"{place.dir}/{f}" for f in folders.split()) +
                ":/usr/sbin/nothing", **env)
            ok(r.returncode == 0 and r.told and r.told[0] ==
               f"{place.dir}/{want}", name, f"{r.stderr} {r.told}")

    for n in SYSTEM, "qemu-kvm", "kvm":
        place.program(f"all/{n}")
        found(f"{n} before the others", "all", f"all/{n}")
    place.program("sys/" + SYSTEM)
    place.program("mode/kvm")
    os.chmod(f"{place.dir}/mode/kvm", 0o644)
    os.mkdir(place.sub("folder") + "/kvm")
    found("what is not executable or a folder is passed over",
          "mode folder sys", f"sys/{SYSTEM}")

    me = place.link("us/kvm")
    os.link(place.qrap, f"{place.dir}/us/qemu-kvm")
    found("we are called kvm: not we again", "us sys", f"sys/{SYSTEM}", me)
    found("... nor by another link", "us all", "all/kvm",
          f"{place.dir}/us/qemu-kvm")
    one_line(place.run(me, *argv, path=f"{place.dir}/us"), "no QEMU but us",
             "qemu-kvm", SYSTEM, "PATH")
    os.mkdir(f"{place.dir}/name")
    shutil.copy(shutil.which("cat"), f"{place.dir}/name/kvm")
    with case("name"):
        r = place.run(place.qrap, "--help", path=f"{place.dir}/name")
        ok(f"Usage: {place.dir}/name/kvm " in r.stdout,
           "QEMU knows its name", r.stdout[:100] + r.stderr)
    with case("kvm without arguments"), Server(1, answer):
        r = place.run(me, path=f"{place.dir}/us:{place.dir}/sys")
        ok(r.returncode == 0 and r.told[1:3] == NET.split(),
           "kvm without arguments is a machine as well", r.stderr)

    # A script "kvm" that runs us again; the real QEMU is no script, but "echo"
    me, copy = place.link(f"first/{SYSTEM}"), f"{place.sub('copy')}/qemu-kvm"
    shutil.copy(place.qrap, copy)
    shutil.copy(shutil.which("echo"), f"{place.sub('echo')}/{SYSTEM}")
    shutil.copy(place.qrap, f"{place.dir}/first/qemu-kvm")
    for name, target, folders in (
            ("our name", SYSTEM, "first script echo"),
            ("qrap itself", place.qrap, "first script echo"),
            ("qrap, not in PATH", place.qrap, "script echo"),
            ("a copy of qrap", copy, "first script copy echo"),
            ("our name, and nothing else is there", SYSTEM, "first script")):
        name = f"kvm is a script that runs {name}"
        place.program("script/kvm", f'#!/bin/sh\nexec {target} -k "$@"\n')
        with case(name), Server(1, answer) as s:
            r = place.run(me, "-M", "virt", path=":".join(
                f"{place.dir}/{d}" for d in folders.split()), timeout=15)
            want = f"-k {NET} -M virt -device virtio-net-pci{TAIL}\n"
            if "nothing" in name:
                ok(r.returncode == 1 and "No QEMU" in r.stderr and
                   not r.stdout, name, r.stderr)
            else:
                ok(r.returncode == 0 and s.times == 1 and r.stdout == want,
                   name, f"{r.stderr} {r.stdout}")


def errors():
    for name, words, *argv in (
            ("usage", "Usage FDNUM"),
            ("number 0", "number 0 3", "0", "kvm"),
            ("number 2", "number 2 3", "2", "kvm"),
            ("number too large", "99999999999 3", "99999999999", "kvm"),
            ("number without a command", "5 command", "5"),
            ("a command that is not there", "nowhere PATH", "5", "nowhere")):
        one_line(place.run(place.qrap, *argv), name, *words.split())
    with Server(1, answer):
        r = place.run(place.qrap, "1000000", "kvm")
        ok(r.returncode == 1 and "1000000" in r.stderr and "ulimit" in r.stderr,
           "number above the limit", r.stderr)
        r = place.run(place.qrap, "5", "/nowhere/kvm")
        ok(r.returncode == 1 and "/nowhere/kvm: No such file" in r.stderr,
           "a path that is not there", r.stderr)


# --- the real QEMU ---

def real_qemu():
    if ARCH != "x86_64" or not shutil.which(SYSTEM):
        return skip("a real QEMU", f"no {SYSTEM}")
    os.symlink(shutil.which(SYSTEM), f"{place.sub('real')}/{SYSTEM}")
    for m in "-M pc", "-M pc -nodefaults", "-M q35", "", \
            "-M q35 -nodefaults -device pcie-root-port,id=pci.3,chassis=1 " \
            "-device pcie-root-port,id=pci.4,chassis=2 " \
            "-device virtio-rng-pci,bus=pci.3,addr=0x0", \
            "-M pc -device virtio-rng-pci,addr=0x3 -device virtio-rng-pci " \
            "-netdev user,id=n -device e1000,netdev=n,mac=52:54:00:00:00:01":
        name = f"{SYSTEM} {m}"
        mac = "52:54:00:00:00:01" if "mac=" in m else MAC.hex(":")
        with case(name), place.passt("-q"):
            r = run(*place.inside(
                place.qrap, *m.split(), "-accel", "tcg", "-S", "-display",
                "none", "-monitor", "stdio",
                PATH=f"{place.dir}/real:/usr/sbin/nothing"),
                check=False, input="info network\nquit\n", cwd="/")
            ok(r.returncode == 0 and r.stderr == CONNECTED % 1 and
               re.search(r"^virtio-net-pci\.0: .*macaddr=" + mac, r.stdout,
                         re.M) and
               re.search(r"hostnet0: index=0,type=socket,.*fd=5", r.stdout) and
               r.stdout.count("index=") == 2, name, r.stderr + r.stdout[-500:])


def boot():
    """Firmware that asks for an address: frames of a guest, both ways. That it
    asks passt's server for what that offered says that it got the offer."""
    name = f"{SYSTEM} boots from the network"
    if ARCH != "x86_64" or not shutil.which(SYSTEM):
        return skip(name, f"no {SYSTEM}")
    cap = f"/proc/{place.ns.pid}/root/tmp/pcap"
    request = b"\x63\x82\x53\x63\x35\x01\x03"     # of DHCP
    with case(name), place.passt("-q", "-4", "-p", "/tmp/pcap"):
        q = start(place.inside(
            place.qrap, *"-M pc -nodefaults -accel tcg -display none -boot n "
            "-netdev user,id=n -device e1000,netdev=n".split(),
            PATH=f"{place.dir}/real:/usr/sbin/nothing"), cwd="/",
            stderr=subprocess.DEVNULL)

        def asked():
            with open(cap, "rb") as f:
                return request in f.read()
        try:
            ok(wait_for("DHCP request", asked, 60, q), name)
        finally:
            stop(q)


def manual():
    if not shutil.which("mandoc"):
        return skip("manual page", "no mandoc")
    r = run("mandoc", "-T", "lint", "-W", "style", f"{TOP}/qrap.1",
            check=False)
    said = [l for l in r.stdout.splitlines()
            if "referenced manual not found" not in l]
    ok(not said and os.path.exists(f"{TOP}/qrap.1"), "manual page: no "
       "complaint of mandoc", "\n".join(said))


topo = Topo()
place = Place()
try:
    with_passt()
    with_number()
    busy()
    place.clear()
    questions()
    whose()
    none()
    others()
    after_resets()
    arguments()
    no_guest()
    lookup()
    errors()
    place.clear()
    real_qemu()
    boot()
    manual()
finally:
    shutil.rmtree(place.dir)
done()
