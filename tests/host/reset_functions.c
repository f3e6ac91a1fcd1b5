/* SPDX-License-Identifier: BSD-2-Clause */
/* Made-up functions that can be reset, for tests of resets. */
#include "tests/host/reset_functions.h"
#include "lib/pci.h"
#include "lib/units.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <string.h>

#define START_FLR 0x80 /* of the control's upper byte */
#define ENDPOINT  0

struct reset_seen reset_seen;
uint32_t reset_id_after;

static void let_time_pass(void)
{
    host_set_time_ns(platform_time_ns() + 100 * NS_PER_US);
}

int reset_begin(void **state)
{
    (void)state;
    fake_pci_install();
    host_log_clear();
    host_set_time_ns(NS_PER_S);
    host_set_relax(let_time_pass);
    memset(&reset_seen, 0, sizeof reset_seen);
    return 0;
}

int reset_end(void **state)
{
    (void)state;
    host_set_time_ns(0);
    host_set_relax(NULL);
    return 0;
}

void reset_lose_state(struct fake_function *fake)
{
    reset_seen.command = (uint16_t)(fake->space[PCI_COMMAND] | fake->space[PCI_COMMAND + 1] << 8);
    reset_seen.began_ns = platform_time_ns();
    reset_seen.resets++;
    fake->pending_reads = 0;
    fake->space[RESET_AF_STATUS] = 0;
    memset(fake->space + PCI_COMMAND, 0, 2);
    for (unsigned i = 0; i < 6; i++)
        fake_pci_put32(fake, PCI_BAR + 4 * i, fake_pci_get32(fake, PCI_BAR + 4 * i) & ~fake->bar_bits[i]);
    fake->space[0x3c] = 0;
    fake->space[RESET_EXPRESS_CONTROL] = fake->space[RESET_EXPRESS_CONTROL + 1] = 0;
    memset(fake->space + FAKE_ACS + 6, 0, 2);
}

void reset_by_flr(struct fake_function *fake, unsigned offset, unsigned bytes)
{
    (void)bytes;
    if (offset == RESET_EXPRESS_CONTROL && fake->space[RESET_EXPRESS_CONTROL + 1] & START_FLR)
        reset_lose_state(fake);
}

void reset_by_features(struct fake_function *fake, unsigned offset, unsigned bytes)
{
    (void)bytes;
    if (offset == RESET_AF + 4 && fake->space[RESET_AF + 4] & 1)
        reset_lose_state(fake);
}

/* In D3hot for long enough, and then back. */
void reset_by_power(struct fake_function *fake, unsigned offset, unsigned bytes)
{
    static uint64_t asleep_ns;

    (void)bytes;
    if (offset != RESET_POWER + 4)
        return;
    reset_seen.steps++;
    if ((fake->space[RESET_POWER + 4] & 3) == 3)
        asleep_ns = platform_time_ns();
    else if (platform_time_ns() - asleep_ns >= 10 * NS_PER_MS)
        reset_lose_state(fake);
}

/* A function with a BAR, a driver's settings, and these capabilities; which lead nowhere but to each other.
 */
struct fake_function *reset_add(uint8_t bus, unsigned device, bool express, uint32_t express_cap)
{
    struct fake_function *fake = fake_pci_add(bus, device, 0, 1);

    fake_pci_put32(fake, PCI_BAR, RESET_BAR);
    fake->bar_bits[0] = 0xffff0000;
    fake_pci_put32(fake, PCI_BAR, RESET_BAR);
    fake->space[PCI_COMMAND] = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
    fake->space[0x3c] = 11;
    if (express) {
        fake_pci_make_express(fake, ENDPOINT);
        fake_pci_put32(fake, RESET_EXPRESS_CAP, express_cap);
        fake->space[RESET_EXPRESS_CONTROL] = 0x2f;
    } else {
        fake->space[PCI_STATUS] = PCI_STATUS_CAPABILITIES;
        fake->space[PCI_CAPABILITIES] = RESET_AF;
    }
    return fake;
}

void reset_scan(void)
{
    assert_int_equal(pci_scan((const uint16_t[]){0}, 1), 0);
}

void reset_assert_back(const struct fake_function *fake)
{
    assert_int_equal(fake_pci_get32(fake, PCI_BAR), RESET_BAR);
    assert_int_equal(fake->space[PCI_COMMAND], PCI_COMMAND_MEMORY); /* and no bus mastering */
    assert_int_equal(fake->space[0x3c], 11);
}

void reset_stay_pending(struct fake_function *fake, unsigned offset, unsigned bytes)
{
    reset_by_flr(fake, offset, bytes);
    fake->pending_reads = FAKE_FOREVER;
}

void reset_change_id(struct fake_function *fake, unsigned offset, unsigned bytes)
{
    (void)bytes;
    if (offset == RESET_EXPRESS_CONTROL && fake->space[RESET_EXPRESS_CONTROL + 1] & START_FLR)
        fake_pci_put32(fake, PCI_ID, reset_id_after);
}
