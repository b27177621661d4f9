#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""TCP on the loopback bypass under load: a transfer while signals interrupt
the daemon a thousand times a second, thousands of short connections, and how
long somebody waits who writes twice and then reads.

E2E_BYTES: size of the transfer (default 1 GiB), half of it each way, at once
E2E_CONNS: number of short connections (default 20,000)
E2E_SOAK: set it ("make soak") to transfer all bytes each way, out and in, 10 GiB
if not said otherwise, and to be strict about the latency: the machine must have
nothing else to do
"""
import os
import signal
import socket
import sys
import time

sys.dont_write_bytecode = True
from lib import *       # noqa: E402

need_root()
SOAK = bool(os.environ.get("E2E_SOAK"))
BYTES = int(os.environ.get("E2E_BYTES") or (10 << 30 if SOAK else 1 << 30))
CONNS = int(os.environ.get("E2E_CONNS") or 20000)
IN, OUT = 5001, 6001
PORTS = ("-t", f"{IN}", "-T", f"{OUT}")
PERIOD = 4_000_037      # of the pattern: not a multiple of anything
BLOCK = 1 << 20
WORKERS = 4


def ends(d, p):
    """-> server's namespace, client's, port"""
    return (topo.host, p.guest, OUT) if d == "out" else \
        (p.guest, topo.host, IN)


def pair(d, p):
    srv, cli, port = ends(d, p)
    with listen_in(srv, 4, port=port) as l:
        c = connect_in(cli, LOOP[4], port)
        s, _ = l.accept()
    s.settimeout(60)
    c.settimeout(60)
    return c, s


# --- the transfer ---

def pattern(seed):
    """One period, and a block more, so that any piece is in one piece"""
    rnd = seed.to_bytes(4, "big") + RANDOM[4:]
    return memoryview(rnd + rnd[:BLOCK])


def send_pattern(s, total, seed):
    data, n = pattern(seed), 0
    while n < total:
        at = n % PERIOD
        n += s.send(data[at:at + min(BLOCK, total - n)])
    s.shutdown(socket.SHUT_WR)


def check_pattern(s, total, seed):
    """Compare to the end; -> "" or what was wrong first"""
    data, n, buf, wrong = pattern(seed), 0, bytearray(BLOCK), ""
    view = memoryview(buf)
    while True:
        k = s.recv_into(buf)
        if not k:
            return wrong or ("" if n == total else f"{n} of {total} bytes")
        at = n % PERIOD
        if view[:k] != data[at:at + k]:
            wrong = wrong or f"damaged within {k} bytes from {n}"
        n += k


def interrupt(pid):
    """A thousand signals a second, to the end -> nothing. Most are ignored;
    to be stopped and continued really interrupts what waits in the kernel"""
    kinds = [(signal.SIGSTOP, signal.SIGCONT), (signal.SIGURG,),
             (signal.SIGWINCH,), (signal.SIGCHLD,)]
    start, n = time.monotonic(), 0
    while True:
        for sig in kinds[n % len(kinds)]:
            os.kill(pid, sig)
        n += 1
        left = start + n / 1000 - time.monotonic()
        if left > 0:
            time.sleep(left)
        elif left < -1:
            start -= left               # too busy a machine: no burst


def interrupted(p, d, total):
    name = f"{d}: {total >> 20} MiB each way, 1,000 signals a second"
    with case(name):
        c, s = pair(d, p)
        t = time.monotonic()
        sig = Forked(interrupt, p.pid)
        try:
            rx = [Forked(check_pattern, x, total, i)
                  for i, x in enumerate((s, c))]
            tx = [Forked(send_pattern, x, total, i)
                  for i, x in enumerate((c, s))]
            c.close()
            s.close()
            for x in tx:
                x.result(3600)
            wrong = [x.result(3600) for x in rx]
            t = time.monotonic() - t
            ok(not any(wrong) and not sig.ended(), name, wrong)
            note(f"{t:.1f} s, {2 * total * 8 / t / 1e9:.1f} Gb/s")
        finally:
            sig.kill()
            os.kill(p.pid, signal.SIGCONT)


# --- short connections ---

def oneshot(l):
    """Answer what was asked and close; until killed"""
    while True:
        s, _ = l.accept()
        with s:
            s.sendall(s.recv(100)[::-1])


def clients(cli, port, n, no):
    """-> number of those that went wrong, and the first reason"""
    bad, why = 0, ""
    for i in range(n):
        ask = b"%d %d" % (no, i)
        try:
            with connect_in(cli, LOOP[4], port) as c:
                c.sendall(ask)
                got = recv_all(c)
                if got != ask[::-1]:
                    raise ValueError(f"{got} for {ask}")
        except (OSError, ValueError) as e:
            bad += 1
            why = why or repr(e)
    return f"{bad} {why}" if bad else ""


def short(p, d, n):
    name = f"{d}: {n} short connections, {WORKERS} at a time"
    with case(name):
        srv, cli, port = ends(d, p)
        t = time.monotonic()
        with listen_in(srv, 4, port=port) as l:
            l.settimeout(None)
            servers = [Forked(oneshot, l) for _ in range(2)]
        loads = [Forked(clients, cli, port, n // WORKERS, i)
                 for i in range(WORKERS)]
        try:
            bad = [b for b in (x.result(250) for x in loads) if b]
            t = time.monotonic() - t
            ok(not bad and not any(x.ended() for x in servers),
               f"{name}: no error", bad)
            note(f"{t:.1f} s, {n / t:.0f} a second")
        finally:
            for x in servers:
                x.kill()
        fds = len(os.listdir(f"/proc/{p.pid}/fd"))
        ok(fds < 200, f"{name}: nothing is left", fds)


# --- latency ---

def two_for_one(s):
    while True:
        b = recv_all(s, 2)
        if len(b) < 2:
            return
        s.sendall(b[1:])


def p99(srv, cli, port, sport, nodelay, n=1000):
    """of write, write, read; in seconds"""
    with listen_in(srv, 4, port=sport) as l:
        c = connect_in(cli, LOOP[4], port)
        s, _ = l.accept()
    s.settimeout(20)
    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, nodelay)
    f = Forked(two_for_one, s)
    s.close()
    took, end = [], time.monotonic() + 2
    while len(took) < n and time.monotonic() < end:
        t = time.perf_counter()
        c.send(b"a")
        c.send(b"b")
        if c.recv(1) != b"b":
            raise ValueError("wrong answer")
        took.append(time.perf_counter() - t)
    c.shutdown(socket.SHUT_WR)          # the server has a copy of it
    f.result()
    c.close()
    return sorted(took)[int(len(took) * 0.99)]


def latency(p, d):
    """The best of some rounds; a machine that has other work too is believed
    that it is not us, within limits: what this is after takes 40 ms"""
    for nodelay in 1, 0:
        name = f"{d}: write, write, read: p99 below 1 ms" + \
               ", with Nagle's algorithm" * (not nodelay)
        with case(name):
            srv, cli, port = ends(d, p)
            best, good = 1, False
            for _ in range(3 if SOAK else 8):
                direct = p99(topo.host, topo.host, 7777, 7777, 1)
                best = min(best, p99(srv, cli, port, port, nodelay))
                good = best < 0.001
                if good:
                    break
                time.sleep(0.2)
            ok(good or (not SOAK and busy() and best < 0.005), name, f"{best * 1e6:.0f} us; {direct * 1e6:.0f} direct")
            note(f"{best * 1e6:.0f} us; without us {direct * 1e6:.0f}")


RANDOM = os.urandom(PERIOD)
topo = Topo()
with topo.pasta(*PORTS) as p:
    for d in "in", "out":
        latency(p, d)
    for d in "in", "out":
        short(p, d, CONNS // 2)
    for d in ("out", "in") if SOAK else ("in",):
        interrupted(p, d, BYTES if SOAK else BYTES // 2)
    ok(p.proc.poll() is None, "daemon lives", p.text())
    note(p.text())
done()
