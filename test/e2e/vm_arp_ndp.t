#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""ARP and neighbour discovery, frame by frame: who is answered and how, what a
router advertisement holds under which options, and what must not be answered.
Nothing here may depend on the host's neighbour table, so addresses asked for
are ones that nobody has."""
import sys

sys.dont_write_bytecode = True
from wire import *      # noqa: E402

need_root()
topo = Topo()
LL = host_ll(topo)
DNS = "-D", "10.77.0.53", "-D", "fd77::53"
NONE = "-D", "none", "-S", "none"
OTHER = bytes.fromhex("525400abcdef")
NOBODY = {4: "10.77.0.77", 6: "fd77::77"}
PREFIX = bytes.fromhex("030440c0ffffffffffffffff00000000") + \
    addr("fd77::")
SLLA, MTU = b"\1\1" + OUR_MAC, bytes.fromhex("05010000") + \
    struct.pack(">I", 65520)


def check_arp(p, asked, spa, name, sha=MAC, mac=OUR_MAC):
    same((p.type, p.op, p.sha, p.spa, p.tha, p.tpa, p.dst_mac, p.src_mac,
          len(p.frame)),
         (0x0806, 2, mac, asked, sha, spa, sha, mac, 60), name)


def arp_cases(g):
    for tpa in GW[4], NOBODY[4], "8.8.8.8", "169.254.1.1", "0.0.0.0":
        check_arp(g.reply(arp(HOST[4], tpa)), tpa, HOST[4],
                  f"ARP: {tpa} is ours")
    check_arp(g.reply(arp("0.0.0.0", NOBODY[4])), NOBODY[4], "0.0.0.0",
              "ARP: probe for a foreign address is answered")
    check_arp(g.reply(arp("10.77.0.200", NOBODY[4])), NOBODY[4],
              "10.77.0.200", "ARP: any sender is answered")
    check_arp(g.reply(arp(HOST[4], NOBODY[4], dst=OTHER)), NOBODY[4], HOST[4],
              "ARP: any destination MAC address will do")
    check_arp(g.reply(arp(HOST[4], NOBODY[4]) + b"\0" * 1400), NOBODY[4],
              HOST[4], "ARP: with long padding")
    for name, frame in (
            ("probe for its own address", arp("0.0.0.0", HOST[4])),
            ("request for its own address", arp(GW[4], HOST[4])),
            ("announcement", arp(HOST[4], HOST[4])),
            ("announcement of a foreign address", arp(GW[4], GW[4])),
            ("reply", arp(HOST[4], NOBODY[4], op=2)),
            ("operation 0", arp(HOST[4], NOBODY[4], op=0)),
            ("RARP operation", arp(HOST[4], NOBODY[4], op=3)),
            ("hardware type 6", arp(HOST[4], NOBODY[4], hw=6)),
            ("protocol IPv6", arp(HOST[4], NOBODY[4], proto=0x86dd)),
            ("hardware address of 8", arp(HOST[4], NOBODY[4], hlen=8)),
            ("protocol address of 16", arp(HOST[4], NOBODY[4], plen=16)),
            ("one byte missing", arp(HOST[4], NOBODY[4])[:-1]),
            ("nothing but the header", arp(HOST[4], NOBODY[4])[:14])):
        same(g.replies(frame), [], f"ARP: no answer to {name}")


def learning(p):
    """Where a datagram of the host goes: to who spoke last."""
    def to_guest(g):
        with socket_in(topo.remote, 4, socket.SOCK_DGRAM) as s:
            s.sendto(b"x", (HOST[4], 7777))
        return g.expect_udp(4, 7777)

    def accepted(g):
        """It was, when it is told something."""
        return g.expect(lambda f: f.type == 0x0806)

    with Guest(p) as g:
        accepted(g)
        same(to_guest(g).dst_mac, BCAST, "MAC: unknown at first, so broadcast")
        g.replies(arp(HOST[4], NOBODY[4], sha=MAC))
        same(to_guest(g).dst_mac, MAC, "MAC: learned from a request")
        g.send(arp(HOST[4], NOBODY[4], op=2, sha=OTHER))
        same(g.replies(), [], "MAC: a reply has no answer")
        g.send(arp(HOST[4], NOBODY[4], op=2, sha=OTHER))
        same(to_guest(g).dst_mac, OTHER, "MAC: but is learned from")
        g.send(eth(packet(HOST[4], NOBODY[4], TCP, tcp(1, 1, RST)), src=MAC))
        same(to_guest(g).dst_mac, MAC, "MAC: the latest frame counts")
        for bad, what in (BCAST, "broadcast"), (b"\0" * 6, "zero"), \
                (b"\1" + MAC[1:], "group"):
            g.send(eth(packet(HOST[4], NOBODY[4], TCP, tcp(1, 1, RST)),
                       src=bad))
            same(to_guest(g).dst_mac, MAC, f"MAC: {what} is not learned")
    with Guest(p) as g:
        ask = [f for f in g.replies(background=True) if f.type == 0x0806 and
               f.tpa == HOST[4]]
        same([f.dst_mac for f in ask], [BCAST], "MAC: asked for again")
        same(to_guest(g).dst_mac, MAC, "MAC: and learned again")
    with Guest(p) as g:
        accepted(g)
        same(to_guest(g).dst_mac, BCAST, "MAC: forgotten with the client")


def announce():
    """What a guest hears as soon as it connects."""
    with topo.passt(*NONE) as p, Guest(p) as g:
        got = g.replies(background=True)
        a = [f for f in got if f.type == 0x0806 and f.spa != f.tpa]
        same([(f.op, f.sha, f.spa, f.tha, f.tpa, f.dst_mac) for f in a],
             [(1, OUR_MAC, GW[4], BCAST, HOST[4], BCAST)],
             "connect: one ARP request for the assigned address")
        n = [f for f in got if f.proto == ICMP6 and f.icmp_type == 135]
        same([(f.src, f.dst, f.ttl, f.data, f.dst_mac, len(f.frame))
              for f in n],
             [(LL, HOST[6], 255, b"\0" * 4 + addr(HOST[6]), BCAST, 78)],
             "connect: one neighbour solicitation for it")
    for opts, families in (("-4",), (4,)), (("-6",), (6,)), \
            (("--no-ndp",), (4,)), (("--no-icmp",), (4,)):
        with topo.passt(*opts, *NONE) as p, Guest(p) as g:
            if "-6" in opts:
                g.ip[4] = None
            got = g.replies(background=True)
            same(sorted({4 if f.type == 0x0806 else f.v for f in got}),
                 list(families), f"connect: families with {opts[0]}")


def check_na(p, target, dst, name):
    same((p.icmp_type, p.code, p.data, p.src, p.dst, p.ttl, p.dst_mac,
          p.src_mac),
         (136, 0, b"\xe0\0\0\0" + addr(target) + b"\2\1" + OUR_MAC, LL, dst,
          255, MAC, OUR_MAC), name)


def ns_cases(g):
    slla = b"\1\1" + MAC
    for t in NOBODY[6], LL, "2001:db8::1", "fe80::1234", GW[6]:
        check_na(g.reply(ns(t)), t, GUEST_LL, f"NS: {t} is ours")
    check_na(g.reply(ns(NOBODY[6], HOST[6])), NOBODY[6], HOST[6],
             "NS: from the global address")
    check_na(g.reply(ns(NOBODY[6], dst=NOBODY[6])), NOBODY[6], GUEST_LL,
             "NS: to the address itself (unreachability detection)")
    for what, opts in (
            ("source address", slla), ("an unknown option",
                                       b"\x2a\2" + b"\1" * 14),
            ("a nonce", b"\x0e\1" + b"n" * 6), ("two options", slla * 2),
            ("an option of 255 units", b"\x2a\xff" + b"\0" * 2038)):
        check_na(g.reply(ns(NOBODY[6], opts=opts)), NOBODY[6], GUEST_LL,
                 f"NS: with {what}")
    for name, frame in (
            ("duplicate detection", ns(NOBODY[6], "::")),
            ("duplicate detection of its own", ns(HOST[6], "::")),
            ("its own address", ns(HOST[6])),
            ("its own link-local address", ns(GUEST_LL)),
            ("a multicast target", ns("ff02::1")),
            ("hop limit 254", ns(NOBODY[6], ttl=254)),
            ("hop limit 1", ns(NOBODY[6], ttl=1)),
            ("code 1", ns(NOBODY[6], code=1)),
            ("an option of length 0", ns(NOBODY[6], opts=b"\1\0" + MAC)),
            ("length 0 behind a good option",
             ns(NOBODY[6], opts=slla + b"\x2a\0" + b"\0" * 6)),
            ("an option longer than the message",
             ns(NOBODY[6], opts=b"\1\2" + MAC)),
            ("an option of 255 units in 8 bytes",
             ns(NOBODY[6], opts=b"\1\xff" + MAC)),
            ("half an option header", ns(NOBODY[6], opts=b"\1")),
            ("no source but its MAC address", ns(NOBODY[6], "::",
                                                 opts=slla)),
            ("a multicast source", ns(NOBODY[6], "ff02::5")),
            ("a target cut short", eth(packet(
                GUEST_LL, LL, ICMP6, icmp(135, b"\0" * 4 + b"\xfe" * 15),
                255))),
            ("an advertisement", eth(packet(
                GUEST_LL, ALL_NODES, ICMP6, icmp(136, b"\x20\0\0\0" +
                                                 addr(HOST[6])), 255))),
            ("a redirect", eth(packet(
                GUEST_LL, LL, ICMP6, icmp(137, b"\0" * 4 + addr(GW[6]) * 2),
                255))),
            ("a router advertisement", eth(packet(
                GUEST_LL, ALL_NODES, ICMP6, icmp(134, b"\0" * 12), 255))),
            ("an MLD report", eth(packet(
                GUEST_LL, "ff02::16", ICMP6,
                icmp(143, b"\0\0\0\1\4\0\0\0" + addr("ff02::1:3")), 1,
                ext=((0, b"\0\5\2\0\0\1\0"),))))):
        same(g.replies(frame), [], f"NDP: no answer to {name}")


def ra_options(p):
    out, b = [], p.data[12:]
    while b:
        if len(b) < 2 or not b[1] or b[1] * 8 > len(b):
            raise RuntimeError(f"RA options: {p.data.hex()}")
        out.append(b[:b[1] * 8])
        b = b[b[1] * 8:]
    return out


def check_ra(p, opts, name, flags=0x80, src=LL):
    same((p.icmp_type, p.code, p.src, p.ttl, p.data[:12], ra_options(p)),
         (134, 0, src, 255, bytes([255, flags]) + b"\xff\xff" + b"\0" * 8,
          opts), name)


def rs_cases(g):
    opts = [PREFIX, SLLA, MTU]
    for src in GUEST_LL, HOST[6]:
        p = g.reply(rs(src))
        check_ra(p, opts, f"RS: from {src}")
        same((p.dst, p.dst_mac, len(p.frame)), (src, MAC, 118),
             "RS: answer to the asker, 118 bytes")
    check_ra(g.reply(rs(opts=b"\1\1" + MAC)), opts, "RS: with source option")
    same(g.replies(rs("::", b"\1\1" + MAC)), [],
         "RS: no answer to no source but its MAC address")
    for name, frame in (("hop limit 254", rs(ttl=254)), ("code 1", rs(code=1)),
                        ("option of length 0", rs(opts=b"\1\0" + MAC)),
                        ("option cut short", rs(opts=b"\1\1" + MAC[:5])),
                        ("four bytes", eth(packet(GUEST_LL, ALL_ROUTERS, ICMP6,
                                                  icmp(133, b""), 255)))):
        same(g.replies(frame), [], f"RS: no answer to {name}")
    # What is told to everybody may be late, and may have come just now
    g.send(rs("::"))
    p = g.expect(lambda p: p.proto == ICMP6 and p.icmp_type == 134, 5)
    check_ra(p, opts, "RS: from nobody")
    same((p.dst, p.dst_mac), (ALL_NODES, b"\x33\x33\0\0\0\1"),
         "RS: from nobody: answer to all nodes")


def rdnss(*servers):
    return bytes([25, 1 + 2 * len(servers)]) + b"\0\0" + b"\xff" * 4 + \
        b"".join(map(addr, servers))


def dnssl(*names):
    b = b"".join(b"".join(bytes([len(l)]) + l.encode()
                          for l in n.split(".")) + b"\0" for n in names)
    b += b"\0" * (-len(b) % 8)
    return bytes([31, 1 + len(b) // 8]) + b"\0\0" + b"\xff" * 4 + b


MANY = [f"{'x' * 60}.{n}.example" for n in range(6)]


def ra_variants():
    base = [PREFIX, SLLA, MTU]
    two = dnssl("a.example", "b.example")
    search = "-S", "a.example", "-S", "b.example"
    six = "fd77::53", "fd77::54", "fd77::55"
    for what, opts, want in (
            ("DNS and search", DNS + search, base + [rdnss("fd77::53"), two]),
            ("search in one word", DNS + ("-S", "a.example b.example"),
             base + [rdnss("fd77::53"), two]),
            ("DNSSL on its own", ("-D", "none", "-S", "x"),
             base + [dnssl("x")]),
            ("IPv4 resolver only", ("-D", "10.77.0.53", "-D", "none",
                                    "-D", "10.77.0.53", *search),
             base + [two]),
            ("three servers", sum((("-D", s) for s in six), ()) +
             ("-S", "none"), base + [rdnss(*six)]),
            ("more than three", sum((("-D", s) for s in (*six, "fd77::56")),
                                    ()) + ("-S", "none"),
             base + [rdnss(*six)]),
            ("six long names", ("-D", "none") +
             sum((("-S", n) for n in MANY), ()), base + [dnssl(*MANY)]),
            ("not told: --no-dhcp-dns", DNS + search + ("--no-dhcp-dns",),
             base + [two]),
            ("not told: --no-dhcp-search", DNS + search +
             ("--no-dhcp-search",), base + [rdnss("fd77::53")]),
            ("-m 0", NONE + ("-m", "0"), base[:2]),
            ("-m 1500", NONE + ("-m", "1500"),
             base[:2] + [bytes.fromhex("05010000000005dc")]),
            ("-a elsewhere", NONE + ("-a", "2001:db8:1:2:3::4"),
             [PREFIX[:16] + addr("2001:db8:1:2::"), SLLA, MTU])):
        with case(f"RA: {what}"), topo.passt(*opts) as p, Guest(p) as g:
            r = g.reply(rs())
            check_ra(r, want, f"RA: {what}")
            if what == "-m 0":
                same(len(r.frame), 110, "RA: of 110 bytes then")
    with case("RA: no DHCPv6"), topo.passt("--no-dhcpv6", *NONE) as p, \
            Guest(p) as g:
        check_ra(g.reply(rs()), base, "RA: not managed with --no-dhcpv6",
                 flags=0)
    with case("RA: -M, -g"), topo.passt(
            "-M", "02:00:00:00:00:07", "-g", "fe80::77", "-g", "10.77.0.9",
            *NONE) as p:
        Guest.our_mac = mac = bytes.fromhex("020000000007")
        with Guest(p) as g:
            check_ra(g.reply(rs()), [PREFIX, b"\1\1" + mac, MTU],
                     "RA: -M is the source option, -g fe80::77 the source",
                     src="fe80::77")
            check_arp(g.reply(arp(HOST[4], NOBODY[4])), NOBODY[4], HOST[4],
                      "ARP: -M", mac=mac)
            n = g.reply(ns(NOBODY[6]))
            same((n.src_mac, n.data[20:], n.src),
                 (mac, b"\2\1" + mac, "fe80::77"), "NA: -M and -g")
        Guest.our_mac = OUR_MAC
    for opt, ra, na in ("--no-ra", 0, 1), ("--no-ndp", 0, 0), \
            ("--no-icmp", 0, 0), ("-4", 0, 0):
        with case(opt), topo.passt(opt, *NONE) as p, Guest(p) as g:
            got = [len(g.replies(rs())), len(g.replies(ns(NOBODY[6]))),
                   len(g.replies(arp(HOST[4], NOBODY[4])))]
            same(got, [ra, na, 1], f"{opt}: RA, NA, ARP answers")
            g.send(rs("::"))
            got = g.replies(background=True)
            ok(not [f for f in got if f.proto == ICMP6 and
                    f.icmp_type == 134], f"{opt}: no RA to all either", got)
    with case("-6"), topo.passt("-6", *NONE) as p, Guest(p, ip4=None) as g:
        same([len(g.replies(rs())), len(g.replies(ns(NOBODY[6]))),
              len(g.replies(arp(HOST[4], NOBODY[4])))], [1, 1, 0],
             "-6: RA, NA, ARP answers")


with topo.passt(*NONE) as p:
    with Guest(p) as g:
        with case("ARP"):
            arp_cases(g)
        with case("NS"):
            ns_cases(g)
        with case("RS"):
            rs_cases(g)
with case("announcements"):
    announce()
with case("learning"), topo.passt("-u", "7777", *NONE) as p:
    learning(p)
ra_variants()
well_formed()
done()
