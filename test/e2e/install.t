#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What "make install" puts where, that it works from there, and that "make
uninstall" takes all of it away, and nothing else. All below a DESTDIR."""
import os
import stat
import sys

sys.dont_write_bytecode = True
from lib import *       # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BUILT = os.path.abspath(os.environ.get("PASTA") or
                        os.path.join(ROOT, "pasta"))


def make(target, dest, *words):
    """What is built already is what gets installed: other tests use it"""
    # Variables of a make around us come with these
    env = {k: v for k, v in os.environ.items()
           if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "DESTDIR",
                        "PREFIX", "prefix", "bindir", "mandir")}
    debug = "1" if "/build/debug/" in BUILT else ""
    p = subprocess.run(["make", "-C", ROOT, "-o", "all", f"DEBUG={debug}",
                        target, f"DESTDIR={dest}", *words], env=env,
                       capture_output=True, text=True, timeout=60)
    return ok(not p.returncode and not p.stderr,
              " ".join(("make", target) + words), p.stdout + p.stderr)


def files(dest):
    return {os.path.relpath(os.path.join(d, f), dest)
            for d, _, names in os.walk(dest) for f in names}


def installed(dest, bindir, mandir, share, separate):
    have = files(dest)
    bash, zsh, fish = (f"{share}/{d}" for d in (
        "bash-completion/completions", "zsh/site-functions",
        "fish/vendor_completions.d"))
    for f, mode in ((f"{bindir}/passt", 0o755),
                    (f"{bindir}/pasta", 0o755 if separate else None),
                    (f"{mandir}/man1/passt.1", 0o644),
                    (f"{mandir}/man1/pasta.1", None),
                    (f"{bash}/passt", 0o644), (f"{bash}/pasta", None),
                    (f"{zsh}/_passt", 0o644), (f"{fish}/passt.fish", 0o644),
                    (f"{fish}/pasta.fish", None)):
        path = os.path.join(dest, f)
        if not ok(f in have, f"{f} is there", sorted(have)):
            continue
        if mode:
            ok(stat.S_IMODE(os.lstat(path).st_mode) == mode, f"mode of {f}",
               oct(os.lstat(path).st_mode))
    for f in sorted(have):
        path = os.path.join(dest, f)
        if os.path.islink(path):
            ok("/" not in os.readlink(path) and os.path.exists(path),
               f"{f} leads to a file beside it", os.readlink(path))
        if not f.startswith((f"{bindir}/", f"{mandir}/man1/", f"{bash}/",
                             f"{zsh}/", f"{fish}/")):
            ok(False, f"{f} is in its place")
    for name in "passt", "pasta":
        r = run(os.path.join(dest, bindir, name), "--version", check=False)
        ok(r.stdout.startswith(name + " "), f"{name} runs from there",
           r.stdout + r.stderr)
    ok(os.path.islink(os.path.join(dest, bindir, "pasta")) != separate,
       "pasta is a link, or a file of its own")
    page = read(os.path.join(dest, mandir, "man1/pasta.1"))
    ok(page and page == read(os.path.join(ROOT, "passt.1")),
       "the manual is found under both names")


for words, bindir, mandir, share in (
        ((), "usr/local/bin", "usr/local/share/man", "usr/local/share"),
        (("PREFIX=/usr", "SEPARATE=1"), "usr/bin", "usr/share/man",
         "usr/share"),
        (("prefix=/opt/x y", "bindir=/opt/b", "mandir=/opt/m"), "opt/b",
         "opt/m", "opt/x y/share")):
    with case(f"install {words}"), tempfile.TemporaryDirectory() as dest:
        for _ in "once", "over it":
            if make("install", dest, *words):
                installed(dest, bindir, mandir, share, "SEPARATE=1" in words)
        # Of somebody else
        for d in bindir, f"{mandir}/man1":
            with open(os.path.join(dest, d, "other"), "w"):
                pass
        make("uninstall", dest, *words)
        ok(files(dest) == {f"{bindir}/other", f"{mandir}/man1/other"},
           "nothing stays of it, and all else does", sorted(files(dest)))
done()
