#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The command lines of the programs that start us, as they are, and what each
of these relies on: when we are ready, what we say, how we end, and that the
ports, resolvers and addresses it asked for are there."""
import os
import re
import signal
import select
import socket
import struct
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from lib import *       # noqa: E402
from wire import Guest, SYN, TCP, addr as inet  # noqa: E402
import dhcp4            # noqa: E402

need_root()
LOCAL_PORTS = "/proc/sys/net/ipv4/ip_local_port_range"
PASTA, PASST = "PASTA", "PASST"
PODMAN = ["--dns-forward", "169.254.1.1", "-u", "none", "-T", "none", "-U",
          "none", "--no-map-gw", "--quiet"]
GUEST = ["--map-guest-addr", "169.254.1.2"]


# --- callers ---

def call(program, *argv, inside=None, timeout=20, **kw):
    """Wait until it has ended and nobody has its output open any more, as
    callers do that collect it -> returncode, out (both streams), took"""
    name = topo._program(program)
    argv = inside(name, *argv) if inside else topo.as_user(name, *argv)
    t = time.monotonic()
    r = run(*argv, check=False, timeout=timeout, cwd="/", **kw)
    r.took = time.monotonic() - t
    r.out = r.stdout + r.stderr
    return r


def silent(r, name):
    return ok(r.returncode == 0 and r.out == "",
              f"{name}: status 0, not a word ({r.took * 1000:.0f} ms)",
              f"{r.returncode} {r.out}")


def pid_of(path):
    """From a PID file, which must be fit for its readers."""
    m = re.fullmatch(r"(\d+)\n", read(path))
    mode = os.stat(path).st_mode & 0o777
    ok(m and mode == 0o600 and alive(int(m[1])),
       "PID file: private, with the daemon's number",
       f"{read(path)!r} {mode:o}")
    return int(m[1]) if m else 0


def new_daemon(before):
    """The only process that is there now, and runs our program."""
    new = [p for p in tagged() if p not in before and
           comm(p) in ("pasta", "passt")]
    return new[0] if len(new) == 1 else None


def ends(pid, name, seconds=5):
    t = time.monotonic()
    while alive(pid) and time.monotonic() - t < seconds:
        time.sleep(0.01)
    return ok(not alive(pid), name, f"still there after {seconds} s")


def terminate(pid, name):
    os.kill(pid, signal.SIGTERM)
    return ends(pid, f"{name}: SIGTERM ends it")


# --- what they rely on ---

def bound_in(pid, v, port, kind=socket.SOCK_STREAM, at=None):
    s = socket_in(pid, v, kind)
    s.settimeout(3)
    if v == 6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((at or ANY[v], port))
    if kind == socket.SOCK_STREAM:
        s.listen()
    return s


def exchange(client, address, port, server, kind=socket.SOCK_STREAM, lost=0):
    """One attempt, data both ways -> the client as the server sees it. Of
    datagrams so many may be @lost: see arrives()"""
    v = 6 if ":" in address else 4
    data = os.urandom(1200)
    with socket_in(client, v, kind) as c:
        c.settimeout(3)
        if client == topo.remote:
            c.bind((REMOTE[v], 0))
        c.connect((address, port))
        if kind == socket.SOCK_DGRAM:
            for _ in range(1 + lost):
                got, peer = arrives(c, data, server, tries=1 + lost)
                server.sendto(got, peer)
                if select.select([c], [], [], 3)[0]:
                    break
            s = None
        else:
            # One that came while the port closed behind an earlier server
            # is reset: to be tried again like one that is refused
            if c in select.select([c, server], [], [], 3)[0]:
                raise ConnectionRefusedError(c.recv(1) or "ended")
            s, peer = server.accept()
            s.settimeout(3)
            c.sendall(data)
            s.sendall(recv_all(s, len(data)))
        back = recv_all(c, len(data)) if s else c.recv(2000)
        if s:
            s.close()
    if back != data:
        raise RuntimeError("other data")
    return peer[0]


def try_all(name, attempts):
    """(text, function) each; one line for all."""
    bad = []
    for text, f in attempts:
        try:
            f()
        except (OSError, RuntimeError) as e:
            bad.append(f"{text}: {e!r}")
    return ok(not bad, name, "\n".join(bad))


def reaches(name, client, address, port, server, target, at=None, sees=None,
            kind=socket.SOCK_STREAM):
    """A server at @target in the namespace of @server is reached."""
    with case(name), bound_in(server, 6 if ":" in (at or address) else 4,
                              target, kind, at) as s:
        # A published port listens some moments after its server
        end = time.monotonic() + 10
        while True:
            try:
                peer = exchange(client, address, port, s, kind, lost=2)
                break
            except (ConnectionRefusedError, ConnectionResetError):
                if time.monotonic() > end:
                    raise
                time.sleep(0.005)
        ok(sees is None or peer == sees, name, f"seen as {peer}")


def closed(name, client, address, port):
    with case(name):
        try:
            connect_in(client, address, port, 3).close()
            ok(False, name, "is open")
        except OSError as e:
            ok(isinstance(e, (ConnectionRefusedError, TimeoutError)), name, e)


# --- podman and buildah ---

class Engine:
    """A rootless container engine: root of a user namespace with many users,
    with mounts of its own, in the host's network."""

    def __init__(self):
        self.proc = start(topo.as_user("unshare", "-Um", "sleep", "infinity"))
        pid = self.proc.pid
        wait_for("namespace", lambda: comm(pid) == "sleep", proc=self.proc)
        for f in "uid_map", "gid_map":
            with open(f"/proc/{pid}/{f}", "w") as m:
                m.write(f"0 {UID} 1\n1 100000 65536\n")
        self.inside("sh", "-ec", "mount -t tmpfs -o mode=755 run /run; "
                    "mkdir /run/netns")

    def argv(self, *argv):
        return ["nsenter", f"--user=/proc/{self.proc.pid}/ns/user",
                f"--mount=/proc/{self.proc.pid}/ns/mnt",
                f"--net=/proc/{topo.host}/ns/net", "-S", "0", "-G", "0", *argv]

    def inside(self, *argv, **kw):
        return run(*self.argv(*argv), **kw)

    def pasta(self, *argv):
        return call(PASTA, *argv, inside=self.argv)

    def stop(self):
        stop(self.proc)


