/* SPDX-License-Identifier: BSD-2-Clause */
/* The C library in the hypervisor: formatting, strings, and what several CPUs may do at once. */

#include "arch/cpu/cpu.h"
#include "lib/atomic.h"
#include "lib/error.h"
#include "lib/platform.h"
#include "lib/tap.h"
#include "tests/target/job.h"
#include "tests/target/random.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check_text(const char *expected, const char *found)
{
    tap_ok(strcmp(expected, found) == 0, "\"%s\" (\"%s\")", expected, found);
}

TEST(libc_snprintf)
{
    char text[64];
    volatile size_t room = 5; /* the compiler would know that it is too small */
    int length;

    snprintf(text, sizeof(text), "%d %u %x %#lx", -1, 4294967295u, 0xbeefu, 0xffff800000000000ul);
    check_text("-1 4294967295 beef 0xffff800000000000", text);
    snprintf(text, sizeof(text), "%" PRIu64 " %" PRId64 " %016llx", UINT64_MAX, INT64_MIN,
             0x123456789abcdefull);
    check_text("18446744073709551615 -9223372036854775808 0123456789abcdef", text);
    snprintf(text, sizeof(text), "%5s|%-5s|%.2s|%c|%%|%3d|%-3d|%03d", "ab", "cd", "efgh", 'x', 7, 7, 7);
    check_text("   ab|cd   |ef|x|%|  7|7  |007", text);
    length = snprintf(text, room, "%s", "overlong");
    tap_ok(length == 8 && strcmp(text, "over") == 0, "a short buffer gets what fits, and an end");
}

TEST(libc_strings)
{
    char text[32] = "0123456789";
    char *end;

    memmove(text + 2, text, 8);
    check_text("0101234567", text);
    memmove(text, text + 2, 9);
    check_text("01234567", text);
    tap_ok(strtoul("0x1fz", &end, 0) == 0x1f && *end == 'z', "strtoul stops where the number does");
    tap_ok(strtoull("18446744073709551615", NULL, 10) == UINT64_MAX, "strtoull has 64 bits");
    tap_ok(memcmp("abc", "abd", 3) < 0 && strncmp("abc", "abd", 2) == 0 && strchr("abc", 'c') &&
               strstr("abcdef", "cde"),
           "comparing and searching");
}

/* Blocks that a CPU holds, each filled with a byte of its own. */
#define HELD   64
#define ROUNDS 2000

struct held {
    uint8_t *block;
    size_t bytes;
    uint8_t fill;
};

static bool intact(const struct held *held, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (held->block[i] != held->fill)
            return false;
    }
    return true;
}

static bool resize(struct held *held, size_t bytes, uint8_t fill)
{
    size_t kept = held->bytes < bytes ? held->bytes : bytes;
    uint8_t *block = realloc(held->block, bytes);
    bool good;

    if (!block)
        return false;
    held->block = block;
    good = intact(held, kept);
    held->bytes = bytes;
    held->fill = fill;
    memset(block, fill, bytes);
    return good;
}

static void malloc_many(void *context)
{
    uint32_t *bad = context;
    struct random random = random_seeded(platform_cpu_id() + 100);
    struct held held[HELD] = {0};

    for (unsigned i = 0; i < ROUNDS; i++) {
        struct held *one = &held[random_below(&random, HELD)];

        if (random_below(&random, 3) == 0) {
            if (one->block && !intact(one, one->bytes))
                atomic_fetch_add(bad, 1u);
            free(one->block);
            *one = (struct held){0};
        } else if (!resize(one, 1 + random_below(&random, 2000), (uint8_t)random_next(&random))) {
            atomic_fetch_add(bad, 1u);
        }
    }
    for (unsigned i = 0; i < HELD; i++)
        free(held[i].block);
}

TEST(libc_malloc_parallel)
{
    uint32_t bad = 0;
    int error = job_run_everywhere(malloc_many, &bad);

    tap_ok(!error && bad == 0, "%u CPUs, %u times malloc, realloc or free each: %u bad", cpu_count(), ROUNDS,
           bad);
}

/* strtok() keeps its place in the CPU's own reentrancy structure, snprintf() its buffers. */
static void parse_many(void *context)
{
    uint32_t *bad = context;
    unsigned cpu = platform_cpu_id();

    for (unsigned i = 0; i < 500; i++) {
        char text[64];
        unsigned sum = 0;

        snprintf(text, sizeof(text), "%u,%u %u", cpu, i, cpu + i);
        for (const char *word = strtok(text, ", "); word; word = strtok(NULL, ", "))
            sum += (unsigned)strtoul(word, NULL, 10);
        if (sum != 2 * (cpu + i))
            atomic_fetch_add(bad, 1u);
    }
}

TEST(libc_reentrant)
{
    uint32_t bad = 0;
    int error = job_run_everywhere(parse_many, &bad);

    tap_ok(!error && bad == 0, "%u CPUs format and take apart 500 texts each: %u bad", cpu_count(), bad);
}
