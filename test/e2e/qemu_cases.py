# SPDX-License-Identifier: GPL-2.0-or-later
"""passt with what it is for: a virtual machine, its real kernel and its real
DHCP clients. One boot for most cases; then the guest reboots, and QEMU goes
and comes. The same for both ways to connect them, but what offloads do."""
import hashlib
import os
import re
import signal
import socket
import sys
import threading
import time

from lib import *       # noqa: E402
import vm               # noqa: E402

need_root()
OPTIONS = ["-t", "5001-5010", "-u", "5001-5010",
           "-D", "10.77.0.53", "-D", "fd77::53",
           "-S", "a.example", "-S", "b.example",
           "-H", "guest", "--fqdn", "guest.a.example"]
BULK = 20 << 20
IDLE_KB = 4096
OUR_MAC = "9a:55:9a:55:9a:55"
SLAAC = "fd77::5054:ff:fe12:3456"       # fd77::/64 and vm.MAC
SIZES = 0, 1, 2, 511, 1472, 1473, 4096, 9000, 32768, 60000
DHCLIENT = "dhclient -1 -sf /bin/dhclient-script -pf /tmp/pid -lf /tmp/leases"


def told(reason):
    return dict(l.split("=", 1) for l in
                g.sh(f"cat /tmp/{reason}").splitlines() if "=" in l)


def sha(data):
    return hashlib.sha256(data).hexdigest()


# --- configuration ---

def dhcp4():
    name = "dhclient"
    with case(name):
        g.sh(f"{DHCLIENT}4 -4 eth0", seconds=40)
        t = told("BOUND")
        ok(t.get("new_ip_address") == HOST[4] and
           t.get("new_subnet_mask") == "255.255.255.0" and
           t.get("new_routers") == GW[4] and
           t.get("new_dhcp_server_identifier") == GW[4] and
           t.get("new_dhcp_lease_time") == "4294967295",
           f"{name}: address, mask, router, server, lease", t)
        ok(t.get("new_domain_name_servers") == "10.77.0.53" and
           t.get("new_domain_search") == "a.example. b.example.",
           f"{name}: resolver and search list", t)
        ok(t.get("new_interface_mtu") == "65520", f"{name}: MTU", t)
        ok(t.get("new_host_name") == "guest" and
           t.get("new_fqdn_fqdn") == "guest.a.example",
           f"{name}: host name and FQDN", t)
        out = g.sh("ip -4 addr show eth0; ip route")
        ok(f"inet {HOST[4]}/24" in out and "mtu 65520" in out and
           f"default via {GW[4]} dev eth0" in out, f"{name}: applied", out)


def slaac():
    name = "autoconfiguration"
    with case(name):
        out = g.wait("address", "ip -6 addr show eth0 | grep -q "
                     f"'{SLAAC}/64 scope global dynamic' && "
                     "! ip -6 addr show eth0 | grep -q tentative && "
                     "ip -6 addr show eth0 && ip -6 route")
        ok("valid_lft forever" in out, f"{name}: address for ever", out)
        ok(re.search(r"^default via fe80::\S+ dev eth0", out, re.M),
           f"{name}: default route", out)
    with case("rdisc6"):
        t = g.sh("rdisc6 -1 -w 3000 eth0")

        def field(f):
            m = re.search(rf"^ *{f} *: *(.*?)\s*$", t, re.M)
            return m[1].lower() if m else ""
        ok(field("Stateful address conf.") == "yes" and
           field("Router lifetime").startswith("65535") and
           field("Prefix") == "fd77::/64" and
           field("MTU").startswith("65520") and
           field("Source link-layer address") == OUR_MAC,
           "rdisc6: router, prefix, MTU, MAC", t)
        ok(field("Recursive DNS server") == "fd77::53" and
           "a.example" in field("DNS search list"),
           "rdisc6: resolver and search list", t)


