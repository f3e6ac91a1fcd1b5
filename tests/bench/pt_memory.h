/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory for the tables of all sides. */
#pragma once

#include "tests/bench/base.h"

/* Zeroed memory that is there already, for Linux's stand-in of a page allocator. */
void *bench_memory(unsigned long bytes);

/* Gives lib/page_alloc.c so much of it. */
void bench_page_alloc_init(uint64_t bytes);

/* How many tables Linux's stand-in is to have memory for: half of what lib/page_alloc.c was given, which two
 * engines share. */
unsigned long bench_table_pages(void);
