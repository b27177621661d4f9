#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Port forwarding: every form of a port specification, TCP and UDP, both
families, and for each who gets in, where to, and as whom.

Clients are told by a letter and the IP version:
    r   the remote, at the host's address
    s   the host itself, at its own address
    l   the host's loopback
    n   the namespace's loopback (-T, -U)
A row says which of them reach a port; all the others must be refused.
"""
import errno
import os
import resource
import signal
import socket
import sys
import time

sys.dont_write_bytecode = True
from lib import *       # noqa: E402
from tcp_cases import transfer  # noqa: E402

need_root()
TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM
NAME = {TCP: "TCP", UDP: "UDP"}
SIZES = 0, 1, 1472, 9000, 60000
LOCAL_PORTS = "/proc/sys/net/ipv4/ip_local_port_range"
EVERY = "r4 r6 s4 s6 l4 l6"
PLACES = EVERY.split()


class Row:
    """One or more specifications @spec. @reach: {port: target, or port or
    range: None for the same}; @who reaches those; @not_: ports nobody reaches.
    The rest of PLACES is refused, but for @apart, which the test looks at."""

    def __init__(self, spec, reach, who=EVERY, not_=(), apart=()):
        self.spec = [spec] if isinstance(spec, str) else spec
        self.reach = reach if isinstance(reach, dict) else \
            {p: p for p in ([reach] if isinstance(reach, int) else reach)}
        self.who, self.not_, self.apart = who.split(), not_, apart
        self.name = " ".join(self.spec)

    def opts(self, letter):
        return [w for s in self.spec for w in (f"-{letter}", s)]


# --- one attempt ---

def bound_in(pid, kind, v, port, addr=None):
    """A server's socket, of one family only."""
    s = socket_in(pid, v, kind)
    s.settimeout(3)
    if v == 6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if kind == TCP:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    else:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    s.bind((addr or ANY[v], port))
    if kind == TCP:
        s.listen(16)
    return s


def client_in(pid, kind, addr, port, scope=0):
    v = 6 if ":" in addr else 4
    s = socket_in(pid, v, kind)
    s.settimeout(3)
    if pid == topo.remote and not scope:
        s.bind((REMOTE[v], 0))
    s.connect((addr, port, 0, scope) if ":" in addr else (addr, port))
    return s


def talk_tcp(c, l, check):
    s, peer = l.accept()
    with s:
        s.settimeout(3)
        check(peer)
        for a, b in (c, s), (s, c):
            data = os.urandom(2003)
            a.sendall(data)
            if recv_all(b, len(data)) != data:
                raise RuntimeError("other data")


def talk_udp(c, s, check, sizes):
    for n in sizes:
        data = os.urandom(n)
        c.send(data)
        got, peer = s.recvfrom(1 << 16)
        check(peer)
        if got != data:
            raise RuntimeError(f"{n} bytes: others arrive")
        data = os.urandom(n)
        s.sendto(data, peer)
        if c.recv(1 << 16) != data:
            raise RuntimeError(f"{n} bytes: others come back")


class Way:
    """From a client at @place to the guest of @p, or out of it."""

    def __init__(self, p, place, addr=None):
        who, self.v = place[0], int(place[1])
        self.client, self.to = {
            "r": (p.topo.remote, HOST), "s": (p.topo.host, HOST),
            "l": (p.topo.host, LOOP), "n": (p.guest, LOOP)}[who]
        self.server = p.topo.host if who == "n" else p.guest
        self.addr = addr or self.to[self.v]
        # Addresses of the host's loopback and of its own mean the guest
        # itself inside: they are replaced
        spliced = isinstance(p, Pasta)
        self.source = {
            "r": REMOTE[self.v], "n": LOOP[self.v],
            "s": GW[4] if self.v == 4 else our_ll,
            "l": HOST[self.v] if spliced else GW[self.v]}[who]
        self.keeps_port = not (spliced and who in "ln")

    def works(self, kind, port, target, sizes=SIZES):
        """Data both ways, and the client's address; raises if not."""
        with bound_in(self.server, kind, self.v, target) as s, \
                client_in(self.client, kind, self.addr, port) as c:
            mine = c.getsockname()[1]

            def check(peer):
                if peer[0].split("%")[0] != self.source:
                    raise RuntimeError(f"client is {peer}, not {self.source}")
                if peer[1] != mine and (kind == UDP or self.keeps_port):
                    raise RuntimeError(f"port is {peer[1]}, not {mine}")
            if kind == TCP:
                talk_tcp(c, s, check)
            else:
                talk_udp(c, s, check, sizes)

    def refused(self, kind, port, target):
        """Told so at once, by the host: somebody waits inside."""
        servers = [bound_in(self.server, kind, self.v, n)
                   for n in {port, target}]
        try:
            with client_in(self.client, kind, self.addr, port) as c:
                if kind == UDP:
                    c.settimeout(1)
                    c.send(b"x")
                    c.recv(1)
            raise RuntimeError(f"{port} is open")
        except ConnectionRefusedError:
            pass
        except TimeoutError:
            raise RuntimeError(f"{port} is not refused") from None
        finally:
            for s in servers:
                s.close()


