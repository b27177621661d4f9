#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The DHCPv4 server, message by message: every field and option of an answer
and their order, and requests that are malformed, each in one way."""
import sys

sys.dont_write_bytecode = True
from dhcp4 import *     # noqa: E402

need_root()
topo = Topo()
NONE = "-D", "none", "-S", "none"


def started(*opts):
    return topo.passt(*opts, *(NONE if "-D" not in opts else ()))


# --- answers ---

def messages(g):
    common = [(1, addr("255.255.255.0")), (3, addr(GW[4])),
              (26, struct.pack(">H", 65520)), (51, FOREVER)]
    for what, msg, t, rapid in (
            ("DISCOVER", kind(DISCOVER), OFFER, False),
            ("REQUEST", kind(REQUEST), ACK_, False),
            ("REQUEST for us", kind(REQUEST) + opt(54, addr(GW[4])), ACK_,
             False),
            ("DISCOVER, rapid commit", kind(DISCOVER) + opt(80), ACK_, True),
            ("REQUEST, rapid commit", kind(REQUEST) + opt(80), ACK_, False),
            ("another address asked for", kind(DISCOVER) +
             opt(50, addr("10.77.0.99")) + opt(51, b"\0\0\0\1"), OFFER,
             False),
            ("REQUEST of another address", kind(REQUEST) +
             opt(50, addr("192.168.1.1")), ACK_, False),
            ("BOOTP", b"", ACK_, False)):
        with case(what):
            r = reply(g, bootp(msg))
            same(r.opts, [(53, bytes([t]))] + common + [(54, addr(GW[4]))] +
                 ([(80, b"")] if rapid else []), f"{what}: options")
            same((r.op, r.htype, r.hlen, r.hops, r.xid, r.secs, r.flags,
                  r.ciaddr, r.yiaddr, r.siaddr, r.giaddr, r.chaddr,
                  any(r.sname + r.file), r.magic),
                 (2, 1, 6, 0, XID, 0, 0, "0.0.0.0", HOST[4], "0.0.0.0",
                  "0.0.0.0", MAC + b"\0" * 10, False, MAGIC),
                 f"{what}: fields")
            same((r.p.src, r.p.sport, r.p.dst, r.p.dport, r.p.ttl,
                  r.p.dst_mac, len(r.p.frame), any(r.rest)),
                 (GW[4], 67, HOST[4], 68, 255, MAC, 342, False),
                 f"{what}: headers, 342 bytes")


def fields(g):
    d = kind(DISCOVER)
    r = reply(g, bootp(d, flags=0x8000))
    same((r.p.dst, r.p.dst_mac, r.flags), ("255.255.255.255", MAC, 0x8000),
         "broadcast flag: to everybody's address, but the asker's MAC")
    r = reply(g, bootp(d, flags=0x7fff))
    same((r.p.dst, r.flags), (HOST[4], 0x7fff), "other flags are copied")
    r = reply(g, bootp(kind(REQUEST), ciaddr=HOST[4]), src=HOST[4], dst=GW[4],
              dst_mac=OUR_MAC)
    same((r.ciaddr, r.p.dst, r.get(53)), (HOST[4], HOST[4], bytes([ACK_])),
         "renewal by unicast")
    r = reply(g, bootp(d, hops=3, secs=77, sname=b"s", file=b"pxe"))
    same((r.hops, r.secs, any(r.sname + r.file)), (0, 0, False),
         "hops and secs are zero, no server name, no file")
    r = reply(g, bootp(d, chaddr=bytes(range(16))))
    same(r.chaddr, bytes(range(16)), "all of chaddr is copied")
    same(r.p.dst_mac, MAC, "but the frame goes where the question came from")
    got = g.replies(ask(bootp(d, giaddr="10.77.0.50"), src="10.77.0.50",
                        sport=67))
    ok(not [p for p in got if p.dport == 68],
       "a relay's request is not answered as if the guest had asked", got)
    got = g.replies(ask(bootp(d, giaddr="10.77.0.50")))
    ok(not [p for p in got if p.dport == 68],
       "nor is one that only says so", got)
    same(g.replies(ask(bootp(d, giaddr="127.0.0.1"))), [],
         "a relay at a loopback address")


def order(g):
    def codes(params, msg=kind(DISCOVER)):
        return reply(g, bootp(msg + opt(55, bytes(params)))).codes()

    same(codes([3, 1, 51]), [53, 3, 1, 51, 6, 26, 54, 119],
         "order: the client's, then the rest ascending")
    same(codes([54, 53, 3]), [54, 53, 3, 1, 6, 26, 51, 119],
         "order: the type where asked for")
    same(codes([42, 15, 28, 2, 66, 67, 150, 58, 59]),
         [53, 1, 3, 6, 26, 51, 54, 119], "options that are never sent")
    same(codes([1, 1, 3, 1, 3]), [53, 1, 3, 6, 26, 51, 54, 119],
         "asked twice is sent once")
    same(codes([0, 255, 121]), [53, 1, 3, 6, 26, 51, 54, 119],
         "0 and 255 are no options")
    same(codes([]), [53, 1, 3, 6, 26, 51, 54, 119], "empty list")
    same(codes(range(255, 0, -1)), [119, 54, 53, 51, 26, 6, 3, 1],
         "list of 255")
    same(codes([119], kind(DISCOVER) + opt(55, b"\x36")),
         [53, 54, 119, 1, 3, 6, 26, 51], "two lists count as one (RFC 3396)")
    r = reply(g, bootp(kind(DISCOVER)))
    same((r.get(6), r.get(119)), (addr("10.77.0.53"),
                                  names("a.example")), "DNS and search")


# --- malformed requests ---

def unanswered(g):
    d = kind(DISCOVER)
    for name, frame in (
            ("DECLINE", bootp(kind(DECLINE))),
            ("RELEASE", bootp(kind(RELEASE))),
            ("INFORM", bootp(kind(INFORM), ciaddr=HOST[4])),
            ("OFFER", bootp(kind(OFFER))), ("ACK", bootp(kind(ACK_))),
            ("NAK", bootp(kind(NAK))), ("type 0", bootp(kind(0))),
            ("type 200", bootp(kind(200))),
            ("REQUEST to another server",
             bootp(kind(REQUEST) + opt(54, addr("10.77.0.9")))),
            ("a reply", bootp(d, op=2)), ("operation 0", bootp(d, op=0)),
            ("hardware type 6", bootp(d, htype=6)),
            ("hardware length 0", bootp(d, hlen=0)),
            ("hardware length 16", bootp(d, hlen=16)),
            ("hardware length 255", bootp(d, hlen=255)),
            ("wrong magic", bootp(d, magic=b"\x63\x82\x53\x64")),
            ("magic of zeros", bootp(d, magic=b"\0" * 4)),
            ("no magic", bootp(magic=b"", end=b"")),
            ("half a magic", bootp(magic=MAGIC[:3], end=b"")),
            ("one byte", b"\1"), ("nothing", b""),
            ("half the fixed part", bootp(d)[:120]),
            ("type of length 0", bootp(opt(53))),
            ("type of length 2", bootp(opt(53, b"\1\1"))),
            ("type of length 255", bootp(opt(53, b"\1" * 255))),
            ("two types", bootp(d + kind(REQUEST))),
            ("server of length 3",
             bootp(kind(REQUEST) + opt(54, addr(GW[4])[:3]))),
            ("server of length 0", bootp(kind(REQUEST) + opt(54))),
            ("two servers", bootp(kind(REQUEST) + opt(54, addr(GW[4])) * 2)),
            ("an option without length", bootp(d + b"\x0c", end=b"")),
            ("an option one byte too long", bootp(d + b"\x0c\5abcd",
                                                  end=b"")),
            ("an option reaching over the end mark",
             bootp(d + b"\x0c\3a")),
            ("an option of 255 in 4", bootp(d + b"\x0c\xffabcd", end=b"")),
            ("a list of 255 in 3", bootp(d + b"\x37\xff\1\3\6", end=b"")),
            ("lists of 256", bootp(d + opt(55, b"\1" * 200) +
                                   opt(55, b"\1" * 56))),
            ("rapid commit with a value", bootp(d + opt(80, b"\1"))),
            ("overload 0", bootp(d + opt(52, b"\0"))),
            ("overload 4", bootp(d + opt(52, b"\4"))),
            ("overload of length 2", bootp(d + opt(52, b"\1\1"))),
            ("two overloads", bootp(d + opt(52, b"\1") * 2)),
            ("overload with a bad file", bootp(
                d + opt(52, b"\1"), file=b"\0" * 126 + b"\x0c\1")),
            ("overload with a second type", bootp(
                d + opt(52, b"\2"), sname=kind(REQUEST) + b"\xff"))):
        same(g.replies(ask(frame)), [], f"no answer: {name}")
    good = bootp(d)
    for name, frame in (
            ("from another port", ask(good, sport=69)),
            ("to another port", ask(good, dport=68)),
            ("UDP length too large", ask(good, length=len(good) + 9)),
            ("UDP length 7", ask(good, length=7)),
            ("UDP length 0", ask(good, length=0)),
            ("UDP length that cuts the type",
             ask(good, length=8 + 240 + 2))):
        same(g.replies(frame), [], f"no answer: {name}")


def tolerated(g):
    d = kind(DISCOVER)
    for name, msg in (
            ("padding before and between", b"\0" * 7 + d + b"\0\0" +
             opt(12, b"x")),
            ("no end mark", None),
            ("an unknown option of length 0", d + opt(200)),
            ("an unknown option of length 1", d + opt(201, b"\1")),
            ("an unknown option of length 255", d + opt(202, b"\1" * 255)),
            ("an unknown option twice", d + opt(203, b"abc") * 2),
            ("a host name of length 0", opt(12) + d),
            ("client identifier of length 1", opt(61, b"\0") + d),
            ("garbage behind the end", d + b"\xff\x0c\xff\1\2\3"),
            ("an end mark within a value", opt(12, b"a\xff") + d),
            ("an end mark taken for a value", d + b"\x0c\2a"),
            ("only padding behind", d + b"\xff" + b"\0" * 200),
            ("oversized: 1400 bytes of options", d +
             opt(202, b"\2" * 255) * 5),
            ("oversized: 60000 bytes of options", d +
             opt(202, b"\2" * 255) * 233)):
        with case(name):
            m = bootp(d, end=b"") if msg is None else bootp(msg)
            same(reply(g, m).get(53), bytes([OFFER]), f"answer: {name}")
    over = bootp(opt(52, b"\1"), file=d + b"\xff")
    same(reply(g, over).get(53), bytes([OFFER]), "answer: type in file")
    over = bootp(opt(52, b"\2"), sname=d + b"\xff")
    same(reply(g, over).get(53), bytes([OFFER]), "answer: type in sname")
    over = bootp(opt(52, b"\3"), sname=opt(80) + b"\xff", file=d + b"\xff")
    r = reply(g, over)
    same((r.get(53), r.get(80)), (bytes([ACK_]), b""),
         "answer: type in file, rapid commit in sname")
    same(reply(g, bootp(file=d + b"\xff")).get(53), bytes([ACK_]),
         "answer: file is a file without overload, so BOOTP")
    frame = ask(bootp(d))
    same(Reply(g.reply(frame + b"\xa5" * 50)).get(53), bytes([OFFER]),
         "answer: frame with trailing bytes")
    b = bytearray(frame)
    b[24:26], b[40:42] = b"\x12\x34", b"\x56\x78"
    same(Reply(g.reply(bytes(b))).get(53), bytes([OFFER]),
         "answer: checksums of the guest are not verified")


# --- options of the command line ---

def told(*opts, msg=kind(DISCOVER)):
    with started(*opts) as p, Guest(p) as g:
        return reply(g, bootp(msg))


def options():
    same(told("-D", "10.77.0.1", "-D", "10.77.0.2", "-D", "10.77.0.3", "-D",
              "10.77.0.4", "-S", "none").get(6),
         addr("10.77.0.1") + addr("10.77.0.2") + addr("10.77.0.3"),
         "-D: three servers at most")
    same(told("-D", "127.0.0.1", "-S", "none").get(6), addr("127.0.0.1"),
         "-D: unchanged")
    dns = "-D", "10.77.0.53", "-S"
    same(told(*dns, "x", "--no-dhcp-dns").codes(),
         [53, 1, 3, 26, 51, 54, 119], "--no-dhcp-dns")
    same(told(*dns, "x", "--no-dhcp-search").codes(),
         [53, 1, 3, 6, 26, 51, 54], "--no-dhcp-search")
    same(told("-m", "0").codes(), [53, 1, 3, 51, 54], "-m 0: no MTU")
    same(told("-m", "1280").get(26), b"\5\0", "-m 1280")
    r = told("-H", "box", "--fqdn", "box.example.org")
    same((r.get(12), r.get(81)), (b"box", b"\4\xff\xff" +
                                  names("box.example.org")), "-H, --fqdn")
    r = told("-H", "h" * 63, "--fqdn", f"{'f' * 63}.example")
    same((r.get(12), r.get(81), len(r.p.frame) <= 14 + 576),
         (b"h" * 63, b"\4\xff\xff" + names(f"{'f' * 63}.example"), True),
         "-H, --fqdn: labels of 63")
    for opts, mask in ((("-a", "10.1.2.3"), "255.0.0.0"),
                       (("-a", "172.20.2.3"), "255.255.0.0"),
                       (("-a", "192.168.2.3"), "255.255.255.0"),
                       (("-a", "10.1.2.3/20"), "255.255.240.0"),
                       (("-a", "10.1.2.3", "-n", "28"), "255.255.255.240"),
                       (("-n", "255.255.0.0"), "255.255.0.0"),
                       (("-n", "32"), "255.255.255.255"),
                       (("-n", "0"), "0.0.0.0")):
        with case(f"{opts}"):
            r = told(*opts)
            a = opts[1].split("/")[0] if opts[0] == "-a" else HOST[4]
            same((r.yiaddr, r.p.dst, r.get(1)), (a, a, addr(mask)),
                 f"{' '.join(opts)}: address and mask")
    outside = b"\x20" + addr("192.0.2.1") + b"\0" * 4 + b"\0" + \
        addr("192.0.2.1")
    r = told("-g", "192.0.2.1")
    same((r.p.src, r.get(3), r.get(54), r.get(121)),
         ("192.0.2.1", addr("192.0.2.1"), addr("192.0.2.1"), outside),
         "-g outside the subnet: routes (121)")
    same(told("-n", "32").get(121), outside.replace(
        addr("192.0.2.1"), addr(GW[4])), "-n 32: routes as well")
    r = told("-g", "10.77.0.9")
    same((r.p.src, r.get(3), r.get(54), r.get(121)),
         ("10.77.0.9", addr("10.77.0.9"), addr("10.77.0.9"), None),
         "-g inside: no routes")
    for name, opts in (("--no-dhcp", ("--no-dhcp",)), ("-6", ("-6",)),
                       ("--no-udp does not mean DHCP", ("--no-udp",))):
        with started(*opts) as p, Guest(p) as g:
            g.ip[4] = None if name == "-6" else HOST[4]
            got = [f for f in g.replies(ask(bootp(kind(DISCOVER))))
                   if f.proto == UDP]
            same(len(got), int("--no-udp" in opts), name)


def search():
    def of(*list):
        return told("-D", "10.77.0.53", *sum((("-S", n) for n in list), ()))

    same(of("a.example", "b.a.example", "example", "A.EXAMPLE").get(119),
         names("a.example") + b"\1b\xc0\0" + b"\xc0\2" + b"\xc0\0",
         "119: compressed (RFC 3397)")
    same(of("a.example b.example").get(119),
         names("a.example") + b"\1b\xc0\2", "119: blank-separated list")
    long = [f"{'x' * 60}.{n}.example" for n in range(6)]
    r = of(*long)
    v = r.get(119) or b""
    ok(v and len(v) <= 255 and v[-1:] and v.count(b"x" * 60) ==
       len(v) // 61 and set(r.codes()) >= {1, 3, 6, 51, 53, 54},
       "119: as many names as fit, and all else as well", r.opts)
    ok(r.area <= 307 and len(r.p.frame) <= 14 + 576,
       "within 576 bytes of IP", r.area)
    r = told("-D", "10.77.0.53", "-H", "h" * 253, "--fqdn",
             ".".join(["f" * 60] * 4), "-S", "x.example")
    ok(r.area <= 307 and {1, 3, 6, 51, 53, 54} <= set(r.codes()),
       "names that do not fit are left out, nothing else", r.opts)


def seen():
    """An answer resets the address that inbound traffic goes to."""
    with started("-u", "7777") as p, Guest(p) as g:
        def to_guest():
            with socket_in(topo.remote, 4, socket.SOCK_DGRAM) as s:
                s.sendto(b"x", (HOST[4], 7777))
            return g.expect_udp(4, 7777).dst

        g.send(eth(packet("10.77.0.200", REMOTE[4], TCP, tcp(1, 1, RST))))
        g.replies()
        same(to_guest(), "10.77.0.200", "seen: what the guest uses")
        g.replies(ask(bootp(kind(INFORM))))
        same(to_guest(), "10.77.0.200", "seen: no answer resets nothing")
        g.replies(ask(bootp(kind(DISCOVER))))
        same(to_guest(), HOST[4], "seen: DHCP resets it")


with topo.passt("-D", "10.77.0.53", "-S", "a.example") as p, Guest(p) as g:
    with case("order"):
        order(g)
with started() as p, Guest(p) as g:
    for f in messages, fields, unanswered, tolerated:
        with case(f.__name__):
            f(g)
for f in options, search, seen:
    with case(f.__name__):
        f()
well_formed()
done()