class Container:
    """A network namespace of @engine, bound to .path; .pid is in it."""
    count = 0

    def __init__(self, engine):
        Container.count += 1
        self.engine, self.path = engine, f"/run/netns/netns-{self.count}"
        engine.inside("sh", "-ec", f"touch {self.path}; "
                      f"unshare --net={self.path} true")
        self.proc = start(engine.argv("nsenter", f"--net={self.path}",
                                      "sleep", "infinity"))
        self.pid = self.proc.pid
        wait_for("container", lambda: comm(self.pid) == "sleep",
                 proc=self.proc)

    def remove(self):
        stop(self.proc)
        self.engine.inside("sh", "-ec",
                           f"umount -l {self.path}; rm {self.path}")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.proc.poll() is None:
            stop(self.proc)


def podman(e):
    name, before = "podman", set(tagged())
    with case(name), Container(e) as c, bound_in(c.pid, 4, 80) as s:
        r = e.pasta("--config-net", "-t", "8080-8080:80-80", "-t",
                    "127.0.0.1/9080-9082:9080-9082", *PODMAN, "--netns",
                    c.path, *GUEST)
        # At once: nothing else may come before it
        with case("ready"):
            peer = exchange(topo.host, LOOP[4], 8080, s)
            ok(peer == HOST[4],
               f"{name}: the port works as soon as it has returned", peer)
        s.close()
        silent(r, name)
        pid = new_daemon(before | {c.pid})
        ok(pid, f"{name}: one daemon is there")
        reaches(f"{name}: port, from outside", topo.remote, HOST[4], 8080,
                c.pid, 80, sees=REMOTE[4])
        reaches(f"{name}: port, by ::1", topo.host, LOOP[6], 8080, c.pid, 80,
                sees=HOST[6])
        for port in 9080, 9082:
            reaches(f"{name}: port {port} of 127.0.0.1", topo.host, LOOP[4],
                    port, c.pid, port)
        closed(f"{name}: not from outside", topo.remote, HOST[4], 9080)
        closed(f"{name}: no other port", topo.host, LOOP[4], 9083)

        out = ip(c.pid, "addr").stdout
        ok(re.search(rf"eth0:.*LOWER_UP.*inet {HOST[4]}/24.*inet6 {HOST[6]}/64",
                     out, re.S), f"{name}: device, up, with the host's "
           "addresses", out)
        dns(name, c.pid)
        for v, guest in (4, "169.254.1.2"), :
            reaches(f"{name}: {guest} is the host", c.pid, guest, 7001,
                    topo.host, 7001, HOST[v], sees=HOST[v])
        nowhere(name, c.pid)
        ok(not read(f"/proc/{pid}/net/dev") or os.readlink(
            f"/proc/{pid}/fd/2") == "/dev/null", f"{name}: output given back")
        c.remove()
        ends(pid, f"{name}: it ends with the file of the namespace")


def dns(name, client):
    """169.254.1.1 is the host's resolver, 10.77.0.3, by UDP and TCP."""
    for kind in socket.SOCK_DGRAM, socket.SOCK_STREAM:
        reaches(f"{name}: resolver, by "
                f"{'TCP' if kind == socket.SOCK_STREAM else 'UDP'}", client,
                "169.254.1.1", 53, topo.remote, 53, REMOTE[4], HOST[4], kind)


def nowhere(name, client):
    """--no-map-gw: the gateway is the one outside, not the host."""
    with case(name), bound_in(topo.host, 4, 7002), \
            bound_in(topo.host, 4, 7003, at=LOOP[4]):
        for port in 7002, 7003:
            closed(f"{name}: no way to the host's loopback", client, GW[4],
                   port)


