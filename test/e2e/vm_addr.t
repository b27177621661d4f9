#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Who a scripted guest is and what its addresses lead to: translation of
addresses both ways, the choice of the template, and local mode, in which the
host has nothing to be modelled on."""
import sys

sys.dont_write_bytecode = True
import dhcp4            # noqa: E402
import dhcp6            # noqa: E402
from wire import *      # noqa: E402

need_root()
topo = Topo()
NONE = "-D", "none", "-S", "none"
LL = host_ll(topo)
IN = 7001               # forwarded to the guest
MAP = {4: "192.0.2.7", 6: "2001:db8::7"}
SELF = {4: "192.0.2.8", 6: "2001:db8::8"}
SECOND = {4: "10.77.0.22", 6: "fd77::22"}
both = lambda opt, a: (opt, a[4], opt, a[6])    # noqa: E731


def dgram(v, addr, pid=None, port=0):
    s = socket_in(pid or topo.host, v, socket.SOCK_DGRAM)
    s.bind((addr, port))
    s.settimeout(3)
    return s


def leads(g, v, dst, addr, name, pid=None, sees=None, port=0, src=None):
    """What the guest sends to @dst gets to @addr, seen as from @sees, and the
    answer comes from @dst."""
    with case(name), dgram(v, addr, pid, port) as s:
        src = src or g.ip[v]
        at = s.getsockname()[1]
        g.send(eth(packet(src, dst, UDP, udp(5000, at, b"?"))))
        data, peer = s.recvfrom(10)
        s.sendto(b"!", peer)
        p = g.expect_udp(v, 5000)
        same((data, peer[0], p.src, p.sport, p.dst, p.data),
             (b"?", sees or peer[0], dst, at, src, b"!"), name)


def nowhere(g, v, dst, pid, addr, name):
    """The guest's datagram to @dst does not get to @addr."""
    with case(name), dgram(v, addr, pid) as s, \
            dgram(v, REMOTE[v], topo.remote) as fence:
        for a, sock in (dst, s), (REMOTE[v], fence):
            g.send(eth(packet(g.ip[v], a, UDP,
                              udp(5001, sock.getsockname()[1], b"?"))))
        fence.recv(10)
        s.setblocking(False)
        try:
            got = s.recv(10)
        except BlockingIOError:
            got = None
        same(got, None, name)


def seen_as(g, v, source, want, name, pid=None, to=None, dst=None):
    """A client at @source is @want to the guest, and gets an answer."""
    with case(name), dgram(v, source, pid) as s:
        s.sendto(b"?", (to or LOOP[v], IN))
        p = g.expect_udp(v, IN)
        g.send(eth(packet(p.dst, p.src, UDP, udp(IN, p.sport, b"!"))))
        same((p.src, p.dst, s.recv(10)), (want, dst or g.ip[v], b"!"), name)


def passt(*opts):
    return topo.passt("-u", str(IN), *(NONE if "-D" not in opts else ()),
                      *opts)


# --- what addresses lead to ---

def mapping():
    with passt() as p, Guest(p) as g:
        g.replies(ns("fd77::77"))       # our guest has a link-local address
        for v in 4, 6:
            leads(g, v, GW[v], LOOP[v], f"IPv{v}: gateway: loopback",
                  sees=LOOP[v])
            leads(g, v, REMOTE[v], REMOTE[v], f"IPv{v}: others: unchanged",
                  topo.remote, HOST[v])
            seen_as(g, v, LOOP[v], GW[v], f"IPv{v}: loopback: gateway")
            seen_as(g, v, REMOTE[v], REMOTE[v], f"IPv{v}: others: unchanged",
                    topo.remote, HOST[v])
        seen_as(g, 4, "127.0.0.9", GW[4], "IPv4: 127.0.0.9: gateway as well")
        leads(g, 4, "10.77.0.2", HOST[4], "IPv4: its own address: the host",
              sees=HOST[4])
    with passt(*both("--map-host-loopback", MAP)) as p, Guest(p) as g:
        for v in 4, 6:
            leads(g, v, MAP[v], LOOP[v], f"IPv{v}: --map-host-loopback",
                  sees=LOOP[v])
            leads(g, v, GW[v], GW[v], f"IPv{v}: then the gateway is itself",
                  topo.remote)
            seen_as(g, v, LOOP[v], MAP[v], f"IPv{v}: and inbound")
    with passt("--no-map-gw") as p, Guest(p) as g:
        g.reply(arp(HOST[4], GW[4]))    # so it is connected
        seen_as(g, 6, LOOP[6], LL, "IPv6: before the guest has shown a "
                "link-local address")
        g.replies(ns("fd77::77"))
        for v in 4, 6:
            leads(g, v, GW[v], GW[v], f"IPv{v}: --no-map-gw", topo.remote)
            nowhere(g, v, GW[v], topo.host, LOOP[v],
                    f"IPv{v}: --no-map-gw: loopback is out of reach")
        seen_as(g, 4, LOOP[4], GW[4], "IPv4: --no-map-gw: inbound")
        seen_as(g, 6, LOOP[6], LL, "IPv6: --no-map-gw: inbound",
                dst=GUEST_LL)
    with passt("--map-host-loopback", "none") as p, Guest(p) as g:
        for v in 4, 6:
            nowhere(g, v, GW[v], topo.host, LOOP[v],
                    f"IPv{v}: --map-host-loopback none")
    with passt(*both("--map-guest-addr", SELF)) as p, Guest(p) as g:
        for v in 4, 6:
            leads(g, v, SELF[v], HOST[v], f"IPv{v}: --map-guest-addr",
                  sees=HOST[v])
            seen_as(g, v, HOST[v], SELF[v], f"IPv{v}: and inbound",
                    to=HOST[v])


