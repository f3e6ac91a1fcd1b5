/* SPDX-License-Identifier: BSD-2-Clause */
/* The demo's parts, and how they are set up and taken down (demo_setup.c) and run (demo_run.c). */
#pragma once

#include "iommu/iommu.h"
#include "lib/compiler.h"
#include "tests/target/demo_harvester.h"
#include "tests/target/demo_neighbours.h"
#include "tests/target/demo_pool.h"
#include "tests/target/demo_verdict.h"
#include "tests/target/demo_writer.h"
#include "tests/target/edu.h"
#include "tests/target/ledger.h"
#include "tests/target/nvme.h"
#include <stdbool.h>
#include <stdint.h>

/* How long it goes on: so many passes, or, if that is 0, so many seconds. */
struct demo_length {
    unsigned passes;
    unsigned seconds;
};

struct demo {
    struct demo_length length;
    uint64_t seed;
    struct iommu_domain *domain;
    struct demo_pool pool;
    struct nvme nvme;
    struct edu edu;
    bool has_nvme;
    bool has_edu;
    struct ledger ledger;
    struct demo_writer writer;
    struct demo_harvester harvester;
    struct demo_neighbours neighbours;
    struct demo_outcome outcome;
};

/* Makes the domain, maps the range, puts NVMe and edu (if there is one) into it, gives the roles their CPUs.
 * ERR_NOT_FOUND: no NVMe controller; and all that iommu.h and the drivers give. When it fails nothing is
 * left. */
int demo_setup(struct demo *demo) MUST_CHECK;

/* Takes all that down, and fills in what outcome says of tables and memory. The first error, after everything
 * was tried. */
int demo_teardown(struct demo *demo) MUST_CHECK;

/* Passes until the length is reached, then two more when every command has completed; prints a line a pass,
 * and fills in what outcome says of them. As demo_writer_step() and iommu_harvest(); ERR_TIMEOUT: a role did
 * not end. */
int demo_run(struct demo *demo) MUST_CHECK;
