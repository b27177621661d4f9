# SPDX-License-Identifier: GPL-2.0-or-later
"""What the end-to-end tests share.

    remote   10.77.0.3  fd77::3     also the gateway, 10.77.0.1 and fd77::1
       | veth, MTU 65520
    host     10.77.0.2  fd77::2     the daemon's sockets
       | pasta or passt, as an unprivileged user
    guest    where pasta's command runs, or PumpGuest

Tests run as root (else they skip). A namespace is known by the pid of a
process in it; sockets are made in any of them by socket_in(), and used from
here. Nothing is left behind: processes started here, and whatever they
started, carry E2E_TAG in their environment, and are ended by pid at exit.
"""
import atexit
import ctypes
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HOST = {4: "10.77.0.2", 6: "fd77::2"}
REMOTE = {4: "10.77.0.3", 6: "fd77::3"}
GW = {4: "10.77.0.1", 6: "fd77::1"}
LOOP = {4: "127.0.0.1", 6: "::1"}
ANY = {4: "0.0.0.0", 6: "::"}
AF = {4: socket.AF_INET, 6: socket.AF_INET6}
UID = 12345
LIBC = ctypes.CDLL(None, use_errno=True)
TAG = f"E2E_TAG={os.getpid()}"

# --- TAP output ---

_count = _failed = 0
_lock = threading.Lock()


def ok(cond, name, detail=""):
    """One test line; @detail is shown if it failed. Returns @cond."""
    global _count, _failed
    with _lock:
        _count += 1
        _failed += not cond
        print(f"{'ok' if cond else 'not ok'} {_count} - {name}", flush=True)
    if not cond and str(detail):
        note(detail)
    return cond


def note(text):
    for line in str(text).splitlines():
        print(f"# {line}", flush=True)


def skip(name, why):
    global _count
    _count += 1
    print(f"ok {_count} - {name} # SKIP {why}", flush=True)


def done():
    print(f"1..{_count}", flush=True)
    sys.exit(1 if _failed or not _count else 0)


def need_root():
    if os.geteuid():
        print("1..0 # SKIP needs root, to make namespaces")
        sys.exit(0)


class case:
    """with case("name"): an exception inside is a failed test, not the end."""

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        return self

    def __exit__(self, kind, e, tb):
        if e is None or not isinstance(e, Exception):
            return False
        while tb.tb_next and tb.tb_next.tb_frame.f_code.co_filename == \
                sys.argv[0]:
            tb = tb.tb_next
        ok(False, self.name, f"line {tb.tb_lineno}: {kind.__name__}: {e}")
        return True


# --- processes ---

def _environ(env=None):
    e = dict(os.environ, E2E_TAG=str(os.getpid()))
    e.update(env or {})
    return e


def start(argv, env=None, **kw):
    kw.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.Popen(argv, env=_environ(env), **kw)


def same_words(text):
    """Of errors: glibc's where a program with musl said the same."""
    for musl, glibc in (
            ("Address in use", "Address already in use"),
            ("Address not available", "Cannot assign requested address")):
        text = text.replace(musl, glibc)
    return text


def run(*argv, check=True, timeout=30, **kw):
    r = subprocess.run(argv, capture_output=True, text=True, timeout=timeout,
                       env=_environ(), **kw)
    r.stderr = same_words(r.stderr)
    if check and r.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {r.stdout}{r.stderr}")
    return r


def wait_for(what, cond, seconds=10, proc=None):
    """Poll until cond() is true; returns its value."""
    end = time.monotonic() + seconds
    while True:
        v = cond()
        if v:
            return v
        if proc is not None and proc.poll() is not None:
            raise RuntimeError(f"{what}: process ended: {proc.returncode}")
        if time.monotonic() > end:
            raise RuntimeError(f"{what}: not within {seconds} s")
        time.sleep(0.01)


def read(path):
    try:
        with open(path) as f:
            return f.read()
    except OSError:
        return ""


def comm(pid):
    return read(f"/proc/{pid}/comm").strip()


