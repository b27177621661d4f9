#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""TCP by hand-made segments: what each one that the guest may send is answered
with, numbers included. What a kernel's TCP would never do is the point here."""
import fcntl
import sys
import termios

sys.dont_write_bytecode = True
from wire import *      # noqa: E402

need_root()
topo = Topo()
NONE = "-D", "none", "-S", "none"
LL = host_ll(topo)
IN, REFUSED = 7001, 7002    # forwarded to the guest
M = 1 << 32
ports = iter(range(20000, 60000))
# What the MTU leaves, and room for the largest headers in a length of 16 bits
OURS = {4: 65475, 6: 65460}


def mss(n):
    return struct.pack(">BBH", 2, 4, n)


def ws(n):
    return struct.pack("BBBB", 1, 3, 3, n)


SACK_OK = b"\1\1\4\2"


class Conn:
    """The guest's end of a connection. .nxt is what it sends next, .rcv what
    it expects next; nothing is sent but what a test says."""

    def __init__(self, g, v, dst, dport, opts=mss(1460), seq=None, src=None,
                 sport=None):
        self.g, self.v, self.src = g, v, src or HOST[v]
        self.dst, self.dport, self.opts = dst, dport, opts
        self.sport = sport or next(ports)
        # Close to the wrap
        self.iss = M - 3 if seq is None else seq
        self.nxt, self.rcv = self.iss, 0

    def frame(self, flags, data=b"", seq=None, ack=None, opts=b"", win=65535):
        return eth(packet(self.src, self.dst, TCP, tcp(
            self.sport, self.dport, flags, self.nxt if seq is None else seq,
            self.rcv if ack is None else ack, data, opts, win)))

    def send(self, flags, data=b"", **kw):
        self.g.send(self.frame(flags, data, **kw))
        if "seq" not in kw:
            self.nxt = (self.nxt + len(data) + bool(flags & SYN) +
                        bool(flags & FIN)) % M

    def mine(self, p):
        return p.proto == TCP and (p.src, p.sport, p.dst, p.dport) == \
            (self.dst, self.dport, self.src, self.sport)

    def get(self, timeout=4):
        return self.g.expect(self.mine, timeout)

    def quiet(self, name, *frames):
        got = [p for p in self.g.replies(*frames) if self.mine(p)]
        ok(not got, name, got)

    def syn(self, **kw):
        self.send(SYN, opts=self.opts, ack=0, **kw)

    def open(self):
        self.syn()
        p = self.get()
        if p.flags != SYN | ACK:
            raise RuntimeError(f"no SYN+ACK: {p}")
        self.rcv = (p.seq + 1) % M
        self.send(ACK)
        return p

    def data(self, n):
        """Receive n bytes in order, acknowledging nothing."""
        out, segs = b"", []
        while len(out) < n:
            p = self.get()
            if p.seq != (self.rcv + len(out)) % M:
                raise RuntimeError(f"not in order: {p}")
            out += p.data
            segs.append(p)
        return out, segs

    def acked(self, what):
        """Wait until all that was sent is acknowledged."""
        while True:
            p = self.get()
            if p.ack == self.nxt:
                return p


class Server:
    """A listener on the remote, or elsewhere."""

    def __init__(self, v, pid=None, addr=None):
        self.v = v
        self.l = listen_in(pid or topo.remote, v, addr or REMOTE[v])
        self.port = self.l.getsockname()[1]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.l.close()

    def accept(self):
        s, self.peer = self.l.accept()
        s.settimeout(4)
        return s

    def pair(self, g, **kw):
        c = Conn(g, self.v, REMOTE[self.v], self.port, **kw)
        c.synack = c.open()
        return c, self.accept()


