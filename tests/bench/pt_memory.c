/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory for tables: in large pages, so that the TLB is no part of what is measured. */
#define _GNU_SOURCE
#include "tests/bench/pt_memory.h"
#include "lib/page_alloc.h"
#include "lib/platform.h"
#include "lib/units.h"
#include "tests/bench/base.h"
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

/* Touched, so that no first access is measured. */
static void *take(uint64_t bytes, uint64_t alignment)
{
    void *memory = mmap(NULL, bytes + alignment, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    void *aligned;

    if (memory == MAP_FAILED)
        bench_fail("no memory");
    aligned = (void *)align_up((uintptr_t)memory, alignment);
    /* Where that is refused both sides have small pages. */
    (void)madvise(aligned, bytes, MADV_HUGEPAGE);
    return memset(aligned, 0, bytes);
}

void *bench_memory(unsigned long bytes)
{
    return take(bytes, 2 * MIB);
}

static uint64_t page_alloc_bytes;

unsigned long bench_table_pages(void)
{
    return page_alloc_bytes / PAGE_SIZE / 2;
}

/* Physical addresses begin at 1 GiB, so that 0 is no memory. */
void bench_page_alloc_init(uint64_t bytes)
{
    platform_direct_map = (uintptr_t)take(bytes, GIB) - GIB;
    if (page_alloc_add(GIB, GIB + bytes))
        bench_fail("the page allocator takes no memory");
    page_alloc_bytes = bytes;
}
