/* SPDX-License-Identifier: BSD-2-Clause */
/* The reasons of VT-d for what tests provoke, by table mode and stage (7.1.3, table 30 of revision 5.1). */
#include "tests/target/refusal.h"
#include "iommu/vtd/vtd.h"
#include <string.h>

#define REASONS_MAX 4

enum mode { MODE_LEGACY, MODE_SECOND_STAGE, MODE_FIRST_STAGE, MODES };

struct reasons {
    uint8_t of_reads[REASONS_MAX]; /* ended by 0 */
    uint8_t of_writes[REASONS_MAX];
};

/* A blocked device has no root entry, no context entry, or no PASID-table entry. */
#define LEGACY_BLOCKED                                                                                       \
    {                                                                                                        \
        0x01, 0x02                                                                                           \
    }
#define SCALABLE_BLOCKED                                                                                     \
    {                                                                                                        \
        0x39, 0x41, 0x59                                                                                     \
    }

static const struct reasons reasons[MODES][REFUSALS] = {
    [MODE_LEGACY] =
        {
            [REFUSAL_BLOCKED] = {LEGACY_BLOCKED, LEGACY_BLOCKED},
            [REFUSAL_NOT_MAPPED] = {{0x06}, {0x05}},
            [REFUSAL_NOT_PERMITTED] = {{0x06}, {0x05}},
            [REFUSAL_BEYOND] = {{0x04}, {0x04}},
        },
    [MODE_SECOND_STAGE] =
        {
            [REFUSAL_BLOCKED] = {SCALABLE_BLOCKED, SCALABLE_BLOCKED},
            [REFUSAL_NOT_MAPPED] = {{0x79}, {0x79}},
            [REFUSAL_NOT_PERMITTED] = {{0x86}, {0x85}},
            [REFUSAL_BEYOND] = {{0x83, 0x84}, {0x83, 0x84}},
        },
    [MODE_FIRST_STAGE] =
        {
            [REFUSAL_BLOCKED] = {SCALABLE_BLOCKED, SCALABLE_BLOCKED},
            [REFUSAL_NOT_MAPPED] = {{0x71}, {0x71}},
            [REFUSAL_NOT_PERMITTED] = {{0x86}, {0x85}},
            [REFUSAL_BEYOND] = {{0x80, 0x83}, {0x80, 0x83}},
        },
};

static bool has(enum mode mode, enum refusal refusal, bool write, uint8_t reason)
{
    const struct reasons *both = &reasons[mode][refusal];

    return reason && memchr(write ? both->of_writes : both->of_reads, reason, REASONS_MAX);
}

/* QEMU 10.0 tells those of legacy mode also in scalable mode, but for what first-stage tables say. */
static bool tells_legacy_reasons(enum mode mode, enum refusal refusal)
{
    return strncmp(vtd_dmar()->table.oem_id, "BOCHS", 5) == 0 &&
           (mode == MODE_SECOND_STAGE || refusal == REFUSAL_BLOCKED);
}

bool refusal_has_reason(const struct vtd_unit *unit, enum refusal refusal, bool write, uint8_t reason)
{
    enum mode mode = MODE_LEGACY;

    if (unit->scalable)
        mode = vtd_stage() == VTD_FIRST_STAGE ? MODE_FIRST_STAGE : MODE_SECOND_STAGE;
    return has(mode, refusal, write, reason) ||
           (tells_legacy_reasons(mode, refusal) && has(MODE_LEGACY, refusal, write, reason));
}
