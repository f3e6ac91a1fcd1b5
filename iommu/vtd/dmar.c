/* SPDX-License-Identifier: BSD-2-Clause */
/* Parses the DMAR table. Nothing in it is read before it is known to lie inside. */
#include "iommu/vtd/dmar.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/units.h"
#include <stdlib.h>
#include <string.h>

/* Offsets in the table's header (8.1), in what each structure begins with, and in the structures. */
enum {
    HEADER_LENGTH = 4,
    HEADER_OEM_ID = 10,
    HEADER_OEM_TABLE_ID = 16,
    HEADER_HOST_WIDTH = 36,
    HEADER_FLAGS = 37,
    HEADER_BYTES = 48,

    STRUCTURE_TYPE = 0,
    STRUCTURE_LENGTH = 2,
    STRUCTURE_BYTES = 4,

    DRHD_FLAGS = 4,
    DRHD_SIZE = 5,
    DRHD_SEGMENT = 6,
    DRHD_REGISTERS = 8,
    DRHD_BYTES = 16,

    RMRR_SEGMENT = 6,
    RMRR_BASE = 8,
    RMRR_LIMIT = 16,
    RMRR_BYTES = 24,

    SCOPE_TYPE = 0,
    SCOPE_LENGTH = 1,
    SCOPE_ENUMERATION = 4,
    SCOPE_START_BUS = 5,
    SCOPE_BYTES = 6,

    ANDD_NAME = 8,
};

enum {
    FLAG_INTERRUPT_REMAPPING = 1,
    FLAG_X2APIC_OPT_OUT = 2,
    DRHD_FLAG_INCLUDE_ALL = 1,
    DRHD_SIZE_MASK = 0xf, /* 2^n pages of registers; zero before revision 4.0 */
};

enum structure_type {
    DMAR_DRHD,
    DMAR_RMRR,
    DMAR_ATSR,
    DMAR_RHSA,
    DMAR_ANDD,
    DMAR_SATC,
    DMAR_SIDP,
    DMAR_TYPES,
};

static const struct {
    const char *name;
    uint16_t bytes; /* before the scopes */
    bool has_scopes;
} structure_kinds[DMAR_TYPES] = {
    [DMAR_DRHD] = {"DRHD", DRHD_BYTES, true}, [DMAR_RMRR] = {"RMRR", RMRR_BYTES, true},
    [DMAR_ATSR] = {"ATSR", 8, true},          [DMAR_RHSA] = {"RHSA", 20, false},
    [DMAR_ANDD] = {"ANDD", 8, false},         [DMAR_SATC] = {"SATC", 8, true},
    [DMAR_SIDP] = {"SIDP", 8, true},
};

/* A structure inside the table. */
struct structure {
    const uint8_t *bytes;
    size_t offset; /* in the table, for messages */
    uint16_t type;
    uint16_t length;
};

static uint16_t read16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

static uint32_t read32(const uint8_t *bytes)
{
    return read16(bytes) | (uint32_t)read16(bytes + 2) << 16;
}

static uint64_t read64(const uint8_t *bytes)
{
    return read32(bytes) | (uint64_t)read32(bytes + 4) << 32;
}

static int refuse(size_t offset, const char *reason)
{
    log_error("DMAR: offset %#zx: %s", offset, reason);
    return ERR_MALFORMED;
}

static const char *scope_fault(const uint8_t *scope, size_t left)
{
    if (left < SCOPE_BYTES)
        return "a device scope is cut off";
    if (scope[SCOPE_LENGTH] < SCOPE_BYTES + 2 || scope[SCOPE_LENGTH] % 2)
        return "a device scope without a whole path";
    if (scope[SCOPE_LENGTH] > left)
        return "a device scope reaches beyond its structure";
    for (size_t i = SCOPE_BYTES; i < scope[SCOPE_LENGTH]; i += 2)
        if (scope[i] > 31 || scope[i + 1] > 7)
            return "a path with a device above 31 or a function above 7";
    return NULL;
}

static void scope_read(const uint8_t *bytes, struct dmar_scope *scope)
{
    scope->type = bytes[SCOPE_TYPE];
    scope->enumeration = bytes[SCOPE_ENUMERATION];
    scope->start_bus = bytes[SCOPE_START_BUS];
    scope->hops = (uint8_t)((bytes[SCOPE_LENGTH] - SCOPE_BYTES) / 2);
    scope->path = bytes + SCOPE_BYTES;
}

