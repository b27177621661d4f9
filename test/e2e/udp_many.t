#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""UDP in numbers: look-ups in a row have a bounded number of sockets; thousands
of sources, each of which gets its own answers and nobody else's; many slow
flows cost next to nothing."""
import os
import random
import resource
import select
import socket
import struct
import sys
import threading
import time

sys.dont_write_bytecode = True
from lib import *       # noqa: E402

need_root()
LOOKUPS = int(os.environ.get("E2E_LOOKUPS", 20000))
SOURCES = int(os.environ.get("E2E_SOURCES", 5000))
FLOWS = int(os.environ.get("E2E_FLOWS", 2000))
SECONDS = 4
IN = 6001


def sockets_in(pid, v):
    """Make many of them: the namespace is entered once."""
    with open(f"/proc/{pid}/ns/net") as f:
        LIBC.setns(f.fileno(), 0x40000000)
    while True:
        yield socket.socket(AF[v], socket.SOCK_DGRAM)


def more_files():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def echo(pid, v, addr, port, tag):
    """A server; what it answers names who asked, as it sees it."""
    s = next(sockets_in(pid, v))
    s.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)        # SO_RCVBUFFORCE
    s.bind((addr, port))
    while True:
        b, peer = s.recvfrom(2000)
        s.sendto(tag + struct.pack("!H", peer[1]) + b, peer)


class Server:
    def __init__(self, *args):
        self.f = Forked(echo, *args)
        time.sleep(0.1)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.f.kill()


def fds(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class Watch(threading.Thread):
    """The most descriptors that a process has had."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.most, self.on = pid, 0, True
        self.start()

    def run(self):
        while self.on:
            self.most = max(self.most, fds(self.pid))
            time.sleep(0.02)

    def end(self):
        self.on = False
        self.join()
        return self.most


def lookups(pid, v, n):
    """One question from a fresh socket each; returns how many went wrong."""
    bad = 0
    new = sockets_in(pid, v)
    for i in range(n):
        data = struct.pack("!I", i) + b"?" * 30
        with next(new) as s:
            for _ in range(4):
                s.settimeout(1)
                s.sendto(data, (REMOTE[v], 5300))
                try:
                    b, peer = s.recvfrom(2000)
                    break
                except TimeoutError:
                    b, peer = b"", None
            good = b == b"A" + struct.pack("!H", s.getsockname()[1]) + data \
                and peer[:2] == (REMOTE[v], 5300)
            bad += not good
    return bad


def sources(pid, v, to, port, n, keep_port):
    """@n sockets, all at once and in any order, twice. Returns what is wrong."""
    more_files()
    new = sockets_in(pid, v)
    ss = [next(new) for _ in range(n)]
    for s in ss:
        s.bind((ANY[v], 0))
        s.setblocking(False)
    poll = select.epoll()
    by_fd = {s.fileno(): s for s in ss}
    for s in ss:
        poll.register(s, select.EPOLLIN)
    wrong = []
    for turn in range(2):
        want = {s.fileno(): struct.pack("!IH", turn, s.getsockname()[1]) +
                os.urandom(20) for s in ss}
        for _ in range(5):              # what is lost is sent again
            left = list(want)
            random.shuffle(left)
            for at in range(0, len(left), 50):
                for fd in left[at:at + 50]:
                    by_fd[fd].sendto(want[fd], (to, port))
                answers(poll, by_fd, want, wrong, to, port, keep_port, 0.002)
            while want and answers(poll, by_fd, want, wrong, to, port,
                                   keep_port, 0.5):
                pass
            if not want:
                break
        wrong += [f"no answer: {len(want)}"] if want else []
    return "\n".join(map(str, wrong[:5]))


def answers(poll, by_fd, want, wrong, to, port, keep_port, timeout):
    ready = poll.poll(timeout)
    for fd, _ in ready:
        b, peer = by_fd[fd].recvfrom(2000)
        seen, data = struct.unpack("!H", b[1:3])[0], b[3:]
        mine = by_fd[fd].getsockname()[1]
        if data[4:6] != struct.pack("!H", mine) or peer[:2] != (to, port) or \
                keep_port and seen != mine:
            wrong.append((mine, seen, peer, b))
        if want.get(fd) == data:
            del want[fd]
    return len(ready)


def slow(pid, v, n, seconds):
    """@n flows of one datagram a second, evenly; and their answers."""
    more_files()
    new = sockets_in(pid, v)
    ss = [next(new) for _ in range(n)]
    for s in ss:
        s.connect((REMOTE[v], 5300))
    start = time.monotonic()
    for i in range(n * seconds):
        due = start + i / n
        now = time.monotonic()
        if due > now:
            time.sleep(due - now)
        ss[i % n].send(b"tick")
    got = 0
    for s in ss:
        s.setblocking(False)
        try:
            while s.recv(100):
                got += 1
        except BlockingIOError:
            pass
    return got


