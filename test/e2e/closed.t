#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What is closed: the host's loopback, when nothing is mapped there, to frames
of any kind; and the container's, unless somebody asked for it.

Every frame of a table is sent, by a scripted guest of passt and past the kernel
of pasta's. What happened is seen by services of the host and by a capture on
its device lo, in which no loopback address may ever be. The same frames, with
the gateway mapped as it is by default, show that both would see it."""
import contextlib
import itertools
import sys

sys.dont_write_bytecode = True
from wire import *      # noqa: E402

need_root()
topo = Topo()
SECOND = {4: "10.99.0.2", 6: "fd99::2"}     # the host's, on its device lo
LL4 = "169.254.7.7"                         # the host's, on the link
MGA = {4: "192.0.2.8", 6: "2001:db8::8"}
DNSF = {4: "192.0.2.53", 6: "2001:db8::53"}
RESOLVER = {4: "127.0.0.53", 6: "::1"}
LO, ALL, MDNS = 7400, 7401, 5353            # who listens at these ports
PUB, INSIDE = 7501, 7601
ETH_P_ALL, PACKET_OUTGOING = 3, 4
LOST = "127.0.0.1", "127.0.0.53", "127.1.2.3"

for v in 4, 6:
    ip(topo.host, f"addr add {SECOND[v]}/{32 if v == 4 else 128} dev lo")
    ip(topo.remote, f"-{v} route add {SECOND[v]} via {HOST[v]}")
ip(topo.host, f"addr add {LL4}/16 dev eth0")
topo.resolvers(*(f"nameserver {a}" for a in RESOLVER.values()))
HOST_LL = host_ll(topo)

TO = {
    4: [*LOST, "127.255.255.255", "0.0.0.0", "0.0.0.1", "0.127.0.1", HOST[4],
        SECOND[4], LL4, GW[4], REMOTE[4], MGA[4], DNSF[4], "10.77.0.0",
        "10.77.0.255", "255.255.255.255", "169.254.0.0", "169.254.255.255",
        "169.254.169.254", "126.255.255.255", "128.0.0.1", "240.0.0.1",
        "198.51.100.1", "224.0.0.1", "224.0.0.2", "224.0.0.251",
        "224.0.0.252", "224.127.0.1", "239.255.255.250", "239.1.2.3"],
    6: ["::1", "::", "::2", "::127.0.0.1", "::ffff:127.0.0.1",
        "::ffff:0.0.0.0", f"::ffff:{HOST[4]}", "::ffff:0:127.0.0.1",
        "::fffe:127.0.0.1", "64:ff9b::127.0.0.1", "2002:7f00:1::1",
        "fe80::5efe:127.0.0.1", "fe80::1", "fe80::", HOST_LL, GUEST_LL,
        "fec0::1", "100::1", "fd77::", HOST[6], SECOND[6], GW[6], REMOTE[6],
        MGA[6], DNSF[6], "ff00::1", "ff01::1", "ff01::fb", "ff02::1",
        "ff02::2", "ff02::fb", "ff02::1:ff00:1", "ff05::c", "ff0e::1",
        "ff11::1", "ff31::1"],
}
FROM = {
    4: [HOST[4], "127.0.0.1", "127.9.9.9", "0.0.0.0", SECOND[4], LL4, GW[4],
        REMOTE[4], "198.51.100.7", "224.0.0.1", "255.255.255.255"],
    6: [HOST[6], "::1", "::", "::ffff:127.0.0.1", "::127.0.0.1", HOST_LL,
        GUEST_LL, SECOND[6], GW[6], REMOTE[6], "2001:db8::7", "ff02::1"],
}
MACS = OUR_MAC, BCAST, MAC, bytes(6), bytes.fromhex("01005e000001"), \
    bytes.fromhex("333300000001"), bytes.fromhex("020000000009")


# --- the frames ---

def is_lo(a):
    """Of a loopback address, in any of its disguises."""
    return a[0] == 127 if len(a) == 4 else \
        a == addr("::1") or a[:12] == addr("::ffff:0:0")[:12] and a[12] == 127


def options(v, to):
    """Ways to say that a packet goes somewhere else in the end: source routes
    (RFC 791 3.1), routing headers of all types (RFC 8200 4.4), mobility's
    home address (RFC 6275 6.3)."""
    if v == 4:
        a = addr(to)
        return [dict(opts=bytes((kind, 7, 4)) + a + b"\0")
                for kind in (131, 137, 7, 68)]
    a = addr(to)
    return [dict(ext=[(43, bytes((2, kind, 1, 0, 0, 0, 0)) + a)])
            for kind in (0, 2, 3, 4)] + \
        [dict(ext=[(60, bytes((2, 1, 2, 0, 0, 0xc9, 16)) + a)]),
         dict(ext=[(0, bytes((0, 1, 4, 0, 0, 0, 0)))]),
         dict(ext=[(44, bytes((0, 0, 0, 0, 0, 0, 7)))])]


def tunnels(v, src, dst, lo):
    """A packet to loopback inside of another."""
    inner = packet(lo, lo, UDP, udp(4000, LO, b"tunnel"))
    number = 4 if v == 4 else 41
    for proto in {4, 41}:
        yield packet(src, dst, proto, inner)
    yield packet(src, dst, 47, struct.pack(
        ">HH", 0, 0x0800 if v == 4 else 0x86dd) + inner)
    yield packet(src, dst, 51, bytes((number, 4)) + bytes(22) + inner)


def quoting(v, src, dst, lo):
    """Errors, and a redirection, about a packet to loopback."""
    about = packet(lo, lo, UDP, udp(LO, LO, b"quoted"))
    kinds = ((3, 1), (3, 3), (3, 4), (5, 1), (11, 0), (12, 0)) if v == 4 else \
        ((1, 0), (1, 4), (2, 0), (3, 0), (4, 1))
    for kind, code in kinds:
        yield packet(src, dst, ICMP if v == 4 else ICMP6,
                     icmp(kind, bytes(4) + about, code))
    if v == 6:
        yield packet(src, dst, ICMP6, icmp(137, bytes(4) + addr(lo) +
                                           addr(dst)), ttl=255)


def fragments(v, src, dst, n):
    l4 = udp(n, LO, bytes(1992))
    for at, more in ((0, 1), (1000, 0)):
        b = l4[at:at + 1000]
        if v == 4:
            yield ip4(src, dst, UDP, b, frag=more << 13 | at // 8, id=n)
        else:
            yield ip6(src, dst, UDP, b, ext=[
                (44, struct.pack(">BHI", 0, at | more, n))])


def frames(v):
    """Name and frame, in the order of sending; source ports all different."""
    port = itertools.count(10000)
    lo = LOOP[v]

    def out(name, p):
        n = next(port)
        return f"v{v} {name}", eth(p, MACS[n % len(MACS)])

    for dst, src in itertools.product(TO[v], FROM[v]):
        yield out(f"UDP {src} > {dst}",
                  packet(src, dst, UDP, udp(next(port), LO, b"?")))
        yield out(f"TCP {src} > {dst}",
                  packet(src, dst, TCP, tcp(next(port), LO, SYN)))
    src = HOST[v]
    for dst in TO[v]:
        for p in ALL, MDNS, 53, 853:
            yield out(f"UDP > {dst} {p}",
                      packet(src, dst, UDP, udp(next(port), p, b"?")))
            yield out(f"TCP > {dst} {p}",
                      packet(src, dst, TCP, tcp(next(port), p, SYN)))
        yield out(f"echo > {dst}", packet(
            src, dst, ICMP if v == 4 else ICMP6, echo(v, next(port), 1, b"?")))
        for p in fragments(v, src, dst, next(port)):
            yield out(f"fragments > {dst}", p)
        for kw in options(v, lo) + options(v, dst):
            for proto, l4 in ((UDP, udp(next(port), LO, b"?")),
                              (TCP, tcp(next(port), LO, SYN))):
                yield out(f"{proto} > {dst} {kw}",
                          packet(src, dst, proto, l4, **kw))
        for p in tunnels(v, src, dst, lo):
            yield out(f"tunnel > {dst}", p)
        for p in quoting(v, src, dst, lo):
            yield out(f"ICMP error > {dst}", p)
    # With the header of the other version, and the other Ethertype
    p = packet(src, lo, UDP, udp(next(port), LO, b"?"))
    yield f"v{v} Ethertype", eth(p, type=0x86dd if v == 4 else 0x0800)
    yield f"v{v} tagged", eth(struct.pack(">HH", 1, {4: 0x0800, 6: 0x86dd}[v])
                              + p, type=0x8100)
    yield f"v{v} ARP", arp("127.0.0.1", "127.0.0.1")
    yield f"v{v} ARP", arp("127.0.0.1", HOST[4], op=2, tha=MAC)


# --- who would notice ---

class Capture:
    """Packets with a loopback address, on @dev or on all of a namespace."""

    def __init__(self, pid, dev=None):
        self.s = socket_in(pid, af=socket.AF_PACKET, kind=socket.SOCK_DGRAM,
                           proto=socket.htons(ETH_P_ALL))
        if dev:
            self.s.bind((dev, ETH_P_ALL))
        self.s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # RCVBUFFORCE
        self.s.setblocking(False)
        self.seen = 0

    def leaks(self, ports=()):
        """Those since the last time, but for the ones from and to @ports."""
        out = []
        while True:
            try:
                b, sa = self.s.recvfrom(2048)
            except BlockingIOError:
                break
            if sa[2] == PACKET_OUTGOING or sa[1] not in (0x0800, 0x86dd):
                continue
            self.seen += 1
            v = b[0] >> 4
            src, dst, l4 = (b[12:16], b[16:20], b[(b[0] & 15) * 4:]) \
                if v == 4 else (b[8:24], b[24:40], b[40:])
            sport, dport = struct.unpack(">HH", l4[:4].ljust(4, b"\0"))
            if (is_lo(src) or is_lo(dst)) and not {sport, dport} & set(ports):
                out.append(f"{text(src)}:{sport} > {text(dst)}:{dport} "
                           f"{b[9] if v == 4 else b[6]}")
        return out

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.s.close()


class Services:
    """Sockets at @at, (address, port), of UDP and TCP, in one namespace."""

    def __init__(self, pid, at):
        self.all = []
        for (a, port), kind in itertools.product(at, (socket.SOCK_STREAM,
                                                      socket.SOCK_DGRAM)):
            s = socket_in(pid, 6 if ":" in a else 4, kind)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if ":" in a:
                s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            s.bind((a, port))
            if kind == socket.SOCK_STREAM:
                s.listen(4096)
            else:
                s.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)
            s.setblocking(False)
            self.all.append((a, s))

    def member(self, pid, a, port, dev):
        """One that hears group @a on the interface @dev, and nothing else."""
        v = 6 if ":" in a else 4
        s = socket_in(pid, v, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        n = int(ip(pid, f"link show {dev}").stdout.split(":")[0])
        if v == 4:
            s.setsockopt(socket.SOL_IP, 49, 0)              # MULTICAST_ALL
            s.setsockopt(socket.SOL_IP, socket.IP_ADD_MEMBERSHIP,
                         addr(a) + struct.pack("4si", bytes(4), n))
        else:
            s.setsockopt(socket.IPPROTO_IPV6, 29, 0)        # the same
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
                         addr(a) + struct.pack("i", n))
        s.bind((a, port) if v == 4 else (a, port, 0, n))
        s.setblocking(False)
        self.all.append((f"{a} on {dev}", s))

    def visits(self):
        """(address of the service, of the client) of all since then."""
        out = []
        for a, s in self.all:
            try:
                while True:
                    if s.type == socket.SOCK_STREAM:
                        c, peer = s.accept()
                        c.close()
                    else:
                        peer = s.recvfrom(4096)[1]
                    out.append((a, peer[0].split("%")[0]))
            except BlockingIOError:
                pass
        return out

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for _, s in self.all:
            s.close()


# --- out of the guest ---

class Scripted(Guest):
    """passt's: what comes back is read meanwhile."""

    def pour(self, frames):
        for at in range(0, len(frames), 50):
            self.replies(*frames[at:at + 50])


