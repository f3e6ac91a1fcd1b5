/* SPDX-License-Identifier: BSD-2-Clause */
/* One structure of a DMAR table: where its fields are, and which of its rules it keeps. Private to
 * dmar_table.c and dmar_structure.c. */
#pragma once

#include "iommu/vtd/dmar_table.h"

enum {
    DMAR_HEADER_BYTES = 48,   /* 8.1 */
    DMAR_STRUCTURE_BYTES = 4, /* type and length, which each structure begins with (8.2) */
    DMAR_SCOPE_BYTES_MIN = 8, /* one with a path of one pair (8.3.1) */
};

static inline uint16_t dmar_read16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

static inline uint32_t dmar_read32(const uint8_t *bytes)
{
    return dmar_read16(bytes) | (uint32_t)dmar_read16(bytes + 2) << 16;
}

static inline uint64_t dmar_read64(const uint8_t *bytes)
{
    return dmar_read32(bytes) | (uint64_t)dmar_read32(bytes + 4) << 32;
}

/* Decodes bytes, of which structure has offset, type and length: these lie in the table. Scopes go to room,
 * which is as long as the table has place for; the number that was taken is returned, 0 with a fault. */
unsigned dmar_structure_decode(const uint8_t *bytes, struct dmar_structure *structure,
                               struct dmar_scope *room);

/* Leaves nothing of a structure but where it is, what it is, and the rule that it breaks. */
void dmar_structure_refuse(struct dmar_structure *structure, size_t offset, const char *rule);
