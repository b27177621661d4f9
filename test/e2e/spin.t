#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever is ready and cannot be used costs nothing: each row makes a daemon
that is told of something it can do nothing about (the other end has gone, an
error, a full guest, no descriptors), holds that, and counts its system calls.
All are held at the same time, for 2 seconds, or 5 with E2E_LONG=1."""
import os
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from lib import *       # noqa: E402
from wire import (Guest, echo, eth, packet, tcp, udp,   # noqa: E402
                  ICMP, ICMP6, TCP, UDP, SYN)

need_root()
if not shutil.which("strace"):
    print("1..0 # SKIP strace is not installed")
    sys.exit(0)

SECONDS = 5 if os.environ.get("E2E_LONG") else 2
MAX = 100               # system calls per second
OUT = 7201              # -T, -U
ports = iter(range(7301, 7500))     # -t, -u: one for each daemon, .pub
HOLE = {4: "10.77.0.200", 6: "fd77::200"}      # takes all, says nothing
rows = []               # (name, daemon, what must stay)


def row(f):
    rows.append(f)
    return f


def full(s):
    """Send until there has been no room for a while."""
    s.setblocking(False)
    quiet = 0
    while quiet < 5:
        try:
            s.send(b"x" * 100_000)
            quiet = 0
        except BlockingIOError:
            quiet += 1
            time.sleep(0.01)
    s.setblocking(True)


def outbound(p, v):
    """A connection of the guest's to the remote: guest's end, remote's"""
    with listen_in(topo.remote, v) as l:
        c = connect_in(p.guest, REMOTE[v], l.getsockname()[1])
        return c, l.accept()[0]


def inbound(p, v, pid=None, addr=HOST):
    with listen_in(p.guest, v, port=p.pub) as l:
        c = connect_in(pid or topo.remote, addr[v], p.pub)
        return l.accept()[0], c


# --- the link: for a container and for the guest of passt ---

@row
def idle(p, v):
    return []


@row
def control(p, v):
    """One that is busy, to see that it is counted."""
    return start([*enter(p.guest, "ping", "-q", "-i", "0.005", REMOTE[v])],
                 stdout=subprocess.DEVNULL),


@row
def remote_ended(p, v):
    """RDHUP: the remote has sent its end of data, the guest goes on."""
    g, r = outbound(p, v)
    r.sendall(b"x")
    r.shutdown(socket.SHUT_WR)
    return g, r


@row
def both_ended_unread(p, v):
    """HUP: both have ended, but the guest reads none of what there is."""
    g, r = outbound(p, v)
    full(r)
    g.shutdown(socket.SHUT_WR)
    r.shutdown(socket.SHUT_WR)
    return g, r


@row
def guest_ended(p, v):
    g, r = inbound(p, v)
    g.sendall(b"x")
    g.shutdown(socket.SHUT_WR)
    return g, r


@row
def reset_unread(p, v):
    """ERR: a reset, while the guest does not read."""
    g, r = inbound(p, v)
    full(r)
    r.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    r.close()
    return g,


@row
def guest_does_not_read(p, v):
    g, r = outbound(p, v)
    full(r)
    return g, r


@row
def remote_does_not_read(p, v):
    g, r = outbound(p, v)
    full(g)
    return g, r


@row
def nobody_reads(p, v):
    """Both directions full, over a forwarded port."""
    g, r = inbound(p, v)
    full(g)
    full(r)
    return g, r


@row
def connecting(p, v):
    """No answer to SYN."""
    s = socket_in(p.guest, v)
    s.setblocking(False)
    s.connect_ex((HOLE[v], 9))
    return s,


@row
def error_queues(p, v):
    """Errors of datagrams and echoes, more than are told."""
    out = []
    for port in range(50):
        s = socket_in(p.guest, v, socket.SOCK_DGRAM)
        s.connect((REMOTE[v], 9 + port))
        out.append(s)
        for _ in range(20):
            try:
                s.send(b"anyone?")
            except OSError:
                pass
    for _ in range(5):
        e = socket_in(p.guest, v, socket.SOCK_DGRAM,
                      socket.IPPROTO_ICMP if v == 4 else 58)
        e.connect(({4: "10.99.9.9", 6: "fd99:9::9"}[v], 0))
        e.send(bytes([8 if v == 4 else 128]) + bytes(15))
        out.append(e)
    time.sleep(0.2)
    return out


@row
def error_of_a_client(p, v):
    """The client of a forwarded port is gone before its answers come."""
    g = socket_in(p.guest, v, socket.SOCK_DGRAM)
    g.bind((ANY[v], p.pub))
    g.settimeout(3)
    c = socket_in(topo.remote, v, socket.SOCK_DGRAM)
    c.connect((HOST[v], p.pub))
    c.send(b"?")
    peer = g.recvfrom(10)[1]
    c.close()
    for _ in range(100):
        g.sendto(b"!", peer)
    return g,


