#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Automatic ports of pasta: listeners follow those of the other side."""
import errno
import os
import re
import socket
import sys
import time

sys.dont_write_bytecode = True
from lib import *       # noqa: E402

need_root()
AUTO = ("-t", "auto", "-u", "auto", "-T", "auto", "-U", "auto")
ANY = {4: "0.0.0.0", 6: "::"}


def bound(pid, v, port, addr=None):
    """A UDP socket."""
    s = socket_in(pid, v, socket.SOCK_DGRAM)
    if v == 6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    addr, _, device = (addr or ANY[v]).partition("%")
    number = int(read(f"/proc/{pid}/net/if_inet6").split(device)[0]
                 .split()[-4], 16) if device else 0
    s.bind((addr, port, 0, number) if device else (addr, port))
    s.settimeout(5)
    return s


def udp_ports(pid):
    return open_ports(pid, "udp", "07")


def quick():
    """Seconds: a loaded machine, not what is promised"""
    return 9.0 if busy() else 3.0


def until(cond):
    """-> seconds it took"""
    began = time.monotonic()
    while not cond():
        if time.monotonic() - began > 10:
            raise AssertionError("not within 10 s")
        time.sleep(0.005)
    return time.monotonic() - began


def served(l, cli, port, v):
    c = connect_in(cli, LOOP[v], port)
    s, _ = l.accept()
    c.sendall(b"ask")
    assert recv_all(s, 3) == b"ask"
    s.sendall(b"answer")
    assert recv_all(c, 6) == b"answer"
    c.close()
    s.close()


def refused(cli, port, v=4):
    try:
        connect_in(cli, LOOP[v], port).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:        # there, but nobody behind it
        pass
    return False


class works(case):
    """A case that is one test."""

    def __exit__(self, kind, e, tb):
        if e is None:
            ok(True, self.name)
        return super().__exit__(kind, e, tb)


topo = Topo()


def tcp_both_ways(p):
    for d, srv, cli in (("in", p.guest, topo.host), ("out", topo.host, p.guest)):
        for v, port in ((4, 7001), (6, 7002)):
            with works(f"TCP {d}, IPv{v}: a port that opens is there, and gone "
                      "when it closes"):
                l = listen_in(srv, v, addr=ANY[v], port=port)
                took = until(lambda: port in tcp_ports(cli))
                assert took < quick(), took
                served(l, cli, port, v)
                c = connect_in(cli, LOOP[v], port)
                s, _ = l.accept()
                l.close()
                gone = until(lambda: refused(cli, port, v))
                assert gone < quick(), gone
                c.sendall(b"still here")
                assert recv_all(s, 10) == b"still here"
                c.close()
                s.close()
                note(f"there after {took:.3f} s, gone after {gone:.3f} s")


def udp_both_ways(p):
    for d, srv, cli in (("in", p.guest, topo.host), ("out", topo.host, p.guest)):
        for v, port in ((4, 7101), (6, 7102)):
            with works(f"UDP {d}, IPv{v}: the same"):
                s = bound(srv, v, port)
                took = until(lambda: port in udp_ports(cli))
                c = socket_in(cli, v, socket.SOCK_DGRAM)
                c.settimeout(5)
                c.connect((LOOP[v], port))
                c.send(b"ask")
                data, peer = s.recvfrom(100)
                s.sendto(b"answer to " + data, peer)
                assert c.recv(100) == b"answer to ask"
                s.close()
                gone = until(lambda: port not in udp_ports(cli))
                assert max(took, gone) < quick(), (took, gone)
                c.close()


def udp_of_tcp(p):
    with works("UDP follows the numbers of TCP ports"):
        l = listen_in(p.guest, 4, addr="0.0.0.0", port=7201)
        until(lambda: 7201 in udp_ports(topo.host))
        s = bound(p.guest, 4, 7201)
        c = socket_in(topo.host, 4, socket.SOCK_DGRAM)
        c.connect(("127.0.0.1", 7201))
        c.send(b"x")
        assert s.recv(10) == b"x"
        s.close()
        l.close()
        until(lambda: 7201 not in udp_ports(topo.host))