/* Checks the scopes of a structure, and reads them into scopes unless that is NULL. */
static int parse_scopes(const struct structure *structure, struct dmar_scopes *scopes)
{
    size_t first = structure_kinds[structure->type].bytes;
    unsigned count = 0;

    for (size_t at = first; at < structure->length; at += structure->bytes[at + SCOPE_LENGTH]) {
        const char *fault = scope_fault(structure->bytes + at, structure->length - at);

        if (fault)
            return refuse(structure->offset + at, fault);
        count++;
    }
    if (!scopes || !count)
        return 0;
    scopes->scopes = calloc(count, sizeof *scopes->scopes);
    if (!scopes->scopes)
        return ERR_NOMEM;
    for (size_t at = first; at < structure->length; at += structure->bytes[at + SCOPE_LENGTH])
        scope_read(structure->bytes + at, &scopes->scopes[scopes->count++]);
    return 0;
}

static int parse_unit(const struct structure *structure, struct dmar *dmar)
{
    struct dmar_unit *unit = &dmar->units[dmar->unit_count];
    const uint8_t *bytes = structure->bytes;

    unit->registers = read64(bytes + DRHD_REGISTERS);
    unit->bytes = PAGE_SIZE << (bytes[DRHD_SIZE] & DRHD_SIZE_MASK);
    unit->segment = read16(bytes + DRHD_SEGMENT);
    unit->include_all = bytes[DRHD_FLAGS] & DRHD_FLAG_INCLUDE_ALL;
    if (!unit->registers || !is_aligned(unit->registers, PAGE_SIZE) ||
        unit->registers + unit->bytes > 1ull << dmar->host_width_lg2 ||
        unit->registers + unit->bytes < unit->registers)
        return refuse(structure->offset, "DRHD: registers where none can be");
    for (unsigned i = 0; i < dmar->unit_count; i++) {
        if (dmar->units[i].registers == unit->registers)
            return refuse(structure->offset, "DRHD: two units with the same registers");
        if (dmar->units[i].include_all && unit->include_all && dmar->units[i].segment == unit->segment)
            return refuse(structure->offset, "DRHD: two units of one segment that both take all devices");
    }
    return parse_scopes(structure, &unit->devices);
}

static int parse_reserved(const struct structure *structure, struct dmar *dmar)
{
    struct dmar_reserved *reserved = &dmar->reserved[dmar->reserved_count];

    reserved->hpa = read64(structure->bytes + RMRR_BASE);
    reserved->last = read64(structure->bytes + RMRR_LIMIT);
    reserved->segment = read16(structure->bytes + RMRR_SEGMENT);
    if (reserved->hpa > reserved->last || reserved->last >= 1ull << dmar->host_width_lg2)
        return refuse(structure->offset, "RMRR: a range that ends before it begins, or beyond memory");
    if (!is_aligned(reserved->hpa, PAGE_SIZE) || !is_aligned(reserved->last + 1, PAGE_SIZE))
        return refuse(structure->offset, "RMRR: not whole pages");
    return parse_scopes(structure, &reserved->devices);
}

static int check_name(const struct structure *structure)
{
    if (!memchr(structure->bytes + ANDD_NAME, 0, structure->length - (size_t)ANDD_NAME))
        return refuse(structure->offset, "ANDD: a name without an end");
    return 0;
}

/* A structure whose length is known to lie inside the table. */
static int parse_structure(const struct structure *structure, struct dmar *dmar)
{
    unsigned *count = &dmar->other_count;
    int error = 0;

    if (structure->type >= DMAR_TYPES)
        return 0; /* 8.2: software skips the types that it does not know */
    if (structure->length < structure_kinds[structure->type].bytes) {
        log_error("DMAR: offset %#zx: %s of %u bytes is too short", structure->offset,
                  structure_kinds[structure->type].name, structure->length);
        return ERR_MALFORMED;
    }
    if (structure->type == DMAR_DRHD) {
        error = parse_unit(structure, dmar);
        count = &dmar->unit_count;
    } else if (structure->type == DMAR_RMRR) {
        error = parse_reserved(structure, dmar);
        count = &dmar->reserved_count;
    } else if (structure->type == DMAR_ANDD) {
        error = check_name(structure);
    } else if (structure_kinds[structure->type].has_scopes) {
        error = parse_scopes(structure, NULL);
    }
    if (!error)
        ++*count;
    return error;
}

