/* SPDX-License-Identifier: BSD-2-Clause */
/* lull-dmar [--json] FILE: what a DMAR table says, read by the hypervisor's own parser. FILE is the table's
 * bytes, as in /sys/firmware/acpi/tables/DMAR. */
#include "iommu/vtd/dmar_table.h"
#include "lib/error.h"
#include "lib/json.h"
#include "lib/platform.h"
#include "lib/units.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* More than any table: real ones have hundreds of bytes. */
#define FILE_BYTES_MAX (1u << 20)

enum {
    STATUS_OK = 0,
    STATUS_REFUSED = 1,
    STATUS_USAGE = 2,
};

/* Where lib/json writes. */
void platform_console_write(const char *text, size_t bytes)
{
    fwrite(text, 1, bytes, stdout);
}

/* --- for programs ---------------------------------------------------------------------------------- */

static void json_scope(struct json *json, const struct dmar_scope *scope, bool has_flags)
{
    json_open(json, NULL);
    json_number(json, "type", scope->type);
    if (has_flags)
        json_number(json, "flags", scope->flags);
    json_number(json, "id", scope->enumeration);
    json_number(json, "bus", scope->start_bus);
    json_open_list(json, "path");
    for (unsigned hop = 0; hop < scope->hops; hop++) {
        json_open_list(json, NULL);
        json_number(json, NULL, scope->path[2 * hop]);
        json_number(json, NULL, scope->path[2 * hop + 1]);
        json_close_list(json);
    }
    json_close_list(json);
    json_close(json);
}

static void json_fields(struct json *json, const struct dmar_structure *structure)
{
    bool ranged = structure->type == DMAR_DRHD || structure->type == DMAR_RMRR;

    if (dmar_type_has_scopes(structure->type))
        json_number(json, "segment", structure->segment);
    if (ranged || structure->type == DMAR_RHSA)
        json_number(json, "base", structure->base);
    if (ranged)
        json_number(json, "end", structure->last);
    if (structure->type == DMAR_DRHD)
        json_number(json, "size", structure->size_lg2);
    if (structure->type == DMAR_DRHD || structure->type == DMAR_ATSR || structure->type == DMAR_SATC)
        json_number(json, "flags", structure->flags);
    if (structure->type == DMAR_RHSA)
        json_number(json, "proximity_domain", structure->proximity_domain);
    if (structure->type == DMAR_ANDD) {
        json_number(json, "device_number", structure->device_number);
        json_text(json, "object_name", structure->object_name);
    }
}

static void json_structure(struct json *json, const struct dmar_structure *structure)
{
    const char *name = dmar_type_name(structure->type);

    json_open(json, NULL);
    if (name)
        json_text(json, "type", name);
    else
        json_number(json, "type", structure->type);
    json_number(json, "offset", structure->offset);
    json_number(json, "length", structure->length);
    json_fields(json, structure);
    if (dmar_type_has_scopes(structure->type)) {
        json_open_list(json, "scopes");
        for (unsigned i = 0; i < structure->scopes.count; i++)
            json_scope(json, &structure->scopes.scopes[i], structure->type == DMAR_SIDP);
        json_close_list(json);
    }
    json_close(json);
}

static void show_json(const struct dmar_table *table)
{
    static struct json json;

    json_begin_in_pieces(&json);
    json_text(&json, "oem_id", table->oem_id);
    json_text(&json, "oem_table_id", table->oem_table_id);
    json_number(&json, "revision", table->revision);
    json_number(&json, "host_address_width", table->host_width_lg2);
    json_number(&json, "flags", table->flags);
    json_open_list(&json, "structures");
    for (unsigned i = 0; i < table->count; i++)
        json_structure(&json, &table->structures[i]);
    json_close_list(&json);
    json_print(&json);
}

/* --- for people ------------------------------------------------------------------------------------ */

