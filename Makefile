# SPDX-License-Identifier: GPL-2.0-or-later
#
# make			./passt and its link ./pasta, ./qrap
# make check		all tests (DEBUG=1: of the sanitized build)
# make check-long	TCP with full amounts: long paths, 50,000 connections each
#			way, 9 GiB streams; floods of 200,000; a quarter of an hour
# make DEBUG=1		the same with sanitizers, in build/debug/
# make static		./passt.static, one file without a loader
# make fuzz		the targets in test/fuzz under libFuzzer, each for
#			FUZZ_TIME (60) seconds; needs clang. FUZZ="hdr frag"
#			chooses. make fuzz-merge keeps what was new in the tree
# make coverage		lines that unit tests and replays reach; needs gcc
# make soak		10 GiB each way over loopback, while signals interrupt, and
#			SOAK_TIME seconds (half an hour) of all kinds of traffic
#			while everything around it changes
# make bench		throughput and latency; BENCH="--impl this=./pasta --impl
#			that=PATH" compares with others
# make docs		the manual as text and HTML, in build/; needs mandoc
# make install		PREFIX, DESTDIR and the usual directory variables
#
# One object per source. The normal objects lie beside the sources, those of
# other variants in a directory of their own. Changed flags rebuild all, a
# changed version rebuilds conf.c only. V=1 shows the commands.

PREFIX		?= /usr/local
prefix		?= $(PREFIX)
exec_prefix	?= $(prefix)
bindir		?= $(exec_prefix)/bin
datarootdir	?= $(prefix)/share
mandir		?= $(datarootdir)/man
man1dir		?= $(mandir)/man1
INSTALL		?= install

ifeq ($(origin CC),default)
CC		:= cc
endif
TARGET		:= $(shell $(CC) -dumpmachine)
VERSION		:= $(shell git describe --always --dirty 2>/dev/null || \
			   echo unknown)

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wcast-qual -Wvla -Wformat=2 -Wimplicit-fallthrough

# Only what the compiler knows without a warning
ccopt = $(shell $(CC) -Werror $(1) -c -x c /dev/null -o /dev/null \
		>/dev/null 2>&1 && echo $(1))

ifeq ($(FUZZER),1)
# For "make fuzz", which sets this and CC
OUT	:= build/fuzz/obj/
BIN	:= $(OUT)passt
LINK	:= $(OUT)pasta
QRAP	:= $(OUT)qrap
HARDEN	:= -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=undefined \
	   -fsanitize=fuzzer-no-link,address,undefined
LDHARDEN := -pthread -fsanitize=fuzzer,address,undefined
else ifeq ($(COVERAGE),1)
# For "make coverage"
OUT	:= build/coverage/
BIN	:= $(OUT)passt
LINK	:= $(OUT)pasta
QRAP	:= $(OUT)qrap
HARDEN	:= -O0 -g --coverage -fprofile-update=atomic
LDHARDEN := -pthread --coverage
else ifeq ($(DEBUG),1)
OUT	:= build/debug/
BIN	:= $(OUT)passt
LINK	:= $(OUT)pasta
QRAP	:= $(OUT)qrap
HARDEN	:= -O1 -g -fsanitize=address,undefined -fno-omit-frame-pointer \
	   -fno-sanitize-recover=undefined -fPIE
LDHARDEN := -pthread -fsanitize=address,undefined -pie
else
OUT	:=
BIN	:= passt
LINK	:= pasta
QRAP	:= qrap
HARDEN	:= -O2 -g -fPIE -fstack-protector-strong -U_FORTIFY_SOURCE \
	   -D_FORTIFY_SOURCE=2 $(call ccopt,-fstack-clash-protection)
LDHARDEN := -pthread -Wl,-z,relro,-z,now
PIE	:= -pie
endif

# CFLAGS and LDFLAGS are the user's, and come last
override ALL_CFLAGS := -std=c11 -D_GNU_SOURCE $(WARN) $(HARDEN) $(CPPFLAGS) \
		       $(CFLAGS)
override ALL_LDFLAGS := $(LDHARDEN) $(LDFLAGS)

SRCS	:= $(sort $(wildcard *.c))
OBJS	:= $(SRCS:%.c=$(OUT)%.o)
# Two programs: what is in common comes from the library
MAINS	:= $(OUT)passt.o $(OUT)qrap.o
DAEMON	:= $(filter-out $(OUT)qrap%,$(OBJS))
BLD	:= $(if $(OUT),$(OUT),build/)
LIB	:= $(BLD)libpasst.a

