/* SPDX-License-Identifier: BSD-2-Clause */
/* A hardware walker in a few lines, and memory that lags behind the cache. */
#include "tests/host/tree.h"
#include "lib/atomic.h"
#include "lib/page_alloc.h"
#include "lib/units.h"
#include "tests/host/host.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ADDRESS 0x000ffffffffff000ull
#define LARGE   0x80ull

static uint8_t *memory_copy; /* of the arena, which begins at 1 GiB */
static uint64_t memory_bytes;
static void (*flush_hook)(void);

/* Ignored bits are not reserved: 11:8 and 62:52 of the first stage; 10 (an extra one in leaves) and 61:52 of
 * the second; 11:10 and 62:52 of EPT. The second stage has its snoop bit in leaves only. */
const struct tree_format tree_formats[TREE_FORMATS] = {
    {&pt_x86_64, 0x1, 0x2, 0x20, 0x40, 0x80 | 1ull << 63, 0},
    {&pt_vtdss, 0x3, 0x2, 0x100, 0x200, 0x80 | 0x800 | 3ull << 62, 3ull << 62},
    {&pt_ept, 0x7, 0x2, 0x100, 0x200, 0xf8 | 1ull << 63, 0x8 | 1ull << 63},
};

const struct tree_format *tree_format_of(const struct pt_ops *ops)
{
    for (unsigned i = 0; i < TREE_FORMATS; i++)
        if (tree_formats[i].ops == ops)
            return &tree_formats[i];
    abort();
}

static void check_arena(uint64_t hpa)
{
    if (hpa >= GIB && hpa - GIB < memory_bytes)
        return;
    fprintf(stderr, "a walker goes to %#" PRIx64 ", where no table is\n", hpa);
    abort();
}

bool tree_in_arena(const volatile void *address)
{
    return (uintptr_t)address - platform_direct_map - GIB < memory_bytes;
}

static uint64_t *at_cache(uint64_t hpa)
{
    return phys_to_virt(hpa);
}

static uint64_t *at_memory(uint64_t hpa)
{
    check_arena(hpa);
    return (uint64_t *)(void *)(memory_copy + (hpa - GIB));
}

const struct tree_view tree_through_cache = {at_cache};
const struct tree_view tree_in_memory = {at_memory};

static void bring_lines(const void *address, size_t bytes)
{
    uint64_t first = align_down((uintptr_t)address, CACHE_LINE);
    uint64_t end = align_up((uintptr_t)address + bytes, CACHE_LINE);

    memcpy(at_memory(virt_to_phys((void *)first)), (void *)first, end - first);
}

static void flush_lines(const void *address, size_t bytes)
{
    if (flush_hook)
        flush_hook();
    if (bytes)
        bring_lines(address, bytes);
    if (flush_hook)
        flush_hook();
}

void tree_evict(const void *address)
{
    bring_lines(address, 1);
}

void tree_watch_each_flush(void (*hook)(void))
{
    flush_hook = hook;
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

/* One level of a walk: the entry, checked as hardware checks it. */
static uint64_t look_at(const struct tree_format *format, uint64_t *slot, unsigned level, bool *leaf)
{
    uint64_t entry = atomic_read_acquire(slot);
    uint64_t reserved;

    *leaf = level == 0 || (level <= 2 && entry & LARGE);
    if (!(entry & format->present))
        return 0;
    reserved =
        *leaf ? format->reserved_leaf | (ADDRESS & ((1ull << (12 + 9 * level)) - 1)) : format->reserved_table;
    if (entry & reserved) {
        fprintf(stderr, "%s: entry %#" PRIx64 " at level %u has reserved bits\n", format->ops->name, entry,
                level);
        abort();
    }
    return entry;
}

static void check_table(uint64_t hpa)
{
    const struct page *page;

    if (!memory_bytes)
        return;
    check_arena(hpa);
    page = page_of(phys_to_virt(hpa));
    if (page->use == PAGE_HYPERVISOR)
        return;
    fprintf(stderr, "a walker is in a table that was freed\n");
    abort();
}

bool tree_find_from(const struct tree_format *format, const struct tree_view *view, uint64_t table_hpa,
                    unsigned level, uint64_t iova, struct tree_leaf *found)
{
    for (;; level--) {
        unsigned shift = 12u + 9u * level;
        uint64_t *slot, entry;
        bool leaf;

        check_table(table_hpa);
        slot = &view->at(table_hpa)[iova >> shift & 511];
        entry = look_at(format, slot, level, &leaf);
        if (!entry)
            return false;
        if (leaf) {
            uint64_t within = (1ull << shift) - 1;

            *found = (struct tree_leaf){(entry & ADDRESS) + (iova & within), slot, entry, level};
            return true;
        }
        table_hpa = entry & ADDRESS;
    }
}

bool tree_find(const struct tree_format *format, const struct tree_view *view, const struct pt *pt,
               uint64_t iova, struct tree_leaf *leaf)
{
    return tree_find_from(format, view, virt_to_phys(pt->root), pt->top_level, iova, leaf);
}

bool tree_access_from(const struct tree_format *format, const struct tree_view *view, uint64_t table_hpa,
                      unsigned level, uint64_t iova, bool write, uint64_t *hpa)
{
    for (;;) {
        unsigned shift = 12u + 9u * level;
        uint64_t *slot = &view->at(table_hpa)[iova >> shift & 511];
        bool leaf;
        uint64_t found = look_at(format, slot, level, &leaf);
        uint64_t wanted = found | format->accessed | (leaf && write ? format->dirty : 0u);

        if (!found || (write && !(found & format->write)))
            return false;
        /* As hardware does: the bits are set in the entry that was read, or it is read again. */
        if (wanted != found && !atomic_compare_exchange(slot, &found, wanted))
            continue;
        if (leaf) {
            *hpa = (found & ADDRESS) + (iova & ((1ull << shift) - 1));
            return true;
        }
        table_hpa = found & ADDRESS;
        level--;
    }
}

bool tree_access_as(const struct tree_format *format, const struct tree_view *view, const struct pt *pt,
                    uint64_t iova, bool write, uint64_t *hpa)
{
    return tree_access_from(format, view, virt_to_phys(pt->root), pt->top_level, iova, write, hpa);
}

bool tree_access(const struct tree_view *view, const struct pt *pt, uint64_t iova, bool write, uint64_t *hpa)
{
    return tree_access_as(&tree_formats[0], view, pt, iova, write, hpa);
}
