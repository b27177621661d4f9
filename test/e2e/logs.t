#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What both modes say and to whom, with a system log of our own; what they
leave behind of what they were started with, and whose they are afterwards."""
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
from lib import *       # noqa: E402

need_root()
INFO, WARNING, ERROR = 30, 28, 27       # facility daemon, 3 << 3
NUMBERS = "4321", "1234"


class Syslog:
    """/dev/log of the host's namespace."""
    LINE = re.compile(r"<(\d+)>(\w+)\[(\d+)\]: ([^\n]*)")

    def __init__(self):
        self.got, self.awake = [], threading.Event()
        path = f"/proc/{topo.host}/root/dev/log"
        self.s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.s.bind(path)
        os.chmod(path, 0o666)
        self.awake.set()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        """Slowly: the kernel keeps ten, and who starts has more to say."""
        while True:
            self.awake.wait()
            text = self.s.recv(65536).decode(errors="replace")
            m = self.LINE.fullmatch(text)
            self.got.append((int(m[1]), m[2], int(m[3]), m[4]) if m else
                            (None, None, None, text))
            time.sleep(0.0005)

    def take(self):
        """All datagrams so far as (priority, who, pid, text); those that are
        no messages have no priority."""
        wait_for("empty queue", lambda: not select.select([self.s], [], [],
                                                          0)[0])
        time.sleep(0.02)
        out, self.got = self.got, []
        return out


def private_dev():
    """A /dev for the host's mount namespace alone, to put a log into; and
    nameservers, so that nobody is told of their absence."""
    topo.in_host("sh", "-ec", f"""
        echo 'nameserver 10.77.0.53' >{tmp('resolv')}
        echo 'nameserver fd77::53' >>{tmp('resolv')}
        mount --bind {tmp('resolv')} "$(readlink -f /etc/resolv.conf)"
        mkdir -p /mnt
        mount -t tmpfs -o mode=755 dev /mnt
        for n in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0
        do
            IFS=:; set -- $n; mknod -m 666 /mnt/$1 c $2 $3
        done
        mkdir /mnt/net /mnt/shm
        mknod -m 666 /mnt/net/tun c 10 200
        ln -s /proc/self/fd /mnt/fd
        mount --move /mnt /dev""")


class Daemon:
    """Of either mode, for a guest of its own; .pid, .sock, .said()"""

    def __init__(self, mode, *opts, wrap=(), root=False, **kw):
        n = time.monotonic_ns()
        self.mode, self.sock = mode, tmp(f"sock{n}")
        self.pidfile, self.err = tmp(f"pid{n}"), tmp(f"err{n}")
        self.ns = topo.user_ns() if mode == "pasta" else None
        prog = topo._program(mode.upper())
        argv = [*wrap, prog, *opts, "-P", self.pidfile,
                *(["-s", self.sock] if mode == "passt" else
                  ["--config-net", str(self.ns.pid)])]
        argv = ["nsenter", f"--net=/proc/{topo.host}/ns/net",
                f"--mount=/proc/{topo.host}/ns/mnt", *argv] if root else \
            topo.as_user(*argv)
        with open(self.err, "w") as f:
            self.proc = start(argv, stdout=f, stderr=f, cwd="/", **kw)
        try:
            if "-f" in opts:
                wait_for("PID file", lambda: read(self.pidfile).endswith("\n"),
                         proc=self.proc)
                # What is said at the end of the start is, then
                self.pid = int(read(self.pidfile))
                wait_for("no rights left", lambda: status(
                    self.pid, "NoNewPrivs") == 1, proc=self.proc)
            else:
                self.rc = self.proc.wait(15)
                self.pid = int(read(self.pidfile) or 0)
        except (RuntimeError, subprocess.TimeoutExpired) as e:
            stop(self.proc)
            if self.ns:
                stop(self.ns, signal.SIGKILL)
            raise RuntimeError(f"{e}: {self.said()}") from None

    def said(self):
        return read(self.err)

    def end(self, sig=signal.SIGTERM):
        """Its status, if it is our child."""
        if alive(self.pid):
            os.kill(self.pid, sig)
        rc = self.proc.wait(5)
        wait_for("end", lambda: not alive(self.pid))
        return rc

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        try:
            self.end(signal.SIGKILL)
        finally:
            if self.ns:
                stop(self.ns, signal.SIGKILL)


