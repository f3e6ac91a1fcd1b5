/* SPDX-License-Identifier: BSD-2-Clause */
/* The console's command about groups. */
#include "iommu/group.h"
#include "lib/compiler.h"
#include "lib/error.h"
#include "lib/shell.h"
#include <stdio.h>

static void print_group(void *context, const struct iommu_group *group)
{
    (void)context;
    for (unsigned i = 0; i < group->count; i++) {
        bool alias = i >= group->functions;

        printf("%s%s" PCI_FORMAT "%s", i ? " " : "", alias ? "(" : "", PCI_ARGS(group->ids[i]),
               alias ? ")" : "");
    }
    if (group->why[0])
        printf(": %s", group->why);
    printf("\n");
}

static int command_groups(int argc, char **argv)
{
    (void)argv;
    if (argc != 1)
        return ERR_INVALID;
    return iommu_groups_visit(print_group, NULL);
}

SHELL_COMMAND("groups", "", "devices that no unit keeps apart (aliases in brackets), and why",
              command_groups);