def check_row(p, kind, row, places=PLACES):
    bad = []
    for place in places:
        if place in row.apart:
            continue
        w = Way(p, place)
        first = True
        for port, target in row.reach.items():
            try:
                if place in row.who:
                    w.works(kind, port, target, SIZES if first else (1400,))
                else:
                    w.refused(kind, port, target)
            except (OSError, RuntimeError) as e:
                bad.append(f"{place} port {port}: {e!r}")
            first = False
        for port in row.not_:
            try:
                w.refused(kind, port, port)
            except (OSError, RuntimeError) as e:
                bad.append(f"{place} port {port}: {e!r}")
    ok(not bad, f"{NAME[kind]} {row.name}: {' '.join(row.who)}",
       "\n".join(bad))


def check_rows(p, rows, places=PLACES, kinds=(TCP, UDP)):
    for row in rows:
        for kind in kinds:
            with case(f"{NAME[kind]} {row.name}"):
                check_row(p, kind, row, places)
    ok(p.proc.poll() is None, "daemon lives", p.text())


def options(rows, letters="tu"):
    return [w for r in rows for l in letters for w in r.opts(l)]


def span(a, b, shift=0):
    return {n: n + shift for n in range(a, b + 1)}


def without(d, *ports):
    return {a: b for a, b in d.items() if a not in ports}


# --- inbound ---

V4, V6 = "r4 s4 l4", "r6 s6 l6"
ROWS = [
    Row("5001", 5001, not_=[5002]),
    Row("5010-5012", span(5010, 5012), not_=[5009, 5013]),
    Row("5020:5021", {5020: 5021}, not_=[5021]),
    Row("5030-5032:6030-6032", span(5030, 5032, 1000)),
    Row("5035-5036:5036-5037", span(5035, 5036, 1), not_=[5037]),
    Row("5040-5044,~5042", without(span(5040, 5044), 5042), not_=[5042]),
    Row("~5051-5052,5050-5053:6050-6053",
        without(span(5050, 5053, 1000), 5051, 5052), not_=[5051, 5052]),
    Row("5060,5062-5063:7062-7063,5065,~5063",
        {5060: 5060, 5062: 7062, 5065: 5065}, not_=[5061, 5063, 5064]),
    # Addresses
    Row(f"{HOST[4]}/5100", 5100, "r4 s4"),
    Row(f"[{HOST[4]}]/5101:6101", {5101: 6101}, "r4 s4"),
    Row(f"[{HOST[6]}]/5102", 5102, "r6 s6"),
    Row(f"{HOST[6]}/5103-5104,~5103", {5104: 5104}, "r6 s6", [5103]),
    Row("127.0.0.1/5105", 5105, "l4"),
    Row("::1/5106", 5106, "l6"),
    Row(["127.0.0.1/5107", "[::1]/5107:6107", f"{HOST[4]}/5107",
         f"[{HOST[6]}]/5107"], 5107, "l4 r4 s4 r6 s6", apart=["l6"]),
    # Interfaces. To the kernel, what the host sends to an address of its own
    # comes in by the interface that has the address
    Row("%eth0/5110", 5110, "r4 r6 s4 s6"),
    Row("%lo/5111-5112:6111-6112", span(5111, 5112, 1000), "l4 l6"),
    Row(f"{HOST[4]}%eth0/5113", 5113, "r4 s4"),
    Row(f"[{HOST[6]}]%eth0/5114:6114", {5114: 6114}, "r6 s6"),
    Row("127.0.0.1%lo/5115", 5115, "l4"),
    Row(["%eth0/5117", "%lo/5117"], 5117),
    # One family
    Row("0.0.0.0/5130", 5130, V4),
    Row("::/5131", 5131, V6),
    Row("[::]%eth0/5132", 5132, "r6 s6"),
    Row("0.0.0.0%lo/5133", 5133, "l4"),
    Row(["0.0.0.0/5134", "[::]/5134"], 5134),
]


