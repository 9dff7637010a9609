# SPDX-License-Identifier: Apache-2.0
# One non-recursive makefile. `make help` lists the targets; CONTRIBUTING.md explains the variants.

V ?= 0
VARIANT ?= release
WERROR ?= 1
ROOMS := base io contracts kube store client apiserver keys controllers scheduler node host runtime shim network procview proxy \
	mesh serving eventing identity secrets supervisor cli

# -- what each variant is ---------------------------------------------------------------------------------------------
CC_release := gcc
CC_debug := gcc
CC_asan := gcc
CC_tsan := gcc
CC_cov := gcc
CC_fuzz := clang-14
CC := $(CC_$(VARIANT))
ifeq ($(CC),)
$(error unknown VARIANT '$(VARIANT)': one of release debug asan tsan cov fuzz)
endif

WARN := -Wall -Wextra -Wconversion -Wsign-conversion -Wshadow -Wcast-qual -Wcast-align -Wpointer-arith -Wwrite-strings \
	-Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wformat=2 -Wvla -Walloca -Wundef -Wnull-dereference \
	-Wdouble-promotion -Wimplicit-fallthrough -Wswitch-enum -Wdate-time
WARN_gcc := -Wlogical-op -Wduplicated-cond -Wduplicated-branches -Wformat-signedness -Warith-conversion \
	-Wuse-after-free=3 -Wbidi-chars=any -Wstack-usage=16384
WARN_clang-14 := -Wthread-safety -Wcomma -Wmissing-variable-declarations -Wunreachable-code-aggressive \
	-Wno-gnu-zero-variadic-macro-arguments
ifeq ($(WERROR),1)
WARN += -Werror
endif

CODEGEN := -std=gnu17 -D_GNU_SOURCE -ffp-contract=off -fno-common -fvisibility=hidden -fno-strict-aliasing -ffunction-sections -fdata-sections
HARDEN := -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection -fcf-protection=full \
	-ftrivial-auto-var-init=zero -fPIE
OPT_release := -O2 -g $(HARDEN)
OPT_debug := -O0 -g3 -DSP_DEBUG
OPT_asan := -O1 -g -DSP_DEBUG -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
OPT_tsan := -O1 -g -DSP_DEBUG -fsanitize=thread
OPT_cov := -O0 -g --coverage -fprofile-update=atomic
OPT_fuzz := -O1 -g -DSP_DEBUG -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
# gcc's flow analysis sees through sanitizer instrumentation badly; these are judged in the other variants.
WARN_asan := -Wno-null-dereference -Wno-stack-usage -Wno-maybe-uninitialized
WARN_debug := -Wno-stack-usage
WARN_cov := -Wno-stack-usage
WARN_tsan := -Wno-null-dereference -Wno-stack-usage

LD_release := -pie -Wl,-z,relro,-z,now -Wl,-z,noexecstack -Wl,-z,separate-code -Wl,--gc-sections -Wl,--as-needed
LD_debug := -Wl,--as-needed
LD_asan := -fsanitize=address,undefined -Wl,--as-needed
LD_tsan := -fsanitize=thread -Wl,--as-needed
LD_cov := --coverage -Wl,--as-needed
LD_fuzz := -fsanitize=address,undefined -Wl,--as-needed

# Tests repeat themselves and use stack freely; what matters for shipped code is judged there.
WARN_test := -Wno-stack-usage -Wno-null-dereference -Wno-duplicated-branches

INCLUDE = -Isrc -I$(B)/gen
CFLAGS_ALL := $(CODEGEN) $(OPT_$(VARIANT)) $(WARN) $(WARN_$(CC)) $(WARN_$(VARIANT)) $(CFLAGS)
LDFLAGS_ALL := $(LD_$(VARIANT)) $(LDFLAGS)
# The main executable links these and nothing else (ARCHITECTURE.md, "Dependencies"); test/e2e checks it.
LIBS := -luv -lssl -lcrypto -lnghttp2 -lllhttp -lwslay -llmdb -lyyjson -lz -lm
# Helpers have programs of their own; tests link what any of them does.
UNPACK_LIBS := -lcrypto -lz -lzstd
TEST_LIBS := $(LIBS) -lzstd

