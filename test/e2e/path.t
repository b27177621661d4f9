#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Echo and errors over a path with routers on it, for a container and for the
guest of passt, with kernels at all ends: who reports what, as the host itself
would see it; path MTU; duplicates; many identifiers at once; no permission.

    guest - (the program) - host - remote, a router - far, MTU 1400

'far' has many addresses, since what is learned of a path is remembered."""
import errno
import os
import re
import resource
import select
import shutil
import socket
import struct
import sys
import time

sys.dont_write_bytecode = True
from lib import *       # noqa: E402

need_root()
if not shutil.which("ping"):
    print("1..0 # SKIP ping is not installed")
    sys.exit(0)

MTU = 1400
FAR = {4: "198.51.100.{}", 6: "2001:db8:5::{:x}"}
NEXT = {4: "192.0.2.1", 6: "2001:db8:4::1"}     # the router, to far
LAST = {4: "192.0.2.2", 6: "2001:db8:4::2"}     # far, to the router
ICMP = {4: socket.IPPROTO_ICMP, 6: 58}
SOL = {4: socket.SOL_IP, 6: socket.IPPROTO_IPV6}
MTU_OPT = {4: 14, 6: 24}        # IP_MTU, IPV6_MTU
DISCOVER = {4: 10, 6: 23}       # IP_MTU_DISCOVER, IPV6_MTU_DISCOVER
RECVERR = {4: 11, 6: 25}
WANT, DO, PROBE = 1, 2, 3
HEAD = {4: 20, 6: 40}
ERRORS = {4: {"unreachable": 1, "prohibit": 13, "blackhole": None},
          6: {"unreachable": 0, "prohibit": 1, "blackhole": None}}
_far = iter(range(10, 250))


def fresh(v):
    """An address of far's that nobody has talked to."""
    a = FAR[v].format(next(_far))
    own(v, a)
    return a


def own(v, a):
    ip(far, f"addr add {a}/{32 if v == 4 else '128 nodad'} dev lo")
    # The kernel says yes before it is so
    wait_for("address", lambda: "local" in
             ip(far, f"-{v} route get {a}").stdout)


def network():
    f = holder("--net")
    r = topo.remote
    tune(f.pid)
    ip(f.pid, "link set lo up")
    ip(r, f"link add far mtu {MTU} type veth peer name eth0 netns {f.pid} "
          f"mtu {MTU}")
    ip(r, "link set far up")
    ip(f.pid, "link set eth0 up")
    for v in 4, 6:
        bits = 24 if v == 4 else 64
        nodad = " nodad" if v == 6 else ""
        ip(r, f"addr add {NEXT[v]}/{bits} dev far{nodad}")
        ip(f.pid, f"addr add {LAST[v]}/{bits} dev eth0{nodad}")
        ip(f.pid, f"-{v} route add default via {NEXT[v]}")
        ip(r, f"-{v} route add {FAR[v].format(0)}/{bits} via {LAST[v]}")
    for n in r, f.pid:
        run(*enter(n, "sh", "-ec", """
            echo 1 >/proc/sys/net/ipv4/ip_forward
            echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
            echo 0 >/proc/sys/net/ipv4/icmp_ratelimit
            echo 0 >/proc/sys/net/ipv6/icmp/ratelimit"""))
    return f.pid


def ping(pid, addr, *opts, count=1, wait=2):
    return run(*enter(pid, "ping", "-n", f"-c{count}", "-i0.2", f"-W{wait}",
                      *opts, addr), check=False).stdout


def essence(out):
    """What ping says of replies and errors, without times."""
    lines = [re.sub(r"time=\S+ ms|pipe \d+", "", l).strip()
             for l in out.splitlines()]
    return [l for l in lines if re.match(r"\d+ bytes from|From ", l)]


def tell(pid, addr, want, *opts):
    """Again if it should have been something: a router says only so much."""
    for _ in range(8):
        said = essence(ping(pid, addr, *opts, wait=0.5))
        if said or not want:
            break
        time.sleep(0.2)
    return said


def as_host(p, addr, name, *opts, want=None):
    """The guest sees just what the host itself does."""
    with case(name):
        host, guest = (tell(n, addr, want, *opts)
                       for n in (topo.host, p.guest))
        ok(host == guest and (want is None) == (not host) and
           (want is None or re.search(want, host[0])), name,
           f"host {host}\nguest {guest}")


