#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Completions that shells offer: each option of --help, for both names, and for
arguments what fits. What bash and fish offer is asked of themselves; zsh tells
what its own completion function is handed."""
import os
import re
import shlex
import shutil
import sys

sys.dont_write_bytecode = True
from lib import *       # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PASTA = os.path.abspath(os.environ.get("PASTA") or os.path.join(ROOT, "pasta"))
PASST = os.path.abspath(os.environ.get("PASST") or os.path.join(ROOT, "passt"))


def table(program):
    """Of --help: {"--name": ("-x" or "", argument or "")}"""
    rows = {}
    for line in run(program, "--help").stdout.splitlines():
        m = re.match(r"  (-.)?,? +(--[\w-]+) ?(\S*)", line)
        if m:
            rows[m[2]] = (m[1] or "", m[3])
    return rows


def generate(shell):
    path = tmp(f"passt.{shell}")
    r = run("sh", os.path.join(ROOT, "contrib/completion/generate.sh"), shell,
            os.path.join(ROOT, "conf.c"), check=False)
    ok(r.returncode == 0 and not r.stderr, f"{shell}: made", r.stderr)
    with open(path, "w") as f:
        f.write(r.stdout)
    return path


def bash(path, *words):
    """Offers for the last one of @words."""
    r = run("bash", "--norc", "-c", f"""
        . {shlex.quote(path)} || exit 1
        COMP_WORDS=({" ".join(map(shlex.quote, words))})
        COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        _passt
        printf '%s\\n' "${{COMPREPLY[@]}}\"""", check=False)
    if r.returncode or r.stderr:
        raise RuntimeError(r.stderr)
    return set(r.stdout.split())


def fish(path, *words):
    r = run("env", f"HOME={tmp()}", "fish", "--no-config", "-c",
            f"source {shlex.quote(path)}; complete -C '{' '.join(words)}'",
            check=False)
    if r.returncode or r.stderr:
        raise RuntimeError(r.stderr)
    return {l.split("\t")[0] for l in r.stdout.splitlines()}


def zsh(path, name):
    """The specifications of all options of the program called @name"""
    r = run("zsh", "-f", "-c", f"""
        _arguments() {{ print -rl -- "$@" }}
        service={name}
        f() {{ . {shlex.quote(path)} }}
        f""", check=False)
    if r.returncode or r.stderr:
        raise RuntimeError(r.stderr)
    return r.stdout.splitlines()


def offered(shell, name, options, offers):
    """@offers(WORD...) are those of a shell."""
    got = offers(name, "--")
    want = set(options)
    ok({w.rstrip("=") for w in got} == want, f"{shell}: options of {name}",
       sorted(got ^ want))
    letters = {s for s, _ in options.values() if s}
    missing = letters - offers(name, "-")
    ok(not missing, f"{shell}: letters of {name}", missing)
    for o, (_, arg) in options.items():
        if arg == "SPEC":
            got = offers(name, o, "")
            ok(got == {"none", "auto" if name == "pasta" else "all"},
               f"{shell}: {name} {o}", got)
    ok(offers(name, "--mtu", "") == set(), f"{shell}: {name} --mtu: nothing")
    ok("lo" in offers(name, "-f", "-i", ""), f"{shell}: {name} -i: interfaces")
    ok("none" in offers(name, "--dns", ""), f"{shell}: {name} --dns")
    ok("root" in offers(name, "--runas", "ro"), f"{shell}: {name} --runas")


def commands(shell, offers):
    for line in (("pasta", "unsha"), ("pasta", "-t", "80", "unsha"),
                 ("pasta", "--config-net", "-m", "1500", "--", "unsha")):
        ok("unshare" in offers(*line), f"{shell}: command after {line[1:-1]}",
           line)


programs = {"pasta": table(PASTA), "passt": table(PASST)}
ok(all(len(t) > 50 and t["--mtu"] == ("-m", "N") for t in programs.values()),
   "options of --help", programs)

if shutil.which("bash"):
    with case("bash"):
        f = generate("bash")
        for name, options in programs.items():
            offered("bash", name, options, lambda *w: bash(f, *w))
        commands("bash", lambda *w: bash(f, *w))
        ok("--mtu" not in bash(f, "pasta", "sh", "--m"),
           "bash: options of the command are its own")
        ok(bash(f, "passt", "--tcp-ports", "=", "a") == {"all"} and
           bash(f, "passt", "--tcp-ports", "=") == {"all", "none"},
           "bash: --option=value")
        ok(tmp("passt.bash") in bash(f, "passt", "-l", tmp("passt.b")),
           "bash: files")
else:
    skip("bash", "not here")

if shutil.which("fish"):
    with case("fish"):
        f = generate("fish")
        for name, options in programs.items():
            offered("fish", name, options, lambda *w: fish(f, *w))
        commands("fish", lambda *w: fish(f, *w))
        ok(tmp("passt.fish") in fish(f, "passt", "-l", tmp("passt.f")),
           "fish: files")
else:
    skip("fish", "not here")

if shutil.which("zsh"):
    with case("zsh"):
        f = generate("zsh")
        for name, options in programs.items():
            specs = zsh(f, name)
            bad = []
            want = {w: (arg, o) for o, (letter, arg) in options.items()
                    for w in (letter, o) if w}
            for s in specs:
                m = re.match(r"(?:\*|\(.*?\))?(-[\w-]+)([=+]?)\[(?:\\.|[^]])+\]"
                             r"(:[^:]+:.+)?$", s)
                if s[0] == "*" and s[1] == ":" or not s.startswith(
                        ("*-", "(-", "--")):
                    continue
                arg = want.pop(m[1], None) if m else None
                if not arg or bool(arg[0]) != bool(m[2]) or \
                        bool(m[2]) != bool(m[3]):
                    bad.append(s)
            ok(not bad and not want, f"zsh: options of {name}", (bad, want))
            ok(any("(none " + ("auto" if name == "pasta" else "all") in s
                   for s in specs), f"zsh: {name}: words", specs)
else:
    skip("zsh", "not here")
done()
