#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""--splice-only: no tap device, and no need for one; the host's loopback and
the namespace's reach each other through forwarded ports, nobody else does."""
import errno
import json
import os
import socket
import sys

sys.dont_write_bytecode = True
from lib import *       # noqa: E402

need_root()
IN, OUT = 5001, 6001
PORTS = [w for o, port in (("-t", IN), ("-u", IN), ("-T", OUT), ("-U", OUT))
         for w in (o, f"{port}:{port + 1}")]
topo = Topo()
H, R = topo.host, topo.remote
topo.in_host("rm", "/dev/net/tun")


def udp_in(pid, v, addr=None, port=0, timeout=5):
    s = socket_in(pid, v, socket.SOCK_DGRAM)
    s.bind((addr or ANY[v], port))
    s.settimeout(timeout)
    return s


def ways(p):
    """-> name, IP version, server's namespace, client's, port"""
    for v in 4, 6:
        yield f"in IPv{v}", v, p.guest, H, IN
        yield f"out IPv{v}", v, H, p.guest, OUT


def tcp(what, v, srv, cli, port):
    with listen_in(srv, v, LOOP[v], port + 1) as l, \
            connect_in(cli, LOOP[v], port) as c:
        s, peer = l.accept()
        s.settimeout(20)
        big = os.urandom(300_000)
        tx = Forked(lambda: c.sendall(big) or c.shutdown(socket.SHUT_WR))
        there = recv_all(s) == big
        tx.result()
        with s:
            s.sendall(big[:70_000])
        ok(there and recv_all(c) == big[:70_000] and peer[0] == LOOP[v],
           f"TCP {what}", peer)


def udp(what, v, srv, cli, port):
    with udp_in(srv, v, LOOP[v], port + 1) as s, \
            udp_in(cli, v, LOOP[v], 40000 + port) as c:
        good = True
        for i in range(3):
            c.sendto(b"ask %d" % i, (LOOP[v], port))
            data, peer = s.recvfrom(100)
            s.sendto(b"answer %d" % i, peer)
            good = good and (data, c.recv(100)) == (b"ask %d" % i,
                                                    b"answer %d" % i)
        ok(good and peer[:2] == (LOOP[v], 40000 + port), f"UDP {what}", peer)


def refused(what, frm, addr, p):
    v = 6 if ":" in addr else 4
    with case(f"TCP: {what}"), listen_in(p.guest, v, None, IN + 1) as l:
        l.settimeout(0.2)
        try:
            with connect_in(frm, addr, IN) as c:
                got = c.recv(1)
        except OSError as e:
            got = e.errno
        try:
            came = l.accept()
        except TimeoutError:
            came = None
        ok(got in (errno.ECONNRESET, errno.ECONNREFUSED) and not came,
           f"TCP: {what}: refused", (got, came))
    with case(f"UDP: {what}"), udp_in(p.guest, v, None, IN + 1, 0.2) as s, \
            udp_in(frm, v) as c:
        c.sendto(b"ask", (addr, IN))
        try:
            came = s.recvfrom(9)
        except TimeoutError:
            came = None
        ok(not came, f"UDP: {what}: dropped", came)


def only_lo(pid):
    links = json.loads(run(*enter(pid, "ip", "-j", "addr")).stdout)
    return [i["ifname"] for i in links] == ["lo"] and \
        "UP" in links[0]["flags"] and \
        {a["local"] for a in links[0]["addr_info"]} == {"127.0.0.1", "::1"}


with case("without it"):
    r = topo.run_pasta("--", "true")
    ok(r.returncode == 1 and "/dev/net/tun" in r.stderr,
       "without it a tap device is needed", r.stderr)

with case("a command"), topo.pasta("--splice-only", *PORTS,
                                   config=False) as p:
    ok(only_lo(p.guest), "no interface but lo, which is up",
       ip(p.guest, "addr").stdout)
    for way in ways(p):
        with case(way[0]):
            tcp(*way)
            udp(*way)
    for v in 4, 6:
        refused(f"the remote, IPv{v}", R, HOST[v], p)
        refused(f"the host by its own address, IPv{v}", H, HOST[v], p)
    with case("nobody there"):
        try:
            with connect_in(H, LOOP[4], IN) as c:
                got = c.recv(1)
        except OSError as e:
            got = e.errno
        ok(got in (errno.ECONNRESET, errno.ECONNREFUSED),
           "no server: refused", got)
    for way in ways(p):             # still there
        with case(way[0]):
            tcp(*way)
    before = cpu(p.pid)
    time.sleep(0.5)
    ok(cpu(p.pid) - before < 0.1, "idle afterwards", cpu(p.pid) - before)
    ok(not p.text(), "silent", p.text())

# What callers pass, whether or not there is an interface
with case("options about the interface"):
    line = ["--config-net", "-I", "eth7", "-a", "10.1.2.3", "-n", "24", "-g",
            "10.1.2.1", "-m", "1000", "--ns-mac-addr", "02:00:00:00:00:09",
            "--dns-forward", "169.254.1.1", "--map-guest-addr", "169.254.1.2",
            "--no-map-gw", "-D", "192.0.2.1", "-S", "example.org",
            "--dhcp-dns", "-q"]
    ns = topo.user_ns()
    pid_file = tmp("pid")
    r = topo.run_pasta("--splice-only", *line, "-P", pid_file, *PORTS,
                       "--listen-always", str(ns.pid))
    ok(r.returncode == 0 and not r.stdout + r.stderr, "are accepted",
       r.stdout + r.stderr)
    ok(only_lo(ns.pid), "and have no effect", ip(ns.pid, "addr").stdout)
    daemon = int(read(pid_file))

    class p:
        guest = ns.pid
    for way in ways(p):
        with case(way[0]):
            tcp("into a process: " + way[0], *way[1:])
            udp("into a process: " + way[0], *way[1:])
    refused("the remote, where the guest has an address", R, HOST[4], p)
    stop(ns)
    wait_for("end with the namespace", lambda: not alive(daemon))
    ok(True, "ends with the namespace")

with case("--no-splice"):
    for line in ("--splice-only --no-splice", "--no-splice --splice-only"):
        r = topo.run_pasta(*line.split(), "--", "true")
        ok(r.returncode == 1 and "--splice-only" in r.stderr and
           "--no-splice" in r.stderr and r.stderr.count("\n") == 1, line,
           r.stderr)

with case("one family"), topo.pasta("--splice-only", "-4", *PORTS,
                                    config=False) as p:
    for way in ways(p):
        if way[1] == 4:
            tcp("-4: " + way[0], *way[1:])
    try:
        connect_in(H, "::1", IN).close()
        got = None
    except OSError as e:
        got = e.errno
    ok(got == errno.ECONNREFUSED, "-4: nobody listens at ::1", got)

done()
