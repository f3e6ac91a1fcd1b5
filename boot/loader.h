/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of the loader share: how they speak, and the memory that they take for Lull. */
#pragma once

#include "arch/cpu/layout.h"
#include "boot/boot_info.h"
#include <stdbool.h>
#include <stddef.h>

/* These two, in this order, and nothing of the host's. */
#include <efi.h>
#include <efilib.h>

/* One line on the firmware's console; format as for GNU-EFI's Print(): %a for char *, %s for CHAR16 *. */
#define say(format, ...) Print(L"Lull: " format L"\n", ##__VA_ARGS__)

/* The same, and the value is status: for what ends the start. */
#define fail(status, format, ...) (say(format, ##__VA_ARGS__), (status))

#define BLOCKS_MAX 96

/* The highest address that Lull's direct map reaches; and where 32-bit registers can point to. */
#define HIGHEST_ADDRESS (MMIO_BASE - DIRECT_MAP_BASE - 1)
#define HIGHEST_32_BIT  0xffffffffull

/* A run of pages that stays Lull's when boot services are gone. */
struct block {
    uint64_t hpa;
    uint64_t pages;
};

struct blocks {
    struct block block[BLOCKS_MAX];
    unsigned count;
};

/* Takes bytes of zeroed memory, in whole pages, for Lull: of the given type, at addresses up to and including
 * highest. EFI_OUT_OF_RESOURCES; prints nothing, since it is also called when boot services are half gone. */
EFI_STATUS block_alloc(struct blocks *blocks, EFI_MEMORY_TYPE type, uint64_t bytes, uint64_t highest,
                       uint64_t *hpa);

/* Gives one back, by its address. */
void block_free(struct blocks *blocks, uint64_t hpa);

/* Gives all of them back: the start has failed, and the boot menu goes on. */
void blocks_free(struct blocks *blocks);

/* Firmware maps all memory 1:1, so a physical address is a pointer until Lull's own tables are in use. */
static inline void *at(uint64_t hpa)
{
    return (void *)(uintptr_t)hpa;
}
