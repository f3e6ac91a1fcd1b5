/* SPDX-License-Identifier: BSD-2-Clause */
/* The stress of dirty tracking: who tells the devices to write. */

#include "arch/cpu/event.h"
#include "lib/atomic.h"
#include "lib/error.h"
#include "lib/platform.h"
#include "tests/target/stress.h"

#define KEPT_QUEUE   0
#define SLOT_QUEUE   1
#define READS_OUT    2u
#define PAGES_A_READ 4u
#define EDU_PAGES    4u /* that edu reads and writes: few, so that one was often read just before */
#define TIMEOUT_NS   (10 * NS_PER_S)

struct writer {
    struct stress *stress;
    struct random random;
    unsigned out[2]; /* commands, by queue */
    uint64_t last_ns;
    bool edu_reads; /* the last transfer did */
};

static uint64_t kept_iova(uint32_t page)
{
    return STRESS_KEPT_IOVA + page * PAGE_SIZE;
}

static void complete(struct writer *writer, unsigned queue)
{
    struct nvme_result result;

    while (nvme_queue_poll(&writer->stress->nvme.io[queue], &result)) {
        writer->out[queue]--;
        writer->last_ns = platform_time_ns();
        /* A slot's may fail: the page went away under it. */
        if (result.status && queue == KEPT_QUEUE)
            stress_fail(writer->stress, ERR_HARDWARE);
    }
}

/* Reads some of the disk into pages; ERR_BUSY when the queue is full, which is no error. */
static int submit(struct writer *writer, unsigned queue, const uint64_t *iovas, unsigned count)
{
    struct nvme *nvme = &writer->stress->nvme;
    uint64_t disk_page = random_next(&writer->random) % (nvme->pages - count);
    uint16_t cid;
    int error = nvme_read_put(nvme, queue, disk_page, iovas, count, &cid);

    if (error)
        return error;
    if (!writer->out[0] && !writer->out[1])
        writer->last_ns = platform_time_ns();
    writer->out[queue]++;
    writer->stress->reads++;
    nvme_queue_ring(&nvme->io[queue]);
    return 0;
}

static void read_into_kept(struct writer *writer)
{
    unsigned count = 1 + random_below(&writer->random, PAGES_A_READ);
    uint64_t iovas[PAGES_A_READ];

    for (unsigned i = 0; i < count; i++)
        iovas[i] = kept_iova(random_below(&writer->random, STRESS_KEPT));
    if (writer->out[KEPT_QUEUE] < READS_OUT && submit(writer, KEPT_QUEUE, iovas, count))
        stress_fail(writer->stress, ERR_BUSY);
}

/* The mapper waits for wanted to become 0, and then unmaps what is being written. */
static void read_into_slot(struct writer *writer)
{
    uint32_t wanted = atomic_read_acquire(&writer->stress->wanted);
    uint64_t iova;

    if (!wanted)
        return;
    iova = stress_slot_iova(writer->stress, wanted - 1);
    if (submit(writer, SLOT_QUEUE, &iova, 1))
        return; /* full: later */
    atomic_write_release(&writer->stress->wanted, 0u);
}

/* A read, so that a translation is cached while dirty is clear, and then a write to such a page. */
static void move_by_edu(struct writer *writer)
{
    struct stress *stress = writer->stress;
    uint64_t iova = kept_iova(random_below(&writer->random, EDU_PAGES));
    int error;

    if (!stress->has_edu || edu_busy(&stress->edu))
        return;
    writer->edu_reads = !writer->edu_reads;
    error = writer->edu_reads ? edu_read_start(&stress->edu, iova, PAGE_SIZE)
                              : edu_write_start(&stress->edu, iova, PAGE_SIZE);
    if (error)
        stress_fail(stress, error);
    else
        stress->edu_transfers++;
}

static bool answers(const struct writer *writer)
{
    return !(writer->out[0] || writer->out[1]) || platform_time_ns() - writer->last_ns < TIMEOUT_NS;
}

static void poll(struct writer *writer)
{
    complete(writer, KEPT_QUEUE);
    complete(writer, SLOT_QUEUE);
    event_step();
}

bool stress_write(struct stress *stress, uint64_t ns)
{
    struct writer writer = {.stress = stress, .random = random_seeded(platform_time_ns())};
    uint64_t end = platform_time_ns() + ns;

    while (platform_time_ns() < end && answers(&writer)) {
        read_into_slot(&writer);
        read_into_kept(&writer);
        move_by_edu(&writer);
        poll(&writer);
    }
    atomic_write(&stress->stop, 1u);
    while ((writer.out[0] || writer.out[1]) && answers(&writer))
        poll(&writer);
    return answers(&writer);
}
