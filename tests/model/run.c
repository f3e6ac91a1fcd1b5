/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs from a fixed state: the program's data, its heap and the arena are put back before each. Addresses are
 * the same in each run of the program, so that a seed means the same tomorrow. */
#include "tests/model/run.h"
#include "tests/model/heap.h"
#include "tests/model/history.h"
#include "tests/model/memory.h"
#include "tests/model/schedule.h"
#include "tests/model/schedule_run.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define KEPT_AT    0x10000000000ull
#define KEPT_BYTES (1ull << 30)

/* The program's data, from the linker. */
extern char __data_start[], _end[];

static uint8_t *kept, *kept_end;
static void *data_image;
static struct outcome *current_outcome;

void *run_keep(size_t bytes)
{
    uint8_t *block;

    if (!kept) {
        kept = mmap((void *)KEPT_AT, KEPT_BYTES, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
        if (kept == MAP_FAILED)
            run_broken("no memory at a fixed address");
        kept_end = kept;
    }
    block = kept_end;
    kept_end += (bytes + 4095) / 4096 * 4096;
    if (kept_end > kept + KEPT_BYTES)
        run_broken("no memory to keep");
    return block;
}

static size_t data_bytes(void)
{
    return (size_t)(_end - __data_start);
}

void run_save(void)
{
    current_outcome = run_keep(sizeof *current_outcome);
    heap_save();
    memory_save();
    data_image = run_keep(data_bytes());
    memcpy(data_image, __data_start, data_bytes());
}

void run_scenario(const struct scenario *scenario, struct outcome *outcome)
{
    memcpy(__data_start, data_image, data_bytes());
    heap_restore();
    memory_restore();
    memset(current_outcome, 0, sizeof *current_outcome);
    schedule_run(scenario->run);
    current_outcome->steps = schedule_step();
    current_outcome->digest = history_digest() + current_outcome->steps;
    *outcome = *current_outcome;
}

struct outcome *run_outcome(void)
{
    return current_outcome;
}

void run_broken(const char *format, ...)
{
    va_list arguments;

    fputs("Bail out! the model is broken: ", stdout);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
    _exit(2);
}
