#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Options whose effect shows in who talks to whom: -o, --outbound-if, -D,
--dns-forward, the mappings, --freebind, -M, protocols turned off, -p, the
forms of port specifications, and the rest of --config-net."""
import json
import os
import socket
import struct
import sys

sys.dont_write_bytecode = True
from lib import *       # noqa: E402

need_root()
OTHER = {4: "10.77.0.22", 6: "fd77::22"}    # the host's second address
topo = Topo()
H, R = topo.host, topo.remote


def udp_in(pid, v, addr=None, port=0):
    s = socket_in(pid, v, socket.SOCK_DGRAM)
    s.bind((addr or ANY[v], port))
    s.settimeout(0.5)
    return s


def plain(addr):
    """Without a zone, which Python may have from another namespace"""
    return addr.split("%")[0]


def by_tcp(frm, v, to, port, where, addr=None, lport=None):
    """Talk to a server; returns the client's address as it sees it, or None"""
    with listen_in(where, v, addr, lport or port) as l:
        l.settimeout(1)
        try:
            with connect_in(frm, to, port, timeout=0.7) as c:
                s, peer = l.accept()
                with s:
                    s.sendall(b"hello")
                    return plain(peer[0]) if recv_all(c, 5) == b"hello" else \
                        None
        except OSError:
            return None


def by_udp(frm, v, to, port, where, addr=None, lport=None):
    with udp_in(where, v, addr, lport or port) as l, udp_in(frm, v) as c:
        try:
            c.sendto(b"ask", sockaddr(to, port))
            _, peer = l.recvfrom(100)
            l.sendto(b"answer", peer)
            return plain(peer[0]) if plain(c.recvfrom(100)[1][0]) == \
                plain(to) else None
        except OSError:
            return None


BY = {"TCP": by_tcp, "UDP": by_udp}


def sees(want, what, *args):
    for proto, f in BY.items():
        got = f(*args)
        ok(got == want, f"{what}: {proto} over IPv{args[1]}",
           f"expected {want}, not {got}")


def ping(p, addr):
    return not run(*enter(p.guest, "ping", "-n", "-c1", "-W1", addr),
                   check=False).returncode


def shown(*opts):
    """IPv4 addresses and routes of a command"""
    r = topo.run_pasta("-q", "--config-net", *opts, "--", "sh", "-c",
                       "ip -4 -j addr show dev eth0; echo; ip -4 -j route")
    a, _, routes = r.stdout.partition("\n")
    return [f"{i['local']}/{i['prefixlen']}"
            for i in json.loads(a)[0]["addr_info"]], json.loads(routes)


with case("--no-copy, -n"):
    ip(H, "addr add 10.77.0.22/24 dev eth0")
    ip(H, "route add 198.51.100.0/24 via " + GW[4])
    two = ["10.77.0.2/24", "10.77.0.22/24"]
    a, r = shown()
    ok(a == two and len(r) == 3, "all copied", (a, r))
    a, r = shown("--no-copy-addrs")
    ok(a == two[:1] and len(r) == 3, "--no-copy-addrs", (a, r))
    a, r = shown("--no-copy-routes")
    ok(a == two and {i["dst"] for i in r} == {"default", "10.77.0.0/24"},
       "--no-copy-routes", (a, r))
    a, r = shown("-n", "255.255.0.0")
    ok(a == ["10.77.0.2/16", "10.77.0.22/24"] and
       "10.77.0.0/16" in {i["dst"] for i in r}, "-n", (a, r))
    ip(H, "route del 198.51.100.0/24")
    ip(H, "addr del 10.77.0.22/24 dev eth0")

# Deprecated, so that it is not the kernel's choice nor the guest's address
for v, n in (4, 24), (6, 64):
    ip(H, f"addr add {OTHER[v]}/{n} dev eth0 {'nodad ' if v == 6 else ''}"
          "preferred_lft 0")
ip(H, "link add lone0 type veth peer name lone1")
ip(H, "link set lone1 up")
ip(H, "link set lone0 up")
ip(H, "addr add 10.99.0.1/24 dev lone0")
ip(H, "addr add fd99::1/64 dev lone0 nodad")
wait_for("link-local", lambda: "fe80" in ip(H, "addr show dev lone0").stdout
         and "tentative" not in ip(H, "addr show dev lone0").stdout)

with case("-o"), topo.pasta("-o", OTHER[4], "-o", OTHER[6]) as p:
    for v in 4, 6:
        sees(OTHER[v], "-o", p.guest, v, REMOTE[v], 5001, R, REMOTE[v])
        sees(LOOP[v], "-o, mapped loopback", p.guest, v, GW[v], 5001, H,
             LOOP[v])
        ok(ping(p, REMOTE[v]), f"-o: ping over IPv{v}")
        ok(ping(p, GW[v]), f"-o, mapped loopback: ping over IPv{v}")

