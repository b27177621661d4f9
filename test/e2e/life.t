#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The life of the process: how it starts, what it says, how it ends, and what
it costs while nothing happens."""
import os
import re
import signal
import socket
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from lib import *       # noqa: E402

need_root()
IDLE_KB = 4096


def ends_with(name, want, *argv, **kw):
    """A run of pasta has this exit status; returns the run."""
    with case(name):
        r = topo.run_pasta(*argv, **kw)
        ok(r.returncode == want, name,
           f"status {r.returncode}, said: {r.stderr}")
        return r
    return None


def refused(name, word, *argv, run=None):
    """One line that contains @word, status 1, and no command run."""
    mark = tmp("mark")
    with case(name):
        r = (run or topo.run_pasta)(*argv, "--", "touch", mark)
        lines = r.stderr.strip().splitlines()
        ok(r.returncode == 1 and len(lines) == 1 and word in r.stderr and
           not os.path.exists(mark), name,
           f"status {r.returncode}, said:\n{r.stderr}")
        if os.path.exists(mark):
            os.unlink(mark)


def gone(pid, seconds=1.0):
    """Seconds until the process was gone, or None."""
    t = time.monotonic()
    while time.monotonic() - t < seconds:
        if not alive(pid):
            return time.monotonic() - t
        time.sleep(0.005)
    return None


def exit_codes():
    ends_with("status of the command: 0", 0, "--", "true")
    ends_with("status of the command: 7", 7, "--config-net", "--", "sh", "-c",
              "exit 7")
    ends_with("status of the command: 128 and up", 143, "--", "sh", "-c",
              "exit 143")
    # The command is the first process of its PID namespace, for which the
    # kernel ignores signals from inside that have no handler: from outside
    with case("ended by signal 15"):
        p = topo.pasta(command=("sleep", "infinity"))
        os.kill(p.guest, signal.SIGKILL)
        ok(p.proc.wait(3) == 137, "command killed from outside: 137",
           p.proc.returncode)
        p.stop()
    for cmd in "/nonexistent/cmd", "no-such-command-here", "/etc/passwd":
        r = ends_with(f"cannot run {cmd}: status 1", 1, "--", cmd)
        if r:
            lines = [l for l in r.stderr.splitlines() if cmd in l]
            ok(len(lines) == 1, f"cannot run {cmd}: a line names it",
               r.stderr)
    r = ends_with("help", 0, "--help")
    ok(r and "--config-net" in r.stdout, "help is on standard output")
    r = ends_with("version", 0, "--version")
    ok(r and r.stdout.startswith("pasta "), "version is on standard output",
       r and r.stdout)
    with case("output of the command"):
        r = topo.run_pasta("--config-net", "--", "sh", "-c",
                           "cat; echo out; echo err >&2", input="in\n")
        ok(r.stdout == "in\nout\n" and r.stderr == "err\n",
           "standard streams are the command's, and only its",
           f"{r.stdout!r} {r.stderr!r}")


def in_background():
    pidfile, g = tmp("pid"), topo.user_ns()
    r = None
    with case("background"), listen_in(g.pid, 4, port=5001) as l:
        r = topo.run_pasta("--config-net", "-P", pidfile, "-t", "5001",
                           str(g.pid))
        ok(r.returncode == 0, "background: status 0", r.stderr)
        # Ready when the parent has left: no second attempt
        good = False
        try:
            with connect_in(topo.remote, HOST[4], 5001, timeout=3):
                l.settimeout(3)
                l.accept()[0].close()
                good = True
        except OSError as e:
            note(e)
        ok(good, "background: ready when the parent has left")
        text = read(pidfile)
        ok(re.fullmatch(r"\d+\n", text) is not None,
           "background: PID file has a number", repr(text))
        ok(os.stat(pidfile).st_mode & 0o777 == 0o600,
           "background: PID file is private")
        pid = int(text)
        ok(alive(pid) and comm(pid).startswith("pas"),
           "background: PID file names the daemon", comm(pid))
        ok(os.getsid(pid) != os.getsid(0) and
           os.readlink(f"/proc/{pid}/fd/0") == "/dev/null" and
           os.readlink(f"/proc/{pid}/fd/2") == "/dev/null",
           "background: own session, no terminal")
        os.kill(pid, signal.SIGTERM)
        ok(gone(pid) is not None, "background: SIGTERM ends it")
        ok(alive(g.pid), "background: the namespace's process lives on")
    stop(g, signal.SIGKILL)


def signals():
    for sig in signal.SIGTERM, signal.SIGQUIT:
        with case(sig.name):
            p = topo.pasta()
            guest = p.guest
            rc = stop(p.proc, sig)
            ok(rc == 0, f"{sig.name}: status 0", rc)
            ok(gone(guest) is not None,
               f"{sig.name}: the command does not outlive it")
            p.stop()
    with case("namespace goes"):
        g = topo.user_ns()
        p = start(topo.as_user(topo.program, "--config-net", "-f", "-q",
                               str(g.pid)), stdout=subprocess.DEVNULL)
        wait_for("configuration", lambda: HOST[4] in
                 ip(g.pid, "addr").stdout, proc=p)
        time.sleep(0.3)
        stop(g, signal.SIGKILL)
        t = gone(p.pid)
        ok(t is not None, "leaves within a second of its namespace")
        ok(stop(p) == 0, "namespace gone: status 0", p.returncode)


def words():
    g = topo.user_ns()

    def said(*opts):
        p = start(topo.as_user(topo.program, "--config-net", "-f", *opts,
                               str(g.pid)), stderr=subprocess.PIPE, text=True)
        try:
            wait_for("configuration", lambda: HOST[4] in
                     ip(g.pid, "addr").stdout, proc=p)
            time.sleep(0.3)
        finally:
            stop(p)
        return p.stderr.read()
    with case("quiet"):
        text = said("-q")
        ok(not text, "quiet: nothing is said", text)
    with case("normal"):
        text = said()
        ok("assign:" in text and HOST[4] in text and "router:" in text,
           "normal: says what is assigned", text)
        ok(not re.search(r"^\d+\.\d{4}: ", text, re.M),
           "normal: no times", text)
    with case("debug"):
        text = said("-d")
        lines = text.splitlines()
        ok(lines and sum(bool(re.match(r"\d+\.\d{4}: ", l))
                         for l in lines) >= len(lines) - 2,
           "debug: lines begin with seconds", text)
        ok("assign:" in text, "debug: says all of normal", text)
    with case("the last of -d and -q"):
        text = said("-d", "-q")
        ok(not text, "debug, then quiet: quiet", text)
    stop(g, signal.SIGKILL)


def failures():
    def without_tun(*argv):
        return run("unshare", "--mount", "sh", "-c",
                   'mount -t tmpfs none /dev/net && exec "$@"', "sh",
                   *enter(topo.host, "setpriv", f"--reuid={UID}",
                          f"--regid={UID}", "--clear-groups",
                          "--inh-caps=-all", topo.program, *argv),
                   check=False, cwd="/")
    refused("no /dev/net/tun", "/dev/net/tun", "--config-net",
            run=without_tun)

    for v in 4, 6:
        with case(f"port in use, IPv{v}"), \
                listen_in(topo.host, v, HOST[v], port=5001):
            spec = f"{HOST[v]}/5001"
            refused(f"port in use, IPv{v}", "5001", "-t", spec)
    with case("port in use, any"), listen_in(topo.host, 4, port=5001):
        refused("port in use, any address", "5001", "-t", "5001")
    with case("port in use, UDP"), \
            socket_in(topo.host, 4, socket.SOCK_DGRAM) as s:
        s.bind(("0.0.0.0", 5001))
        refused("port in use, UDP", "5001", "-u", "5001")
    refused("privileged port", "80", "-t", "80")

    for word, *opts in (
            ("0", "-t", "0"), ("99999", "-t", "99999"),
            ("1-", "-t", "1-"), ("--udp-ports", "-u", "5,,6"),
            ("abc", "-m", "abc"), ("300.1.1.1", "-a", "300.1.1.1"),
            ("bogus", "-D", "bogus"), ("bogus", "-M", "bogus"),
            ("waytoolonganame1", "-I", "waytoolonganame1"),
            ("nodev", "-i", "nodev"),
            ("/nonexistent/pid", "-P", "/nonexistent/pid")):
        refused(f"bad line: {' '.join(opts)}", word, *opts)
    with case("unknown option"):
        # In the words of getopt(3), by which callers know it; usage follows
        r = topo.run_pasta("--nonsense", "--", "true")
        ok(r.returncode == 1 and "unrecognized option '--nonsense'" in
           r.stderr.splitlines()[0] and not r.stdout, "unknown option",
           f"{r.returncode} {r.stderr}")
    with case("no such namespace"):
        r = topo.run_pasta("--netns", "/nonexistent/ns")
        ok(r.returncode == 1 and "/nonexistent" in r.stderr and
           len(r.stderr.splitlines()) == 1, "no such namespace",
           f"{r.returncode} {r.stderr}")
    with case("no such process"):
        r = topo.run_pasta("--config-net", "4194305")
        ok(r.returncode == 1 and "4194305" in r.stderr, "no such process",
           f"{r.returncode} {r.stderr}")


def idle():
    """Small, and asleep."""
    def awake():
        """How often any of its threads went to sleep."""
        return sum(status(f"{p.pid}/task/{t}", "voluntary_ctxt_switches")
                   for t in os.listdir(f"/proc/{p.pid}/task"))

    def packets():
        return re.findall(r"^ *(?!lo)\w+:.*", read(
            f"/proc/{p.guest}/net/dev"), re.M)

    ports = "-t", "5001-5100", "-u", "5001-5100", "-T", "none", "-U", "none"
    with case("idle"), topo.pasta(*ports) as p:
        rss = status(p.pid, "VmRSS")
        if os.environ.get("DEBUG"):
            skip("idle: resident memory", "sanitizers need more")
        else:
            ok(rss <= IDLE_KB, f"idle: at most {IDLE_KB} kB resident",
               f"{rss} kB")
        note(f"{rss} kB")
        ok(len([c for c in children(p.pid) if comm(c) == comm(p.pid)]) == 0,
           "one process")
        # The guest's kernel may say something of its own: find three seconds
        # in which it does not
        for _ in range(8):
            before, net = awake(), packets()
            time.sleep(3)
            after = awake()
            if net == packets():
                break
        else:
            net = None
        ok(net and after == before, "idle: asleep for three seconds",
           f"{after - before} times awake, guest quiet: {bool(net)}")
        time.sleep(0.1)
    with case("nothing left"):
        wait_for("end", lambda: not left(), seconds=3)


def left():
    """What runs besides the topology."""
    keep = {q.pid for q in topo.procs}
    return [p for p in tagged() if p not in keep]


topo = Topo()
exit_codes()
ok(not left(), "exit codes: nothing left", [(p, comm(p)) for p in left()])
in_background()
signals()
ok(not left(), "signals: nothing left", [(p, comm(p)) for p in left()])
words()
ok(not left(), "words: nothing left", [(p, comm(p)) for p in left()])
failures()
ok(not left(), "failures: nothing left", [(p, comm(p)) for p in left()])
idle()
ok(not left(), "idle: nothing left", [(p, comm(p)) for p in left()])
done()
