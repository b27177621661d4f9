# SPDX-License-Identifier: GPL-2.0-or-later
"""A scripted guest: no network stack, only frames, over passt's socket.

A frame is built by eth(packet(..., udp(...))) and the like, all bytes; so any
field can be given any value. What arrives becomes a Pkt, which is checked on the way for
what holds of every frame (length, padding, addresses, checksums): see
well_formed().

replies(frame) sends it and, behind it, a question that is always answered at
once. What came in before that answer is the reaction to the frame; if nothing
did, there is none and never will be. So nobody waits for silence. That works
for all that is answered in the turn in which it is read; where a socket of the
host is asked first, use expect().
"""
import os
import select
import socket
import struct
import sys
import time

from lib import *       # noqa: F403

MAC = bytes.fromhex("525400123456")
OUR_MAC = bytes.fromhex("9a559a559a55")
BCAST = b"\xff" * 6
ALL_NODES, ALL_ROUTERS, ALL_SERVERS = "ff02::1", "ff02::2", "ff02::1:2"
GUEST_LL = "fe80::5054:ff:fe12:3456"
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
TCP, UDP, ICMP, IGMP, ICMP6 = 6, 17, 1, 2, 58

faults = []


# --- writing ---

def addr(a):
    if isinstance(a, bytes):
        return a
    return socket.inet_pton(socket.AF_INET6 if ":" in a else socket.AF_INET, a)


def csum(b):
    b = bytes(b) + b"\0" * (len(b) % 2)
    s = sum(struct.unpack(f">{len(b) // 2}H", b))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return s ^ 0xffff


def pseudo(src, dst, proto, n):
    return addr(src) + addr(dst) + struct.pack(">II", n, proto)


def eth(payload, dst=OUR_MAC, src=MAC, type=None):
    if type is None:
        type = {4: 0x0800, 6: 0x86dd}[payload[0] >> 4]
    return dst + src + struct.pack(">H", type) + payload


def packet(src, dst, proto, l4, ttl=64, **kw):
    """IP packet around @l4, whose checksum (still zero) is filled in."""
    l4 = bytearray(l4)
    at = {TCP: 16, UDP: 6, ICMP: 2, ICMP6: 2}.get(proto)
    if at is not None and len(l4) >= at + 2 and l4[at:at + 2] == b"\0\0":
        head = b"" if proto == ICMP else pseudo(src, dst, proto, len(l4))
        l4[at:at + 2] = struct.pack(">H", csum(head + l4) or 0xffff)
    build = ip6 if len(addr(src)) == 16 else ip4
    return build(src, dst, proto, bytes(l4), ttl, **kw)


def ip4(src, dst, proto, payload, ttl=64, opts=b"", ihl=None, total=None,
        frag=0x4000, sum=None, version=4, tos=0, id=7):
    n = 20 + len(opts)
    h = struct.pack(">BBHHHBBH4s4s", version << 4 | (n // 4 if ihl is None
                                                     else ihl),
                    tos, n + len(payload) if total is None else total, id,
                    frag, ttl, proto, 0, addr(src), addr(dst)) + opts
    return h[:10] + struct.pack(">H", csum(h) if sum is None else sum) + \
        h[12:] + payload


def ip6(src, dst, proto, payload, ttl=64, ext=(), plen=None, version=6):
    """@ext: extension headers, (number, bytes without "next header")."""
    chain = [n for n, _ in ext] + [proto]
    body = b"".join(bytes([nxt]) + b for nxt, (_, b) in zip(chain[1:], ext))
    body += payload
    return struct.pack(">IHBB16s16s", version << 28,
                       len(body) if plen is None else plen, chain[0], ttl,
                       addr(src), addr(dst)) + body


def udp(sport, dport, data=b"", length=None):
    return struct.pack(">HHHH", sport, dport, 8 + len(data)
                       if length is None else length, 0) + data


