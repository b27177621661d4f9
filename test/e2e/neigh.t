#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's neighbours as the guest sees them: asked for by ARP and neighbour
solicitations, announced when they come, change or go; real ones, many, those of
other links, and more changes at once than the kernel has room to tell of."""
import os
import re
import shutil
import sys

sys.dont_write_bytecode = True
from lib import *       # noqa: E402

need_root()
OURS = "9a:55:9a:55:9a:55"
BCAST, ALL_NODES = "ff:ff:ff:ff:ff:ff", "33:33:00:00:00:01"
ADDR = {4: "10.77.0.50", 6: "fd77::50"}
M1, M2 = "02:00:00:00:00:51", "02:00:00:00:00:52"


def pton(a):
    return socket.inet_pton(AF[6 if ":" in a else 4], a)


def mac(b):
    return ":".join(f"{x:02x}" for x in b)


def tap(p):
    names = re.findall(r"^\d+: ([^:@]+)", ip(p.guest, "link").stdout, re.M)
    return [n for n in names if n != "lo"][0]


class Wire:
    """A packet socket on the guest's link."""

    def __init__(self, p):
        self.s = socket_in(p.guest, kind=socket.SOCK_RAW,
                           proto=socket.htons(3), af=socket.AF_PACKET)
        self.s.bind((tap(p), 3))
        self.mac = self.s.getsockname()[4]

    def send(self, frame):
        self.s.send(frame)

    def recv(self, seconds):
        """The next frame, or None if there is none within that time."""
        self.s.settimeout(max(seconds, 0))
        try:
            return self.s.recv(65536)
        except (TimeoutError, BlockingIOError):
            return None

    def drain(self):
        while self.recv(0):
            pass

    def told(self, seconds):
        """What comes about addresses within that time: tuples (kind, address,
        MAC told); kind is "announcement" or "answer"."""
        end = time.monotonic() + seconds
        while f := self.recv(end - time.monotonic()):
            got = arp_told(f) if f[12:14] == b"\x08\x06" else na_told(f)
            if got:
                yield got

    def expect(self, want, name, seconds=3):
        seen = []
        for got in self.told(seconds):
            seen.append(got)
            if got == want:
                break
        return ok(want in seen, name, f"{want} is not among {seen}")

    def ask(self, addr):
        """The MAC address in the answer to a question for @addr, or None."""
        self.drain()
        if ":" in addr:
            icmp = b"\x87\0\0\0\0\0\0\0" + pton(addr) + b"\1\1" + self.mac
            f = b"\x33\x33\xff" + pton(addr)[13:] + self.mac + b"\x86\xdd" + \
                b"\x60\0\0\0\0" + bytes([len(icmp)]) + b"\x3a\xff" + \
                pton(HOST[6]) + pton("ff02::1:ff00:0")[:13] + \
                pton(addr)[13:] + icmp
        else:
            f = b"\xff" * 6 + self.mac + b"\x08\x06\0\1\x08\0\6\4\0\1" + \
                self.mac + pton(HOST[4]) + bytes(6) + pton(addr)
        self.send(f)
        for kind, a, m in self.told(2):
            if (kind, a) == ("answer", addr):
                return m
        return None

    def close(self):
        self.s.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class Vm(Wire):
    """The same, for a guest at the socket of passt."""

    def __init__(self, p):
        self.s = p.connect()
        self.mac = bytes.fromhex("020000000001")

    def send(self, frame):
        self.s.sendall(len(frame).to_bytes(4, "big") + frame)

    def recv(self, seconds):
        self.s.settimeout(max(seconds, 0))
        try:
            head = self.s.recv(4)
        except (TimeoutError, BlockingIOError):
            return None
        self.s.settimeout(5)
        head += recv_all(self.s, 4 - len(head))
        return recv_all(self.s, int.from_bytes(head, "big"))


def arp_told(f):
    """RFC 5227 announcements, and replies."""
    op, sha, spa, tpa = f[20:22], f[22:28], f[28:32], f[38:42]
    if mac(f[6:12]) != mac(sha):
        return None
    a = socket.inet_ntop(AF[4], spa)
    if op == b"\0\1" and spa == tpa and mac(f[:6]) == BCAST and \
            f[32:38] == bytes(6):
        return "announcement", a, mac(sha)
    if op == b"\0\2":
        return "answer", a, mac(sha)
    return None


