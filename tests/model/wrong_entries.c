/* SPDX-License-Identifier: BSD-2-Clause */
/* Context and PASID entries changed while a unit uses them, and domain ids that stand for two things: a wrong
 * driver for each, and next to them the right ones. */
#include "lib/compiler.h"
#include "lib/platform.h"
#include "lib/units.h"
#include "tests/model/bare.h"
#include "tests/model/bare_probe.h"
#include "tests/model/configs.h"
#include "tests/model/scenario.h"
#include "tests/model/spec_registers.h"
#include "tests/model/spec_tables.h"

#define OTHER  0x0110
#define ROUNDS 4

static struct probe probe;
static struct unit *unit;

#define WRONG(name, violation_, text)                                                                        \
    SCENARIO(name, .what = text, .kind = SCENARIO_WRONG, .expected = violation_)
#define RIGHT(name, text) SCENARIO(name, .what = text, .kind = SCENARIO_RANDOM)

/* --- entries that are in use --- */

static void replace_context(bool retract)
{
    struct probe_tree trees[2];
    uint64_t *entry, words[2];

    unit = probe_start(&probe, &unit_modern, false);
    trees[0] = probe_tree(unit, true);
    trees[1] = probe_tree(unit, true);
    probe_attach(unit, &trees[0], BARE_SECOND_STAGE, false);
    entry = bare_context(unit, PROBE_SOURCE);
    schedule_set_calm(false);
    probe_expect(&probe, PROBE_IOVA, true, trees[0].page);
    if (retract) {
        bare_set(unit, entry, *entry & ~SPEC_CONTEXT_PRESENT);
        bare_invalidate_all(unit);
    }
    bare_legacy_words(unit, BARE_SECOND_STAGE, PROBE_DID + 1, trees[1].root, PROBE_LEVELS, false, words);
    bare_set_words(unit, entry, words, ARRAY_SIZE(words));
    probe_expect_pasid_refused(&probe, 0, PROBE_IOVA, true, SPEC_RTA_2);
    device_access(&probe.device, PROBE_IOVA, true);
    device_drain(&probe.device);
    bare_invalidate_all(unit);
    probe_expect(&probe, PROBE_IOVA, true, trees[1].page);
}

WRONG(context_changed_while_present, VIOLATION_LIVE_ENTRY,
      "a context entry gets another tree while it is present")
{
    replace_context(false);
}

RIGHT(context_changed_while_away,
      "a context entry gets another tree while it is not present, and invalidated")
{
    replace_context(true);
}

static void replace_pasid(bool retract)
{
    struct probe_tree trees[2];
    uint64_t *entry, words[3];

    unit = probe_start(&probe, &unit_modern, true);
    trees[0] = probe_tree(unit, false);
    trees[1] = probe_tree(unit, false);
    probe_attach(unit, &trees[0], BARE_FIRST_STAGE, false);
    entry = bare_pasid(unit, PROBE_SOURCE, 0);
    schedule_set_calm(false);
    probe_expect(&probe, PROBE_IOVA, true, trees[0].page);
    if (retract) {
        bare_set(unit, entry, *entry & ~SPEC_PASID_PRESENT);
        bare_invalidate_all(unit);
    }
    bare_pasid_words(unit, BARE_FIRST_STAGE, PROBE_DID + 1, trees[1].root, PROBE_LEVELS, false, words);
    bare_set_words(unit, entry, words, ARRAY_SIZE(words));
    device_access(&probe.device, PROBE_IOVA + PAGE_SIZE, true);
    bare_invalidate_all(unit);
    probe_expect(&probe, PROBE_IOVA, true, trees[1].page);
}

WRONG(pasid_changed_while_present, VIOLATION_LIVE_ENTRY,
      "a PASID entry gets another tree while it is present")
{
    replace_pasid(false);
}

RIGHT(pasid_changed_while_away, "a PASID entry gets another tree while it is not present, and invalidated")
{
    replace_pasid(true);
}

static void switch_dirty(bool invalidate)
{
    struct probe_tree tree;
    uint64_t *entry;

    unit = probe_start(&probe, &unit_modern, true);
    tree = probe_tree(unit, true);
    probe_attach(unit, &tree, BARE_SECOND_STAGE, false);
    entry = bare_pasid(unit, PROBE_SOURCE, 0);
    schedule_set_calm(false);
    probe_expect(&probe, PROBE_IOVA, true, tree.page);
    bare_set(unit, entry, *entry | SPEC_PASID_SSADE);
    probe_expect(&probe, PROBE_IOVA, true, tree.page); /* by either */
    if (invalidate)
        bare_invalidate_all(unit);
    unit_check_entries(unit);
    probe_expect(&probe, PROBE_IOVA, true, tree.page);
    expect(*bare_slot(unit, tree.root, PROBE_LEVELS, PROBE_IOVA, 0, true) & SPEC_SS_DIRTY);
}