def handshake(g, v):
    ours = OURS[v]
    with Server(v) as srv:
        for what, opts, want in (
                ("MSS and scale", mss(1460) + ws(7), mss(ours) + ws(8)),
                ("none", b"", mss(ours)), ("MSS", mss(1460), mss(ours)),
                ("scale", ws(3), mss(ours) + ws(8)),
                ("scale 15", mss(1460) + ws(15), mss(ours) + ws(8)),
                ("MSS 0", mss(0) + ws(1), mss(ours) + ws(8)),
                ("MSS 65535", mss(65535) + ws(1), mss(ours) + ws(8)),
                ("SACK and timestamps too", mss(1460) + b"\4\2\x08\x0a" +
                 b"\0\0\0\1" * 2 + ws(7)[1:] + b"\0\0\0"[:3],
                 mss(ours) + ws(8) + SACK_OK),
                ("an option of length 0", mss(1460) + b"\x63\0\1\1", mss(
                    ours)),
                ("an option of length 1", mss(1460) + b"\x63\1\1\1", mss(
                    ours)),
                ("an option beyond the end", mss(1460) + b"\3\xff\7\0", mss(
                    ours)),
                ("an MSS of length 3", b"\2\3\5\0", mss(ours)),
                ("the end, then a scale", b"\0" + ws(7)[1:], mss(ours)),
                ("40 bytes", mss(1460) + b"\1" * 36, mss(ours))):
            name = f"IPv{v}, SYN with {what}"
            with case(name):
                c = Conn(g, v, REMOTE[v], srv.port, opts)
                p = c.open()
                same((p.flags, p.ack, p.opts, p.win, p.data),
                     (SYN | ACK, (c.iss + 1) % M, want, 65535, b""), name)
                srv.accept().close()
        with case("data in SYN"):
            c = Conn(g, v, REMOTE[v], srv.port)
            c.syn()
            first = c.get()
            c.rcv = (first.seq + 1) % M
            with srv.accept() as s:
                g.send(c.frame(SYN, opts=c.opts, seq=c.iss, ack=0))
                c.send(ACK)
                c.send(ACK | PSH, b"after a repeated SYN")
                same(recv_all(s, 20), b"after a repeated SYN",
                     f"IPv{v}: a SYN repeated does no harm")
        with case("again"):
            c, s = srv.pair(g)
            same(srv.peer[0], HOST[v],
                 f"IPv{v}: the guest's address is the host's outside")
            p, = [p for p in g.replies(c.frame(SYN, opts=c.opts, ack=0,
                                               seq=c.nxt + 1000))
                  if c.mine(p)] or [None]
            ok(p and p.flags == ACK and p.ack == c.nxt,
               f"IPv{v}: a SYN within: challenge ACK (RFC 9293 3.10.7.4)", p)
            s.close()
    initial = set()
    with Server(v) as srv:
        for n in range(4):
            c, s = srv.pair(g)
            initial.add(c.synack.seq)
            s.close()
    ok(len(initial) == 4, f"IPv{v}: initial numbers differ", initial)


def flow_label(g):
    with Server(6) as srv:
        c, s = srv.pair(g)
        labels = {c.synack.flow}
        for b in b"one", b"two":
            s.sendall(b)
            p = c.get()
            labels.add(p.flow)
            c.rcv += 3
            c.send(ACK)
        other, t = srv.pair(g)
        ok(len(labels) == 1 and 0 not in labels and
           other.synack.flow not in labels,
           "IPv6: a flow label for each connection", labels)
        s.close()
        t.close()


def answers(g, frame):
    """All that comes but the ends of connections of before, which nobody has
    acknowledged: they go again on a busy machine"""
    return [p for p in g.replies(frame)
            if p.proto != TCP or p.dport in (0, 1111)]


def refused(g, v):
    with Server(v) as srv:
        closed = srv.port
    for dst in REMOTE[v], GW[v]:
        for seq in 1000, M - 1:
            c = Conn(g, v, dst, closed, seq=seq)
            c.syn()
            p = c.get()
            # RFC 9293 3.10.7.1 says zero, 3.5.2 no more than that the guest
            # accepts it: anything, as ACK is what counts
            same((p.flags, p.ack, p.opts, p.data),
                 (RST | ACK, (seq + 1) % M, b"", b""),
                 f"IPv{v}: {dst} refuses a SYN of {seq}")
    c = Conn(g, v, REMOTE[v], closed)
    for what, l4 in (("port 0", tcp(1111, 0, SYN, 1)),
                     ("source port 0", tcp(0, closed, SYN, 1))):
        same(answers(g, eth(packet(HOST[v], REMOTE[v], TCP, l4))), [],
             f"IPv{v}: SYN with {what} is dropped")
    for dst in ("224.0.0.1", "255.255.255.255") if v == 4 else ("ff02::1",):
        same(answers(g, eth(packet(HOST[v], dst, TCP,
                                   tcp(1111, closed, SYN, 1)))), [],
             f"IPv{v}: SYN to {dst} is dropped")