def no_loops(p):
    with works("what we open ourselves is not followed: the sides converge"):
        ls = [listen_in(topo.host, 4, addr="127.0.0.1", port=7300 + i)
              for i in range(50)]
        ls += [listen_in(p.guest, 4, addr="0.0.0.0", port=7400 + i)
               for i in range(50)]
        us = [bound(topo.host, 4, 7500 + i) for i in range(20)]
        here = set(range(7300, 7350)) | set(range(7400, 7450))
        until(lambda: here <= tcp_ports(topo.host) and
              here <= tcp_ports(p.guest))
        time.sleep(1)
        assert tcp_ports(topo.host) == tcp_ports(p.guest) == here
        for s in ls + us:
            s.close()
        until(lambda: not (tcp_ports(topo.host) | tcp_ports(p.guest) |
                           udp_ports(topo.host) | udp_ports(p.guest)))
        time.sleep(0.6)
        assert not tcp_ports(topo.host) | tcp_ports(p.guest)
        assert not udp_ports(topo.host) | udp_ports(p.guest)


def many(p):
    with works("1,000 ports open and close"):
        fds = len(os.listdir(f"/proc/{p.pid}/fd"))
        for _ in range(2):
            ls = [listen_in(p.guest, 4, addr="0.0.0.0", port=20000 + i,
                            backlog=1) for i in range(1000)]
            want = set(range(20000, 21000))
            until(lambda: want <= tcp_ports(topo.host))
            served(ls[999], topo.host, 20999, 4)
            for l in ls:
                l.close()
            until(lambda: not want & tcp_ports(topo.host))
        until(lambda: not want & udp_ports(topo.host))
        until(lambda: len(os.listdir(f"/proc/{p.pid}/fd")) <= fds + 1)


def same_number(p):
    with works("a port that both sides use stays as it is, until one gives it up"):
        h = listen_in(topo.host, 4, addr="0.0.0.0", port=7601)
        g = listen_in(p.guest, 4, addr="0.0.0.0", port=7601)
        for l, cli in ((h, topo.host), (g, p.guest)):
            served(l, cli, 7601, 4)
        h.close()
        until(lambda: 7601 in tcp_ports(topo.host))
        served(g, topo.host, 7601, 4)
        g.close()
        until(lambda: 7601 not in tcp_ports(topo.host))


def taken():
    with works("a port taken here is told of once, and forwarded when it is free"):
        h = listen_in(topo.host, 4, addr="0.0.0.0", port=7602)
        with topo.pasta("--config-net", "-t", "auto", "-T", "none", "-U", "none",
                        "-u", "none", "-d") as p:
            p.configured()
            g = listen_in(p.guest, 4, addr="0.0.0.0", port=7602)
            text = "Cannot forward TCP port 7602 of the namespace"
            until(lambda: text in p.text())
            assert os.strerror(errno.EADDRINUSE) in p.text(), p.text()
            time.sleep(2.5)
            assert p.text().count(text) == 1, p.text()
            h.close()
            time.sleep(0.1)
            until(lambda: 7602 in tcp_ports(topo.host))
            served(g, topo.host, 7602, 4)
            g.close()


def forbidden():
    with works("of 150 ports that cannot be bound, each is told of once"):
        ports = range(101, 251)
        with topo.pasta("--config-net", "-t", "auto", "-T", "none", "-U", "none",
                        "-u", "auto", "-d") as p:
            p.configured()
            ls = [listen_in(p.guest, 4, port=n) for n in ports]

            def told():
                return [int(n) for n in re.findall(
                    r"Cannot forward TCP port (\d+) of the name", p.text())]
            until(lambda: len(told()) >= len(ports))
            assert sorted(told()) == list(ports), told()
            ls[0].close()
            time.sleep(0.5)
            ls[0] = listen_in(p.guest, 4, port=ports[0])
            time.sleep(1.5)
            assert sorted(told()) == list(ports), "told again"
            assert "forward UDP port" not in p.text(), p.text()
            for l in ls:
                l.close()


def spoke_first():
    """From the same port, before it was known to be open: here by a socket with
    a peer, which is nobody's service."""
    with works("a UDP port that has spoken to somebody before"):
        far = bound(topo.remote, 4, 6666, REMOTE[4])
        with topo.pasta("--config-net", "-t", "none", "-u", "auto", "-T", "none",
                        "-U", "none") as p:
            p.configured()
            s = bound(p.guest, 4, 7604)
            s.connect((REMOTE[4], 6666))
            s.send(b"first")
            assert far.recvfrom(100) == (b"first", (HOST[4], 7604))
            s.close()
            s = bound(p.guest, 4, 7604)
            until(lambda: 7604 in udp_ports(topo.host))
            other = bound(topo.remote, 4, 6667, REMOTE[4])
            other.sendto(b"unasked", (HOST[4], 7604))
            assert s.recvfrom(100) == (b"unasked", (REMOTE[4], 6667))
            s.sendto(b"again", (REMOTE[4], 6666))
            got = far.recvfrom(100)
            assert got == (b"again", (HOST[4], 7604)), got
            far.sendto(b"yes", (HOST[4], 7604))
            assert s.recvfrom(100) == (b"yes", (REMOTE[4], 6666))
            assert "annot forward" not in p.text(), p.text()
        for c in s, other, far:
            c.close()


