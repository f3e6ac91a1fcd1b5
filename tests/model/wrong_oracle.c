/* SPDX-License-Identifier: BSD-2-Clause */
/* What the oracle calls out: drivers of a few lines that lose a write, leave a translation behind, send an
 * access elsewhere, or refuse one. Each is right but for the one thing that its scenario names. */
#include "lib/atomic.h"
#include "lib/units.h"
#include "tests/model/bare.h"
#include "tests/model/configs.h"
#include "tests/model/oracle.h"
#include "tests/model/scenario.h"
#include "tests/model/spec_tables.h"

#define IOVA   0x40000000ull
#define LAST   (IOVA + PAGE_SIZE - 1)
#define DID    5
#define LEVELS 4

static struct unit *unit;
static struct device device;
static struct oracle *oracle;
static uint64_t *root;
static uint64_t memory;

/* The machine, one page that is mapped, one device that is attached. */
static void start(void)
{
    unit = bare_start(&unit_modern, true);
    root = bare_table(unit);
    memory = bare_dma_memory(2);
    oracle = oracle_make_bare(IOVA, 1, true);
    device_make(&device, "device", 0x10, false);
    oracle_attach_begins(oracle, &device);
    bare_attach(unit, device.source_id, BARE_FIRST_STAGE, DID, root, LEVELS, false, false);
    bare_invalidate_all(unit);
    oracle_attach_ends(oracle, &device, 0);
}

static uint64_t *slot(void)
{
    return bare_slot(unit, root, LEVELS, IOVA, 0, false);
}

static void map_page(unsigned told, unsigned made)
{
    oracle_map_begins(oracle, IOVA, LAST, memory + told * PAGE_SIZE, PT_READ | PT_WRITE);
    bare_set(unit, slot(), bare_leaf(memory + made * PAGE_SIZE, 0, false));
    oracle_map_ends(oracle, IOVA, LAST, 0);
}

static void unmap_page(bool invalidate)
{
    uint64_t dirty, entry;

    oracle_unmap_begins(oracle, IOVA, LAST);
    entry = atomic_exchange(slot(), 0ull);
    if (invalidate)
        bare_invalidate_all(unit);
    dirty = !!(entry & SPEC_FS_DIRTY);
    oracle_unmap_ends(oracle, IOVA, LAST, &dirty, 0);
}

enum harvest_fault { HARVEST_RIGHT, HARVEST_NO_INVALIDATION, HARVEST_PLAIN_STORE };

static void harvest(enum harvest_fault fault)
{
    unsigned number = oracle_harvest_begins(oracle, IOVA, LAST);
    uint64_t entry, dirty;

    if (fault == HARVEST_PLAIN_STORE) {
        entry = atomic_read(slot());
        if (entry & SPEC_FS_PRESENT)
            atomic_write(slot(), entry & ~SPEC_FS_DIRTY);
    } else {
        entry = atomic_fetch_and(slot(), ~SPEC_FS_DIRTY);
    }
    if (fault != HARVEST_NO_INVALIDATION)
        bare_invalidate_all(unit);
    dirty = !!(entry & SPEC_FS_DIRTY);
    oracle_harvest_ends(oracle, number, &dirty, 0, false);
}

static void write_often(void *accesses)
{
    for (unsigned i = 0; i < *(const unsigned *)accesses; i++)
        device_access(&device, IOVA, true);
    device_drain(&device);
}

/* Harvests while the device writes, and twice after it. */
static void harvests(enum harvest_fault fault)
{
    static unsigned accesses = 6;
    struct agent *agent;

    start();
    map_page(0, 0);
    agent = agent_start(AGENT_DEVICE, 0, "device", write_often, &accesses);
    schedule_set_calm(false);
    for (unsigned i = 0; i < 3; i++)
        harvest(fault);
    agent_join(agent);
    harvest(fault);
    harvest(fault);
}

SCENARIO(harvest_by_the_rules, .kind = SCENARIO_RANDOM,

         .what = "a harvest that clears atomically and invalidates")
{
    harvests(HARVEST_RIGHT);
}

SCENARIO(harvest_without_invalidation, .kind = SCENARIO_WRONG, .expected = VIOLATION_LOST_WRITE,
         .what = "a harvest that does not invalidate: the unit goes on writing and sets no dirty bit")
{
    harvests(HARVEST_NO_INVALIDATION);
}

