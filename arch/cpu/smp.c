/* SPDX-License-Identifier: BSD-2-Clause */
/* Starting the other CPUs by INIT and SIPI (SDM volume 3, 9.4.4), one after the other. */
#include "arch/cpu/smp.h"
#include "arch/cpu/ap_start.h"
#include "arch/cpu/apic.h"
#include "arch/cpu/cpu.h"
#include "arch/cpu/event.h"
#include "arch/cpu/instructions.h"
#include "arch/cpu/paging.h"
#include "arch/cpu/registers.h"
#include "arch/cpu/stack.h"
#include "arch/cpu/tsc.h"
#include "lib/deadline.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/page_alloc.h"
#include "lib/rcu.h"
#include "lib/units.h"
#include <string.h>

#define INIT_WAIT_NS         (10 * NS_PER_MS)
#define SECOND_SIPI_AFTER_NS NS_PER_MS
#define START_WAIT_NS        (2 * NS_PER_S)

_Static_assert(sizeof(struct cpu) <= PAGE_SIZE, "a CPU's area is one page");

_Static_assert(AP_PARAMETERS + offsetof(struct ap_parameters, gdt) == AP_GDT, "ap_start.h");
_Static_assert(AP_PARAMETERS + offsetof(struct ap_parameters, stack_top) == AP_STACK_TOP, "ap_start.h");
_Static_assert(AP_PARAMETERS + offsetof(struct ap_parameters, cpu) == AP_CPU, "ap_start.h");
_Static_assert(AP_PARAMETERS + offsetof(struct ap_parameters, entry) == AP_ENTRY, "ap_start.h");
_Static_assert(AP_PARAMETERS + offsetof(struct ap_parameters, cr3) == AP_CR3, "ap_start.h");
_Static_assert(AP_PARAMETERS + offsetof(struct ap_parameters, cr4) == AP_CR4, "ap_start.h");
_Static_assert(AP_PARAMETERS + offsetof(struct ap_parameters, long_mode) == AP_LONG_MODE, "ap_start.h");
_Static_assert(AP_PARAMETERS + offsetof(struct ap_parameters, gdtr_limit) == AP_GDTR, "ap_start.h");

static uint32_t released; /* atomic: started CPUs may enter their loops */

/* A started CPU's first function, on its own stack, interrupts off. */
static NORETURN void cpu_started(struct cpu *cpu)
{
    uint32_t expected = CPU_STARTING;

    atomic_write_release(&cpu->arrived, 1);
    cpu_init_this(cpu);
    apic_init_this();
    tsc_sync_ask();
    /* CPU 0 may have given it up by now: then it is not counted, and CPU 0 sends it another INIT. */
    if (!atomic_compare_exchange(&cpu->state, &expected, CPU_ONLINE))
        cpu_halt_forever();
    /* Lasts until CPU 0 has started all others: it is CPU 0's own code that this waits for, not hardware. */
    while (!atomic_read_acquire(&released))
        cpu_pause();
    paging_flush_all(); /* paging_drop_lower_half() came before the release */
    rcu_cpu_online();
    event_loop();
}

/* An area with stacks for one more CPU, NULL when out of memory. */
static struct cpu *cpu_create(unsigned id)
{
    struct cpu *cpu = pages_alloc(0, PAGE_HYPERVISOR);
    uintptr_t ist_top[IST_COUNT];

    if (!cpu)
        return NULL;
    *cpu = (struct cpu){.self = cpu, .id = id, .state = CPU_STARTING};
    list_init(&cpu->work);
    cpu->stack_top = stack_alloc(STACK_PAGES);
    if (!cpu->stack_top)
        return NULL;
    for (unsigned i = 0; i < IST_COUNT; i++) {
        ist_top[i] = stack_alloc(STACK_IST_PAGES);
        if (!ist_top[i])
            return NULL;
    }
    segments_init(&cpu->segments, ist_top);
    return cpu;
}

