/* SPDX-License-Identifier: BSD-2-Clause */
/* The CPUs: their address space, control registers, areas, stacks, and interrupts between them. */
#include "arch/cpu/apic.h"
#include "arch/cpu/cpu.h"
#include "arch/cpu/event.h"
#include "arch/cpu/instructions.h"
#include "arch/cpu/interrupt.h"
#include "arch/cpu/layout.h"
#include "arch/cpu/paging.h"
#include "arch/cpu/probe.h"
#include "arch/cpu/registers.h"
#include "arch/cpu/stack.h"
#include "lib/atomic.h"
#include "lib/deadline.h"
#include "lib/page_alloc.h"
#include "lib/tap.h"
#include "lib/units.h"
#include "linker/symbols.h"
#include <string.h>

#define WAIT_NS NS_PER_S

TEST(cpu_wx)
{
    struct paging_audit audit;

    paging_audit(&audit);
    tap_note("%lu leaves, %lu KiB executable", (unsigned long)audit.leaves,
             (unsigned long)(audit.executable_bytes / KIB));
    tap_ok(audit.violations == 0, "nothing is both writable and executable (%lu are, the first at 0x%lx)",
           (unsigned long)audit.violations, (unsigned long)audit.first);
    tap_ok(audit.executable_bytes == (uintptr_t)image_text_end - (uintptr_t)image_text_start,
           "what is executable is the image's text, %lu bytes", (unsigned long)audit.executable_bytes);
    tap_ok(audit.lower_leaves == 0, "the lower half is empty (%lu leaves)",
           (unsigned long)audit.lower_leaves);
    tap_ok(audit.user_leaves == 0, "user mode reaches nothing (%lu leaves)",
           (unsigned long)audit.user_leaves);
}

/* The audit must be able to fail. */
TEST(cpu_wx_finds)
{
    uintptr_t address = STACKS_BASE + 256 * GIB;
    void *memory = pages_alloc(0, PAGE_HYPERVISOR);
    bool mapped =
        memory && paging_map(address, virt_to_phys(memory), PAGE_SIZE, PAGING_WRITE | PAGING_EXECUTE);
    struct paging_audit audit;

    paging_audit(&audit);
    tap_ok(mapped && audit.violations == 1 && audit.first == address,
           "a page made writable and executable is found (%lu, at 0x%lx)", (unsigned long)audit.violations,
           (unsigned long)audit.first);
    tap_ok(mapped && paging_unmap_page(address) && !probe_read((const char *)address), "and is gone again");
    if (memory)
        pages_free(memory);
}

TEST(cpu_rights)
{
    static volatile char data;
    const volatile char *text = (const volatile char *)image_text_start;

    tap_ok(probe_read(&data) && probe_write(&data), "a variable can be read and written");
    tap_ok(probe_read(text) && !probe_write((volatile char *)(uintptr_t)text),
           "code can be read, not written");
    tap_ok(!probe_write((volatile char *)(uintptr_t)image_symbols), "constants cannot be written");
    tap_ok(!probe_read(NULL) && !probe_read((void *)0x8000), "the lower half faults");
    tap_ok(!probe_read((const char *)MMIO_BASE), "the registers' area begins with a hole");
}

/* Of the CPU that runs it. */
static bool control_registers_are_set(void)
{
    uint64_t cr0, cr4, wanted = CR4_PAE | CR4_PGE | CR4_MCE;

    wanted |= (cpu_features.smep ? CR4_SMEP : 0) | (cpu_features.smap ? CR4_SMAP : 0);
    wanted |= cpu_features.umip ? CR4_UMIP : 0;
    __asm__ volatile("movq %%cr0, %0" : "=r"(cr0));
    __asm__ volatile("movq %%cr4, %0" : "=r"(cr4));
    return cr0 == CR0_LULL && (cr4 & wanted) == wanted && (rdmsr(MSR_EFER) & EFER_NXE);
}

/* What a CPU is asked, by an event, and answers. */
struct question {
    struct work work;
    bool (*ask)(void);
    uint32_t answered; /* atomic */
    bool answer;
};

static void answer(struct work *work)
{
    struct question *question = CONTAINER_OF(work, struct question, work);

    question->answer = question->ask();
    atomic_write_release(&question->answered, 1);
}

/* True if ask() is true on every CPU, each of which runs it as an event. */
static bool every_cpu(bool (*ask)(void))
{
    static struct question questions[PLATFORM_CPUS_MAX];
    unsigned count = cpu_count();
    bool all = true;

    for (unsigned i = 0; i < count; i++) {
        questions[i] = (struct question){.work.run = answer, .ask = ask};
        event_post(i, &questions[i].work);
    }
    for (unsigned i = 0; i < count; i++) {
        /* A question that stays open would be written to later: the memory is static for that. */
        bool came = wait_until((event_step(), atomic_read_acquire(&questions[i].answered)), WAIT_NS);

        if (!came || !questions[i].answer)
            tap_note("cpu %u: %s", i, came ? "no" : "does not answer");
        all = all && came && questions[i].answer;
    }
    return all;
}

