#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line as callers see it: what goes to standard output, what every
refused line says, and what the banner shows of lines that are accepted.

First, without privilege, lines that end while they are read. Then, in
namespaces, lines that work; the command of those is true, or a guest that has
gone already, so that a line takes milliseconds."""
import os
import re
import socket
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from lib import ok, done, skip, case, run as run_as_is, Topo, GW, tmp, ip, \
    socket_in       # noqa: E402

PASTA = os.path.abspath(os.environ.get("PASTA", "./pasta"))


def words(line):
    """Of a string (or list); '' stands for an empty one, _ for a blank"""
    if isinstance(line, list):
        return line
    return ["" if w == "''" else w.replace("_", " ") for w in line.split()]


# Does it without, where that would refuse an empty argv[0]
subprocess._USE_POSIX_SPAWN = False


def run(line, argv0="pasta"):
    return subprocess.run([argv0] + words(line), executable=PASTA,
                          capture_output=True, text=True, timeout=20,
                          stdin=subprocess.DEVNULL)


LOG_MIN = 5 * max(8192, os.sysconf("SC_PAGESIZE"))

# Refused lines: exit status 1, nothing on standard output, exactly one line
# on standard error, in which all these words appear
REFUSED = [
    # 3.1
    ("--stats 1 true", "--stats --foreground before"),
    ("--stats 1 -f true", "--stats --foreground before"),
    ("-f --stats 0 true", "--stats 0 86400"),
    ("-f --stats 86401 true", "--stats 86401 86400"),
    ("-f --stats 1.5 true", "--stats 1.5 seconds"),
    ("-f --stats 0x10 true", "--stats 0x10"),
    ("-f --stats '' true", "--stats seconds"),
    ("-l ''", "--log-file 4095"),
    ("--log-size 0", "--log-size 0 1099511627776"),
    ("--log-size 8191", "--log-size 8191"),
    (f"--log-size {LOG_MIN - 1}", f"--log-size {LOG_MIN - 1} {LOG_MIN}"),
    ("--log-size 1099511627777", "--log-size 1099511627777 1099511627776"),
    ("--log-size 1M", "--log-size 1M"),
    ("--log-size -1", "--log-size -1"),
    ("--log-size 99999999999999999999", "--log-size"),
    ("-m 65522", "--mtu 65522 65521"),
    ("-m 1500x", "--mtu 1500x"),
    ("-m -1", "--mtu"),
    ("-m ''", "--mtu"),
    ("-m +1500", "--mtu +1500"),
    ("-m 0x10000", "--mtu 0x10000 65521"),
    ("-m 08", "--mtu 08"),
    ("-a 0.0.0.0", "--address 0.0.0.0 unspecified"),
    ("-a ::", "--address unspecified"),
    ("-a 224.0.0.1", "--address multicast"),
    ("-a ff02::1", "--address multicast"),
    ("-a 255.255.255.255", "--address broadcast"),
    ("-a 127.0.0.1", "--address loopback"),
    ("-a ::1", "--address loopback"),
    ("-a ::192.0.2.1", "--address IPv4-compatible"),
    ("-a 192.0.2.1/33", "--address 192.0.2.1/33 32"),
    ("-a 2001:db8::1/129", "--address 128"),
    ("-a ::ffff:192.0.2.1/95", "--address"),
    ("-a 192.0.2.1/", "--address"),
    ("-a 192.0.2", "--address 192.0.2"),
    ("-a 192.0.2.1/24 -n 24", "--netmask --address"),
    ("-n 24 -a 192.0.2.1/24", "--netmask --address"),
    ("-a 2001:db8::1/", "--address"),
    ("-a 192.0.2.1/-1", "--address"),
    ("-a 192.0.2.1/24x", "--address 192.0.2.1/24x"),
    ("-a none", "--address none"),
    ("-a ''", "--address"),
    ("-n -1", "--netmask -1"),
    ("-n 0x18", "--netmask 0x18"),
    ("-n 255.255.255", "--netmask 255.255.255"),
    ("-n 255.255.255.0.0", "--netmask"),
    ("-n 33", "--netmask 33 32"),
    ("-n 255.0.255.0", "--netmask 255.0.255.0"),
    ("-n ''", "--netmask"),
    ("-M 9a:55:9a:55:9a", "--mac-addr 9a:55:9a:55:9a"),
    ("-M 9a:55:9a:55:9a:55:9a", "--mac-addr"),
    ("-M 9a-55-9a-55-9a-55", "--mac-addr"),
    ("-M 9a:55:9a:55:9a:5", "--mac-addr"),
    ("-M 9a:55:9a:55:9a:5g", "--mac-addr 9a:55:9a:55:9a:5g"),
    ("-M ''", "--mac-addr"),
    ("-M 01:00:5e:00:00:01", "--mac-addr station"),
    ("--ns-mac-addr 2:0:0:0:0:1", "--ns-mac-addr 2:0:0:0:0:1"),
    ("-M ff:ff:ff:ff:ff:ff", "--mac-addr station"),
    ("--ns-mac-addr 00:00:00:00:00:00", "--ns-mac-addr station"),
    ("-g 0.0.0.0", "--gateway unspecified"),
    ("-g 255.255.255.255", "--gateway broadcast"),
    ("-g 127.0.0.1", "--gateway loopback"),
    ("-g ::1", "--gateway loopback"),
    ("-g 224.0.0.1", "--gateway multicast"),
    ("-g ::", "--gateway unspecified"),
    ("-g ff02::2", "--gateway multicast"),
    ("-g ''", "--gateway"),
    ("-g 10.0.0.1/24", "--gateway 10.0.0.1/24"),
    ("-g eth0", "--gateway eth0"),
    ("-i ''", "--interface"),
    ("-i sixteen-letters-", "--interface 15"),
    ("-o 0.0.0.0", "--outbound unspecified"),
    ("-o 255.255.255.255", "--outbound broadcast"),
    ("-o ff02::1", "--outbound multicast"),
    ("-o ::", "--outbound unspecified"),
    ("-o 224.0.0.9", "--outbound multicast"),
    ("-o eth0", "--outbound eth0"),
    ("-o ::1", "--outbound ::1"),
    ("-o ::ffff:192.0.2.1", "--outbound ::ffff:192.0.2.1"),
    ("-o ::192.0.2.1", "--outbound IPv4-compatible"),
    ("--outbound-if4 sixteen-letters-", "--outbound-if4 15"),
    ("--outbound-if6 ''", "--outbound-if6"),
    ("-D nonesuch", "--dns nonesuch"),
    ("-D ''", "--dns"),
    ("-D 192.0.2.1,192.0.2.2", "--dns 192.0.2.1,192.0.2.2"),
    ("--dns-forward 0.0.0.0", "--dns-forward unspecified"),
    ("--dns-forward ::1", "--dns-forward loopback"),
    ("--dns-forward dns", "--dns-forward dns"),
    ("--dns-host ::", "--dns-host unspecified"),
    ("--dns-host dns", "--dns-host dns"),
    ("--dns-forward none", "--dns-forward none"),
    ("--dns-forward ::", "--dns-forward unspecified"),
    ("--dns-forward 127.0.0.1", "--dns-forward loopback"),
    ("--dns-forward 255.255.255.255", "--dns-forward broadcast"),
    ("--dns-host none", "--dns-host none"),
    ("--dns-host 0.0.0.0", "--dns-host unspecified"),
    ("--dns-host 255.255.255.255", "--dns-host broadcast"),
    ("-S " + "a" * 300, "--search 253"),
    ("--map-host-loopback 127.0.0.1", "--map-host-loopback loopback"),
    ("--map-host-loopback ::", "--map-host-loopback unspecified"),
    ("--map-host-loopback 224.0.0.1", "--map-host-loopback multicast"),
    ("--map-host-loopback ::1", "--map-host-loopback loopback"),
    ("--map-host-loopback 255.255.255.255", "--map-host-loopback broadcast"),
    ("--map-host-loopback nope", "--map-host-loopback nope"),
    ("--map-guest-addr ff02::1", "--map-guest-addr multicast"),
    ("--map-guest-addr ::1", "--map-guest-addr loopback"),
    ("--map-guest-addr 0.0.0.0", "--map-guest-addr unspecified"),
    ("--map-guest-addr nope", "--map-guest-addr nope"),
    ("-H " + "h" * 254, "--hostname 253"),
    ("--fqdn " + "h" * 254, "--fqdn 253"),
    ("-P ''", "--pid"),
    ("-p ''", "--pcap"),
    ("-P " + "p" * 4096, "--pid 4095"),
    ("-H ''", "--hostname"),
    ("--fqdn ''", "--fqdn"),
    ("--runas no-such-user-here", "--runas no-such-user-here"),
    ("--runas 0:no-such-group-here", "--runas no-such-group-here"),
    ("--runas ''", "--runas"),
    ("--runas 1:", "--runas"),
    ("--runas :1", "--runas"),
    ("--runas 4294967295", "--runas"),
    # 2.7
    ("--no-dhcp-dns", "--no-dhcp-dns passt"),
    ("--no-dhcp-search", "--no-dhcp-search passt"),
    ("-s /x", "--socket passt"),
    ("--socket-path /x", "--socket-path passt"),
    ("-F 3", "--fd passt"),
    ("-1", "--one-off passt"),
    ("--no-dhcp-se", "--no-dhcp-search passt"),
    ("--migrate-exit", "--migrate-exit passt"),
    # 1.4: passt, whatever its name, and wherever it stands
    ("-t 80 --vhost-user -I tap0", "--ns-ifname pasta"),
    ("--vhost -T 80", "--tcp-ns pasta"),
    ("--vhost-user -s /nowhere/at/all", "/nowhere/at/all"),
    ("--migrate-no-linger", "--migrate-no-linger passt"),
    ("--repair-path /x", "--repair-path --vhost-user"),
    # 3.3
    ("--splice-only --no-splice", "--splice-only --no-splice"),
    ("--no-splice --splice-only", "--splice-only --no-splice"),
    ("--splice-only --no-copy-routes", "--no-copy-routes --config-net"),
    ("-I a/b", "--ns-ifname a/b"),
    ("-I .", "--ns-ifname '.'"),
    ("-I ..", "--ns-ifname '..'"),
    ("-I a:b", "--ns-ifname a:b"),
    ("-I a%d", "--ns-ifname a%d"),
    ("-I all", "--ns-ifname 'all'"),
    ("-I default", "--ns-ifname 'default'"),
    ("-I \u00e0", "--ns-ifname \u00e0"),
    ("-I sixteen-letters-", "--ns-ifname 15"),
    ("-I ''", "--ns-ifname 1"),
    ("--no-copy-routes true", "--no-copy-routes --config-net"),
    ("--no-copy-addrs true", "--no-copy-addrs --config-net"),
    ("--netns ''", "--netns"),
    ("--userns ''", "--userns"),
    ("--netns " + "n" * 4090, "--netns"),
    # 4
    ("-t auto --no-tcp", "--tcp-ports auto --no-tcp"),
    ("-u auto --no-udp", "--udp-ports auto --no-udp"),
    ("--no-tcp -T auto", "--tcp-ns auto --no-tcp"),
    ("--no-udp -U auto", "--udp-ns auto --no-udp"),
    ("-t all", "--tcp-ports all none auto"),
    ("-u all", "--udp-ports all none auto"),
    ("-T all", "--tcp-ns all none auto"),
    ("-U all", "--udp-ns all none auto"),
    ("-t 127.0.0.1/all", "--tcp-ports 127.0.0.1/all"),
    ("-t %lo/all", "--tcp-ports %lo/all"),
    ("-t 127.0.0.1/auto", "--tcp-ports 127.0.0.1/auto alone"),
    ("-t %lo/none", "--tcp-ports %lo/none alone"),
    ("-t NONE", "--tcp-ports NONE"),
    ("-t auto -t 80", "--tcp-ports 80 auto conflict"),
    ("-t 80 -t auto", "--tcp-ports auto conflict"),
    ("-t auto -t none", "--tcp-ports none auto conflict"),
    ("-u none -u auto", "--udp-ports none auto conflict"),
    ("-T auto -T 80", "--tcp-ns 80 auto conflict"),
    ("-U 80 -U none", "--udp-ns none conflict"),
    ("-t ~80 -t none", "--tcp-ports none conflict"),
    ("-t 65536", "--tcp-ports 65536 65535"),
    ("-t 80-65536", "--tcp-ports 65536 65535"),
    ("-t 80:0", "--tcp-ports 80:0 65535"),
    ("-t 80:65536", "--tcp-ports 80:65536 65535"),
    ("-t 0-10", "--tcp-ports 0-10 65535"),
    ("-t 90-80", "--tcp-ports 90-80 lower"),
    ("-t 80-90:90-80", "--tcp-ports 80-90:90-80 lower"),
    ("-t 80-", "--tcp-ports 80-"),
    ("-t -80", "--tcp-ports -80"),
    ("-t 80-90-100", "--tcp-ports 80-90-100"),
    ("-t 80:81:82", "--tcp-ports 80:81:82"),
    ("-t 80:", "--tcp-ports 80:"),
    ("-t 80,,81", "--tcp-ports empty"),
    ("-t ,80", "--tcp-ports empty"),
    ("-t ,", "--tcp-ports empty"),
    ("-t 80x", "--tcp-ports 80x"),
    ("-t http", "--tcp-ports http"),
    ("-t +80", "--tcp-ports +80"),
    ("-t 80/80", "--tcp-ports 80"),
    ("-t 1.2.3/80", "--tcp-ports 1.2.3"),
    ("-t 1.2.3.4/", "--tcp-ports empty"),
    ("-t /80", "--tcp-ports /"),
    ("-t [::1/80", "--tcp-ports [::1 bracket"),
    ("-t ::1]/80", "--tcp-ports ::1]"),
    ("-t []/80", "--tcp-ports []"),
    ("-t [1.2.3.4/80", "--tcp-ports bracket"),
    ("-t 1.2.3.4%/80", "--tcp-ports 1.2.3.4% interface"),
    ("-t %sixteen-letters-/80", "--tcp-ports %sixteen-letters- 15"),
    ("-t %a%b/80", "--tcp-ports %a%b"),
    ("-t 1.2.3.4/80/90", "--tcp-ports 80/90"),
    ("-t ~", "--tcp-ports ~"),
    ("-t ~0", "--tcp-ports ~0"),
    ("-t ~90-80", "--tcp-ports ~90-80 lower"),
    ("-t ~3:4", "--tcp-ports ~3:4"),
    ("-t 80:~3", "--tcp-ports 80:~3"),
    ("-t 80~81", "--tcp-ports 80~81"),
    ("-t 80,~80", "--tcp-ports 80,~80 excludes"),
    ("-t 1-20,~5-10,~10", "--tcp-ports ~10 twice"),
    ("-t ~5,~1-10", "--tcp-ports ~1-10 twice"),
    ("-t 80-90,85", "--tcp-ports 85 once"),
    ("-t 80-90 -t 85-100", "--tcp-ports 85 once"),
    ("-t 80:81 -t 80:82", "--tcp-ports 80 once"),
    ("-t 80 -t ::1/80", "--tcp-ports ::1 80 once"),
    ("-t 0.0.0.0/80 -t 127.0.0.1/80", "--tcp-ports 0.0.0.0/80 once"),
    ("-t ::/80 -t [::1]/80", "--tcp-ports ::1 once"),
    ("-t %lo/80 -t 80", "--tcp-ports %lo/80 once"),
    ("-t %lo/80 -t 127.0.0.1%lo/80", "--tcp-ports %lo/80 once"),
    ("-T 80 -T 80:81", "--tcp-ns 80 once"),
    ("-t " + ",".join(str(2 * i) for i in range(1, 257)), "--tcp-ports 255"),
    (" ".join(f"-t {2 * i}" for i in range(1, 257)), "--tcp-ports 255"),
    ("-T ::1/80", "--tcp-ns ::1"),
    ("-U 127.0.0.1%lo/80", "--udp-ns 127.0.0.1%lo"),
    ("-t 0", "--tcp-ports 65535"),
    ("-t 80 -t none", "--tcp-ports none conflict"),
    ("-t none -t 80", "--tcp-ports none conflict"),
    ("-t 80 -t 80", "--tcp-ports 80 once"),
    ("-t 127.0.0.1/80 -t 80", "--tcp-ports 127.0.0.1/80 80"),
    ("-t 0x15b3", "--tcp-ports 0x15b3"),
    ("-t 80,", "--tcp-ports empty"),
    ("-t 80-90:1-2", "--tcp-ports length"),
    ("-t ''", "--tcp-ports empty"),
    ("-u %/80", "--udp-ports interface"),
    ("-T 127.0.0.1/80", "--tcp-ns 127.0.0.1"),
    ("-U %lo/80", "--udp-ns %lo"),
    ("-4 -t ::1/80", "--tcp-ports ::1 --ipv4-only"),
    ("-t ::/80 -4", "--tcp-ports [::]/80 --ipv4-only"),
    ("-6 -u 127.0.0.1/80", "--udp-ports 127.0.0.1 --ipv6-only"),
    ("-6 -t 0.0.0.0/80", "--tcp-ports 0.0.0.0/80 --ipv6-only"),
    ("-6 -4 -t ::1/80", "--tcp-ports ::1 --ipv4-only"),
    ("--no-tcp -t ~80", "--tcp-ports ~80 --no-tcp"),
    ("--no-tcp -t 80", "--tcp-ports 80 --no-tcp"),
    ("-T 80 --no-tcp", "--tcp-ns 80 --no-tcp"),
    ("--no-udp -u 80", "--udp-ports 80 --no-udp"),
    ("-U 80 --no-udp", "--udp-ns 80 --no-udp"),
    # 5
    ("--netns foo true", "true --netns"),
    ("--netns foo 123", "123 --netns"),
    ("--userns /x true", "--userns --netns"),
    ("--userns /x", "--userns --netns"),
    ("99999999999", "99999999999 process"),
    ("0", "process"),
]

# In passt mode
REFUSED_PASST = [
    ("--log-size 40", "--log-size 40 1099511627776"),
    ("--userns /x", "--userns pasta"),
    ("--netns x", "--netns pasta"),
    ("--ns-mac-addr 02:00:00:00:00:01", "--ns-mac-addr pasta"),
    ("--dhcp-dns", "--dhcp-dns pasta"),
    ("--dhcp-search", "--dhcp-search pasta"),
    ("--no-netns-quit", "--no-netns-quit pasta"),
    ("--config-net", "--config-net pasta"),
    ("--no-copy-routes", "--no-copy-routes pasta"),
    ("--no-copy-addrs", "--no-copy-addrs pasta"),
    ("--netns-only", "--netns-only pasta"),
    ("--host-lo-to-ns-lo", "--host-lo-to-ns-lo pasta"),
    ("-I tap0", "--ns-ifname pasta"),
    ("-T 80", "--tcp-ns pasta"),
    ("-U 80", "--udp-ns pasta"),
    ("--splice-only", "--splice-only pasta"),
    ("-T none", "--tcp-ns pasta"),
    ("-U auto", "--udp-ns pasta"),
    ("-t auto", "--tcp-ports auto none all"),
    ("-u auto", "--udp-ports auto none all"),
    ("-t all -t 80", "--tcp-ports 80 all conflict"),
    ("-t 80 -t all", "--tcp-ports all conflict"),
    ("-t none -t all", "--tcp-ports all none conflict"),
    ("-t all --no-tcp", "--tcp-ports all --no-tcp"),
    ("-t %lo/all -t 80", "--tcp-ports 80 once"),
    ("-t 127.0.0.1/all -t %lo/all", "--tcp-ports once"),
    ("-t 127.0.0.1/auto", "--tcp-ports 127.0.0.1/auto alone"),
    ("--stats 1", "--stats --foreground before"),
    ("--repair-path /x", "--repair-path --vhost-user"),
    ("--migrate-exit", "--migrate-exit --vhost-user"),
    ("--migrate-no-linger", "--migrate-no-linger --vhost-user"),
    ("--vhost-user --repair-path /x", "--repair-path not available"),
    ("--migrate-exit --vhost-user", "--migrate-exit not available"),
    ("--vhost-user --splice-only", "--splice-only pasta"),
    ("--vhost-user left", "left"),
    ("-- left", "left"),
    ("-q 123", "123"),
    ("left over", "left"),
    # 3.2
    ("-s ''", "--socket 107"),
    ("-s " + "/s" * 54, "--socket 107"),
    ("--socket-path " + "s" * 108, "--socket-path 107"),
    ("-F 1", "--fd 1"),
    ("-F 2", "--fd 2"),
    ("-F -1", "--fd -1"),
    ("-F 0x3", "--fd 0x3"),
    ("-F ''", "--fd"),
    ("-F 99999999999", "--fd 99999999999"),
    ("-F 99", "--fd 99 socket"),
    ("-s /x -F 99", "--fd 99 socket"),
    ("-F 99 -s /dev/null", "/dev/null socket"),
    ("-s /nowhere/at/all", "/nowhere/at/all"),
]


def test_refused():
    for argv0, rows in ("pasta", REFUSED), ("passt", REFUSED_PASST):
        for line, want in rows:
            r = run(line, argv0)
            missing = [w for w in want.split() if w not in r.stderr]
            ok(r.returncode == 1 and not r.stdout and not missing and
               r.stderr.count("\n") == 1 and r.stderr.endswith("\n"),
               f"refused: {argv0} {line[:40]}",
               f"status {r.returncode}, missing {missing}\n{r.stderr}")


# options.md 3, and what is ours alone: short and long name, with "=" if there is
# an argument
BOTH = """d:debug :trace :stats= q:quiet f:foreground e:stderr l:log-file=
    :log-size= :runas= h:help :version p:pcap= P:pid= m:mtu= a:address=
    n:netmask= M:mac-addr= g:gateway= i:interface= o:outbound= :outbound-if4=
    :outbound-if6= D:dns= :dns-forward= :dns-host= S:search= :no-tcp :no-udp
    :no-icmp :no-dhcp :no-ndp :no-dhcpv6 :no-ra :freebind :map-host-loopback=
    :no-map-gw :map-guest-addr= 4:ipv4-only 6:ipv6-only H:hostname= :fqdn=
    t:tcp-ports= u:udp-ports= :print-capabilities :repair-path= :no-splice"""
ONLY = {"passt": """:no-dhcp-dns :no-dhcp-search s:socket= :socket-path= F:fd=
    1:one-off :vhost-user :migrate-exit :migrate-no-linger""",
        "pasta": """:dhcp-dns :dhcp-search I:ns-ifname= T:tcp-ns= U:udp-ns=
    :host-lo-to-ns-lo :userns= :netns= :netns-only :no-netns-quit :config-net
    :no-copy-routes :no-copy-addrs :ns-mac-addr= :splice-only
    :listen-always"""}


def test_getopt():
    """2.3: the C library's words, then the usage, on standard error"""
    def wants(line, want, argv0="pasta"):
        r = run(line, argv0)
        ok(r.returncode == 1 and not r.stdout and
           r.stderr.splitlines()[0].startswith(f"{argv0}: {want}") and
           f"Usage: {argv0}" in r.stderr, f"getopt: {argv0} {line}",
           r.stderr[:300])

    for line, want in (
            ("--map-guest-addrx 1.2.3.4",
             "unrecognized option '--map-guest-addrx'"),
            ("--config-net --map-guest-addr2=1.2.3.4 -q",
             "unrecognized option '--map-guest-addr2=1.2.3.4'"),
            ("--nonesuch", "unrecognized option '--nonesuch'"),
            ("--quiett", "unrecognized option '--quiett'"),
            ("-qZf", "invalid option -- 'Z'"),
            ("--no-dh", "option '--no-dh' is ambiguous"),
            ("--ipv", "option '--ipv' is ambiguous"),
            ("--net x", "option '--net' is ambiguous"),
            ("--map", "option '--map' is ambiguous"),
            ("--s", "option '--s' is ambiguous")):
        wants(line, want)
    for argv0 in "pasta", "passt":
        for o in (BOTH + " " + ONLY[argv0]).split():
            letter, name = o.split(":")
            if name.endswith("="):
                name = name[:-1]
                wants(f"--{name}", f"option '--{name}' requires an argument",
                      argv0)
                if letter:
                    wants(f"-q{letter}", "option requires an argument -- "
                          f"'{letter}'", argv0)
            else:
                wants(f"--{name}=1", f"option '--{name}' doesn't allow an "
                      "argument", argv0)