class Raw:
    """pasta's: frames past the kernel of the namespace."""

    def __init__(self, pasta):
        self.s = socket_in(pasta.guest, af=socket.AF_PACKET,
                           kind=socket.SOCK_RAW, proto=0)
        self.s.bind(("eth0", 0))
        self.s.setsockopt(socket.SOL_SOCKET, 32, 4 << 20)
        self.end = socket_in(topo.remote, 4, socket.SOCK_DGRAM)
        self.end.bind((REMOTE[4], 9999))

    def pour(self, frames):
        for at in range(0, len(frames), 50):
            for f in frames[at:at + 50]:
                self.s.send(f)
            # They are taken in order, and this is the last
            mark = b"%d" % at
            self.s.send(eth(packet(HOST[4], REMOTE[4], UDP,
                                   udp(9998, 9999, mark))))
            while self.end.recv(100) != mark:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.s.close()
        self.end.close()


GROUPS = {4: "224.0.0.251", 6: "ff02::fb"}
AT = [(a, p) for a, p in itertools.product(
    ("127.0.0.1", "127.0.0.53", "::1"), (LO, MDNS, 53, 853))] + \
    [(a, ALL) for a in ANY.values()]
CLOSED = "--no-map-gw", "--map-host-loopback", "none"
NONE = "-t", "none", "-u", "none"
NO_NS = "-T", "none", "-U", "none"
PUBLISH = [w for o in ("-t", "-u") for w in
           (o, f"{PUB}:{INSIDE},{PUB + 1}:{INSIDE + 1}")]


