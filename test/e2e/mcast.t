#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Groups: what the guest's kernel joins, the host joins; mDNS and SSDP as they
are spoken, with true addresses on both sides; answers to broadcasts. By pasta
and by passt, whose guests are real kernels."""
import socket
import struct
import sys
import time

sys.dont_write_bytecode = True
from lib import *       # noqa: E402

need_root()
MDNS = {4: "224.0.0.251", 6: "ff02::fb"}
SSDP = {4: "239.255.255.250", 6: "ff05::c"}
OWN = {4: "239.1.2.3", 6: "ff05::1:2345"}
IP_RECVTTL, IP_PKTINFO = 12, 8
IPV6 = socket.IPPROTO_IPV6


def device(pid):
    """Name and number of the interface that is not lo."""
    for line in ip(pid, "-o link show up").stdout.splitlines():
        n, name = line.split(": ")[:2]
        if name != "lo" and "MULTICAST" in line:
            return name.split("@")[0], int(n)


def addr(a):
    return socket.inet_pton(AF[6 if ":" in a else 4], a)


class Party:
    """A program that takes part in a group."""

    def __init__(self, pid, v, port, group=None, source=None, loop=1):
        self.v, self.index = v, device(pid)[1]
        s = self.s = socket_in(pid, v, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if v == 4:
            s.setsockopt(socket.SOL_IP, socket.IP_MULTICAST_TTL, 255)
            s.setsockopt(socket.SOL_IP, socket.IP_MULTICAST_LOOP, loop)
            s.setsockopt(socket.SOL_IP, socket.IP_MULTICAST_IF,
                         struct.pack("4s4si", bytes(4), bytes(4), self.index))
            s.setsockopt(socket.SOL_IP, IP_RECVTTL, 1)
            s.setsockopt(socket.SOL_IP, IP_PKTINFO, 1)
        else:
            s.setsockopt(IPV6, socket.IPV6_V6ONLY, 1)
            s.setsockopt(IPV6, socket.IPV6_MULTICAST_HOPS, 255)
            s.setsockopt(IPV6, socket.IPV6_MULTICAST_LOOP, loop)
            s.setsockopt(IPV6, socket.IPV6_MULTICAST_IF, self.index)
            s.setsockopt(IPV6, socket.IPV6_RECVHOPLIMIT, 1)
            s.setsockopt(IPV6, socket.IPV6_RECVPKTINFO, 1)
        s.bind((source or ANY[v], port))
        if group:
            self.join(group)

    def join(self, group):
        if self.v == 4:
            self.s.setsockopt(socket.SOL_IP, socket.IP_ADD_MEMBERSHIP,
                              struct.pack("4s4si", addr(group), bytes(4),
                                          self.index))
        else:
            self.s.setsockopt(IPV6, socket.IPV6_JOIN_GROUP, addr(group) +
                              struct.pack("i", self.index))

    def send(self, data, to, port):
        self.s.sendto(data, (to, port))

    def get(self, timeout=5):
        """Data, from whom, to whom, TTL; None if nothing comes."""
        self.s.settimeout(timeout)
        try:
            data, anc, _, peer = self.s.recvmsg(70000, 400)
        except TimeoutError:
            return None
        ttl = to = None
        for level, kind, d in anc:
            if (level, kind) in ((socket.SOL_IP, 2), (IPV6, 52)):
                ttl = struct.unpack("i", d)[0]
            elif (level, kind) == (socket.SOL_IP, IP_PKTINFO):
                to = socket.inet_ntop(AF[4], d[8:12])
            elif (level, kind) == (IPV6, 50):
                to = socket.inet_ntop(AF[6], d[:16])
        return data, (peer[0].split("%")[0], peer[1]), to, ttl

    def silent(self, what):
        got = self.get(0.3)
        ok(got is None, what, got)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.s.close()


def joined(pid, group):
    """How many sockets in the namespace of @pid have joined it, on the link."""
    dev = device(pid)[0]
    if ":" in group:
        return sum(int(l.split()[3]) for l in
                   read(f"/proc/{pid}/net/igmp6").splitlines()
                   if l.split()[1:3] == [dev, addr(group).hex()])
    want, at = f"{struct.unpack('I', addr(group))[0]:08X}", None
    for l in read(f"/proc/{pid}/net/igmp").splitlines()[1:]:
        if not l.startswith("\t"):
            at = l.split()[1]
        elif l.split()[0] == want and at == dev:
            return int(l.split()[1])
    return 0


def await_join(group, yes=True, seconds=10):
    wait_for(f"{group} {'joined' if yes else 'left'} on the host",
             lambda: bool(joined(topo.host, group)) == yes, seconds)


def link_local(pid):
    out = ip(pid, f"-6 addr show dev {device(pid)[0]} scope link").stdout
    return out.split("inet6 ")[1].split("/")[0]


def source_of(pid, v, g):
    """What the remote or host uses towards group @g."""
    if v == 4:
        return {topo.remote: REMOTE, topo.host: HOST}[pid][4]
    s = socket_in(pid, 6, socket.SOCK_DGRAM)
    s.connect((g, 9, 0, device(pid)[1]))
    a = s.getsockname()[0].split("%")[0]
    s.close()
    return a


def mdns(name, guest, v):
    """All speak from port 5353 to port 5353, the host's own program too."""
    g, name = MDNS[v], f"{name}, mDNS v{v}"
    with case(name), Party(topo.host, v, 5353, g) as host, \
            Party(topo.remote, v, 5353, g, loop=0) as remote, \
            Party(guest, v, 5353, g, loop=0) as me:
        # The socket is there a moment before it has joined
        wait_for("membership", lambda: members(g, 5353) and
                 joined(topo.host, g) > 1)
        remote.send(b"announce", g, 5353)
        got = me.get()
        ok(got == (b"announce", (source_of(topo.remote, v, g), 5353), g, 255),
           f"{name}: an announcement reaches the guest as it was", got)
        me.silent(f"{name}: ... and once")
        host.get()
        for data in b"query", b"query", b"Q" * 9000:
            me.send(data, g, 5353)
            got = remote.get()
            ok(got == (data, (source_of(topo.host, v, g), 5353), g, 255),
               f"{name}: the guest's query goes out, {len(data)} bytes", got)
            got = host.get()
            ok(got and got[0] == data,
               f"{name}: ... and the host's own program hears it", got)
        me.silent(f"{name}: ... but the guest is not told its own")
        host.send(b"query", g, 5353)
        got = me.get()
        ok(got and got[0] == b"query" and got[1][1] == 5353 and got[2] == g
           and got[1][0] == (GW[4] if v == 4 else source_of(topo.host, v, g)),
           f"{name}: the host's program is heard, saying just the same", got)
        me.silent(f"{name}: ... once")
        # Unicast to the host's port 5353 remains the host's
        host.get(0.1), remote.get(0.1), remote.get(0.1)
        remote.send(b"unicast", HOST[v], 5353)
        got = host.get()
        ok(got and got[0] == b"unicast",
           f"{name}: what is for the host's program is not taken away", got)
        # A querier that is no responder: answered by unicast
        with Party(topo.remote, v, 0) as legacy:
            legacy.send(b"legacy", g, 5353)
            got = me.get()
            ok(got and got[0] == b"legacy", f"{name}: a legacy query", got)
            to = got[1][0]
            if v == 6 and to.startswith("fe80"):
                to += f"%{me.index}"
            me.s.sendto(b"answer", sockaddr(to, got[1][1]))
            got = legacy.get()
            ok(got and got[0] == b"answer" and got[1][1] == 5353,
               f"{name}: ... gets the guest's answer from port 5353", got)
    await_join(g, False)
    ok(True, f"{name}: left when nobody is left")