def pending(g):
    """Nothing before the other side has answered."""
    late = "10.77.0.99"
    ip(topo.host, f"neigh add {late} lladdr 02:00:00:00:00:99 dev eth0")
    try:
        l = listen_in(topo.remote, 4, ANY[4])
        c = Conn(g, 4, late, l.getsockname()[1], seq=100)
        c.quiet("pending: no SYN+ACK while the peer is silent",
                c.frame(SYN, opts=c.opts, ack=0))
        c.quiet("pending: nor for the SYN repeated",
                c.frame(SYN, opts=c.opts, ack=0),
                c.frame(SYN, opts=c.opts, ack=0))
        other = Conn(g, 4, late, c.dport, seq=100)
        other.quiet("pending: another", other.frame(SYN, ack=0))
        other.quiet("pending: a reset ends it",
                    other.frame(RST, seq=101, ack=0))
        ip(topo.remote, f"addr add {late}/32 dev lo")
        mac = ip(topo.remote, "-o link show eth0").stdout.split(
            "link/ether ")[1].split()[0]
        ip(topo.host, f"neigh replace {late} lladdr {mac} dev eth0")
        p = c.get(5)
        same((p.flags, p.ack), (SYN | ACK, 101),
             "pending: SYN+ACK once it does")
        c.nxt, c.rcv = 101, p.seq + 1
        c.send(ACK)
        s, _ = l.accept()
        s.close()
        l.close()
    finally:
        ip(topo.host, f"neigh del {late} dev eth0")


def to_host(g, v):
    with Server(v) as srv:
        c, s = srv.pair(g)
        c.send(ACK | PSH, b"hello")
        same(recv_all(s, 5), b"hello", f"IPv{v}: data arrives")
        p = c.acked("data")
        same((p.flags, p.seq, p.data), (ACK, c.rcv, b""),
             f"IPv{v}: and is acknowledged")
        old = c.frame(ACK, b"hello", seq=c.nxt - 5)
        p, = [p for p in g.replies(old) if c.mine(p)] or [None]
        ok(p and p.flags == ACK and p.ack == c.nxt,
           f"IPv{v}: old data is acknowledged again", p)
        for what, data in ("no data", b""), ("one byte", b"o"):
            p, = [p for p in g.replies(c.frame(ACK, data, seq=c.nxt - 1))
                  if c.mine(p)] or [None]
            ok(p and p.flags == ACK and (p.seq, p.ack) == (c.rcv, c.nxt),
               f"IPv{v}: keepalive with {what} is answered", p)
        p, = [p for p in g.replies(c.frame(ACK, b"BBBB", seq=c.nxt + 4))
              if c.mine(p)] or [None]
        ok(p and p.flags == ACK and p.ack == c.nxt,
           f"IPv{v}: a gap gives a duplicate acknowledgement", p)
        g.send(c.frame(ACK, b"BBBB", seq=c.nxt + 4),
               c.frame(ACK, b"AAAA"))
        first = recv_all(s, 4)
        c.nxt += 8
        # May be kept or not, as long as it comes when repeated
        g.send(c.frame(ACK, b"BBBB", seq=c.nxt - 4))
        same(first + recv_all(s, 4), b"AAAABBBB",
             f"IPv{v}: order is restored")
        g.send(c.frame(ACK | PSH, b"BBBBcccc", seq=c.nxt - 4))
        c.nxt += 4
        same(recv_all(s, 4), b"cccc", f"IPv{v}: overlap is cut")
        c.acked("all")
        g.send(c.frame(PSH, b"nope"))
        far = c.frame(ACK, b"far", seq=c.nxt + (1 << 30))
        p, = [p for p in g.replies(far) if c.mine(p)][-1:] or [None]
        ok(p and p.flags == ACK and p.ack == c.nxt,
           f"IPv{v}: beyond the window: an ACK and nothing else", p)
        c.send(ACK | PSH | 32, b"urgent")
        same(recv_all(s, 6), b"urgent", f"IPv{v}: URG is ignored, and "
             "data without ACK as well")
        c.send(FIN | ACK)
        same(recv_all(s), b"", f"IPv{v}: FIN arrives")
        p = c.acked("FIN")
        same(p.flags, ACK, f"IPv{v}: FIN is acknowledged, not answered")
        s.sendall(b"half")
        same(c.data(4)[0], b"half", f"IPv{v}: half-closed, data comes")
        c.rcv += 4
        c.send(ACK)
        s.close()
        p = c.get()
        same((p.flags, p.seq), (FIN | ACK, c.rcv), f"IPv{v}: then its FIN")
        c.rcv += 1
        c.quiet(f"IPv{v}: the last ACK has no answer", c.frame(ACK))