def outbound():
    for v in 4, 6:
        ip(topo.host, f"addr add {SECOND[v]}/{128 if v == 6 else 32} dev "
           "eth0" + (" nodad" if v == 6 else ""))
    with passt(*both("-o", SECOND)) as p, Guest(p) as g:
        for v in 4, 6:
            leads(g, v, REMOTE[v], REMOTE[v], f"IPv{v}: -o", topo.remote,
                  SECOND[v])
            leads(g, v, GW[v], LOOP[v], f"IPv{v}: -o, but not to loopback",
                  sees=LOOP[v])
    for v in 4, 6:
        with passt(f"--outbound-if{v}", "eth0") as p, Guest(p) as g:
            leads(g, v, REMOTE[v], REMOTE[v], f"IPv{v}: --outbound-if{v}",
                  topo.remote)
            leads(g, v, GW[v], LOOP[v],
                  f"IPv{v}: --outbound-if{v}, but not to loopback",
                  sees=LOOP[v])
    for v in 4, 6:
        ip(topo.host, f"addr del {SECOND[v]}/{128 if v == 6 else 32} dev "
           "eth0")


def resolver():
    fwd = {4: "192.0.2.53", 6: "2001:db8::53"}
    with passt("-D", "none", "-S", "none", *both("--dns-forward", fwd),
               *both("--dns-host", REMOTE)) as p, Guest(p) as g:
        for v in 4, 6:
            for port in 53, 853:
                leads(g, v, fwd[v], REMOTE[v],
                      f"IPv{v}: --dns-forward, port {port}", topo.remote,
                      port=port)
            nowhere(g, v, fwd[v], topo.remote, REMOTE[v],
                    f"IPv{v}: --dns-forward: no other port")


def resolv_conf():
    """What the host's file becomes: told, or replaced by who leads there."""
    topo.in_host("sh", "-ec", f"""
        mount -t tmpfs none /mnt
        cat >/mnt/r <<E
nameserver 127.0.0.53
nameserver {REMOTE[6]}%eth0
nameserver 10.77.0.8
nameserver ::1
search a.example b.example
search never.example
E
        mount --bind /mnt/r "$(readlink -f /etc/resolv.conf)" """)
    search = b"\1a\7example\0" + b"\1b\7example\0"
    for opts, four, six in (
            ((), [GW[4], "10.77.0.8"], [REMOTE[6], GW[6]]),
            (("--no-map-gw",), ["10.77.0.8"], [REMOTE[6]]),
            (both("--dns-forward", MAP), [MAP[4], "10.77.0.8"],
             [REMOTE[6], MAP[6]]),
            (("-D", "10.77.0.9"), ["10.77.0.9"], [REMOTE[6], GW[6]])):
        name = "resolv.conf, " + (" ".join(opts) or "no options")
        with case(name), topo.passt(*opts) as p, Guest(p) as g:
            r = dhcp4.reply(g, dhcp4.bootp(dhcp4.kind(dhcp4.DISCOVER)))
            same(r.get(6), b"".join(map(addr, four)), f"{name}: DHCP")
            r = dhcp6.reply(g, dhcp6.SOLICIT, dhcp6.CLIENT)
            want = b"".join(map(addr, six))
            same((r.get(23), r.get(24)), (want, search), f"{name}: DHCPv6")
            _, _, o = ra(g)
            same((o[25][8:], o[31][8:].rstrip(b"\0") + b"\0"),
                 (want, search), f"{name}: RA")
            if not opts:
                leads(g, 4, GW[4], "127.0.0.53", f"{name}: DNS there",
                      port=53)
    other_files()
    topo.in_host("sh", "-ec", 'umount "$(readlink -f /etc/resolv.conf)"')


