/* SPDX-License-Identifier: BSD-2-Clause */
/* A DMAR table with a structure of each type. */
#include "tests/host/dmar_sample.h"
#include "tests/host/fake_vtd.h"
#include <stdlib.h>
#include <string.h>

static void append(struct dmar_sample *table, const uint8_t *bytes, size_t length)
{
    memcpy(table->bytes + table->length, bytes, length);
    table->length += length;
}

struct dmar_sample dmar_sample(void)
{
    static const uint8_t header[48] = {'D', 'M', 'A', 'R', 0,   0,   0,   0,   1,   0,   'L', 'U', 'L',
                                       'L', ' ', ' ', 'S', 'A', 'M', 'P', 'L', 'E', ' ', ' ', 0,   0,
                                       0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   38,  3};
    static const uint8_t drhd[] = {0,    0,    34, 0, 0, 1, 0,  0, 0, 0,
                                   0xd9, 0xfe, 0,  0, 0, 0,               /* two pages of registers */
                                   1,    8,    0,  0, 0, 0, 2,  0,        /* 00:02.0 */
                                   1,    10,   0,  0, 0, 0, 28, 0, 4, 1}; /* 00:1c.0, below it 04.1 */
    static const uint8_t drhd_all[] = {0, 0, 16, 0, 1, 0, 0, 0, 0, 0x10, 0xdb, 0xfe, 0, 0, 0, 0};
    static const uint8_t rmrr[] = {1,    0,    32,   0,    0, 0, 0, 0, 0, 0, 0x80, 0x7c, 0, 0, 0, 0,
                                   0xff, 0xff, 0xff, 0x7c, 0, 0, 0, 0, 1, 8, 0,    0,    0, 0, 2, 0};
    static const uint8_t atsr[] = {2, 0, 16, 0, 0, 0, 0, 0, 2, 8, 0, 0, 0, 0, 28, 0};
    static const uint8_t rhsa[] = {3, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0xd9, 0xfe, 0, 0, 0, 0, 7, 1, 0, 0};
    static const uint8_t andd[] = {4, 0, 14, 0, 0, 0, 0, 1, 'I', '2', 'C', '0', 0, 0};
    static const uint8_t satc[] = {5, 0, 16, 0, 1, 0, 2, 0, 1, 8, 0, 0, 0, 0, 2, 0};
    static const uint8_t sidp[] = {6, 0, 16, 0, 0, 0, 0, 0, 1, 8, 28, 0, 0, 0, 2, 0};
    static const uint8_t unknown[] = {9, 0, 8, 0, 1, 2, 3, 4};
    struct dmar_sample table = {.length = 0};

    append(&table, header, sizeof header);
    append(&table, drhd, sizeof drhd);
    append(&table, drhd_all, sizeof drhd_all);
    append(&table, rmrr, sizeof rmrr);
    append(&table, atsr, sizeof atsr);
    append(&table, rhsa, sizeof rhsa);
    append(&table, andd, sizeof andd);
    append(&table, satc, sizeof satc);
    append(&table, sidp, sizeof sidp);
    append(&table, unknown, sizeof unknown);
    fake_vtd_seal(table.bytes, table.length);
    return table;
}

int dmar_parse_exactly(const uint8_t *bytes, size_t length, struct dmar *dmar)
{
    uint8_t *copy = malloc(length ? length : 1);
    int error;

    memcpy(copy, bytes, length);
    error = dmar_parse(copy, length, dmar);
    free(copy);
    return error;
}
