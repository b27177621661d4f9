#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""First inputs of the fuzz targets: frames and texts as they come in life.

	seeds.py DIRECTORY

writes DIRECTORY/NAME/*. The corpus in the tree was grown from these and then
cut down to what reaches something (make fuzz-merge), so this is needed again
only when a target or the meaning of its input changes: see README.md.
"""
import os
import struct
import sys

OUR = bytes.fromhex('9a559a559a55')
MAC = bytes.fromhex('525400123456')


def be16(n):
    return struct.pack('>H', n)


def be32(n):
    return struct.pack('>I', n & 0xffffffff)


def ip4(text):
    return bytes(int(n) for n in text.split('.'))


def ip6(head, tail):
    return bytes.fromhex(head).ljust(8, b'\0') + \
        bytes.fromhex(tail).rjust(8, b'\0')


G4, X4 = ip4('192.0.2.2'), ip4('203.0.113.1')
G6, X6 = ip6('20010db8', '12340002'), ip6('20010db80009', '01')
LL, ALL = ip6('fe80', '09'), ip6('ff02', '01')


def eth(kind, rest, dst=OUR):
    return dst + MAC + be16(kind) + rest


def v4(proto, rest, src=G4, dst=X4, frag=0, opt=b'', ident=1):
    n = 20 + len(opt)
    return eth(0x800, bytes([0x40 | n // 4, 0]) + be16(n + len(rest)) +
               be16(ident) + be16(frag) + bytes([64, proto]) + be16(0) + src +
               dst + opt + rest)


def v6(proto, rest, src=G6, dst=X6, hops=64):
    return eth(0x86dd, be32(0x60000000) + be16(len(rest)) +
               bytes([proto, hops]) + src + dst + rest)


def udp(sport, dport, data):
    return be16(sport) + be16(dport) + be16(8 + len(data)) + be16(0) + data


def tcp(sport, dport, seq, ack, flags, data=b'', opt=b'', win=65535):
    return be16(sport) + be16(dport) + be32(seq) + be32(ack) + \
        bytes([(20 + len(opt)) // 4 << 4, flags]) + be16(win) + be32(0) + \
        opt + data


SYN_OPT = bytes.fromhex('020405b4' '01030307' '01010402')
SACK = bytes.fromhex('0101050a') + be32(100) + be32(200)


def frames():
    """Whole frames of every kind, for hdr and as parts of others"""
    ns = bytes([135, 0, 0, 0, 0, 0, 0, 0]) + X6 + bytes([1, 1]) + MAC
    yield 'arp', eth(0x806, bytes.fromhex('0001080006040001') + MAC + G4 +
                     bytes(6) + ip4('192.0.2.1'), b'\xff' * 6)
    yield 'syn4', v4(6, tcp(1000, 80, 1, 0, 2, opt=SYN_OPT))
    yield 'syn6', v6(6, tcp(1000, 80, 1, 0, 2, opt=SYN_OPT))
    yield 'sack4', v4(6, tcp(1000, 80, 1, 1, 16, opt=SACK))
    yield 'data4', v4(6, tcp(1000, 80, 1, 1, 24, b'hello'), opt=b'\1' * 4)
    yield 'udp4', v4(17, udp(1000, 53, b'query'))
    yield 'udp6', v6(17, udp(1000, 53, b'query'))
    yield 'echo4', v4(1, bytes([8, 0, 0, 0, 0, 7, 0, 1]) + b'ping')
    yield 'echo6', v6(58, bytes([128, 0, 0, 0, 0, 7, 0, 1]) + b'ping')
    yield 'ns', v6(58, ns, LL, ip6('ff02', '01ff000001'), 255)
    yield 'rs', v6(58, bytes([133] + [0] * 7) + bytes([1, 1]) + MAC, LL,
                   ip6('ff02', '02'), 255)
    yield 'igmp', v4(2, bytes.fromhex('16000000') + ip4('239.1.2.3'),
                     dst=ip4('239.1.2.3'), opt=bytes.fromhex('94040000'))
    yield 'igmp3', v4(2, bytes.fromhex('2200000000000001' '04000000') +
                      ip4('239.1.2.4'), dst=ip4('224.0.0.22'),
                      opt=bytes.fromhex('94040000'))
    mld = bytes([143, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0]) + ip6('ff05', '0123')
    yield 'mld', v6(0, bytes.fromhex('3a00050200000100') + mld, LL,
                    ip6('ff02', '16'), 1)
    yield 'mdns', v4(17, udp(5353, 5353, b'm'), dst=ip4('224.0.0.251'))
    yield 'frag4', v4(17, udp(5, 6, bytes(64)), frag=0x2000)
    yield 'frag6', v6(44, bytes([17, 0, 0, 1, 0, 0, 0, 9]) +
                      udp(5, 6, bytes(64)))
    yield 'ext6', v6(0, bytes.fromhex('3c00050200000100') +
                     bytes.fromhex('2b00010400000000') +
                     bytes.fromhex('1100000000000000') + udp(5, 6, b'x'))
    yield 'ah6', v6(51, bytes.fromhex('1104') + bytes(22) + udp(5, 6, b'x'))
    yield 'dhcp', v4(17, udp(68, 67, discover(1)), ip4('0.0.0.0'),
                     ip4('255.255.255.255'))
    yield 'dhcpv6', v6(17, udp(546, 547, solicit(1)), LL,
                       ip6('ff02', '010002'), 1)
    yield 'loop', v4(17, udp(1, 2, b''), dst=ip4('127.0.0.1'))


def opt4(code, data):
    return bytes([code, len(data)]) + data


def discover(kind, *opts):
    b = bytes.fromhex('01010600deadbeef00050000') + bytes(16) + MAC + \
        bytes(10 + 192) + bytes.fromhex('63825363') + opt4(53, bytes([kind]))
    return b + b''.join(opts) + b'\xff'


def dhcp():
    yield 'discover', bytes([0x77, 0]) + discover(
        1, opt4(55, bytes([1, 3, 6, 12, 15, 26, 119, 121])),
        opt4(12, b'name'), opt4(57, be16(1500)))
    yield 'request', bytes([0x7f, 9]) + discover(
        3, opt4(50, G4), opt4(54, ip4('192.0.2.1')),
        opt4(61, b'\1' + MAC), opt4(81, b'\0\0\0name.org'))
    yield 'inform', bytes([0, 0]) + discover(8, opt4(80, b''))
    yield 'decline', bytes([0x60, 0]) + discover(4, opt4(50, G4))
    yield 'bootp', bytes([1, 0]) + discover(1)[:240] + b'\xff'
    yield 'overload', bytes([0x61, 0]) + discover(1, opt4(52, b'\3'),
                                                  opt4(57, be16(576)))


def opt6(code, data):
    return be16(code) + be16(len(data)) + data


def ia(n):
    inner = b''.join(opt6(5, a + be32(3600) + be32(7200))
                     for a in (G6, X6)[:n])
    return opt6(3, be32(7) + be32(3600) + be32(5400) + inner)


CLIENT = opt6(1, bytes.fromhex('00030001') + MAC)
SERVER = opt6(2, b'\xff' * 14)


def solicit(kind, *opts):
    return bytes([kind, 0xab, 0xcd, 0xef]) + CLIENT + b''.join(opts)


def dhcpv6():
    wish = opt6(6, be16(23) + be16(24) + be16(39) + be16(31))
    fqdn = opt6(39, b'\0\4name\3org\0')
    for kind, opts in {1: (ia(0), wish, opt6(14, b'')), 3: (SERVER, ia(1)),
                       4: (ia(2),), 5: (SERVER, ia(2), wish),
                       6: (ia(1), opt6(8, be16(9))), 8: (SERVER, ia(1)),
                       9: (SERVER, ia(2)), 11: (wish, fqdn)}.items():
        yield 'type%i' % kind, bytes([0x1f, 0]) + solicit(kind, *opts)
        yield 'more%i' % kind, bytes([0xff ^ kind, 5]) + solicit(kind, *opts,
                                                                 fqdn)


def ndp():
    slla = bytes([1, 1]) + MAC
    yield 'rs', bytes([0x5f, 1, 0]) + bytes([133] + [0] * 7) + slla
    yield 'rs0', bytes([0x1f, 0, 0]) + bytes([133] + [0] * 7)
    yield 'ns', bytes([1, 1 | 2 << 2, 7]) + bytes([135] + [0] * 7) + X6 + slla
    yield 'dad', bytes([1, 8, 0]) + bytes([135] + [0] * 7) + LL
    yield 'na', bytes([1, 1, 0]) + bytes([136, 0, 0, 0, 0x60, 0, 0, 0]) + \
        G6 + bytes([2, 1]) + MAC
    yield 'redirect', bytes([1, 5, 0]) + bytes([137] + [0] * 7) + X6 + X6
    yield 'arp', bytes([0, 128, 0]) + dict(frames())['arp'][14:]
    yield 'reply', bytes([0, 128, 3]) + bytes.fromhex('0001080006040002') + \
        MAC + G4 + OUR + ip4('192.0.2.1')


def stream():
    f = dict(frames())
    some = b''.join(be32(len(f[n])) + f[n] for n in ('arp', 'syn4', 'udp6'))
    yield 'in', b'\0' + be16(len(some)) + some
    yield 'halves', b'\0' + be16(50) + some[:50] + b'\2\0' + \
        be16(len(some) - 50) + some[50:] + b'\2\2'
    yield 'out', bytes([4, 5]) + be16(1400) + bytes([1, 6, 5])
    yield 'short', bytes([3, 3, 0, 4, 9]) + be16(4000) + bytes([0, 9]) + \
        bytes([4, 0]) + be16(61) + bytes([1, 1, 3, 0xff, 0xff, 5])
    yield 'error', bytes([6 + 8 * 2, 4, 3]) + be16(100) + bytes([0, 3, 7])
    yield 'bad', b'\0' + be16(8) + b'\xff' * 8 + b'\7\0' + be16(4) + bytes(4)


def rules():
    for i, text in enumerate([
            'none', 'auto', 'all', '22', '22,80-90', '22:2222', '~25',
            '80-90:8080-8090', '127.0.0.1/22', '::1/22', '[::]/22',
            '0.0.0.0/22', '%lo/22', '192.0.2.1%eth0/22-80:32-90',
            '2001:db8::1%eth0/1,2,3,~5', '22-80,~30-40', 'auto,~22',
            '1-65535:1-65535', '22\n80\n443', 'all,~80-90\n%lo/80',
            '65535:1', '[2001:db8::1]/80', '80-90,85:1000']):
        yield 'a%02i' % i, b'\x0f' + text.encode()


def options():
    lines = '''passt -f -s /tmp/s -a 192.0.2.2 -n 24 -g 192.0.2.1 -m 1500
passt -D 192.0.2.53 -S example.org --dns-forward 192.0.2.7 -q -1
pasta --config-net -t 22,80:81 -u none -T auto -U auto -- sh -c x
pasta 1234
pasta --netns /run/netns/x --userns /proc/1/ns/user
pasta --netns-only --netns foo -I tap1 --ns-mac-addr 52:54:00:12:34:56
passt -4 -a 192.0.2.2/24 --no-dhcp --no-map-gw
passt -6 -a 2001:db8::2 --no-ndp --no-dhcpv6 --no-ra --mtu 65520
pasta --splice-only -t 80
passt --fd 5 -P /tmp/pid -l /tmp/log --log-size 100000 -p /tmp/cap
passt --runas u:g -i eth0 -o 192.0.2.9 --outbound-if4 eth0
passt -t 127.0.0.1%lo/22 -u ~53 -M 9a:55:9a:55:9a:55 --trace
passt --map-host-loopback none --map-guest-addr 192.0.2.8
passt -H guest --fqdn guest.example.org --debug --stats 5
passt --help
pasta --version
pasta --host-lo-to-ns-lo --no-splice --no-copy-routes --config-net
passt --vhost-user --repair-path none
passt --freebind --no-tcp --no-udp --no-icmp'''
    for i, line in enumerate(lines.split('\n')):
        yield 'l%02i' % i, line.replace(' ', '\n').encode()


def nla(kind, data):
    return struct.pack('=HH', 4 + len(data), kind) + data + \
        bytes(-len(data) % 4)


def msg(kind, body, flags=2, seq=0xffffffff):
    return struct.pack('=IHHII', 16 + len(body), kind, flags, seq, 0) + body


def netlink():
    done = msg(3, struct.pack('=i', 0))

    def net(how, *msgs):
        b = b''.join(msgs)
        return bytes([how]) + be16(len(b)) + b

    link = msg(16, struct.pack('=BxHiII', 0, 1, 2, 0x11043, 0) +
               nla(3, b'eth0\0') + nla(4, struct.pack('=I', 1500)) +
               nla(1, MAC) + nla(13, struct.pack('=I', 1000)))
    yield 'link', net(0, link, done)
    yield 'link_name', net(8, link, done)
    a4 = msg(20, struct.pack('=BBBBI', 2, 24, 0, 0, 2) + nla(1, G4) +
             nla(2, G4) + nla(8, struct.pack('=I', 0x80)) +
             nla(9, struct.pack('=I', 100)))
    a6 = msg(20, struct.pack('=BBBBI', 10, 64, 0, 253, 2) + nla(1, LL))
    yield 'addr4', net(1, a4, done)
    yield 'addr6', net(9, a6, done)
    mapped = msg(20, struct.pack('=BBBBI', 10, 112, 0, 0, 2) +
                 nla(1, bytes(10) + b'\xff\xff' + G4))
    yield 'was-mapped', net(9, mapped, done)
    yield 'was-family', net(9, a4, done)
    rt = struct.pack('=BBBBBBBBI', 2, 0, 0, 0, 254, 3, 0, 1, 0)
    metrics = nla(8, nla(2, struct.pack('=I', 1400)))
    yield 'route', net(2, msg(24, rt + nla(15, struct.pack('=I', 254)) +
                              nla(5, ip4('192.0.2.1')) +
                              nla(4, struct.pack('=I', 2)) +
                              nla(6, struct.pack('=I', 5)) + metrics), done)
    hop = struct.pack('=HBBi', 16, 0, 1, 2) + nla(5, ip4('192.0.2.1'))
    via = struct.pack('=HBBi', 8 + 24, 0, 1, 2) + \
        nla(18, struct.pack('=H', 10) + X6) + bytes(0)
    yield 'hops', net(10, msg(24, rt + nla(9, hop + hop)), done)
    yield 'via', net(2, msg(24, rt + nla(9, via)), done)
    nh = msg(24, rt + nla(30, struct.pack('=I', 7)))
    obj = msg(104, struct.pack('=BBBBI', 2, 0, 3, 0, 0) +
              nla(1, struct.pack('=I', 7)) + nla(5, struct.pack('=I', 2)) +
              nla(6, ip4('192.0.2.1')))
    grp = msg(104, struct.pack('=BBBBI', 2, 0, 3, 0, 0) +
              nla(1, struct.pack('=I', 9)) +
              nla(2, struct.pack('=IBBH', 7, 0, 0, 0)))
    b, c = nh + done, obj + grp + done
    yield 'nexthop', bytes([2]) + be16(len(b)) + b + be16(len(c)) + c
    rt6 = struct.pack('=BBBBBBBBI', 10, 64, 0, 0, 254, 3, 0, 1, 0)
    yield 'route6', net(18, msg(24, rt6 + nla(1, X6) + nla(5, LL) +
                                nla(4, struct.pack('=I', 2)) +
                                nla(20, b'\1')), done)
    neigh = msg(28, struct.pack('=BxHiHBB', 2, 0, 2, 2, 0, 1) +
                nla(1, ip4('192.0.2.9')) + nla(2, MAC), 0, 0)
    gone = msg(29, struct.pack('=BxHiHBB', 10, 0, 2, 32, 0, 1) + nla(1, X6),
               0, 0)
    yield 'neigh', net(4, neigh, gone, done) + be16(0xfff2) + \
        be16(len(done)) + done
    diag = msg(20, struct.pack('=BBBB', 2, 10, 0, 0) + be16(80) + be16(0) +
               bytes(64))
    yield 'diag', net(13, diag, done) + be16(len(done)) + done
    peer = msg(20, struct.pack('=BBBB', 2, 1, 0, 0) + be16(81) + be16(9) +
               bytes(64))
    short = msg(20, diag[16:70])
    yield 'diag_mixed', net(5, peer, diag, short, done, diag) + \
        be16(len(diag * 3)) + diag * 3 + be16(0x8000 | len(peer)) + peer + \
        be16(len(done)) + done
    err = msg(2, struct.pack('=i', -17) + bytes(16))
    yield 'error', net(7, err)
    yield 'intr', net(1, msg(20, b'', 0x12), done) + net(1, a4, done)[1:]


def neigh():
    """Steps by the numbers they have in neigh.c; with 128, not read yet"""
    change, ask, guest, raw, wait, fail = 0, 2, 3, 4, 5, 6

    def neighbour(i, mac, link=0, gone=0, lost=0, later=0):
        return bytes([change | later, i, link | gone * 4 | lost * 8 | mac << 4])

    def attr(kind, data):
        return struct.pack('=HH', 4 + len(data), kind) + data

    body = struct.pack('=BxHiHBB', 2, 0, 2, 2, 0, 1) + \
        attr(1, ip4('192.0.2.9')) + attr(2, MAC)
    msg = struct.pack('=IHHII', 16 + len(body), 28, 0, 0, 0) + body
    done = struct.pack('=IHHII', 16, 3, 2, 0, 0)
    some = b''.join(neighbour(i, i % 16) for i in range(24))
    quick = b''.join(neighbour(i, 15 - i % 15, later=128) for i in range(24))
    asks = b''.join(bytes([ask, i]) for i in range(24))
    yield 'some', b'\x10' + some + asks
    yield 'v6', b'\x13' + some + asks
    yield 'first', b'\x04' + asks + some + bytes([wait, 0x84])
    yield 'news', b'\x10' + asks + some + quick + bytes([wait, 200])
    yield 'goes', b'\x10' + some + asks + b''.join(
        neighbour(i, 0, gone=1) for i in range(24)) + bytes([wait, 0x90])
    yield 'lost', b'\x10' + some + asks + neighbour(4, 5, lost=1) + quick + \
        quick + neighbour(6, 9, gone=1, later=128) + bytes([wait, 0x84]) + some
    yield 'storm', b'\x10' + asks + bytes([wait, 0x88]) + quick + quick + \
        neighbour(0, 3) + neighbour(0, 7, later=128) + neighbour(0, 9)
    group = body[:-len(attr(2, MAC))] + attr(2, b'\1\0\x5e\0\0\1')
    yield 'group', b'\x10' + bytes([raw]) + be16(16 + len(group)) + \
        struct.pack('=IHHII', 16 + len(group), 28, 0, 0, 0) + group + asks
    yield 'busy', b'\x12' + quick + quick + asks + quick
    yield 'other', b'\x10' + b''.join(neighbour(i, 3, 2) for i in range(9))
    yield 'guest', b'\x10' + asks + quick + bytes([guest, 1]) + some + \
        bytes([guest, 0]) + asks + quick + bytes([wait, 0x81])
    yield 'retry', b'\x18' + some + asks + bytes([fail, 8]) + \
        neighbour(0, 3, lost=1) + bytes([wait, 0x84, fail, 0]) + some
    yield 'never', b'\x18' + bytes([fail, 12, wait, 0x84]) + some
    for flags in (0, 0x8000, 0x4000):
        yield 'raw%x' % flags, b'\x10' + some + bytes([raw]) + \
            be16(flags | len(msg + done)) + msg + done + asks


def scan():
    """Steps by the numbers they have in scan.c; with 128, no time after it"""
    prog, wait, wrong, fail, way, conns = range(6)
    host, ns, tcp, udp, close = 0, 1, 0, 2, 4

    def opens(where, i, family=1, peer=0):
        return bytes([prog, where, i | family << 4 | peer << 6])

    def closes(where, i, lost=0):
        return bytes([prog, where | close | lost * 8, i])

    some = b''.join(opens(w | p, i + w, 1 + i % 3) for w in (host, ns)
                    for p in (tcp, udp) for i in (0, 2, 5, 14)) + \
        opens(ns | udp, 9, 1, 1) + opens(host | udp, 14, 2, 1)
    gone = b''.join(closes(w | tcp, i + w) for w in (host, ns)
                    for i in (0, 5, 14))
    second = bytes([wait, 128 | 50])
    diag = struct.pack('=IHHII', 88, 20, 2, 1, 0) + bytes([2, 10, 0, 0]) + \
        be16(1003) + be16(0) + bytes(64)
    line = b'   5: 0100007F:03ED 00000000:0000 0A 0'
    for kernel in (0, 1, 3, 5, 8, 16):
        yield 'auto%i' % kernel, bytes([15, kernel]) + some + second + gone
        yield 'gate%i' % kernel, bytes([62, kernel]) + some + second + \
            opens(ns, 3) + second + gone + closes(ns, 3) + bytes([way, 1]) + \
            second + bytes([way, 0]) + second + bytes([way, 4])
    yield 'explicit', bytes([111, 0]) + opens(ns, 8) + second
    for kind in range(1, 9):
        for kernel in (0, 1):
            raw = (line if kernel else diag) if kind == 5 else b''
            yield 'wrong%i_%i' % (kind, kernel), bytes([31, kernel]) + some + \
                bytes([wrong, kind, len(raw)]) + raw + opens(ns, 8) + second
    for how in (4, 28 | 1, 32, 64, 128 | 8 | 2):
        yield 'fail%i' % how, bytes([47, 0, fail, how]) + some + second + gone
    yield 'lost', bytes([15, 0]) + some + closes(ns, 2, 1) + closes(ns, 3)
    yield 'both', bytes([15, 0]) + opens(host, 5) + second + opens(ns, 5) + \
        second + opens(ns, 7) + second + opens(host, 7) + second
    at_once = bytes([prog | 128, host, 5]) + opens(ns, 5)
    yield 'was-both', bytes([15, 0]) + at_once + second
    yield 'busy', bytes([15, 0, conns, 200]) + second + some + gone + second
    yield 'tables', bytes([16, 1, way, 2]) + second + opens(ns, 3)


def resolv():
    yield 'was-compat', b'\1nameserver ::10\nnameserver 224.0.0.1\n'
    for i, text in enumerate([
            'nameserver 192.0.2.53\nnameserver 2001:db8::53\n'
            'search example.org a.example\n',
            'nameserver 127.0.0.53\noptions edns0\nsearch .\n',
            'domain local\nnameserver fe80::1%eth0\n# x\n;y\n',
            'nameserver ::1\nnameserver 127.0.0.1\nnameserver 0.0.0.0\n']):
        for how in (0, 1, 67, 71):
            yield 'r%i_%i' % (i, how), bytes([how]) + text.encode()
    head = '  sl  local_address rem_address   st tx_queue rx_queue\n'
    tcp4 = '   0: 0100007F:0016 00000000:0000 0A 00000000:00000000 0\n'
    tcp6 = '   1: ' + '0' * 32 + ':0050 ' + '0' * 32 + ':0000 07 0:0 0\n'
    for how in (128, 130, 134):
        yield 't%i' % how, bytes([how]) + (head + tcp4 + tcp6).encode()


def qrap():
    for i, line in enumerate([
            'qemu-system-x86_64 -m 512 -net nic -net user',
            'qemu-system-x86_64 -machine q35,accel=kvm -netdev user,id=n0 '
            '-device virtio-net-pci,netdev=n0,mac=52:54:00:12:34:56,bus=pci.0',
            'qemu -machine none -nodefaults', 'qemu --version', 'qemu -h',
            'qemu-system-x86_64 -nic none -device e1000,addr=0x3',
            'qemu -device {"driver":"virtio-net-pci","netdev":"x"}',
            'qemu -netdev socket,fd=5,id=hostnet0 -M pc',
            'qemu-system-aarch64 -M virt -device pcie-root-port,id=r,bus=pcie.0'
            ',addr=0x2 -device virtio-blk-pci,addr=02.0']):
        yield 'q%i' % i, line.replace(' ', '\n').encode()


def names():
    for i, word in enumerate([
            '192.0.2.1', '2001:db8::1', '::ffff:192.0.2.1', '192.0.2.0/24',
            '2001:db8::/64', '::ffff:10.0.0.0/104', '255.255.255.0', '24',
            '52:54:00:12:34:56', '0x1f', '017', '70000',
            'www.example.org', 'example.org.', 'org', 'a.b.c.some.example.org',
            'x' * 63 + '.' + 'y' * 63, 'Some.Example.ORG', '..', '.']):
        yield 'n%02i' % i, word.encode()


def seg():
    steps = [bytes([0, 6]) + SYN_OPT + bytes(12), bytes([0, 3]) + SACK,
             bytes([1]) + be16(100) + be32(77) + b'\2' + be16(32768 + 50),
             bytes([2]) + bytes(range(40)),
             bytes([3]) + be16(100) + be16(100) + b'\0' + bytes([8]) +
             bytes([3]) + be16(300) + be16(10) + b'\3' + bytes([8]) +
             bytes([6]) + be16(100) + b'\0' + bytes([6]) + be16(200) + b'\0',
             bytes([12]) + be16(1400) + bytes([9, 2]) + be16(100) + be16(100) +
             be16(400) + be16(50) + bytes([14, 0, 0, 11, 5]) + bytes(8) +
             bytes([13]) + be16(150) + bytes([11, 3]) + bytes(6)]
    for i, s in enumerate(steps):
        yield 's%i' % i, be32(1) + s
    yield 'all', be32(0xffffff00) + b''.join(steps)


def frag():
    def piece(what, off, len8, rest=None):
        return bytes([what]) + be16(off) + bytes([len8]) + \
            (b'' if rest is None else bytes([rest]))

    yield 'two4', piece(32, 0, 10) + piece(0, 10, 2, 3)
    yield 'two6', piece(33, 0, 10) + piece(1, 10, 2, 0)
    yield 'ext', piece(32 | 8 | 16, 0, 10) + piece(8, 10, 2, 0) + \
        piece(33 | 8, 0, 10) + piece(9, 10, 1, 1)
    yield 'late', piece(34, 5, 5) + bytes([200, 31]) + piece(34, 0, 5) + \
        piece(2, 10, 0, 4)
    yield 'overlap', piece(35, 0, 10) + piece(35, 5, 10) + piece(3, 20, 0, 1)
    yield 'twice', piece(36, 0, 10) * 2 + piece(4, 10, 0, 5) * 2
    yield 'atomic', piece(1, 0, 3, 0)
    yield 'far', piece(36, 0x1ffe, 1) + piece(4, 0x1fff, 2, 0)
    f = dict(frames())
    yield 'raw', bytes([129]) + be16(len(f['frag4'])) + f['frag4'] + \
        bytes([128]) + be16(len(f['frag6'])) + f['frag6']


def hdr():
    for name, f in frames():
        yield name, b'\0' + f
        yield name + '_cut', b'\7' + f


def splice():
    """Steps by the numbers they have in splice.c; with 128, not told yet"""
    conn, answer, data, fin, rst, room, urg, one, stale, fail, knob = \
        0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11

    def opened(c=0, how=0):
        return bytes([conn, c | how, answer, c * 2, 0])

    def comes(side, n, later=0):
        return bytes([data | later, side]) + be16(n)

    both = comes(0, 100) + comes(1, 200)
    bulk = comes(0, 0x8000 | 2000) + comes(0, 0x8000 | 9000)
    done = bytes([fin, 0, fin, 1])
    full = bytes([room, 1]) + be16(500)
    more = bytes([room, 1]) + be16(0xffff)
    yield 'small', opened() + both + done
    yield 'ns', opened(how=8 | 16) + both + done + opened(how=32) + done
    yield 'early', bytes([conn, 0]) + comes(0, 300) + bytes([fin, 0]) + \
        bytes([answer, 0, 0]) + comes(1, 9) + bytes([fin, 1])
    yield 'refused', bytes([conn, 0]) + comes(0, 3) + bytes([answer, 0, 3])
    yield 'left', bytes([conn, 0]) + comes(0, 3) + bytes([rst, 0])
    yield 'bulk', opened() + bulk + done
    yield 'full', opened() + full + comes(0, 2000) + bytes([fin, 0]) + more
    yield 'full_bulk', opened() + bulk + full + bulk + bytes([fin | 128, 0]) + \
        more + bytes([rst, 1])
    yield 'no_pipe', bytes([fail, 3, 0xf4]) + opened() + full + \
        comes(0, 2000) + bulk + more + more
    yield 'tiny', bytes([knob, 0x0d, 0]) + opened() + full + bulk + more + more
    yield 'short', bytes([knob, 0x12, 30]) + opened() + bulk + both + done
    yield 'urgent', opened() + bytes([urg, 0, 9]) + comes(0, 5) + \
        bytes([urg | 128, 1, 0]) + comes(1, 0x8000 | 3000) + full + \
        bytes([urg, 0, 200]) + more + done
    yield 'reset', opened() + full + comes(0, 2000) + bytes([rst, 1])
    yield 'fin_reset', opened() + comes(0, 200, 128) + bytes([fin | 128, 0]) + \
        bytes([rst, 0])
    for call, e in ((0, 4), (2, 4), (5, 1), (5, 6), (6, 0), (6, 9), (7, 0),
                    (8, 2), (8, 7), (9, 1), (10, 12), (11, 0)):
        yield 'fail%i_%i' % (call, e), bytes([fail, call, e]) + opened() + \
            full + bytes([fail, call, e]) + bulk + more + done
    yield 'many', b''.join(opened(c, 8 if c & 1 else 0) for c in range(8)) + \
        b''.join(comes(c, 0x8000 | 1500, 128) for c in range(16)) + \
        bytes([one, 3, one, 2, stale, 0, 1, 31, fin | 192, 5, fin | 64, 4])
    yield 'pipes', b''.join(opened(c) for c in range(8)) + \
        b''.join(bytes([room, c]) + be16(500) for c in range(16)) + \
        b''.join(comes(c, 2000) for c in range(16)) + \
        b''.join(bytes([room, c]) + be16(0xffff) for c in range(16))
    yield 'late_reset', opened() + bytes([room | 128, 1]) + be16(0xffff) + \
        comes(0, 70000 // 32 | 0x8000, 128) + bytes([rst, 0])


def usplice():
    """Steps by the numbers they have in usplice.c; with 128, not read yet"""
    client, server, fail, error, wait, short = 0, 1, 4, 5, 6, 7

    def comes(what, who, times, n, seg=0, later=0):
        return bytes([what | later, who, times, 1 | (2 if seg else 0)]) + \
            be16(n) + (be16(seg) if seg else b'')

    talk = b''.join(
        comes(client, port << 4 | c, 3, 100 * c) + comes(server, c, 2, 700)
        for port in range(2) for c in range(8))
    bulk = b''.join(comes(client, c, 7, 1000, later=128) for c in range(4)) + \
        comes(client, 4, 7, 10) + comes(server, 0, 7, 1472) + \
        comes(server, 1, 7, 65507)
    joined = comes(client, 0, 3, 60000, 1400) + comes(server, 0, 1, 2501, 1000)
    for how in (0, 1, 3, 7):
        yield 'talk%i' % how, bytes([how]) + talk
        yield 'bulk%i' % how, bytes([how]) + bulk + joined
    yield 'empty', b'\7' + comes(client, 0, 3, 0) + comes(server, 0, 3, 0)
    for e in range(8):
        yield 'error%i' % e, b'\7' + bulk + bytes([fail, 128 | e]) + joined + \
            bytes([fail, 192 | e]) + bulk
    apart = b''.join(comes(client, 0, 1, n, later=128)
                     for n in (100, 900, 900, 500, 500, 20))
    for after in range(4):
        yield 'apart%i' % after, b'\7' + bytes([fail, 129 | after << 3]) + \
            apart + bytes([wait, 0])
    for call in range(6):
        yield 'lost%i' % call, b'\7' + bytes([fail, call, 3]) + talk + \
            bytes([fail, call | 64, 0]) + joined
    yield 'errors', b'\7' + talk + bytes([error, 128, error, 192]) + talk + \
        bytes([error, 65]) + bulk
    yield 'again', b'\7' + talk + bytes([wait, 200]) + talk + \
        bytes([short, 2, wait, 130]) + bulk
    yield 'no_ns', b'\7' + bytes([short, 3]) + talk + bytes([short, 0]) + talk


def frames_seeds():
    """Steps by the numbers they have in frames.c"""
    raw, seg, ack, dgram, echo, member, frag = 0, 1, 5, 7, 9, 10, 11
    host, conn, hdgram, fail, link, stale, late = 12, 15, 16, 18, 19, 20, 21

    def segment(c, flags, how, seq=0, sack=0, opt=0, rest=b''):
        return bytes([seg, c, flags, how, seq, sack, opt]) + rest

    def opened(c=0):
        return segment(c, 2, 0, opt=7) + bytes([host, 0, 0]) + bytes([ack, c])

    start = bytes([0xff, 7])
    data = b''.join(bytes([host, 0, 0]) + be16(n) for n in (5, 3000, 60000))
    yield 'open', start + opened()
    yield 'open6', bytes([0xfd, 0]) + opened(1)
    yield 'refused', start + segment(0, 2, 0, opt=7) + bytes([host, 0, 64])
    yield 'out', start + opened() + segment(0, 24, 0x80) * 3 + \
        bytes([late, 0, 5]) + segment(0, 17, 0)
    yield 'in', start + opened() + data + bytes([ack, 0, ack, 0, ack, 0])
    yield 'in_lost', bytes([0x3f, 0]) + opened() + data + \
        segment(0, 16, 0, opt=0x11, rest=bytes([0, 9, 5, 0, 0, 99, 5, 0])) + \
        bytes([late, 0x10, 0, ack, 0, late, 0x20, 0, ack, 0])
    lost = bytes([link, 0x3b]) + data
    for i, blocks in enumerate((bytes([1, 0x6d]) + be16(1460),
                                bytes([0, 0xb7]) + be16(2920) +
                                bytes([2, 0]) + be16(3000))):
        yield 'sack%i' % i, start + opened() + lost + \
            segment(0, 16, 0, opt=(i << 4) | 1, rest=blocks) + \
            segment(0, 16, 0, opt=1, rest=bytes([1, 0]) + be16(9000)) + \
            bytes([late, 0x02, 0, late, 0x04, 0]) + \
            segment(0, 16, 0, opt=1, rest=blocks) + \
            bytes([ack, 0, late, 0x10, 0])
    yield 'bulk', start + opened() + data * 12 + bytes([ack, 0]) + data * 12
    yield 'no_sack', start + segment(0, 2, 0, opt=3) + \
        bytes([host, 0, 0, ack, 0]) + lost + segment(0, 16, 0) * 2 + \
        bytes([ack, 0, late, 0x10, 0, ack, 0])
    yield 'window', start + opened() + segment(0, 16, 16) + data + \
        bytes([late, 0x20, 0, late, 0x20, 0]) + segment(0, 16, 0)
    yield 'gap', start + opened() + segment(0, 24, 0x80, 128 | 32 | 1) + \
        segment(0, 24, 0x80, 128 | 32 | 3) + segment(0, 24, 0x80) * 2
    yield 'closes', start + opened() + bytes([host, 0, 1, ack, 0]) + \
        segment(0, 17, 0) + bytes([late, 0x10, 0])
    yield 'reset', start + opened() + segment(0, 4, 0) + opened() + \
        bytes([host, 0, 128 | 3])
    yield 'full', start + opened() + bytes([host, 0, 2, 0, 9]) + \
        segment(0, 24, 0xe0) * 2 + bytes([host, 0, 6, 1, 0]) + \
        segment(0, 17, 0) + bytes([host, 0, 6, 9, 0])
    yield 'inbound', start + bytes([conn, 1, ack, 0, 1, ack, 0]) + data + \
        bytes([ack, 0]) + segment(0, 24, 0x60)
    yield 'inbound6', start + bytes([conn, 4, ack, 0, 1, ack, 0, conn, 2])
    yield 'udp', start + bytes([dgram, 0, 0x1a, 0, dgram, 8, 0x9c, 9,
                                hdgram, 0, 0, 3, 64, 0, 200, hdgram, 2, 0x50,
                                7, 64, 3]) + be16(4000) + be16(1000)
    yield 'udp_in', start + bytes([hdgram, 0, 1, 2, 64, 0, 100, hdgram, 0, 0,
                                   2, 64, 0, 100, dgram, 0, 10, 7])
    yield 'udp_err', start + bytes([dgram, 0, 10, 0, hdgram, 1, 0x80, 2, 64, 0,
                                    50, 3, 3, 0, 0, dgram, 0, 10, 0])
    yield 'group', start + bytes([member, 3, 1, dgram, 3, 0x0a, 0x12, member,
                                  4, 3, dgram, 4, 10, 9, member, 11, 2,
                                  dgram, 11, 10, 9, hdgram, 3, 1, 1, 1, 0, 9,
                                  member, 3, 2, member, 11, 1, dgram, 5, 10,
                                  0x24])
    yield 'echo', start + bytes([echo, 0, 7, 2, echo, 8, 9, 2, hdgram, 1, 0, 1,
                                 64, 0, 64, hdgram, 2, 0x80, 1, 64, 0, 64, 3,
                                 1, 0, 0])
    yield 'frags', start + bytes([frag, 0, 100, frag, 2, 50, frag, 8, 185])
    yield 'fails', start + bytes([fail, 0, 0]) + opened() + \
        bytes([fail, 4, 2, dgram, 0, 10, 0, fail, 2, 9, dgram, 0, 10, 1])
    yield 'narrow', start + bytes([link, 16, link, 1, link, 11]) + opened() + \
        data + bytes([link, 0, link, 0xf9, ack, 0])
    yield 'leaves', start + opened() + bytes([link, 6, conn, 1, stale, 0, 5,
                                              link, 7, late, 0x90, 0])
    for name, f in frames():
        yield name, start + bytes([raw]) + be16(len(f)) + f


frames_seeds.__name__ = 'frames'


def vring():
    """Kinds of rings, the guest adding to them, and surprises"""
    def index(n):
        return bytes([1, 1 << 3 | 1, 1, n, 0])

    def desc(table, i, at, n, flags, following=0):
        return bytes([6 if table else 4, i * 8]) + be16(at) + \
            bytes([n, flags, following])

    TABLE = 432                 # offset of the data
    fetch, use, due, listen = b'\2\x0f', b'\x0c\7', b'\5', b'\x0e'
    for kind in range(64):
        to_guest = kind & 2
        start = index(0xfe if kind & 32 else 2)
        yield 'kind%02i' % kind, bytes([kind]) + start + fetch + use + \
            due + listen + index(4) + b'\2\1' + fetch + use + b'\x0f' + \
            fetch + b'\7' + fetch
        # a table elsewhere, which becomes longer when it is looked at
        yield 'table%02i' % kind, bytes([kind, 0]) + \
            desc(0, 0, TABLE, 3, 4 | 0x80) + bytes([0]) + \
            desc(1, 0, 9000, 9, 1 | to_guest, 1) + bytes([0]) + \
            desc(1, 1, 8600, 255, 1 | to_guest, 2) + bytes([0]) + \
            desc(1, 2, 464, 1, to_guest) + index(3) + \
            b'\x82' + be32(0x14) + b'\5' + desc(0, 0, 9000, 64, 4 | 0x80) + \
            desc(1, 0, 9300, 9, 1 | to_guest, 0) + use + fetch + use
        # many pieces, and always some at hand
        yield 'many%02i' % kind, bytes([kind, 0]) + \
            b''.join(desc(1, i, 9000 - i * 64, 9, (i < 14) | to_guest, i + 1) +
                     bytes([0]) for i in range(15)) + \
            b''.join(desc(0, i, TABLE, 15, 4 | 0x80) + bytes([0])
                     for i in range(16)) + index(12)[1:] + \
            b'\2\1' + b''.join(fetch + b'\x0c\7' + index(12 + i)
                               for i in range(30))


def vhost():
    """Guests of all kinds, with traffic; messages of all kinds"""
    def u64(n):
        return struct.pack('<Q', n)

    def message(request, data=b'', fds=0, reply=0x20):
        return bytes([0, request, reply | fds, len(data)]) + data

    receive, tick = b'\x09\x1f', b'\x0c\0\2'
    for kind in range(0, 128, 3):
        deliver = bytes([10, 12]) + be16(1400) + bytes([9, 0x1f])
        yield 'kind%03i' % kind, bytes([kind]) + b'\x66' * 3 + receive + \
            deliver * 3 + tick + bytes([11, 0]) + be16(65535) + b'\0\1' + \
            b'\x17' + receive + bytes([10, 30]) + be16(30000) + b'\5\xc7' + \
            bytes([3, 2 + kind % 2, 16]) + tick
    for request, data in (
            (1, b''), (2, u64(1 << 32 | 1 << 30)), (3, b''), (4, b''),
            (8, struct.pack('<II', 1, 8)), (10, struct.pack('<II', 0, 0)),
            (11, struct.pack('<II', 1, 0)), (15, b''), (16, u64(12)),
            (17, b''), (18, struct.pack('<II', 1, 1)), (19, u64(0)),
            (20, u64(1500)), (12, u64(0x100)), (14, u64(0x101))):
        yield 'msg%02i' % request, b'\x58' + message(request, data) + \
            b'\x66' + receive + b'\x17\x18'
    yield 'fds', b'\x58' + message(12, u64(1), 1) + message(13, u64(0), 1) + \
        message(14, u64(1), 1) + b'\x66' + receive
    yield 'memory', b'\x58\x66' + message(5, struct.pack(
        '<IIQQQQ', 1, 0, 0x7fffff000, 12 << 20, 0x4200000000, 12 << 20), 1,
        0x30) + receive + b'\x17'
    yield 'stop', b'\x58\x66' + message(11, struct.pack('<II', 1, 0)) + \
        receive + message(11, struct.pack('<II', 0, 0)) + b'\x0a\5\1\0\7\3'
    yield 'torn', b'\x58\x66\x1d\1' + receive + b'\x0a\5\1\0\7\3\x1e\x58'


TARGETS = (frames_seeds, hdr, seg, frag, dhcp, dhcpv6, ndp, stream, rules, options, netlink,
           neigh, scan, resolv, qrap, names, splice, usplice, vring, vhost)


def main():
    for target in TARGETS:
        path = os.path.join(sys.argv[1], target.__name__)
        os.makedirs(path, exist_ok=True)
        for name, data in target():
            with open(os.path.join(path, name), 'wb') as f:
                f.write(data)


if __name__ == '__main__':
    main()
