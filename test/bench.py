#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Throughput, latency and cost of pasta and passt, beside others of their kind.

    python3 test/bench.py --impl new=./pasta --impl old=/usr/bin/pasta ...

Runs as root, in namespaces of its own:

    remote   10.77.0.3  fd77::3      peers of the load; also the gateway
       | veth, MTU 65520
    host     10.77.0.2  fd77::2      the daemon's sockets
       | pasta or slirp4netns, as an unprivileged user
    guest    where the command runs

Cells that begin with "vm" are those of the passt found beside a pasta: its
guest is a namespace of root's, whose tap bench/pump.c joins to the socket. It
has no offloads, so its kernel cuts and sums all that it sends, as a virtual
machine on such a socket does.

Each implementation has all three for itself. Every cell is measured for one
implementation after the other, and that several times, so that a disturbance
of the machine hits all alike; the table shows medians, and for more than one
implementation how many times better the first is, pair by pair. "out" is from
guest to remote, "in" the other way through a forwarded port.

CPU is that of the daemon alone: what the scheduler accounted to it (user and
kernel) by the amount the receiver got. With few processors, sender, daemon and
receiver share them, so the CPU figures are steadier than the rates."""
import argparse
import ctypes
import json
import os
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
UID = 12345
HOST, REMOTE, GATEWAY = "10.77.0.2", "10.77.0.3", "10.77.0.1"
SLIRP_GUEST = "10.0.2.100"
PORT0, NPORTS = 5001, 16
MTUS = 65520, 1500
IDLE_CONNS = 1000

class Fail(Exception):
    pass

# --- processes ---
STARTED = []

def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)

def start(argv, **kw):
    kw.setdefault("stdin", subprocess.DEVNULL)
    p = subprocess.Popen(argv, preexec_fn=die_with_parent, **kw)
    STARTED.append(p)
    return p

def stop(p):
    for sig in signal.SIGTERM, signal.SIGKILL:
        if p.poll() is None:
            p.send_signal(sig)
            try:
                p.wait(2)
            except subprocess.TimeoutExpired:
                pass
    if p in STARTED:
        STARTED.remove(p)

def run(*argv, check=True):
    r = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    if check and r.returncode:
        raise Fail(f"{' '.join(argv)}: {(r.stdout + r.stderr).strip()}")
    return r.stdout

def wait_for(what, cond, proc=None, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        v = cond()
        if v:
            return v
        if proc is not None and proc.poll() is not None:
            raise Fail(f"{what}: process ended with {proc.returncode}")
        time.sleep(0.01)
    raise Fail(f"{what}: nothing after {seconds} s")

def line_of(p, seconds=30):
    """One line a load process prints, as words."""
    if not select.select([p.stdout], [], [], seconds)[0]:
        raise Fail("load: no answer")
    line = p.stdout.readline().strip()
    if not line or line.startswith("error"):
        raise Fail(line or "load: died")
    return line.split()

def comm(pid):
    try:
        with open(f"/proc/{pid}/comm") as f:
            return f.read().strip()
    except OSError:
        return ""

def below(pid):
    """All processes started by @pid, at any depth."""
    out = []
    try:
        for t in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{t}/children") as f:
                for c in map(int, f.read().split()):
                    out += [c] + below(c)
    except OSError:
        pass
    return out

def daemon_pids(pid):
    """@pid and those below it that run the same program."""
    exe = os.readlink(f"/proc/{pid}/exe")

    return [pid] + [p for p in below(pid) if os.path.exists(f"/proc/{p}/exe")
                    and os.readlink(f"/proc/{p}/exe") == exe]

def cpu_ns(pids):
    total = 0
    for p in pids:
        for t in os.listdir(f"/proc/{p}/task"):
            with open(f"/proc/{p}/task/{t}/schedstat") as f:
                total += int(f.read().split()[0])
    return total

def rss_kib(pids):
    total = 0
    for p in pids:
        with open(f"/proc/{p}/status") as f:
            total += sum(int(l.split()[1]) for l in f
                         if l.startswith("VmRSS:"))
    return total

# --- namespaces ---
def enter(pid, *argv):
    return ["nsenter", f"--net=/proc/{pid}/ns/net", *argv]

def tune(pid):
    """The same stack everywhere; pacing congestion control would hide us."""
    run(*enter(pid, "sh", "-c", """
        cd /proc/sys/net
        echo reno >ipv4/tcp_congestion_control
        echo '0 2147483647' >ipv4/ping_group_range
        echo 1 >ipv4/tcp_tw_reuse
        exit 0"""), check=False)

def holder():
    """A process that only keeps namespaces; the pid names them."""
    p = start(["unshare", "--net", "--mount", "sleep", "infinity"])
    wait_for("namespace", lambda: comm(p.pid) == "sleep", p)
    tune(p.pid)
    run(*enter(p.pid, "ip", "link", "set", "lo", "up"))
    return p

class Net:
    """Host and remote. The host's mount namespace has a /dev/net/tun that
    the unprivileged user may open."""

    def __init__(self):
        self.procs = [holder(), holder()]
        h, r = self.h, self.r = [p.pid for p in self.procs]
        run(*enter(h, "ip", "link", "add", "eth0", "mtu", "65520", "type",
                   "veth", "peer", "name", "eth0", "netns", str(r),
                   "mtu", "65520"))
        for pid, addrs in ((h, (f"{HOST}/24", "fd77::2/64")),
                           (r, (f"{REMOTE}/24", f"{GATEWAY}/24",
                                "fd77::3/64", "fd77::1/64"))):
            run(*enter(pid, "ip", "link", "set", "eth0", "up"))
            for a in addrs:
                run(*enter(pid, "ip", "addr", "add", a, "dev", "eth0",
                           *(["nodad"] if ":" in a else [])))
        run(*enter(h, "ip", "route", "add", "default", "via", GATEWAY))
        run(*enter(h, "ip", "route", "add", "default", "via", "fd77::1"))
        run("nsenter", f"--mount=/proc/{h}/ns/mnt", "sh", "-ec", """
            mkdir -p /dev/net
            mount -t tmpfs -o mode=755 tun /dev/net
            mknod /dev/net/tun c 10 200
            chmod 666 /dev/net/tun""")

    def as_user(self, *argv):
        return ["nsenter", f"--net=/proc/{self.h}/ns/net",
                f"--mount=/proc/{self.h}/ns/mnt", "setpriv",
                f"--reuid={UID}", f"--regid={UID}", "--clear-groups",
                "--inh-caps=-all", *argv]

    def close(self):
        for p in self.procs:
            stop(p)

# --- daemons ---
class Daemon:
    """A running implementation, with its networks."""

    def __init__(self, impl, mtu):
        self.impl, self.mtu, self.turn, self.procs = impl, mtu, 0, []
        self.log = open(os.path.join(TMP, f"{impl.name}.{mtu}.log"), "w+")
        self.net = Net()
        try:
            self.pids = daemon_pids(self.begin().pid)
            tune(self.guest)
            for d in "out", "in":
                self.probe(d)
            time.sleep(0.3)
        except Exception as e:
            self.log.seek(0)
            text = self.log.read().strip()
            self.close()
            raise Fail(f"{impl.name}: {e}\n{text}") from e

    def spawn(self, *argv, **kw):
        self.procs.append(start(self.net.as_user(*argv), stdout=self.log,
                                stderr=self.log, cwd="/", **kw))
        return self.procs[-1]

    def close(self):
        for p in reversed(self.procs):
            kids = below(p.pid)	# a command outlives its daemon
            stop(p)
            for k in filter(comm, kids):
                os.kill(k, signal.SIGKILL)
        self.net.close()
        self.log.close()

    def ends(self, d):
        """Server's namespace; client's namespace and the address it takes."""
        if d == "out":
            return self.net.r, self.guest, REMOTE
        return self.guest, self.net.r, HOST

    def pair(self, d, server, client, *more):
        """Start a server and then a client, which are (mode, arguments)."""
        s, c, addr = self.ends(d)
        self.turn += 1
        port = str(PORT0 + self.turn % NPORTS)
        sp = start(enter(s, LOAD, server[0], port, *server[1:]),
                   stdout=subprocess.PIPE, text=True)
        try:
            line_of(sp)
            cp = start(enter(c, LOAD, client[0], addr, port, *client[1:]),
                       stdout=subprocess.PIPE, stdin=subprocess.PIPE,
                       text=True)
        except Fail:
            stop(sp)
            raise
        return sp, cp

    def measure(self, d, server, client, answer):
        """-> numbers printed by the server (answer 0) or the client (1), and
        nanoseconds of the daemon meanwhile"""
        before = cpu_ns(self.pids)
        both = self.pair(d, server, client)
        try:
            nums = [float(x) for x in line_of(both[answer])]
            if not answer:
                line_of(both[1])
            return nums, cpu_ns(self.pids) - before
        finally:
            for p in both:
                stop(p)

    def probe(self, d):
        """Does the path work at all? It may take a moment after start."""
        for left in range(20, -1, -1):
            try:
                self.measure(d, ("oneshot",), ("crr", "0.001"), 1)
                return
            except Fail as e:
                if not left:
                    raise Fail(f"{d}: {e}") from e
                time.sleep(0.1)

class Pasta(Daemon):
    def begin(self):
        ports = f"{PORT0}-{PORT0 + NPORTS - 1}"
        none = ["-T", "none", "-U", "none"] if self.impl.has_ns_ports else []
        p = self.spawn(self.impl.path, "--config-net", "-f", "-q", "-m",
                       str(self.mtu), "-t", ports, "-u", ports, *none, "--",
                       "sleep", "infinity")

        self.guest = wait_for("command", lambda: [
            c for c in below(p.pid) if comm(c) == "sleep"], p)[0]
        return p

class Passt(Daemon):
    def begin(self):
        ports = f"{PORT0}-{PORT0 + NPORTS - 1}"
        sock = os.path.join(USERTMP, f"sock.{self.impl.name}.{self.mtu}")
        p = self.spawn(self.impl.passt, "-f", "-q", "-s", sock, "-m",
                       str(self.mtu), "-t", ports, "-u", ports)
        # Listening: a connection that is only tried would be a client
        wait_for("socket", lambda: sock in run(*enter(
            self.net.h, "ss", "-Hlx", "src", sock)), p)

        self.procs.append(holder())
        self.guest = self.procs[-1].pid
        pump = start(["nsenter", f"--net=/proc/{self.guest}/ns/net",
                      f"--mount=/proc/{self.net.h}/ns/mnt", PUMP, sock,
                      "eth0"], stdout=subprocess.PIPE, stderr=self.log,
                     text=True)
        self.procs.append(pump)
        line_of(pump)
        for what in (f"link set eth0 mtu {self.mtu} up",
                     f"addr add {HOST}/24 dev eth0",
                     "addr add fd77::2/64 dev eth0 nodad",
                     f"route add default via {GATEWAY}"):
            run(*enter(self.guest, "ip", *what.split()))
        return p

class Slirp(Daemon):
    def begin(self):
        g = self.spawn("unshare", "-Urn", "sleep", "infinity")
        wait_for("namespace", lambda: comm(g.pid) == "sleep", g)
        self.guest = g.pid
        api = os.path.join(USERTMP, f"api.{self.impl.name}.{self.mtu}")
        r, w = os.pipe()
        p = self.spawn(self.impl.path, "--configure", f"--mtu={self.mtu}",
                       "--api-socket", api, "-r", str(w), str(g.pid), "tap0",
                       pass_fds=(w,))
        os.close(w)
        wait_for("slirp4netns", lambda: select.select([r], [], [], 0.1)[0], p)
        os.close(r)
        for i in range(PORT0, PORT0 + NPORTS):
            for proto in "tcp", "udp":
                self.forward(api, proto, i)
        return p

    @staticmethod
    def forward(api, proto, port):
        call = {"execute": "add_hostfwd", "arguments": {
            "proto": proto, "host_addr": "0.0.0.0", "host_port": port,
            "guest_addr": SLIRP_GUEST, "guest_port": port}}
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(api)
            s.sendall(json.dumps(call).encode())
            s.shutdown(socket.SHUT_WR)
            if b"error" in s.recv(4096):
                raise Fail("add_hostfwd")

class Impl:
    def __init__(self, spec):
        self.name, eq, self.path = spec.partition("=")
        if not eq:
            self.name, self.path = os.path.basename(spec), spec
        self.path = os.path.abspath(self.path)
        if not os.access(self.path, os.X_OK):
            sys.exit(f"{self.path}: no such program")
        self.slirp = "slirp" in os.path.basename(self.path)
        self.kind = Slirp if self.slirp else Pasta
        self.passt = os.path.join(os.path.dirname(self.path), "passt")
        self.has_passt = not self.slirp and os.access(self.passt, os.X_OK)
        r = subprocess.run([self.path, "--help"], capture_output=True,
                           text=True, timeout=10)
        self.has_ns_ports = "--tcp-ns" in r.stdout + r.stderr

# --- cells ---
# Each takes a Daemon and returns its figures; names and units stand beside.

def flood(proto, d):
    sink, source = (("sink", SECS), ("source", SECS)) if proto == "TCP" else \
        (("usink", SECS), ("usource", SECS, "1400"))

    def f(dm):
        (n, ns, total), cpu = dm.measure(d, sink, source, 0)
        if not n:
            raise Fail("stalled")
        if proto == "TCP":
            return n * 8 / ns, cpu / total
        return cpu / total / 1e3, n * 1e6 / ns
    return f

def rr(mode, d):
    def f(dm):
        (p50, _), _ = dm.measure(d, ("echo",), (mode, SECS), 1)
        return p50 / 1e3,
    return f

def crr(d):
    def f(dm):
        (n, ns), cpu = dm.measure(d, ("oneshot",), ("crr", SECS), 1)
        return n * 1e9 / ns, cpu / n / 1e3
    return f

def startup(dm):
    if dm.impl.slirp:
        raise Fail("-")
    out = run(*dm.net.as_user(LOAD, "launch", "11", dm.impl.path,
                              "--config-net", "-q", "-t", "none", "-u", "none",
                              "-T", "none", "-U", "none", "--", "true"))
    if out.startswith("error"):
        raise Fail(out.strip())
    return float(out) / 1e6,

def idle(dm):
    if dm.turn > 30:
        raise Fail("not idle any more")
    return rss_kib(dm.pids) / 1024,

def held(dm):
    both = dm.pair("out", ("echo",), ("hold", str(IDLE_CONNS)))
    try:
        line_of(both[1])
        return rss_kib(dm.pids) / 1024,
    finally:
        for p in both:
            stop(p)

UP, DOWN = 1, -1		# which way is better
TCP = [("Gb/s", UP), ("CPU s/GB", DOWN)]
UDP = [("CPU us/datagram", DOWN), ("k/s received", UP)]
CRR = [("conn/s", UP), ("CPU us/conn", DOWN)]
P50, MIB, MS = [[(unit, DOWN)] for unit in ("p50 us", "MiB", "ms")]

def cells(vm):
    """-> (name, MTU of the guest, function, metrics, once only)"""
    big, dirs, pre = max(MTUS), ("out", "in"), "vm " if vm else ""
    yield f"{pre}RSS, idle", big, idle, MIB, True
    for mtu in MTUS:
        for d in dirs:
            yield f"{pre}TCP {d}", mtu, flood("TCP", d), TCP, False
    for d in dirs:
        yield f"{pre}UDP 1400 {d}", big, flood("UDP", d), UDP, False
    for mode, name in ("rr", "TCP_RR"), ("urr", "UDP_RR"):
        for d in dirs:
            yield f"{pre}{name} {d}", big, rr(mode, d), P50, False
    for d in dirs:
        yield f"{pre}TCP_CRR {d}", big, crr(d), CRR, False
    if not vm:
        yield "start, -- true", big, startup, MS, False
    yield f"{pre}RSS, {IDLE_CONNS} connections", big, held, MIB, True

# --- report ---
def short(x):
    return f"{x:.0f}" if x >= 100 else f"{x:.3g}"

def ratio(mine, other, way):
    """How many times better, pair by pair; median."""
    pairs = [(a / b) ** way for a, b in zip(mine, other) if a and b]
    return f"{statistics.median(pairs):.2f}" if pairs else "-"

def report(impls, results):
    head = ["cell", "MTU", "unit", *[i.name for i in impls],
            *[f"{impls[0].name} : {i.name}" for i in impls[1:]]]
    print("|", " | ".join(head), "|")
    print("|", " | ".join(["---", "--:", "---"] +
                          ["--:"] * (len(head) - 3)), "|")
    for name, mtu, _, metrics, _ in [*cells(False), *cells(True)]:
        for k, (unit, way) in enumerate(metrics):
            cols = [[r[k] if r else None for r in
                     results.get((name, mtu, i.name), [])] for i in impls]
            if not any(cols):
                continue
            row = [name, str(mtu), unit]
            for col in cols:
                good = [x for x in col if x is not None]
                row.append(short(statistics.median(good)) if good else "-")
            row += [ratio(cols[0], c, way) for c in cols[1:]]
            print("|", " | ".join(row), "|")

def main():
    global TMP, USERTMP, LOAD, PUMP, SECS
    ap = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--impl", action="append", metavar="NAME=PATH",
                    help="a pasta or slirp4netns program; may be repeated; "
                         "a passt beside a pasta is measured too")
    ap.add_argument("--runs", type=int, default=3)
    ap.add_argument("--secs", default="1", help="of one load")
    ap.add_argument("--only", default="", metavar="TEXT",
                    help="cells whose name contains it")
    a = ap.parse_args()
    if os.geteuid():
        sys.exit("bench.py makes namespaces and needs root")
    impls = [Impl(s) for s in
             a.impl or [f"pasta={os.path.join(HERE, '..', 'pasta')}"]]
    SECS = a.secs

    TMP = tempfile.mkdtemp(prefix="bench.")
    os.chmod(TMP, 0o755)
    USERTMP, LOAD, PUMP = (os.path.join(TMP, x)
                           for x in ("user", "load", "pump"))
    os.mkdir(USERTMP)
    os.chown(USERTMP, UID, UID)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        for program in LOAD, PUMP:
            run(os.environ.get("CC") or "cc", "-O2", "-std=c11",
                "-D_GNU_SOURCE", "-o", program, os.path.join(
                    HERE, "bench", os.path.basename(program) + ".c"))
        report(impls, measure_all(impls, a.runs, a.only))
    except Fail as e:
        sys.exit(str(e))
    finally:
        for p in reversed(list(STARTED)):
            stop(p)
        shutil.rmtree(TMP, ignore_errors=True)

def progress(text):
    if sys.stderr.isatty():
        print(f"\r{text:60}", end="\r", file=sys.stderr, flush=True)

def measure_all(impls, runs, only):
    results = {}
    for vm, mtu in [(vm, mtu) for vm in (False, True) for mtu in MTUS]:
        todo = [c for c in cells(vm) if c[1] == mtu and only in c[0]]
        daemons = []
        try:
            for i in impls if todo else ():
                if not vm:
                    daemons.append(i.kind(i, mtu))
                elif i.has_passt:
                    daemons.append(Passt(i, mtu))
            for name, _, f, _, once in todo:
                for n in range(1 if once else runs):
                    for dm in daemons:
                        progress(f"{name}, MTU {mtu}: run {n + 1}")
                        r = results.setdefault((name, mtu, dm.impl.name), [])
                        try:
                            r.append(f(dm))
                        except (Fail, OSError) as e:
                            r.append(None)
                            if str(e) != "-":
                                print(f"{name}, MTU {mtu}: {dm.impl.name}: "
                                      f"{e}", file=sys.stderr)
        finally:
            for dm in daemons:
                dm.close()
    return results

if __name__ == "__main__":
    main()
