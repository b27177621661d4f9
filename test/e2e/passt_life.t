#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The life of passt: its socket, who may connect and when, what it does to
clients that misbehave, how it starts and ends."""
import os
import re
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
from lib import *       # noqa: E402

need_root()
MAC = bytes.fromhex("020000000001")
IDLE_KB = 4096


# --- a guest of a few lines ---

def frame(payload):
    return struct.pack("!I", len(payload)) + payload


def arp(target):
    """A request for the address @target."""
    eth = b"\xff" * 6 + MAC + b"\x08\x06"
    return eth + struct.pack("!HHBBH6s4s6s4s", 1, 0x800, 6, 4, 1, MAC,
                             socket.inet_aton(HOST[4]), bytes(6),
                             socket.inet_aton(target))


def tcp(sport, dport, flags=2, seq=1, ack=0):
    """To the remote; nobody checks the sums of what a guest sends."""
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 0, 0, 64, 6, 0,
                     socket.inet_aton(HOST[4]), socket.inet_aton(REMOTE[4]))
    return MAC + MAC + b"\x08\0" + ip + struct.pack(
        "!HHIIBBHHH", sport, dport, seq, ack, 0x50, flags, 65535, 0, 0)


class Client:
    """A connection, frame by frame."""

    def __init__(self, s):
        self.s = s
        s.settimeout(5)

    def recv(self):
        """The next frame, or None at the end."""
        head = recv_all(self.s, 4)
        if len(head) < 4:
            return None
        return recv_all(self.s, struct.unpack("!I", head)[0])

    def served(self, last):
        """An ARP request for 198.51.100.@last gets its answer."""
        target = f"198.51.100.{last}"
        self.s.sendall(frame(arp(target)))
        try:
            while True:
                f = self.recv()
                if f is None:
                    return False
                if f[12:14] == b"\x08\x06" and f[20:22] == b"\0\2" and \
                        f[28:32] == socket.inet_aton(target):
                    return len(f) == 60
        except OSError:
            return False

    def opens(self, sport, dport):
        """A whole connection: one that nobody has agreed to would have to make
        way for others. False if there is no answer."""
        self.s.sendall(frame(tcp(sport, dport)))
        self.s.settimeout(0.5)
        try:
            while f := self.recv():
                if f[12:14] == b"\x08\0" and f[23] == 6 and f[47] == 0x12 and \
                        f[36:38] == struct.pack("!H", sport):
                    self.s.sendall(frame(tcp(sport, dport, 16, 2, 1 +
                                             struct.unpack("!I", f[38:42])[0])))
                    return True
        except TimeoutError:
            pass
        finally:
            self.s.settimeout(5)
        return False

    def gone(self):
        """Closed by the other end (what is still there is thrown away)."""
        try:
            while self.s.recv(1 << 16):
                pass
            return True
        except ConnectionResetError:
            return True
        except OSError:
            return False

    def close(self):
        self.s.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def client(p):
    return Client(p.connect())


def run_passt(*argv, **kw):
    return run(*topo.as_user(topo._program("PASST"), *argv), check=False,
               timeout=15, cwd="/", **kw)


def refused(name, words, *argv):
    r = run_passt("-f", *argv)
    ok(r.returncode == 1 and r.stderr.count("\n") == 1 and not r.stdout and
       all(w in r.stderr for w in words.split()), name,
       f"{r.returncode} {r.stdout} {r.stderr}")


def end(pid, sig=signal.SIGKILL):
    os.kill(pid, sig)
    wait_for("end", lambda: not alive(pid))


# --- the path ---

def given_path():
    name = "a path in use is refused, and its owner stays"
    with case(name), Passt(topo, []) as p, client(p) as c:
        refused(name, f"{p.sock} in use", "-s", p.sock)
        ok(c.served(1), "... and is served still")
        refused("by another name as well", f"{p.sock} in use",
                "--socket-path", p.sock)
        end(p.pid)
        ok(stat.S_ISSOCK(os.stat(p.sock).st_mode), "the file stays behind")
        r = run_passt("-s", p.sock, "-P", tmp("stale.pid"), "-q")
        pid = int(read(tmp("stale.pid")) or 0)
        with case("stale"), client(p) as c2:
            ok(r.returncode == 0 and c2.served(2),
               "and the next one takes it over", r.stderr)
        end(pid)

    path = tmp("file")
    with open(path, "w") as f:
        f.write("precious")
    refused("a file in the way is not removed", f"{path} socket", "-s", path)
    ok(read(path) == "precious", "... and has its content")
    os.symlink(path, tmp("link"))
    refused("nor is a link", "link socket", "-s", tmp("link"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(tmp("dgram"))
        os.chmod(tmp("dgram"), 0o777)
        refused("somebody else's, of another type", "dgram in use", "-s",
                tmp("dgram"))
    refused("a directory that is not there", "/nowhere/s", "-s",
            tmp("nowhere/s"))
    refused("a directory that is not ours", "/etc/s", "-s", "/etc/s")


def default_path():
    """In a /tmp of its own, with the program somewhere else."""
    shm = tempfile.mkdtemp(dir="/dev/shm")
    pids = []
    try:
        prog = os.path.join(shm, "passt")
        run("cp", topo._program("PASST"), prog)
        os.chmod(shm, 0o755)
        ns = start(["nsenter", f"--net=/proc/{topo.host}/ns/net", "unshare",
                    "--mount", "sh", "-c", "mount -t tmpfs -o mode=1777 tmp "
                    "/tmp && exec sleep infinity"])
        wait_for("mount", lambda: comm(ns.pid) == "sleep", proc=ns)

        def inside(*argv):
            return run("nsenter", f"--net=/proc/{ns.pid}/ns/net",
                       f"--mount=/proc/{ns.pid}/ns/mnt", "setpriv",
                       f"--reuid={UID}", f"--regid={UID}", "--clear-groups",
                       *argv, check=False)

        def begin():
            r = inside(prog, "-P", "/tmp/pid")
            m = re.search(r"/tmp/passt_(\d+)\.socket", r.stderr)
            pids.append(int(inside("cat", "/tmp/pid").stdout or 0))
            return int(m[1]) if m and not r.returncode else r.stderr

        ok(begin() == 1, "without a path: /tmp/passt_1.socket")
        ok(begin() == 2, "the next one takes number 2")
        end(pids[0])
        ok(begin() == 1, "a stale one is used again")
        inside("sh", "-c", "echo >/tmp/passt_3.socket")
        ok(begin() == 4, "what is no socket is passed over")
        ok(inside("cat", "/tmp/passt_3.socket").stdout == "\n",
           "... and stays")
        run("nsenter", f"--mount=/proc/{ns.pid}/ns/mnt", "chmod", "755", "/tmp")
        for p in pids:
            if alive(p):
                end(p)
        r = inside(prog, "-q")
        ok(r.returncode == 1 and "in use" not in r.stderr and
           "Permission denied" in r.stderr, "none can be made: why", r.stderr)
        stop(ns)
    finally:
        run("rm", "-r", shm)


def permissions():
    for mask, want in ("022", 0o755), ("077", 0o700), ("0", 0o777):
        path, pid = tmp(f"mode{mask}"), tmp(f"mode{mask}.pid")
        run(*topo.as_user("sh", "-c", f"umask {mask}; exec \"$@\"", "sh",
                          topo._program("PASST"), "-q", "-s", path, "-P", pid))
        st = os.stat(path)
        ok(st.st_mode & 0o777 == want and st.st_uid == UID,
           f"umask {mask}: the socket is {want:o}", oct(st.st_mode))
        ok(os.stat(pid).st_mode & 0o777 == 0o600, "the PID file is 600")
        end(int(read(pid)), signal.SIGTERM)


# --- start ---

def background():
    path, pidf, cap = tmp("bg"), tmp("bg.pid"), tmp("bg.pcap")
    t = time.monotonic()
    r = run_passt("-s", path, "-P", pidf, "-p", cap)
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)                     # at once: no waiting for the socket
    took = time.monotonic() - t
    pid = int(read(pidf))
    with Client(s) as c:
        ok(r.returncode == 0 and c.served(3) and alive(pid),
           f"background: ready when the parent leaves ({took * 1000:.0f} ms)",
           r.stderr)
    ok(status(pid, "NoNewPrivs") == 1 and read(f"/proc/{pid}/status")
       .count("CapEff:\t0000000000000000") == 1, "no privileges left")
    ok(not os.listdir(f"/proc/{pid}/root/"), "an empty root")
    ok(all(os.stat(f"/proc/{pid}/ns/{n}").st_ino !=
           os.stat(f"/proc/{topo.host}/ns/{n}").st_ino
           for n in ("user", "mnt", "ipc", "uts")) and
       os.stat(f"/proc/{pid}/ns/net").st_ino ==
       os.stat(f"/proc/{topo.host}/ns/net").st_ino,
       "namespaces of its own, but for the network")
    if os.environ.get("DEBUG"):
        skip("resident memory", "sanitized")
    else:
        ok(status(pid, "VmRSS") <= IDLE_KB,
           f"{status(pid, 'VmRSS')} KiB resident")
    ok("assign: " + HOST[4] in r.stderr and "router: " + GW[4] in r.stderr and
       f"addr.path={path}" in r.stderr, "the banner tells all", r.stderr)
    end(pid, signal.SIGTERM)
    ok(os.path.exists(path) and os.path.exists(pidf), "files stay at the end")

    data = open(cap, "rb").read()
    head = struct.unpack("=IHHiIII", data[:24])
    frames, at = [], 24
    while at < len(data):
        _, _, n, full = struct.unpack("=IIII", data[at:at + 16])
        frames.append(data[at + 16:at + 16 + n])
        at += 16 + n
    ok(head[:5] == (0xa1b2c3d4, 2, 4, 0, 0) and head[5] >= 65535 and
       head[6] == 1 and
       arp("198.51.100.3") in frames and
       any(f[:6] == MAC and len(f) == 60 for f in frames),
       "capture: whole frames, both ways, without length fields",
       f"{head} {len(frames)}")

    for sig in signal.SIGTERM, signal.SIGQUIT:
        with Passt(topo, []) as p:
            with client(p) as c:        # its socket is there before all is
                c.served(1)
            p.proc.send_signal(sig)
            ok(p.proc.wait(5) == 0, f"{sig.name} ends it with 0")


def as_root():
    """The parent may not signal a child that has become another user's."""
    for name, opts, uid in ("root", [], 65534), \
            ("root, --runas", ["--runas", "4321:4322"], 4321), \
            ("root, --runas 0", ["--runas", "0"], 0):
        path, pidf = tmp(f"root{uid}"), tmp(f"root{uid}.pid")
        r = topo.in_host(topo._program("PASST"), "-q", "-s", path, "-P", pidf,
                         *opts, check=False, timeout=10)
        pid = int(read(pidf))
        # The last step comes after the parent was told
        wait_for("no rights left", lambda: status(pid, "NoNewPrivs"))
        st = read(f"/proc/{pid}/status")
        ok(r.returncode == 0 and f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}" in st and
           "CapPrm:\t0000000000000000" in st and "Groups:\t \n" in st,
           f"started as {name}: ready, without privileges", r.stderr + st)
        end(pid, signal.SIGTERM)


