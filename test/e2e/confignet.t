#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What --config-net makes of the host's addresses and routes."""
import json
import os
import sys
import time

sys.dont_write_bytecode = True
from lib import *       # noqa: E402

need_root()
topo = Topo()
H = topo.host
SHOW = "ip -j -d addr; ip -j -4 route; ip -j -6 route"


class Net:
    """What a command sees that is started with options @opts."""

    def __init__(self, *opts, config=True):
        opts = (["--config-net"] if config else []) + list(opts)
        r = topo.run_pasta("-q", *opts, "--", "sh", "-c", SHOW)
        self.err, self.rc = r.stderr, r.returncode
        out = r.stdout.splitlines()
        if r.returncode or len(out) != 3:
            raise RuntimeError(f"{r.returncode}: {r.stdout}{r.stderr}")
        self.links = {l["ifname"]: l for l in json.loads(out[0])}
        self.r4, self.r6 = json.loads(out[1]), json.loads(out[2])

    def addrs(self, dev="eth0", family="inet", scope="global"):
        return sorted(f"{a['local']}/{a['prefixlen']}"
                      for a in self.links[dev]["addr_info"]
                      if a["family"] == family and a["scope"] == scope)

    def route(self, v, dst):
        found = [r for r in (self.r4 if v == 4 else self.r6)
                 if r["dst"] == dst]
        return found[0] if len(found) == 1 else {"found": found}


def routes(*lines, v=(4, 6)):
    """Replace the host's routes but those of its addresses."""
    for f in v:
        ip(H, f"-{f} route flush proto boot table main")
        ip(H, f"-{f} route flush proto static table main")
    for l in lines:
        ip(H, l)


def usual():
    routes(f"route add default via {GW[4]}", f"-6 route add default via {GW[6]}")


def eui64(mac):
    b = [int(x, 16) for x in mac.split(":")]
    b = [b[0] ^ 2, b[1], b[2], 0xff, 0xfe, b[3], b[4], b[5]]
    w = ["%x" % (b[i] << 8 | b[i + 1]) for i in range(0, 8, 2)]
    return "fe80::" + ":".join(w) + "/64"


with case("as the host"):
    n = Net()
    l = n.links["eth0"]
    ok(n.addrs() == [HOST[4] + "/24"], "IPv4 address", n.addrs())
    ok(n.addrs(family="inet6") == [HOST[6] + "/64"], "IPv6 address",
       n.addrs(family="inet6"))
    ok(n.addrs(family="inet6", scope="link") == [eui64(l["address"])],
       "IPv6 link-local address, and no other",
       n.addrs(family="inet6", scope="link"))
    ok(all(not a.get("tentative") and a["valid_life_time"] == 0xffffffff
           for a in l["addr_info"]), "all usable at once, for ever",
       l["addr_info"])
    ok(l["mtu"] == 65520 and l["txqlen"] == 16384 and "UP" in l["flags"],
       "MTU, queue length, up", l)
    ok("UP" in n.links["lo"]["flags"], "loopback up")
    ok(n.route(4, "default").get("gateway") == GW[4], "IPv4 default", n.r4)
    ok(n.route(6, "default").get("gateway") == GW[6], "IPv6 default", n.r6)
    ok(n.route(4, "10.77.0.0/24").get("dev") == "eth0", "IPv4 network once",
       n.r4)
    ok(n.route(6, "fd77::/64").get("dev") == "eth0", "IPv6 network once", n.r6)
    ok(not n.err, "says nothing", n.err)

with case("several addresses"):
    ip(H, "addr add 172.16.5.5/16 dev eth0")
    ip(H, "addr add 172.16.5.6/16 dev eth0 preferred_lft 0")
    ip(H, "addr add 172.17.5.7/16 dev eth0 scope link")
    ip(H, "addr add 198.51.100.1 peer 198.51.100.2 dev eth0")
    ip(H, "addr add 2001:db8::7/96 dev eth0 nodad")
    ip(H, "addr add 2001:db8:1::8/64 dev eth0 nodad preferred_lft 0")
    n = Net()
    ok(n.addrs() == sorted([HOST[4] + "/24", "172.16.5.5/16",
                            "198.51.100.1/32"]), "IPv4", n.addrs())
    ok(n.addrs(family="inet6") == ["2001:db8::7/96", HOST[6] + "/64"], "IPv6",
       n.addrs(family="inet6"))
    ok(n.route(4, "198.51.100.2").get("dev") == "eth0", "far end", n.r4)
    # Secondary addresses go before the first of their network
    for a in ("172.16.5.6/16", "172.16.5.5/16", "172.17.5.7/16",
              "198.51.100.1 peer 198.51.100.2", "2001:db8::7/96",
              "2001:db8:1::8/64"):
        ip(H, f"addr del {a} dev eth0")