def closing(g, v):
    """The other side sends 5000 bytes and closes."""
    with Server(v) as srv:
        c, s = srv.pair(g)
        blob = os.urandom(5000)
        s.sendall(blob)
        s.close()
        got, segs = c.data(5000)
        fin = segs[-1] if segs[-1].flags & FIN else c.get()
        same([len(p.data) for p in segs], [1460] * 3 + [620],
             f"IPv{v}: 5000 bytes in segments of the MSS")
        same([p.flags & ~FIN for p in segs], [ACK] * 3 + [ACK | PSH],
             f"IPv{v}: PSH on the last")
        same((got == blob, fin.flags & ~PSH,
              (fin.seq + len(fin.data) - c.rcv) % M),
             (True, FIN | ACK, 5000), f"IPv{v}: then FIN")
        c.rcv = (c.rcv + 5001) % M
        c.send(ACK)
        c.send(FIN | ACK)
        p = c.get()
        same((p.flags, p.seq, p.ack, p.data), (ACK, c.rcv, c.nxt, b""),
             f"IPv{v}: the guest's FIN is answered by a bare ACK")
        p, = [p for p in g.replies(c.frame(FIN | ACK, seq=c.nxt - 1))
              if c.mine(p)] or [None]
        ok(p and p.ack in (c.nxt, 0), f"IPv{v}: and again if repeated", p)


def unacked(s):
    """Bytes that the peer's kernel has not got yet."""
    return struct.unpack("i", fcntl.ioctl(s, termios.TIOCOUTQ, b"\0" * 4))[0]


def sizes(g, v):
    with Server(v) as srv:
        for what, opts, want in (
                ("none", b"", 536), ("536", mss(536), 536),
                ("1460", mss(1460), 1460), ("100", mss(100), 100),
                ("9000", mss(9000), 9000),
                ("65535", mss(65535) + ws(7), OURS[v])):
            with case(f"IPv{v}, MSS {what}"):
                c, s = srv.pair(g, opts=opts)
                n = min(60000, want * 3) if want < 60000 else 100000
                # All of it is there before any of it may go
                c.send(ACK, win=0)
                g.replies()
                s.sendall(bytes(n))
                wait_for("data", lambda: not unacked(s))
                c.send(ACK, win=65535)
                _, segs = c.data(n)
                ok(max(len(p.data) for p in segs) <= want and
                   len(segs[0].data) == want,
                   f"IPv{v}: segments of {want} for MSS {what}",
                   [len(p.data) for p in segs])
                g.send(c.frame(RST | ACK, ack=c.rcv + n))
                s.close()


def window(g, v):
    with Server(v) as srv:
        c, s = srv.pair(g, opts=mss(1000))
        c.send(ACK, win=2500)
        s.sendall(bytes(10000))
        got, _ = c.data(2500)
        c.quiet(f"IPv{v}: not more than the window")
        same(len(got), 2500, f"IPv{v}: but all of it")
        c.rcv += 2500
        c.send(ACK, win=0)
        c.quiet(f"IPv{v}: nothing into a closed window")
        c.send(ACK, win=3000)
        got, _ = c.data(3000)
        c.rcv += 3000
        ok(len(got) == 3000, f"IPv{v}: goes on when it opens", len(got))
        c.send(ACK, win=65535)
        c.data(4500)
        g.send(c.frame(RST | ACK))
        s.close()
        for scale, win in (3, 500), (15, 1):
            c, s = srv.pair(g, opts=mss(1000) + ws(scale))
            # 14 at most (RFC 7323 2.3)
            n = win << min(scale, 14)
            c.send(ACK, win=win)
            g.replies()
            s.sendall(bytes(30000))
            got, _ = c.data(n)
            c.quiet(f"IPv{v}: a scaled window is not exceeded")
            ok(len(got) == n, f"IPv{v}: a window of {win} << {scale}",
               len(got))
            g.send(c.frame(RST | ACK))
            s.close()


