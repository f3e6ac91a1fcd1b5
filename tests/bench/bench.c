/* SPDX-License-Identifier: BSD-2-Clause */
/* Times two sides in turn: what else the machine does hits both alike. */
#define _GNU_SOURCE
#include "tests/bench/bench.h"
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Caches, branch predictors and lazily made threads are not what is measured. */
#define WARM_UP_RUNS 1

uint64_t bench_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void bench_fail(const char *why)
{
    fprintf(stderr, "bench: %s\n", why);
    exit(1);
}

void bench_pin(unsigned cpu)
{
    static cpu_set_t allowed; /* as the program was started: read before the first thread is pinned */
    cpu_set_t one;
    unsigned left;

    if (!CPU_COUNT(&allowed) && sched_getaffinity(0, sizeof allowed, &allowed))
        bench_fail("the CPUs that may be used cannot be read");
    left = cpu % (unsigned)CPU_COUNT(&allowed);
    CPU_ZERO(&one);
    for (size_t i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &allowed) && left-- == 0)
            CPU_SET(i, &one);
    if (sched_setaffinity(0, sizeof one, &one))
        bench_fail("a thread cannot be kept on its CPU");
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

static void print(const char *name, const char *what, double ours, double peer)
{
    printf("bench %s.%s ours=%.3f peer=%.3f unit=ns ratio=%.3f\n", name, what, ours, peer, ours / peer);
}

void bench_report(const char *name, double *ours, double *peer, unsigned runs)
{
    qsort(ours, runs, sizeof ours[0], compare);
    qsort(peer, runs, sizeof peer[0], compare);
    print(name, "min", ours[0], peer[0]);
    print(name, "median", ours[runs / 2], peer[runs / 2]);
    fflush(stdout);
}

void bench_compare(const struct bench_case *bench)
{
    double ours[BENCH_RUNS_MAX], peer[BENCH_RUNS_MAX];
    unsigned runs = bench->runs;

    if (runs > BENCH_RUNS_MAX)
        bench_fail("too many runs");
    for (unsigned i = 0; i < WARM_UP_RUNS; i++) {
        bench->ours(bench->n);
        bench->peer(bench->n);
    }
    for (unsigned i = 0; i < runs; i++) {
        ours[i] = (double)bench->ours(bench->n) / bench->n;
        peer[i] = (double)bench->peer(bench->n) / bench->n;
    }
    bench_report(bench->name, ours, peer, runs);
}