def podman_more(e):
    # Local resolver of the host; UDP; options of the user
    name, pidf = "podman, user's options", tmp("podman.pid")
    topo.resolvers("nameserver 127.0.0.53", "nameserver ::1")
    with case(name), Container(e) as c:
        r = e.pasta("--config-net", "-I", "myname", "--ns-mac-addr",
                    "9a:dd:31:ea:92:98", "-m", "1500", "-a", "10.0.2.100",
                    "-n", "24", "-g", "10.0.2.2", "--ipv4-only", "-T", "6001",
                    "-t", "8080-8082:8090-8092", "-u", "8080-8080:53-53",
                    "--dns-forward", "169.254.1.1", "-U", "none",
                    "--no-map-gw", "--quiet", "--netns", c.path, "--pid",
                    pidf, *GUEST)
        silent(r, name)
        pid = pid_of(pidf)
        out = ip(c.pid, "addr show dev myname").stdout
        ok("inet 10.0.2.100/24" in out and "9a:dd:31:ea:92:98" in out and
           "mtu 1500" in out and not re.search("inet6 .*global", out),
           f"{name}: they hold", out)
        out = ip(c.pid, "route").stdout
        ok("default via 10.0.2.2 dev myname" in out, f"{name}: route", out)
        for port in 8080, 8082:
            reaches(f"{name}: port {port}", topo.remote, HOST[4], port, c.pid,
                    port + 10, sees=REMOTE[4])
        for who, to in (topo.remote, HOST[4]), (topo.host, LOOP[4]), \
                (topo.host, HOST[4]):
            reaches(f"{name}: UDP port, at {to}", who, to, 8080, c.pid, 53,
                    kind=socket.SOCK_DGRAM)
        reaches(f"{name}: -T", c.pid, LOOP[4], 6001, topo.host, 6001,
                sees=LOOP[4])
        for kind in socket.SOCK_DGRAM, socket.SOCK_STREAM:
            reaches(f"{name}: resolver of the host's loopback", c.pid,
                    "169.254.1.1", 53, topo.host, 53, "127.0.0.53", kind=kind)
        # Of the rootless-netns kind
        terminate(pid, name)
        ok("myname" not in ip(c.pid, "link").stdout,
           f"{name}: the device goes with it")
    usual_resolvers()

    at_once(e, pidf)
    debugging(e)

    name = "buildah"
    with case(name), Container(e) as c:
        before = set(tagged())
        r = e.pasta("--config-net", *PODMAN, "-t", "none", "--netns",
                    f"/proc/{c.pid}/ns/net", *GUEST)
        silent(r, name)
        dns(name, c.pid)
        pid = new_daemon(before)
        c.remove()
        ends(pid, f"{name}: it ends with the process")


def debugging(e):
    """podman --log-level=debug --network pasta:-d, which collects all output;
    and somebody with a file for it, who wants all to the end."""
    opts = ["--config-net", "-d", *PODMAN, "-t", "none", "--netns"]
    opts.remove("--quiet")
    for name, piped in ("podman, with -d", True), ("-d, to a file", False):
        with case(name), Container(e) as c, open(tmp("said"), "w+") as f:
            before = set(tagged())
            argv = e.argv(topo._program(PASTA), *opts, c.path)
            if piped:
                r = run(*argv, check=False)
                rc, said = r.returncode, r.stderr
            else:
                rc = start(argv, stderr=f).wait(20)
                said = read(f.name)
            pid = new_daemon(before)
            ok(rc == 0 and pid and "assign:" in said,
               f"{name}: it returns, and so does all output", said)
            terminate(pid, name)
            if not piped:
                ok("From the guest:" in read(f.name),
                   f"{name}: heard to the end", read(f.name))


def at_once(e, pidf):
    """Started again and again in the same namespace; each time the very first
    attempt must find all that there is to find, whichever way it comes."""
    name = "podman, rootless-netns, again and again"
    # Whoever makes and removes devices keeps the kernel from its other work
    # on networks, such as getting ready the addresses of ours
    elsewhere = holder("--net")
    hogs = [start(enter(elsewhere.pid, "sh", "-c", "while :; do ip link add v0 "
                        f"type veth peer name w{i}; ip link del w{i}; done"),
                  stderr=subprocess.DEVNULL) for i in range(2)]
    with case(name), Container(e) as c:
        for v, who in ((v, w) for v in (4, 6, 6) for w in ("remote", "host")):
            client = getattr(topo, who)
            to = (HOST if who == "remote" else LOOP)[v]
            for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM:
                with bound_in(c.pid, v, 80, kind) as s:
                    r = e.pasta("--config-net", "--pid", pidf, "-t",
                                "8080-8080:80-80", "-u", "8080-8080:80-80",
                                "-T", "none", "-U", "none", "--no-map-gw",
                                "--quiet", "--netns", c.path, *GUEST)
                    exchange(client, to, 8080, s, kind)
                if r.returncode or r.out:
                    raise RuntimeError(f"{r.returncode} {r.out}")
                pid = int(read(pidf))
                os.kill(pid, signal.SIGTERM)
                wait_for("end", lambda: not alive(pid))
        ok(True, f"{name}: ready each time")
    for h in (*hogs, elsewhere):
        stop(h)


