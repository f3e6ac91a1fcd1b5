/* SPDX-License-Identifier: BSD-2-Clause */
/* A hardware walker in a few lines, and memory that lags behind the cache. */
#include "tests/host/tree.h"
#include "lib/atomic.h"
#include "lib/units.h"
#include "tests/host/host.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static uint8_t *memory_copy; /* of the arena, which begins at 1 GiB */
static uint64_t memory_bytes;

static uint64_t *at_cache(uint64_t hpa)
{
    return phys_to_virt(hpa);
}

static uint64_t *at_memory(uint64_t hpa)
{
    if (hpa < GIB || hpa - GIB >= memory_bytes)
        abort();
    return (uint64_t *)(void *)(memory_copy + (hpa - GIB));
}

const struct tree_view tree_through_cache = {at_cache};
const struct tree_view tree_in_memory = {at_memory};

static void flush_lines(const void *address, size_t bytes)
{
    uint64_t first = align_down((uintptr_t)address, CACHE_LINE);
    uint64_t end = align_up((uintptr_t)address + bytes, CACHE_LINE);

    memcpy(at_memory(virt_to_phys((void *)first)), (void *)first, end - first);
}

void tree_watch_flushes(uint64_t bytes)
{
    memory_bytes = bytes;
    memory_copy =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory_copy == MAP_FAILED)
        abort();
    host_set_cache_flush(flush_lines);
}

bool tree_access(const struct tree_view *view, const struct pt *pt, uint64_t iova, bool write, uint64_t *hpa)
{
    uint64_t *table = view->at(virt_to_phys(pt->root));
    unsigned shift = 12u + 9u * pt->top_level;

    for (;;) {
        uint64_t *entry = &table[iova >> shift & 511];
        uint64_t found = atomic_read_acquire(entry);
        bool leaf = shift == 12 || found & 0x80;
        uint64_t wanted = found | 0x20 | (leaf && write ? 0x40u : 0u);

        if (!(found & 1) || (write && !(found & 2)))
            return false;
        /* As hardware does: the bits are set in the entry that was read, or it is read again. */
        if (wanted != found && !atomic_compare_exchange(entry, &found, wanted))
            continue;
        if (leaf) {
            *hpa = (found & 0xffffffffff000 & ~((1ull << shift) - 1)) | (iova & ((1ull << shift) - 1));
            return true;
        }
        table = view->at(found & 0xffffffffff000);
        shift -= 9;
    }
}
