/* SPDX-License-Identifier: BSD-2-Clause */
/* What scenarios with the real driver have in common: a machine with the driver started, one domain with its
 * oracle, and agents that do a few things each. There is one rig; all of it is set up while calm. */
#pragma once

#include "tests/model/configs.h"
#include "tests/model/device.h"
#include "tests/model/machine.h"
#include "tests/model/oracle.h"
#include "tests/model/scenario.h"
#include <stdbool.h>
#include <stdint.h>

#define RIG_UNITS   3
#define RIG_DEVICES 3
#define RIG_MEMORY  64 /* pages that devices may reach */

struct rig {
    struct iommu_config config; /* that rig_start() is to start with */
    unsigned ats;               /* bit n: device n has ATS, and the driver trusts it: before rig_start() */
    struct iommu_domain *domain;
    struct oracle *oracle;
    uint64_t iova; /* the oracle's window */
    unsigned pages;
    uint64_t memory;          /* HPA of RIG_MEMORY pages */
    bool tracked;             /* the units keep dirty bits, */
    bool starts_untracked;    /* and the domain is tracked from rig_start() on unless this says otherwise */
    bool cuts_off;            /* units fail so that devices may be cut off */
    bool pages_go;            /* beside DMA, so that some is refused */
    unsigned passed, refused; /* accesses of devices beside CPUs */
    unsigned
        failures_left; /* calls that may fail with ERR_TIMEOUT or ERR_HARDWARE, since units are made to */
    struct device devices[RIG_DEVICES];
    bool attached[RIG_DEVICES];
};

extern struct rig rig;

/* Makes the units, starts the driver on them, makes the domain and an oracle that watches pages from iova on.
 * rig_start_any() chooses them, which devices have ATS, and how they translate: one to RIG_UNITS, all with
 * coherent walks if the domain is to track. */
void rig_start(const struct unit_config *const *configs, unsigned units, uint64_t iova, unsigned pages);
void rig_start_any(bool tracking, uint64_t iova, unsigned pages);

/* Chooses how rig_start() is to translate, and a unit for it, of the first kinds (up to 6) that can. */
const struct unit_config *rig_choose_unit(unsigned kinds);

/* Any of 0 to count - 1, also while calm. */
unsigned rig_choose(unsigned count);

/* Makes device n, which is behind unit n or the last one, and attaches it. */
struct device *rig_attach(unsigned n);

/* The n-th page of the window, and the last address of it. */
uint64_t rig_page(unsigned n);
uint64_t rig_last(unsigned n);

/* Passes on 0, or one of the failures that the scenario causes; all else ends the run. */
int rig_check(int error);

/* --- agents: each reports quiescent states between what it does --- */

/* Maps and unmaps runs of pages within [first, first + pages) of the window, which are its own. With `tables`
 * it unmaps now and then all of [tables_iova, tables_last], which lies beyond and holds its pages. */
struct rig_mapper {
    unsigned first, pages, operations;
    bool tables;
    uint64_t tables_iova, tables_last;
    uint64_t mapped; /* bit n: page first + n */
    unsigned moves;  /* each mapping goes somewhere else */
};

void rig_start_mapper(unsigned cpu, struct rig_mapper *mapper);

/* Harvests the window, or half of it. */
struct rig_harvester {
    unsigned operations;
};

void rig_start_harvester(unsigned cpu, struct rig_harvester *harvester);

/* Detaches and attaches device n. */
struct rig_mover {
    unsigned device, operations;
};

void rig_start_mover(unsigned cpu, struct rig_mover *mover);

/* Looks pages up. `idle`: and is idle, which holds up no grace period, before each. */
struct rig_walker {
    unsigned operations;
    bool idle;
};

void rig_start_walker(unsigned cpu, struct rig_walker *walker);

enum rig_accesses { RIG_BOTH, RIG_READS, RIG_WRITES };

/* Device n reads or writes pages [first, first + pages) of the window, with up to `pause` steps from one
 * access to the next; all has landed when it ends. */
struct rig_traffic {
    unsigned device, first, pages, accesses, pause;
    enum rig_accesses kind;
};

void rig_start_traffic(struct rig_traffic *traffic);

/* What else device n does. */
void rig_start_device(unsigned n, void (*main)(void *context));

/* Any other agent on a CPU. */
void rig_start_cpu(unsigned cpu, const char *name, void (*main)(void *context), void *context);

/* Enters extended quiescence, once its callbacks have run. */
void rig_be_idle(void);

/* Not calm any more until all agents have ended. Meanwhile this CPU is idle. */
void rig_run(void);

/* Whether device n is in the domain and was cut off. */
bool rig_is_cut_off(unsigned n);

/* Calm, all units work again: every device tries the window's pages (of a large window the first ones); those
 * that were cut off are detached, attached and try again; the oracle's last harvests; what is in quarantine
 * is released; all detached, the domain destroyed, the driver stopped; all of which must go well. */
void rig_finish(void);
