# SPDX-License-Identifier: BSD-2-Clause
# Benchmarks: ours with and without link-time optimisation, the peers' always the same objects.

BENCH_SHARED := $(filter-out lib/rcu_command.c lib/rcu_pages.c,$(wildcard lib/rcu*.c)) lib/log.c \
                tests/bench/bench.c tests/bench/platform.c
BENCH_RCU    := $(wildcard tests/bench/rcu*.c)
BENCH_TREES  := $(wildcard lib/pt/*.c lib/pt/*.S tests/bench/pt_*.c) lib/page_alloc.c lib/rcu_pages.c \
                tests/bench/plain_walker.c
BENCH_PT     := tests/bench/pt.c $(BENCH_TREES)
BENCH_DIRTY  := $(wildcard tests/bench/dirty*.c) $(BENCH_TREES)
bench_objects = $(call objects,bench/$(1),$(BENCH_SHARED) $(2))

BENCH_LTO_OBJECTS   := $(call bench_objects,lto,$(BENCH_RCU) $(BENCH_PT))
BENCH_PLAIN_OBJECTS := $(sort $(call bench_objects,plain,$(BENCH_RCU) $(BENCH_PT) $(BENCH_DIRTY)))
BENCH_PEER_OBJECT   := $(BUILD)/bench/peer/tests/bench/rcu_side.c.o
BENCH_WALKER_OBJECT := $(BUILD)/bench/walker/tests/bench/pt_side.c.o

# Private, so that a peer's object is the same whichever program asks for it.
$(BENCH_LTO_OBJECTS): private BENCH_FLAGS += -flto
$(BENCH_PEER_OBJECT): BENCH_FLAGS += -DBENCH_PEER
$(BENCH_WALKER_OBJECT): BENCH_FLAGS += -DBENCH_PLAIN

$(BENCH_LTO_OBJECTS): $(BUILD)/bench/lto/%.o: % $(BUILD)/flags
$(BENCH_PLAIN_OBJECTS): $(BUILD)/bench/plain/%.o: % $(BUILD)/flags
$(BENCH_PEER_OBJECT): $(BUILD)/bench/peer/%.o: % $(BUILD)/flags
$(BENCH_WALKER_OBJECT): $(BUILD)/bench/walker/%.o: % $(BUILD)/flags
$(BENCH_LTO_OBJECTS) $(BENCH_PLAIN_OBJECTS) $(BENCH_PEER_OBJECT) $(BENCH_WALKER_OBJECT):
	@mkdir -p $(@D)
	@echo '  CC      $< (bench)'
	@$(HOST_CC) $(BENCH_FLAGS) -c -o $@ $<

bench_flags_lto := -flto

# Linux's objects are not position-independent, and the hypervisor is not either.
define bench_rules
$(BUILD)/bench/rcu-$(1): $(call bench_objects,$(1),$(BENCH_RCU)) $(BENCH_PEER_OBJECT)
	@$(HOST_CC) $(BENCH_FLAGS) $(bench_flags_$(1)) -o $$@ $$^ -lurcu-common -lurcu-qsbr

$(BUILD)/bench/pt-$(1): $(call bench_objects,$(1),$(BENCH_PT)) $(BENCH_WALKER_OBJECT)
	@$(HOST_CC) $(BENCH_FLAGS) $(bench_flags_$(1)) -no-pie -o $$@ $$^

$(BUILD)/bench/pt-$(1)-%: $(BUILD)/bench/linux/%.o $(call bench_objects,$(1),$(BENCH_PT)) \
    $(BENCH_WALKER_OBJECT)
	@$(HOST_CC) $(BENCH_FLAGS) $(bench_flags_$(1)) -no-pie -o $$@ $$^
endef
$(foreach build,lto plain,$(eval $(call bench_rules,$(build))))

# File by file only, as the hypervisor is built: each harvest is one call.
$(BUILD)/bench/dirty-plain: $(call bench_objects,plain,$(BENCH_DIRTY)) $(BENCH_WALKER_OBJECT)
	@$(HOST_CC) $(BENCH_FLAGS) -no-pie -o $@ $^

$(BUILD)/bench/dirty-plain-%: $(BUILD)/bench/linux/%.o $(call bench_objects,plain,$(BENCH_DIRTY)) \
    $(BENCH_WALKER_OBJECT)
	@$(HOST_CC) $(BENCH_FLAGS) -no-pie -o $@ $^