for v in 4, 6:
    name = f"--outbound-if{v}"
    with case(name), topo.pasta(name, "lone0", "-i", "eth0") as p:
        sees(None, f"{name} elsewhere", p.guest, v, REMOTE[v], 5001, R,
             REMOTE[v])
        ok(not ping(p, REMOTE[v]), f"{name} elsewhere: ping")
        ok(ping(p, GW[v]), f"{name}, mapped loopback: ping")
        sees(LOOP[v], f"{name}, mapped loopback", p.guest, v, GW[v], 5001, H,
             LOOP[v])
        sees(HOST[10 - v], f"{name}: not", p.guest, 10 - v, REMOTE[10 - v],
             5001, R, REMOTE[10 - v])
    own = {4: "10.0.9.8", 6: "fd00:9::8"}[v]
    with case(name), topo.pasta(name, "eth0", "--map-guest-addr", own) as p:
        sees(HOST[v], f"{name} eth0", p.guest, v, REMOTE[v], 5001, R,
             REMOTE[v])
        sees(HOST[v], f"{name} eth0, --map-guest-addr", p.guest, v, own, 5001,
             H, HOST[v])

# --- DNS: IPv4 at the host's loopback, IPv6 elsewhere ---

topo.in_host("sh", "-ec", f"""
    mount -t tmpfs none /mnt
    echo 'nameserver 127.0.0.1' >/mnt/r
    echo 'nameserver {REMOTE[6]}' >>/mnt/r
    mount --bind /mnt/r "$(readlink -f /etc/resolv.conf)" """)
FORWARD = {4: "10.0.2.3", 6: "fd00::3"}
both = [w for v in (4, 6) for w in ("--dns-forward", FORWARD[v])]
usual = {4: (H, LOOP[4]), 6: (R, REMOTE[6])}
swap = {4: (R, REMOTE[4]), 6: (H, LOOP[6])}
for name, opts, server in (
        ("resolv.conf", [], usual),
        ("-D", ["-D", "192.0.2.1", "-D", "2001:db8::1"], usual),
        ("-D none", ["-D", "none"], usual),
        ("--dns-host", ["--dns-host", REMOTE[4], "--dns-host", "::1"], swap)):
    with case(name), topo.pasta(*opts, *both) as p:
        for v in 4, 6:
            where, addr = server[v]
            want = LOOP[v] if where == H else HOST[v]
            for port in 53, 853:
                sees(want, f"--dns-forward, {name}, port {port}", p.guest, v,
                     FORWARD[v], port, where, addr)
            ok(by_tcp(p.guest, v, FORWARD[v], 54, where, addr) is None,
               f"--dns-forward, {name}: no other port over IPv{v}")

# --- mappings ---

for v, lo, own in (4, "10.0.9.9", "10.0.9.8"), (6, "fd00:9::9", "fd00:9::8"):
    with case(f"maps over IPv{v}"), topo.pasta(
            "--map-host-loopback", lo, "--map-guest-addr", own,
            "-t", "7001", "-u", "7001", "--no-splice") as p:
        sees(LOOP[v], "--map-host-loopback", p.guest, v, lo, 5001, H, LOOP[v])
        sees(HOST[v], "--map-host-loopback frees the gateway", p.guest, v,
             GW[v], 5002, R, GW[v])
        sees(HOST[v], "--map-guest-addr", p.guest, v, own, 5003, H, HOST[v])
        w = 10 - v
        sees(LOOP[w], "--map-host-loopback, other family", p.guest, w, GW[w],
             5002, H, LOOP[w])
        for src, want in (LOOP[v], lo), (HOST[v], own):
            with listen_in(p.guest, v, port=7001) as l, \
                    connect_in(H, src, 7001, source=src):
                got = l.accept()[1][0]
            ok(got == want, f"{src} as TCP client is {want}", got)
            with udp_in(p.guest, v, None, 7001) as l, udp_in(H, v, src) as c:
                c.sendto(b"ask", (src, 7001))
                peer = l.recvfrom(9)[1]
                l.sendto(b"answer", peer)
                ok(peer[0] == want and c.recv(9) == b"answer",
                   f"{src} as UDP client is {want}", peer)

with case("none"), topo.pasta("--map-host-loopback", "none") as p:
    for v in 4, 6:
        sees(HOST[v], "--map-host-loopback none", p.guest, v, GW[v], 5001, R,
             GW[v])

with case("--no-map-gw"), topo.pasta("--no-map-gw", "--map-host-loopback",
                                     "10.0.9.9") as p:
    sees(LOOP[4], "--no-map-gw, mapping of its own", p.guest, 4, "10.0.9.9",
         5001, H, LOOP[4])
    for v in 4, 6:
        sees(HOST[v], "--no-map-gw", p.guest, v, GW[v], 5001, R, GW[v])