def members(group, port):
    """Does a socket of the host listen for just this group?"""
    want = f":{port:04X}"
    a = addr(group)
    if len(a) == 4:
        hexa = f"{struct.unpack('I', a)[0]:08X}"
    else:
        hexa = "".join(f"{x:08X}" for x in struct.unpack("4I", a))
    path = f"/proc/{topo.host}/net/udp{'6' if len(a) > 4 else ''}"
    return sum(l.split()[1] == hexa + want
               for l in read(path).splitlines()[1:])


def ssdp(name, guest, v):
    """Searches from any port, answers by unicast from any other; and notices
    to those who have joined."""
    g, name = SSDP[v], f"{name}, SSDP v{v}"
    with case(name), Party(topo.remote, v, 1900, g) as remote, \
            Party(topo.remote, v, 0, source=REMOTE[v]) as answers, \
            Party(guest, v, 0) as me:
        port = me.s.getsockname()[1]
        me.send(b"M-SEARCH", g, 1900)
        got = remote.get()
        ok(got == (b"M-SEARCH", (source_of(topo.host, v, g), port), g, 255),
           f"{name}: a search goes out from its port", got)
        for n in range(2):
            answers.send(b"HTTP %d" % n, HOST[v], port)
            got = me.get()
            ok(got and got[0] == b"HTTP %d" % n and got[1] ==
               (REMOTE[v], answers.s.getsockname()[1]),
               f"{name}: an answer comes from whom it is, {n}", got)
        remote.send(b"NOTIFY", g, 1900)
        me.silent(f"{name}: who has not joined hears nothing")
        with Party(guest, v, 1900, g) as member:
            wait_for("membership", lambda: members(g, 1900))
            remote.send(b"NOTIFY", g, 1900)
            got = member.get()
            ok(got == (b"NOTIFY", (source_of(topo.remote, v, g), 1900), g,
                       255), f"{name}: who has does", got)
    await_join(g, False)


