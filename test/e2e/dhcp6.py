# SPDX-License-Identifier: GPL-2.0-or-later
"""DHCPv6 messages: ask() and options make them, Reply takes them apart."""
from wire import *      # noqa: F403

(SOLICIT, ADVERTISE, REQUEST, CONFIRM, RENEW, REBIND, REPLY, RELEASE, DECLINE,
 RECONFIGURE, INFO, RELAY_FORW, RELAY_REPL) = range(1, 14)
XID = b"\xab\xcd\xef"
IAID = b"\1\2\3\4"
FOREVER = b"\xff" * 4


def opt(code, val=b"", n=None):
    return struct.pack(">HH", code, len(val) if n is None else n) + val


DUID = b"\0\3\0\1" + MAC
CLIENT = opt(1, DUID)


def iaaddr(a, opts=b"", life=b"\0\0\0\1" * 2):
    return opt(5, addr(a) + life + opts)


def ia(*addrs, id=IAID, opts=b""):
    return opt(3, id + b"\0\0\0\5" * 2 + b"".join(map(iaaddr, addrs)) + opts)


def ask(type, opts, src=GUEST_LL, dst=ALL_SERVERS, sport=546, dport=547,
        raw=None, **kw):
    return eth(packet(src, dst, UDP, udp(
        sport, dport, bytes([type]) + XID + opts if raw is None else raw,
        **kw), 1), b"\x33\x33\0\1\0\2")


def walk(b):
    out = []
    while b:
        code, n = struct.unpack(">HH", b[:4])
        if len(b) < 4 + n:
            raise RuntimeError(f"options: {b.hex()}")
        out.append((code, b[4:4 + n]))
        b = b[4 + n:]
    return out


class Reply:
    def __init__(self, p):
        if p.proto != UDP:
            raise RuntimeError(f"not UDP: {p}")
        self.p, self.type, self.xid = p, p.data[0], p.data[1:4]
        self.opts = walk(p.data[4:])

    def codes(self):
        return [c for c, _ in self.opts]

    def get(self, code):
        v = [v for c, v in self.opts if c == code]
        return v[0] if len(v) == 1 else None


def reply(g, type, opts, **kw):
    return Reply(g.reply(ask(type, opts, **kw)))


def given(iaid=IAID, a=HOST[6]):
    return iaid + FOREVER * 2 + opt(5, addr(a) + FOREVER * 2)


def status(v):
    """Its code; the text is free, but there."""
    for code, val in walk(v):
        if code == 13 and len(val) > 2:
            return int.from_bytes(val[:2], "big")
    return None


def names(*list):
    return b"".join(b"".join(bytes([len(l)]) + l.encode()
                             for l in n.split(".")) + b"\0" for n in list)