def na_told(f):
    """Neighbour advertisements; flags say which kind."""
    if f[12:14] != b"\x86\xdd" or f[20] != 58 or f[54] != 136 or \
            f[21] != 255 or f[78:80] != b"\2\1" or f[80:86] != f[6:12]:
        return None
    a = socket.inet_ntop(AF[6], f[62:78])
    if f[58] == 0xa0 and mac(f[:6]) == ALL_NODES and \
            f[38:54] == pton("ff02::1"):
        return "announcement", a, mac(f[80:86])
    if f[58] == 0xe0:
        return "answer", a, mac(f[80:86])
    return None


def neigh(text, dev="eth0", check=True):
    return run(*enter(topo.host, "ip", "neigh", *text.split(), "dev", dev),
               check=check)


def put(a, m, dev="eth0"):
    neigh(f"replace {a} lladdr {m} nud permanent", dev)


def batch(lines):
    path = tmp("batch")
    with open(path, "w") as f:
        f.write("\n".join(lines) + "\n")
    run(*enter(topo.host, "ip", "-batch", path))


def asked():
    """Entries from before the start, and since."""
    for v in 4, 6:
        put(ADDR[v], M1)
    with case("asked for"), topo.pasta() as p, Wire(p) as w:
        for v in 4, 6:
            a = ADDR[v]
            ok(w.ask(a) == M1, f"IPv{v}: an old neighbour's MAC")
            put(a, M2)
            ok(wait_for("change", lambda: w.ask(a) == M2),
               f"IPv{v}: a changed one")
            neigh(f"del {a}")
            ok(wait_for("end", lambda: w.ask(a) == OURS),
               f"IPv{v}: ours again when it is gone")
            put(GW[v], M1)
            put(REMOTE[v], M2)
            wait_for("remote", lambda: w.ask(REMOTE[v]) == M2)
            ok(w.ask(GW[v]) == OURS, f"IPv{v}: the gateway always is ours")
            ok(w.ask(HOST[v]) is None, f"IPv{v}: its own is not answered")
            for x in GW[v], REMOTE[v]:
                neigh(f"del {x}")
        put(ADDR[4], M1)
        if shutil.which("arping"):
            def arping():
                return M1 in run(*enter(
                    p.guest, "arping", "-c1", "-w2", "-I", tap(p), ADDR[4]),
                    check=False).stdout.lower()
            ok(wait_for("arping", arping), "arping gets the MAC")
        neigh(f"del {ADDR[4]}")


def mapped():
    """Addresses that mean something else in there."""
    opts = []
    for v, third in (4, "10.77.0."), (6, "fd77::"):
        for o, n in ("--map-host-loopback", 61), ("--map-guest-addr", 62), \
                ("--dns-forward", 63):
            opts += [o, f"{third}{n}"]
            put(f"{third}{n}", M1)
        put(f"{third}64", M1)
    with case("mapped"), topo.pasta(*opts) as p, Wire(p) as w:
        for v, third in (4, "10.77.0."), (6, "fd77::"):
            got = [w.ask(f"{third}{n}") for n in (61, 62, 63, 64)]
            ok(got == [OURS, OURS, OURS, M1],
               f"IPv{v}: mapped addresses always are ours", got)
    for third in "10.77.0.", "fd77::":
        for n in 61, 62, 63, 64:
            neigh(f"del {third}{n}")


def announced():
    put("10.77.0.40", M1)
    with case("announced"), topo.pasta() as p, Wire(p) as w:
        ok(w.ask("10.77.0.40") == M1, "an old neighbour")
        for v in 4, 6:
            a = ADDR[v]
            put(a, M1)
            w.expect(("announcement", a, M1), f"IPv{v}: a new neighbour")
            put(a, M2)
            w.expect(("announcement", a, M2), f"IPv{v}: its MAC changed")
            put(a, M2)
            neigh(f"replace {a} lladdr {M2} nud reachable")
            ok(not list(w.told(0.5)), f"IPv{v}: nothing changed")
            neigh(f"del {a}")
            w.expect(("announcement", a, OURS), f"IPv{v}: it went away")
            # The guest's own table follows
            ip(p.guest, f"neigh replace {a} lladdr {OURS} dev {tap(p)} "
                        f"nud reachable")
            put(a, M1)
            ok(wait_for("update", lambda: M1 in ip(
                p.guest, f"neigh show {a}").stdout),
               f"IPv{v}: the guest's table follows")
            neigh(f"del {a}")
            put(GW[v], M1)
            neigh(f"del {GW[v]}")
        seen = [s for s in w.told(0.7) if s[1] in GW.values()]
        ok(not seen, "none about the gateway", seen)
    neigh("del 10.77.0.40")


