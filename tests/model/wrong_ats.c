/* SPDX-License-Identifier: BSD-2-Clause */
/* Device TLBs: forgotten, in the wrong order, and devices that do not answer; each beside the right way. */
#include "lib/platform.h"
#include "tests/model/bare_rig.h"
#include "tests/model/scenario.h"
#include "tests/model/spec_registers.h"

static struct rig rig;

static void begin(enum bare_stage stage)
{
    rig_make(&rig, &unit_modern, stage, true);
    rig_warm(&rig);
    rig_go(&rig);
    rig_clear(&rig, 0);
}

static void finish_by(unsigned word)
{
    bool done;

    rig_put_wait(&rig, word, false);
    bare_kick(rig.unit);
    done = rig_wait(&rig, word);
    expect(done);
    bare_forbid(rig_iova(0));
    rig_end(&rig);
}

static void finish(void)
{
    finish_by(0);
}

/* --- order --- */

SCENARIO(device_tlb_forgotten, .kind = SCENARIO_WRONG, .expected = VIOLATION_STALE,
         .what = "a page is unmapped, and the device's TLB is not told")
{
    begin(BARE_SECOND_STAGE);
    rig_put_iotlb(&rig, 0, 0, true);
    finish();
}

SCENARIO(device_tlb_before_iotlb, .kind = SCENARIO_WRONG, .expected = VIOLATION_STALE,
         .what = "the device's TLB is invalidated before the IOTLB, which fills it again")
{
    begin(BARE_SECOND_STAGE);
    rig_put_device_tlb(&rig, 0);
    rig_put_iotlb(&rig, 0, 0, true);
    finish();
}

SCENARIO(device_tlb_after_iotlb, .kind = SCENARIO_RANDOM,
         .what = "the IOTLB, and behind it in the same batch the device's TLB")
{
    begin(BARE_SECOND_STAGE);
    rig_put_iotlb(&rig, 0, 0, true);
    rig_put_device_tlb(&rig, 0);
    finish();
}

SCENARIO(device_tlb_while_asking, .kind = SCENARIO_RANDOM,
         .what = "the same while the device asks for the translation for the first time")
{
    rig_make(&rig, &unit_modern, BARE_SECOND_STAGE, true);
    rig_go(&rig);
    for (unsigned i = 0; i < 30; i++)
        (void)bare_read32(rig.unit, SPEC_GSTS); /* about as long as the answer takes */
    rig_clear(&rig, 0);
    rig_put_iotlb(&rig, 0, 0, true);
    rig_put_device_tlb(&rig, 0);
    finish();
}

SCENARIO(device_tlb_beside_pasid_iotlb, .kind = SCENARIO_WRONG, .expected = VIOLATION_STALE,
         .what =
             "a device-TLB descriptor without PASID relies on the order to a PASID-based IOTLB one, of which "
             "the specification says nothing (6.5.2.11)")
{
    begin(BARE_FIRST_STAGE);
    rig_put_iotlb(&rig, 0, 0, true);
    rig_put_device_tlb(&rig, 0);
    finish();
}

SCENARIO(device_tlb_behind_fence, .kind = SCENARIO_RANDOM,
         .what = "a fence stands between PASID-based IOTLB and device-TLB descriptor")
{
    begin(BARE_FIRST_STAGE);
    rig_put_iotlb(&rig, 0, 0, true);
    rig_put_wait(&rig, 1, true);
    rig_put_device_tlb(&rig, 0);
    finish();
}

/* --- PASIDs --- */

#define PASID 3

static void begin_with_pasid(void)
{
    rig_make(&rig, &unit_modern, BARE_SECOND_STAGE, true);
    bare_attach_pasid(rig.unit, RIG_SOURCE, PASID, BARE_SECOND_STAGE, RIG_DID, rig.root, rig.levels, false);
    bare_invalidate_all(rig.unit);
    rig.pasid = PASID;
    rig_warm(&rig);
    rig_go(&rig);
    rig_clear(&rig, 0);
    rig_put_iotlb(&rig, 0, 0, true);
}

SCENARIO(device_tlb_of_requests_without_pasid, .kind = SCENARIO_WRONG, .expected = VIOLATION_STALE,
         .what = "a device goes by a PASID, and its TLB is invalidated for requests without one")
{
    begin_with_pasid();
    rig_put_device_tlb(&rig, 0);
    finish();
}

SCENARIO(device_tlb_of_a_pasid, .kind = SCENARIO_RANDOM,
         .what = "a device goes by a PASID, and its TLB is invalidated for that")
{
    begin_with_pasid();
    rig_put_pasid_device_tlb(&rig, 0, false);
    finish();
}

SCENARIO(device_tlb_of_all_pasids, .kind = SCENARIO_RANDOM,
         .what = "a device goes by a PASID, and its TLB is invalidated for all of them (GI)")
{
    begin_with_pasid();
    rig_put_pasid_device_tlb(&rig, 0, true);
    finish();
}

/* --- devices that do not answer --- */

/* Another one, whose TLB is invalidated in the same batch, and first. */
#define OTHER_SOURCE 0x0018

static struct device other;

static void put_other(void)
{
    bare_put(rig.unit, SPEC_DESCRIPTOR_DEVICE | SPEC_DEVICE_WITH_SID(OTHER_SOURCE), rig_iova(0));
}

static void begin_with_other(bool late)
{
    rig_make(&rig, &unit_modern, BARE_SECOND_STAGE, true);
    bare_attach(rig.unit, OTHER_SOURCE, BARE_SECOND_STAGE, RIG_DID + 1, bare_table(rig.unit), rig.levels,
                false, true);
    device_make(&other, "other", OTHER_SOURCE, true);
    other.silent = !late;
    other.late = late;
    rig_warm(&rig);
    rig_go(&rig);
    rig_clear(&rig, 0);
    put_other();
    rig_put_iotlb(&rig, 0, 0, true);
    rig_put_device_tlb(&rig, 0);
    rig_put_wait(&rig, 0, false);
    bare_kick(rig.unit);
}

/* The other device is given up. What was in the batch besides is submitted again, or only the wait. The wait
 * has to be another one: if the unit had not fetched the first one yet it will complete it, for nothing. */
static void recover(bool all, unsigned word)
{
    expect(!rig_wait(&rig, 0));
    expect(bare_read32(rig.unit, SPEC_FSTS) & SPEC_FSTS_ITE);
    expect_equal(bare_read64(rig.unit, SPEC_IQERCD) >> 32 & 0xffff, OTHER_SOURCE);
    bare_write32(rig.unit, SPEC_FSTS, SPEC_FSTS_ITE);
    if (all) {
        rig_put_iotlb(&rig, 0, 0, true);
        rig_put_device_tlb(&rig, 0);
    }
    finish_by(word);
}

SCENARIO(timeout_and_only_wait_again, .kind = SCENARIO_WRONG, .expected = VIOLATION_STALE,
         .what = "after an ITE the wait alone is submitted again, though what is behind the device-TLB "
                 "descriptor may have been dropped, too (6.5.2.10)")
{
    begin_with_other(false);
    recover(false, 1);
}

SCENARIO(
    timeout_and_the_old_wait, .kind = SCENARIO_WRONG, .expected = VIOLATION_STALE,
    .what =
        "after an ITE the batch is submitted again, and its old wait is taken for its end, which the unit "
        "had not fetched and completes for nothing")
{
    begin_with_other(false);
    recover(true, 0);
}

SCENARIO(timeout_and_all_again, .kind = SCENARIO_RANDOM,
         .what = "after an ITE all behind the oldest device-TLB descriptor is submitted again")
{
    begin_with_other(false);
    recover(true, 1);
}

SCENARIO(answer_too_late, .kind = SCENARIO_RANDOM,
         .what = "a device answers after the unit has given up: ICE, and the queue goes on")
{
    begin_with_other(true);
    recover(true, 1);
    while (!(bare_read32(rig.unit, SPEC_FSTS) & SPEC_FSTS_ICE))
        platform_relax();
    expect_equal(bare_read64(rig.unit, SPEC_IQERCD) >> 48, OTHER_SOURCE);
    bare_write32(rig.unit, SPEC_FSTS, SPEC_FSTS_ICE);
    bare_invalidate_all(rig.unit);
}