def run_as(mode, *opts, wrap=()):
    """To its end, as the user."""
    return run(*topo.as_user(*wrap, topo._program(mode.upper()), *opts),
               check=False, timeout=15, cwd="/")


MODES = "pasta", "passt"


def banner(text):
    return "assign: " + HOST[4] in text and "router: " + GW[4] in text


# --- the system log ---

def system_log(mode):
    log.take()
    with case("foreground"), Daemon(mode, "-f") as d:
        got, said = log.take(), d.said().splitlines()
        ok(got and {(p, w, n) for p, w, n, _ in got} == {(INFO, mode, d.pid)},
           f"{mode}: facility, priority, name, process ID", got)
        ok([t for *_, t in got] == said and banner("\n".join(said)),
           f"{mode}: each line is a datagram, and on standard error",
           f"{got} {said}")
        if mode == "passt":
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(d.sock)
                wait_for("news", lambda: "connected" in d.said())
            wait_for("news", lambda: "disconnected" in d.said())
            got = log.take()
            ok([(p, str(os.getpid()) in t) for p, _, _, t in got] ==
               [(INFO, True), (INFO, False)], "passt: guests are news", got)
    with case("background"):
        with Daemon(mode) as d:
            got, said = log.take(), d.said()
            ok(d.rc == 0 and banner(said) and
               [t for *_, t in got] == said.splitlines() and
               {n for _, _, n, _ in got} == {d.pid},
               f"{mode}: in the background, too", f"{got} {said}")
            warn_now(d)
            wait_for("warning", lambda: got.extend(log.take()) or
                     WARNING in {p for p, *_ in got})
            ok(got[-1][1:3] == (mode, d.pid) and d.said() == said,
               f"{mode}: later there only", f"{got[-1]} {d.said()}")
    for opts, want in (("-q",), 0), (("-d",), 0), (("--trace",), 0), \
            (("-q", "-d"), 0), (("-d", "-q"), 0), \
            (("-l", tmp("instead")), 0):
        log.take()
        with case(opts[0]), Daemon(mode, "-f", *opts) as d:
            got = log.take()
            ok(len(got) == want, f"{mode} {' '.join(opts)}: not in the "
               "system log", got)
            said = d.said().splitlines()
            times = [re.match(r"\d+\.\d{4}: ", l) for l in said]
            debug = opts[-1] in ("-d", "--trace")
            ok(debug and said and all(times) or
               not debug and not any(times) and bool(said) == ("-q" not in
                                                               opts),
               f"{mode} {' '.join(opts)}: standard error", d.said())
    log.take()
    with case("error"):
        r = run_as(mode, "-q", "-P", "/nonexistent/pid", "--no-dhcp",
                   *(["-s", tmp("x.sock")] if mode == "passt" else
                     ["--", "true"]))
        got = log.take()
        ok(r.returncode == 1 and r.stderr.count("\n") == 1 and
           [(p, w, t) for p, w, _, t in got] == [(ERROR, mode,
                                                  r.stderr.strip())],
           f"{mode}: an error is there and on standard error", f"{r} {got}")


def with_command():
    """Nothing disturbs the command, but for what -d shows."""
    log.take()
    for opts in (), ("-d",):
        name = f"pasta {' '.join(opts)} with a command"
        with case(name), topo.pasta(*opts, quiet=False) as p:
            wait_for("no rights left", lambda: status(p.pid, "NoNewPrivs"))
            before = p.text()
            warn_now(p)
            if opts:
                wait_for("warning", lambda: "Cannot open a socket" in p.text())
                ok(banner(before), f"{name}: all is said", before)
                continue
            got = []
            wait_for("warning", lambda: got.extend(log.take()) or got)
            ok([i[:3] for i in got] == [(WARNING, "pasta", p.pid)] and
               not p.text(), f"{name}: a warning for the system log alone",
               f"{got} {p.text()}")


def no_resolver():
    """--dns-forward without anything behind it."""
    with case("--dns-forward"):
        topo.in_host("sh", "-c", f"echo >{tmp('resolv')}")
        for mode in MODES:
            with Daemon(mode, "-f", "-q", "--dns-forward", "192.0.2.7", "-D",
                        "192.0.2.7", "-4") as d:
                ok(d.said().count("\n") == 1 and "--dns-host" in d.said() and
                   "IPv4" in d.said(), f"{mode}: --dns-forward to nobody: a "
                   "warning", d.said())


