# SPDX-License-Identifier: BSD-2-Clause
# The one front door: "make help" lists what it does. Sources are found by folder, so a new file needs no
# line.

BUILD  ?= build
MUTANT ?=
# 0 leaves out the debug checks: read sections then cost nothing.
DEBUG  ?= 1
ifeq ($(origin CC),default)
CC := gcc
endif
HOST_CC ?= gcc
# Shared by all BUILD folders, since it is always built by HOST_CC with the same flags.
NEWLIB  ?= build/newlib
EFI_INCLUDE ?= /usr/include/efi
EFI_LIB     ?= /usr/lib

export BUILD CC

# All CPUs, unless -j says otherwise. A make that another one started shares that one's.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif
MAKEFLAGS += --no-builtin-rules --no-print-directory
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := help

# --- sources ---------------------------------------------------------------------------------------

sources = $(sort $(wildcard $(foreach folder,$(1),$(addprefix $(folder)/,*.c *.S */*.c */*.S))))

KERNEL_SOURCES := $(call sources,arch iommu lib tests/target)
LOADER_SOURCES := $(filter-out boot/image.S,$(wildcard boot/*.c boot/*.S)) lib/config.c
FIRMWARE_SOURCES := $(wildcard tests/firmware/*.c) boot/string.c
HOST_LIBRARY   := $(wildcard lib/*.c lib/pt/*.c iommu/*.c iommu/vtd/*.c)
HOST_TESTS     := $(wildcard tests/host/test_*.c)
MUTANTS        := tests/mutants/mutant.c
HOST_SUPPORT   := $(filter-out $(HOST_TESTS),$(wildcard tests/host/*.c)) $(MUTANTS)

TORTURE_SOURCES := $(wildcard tests/torture/*.c) tests/host/platform.c lib/event_queue.c lib/page_alloc.c \
                   lib/log.c \
                   $(filter-out lib/rcu_command.c,$(wildcard lib/rcu*.c))
TORTURE_MUTANTS := FREE_BEFORE_GRACE_PERIOD CALLBACK_BEFORE_GRACE_PERIOD NO_FENCE_AFTER_IDLE
TORTURE_BUILDS  := plain tsan $(TORTURE_MUTANTS)
TORTURES        := $(patsubst %,$(BUILD)/torture/%/rcu-torture,$(TORTURE_BUILDS))

# The model: what plays software is built so that each of its accesses is a step of the schedule (points.c).
MODEL_SOFTWARE := $(wildcard $(foreach part,bare wrong scenario,tests/model/$(part)_*.c))
MODEL_SOURCES  := $(filter-out $(MODEL_SOFTWARE),$(wildcard tests/model/*.c tests/model/*.S)) $(MUTANTS)

FUZZ_TARGETS  := dmar domains operations schedules
FUZZ_SUPPORT  := $(filter-out $(patsubst %,tests/fuzz/%.c,$(FUZZ_TARGETS) schedules_model), \
                 $(wildcard tests/fuzz/*.c)) $(patsubst %,tests/host/%.c,platform fake_vtd fake_vtd_walk tree)
FUZZ_PROGRAMS := $(patsubst %,$(BUILD)/fuzz/%,$(FUZZ_TARGETS))

# What a hypervisor of its own takes: iommu/ and lib/ without the console's files (docs/embedding.md), built
# by both compilers as it would. The example on top of it is also built as the host tests are, with
# sanitizers.
EMBED_LEFT_OUT  := %commands.c iommu/devices_print.c iommu/dump.c iommu/stats_print.c lib/rcu_command.c \
                   $(patsubst %,lib/%.c,config console json line_edit shell tap)
EMBED_COMPONENT := $(filter-out $(EMBED_LEFT_OUT),$(HOST_LIBRARY))
EMBED_EXAMPLE   := $(wildcard tests/embed/*.c)
EMBED_COMPILERS := gcc clang
EMBED_PROGRAMS  := $(patsubst %,$(BUILD)/embed/%/example,$(EMBED_COMPILERS) sanitized)

objects = $(patsubst %,$(BUILD)/$(1)/%.o,$(2))

KERNEL_OBJECTS       := $(call objects,kernel,$(KERNEL_SOURCES))
LOADER_OBJECTS       := $(call objects,loader,$(LOADER_SOURCES)) $(BUILD)/loader/image.o
FIRMWARE_OBJECTS     := $(call objects,loader,$(FIRMWARE_SOURCES))
HOST_LIBRARY_OBJECTS := $(call objects,host,$(HOST_LIBRARY) $(HOST_SUPPORT))
MODEL_OBJECTS        := $(call objects,model,$(MODEL_SOURCES)) \
                        $(call objects,model/software,$(MODEL_SOFTWARE))
MODEL_LIBRARY        := $(call objects,model/software,$(HOST_LIBRARY))
FUZZ_OBJECTS         := $(call objects,fuzz/objects,$(HOST_LIBRARY) $(FUZZ_SUPPORT))
HOST_PROGRAMS        := $(patsubst tests/host/%.c,$(BUILD)/host/%,$(HOST_TESTS))

# A program for people, so plainly built, of the hypervisor's own parser.
DMAR_TOOL_SOURCES := tools/lull-dmar.c iommu/vtd/dmar_table.c iommu/vtd/dmar_structure.c lib/json.c
DMAR_TOOL_OBJECTS := $(call objects,tools,$(DMAR_TOOL_SOURCES))

# --- flags -----------------------------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla \
            -Wpointer-arith -Wcast-align -Wwrite-strings -Werror
COMMON_FLAGS := -std=gnu11 -g -I. -mcx16 -MMD -MP $(WARNINGS) $(if $(filter 0,$(DEBUG)),,-DLULL_DEBUG) \
                $(if $(MUTANT),-DLULL_MUTANT=MUTANT_$(MUTANT))

# No header of the host's libc can slip in: only the compiler's own and newlib's.
compiler_include := $(shell $(CC) -print-file-name=include)
NEWLIB_FLAGS := -nostdinc -isystem lib/newlib/include -isystem $(NEWLIB)/include -isystem $(compiler_include)

KERNEL_FLAGS := $(COMMON_FLAGS) -O2 $(NEWLIB_FLAGS) -mcmodel=kernel -fno-pic -fno-pie -mno-red-zone \
                -mgeneral-regs-only -fno-omit-frame-pointer -fno-stack-protector \
                -fno-asynchronous-unwind-tables -fcf-protection=none -fno-strict-aliasing -fno-common
# For whole backtraces: a frame for every function, on its fast paths too, and none given up for a last call.
KERNEL_FLAGS += -fno-optimize-sibling-calls $(if $(findstring clang,$(CC)),,-fno-shrink-wrap)
KERNEL_LDFLAGS := -nostdlib -static --build-id=none -z noexecstack -z max-page-size=4096 \
                  --orphan-handling=error -T linker/lull.lds

LOADER_FLAGS := $(COMMON_FLAGS) -O2 $(NEWLIB_FLAGS) -isystem $(EFI_INCLUDE) -isystem $(EFI_INCLUDE)/x86_64 \
                -fpic -fshort-wchar -ffreestanding -mno-red-zone -mgeneral-regs-only -fno-stack-protector \
                -fno-asynchronous-unwind-tables -fcf-protection=none -DGNU_EFI_USE_MS_ABI
LOADER_LDFLAGS := -nostdlib -shared -Bsymbolic -znocombreloc -z noexecstack -L$(EFI_LIB) \
                  -T $(EFI_LIB)/elf_x86_64_efi.lds

# COVERAGE=1 counts lines, for `make coverage`. It asks which were run at all, so counts lost among threads
# are no matter; and what is counted seems uninitialized to gcc where it is not.
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all
# Tests choose which guard of what they test is left out.
MUTANT_FLAGS := -DLULL_MUTANT=lull_mutant
HOST_FLAGS := $(filter-out -DLULL_MUTANT=%,$(COMMON_FLAGS)) $(MUTANT_FLAGS) -O1 \
              -fno-omit-frame-pointer -pthread \
              $(if $(COVERAGE),--coverage -fprofile-update=single -Wno-maybe-uninitialized,$(SANITIZE))

EMBED_FLAGS := $(filter-out -DLULL_DEBUG -DLULL_MUTANT=%,$(COMMON_FLAGS)) -O2 -fno-stack-protector -pthread

# libFuzzer comes with clang.
FUZZ_CC    := clang
FUZZ_FLAGS := $(COMMON_FLAGS) -O1 $(SANITIZE) -fno-omit-frame-pointer -pthread

# As somebody builds them who takes RCU into a program. Loops begin on cache lines, since a loop of one cycle
# takes two where it does not.
BENCH_FLAGS := -std=gnu11 -g -I. -mcx16 -MMD -MP $(WARNINGS) -O2 -falign-functions=64 -falign-loops=64 \
               -pthread

# Without the debug checks, as somebody who embeds lib/ builds it; ThreadSanitizer's build has them. gcc warns
# that ThreadSanitizer knows no fences: no access here is ordered by one alone but the return from idle, which
# has a test of its own.
TORTURE_FLAGS := $(filter-out -DLULL_DEBUG -DLULL_MUTANT=%,$(COMMON_FLAGS)) -O2 -pthread
torture_flags_tsan := -fsanitize=thread -DLULL_DEBUG $(if $(findstring clang,$(HOST_CC)),,-Wno-tsan)
$(foreach mutant,$(TORTURE_MUTANTS),$(eval torture_flags_$(mutant) := -DLULL_MUTANT=MUTANT_$(mutant)))

TOOL_FLAGS := $(filter-out -DLULL_DEBUG -DLULL_MUTANT=%,$(COMMON_FLAGS)) -O2

MODEL_FLAGS := $(filter-out -DLULL_MUTANT=%,$(COMMON_FLAGS)) -O2 -fno-pie
MODEL_SOFTWARE_FLAGS := $(MODEL_FLAGS) $(MUTANT_FLAGS) -fsanitize=thread \
                        $(if $(findstring clang,$(HOST_CC)),,-Wno-tsan)
comma := ,
MODEL_LDFLAGS := -no-pie $(foreach f,pages_alloc pages_free malloc calloc realloc free,-Wl$(comma)--wrap=$(f))

# --- targets for people ----------------------------------------------------------------------------

.PHONY: help deps all run test qemu-ssads test-spin test-mutants check torture torture-builds fuzz \
        fuzz-builds coverage embed bench bench-builds bench-report image demo-image host model soak clean \
        FORCE

help:
	@echo 'make run         install what is missing, build, and show Lull on QEMU'
	@echo 'make test        install what is missing, build, and run every test'
	@echo 'make qemu-ssads  build the QEMU that some tests need: second-stage accessed and dirty bits'
	@echo 'make torture     RCU on threads, without and with ThreadSanitizer, for SECONDS=n each (30)'
	@echo 'make test-spin   the Spin models of RCU and pruning (tests/spin), whole and with each step left out'
	@echo 'make soak        the driver on the VT-d in software, with ever new seeds, for SECONDS=n (30)'
	@echo 'make fuzz        fuzzers of all kinds, for SECONDS=n in all (30); docs/testing.md'
	@echo 'make coverage    lines of iommu/ and lib/ that the host tests run'
	@echo 'make test-mutants  the driver with one guard left out, which a test must notice'
	@echo 'make check       format, includes, headers, warnings of both compilers, cppcheck, no vector registers'
	@echo 'make bench       PART=rcu: RCU against liburcu; pt, dirty: page tables and harvests against Linux'
	@echo 'make bench-report  the tables and plots of docs/bench.md; RESULT=bench.json stores a run first'
	@echo 'make embed       iommu/ and lib/ without the console, and the example of docs/embedding.md on top'
	@echo 'make all         build the hypervisor and its loader: $(BUILD)/lull.efi'
	@echo 'make image       a disk image for a USB stick: $(BUILD)/lull.img'
	@echo 'make demo-image  the same, which runs the demo on its own and powers off: $(BUILD)/demo.img'
	@echo 'make deps        say what would be installed, and install it through apt'
	@echo 'make clean       remove $(BUILD)'
	@echo
	@echo 'BUILD=folder (build), CC=gcc|clang, MUTANT=name (lib/mutant.h: breaks one guard on purpose),'
	@echo 'DEBUG=0 (without the debug checks)'

deps:
	@tools/deps

# What deps installs decides what the makefile finds, so the rest is a make of its own.
run: deps
	@$(MAKE) all
	@tests/harness/run

test: deps
	@$(MAKE) all image host model torture-builds fuzz-builds embed $(BUILD)/bench/pt-plain \
	    $(BUILD)/bench/dirty-plain
	@tests/qemu/ssads/build || echo 'Tests that need this QEMU are skipped.'
	@+tests/run

# Where it cannot be built, as without a network, that is an error here, and tests skip what needs it.
qemu-ssads:
	@tests/qemu/ssads/build

test-spin: deps
	@tests/spin/run

test-mutants: deps
	@$(MAKE) host model
	@tests/mutants/run

check: deps
	@$(MAKE) all
	@+tests/check/run

bench: deps
	@$(MAKE) bench-builds
	@[ '$(PART)' = rcu ] || tests/bench/linux $(PEERS) $(BUILD)/bench/linux
	@[ '$(PART)' = rcu ] || $(MAKE) bench-builds $$(for program in pt-lto pt-plain dirty-plain; do \
	    sed "s,.*,$(BUILD)/bench/$$program-&," $(BUILD)/bench/linux/variants; done)
	@PYTHONDONTWRITEBYTECODE=1 tests/bench/run $(PART)

# From docs/bench-dirty.txt, or from the result of a run that is to be stored there.
bench-report:
	@tools/deps gnuplot-nox
	@PYTHONDONTWRITEBYTECODE=1 tests/bench/report $(RESULT)

bench-builds: $(foreach part,rcu pt,$(BUILD)/bench/$(part)-lto $(BUILD)/bench/$(part)-plain) \
    $(BUILD)/bench/dirty-plain

all: $(BUILD)/lull.elf $(BUILD)/lull.efi $(BUILD)/firmware.efi $(BUILD)/esp/EFI/BOOT/BOOTX64.EFI \
     $(BUILD)/esp/lull/lull.cfg $(BUILD)/host/lull-dmar

host: $(HOST_PROGRAMS)

model: $(BUILD)/model/lull-model

embed: $(EMBED_PROGRAMS)

# What others have written to measure against, where it is there.
PEERS ?= ../shared/peers

SECONDS ?= 30
torture: torture-builds
	@tests/torture/run $(SECONDS)

torture-builds: $(TORTURES)

# Ever new seeds: the first is the time in nanoseconds, so that two soaks side by side have others.
soak: deps
	@$(MAKE) model
	@$(BUILD)/model/lull-model --seconds $(SECONDS) --from $$(date +%s%N)

fuzz: deps
	@$(MAKE) fuzz-builds
	@tests/fuzz/run $(SECONDS)

fuzz-builds: $(FUZZ_PROGRAMS)

coverage: deps
	@$(MAKE) BUILD=$(BUILD)/coverage HOST_CC=gcc COVERAGE=1 host
	@tests/coverage/run $(BUILD)/coverage

image: $(BUILD)/lull.img

demo-image: $(BUILD)/demo.img

clean:
	rm -rf $(BUILD)

# --- what everything was built with; objects follow when it changes --------------------------------

# Writes its input to the target, whose time stays as it is when that changes nothing.
write_if_changed = tee $@.new | cmp -s - $@ && rm $@.new || mv $@.new $@

$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(KERNEL_FLAGS) $(HOST_CC) $(HOST_FLAGS) $(LOADER_FLAGS) $(BENCH_FLAGS) \
	    $(MODEL_FLAGS) $(FUZZ_FLAGS) $(TOOL_FLAGS) $(EMBED_FLAGS)' | $(write_if_changed)

$(BUILD)/version: FORCE
	@mkdir -p $(@D)
	@(git describe --always --dirty 2>/dev/null || echo unknown) | $(write_if_changed)

# --- newlib ----------------------------------------------------------------------------------------

$(NEWLIB)/libc.a: tools/newlib lib/newlib/include/newlib.h $(wildcard /usr/src/newlib/*.tar.xz)
	@echo '  NEWLIB  $@'
	@CC='$(HOST_CC)' tools/newlib $(NEWLIB)

# --- the hypervisor: linked twice, the second time with the table of its own functions -------------

VERSION_OBJECTS := $(call objects,kernel,$(shell grep -ls LULL_VERSION $(KERNEL_SOURCES)))
$(VERSION_OBJECTS): $(BUILD)/version
$(VERSION_OBJECTS): KERNEL_FLAGS += -DLULL_VERSION="\"$$(cat $(BUILD)/version)\""

$(BUILD)/kernel/%.o: % $(BUILD)/flags $(NEWLIB)/libc.a
	@mkdir -p $(@D)
	@echo '  CC      $<'
	@$(CC) $(KERNEL_FLAGS) -c -o $@ $<

$(BUILD)/symbols-%.o: $(BUILD)/symbols-%.S
	@$(CC) -c -o $@ $<

$(BUILD)/symbols-empty.S: tools/symbols
	@mkdir -p $(@D)
	@tools/symbols </dev/null >$@

$(BUILD)/symbols-full.S: $(BUILD)/lull-first.elf tools/symbols
	@nm -n $< | tools/symbols >$@

link_kernel = ld $(KERNEL_LDFLAGS) -o $@ $(KERNEL_OBJECTS) $(1) $(NEWLIB)/libc.a

$(BUILD)/lull-first.elf: $(KERNEL_OBJECTS) $(BUILD)/symbols-empty.o linker/lull.lds $(NEWLIB)/libc.a
	@$(call link_kernel,$(BUILD)/symbols-empty.o)

$(BUILD)/lull.elf: $(BUILD)/lull-first.elf $(BUILD)/symbols-full.o
	@echo '  LD      $@'
	@$(call link_kernel,$(BUILD)/symbols-full.o)
	@tools/same-addresses $(BUILD)/lull-first.elf $@

# --- the loader, with the hypervisor inside --------------------------------------------------------

$(BUILD)/lull-stripped.elf: $(BUILD)/lull.elf
	@objcopy --strip-all $< $@

$(BUILD)/loader/%.o: % $(BUILD)/flags $(NEWLIB)/libc.a
	@mkdir -p $(@D)
	@echo '  CC      $< (loader)'
	@$(CC) $(LOADER_FLAGS) -c -o $@ $<

$(BUILD)/loader/image.o: boot/image.S $(BUILD)/lull-stripped.elf
	@mkdir -p $(@D)
	@$(CC) -c -I. -DIMAGE='"$(BUILD)/lull-stripped.elf"' -o $@ $<

$(BUILD)/lull.so: $(LOADER_OBJECTS)
	@ld $(LOADER_LDFLAGS) -o $@ $(EFI_LIB)/crt0-efi-x86_64.o $(LOADER_OBJECTS) -lefi -lgnuefi
	@! nm -u $@ | grep . || { echo 'lull.efi: undefined symbols' >&2; exit 1; }

# A firmware that leaves VT-d in use, for tests/qemu/take_over.py.
$(BUILD)/firmware.so: $(FIRMWARE_OBJECTS)
	@ld $(LOADER_LDFLAGS) -o $@ $(EFI_LIB)/crt0-efi-x86_64.o $(FIRMWARE_OBJECTS) -lefi -lgnuefi
	@! nm -u $@ | grep . || { echo 'firmware.efi: undefined symbols' >&2; exit 1; }

$(BUILD)/lull.efi $(BUILD)/firmware.efi: $(BUILD)/%.efi: $(BUILD)/%.so
	@echo '  EFI     $@'
	@objcopy -j .text -j .sdata -j .data -j .rodata -j .dynamic -j .dynsym -j '.rel*' -j '.rela*' \
	    -j .reloc --target efi-app-x86_64 --subsystem=10 $< $@

# --- what a machine boots from ---------------------------------------------------------------------

$(BUILD)/esp/EFI/BOOT/BOOTX64.EFI: $(BUILD)/lull.efi
	@mkdir -p $(@D)
	@cp $< $@

$(BUILD)/esp/lull/lull.cfg: boot/lull.cfg
	@mkdir -p $(@D)
	@cp $< $@

$(BUILD)/lull.img: $(BUILD)/lull.efi boot/lull.cfg tools/image
	@echo '  IMAGE   $@'
	@tools/image $@ $(BUILD)/lull.efi boot/lull.cfg

$(BUILD)/demo.img: $(BUILD)/lull.efi boot/demo.cfg tools/image
	@echo '  IMAGE   $@'
	@tools/image $@ $(BUILD)/lull.efi boot/demo.cfg

# --- tests on the host -----------------------------------------------------------------------------

$(BUILD)/host/%.c.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo '  CC      $< (host)'
	@$(HOST_CC) $(HOST_FLAGS) -c -o $@ $<

# An archive, so that a test which brings its own version of something (a fake) is served first.
$(BUILD)/host/library.a: $(HOST_LIBRARY_OBJECTS)
	@rm -f $@
	@ar rcs $@ $^

$(BUILD)/host/test_%: $(BUILD)/host/tests/host/test_%.c.o $(BUILD)/host/library.a
	@$(HOST_CC) $(HOST_FLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) -lcmocka

# The engine once more, so that it calls tests/host/accesses.c for each access.
WATCHED := $(call objects,host/watched,$(wildcard lib/pt/pt_*.c) lib/pt/gather.c lib/pt/scan.c)
$(WATCHED): HOST_FLAGS := $(filter-out $(SANITIZE),$(HOST_FLAGS)) -fsanitize=thread \
                          $(if $(findstring clang,$(HOST_CC)),,-Wno-tsan)
$(WATCHED): $(BUILD)/host/watched/%.o: % $(BUILD)/flags
	@mkdir -p $(@D)
	@echo '  CC      $< (watched)'
	@$(HOST_CC) $(HOST_FLAGS) -c -o $@ $<
$(BUILD)/host/test_pt_stores $(BUILD)/host/test_pt_beside $(BUILD)/host/test_pt_walked: $(WATCHED)

include tests/host/rules.mk

# --- tools that run on the host --------------------------------------------------------------------

$(BUILD)/tools/%.c.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo '  CC      $< (tool)'
	@$(HOST_CC) $(TOOL_FLAGS) -c -o $@ $<

$(BUILD)/host/lull-dmar: $(DMAR_TOOL_OBJECTS)
	@mkdir -p $(@D)
	@echo '  LD      $@'
	@$(HOST_CC) $(TOOL_FLAGS) -o $@ $^

include tests/embed/rules.mk

# --- fuzzers ---------------------------------------------------------------------------------------

$(BUILD)/fuzz/objects/%.c.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo '  CC      $< (fuzz)'
	@$(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -c -o $@ $<

$(BUILD)/fuzz/library.a: $(FUZZ_OBJECTS)
	@rm -f $@
	@ar rcs $@ $^

$(BUILD)/fuzz/%: $(BUILD)/fuzz/objects/tests/fuzz/%.c.o $(BUILD)/fuzz/library.a
	@$(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $(filter %.o %.a,$^)

# The fuzzer of schedules drives a second program: the model, with the driver built so that it counts edges.
FUZZ_MODEL_OBJECTS := $(call objects,fuzz/model,$(filter-out tests/model/main.c tests/model/options.c,\
                      $(MODEL_SOURCES)) tests/fuzz/schedules_model.c) \
                      $(call objects,fuzz/model/software,$(MODEL_SOFTWARE) $(HOST_LIBRARY))

$(BUILD)/fuzz/model/software/%.o: % $(BUILD)/flags
	@mkdir -p $(@D)
	@echo '  CC      $< (fuzz, model)'
	@$(HOST_CC) $(MODEL_SOFTWARE_FLAGS) -fsanitize-coverage=trace-pc -c -o $@ $<

$(BUILD)/fuzz/model/%.o: % $(BUILD)/flags
	@mkdir -p $(@D)
	@echo '  CC      $< (fuzz)'
	@$(HOST_CC) $(MODEL_FLAGS) -c -o $@ $<

$(BUILD)/fuzz/schedules-model: $(FUZZ_MODEL_OBJECTS)
	@$(HOST_CC) $(MODEL_LDFLAGS) -o $@ $^

$(BUILD)/fuzz/schedules: $(BUILD)/fuzz/schedules-model

# --- the driver on a VT-d in software --------------------------------------------------------------

$(BUILD)/model/software/%.o: % $(BUILD)/flags
	@mkdir -p $(@D)
	@echo '  CC      $< (model)'
	@$(HOST_CC) $(MODEL_SOFTWARE_FLAGS) -c -o $@ $<

$(BUILD)/model/%.o: % $(BUILD)/flags
	@mkdir -p $(@D)
	@echo '  CC      $<'
	@$(HOST_CC) $(MODEL_FLAGS) -c -o $@ $<

$(BUILD)/model/library.a: $(MODEL_LIBRARY)
	@rm -f $@
	@ar rcs $@ $^

$(BUILD)/model/lull-model: $(MODEL_OBJECTS) $(BUILD)/model/library.a
	@echo '  LD      $@'
	@$(HOST_CC) $(MODEL_LDFLAGS) -o $@ $^

include tests/bench/rules.mk

# --- RCU on threads --------------------------------------------------------------------------------

# One rule for each build, since each has objects of its own.
define torture_rules
$(BUILD)/torture/$(1)/%.c.o: %.c $(BUILD)/flags
	@mkdir -p $$(@D)
	@$(HOST_CC) $(TORTURE_FLAGS) $(torture_flags_$(1)) -c -o $$@ $$<

$(BUILD)/torture/$(1)/rcu-torture: $(patsubst %,$(BUILD)/torture/$(1)/%.o,$(TORTURE_SOURCES))
	@echo '  LD      $$@'
	@$(HOST_CC) $(TORTURE_FLAGS) $(torture_flags_$(1)) -o $$@ $$^
endef
$(foreach build,$(TORTURE_BUILDS),$(eval $(call torture_rules,$(build))))

-include $(foreach build,$(TORTURE_BUILDS),$(patsubst %,$(BUILD)/torture/$(build)/%.d,$(TORTURE_SOURCES)))
-include $(patsubst %.o,%.d,$(KERNEL_OBJECTS) $(LOADER_OBJECTS) $(FIRMWARE_OBJECTS) $(HOST_LIBRARY_OBJECTS) \
    $(call objects,host,$(HOST_TESTS)) $(WATCHED) $(MODEL_OBJECTS) $(MODEL_LIBRARY) $(FUZZ_OBJECTS) \
    $(call objects,fuzz/objects,$(wildcard tests/fuzz/*.c)) $(FUZZ_MODEL_OBJECTS) \
    $(BENCH_LTO_OBJECTS) $(BENCH_PLAIN_OBJECTS) $(BENCH_PEER_OBJECT) $(BENCH_WALKER_OBJECT) \
    $(DMAR_TOOL_OBJECTS))