def tcp(sport, dport, flags, seq=0, ack=0, data=b"", opts=b"", win=65535,
        off=None):
    return struct.pack(">HHIIBBHHH", sport, dport, seq & 0xffffffff,
                       ack & 0xffffffff,
                       ((20 + len(opts)) // 4 if off is None else off) << 4,
                       flags, win, 0, 0) + opts + data


def icmp(type, body, code=0):
    return struct.pack(">BBH", type, code, 0) + body


def echo(v, id, seq, data=b""):
    return icmp(8 if v == 4 else 128, struct.pack(">HH", id, seq) + data)


def arp(spa, tpa, op=1, sha=MAC, tha=b"\0" * 6, dst=BCAST, src=None, hw=1,
        proto=0x0800, hlen=6, plen=4):
    return eth(struct.pack(">HHBBH", hw, proto, hlen, plen, op) + sha +
               addr(spa) + tha + addr(tpa), dst, src or sha, 0x0806)


def ns(target, src=GUEST_LL, dst=None, opts=b"", ttl=255, code=0, mac=MAC):
    t = addr(target)
    group = b"\xff\2" + b"\0" * 9 + b"\1\xff" + t[13:]
    return eth(packet(src, dst or group, ICMP6,
                      icmp(135, b"\0" * 4 + t + opts, code), ttl),
               b"\x33\x33\xff" + t[13:], mac)


def rs(src=GUEST_LL, opts=b"", ttl=255, code=0):
    return eth(packet(src, ALL_ROUTERS, ICMP6,
                      icmp(133, b"\0" * 4 + opts, code), ttl),
               b"\x33\x33\0\0\0\2")


# --- reading ---

def text(a):
    return socket.inet_ntop(
        socket.AF_INET6 if len(a) == 16 else socket.AF_INET, a)


class Pkt:
    """One frame from passt. .type is the Ethertype, .proto the protocol in
    IP; other attributes as far as the protocol has them; .data is the rest."""

    def __init__(self, frame):
        self.frame, self.faults = frame, []
        self.dst_mac, self.src_mac = frame[:6], frame[6:12]
        self.type = struct.unpack(">H", frame[12:14])[0]
        self.v = self.proto = self.src = self.dst = None
        self.fragment = False
        self.check(len(frame) >= 60, f"frame of {len(frame)} bytes")
        b = frame[14:]
        if self.type == 0x0806:
            self.arp(b)
        elif self.type == 0x0800:
            self.ip4(b)
        elif self.type == 0x86dd:
            self.ip6(b)
        else:
            self.check(False, "Ethertype")
        if self.proto != ICMP6 or self.icmp_type != 136:
            self.check(self.type == 0x0806 or self.src_mac == Guest.our_mac,
                       "our MAC address")
        faults.extend(f"{f}: {frame[:80].hex()}" for f in self.faults)

    def check(self, good, what):
        if not good:
            self.faults.append(what)
        return good

    def __repr__(self):
        d = {k: v for k, v in vars(self).items() if k != "frame" and
             not (isinstance(v, bytes) and len(v) > 64)}
        return f"{d} {self.frame[:100].hex()}"

    def cut(self, b, n):
        """Only padding may follow."""
        self.check(len(b) >= n, "length")
        self.check(not any(b[n:]) and (len(b) == n or len(self.frame) == 60),
                   "padding")
        return b[:n]

    def arp(self, b):
        b = self.cut(b, 28)
        self.check(b[:6] == bytes.fromhex("000108000604"), "ARP head")
        self.op = b[7]
        self.sha, self.spa = b[8:14], text(b[14:18])
        self.tha, self.tpa = b[18:24], text(b[24:28])

    def ip4(self, b):
        self.v, h = 4, struct.unpack(">BBHHHBBH4s4s", b[:20])
        b = self.cut(b, h[2])
        n = 24 if h[6] == IGMP else 20      # with router alert
        self.check(h[0] == 0x40 + n // 4 and not csum(b[:n]), "IPv4 header")
        self.check(n == 20 or b[20:24] == b"\x94\4\0\0", "router alert")
        self.tos = h[1]
        self.fragment = bool(h[4] & 0x3fff)
        self.df = bool(h[4] & 0x4000)
        self.check(self.fragment or (self.df and not h[3]), "DF, id 0")
        self.ttl, self.proto, self.src, self.dst = (
            h[5], h[6], text(h[8]), text(h[9]))
        self.l4(b[n:])

    def ip6(self, b):
        self.v, h = 6, struct.unpack(">IHBB16s16s", b[:40])
        b = self.cut(b, 40 + h[1])
        self.check(h[0] >> 28 == 6, "IPv6 version")
        self.tos = h[0] >> 20 & 0xff
        self.flow, self.proto, self.ttl = h[0] & 0xfffff, h[2], h[3]
        self.src, self.dst = text(h[4]), text(h[5])
        if self.proto == 44:
            self.fragment = True
        if self.proto == 0 and self.check(
                b[40:48] == bytes((ICMP6, 0, 5, 2, 0, 0, 1, 0)),
                "router alert"):
            self.proto, b = ICMP6, b[8:]
        self.l4(b[40:])

    def l4(self, b):
        self.data = b
        if self.fragment:
            return
        self.check(self.proto == UDP or self.tos == 0xc0 * (self.proto ==
                   IGMP), "TOS")
        head = b"" if self.proto in (ICMP, IGMP) else \
            pseudo(self.src, self.dst, self.proto, len(b))
        self.check((self.proto == UDP and b[6:8] == b"\0\0" and self.v == 4)
                   or not csum(head + b), "checksum")
        if self.proto == UDP:
            self.sport, self.dport, n, _ = struct.unpack(">4H", b[:8])
            self.check(n == len(b), "UDP length")
            self.data = b[8:]
        elif self.proto == TCP:
            (self.sport, self.dport, self.seq, self.ack, off, self.flags,
             self.win, _, urg) = struct.unpack(">HHIIBBHHH", b[:20])
            self.check(self.ttl == 255, "TTL of TCP")
            self.check(self.v == 4 or self.flow or self.flags & RST,
                       "flow label of TCP")
            self.opts = b[20:off // 16 * 4]
            self.data = b[off // 16 * 4:]
        elif self.proto in (ICMP, ICMP6):
            self.icmp_type, self.code, self.data = b[0], b[1], b[4:]
        elif self.proto == IGMP:
            self.check(len(b) == 12 and b[0] == 0x11 and self.ttl == 1,
                       "IGMP query")
        else:
            self.check(False, "protocol")

    def background(self):
        """Not an answer to anything: what we tell everybody at times."""
        if self.type == 0x0806:
            return self.op == 1 and self.dst_mac == BCAST
        if self.query():
            return True
        return self.proto == ICMP6 and (
            self.icmp_type in (134, 136) and self.dst == ALL_NODES or
            self.icmp_type == 135)

    def query(self):
        """Whether a question about groups, of IGMP or MLD."""
        return self.proto == IGMP or \
            self.proto == ICMP6 and self.icmp_type == 130


def well_formed():
    ok(not faults, "every frame from passt was well-formed",
       "\n".join(faults[:10]))


class Guest:
    our_mac = OUR_MAC

    def __init__(self, passt, mac=MAC, ip4=HOST[4], ip6=HOST[6]):
        self.passt, self.mac, self.ip = passt, mac, {4: ip4, 6: ip6}
        self.s, self.buf, self.n = passt.connect(), b"", 0

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.s.close()

    def send(self, *frames):
        self.s.sendall(b"".join(struct.pack(">I", len(f)) + f
                                for f in frames))

    def recv(self, timeout=3):
        """The next frame, or None."""
        end = time.monotonic() + timeout
        while True:
            if len(self.buf) >= 4:
                n, = struct.unpack(">I", self.buf[:4])
                if len(self.buf) >= 4 + n:
                    f, self.buf = self.buf[4:4 + n], self.buf[4 + n:]
                    return Pkt(f)
            left = end - time.monotonic()
            if left < 0 or not select.select([self.s], [], [], left)[0]:
                return None
            b = self.s.recv(1 << 18)
            if not b:
                raise RuntimeError("passt closed the connection")
            self.buf += b

    def expect(self, want, timeout=3):
        """The next packet that is wanted; those before are forgotten."""
        end = time.monotonic() + timeout
        while True:
            p = self.recv(max(0, end - time.monotonic()))
            if p is None:
                raise RuntimeError("expected packet did not come")
            if want(p):
                return p

    def expect_udp(self, v, dport, timeout=3):
        return self.expect(lambda p: p.v == v and p.proto == UDP and
                           p.dport == dport, timeout)

    def fence(self):
        """A question, and what tells its answer."""
        self.n += 1
        if self.ip[4]:
            a = f"198.18.{self.n >> 8}.{self.n & 255}"
            return arp(self.ip[4], a, sha=self.mac), \
                lambda p: p.type == 0x0806 and p.op == 2 and p.spa == a
        n = self.n << 8 | 0xfe000000
        return eth(packet(self.ip[6], "2001:db8::9", TCP,
                      tcp(9, 9, ACK, 1, n)), src=self.mac), \
            lambda p: p.proto == TCP and p.flags & RST and p.seq == n

    def replies(self, *frames, background=False):
        """All that comes until what is sent behind @frames is answered."""
        ask, end = self.fence()
        self.send(*frames, ask)
        out = []
        while True:
            p = self.recv(5)
            if p is None:
                raise RuntimeError("no answer to the fence")
            if end(p):
                return out
            if background or not p.background():
                out.append(p)

    def reply(self, *frames):
        """The only reply."""
        got = self.replies(*frames)
        if len(got) != 1:
            raise RuntimeError(f"{len(got)} replies, not one: {got}")
        return got[0]


def host_ll(topo, dev="eth0"):
    out = ip(topo.host, f"-6 addr show dev {dev} scope link").stdout
    return out.split("inet6 ")[1].split("/")[0]


def same(got, want, name):
    return ok(got == want, name, f"got  {got!s:.600}\nwant {want!s:.600}")
