/* SPDX-License-Identifier: BSD-2-Clause */
/* What a descriptor must look like (6.5.2.1 to 6.5.2.8). A unit answers some of this with IQE, and takes the
 * rest for something that was not meant; a driver that knows what it does causes neither. */
#include "tests/model/history.h"
#include "tests/model/spec_registers.h"
#include "tests/model/unit_queue.h"
#include "tests/model/violation.h"

const char *unit_queue_type_name(unsigned type)
{
    static const char *const names[SPEC_DESCRIPTORS] = {
        [SPEC_DESCRIPTOR_CONTEXT] = "context cache",
        [SPEC_DESCRIPTOR_IOTLB] = "IOTLB",
        [SPEC_DESCRIPTOR_DEVICE] = "device TLB",
        [SPEC_DESCRIPTOR_INTERRUPT] = "interrupt entry cache",
        [SPEC_DESCRIPTOR_WAIT] = "wait",
        [SPEC_DESCRIPTOR_PASID_IOTLB] = "PASID-based IOTLB",
        [SPEC_DESCRIPTOR_PASID_CACHE] = "PASID cache",
        [SPEC_DESCRIPTOR_PASID_DEVICE] = "PASID-based device TLB",
    };

    return type < SPEC_DESCRIPTORS && names[type] ? names[type] : "unknown";
}

static NORETURN void refuse(const struct unit *unit, const struct unit_pending *d, const char *why)
{
    violation(VIOLATION_DESCRIPTOR,
              "vtd%u: descriptor at offset %#x (%s): %s; it is %#018lx %#018lx %#018lx %#018lx", unit->index,
              d->slot, unit_queue_type_name(SPEC_DESCRIPTOR_TYPE(d->word[0])), why, (unsigned long)d->word[0],
              (unsigned long)d->word[1], (unsigned long)d->word[2], (unsigned long)d->word[3]);
}

struct reserved {
    uint64_t word0;
    uint64_t word1;
};

static struct reserved reserved_bits(const struct unit *unit, unsigned type)
{
    uint64_t ecap = unit->config.ecap;
    uint64_t pfsid = ecap & SPEC_ECAP_DIT ? 0 : SPEC_DEVICE_PFSID_BITS;

    switch (type) {
    case SPEC_DESCRIPTOR_CONTEXT:
        return (struct reserved){SPEC_CONTEXT_RESERVED, ~0ull};
    case SPEC_DESCRIPTOR_IOTLB:
        return (struct reserved){SPEC_IOTLB_RESERVED, SPEC_IOTLB_RESERVED_1};
    case SPEC_DESCRIPTOR_DEVICE:
        return (struct reserved){SPEC_DEVICE_RESERVED | pfsid, SPEC_DEVICE_RESERVED_1};
    case SPEC_DESCRIPTOR_INTERRUPT:
        return (struct reserved){SPEC_INTERRUPT_RESERVED, ~0ull};
    case SPEC_DESCRIPTOR_WAIT:
        return (struct reserved){SPEC_WAIT_RESERVED | (ecap & SPEC_ECAP_PDS ? 0 : SPEC_WAIT_PD),
                                 SPEC_WAIT_RESERVED_1};
    case SPEC_DESCRIPTOR_PASID_IOTLB:
        return (struct reserved){SPEC_PASID_IOTLB_RESERVED, SPEC_PASID_IOTLB_RESERVED_1};
    case SPEC_DESCRIPTOR_PASID_CACHE:
        return (struct reserved){SPEC_PASID_CACHE_RESERVED, ~0ull};
    default:
        return (struct reserved){pfsid, SPEC_PASID_DEVICE_RESERVED_1};
    }
}

/* 6.5.2.10, table of valid types by mode and width. The mode is what RTADDR says; it is called out too if
 * what is in force says otherwise. */
static void check_type(const struct unit *unit, const struct unit_pending *d, unsigned type)
{
    bool wide = unit->iqa & SPEC_IQA_DW;
    bool legacy =
        SPEC_RTADDR_TTM(unit->root) == SPEC_TTM_LEGACY || SPEC_RTADDR_TTM(unit->rtaddr) == SPEC_TTM_LEGACY;
    bool is_device = type == SPEC_DESCRIPTOR_DEVICE || type == SPEC_DESCRIPTOR_PASID_DEVICE;

    if (type == 0 || type >= SPEC_DESCRIPTORS)
        refuse(unit, d, "no such type");
    if (!wide &&
        (SPEC_RTADDR_TTM(unit->root) != SPEC_TTM_LEGACY || SPEC_RTADDR_TTM(unit->rtaddr) != SPEC_TTM_LEGACY))
        refuse(unit, d, "of 128 bits, and the unit is not in legacy mode");
    if (spec_descriptor_is_wide(type) && !wide)
        refuse(unit, d, "a type of 256 bits in a queue of 128-bit descriptors");
    if (spec_descriptor_is_wide(type) && legacy)
        refuse(unit, d, "a type that legacy mode has not");
    if (is_device && !(unit->config.ecap & SPEC_ECAP_DT))
        refuse(unit, d, "the unit has no device TLBs (ECAP.DT)");
    if (type == SPEC_DESCRIPTOR_INTERRUPT && !(unit->config.ecap & SPEC_ECAP_IR))
        refuse(unit, d, "the unit does not remap interrupts (ECAP.IR)");
}

static void check_reserved(const struct unit *unit, const struct unit_pending *d, unsigned type)
{
    struct reserved reserved = reserved_bits(unit, type);

    if (d->word[0] & reserved.word0 || d->word[1] & reserved.word1 || d->word[2] || d->word[3])
        refuse(unit, d, "reserved bits are set");
}

