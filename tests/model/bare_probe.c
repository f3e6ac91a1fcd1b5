/* SPDX-License-Identifier: BSD-2-Clause */
/* A device's single accesses, and what became of them; a tree for them. */
#include "tests/model/bare_probe.h"
#include "tests/model/spec_registers.h"
#include "tests/model/spec_tables.h"
#include "tests/model/violation.h"

static void note_landing(void *context, const struct request *request)
{
    struct probe *probe = context;

    probe->hpa = request->hpa;
}

static void note_refusal(void *context, const struct request *request)
{
    struct probe *probe = context;

    probe->reason = request->reason;
}

void probe_make(struct probe *probe, uint16_t source_id)
{
    device_make(&probe->device, "probe", source_id, false);
    probe->device.watch =
        (struct device_watch){.lands = note_landing, .refused = note_refusal, .context = probe};
}

static void expect_landed(struct probe *probe, bool done, uint64_t hpa)
{
    if (!done)
        expect_equal(probe->reason, 0);
    expect(done);
    device_drain(&probe->device);
    expect_equal(probe->hpa, hpa);
}

void probe_expect(struct probe *probe, uint64_t iova, bool write, uint64_t hpa)
{
    probe->hpa = 0;
    probe->reason = 0;
    expect_landed(probe, device_access(&probe->device, iova, write), hpa);
}

void probe_expect_pasid(struct probe *probe, uint32_t pasid, uint64_t iova, bool write, uint64_t hpa)
{
    probe->hpa = 0;
    probe->reason = 0;
    expect_landed(probe, device_access_pasid(&probe->device, pasid, iova, write), hpa);
}

void probe_expect_refused(struct probe *probe, uint64_t iova, bool write, uint8_t reason)
{
    bool done = device_access(&probe->device, iova, write);

    expect(!done);
    expect_equal(probe->reason, reason);
}

void probe_expect_pasid_refused(struct probe *probe, uint32_t pasid, uint64_t iova, bool write,
                                uint8_t reason)
{
    bool done = device_access_pasid(&probe->device, pasid, iova, write);

    expect(!done);
    expect_equal(probe->reason, reason);
}

struct probe_tree probe_tree(struct unit *unit, bool second)
{
    struct probe_tree tree = {bare_table(unit), bare_dma_memory(0)};
    bool preset = !second && !(unit->config.ecap & SPEC_ECAP_SMPWC);
    uint64_t leaf = bare_leaf(tree.page, 0, second) | (preset ? SPEC_FS_ACCESSED | SPEC_FS_DIRTY : 0);

    bare_set(unit, bare_slot(unit, tree.root, PROBE_LEVELS, PROBE_IOVA, 0, second), leaf);
    return tree;
}

struct unit *probe_start(struct probe *probe, const struct unit_config *config, bool scalable)
{
    struct unit *unit = bare_start(config, scalable);

    probe_make(probe, PROBE_SOURCE);
    return unit;
}

void probe_attach(struct unit *unit, const struct probe_tree *tree, enum bare_stage stage, bool dirty)
{
    bare_attach(unit, PROBE_SOURCE, stage, PROBE_DID, tree->root, PROBE_LEVELS, dirty, false);
}
