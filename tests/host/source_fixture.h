/* SPDX-License-Identifier: BSD-2-Clause */
/* A domain as the only source of a tracker, on hardware that does what a test says. */
#pragma once

#include "iommu/domain.h"
#include "iommu/track_source.h"
#include "lib/error.h"
#include "lib/units.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <string.h>

#define GPA  (64 * MIB)
#define LAST (GIB - 1)

extern struct iommu_domain *source_domain;
extern struct iommu_track_source track_source;
extern struct tracker *source_tracker;
extern uint64_t source_words[2 * GIB / PAGE_SIZE / 64]; /* of the report */
extern struct dirty_bitmap source_report;

extern struct source_hardware {
    int result;               /* of each invalidation */
    void (*during)(void);     /* what happens meanwhile, once */
    bool keeps_no_dirty_bits; /* as its capabilities say */
} source_hardware;

/* Once, before all tests; and around each, which begins with 2 MiB mapped at GPA, and nothing tracked. */
void source_init(void);
int source_setup(void **state);
int source_teardown(void **state);

/* Makes domain, source and tracker, of a VM that ends at last; and takes all down. */
void source_make(uint64_t last, enum iommu_tracking how);
void source_unmake(void);

/* The device writes the page of that number, from GPA on. */
void source_write(unsigned page);

/* The tracker starts with leaves of that level; a pass into an empty report, and how many pages it has. */
void source_start(unsigned level);
uint64_t source_pages_of_pass(void);
bool source_is_reported(unsigned page);

#define SOURCE_TEST(name) cmocka_unit_test_setup_teardown(name, source_setup, source_teardown)