def test_help():
    for argv0 in "pasta", "passt":
        for opt in "-h", "--help", "-hq":
            r = run(opt, argv0)
            ok(r.returncode == 0 and not r.stderr and
               r.stdout.startswith(f"Usage: {argv0} [OPTION]..."),
               f"{argv0} {opt} on standard output", r.stdout[:200])
        rows = re.findall(r"^  (?:-(.),|   ) --([a-z0-9-]+)( [^ ]+)?  +[A-Z]",
                          r.stdout, re.M)
        shown = [f"{a}:{name}{'=' if arg else ''}" for a, name, arg in rows]
        want = (BOTH + " " + ONLY[argv0]).split()
        ok(sorted(shown) == sorted(want), f"{argv0} --help has all options of "
           "the mode, once, with their letters and arguments",
           set(shown) ^ set(want))
        ok(len(re.findall(r"^ +(?:-., )?--", r.stdout, re.M)) == len(want),
           f"{argv0} --help has nothing else", r.stdout)
        ok(all(len(line) <= 100 for line in r.stdout.splitlines()),
           "help fits a terminal")
        err = run("--nonesuch", argv0).stderr.split("\n", 1)[1]
        ok(err == r.stdout, f"{argv0}: the same after an unknown option", err)
    ok(run("-q -f -m 1500 --help").returncode == 0,
       "help after other options")
    r = run("-m x --help")
    ok(r.returncode == 1, "an error before --help is an error")
    r = run("--help -m x")
    ok(r.returncode == 0, "an error after --help is not looked at")


