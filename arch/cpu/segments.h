/* SPDX-License-Identifier: BSD-2-Clause */
/* Each CPU's GDT and TSS, and the stacks that its TSS switches to. */
#pragma once

#include <stdint.h>

#define SELECTOR_CODE 0x08
#define SELECTOR_DATA 0x10
#define SELECTOR_TSS  0x18

/* Accessed is set in both, so that the CPU never writes to them. */
#define GDT_CODE 0x00af9b000000ffffull /* 64-bit, ring 0, execute and read */
#define GDT_DATA 0x00cf93000000ffffull /* ring 0, read and write */

/* Interrupt stack table: which exceptions get a stack of their own, since the current one may be the trouble
 * (#DF) or since they come at any instruction at all (NMI, #MC). */
enum ist {
    IST_DOUBLE_FAULT = 1,
    IST_NMI,
    IST_MACHINE_CHECK,
    IST_COUNT = IST_MACHINE_CHECK,
};

/* SDM volume 3, 8.7: the 64-bit TSS. Its 64-bit fields are not aligned. */
struct tss {
    uint32_t reserved0;
    uint32_t rsp[6];
    uint32_t reserved1[2];
    uint32_t ist[14];
    uint32_t reserved2[2];
    uint16_t reserved3;
    uint16_t iomap_base;
};

_Static_assert(sizeof(struct tss) == 104, "the TSS has 104 bytes");

struct segments {
    uint64_t gdt[5]; /* null, code, data, TSS (two words) */
    struct tss tss;
};

/* Fills in the tables. ist_top[n] is the top of the stack for IST n + 1. Before segments_load(). */
void segments_init(struct segments *segments, const uintptr_t ist_top[IST_COUNT]);

/* Loads them on this CPU. GS goes on pointing to its area. */
void segments_load(struct segments *segments);