def spoke_to_all(p):
    """Our own sockets of such flows have no peer, like those of servers; and
    those that hear a group are nobody's server either, whoever has them."""
    with works("a UDP port that has spoken to all is not taken from the guest"):
        far = bound(topo.remote, 4, 7605)
        for _ in range(2):              # the second time by another program
            s = bound(p.guest, 4, 7605)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            s.sendto(b"anybody?", ("255.255.255.255", 7605))
            assert far.recv(100) == b"anybody?"
            s.close()
            until(lambda: 7605 in udp_ports(topo.host))
            time.sleep(1)
            assert 7605 not in udp_ports(p.guest)
        far.close()
    with works("nor is the port of a group that somebody has joined"):
        group = {4: "239.1.2.3", 6: "ff02::1:2345"}
        ss = [bound(topo.host, v, 7606, group[v] + "%eth0" * (v == 6))
              for v in (4, 6)]
        time.sleep(1)
        assert 7606 not in udp_ports(p.guest)
        for s in ss:
            s.close()


def low_ports():
    """The namespace's are there for any number; opened later on as well."""
    def caps(p):
        return sorted(set(re.findall(r"CapPrm:\s*0*(\w*)", "".join(
            read(f"/proc/{p.pid}/task/{t}/status")
            for t in os.listdir(f"/proc/{p.pid}/task")))))
    with works("a port below 1024 that the host opens while we run"):
        with topo.pasta("--config-net", "-t", "none", "-u", "none", "-T", "auto",
                        "-U", "none") as p:
            p.configured()
            time.sleep(0.3)
            h = listen_in(topo.host, 4, addr="127.0.0.1", port=81)
            until(lambda: 81 in tcp_ports(p.guest))
            served(h, p.guest, 81, 4)
            h.close()
            assert caps(p) == ["", "400"], caps(p)
        with topo.pasta("--config-net", "-T", "none", "-U", "none") as p:
            p.configured()
            time.sleep(0.3)
            assert caps(p) == [""], caps(p)


def idle(p):
    with works("nothing happens: next to no CPU"):
        before = cpu(p.pid)
        time.sleep(4)
        used = (cpu(p.pid) - before) / 4
        note(f"{used * 100:.3f} % of a processor")
        assert used < 0.02, used


def explicit_and_auto():
    with works("explicit ports of one direction are not followed by the other"):
        with topo.pasta("--config-net", "-t", "7701", "-T", "auto", "-u",
                        "none", "-U", "none") as p:
            p.configured()
            l = listen_in(topo.host, 4, addr="127.0.0.1", port=7702)
            until(lambda: 7702 in tcp_ports(p.guest))
            assert 7701 in tcp_ports(topo.host)
            assert tcp_ports(p.guest) == {7702}
            l.close()


def first_look():
    with works("what is open at start is forwarded before the command runs"):
        l = listen_in(topo.host, 4, addr="127.0.0.1", port=7801)
        for _ in range(5):
            r = topo.run_pasta("--config-net", "-T", "auto", "--", "sh", "-c",
                               "grep -q ':1E79 .* 0A ' /proc/net/tcp6")
            assert r.returncode == 0, r.stderr
        l.close()


def default():
    with works("it is what pasta does without port options"):
        with topo.pasta("--config-net", auto=True) as p:
            p.configured()
            l = listen_in(p.guest, 4, addr="0.0.0.0", port=7901)
            h = listen_in(topo.host, 4, addr="127.0.0.1", port=7902)
            until(lambda: 7901 in tcp_ports(topo.host) and
                  7902 in tcp_ports(p.guest))
            l.close()
            h.close()


with topo.pasta("--config-net", *AUTO) as pasta:
    pasta.configured()
    tcp_both_ways(pasta)
    udp_both_ways(pasta)
    udp_of_tcp(pasta)
    no_loops(pasta)
    same_number(pasta)
    spoke_to_all(pasta)
    many(pasta)
    idle(pasta)
taken()
forbidden()
spoke_first()
low_ports()
explicit_and_auto()
first_look()
default()
done()