def failures():
    refused("PID file that cannot be", "PID /nowhere", "-s", tmp("f1"), "-P",
            "/nowhere/pid")
    s = listen_in(topo.host, 4, port=7777)
    refused("port in use", "7777", "-s", tmp("f2"), "-t", "7777",
            "--no-dhcp-dns")
    r = run_passt("-s", tmp("f3"), "-t", "7777", "-q")
    ok(r.returncode == 1 and "7777" in r.stderr,
       "in the background, too: the parent fails", r.stderr)
    s.close()


# --- clients ---

def second():
    with case("second client"), Passt(topo, [], quiet=False) as p:
        with client(p) as c:
            ok(c.served(4), "a client is served")
            with client(p) as d:
                ok(d.gone(), "a second one is closed at once")
            wait_for("message", lambda: "second" in p.text())
            ok(str(os.getpid()) in p.text().split("second")[1],
               "... and its PID is told", p.text())
            ok(c.served(5), "the first one does not notice")
        with client(p) as c:
            ok(c.served(6), "after it has gone, the next one is served")


def hammered():
    """By others who connect and are refused, as fast as they can: the guest is
    served, and the log is not filled."""
    def hammer(path):
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(path)

    with case("hammered"), Passt(topo, [], quiet=False) as p, client(p) as c:
        c.served(1)
        t = time.monotonic()
        others = [Forked(hammer, p.sock) for _ in range(3)]
        served = 0
        while not all(o.ended() for o in others):
            served += c.served(served % 200)
        for o in others:
            o.result()
        t = time.monotonic() - t
        told = p.text().count("second")
        ok(served > 100, "refused ones do not hold up the guest", served)
        ok(1 <= told <= t + 2, "... and are told of once a second", told)

    with case("coming and going"), Passt(topo, [], quiet=False) as p:
        t = time.monotonic()
        for _ in range(2000):
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(p.sock)
                s.sendall(b"\xff" * 4)
        t = time.monotonic() - t
        # Besides what is said at start, of which this is the last
        told = p.text().partition(" -netdev stream")[2].count("\n") - 1
        ok(10 <= told <= 30 * (t + 2),
           "2000 that come, talk nonsense and go do not fill the log either",
           (told, t))


