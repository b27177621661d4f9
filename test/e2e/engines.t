#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Those who start us, themselves: podman, buildah, rootlesskit and libvirt of
Debian 13, with their usual network, which is us, all as an ordinary user.

ENGINES: a directory for the Debian 13 in which they run, made by the first run
with debootstrap, 1 GB (make check-engines). Without it, nothing is done:
callers.t has their command lines, and takes no Debian. What they write goes to
memory and is gone with the test.
"""
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
from lib import *       # noqa: E402
import vm               # noqa: E402

need_root()
ROOT = os.environ.get("ENGINES")
if not ROOT:
    print("1..0 # SKIP make check-engines runs it")
    sys.exit(0)
ROOT = os.path.abspath(ROOT)
PACKAGES = ("podman buildah rootlesskit netavark aardvark-dns uidmap crun "
            "catatonit busybox-static iproute2 nftables curl procps "
            "ca-certificates fuse-overlayfs libvirt-daemon libvirt-clients "
            "libvirt-daemon-driver-qemu qemu-system-x86 seabios ipxe-qemu")
APPLETS = ("sh cat ls ip ifconfig wget httpd nslookup sleep seq head "
           "md5sum").split()
ME = 1000
PUBLIC = "192.0.2.77"           # of any name, says the resolver outside

# All of a machine but the kernel and the network, and its first process, with
# which all others end
SETUP = f"""
mount --make-rprivate /
mount --bind "$1" "$1"
cd "$1"
mount -t proc proc proc
mount -t sysfs sys sys
mount -t cgroup2 cgroup sys/fs/cgroup
mount -t tmpfs -o mode=755 dev dev
mkdir dev/pts dev/shm dev/net
chmod 1777 dev/shm
for d in null zero full random urandom tty fuse; do
    [ ! -e /dev/$d ] || {{ touch dev/$d; mount --bind /dev/$d dev/$d; }}
