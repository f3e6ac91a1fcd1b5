/* SPDX-License-Identifier: BSD-2-Clause */
/* Accesses to the arena: software's, which are checked, and those that hardware makes. */
#include "lib/atomic.h"
#include "lib/compiler.h"
#include "lib/platform.h"
#include "lib/units.h"
#include "tests/model/history.h"
#include "tests/model/memory.h"
#include "tests/model/memory_lines.h"
#include "tests/model/memory_pages.h"
#include "tests/model/schedule.h"
#include "tests/model/violation.h"
#include "tests/model/write_buffer.h"
#include <inttypes.h>

/* --- software --- */

static void note_store(const volatile void *address, size_t bytes)
{
    uint64_t hpa = (uintptr_t)address - DIRECT_MAP;

    if (!memory_is_arena(address) || memory_use(hpa) != PAGE_HYPERVISOR)
        return;
    for (uint64_t line = align_down(hpa, CACHE_LINE); line < hpa + bytes; line += CACHE_LINE)
        lines_before_store(line);
}

void memory_check_software(const volatile void *address, size_t bytes, bool store)
{
    const struct page_info *info;
    uint64_t hpa = (uintptr_t)address - DIRECT_MAP;

    if (!memory_is_arena(address) || memory_in_allocator())
        return;
    info = page_info(hpa);
    if (info->use == PAGE_FREE)
        violation(VIOLATION_FREED_SOFTWARE, "%s %s %#" PRIx64 ", in a page that %s freed at step %" PRIu64,
                  agent_name(agent_current()), store ? "writes" : "reads", hpa,
                  info->by ? info->by : "nobody", info->step);
    if (store)
        note_store(address, bytes);
}

void memory_flush(const void *address, size_t bytes)
{
    uint64_t hpa = (uintptr_t)address - DIRECT_MAP;

    if (!bytes || !memory_is_arena(address))
        return;
    for (uint64_t at = align_down(hpa, PAGE_SIZE); at < hpa + bytes; at += PAGE_SIZE)
        memory_check_software(phys_to_virt(at), 1, false);
    if (!write_buffer_take(hpa, bytes))
        lines_write_back(hpa, bytes);
}

void memory_maybe_evict(void)
{
    lines_maybe_evict();
}

/* --- hardware --- */

void memory_check_table(uint64_t hpa, uint64_t generation, const char *what)
{
    const char *who = agent_name(agent_current());
    const struct page_info *info = page_info(hpa);

    if (!info || info->use == PAGE_UNUSED_FRAME)
        violation(VIOLATION_FORBIDDEN, "%s: %s at %#" PRIx64 ", where no table can be", who, what, hpa);
    if (info->use == PAGE_FREE)
        violation(VIOLATION_FREED_WALK, "%s: %s at %#" PRIx64 ", in a page that %s freed at step %" PRIu64,
                  who, what, hpa, info->by ? info->by : "nobody", info->step);
    if (info->use == PAGE_DMA)
        violation(VIOLATION_FORBIDDEN, "%s: %s at %#" PRIx64 ", in memory that devices may be given", who,
                  what, hpa);
    if (generation && generation != info->generation)
        violation(VIOLATION_FREED_WALK,
                  "%s: %s at %#" PRIx64
                  ", in a page that was freed since, and that %s allocated at step %" PRIu64,
                  who, what, hpa, info->by, info->step);
}

uint64_t memory_read(enum memory_view view, uint64_t hpa, const char *what)
{
    const uint64_t *word = phys_to_virt(hpa);
    uint64_t seen;

    schedule_point(POINT_HARDWARE, word);
    memory_check_table(hpa, 0, what);
    if (view == MEMORY_SNOOPED)
        return atomic_read(word);
    seen = lines_read(hpa);
    if (seen != atomic_read(word))
        history("%s at %#lx is read as %#lx, while the caches hold %#lx", history_text(what), hpa, seen,
                *word);
    return seen;
}

void memory_read_pair(enum memory_view view, uint64_t hpa, uint64_t words[2], const char *what)
{
    uint64_t again = memory_read(view, hpa, what);

    if (view == MEMORY_SNOOPED) {
        words[0] = again;
        words[1] = atomic_read((const uint64_t *)phys_to_virt(hpa + 8));
        return;
    }
    /* The line may be written back between two looks at it: not between these. */
    do {
        words[0] = again;
        words[1] = lines_read(hpa + 8);
        again = lines_read(hpa);
    } while (again != words[0]);
}

bool memory_update(uint64_t hpa, uint64_t *expected, uint64_t desired, const char *what)
{
    uint64_t *word = phys_to_virt(hpa);
    uint64_t before = *expected;

    schedule_point(POINT_HARDWARE, word);
    memory_check_table(hpa, 0, what);
    lines_before_store(hpa);
    if (!atomic_compare_exchange(word, expected, desired))
        return false;
    history("%s at %#lx: %#lx becomes %#lx", history_text(what), hpa, before, desired);
    return true;
}

void memory_write32(uint64_t hpa, uint32_t value, const char *what)
{
    uint32_t *word = phys_to_virt(hpa);

    schedule_point(POINT_HARDWARE, word);
    memory_check_table(hpa, 0, what);
    atomic_write(word, value);
    lines_write_back(hpa, sizeof value);
    history("%s at %#lx is written: %#lx", history_text(what), hpa, value);
}
