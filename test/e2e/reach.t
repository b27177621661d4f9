#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Who reaches whom, by which address, and as whom they are seen: every row of
the table REACHABILITY of the manual, over TCP and UDP, IPv4 and IPv6, with
kernels at both ends; and what must stay closed."""
import os
import re
import select
import socket
import struct
import sys

sys.dont_write_bytecode = True
from lib import *       # noqa: E402

need_root()
topo = Topo()
MGA = {4: "192.0.2.8", 6: "2001:db8::8"}
SECOND = {4: "10.99.0.2", 6: "fd99::2"}     # of the host's, not the guest's
for v in 4, 6:
    ip(topo.host, f"addr add {SECOND[v]}/{32 if v == 4 else 128} dev lo")
PUB, INSIDE = 7001, 7101        # published: -t PUB:INSIDE
OUT = 7201                      # -T OUT
FREE = 7301                     # neither
tried = set()
LO5 = {4: "127.0.0.5", 6: "::1"}
OUR = {4: GW[4], 6: "fe80:"}    # us on the link; a prefix is enough
TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM
NAME = {TCP: "TCP", UDP: "UDP"}


def service(pid, v, kind, addr, port):
    s = socket_in(pid, v, kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if v == 6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind((addr, port))
    if kind == TCP:
        s.listen(8)
    return s


def tcp_seen(l, pid, v, to, source):
    """-> how the service saw the client, or None if it was turned away"""
    c = socket_in(pid, v)
    c.settimeout(5)
    try:
        if source:
            c.bind((source, 0))
        c.connect(to)
        l.settimeout(5)
        l.setblocking(True)
        if not select.select([l, c], [], [], 5)[0]:
            return "nothing at all"
        l.setblocking(False)
        s, peer = l.accept()
        s.settimeout(5)
        c.sendall(b"?")
        s.sendall(s.recv(1) + b"!")
        good = recv_all(c, 2) == b"?!"
        s.close()
        return peer[0] if good else "no answer"
    except ConnectionError:
        return None
    except BlockingIOError:             # the client has news, not the service
        try:
            return f"end of data {c.recv(1)}"
        except ConnectionError:
            return None
    finally:
        c.close()


def udp_seen(l, pid, v, to, source, wait=3):
    c = socket_in(pid, v, UDP)
    c.settimeout(5)
    try:
        if source:
            c.bind((source, 0))
        c.connect(to)       # so only an answer from there is one
        c.send(b"?")
        if not select.select([l], [], [], wait)[0]:
            return None
        b, peer = l.recvfrom(10)
        l.sendto(b + b"!", peer)
        return peer[0] if c.recv(10) == b"?!" else "no answer"
    except ConnectionError:
        return None
    finally:
        c.close()


def row(number, text, where, at, pid, to, seen, source=None, vs=(4, 6)):
    """From @pid (and @source) to address and port @to; the service is in
    @where at address and port @at, and sees @seen (None: nobody). @number is
    its line in the table, 0 if it must not work."""
    tried.add(number)
    for v in vs:
        for kind in TCP, UDP:
            name = f"{text}, {NAME[kind]} IPv{v}"
            with case(name), service(where, v, kind, at[0][v], at[1]) as l:
                args = l, pid, v, (to[0][v], to[1]), source and source[v]
                got = tcp_seen(*args) if kind == TCP else \
                    udp_seen(*args, 3 if seen else 0.3)
                want = seen and seen[v]
                ok(got == want or got and want and want[-1] == ":" and
                   got.startswith(want), name, f"{got}, not {want}")


def outward(p, mode):
    """What the guest reaches, whoever it is."""
    h, g = topo.host, p.guest
    row(1, f"{mode}: another host", topo.remote, (REMOTE, FREE), g,
        (REMOTE, FREE), HOST)
    row(2, f"{mode}: the gateway is the host's loopback", h, (LOOP, FREE), g,
        (GW, FREE), LOOP)
    row(3, f"{mode}: --map-guest-addr is the host at the shared address", h,
        (HOST, FREE), g, (MGA, FREE), HOST)
    row(4, f"{mode}: another address of the host", h, (SECOND, FREE), g,
        (SECOND, FREE), SECOND)
    row(7, f"{mode}: the shared address is the guest itself", g, (HOST, FREE),
        g, (HOST, FREE), HOST)


def inward(p, mode):
    """Who reaches the guest by a published port."""
    h, g = topo.host, p.guest
    at = (ANY, INSIDE)
    row(13, f"{mode}: published, another host", g, at, topo.remote,
        (HOST, PUB), REMOTE, source=REMOTE)
    row(16, f"{mode}: published, host's shared address", g, at, h, (HOST, PUB),
        MGA)
    row(17, f"{mode}: published, host's other address", g, at, h,
        (SECOND, PUB), SECOND)
    row(8, f"{mode}: hairpin by --map-guest-addr", g, at, g, (MGA, PUB), MGA)
    row(9, f"{mode}: hairpin by another address of the host", g, at, g,
        (SECOND, PUB), SECOND)
    row(0, f"{mode}: its own service by the shared address", g, at, g,
        (HOST, INSIDE), HOST)


def both(opt, a):
    return opt, a[4], opt, a[6]


def ports(t, ns=None):
    return ("-t", t, "-u", t) + (("-T", ns, "-U", ns) if ns else ())


def container():
    h = topo.host
    with topo.pasta(*ports(f"{PUB}:{INSIDE}", f"{OUT},{PUB}"),
                    *both("--map-guest-addr", MGA)) as p:
        g = p.guest
        outward(p, "pasta")
        inward(p, "pasta")
        row(14, "pasta: published, host's loopback", g, (ANY, INSIDE), h,
            (LOOP, PUB), HOST)
        row(10, "pasta: hairpin by the gateway", g, (ANY, INSIDE), g,
            (GW, PUB), HOST)
        row(5, "pasta: -T, loopback", h, (LOOP, OUT), g, (LOOP, OUT), LOOP)
        row(5, "pasta: -T, 127.0.0.5", h, (LO5, OUT), g, (LO5, OUT), LOOP,
            vs=(4,))
        row(6, "pasta: -T, the shared address", h, (HOST, OUT), g,
            (HOST, OUT), HOST)
        row(6, "pasta: -T, the shared address, service at any", h, (ANY, OUT),
            g, (HOST, OUT), HOST)
        row(0, "pasta: -T, the shared address from loopback", h, (HOST, OUT), g,
            (HOST, OUT), HOST, source=LOOP)
        row(5, "pasta: -T, loopback from the shared address", h, (LOOP, OUT), g,
            (LOOP, OUT), LOOP, source=HOST)
        row(0, "pasta: -T, the shared address is not the host's loopback", h,
            (LOOP, OUT), g, (HOST, OUT), None)
        row(0, "pasta: -T, loopback is not the shared address", h, (HOST, OUT),
            g, (LOOP, OUT), None)
        row(11, "pasta: hairpin by loopback and -T", g, (ANY, INSIDE), g,
            (LOOP, PUB), HOST)
        row(12, "pasta: hairpin by the shared address and -T", g, (ANY, INSIDE),
            g, (HOST, PUB), MGA)
        # From outside nobody gets at what -T opens inside
        row(0, "pasta: -T is not for others", h, (LOOP, OUT), topo.remote,
            (HOST, OUT), None)
        ok(p.proc.poll() is None, "pasta: still running", p.text())
    with topo.pasta(*ports(f"{PUB}:{INSIDE}", str(PUB))) as p:
        row(16, "pasta, no --map-guest-addr: published, host's shared address",
            p.guest, (ANY, INSIDE), h, (HOST, PUB), OUR)
        row(12, "pasta, no --map-guest-addr: hairpin by the shared address",
            p.guest, (ANY, INSIDE), p.guest, (HOST, PUB), OUR)
    with topo.pasta(*ports(f"{PUB}:{INSIDE}"), "--no-splice") as p:
        row(15, "pasta --no-splice: published, host's loopback", p.guest,
            (ANY, INSIDE), h, (LOOP, PUB), GW)
    with topo.pasta(*ports(f"{PUB}:{INSIDE}"), "--host-lo-to-ns-lo") as p:
        row(14, "pasta --host-lo-to-ns-lo: published, host's loopback", p.guest,
            (LOOP, INSIDE), h, (LOOP, PUB), LOOP)


def several():
    """More than one address that both have: each is like the first."""
    twin = {4: "10.77.0.22", 6: "fd77::22"}
    for v in 4, 6:
        ip(topo.host, f"addr add {twin[v]}/{24 if v == 4 else '64 nodad'} "
           "dev eth0")
    h = topo.host
    with topo.pasta(*ports(f"{PUB}:{INSIDE}", str(OUT))) as p:
        g = p.guest
        row(6, "second shared address: -T", h, (twin, OUT), g, (twin, OUT),
            twin)
        row(7, "second shared address: the guest itself", g, (twin, FREE), g,
            (twin, FREE), {4: HOST[4], 6: twin[6]})     # as on the host
        row(13, "second shared address: published, another host", g,
            (ANY, INSIDE), topo.remote, (twin, PUB), REMOTE, source=REMOTE,
            vs=(4,))
        for to in HOST, twin:
            row(16, f"second shared address: published, from it to {to[4]}", g,
                (ANY, INSIDE), h, (to, PUB), OUR, source=twin)
    for v in 4, 6:
        ip(topo.host, f"addr del {twin[v]}/{24 if v == 4 else 64} dev eth0")


def foreign():
    """A container with an address of its own, which the host does not have:
    its own address with -T is nobody's, and nothing leaves for it."""
    own = {4: "10.0.2.15", 6: "fd00:2::15"}
    with topo.pasta(*ports("none", str(OUT)), *both("-a", own)) as p:
        for v in 4, 6:
            run(*enter(topo.remote, "ip", "addr", "add", f"{own[v]}/"
                       f"{32 if v == 4 else 128}", "dev", "lo"))
            run(*enter(topo.host, "ip", f"-{v}", "route", "add", own[v],
                       "via", REMOTE[v]))
        row(0, "other address inside: -T by it is not the host's loopback",
            topo.host, (ANY, OUT), p.guest, (own, OUT), None)
        row(0, "other address inside: -T by it leads to no other host",
            topo.remote, (ANY, OUT), p.guest, (own, OUT), None)
        row(0, "other address inside: the host's address is just that",
            topo.host, (HOST, FREE), p.guest, (HOST, FREE), HOST)
        for v in 4, 6:
            run(*enter(topo.host, "ip", f"-{v}", "route", "del", own[v]))


