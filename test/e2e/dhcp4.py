# SPDX-License-Identifier: GPL-2.0-or-later
"""DHCPv4 messages: bootp() and options make them, Reply takes them apart."""
from wire import *      # noqa: F403

XID = b"\xde\xad\xbe\xef"
MAGIC = b"\x63\x82\x53\x63"
DISCOVER, OFFER, REQUEST, DECLINE, ACK_, NAK, RELEASE, INFORM = range(1, 9)
FOREVER = b"\xff" * 4


def opt(code, val=b""):
    return bytes([code, len(val)]) + val


def kind(t):
    return opt(53, bytes([t]))


def bootp(opts=b"", op=1, htype=1, hlen=6, hops=0, secs=0, flags=0,
          ciaddr="0.0.0.0", giaddr="0.0.0.0", chaddr=MAC, sname=b"",
          file=b"", magic=MAGIC, end=b"\xff"):
    return struct.pack(">BBBB4sHH4s4s4s4s16s64s128s", op, htype, hlen, hops,
                       XID, secs, flags, addr(ciaddr), b"\0" * 4, b"\0" * 4,
                       addr(giaddr), chaddr, sname, file) + \
        magic + opts + end


def ask(msg, src="0.0.0.0", dst="255.255.255.255", sport=68, dport=67,
        dst_mac=BCAST, **kw):
    return eth(packet(src, dst, UDP, udp(sport, dport, msg, **kw)), dst_mac)


class Reply:
    def __init__(self, p):
        if p.proto != UDP:
            raise RuntimeError(f"not UDP: {p}")
        self.p, b = p, p.data
        (self.op, self.htype, self.hlen, self.hops, self.xid, self.secs,
         self.flags, *a, self.chaddr, self.sname, self.file,
         self.magic) = struct.unpack(">BBBB4sHH4s4s4s4s16s64s128s4s", b[:240])
        self.ciaddr, self.yiaddr, self.siaddr, self.giaddr = map(text, a)
        self.opts, at = [], 240
        while b[at] != 255:
            n = b[at + 1]
            self.opts.append((b[at], b[at + 2:at + 2 + n]))
            if len(self.opts[-1][1]) != n:
                raise RuntimeError("option beyond the end")
            at += 2 + n
        self.area, self.rest = at - 240, b[at + 1:]

    def codes(self):
        return [c for c, _ in self.opts]

    def get(self, code):
        v = [v for c, v in self.opts if c == code]
        return v[0] if len(v) == 1 else None


def reply(g, msg, **kw):
    return Reply(g.reply(ask(msg, **kw)))


def names(*list):
    """Uncompressed."""
    return b"".join(b"".join(bytes([len(l)]) + l.encode()
                             for l in n.split(".")) + b"\0" for n in list)