WRONG(ssade_without_invalidation, VIOLATION_LIVE_ENTRY,
      "SSADE is switched on, and no PASID cache invalidated")
{
    switch_dirty(false);
}

RIGHT(ssade_with_invalidation, "SSADE is switched on in an entry that is in use, and everything invalidated")
{
    switch_dirty(true);
}

/* --- domain ids --- */

static void share_did(const struct probe_tree *other, enum bare_stage stage, bool same)
{
    static struct probe second;
    struct probe_tree tree;

    tree = probe_tree(unit, true);
    probe_attach(unit, &tree, BARE_SECOND_STAGE, false);
    bare_attach(unit, OTHER, stage, same ? PROBE_DID : PROBE_DID + 1, other ? other->root : tree.root,
                PROBE_LEVELS, false, false);
    probe_make(&second, OTHER);
    schedule_set_calm(false);
    probe_expect(&probe, PROBE_IOVA, true, tree.page);
    probe_expect(&second, PROBE_IOVA, true, other ? other->page : tree.page);
}

WRONG(did_of_two_trees, VIOLATION_LIVE_ENTRY, "two second-stage trees have one domain id")
{
    struct probe_tree other;

    unit = probe_start(&probe, &unit_modern, true);
    other = probe_tree(unit, true);
    share_did(&other, BARE_SECOND_STAGE, true);
}

WRONG(did_of_two_trees_legacy, VIOLATION_LIVE_ENTRY, "two trees of legacy mode have one domain id")
{
    struct probe_tree other;

    unit = probe_start(&probe, &unit_modern, false);
    other = probe_tree(unit, true);
    share_did(&other, BARE_SECOND_STAGE, true);
}

WRONG(did_of_two_stages, VIOLATION_LIVE_ENTRY, "a first-stage tree has the domain id of a second-stage one")
{
    struct probe_tree other;

    unit = probe_start(&probe, &unit_modern, true);
    other = probe_tree(unit, false);
    share_did(&other, BARE_FIRST_STAGE, true);
}

RIGHT(did_of_one_tree, "two devices share a second-stage tree and its domain id")
{
    unit = probe_start(&probe, &unit_modern, true);
    share_did(NULL, BARE_SECOND_STAGE, true);
}

RIGHT(did_for_each_tree, "two devices, two stages, two domain ids")
{
    struct probe_tree other;

    unit = probe_start(&probe, &unit_modern, true);
    other = probe_tree(unit, false);
    share_did(&other, BARE_FIRST_STAGE, false);
}

/* --- the order of stores --- */

static void keep_reading(void *context)
{
    (void)context;
    for (unsigned round = 0; round < ROUNDS; round++)
        device_access(&probe.device, PROBE_IOVA, false);
}

static void attach_under_traffic(bool present_last)
{
    struct agent *device;
    struct probe_tree tree;
    uint64_t *entry, words[3];

    unit = probe_start(&probe, &unit_modern, true);
    tree = probe_tree(unit, true);
    entry = bare_pasid(unit, PROBE_SOURCE, 0);
    bare_pasid_words(unit, BARE_SECOND_STAGE, PROBE_DID, tree.root, PROBE_LEVELS, false, words);
    bare_set(unit, &entry[1], words[1] & ~(uint64_t)UINT16_MAX); /* all but the domain id */
    device = agent_start(AGENT_DEVICE, 0, "device", keep_reading, NULL);
    schedule_set_calm(false);
    for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
        unsigned n = present_last ? 2 - i : i;

        bare_set(unit, &entry[n], words[n]);
    }
    agent_join(device);
    probe_expect(&probe, PROBE_IOVA, false, tree.page);
}

WRONG(pasid_present_word_first, VIOLATION_LIVE_ENTRY,
      "a PASID entry is present before its domain id is there")
{
    attach_under_traffic(false);
}

RIGHT(pasid_present_word_last, "a PASID entry becomes present while its device sends requests")
{
    attach_under_traffic(true);
}
