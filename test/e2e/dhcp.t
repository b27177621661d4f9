#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest that configures itself gets: real DHCP clients, the kernel's own
autoconfiguration, and what rdisc6 makes of our advertisements."""
import os
import re
import shutil
import sys

sys.dont_write_bytecode = True
from lib import *       # noqa: E402

need_root()
OUR_MAC = "9a:55:9a:55:9a:55"

# Both clients run a script with what they were told in the environment; this
# one writes it down and applies address, MTU and router
SCRIPT = r"""#!/bin/sh
case "$reason$1" in
BOUND|REBOOT|RENEW|bound|renew)
	env | sort >"$OUT"
	if [ "$reason" ]; then		# dhclient
		interface=$interface ip=$new_ip_address mask=$new_subnet_mask
		router=$new_routers mtu=$new_interface_mtu
	else
		mask=$subnet
	fi
	ip addr add "$ip/$mask" dev "$interface"
	[ -z "$mtu" ] || ip link set "$interface" mtu "$mtu"
	ip route replace default via "$router" dev "$interface"
	;;
*6)
	env | sort >"$OUT.tmp"
	[ -z "$new_ip6_address" ] || ip -6 addr replace \
		"$new_ip6_address/$new_ip6_prefixlen" dev "$interface" nodad
	mv "$OUT.tmp" "$OUT.$reason"
	;;