/* Text of firmware's: any byte that a terminal might obey is shown as a dot. */
static void print_text(const char *text)
{
    for (; *text; text++)
        putchar(*text >= ' ' && *text <= '~' ? *text : '.');
}

static void print_scope(const struct dmar_scope *scope)
{
    static const char *const names[] = {
        [DMAR_SCOPE_ENDPOINT] = "endpoint", [DMAR_SCOPE_BRIDGE] = "sub-hierarchy",
        [DMAR_SCOPE_IOAPIC] = "IOAPIC",     [DMAR_SCOPE_HPET] = "HPET",
        [DMAR_SCOPE_NAMESPACE] = "ANDD",
    };
    const char *name = scope->type < ARRAY_SIZE(names) ? names[scope->type] : NULL;

    if (!name)
        printf("         scope of type %u, id %u", scope->type, scope->enumeration);
    else if (scope->type >= DMAR_SCOPE_IOAPIC)
        printf("         %s %u", name, scope->enumeration);
    else
        printf("         %s", name);
    printf(" %02x:%02x.%x", scope->start_bus, scope->path[0], scope->path[1]);
    for (unsigned hop = 1; hop < scope->hops; hop++)
        printf("/%02x.%x", scope->path[2 * hop], scope->path[2 * hop + 1]);
}

/* 8.3.1; only a SIDP's scopes have flags. */
static void print_scope_flags(const struct dmar_scope *scope)
{
    static const char *const names[] = {"REQ_WO_PASID_NESTED_NOTALLOWED", "REQ_WO_PASID_PWSNP_NOTALLOWED",
                                        "REQ_WO_PASID_PGSNP_NOTALLOWED", "ATC_HARDENED", "ATC_REQUIRED"};

    for (unsigned bit = 0; bit < ARRAY_SIZE(names); bit++)
        if (scope->flags >> bit & 1)
            printf(" %s", names[bit]);
}

static void print_fields(const struct dmar_structure *structure)
{
    /* Each type that has flags has one, bit 0. */
    bool flag = structure->flags & 1;

    switch (structure->type) {
    case DMAR_DRHD:
        printf(" segment %u, registers %#" PRIx64 "-%#" PRIx64 "%s", structure->segment, structure->base,
               structure->last, flag ? ", INCLUDE_PCI_ALL" : "");
        break;
    case DMAR_RMRR:
        printf(" segment %u, memory %#" PRIx64 "-%#" PRIx64, structure->segment, structure->base,
               structure->last);
        break;
    case DMAR_RHSA:
        printf(" registers %#" PRIx64 ", proximity domain %" PRIu32, structure->base,
               structure->proximity_domain);
        break;
    case DMAR_ANDD:
        printf(" device %u, ", structure->device_number);
        print_text(structure->object_name);
        break;
    case DMAR_ATSR:
        printf(" segment %u%s", structure->segment, flag ? ", ALL_PORTS" : "");
        break;
    case DMAR_SATC:
        printf(" segment %u%s", structure->segment, flag ? ", ATC_REQUIRED" : "");
        break;
    default: /* SIDP: each scope has flags of its own */
        printf(" segment %u", structure->segment);
    }
}

static void print_structure(const struct dmar_structure *structure)
{
    const char *name = dmar_type_name(structure->type);

    printf("%#06zx  ", structure->offset);
    if (!name) {
        printf("type %u, for the future (8.2), %u bytes\n", structure->type, structure->length);
        return;
    }
    printf("%s", name);
    print_fields(structure);
    putchar('\n');
    for (unsigned i = 0; i < structure->scopes.count; i++) {
        print_scope(&structure->scopes.scopes[i]);
        if (structure->type == DMAR_SIDP)
            print_scope_flags(&structure->scopes.scopes[i]);
        putchar('\n');
    }
}

