# SPDX-License-Identifier: GPL-2.0-or-later
#
# make			./passt and its link ./pasta, ./qrap
# make check		all tests (DEBUG=1: of the sanitized build)
# make check-long	TCP with full amounts: long paths, 50,000 connections each
#			way, 9 GiB streams; floods of 200,000; a quarter of an hour
# make check-engines	podman, buildah, rootlesskit and libvirt of Debian 13 with us, in
#			ENGINES (build/engines): unpacked there at first
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
# make install		PREFIX, DESTDIR and the usual directory variables.
#			SEPARATE=1: pasta is a file, not a link, as policies need
#			that know programs by their file
# make install-systemd	user units; not part of install
# make install-apparmor	profiles, for /usr/bin and SEPARATE=1; likewise
# make CC=musl-gcc check	the same with another C library
# make analyze		all of the static analysis; a quick part is in check
# make check-dist	packages, policies and units in contrib/
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
bashcompdir	?= $(datarootdir)/bash-completion/completions
zshcompdir	?= $(datarootdir)/zsh/site-functions
fishcompdir	?= $(datarootdir)/fish/vendor_completions.d
systemduserdir	?= $(prefix)/lib/systemd/user
apparmordir	?= /etc/apparmor.d
INSTALL		?= install

ifeq ($(origin CC),default)
CC		:= cc
endif
TARGET		:= $(shell $(CC) -dumpmachine)
VERSION		:= $(shell git describe --always --dirty 2>/dev/null || \
			   echo unknown)

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wcast-qual -Wvla -Wformat=2 -Wimplicit-fallthrough

# taken: its argument, if the compiler takes all of it without a warning
# known: the words of it that the compiler knows, mostly found with one question
taken	= $(shell $(CC) -Werror $(1) -c -x c /dev/null -o /dev/null \
		>/dev/null 2>&1 && echo '$(1)')
known	= $(or $(call taken,$(1)),\
	       $(strip $(foreach o,$(1),$(call taken,$(o)))))

# musl-gcc searches the directories of musl only, and Debian's has no headers of
# the kernel in them. Those of the other C library's neighbours are the same
UAPI_FROM ?= /usr/include
UAPI	:= $(shell printf '\043include <linux/if_tun.h>' | $(CC) -E -x c - \
	     >/dev/null 2>&1 || echo build/uapi)
ifneq ($(UAPI),)
$(shell mkdir -p $(UAPI) && cd $(UAPI) && ln -sfn $(UAPI_FROM)/linux \
	$(UAPI_FROM)/asm-generic $(firstword $(wildcard \
	$(UAPI_FROM)/$(TARGET)/asm $(UAPI_FROM)/asm)) . )
endif

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
# The C library says so where it, or the compiler, knows nothing above 2. It is
# not for us to say where the user does
FORTIFY	:= $(if $(findstring _FORTIFY_SOURCE,$(CPPFLAGS) $(CFLAGS)),,\
	   -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$(shell printf \
	   '\043include <stdio.h>' | $(CC) -O2 -Werror -U_FORTIFY_SOURCE \
	   -D_FORTIFY_SOURCE=3 -E -x c - >/dev/null 2>&1 && echo 3 || echo 2))
# clang before 16 wants to be told that we know of its doubts
ZEROED	:= -ftrivial-auto-var-init=zero
ZEROED	:= $(or $(call taken,$(ZEROED)),$(call taken,$(ZEROED) -enable-$(strip \
	   )trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang))
HARDEN	:= -O2 -g $(FORTIFY) $(ZEROED) $(call known,-fPIE -grecord-gcc-switches \
	   -fstack-protector-strong -fstack-clash-protection \
	   -fcf-protection=full -mbranch-protection=standard)
LDHARDEN := -pthread -Wl,-z,relro,-z,now,-z,noexecstack
PIE	:= -pie
endif

# CFLAGS and LDFLAGS are the user's, and come last
override ALL_CFLAGS := -std=c11 -D_GNU_SOURCE $(WARN) $(HARDEN) \
		       $(UAPI:%=-isystem %) $(CPPFLAGS) $(CFLAGS)
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

COMPLETIONS := $(addprefix $(BLD)completion/,passt.bash passt.zsh passt.fish)

all: $(BIN) $(LINK) $(QRAP) $(COMPLETIONS)

$(BIN): $(DAEMON)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(PIE) $(ALL_LDFLAGS) -o $@ $(DAEMON) $(LDLIBS)

$(LINK): $(BIN)
	$(Q)ln -sf passt $@

$(QRAP): $(OUT)qrap.o $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(PIE) $(ALL_LDFLAGS) -o $@ $^ $(LDLIBS)

# From the table of options, also if we could not run what we build
$(BLD)completion/passt.%: conf.c contrib/completion/generate.sh
	$(call say,GEN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)sh contrib/completion/generate.sh $* conf.c >$@

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

# What tests compile for themselves is not what is tested
TOOL_CC	:= $(if $(UAPI),cc,$(CC))

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
	OBJDIR='$(CURDIR)/$(OUT)' CC='$(TOOL_CC)' BUILD_CC='$(CC)' \
	DEBUG='$(DEBUG)' $(SHORTER) \
	ASAN_OPTIONS="$${ASAN_OPTIONS:-detect_leaks=0}" \
	UBSAN_OPTIONS="$${UBSAN_OPTIONS:-print_stacktrace=1}" \
	prove -j $(TEST_JOBS) --timer \
		--exec 'timeout -k 5 $(TEST_TIMEOUT)' \
		test/layers.sh test/analyze.sh $(UNITBIN) $(REPLAYS) $(E2E)

