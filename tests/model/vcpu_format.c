/* SPDX-License-Identifier: BSD-2-Clause */
/* What a CPU takes an entry of a guest's tables for, and what it finds wrong with it. */
#include "tests/model/spec_guest_tables.h"
#include "tests/model/vcpu_walk.h"

static bool is_leaf(uint64_t entry, unsigned level)
{
    return level == 0 || entry & GUEST_LARGE;
}

static struct vcpu_entry decode_ept(uint64_t entry, unsigned level, bool keeps_dirty)
{
    return (struct vcpu_entry){
        .present = entry & EPT_PRESENT,
        .leaf = entry & EPT_PRESENT && is_leaf(entry, level),
        .readable = entry & EPT_READ,
        .writable = entry & EPT_WRITE,
        .dirty = !keeps_dirty || entry & EPT_DIRTY,
        .address = entry & GUEST_ADDRESS,
    };
}

static struct vcpu_entry decode_nested(uint64_t entry, unsigned level)
{
    bool user = entry & NESTED_USER;

    return (struct vcpu_entry){
        .present = entry & NESTED_PRESENT,
        .leaf = entry & NESTED_PRESENT && is_leaf(entry, level),
        .readable = user,
        .writable = user && entry & NESTED_WRITE,
        .dirty = entry & NESTED_DIRTY,
        .address = entry & GUEST_ADDRESS & ~(level && entry & GUEST_LARGE ? NESTED_LARGE_PAT : 0),
    };
}

struct vcpu_entry vcpu_entry_decode(const struct vcpu *vcpu, uint64_t entry, unsigned level)
{
    return vcpu->format == VCPU_EPT ? decode_ept(entry, level, vcpu->accessed_dirty)
                                    : decode_nested(entry, level);
}

uint64_t vcpu_entry_marks(const struct vcpu *vcpu, bool dirty)
{
    if (!vcpu->accessed_dirty)
        return 0;
    if (vcpu->format == VCPU_EPT)
        return EPT_ACCESSED | (dirty ? EPT_DIRTY : 0);
    return NESTED_ACCESSED | (dirty ? NESTED_DIRTY : 0);
}

static uint64_t large_reserved(unsigned level)
{
    return level == 1 ? GUEST_LARGE_2M : level == 2 ? GUEST_LARGE_1G : 0;
}

/* SDM volume 3, "EPT Misconfigurations". Execute-only pages are an option, and this CPU lacks it. */
static const char *ept_broken(uint64_t entry, unsigned level)
{
    unsigned type = entry >> EPT_TYPE_SHIFT & EPT_TYPE_MASK;

    if (!(entry & EPT_PRESENT))
        return NULL;
    if (!(entry & EPT_READ))
        return "may be written or executed, but not read";
    if (!is_leaf(entry, level))
        return entry & EPT_TABLE_3_6 ? "has a reserved bit of an entry that points to a table" : NULL;
    if (level > 2)
        return "is large at a level that has no leaves";
    if (type == 2 || type == 3 || type == 7)
        return "has a reserved memory type";
    return entry & large_reserved(level) ? "is large, and its address is not aligned" : NULL;
}

/* AMD64 volume 2, 5.3: figures of the long-mode entries. */
static const char *nested_broken(uint64_t entry, unsigned level)
{
    if (!(entry & NESTED_PRESENT))
        return NULL;
    if (level > 2 && entry & GUEST_LARGE)
        return "is large at a level that has no leaves";
    if (!is_leaf(entry, level))
        return level >= 2 && entry & NESTED_TABLE_8 ? "has bit 8 set and points to a table" : NULL;
    return entry & large_reserved(level) & ~NESTED_LARGE_PAT ? "is large, and its address is not aligned"
                                                             : NULL;
}

const char *vcpu_entry_broken(const struct vcpu *vcpu, uint64_t entry, unsigned level)
{
    const char *broken = vcpu->format == VCPU_EPT ? ept_broken(entry, level) : nested_broken(entry, level);

    if (!broken && vcpu_entry_decode(vcpu, entry, level).present && entry & GUEST_ADDRESS_ABOVE)
        return "has an address beyond what the CPU can address";
    return broken;
}
