#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The manual says what the program does: its options are those of --help, with
the same arguments, modes and defaults; port specifications that it calls right
are taken, those that it calls wrong are refused; its examples, and those of
README.md, are lines that the program takes. No namespace is entered: whatever
is run ends while the command line is read."""
import os
import re
import shlex
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
from lib import *       # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
PAGE = os.path.join(ROOT, "passt.1")
LINK = os.path.join(ROOT, "pasta.1")
PROGRAM = os.path.abspath(os.environ.get("PASTA") or
                          os.path.join(ROOT, "pasta"))
MODES = "passt", "pasta"
ARG = r"[A-Z][A-Z0-9|:/\[\]]*"
OPTION = re.compile(rf"(?:-(\w), )?--([a-z0-9][a-z0-9-]*)(?: ({ARG}))?")

# A value that is refused with the limits of the option in the message
BEYOND = {"mtu": "x", "log-size": "x", "ns-ifname": "x" * 16,
          "search": "x" * 300, "hostname": "x" * 254, "fqdn": "x" * 254,
          "socket": "x" * 108}


def program(mode, *words):
    return subprocess.run([mode, *words], executable=PROGRAM, timeout=20,
                          capture_output=True, text=True,
                          stdin=subprocess.DEVNULL)


class Entry:
    def __init__(self, m, text):
        self.letter, self.name, self.arg = m.groups()
        self.text = text
        self.section = ""

    def __str__(self):
        return (f"-{self.letter}, " if self.letter else "") + \
            f"--{self.name}" + (f" {self.arg}" if self.arg else "")


def help_of(mode):
    """Options by name, and the lines of usage"""
    options, usage, last = {}, [], None
    for line in program(mode, "--help").stdout.splitlines():
        m = re.match(rf" {{1,8}}{OPTION.pattern}(?= |$)", line)
        if m:
            last = Entry(m, line[m.end():].strip())
            options[last.name] = last
        elif last and line.startswith(" " * 16):
            last.text += " " + line.strip()
        elif re.match(r"(Usage: +| +)(passt|pasta) ", line):
            usage.append(line.replace("Usage:", "").strip())
    return options, usage


def rendered(path):
    """Plain text in lines so long that no option is broken"""
    r = run("mandoc", "-T", "ascii", "-O", "width=500", path)
    return re.sub(r".\x08", "", r.stdout)


class Manual:
    def __init__(self, text):
        self.sections = {}          # "SECTION" or "SECTION/Subsection"
        self.entries, self.strange = [], []
        name = sub = entry = None
        for line in text.splitlines():
            if re.match(r"[A-Z]", line) and not line.startswith("PASST(1)"):
                name = sub = line.strip()
            elif re.match(r" {3}\S", line):
                sub = f"{name}/{line.strip()}"
            elif name:
                self.sections[sub] = self.sections.get(sub, "") + line + "\n"
            if name != "OPTIONS":
                continue
            if not re.match(r" {5}-", line):
                if entry and line.startswith("      "):
                    entry.text += line.strip() + " "
                continue
            m = OPTION.fullmatch(line.strip())
            if m:
                entry = Entry(m, "")
                entry.section = sub.partition("/")[2]
                self.entries.append(entry)
            else:
                self.strange.append(line)

    def tags(self, section):
        return re.findall(r"^ {5}(\S+)", self.sections.get(section, ""), re.M)


def lint():
    r = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", PAGE],
                       capture_output=True, text=True)
    ok(not r.returncode and not r.stdout and not r.stderr,
       "nothing to complain about for mandoc", r.stdout + r.stderr)
    ok(os.path.exists(LINK) and os.path.samefile(PAGE, LINK),
       "pasta.1 is the same page")
    if not shutil.which("groff"):
        skip("groff", "not here")
        return
    r = subprocess.run(["groff", "-mandoc", "-Tascii", "-ww", "-z", PAGE],
                       capture_output=True, text=True)
    ok(not r.returncode and not r.stderr, "nothing to complain about for groff",
       r.stderr)


def synopsis():
    def words(text):
        return re.sub(r"[][. ]+", " ", text).split()
    lines = [words(line) for line in man.sections["SYNOPSIS"].splitlines()
             if line.strip()]
    want = [words(line) for mode in MODES for line in usage[mode]]
    ok(lines == want and len(lines) >= 4, "SYNOPSIS has the forms of the usage",
       f"{lines}\n{want}")


def entries():
    names = [e.name for e in man.entries]
    ok(len(names) > 50 and not man.strange, "entries are found",
       f"{len(names)}, and {man.strange}")
    ok(len(set(names)) == len(names), "each option has one entry",
       [n for n in names if names.count(n) > 1])
    for mode in MODES:
        ok(len(options[mode]) > 40, f"options of {mode} are found",
           list(options[mode]))
    have = {e.name: e for e in man.entries}
    for name, o in every.items():
        e = have.get(name)
        ok(e and str(e) == str(o), f"in the manual: {o}", e or "no entry")
    for e in man.entries:
        modes = [m for m in MODES if e.name in options[m]]
        m = re.search(r"(passt|pasta) only$", e.section)
        said = [m.group(1)] if m else list(MODES)
        ok(modes == said, f"in the help: {e}",
           f"help: {modes}, manual: {said}")


def defaults():
    for e in man.entries:
        if e.name not in every:
            continue
        said = re.search(r"\(default:? ([^)]*)\)", every[e.name].text)
        if said and "default:" not in said.group(0):
            ok(f"Default: {said.group(1)}." in e.text,
               f"default of {e}: {said.group(1)}", e.text)
        elif e.arg or said:
            ok("Default: " in e.text, f"default of {e}", e.text)


def limits():
    have = {e.name: e for e in man.entries}
    for name, value in BEYOND.items():
        if name == "log-size" and os.sysconf("SC_PAGESIZE") > 8192:
            continue
        mode = [m for m in MODES if name in options[m]][-1]
        r = program(mode, f"--{name}", value)
        n = re.findall(r"\b\d+\b", r.stderr)
        ok(r.returncode == 1 and n and name in have and
           all(re.search(rf"\b{i}\b", have[name].text) for i in n),
           f"limits of --{name}: {n}", r.stderr)


def mentioned():
    """Whatever looks like an option in the text is one"""
    text = "".join(t for s, t in man.sections.items()
                   if not s.startswith("EXAMPLES"))
    found = set(re.findall(r"(?<![\w-])--([a-z][a-z0-9-]+)", text))
    ok(len(found) > 50 and found <= set(every), "options in the text exist",
       found - set(every))
    letters = {o.letter for o in every.values()}
    found = set(re.findall(r"(?<![\w%/-])-(\w)\b", text))
    ok(len(found) > 10 and found <= letters, "short options in the text exist",
       found - letters)


def taken(mode, option, spec):
    """None if the port specification is taken, else what is said. Files come
    after ports, so one that cannot be there tells"""
    nowhere = "/nonexistent/file"
    last = ("-f", "-P" if mode == "pasta" else "-s", nowhere)
    r = program(mode, option, spec, *last)
    return None if nowhere in r.stderr else r.stderr


def specifications():
    right = man.tags("PORT SPECIFICATIONS/What is right")
    wrong = man.tags("PORT SPECIFICATIONS/What is not")
    ok(len(right) > 10 and len(wrong) > 5, "lists of specifications are found",
       f"{right}\n{wrong}")
    for spec in right:
        bound = "/" in spec
        ok(taken("pasta", "-t", spec) is None and
           taken("passt", "-u", spec) is None and
           (taken("pasta", "-T", spec) is None) != bound,
           f"right: {spec}", taken("pasta", "-t", spec))
    for spec in wrong:
        said = taken("pasta", "-t", spec) or ""
        ok(said.startswith("--tcp-ports: "), f"wrong: {spec}", said)


def example(line):
    """What is wrong with a line, or None"""
    words = shlex.split(line, comments=True)
    mode, words, given = words[0], words[1:], []
    by_letter = {o.letter: o for o in options[mode].values() if o.letter}
    while words and words[0].startswith("-") and words[0] != "--":
        w = words.pop(0)
        name, has, value = w[2:].partition("=")
        o = options[mode].get(name) if w.startswith("--") else \
            by_letter.get(w[1:])
        if not o:
            return f"{mode} has no {w}"
        given.append(w)
        if not o.arg or has:
            continue
        if not words:
            return f"{w} needs an argument"
        value = words.pop(0)
        given.append(value)
        if o.arg == "SPEC" and value not in ("none", "auto", "all"):
            said = taken(mode, w, value)
            if said:
                return said
    if words and mode == "passt":
        return f"{mode} takes no words: {words}"
    r = program(mode, *given, "--help")
    return r.stderr if r.returncode else None


def examples(what, text, least):
    text = re.sub(r"\\\n\s*", "", text)
    lines = re.findall(r"^\s*((?:pasta|passt) +-.*)$", text, re.M)
    ok(len(lines) >= least, f"examples of {what} are found", lines)
    for line in lines:
        said = example(line)
        ok(said is None, f"{what}: {line[:60]}", said)


def readme():
    with open(os.path.join(ROOT, "README.md")) as f:
        text = f.read()
    rows = re.findall(r"^\| (`-.*?) \|", text, re.M)
    found = [w for row in rows for code in re.findall(r"`([^`]*)`", row)
             for w in code.split() if w.startswith("-")]
    exist = {f"--{n}" for n in every} | \
        {f"-{o.letter}" for o in every.values() if o.letter}
    ok(len(found) > 20 and set(found) <= exist,
       "options in the table of README.md exist", set(found) - exist)
    blocks = "".join(re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S))
    examples("README.md", blocks, 10)


if not shutil.which("mandoc"):
    print("1..0 # SKIP needs mandoc")
    sys.exit(0)

options, usage = {}, {}
for _mode in MODES:
    options[_mode], usage[_mode] = help_of(_mode)
every = {**options["passt"], **options["pasta"]}
man = Manual(rendered(PAGE))

for part in lint, synopsis, entries, defaults, limits, mentioned, \
        specifications, readme:
    with case(part.__name__):
        part()
with case("examples"):
    examples("the manual", "".join(t for s, t in man.sections.items()
                                   if s.startswith("EXAMPLES")), 9)
done()
