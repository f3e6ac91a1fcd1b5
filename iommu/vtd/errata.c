/* SPDX-License-Identifier: BSD-2-Clause */
/* The errata table. Each entry says what was seen, and where; there is none that nothing acts on. */
#include "iommu/vtd/errata.h"
#include "iommu/vtd/regs.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/platform.h"
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define INTEL 0x8086

/* Of configuration space. */
#define PCI_ID       0x00 /* device << 16 | vendor */
#define PCI_REVISION 0x08 /* its lowest byte */

#define REVISIONS_ALL 0xff

/* A platform by its DMAR table, or by its host bridge up to a revision. */
struct match {
    const char *oem_id;
    uint16_t bridge;
    uint8_t revision_first;
    uint8_t revision_last;
};

struct erratum {
    unsigned flag;
    const char *name;
    const char *source;
    struct match matches[8];
};

static const struct erratum table[] = {
    /* The walk sets both bits only if the one that it wants is not there, and takes accessed for dirty: an
     * accessed leaf stays clean for ever. */
    {VTD_ERRATUM_ACCESSED_IS_DIRTY,
     "accessed-is-dirty",
     "QEMU 10.0 and 10.2, hw/i386/intel_iommu.c, vtd_set_flag_in_pte()",
     {{.oem_id = "BOCHS "}}},
    /* Guest memory is all that it walks, and ECAP has neither C nor SMPWC. */
    {VTD_ERRATUM_DIRTY_WITHOUT_COHERENCE,
     "dirty-without-coherence",
     "QEMU 10.0 and 10.2, hw/i386/intel_iommu.c, vtd_cap_init()",
     {{.oem_id = "BOCHS "}}},
    /* With a first stage it has no second one, and goes by AW all the same. */
    {VTD_ERRATUM_WIDTH_FROM_AW,
     "width-from-aw",
     "QEMU 10.0 and 10.2, hw/i386/intel_iommu.c, vtd_iova_fl_check_canonical()",
     {{.oem_id = "BOCHS "}}},
    /* Mobile and desktop 4 series chipsets. */
    {VTD_ERRATUM_NEEDS_WRITE_BUFFER_FLUSH,
     "needs-write-buffer-flush",
     "Linux 6.6, drivers/iommu/intel/iommu.c, quirk_iommu_rwbf()",
     {{.bridge = 0x2a40, .revision_last = REVISIONS_ALL},
      {.bridge = 0x2e00, .revision_last = REVISIONS_ALL},
      {.bridge = 0x2e10, .revision_last = REVISIONS_ALL},
      {.bridge = 0x2e20, .revision_last = REVISIONS_ALL},
      {.bridge = 0x2e30, .revision_last = REVISIONS_ALL},
      {.bridge = 0x2e40, .revision_last = REVISIONS_ALL},
      {.bridge = 0x2e90, .revision_last = REVISIONS_ALL}}},
    /* 5500, 5520 and X58 chipsets. */
    {VTD_ERRATUM_NO_INTERRUPT_REMAPPING,
     "no-interrupt-remapping",
     "Linux 6.6, arch/x86/kernel/early-quirks.c, intel_remapping_check()",
     {{.bridge = 0x3403, .revision_last = 0x13},
      {.bridge = 0x3405, .revision_last = 0x13},
      {.bridge = 0x3405, .revision_first = 0x22, .revision_last = 0x22},
      {.bridge = 0x3406, .revision_last = 0x13}}},
};

static bool matches(const struct match *match, const char *oem_id, uint32_t id, uint8_t revision)
{
    if (match->oem_id)
        return memcmp(match->oem_id, oem_id, 6) == 0;
    return match->bridge && id == ((uint32_t)match->bridge << 16 | INTEL) &&
           revision >= match->revision_first && revision <= match->revision_last;
}

unsigned vtd_errata_find(const char *oem_id)
{
    static const struct pci_address bridge = {0, 0, 0};
    uint32_t id = platform_pci_read32(bridge, PCI_ID);
    uint8_t revision = (uint8_t)platform_pci_read32(bridge, PCI_REVISION);
    unsigned flags = 0;

    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        for (size_t n = 0; n < ARRAY_SIZE(table[i].matches); n++)
            if (matches(&table[i].matches[n], oem_id, id, revision))
                flags |= table[i].flag;
    return flags;
}

/* The flags of a name that is not ended by 0; 0 if nothing is called so. */
static unsigned named(const char *name, size_t bytes)
{
    if (bytes == 3 && memcmp(name, "all", 3) == 0)
        return ~0u;
    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        if (strlen(table[i].name) == bytes && memcmp(table[i].name, name, bytes) == 0)
            return table[i].flag;
    return 0;
}

int vtd_errata_switch_off(const char *names, unsigned *flags)
{
    unsigned off = 0;

    for (const char *name = names ? names : ""; *name;) {
        size_t bytes = strcspn(name, ", \t");
        unsigned flag = named(name, bytes);

        if (!flag) {
            log_error("vtd: errata_off: no erratum is called \"%.*s\"", (int)bytes, name);
            return ERR_INVALID;
        }
        off |= flag;
        name += bytes;
        name += strspn(name, ", \t");
    }
    *flags &= ~off;
    return 0;
}

void vtd_errata_repair(unsigned flags, uint64_t *cap, uint64_t *ecap)
{
    if (flags & VTD_ERRATUM_NEEDS_WRITE_BUFFER_FLUSH)
        *cap |= VTD_CAP_RWBF;
    if (flags & VTD_ERRATUM_NO_INTERRUPT_REMAPPING)
        *ecap &= ~VTD_ECAP_IR;
}

static const struct erratum *find(unsigned flags, unsigned n)
{
    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        if (flags & table[i].flag && n-- == 0)
            return &table[i];
    return NULL;
}

const char *vtd_errata_name(unsigned flags, unsigned n)
{
    const struct erratum *erratum = find(flags, n);

    return erratum ? erratum->name : NULL;
}

const char *vtd_errata_source(unsigned flags, unsigned n)
{
    const struct erratum *erratum = find(flags, n);

    return erratum ? erratum->source : NULL;
}
