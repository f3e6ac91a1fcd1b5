/* SPDX-License-Identifier: BSD-2-Clause */
/* The self-test of accessed and dirty bits by a device of the model: every unit that keeps the rules passes,
 * whatever it caches; so does one beside which others work. */
#include "iommu/self_test.h"
#include "lib/error.h"
#include "lib/platform.h"
#include "lib/rcu.h"
#include "lib/units.h"
#include "tests/model/scenario_driver.h"
#include "tests/model/sometimes.h"

#define PAGES 8
#define IOVA  0x40200000ull

enum job { NONE, READ, WRITE, END };

/* The device is an agent of its own, which the tester's CPU gives jobs. */
static struct model_source {
    struct iommu_dma_source source;
    struct device device;
    struct iommu_domain *domain;
    enum job job;
    uint64_t iova;
    bool passed;
} tester;

static bool has_job(void *context)
{
    (void)context;
    return tester.job != NONE;
}

static void device_main(void *context)
{
    for (;;) {
        schedule_wait(has_job, context, "a job for the tester's device");
        if (tester.job == END)
            return;
        tester.passed = device_access(&tester.device, tester.iova, tester.job == WRITE);
        device_drain(&tester.device);
        tester.job = NONE;
    }
}

static int give_job(enum job job, uint64_t iova)
{
    tester.iova = iova;
    tester.job = job;
    while (tester.job != NONE) {
        rcu_quiescent();
        platform_relax();
    }
    return tester.passed ? 0 : ERR_HARDWARE;
}

static int source_open(struct iommu_dma_source *source, struct iommu_domain *domain, uint64_t iova)
{
    (void)iova;
    tester.domain = domain;
    return iommu_attach(domain, source->device, IOMMU_NO_PASID);
}

static int source_write(struct iommu_dma_source *source, uint64_t iova)
{
    (void)source;
    return give_job(WRITE, iova);
}

static int source_read(struct iommu_dma_source *source, uint64_t iova)
{
    (void)source;
    return give_job(READ, iova);
}

static int source_close(struct iommu_dma_source *source)
{
    return iommu_detach(tester.domain, source->device, IOMMU_NO_PASID);
}

static void test_unit(void *context)
{
    struct iommu_self_test result;
    char text[IOMMU_SELF_TEST_TEXT];

    (void)context;
    iommu_self_test_run(&tester.source, &result);
    iommu_self_test_text(&result, text, sizeof text);
    tester.job = END;
    sometimes(result.large);
    if (result.verdict != IOMMU_PASSED)
        violation(VIOLATION_LOST_WRITE, "%s", text);
}

static void start_tester(unsigned n)
{
    static const char *const name = "the tester's device";

    tester = (struct model_source){
        .source = {{0, 0, (uint8_t)(n << 3)}, source_open, source_write, source_read, source_close}};
    device_make(&tester.device, name, (uint16_t)(n << 3), false);
    rig_start_cpu(1, "tester", test_unit, NULL);
    (void)agent_start(AGENT_DEVICE, 0, name, device_main, NULL);
}

SCENARIO(self_test_passes, .kind = SCENARIO_RANDOM,
         .what = "each unit that keeps dirty bits passes the self-test, however it translates")
{
    rig_start_any(true, IOVA, PAGES);
    start_tester(0);
    rig_run();
    rig_finish();
}

SCENARIO(self_test_beside_dma, .kind = SCENARIO_RANDOM,
         .what = "the self-test passes while another device writes and its domain is harvested")
{
    static struct rig_harvester harvester = {.operations = 4};
    static struct rig_traffic traffic = {.device = 0, .pages = PAGES, .accesses = 12, .pause = 80};

    rig_start_any(true, IOVA, PAGES);
    (void)rig_attach(0);
    expect_equal(oracle_map(rig.oracle, rig_page(0), rig_last(PAGES - 1), rig.memory, PT_READ | PT_WRITE), 0);
    start_tester(1);
    rig_start_harvester(2, &harvester);
    rig_start_traffic(&traffic);
    rig_run();
    rig_finish();
}
