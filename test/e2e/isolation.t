#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the daemon can still do once it runs: system calls (tried from within
the process, by test/shim/calls.c), processes and files it sees."""
import os
import re
import signal
import subprocess
import sys

sys.dont_write_bytecode = True
from lib import *       # noqa: E402

need_root()
if os.environ.get("DEBUG"):
    print("1..0 # SKIP the sanitizers make system calls of their own")
    sys.exit(0)
topo = Topo()
SHIM = tmp("calls.so")
MOST = {"pasta": 42, "passt": 33}       # permitted system calls
ELSE = ("packet socket", "raw socket", "UNIX socket", "netlink socket",
        "multipath socket", "socket filter", "SO_MARK", "TIOCSTI", "fcntl",
        "writable memory")


def program(mode):
    return topo.program if mode == "pasta" else topo._program("PASST")


def sandboxed(what, mode, *opts):
    """A daemon in the foreground that calls @what; its standard error."""
    err = open(tmp(f"err.{mode}.{what}"), "w+")
    args = ["-f", "-q", "-l", tmp(f"log.{mode}.{what}"), *opts]
    if mode == "pasta":
        args += ["--config-net", "-t", "none", "-u", "none", "-T", "none",
                 "-U", "none", "--", "sleep", "infinity"]
    else:
        args += ["-s", tmp(f"sock.{what}")]
    p = start(topo.as_user("env", f"LD_PRELOAD={SHIM}", f"E2E_CALLS={what}",
                           program(mode), *args), stderr=err, cwd="/")
    return p, err.name


def build():
    run(os.environ.get("CC") or "cc", "-O1", "-shared", "-fPIC",
        "-D_GNU_SOURCE", "-o", SHIM,
        os.path.join(os.path.dirname(__file__), "../shim/calls.c"), "-ldl")
    os.chmod(SHIM, 0o755)


def everything(mode):
    with case(f"{mode}: all system calls"):
        p, err = sandboxed("all", mode)
        text = wait_for("result", lambda: re.search(
            r"calls: (\d+), (\d+) by their arguments\n", read(err)), 10, p)
        n, some = map(int, text.groups())
        print(f"# {mode}: {n}, {some} of them by their arguments")
        ok(10 < n <= MOST[mode],
           f"{mode}: at most {MOST[mode]} are permitted", n)
        ok(some >= 4, f"{mode}: some by their arguments", some)
        want = {"openat", "kill", "prctl"}

        def lines():
            return re.findall(r"System call (\w+) was refused",
                              read(tmp(f"log.{mode}.all")))
        wait_for("lines", lambda: want <= set(lines()), 5, p)
        named = lines()
        ok(len(named) == len(set(named)) and want <= set(named),
           f"{mode}: each refused one is named once", named)
        ok(p.poll() is None, f"{mode}: goes on", p.returncode)
        stop(p)
        ok(p.returncode == 0, f"{mode}: and ends as always", p.returncode)


def arguments(mode):
    with case(f"{mode}: arguments"):
        p, err = sandboxed("args", mode)
        wait_for("result", lambda: "args: end" in read(err), 10, p)
        said = dict(re.findall(r"args: ([\w ]+): ([\w ]+)\n", read(err)))
        for what in ELSE:
            want = "unknown" if mode == "passt" and what == "fcntl" else \
                "refused"
            ok(said.get(what) == want, f"{mode}: {what}", said)
        for what in "prctl", "kill", "open":
            ok(said.get(what) == "unknown", f"{mode}: no {what}", said)
        ok(said.get("TCP socket") == "done", f"{mode}: but a TCP socket", said)
        stop(p)


def fatal(mode):
    for what in ("execve", "clone", "ptrace", "unshare", "mmap", "mprotect",
                 "io_uring"):
        with case(f"{mode}: {what}"):
            p, err = sandboxed(what, mode)
            ok(p.wait(10) == -signal.SIGSYS, f"{mode}: {what} is the end",
               (p.returncode, read(err)))
            ok("survived" not in read(err), f"{mode}: {what}: not done")


def threads(pid):
    return [read(f"/proc/{pid}/task/{t}/status")
            for t in os.listdir(f"/proc/{pid}/task")]


def field(text, name):
    return re.search(rf"^{name}:\s*(.*)$", text, re.M)[1]


def locked(mode, pid, what):
    # The socket is there, and the command runs, somewhat earlier
    wait_for("filter", lambda: field(read(f"/proc/{pid}/status"),
                                     "Seccomp") == "2")
    st = threads(pid)
    ok(all(field(s, "Seccomp") == "2" and field(s, "NoNewPrivs") == "1"
           for s in st), f"{mode}: {what}: filtered", st)
    ok(all(not int(field(s, c), 16) for s in st
           for c in ("CapInh", "CapAmb", "CapBnd") if mode == "passt") and
       all(int(field(s, "CapEff"), 16) in (0, 1 << 10) for s in st),
       f"{mode}: {what}: capabilities", st)
    return st


def foreground():
    with case("foreground"):
        p = topo.pasta("-T", "auto", "-t", "auto")
        st = locked("pasta", p.pid, "foreground")
        ok(len(st) == 2, "a thread in the namespace", len(st))
        ok(sum(int(field(s, "CapEff"), 16) != 0 for s in st) == 1,
           "low ports for one of them")
        p.stop()
        p = topo.passt()
        st = locked("passt", p.pid, "foreground")
        ok(os.readlink(f"/proc/{p.pid}/ns/pid") ==
           os.readlink("/proc/self/ns/pid"), "foreground: no PID namespace")
        p.stop()


def background():
    g = topo.user_ns()
    for mode in "passt", "pasta":
        pidfile, log = tmp(f"pid.{mode}"), tmp(f"log.{mode}")
        with case(f"{mode}: background"):
            args = ["-s", tmp("sock.bg")] if mode == "passt" else \
                ["--config-net", "-T", "9", "-t", "none", str(g.pid)]
            r = run(*topo.as_user(
                program(mode), "-P", pidfile, "-l", log, *args), cwd="/", check=False)
            ok(r.returncode == 0, f"{mode}: starts", r)
            pid = int(read(pidfile))
            st = locked(mode, pid, "background")
            ok(all(field(s, "NSpid").split()[-1] in ("1", "2") and
                   field(s, "NSpid").split()[-1] != field(s, "NSpid").split()[0]
                   for s in st), f"{mode}: first in a PID namespace", st)
            ok(f"({pid})" in read(log).splitlines()[0],
               f"{mode}: its number is that of outside", read(log))
            for n in "mnt", "ipc", "uts", "pid", "user":
                ok(os.readlink(f"/proc/{pid}/ns/{n}") !=
                   os.readlink(f"/proc/self/ns/{n}"), f"{mode}: own {n}")
            fds = [os.readlink(f"/proc/{pid}/fd/{i}") for i in range(3)]
            ok(set(fds) == {"/dev/null"}, f"{mode}: standard descriptors", fds)
    for mode, sig in ("passt", signal.SIGINT), ("pasta", signal.SIGHUP):
        with case(f"{mode}: {sig.name}"):
            pid = int(read(tmp(f"pid.{mode}")))
            os.kill(pid, sig)
            wait_for("end", lambda: not alive(pid))
            ok(True, f"{mode}: {sig.name} ends it")
    stop(g, signal.SIGKILL)


build()
for m in "passt", "pasta":
    everything(m)
    arguments(m)
    fatal(m)
foreground()
background()
done()
