#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Mixed traffic while all around it changes: either end is killed, the guest
comes back as another, links go down and up, addresses change, the daemon is
stopped. A transfer that comes to its end has the same hash on both sides; one
that fails has an excuse at that time; and in the end the daemon has what it
began with.

SOAK_TIME: seconds (default 20; "make soak": half an hour)
SOAK_SEED: of the order of events
"""
import hashlib
import json
import os
import random
import signal
import socket
import struct
import sys
import threading
import time

sys.dont_write_bytecode = True
from lib import *       # noqa: E402

need_root()
TIME = float(os.environ.get("SOAK_TIME") or 20)
LONG = TIME > 300
SEED = int(os.environ.get("SOAK_SEED") or 1)
IN, ECHO, OUT = 6000, 7000, 6100        # inside, at the remote, on the host
PATIENCE = 10                           # seconds for any step of a transfer
TRIES = 25                              # of a datagram, 0.3 s each
AFTER = 4                               # an excuse lasts, until SYNs go again
WORKERS = 3                             # of each daemon
DATA = random.Random(7).randbytes(6 << 20)


def piece(seed, n):
    at = seed * 7919 % (len(DATA) - n)
    return memoryview(DATA)[at:at + n]


# --- who answers ---

def serve_tcp(s):
    """Read so much, say its hash, send so much."""
    with s:
        s.settimeout(PATIENCE)
        try:
            seed, up, down = struct.unpack("III", recv_all(s, 12))
            h = hashlib.blake2b(digest_size=16)
            while up:
                b = s.recv(min(up, 1 << 18))
                if not b:
                    return
                h.update(b)
                up -= len(b)
            s.sendall(h.digest())
            s.sendall(piece(seed, down))
            s.recv(1)           # the client has it all
        except (OSError, struct.error):
            pass


def accept(l):
    while True:
        threading.Thread(target=serve_tcp, args=(l.accept()[0],),
                         daemon=True).start()


def serve_udp(u):
    while True:
        try:
            b, peer = u.recvfrom(65536)
            u.sendto(b, peer)
        except OSError:
            pass


def serve(pid, addrs, port):
    for v, a in addrs:
        l = listen_in(pid, v, a, port)
        u = socket_in(pid, v, socket.SOCK_DGRAM)
        u.bind((a, port))
        for s, f in (l, accept), (u, serve_udp):
            s.settimeout(None)
            threading.Thread(target=f, args=(s,), daemon=True).start()
    time.sleep(1e6)


def service(pid, addrs, port):
    """A process for it; @addrs: (4, address) and so on"""
    addrs = list(addrs)
    f = Forked(serve, pid, addrs, port)

    def bound():
        return len(addrs) == sum(
            l.split()[1].endswith(f":{port:04X}") and l.split()[3] == "07"
            for v in ("udp", "udp6")
            for l in read(f"/proc/{pid}/net/{v}").splitlines()[1:])
    wait_for("service", bound)
    return f


# --- who asks ---

def tcp_some(pid, addr, port, r):
    seed = r.getrandbits(31)
    up, down = (r.choice((0, 1, 1000, 100_000, r.randrange(5 << 20)))
                for _ in range(2))
    with connect_in(pid, addr, port, timeout=PATIENCE) as s:
        s.settimeout(PATIENCE)
        b = piece(seed, up)
        s.sendall(struct.pack("III", seed, up, down))
        s.sendall(b)
        got = recv_all(s, 16)
        if len(got) != 16:
            raise OSError(f"end instead of the hash of {up} bytes")
        if got != hashlib.blake2b(b, digest_size=16).digest():
            raise ValueError(f"other bytes of {up} there")
        got = recv_all(s, down)
        if len(got) != down:
            raise OSError(f"end after {len(got)} of {down} bytes")
        if got != piece(seed, down):
            raise ValueError(f"other bytes of {down} back")
    return up + down


def udp_some(pid, addr, port, r):
    n = 0
    with socket_in(pid, 6 if ":" in addr else 4, socket.SOCK_DGRAM) as s:
        s.settimeout(0.3)
        s.connect((addr, port))
        for i in range(r.choice((1, 1, 10))):
            for _ in range(TRIES):
                b = bytes(piece(r.getrandbits(31), r.randrange(1, 8000)))
                s.send(b)
                try:
                    while s.recv(65536) != b:
                        pass            # an answer to one before
                    break
                except TimeoutError:
                    pass
            else:
                raise OSError("no answer")
            n += 2 * len(b)
    return n


def ping_some(pid, addr, port, r):
    v = 6 if ":" in addr else 4
    with socket_in(pid, v, socket.SOCK_DGRAM,
                   socket.IPPROTO_ICMP if v == 4 else 58) as s:
        s.settimeout(0.3)
        s.connect((addr, 0))
        for i in range(TRIES):
            b = bytes(piece(r.getrandbits(31), r.randrange(1, 3000)))
            s.send(struct.pack(">BBHHH", 8 if v == 4 else 128, 0, 0, 0, i) + b)
            try:
                while s.recv(65536)[8:] != b:
                    pass
                return 2 * len(b)
            except TimeoutError:
                pass
    raise OSError("no answer")


def work(ways, seed, path):
    """One after the other, to the end; a line for each"""
    r = random.Random(seed)
    out = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    while True:
        name, pid, addr, port, kinds = r.choice(ways)
        f = r.choice(kinds)
        begin, why, n = time.monotonic(), "", 0
        try:
            n = f(pid, addr, port, r)
        except (OSError, ValueError) as e:
            why = f"{type(e).__name__}: {e}"
            time.sleep(0.1)
        os.write(out, json.dumps(
            [begin, time.monotonic(), f"{name} {f.__name__} {addr}", n, why])
            .encode() + b"\n")


# --- the daemons ---

class Side:
    """A daemon, its guest's service, and those who work with it"""

    def __init__(self, r):
        self.r = r
        self.server = self.workers = None
        self.begin()
        self.base = len(os.listdir(f"/proc/{self.pid}/fd"))

    def begin(self):
        self.server = service(self.guest, [(6, ANY[6])], IN)
        self.workers = [self.worker() for _ in range(WORKERS)]

    def worker(self):
        return Forked(work, self.ways(), self.r.getrandbits(32), RESULTS)

    def end(self):
        for f in self.workers:
            f.kill()
        self.server.kill()

    def some_worker(self):
        """A client is killed"""
        i = self.r.randrange(WORKERS)
        self.workers[i].kill()
        self.workers[i] = self.worker()

    def new_server(self):
        self.server.kill()
        self.server = service(self.guest, [(6, ANY[6])], IN)

    def guest_link(self):
        ip(self.guest, "link set eth0 down")
        time.sleep(self.r.random())
        addresses(self.guest, HOST)

    def stopped(self):
        """Nobody may notice but by waiting"""
        os.kill(self.pid, signal.SIGSTOP)
        time.sleep(1 + 2 * self.r.random())
        os.kill(self.pid, signal.SIGCONT)

    def figures(self):
        return len(os.listdir(f"/proc/{self.pid}/fd")), \
            status(self.pid, "VmRSS")


