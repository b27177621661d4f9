#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""TCP on the loopback bypass: -T from the namespace to the host, -t from the
host's loopback into the namespace.

E2E_SPLICE_BYTES: amount of one bulk transfer (default 100 MB)
"""
import errno
import glob
import hashlib
import os
import resource
import socket
import struct
import sys
import time

sys.dont_write_bytecode = True
from lib import *       # noqa: E402

need_root()
BYTES = int(os.environ.get("E2E_SPLICE_BYTES") or 100_000_000)
IN, OUT = 5001, 6001    # forwarded ports, four of each; the last not served
PORTS = ("-t", f"{IN}-{IN + 3}", "-T", f"{OUT}-{OUT + 3}")
RESET = struct.pack("ii", 1, 0)
_hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (_hard, _hard))

WAYS = [(d, v) for d in ("out", "in") for v in (4, 6)]
_turn = 0


def ends(d, p):
    """-> server's namespace, client's, port"""
    global _turn
    _turn += 1
    if d == "out":
        return topo.host, p.guest, OUT + _turn % 3
    return p.guest, topo.host, IN + _turn % 3


def pair(d, v, p, addr=None):
    """-> the client's socket, the server's"""
    srv, cli, port = ends(d, p)
    with listen_in(srv, v, port=port) as l:
        c = connect_in(cli, addr or LOOP[v], port)
        s, _ = l.accept()
    s.settimeout(20)
    return c, s


def hashed_send(s, total, seed):
    """Blocks that all differ, of odd size, to the end of data."""
    h, n = hashlib.sha256(), 0
    rnd = hashlib.shake_128(seed.encode()).digest(1_000_003)
    while n < total:
        b = struct.pack("Q", n) + rnd[8:8 + min(len(rnd), total - n)]
        b = b[:total - n]
        h.update(b)
        s.sendall(b)
        n += len(b)
    s.shutdown(socket.SHUT_WR)
    return f"{h.hexdigest()} {n}"


def hashed_recv(s):
    h, n, buf = hashlib.sha256(), 0, bytearray(1 << 20)
    while True:
        k = s.recv_into(buf)
        if not k:
            return f"{h.hexdigest()} {n}"
        h.update(memoryview(buf)[:k])
        n += k


def bulk(p, d, v):
    """Both directions of one connection at once."""
    name = f"{d} IPv{v}: {BYTES // 1_000_000} MB each way arrive as they were"
    with case(name):
        c, s = pair(d, v, p)
        t = time.monotonic()
        rx = [Forked(hashed_recv, x) for x in (s, c)]
        tx = [Forked(hashed_send, x, BYTES, str(i))
              for i, x in enumerate((c, s))]
        c.close()
        s.close()
        sent = [x.result() for x in tx]
        got = [x.result() for x in rx]
        t = time.monotonic() - t
        ok(sent == got, name, f"{sent} {got}")
        note(f"{2 * BYTES * 8 / t / 1e9:.1f} Gb/s")


def is_reset(f):
    try:
        f()
    except ConnectionError:
        return True
    return False


def half_close(p, d, v):
    for first in "client", "server":
        with case(f"{d} IPv{v}: half-close by the {first}"):
            c, s = pair(d, v, p)
            a, b = (c, s) if first == "client" else (s, c)
            a.sendall(b"request")
            a.shutdown(socket.SHUT_WR)
            good = recv_all(b) == b"request"
            big = os.urandom(3_000_000)
            tx = Forked(lambda: b.sendall(big) or b.close())
            b.close()
            good = recv_all(a) == big and good
            tx.result()
            a.close()
            ok(good, f"{d} IPv{v}: half-close by the {first}")


def resets(p, d, v):
    for who in "client", "server":
        name = f"{d} IPv{v}: reset by the {who}"
        with case(name):
            c, s = pair(d, v, p)
            a, b = (c, s) if who == "client" else (s, c)
            a.sendall(b"x")
            good = b.recv(1) == b"x"
            a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            a.close()
            ok(is_reset(lambda: b.recv(1)) and good, name)
            b.close()

        name = f"{d} IPv{v}: reset by the {who} after its end of data"
        with case(name):
            c, s = pair(d, v, p)
            a, b = (c, s) if who == "client" else (s, c)
            a.shutdown(socket.SHUT_WR)
            good = b.recv(1) == b""
            a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            a.close()

            def write():
                for _ in range(100):
                    b.send(b"y")
                    time.sleep(0.01)
            ok(is_reset(write) and good, name)
            b.close()


def refused(p, d, v):
    name = f"{d} IPv{v}: nobody listens: reset"
    with case(name):
        cli, port = (p.guest, OUT + 3) if d == "out" else (topo.host, IN + 3)
        n = 0
        for _ in range(3):
            t = time.monotonic()
            n += is_reset(lambda: recv_all(connect_in(cli, LOOP[v], port)))
            n -= time.monotonic() - t > 1
        ok(n == 3, name, n)


def blocked(p, d, v):
    """A receiver that does not read stops the sender, costs nothing, and
    holds up nobody else."""
    name = f"{d} IPv{v}: a full receiver"
    with case(name):
        c, s = pair(d, v, p)
        h, sent = hashlib.sha256(), 0
        c.setblocking(False)
        quiet = 0
        while quiet < 20:
            b = os.urandom(100_001)
            try:
                n = c.send(b)
                h.update(b[:n])
                sent += n
                quiet = 0
            except BlockingIOError:
                quiet += 1
                time.sleep(0.01)
        ok(sent < 100 << 20, f"{name}: sender stops", sent)
        used = cpu(p.pid)
        time.sleep(0.5)
        used = cpu(p.pid) - used
        ok(used < 0.02, f"{name}: daemon sleeps", used)
        c2, s2 = pair(d, v, p)
        c2.sendall(b"hello")
        ok(s2.recv(5) == b"hello", f"{name}: others go on")
        c2.close()
        s2.close()
        rx = Forked(hashed_recv, s)
        c.setblocking(True)
        c.sendall(b"end")
        h.update(b"end")
        c.shutdown(socket.SHUT_WR)      # close() is not it: rx has a copy
        got = rx.result()
        c.close()
        ok(got == f"{h.hexdigest()} {sent + 3}", f"{name}: all arrives", got)
        s.close()


def small_to_full(p, d):
    """Single bytes to a full receiver: what the copying way leaves over."""
    name = f"{d}: small writes to a full receiver"
    with case(name):
        c, s = pair(d, 4, p)
        c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        c.setblocking(False)
        out, quiet = bytearray(), 0
        while quiet < 20 and len(out) < 64 << 20:
            b = os.urandom(700 + len(out) % 1001)
            try:
                n = c.send(b)
                out += b[:n]
                quiet = 0
            except BlockingIOError:
                quiet += 1
                time.sleep(0.01)
        c.setblocking(True)
        c.shutdown(socket.SHUT_WR)
        ok(recv_all(s) == out, name, len(out))
        c.close()
        s.close()


def sources(p):
    for v in 4, 6:
        with case(f"in IPv{v}: source"):
            c, s = pair("in", v, p)
            ok(s.getpeername()[0] == HOST[v] == s.getsockname()[0],
               f"in IPv{v}: the server sees the namespace's own address",
               s.getpeername())
            c.close()
            s.close()
        with case(f"out IPv{v}: source"):
            c, s = pair("out", v, p)
            ok(s.getpeername()[0] == LOOP[v] == s.getsockname()[0],
               f"out IPv{v}: the server sees loopback", s.getpeername())
            c.close()
            s.close()
    with case("out: 127.0.0.5"):
        c, s = pair("out", 4, p, "127.0.0.5")
        ok(s.getsockname()[0] == "127.0.0.5",
           "out: the very address of 127/8 is kept", s.getsockname())
        c.close()
        s.close()
    with case("in: from outside"):
        with listen_in(p.guest, 4, port=IN) as l:
            c = connect_in(topo.remote, HOST[4], IN)
            s, a = l.accept()
        ok(a[0] == REMOTE[4], "in: clients from outside come through the tap",
           a)
        c.close()
        s.close()


def sources_options():
    with topo.pasta(*PORTS, "--host-lo-to-ns-lo") as p:
        for v in 4, 6:
            with case(f"lo-to-lo IPv{v}"):
                c, s = pair("in", v, p)
                ok(s.getpeername()[0] == LOOP[v] == s.getsockname()[0],
                   f"--host-lo-to-ns-lo: loopback inside, IPv{v}",
                   s.getpeername())
                c.close()
                s.close()
    with topo.pasta(*PORTS, "--no-splice") as p:
        with case("no-splice"):
            c, s = pair("in", 4, p)
            ok(s.getpeername()[0] == GW[4],
               "--no-splice: through the tap, from the gateway",
               s.getpeername())
            c.close()
            s.close()
            c, s = pair("out", 4, p)
            ok(s.getpeername()[0] == LOOP[4], "--no-splice: -T still works")
            c.close()
            s.close()


def fds(p):
    return len(os.listdir(f"/proc/{p.pid}/fd"))


def many(p, d, v, n):
    """@n connections at once, each in use -> descriptors meanwhile"""
    srv, cli, port = ends(d, p)
    with listen_in(srv, v, port=port) as l:
        cs = [connect_in(cli, LOOP[v], port) for _ in range(n)]
        ss = [l.accept()[0] for _ in range(n)]
    for s in ss:
        s.settimeout(20)
    for i, c in enumerate(cs):
        c.sendall(struct.pack("I", i))
    got = []
    for s in ss:
        b = recv_all(s, 4)
        got.append(struct.unpack("I", b)[0])
        s.sendall(b * 50_000)
        s.close()
    good = sorted(got) == list(range(n))
    for i, c in enumerate(cs):
        good = recv_all(c) == struct.pack("I", i) * 50_000 and good
    at_work = fds(p)
    for c in cs:
        c.close()
    return good, at_work


def parallel(p):
    for d, v in WAYS:
        with case(f"{d} IPv{v}: parallel"):
            good, _ = many(p, d, v, 200)
            ok(good, f"{d} IPv{v}: 200 connections at once")
    # By now the stores of sockets and pipes are full
    wait_for("end of connections", lambda: fds(p) < 250)
    before, now = None, fds(p)
    while now != before:                # others may be closing still
        before = now
        time.sleep(0.2)
        now = fds(p)
    for d, v in WAYS * 2:
        with case("again"):
            good, n = many(p, d, v, 100)
            ok(good and n >= before + 50, f"{d} IPv{v}: 100 more",
               f"{n} descriptors, {before} before")
    try:
        wait_for("end", lambda: fds(p) <= before + 64)
        time.sleep(0.2)
        good = fds(p) <= before + 64
    except RuntimeError:
        good = False
    ok(good, "no descriptor is left behind", f"{before} -> {fds(p)}")


def exhausted():
    name = "out of descriptors"
    wrap = tmp("few")
    with open(wrap, "w") as f:
        f.write(f'#!/bin/sh\nulimit -n 100\nexec {topo.program} "$@"\n')
    os.chmod(wrap, 0o755)
    program, topo.program = topo.program, wrap
    with case(name), topo.pasta(*PORTS) as p:
        c0, s0 = pair("in", 4, p)
        cs, ls = [], []
        for d in "in", "out":
            srv, cli, port = ends(d, p)
            ls.append(listen_in(srv, 4, port=port))
            for _ in range(100):
                c = socket_in(cli)
                c.settimeout(5)
                cs.append(c)
                try:
                    c.connect((LOOP[4], port))
                    c.send(b"x")
                except ConnectionError:
                    pass
        time.sleep(0.3)
        dead = 0
        for c in cs:
            c.setblocking(False)
            try:
                dead += c.recv(1) == b""
            except BlockingIOError:
                pass
            except ConnectionError:
                dead += 1
        ok(100 < dead < 200, f"{name}: refused by reset", dead)
        c0.sendall(b"still")
        ok(s0.recv(5) == b"still", f"{name}: what is there goes on")
        used = cpu(p.pid)
        time.sleep(0.3)
        used = cpu(p.pid) - used
        ok(used < 0.05, f"{name}: no spinning", used)
        for x in cs + ls + [c0, s0]:
            x.close()
        time.sleep(0.3)
        for d, v in WAYS:
            c, s = pair(d, v, p)
            c.sendall(b"x")
            ok(s.recv(1) == b"x", f"{name}, over: {d} IPv{v} works")
            c.close()
            s.close()
    topo.program = program


def capable(p):
    """Threads and what each has left; None if there are no threads"""
    tasks = glob.glob(f"/proc/{p.pid}/task/*/status")
    bad = []
    for f in tasks:
        # Inside, for ports below 1024: CAP_NET_BIND_SERVICE
        may = 0 if f"/task/{p.pid}/" in f else 0x400
        bad += [(f, t) for t in read(f).splitlines()
                if t.startswith(("CapEff", "CapPrm")) and
                int(t.split()[1], 16) & ~may or
                t.startswith(("CapInh", "CapAmb")) and int(t.split()[1], 16)
                or t == "NoNewPrivs:\t0"]
    return bad if tasks else None


def privileges(p):
    # The command runs while the daemon still gives up its rights
    end = time.monotonic() + 10
    while capable(p) and time.monotonic() < end:
        time.sleep(0.01)
    bad = capable(p)
    ok(bad == [], "no thread has a capability over the host", bad)
    host, home = (os.readlink(f"/proc/{n}/ns/net") for n in
                  (topo.host, p.pid))
    ok(host == home, "the daemon itself is in the host's namespace")


def taken():
    name = "-T: port taken in the namespace"
    with case(name):
        n = topo.user_ns()
        with listen_in(n.pid, 6, port=OUT):
            r = topo.run_pasta("-f", "-t", "none", "-T", str(OUT), str(n.pid))
        ok(r.returncode == 1 and "namespace" in r.stderr and
           str(OUT) in r.stderr, name, f"{r.returncode} {r.stderr}")
        stop(n)


def leaves():
    """Our thread inside must not keep the namespace of others alive."""
    name = "the end: nothing stays in the namespace"
    with case(name):
        p = topo.pasta(*PORTS)
        c, s = pair("in", 4, p)
        pid = p.pid
        t = time.monotonic()
        p.stop()
        t = time.monotonic() - t
        ok(not alive(pid) and t < 1, name, t)
        ok(is_reset(lambda: [c.send(b"x") and time.sleep(0.05)
                             for _ in range(20)]),
           "the end: connections end")
        c.close()
        s.close()


def goes_round():
    """A port forwarded both ways would feed itself until nothing is left."""
    name = "a port forwarded both ways"
    with case(name), topo.pasta("-t", "5060", "-T", "5060",
                                "--host-lo-to-ns-lo") as p:
        t = time.monotonic()
        ok(is_reset(lambda: recv_all(connect_in(topo.host, LOOP[4], 5060))),
           f"{name}: reset")
        ok(time.monotonic() - t < 0.3, f"{name}: at once")


topo = Topo()
with topo.pasta(*PORTS) as p:
    privileges(p)
    sources(p)
    for d, v in WAYS:
        refused(p, d, v)
        half_close(p, d, v)
        resets(p, d, v)
        blocked(p, d, v)
        bulk(p, d, v)
    for d in "out", "in":
        small_to_full(p, d)
    parallel(p)
    ok(p.proc.poll() is None, "daemon lives", p.text())
sources_options()
exhausted()
taken()
leaves()
goes_round()
done()
