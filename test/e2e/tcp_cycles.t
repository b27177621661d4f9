#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Thousands of connections that ask, are answered, and end in one of six ways:
either side's FIN or reset first, half-closed, both at once. What arrives is
compared, and how it ends; afterwards nothing is left in the daemon.

E2E_CYCLES: connections in each direction (default 2,000; with E2E_LONG 50,000)
"""
import errno
import json
import os
import random
import socket
import struct
import sys
import time

sys.dont_write_bytecode = True
from lib import *       # noqa: E402

need_root()
CYCLES = int(os.environ.get("E2E_CYCLES") or
             (50_000 if os.environ.get("E2E_LONG") else 2_000))
WORKERS = 4
PORT = 5001
RESET = struct.pack("ii", 1, 0)
WAYS = ("client ends first", "server ends first", "client ends, then answer",
        "client resets", "server resets", "both at once")
TEXT = random.Random(1).randbytes(1 << 20)


def answer(seed):
    """What the server has to say: 1 to 65,536 bytes."""
    n = 1 + seed * 7919 % 65536
    at = seed * 104729 % (len(TEXT) - n)
    return TEXT[at:at + n]


def ended(s):
    """The other side's end of data, and nothing else."""
    if s.recv(1):
        raise RuntimeError("more than the answer")


def was_reset(s):
    """By the other side, sooner or later; no end of data."""
    try:
        if s.recv(1):
            raise RuntimeError("more than expected")
    except ConnectionResetError:
        return
    raise RuntimeError("an end of data instead of a reset")


def serve_one(s):
    ask = recv_all(s, 5)
    seed, way = struct.unpack("IB", ask)
    if way == 2:
        ended(s)
    s.sendall(answer(seed))
    if way == 1:
        s.shutdown(socket.SHUT_WR)
        ended(s)
    elif way == 3:
        was_reset(s)
    elif way == 4:
        recv_all(s, 1)          # it has the answer
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    elif way in (0, 5):
        if way == 5:
            s.shutdown(socket.SHUT_WR)
        ended(s)


def server(l, n):
    for _ in range(n):
        s, _ = l.accept()
        with s:
            s.settimeout(20)
            serve_one(s)


def client_one(pid, addr, seed, way):
    data = answer(seed)
    with connect_in(pid, addr, PORT) as c:
        c.sendall(struct.pack("IB", seed, way))
        if way == 2:
            c.shutdown(socket.SHUT_WR)
        if recv_all(c, len(data)) != data:
            raise RuntimeError("other data")
        if way in (1, 2):
            ended(c)
        elif way == 3:
            c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        elif way == 4:
            c.sendall(b"x")
            was_reset(c)
        elif way == 5:
            c.shutdown(socket.SHUT_WR)
            ended(c)


def client(pid, addr, first, n):
    for seed in range(first, first + n):
        way = seed * 2654435761 % 4294967296 % len(WAYS)
        try:
            client_one(pid, addr, seed, way)
        except (OSError, RuntimeError) as e:
            raise RuntimeError(f"{WAYS[way]}, seed {seed}: {e!r}") from None


def cycles(name, srv, cli, addr):
    with case(name):
        n = CYCLES // WORKERS
        t = time.monotonic()
        with listen_in(srv, 6 if ":" in addr else 4, port=PORT) as l:
            # As many servers as clients: each takes one at a time
            work = [Forked(server, l, n) for _ in range(WORKERS)]
            work += [Forked(client, cli, addr, i * n, n)
                     for i in range(WORKERS)]
            for w in reversed(work):
                w.result(timeout=900)
        t = time.monotonic() - t
        ok(True, f"{name}: {n * WORKERS} connections as they should be")
        note(f"{n * WORKERS / t:.0f} a second")


def left(p, before):
    """Descriptors come back; what waits for lost acknowledgements has none."""
    return wait_for("descriptors", lambda: len(os.listdir(
        f"/proc/{p.pid}/fd")) <= before, seconds=10)


def flows(p):
    """How many the daemon has: the last row of its table. A new one comes when
    something happens, for which a frame of no known kind is enough."""
    dev = [l["ifname"] for l in json.loads(ip(p.guest, "-j link").stdout)
           if l["ifname"] != "lo"][0]
    with socket_in(p.guest, kind=socket.SOCK_RAW, af=socket.AF_PACKET) as s:
        s.bind((dev, 0))
        for wait in 1.1, 0.1:
            s.send(bytes.fromhex("9a559a559a55 020000000001 88b5") +
                   bytes(50))
            time.sleep(wait)
    rows = [l.split() for l in p.text().splitlines()]
    head = [r for r in rows if r[-1:] == ["flows"]][-1]
    return int([r for r in rows if len(r) == len(head) and
                r[0].isdigit()][-1][-1])


def directions(p, name):
    before = len(os.listdir(f"/proc/{p.pid}/fd")) + 4   # stores may fill
    for v in 4, 6:
        cycles(f"{name}, out, IPv{v}", topo.remote, p.guest, REMOTE[v])
        cycles(f"{name}, in, IPv{v}", p.guest, topo.remote, HOST[v])
    with case(f"{name}: nothing left"):
        left(p, before)
        ok(p.proc.poll() is None, f"{name}: no descriptor is left", p.text())
        n = flows(p)
        ok(n == 0, f"{name}: no flow is left", n)


topo = Topo()
with topo.pasta("--stats", "1", "-t", str(PORT)) as p:
    directions(p, "pasta")
with topo.passt("--stats", "1", "-t", str(PORT)) as p, PumpGuest(p):
    directions(p, "passt")
with topo.pasta("-T", str(PORT)) as p:
    cycles("bypass, out", topo.host, p.guest, "127.0.0.1")
with topo.pasta("-t", str(PORT)) as p:
    cycles("bypass, in", p.guest, topo.host, "127.0.0.1")
done()
