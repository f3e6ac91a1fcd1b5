/* SPDX-License-Identifier: BSD-2-Clause */
/* Ways to reset functions (PCI Express base specification, 6.6.1 and 6.6.2; Advanced Features ECN; PCI power
 * management 1.2, 5.4; PCI to PCI bridges, 3.2.5.17). */
#include "lib/pci_reset.h"
#include "lib/deadline.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/mutant.h"
#include "lib/pci.h"
#include "lib/pci_save.h"
#include "lib/units.h"
#include <stdlib.h>

#define CAPABILITY_POWER    0x01
#define CAPABILITY_FEATURES 0x13

/* Offsets in the capabilities, and bits there. */
enum {
    POWER_CONTROL = 4,
    POWER_STATE = 3,
    POWER_STATE_D3HOT = 3,
    POWER_NO_SOFT_RESET = 1 << 3,
    POWER_EVENT = 1 << 15, /* cleared by a one */

    FEATURES_CAP = 3,
    FEATURES_HAVE_PENDING = 1 << 0,
    FEATURES_HAVE_RESET = 1 << 1,
    FEATURES_CONTROL = 4,
    FEATURES_RESET = 1 << 0,
    FEATURES_STATUS = 5,
    FEATURES_PENDING = 1 << 0,

    EXPRESS_CONTROL_RESET = 1 << 15,

    BRIDGE_CONTROL = 0x3e,
    BRIDGE_CONTROL_RESET = 1 << 6,
};

#define EXPRESS_CAP_RESET (1u << 28)

#define PENDING_NS    NS_PER_S          /* mostly it is milliseconds; the note in 6.6.2 has seconds */
#define RESET_NS      (100 * NS_PER_MS) /* until configuration space may be asked for */
#define POWER_NS      (10 * NS_PER_MS)
#define BUS_HELD_NS   (2 * NS_PER_MS)
#define ANSWER_NS     NS_PER_S
#define NOT_READY_YET 0x0001 /* the vendor that a port makes up while a function asks to try again later */

static void wait_ns(uint64_t ns)
{
    (void)wait_until(false, ns);
}

const char *pci_reset_name(enum pci_reset_method method)
{
    static const char *const names[] = {"FLR", "AF FLR", "PM", "bus", "none"};

    return names[method];
}

static bool is_port(struct pci_address function)
{
    enum pci_express_type type = pci_express_type(function);

    return type == PCI_EXPRESS_ROOT_PORT || type == PCI_EXPRESS_UPSTREAM || type == PCI_EXPRESS_DOWNSTREAM;
}

static bool has(const struct pci_address *set, unsigned count, struct pci_address function)
{
    for (unsigned i = 0; i < count; i++)
        if (pci_address_equal(set[i], function))
            return true;
    return false;
}

static bool is_behind(const struct pci_function *bridge, const struct pci_function *function)
{
    return function->address.segment == bridge->address.segment &&
           function->address.bus >= bridge->secondary_bus && function->address.bus <= bridge->subordinate_bus;
}

static bool can_reset_bus(const struct pci_function *bridge, const struct pci_address *set, unsigned count)
{
    if (!bridge || bridge->header_type != PCI_HEADER_BRIDGE)
        return false;
    for (unsigned i = 0; pci_function(i); i++) {
        const struct pci_function *function = pci_function(i);

        if (is_behind(bridge, function) &&
            (function->header_type == PCI_HEADER_BRIDGE ? is_port(function->address)
                                                        : !has(set, count, function->address)))
            return false;
    }
    return true;
}

static bool has_flr(struct pci_address function)
{
    unsigned express = pci_capability(function, PCI_CAPABILITY_EXPRESS);

    return express && platform_pci_read32(function, express + PCI_EXPRESS_CAP) & EXPRESS_CAP_RESET;
}

static bool has_features_reset(struct pci_address function)
{
    const unsigned both = FEATURES_HAVE_PENDING | FEATURES_HAVE_RESET;
    unsigned features = pci_capability(function, CAPABILITY_FEATURES);

    return features && (pci_read8(function, features + FEATURES_CAP) & both) == both;
}

