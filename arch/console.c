/* SPDX-License-Identifier: BSD-2-Clause */
/* Picks the console's UART, polls it by CPU 0's timer, and feeds the shell. */
#include "arch/console.h"
#include "arch/cpu/apic.h"
#include "arch/cpu/event.h"
#include "arch/late_event.h"
#include "arch/platform/serial.h"
#include "lib/atomic.h"
#include "lib/config.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/shell.h"
#include "lib/units.h"
#include <stdlib.h>
#include <string.h>

#define COM1      0x3f8u
#define LOG_MAX   65536u
#define POLL_NS   NS_PER_MS /* 11 characters at 115200 baud; the UART's FIFO has room for 16 */
#define TYPED_MAX 256u      /* a power of two */
#define RUN_MAX   1024u

/* What was typed: put in by the timer's handler, taken out by an event, both on CPU 0. */
static struct {
    char typed[TYPED_MAX];
    uint32_t put; /* atomic, as the next two; characters ever put in */
    uint32_t taken;
    bool posted;  /* the event is queued */
    bool running; /* the shell runs a command, which may step the event loop: what is typed meanwhile waits */
    struct work work;
    struct work start;
    const char *config;
} console;

/* The port that lull.cfg puts the console on. False: it leaves that to us. */
static bool configured_port(const char *config, uint64_t *port)
{
    char value[CONFIG_VALUE_MAX];
    const char *number = value;

    return config_get(config, "console", value, sizeof(value)) && strcmp(value, "auto") &&
           config_number(&number, UINT16_MAX, port);
}

void console_open(const char *config)
{
    struct serial_place place = {.address = COM1, .stride = 1};
    int error;

    (void)configured_port(config, &place.address);
    error = serial_open(place);
    if (error)
        log_warn("console: port 0x%lx: no UART: %s", (unsigned long)place.address, error_text(error));
}

void console_open_late(const char *config, const struct acpi_console *spcr)
{
    struct serial_place place = {.address = spcr->registers.address, .stride = spcr->stride};
    uint64_t port;
    char *text;
    int error;

    if (configured_port(config, &port) || !place.address || place.address == COM1)
        return;
    error = serial_open(place);
    if (error) {
        log_warn("console: SPCR's 0x%lx: no UART: %s", (unsigned long)place.address, error_text(error));
        return;
    }
    text = malloc(LOG_MAX);
    if (text)
        serial_write(text, log_copy(text, LOG_MAX));
    free(text);
}

/* A command that runs events finds itself here again, and leaves what was typed to the loop below it. */
static void feed_shell(void)
{
    if (console.running)
        return;
    console.running = true;
    while (atomic_read_acquire(&console.put) != console.taken) {
        char c = console.typed[console.taken % TYPED_MAX];

        atomic_write_release(&console.taken, console.taken + 1);
        shell_input(c);
    }
    console.running = false;
}

static void run_typed(struct work *work)
{
    (void)work;
    atomic_write(&console.posted, false);
    feed_shell();
}

/* In the timer's interrupt. */
static void poll(void *context)
{
    uint32_t put = console.put;
    char c;

    (void)context;
    late_events_tick();
    while (put - atomic_read_acquire(&console.taken) < TYPED_MAX && serial_read(&c))
        console.typed[put++ % TYPED_MAX] = c;
    if (put == console.put)
        return;
    atomic_write_release(&console.put, put);
    if (!atomic_read(&console.posted)) {
        atomic_write(&console.posted, true);
        event_post(0, &console.work);
    }
}

/* Each command is run, also after one that failed: an unattended run is to come to its end. */
static void run_configured(const char *config)
{
    char commands[CONFIG_VALUE_MAX];
    char *rest = commands;

    config_get(config, "run", commands, sizeof(commands));
    while (*rest) {
        char *command = rest + strspn(rest, " \t");
        int error;

        rest += strcspn(rest, ";");
        if (*rest)
            *rest++ = 0;
        if (!*command)
            continue;
        log_info("run: %s", command);
        error = shell_run(command);
        if (error)
            log_error("run: %s: failed: %s", command, error_text(error));
        else
            log_info("run: %s: done", command);
    }
}

static void start(struct work *work)
{
    (void)work;
    console.running = true;
    run_configured(console.config);
    console.running = false;
    shell_prompt();
    feed_shell(); /* what was typed meanwhile; its event may be queued still, and finds nothing */
}

void console_start(const char *config)
{
    console.config = config;
    console.work.run = run_typed;
    console.start.run = start;
    event_post(0, &console.start);
    apic_timer_start(POLL_NS, poll, NULL);
}
