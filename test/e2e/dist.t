#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The files for distributions: do their tools take them?

Profiles, the unit and the spec file are only read, where the tool is there. With
DIST_FULL=1 ("make check-dist") the SELinux module is compiled, and packages of
Debian and, by Debian's rpm, of Fedora are built; the first is installed, over a
copy of this system that is thrown away. All in copies of the tree."""
import os
import shutil
import sys

sys.dont_write_bytecode = True
from lib import *       # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
CONTRIB = os.path.join(ROOT, "contrib")
FULL = os.environ.get("DIST_FULL") == "1"
DEVEL = "/usr/share/selinux/devel/Makefile"


def there(tool, name):
    if shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
        return True
    skip(name, f"no {tool}")
    return False


def copy(name):
    """A directory with the tree, without what is built."""
    to = tmp(name)
    shutil.copytree(ROOT, to, symlinks=True, ignore=shutil.ignore_patterns(
        ".git", "build", "*.o", "*.d", "passt", "pasta", "qrap",
        "passt.static", "__pycache__") if name != "contrib" else None)
    # Of these names there are files of policies as well
    shutil.rmtree(os.path.join(to, "contrib"))
    shutil.copytree(CONTRIB, os.path.join(to, "contrib"))
    return to


# As little as a package has of the tree around it
ENV = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG")}


def build(*argv, cwd, timeout=900):
    return subprocess.run(argv, cwd=cwd, env=dict(ENV, E2E_TAG=str(os.getpid())),
                          capture_output=True, text=True, timeout=timeout)


def apparmor():
    def parse(profile, where):
        r = run("apparmor_parser", "-Q", "-K", "-W", "-I", where, "-I",
                "/etc/apparmor.d", os.path.join(where, profile), check=False)
        # About this kernel, not about the profile
        words = [l for l in r.stderr.splitlines()
                 if "interface file missing" not in l]
        return "\n".join(words) or (r.returncode and f"status {r.returncode}")

    there_ = os.path.join(CONTRIB, "apparmor")
    for p in "usr.bin.passt", "usr.bin.pasta":
        wrong = parse(p, there_)
        ok(not wrong, f"AppArmor: {p}", wrong)
    broken = tmp("apparmor")
    shutil.copytree(there_, broken)
    f = os.path.join(broken, "abstractions/passt")
    text = read(f)
    with open(f, "w") as out:
        out.write(text.replace("mount fstype=", "mount fstipe="))
    ok(parse("usr.bin.pasta", broken), "AppArmor: refuses a broken one")


def systemd():
    def verify(old="", new=""):
        os.makedirs(tmp("units"), exist_ok=True)
        f = tmp("units/passt@.service")
        text = read(os.path.join(CONTRIB, "systemd/passt@.service"))
        with open(f, "w") as out:       # ... which need not be installed
            out.write(text.replace("/usr/bin/passt", "/bin/true")
                      .replace(old, new))
        r = run("env", f"XDG_RUNTIME_DIR={tmp()}", "systemd-analyze", "verify",
                "--man=no", "--user", f, check=False)
        return r.stdout + r.stderr or (r.returncode and "status")

    wrong = verify()
    ok(not wrong, "systemd: the unit", wrong)
    ok(verify("RestrictRealtime", "RestrictReeltime"),
       "systemd: refuses a broken one")


def spec():
    f = os.path.join(CONTRIB, "fedora/passt.spec")
    r = run("rpmspec", "-P", f, check=False)
    ok(not r.returncode and not r.stderr, "Fedora: the spec file", r.stderr)


def selinux():
    to = tmp("selinux")
    shutil.copytree(os.path.join(CONTRIB, "selinux"), to)
    # Somebody who uses all the interfaces
    with open(os.path.join(to, "passtuser.te"), "w") as f:
        f.write("policy_module(passtuser, 1.0.0)\ntype starts_t;\n"
                "domain_type(starts_t)\npasst_domtrans(starts_t)\n"
                "passt_domtrans_pasta(starts_t)\n"
                "passt_stream_connect(starts_t)\npasst_end(starts_t)\n")
    for name in "passt", "passtuser":
        r = build("make", "-f", DEVEL, f"{name}.pp", cwd=to)
        said = r.stdout + r.stderr
        ok(not r.returncode and os.path.exists(f"{to}/{name}.pp") and
           "arning" not in said, f"SELinux: module {name}", said)


# Whoever makes a package of it for others gives an address; .avx2 are old names
LINTIAN = ("bogus-mail-host,bogus-mail-host-in-debian-changelog,"
           "root-in-contact,initial-upload-closes-no-bugs,no-manual-page")

WANTED = """
usr/bin/passt usr/bin/pasta usr/bin/qrap
usr/share/man/man1/passt.1.gz usr/share/man/man1/pasta.1.gz
usr/share/man/man1/qrap.1.gz
usr/share/bash-completion/completions/passt
usr/share/bash-completion/completions/pasta
usr/share/fish/vendor_completions.d/passt.fish
usr/share/fish/vendor_completions.d/pasta.fish
usr/lib/systemd/user/passt@.service
""".split()
APPARMOR = """
etc/apparmor.d/usr.bin.passt etc/apparmor.d/usr.bin.pasta
etc/apparmor.d/abstractions/passt etc/apparmor.d/abstractions/pasta
""".split()

# In a mount namespace, where the whole system is below what is thrown away
INSTALL = """
mount -t tmpfs none "$1" && cd "$1" && mkdir up work all || exit 1
mount -t overlay -o lowerdir=/,upperdir=up,workdir=work none all ||
	{ echo no overlay; exit 0; }