done
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mknod -m 666 dev/net/tun c 10 200
for d in tmp run home usr/local; do mount -t tmpfs -o mode=755 tmp $d; done
chmod 1777 tmp
mkdir -p run/user/{ME} home/me usr/local/bin run/old
chown {ME}:{ME} run/user/{ME} home/me
cp "$2" usr/local/bin/passt
ln -s passt usr/local/bin/pasta
pivot_root . run/old
umount -l /run/old
echo 'nameserver {REMOTE[4]}' >/run/resolv.conf
mount --bind /run/resolv.conf /etc/resolv.conf
touch /run/ready
exec catatonit -P
"""


def make_root():
    if os.path.exists(f"{ROOT}/made"):
        return
    note("Debian 13 is unpacked, which takes minutes")
    os.makedirs(ROOT, exist_ok=True)
    for argv in ("debootstrap", "--variant=minbase", "trixie", ROOT), \
            ("chroot", ROOT, "env", "DEBIAN_FRONTEND=noninteractive",
             "apt-get", "install", "-y", "-q", "--no-install-recommends",
             *PACKAGES.split()):
        r = run(*argv, check=False, timeout=1500)
        if r.returncode:
            print(f"Bail out! {argv[0]}: {r.stdout[-500:]}{r.stderr[-500:]}")
            sys.exit(1)
    run("chroot", ROOT, "useradd", "-u", str(ME), "-m", "me")
    with open(f"{ROOT}/etc/hosts", "w") as f:
        f.write("127.0.0.1 localhost\n::1 localhost\n")
    open(f"{ROOT}/made", "w").close()


class Machine:
    def __init__(self, topo):
        self.proc = start(enter(topo.host, "unshare", "-mpf", "--kill-child",
                                "sh", "-ec", SETUP, "sh", ROOT, topo.program))

        def first():
            kids = children(self.proc.pid)
            return kids and os.path.exists(f"/proc/{kids[0]}/root/run/ready") \
                and kids[0]
        self.pid = wait_for("Debian", first, 20, self.proc)

    def argv(self, script):
        return ["nsenter", "-t", str(self.pid), "--mount", "--pid", "--net",
                "setpriv", f"--reuid={ME}", f"--regid={ME}", "--init-groups",
                "--inh-caps=-all", "env", "HOME=/home/me",
                f"XDG_RUNTIME_DIR=/run/user/{ME}", "PATH=/usr/local/bin:"
                "/usr/bin:/bin:/usr/sbin:/sbin", "sh", "-ec",
                "cd; " + script]

    def sh(self, script, timeout=90):
        """-> all it says; raises if it fails."""
        rc, text = self.fails(script, timeout)
        if rc:
            raise RuntimeError(f"{script}: {rc} {text}")
        return text

    def fails(self, script, timeout=90):
        """-> status, all it says"""
        r = run(*self.argv(script), timeout=timeout, check=False)
        return r.returncode, r.stdout + r.stderr

    def ours(self):
        """Command lines of our daemons there."""
        return [l for l in self.sh("ps -o args= -C pasta,passt || :")
                .splitlines() if "defunct" not in l]

    def none_left(self, name):
        try:
            wait_for("end", lambda: not self.ours(), 3)
            ok(True, f"{name}: no daemon stays")
        except RuntimeError:
            ok(False, f"{name}: no daemon stays", "\n".join(self.ours()))


class Outside:
    """Servers of the remote: a page, and a resolver that knows all names."""

    def __init__(self, topo):
        for v in 4, 6:
            l = socket_in(topo.remote, v)
            l.settimeout(None)
            if v == 6:
                l.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            l.bind((ANY[v], 8000))
            l.listen()
            threading.Thread(target=self.page, args=(l,), daemon=True).start()
        self.dns = socket_in(topo.remote, 4, socket.SOCK_DGRAM)
        self.dns.settimeout(None)
        self.dns.bind((REMOTE[4], 53))
        threading.Thread(target=self.names, daemon=True).start()

    @staticmethod
    def page(l):
        while True:
            s, peer = l.accept()
            with s:
                s.recv(4096)
                s.sendall(b"HTTP/1.0 200 OK\r\n\r\nclient is " +
                          peer[0].encode() + b"\n")

    def names(self):
        while True:
            q, peer = self.dns.recvfrom(512)
            end = q.index(b"\0", 12) + 5
            a = q[end - 4:end - 2] == b"\0\1"
            answer = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + \
                socket.inet_aton(PUBLIC) if a else b""
            self.dns.sendto(q[:2] + b"\x81\x80\0\1" + struct.pack(">H", a) +
                            b"\0\0\0\0" + q[12:end] + answer, peer)


def fetch(pid, address, port, seconds=5):
    """What a web server says to who comes from there, once it listens."""
    end = time.monotonic() + seconds
    while True:
        try:
            with connect_in(pid, address, port, 5) as c:
                c.sendall(b"GET / HTTP/1.0\r\n\r\n")
                text = recv_all(c).decode()
            if text.startswith("HTTP/"):
                return text.splitlines()[-1]
        except OSError as e:
            text = e
        if time.monotonic() > end:
            raise RuntimeError(f"{address} port {port}: {text}")
        time.sleep(0.02)


def has(name, text, *words):
    ok(all(w in text for w in words), name, f"{text}\nnot all of {words}")


SERVE = "img httpd -f -h /www -p 80"


def image(m):
    m.sh("mkdir -p i/bin i/etc i/tmp i/www b; cp /bin/busybox i/bin; "
         f"for a in {' '.join(APPLETS)}; do ln -s busybox i/bin/$a; done; "
         "echo inside >i/www/index.html; "
         "tar -C i -cf img.tar .; podman import -q img.tar img; "
         "echo 'FROM localhost/img' >b/Containerfile; "
         f"echo 'RUN wget -qO- http://{REMOTE[4]}:8000/' >>b/Containerfile")


def usual(m):
    out = m.sh("podman info")
    has("podman: we are what it takes", out, "/usr/local/bin/pasta",
        "rootlessNetworkCmd: pasta")
    out = m.sh("podman run --rm img sh -c 'ifconfig; ip route; "
               f"wget -qO- http://{REMOTE[4]}:8000/; "
               f"wget -qO- http://[{REMOTE[6]}]:8000/; nslookup any.example'")
    has("podman: the host's addresses and route", out, HOST[4], HOST[6],
        f"default via {GW[4]}")
    has("podman: reaches the outside", out, f"client is {HOST[4]}",
        f"client is {HOST[6]}")
    has("podman: names are looked up", out, PUBLIC)
    m.none_left("podman")


def published(m):
    m.sh(f"podman run -q -d --name web -p 8080:80 -p 127.0.0.1:8081:80 {SERVE}")
    for where, a, port in (("remote", HOST[4], 8080), ("remote", HOST[6], 8080),
                           ("host", LOOP[4], 8080), ("host", LOOP[6], 8080),
                           ("host", HOST[4], 8080), ("host", LOOP[4], 8081)):
        with case(f"podman: {where}, {a}"):
            ok(fetch(getattr(topo, where), a, port) == "inside",
               f"podman: published port, {where} to {a} port {port}")
    rc, text = m.fails("podman run --rm -p 8080:80 img true")
    ok(rc == 126 and "8080" in text and "in use" in text,
       "podman: port in use: it says so", f"{rc} {text}")
    bad = []
    for _ in range(6):
        rc, text = m.fails("podman restart -t 0 web")
        if rc or fetch(topo.remote, HOST[4], 8080) != "inside":
            bad.append(text)
    ok(not bad, "podman: restarted, it serves again, six times",
       "\n".join(bad))
    m.sh("podman rm -f -t 0 web")
    m.none_left("podman rm")


def options(m):
    with listen_in(topo.host, 4, "127.0.0.1", 8000) as l:
        threading.Thread(target=lambda: Outside.page(l), daemon=True).start()
        get = "img wget -T 3 -qO- http://%s:8000/"
        out = m.sh("podman run --rm --network pasta:-T,8000 " +
                   get % LOOP[4])
        has("podman: -T leads to the host's loopback", out,
            f"client is {LOOP[4]}")
        out = m.sh("podman run --rm --network pasta:--map-gw " + get % GW[4])
        has("podman: --map-gw, too", out, f"client is {LOOP[4]}")
        out = m.sh("podman run --rm " + get % GW[4])
        has("podman: else the gateway is the gateway", out,
            f"client is {HOST[4]}")
    with listen_in(topo.host, 4, HOST[4], 8000) as l:
        threading.Thread(target=lambda: Outside.page(l), daemon=True).start()
        out = m.sh("podman run --rm " + get % "host.containers.internal")
        has("podman: host.containers.internal is the host", out,
            "client is")
    out = m.sh("podman run --rm --network pasta:-a,10.9.9.9,-n,24,-g,10.9.9.1,"
               "-I,tap7,-m,1400 img sh -c 'ifconfig; ip route'")
    has("podman: addresses, name and MTU", out, "10.9.9.9", "tap7", "MTU:1400",
        "default via 10.9.9.1")
    rc, text = m.fails("podman run --rm --network pasta:-t,99999 img true")
    ok(rc == 126 and "99999" in text, "podman: a bad option is named", text)
    m.none_left("podman, options")


def bridge(m):
    m.sh("podman network create n1; "
         f"podman run -q -d --name b1 --network n1 -p 8090:80 {SERVE}")
    ok(fetch(topo.remote, HOST[4], 8090) == "inside",
       "podman, bridge: published port")
    out = m.sh(f"podman run --rm --network n1 img sh -c '"
               f"wget -qO- -T 5 http://b1/; wget -qO- -T 5 "
               f"http://{REMOTE[4]}:8000/; nslookup any.example'")
    has("podman, bridge: by name, outside, and names outside", out, "inside",
        "client is", PUBLIC)
    ok(len(m.ours()) == 1, "podman, bridge: one daemon for all", m.ours())
    m.sh("podman rm -f -t 0 b1; podman network rm n1")
    m.none_left("podman, bridge")


def many(m):
    m.sh("for i in 1 2 3 4 5 6 7 8; do podman run -q -d --name m$i "
         f"-p 810$i:80 {SERVE} & done; wait")
    bad = [i for i in range(1, 9)
           if fetch(topo.remote, HOST[4], 8100 + i) != "inside"]
    ok(not bad, "podman: eight at once", bad)
    m.sh("podman pod create --name p -p 8110:80; "
         f"podman run -q -d --pod p {SERVE}")
    ok(fetch(topo.remote, HOST[6], 8110) == "inside", "podman: a pod")
    m.sh("podman rm -f -t 0 -a; podman pod rm -f p")
    m.none_left("podman, many")


def build(m):
    for name, how in (("podman build", "podman build --no-cache b"),
                      ("podman build, pasta", "podman build --no-cache "
                       "--network pasta b"),
                      ("buildah", "buildah bud --no-cache b")):
        with case(name):
            has(f"{name}: a step reaches the outside", m.sh(how + " 2>&1"),
                f"client is {HOST[4]}")
    m.none_left("builds")


def rootlesskit(m):
    start_it = "rootlesskit --net=pasta --port-driver=implicit " \
        "--copy-up=/etc --disable-host-loopback "
    get = f"curl -s -m 5 http://{REMOTE[4]}:8000/"
    with case("rootlesskit: outside"):
        out = m.sh(start_it + f"sh -c '{get}; ip addr'")
        has("rootlesskit: reaches the outside", out, "10.0.2.100",
            f"client is {HOST[4]}")
    with case("rootlesskit: detached"):
        out = m.sh(start_it + "--detach-netns sh -c '"
                   f"nsenter -n$ROOTLESSKIT_STATE_DIR/netns {get}'")
        has("rootlesskit: a detached namespace, too", out,
            f"client is {HOST[4]}")
    with case("rootlesskit: ports"):
        p = start(m.argv(start_it + "busybox httpd -f -h /home/me/i/www "
                         "-p 8077"), stderr=subprocess.DEVNULL)
        try:
            ok(fetch(topo.remote, HOST[4], 8077, 8) == "inside",
               "rootlesskit: a port is found and published")
        finally:
            m.sh("pkill -x rootlesskit || :")
            stop(p)
    m.none_left("rootlesskit")


# --- libvirt ---

# Text of a domain, by how its interface is connected
DOMAIN = """
<domain type='qemu'><name>vm</name>
<memory unit='MiB'>256</memory><vcpu>1</vcpu><cpu mode='maximum'/>
<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>
<os><type arch='x86_64' machine='pc'>hvm</type>
<kernel>/home/me/vmlinuz</kernel><initrd>/home/me/initramfs</initrd>
<cmdline>%s</cmdline></os>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
<serial type='file'><source path='/home/me/console'/></serial>
<serial type='unix'><source mode='bind' path='/home/me/agent'/></serial>
<interface type='%s'><mac address='%s'/>
<source dev='eth0'/><model type='virtio'/>
<backend type='passt' logFile='/run/user/1000/passt.log'/>
<portForward proto='tcp'><range start='2222' to='22'/></portForward>
<portForward proto='tcp' address='%s'><range start='3000' end='3005' to='4000'/>
<range start='3003' exclude='yes'/></portForward>
</interface></devices></domain>"""
DHCP = ("dhclient -1 -sf /bin/dhclient-script -pf /tmp/pid -lf /tmp/leases eth0 "
        "2>&1; ip addr show eth0; ip route")


class Agent:
    """Runs commands in the guest: test/guest/agent"""

    def __init__(self, m):
        self.s, self.buf = socket.socket(socket.AF_UNIX), b""
        self.s.settimeout(120)
        self.s.connect(f"/proc/{m.pid}/root/home/me/agent")
        self.until(b"@@ ready\n")

    def until(self, end):
        while end not in self.buf:
            b = self.s.recv(1 << 16)
            if not b:
                raise RuntimeError(f"guest ended: {self.buf}")
            self.buf += b
        text, self.buf = self.buf.split(end, 1)
        return text.decode()

    def begin(self, command):
        self.s.sendall(f"30 {command}\n".encode())

    def result(self):
        text = self.until(b"\n@@ ")
        self.until(b"\n")
        return text


def guest(m):
    """Its kernel and programs, where libvirt finds them."""
    why = vm.prepare()
    if why:
        raise RuntimeError(why)
    for name in "vmlinuz", "initramfs":
        to = f"/proc/{m.pid}/root/home/me/{name}"
        shutil.copy(tmp(name), to)
        os.chmod(to, 0o644)


def libvirt(m):
    guest(m)
    for kind in "user", "vhostuser":
        with case(f"libvirt, {kind}"):
            virtual_machine(m, kind)


def virtual_machine(m, kind):
    name, virsh = f"libvirt, {kind}", "virsh -q -c qemu:///session"
    with open(f"/proc/{m.pid}/root/home/me/vm.xml", "w") as f:
        f.write(DOMAIN % (vm.KERNEL, kind, vm.MAC, HOST[4]))
    m.sh(f"{virsh} create vm.xml")
    a = Agent(m)
    a.begin(f"ip link set eth0 up; {DHCP}")
    has(f"{name}: DHCP, with the MTU", a.result(), f"inet {HOST[4]}/24",
        f"default via {GW[4]}", "mtu 65520")
    a.begin(f"wget -qO- http://{REMOTE[4]}:8000/")
    has(f"{name}: reaches the outside", a.result(), f"client is {HOST[4]}")
    for port, to in (2222, 22), (3002, 4002):
        a.begin(f"echo this is {to} | net listen {to}")
        a.until(b"listening\n")
        with connect_in(topo.remote, HOST[4], port) as c:
            c.shutdown(socket.SHUT_WR)
            ok(recv_all(c) == f"this is {to}\n".encode(),
               f"{name}: port {port} leads to {to}")
        a.result()
    try:
        connect_in(topo.remote, HOST[4], 3003).close()
        ok(False, f"{name}: the excluded port is closed")
    except ConnectionRefusedError:
        ok(True, f"{name}: the excluded port is closed")
    log = read(f"/proc/{m.pid}/root/run/user/{ME}/passt.log")
    ok("please report" not in log and "A guest has connected" in log,
       f"{name}: the log", log)
    a.s.close()
    m.sh(f"{virsh} destroy vm")
    m.none_left(name)


make_root()
topo = Topo()
machine, outside = Machine(topo), Outside(topo)
with case("image"):
    image(machine)
for part in (usual, published, options, bridge, many, build, rootlesskit,
             libvirt):
    t = time.monotonic()
    with case(part.__name__):
        part(machine)
    note(f"{part.__name__}: {time.monotonic() - t:.1f} s")
stop(machine.proc)
done()
