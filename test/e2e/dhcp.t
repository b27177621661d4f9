#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest that configures itself gets: real DHCP clients, the kernel's own
autoconfiguration, and what rdisc6 and ndisc6 make of our advertisements."""
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
        wait_for("link-local", lambda: re.search(
            r"inet6 fe80\S+ scope link\s*(?!.*tentative)",
            ip(p.guest, f"-6 addr show dev {dev} -tentative").stdout))

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

        # It wants the scope of the answer's source, which is link-local
        for a in "fe80::1", "fe80::dead":
            r = run(*enter(p.guest, "ndisc6", "-1", "-q", "-w", "3000",
                           f"{a}%{dev}", dev), check=False)
            ok(r.stdout.strip().lower() == OUR_MAC,
               f"ndisc6: {a} is ours", r.stdout + r.stderr)
        run(*enter(p.guest, "ping", "-c1", "-W1", "fd77::dead"), check=False)
        out = ip(p.guest, "-6 neigh").stdout
        ok(re.search(f"fd77::dead .*lladdr {OUR_MAC}", out),
           "so is any other, for the kernel", out)
        r = run(*enter(p.guest, "ndisc6", "-1", "-q", "-r", "1", "-w", "500",
                       HOST[6], dev), check=False)
        ok(r.returncode != 0, "ndisc6: the guest's own is not", r.stdout)

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
off()
ndp()
arp()
done()
