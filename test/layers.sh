#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# layers.sh - hold the floors (test/layers), and other rules a machine can check
#
# References are read from the objects by nm, so a call through a macro counts
# and a comment does not. The rules run over the tree first; then each rule runs
# over a small bad example made here, which it must refuse.
#
# Environment: OBJDIR, where the objects are (default: the top folder); CC

top=$(cd "$(dirname "$0")/.." && pwd) || exit 1
: "${CC:=cc}"
OBJDIR=${OBJDIR:-$top}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

MAX_FUNCTION=80
MAX_FILE=900

# symbols DIR - "file class section symbol" of each external symbol in DIR/*.o
symbols() {
	for o in "$1"/*.o; do
		[ -f "$o" ] || continue
		f=${o##*/}
		nm -g -f sysv "$o" | awk -F'|' -v f="${f%.o}" '
			NF == 7 {
				gsub(/ /, "")
				# Bookkeeping of the sanitizers is not ours
				if ($1 !~ /^(__odr_asan|__asan|__ubsan)/)
					print f, $3, ($7 == "" ? "-" : $7), $1
			}'
	done
}

# Each rule takes SOURCES OBJECTS LAYERS and prints its complaints

rule_floors() {
	symbols "$2" | awk '
		FNR == NR {
			sub(/#.*/, "")
			for (i = 2; i <= NF; i++)
				floor[$i] = $1
			next
		}
		$2 == "U" { uses[++n] = $1 " " $4; next }
		{ owner[$4] = $1 }
		END {
			for (i = 1; i <= n; i++) {
				split(uses[i], u, " ")
				from = u[1]; sym = u[2]
				if (!(sym in owner))
					continue
				to = owner[sym]
				if (to == from || to == "util" ||
				    (to == "log" && from != "util"))
					continue
				if (!(from in floor) || !(to in floor))
					continue
				if (floor[to] < floor[from])
					continue
				printf "%s (floor %s) uses %s of %s (%s)\n",
					from, floor[from], sym, to, floor[to]
			}
		}' "$3" -
}

rule_listed() {
	for c in "$1"/*.c; do
		f=${c##*/}
		awk -v f="${f%.c}" '
			{ sub(/#.*/, "") }
			{ for (i = 2; i <= NF; i++) n += $i == f }
			END { if (n != 1)
				print f ".c is listed " n + 0 " times" }' "$3"
	done
}

# Constants with relocations are writable only until the loader is done
rule_writable() {
	symbols "$2" | awk '
		$2 ~ /^[BDCGSV]$/ && $3 !~ /^\.(data\.rel\.ro|rodata)/ {
			print $1 ".c has an external writable symbol: " $4
		}'
}

rule_functions() {
	for c in "$1"/*.[ch]; do
		[ -f "$c" ] || continue
		awk -v f="${c##*/}" -v max="$MAX_FUNCTION" '
			/^[a-z_].*\) *\{ *$/ {
				print f ":" FNR ": brace of a function on " \
					"the line of its name"
			}
			/^\{/ { start = FNR }
			/^\}/ {
				if (start && FNR - start + 1 > max)
					printf "%s:%d: function of %d lines\n",
						f, start, FNR - start + 1
				start = 0
			}' "$c"
	done
}

rule_files() {
	for c in "$1"/*.[ch]; do
		[ -f "$c" ] || continue
		n=$(wc -l <"$c")
		[ "$n" -le "$MAX_FILE" ] || echo "${c##*/} has $n lines"
	done
}

rule_spdx() {
	for c in "$1"/*.[ch] "$1"/test/*.[chs]* "$1"/test/*/*.[ch] \
		 "$1"/test/e2e/* "$1"/Makefile; do
		[ -f "$c" ] || continue
		# Behind a "#!" line in scripts
		head -n 3 "$c" | grep -q \
			'SPDX-License-Identifier: GPL-2.0-or-later' ||
			echo "${c#"$1"/} has no SPDX line"
	done
}

# Objects that no source belongs to any more would keep old arrows alive
rule_objects() {
	for c in "$1"/*.c; do
		f=${c##*/}
		[ -f "$2/${f%.c}.o" ] || echo "${f%.c}.o is not built"
	done
	for o in "$2"/*.o; do
		f=${o##*/}
		[ ! -f "$o" ] || [ -f "$1/${f%.o}.c" ] ||
			echo "$f has no source (make clean?)"
	done
}

n=0
failed=0

# report TEXT COMPLAINTS - One line of TAP, good if there are no complaints
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

hold() {
	report "$2" "$("rule_$1" "$top" "$OBJDIR" "$top/test/layers" 2>&1)"
}

hold objects	"every source has its object"
hold listed	"every source has one floor"
hold floors	"no call upward or sideways"
hold writable	"no external writable symbol"
hold functions	"no function over $MAX_FUNCTION lines"
hold files	"no file over $MAX_FILE lines"
hold spdx	"every file names its license"

# --- the rules can fail -------------------------------------------------------