def warn_now(d):
    """Have the daemon warn that nobody may ping."""
    topo.in_host("sh", "-c", "echo 1 0 >/proc/sys/net/ipv4/ping_group_range")
    try:
        guest = d.guest if isinstance(d, Pasta) else d.ns and d.ns.pid
        if guest:
            run(*enter(guest, "ping", "-c1", "-W1", GW[4]), check=False)
            return
        # An echo request, whose checksums nobody looks at
        icmp = struct.pack("!BBHHH", 8, 0, 0xf7fe, 0, 1)
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28, 0, 0, 64, 1, 0,
                           *map(socket.inet_aton, (HOST[4], REMOTE[4])))
        f = bytes.fromhex("9a559a559a55" "020000000001" "0800") + head + icmp
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(d.sock)
            s.sendall(struct.pack("!I", len(f)) + f)
            time.sleep(0.2)
    finally:
        tune(topo.host)


def without_log():
    """Nobody who takes anything, or nobody there: no harm."""
    log.awake.clear()
    for mode in MODES:
        with case("full"):
            t = time.monotonic()
            with Daemon(mode) as d:
                t = time.monotonic() - t
                ok(d.rc == 0 and banner(d.said()) and t < 5,
                   f"{mode}: a system log that does not read",
                   f"{t} s, {d.said()}")
    log.awake.set()
    log.take()
    os.unlink(f"/proc/{topo.host}/root/dev/log")
    with case("gone"), Daemon("passt") as d:
        ok(d.rc == 0 and banner(d.said()), "a system log that is gone",
           d.said())


# --- the banner ---

def in_order(text, lines):
    """The first of @lines that does not follow the one before, or None."""
    have = iter(text.splitlines())
    for want in lines:
        if not any(re.fullmatch(want, l) for l in have):
            return want
    return None


def banners():
    opts = ("-o", HOST[4], "--outbound-if6", "eth0", "-M", "02:aa:00:00:00:01",
            "-D", "10.77.0.53", "-D", "fd77::53", "-S", "a.example",
            "--map-host-loopback", "192.0.2.9", "--map-guest-addr",
            "192.0.2.8", "--dns-forward", "192.0.2.7", "--dns-forward",
            "fd00::7", "--dns-host", "::1", "-t", "5001,6000-6010:7000",
            "-t", "[::1]/5003", "-u", "127.0.0.1%lo/5002")
    opts = tuple(o.replace(":7000", ":7000-7010") for o in opts)
    common = [r"Our MAC address: 02:aa:00:00:00:01",
              r"DHCP:", f" +assign: {HOST[4]}", " +mask: 255.255.255.0",
              f" +router: {GW[4]}", "DNS:", " +10.77.0.53",
              "NDP/DHCPv6:", f" +assign: {HOST[6]}", f" +router: {GW[6]}",
              " +our link-local: fe80:.*", "DNS:", " +fd77::53",
              "Search domains:", " +a.example",
              f"Outbound address: {HOST[4]}",
              "Host loopback 127.0.0.1 is seen as 192.0.2.9",
              f"Host address {HOST[4]}.* is seen as 192.0.2.8",
              "DNS to 192.0.2.7 goes to 10.77.0.53",
              "Outbound interface: eth0",
              f"Host loopback ::1 is seen as {GW[6]}",
              "DNS to fd00::7 goes to ::1",
              "Inbound TCP forwarding:", ".*5001.*", ".*6000-6010.*7000.*",
              ".*::1.*5003.*", "Inbound UDP forwarding:",
              r".*127\.0\.0\.1.*lo.*5002.*"]
    top = ["Template interface for IPv4: eth0",
           "Template interface for IPv6: eth0"]
    with case("passt"), Daemon("passt", "-f", *opts) as d:
        miss = in_order(d.said(), top + common + [
            f"Socket bound at {re.escape(d.sock)}.*",
            " *-netdev stream,.*addr.type=unix,addr.path=" +
            re.escape(d.sock) + r"\b.*"])
        ok(miss is None, "passt: all is told", f"{miss} in\n{d.said()}")
    with case("pasta"), Daemon("pasta", "-f", *opts, "--dhcp-dns",
                               "--dhcp-search", "-I", "lan7", "-T", "5004",
                               "-U", "5005") as d:
        want = list(common)
        i = want.index("NDP/DHCPv6:")
        miss = in_order(d.said(), top + ["Namespace interface: lan7"] + want +
                        ["Outbound TCP forwarding:", ".*5004.*",
                         "Outbound UDP forwarding:", ".*5005.*"])
        ok(miss is None and i, "pasta: all is told", f"{miss} in\n{d.said()}")
        ok("netdev" not in d.said(), "pasta: no socket", d.said())
    with case("less"), Daemon("passt", "-f", "-4", "--no-dhcp", "--no-map-gw",
                              "--no-dhcp-dns", "-D", "10.77.0.53") as d:
        text = d.said()
        ok(banner(text) and not re.search(
            "IPv6|NDP|DHCP|DNS|forwarding|seen as|Outbound", text),
           "what is off is not told", text)
    ip(topo.host, "link set eth0 down")
    with case("local"), Daemon("pasta", "-f") as d:
        text = d.said()
        ok(in_order(text, ["Template interface for IPv4: none",
                           "Template interface for IPv6: none",
                           "Namespace interface: tap0",
                           " +assign: 169.254.2.1", " +mask: 255.255.0.0",
                           " +router: 169.254.2.2", "NDP:",
                           " +router: fe80::1"]) is None,
           "local mode is told", text)
    ip(topo.host, "link set eth0 up")
    for v in 4, 6:
        if v == 6:
            run(*enter(topo.host, "ip", "-6", "addr", "replace",
                       HOST[6] + "/64", "dev", "eth0", "nodad"), check=False)
        ip(topo.host, f"-{v} route replace default via {GW[v]}")
    wait_for("addresses", lambda: "tentative" not in
             ip(topo.host, "-6 addr").stdout and
             "fe80" in ip(topo.host, "-6 addr").stdout)


