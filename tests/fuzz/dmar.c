/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: bytes as a DMAR table, first as they are, then with the header that they should have. A table
 * is refused, or its structures and what the driver makes of them agree with the bytes. The first bytes are
 * the bridges that paths lead through. */
#include "iommu/vtd/dmar.h"
#include "lib/error.h"
#include "lib/units.h"
#include "tests/fuzz/fuzz.h"
#include "tests/host/host.h"
#include <string.h>

#define BRIDGE_BYTES 8
#define HEADER_BYTES 48
#define TABLE_MAX    4096

/* Function n, counted over bus, device and function, is as byte n of these says: absent, an endpoint, or a
 * bridge. */
static uint8_t bridges[BRIDGE_BYTES];

static uint32_t pci_read32(void *context, struct pci_address function, unsigned offset)
{
    uint8_t byte = bridges[(function.bus + (function.devfn >> 3) + function.devfn) % BRIDGE_BYTES];
    unsigned secondary = (function.bus + (byte >> 2 & 7u)) & 0xff;

    (void)context;
    if ((byte & 3) == 3)
        return ~0u;
    if (offset == 0x0c)
        return byte & 1 ? 0x00810000u : 0;
    return offset == 0x18 ? ((secondary + (byte >> 5)) & 0xff) << 16 | secondary << 8 | function.bus : 0;
}

static uint64_t number(const uint8_t *bytes, unsigned count)
{
    uint64_t value = 0;

    while (count--)
        value = value << 8 | bytes[count];
    return value;
}

/* Gives a table the signature, length, address width and checksum of a good one. */
static void seal(uint8_t *table, size_t bytes)
{
    uint8_t sum = 0;

    memcpy(table, "DMAR", 4);
    for (unsigned i = 0; i < 4; i++)
        table[4 + i] = (uint8_t)(bytes >> 8 * i);
    table[36] = (uint8_t)(31 + table[36] % 21);
    table[9] = 0;
    for (size_t i = 0; i < bytes; i++)
        sum = (uint8_t)(sum + table[i]);
    table[9] = (uint8_t)-sum;
}

static void check_scopes(const struct dmar_table *table, const struct dmar_scopes *scopes, uint16_t segment)
{
    check(!scopes->count == !scopes->scopes);
    for (unsigned i = 0; i < scopes->count; i++) {
        const struct dmar_scope *scope = &scopes->scopes[i];
        struct pci_address function;

        check(scope->hops);
        check(scope->path == table->bytes + scope->offset + 6);
        check(scope->path + 2u * scope->hops <= table->bytes + table->length);
        for (unsigned hop = 0; hop < scope->hops; hop++)
            check(scope->path[2 * hop] < 32 && scope->path[2 * hop + 1] < 8);
        if (!dmar_scope_resolve(scope, segment, &function))
            continue;
        check(function.segment == segment && function.bus >= scope->start_bus);
        if (scope->type != DMAR_SCOPE_IOAPIC && scope->type != DMAR_SCOPE_HPET)
            check(dmar_scopes_cover(scopes, segment, function));
        function.segment = (uint16_t)(segment + 1);
        check(!dmar_scopes_cover(scopes, segment, function));
    }
}

/* The unit of the device that is at a path's end is one that names it. */
static void check_unit_of(const struct dmar *dmar, const struct dmar_unit *unit)
{
    for (unsigned i = 0; i < unit->devices.count; i++) {
        struct pci_address function;
        int index;

        if (!dmar_scope_resolve(&unit->devices.scopes[i], unit->segment, &function))
            continue;
        index = dmar_unit_of(dmar, function);
        check(index < (int)dmar->unit_count);
        if (!dmar_scopes_cover(&unit->devices, unit->segment, function))
            continue;
        check(index >= 0);
        check(dmar_scopes_nearness(&dmar->units[index].devices, unit->segment, function) >=
              dmar_scopes_nearness(&unit->devices, unit->segment, function));
    }
}

static void check_units(const struct dmar *dmar)
{
    uint64_t end = 1ull << dmar->table.host_width_lg2;

    check(dmar->unit_count);
    for (unsigned i = 0; i < dmar->unit_count; i++) {
        const struct dmar_unit *unit = &dmar->units[i];

        check(unit->registers && unit->registers % PAGE_SIZE == 0 && unit->bytes >= PAGE_SIZE);
        check(unit->registers < end && unit->bytes <= end - unit->registers);
        check_scopes(&dmar->table, &unit->devices, unit->segment);
        check_unit_of(dmar, unit);
        for (unsigned j = 0; j < i; j++) {
            check(unit->registers + unit->bytes <= dmar->units[j].registers ||
                  dmar->units[j].registers + dmar->units[j].bytes <= unit->registers);
            check(!unit->include_all || !dmar->units[j].include_all ||
                  unit->segment != dmar->units[j].segment);
        }
    }
}