def both(opt, a):
    return opt, a[4], opt, a[6]


def outside(a):
    """Is the service at @a one that the guest must not reach?"""
    return a not in ANY.values() and not a.endswith("eth0")


def blame(guest, table, cap, services, ports):
    """Which of the frames it was, each by itself."""
    out = []
    for name, f in table:
        guest.pour([f])
        got = cap.leaks(ports) + [x for x in services.visits()
                                  if outside(x[0])]
        if got:
            out.append(f"{name}: {got}")
        if len(out) > 9:
            break
    return out


def outward(name, daemon, guest, ports=()):
    """All frames; services of the loopback hear nothing, those of @ports
    aside, others hear from no loopback address."""
    with case(name), daemon as d, guest(d) as g, Services(topo.host, AT) as s, \
            Capture(topo.host, "lo") as cap:
        for v in 4, 6:
            for dev in "lo", "eth0":
                s.member(topo.host, GROUPS[v], MDNS, dev)
            table = list(frames(v))
            g.pour([f for _, f in table])
            time.sleep(0.1)
            leaks, visits = cap.leaks(ports), set(s.visits())
            inner = [x for x in visits if outside(x[0])]
            good = not leaks and (not inner or bool(ports)) and \
                not [x for x in inner if "on lo" in x[0]]
            ok(good, f"{name}, v{v}: no packet to or from loopback, of "
               f"{len(table)} frames", not good and "\n".join(
                   [f"{leaks[:9]} {inner}"] +
                   blame(g, table, cap, s, ports)))
            ok(not [x for x in visits if is_lo(addr(x[1])) and
                    not outside(x[0])],
               f"{name}, v{v}: nobody at loopback is a client of services at "
               "any address", visits)
            ok({SECOND[v]} <= {x[1] for x in visits},
               f"{name}, v{v}: ... which do have clients", visits)
            ok({f"{GROUPS[v]} on eth0"} <= {x[0] for x in visits},
               f"{name}, v{v}: and members of a group hear the guest, on the "
               "link only", visits)
        ok(d.proc.poll() is None, f"{name}: still running", d.text())


