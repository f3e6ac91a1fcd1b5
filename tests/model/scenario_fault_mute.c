/* SPDX-License-Identifier: BSD-2-Clause */
/* A device that faults in a loop is muted, so that other devices' faults are recorded; beside whoever moves
 * it. */
#include "iommu/iommu.h"
#include "iommu/vtd/fault_mute.h"
#include "iommu/vtd/vtd.h"
#include "lib/atomic.h"
#include "lib/deadline.h"
#include "lib/event_queue.h"
#include "lib/rcu.h"
#include "lib/units.h"
#include "tests/model/scenario_driver.h"
#include "tests/model/sometimes.h"
#include "tests/model/spec_registers.h"

#define PAGES       4
#define IOVA        0x40000000ull
#define LOUD_FAULTS 600 /* more than make a storm */

static const struct pci_address quiet_address = {0, 3, 0};
static struct device quiet;
static bool over;

static bool nothing_recorded(void *context)
{
    (void)context;
    return !(machine_unit(0)->fsts & (SPEC_FSTS_PPF | SPEC_FSTS_PFO));
}

/* Again as soon as the last fault is read, which takes few steps. */
static void fault_in_a_loop(void *context)
{
    for (unsigned i = 0; i < LOUD_FAULTS; i++) {
        schedule_wait(nothing_recorded, context, "that its last fault is read");
        (void)device_access(&rig.devices[0], rig_page(i % PAGES), true);
    }
    atomic_write(&over, true);
}

static void run_events(void *context)
{
    (void)context;
    while (!atomic_read(&over)) {
        (void)iommu_fault_count();
        rcu_quiescent();
        if (!event_queue_run())
            platform_relax();
    }
}

static bool nobody_muted(void)
{
    event_queue_run();
    rcu_quiescent();
    return !vtd_fault_any_muted();
}

static bool all_read(void)
{
    (void)iommu_fault_count();
    event_queue_run();
    rcu_quiescent();
    return nothing_recorded(NULL);
}

static void read_all(void)
{
    bool read = wait_until(all_read(), NS_PER_S / 4);

    expect(read);
}

static uint64_t faults_of(struct pci_address address)
{
    struct iommu_fault_device device;

    for (unsigned n = 0; iommu_fault_device(n, &device); n++)
        if (pci_address_equal(device.device, address))
            return device.faults;
    return 0;
}

static void start(void)
{
    struct unit_config few = *rig_choose_unit(3);
    static struct unit_config config;
    const struct unit_config *configs = &config;

    few.cap &= ~SPEC_CAP_WITH_NFR(256); /* one register */
    config = few;
    rig_start(&configs, 1, IOVA, PAGES);
    (void)rig_attach(0);
    device_make(&quiet, "quiet device", pci_source_id(quiet_address), false);
    oracle_watch(rig.oracle, &quiet);
    rig_start_cpu(1, "events", run_events, NULL);
    (void)agent_start(AGENT_DEVICE, 0, "loud device", fault_in_a_loop, NULL);
}

/* All wait, so time passes quickly. */
static void wait_for_sound(void)
{
    bool sound = wait_until(nobody_muted(), 10 * NS_PER_S);

    expect(sound);
}

SCENARIO(loud_device_is_muted, .kind = SCENARIO_RANDOM,
         .what =
             "of a device that faults in a loop only so much is recorded, a fault of another device is, and "
             "a second later its own are again")
{
    const struct pci_address loud = pci_address_from_source_id(0, 0);
    uint64_t recorded;
    bool muted;

    start();
    rig_run();
    /* Where time goes by in large steps it is never so much in a second. */
    muted = vtd_unit(0)->fault_mutes > 0;
    sometimes(muted);
    read_all();
    recorded = faults_of(loud);
    expect(!muted || recorded < LOUD_FAULTS);
    expect(!device_access(&quiet, IOVA, false));
    read_all();
    expect_equal(faults_of(quiet_address), 1);
    wait_for_sound();
    expect(!device_access(&rig.devices[0], IOVA, true));
    read_all();
    expect_equal(faults_of(loud), recorded + 1);
    rig_finish();
}

SCENARIO(loud_device_x_move, .kind = SCENARIO_RANDOM,
         .what = "a device is muted while it is detached and attached: it reaches what its domain maps, and "
                 "nothing while it is in none")
{
    static struct rig_mover mover = {.device = 0, .operations = 6};

    start();
    rig_start_mover(2, &mover);
    rig_run();
    wait_for_sound();
    rig_finish();
}
