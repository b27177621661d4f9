#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Other local users: what they put in the way of the log, the PID file, the
capture and the socket, in a directory where everybody may write. The machine's
own protection against that (fs.protected_*) does not count: most of these
directories are not sticky, or the one who starts us is root."""
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading

sys.dont_write_bytecode = True
from lib import *       # noqa: E402

need_root()
topo = Topo()
BAD = 54321                     # the other one
RUNAS = 4321
PRECIOUS = "precious\n"
PASST, PASTA = topo._program("PASST"), topo.program
WORDS = {"-l": "log file", "-P": "PID file", "-p": "capture", "-s": "socket"}
RENAME_EXCHANGE = 2


class Start:
    """Who starts us, as which user that is, and what it becomes."""

    def __init__(self, name, uid, runs, *opts):
        self.name, self.uid, self.runs, self.opts = name, uid, runs, opts

    def __call__(self, program, *argv, timeout=15):
        """In the background; the result has .pid, 0 if it did not start."""
        pidf = os.path.join(self.safe, "pid")
        if os.path.lexists(pidf):
            os.unlink(pidf)
        argv = [program, "-q", *self.opts, *argv]
        if "-P" not in argv:
            argv[1:1] = ["-P", pidf]
        if self.uid:
            r = run(*topo.as_user(*argv), check=False, timeout=timeout,
                    cwd="/")
        else:
            r = topo.in_host(*argv, check=False, timeout=timeout)
        r.pid = int(read(argv[argv.index("-P") + 1]) or 0) \
            if not r.returncode else 0
        return r

    def directories(self):
        """A safe one of the starter, and two of everybody."""
        base = tmp(f"d{self.runs}")
        os.mkdir(base)
        os.chmod(base, 0o755)
        self.safe = os.path.join(base, "safe")
        os.mkdir(self.safe)
        os.chmod(self.safe, 0o755)      # a victim must be reachable
        os.chown(self.safe, self.uid, self.uid)
        for name, mode in ("sticky", 0o1777), ("open", 0o777):
            os.mkdir(os.path.join(base, name))
            os.chmod(os.path.join(base, name), mode)
        return [os.path.join(base, n) for n in ("sticky", "open")]


STARTS = [Start("root, --runas", 0, RUNAS, "--runas", str(RUNAS)),
          Start("root", 0, 65534), Start("an ordinary user", UID, UID)]


def end(pid):
    if pid:
        os.kill(pid, signal.SIGKILL)
        wait_for("end", lambda: not alive(pid))


def owned(path, uid):
    os.chown(path, uid, uid, follow_symlinks=False)


class Attack:
    """One thing in the way at .path; what must not change is .same()."""

    def __init__(self, start, d, name):
        self.start, self.name = start, name
        self.victim = os.path.join(start.safe, "victim")
        self.path, self.fds = os.path.join(d, "x"), []
        for p in self.victim, os.path.join(start.safe, "x"):
            with open(p, "w") as f:
                f.write(PRECIOUS)
            owned(p, start.uid)
        getattr(self, name.replace(" ", "_"))(d)
        self.before = self.look()

    def symlink(self, d):
        os.symlink(self.victim, self.path)
        owned(self.path, BAD)

    def dangling_symlink(self, d):
        os.symlink(os.path.join(self.start.safe, "new"), self.path)
        owned(self.path, BAD)

    def swapped_directory(self, d):
        os.symlink(self.start.safe, os.path.join(d, "dir"))
        owned(os.path.join(d, "dir"), BAD)
        self.path = os.path.join(d, "dir/x")

    def link_to_a_link(self, d):
        """A link that is safe leads through one that is not."""
        os.symlink(self.victim, os.path.join(d, "his"))
        owned(os.path.join(d, "his"), BAD)
        os.symlink("his", self.path)
        owned(self.path, self.start.uid)

    def file(self, d):
        with open(self.path, "w") as f:
            f.write("mine\n")
        os.chmod(self.path, 0o666)
        owned(self.path, BAD)

    def fifo(self, d):
        os.mkfifo(self.path)
        os.chmod(self.path, 0o666)
        owned(self.path, BAD)
        self.fds.append(os.open(self.path, os.O_RDONLY | os.O_NONBLOCK))

    def fifo_without_reader(self, d):
        os.mkfifo(self.path)
        os.chmod(self.path, 0o666)
        owned(self.path, BAD)

    def directory(self, d):
        os.mkdir(self.path)
        os.chmod(self.path, 0o777)
        owned(self.path, BAD)

    def hard_link(self, d):
        os.link(self.victim, self.path)

    def live_socket(self, d):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.bind(self.path)
        self.s.listen()
        os.chmod(self.path, 0o777)
        owned(self.path, BAD)

    def look(self):
        """All there is, with its inode and content."""
        out = {}
        for top in os.path.dirname(self.path), self.start.safe:
            for p in sorted(os.listdir(top)):
                p = os.path.join(top, p)
                if os.path.basename(p) != "pid":    # by a link as well
                    st = os.lstat(p)
                    out[p] = (st.st_ino, st.st_mode, st.st_uid, read(p)
                              if stat.S_ISREG(st.st_mode) else "")
        return out

    def same(self):
        got = self.look()
        silent = all(not os.read(fd, 1) for fd in self.fds)
        return got == self.before and silent, f"{self.before}\n{got}"

    def undo(self, d):
        for fd in self.fds:
            os.close(fd)
        run("rm", "-r", d)
        os.mkdir(d)


def attacks(start, d, mode):
    sticky = stat.S_ISVTX & mode
    for name in ("symlink", "dangling symlink", "swapped directory",
                 "link to a link", "file", "fifo", "fifo without reader",
                 "directory", "hard link", "live socket"):
        bad = []
        for kind in WORDS:
            with case(f"{start.name}: {name}, {kind}"):
                a = Attack(start, d, name)
                good = (kind == "-P" and os.path.join(start.safe, "x2")) or \
                    os.path.join(start.safe, "s")
                opts = [] if kind == "-s" else ["-s", good]
                r = start(PASST, kind, a.path, *opts)
                right = r.returncode == (kind != "-p") and \
                    sum(a.path in l and WORDS[kind] in l
                        for l in r.stderr.splitlines()) == 1
                end(r.pid)
                if os.path.exists(good):
                    os.unlink(good)
                same, detail = a.same()
                if not right or not same:
                    bad.append(f"{kind}: {r.returncode} {r.stderr} {detail}")
                a.undo(d)
                os.chmod(d, mode)
        ok(not bad, f"{start.name}: {name} of another user in the way"
           f"{', sticky' if sticky else ''}: refused, nothing changed",
           "\n".join(bad))


def reasons(start, d):
    """What is told, and by the capture as well."""
    for name, words in (("symlink", "symbolic link"),
                        ("swapped directory", "symbolic link"),
                        ("file", "another user"), ("fifo", "another user"),
                        ("hard link", "hard link"),
                        ("directory", "directory"),
                        ("live socket", "is a socket")):
        a = Attack(start, d, name)
        r = start(PASTA, "-f", "-l", a.path, "--", "true")
        ok(words in r.stderr and a.path in r.stderr and r.returncode == 1,
           f"pasta, log: {name}: the reason is told", r.stderr)
        argv = [PASTA, "-f", "-p", a.path, "--", "sh", "-c", "exit 7"]
        r = topo.in_host(*argv, check=False) if not start.uid else \
            run(*topo.as_user(*argv), check=False, cwd="/")
        ok(words in r.stderr and a.path in r.stderr and r.returncode == 7,
           f"pasta, capture: {name}: the reason is told, and it runs",
           r.stderr)
        a.undo(d)
        os.chmod(d, 0o777)


def without(start, d):
    """Nobody in the way: made, private, and the starter's."""
    files = {k: os.path.join(d, k) for k in ("-l", "-P", "-p")}
    opts = [w for k in files.items() for w in k]

    def check(r, name):
        got = [os.lstat(p) for p in files.values()]
        ok(r.pid and all((st.st_mode, st.st_uid) ==
                         (stat.S_IFREG | 0o600, start.uid) for st in got) and
           all(read(p) for k, p in files.items() if k != "-p"),
           f"{start.name}: {name}: 0600, and filled", f"{r.stderr} {got}")
        end(r.pid)
        return [st.st_ino for st in got]

    sock = os.path.join(d, "s")
    before = check(start(PASST, *opts, "-s", sock), "new files")
    ok(check(start(PASST, *opts, "-s", sock), "old files") == before,
       f"{start.name}: the same ones once more")
    for p in [*files.values(), sock]:
        os.unlink(p)
    if start.uid:           # others may not enter this namespace
        g = topo.user_ns()
        check(start(PASTA, *opts, "--config-net", str(g.pid)), "pasta's")
        stop(g, signal.SIGKILL)
        for p in files.values():
            os.unlink(p)