def repeats(g, v):
    with Server(v) as srv:
        c, s = srv.pair(g, opts=mss(1000))
        s.sendall(bytes(range(250)) * 12)
        c.data(3000)
        c.rcv = (c.rcv + 1000) % M
        c.send(ACK)
        start = time.monotonic()
        c.send(ACK)
        c.send(ACK)
        c.send(ACK)
        p = c.get()
        ok(p.seq == c.rcv and time.monotonic() - start < 0.5,
           f"IPv{v}: duplicate ACKs: repeated at once", p)
        while True:
            p = c.get(6)
            if p.seq == c.rcv and time.monotonic() - start > 0.5:
                break
        ok(time.monotonic() - start < 4,
           f"IPv{v}: no ACK: repeated after some time",
           time.monotonic() - start)
        c.rcv = (c.rcv + 2000) % M
        g.send(c.frame(ACK))
        c.quiet(f"IPv{v}: all acknowledged, nothing more")
        p, = [p for p in g.replies(c.frame(ACK, ack=c.rcv + 5000))
              if c.mine(p)] or [None]
        ok(not p or p.flags == ACK,
           f"IPv{v}: what was never sent cannot be acknowledged", p)
        s.sendall(b"alive")
        same(c.data(5)[0], b"alive", f"IPv{v}: which did no harm")
        g.send(c.frame(RST | ACK))
        s.close()


def synack_again(g):
    """The guest's ACK is lost: the same SYN+ACK again."""
    with Server(4) as srv:
        c = Conn(g, 4, REMOTE[4], srv.port, mss(1460) + ws(7))
        c.syn()
        first = c.get()
        again = c.get(5)
        same((again.flags, again.seq, again.ack, again.opts),
             (first.flags, first.seq, first.ack, first.opts),
             "SYN+ACK is repeated as it was")
        g.send(c.frame(RST, seq=c.nxt, ack=0))
        srv.accept().close()


def syn_again(g):
    """A guest that does not answer: the same SYN again, then another."""
    s = socket_in(topo.remote, 4)
    s.connect((HOST[4], IN))
    first, again = (g.expect(lambda p: p.proto == TCP and p.dport == IN and
                             p.sport == s.getsockname()[1])
                    for _ in range(2))
    same((again.flags, again.seq, again.opts), (SYN, first.seq, first.opts),
         "SYN is repeated as it was")
    c = Conn(g, 4, REMOTE[4], first.sport, sport=IN)
    g.send(c.frame(ACK, seq=7, ack=first.seq + 9))
    p = c.get()
    same((p.flags, p.seq), (RST, (first.seq + 9) % M),
         "an ACK of what was never sent: reset (RFC 9293 3.10.7.3)")
    start = time.monotonic()
    p = c.get()
    same((p.flags, p.seq, p.opts), (SYN, first.seq, first.opts),
         "and the SYN again")
    ok(time.monotonic() - start < 0.5, "... at once",
       time.monotonic() - start)
    c.rcv = first.seq + 1
    c.send(SYN | ACK)
    same(c.get().flags, ACK, "and still the connection opens")
    g.send(c.frame(RST | ACK))
    s.close()


def fails(f):
    try:
        return f() or "end"
    except OSError as e:
        return type(e).__name__


def resets(g, v):
    with Server(v) as srv:
        c, s = srv.pair(g)
        g.send(c.frame(RST, seq=c.nxt + 5))
        p, = [p for p in g.replies(c.frame(RST, seq=c.nxt + 70000))
              if c.mine(p) and not p.ack == 0][:1] or [None]
        c.send(ACK | PSH, b"still")
        same(recv_all(s, 5), b"still",
             f"IPv{v}: a reset with a wrong number is none (RFC 9293 3.10.7)")
        g.send(c.frame(RST))
        same(fails(lambda: s.recv(1)), "ConnectionResetError",
             f"IPv{v}: the guest's reset arrives as one")
        got = [p for p in g.replies(c.frame(ACK, b"x")) if c.mine(p)]
        same([p.flags for p in got], [RST],
             f"IPv{v}: and the connection is gone")
        c, s = srv.pair(g)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                     struct.pack("ii", 1, 0))
        s.close()
        p = c.get()
        ok(p.flags & RST and p.seq == c.rcv,
           f"IPv{v}: the other side's reset as well", p)