def test_version():
    for argv0 in "pasta", "passt":
        r = run("--version", argv0)
        first = r.stdout.splitlines()[0] if r.stdout else ""
        ok(r.returncode == 0 and not r.stderr and
           re.fullmatch(argv0 + r" \S.*", first),
           f"{argv0} --version", r.stdout + r.stderr)
        r = run("--print-capabilities", argv0)
        ok(r.returncode == 0 and
           re.fullmatch(r'\{\s*"type":\s*"net"\s*\}\n', r.stdout),
           f"{argv0} --print-capabilities", r.stdout + r.stderr)


def test_full():
    for opt in "--help", "--version", "--print-capabilities":
        with open("/dev/full", "w") as full:
            r = subprocess.run([PASTA, opt], stdout=full,
                               stderr=subprocess.PIPE, text=True, timeout=20)
        ok(r.returncode == 1 and "standard output" in r.stderr and
           r.stderr.count("\n") == 1, f"{opt} that nobody can read", r.stderr)


def test_names():
    """1.2, 1.3: the mode comes from the last component of the name"""
    for argv0, want in (("/x/pasta-test", "pasta"), ("pasta.avx2", "pasta"),
                        ("mypasst", "passt"), ("passt.avx2", "passt"),
                        ("/pasta/passt", "passt"), ("passtpasta", "pasta")):
        r = run("--version", argv0)
        ok(r.stdout.startswith(want + " "), f"{argv0} is {want}", r.stderr)
    for argv0 in "foo", "/pasta/foo", "":
        r = run("--version", argv0)
        ok(r.returncode == 1 and not r.stdout and
           "passt" in r.stderr and "pasta" in r.stderr and
           r.stderr.count("\n") == 1, f"'{argv0}' is refused", r.stderr)