@row
def no_descriptors(p, v):
    """More of everything than there are descriptors for."""
    out = [listen_in(p.guest, v, port=p.pub)]
    for _ in range(80):
        c = socket_in(topo.remote, v)
        c.setblocking(False)
        c.connect_ex((HOST[v], p.pub))
        s = socket_in(p.guest, v, socket.SOCK_DGRAM)
        s.sendto(b"x", (REMOTE[v], 9))
        e = socket_in(p.guest, v, socket.SOCK_DGRAM,
                      socket.IPPROTO_ICMP if v == 4 else 58)
        e.sendto(bytes([8 if v == 4 else 128]) + bytes(15), (REMOTE[v], 0))
        out += c, s, e
    if isinstance(p, Machine):
        out += [p.passt.connect() for _ in range(3)]
    return out


no_descriptors.few = True


# --- pasta only ---

def link_down(p, v):
    """A device that is down takes nothing."""
    g, r = inbound(p, v)
    ip(p.guest, "link set eth0 down")
    r.sendall(b"x" * 10000)
    u = socket_in(topo.remote, v, socket.SOCK_DGRAM)
    for _ in range(100):
        u.sendto(b"x", (HOST[v], p.pub))
    return g, r, u


def bypass_in(p, v):
    """All of the above through the bypass, from the host's loopback."""
    out = []
    for first, ended, closed in ((0, None, None), (1, None, None),
                                 (0, 0, None), (1, 1, None), (1, 0, None),
                                 (0, 0, 0), (1, 1, 1)):
        pair = list(inbound(p, v, topo.host, LOOP))
        full(pair[first])
        if ended is not None:
            pair[ended].shutdown(socket.SHUT_WR)
        if closed is not None:
            pair.pop(closed).close()
        out += pair
    return out


def bypass_out(p, v):
    out = []
    with listen_in(topo.host, v, LOOP[v], OUT) as l:
        for first, ended in (0, None), (1, None), (0, 0), (1, 1), (1, 0):
            c = connect_in(p.guest, LOOP[v], OUT)
            pair = [c, l.accept()[0]]
            full(pair[first])
            if ended is not None:
                pair[ended].shutdown(socket.SHUT_WR)
            out += pair
    u = socket_in(p.guest, v, socket.SOCK_DGRAM)
    u.connect((LOOP[v], OUT))       # an error of the target, that nobody gets
    for _ in range(20):
        u.send(b"x")
        time.sleep(0.001)
    return out + [u]


def bypass_few(p, v):
    out = [listen_in(p.guest, v, port=p.pub)]
    for _ in range(80):
        c = socket_in(topo.host, v)
        c.setblocking(False)
        c.connect_ex((LOOP[v], p.pub))
        u = socket_in(topo.host, v, socket.SOCK_DGRAM)
        u.sendto(b"x", (LOOP[v], p.pub))
        out += c, u
    return out


bypass_few.few = True


def nobody_serves(p, v):
    """A published port that does not listen, which epoll calls a hang-up;
    but whoever may serve it is looked for."""
    with listen_in(p.guest, v, ANY[v], p.pub):
        time.sleep(0.5)
        connect_in(topo.remote, HOST[v], p.pub).close()
    return []


nobody_serves.waits = True
nobody_serves.max = 600


# --- passt only: what a guest does with its socket ---

def pump_stopped(p, v):
    """The guest's socket is full: streams, datagrams, errors, all wait."""
    g, r = inbound(p, v)
    g2, r2 = outbound(p, v)
    p.signal(signal.SIGSTOP)
    full(r)
    full(r2)
    u = socket_in(topo.remote, v, socket.SOCK_DGRAM)
    for _ in range(3000):
        u.sendto(b"x" * 1400, (HOST[v], p.pub))
    return g, r, g2, r2, u


def deaf(p, v):
    """A guest that writes, but never reads: nothing can be told to it."""
    g = Guest(p.passt)
    g.send(*(eth(packet(HOST[v], REMOTE[v], ICMP if v == 4 else ICMP6,
                        echo(v, i % 20, i, b"x" * 60000)))
             for i in range(200)))
    g.send(*(eth(packet(HOST[v], REMOTE[v], UDP, udp(5000 + i % 50, 9, b"?")))
             for i in range(500)))
    g.send(*(eth(packet(HOST[v], REMOTE[v], TCP, tcp(6000 + i, 9, SYN)))
             for i in range(50)))
    return g,