def dhcp6():
    name = "dhclient -6"
    with case(name):
        g.sh(f"{DHCLIENT}6 -6 eth0", seconds=40)
        t = told("BOUND6")
        ok(t.get("new_ip6_address") == HOST[6] and
           all(t.get(f"new_{k}") == "4294967295" for k in
               ("max_life", "preferred_life", "renew", "rebind")),
           f"{name}: address and lifetimes", t)
        ok(t.get("new_dhcp6_name_servers") == "fd77::53" and
           t.get("new_dhcp6_domain_search") == "a.example. b.example.",
           f"{name}: resolver and search list", t)
        ok(t.get("new_fqdn_fqdn") == "guest.a.example", f"{name}: FQDN", t)
        g.wait("address of dhclient", "ip -6 addr show eth0 | "
               f"grep -q '{HOST[6]}/[0-9]* scope global'")


def echoes(pid, v):
    """Echo requests that a namespace got."""
    if v == 4:
        return counter(pid, "IcmpInEchos")
    return int(re.search(r"^Icmp6InEchos\s+(\d+)",
                         read(f"/proc/{pid}/net/snmp6"), re.M)[1])


def pings():
    for v in 4, 6:
        for whom, addr, pid in (("remote", REMOTE[v], topo.remote),
                                ("gateway is host's loopback", GW[v],
                                 topo.host)):
            name = f"ping, IPv{v}: {whom}"
            with case(name):
                before = echoes(pid, v)
                out = g.sh(f"ping -c 3 -i 0.2 -W 5 {addr}", check=False)
                ok(" 0% packet loss" in out and echoes(pid, v) == before + 3,
                   name, out)
        with case(f"ping, IPv{v}, large"):
            out = g.sh(f"ping -c 1 -W 5 -s 40000 {REMOTE[v]}", check=False)
            ok(" 0% packet loss" in out, f"ping, IPv{v}: 40000 bytes", out)


def idle():
    """Its size with a guest that has been configured and does nothing."""
    name = f"idle: at most {IDLE_KB} kB resident"
    with case(name):
        # Not counting what is the guest's
        rss = status(server.pid, "VmRSS") - status(server.pid, "RssShmem")
        if os.environ.get("DEBUG"):
            return skip(name, "sanitizers need more")
        ok(rss <= IDLE_KB, name, f"{rss} kB")


# --- TCP ---

class Out:
    """A connection of the guest to the remote, made by @command: .sock is the
    remote's end. At exit, .said is what the command said in the end."""

    def __init__(self, v, before="", after="", ns=None, addr=None):
        self.listener = listen_in(ns or topo.remote, v, addr and LOOP[v])
        port = self.listener.getsockname()[1]
        g.send(f"{before} net connect {addr or REMOTE[v]} {port} {after}")

    def __enter__(self):
        with self.listener:
            self.sock, self.peer = self.listener.accept()
        self.sock.settimeout(30)
        return self

    def __exit__(self, kind, *_):
        self.sock.close()
        if not kind:
            self.said = g.result()


class In(Out):
    """The same from the remote to the guest, through a forwarded port."""

    def __init__(self, v, before="", after="", port=5001):
        g.send(f"{before} net listen {port} {after}")
        g.expect(rb"^listening\n")
        self.sock = connect_in(topo.remote, HOST[v], port)
        self.sock.settimeout(30)

    def __enter__(self):
        return self


def bulk():
    """The end that only receives has ended its own direction at once, in the
    second case; in the first it answers when it has got all."""
    g.sh(f"dd if=/dev/urandom of=/tmp/out bs=1M count={BULK >> 20}")
    want = g.sh("sha256sum </tmp/out").split()[0]
    data = os.urandom(BULK)
    for v in 4, 6:
        name = f"20 MB out, IPv{v}"
        with case(name):
            with Out(v, after="</tmp/out | sha256sum") as c:
                got = recv_all(c.sock)
                c.sock.sendall(data[:300000])
            ok(len(got) == BULK and sha(got) == want, name, len(got))
            ok(sha(data[:300000]) in c.said,
               f"{name}: an answer after the guest's end", c.said)
        name = f"20 MB in, IPv{v}"
        with case(name):
            with In(v, after="| sha256sum") as c:
                ok(c.sock.recv(1) == b"", f"{name}: the guest has ended first")
                c.sock.sendall(data)
            ok(sha(data) in c.said, name, c.said)


