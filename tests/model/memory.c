/* SPDX-License-Identifier: BSD-2-Clause */
/* The arena: pages and whose they are, and the state that runs begin with. */
#include "tests/model/memory.h"
#include "lib/platform.h"
#include "lib/units.h"
#include "tests/model/history.h"
#include "tests/model/memory_lines.h"
#include "tests/model/memory_pages.h"
#include "tests/model/run.h"
#include "tests/model/schedule.h"
#include <string.h>
#include <sys/mman.h>

#define LOOKS_MAX 32

/* Numbers of pages. */
struct page_list {
    uint32_t count;
    uint32_t numbers[];
};

struct look {
    void (*look)(void *context, uint64_t hpa, uint64_t last);
    void *context;
};

uintptr_t platform_direct_map;

static uint64_t arena_bytes, arena_pages;
static struct page *all_pages;    /* of the arena, in order: the allocator's */
static struct page_info *infos;   /* kept; put back by what `changed` says, */
static struct page_list *changed; /* kept, too */

/* What a run begins with. Kept. */
static struct page *saved_pages;
static struct page_info *saved_infos;
static struct page_list *saved_list; /* of pages with content that matters, */
static uint8_t *saved_arena;         /* which is at the same offset here */

static struct look looks[LOOKS_MAX];
static unsigned look_count;
static unsigned allocator_depth;

void *__real_pages_alloc(unsigned order, enum page_use use);
void __real_pages_free(void *address);
void *__wrap_pages_alloc(unsigned order, enum page_use use);
void __wrap_pages_free(void *address);

static struct page_info *info_of(uint64_t hpa)
{
    return hpa - MEMORY_BASE < arena_bytes ? &infos[(hpa - MEMORY_BASE) / PAGE_SIZE] : NULL;
}

const struct page_info *page_info(uint64_t hpa)
{
    return info_of(hpa);
}

static uint64_t page_hpa(uint64_t number)
{
    return MEMORY_BASE + number * PAGE_SIZE;
}

bool memory_is_arena(const volatile void *address)
{
    return (uintptr_t)address - (DIRECT_MAP + MEMORY_BASE) < arena_bytes;
}

/* --- the state that runs begin with --- */

static void map_arena(void)
{
    void *arena = (void *)(DIRECT_MAP + MEMORY_BASE);

    if (mmap(arena, arena_bytes, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0) != arena)
        run_broken("no memory for the arena at its address");
    platform_direct_map = DIRECT_MAP;
}

void memory_init(uint64_t bytes)
{
    arena_bytes = bytes;
    arena_pages = bytes / PAGE_SIZE;
    map_arena();
    lines_init(MEMORY_BASE, bytes);
    infos = run_keep(arena_pages * sizeof *infos);
    changed = run_keep(sizeof *changed + arena_pages * sizeof changed->numbers[0]);
    allocator_depth++;
    if (page_alloc_add(MEMORY_BASE, MEMORY_BASE + bytes))
        run_broken("the page allocator refuses the arena");
    all_pages = page_of(phys_to_virt(MEMORY_BASE));
    allocator_depth--;
    for (uint64_t i = 0; i < arena_pages; i++)
        infos[i].use = all_pages[i].use == PAGE_FREE ? PAGE_FREE : PAGE_UNUSED_FRAME;
}

void memory_save(void)
{
    saved_pages = run_keep(arena_pages * sizeof *saved_pages);
    saved_infos = run_keep(arena_pages * sizeof *saved_infos);
    saved_list = run_keep(sizeof *saved_list + arena_pages * sizeof saved_list->numbers[0]);
    saved_arena = run_keep(arena_bytes);
    memcpy(saved_pages, all_pages, arena_pages * sizeof *saved_pages);
    for (uint32_t i = 0; i < arena_pages; i++) {
        uint64_t hpa = page_hpa(i);

        infos[i].changed = false;
        if (infos[i].use != PAGE_HYPERVISOR)
            continue;
        saved_list->numbers[saved_list->count++] = i;
        memcpy(saved_arena + i * PAGE_SIZE, phys_to_virt(hpa), PAGE_SIZE);
        lines_save_page(hpa);
    }
    changed->count = 0;
    memcpy(saved_infos, infos, arena_pages * sizeof *saved_infos);
}