static void check_reserved(const struct dmar *dmar)
{
    for (unsigned i = 0; i < dmar->reserved_count; i++) {
        const struct dmar_reserved *reserved = &dmar->reserved[i];

        check(reserved->hpa < reserved->last && !(reserved->last >> dmar->table.host_width_lg2));
        check(reserved->hpa % PAGE_SIZE == 0 && (reserved->last + 1) % PAGE_SIZE == 0);
        check_scopes(&dmar->table, &reserved->devices, reserved->segment);
    }
}

/* The list is of the bytes' structures, one behind the other. */
static void check_list(const struct dmar_table *table)
{
    size_t at = HEADER_BYTES;

    for (unsigned i = 0; i < table->count; i++) {
        const struct dmar_structure *structure = &table->structures[i];

        check(structure->offset == at && structure->type == number(table->bytes + at, 2));
        check(structure->length == number(table->bytes + at + 2, 2));
        check(structure->length >= 4 && structure->length <= table->length - at);
        check(!structure->fault.rule || (structure->fault.offset >= at && !structure->scopes.count));
        check_scopes(table, &structure->scopes, structure->segment);
        at += structure->length;
        if (structure->type == DMAR_ANDD && !structure->fault.rule)
            check((const uint8_t *)structure->object_name + strlen(structure->object_name) <
                  table->bytes + at);
    }
    check(at == table->length);
}

/* Every structure of a known type is taken or refused, and none twice. */
static void check_counts(const struct dmar *dmar)
{
    unsigned counts[DMAR_TYPES] = {0}, others = 0;

    for (unsigned i = 0; i < dmar->table.count; i++)
        if (dmar->table.structures[i].type < DMAR_TYPES)
            counts[dmar->table.structures[i].type]++;
    for (unsigned type = 1; type < DMAR_TYPES; type++)
        others += counts[type];
    check(dmar->unit_count == counts[0]);
    check(dmar->reserved_count <= counts[1]);
    check(dmar->reserved_count + dmar->other_count + dmar->refused_count == others);
}

/* The driver refuses what cannot be read, and some that can. */
static void try_list(const uint8_t *bytes, size_t count, int parsed)
{
    struct dmar_table table;
    struct dmar_fault fault;
    int error = dmar_table_read(bytes, count, &table, &fault);

    check(!error == !fault.rule && (!error || (parsed && error == ERR_MALFORMED)));
    check(fault.offset <= count);
    if (error) {
        check(!table.bytes && !table.structures && !table.scopes && !table.count);
        return;
    }
    check_list(&table);
    dmar_table_free(&table);
}

/* In memory of exactly so many bytes, so that a read beyond them is seen. */
static void try(const uint8_t *bytes, size_t count, bool sealed)
{
    uint8_t *table = malloc(count ? count : 1);
    struct dmar dmar;
    int error;

    memcpy(table, bytes, count);
    if (sealed)
        seal(table, count);
    error = dmar_parse(table, count, &dmar);
    check(!error || error == ERR_MALFORMED);
    try_list(table, count, error);
    if (error) {
        check(!dmar.units && !dmar.reserved && !dmar.table.bytes && !dmar.unit_count);
    } else {
        check(dmar.table.length == number(table + 4, 4));
        check(memcmp(dmar.table.bytes, table, dmar.table.length) == 0);
        /* Nothing may point into what the caller had. */
        memset(table, 0xff, count);
        check_list(&dmar.table);
        check_units(&dmar);
        check_reserved(&dmar);
        check_counts(&dmar);
        dmar_log_unresolved(&dmar);
        dmar_free(&dmar);
    }
    free(table);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const struct host_pci_ops pci = {.read32 = pci_read32};

    (void)argc;
    (void)argv;
    host_set_pci(&pci);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    if (count < BRIDGE_BYTES || count > TABLE_MAX)
        return -1;
    memcpy(bridges, bytes, BRIDGE_BYTES);
    bytes += BRIDGE_BYTES;
    count -= BRIDGE_BYTES;
    try(bytes, count, false);
    if (count >= HEADER_BYTES)
        try(bytes, count, true);
    return 0;
}
