/* SPDX-License-Identifier: BSD-2-Clause */
/* Made-up functions that can be reset, for tests of resets. */
#pragma once

#include "tests/host/fake_pci.h"
#include <stdbool.h>
#include <stdint.h>

#define RESET_EXPRESS_CAP     (FAKE_EXPRESS + 4)
#define RESET_EXPRESS_CONTROL (FAKE_EXPRESS + 8)
#define RESET_FLR             (1u << 28) /* of the capability */
#define RESET_AF              0x80u      /* where capabilities are */
#define RESET_AF_STATUS       (RESET_AF + 5)
#define RESET_POWER           0x90u
#define RESET_BAR             0xfe000004u

/* What happened to all functions since reset_begin(). */
struct reset_seen {
    unsigned resets;
    unsigned steps;    /* writes of the power state */
    uint64_t began_ns; /* of the last reset, */
    uint16_t command;  /* and the command register then */
};

extern struct reset_seen reset_seen;

/* For cmocka: no functions, and a clock that runs while somebody waits. */
int reset_begin(void **state);
int reset_end(void **state);

/* A function with a BAR, a driver's settings, and an Express capability (express_cap) or room for others. */
struct fake_function *reset_add(uint8_t bus, unsigned device, bool express, uint32_t express_cap);

/* Has all be found. */
void reset_scan(void);

/* What a reset makes of a function, and that its configuration was put back. */
void reset_lose_state(struct fake_function *fake);
void reset_assert_back(const struct fake_function *fake);

/* For fake_function.written: the ways to reset one; and by FLR one that still has transactions pending then,
 * and one that answers with reset_id_after. */
void reset_by_flr(struct fake_function *fake, unsigned offset, unsigned bytes);
void reset_by_features(struct fake_function *fake, unsigned offset, unsigned bytes);
void reset_by_power(struct fake_function *fake, unsigned offset, unsigned bytes);
void reset_stay_pending(struct fake_function *fake, unsigned offset, unsigned bytes);
void reset_change_id(struct fake_function *fake, unsigned offset, unsigned bytes);
extern uint32_t reset_id_after;
