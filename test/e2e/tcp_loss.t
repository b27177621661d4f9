#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""TCP where frames are lost, paths are long and receivers are slow.

The guest's link is test/bench/wire.c between a namespace and passt's socket; the
path outside is the same between host and remote, for long ones. Rates are
compared with others of the same run, over some rounds if need be, as whoever
else uses the machine is in them as well.

E2E_BYTES: limits the amount of one transfer
E2E_LONG: if set, the full amounts, which takes minutes (make check-long)
"""
import os
import random
import socket
import sys
import threading
import time

sys.dont_write_bytecode = True
from lib import *       # noqa: E402
from tcp_cases import * # noqa: E402
import wire             # noqa: E402
from wire import same   # noqa: E402

need_root()
LONG = bool(os.environ.get("E2E_LONG"))
BYTES = min(50 << 20, int(os.environ.get("E2E_BYTES") or 1 << 30))
CLEAN = "-l", 0, "-u", 0, "-r", 0
BAD = "-l", 10, "-u", 10, "-r", 10
HDR = {4: 54, 6: 74}    # of a segment without options


def sysctl(pid, name, value):
    return not run(*enter(pid, "sh", "-c",
                          f"echo {value} >/proc/sys/net/{name}"),
                   check=False).returncode


def timed(sender, receiver, total):
    """-> seconds; what arrives is what was sent, or it is an error."""
    t = time.monotonic()
    good, text = transfer(sender, receiver, total)
    if not good:
        raise RuntimeError(text)
    return time.monotonic() - t


def mbit(total, seconds):
    return f"{total * 8 / seconds / 1e6:.0f} Mb/s"


# --- losses on the guest's link ---

def goodput(p, g, mtu, d, v):
    """Half of what it is without losses."""
    name = f"MTU {mtu}, IPv{v}, {d}: half the goodput with 1 % lost"
    clean, bad = [], []
    with case(name):
        while len(bad) < 8:
            g.wire.set(*CLEAN)
            clean.append(timed(*pair(d, v, p), BYTES))
            g.wire.set(*BAD)
            bad.append(timed(*pair(d, v, p), BYTES))
            usual = sum(clean) / len(clean)
            if min(bad) <= 2 * usual:
                break
        figures = f"{mbit(BYTES, min(bad))}, else {mbit(BYTES, usual)}"
        note(f"MTU {mtu}, IPv{v}, {d}: {figures}, {len(bad)} rounds")
        ok(min(bad) <= 2 * usual, name, figures)


def sent_again(p, g, mtu, d, v):
    """Little more is sent again than was lost; data, not frames."""
    name = f"MTU {mtu}, IPv{v}, {d}: only what was lost is sent again"
    with case(name):
        way = 1 if d == "in" else 0
        g.wire.set("-l", 10, "-u", 0, "-r", 0)
        before = g.wire.counts()[way]
        timed(*pair(d, v, p), BYTES)
        n = {k: x - before[k] for k, x in g.wire.counts()[way].items()}
        again = n["bytes"] - n["frames"] * HDR[v] - BYTES
        lost = n["lost_bytes"]
        text = f"{again >> 10} KiB again, {lost >> 10} KiB were lost"
        note(f"MTU {mtu}, IPv{v}, {d}: {text}")
        ok(again <= 1.5 * lost + 3 * mtu, name, text)


def old_guest(p, g):
    """One without selective acknowledgements: slow, but right."""
    sysctl(g.pid, "ipv4/tcp_sack", 0)
    g.wire.set(*BAD)
    for d in "in", "out":
        name = f"{d}, 1 % lost, no selective acknowledgements"
        with case(name):
            t = timed(*pair(d, 4, p), BYTES // 20)
            ok(True, name)
            note(mbit(BYTES // 20, t))


def short(mtu, p):
    name = f"MTU {mtu}: short connections with 5 % lost"
    with case(name):
        for _ in range(5):
            for d in "in", "out":
                a, b = pair(d, 4, p)
                with a, b:
                    a.sendall(b"question")
                    a.shutdown(socket.SHUT_WR)
                    good = recv_all(b) == b"question"
                    b.sendall(b"answer")
                    b.close()
                    good &= recv_all(a) == b"answer"
                if not good:
                    raise RuntimeError(f"{d}: not as it was sent")
        ok(True, name)


def lossy(mtu, rows):
    with topo.passt("-m", str(mtu), "-t", PORTS) as p, \
            WireGuest(p, "-d", 1000, "-s", mtu, mtu=mtu) as g:
        # What the guest's kernel makes of a loss is not our doing: one that
        # halves its window gets no more out of a kernel at the other end
        bbr = sysctl(g.pid, "ipv4/tcp_congestion_control", "bbr")
        sysctl(g.pid, "ipv4/tcp_timestamps", 0)
        for d, v in rows:
            if d == "in" or bbr:
                goodput(p, g, mtu, d, v)
            else:
                skip(f"MTU {mtu}, {d}: goodput", "no BBR in this kernel")
            sent_again(p, g, mtu, d, v)
            with case(f"MTU {mtu}, IPv{v}, {d}: 5 % lost"):
                g.wire.set("-l", 50, "-u", 0, "-r", 0)
                t = timed(*pair(d, v, p), BYTES // 5)
                ok(True, f"MTU {mtu}, IPv{v}, {d}: 5 % lost")
                note(f"5 % lost: {mbit(BYTES // 5, t)}")
        short(mtu, p)
        if mtu == 1500:
            old_guest(p, g)
        ok(p.proc.poll() is None, f"MTU {mtu}: daemon lives", p.text())


# --- selective acknowledgements, frame by frame ---

OK_OPT = b"\2\4\5\xb4\1\1\4\2"          # an MSS of 1460, and "permitted"


def options(p):
    """-> {kind: value}"""
    out, o = {}, p.opts
    while o and o[0]:
        n = 1 if o[0] == 1 else o[1]
        out[o[0]] = o[2:n]
        o = o[n:]
    return out


def blocks(p, base):
    b = options(p).get(5, b"")
    return [(int.from_bytes(b[i:i + 4], "big") - base & 0xffffffff,
             int.from_bytes(b[i + 4:i + 8], "big") - base & 0xffffffff)
            for i in range(0, len(b), 8)]


def block_opt(*pairs):
    return bytes([1, 1, 5, 2 + 8 * len(pairs)]) + b"".join(
        (n & 0xffffffff).to_bytes(4, "big") for p in pairs for n in p)


def frames_out(p, v):
    """The guest sends with gaps, and is told so."""
    with listen_in(topo.remote, v, port=6001) as l, wire.Guest(p) as g:
        def seg(flags, seq, ack, data=b"", opts=b""):
            return wire.eth(wire.packet(HOST[v], REMOTE[v], wire.TCP, wire.tcp(
                4000, 6001, flags, seq, ack, data, opts)))

        def mine(p):
            return p.proto == wire.TCP and p.dport == 4000
        g.send(seg(wire.SYN, 99, 0, opts=OK_OPT))
        a = g.expect(mine)
        same(4 in options(a), True, f"IPv{v}: SYN+ACK permits them")
        s, _ = l.accept()
        here = a.seq + 1
        g.send(seg(wire.ACK, 100, here), seg(wire.ACK, 200, here, b"b" * 100))
        a = g.expect(mine)
        same((a.ack, blocks(a, 0)), (100, [(200, 300)]),
             f"IPv{v}: what came beyond a gap is told")
        g.send(seg(wire.ACK, 400, here, b"d" * 100))
        a = g.expect(mine)
        same((a.ack, blocks(a, 0)), (100, [(400, 500), (200, 300)]),
             f"IPv{v}: two blocks, the newer first")
        g.send(seg(wire.ACK, 100, here, b"a" * 100))
        a = g.expect(mine)
        same((a.ack, blocks(a, 0)), (300, [(400, 500)]),
             f"IPv{v}: one gap filled")
        g.send(seg(wire.ACK, 300, here, b"c" * 100))
        a = g.expect(mine)
        same((a.ack, blocks(a, 0)), (500, []), f"IPv{v}: both filled")
        with s:
            same(recv_all(s, 400), b"".join(bytes([c]) * 100 for c in b"abcd"),
                 f"IPv{v}: all arrives, in order")


def frames_in(p, v):
    """The guest tells of gaps, and they are filled, each once."""
    m = 1500 - HDR[v] + 14
    with wire.Guest(p) as g, socket_in(topo.remote, v) as c:
        def seg(flags, ack, opts=b""):
            return wire.eth(wire.packet(HOST[v], a.src, wire.TCP, wire.tcp(
                IN, a.sport, flags, 699 if flags & wire.SYN else 700,
                ack & 0xffffffff, b"", opts)))

        c.connect((HOST[v], IN))
        a = g.expect(lambda p: p.proto == wire.TCP and p.dport == IN)
        same((a.flags, 4 in options(a)), (wire.SYN, True),
             f"IPv{v}: SYN permits them")
        base = a.seq + 1
        g.send(seg(wire.SYN | wire.ACK, base, OK_OPT))
        c.sendall(RANDOM[:10 * m])
        got = {}
        while sum(map(len, got.values())) < 10 * m:
            s = g.expect(lambda p: p.proto == wire.TCP and p.data)
            got[s.seq - base & 0xffffffff] = s.data
        same(b"".join(got[k] for k in sorted(got)), RANDOM[:10 * m],
             f"IPv{v}: ten segments")
        tell = block_opt((base + 2 * m, base + 3 * m),
                         (base + 6 * m, base + 10 * m))
        t = time.monotonic()
        out = g.replies(seg(wire.ACK, base + m, tell))
        same([(s.seq - base & 0xffffffff, len(s.data)) for s in out],
             [(n * m, m) for n in (1, 3, 4, 5)],
             f"IPv{v}: just the holes are filled")
        again = g.replies(seg(wire.ACK, base + m, tell))
        # After 10 ms, which others of this machine may take, it asks again
        took = time.monotonic() - t
        ok(not again or took > 0.01, f"IPv{v}: ... once",
           f"{took * 1000:.1f} ms: {again}")
        g.send(seg(wire.ACK | wire.RST, base + 10 * m))


def frames():
    with topo.passt("-m", "1500", "-t", PORTS) as p:
        for v in 4, 6:
            with case(f"IPv{v}: gaps of the guest"):
                frames_out(p, v)
            with case(f"IPv{v}: gaps of ours"):
                frames_in(p, v)
    wire.well_formed()


# --- small and slow receivers ---

def recv_random(s, pause, seed):
    """-> SHA-256, bytes, seconds it took after the pause"""
    h, n, rnd = hashlib.sha256(), 0, random.Random(seed)
    time.sleep(pause)
    t = time.monotonic()
    while True:
        b = s.recv(rnd.choice((1, 10, 1000, 10000, 100000, 1 << 20)))
        if not b:
            return f"{h.hexdigest()} {n} {time.monotonic() - t:.2f}"
        h.update(b)
        n += len(b)


def to_small(srv, cli, addr, port, v, size, pause):
    """-> whether all arrived, what did, seconds it took after the pause"""
    with socket_in(srv, v) as l:
        l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        l.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        l.bind((ANY[v], port))
        l.listen()
        c = connect_in(cli, addr, port)
        s, _ = l.accept()
    s.settimeout(20)
    rx = Forked(recv_random, s, pause, v)
    tx = Forked(send_blocks, c, size)
    s.close()
    c.close()
    want = f"{tx.result(120)} {size}"
    got, took = rx.result().rsplit(" ", 1)
    return got == want, got, float(took)


def small(d, v, size, pause):
    """A receiver with a buffer of 4 kB, that first does something else."""
    name = f"IPv{v}, {d}: {size >> 20} MiB to a buffer of 4 kB after {pause} s"
    with case(name), topo.passt("-t", PORTS) as p, WireGuest(p) as g:
        sysctl(g.pid, "ipv4/tcp_timestamps", 0)
        good, got, took = to_small(*ends(d, v, p), v, size, pause)
        ok(good, name, got)
        n = g.wire.counts()[1 if d == "in" else 0]
        again = n["bytes"] - n["frames"] * HDR[v] - size
        ok(again < size // 50, f"{name}: nothing is sent twice",
           f"{again} bytes again")
        # On a busy machine nobody does it in a second
        limit = 1
        for _ in range(2):
            if took > limit:
                a = (topo.remote, topo.host, REMOTE[v]) if d == "out" else \
                    (topo.host, topo.remote, HOST[v])
                limit = 1 + 3 * to_small(*a, 7200, v, size, pause)[2]
                took = to_small(*ends(d, v, p), v, size, pause)[2]
        ok(took <= limit, f"{name}: in a second", f"{took} s")
        note(f"{took} s")


# --- long fat paths ---

def long_path(rtt, total, results):
    """@results: (name, good, figures) are put there."""
    t = Topo(mtu=1500, wire=("-d", rtt * 500))
    with t.passt("-t", PORTS) as p, PumpGuest(p), \
            t.pasta("-t", f"{IN + 1000}:{IN}") as q:
        def direct(d):
            a, b = (t.host, t.remote) if d == "out" else (t.remote, t.host)
            addr = REMOTE if d == "out" else HOST
            with listen_in(b, 4, port=7100) as l:
                c = connect_in(a, addr[4], 7100)
                return c, l.accept()[0]

        def by_pasta(d):
            if d == "out":
                return pair(d, 4, q)
            with listen_in(q.guest, 4, port=IN) as l:
                c = connect_in(t.remote, HOST[4], IN + 1000)
                return c, l.accept()[0]

        def by_passt(d):
            return pair(d, 4, p)

        def seconds(f, d):
            c, s = f(d)
            c.settimeout(60)
            s.settimeout(60)
            return timed(c, s, total)

        for d in "out", "in":
            ways, n = [by_passt, by_pasta], 0
            while ways and n < 3:
                n += 1
                try:
                    plain = seconds(direct, d)
                    took = {f: seconds(f, d) for f in ways}
                except (OSError, RuntimeError) as e:
                    results.append((f"{rtt} ms, {d}", False, e))
                    break
                for f, t1 in took.items():
                    good = plain / t1 >= 0.8
                    if not good and n < 3:
                        continue
                    results.append((
                        f"{rtt} ms, {d}, {f.__name__}: 80 % of the direct way",
                        good, f"{mbit(total, t1)}, direct "
                        f"{mbit(total, plain)}"))
                    ways.remove(f)


class LongPaths:
    """All at once, and while something else runs: they mostly wait."""

    def __init__(self):
        sizes = {20: 32, 100: 16, 300: 8}
        self.results = {rtt: [] for rtt in sizes}
        self.threads = [threading.Thread(target=long_path, args=(
            rtt, (100 if LONG else mb) << 20, self.results[rtt]))
            for rtt, mb in sizes.items()]
        for t in self.threads:
            t.start()

    def end(self):
        for t in self.threads:
            t.join()
        for rtt, results in self.results.items():
            ok(len(results) == 4, f"{rtt} ms: ran", "an exception")
            for name, good, text in results:
                ok(good, name, text)
                note(f"{name.split(':')[0]}: {text}")


topo = Topo()
with case("frames"):
    frames()
paths = LongPaths()
# Into the guest, each few kB are a turn of four processes
for d, v, mb in ("out", 4, 20), ("in", 4, 4), ("out", 6, 20):
    small(d, v, min(BYTES, (20 if LONG else mb) << 20), 4 if LONG else 1)
with case("long paths"):
    paths.end()
for mtu, rows in ((65520, (("in", 4), ("out", 6))),
                  (1500, (("in", 6), ("out", 4)))):
    with case(f"MTU {mtu}"):
        lossy(mtu, rows)

done()