static void fill_start_page(uint64_t page, const struct cpu *cpu)
{
    char *start = phys_to_virt(page);
    struct ap_parameters parameters = {
        .gdt = {0, GDT_CODE, GDT_DATA},
        .stack_top = cpu->stack_top,
        .cpu = (uintptr_t)cpu,
        .entry = (uintptr_t)cpu_started,
        .cr3 = paging_root(),
        .cr4 = CR4_PAE | (cpu_features.la57 ? CR4_LA57 : 0),
        .long_mode = (uint32_t)(page + (uintptr_t)ap_start_long_mode - (uintptr_t)ap_start_begin),
        .long_mode_selector = SELECTOR_CODE,
        .gdtr_limit = sizeof(parameters.gdt) - 1,
        .gdtr_base = {(uint16_t)(page + AP_GDT), (uint16_t)((page + AP_GDT) >> 16)},
    };

    memcpy(start, ap_start_begin, (uintptr_t)ap_start_end - (uintptr_t)ap_start_begin);
    memcpy(start + AP_PARAMETERS, &parameters, sizeof(parameters));
}

/* True once the CPU is online. If it does not get there in time it is put back into its wait for a start. */
static bool start_one(struct cpu *cpu, uint32_t apic_id, uint64_t page)
{
    uint32_t expected = CPU_STARTING;

    fill_start_page(page, cpu);
    apic_send_startup(apic_id, page);
    /* A CPU that has started ignores the second one; some need it. */
    if (!wait_until(atomic_read_acquire(&cpu->arrived), SECOND_SIPI_AFTER_NS))
        apic_send_startup(apic_id, page);
    if (wait_until(atomic_read_acquire(&cpu->arrived), START_WAIT_NS) && tsc_sync_serve() &&
        wait_until(atomic_read_acquire(&cpu->state) == CPU_ONLINE, START_WAIT_NS))
        return true;
    if (!atomic_compare_exchange(&cpu->state, &expected, CPU_ABANDONED))
        return true;
    apic_send_init(apic_id);
    tsc_sync_give_up();
    log_warn("smp: the CPU with APIC id %u does not start: left out", apic_id);
    return false;
}

/* Those of the list that are not this CPU and that can be reached. */
static bool startable(uint32_t apic_id)
{
    if (apic_id == apic_id_this())
        return false;
    if (!apic_can_address(apic_id)) {
        log_warn("smp: APIC id %u cannot be reached in xAPIC mode: left out", apic_id);
        return false;
    }
    return true;
}

static int start_all(const uint32_t *apic_ids, unsigned count, uint64_t page, unsigned *online)
{
    struct cpu *cpu = NULL;

    for (unsigned i = 0; i < count && *online < PLATFORM_CPUS_MAX; i++) {
        if (!startable(apic_ids[i]))
            continue;
        /* What a CPU was abandoned with is never used again: it may run still. */
        cpu = cpu_create(*online);
        if (!cpu) {
            log_error("smp: no memory for cpu %u", *online);
            return ERR_NOMEM;
        }
        cpu_register(cpu);
        if (start_one(cpu, apic_ids[i], page))
            (*online)++;
    }
    return 0;
}

int smp_start(const uint32_t *apic_ids, unsigned count, uint64_t ap_start_page)
{
    unsigned online = 1;
    uint64_t end_ns;
    int error;

    for (unsigned i = 0; i < count; i++)
        if (apic_ids[i] != apic_id_this() && apic_can_address(apic_ids[i]))
            apic_send_init(apic_ids[i]);
    end_ns = tsc_ns() + INIT_WAIT_NS;
    while (tsc_ns() < end_ns)
        cpu_pause();

    error = start_all(apic_ids, count, ap_start_page, &online);
    paging_drop_lower_half();
    cpu_set_count(online);
    atomic_write_release(&released, 1);
    log_info("smp: %u CPUs", online);
    return error;
}