static void show_text(const struct dmar_table *table)
{
    printf("DMAR revision %u of \"", table->revision);
    print_text(table->oem_id);
    printf("\" \"");
    print_text(table->oem_table_id);
    printf("\", %zu bytes, DMA to %u bits%s%s%s\n", table->length, table->host_width_lg2,
           table->flags & DMAR_INTR_REMAP ? ", INTR_REMAP" : "",
           table->flags & DMAR_X2APIC_OPT_OUT ? ", X2APIC_OPT_OUT" : "",
           table->flags & DMAR_DMA_CTRL_PLATFORM_OPT_IN ? ", DMA_CTRL_PLATFORM_OPT_IN" : "");
    for (unsigned i = 0; i < table->count; i++)
        print_structure(&table->structures[i]);
}

/* --- the file -------------------------------------------------------------------------------------- */

static int refuse(const char *path, const char *name, const struct dmar_fault *fault)
{
    fprintf(stderr, "lull-dmar: %s: offset %#zx: %s%s%s\n", path, fault->offset, name ? name : "",
            name ? ": " : "", fault->rule);
    return STATUS_REFUSED;
}

/* The first rule that is broken ends it: half a table is nothing to go by. What the hypervisor itself has
 * against a well-formed table is said, and the table is shown. */
static int check(const char *path, const struct dmar_table *table)
{
    for (unsigned i = 0; i < table->count; i++) {
        const struct dmar_structure *structure = &table->structures[i];

        if (structure->fault.rule)
            return refuse(path, dmar_type_name(structure->type), &structure->fault);
    }
    for (unsigned i = 0; i < table->count; i++) {
        const struct dmar_structure *structure = &table->structures[i];
        const char *refusal = dmar_refusal(table, structure);

        if (refusal)
            fprintf(stderr, "lull-dmar: %s: note: offset %#zx: %s: %s: Lull refuses this %s\n", path,
                    structure->offset, dmar_type_name(structure->type), refusal,
                    structure->type == DMAR_DRHD ? "machine" : "region");
    }
    return STATUS_OK;
}

/* The bytes of a file, malloc()ed; NULL, and errno says why. */
static uint8_t *read_file(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    uint8_t *text = file ? malloc(FILE_BYTES_MAX + 1) : NULL;
    int error = 0;

    if (text) {
        *bytes = fread(text, 1, FILE_BYTES_MAX + 1, file);
        error = ferror(file) ? errno : *bytes > FILE_BYTES_MAX ? EFBIG : 0;
    } else {
        error = errno;
    }
    if (file)
        fclose(file);
    if (!error)
        return text;
    free(text);
    errno = error;
    return NULL;
}

static int show(const char *path, bool as_json)
{
    struct dmar_table table;
    struct dmar_fault fault;
    size_t bytes;
    uint8_t *text = read_file(path, &bytes);
    int status, error;

    if (!text) {
        fprintf(stderr, "lull-dmar: %s: %s\n", path, strerror(errno));
        return STATUS_REFUSED;
    }
    error = dmar_table_read(text, bytes, &table, &fault);
    free(text);
    if (error == ERR_MALFORMED)
        return refuse(path, NULL, &fault);
    if (error) {
        fprintf(stderr, "lull-dmar: %s: %s\n", path, strerror(ENOMEM));
        return STATUS_REFUSED;
    }
    status = check(path, &table);
    if (status == STATUS_OK)
        (as_json ? show_json : show_text)(&table);
    dmar_table_free(&table);
    return status;
}

int main(int argc, char **argv)
{
    bool as_json = argc == 3 && strcmp(argv[1], "--json") == 0;
    int status;

    if (argc != (as_json ? 3 : 2) || argv[argc - 1][0] == '-') {
        fprintf(stderr, "usage: lull-dmar [--json] FILE\n");
        return STATUS_USAGE;
    }
    status = show(argv[argc - 1], as_json);
    if (fflush(stdout) || ferror(stdout)) {
        fprintf(stderr, "lull-dmar: standard output: %s\n", strerror(errno));
        return STATUS_REFUSED;
    }
    return status;
}
