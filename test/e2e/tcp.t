#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""TCP through the tap, both ways, both families.

E2E_BYTES: amount of one bulk transfer (default 1 GiB)
E2E_CONNS: number of concurrent connections (default 10,000)
"""
import errno
import hashlib
import os
import resource
import select
import socket
import struct
import sys
import threading
import time

sys.dont_write_bytecode = True
from lib import *       # noqa: E402

need_root()
BYTES = int(os.environ.get("E2E_BYTES") or 1 << 30)
CONNS = int(os.environ.get("E2E_CONNS") or 10000)
IN = 5001               # forwarded ports, and how many
NPORTS = 8
BLOCK = 1 << 20
RANDOM = os.urandom(BLOCK)
RESET = struct.pack("ii", 1, 0)
_hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (_hard, _hard))

_turn = 0


def ends(d, v, p):
    """For direction @d -> (server's namespace, client's, address, port)."""
    global _turn
    _turn += 1
    port = IN + _turn % NPORTS
    if d == "out":
        return topo.remote, p.guest, REMOTE[v], port
    return p.guest, topo.remote, HOST[v], port


def pair(d, v, p):
    """A connection in direction @d -> (client's socket, server's)."""
    srv, cli, addr, port = ends(d, v, p)
    with listen_in(srv, v, port=port) as l:
        c = connect_in(cli, addr, port)
        s, _ = l.accept()
    s.settimeout(20)
    return c, s


# --- bulk ---

def send_blocks(s, total):
    """@total bytes, each block different -> SHA-256"""
    h, block, n, left = hashlib.sha256(), bytearray(RANDOM), 0, total
    while left:
        struct.pack_into("QQ", block, 0, n, total)
        b = memoryview(block)[:min(left, BLOCK)]
        h.update(b)
        s.sendall(b)
        left -= len(b)
        n += 1
    s.shutdown(socket.SHUT_WR)
    return h.hexdigest()


def recv_blocks(s):
    """-> SHA-256 and number of bytes, to the end"""
    h, buf, total = hashlib.sha256(), bytearray(BLOCK), 0
    view = memoryview(buf)
    while True:
        n = s.recv_into(buf)
        if not n:
            return f"{h.hexdigest()} {total}"
        h.update(view[:n])
        total += n


def transfer(sender, receiver, total):
    """-> (whether it arrived as it was, description)"""
    t = time.monotonic()
    rx = Forked(recv_blocks, receiver)
    tx = Forked(send_blocks, sender, total)
    sender.close()
    receiver.close()
    want = f"{tx.result(240)} {total}"
    got = rx.result(60)
    t = time.monotonic() - t
    return got == want, f"{total * 8 / t / 1e9:.2f} Gb/s, got {got}"


def bulk(mtu):
    with topo.pasta("-m", str(mtu), "-t", f"{IN}-{IN + NPORTS - 1}") as p:
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


# --- the short set ---

def refused(p, v):
    took = []
    for _ in range(3):
        t = time.monotonic()
        try:
            connect_in(p.guest, REMOTE[v], 9, timeout=5).close()
            return ok(False, f"IPv{v}: refused", "was accepted")
        except OSError as e:
            took.append(time.monotonic() - t)
            if e.errno != errno.ECONNREFUSED:
                return ok(False, f"IPv{v}: refused", e)
    ok(min(took) < 0.1, f"IPv{v}: refused at once", took)


def half_close(p, d, v, first):
    """One end has said all it has to say; the other one goes on."""
    c, s = pair(d, v, p)
    a, b = (c, s) if first == "client" else (s, c)
    with c, s:
        a.sendall(b"question")
        a.shutdown(socket.SHUT_WR)
        good = recv_all(b) == b"question"
        time.sleep(0.2)
        t = threading.Thread(target=lambda: (b.sendall(RANDOM),
                                             b.shutdown(socket.SHUT_WR)))
        t.start()
        good &= recv_all(a) == RANDOM
        t.join()
        ok(good, f"IPv{v}, {d}: {first} closes its half first")


def reset(p, d, v, first):
    c, s = pair(d, v, p)
    a, b = (c, s) if first == "client" else (s, c)
    with b:
        a.sendall(b"x")
        good = b.recv(10) == b"x"
        a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        a.close()
        try:
            text = f"received {b.recv(10)}"
        except OSError as e:
            text = os.strerror(e.errno) if e.errno else str(e)
            good &= e.errno == errno.ECONNRESET
        else:
            good = False
        ok(good, f"IPv{v}, {d}: {first} resets", text)


def echo_server(l, close=False):
    """Send back what comes; with @close, one answer per connection."""
    ep = select.epoll()
    l.setblocking(False)
    ep.register(l, select.EPOLLIN)
    conns = {}
    while True:
        for fd, _ in ep.poll():
            if fd == l.fileno():
                try:
                    while True:
                        s, _ = l.accept()
                        s.setblocking(False)
                        conns[s.fileno()] = s
                        ep.register(s, select.EPOLLIN)
                except BlockingIOError:
                    pass
                continue
            s = conns[fd]
            try:
                b = s.recv(1 << 16)
                if b:
                    s.setblocking(True)
                    s.sendall(b)
                    s.setblocking(False)
            except OSError:
                b = b""
            if not b or close:
                del conns[fd]
                s.close()


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


def client_address(p, v):
    srv, cli, addr, port = ends("in", v, p)
    with listen_in(srv, v, port=port) as l, \
            connect_in(cli, addr, port, source=REMOTE[v]) as c:
        s, peer = l.accept()
        with s:
            ok(peer[:2] == c.getsockname()[:2] and peer[0] == REMOTE[v],
               f"IPv{v}, in: the server sees the client's address",
               f"{peer} instead of {c.getsockname()}")


def short_set(p, what):
    note(what)
    for v in 4, 6:
        for d in "out", "in":
            name = f"IPv{v}, {d}: 16 MiB"
            with case(name):
                c, s = pair(d, v, p)
                good, text = transfer(c, s, 16 << 20)
                ok(good, name, text)
            for first in "client", "server":
                with case(f"IPv{v}, {d}: {first} closes its half first"):
                    half_close(p, d, v, first)
                with case(f"IPv{v}, {d}: {first} resets"):
                    reset(p, d, v, first)
        with case(f"IPv{v}: refused at once"):
            refused(p, v)
        with case(f"IPv{v}: client's address"):
            client_address(p, v)


# --- more of everything ---

def worker(cli, addr, port, n, results, i):
    """Send @n bytes and get them back, both at the same time."""
    try:
        data = RANDOM[i:i + n]
        with connect_in(cli, addr, port) as c:
            t = threading.Thread(target=c.sendall, args=(data,))
            t.start()
            results[i] = recv_all(c, n) == data
            t.join()
    except OSError as e:
        results[i] = e


def parallel(p, d, n=200):
    srv, cli, addr, port = ends(d, 4, p)
    results = [None] * n
    with listen_in(srv, 4, port=port) as l:
        f = Forked(echo_server, l)
        try:
            ts = [threading.Thread(target=worker, args=(
                cli, addr, port, 1 << 18, results, i)) for i in range(n)]
            for t in ts:
                t.start()
            for t in ts:
                t.join()
        finally:
            f.kill()
    bad = [r for r in results if r is not True]
    ok(not bad, f"{d}: {n} connections in parallel",
       f"{len(bad)} bad, first: {bad[:1]}")


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


def slow_reader(p, d):
    """Nothing read for two seconds: the daemon waits, does not spin, and
    serves others; then all arrives."""
    c, s = pair(d, 4, p)
    total = 64 << 20
    tx = Forked(send_blocks, c, total)
    c.close()
    time.sleep(0.5)
    used, t = cpu(p.pid), time.monotonic()
    a, b = pair(d, 6, p)
    with a, b:
        a.sendall(b"others?")
        good = b.recv(10) == b"others?"
    time.sleep(1.5)
    used = (cpu(p.pid) - used) / (time.monotonic() - t)
    rx = Forked(recv_blocks, s)
    s.close()
    want = f"{tx.result()} {total}"
    got = rx.result()
    ok(good, f"{d}: slow reader: others are served")
    ok(used < 0.1, f"{d}: slow reader: the daemon waits",
       f"{used:.0%} of a processor")
    ok(got == want, f"{d}: slow reader: all arrives in the end",
       f"{got} instead of {want}")


def gateway(p, v, mapped):
    """The gateway's address is the host's loopback, or the gateway."""
    where = topo.host if mapped else topo.remote
    addr = LOOP[v] if mapped else GW[v]
    name = f"IPv{v}: gateway is {'host loopback' if mapped else 'itself'}"
    with case(name), listen_in(where, v, addr, 7777) as l:
        with connect_in(p.guest, GW[v], 7777, timeout=5) as c:
            l.settimeout(5)
            s, peer = l.accept()
            with s:
                s.sendall(b"hello")
                good = recv_all(c, 5) == b"hello"
            if mapped:
                good &= peer[0] == LOOP[v]
        ok(good, name, f"seen from {peer[0]}")


topo = Topo()
ports = f"{IN}-{IN + NPORTS - 1}"

with case("the short set"), topo.pasta("-t", ports) as p:
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

with case("plain tap"), topo.pasta("-t", ports,
                                   env={"PASTA_TAP_PLAIN": "1"}) as p:
    short_set(p, "plain tap, without virtio header")
    ok(p.proc.poll() is None, "plain tap: daemon lives", p.text())

with case("concurrent connections"), topo.pasta() as p:
    concurrent(p, CONNS)
    ok(p.proc.poll() is None, "many connections: daemon lives", p.text())

for mtu in 1500, 9000, 65520:
    with case(f"MTU {mtu}"):
        bulk(mtu)

done()
