/* SPDX-License-Identifier: BSD-2-Clause */
/* The demo's writer. */

#include "tests/target/demo_writer.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/platform.h"
#include "lib/units.h"
#include "tests/target/demo_pool.h"
#include <string.h>

#define QUEUE             0
#define COMMAND_PAGES_MAX 16u
#define COMMANDS_OUT_MAX  16u
#define TIMEOUT_NS        (10 * NS_PER_S)

_Static_assert(COMMAND_PAGES_MAX <= LEDGER_WRITE_PAGES_MAX, "a command fits the books");

void demo_writer_init(struct demo_writer *writer, struct nvme *nvme, struct edu *edu, struct ledger *ledger,
                      uint64_t seed)
{
    memset(writer, 0, sizeof(*writer));
    writer->nvme = nvme;
    writer->edu = edu;
    writer->ledger = ledger;
    writer->random = random_seeded(seed);
    for (unsigned i = 0; i < DEMO_HOT_PAGES; i++)
        writer->hot[i] = random_below(&writer->random, DEMO_PAGES);
}

void demo_writer_allow(struct demo_writer *writer, uint32_t page_writes)
{
    writer->allowed += page_writes;
}

void demo_writer_stop(struct demo_writer *writer)
{
    writer->allowed = 0;
}

bool demo_writer_idle(const struct demo_writer *writer)
{
    return !writer->commands_out && !writer->edu_out;
}

static uint32_t pick_page(struct demo_writer *writer)
{
    if (random_below(&writer->random, 2))
        return writer->hot[random_below(&writer->random, DEMO_HOT_PAGES)];
    return random_below(&writer->random, DEMO_PAGES);
}

static uint64_t page_iova(uint32_t page)
{
    return DEMO_IOVA + page * PAGE_SIZE;
}

static void complete(struct demo_writer *writer)
{
    struct nvme_result result;

    while (nvme_queue_poll(&writer->nvme->io[QUEUE], &result)) {
        const struct ledger_write *write = &writer->writes[result.cid];

        writer->commands_out--;
        writer->oldest_ns = platform_time_ns();
        if (result.status) {
            log_error("demo: a read failed: %s (status %#x)", nvme_status_text(result.status), result.status);
            writer->failed++;
            ledger_fail(writer->ledger, write);
        } else {
            ledger_complete(writer->ledger, write);
        }
    }
    if (writer->edu_out && !edu_busy(writer->edu)) {
        writer->edu_out = false;
        ledger_complete(writer->ledger, &writer->edu_write);
    }
}

static void ring(void *context)
{
    nvme_queue_ring(context);
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static int submit_read(struct demo_writer *writer, uint32_t room)
{
    uint32_t count = 1 + random_below(&writer->random, least(COMMAND_PAGES_MAX, writer->nvme->read_pages));
    uint64_t disk_pages = writer->nvme->pages;
    uint64_t iovas[COMMAND_PAGES_MAX];
    struct ledger_write write;
    uint16_t cid;
    int error;

    count = least(least(count, room), disk_pages < count ? (uint32_t)disk_pages : count);
    write.count = count;
    for (uint32_t i = 0; i < count; i++) {
        write.pages[i] = pick_page(writer);
        iovas[i] = page_iova(write.pages[i]);
    }
    error = nvme_read_put(writer->nvme, QUEUE, random_next(&writer->random) % (disk_pages - count + 1), iovas,
                          count, &cid);
    if (error)
        return error;
    writer->writes[cid] = write;
    if (!writer->commands_out++)
        writer->oldest_ns = platform_time_ns();
    writer->commands++;
    writer->allowed -= count;
    ledger_submit(writer->ledger, &writer->writes[cid], ring, &writer->nvme->io[QUEUE]);
    return 0;
}

static void start_edu(void *context)
{
    struct demo_writer *writer = context;

    if (edu_write_start(writer->edu, page_iova(writer->edu_write.pages[0]), PAGE_SIZE)) {
        log_error("demo: edu is busy though it said that it was done");
        writer->failed++;
    }
}

static void submit_edu_write(struct demo_writer *writer)
{
    writer->edu_write.count = 1;
    writer->edu_write.pages[0] = pick_page(writer);
    writer->edu_out = true;
    writer->commands++;
    writer->edu_writes++;
    writer->allowed--;
    ledger_submit(writer->ledger, &writer->edu_write, start_edu, writer);
}

int demo_writer_step(struct demo_writer *writer)
{
    uint32_t room = ledger_room(writer->ledger);

    complete(writer);
    if (writer->edu && !writer->edu_out && least(room, writer->allowed)) {
        submit_edu_write(writer);
        room--;
    }
    if (writer->commands_out < least(COMMANDS_OUT_MAX, writer->nvme->io[QUEUE].depth - 1u) &&
        least(room, writer->allowed))
        return submit_read(writer, least(room, writer->allowed));
    if (writer->commands_out && platform_time_ns() - writer->oldest_ns > TIMEOUT_NS) {
        log_error("demo: %u NVMe commands do not complete", writer->commands_out);
        return ERR_TIMEOUT;
    }
    return 0;
}
