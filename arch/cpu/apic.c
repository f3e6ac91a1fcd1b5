/* SPDX-License-Identifier: BSD-2-Clause */
/* The local APIC: its two modes, its state after start, and interprocessor interrupts. */
#include "arch/cpu/apic.h"
#include "arch/cpu/apic_registers.h"
#include "arch/cpu/apic_timer.h"
#include "arch/cpu/cpu.h"
#include "arch/cpu/instructions.h"
#include "arch/cpu/interrupt.h"
#include "arch/cpu/io.h"
#include "arch/cpu/paging.h"
#include "arch/cpu/registers.h"
#include "lib/deadline.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/units.h"

#define PIC_MASTER_DATA 0x21
#define PIC_SLAVE_DATA  0xa1

#define ICR_IDLE_WAIT_NS NS_PER_MS
#define XAPIC_ID_MAX     254

/* Set by apic_init() and the same for all CPUs, which have their own registers at the same address. */
static struct {
    bool ready;
    bool x2apic;
    volatile char *registers; /* xAPIC */
} apic;

uint32_t apic_read(unsigned offset)
{
    if (apic.x2apic)
        return (uint32_t)rdmsr(MSR_X2APIC + offset / 16);
    return *(volatile uint32_t *)(void *)(uintptr_t)(apic.registers + offset);
}

void apic_write(unsigned offset, uint32_t value)
{
    if (apic.x2apic)
        wrmsr(MSR_X2APIC + offset / 16, value);
    else
        *(volatile uint32_t *)(void *)(uintptr_t)(apic.registers + offset) = value;
}

bool apic_is_x2apic(void)
{
    return apic.x2apic;
}

uint32_t apic_id_this(void)
{
    return apic.x2apic ? apic_read(APIC_ID) : apic_read(APIC_ID) >> 24;
}

void apic_eoi(void)
{
    apic_write(APIC_EOI, 0);
}

static void write_icr(uint32_t id, uint32_t command)
{
    uint64_t saved;

    if (apic.x2apic) {
        /* A WRMSR to an x2APIC register waits for no earlier store (SDM volume 3, 11.12.3): what the other
         * CPU is to find when the interrupt comes must be visible first. */
        __asm__ volatile("mfence; lfence" ::: "memory");
        wrmsr(MSR_X2APIC + APIC_ICR / 16, (uint64_t)id << 32 | command);
        return;
    }
    /* A handler that sends one too must not come between the two halves. */
    saved = irq_save();
    if (!wait_until(!(apic_read(APIC_ICR) & ICR_PENDING), ICR_IDLE_WAIT_NS))
        log_error("apic: the interrupt before 0x%x for APIC %u is still not sent", command, id);
    apic_write(APIC_ICR_HIGH, ICR_HIGH_ID(id));
    apic_write(APIC_ICR, command);
    irq_restore(saved);
}

void apic_send_ipi(unsigned cpu, uint8_t vector)
{
    write_icr(cpu_apic_id(cpu), ICR_FIXED | ICR_ASSERT | vector);
}

void apic_send_nmi(unsigned cpu)
{
    if (apic.ready)
        write_icr(cpu_apic_id(cpu), ICR_NMI | ICR_ASSERT);
}

void apic_send_init(uint32_t apic_id)
{
    write_icr(apic_id, ICR_INIT | ICR_ASSERT);
}

void apic_send_startup(uint32_t apic_id, uint64_t page)
{
    write_icr(apic_id, ICR_STARTUP | ICR_ASSERT | (uint32_t)(page >> 12));
}

bool apic_can_address(uint32_t apic_id)
{
    return apic.x2apic || apic_id <= XAPIC_ID_MAX;
}

static void report_error(void *context)
{
    uint32_t esr;

    (void)context;
    apic_write(APIC_ESR, 0); /* latches what there is to read */
    esr = apic_read(APIC_ESR);
    if (esr)
        log_warn("apic: error status 0x%x", esr);
}

/* From x2APIC mode the only way back leads through "disabled" (SDM volume 3, 11.12.5). */
static void enter_mode(void)
{
    uint64_t base = rdmsr(MSR_APIC_BASE);

    if (!apic.x2apic && (base & APIC_BASE_EXTD)) {
        base &= ~(APIC_BASE_EXTD | APIC_BASE_ENABLE);
        wrmsr(MSR_APIC_BASE, base);
    }
    base |= APIC_BASE_ENABLE;
    wrmsr(MSR_APIC_BASE, base);
    if (apic.x2apic)
        wrmsr(MSR_APIC_BASE, base | APIC_BASE_EXTD);
}

/* What firmware had in service when it handed over would hold back everything of its priority for ever. */
static void end_old_interrupts(void)
{
    for (unsigned n = 0; n < 256; n++) {
        uint32_t in_service = 0;

        for (unsigned i = 0; i < 8; i++)
            in_service |= apic_read(APIC_ISR + 16 * i);
        if (!in_service)
            return;
        apic_eoi();
    }
}

static void set_local_vectors(void)
{
    unsigned lvt_max = apic_read(APIC_VERSION) >> 16 & 0xff;

    apic_write(APIC_LVT_TIMER, LVT_MASKED);
    apic_write(APIC_LVT_LINT0, LVT_MASKED); /* the 8259s */
    apic_write(APIC_LVT_LINT1, cpu_id() == 0 ? LVT_NMI : LVT_MASKED);
    if (lvt_max >= 3)
        apic_write(APIC_LVT_ERROR, VECTOR_APIC_ERROR);
    if (lvt_max >= 4)
        apic_write(APIC_LVT_PERF, LVT_MASKED);
    if (lvt_max >= 5)
        apic_write(APIC_LVT_THERMAL, LVT_MASKED);
    if (lvt_max >= 6)
        apic_write(APIC_LVT_CMCI, LVT_MASKED);
}

void apic_init_this(void)
{
    enter_mode();
    apic_write(APIC_TPR, 0);
    apic_write(APIC_SVR, SVR_ENABLE | VECTOR_SPURIOUS);
    set_local_vectors();
    apic_write(APIC_ESR, 0);
    end_old_interrupts();
    cpu_this()->apic_id = apic_id_this();
}

static int choose_mode(enum apic_mode mode)
{
    uint64_t base;

    if (!cpu_features.xapic || (mode == APIC_X2APIC && !cpu_features.x2apic)) {
        log_error("apic: the CPU has no %s", cpu_features.xapic ? "x2APIC" : "local APIC");
        return ERR_UNSUPPORTED;
    }
    apic.x2apic = cpu_features.x2apic && mode != APIC_XAPIC;
    if (apic.x2apic)
        return 0;
    base = rdmsr(MSR_APIC_BASE) & APIC_BASE_ADDRESS;
    apic.registers = paging_map_mmio(base, APIC_BYTES);
    return apic.registers ? 0 : ERR_NOMEM;
}

int apic_init(enum apic_mode mode)
{
    int error = choose_mode(mode);

    if (error)
        return error;
    out8(PIC_MASTER_DATA, 0xff);
    out8(PIC_SLAVE_DATA, 0xff);
    interrupt_set(VECTOR_APIC_ERROR, report_error, NULL);
    apic_init_this();
    apic.ready = true;
    return apic_timer_init();
}
