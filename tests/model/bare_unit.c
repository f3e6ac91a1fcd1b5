/* SPDX-License-Identifier: BSD-2-Clause */
/* A bare driver's registers and queue: what bare.h promises of them. */
#include "lib/atomic.h"
#include "lib/deadline.h"
#include "lib/units.h"
#include "tests/model/bare.h"
#include "tests/model/schedule.h"
#include "tests/model/spec_descriptors.h"
#include "tests/model/spec_registers.h"
#include "tests/model/violation.h"

#define WAIT_NS (100 * NS_PER_MS)

static struct queue {
    uint64_t *ring;
    uint32_t *status;
    uint32_t sequence;
    unsigned words; /* of a descriptor */
    unsigned tail;  /* in words */
} queues[UNITS_MAX];

static volatile uint8_t *register_of(const struct unit *unit, unsigned offset)
{
    volatile uint8_t *base = platform_mmio_map(UNIT_BASE + unit->index * UNIT_STRIDE, PAGE_SIZE);

    expect(base);
    return base + offset;
}

uint32_t bare_read32(struct unit *unit, unsigned offset)
{
    return platform_mmio_read32(register_of(unit, offset));
}

uint64_t bare_read64(struct unit *unit, unsigned offset)
{
    return platform_mmio_read64(register_of(unit, offset));
}

void bare_write32(struct unit *unit, unsigned offset, uint32_t value)
{
    platform_mmio_write32(register_of(unit, offset), value);
}

void bare_write64(struct unit *unit, unsigned offset, uint64_t value)
{
    platform_mmio_write64(register_of(unit, offset), value);
}

static bool shows(struct unit *unit, uint32_t bit, bool on)
{
    return !(bare_read32(unit, SPEC_GSTS) & bit) == !on;
}

void bare_command(struct unit *unit, uint32_t bit, bool on)
{
    uint32_t state = bare_read32(unit, SPEC_GSTS) & SPEC_GCMD_STICKY;
    bool done;

    bare_write32(unit, SPEC_GCMD, on ? state | bit : state & ~bit);
    /* 11.4.4.2: WBFS goes down when the flush is over. */
    done = wait_until(shows(unit, bit, on && bit != SPEC_GCMD_WBF), WAIT_NS);
    expect(done);
}

void bare_set_root(struct unit *unit, uint64_t rtaddr)
{
    bare_write64(unit, SPEC_RTADDR, rtaddr);
    bare_command(unit, SPEC_GCMD_SRTP, true);
}

void bare_start_queue(struct unit *unit, bool wide)
{
    struct queue *queue = &queues[unit->index];

    *queue = (struct queue){
        .ring = pages_alloc(0, PAGE_HYPERVISOR),
        .status = pages_alloc(0, PAGE_HYPERVISOR),
        .words = wide ? 4 : 2,
    };
    expect(queue->ring && queue->status);
    bare_write64(unit, SPEC_IQT, 0);
    bare_write64(unit, SPEC_IQA, virt_to_phys(queue->ring) | (wide ? SPEC_IQA_DW : 0));
    bare_command(unit, SPEC_GCMD_QIE, true);
}

void bare_put(struct unit *unit, uint64_t word0, uint64_t word1)
{
    struct queue *queue = &queues[unit->index];

    queue->ring[queue->tail] = word0;
    queue->ring[queue->tail + 1] = word1;
    for (unsigned i = 2; i < queue->words; i++)
        queue->ring[queue->tail + i] = 0;
    queue->tail = (queue->tail + queue->words) % (PAGE_SIZE / sizeof *queue->ring);
}

void bare_kick(struct unit *unit)
{
    /* The descriptors, and the tables that they are about, before the tail. */
    atomic_fence_full();
    bare_write64(unit, SPEC_IQT, queues[unit->index].tail * sizeof(uint64_t));
}

void bare_submit(struct unit *unit, uint64_t word0, uint64_t word1)
{
    bare_put(unit, word0, word1);
    bare_kick(unit);
}

bool bare_wait(struct unit *unit)
{
    struct queue *queue = &queues[unit->index];
    uint32_t sequence = ++queue->sequence;

    bare_submit(unit, SPEC_DESCRIPTOR_WAIT | SPEC_WAIT_SW | SPEC_WAIT_WITH_STATUS(sequence),
                virt_to_phys(queue->status));
    return wait_until(atomic_read_acquire(queue->status) == sequence, WAIT_NS);
}

/* 6.5.2.10: from the top down, each complete before the next, so that nothing is filled again from what is
 * above it. */
void bare_invalidate_all(struct unit *unit)
{
    bool scalable = SPEC_RTADDR_TTM(bare_read64(unit, SPEC_RTADDR)) == SPEC_TTM_SCALABLE;
    const uint64_t kinds[] = {
        SPEC_DESCRIPTOR_CONTEXT | SPEC_DESCRIPTOR_WITH_G(SPEC_CONTEXT_GLOBAL),
        scalable ? SPEC_DESCRIPTOR_PASID_CACHE | SPEC_DESCRIPTOR_WITH_G(SPEC_PASID_CACHE_GLOBAL) : 0,
        SPEC_DESCRIPTOR_IOTLB | SPEC_DESCRIPTOR_WITH_G(SPEC_IOTLB_GLOBAL) | SPEC_IOTLB_DW | SPEC_IOTLB_DR,
        SPEC_DESCRIPTOR_INTERRUPT,
    };

    for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
        bool done;

        if (!kinds[i])
            continue;
        bare_submit(unit, kinds[i], 0);
        done = bare_wait(unit);
        expect(done);
    }
}

struct unit *bare_start(const struct unit_config *config, bool scalable)
{
    struct unit *unit;

    machine_make(&config, 1);
    unit = machine_unit(0);
    bare_start_queue(unit, scalable);
    bare_set_root(unit, virt_to_phys(bare_table(unit)) |
                            SPEC_RTADDR_WITH_TTM(scalable ? SPEC_TTM_SCALABLE : SPEC_TTM_LEGACY));
    bare_invalidate_all(unit);
    bare_command(unit, SPEC_GCMD_TE, true);
    return unit;
}

struct unit *bare_make(const struct unit_config *config)
{
    machine_make(&config, 1);
    schedule_set_calm(false);
    return machine_unit(0);
}

uint64_t bare_scalable_root(struct unit *unit)
{
    return bare_table_hpa(unit) | SPEC_RTADDR_WITH_TTM(SPEC_TTM_SCALABLE);
}
