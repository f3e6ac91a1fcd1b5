/* SPDX-License-Identifier: BSD-2-Clause */
/* Decodes one structure of a DMAR table, and checks it by itself. Nothing in it is read before it is known to
 * lie inside. */
#include "iommu/vtd/dmar_bytes.h"
#include "lib/units.h"
#include <string.h>

/* Offsets in the structures. */
enum {
    DRHD_FLAGS = 4,
    DRHD_SIZE = 5,
    DRHD_REGISTERS = 8,
    RMRR_BASE = 8,
    RMRR_LIMIT = 16,
    ATSR_FLAGS = 4,
    RHSA_REGISTERS = 8,
    RHSA_PROXIMITY = 16,
    ANDD_NUMBER = 7,
    ANDD_NAME = 8,
    SATC_FLAGS = 4,
    SEGMENT = 6, /* of all types with scopes */

    SCOPE_TYPE = 0,
    SCOPE_LENGTH = 1,
    SCOPE_FLAGS = 2,
    SCOPE_ENUMERATION = 4,
    SCOPE_START_BUS = 5,
    SCOPE_PATH = 6,
};

#define DRHD_SIZE_MASK 0xf

static const struct {
    const char *name;
    const char *too_short;
    uint8_t bytes; /* before scopes or a name */
    bool has_scopes;
} kinds[DMAR_TYPES] = {
    [DMAR_DRHD] = {"DRHD", "too short, 16 bytes come before its scopes (8.3)", 16, true},
    [DMAR_RMRR] = {"RMRR", "too short, 24 bytes come before its scopes (8.4)", 24, true},
    [DMAR_ATSR] = {"ATSR", "too short, 8 bytes come before its scopes (8.5)", 8, true},
    [DMAR_RHSA] = {"RHSA", "too short, it has 20 bytes (8.6)", 20, false},
    [DMAR_ANDD] = {"ANDD", "too short, 8 bytes come before its name (8.7)", 8, false},
    [DMAR_SATC] = {"SATC", "too short, 8 bytes come before its scopes (8.8)", 8, true},
    [DMAR_SIDP] = {"SIDP", "too short, 8 bytes come before its scopes (8.9)", 8, true},
};

const char *dmar_type_name(uint16_t type)
{
    return type < DMAR_TYPES ? kinds[type].name : NULL;
}

bool dmar_type_has_scopes(uint16_t type)
{
    return type < DMAR_TYPES && kinds[type].has_scopes;
}

static const char *scope_rule(const uint8_t *scope, size_t left)
{
    if (left < SCOPE_PATH)
        return "a device scope is cut off (8.3.1)";
    if (scope[SCOPE_LENGTH] < DMAR_SCOPE_BYTES_MIN || scope[SCOPE_LENGTH] % 2)
        return "a device scope without a whole path (8.3.1)";
    if (scope[SCOPE_LENGTH] > left)
        return "a device scope reaches beyond its structure (8.3.1)";
    for (size_t i = SCOPE_PATH; i < scope[SCOPE_LENGTH]; i += 2)
        if (scope[i] > 31 || scope[i + 1] > 7)
            return "a path with a device above 31 or a function above 7 (8.3.1)";
    return NULL;
}

static void read_scope(const uint8_t *bytes, size_t offset, struct dmar_scope *scope)
{
    scope->offset = (uint32_t)offset;
    scope->type = bytes[SCOPE_TYPE];
    scope->flags = bytes[SCOPE_FLAGS];
    scope->enumeration = bytes[SCOPE_ENUMERATION];
    scope->start_bus = bytes[SCOPE_START_BUS];
    scope->hops = (uint8_t)((bytes[SCOPE_LENGTH] - SCOPE_PATH) / 2);
    scope->path = bytes + SCOPE_PATH;
}

/* The rule that the first bad scope breaks. */
static struct dmar_fault read_scopes(const uint8_t *bytes, struct dmar_structure *structure,
                                     struct dmar_scope *room)
{
    struct dmar_scopes *scopes = &structure->scopes;