esac
exit 0
"""


def script():
    path = tmp("script")
    if not os.path.exists(path):
        with open(path, "w") as f:
            f.write(SCRIPT)
        os.chmod(path, 0o755)
    return path


def tap(p):
    """The name of the only link but lo; it is brought up."""
    names = re.findall(r"^\d+: ([^:@]+)", ip(p.guest, "link").stdout, re.M)
    name = [n for n in names if n != "lo"][0]
    ip(p.guest, f"link set {name} up")
    return name


def told(path):
    return dict(l.split("=", 1) for l in read(path).splitlines() if "=" in l)


def check_applied(p, name, client):
    out = ip(p.guest, "-4 addr").stdout
    ok(f"inet {HOST[4]}/24" in out, f"{client}: address", out)
    out = ip(p.guest, "link").stdout
    ok("mtu 65520" in out.split(f" {name}")[1], f"{client}: MTU", out)
    out = ip(p.guest, "-4 route").stdout
    ok(f"default via {GW[4]}" in out, f"{client}: route", out)


def dhclient():
    name = "dhclient"
    if not shutil.which("dhclient"):
        return skip(name, "not installed")
    with case(name), topo.pasta("--dhcp-dns", "--dhcp-search",
                                "--dns", "10.77.0.53", "--search",
                                "a.example", "--search", "b.example",
                                config=False) as p:
        dev = tap(p)
        out, conf = tmp("dhclient.env"), tmp("dhclient.conf")
        with open(conf, "w") as f:
            f.write("request subnet-mask, routers, interface-mtu,\n"
                    "domain-name-servers, domain-search;\n"
                    "timeout 10;\n")
        d = start(enter(p.guest, "dhclient", "-4", "-1", "-d",
                        "-sf", script(), "-cf", conf, "-lf", tmp("leases"),
                        "-pf", tmp("dhclient.pid"), "-e", f"OUT={out}", dev),
                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for("lease", lambda: "default" in
                     ip(p.guest, "-4 route").stdout, 15)
        finally:
            stop(d)
        check_applied(p, dev, name)
        t = told(out)
        ok(t.get("new_dhcp_server_identifier") == GW[4] and
           t.get("new_dhcp_lease_time") == "4294967295",
           f"{name}: server and lease", t)
        ok(t.get("new_domain_name_servers") == "10.77.0.53" and
           t.get("new_domain_search") == "a.example. b.example.",
           f"{name}: resolver and search list", t)


def udhcpc():
    name = "udhcpc"
    client = ["udhcpc"] if shutil.which("udhcpc") else ["busybox", "udhcpc"]
    if not shutil.which(client[0]):
        return skip(name, "not installed")
    with case(name), topo.pasta("--dhcp-dns", "--dns", "10.77.0.53",
                                config=False) as p:
        dev = tap(p)
        out = tmp("udhcpc.env")
        r = run(*enter(p.guest, "env", f"OUT={out}", *client, "-i", dev, "-n",
                       "-q", "-f", "-t", "5", "-T", "1", "-O", "mtu",
                       "-s", script()), check=False)
        ok(r.returncode == 0, f"{name}: lease", r.stdout + r.stderr)
        check_applied(p, dev, name)
        t = told(out)
        ok(t.get("serverid") == GW[4] and t.get("dns") == "10.77.0.53" and
           t.get("lease") == "4294967295", f"{name}: options", t)


def link_local(p, dev):
    wait_for("link-local", lambda: re.search(
        r"inet6 fe80\S+ scope link\s*(?!.*tentative)",
        ip(p.guest, f"-6 addr show dev {dev} -tentative").stdout))


class Dhclient6:
    """One run: what its script was told at @reason is .told, what it said
    about messages is .said."""

    def __init__(self, p, dev, reason, *opts, seconds=15):
        out, said, conf = tmp("dhclient6.env"), tmp("said"), tmp("dhcp6.conf")
        with open(conf, "w") as f:
            f.write("request dhcp6.name-servers, dhcp6.domain-search,\n"
                    "dhcp6.fqdn; send fqdn.fqdn \"mine.\";\n"
                    "send fqdn.server-update on;\n")
        path = f"{out}.{reason}"
        if os.path.exists(path):
            os.unlink(path)
        self.told = {}
        with open(said, "w") as f:
            d = start(enter(p.guest, "dhclient", "-6", "-1", "-d", "-v",
                            *opts, "-sf", script(), "-cf", conf,
                            "-lf", tmp("leases6"), "-pf", tmp("d6.pid"),
                            "-e", f"OUT={out}", dev), stdout=f, stderr=f)
        try:
            wait_for(reason, lambda: os.path.exists(path), seconds)
            self.told = told(path)
            # The lease is written after the script
            wait_for("end", lambda: re.search(
                r"PRC: (Bound to lease|Done)", read(said)))
        except RuntimeError as e:
            note(e)
        finally:
            stop(d)
        self.said = read(said)

    def sent(self):
        return re.findall(r"^XMT: (\S+) on", self.said, re.M)


def check6(t, client, address=True):
    if address:
        ok(t.get("new_ip6_address") == HOST[6] and
           all(t.get(f"new_{k}") == "4294967295" for k in
               ("max_life", "preferred_life", "renew", "rebind")),
           f"{client}: address and lifetimes", t)
    else:
        ok("new_ip6_address" not in t, f"{client}: no address", t)
    ok(t.get("new_dhcp6_name_servers") == "fd77::53" and
       t.get("new_dhcp6_domain_search") == "a.example. b.example.",
       f"{client}: resolver and search list", t)
    ok(t.get("new_fqdn_fqdn") == "guest.lan" and
       t.get("new_dhcp6_fqdn", "").startswith("2:5:"),
       f"{client}: name, and that nobody updates it", t)
    ok(re.fullmatch(r"0?0:0?1:0?0:0?1(:[0-9a-f]+){4}:" + OUR_MAC,
                    t.get("new_dhcp6_server_id", "")),
       f"{client}: server identifier", t)


def dhclient6():
    name = "dhclient -6"
    if not shutil.which("dhclient"):
        return skip(name, "not installed")
    with case(name), topo.pasta("--no-ra", "--dhcp-dns", "--dhcp-search",
                                "--dns", "fd77::53", "--search", "a.example",
                                "--search", "b.example", "--fqdn", "guest.lan",
                                config=False) as p:
        dev = tap(p)
        link_local(p, dev)
        d = Dhclient6(p, dev, "BOUND6")
        ok(d.sent() == ["Solicit", "Request"], f"{name}: messages", d.said)
        check6(d.told, name)
        out = ip(p.guest, "-6 addr show scope global").stdout
        ok(f"inet6 {HOST[6]}/128" in out, f"{name}: it is applied", out)

        d = Dhclient6(p, dev, "BOUND6")
        ok(d.sent() == ["Confirm"], f"{name}: the lease is confirmed", d.said)
        check6(d.told, f"{name}, confirmed")

        text = read(tmp("leases6"))
        with open(tmp("leases6"), "w") as f:
            f.write(text.replace(HOST[6] + " ", "fd78::9 "))
        ok(text != read(tmp("leases6")), f"{name}: moved to another link")
        d = Dhclient6(p, dev, "BOUND6")
        ok(d.sent() == ["Confirm", "Solicit", "Request"],
           f"{name}: an address of elsewhere is not", d.said)
        check6(d.told, name)

        d = Dhclient6(p, dev, "RENEW6", "-S")
        ok(d.sent() == ["Info-Request"], f"{name} -S: messages", d.said)
        check6(d.told, f"{name} -S", address=False)

    with case("--no-dhcpv6"), topo.pasta("--no-ra", "--no-dhcpv6",
                                         config=False) as p:
        dev = tap(p)
        link_local(p, dev)
        d = Dhclient6(p, dev, "BOUND6", seconds=3)
        ok(d.sent() and not d.told, "--no-dhcpv6: no lease", d.said)


def off():
    with case("--no-dhcp"), topo.pasta("--no-dhcp", config=False) as p:
        dev = tap(p)
        r = run(*enter(p.guest, "busybox", "udhcpc", "-i", dev, "-n", "-q",
                       "-f", "-t", "2", "-T", "1", "-s", "/bin/true"),
                check=False)
        ok(r.returncode != 0 and "no lease" in r.stdout + r.stderr,
           "--no-dhcp: no lease", r.stdout + r.stderr)


def rdisc6(p, dev):
    return run(*enter(p.guest, "rdisc6", "-1", "-w", "3000", dev), check=False)


def field(text, name):
    m = re.search(rf"^ *{name} *: *(.*?)\s*$", text, re.M)
    return m.group(1) if m else None


def ndp():
    name = "rdisc6"
    with case(name), topo.pasta("--dhcp-dns", "--dhcp-search", "-D",
                                "fd77::53", "-S", "lab.example",
                                config=False) as p:
        dev = tap(p)
        link_local(p, dev)

        def slaac():
            return "inet6 fd77:" in \
                ip(p.guest, "-6 addr show scope global").stdout
        wait_for("address by autoconfiguration", slaac)
        ok(True, "an address by autoconfiguration")
        out = ip(p.guest, "-6 route").stdout
        ok(re.search(r"^default via fe80::", out, re.M),
           "a default route by autoconfiguration", out)
        out = ip(p.guest, "-6 addr show scope global").stdout
        ok("/64" in out and "valid_lft forever" in out,
           "its prefix and lifetime", out)

        if not shutil.which("rdisc6"):
            return skip(name, "not installed")
        r = rdisc6(p, dev)
        t = r.stdout
        ok(r.returncode == 0, f"{name}: an advertisement", t + r.stderr)
        ok(field(t, "Hop limit").startswith("255"), f"{name}: hop limit", t)
        ok(field(t, "Stateful address conf.") == "Yes",
           f"{name}: addresses by DHCPv6", t)
        ok(field(t, "Router lifetime").startswith("65535"),
           f"{name}: router lifetime", t)
        ok(field(t, "Prefix") == "fd77::/64", f"{name}: prefix", t)
        ok(field(t, "MTU").startswith("65520"), f"{name}: MTU", t)
        ok(field(t, "Source link-layer address").lower() == OUR_MAC,
           f"{name}: our MAC", t)
        ok(field(t, "Recursive DNS server") == "fd77::53",
           f"{name}: resolver", t)
        ok("lab.example" in (field(t, "DNS search list") or t),
           f"{name}: search list", t)

        # ndisc6 takes no answers from a link-local source: ask the kernel
        run(*enter(p.guest, "ping", "-c1", "-W1", "fd77::dead"), check=False)
        out = ip(p.guest, "-6 neigh").stdout
        ok(re.search(f"fd77::dead .*lladdr {OUR_MAC}", out),
           "neighbours: any address is ours", out)

    with case("--no-ra"), topo.pasta("--no-ra", config=False) as p:
        dev = tap(p)
        time.sleep(2)           # until the link-local address is good
        r = run(*enter(p.guest, "rdisc6", "-1", "-r", "1", "-w", "500", dev),
                check=False)
        ok(r.returncode != 0, "--no-ra: none", r.stdout)


def arp():
    if not shutil.which("arping"):
        return
    with case("arping"), topo.pasta() as p:
        dev = tap(p)
        r = run(*enter(p.guest, "arping", "-c1", "-w2", "-I", dev, "10.77.0.9"),
                check=False)
        ok(OUR_MAC in r.stdout.lower(), "arping: any address is ours",
           r.stdout + r.stderr)


topo = Topo()
dhclient()
udhcpc()
dhclient6()
off()
ndp()
arp()
done()
