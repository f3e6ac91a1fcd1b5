# SPDX-License-Identifier: BSD-2-Clause
# Tests on threads once more, under ThreadSanitizer; a part of the Makefile.

TSAN_TESTS   := spinlock tracker_threads
TSAN_SOURCES := tests/host/platform.c $(MUTANTS) \
                $(wildcard lib/tracker*.c) $(filter-out lib/rcu_command.c,$(wildcard lib/rcu*.c)) \
                $(patsubst %,lib/%.c,page_alloc log error event_queue)
TSAN_SHARED  := $(call objects,host/tsan,$(TSAN_SOURCES))
TSAN_OBJECTS := $(TSAN_SHARED) $(call objects,host/tsan,$(TSAN_TESTS:%=tests/host/test_%.c))

# They count no lines for `make coverage`.
host: $(if $(COVERAGE),,$(TSAN_TESTS:%=$(BUILD)/host/test_%_tsan))

$(TSAN_OBJECTS): HOST_FLAGS := $(filter-out $(SANITIZE),$(HOST_FLAGS)) -fsanitize=thread \
                               $(if $(findstring clang,$(HOST_CC)),,-Wno-tsan)
$(TSAN_OBJECTS): $(BUILD)/host/tsan/%.o: % $(BUILD)/flags
	@mkdir -p $(@D)
	@echo '  CC      $< (ThreadSanitizer)'
	@$(HOST_CC) $(HOST_FLAGS) -c -o $@ $<

$(TSAN_TESTS:%=$(BUILD)/host/test_%_tsan): $(BUILD)/host/test_%_tsan: \
    $(BUILD)/host/tsan/tests/host/test_%.c.o $(TSAN_SHARED)
	@$(HOST_CC) -fsanitize=thread -pthread -o $@ $^ -lcmocka

-include $(patsubst %.o,%.d,$(TSAN_OBJECTS))

# Its allocations fail in turn. Private, so that nothing else is linked like this.
MEMORY_WRAPPED := calloc free pages_alloc
$(BUILD)/host/test_track_memory: private HOST_FLAGS += $(MEMORY_WRAPPED:%=-Wl$(comma)--wrap=%)