def pasta(*opts):
    """With these ports, and no others."""
    return topo.pasta("-T", "none", "-U", "none", *opts)


def inbound():
    with pasta(*options(ROWS)) as p:
        check_rows(p, ROWS)
        for place in "r4", "r6", "l4", "l6":
            with case(f"{place}: 10 MB"):
                bulk(p, place, 5001, 5001)
        same_port(p)
        link_local(p)


def bulk(p, place, port, target):
    w = Way(p, place)
    for to in "in", "out":
        with bound_in(w.server, TCP, w.v, target) as l:
            c = client_in(w.client, TCP, w.addr, port)
            s = l.accept()[0]
        s.settimeout(20)
        c.settimeout(20)
        ends = (c, s) if to == "in" else (s, c)
        good, text = transfer(*ends, 10 << 20)
        ok(good, f"{place}: 10 MB {to} are what was sent", text)


def same_port(p):
    """Row 5107: the same port at several addresses, with other targets."""
    with case("one port, several targets"):
        w = Way(p, "l6")
        w.works(TCP, 5107, 6107)
        w.works(UDP, 5107, 6107)
        ok(True, "one port of two addresses leads to two targets")


def link_local(p):
    """Not known before the test runs, and only with an interface."""
    spec = f"[{our_ll}]%eth0/5140:6140"
    with case("link-local"), pasta("-t", spec, "-u", spec) as q:
        idx = int(ip(topo.remote, "-o link show dev eth0").stdout.split(":")[0])
        for kind in TCP, UDP:
            with bound_in(q.guest, kind, 6, 6140) as s, \
                    client_in(topo.remote, kind, our_ll, 5140, idx) as c:
                seen = []
                talk = talk_tcp if kind == TCP else \
                    lambda c, s, f: talk_udp(c, s, f, (1400,))
                talk(c, s, seen.append)
            ok(seen[0][0].split("%")[0] == link_local_of(topo.remote),
               f"{NAME[kind]} {spec}: from the remote's link-local address",
               seen)


def one_family():
    rows = {4: [Row("5001-5002:6001-6002", span(5001, 5002, 1000), V4),
                Row("%eth0/5003", 5003, "r4 s4")],
            6: [Row("5001-5002:6001-6002", span(5001, 5002, 1000), V6),
                Row("%eth0/5003", 5003, "r6 s6")]}
    for v in 4, 6:
        with case(f"-{v}"), pasta(f"-{v}", *options(rows[v])) as p:
            note(f"IPv{v} only")
            check_rows(p, rows[v])


def only6_by_default():
    """The host's setting for sockets that do not say is not for ours."""
    knob = "/proc/sys/net/ipv6/bindv6only"
    topo.in_host("sh", "-c", f"echo 1 >{knob}")
    try:
        rows = [ROWS[0], Row("%lo/5111", 5111, "l4 l6"), Row("::/5131", 5131,
                                                            V6)]
        with pasta(*options(rows)) as p:
            note("net.ipv6.bindv6only = 1")
            check_rows(p, rows)
    finally:
        topo.in_host("sh", "-c", f"echo 0 >{knob}")


# --- outbound ---

OUT = [
    Row("5201", 5201, "n4 n6", [5202]),
    Row("5210-5212", span(5210, 5212), "n4 n6", [5209, 5213]),
    Row("5220:5221", {5220: 5221}, "n4 n6", [5221]),
    Row("5230-5232:6230-6232", span(5230, 5232, 1000), "n4 n6"),
    Row("5240-5244,~5242", without(span(5240, 5244), 5242), "n4 n6", [5242]),
    Row("~5251,5250-5252:6250-6252", without(span(5250, 5252, 1000), 5251),
        "n4 n6", [5251]),
]


def outbound():
    with topo.pasta("-t", "none", "-u", "none", *options(OUT, "TU")) as p:
        check_rows(p, OUT, ("n4", "n6"))
        for place in "n4", "n6":
            with case(f"{place}: 10 MB"):
                bulk(p, place, 5220, 5221)
        with case("127.0.0.5"):
            for kind in TCP, UDP:
                with bound_in(topo.host, kind, 4, 5221, "127.0.0.5") as s, \
                        client_in(p.guest, kind, "127.0.0.5", 5220) as c:
                    if kind == TCP:
                        talk_tcp(c, s, lambda _: None)
                    else:
                        talk_udp(c, s, lambda _: None, (100,))
                ok(True, f"{NAME[kind]}: the very address of 127/8 is asked")


