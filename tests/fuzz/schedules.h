/* SPDX-License-Identifier: BSD-2-Clause */
/* What the fuzzer of schedules and the model, which is a process of its own, have in common. The model puts
 * its own memory back before each run, so it cannot live in one process with libFuzzer. */
#pragma once

#include <stdint.h>

#define SCHEDULES_INPUT_MAX 4096
#define SCHEDULES_COUNTERS  65536

/* The model's file descriptors, out of the way of those that are in use. */
enum schedules_fd {
    SCHEDULES_SHARED = 100, /* memory: struct schedules_shared */
    SCHEDULES_REQUEST,      /* a pipe: a byte for each run */
    SCHEDULES_ANSWER,       /* a pipe: a byte for each run that is done */
};

struct schedules_shared {
    uint32_t count;                       /* of bytes of the input */
    uint32_t violation;                   /* how the run ended: an enum violation */
    uint8_t input[SCHEDULES_INPUT_MAX];   /* the scenario (two bytes), and the choices */
    uint8_t counters[SCHEDULES_COUNTERS]; /* where the driver came to, and where agents took turns */
};