def mapped(name, daemon, guest):
    """The same with the gateway mapped: so these tests can fail."""
    with case(name), daemon as d, guest(d) as g, Services(topo.host, AT) as s, \
            Capture(topo.host, "lo") as cap:
        for v in 4, 6:
            g.pour([f for n, f in frames(v) if n.endswith(f"> {GW[v]}")])
            visits = wait_for("visits", s.visits)
            leaks = cap.leaks()
            ok({(LOOP[v], LOOP[v])} <= set(visits) and leaks and
               all(is_lo(addr(a)) for a, _ in visits),
               f"{name}, v{v}: the mapped gateway is seen", visits)


# --- into the guest ---

def clients(pid, v, to, port, sources):
    """TCP and UDP from @pid to @to, from each of @sources."""
    for src, kind in itertools.product(sources, (socket.SOCK_STREAM,
                                                 socket.SOCK_DGRAM)):
        with socket_in(pid, v, kind) as c:
            c.setblocking(False)
            try:
                c.bind(sockaddr(src, 0))
                c.connect(sockaddr(to, port))
            except BlockingIOError:
                select.select([], [c], [], 0.3)
            except OSError:
                continue
            try:
                c.send(b"!")
            except OSError:
                pass


def forged():
    """What another host writes into frames to this one, past its kernel."""
    s = socket_in(topo.remote, af=socket.AF_PACKET, kind=socket.SOCK_RAW,
                  proto=0)
    s.bind(("eth0", 0))
    mac = bytes.fromhex(ip(topo.host, "link show eth0").stdout.split(
        "link/ether ")[1].split()[0].replace(":", ""))
    for v in 4, 6:
        ends = [LOOP[v], HOST[v], REMOTE[v], ANY[v]]
        for src, dst, port in itertools.product(ends, ends, (PUB, INSIDE)):
            for proto, l4 in ((UDP, udp(5000, port, b"!")),
                              (TCP, tcp(5000, port, SYN))):
                s.send(eth(packet(src, dst, proto, l4), mac,
                           s.getsockname()[4]))
    s.close()


