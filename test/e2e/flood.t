#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Floods: connections to two hundred thousand addresses where nobody answers, a
hundred thousand UDP ports, pings, a full table of flows, few descriptors, clients
of programs that have ceased to accept, all that at once, no memory to be had,
and a kernel that refuses. Meanwhile a new conversation of each
kind and direction comes about at once; the daemon neither ends nor spins, and
afterwards has no more than before.

The addresses are a route of the remote that leads nowhere.

E2E_FLOOD: SYNs (default 30,000, of which 20,000 fit the descriptors; with E2E_LONG
200,000), and half as many UDP ports
E2E_ONLY: names of cases
"""
import errno
import itertools
import mmap
import os
import random
import resource
import signal
import struct
import sys
import threading
import time

sys.dont_write_bytecode = True
from wire import *      # noqa: E402

need_root()
SYNS = int(os.environ.get("E2E_FLOOD") or
           (200_000 if os.environ.get("E2E_LONG") else 30_000))
ONLY = os.environ.get("E2E_ONLY", "").split()
PORTS = SYNS // 2
FLOWS = 131_072
ECHO, IN, SPOOFED = 7000, 6000, 6001
OUT, FULL_IN, FULL_OUT = 6100, 6002, 6102       # of the loopback bypass, with IN
SOON = 1.0              # seconds
LATE = 5.0 if busy() else SOON


# --- who answers ---

def tcp_one(s):
    s.settimeout(5)
    try:
        s.sendall(s.recv(100))
        s.recv(1)
    except OSError:
        pass
    s.close()


def tcp_echo(l):
    while True:
        threading.Thread(target=tcp_one, args=(l.accept()[0],),
                         daemon=True).start()


def udp_echo(u):
    while True:
        try:
            b, peer = u.recvfrom(100)
            u.sendto(b, peer)
        except OSError:
            pass                # an error of an earlier one


def serve(pid, addrs, port):
    """Both protocols, both families; until killed."""
    for v in 4, 6:
        l = listen_in(pid, v, addrs[v], port)
        u = socket_in(pid, v, socket.SOCK_DGRAM)
        u.bind((addrs[v], port))
        for s, f in (l, tcp_echo), (u, udp_echo):
            s.settimeout(None)
            threading.Thread(target=f, args=(s,), daemon=True).start()
    time.sleep(3600)


# --- who asks: each new, to its answer ---

def tcp_new(pid, addr, port):
    with connect_in(pid, addr, port, timeout=5) as s:
        s.settimeout(5)
        s.sendall(b"hello")
        return s.recv(5) == b"hello"


def udp_new(pid, addr, port):
    """What is lost in a flood is sent again, as programs do."""
    with socket_in(pid, 6 if ":" in addr else 4, socket.SOCK_DGRAM) as s:
        s.settimeout(0.2)
        for _ in range(20):
            s.sendto(b"hello", (addr, port))
            try:
                return s.recv(5) == b"hello"
            except TimeoutError:
                pass
    return False


def ping_new(pid, addr):
    v = 6 if ":" in addr else 4
    with socket_in(pid, v, socket.SOCK_DGRAM,
                   socket.IPPROTO_ICMP if v == 4 else 58) as s:
        s.settimeout(0.2)
        s.connect((addr, 0))
        for i in range(20):
            s.send(echo(v, 0, i, b"hello"))
            try:
                return s.recv(100).endswith(b"hello")
            except TimeoutError:
                pass
    return False


def news(guest, v):
    return {
        "TCP out": lambda: tcp_new(guest, REMOTE[v], ECHO),
        "TCP in": lambda: tcp_new(topo.remote, HOST[v], IN),
        "UDP out": lambda: udp_new(guest, REMOTE[v], ECHO),
        "UDP in": lambda: udp_new(topo.remote, HOST[v], IN),
        "ping": lambda: ping_new(guest, REMOTE[v]),
    }


def local_news(guest, v):
    """The same past the guest's link, and once on it"""
    return {
        "TCP out": lambda: tcp_new(guest, REMOTE[v], ECHO),
        "local TCP out": lambda: tcp_new(guest, LOOP[v], OUT),
        "local TCP in": lambda: tcp_new(topo.host, LOOP[v], IN),
        "local UDP out": lambda: udp_new(guest, LOOP[v], OUT),
        "local UDP in": lambda: udp_new(topo.host, LOOP[v], IN),
    }