def test_passt():
    # What is behind --fd is looked at last
    for line in "--no-splice -t all -u 80", "-1 -t %lo/all -s /x":
        r = run(line + " --fd 99", "passt")
        ok(r.returncode == 1 and "--fd: 99" in r.stderr and
           r.stderr.count("\n") == 1, f"passt takes {line}", r.stderr)


def test_long():
    for opt in ("-P", "-i", "-a", "-n", "-M", "-g", "-D", "-S", "-m", "-t",
                "-u", "-T", "-U", "-I", "--netns", "--userns", "--runas",
                "--fqdn", "-H", "-o", "--dns-forward", "-l", "--log-size"):
        r = run([opt, "9" * 100000])
        ok(r.returncode == 1 and r.stderr.count("\n") == 1 and
           len(r.stderr) < 2000, f"{opt} with an endless argument",
           r.stderr[:300])



# --- lines that work, in namespaces ---

MAC = "02:00:00:00:00:07"
LONG = "h" * 253

# Silent, unless a word of the third column says what is told about
ACCEPTED = [
    ("",), ("-f",), ("-ff",), ("-qq",), ("-d -q",), ("--trace -q",),
    ("-fqm1500",), ("--mtu=1500 --foreg",), ("--config",), ("--",),
    ("-e", "--stderr has no effect"), ("--runas 12345",),
    ("--stderr --quiet", "--stderr has no effect"),
    ("-f --stats 1",), ("--foreground --stats 86400 --stats 3",),
    ("-l @/log",), ("-l @/log --log-size 1048576",),
    (f"-l @/log --log-size {LOG_MIN}",), ("--log-size 0x10000 -l @/log",),
    ("--log-size 0200000",),
    ("-p @/capture",), ("-p /nowhere/at/all", "/nowhere/at/all"),
    ("-P @/pid",), ("-P @/pid --pid=@/pid2",),
    ("-m 0",), ("-m 1280",), ("-m 65521",), ("-m 0x5dc",), ("-m 02734",),
    ("-m 1279", "1279 IPv6"), ("-4 -m 1279",), ("-4 -m 68",),
    ("-4 -m 67", "67 IPv4"), ("-6 -m 67", "67 IPv6"),
    ("-a ::ffff:10.77.0.9/120",), ("-a fd77::9/128 -n 24",),
    ("-a 10.77.0.9/0",), ("-n 0",), ("-n 255.255.255.255",),
    ("-g 10.77.0.9 -g fe80::9",), ("-i eth0",), ("-i eth0 -4",),
    ("-i eth0 -6",), ("-o 10.77.0.2 -o fd77::2",),
    ("--outbound-if4 eth0 --outbound-if6 eth0",),
    ("-D 1.1.1.1 -D 1.1.1.2 -D 1.1.1.3 -D 1.1.1.4 -D ::1",),
    ("-D 0.0.0.0 -D :: -D 255.255.255.255 -D 224.0.0.1 -D 127.0.0.1",),
    ("-D none",), ("-D none -D 1.1.1.1",), ("-D 1.1.1.1 -D none",),
    ("--dns-forward 10.0.2.3 --dns-forward fd00::3 --dns-host ::1 "
     "--dns-host 127.0.0.1",),
    ("--dns-forward 10.0.2.3 --dns-host 127.0.0.1 --dns-host ::1",),
    ("-D none --dns-forward 10.0.2.3 --dns-host 10.0.2.4",),
    ("-S a_b",), ("-S none",), ("-S none.",), ("-S a -S none -S b",),
    ("--dhcp-dns -D 1.1.1.1 -D ::1",), ("--dhcp-search -S a",),
    ("--no-tcp",), ("--no-udp",), ("--no-icmp",), ("--no-dhcp",),
    ("--no-ndp",), ("--no-dhcpv6",), ("--no-ra",),
    ("--no-tcp -t none -T none",), ("--no-udp -u none -U none",),
    ("--no-tcp --no-udp --no-icmp --no-dhcp --no-ndp --no-dhcpv6 --no-ra",),
    ("--freebind -t 192.0.2.9/8000",),
    ("--map-host-loopback none --map-guest-addr none",),
    ("--map-host-loopback 10.9.9.9 --map-host-loopback fd99::9",),
    ("--map-guest-addr 10.9.9.9 --map-guest-addr fe80::9",),
    ("--no-map-gw --map-host-loopback 10.9.9.9",),
    ("-4",), ("-6",), ("-46",), ("-6 -4 -6",),
    ("-4 -a 2001:db8::1 -g 2001:db8::2 -D ::1",),
    ("-6 -a 192.0.2.1 -n 24 -g 192.0.2.2",),
    ("-H host --fqdn host.example.org",),
    (f"-H {LONG} --fqdn {LONG}",),
    ("--repair-path none",), ("--repair-path=none -q",),
    ("-t none -t none -u none -T none -U none",),
    ("-t auto -t auto -u auto -T auto -U auto",),
    ("-t none -u auto -T 8000 -U auto",),
    ("-t 127.0.0.1/5555 -t [::1]/5555 -t 10.77.0.2/5555",),
    ("-t %lo/5555 -t %eth0/5555",), ("-t 0.0.0.0/5555 -t ::/5555",),
    ("-t 8000 -u 8000 -T 8000 -U 8000",),
    ("-I x",), ("-I fifteen-letters",), (f"--ns-mac-addr {MAC}",),
    ("--no-netns-quit",), ("--no-splice",), ("--host-lo-to-ns-lo",),
    ("--no-splice --host-lo-to-ns-lo",), ("--splice-only",),
    ("--splice-only --config-net --host-lo-to-ns-lo",),
    ("--config-net --no-copy-routes --no-copy-addrs",),
    ("--config-net -a 10.77.0.9 -g 10.77.0.1",),
]

