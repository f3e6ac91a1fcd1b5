/* SPDX-License-Identifier: BSD-2-Clause */
/* NVMe: what a controller says of the size of reads, and its first namespace of itself. */
#pragma once

#include "lib/compiler.h"
#include "tests/target/nvme.h"

/* Fills in nsid and sizes, by admin commands. ERR_NOT_FOUND: no active namespace; ERR_UNSUPPORTED: its
 * format; and as nvme_queue_run(). */
int nvme_identify(struct nvme *nvme) MUST_CHECK;
