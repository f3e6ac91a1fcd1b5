/* SPDX-License-Identifier: BSD-2-Clause */
/* What tests of VT-d start from: an edu device that can write a known pattern, and a domain. */
#pragma once

#include "arch/devices/dma_memory.h"
#include "iommu/iommu.h"
#include "lib/compiler.h"
#include "lib/units.h"
#include "tests/target/edu.h"
#include <stdbool.h>
#include <stdint.h>

/* Tests map from here on; the pattern's page lies below. */
#define BENCH_IOVA (64 * MIB)

struct edu_bench {
    struct edu edu;
    struct iommu_domain *domain;
    struct dma_memory pattern; /* the page whose content edu's buffer has */
    bool attached;
};

/* Creates the domain, attaches edu and loads its buffer with the pattern. False: it cannot be, and the test
 * has said so (skipped where there is no edu); nothing is left then. */
bool edu_bench_open(struct edu_bench *bench) MUST_CHECK;

/* Takes all down; what does not work is a failed check. The test has unmapped and freed its own memory. */
void edu_bench_close(struct edu_bench *bench);

/* Blocks edu again; a failed check if that does not work. */
void edu_bench_detach(struct edu_bench *bench);

/* Checks that one transfer at iova comes through without a fault; or that it is refused, with a fault that
 * names edu, the page, the direction, and a reason that fits what the domain has there. what is for the
 * check's line. */
void edu_bench_write_passes(struct edu_bench *bench, uint64_t iova, uint32_t bytes, const char *what);
void edu_bench_write_blocked(struct edu_bench *bench, uint64_t iova, uint32_t bytes, const char *what);
void edu_bench_read_blocked(struct edu_bench *bench, uint64_t iova, uint32_t bytes, const char *what);

/* True if all bytes at address have the value; and if they are the pattern's first. */
bool bench_is_filled(const void *address, int value, uint64_t bytes);
bool edu_bench_is_pattern(const struct edu_bench *bench, const void *address, uint64_t bytes);