# Patterns apart by |; "!" for those that must not match. Here and below, the
# test has ports 5001 to 65000 for ephemeral, so that "all" are not that many
AUTO4 = "".join(f"|{d}bound {p} forwarding:\n *auto" for d in ("In", "Out")
                for p in ("TCP", "UDP"))
BANNER = [
    ("", "Template interface for IPv4: eth0|Template interface for IPv6: eth0"
     "|Namespace interface: eth0|Our MAC address: 9a:55:9a:55:9a:55"
     "|DHCP:|assign: 10.77.0.2\n|mask: 255.255.255.0\n|router: 10.77.0.1\n"
     "|NDP/DHCPv6:|assign: fd77::2\n|router: fd77::1\n|our link-local: fe80::"
     "|127.0.0.1 is seen as 10.77.0.1\n|::1 is seen as fd77::1\n"
     "|!DNS|!Search|!Outbound address|!Outbound interface" + AUTO4),
    (f"-M {MAC} -I foo", f"Our MAC address: {MAC}|Namespace interface: foo\n"),
    ("-M 02:00:00:00:00:01 -M " + MAC, f"Our MAC address: {MAC}"),
    ("-a 10.9.9.9", "assign: 10.9.9.9\n|mask: 255.0.0.0\n|assign: fd77::2\n"),
    ("-a 172.16.1.1", "mask: 255.255.0.0\n"),
    ("-a 192.0.2.9", "mask: 255.255.255.0\n"),
    ("-a 192.0.2.9/31", "assign: 192.0.2.9\n|mask: 255.255.255.254\n"),
    ("-a 192.0.2.9 -n 9", "mask: 255.128.0.0\n"),
    ("-n 255.255.240.0", "assign: 10.77.0.2\n|mask: 255.255.240.0\n"),
    ("-n 20 -n 21", "mask: 255.255.248.0\n"),
    ("-a 10.9.9.9/8 -a fd99::9/48 -a 10.9.9.8/9",
     "assign: 10.9.9.8\n|mask: 255.128.0.0\n|assign: fd99::9\n|!10.9.9.9"),
    ("-a ::ffff:10.9.9.9/120", "assign: 10.9.9.9\n|mask: 255.255.255.0\n"),
    ("-g 10.77.0.9", "router: 10.77.0.9\n|seen as 10.77.0.9\n"
     "|router: fd77::1\n"),
    ("-g 10.77.0.8 -g fe80::9 -g 10.77.0.9",
     "router: 10.77.0.9\n|router: fe80::9\n|our link-local: fe80::9\n"),
    ("--no-map-gw", "router: 10.77.0.1|!is seen as"),
    ("--no-map-gw --map-host-loopback 10.9.9.9",
     "127.0.0.1 is seen as 10.9.9.9\n|!::1 is seen"),
    ("--map-host-loopback 10.9.9.9",
     "127.0.0.1 is seen as 10.9.9.9\n|::1 is seen as fd77::1\n"),
    ("--map-host-loopback none", "!is seen as"),
    ("--map-host-loopback none --map-host-loopback 10.9.9.9",
     "127.0.0.1 is seen as 10.9.9.9\n|!::1 is seen"),
    ("-4", "DHCP:|!NDP|!DHCPv6|!IPv6"), ("-6", "NDP/DHCPv6|!DHCP:|!IPv4"),
    ("-4 -6", "!IPv4"), ("-64", "!IPv6"),
    ("--no-dhcp", "IPv4:\n|!DHCP:"), ("--no-ndp", " DHCPv6:\n|!NDP"),
    ("--no-dhcpv6", "NDP:\n|!DHCPv6"), ("--no-icmp", " DHCPv6:\n|!NDP"),
    ("--no-ndp --no-dhcpv6", "IPv6:\n|!NDP|!DHCPv6"),
    ("-o 10.77.0.2 -o fd77::2",
     "Outbound address: 10.77.0.2\n|Outbound address: fd77::2\n"),
    ("--outbound-if4 eth0", "Outbound interface: eth0\n"),
    ("--dhcp-dns -D 192.0.2.1 -D ::9", "DNS:\n +192.0.2.1\n|DNS:\n +::9\n"),
    ("-D 192.0.2.1", "!192.0.2.1"),
    ("--dhcp-dns -D 192.0.2.1 -D none -D 192.0.2.2",
     "DNS:\n +192.0.2.2\n|!192.0.2.1"),
    ("--dhcp-dns -D none", "!DNS"),
    ("--dhcp-search -S a.example_b.example -S c.example",
     "Search domains:\n +a.example\n +b.example\n +c.example\n"),
    ("--dhcp-search -S a.example -S none -S none.", "none\\.\n|!a.example"),
    ("-S a.example", "!a.example"),
    ("--no-tcp", "!TCP forwarding|Inbound UDP forwarding:\n *auto"),
    ("--no-udp", "!UDP forwarding|Outbound TCP forwarding:\n *auto"),
    ("-t none -u none -T none -U none", "!forwarding"),
    ("-t none -T auto", "!Inbound TCP|Outbound TCP forwarding:\n *auto"),
    ("-t 8000 -t 8010 -U 8020:53", "Inbound TCP forwarding:\n +8000\n +8010\n"
     "|Inbound UDP forwarding:\n *auto|Outbound UDP forwarding:\n +8020:53\n"),
    ("--splice-only", "loopback only|!Our MAC|!Template|!assign" + AUTO4),
    ("--splice-only -t 8000 -a 10.9.9.9 -I foo",
     "Inbound TCP forwarding:\n +8000\n|!foo|!10.9.9.9"),
]

