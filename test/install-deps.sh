#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# install-deps.sh [GROUP]... - what tests need besides a compiler
#
# Without a group, what "make check" needs; the other groups, which see below,
# are for targets that are rarely made. Installs missing packages if this is
# Debian-like and we are root; otherwise says what is missing. Never fails: a
# test without its tool skips or fails by itself, with a better message.

# command:package
check="
prove:perl
nm:binutils
ip:iproute2
ss:iproute2
tc:iproute2
nsenter:util-linux
unshare:util-linux
timeout:coreutils
ps:procps
/usr/bin/python3:python3
ping:iputils-ping
traceroute:traceroute
arping:iputils-arping
dhclient:isc-dhcp-client
udhcpc:udhcpc
rdisc6:ndisc6
mandoc:mandoc
busybox:busybox-static
strace:strace
readelf:binutils
cppcheck:cppcheck
musl-gcc:musl-tools
zsh:zsh
fish:fish
apparmor_parser:apparmor
"
analyze="
gcc:gcc
clang:clang
clang-tidy:clang-tidy
cppcheck:cppcheck
"
fuzz="
clang:clang
/usr/share/doc/libclang-rt-dev:libclang-rt-dev
"
musl="
musl-gcc:musl-tools
"
arm64="
aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu
/usr/aarch64-linux-gnu/include/stdio.h:libc6-dev-arm64-cross
qemu-aarch64-static:qemu-user-static
"
engines="
debootstrap:debootstrap
"
dist="
dpkg-buildpackage:dpkg-dev
dh:debhelper
fakeroot:fakeroot
lintian:lintian
rpmbuild:rpm
checkmodule:checkpolicy
semodule_package:semodule-utils
/usr/share/selinux/devel/Makefile:selinux-policy-dev
apparmor_parser:apparmor
"
# The virtual machine of test/e2e/qemu.t. Its kernel is not installed here:
# test/guest/mkguest.py fetches the package and only takes it apart
[ "$(uname -m)" != x86_64 ] ||
	check="$check qemu-system-x86_64:qemu-system-x86"

needs=
for group in "${@:-check}"; do
	case $group in
	check)	 needs="$needs $check" ;;
	analyze) needs="$needs $analyze" ;;
	musl)	 needs="$needs $musl" ;;
	arm64)	 needs="$needs $arm64" ;;
	dist)	 needs="$needs $dist" ;;
	engines) needs="$needs $engines" ;;
	fuzz)	 needs="$needs $fuzz" ;;
	*)	 echo "$0: no such group: $group" >&2 ;;
	esac
done

missing=
for n in $needs; do
	case $n in
	/*)	[ -e "${n%%:*}" ] ;;
	*)	command -v "${n%%:*}" >/dev/null 2>&1 ;;
	esac || missing="$missing ${n#*:}"
done
[ -n "$missing" ] || exit 0
missing=$(printf '%s\n' $missing | sort -u | tr '\n' ' ')

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
	echo "Tests need these packages, please install them: $missing" >&2
	exit 0
fi

echo "Installing for the tests: $missing" >&2
export DEBIAN_FRONTEND=noninteractive
install="apt-get -o DPkg::Lock::Timeout=60 install -y -q --no-install-recommends"
# shellcheck disable=SC2086  # lists of words
$install $missing >/dev/null 2>&1 || {
	apt-get update -q >/dev/null 2>&1
	# All at once is quicker, but fails for one that is no more
	$install $missing >/dev/null 2>&1 || for n in $missing; do
		$install "$n" >/dev/null || echo "Could not install: $n" >&2
	done
}
exit 0