def links(start, d):
    """Of the starter and of root they are followed, also to no file yet."""
    for uid in {0, start.uid}:
        os.symlink(start.safe, os.path.join(d, "dir"))
        os.symlink("dir/log", os.path.join(d, "x"))
        owned(os.path.join(d, "dir"), uid)
        owned(os.path.join(d, "x"), uid)
        r = start(PASST, "-l", os.path.join(d, "x"), "-s",
                  os.path.join(d, "dir/s"))
        ok(r.pid and "passt" in read(os.path.join(start.safe, "log")) and
           os.path.exists(os.path.join(start.safe, "s")),
           f"{start.name}: links of user {uid} are followed", r.stderr)
        end(r.pid)
        os.unlink(os.path.join(start.safe, "log"))
        r = start(PASST, "-P", os.path.join(d, "x"), "-s",
                  os.path.join(d, "dir/s"))
        text = read(os.path.join(start.safe, "log"))
        ok(r.pid and text == f"{r.pid}\n",
           f"{start.name}: and to the PID file", f"{text!r} {r.stderr}")
        end(r.pid)
        for p in "dir", "x":
            os.unlink(os.path.join(d, p))
        for p in "log", "s":
            os.unlink(os.path.join(start.safe, p))


def stale(start, sticky, shared):
    """What another user's passt left behind."""
    for d in sticky, shared:
        path = os.path.join(d, "s")
        s = socket.socket(socket.AF_UNIX)
        s.bind(path)
        s.close()
        owned(path, BAD)
        r = start(PASST, "-s", path)
        if start.uid and d == sticky:
            ok(r.returncode == 1 and "another user's" in r.stderr,
               f"{start.name}: a stale socket that cannot be removed: why",
               r.stderr)
            os.unlink(path)
            continue
        ok(r.pid and os.stat(path).st_uid == start.uid,
           f"{start.name}: a stale socket is replaced", r.stderr)
        end(r.pid)
        os.unlink(path)