def guest_shut(how):
    def f(p, v):
        g = Guest(p.passt)
        g.replies()
        g.s.shutdown(how)
        c = socket_in(topo.remote, v)
        c.setblocking(False)
        c.connect_ex((HOST[v], p.pub))
        u = socket_in(topo.remote, v, socket.SOCK_DGRAM)
        u.sendto(b"x", (HOST[v], p.pub))
        return g, c, u
    f.bare = True
    f.__name__ = {socket.SHUT_RD: "guest_reads_no_more",
                  socket.SHUT_WR: "guest_writes_no_more"}[how]
    return f


def half_a_frame(p, v):
    g = Guest(p.passt)
    g.replies()
    g.s.sendall(b"\0\0\4\0half")
    return g,


def no_guest(p, v):
    out = []
    for _ in range(20):
        u = socket_in(topo.remote, v, socket.SOCK_DGRAM)
        u.sendto(b"x", (HOST[v], p.pub))
        c = socket_in(topo.remote, v)
        c.setblocking(False)
        c.connect_ex((HOST[v], p.pub))
        out += u, c
    return out


class Machine(PumpGuest):
    def __init__(self, *opts, bare=False):
        self.passt = topo.passt(*opts)
        self.daemon, self.bare = self.passt.pid, bare
        if not bare:
            super().__init__(self.passt)
            self.guest = self.pid

    def stop(self):
        if not self.bare:
            super().stop()
        self.passt.stop()


class Container:
    def __init__(self, *opts, bare=False, waits=False):
        self.pasta = topo.pasta(*opts, "-T", str(OUT), "-U", str(OUT),
                                waits=waits)
        self.daemon, self.guest = self.pasta.pid, self.pasta.guest

    def stop(self):
        self.pasta.stop()


def few(on):
    """Daemons from now on have few descriptors, or as many as they want."""
    for name in "PASTA", "PASST":
        path = tmp("few-" + name.lower())
        if on:
            with open(path, "w") as f:
                f.write(f'#!/bin/sh\nulimit -n 60\nexec {programs[name]} '
                        '"$@"\n')
            os.chmod(path, 0o755)
        os.environ[name] = path if on else programs[name]
    topo.program = os.environ["PASTA"]


def hold(kind, f, v):
    name = f"{kind.__name__}, IPv{v}: {f.__name__}"
    with case(name):
        few(hasattr(f, "few"))
        pub = next(ports)
        p = kind("-t", str(pub), "-u", str(pub), **{
            k: True for k in ("bare", "waits") if hasattr(f, k)})
        p.pub, p.max = pub, getattr(f, "max", MAX)
        held.append([name, p, f(p, v)])


def calls(out):
    # Share of time, seconds, microseconds per call, calls, errors if any
    m = re.search(r"^ *\S+ +\S+ +\d+ +(\d+) .*total$", read(out), re.M)
    return int(m.group(1)) if m else 0


def measure():
    time.sleep(1)           # what was begun is done
    for h in held:
        out = tmp(f"strace{h[1].daemon}")
        h += [out, start(["strace", "-f", "-c", "-o", out, "-p",
                          str(h[1].daemon)], stderr=subprocess.PIPE)]
    for h in held:
        if b"attached" not in h[4].stderr.readline():
            raise RuntimeError("strace is not attached")
    time.sleep(SECONDS)
    for h in held:
        h[4].send_signal(signal.SIGINT)
    for name, p, _, out, proc in held:
        proc.wait(10)
        n = calls(out)
        if name.endswith("control"):
            ok(n > MAX * SECONDS, f"{name}: more than {MAX}", n)
            continue
        ok(alive(p.daemon) and n < p.max * SECONDS,
           f"{name}: fewer than {p.max} system calls a second",
           f"{n} in {SECONDS} s\n{read(out)}")
        note(f"{n / SECONDS:.1f}/s")


topo = Topo()
programs = {n: topo._program(n) for n in ("PASTA", "PASST")}
resource.setrlimit(resource.RLIMIT_NOFILE,
                   (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
for v in 4, 6:
    ip(topo.host, f"neigh replace {HOLE[v]} lladdr 02:00:00:00:00:99 dev eth0")
    ip(topo.host, f"-{v} route add unreachable "
       + {4: "10.99.9.0/24", 6: "fd99:9::/64"}[v])
held = []
for f in deaf, half_a_frame, no_guest:
    f.bare = True
ends = [guest_shut(how) for how in (socket.SHUT_RD, socket.SHUT_WR)]
for v in 4, 6:
    for f in (*rows, pump_stopped, deaf, half_a_frame, no_guest, *ends):
        hold(Machine, f, v)
    for f in (*rows, link_down, bypass_in, bypass_out, bypass_few,
              nobody_serves):
        hold(Container, f, v)
    measure()
    for h in held:
        h[1].stop()
    held.clear()
done()