def who(p, mode, v):
    far = FAR[v].format(2)
    by = f"From ({REMOTE[v]}|{GW[v]})"
    name = f"{mode} IPv{v}"
    as_host(p, far, f"{name}: a reply, with the TTL of the path",
            want="(ttl|hlim)=6[23]|ttl=63")
    as_host(p, far, f"{name}: TTL exceeded at the router", "-t", "1",
            want=f"{by}.*(exceeded|Hop limit)")
    as_host(p, far, f"{name}: TTL just enough", "-t", "2", want="bytes")
    as_host(p, far, f"{name}: 5000 bytes, TTL exceeded", "-t", "1", "-s",
            "5000", want=f"{by}.*(exceeded|Hop limit)")
    for kind, code in ERRORS[v].items():
        a = fresh(v)
        # A router that drops in silence says nothing, and so do we
        ip(topo.remote, f"-{v} route add {kind} {a}")
        as_host(p, a, f"{name}: {kind} at the router",
                want=by if code is not None else None)
    a = fresh(v)
    ip(topo.host, f"-{v} route add prohibit {a}")
    got = essence(ping(p.guest, a))
    ok(got and re.search("filtered|prohibited", got[0]),
       f"{name}: prohibited by the host", got)


def sizes(p, mode, v):
    """Over the small MTU, so in fragments, from 0 to as much as there is. Those
    of IPv4 are cut by the router, if they may be; IPv6 has been told its MTU."""
    cut = ("-M", "dont") if v == 4 else ()
    if v == 6:
        ping(p.guest, FAR[6].format(2), "-s", "1500")
    top = 65507 if v == 4 else 65487
    for size in 0, 1, 1371, 1372, 1373, 2000, 8192, 65000, top:
        for _ in range(2):              # a network may lose something
            out = ping(p.guest, FAR[v].format(2), "-s", str(size), *cut,
                       count=2)
            if "2 received" in out:
                break
            note(out)
        ok(out.count(f"{size + 8} bytes from") == 2 and "wrong" not in out,
           f"{mode} IPv{v}: {size} bytes", out)


def learned(pid, v, addr):
    m = re.search(r"mtu (\d+)", ip(pid, f"-{v} route get {addr}").stdout)
    return m and int(m.group(1))


def mtu_echo(p, mode, v):
    name = f"{mode} IPv{v}: echo larger than the path"
    with case(name):
        a = fresh(v)
        out = ping(p.guest, a, "-M", "do", "-s", str(MTU - HEAD[v] - 8))
        ok("bytes from" in out, f"{mode} IPv{v}: echo as large as the path",
           out)
        a = fresh(v)
        out = ping(p.guest, a, "-M", "do", "-s", str(MTU - HEAD[v] - 7))
        ok(re.search(rf"From ({REMOTE[v]}|{GW[v]}).*({MTU}|too big)", out),
           f"{name}: the router's word", out)
        ok(learned(p.guest, v, a) == MTU, f"{name}: the guest's kernel knows",
           ip(p.guest, f"-{v} route get {a}").stdout)
        out = ping(p.guest, a, "-s", "3000")
        ok("bytes from" in out, f"{name}: and then cuts by itself", out)


def mtu_udp(p, mode, v):
    name = f"{mode} IPv{v}: datagram larger than the path"
    with case(name):
        a = fresh(v)
        with socket_in(far, v, socket.SOCK_DGRAM) as s, \
                socket_in(p.guest, v, socket.SOCK_DGRAM) as c:
            s.bind((a, 7000))
            s.settimeout(2)
            c.setsockopt(SOL[v], DISCOVER[v], DO)
            c.setsockopt(SOL[v], RECVERR[v], 1)
            c.connect((a, 7000))
            got = arrives(c, b"x" * (MTU - HEAD[v] - 8), s)[0]
            ok(len(got) == MTU - HEAD[v] - 8,
               f"{mode} IPv{v}: datagram as large as the path")
            for _ in range(3):          # a network may lose something
                c.send(b"x" * (MTU - HEAD[v] - 7))
                e = queued(c, v)
                if e:
                    break
            ok(e and e[0] == errno.EMSGSIZE and e[1] == MTU and
               e[2] in (REMOTE[v], GW[v]), f"{name}: the router's word", e)
            ok(c.getsockopt(SOL[v], MTU_OPT[v]) == MTU,
               f"{name}: the guest's kernel knows")
            try:
                c.send(b"x" * (MTU - HEAD[v] - 7))
                e = 0
            except OSError as x:
                e = x.errno
            ok(e == errno.EMSGSIZE, f"{name}: and refuses the next", e)
            c.setsockopt(SOL[v], DISCOVER[v], 0)
            for n in 1500, 5000, 60000:
                got = arrives(c, b"y" * n, s)[0]
                ok(got == b"y" * n, f"{name}: {n} bytes in pieces", len(got))
            host = learned(topo.host, v, a)
            ok(host == MTU, f"{name}: so does the host", host)


