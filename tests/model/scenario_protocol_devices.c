/* SPDX-License-Identifier: BSD-2-Clause */
/* The small protocols, by every schedule: devices that go and come. */
#include "lib/rcu.h"
#include "lib/units.h"
#include "tests/model/scenario_driver.h"

#define PAGES 2
#define IOVA  (0x40200000ull - PAGE_SIZE)

/* Two pages of one table: as long as the second is mapped the table stays. */
#define ONE_TABLE 0x40200000ull

static const struct unit_config *const modern[] = {&unit_modern};
static const struct unit_config *const caching_mode[] = {&unit_caching_mode};
static const struct unit_config *const two[] = {&unit_modern, &unit_modern};
static const struct unit_config *const incoherent[] = {&unit_incoherent};

static void map_page(unsigned page, unsigned target)
{
    expect_equal(oracle_map(rig.oracle, rig_page(page), rig_last(page), rig.memory + target * PAGE_SIZE,
                            PT_READ | PT_WRITE),
                 0);
}

static void detach(void *device)
{
    rig.pages_go = true;
    expect_equal(oracle_detach(rig.oracle, device), 0);
    rig.attached[0] = false;
}

static void attach(void *device)
{
    expect_equal(oracle_attach(rig.oracle, device), 0);
    rig.attached[0] = true;
}

static void detach_and_attach(void *device)
{
    detach(device);
    attach(device);
}

static void unmap_page_0(void *context)
{
    (void)context;
    rig.pages_go = true;
    expect_equal(oracle_unmap(rig.oracle, rig_page(0), rig_last(0)), 0);
}

SCENARIO(detach_x_dma, .kind = SCENARIO_EXHAUSTIVE, .deviations = 2,
         .what = "a device is detached in the middle of its DMA")
{
    static struct rig_traffic traffic = {.device = 0, .pages = 1, .accesses = 2, .kind = RIG_WRITES};

    rig_start(modern, 1, IOVA, PAGES);
    map_page(0, 0);
    rig_start_cpu(1, "detacher", detach, rig_attach(0));
    rig_start_traffic(&traffic);
    rig_run();
    rig_finish();
}

SCENARIO(attach_x_dma, .kind = SCENARIO_EXHAUSTIVE, .deviations = 2,
         .what = "a device that is blocked, and caches that, is attached while it sends requests")
{
    static struct rig_traffic traffic = {.device = 0, .pages = 1, .accesses = 2, .kind = RIG_WRITES};
    struct device *device;

    rig_start(caching_mode, 1, IOVA, PAGES);
    map_page(0, 0);
    device = rig_attach(0);
    detach(device);
    expect(!device_access(device, rig_page(0), true));
    rig_start_cpu(1, "attacher", attach, device);
    rig_start_traffic(&traffic);
    rig_run();
    rig_finish();
}

static void attach_beside_unmap(const struct unit_config *const *configs, unsigned units)
{
    static struct rig_traffic traffic = {.device = 0, .pages = 1, .accesses = 2, .kind = RIG_READS};
    struct device *device;

    rig_start(configs, units, ONE_TABLE, PAGES);
    map_page(0, 0);
    map_page(1, 1);
    device = rig_attach(0);
    detach(device);
    if (units > 1)
        (void)rig_attach(1);
    rig_start_cpu(1, "attacher", attach, device);
    rig_start_traffic(&traffic);
    rig_start_cpu(2, "unmapper", unmap_page_0, NULL);
    rig_run();
    rig_finish();
}

SCENARIO(attach_x_unmap, .kind = SCENARIO_EXHAUSTIVE, .deviations = 2,
         .what = "a page is unmapped while the first device of its domain is attached and reads it")
{
    attach_beside_unmap(modern, 1);
}

SCENARIO(attach_x_unmap_other_unit, .kind = SCENARIO_EXHAUSTIVE, .deviations = 1,
         .what = "the same where another unit has a device of the domain already")
{
    attach_beside_unmap(two, 2);
}

static void attach_and_write(void *device)
{
    attach(device);
    expect(device_access(device, rig_page(0), true));
}

SCENARIO(attach_x_attach, .kind = SCENARIO_EXHAUSTIVE, .deviations = 1,
         .what =
             "two CPUs attach the first two devices of a bus, whose context table is missing, on a unit that "
             "sees only what was flushed")
{
    static const char *const names[2] = {"device 0", "device 1"};

    rig_start(incoherent, 1, IOVA, PAGES);
    map_page(0, 0);
    for (unsigned i = 0; i < 2; i++) {
        device_make(&rig.devices[i], names[i], (uint16_t)(0x300 + i * 8), false);
        rig_start_cpu(1 + i, names[i], attach_and_write, &rig.devices[i]);
    }
    rig_run();
    rig.attached[1] = true;
    rig_finish();
}

SCENARIO(move_x_dma, .kind = SCENARIO_EXHAUSTIVE, .deviations = 2,
         .what = "a device is detached and attached again, with tables made anew, while it reads")
{
    static struct rig_traffic traffic = {.device = 0, .pages = 1, .accesses = 1, .kind = RIG_READS};

    rig_start(modern, 1, IOVA, PAGES);
    map_page(0, 0);
    rig_start_cpu(1, "mover", detach_and_attach, rig_attach(0));
    rig_start_traffic(&traffic);
    rig_run();
    rig_finish();
}
