/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory as hardware sees it: through the CPUs' caches, or only what was written back to it. It knows whose
 * each page is, since it sees pages_alloc() and pages_free(). */
#pragma once

#include "lib/page_alloc.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The arena's first physical address: 0 is no memory. */
#define MEMORY_BASE 0x40000000ull

enum memory_view {
    MEMORY_SNOOPED,   /* the walk looks into the CPUs' caches */
    MEMORY_UNSNOOPED, /* it sees lines that were flushed, or evicted at some moment; and before that what was
                         there before the page was allocated */
};

/* Makes the arena, a multiple of 4 KiB and at most 128 MiB; once in a program. */
void memory_init(uint64_t bytes);

/* Keeps the state of all memory, with which each run begins; and brings it back. What is in pages for devices
 * is not kept: nothing here writes it. */
void memory_save(void);
void memory_restore(void);

/* Reads a naturally aligned 64-bit word of a table for hardware, as one step of the schedule. what (static
 * text: "context entry") is for reports. Calls out pages that are not the hypervisor's own. */
uint64_t memory_read(enum memory_view view, uint64_t hpa, const char *what);

/* The same of an aligned pair of words, which hardware reads at once (9). */
void memory_read_pair(enum memory_view view, uint64_t hpa, uint64_t words[2], const char *what);

/* Changes a word from *expected to desired by one atomic step, as hardware sets accessed and dirty; false,
 * with *expected what was found, if it was something else. Snooped. */
bool memory_update(uint64_t hpa, uint64_t *expected, uint64_t desired, const char *what);

/* Writes 32 bits, as a wait descriptor's status. Snooped. */
void memory_write32(uint64_t hpa, uint32_t value, const char *what);

/* How often the page was allocated: another number, and it is another page. 0 for what the arena has not. */
uint64_t memory_generation(uint64_t hpa);

/* Ends the run with VIOLATION_FREED_WALK or VIOLATION_FORBIDDEN unless the page is in use as a table and, if
 * generation is not 0, is of that generation. who and what (static) are for the report. */
void memory_check_table(uint64_t hpa, uint64_t generation, const char *what);

/* PAGE_FREE, PAGE_DMA ... of the page; PAGE_UNUSED_FRAME for what the arena has not. */
enum page_use memory_use(uint64_t hpa);

/* Calls look(context, hpa, last) before a block is freed: who caches an entry that points there says so. */
void memory_on_free(void (*look)(void *context, uint64_t hpa, uint64_t last), void *context);

/* What platform_cache_flush() does. */
void memory_flush(const void *address, size_t bytes);

/* Before each access of software, to any address: VIOLATION_FREED_SOFTWARE when it goes to a free page and is
 * not the allocator's own. Of a store it notes that its line may be written back as it was, and as it will
 * be. */
void memory_check_software(const volatile void *address, size_t bytes, bool store);

/* The caches have room for so much only: they may write something back now. */
void memory_maybe_evict(void);

bool memory_is_arena(const volatile void *address);

/* The agent that runs is inside the page allocator: nothing there is a step of the schedule. A wait in there
 * (for pages that RCU holds) lets others run: they are outside of it, from pause to resume. */
bool memory_in_allocator(void);
unsigned memory_allocator_pause(void);
void memory_allocator_resume(unsigned paused);