def alive(pid):
    """Running, any thread of it, and not just waiting to be waited for."""
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return False
    stats = [read(f"/proc/{pid}/task/{t}/stat") for t in tasks]
    return any(s and s.rsplit(")", 1)[1].split()[0] not in "ZX" for s in stats)


def children(pid):
    out = []
    try:
        for t in os.listdir(f"/proc/{pid}/task"):
            for c in map(int, read(f"/proc/{pid}/task/{t}/children").split()):
                out += [c] + children(c)
    except OSError:
        pass
    return out


def status(pid, field):
    for line in read(f"/proc/{pid}/status").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise RuntimeError(f"{pid}: no {field}")


def busy():
    """Does everything take longer now than it would: other work here, or a
    build with sanitizers?"""
    return bool(os.environ.get("DEBUG")) or os.getloadavg()[0] > os.cpu_count()


def cpu(pid):
    """CPU seconds used."""
    return sum(int(read(f"/proc/{pid}/task/{t}/schedstat").split()[0]) / 1e9
               for t in os.listdir(f"/proc/{pid}/task"))


def stretch():
    """By how much longer work takes now than on an idle machine: 1 or more"""
    t, c = time.monotonic(), time.thread_time()
    while time.thread_time() - c < 0.1:
        pass
    return max(1, (time.monotonic() - t) / 0.1)


def tagged():
    """pids of everything that was started from here and still runs."""
    out = []
    for p in os.listdir("/proc"):
        if not p.isdigit() or int(p) == os.getpid():
            continue
        try:
            with open(f"/proc/{p}/environ", "rb") as f:
                if TAG.encode() in f.read().split(b"\0") and alive(p):
                    out.append(int(p))
        except OSError:
            pass
    return out


def stop(proc, sig=signal.SIGTERM):
    """End a process; returns its status."""
    if proc.poll() is None:
        proc.send_signal(sig)
    try:
        return proc.wait(3)
    except subprocess.TimeoutExpired:
        proc.kill()
        return proc.wait()


@atexit.register
def _cleanup():
    for _ in range(3):
        for p in tagged():
            try:
                os.kill(p, signal.SIGKILL)
            except OSError:
                pass
    if _tmp:
        shutil.rmtree(_tmp, ignore_errors=True)


signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))

_tmp = None
_making = threading.Lock()      # of programs, by several threads


def tmp(name=""):
    """A path in a directory that the unprivileged user may write to."""
    global _tmp
    if not _tmp:
        _tmp = tempfile.mkdtemp(prefix="e2e.")
        os.chown(_tmp, UID, UID)
        os.chmod(_tmp, 0o755)
    return os.path.join(_tmp, name)


# --- namespaces ---

def enter(pid, *argv):
    """Command line for @argv in the network namespace of @pid."""
    return ["nsenter", f"--net=/proc/{pid}/ns/net", *argv]


def ip(pid, text):
    return run(*enter(pid, "ip", *text.split()))


def _setns(fd):
    if LIBC.setns(fd, 0x40000000):
        raise OSError(ctypes.get_errno(), "setns")


_home = os.open("/proc/self/ns/net", os.O_RDONLY)


def socket_in(pid, v=4, kind=socket.SOCK_STREAM, proto=0, af=None):
    """A socket of IP version @v in the namespace of @pid (per thread)."""
    with open(f"/proc/{pid}/ns/net") as f:
        _setns(f.fileno())
    try:
        s = socket.socket(AF[v] if af is None else af, kind, proto)
    finally:
        _setns(_home)
    s.settimeout(20)
    return s


def listen_in(pid, v=4, addr=None, port=0, backlog=4096):
    s = socket_in(pid, v)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((addr or ANY[v], port))
    s.listen(backlog)
    return s


def sockaddr(addr, port):
    """For @addr with a zone, as a number, or without."""
    addr, _, zone = addr.partition("%")
    return (addr, port, 0, int(zone)) if zone else (addr, port)