# --- the log file of two ---

def shared_file():
    path = tmp("shared")
    with case("shared"), Daemon("passt", "-l", path) as d:
        before = read(path)
        ok(banner(before) and d.rc == 0, "a log file", before)
        r = run_as("passt", "-s", d.sock, "-l", path)
        after = read(path)
        line = after[len(before):]
        ok(r.returncode == 1 and "in use" in r.stderr,
           "another one with the same socket is refused", r)
        # Nor does it take the other one for a guest
        ok(after.startswith(before) and line.count("\n") == 1 and
           re.fullmatch(r"\d+\.\d{4}: ERROR:   .*in use.*\n", line),
           "... and leaves the log file, but for its error", after)
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(d.sock)
            wait_for("news", lambda: "has connected" in read(path))
            after = read(path)
            run_as("passt", "-s", d.sock, "-l", path)
        ok(read(path).startswith(after), "... whose owner goes on",
           read(path))
    with case("again"), Daemon("passt", "-l", path) as d:
        text = read(path)
        ok(text.startswith("passt ") and f"({d.pid})\n" in text and
           "in use" not in text, "the next to run empties it", text)


# --- from start to end ---

def starting(mode):
    """Stopped while it waits for a reader of its PID file."""
    fifo, sock, file = tmp(f"{mode}.fifo"), tmp(f"{mode}.s"), tmp(mode + ".l")
    ns = topo.user_ns()
    os.mkfifo(fifo, 0o600)
    os.chown(fifo, UID, UID)
    argv = topo.as_user(topo._program(mode.upper()), "-q", "-P", fifo, "-l",
                        file, *(["-s", sock] if mode == "passt" else
                                ["--config-net", str(ns.pid)]))

    def begin():
        p = start(argv, cwd="/", stderr=subprocess.DEVNULL)
        return p, wait_for("child", lambda: [
            c for c in children(p.pid) if blocked(c)], proc=p)[0]

    def blocked(pid):
        """In open(): the log file is there, the PID file not yet."""
        return os.path.exists(file) and read(f"/proc/{pid}/stat").rsplit(
            ")", 1)[1].split()[0] == "S" and (
                mode == "pasta" or os.path.exists(sock))

    with case("order"):
        p, child = begin()
        if mode == "passt":
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(3)
                s.connect(sock)
                ok(True, "passt: before the PID file there is the socket")
        ok(p.poll() is None, f"{mode}: the parent waits until it is ready")
        with open(fifo) as f:
            text = f.read()
        daemon = int(text)
        ok(p.wait(10) == 0 and text == f"{daemon}\n" and
           comm(daemon).startswith(mode[:3]),
           f"{mode}: then leaves, and the daemon's process ID is told",
           repr(text))
        os.kill(daemon, signal.SIGTERM)
        wait_for("end", lambda: not alive(daemon))
    for sig in signal.SIGTERM, signal.SIGKILL:
        with case("given up"):
            for f in file, sock:
                if os.path.exists(f):
                    os.unlink(f)
            p, child = begin()
            stop(p, sig)
            with open(fifo) as f:
                daemon = int(f.read())
            wait_for("end", lambda: not alive(daemon), 5)
            ok("is gone" in read(file), f"{mode}: a start ended by "
               f"{sig.name} leaves no daemon", read(file))
    stop(ns, signal.SIGKILL)


