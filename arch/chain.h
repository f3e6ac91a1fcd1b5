/* SPDX-License-Identifier: BSD-2-Clause */
/* The hand-over to a second Lull: the command chain. */
#pragma once

#include "boot/boot_info.h"

/* Remembers whether there is one. info must stay. */
void chain_init(const struct boot_info *info);
