#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Several daemons on one host, of one user and of two: what the guest of one
does is not felt by the others, nor by the programs of the host."""
import os
import signal
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


def crossing(p, v):
    """Both ends begin at once, each from its published port: what came to the
    listener before the guest's own flow is of that flow."""
    text = f"IPv{v}: what crosses the guest's first datagram"
    with case(text), udp_in(topo.remote, v, REMOTE[v], PORT + 1) as far, \
            udp_in(p.guest, v, HOST[v], PORT) as s:
        with udp_in(p.guest, v) as c:   # it shall know its neighbour by then
            c.sendto(b"hello", (REMOTE[v], PORT + 1))
            far.recv(100)
        os.kill(p.pid, signal.SIGSTOP)
        s.sendto(b"from the guest", (REMOTE[v], PORT + 1))
        far.sendto(b"from afar", (HOST[v], PORT))
        time.sleep(0.1)
        os.kill(p.pid, signal.SIGCONT)
        got = far.recvfrom(100)
        ok(got[0] == b"from the guest" and got[1][:2] == (HOST[v], PORT),
           f"{text}: that is heard", got)
        got = s.recvfrom(100)
        ok(got[0] == b"from afar" and got[1][:2] == (REMOTE[v], PORT + 1),
           f"{text}: and heard itself", got)


topo = Topo()
for n in LO[6]:
    ip(topo.host, f"addr add {n}/128 dev lo nodad")
PUBLISHED = [("-u", f"{LO[4][i]}/{PORT}", "-u", f"{LO[6][i]}/{PORT}")
             for i in (0, 1)]
with topo.pasta(*PUBLISHED[0]) as p, topo.pasta(*PUBLISHED[1]) as q:
    twins(p, q, "published at other addresses", PORT, 1)
with topo.pasta("-u", str(PORT)) as p:
    for v in 4, 6:
        crossing(p, v)
done()