mount -t proc none all/proc
mount --rbind /dev all/dev
mount --bind "${2%/*}" all/mnt
chroot all sh -ec '
	dpkg -i /mnt/"$1" >/dev/null
	test "$(command -v pasta)" = /usr/bin/pasta
	/usr/bin/passt --version | head -n 1
	/usr/bin/pasta --version | head -n 1
	dpkg -V passt
	dpkg -P passt >/dev/null
	test ! -e /usr/bin/pasta
	echo gone
' sh "${2##*/}"
"""


def debian():
    top = copy("deb/passt")
    shutil.copytree(f"{top}/contrib/debian", f"{top}/debian")
    r = build("dpkg-buildpackage", "-us", "-uc", "-b", cwd=top)
    debs = [f for f in os.listdir(tmp("deb")) if f.startswith("passt_") and
            f.endswith(".deb")]
    if not ok(not r.returncode and len(debs) == 1, "Debian: builds",
              (r.stdout + r.stderr)[-4000:]):
        return
    ok("warning: " not in r.stderr, "Debian: no warnings", r.stderr[-4000:])
    deb = tmp(f"deb/{debs[0]}")
    listed = run("dpkg-deb", "-c", deb).stdout.splitlines()
    have = {l.split()[5].lstrip("./"): l for l in listed}
    missing = [f for f in WANTED + APPARMOR + [
        "usr/share/zsh/vendor-completions/_passt"] if f not in have]
    ok(not missing, "Debian: contents", (missing, listed))
    ok(not have.get("usr/bin/pasta", "l").startswith("l"),
       "Debian: pasta is a file of its own", have.get("usr/bin/pasta"))
    ok(all(" root/root " in l for l in listed), "Debian: owned by root", listed)
    if there("lintian", "Debian: lintian"):
        r = build("lintian", "--allow-root", "--fail-on", "error,warning",
                  "--suppress-tags", LINTIAN, deb, cwd=tmp())
        ok(not r.returncode, "Debian: lintian", r.stdout + r.stderr)
    os.mkdir(tmp("over"))
    r = run("unshare", "--mount", "sh", "-c", INSTALL, "sh", tmp("over"), deb,
            check=False, timeout=120)
    if "no overlay" in r.stdout:
        skip("Debian: installs", "no overlay file system")
        return
    said = [l.split()[0] for l in r.stdout.splitlines()]
    ok(not r.returncode and said == ["passt", "pasta", "gone"],
       "Debian: installs, runs, goes", r.stdout + r.stderr)


def fedora():
    top = copy("passt-0.0")
    os.makedirs(tmp("rpm/SOURCES"))
    run("tar", "-C", tmp(), "-czf", tmp("rpm/SOURCES/passt-0.0.tar.gz"),
        "passt-0.0")
    r = build("rpmbuild", "-bb", "--nodeps", "--define", f"_topdir {tmp('rpm')}",
              f"{top}/contrib/fedora/passt.spec", cwd=tmp())
    rpms = [os.path.join(d, f) for d, _, fs in os.walk(tmp("rpm/RPMS"))
            for f in fs if "debug" not in f]
    if not ok(not r.returncode and len(rpms) == 2, "Fedora: builds",
              (r.stdout + r.stderr)[-4000:]):
        return
    have = {l.lstrip("/") for f in rpms
            for l in run("rpm", "-qpl", f).stdout.splitlines()}
    missing = [f for f in WANTED if f not in have and
               f.replace(".1.gz", ".1") not in have]
    ok(not missing, "Fedora: contents", (missing, have))


if there("apparmor_parser", "AppArmor"):
    with case("AppArmor"):
        apparmor()
if there("systemd-analyze", "systemd"):
    with case("systemd"):
        systemd()
if there("rpmspec", "Fedora: the spec file"):
    with case("Fedora: the spec file"):
        spec()
if not FULL:
    done()
if os.path.exists(DEVEL):
    with case("SELinux"):
        selinux()
else:
    skip("SELinux", f"no {DEVEL}")
if there("dpkg-buildpackage", "Debian") and there("dh", "Debian"):
    with case("Debian"):
        debian()
if os.path.exists(DEVEL) and there("rpmbuild", "Fedora: builds"):
    with case("Fedora: builds"):
        fedora()
done()
