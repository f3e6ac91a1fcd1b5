/* SPDX-License-Identifier: BSD-2-Clause */
/* The demo's writer: tells devices to write random pages of the tracked range, and enters it into the books.
 * Belongs to one CPU.
 *
 * NVMe reads (which write memory) of 1 to 16 pages each keep going; edu, where there is one, writes a page
 * each 100 ms. Every other page is taken from a small set of hot pages: a harvest that clears a dirty bit and
 * leaves the translation in a unit's cache is only seen by those who write the same page again before the
 * cache forgets it. */
#pragma once

#include "lib/compiler.h"
#include "tests/target/edu.h"
#include "tests/target/ledger.h"
#include "tests/target/nvme.h"
#include "tests/target/random.h"
#include <stdbool.h>
#include <stdint.h>

#define DEMO_HOT_PAGES 64

struct demo_writer {
    struct nvme *nvme;
    struct edu *edu; /* NULL: none */
    struct ledger *ledger;
    struct random random;
    uint32_t hot[DEMO_HOT_PAGES];
    uint32_t allowed; /* page writes that may still be submitted */
    uint32_t commands_out;
    uint64_t commands; /* submitted, to either device */
    uint64_t failed;   /* of these */
    uint64_t edu_writes;
    uint64_t oldest_ns; /* when the devices were last known to make progress */
    struct ledger_write edu_write;
    bool edu_out;
    struct ledger_write writes[NVME_QUEUE_DEPTH_MAX]; /* by command identifier */
};

void demo_writer_init(struct demo_writer *writer, struct nvme *nvme, struct edu *edu, struct ledger *ledger,
                      uint64_t seed);

/* Lets so many more page writes be submitted; and none any more. */
void demo_writer_allow(struct demo_writer *writer, uint32_t page_writes);
void demo_writer_stop(struct demo_writer *writer);

/* Takes what is complete and submits what is allowed. ERR_TIMEOUT: a device does not answer; and as
 * nvme_read_put(). */
int demo_writer_step(struct demo_writer *writer) MUST_CHECK;

/* No device has a command. */
bool demo_writer_idle(const struct demo_writer *writer);