/* The structure at *offset, and where the next one is. ERR_MALFORMED when it does not lie in the table. */
static int next_structure(const struct dmar *dmar, size_t length, size_t *offset, struct structure *structure)
{
    size_t left = length - *offset;

    if (left < STRUCTURE_BYTES)
        return refuse(*offset, "the last structure is cut off");
    structure->bytes = dmar->table + *offset;
    structure->offset = *offset;
    structure->type = read16(structure->bytes + STRUCTURE_TYPE);
    structure->length = read16(structure->bytes + STRUCTURE_LENGTH);
    if (structure->length < STRUCTURE_BYTES)
        return refuse(*offset, "a structure shorter than its own header");
    if (structure->length > left)
        return refuse(*offset, "a structure reaches beyond the table");
    *offset += structure->length;
    return 0;
}

static int parse_structures(struct dmar *dmar, size_t length)
{
    struct structure structure;
    size_t offset = HEADER_BYTES;

    while (offset < length) {
        int error = next_structure(dmar, length, &offset, &structure);

        if (error)
            return error;
        error = parse_structure(&structure, dmar);
        /* Without a unit its devices would reach all memory. Without any other structure a device has less.
         */
        if (error == ERR_NOMEM || (error && structure.type == DMAR_DRHD))
            return error;
        dmar->refused_count += error != 0;
    }
    if (!dmar->unit_count)
        return refuse(HEADER_BYTES, "no DRHD, so no unit");
    return 0;
}

static int parse_header(const uint8_t *table, size_t bytes, size_t *length)
{
    uint8_t sum = 0;

    if (bytes < HEADER_BYTES)
        return refuse(0, "the table is shorter than its header");
    if (memcmp(table, "DMAR", 4))
        return refuse(0, "the signature is not DMAR");
    *length = read32(table + HEADER_LENGTH);
    if (*length < HEADER_BYTES || *length > bytes)
        return refuse(HEADER_LENGTH, "the table's length is not that of a table here");
    for (size_t i = 0; i < *length; i++)
        sum = (uint8_t)(sum + table[i]);
    if (sum)
        return refuse(0, "the checksum is wrong");
    if (table[HEADER_HOST_WIDTH] + 1 < 32 || table[HEADER_HOST_WIDTH] + 1 > 52)
        return refuse(HEADER_HOST_WIDTH, "a host address width that no machine has");
    return 0;
}

int dmar_parse(const void *table, size_t bytes, struct dmar *dmar)
{
    /* The shortest structure bounds how many there are. */
    size_t length, most;
    int error;

    memset(dmar, 0, sizeof *dmar);
    error = parse_header(table, bytes, &length);
    if (error)
        return error;
    most = (length - HEADER_BYTES) / DRHD_BYTES + 1;
    dmar->table = malloc(length);
    dmar->units = calloc(most, sizeof *dmar->units);
    dmar->reserved = calloc(most, sizeof *dmar->reserved);
    if (!dmar->table || !dmar->units || !dmar->reserved) {
        log_error("DMAR: no memory for a table of %zu bytes", length);
        dmar_free(dmar);
        return ERR_NOMEM;
    }
    memcpy(dmar->table, table, length);
    memcpy(dmar->oem_id, dmar->table + HEADER_OEM_ID, 6);
    memcpy(dmar->oem_table_id, dmar->table + HEADER_OEM_TABLE_ID, 8);
    dmar->host_width_lg2 = (uint8_t)(dmar->table[HEADER_HOST_WIDTH] + 1);
    dmar->interrupt_remapping = dmar->table[HEADER_FLAGS] & FLAG_INTERRUPT_REMAPPING;
    dmar->x2apic_opt_out = dmar->table[HEADER_FLAGS] & FLAG_X2APIC_OPT_OUT;
    error = parse_structures(dmar, length);
    if (error)
        dmar_free(dmar);
    return error;
}

bool dmar_opts_out_of_x2apic(const void *table, size_t bytes)
{
    const unsigned both = FLAG_INTERRUPT_REMAPPING | FLAG_X2APIC_OPT_OUT;

    return bytes >= HEADER_BYTES && (((const uint8_t *)table)[HEADER_FLAGS] & both) == both;
}

void dmar_free(struct dmar *dmar)
{
    for (unsigned i = 0; i < dmar->unit_count; i++)
        free(dmar->units[i].devices.scopes);
    for (unsigned i = 0; i < dmar->reserved_count; i++)
        free(dmar->reserved[i].devices.scopes);
    free(dmar->units);
    free(dmar->reserved);
    free(dmar->table);
    memset(dmar, 0, sizeof *dmar);
}