# options.md 4.18, and what becomes of each
PORTS = [
    ("22", "22"), ("22:23", "22:23"), ("22,25", "22 25"), ("22-80", "22-80"),
    ("22-80:32-90", "22-80:32-90"), ("192.0.2.1/22", "192.0.2.1/22"),
    ("192.0.2.1%eth0/22", "192.0.2.1%eth0/22"), ("%eth0/22", "%eth0/22"),
    ("2000-5000,~3000-3010", "2000-2999 3011-5000"),
    ("192.0.2.1/20-30,~25", "192.0.2.1/20-24 192.0.2.1/26-30"),
    ("~20000-20010", "1-5000 65001-65535"),
    ("~80-90,~4000-5000", "1-79 91-3999 65001-65535"),
    ("5555,6000-6010:7000-7010,~6005",
     "5555 6000-6004:7000-7004 6006-6010:7006-7010"),
    ("~6005,6000-6010:7000-7010,~6003-6004",
     "6000-6002:7000-7002 6006-6010:7006-7010"),
    ("::1/80", "[::1]/80"), ("[::1]/80:81", "[::1]/80:81"),
    ("[127.0.0.1]/80", "127.0.0.1/80"), ("::/80", "[::]/80"),
    ("1,65535", "1 65535"),
]

# What the host, or the system, says no to: one line, with these words
UNABLE = [
    ("-i nope", "nope device"), ("-i lo", "lo usable"),
    ("--outbound-if4 nope", "nope device"),
    ("-i eth0 --outbound-if4 nope", "--outbound-if4 nope device"),
    ("-i eth0 --outbound-if6 nope", "--outbound-if6 nope device"),
    ("-I lo", "lo exists --ns-ifname"),
    ("-P /nowhere/at/all", "/nowhere/at/all"),
    ("-l /nowhere/at/all", "/nowhere/at/all"),
    ("-t 80", "TCP 80 Permission"), ("-u 80", "UDP 80 Permission"),
    ("-t 127.0.0.1/80", "TCP 80 127.0.0.1 Permission"),
    ("-t 9000-9010,443", "TCP 443 Permission"),
    ("-t 192.0.2.77/8000", "TCP 8000 192.0.2.77 assign"),
    ("-u [2001:db8::77]/8000", "UDP 8000 2001:db8::77 assign"),
    ("-t %nope/8000", "TCP 8000 %nope device"),
    ("-t 8001", "TCP 8001 in_use"), ("-t 127.0.0.1/8001", "8001 in_use"),
    ("-t ~1024-65535", "any TCP Permission"),
    ("--netns /nowhere/at/all", "/nowhere/at/all"),
    ("--netns no-such-name", "/run/netns/no-such-name"),
    ("--netns /etc/passwd", "/etc/passwd"),
    ("--userns /nowhere/at/all 1", "/nowhere/at/all"),
    ("4194304", "/proc/4194304/ns/user"),
    ("--netns-only true", "namespaces permitted"),
    ("-- /nowhere/at/all", "/nowhere/at/all execute"),
    ("-- /etc/passwd", "/etc/passwd execute Permission"),
    ("-- ''", "'' execute"), ("--netns @/fifo", "fifo Invalid"),
    ("-P /dev/full true", "PID /dev/full space"),
    ("--runas 0 true", "--runas group_0 permitted"),
    ("--runas 12345:1 true", "--runas group_1 permitted"),
]

