#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How the programs were compiled and linked, as readelf tells: what makes a hole
hard to use must be in the files that are installed, not only in the Makefile.

What the compiler or the C library cannot do is skipped, nothing else. At the
end every check has to refuse a program that was built without all that."""
import os
import re
import sys

sys.dont_write_bytecode = True
from lib import *       # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
OBJDIR = os.environ.get("OBJDIR") or ROOT
CC = (os.environ.get("BUILD_CC") or os.environ.get("CC") or "cc").split()


def elf(path, *what):
    return run("readelf", "-W", *what, path).stdout


def knows(*flags):
    """Whether the compiler takes these without a warning."""
    return not run(*CC, "-Werror", *flags, "-c", "-x", "c", os.devnull, "-o",
                   os.devnull, check=False).returncode


def macro(name, text="#include <features.h>\n"):
    r = run(*CC, "-O2", "-dM", "-E", "-x", "c", "-", input=text, check=False)
    return f"#define {name} " in r.stdout


# --- each returns "" if all is well, or what is wrong ---

def pie(path):
    if "Type:                              DYN" not in elf(path, "-h"):
        return "loaded at a fixed address"
    return "" if re.search(r"FLAGS_1.* PIE", elf(path, "-d")) else "no PIE"


def relro(path):
    if "GNU_RELRO" not in elf(path, "-l"):
        return "no GNU_RELRO segment"
    return "" if re.search(r"\(FLAGS\).*BIND_NOW|FLAGS_1.* NOW",
                           elf(path, "-d")) else "symbols are bound late"


def stack(path):
    """Flags stand between the sizes and the alignment."""
    m = re.search(r"GNU_STACK( +0x\w+)+ +([RWE ]+?) +0x", elf(path, "-l"))
    return "" if m and m[2] == "RW" else f"stack: {m and m[2]}"


def segments(path):
    bad = [l for l in elf(path, "-l").splitlines()
           if re.search(r" LOAD .* [R ]WE ", l)]
    if "TEXTREL" in elf(path, "-d"):
        bad.append("TEXTREL")
    return "\n".join(bad)


def canary(path):
    return "" if "__stack_chk_fail" in elf(path, "-s", "--dyn-syms") else \
        "no canaries"


def fortify(path):
    return "" if re.search(r" __(?!stack)\w+_chk(@| |$)",
                           elf(path, "--dyn-syms"), re.M) else \
        "no checked calls"


def branches(path):
    """Landing pads: the instruction is at each function called by address, of
    which main() is one."""
    m = re.search(r"^ *\d+: (\w+) .* FUNC .* main$", elf(path, "-s"), re.M)
    if not m:
        return "no main()"
    at = int(m[1], 16)
    code = run("objdump", "-d", f"--start-address={at}",
               f"--stop-address={at + 8}", path).stdout
    return "" if re.search(r"endbr64|\bbti\b|paciasp", code) else code


def switches(path, *want):
    """What the compiler notes of its command line with every source; those of
    the C library's start code, if there are any, are not ours."""
    info = elf(path, "--debug-dump=info", "--dwarf-depth=1")
    units = [l for l in info.splitlines() if "DW_AT_producer" in l and
             "-std=c11" in l]
    bad = [l for l in units if any(w not in l.split() for w in want)]
    return "no note" if not units else "\n".join(bad)


def strong(path):
    return switches(path, "-fstack-protector-strong")


def clash(path):
    return switches(path, "-fstack-clash-protection")


def zeroed(path):
    return switches(path, "-ftrivial-auto-var-init=zero")


def features(obj):
    """Of an object: the linker's note depends on those of the C library."""
    text = elf(obj, "-n")
    return "" if re.search(r"feature: (IBT, SHSTK|BTI, PAC)", text) else \
        "no note on branch protection"


ZERO = ("-ftrivial-auto-var-init=zero",)
DOUBT = ("-enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-"
         "from-clang",)
BRANCH = knows("-fcf-protection=full") or knows("-mbranch-protection=standard")
NOTES = knows("-grecord-gcc-switches")
CHECKS = (
    (pie, "position-independent", True),
    (relro, "full RELRO", True),
    (stack, "stack not executable", True),
    (segments, "nothing both writable and executable", True),
    (canary, "canaries on the stack", True),
    (strong, "strong ones, in all sources", NOTES),
    (clash, "stack clash protection in all sources",
     NOTES and knows("-fstack-clash-protection")),
    (zeroed, "variables are cleared in all sources",
     NOTES and (knows(*ZERO) or knows(*ZERO, *DOUBT))),
    (fortify, "checked calls of the C library", macro("__GLIBC__")),
    (branches, "landing pads for indirect calls", BRANCH),
)

if os.environ.get("DEBUG"):
    print("1..0 # SKIP a build with sanitizers")
    sys.exit(0)

for variable in "PASST", "QRAP":
    f = os.path.abspath(os.environ.get(variable) or
                        os.path.join(ROOT, variable.lower()))
    for check, text, able in CHECKS:
        name = f"{variable.lower()}: {text}"
        if not able:
            skip(name, "not with this compiler and C library")
            continue
        wrong = check(f)
        ok(not wrong, name, wrong)

objects = sorted(f for f in os.listdir(OBJDIR) if f.endswith(".o"))
if BRANCH:
    bad = [f for f in objects if features(os.path.join(OBJDIR, f))]
    ok(objects and not bad, "every object is marked for branch protection",
       bad)
else:
    skip("every object is marked for branch protection",
         "not with this compiler")

# Level 3 needs both compiler and C library; the numbers of imports tell nothing
with case("level of checked calls"):
    flags = read(os.path.join(ROOT, "build/flags"))
    level = re.search(r"-D_FORTIFY_SOURCE=(\d)", flags)
    three = knows("-O2", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=3",
                  "-include", "stdio.h")
    ok(level and level[1] == "23"[three], "level of checked calls",
       (flags, three))

with case("what a careless build looks like"):
    with open(tmp("bad.c"), "w") as f:
        f.write('__asm__(".section .both,\\"awx\\"; .byte 0; .text");\n'
                "#include <string.h>\nint main(int c, char **v)\n{\n\t"
                "char a[99];\n\n\tstrcpy(a, v[0]);\n\treturn a[c];\n}\n")
    r = run(*CC, "-std=c11", "-O2", "-g", "-grecord-gcc-switches", "-fno-stack-protector",
            "-U_FORTIFY_SOURCE", "-no-pie", "-fno-pie",
            *(["-fcf-protection=none"] if knows("-fcf-protection=none")
              else ["-mbranch-protection=none"] if BRANCH else []),
            "-Wl,-z,norelro,-z,lazy,-z,execstack", "-o", tmp("bad"),
            tmp("bad.c"), check=False)
    ok(not r.returncode, "compiled", r.stderr)
    for check, text, able in CHECKS:
        if able:
            ok(check(tmp("bad")), f"refused: not {text}")
    if BRANCH:
        ok(features(tmp("bad")), "refused: no mark")
done()
