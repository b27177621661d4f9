#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemon's memory, which processes of the container try to open while it
starts (test/shim/spy.c): at that time it is in their user namespace, where they
have all rights, and still in the host's network, where they have none."""
import os
import sys

sys.dont_write_bytecode = True
from lib import *       # noqa: E402

need_root()
topo = Topo()
SPY = tmp("spy")
TIMES = 20
# What comes last at start; there is no filter with sanitizers
LAST = "NoNewPrivs:\t1" if os.environ.get("DEBUG") else "Seccomp:\t2"
NONE = ["-t", "none", "-u", "none", "-T", "none", "-U", "none"]


def build():
    run(os.environ.get("CC") or "cc", "-O1", "-static", "-D_GNU_SOURCE", "-o", SPY,
        os.path.join(os.path.dirname(sys.argv[0]), "../shim/spy.c"))
    os.chmod(SPY, 0o755)


def joined():
    out = open(tmp("out"), "w+")
    spy = start(topo.as_user("unshare", "-Urn", SPY, "outside", "60"),
                stdout=out)
    wait_for("spy", lambda: "ready" in read(out.name), proc=spy)
    for _ in range(TIMES):
        p = start(topo.as_user(topo.program, "-f", "-q", "--config-net", *NONE,
                               str(spy.pid)), cwd="/")
        wait_for("the end of start", lambda: comm(p.pid) == "pasta" and
                 LAST in read(f"/proc/{p.pid}/status"), proc=p)
        stop(p)
    ok("opened" not in read(out.name) and spy.poll() is None,
       f"not from the namespace that it joins, {TIMES} times",
       read(out.name))
    stop(spy, 9)


def command():
    said = [topo.run_pasta("-f", "-q", "--config-net", *NONE, "--", SPY,
                           "command", "0.05").stdout for _ in range(TIMES)]
    ok(not any("opened" in s for s in said),
       f"nor by the command, {TIMES} times", said)
    ok(all("no umount" not in s and "ready 0" not in s and "end" in s
           for s in said), "which sees the daemon", said)


with case("build"):
    build()
for f in joined, command:
    with case(f.__name__):
        f()
done()