# --- clients on the host itself, by the tap ---

def arrives(p, src, dst, want, to, what, port=7001):
    """A client on the host at @src, who asks for @dst: the guest sees it come
    from @want, or from one of several, to its address @to."""
    v = 6 if ":" in src else 4
    want = (want,) if isinstance(want, str) else want
    with case(what), listen_in(p.guest, v, port=port) as l, \
            connect_in(H, dst, port, 2, src):
        l.settimeout(2)
        s, peer = l.accept()
        with s:
            got = plain(peer[0]), plain(s.getsockname()[0])
        ok(got[0] in want and got[1] == to, f"{what}: TCP", got)
    with case(what), udp_in(p.guest, v, to if "." in to or to[:2] == "fd" else
                            None, port) as l, udp_in(H, v, src) as c:
        c.sendto(b"ask", (dst, port))
        peer = l.recvfrom(9)[1]
        l.sendto(b"answer", peer)
        b, back = c.recvfrom(9)
        ok(plain(peer[0]) in want and (b, *back[:2]) == (b"answer", dst, port),
           f"{what}: UDP", (peer, back))


def own_ll(pid):
    """Link-local address of a namespace"""
    for l in json.loads(ip(pid, "-6 -j addr show scope link").stdout):
        for a in l.get("addr_info", ()):
            if a.get("local", "").startswith("fe80") and l["ifname"] != "lone0":
                return a["local"]
    return None


LOCAL_PORTS = "-t", "7001", "-u", "7001", "--no-splice"
with case("by the tap"), topo.pasta(*LOCAL_PORTS) as p:
    arrives(p, "127.0.0.1", "127.0.0.10", GW[4], HOST[4],
            "127.0.0.1 to 127.0.0.10")
    arrives(p, "127.0.0.2", "127.0.0.3", GW[4], HOST[4], "127.0.0.2")
    arrives(p, HOST[4], HOST[4], GW[4], HOST[4], "the guest's own address")
    arrives(p, OTHER[4], HOST[4], OTHER[4], HOST[4], "another address")
    arrives(p, "::1", "::1", GW[6], HOST[6], "::1")
    arrives(p, HOST[6], HOST[6], own_ll(H), own_ll(p.guest),
            "the guest's own address, IPv6")
with case("unmapped"), topo.pasta(*LOCAL_PORTS, "--no-map-gw") as p:
    arrives(p, "127.0.0.1", "127.0.0.1", GW[4], HOST[4], "--no-map-gw")
    arrives(p, "::1", "::1", own_ll(H), own_ll(p.guest),
            "--no-map-gw over IPv6")

ip(H, "route replace default dev eth0")
ip(H, "-6 route del default")
ip(H, "-6 route add default dev eth0")
with case("no gateway"), topo.pasta(*LOCAL_PORTS) as p:
    for src in "127.0.0.1", HOST[4]:
        ok(by_tcp(H, 4, src, 7001, p.guest) is None,
           f"no gateway: {src} has nobody to be")
    arrives(p, OTHER[4], HOST[4], OTHER[4], HOST[4], "no gateway")
    arrives(p, "::1", "::1", own_ll(H), own_ll(p.guest),
            "no gateway over IPv6")
    sees(HOST[4], "no gateway: nothing is mapped", p.guest, 4, GW[4], 5001, R,
         GW[4])
for v in 4, 6:
    ip(H, f"-{v} route replace default via {GW[v]}")
ip(H, "-6 route flush default")
ip(H, f"-6 route add default via {GW[6]}")

# --- what is off is off, and the rest works ---

for name in "--no-tcp", "--no-udp", "--no-icmp", "--no-ndp":
    with case(name), topo.pasta(name) as p:
        works = {proto for proto, f in BY.items()
                 if f(p.guest, 4, GW[4], 5001, H, LOOP[4])}
        works |= {i for i, v in (("ICMP", 4), ("NDP", 6)) if ping(p, GW[v])}
        off = {"--no-icmp": {"ICMP", "NDP"}}.get(name, {name[5:].upper()})
        ok(works == {"TCP", "UDP", "ICMP", "NDP"} - off, name, works)

# --- listening ---

with case("--freebind"):
    r = topo.run_pasta("-t", "10.123.0.9/7100", "--", "true")
    ok(r.returncode == 1 and "10.123.0.9" in r.stderr, "not without it",
       r.stderr)
    late = {4: "10.123.0.9", 6: "fd78::9"}
    spec = [w for v in (4, 6) for o in ("-t", "-u")
            for w in (o, late[v] + "/7100")]
    with topo.pasta("--freebind", *spec) as p:
        for v, n in (4, "32"), (6, "128 nodad"):
            ip(H, f"addr add {late[v]}/{n} dev eth0")
            ip(R, f"-{v} route add {late[v]} via {HOST[v]}")
            for proto, f in BY.items():
                ok(any(f(R, v, late[v], 7100, p.guest) for _ in range(3)),
                   f"--freebind: {proto} over IPv{v}")
            ip(H, f"addr del {late[v]}/{n.split()[0]} dev eth0")