with case("route shapes"):
    routes("route add default via 203.0.113.1 dev eth0 onlink",
           f"route add 198.51.100.0/24 via {GW[4]} metric 50 mtu 1400 "
           "advmss 1300",
           f"route add 198.51.101.0/24 via {GW[4]} src {HOST[4]}",
           "route add 198.51.102.7/32 dev eth0 scope link",
           "route add 198.51.103.0/24 via 198.51.102.7",
           f"route add 198.51.104.0/24 nexthop via {GW[4]} dev eth0 weight 3 "
           f"nexthop via {REMOTE[4]} dev eth0 weight 1",
           "route add 198.51.105.0/24 via inet6 fe80::1 dev eth0",
           "-6 route add default via fe80::1234 dev eth0 metric 77",
           f"-6 route add 2001:db8:5::/48 via {GW[6]} pref high",
           f"-6 route add 2001:db8:6::/48 nexthop via {GW[6]} dev eth0 "
           f"weight 2 nexthop via {REMOTE[6]} dev eth0",
           "-6 route add 2001:db8:7::1/128 dev eth0",
           "-6 route add 2001:db8:8::/48 via 2001:db8:7::1",
           "-6 route add unreachable 2001:db8:9::/48")
    n = Net()
    d = n.route(4, "default")
    ok(d.get("gateway") == "203.0.113.1" and "onlink" in d["flags"],
       "onlink", n.r4)
    d = n.route(4, "198.51.100.0/24")
    ok(d.get("metric") == 50 and d.get("metrics") ==
       [{"mtu": 1400, "advmss": 1300}], "metrics", d)
    d = n.route(4, "198.51.101.0/24")
    ok(d.get("gateway") == GW[4] and "prefsrc" not in d, "no source", d)
    d = n.route(4, "198.51.102.7")
    ok(d.get("dev") == "eth0" and "gateway" not in d, "host route", d)
    ok(n.route(4, "198.51.103.0/24").get("gateway") == "198.51.102.7",
       "through a host route", n.r4)
    ok([(h["gateway"], h["weight"]) for h in
        n.route(4, "198.51.104.0/24").get("nexthops", [])] ==
       [(GW[4], 3), (REMOTE[4], 1)], "multipath", n.r4)
    ok(n.route(4, "198.51.105.0/24").get("via", {}).get("host") == "fe80::1",
       "IPv4 via IPv6", n.r4)
    d = n.route(6, "default")
    ok(d.get("gateway") == "fe80::1234" and d.get("metric") == 77,
       "link-local gateway", n.r6)
    d = n.route(6, "2001:db8:5::/48")
    ok(d.get("pref") == "high" and d.get("metric") == 1024, "preference", d)
    ok([(h["gateway"], h["weight"]) for h in
        n.route(6, "2001:db8:6::/48").get("nexthops", [])] ==
       [(GW[6], 2), (REMOTE[6], 1)], "IPv6 multipath", n.r6)
    ok("gateway" not in n.route(6, "2001:db8:7::1") and
       n.route(6, "2001:db8:8::/48").get("gateway") == "2001:db8:7::1",
       "IPv6 through a host route", n.r6)
    ok(not n.route(6, "2001:db8:9::/48").get("dst"), "not the unreachable")
    ok(not n.err, "no complaints", n.err)

with case("gateway behind a host route"):
    # The kernel lists the default route before the one it depends on
    routes("route add 203.0.113.1/32 dev eth0",
           "route add default via 203.0.113.1",
           "-6 route add 2001:db8:7::1/128 dev eth0",
           "-6 route add default via 2001:db8:7::1")
    n = Net()
    ok(n.route(4, "default").get("gateway") == "203.0.113.1" and
       not n.route(4, "default")["flags"], "IPv4 order", n.r4)
    ok(n.route(6, "default").get("gateway") == "2001:db8:7::1", "IPv6 order",
       n.r6)

with case("no gateway"):
    routes("route add default dev eth0", "-6 route add default dev eth0")
    n = Net()
    d = n.route(4, "default")
    ok(d.get("dev") == "eth0" and "gateway" not in d, "IPv4", n.r4)
    d = n.route(6, "default")
    ok(d.get("dev") == "eth0" and "gateway" not in d, "IPv6", n.r6)

