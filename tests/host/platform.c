/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/platform.h for tests on the host: an arena as memory, hooks instead of hardware. */
#include "lib/event_queue.h"
#include "lib/page_alloc.h"
#include "lib/units.h"
#include "tests/host/host.h"
#include <assert.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

uintptr_t platform_direct_map;

static _Thread_local unsigned this_cpu;
static _Thread_local bool in_interrupt;
static void (*relax_hook)(void);
static uint64_t manual_time_ns;
static struct host_mmio_ops mmio;
static struct host_pci_ops pci;
static uint64_t reserved_hpa = 1, reserved_last;       /* empty */
static uint64_t for_devices_hpa = 1, for_devices_last; /* the same */
static void (*cache_flush_hook)(const void *address, size_t bytes);
static void (*msi_handler)(void *context);
static void *msi_context;
static char log_text[1 << 16];
static size_t log_bytes;
static void *hoard; /* blocks that host_leave_pages() took, each linked by its first word */

void host_memory_init(uint64_t bytes)
{
    char *reserved =
        mmap(NULL, bytes + GIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint64_t base;

    if (reserved == MAP_FAILED)
        abort();
    /* Physical addresses begin at 1 GiB, so that 0 is no memory and the first block is as large as blocks
     * get. */
    base = align_up((uintptr_t)reserved, GIB);
    platform_direct_map = base - GIB;
    if (page_alloc_add(GIB, GIB + bytes))
        abort();
}

void host_leave_pages(unsigned n)
{
    void *left[64];
    unsigned taken = 0;

    assert(n <= ARRAY_SIZE(left));
    while (taken < n && (left[taken] = pages_alloc(0, PAGE_HYPERVISOR)))
        taken++;
    for (unsigned order = PAGE_ORDER_MAX + 1; order--;) {
        void **block;

        while ((block = pages_alloc(order, PAGE_HYPERVISOR))) {
            *block = hoard;
            hoard = block;
        }
    }
    while (taken)
        pages_free(left[--taken]);
}

void host_release_pages(void)
{
    while (hoard) {
        void **block = hoard;

        hoard = *block;
        pages_free(block);
    }
}

void host_set_cpu(unsigned cpu)
{
    this_cpu = cpu;
}

void host_set_in_interrupt(bool in)
{
    in_interrupt = in;
}

void host_set_relax(void (*relax)(void))
{
    relax_hook = relax;
}

void host_set_time_ns(uint64_t ns)
{
    manual_time_ns = ns;
}

void host_set_mmio(const struct host_mmio_ops *ops)
{
    mmio = *ops;
}

void host_get_mmio(struct host_mmio_ops *ops)
{
    *ops = mmio;
}

void host_set_pci(const struct host_pci_ops *ops)
{
    pci = *ops;
}

void host_raise_msi(void)
{
    msi_handler(msi_context);
}

void host_set_cache_flush(void (*flush)(const void *address, size_t bytes))
{
    cache_flush_hook = flush;
}

const char *host_log(void)
{
    return log_text;
}

void host_log_clear(void)
{
    log_bytes = 0;
    log_text[0] = 0;
}

unsigned platform_cpu_id(void)
{
    return this_cpu;
}

static uint64_t clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Tests go from this time to times of their own and back: it is later than all of those, however short the
 * machine has been up, so that what was due then is due. */
static uint64_t begin_ns;

__attribute__((constructor)) static void begin_time(void)
{
    begin_ns = clock_ns() - 1000000 * NS_PER_S;
}

uint64_t platform_time_ns(void)
{
    return manual_time_ns ? manual_time_ns += NS_PER_US : clock_ns() - begin_ns;
}

void platform_relax(void)
{
    static _Thread_local unsigned relaxed;

    if (relax_hook)
        relax_hook();
    /* Whoever is waited for may need this core: without it hooks that take a mutex starve its holder. Where
     * time is the test's a second is a million of these, and on a busy host each may cost a time slice. */
    if (!manual_time_ns || ++relaxed % 64 == 0)
        sched_yield();
}

uint64_t platform_irq_save(void)
{
    return 0;
}

void platform_irq_restore(uint64_t saved)
{
    (void)saved;
}

bool platform_in_interrupt(void)
{
    return in_interrupt;
}

uintptr_t platform_cpu_where(unsigned cpu)
{
    return 0x1000 + cpu;
}

void platform_cache_flush(const void *address, size_t bytes)
{
    if (cache_flush_hook)
        cache_flush_hook(address, bytes);
}

volatile void *platform_mmio_map(uint64_t hpa, size_t bytes)
{
    (void)bytes;
    return (volatile void *)(uintptr_t)hpa;
}

uint32_t platform_mmio_read32(const volatile void *address)
{
    return mmio.read32(mmio.context, (uintptr_t)address);
}

uint64_t platform_mmio_read64(const volatile void *address)
{
    return mmio.read64(mmio.context, (uintptr_t)address);
}

void platform_mmio_write32(volatile void *address, uint32_t value)
{
    mmio.write32(mmio.context, (uintptr_t)address, value);
}

void platform_mmio_write64(volatile void *address, uint64_t value)
{
    mmio.write64(mmio.context, (uintptr_t)address, value);
}

int platform_msi_alloc(void (*handler)(void *context), void *context, uint64_t *address, uint32_t *data)
{
    msi_handler = handler;
    msi_context = context;
    *address = 0xfee00000;
    *data = 0x40;
    return 0;
}

void platform_event_post(struct platform_event *event, uint64_t delay_ns)
{
    event_queue_post(event, delay_ns);
}

unsigned host_run_events(void)
{
    unsigned count = 0;

    while (event_queue_run())
        count++;
    return count;
}

uint32_t platform_pci_read32(struct pci_address function, unsigned offset)
{
    return pci.read32 ? pci.read32(pci.context, function, offset) : ~0u;
}

void platform_pci_write32(struct pci_address function, unsigned offset, uint32_t value)
{
    if (pci.write32)
        pci.write32(pci.context, function, offset, value);
}

void platform_pci_write16(struct pci_address function, unsigned offset, uint16_t value)
{
    if (pci.write16)
        pci.write16(pci.context, function, offset, value);
}

void host_set_reserved(uint64_t hpa, uint64_t last)
{
    reserved_hpa = hpa;
    reserved_last = last;
}

bool platform_memory_is_reserved(uint64_t hpa, uint64_t last)
{
    return hpa >= reserved_hpa && last <= reserved_last && hpa <= last;
}

void *platform_reserved_map(uint64_t hpa, size_t bytes)
{
    return bytes && platform_memory_is_reserved(hpa, hpa + bytes - 1) ? phys_to_virt(hpa) : NULL;
}

void host_set_for_devices(uint64_t hpa, uint64_t last)
{
    for_devices_hpa = hpa;
    for_devices_last = last;
}

bool platform_memory_is_for_devices(uint64_t hpa, uint64_t last)
{
    return hpa >= for_devices_hpa && last <= for_devices_last;
}

void platform_console_write(const char *text, size_t bytes)
{
    if (bytes >= sizeof log_text - log_bytes)
        host_log_clear();
    memcpy(log_text + log_bytes, text, bytes);
    log_bytes += bytes;
    log_text[log_bytes] = 0;
}

void platform_panic(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("panic: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    abort();
}