def mtu_probe(p, mode, v):
    """Who forbids to cut up is told each time, also when the host has come to
    know the path, and could cut: else QUIC finds a wrong size. What the guest
    cuts up itself arrives."""
    name = f"{mode} IPv{v}: datagrams that must not be cut"
    with case(name):
        a = fresh(v)
        with socket_in(far, v, socket.SOCK_DGRAM) as s, \
                socket_in(p.guest, v, socket.SOCK_DGRAM) as c:
            s.bind((a, 7000))
            s.settimeout(1)
            # Never cut, and never mind what the kernel has heard
            c.setsockopt(SOL[v], DISCOVER[v], PROBE)
            c.setsockopt(SOL[v], RECVERR[v], 1)
            c.connect((a, 7000))
            told = []
            for _ in range(4):
                try:
                    c.send(b"x" * (MTU - HEAD[v] - 7))
                except OSError:     # of the one before
                    c.send(b"x" * (MTU - HEAD[v] - 7))
                told.append(queued(c, v))
                while select.select([c], [], [c], 0)[0] and queued(c, v):
                    pass
            ok(all(e and e[:2] == (errno.EMSGSIZE, MTU) for e in told),
               f"{name}: told each time", told)
            ok(len(arrives(c, b"x" * 100, s)[0]) == 100,
               f"{name}: and none of them arrives")
            # As most programs have it: the kernel cuts where it knows it must
            c.setsockopt(SOL[v], DISCOVER[v], WANT)
            ok(arrives(c, b"y" * 1600, s)[0] == b"y" * 1600,
               f"{name}: in pieces it does")
            c.setsockopt(SOL[v], DISCOVER[v], PROBE)
            c.send(b"x" * (MTU - HEAD[v] - 7))
            ok(queued(c, v), f"{name}: and back")


def first_large(start, mode):
    """The guest's link carries more than the host's: the kernel that most
    programs count on to cut is the host's."""
    for n in topo.host, topo.remote:
        ip(n, "link set eth0 mtu 1500")
    with case(mode), start() as p:
        for v in 4, 6:
            with socket_in(topo.remote, v, socket.SOCK_DGRAM) as s, \
                    socket_in(p.guest, v, socket.SOCK_DGRAM) as c:
                s.bind((REMOTE[v], 7000))
                s.settimeout(2)
                c.sendto(b"z" * 20000, (REMOTE[v], 7000))
                ok(s.recv(65536) == b"z" * 20000, f"{mode} IPv{v}: the first "
                   "datagram larger than the host's link arrives")
    for n in topo.host, topo.remote:
        ip(n, "link set eth0 mtu 65520")


def queued(c, v):
    """The next error: number, information, who reported it."""
    if not select.select([c], [], [c], 2)[0]:
        return None
    for level, kind, data in c.recvmsg(100, 500, socket.MSG_ERRQUEUE)[1]:
        if (level, kind) == (SOL[v], RECVERR[v]):
            e, _, _, _, _, info, _ = struct.unpack("IBBBBII", data[:16])
            from_ = data[20:24] if v == 4 else data[24:40]
            return e, info, socket.inet_ntop(AF[v], from_)


def request(v, ident, seq, data):
    body = struct.pack(">BBHHH", 8 if v == 4 else 128, 0, 0, ident, seq) + data
    return body[:2] + struct.pack(">H", checksum(body)) + body[4:]


def checksum(b):
    n = sum(struct.unpack(f">{(len(b) + 1) // 2}H", b + b"\0" * (len(b) % 2)))
    n = (n & 0xffff) + (n >> 16)
    return ~(n + (n >> 16)) & 0xffff


def raw(pid, v):
    s = socket_in(pid, v, socket.SOCK_RAW, ICMP[v])
    s.settimeout(3)
    return s


def answers(s, v, ident, n, timeout=3):
    """Echo replies for @ident: (sequence number, data), @n of them at most."""
    got = []
    while len(got) < n and select.select([s], [], [], timeout)[0]:
        b = s.recv(65536)
        b = b[20:] if v == 4 else b
        if b[0] == (0 if v == 4 else 129) and \
                struct.unpack(">H", b[4:6])[0] == ident:
            got.append((struct.unpack(">H", b[6:8])[0], b[8:]))
    return got


def identifiers(p, mode, v):
    """What ping does not use, and the same ones again at once."""
    with raw(p.guest, v) as s:
        for ident in 0, 65535:
            s.sendto(request(v, ident, 7, b"payload!"), (FAR[v].format(2), 0))
            got = answers(s, v, ident, 1)
            ok(got == [(7, b"payload!")], f"{mode} IPv{v}: id {ident}", got)
        dst = [fresh(v) for _ in range(3)]
        for i, a in enumerate(dst):
            s.sendto(request(v, 77, i, a.encode()), (a, 0))
        got = answers(s, v, 77, 3)
        ok(sorted(got) == [(i, a.encode()) for i, a in enumerate(dst)],
           f"{mode} IPv{v}: one id, three hosts", got)