def automatic():
    """-T and -U that follow the host's services."""
    if topo.run_pasta("-T", "auto", "--", "true").returncode:
        return skip("pasta: -T auto", "this build does not have it")
    with case("auto"), service(topo.host, 4, TCP, HOST[4], OUT) as l, \
            topo.pasta("-T", "auto", "-U", "auto") as p:
        ok(tcp_seen(l, p.guest, 4, (HOST[4], OUT), None) == HOST[4],
           "pasta: -T auto, a service at the shared address")
    with case("auto"), service(topo.host, 6, TCP, ANY[6], OUT) as l, \
            topo.pasta("-T", "auto", "-U", "auto") as p:
        ok(tcp_seen(l, p.guest, 6, (HOST[6], OUT), None) == HOST[6],
           "pasta: -T auto, one at all addresses, IPv6")


def closed():
    """The host's loopback, when nothing is mapped."""
    nothing = ("-t", "none", "-u", "none", "--no-map-gw")
    with topo.pasta(*nothing, "-T", "none", "-U", "none",
                    *both("--map-guest-addr", MGA)) as p:
        loopback_closed(p, "pasta", (GW, HOST, SECOND, LOOP, MGA))
    with topo.passt(*nothing, *both("--map-guest-addr", MGA)) as p, \
            PumpGuest(p):
        loopback_closed(p, "passt", (GW, HOST, SECOND, LOOP, MGA))