def race(start, d):
    """The other one exchanges a directory, and a link to the starter's, as fast
    as he can."""
    real, path = os.path.join(d, "real"), os.path.join(d, "dir")
    os.mkdir(real)
    os.chmod(real, 0o777)
    os.symlink(start.safe, path)
    for p in real, path:
        owned(p, BAD)
    victim = os.path.join(start.safe, "x")
    with open(victim, "w") as f:
        f.write(PRECIOUS)
    owned(victim, start.uid)
    s = socket.socket(socket.AF_UNIX)
    s.bind(os.path.join(start.safe, "sock"))
    owned(os.path.join(start.safe, "sock"), start.uid)
    s.close()                           # stale, so that it might be removed
    ino = os.lstat(os.path.join(start.safe, "sock")).st_ino
    stopped, flips = threading.Event(), [0]

    def flip():
        while not stopped.is_set():
            LIBC.renameat2(-100, real.encode(), -100, path.encode(),
                           RENAME_EXCHANGE)
            flips[0] += 1
    t = threading.Thread(target=flip)
    t.start()
    outcome = set()
    try:
        for _ in range(8):
            for opts in (("-l", f"{path}/x", "-s", start.safe + "/s"),
                         ("-p", f"{path}/x", "-s", start.safe + "/s"),
                         ("-s", f"{path}/sock")):
                r = start(PASST, "-1", *opts)
                outcome.add(r.returncode)
                end(r.pid)
    finally:
        stopped.set()
        t.join()
    st = os.lstat(os.path.join(start.safe, "sock"))
    ok(read(victim) == PRECIOUS and st.st_ino == ino and flips[0] > 100,
       f"{start.name}: exchanged {flips[0]} times while it starts: "
       "nothing happens", f"{read(victim)} {outcome} {st.st_ino} {ino}")
    for p in "real", "dir":
        run("rm", "-r", os.path.join(d, p))


def nested():
    """In a user namespace, root of the host looks like nobody: /dev/null and
    its links are taken, a file of another user in /tmp is not."""
    d = tmp("nested")
    os.mkdir(d)
    os.chmod(d, 0o1777)
    with open(f"{d}/his", "w"):
        os.chmod(f"{d}/his", 0o666)
    owned(f"{d}/his", BAD)
    os.symlink("his", f"{d}/link")
    owned(f"{d}/link", BAD)

    def go(path, *argv):
        return run(*topo.as_user("unshare", "-Ur", PASTA, "-l", path, "--",
                                 "sh", "-c", "exit 7"), check=False, cwd="/",
                   timeout=15)
    for path, want in (("/dev/null", 7), (f"{d}/new", 7), (f"{d}/new", 7),
                       (f"{d}/his", 1), (f"{d}/link", 1)):
        r = go(path)
        ok(r.returncode == want and ("another user" in r.stderr) == (want == 1),
           f"root of a user namespace: {path.rsplit('/', 1)[1]}: {want}",
           r.stderr)


def peers():
    """Who connected: the number of the one who runs it, else that it is not."""
    with topo.passt(quiet=False) as p:
        os.chmod(p.sock, 0o777)
        for uid, word in ((UID, f"of user {UID}"), (BAD, "of another user")):
            c = start(["setpriv", f"--reuid={uid}", f"--regid={uid}",
                       "--clear-groups", sys.executable, "-c",
                       "import socket, sys\ns = socket.socket(socket.AF_UNIX)\n"
                       f"s.connect({p.sock!r})\nsys.stdin.read()"],
                      stdin=subprocess.PIPE)
            m = wait_for("guest", lambda: re.search(
                rf"A guest has connected, process {c.pid} (.*)\n", p.text()))
            ok(m[1] == word, f"a guest of user {uid} is told as {word}", m[0])
            c.stdin.close()
            c.wait()
            wait_for("end", lambda: p.text().count("disconnected") ==
                     p.text().count("has connected"))


for start_as in STARTS:
    sticky, shared = start_as.directories()
    with case(start_as.name):
        without(start_as, shared)
        links(start_as, shared)
        stale(start_as, sticky, shared)
        if start_as.uid:
            attacks(start_as, sticky, 0o1777)
        attacks(start_as, shared, 0o777)
        race(start_as, shared)
with case("reasons"):
    reasons(STARTS[2], tmp(f"d{UID}/open"))
with case("nested"):
    nested()
with case("peers"):
    peers()
done()
