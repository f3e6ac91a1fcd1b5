/* SPDX-License-Identifier: BSD-2-Clause */
/* A UHCI controller that firmware goes on using in memory of an RMRR: its schedule, which tests/firmware
 * left, still runs, and nobody else gets it. */
#include "arch/cpu/io.h"
#include "iommu/iommu.h"
#include "lib/atomic.h"
#include "lib/deadline.h"
#include "lib/error.h"
#include "lib/pci.h"
#include "lib/platform.h"
#include "lib/tap.h"
#include "lib/units.h"

#define CLASS_UHCI  0x0c0300
#define PCI_BAR_4   0x20
#define FRBASEADD   8 /* registers and structures: Universal Host Controller Interface 1.1 */
#define LINK_END    1u
#define LINK_QH     2u
#define TD_AT       0x100u /* in the page of the queue head, beside which firmware has nothing */
#define TD_ACTIVE   (1u << 23)
#define TD_COMPLETE (1u << 24) /* interrupt on complete */
#define TD_TRIES    (3u << 27)
#define TD_TOKEN    (0x7ffu << 21 | 5u << 8 | 0x69) /* IN, no data, of a device that is not there */
#define FRAMES_NS   (5 * NS_PER_S)

struct schedule {
    const struct pci_function *uhci;
    uint32_t hpa;   /* of the page that has the queue head at its begin */
    uint32_t *page; /* as the CPU sees it */
};

static bool find_schedule(struct schedule *schedule)
{
    uint32_t frames;
    const uint32_t *list;

    schedule->uhci = pci_find_class(CLASS_UHCI, 0);
    if (!schedule->uhci) {
        tap_skip("no UHCI controller");
        return false;
    }
    frames = in32((uint16_t)((platform_pci_read32(schedule->uhci->address, PCI_BAR_4) & ~3u) + FRBASEADD));
    list = platform_reserved_map(frames, PAGE_SIZE);
    /* The page behind the list, as tests/firmware has it. */
    schedule->hpa = frames + PAGE_SIZE;
    schedule->page =
        list && list[0] == (schedule->hpa | LINK_QH) ? platform_reserved_map(schedule->hpa, PAGE_SIZE) : NULL;
    if (!schedule->page)
        tap_skip("firmware left it no schedule in reserved memory");
    return schedule->page;
}

/* A transfer to a device that is not there: the controller reads it, fails, and writes its status back. */
static bool runs(const struct schedule *schedule)
{
    uint32_t *element = &schedule->page[1];
    uint32_t *td = &schedule->page[TD_AT / sizeof *td];
    bool done;

    td[0] = LINK_END;
    td[2] = TD_TOKEN;
    td[3] = 0;
    atomic_write_release(&td[1], TD_ACTIVE | TD_COMPLETE | TD_TRIES);
    atomic_write_release(element, schedule->hpa + TD_AT);
    done = wait_until(!(atomic_read_acquire(&td[1]) & TD_ACTIVE), FRAMES_NS);
    atomic_write_release(element, LINK_END);
    return done;
}

TEST(reserved_dma_goes_on)
{
    struct schedule schedule;

    if (!find_schedule(&schedule))
        return;
    tap_ok(pci_bus_master_is_on(schedule.uhci->address), "the controller masters the bus");
    tap_ok(runs(&schedule), "it carries out what is put into its schedule");
}

TEST(reserved_device_is_refused)
{
    struct schedule schedule;
    struct iommu_domain *domain;
    int error;

    if (!find_schedule(&schedule))
        return;
    domain = iommu_domain_create("guest", &error);
    if (!tap_ok(domain != NULL, "a domain: %s", error_text(error)))
        return;
    error = iommu_attach(domain, schedule.uhci->address, IOMMU_NO_PASID);
    tap_ok(error, "attach is refused: %s", error_text(error));
    error = iommu_domain_destroy(domain);
    tap_ok(!error, "the domain goes: %s", error_text(error));
    tap_ok(runs(&schedule), "the schedule runs all the same");
}
