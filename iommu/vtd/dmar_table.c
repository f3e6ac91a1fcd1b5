/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads a DMAR table: its header, the list of its structures, and the rules that tie structures together. */
#include "iommu/vtd/dmar_table.h"
#include "iommu/vtd/dmar_bytes.h"
#include "lib/error.h"
#include <stdlib.h>
#include <string.h>

/* Offsets in the table's header (8.1), and in what each structure begins with (8.2). */
enum {
    HEADER_LENGTH = 4,
    HEADER_REVISION = 8,
    HEADER_OEM_ID = 10,
    HEADER_OEM_TABLE_ID = 16,
    HEADER_HOST_WIDTH = 36,
    HEADER_FLAGS = 37,

    STRUCTURE_TYPE = 0,
    STRUCTURE_LENGTH = 2,
};

static int refuse(struct dmar_fault *fault, size_t offset, const char *rule)
{
    *fault = (struct dmar_fault){offset, rule};
    return ERR_MALFORMED;
}

static int check_header(const uint8_t *bytes, size_t count, size_t *length, struct dmar_fault *fault)
{
    uint8_t sum = 0;

    if (count < DMAR_HEADER_BYTES)
        return refuse(fault, 0, "the table is shorter than its header (8.1)");
    if (memcmp(bytes, "DMAR", 4))
        return refuse(fault, 0, "the signature is not DMAR (8.1)");
    *length = dmar_read32(bytes + HEADER_LENGTH);
    if (*length < DMAR_HEADER_BYTES || *length > count)
        return refuse(fault, HEADER_LENGTH, "the table's length is not that of a table here (8.1)");
    for (size_t i = 0; i < *length; i++)
        sum = (uint8_t)(sum + bytes[i]);
    if (sum)
        return refuse(fault, 0, "the checksum is wrong (8.1)");
    if (bytes[HEADER_HOST_WIDTH] + 1 < 32 || bytes[HEADER_HOST_WIDTH] + 1 > 52)
        return refuse(fault, HEADER_HOST_WIDTH, "a host address width that no machine has (8.1)");
    return 0;
}

/* Counts the structures. */
static int check_lengths(const uint8_t *bytes, size_t length, unsigned *count, struct dmar_fault *fault)
{
    size_t next;

    *count = 0;
    for (size_t at = DMAR_HEADER_BYTES; at < length; at = next) {
        if (length - at < DMAR_STRUCTURE_BYTES)
            return refuse(fault, at, "the last structure is cut off (8.2)");
        next = at + dmar_read16(bytes + at + STRUCTURE_LENGTH);
        if (next < at + DMAR_STRUCTURE_BYTES)
            return refuse(fault, at, "a structure shorter than its own header (8.2)");
        if (next > length)
            return refuse(fault, at, "a structure reaches beyond the table (8.2)");
        ++*count;
    }
    return 0;
}

/* What a unit breaks together with those before it. */
static const char *unit_rule(const struct dmar_table *table, unsigned index)
{
    const struct dmar_structure *unit = &table->structures[index];

    for (unsigned i = 0; i < index; i++) {
        const struct dmar_structure *other = &table->structures[i];

        if (other->type != DMAR_DRHD || other->fault.rule)
            continue;
        if (unit->base <= other->last && other->base <= unit->last)
            return "two units with the same registers (8.3)";
        if (unit->flags & other->flags & DMAR_DRHD_INCLUDE_PCI_ALL && unit->segment == other->segment)
            return "two units of one segment that both take all devices (8.3)";
    }
    return NULL;
}

static void decode(struct dmar_table *table)
{
    size_t at = DMAR_HEADER_BYTES;
    unsigned taken = 0;

    for (unsigned i = 0; i < table->count; i++) {
        struct dmar_structure *structure = &table->structures[i];
        const uint8_t *bytes = table->bytes + at;

        structure->offset = at;
        structure->type = dmar_read16(bytes + STRUCTURE_TYPE);
        structure->length = dmar_read16(bytes + STRUCTURE_LENGTH);
        taken += dmar_structure_decode(bytes, structure, table->scopes + taken);
        if (structure->type == DMAR_DRHD && !structure->fault.rule) {
            const char *rule = unit_rule(table, i);

            if (rule)
                dmar_structure_refuse(structure, at, rule);
        }
        at += structure->length;
    }
}

static int alloc(struct dmar_table *table)
{
    /* The shortest scope bounds how many there are. */
    size_t scopes = (table->length - DMAR_HEADER_BYTES) / DMAR_SCOPE_BYTES_MIN + 1;

    table->bytes = malloc(table->length);
    table->structures = calloc(table->count, sizeof *table->structures);
    table->scopes = calloc(scopes, sizeof *table->scopes);
    if (table->bytes && table->structures && table->scopes)
        return 0;
    dmar_table_free(table);
    return ERR_NOMEM;
}

static bool has_unit(const struct dmar_table *table)
{
    for (unsigned i = 0; i < table->count; i++)
        if (table->structures[i].type == DMAR_DRHD)
            return true;
    return false;
}

int dmar_table_read(const void *bytes, size_t count, struct dmar_table *table, struct dmar_fault *fault)
{
    int error;

    *fault = (struct dmar_fault){0, NULL};
    memset(table, 0, sizeof *table);
    error = check_header(bytes, count, &table->length, fault);
    if (!error)
        error = check_lengths(bytes, table->length, &table->count, fault);
    if (!error && !table->count)
        error = refuse(fault, DMAR_HEADER_BYTES, "no DRHD, so no unit (8.1)");
    if (!error)
        error = alloc(table);
    if (error) {
        memset(table, 0, sizeof *table);
        return error;
    }
    memcpy(table->bytes, bytes, table->length);
    memcpy(table->oem_id, table->bytes + HEADER_OEM_ID, 6);
    memcpy(table->oem_table_id, table->bytes + HEADER_OEM_TABLE_ID, 8);
    table->revision = table->bytes[HEADER_REVISION];
    table->flags = table->bytes[HEADER_FLAGS];
    table->host_width_lg2 = (uint8_t)(table->bytes[HEADER_HOST_WIDTH] + 1);
    decode(table);
    if (has_unit(table))
        return 0;
    dmar_table_free(table);
    return refuse(fault, DMAR_HEADER_BYTES, "no DRHD, so no unit (8.1)");
}

void dmar_table_free(struct dmar_table *table)
{
    free(table->scopes);
    free(table->structures);
    free(table->bytes);
    memset(table, 0, sizeof *table);
}

const char *dmar_refusal(const struct dmar_table *table, const struct dmar_structure *structure)
{
    bool reaches_beyond = structure->last >> table->host_width_lg2;

    /* Seen on a notebook. What answers there is no unit, so the devices of that one cannot be kept in check.
     */
    if (structure->type == DMAR_DRHD && (!structure->base || reaches_beyond))
        return "registers where none can be";
    if (structure->type == DMAR_RMRR && reaches_beyond)
        return "memory beyond what DMA reaches";
    return NULL;
}

bool dmar_opts_out_of_x2apic(const void *table, size_t bytes)
{
    const unsigned both = DMAR_INTR_REMAP | DMAR_X2APIC_OPT_OUT;

    return bytes >= DMAR_HEADER_BYTES && (((const uint8_t *)table)[HEADER_FLAGS] & both) == both;
}