    for (size_t at = kinds[structure->type].bytes; at < structure->length; at += bytes[at + SCOPE_LENGTH]) {
        const char *rule = scope_rule(bytes + at, structure->length - at);

        if (rule)
            return (struct dmar_fault){structure->offset + at, rule};
        read_scope(bytes + at, structure->offset + at, &room[scopes->count++]);
    }
    scopes->scopes = scopes->count ? room : NULL;
    return (struct dmar_fault){0, NULL};
}

static const char *read_drhd(const uint8_t *bytes, struct dmar_structure *unit)
{
    uint64_t registers;

    unit->flags = bytes[DRHD_FLAGS];
    unit->size_lg2 = bytes[DRHD_SIZE] & DRHD_SIZE_MASK;
    unit->base = dmar_read64(bytes + DRHD_REGISTERS);
    registers = PAGE_SIZE << unit->size_lg2;
    if (!is_aligned(unit->base, registers))
        return "registers that are not aligned to their size (8.3)";
    unit->last = unit->base + registers - 1;
    return NULL;
}

static const char *read_rmrr(const uint8_t *bytes, struct dmar_structure *reserved)
{
    reserved->base = dmar_read64(bytes + RMRR_BASE);
    reserved->last = dmar_read64(bytes + RMRR_LIMIT);
    if (reserved->base >= reserved->last)
        return "a limit that is not above its base (8.4)";
    if (!is_aligned(reserved->base, PAGE_SIZE) || !is_aligned(reserved->last + 1, PAGE_SIZE))
        return "not whole pages (8.4)";
    return NULL;
}

static const char *read_andd(const uint8_t *bytes, struct dmar_structure *device)
{
    if (!memchr(bytes + ANDD_NAME, 0, device->length - (size_t)ANDD_NAME))
        return "a name without an end (8.7)";
    device->device_number = bytes[ANDD_NUMBER];
    device->object_name = (const char *)bytes + ANDD_NAME;
    return NULL;
}

/* What the type has but scopes and segment. */
static const char *read_fields(const uint8_t *bytes, struct dmar_structure *structure)
{
    switch (structure->type) {
    case DMAR_DRHD:
        return read_drhd(bytes, structure);
    case DMAR_RMRR:
        return read_rmrr(bytes, structure);
    case DMAR_ATSR:
        structure->flags = bytes[ATSR_FLAGS];
        return NULL;
    case DMAR_RHSA:
        structure->base = dmar_read64(bytes + RHSA_REGISTERS);
        structure->proximity_domain = dmar_read32(bytes + RHSA_PROXIMITY);
        return NULL;
    case DMAR_ANDD:
        return read_andd(bytes, structure);
    case DMAR_SATC:
        structure->flags = bytes[SATC_FLAGS];
        return NULL;
    default:
        return NULL;
    }
}

void dmar_structure_refuse(struct dmar_structure *structure, size_t offset, const char *rule)
{
    *structure = (struct dmar_structure){
        .fault = {offset, rule},
        .offset = structure->offset,
        .type = structure->type,
        .length = structure->length,
    };
}

unsigned dmar_structure_decode(const uint8_t *bytes, struct dmar_structure *structure,
                               struct dmar_scope *room)
{
    struct dmar_fault fault = {structure->offset, NULL};

    if (structure->type >= DMAR_TYPES)
        return 0;
    if (structure->length < kinds[structure->type].bytes)
        fault.rule = kinds[structure->type].too_short;
    else
        fault.rule = read_fields(bytes, structure);
    if (!fault.rule && kinds[structure->type].has_scopes) {
        structure->segment = dmar_read16(bytes + SEGMENT);
        fault = read_scopes(bytes, structure, room);
    }
    if (fault.rule)
        dmar_structure_refuse(structure, fault.offset, fault.rule);
    return structure->scopes.count;
}
