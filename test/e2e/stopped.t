#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemon is stopped in the middle of everything, for seconds, and its clock
is hours ahead after that, as when its container was frozen. Transfers both ways
go on to their end, with the same hash; connections and flows that say nothing
are still there; and nothing happens in a burst.

E2E_STOP: seconds for which it is stopped (default 3)
"""
import hashlib
import mmap
import os
import select
import signal
import socket
import struct
import sys
import time

sys.dont_write_bytecode = True
from lib import *       # noqa: E402

need_root()
STOP = float(os.environ.get("E2E_STOP") or 3)
BYTES = 40 << 20
IN, ECHO = 6000, 7000
HOURS = 3600 * 3        # by then, TCP that is silent is given up
DATA = os.urandom(1 << 20)


def send_all(s, n):
    s.settimeout(90)
    for _ in range(n >> 20):
        s.sendall(DATA)
    s.shutdown(socket.SHUT_WR)


def hash_all(s, n):
    """-> "" or what is wrong"""
    s.settimeout(90)
    h, want, got = hashlib.blake2b(), hashlib.blake2b(), 0
    while b := s.recv(1 << 20):
        h.update(b)
        got += len(b)
    for _ in range(n >> 20):
        want.update(DATA)
    s.close()
    return "" if h.digest() == want.digest() else f"{got} bytes of {n}"


def pair(srv, cli, addr, port):
    """-> the client's end, the server's"""
    with listen_in(srv, 6 if ":" in addr else 4, port=port) as l:
        c = connect_in(cli, addr, port)
        return c, l.accept()[0]


def pairs(p):
    """A connection of each kind, by name"""
    out = {}
    for v in 4, 6:
        out[f"TCP out, IPv{v}"] = pair(topo.remote, p.guest, REMOTE[v], ECHO)
        out[f"TCP in, IPv{v}"] = pair(p.guest, topo.remote, HOST[v], IN)
        if p.kind == "pasta":
            out[f"bypass, IPv{v}"] = pair(p.guest, topo.host, LOOP[v], IN)
    return out


def udp_pair(srv, cli, addr, port):
    """-> the client's socket, the server's, and the client as that knows it"""
    v = 6 if ":" in addr else 4
    s = socket_in(srv, v, socket.SOCK_DGRAM)
    s.bind(((REMOTE if srv == topo.remote else HOST)[v], port))
    c = socket_in(cli, v, socket.SOCK_DGRAM)
    c.connect((addr, port))
    for x in s, c:
        x.settimeout(3)
    for _ in range(3):
        c.send(b"hello")
        peer = s.recvfrom(100)[1]
        s.sendto(b"hello", peer)
        c.recv(100)
    return c, s, peer


def stopped(p, seconds):
    """Stop while both ways of each connection are full"""
    name = f"{p.kind}: stopped for {seconds:g} s"
    with case(name):
        conns = pairs(p)
        rx, tx = {}, []
        for k, (c, s) in conns.items():
            for way, a, b in ("there", c, s), ("back", s, c):
                rx[f"{k}, {way}"] = Forked(hash_all, b, BYTES)
                tx.append(Forked(send_all, a, BYTES))
        for c, s in conns.values():
            c.close()
            s.close()
        time.sleep(0.1)
        moving = not any(f.ended() for f in rx.values())
        os.kill(p.pid, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            os.kill(p.pid, signal.SIGCONT)
        began = time.monotonic()
        for k, f in rx.items():
            bad = f.result(90)
            ok(not bad, f"{name}: {k}, the hash is equal", bad)
        for f in tx:
            f.kill()
        ok(moving, f"{name}: it was in the middle")
        note(f"the rest took {time.monotonic() - began:.1f} s")


class Clock:
    """Of the daemon only, see fail.c; it is said to stand where ours does, and
    any number of seconds ahead"""

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

    def ahead(self, seconds):
        struct.pack_into("q", self.map, 32, int(seconds))


def ahead(p, clock):
    """Everything has been silent for hours, says the clock"""
    name = f"{p.kind}: {HOURS // 3600} hours"
    held, flows = list(pairs(p).items()), []
    for v in 4, 6:
        flows.append((f"UDP out, IPv{v}", udp_pair(
            topo.remote, p.guest, REMOTE[v], ECHO)))
        flows.append((f"UDP in, IPv{v}", udp_pair(
            p.guest, topo.remote, HOST[v], IN)))
    time.sleep(0.5)
    used = cpu(p.pid)
    # What came meanwhile is there when it goes on
    os.kill(p.pid, signal.SIGSTOP)
    for what, (c, s) in held[::2]:
        c.sendall(b"meanwhile")
    clock.ahead(HOURS)
    time.sleep(0.2)
    os.kill(p.pid, signal.SIGCONT)
    time.sleep(1)
    for what, (c, s) in held[::2]:
        with case(f"{name}, {what}"):
            ok(recv_all(s, 9) == b"meanwhile",
               f"{name}, {what}: what was sent meanwhile")
    for what, (c, s) in held:
        with case(f"{name}, {what}"):
            s.sendall(b"still there?")
            c.sendall(b"yes" if recv_all(c, 12) else b"")
            ok(recv_all(s, 3) == b"yes", f"{name}, {what}: still there")
    for what, (c, s, peer) in flows:
        with case(f"{name}, {what}"):
            s.sendto(b"unasked", peer)      # to the flow that there was
            ok(c.recv(100) == b"unasked", f"{name}, {what}: still there")
    used = cpu(p.pid) - used
    ok(used < 1, f"{name}: no burst", used)
    # And back, as in a container that was restored on another machine
    clock.ahead(0)
    for what, (c, s) in held:
        with case(f"{name} back, {what}"):
            s.sendall(b"still there?")
            ok(recv_all(c, 12) == b"still there?",
               f"{name} back, {what}: still there")


class Container(Pasta):
    kind = "pasta"

    def __init__(self, env=None):
        super().__init__(topo, ("--config-net", "-f", "-q", "--listen-always",
                                "-t", f"{IN}", "-u", f"{IN}", "-T", "none", "-U", "none"),
                         ("sleep", "infinity"), env)


class Machine(PumpGuest):
    kind = "passt"

    def __init__(self, env=None):
        self.passt = topo.passt("-t", f"{IN}", "-u", f"{IN}", env=env)
        self.proc, self.text = self.passt.proc, self.passt.text
        super().__init__(self.passt)
        self.guest, self.pid = self.pid, self.passt.pid

    def stop(self):
        super().stop()
        self.passt.stop()


topo = Topo()
clock = None if os.environ.get("DEBUG") else Clock()
for kind in Container, Machine:
    with case(kind.kind), kind() as p:
        stopped(p, STOP)
        ok(p.proc.poll() is None, f"{kind.kind}: the daemon lives", p.text())
    if not clock:
        skip(f"{kind.kind}: the clock", "the sanitizers want to be first")
        continue
    with case(f"{kind.kind}: clock"), kind(clock.env) as p:
        ahead(p, clock)
        ok(p.proc.poll() is None, f"{kind.kind}: the daemon lives", p.text())
done()
