#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# install-deps.sh [fuzz] - what "make check" (or "make fuzz") needs besides a
# compiler
#
# Installs missing packages if this is Debian-like and we are root; otherwise
# says what is missing. Never fails: a test without its tool skips or fails by
# itself, with a better message.

# command:package
needs="
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
"
# The virtual machine of test/e2e/qemu.t. Its kernel is not installed here:
# test/guest/mkguest.py fetches the package and only takes it apart
[ "$(uname -m)" != x86_64 ] ||
	needs="$needs qemu-system-x86_64:qemu-system-x86"

# The latter has libFuzzer
[ "${1-}" != fuzz ] || needs="$needs clang:clang clang:libclang-rt-dev"

missing=
for n in $needs; do
	command -v "${n%%:*}" >/dev/null 2>&1 || missing="$missing ${n#*:}"
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
	$install $missing >/dev/null ||
		echo "Could not install: $missing" >&2
}
exit 0
