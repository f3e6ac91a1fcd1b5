/* SPDX-License-Identifier: BSD-2-Clause */
/* A unit, a tree and a device: what bare_rig.h promises. */
#include "tests/model/bare_rig.h"
#include "lib/atomic.h"
#include "lib/deadline.h"
#include "lib/units.h"
#include "tests/model/schedule.h"
#include "tests/model/spec_registers.h"
#include "tests/model/violation.h"

#define WAIT_NS (20 * NS_PER_MS)

static uint32_t *status;

uint64_t rig_iova(unsigned page)
{
    return RIG_IOVA + page * PAGE_SIZE;
}

static bool is_second(const struct rig *rig)
{
    return rig->stage == BARE_SECOND_STAGE;
}

uint64_t *rig_slot(struct rig *rig, unsigned page, unsigned level)
{
    return bare_slot(rig->unit, rig->root, rig->levels, rig_iova(page), level, is_second(rig));
}

static void make(struct rig *rig, const struct unit_config *config, bool scalable, bool ats)
{
    rig->levels = 4;
    rig->unit = bare_start(config, scalable);
    rig->root = bare_table(rig->unit);
    rig->hpa = bare_dma_memory(1);
    status = pages_alloc(0, PAGE_HYPERVISOR);
    expect(status != NULL);
    for (unsigned page = 0; page < RIG_PAGES; page++)
        bare_set(rig->unit, rig_slot(rig, page, 0),
                 bare_leaf(rig->hpa + page * PAGE_SIZE, 0, is_second(rig)));
    bare_attach(rig->unit, RIG_SOURCE, rig->stage, RIG_DID, rig->root, rig->levels, false, ats);
    bare_invalidate_all(rig->unit);
    device_make(&rig->device, "device", RIG_SOURCE, ats);
    bare_watch(&rig->device);
}

void rig_make(struct rig *rig, const struct unit_config *config, enum bare_stage stage, bool ats)
{
    *rig = (struct rig){.stage = stage};
    make(rig, config, true, ats);
}

void rig_make_legacy(struct rig *rig, const struct unit_config *config, bool ats)
{
    *rig = (struct rig){.stage = BARE_SECOND_STAGE};
    make(rig, config, false, ats);
}

static void access_all(struct rig *rig, bool write)
{
    for (unsigned page = 0; page < RIG_PAGES; page++)
        if (rig->pasid)
            device_access_pasid(&rig->device, rig->pasid, rig_iova(page), write);
        else
            device_access(&rig->device, rig_iova(page), write);
}

static void go_on_accessing(void *context)
{
    struct rig *rig = context;

    for (unsigned round = 0; round < RIG_ROUNDS && !rig->ends; round++)
        access_all(rig, !rig->reads || round % 2);
    access_all(rig, true);
    device_drain(&rig->device);
}

void rig_warm(struct rig *rig)
{
    access_all(rig, true);
    device_drain(&rig->device);
}

void rig_go(struct rig *rig)
{
    schedule_set_calm(false);
    rig->agent = agent_start(AGENT_DEVICE, 0, "device", go_on_accessing, rig);
}

void rig_end(struct rig *rig)
{
    rig->ends = true;
    agent_join(rig->agent);
    schedule_set_calm(true);
}

void rig_clear(struct rig *rig, unsigned page)
{
    bare_set(rig->unit, rig_slot(rig, page, 0), 0);
}

void rig_put_iotlb(struct rig *rig, unsigned page, unsigned mask, bool leaves_only)
{
    uint64_t word1 = rig_iova(page) | mask | (leaves_only ? SPEC_DESCRIPTOR_IH : 0);

    if (is_second(rig))
        bare_put(rig->unit,
                 SPEC_DESCRIPTOR_IOTLB | SPEC_DESCRIPTOR_WITH_G(SPEC_IOTLB_PAGE) |
                     SPEC_DESCRIPTOR_WITH_DID(RIG_DID) | SPEC_IOTLB_DW | SPEC_IOTLB_DR,
                 word1);
    else
        bare_put(rig->unit,
                 SPEC_DESCRIPTOR_PASID_IOTLB | SPEC_DESCRIPTOR_WITH_G(SPEC_PASID_IOTLB_PAGE) |
                     SPEC_DESCRIPTOR_WITH_DID(RIG_DID),
                 word1);
}

void rig_put_device_tlb(struct rig *rig, unsigned page)
{
    bare_put(rig->unit, SPEC_DESCRIPTOR_DEVICE | SPEC_DEVICE_WITH_SID(rig->device.source_id), rig_iova(page));
}

void rig_put_pasid_device_tlb(struct rig *rig, unsigned page, bool all_pasids)
{
    bare_put(rig->unit,
             SPEC_DESCRIPTOR_PASID_DEVICE | SPEC_PASID_DEVICE_WITH_SID(rig->device.source_id) |
                 SPEC_DESCRIPTOR_WITH_PASID(all_pasids ? 0 : rig->pasid),
             rig_iova(page) | (all_pasids ? SPEC_PASID_DEVICE_GI : 0));
}

void rig_put_wait(struct rig *rig, unsigned word, bool fence)
{
    atomic_write(&status[word], 0u);
    bare_put(rig->unit,
             SPEC_DESCRIPTOR_WAIT | SPEC_WAIT_SW | (fence ? SPEC_WAIT_FN : 0) | SPEC_WAIT_WITH_STATUS(1),
             virt_to_phys(&status[word]));
}

static bool stopped(struct rig *rig)
{
    return bare_read32(rig->unit, SPEC_FSTS) & (SPEC_FSTS_IQE | SPEC_FSTS_ITE);
}

bool rig_wait(struct rig *rig, unsigned word)
{
    return wait_until(atomic_read_acquire(&status[word]) == 1 || stopped(rig), WAIT_NS) &&
           atomic_read_acquire(&status[word]) == 1;
}

void rig_invalidate(struct rig *rig, unsigned page)
{
    bool done;

    rig_put_iotlb(rig, page, 0, true);
    rig_put_wait(rig, 0, false);
    bare_kick(rig->unit);
    done = rig_wait(rig, 0);
    expect(done);
    bare_forbid(rig_iova(page));
}
