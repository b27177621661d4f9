#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What whoever starts the daemon leaves behind: descriptors and environment.

The daemon closes what it inherits, all that it opens itself is closed by an
execve(), and its command sees the standard descriptors only. The environment
steers neither where it writes nor how it runs."""
import os
import re
import sys

sys.dont_write_bytecode = True
from lib import *       # noqa: E402

need_root()
topo = Topo()
CLOEXEC = 0o2000000


def descriptors(pid):
    """{number: (target, flags)} of a process"""
    out = {}
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            out[int(fd)] = (os.readlink(f"/proc/{pid}/fd/{fd}"), int(
                re.search(r"flags:\t(\d+)", read(
                    f"/proc/{pid}/fdinfo/{fd}"))[1], 8))
        except (OSError, TypeError):
            pass            # closed meanwhile
    return out


def all_ours(pid, name):
    got = descriptors(pid)
    bad = {n: d for n, d in got.items() if n > 2 and not d[1] & CLOEXEC}
    ok(len(got) > 5 and not bad, f"{name}: all close-on-exec", bad or got)
    return {d[0] for d in got.values()}


with case("descriptors of pasta"):
    # All that it can have: capture, log, automatic ports, the bypass
    with topo.pasta("-p", tmp("cap"), "-l", tmp("log"), auto=True) as p:
        all_ours(p.pid, "pasta")
        inside = descriptors(p.guest)
        ok(set(inside) == {0, 1, 2}, "its command has three", inside)

with case("descriptors of passt"):
    with topo.passt("-p", tmp("cap2"), "-l", tmp("log2"), "-t", "7000") as p:
        all_ours(p.pid, "passt")

with case("inherited"):
    r, w = os.pipe()
    for n in 3, 4, 9, 100, 700:
        os.dup2(w, n, inheritable=True)
    t = topo.user_ns()
    p = start(topo.as_user(topo.program, "-f", "-q", "--config-net",
                           str(t.pid)), pass_fds=(3, 4, 9, 100, 700), cwd="/")
    wait_for("configuration", lambda: HOST[4] in ip(t.pid, "addr").stdout,
             proc=p)
    have = all_ours(p.pid, "with inherited ones")
    ok(os.readlink(f"/proc/self/fd/{w}") not in have,
       "none of those inherited is left", have)
    stop(p)
    stop(t, 9)

# What somebody's environment might try: to have files elsewhere, other
# configuration, other libraries' behaviour, other words
HOSTILE = {
    "TMPDIR": tmp("elsewhere"), "TMP": tmp("elsewhere"),
    "HOME": tmp("elsewhere"), "XDG_RUNTIME_DIR": tmp("elsewhere"),
    "TERM": "%s%n" * 50, "LANG": "../../../../etc", "LC_ALL": "%n",
    "LANGUAGE": "../..", "TZ": ":/proc/self/environ",
    "TZDIR": tmp("elsewhere"), "POSIXLY_CORRECT": "1", "IFS": "/",
    "RES_OPTIONS": "debug", "LOCALDOMAIN": "evil.example",
    "HOSTALIASES": tmp("evil"), "RESOLV_HOST_CONF": tmp("evil"),
    "SOCK": tmp("evil"), "NOTIFY_SOCKET": tmp("evil"), "LISTEN_FDS": "5",
    "COLUMNS": "1", "MALLOC_CHECK_": "3", "PASST_SOCKET": tmp("evil"),
}


def where(pid):
    return sorted(d[0] for d in descriptors(pid).values()
                  if d[0].startswith("/"))


with case("environment"):
    topo.resolvers("nameserver 192.0.2.53", "search good.example")
    os.mkdir(tmp("elsewhere"), 0o777)
    os.chmod(tmp("elsewhere"), 0o777)
    said = []
    for env in {}, HOSTILE:
        with topo.passt("-d", "-p", tmp("cap3"), env=env) as p:
            wait_for("banner", lambda: "netdev=n0\n" in p.text())
            said.append([re.sub(r"(sock|log)\d+", r"\1", re.sub(
                r"^\d+\.\d+: ", "", t, flags=re.M))
                for t in (p.text(), *where(p.pid))])
    ok(said[0] == said[1] and "192.0.2.53" in said[0][0] and
       "evil" not in said[1][0], "the daemon says and opens the same", said)
    ok(not os.listdir(tmp("elsewhere")) and not os.path.exists(tmp("evil")),
       "nothing is written elsewhere", os.listdir(tmp("elsewhere")))

with case("unknown option in any locale"):
    r = run(*topo.as_user("env", "LC_ALL=de_DE.UTF-8", "POSIXLY_CORRECT=1",
                          topo.program, "--nonsense"), check=False, cwd="/")
    ok(r.returncode == 1 and "unrecognized option '--nonsense'" in r.stderr,
       "the words callers match on", r.stderr)
done()
