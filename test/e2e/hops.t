#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The path beyond the host, as the guest sees it: traceroute, errors with their
codes and reporters, and what IP headers carry. Two routers lie between:

    host  --  remote (10.77.0.3)  --  second (10.78.1.2)  --  far (10.78.2.2)

The last link has an MTU of 1400. Most is compared with what a program on the
host itself is told."""
import errno
import re
import select
import socket
import struct
import sys

sys.dont_write_bytecode = True
from lib import *       # noqa: E402

need_root()
FAR = {4: "10.78.2.2", 6: "fd78:2::2"}
SECOND = {4: "10.78.1.2", 6: "fd78:1::2"}
NOWHERE = {4: "10.99.0.1", 6: "fd99::1"}        # no router has a route
UNREACH = {4: "10.78.3.1", 6: "fd78:3::1"}      # the second says so
PROHIBIT = {4: "10.78.4.1", 6: "fd78:4::1"}
LOCAL = {4: "10.78.5.1", 6: "fd78:5::1"}        # the host says so
LOCAL_PROHIBIT = {4: "10.78.6.1", 6: "fd78:6::1"}
SILENT = {4: "10.77.0.88", 6: "fd77::88"}       # no such neighbour
MSG_ERRQUEUE = 0x2000
IPV6 = socket.IPPROTO_IPV6
RECVERR = {4: (socket.SOL_IP, 11), 6: (IPV6, 25)}
TTL = {4: (socket.SOL_IP, socket.IP_TTL), 6: (IPV6, socket.IPV6_UNICAST_HOPS)}
TOS = {4: (socket.SOL_IP, socket.IP_TOS), 6: (IPV6, 67)}
RECVTOS = {4: (socket.SOL_IP, 13), 6: (IPV6, 66)}


def sysctl(pid, text):
    run(*enter(pid, "sh", "-c", text), check=False)


def routers():
    """The namespaces behind the remote; returns their holders."""
    second, far = holder("--net"), holder("--net")
    chain = [topo.remote, second.pid, far.pid]
    for n in range(2):
        a, b, mtu = chain[n], chain[n + 1], (65520, 1400)[n]
        ip(a, f"link add down0 type veth peer name up0 netns {b}")
        for pid, dev, last in (a, "down0", 1), (b, "up0", 2):
            ip(pid, "link set lo up")
            ip(pid, f"link set {dev} mtu {mtu} up")
            ip(pid, f"addr add 10.78.{n + 1}.{last}/24 dev {dev}")
            ip(pid, f"addr add fd78:{n + 1}::{last}/64 dev {dev} nodad")
    for pid in chain:
        sysctl(pid, """
            echo 1 >/proc/sys/net/ipv4/ip_forward
            echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
            echo 0 >/proc/sys/net/ipv4/icmp_ratelimit
            echo 0 >/proc/sys/net/ipv6/icmp/ratelimit
            echo 100000 >/proc/sys/net/ipv4/icmp_msgs_per_sec""")
    # That nobody is there shall be found out soon
    sysctl(topo.host, """
        echo 200 >/proc/sys/net/ipv4/neigh/eth0/retrans_time_ms
        echo 200 >/proc/sys/net/ipv6/neigh/eth0/retrans_time_ms""")
    for v in 4, 6:
        for a in FAR, UNREACH, PROHIBIT:
            ip(topo.remote, f"-{v} route add {a[v]} via {SECOND[v]}")
        ip(second.pid, f"-{v} route add unreachable {UNREACH[v]}")
        ip(second.pid, f"-{v} route add prohibit {PROHIBIT[v]}")
        ip(topo.host, f"-{v} route add unreachable {LOCAL[v]}")
        ip(topo.host, f"-{v} route add prohibit {LOCAL_PROHIBIT[v]}")
    for v, via1, via2 in (4, "10.78.1.1", "10.78.2.1"), \
            (6, "fd78:1::1", "fd78:2::1"):
        ip(second.pid, f"-{v} route add default via {via1}")
        ip(far.pid, f"-{v} route add default via {via2}")
    return second, far


# --- traceroute ---

def hops(pid, v, *opts):
    r = run(*enter(pid, "traceroute", f"-{v}", "-n", "-q1", "-w3", "-m6",
                   *opts, FAR[v]), check=False)
    return re.findall(r"^ *\d+ +(\S+)", r.stdout, re.M), r.stdout + r.stderr


def traceroutes(name, guest):
    for v in 4, 6:
        for kind, *opts in ("UDP",), ("ICMP", "-I"), ("UDP to one port", "-U"):
            text = f"{name}: traceroute -{v} by {kind}"
            with case(text):
                want, _ = hops(topo.host, v, *opts)
                got, out = hops(guest, v, *opts)
                ok(got == want and len(got) == 3 and got[2] == FAR[v] and
                   got[1] == SECOND[v], f"{text} shows the real path",
                   f"{want}\n{out}")


# --- errors ---

def told(*args, **kw):
    """As told_once(), but routers may also be silent, by their limits."""
    return told_once(*args, **kw) or told_once(*args, **kw)


def told_once(pid, v, dst, size=20, ttl=64, port=9, timeout=4):
    """What a program that sends a datagram is told: errno, type, code, info,
    reporter, and whether the datagram came back with it."""
    s = socket_in(pid, v, socket.SOCK_DGRAM)
    s.setsockopt(*RECVERR[v], 1)
    s.setsockopt(*TTL[v], ttl)
    # Do not let the kernel cut it
    s.setsockopt(*((socket.SOL_IP, 10) if v == 4 else (IPV6, 23)), 2)
    data = bytes(i & 255 for i in range(size))
    try:
        s.connect((dst, port))
        s.send(data)
    except OSError as e:
        return e.errno
    p = select.poll()
    p.register(s, 0)
    if not p.poll(timeout * 1000):
        return None
    got, anc, _, _ = s.recvmsg(4000, 600, MSG_ERRQUEUE)
    s.close()
    for level, kind, d in anc:
        if (level, kind) == RECVERR[v]:
            err, origin, kind, code, _, info, _ = struct.unpack("=IBBBBII",
                                                                d[:16])
            off = d[16 + 4:16 + 8] if v == 4 else d[16 + 8:16 + 24]
            return (err, kind, code, info if err == 90 else 0,
                    socket.inet_ntop(AF[v], off), got[:8] == data[:8])


def errors(name, guest):
    for v in 4, 6:
        for what, dst, kw in (
                ("port unreachable", FAR, {}),
                ("port unreachable, of the next hop", REMOTE, {}),
                ("no route", NOWHERE, {}),
                ("unreachable", UNREACH, {}),
                ("prohibited", PROHIBIT, {}),
                ("TTL exceeded, 1", FAR, {"ttl": 1}),
                ("TTL exceeded, 2", FAR, {"ttl": 2}),
                ("too big", FAR, {"size": 1600})):
            text = f"{name}: IPv{v}, {what}"
            with case(text):
                if "big" in what:
                    # The host must not know before; then it would cut it
                    ip(topo.host, f"-{v} route flush cache")
                    want = (90, *((3, 4) if v == 4 else (2, 0)), 1400,
                            SECOND[v], True)
                else:
                    want = told(topo.host, v, dst[v], **kw)
                got = told(guest, v, dst[v], **kw)
                ok(got and got == want, text, f"got  {got}\nwant {want}")
        # What the host itself finds out is reported by the gateway; its
        # address of IPv6 is the link-local one
        for what, dst, code in (("unreachable", LOCAL, (1, 3)),
                                ("prohibited", LOCAL_PROHIBIT, (13, 1)),
                                ("no neighbour", SILENT, (1, 3))):
            text = f"{name}: IPv{v}, {what}, by the host"
            with case(text):
                got = told(guest, v, dst[v])
                ok(got and got[1:3] == ((3, code[0]) if v == 4 else
                                        (1, code[1])) and got[5] and
                   (got[4] == GW[4] if v == 4 else
                    got[4].startswith("fe80::")), text, got)


def connecting(pid, v, dst):
    """How connect() ends, by name."""
    s = socket_in(pid, v)
    s.settimeout(6)
    try:
        s.connect((dst, 9))
        return "connected"
    except OSError as e:
        return errno.errorcode.get(e.errno, str(e))
    finally:
        s.close()


def connects(name, guest):
    """TCP: the same errno as without us. An unreachable host is not one that
    refuses, as programs with several addresses to try know."""
    for v in 4, 6:
        for what, dst, want in (
                ("refused", FAR, None), ("no route", NOWHERE, None),
                ("unreachable", UNREACH, None), ("prohibited", PROHIBIT, None),
                ("unreachable, by the host", LOCAL, "EHOSTUNREACH"),
                # What a router's message makes of it; locally it is EACCES
                ("prohibited, by the host", LOCAL_PROHIBIT,
                 "EHOSTUNREACH" if v == 4 else "EACCES"),
                ("no neighbour", SILENT, "EHOSTUNREACH")):
            text = f"{name}: IPv{v}, a connection, {what}"
            with case(text):
                want = want or connecting(topo.host, v, dst[v])
                got = connecting(guest, v, dst[v])
                ok(got == want and got != "connected", text,
                   f"{got}, not {want}")


# --- what headers carry ---

def carried(name, guest):
    """Of datagrams all of it, both ways."""
    for v in 4, 6:
        text = f"{name}: IPv{v}, TOS and TTL"
        with case(text):
            r = socket_in(topo.remote, v, socket.SOCK_DGRAM)
            g = socket_in(guest, v, socket.SOCK_DGRAM)
            r.bind((REMOTE[v], 0))
            out, back = [], []
            for s in r, g:
                s.settimeout(5)
                s.setsockopt(*RECVTOS[v], 1)
                s.setsockopt(*((socket.SOL_IP, 12) if v == 4 else
                               (IPV6, socket.IPV6_RECVHOPLIMIT)), 1)
            pairs = (0, 64), (0xb8, 64), (0x2f, 7), (1, 255), (0xff, 128)
            for tos, ttl in pairs:
                for a, b, to, seen, plus in (
                        (g, r, r.getsockname()[:2], out, 0),
                        (r, g, None, back, 1)):
                    a.setsockopt(*TOS[v], tos ^ plus)
                    a.setsockopt(*TTL[v], ttl - plus)
                    a.sendto(b"x", to or peer)
                    _, anc, _, peer = b.recvmsg(10, 300)
                    peer = peer[:2]
                    d = {(l, k): d for l, k, d in anc}
                    seen.append((
                        d[(0, 1)][0] if v == 4 else
                        struct.unpack("i", d[(IPV6, 67)])[0],
                        struct.unpack("i", d[(0, 2) if v == 4 else
                                             (IPV6, 52)])[0]))
            ok(out == list(pairs), f"{text}, out", out)
            ok(back == [(a ^ 1, b - 1) for a, b in pairs], f"{text}, in",
               back)


class Wire:
    """What comes to the remote, as far as it is TCP to or from a port."""

    def __init__(self, port):
        self.s = socket_in(topo.remote, kind=socket.SOCK_RAW,
                           proto=socket.htons(3), af=socket.AF_PACKET)
        self.s.bind(("eth0", 3))
        self.s.settimeout(0.3)
        self.port = port

    def tos(self):
        """Of segments from the host: (SYN?, TOS) in turn, doubles left out."""
        out = []
        try:
            while True:
                b = self.s.recv(70000)
                v6 = b[12:14] == b"\x86\xdd"
                if not v6 and b[12:14] != b"\x08\x00":
                    continue
                if (b[20] if v6 else b[23]) != 6:
                    continue
                l4 = b[54:] if v6 else b[34:]
                src = b[22:38] if v6 else b[26:30]
                if socket.inet_pton(AF[6 if v6 else 4],
                                    HOST[6 if v6 else 4]) != src or \
                        self.port not in struct.unpack("!HH", l4[:4]):
                    continue
                tos = (b[14] << 8 | b[15]) >> 4 & 255 if v6 else b[15]
                one = bool(l4[13] & 2), tos
                if one not in out[-1:]:
                    out.append(one)
        except TimeoutError:
            return out


def tcp(name, p):
    """Of connections what the socket lets us: DSCP of the guest's segments."""
    for v in 4, 6:
        text = f"{name}: IPv{v}, DSCP of a connection"
        with case(text), listen_in(topo.remote, v) as l:
            port = l.getsockname()[1]
            w = Wire(port)
            s = socket_in(p.guest, v)
            s.setsockopt(*TOS[v], 0xb8)
            s.connect((REMOTE[v], port))
            c = l.accept()[0]
            s.send(b"one")
            c.recv(10)
            first = w.tos()
            s.setsockopt(*TOS[v], 0x28)
            s.send(b"two")
            c.recv(10)
            ok(first == [(True, 0xb8), (False, 0xb8)],
               f"{text}, from its SYN on", first)
            second = w.tos()
            ok(second[-1:] == [(False, 0x28)], f"{text}, and when it changes",
               second)
            s.close()
            c.close()
        with case(f"{text}, inbound"), listen_in(p.guest, v, port=16001) as l:
            l.setsockopt(*TOS[v], 0xb8)
            w = Wire(6001)
            s = connect_in(topo.remote, HOST[v], 6001)
            c = l.accept()[0]
            c.send(b"one")
            s.recv(10)
            got = w.tos()
            ok(got[-1:] == [(False, 0xb8)], f"{text}, of one from outside",
               got)
            s.close()
            c.close()


topo = Topo()
holders = routers()
for name, daemon in ("pasta", topo.pasta), ("passt", topo.passt):
    with daemon("-t", "6001:16001") as p:
        with case(name):
            g = PumpGuest(p) if name == "passt" else None
            traceroutes(name, p.guest)
            errors(name, p.guest)
            connects(name, p.guest)
            carried(name, p.guest)
            tcp(name, p)
            if g:
                g.stop()
done()