def inward(name, daemon, asked=()):
    """Services of the guest's loopback, and who gets there, by @asked: pairs of
    the service's address and the client's."""
    h, r = topo.host, topo.remote
    zone = int(ip(r, "link show eth0").stdout.split(":")[0])
    inside = ["127.0.0.1", "127.0.0.5", "::1"]
    with case(name), daemon as d, Capture(d.guest) as cap, \
            Services(d.guest, [(a, INSIDE) for a in inside]) as s, \
            Services(d.guest, [(a, INSIDE + 1) for a in ANY.values()]) as pub:
        for v, port in itertools.product((4, 6), (PUB, PUB + 1, INSIDE)):
            local = [a for a in (LOOP[v], "127.0.0.5") if v == 4 or ":" in a]
            own = [ANY[v], HOST[v], SECOND[v], *local, *([LL4] * (v == 4))]
            for to in own:
                clients(h, v, to, port, [ANY[v], HOST[v], *local])
            for to in HOST[v], SECOND[v], f"{HOST_LL}%{zone}":
                if ("%" in to) <= (v == 6):
                    clients(r, v, to, port, [ANY[v], REMOTE[v]])
        forged()
        time.sleep(0.2)
        got, there = set(s.visits()), set(pub.visits())
        ok(got == set(asked), f"{name}: at loopback inside: "
           f"{len(asked) or 'nobody'}", got)
        leaks = cap.leaks()
        ok(bool(leaks) == bool(asked), f"{name}: and no packet but for that",
           leaks[:9])
        ok({REMOTE[4], REMOTE[6]} <= {x[1] for x in there} and not
           [x for x in there if is_lo(addr(x[1])) and not asked],
           f"{name}: services at any address inside have clients, none of "
           "them at loopback unless asked for", there)
        ok(d.proc.poll() is None, f"{name}: still running", d.text())


# --- ports of the host, in common with others ---

def sharing(v, port, addr=None, kind=socket.SOCK_DGRAM):
    """Somebody else's socket on the host, as willing to share as can be."""
    s = socket_in(topo.host, v, kind)
    for opt in socket.SO_REUSEADDR, socket.SO_REUSEPORT:
        s.setsockopt(socket.SOL_SOCKET, opt, 1)
    s.bind((addr or ANY[v], port))
    if kind == socket.SOCK_STREAM:
        s.listen()
    s.settimeout(3)
    return s


