/* SPDX-License-Identifier: BSD-2-Clause */
/* A device at work, for commands that have to do with one: chain, track. */
#include "arch/devices/dma_memory.h"
#include "iommu/iommu.h"
#include "lib/error.h"
#include "lib/platform.h"
#include "lib/shell.h"
#include "lib/units.h"
#include "tests/target/edu.h"
#include <stdio.h>

#define IOVA (64 * MIB)

/* All stays as it is, since somebody else will have the machine: nothing of it is taken down. */
static int begin(struct edu *edu, struct dma_memory *memory)
{
    struct iommu_domain *domain;
    int error;

    domain = iommu_domain_create("transfer", &error);
    if (!error)
        error = edu_open(edu, 0);
    if (!error)
        error = edu_attach(edu, domain);
    if (!error)
        error = dma_memory_map(memory, domain, IOVA, 0);
    return error ? error : edu_write_start(edu, IOVA, PAGE_SIZE);
}

static int command_transfer(int argc, char **argv)
{
    static struct dma_memory memory;
    static struct edu edu;
    int error;

    (void)argv;
    if (argc != 1)
        return ERR_INVALID;
    error = memory.address ? edu_write_start(&edu, IOVA, PAGE_SIZE) : begin(&edu, &memory);
    if (!error)
        printf("a transfer of " PCI_FORMAT " is under way, to %#lx\n", PCI_ARGS(edu.function),
               (unsigned long)virt_to_phys(memory.address));
    return error;
}

SHELL_COMMAND("transfer", "", "begin a transfer of edu, or another one, and leave it under way: before chain",
              command_transfer);