def remote_ends_first():
    """The guest sends after it has seen the remote's end: "net" writes that to
    a pipe, which tells the other end of it."""
    for v in 4, 6:
        for kind, word in ((Out, "out"), (In, "in")):
            name = f"half-closed by remote, {word}, IPv{v}"
            with case(name):
                g.sh("rm -f /tmp/f; mkfifo /tmp/f")
                before = "{ read x; echo \"got $x\"; cat; " \
                    "head -c 300000 /tmp/out; } </tmp/f |"
                with kind(v, before, ">/tmp/f") as c:
                    c.sock.sendall(b"question\n")
                    c.sock.shutdown(socket.SHUT_WR)
                    got = recv_all(c.sock)
                ok(got.startswith(b"got question\n") and
                   len(got) == 300000 + 13, name, (len(got), got[:20]))


def addresses():
    for v in 4, 6:
        name = f"gateway is host's loopback, IPv{v}"
        with case(name):
            with Out(v, ns=topo.host, addr=GW[v]) as c:
                c.sock.shutdown(socket.SHUT_WR)
                recv_all(c.sock)
            ok(c.peer[0] == LOOP[v], name, c.peer)
        name = f"from the host's address, IPv{v}"
        with case(name):
            with Out(v) as c:
                recv_all(c.sock)
            ok(c.peer[0] == HOST[v], name, c.peer)


def refused():
    for v in 4, 6:
        name = f"refused by the remote, IPv{v}"
        with case(name):
            out = g.sh(f"net connect {REMOTE[v]} 9", check=False)
            m = re.search(r"connect: Connection refused after (\d+) ms", out)
            ok(m and int(m[1]) < 1000, name, out)
        name = f"refused by the guest, IPv{v}"
        with case(name):
            begin = time.monotonic()
            try:
                with connect_in(topo.remote, HOST[v], 5002) as s:
                    s.recv(1)
                how = "not"
            except ConnectionResetError:
                how = "reset"
            t = time.monotonic() - begin
            ok(how == "reset" and t < 1, name, f"{how} after {t} s")


def stopped():
    """An emulator that does not read."""
    name = "QEMU stopped"
    data = os.urandom(BULK)
    with case(name):
        with In(4, after="| sha256sum") as c:
            os.kill(g.pid, signal.SIGSTOP)
            try:
                t = threading.Thread(target=c.sock.sendall, args=(data,))
                t.start()
                time.sleep(0.5)
                used = cpu(server.pid)
                time.sleep(2)
                used = cpu(server.pid) - used
            finally:
                os.kill(g.pid, signal.SIGCONT)
            ok(used < 0.2, f"{name}: passt waits for it", f"{used} s CPU")
            t.join()
        ok(sha(data) in c.said, f"{name}: later all arrives", c.said)


# --- UDP ---

def echo(s):
    """Send back what comes, until the socket is closed."""
    while True:
        try:
            data, peer = s.recvfrom(65536)
            s.sendto(data, peer)
        except socket.timeout:
            pass
        except OSError:
            return