def one_off():
    for opt in "-1", "--one-off":
        with case(opt), Passt(topo, [opt]) as p:
            with client(p) as c:
                ok(c.served(7) and p.proc.poll() is None,
                   f"{opt}: serves its client")
            ok(p.proc.wait(5) == 0, "... and ends with it, status 0")
        with case(opt), Passt(topo, [opt]) as p:
            for _ in range(3):
                run_passt("-f", "-s", p.sock)
            time.sleep(0.1)
            with client(p) as c:
                ok(c.served(8), f"{opt}: who looks whether the path is in use "
                   "is no client")


def with_fd(name, ours, theirs, number=None, opts=("-f", "-q"), back=False):
    """passt with a connected socket inherited as descriptor @number."""
    fd = theirs.fileno()
    shell = f"exec {number}<&{fd}; exec \"$@\""
    if number is None:
        number, shell = fd, "exec \"$@\""
    p = start(topo.as_user("sh", "-c", shell, "sh", topo._program("PASST"),
                           *opts, "--fd", str(number)), pass_fds=[fd],
              cwd="/", stderr=subprocess.PIPE)
    theirs.close()
    with case(name), Client(ours) as c:
        served = c.served(8)
        if back:
            ok(p.wait(5) == 0 and served, name)
            return
        ok(served and p.poll() is None, name,
           p.poll() is not None and p.stderr.read())
        ours.shutdown(socket.SHUT_WR)
        ok(p.wait(5) == 0, "... until it is shut down: status 0")
    stop(p)


