/* SPDX-License-Identifier: BSD-2-Clause */
/* The self-test of accessed and dirty bits, unit by unit: which ones need it, and what follows from it. */
#include "iommu/self_test.h"
#include "iommu/vtd/self_test.h"
#include "iommu/vtd/vtd.h"
#include "lib/log.h"

/* What keeps a unit from being tested, whatever device is behind it; NULL if nothing. */
static const char *why_not(const struct vtd_unit *unit)
{
    enum vtd_stage stage = vtd_stage();
    struct vtd_stage_limits own;

    vtd_stage_limits_of(unit, 1, stage, &own);
    if (!own.units)
        return "it lacks the stage that domains have, so its devices stay blocked";
    if (!own.keeps_dirty)
        return "keeps no dirty bits";
    if (!vtd_stage_limits(stage)->keeps_dirty)
        return "another unit keeps no dirty bits, so no domain does";
    return vtd_config()->no_dirty_self_test ? "switched off" : NULL;
}

void vtd_self_test_init(struct vtd_unit *unit)
{
    const char *why = why_not(unit);

    unit->self_test_wanted = !why;
    unit->self_test = (struct iommu_self_test){
        .verdict = IOMMU_NOT_TESTED,
        .what = why ? why : "no device that this version can drive is behind it",
    };
}

void iommu_self_test(struct iommu_dma_source *source)
{
    struct vtd_unit *unit = vtd_unit_of(source->device);
    char text[IOMMU_SELF_TEST_TEXT];

    if (!unit || !unit->on || !unit->self_test_wanted)
        return;
    iommu_self_test_run(source, &unit->self_test);
    unit->self_test_wanted = unit->self_test.verdict == IOMMU_NOT_TESTED;
    iommu_self_test_text(&unit->self_test, text, sizeof text);
    log_line(unit->self_test.verdict == IOMMU_FAILED ? LOG_ERROR : LOG_INFO,
             "vtd%u: accessed/dirty self-test: %s", unit->index, text);
}

void iommu_self_test_end(void)
{
    bool failed = false;

    for (unsigned i = 0; i < vtd_unit_count(); i++) {
        vtd_unit(i)->self_test_wanted = false;
        failed = failed || vtd_unit(i)->self_test.verdict == IOMMU_FAILED;
    }
    if (!failed)
        return;
    vtd_update_stages();
    log_error("vtd: dirty pages cannot be tracked: %s", vtd_stage_limits(vtd_stage())->why_not_dirty);
}