def datagrams():
    g.sh("net echo 5001 >/dev/null 2>&1 &")
    g.wait("echo", "netstat -uln | grep -q ':5001 '")
    for v in 4, 6:
        name = f"UDP out, IPv{v}"
        with case(name), \
                socket_in(topo.remote, v, socket.SOCK_DGRAM) as s:
            s.bind((REMOTE[v], 0))
            t = threading.Thread(target=echo, args=(s,), daemon=True)
            t.start()
            out = g.sh(f"net ask {REMOTE[v]} {s.getsockname()[1]} " +
                       " ".join(map(str, SIZES)))
            ok(out.splitlines() == [f"{n} ok" for n in SIZES],
               f"{name}: {SIZES[0]} to {SIZES[-1]} bytes", out)
        name = f"UDP in, IPv{v}"
        with case(name), \
                socket_in(topo.remote, v, socket.SOCK_DGRAM) as s:
            s.connect((HOST[v], 5001))
            s.settimeout(3)
            bad = []
            for n in SIZES:
                data = os.urandom(n)
                s.send(data)
                try:
                    if s.recv(65536) != data:
                        bad.append(n)
                except OSError as e:
                    bad.append(f"{n}: {e}")
            ok(not bad, f"{name}: {SIZES[0]} to {SIZES[-1]} bytes", bad)


# --- guests that come and go ---

def configure():
    """Addresses and routes, quickly."""
    g.sh(f"ip link set eth0 up; {DHCLIENT}4 -4 eth0", seconds=40)
    g.wait("IPv6 route", "ip -6 route | grep -q ^default && "
           "ip -6 addr show eth0 | grep -q 'scope global' && "
           "! ip -6 addr show eth0 | grep -q tentative")


def works(name):
    with case(name):
        configure()
        for v in 4, 6:
            with Out(v, before="echo hello |") as c:
                got = recv_all(c.sock)
            ok(got == b"hello\n", f"{name}: out, IPv{v}", got)
            with In(v) as c:
                c.sock.sendall(b"hello")
            ok(c.said.strip() == "hello", f"{name}: in, IPv{v}", c.said)


def reboots():
    name = "reboot"
    with case(name):
        g.sh("sleep 1000 | net listen 5003 >/tmp/before 2>&1 &")
        g.wait("listener", "grep listening /tmp/before")
        with connect_in(topo.remote, HOST[4], 5003) as old:
            old.sendall(b"before")
            g.wait("data", "grep before /tmp/before")
            g.send("reboot -f")
            g.booted()
            works(name)
            try:
                old.sendall(b"after")
                how = old.recv(1)
            except OSError as e:
                how = e
            ok(isinstance(how, ConnectionResetError),
               f"{name}: the connection of before is reset", how)


def killed():
    """QEMU goes amidst data of both directions."""
    name = "QEMU killed"
    with case(name):
        g.sh("net listen 5003 </dev/zero >/dev/null 2>&1 &")
        g.wait("listener", "netstat -tln | grep -q ':5003 '")
        with connect_in(topo.remote, HOST[4], 5003) as s:
            t = threading.Thread(target=flood, args=(s,), daemon=True)
            t.start()
            ok(len(recv_all(s, 1 << 20)) == 1 << 20, f"{name}: data flows")
            g.stop()
            wait_for("end of client", lambda: server.clients() == 0)
            time.sleep(0.3)
            used = cpu(server.pid)
            time.sleep(1)
            used = cpu(server.pid) - used
            ok(used < 0.1, f"{name}: passt waits", f"{used} s CPU")


def flood(s):
    try:
        while True:
            s.sendall(bytes(1 << 16))
    except OSError:             # closed
        pass


def comes_and_goes():
    """Not a reconnect of QEMU's own, which begins with version 8."""
    name = "QEMU again and again"
    with case(name):
        before = server.fds()
        for _ in range(20):
            v = vm.Vm(topo, server, booting=False)
            try:
                wait_for("client", lambda: server.clients() == 1, proc=v.proc)
            finally:
                v.stop()
            wait_for("end of client", lambda: server.clients() == 0)
        ok(server.proc.poll() is None, f"{name}: passt is there")
        ok(server.fds() <= before, f"{name}: no descriptor is left",
           f"{before} to {server.fds()}")