def connect_in(pid, addr, port, timeout=20, source=None):
    s = socket_in(pid, 6 if ":" in addr else 4)
    s.settimeout(timeout)
    if source:
        s.bind((source, 0))
    s.connect(sockaddr(addr, port))
    return s


def open_ports(pid, table, state):
    """Numbers of ports in a namespace, as the kernel prints them: @table
    "tcp" or "udp", of both IP versions"""
    found = set()
    for t in (table, table + "6"):
        for line in open(f"/proc/{pid}/net/{t}").readlines()[1:]:
            word = line.split()
            if word[3] == state:
                found.add(int(word[1].split(":")[1], 16))
    return found


def tcp_ports(pid):
    return open_ports(pid, "tcp", "0A")


def recv_all(s, n=None):
    """Up to @n bytes, or to the end."""
    out = bytearray()
    while n is None or len(out) < n:
        b = s.recv(1 << 16 if n is None else min(1 << 16, n - len(out)))
        if not b:
            break
        out += b
    return bytes(out)


def arrives(s, data, r, tries=4):
    """Send @data by the connected datagram socket @s until something arrives at
    @r -> data, address. What crosses from one namespace to another waits in a
    queue of the kernel's, one for all of this machine, and is lost when others
    fill that, such as a test of floods."""
    for _ in range(tries):
        s.send(data)
        if select.select([r], [], [], 3)[0]:
            return r.recvfrom(1 << 16)
    raise TimeoutError(f"{len(data)} bytes: lost again and again")


def queue_losses():
    """What that queue has lost so far: all else that was lost, was by somebody
    else"""
    return sum(int(l.split()[1], 16)
               for l in read("/proc/net/softnet_stat").splitlines())


def counter(pid, name):
    """A counter of /proc/net/netstat or snmp, such as TcpExtTCPTimeouts."""
    for f in "netstat", "snmp":
        lines = read(f"/proc/{pid}/net/{f}").splitlines()
        for keys, values in zip(lines[::2], lines[1::2]):
            head, keys = keys.split(":")
            for k, v in zip(keys.split(), values.split(":")[1].split()):
                if head + k == name:
                    return int(v)
    raise RuntimeError(f"no counter {name}")


def holder(*flags):
    """A process that keeps new namespaces."""
    p = start(["unshare", *flags, "sleep", "infinity"])
    wait_for("namespace", lambda: comm(p.pid) == "sleep", proc=p)
    return p


def tune(pid):
    """The same stack everywhere."""
    run(*enter(pid, "sh", "-c", """
        echo reno >/proc/sys/net/ipv4/tcp_congestion_control
        echo '0 2147483647' >/proc/sys/net/ipv4/ping_group_range
        exit 0"""), check=False)


