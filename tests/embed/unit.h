/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of the example's machine: for machine.c and unit.c only. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* The machine's; over all below. An interrupt is told of after it is released. */
extern pthread_mutex_t machine_mutex;

/* 0 for a message of the unit itself or the device's that has to reach a CPU when the mutex is free. */
struct unit_message {
    bool there;
    uint64_t address;
    uint32_t data;
};

struct unit {
    uint32_t gsts, fsts, fectl, fedata, feaddr, feuaddr;
    uint64_t rtaddr, iqa, iqh, iqt, irta;
    uint64_t fault[2];               /* the only fault recording register */
    struct unit_message fault_event; /* that waits for FECTL.IM to fall, or to be sent */
};

extern struct unit unit;

/* A request of a function without PASID: where it goes, by the tables in memory. False: a fault was recorded.
 */
bool unit_translate(uint16_t source_id, uint64_t iova, bool write, uint64_t *hpa);

/* An interrupt message of a function: what the CPUs are sent for it. False: a fault was recorded. */
bool unit_remap(uint16_t source_id, uint64_t address, uint32_t data, struct unit_message *message);

/* The fault event, if one is due now. */
struct unit_message unit_take_fault_event(void);