with case("no default route"):
    routes()
    n = Net()
    ok(n.addrs() == [HOST[4] + "/24"] and len(n.r4) == 1, "address only", n.r4)

for compat in 1, 0:
    with case(f"nexthop objects, compat {compat}"):
        routes()
        topo.in_host("sh", "-c",
                     f"echo {compat} >/proc/sys/net/ipv4/nexthop_compat_mode")
        for l in (f"nexthop add id 1 via {GW[4]} dev eth0",
                  f"nexthop add id 2 via {REMOTE[4]} dev eth0",
                  "nexthop add id 3 group 1,3/2,2",
                  f"nexthop add id 4 via {GW[6]} dev eth0",
                  "nexthop add id 5 via 203.0.113.9 dev eth0 onlink",
                  "route add default nhid 3", "-6 route add default nhid 4",
                  "route add 198.51.100.0/24 nhid 5"):
            ip(H, l)
        n = Net()
        ok([(h["gateway"], h["weight"]) for h in
            n.route(4, "default").get("nexthops", [])] ==
           [(GW[4], 3), (REMOTE[4], 2)], "group", n.r4)
        ok(n.route(6, "default").get("gateway") == GW[6], "single", n.r6)
        d = n.route(4, "198.51.100.0/24")
        ok(d.get("gateway") == "203.0.113.9" and "onlink" in d["flags"],
           "onlink", d)
        ok("nhid" not in json.dumps(n.r4 + n.r6), "objects left behind")
        ip(H, "nexthop flush")
        ip(H, "-6 nexthop flush")

usual()
with case("-a and -g"):
    ip(H, "route add 198.51.100.0/24 via " + GW[4])
    n = Net("-a", "10.77.0.99", "-n", "24")
    ok(n.addrs() == ["10.77.0.99/24"], "-a: one address", n.addrs())
    ok(n.route(4, "198.51.100.0/24").get("gateway") == GW[4] and
       n.route(4, "default").get("gateway") == GW[4], "-a: routes copied",
       n.r4)
    ok(n.addrs(family="inet6") == [HOST[6] + "/64"], "-a: IPv6 untouched")
    n = Net("-g", REMOTE[4])
    ok(n.route(4, "default").get("gateway") == REMOTE[4] and
       not n.route(4, "198.51.100.0/24").get("gateway"),
       "-g: only the default route", n.r4)
    n = Net("-a", "10.0.2.100/32", "-g", "10.0.2.2", "-a", "fd00:5::5",
            "-g", "fd00:6::1")
    ok(n.addrs() == ["10.0.2.100/32"] and
       n.route(4, "default").get("gateway") == "10.0.2.2",
       "gateway outside of the network", n.r4)
    ok(n.addrs(family="inet6") == ["fd00:5::5/64"] and
       n.route(6, "default").get("gateway") == "fd00:6::1",
       "the same with IPv6", n.r6)
    n = Net("-a", "10.0.2.100")
    ok(n.addrs() == ["10.0.2.100/8"], "length by class", n.addrs())
    ok(not n.err, "no complaints", n.err)
    n = Net("-a", "203.0.113.5/32")
    ok(n.route(4, "default").get("gateway") == GW[4],
       "routes copied for an address of elsewhere", n.r4)

with case("one family"):
    n = Net("-4")
    ok(n.addrs() == [HOST[4] + "/24"] and not n.addrs(family="inet6") and
       "default" not in json.dumps(n.r6), "-4", n.r6)
    n = Net("-6")
    ok(not n.addrs() and n.addrs(family="inet6") == [HOST[6] + "/64"], "-6")

with case("link options"):
    n = Net("-I", "tun7", "-m", "1500", "--ns-mac-addr", "02:11:22:33:44:55")
    l = n.links["tun7"]
    ok(l["mtu"] == 1500 and l["address"] == "02:11:22:33:44:55" and
       n.addrs("tun7", "inet6", "link") == ["fe80::11:22ff:fe33:4455/64"],
       "name, MTU, MAC", l)
    n = Net("-m", "0")
    ok(n.links["eth0"]["mtu"] == 1500, "MTU left alone")
    n = Net(config=False)
    l = n.links["eth0"]
    ok("UP" not in l["flags"] and not l["addr_info"] and
       l["txqlen"] == 16384, "without --config-net", l)
    ok("UP" in n.links["lo"]["flags"], "loopback up all the same")

