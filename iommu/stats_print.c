/* SPDX-License-Identifier: BSD-2-Clause */
/* The statistics of units and domains, as tables and as JSON. */
#include "iommu/stats_print.h"
#include "iommu/iommu.h"
#include "iommu/self_test.h"
#include "iommu/stats.h"
#include "lib/json.h"
#include <inttypes.h>
#include <stdio.h>

#define DOMAINS_MAX 32

struct domain_stats {
    struct iommu_domain_info info;
    uint64_t leaves[PT_LEAF_LEVELS];
};

/* Copied under the lock of the list, printed after that: a console is slow. */
struct domain_list {
    struct domain_stats domains[DOMAINS_MAX];
    unsigned count;
};

static const char *const leaf_names[PT_LEAF_LEVELS] = {"4K", "2M", "1G"};

static void list_domain(void *context, struct iommu_domain *domain)
{
    struct domain_list *list = context;

    if (list->count < DOMAINS_MAX) {
        struct domain_stats *stats = &list->domains[list->count];

        iommu_domain_info(domain, &stats->info);
        iommu_domain_count(domain, stats->leaves);
    }
    list->count++;
}

static unsigned listed(const struct domain_list *list)
{
    return list->count < DOMAINS_MAX ? list->count : DOMAINS_MAX;
}

/* --- tables --- */

static void print_batches(const struct iommu_unit_stats *stats)
{
    const struct iommu_queue_stats *queue = &stats->queue;

    printf("vtd%-3u %12" PRIu64 " %12" PRIu64 " %8" PRIu64 " %8" PRIu64 " %9" PRIu64 " %9" PRIu64
           " %11" PRIu64 " %6" PRIu64 " %6" PRIu64 "\n",
           stats->unit, queue->batches, queue->completed, queue->refused, queue->dropped, queue->timed_out,
           stats->under_way, queue->turned_away, queue->full, queue->stalls);
}

static void print_kinds(const struct iommu_unit_stats *stats)
{
    const struct iommu_queue_stats *queue = &stats->queue;

    for (unsigned kind = 0; kind < IOMMU_INVALIDATIONS; kind++)
        if (queue->invalidations[kind])
            printf("vtd%-3u %-18s %12" PRIu64 "\n", stats->unit, iommu_invalidation_name(kind),
                   queue->invalidations[kind]);
    printf("vtd%-3u errors: %" PRIu64 " IQE, %" PRIu64 " ITE, %" PRIu64 " ICE; %" PRIu64
           " times no register for a fault\n",
           stats->unit, queue->iqe, queue->ite, queue->ice, stats->fault_overflows);
    printf("vtd%-3u what failed: %" PRIu64 " completed by a wider one; %" PRIu64 " devices cut off\n",
           stats->unit, stats->widened, stats->cut_offs);
}

static void print_latency(const struct iommu_unit_stats *stats)
{
    for (unsigned n = 0; n < IOMMU_LATENCIES; n++)
        if (stats->queue.latency[n])
            printf("vtd%-3u from %12" PRIu64 " ns %12" PRIu64 "\n", stats->unit, (uint64_t)1 << n,
                   stats->queue.latency[n]);
}

static void for_each_unit(void (*call)(const struct iommu_unit_stats *stats))
{
    struct iommu_unit_stats stats;

    for (unsigned n = 0; iommu_unit_stats(n, &stats); n++)
        call(&stats);
}

static void print_domains(const struct domain_list *list)
{
    printf("%-15s %12s %12s %12s %10s %12s %12s\n", "domain", leaf_names[0], leaf_names[1], leaf_names[2],
           "tables", "freed", "quarantined");
    for (unsigned i = 0; i < listed(list); i++) {
        const struct domain_stats *stats = &list->domains[i];

        printf("%-15s %12" PRIu64 " %12" PRIu64 " %12" PRIu64 " %10" PRIu64 " %12" PRIu64 " %12" PRIu64 "\n",
               stats->info.name, stats->leaves[0], stats->leaves[1], stats->leaves[2], stats->info.tables,
               stats->info.tables_freed, stats->info.quarantined);
    }
    if (list->count > DOMAINS_MAX)
        printf("and %u more\n", list->count - DOMAINS_MAX);
}

