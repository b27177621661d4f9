# SPDX-License-Identifier: GPL-2.0-or-later
"""A Linux guest under QEMU, for tests.

    remote   ---- veth ----   host: passt, QEMU, as an unprivileged user
                                 | UNIX socket
                              guest: emulated, no KVM; test/guest/

The guest has two serial ports: one for its kernel's messages, which go to a
file, and one where an agent takes a line, runs it in a shell, and answers with
what it said and its status.
"""
import os
import re
import select
import shutil
import subprocess
import sys
import time

from lib import read, run, start, stop, tmp, wait_for

HERE = os.path.dirname(os.path.abspath(sys.argv[0]))
TOP = os.path.join(HERE, "..", "..")
QEMU = "qemu-system-x86_64"
MAC = "52:54:00:12:34:56"
# reboot: by the keyboard controller, at once. random: dhclient waits for it.
# no_timer_check: emulated ones are sound, and the check is slow.
KERNEL = ("console=ttyS0 quiet mitigations=off reboot=k no_timer_check "
          "random.trust_cpu=on panic=-1")


def prepare():
    """Kernel and initramfs of the guest; what is missing, in words, or None."""
    if not shutil.which(QEMU):
        return f"no {QEMU}"
    r = run(sys.executable, f"{TOP}/test/guest/mkguest.py",
            f"{TOP}/build/guest", tmp(), os.environ.get("CC") or "cc",
            check=False, timeout=240)
    if r.returncode == 77:
        return r.stderr.strip()
    if r.returncode:
        raise RuntimeError(r.stderr)
    return None


class Server:
    """A passt that listens at .path, or serves the connected socket @fd; .proc,
    .pid; .vhost is what it speaks."""

    def __init__(self, topo, *opts, fd=None):
        program = os.path.abspath(os.environ.get("PASST") or f"{TOP}/passt")
        if run(*topo.as_user("test", "-x", program),
               check=False).returncode:
            # A tree below somebody's home: take a copy
            shutil.copy(program, tmp("passt"))
            program = tmp("passt")
        self.path = tmp(f"passt{time.monotonic_ns()}")
        self.vhost = "--vhost-user" in opts
        self.log = open(tmp(f"log{time.monotonic_ns()}"), "w+")
        where = ["-s", self.path] if fd is None else ["--fd", str(fd)]
        self.proc = start(topo.as_user(program, "-f", *where, *opts),
                          stdout=self.log, stderr=self.log, cwd="/",
                          pass_fds=() if fd is None else (fd,))
        self.pid = self.proc.pid
        try:
            wait_for("socket", lambda: fd is not None or
                     os.path.exists(self.path), proc=self.proc)
        except RuntimeError as e:
            raise RuntimeError(f"{e}; {self.text()}") from None

    def text(self):
        self.log.flush()
        return read(self.log.name)

    def fds(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def clients(self):
        """How many are connected."""
        return len(re.findall(rf" 03 +\d+ {self.path}$", read(
            f"/proc/{self.pid}/net/unix"), re.M))      # SS_CONNECTED

    def stop(self):
        return stop(self.proc)


def stream(path, fd):
    addr = f"addr.type=unix,addr.path={path}" if fd is None else \
        f"addr.type=fd,addr.str={fd}"
    return "-netdev", f"stream,id=n,server=off,{addr}"


def vhost(path, fd):
    """The guest's memory is a file, so that it can be handed over. No MSI-X, by
    the device's vectors=0: some QEMUs crash with it if there is no KVM."""
    addr = f"path={path}" if fd is None else f"fd={fd}"
    return ("-object", "memory-backend-memfd,id=m,share=on,size=256M",
            "-machine", "memory-backend=m",
            "-chardev", f"socket,id=c,{addr}",
            "-netdev", "vhost-user,id=n,chardev=c")


class Vm:
    """A guest, connected to a @server, or by the socket @fd. Without @booting
    its processor does not run."""

    def __init__(self, topo, server, booting=True, mac=MAC, fd=None):
        self.console = tmp(f"console{time.monotonic_ns()}")
        self.err = open(tmp("qemu.err"), "w+")
        self.buf = b""
        self.limit = None       # of the command that runs
        argv = [QEMU, "-accel", "tcg", "-cpu", "max", "-m", "256",
                "-nodefaults", "-no-user-config", "-display", "none",
                "-kernel", tmp("vmlinuz"), "-initrd", tmp("initramfs"),
                "-append", KERNEL,
                "-serial", f"file:{self.console}",
                "-chardev", "stdio,id=agent,signal=off",
                "-serial", "chardev:agent",
                *(vhost if server.vhost else stream)(server.path, fd),
                "-device", f"virtio-net-pci,netdev=n,mac={mac},romfile=" +
                (",vectors=0" if server.vhost else ""),
                *([] if booting else ["-S"])]
        self.proc = start(topo.as_user(*argv), stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=self.err, cwd="/",
                          pass_fds=() if fd is None else (fd,))
        self.pid = self.proc.pid

    def expect(self, pattern, seconds=30):
        """Wait for a line @pattern; what came before it, and the match."""
        end = time.monotonic() + seconds
        while True:
            m = re.search(pattern, self.buf, re.M)
            if m:
                text, self.buf = self.buf[:m.start()], self.buf[m.end():]
                return text.decode(errors="replace"), m
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.proc.stdout], [], [],
                                              left)[0]:
                raise RuntimeError(f"guest silent for {seconds} s; said: "
                                   f"{self.buf[-2000:]!r}; console: "
                                   f"{read(self.console)[-2000:]}")
            b = os.read(self.proc.stdout.fileno(), 1 << 16)
            if not b:
                raise RuntimeError(f"QEMU ended: {read(self.err.name)}")
            self.buf += b

    def booted(self, seconds=120):
        self.expect(rb"^@@ ready\n", seconds)
        self.limit = None
        return self

    def send(self, command, seconds=30):
        """Begin a command that is ended after @seconds; expect() and result()
        go with it."""
        assert "\n" not in command
        if self.limit:          # one that nobody waited for, in a failed case
            self.result(check=False)
        self.limit = seconds
        self.proc.stdin.write(f"{seconds} {command}\n".encode())
        self.proc.stdin.flush()

    def result(self, check=True):
        """What the command said; with @check, its status must be 0."""
        text, m = self.expect(rb"\n@@ (\d+)\n", self.limit + 10)
        self.limit = None
        if check and m[1] != b"0":
            raise RuntimeError(f"in guest: status {m[1].decode()}: {text}")
        return text

    def sh(self, command, check=True, seconds=30):
        self.send(command, seconds)
        return self.result(check)

    def wait(self, what, command, seconds=10):
        """Until @command succeeds in the guest; what it says."""
        return self.sh(f"for i in $(seq {seconds * 10}); do "
                       f"{{ {command}; }} && exit 0; sleep 0.1; done; "
                       f"echo no {what}; exit 1", seconds=3 * seconds)

    def stop(self):
        self.proc.stdin.close()
        self.proc.kill()
        self.proc.stdout.close()
        return self.proc.wait()
