/* SPDX-License-Identifier: BSD-2-Clause */
/* The invalidation queue that was found on: what is in it is carried out, and then it goes off (6.5.2). */
#include "iommu/vtd/descriptor.h"
#include "iommu/vtd/take_over.h"
#include "lib/atomic.h"
#include "lib/deadline.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/mutant.h"
#include "lib/page_alloc.h"
#include "lib/units.h"
#include <inttypes.h>
#include <string.h>

#define DRY_NS    (1 * NS_PER_S)
#define SETTLE_NS (10 * NS_PER_MS) /* what was fetched takes microseconds, unless a device has to answer */
#define WAITS     16               /* time-outs that it takes until the queue is given up */

struct found_queue {
    uint64_t hpa;
    uint64_t bytes;
    unsigned descriptor_bytes;
};

static struct found_queue find_queue(const struct vtd_unit *unit)
{
    uint64_t iqa = vtd_read64(unit->registers, VTD_IQA);

    return (struct found_queue){iqa & VTD_PAGE_ADDRESS, PAGE_SIZE << VTD_IQA_QS(iqa),
                                iqa & VTD_IQA_DW_256 ? 32 : 16};
}

/* A device that does not answer stops the queue once more for each of its invalidations that are in it: the
 * answers are nobody's business any more. Each time the waits that were fetched are dropped: *drops counts.
 */
static bool is_fetched(struct vtd_unit *unit, unsigned *drops)
{
    uint32_t errors = vtd_read32(unit->registers, VTD_FSTS) & (VTD_FSTS_ITE | VTD_FSTS_ICE);

    *drops += (errors & VTD_FSTS_ITE) != 0;
    if (errors)
        vtd_write32(unit->registers, VTD_FSTS, errors);
    return vtd_read64(unit->registers, VTD_IQH) == vtd_read64(unit->registers, VTD_IQT);
}

/* Puts a wait behind all that was there, into memory that firmware kept for its queue: nothing else tells
 * when what was fetched is complete. */
static void put_wait(struct vtd_unit *unit, const struct found_queue *queue, uint8_t *ring, uint64_t hpa,
                     uint32_t number)
{
    const struct vtd_descriptor wait = vtd_descriptor_wait(hpa, number);
    uint64_t tail = vtd_read64(unit->registers, VTD_IQT);

    memcpy(ring + tail, &wait, queue->descriptor_bytes);
    atomic_fence_full(); /* the descriptor, before the tail that makes the unit read it */
    vtd_write64(unit->registers, VTD_IQT, (tail + queue->descriptor_bytes) % queue->bytes);
}

/* A time-out may drop the wait: then another takes its place, when the queue has run dry again. Each has a
 * number of its own, since the one before may not have been dropped, and the last one's ends all. */
static bool wait_for_all(struct vtd_unit *unit, const struct found_queue *queue, uint8_t *ring,
                         const uint32_t *status)
{
    for (uint32_t number = 1; number <= WAITS; number++) {
        unsigned drops = 0;

        put_wait(unit, queue, ring, virt_to_phys(status), number);
        if (!wait_until((is_fetched(unit, &drops) && atomic_read_acquire(status) == number) ||
                            (drops && !mutant(FOUND_WAIT_LOST)),
                        DRY_NS))
            return false;
        if (!drops)
            return true;
        if (!wait_until(is_fetched(unit, &drops), DRY_NS))
            return false;
    }
    return false;
}

static int drain(struct vtd_unit *unit, const struct found_queue *queue, uint8_t *ring)
{
    uint32_t *status = pages_alloc(0, PAGE_HYPERVISOR);

    if (!status)
        return ERR_NOMEM;
    if (!wait_for_all(unit, queue, ring, status))
        return ERR_TIMEOUT; /* the page stays: the unit may write it yet */
    pages_free(status);
    return 0;
}

static int settle(struct vtd_unit *unit)
{
    struct found_queue queue = find_queue(unit);
    bool tail_fits = vtd_read64(unit->registers, VTD_IQT) <= queue.bytes - queue.descriptor_bytes;
    uint8_t *ring = tail_fits ? platform_reserved_map(queue.hpa, queue.bytes) : NULL;
    uint64_t began_ns = platform_time_ns();

    if (ring)
        return drain(unit, &queue, ring);
    log_warn("vtd%u: the queue that was found on, at %#" PRIx64 ", lies in memory that nobody kept",
             unit->index, queue.hpa);
    while (platform_time_ns() - began_ns < SETTLE_NS)
        platform_relax();
    return 0;
}

static int run_dry(struct vtd_unit *unit)
{
    unsigned drops = 0;
    int error = 0;

    /* An error may have stopped it. vtd_fault_start() took that away; QEMU's goes on when the tail is
     * written.
     */
    vtd_write64(unit->registers, VTD_IQT, vtd_read64(unit->registers, VTD_IQT));
    if (!wait_until(is_fetched(unit, &drops), DRY_NS))
        error = ERR_TIMEOUT;
    if (!error)
        error = settle(unit);
    if (error)
        log_error("vtd%u: the queue that was found on does not run dry (%s): head %#" PRIx64
                  ", tail %#" PRIx64 ", fault status %#x",
                  unit->index, error_text(error), vtd_read64(unit->registers, VTD_IQH),
                  vtd_read64(unit->registers, VTD_IQT), vtd_read32(unit->registers, VTD_FSTS));
    return error;
}

int vtd_take_over_queue(struct vtd_unit *unit)
{
    int error = 0;

    if (!(unit->found_on & VTD_GSTS_QIES))
        return 0;
    if (!mutant(QUEUE_NOT_DRY))
        error = run_dry(unit);
    return error ? error : vtd_unit_command(unit, VTD_GCMD_QIE, false);
}
