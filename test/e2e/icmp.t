#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Echo with the real ping, out to the remote, to the gateway (the host's
loopback), of all sizes; errors on the way; forbidden ping sockets."""
import os
import re
import shutil
import sys

sys.dont_write_bytecode = True
from lib import *       # noqa: E402

need_root()
if not shutil.which("ping"):
    print("1..0 # SKIP ping is not installed")
    sys.exit(0)


def ping(p, addr, *opts, count=3, wait=3):
    return run(*enter(p.guest, "ping", "-n", f"-c{count}", "-i0.2",
                      f"-W{wait}", *opts, addr), check=False)


# A second address of the remote's
NET = {4: "10.77.0.4", 6: "fd77::4"}


def replies(r):
    m = re.search(r"(\d+) received", r.stdout)
    return int(m.group(1)) if m else -1


def pings(p, addr, name, *opts, count=3, wait=3):
    r = ping(p, addr, *opts, count=count, wait=wait)
    ok(r.returncode == 0 and replies(r) == count and
       "DUP" not in r.stdout and "wrong" not in r.stdout,
       name, r.stdout + r.stderr)
    return r


def echoes():
    with case("echo"), topo.pasta() as p:
        for v in 4, 6:
            r = pings(p, REMOTE[v], f"IPv{v}: remote")
            ok("ttl=64" in r.stdout, f"IPv{v}: TTL of replies", r.stdout)
            for size in 0, 1, 56, 1400, 65400, 65507 if v == 4 else 65487:
                pings(p, REMOTE[v], f"IPv{v}: {size} bytes", "-s", str(size),
                      count=2)
            for ident in 1, 4711, 65535:
                pings(p, REMOTE[v], f"IPv{v}: identifier {ident}", "-e",
                      str(ident), count=1)
            # While the flows of the first are still there: another socket,
            # which cannot have the same identifier on the host
            for addr in REMOTE[v], NET[v], REMOTE[v]:
                pings(p, addr, f"IPv{v}: one identifier to {addr}", "-e",
                      "77", count=1)


def raw_ids():
    """Identifier 0, which no ping will use."""
    with case("identifier 0"), topo.pasta() as p:
        s = socket_in(p.guest, kind=socket.SOCK_RAW,
                      proto=socket.IPPROTO_ICMP)
        s.settimeout(5)
        for ident in 0, 65535:
            body = bytes([8, 0, 0, 0]) + ident.to_bytes(2, "big") + \
                b"\0\7payload!"
            total = sum(int.from_bytes(body[i:i + 2], "big")
                        for i in range(0, len(body), 2))
            total = (total & 0xffff) + (total >> 16)
            total = ~((total & 0xffff) + (total >> 16)) & 0xffff
            s.sendto(body[:2] + total.to_bytes(2, "big") + body[4:],
                     (REMOTE[4], 0))
            while True:
                got = s.recv(2000)[20:]
                if got[0] == 0:
                    break
            ok(got[4:] == body[4:], f"raw identifier {ident}", got)
        s.close()


def gateway():
    with case("gateway"), topo.pasta() as p:
        # Cut the remote off: who answers now is the host itself
        ip(topo.remote, "link set eth0 down")
        try:
            for v in 4, 6:
                pings(p, GW[v], f"IPv{v}: the gateway is the host's loopback",
                      count=2)
        finally:
            ip(topo.remote, "link set eth0 up")
            for v in 4, 6:
                for a in REMOTE, GW:
                    run(*enter(topo.remote, "ip", "addr", "replace",
                               f"{a[v]}/{24 if v == 4 else 64}", "dev",
                               "eth0", *(["nodad"] if v == 6 else [])),
                        check=False)


def mtu1500():
    with case("MTU 1500"), topo.pasta("--mtu", "1500") as p:
        for v in 4, 6:
            pings(p, REMOTE[v], f"IPv{v}: 2000 bytes at MTU 1500", "-s",
                  "2000", count=2)
            pings(p, REMOTE[v], f"IPv{v}: 60000 bytes at MTU 1500", "-s",
                  "60000", count=2)


def errors():
    with case("errors"), topo.pasta() as p:
        run(*enter(topo.remote, "sh", "-c",
                   "echo 1 >/proc/sys/net/ipv4/ip_forward;"
                   "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding;"
                   "echo 0 >/proc/sys/net/ipv4/icmp_ratelimit;"
                   "echo 0 >/proc/sys/net/ipv6/icmp/ratelimit"), check=False)
        for v, far in (4, "203.0.113.9"), (6, "2001:db8:77::9"):
            # The remote's way there leads nowhere: TTL is judged before
            run(*enter(topo.remote, "ip", f"-{v}", "route", "replace", far,
                       "via", HOST[v]), check=False)
            r = ping(p, far, "-t", "1", count=1)
            ok(re.search(r"From (\S+?):? .*(Time to live exceeded|"
                         r"Hop limit)", r.stdout) and
               re.search(f"From ({REMOTE[v]}|{GW[v]})[: ]", r.stdout),
               f"IPv{v}: TTL exceeded, and by whom", r.stdout)
            run(*enter(topo.remote, "ip", f"-{v}", "route", "replace",
                       "unreachable", far), check=False)
            name = f"IPv{v}: unreachable, by the remote"
            says = f"From ({REMOTE[v]}|{GW[v]})[: ].*nreachable"
            r = run(*enter(topo.host, "ping", "-n", "-c1", "-W1", far),
                    check=False)
            if re.search(says, r.stdout):
                r = ping(p, far, count=1)
                ok(re.search(says, r.stdout), name, r.stdout)
            else:
                skip(name, "not even the host is told")
            ip(topo.host, f"-{v} route add unreachable {far}")
            r = ping(p, far, count=1)
            ok(re.search(r"From .*(nreachable|No route)", r.stdout, re.I),
               f"IPv{v}: unreachable, by the host", r.stdout)
            ip(topo.host, f"-{v} route del unreachable {far}")
            # Nobody there: the host's own kernel finds out
            r = ping(p, {4: "10.77.0.99", 6: "fd77::99"}[v], count=1, wait=5)
            ok(re.search(r"From .*nreachable", r.stdout),
               f"IPv{v}: unreachable neighbour", r.stdout)
        # None of this has left it spinning
        before = cpu(p.pid)
        time.sleep(1)
        used = cpu(p.pid) - before
        ok(used < 0.05, "idle afterwards", f"{used} s of CPU in 1 s")


def forbidden():
    def allow(text):
        topo.in_host("sh", "-c",
                     f"echo '{text}' >/proc/sys/net/ipv4/ping_group_range")
    with case("forbidden"), topo.pasta("-d", quiet=False) as p:
        allow("1 0")
        try:
            for v in 4, 6:
                r = ping(p, REMOTE[v], count=2, wait=1)
                ok(replies(r) == 0, f"IPv{v}: no reply", r.stdout)
                ok(re.search("filtered|prohibited", r.stdout),
                   f"IPv{v}: the guest is told", r.stdout)
            ok(p.text().count("Cannot open a socket for ICMP echo") == 1,
               "forbidden: said once", p.text())
        finally:
            allow("0 2147483647")
        pings(p, REMOTE[4], "allowed again", count=1)


topo = Topo()
ip(topo.remote, f"addr add {NET[4]}/24 dev eth0")
ip(topo.remote, f"addr add {NET[6]}/64 dev eth0 nodad")
echoes()
raw_ids()
gateway()
mtu1500()
errors()
forbidden()
done()
