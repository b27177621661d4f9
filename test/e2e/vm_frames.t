#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames and IP headers from the guest: which are read and which are dropped.

The probe is a TCP segment of no connection: whoever reads it answers with a
reset that repeats its acknowledgement number, in the same turn."""
import sys

sys.dont_write_bytecode = True
from wire import *      # noqa: E402

need_root()
topo = Topo()
NONE = "-D", "none", "-S", "none"
HOP, ROUTING, FRAGMENT, ESP, AH, NONEXT, DST = 0, 43, 44, 50, 51, 59, 60
EMPTY8 = b"\0" + b"\1\4" + b"\0" * 4        # 8 bytes, first one left out
AH12 = b"\1" + b"\0" * 10                   # (1 + 2) * 4


class Probe:
    """Sends probes; the number tells them apart."""

    def __init__(self, g):
        self.g, self.n = g, 1000

    def l4(self):
        self.n += 1
        return tcp(1111, 9999, 16, 5, self.n)

    def read(self, frame):
        got = self.g.replies(frame)
        return [p.seq for p in got if p.proto == TCP and p.flags & RST] == \
            [self.n] and len(got) == 1

    def ip(self, v, src=None, dst=None, **kw):
        return packet(src or HOST[v], dst or REMOTE[v], TCP, self.l4(), **kw)

    def passes(self, name, frame):
        ok(self.read(frame), f"read: {name}")

    def drops(self, name, *frames):
        for f in frames:
            got = self.g.replies(f)
            ok(not got, f"dropped: {name}", got)


def ethernet(t):
    for v in 4, 6:
        for dst, what in (BCAST, "broadcast"), (MAC, "the guest's own"), \
                (b"\x33\x33\0\0\0\1", "group"), (b"\0" * 6, "zero"), \
                (bytes.fromhex("020304050607"), "foreign"):
            t.passes(f"IPv{v}, destination MAC address: {what}",
                     eth(t.ip(v), dst))
        t.passes(f"IPv{v}, trailing bytes", eth(t.ip(v)) + b"\xa5" * 99)
        t.drops(f"IPv{v} in an unknown Ethertype",
                eth(t.ip(v), type=0x88b5))
        t.drops(f"IPv{v} behind a VLAN tag", eth(
            struct.pack(">HH", 5, 0x0800 if v == 4 else 0x86dd) + t.ip(v),
            type=0x8100))
        t.drops(f"IPv{v} as Ethertype of the other",
                eth(t.ip(v), type=0x86dd if v == 4 else 0x0800))
        whole = eth(t.ip(v))
        t.drops(f"IPv{v} cut short", *(whole[:n] for n in (
            14, 15, 33, 34, 53, len(whole) - 1)))
    for type in 0, 60, 0x05dc, 0x8100, 0x8863, 0x88cc, 0xffff:
        t.drops(f"Ethertype {type:#x}", eth(b"\0" * 46, type=type))
    t.drops("14 bytes", eth(b"", type=0x0800), eth(b"", type=0x86dd),
            eth(b"", type=0x0806), eth(b"", type=0))
    t.drops("65535 bytes of nothing", eth(b"\0" * 65521, type=0x0800))
    t.passes("65535 bytes around a packet",
             eth(t.ip(4)).ljust(65535, b"\0"))


def ipv4(t):
    t.passes("options", eth(t.ip(4, opts=b"\1" * 4)))
    t.passes("40 bytes of options", eth(t.ip(4, opts=b"\1" * 40)))
    t.passes("options of nonsense",
             eth(t.ip(4, opts=b"\x07\xff\0\0" + b"\x83\0\1\2")))
    t.passes("wrong header checksum", eth(t.ip(4, sum=0x1234)))
    t.passes("DF not set", eth(t.ip(4, frag=0)))
    t.passes("TTL 1", eth(t.ip(4, ttl=1)))
    t.passes("TOS and ECN", eth(t.ip(4, tos=0xff)))
    bad = bytearray(eth(t.ip(4)))
    bad[50:52] = b"\xba\xad"
    t.passes("wrong TCP checksum", bytes(bad))
    for ihl in 0, 1, 4:
        t.drops(f"header length {ihl * 4}", eth(t.ip(4, ihl=ihl)))
    t.drops("header longer than the packet", eth(t.ip(4, ihl=15)))
    for total in 0, 19, 20, 39, 41, 1500, 65535:
        t.drops(f"total length {total} of 40", eth(t.ip(4, total=total)))
    for version in 0, 5, 6, 15:
        t.drops(f"version {version}", eth(t.ip(4, version=version),
                                          type=0x0800))
    for src in "127.0.0.1", "127.1.2.3", "0.0.0.0", "224.0.0.1", \
            "255.255.255.255":
        t.drops(f"source {src}", eth(t.ip(4, src=src)))
    for dst in "127.0.0.1", "127.255.255.254", "0.0.0.0":
        t.drops(f"destination {dst}", eth(t.ip(4, dst=dst)))
    for proto in 2, 33, 41, 47, 50, 58, 89, 132, 136, 255:
        t.drops(f"protocol {proto}", eth(packet(
            HOST[4], REMOTE[4], proto, bytes(64))))
    t.drops("TCP header of 16 bytes", eth(packet(
        HOST[4], REMOTE[4], TCP, tcp(1, 1, ACK, off=4))))
    t.drops("TCP header longer than the packet", eth(packet(
        HOST[4], REMOTE[4], TCP, tcp(1, 1, ACK, off=6))))
    t.drops("ICMP of 4 bytes", eth(packet(HOST[4], GW[4], ICMP,
                                          b"\x08\0\0\0")))
    for type in 0, 3, 5, 11, 13, 17, 255:
        t.drops(f"ICMP type {type}", eth(packet(
            HOST[4], GW[4], ICMP, icmp(type, bytes(32)))))
    t.drops("first fragment", eth(t.ip(4, frag=0x2000)))
    t.drops("last fragment alone", eth(t.ip(4, frag=100)))
    p = t.ip(4)[20:]
    frames = [eth(ip4(HOST[4], REMOTE[4], TCP, part, frag=f, id=78))
              for part, f in ((p[:16], 0x2000), (p[16:], 2))]
    same(t.g.replies(frames[1]), [], "a fragment waits for its others")
    ok(t.read(frames[0]), "read: a datagram of two fragments, last one first")


def ipv6(t):
    one = {HOP: EMPTY8, ROUTING: EMPTY8, DST: EMPTY8, AH: AH12,
           135: EMPTY8, 139: EMPTY8, 140: EMPTY8, 253: EMPTY8, 254: EMPTY8,
           FRAGMENT: bytes(7)}
    for n, b in one.items():
        t.passes(f"extension header {n}", eth(t.ip(6, ext=((n, b),))))
    t.passes("hop-by-hop, destination, routing, fragment, destination",
             eth(t.ip(6, ext=tuple((n, one[n]) for n in
                                   (HOP, DST, ROUTING, FRAGMENT, DST)))))
    t.passes("an extension header of 2048 bytes", eth(t.ip(6, ext=(
        (DST, b"\xff" + bytes(2046)),))))
    t.drops("ESP, which hides what follows", eth(t.ip(6, ext=(
        (ESP, EMPTY8),))))
    t.drops("no next header", eth(packet(HOST[6], REMOTE[6], NONEXT,
                                         t.l4())))
    t.drops("no next header behind an option header", eth(packet(
        HOST[6], REMOTE[6], NONEXT, t.l4(), ext=((DST, EMPTY8),))))
    t.drops("nothing at all", eth(packet(HOST[6], REMOTE[6], TCP, b"")))
    for n in 9, 100, 1000, 8000:
        t.drops(f"{n} extension headers", eth(t.ip(6, ext=(
            (DST, EMPTY8),) * n)))
    t.drops("a header that names itself to the end of the packet",
            eth(packet(HOST[6], REMOTE[6], DST, (b"\x3c\0" + bytes(6)) * 200)))
    t.drops("hop-by-hop naming itself", eth(packet(
        HOST[6], REMOTE[6], HOP, bytes(1400))))
    t.drops("an extension header longer than the packet", eth(t.ip(
        6, ext=((DST, b"\x09" + EMPTY8[1:]),))), eth(t.ip(
            6, ext=((AH, b"\xff" + AH12[1:]),))))
    t.drops("an authentication header of length 0 (8 bytes)", eth(t.ip(
        6, ext=((AH, b"\0" + AH12[1:]),))))
    t.drops("half an extension header", eth(packet(
        HOST[6], REMOTE[6], DST, b"\6\0\1\1")))
    for n in 0, 8, 19, 21, 1000, 65535:
        t.drops(f"payload length {n} of 20", eth(t.ip(6, plen=n)))
    for version in 0, 4, 5, 7, 15:
        t.drops(f"version {version}", eth(t.ip(6, version=version),
                                          type=0x86dd))
    for src in "::1", "::", "ff02::1", "::ffff:10.77.0.2", "::10.77.0.2", \
            "::ffff:127.0.0.1":
        t.drops(f"source {src}", eth(t.ip(6, src=src)))
    for dst in "::1", "::", "::ffff:10.77.0.3", "::ffff:127.0.0.1", \
            "::127.0.0.1":
        t.drops(f"destination {dst}", eth(t.ip(6, dst=dst)))
    for proto in 1, 2, 4, 41, 47, 89, 132, 136, 255:
        t.drops(f"protocol {proto}", eth(packet(
            HOST[6], REMOTE[6], proto, bytes(64))))
    for type in 1, 2, 3, 4, 129, 130, 131, 132, 143, 151, 255:
        t.drops(f"ICMPv6 type {type}", eth(packet(
            HOST[6], REMOTE[6], ICMP6, icmp(type, bytes(32)))))
    p = t.ip(6)[40:]
    frag = [eth(packet(HOST[6], REMOTE[6], TCP, part, ext=(
        (FRAGMENT, b"\0" + struct.pack(">HI", f, 77)),)))
        for part, f in ((p[:16], 1), (p[16:], 16))]
    same(t.g.replies(frag[1]), [], "a fragment waits for its others")
    ok(t.read(frag[0]), "read: a datagram of two fragments, last one first")


def resets(t):
    """RFC 9293 3.10.7.1."""
    for v in 4, 6:
        def send(flags, seq, ack, data=b""):
            return t.g.replies(eth(packet(HOST[v], REMOTE[v], TCP, tcp(
                1111, 9999, flags, seq, ack, data))))

        def got(r):
            return [(p.flags, p.seq, p.src, p.dst, p.sport, p.dport, p.opts,
                     p.data) for p in r]

        def want(flags, seq):
            return [(flags, seq, REMOTE[v], HOST[v], 9999, 1111, b"", b"")]

        for flags in ACK, SYN | ACK, FIN | ACK, PSH | ACK:
            same(got(send(flags, 5, 0xfffffff0)), want(RST, 0xfffffff0),
                 f"IPv{v}, unknown connection, flags {flags}: reset")
        p, = send(FIN, 0xffffffff, 0, b"four") or [None]
        ok(p and p.flags == RST | ACK and p.seq == 0 and p.ack == 4,
           f"IPv{v}, FIN without ACK: reset acknowledges all of it", p)
        for flags in RST, RST | ACK:
            same(send(flags, 5, 6), [], f"IPv{v}, flags {flags}: silence")


def family(v):
    other = 10 - v
    with topo.passt(f"-{v}", *NONE) as p, Guest(p) as g:
        if v == 6:
            g.ip[4] = None
        t = Probe(g)
        t.passes(f"-{v}: IPv{v}", eth(t.ip(v)))
        t.drops(f"-{v}: IPv{other}", eth(t.ip(other)))
        if v == 6:
            t.drops("-6: ARP", arp(HOST[4], GW[4]))


with topo.passt(*NONE) as p, Guest(p) as g:
    for f in ethernet, ipv4, ipv6, resets:
        with case(f.__name__):
            f(Probe(g))
for v in 4, 6:
    with case(f"-{v}"):
        family(v)
for opt in "--no-tcp", "--no-udp", "--no-icmp":
    with case(opt), topo.passt(opt, *NONE) as p, Guest(p) as g:
        t = Probe(g)
        (t.drops if opt == "--no-tcp" else t.passes)(opt, eth(t.ip(4)))
well_formed()
done()