def crowd(p, mode, v, n=500):
    """@n processes ping at once, each with a socket of its own."""
    name = f"{mode} IPv{v}: {n} pings at once"
    with case(name):
        socks = [socket_in(p.guest, v, socket.SOCK_DGRAM, ICMP[v])
                 for _ in range(n)]
        for i, s in enumerate(socks):
            s.connect((FAR[v].format(2), 0))
            s.send(request(v, 0, 1, b"mine%d" % i))
        bad = 0
        for i, s in enumerate(socks):
            s.settimeout(3)
            try:
                bad += s.recv(100)[8:] != b"mine%d" % i
            except TimeoutError:
                bad += 1
        for s in socks:
            s.close()
        ok(not bad, name, f"{bad} wrong or missing")


def duplicates(p, mode, v):
    """A host that answers three times, and requests that are the same."""
    name = f"{mode} IPv{v}: duplicates"
    ignore = {4: "ipv4/icmp_echo_ignore_all", 6: "ipv6/icmp/echo_ignore_all"}

    def set_ignore(n):
        run(*enter(far, "sh", "-c",
                   f"echo {n} >/proc/sys/net/{ignore[v]}"))
    with case(name), raw(far, v) as r, raw(p.guest, v) as s:
        set_ignore(1)
        try:
            ask = 8 if v == 4 else 128
            for ident in 88, 88, 88:
                s.sendto(request(v, ident, 5, b"dup"), (FAR[v].format(2), 0))
            r.bind((FAR[v].format(2), 0))
            seen = 0
            while seen < 3 and select.select([r], [], [], 3)[0]:
                b, peer = r.recvfrom(2000)
                b = b[20:] if v == 4 else b
                if b[0] != ask:
                    continue
                seen += 1
                reply = bytes([0 if v == 4 else 129, 0, 0, 0]) + b[4:]
                if v == 4:
                    reply = reply[:2] + struct.pack(">H", checksum(reply)) + \
                        reply[4:]
                for _ in range(3):
                    r.sendto(reply, peer)
            ok(seen == 3, f"{name}: three equal requests arrive", seen)
            got = answers(s, v, 88, 10, 0.5)
            ok(got == [(5, b"dup")] * 9, f"{name}: nine replies to them", got)
        finally:
            set_ignore(0)


def forbidden(start, mode):
    """No permission: said once, with what to do, and it works when done."""
    def allow(text):
        topo.in_host("sh", "-c",
                     f"echo '{text}' >/proc/sys/net/ipv4/ping_group_range")
    with case(f"{mode}: forbidden"):
        allow("1 0")
        try:
            with start() as p:
                for _ in range(2):
                    for v in 4, 6:
                        out = ping(p.guest, FAR[v].format(2), wait=1)
                        ok(re.search("filtered|prohibited", out),
                           f"{mode} IPv{v}: forbidden: the guest is told",
                           out)
                lines = [l for l in p.text().splitlines()
                         if "Cannot open a socket for ICMP echo" in l]
                ok(len(lines) == 1 and
                   'sysctl -w net.ipv4.ping_group_range="' in lines[0],
                   f"{mode}: forbidden: one line, with the command", p.text())
                # What it says is right
                cmd = lines[0][lines[0].index('range="') + 7:]
                allow(cmd.split('"')[0])
                for v in 4, 6:
                    ok("bytes from" in ping(p.guest, FAR[v].format(2)),
                       f"{mode} IPv{v}: works when that was done")
        finally:
            allow("0 2147483647")


class Machine(PumpGuest):
    """Passt and its guest as one: what Pasta is."""

    def __init__(self, *opts, **kw):
        self.passt = topo.passt(*opts, **kw)
        try:
            super().__init__(self.passt)
        except RuntimeError:
            self.passt.stop()
            raise
        self.guest, self.text = self.pid, self.passt.text

    def stop(self):
        super().stop()
        self.passt.stop()


def container(*opts, **kw):
    return topo.pasta(*opts, **kw)


topo = Topo()
far = network()
for v in 4, 6:
    own(v, FAR[v].format(2))
resource.setrlimit(resource.RLIMIT_NOFILE,
                   (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
for mode, start in ("pasta", container), ("passt", Machine):
    with case(mode), start() as p:
        for v in 4, 6:
            for f in who, sizes, mtu_echo, mtu_udp, mtu_probe, identifiers, \
                    crowd, duplicates:
                with case(f"{mode} IPv{v}: {f.__name__}"):
                    f(p, mode, v)
        daemon = p.passt if mode == "passt" else p
        ok(daemon.proc.poll() is None, f"{mode}: still running", p.text())
    first_large(start, mode)
    forbidden(lambda: start("-d", quiet=False), mode)
done()