ALL = tcp_some, tcp_some, udp_some, ping_some
FEW = tcp_some, tcp_some, udp_some


class Container(Side):
    name = "pasta"

    def __init__(self, r):
        self.p = topo.pasta("-t", f"{IN}", "-u", f"{IN}", "-T", f"{OUT}",
                            "-U", f"{OUT}")
        self.proc, self.pid, self.guest = self.p.proc, self.p.pid, self.p.guest
        super().__init__(r)

    def ways(self):
        return [w for v in (4, 6) for w in (
            ("pasta out", self.guest, REMOTE[v], ECHO, ALL),
            ("pasta in", topo.remote, HOST[v], IN, FEW),
            ("pasta bypass in", topo.host, LOOP[v], IN, FEW),
            ("pasta bypass out", self.guest, LOOP[v], OUT, FEW))]

    def stop(self):
        self.p.stop()


class Machine(Side):
    name = "passt"

    def __init__(self, r):
        self.p = topo.passt("-t", f"{IN + 1}:{IN}", "-u", f"{IN + 1}:{IN}")
        self.proc, self.pid = self.p.proc, self.p.pid
        self.start()
        super().__init__(r)

    def start(self):
        self.pump = PumpGuest(self.p, "-r", "50")
        self.guest = self.pump.pid

    def ways(self):
        return [w for v in (4, 6) for w in (
            ("passt out", self.guest, REMOTE[v], ECHO, ALL),
            ("passt in", topo.remote, HOST[v], IN + 1, FEW),
            # To the guest such a client is a link-local one, whom a service
            # that is bound to no address may answer from another
            ("passt from host", topo.host, HOST[v], IN + 1,
             FEW if v == 4 else (tcp_some,)))]

    def reconnects(self):
        """The guest's link to passt is lost, not the guest. Who comes before
        it is there again is refused"""
        self.pump.signal(signal.SIGHUP)
        self.pump.connected()

    def reset(self):
        """Another guest, which knows nothing of the connections of the first"""
        self.end()
        self.pump.stop()
        self.start()
        self.begin()

    def stop(self):
        self.pump.stop()
        self.p.stop()


# --- what happens to them ---

def addresses(pid, a):
    run(*enter(pid, "ip", "-force", "-batch", "-"), check=False, input=f"""
link set eth0 up
addr replace {a[4]}/24 dev eth0
addr replace {a[6]}/64 dev eth0 nodad
route replace default via {GW[4]}
-6 route replace default via {GW[6]}
""")


def host_link():
    ip(topo.host, "link set eth0 down")
    time.sleep(RND.random())
    addresses(topo.host, HOST)


def host_address():
    """Another one, for a while"""
    for a, n in ("10.77.0.22", 24), ("fd77::22", 64):
        ip(topo.host, f"addr add {a}/{n} dev eth0" + " nodad" * (n == 64))
    for v in 4, 6:
        ip(topo.host, f"addr del {HOST[v]}/{24 if v == 4 else 64} dev eth0")
    time.sleep(RND.random() * 2)
    addresses(topo.host, HOST)
    for a, n in ("10.77.0.22", 24), ("fd77::22", 64):
        ip(topo.host, f"addr del {a}/{n} dev eth0")


