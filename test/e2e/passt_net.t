#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""passt's stream socket with a real kernel as the guest: what a virtual machine
would see, without one. Its device has no offloads, so this kernel verifies
every checksum, and the sizes are those of the wire."""
import hashlib
import os
import re
import shutil
import signal
import socket
import struct
import sys
import threading
import time

sys.dont_write_bytecode = True
from lib import *       # noqa: E402
import tcp_cases as tcp # noqa: E402
import udp_cases as udp # noqa: E402

need_root()
BYTES = min(int(os.environ.get("E2E_BYTES") or 1 << 30), 64 << 20)
DIRS = "out", "in"
FORWARD = "-t", tcp.PORTS, "-u", udp.SPEC
ROUNDS = 300
OUR_MAC = "9a:55:9a:55:9a:55"
MAC = bytes.fromhex("525400123456")

# For DHCP clients: note what was told, apply the address
SCRIPT = """#!/bin/sh
case "$reason$1" in BOUND|bound)
	env >"$OUT"
	ip addr add ${new_ip_address:-$ip}/${new_subnet_mask:-$subnet} \\
		dev $interface
	ip route add default via ${new_routers:-$router}
esac
"""


# --- the guest's kernel, in use ---

def ping(p, v, size):
    name = f"IPv{v}: ping, {size} bytes"
    r = run(*enter(p.guest, "ping", "-c3", "-i0.2", "-W2", "-s", str(size),
                   REMOTE[v]), check=False)
    ok(" 3 received" in r.stdout and "wrong" not in r.stdout, name,
       r.stdout + r.stderr)


def traffic(mtu):
    note(f"MTU {mtu} of the guest")
    with case(f"MTU {mtu}"), topo.passt(*FORWARD) as p, \
            PumpGuest(p, mtu=mtu) as g:
        for v in 4, 6:
            for d in DIRS:
                name = f"MTU {mtu}, IPv{v}, {d}: {BYTES >> 20} MiB"
                with case(name):
                    good, text = tcp.transfer(*tcp.pair(d, v, p), BYTES)
                    ok(good, name, text)
                    note(text.split(",")[0])
                for first in "client", "server":
                    with case(f"IPv{v}, {d}: {first} ends"):
                        tcp.half_close(p, d, v, first)
                        tcp.reset(p, d, v, first)
            with case(f"IPv{v}: refused"):
                tcp.refused(p, v)
            with case(f"IPv{v}: client's address"):
                tcp.client_address(p, v)
            udp.outbound(p, v, mtu)
            udp.inbound(p, v, mtu)
            udp.closed(p, v)
            for size in 0, 56, 1400:
                with case(f"IPv{v}: ping"):
                    ping(p, v, size)
            tcp.gateway(p, v, True)
            udp.gateway(p, v)
        for d in DIRS:
            with case(f"{d}: parallel"):
                tcp.parallel(p, d)
            with case(f"{d}: slow reader"):
                tcp.slow_reader(p, d)
        ok(counter(g.pid, "TcpInCsumErrors") == 0 and
           counter(g.pid, "UdpInCsumErrors") == 0,
           f"MTU {mtu}: the guest found no wrong checksum")
        ok(p.proc.poll() is None, f"MTU {mtu}: daemon lives", p.text())


def cut_anywhere():
    """The same bytes in other pieces."""
    for n, total in (1, 20000), (61, 4 << 20), (1499, 32 << 20):
        for d in DIRS:
            name = f"{d}: {n} bytes per call of the client"
            with case(name), topo.passt(*FORWARD) as p, \
                    PumpGuest(p, "-c", str(n), mtu=1500):
                good, text = tcp.transfer(*tcp.pair(d, 4, p), total)
                ok(good, name, text)


# --- the guest configures itself ---

def lease(client, argv):
    if not shutil.which(argv[0]):
        return skip(client, "not installed")
    with case(client), topo.passt("-D", "10.77.0.53", "-m", "9000") as p, \
            PumpGuest(p, config=False) as g:
        ip(g.pid, f"link set {g.TAP} up")
        out = tmp(client)
        c = start(enter(g.pid, "env", f"OUT={out}", *argv, g.TAP),
                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for("lease", lambda: "default" in
                     ip(g.pid, "-4 route").stdout, 15)
        finally:
            stop(c)
        text = ip(g.pid, "-4 addr").stdout + ip(g.pid, "-4 route").stdout
        ok(f"inet {HOST[4]}/24" in text and f"default via {GW[4]}" in text,
           f"{client}: address and route", text)
        t = dict(l.split("=", 1) for l in read(out).splitlines() if "=" in l)
        ok("10.77.0.53" in (t.get("dns"), t.get("new_domain_name_servers")) and
           "9000" in (t.get("mtu"), t.get("new_interface_mtu")),
           f"{client}: resolver and MTU", t)
        ping(p, 4, 56)
    return None


def leases():
    script, conf = tmp("script"), tmp("dhclient.conf")
    with open(script, "w") as f:
        f.write(SCRIPT)
    os.chmod(script, 0o755)
    with open(conf, "w") as f:
        f.write("request subnet-mask, routers, interface-mtu,\n"
                "domain-name-servers; timeout 10;\n")
    lease("udhcpc", ("udhcpc", "-n", "-q", "-f", "-t", "5", "-T", "1",
                     "-O", "mtu", "-s", script, "-i"))
    lease("dhclient", ("dhclient", "-4", "-1", "-d", "-sf", script,
                       "-cf", conf, "-lf", tmp("leases"),
                       "-pf", tmp("dhclient.pid"), "-e",
                       f"OUT={tmp('dhclient')}"))


def autoconf():
    with case("SLAAC"), topo.passt("-m", "1400") as p, \
            PumpGuest(p, config=False) as g:
        ip(g.pid, f"link set {g.TAP} up")

        def address():
            out = ip(g.pid, "-6 addr show scope global").stdout
            return "inet6 fd77:" in out and "tentative" not in out and out
        out = wait_for("address", address, 15)
        ok("/64" in out and "valid_lft forever" in out,
           "SLAAC: address and lifetime", out)
        out = ip(g.pid, "-6 route").stdout
        ok(re.search(r"^default via fe80::", out, re.M), "SLAAC: route", out)
        out = run(*enter(g.pid, "cat",
                         f"/proc/sys/net/ipv6/conf/{g.TAP}/mtu")).stdout
        ok(out == "1400\n", "SLAAC: MTU", out)
        ping(p, 6, 56)


# --- the client goes and comes ---

class Wire:
    """A client that is a script: frames over the socket."""

    def __init__(self, p):
        self.s = p.connect()

    def send(self, frame):
        self.s.sendall(struct.pack("!I", len(frame)) + frame)

    def recv(self):
        n = struct.unpack("!I", recv_all(self.s, 4))[0]
        return recv_all(self.s, n)

    def until(self, cond, seconds=3):
        """Frames up to the first that meets @cond; None: there was none."""
        got, end = [], time.monotonic() + seconds
        self.s.settimeout(seconds)
        try:
            while time.monotonic() < end:
                got.append(self.recv())
                if cond(got[-1]):
                    return got
        except TimeoutError:
            pass
        return None

    def close(self):
        self.s.close()


def inet(a):
    return socket.inet_pton(socket.AF_INET6 if ":" in a else socket.AF_INET, a)


def csum(b):
    n = sum(struct.unpack(f"!{len(b + b'0') // 2}H", b + bytes(len(b) % 2)))
    n = (n & 0xffff) + (n >> 16)
    return 0xffff & ~(n + (n >> 16))


def arp_request(target):
    return b"\xff" * 6 + MAC + bytes.fromhex("08060001080006040001") + MAC + \
        inet(HOST[4]) + bytes(6) + inet(target)


def ipv4(proto, payload, sum_at, to=REMOTE[4]):
    """@payload has zeros at @sum_at, where its checksum belongs."""
    src, dst = inet(HOST[4]), inet(to)
    pseudo = b"" if proto == 1 else src + dst + struct.pack(
        "!BBH", 0, proto, len(payload))
    payload = bytearray(payload)
    struct.pack_into("!H", payload, sum_at, csum(pseudo + payload))
    h = struct.pack("!BBHIBBH", 0x45, 0, 20 + len(payload), 0x4000, 64, proto,
                    0) + src + dst
    h = h[:10] + struct.pack("!H", csum(h)) + h[12:]
    return bytes.fromhex(OUR_MAC.replace(":", "")) + MAC + b"\x08\0" + h + \
        payload


def is_arp_reply(f):
    return f[12:14] == b"\x08\x06" and f[20:22] == b"\0\2"


def padded():
    """Small answers are frames of 60 bytes, with zeros after the packet."""
    with case("padding"), topo.passt() as p, \
            udp.Echo(udp.udp_in(topo.remote, 4, port=7000)):
        w = Wire(p)
        for name, frame, cond, size in (
                ("ARP", arp_request(GW[4]), is_arp_reply, 28),
                ("ICMP echo", ipv4(1, struct.pack("!BBHHH", 8, 0, 0, 7, 1) +
                                   b"x", 2),
                 lambda f: f[12:14] == b"\x08\0" and f[23] == 1, 29),
                ("TCP reset", ipv4(6, struct.pack(
                    "!HHIIBBHHH", 40000, 9, 1, 0, 0x50, 2, 65535, 0, 0), 16),
                 lambda f: f[12:14] == b"\x08\0" and f[23] == 6, 40),
                ("UDP", ipv4(17, struct.pack("!HHHH", 40001, 7000, 9, 0) +
                             b"x", 6),
                 lambda f: f[12:14] == b"\x08\0" and f[23] == 17, 29)):
            w.send(frame)
            got = w.until(cond)
            if not ok(got, f"{name}: an answer"):
                continue
            n = [len(f) for f in got]
            ok(min(n) >= 60 and len(got[-1]) == 60 and
               got[-1][14 + size:] == bytes(46 - size),
               f"{name}: frames of 60 bytes", f"{n}, {got[-1].hex()}")
        w.close()


def reconnects():
    """Each client is served; what it leaves is nothing. Every other one goes
    in the middle of a frame."""
    def one(i):
        w = Wire(p)
        w.send(arp_request(GW[4]))
        got = w.until(is_arp_reply)
        if i % 2:
            w.s.sendall(struct.pack("!I", 1000) + bytes(i))
        w.close()
        return bool(got)

    with case("reconnects"), topo.passt() as p:
        def settled():
            """Descriptors and resident kB, without a client."""
            time.sleep(0.1)
            return p.fds(), status(p.pid, "VmRSS")
        for i in range(20):
            one(i)
        fds, rss = settled()
        bad = [i for i in range(ROUNDS) if not one(i)]
        ok(not bad, f"{ROUNDS} clients in turn are served", bad)
        fds2, rss2 = settled()
        ok(fds2 == fds, "reconnects: no descriptor is left",
           f"{fds}, then {fds2}")
        ok(rss2 <= rss + 64, "reconnects: no memory either",
           f"{rss} kB, then {rss2}")
        with PumpGuest(p):
            ping(p, 4, 56)


def feed(s, total, on_part):
    """Receive @total bytes, and call on_part() at each quarter but the last
    -> whether they came as send_blocks() makes them"""
    h, n, parts = hashlib.sha256(), 0, 0
    while True:
        b = s.recv(1 << 18)
        if not b:
            return f"{h.hexdigest()} {n}"
        h.update(b)
        n += len(b)
        if n >= (parts + 1) * total // 4 and parts < 3:
            parts += 1
            on_part()


def survives():
    """Same kernel, other connection: its TCP does not notice more than loss."""
    for d in DIRS:
        name = f"{d}: a transfer goes on after three reconnects"
        with case(name), topo.passt(*FORWARD) as p, \
                PumpGuest(p, "-r", "300") as g:
            c, s = tcp.pair(d, 4, p)
            idle = tcp.pair(d, 6, p)
            total, t = 64 << 20, time.monotonic()
            tx = Forked(tcp.send_blocks, c, total)
            c.close()
            got = feed(s, total, lambda: g.signal(signal.SIGHUP))
            ok(got == f"{tx.result()} {total}", name, got)
            g.connected(3)
            note(f"{time.monotonic() - t:.1f} s")
            idle[0].sendall(b"still there?")
            ok(idle[1].recv(20) == b"still there?",
               f"{d}: an idle connection is still there")
            for x in s, *idle:
                x.close()
            ok(g.pump.poll() is None and p.proc.poll() is None,
               f"{d}: both live", p.text())


# --- a guest that does not listen ---

def flood(to, seconds):
    """Of sizes that meet the end of a full socket in any place."""
    s = udp.udp_in(topo.remote)
    end, i = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        i += 1
        s.sendto(bytes(60000 if i % 3 else 1 + i % 1400), to)


def deaf():
    """The client does not read for some seconds: the daemon waits, drops what
    cannot be kept, hears the guest; then all goes on."""
    with case("deaf"), topo.passt(*FORWARD) as p, PumpGuest(p) as g, \
            udp.Echo(udp.udp_in(g.pid, 4, port=udp.IN + 1000)):
        ip(g.pid, f"neigh replace {GW[4]} lladdr {OUR_MAC} dev {g.TAP}")
        sink, voice = udp.udp_in(topo.remote, 4, port=7000), \
            udp.udp_in(g.pid, 4)
        ip(g.pid, f"neigh replace {REMOTE[4]} lladdr {OUR_MAC} dev {g.TAP}")
        c, s = tcp.pair("in", 4, p)
        out = tcp.pair("out", 4, p)
        rss, total = status(p.pid, "VmRSS"), 64 << 20
        g.signal(signal.SIGUSR1)
        time.sleep(0.1)
        tx = Forked(tcp.send_blocks, c, total)
        c.close()
        out[1].sendall(bytes(1000))
        load = Forked(flood, (HOST[4], udp.IN), 1)
        for i in range(50):
            voice.sendto(b"%d" % i, (REMOTE[4], 7000))
        heard = [sink.recv(10) for _ in range(50)]
        ok(len(heard) == 50, "deaf: the guest is heard all the time")
        load.result()
        time.sleep(0.5)

        used, t = cpu(p.pid), time.monotonic()
        time.sleep(2)
        used = (cpu(p.pid) - used) / (time.monotonic() - t)
        ok(used < 0.05, "deaf: the daemon waits", f"{used:.0%}")
        grown = status(p.pid, "VmRSS") - rss
        ok(grown < 8192, "deaf: memory is bounded", f"{grown} kB more")
        note(f"{grown} kB more")
        ok(not tx.ended(), "deaf: the transfer waits")

        g.signal(signal.SIGUSR2)
        rx = Forked(tcp.recv_blocks, s)
        s.close()
        want = f"{tx.result()} {total}"
        ok(rx.result() == want, "deaf: what was being sent arrives")
        ok(len(recv_all(out[0], 1000)) == 1000, "deaf: and on others")
        r = udp.udp_in(topo.remote, 4, REMOTE[4])
        ok(udp.ask(r, (HOST[4], udp.IN), b"hello"), "deaf: UDP goes on")
        ping(p, 4, 56)
        for x in *out, sink, voice, r:
            x.close()


class NowAndThen(threading.Thread):
    """Has a guest read its socket, or not, in turns of 20 ms."""

    def __init__(self, guest):
        super().__init__(daemon=True)
        self.guest, self.stopped = guest, threading.Event()

    def run(self):
        while not self.stopped.wait(0.02):
            self.guest.signal(signal.SIGUSR1)
            self.stopped.wait(0.02)
            self.guest.signal(signal.SIGUSR2)

    def __enter__(self):
        self.start()

    def __exit__(self, *exc):
        self.stopped.set()
        self.join()


def hard_of_hearing():
    """It reads now and then, and little."""
    for d in DIRS:
        name = f"{d}: client that reads now and then"
        with case(name), topo.passt(*FORWARD) as p, \
                PumpGuest(p, "-c", "30000") as g:
            pair = tcp.pair(d, 6, p)
            with NowAndThen(g):
                good, text = tcp.transfer(*pair, 64 << 20)
            ok(good, name, text)


def sharing():
    """The guest takes less than TCP has for it: UDP gets its share of that."""
    name = "UDP beside more TCP than the client reads"
    with case(name), topo.passt(*FORWARD) as p, \
            PumpGuest(p, "-c", "3000", mtu=1500) as g, \
            udp.Echo(udp.udp_in(g.pid, 4, port=udp.IN + 1000)):
        s = udp.udp_in(topo.remote, 4, REMOTE[4])
        s.settimeout(0.5)
        pairs = [tcp.pair("in", 4, p) for _ in range(8)]
        load = [Forked(f, *a) for c, r in pairs for f, a in
                ((tcp.send_blocks, (c, 1 << 40)), (tcp.recv_blocks, (r,)))]
        with NowAndThen(g):
            time.sleep(0.3)
            lost = [i for i in range(20) if not udp.ask(
                s, (HOST[4], udp.IN), b"%d" % i, tries=1)]
        for f in load:
            f.kill()
        for x in (s, *(y for pair in pairs for y in pair)):
            x.close()
        ok(len(lost) < 4, name, f"{len(lost)} of 20 without an answer")


def beside_bulk():
    """What the guest asks is answered while downloads keep its socket full."""
    with case("bulk"), topo.passt(*FORWARD) as p, PumpGuest(p, mtu=1500) as g, \
            listen_in(topo.remote, 4, port=7000) as server:
        loads = []
        for _ in range(4):
            c, s = tcp.pair("in", 4, p)
            loads += [Forked(tcp.send_blocks, c, 1 << 40),
                      Forked(tcp.recv_blocks, s)]
            c.close()
            s.close()
        def repeated():
            return counter(p.guest, "TcpExtTCPSynRetrans")
        before, times = repeated(), []
        for _ in range(100):
            t = time.monotonic()
            with connect_in(p.guest, REMOTE[4], 7000, 10):
                times.append(time.monotonic() - t)
            server.accept()[0].close()
        for x in loads:
            x.kill()
        # After a second; which a busy machine may take once in a while, too
        n = repeated() - before
        ok(n <= 2, "100 connections beside bulk data: nothing lost",
           f"{n} repeated, {sorted(times)[-10:]}")


topo = Topo()
for size in 65520, 1500:
    traffic(size)
cut_anywhere()
leases()
autoconf()
padded()
reconnects()
survives()
deaf()
hard_of_hearing()
sharing()
beside_bulk()
done()