def signals(mode):
    for sig, want in ((signal.SIGTERM, 0), (signal.SIGQUIT, 0),
                      (signal.SIGINT, -2), (signal.SIGHUP, -1)):
        with case(sig.name), Daemon(mode, "-f", "-q") as d:
            os.kill(d.pid, signal.SIGPIPE)
            time.sleep(0.05)
            lives = alive(d.pid)
            ok(d.end(sig) == want and lives,
               f"{mode}: {sig.name} ends it with {want}, SIGPIPE does not",
               f"{lives} {d.proc.returncode}")
    with case("background"):
        for sig in signal.SIGTERM, signal.SIGQUIT:
            cap = tmp(f"{mode}{sig}.pcap")
            with Daemon(mode, "-p", cap, "-l", cap + ".log") as d:
                fds = [os.readlink(f"/proc/{d.pid}/fd/{i}") for i in range(3)]
                ok(fds == ["/dev/null"] * 3 and os.getsid(d.pid) == d.pid,
                   f"{mode}: own session, no standard streams", fds)
                d.end(sig)
                with open(cap, "rb") as f:
                    head = f.read(24)
                ok(head == struct.pack("=IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0,
                                       65535, 1) and
                   read(cap + ".log").endswith("\n"),
                   f"{mode}: {sig.name}: capture and log are whole", head)


def files(mode):
    with case("old files"):
        pidfile, cap = tmp(f"{mode}.oldpid"), tmp(f"{mode}.oldcap")
        for f in pidfile, cap:
            with open(f, "w") as g:
                g.write("x" * 1000)
            os.chown(f, UID, UID)
        with Daemon(mode, "-P", pidfile, "-p", cap, "-q", "-P",
                    pidfile) as d:
            d.pid = d.pid or int(read(pidfile))
            ok(read(d.pidfile) == f"{d.pid}\n", f"{mode}: the last -P counts")
            ok(os.stat(cap).st_size < 1000 or b"xxxx" not in
               open(cap, "rb").read(), f"{mode}: an old capture goes")
    with case("capture"), Daemon(mode, "-p", "/nonexistent/cap", "-q",
                                 "-f") as d:
        ok(alive(d.pid) and d.said().count("\n") == 1 and
           "/nonexistent/cap" in d.said(),
           f"{mode}: a capture that cannot be is no reason not to start",
           d.said())


def inherited(mode):
    r, w = os.pipe()
    os.set_inheritable(w, True)
    with case("descriptors"), Daemon(
            mode, "-f", "-q", wrap=("prlimit", "--nofile=256:4000", "--"),
            pass_fds=[w]) as d:
        os.close(w)
        os.set_blocking(r, False)
        try:
            got = os.read(r, 1)
        except BlockingIOError:
            got = None
        ok(got == b"", f"{mode}: inherited descriptors are closed", got)
        limits = re.search(r"Max open files +(\d+) +(\d+)",
                           read(f"/proc/{d.pid}/limits")).groups()
        ok(limits == ("4000", "4000"), f"{mode}: open files up to the limit",
           limits)
    os.close(r)