def own_port(name, guest, v):
    """A group that nobody knows: the ports are those that the guest sends to,
    and those that are forwarded."""
    g, name = OWN[v], f"{name}, own group v{v}"
    with case(name), Party(topo.remote, v, 0) as remote, \
            Party(guest, v, 4444, g) as me, Party(guest, v, 14445, g) as me2:
        me.send(b"hello", g, 4444)
        me.get()                # its own kernel's copy
        wait_for("membership", lambda: members(g, 4444) or
                 me.send(b"hello", g, 4444))
        while me.get(0.2):
            pass
        remote.send(b"frame", g, 4444)
        got = me.get()
        ok(got and got[0] == b"frame", f"{name}: heard where it sends to", got)
        wait_for("membership", lambda: members(g, 4445))
        remote.send(b"forwarded", g, 4445)
        got = me2.get()
        ok(got and got[0] == b"forwarded" and got[2] == g,
           f"{name}: heard where -u says, at its port there", got)


def versions(name, guest):
    """Older guests: IGMP 1 cannot leave, it is forgotten in time."""
    dev = device(guest)[0]
    run(*enter(guest, "sh", "-c", f"""
        echo 500 >/proc/sys/net/ipv4/conf/{dev}/igmpv2_unsolicited_report_interval
        echo 500 >/proc/sys/net/ipv6/conf/{dev}/mldv1_unsolicited_report_interval
        """))
    for v, knob, n in ((4, f"ipv4/conf/{dev}/force_igmp_version", 2),
                       (4, f"ipv4/conf/{dev}/force_igmp_version", 1),
                       (6, f"ipv6/conf/{dev}/force_mld_version", 1)):
        text = f"{name}, {'IGMP' if v == 4 else 'MLD'}v{n}"
        g = {4: f"239.255.255.{10 + n}", 6: "ff05::1:11"}[v]

        def force(x):
            run(*enter(guest, "sh", "-c", f"echo {x} >/proc/sys/net/{knob}"))
        with case(text):
            force(n)
            try:
                with Party(guest, v, 4445, g):
                    await_join(g)
                    ok(True, f"{text}: joined")
                if n > 1 or v == 6:
                    await_join(g, False)
                    ok(True, f"{text}: left")
            finally:
                force(0)


def broadcast(name, guest):
    """Answers to broadcasts; and others' broadcasts where all use one port."""
    for to in "10.77.0.255", "255.255.255.255":
        text = f"{name}, {to}"
        with case(text), Party(topo.remote, 4, 9999) as remote, \
                Party(guest, 4, 0) as me, Party(guest, 4, 9999) as same:
            for p in remote, me, same:
                p.s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            me.send(b"who?", to, 9999)
            got = remote.get()
            ok(got and got[0] == b"who?" and got[1] ==
               (HOST[4], me.s.getsockname()[1]), f"{text}: goes out", got)
            remote.send(b"me", *got[1])
            got = me.get()
            ok(got and got[0] == b"me" and got[1] == (REMOTE[4], 9999),
               f"{text}: the answer comes from whom it is", got)
            same.get(0.1)       # the first one, by the guest's own kernel
            same.send(b"all", to, 9999)
            got = remote.get()
            ok(got and got[0] == b"all" and got[1] == (HOST[4], 9999),
               f"{text}: from the port it goes to", got)
            same.get(0.1)
            same.silent(f"{text}: ... without coming back")