def real():
    """Whom the host finds by itself, because the guest talks to it."""
    remote = re.search(r"link/ether (\S+)",
                       ip(topo.remote, "link show eth0").stdout).group(1)
    for v in 4, 6:
        run(*enter(topo.host, "ip", f"-{v}", "neigh", "flush", "dev", "eth0"))
    with case("real"), topo.pasta() as p, Wire(p) as w:
        for v in 4, 6:
            def ping():
                return run(*enter(p.guest, "ping", "-c2", "-i0.2", "-W2",
                                  REMOTE[v]), check=False)
            r = ping()
            ok(r.returncode == 0, f"IPv{v}: ping", r.stdout)
            w.expect(("announcement", REMOTE[v], remote),
                     f"IPv{v}: the remote's MAC is announced")
            out = ip(p.guest, f"neigh show {REMOTE[v]}").stdout
            ok(remote in out, f"IPv{v}: and known", out)
            r = ping()
            ok(r.returncode == 0, f"IPv{v}: ping by that MAC", r.stdout)
            s = listen_in(topo.remote, v)
            c = connect_in(p.guest, REMOTE[v], s.getsockname()[1])
            d = s.accept()[0]
            c.sendall(b"hello")
            ok(recv_all(d, 5) == b"hello", f"IPv{v}: TCP by that MAC")
            for x in c, d, s:
                x.close()


def many():
    lines = [f"neigh replace 10.77.1.{i} lladdr {M1} nud permanent dev eth0"
             for i in range(1, 101)]
    with case("many"), topo.pasta() as p, Wire(p) as w:
        w.ask(GW[4])
        w.drain()
        batch(lines)
        early = len(list(w.told(1)))
        late = len(list(w.told(4)))
        ok(8 <= early <= 8 * 6, f"announcements in a second: {early}")
        ok(early + late == 100, f"all of them in the end: {early + late}")
        ok(w.ask("10.77.1.100") == M1, "all are known")
        batch([l.replace("replace", "del").replace(" nud permanent", "")
               for l in lines])


def others():
    """A host with a thousand containers on other links."""
    h = topo.host
    ip(h, "link add other0 type veth peer name other1")
    ip(h, "link set other0 up")
    ip(h, "link set other1 up")
    ip(h, "addr add 10.99.0.1/16 dev other0")
    lines = [f"neigh replace 10.99.{i >> 8}.{i & 255} lladdr {M1} "
             f"nud permanent dev other0" for i in range(10, 1010)]
    with case("others"), topo.pasta() as p, Wire(p) as w:
        w.ask(GW[4])
        time.sleep(1.5)         # what the kernel in there has to say at first
        w.drain()

        def wakes():
            return status(p.pid, "voluntary_ctxt_switches")
        before = wakes()
        batch(lines)
        time.sleep(0.5)
        woken = wakes() - before
        ok(woken < 20, f"neighbours of other links do not wake us: {woken}")
        ok(not list(w.told(0.2)), "and are not announced")
        ok(w.ask("10.99.0.20") == OURS, "nor mirrored")
        before = wakes()
        put(ADDR[4], M1)
        ok(wait_for("mirror", lambda: w.ask(ADDR[4]) == M1) and
           wakes() > before, "while ours still are")
        neigh(f"del {ADDR[4]}")
    ip(h, "link del other0")


def overrun():
    """The daemon is too slow: notices are lost, and nothing else."""
    lines = [f"neigh replace 10.77.{i >> 8}.{i & 255} lladdr {M1} "
             f"nud permanent dev eth0" for i in range(300, 700)]
    put(ADDR[4], M1)
    put(ADDR[6], M1)
    with case("overrun"), topo.pasta("-d", quiet=False) as p, Wire(p) as w:
        ok(w.ask(ADDR[4]) == M1, "known before")
        os.kill(p.pid, signal.SIGSTOP)
        try:
            for _ in range(3):
                batch(lines)
                batch([l.replace(M1, M2) for l in lines])
            neigh(f"del {ADDR[4]}")
            put(ADDR[6], M2)
        finally:
            os.kill(p.pid, signal.SIGCONT)
        ok(wait_for("new", lambda: w.ask("10.77.2.187") == M2),
           "those whose notices were lost are known")
        ok(wait_for("gone", lambda: w.ask(ADDR[4]) == OURS),
           "those who went are not")
        ok(wait_for("changed", lambda: w.ask(ADDR[6]) == M2),
           "those who changed are")
        ok("were lost" in p.text(), "there were losses", p.text())
        used = cpu(p.pid)
        time.sleep(1.5)
        ok(cpu(p.pid) - used < 0.1, f"no spinning: {cpu(p.pid) - used:.3f} s")
    batch([l.replace("replace", "del").replace(" nud permanent", "")
           for l in lines])
    neigh(f"del {ADDR[6]}")