def podman_errors(e):
    with case("podman, errors"), Container(e) as c:
        rest = [*PODMAN, "-t", "none", "--netns", c.path]
        r = e.pasta("--config-net", *rest, "--map-guest-addrs", "169.254.1.2")
        ok(r.returncode == 1 and
           "unrecognized option '--map-guest-addrs'" in r.out,
           "podman: option of a later version: in getopt's words",
           f"{r.returncode} {r.out[:300]}")
        with bound_in(topo.host, 4, 8080):
            r = e.pasta("--config-net", "-t", "8080-8080:80-80", *PODMAN,
                        "--netns", c.path, *GUEST)
        ok(r.returncode == 1 and r.out.count("\n") == 1 and
           all(w in r.out for w in ("TCP", "8080", "in use")),
           "podman: port in use: status 1 and one line", r.out)
        ok("eth0" not in ip(c.pid, "link").stdout,
           "podman: ... and nothing stays in the namespace")
        r = e.pasta("--config-net", *rest, "-t", "8080/sctp")
        ok(r.returncode == 1 and "'8080'" in r.out.splitlines()[0],
           "podman: nonsense is refused by name", r.out[:300])
        r = e.pasta("--config-net", *PODMAN, "-t", "none", "--netns",
                    "/run/netns/gone", *GUEST)
        ok(r.returncode == 1 and r.out.count("\n") == 1 and
           "/run/netns/gone" in r.out, "podman: no such namespace", r.out)
    for program, word in (PASTA, "pasta "), (PASST, "passt "):
        r = call(program, "--version")
        first = r.stdout.splitlines()[0]
        ok(r.returncode == 0 and first.startswith(word) and
           len(first.split()) == 2 and not r.stderr,
           f"--version: first line is '{word}VERSION'", r.out)


# --- libvirt, and kubevirt by it ---

class Vm:
    """What a passt in the background is for wire.Guest and PumpGuest."""

    def __init__(self, sock):
        self.topo, self.sock, self.guest = topo, sock, None

    connect = Passt.connect


def as_libvirt(program, *argv):
    """No capabilities, not even in the bounding set."""
    line = topo.as_user(program, *argv)
    line.insert(line.index("--inh-caps=-all"), "--bounding-set=-all")
    return line


def pump(sock, v4="10.77.0.50", v6="fd77::50"):
    """A virtual machine that configured itself."""
    g = PumpGuest(Vm(sock), config=False)
    g.at_once()
    ip(g.pid, f"link set {g.TAP} up")
    for a in f"{v4}/24", f"{v6}/64 nodad":
        ip(g.pid, f"addr add {a} dev {g.TAP}")
    for v in 4, 6:
        ip(g.pid, f"-{v} route add default via {GW[v]}")
    wait_for("link-local address", g.settled)
    # The daemon has to have seen it under this address
    run(*enter(g.pid, "ping", "-c1", "-W2", GW[6]), check=False)
    return g


def libvirt():
    name, n = "libvirt", "libvirt"
    sock, pidf, log = tmp(f"{n}.socket"), tmp(f"{n}.pid"), tmp(f"{n}.log")
    with case(name):
        r = call(PASST, "--one-off", "--socket", sock, "--pid", pidf, "--mtu",
                 "9000", "--interface", "eth0", "--log-file", log,
                 "--hostname", "vm1", "--fqdn", "vm1.example.com",
                 "--address", "10.77.0.50", "--netmask", "24", "--address",
                 "fd77::50",
                 "--tcp-ports", f"{HOST[4]}/2001,~3001,3000-3002:4000-4002",
                 "--tcp-ports", f"{HOST[6]}%eth0/2001:22",
                 "--tcp-ports", "127.0.0.1/2022:22",
                 "--udp-ports", "%eth0/5001-5002,7000:53",
                 inside=as_libvirt)
        s = socket.socket(socket.AF_UNIX)
        s.connect(sock)
        s.close()
        ok(r.returncode == 0 and not r.stdout,
           f"{name}: status 0, and the socket can be connected to at once",
           r.out)
        # It was one guest: this was the one
        pid = int(read(pidf))
        ends(pid, f"{name}: --one-off: ends with its guest")

        r = call(PASST, *r.args[r.args.index("--one-off"):],
                 inside=as_libvirt)
        pid = pid_of(pidf)
        mode = os.stat(log).st_mode & 0o777
        ok(mode == 0o600 and read(log).startswith("passt ") and
           f"({pid})" not in r.out, f"{name}: log file: private, with a head",
           f"{mode:o} {read(log)[:200]}")
        with pump(sock) as g:
            for who, to, port, target in (
                    (topo.remote, HOST[4], 2001, 2001),
                    (topo.remote, HOST[4], 3000, 4000),
                    (topo.remote, HOST[4], 3002, 4002),
                    (topo.remote, HOST[6], 2001, 22),
                    (topo.host, LOOP[4], 2022, 22)):
                reaches(f"{name}: TCP {to} {port}", who, to, port, g.pid,
                        target)
            closed(f"{name}: excluded", topo.remote, HOST[4], 3001)
            for port, target in (5002, 5002), (7000, 53):
                for v in 4, 6:
                    reaches(f"{name}: UDP {port}/IPv{v}", topo.remote, HOST[v],
                            port, g.pid, target, kind=socket.SOCK_DGRAM)
            ok(alive(pid), f"{name}: serves as long as there is a guest")
        ends(pid, f"{name}: ends with its guest")
        ok(os.path.exists(sock) and os.path.exists(pidf),
           f"{name}: files are left to libvirt")

    # The DHCP part of the same
    sock = tmp("libvirt2.socket")
    with case("DHCP"):
        call(PASST, "--one-off", "--socket", sock, "--pid", pidf, "--mtu",
             "9000", "--log-file", log, "--hostname", "vm1", "--fqdn",
             "vm1.example.com", "--address", "10.77.0.50", "--netmask", "24")
        with Guest(Vm(sock)) as g:
            d = dhcp4.reply(g, dhcp4.bootp(dhcp4.kind(dhcp4.DISCOVER)))
        fqdn = (d.get(81) or b"").replace(b"\3vm1\7example\3com",
                                          b"vm1.example.com")
        ok(d.yiaddr == "10.77.0.50" and d.get(1) == inet("255.255.255.0") and
           d.get(26) == struct.pack(">H", 9000) and d.get(12) == b"vm1" and
           b"vm1.example.com" in fqdn,
           f"{name}: the guest is told all of it", d.opts)
        ends(int(read(pidf)), f"{name}: and it ends")


