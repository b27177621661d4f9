#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""TCP through the tap, both ways, both families.

E2E_BYTES: amount of one bulk transfer (default 1 GiB)
E2E_CONNS: number of concurrent connections (default 10,000)
"""
import os
import resource
import select
import socket
import sys
import time

sys.dont_write_bytecode = True
from lib import *       # noqa: E402
from tcp_cases import * # noqa: E402

need_root()
BYTES = int(os.environ.get("E2E_BYTES") or 1 << 30)
CONNS = int(os.environ.get("E2E_CONNS") or 10000)
_hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (_hard, _hard))


# --- bulk ---

def bulk(mtu):
    with topo.pasta("-m", str(mtu), "-t", PORTS) as p:
        before = counter(p.guest, "TcpExtTCPTimeouts")
        for v in 4, 6:
            for d in "out", "in":
                name = f"MTU {mtu}, IPv{v}, {d}: {BYTES >> 20} MiB"
                with case(name):
                    c, s = pair(d, v, p)
                    good, text = transfer(c, s, BYTES)
                    ok(good, name, text)
                    note(text.split(",")[0])
        after = counter(p.guest, "TcpExtTCPTimeouts")
        ok(after == before, f"MTU {mtu}: no retransmission timeout in the "
           "namespace", f"{after - before} timeouts")
        ok(p.proc.poll() is None, f"MTU {mtu}: daemon lives", p.text())


# --- more of everything ---

def many_short(p, d, v, n):
    srv, cli, addr, port = ends(d, v, p)
    good, t = 0, time.monotonic()
    with listen_in(srv, v, port=port) as l:
        f = Forked(echo_server, l, True)
        try:
            for i in range(n):
                with connect_in(cli, addr, port) as c:
                    c.sendall(b"%d" % i)
                    good += recv_all(c) == b"%d" % i
        finally:
            f.kill()
    ok(good == n, f"IPv{v}, {d}: {n} short connections", f"{good} good")
    note(f"{n / (time.monotonic() - t):.0f}/s")


# --- more of everything ---

def concurrent(p, n):
    """@n connections at once; each answers."""
    srv, cli, addr, port = ends("out", 4, p)
    conns, failed, t = [], 0, time.monotonic()
    with listen_in(srv, 4, port=port) as l:
        f = Forked(echo_server, l)
        try:
            while len(conns) < n and not failed:
                batch = []
                for _ in range(min(250, n - len(conns))):
                    s = socket_in(cli)
                    s.setblocking(False)
                    s.connect_ex((addr, port))
                    batch.append(s)
                for s in batch:
                    poll = select.poll()
                    poll.register(s, select.POLLOUT)
                    failed += not poll.poll(20000) or bool(
                        s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
                    s.settimeout(20)
                conns += batch
            note(f"opened {len(conns)} in {time.monotonic() - t:.1f} s")
            ok(not failed, f"{n} concurrent connections: all open",
               f"{failed} failed of the last of {len(conns)}")

            t, good = time.monotonic(), 0
            for i, s in enumerate(conns):
                try:
                    s.send(b"%d" % i)
                except OSError:
                    pass
            for i, s in enumerate(conns):
                try:
                    good += s.recv(10) == b"%d" % i
                except OSError:
                    pass
            note(f"answers after {time.monotonic() - t:.1f} s, daemon has "
                 f"{status(p.pid, 'VmRSS')} kB")
            ok(good == n, f"{n} concurrent connections: all answer",
               f"{good} answers")
        finally:
            f.kill()
            for s in conns:
                s.close()


def count_until(s, end):
    buf, n = bytearray(BLOCK), 0
    while time.monotonic() < end:
        n += s.recv_into(buf)
    return n


def send_until(s, end):
    s.settimeout(1)
    while time.monotonic() < end:
        try:
            s.send(RANDOM)
        except OSError:
            pass


def fairness(p, d):
    socks = [pair(d, 4, p) for _ in range(2)]
    end = time.monotonic() + 3
    tx = [Forked(send_until, c, end + 0.5) for c, _ in socks]
    rx = [Forked(count_until, s, end) for _, s in socks]
    for c, s in socks:
        c.close()
        s.close()
    n = [int(r.result(30)) for r in rx]
    for t in tx:
        t.result(30)
    ok(min(n) * 4 >= sum(n), f"{d}: two flows, each a quarter at least",
       f"{n[0] >> 20} and {n[1] >> 20} MiB")


def flood(p):
    with socket_in(p.guest, 4, socket.SOCK_DGRAM) as u:
        u.connect((REMOTE[4], 9))
        while True:
            try:
                u.send(b"x")
            except OSError:
                pass


def end_in_flood(p):
    """A server that ended first sees the client's end, however much there is to
    do for others; an end may be lost in the flood, and come again."""
    floods, late = [Forked(flood, p) for _ in range(2)], 0
    with socket_in(topo.remote, 4, socket.SOCK_DGRAM) as hole:
        hole.bind(("", 9))
        time.sleep(1)
        for _ in range(40):
            c, s = pair("out", 4, p)
            with c, s:
                s.shutdown(socket.SHUT_WR)
                c.settimeout(20)
                c.recv(1)
                c.close()
                late += not select.select([s], [], [], 5)[0]
    for f in floods:
        f.kill()
    ok(not late, "ends arrive while there is a flood of datagrams",
       f"{late} of 40 did not")


topo = Topo()

with case("the short set"), topo.pasta("-t", PORTS) as p:
    short_set(p, "with the virtio header on the tap")
    for v in 4, 6:
        gateway(p, v, True)
    for d, v in ("out", 4), ("in", 4), ("out", 6), ("in", 6):
        with case(f"IPv{v}, {d}: short connections"):
            many_short(p, d, v, 1000 if v == 4 else 200)
    for d in "out", "in":
        # Thrice: full receive buffers meet every size of remainder
        for _ in range(3):
            with case(f"{d}: parallel"):
                parallel(p, d)
        with case(f"{d}: slow reader"):
            slow_reader(p, d)
        with case(f"{d}: two flows"):
            fairness(p, d)
    ok(p.proc.poll() is None, "daemon lives", p.text())

with case("--no-map-gw"), topo.pasta("--no-map-gw") as p:
    for v in 4, 6:
        gateway(p, v, False)

with case("plain tap"), topo.pasta("-t", PORTS,
                                   env={"PASTA_TAP_PLAIN": "1"}) as p:
    short_set(p, "plain tap, without virtio header")
    ok(p.proc.poll() is None, "plain tap: daemon lives", p.text())

with case("an end in a flood"), topo.pasta() as p:
    end_in_flood(p)

with case("concurrent connections"), topo.pasta() as p:
    concurrent(p, CONNS)
    ok(p.proc.poll() is None, "many connections: daemon lives", p.text())

for mtu in 1500, 9000, 65520:
    with case(f"MTU {mtu}"):
        bulk(mtu)

done()