# In passt mode
ACCEPTED_PASST = [
    ("",), ("-1",), ("-1q",), ("-e", "--stderr"), ("--no-splice",),
    ("--repair-path none",), ("--no-dhcp-dns",), ("--no-dhcp-search",),
    ("-t none -u none",), ("-t 8000 -u 8000:53",), ("-s /nowhere/at/all",),
    ("-4",), ("-6",), ("--stats 1",), ("-m 1279", "1279 IPv6"),
    ("-H host --fqdn host.example.org -S a_b",), ("-t %lo/all",),
    ("-t 127.0.0.1/all -u all",), ("-p @/capture -P @/pid -l @/log",),
]
BANNER_PASST = [
    ("", "DHCP:|assign: 10.77.0.2\n|router: 10.77.0.1\n|NDP/DHCPv6:"
     "|!forwarding|!Namespace|!Socket"),
    ("-D 192.0.2.1 -D ::9 -S a.example", "DNS:\n +192.0.2.1\n|DNS:\n +::9\n"
     "|Search domains:\n +a.example\n"),
    ("-D 192.0.2.1 --no-dhcp-dns", "!192.0.2.1"),
    ("-S a.example --no-dhcp-search", "!a.example"),
    ("-t all", "Inbound TCP forwarding:\n +1-5000\n +65001-65535\n"),
    ("-u %lo/all -t 22-80:32-90", "%lo/1-5000\n|22-80:32-90\n"),
]