def inherited():
    with_fd("--fd: a socket pair", *socket.socketpair())
    with_fd("--fd 0", *socket.socketpair(), number=0)
    with_fd("--fd 7, in the background", *socket.socketpair(), number=7,
            opts=("-q", "-P", tmp("fd.pid")), back=True)
    pid = int(read(tmp("fd.pid")))
    wait_for("end", lambda: not alive(pid))
    ok(True, "... which ends with it")
    with_fd("--fd 0, in the background", *socket.socketpair(), number=0,
            opts=("-q", "-P", tmp("fd0.pid")), back=True)
    wait_for("end", lambda: not alive(int(read(tmp("fd0.pid")))))

    l = socket.create_server(("127.0.0.1", 0))
    a = socket.create_connection(l.getsockname())
    with_fd("--fd: a TCP connection", a, l.accept()[0])
    l.close()

    r, w = os.pipe()
    for what, word, fd in (("a pipe", "socket", r),
                           ("a datagram socket", "stream",
                            socket.socketpair(type=socket.SOCK_DGRAM)[0]),
                           ("not connected", "connected",
                            socket.socket(socket.AF_UNIX))):
        n = fd if isinstance(fd, int) else fd.fileno()
        p = run(*topo.as_user(topo._program("PASST"), "-f", "--fd", str(n)),
                check=False, pass_fds=[n], cwd="/")
        ok(p.returncode == 1 and "--fd" in p.stderr and word in p.stderr and
           p.stderr.count("\n") == 1, f"--fd: {what} is refused", p.stderr)
    os.close(r)
    os.close(w)


def refuses(pid):
    """With no descriptor left, connections from outside are reset."""
    used, got = cpu(pid), None
    try:
        with connect_in(topo.remote, HOST[4], 6000, 2) as s:
            s.recv(1)
    except OSError as e:
        got = type(e)
    time.sleep(0.3)
    used = cpu(pid) - used
    ok(got is ConnectionResetError and used < 0.1,
       "... and those who connect from outside are refused, without a spin",
       f"{got}, {used} s CPU")


def reconnects():
    with case("reconnects"), Passt(topo, []) as p:
        with client(p) as c:
            c.served(9)
        time.sleep(0.1)
        before = p.fds(), status(p.pid, "VmRSS")
        bad = 0
        for i in range(500):
            # No pause: the old one is hung up, but perhaps not yet noticed
            with client(p) as c:
                if i % 5 == 0:
                    c.s.sendall(frame(arp("198.51.100.10"))[:i % 47])
                elif not c.served(i % 256):
                    bad += 1
        ok(not bad, "500 clients, one right after the other, all served", bad)
        wait_for("descriptors", lambda: p.fds() <= before[0])
        ok(status(p.pid, "VmRSS") <= before[1] + 256,
           "... leave no descriptor and no memory behind",
           f"{before} {p.fds()} {status(p.pid, 'VmRSS')}")

    with case("descriptors"):
        with Passt(topo, []) as p:
            limit = p.fds() + 20
        server = listen_in(topo.remote)
        port = server.getsockname()[1]
        path, pidf = tmp("few"), tmp("few.pid")
        run(*topo.as_user("sh", "-c", f"ulimit -n {limit}; exec \"$@\"", "sh",
                          topo._program("PASST"), "-q", "-s", path, "-P",
                          pidf, "-t", "6000"))
        pid, outside = int(read(pidf)), []
        for i in range(3):
            s = socket.socket(socket.AF_UNIX)
            s.connect(path)
            with Client(s) as c:
                for k in range(100):
                    if not c.opens(1000 + 100 * i + k, port):
                        break
                ok(c.served(11), f"out of descriptors: served, {i}")
                refuses(pid)
            # The descriptor that it leaves behind is for the next guest: not
            # for any of these
            time.sleep(0.2)
            for _ in range(3):
                try:
                    outside.append(connect_in(topo.remote, HOST[4], 6000, 2))
                except ConnectionResetError:
                    pass
        ok(len(os.listdir(f"/proc/{pid}/fd")) >= limit - 2,
           "... and there were no more, indeed")
        end(pid)
        for s in server, *outside:
            s.close()


