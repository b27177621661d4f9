#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The command line as callers see it: what goes to standard output, and what
# every refused line says. PASTA names the program; passt is the same file under
# another name. No namespace is entered: lines under test end before that.

import os
import re
import subprocess
import sys

PASTA = os.path.abspath(os.environ.get("PASTA", "./pasta"))
tests = failed = 0


def ok(cond, name, detail=""):
    global tests, failed
    tests += 1
    print(f"{'ok' if cond else 'not ok'} {tests} - {name}")
    if not cond:
        failed += 1
        for line in str(detail).splitlines():
            print(f"# {line}")


def run(line, argv0="pasta"):
    """Run with the words of a string (or list); '' stands for an empty one"""
    words = line if isinstance(line, list) else \
        ["" if w == "''" else w for w in line.split()]
    return subprocess.run([argv0] + words, executable=PASTA,
                          capture_output=True, text=True, timeout=20,
                          stdin=subprocess.DEVNULL)


LOG_MIN = 5 * max(8192, os.sysconf("SC_PAGESIZE"))

# Refused lines: exit status 1, nothing on standard output, exactly one line
# on standard error, in which all these words appear
REFUSED = [
    # 3.1
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
    ("-n 33", "--netmask 33 32"),
    ("-n 255.0.255.0", "--netmask 255.0.255.0"),
    ("-n ''", "--netmask"),
    ("-M 9a:55:9a:55:9a", "--mac-addr 9a:55:9a:55:9a"),
    ("-M 9a:55:9a:55:9a:55:9a", "--mac-addr"),
    ("-M 9a-55-9a-55-9a-55", "--mac-addr"),
    ("-M 9a:55:9a:55:9a:5", "--mac-addr"),
    ("-M ff:ff:ff:ff:ff:ff", "--mac-addr station"),
    ("--ns-mac-addr 00:00:00:00:00:00", "--ns-mac-addr station"),
    ("-g 0.0.0.0", "--gateway unspecified"),
    ("-g 255.255.255.255", "--gateway broadcast"),
    ("-g 127.0.0.1", "--gateway loopback"),
    ("-g ::1", "--gateway loopback"),
    ("-g 224.0.0.1", "--gateway multicast"),
    ("-g eth0", "--gateway eth0"),
    ("-i ''", "--interface"),
    ("-i sixteen-letters-", "--interface 15"),
    ("-o 0.0.0.0", "--outbound unspecified"),
    ("-o 255.255.255.255", "--outbound broadcast"),
    ("-o ff02::1", "--outbound multicast"),
    ("-o ::1", "--outbound ::1"),
    ("-o ::ffff:192.0.2.1", "--outbound ::ffff:192.0.2.1"),
    ("-o ::192.0.2.1", "--outbound IPv4-compatible"),
    ("--outbound-if4 sixteen-letters-", "--outbound-if4 15"),
    ("--outbound-if6 ''", "--outbound-if6"),
    ("-D nonesuch", "--dns nonesuch"),
    ("-D ''", "--dns"),
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
    ("--map-guest-addr ::1", "--map-guest-addr loopback"),
    ("--map-guest-addr 0.0.0.0", "--map-guest-addr unspecified"),
    ("--map-guest-addr nope", "--map-guest-addr nope"),
    ("-H " + "h" * 254, "--hostname 253"),
    ("--fqdn " + "h" * 254, "--fqdn 253"),
    ("-P ''", "--pid"),
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
    # 3.3
    ("-I sixteen-letters-", "--ns-ifname 15"),
    ("-I ''", "--ns-ifname 1"),
    ("--no-copy-routes true", "--no-copy-routes --config-net"),
    ("--no-copy-addrs true", "--no-copy-addrs --config-net"),
    ("--netns ''", "--netns"),
    # 4
    ("-t auto --no-tcp", "--tcp-ports auto --no-tcp"),
    ("-u auto --no-udp", "--udp-ports auto --no-udp"),
    ("--no-tcp -T auto", "--tcp-ns auto --no-tcp"),
    ("--no-udp -U auto", "--udp-ns auto --no-udp"),
    ("-t all", "--tcp-ports all"),
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
    ("-t auto", "--tcp-ports auto"),
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
        for line, words in rows:
            r = run(line, argv0)
            missing = [w for w in words.split() if w not in r.stderr]
            ok(r.returncode == 1 and not r.stdout and not missing and
               r.stderr.count("\n") == 1 and r.stderr.endswith("\n"),
               f"refused: {argv0} {line[:40]}",
               f"status {r.returncode}, missing {missing}\n{r.stderr}")


def test_getopt():
    """2.3: the C library's words, then the usage, on standard error"""
    for line, want in (
            ("--map-guest-addrs 1.2.3.4",
             "unrecognized option '--map-guest-addrs'"),
            ("--nonesuch", "unrecognized option '--nonesuch'"),
            ("-Z", "invalid option -- 'Z'"),
            ("-m", "option requires an argument -- 'm'"),
            ("--mtu", "option '--mtu' requires an argument"),
            ("--quiet=1", "option '--quiet' doesn't allow an argument"),
            ("--no-dh", "ambiguous")):
        r = run(line)
        ok(r.returncode == 1 and not r.stdout and
           want in r.stderr.splitlines()[0] and "Usage: pasta" in r.stderr,
           f"getopt: {line}", r.stderr[:300])


def test_help():
    for argv0 in "pasta", "passt":
        for opt in "-h", "--help":
            r = run(opt, argv0)
            ok(r.returncode == 0 and not r.stderr and
               r.stdout.startswith(f"Usage: {argv0} [OPTION]..."),
               f"{argv0} {opt} on standard output", r.stdout[:200])
    pasta, passt = run("-h").stdout, run("-h", "passt").stdout
    ok("--netns PATH" in pasta and "--netns" not in passt,
       "help lists the options of the mode")
    ok("--no-dhcp-dns" in passt and "--no-dhcp-dns" not in pasta,
       "help leaves out the options of the other mode")
    ok(all(len(line) <= 100 for line in pasta.splitlines()),
       "help fits a terminal")
    ok(run("-q -f -m 1500 --help").returncode == 0,
       "help after other options")
    r = run("-m x --help")
    ok(r.returncode == 1, "an error before --help is an error")


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


test_refused()
test_getopt()
test_help()
test_version()
test_names()
test_passt()
test_long()

print(f"1..{tests}")
sys.exit(failed > 0)
