/* SPDX-License-Identifier: BSD-2-Clause */
/* Fault reasons in words. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct vtd_fault_reason {
    uint8_t code;
    const char *name;    /* the specification's name of the condition; "" of interrupts, which have none */
    const char *section; /* of the specification */
    const char *text;    /* name and words */
};

/* The entry of a fault recording register's code; NULL if the specification (revision 5.1) has no such
 * code. */
const struct vtd_fault_reason *vtd_fault_reason_find(uint8_t code);

/* Its text, or that this version does not know the code; never NULL. */
const char *vtd_fault_reason(uint8_t code);

/* Whether it is one of interrupt remapping, of which an index is recorded and no address. */
bool vtd_fault_is_interrupt(uint8_t code);
