/* SPDX-License-Identifier: BSD-2-Clause */
/* Makes of the DMAR table's structures what the driver works with, and refuses or leaves out what is damaged.
 */
#include "iommu/vtd/dmar.h"
#include "lib/error.h"
#include "lib/log.h"
#include <stdlib.h>
#include <string.h>

static void add_unit(struct dmar *dmar, const struct dmar_structure *structure)
{
    dmar->units[dmar->unit_count++] = (struct dmar_unit){
        .registers = structure->base,
        .bytes = structure->last - structure->base + 1,
        .segment = structure->segment,
        .include_all = structure->flags & DMAR_DRHD_INCLUDE_PCI_ALL,
        .devices = structure->scopes,
    };
}

static void add_reserved(struct dmar *dmar, const struct dmar_structure *structure)
{
    dmar->reserved[dmar->reserved_count++] = (struct dmar_reserved){
        .hpa = structure->base,
        .last = structure->last,
        .segment = structure->segment,
        .devices = structure->scopes,
    };
}

static int add(struct dmar *dmar, const struct dmar_structure *structure)
{
    struct dmar_fault fault = structure->fault;

    if (structure->type >= DMAR_TYPES)
        return 0; /* 8.2: software skips the types that it does not know */
    if (!fault.rule)
        fault = (struct dmar_fault){structure->offset, dmar_refusal(&dmar->table, structure)};
    if (fault.rule) {
        log_error("DMAR: offset %#zx: %s: %s", fault.offset, dmar_type_name(structure->type), fault.rule);
        return ERR_MALFORMED;
    }
    if (structure->type == DMAR_DRHD)
        add_unit(dmar, structure);
    else if (structure->type == DMAR_RMRR)
        add_reserved(dmar, structure);
    else
        dmar->other_count++;
    return 0;
}

static int add_all(struct dmar *dmar)
{
    for (unsigned i = 0; i < dmar->table.count; i++) {
        const struct dmar_structure *structure = &dmar->table.structures[i];
        int error = add(dmar, structure);

        /* Without a unit its devices would reach all memory. Without any other structure a device has less.
         */
        if (error && structure->type == DMAR_DRHD)
            return error;
        dmar->refused_count += error != 0;
    }
    return 0;
}

int dmar_parse(const void *bytes, size_t count, struct dmar *dmar)
{
    struct dmar_fault fault;
    int error;

    memset(dmar, 0, sizeof *dmar);
    error = dmar_table_read(bytes, count, &dmar->table, &fault);
    if (error == ERR_MALFORMED)
        log_error("DMAR: offset %#zx: %s", fault.offset, fault.rule);
    if (!error) {
        dmar->units = calloc(dmar->table.count, sizeof *dmar->units);
        dmar->reserved = calloc(dmar->table.count, sizeof *dmar->reserved);
        error = dmar->units && dmar->reserved ? 0 : ERR_NOMEM;
    }
    if (error == ERR_NOMEM)
        log_error("DMAR: no memory for a table of %zu bytes", count);
    if (!error)
        error = add_all(dmar);
    if (error) {
        dmar_free(dmar);
        return error;
    }
    dmar->interrupt_remapping = dmar->table.flags & DMAR_INTR_REMAP;
    dmar->x2apic_opt_out = dmar->table.flags & DMAR_X2APIC_OPT_OUT;
    return 0;
}

void dmar_free(struct dmar *dmar)
{
    free(dmar->units);
    free(dmar->reserved);
    dmar_table_free(&dmar->table);
    memset(dmar, 0, sizeof *dmar);
}
