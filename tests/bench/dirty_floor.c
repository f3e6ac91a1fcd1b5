/* SPDX-License-Identifier: BSD-2-Clause */
/* The floor: a loop that does nothing but read. */
#include "tests/bench/dirty_floor.h"
#include "lib/atomic.h"
#include "lib/units.h"

#define LINE 64

typedef uint64_t vector __attribute__((vector_size(32)));

#define TABLE_VECTORS (PAGE_SIZE / sizeof(vector))

__attribute__((target("avx2"))) static uint64_t read_avx2(uint64_t *const *tables, uint64_t count)
{
    vector a = {0}, b = {0}, c = {0}, d = {0};

    for (uint64_t i = 0; i < count; i++) {
        const vector *table = (const vector *)(const void *)tables[i];

        for (unsigned at = 0; at < TABLE_VECTORS; at += 8) {
            a |= table[at] | table[at + 4];
            b |= table[at + 1] | table[at + 5];
            c |= table[at + 2] | table[at + 6];
            d |= table[at + 3] | table[at + 7];
        }
    }
    a |= b | c | d;
    return a[0] | a[1] | a[2] | a[3];
}

static uint64_t read_64(uint64_t *const *tables, uint64_t count)
{
    uint64_t any = 0;

    for (uint64_t i = 0; i < count; i++)
        for (unsigned at = 0; at < PAGE_SIZE / sizeof(uint64_t); at++)
            any |= tables[i][at];
    return any;
}

uint64_t floor_read(uint64_t *const *tables, uint64_t count)
{
    return __builtin_cpu_supports("avx2") ? read_avx2(tables, count) : read_64(tables, count);
}

void floor_clear(uint64_t *const *tables, uint64_t count, uint64_t bit)
{
    for (uint64_t i = 0; i < count; i++)
        for (unsigned at = 0; at < PAGE_SIZE / sizeof(uint64_t); at += 2) {
            uint64_t found[2] = {tables[i][at], tables[i][at + 1]};

            while (!atomic_compare_exchange_pair(&tables[i][at], found,
                                                 (uint64_t[]){found[0] & ~bit, found[1] & ~bit}))
                ;
        }
}

void floor_flush(const void *memory, uint64_t bytes)
{
    for (uint64_t at = 0; at < bytes; at += LINE)
        __builtin_ia32_clflush((const char *)memory + at);
    __builtin_ia32_mfence();
}