SCENARIO(harvest_by_plain_store, .kind = SCENARIO_WRONG, .expected = VIOLATION_LOST_WRITE,
         .what = "a harvest that clears by a plain store loses the dirty bit that came in between")
{
    harvests(HARVEST_PLAIN_STORE);
}

/* Maps and unmaps while the device writes. */
static void unmaps(bool invalidate, bool tell_dirty)
{
    static unsigned accesses = 8;
    struct agent *agent;

    start();
    agent = agent_start(AGENT_DEVICE, 0, "device", write_often, &accesses);
    schedule_set_calm(false);
    for (unsigned i = 0; i < 3; i++) {
        map_page(i, i);
        if (!tell_dirty)
            (void)atomic_fetch_and(slot(), ~SPEC_FS_DIRTY);
        unmap_page(invalidate);
    }
    agent_join(agent);
}

SCENARIO(unmap_by_the_rules, .kind = SCENARIO_RANDOM,
         .what = "an unmap that invalidates, and reports what was dirty")
{
    unmaps(true, true);
}

SCENARIO(oracle_sees_stale_unmap, .kind = SCENARIO_WRONG, .expected = VIOLATION_STALE,
         .what = "an unmap that does not invalidate: the device reaches a page that was unmapped")
{
    unmaps(false, true);
}

SCENARIO(unmap_forgets_dirty, .kind = SCENARIO_WRONG, .expected = VIOLATION_LOST_WRITE,
         .what = "an unmap whose bitmap lacks a page that was written")
{
    unmaps(true, false);
}

/* One access in the calm. */
static void one_access(bool write)
{
    device_access(&device, IOVA, write);
    device_drain(&device);
}

SCENARIO(map_elsewhere, .kind = SCENARIO_WRONG, .expected = VIOLATION_FORBIDDEN,
         .what = "a page is mapped to another one than was asked for")
{
    start();
    map_page(0, 1);
    one_access(false);
}

SCENARIO(map_writable, .kind = SCENARIO_WRONG, .expected = VIOLATION_FORBIDDEN,
         .what = "a page is mapped writable that should be read-only")
{
    start();
    oracle_map_begins(oracle, IOVA, LAST, memory, PT_READ);
    bare_set(unit, slot(), bare_leaf(memory, 0, false));
    oracle_map_ends(oracle, IOVA, LAST, 0);
    one_access(true);
}

SCENARIO(map_of_nothing, .kind = SCENARIO_WRONG, .expected = VIOLATION_SPURIOUS_FAULT,
         .what = "a map that returns before it has stored the entry")
{
    start();
    oracle_map_begins(oracle, IOVA, LAST, memory, PT_READ);
    oracle_map_ends(oracle, IOVA, LAST, 0);
    one_access(false);
    one_access(false); /* the first may have begun in the step in which the map returned */
}

/* The device is moved out while it writes. */
static void detaches(bool invalidate)
{
    static unsigned accesses = 4;
    struct agent *agent;
    uint64_t *entry;

    start();
    map_page(0, 0);
    agent = agent_start(AGENT_DEVICE, 0, "device", write_often, &accesses);
    entry = bare_context(unit, device.source_id);
    schedule_set_calm(false);
    oracle_detach_begins(oracle, &device);
    bare_set(unit, entry, *entry & ~SPEC_CONTEXT_PRESENT);
    if (invalidate)
        bare_invalidate_all(unit);
    oracle_detach_ends(oracle, &device, 0);
    agent_join(agent);
}

SCENARIO(detach_by_the_rules, .kind = SCENARIO_RANDOM,
         .what = "a detach that invalidates contexts, PASIDs and IOTLB")
{
    detaches(true);
}

SCENARIO(detach_without_invalidation, .kind = SCENARIO_WRONG, .expected = VIOLATION_STALE,
         .what = "a detach that does not invalidate: the device goes on")
{
    detaches(false);
}

SCENARIO(blocked_device_let_in, .kind = SCENARIO_WRONG, .expected = VIOLATION_FORBIDDEN,
         .what = "a device that nobody attached has a context entry all the same")
{
    static struct device other;

    start();
    map_page(0, 0);
    device_make(&other, "other device", 0x18, false);
    oracle_watch(oracle, &other);
    bare_attach(unit, other.source_id, BARE_FIRST_STAGE, DID, root, LEVELS, false, false);
    bare_invalidate_all(unit);
    device_access(&other, IOVA, false);
}
