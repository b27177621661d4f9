#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Fragments of a scripted guest, to sockets of a real kernel: any order,
duplicates, overlaps, too many, too long; and those that it is sent itself."""
import random
import sys

sys.dont_write_bytecode = True
from wire import *      # noqa: E402

need_root()
topo = Topo()
MTU = 1500
IN = 7001
ids = iter(range(1, 1 << 16))
rnd = random.Random(1)


def piece(v, l4, off, n, id, more=None, proto=UDP):
    """The frame with bytes @off to @off + @n of @l4."""
    part = l4[off:off + n]
    more = off + n < len(l4) if more is None else more
    if v == 4:
        return eth(ip4(HOST[4], REMOTE[4], proto, part, id=id,
                       frag=off // 8 | more << 13))
    head = struct.pack(">BHI", 0, off | more, id)
    return eth(ip6(HOST[6], REMOTE[6], proto, part, ext=((44, head),)))


def message(v, port, n):
    """A datagram of @n bytes, and its UDP header and data with checksum."""
    data = rnd.randbytes(n)
    whole = packet(HOST[v], REMOTE[v], UDP, udp(5000, port, data))
    return data, whole[20 if v == 4 else 40:]


def cut(v, l4, size=1480, id=None, proto=UDP):
    id = next(ids) if id is None else id
    size &= ~7
    return [piece(v, l4, at, size, id, proto=proto)
            for at in range(0, len(l4), size)]


def arrived(g, v, s):
    """All that has come; one datagram more says that no other will."""
    g.send(eth(packet(HOST[v], REMOTE[v], UDP,
                      udp(5001, s.getsockname()[1], b"fence"))))
    got = []
    while True:
        b = s.recv(65536)
        if b == b"fence":
            return got
        got.append(b)


def give(g, frames):
    for i in range(0, len(frames), 20):
        g.send(*frames[i:i + 20])


def orders(g, v, s):
    port = s.getsockname()[1]
    for n in 1473, 2000, 9000, 60000, 65507 if v == 4 else 65527:
        data, l4 = message(v, port, n)
        if n > 65000 and v == 6:
            l4 = l4[:65535]             # the most that one header can say
        for name, change in (
                ("in order", lambda f: f),
                ("last first", lambda f: f[::-1]),
                ("shuffled", lambda f: rnd.sample(f, len(f))),
                ("each twice", lambda f: [x for x in f[:-1] for _ in "12"] +
                 f[-1:]),
                ("tiny", lambda f: cut(v, l4, 200))):
            with case(name):
                give(g, change(cut(v, l4)))
                same(arrived(g, v, s) == [data], True,
                     f"IPv{v}: {n} bytes, {name}")


def contradictions(g, v, s):
    data, l4 = message(v, s.getsockname()[1], 4000)
    evil = b"\xee" * len(l4)
    for name, off, n, more in (
            ("inside another", 0, 800, True),
            ("over a border", 720, 1480, True),
            ("other data", 1480, 1480, True),
            ("another end", 1480, 800, False),
            ("by eight bytes", 1472, 8, True)):
        id = next(ids)
        f = cut(v, l4, id=id)
        give(g, [f[0], f[1], piece(v, evil, off, n, id, more)] + f[2:])
        same(arrived(g, v, s), [], f"IPv{v}: overlap, {name}: dropped")
        give(g, f)
        same(arrived(g, v, s), [], f"IPv{v}: ... and what comes of it later")
    give(g, cut(v, l4))
    same(arrived(g, v, s), [data], f"IPv{v}: the next one is fine")
    id = next(ids)
    give(g, [piece(v, l4, 0, 800, id, True),
             piece(v, (b"\0" * 65528 + l4), 65528, 800, id, False)])
    same(arrived(g, v, s), [], f"IPv{v}: longer than any datagram: dropped")


def many(p, g, v, s):
    data, l4 = message(v, s.getsockname()[1], 4000)
    kept = [next(ids) for _ in range(40)]
    for id in kept:
        give(g, cut(v, l4, id=id)[:-1])
    give(g, cut(v, l4, id=kept[0])[-1:])
    same(arrived(g, v, s), [], f"IPv{v}: of 40 unfinished the first is gone")
    give(g, cut(v, l4))
    same(arrived(g, v, s), [data], f"IPv{v}: ... none is in the way")
    give(g, cut(v, l4, id=kept[-1])[-1:])
    same(arrived(g, v, s), [data], f"IPv{v}: ... and the last can be finished")
    before = status(p.pid, "VmRSS")
    for _ in range(100):
        give(g, [piece(v, b"\0" * 65528, rnd.randrange(0, 64000) & ~7, 1400,
                       next(ids) & 0xffff, True) for _ in range(20)])
    arrived(g, v, s)
    grown = status(p.pid, "VmRSS") - before
    ok(grown < 2048, f"IPv{v}: 2000 unfinished: memory", f"{grown} KiB")


class Back:
    """Puts together what passt has cut, and checks how."""

    def __init__(self, g, v):
        self.g, self.v = g, v

    def get(self, proto):
        parts, id, end = {}, None, None
        while end is None or sum(map(len, parts.values())) < end:
            p = self.g.recv(3)
            if p is None:
                raise RuntimeError(f"no more: {sorted(parts)}, end {end}")
            if p.v != self.v or not p.fragment:
                if not p.background():
                    raise RuntimeError(f"no fragment: {p}")
                continue
            at, more, this, nxt, data = self.head(p)
            if nxt != proto or at in parts or id not in (None, this) or \
                    len(p.frame) > 14 + MTU or more and len(data) % 8:
                raise RuntimeError(f"bad fragment: {p}")
            id, parts[at] = this, data
            if not more:
                end = at + len(data)
        return b"".join(parts[k] for k in sorted(parts))

    def head(self, p):
        f = p.frame[14:]
        if self.v == 4:
            _, n, id, word = struct.unpack(">HHHH", f[:8])
            return (word & 0x1fff) * 8, word >> 13 & 1, id, f[9], f[20:n]
        n = struct.unpack(">H", f[4:6])[0]
        nxt, _, word, id = struct.unpack(">BBHI", f[40:48])
        return word & 0xfff8, word & 1, id, nxt, f[48:40 + n]


def towards(g, v, s):
    """The guest of MTU 1500, which gets and sends echoes and datagrams."""
    back = Back(g, v)
    ask = echo(v, 9, 1, rnd.randbytes(2000))
    whole = packet(HOST[v], REMOTE[v], ICMP if v == 4 else ICMP6, ask)
    l4 = whole[20 if v == 4 else 40:]
    give(g, cut(v, l4, proto=ICMP if v == 4 else ICMP6))
    got = back.get(ICMP if v == 4 else ICMP6)
    same((got[0], got[4:]), (0 if v == 4 else 129, l4[4:]),
         f"IPv{v}: echo of 2000 bytes, in fragments both ways")
    for n in 1473, 60000:
        data = rnd.randbytes(n)
        s.sendto(data, (HOST[v], IN))
        got = back.get(UDP)
        good = not csum(pseudo(REMOTE[v], HOST[v], UDP, len(got)) + got)
        same((got[8:] == data, good), (True, True),
             f"IPv{v}: {n} bytes to the guest, in fragments")


def receiver(v):
    s = socket_in(topo.remote, v, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)        # SO_RCVBUFFORCE
    s.bind((REMOTE[v], 0))
    s.settimeout(3)
    return s


with topo.passt("-m", str(MTU), "-u", str(IN), "-D", "none", "-S",
                "none") as p, Guest(p) as g:
    for v in 4, 6:
        with receiver(v) as s:
            for f in orders, contradictions:
                with case(f"IPv{v}: {f.__name__}"):
                    f(g, v, s)
            with case(f"IPv{v}: many"):
                many(p, g, v, s)
            with case(f"IPv{v}: towards"):
                towards(g, v, s)
    ok(p.proc.poll() is None, "still running", p.text())
well_formed()
done()
