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
    bool edu_out;   /* it writes */
};

static uint64_t kept_iova(uint32_t page)
{
    return STRESS_KEPT_IOVA + page * PAGE_SIZE;
}

static void complete(struct writer *writer, unsigned queue)
{
    struct stress *stress = writer->stress;
    struct nvme_result result;

    while (nvme_queue_poll(&stress->nvme.io[queue], &result)) {
        writer->out[queue]--;
        writer->last_ns = platform_time_ns();
        if (queue != KEPT_QUEUE)
            continue; /* it may fail: the page went away under it */
        if (!result.status) {
            ledger_complete(&stress->ledger, &stress->writes[result.cid]);
        } else {
            ledger_fail(&stress->ledger, &stress->writes[result.cid]);
            stress_fail(stress, ERR_HARDWARE);
        }
    }
}

static void complete_edu(struct writer *writer)
{
    struct stress *stress = writer->stress;

    if (!writer->edu_out || edu_busy(&stress->edu))
        return;
    writer->edu_out = false;
    ledger_complete(&stress->ledger, &stress->edu_write);
}

static void ring(void *queue)
{
    nvme_queue_ring(queue);
}

/* Has some of the disk read into pages, when its queue is rung; ERR_BUSY when that is full, which is no
 * error. */
static int put(struct writer *writer, unsigned queue, const uint64_t *iovas, unsigned count, uint16_t *cid)
{
    struct nvme *nvme = &writer->stress->nvme;
    uint64_t disk_page = random_next(&writer->random) % (nvme->pages - count);
    int error = nvme_read_put(nvme, queue, disk_page, iovas, count, cid);

    if (error)
        return error;
    if (!writer->out[0] && !writer->out[1])
        writer->last_ns = platform_time_ns();
    writer->out[queue]++;
    writer->stress->reads++;
    return 0;
}

/* Pages of the second block are in no books. */
static void note_page(struct ledger_write *write, uint32_t page)
{
    if (page < STRESS_BLOCK)
        write->pages[write->count++] = page;
}

static void read_into_kept(struct writer *writer)
{
    unsigned count = 1 + random_below(&writer->random, PAGES_A_READ);
    struct stress *stress = writer->stress;
    struct ledger_write write = {.count = 0};
    uint64_t iovas[PAGES_A_READ];
    uint16_t cid;

    if (writer->out[KEPT_QUEUE] == READS_OUT || ledger_room(&stress->ledger) < PAGES_A_READ)
        return;
    for (unsigned i = 0; i < count; i++) {
        uint32_t page = random_below(&writer->random, STRESS_KEPT);

        note_page(&write, page);
        iovas[i] = kept_iova(page);
    }
    if (put(writer, KEPT_QUEUE, iovas, count, &cid)) {
        stress_fail(stress, ERR_BUSY);
        return;
    }
    stress->writes[cid] = write;
    ledger_submit(&stress->ledger, &stress->writes[cid], ring, &stress->nvme.io[KEPT_QUEUE]);
}

/* The mapper waits for wanted to become 0, and then unmaps what is being written. */
static void read_into_slot(struct writer *writer)
{
    uint32_t wanted = atomic_read_acquire(&writer->stress->wanted);
    uint64_t iova;
    uint16_t cid;

    if (!wanted)
        return;
    iova = stress_slot_iova(writer->stress, wanted - 1);
    if (put(writer, SLOT_QUEUE, &iova, 1, &cid))
        return; /* full: later */
    nvme_queue_ring(&writer->stress->nvme.io[SLOT_QUEUE]);
    atomic_write_release(&writer->stress->wanted, 0u);
}

static void start_edu(void *context)
{
    struct stress *stress = context;
    int error = edu_write_start(&stress->edu, kept_iova(stress->edu_write.pages[0]), PAGE_SIZE);

    if (error)
        stress_fail(stress, error);
}

/* A read, so that a translation is cached while dirty is clear, and then a write to such a page. */
static void move_by_edu(struct writer *writer)
{
    struct stress *stress = writer->stress;
    uint32_t page = random_below(&writer->random, EDU_PAGES);

    if (!stress->has_edu || writer->edu_out || edu_busy(&stress->edu) || !ledger_room(&stress->ledger))
        return;
    writer->edu_reads = !writer->edu_reads;
    stress->edu_transfers++;
    if (!writer->edu_reads) {
        stress->edu_write = (struct ledger_write){.count = 1, .pages = {page}};
        writer->edu_out = true;
        ledger_submit(&stress->ledger, &stress->edu_write, start_edu, stress);
    } else if (edu_read_start(&stress->edu, kept_iova(page), PAGE_SIZE)) {
        stress_fail(stress, ERR_HARDWARE);
    }
}

static bool answers(const struct writer *writer)
{
    return !(writer->out[0] || writer->out[1]) || platform_time_ns() - writer->last_ns < TIMEOUT_NS;
}

static void poll(struct writer *writer)
{
    complete(writer, KEPT_QUEUE);
    complete(writer, SLOT_QUEUE);
    complete_edu(writer);
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
    while ((writer.out[0] || writer.out[1] || writer.edu_out) && answers(&writer))
        poll(&writer);
    return answers(&writer);
}
