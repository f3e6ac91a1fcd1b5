/* SPDX-License-Identifier: BSD-2-Clause */
/* Two sides, measured in turn, and the line that compares them. */
#pragma once

#include "tests/bench/base.h"

#define BENCH_RUNS_MAX 1024

/* One thing to measure. Both functions do it n times and return how many nanoseconds that took. */
struct bench_case {
    const char *name;
    uint64_t (*ours)(unsigned n);
    uint64_t (*peer)(unsigned n);
    unsigned n;
    unsigned runs; /* of each side; ours, peer, ours, peer ... */
};

/* Prints, for nanoseconds of one time, the minimum and the median over all runs:
 *
 *     bench NAME.min ours=1.234 peer=2.345 unit=ns ratio=0.526
 */
void bench_compare(const struct bench_case *bench);

/* Prints the same lines for what was measured elsewhere, and sorts it. */
void bench_report(const char *name, double *ours, double *peer, unsigned runs);

/* Keeps this thread on one CPU; numbers beyond the CPUs of the machine begin again at its first. */
void bench_pin(unsigned cpu);