# fresh - An example that all rules accept
fresh() {
	rm -rf "$tmp/x"
	mkdir "$tmp/x"
	spdx='// SPDX-License-Identifier: GPL-2.0-or-later'
	cat >"$tmp/x/layers" <<-END
		# comment low
		0 util log
		0 low
		1 mid1 mid2
		2 top
	END
	cat >"$tmp/x/util.c" <<-END
		$spdx
		int util(void);
		int util(void)
		{
			return 1;
		}
	END
	cat >"$tmp/x/log.c" <<-END
		$spdx
		int util(void), log_it(void);
		int log_it(void)
		{
			return util();
		}
	END
	cat >"$tmp/x/low.c" <<-END
		$spdx
		int log_it(void), low(void);
		int low(void)
		{
			return log_it();
		}
	END
	cat >"$tmp/x/mid1.c" <<-END
		$spdx
		int low(void), mid1(void);
		extern int (*const table[])(void);
		int (*const table[])(void) = { low, mid1 };
		extern const int number;
		const int number = 3;
		static int state;
		int mid1(void)
		{
			return low() + state++;
		}
	END
	cat >"$tmp/x/mid2.c" <<-END
		$spdx
		int low(void), mid2(void);
		int mid2(void)
		{
			return low();
		}
	END
	cat >"$tmp/x/top.c" <<-END
		$spdx
		int mid1(void), mid2(void), util(void), top(void);
		int top(void)
		{
			return mid1() + mid2() + util();
		}
	END
}

compile() {
	for c in "$tmp"/x/*.c; do
		"$CC" -std=c11 -fPIE -c "$c" -o "${c%.c}.o" || exit 1
	done
}

complaints() {
	"rule_$1" "$tmp/x" "$tmp/x" "$tmp/x/layers" 2>&1
}

# refuses RULE TEXT WANTED - Its complaint about the example must match WANTED
refuses() {
	compile
	got=$(complaints "$1")
	if [ "$(echo "$got" | grep -c .)" = 1 ] && echo "$got" | grep -q "$3"
	then
		report "refuses $2" ""
	else
		report "refuses $2" "complaints: ${got:-none}"
	fi
	fresh
}

fresh
compile
for r in objects listed floors writable functions files spdx; do
	report "rule '$r' accepts a good example" "$(complaints $r)"
done
fresh

sed -i 's/int low(void),/& top(void),/; s/return low()/& + top()/' \
	"$tmp/x/mid1.c"
refuses floors "a call upward" '^mid1 (floor 1) uses top of top (2)'

sed -i 's/int low(void),/& mid1(void),/; s/return low()/& + mid1()/' \
	"$tmp/x/mid2.c"
refuses floors "a call sideways" '^mid2 (floor 1) uses mid1 of mid1 (1)'

sed -i 's/int util(void);/int util(void), log_it(void);/; s/1;/log_it();/' \
	"$tmp/x/util.c"
refuses floors "a call from util to log" '^util (floor 0) uses log_it'

sed -i 's/int util(void),/& low(void),/; s/return util()/& + low()/' \
	"$tmp/x/log.c"
refuses floors "a call from log to its floor" '^log (floor 0) uses low'

sed -i 's/return low()/extern const int number; & + number/' "$tmp/x/mid2.c"
refuses floors "a use of data sideways" '^mid2 (floor 1) uses number of mid1'

sed -i 's/mid2//' "$tmp/x/layers"
refuses listed "a source without a floor" 'mid2.c is listed 0 times'

echo '2 mid2' >>"$tmp/x/layers"
refuses listed "a source on two floors" 'mid2.c is listed 2 times'

for v in 'int v;' 'int v = 1;' 'int v __attribute__((common));' \
	 'int *v[2] = { 0 };' 'const char *v = "x";' \
	 'int v __attribute__((weak)) = 1;'; do
	echo "extern $v" | sed 's/ = .*\| __.*/;/' >>"$tmp/x/top.c"
	echo "$v" >>"$tmp/x/top.c"
	refuses writable "$v" 'external writable symbol: v$'
done

for i in $(seq 78); do
	echo '	x += 1;'
done >"$tmp/lines"
{ echo 'int x(int x)'; echo '{'; cat "$tmp/lines"; echo '}'; } \
	>>"$tmp/x/top.c"
report "accepts a function of 80 lines" "$(complaints functions)"
sed -i '/^	x += 1;/{p;:a;n;ba}' "$tmp/x/top.c"
sed -i 's/^int x(int x)/int x(int x);\n&/; $s/}/	return x;\n}/' \
	"$tmp/x/top.c"
refuses functions "a function of 82 lines" 'function of 82 lines'

printf 'int y(void);\nint y(void) {\n	return 0;\n}\n' >>"$tmp/x/top.c"
refuses functions "a brace in the wrong place" 'brace of a function'

for i in $(seq $MAX_FILE); do
	echo "/* $i */"
done >>"$tmp/x/top.c"
refuses files "a long file" 'top.c has 9[0-9]* lines'

sed -i 1d "$tmp/x/top.c"
refuses spdx "a file without a license" '^top.c has no SPDX line'

compile
rm "$tmp/x/top.o"
report "refuses a missing object" \
	"$([ -n "$(complaints objects)" ] || echo "no complaint")"
compile
rm "$tmp/x/top.c"
report "refuses an object without source" \
	"$([ -n "$(complaints objects)" ] || echo "no complaint")"

echo "1..$n"
exit $failed
