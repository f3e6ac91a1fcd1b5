/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding out how fast the time stamp counter counts: what CPUID says, else a count against a clock of known
 * speed. */
#include "arch/cpu/tsc_calibrate.h"
#include "arch/cpu/cpu.h"
#include "arch/cpu/instructions.h"
#include "arch/cpu/io.h"
#include "lib/log.h"
#include "lib/units.h"

/* What a CPU can be: anything else is a misreading. */
#define HZ_MIN 100000000ull
#define HZ_MAX 8000000000ull

#define CPUID_TSC_RATIO          0x15
#define CPUID_FREQUENCY          0x16
#define CPUID_HYPERVISOR         0x40000000
#define CPUID_HYPERVISOR_TSC_KHZ 0x40000010

#define PM_TIMER_HZ 3579545u
#define PIT_HZ      1193182u

#define PIT_CHANNEL_2       0x42
#define PIT_COMMAND         0x43
#define PIT_LOAD_CHANNEL_2  0xb0 /* low byte, high byte, mode 0, binary */
#define PIT_LATCH_CHANNEL_2 0x80
#define PORT_B              0x61
#define PORT_B_GATE_2       0x01
#define PORT_B_SPEAKER      0x02

/* A clock that stands still ends the measurement after this many cycles: half a second on the fastest CPU. */
#define CYCLES_MAX (HZ_MAX / 2)

/* A counter of known speed. */
struct reference {
    const char *name;
    uint32_t (*read)(const struct reference *reference);
    uint32_t hz;
    uint32_t mask;  /* the bits that it has */
    uint32_t ticks; /* how long to measure; less than the mask */
    uint16_t port;
};

/* Both counters at the same time. */
struct sample {
    uint64_t tsc;
    uint32_t count;
};

static uint32_t read_pm_timer(const struct reference *reference)
{
    return in32(reference->port);
}

static uint32_t read_pit(const struct reference *reference)
{
    uint8_t low, high;

    out8(PIT_COMMAND, PIT_LATCH_CHANNEL_2);
    low = in8(reference->port);
    high = in8(reference->port);
    return reference->mask - (uint32_t)(low | high << 8); /* it counts down */
}

static void start_pit(void)
{
    out8(PORT_B, (uint8_t)((in8(PORT_B) & ~PORT_B_SPEAKER) | PORT_B_GATE_2));
    out8(PIT_COMMAND, PIT_LOAD_CHANNEL_2);
    out8(PIT_CHANNEL_2, 0xff);
    out8(PIT_CHANNEL_2, 0xff);
}

/* The best of several tries: an SMI or a hypervisor may come between the two reads. */
static struct sample take_sample(const struct reference *reference)
{
    struct sample best = {0, 0};
    uint64_t best_window = ~0ull;

    for (int i = 0; i < 8; i++) {
        uint64_t before = rdtsc_ordered();
        uint32_t count = reference->read(reference);
        uint64_t window = rdtsc_ordered() - before;

        if (window < best_window) {
            best_window = window;
            best = (struct sample){before + window / 2, count};
        }
    }
    return best;
}

static uint64_t measure(const struct reference *reference)
{
    struct sample start = take_sample(reference);
    struct sample end;
    uint32_t ticks;

    do {
        end = take_sample(reference);
        ticks = (end.count - start.count) & reference->mask;
        if (end.tsc - start.tsc > CYCLES_MAX)
            return 0;
    } while (ticks < reference->ticks);
    return (end.tsc - start.tsc) * reference->hz / ticks;
}

static bool plausible(uint64_t hz)
{
    return hz >= HZ_MIN && hz <= HZ_MAX;
}

/* SDM volume 3, 19.7.3. A crystal of 0 Hz means that the CPU does not tell. */
static uint64_t hz_by_cpuid(void)
{
    struct cpuid ratio;

    if (cpu_features.max_leaf < CPUID_TSC_RATIO)
        return 0;
    ratio = cpuid(CPUID_TSC_RATIO, 0);
    return ratio.eax ? (uint64_t)ratio.ecx * ratio.ebx / ratio.eax : 0;
}

/* A leaf that several hypervisors have, for guests that cannot measure well. */
static uint64_t hz_by_hypervisor(void)
{
    if (!cpu_features.hypervisor || cpuid(CPUID_HYPERVISOR, 0).eax < CPUID_HYPERVISOR_TSC_KHZ)
        return 0;
    return cpuid(CPUID_HYPERVISOR_TSC_KHZ, 0).eax * 1000ull;
}

/* Rounded to what is printed on the CPU, so the last resort. */
static uint64_t hz_by_name(void)
{
    return cpu_features.max_leaf >= CPUID_FREQUENCY ? (cpuid(CPUID_FREQUENCY, 0).eax & 0xffff) * 1000000ull
                                                    : 0;
}

const char *tsc_calibrate(uint16_t pm_timer_port, uint64_t *hz)
{
    const struct reference pm_timer = {"the ACPI PM timer", read_pm_timer, PM_TIMER_HZ, 0xffffff,
                                       PM_TIMER_HZ / 20,    pm_timer_port};
    const struct reference pit = {"the 8254", read_pit, PIT_HZ, 0xffff, PIT_HZ / 25, PIT_CHANNEL_2};

    if (plausible(*hz = hz_by_cpuid()))
        return "CPUID";
    if (plausible(*hz = hz_by_hypervisor()))
        return "the hypervisor's CPUID";
    if (pm_timer_port && plausible(*hz = measure(&pm_timer)))
        return pm_timer.name;
    start_pit();
    if (plausible(*hz = measure(&pit)))
        return pit.name;
    if (plausible(*hz = hz_by_name())) {
        log_warn("tsc: no clock answers; its frequency is only CPUID's rounded one");
        return "CPUID's rounded frequency";
    }
    return NULL;
}
