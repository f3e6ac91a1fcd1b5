/* SPDX-License-Identifier: BSD-2-Clause */
/* The example copies its guest while it runs, as a migration would. */
#include "iommu/track_source.h"
#include "lib/bitmap.h"
#include "lib/error.h"
#include "lib/tracker.h"
#include "tests/embed/hypervisor.h"
#include "tests/embed/machine.h"
#include <stdio.h>
#include <string.h>

#define FEW_PAGES  2u
#define ROUNDS_MAX 10u

static uint8_t copy[GUEST_BYTES]; /* where the guest goes to */

/* What the guest does meanwhile: less each time, by its device and through us. */
static int guest_runs(struct tracker *tracker, unsigned round)
{
    for (unsigned n = 0; n < 5 - 2 * round && round < 2; n++)
        if (!machine_device_write(3 * MIB + n * PAGE_SIZE, "new", 3))
            return ERR_HARDWARE;
    return tracker_write(tracker, 2 * PAGE_SIZE - 2, "clock", 5);
}

/* guide: migrate */
static int write_guest(void *memory, uint64_t gpa, const void *data, size_t bytes)
{
    if (gpa >= GUEST_BYTES)
        return ERR_NOT_FOUND;
    memcpy((uint8_t *)memory + gpa, data, bytes);
    return 0;
}

static unsigned copy_reported(const uint8_t *memory, struct dirty_bitmap *report)
{
    unsigned copied = 0;

    for (uint64_t page = 0; page < GUEST_BYTES / PAGE_SIZE; page++) {
        if (!bitmap_test(report->words, page))
            continue;
        memcpy(copy + page * PAGE_SIZE, memory + page * PAGE_SIZE, PAGE_SIZE);
        copied++;
    }
    memset(report->words, 0, GUEST_BYTES / PAGE_SIZE / 8);
    printf(" %u", copied);
    return copied;
}

static int copy_while_it_runs(struct tracker *tracker, const uint8_t *memory, struct dirty_bitmap *report)
{
    unsigned copied = ROUNDS_MAX;
    int error = tracker_start(tracker, 0, TRACKER_ALL_DIRTY);

    for (unsigned round = 0; !error && copied > FEW_PAGES && round < ROUNDS_MAX; round++) {
        error = tracker_pass(tracker, report, 0, NULL);
        if (error)
            break;
        copied = copy_reported(memory, report);
        error = guest_runs(tracker, round);
    }
    /* Here the guest stands still, and so does its device. */
    if (!error)
        error = tracker_finish(tracker, report, NS_PER_S, NULL);
    if (!error)
        copy_reported(memory, report);
    return error;
}

int migrate(struct iommu_domain *domain)
{
    static uint64_t words[GUEST_BYTES / PAGE_SIZE / 64];
    static struct iommu_track_source devices;
    uint8_t *memory = machine_memory() + GUEST_HPA;
    struct dirty_bitmap report = {.words = words, .iova = 0, .last = GUEST_LAST};
    struct tracker_config config = {
        .name = "guest 1", .last = GUEST_LAST, .write = write_guest, .context = memory};
    int error, stopped;
    struct tracker *tracker = tracker_create(&config, &error);

    if (error)
        return error;
    iommu_track_source_init(&devices, domain, IOMMU_TRACKING_DIRTY_BITS);
    error = tracker_add_source(tracker, &devices.source);
    printf("copied while it runs, pass by pass:");
    if (!error)
        error = copy_while_it_runs(tracker, memory, &report);
    printf("; %s\n", memcmp(copy, memory, GUEST_BYTES) ? "it is not the same" : "it is the same");
    stopped = tracker_stop(tracker);
    if (!error)
        error = stopped;
    stopped = tracker_destroy(tracker);
    return error ? error : stopped;
}
/* guide end */