static bool has_power_reset(struct pci_address function)
{
    unsigned power = pci_capability(function, CAPABILITY_POWER);

    return power && !(pci_read16(function, power + POWER_CONTROL) & POWER_NO_SOFT_RESET);
}

enum pci_reset_method pci_reset_method(struct pci_address function, const struct pci_address *set,
                                       unsigned count)
{
    if (has_flr(function))
        return PCI_RESET_FLR;
    if (has_features_reset(function))
        return PCI_RESET_AF_FLR;
    if (has_power_reset(function))
        return PCI_RESET_PM;
    return can_reset_bus(pci_bridge_above(function), set, count) ? PCI_RESET_BUS : PCI_RESET_NONE;
}

static bool is_pending(struct pci_address function)
{
    unsigned express = pci_capability(function, PCI_CAPABILITY_EXPRESS);
    unsigned features = pci_capability(function, CAPABILITY_FEATURES);

    if (express)
        return pci_read16(function, express + PCI_EXPRESS_STATUS) & PCI_EXPRESS_PENDING;
    return features && pci_read8(function, features + FEATURES_STATUS) & FEATURES_PENDING;
}

static bool wait_quiet(struct pci_address function)
{
    return wait_until(!is_pending(function), PENDING_NS);
}

/* Completions that arrive after a reset could be taken for those of new requests. What has not arrived by the
 * deadline is taken for lost, and a reset is what makes the function forget that it waits for it (6.6.2). */
static void stop(struct pci_address function)
{
    platform_pci_write16(function, PCI_COMMAND, PCI_COMMAND_NO_INTX);
    if (!wait_quiet(function))
        log_warn("PCI " PCI_FORMAT ": transactions pending long after it was stopped: reset all the same",
                 PCI_ARGS(function));
}

/* What a function began for one owner is over before it goes to the next. how: what should have ended it. */
static int check_quiet(struct pci_address function, const char *how)
{
    if (wait_quiet(function) || mutant(HANDED_ON_PENDING))
        return 0;
    log_error("PCI " PCI_FORMAT ": stays blocked, since it has transactions pending %s", PCI_ARGS(function),
              how);
    return ERR_TIMEOUT;
}

static void set_power(struct pci_address function, unsigned power, unsigned state)
{
    unsigned control = pci_read16(function, power + POWER_CONTROL) & ~(unsigned)(POWER_STATE | POWER_EVENT);

    platform_pci_write16(function, power + POWER_CONTROL, (uint16_t)(control | state));
    wait_ns(POWER_NS);
}

/* What sleeps need not answer to the other ways. It may lose its state by that, so it has been saved. */
static void wake(struct pci_address function)
{
    unsigned power = pci_capability(function, CAPABILITY_POWER);

    if (power && pci_read16(function, power + POWER_CONTROL) & POWER_STATE)
        set_power(function, power, 0);
}

static void start_flr(struct pci_address function)
{
    unsigned express = pci_capability(function, PCI_CAPABILITY_EXPRESS);
    uint16_t control = pci_read16(function, express + PCI_EXPRESS_CONTROL);

    platform_pci_write16(function, express + PCI_EXPRESS_CONTROL, control | EXPRESS_CONTROL_RESET);
    wait_ns(RESET_NS);
}

static void start_features_reset(struct pci_address function)
{
    unsigned features = pci_capability(function, CAPABILITY_FEATURES);

    platform_pci_write16(function, features + FEATURES_CONTROL, FEATURES_RESET);
    wait_ns(RESET_NS);
}

static void start_power_reset(struct pci_address function)
{
    unsigned power = pci_capability(function, CAPABILITY_POWER);

    set_power(function, power, POWER_STATE_D3HOT);
    set_power(function, power, 0);
}

static bool answers(struct pci_address function)
{
    uint32_t id = platform_pci_read32(function, PCI_ID);

    return id != ~0u && (uint16_t)id != NOT_READY_YET;
}