# --- all, or all but some ---

def narrow(first):
    """Fewer ports to bind: those from @first on are ephemeral."""
    topo.in_host("sh", "-c", f"echo {first} 65535 >{LOCAL_PORTS}")


def some(*ports):
    return {n: n for n in ports}


# Each line for one instance
ALL = [
    [Row("all", some(1024, 1500, 2999), not_=[3000, 40000])],
    [Row(f"{HOST[4]}/all", some(1024, 2999), "r4 s4", [3000]),
     Row(f"[{HOST[6]}]%eth0/all", some(1024, 2999), "r6 s6", [3000]),
     Row("127.0.0.1/~2000-2009", some(1999, 2010), "l4", [2000, 2009])],
    [Row("%eth0/all", some(1024, 2999), "r4 r6 s4 s6", [3000]),
     Row("%lo/all", some(1024, 2999), "l4 l6", [3000])],
    [Row("~2000-2009,~5-10", some(1999, 2010), not_=[2000, 2005, 2009, 3000])],
]


def all_ports():
    narrow(3000)
    try:
        with bound_in(topo.host, TCP, 4, 2500), \
                bound_in(topo.host, UDP, 6, 2500):
            for rows in ALL:
                name = f"passt, {rows[0].name}, some ports in use"
                for r in rows:          # a port leads there for others, too
                    r.apart = [w for o in rows if o != r for w in o.who]
                with case(name), topo.passt(*options(rows)) as p, \
                        PumpGuest(p):
                    note(name)
                    check_rows(p, rows)
            # In pasta there is only the other way to say it
            with case("pasta"), pasta(*options(ALL[-1])) as p:
                note("pasta, exclusions only")
                check_rows(p, ALL[-1])
        row = Row("~2000-2009", some(1999, 2010), "n4 n6", [2000, 2009, 3000])
        with case("-T"), topo.pasta("-t", "none", "-u", "none",
                                    *options([row], "TU")) as p:
            note("outbound, exclusions only")
            check_rows(p, [row], ("n4", "n6"))
        for way in ("-t", "192.0.2.1/all"), ("-u", "[2001:db8::1]/all"), \
                ("-t", "192.0.2.1/~5000"):
            r = run_passt("-f", "-s", tmp("none"), *way)
            ok(r.returncode == 1 and "Cannot bind any" in r.stderr and
               "Cannot assign" in r.stderr and r.stderr.count("\n") == 1,
               f"{' '.join(way)}: none could be bound", r.stderr)
    finally:
        narrow(32768)


def passt_forms():
    """The same forms towards a virtual machine: no bypass there."""
    rows = [r for r in ROWS if r.name.startswith(("5020", "5040", "::1"))] + \
        [Row("%lo/5111", 5111, "l4 l6"),
         Row(f"{HOST[4]}%eth0/5113", 5113, "r4 s4"),
         Row(["0.0.0.0/5130", "[::]/5131"], 5130, V4)]
    with case("passt"), topo.passt(*options(rows)) as p, PumpGuest(p):
        note("passt")
        check_rows(p, rows)


# --- an address that comes later ---

def freebind():
    late = {4: "10.77.0.9", 6: "fd77::9"}
    specs = [f"{late[4]}/5001", f"[{late[6]}]/5002:6002"]
    opts = [w for l in "tu" for s in (*specs, "5003")
            for w in (f"-{l}", s)]
    for spec in specs:
        r = topo.run_pasta("-t", spec, "--", "true")
        ok(r.returncode == 1 and "Cannot assign" in r.stderr and
           spec.split("/")[0].strip("[]") in r.stderr and
           r.stderr.count("\n") == 1,
           f"{spec}: an address that is not there, without --freebind",
           r.stderr)
    with case("--freebind"), pasta("--freebind", *opts) as p:
        ip(topo.host, f"addr add {late[4]}/24 dev eth0")
        ip(topo.host, f"addr add {late[6]}/64 dev eth0 nodad")
        try:
            for v, port, target in (4, 5001, 5001), (6, 5002, 6002):
                w = Way(p, f"r{v}", late[v])
                for kind in TCP, UDP:
                    with case(f"--freebind {NAME[kind]}/IPv{v}"):
                        w.works(kind, port, target)
                        ok(True, f"--freebind: {NAME[kind]} to {late[v]}, "
                           "added later")
                        w.works(kind, 5003, 5003)
                        ok(True, "... and to a port of any address, whose "
                           "answers come from there")
                    with case("elsewhere"):
                        Way(p, f"r{v}").refused(kind, port, target)
                        ok(True, "... and only there")
        finally:
            ip(topo.host, f"addr del {late[4]}/24 dev eth0")
            ip(topo.host, f"addr del {late[6]}/64 dev eth0")


