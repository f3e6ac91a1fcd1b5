/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of CPUs, what they can do, and the state that each is put into before it does anything. */
#include "arch/cpu/cpu.h"
#include "arch/cpu/instructions.h"
#include "arch/cpu/interrupt.h"
#include "arch/cpu/panic.h"
#include "arch/cpu/registers.h"
#include "arch/cpu/stack.h"
#include "lib/atomic.h"
#include "lib/platform.h"
#include "lib/rcu.h"
#include <string.h>

/* The table as it is after reset, which the loader's tables count on too: write-back, write-through,
 * uncached-, uncached, twice. Index 3 (PCD and PWT set) is what device registers are mapped with. */
#define PAT_RESET 0x0007040600070406ull

#define BRAND_LEAF 0x80000002u

extern struct cpu boot_cpu; /* for entry.S too */
struct cpu boot_cpu = {.self = &boot_cpu, .state = CPU_ONLINE};

struct cpu_features cpu_features;

static struct cpu *cpus[PLATFORM_CPUS_MAX] = {&boot_cpu};
static unsigned online = 1;

unsigned cpu_count(void)
{
    return atomic_read_acquire(&online);
}

struct cpu *cpu_get(unsigned cpu)
{
    return cpus[cpu];
}

void cpu_register(struct cpu *cpu)
{
    cpus[cpu->id] = cpu;
}

void cpu_set_count(unsigned count)
{
    atomic_write_release(&online, count);
}

const char *cpu_brand(unsigned cpu)
{
    return cpus[cpu]->brand;
}

uint32_t cpu_apic_id(unsigned cpu)
{
    return cpus[cpu]->apic_id;
}

static bool bit(uint32_t word, unsigned n)
{
    return word >> n & 1;
}

static void decode_features(struct cpu_features *f)
{
    struct cpuid one = cpuid(1, 0);
    struct cpuid seven = {0, 0, 0, 0};
    uint64_t cr4;

    f->max_leaf = cpuid(0, 0).eax;
    f->max_extended_leaf = cpuid(0x80000000, 0).eax;
    f->xapic = bit(one.edx, 9);
    f->x2apic = bit(one.ecx, 21);
    f->hypervisor = bit(one.ecx, 31);
    f->clflush_bytes = (one.ebx >> 8 & 0xff) * 8;
    if (f->max_leaf >= 7)
        seven = cpuid(7, 0);
    f->smep = bit(seven.ebx, 7);
    f->smap = bit(seven.ebx, 20);
    f->clflushopt = bit(seven.ebx, 23);
    f->clwb = bit(seven.ebx, 24);
    f->umip = bit(seven.ecx, 2);
    f->avx2 = bit(one.ecx, 26) && bit(one.ecx, 28) && bit(seven.ebx, 5);
    if (f->max_extended_leaf >= 0x80000001) {
        f->nx = bit(cpuid(0x80000001, 0).edx, 20);
        f->gib_pages = bit(cpuid(0x80000001, 0).edx, 26);
    }
    if (f->max_extended_leaf >= 0x80000007)
        f->invariant_tsc = bit(cpuid(0x80000007, 0).edx, 8);
    f->physical_bits = f->max_extended_leaf >= 0x80000008 ? cpuid(0x80000008, 0).eax & 0xff : 36;
    __asm__("movq %%cr4, %0" : "=r"(cr4));
    f->la57 = cr4 & CR4_LA57;
}

static void set_control_registers(void)
{
    uint64_t cr4 = CR4_PAE | CR4_PGE | CR4_MCE | CR4_DE | CR4_OSFXSR | CR4_OSXMMEXCPT;

    /* LA57 cannot change while paging is on. */
    cr4 |= cpu_features.la57 ? CR4_LA57 : 0;
    cr4 |= cpu_features.smep ? CR4_SMEP : 0;
    cr4 |= cpu_features.smap ? CR4_SMAP : 0;
    cr4 |= cpu_features.umip ? CR4_UMIP : 0;
    cr4 |= cpu_features.avx2 ? CR4_OSXSAVE : 0;
    __asm__ volatile("movq %0, %%cr0" ::"r"((uint64_t)CR0_LULL) : "memory");
    __asm__ volatile("movq %0, %%cr4" ::"r"(cr4) : "memory");
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
    if (cpu_features.avx2)
        xsetbv(0, XCR0_X87 | XCR0_SSE | XCR0_AVX);
}

/* A changed memory type must not meet lines cached under the old one: SDM volume 3, 12.12.4. */
static void set_pat(void)
{
    if (rdmsr(MSR_PAT) == PAT_RESET)
        return;
    __asm__ volatile("wbinvd" ::: "memory");
    wrmsr(MSR_PAT, PAT_RESET);
    __asm__ volatile("wbinvd; movq %%cr3, %%rax; movq %%rax, %%cr3" ::: "rax", "memory");
}

static void read_brand(char *brand)
{
    if (cpu_features.max_extended_leaf < BRAND_LEAF + 2)
        return;
    for (uint32_t i = 0; i < 3; i++) {
        struct cpuid part = cpuid(BRAND_LEAF + i, 0);

        memcpy(brand + 16 * i, &part, sizeof(part));
    }
    memmove(brand, brand + strspn(brand, " "), strlen(brand + strspn(brand, " ")) + 1);
}

void cpu_init_this(struct cpu *cpu)
{
    segments_load(&cpu->segments);
    interrupt_load();
    set_control_registers();
    set_pat();
    read_brand(cpu->brand);
}

void cpu_boot_init(const struct boot_info *info)
{
    uintptr_t ist_top[IST_COUNT];

    decode_features(&cpu_features);
    for (unsigned ist = 1; ist <= IST_COUNT; ist++)
        ist_top[ist - 1] = stack_boot_ist_top(ist);
    list_init(&boot_cpu.work);
    boot_cpu.stack_top = stack_boot_top();
    segments_init(&boot_cpu.segments, ist_top);
    interrupt_init();
    cpu_init_this(&boot_cpu);
    rcu_cpu_online();
    if (info->magic != BOOT_INFO_MAGIC)
        panic("boot: the loader's hand-over has magic 0x%016lx", (unsigned long)info->magic);
    if (!cpu_features.nx)
        panic("cpu: no NX: Lull's data would be executable");
}