def other_files():
    """Of other shapes: what is told of nameservers and domains, by all."""
    many = "".join(f"nameserver 192.0.2.{i}\n\t# junk\n" +
                   f"nameserver\t2001:db8::{i}%lo more\n" for i in range(1, 6))
    gws = f"nameserver {GW[4]}\nnameserver {GW[6]}"       # no newline
    three = [[f"192.0.2.{i}" for i in (1, 2, 3)],
             [f"2001:db8::{i}" for i in (1, 2, 3)]]
    for name, file, opts, four, six, search in (
            ("five of each", many, (), *three, ""),
            ("the gateways", gws, (), [GW[4]], [GW[6]], ""),
            ("a long list", many + "search " + "x" * 300 + " a b\tc d e f g",
             (), *three, "a b c d e f"),
            ("nothing", "domain a\n;nameserver 192.0.2.1\n", (), [], [], ""),
            ("-D none", many + "search a", ("-D", "none"), [], [], "a"),
            ("-D of IPv6, -S", many + "search a",
             ("-D", "fd00::1", "-S", "b", "-S", "c"), three[0], ["fd00::1"],
             "b c"),
            ("told nothing", many + "search a",
             ("--no-dhcp-dns", "--no-dhcp-search"), [], [], "")):
        name = f"resolv.conf, {name}"
        topo.in_host("sh", "-ec", 'cat >/mnt/r', input=file)
        with case(name), topo.passt(*opts) as p, Guest(p) as g:
            r = dhcp4.reply(g, dhcp4.bootp(dhcp4.kind(dhcp4.DISCOVER)))
            r6 = dhcp6.reply(g, dhcp6.SOLICIT, dhcp6.CLIENT)
            _, _, o = ra(g)
            dns6 = b"".join(map(addr, six)) or None
            list = dhcp4.names(*search.split()) if search else None
            same((r.get(6), r6.get(23), o.get(25, b"")[8:] or None),
                 (b"".join(map(addr, four)) or None, dns6, dns6),
                 f"{name}: nameservers")
            told = o.get(31, b"")[8:]
            same((r6.get(24), told[:len(list or b"")] or None,
                  any(told[len(list or b""):])), (list, list, False),
                 f"{name}: search list")
            if file == gws:
                for v in 4, 6:
                    leads(g, v, GW[v], GW[v], f"{name}: IPv{v}: DNS there",
                          topo.remote, port=53)
                    leads(g, v, GW[v], LOOP[v], f"{name}: IPv{v}: others: "
                          "loopback", port=54)


# --- who is who ---

def told(g, **kw):
    """DHCP's answer, as a dictionary with the assigned address at 0."""
    r = dhcp4.reply(g, dhcp4.bootp(dhcp4.kind(dhcp4.DISCOVER)), **kw)
    return {0: r.yiaddr, "from": r.p.src,
            **{c: text(v) for c, v in r.opts if c in (1, 3, 54)},
            **{c: v for c, v in r.opts if c == 121}}


def ra(g):
    """Source, flags and options of the advertisement."""
    p = g.reply(rs())
    b, opts = p.data[12:], {}
    while b:
        opts[b[0]] = b[:b[1] * 8]
        b = b[b[1] * 8:]
    return p.src, p.data[1], opts


def lease6(g):
    got = [p for p in g.replies(dhcp6.ask(dhcp6.SOLICIT, dhcp6.CLIENT +
                                          dhcp6.ia())) if p.proto == UDP]
    return dhcp6.Reply(got[0]).get(3)[16:32] if got else None


def announced(g):
    """Addresses asked for at connect."""
    got = g.replies(background=True)
    return [(p.spa, p.tpa) for p in got if p.type == 0x0806 and
            p.spa != p.tpa], \
        [(p.src, p.dst) for p in got if p.proto == ICMP6 and
         p.icmp_type == 135]