check-long: deps all
	PASTA='$(CURDIR)/$(LINK)' PASST='$(CURDIR)/$(BIN)' CC='$(TOOL_CC)' \
	E2E_LONG=1 E2E_BYTES=$$((9 << 30)) \
	ASAN_OPTIONS="$${ASAN_OPTIONS:-detect_leaks=0}" \
	prove -v --exec 'timeout -k 5 1800' test/e2e/tcp_loss.t \
		test/e2e/tcp_cycles.t test/e2e/tcp.t test/e2e/flood.t

ENGINES		?= $(CURDIR)/build/engines

check-engines: all
	@sh test/install-deps.sh check engines
	ENGINES='$(ENGINES)' PASTA='$(CURDIR)/$(LINK)' \
	prove -v --timer test/e2e/engines.t

# Only the fast part, without namespaces
check-unit: units replays all
	OBJDIR='$(CURDIR)/$(OUT)' CC='$(TOOL_CC)' \
	ASAN_OPTIONS="$${ASAN_OPTIONS:-detect_leaks=0}" \
	prove -j $(TEST_JOBS) --exec 'timeout -k 5 $(TEST_TIMEOUT)' \
		test/layers.sh $(UNITBIN) $(REPLAYS)

analyze:
	@sh test/install-deps.sh analyze
	prove -v --exec 'timeout -k 5 1800 sh' test/analyze.sh :: full

check-dist:
	@sh test/install-deps.sh dist
	DIST_FULL=1 prove -v --timer test/e2e/dist.t

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
LINKS	:= $(if $(SEPARATE),,pasta) $(AVX2)

install: all
	$(INSTALL) -d '$(DESTDIR)$(bindir)'
	$(INSTALL) -m 755 $(BIN) '$(DESTDIR)$(bindir)/passt'
	for l in $(LINKS); do \
		ln -sf passt '$(DESTDIR)$(bindir)'/$$l || exit 1; \
	done
	$(if $(SEPARATE),$(INSTALL) -m 755 $(BIN) '$(DESTDIR)$(bindir)/pasta')
	$(INSTALL) -m 755 $(QRAP) '$(DESTDIR)$(bindir)/qrap'
	$(INSTALL) -d '$(DESTDIR)$(man1dir)'
	$(INSTALL) -m 644 passt.1 '$(DESTDIR)$(man1dir)/passt.1'
	ln -sf passt.1 '$(DESTDIR)$(man1dir)/pasta.1'
	$(INSTALL) -m 644 qrap.1 '$(DESTDIR)$(man1dir)/qrap.1'
	$(INSTALL) -d '$(DESTDIR)$(bashcompdir)' '$(DESTDIR)$(zshcompdir)' \
		'$(DESTDIR)$(fishcompdir)'
	$(INSTALL) -m 644 $(BLD)completion/passt.bash \
		'$(DESTDIR)$(bashcompdir)/passt'
	ln -sf passt '$(DESTDIR)$(bashcompdir)/pasta'
	$(INSTALL) -m 644 $(BLD)completion/passt.zsh \
		'$(DESTDIR)$(zshcompdir)/_passt'
	$(INSTALL) -m 644 $(BLD)completion/passt.fish \
		'$(DESTDIR)$(fishcompdir)/passt.fish'
	ln -sf passt.fish '$(DESTDIR)$(fishcompdir)/pasta.fish'

install-systemd:
	$(INSTALL) -d '$(DESTDIR)$(systemduserdir)'
	sed 's|/usr/bin/|$(bindir)/|' contrib/systemd/passt@.service \
		>'$(DESTDIR)$(systemduserdir)/passt@.service'

install-apparmor:
	$(INSTALL) -d '$(DESTDIR)$(apparmordir)/abstractions'
	$(INSTALL) -m 644 contrib/apparmor/usr.bin.passt \
		contrib/apparmor/usr.bin.pasta '$(DESTDIR)$(apparmordir)'
	$(INSTALL) -m 644 contrib/apparmor/abstractions/passt \
		contrib/apparmor/abstractions/pasta \
		'$(DESTDIR)$(apparmordir)/abstractions'

uninstall:
	for f in passt pasta $(AVX2) qrap; do \
		rm -f '$(DESTDIR)$(bindir)'/$$f; \
	done
	for f in passt pasta qrap; do \
		rm -f '$(DESTDIR)$(man1dir)'/$$f.1; \
	done
	for f in '$(DESTDIR)$(bashcompdir)'/passt '$(DESTDIR)$(bashcompdir)'/pasta \
		'$(DESTDIR)$(zshcompdir)'/_passt \
		'$(DESTDIR)$(fishcompdir)'/passt.fish \
		'$(DESTDIR)$(fishcompdir)'/pasta.fish; do \
		rm -f "$$f"; \
	done

clean:
	rm -rf build *.o *.d passt pasta qrap passt.static

.PHONY: all static units deps check check-unit check-long check-dist check-engines
.PHONY: analyze
.PHONY: soak bench docs coverage replays fuzz fuzz-build fuzz-merge
.PHONY: install install-systemd install-apparmor uninstall clean FORCE
.SECONDARY:
.DELETE_ON_ERROR:

-include $(OBJS:.o=.d) $(SUPPORT:.o=.d) $(UNITS:%=$(BLD)test/unit/%.d)
-include $(FUZZERS:%=$(BLD)test/fuzz/%.d) $(BLD)test/fuzz/replay.d
