/* SPDX-License-Identifier: BSD-2-Clause */
/* Console command that prints what a domain maps, alike neighbours as one line. */
#include "iommu/iommu.h"
#include "lib/error.h"
#include "lib/shell.h"
#include <inttypes.h>
#include <stdio.h>

/* What is gathered inside one read section: a console is far too slow to print in there, and a long walk
 * would hold up grace periods. */
#define RUNS_MAX   32
#define LEAVES_MAX 4096

struct run {
    struct pt_leaf first;
    uint64_t bytes;
};

struct runs {
    struct run runs[RUNS_MAX];
    unsigned count;
    unsigned leaves;
    bool more; /* the walk was cut short */
};

static bool continues(const struct run *run, const struct pt_leaf *leaf)
{
    return leaf->iova == run->first.iova + run->bytes && leaf->hpa == run->first.hpa + run->bytes &&
           leaf->level == run->first.level && leaf->prot == run->first.prot &&
           leaf->accessed == run->first.accessed && leaf->dirty == run->first.dirty;
}

static bool collect(void *context, const struct pt_leaf *leaf)
{
    struct runs *runs = context;
    bool same = runs->count && continues(&runs->runs[runs->count - 1], leaf);

    runs->more = runs->leaves == LEAVES_MAX || (!same && runs->count == RUNS_MAX);
    if (runs->more)
        return false;
    if (!same)
        runs->runs[runs->count++] = (struct run){*leaf, 0};
    runs->runs[runs->count - 1].bytes += PT_ENTRY_SIZE(leaf->level);
    runs->leaves++;
    return true;
}

static void print_run(const struct run *run)
{
    static const char *const sizes[] = {"4K", "2M", "1G"};
    const struct pt_leaf *leaf = &run->first;

    printf("%#014" PRIx64 "  %#014" PRIx64 "  %#12" PRIx64 "  %s  %c%c%c%c\n", leaf->iova, leaf->hpa,
           run->bytes, sizes[leaf->level], leaf->prot & PT_READ ? 'r' : '-',
           leaf->prot & PT_WRITE ? 'w' : '-', leaf->accessed ? 'a' : '-', leaf->dirty ? 'd' : '-');
}

/* Prints the runs but for the last, which may go on, and leaves that one as the first. */
static void print_finished(struct runs *runs)
{
    for (unsigned i = 0; i + 1 < runs->count; i++)
        print_run(&runs->runs[i]);
    runs->runs[0] = runs->runs[runs->count - 1];
    runs->count = 1;
}

static void dump(struct iommu_domain *domain, uint64_t last)
{
    struct runs runs = {.count = 0};
    uint64_t iova = 0;

    do {
        runs.leaves = 0;
        runs.more = false;
        iommu_domain_visit(domain, iova, last, collect, &runs);
        if (!runs.count)
            return;
        print_finished(&runs);
        iova = runs.runs[0].first.iova + runs.runs[0].bytes;
    } while (runs.more);
    print_run(&runs.runs[0]);
}

static int command_dump(int argc, char **argv)
{
    struct iommu_domain *domain;
    struct iommu_domain_info info;

    if (argc != 2)
        return ERR_INVALID;
    domain = iommu_domain_find(argv[1]);
    if (!domain)
        return ERR_NOT_FOUND;
    iommu_domain_info(domain, &info);
    printf("%-14s  %-14s  %12s  leaf  rights, accessed, dirty\n", "iova", "hpa", "bytes");
    dump(domain, (1ull << info.address_lg2) - 1);
    return 0;
}

SHELL_COMMAND("dump", "DOMAIN", "what a domain maps, alike neighbours as one line", command_dump);
