#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The DHCPv6 server, message by message: which are answered with and without a
server identifier, what answers hold and in which order, and malformed ones."""
import sys

sys.dont_write_bytecode = True
from dhcp6 import *     # noqa: E402

need_root()
topo = Topo()
LL = host_ll(topo)
NONE = "-D", "none", "-S", "none"
FOREIGN = "2001:db8::99"


# --- the table of messages ---

def server_id(g):
    r = reply(g, SOLICIT, CLIENT + ia())
    sid = r.get(2)
    t = int.from_bytes(sid[4:8], "big") + 946684800
    same((sid[:4], sid[8:], len(sid)), (b"\0\1\0\1", OUR_MAC, 14),
         "server identifier: DUID-LLT with our MAC address")
    ok(abs(time.time() - t) < 60, "and the time of the start, from 2000", t)
    return sid


def table(g, sid):
    ours = opt(2, sid)
    other = opt(2, sid[:-1] + b"\0")
    longer = opt(2, sid + b"\0")
    own, foreign, none = ia(HOST[6]), ia(FOREIGN), ia()
    A, R = ADVERTISE, REPLY
    rows = (
        # message, its IA, answer: without identifier, with ours, another's
        (SOLICIT, none, A, 0, 0), (SOLICIT, own, A, 0, 0),
        (SOLICIT, b"", A, 0, 0), (SOLICIT, foreign, A, 0, 0),
        (REQUEST, none, 0, R, 0), (REQUEST, own, 0, R, 0),
        (REQUEST, foreign, 0, "NotOnLink", 0), (REQUEST, b"", 0, R, 0),
        (RENEW, own, 0, R, 0), (RENEW, none, 0, R, 0),
        (RENEW, foreign, 0, "NotOnLink", 0),
        (CONFIRM, own, R, 0, 0), (CONFIRM, foreign, "NotOnLink", 0, 0),
        (CONFIRM, none, 0, 0, 0), (CONFIRM, b"", 0, 0, 0),
        (REBIND, own, R, R, 0), (REBIND, none, R, R, 0),
        (INFO, b"", R, R, 0), (INFO, own, 0, 0, 0), (INFO, none, 0, 0, 0),
        (INFO, opt(4, IAID), 0, 0, 0), (INFO, opt(25, IAID + b"\0" * 8),
                                        0, 0, 0),
        (DECLINE, own, 0, 0, 0), (RELEASE, own, 0, 0, 0),
        (ADVERTISE, own, 0, 0, 0), (REPLY, own, 0, 0, 0),
        (RECONFIGURE, b"", 0, 0, 0), (RELAY_FORW, own, 0, 0, 0),
        (RELAY_REPL, own, 0, 0, 0), (0, own, 0, 0, 0), (14, own, 0, 0, 0),
        (200, own, 0, 0, 0), (255, own, 0, 0, 0))
    for type, i, *wants in rows:
        what = {none: "empty IA", own: "own address", foreign:
                "foreign address", b"": "no IA"}.get(i, "other IA")
        for want, id, who in zip(wants + wants[2:], (b"", ours, other, longer),
                                 ("without", "ours", "another", "longer")):
            name = f"message {type}, {what}, server identifier: {who}"
            got = g.replies(ask(type, CLIENT + id + i))
            if not want:
                same(got, [], f"{name}: ignored")
                continue
            with case(name):
                r, = map(Reply, got)
                t = REPLY if want == "NotOnLink" else want
                bad = 4 in [status(r.get(3)[12:]) if r.get(3) else None,
                            int.from_bytes((r.get(13) or b"\0\0")[:2], "big")]
                same((r.type, r.xid, r.get(1), r.get(2), bad),
                     (t, XID, DUID, sid, want == "NotOnLink"), name)


def headers(g):
    r = reply(g, SOLICIT, CLIENT + ia())
    p = r.p
    same((p.src, p.sport, p.dst, p.dport, p.ttl, p.dst_mac),
         (LL, 547, GUEST_LL, 546, 255, MAC), "headers of an answer")
    same(p.flow, 0xabcdef & 0xfffff, "flow label: the transaction")
    same(r.opts[1:], [(3, given()), (1, DUID)],
         "IA: assigned address, infinite times")
    same([reply(g, SOLICIT, CLIENT).codes(),
          reply(g, REQUEST, CLIENT + opt(2, r.get(2))).codes()], [[2, 1]] * 2,
         "no IA that nobody asked for")


def associations(g, sid):
    ours = opt(2, sid)
    for type in REQUEST, RENEW:
        r = reply(g, type, CLIENT + ours + ia(FOREIGN))
        v = r.get(3)
        same((r.codes(), v[:12], status(v[12:]),
              [c for c, _ in walk(v[12:])]),
             ([2, 3, 1], IAID + b"\0" * 8, 4, [13]),
             f"message {type}, NotOnLink: ids and status, nothing else")
    r = reply(g, CONFIRM, CLIENT + ia(FOREIGN))
    ok(r.codes() in ([2, 3, 1], [2, 3, 1, 13], [2, 1, 13]) and
       not any(c == 5 for c, _ in walk((r.get(3) or b"\0" * 12)[12:])),
       "CONFIRM, NotOnLink: no address", r.opts)
    ok(r.get(13) and r.get(13)[:2] == b"\0\4",
       "CONFIRM, NotOnLink: status of the message (RFC 8415 18.3.3)", r.opts)
    r = reply(g, SOLICIT, CLIENT + ia(FOREIGN))
    same(r.get(3), given(), "SOLICIT: another address is only a wish")
    r = reply(g, REBIND, CLIENT + ia(FOREIGN))
    sub = walk(r.get(3)[12:])
    ok((5, addr(FOREIGN) + b"\0" * 8) in sub and
       (5, addr(HOST[6]) + FOREVER * 2) in sub,
       "REBIND: a foreign address loses its life, ours comes", sub)
    r = reply(g, SOLICIT, CLIENT + ia() + ia(id=b"two2"))
    ias = [v for c, v in r.opts if c == 3]
    same((ias[0], ias[1][:4], status(ias[1][12:]), len(ias)),
         (given(), b"two2", 2, 2), "two IAs: one gets it, none for the other")
    r = reply(g, REQUEST, CLIENT + ours + ia(id=b"two2") + ia(HOST[6]))
    ias = {v[:4]: v for c, v in r.opts if c == 3}
    same((ias[IAID], status(ias[b"two2"][12:])), (given(), 2),
         "two IAs: the one that knows it gets it")
    r = reply(g, REQUEST, CLIENT + ours + ia(HOST[6], FOREIGN))
    same(status(r.get(3)[12:]), 4, "own and foreign address in one: refused")
    r = reply(g, SOLICIT, CLIENT + b"".join(ia(id=bytes([0, 0, 0, n]))
                                            for n in range(60)))
    ok(len(r.p.frame) <= 14 + 1280 and given(b"\0" * 4) in
       [v for _, v in r.opts], "sixty IAs: within 1280 bytes", r.codes())
    same(reply(g, SOLICIT, CLIENT + opt(14) + ia()).type, ADVERTISE,
         "rapid commit is not served")
    for code, what in (4, "IA_TA"), (25, "IA_PD"):
        r = reply(g, SOLICIT, CLIENT + opt(code, IAID + b"\0" * 8))
        ok(5 not in r.codes() and not [
            v for c, v in r.opts if c == code and
            any(s in (5, 26) for s, _ in walk(v[4 if code == 4 else 12:]))],
           f"{what} is not served", r.opts)


def malformed(g, sid):
    good = CLIENT + ia()
    head = bytes([SOLICIT]) + XID
    for name, frame in (
            ("nothing", ask(0, b"", raw=b"")),
            ("one byte", ask(0, b"", raw=b"\1")),
            ("three bytes", ask(0, b"", raw=head[:3])),
            ("no client identifier", ask(SOLICIT, ia())),
            ("no option at all", ask(SOLICIT, b"")),
            ("client identifier of length 0", ask(SOLICIT, opt(1) + ia())),
            ("client identifier of length 129",
             ask(SOLICIT, opt(1, b"x" * 129) + ia())),
            ("two client identifiers", ask(SOLICIT, CLIENT * 2 + ia())),
            ("two server identifiers",
             ask(REQUEST, CLIENT + opt(2, sid) * 2 + ia())),
            ("server identifier of length 0",
             ask(REQUEST, CLIENT + opt(2) + ia())),
            ("half an option header", ask(SOLICIT, good + b"\0\x06\0")),
            ("one byte behind", ask(SOLICIT, good + b"\0")),
            ("an option one byte too long",
             ask(SOLICIT, good + opt(6, b"\0\x17", 3))),
            ("an option of 65535", ask(SOLICIT, good + opt(6, b"\0\x17",
                                                           65535))),
            ("client identifier over all",
             ask(SOLICIT, opt(1, DUID, 60) + ia())),
            ("IA of length 0", ask(SOLICIT, CLIENT + opt(3))),
            ("IA of length 1", ask(SOLICIT, CLIENT + opt(3, b"x"))),
            ("IA of length 11", ask(SOLICIT, CLIENT + opt(3, b"x" * 11))),
            ("IA with an address longer than it",
             ask(SOLICIT, CLIENT + opt(3, IAID + b"\0" * 8 +
                                       opt(5, addr(FOREIGN), 24)))),
            ("IA with an address reaching into the next option",
             ask(SOLICIT, opt(3, IAID + b"\0" * 8 + opt(5, addr(FOREIGN),
                                                        30)) + CLIENT)),
            ("IA with an address of length 23",
             ask(SOLICIT, CLIENT + opt(3, IAID + b"\0" * 8 +
                                       opt(5, b"x" * 23)))),
            ("IA with an address of length 0",
             ask(SOLICIT, CLIENT + opt(3, IAID + b"\0" * 8 + opt(5)))),
            ("IA with half an option header",
             ask(SOLICIT, CLIENT + opt(3, IAID + b"\0" * 8 + b"\0\5"))),
            ("IA in an IA's address, too long",
             ask(SOLICIT, CLIENT + ia(opts=iaaddr(FOREIGN,
                                                  opt(13, b"", 9))))),
            ("FQDN of length 0", ask(SOLICIT, good + opt(39))),
            ("two FQDNs", ask(SOLICIT, good + opt(39, b"\0\0") * 2)),
            ("to a unicast address", ask(SOLICIT, good, dst=LL)),
            ("to our global address", ask(SOLICIT, good, dst=HOST[6])),
            ("from a multicast address", ask(SOLICIT, good, src="ff02::7")),
            ("from nobody", ask(SOLICIT, good, src="::")),
            ("from another port", ask(SOLICIT, good, sport=547)),
            ("to another port", ask(SOLICIT, good, dport=546)),
            ("UDP length too large", ask(SOLICIT, good, length=2000)),
            ("UDP length 4", ask(SOLICIT, good, length=4)),
            ("UDP length that cuts an option",
             ask(SOLICIT, good, length=8 + 4 + 4 + 9))):
        same([p for p in g.replies(frame) if p.proto == UDP], [],
             f"no answer: {name}")
    for name, opts, client in (
            ("client identifier of length 1", opt(1, b"x") + ia(), b"x"),
            ("client identifier of length 128", opt(1, b"x" * 128) + ia(),
             b"x" * 128),
            ("unknown options of length 0 and 1", CLIENT + opt(999) +
             opt(998, b"1") + ia() + opt(6), DUID),
            ("an option of 1000 bytes", CLIENT + opt(997, b"v" * 1000) +
             ia(), DUID),
            ("an unknown option twice", CLIENT + opt(997, b"v") * 2 + ia(),
             DUID),
            ("an unknown option inside the IA", CLIENT +
             ia(opts=opt(997, b"v" * 9)), DUID),
            ("an option request", CLIENT + ia() + opt(6, b"\0\x17\0\x18"),
             DUID),
            ("elapsed time", CLIENT + opt(8, b"\0\0") + ia(), DUID),
            ("an address of zeros", CLIENT + ia("::"), DUID),
            ("200 unknown options", CLIENT + opt(996) * 200 + ia(), DUID)):
        with case(name):
            r = reply(g, SOLICIT, opts)
            same((r.type, r.get(1), r.get(3)), (ADVERTISE, client, given()),
                 f"answer: {name}")
    same(reply(g, SOLICIT, good, src=HOST[6]).p.dst, HOST[6],
         "answer: to a global address")
    same(reply(g, SOLICIT, good, dst="ff05::1:3").type, ADVERTISE,
         "answer: to all servers of the site")


# --- options of the command line ---

def told(*opts, type=SOLICIT, msg=None):
    with topo.passt(*opts, *(NONE if "-D" not in opts else ())) as p, \
            Guest(p) as g:
        return reply(g, type, CLIENT + ia() if msg is None else msg)


def options():
    r = told("-D", "fd77::53", "-D", "fd77::54", "-S", "a.example",
             "-S", "b.a.example", "--fqdn", "box.example")
    same(r.codes(), [2, 3, 1, 23, 24, 39], "order of options")
    same((r.get(23), r.get(24), r.get(39)),
         (addr("fd77::53") + addr("fd77::54"),
          names("a.example", "b.a.example"), b"\0" + names("box.example")),
         "DNS, search list (not compressed), FQDN")
    for flags, want in (0, 0), (1, 2), (2, 0), (4, 0), (5, 2), (255, 2):
        r = told("--fqdn", "box.example",
                 msg=CLIENT + ia() + opt(39, bytes([flags]) + names("x")))
        same(r.get(39)[0], want, f"FQDN: client's flags {flags}")
    dns = "-D", "fd77::53", "-S", "x"
    same(told(*dns, type=INFO, msg=CLIENT).codes(), [2, 1, 23, 24],
         "INFORMATION-REQUEST: resolver and search list")
    same(told(*dns, "--no-dhcp-dns").codes(), [2, 3, 1, 24], "--no-dhcp-dns")
    same(told(*dns, "--no-dhcp-search").codes(), [2, 3, 1, 23],
         "--no-dhcp-search")
    r = told(*sum((("-D", f"fd77::5{n}") for n in range(5)), ()), "-S",
             "none")
    same(r.get(23), b"".join(addr(f"fd77::5{n}") for n in range(3)),
         "-D: three servers at most")
    same(told("-D", "none", "-S", "a.example b.example").get(24),
         names("a.example", "b.example"), "-S: blank-separated list")
    six = [".".join([c * 60] * 4) for c in "abcdef"]
    r = told("-D", "fd77::53", *sum((("-S", n) for n in six), ()), "--fqdn",
             ".".join(["z" * 60] * 4))
    ok(len(r.p.frame) <= 14 + 1280 and r.get(39) and r.get(24).startswith(
        names(*six[:3])), "six long names: those that fit", r.codes())
    same(told("-a", "fd00:1::2").get(3), given(a="fd00:1::2"), "-a")
    Guest.our_mac = mac = bytes.fromhex("020000000007")
    r = told("-g", "fe80::7", "-M", "02:00:00:00:00:07")
    Guest.our_mac = OUR_MAC
    same((r.p.src, r.get(2)[8:]), ("fe80::7", mac), "-g fe80::7, -M")
    for o in "--no-dhcpv6", "-4":
        with topo.passt(o, *NONE) as p, Guest(p) as g:
            same([f for f in g.replies(ask(SOLICIT, CLIENT + ia()))
                  if f.proto == UDP], [], o)
    with topo.passt("-6", "--no-udp", "--no-ndp", *NONE) as p, \
            Guest(p, ip4=None) as g:
        same(reply(g, SOLICIT, CLIENT + ia()).get(3), given(),
             "-6, --no-udp and --no-ndp: still served")


def seen():
    """An answer resets the address that inbound traffic goes to."""
    with topo.passt("-u", "7777", *NONE) as p, Guest(p) as g:
        def to_guest():
            with socket_in(topo.remote, 6, socket.SOCK_DGRAM) as s:
                s.sendto(b"x", (HOST[6], 7777))
            return g.expect_udp(6, 7777).dst

        g.replies()             # nothing is sent to a guest not yet accepted
        same(to_guest(), HOST[6], "seen: the assigned address at first")
        g.send(eth(packet("2001:db8::5", REMOTE[6], TCP, tcp(1, 1, RST))))
        same(to_guest(), "2001:db8::5", "seen: what the guest uses")
        g.replies(ask(SOLICIT, CLIENT + ia()))
        same(to_guest(), HOST[6], "seen: DHCPv6 resets it")


with topo.passt(*NONE) as p, Guest(p) as g:
    with case("server identifier"):
        sid = server_id(g)
    with case("table"):
        table(g, sid)
    for f in (lambda: headers(g)), (lambda: associations(g, sid)), \
            (lambda: malformed(g, sid)):
        with case("answers"):
            f()
for f in options, seen:
    with case(f.__name__):
        f()
well_formed()
done()
