/* SPDX-License-Identifier: BSD-2-Clause */
/* The host as a platform: what tests may set and look at behind lib/platform.h. */
#pragma once

#include "lib/platform.h"

/* Gives the page allocator an arena of its own to work in; the first call of a test program. bytes is a
 * multiple of 4 KiB; the memory is only reserved until it is touched. */
void host_memory_init(uint64_t bytes);

/* Which CPU the calling thread is (0 unless told otherwise). */
void host_set_cpu(unsigned cpu);

/* Makes the calling thread run as an interrupt handler of its CPU. */
void host_set_in_interrupt(bool in);

/* Called by platform_relax(); NULL for sched_yield(). */
void host_set_relax(void (*relax)(void));

/* Makes time pass by hand: platform_time_ns() then gives this and one microsecond more at each call, so that
 * deadlines come. 0 for the real clock again. */
void host_set_time_ns(uint64_t ns);

/* Device registers. platform_mmio_map() gives the hpa back as an address; accesses go to these. */
struct host_mmio_ops {
    uint32_t (*read32)(void *context, uint64_t hpa);
    uint64_t (*read64)(void *context, uint64_t hpa);
    void (*write32)(void *context, uint64_t hpa, uint32_t value);
    void (*write64)(void *context, uint64_t hpa, uint64_t value);
    void *context;
};

void host_set_mmio(const struct host_mmio_ops *ops);
void host_get_mmio(struct host_mmio_ops *ops);

struct host_pci_ops {
    uint32_t (*read32)(void *context, struct pci_address function, unsigned offset);
    void (*write32)(void *context, struct pci_address function, unsigned offset, uint32_t value);
    void (*write16)(void *context, struct pci_address function, unsigned offset, uint16_t value);
    void *context;
};

void host_set_pci(const struct host_pci_ops *ops);

/* What platform_memory_is_reserved() says yes to; nothing at first. */
void host_set_reserved(uint64_t hpa, uint64_t last);

/* The same for platform_memory_is_for_devices(). */
void host_set_for_devices(uint64_t hpa, uint64_t last);

/* Raises the interrupt that the newest platform_msi_alloc() reserved. */
void host_raise_msi(void);

/* Called for each platform_cache_flush(); NULL for nothing. */
void host_set_cache_flush(void (*flush)(const void *address, size_t bytes));

/* All that the log wrote since the last host_log_clear(), ended by 0. */
const char *host_log(void);
void host_log_clear(void);

/* Takes all free memory but n pages, so that allocations fail for real after that; and gives it back. */
void host_leave_pages(unsigned n);
void host_release_pages(void);

/* Runs the events that platform_event_post() was given and that are due; returns how many. */
unsigned host_run_events(void);