def alone(name, guest, v):
    """Nobody else on the host has the port (a membership of the daemon's, or of
    another one's, is nobody else): what answers the guest alone reaches it."""
    g, name = MDNS[v], f"{name}, mDNS v{v} without the host's"
    with case(name), Party(topo.remote, v, 5353, g, loop=0) as remote, \
            Party(guest, v, 5353, g, loop=0) as me:
        wait_for("membership", lambda: members(g, 5353))
        me.send(b"to me alone?", g, 5353)
        got = remote.get()
        ok(got and got[1] == (source_of(topo.host, v, g), 5353),
           f"{name}: the port is kept", got)
        remote.send(b"yes", HOST[v], 5353)
        got = me.get()
        ok(got and got[0] == b"yes", f"{name}: and hears the answer", got)
        with Party(topo.host, v, 5353) as host:
            remote.send(b"later", HOST[v], 5353)
            got = host.get()
            ok(got and got[0] == b"later",
               f"{name}: a program of the host that comes later has it", got)


def traffic(name, p, *more):
    for v in 4, 6:
        for f in mdns, *more:
            f(name, p.guest, v)
    broadcast(name, p.guest)


def comes_back():
    """passt: with the guest, its groups go; with it they are back at once."""
    with case("comes back"), topo.passt("-u", "4445:14445") as p, \
            PumpGuest(p) as g:
        with Party(g.pid, 4, 4445, OWN[4]), Party(g.pid, 6, 4445, OWN[6]):
            for v in 4, 6:
                await_join(OWN[v])
            stop(g.pump)
            for v in 4, 6:
                await_join(OWN[v], False, 3)
            ok(True, "a guest that leaves leaves its groups")


def outbound_address():
    """-o is the source here too, whether or not a program of the host has the
    port."""
    mine = {4: "10.77.0.22", 6: "fd77::22"}
    ip(topo.host, f"addr add {mine[4]}/24 dev eth0")
    ip(topo.host, f"addr add {mine[6]}/64 dev eth0 nodad")
    for v in 4, 6:
        for there in False, True:
            name = f"-o, IPv{v}, {'with' if there else 'without'} the host's"
            g = OWN[v]
            with case(name), topo.pasta("-o", mine[v]) as p, \
                    Party(topo.remote, v, 5353, g, loop=0) as remote, \
                    Party(topo.host, v, 5353 if there else 0), \
                    Party(p.guest, v, 5353) as me:
                me.send(b"query", g, 5353)
                got = remote.get()
                ok(got and got[1] == (mine[v], 5353), name, got)
    ip(topo.host, f"addr del {mine[4]}/24 dev eth0")
    ip(topo.host, f"addr del {mine[6]}/64 dev eth0")


def refused():
    """Nothing of it without UDP."""
    with case("--no-udp"), topo.pasta("--no-udp") as p, \
            Party(p.guest, 4, 5353, MDNS[4]), \
            Party(p.guest, 6, 5353, MDNS[6]):
        time.sleep(2)
        ok(not joined(topo.host, MDNS[4]) and not joined(topo.host, MDNS[6]),
           "--no-udp: no groups")


topo = Topo()
with topo.pasta("-u", "4445:14445") as p:
    traffic("pasta", p, ssdp, own_port)
    versions("pasta", p.guest)
    before = cpu(p.pid)
    time.sleep(1)
    ok(cpu(p.pid) - before < 0.02, "idle afterwards", cpu(p.pid) - before)
with topo.passt("-u", "4445:14445") as p, PumpGuest(p):
    traffic("passt", p)
with topo.passt() as p, PumpGuest(p):
    for v in 4, 6:
        alone("passt", p.guest, v)
comes_back()
outbound_address()
refused()
done()