void memory_restore(void)
{
    memcpy(all_pages, saved_pages, arena_pages * sizeof *saved_pages);
    for (uint32_t i = 0; i < changed->count; i++)
        infos[changed->numbers[i]] = saved_infos[changed->numbers[i]];
    changed->count = 0;
    for (uint32_t i = 0; i < saved_list->count; i++) {
        uint32_t number = saved_list->numbers[i];

        memcpy(phys_to_virt(page_hpa(number)), saved_arena + number * PAGE_SIZE, PAGE_SIZE);
        lines_restore_page(page_hpa(number));
    }
}

/* --- the allocator --- */

bool memory_in_allocator(void)
{
    return allocator_depth != 0;
}

unsigned memory_allocator_pause(void)
{
    unsigned depth = allocator_depth;

    allocator_depth = 0;
    return depth;
}

void memory_allocator_resume(unsigned paused)
{
    allocator_depth = paused;
}

static void block_note(uint64_t hpa, unsigned order, enum page_use use)
{
    for (uint64_t i = 0; i < 1ull << order; i++) {
        struct page_info *info = info_of(hpa + i * PAGE_SIZE);

        if (!info->changed)
            changed->numbers[changed->count++] = (uint32_t)(info - infos);
        info->changed = true;
        info->use = (uint8_t)use;
        info->generation += use != PAGE_FREE;
        info->step = schedule_step();
        info->by = agent_name(agent_current());
        if (use == PAGE_FREE)
            schedule_page_freed(phys_to_virt(hpa + i * PAGE_SIZE));
    }
}

void *__wrap_pages_alloc(unsigned order, enum page_use use)
{
    uint64_t hpa;
    void *block;

    if (!allocator_depth)
        schedule_point(POINT_ATOMIC, NULL);
    allocator_depth++;
    block = __real_pages_alloc(order, use);
    allocator_depth--;
    if (!block)
        return NULL;
    hpa = virt_to_phys(block);
    block_note(hpa, order, use);
    if (use == PAGE_HYPERVISOR)
        lines_fill_stale(hpa, PAGE_SIZE << order);
    history(use == PAGE_DMA ? "allocates %#lx, order %lu, for devices" : "allocates %#lx, order %lu", hpa,
            order);
    return block;
}

/* Before the block goes. */
static void block_look(uint64_t hpa, unsigned order)
{
    history("frees %#lx, order %lu", hpa, order);
    for (unsigned i = 0; i < look_count; i++)
        looks[i].look(looks[i].context, hpa, hpa + (PAGE_SIZE << order) - 1);
}

void __wrap_pages_free(void *address)
{
    uint64_t hpa = virt_to_phys(address);
    unsigned order = 0;

    if (!allocator_depth)
        schedule_point(POINT_ATOMIC, NULL);
    if (memory_use(hpa) == PAGE_HYPERVISOR || memory_use(hpa) == PAGE_DMA) {
        order = all_pages[(hpa - MEMORY_BASE) / PAGE_SIZE].order;
        block_look(hpa, order);
    }
    allocator_depth++;
    __real_pages_free(address); /* which ends the run when there is no such block */
    allocator_depth--;
    block_note(hpa, order, PAGE_FREE);
}

void memory_on_free(void (*look)(void *context, uint64_t hpa, uint64_t last), void *context)
{
    if (look_count == LOOKS_MAX)
        run_broken("more than %d agents look at what is freed", LOOKS_MAX);
    looks[look_count++] = (struct look){look, context};
}

uint64_t memory_generation(uint64_t hpa)
{
    const struct page_info *info = info_of(hpa);

    return info ? info->generation : 0;
}

enum page_use memory_use(uint64_t hpa)
{
    const struct page_info *info = info_of(hpa);

    return info ? info->use : PAGE_UNUSED_FRAME;
}