def probe(guest, took, stop=None, of=news):
    """One of each, again and again until @stop; -> took[kind] = [seconds]"""
    while True:
        for v in 4, 6:
            for kind, f in of(guest, v).items():
                t = time.monotonic()
                try:
                    good = f()
                except OSError as e:
                    good = False
                    took.setdefault("errors", []).append(f"{kind}: {e!r}")
                took.setdefault(kind, []).append(
                    time.monotonic() - t if good else 99.0)
        if not stop or stop.is_set():
            return


def judge(took, name):
    """The usual one is there in no time; none takes long. A SYN that was lost
    goes again after a second."""
    errors = took.pop("errors", [])
    for kind, t in took.items():
        t.sort()
        ok(t[len(t) // 2] < LATE and t[-1] < LATE + 4,
           f"{name}: {kind}, new and at once", f"{t[-3:]} {errors[:3]}")
    note(", ".join(f"{k} {max(t) * 1000:.0f} ms of {len(t)}"
                   for k, t in took.items()))


# --- floods ---

def vary(frame, at, values, *sums):
    """The frame with each of @values, of 16 bits, at @at; the checksums that
    stand at @sums follow."""
    g, w = bytearray(frame), struct.Struct(">H")
    base = [w.unpack_from(g, s)[0] + w.unpack_from(g, at)[0] for s in sums]
    for v in values:
        w.pack_into(g, at, v)
        for s, b in zip(sums, base):
            w.pack_into(g, s, (b - v) % 0xffff or 0xffff)
        yield bytes(g)


# Of IPv4: where the low half of source and destination and the source port are,
# and the checksums of IP, TCP and UDP
SRC, DST, SPORT, SUM, TSUM, USUM = 28, 32, 34, 24, 50, 40


def nets(n):
    """@n addresses, as networks and numbers in them"""
    for i in range(n // 65000 + 1):
        yield f"10.{100 + i}.0.0", range(1, 1 + min(65000, n - i * 65000))


def syns(n, port=9):
    """Connections to @n addresses"""
    for net, hosts in nets(n):
        yield from vary(eth(packet(HOST[4], net, TCP, tcp(
            5000, port, SYN, opts=b"\2\4\5\xb4"))), DST, hosts, SUM, TSUM)


def ports(n):
    """Datagrams from @n ports: half of them to another port"""
    for i in range(n // 50000 + 1):
        yield from vary(eth(packet(HOST[4], "10.100.0.1", UDP, udp(
            1, 9 + i, b"flood"))), SPORT,
            range(10000, 10000 + min(50000, n - i * 50000)), USUM)


def pings(n):
    for net, hosts in nets(n):
        yield from vary(eth(packet(HOST[4], net, ICMP, echo(
            4, 77, 1, b"flood"))), DST, hosts, SUM)


def clients(n):
    """Datagrams of @n hosts, to a port that is forwarded"""
    for net, hosts in nets(n):
        yield from vary(eth(packet(net, HOST[4], UDP, udp(
            5000, SPOOFED, b"flood")), BCAST), SRC, hosts, SUM, USUM)


def by_guest(p):
    """Frames that have left the guest's device, or were lost there"""
    for l in read(f"/proc/{p.guest}/net/dev").splitlines():
        if l.strip().startswith("eth0:"):
            w = l.split(":")[1].split()
            return int(w[9]) + int(w[11])
    return 0


def by_host(p):
    """Datagrams that have been read from sockets of the host, or lost there"""
    return counter(topo.host, "UdpInDatagrams") + \
        counter(topo.host, "UdpRcvbufErrors")


def flood(pid, frames, taken, burst=100):
    """Send out of eth0 of @pid, but not much more than has been @taken: what the
    queues on the way lose tests nobody. -> how many were"""
    s = socket_in(pid, af=socket.AF_PACKET, kind=socket.SOCK_RAW)
    s.bind(("eth0", 0))
    mac = s.getsockname()[4]        # the guest must stay who it is
    first, n = taken(), 0
    for f in frames:
        s.send(f[:6] + mac + f[12:])
        n += 1
        end = time.monotonic() + 1
        while n % burst == 0 and taken() - first < n - burst and \
                time.monotonic() < end:
            time.sleep(0.0005)
    time.sleep(0.1)
    return taken() - first


class Service:
    """A process that answers in the namespace of @pid"""

    def __init__(self, pid, addrs, port):
        self.f = Forked(serve, pid, addrs, port)
        wait_for("server", lambda: f":{port:04X} " in
                 read(f"/proc/{pid}/net/udp6"))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.f.kill()


def fds(p):
    return len(os.listdir(f"/proc/{p.pid}/fd"))


def under(p, name, pid, frames, n, taken, burst=100, of=news):
    """A flood of @n @frames from @pid: what is new meanwhile, and at once"""
    name = f"{p.kind}: {name}"
    took, stop = {}, threading.Event()
    t = threading.Thread(target=probe, args=(p.guest, took, stop, of))
    begin, used = time.monotonic(), cpu(p.pid)
    f = Forked(flood, pid, frames, lambda: taken(p), burst)
    time.sleep(0.1)
    t.start()
    got = int(f.result(280))
    stop.set()
    t.join()
    begin = time.monotonic() - begin
    note(f"{got} frames in {begin:.1f} s, {cpu(p.pid) - used:.1f} s of CPU, "
         f"{fds(p)} descriptors, {status(p.pid, 'VmRSS')} kB")
    ok(got >= n * 0.95, f"{name}: the flood has arrived", got)
    probes = sum(map(len, took.values()))
    judge(took, name)
    ok(p.proc.poll() is None, f"{name}: the daemon lives", p.text())
    return probes


def idle(p):
    used = 1
    for _ in range(10):
        used, t = cpu(p.pid), time.monotonic()
        time.sleep(0.5)
        used = (cpu(p.pid) - used) / (time.monotonic() - t)
        if used < 0.05:
            break
    return used


def calm(p, name, base, seconds=30):
    """Descriptors are back but for those of some probes (which may have them for
    a minute, where the flood's have them for seconds), nothing is done any more
    """
    name = f"{p.kind}: {name}: afterwards all is as before"
    with case(name):
        wait_for("descriptors", lambda: fds(p) <= base, seconds)
        used = idle(p)
        ok(used < 0.05, name, used)


def before(p):
    """How many descriptors there are in the end: stores may fill"""
    took = {}
    probe(p.guest, took)
    judge(took, f"{p.kind}: before")
    return fds(p) + 40


OPTS = "-t", f"{IN}", "-u", f"{IN},{SPOOFED}"


class Container(Pasta):
    kind = "pasta"

    def __init__(self, env=None, opts=("-T", "none", "-U", "none", *OPTS)):
        super().__init__(topo, ("--config-net", "-f", "--listen-always",
                                *opts), ("sleep", "infinity"), env)


class Machine(PumpGuest):
    kind = "passt"

    def __init__(self, env=None, opts=OPTS):
        self.passt = topo.passt(*opts, quiet=False, env=env)
        self.proc, self.text = self.passt.proc, self.passt.text
        super().__init__(self.passt)
        self.guest, self.pid = self.pid, self.passt.pid

    def stop(self):
        super().stop()
        self.passt.stop()


def limited(limits):
    """Daemons from now on have these limits, words of ulimit"""
    for name in "PASTA", "PASST":
        path = tmp("limited-" + name.lower())
        if limits:
            with open(path, "w") as f:
                f.write(f"#!/bin/sh\nulimit {limits}\n"
                        f'exec {programs[name]} "$@"\n')
            os.chmod(path, 0o755)
        os.environ[name] = path if limits else programs[name]
    topo.program = os.environ["PASTA"]


# --- the cases ---

def many_syns(kind):
    with kind() as p, Service(p.guest, HOST, IN):
        base = before(p)
        base += under(p, f"{SYNS} SYNs", p.guest, syns(SYNS), SYNS, by_guest)
        calm(p, "SYNs", base)
        rss = status(p.pid, "VmRSS")
        under(p, f"{PORTS} ports", p.guest, ports(PORTS), PORTS, by_guest)
        under(p, f"{SYNS // 8} SYNs again", p.guest, syns(SYNS // 8),
              SYNS // 8, by_guest)
        more = status(p.pid, "VmRSS") - rss
        ok(more < 4096 or os.environ.get("DEBUG"),
           f"{kind.kind}: no more memory than the first time", f"{more} kB")


def full_table(kind):
    with kind() as p, Service(p.guest, HOST, IN):
        before(p)
        sink = socket_in(p.guest, 4, socket.SOCK_DGRAM)
        sink.bind((ANY[4], SPOOFED))
        n = FLOWS + 20000
        under(p, f"datagrams of {n} hosts", topo.remote, clients(n), n,
              by_host)
        took = {}
        probe(p.guest, took)
        judge(took, f"{kind.kind}: right after that")
        rss = status(p.pid, "VmRSS")
        ok(rss > FLOWS >> 2, f"{kind.kind}: the table was full", f"{rss} kB")


def few_descriptors(kind):
    limited("-n 256")
    try:
        with kind() as p, Service(p.guest, HOST, IN):
            before(p)
            for name, f in (("SYNs", syns), ("ports", ports),
                            ("pings", pings)):
                under(p, f"256 descriptors, {name}", p.guest, f(5000), 5000,
                      by_guest, 40)
            ok(fds(p) <= 256, f"{kind.kind}: no more than 256", fds(p))
    finally:
        limited("")


def throng(pid, port, addr=LOOP[4], pause=0, n=400):
    """Client after client of @port; the last @n stay"""
    keep = []
    while True:
        s = socket_in(pid)
        s.setblocking(False)
        s.connect_ex((addr, port))
        keep = keep[1 - n:] + [s]
        if pause:
            time.sleep(pause)


def ceased(kind):
    """Programs listen, but do not accept: whoever connects to them past the
    guest's link has two descriptors for nothing."""
    limited("-n 256")
    try:
        with kind(opts=("-t", f"{IN},{FULL_IN}", "-T", f"{OUT},{FULL_OUT}",
                        "-u", f"{IN}", "-U", f"{OUT}")) as p, \
                Service(p.guest, HOST, IN), Service(topo.host, LOOP, OUT):
            probe(p.guest, {}, of=local_news)
            base = fds(p) + 16      # of stores
            for d, srv, cli, port in (("in", p.guest, topo.host, FULL_IN),
                                      ("out", topo.host, p.guest, FULL_OUT)):
                name = f"256 descriptors, none accepts, {d}"
                # For minutes, as is the default
                run(*enter(srv, "sysctl", "-q",
                           "net.ipv4.tcp_syn_retries=6"))
                base += ceased_one(p, name, srv, cli, port)
                calm(p, name, base)
    finally:
        limited("")
        run(*enter(topo.host, "sysctl", "-q", "net.ipv4.tcp_syn_retries=1"))


def ceased_one(p, name, srv, cli, port):
    """-> how many descriptors flows of UDP may have afterwards"""
    took = {}
    with listen_in(srv, 4, port=port, backlog=1):
        f = Forked(throng, cli, port)
        try:
            wait_for("shortage", lambda: fds(p) >= 240)
            for _ in range(4):
                probe(p.guest, took, of=local_news)
            ok(fds(p) >= 200, f"{name}: most are in use", fds(p))
        finally:
            f.kill()
    judge(took, name)
    ok(p.proc.poll() is None, f"{name}: the daemon lives", p.text())
    return sum(len(t) for k, t in took.items() if "UDP" in k)


def again(f):
    """With some thirty descriptors one may be reset whose last step waits behind
    the flood: who is, tries again, within the same second"""
    for _ in range(3):
        try:
            return f()
        except ConnectionResetError:
            pass
    return f()


def all_news(guest, v, local=True):
    kinds = {**news(guest, v), **(local_news(guest, v) if local else {})}
    return {k: lambda f=f: again(f) for k, f in kinds.items()}


def link_news(guest, v):
    return all_news(guest, v, False)


def mixture(kind):
    """All kinds of floods at once"""
    local = kind is Container
    opts = ["-t", f"{IN},{FULL_IN}", "-u", f"{IN}"]
    if local:
        opts += "-T", f"{OUT},{FULL_OUT}", "-U", f"{OUT}"
    for most in 256, 64:
        limited(f"-n {most}")
        try:
            with kind(opts=opts) as p, Service(p.guest, HOST, IN), \
                    Service(topo.host, LOOP, OUT):
                mixture_one(p, local, most)
        finally:
            limited("")


def mixture_one(p, local, most):
    took, of = {}, all_news if local else link_news
    name = f"{most} descriptors, all at once"
    probe(p.guest, took, of=of)
    judge(took, f"{p.kind}: before")
    base = fds(p)
    with listen_in(p.guest, 4, port=FULL_IN, backlog=1), \
            listen_in(topo.host, 4, port=FULL_OUT, backlog=1):
        crowd = [Forked(throng, topo.remote, FULL_IN, HOST[4], 0.005)]
        if local:
            crowd += [Forked(throng, topo.host, FULL_IN, LOOP[4], 0.005),
                      Forked(throng, p.guest, FULL_OUT, LOOP[4], 0.005)]
        try:
            frames = itertools.chain.from_iterable(
                zip(syns(2000), ports(2000), pings(2000)))
            base += under(p, name, p.guest, frames, 6000, by_guest, 30, of)
            ok(fds(p) >= most * 3 // 4, f"{p.kind}: {name}: most are in use",
               fds(p))
        finally:
            for c in crowd:
                c.kill()
    if most < 256:      # of the others some have their time-out of minutes
        calm(p, name, min(base, most * 3 // 4), 150)
        return
    used = idle(p)
    ok(used < 0.05, f"{p.kind}: {name}: no spin", used)


def no_memory(kind):
    with kind() as p:
        peak = status(p.pid, "VmPeak")
    limited(f"-v {peak + 64}")
    try:
        with kind() as p, Service(p.guest, HOST, IN):
            before(p)
            under(p, "no more memory", p.guest, syns(3000), 3000, by_guest)
    finally:
        limited("")


class Page:
    """What fail.c is told"""

    def __init__(self):
        self.path = tmp("page")
        with open(self.path, "wb") as f:
            f.write(bytes(4096))
        os.chmod(self.path, 0o666)
        with open(self.path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 4096)
        run(os.environ.get("CC") or "cc", "-O2", "-D_GNU_SOURCE", "-shared",
            "-fPIC", "-o", tmp("fail.so"),
            os.path.join(os.path.dirname(sys.argv[0]), "fail.c"), "-ldl")
        self.env = {"LD_PRELOAD": tmp("fail.so"), "FAIL_PAGE": self.path}

    def set(self, err, every, which=31):
        for i, v in (1, every), (2, which), (0, err):
            struct.pack_into("q", self.map, 8 * i, v)

    def count(self):
        return struct.unpack_from("q", self.map, 24)[0]


def tries(guest, seconds):
    """Of everything something, whatever becomes of it"""
    end, keep = time.monotonic() + seconds, []
    while time.monotonic() < end:
        for v in 4, 6:
            for pid, addr, port in ((guest, REMOTE[v], ECHO),
                                    (topo.remote, HOST[v], IN)):
                t = socket_in(pid, v)
                u = socket_in(pid, v, socket.SOCK_DGRAM)
                for s in t, u:
                    s.setblocking(False)
                t.connect_ex((addr, port))
                try:
                    for _ in range(3):
                        u.sendto(b"hello", (addr, port))
                except OSError:
                    pass
                keep = keep[-40:] + [t, u]
            e = socket_in(guest, v, socket.SOCK_DGRAM,
                          socket.IPPROTO_ICMP if v == 4 else 58)
            e.sendto(echo(v, 0, 1), (REMOTE[v], 0))
        time.sleep(0.02)


def refusals(kind):
    page = Page()
    with kind(page.env) as p, Service(p.guest, HOST, IN):
        base = before(p)
        for e, every in ((errno.ENOBUFS, 1), (errno.EMFILE, 1),
                         (errno.EPERM, 1), (errno.EADDRNOTAVAIL, 1),
                         (errno.ENOMEM, 3), (errno.EINTR, 3)):
            what = f"{errno.errorcode[e]}, every {every}" if every > 1 \
                else errno.errorcode[e]
            name = f"{kind.kind}: {what}"
            with case(name):
                n = page.count()
                page.set(e, every)
                tries(p.guest, 0.5)
                waits = [socket_in(topo.remote, v) for v in (4, 6)]
                for v, s in zip((4, 6), waits):
                    s.setblocking(False)
                    s.connect_ex((HOST[v], IN))
                used, t = cpu(p.pid), time.monotonic()
                time.sleep(0.5)
                used = (cpu(p.pid) - used) / (time.monotonic() - t)
                ok(page.count() > n and p.proc.poll() is None,
                   f"{name}: met, and survived", p.text())
                ok(used < 0.3, f"{name}: no spin", used)
                page.set(0, 1)
                took = {}
                probe(p.guest, took)
                judge(took, f"{name} is over")
        calm(p, "refusals", base)


topo = Topo()
programs = {n: topo._program(n) for n in ("PASTA", "PASST")}
ip(topo.remote, "route add blackhole 10.96.0.0/11")
# Who is not answered is known to be so after three seconds
run(*enter(topo.host, "sysctl", "-q", "net.ipv4.tcp_syn_retries=1"))
with Service(topo.remote, REMOTE, ECHO):
    for kind in Container, Machine:
        for f in (few_descriptors, ceased, mixture, no_memory, refusals,
                  many_syns, full_table):
            if ONLY and f.__name__ not in ONLY:
                continue
            if f is ceased and kind is not Container:
                continue            # there is no such way
            if os.environ.get("DEBUG") and f in (no_memory, refusals):
                skip(f.__name__, "the sanitizers have their own memory")
                continue
            with case(f"{kind.kind}: {f.__name__}"):
                f(kind)
done()