def template():
    """-i: another interface than the default route's."""
    ip(topo.host, f"link add eth1 type veth peer name eth1 netns "
       f"{topo.remote}")
    ip(topo.remote, "link set eth1 up")
    ip(topo.host, "link set eth1 up")
    ip(topo.host, "addr add 10.88.0.2/20 dev eth1")
    ip(topo.host, "addr add fd88::2/64 dev eth1 nodad")
    wait_for("address", lambda: "fe80" in ip(
        topo.host, "-6 addr show dev eth1 -tentative").stdout)
    ll = host_ll(topo, "eth1")
    with passt("-i", "eth1") as p, Guest(p, ip6="fd88::2") as g:
        # No gateway, so no DHCP and no address of ours
        same(g.replies(dhcp4.ask(dhcp4.bootp(dhcp4.kind(dhcp4.DISCOVER)))),
             [], "-i without a gateway: no DHCP")
        same(lease6(g), addr("fd88::2"), "-i: DHCPv6")
        src, flags, opts = ra(g)
        same((src, opts.get(3, b"")[16:]), (ll, addr("fd88::")), "-i: RA")
    for v, gw in (4, "10.88.0.1"), (6, "fd88::1"):
        ip(topo.host, f"-{v} route add default via {gw} dev eth1 metric 9999")
    with passt("-i", "eth1") as p, Guest(p, ip4="10.88.0.2",
                                         ip6="fd88::2") as g:
        same(announced(g), ([("10.88.0.1", "10.88.0.2")], [(ll, "fd88::2")]),
             "-i: announcements")
        same(told(g), {0: "10.88.0.2", 1: "255.255.240.0", 3: "10.88.0.1",
                       54: "10.88.0.1", "from": "10.88.0.1"}, "-i: DHCP")
    with passt() as p, Guest(p) as g:
        same(told(g)[0], HOST[4], "without -i: the default route's")
    for v, want in (4, (["10.88.0.2"], ["fd77::2"])), \
            (6, ([HOST[4]], ["fd88::2"])):
        with passt(f"--outbound-if{v}", "eth1") as p, Guest(p) as g:
            a, n = announced(g)
            same(([t for _, t in a], [t for _, t in n]), want,
                 f"--outbound-if{v}: template of its family")
    ip(topo.host, "link del eth1")


def given():
    with passt("-a", "10.1.2.3/29", "-a", "2001:db8:5::9", "-g", "10.1.2.1",
               "-g", "fe80::77") as p, \
            Guest(p, ip4="10.1.2.3", ip6="2001:db8:5::9") as g:
        same(announced(g), ([("10.1.2.1", "10.1.2.3")],
                            [("fe80::77", "2001:db8:5::9")]),
             "-a, -g: announcements")
        same(told(g), {0: "10.1.2.3", 1: "255.255.255.248", 3: "10.1.2.1",
                       54: "10.1.2.1", "from": "10.1.2.1"}, "-a, -g: DHCP")
        same(lease6(g), addr("2001:db8:5::9"), "-a: DHCPv6")
        g.replies(ns("fe80::77"))
        for v, gw in (4, "10.1.2.1"), (6, "fe80::77"):
            leads(g, v, REMOTE[v], REMOTE[v],
                  f"IPv{v}: -a: outside it is the host", topo.remote, HOST[v])
            leads(g, v, gw, LOOP[v], f"IPv{v}: -g: leads to loopback",
                  sees=LOOP[v], src=GUEST_LL if v == 6 else None)
            leads(g, v, HOST[v], HOST[v],
                  f"IPv{v}: -a: the host's address is another's",
                  sees=HOST[v])
            seen_as(g, v, LOOP[v], gw, f"IPv{v}: -g: loopback clients",
                    dst=GUEST_LL if v == 6 else None)


# --- local mode ---

LOCAL4 = {0: "169.254.2.1", 1: "255.255.0.0", 3: "169.254.2.2",
          54: "169.254.2.2", "from": "169.254.2.2"}
LOCAL = {4: "169.254.2.2", 6: "fe80::1"}


def local_one(v):
    """One family has nothing, the other all."""
    ip(topo.host, f"-{v} addr flush dev eth0 scope global")
    with passt() as p, Guest(
            p, ip4=HOST[4] if v == 6 else "169.254.2.1") as g:
        a, n = announced(g)
        if v == 4:
            same((a, n), ([("169.254.2.2", "169.254.2.1")],
                          [(LL, HOST[6])]), "IPv4 local: announcements")
            same(told(g), LOCAL4, "IPv4 local: DHCP")
            same(lease6(g), addr(HOST[6]), "IPv4 local: DHCPv6 as ever")
            leads(g, 6, REMOTE[6], REMOTE[6], "IPv4 local: IPv6 as ever",
                  topo.remote, HOST[6])
        else:
            same((a, n), ([(GW[4], HOST[4])], []),
                 "IPv6 local: announcements, none without an address")
            same(told(g)[0], HOST[4], "IPv6 local: DHCP as ever")
            same(lease6(g), None, "IPv6 local: no DHCPv6")
    ip(topo.host, f"addr add {HOST[v]}/{24 if v == 4 else 64} dev eth0" +
       (" nodad" if v == 6 else ""))
    ip(topo.host, f"-{v} route replace default via {GW[v]}")


