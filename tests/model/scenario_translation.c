/* SPDX-License-Identifier: BSD-2-Clause */
/* Translation goes off under DMA: when GSTS shows it, nothing walks the tables any more, and what went
 * through them has landed (11.4.4.1, TE). */
#include "lib/platform.h"
#include "tests/model/bare.h"
#include "tests/model/configs.h"
#include "tests/model/device.h"
#include "tests/model/scenario.h"
#include "tests/model/spec_registers.h"

#define SOURCE 0x0010
#define DID    5
#define LEVELS 4
#define WRITES 12

static struct unit *unit;
static struct device device;
static uint64_t *root;
static uint64_t page; /* maps to itself, so that it is reached with translation off, too */
static bool off;

static void on_landing(void *context, const struct request *request)
{
    (void)context;
    if (off && request->has_did)
        violation(VIOLATION_STALE, "a write through the tables lands at %#lx, and translation is off",
                  (unsigned long)request->hpa);
}

static void start(void)
{
    unit = bare_start(&unit_modern, true);
    root = bare_table(unit);
    page = bare_dma_memory(0);
    bare_set(unit, bare_slot(unit, root, LEVELS, page, 0, true), bare_leaf(page, 0, true));
    bare_attach(unit, SOURCE, BARE_SECOND_STAGE, DID, root, LEVELS, false, false);
    device_make(&device, "device", SOURCE, false);
    device.watch.lands = on_landing;
}

static void write_often(void *context)
{
    (void)context;
    for (unsigned i = 0; i < WRITES; i++)
        expect(device_access(&device, page, true));
    device_drain(&device);
}

static struct agent *start_device(void)
{
    schedule_set_calm(false);
    return agent_start(AGENT_DEVICE, 0, "device", write_often, NULL);
}

SCENARIO(translation_off_under_dma, .what = "the tables are freed once GSTS shows that translation is off",
         .kind = SCENARIO_RANDOM)
{
    struct agent *writer;

    start();
    writer = start_device();
    bare_command(unit, SPEC_GCMD_TE, false);
    off = true;
    pages_free(root);
    agent_join(writer);
}

SCENARIO(translation_off_not_awaited, .what = "the tables are freed as soon as the command is written",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_FREED_CACHED)
{
    struct agent *writer;

    start();
    unit->caches.temper = 0;
    writer = start_device();
    while (!unit->caches.tables.count)
        platform_relax();
    bare_write32(unit, SPEC_GCMD, SPEC_GCMD_QIE);
    pages_free(root);
    agent_join(writer);
}
