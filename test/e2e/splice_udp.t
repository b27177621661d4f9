#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""UDP on the loopback bypass: -U from the namespace to the host, -u from the
host's loopback into the namespace."""
import errno
import os
import random
import socket
import struct
import sys
import threading
import time

sys.dont_write_bytecode = True
from lib import *       # noqa: E402

need_root()
IN, OUT, SHIFT = 5001, 7001, 1000       # forwarded, and to which port
LOST = 5050             # forwarded both ways
ONE = 5061              # of these, two lead to one
PORTS = ("-u", f"{IN}-{IN + 2}:{IN + SHIFT}-{IN + SHIFT + 2},{LOST},"
         f"{ONE},{ONE + 1}:{ONE}",
         "-U", f"{OUT}-{OUT + 2}:{OUT + SHIFT}-{OUT + SHIFT + 2},{LOST},"
         f"{ONE + 10},{ONE + 11}:{ONE + 10}")
WAYS = [(d, v) for d in ("out", "in") for v in (4, 6)]
SIZES = (0, 1, 2, 1400, 1472, 1473, 4096, 8900, 32767, 60000, 65507)
SOL_UDP, UDP_SEGMENT, UDP_GRO = 17, 103, 104


def udp_in(pid, v=4, addr=None, port=0, timeout=2, v6only=False):
    s = socket_in(pid, v, socket.SOCK_DGRAM)
    if v6only:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    s.bind((addr or ANY[v], port))
    s.settimeout(timeout)
    return s


def ends(d, p, n=0):
    """-> namespace and port of the server, the client's and where it sends"""
    if d == "out":
        return topo.host, OUT + SHIFT + n, p.guest, OUT + n
    return p.guest, IN + SHIFT + n, topo.host, IN + n


class Echo(threading.Thread):
    """Answers on a socket, and remembers who asked."""

    def __init__(self, s):
        super().__init__(daemon=True)
        self.s, self.peers, self.on = s, [], True
        s.settimeout(0.2)
        self.start()

    def run(self):
        while self.on:
            try:
                b, peer = self.s.recvfrom(65536)
                self.peers.append(peer[:2])
                self.s.sendto(b, peer)
            except (TimeoutError, OSError):
                pass

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.on = False
        self.join()
        self.s.close()


def ask(s, to, b, tries=3):
    """Send and wait for the same to come back; -> who answered"""
    for _ in range(tries):
        s.sendto(b, to)
        try:
            while True:
                r, peer = s.recvfrom(65536)
                if r == b:
                    return peer[:2]
        except TimeoutError:
            continue
    return None


def echo(p, d, v):
    name = f"{d} IPv{v}"
    with case(name):
        sn, sp, cn, cp = ends(d, p)
        seen = HOST[v] if d == "in" else LOOP[v]    # the guest has HOST, too
        with Echo(udp_in(sn, v, port=sp)) as e, udp_in(cn, v) as c:
            got = {n: ask(c, (LOOP[v], cp), os.urandom(n)) for n in SIZES}
            ok(all(x == (LOOP[v], cp) for x in got.values()),
               f"{name}: sizes {SIZES[0]} to {SIZES[-1]} come back, from "
               "where they went", got)
            ok(set(e.peers) == {(seen, c.getsockname()[1])},
               f"{name}: the server sees {seen} and the client's port",
               set(e.peers))


def addresses(p, d):
    """Of 127/8, the very one that was asked answers (and is asked)."""
    name = f"{d}: 127.0.0.5"
    with case(name):
        sn, sp, cn, cp = ends(d, p)
        addr = "127.0.0.5" if d == "out" else ANY[4]
        with Echo(udp_in(sn, 4, addr, sp)), \
                udp_in(cn, 4, "127.0.0.9") as c:
            c.connect(("127.0.0.5", cp))
            ok(ask(c, ("127.0.0.5", cp), b"hello") == ("127.0.0.5", cp), name)