UNITS	:= $(sort $(basename $(notdir $(wildcard test/unit/*.c))))
UNITBIN	:= $(UNITS:%=$(BLD)unit/%)

# test/fuzz/*.c: a target each, but for the main() they share
FUZZERS	:= $(filter-out replay,$(sort $(basename \
	   $(notdir $(wildcard test/fuzz/*.c)))))
REPLAYS	:= $(FUZZERS:%=$(BLD)replay/%)

# test/*.c: fakes and helpers of unit tests, taken where they are referred to
SUPPORT	:= $(patsubst test/%.c,$(BLD)test/%.o,$(wildcard test/*.c))
SUPLIB	:= $(if $(SUPPORT),$(BLD)libtest.a)
E2E	:= $(sort $(wildcard test/e2e/*.t))

Q	:= $(if $(V),,@)
say	= $(if $(V),,@printf '  %-7s %s\n' $(1) '$(2)')

all: $(BIN) $(LINK) $(QRAP)

$(BIN): $(DAEMON)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(PIE) $(ALL_LDFLAGS) -o $@ $(DAEMON) $(LDLIBS)

$(LINK): $(BIN)
	$(Q)ln -sf passt $@

$(QRAP): $(OUT)qrap.o $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(PIE) $(ALL_LDFLAGS) -o $@ $^ $(LDLIBS)

static: passt.static

passt.static: $(DAEMON)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -static-pie $(ALL_LDFLAGS) -o $@ $(DAEMON) \
		$(LDLIBS)

# Files that change only if the text in them does
define stamp
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(1))' | cmp -s - $@ || \
		printf '%s\n' '$(subst ','\'',$(1))' >$@
endef

$(BLD)flags: FORCE
	$(call stamp,$(CC) $(TARGET) $(ALL_CFLAGS) $(ALL_LDFLAGS))

$(BLD)version: FORCE
	$(call stamp,$(VERSION))

$(OUT)conf.o: $(BLD)version
$(OUT)conf.o: private override ALL_CFLAGS += -DVERSION='"$(VERSION)"'

# The names of system calls, as the compiler's headers know them
$(BLD)gen/syscall_names.h: $(BLD)flags
	@mkdir -p $(@D)
	$(Q)echo '#include <sys/syscall.h>' | $(CC) $(CPPFLAGS) $(CFLAGS) \
		-dM -E -x c - | LC_ALL=C sort | \
		sed -n 's/^#define __NR_\([a-z0-9_]*\) .*/{ "\1", __NR_\1 },/p' \
		>$@

$(OUT)isolation.o: $(BLD)gen/syscall_names.h
$(OUT)isolation.o: private override ALL_CFLAGS += -I$(BLD)gen

$(OUT)%.o: %.c $(BLD)flags
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BLD)test/%.o: test/%.c $(BLD)flags
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -I. -Itest -Itest/unit -MMD -MP -c -o $@ $<

$(LIB): $(filter-out $(MAINS),$(OBJS))
	$(call say,AR,$@)
	$(Q)rm -f $@
	$(Q)$(AR) rc $@ $^

$(BLD)libtest.a: $(SUPPORT)
	$(call say,AR,$@)
	$(Q)rm -f $@
	$(Q)$(AR) rc $@ $^

# A unit test may ask for linker flags in a line " * link: -Wl,--wrap=send"
$(BLD)unit/%: $(BLD)test/unit/%.o $(SUPLIB) $(LIB)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(PIE) $(ALL_LDFLAGS) \
		$$(sed -n 's/^ \* link: //p' test/unit/$*.c) -o $@ $< \
		$(SUPLIB) $(LIB) $(LDLIBS)

units: $(UNITBIN)

# The same files as the fuzzers of "make fuzz", without libFuzzer
$(BLD)replay/%: $(BLD)test/fuzz/%.o $(BLD)test/fuzz/replay.o $(SUPLIB) $(LIB)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(PIE) $(ALL_LDFLAGS) \
		$$(sed -n 's/^ \* link: //p' test/fuzz/$*.c) -o $@ $< \
		$(BLD)test/fuzz/replay.o $(SUPLIB) $(LIB) $(LDLIBS)

replays: $(REPLAYS)

# Under "make fuzz": with its main()
build/fuzz/%: $(BLD)test/fuzz/%.o $(SUPLIB) $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) \
		$$(sed -n 's/^ \* link: //p' test/fuzz/$*.c) -o $@ $< \
		$(SUPLIB) $(LIB) $(LDLIBS)

# Which lines of each source the unit tests and replays reach. Not those of
# test/e2e: the daemon, without rights and files, could not write them down
coverage:
	$(Q)$(MAKE) --no-print-directory COVERAGE=1 CC=gcc units replays
	$(Q)find build/coverage -name '*.gcda' -delete
	$(Q)for t in $(UNITS:%=unit/%) $(FUZZERS:%=replay/%); do \
		timeout 300 build/coverage/$$t >build/coverage/$$t.tap 2>&1 || \
			echo "$$t failed"; \
	done
	$(Q)cd build/coverage && gcov -r -n $(SRCS:.c=.gcda) 2>/dev/null | sed -n \
		"/^File/{N;s/^File '\(.*\)'\nLines executed:\(.*\)% of \(.*\)/\2 \3 \1/p}" | \
		grep '\.c$$' | sort -n | \
		awk '{ printf "%7.2f %% of %4i lines  %s\n", $$1, $$2, $$3 }'

FUZZ		?= $(FUZZERS)
FUZZ_TIME	?= 60
FUZZ_CC		?= clang
FUZZ_OPTS	?= -timeout=10 -rss_limit_mb=2048

fuzz-build:
	@sh test/install-deps.sh fuzz
	$(Q)$(MAKE) --no-print-directory FUZZER=1 CC='$(FUZZ_CC)' \
		$(FUZZ:%=build/fuzz/%)

# What is new goes to build/fuzz/new/NAME, what ends it to build/fuzz/NAME-*
fuzz: fuzz-build
	$(Q)for f in $(FUZZ); do \
		mkdir -p build/fuzz/new/$$f test/fuzz/corpus/$$f; \
		echo "$$f, $(FUZZ_TIME) seconds:"; \
		nice -n 19 build/fuzz/$$f $(FUZZ_OPTS) \
			-max_total_time=$(FUZZ_TIME) -print_final_stats=1 \
			-artifact_prefix=build/fuzz/$$f- \
			build/fuzz/new/$$f test/fuzz/corpus/$$f \
			>build/fuzz/$$f.log 2>&1 || \
			{ tail -40 build/fuzz/$$f.log; exit 1; }; \
		grep -e '^stat::number_of\|^stat::average' \
			build/fuzz/$$f.log; \
	done

# Few inputs that reach each edge that all there are reach; those that once
# found something, was-*, stay
fuzz-merge: fuzz-build
	$(Q)for f in $(FUZZ); do \
		rm -rf build/fuzz/merged; \
		mkdir -p build/fuzz/merged build/fuzz/new/$$f; \
		build/fuzz/$$f -set_cover_merge=1 -use_counters=0 $(FUZZ_OPTS) \
			build/fuzz/merged test/fuzz/corpus/$$f \
			build/fuzz/new/$$f >build/fuzz/$$f.merge 2>&1 || \
			{ tail -20 build/fuzz/$$f.merge; exit 1; }; \
		cp test/fuzz/corpus/$$f/was-* build/fuzz/merged 2>/dev/null; \
		rm -rf test/fuzz/corpus/$$f build/fuzz/new/$$f; \
		mv build/fuzz/merged test/fuzz/corpus/$$f; \
		echo "$$f: $$(ls test/fuzz/corpus/$$f | wc -l) files," \
			"$$(cat test/fuzz/corpus/$$f/* | wc -c) bytes"; \
	done

# Two more than processors: many tests mostly wait
TEST_JOBS	?= $(shell echo $$(($$(nproc) + 2)))
TEST_TIMEOUT	?= 300
SHORTER		:= $(if $(DEBUG),E2E_BYTES=$$((64 << 20)) E2E_CONNS=3000 \
		     E2E_LOOKUPS=4000 E2E_SOURCES=1000)

deps:
	@sh test/install-deps.sh

check: deps all units replays
	PASTA='$(CURDIR)/$(LINK)' PASST='$(CURDIR)/$(BIN)' \
	QRAP='$(CURDIR)/$(QRAP)' \
	OBJDIR='$(CURDIR)/$(OUT)' CC='$(CC)' DEBUG='$(DEBUG)' $(SHORTER) \
	ASAN_OPTIONS="$${ASAN_OPTIONS:-detect_leaks=0}" \
	UBSAN_OPTIONS="$${UBSAN_OPTIONS:-print_stacktrace=1}" \
	prove -j $(TEST_JOBS) --timer \
		--exec 'timeout -k 5 $(TEST_TIMEOUT)' \
		test/layers.sh $(UNITBIN) $(REPLAYS) $(E2E)

check-long: deps all
	PASTA='$(CURDIR)/$(LINK)' PASST='$(CURDIR)/$(BIN)' CC='$(CC)' \
	E2E_LONG=1 E2E_BYTES=$$((9 << 30)) \
	ASAN_OPTIONS="$${ASAN_OPTIONS:-detect_leaks=0}" \
	prove -v --exec 'timeout -k 5 1800' test/e2e/tcp_loss.t \
		test/e2e/tcp_cycles.t test/e2e/tcp.t test/e2e/flood.t

# Only the fast part, without namespaces
check-unit: units replays all
	OBJDIR='$(CURDIR)/$(OUT)' CC='$(CC)' \
	ASAN_OPTIONS="$${ASAN_OPTIONS:-detect_leaks=0}" \
	prove -j $(TEST_JOBS) --exec 'timeout -k 5 $(TEST_TIMEOUT)' \
		test/layers.sh $(UNITBIN) $(REPLAYS)

# What takes a machine without other work, or minutes
soak: all
	E2E_SOAK=1 PASTA='$(CURDIR)/$(LINK)' PASST='$(CURDIR)/$(BIN)' \
	prove -v test/e2e/splice_load.t
	SOAK_TIME=$${SOAK_TIME:-1800} PASTA='$(CURDIR)/$(LINK)' \
	PASST='$(CURDIR)/$(BIN)' CC='$(CC)' prove -v test/e2e/soak.t

bench: all
	python3 test/bench.py $(BENCH)

# The backspaces are how a terminal is told of bold and underlined letters
docs: build/passt.txt build/passt.html

build/passt.txt: passt.1
	$(call say,MAN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)mandoc -T ascii $< >$@.new
	$(Q)LC_ALL=C sed "s/.$$(printf '\b')//g" $@.new >$@
	$(Q)rm $@.new

build/passt.html: passt.1
	$(call say,MAN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)mandoc -T html -O toc $< >$@

# One binary chooses its instructions at start; the .avx2 names exist because
# scripts and packages of this program's family know them
AVX2	:= $(if $(filter x86_64%,$(TARGET)),passt.avx2 pasta.avx2)

install: all
	$(INSTALL) -d '$(DESTDIR)$(bindir)'
	$(INSTALL) -m 755 $(BIN) '$(DESTDIR)$(bindir)/passt'
	for l in pasta $(AVX2); do \
		ln -sf passt '$(DESTDIR)$(bindir)'/$$l || exit 1; \
	done
	$(INSTALL) -m 755 $(QRAP) '$(DESTDIR)$(bindir)/qrap'
	$(INSTALL) -d '$(DESTDIR)$(man1dir)'
	$(INSTALL) -m 644 passt.1 '$(DESTDIR)$(man1dir)/passt.1'
	ln -sf passt.1 '$(DESTDIR)$(man1dir)/pasta.1'
	$(INSTALL) -m 644 qrap.1 '$(DESTDIR)$(man1dir)/qrap.1'

uninstall:
	for f in passt pasta $(AVX2) qrap; do \
		rm -f '$(DESTDIR)$(bindir)'/$$f; \
	done
	for f in passt pasta qrap; do \
		rm -f '$(DESTDIR)$(man1dir)'/$$f.1; \
	done

clean:
	rm -rf build *.o *.d passt pasta qrap passt.static

.PHONY: all static units deps check check-long check-unit soak bench docs
.PHONY: coverage install uninstall clean replays fuzz fuzz-build fuzz-merge FORCE
.SECONDARY:
.DELETE_ON_ERROR:

-include $(OBJS:.o=.d) $(SUPPORT:.o=.d) $(UNITS:%=$(BLD)test/unit/%.d)
-include $(FUZZERS:%=$(BLD)test/fuzz/%.d) $(BLD)test/fuzz/replay.d
