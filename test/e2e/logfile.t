#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""-l and --log-size: what is in the log file, whose it is, that it stays below
its size while the daemon has no rights left, and what is refused."""
import os
import re
import signal
import socket
import stat
import subprocess
import sys

sys.dont_write_bytecode = True
from lib import *       # noqa: E402

need_root()
topo = Topo()
LOG = tmp("log")
LINE = re.compile(r"(\d+)\.(\d{4}): (ERROR:   |WARNING: |info:    | {9})(.*)")
TITLE = re.compile(r"pasta (\S+): (\S+) \((\d+)\)"
                   r"(, truncated after (\d+\.\d{4}) seconds *)?")
VERSION = topo.run_pasta("--version").stdout.split()[1]


class Log:
    """A log file taken apart; .bad are lines that are none."""

    def __init__(self, path=LOG):
        self.text = read(path)
        self.size = os.stat(path).st_size
        head, *lines = self.text.split("\n")
        self.title = TITLE.fullmatch(head)
        self.pid = self.title and int(self.title[3])
        found = [LINE.fullmatch(l) for l in lines[:-1]]
        self.bad = [l for l, m in zip(lines, found) if not m]
        if lines[-1:] != [""]:
            self.bad += lines[-1:]
        self.lines = [m for m in found if m]
        self.tags = {m[3].strip() for m in self.lines}
        times = [(int(m[1]), int(m[2])) for m in self.lines]
        self.sorted = times == sorted(times)
        self.said = [m[4] for m in self.lines]

    def good(self):
        return self.title and not self.bad and self.sorted


def fresh():
    if os.path.lexists(LOG):
        os.unlink(LOG)


def ping_forbidden():
    """A way to have the daemon warn: nobody may ping from the host."""
    topo.in_host("sh", "-c", "echo 1 0 >/proc/sys/net/ipv4/ping_group_range")


def ping(pid):
    run(*enter(pid, "ping", "-c1", "-W1", GW[4]), check=False)


def settled():
    """The log, once nothing more is written: before, a look at it may fall in
    the middle of a cut."""
    seen = []

    def same():
        st = os.stat(LOG)
        seen.append((st.st_size, st.st_mtime_ns))
        if seen[-1:] * 10 == seen[-10:]:
            return Log()
        return None
    return wait_for("end of writing", same)


def foreground():
    fresh()
    with open(LOG, "w") as f:
        f.write("what was there before\n" * 99)
    os.chown(LOG, UID, UID)
    with case("foreground"), topo.pasta("-l", LOG, quiet=False) as p:
        log = Log()
        ok(log.good(), "header, and lines with time and tag, sorted",
           log.text)
        ok(log.title[1] == VERSION and
           log.title[2] == os.path.realpath(topo.program) and
           log.pid == p.pid and not log.title[4],
           "header: version, path, process ID", log.title and log.title[0])
    fresh()
    with case("new file"), topo.pasta("-l", LOG, quiet=False) as p:
        st = os.stat(LOG)
        ok(stat.S_IMODE(st.st_mode) == 0o600 and st.st_uid == UID,
           "a new file is private", oct(st.st_mode))
    fresh()
    g = topo.user_ns()
    with case("-f"):
        p = start(topo.as_user(topo.program, "--config-net", "-f", "-l", LOG,
                               str(g.pid)), stderr=subprocess.PIPE, text=True,
                  cwd="/")
        wait_for("banner", lambda: "assign: " + HOST[4] in read(LOG), proc=p)
        wait_for("isolation", lambda: not os.listdir(f"/proc/{p.pid}/root"))
        stop(p)
        said = p.stderr.read()
        log = Log()
        ok(log.good() and said.splitlines() == log.said and
           log.tags == {"info:"},
           "-f: the same on standard error", f"{said}\n{log.text}")
    stop(g, signal.SIGKILL)


def levels():
    for opts, tags in ((("-q",), set()), (("-d",), {"info:", ""}),
                       (("-d", "-q"), set())):
        fresh()
        with case(opts[0]), \
                topo.pasta("-l", LOG, *opts, quiet=False) as p:
            rc = stop(p.proc)
            log = Log()
            ok(rc == 0 and log.good() and log.tags == tags,
               f"{' '.join(opts)}: levels in the file", log.text)
            if tags:
                said = [LINE.match(l.replace(": ", ":          ", 1))
                        for l in p.text().splitlines()]
                ok(all(said) and [m[4] for m in said] == log.said,
                   "-d: the same on standard error",
                   f"{p.text()}\n{log.text}")


def in_background():
    g = topo.user_ns()
    fresh()
    pidfile, err = tmp("pid"), tmp("err")
    with case("background"):
        with open(err, "w") as f:
            p = start(topo.as_user(topo.program, "--config-net", "-P",
                                   pidfile, "-l", LOG, str(g.pid)),
                      stderr=f, stdout=f, cwd="/")
            ok(p.wait(15) == 0, "background: status 0", read(err))
        pid = int(read(pidfile))
        before, log = read(err), Log()
        ok(log.good() and log.pid == pid,
           "background: the process ID is the daemon's", log.text[:200])
        ok(before.splitlines() == log.said and
           "    assign: " + HOST[4] in log.said,
           "background: the banner is also on standard error",
           f"{before}\n{log.text}")
        ping_forbidden()
        ping(g.pid)
        wait_for("warning", lambda: "Cannot open a socket" in read(LOG))
        os.kill(pid, signal.SIGTERM)
        wait_for("end", lambda: not alive(pid))
        log = Log()
        ok(log.good() and log.tags == {"info:", "WARNING:"},
           "background: later warnings are in the file", log.text)
        ok(read(err) == before,
           "background: nothing more on standard error", read(err))
    tune(topo.host)
    stop(g, signal.SIGKILL)


def no_descriptors():
    """Started without standard ones: no line in the wrong place."""
    fresh()
    g = topo.user_ns()
    pidfile = tmp("pid2")
    with case("no standard descriptors"):
        r = run(*topo.as_user("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh",
                              topo.program, "--config-net", "-P", pidfile,
                              "-l", LOG, str(g.pid)), cwd="/", check=False)
        log = Log()
        ok(r.returncode == 0 and log.good() and
           log.pid == int(read(pidfile)) and log.tags == {"info:"},
           "started without standard descriptors", log.text)
        os.kill(log.pid, signal.SIGTERM)
    stop(g, signal.SIGKILL)


def failure_in_file():
    fresh()
    with case("error"):
        r = topo.run_pasta("-l", LOG, "-P", "/nonexistent/pid", "--", "true")
        log = Log()
        ok(r.returncode == 1 and log.good() and len(log.lines) == 1 and
           log.tags == {"ERROR:"} and "/nonexistent/pid" in log.said[0] and
           r.stderr == log.said[0] + "\n", "a later error is in the file",
           f"{r.stderr}\n{log.text}")
    fresh()
    with case("command"):
        r = topo.run_pasta("-l", LOG, "--", "/nonexistent/cmd")
        log = Log()
        ok(r.returncode == 1 and log.good() and log.tags == {"ERROR:"} and
           "/nonexistent/cmd" in log.said[-1],
           "a command that cannot run is in the file", log.text)
    fresh()
    with case("line break"):
        r = topo.run_pasta("-l", LOG, "-P", "/nonexistent/a\nERROR: b", "--",
                           "true")
        log = Log()
        ok(r.returncode == 1 and log.good() and len(log.lines) == 1,
           "no line breaks from outside", log.text)


def chatter(p, n=400):
    """Have --trace say much."""
    with socket_in(p.guest, 4, socket.SOCK_DGRAM) as s:
        for i in range(n):
            s.sendto(b"x", (REMOTE[4], 9000))


def rotation():
    for limit in 40960, 50000:
        fresh()
        with case(f"{limit}"), topo.pasta("--trace", "-l", LOG, "--log-size",
                                          str(limit), quiet=False) as p:
            sizes, cut = [], []
            # On a busy machine one line tells of many packets
            while len(cut) < 20 or (len(set(cut)) <= 3 and len(cut) < 200):
                chatter(p)
                sizes.append(os.stat(LOG).st_size)
                log = settled()
                sizes.append(log.size)
                cut.append(log.title and log.title[5])
            rc = stop(p.proc)
            log = Log()
            ok(rc == 0 and log.good() and log.pid == p.pid,
               f"limit {limit}: whole lines, sorted, below the header",
               log.bad or log.text[:200])
            ok(max(sizes + [log.size]) <= limit and max(sizes) > limit / 2,
               f"limit {limit}: never exceeded", sizes)
            ok(len(set(cut)) > 3 and cut[-1], f"limit {limit}: was cut", cut)
            # What is left is what standard error had last
            said = [l.split(": ", 1)[1] for l in p.text().splitlines()]
            ok(log.said and said[-len(log.said):] == log.said,
               f"limit {limit}: the newest are there",
               f"{said[-2:]} {log.said[-2:]}")


def write_errors():
    fresh()
    with case("file size limit"):
        p = start(topo.as_user("prlimit", "--fsize=20480", topo.program,
                               "--config-net", "-f", "--trace", "-l", LOG,
                               "--", "sleep", "infinity"),
                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                  cwd="/")
        p.guest = wait_for("command", lambda: [
            c for c in children(p.pid) if comm(c) == "sleep"], proc=p)[0]
        wait_for("configuration", lambda: HOST[4] in
                 ip(p.guest, "addr").stdout, proc=p)
        wait_for("a full file", lambda: chatter(p) or
                 os.stat(LOG).st_size > 18000, proc=p)
        chatter(p)
        log = settled()
        ok(p.poll() is None and log.good() and 18000 < log.size <= 20480,
           "the limit of the process is an error, not the end",
           f"{p.poll()} {log.size}")
        stop(p)
        ok(p.returncode == 0, "and it leaves as always", p.returncode)
        if alive(p.guest):
            os.kill(p.guest, signal.SIGKILL)


def not_files():
    for path in "/dev/null", "/dev/full":
        with case(path):
            r = topo.run_pasta("-l", path, "--", "sh", "-c", "exit 7")
            ok(r.returncode == 7 and not r.stderr, f"{path} is a log, too",
               f"{r.returncode} {r.stderr}")
    fresh()
    with case("FIFO"):
        os.mkfifo(LOG, 0o600)
        os.chown(LOG, UID, UID)
        fd = os.open(LOG, os.O_RDONLY | os.O_NONBLOCK)
        r = topo.run_pasta("-l", LOG, "-d", "--", "true")
        text = os.read(fd, 65536).decode()
        os.close(fd)
        ok(r.returncode == 0 and TITLE.fullmatch(text.splitlines()[0]) and
           LINE.fullmatch(text.splitlines()[-1]), "a FIFO gets lines", text)
        r = topo.run_pasta("-l", LOG, "--", "sh", "-c", "exit 7")
        ok(r.returncode == 7, "a FIFO that nobody reads holds nobody up",
           r.stderr)


def refused():
    fresh()
    os.mkdir(tmp("dir"))
    with open(LOG, "w") as f:
        f.write("root's\n")
    os.chmod(LOG, 0o644)
    g = topo.user_ns()
    for path, why in (("/nonexistent/log", "No such file"),
                      (tmp("dir"), "Is a directory"),
                      (LOG, "Permission denied")):
        for word in "-f", "-q":             # foreground and background
            with case(path):
                r = topo.run_pasta(word, "--config-net", "-l", path,
                                   str(g.pid))
                ok(r.returncode == 1 and len(r.stderr.splitlines()) == 1 and
                   path in r.stderr and why in r.stderr,
                   f"{word}: {why}: one line, status 1", r.stderr)
    ok(read(LOG) == "root's\n", "what cannot be opened is as before")
    stop(g, signal.SIGKILL)


foreground()
levels()
in_background()
no_descriptors()
failure_in_file()
rotation()
write_errors()
not_files()
refused()
with case("nothing left"):
    keep = {q.pid for q in topo.procs}
    wait_for("end", lambda: not [q for q in tagged() if q not in keep],
             seconds=3)
done()