class Wire:
    """test/bench/wire.c between two @ends, "PID:DEVICE" or the path of
    passt's socket; @mount is a pid with a /dev/net/tun. Options as there:
    "-d", 1000 is a millisecond each way."""

    def __init__(self, mount, ends, *opts):
        self.proc = start(["nsenter", f"--mount=/proc/{mount}/ns/mnt",
                           tool("wire"), *map(str, opts), *ends],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            self.answer("ready")
        except RuntimeError:
            self.stop()
            raise

    def answer(self, want=""):
        if not select.select([self.proc.stdout], [], [], 10)[0]:
            raise RuntimeError("wire: no answer")
        line = self.proc.stdout.readline().decode().strip()
        if not line.startswith(want) or not line:
            raise RuntimeError(f"wire: {line or 'ended'}")
        return line

    def set(self, *opts):
        """Change options; the others stay as they were."""
        self.proc.stdin.write((" ".join(map(str, opts)) + "\n").encode())
        self.proc.stdin.flush()
        self.answer("ready")

    def counts(self):
        """What happened to frames from the first end, and the second."""
        self.proc.stdin.write(b"counts\n")
        self.proc.stdin.flush()
        n = [int(x) for x in self.answer().split()]
        names = "frames bytes lost lost_bytes twice late over".split()
        return dict(zip(names, n[:7])), dict(zip(names, n[7:]))

    def stop(self):
        stop(self.proc)
        self.proc.stdin.close()
        self.proc.stdout.close()


class Topo:
    """The host and the remote; .host and .remote are pids. With @wire, options
    of wire.c, that takes the place of the veth pair."""

    def __init__(self, mtu=65520, wire=None):
        self.procs = [holder("--net", "--mount"), holder("--net")]
        self.host, self.remote = h, r = [p.pid for p in self.procs]
        for n in h, r:
            tune(n)
            ip(n, "link set lo up")
        self.in_host("sh", "-ec", """
            mkdir -p /dev/net
            mount -t tmpfs -o mode=755 tun /dev/net
            mknod /dev/net/tun c 10 200
            chmod 666 /dev/net/tun""")
        if wire is None:
            ip(h, f"link add eth0 type veth peer name eth0 netns {r}")
        else:
            self.wire = Wire(h, [f"{h}:eth0", f"{r}:eth0"], *wire)
            self.procs.append(self.wire.proc)
        for n, addrs in ((h, [HOST]), (r, [REMOTE, GW])):
            ip(n, f"link set eth0 mtu {mtu} up")
            for a in addrs:
                ip(n, f"addr add {a[4]}/24 dev eth0")
                ip(n, f"addr add {a[6]}/64 dev eth0 nodad")
        for v in 4, 6:
            ip(h, f"-{v} route add default via {GW[v]}")
        self.program = self._program("PASTA")

        def settled():
            return all("tentative" not in ip(n, "-6 addr").stdout and
                       "fe80" in ip(n, "-6 addr").stdout for n in (h, r))
        wait_for("addresses", settled)

    def in_host(self, *argv, **kw):
        """Run as root in the host's namespaces."""
        return run("nsenter", f"--mount=/proc/{self.host}/ns/mnt",
                   *enter(self.host, *argv), **kw)

    def resolvers(self, *lines):
        """What the host's resolv.conf says (by default it is the machine's,
        about which no test may know anything)."""
        with open(tmp("resolv.conf"), "w") as f:
            f.write("".join(f"{l}\n" for l in lines))
        if tmp("resolv.conf") not in read(f"/proc/{self.host}/mountinfo"):
            self.in_host("mount", "--bind", tmp("resolv.conf"),
                         os.path.realpath("/etc/resolv.conf"))

    def as_user(self, *argv):
        """Command line for @argv in the host's namespaces, unprivileged."""
        return ["nsenter", f"--net=/proc/{self.host}/ns/net",
                f"--mount=/proc/{self.host}/ns/mnt", "setpriv",
                f"--reuid={UID}", f"--regid={UID}", "--clear-groups",
                "--inh-caps=-all", *argv]

    def _program(self, variable):
        name = variable.lower()
        path = os.path.abspath(os.environ.get(variable) or os.path.join(
            os.path.dirname(sys.argv[0]), "..", "..", name))
        if run(*self.as_user("test", "-x", path), check=False).returncode:
            # A tree below somebody's home: take a copy
            with _making:
                if not os.path.exists(tmp(name)):
                    shutil.copy(path, tmp(name))
            path = tmp(name)
        return path

    def run_pasta(self, *argv, timeout=15, **kw):
        """Run to its end; the result has returncode, stdout, stderr."""
        return run(*self.as_user(self.program, *argv), check=False,
                   timeout=timeout, cwd="/", **kw)

    def pasta(self, *opts, command=("sleep", "infinity"), env=None,
              config=True, quiet=True, auto=False, waits=False):
        """Start pasta with a command and wait until that runs. Ports that are
        not given are not forwarded, or, with @auto, as pasta likes best. With
        @waits, those of -t listen when somebody inside does, as is the
        default; else always, so that tests need not wait for that."""
        ports = [("-t", "--tcp-ports"), ("-u", "--udp-ports"),
                 ("-T", "--tcp-ns"), ("-U", "--udp-ns")]
        none = [w for p in ports if not auto and not set(p) & set(opts)
                for w in (p[0], "none")]
        return Pasta(self, [*(["--config-net"] if config else []), "-f",
                            *(["-q"] if quiet else []), *none,
                            *([] if waits else ["--listen-always"]), *opts],
                     command, env)

    def passt(self, *opts, **kw):
        """Start passt and wait until its socket can be connected to."""
        return Passt(self, opts, **kw)

    def user_ns(self):
        """A process of the user in new user and network namespaces."""
        p = start(self.as_user("unshare", "-Urn", "sleep", "infinity"))
        wait_for("namespace", lambda: comm(p.pid) == "sleep", proc=p)
        tune(p.pid)
        ip(p.pid, "link set lo up")
        return p


def nothing_refused(daemon):
    """A failed line if its filter of system calls refused one. No other line:
    this is so in all tests."""
    if daemon.log.closed:
        return
    refused = [l for l in daemon.text().splitlines() if "please report" in l]
    if refused:
        ok(False, "no system call is refused", "\n".join(refused))


class Pasta:
    """A running daemon: .proc, .pid, .guest (pid of the command)."""

    def __init__(self, topo, opts, command, env):
        self.topo = topo
        self.log = open(tmp(f"log{time.monotonic_ns()}"), "w+")
        self.proc = start(topo.as_user(topo.program, *opts, "--", *command),
                          env, stdout=self.log, stderr=self.log, cwd="/")
        self.pid = self.proc.pid
        name = os.path.basename(command[0])
        try:
            self.guest = wait_for("command", lambda: [
                c for c in children(self.pid) if comm(c) == name],
                proc=self.proc)[0]
            tune(self.guest)
            if "--config-net" in opts:
                wait_for("configuration", self.configured, proc=self.proc)
        except RuntimeError as e:
            text = self.text()
            self.stop()
            raise RuntimeError(f"{e}; {text}") from None

    def configured(self):
        return "tentative" not in ip(self.guest, "-6 addr").stdout

    def text(self):
        """What it said so far."""
        self.log.flush()
        return same_words(read(self.log.name))

    def stop(self):
        kids = children(self.pid)
        rc = stop(self.proc)
        for k in filter(comm, kids):
            os.kill(k, signal.SIGKILL)
        nothing_refused(self)
        self.log.close()
        return rc

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()


class Passt:
    """A running daemon for virtual machines: .proc, .pid, .sock (path); and
    .guest, the pid of the PumpGuest that was made last."""

    def __init__(self, topo, opts, env=None, quiet=True):
        self.topo, self.guest = topo, None
        n = time.monotonic_ns()
        self.sock, self.log = tmp(f"sock{n}"), open(tmp(f"log{n}"), "w+")
        self.proc = start(topo.as_user(
            topo._program("PASST"), "-f", *(["-q"] if quiet else []),
            "-s", self.sock, *opts), env, stdout=self.log, stderr=self.log,
            cwd="/")
        self.pid = self.proc.pid
        try:
            wait_for("socket", self.listening, proc=self.proc)
        except RuntimeError as e:
            text = self.text()
            self.stop()
            raise RuntimeError(f"{e}; {text}") from None

    def listening(self):
        """Looked up, not tried: a client that comes and goes is an event."""
        return any(l.split()[3] == "00010000" and l.endswith(" " + self.sock)
                   for l in read(f"/proc/{self.topo.host}/net/unix")
                   .splitlines())

    def fds(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def connect(self):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(5)
        s.connect(self.sock)
        return s

    text = Pasta.text

    def stop(self):
        rc = stop(self.proc)
        nothing_refused(self)
        self.log.close()
        return rc

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()


class PumpGuest:
    """A namespace as the guest of a Passt: its tap, TAP, and the socket are
    joined by test/bench/pump.c. .pid is in the namespace, .pump the pump.

    @config: addresses and routes as passt would hand out; else the device is
    down and has none. @opts are the pump's."""

    TAP = "eth0"

    def __init__(self, passt, *opts, mtu=65520, config=True):
        self.procs = [holder("--net")]
        self.pid = passt.guest = self.procs[0].pid
        try:
            self.join(passt, *opts)
            tune(self.pid)
            ip(self.pid, "link set lo up")
            if config:
                self.configure(mtu)
        except RuntimeError:
            self.stop()
            raise

    def join(self, passt, *opts):
        self.pump = start(["nsenter", f"--net=/proc/{self.pid}/ns/net",
                           f"--mount=/proc/{passt.topo.host}/ns/mnt",
                           tool("pump"), *opts, passt.sock, self.TAP],
                          stdout=subprocess.PIPE)
        self.procs.append(self.pump)
        self.connected()

    def at_once(self):
        """No advertised addresses, and no waiting for one's own."""
        run(*enter(self.pid, "sh", "-c",
                   f"cd /proc/sys/net/ipv6/conf/{self.TAP}; "
                   "echo 0 >accept_ra; echo 0 >accept_dad"))

    def configure(self, mtu):
        self.at_once()
        ip(self.pid, f"link set {self.TAP} mtu {mtu} up")
        ip(self.pid, f"addr add {HOST[4]}/24 dev {self.TAP}")
        ip(self.pid, f"addr add {HOST[6]}/64 dev {self.TAP} nodad")
        for v in 4, 6:
            ip(self.pid, f"-{v} route add default via {GW[v]}")
        wait_for("link-local address", self.settled)

    def settled(self):
        out = ip(self.pid, f"-6 addr show dev {self.TAP}").stdout
        return "fe80" in out and "tentative" not in out

    def connected(self, times=1):
        """Wait until the pump has connected so often (again)."""
        for _ in range(times):
            if not select.select([self.pump.stdout], [], [], 10)[0] or \
                    os.read(self.pump.stdout.fileno(), 6) != b"ready\n":
                raise RuntimeError("pump: not connected")

    def signal(self, sig):
        self.pump.send_signal(sig)

    def stop(self):
        for p in reversed(self.procs):
            stop(p)
        self.pump.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()


class WireGuest(PumpGuest):
    """The same over a bad wire, .wire; @opts are those of wire.c. First end:
    the guest, second: passt."""

    def join(self, passt, *opts):
        self.wire = Wire(passt.topo.host, [f"{self.pid}:{self.TAP}",
                                           passt.sock], *opts)
        self.pump = self.wire.proc
        self.procs.append(self.pump)


def tool(name):
    """A program of test/bench, made when first asked for."""
    path = tmp(name)
    with _making:
        if not os.path.exists(path):
            run(os.environ.get("CC") or "cc", "-O2", "-std=c11",
                "-D_GNU_SOURCE", "-o", path,
                os.path.join(os.path.dirname(sys.argv[0]), "..", "bench",
                             f"{name}.c"))
    return path


# --- loads, in processes of their own ---

class Forked:
    """Run f(*args) in a forked process; .result() is what it returned (text
    or None), an exception there is one here."""

    def __init__(self, f, *args):
        self.r, w = os.pipe()
        self.pid = os.fork()
        if self.pid:
            os.close(w)
            return
        rc = 1
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            LIBC.prctl(1, signal.SIGKILL)
            v = f(*args)
            os.write(w, ("" if v is None else str(v)).encode())
            rc = 0
        except BaseException as e:
            os.write(w, f"{type(e).__name__}: {e}".encode())
        finally:
            os._exit(rc)

    def ended(self):
        return bool(select.select([self.r], [], [], 0)[0])

    def result(self, timeout=120):
        text = b""
        end = time.monotonic() + timeout
        poll = select.poll()
        poll.register(self.r, select.POLLIN)
        while poll.poll(max(0, 1000 * (end - time.monotonic()))):
            b = os.read(self.r, 4096)
            if not b:
                break
            text += b
        else:
            os.kill(self.pid, signal.SIGKILL)
            text = f"no end within {timeout} s".encode()
        os.close(self.r)
        rc = os.waitpid(self.pid, 0)[1]
        if rc:
            raise RuntimeError(text.decode() or f"load: status {rc}")
        return text.decode()

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.r)
