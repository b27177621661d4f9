#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Everything at once, and nothing of it nice: mutated frames of all protocols,
a guest that stops reading, clients that come and go, a host that hammers on the
forwarded ports, while neighbours change.

After each attack the daemon must live, not have complained (a sanitized build
does), be idle, serve a new guest, and have sent well-formed frames only.

The random numbers are seeded: E2E_SEED; E2E_SECONDS is how long each attack
takes, E2E_ONLY names those to run."""
import random
import sys

sys.dont_write_bytecode = True
from wire import *      # noqa: E402

need_root()
SEED = int(os.environ.get("E2E_SEED") or 1)
SECONDS = float(os.environ.get("E2E_SECONDS") or 1.5)
ONLY = os.environ.get("E2E_ONLY", "").split()
OPEN, SOURCE, REFUSED, CALM = 7000, 7001, 7002, 7003    # of the remote
T_IN, U_IN = 6000, 6001                         # forwarded to the guest
LOG_SIZE = 40960                                # the smallest there is
FORWARD = "-t", f"{T_IN}", "-u", f"{U_IN}"
BROKEN = "ERROR: AddressSanitizer", "runtime error:", "SUMMARY:"


# --- the remote ---

def tcp_server(port, f):
    ls = listen_in(topo.remote, 6, port=port)
    ls.settimeout(None)

    def serve(s):
        s.settimeout(30)
        try:
            f(s)
        except OSError:
            pass
        s.close()

    def loop():
        while True:
            try:
                s = ls.accept()[0]
            except OSError:
                continue
            threading.Thread(target=serve, args=(s,), daemon=True).start()
    threading.Thread(target=loop, daemon=True).start()


def echo_data(s):
    while b := s.recv(1 << 16):
        s.sendall(b)


def pour(s):
    for _ in range(500):
        s.sendall(bytes(20000))


def udp_server():
    s = socket_in(topo.remote, 6, socket.SOCK_DGRAM)
    s.bind((ANY[6], OPEN))
    s.settimeout(None)

    def loop():
        while True:
            try:
                b, peer = s.recvfrom(65536)
                s.sendto(b, peer)
            except OSError:
                pass
    threading.Thread(target=loop, daemon=True).start()


def servers(calm):
    """Of both families; to be run in a process of their own."""
    threading.stack_size(256 << 10)
    if calm:
        tcp_server(CALM, echo_data)
    else:
        udp_server()
        tcp_server(OPEN, echo_data)
        tcp_server(SOURCE, pour)
    time.sleep(3600)


# --- frames ---

OPTIONS = (b"", b"\2\4\5\xb4", b"\2\4\0\0\3\3\x0e\1", b"\1" * 40,
           b"\1\1\5\x0a" + bytes(8), b"\1\1\5\x22" + bytes(32),
           b"\x08\x0a" + bytes(8) + b"\1\1", b"\2\0\0\0", b"\3\xff\1\1")


def framed(frames):
    return b"".join(struct.pack(">I", len(f)) + f for f in frames)


class Frames:
    """An endless supply. Frames of connections follow what came back."""

    def __init__(self, r):
        self.r, self.conns = r, []
        self.kinds = [self.tcp, self.tcp, self.udp, self.fragments, self.ping,
                      self.arp, self.ndp, self.dhcp, self.dhcpv6, self.other]

    def ends(self):
        v = self.r.choice((4, 6))
        return v, HOST[v], self.r.choice((REMOTE[v], REMOTE[v], GW[v]))

    def tcp(self):
        r = self.r
        if self.conns and r.random() < 0.7:
            return self.segment(r.choice(self.conns))
        v, src, dst = self.ends()
        return [eth(packet(src, dst, TCP, tcp(
            r.randrange(1024, 1400), r.choice((OPEN, SOURCE, REFUSED)),
            r.choice((SYN, SYN, SYN, ACK, RST, FIN | ACK, SYN | FIN, 0, 255)),
            r.getrandbits(32), r.getrandbits(32), bytes(r.choice((0, 0, 9))),
            r.choice(OPTIONS), r.choice((0, 1, 1000, 65535)))))]

    def segment(self, c):
        r, out = self.r, []
        for _ in range(r.choice((1, 1, 2, 20))):
            n = r.choice((0, 1, 100, 1400, 9000, 30000))
            flags = ACK | r.choice((0, 0, 0, 0, PSH, FIN, RST, SYN)) \
                if r.random() < 0.3 else ACK
            out.append(eth(packet(c["src"], c["dst"], TCP, tcp(
                c["sport"], c["dport"], flags, c["seq"],
                c["ack"] + r.choice((0, 0, 0, -1, 1, 5000)), bytes(n),
                r.choice(OPTIONS) if r.random() < 0.2 else b"",
                r.choice((0, 1, 5000, 65535, 65535, 65535))))))
            c["seq"] += n + (flags & FIN) + r.choice((0,) * 9 + (1, -1, 70000))
        return out

    def heard(self, p):
        """What passt sent: a connection that opens, or goes on."""
        if p.proto != TCP or p.fragment:
            return
        key = p.v, p.dport, p.sport
        if p.flags & SYN:
            if len(self.conns) > 200:
                self.conns.pop(self.r.randrange(200))
            self.conns.append({
                "key": key, "src": p.dst, "dst": p.src, "sport": p.dport,
                "dport": p.sport, "seq": p.ack, "ack": p.seq + 1})
            return
        for c in self.conns:
            if c["key"] == key:
                c["ack"] = p.seq + len(p.data) + (p.flags & FIN)
                if p.flags & RST:
                    self.conns.remove(c)
                return

    def udp(self):
        v, src, dst = self.ends()
        r = self.r
        one = eth(packet(src, dst, UDP, udp(
            r.randrange(1024, 1100), r.choice((OPEN, REFUSED, 53)),
            bytes(r.choice((0, 1, 100, 1400, 1472, 9000, 60000))))))
        return [one] * r.choice((1, 1, 3, 30))

    def fragments(self):
        r = self.r
        v, src, dst = self.ends()
        whole = packet(src, dst, UDP, udp(1100, OPEN, bytes(
            r.randrange(100, 12000))))
        b, id = whole[20 if v == 4 else 40:], r.getrandbits(16)
        step, out = r.choice((8, 64, 1400, 1480)), []
        for at in range(0, min(len(b), 60 * step), step):
            more = at + step < len(b)
            if v == 4:
                out.append(ip4(src, dst, UDP, b[at:at + step], id=id,
                               frag=at // 8 | more << 13))
            else:
                out.append(ip6(src, dst, UDP, b[at:at + step], ext=[
                    (44, struct.pack(">BHI", 0, at | more, id))]))
        if r.random() < 0.5:
            r.shuffle(out)
        if r.random() < 0.3:
            out.pop()
        return [eth(f) for f in out]

    def ping(self):
        v, src, dst = self.ends()
        r = self.r
        return [eth(packet(src, dst, ICMP if v == 4 else ICMP6, echo(
            v, r.randrange(50), r.getrandbits(16),
            bytes(r.choice((0, 56, 1400, 9000))))))]

    def arp(self):
        return [arp(HOST[4], self.r.choice((GW[4], REMOTE[4], HOST[4],
                                            "10.77.0.99")),
                    self.r.choice((1, 1, 2, 3)))]

    def ndp(self):
        r = self.r
        o = r.choice((b"", b"\1\1" + MAC, b"\1\0" + MAC, b"\1\xff" + MAC))
        return [r.choice((
            ns(r.choice((GW[6], REMOTE[6], HOST[6])), opts=o), rs(opts=o),
            ns(REMOTE[6], src="::"),
            eth(packet(GUEST_LL, ALL_NODES, ICMP6, icmp(
                136, bytes(4) + addr(GUEST_LL) + o), 255))))]

    def dhcp(self):
        b = struct.pack(">BBBBIHH16s16s192sI", 1, 1, 6, 0,
                        self.r.getrandbits(32), 0, 0, b"", MAC, b"",
                        0x63825363) + \
            b"\x35\1" + bytes([self.r.randrange(9)]) + \
            b"\x37\3\1\3\6\x39\2\5\xdc\x0c\4host\xff"
        return [eth(packet("0.0.0.0", "255.255.255.255", UDP,
                           udp(68, 67, b)), BCAST)]

    def dhcpv6(self):
        r = self.r
        duid = b"\0\1\0\x0a\0\3\0\1" + MAC
        b = bytes([r.choice((1, 3, 4, 5, 6, 8, 9, 11))]) + r.randbytes(3) + \
            duid + b"\0\3\0\x0c" + bytes(12) + b"\0\6\0\4\0\x17\0\x18" + \
            r.choice((b"", b"\0\x0e\0\0", b"\0\x27\0\5\0\4host"))
        return [eth(packet(GUEST_LL, ALL_SERVERS, UDP, udp(546, 547, b)))]

    def other(self):
        v, src, dst = self.ends()
        return [eth(packet(src, dst, self.r.randrange(256), bytes(60))),
                eth(bytes(50), type=self.r.getrandbits(16))]

    def mutate(self, f):
        r, f = self.r, bytearray(f)
        for _ in range(r.choice((1, 1, 2, 4))):
            what, at = r.random(), r.randrange(len(f))
            if what < 0.7:
                at = min(at, r.randrange(14, 100), len(f) - 1)
                f[at] = r.choice((r.getrandbits(8), 0, 255, f[at] ^ 1,
                                  (f[at] + 1) & 255))
            elif what < 0.9:
                del f[max(14, at):]
            else:
                f += r.randbytes(r.randrange(100))
        return bytes(f[:65535])

    def some(self, mutated=0.5):
        """Frames with their lengths, some of them twice or elsewhere."""
        r = self.r
        out = [self.mutate(f) if r.random() < mutated else f
               for _ in range(10) for f in r.choice(self.kinds)()]
        if r.random() < 0.3:
            at = r.randrange(len(out))
            out.insert(r.randrange(len(out)), out[at])
            out.append(out.pop(at))
        return framed(out)


def before(a, b):
    return (b - a) & 0xffffffff < 1 << 31


class Talk:
    """A well-behaved connection to the echo server, by hand: what is sent has
    to come back. Segments that passt has no room for may get lost."""

    ports = 20000

    def __init__(self, v, total=300_000):
        Talk.ports = Talk.ports + 1 if Talk.ports < 60000 else 20000
        self.v, self.port, self.data = v, Talk.ports, \
            random.Random(Talk.ports).randbytes(total)
        self.base = self.una = self.next = Talk.ports << 14
        self.rcv, self.win, self.at, self.moved = None, 0, 0, 0

    def frame(self, flags, data=b"", opts=b""):
        return eth(packet(HOST[self.v], REMOTE[self.v], TCP, tcp(
            self.port, CALM, flags, self.next, self.rcv or 0, data, opts)))

    def done(self):
        return self.at == len(self.data)

    def frames(self):
        """What is to be sent now."""
        now, out = time.monotonic(), []
        if now > self.moved + 0.3:          # from where we were
            self.moved, self.next = now, self.una
            out.append(self.frame(ACK) if self.rcv else
                       self.frame(SYN, opts=b"\2\4\5\xb4"))
        while self.rcv and not self.done():
            at = self.next - self.base - 1
            b = self.data[at:at + 1400]
            if not b or self.next + len(b) - self.una > self.win:
                break
            out.append(self.frame(ACK, b))
            self.next += len(b)
        return out

    def heard(self, p):
        """-> what to answer, or None if it was for somebody else."""
        if p.v != self.v or p.proto != TCP or p.dport != self.port:
            return None
        if p.flags & (RST | FIN) or not p.flags & ACK:
            raise RuntimeError(f"at {self.at} of a connection: {p}")
        if p.flags & SYN:
            if self.rcv is None:
                self.rcv = p.seq + 1 & 0xffffffff
                self.una = self.next = self.base + 1
                self.win = p.win
            return [self.frame(ACK)]
        una = self.base + (p.ack - self.base & 0xffffffff)
        if una > self.una:
            self.moved = time.monotonic()
            self.una, self.next = una, max(una, self.next)
        self.win = p.win
        if not p.data:
            return []
        if p.seq == self.rcv:
            if p.data != self.data[self.at:self.at + len(p.data)]:
                raise RuntimeError(f"other data, at {self.at}")
            self.at += len(p.data)
            self.rcv = self.rcv + len(p.data) & 0xffffffff
            self.moved = time.monotonic()
        elif before(self.rcv, p.seq):
            raise RuntimeError(f"a hole at {self.at}: {p}")
        return [self.frame(ACK if not self.done() else RST | ACK)]

    def all(self, g, seconds=10):
        """Alone, to the end."""
        end = time.monotonic() + seconds
        while not self.done():
            g.send(*self.frames())
            wait = 0.05
            while p := g.recv(wait):
                g.send(*self.heard(p) or ())
                wait = 0.001
            if time.monotonic() > end:
                raise RuntimeError(f"connection: {self.at} in {seconds} s")


class Hostile(Guest):
    """Sends at random, reads when it likes to."""

    def __init__(self, p, r, buf=None):
        super().__init__(p)
        if buf:
            self.s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buf)
            self.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buf)
        self.s.setblocking(False)
        self.frames, self.out, self.sent = Frames(r), b"", 0
        self.talk, self.talks = Talk(4), 0

    def speak(self, mutated=0.5):
        if not self.out:
            self.out = self.frames.some(mutated) + \
                framed(self.talk.frames())
        try:
            n = self.s.send(self.out)
        except BlockingIOError:
            return False
        self.sent += n
        self.out = self.out[n:]
        return True

    def listen(self):
        """Read what there is, up to a limit; whether there was anything."""
        try:
            b = self.s.recv(1 << 17)
        except BlockingIOError:
            return False
        if not b:
            raise ConnectionResetError("closed")
        self.buf += b
        while p := self.recv(0):
            answer = self.talk.heard(p)
            if answer is None:
                self.frames.heard(p)
            else:
                self.out += framed(answer)
            if self.talk.done():
                self.talk, self.talks = Talk(10 - self.talk.v), self.talks + 1
        return True


# --- afterwards ---

def guest(p):
    """One more; the backlog may be full for a moment."""
    for _ in range(50):
        try:
            return Guest(p)
        except BlockingIOError:
            time.sleep(0.1)
    raise RuntimeError("nobody accepts")


def answered(g):
    try:
        g.replies()
        return True
    except RuntimeError:
        return False


def served(p):
    """A new guest, two connections and a datagram of it."""
    with guest(p) as g:
        for v in 4, 6:
            Talk(v).all(g)
        g.send(eth(packet(HOST[4], REMOTE[4], UDP,
                          udp(60001, OPEN, b"hello"))))
        g.expect_udp(4, 60001)


def told(p):
    """It is asked three times: few answers get through a flood."""
    with guest(p) as g:
        if not any(answered(g) for _ in range(3)):
            raise RuntimeError("no answer")


def fine(p, name, serves):
    """What must hold after all."""
    why, used = "", 0
    try:
        serves(p)
        # What is left to do may take a moment
        for _ in range(10):
            used, t = cpu(p.pid), time.monotonic()
            time.sleep(0.3)
            used = (cpu(p.pid) - used) / (time.monotonic() - t)
            if used < 0.05:
                break
    except Exception as e:
        why = f"{type(e).__name__}: {e}"
    ok(not why and used < 0.05 and p.proc.poll() is None and
       not any(b in p.text() for b in BROKEN),
       f"{name}: lives, serves, and is idle",
       f"{why} {used:.0%} CPU {p.proc.poll()} {p.text()[-8000:]}")


def until(seconds):
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


attacks = []


def attack(f):
    """f(p, r, end): until end() is true; then all must be fine()."""
    attacks.append(f)
    return f


class Poor:
    """A place where a daemon may have few descriptors."""

    def as_user(self, *argv):
        return topo.as_user("sh", "-c", 'ulimit -n 40; exec "$@"', "sh", *argv)

    def __getattr__(self, name):
        return getattr(topo, name)


def run_attack(f):
    name, log = f.__name__, tmp(f"{f.__name__}.log")
    few = f is poor
    with case(name), Passt(Poor() if few else topo, (
            *FORWARD, "-l", log, "--log-size", f"{LOG_SIZE}"),
            quiet=False) as p:
        f(p, random.Random(SEED), until(SECONDS))
        fine(p, name, told if few else served)
        ok(os.path.getsize(log) <= LOG_SIZE, f"{name}: size of the log")
        note(f"{name}: {p.fds()} descriptors, {status(p.pid, 'VmRSS')} kB")


def nasty(p, r, rest, mood=0.02, buf=None):
    """A guest of which each moment may be the last, and that reads with gaps.
    -> how many connections it has been through."""
    try:
        with Hostile(p, r, buf) as g:
            deaf = 0
            while not rest():
                spoke = g.speak(r.choice((0, 0.2, 0.5, 1)))
                if deaf > 0:
                    deaf -= 1
                    spoke or time.sleep(0.001)
                elif not g.listen() and not spoke:
                    time.sleep(0.001)
                if r.random() < mood:
                    deaf = r.choice((0, 10, 300))
            return g.talks
    except OSError:                 # refused, say, or cut off
        return 0


@attack
def mutated(p, r, end):
    """Frames of all kinds, to the end, by guests that mostly listen."""
    n = 0
    while not end():
        n += nasty(p, r, until(SECONDS / 2))
    ok(n, "mutated: connections live beside", n)
    note(f"{n} connections")


@attack
def deaf(p, r, end):
    """They stop reading, with little room, and go on."""
    while not end():
        nasty(p, r, until(SECONDS / 3), 0.3,
              r.choice((None, 1, 4096, 65536)))


def one_client(p, r):
    s = socket.socket(socket.AF_UNIX)
    s.setblocking(False)
    try:
        s.connect(p.sock)
        f = Frames(r)
        for _ in range(r.randrange(4)):
            b = f.some() if r.random() < 0.7 else r.randbytes(5000)
            s.send(b[:r.randrange(len(b))])
            if r.random() < 0.3:
                s.recv(r.choice((1, 100, 100000)))
        if r.random() < 0.3:
            s.shutdown(r.choice((socket.SHUT_RD, socket.SHUT_WR)))
    except OSError:
        pass
    return s


@attack
def churn(p, r, end):
    """Many clients, that come, say something, or not, half close, and go."""
    some, n = [], 0
    while not end():
        some.append(one_client(p, r))
        n += 1
        while len(some) > r.choice((0, 1, 5, 20)):
            some.pop(r.randrange(len(some))).close()
    for s in some:
        s.close()
    note(f"{n} clients")


@attack
def poor(p, r, end):
    """As above, with few descriptors, which connections soon use up."""
    noise = Forked(hammer, SECONDS)
    while not end():
        try:
            nasty(p, r, until(r.choice((0.01, 0.1))))
        except RuntimeError as e:       # half a connection had to make room
            if "at 0 of a connection" not in str(e):
                raise
        for _ in range(r.choice((1, 5, 30))):
            one_client(p, r).close()
    noise.result()


def hammer(seconds):
    """On the ports forwarded to the guest."""
    r = random.Random(SEED)
    end = until(seconds)
    us = {v: socket_in(topo.remote, v, socket.SOCK_DGRAM) for v in (4, 6)}
    some = []
    while not end():
        v = r.choice((4, 6))
        try:
            if r.random() < 0.1:
                s = socket_in(topo.remote, v)
                s.settimeout(0.05)
                some.append(s)
                s.connect((HOST[v], T_IN))
                s.send(bytes(r.randrange(1, 100000)))
                if r.random() < 0.2:
                    s.send(b"!", socket.MSG_OOB)
            elif r.random() < 0.1:
                us[v].close()
                us[v] = socket_in(topo.remote, v, socket.SOCK_DGRAM)
            for _ in range(r.choice((1, 50))):
                us[v].sendto(bytes(r.choice((0, 1, 500, 1400, 9000, 60000))),
                             (HOST[v], U_IN))
        except OSError:
            pass
        while len(some) > r.choice((0, 5, 100, 100, 100)):
            some.pop(r.randrange(len(some))).close()


@attack
def hammered(p, r, end):
    """The host has much to say to guests that come, are deaf, and go."""
    with_flood = Forked(hammer, SECONDS)
    while not end():
        if r.random() < 0.5:
            nasty(p, r, until(r.choice((0.01, 0.1, SECONDS / 3))), 0.3)
        else:
            one_client(p, r).close()
            time.sleep(r.choice((0, 0.1)))
    with_flood.result()


def neighbours(seconds):
    r = random.Random(SEED)
    end = until(seconds)
    while not end():
        lines = []
        for _ in range(300):
            v = r.choice((4, 6))
            net = {4: "10.77.0.", 6: "fd77::"}[v]
            a = net + str(r.randrange(4, 250))
            mac = ":".join(f"{b:02x}" for b in b"\2" + r.randbytes(5))
            lines.append(r.choice((
                f"neigh replace {a} lladdr {mac} dev eth0 nud reachable",
                f"neigh replace {a} lladdr {mac} dev eth0 nud stale",
                f"neigh del {a} dev eth0")))
        run(*enter(topo.host, "ip", "-force", "-batch", "-"), check=False,
            input="\n".join(lines))


@attack
def neighbourhood(p, r, end):
    """Neighbours of the host come and go."""
    storm = Forked(neighbours, SECONDS)
    while not end():
        nasty(p, r, until(SECONDS / 3), 0.1)
    storm.result()


topo = Topo()
remote = [Forked(servers, calm) for calm in (False, True)]
wait_for("servers", lambda: all(
    f":{port:04X} " in read(f"/proc/{topo.remote}/net/tcp6")
    for port in (OPEN, SOURCE, CALM)))
note(f"seed {SEED}, {SECONDS} s each")
for f in attacks:
    if not ONLY or f.__name__ in ONLY:
        run_attack(f)
for s in remote:
    s.kill()
well_formed()
done()
