# SPDX-License-Identifier: GPL-2.0-or-later
"""Cases of TCP for any guest, whichever way its frames take.

@p is a daemon: .guest is a pid in the guest's namespace, .topo the rest; @d
the direction, "out" from the guest or "in" through a forwarded port (those
are IN and the NPORTS - 1 after it); @v the IP version.
"""
import errno
import hashlib
import os
import select
import socket
import struct
import threading
import time

from lib import *       # noqa: F401, F403

IN = 5001               # forwarded ports, and how many
NPORTS = 8
PORTS = f"{IN}-{IN + NPORTS - 1}"
BLOCK = 1 << 20
RANDOM = os.urandom(BLOCK)
RESET = struct.pack("ii", 1, 0)

_turn = 0


def ends(d, v, p):
    """For direction @d -> (server's namespace, client's, address, port)."""
    global _turn
    _turn += 1
    port = IN + _turn % NPORTS
    if d == "out":
        return p.topo.remote, p.guest, REMOTE[v], port
    return p.guest, p.topo.remote, HOST[v], port


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


def last_words(p, d, v, first):
    """One end answers and closes without having read all, which resets: the
    answer comes first. Many times, as that is a race."""
    bad = []
    for n in range(30):
        c, s = pair(d, v, p)
        a, b = (c, s) if first == "client" else (s, c)
        with b:
            b.sendall(b"a long request")
            select.select([a], [], [], 10)
            a.sendall(RANDOM[:1000 + n])
            a.close()
            got, end = b"", "an end"
            # The reset is told to whoever comes first, sender or receiver
            try:
                b.sendall(b"go on")
            except OSError as e:
                end = errno.errorcode[e.errno]
            try:
                while x := b.recv(4096):
                    got += x
            except OSError as e:
                end = errno.errorcode[e.errno]
            if got != RANDOM[:1000 + n] or end not in ("ECONNRESET", "EPIPE"):
                bad.append((len(got), end))
    ok(not bad, f"IPv{v}, {d}: what the {first} said before a reset arrives",
       bad)


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
                with case(f"IPv{v}, {d}: {first} answers and resets"):
                    last_words(p, d, v, first)
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
    where = p.topo.host if mapped else p.topo.remote
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