def source_taken(p, d, v):
    name = f"{d} IPv{v}: the source port is taken there, or the target's"
    with case(name):
        sn, sp, cn, cp = ends(d, p)
        with Echo(udp_in(sn, v, port=sp)) as e, udp_in(cn, v) as c:
            port = c.getsockname()[1]
            with udp_in(sn, v, port=port), udp_in(cn, v, LOOP[v], sp) as c2:
                good = ask(c, (LOOP[v], cp), b"a") and \
                    ask(c2, (LOOP[v], cp), b"b")
            ok(good and port not in [x[1] for x in e.peers] and
               sp not in [x[1] for x in e.peers], name, e.peers)


def two_to_one(p, d, v):
    name = f"{d} IPv{v}: one client, two ports that lead to one"
    with case(name):
        port = ONE if d == "in" else ONE + 10
        sn, cn = (p.guest, topo.host) if d == "in" else (topo.host, p.guest)
        with Echo(udp_in(sn, v, port=port)), udp_in(cn, v) as c:
            to = [(LOOP[v], port + i % 2) for i in range(6)]
            got = [ask(c, t, os.urandom(30), 1) for t in to]
            ok(got == to, f"{name}: who is asked answers", got)


def itself(p, d):
    """Nobody there, and the client's port is the target's: no echo."""
    name = f"{d}: no socket talks to itself"
    with case(name):
        _, sp, cn, cp = ends(d, p, 1)
        with udp_in(cn, 4, LOOP[4], sp, timeout=0.3) as c:
            ok(ask(c, (LOOP[4], cp), b"hello", 2) is None, name)


def itself_by_tap(p, v):
    name, port = f"IPv{v}: nor through the tap", 9990 + v
    with case(name), udp_in(p.guest, v, port=port, timeout=0.3) as c:
        ok(ask(c, (GW[v], port), b"hello", 2) is None, name)
        with Echo(udp_in(topo.host, v, port=port)):
            time.sleep(0.1)
            ok(ask(c, (GW[v], port), b"hello"), f"{name}: a server answers")
        with Echo(udp_in(topo.remote, v, REMOTE[v], port)) as e:
            ok(ask(c, (REMOTE[v], port), b"hello") and
               e.peers[0] == (HOST[v], port),
               f"{name}: to others, the port is kept", e.peers)


