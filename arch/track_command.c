/* SPDX-License-Identifier: BSD-2-Clause */
/* The console's command about dirty pages: a tracker for a domain, driven by hand. */
#include "arch/cpu/cpu.h"
#include "arch/cpu/parallel.h"
#include "arch/track_print.h"
#include "iommu/track_source.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/shell.h"
#include "lib/tracker.h"
#include "lib/tracker_bitmap.h"
#include "lib/units.h"
#include <stdlib.h>
#include <string.h>

/* Parts differ in what there is to do, so that a CPU which is through takes another one. */
#define PARTS_PER_CPU 4

/* A domain that somebody tracks from the console. All of it runs on the console's CPU. */
struct tracked {
    struct list link;
    struct tracker *tracker;
    struct iommu_track_source source;
};

static struct list all = {&all, &all};

static struct tracked *find(const char *name)
{
    list_for_each (node, &all) {
        struct tracked *tracked = list_entry(node, struct tracked, link);

        if (!strcmp(tracked->source.name, name))
            return tracked;
    }
    return NULL;
}

/* The same; that there is none is said. */
static struct tracked *find_started(const char *name)
{
    struct tracked *tracked = find(name);

    if (!tracked)
        log_error("track: domain %s is not tracked from here: track start %s", name, name);
    return tracked;
}

static bool note_end(void *context, const struct pt_leaf *leaf)
{
    uint64_t *last = context, end = leaf->iova + PT_ENTRY_SIZE(leaf->level) - 1;

    if (end > *last)
        *last = end;
    return true;
}

/* The end of what is mapped, in whole GiB: a pass prunes only what lies in its range as a whole. */
static uint64_t last_mapped(struct iommu_domain *domain)
{
    uint64_t last = 0;

    iommu_domain_visit(domain, 0, UINT64_MAX, note_end, &last);
    return last | (GIB - 1);
}

static void forget(struct tracked *tracked)
{
    list_remove(&tracked->link);
    free(tracked);
}

static int make(struct tracked *tracked, struct iommu_domain *domain, const char *name,
                enum iommu_tracking how)
{
    struct tracker_config config = {
        .name = name,
        .last = last_mapped(domain),
        .run = parallel_run,
        .parts = cpu_count() * PARTS_PER_CPU,
    };
    int error;

    tracked->tracker = tracker_create(&config, &error);
    if (!tracked->tracker) {
        log_error("track: domain %s: %s", name, error_text(error));
        return error;
    }
    iommu_track_source_init(&tracked->source, domain, how);
    return tracker_add_source(tracked->tracker, &tracked->source.source);
}

/* Nothing is tracked in it any more. */
static int unmake(struct tracked *tracked)
{
    int error = tracked->tracker ? tracker_destroy(tracked->tracker) : 0;

    if (!error)
        forget(tracked);
    return error;
}

static int start(const char *name, unsigned level, enum iommu_tracking how)
{
    struct iommu_domain *domain = iommu_domain_find(name);
    struct tracked *tracked;
    int error, unmade;

    if (!domain) {
        log_error("track: there is no domain %s", name);
        return ERR_NOT_FOUND;
    }
    if (find(name)) {
        log_error("track: domain %s is tracked already", name);
        return ERR_EXISTS;
    }
    tracked = calloc(1, sizeof *tracked);
    if (!tracked)
        return ERR_NOMEM;
    list_append(&all, &tracked->link);
    error = make(tracked, domain, name, how);
    if (!error)
        error = tracker_start(tracked->tracker, level, TRACKER_NONE_DIRTY);
    if (!error)
        return 0;
    unmade = unmake(tracked);
    return unmade ? unmade : error;
}

static const char *const sizes[PT_LEAF_LEVELS] = {"4K", "2M", "1G"};

/* "2M writable", in any order; leaves of 4K unless it says otherwise. */
static int track_start(const char *name, int count, char **words)
{
    enum iommu_tracking how = IOMMU_TRACKING_DIRTY_BITS;
    unsigned level = 0;

    for (int n = 0; n < count; n++) {
        unsigned size = 0;

        while (size < PT_LEAF_LEVELS && strcmp(words[n], sizes[size]) != 0)
            size++;
        if (size < PT_LEAF_LEVELS) {
            level = size;
        } else if (!strcmp(words[n], "writable")) {
            how = IOMMU_TRACKING_ALL_WRITABLE;
        } else {
            log_error(
                "track: %s: leaves are of 4K, 2M or 1G, and all that is writable counts with \"writable\"",
                words[n]);
            return ERR_INVALID;
        }
    }
    return start(name, level, how);
}

static int track_stop(const char *name)
{
    struct tracked *tracked = find_started(name);
    int error, unmade;

    if (!tracked)
        return ERR_NOT_FOUND;
    error = tracker_stop(tracked->tracker);
    unmade = error == ERR_BUSY ? 0 : unmake(tracked);
    return error ? error : unmade;
}

/* What was mapped beyond the end meanwhile is covered from this pass on. */
static int track_pass(const char *name, bool whole,
                      void (*print)(const struct tracker_pass *pass, const struct dirty_bitmap *report))
{
    struct tracked *tracked = find_started(name);
    struct tracker_bitmap *report;
    struct tracker_pass pass;
    struct tracker_info info;
    uint64_t last;
    int error = 0;

    if (!tracked)
        return ERR_NOT_FOUND;
    tracker_info(tracked->tracker, &info);
    last = last_mapped(tracked->source.domain);
    if (last > info.last)
        error = tracker_resize(tracked->tracker, last);
    else
        last = info.last;
    if (error)
        return error;
    report = tracker_bitmap_create(last);
    if (!report)
        return ERR_NOMEM;
    error = tracker_pass(tracked->tracker, &report->pages, whole ? TRACKER_WHOLE : 0, &pass);
    if (error != ERR_BUSY && error != ERR_INVALID)
        print(&pass, &report->pages);
    tracker_bitmap_destroy(report);
    return error;
}

static int run(int argc, char **argv, bool json)
{
    if (argc == 1) {
        track_print_all(json);
        return 0;
    }
    if (argc >= 3 && !strcmp(argv[1], "start"))
        return track_start(argv[2], argc - 3, argv + 3);
    if (argc == 3 && !strcmp(argv[1], "stop"))
        return track_stop(argv[2]);
    if ((argc == 3 || (argc == 4 && !strcmp(argv[3], "whole"))) && !strcmp(argv[1], "pass"))
        return track_pass(argv[2], argc == 4, json ? track_print_pass_json : track_print_pass);
    log_error(
        "track: start DOMAIN [4K|2M|1G] [writable], pass DOMAIN [whole], stop DOMAIN, or no word at all");
    return ERR_INVALID;
}

static int command_track(int argc, char **argv)
{
    return run(argc, argv, false);
}

static int command_track_json(int argc, char **argv)
{
    return run(argc, argv, true);
}

SHELL_COMMAND_JSON("track", "[start|pass|stop DOMAIN [4K|2M|1G|writable|whole]]",
                   "which pages of a domain are written, pass by pass", command_track, command_track_json);
