/* SPDX-License-Identifier: BSD-2-Clause */
/* EPT by hand: a path of tables with a few leaves, and a harvest of them that also copies what it reports. */
#include "lib/atomic.h"
#include "lib/page_alloc.h"
#include "lib/platform.h"
#include "lib/units.h"
#include "tests/model/bare_guest.h"
#include "tests/model/schedule.h"
#include "tests/model/spec_guest_tables.h"
#include "tests/model/violation.h"

#define RUNS      4
#define ACCESSES  6
#define CHANGES   6
#define FIRST_GPA (3 * GIB + 5 * (2 * MIB) + 7 * PAGE_SIZE)

struct ept_guest ept;

uint64_t ept_gpa(unsigned page)
{
    return FIRST_GPA + page * PAGE_SIZE;
}

static uint64_t *make_table(void)
{
    uint64_t *table = pages_alloc(0, PAGE_HYPERVISOR);

    expect(table);
    return table;
}

/* The root of a tree that leads to the pages' slots. */
static uint64_t *make_path(unsigned levels)
{
    uint64_t *root = make_table(), *table = root;

    for (unsigned level = levels - 1; level > 0; level--) {
        uint64_t *below = make_table();

        table[FIRST_GPA >> (PAGE_LG2 + 9 * level) & 511] =
            virt_to_phys(below) | EPT_READ | EPT_WRITE | EPT_EXECUTE;
        table = below;
    }
    for (unsigned page = 0; page < EPT_PAGES; page++)
        ept.slots[page] = &table[ept_gpa(page) >> PAGE_LG2 & 511];
    return root;
}

void ept_make(unsigned levels, enum guest_mistake mistake)
{
    uint64_t *root = make_path(levels);

    rcu_cpu_online();
    ept.guest.mistake = mistake;
    guest_make(&ept.guest, VCPU_EPT, virt_to_phys(root), levels, true);
    ept.oracle = oracle_make_bare(FIRST_GPA, EPT_PAGES, true);
}

void ept_map(unsigned page)
{
    uint64_t gpa = ept_gpa(page), none = 0, hpa;

    ept.pages[page] = pages_alloc(0, PAGE_DMA);
    expect(ept.pages[page]);
    hpa = virt_to_phys(ept.pages[page]);
    oracle_map_begins(ept.oracle, gpa, gpa + PAGE_SIZE - 1, hpa, PT_READ | PT_WRITE);
    expect(atomic_compare_exchange(ept.slots[page], &none,
                                   hpa | EPT_READ | EPT_WRITE | EPT_EXECUTE | EPT_TYPE_WB));
    oracle_map_ends(ept.oracle, gpa, gpa + PAGE_SIZE - 1, 0);
}

void *ept_unmap(unsigned page)
{
    uint64_t gpa = ept_gpa(page), dirty, entry;
    void *memory = ept.pages[page];

    oracle_unmap_begins(ept.oracle, gpa, gpa + PAGE_SIZE - 1);
    entry = atomic_exchange(ept.slots[page], 0ull);
    guest_flush(&ept.guest);
    dirty = entry & EPT_DIRTY ? 1ull << page : 0;
    ept.content[page] = ept.copy[page] = 0;
    oracle_unmap_ends(ept.oracle, gpa, gpa + PAGE_SIZE - 1, &dirty, 0);
    ept.pages[page] = NULL;
    return memory;
}

/* True if the page was dirty. */
static bool clear_dirty(uint64_t *slot)
{
    uint64_t entry = atomic_read(slot);

    while (entry & EPT_DIRTY)
        if (atomic_compare_exchange(slot, &entry, entry & ~EPT_DIRTY))
            return true;
    return false;
}

/* By a plain store of what was read a moment ago. */
static bool store_clean(uint64_t *slot, uint64_t clear)
{
    uint64_t entry = atomic_read(slot);

    if (entry & clear)
        atomic_write(slot, entry & ~clear);
    return entry & EPT_DIRTY;
}

/* By taking the entry out for a moment. */
static bool retract_clean(uint64_t *slot)
{
    uint64_t entry = atomic_exchange(slot, 0ull);

    atomic_write(slot, entry & ~EPT_DIRTY);
    return entry & EPT_DIRTY;
}

static bool take_dirty(unsigned page)
{
    switch (ept.guest.mistake) {
    case GUEST_HARVEST_STORES:
        return store_clean(ept.slots[page], EPT_DIRTY);
    case GUEST_HARVEST_STORES_ACCESSED:
        return store_clean(ept.slots[page], EPT_DIRTY | EPT_ACCESSED);
    case GUEST_HARVEST_RETRACTS:
        return retract_clean(ept.slots[page]);
    default:
        return clear_dirty(ept.slots[page]);
    }
}

static void copy_reported(uint64_t dirty)
{
    for (unsigned page = 0; page < EPT_PAGES; page++)
        if (dirty >> page & 1)
            ept.copy[page] = ept.content[page];
}

void ept_harvest(void)
{
    unsigned harvest = oracle_harvest_begins(ept.oracle, FIRST_GPA, ept_gpa(EPT_PAGES) - 1);
    uint64_t dirty = 0;

    for (unsigned page = 0; page < EPT_PAGES; page++)
        dirty |= (uint64_t)take_dirty(page) << page;
    if (ept.guest.mistake == GUEST_HARVEST_COPIES_BEFORE_FLUSH)
        copy_reported(dirty);
    if (dirty && ept.guest.mistake != GUEST_HARVEST_FLUSHES_NOTHING)
        guest_flush(&ept.guest);
    if (ept.guest.mistake != GUEST_HARVEST_COPIES_BEFORE_FLUSH)
        copy_reported(dirty);
    oracle_harvest_ends(ept.oracle, harvest, &dirty, 0, false);
}

void ept_access(unsigned page, bool write)
{
    uint64_t began = schedule_step(), hpa = 0;
    bool done = vcpu_access(guest_vcpu(&ept.guest), ept_gpa(page), write, &hpa);

    if (done && write)
        ept.content[page]++;
    oracle_access(ept.oracle, ept_gpa(page), hpa, write, !done, began);
}

void ept_run(void *context)
{
    (void)context;
    for (unsigned i = 0; i < RUNS; i++) {
        unsigned accesses = schedule_choose(ACCESSES);

        guest_enter(&ept.guest);
        while (accesses-- && !guest_is_kicked(&ept.guest))
            ept_access(schedule_choose(EPT_PAGES), !schedule_chance(4));
        guest_leave(&ept.guest);
    }
}

void ept_change(void *context)
{
    (void)context;
    for (unsigned i = 0; i < CHANGES; i++) {
        unsigned page = schedule_choose(EPT_PAGES);

        if (ept.pages[page])
            pages_free(ept_unmap(page));
        else
            ept_map(page);
    }
}

void ept_finish(void)
{
    ept_harvest();
    for (unsigned page = 0; page < EPT_PAGES; page++)
        if (ept.copy[page] != ept.content[page])
            violation(VIOLATION_LOST_WRITE,
                      "the copy of GPA %#lx has %lu of the guest's %lu writes, and no harvest says so",
                      (unsigned long)ept_gpa(page), (unsigned long)ept.copy[page],
                      (unsigned long)ept.content[page]);
}
