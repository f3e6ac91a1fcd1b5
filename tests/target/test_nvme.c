/* SPDX-License-Identifier: BSD-2-Clause */
/* The NVMe driver: one page, two pages and lists of PRPs say the same about the disk. */
#include "arch/devices/dma_memory.h"
#include "lib/error.h"
#include "lib/pci.h"
#include "lib/tap.h"
#include "tests/target/edu_bench.h"
#include "tests/target/nvme.h"
#include <string.h>

#define NVME_IOVA  (16 * MIB)
#define DATA_IOVA  (64 * MIB)
#define DATA_ORDER 8 /* the disk's pages read one by one, and as many again read by lists */

_Static_assert(2 * NVME_READ_PAGES_MAX <= 1u << DATA_ORDER, "both halves hold what a command reads");

struct nvme_bench {
    struct iommu_domain *domain;
    struct nvme nvme;
    bool open;
    struct dma_memory data;
};

static void bench_close(struct nvme_bench *bench)
{
    int error = bench->open ? nvme_close(&bench->nvme) : 0;

    if (error)
        tap_ok(false, "close: %s", error_text(error));
    error = dma_memory_unmap(&bench->data);
    if (!error && bench->domain)
        error = iommu_domain_destroy(bench->domain);
    if (error)
        tap_ok(false, "destroy the test's domain: %s", error_text(error));
}

static bool bench_open(struct nvme_bench *bench)
{
    const struct pci_function *function = pci_find_class(PCI_CLASS_NVME, 0);
    int error;

    memset(bench, 0, sizeof(*bench));
    if (!function) {
        tap_skip("there is no NVMe controller");
        return false;
    }
    bench->domain = iommu_domain_create("test", &error);
    if (bench->domain)
        error = nvme_open(&bench->nvme, function->address, bench->domain, NVME_IOVA, 1);
    bench->open = !error;
    if (!error)
        error = dma_memory_map(&bench->data, bench->domain, DATA_IOVA, DATA_ORDER);
    if (!error && bench->nvme.io_queues && bench->nvme.pages >= bench->nvme.read_pages)
        return true;
    tap_ok(false, "a domain with NVMe in it: %s", error_text(error));
    bench_close(bench);
    return false;
}

static char *data_page(const struct nvme_bench *bench, unsigned page)
{
    return (char *)bench->data.address + page * PAGE_SIZE;
}

/* The first count pages of the disk into pages 0 to count of data, one command each. */
static int read_one_by_one(struct nvme_bench *bench, unsigned count)
{
    int error = 0;

    for (unsigned i = 0; !error && i < count; i++) {
        uint64_t iova = DATA_IOVA + i * PAGE_SIZE;

        error = nvme_read(&bench->nvme, 0, i, &iova, 1);
    }
    return error;
}

/* The same in one command, into the pages from NVME_READ_PAGES_MAX on, last page first. */
static int read_backwards(struct nvme_bench *bench, unsigned count)
{
    uint64_t iovas[NVME_READ_PAGES_MAX];

    for (unsigned i = 0; i < count; i++)
        iovas[i] = DATA_IOVA + (NVME_READ_PAGES_MAX + count - 1 - i) * PAGE_SIZE;
    return nvme_read(&bench->nvme, 0, 0, iovas, count);
}

/* Pages first to end of data are as they were filled. */
static bool is_filled(const struct nvme_bench *bench, int value, unsigned first, unsigned end)
{
    const unsigned char *page = (const unsigned char *)data_page(bench, first);

    return bench_is_filled(page, value, (end - first) * PAGE_SIZE);
}

static void check_count(struct nvme_bench *bench, unsigned count)
{
    bool same = true;
    int error;

    /* Unlike each other, so that a device that writes nothing is found out. */
    memset(data_page(bench, 0), 0x5a, NVME_READ_PAGES_MAX * PAGE_SIZE);
    memset(data_page(bench, NVME_READ_PAGES_MAX), 0xa5,
           ((1u << DATA_ORDER) - NVME_READ_PAGES_MAX) * PAGE_SIZE);
    error = read_one_by_one(bench, count);
    if (!error)
        error = read_backwards(bench, count);
    for (unsigned i = 0; i < count; i++)
        same &=
            !memcmp(data_page(bench, i), data_page(bench, NVME_READ_PAGES_MAX + count - 1 - i), PAGE_SIZE);
    tap_ok(!error && same, "%u pages in one command are as read one by one (%s)", count, error_text(error));
    tap_ok(is_filled(bench, 0x5a, count, NVME_READ_PAGES_MAX) &&
               is_filled(bench, 0xa5, NVME_READ_PAGES_MAX + count, 1u << DATA_ORDER),
           "the pages behind them are unchanged");
}

TEST(nvme_prps)
{
    struct nvme_bench bench;

    if (!bench_open(&bench))
        return;
    tap_note("%s, serial %s, %u pages a read", bench.nvme.controller.model, bench.nvme.controller.serial,
             bench.nvme.read_pages);
    check_count(&bench, 1);
    for (unsigned count = 2; count < bench.nvme.read_pages; count *= 4)
        check_count(&bench, count);
    check_count(&bench, bench.nvme.read_pages);
    bench_close(&bench);
}

TEST(nvme_refuses_what_it_cannot_read)
{
    struct nvme_bench bench;
    uint64_t iovas[2] = {DATA_IOVA, DATA_IOVA + PAGE_SIZE};
    int error;

    if (!bench_open(&bench))
        return;
    error = nvme_read(&bench.nvme, 0, bench.nvme.pages - 1, iovas, 2);
    tap_ok(error == ERR_RANGE, "two pages from the disk's last: %s", error_text(error));
    error = nvme_read(&bench.nvme, 0, 0, iovas, 0);
    tap_ok(error == ERR_RANGE, "no pages: %s", error_text(error));
    error = nvme_read(&bench.nvme, 0, bench.nvme.pages - 1, iovas, 1);
    tap_ok(!error, "the disk's last page: %s", error_text(error));
    bench_close(&bench);
}
