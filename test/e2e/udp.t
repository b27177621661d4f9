#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""UDP through the tap, both ways, both families."""
import json
import os
import socket
import struct
import sys
import threading
import time

sys.dont_write_bytecode = True
from lib import *       # noqa: E402
from udp_cases import * # noqa: E402

need_root()
UDP_SEGMENT = 103
IP_RECVTTL, IP_TTL = 12, 2


def pattern(i, n):
    return struct.pack("!I", i) + bytes([i & 255]) * (n - 4)


def burst(name, send, s, to, n=2000, size=1400):
    """@n numbered datagrams, slowly enough to arrive all, and in order."""
    got = []

    def rx():
        try:
            while len(got) < n:
                b = s.recv(65536)
                got.append(b)
        except TimeoutError:
            pass

    t = threading.Thread(target=rx)
    t.start()
    for i in range(0, n, 20):
        for j in range(i, i + 20):
            send.sendto(pattern(j, size), to)
        time.sleep(0.001)
    t.join()
    want = [pattern(i, size) for i in range(n)]
    ok(len(got) >= n * 0.98 and set(got) <= set(want) and
       len(set(got)) == len(got), f"{name}: burst arrives",
       f"{len(got)} of {n}, {len(set(got) - set(want))} damaged")
    ok(got == sorted(got), f"{name}: in order")


def bursts(p, v):
    with case(f"burst v{v}"):
        r = udp_in(topo.remote, v, REMOTE[v], port=7000)
        g = udp_in(p.guest, v, port=IN + 1000)
        burst(f"out v{v}", g, r, (REMOTE[v], 7000))
        burst(f"in v{v}", r, g, (HOST[v], IN))
        r.close()
        g.close()


def frames(p, way):
    """That the guest's device has sent (tx) or got (rx)."""
    d = json.loads(ip(p.guest, "-j -s link show dev eth0").stdout)[0]
    return d["stats64"][way]["packets"]


def gso(p, v):
    """Senders with segmentation, both ways."""
    with case(f"gso v{v}"):
        r = udp_in(topo.remote, v, REMOTE[v], port=7001)
        g = udp_in(p.guest, v, port=IN + 1000)
        for name, a, b, to in (("out", g, r, (REMOTE[v], 7001)),
                               ("in", r, g, (HOST[v], IN))):
            way = "tx" if name == "out" else "rx"
            before = frames(p, way)
            a.setsockopt(socket.SOL_UDP if hasattr(socket, "SOL_UDP") else 17,
                         UDP_SEGMENT, 1300)
            want = [pattern(i, 1300) for i in range(40)] + [b"end"]
            a.sendto(b"".join(want), to)
            got = []
            try:
                while len(got) < len(want):
                    got.append(b.recv(65536))
            except TimeoutError:
                pass
            ok(got == want, f"{name} v{v}: segmented by the sender",
               [len(x) for x in got])
            n = frames(p, way) - before
            if tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 2):
                # 53300 bytes; a neighbour may be looked for as well
                ok(n <= 4, f"{name} v{v}: ... and whole on the link", n)
        r.close()
        g.close()


def ttl(p):
    with case("ttl"):
        r = udp_in(topo.remote, 4, port=7002)
        r.setsockopt(socket.SOL_IP, IP_RECVTTL, 1)
        s = udp_in(p.guest, 4)
        seen = []
        for n in (64, 7, 200, 64):
            s.setsockopt(socket.SOL_IP, IP_TTL, n)
            s.sendto(b"x", (REMOTE[4], 7002))
            c = r.recvmsg(16, 64)[1]
            seen += [struct.unpack("i", d)[0] for _, t, d in c if t == IP_TTL]
        ok(seen == [64, 7, 200, 64], "TTL is carried", seen)


def many_peers(p, v):
    """One socket of the guest, many peers: each answers for itself."""
    with case(f"peers v{v}"):
        es = [Echo(udp_in(topo.remote, v, REMOTE[v])) for _ in range(20)]
        s = udp_in(p.guest, v)
        bad = []
        for e in es:
            to = (REMOTE[v], e.s.getsockname()[1])
            peer = ask(s, to, data_of(20))
            if not peer or peer[:2] != to:
                bad.append((to, peer))
        ports = {x[1] for e in es for x in e.peers}
        ok(not bad, f"v{v}: twenty peers of one socket", bad)
        ok(ports == {s.getsockname()[1]}, f"v{v}: ... one source port", ports)
        for e in es:
            e.__exit__()


def idle_cpu(p):
    """Errors and closed sockets do not keep the daemon busy."""
    before = cpu(p.pid)
    time.sleep(1)
    used = cpu(p.pid) - before
    ok(used < 0.02, "idle afterwards", used)


topo = Topo()
for mtu in 65520, 1500:
    with topo.pasta("--mtu", str(mtu), "-u", SPEC) as p:
        for v in 4, 6:
            outbound(p, v, mtu)
            inbound(p, v, mtu)
            bursts(p, v)
            gso(p, v)
        if mtu == 65520:
            for v in 4, 6:
                closed(p, v)
                gateway(p, v)
                many_peers(p, v)
            ttl(p)
        idle_cpu(p)
        ok(p.proc.poll() is None, f"mtu {mtu}: still running", p.text())
done()
