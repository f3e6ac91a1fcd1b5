/* SPDX-License-Identifier: BSD-2-Clause */
/* The 16550 (National Semiconductor PC16550D): found, set up, written and read by polling. */
#include "arch/platform/serial.h"
#include "arch/cpu/io.h"
#include "arch/cpu/paging.h"
#include "arch/platform/memory_map.h"
#include "lib/console_lock.h"
#include "lib/error.h"
#include "lib/units.h"
#include <string.h>

enum {
    UART_DATA = 0,
    UART_DIVISOR_LOW = 0, /* while LCR.DLAB is set, as the next one */
    UART_DIVISOR_HIGH = 1,
    UART_IER = 1,
    UART_FCR = 2,
    UART_FCR_ENABLE_CLEAR = 0x07,
    UART_LCR = 3,
    UART_LCR_8N1 = 0x03,
    UART_LCR_DLAB = 0x80,
    UART_MCR = 4,
    UART_MCR_DTR_RTS = 0x03,
    UART_MCR_LOOP_TEST = 0x1a, /* loop, OUT2, RTS: seen as DCD and CTS in MSR */
    UART_LSR = 5,
    UART_LSR_READY = 0x01,
    UART_LSR_BREAK = 0x10,
    UART_LSR_EMPTY = 0x20,
    UART_MSR = 6,
    UART_MSR_LOOP_TEST = 0x90,
    UART_MSR_LINES = 0xf0,
    UART_SCRATCH = 7,
    UART_REGISTERS = 8,
};

#define DIVISOR_115200 1u
#define FIFO_BYTES     16u

/* 16 characters at 1200 baud take 133 ms. */
#define STALL_NS (200 * NS_PER_MS)

struct uart {
    bool open;
    uint16_t port; /* 0: in memory */
    volatile uint8_t *registers;
    uint8_t stride;
    bool stalled; /* did not move for STALL_NS: not waited for until it moves again */
};

/* The console. The lock keeps a line together; it is taken in any context, and interrupts stay as they are
 * while it is held: at 115200 baud a line takes 10 ms, and what is typed in that time does not fit the UART's
 * FIFO. */
static struct uart console;
static struct console_lock console_lock;

static uint8_t read_register(const struct uart *uart, unsigned index)
{
    const volatile uint8_t *address = uart->registers + (size_t)index * uart->stride;

    if (uart->port)
        return in8((uint16_t)(uart->port + index * uart->stride));
    if (uart->stride == 4)
        return (uint8_t) * (const volatile uint32_t *)(const volatile void *)address;
    return *address;
}

static void write_register(const struct uart *uart, unsigned index, uint8_t value)
{
    volatile uint8_t *address = uart->registers + (size_t)index * uart->stride;

    if (uart->port)
        out8((uint16_t)(uart->port + index * uart->stride), value);
    else if (uart->stride == 4)
        *(volatile uint32_t *)(volatile void *)address = value;
    else
        *address = value;
}

/* Nothing there reads as ones; the scratch register and the loop of the modem lines tell a UART from other
 * things. */
static bool is_present(const struct uart *uart)
{
    const uint8_t patterns[] = {0x5a, 0xa5};
    bool looped;

    for (size_t i = 0; i < sizeof(patterns); i++) {
        write_register(uart, UART_SCRATCH, patterns[i]);
        if (read_register(uart, UART_SCRATCH) != patterns[i])
            return false;
    }
    write_register(uart, UART_MCR, UART_MCR_LOOP_TEST);
    looped = (read_register(uart, UART_MSR) & UART_MSR_LINES) == UART_MSR_LOOP_TEST;
    write_register(uart, UART_MCR, UART_MCR_DTR_RTS);
    return looped;
}

/* Ports are clocked so that 1 divides to 115200 baud. In memory other clocks are common, and firmware that
 * names such a UART as its console has set it: its divisor stays. */
static void set_up(const struct uart *uart)
{
    write_register(uart, UART_IER, 0);
    if (uart->port) {
        write_register(uart, UART_LCR, UART_LCR_DLAB);
        write_register(uart, UART_DIVISOR_LOW, DIVISOR_115200);
        write_register(uart, UART_DIVISOR_HIGH, 0);
    }
    write_register(uart, UART_LCR, UART_LCR_8N1);
    write_register(uart, UART_FCR, UART_FCR_ENABLE_CLEAR);
    write_register(uart, UART_MCR, UART_MCR_DTR_RTS);
}

int serial_open(struct serial_place place)
{
    struct uart uart = {.open = true, .stride = place.stride};
    uint32_t previous;

    if (place.address < 0x10000) {
        uart.port = (uint16_t)place.address;
    } else {
        size_t bytes = (size_t)UART_REGISTERS * place.stride;

        if (memory_map_is_memory(place.address, bytes))
            return ERR_FORBIDDEN;
        uart.registers = paging_map_mmio(place.address, bytes);
        if (!uart.registers)
            return ERR_NOMEM;
    }
    if (!is_present(&uart))
        return ERR_NOT_FOUND;
    previous = console_lock_take(&console_lock);
    set_up(&uart);
    console = uart;
    console_lock_release(&console_lock, previous);
    return 0;
}

/* Fills the FIFO once it is empty, and moves *text behind what went there. False: it is not empty. Interrupts
 * are off, since a handler that writes too would take its place. */
static bool send_burst(struct uart *uart, const char **text, const char *end)
{
    uint64_t interrupts = platform_irq_save();
    bool empty = read_register(uart, UART_LSR) & UART_LSR_EMPTY;

    /* A newline takes two places. */
    for (unsigned room = empty ? FIFO_BYTES : 0; room >= 2 && *text < end; room--) {
        if (**text == '\n') {
            write_register(uart, UART_DATA, '\r');
            room--;
        }
        write_register(uart, UART_DATA, (uint8_t) * (*text)++);
    }
    platform_irq_restore(interrupts);
    return empty;
}

static void send_line(struct uart *uart, const char *text, const char *end)
{
    while (text < end) {
        uart->stalled = !wait_until(send_burst(uart, &text, end), uart->stalled ? 0 : STALL_NS);
        if (uart->stalled)
            return;
    }
}

void serial_write(const char *text, size_t bytes)
{
    const char *end = text + bytes;

    while (text < end && console.open) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *line_end = newline ? newline + 1 : end;
        uint32_t previous = console_lock_take(&console_lock);

        send_line(&console, text, line_end);
        console_lock_release(&console_lock, previous);
        text = line_end;
    }
}

bool serial_read(char *c)
{
    uint8_t status;

    /* A UART that was pulled out reads as ones. */
    while (console.open && (status = read_register(&console, UART_LSR)) != 0xff &&
           (status & UART_LSR_READY)) {
        *c = (char)read_register(&console, UART_DATA);
        /* A break comes with a character 0 that nobody typed. */
        if (!(status & UART_LSR_BREAK))
            return true;
    }
    return false;
}
