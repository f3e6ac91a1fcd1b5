/* SPDX-License-Identifier: BSD-2-Clause */
/* An EFI program that plays a firmware which leaves VT-d in use, and then starts Lull's loader. What it
 * shares among its parts. It is made for QEMU, and gives up where that is not what it expects. */
#pragma once

#include <efi.h>
#include <efilib.h>
#include <stdbool.h>
#include <stdint.h>

#define PAGE 4096u

#define say(format, ...) Print(L"firmware: " format L"\n", ##__VA_ARGS__)

/* What \lull\firmware.cfg asks for, a word each. */
struct wishes {
    bool legacy, scalable; /* translation, in this mode */
    bool queue;            /* goes with translation */
    bool interrupts;       /* are remapped */
    bool rmrr;             /* and a UHCI controller uses it; */
    bool ordinary;         /* it lies in memory that others may use later */
};

struct uhci {
    uint8_t device, function; /* on bus 0 */
    uint16_t port;            /* of its registers */
};

/* Zeroed pages below 4 GiB; the program ends where there are none. */
void *take_pages(EFI_MEMORY_TYPE type, unsigned count);

/* Ends the program: the machine is not as expected. */
void give_up(const CHAR16 *why) __attribute__((noreturn));

/* --- acpi.c --- */

/* The registers of the first unit that the DMAR names. */
volatile uint8_t *dmar_first_unit(void);

/* Puts a copy of the DMAR in its place that ends with an RMRR for this device. */
void dmar_add_rmrr(uint64_t first, uint64_t last, const struct uhci *uhci);

/* --- uhci.c --- */

/* Takes the controller away from the firmware's driver. */
void uhci_find(struct uhci *uhci);

/* Lets its schedule run, which is in two pages: it reads them each millisecond from then on. */
void uhci_run(const struct uhci *uhci, void *pages);

/* --- vtd.c --- */

/* Switches on what is wished for, with tables that let every device reach all memory. */
void vtd_leave_on(volatile uint8_t *registers, const struct wishes *wishes);
