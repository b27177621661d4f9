#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Echo and datagrams of a scripted guest: what crosses unchanged, which
addresses, ports and hop counts both sides see, and how errors are quoted."""
import sys

sys.dont_write_bytecode = True
from wire import *      # noqa: E402

need_root()
topo = Topo()
NONE = "-D", "none", "-S", "none"
LL = host_ll(topo)
IP_RECVTTL = 12
IN, IN_ANY = 7001, 7002     # forwarded to the guest
NOBODY = {4: "10.77.0.77", 6: "fd77::77"}


def echoed(g, v, dst, id, seq, data, ttl=64, src=None):
    g.send(eth(packet(src or HOST[v], dst, ICMP if v == 4 else ICMP6,
                      echo(v, id, seq, data), ttl)))
    return g.expect(lambda p: p.proto in (ICMP, ICMP6) and p.v == v and
                    p.icmp_type in (0, 129))


def received(v):
    """Echo requests that the host itself was asked, by its counters."""
    if v == 4:
        return counter(topo.host, "IcmpInEchos")
    for l in read(f"/proc/{topo.host}/net/snmp6").splitlines():
        if l.split()[0] == "Icmp6InEchos":
            return int(l.split()[1])


def echoes(g, v):
    for id, seq, data in ((0x1234, 1, b"ping"), (0x1234, 2, b""),
                          (0x1234, 0, b"\0" * 56), (0, 0xffff, b"x"),
                          (0xffff, 7, bytes(range(256)) * 5),
                          (1, 1, b"L" * 65400)):
        p = echoed(g, v, REMOTE[v], id, seq, data)
        same((p.src, p.dst, p.ttl, p.code, p.data[:4], p.data[4:] == data),
             (REMOTE[v], HOST[v], 64, 0, struct.pack(">HH", id, seq), True),
             f"IPv{v}: echo, id {id}, sequence {seq}, {len(data)} bytes")
    before = received(v)
    p = echoed(g, v, GW[v], 5, 1, b"gw")
    same((p.src, p.data[4:], received(v) - before), (GW[v], b"gw", 1),
         f"IPv{v}: echo to the gateway is answered by the host")
    p = echoed(g, v, REMOTE[v], 5, 2, b"other source",
               src={4: "10.77.0.200", 6: "2001:db8::1"}[v])
    same(p.dst, {4: "10.77.0.200", 6: "2001:db8::1"}[v],
         f"IPv{v}: echo from another address of the guest's")
    g.send(eth(packet(HOST[v], REMOTE[v], ICMP if v == 4 else ICMP6,
                      echo(v, 9, 1, b"one"))),
           eth(packet(HOST[v], REMOTE[v], ICMP if v == 4 else ICMP6,
                      echo(v, 10, 1, b"two"))))
    got = {g.expect(lambda p: p.proto in (ICMP, ICMP6)).data for _ in "12"}
    same(got, {b"\0\x09\0\1one", b"\0\x0a\0\1two"},
         f"IPv{v}: two identifiers at once")
    same(g.replies(eth(packet(HOST[v], REMOTE[v], ICMP if v == 4 else ICMP6,
                              icmp(8 if v == 4 else 128, b"\0\1\0\1", 1)))),
         [], f"IPv{v}: echo with code 1 is none")


def dgram(v, pid=None, addr=None, port=0):
    s = socket_in(pid or topo.remote, v, socket.SOCK_DGRAM)
    if v == 4:
        s.setsockopt(socket.SOL_IP, IP_RECVTTL, 1)
    else:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
    s.bind((addr or REMOTE[v], port))
    s.settimeout(3)
    return s


def get(s):
    data, anc, _, peer = s.recvmsg(70000, 200)
    ttl = [int.from_bytes(d[:4], sys.byteorder) for _, _, d in anc]
    return data, peer[:2], ttl[0] if ttl else None


def out(g, v, dst, sport, dport, data=b"", ttl=64, src=None):
    g.send(eth(packet(src or HOST[v], dst, UDP, udp(sport, dport, data),
                      ttl)))


def set_ttl(s, v, ttl):
    s.setsockopt(*((socket.SOL_IP, socket.IP_TTL) if v == 4 else
                   (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS)), ttl)


def outbound(g, v):
    # At the default MTU of 65520
    largest = 65520 - (28 if v == 4 else 48)
    with dgram(v) as s:
        port = s.getsockname()[1]
        for sport, ttl, data in ((5001, 64, b"hello"), (5001, 33, b""),
                                 (5001, 255, b"x"), (5002, 2, b"y" * 1472),
                                 (65535, 64, b"z" * largest)):
            name = f"IPv{v}: {len(data)} bytes from {sport}, TTL {ttl}"
            with case(name):
                out(g, v, REMOTE[v], sport, port, data, ttl)
                got = get(s)
                same((got[0] == data, *got[1:]),
                     (True, (HOST[v], sport), ttl), f"{name}: outside")
                set_ttl(s, v, 255 - ttl or 1)
                s.sendto(data[::-1], got[1])
                p = g.expect_udp(v, sport)
                same((p.src, p.sport, p.dst, p.ttl, p.data == data[::-1]),
                     (REMOTE[v], port, HOST[v], 255 - ttl or 1, True),
                     f"{name}: and back")
        # Only the peer may answer
        with dgram(v) as other:
            other.sendto(b"stranger", (HOST[v], 5001))
            s.sendto(b"peer", (HOST[v], 5001))
            same(g.expect_udp(v, 5001).data, b"peer",
                 f"IPv{v}: no answers of strangers")
        # What must not go out, and what goes out behind it
        bad = (packet(HOST[v], REMOTE[v], UDP, udp(5003, port, b"b", 7)),
               packet(HOST[v], REMOTE[v], UDP, udp(5003, port, b"b", 100)),
               packet(HOST[v], REMOTE[v], UDP, udp(0, port, b"b")),
               packet(HOST[v], REMOTE[v], UDP, udp(5003, port, b"b")[:7]))
        g.send(*map(eth, bad))
        out(g, v, REMOTE[v], 5003, port, b"good")
        same(get(s)[0], b"good",
             f"IPv{v}: wrong lengths and source port 0 are dropped")
        if v == 4:
            b = bytearray(udp(5003, port, b"nosum"))
            g.send(eth(ip4(HOST[4], REMOTE[4], UDP, bytes(b))))
            same(get(s)[0], b"nosum", "IPv4: without checksum")
        frame = eth(packet(HOST[v], REMOTE[v], UDP, udp(5003, port, b"pad")))
        g.send(frame + b"\xee" * 20)
        same(get(s)[0], b"pad", f"IPv{v}: padding is no data")
        g.send(eth(packet(HOST[v], REMOTE[v], UDP, udp(5003, port, b"cut!" *
                                                       2, 8 + 4))))
        same(get(s)[0], b"cut!", f"IPv{v}: UDP length below IP's rules")
    with dgram(v, topo.host, LOOP[v]) as s:
        port = s.getsockname()[1]
        out(g, v, GW[v], 5004, port, b"lo")
        data, peer, _ = get(s)
        same((data, peer), (b"lo", (LOOP[v], 5004)),
             f"IPv{v}: the gateway is the host's loopback")
        s.sendto(b"ol", peer)
        p = g.expect_udp(v, 5004)
        same((p.src, p.sport, p.data), (GW[v], port, b"ol"),
             f"IPv{v}: and answers as the gateway")


def groups(g):
    """Broadcast and multicast leave as such."""
    with dgram(4, addr=ANY[4]) as s:
        port = s.getsockname()[1]
        out(g, 4, "10.77.0.255", 5005, port, b"bcast")
        same(get(s)[:2], (b"bcast", (HOST[4], 5005)), "IPv4: broadcast")
        s.setsockopt(socket.SOL_IP, socket.IP_ADD_MEMBERSHIP, struct.pack(
            "4s4si", addr("239.7.7.7"), addr(REMOTE[4]), 0))
        out(g, 4, "239.7.7.7", 5006, port, b"group")
        same(get(s)[:2], (b"group", (HOST[4], 5006)), "IPv4: multicast")
    with dgram(6, addr=ANY[6]) as s:
        port = s.getsockname()[1]
        index = int(read_in(topo.remote, "/sys/class/net/eth0/ifindex"))
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
                     addr("ff05::7777") + struct.pack("i", index))
        out(g, 6, "ff05::7777", 5006, port, b"group")
        same(get(s)[0], b"group", "IPv6: multicast")


def read_in(pid, path):
    name = path.split("/")[-2]
    return ip(pid, f"-o link show {name}").stdout.split(":")[0]


def unreachable(g, v, dst, sport, dport, data):
    """Send to a closed port, check what the error says."""
    out(g, v, dst, sport, dport, data)
    p = g.expect(lambda p: p.proto in (ICMP, ICMP6) and not p.background() and
                 p.icmp_type in (1, 3))
    name = f"IPv{v}: closed port of {dst}, {len(data)} bytes"
    same((p.icmp_type, p.code, p.src, p.dst), (3, 3, dst, HOST[v]) if v == 4
         else (1, 4, dst, HOST[v]), name)
    # Of what it quotes a host knows no more than the error that it got had
    # room for, and so may we
    shown = min(len(data), 520 if v == 4 else 1184)
    want = bytearray(packet(HOST[v], dst, UDP, udp(sport, dport,
                                                   data[:shown]),
                            255, **({"id": 0} if v == 4 else {})))
    at = (20 if v == 4 else 40) + 8
    want[at - 2:at] = b"\0\0"
    same(p.data[4:], bytes(want[:at + 8] if v == 4 else want),
         f"{name}: quoted")
    return p


def errors(g, v):
    with dgram(v) as s:
        closed = s.getsockname()[1]
    for dst in REMOTE[v], GW[v]:
        for n, data in enumerate((b"", b"four", b"q" * 8, b"q" * 40,
                                  b"Q" * 1300, b"R" * 5000)):
            with case(f"IPv{v}: error from {dst}"):
                p = unreachable(g, v, dst, 5100 + n, closed, data)
                ok(len(p.frame) <= 14 + (576 if v == 4 else 1280),
                   "error of limited size", len(p.frame))


def inbound(g, v):
    with dgram(v) as s:
        me = s.getsockname()[1]
        for ttl, data in (64, b"in"), (7, b""), (200, b"i" * 1000):
            name = f"IPv{v}: inbound, {len(data)} bytes, TTL {ttl}"
            with case(name):
                set_ttl(s, v, ttl)
                s.sendto(data, (HOST[v], IN))
                p = g.expect_udp(v, IN)
                same((p.src, p.sport, p.dst, p.ttl, p.data),
                     (REMOTE[v], me, HOST[v], ttl, data), name)
                out(g, v, REMOTE[v], IN, me, data + b"!", ttl)
                same(get(s), (data + b"!", (HOST[v], IN), ttl),
                     f"{name}: answered")
    # RFC 6724: the guest would take its own address for itself. Who answers
    # a link-local address has to be told at his
    g.replies(ns(NOBODY[6]))
    for source, src, dst in (
            (LOOP[v], GW[v], HOST[v]),
            (HOST[v], GW[4] if v == 4 else LL, HOST[4] if v == 4 else
             GUEST_LL)):
        with dgram(v, topo.host, source) as s:
            s.sendto(b"lo", (source, IN))
            p = g.expect_udp(v, IN)
            same((p.src, p.sport, p.dst), (src, s.getsockname()[1], dst),
                 f"IPv{v}: a client at {source} is seen as {src}")
            out(g, v, p.src, IN, p.sport, b"back", src=p.dst)
            same(get(s)[0], b"back", f"IPv{v}: and gets its answer")
    with dgram(v) as s:
        s.sendto(b"m", (HOST[v], IN_ANY))
        same(g.expect_udp(v, 7102).data, b"m", f"IPv{v}: port mapping")


def stale(p):
    """A guest that does not read leaves, and another one comes."""
    with dgram(4) as s:
        with Guest(p) as g:
            g.replies()                 # so that it is known
            for _ in range(3000):
                s.sendto(b"old".ljust(1400), (HOST[4], IN))
        time.sleep(0.2)
        s.sendto(b"old", (HOST[4], IN))
        time.sleep(0.2)
        with Guest(p) as g:
            g.replies()
            s.sendto(b"new", (HOST[4], IN))
            same(g.expect_udp(4, IN).data[:3], b"new",
                 "what waits for a guest that has left is not for the next")


with topo.passt("-u", f"{IN},{IN_ANY}:7102", *NONE) as p:
    with case("stale"):
        stale(p)
with topo.passt("-u", f"{IN},{IN_ANY}:7102", *NONE) as p, Guest(p) as g:
    for v in 4, 6:
        for f in echoes, outbound, errors, inbound:
            with case(f"IPv{v}: {f.__name__}"):
                f(g, v)
    with case("groups"):
        groups(g)
with case("--no-icmp"), topo.passt("--no-icmp", *NONE) as p, Guest(p) as g:
    for v in 4, 6:
        got = g.replies(eth(packet(HOST[v], REMOTE[v], ICMP if v == 4 else
                                   ICMP6, echo(v, 1, 1, b"no"))))
        with dgram(v) as s:
            out(g, v, REMOTE[v], 5000, s.getsockname()[1], b"fence")
            s.sendto(b"", get(s)[1])
        p = g.expect(lambda p: not p.background() and p.type != 0x0806)
        same((p.proto, got), (UDP, []), f"--no-icmp: no echo, IPv{v}")
with case("--no-udp"), topo.passt("--no-udp", *NONE) as p, Guest(p) as g:
    for v in 4, 6:
        with dgram(v) as s:
            out(g, v, REMOTE[v], 5000, s.getsockname()[1], b"no")
            echoed(g, v, REMOTE[v], 1, 1, b"fence")
            s.setblocking(False)
            try:
                got = s.recv(10)
            except BlockingIOError:
                got = None
            same(got, None, f"--no-udp: nothing goes out, IPv{v}")
well_formed()
done()