def one_off(opts):
    name = "--one-off"
    with case(name):
        s = vm.Server(topo, "--one-off", *opts)
        v = vm.Vm(topo, s, booting=False)
        wait_for("client", lambda: s.clients() == 1, proc=v.proc)
        time.sleep(0.2)
        ok(s.proc.poll() is None, f"{name}: there with its client")
        v.stop()
        rc = s.proc.wait(3)
        ok(rc == 0, f"{name}: status 0 when QEMU has ended", rc)


class Launcher:
    """Who starts both, and gives passt the connection that QEMU makes: it takes
    no descriptor for vhost-user."""
    vhost = True

    def __init__(self):
        self.path = tmp("launcher")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        os.chmod(self.path, 0o666)
        self.listener.listen()


def by_descriptor(vhost):
    """As programs do that start both."""
    global g, server
    name = "--fd"
    with case(name):
        if vhost:
            both = Launcher()
            with both.listener:
                g = vm.Vm(topo, both)
                a, _ = both.listener.accept()
        else:
            a, b = socket.socketpair()
        with a:
            server = vm.Server(topo, *OPTIONS, fd=a.fileno())
        if not vhost:
            with b:
                g = vm.Vm(topo, server, fd=b.fileno())
        g.booted()
        works(name)
        g.stop()
        rc = server.proc.wait(3)
        ok(rc == 0, f"{name}: status 0 when QEMU has ended", rc)


# --- offloads ---

# Checksums, segmentation of TCP, and what makes rings fast: of virtio 1.2
AGREED = 0, 1, 7, 8, 11, 12, 15, 28, 29, 32


def packets():
    """Bytes per frame, since the last time: received, sent."""
    out = g.sh("cd /sys/class/net/eth0/statistics; "
               "cat rx_bytes rx_packets tx_bytes tx_packets")
    now = [int(n) for n in out.split()]
    d = [a - b for a, b in zip(now, packets.last)]
    packets.last = now
    return [d[0] / max(d[1], 1), d[2] / max(d[3], 1)]


packets.last = [0] * 4


def offloads():
    name = "offloads"
    with case(name):
        bits = g.sh("cat /sys/class/net/eth0/device/features").strip()
        missing = [b for b in AGREED if bits[b] != "1"]
        ok(not missing, f"{name}: the guest's driver takes them", missing)
        g.sh("ip link set eth0 mtu 1500")
        data = os.urandom(BULK)
        for v in 4, 6:
            packets()
            with In(v, after="| sha256sum") as c:
                c.sock.sendall(data)
            ok(sha(data) in c.said, f"{name}: 20 MB in, MTU 1500, IPv{v}")
            size = packets()[0]
            ok(size > 5000, f"{name}: in long segments, IPv{v}", size)
            with Out(v, before="cat /tmp/out |") as c:
                got = recv_all(c.sock)
            ok(len(got) == BULK, f"{name}: 20 MB out, MTU 1500, IPv{v}")
            size = packets()[1]
            ok(size > 5000, f"{name}: out in long segments, IPv{v}", size)
        g.sh("ip link set eth0 mtu 65520")


def main(opts=()):
    global topo, server, g
    why = vm.prepare()
    if why:
        print(f"1..0 # SKIP {why}")
        sys.exit(0)
    topo = Topo()
    OPTIONS.extend(opts)
    server = vm.Server(topo, *OPTIONS)
    g = vm.Vm(topo, server).booted()
    g.sh("ip link set eth0 up")
    dhcp4()
    slaac()
    dhcp6()
    idle()
    pings()
    bulk()
    if server.vhost:
        offloads()
    remote_ends_first()
    addresses()
    refused()
    stopped()
    datagrams()
    reboots()
    killed()
    comes_and_goes()
    g = vm.Vm(topo, server, mac="52:54:00:ab:cd:ef").booted()
    works("another QEMU, another MAC")
    g.stop()
    one_off(opts)
    ok(server.stop() == 0, "SIGTERM: status 0", server.proc.returncode)
    by_descriptor(server.vhost)
    done()