def loopback_closed(p, mode, addrs):
    for a in addrs:
        row(0, f"{mode}, nothing mapped: no way to the host's loopback by "
            f"{a[4]}", topo.host, (LOOP, FREE), p.guest, (a, FREE), None)
    # Addresses that only a router could have written
    ip(p.guest, "-4 route add table 99 local 127.0.0.0/8 dev lo")
    for dst in "127.0.0.1", "127.0.0.53":
        with case(mode), service(topo.host, 4, UDP, dst, FREE) as l:
            raw = socket_in(p.guest, 4, socket.SOCK_RAW, 255)
            ok(udp_raw(p, raw, dst, l) is None,
               f"{mode}, nothing mapped: nor by {dst} on the link")
            raw.close()


def udp_raw(p, raw, dst, l):
    """A frame to @dst by the link, past the kernel's routing."""
    dev = "eth0"
    s = socket_in(p.guest, af=socket.AF_PACKET, kind=socket.SOCK_RAW,
                  proto=0x0800)
    s.bind((dev, 0x0800))
    body = struct.pack(">HHHH", 5000, FREE, 9, 0) + b"?"
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 1, 0, 64, 17,
                       0, socket.inet_aton(HOST[4]), socket.inet_aton(dst))
    n = sum(struct.unpack(">10H", head))
    n = (n & 0xffff) + (n >> 16)
    head = head[:10] + struct.pack(">H", ~n & 0xffff) + head[12:]
    mac = bytes.fromhex("9a559a559a55")
    s.send(mac + s.getsockname()[4] + b"\x08\0" + head + body)
    s.close()
    return l.recv(10) if select.select([l], [], [], 0.3)[0] else None


def machine():
    with topo.passt(*ports(f"{PUB}:{INSIDE}"),
                    *both("--map-guest-addr", MGA)) as p, PumpGuest(p):
        outward(p, "passt")
        inward(p, "passt")
        row(15, "passt: published, host's loopback", p.guest, (ANY, INSIDE),
            topo.host, (LOOP, PUB), GW)
        row(10, "passt: hairpin by the gateway", p.guest, (ANY, INSIDE),
            p.guest, (GW, PUB), GW)
        ok(p.proc.poll() is None, "passt: still running", p.text())
    with topo.passt(*ports(f"{PUB}:{INSIDE}")) as p, PumpGuest(p):
        row(16, "passt, no --map-guest-addr: published, host's shared address",
            p.guest, (ANY, INSIDE), topo.host, (HOST, PUB), OUR)


container()
several()
foreign()
automatic()
closed()
def documented():
    """Manual and README have the same lines, and all of them were tried."""
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    readme = re.findall(r"^\| (\d+) \| [a-z].*\|$",
                        read(os.path.join(root, "README.md")), re.M)
    man = read(os.path.join(root, "passt.1")).split(".Sh REACHABILITY")[1]
    man = re.findall(r"^ ?(\d+)  \w", man.split(".Ed")[0], re.M)
    ok(readme == man == [str(n) for n in sorted(tried - {0})],
       "every line of the tables was tried", f"{readme} {man} {tried}")


machine()
documented()
done()
