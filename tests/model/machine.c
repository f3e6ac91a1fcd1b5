/* SPDX-License-Identifier: BSD-2-Clause */
/* Units, the table that names them, and CPUs. */
#include "tests/model/machine.h"
#include "lib/rcu.h"
#include "tests/model/run.h"
#include "tests/model/schedule.h"
#include "tests/model/spec_registers.h"
#include <string.h>

/* The DMAR table (VT-d specification, chapter 8): offsets and sizes of the header (8.1), a DRHD structure
 * (8.3) and a device scope with a path of one hop (8.3.1). */
enum {
    HEADER_LENGTH = 4,
    HEADER_REVISION = 8,
    HEADER_CHECKSUM = 9,
    HEADER_OEM_ID = 10,
    HEADER_HOST_WIDTH = 36,
    HEADER_FLAGS = 37,
    HEADER_BYTES = 48,

    STRUCTURE_LENGTH = 2, /* and the type at 0: DRHD is 0 */

    DRHD_FLAGS = 4,
    DRHD_SIZE = 5,
    DRHD_REGISTERS = 8,
    DRHD_BYTES = 16,

    RMRR = 1, /* its type (8.4) */
    RMRR_BASE = 8,
    RMRR_LIMIT = 16,
    RMRR_BYTES = 24,

    SCOPE_TYPE = 0,
    SCOPE_LENGTH = 1,
    SCOPE_PATH = 6,
    SCOPE_BYTES = 8,
};

enum {
    HOST_WIDTH_BITS = 46,
    FLAG_INTERRUPT_REMAPPING = 1,
    DRHD_INCLUDE_ALL = 1,
    SCOPE_ENDPOINT = 1,
    UNIT_PAGES_LG2 = 4, /* UNIT_STRIDE */
    FUNCTIONS = 8,      /* of a device */
};

_Static_assert(4096ull << UNIT_PAGES_LG2 == UNIT_STRIDE, "the DMAR table tells a unit's size");

#define RESERVED_MAX 8
#define DMAR_BYTES_MAX                                                                                       \
    (HEADER_BYTES + UNITS_MAX * (DRHD_BYTES + FUNCTIONS * SCOPE_BYTES) +                                     \
     RESERVED_MAX * (RMRR_BYTES + SCOPE_BYTES))

struct cpu_start {
    void (*main)(void *context);
    void *context;
};

static struct unit units[UNITS_MAX];
static unsigned unit_count;
static uint8_t dmar[DMAR_BYTES_MAX];
static size_t dmar_bytes;
static struct cpu_start cpu_starts[MACHINE_CPUS];

/* All functions of device 00:n. */
static uint8_t *put_scopes(uint8_t *at, unsigned n)
{
    for (unsigned function = 0; function < FUNCTIONS; function++) {
        at[SCOPE_TYPE] = SCOPE_ENDPOINT;
        at[SCOPE_LENGTH] = SCOPE_BYTES;
        at[SCOPE_PATH] = (uint8_t)n;
        at[SCOPE_PATH + 1] = (uint8_t)function;
        at += SCOPE_BYTES;
    }
    return at;
}

static uint8_t *put_unit(uint8_t *at, unsigned n)
{
    uint8_t *const unit = at;
    const uint64_t registers = UNIT_BASE + n * UNIT_STRIDE;
    const bool last = n == unit_count - 1;

    at += DRHD_BYTES;
    if (!last)
        at = put_scopes(at, n);
    unit[STRUCTURE_LENGTH] = (uint8_t)(at - unit);
    unit[DRHD_FLAGS] = last ? DRHD_INCLUDE_ALL : 0;
    unit[DRHD_SIZE] = UNIT_PAGES_LG2;
    memcpy(unit + DRHD_REGISTERS, &registers, sizeof registers);
    return at;
}

