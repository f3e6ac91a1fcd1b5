/* SPDX-License-Identifier: BSD-2-Clause */
/* NVMe: what a controller and its first namespace say about themselves. */
#pragma once

#include "lib/compiler.h"
#include "tests/target/nvme.h"

/* Fills in model, serial, nsid, sizes and the shutdown time, by admin commands whose data goes to page, a
 * page of nvme->memory. ERR_NOT_FOUND: no active namespace; ERR_UNSUPPORTED: its format; and as
 * nvme_queue_run(). */
int nvme_identify(struct nvme *nvme, const void *page) MUST_CHECK;