TEST(cpu_control_registers)
{
    tap_ok(every_cpu(control_registers_are_set), "every CPU has WP, NX, and of SMEP, SMAP, UMIP what it can");
}

static bool area_is_its_own(void)
{
    const struct cpu *cpu = cpu_this();

    return cpu == cpu_get(cpu->id) && cpu->self == cpu && cpu->apic_id == apic_id_this() &&
           cpu->state == CPU_ONLINE && (uintptr_t)__builtin_frame_address(0) < cpu->stack_top &&
           (uintptr_t)__builtin_frame_address(0) > cpu->stack_top - STACK_PAGES * PAGE_SIZE;
}

TEST(cpu_areas)
{
    bool distinct = true;

    for (unsigned i = 0; i < cpu_count(); i++)
        for (unsigned j = 0; j < i; j++)
            distinct = distinct && cpu_apic_id(i) != cpu_apic_id(j) &&
                       cpu_get(i)->stack_top != cpu_get(j)->stack_top;
    tap_ok(distinct, "CPUs have APIC ids and stacks of their own");
    tap_ok(every_cpu(area_is_its_own), "every CPU finds its area by GS and runs on its stack");
}

/* The stack's lowest byte is there, the one below is not. */
static bool has_guard(uintptr_t top, unsigned pages)
{
    uintptr_t lowest = top - pages * PAGE_SIZE;

    return probe_read((const char *)top - 1) && probe_write((char *)lowest) && !stack_is_guard(lowest) &&
           !probe_read((const char *)lowest - 1) && stack_is_guard(lowest - 1);
}

static bool stacks_have_guards(void)
{
    const struct cpu *cpu = cpu_this();
    bool good = has_guard(cpu->stack_top, STACK_PAGES);

    for (unsigned i = 0; i < IST_COUNT; i++)
        good = good &&
               has_guard(cpu->segments.tss.ist[2 * i] | (uintptr_t)cpu->segments.tss.ist[2 * i + 1] << 32,
                         STACK_IST_PAGES);
    return good;
}

TEST(cpu_guard)
{
    tap_ok(every_cpu(stacks_have_guards), "below each stack of each CPU lies a page that faults");
}

static void count_interrupt(void *context)
{
    uint32_t *counts = context;

    atomic_fetch_add(&counts[cpu_id()], 1u);
}

TEST(cpu_ipi)
{
    static uint32_t counts[PLATFORM_CPUS_MAX];
    static uint8_t vector;
    bool once = true;

    memset(counts, 0, sizeof(counts));
    if (!vector && !tap_ok(interrupt_alloc(count_interrupt, counts, &vector) == 0, "a vector can be had"))
        return;
    for (unsigned i = 0; i < cpu_count(); i++)
        apic_send_ipi(i, vector);
    for (unsigned i = 0; i < cpu_count(); i++)
        if (!wait_until(atomic_read(&counts[i]) == 1, WAIT_NS)) {
            tap_note("cpu %u: %u interrupts", i, atomic_read(&counts[i]));
            once = false;
        }
    tap_ok(once, "an IPI to each of %u CPUs, this one too, comes once", cpu_count());
}

TEST(cpu_mmio)
{
    uint64_t registers = rdmsr(MSR_APIC_BASE) & ~0xfffull & ((1ull << cpu_features.physical_bits) - 1);
    volatile char *first = (volatile char *)paging_map_mmio(registers, PAGE_SIZE);
    void *memory = pages_alloc(0, PAGE_HYPERVISOR);
    struct paging_leaf leaf;

    tap_ok(first && first == paging_map_mmio(registers, PAGE_SIZE),
           "registers mapped twice are at one address");
    tap_ok(first && paging_lookup((uintptr_t)first, &leaf) && leaf.hpa == registers &&
               leaf.rights == (PAGING_WRITE | PAGING_UNCACHED),
           "uncached, writable and not executable");
    tap_ok(first && !probe_read((const volatile char *)first - 1) &&
               !probe_read((const volatile char *)first + PAGE_SIZE),
           "with holes around them");
    tap_ok(!paging_map_mmio(1ull << 52, PAGE_SIZE), "what is not a physical address is refused");
    tap_ok(memory && !paging_map_mmio(virt_to_phys(memory), PAGE_SIZE), "and so is memory of the allocator");
    if (memory)
        pages_free(memory);
}