/* After a reset: waits for the function, and puts its configuration back. */
static int bring_back(const struct pci_saved *saved, enum pci_reset_method method)
{
    int error;

    if (!wait_until(answers(saved->function), ANSWER_NS)) {
        log_error("PCI " PCI_FORMAT ": does not answer a second after its reset (%s)",
                  PCI_ARGS(saved->function), pci_reset_name(method));
        return ERR_TIMEOUT;
    }
    error = pci_restore(saved);
    if (!error)
        error = check_quiet(saved->function, "after its reset");
    if (!error)
        log_debug("PCI " PCI_FORMAT ": reset (%s)", PCI_ARGS(saved->function), pci_reset_name(method));
    return error;
}

static int reset_function(struct pci_address function, enum pci_reset_method method)
{
    static void (*const start[])(struct pci_address) = {start_flr, start_features_reset, start_power_reset};
    struct pci_saved saved;
    int error = pci_save(function, &saved);

    if (error)
        return error;
    stop(function);
    if (method != PCI_RESET_PM)
        wake(function);
    start[method](function);
    return bring_back(&saved, method);
}

static void pulse_bus(struct pci_address bridge)
{
    uint16_t control = pci_read16(bridge, BRIDGE_CONTROL);

    platform_pci_write16(bridge, BRIDGE_CONTROL, control | BRIDGE_CONTROL_RESET);
    /* It has arrived when it can be read, and lasts from then on. */
    (void)pci_read16(bridge, BRIDGE_CONTROL);
    wait_ns(BUS_HELD_NS);
    platform_pci_write16(bridge, BRIDGE_CONTROL, control & (uint16_t)~BRIDGE_CONTROL_RESET);
    wait_ns(RESET_NS);
}

/* Bridges come before what is behind them, as in the table. */
static int reset_saved_bus(const struct pci_function *bridge, struct pci_saved *saved, unsigned count)
{
    int first = 0;

    for (unsigned i = 0; i < count; i++)
        stop(saved[i].function);
    pulse_bus(bridge->address);
    for (unsigned i = 0; i < count; i++) {
        int error = bring_back(&saved[i], PCI_RESET_BUS);

        first = first ? first : error;
    }
    return first;
}

static int reset_bus(const struct pci_function *bridge)
{
    unsigned count = 0;
    struct pci_saved *saved;
    int error = 0;

    for (unsigned i = 0; pci_function(i); i++)
        count += is_behind(bridge, pci_function(i));
    saved = malloc(count * sizeof *saved);
    if (!saved)
        return ERR_NOMEM;
    count = 0;
    for (unsigned i = 0; pci_function(i) && !error; i++)
        if (is_behind(bridge, pci_function(i)))
            error = pci_save(pci_function(i)->address, &saved[count++]);
    if (!error)
        error = reset_saved_bus(bridge, saved, count);
    free(saved);
    return error;
}

/* One of the first so many of a set has taken the same bus with it. */
static bool was_reset(const struct pci_function *bridge, const struct pci_address *set, unsigned done,
                      unsigned count)
{
    for (unsigned i = 0; i < done; i++)
        if (pci_bridge_above(set[i]) == bridge && pci_reset_method(set[i], set, count) == PCI_RESET_BUS)
            return true;
    return false;
}

static int reset_nth(const struct pci_address *set, unsigned count, unsigned n)
{
    const struct pci_function *bridge = pci_bridge_above(set[n]);
    enum pci_reset_method method;

    if (!answers(set[n])) {
        log_error("PCI " PCI_FORMAT ": does not answer, and cannot be reset", PCI_ARGS(set[n]));
        return ERR_HARDWARE;
    }
    method = pci_reset_method(set[n], set, count);
    if (method == PCI_RESET_NONE)
        return check_quiet(set[n], "long after it was stopped, and no reset to end them");
    if (method != PCI_RESET_BUS)
        return reset_function(set[n], method);
    return was_reset(bridge, set, n, count) ? 0 : reset_bus(bridge);
}

int pci_reset(const struct pci_address *set, unsigned count)
{
    int first = 0;

    /* The last first: a function before the bridge that its writes pass. One that cannot be stopped has said
     * so, and is blocked and reset all the same. */
    for (unsigned i = count; i--;)
        (void)!pci_bus_master_set(set[i], false);
    for (unsigned i = 0; i < count; i++) {
        int error = reset_nth(set, count, i);

        first = first ? first : error;
    }
    return first;
}
