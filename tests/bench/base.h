/* SPDX-License-Identifier: BSD-2-Clause */
/* The clock, and how a benchmark ends that cannot go on: also for what is compiled against Linux's headers,
 * which bring their own types. */
#pragma once

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stdint.h>
#endif

uint64_t bench_now_ns(void);

/* Ends the program, with status 1. */
__attribute__((noreturn)) void bench_fail(const char *why);