# -- files ------------------------------------------------------------------------------------------------------------
B := build/$(VARIANT)
SCHEMAS := $(sort $(wildcard schema/*.sch))
SCHEMAC_SRC := $(sort $(wildcard tools/schemac/*.c))
GEN_C := $(if $(SCHEMAS),$(B)/gen/kube_tables.c)
UNPACK_MAIN := $(wildcard src/runtime/unpack/main.c)
LIB_SRC := $(filter-out $(UNPACK_MAIN) src/shim/main.c,$(sort $(foreach r,$(ROOMS),$(wildcard src/$(r)/*.c src/$(r)/*/*.c src/$(r)/*/*/*.c))))
LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o) $(GEN_C:$(B)/gen/%.c=$(B)/gen/%.o)
TEST_LIB_SRC := $(sort $(wildcard test/lib/*.c))
TEST_LIB_OBJ := $(TEST_LIB_SRC:%.c=$(B)/%.o)
# The runner has main(), some helpers need the runner; fuzz targets and benchmarks have their own main().
TEST_HELPER_OBJ := $(filter-out $(patsubst %,$(B)/test/lib/%.o,t t_data peer store_help disk api_host api_ask client_host ctl_host node_text fake_cri fake_files fake_kubelet node_rig),$(TEST_LIB_OBJ))
SUITES := $(foreach s,unit prop sim,$(if $(wildcard test/$(s)/*.c),$(s)))
FUZZ := $(patsubst test/fuzz/fuzz_%.c,%,$(sort $(wildcard test/fuzz/fuzz_*.c)))
BENCH := $(patsubst test/bench/bench_%.c,%,$(sort $(wildcard test/bench/bench_*.c)))
HAVE_MAIN := $(wildcard src/main.c)
HAVE_SHIM := $(wildcard src/shim/main.c)

Q := $(if $(filter 0,$(V)),@)
say = $(if $(filter 0,$(V)),@printf '  %-6s %s\n' $(1) $(2))

.PHONY: all
all: $(if $(HAVE_MAIN),$(B)/sampan) $(B)/sampan-sample $(if $(UNPACK_MAIN),$(B)/sampan-unpack) $(if $(HAVE_SHIM),$(B)/containerd-shim-sampan-v1) $(B)/libsampan.a compile_commands.json

# A change of flags rebuilds: the stamp's content is the command line.
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(CC) $(CFLAGS_ALL)' | cmp -s - $@ || printf '%s\n' '$(CC) $(CFLAGS_ALL)' >$@
FORCE:

# gcc runs several passes over generated tables for nothing: they are data.
$(B)/src/%.o: src/%.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS_ALL) $(INCLUDE) $(if $(filter src/io/% src/shim/loop.c,$<),-DSP_ALLOW_SYSCALLS) -include base/banned.h -MMD -MP -c -o $@ $<

$(B)/test/%.o: test/%.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS_ALL) $(if $(filter gcc,$(CC)),$(WARN_test)) $(INCLUDE) -Itest -MMD -MP -c -o $@ $<

# Loops over all nodes, for the vectoriser.
$(B)/src/scheduler/kernels.o: CFLAGS_ALL += $(if $(filter release,$(VARIANT)),-O3)

$(B)/gen/%.o: $(B)/gen/%.c $(B)/flags
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS_ALL) $(INCLUDE) -MMD -MP -c -o $@ $<

$(B)/libsampan.a: $(LIB_OBJ)
	$(call say,AR,$@)
	@rm -f $@
	$(Q)ar rcs $@ $^

$(B)/sampan: $(B)/src/main.o $(B)/libsampan.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

# Goes into an image of its own (cli/up.c): needs no file beside it, so neither libraries nor the variant's instruments.
$(B)/sampan-sample: src/sample/main.c
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)gcc -std=gnu17 -Os -static -s $(WARN) -o $@ $<

$(B)/sampan-unpack: $(UNPACK_MAIN:%.c=$(B)/%.o) $(B)/libsampan.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(UNPACK_LIBS)

# The shim is paid for once per pod: it links the C library alone (tools/needed).
$(B)/containerd-shim-sampan-v1: $(B)/src/shim/main.o $(B)/libsampan.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^

# -- generated tables -------------------------------------------------------------------------------------------------
build/host/schemac: $(SCHEMAC_SRC) $(wildcard tools/schemac/*.h)
	@mkdir -p $(@D)
	$(call say,HOSTCC,$@)
	$(Q)gcc $(CODEGEN) -O1 -g $(filter-out -Wstack-usage=16384,$(WARN)) -Isrc -o $@ $(SCHEMAC_SRC)

$(B)/gen/kube_tables.c: build/host/schemac $(SCHEMAS)
	@mkdir -p $(@D)
	$(call say,SCHEMA,$@)
	$(Q)build/host/schemac -o $@ $(SCHEMAS)

UCD := /usr/share/unicode
$(B)/gen/unicode_tables.h: tools/unicode-tables
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)tools/unicode-tables $(UCD) >$@.tmp && mv $@.tmp $@
ifneq ($(wildcard tools/unicode-tables),)
$(filter $(B)/src/kube/regex/%,$(LIB_OBJ)): $(B)/gen/unicode_tables.h
endif

# -- tests ------------------------------------------------------------------------------------------------------------
define suite_rule
$(B)/test-$(1): $$(patsubst %.c,$(B)/%.o,$$(sort $$(wildcard test/$(1)/*.c))) $(TEST_LIB_OBJ) $(B)/libsampan.a
	$$(call say,LD,$$@)
	$$(Q)$$(CC) $$(LDFLAGS_ALL) -o $$@ $$^ $$(TEST_LIBS)
.PHONY: $(1)
$(1): $(B)/test-$(1)
	@$(B)/test-$(1) $$(ARGS)
endef
$(foreach s,unit prop sim,$(eval $(call suite_rule,$(s))))

FUZZ_LINK := $(if $(filter fuzz,$(VARIANT)),-fsanitize=fuzzer)
$(B)/fuzz-%: $(B)/test/fuzz/fuzz_%.o $(TEST_HELPER_OBJ) $(B)/libsampan.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) $(FUZZ_LINK) -o $@ $^ $(TEST_LIBS)

$(B)/bench-%: $(B)/test/bench/bench_%.o $(TEST_HELPER_OBJ) $(B)/libsampan.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(TEST_LIBS)

.PHONY: tests fuzz-build bench-build
tests: $(foreach s,$(SUITES),$(B)/test-$(s))
fuzz-build: $(foreach f,$(FUZZ),$(B)/fuzz-$(f))
bench-build: $(foreach f,$(BENCH),$(B)/bench-$(f))

.PHONY: up check deps layers format format-check tidy e2e interop bench fuzz cov clean help
deps:
	@tools/deps
# The first five minutes: everything that is missing, then a cluster with a sample in it.
up: deps
	@$(MAKE) -s -j$$(nproc) VARIANT=release all
	@build/release/sampan up
check:
	@tools/check
layers:
	@tools/layers
fuzz:
	@tools/fuzz $(if $(SECONDS_ALL),$(SECONDS_ALL),120) $(ARGS)
e2e: all
	@test/e2e/run
interop: all
	@test/interop/run $(ARGS)
bench:
	@tools/bench
# A static pattern: an open one would also catch $(B)/bench-AREA, whose object is made by a chain of rules.
$(addprefix bench-,$(BENCH) $(patsubst test/bench/bench_%.py,%,$(wildcard test/bench/bench_*.py))): bench-%:
	@tools/bench $*
FORMATTED := $(shell git ls-files -co --exclude-standard '*.c' '*.h' 2>/dev/null)
format:
	@clang-format-14 -i $(FORMATTED)
format-check:
	@clang-format-14 --dry-run --Werror $(FORMATTED)
tidy: compile_commands.json
	@tools/tidy $(ARGS)
cov:
	@tools/cov
# Of the release variant, whatever was built. DESTDIR for packages.
PREFIX ?= /usr/local
INSTALLED := sampan sampan-sample sampan-unpack containerd-shim-sampan-v1
.PHONY: install
install:
	@$(MAKE) -s VARIANT=release all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)$(PREFIX)/lib/sysusers.d \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions
	install -s -m 755 $(INSTALLED:%=build/release/%) $(DESTDIR)$(PREFIX)/bin
	for unit in sampan sampan-agent; do sed 's|@BINDIR@|$(PREFIX)/bin|' packaging/$$unit.service \
		>$(DESTDIR)$(PREFIX)/lib/systemd/system/$$unit.service; done
	install -m 644 packaging/sampan.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/sampan.conf
	build/release/sampan completion bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/sampan
clean:
	rm -rf build compile_commands.json

help:
	@echo 'make            build build/release/sampan            make VARIANT=asan|debug|tsan|cov|fuzz  another variant'
	@echo 'make check      install what is missing, build, test  make deps      only install what is missing'
	@echo 'make unit       unit tests (ARGS="--filter buf")      make prop|sim  property tests, simulations'
	@echo 'make fuzz       all fuzz targets, SECONDS_ALL=120     make e2e       real binaries with real clients (root)'
	@echo 'make interop    peers that need other toolchains      make bench     figures; bench-AREA for one area'
	@echo 'make install    into $(PREFIX), or PREFIX= and DESTDIR=; programs, systemd units, completion'
	@echo 'make format     clang-format all files                make tidy      clang-tidy (ARGS=files)'
	@echo 'make layers     includes point downwards only         make cov       coverage report'

# One entry per source file, for clang-tidy and editors.
compile_commands.json: Makefile $(LIB_SRC)
	@{ echo '['; sep=; for f in $(LIB_SRC) $(UNPACK_MAIN) $(HAVE_MAIN) $(HAVE_SHIM); do \
		printf '%s{"directory":"%s","file":"%s","command":"clang-14 %s %s -include base/banned.h -DSP_ALLOW_SYSCALLS -c %s"}\n' \
		"$$sep" "$(CURDIR)" "$$f" '$(subst ",\",$(CODEGEN))' '-Isrc -Ibuild/debug/gen' "$$f"; sep=,; done; echo ']'; } >$@

-include $(LIB_OBJ:.o=.d) $(TEST_LIB_OBJ:.o=.d) $(patsubst %.c,$(B)/%.d,$(UNPACK_MAIN) $(wildcard test/unit/*.c test/prop/*.c test/sim/*.c test/fuzz/*.c test/bench/*.c src/main.c src/shim/main.c))
.SECONDARY:
