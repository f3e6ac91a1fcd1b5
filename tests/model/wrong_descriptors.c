/* SPDX-License-Identifier: BSD-2-Clause */
/* Descriptors with wrong fields, one for each thing that can be wrong; and those that are right to the edge.
 */
#include "tests/model/bare.h"
#include "tests/model/configs.h"
#include "tests/model/scenario.h"
#include "tests/model/spec_descriptors.h"
#include "tests/model/spec_registers.h"

#define GLOBAL_IOTLB                                                                                         \
    (SPEC_DESCRIPTOR_IOTLB | SPEC_DESCRIPTOR_WITH_G(SPEC_IOTLB_GLOBAL) | SPEC_IOTLB_DW | SPEC_IOTLB_DR)
#define GLOBAL_CONTEXT (SPEC_DESCRIPTOR_CONTEXT | SPEC_DESCRIPTOR_WITH_G(SPEC_CONTEXT_GLOBAL))

static struct unit *unit;

static void wait(void)
{
    bool done = bare_wait(unit);

    expect(done);
}

static void submit_one(const struct unit_config *config, bool scalable, uint64_t word0, uint64_t word1)
{
    unit = bare_start(config, scalable);
    bare_submit(unit, word0, word1);
    wait();
}

#define WRONG_FIELD(name, config, scalable, text, word0, word1)                                              \
    SCENARIO(wrong_##name, .kind = SCENARIO_WRONG, .expected = VIOLATION_DESCRIPTOR, .what = text)           \
    {                                                                                                        \
        submit_one(config, scalable, word0, word1);                                                          \
    }

#define PAGES(did)                                                                                           \
    (SPEC_DESCRIPTOR_IOTLB | SPEC_DESCRIPTOR_WITH_G(SPEC_IOTLB_PAGE) | SPEC_DESCRIPTOR_WITH_DID(did) |       \
     SPEC_IOTLB_DW | SPEC_IOTLB_DR)
#define PASID_PAGES(did, pasid)                                                                              \
    (SPEC_DESCRIPTOR_PASID_IOTLB | SPEC_DESCRIPTOR_WITH_G(SPEC_PASID_IOTLB_PAGE) |                           \
     SPEC_DESCRIPTOR_WITH_DID(did) | SPEC_DESCRIPTOR_WITH_PASID(pasid))
#define INTERRUPTS(index, mask)                                                                              \
    (SPEC_DESCRIPTOR_INTERRUPT | SPEC_INTERRUPT_SELECTIVE | SPEC_INTERRUPT_WITH_INDEX(index) |               \
     SPEC_INTERRUPT_WITH_IM(mask))

/* A unit that has less than any real one, so that there is something beyond each field. */
static const struct unit_config unit_narrow = {
    .name = "narrow",
    .ver = SPEC_VER_OF(4, 0),
    .cap = SPEC_CAP_WITH_ND(2) | SPEC_CAP_WITH_FRO(0x220) | SPEC_CAP_WITH_NFR(1) | SPEC_CAP_WITH_MGAW(39) |
           SPEC_CAP_WITH_SAGAW(SPEC_SAGAW_3) | SPEC_CAP_PSI | SPEC_CAP_WITH_MAMV(4) | SPEC_CAP_DWD |
           SPEC_CAP_DRD,
    .ecap = SPEC_ECAP_QI | SPEC_ECAP_C | SPEC_ECAP_IR | SPEC_ECAP_WITH_MHMV(2) | SPEC_ECAP_SMTS |
            SPEC_ECAP_SSTS | SPEC_ECAP_FSTS | SPEC_ECAP_SMPWC | SPEC_ECAP_PASID | SPEC_ECAP_WITH_PSS(8) |
            SPEC_ECAP_WITH_IRO(0xf0),
};

WRONG_FIELD(type, &unit_modern, true, "a descriptor of no known type", 9, 0)
WRONG_FIELD(type_high_bits, &unit_modern, true, "a descriptor with bits 11:9 of its type set",
            GLOBAL_IOTLB | 1 << 9, 0)
WRONG_FIELD(reserved_bits, &unit_modern, true, "a descriptor with a reserved bit set",
            GLOBAL_CONTEXT | 1ull << 63, 0)
WRONG_FIELD(reserved_bits_above, &unit_modern, true,
            "a descriptor with a reserved bit of its second word set", PAGES(1), 1 << 7)
WRONG_FIELD(context_granularity, &unit_modern, true, "context cache: reserved granularity",
            SPEC_DESCRIPTOR_CONTEXT, 0)
WRONG_FIELD(iotlb_granularity, &unit_modern, true, "IOTLB: reserved granularity", SPEC_DESCRIPTOR_IOTLB, 0)
WRONG_FIELD(pasid_cache_granularity, &unit_modern, true, "PASID cache: reserved granularity",
            SPEC_DESCRIPTOR_PASID_CACHE | SPEC_DESCRIPTOR_WITH_G(2), 0)
WRONG_FIELD(pasid_iotlb_granularity, &unit_modern, true, "PASID-based IOTLB: reserved granularity",
            SPEC_DESCRIPTOR_PASID_IOTLB | SPEC_DESCRIPTOR_WITH_G(1), 0)
WRONG_FIELD(address_mask, &unit_small_mask, true, "IOTLB: an address mask beyond CAP.MAMV", PAGES(1), 10)
WRONG_FIELD(alignment, &unit_modern, true, "IOTLB: an address that is no multiple of its mask", PAGES(1),
            0x1000 | 1)
WRONG_FIELD(pasid_iotlb_alignment, &unit_modern, true,
            "PASID-based IOTLB: an address that is no multiple of its mask", PASID_PAGES(1, 0), 0x3000 | 2)
WRONG_FIELD(address, &unit_modern, true, "IOTLB: an address beyond CAP.MGAW", PAGES(1), 1ull << 48)
WRONG_FIELD(page_selective, &unit_no_page_selective, true,
            "IOTLB: page-selective, on a unit that has not that", PAGES(1), 0)
WRONG_FIELD(domain_id, &unit_narrow, true, "IOTLB: a domain id that the unit has not", PAGES(256), 0)
WRONG_FIELD(pasid, &unit_narrow, true, "PASID-based IOTLB: a PASID that the unit has not",
            PASID_PAGES(1, 256), 0)
WRONG_FIELD(wide_type, &unit_old, false, "a type of 256 bits in a queue of 128-bit descriptors",
            PASID_PAGES(1, 0), 0)
WRONG_FIELD(device_type, &unit_narrow, true, "device TLB, on a unit that knows none", SPEC_DESCRIPTOR_DEVICE,
            0)
WRONG_FIELD(physical_function, &unit_modern, true, "device TLB: PFSID, on a unit without ECAP.DIT",
            SPEC_DESCRIPTOR_DEVICE | 1ull << 52, 0)
WRONG_FIELD(page_request_drain, &unit_modern, true, "wait: PD, on a unit without ECAP.PDS",
            SPEC_DESCRIPTOR_WAIT | SPEC_WAIT_PD, 0)
WRONG_FIELD(status_address, &unit_modern, true, "wait: a status address that is no multiple of 4",
            SPEC_DESCRIPTOR_WAIT | SPEC_WAIT_SW, 0x40000002)
WRONG_FIELD(index_mask, &unit_narrow, true, "interrupt entries: an index mask beyond ECAP.MHMV",
            INTERRUPTS(0, 3), 0)
WRONG_FIELD(index, &unit_modern, true, "interrupt entries: an index that is no multiple of its mask",
            INTERRUPTS(1, 1), 0)

/* What every unit has, up to the edges. */
static void submit_right_ones(const struct unit_config *config, bool scalable)
{
    uint64_t mamv = SPEC_CAP_MAMV(config->cap);
    uint64_t did = (1ull << (4 + 2 * SPEC_CAP_ND(config->cap))) - 1;

    unit = bare_start(config, scalable);
    schedule_set_calm(false);
    bare_put(unit, GLOBAL_CONTEXT, 0);
    bare_put(unit,
             SPEC_DESCRIPTOR_CONTEXT | SPEC_DESCRIPTOR_WITH_G(SPEC_CONTEXT_DEVICE) |
                 SPEC_DESCRIPTOR_WITH_DID(did) | SPEC_CONTEXT_WITH_SID(0xffff) | SPEC_CONTEXT_WITH_FM(3),
             0);
    bare_put(unit, GLOBAL_IOTLB, 0);
    bare_put(
        unit,
        SPEC_DESCRIPTOR_IOTLB | SPEC_DESCRIPTOR_WITH_G(SPEC_IOTLB_DOMAIN) | SPEC_DESCRIPTOR_WITH_DID(did), 0);
    if (config->cap & SPEC_CAP_PSI)
        bare_put(unit, PAGES(did), 1ull << (12 + mamv) | SPEC_DESCRIPTOR_IH | mamv);
    bare_put(unit, SPEC_DESCRIPTOR_INTERRUPT, 0);
    bare_put(unit, INTERRUPTS(0xfffc, 2), 0);
    bare_put(unit, SPEC_DESCRIPTOR_WAIT | SPEC_WAIT_FN, 0);
    if (scalable) {
        bare_put(unit, SPEC_DESCRIPTOR_PASID_CACHE | SPEC_DESCRIPTOR_WITH_G(SPEC_PASID_CACHE_GLOBAL), 0);
        bare_put(unit, PASID_PAGES(did, 0xff), 1ull << 40 | 28);
        bare_put(unit,
                 SPEC_DESCRIPTOR_PASID_IOTLB | SPEC_DESCRIPTOR_WITH_G(SPEC_PASID_IOTLB_ALL) |
                     SPEC_DESCRIPTOR_WITH_DID(did),
                 0);
    }
    wait();
}

SCENARIO(right_fields, .kind = SCENARIO_RANDOM, .what = "descriptors with all that a new unit knows")
{
    submit_right_ones(&unit_modern, true);
}

SCENARIO(right_fields_narrow, .kind = SCENARIO_RANDOM, .what = "the same, on a unit that has less")
{
    submit_right_ones(&unit_narrow, true);
}

SCENARIO(right_fields_without_pages, .kind = SCENARIO_RANDOM,
         .what = "PASID-based page-selective invalidation where CAP.PSI is clear, which is about IOTLB only")
{
    submit_right_ones(&unit_no_page_selective, true);
}

SCENARIO(right_fields_legacy, .kind = SCENARIO_RANDOM, .what = "the same, in 128 bits of legacy mode")
{
    submit_right_ones(&unit_old, false);
}