def fill(line):
    """@ stands for a directory that may be written to"""
    return [w.replace("@", tmp("")) for w in words(line)]


def host_sysctl(topo, name, value):
    topo.in_host("sh", "-ec", f"echo {value} >/proc/sys/net/ipv4/{name}")


def passt(topo, *argv):
    """Of a guest that has gone already"""
    ours, theirs = socket.socketpair()
    ours.close()
    with theirs:
        return run_as_is(*topo.as_user(topo._program("PASST"), "-f", *argv,
                                       "-F", str(theirs.fileno())),
                         check=False, pass_fds=[theirs.fileno()])


def accepted(name, r, want=""):
    said = r.stderr.splitlines()
    good = all(w in r.stderr for w in want.split()) and \
        len(said) == bool(want)
    ok(r.returncode == 0 and not r.stdout and good, f"accepted: {name}"[:70],
       f"status {r.returncode}\n{r.stdout}{r.stderr}")


def banner(name, r, want):
    text = re.sub(r"^\d+\.\d{4}: ", "", r.stderr, flags=re.M)
    text = " " + text.replace("\n", "\n ")
    bad = [w for w in want.split("|") if w and
           bool(re.search(w.lstrip("!"), text)) == w.startswith("!")]
    ok(r.returncode == 0 and not bad, f"banner: {name}"[:70],
       f"status {r.returncode}, wrong: {bad}\n{text}")


def test_namespaces():
    topo = Topo()
    host_sysctl(topo, "ip_local_port_range", "5001 65000")

    for line, *want in ACCEPTED:
        accepted(f"pasta {line}", topo.run_pasta("-q", *fill(line), "true"),
                 *want)
    for line, *want in ACCEPTED_PASST:
        accepted(f"passt {line}",
                 passt(topo, "-q", "-D", "none", *fill(line)), *want)

    for line, want in BANNER:
        banner(f"pasta {line}", topo.run_pasta("-d", *fill(line), "true"),
               want)

    os.mkfifo(tmp("fifo"), 0o666)
    os.chmod(tmp("fifo"), 0o666)
    l = socket_in(topo.host)
    l.bind(("127.0.0.1", 8001))
    l.listen()
    for line, want in UNABLE:
        command = [] if re.search("netns |userns|true$|-- |^4",
                                  line) else ["true"]
        r = topo.run_pasta("-qf", *fill(line), *command)
        missing = [w for w in want.split()
                   if w.replace("_", " ") not in r.stderr]
        # A sanitized build has something to say about clone()
        said = [s for s in r.stderr.splitlines() if not re.search(
            "ASan is ignoring|False positive error|sanitizers/issues", s)]
        ok(r.returncode == 1 and not r.stdout and not missing and
           len(said) == 1, f"unable: pasta {line}",
           f"status {r.returncode}, missing {missing}\n{r.stderr}")
    l.close()

    r = run_as_is(*topo.as_user("sh", "-c", f"ulimit -f 0; exec {topo.program}"
                                f" -ql {tmp('zero')} -P {tmp('zero.pid')} true"),
                  check=False, timeout=15)
    ok(r.returncode == 1 and f"{tmp('zero.pid')}: File too large" in r.stderr,
       "no file may have a byte", f"status {r.returncode}\n{r.stderr}")

    # 4.6: what cannot be bound is left out
    accepted("pasta -t ~5-10, as far as possible",
             topo.run_pasta("-q", "-t", "~5-10", "true"))

    host_sysctl(topo, "ip_unprivileged_port_start", "0")
    ip(topo.host, "addr add 192.0.2.1/32 dev eth0 preferred_lft 0")
    for line, want in BANNER_PASST:
        banner(f"passt {line}", passt(topo, *fill(line)), want)
    for o, title in (("-t", "Inbound TCP"), ("-u", "Inbound UDP"),
                     ("-T", "Outbound TCP"), ("-U", "Outbound UDP")):
        for spec, want in PORTS:
            if o in ("-T", "-U") and ("/" in spec or spec.startswith("~")):
                continue
            want = re.escape("".join(f"     {w}\n" for w in want.split()))
            banner(f"pasta {o} {spec}", topo.run_pasta("-d", o, spec, "true"),
                   f"{title} forwarding:\n{want}")

    with case("--stats"), topo.pasta("--stats", "1") as p:
        end = time.monotonic() + 10
        while p.text().count("\n") < 2 and time.monotonic() < end:
            run_as_is("nsenter", f"--net=/proc/{p.guest}/ns/net", "ping", "-n",
                      "-c1", "-W1", GW[4], check=False)
            time.sleep(0.1)
        head, row = [s.split() for s in p.text().splitlines()[:2]]
        n = dict(zip(head, map(int, row)))
        ok(len(head) == len(row) and n["tap"] >= n["ping"] > 0 and
           n["tcp"] == 0 and n["flows"] >= n["ping"],
           "--stats counts frames, and flows", p.text())


test_refused()
test_getopt()
test_help()
test_version()
test_full()
test_names()
test_passt()
test_long()
if os.geteuid():
    skip("lines that work", "needs root, to make namespaces")
else:
    test_namespaces()
done()
