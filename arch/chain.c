/* SPDX-License-Identifier: BSD-2-Clause */
/* Hands the machine over to the second Lull that the loader made ready (lull.cfg: chain): as it is, with the
 * units on and devices at work. That is how a system is replaced under devices that go on, and a test of how
 * this one takes machines over. */
#include "arch/chain.h"
#include "arch/cpu/cpu.h"
#include "arch/cpu/instructions.h"
#include "arch/cpu/jump.h"
#include "arch/cpu/smp.h"
#include "arch/platform/ioapic.h"
#include "iommu/iommu.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/platform.h"
#include "lib/shell.h"
#include <stdio.h>

static const struct boot_info *next;

void chain_init(const struct boot_info *info)
{
    next = info->next ? phys_to_virt(info->next) : NULL;
}

static int command_chain(int argc, char **argv)
{
    (void)argv;
    if (argc != 1)
        return ERR_INVALID;
    if (!next) {
        printf("no second Lull was made ready (lull.cfg: chain)\n");
        return ERR_NOT_FOUND;
    }
    if (cpu_id() != 0) {
        printf("the start has to be on CPU 0, and this is CPU %u\n", cpu_id());
        return ERR_BUSY;
    }
    log_info("lull: over to the next one");
    ioapic_mask_all();
    iommu_hand_over();
    irq_disable();
    if (smp_stop_others())
        log_warn("chain: some CPUs did not stop");
    jump(next->page_tables, next);
}

SHELL_COMMAND("chain", "", "hand the machine over to a second Lull, as it is", command_chain);
