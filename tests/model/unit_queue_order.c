/* SPDX-License-Identifier: BSD-2-Clause */
/* In which order descriptors may be carried out (6.5.2.11): any that the rules there leave open. */
#include "tests/model/unit_queue.h"

#define KIND(type) (1u << SPEC_DESCRIPTOR_##type)

/* What has to be complete, of all that is ahead, before a descriptor of that type. Not said, and so not kept:
 * that a device TLB is invalidated after a PASID-based IOTLB invalidation if the device-TLB descriptor has no
 * PASID (the rule for it names iotlb_inv_dsc alone). Linux puts the two side by side for first-stage domains;
 * whoever wants them in order by the letter puts a fence between them. */
static const unsigned ahead_of[SPEC_DESCRIPTORS] = {
    [SPEC_DESCRIPTOR_PASID_CACHE] = KIND(CONTEXT),
    [SPEC_DESCRIPTOR_IOTLB] = KIND(CONTEXT) | KIND(PASID_CACHE),
    [SPEC_DESCRIPTOR_PASID_IOTLB] = KIND(CONTEXT) | KIND(PASID_CACHE),
    [SPEC_DESCRIPTOR_DEVICE] = KIND(IOTLB) | KIND(INTERRUPT),
    [SPEC_DESCRIPTOR_PASID_DEVICE] = KIND(IOTLB) | KIND(PASID_IOTLB) | KIND(INTERRUPT),
};

/* Whether `later` must wait for `earlier`, which is not complete. */
static bool must_wait_for(const struct unit_pending *later, const struct unit_pending *earlier)
{
    unsigned later_type = SPEC_DESCRIPTOR_TYPE(later->word[0]);
    unsigned earlier_type = SPEC_DESCRIPTOR_TYPE(earlier->word[0]);

    if (earlier_type == SPEC_DESCRIPTOR_WAIT && earlier->word[0] & SPEC_WAIT_FN)
        return true;
    /* A wait is for all that is behind the wait before it; and may well overtake that one. */
    if (later_type == SPEC_DESCRIPTOR_WAIT)
        return earlier_type != SPEC_DESCRIPTOR_WAIT && earlier->epoch == later->epoch;
    return ahead_of[later_type] & 1u << earlier_type;
}

bool unit_queue_may_carry_out(const struct unit *unit, unsigned n)
{
    const struct unit_pending *descriptor = &unit->pending[n];

    if (descriptor->done || descriptor->awaits_device)
        return false;
    for (unsigned i = 0; i < n; i++)
        if (!unit->pending[i].done && must_wait_for(descriptor, &unit->pending[i]))
            return false;
    return true;
}
