#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A published port behind which nobody listens: the client is refused, or its
connection reset, at once; it never sees one that ends cleanly. By the link and
by the bypass, for containers and the guest of passt, for clients that wait,
write, or write and close."""
import errno
import os
import socket
import sys
import time

sys.dont_write_bytecode = True
from lib import *       # noqa: E402

need_root()
topo = Topo()
PUB, INSIDE, OUT = 7001, 7101, 7201
SOON = 1.0              # seconds; on an idle machine it is a millisecond
DATA = b"GET / HTTP/1.0\r\n\r\n"


def wait(c):
    return c.recv(10)


def write(c):
    c.sendall(DATA)
    return c.recv(10)


def shut(c):
    """It may have been reset by now; what that was comes next."""
    try:
        c.shutdown(socket.SHUT_WR)
    except OSError as e:
        if e.errno != errno.ENOTCONN:
            raise


def finish(c):
    c.sendall(DATA)
    shut(c)
    return c.recv(10)


def half(c):
    shut(c)
    return c.recv(10)


def much(c):
    """More than all buffers on the way have room for."""
    for _ in range(1000):
        c.sendall(b"x" * 100_000)
    return c.recv(10)


def fate(pid, to, act, source=None):
    """How a connection ends, and after how many seconds"""
    begin = time.monotonic()
    c = socket_in(pid, 6 if ":" in to[0] else 4)
    c.settimeout(3)
    try:
        if source:
            c.bind((source, 0))
        c.connect(to)
        b = act(c)
        end = "data" if b else "end of data"
    except TimeoutError:
        end = "nothing"
    except OSError as e:
        end = errno.errorcode[e.errno]
    finally:
        c.close()
    return end, time.monotonic() - begin


def turned_away(name, pid, addr, port, source=None):
    for v in 4, 6:
        for act in wait, write, finish, half, much:
            with case(name):
                end, took = fate(pid, (addr[v], port), act,
                                 source and source[v])
                good = "ECONNREFUSED", "ECONNRESET", "EPIPE"
                ok(end in good and took < SOON,
                   f"{name}, IPv{v}, client will {act.__name__}",
                   f"{end} after {took:.3f} s")


def everywhere(p, mode):
    turned_away(f"{mode}: another host", topo.remote, HOST, PUB)
    turned_away(f"{mode}: host, shared address", topo.host, HOST, PUB)
    turned_away(f"{mode}: host, loopback", topo.host, LOOP, PUB)
    turned_away(f"{mode}: hairpin", p.guest, GW, PUB)


def comes_and_goes(p, mode):
    """With a backend it works, without it is refused, as often as you like."""
    for v in 4, 6:
        for where, addr in (topo.remote, HOST), (topo.host, LOOP):
            good, name = [], f"{mode}: backend comes and goes, " \
                f"{'remote' if where == topo.remote else 'loopback'}, IPv{v}"
            with case(name):
                for _ in range(3):
                    with listen_in(p.guest, v, port=INSIDE) as l:
                        c = connect_in(where, addr[v], PUB)
                        s = l.accept()[0]
                        s.sendall(b"!")
                        good.append(c.recv(1) == b"!")
                        s.close()
                        c.close()
                    end, took = fate(where, (addr[v], PUB), write)
                    good.append(end in ("ECONNREFUSED", "ECONNRESET") and
                                took < SOON)
                ok(all(good), name, good)


def other_family(p, mode):
    """A backend for IPv4 only does not make IPv6 an open connection."""
    with listen_in(p.guest, 4, port=INSIDE):
        for where, addr in (topo.remote, HOST), (topo.host, LOOP):
            end, took = fate(where, (addr[6], PUB), write)
            ok(end in ("ECONNREFUSED", "ECONNRESET") and took < SOON,
               f"{mode}: IPv6 client, IPv4 backend, to {addr[6]}",
               f"{end} after {took:.3f} s")


def left(p, before):
    """Nothing of it is kept: descriptors of the daemon."""
    try:
        wait_for("end", lambda: fds(p) <= before + 40)
        good = True
    except RuntimeError:
        good = False
    ok(good, "no descriptor is left", f"{before} -> {fds(p)}")


def fds(p):
    return len(os.listdir(f"/proc/{p.pid}/fd"))


PORTS = "-t", f"{PUB}:{INSIDE}"
for opts in (), ("--no-splice",), ("--host-lo-to-ns-lo",):
    mode = " ".join(("pasta --listen-always", *opts))
    with case(mode), topo.pasta(*PORTS, "-T", str(OUT), *opts) as p:
        n = fds(p)
        everywhere(p, mode)
        if not opts:
            turned_away("pasta: -T, loopback", p.guest, LOOP, OUT)
            turned_away("pasta: -T, shared address", p.guest, HOST, OUT)
            other_family(p, mode)
        comes_and_goes(p, mode)
        left(p, n)
        ok(p.proc.poll() is None, f"{mode}: still running", p.text())
with case("pasta -t to -T"), topo.pasta(*PORTS, "-T", str(INSIDE)) as p:
    # Of the port inside, -T leads to a service of the host's: not for those
    # who came from there, and who meant one inside
    with listen_in(topo.host, 4, port=INSIDE), \
            listen_in(topo.host, 6, HOST[6], port=INSIDE) as l:
        turned_away("pasta: -t to -T: host, loopback", topo.host, LOOP, PUB)
        turned_away("pasta: -t to -T: another host", topo.remote, HOST, PUB)
        for v in 4, 6:
            ok(fate(p.guest, (HOST[v], INSIDE), half)[0] == "nothing",
               f"pasta: -t to -T: from inside it is open, IPv{v}")
with case("passt"), topo.passt(*PORTS) as p:
    for addr, where in (HOST, topo.remote), (LOOP, topo.host):
        turned_away(f"passt, no guest yet: {addr[4]}", where, addr, PUB)
    with PumpGuest(p):
        n = fds(p)
        everywhere(p, "passt")
        other_family(p, "passt")
        comes_and_goes(p, "passt")
        left(p, n)
    turned_away("passt, guest has left", topo.remote, HOST, PUB)
    ok(p.proc.poll() is None, "passt: still running", p.text())
done()