for proto, f in BY.items():
    o = {"TCP": "-t", "UDP": "-u"}[proto]
    specs = ("%eth0/7200", "%lone0/7201", HOST[4] + "%eth0/7202", "[::]/7203",
             "0.0.0.0/7204", "7205:7305", "7210-7215:7310-7315,~7212",
             "5555,6000-6010:7000-7010,~6005")
    with case(o), topo.pasta(*[w for s in specs for w in (o, s)]) as p:
        for v, to, port, target, want in (
                (4, HOST[4], 7200, 7200, True), (6, HOST[6], 7200, 7200, True),
                (4, HOST[4], 7201, 7201, False),
                (4, HOST[4], 7202, 7202, True),
                (4, OTHER[4], 7202, 7202, False),
                (6, HOST[6], 7203, 7203, True), (4, HOST[4], 7203, 7203, False),
                (4, HOST[4], 7204, 7204, True), (6, HOST[6], 7204, 7204, False),
                (4, HOST[4], 7205, 7305, True), (6, HOST[6], 7205, 7305, True),
                (4, HOST[4], 7213, 7313, True), (4, HOST[4], 7212, 7312, False),
                (4, HOST[4], 6010, 7010, True), (4, HOST[4], 6005, 7005, False),
                (4, HOST[4], 5555, 5555, True)):
            got = f(R, v, to, port, p.guest, None, target)
            ok(bool(got) == want, f"{o}: {to} port {port}"
               f"{'' if want else ' is not forwarded'}", got)

# --- the link ---

with case("-M"), topo.pasta("-M", "02:aa:bb:cc:dd:ee") as p:
    for v in 4, 6:
        ping(p, GW[v])
        t = ip(p.guest, f"-{v} neigh show {GW[v]}").stdout
        ok("02:aa:bb:cc:dd:ee" in t, f"-M over IPv{v}", t)

path = tmp("capture")
with case("-p"), topo.pasta("-p", path) as p:
    ping(p, GW[4])
    until = time.monotonic() + 3
    while True:                 # what was sent is written down afterwards
        with open(path, "rb") as f:
            data = f.read()
        at, seen = 24, []
        while at + 16 <= len(data):
            n, whole = struct.unpack_from("II", data, at + 8)
            frame = data[at + 16:at + 16 + n]
            at += 16 + n
            if frame[12:14] == b"\x08\0" and frame[23] == 1:
                seen.append((frame[34], n == whole))
        if len(seen) == 2 and at == len(data) or time.monotonic() > until:
            break
        time.sleep(0.05)
    ok(data[:4] == struct.pack("I", 0xa1b2c3d4) and at == len(data) and
       seen == [(8, True), (0, True)], "-p: echo and its reply", seen)
    ok(os.stat(path).st_mode & 0o777 == 0o600, "-p: mode of the file")

with case("--trace"), topo.pasta("--trace", quiet=False) as p:
    ping(p, GW[4])
    before = p.text()
    ping(p, GW[4])
    more = p.text()[len(before):]
    ok(GW[4] in more, "--trace: packets", more)

# --- with nothing to be modelled on: the last, as it takes addresses away ---

for n in "eth0", "lone0":
    ip(H, f"link set {n} down")
with case("local mode"), topo.pasta(*LOCAL_PORTS) as p:
    index = json.loads(ip(p.guest, "-j link show tap0").stdout)[0]["ifindex"]
    gw = {4: "169.254.2.2", 6: "fe80::1"}
    for v, to in (4, gw[4]), (6, f"{gw[6]}%{index}"):
        sees(LOOP[v], "local mode: out", p.guest, v, to, 5001, H, LOOP[v])
        ok(ping(p, f"{gw[v]}%tap0" if v == 6 else to),
           f"local mode: ping over IPv{v}")
    arrives(p, "127.0.0.1", "127.0.0.1", gw[4], "169.254.2.1",
            "local mode: in")
    arrives(p, "::1", "::1", gw[6], own_ll(p.guest),
            "local mode: in, over IPv6")
with case("local mode"), topo.pasta("-t", "7001", "-u", "7001") as p:
    for v in 4, 6:      # no IPv6 address but the link's: by IPv4
        with case(f"bypass {v}"), listen_in(p.guest, 4, port=7001) as l, \
                connect_in(H, LOOP[v], 7001, 2) as c:
            l.settimeout(2)
            got = l.accept()[1][0]
            ok(got == "169.254.2.1", f"local mode: {LOOP[v]} by the bypass",
               got)

done()
