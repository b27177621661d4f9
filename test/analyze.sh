#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# analyze.sh [full] - what static analysis says about the sources: nothing
#
# cppcheck and gcc's analyzer, which take seconds; "full" adds clang-tidy with
# clang's analyzer, as .clang-tidy says, which takes minutes. What they are
# wrong about stands in test/analyze.accepted, with reasons; a line there that
# matches nothing any more is a complaint as well. The last two tools err in each
# version in other ways: one that the list does not know is skipped, as is a tool
# that is not here.

top=$(cd "$(dirname "$0")/.." && pwd) || exit 1
cd "$top" || exit 1
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
jobs=$(nproc)
n=0
failed=0

# Each runs over the files named, and writes "FILE:LINE: ... [CHECK]" lines

run_cppcheck() {
	cppcheck -q -j "$jobs" --enable=warning,performance,portability \
		--std=c11 -D_GNU_SOURCE --inline-suppr --error-exitcode=0 \
		--template='{file}:{line}: {severity}: {message} [{id}]' "$@"
}

# version TOOL - What the list calls it
version() {
	case $1 in
	gcc)	echo "gcc-$(gcc -dumpversion | sed 's/\..*//')" ;;
	tidy)	clang-tidy --version |
			sed -n 's/.*version \([0-9]*\).*/tidy-\1/p' ;;
	*)	cppcheck --version | sed 's/.* /cppcheck-/; s/\(\..*\)\..*/\1/' ;;
	esac
}

run_gcc() {
	printf '%s\n' "$@" | xargs -P "$jobs" -n 1 sh -c 'gcc -std=c11 \
		-D_GNU_SOURCE -Ibuild/gen -O1 -fanalyzer -fdiagnostics-plain-output -c \
		-o /dev/null "$0" 2>&1'
}

run_tidy() {
	printf '%s\n' "$@" | xargs -P "$jobs" -n 1 sh -c 'clang-tidy --quiet \
		"$0" -- -std=c11 -D_GNU_SOURCE -Ibuild/gen 2>/dev/null' | sed "s|^$top/||"
}

# complaints TOOL - Of its output, without what is accepted; accepted lines that
# are not needed any more
complaints() {
	awk -v tool="$(version "$1")" '
		FNR == NR {
			if ($1 == tool)
				accept[$2 " " $3] = 1
			next
		}
		/^[^ ]*:[0-9]+:.*(warning|error|performance|portability):/ {
			check = $0
			sub(/.*\[/, "", check)
			sub(/[],].*/, "", check)
			file = $1
			sub(/:.*/, "", file)
			if (file " " check in accept)
				used[file " " check] = 1
			else
				print
		}
		END {
			for (a in accept)
				if (!(a in used))
					print "test/analyze.accepted: " \
						"nothing to accept: " a
		}' "$top/test/analyze.accepted" -
}

report() {
	n=$((n + 1))
	if [ -z "$2" ]; then
		echo "ok $n - $1"
	else
		echo "not ok $n - $1"
		echo "$2" | sed 's/^/# /'
		failed=1
	fi
}

# hold TOOL COMMAND TEXT - All sources, then one that is wrong
hold() {
	if ! command -v "$2" >/dev/null; then
		why="not here"
	elif [ "$1" != cppcheck ] && ! grep -q "^$(version "$1")	" \
	     test/analyze.accepted; then
		why="no list for this version"
	else
		why=
	fi
	if [ -n "$why" ]; then
		n=$((n + 1))
		echo "ok $n - $3 # SKIP $why"
		return
	fi
	report "$3" "$("run_$1" ./*.c 2>&1 | sed 's|^\./||' | complaints "$1")"
	got=$("run_$1" "$tmp/bad.c" 2>&1 | complaints "$1" | grep -c bad.c)
	report "$3: finds what is wrong" \
		"$([ "$got" != 0 ] || echo "nothing found")"
}

cat >"$tmp/bad.c" <<-END
	#include <stdlib.h>
	int f(int n);
	int f(int n)
	{
		char *p = malloc(10);
		int a[4] = { 0 };

		if (!p)
			return a[4];
		free(p);
		return n ? *p : a[n];
	}
END
cp .clang-tidy "$tmp"

hold cppcheck cppcheck "cppcheck"
hold gcc gcc "gcc's analyzer"
[ "$1" != full ] || hold tidy clang-tidy "clang-tidy and clang's analyzer"
echo "1..$n"
exit $failed
