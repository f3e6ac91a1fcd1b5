/* SPDX-License-Identifier: BSD-2-Clause */
/* The demo's neighbour. */

#include "tests/target/demo_neighbours.h"
#include "lib/atomic.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/page_alloc.h"
#include "lib/platform.h"
#include "tests/target/demo_pool.h"
#include <string.h>

#define CHUNKS_MAX     4u /* blocks of 2 MiB mapped in a round */
#define ROUNDS_A_PROBE 8u
#define PROBE_QUEUE    1

static int unmap_areas(struct demo_neighbours *neighbours)
{
    return iommu_unmap(neighbours->domain, DEMO_NEIGHBOUR_IOVA, DEMO_HARVEST_LAST, NULL);
}

static int map_chunk(struct demo_neighbours *neighbours, uint64_t iova)
{
    uint64_t hpa = virt_to_phys(neighbours->block);

    if (random_below(&neighbours->random, 4))
        return demo_map_small(neighbours->domain, iova, hpa);
    return iommu_map(neighbours->domain, iova, iova + DEMO_BLOCK_BYTES - 1, hpa, PT_READ | PT_WRITE);
}

static int probe_read(struct demo_neighbours *neighbours, uint64_t disk_page, uint64_t iova)
{
    return nvme_read(neighbours->nvme, PROBE_QUEUE, disk_page, &iova, 1);
}

static void fill_with_complement(char *page, const char *of)
{
    for (unsigned i = 0; i < PAGE_SIZE; i++)
        page[i] = (char)~of[i];
}

static bool is_complement(const char *page, const char *of)
{
    for (unsigned i = 0; i < PAGE_SIZE; i++) {
        if (page[i] != (char)~of[i])
            return false;
    }
    return true;
}

/* Maps page at iova, lets the device write it, and unmaps it. */
static int visit(struct demo_neighbours *neighbours, uint64_t disk_page, uint64_t iova, const char *page)
{
    uint64_t last = iova + PAGE_SIZE - 1;
    int error = iommu_map(neighbours->domain, iova, last, virt_to_phys(page), PT_READ | PT_WRITE);

    if (!error)
        error = probe_read(neighbours, disk_page, iova);
    return error ? error : iommu_unmap(neighbours->domain, iova, last, NULL);
}

/* All content checks are of memory that no other command writes, after the command completed. */
static int probe(struct demo_neighbours *neighbours, uint64_t iova)
{
    uint64_t disk_page = random_next(&neighbours->random) % neighbours->nvme->pages;
    const char *disk = neighbours->scratch.address;
    char *first = neighbours->block;
    char *second = first + PAGE_SIZE;
    int error = probe_read(neighbours, disk_page, neighbours->scratch.iova);

    if (error)
        return error;
    fill_with_complement(first, disk);
    fill_with_complement(second, disk);
    error = visit(neighbours, disk_page, iova, first);
    if (error)
        return error;
    neighbours->probes++;
    if (memcmp(first, disk, PAGE_SIZE) != 0)
        neighbours->strays++;
    fill_with_complement(first, disk);
    error = visit(neighbours, disk_page, iova, second);
    if (error)
        return error;
    neighbours->probes++;
    if (memcmp(second, disk, PAGE_SIZE) != 0 || !is_complement(first, disk))
        neighbours->strays++;
    return 0;
}

/* Either one chunk after the other, which frees the tables of leaves, or the whole gigabyte at once, which
 * frees the tables above too, all in one list. */
static int unmap_round(struct demo_neighbours *neighbours, uint64_t area, uint64_t first, unsigned chunks)
{
    int error = 0;

    if (random_below(&neighbours->random, 2))
        return iommu_unmap(neighbours->domain, area, area + GIB - 1, NULL);
    for (unsigned i = 0; !error && i < chunks; i++) {
        uint64_t iova = first + i * DEMO_BLOCK_BYTES;

        error = iommu_unmap(neighbours->domain, iova, iova + DEMO_BLOCK_BYTES - 1, NULL);
    }
    return error;
}

static int play_round(struct demo_neighbours *neighbours)
{
    uint64_t area = DEMO_NEIGHBOUR_IOVA + random_below(&neighbours->random, DEMO_NEIGHBOURS) * GIB;
    unsigned chunks = 1 + random_below(&neighbours->random, CHUNKS_MAX);
    uint32_t slots =
        (uint32_t)(GIB / DEMO_BLOCK_BYTES) - CHUNKS_MAX; /* the one after the chunks is for the probe */
    uint64_t first = area + random_below(&neighbours->random, slots) * DEMO_BLOCK_BYTES;
    int error = 0;

    for (unsigned i = 0; !error && i < chunks; i++)
        error = map_chunk(neighbours, first + i * DEMO_BLOCK_BYTES);
    if (!error && neighbours->nvme && neighbours->rounds % ROUNDS_A_PROBE == 0)
        error = probe(neighbours, first + chunks * DEMO_BLOCK_BYTES);
    return error ? error : unmap_round(neighbours, area, first, chunks);
}

static void run_round(struct work *work)
{
    struct demo_neighbours *neighbours = CONTAINER_OF(work, struct demo_neighbours, work);

    neighbours->error = play_round(neighbours);
    neighbours->rounds++;
    if (!neighbours->error && !atomic_read(&neighbours->stop)) {
        event_post(neighbours->cpu, work);
        return;
    }
    if (neighbours->error)
        log_error("demo: the neighbour stops: %s", error_text(neighbours->error));
    /* All that it counted is stored before running is 0; pairs with the acquire in demo_neighbours_done(). */
    atomic_write_release(&neighbours->running, 0u);
}

int demo_neighbours_init(struct demo_neighbours *neighbours, unsigned cpu, struct iommu_domain *domain,
                         struct nvme *nvme, uint64_t seed)
{
    *neighbours = (struct demo_neighbours){
        .work = {.run = run_round},
        .cpu = cpu,
        .domain = domain,
        .nvme = nvme->io_queues > PROBE_QUEUE ? nvme : NULL,
        .random = random_seeded(seed),
    };
    list_init(&neighbours->work.link);
    neighbours->block = pages_alloc(DEMO_BLOCK_ORDER, PAGE_DMA);
    if (!neighbours->block)
        return ERR_NOMEM;
    return dma_memory_map(&neighbours->scratch, domain, DEMO_SCRATCH_IOVA, 0);
}

int demo_neighbours_destroy(struct demo_neighbours *neighbours)
{
    int error;

    if (!neighbours->block)
        return 0;
    error = unmap_areas(neighbours);
    if (!error)
        error = dma_memory_unmap(&neighbours->scratch);
    if (!error)
        pages_free(neighbours->block);
    return error;
}

void demo_neighbours_start(struct demo_neighbours *neighbours)
{
    atomic_write(&neighbours->running, 1u);
    event_post(neighbours->cpu, &neighbours->work);
}

void demo_neighbours_stop(struct demo_neighbours *neighbours)
{
    atomic_write(&neighbours->stop, 1u);
}

bool demo_neighbours_done(struct demo_neighbours *neighbours)
{
    return !atomic_read_acquire(&neighbours->running);
}
