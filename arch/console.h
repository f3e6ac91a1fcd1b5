/* SPDX-License-Identifier: BSD-2-Clause */
/* The console: which UART it is, what is typed there, and the commands that lull.cfg has run first. On CPU 0.
 */
#pragma once

#include "arch/platform/acpi.h"

/* Opens the UART that lull.cfg's console names, or COM1, as far as that needs no mapping; shows the log so
 * far. config is lull.cfg's text. Once, first. */
void console_open(const char *config);

/* The same for a UART in memory, or one that only the firmware's SPCR names; shows the log so far there.
 * After acpi_init(). */
void console_open_late(const char *config, const struct acpi_console *spcr);

/* Posts the commands of lull.cfg's run, and after them the prompt, to CPU 0's event loop, and begins to
 * listen. config must stay. On CPU 0, after apic_init(). */
void console_start(const char *config);