def many(p, d, v, clients=300, each=5):
    """Everybody gets his own back, whatever the order."""
    name = f"{d} IPv{v}: {clients} clients at once"
    with case(name):
        sn, sp, cn, cp = ends(d, p)
        with Echo(udp_in(sn, v, port=sp)) as e:
            cs = [udp_in(cn, v) for _ in range(clients)]
            others = queue_losses()
            turn = [(i, n) for i in range(clients) for n in range(each)]
            random.Random(1).shuffle(turn)
            for k, (i, n) in enumerate(turn):
                cs[i].sendto(struct.pack("II", i, n) * (1 + i), (LOOP[v], cp))
                if k % 20 == 0:
                    time.sleep(0.002)
            bad, lost = [], 0
            for i, c in enumerate(cs):
                want = {struct.pack("II", i, n) * (1 + i) for n in range(each)}
                c.settimeout(0.3)
                try:
                    while want:
                        b, peer = c.recvfrom(65536)
                        if b not in want or peer[:2] != (LOOP[v], cp):
                            bad.append((i, peer, b[:8]))
                        want.discard(b)
                except TimeoutError:
                    lost += len(want)
            ok(not bad, f"{name}: no datagram of another", bad[:5])
            others = queue_losses() - others
            ok(lost <= others, f"{name}: none lost", (lost, others))
            ports = {c.getsockname()[1] for c in cs}
            # But for those that somebody else has there
            other = {x[1] for x in e.peers} ^ ports
            ok(len(other) <= clients // 50, f"{name}: ports kept", other)
            for c in cs:
                c.close()


def pattern(i, n):
    return struct.pack("!I", i) + bytes([i & 255]) * (n - 4)


def drain(s, n):
    got = []
    try:
        while len(got) < n:
            got.append(s.recv(65536))
    except TimeoutError:
        pass
    return got


def bursts(p, d, v, n=3000):
    """Both ways of one flow, in order; with and without segmentation."""
    name = f"{d} IPv{v}"
    with case(f"{name}: burst"):
        sn, sp, cn, cp = ends(d, p)
        with udp_in(sn, v, port=sp) as s, udp_in(cn, v) as c:
            c.connect((LOOP[v], cp))
            c.send(b"hello")
            s.connect(s.recvfrom(10)[1])
            for way, a, b in ("to the server", c, s), ("to the client", s, c):
                for size in 100, 1400, 20000:
                    k = n if size < 20000 else n // 10
                    got = []
                    t = threading.Thread(
                        target=lambda: got.extend(drain(b, k)))
                    t.start()
                    for i in range(0, k, 20):
                        for j in range(i, i + 20):
                            a.send(pattern(j, size))
                        time.sleep(0.002)
                    t.join()
                    want = {pattern(i, size) for i in range(k)}
                    ok(len(got) >= k * 0.98 and set(got) <= want and
                       len(set(got)) == len(got) and got == sorted(got),
                       f"{name}: {k} of {size} bytes {way}, in order",
                       f"{len(got)}, {len(set(got) - want)} damaged")
                for gro in 0, 1:
                    b.setsockopt(SOL_UDP, UDP_GRO, gro)
                    want = [pattern(i, 1300) for i in range(40)] + [b"end"]
                    a.sendmsg([b"".join(want)], [
                        (SOL_UDP, UDP_SEGMENT, struct.pack("H", 1300))])
                    got = drain(b, 1 if gro else len(want))
                    ok(b"".join(got) == b"".join(want) and
                       len(got) == (1 if gro else len(want)),
                       f"{name}: segments {way}" + ", joined" * gro,
                       [len(x) for x in got])
                    b.setsockopt(SOL_UDP, UDP_GRO, 0)


def refused(p, d, v):
    """Nobody there: the daemon stays calm, and somebody may come later."""
    name = f"{d} IPv{v}: refused"
    with case(name):
        sn, sp, cn, cp = ends(d, p, 2)
        with udp_in(cn, v) as c:
            used = cpu(p.pid)
            for _ in range(50):
                c.sendto(b"anyone?", (LOOP[v], cp))
                time.sleep(0.002)
            time.sleep(0.5)
            used = cpu(p.pid) - used
            ok(used < 0.1, f"{name}: no spinning", used)
            with Echo(udp_in(sn, v, port=sp)):
                ok(ask(c, (LOOP[v], cp), b"now?", 1), f"{name}: then served")

    # The other way: the client has gone, the server goes on
    name = f"{d} IPv{v}: client gone"
    with case(name):
        sn, sp, cn, cp = ends(d, p)
        with udp_in(sn, v, port=sp) as s:
            with udp_in(cn, v) as c:
                c.sendto(b"hello", (LOOP[v], cp))
                peer = s.recvfrom(10)[1]
            used = cpu(p.pid)
            for _ in range(50):
                s.sendto(b"there?", peer)
                time.sleep(0.002)
            time.sleep(0.5)
            used = cpu(p.pid) - used
            ok(used < 0.1, f"{name}: no spinning", used)
            with udp_in(cn, v) as c:
                c.sendto(b"another", (LOOP[v], cp))
                ok(s.recv(10) == b"another", f"{name}: others are served")


def both_ways(p):
    name = "a port forwarded both ways: nothing goes round"
    with case(name):
        fds = len(os.listdir(f"/proc/{p.pid}/fd"))
        for n, v in (topo.host, 4), (p.guest, 6), (p.guest, 4), (topo.host, 6):
            with udp_in(n, v) as c:
                c.sendto(b"round", (LOOP[v], LOST))
        used = cpu(p.pid)
        time.sleep(0.5)
        used = cpu(p.pid) - used
        more = len(os.listdir(f"/proc/{p.pid}/fd")) - fds
        ok(used < 0.05 and more <= 2 * 16 + 12, name, f"{used} {more}")


def options():
    for opts, seen in ((("--host-lo-to-ns-lo",), LOOP), (("--no-splice",), GW)):
        with topo.pasta(*PORTS, *opts) as p:
            for v in 4, 6:
                if opts == ("--no-splice",) and v == 6:
                    continue            # the router is link-local, or global
                name = f"{opts[0]} IPv{v}: seen as {seen[v]}"
                with case(name):
                    sn, sp, cn, cp = ends("in", p)
                    with Echo(udp_in(sn, v, port=sp)) as e, \
                            udp_in(cn, v) as c:
                        peer = ask(c, (LOOP[v], cp), b"hello")
                        ok(peer == (LOOP[v], cp) and
                           set(e.peers) == {(seen[v], c.getsockname()[1])},
                           name, f"{peer} {e.peers}")
            both_ways(p)


def mixed(p, v):
    """One port, clients beyond the tap and local ones in turns."""
    name = f"IPv{v}: local and remote clients of one port"
    with case(name):
        sn, sp, cn, cp = ends("in", p)
        with Echo(udp_in(sn, v, port=sp)) as e, udp_in(cn, v) as lo, \
                udp_in(topo.remote, v, REMOTE[v]) as far:
            for i in range(200):
                lo.sendto(b"local %d" % i, (LOOP[v], cp))
                far.sendto(b"far %d" % i, (HOST[v], cp))
                if i % 20 == 0:
                    time.sleep(0.005)
            got = [drain(lo, 200), drain(far, 200)]
            ok(sorted(got[0]) == sorted(b"local %d" % i for i in range(200)),
               f"{name}: local", len(got[0]))
            ok(sorted(got[1]) == sorted(b"far %d" % i for i in range(200)),
               f"{name}: remote", len(got[1]))
            ok({x[0] for x in e.peers} == {HOST[v], REMOTE[v]}, f"{name}: seen",
               {x[0] for x in e.peers})


def taken():
    name = "-U: port taken in the namespace"
    with case(name):
        n = topo.user_ns()
        with udp_in(n.pid, 6, port=OUT):
            r = topo.run_pasta("-f", "-u", "none", "-U", str(OUT), str(n.pid))
        ok(r.returncode == 1 and "namespace" in r.stderr and
           "UDP" in r.stderr and str(OUT) in r.stderr, name,
           f"{r.returncode} {r.stderr}")
        stop(n)


def few_descriptors(clients=80):
    name = f"64 descriptors, {clients} clients"
    wrap = tmp("few")
    with open(wrap, "w") as f:
        f.write(f'#!/bin/sh\nulimit -n 64\nexec {topo.program} "$@"\n')
    os.chmod(wrap, 0o755)
    program, topo.program = topo.program, wrap
    with case(name), topo.pasta(*PORTS) as p:
        free = 64 - len(os.listdir(f"/proc/{p.pid}/fd"))
        sn, sp, cn, cp = ends("in", p)
        with Echo(udp_in(sn, 4, port=sp)) as e:
            # What is kept for IPv6, and for TCP, must not be in the way
            with Echo(udp_in(sn, 6, port=sp, v6only=True)), udp_in(cn, 6) as c:
                ask(c, (LOOP[6], cp), b"other")
            cs = [udp_in(cn, 4, timeout=0.05) for _ in range(clients)]
            served = [c for c in cs if ask(c, (LOOP[4], cp), b"first", 1)]
            ok(len(served) == clients > free, f"{name}: all are served, as "
               "those before them make room", f"{len(served)}, {free} free")
            used = cpu(p.pid)
            time.sleep(0.5)
            used = cpu(p.pid) - used
            ok(used < 0.05, f"{name}: no spinning", used)
            bad = [c for c in served if not ask(c, (LOOP[4], cp), b"again")]
            ok(not bad, f"{name}: those served go on", len(bad))
            for c in cs:
                c.close()
        ok(p.proc.poll() is None, f"{name}: daemon lives", p.text())
    topo.program = program


topo = Topo()
with topo.pasta(*PORTS) as p:
    for d, v in WAYS:
        echo(p, d, v)
        source_taken(p, d, v)
        two_to_one(p, d, v)
        many(p, d, v)
        bursts(p, d, v)
        refused(p, d, v)
    for d in "out", "in":
        addresses(p, d)
        itself(p, d)
    for v in 4, 6:
        itself_by_tap(p, v)
        mixed(p, v)
    both_ways(p)
    ok(p.proc.poll() is None, "daemon lives", p.text())
    note(p.text())
options()
few_descriptors()
taken()
done()
