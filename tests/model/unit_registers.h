/* SPDX-License-Identifier: BSD-2-Clause */
/* Registers, inside the unit. */
#pragma once

#include "lib/compiler.h"
#include "tests/model/unit.h"
#include <stdint.h>

/* Protected regions are multiples of 2 MiB: software finds that out by writing ones (11.4.8.2). */
#define PROTECTED_GRAIN 0x1fffffull
#define PROTECTED_LOW   (0xffffffffull & ~PROTECTED_GRAIN)
#define PROTECTED_HIGH  (~0ull & ~PROTECTED_GRAIN)

/* A value that may not be written, or not now. */
NORETURN void register_refuse(const struct unit *unit, const char *name, uint64_t value, const char *why);

/* Software writes a register: of a 64-bit one all of it, reserved bits clear. */
void register_write_gcmd(struct unit *unit, uint64_t value);
void register_write_rtaddr(struct unit *unit, uint64_t value);
void register_write_irta(struct unit *unit, uint64_t value);
void register_write_fsts(struct unit *unit, uint64_t value);
void register_write_fectl(struct unit *unit, uint64_t value);
void register_write_ics(struct unit *unit, uint64_t value);
void register_write_iectl(struct unit *unit, uint64_t value);
void register_write_feuaddr(struct unit *unit, uint64_t value);
void register_write_ieuaddr(struct unit *unit, uint64_t value);
void register_write_pmen(struct unit *unit, uint64_t value);
void register_write_plmbase(struct unit *unit, uint64_t value);
void register_write_plmlimit(struct unit *unit, uint64_t value);
void register_write_phmbase(struct unit *unit, uint64_t value);
void register_write_phmlimit(struct unit *unit, uint64_t value);
void register_write_iqa(struct unit *unit, uint64_t value);
void register_write_iqt(struct unit *unit, uint64_t value);