def command():
    """What the command has of its starter, not of us."""
    with case("command"):
        r, w = os.pipe()
        p = run(*topo.as_user(
            "prlimit", "--nofile=256:4000", "sh", "-c",
            'umask 027; exec "$@"', "sh", topo.program, "--", "sh", "-c",
            f"umask; ulimit -Sn; ulimit -Hn; ls /proc/self/fd | xargs; "
            f"grep SigIgn /proc/self/status"), pass_fds=[w], cwd="/")
        out = p.stdout.splitlines()
        ok(out[:3] == ["0027", "256", "4000"],
           "the command: file mode mask and limits as before", out)
        ok(out[3] == "0 1 2 3", "... no inherited descriptors", out)
        ok(not int(out[4].split()[1], 16) & 1 << 12, "... no SIGPIPE ignored")
        os.close(r)
        os.close(w)


# --- whose it is ---

def ids(pid):
    text = read(f"/proc/{pid}/status")
    return {k: re.search(rf"^{k}:\t(.*)$", text, re.M)[1].split()
            for k in ("Uid", "Gid", "Groups")}


def runas():
    u, g = NUMBERS
    for opts, uid, gid in (([], "65534", "65534"), (["--runas", u], u, u),
                           (["--runas", f"{u}:{g}"], u, g),
                           (["--runas", "daemon"], "1", "1"),
                           (["--runas", "nobody:daemon"], "65534", "1"),
                           (["--runas", f"{u}:nogroup"], u, "65534"),
                           (["--runas", f"daemon:{g}"], "1", g),
                           (["--runas", "9:9", "--runas", u], u, u)):
        name = "root " + " ".join(opts)
        with case(name), Daemon(
                "passt", "-f", "-q", *opts, root=True,
                wrap=("setpriv", "--groups", "7,8", "--")) as d:
            got = ids(d.pid)
            ok(got == {"Uid": [uid] * 4, "Gid": [gid] * 4, "Groups": []},
               f"{name}: user, group, no other groups", got)
            ok(("nobody" in d.said()) == (not opts) and
               d.said().count("\n") == (not opts),
               f"{name}: {'a' if not opts else 'no'} warning", d.said())
    with case("pasta"):
        r = topo.in_host(topo.program, "-q", "--runas", f"{u}:{g}", "--",
                         "cat", "/proc/self/uid_map", "/proc/self/gid_map",
                         check=False)
        ok([l.split() for l in r.stdout.splitlines()] ==
           [["0", u, "1"], ["0", g, "1"]], "root, pasta --runas", r)

    for word in ("nosuchuser", "1:nosuchgroup", "1:", ":1", "", "-1",
                 "4294967295", "1:4294967295", "0x10", "1:2:3", "root:1 "):
        with case(word):
            r = topo.in_host(topo._program("PASST"), "-q", "-s", tmp("no"),
                             "--runas", word, check=False, timeout=10)
            ok(r.returncode == 1 and r.stderr.count("\n") == 1 and
               "--runas" in r.stderr, f"--runas '{word}' is refused", r)
    with case("not root"):
        r = run_as("passt", "-q", "-s", tmp("no2"), "--runas", u)
        ok(r.returncode == 1 and r.stderr.count("\n") == 1 and u in r.stderr,
           "--runas without the right to", r)
    with case("userns"), Daemon("passt", "-f", "-q", wrap=(
            "unshare", "-Ur")) as d:
        got = ids(d.pid)
        ok(got["Uid"] == [str(UID)] * 4 and not d.said(),
           "passt: root of a user namespace stays, without a word",
           f"{got} {d.said()}")
    with case("userns"):
        r = run_as("pasta", "-q", "--", "cat", "/proc/self/uid_map",
                   wrap=("unshare", "-Ur"))
        ok(r.stdout.split() == ["0", "0", "1"] and not r.stderr,
           "pasta: root of a user namespace stays, without a word", r)


topo = Topo()
private_dev()
log = Syslog()
for m in MODES:
    system_log(m)
with_command()
without_log()
banners()
shared_file()
for m in MODES:
    starting(m)
    signals(m)
    files(m)
    inherited(m)
command()
runas()
no_resolver()
with case("nothing left"):
    keep = {q.pid for q in topo.procs}
    wait_for("end", lambda: not [q for q in tagged() if q not in keep],
             seconds=3)
done()
