/* SPDX-License-Identifier: BSD-2-Clause */
/* Stages: what units can do, what a domain gets of it, and the bits of the entries that lead to its tables.
 */
#include "iommu/vtd/stage.h"
#include "iommu/vtd/errata.h"
#include "iommu/vtd/vtd.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/mutant.h"

/* Scalable-mode PASID-table entry (9.6). */
#define WORD0_PRESENT      (1ull << 0)
#define WORD0_AW(levels)   ((uint64_t)((levels)-2) << 2)
#define WORD0_PGTT_FIRST   (1ull << 6)
#define WORD0_PGTT_SECOND  (2ull << 6)
#define WORD0_PGTT_PASS    (4ull << 6)
#define WORD1_DID(did)     ((uint64_t)(did))
#define WORD1_PWSNP        (1ull << 23)
#define WORD1_PGSNP        (1ull << 24)
#define WORD2_FSPM(levels) ((uint64_t)((levels)-4) << 2)

/* Context entry of legacy mode (9.3). Translated requests and translation requests are refused (TT). */
#define CONTEXT_PRESENT    (1ull << 0)
#define CONTEXT_TT_SECOND  (0ull << 2)
#define CONTEXT_TT_PASS    (2ull << 2)
#define CONTEXT_AW(levels) ((uint64_t)((levels)-2))
#define CONTEXT_DID(did)   ((uint64_t)(did) << 8)

static const char *const names[] = {"first stage", "second stage", "pass-through"};

bool vtd_unit_has_stage(const struct vtd_unit *unit, enum vtd_stage stage)
{
    switch (stage) {
    case VTD_FIRST_STAGE:
        return unit->scalable && unit->cap.first_stage;
    case VTD_SECOND_STAGE:
        return unit->cap.second_levels && (!unit->scalable || unit->cap.second_stage);
    default:
        return unit->cap.pass_through;
    }
}

/* The bits are set by atomic accesses, which a walk that does not snoop cannot do: it faults (3.10). Where
 * ECAP.SMPWC is there, each PASID-table entry has PWSNP too, which walks of that entry need. */
static const char no_coherent_walks[] = "a unit has no coherent page walks (ECAP.SMPWC)";

static void add_no_dirty(struct vtd_stage_limits *limits, const char *why)
{
    limits->keeps_dirty = false;
    limits->why_not_dirty = why;
}

static void add_first_stage(const struct vtd_cap *cap, struct vtd_stage_limits *limits)
{
    limits->levels &= (uint8_t)(1 << 4 | (cap->first_stage_5 ? 1 << 5 : 0));
    limits->leaves &= cap->first_stage_1g ? 7 : 3;
    /* The walk of an emulator may set the bits right and not say that it is coherent. */
    if (!cap->coherent_walks && !(vtd_errata() & VTD_ERRATUM_DIRTY_WITHOUT_COHERENCE))
        add_no_dirty(limits, no_coherent_walks);
}

static void add_second_stage(const struct vtd_unit *unit, struct vtd_stage_limits *limits)
{
    const struct vtd_cap *cap = &unit->cap;

    limits->levels &= cap->second_levels;
    limits->leaves &= cap->second_leaves;
    if (!unit->scalable)
        add_no_dirty(limits, "in legacy mode units keep no accessed and dirty bits");
    else if (!cap->second_stage_dirty)
        add_no_dirty(limits, "a unit has no accessed and dirty bits in second-stage tables (ECAP.SSADS)");
    else if (!cap->coherent_walks)
        add_no_dirty(limits, no_coherent_walks);
}

void vtd_stage_limits_of(const struct vtd_unit *units, unsigned count, enum vtd_stage stage,
                         struct vtd_stage_limits *limits)
{
    *limits = (struct vtd_stage_limits){0, 0xff, 7, 64, true, true, true, NULL};
    for (unsigned i = 0; i < count; i++) {
        const struct vtd_unit *unit = &units[i];

        if (!vtd_unit_has_stage(unit, stage))
            continue;
        limits->units++;
        if (unit->cap.guest_width_lg2 < limits->width)
            limits->width = unit->cap.guest_width_lg2;
        limits->snoop = limits->snoop && unit->cap.snoop_control;
        /* Page tables of legacy mode go by ECAP.C (11.4.3). */
        if (!(unit->scalable ? unit->cap.coherent_walks : unit->cap.coherent_tables))
            limits->coherent = false;
        if (stage == VTD_FIRST_STAGE)
            add_first_stage(&unit->cap, limits);
        else
            add_second_stage(unit, limits);
        if (unit->self_test.verdict == IOMMU_FAILED && !mutant(SELF_TEST_IGNORED))
            add_no_dirty(limits, "a unit failed its accessed/dirty self-test");
    }
}