def shares(v, port, kind=socket.SOCK_DGRAM):
    """Addresses by which another user gets at @port of ours."""
    out = []
    for a in ANY[v], HOST[v]:
        try:
            sharing(v, port, a, kind).close()
            out.append(a)
        except OSError:
            pass
    return out


def stolen(name, daemon):
    """Whoever else is on the host must not take UDP ports of ours, by which he
    would get what is sent to the guest; nor the guest those of others."""
    with case(name), daemon as d:
        for v in 4, 6:
            with socket_in(d.guest, v, socket.SOCK_DGRAM) as g, \
                    socket_in(topo.remote, v, socket.SOCK_DGRAM) as r:
                r.bind((REMOTE[v], 0))
                to = r.getsockname()[:2]
                got = shares(v, PUB) + shares(v, PUB, socket.SOCK_STREAM)
                ok(not got, f"{name}, v{v}: a published port is ours", got)

                g.sendto(b"a flow", to)
                port = r.recvfrom(99)[1][1]
                got = shares(v, port)
                ok(not got and port == g.getsockname()[1],
                   f"{name}, v{v}: and so is the port of a flow", got)
                g.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                g.sendto(b"a search", (GROUPS[v], 1900) if v == 4 else
                         (GROUPS[v], 1900, 0, int(ip(
                             d.guest, "link show eth0").stdout.split(":")[0])))
                g.sendto(b"behind", to)
                r.recv(99)
                got = shares(v, port)
                ok(not got, f"{name}, v{v}: with a search from it, too", got)

            with sharing(v, 7777) as service, \
                    socket_in(d.guest, v, socket.SOCK_DGRAM) as g, \
                    socket_in(topo.remote, v, socket.SOCK_DGRAM) as r:
                r.bind((REMOTE[v], 0))
                g.bind((HOST[v], 7777))
                g.sendto(b"mine", r.getsockname()[:2])
                peer = r.recvfrom(99)[1]
                r.sendto(b"to the guest", peer)
                r.sendto(b"to the host", (HOST[v], 7777))
                ok(peer[1] != 7777 and g.recv(99) == b"to the guest" and
                   service.recv(99) == b"to the host",
                   f"{name}, v{v}: the guest has no part in the port of a "
                   "service of the host", peer)


@contextlib.contextmanager
def machine(*opts):
    """A passt whose guest has a kernel."""
    with topo.passt(*opts) as p, PumpGuest(p):
        yield p


outward("passt", topo.passt(*NONE, *CLOSED), Scripted)
outward("passt, --map-guest-addr", topo.passt(
    *NONE, *CLOSED, *both("--map-guest-addr", MGA)), Scripted)
outward("passt, --dns-forward", topo.passt(
    *NONE, *CLOSED, *both("--dns-forward", DNSF)), Scripted, (53, 853))
mapped("passt", topo.passt(*NONE), Scripted)
stolen("passt", machine(*PUBLISH))
outward("pasta", topo.pasta(*NONE, *NO_NS, *CLOSED), Raw)
outward("pasta, --dns-forward", topo.pasta(
    *NONE, *NO_NS, *CLOSED, *both("--dns-forward", DNSF),
    *both("--map-guest-addr", MGA)), Raw, (53, 853))
mapped("pasta", topo.pasta(*NONE, *NO_NS), Raw)
inward("passt, published", machine(*PUBLISH))
inward("passt, published, closed", machine(*PUBLISH, *CLOSED))
inward("pasta, published", topo.pasta(*PUBLISH))
inward("pasta, published, -T", topo.pasta(
    *PUBLISH, "-T", f"{INSIDE + 5}", "-U", f"{INSIDE + 5}"))
inward("pasta, --no-splice", topo.pasta(*PUBLISH, "--no-splice"))
inward("pasta, --no-splice, closed", topo.pasta(*PUBLISH, "--no-splice",
                                                *CLOSED))
inward("pasta, --host-lo-to-ns-lo", topo.pasta(
    *PUBLISH, "--host-lo-to-ns-lo"),
    {("127.0.0.1", "127.0.0.1"), ("::1", "::1")})
stolen("pasta", topo.pasta(*PUBLISH))
done()