def row(p, name):
    for v in 4, 6:
        text = f"{name}: IPv{v}, {LOOKUPS} look-ups in a row"
        with case(text), Server(topo.remote, v, REMOTE[v], 5300, b"A"):
            w = Watch(p.pid)
            bad = int(Forked(lookups, p.guest, v, LOOKUPS // 2).result())
            most = w.end()
            ok(not bad, f"{text}: each has its answer", bad)
            hard = int([l.split()[4] for l in read(
                f"/proc/{p.pid}/limits").splitlines()
                if l.startswith("Max open files")][0])
            ok(most < min(4096, hard / 8) * 1.1 + 50,
               f"{text}: a bounded number of sockets", most)


def crowd(p, name):
    for v in 4, 6:
        text = f"{name}: IPv{v}, {SOURCES} sources"
        with case(text), Server(topo.remote, v, REMOTE[v], 5300, b"A"):
            bad = Forked(sources, p.guest, v, REMOTE[v], 5300, SOURCES,
                         True).result()
            ok(not bad, f"{text} of the guest: each its own answers", bad)
        with case(text), Server(p.guest, v, ANY[v], IN + 1000, b"B"):
            bad = Forked(sources, topo.remote, v, HOST[v], IN, SOURCES,
                         True).result()
            ok(not bad, f"{text} outside: each its own answers", bad)


def cheap(p, name):
    text = f"{name}: {FLOWS} flows at a packet a second"
    with case(text), Server(topo.remote, 4, REMOTE[4], 5300, b"A"):
        f = Forked(slow, p.guest, 4, FLOWS, SECONDS + 1)
        time.sleep(1)                   # that they are there
        a = cpu(p.pid)
        time.sleep(SECONDS - 0.5)
        used = (cpu(p.pid) - a) / (SECONDS - 0.5)
        got = int(f.result())
        ok(got > FLOWS * SECONDS * 0.9, f"{text}: answered", got)
        # What the kernel does for each datagram is counted as ours
        note(f"{text}: {used * 100:.2f} % CPU")
        ok(used < 0.20, f"{text}: little CPU", used)


def twins(p, name, q, other, second=None):
    """Two clients with one port, who ask one server: guests of two daemons of
    one user, or two addresses of one guest. Each has its own answers."""
    for v in 4, 6:
        text = f"{name}, {other}: IPv{v}, the same port and server"
        with case(text), Server(topo.remote, v, REMOTE[v], 5300, b"A"):
            a = socket_in(p.guest, v, socket.SOCK_DGRAM)
            a.bind((HOST[v], 0))
            port = a.getsockname()[1]
            b = socket_in(q.guest, v, socket.SOCK_DGRAM)
            b.bind(((second or HOST)[v], port))
            seen, bad = set(), []
            for i in range(6):          # one after the other, and at once
                ss = [(a,), (b,), (a, b)][i % 3]
                for s in ss:
                    s.sendto(b"%d %d" % (i, s is a), (REMOTE[v], 5300))
                for s in ss:
                    for _ in range(3):  # lost: see arrives()
                        if select.select([s], [], [], 3)[0]:
                            break
                        s.sendto(b"%d %d" % (i, s is a), (REMOTE[v], 5300))
                    got, peer = s.recvfrom(100)
                    seen.add(got[1:3])
                    if got[3:] != b"%d %d" % (i, s is a):
                        bad.append(got)
            ok(not bad and len(seen) == 2, f"{text}: each its own answers",
               (bad, seen))
            a.close()
            b.close()


topo = Topo()
more_files()
with topo.pasta("-u", f"{IN}:{IN + 1000}") as p:
    row(p, "pasta")
    crowd(p, "pasta")
    cheap(p, "pasta")
with topo.passt("-u", f"{IN}:{IN + 1000}") as p, PumpGuest(p):
    crowd(p, "passt")
    cheap(p, "passt")
with topo.pasta() as p, topo.pasta() as q:
    twins(p, "pasta", q, "another")
    more = {4: "10.77.0.9", 6: "fd77::9"}
    ip(p.guest, f"addr add {more[4]}/24 dev eth0")
    ip(p.guest, f"addr add {more[6]}/64 dev eth0 nodad")
    twins(p, "pasta", p, "another address", more)
    with topo.passt() as m, PumpGuest(m):
        twins(p, "pasta", m, "passt")
done()