CONNECT = f"""
import socket, sys, time
t = time.monotonic()
s = socket.create_connection((sys.argv[1], 5555), 5)
print(time.monotonic() - t)
"""
with case("first packets of the command"):
    for v in 6, 4:
        with listen_in(topo.remote, v, port=5555):
            for i in range(5):
                r = topo.run_pasta("-q", "--config-net", "--",
                                   "/usr/bin/python3", "-c", CONNECT,
                                   REMOTE[v])
                # What is lost goes again after a second
                limit = 0.5 if busy() else 0.1
                if r.returncode or float(r.stdout) > limit:
                    break
            ok(not r.returncode and float(r.stdout) <= limit,
               f"IPv{v} connect() at once", f"{r.stdout}{r.stderr}")

with case("two uplinks"):
    def uplink(name):
        ip(H, f"link add {name} type veth peer name {name} netns "
              f"{topo.remote}")
        ip(topo.remote, f"link set {name} up")
        ip(H, f"link set {name} up")
        wait_for("link-local", lambda: "fe80" in (
            t := ip(H, f"-6 addr show {name}").stdout) and
            "tentative" not in t)

    uplink("up1")
    ip(H, "addr add 10.88.0.2/24 dev up1")
    ip(H, "addr add fd88::2/64 dev up1 nodad")
    ip(H, "route add default via 10.88.0.1 dev up1 metric 10")
    ip(H, "route replace default via 10.77.0.1 dev eth0 metric 20")
    ip(H, "route del default via 10.77.0.1 dev eth0 metric 0")
    n = Net()
    ok(list(n.links)[1] == "up1" and n.addrs("up1") == ["10.88.0.2/24"],
       "the better metric", n.links)
    ok(n.addrs("up1", "inet6") == [HOST[6] + "/64"] and
       n.route(6, "default").get("gateway") == GW[6],
       "each family its own", n.r6)
    n = Net("-i", "eth0")
    ok(n.addrs() == [HOST[4] + "/24"] and
       n.route(4, "default").get("gateway") == GW[4], "-i", n.r4)
    routes("route add default nexthop via 10.77.0.1 dev eth0 weight 1 "
           "nexthop via 10.88.0.1 dev up1 weight 5",
           f"-6 route add default via {GW[6]}")
    n = Net()
    ok(n.addrs("up1") == ["10.88.0.2/24"] and
       n.route(4, "default").get("gateway") == "10.88.0.1",
       "the heavier of two, and its next hop only", n.r4)
    r = topo.run_pasta("-i", "nosuch0", "--", "true")
    ok(r.returncode == 1 and "nosuch0" in r.stderr, "-i unknown", r.stderr)
    ip(H, f"link add up2 type veth peer name up2 netns {topo.remote}")
    r = topo.run_pasta("-i", "up2", "--", "true")
    ok(r.returncode == 1 and "up2" in r.stderr, "-i useless", r.stderr)
    ip(H, "link del up1")
    ip(H, "link del up2")
    usual()

with case("offline"):
    ip(H, "-6 addr flush dev eth0")
    n = Net()
    ok(n.addrs() == [HOST[4] + "/24"] and
       n.route(4, "default").get("gateway") == GW[4], "IPv4 only: IPv4")
    ok(not n.addrs(family="inet6") and
       n.route(6, "default").get("gateway") == "fe80::1",
       "IPv4 only: IPv6 local", n.r6)
    r = topo.run_pasta("-6", "--", "true")
    ok(r.returncode == 1 and r.stderr.count("\n") == 1, "-6 refused",
       r.stderr)
    ip(H, "link set eth0 down")
    n = Net()
    ok(list(n.links)[1] == "tap0" and n.addrs("tap0") == ["169.254.2.1/16"]
       and n.route(4, "default").get("gateway") == "169.254.2.2",
       "no uplink: local", n.r4)
    ok(n.links["tap0"]["addr_info"] and
       n.route(6, "default").get("gateway") == "fe80::1", "... and IPv6", n.r6)
    n = Net("-a", "10.0.2.100/24", "-g", "10.0.2.2", "-a", "fd00::5")
    ok(n.addrs("tap0") == ["10.0.2.100/24"] and
       n.route(4, "default").get("gateway") == "10.0.2.2" and
       n.addrs("tap0", "inet6") == ["fd00::5/64"], "... what is given counts",
       n.links)

done()
