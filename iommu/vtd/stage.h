/* SPDX-License-Identifier: BSD-2-Clause */
/* What a domain's tables are: first stage, second stage, or none (pass-through); what units can do of that,
 * and which entries lead to them. */
#pragma once

#include "iommu/domain.h"
#include "iommu/vtd/pasid.h"
#include "iommu/vtd/unit.h"
#include "lib/compiler.h"
#include <stdbool.h>
#include <stdint.h>

enum vtd_stage {
    VTD_FIRST_STAGE,
    VTD_SECOND_STAGE,
    VTD_PASS_THROUGH,
};

#define VTD_TABLE_STAGES 2 /* the first two have tables */

/* What all units that have a stage can do in it: a domain is the same on all of them. */
struct vtd_stage_limits {
    unsigned units;   /* that have it */
    uint8_t levels;   /* bit n: tables of n levels */
    uint8_t leaves;   /* bit n: leaves at level n */
    uint8_t width;    /* input addresses have at most so many bits */
    bool snoop;       /* accesses can be made to snoop (ECAP.SC) */
    bool coherent;    /* walks snoop */
    bool keeps_dirty; /* accessed and dirty bits */
    const char *why_not_dirty;
};

/* The unit translates so, in its table mode. */
bool vtd_unit_has_stage(const struct vtd_unit *unit, enum vtd_stage stage);

/* Of count units. */
void vtd_stage_limits_of(const struct vtd_unit *units, unsigned count, enum vtd_stage stage,
                         struct vtd_stage_limits *limits);

/* What a domain should be of unless its creator says so: the stage that all units have, the one that keeps
 * dirty bits before the other, the first one if that leaves a choice; config may have said. ERR_UNSUPPORTED:
 * no unit has the stage, or no unit its levels; the log says so. */
int vtd_stage_choose(const struct iommu_config *config, unsigned units, enum vtd_stage *stage) MUST_CHECK;

/* For people. */
const char *vtd_stage_name(enum vtd_stage stage);

/* How many levels the tables of a stage get, and to how many bits of address; 0 levels if no unit has it. */
unsigned vtd_stage_levels(enum vtd_stage stage);
unsigned vtd_stage_width(enum vtd_stage stage);

/* The format of its tables, if it has some. */
const struct pt_ops *vtd_stage_format(enum vtd_stage stage);

/* Fills in what domain->ops->init() has to, but for the id, if vtd_stage_choose() chose the stage or it has
 * no tables. ERR_INVALID (no unit has it), ERR_NOMEM. */
int vtd_stage_init(struct iommu_domain *domain, enum vtd_stage stage) MUST_CHECK;

/* The PASID-table entry that leads to the domain's tables (9.6), and its context entry in legacy mode (9.3),
 * both present. */
void vtd_stage_pasid_entry(const struct vtd_unit *unit, const struct iommu_domain *domain,
                           enum vtd_stage stage, uint64_t words[VTD_PASID_WORDS]);
void vtd_stage_context_entry(const struct vtd_unit *unit, const struct iommu_domain *domain,
                             enum vtd_stage stage, uint64_t words[2]);

/* The domain ids that such entries have. */
static inline uint16_t vtd_stage_pasid_did(const struct vtd_pasid_entry *entry)
{
    return (uint16_t)entry->word[1];
}

static inline uint16_t vtd_stage_context_did(const uint64_t *entry)
{
    return (uint16_t)(entry[1] >> 8);
}
