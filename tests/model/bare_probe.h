/* SPDX-License-Identifier: BSD-2-Clause */
/* A device that remembers what became of its last access, and a tree with one page, for tests of single
 * translations. */
#pragma once

#include "tests/model/bare.h"
#include "tests/model/device.h"
#include <stdbool.h>
#include <stdint.h>

struct probe {
    struct device device;
    uint64_t hpa;   /* where the last access landed; 0 if none did */
    uint8_t reason; /* of the last refusal */
};

void probe_make(struct probe *probe, uint16_t source_id);

/* Does an access without PASID, waits until it has landed, and expects it at hpa. */
void probe_expect(struct probe *probe, uint64_t iova, bool write, uint64_t hpa);

/* Expects it to be refused for a reason of the specification (7.1.3), or with 0 without any fault. */
void probe_expect_refused(struct probe *probe, uint64_t iova, bool write, uint8_t reason);

/* The same with PASID. */
void probe_expect_pasid(struct probe *probe, uint32_t pasid, uint64_t iova, bool write, uint64_t hpa);
void probe_expect_pasid_refused(struct probe *probe, uint32_t pasid, uint64_t iova, bool write,
                                uint8_t reason);

/* A tree of four levels that maps PROBE_IOVA to a page of its own. */
struct probe_tree {
    uint64_t *root;
    uint64_t page;
};

#define PROBE_IOVA   0x7000ull
#define PROBE_LEVELS 4

struct probe_tree probe_tree(struct unit *unit, bool second);

#define PROBE_SOURCE 0x0108
#define PROBE_DID    7

/* A unit that translates, and a probe of source-id PROBE_SOURCE behind it. */
struct unit *probe_start(struct probe *probe, const struct unit_config *config, bool scalable);

/* Its requests go by the tree, as domain PROBE_DID. */
void probe_attach(struct unit *unit, const struct probe_tree *tree, enum bare_stage stage, bool dirty);
