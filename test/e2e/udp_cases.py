# SPDX-License-Identifier: GPL-2.0-or-later
"""Cases of UDP for any guest; for @p, @v and directions see tcp_cases.py. Port
IN is forwarded to IN + 1000 of the guest."""
import errno
import os
import socket
import threading
import time

from lib import *       # noqa: F401, F403

IN = 6001
SPEC = f"{IN}:{IN + 1000}"
SIZES = (0, 1, 2, 511, 1432, 1452, 1472, 1473, 4096, 8900, 32767, 60000)


def udp_in(pid, v=4, addr=None, port=0):
    s = socket_in(pid, v, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    s.bind((addr or ANY[v], port))
    s.settimeout(2)
    return s


def data_of(n):
    return os.urandom(n)


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
                self.peers.append(peer)
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
    """Send and wait for the same to come back; late copies are skipped."""
    for _ in range(tries):
        s.sendto(b, to)
        try:
            while True:
                r, peer = s.recvfrom(65536)
                if r == b:
                    return peer
        except TimeoutError:
            continue
    return None


def echo_sizes(name, s, to, sizes=SIZES):
    bad = [n for n in sizes if ask(s, to, data_of(n)) is None]
    ok(not bad, f"{name}: echo of {sizes[0]} to {sizes[-1]} bytes", bad)


def outbound(p, v, mtu):
    with case(f"out v{v} mtu {mtu}"), \
            Echo(udp_in(p.topo.remote, v, REMOTE[v])) as e:
        port = e.s.getsockname()[1]
        s = udp_in(p.guest, v)
        echo_sizes(f"out v{v} mtu {mtu}", s, (REMOTE[v], port))
        ok({x[:2] for x in e.peers} ==
           {(HOST[v], s.getsockname()[1])},
           f"out v{v} mtu {mtu}: source port kept", e.peers[:2])


def inbound(p, v, mtu):
    with case(f"in v{v} mtu {mtu}"), \
            Echo(udp_in(p.guest, v, port=IN + 1000)) as e:
        s = udp_in(p.topo.remote, v, REMOTE[v])
        echo_sizes(f"in v{v} mtu {mtu}", s, (HOST[v], IN))
        ok({x[:2] for x in e.peers} ==
           {(REMOTE[v], s.getsockname()[1])},
           f"in v{v} mtu {mtu}: the guest sees the client", e.peers[:2])


def closed(p, v):
    with case(f"closed v{v}"):
        for name, to in (("remote", REMOTE[v]), ("host's loopback", GW[v])):
            s = socket_in(p.guest, v, socket.SOCK_DGRAM)
            s.settimeout(2)
            s.connect((to, 9))
            t = time.monotonic()
            s.send(b"anyone?")
            try:
                s.recv(1)
                e = 0
            except TimeoutError:
                e = "timeout"
            except OSError as x:
                e = x.errno
            ok(e == errno.ECONNREFUSED,
               f"v{v}: closed port of {name} is told", e)
            ok(time.monotonic() - t < 0.5, f"v{v}: ... at once")
            s.close()


def gateway(p, v):
    """With the gateway's address, the guest reaches the host's loopback."""
    with case(f"gateway v{v}"), \
            Echo(udp_in(p.topo.host, v, LOOP[v])) as e:
        s = udp_in(p.guest, v)
        port = e.s.getsockname()[1]
        peer = ask(s, (GW[v], port), b"hello")
        ok(peer and peer[:2] == (GW[v], port),
           f"v{v}: gateway is the host's loopback", peer)
        ok(e.peers and e.peers[0][0] == LOOP[v],
           f"v{v}: ... and seen as loopback there", e.peers)
