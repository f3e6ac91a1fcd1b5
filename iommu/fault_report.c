/* SPDX-License-Identifier: BSD-2-Clause */
/* Faults are recorded in interrupts and told of here, where a slow console delays nobody's interrupt. */
#include "iommu/fault_report.h"
#include "iommu/fault_handler.h"
#include "iommu/fault_ring.h"
#include "lib/atomic.h"
#include "lib/log.h"
#include "lib/platform.h"
#include "lib/units.h"
#include <inttypes.h>
#include <stdio.h>

/* Of all devices together: at 115200 baud a line takes 10 ms, and others want to print too. */
#define LINES_PER_SECOND 32

static bool running; /* atomic: the event, on some CPU */
static struct {
    uint64_t second_ns; /* when the second began that the lines are of */
    unsigned lines;
    uint64_t left_out; /* faults without a line since the last one */
} logged;

static const char *verb(const struct iommu_fault *fault)
{
    static const char *const verbs[] = {
        [IOMMU_REQUEST_READ] = "read",
        [IOMMU_REQUEST_WRITE] = "write",
        [IOMMU_REQUEST_ATOMIC] = "change",
        [IOMMU_REQUEST_PAGE] = "ask for the page",
    };

    return fault->execute ? "execute" : verbs[fault->request];
}

void iommu_fault_text(const struct iommu_fault *fault, char *text, size_t bytes)
{
    char who[IOMMU_DOMAIN_NAME_MAX + 96], pasid[24] = "", what[64];

    if (fault->has_pasid)
        snprintf(pasid, sizeof pasid, " PASID %#x", fault->pasid);
    snprintf(who, sizeof who, PCI_FORMAT " (%s)%s%s", PCI_ARGS(fault->device),
             fault->domain_number ? fault->domain : "blocked", pasid, fault->privileged ? " privileged" : "");
    if (fault->request == IOMMU_REQUEST_INTERRUPT)
        snprintf(what, sizeof what, "raise interrupt %u", fault->interrupt_index);
    else
        snprintf(what, sizeof what, "%s %#" PRIx64, verb(fault), fault->iova);
    snprintf(text, bytes, "%s may not %s: %s (%#04x)", who, what, fault->text, fault->reason);
}

static void log_fault(const struct iommu_fault *fault)
{
    char text[192], skipped[64] = "";

    if (fault->skipped)
        snprintf(skipped, sizeof skipped, "; %" PRIu64 " before it were only counted", fault->skipped);
    iommu_fault_text(fault, text, sizeof text);
    log_warn("iommu: %s%s%s", text, skipped,
             fault->limited ? "; further ones in this second are only counted" : "");
}

static void log_within_bounds(const struct iommu_fault *fault)
{
    uint64_t now = platform_time_ns();

    if (!logged.second_ns || now - logged.second_ns >= NS_PER_S) {
        logged.second_ns = now;
        logged.lines = 0;
    }
    if (logged.lines == LINES_PER_SECOND) {
        logged.left_out++;
        return;
    }
    logged.lines++;
    if (logged.left_out)
        log_warn("iommu: %" PRIu64 " faults had no line of their own", logged.left_out);
    logged.left_out = 0;
    log_fault(fault);
}

/* A handler may run events, and this one among them; or another CPU may. They leave the work to who is at it
 * already: that one sets running to false and then looks once more, and they have added to the ring before
 * they looked at running. The ring's lock is the full fence between both. */
static void report(struct platform_event *event)
{
    struct iommu_fault fault;

    (void)event;
    while (fault_ring_untaken() && !atomic_exchange(&running, true)) {
        while (fault_ring_take(&fault, &logged.left_out)) {
            log_within_bounds(&fault);
            fault_handler_call(&fault);
        }
        atomic_write_release(&running, false);
    }
}

static struct platform_event report_event = {.run = report};

void fault_report_post(void)
{
    platform_event_post(&report_event, 0);
}
