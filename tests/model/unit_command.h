/* SPDX-License-Identifier: BSD-2-Clause */
/* Global commands, inside the unit. */
#pragma once

#include "tests/model/unit.h"
#include <stdbool.h>
#include <stdint.h>

/* The name of a bit of GCMD. */
const char *command_name(uint32_t bit);

/* Calls out a command that the unit has not, or that is not allowed in the state that it is in. */
void command_check(const struct unit *unit, uint32_t bit, bool on);