def libvirt_all():
    """A portForward element with an address or a device, but no ranges."""
    topo.in_host("sh", "-c", f"echo 3000 65535 >{LOCAL_PORTS}")
    try:
        for what, tcp, udp_, good, bad in (
                ("libvirt, no ranges", f"{HOST[4]}/all", "%eth0/all",
                 [(topo.remote, HOST[4])], (topo.host, LOOP[4])),
                ("kubevirt", "%eth0/all", "%eth0/all",
                 [(topo.remote, HOST[4]), (topo.remote, HOST[6])],
                 (topo.host, LOOP[4])),
                ("kubevirt, service mesh",
                 "%eth0/~1500-1501,~1504,~2000,~2020-2021", "%eth0/all",
                 [(topo.remote, HOST[4])], (topo.remote, HOST[4]))):
            sock, pidf = tmp(f"all{len(tcp)}{tcp[0]}"), tmp("all.pid")
            with case(what):
                r = call(PASST, "--one-off", "--socket", sock, "--pid", pidf,
                         "--interface", "eth0", "--log-file", tmp("all.log"),
                         "--tcp-ports", tcp, "--udp-ports", udp_,
                         inside=as_libvirt)
                ok(r.returncode == 0 and not r.stdout,
                   f"{what}: --tcp-ports {tcp}", r.out)
                with pump(sock, HOST[4], HOST[6]) as g:
                    for who, to in good:
                        for port in 1024, 2999:
                            reaches(f"{what}: TCP {to} {port}", who, to, port,
                                    g.pid, port)
                    reaches(f"{what}: UDP", topo.remote, HOST[4], 1500, g.pid,
                            1500, kind=socket.SOCK_DGRAM)
                    for port in 1500, 1504, 2020:
                        closed(f"{what}: TCP {port} is not", *bad, port)
                ends(int(read(pidf)), f"{what}: ends")
    finally:
        topo.in_host("sh", "-c", f"echo 32768 60999 >{LOCAL_PORTS}")


def libvirt_errors():
    log = tmp("fail.log")
    for what, words, opts in (
            ("port in use", "TCP 7777 in use", ["--tcp-ports", "7777"]),
            ("address not there", "192.0.2.7 Cannot assign",
             ["--tcp-ports", "192.0.2.7/80-81:8080-8081"]),
            ("two elements for one port", "--tcp-ports 7001 once",
             ["--tcp-ports", f"{HOST[4]}/7000-7009", "--tcp-ports", "7001"]),
            ("nonsense", "--udp-ports 70000", ["--udp-ports", "70000"]),
            ("PID file", "/nowhere/pid", ["--pid", "/nowhere/pid"])):
        with case(what), bound_in(topo.host, 4, 7777):
            r = call(PASST, "--one-off", "--socket", tmp("fail"), "--pid",
                     tmp("fail.pid"), "--log-file", log, *opts,
                     inside=as_libvirt)
            ok(r.returncode == 1 and all(w in same_words(read(log))
                                         for w in words.split()),
               f"libvirt: {what}: status 1, and the log file says why",
               f"{r.returncode} {read(log)} {r.out}")
            ok(any("ERROR:" in l for l in read(log).splitlines()),
               "... as an error", read(log))
    r = call(PASST, "--one-off", "--socket", tmp("fail"), "--interface",
             "nodev", "--log-file", log, inside=as_libvirt)
    ok(r.returncode == 1 and "nodev" in r.out + read(log),
       "libvirt: no such interface", r.out)