void iommu_stats_print(void)
{
    struct domain_list list = {.count = 0};
    struct iommu_stats all;

    printf("%-6s %12s %12s %8s %8s %9s %9s %11s %6s %6s\n", "unit", "batches", "completed", "refused",
           "dropped", "timed out", "under way", "turned away", "full", "stalls");
    for_each_unit(print_batches);
    printf("\n%-6s %-18s %12s\n", "unit", "invalidations", "submitted");
    for_each_unit(print_kinds);
    printf("\n%-6s %-20s %12s\n", "unit", "latency", "batches");
    for_each_unit(print_latency);
    printf("\n");
    iommu_domains_visit(list_domain, &list);
    print_domains(&list);
    iommu_stats(&all);
    printf("\n%" PRIu64 " table pages wait for a grace period; %" PRIu64 " faults\n", all.tables_waiting,
           all.faults);
}

/* --- JSON --- */

static void add_latency(struct json *json, const struct iommu_queue_stats *queue)
{
    json_open(json, "latency_ns"); /* by the shortest that is counted there */
    for (unsigned n = 0; n < IOMMU_LATENCIES; n++) {
        char from[16];

        snprintf(from, sizeof from, "%" PRIu64, (uint64_t)1 << n);
        if (queue->latency[n])
            json_number(json, from, queue->latency[n]);
    }
    json_close(json);
}

static void add_self_test(struct json *json, const struct iommu_self_test *self_test)
{
    static const char *const verdicts[] = {"not tested", "passed", "failed"};
    char text[IOMMU_SELF_TEST_TEXT];

    iommu_self_test_text(self_test, text, sizeof text);
    json_open(json, "self_test");
    json_text(json, "result", verdicts[self_test->verdict]);
    json_text(json, "text", text);
    json_close(json);
}

static void print_unit_json(const struct iommu_unit_stats *stats)
{
    const struct iommu_queue_stats *queue = &stats->queue;
    struct json json;

    json_begin(&json);
    json_number(&json, "unit", stats->unit);
    json_number(&json, "batches", queue->batches);
    json_number(&json, "completed", queue->completed);
    json_number(&json, "refused", queue->refused);
    json_number(&json, "dropped", queue->dropped);
    json_number(&json, "timed_out", queue->timed_out);
    json_number(&json, "under_way", stats->under_way);
    json_number(&json, "turned_away", queue->turned_away);
    json_number(&json, "full", queue->full);
    json_number(&json, "stalls", queue->stalls);
    json_open(&json, "invalidations");
    for (unsigned kind = 0; kind < IOMMU_INVALIDATIONS; kind++)
        json_number(&json, iommu_invalidation_name(kind), queue->invalidations[kind]);
    json_close(&json);
    add_latency(&json, queue);
    json_number(&json, "iqe", queue->iqe);
    json_number(&json, "ite", queue->ite);
    json_number(&json, "ice", queue->ice);
    json_number(&json, "fault_overflows", stats->fault_overflows);
    json_number(&json, "widened", stats->widened);
    json_number(&json, "cut_off", stats->cut_offs);
    add_self_test(&json, &stats->self_test);
    json_print(&json);
}

static void print_domain_json(const struct domain_stats *stats)
{
    struct json json;

    json_begin(&json);
    json_text(&json, "domain", stats->info.name);
    json_number(&json, "id", stats->info.id);
    json_number(&json, "devices", stats->info.devices);
    json_open(&json, "leaves");
    for (unsigned level = 0; level < PT_LEAF_LEVELS; level++)
        json_number(&json, leaf_names[level], stats->leaves[level]);
    json_close(&json);
    json_number(&json, "tables", stats->info.tables);
    json_number(&json, "freed", stats->info.tables_freed);
    json_number(&json, "quarantined", stats->info.quarantined);
    json_print(&json);
}

void iommu_stats_print_json(void)
{
    struct domain_list list = {.count = 0};
    struct iommu_stats all;
    struct json json;

    for_each_unit(print_unit_json);
    iommu_domains_visit(list_domain, &list);
    for (unsigned i = 0; i < listed(&list); i++)
        print_domain_json(&list.domains[i]);
    iommu_stats(&all);
    json_begin(&json);
    json_bool(&json, "total", true);
    json_number(&json, "units", all.units);
    json_number(&json, "domains", all.domains);
    json_number(&json, "tables_waiting", all.tables_waiting);
    json_number(&json, "faults", all.faults);
    json_print(&json);
}