/* 0 if there are none. Four are enough for any guest, and three would be enough for most. */
static unsigned choose_levels(uint8_t levels, unsigned wanted)
{
    static const unsigned preferred[] = {4, 3, 5};

    if (wanted)
        return levels & 1u << wanted ? wanted : 0;
    for (unsigned i = 0; i < ARRAY_SIZE(preferred); i++)
        if (levels & 1u << preferred[i])
            return preferred[i];
    return 0;
}

static enum vtd_stage best_stage(const struct iommu_config *config, unsigned units)
{
    const struct vtd_stage_limits *first = vtd_stage_limits(VTD_FIRST_STAGE);
    const struct vtd_stage_limits *second = vtd_stage_limits(VTD_SECOND_STAGE);

    if (config->translation != IOMMU_TRANSLATION_AUTO)
        return config->translation == IOMMU_TRANSLATION_FIRST_STAGE ? VTD_FIRST_STAGE : VTD_SECOND_STAGE;
    if (first->units != units || second->units != units)
        return first->units >= second->units ? VTD_FIRST_STAGE : VTD_SECOND_STAGE;
    return second->keeps_dirty && !first->keeps_dirty ? VTD_SECOND_STAGE : VTD_FIRST_STAGE;
}

int vtd_stage_choose(const struct iommu_config *config, unsigned units, enum vtd_stage *stage)
{
    const struct vtd_stage_limits *limits;

    *stage = best_stage(config, units);
    limits = vtd_stage_limits(*stage);
    if (!limits->units) {
        log_error("vtd: no unit has %s translation in this mode", names[*stage]);
        return ERR_UNSUPPORTED;
    }
    if (!vtd_stage_levels(*stage)) {
        log_error("vtd: no %s tables of %u levels on all units that have that stage", names[*stage],
                  config->levels);
        return ERR_UNSUPPORTED;
    }
    if (limits->units < units)
        log_warn("vtd: %u of %u units have %s translation: devices of the others stay blocked", limits->units,
                 units, names[*stage]);
    if (!limits->keeps_dirty)
        log_warn("vtd: dirty pages cannot be tracked: %s", limits->why_not_dirty);
    return 0;
}

/* A harvest may leave out what accessed bits say was not touched, if units set them before they cache a table
 * entry. The specification says so of a first stage (3.6.2), and not clearly of a second (3.7.2); a unit in
 * caching mode is software, which may do as it likes. */
static struct iommu_pruning choose_pruning(const struct vtd_stage_limits *limits, enum vtd_stage stage)
{
    enum iommu_prune wanted = vtd_config()->prune;
    struct iommu_pruning pruning = {.allowed = false};

    if (!limits->keeps_dirty)
        pruning.why_not = limits->why_not_dirty;
    else if (wanted == IOMMU_PRUNE_OFF)
        pruning.why_not = "switched off";
    else if (wanted == IOMMU_PRUNE_AUTO && vtd_errata() & VTD_ERRATUM_ACCESSED_IS_DIRTY)
        pruning.why_not = "walks overwrite entries that change (accessed-is-dirty), and pruning changes more";
    else if (wanted == IOMMU_PRUNE_AUTO && stage == VTD_SECOND_STAGE)
        pruning.why_not = "accessed bits of a second stage are not believed unless it is asked for (prune)";
    else if (wanted == IOMMU_PRUNE_AUTO && vtd_limits()->caching_mode)
        pruning.why_not = "accessed bits in caching mode are not believed unless it is asked for (prune)";
    else
        pruning.allowed = true;
    pruning.audited = pruning.allowed && (stage == VTD_SECOND_STAGE || vtd_limits()->caching_mode);
    return pruning;
}

static unsigned tree_flags(const struct vtd_stage_limits *limits, enum vtd_stage stage)
{
    unsigned flags = limits->coherent ? 0 : PT_INCOHERENT;

    if (stage == VTD_SECOND_STAGE)
        return flags;
    /* A unit that must set accessed or dirty on a walk that is not coherent faults instead (SFS.9). */
    if (!limits->keeps_dirty)
        flags |= PT_PRESET_DIRTY;
    if (vtd_errata() & VTD_ERRATUM_ACCESSED_IS_DIRTY)
        flags |= PT_ACCESSED_IS_DIRTY;
    return flags;
}

