/* SPDX-License-Identifier: BSD-2-Clause */
/* From a gather to invalidation descriptors, and those to the units. */
#include "iommu/vtd/flush.h"
#include "iommu/vtd/cover.h"
#include "iommu/vtd/pasid.h"
#include "lib/mutant.h"

_Static_assert(VTD_COVER_MAX <= VTD_BATCH_MAX, "a range is one batch");

void vtd_flush_plan(struct vtd_flush *flush, const struct vtd_limits *limits, bool first_stage, uint16_t did,
                    const struct gather *gather)
{
    /* Only where no table went may table entries stay cached (IH). */
    bool leaf_only = !gather_has_tables(gather) || mutant(LEAVES_ONLY);
    struct vtd_block blocks[VTD_COVER_MAX];

    flush->count = 0;
    if (limits->page_selective)
        flush->count = vtd_cover_range(gather->iova, gather->last, limits->mask_max, blocks);
    for (unsigned i = 0; i < flush->count; i++) {
        unsigned mask = blocks[i].mask - (blocks[i].mask && mutant(MASK_TOO_SMALL));

        flush->descriptors[i] =
            first_stage ? vtd_descriptor_pasid_iotlb(did, VTD_RID_PASID, blocks[i].iova, mask, leaf_only)
                        : vtd_descriptor_iotlb(did, blocks[i].iova, mask, leaf_only);
    }
    if (flush->count)
        return;
    vtd_flush_plan_domain(flush, did);
    if (first_stage)
        flush->descriptors[0] = vtd_descriptor_pasid_iotlb_all(did, VTD_RID_PASID);
}

void vtd_flush_plan_domain(struct vtd_flush *flush, uint16_t did)
{
    flush->descriptors[0] = vtd_descriptor_iotlb_domain(did);
    flush->count = 1;
}

void vtd_flush_plan_all(struct vtd_flush *flush, const struct vtd_unit *unit, uint16_t did, uint32_t pasid)
{
    if (!unit->scalable) {
        vtd_flush_plan_domain(flush, did);
        return;
    }
    /* The unit carries out IOTLB invalidations after those of the PASID cache before them (6.5.2.11). After a
     * change of a context entry both are of the whole domain (6.5.2.1, 6.5.3.3); and the last one drains on
     * every unit, which not every old one does for the one before it (CAP.DRD, CAP.DWD). */
    flush->descriptors[0] = vtd_descriptor_pasid_cache_domain(did);
    flush->descriptors[1] = vtd_descriptor_iotlb_domain(did);
    flush->descriptors[2] = vtd_descriptor_pasid_iotlb_all(did, pasid);
    flush->count = 3;
}

static const struct vtd_flush *flush_of(struct vtd_flush_modes modes, unsigned unit)
{
    return vtd_unit(unit)->scalable ? modes.scalable : modes.legacy;
}

static void note_failure(unsigned unit, int result, uint64_t *failed, int *error)
{
    if (!result)
        return;
    *failed |= 1ull << unit;
    if (!*error)
        *error = result;
}

int vtd_flush_run_on(uint64_t units, struct vtd_flush_modes modes, uint64_t *failed)
{
    struct vtd_ticket tickets[IOMMU_UNITS_MAX];
    int error = 0;

    *failed = 0;
    /* All units at once, then all waits. The drain of the DMA that used an old translation is part of the
     * invalidation (6.5.4). */
    for (uint64_t rest = units; rest; rest &= rest - 1) {
        unsigned i = (unsigned)__builtin_ctzll(rest);
        const struct vtd_flush *flush = flush_of(modes, i);

        if (flush->count)
            note_failure(i,
                         vtd_queue_submit(&vtd_unit(i)->queue, flush->descriptors, flush->count, &tickets[i]),
                         failed, &error);
    }
    for (uint64_t rest = mutant(NO_WAIT) ? 0 : units & ~*failed; rest; rest &= rest - 1) {
        unsigned i = (unsigned)__builtin_ctzll(rest);
        const struct vtd_flush *flush = flush_of(modes, i);

        if (flush->count)
            note_failure(i, vtd_queue_wait(&vtd_unit(i)->queue, flush->descriptors, flush->count, tickets[i]),
                         failed, &error);
    }
    return error;
}

int vtd_flush_run(const struct iommu_domain *domain, const struct vtd_flush *flush, uint64_t *failed)
{
    /* The caller changed page-table entries before. This fence orders those stores against the read of the
     * units that may have walked them. Its partner is in domain.c, join_unit(): an attaching CPU puts
     * the unit into the mask, full fence, and only then makes the device's entry present. So either this read
     * sees the unit, or every walk of it sees the changed entries. */
    atomic_fence_full();
    return vtd_flush_run_on(atomic_read(&domain->units), (struct vtd_flush_modes){flush, flush}, failed);
}

int vtd_flush_everything(uint64_t units, uint16_t did, uint64_t *failed)
{
    const struct vtd_flush nothing = {.count = 0}, context = {{vtd_descriptor_context_global()}, 1},
                           pasids = {{vtd_descriptor_pasid_cache_global()}, 1};
    struct vtd_flush iotlb = {{vtd_descriptor_iotlb_global()}, 1},
                     both = {
                         {vtd_descriptor_iotlb_global(), vtd_descriptor_pasid_iotlb_all(did, VTD_RID_PASID)},
                         did ? 2 : 1};
    const struct vtd_flush_modes steps[] = {{&context, &context}, {&nothing, &pasids}, {&iotlb, &both}};
    uint64_t left;
    int error = 0;

    if (mutant(GLOBAL_NOT_DRAINED)) {
        iotlb.descriptors[0].word[0] &= ~(VTD_DESCRIPTOR_DW | VTD_DESCRIPTOR_DR);
        both.descriptors[0] = iotlb.descriptors[0];
    }
    *failed = 0;
    for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
        int result = vtd_flush_run_on(units & ~*failed, steps[i], &left);

        *failed |= left;
        error = error ? error : result;
    }
    return error;
}

int vtd_flush_unit(const struct vtd_unit *unit, uint16_t did)
{
    uint64_t failed;

    return vtd_flush_everything(1ull << unit->index, did, &failed);
}
