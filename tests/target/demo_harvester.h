/* SPDX-License-Identifier: BSD-2-Clause */
/* The demo's harvester: runs one pass after another, each as an event on its CPU, when it is told to. */
#pragma once

#include "arch/cpu/event.h"
#include "iommu/iommu.h"
#include "tests/target/ledger.h"
#include <stdbool.h>
#include <stdint.h>

struct demo_harvester {
    struct work work;
    unsigned cpu;
    struct iommu_domain *domain;
    struct ledger *ledger;
    uint64_t *bitmap;
    uint32_t running; /* atomic: the event is queued or runs; the rest of this belongs to its CPU then */
    struct ledger_pass pass;
    uint64_t harvest_ns;
    int error;
};

/* ERR_NOMEM. */
int demo_harvester_init(struct demo_harvester *harvester, unsigned cpu, struct iommu_domain *domain,
                        struct ledger *ledger) MUST_CHECK;
void demo_harvester_destroy(struct demo_harvester *harvester);

/* Clears what is dirty before the first pass (the mapping may be), outside of the books. Errors as
 * iommu_harvest(). */
int demo_harvester_prime(struct demo_harvester *harvester) MUST_CHECK;

/* Begins a pass, and tells whether it is over: then pass, harvest_ns and error are what it came to. */
void demo_harvester_start(struct demo_harvester *harvester);
bool demo_harvester_done(struct demo_harvester *harvester);