# --- what cannot be ---

def run_passt(*argv):
    return run(*topo.as_user(topo._program("PASST"), *argv), check=False,
               timeout=20, cwd="/")


def fails(name, words, *argv):
    """Status 1 and one line with all the @words, in both modes."""
    mark = tmp("mark")
    for mode in "pasta", "passt":
        if mode == "pasta":
            r = topo.run_pasta(*argv, "--", "touch", mark)
        elif any(a in ("-T", "-U") for a in argv):
            continue
        else:
            r = run_passt("-q", "-s", tmp("fails"), *argv)
        missing = [w for w in words if w not in r.stderr]
        ok(r.returncode == 1 and r.stderr.count("\n") == 1 and
           not missing and not r.stdout and not os.path.exists(mark),
           f"{mode}: {name}", f"{r.returncode}, no {missing}: {r.stderr}")


def in_use():
    use, acces = "Address already in use", "Permission denied"
    for kind, o in (TCP, "-t"), (UDP, "-u"):
        n = NAME[kind]
        for v in 4, 6:
            spec = f"{HOST[v]}/5001"
            with case(spec), bound_in(topo.host, kind, v, 5001, HOST[v]):
                fails(f"{n} {spec} in use", [n, "5001", HOST[v], use], o, spec)
                fails(f"{n} 5001 in use at {HOST[v]}", [n, "5001", use], o,
                      "5001")
                fails(f"{n} 5000-5010 with 5001 in use", [n, "5001", use], o,
                      "5000-5010")
            with case("other"), bound_in(topo.host, kind, v, 5001, HOST[v]):
                other = f"{HOST[10 - v]}/5001"
                r = topo.run_pasta(o, other, "--", "true")
                ok(r.returncode == 0, f"{n} {other} is not in use", r.stderr)
            with case("any"), bound_in(topo.host, kind, v, 5001):
                fails(f"{n} 5001 in use by IPv{v} only", [n, "5001", use], o,
                      "5001")
                fails(f"{n} {ANY[v]}/5001 in use", [n, "5001", ANY[v], use],
                      o, f"{ANY[v]}/5001")
        fails(f"{n}: low port", [n, "80", acces], o, "80")
        fails(f"{n}: low port of an address", [n, "81", HOST[4], acces], o,
              f"{HOST[4]}/81")
        fails(f"{n}: no such interface", [n, "5001", "nodev", "No such device"],
              o, "%nodev/5001")
    with case("low ports allowed"):
        topo.in_host("sh", "-c", "echo 80 >/proc/sys/net/ipv4/"
                     "ip_unprivileged_port_start")
        try:
            with pasta("-t", "80", "-u", "80") as p:
                check_rows(p, [Row("80", 80, not_=[81])], ("r4", "l6"))
        finally:
            topo.in_host("sh", "-c", "echo 1024 >/proc/sys/net/ipv4/"
                         "ip_unprivileged_port_start")


