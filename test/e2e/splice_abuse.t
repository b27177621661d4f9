#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""TCP on the loopback bypass when it gets rough: sizes around the edges of
pages, buffers and pipes with every order of closing, resets at bad moments,
ends of data with data on the way, urgent data, readers that sleep, and
descriptors and pipes that run out."""
import errno
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
IN, OUT = 5001, 6001    # forwarded ports, four of each
PORTS = ("-t", f"{IN}-{IN + 3}", "-T", f"{OUT}-{OUT + 3}")
RESET = struct.pack("ii", 1, 0)
EDGES = (4096, 16384, 32768, 65483, 65536, 262144, 1 << 20, 3 << 20)
SIZES = [0, *range(1, 40), *(e + i for e in EDGES for i in (-1, 0, 1))]
DATA = os.urandom(SIZES[-1] + 1000)
_hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (_hard, _hard))
_turn = 0


def ends(d, p):
    """-> server's namespace, client's, port"""
    global _turn
    _turn += 1
    if d == "out":
        return topo.host, p.guest, OUT + _turn % 4
    return p.guest, topo.host, IN + _turn % 4


def pair(d, p, v=4, small=False):
    """-> the client's socket, the server's"""
    srv, cli, port = ends(d, p)
    with listen_in(srv, v, port=port) as l:
        if small:
            l.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        c = connect_in(cli, LOOP[v], port)
        s, _ = l.accept()
    s.settimeout(20)
    return c, s


def both(d, p, first, **kw):
    """A pair, the @first of "client", "server" before the other"""
    c, s = pair(d, p, **kw)
    return (c, s) if first == "client" else (s, c)


def linger(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def drained(s):
    """-> what came until the end, and how it ended: 0 or errno"""
    out = bytearray()
    try:
        while True:
            b = s.recv(1 << 18)
            if not b:
                return bytes(out), 0
            out += b
    except OSError as e:
        return bytes(out), e.errno


def all_drained(socks, idle=60):
    """The same of many, read at the same time. With buffers as small as here a
    kernel may drop what it said it had room for; it is sent again by a timer
    that has doubled as long as nobody read. So the last of many that are read
    one after the other could wait for minutes: nothing of that is ours."""
    out = {s.fileno(): [bytearray(), None] for s in socks}
    left = {s.fileno(): s for s in socks}
    poll = select.poll()
    for s in socks:
        s.setblocking(False)
        poll.register(s, select.POLLIN)
    while left:
        ready = poll.poll(idle * 1000)
        if not ready:
            break               # those that are left have no end
        for fd, _ in ready:
            try:
                b = left[fd].recv(1 << 18)
                e = 0
            except OSError as err:
                b, e = b"", err.errno
            out[fd][0] += b
            if not b:
                out[fd][1] = e
                poll.unregister(fd)
                del left[fd]
    return [(bytes(b), e) for b, e in out.values()]


def fill(s):
    """Send until nothing more is taken -> bytes"""
    n, quiet = 0, 0
    s.setblocking(False)
    while quiet < 15:
        try:
            n += s.send(memoryview(DATA)[n % 1000:])
            quiet = 0
        except BlockingIOError:
            quiet += 1
            time.sleep(0.01)
    s.settimeout(20)
    return n


# --- sizes and ends ---

def close_at_once(a, b, data):
    a.sendall(data)
    a.close()
    return drained(b) == (data, 0)


def peer_first(a, b, data):
    """The receiver has said that it will not talk, and waits"""
    b.shutdown(socket.SHUT_WR)
    t = threading.Thread(target=lambda: a.sendall(data) or a.close())
    t.start()
    good = drained(b) == (data, 0)
    t.join()
    return good


def answered(a, b, data):
    """Data, its end, and the same back"""
    t = threading.Thread(
        target=lambda: a.sendall(data) or a.shutdown(socket.SHUT_WR))
    t.start()
    got, e = drained(b)
    t.join()
    t = threading.Thread(target=lambda: b.sendall(got) or b.close())
    t.start()
    good = drained(a) == (data, 0)
    t.join()
    return good and not e


def sizes(p, d):
    for order in close_at_once, peer_first, answered:
        for first in "client", "server":
            name = f"{d}: {len(SIZES)} sizes, the {first} sends: " \
                   f"{order.__name__}"
            with case(name):
                bad = []
                for n in SIZES:
                    a, b = both(d, p, first)
                    if order is close_at_once and n > 2 << 20:
                        a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF,
                                     4 << 20)
                    with a, b:
                        if not order(a, b, DATA[-n:] if n else b""):
                            bad.append(n)
                ok(not bad, name, bad)


def end_behind_data(p, d):
    """The end of data waits with the data; the other way goes on."""
    for first in "client", "server":
        name = f"{d}: the {first}'s end behind data that nobody reads yet"
        with case(name):
            a, b = both(d, p, first, small=True)
            n = fill(a)
            a.shutdown(socket.SHUT_WR)
            good = True
            for i in range(20):
                b.send(bytes([i]))
                good &= a.recv(1) == bytes([i])
            ok(good and n > 1 << 17, f"{name}: answers", n)
            got, e = drained(b)
            ok(len(got) == n and not e, name, f"{len(got)} of {n}, {e}")
            t = threading.Thread(target=lambda: b.sendall(DATA) or b.close())
            t.start()
            ok(drained(a) == (DATA, 0), f"{name}: then the other way")
            t.join()
            a.close()


# --- resets ---

def resets(p, d):
    for first in "client", "server":
        name = f"{d}: the {first} resets"
        with case(f"{name} behind data"):
            a, b = both(d, p, first)
            a.sendall(DATA[:20000])
            linger(a)
            a.close()
            got = drained(b)
            ok(got == (DATA[:20000], errno.ECONNRESET),
               f"{name} behind data: that arrives",
               f"{len(got[0])} {got[1]}")
            b.close()
        with case(f"{name}: unread"):
            a, b = both(d, p, first)
            b.sendall(b"never read")
            select.select([a], [], [], 5)
            a.sendall(b"answer")
            a.close()                   # unread data makes it a reset
            ok(drained(b) == (b"answer", errno.ECONNRESET),
               f"{name} by closing without having read")
            b.close()
        with case(f"{name}: end"):
            before = len(os.listdir(f"/proc/{p.pid}/fd"))
            a, b = both(d, p, first)
            a.shutdown(socket.SHUT_WR)
            linger(a)
            a.close()
            poll = select.poll()
            poll.register(b, select.POLLERR)
            ok(poll.poll(3000) and b.getsockopt(
                socket.SOL_SOCKET, socket.SO_ERROR) == errno.EPIPE,
               f"{name} right behind its end of data")
            b.close()
            wait_for("descriptors", lambda: len(os.listdir(
                f"/proc/{p.pid}/fd")) <= before + 32)
        with case(f"{name}: full"):
            a, b = both(d, p, first, small=True)
            n = fill(a)
            linger(a)
            a.close()
            poll = select.poll()
            poll.register(b, select.POLLERR)
            good = poll.poll(3000)
            got, e = drained(b)
            ok(good and e == errno.ECONNRESET and 0 < len(got) < n,
               f"{name} while the other does not read: told at once",
               f"{good} {len(got)} of {n}, {e}")
            b.close()


def urgent(p, d):
    for first in "client", "server":
        name = f"{d}: urgent data of the {first}"
        with case(name):
            a, b = both(d, p, first)
            a.sendall(b"before")
            a.send(b"!", socket.MSG_OOB)
            a.sendall(b"after")
            poll = select.poll()
            poll.register(b, select.POLLPRI)
            good = poll.poll(3000)
            ok(good and recv_all(b, 6) == b"before" and
               b.recv(1, socket.MSG_OOB) == b"!" and
               recv_all(b, 5) == b"after", name)
            a.sendall(DATA)
            a.send(b"!", socket.MSG_OOB)
            t = threading.Thread(target=lambda: a.sendall(DATA) or a.close())
            t.start()
            got = drained(b)
            t.join()
            ok(got == (DATA + DATA, 0), f"{name}: amid bulk, and the end",
               f"{len(got[0])} {got[1]}")
            b.close()


# --- many that wait ---

def send_all(conns, total, piece):
    """The same to all, whoever takes it -> nothing"""
    data = memoryview(DATA)
    left = {c.fileno(): (c, total) for c in conns}
    poll = select.poll()
    for c in conns:
        c.setblocking(False)
        poll.register(c, select.POLLOUT)
    while left:
        for fd, _ in poll.poll():
            c, n = left[fd]
            try:
                n -= c.send(data[total - n:total - n + min(n, piece)])
            except BlockingIOError:
                continue
            left[fd] = c, n
            if not n:
                poll.unregister(fd)
                c.shutdown(socket.SHUT_WR)
                del left[fd]


def asleep(p, d, n, size, name, piece=1 << 20, others=True):
    """@n readers sleep while all is under way to them, then read."""
    srv, cli, port = ends(d, p)
    with case(name):
        with listen_in(srv, 4, port=port) as l:
            l.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            cs = [connect_in(cli, LOOP[4], port) for _ in range(n)]
            ss = [l.accept()[0] for _ in range(n)]
        for c in cs:
            c.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        tx = Forked(send_all, cs, size, piece)
        time.sleep(1)
        used = cpu(p.pid)
        time.sleep(1)
        used = cpu(p.pid) - used
        ok(used < 0.1, f"{name}: meanwhile the daemon sleeps", used)
        if others:
            c, s = pair(d, p)
            with c, s:
                c.sendall(DATA[:100000])
                ok(recv_all(s, 100000) == DATA[:100000],
                   f"{name}: another one is served")
        bad = [(len(b), e) for b, e in all_drained(ss)
               if (b, e) != (DATA[:size], 0)]
        for s in ss:
            s.close()
        tx.result()
        ok(not bad, f"{name}: all arrives", f"{len(bad)}: {bad[:5]}")
        for c in cs:
            c.close()


def few_descriptors(limit=64, clients=200):
    wrap = tmp("few")
    with open(wrap, "w") as f:
        f.write(f'#!/bin/sh\nulimit -n {limit}\nexec {topo.program} "$@"\n')
    os.chmod(wrap, 0o755)
    program, topo.program = topo.program, wrap
    try:
        with topo.pasta(*PORTS) as p:
            for d in "in", "out", "in":
                shortage(p, d, limit, clients)
            asleep(p, "out", 18, 3 << 20, "no descriptor left for pipes",
                   others=False)
            ok(p.proc.poll() is None, "daemon lives", p.text())
    finally:
        topo.program = program


def shortage(p, d, limit, clients):
    name = f"{limit} descriptors, {clients} clients, {d}"
    srv, cli, port = ends(d, p)
    # Something in store for the other way, which must not be in the way
    for c in pair("in" if d == "out" else "out", p):
        c.close()
    with case(name):
        time.sleep(0.1)
        cs, early = [], 0
        with listen_in(srv, 4, port=port) as l:
            for _ in range(clients):
                try:
                    cs.append(connect_in(cli, LOOP[4], port, timeout=10))
                except ConnectionResetError:
                    early += 1          # still within connect()
            l.settimeout(0.5)
            ss = []
            try:
                while True:
                    ss.append(l.accept()[0])
            except TimeoutError:
                pass
        taken = len(os.listdir(f"/proc/{p.pid}/fd"))
        base = taken - 2 * len(ss)
        ok(base + 2 * len(ss) >= limit - 4 and base < limit // 2,
           f"{name}: all descriptors are used", f"{len(ss)} served, {taken}")
        used = cpu(p.pid)
        time.sleep(1)
        used = cpu(p.pid) - used
        ok(used < 0.05, f"{name}: no spinning", used)
        for s in ss:
            s.sendall(b"served")
            s.close()
        got = [drained(c) for c in cs]
        ok(got.count((b"served", 0)) == len(ss) and
           got.count((b"", errno.ECONNRESET)) == clients - len(ss) - early,
           f"{name}: served or reset, nobody is left waiting", set(got))
        for c in cs:
            c.close()
        time.sleep(0.1)
        bad = 0
        for _ in range(100):
            for d2 in "in", "out":
                c, s = pair(d2, p)
                with c, s:
                    c.sendall(b"again")
                    bad += s.recv(5) != b"again"
        ok(not bad, f"{name}: then all is well again", bad)


topo = Topo()
with topo.pasta(*PORTS) as p:
    for d in "in", "out":
        sizes(p, d)
        end_behind_data(p, d)
        resets(p, d)
        urgent(p, d)
    # Each waits in a pipe, and the user may have 64 of that size. So that it
    # does not wait in the sockets instead:
    for n in topo.host, p.guest:
        run(*enter(n, "sh", "-c", """cd /proc/sys/net/ipv4
            echo 4096 16384 65536 >tcp_wmem
            echo 4096 65536 131072 >tcp_rmem
            if [ -e tcp_rto_max_ms ]; then echo 1000 >tcp_rto_max_ms; fi"""))
    for piece in 3000, 1 << 20:
        asleep(p, "in", 100, 2 << 20, "more waiting than pipes to be had, "
               f"{piece} bytes at once", piece)
    ok(p.proc.poll() is None, "daemon lives", p.text())
    note(p.text())
few_descriptors()
done()