/* The unit looks only at as many bits as it has (CAP.ND), and would invalidate some other domain. */
static void check_did(const struct unit *unit, const struct unit_pending *d)
{
    if (SPEC_DESCRIPTOR_DID(d->word[0]) >> (4 + 2 * SPEC_CAP_ND(unit->config.cap)))
        refuse(unit, d, "the unit has no such domain id (CAP.ND)");
}

static void check_pasid(const struct unit *unit, const struct unit_pending *d)
{
    if (SPEC_DESCRIPTOR_PASID(d->word[0]) >> (SPEC_ECAP_PSS(unit->config.ecap) + 1))
        refuse(unit, d, "the unit has no such PASID (ECAP.PSS)");
}

/* The unit leaves the low bits of the address out, and would invalidate another range. */
static void check_aligned(const struct unit *unit, const struct unit_pending *d)
{
    unsigned lg2 = 12 + SPEC_DESCRIPTOR_AM(d->word[1]);

    if (lg2 > 63 || (d->word[1] & SPEC_DESCRIPTOR_ADDRESS & ((1ull << lg2) - 1)))
        refuse(unit, d, "the address is not a multiple of what the address mask says");
}

static void check_context(const struct unit *unit, const struct unit_pending *d)
{
    unsigned g = SPEC_DESCRIPTOR_G(d->word[0]);

    if (g == 0)
        refuse(unit, d, "reserved granularity");
    /* In scalable mode domain ids are ignored here. */
    if (g != SPEC_CONTEXT_GLOBAL && SPEC_RTADDR_TTM(unit->root) == SPEC_TTM_LEGACY)
        check_did(unit, d);
}

static void check_iotlb(const struct unit *unit, const struct unit_pending *d)
{
    unsigned g = SPEC_DESCRIPTOR_G(d->word[0]);

    if (g == 0)
        refuse(unit, d, "reserved granularity");
    if (g != SPEC_IOTLB_GLOBAL)
        check_did(unit, d);
    if (g != SPEC_IOTLB_PAGE)
        return;
    if (!(unit->config.cap & SPEC_CAP_PSI))
        refuse(unit, d, "the unit has no page-selective invalidation (CAP.PSI)");
    if (SPEC_DESCRIPTOR_AM(d->word[1]) > SPEC_CAP_MAMV(unit->config.cap))
        refuse(unit, d, "the address mask is beyond what the unit has (CAP.MAMV)");
    if (d->word[1] >> (SPEC_CAP_MGAW(unit->config.cap) + 1))
        refuse(unit, d, "the address is beyond what the unit has (CAP.MGAW)");
    check_aligned(unit, d);
}

/* CAP.PSI and CAP.MAMV are about the second stage only: of these every unit has each mask (11.4.2). */
static void check_pasid_iotlb(const struct unit *unit, const struct unit_pending *d)
{
    unsigned g = SPEC_DESCRIPTOR_G(d->word[0]);

    if (g != SPEC_PASID_IOTLB_ALL && g != SPEC_PASID_IOTLB_PAGE)
        refuse(unit, d, "reserved granularity");
    check_did(unit, d);
    check_pasid(unit, d);
    if (g == SPEC_PASID_IOTLB_PAGE)
        check_aligned(unit, d);
}

static void check_pasid_cache(const struct unit *unit, const struct unit_pending *d)
{
    unsigned g = SPEC_DESCRIPTOR_G(d->word[0]);

    if (g == 2)
        refuse(unit, d, "reserved granularity");
    if (g != SPEC_PASID_CACHE_GLOBAL)
        check_did(unit, d);
    if (g == SPEC_PASID_CACHE_PASID)
        check_pasid(unit, d);
}

static void check_pasid_device(const struct unit *unit, const struct unit_pending *d)
{
    if (!(d->word[1] & SPEC_PASID_DEVICE_GI))
        check_pasid(unit, d);
}

/* The mask is at most what ECAP.MHMV says (11.4.3), and the index a multiple of it. */
static void check_interrupt(const struct unit *unit, const struct unit_pending *d)
{
    unsigned mask = SPEC_INTERRUPT_IM(d->word[0]);

    if (!(d->word[0] & SPEC_INTERRUPT_SELECTIVE))
        return;
    if (mask > SPEC_ECAP_MHMV(unit->config.ecap))
        refuse(unit, d, "the index mask is beyond what the unit has (ECAP.MHMV)");
    if (SPEC_INTERRUPT_INDEX(d->word[0]) & ((1u << mask) - 1))
        refuse(unit, d, "the index is not a multiple of what the index mask says");
}

void unit_queue_check(const struct unit *unit, const struct unit_pending *descriptor)
{
    static void (*const checks[SPEC_DESCRIPTORS])(const struct unit *, const struct unit_pending *) = {
        [SPEC_DESCRIPTOR_CONTEXT] = check_context,
        [SPEC_DESCRIPTOR_IOTLB] = check_iotlb,
        [SPEC_DESCRIPTOR_INTERRUPT] = check_interrupt,
        [SPEC_DESCRIPTOR_PASID_IOTLB] = check_pasid_iotlb,
        [SPEC_DESCRIPTOR_PASID_CACHE] = check_pasid_cache,
        [SPEC_DESCRIPTOR_PASID_DEVICE] = check_pasid_device,
    };
    unsigned type = SPEC_DESCRIPTOR_TYPE(descriptor->word[0]);

    check_type(unit, descriptor, type);
    check_reserved(unit, descriptor, type);
    if (checks[type])
        checks[type](unit, descriptor);
}