def misbehaving():
    with case("misbehaving"), Passt(topo, []) as p:
        with client(p) as c:            # then all is said of the start
            c.served(12)
        for what in (0, 1, 13, 65536, 1 << 24, 0x7fffffff, 0xffffffff):
            lines = p.text().count("\n")
            with client(p) as c:
                c.s.sendall(frame(arp("198.51.100.13")) +
                            struct.pack("!I", what) + bytes(100))
                ok(c.gone(), f"length {what}: closed")
            wait_for("line", lambda: p.text().count("\n") > lines)
            ok(p.text().count("\n") == lines + 1 and str(what) in p.text(),
               "... with one line", p.text())
        with client(p) as c:
            ok(c.served(14), "and the next one is served")

        with client(p) as c:
            for i in range(40):
                try:
                    c.s.sendall(os.urandom(1 << 14))
                except OSError:
                    break
            ok(c.gone() or True, "random bytes")
        t0, cpu0 = time.monotonic(), cpu(p.pid)
        with client(p) as c:
            data = frame(arp("198.51.100.15"))
            for i in range(len(data) - 1):
                c.s.send(data[i:i + 1])
                time.sleep(0.02)
            used = (cpu(p.pid) - cpu0) / (time.monotonic() - t0)
            ok(used < 0.05, f"one byte at a time: {used:.1%} CPU")
            c.s.send(data[-1:])
            ok(c.served(15), "... and it was a frame after all")
        ok(p.proc.poll() is None, "it lives")


def deaf():
    """Asks and asks and never reads."""
    with case("deaf"), Passt(topo, []) as p, client(p) as c:
        ok(c.served(16), "a client that will stop reading")
        rss = status(p.pid, "VmRSS")
        ask = b"".join(frame(arp(f"198.51.100.{i % 250}")) for i in range(500))
        c.s.settimeout(0.5)
        sent, until = 0, time.monotonic() + 4
        try:
            while time.monotonic() < until:
                sent += c.s.send(ask)
        except TimeoutError:
            pass
        cpu0 = cpu(p.pid)
        time.sleep(1.5)
        used = (cpu(p.pid) - cpu0) / 1.5
        ok(used < 0.02, f"no time is spent on it then: {used:.1%}")
        ok(status(p.pid, "VmRSS") < rss + 1024, "nor memory",
           f"{rss} {status(p.pid, 'VmRSS')}")
        with client(p) as d:
            ok(d.gone(), "a second one is refused still")

        # What was cut by send() above has to be completed first
        c.s.settimeout(5)
        rest = sent % len(ask)
        got = 0
        c.s.setblocking(False)
        tail, until = ask[rest:], time.monotonic() + 10
        while (tail or got == 0) and time.monotonic() < until:
            try:
                got += len(c.s.recv(1 << 18))
            except BlockingIOError:
                pass
            try:
                if tail:
                    tail = tail[c.s.send(tail):]
            except BlockingIOError:
                pass
            time.sleep(0.001)
        until = time.monotonic() + 1
        while time.monotonic() < until:
            try:
                got += len(c.s.recv(1 << 18))
                until = time.monotonic() + 0.2
            except BlockingIOError:
                time.sleep(0.01)
        ok(got and got % 64 == 0, "reading again, it finds whole frames", got)
        c.s.setblocking(True)
        c.s.settimeout(5)
        ok(c.served(17), "... and is served again")


topo = Topo()
for f in (given_path, default_path, permissions, background, as_root,
          failures, second, hammered, one_off, inherited, reconnects, misbehaving, deaf):
    f()
done()
