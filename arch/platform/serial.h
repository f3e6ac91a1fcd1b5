/* SPDX-License-Identifier: BSD-2-Clause */
/* One 16550 UART, on ports or in memory, polled in both directions: 115200 baud, 8 data bits, no parity, one
 * stop bit. */
#pragma once

#include "lib/compiler.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct serial_place {
    uint64_t address; /* a port when below 0x10000, else physical */
    uint8_t stride;   /* bytes from one register to the next; 4: registers of 32 bits */
};

/* Makes the UART at this place the one that the others use. Not in interrupt handlers; in memory only after
 * the page allocator has its memory. ERR_NOT_FOUND: nothing there behaves like a UART; ERR_FORBIDDEN: that is
 * memory; ERR_NOMEM. Then the one before stays in use. */
int serial_open(struct serial_place place) MUST_CHECK;

/* Sends text, "\n" as "\r\n". Waits while the UART is busy, but drops text while it does not move at all;
 * text is lost too while none is open. Any context. */
void serial_write(const char *text, size_t bytes);

/* One character that was received. False: none. One CPU; also in an interrupt handler. */
bool serial_read(char *c);