const char *vtd_stage_name(enum vtd_stage stage)
{
    return names[stage];
}

unsigned vtd_stage_levels(enum vtd_stage stage)
{
    const struct vtd_stage_limits *limits = vtd_stage_limits(stage);

    return limits->units ? choose_levels(limits->levels, vtd_config()->levels) : 0;
}

/* First-stage addresses are sign-extended (3.6), and the upper half is nothing that a driver would ask for.
 */
unsigned vtd_stage_width(enum vtd_stage stage)
{
    unsigned width = PT_ENTRY_LG2(vtd_stage_levels(stage));

    if (vtd_stage_limits(stage)->width < width)
        width = vtd_stage_limits(stage)->width;
    return stage == VTD_FIRST_STAGE ? width - 1 : width;
}

const struct pt_ops *vtd_stage_format(enum vtd_stage stage)
{
    return stage == VTD_FIRST_STAGE ? &pt_x86_64 : &pt_vtdss;
}

int vtd_stage_init(struct iommu_domain *domain, enum vtd_stage stage)
{
    const struct vtd_stage_limits *limits;

    if (stage == VTD_PASS_THROUGH)
        return 0;
    limits = vtd_stage_limits(stage);
    domain->pt_ops = vtd_stage_format(stage);
    domain->tracks_dirty = limits->keeps_dirty;
    domain->why_not_dirty = limits->why_not_dirty;
    domain->pruning = choose_pruning(limits, stage);
    /* In scalable mode PGSNP says it for all accesses. */
    domain->leaf_prot = stage == VTD_SECOND_STAGE && limits->snoop ? PT_SNOOP : 0;
    return pt_init(&domain->pt, vtd_stage_levels(stage), limits->leaves, vtd_stage_width(stage),
                   tree_flags(limits, stage) | (domain->pruning.allowed ? PT_PRUNES : 0));
}

/* The widest that the unit knows: what AW has to be where nothing is translated (9.3). */
static unsigned widest(const struct vtd_unit *unit)
{
    uint8_t levels = unit->cap.second_levels;

    return levels & 1 << 5 ? 5 : levels & 1 << 4 ? 4 : 3;
}

static uint64_t first_stage_words(const struct vtd_unit *unit, const struct iommu_domain *domain,
                                  uint64_t *word2)
{
    *word2 = virt_to_phys(domain->pt.root) | WORD2_FSPM(domain->pt.top_level + 1u);
    /* AW is about the second stage: ignored here, and reserved where there is none (9.6). */
    if (unit->cap.second_stage || vtd_errata() & VTD_ERRATUM_WIDTH_FROM_AW)
        return WORD0_PGTT_FIRST | WORD0_AW(4);
    return WORD0_PGTT_FIRST;
}

void vtd_stage_pasid_entry(const struct vtd_unit *unit, const struct iommu_domain *domain,
                           enum vtd_stage stage, uint64_t words[VTD_PASID_WORDS])
{
    words[2] = 0;
    if (stage == VTD_FIRST_STAGE)
        words[0] = first_stage_words(unit, domain, &words[2]);
    else if (stage == VTD_SECOND_STAGE)
        words[0] = WORD0_PGTT_SECOND | WORD0_AW(domain->pt.top_level + 1u) | virt_to_phys(domain->pt.root) |
                   (domain->keeps_dirty ? VTD_PASID_SSADE : 0);
    else
        words[0] = WORD0_PGTT_PASS | (unit->cap.second_stage ? WORD0_AW(widest(unit)) : 0);
    words[0] |= WORD0_PRESENT;
    words[1] = WORD1_DID(domain->id);
    /* Both bits are reserved where the capability is missing. PGSNP makes DMA snoop whatever the device asks
     * for, PWSNP the walk. */
    if (unit->cap.snoop_control)
        words[1] |= WORD1_PGSNP;
    if (unit->cap.coherent_walks && !mutant(NO_PWSNP))
        words[1] |= WORD1_PWSNP;
}

void vtd_stage_context_entry(const struct vtd_unit *unit, const struct iommu_domain *domain,
                             enum vtd_stage stage, uint64_t words[2])
{
    bool pass = stage == VTD_PASS_THROUGH;

    words[0] = CONTEXT_PRESENT | (pass ? CONTEXT_TT_PASS : CONTEXT_TT_SECOND | virt_to_phys(domain->pt.root));
    words[1] = CONTEXT_DID(domain->id) | CONTEXT_AW(pass ? widest(unit) : domain->pt.top_level + 1u);
}