static bool all_remap_interrupts(void)
{
    for (unsigned i = 0; i < unit_count; i++)
        if (!(units[i].config.ecap & SPEC_ECAP_IR))
            return false;
    return true;
}

static void seal_dmar(void)
{
    uint32_t length = (uint32_t)dmar_bytes;
    uint8_t sum = 0;

    memcpy(dmar + HEADER_LENGTH, &length, sizeof length);
    dmar[HEADER_CHECKSUM] = 0;
    for (size_t i = 0; i < dmar_bytes; i++)
        sum = (uint8_t)(sum + dmar[i]);
    dmar[HEADER_CHECKSUM] = (uint8_t)-sum;
}

static void make_dmar(void)
{
    uint8_t *end = dmar + HEADER_BYTES;

    for (unsigned i = 0; i < unit_count; i++)
        end = put_unit(end, i);
    dmar_bytes = (size_t)(end - dmar);
    memcpy(dmar, "DMAR", 4);
    dmar[HEADER_REVISION] = 1;
    memcpy(dmar + HEADER_OEM_ID, "LULL  MODEL   ", 14);
    dmar[HEADER_HOST_WIDTH] = HOST_WIDTH_BITS - 1;
    dmar[HEADER_FLAGS] = all_remap_interrupts() ? FLAG_INTERRUPT_REMAPPING : 0;
    seal_dmar();
}

void machine_add_reserved(uint64_t hpa, uint64_t last, uint16_t source_id)
{
    uint8_t *at = dmar + dmar_bytes;

    if (dmar_bytes + RMRR_BYTES + SCOPE_BYTES > sizeof dmar)
        run_broken("more than %u RMRRs", RESERVED_MAX);
    memset(at, 0, RMRR_BYTES + SCOPE_BYTES);
    at[0] = RMRR;
    at[STRUCTURE_LENGTH] = RMRR_BYTES + SCOPE_BYTES;
    memcpy(at + RMRR_BASE, &hpa, sizeof hpa);
    memcpy(at + RMRR_LIMIT, &last, sizeof last);
    at += RMRR_BYTES;
    at[SCOPE_TYPE] = SCOPE_ENDPOINT;
    at[SCOPE_LENGTH] = SCOPE_BYTES;
    at[SCOPE_PATH] = (uint8_t)(source_id >> 3 & 0x1f);
    at[SCOPE_PATH + 1] = source_id & 7;
    dmar_bytes += RMRR_BYTES + SCOPE_BYTES;
    seal_dmar();
}

void machine_make(const struct unit_config *const *configs, unsigned count)
{
    if (unit_count || !count || count > UNITS_MAX)
        run_broken("a machine of %u units, after one of %u", count, unit_count);
    unit_count = count;
    for (unsigned i = 0; i < count; i++)
        unit_make(&units[i], i, configs[i]);
    make_dmar();
    rcu_cpu_online();
}

const void *machine_dmar(size_t *bytes)
{
    *bytes = dmar_bytes;
    return dmar;
}

struct unit *machine_unit(unsigned index)
{
    return &units[index];
}

unsigned machine_unit_count(void)
{
    return unit_count;
}

struct unit *machine_unit_of(uint16_t source_id)
{
    const unsigned device = source_id >> 3 & 0x1f;
    const bool named = source_id >> 8 == 0 && device < unit_count - 1;

    return &units[named ? device : unit_count - 1];
}

static void cpu_main(void *context)
{
    const struct cpu_start *start = context;

    rcu_cpu_online();
    start->main(start->context);
    rcu_cpu_offline();
}

struct agent *machine_cpu(unsigned cpu, const char *name, void (*main)(void *context), void *context)
{
    if (!cpu || cpu >= MACHINE_CPUS)
        run_broken("no CPU %u to start", cpu);
    cpu_starts[cpu] = (struct cpu_start){main, context};
    return agent_start(AGENT_CPU, cpu, name, cpu_main, &cpu_starts[cpu]);
}