def pid_file_means_ready():
    """Who polls for the PID file may connect as soon as it is there."""
    bad = []
    for i in range(20):
        sock, pidf = tmp(f"poll{i}"), tmp(f"poll{i}.pid")
        p = start(topo.as_user(topo._program(PASST), "-q", "--one-off",
                               "--socket", sock, "--pid", pidf), cwd="/")
        end = time.monotonic() + 5
        while not os.path.exists(pidf) and time.monotonic() < end:
            pass
        with socket.socket(socket.AF_UNIX) as s:
            try:
                s.connect(sock)
            except OSError as e:
                bad.append(e)
        if p.wait(5):
            bad.append(p.returncode)
    ok(not bad, "when the PID file is there, so is the socket, 20 times", bad)


# --- QEMU, and others with a connected socket ---

class Pair(Guest):
    """A guest at one end of a socket pair."""

    def __init__(self, mine):
        self.sock = mine
        super().__init__(self)

    def connect(self):
        self.sock.settimeout(5)
        return self.sock


def with_fd(number, *argv, wait=True):
    """-> the caller's end, and the process or the result of call()"""
    ours, theirs = socket.socketpair()
    fd = theirs.fileno()

    def inside(*line):
        return topo.as_user("sh", "-c", f"exec {number}<&{fd}; exec \"$@\"",
                            "sh", *line)
    if wait:
        r = call(PASST, *argv, inside=inside, pass_fds=[fd])
    else:
        r = start(inside(topo._program(PASST), *argv), pass_fds=[fd], cwd="/",
                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    theirs.close()
    return ours, r


def inbound(g, port, target, who=None, to=None):
    """A client's attempt reaches the guest as a SYN."""
    with socket_in(who or topo.remote) as c:
        c.setblocking(False)
        c.connect_ex((to or HOST[4], port))
        try:
            p = g.expect(lambda p: p.v == 4 and p.proto == TCP and
                         p.flags & SYN and p.dport == target)
            return bool(p)
        except RuntimeError:
            return False


def qemu():
    name, pidf = "QEMU", tmp("qemu.pid")
    with case(name):
        ours, r = with_fd(3, "--quiet", "--search", "a.example b.example",
                          "--pid", pidf, "--fd", "3")
        silent(r, name)
        pid = pid_of(pidf)
        g = Pair(ours)
        d = dhcp4.reply(g, dhcp4.bootp(dhcp4.kind(dhcp4.DISCOVER)))
        ok(d.yiaddr == HOST[4] and
           d.get(119) in (dhcp4.names("a.example", "b.example"),
                          b"\1a\7example\0\1b\xc0\2"),
           f"{name}: served; a word with a blank is two domains", d.opts)
        terminate(pid, name)
        ok(g.s.recv(1 << 16) == b"" or True, f"{name}: the socket is closed")
        g.s.close()

        ours, r = with_fd(3, "--quiet", "--mtu", "1400", "--address",
                          "10.77.0.60", "--netmask", "255.255.255.0",
                          "--mac-addr", "52:54:00:00:00:01", "--gateway",
                          GW[4], "--interface", "eth0", "--outbound", HOST[4],
                          "--outbound-if4", "eth0", "--dns", "10.77.0.53",
                          "--fqdn", "q.example", "--no-dhcp-dns",
                          "--no-dhcp-search", "--map-host-loopback",
                          "10.77.0.9", "--map-guest-addr", "10.77.0.8",
                          "--dns-forward", "10.77.0.7", "--dns-host", REMOTE[4],
                          "--no-udp", "--no-icmp", "--no-dhcpv6", "--no-ndp",
                          "--no-ra", "--freebind", "--ipv4-only", "--tcp-ports",
                          "8022:22,8080", "--pid", pidf, "--fd", "3")
        silent(r, f"{name}, many options")
        g = Pair(ours)
        ok(inbound(g, 8022, 22) and inbound(g, 8080, 8080),
           f"{name}: ports lead to the guest")
        g.s.close()
        ends(int(read(pidf)), f"{name}: ends with the stream")

        ours, r = with_fd(3, "--quiet", "--nonsense", "--pid", pidf, "--fd",
                          "3")
        ours.close()
        ok(r.returncode == 1 and "unrecognized option '--nonsense'" in r.out,
           f"{name}: an option from another time", r.out[:200])


def krun():
    name = "krun"
    topo.in_host("sh", "-c", f"echo 3000 65535 >{LOCAL_PORTS}")
    try:
        before = set(tagged())
        ours, r = with_fd(5, "-t", "all", "-u", "all", "--no-dhcp-dns",
                          "--no-map-gw", "--fd", "5")
        with case(name), Pair(ours) as g:
            pid = new_daemon(before)
            ok(r.returncode == 0 and pid, f"{name}: status 0, one daemon",
               r.out)
            ok(all(inbound(g, n, n) for n in (1024, 1500, 2999)),
               f"{name}: ports lead to the guest")
            ok(inbound(g, 1024, 1024, topo.host, LOOP[4]),
               f"{name}: from the host's loopback, too")
            d = dhcp4.reply(g, dhcp4.bootp(dhcp4.kind(dhcp4.DISCOVER)))
            ok(6 not in d.codes() and d.get(3) == inet(GW[4]),
               f"{name}: a router, no resolver", d.opts)
        ends(pid, f"{name}: ends with the stream")
    finally:
        topo.in_host("sh", "-c", f"echo 32768 60999 >{LOCAL_PORTS}")


def muvm():
    name = "muvm"
    ours, p = with_fd(4, "-q", "-f", "--fd", "4", "-t", "3334:3335", "-u",
                      f"{HOST[4]}/6000-6002:7000-7002", wait=False)
    with case(name), Pair(ours) as g:
        mine = os.readlink(f"/proc/{topo.host}/ns/user")

        def changed():
            try:
                return os.readlink(f"/proc/{p.pid}/ns/user") != mine
            except OSError:
                return False
        t = time.monotonic()
        wait_for("user namespace", changed, 3, p)
        ok(True, f"{name}: user namespace changed, a second is what it has "
           f"({(time.monotonic() - t) * 1000:.0f} ms)")
        ok(inbound(g, 3334, 3335), f"{name}: a port leads to the guest")
    ok(p.wait(5) == 0 and p.stdout.read() == "",
       f"{name}: ends with the stream, status 0, not a word", p.returncode)


def others():
    for opts in ("-f", "--fd", "4"), ("--one-off", "--foreground", "--fd", "4"):
        ours, p = with_fd(4, *opts, wait=False)
        with case(" ".join(opts)), Pair(ours) as g:
            d = dhcp4.reply(g, dhcp4.bootp(dhcp4.kind(dhcp4.DISCOVER)))
            ok(d.yiaddr == HOST[4] and p.poll() is None,
               f"passt {' '.join(opts)}: serves")
        ok(p.wait(5) == 0, "... until the stream ends", p.returncode)

    name, sock, pidf = "others", tmp("other"), tmp("other.pid")
    with case(name):
        p = start(topo.as_user(
            topo._program(PASST), "--socket", sock, "--pid", pidf,
            "--foreground", "--address", "192.168.127.2", "--gateway",
            "192.168.127.1", "--netmask", "255.255.255.0", "--dns",
            "10.77.0.53"), cwd="/", stderr=subprocess.PIPE, text=True)
        wait_for("socket", lambda: os.path.exists(pidf), proc=p)
        with Guest(Vm(sock)) as g:
            d = dhcp4.reply(g, dhcp4.bootp(dhcp4.kind(dhcp4.DISCOVER)))
        pid_of(pidf)
        ok(int(read(pidf)) == p.pid, f"{name}: in the foreground: its own PID")
        ok(d.yiaddr == "192.168.127.2" and d.get(3) == inet("192.168.127.1")
           and d.get(1) == inet("255.255.255.0") and
           d.get(6) == inet("10.77.0.53"), f"{name}: all as asked for", d.opts)
        ok(stop(p) == 0, f"{name}: SIGTERM, status 0")
        text = p.stderr.read()
        ok(re.search(r"assign: 192\.168\.127\.2\b.*router: 192\.168\.127\.1\b",
                     text, re.S), f"{name}: words that are looked for", text)

    # As a service of the system
    name = "service"
    with case(name), topo.passt("--no-map-gw", "--no-dhcp-dns", "--one-off",
                                quiet=False) as p:
        with Guest(p) as g:
            d = dhcp4.reply(g, dhcp4.bootp(dhcp4.kind(dhcp4.DISCOVER)))
            ok(6 not in d.codes(), f"{name}: no resolver", d.opts)
        ok(p.proc.wait(5) == 0, f"{name}: status 0 after the only guest")


# --- rootlesskit, slirp4netns' replacement ---

def has_auto():
    return topo.run_pasta("-t", "auto", "--", "true").returncode == 0


def until_reached(name, client, address, port, server, sees=None):
    """By following the namespace's ports, which takes up to some seconds."""
    with case(name), bound_in(server, 4, port) as s:
        end = time.monotonic() + 8
        while True:
            try:
                exchange(client, address, port, s)
                return ok(True, name)
            except OSError as e:
                if time.monotonic() > end:
                    return ok(False, name, e)
            time.sleep(0.1)


def rootlesskit():
    base = ["--stderr", "--ns-ifname=tap0", "--mtu=65520", "--config-net",
            "--address=10.0.2.100", "--netmask=24", "--gateway=10.0.2.2",
            "--dns-forward=10.0.2.3"]
    ports = ["auto", "none"] if has_auto() else ["none"]
    for i, word in enumerate(ports * 2):
        name = f"rootlesskit, {word}, " + ("PID" if i < len(ports) else "path")
        # Its child: a user namespace of its own, and mounts, of which one
        # holds the namespace, on a file that both know
        with case(name):
            state = tmp(f"netns{i}")
            open(state, "w").close()
            c = start(topo.as_user("unshare", "-Urnm", "sh", "-ec",
                                   f"mount --bind /proc/self/ns/net {state}; "
                                   "exec sleep infinity"))
            wait_for("child", lambda: comm(c.pid) == "sleep", proc=c)
            where = [str(c.pid)] if i < len(ports) else \
                [f"--userns=/proc/{c.pid}/ns/user",
                 f"--netns=/proc/{c.pid}/root{state}"]
            before = set(tagged())
            r = call(PASTA, *base, *(["--no-map-gw", "--ipv4-only"] if i % 2
                                     else []), f"--tcp-ports={word}",
                     f"--udp-ports={word}", *where)
            ok(r.returncode == 0, f"{name}: status 0", r.out)
            ok("--stderr" in r.out and "unrecognized" not in r.out,
               f"{name}: --stderr is taken", r.out)
            pid = new_daemon(before)
            out = ip(c.pid, "addr show dev tap0").stdout + \
                ip(c.pid, "route").stdout
            ok("inet 10.0.2.100/24" in out and "mtu 65520" in out and
               "default via 10.0.2.2" in out, f"{name}: device, address, "
               "route", out)
            reaches(f"{name}: a server outside", c.pid, REMOTE[4], 7005,
                    topo.remote, 7005, sees=HOST[4])
            for kind in socket.SOCK_DGRAM, socket.SOCK_STREAM:
                reaches(f"{name}: resolver", c.pid, "10.0.2.3", 53,
                        topo.remote, 53, REMOTE[4], kind=kind)
            if word == "auto":
                until_reached(f"{name}: a new port of the child", topo.remote,
                              HOST[4], 7010, c.pid)
            else:
                with bound_in(c.pid, 4, 7010):
                    closed(f"{name}: no port", topo.remote, HOST[4], 7010)
            stop(c, signal.SIGKILL)
            if i >= len(ports):
                os.unlink(state)
            ends(pid, f"{name}: ends with the child, or with its file")


def slirp4netns():
    """Each change of its ports is a new start in the same namespace."""
    name, pidf = "slirp4netns", tmp("slirp.pid")
    base = ["-q", "--ipv4-only", "-a", "10.0.2.0", "-n", "24", "-g",
            "10.0.2.2", "--dns-forward", "10.0.2.3", "-m", "1500", "--no-ndp",
            "--no-dhcpv6", "--no-dhcp", "-P", pidf]
    c = topo.user_ns()
    topo.in_host("sh", "-c", "mkdir -p /run/netns; mount -t tmpfs -o mode=755 "
                 "netns /run/netns; touch /run/netns/slirp; mount --bind "
                 f"/proc/{c.pid}/ns/net /run/netns/slirp")
    ports, pid = [], 0
    for i, where in enumerate((
            [str(c.pid)], [str(c.pid)],
            ["--userns", f"/proc/{c.pid}/ns/user", "--netns",
             "/run/netns/slirp"],
            ["--userns", f"/proc/{c.pid}/ns/user", "--netns", "slirp"])):
        with case(name):
            if pid:
                terminate(pid, name)
            r = call(PASTA, *base, "--config-net", *ports, *where)
            silent(r, f"{name}, {i // 2 + 1}")
            pid = pid_of(pidf)
            out = ip(c.pid, "addr").stdout
            ok("inet 10.0.2.0/24" in out and "mtu 1500" in out,
               f"{name}: address and MTU", out)
            for n in range(0, len(ports), 2):
                a, b = map(int, ports[n + 1].split(":"))
                reaches(f"{name}: port {a}, start {i}", topo.remote, HOST[4],
                        a, c.pid, b)
                reaches(f"{name}: by loopback", topo.host, LOOP[4], a, c.pid,
                        b, sees="10.0.2.0")
            ports += ["-t", f"{8080 + i}:{80 + i}"]
    topo.in_host("sh", "-c", "umount -l /run/netns/slirp; rm /run/netns/slirp")
    ends(pid, f"{name}: ends with the name")
    stop(c)


def usual_resolvers():
    topo.resolvers(f"nameserver {REMOTE[4]}", f"nameserver {REMOTE[6]}")


topo = Topo()
usual_resolvers()
topo.in_host("sh", "-c", "echo 0 >/proc/sys/net/ipv4/icmp_ratelimit")
engine = Engine()
for part, *args in (podman, engine), (podman_more, engine), \
        (podman_errors, engine), (libvirt,), (libvirt_all,), \
        (libvirt_errors,), (pid_file_means_ready,), (qemu,), (krun,), \
        (muvm,), (others,), (rootlesskit,), (slirp4netns,):
    t = time.monotonic()
    with case(part.__name__):
        part(*args)
    note(f"{part.__name__}: {time.monotonic() - t:.1f} s")
engine.stop()
done()