def new_remote():
    remote[0].kill()
    remote[0] = service(topo.remote, REMOTE.items(), ECHO)


def events():
    """(what, whether it excuses failures of whom: a prefix of names)"""
    out = [(host_link, ""), (host_address, ""), (new_remote, "")]
    for s in sides:
        out += [(s.new_server, s.name), (s.guest_link, s.name),
                (s.some_worker, None), (s.some_worker, None),
                (s.stopped, None)]
    return out + [(machine.reset, "passt"), (machine.reconnects, "passt")]


def disturb(seconds):
    """-> [begin, end, whom, what], of what excuses failures"""
    excuses, done_, end = [], {}, time.monotonic() + seconds
    todo = []
    while time.monotonic() < end:
        if not todo:
            todo = events()
            RND.shuffle(todo)
        f, whom = todo.pop()
        begin = time.monotonic()
        f()
        done_[f.__name__] = done_.get(f.__name__, 0) + 1
        if whom is not None:
            excuses.append((begin, time.monotonic() + AFTER, whom, f.__name__))
        if not LONG:
            time.sleep(0.3)
        else:
            time.sleep(RND.random() * 6)
            for s in sides:
                s.seen.append(s.figures())
        dead = [s.name for s in sides if s.proc.poll() is not None]
        if dead:
            raise RuntimeError(f"{dead} ended after {f.__name__}")
    note(", ".join(f"{n} {k}" for k, n in done_.items()))
    return excuses


def connections():
    """Of the host: TCP, neither listening nor over"""
    return [l for l in run(*enter(topo.host, "ss", "-tanpo")).stdout
            .splitlines()[1:] if not l.startswith(("LISTEN", "TIME-WAIT"))]


def judge(excuses):
    """-> how many were not TCP"""
    good, moved, excused, other, bad, wrong = 0, 0, 0, 0, [], []
    kinds = set()
    for line in open(RESULTS):
        begin, end, name, n, why = json.loads(line)
        other += "tcp_some" not in name
        if not why:
            good, moved = good + 1, moved + n
            kinds.add(name)
        elif why.startswith("ValueError"):
            wrong.append(f"{name}: {why}")
        elif any(b < end and begin < e and name.startswith(whom)
                 for b, e, whom, _ in excuses):
            excused += 1
        else:
            bad.append(f"{begin - BEGIN:.1f}-{end - BEGIN:.1f} {name}: {why}")
    note(f"{good} good, {moved >> 20} MiB; {excused} interrupted")
    ok(not wrong, "all that arrived has the same hash", wrong[:20])
    if not ok(not bad, "nothing failed without a reason",
              "\n".join(bad[:20])):
        for b, e, whom, what in excuses:
            note(f"{b - BEGIN:.1f}-{e - BEGIN:.1f} {whom} {what}")
    ok(good > 3 * TIME and len(kinds) > (20 if TIME >= 20 else 5),
       "much was done, of all kinds", f"{good} {kinds}")
    return other


RND = random.Random(SEED)
topo = Topo()
RESULTS = tmp("results")
open(RESULTS, "w").close()
run(*enter(topo.host, "sysctl", "-q",
           "net.ipv4.conf.all.promote_secondaries=1",
           "net.ipv4.tcp_fin_timeout=3"))       # the kernel's own, of nobody
remote = [service(topo.remote, REMOTE.items(), ECHO)]
local = service(topo.host, LOOP.items(), OUT)
BEGIN = time.monotonic()
sides = [Container(RND), Machine(RND)]
machine = sides[1]
for s in sides:
    s.seen = []
time.sleep(TIME / 8)
warm = [s.figures() for s in sides]
excuses = disturb(TIME * 7 / 8)
time.sleep(1)
for s in sides:
    s.end()
left = judge(excuses)       # those may still have a descriptor each
with case("connections end"):
    # Of a guest that is another one now, they have to be given up
    for _ in range(150):
        rest = connections()
        if not rest:
            break
        time.sleep(1)
    ok(not rest, "no connection is left on the host", "\n".join(rest))
if LONG:
    time.sleep(130)             # the longest time-out of datagrams
    left = 0
left += 64                  # stores
for s, (fds, rss) in zip(sides, warm):
    n, kb = s.figures()
    note(f"{s.name}: descriptors {s.base} at first, {fds} warm, {n} in the end; "
         f"memory {rss} kB warm, {kb} kB in the end"
         + (f", {max(x for _, x in s.seen)} kB at most" if s.seen else ""))
    ok(n <= s.base + left, f"{s.name}: no descriptor is left", n)
    ok(kb < rss + 6000 or os.environ.get("DEBUG"),
       f"{s.name}: no more memory than when warm", f"{rss} -> {kb} kB")
    ok(s.proc.poll() is None, f"{s.name} lives", s.p.text())
    s.stop()
remote[0].kill()
local.kill()
done()