def check_local(g):
    for v in 4, 6:
        src = {4: "169.254.2.1", 6: GUEST_LL}[v]
        leads(g, v, LOCAL[v], LOOP[v], f"local, IPv{v}: gateway: loopback",
              sees=LOOP[v], src=src)
        seen_as(g, v, LOOP[v], LOCAL[v], f"local, IPv{v}: inbound",
                dst=src)
        g.send(eth(packet(src, LOCAL[v], ICMP if v == 4 else ICMP6,
                          echo(v, 3, 4, b"echo"))))
        p = g.expect(lambda p: p.proto in (ICMP, ICMP6) and
                     p.icmp_type in (0, 129))
        same((p.src, p.dst, p.data[4:]), (LOCAL[v], src, b"echo"),
             f"local, IPv{v}: echo")


def local():
    ip(topo.host, "link set eth0 down")
    with passt() as p, Guest(p, ip4="169.254.2.1", ip6=GUEST_LL) as g:
        same(announced(g), ([("169.254.2.2", "169.254.2.1")], []),
             "local: announcement of IPv4 alone")
        same(told(g), LOCAL4, "local: DHCP")
        src, flags, opts = ra(g)
        same((src, flags, sorted(opts), opts[1][2:]),
             ("fe80::1", 0, [1, 5], OUR_MAC),
             "local: RA from fe80::1, no prefix, not managed")
        same(lease6(g), None, "local: no DHCPv6")
        n = g.reply(ns("fe80::1"))
        same((n.src, n.dst, n.data[4:20]), ("fe80::1", GUEST_LL,
                                            addr("fe80::1")), "local: NA")
        check_local(g)
        # A router does not say that there is no way out, it tries
        g.send(eth(packet("169.254.2.1", REMOTE[4], ICMP,
                          echo(4, 7, 1, b"out"))))
        p = g.expect(lambda p: p.proto == ICMP)
        same((p.icmp_type, p.src), (3, "169.254.2.2"),
             "local: unreachable is said so")
    with passt("--no-map-gw") as p, Guest(p, ip4="169.254.2.1",
                                          ip6=GUEST_LL) as g:
        same(told(g), LOCAL4, "local, --no-map-gw: DHCP")
    with passt("-a", "10.9.8.7/28", "-g", "10.9.8.1", "-a", "fd09::7",
               "-g", "fe80::9") as p, \
            Guest(p, ip4="10.9.8.7", ip6="fd09::7") as g:
        same(told(g), {0: "10.9.8.7", 1: "255.255.255.240", 3: "10.9.8.1",
                       54: "10.9.8.1", "from": "10.9.8.1"},
             "local: -a and -g are honoured")
        src, flags, opts = ra(g)
        same((src, flags, opts.get(3, b"")[16:]),
             ("fe80::9", 0x80, addr("fd09::")), "local: -a, -g: RA")
        same(lease6(g), addr("fd09::7"), "local: -a: DHCPv6")
        leads(g, 4, "10.9.8.1", LOOP[4], "local: -g: leads to loopback")
    with passt("-n", "24") as p, Guest(p, ip4="169.254.2.1",
                                       ip6=GUEST_LL) as g:
        same(told(g)[1], "255.255.255.0", "local: -n is honoured")
    with passt("-a", "192.168.9.7") as p, \
            Guest(p, ip4="192.168.9.7", ip6=GUEST_LL) as g:
        t = told(g)
        gw = addr("169.254.2.2")
        same((t[0], t[1], t[3], t.get(121)),
             ("192.168.9.7", "255.255.255.0", "169.254.2.2",
              b"\x20" + gw + b"\0" * 5 + gw),
             "local: -a alone: gateway outside, so with routes")


for f in mapping, outbound, resolver, resolv_conf, template, given, \
        (lambda: local_one(4)), (lambda: local_one(6)), local:
    with case(f.__name__):
        f()
well_formed()
done()