def down():
    """All go at once when the link does, and come back with it."""
    with case("down"), topo.pasta() as p, Wire(p) as w:
        for v in 4, 6:
            put(ADDR[v], M1)
            wait_for("mirror", lambda: w.ask(ADDR[v]) == M1)
        ip(topo.host, "link set eth0 down")
        try:
            for v in 4, 6:
                ok(wait_for("flush", lambda: w.ask(ADDR[v]) == OURS),
                   f"IPv{v}: the link is down")
        finally:
            ip(topo.host, "link set eth0 up")
        put(ADDR[4], M2)
        ok(wait_for("mirror", lambda: w.ask(ADDR[4]) == M2), "and up again")
        neigh(f"del {ADDR[4]}")


def hello(w):
    """What a guest gets when it comes, as kinds in their order."""
    out = []
    while f := w.recv(0.5 if out else 5):
        if f[12:14] == b"\x08\x06" and f[20:22] == b"\0\1":
            out.append("ARP for " + socket.inet_ntop(AF[4], f[38:42]))
        elif f[12:14] == b"\x86\xdd" and f[54] == 135:
            out.append("NS for " + socket.inet_ntop(AF[6], f[62:78]))
        elif f[12:14] == b"\x86\xdd" and f[54] == 134:
            out.append("RA to " + socket.inet_ntop(AF[6], f[38:54]))
        elif f[12:14] == b"\x08\0" and f[23] == 2 and f[38] == 0x11:
            out.append("IGMP query to " + socket.inet_ntop(AF[4], f[30:34]))
        elif f[12:14] == b"\x86\xdd" and f[20] == 0 and f[62] == 130:
            out.append("MLD query to " + socket.inet_ntop(AF[6], f[38:54]))
        else:
            out.append(f.hex())
    return out


IGMP, MLD = "IGMP query to 224.0.0.1", "MLD query to ff02::1"


def passt():
    with case("passt"), topo.passt() as p:
        for nth in "a guest", "the next one":
            with Vm(p) as w:
                got = hello(w)
                ok(got == [f"ARP for {HOST[4]}", f"NS for {HOST[6]}",
                           "RA to ff02::1", IGMP, MLD], f"{nth}: greeted", got)
                for v in 4, 6:
                    put(ADDR[v], M1)
                got = list(w.told(0.5))
                ok(not got, f"{nth}: nothing announced to the unknown", got)
                for v in 4, 6:
                    ok(w.ask(ADDR[v]) == M1, f"{nth}: IPv{v}: asked for")
                    put(ADDR[v], M2)
                    w.expect(("announcement", ADDR[v], M2),
                             f"{nth}: IPv{v}: announced")
                    neigh(f"del {ADDR[v]}")
                    w.expect(("announcement", ADDR[v], OURS),
                             f"{nth}: IPv{v}: gone")

    with case("--no-ndp"), topo.passt("--no-ndp") as p, Vm(p) as w:
        got = hello(w)
        ok(got == [f"ARP for {HOST[4]}", IGMP],
           "--no-ndp: greeted over IPv4 only", got)
        put(ADDR[6], M1)
        ok(w.ask(ADDR[6]) is None, "--no-ndp: no answer")
        put(ADDR[4], M1)
        ok(wait_for("mirror", lambda: w.ask(ADDR[4]) == M1) and
           not [g for g in w.told(0.5) if g[1] == ADDR[6]],
           "--no-ndp: ARP as ever")
        for v in 4, 6:
            neigh(f"del {ADDR[v]}")
    with case("--no-ra"), topo.passt("--no-ra") as p, Vm(p) as w:
        got = hello(w)
        ok(got == [f"ARP for {HOST[4]}", f"NS for {HOST[6]}", IGMP, MLD],
           "--no-ra: no advertisement", got)


topo = Topo()
asked()
mapped()
announced()
real()
many()
others()
overrun()
passt()
down()           # the last one: routes are gone with it
done()