def inbound(g, v):
    for source, seen in (REMOTE[v], REMOTE[v]), (LOOP[v], GW[v]):
        pid = topo.remote if source == REMOTE[v] else topo.host
        s = socket_in(pid, v)
        s.bind((source, 0))
        s.settimeout(4)
        s.connect((HOST[v] if pid == topo.remote else LOOP[v], IN))
        me = s.getsockname()[1]
        p = g.expect(lambda p: p.proto == TCP and p.dport == IN)
        same((p.flags, p.src, p.sport, p.dst, p.ack, p.opts, p.win),
             (SYN, seen, me, HOST[v], 0,
              mss(OURS[v]) + ws(8) + SACK_OK, 65535),
             f"IPv{v}: inbound SYN from {source}")
        c = Conn(g, v, seen, me, sport=IN)
        c.rcv = p.seq + 1
        c.send(SYN | ACK, opts=mss(1460))
        p = c.get()
        same((p.flags, p.seq, p.ack, p.opts), (ACK, c.rcv, c.nxt, b""),
             f"IPv{v}: third step of the handshake")
        s.sendall(b"ask")
        same(c.data(3)[0], b"ask", f"IPv{v}: inbound data")
        c.rcv += 3
        c.send(ACK | PSH, b"answer")
        same(recv_all(s, 6), b"answer", f"IPv{v}: and back")
        c.send(FIN | ACK)
        same(recv_all(s), b"", f"IPv{v}: and closed")
        s.close()
        p = g.expect(lambda p: c.mine(p) and p.flags & FIN)
        c.rcv += 1
        c.send(ACK)
    s = socket_in(topo.remote, v)
    s.settimeout(4)
    s.connect((HOST[v], REFUSED))
    p = g.expect(lambda p: p.proto == TCP and p.dport == 7102)
    c = Conn(g, v, p.src, p.sport, sport=7102)
    c.rcv = p.seq + 1
    g.send(c.frame(RST | ACK, seq=0))
    same(fails(lambda: s.recv(1)), "ConnectionResetError",
         f"IPv{v}: inbound, port mapping, the guest refuses: reset")
    s.close()


def loopback(g, v):
    with Server(v, topo.host, LOOP[v]) as srv:
        c = Conn(g, v, GW[v], srv.port)
        c.open()
        with srv.accept() as s:
            same(srv.peer[0], LOOP[v],
                 f"IPv{v}: the gateway is the host's loopback")
            s.sendall(b"lo")
            same(c.data(2)[0], b"lo", f"IPv{v}: both ways")
            g.send(c.frame(RST | ACK))


def small_mtu():
    for opts, v4, v6 in ((("-m", "1500"), 1460, 1440),
                         (("-m", "1280"), 1240, 1220),
                         (("-m", "9000"), 8960, 8940)):
        with topo.passt(*opts, *NONE) as p, Guest(p) as g:
            for v, want in (4, v4), (6, v6):
                with case(f"{opts}"), Server(v) as srv:
                    c, s = srv.pair(g, opts=mss(65535))
                    same(c.synack.opts, mss(want),
                         f"{' '.join(opts)}, IPv{v}: our MSS")
                    s.sendall(bytes(30000))
                    _, segs = c.data(30000)
                    size = max(len(p.frame) - 14 for p in segs)
                    ok(size <= int(opts[1]),
                       f"{' '.join(opts)}, IPv{v}: packets to the guest",
                       size)
                    s.close()


with topo.passt("-t", f"{IN},{REFUSED}:7102", *NONE) as p, Guest(p) as g:
    for v in 4, 6:
        for f in (handshake, refused, to_host, closing, sizes, window,
                  repeats, resets, inbound, loopback):
            with case(f"IPv{v}: {f.__name__}"):
                f(g, v)
    for f in flow_label, pending, synack_again, syn_again:
        with case(f.__name__):
            f(g)
with case("small MTU"):
    small_mtu()
well_formed()
done()