def few_descriptors():
    # Ports from 3000 on were ephemeral until now, some may be in TIME-WAIT
    for o in "-t", "-u", "-T":
        if o == "-T":
            prog, more = topo.program, ["--", "true"]
        else:
            prog, more = topo._program("PASST"), ["-s", tmp("few")]
        r = run(*topo.as_user("sh", "-c", "ulimit -n 1000; exec \"$@\"", "sh",
                              prog, "-q", o, "1024-65535", *more),
                check=False, timeout=20, cwd="/")
        # The sanitizers have something to say of a child that exits
        lines = r.stderr.splitlines()
        ok(r.returncode == 1 and "descriptors" in lines[0] and
           (os.environ.get("DEBUG") or len(lines) == 1),
           f"{o} 1024-65535 with 1000 descriptors: one line",
           f"{r.returncode} {r.stderr[:600]}")
    # Ports that no client ever was given, as all_ports() let them have most
    # others: what such a connection leaves behind, in TIME-WAIT, is in the way
    r = run(*topo.as_user("sh", "-c", "ulimit -S -n 64; exec \"$@\"", "sh",
                          topo.program, "-q", "-t", "2001-2200", "--", "true"),
            check=False, timeout=20, cwd="/")
    ok(r.returncode == 0 and not r.stderr, "the soft limit is not what counts",
       r.stderr[:600])
    for o, n in (("-t", 700), ("-t", 800), ("-u", 800), ("-T", 800)):
        r = run(*topo.as_user("sh", "-c", "ulimit -n 1000; exec \"$@\"", "sh",
                              topo.program, "-q", *("-t none -u none -T none "
                              "-U none".replace(f"{o} none",
                                                f"{o} 1101-{1100 + n}")
                              .split()), "--", "true"),
                check=False, timeout=20, cwd="/")
        ok(r.returncode == 0 and r.stderr.count("\n") == (n > 750) and
           (n < 750 or "less than a quarter of the 1000 descriptors"
            in r.stderr),
           f"{n} ports of {o} with 1000 descriptors: "
           f"{'a warning' if n > 750 else 'nothing to say'}",
           f"{r.returncode} {r.stderr[:600]}")
    narrow(10000)
    r = run(*topo.as_user("sh", "-c", "ulimit -n 1000; exec \"$@\"", "sh",
                          topo._program("PASST"), "-q", "-t", "all", "-u",
                          "all", "-s", tmp("few"), "-P", tmp("few.pid")),
            check=False, timeout=20, cwd="/")
    narrow(32768)
    pid = int(read(tmp("few.pid"))) if r.returncode == 0 else 0
    ok(pid and r.stderr.count("\n") == 2 and
       r.stderr.count("of which this process may have 1000") == 2,
       "-t all -u all with 1000 descriptors: said once each, and started",
       r.stderr[:600])
    fds = len(os.listdir(f"/proc/{pid}/fd")) if pid else 0
    ok(700 < fds < 800, "... some are left for connections", fds)
    if pid:
        os.kill(pid, signal.SIGTERM)


def many():
    """8,000 listening sockets."""
    first, n = 10000, 4000
    spec = f"{first}-{first + n - 1}"
    g, took = topo.user_ns(), []
    try:
        for _ in range(3):
            busy, t = stretch(), time.monotonic()
            r = topo.run_pasta("-q", "--config-net", "--listen-always",
                               "-t", spec, "-u", spec, "-P", tmp("many"), str(g.pid))
            took.append((time.monotonic() - t) / max(busy, stretch()))
            pid = int(read(tmp("many")) or 0)
            if r.returncode or len(took) == 3 or took[-1] < 1:
                break
            os.kill(pid, signal.SIGTERM)
            wait_for("end", lambda: not alive(pid))
        ok(r.returncode == 0 and min(took) < 1,
           "8,000 ports: ready within a second", f"{took} {r.stderr}")
        note(f"{min(took):.2f} s")
        if not r.returncode:
            p = Attached(topo, g.pid)
            for port in first, first + 1234, first + n // 2, first + n - 1:
                for place in "r4", "r6", "l4", "l6":
                    for kind in TCP, UDP:
                        Way(p, place).works(kind, port, port, (100,))
            ok(True, "... and a sample of them works")
            os.kill(pid, signal.SIGTERM)
    finally:
        stop(g)


class Attached(Pasta):
    """A daemon that is in the background already."""

    def __init__(self, topo, guest):
        self.topo, self.guest = topo, guest


def link_local_of(pid):
    out = ip(pid, "-6 addr show dev eth0 scope link").stdout
    return out.split("inet6 ")[1].split("/")[0]


_hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (_hard, _hard))
topo = Topo()
our_ll = link_local_of(topo.host)
topo.resolvers("nameserver 192.0.2.53", "nameserver 2001:db8::53")
# Every closed port is to be told of
topo.in_host("sh", "-c", "echo 0 >/proc/sys/net/ipv4/icmp_ratelimit; "
             "echo 0 >/proc/sys/net/ipv6/icmp/ratelimit")
for part in inbound, one_family, only6_by_default, outbound, many, \
        passt_forms, freebind, in_use, all_ports, few_descriptors:
    t = time.monotonic()
    with case(part.__name__):
        part()
    note(f"{part.__name__}: {time.monotonic() - t:.1f} s")
done()
