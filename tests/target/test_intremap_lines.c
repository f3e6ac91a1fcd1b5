/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupts of I/O APICs' inputs, remapped where that is on: the timer's, triggered by an edge, and one of
 * PCI's lines, by its level. */
#include "arch/cpu/cpu.h"
#include "arch/cpu/event.h"
#include "arch/cpu/io.h"
#include "arch/platform/ioapic.h"
#include "lib/atomic.h"
#include "lib/deadline.h"
#include "lib/error.h"
#include "lib/pci.h"
#include "lib/tap.h"
#include "tests/target/arrivals.h"
#include "tests/target/edu.h"

/* The timer of every PC (8254): channel 0 is ISA's line 0, which is input 2 of the first I/O APIC. */
#define PIT_GSI         2
#define PIT_CHANNEL_0   0x40
#define PIT_COMMAND     0x43
#define PIT_RATE        0x34 /* channel 0, low byte then high byte, mode 2 */
#define PIT_ONCE        0x30 /* mode 0: a count that is never written does not run out */
#define PIT_MILLISECOND 1193

static void pit_start(void)
{
    out8(PIT_COMMAND, PIT_RATE);
    out8(PIT_CHANNEL_0, PIT_MILLISECOND & 0xff);
    out8(PIT_CHANNEL_0, PIT_MILLISECOND >> 8);
}

TEST(intremap_ioapic)
{
    struct arrivals arrivals = {0};
    struct ioapic_line line, other;
    uint32_t stopped_at;
    bool arrived;
    int error = ioapic_connect(&line, PIT_GSI, IOAPIC_EDGE_HIGH, cpu_id(), arrivals_handler, &arrivals);

    if (!tap_ok(!error, "the timer's line is connected: %s", error_text(error)))
        return;
    tap_note("the I/O APIC's interrupt is %s", line.interrupt.remapped ? "remapped" : "not remapped");
    error = ioapic_connect(&other, PIT_GSI, IOAPIC_EDGE_HIGH, cpu_id(), arrivals_handler, &arrivals);
    tap_ok(error == ERR_BUSY, "and not a second time: %s", error_text(error));
    error = ioapic_connect(&other, 100000, IOAPIC_EDGE_HIGH, cpu_id(), arrivals_handler, &arrivals);
    tap_ok(error == ERR_NOT_FOUND, "nor one that is not there: %s", error_text(error));
    pit_start();
    arrived = arrivals_wait(&arrivals, 2, ARRIVAL_NS);
    tap_ok(arrived, "the timer's interrupts arrive (%u)", arrivals_count(&arrivals));
    error = ioapic_disconnect(&line);
    stopped_at = arrivals_count(&arrivals);
    tap_ok(!error && !arrivals_wait(&arrivals, stopped_at, SILENCE_NS),
           "none arrives after the line is disconnected: %s", error_text(error));
    out8(PIT_COMMAND, PIT_ONCE);
}

/* Where a PC's chipset puts the lines of PCI; which of them is edu's only ACPI's code tells. */
#define PCI_GSI   16
#define PCI_LINES 8

struct pci_line {
    struct ioapic_line line;
    struct edu *edu;
    uint32_t count; /* atomic */
};

static void arrive_by_level(void *context)
{
    struct pci_line *line = context;

    atomic_fetch_add(&line->count, 1u);
    edu_acknowledge(line->edu);
}

static uint32_t sum_of(struct pci_line *lines)
{
    uint32_t sum = 0;

    for (unsigned i = 0; i < PCI_LINES; i++)
        sum += atomic_read(&lines[i].count);
    return sum;
}

/* A function that pulls the line for reasons of its own would interrupt for ever. */
static void silence_others(struct pci_address edu)
{
    const struct pci_function *function;

    for (unsigned i = 0; (function = pci_function(i)); i++) {
        uint16_t command = pci_read16(function->address, PCI_COMMAND);

        if (pci_address_equal(function->address, edu))
            command &= (uint16_t)~PCI_COMMAND_NO_INTX;
        else
            command |= PCI_COMMAND_NO_INTX;
        platform_pci_write16(function->address, PCI_COMMAND, command);
    }
}

/* Twice: without the end of the first one, which the I/O APIC knows by its vector, no second one comes. */
static void check_level(struct edu *edu, struct pci_line *lines)
{
    for (uint32_t n = 1; n <= 2; n++) {
        bool arrived;

        edu_raise(edu);
        arrived = wait_until((event_step(), sum_of(lines) >= n), ARRIVAL_NS);
        edu_acknowledge(edu);
        tap_ok(arrived && sum_of(lines) == n, "level %u arrives once (%u)", n, sum_of(lines));
    }
}

TEST(intremap_level)
{
    static struct pci_line lines[PCI_LINES];
    struct edu edu;
    unsigned connected = 0;
    int error = edu_open(&edu, 0);

    if (error == ERR_NOT_FOUND) {
        tap_skip("there is no edu device");
        return;
    }
    silence_others(edu.function);
    while (!error && connected < PCI_LINES) {
        lines[connected] = (struct pci_line){.edu = &edu};
        error = ioapic_connect(&lines[connected].line, PCI_GSI + connected, IOAPIC_LEVEL_LOW, cpu_id(),
                               arrive_by_level, &lines[connected]);
        connected += !error;
    }
    if (tap_ok(!error, "PCI's lines are connected: %s", error_text(error)))
        check_level(&edu, lines);
    while (connected--)
        if (ioapic_disconnect(&lines[connected].line))
            tap_ok(false, "a line was not disconnected");
    error = edu_close(&edu);
    tap_ok(!error, "edu is closed: %s", error_text(error));
}
