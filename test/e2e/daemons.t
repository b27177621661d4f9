#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Several daemons on one host, of one user and of two: what the guest of one
does is not felt by the others, nor by the programs of the host."""
import socket
import sys
import time

sys.dont_write_bytecode = True
from lib import *       # noqa: E402

need_root()
PORT = 6001
LO = {4: ("127.0.0.1", "127.0.0.2"), 6: ("fd77::8", "fd77::9")}


def udp_in(pid, v, addr=None, port=0, timeout=5):
    s = socket_in(pid, v, socket.SOCK_DGRAM)
    if v == 6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind((addr or ANY[v], port))
    s.settimeout(timeout)
    return s


def drain(*ss):
    for s in ss:
        s.settimeout(0)
        try:
            while True:
                s.recv(65536)
        except BlockingIOError:
            pass
        s.settimeout(5)


def twins(p, q, name, port, kept):
    """Guests talk to one server from one port: each has its own answers, and of
    the two at least @kept their port."""
    for v in 4, 6:
        text = f"IPv{v}, one port and one server: {name}"
        with case(text), udp_in(topo.remote, v, REMOTE[v]) as far, \
                udp_in(p.guest, v, HOST[v], port) as a, \
                udp_in(q.guest, v, HOST[v], port) as b:
            seen, bad = set(), []
            for i in range(9):          # one after the other, and at once
                ss = [(a,), (b,), (a, b)][i % 3]
                for s in ss:
                    s.sendto(b"%d %d" % (i, s is a), far.getsockname()[:2])
                for s in ss:
                    data, peer = far.recvfrom(100)
                    seen.add(peer[:2])
                    far.sendto(data, peer)
                for s in ss:
                    got = s.recv(100)
                    if got != b"%d %d" % (i, s is a):
                        bad.append(got)
            ok(not bad and len(seen) == 2, f"{text}: each its own answers",
               (bad, seen))
            ok(((HOST[v], port) in seen) >= kept,
               f"{text}: one has kept its port", seen)


topo = Topo()
for n in LO[6]:
    ip(topo.host, f"addr add {n}/128 dev lo nodad")
PUBLISHED = [("-u", f"{LO[4][i]}/{PORT}", "-u", f"{LO[6][i]}/{PORT}")
             for i in (0, 1)]
with topo.pasta(*PUBLISHED[0]) as p, topo.pasta(*PUBLISHED[1]) as q:
    twins(p, q, "published at other addresses", PORT, 1)
done()
