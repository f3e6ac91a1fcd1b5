/* SPDX-License-Identifier: BSD-2-Clause */
/* Trackers: their life, and that of their sources. */
#include "lib/tracker.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/tracker_state.h"
#include <stdlib.h>
#include <string.h>

static struct spinlock trackers_lock; /* the list, and each tracker's info */
static struct list trackers = {&trackers, &trackers};

bool tracker_enter(struct tracker *tracker)
{
    return !atomic_exchange(&tracker->busy, 1u);
}

void tracker_leave(struct tracker *tracker)
{
    tracker_update_info(tracker);
    atomic_write_release(&tracker->busy, 0u);
}

static unsigned count_sources(const struct tracker *tracker)
{
    unsigned count = 0;

    list_for_each (node, &tracker->sources)
        count++;
    return count;
}

void tracker_update_info(struct tracker *tracker)
{
    spin_lock(&trackers_lock);
    tracker->info.last = tracker->last;
    tracker->info.level = tracker->level;
    tracker->info.sources = count_sources(tracker);
    tracker->info.tracks = tracker->pending;
    spin_unlock(&trackers_lock);
}

void tracker_update_passes(struct tracker *tracker, const struct tracker_pass *pass)
{
    struct tracker_info *info = &tracker->info;

    spin_lock(&trackers_lock);
    info->passes = pass->number;
    info->failed += pass->error != 0;
    info->reported += pass->reported;
    info->ns += pass->ns;
    info->newest = *pass;
    spin_unlock(&trackers_lock);
}

static void forget_passes(struct tracker *tracker)
{
    struct tracker_info *info = &tracker->info;

    spin_lock(&trackers_lock);
    info->passes = info->failed = info->reported = info->ns = 0;
    info->newest = (struct tracker_pass){0};
    spin_unlock(&trackers_lock);
}

void tracker_info(struct tracker *tracker, struct tracker_info *info)
{
    spin_lock(&trackers_lock);
    *info = tracker->info;
    spin_unlock(&trackers_lock);
}

void tracker_visit(void (*visit)(void *context, const struct tracker_info *info), void *context)
{
    spin_lock(&trackers_lock);
    list_for_each (node, &trackers)
        visit(context, &list_entry(node, struct tracker, link)->info);
    spin_unlock(&trackers_lock);
}

/* ERR_EXISTS: another one has its name. */
static int list_tracker(struct tracker *tracker)
{
    int error = 0;

    spin_lock(&trackers_lock);
    list_for_each (node, &trackers)
        if (!strcmp(list_entry(node, struct tracker, link)->info.name, tracker->info.name))
            error = ERR_EXISTS;
    if (!error)
        list_append(&trackers, &tracker->link);
    spin_unlock(&trackers_lock);
    return error;
}

int tracker_check_last(uint64_t last)
{
    if (!is_aligned(last + 1, PAGE_SIZE) || last == UINT64_MAX)
        return ERR_INVALID;
    return last > TRACKER_LAST_MAX ? ERR_RANGE : 0;
}

static void free_tracker(struct tracker *tracker)
{
    free(tracker->parts);
    free(tracker);
}

struct tracker *tracker_create(const struct tracker_config *config, int *error)
{
    struct tracker *tracker;

    *error = tracker_check_last(config->last);
    if (*error)
        return NULL;
    *error = ERR_NOMEM;
    tracker = calloc(1, sizeof *tracker);
    if (!tracker)
        return NULL;
    tracker->config = *config;
    if (!tracker->config.parts)
        tracker->config.parts = 1;
    tracker->last = config->last;
    tracker->parts = calloc(tracker->config.parts, sizeof *tracker->parts);
    list_init(&tracker->sources);
    strncpy(tracker->info.name, config->name, TRACKER_NAME_MAX - 1);
    if (tracker->parts) {
        tracker_update_info(tracker);
        *error = list_tracker(tracker);
    }
    if (!*error)
        return tracker;
    free_tracker(tracker);
    return NULL;
}

int tracker_destroy(struct tracker *tracker)
{
    if (!tracker_enter(tracker))
        return ERR_BUSY;
    if (tracker->pending) {
        tracker_leave(tracker);
        return ERR_BUSY;
    }
    spin_lock(&trackers_lock);
    list_remove(&tracker->link);
    spin_unlock(&trackers_lock);
    list_for_each_safe (node, &tracker->sources)
        list_remove(node);
    free_tracker(tracker);
    return 0;
}

static void keep_first(int *first, int error)
{
    if (!*first)
        *first = error;
}

static int end_source(struct tracker *tracker, struct tracker_source *source)
{
    int first = source->ops->stop(source);

    if (tracker->level < PT_LEAF_LEVEL_MAX)
        keep_first(&first, source->ops->merge(source, 0, tracker->last));
    if (first)
        log_error("track: %s: %s did not stop as it should: %s", tracker->info.name, source->name,
                  error_text(first));
    return first;
}

static int begin_source(struct tracker *tracker, struct tracker_source *source)
{
    const char *what = "started";
    int error = source->ops->start(source, tracker->level, &tracker->pending->pages);

    if (!error && tracker->level < PT_LEAF_LEVEL_MAX) {
        what = "split";
        error = source->ops->split(source, 0, tracker->last, tracker->level);
        if (error)
            end_source(tracker, source); /* which says so if it fails too */
    }
    if (error)
        log_error("track: %s: %s cannot be %s: %s", tracker->info.name, source->name, what,
                  error_text(error));
    return error;
}

/* Ends those before this node of the list; all of them, if it is the list's head. */
static int end_sources_before(struct tracker *tracker, struct list *end)
{
    int first = 0;

    for (struct list *node = end->prev; node != &tracker->sources; node = node->prev)
        keep_first(&first, end_source(tracker, list_entry(node, struct tracker_source, link)));
    return first;
}

static int begin_sources(struct tracker *tracker)
{
    list_for_each (node, &tracker->sources) {
        int error = begin_source(tracker, list_entry(node, struct tracker_source, link));

        if (error) {
            end_sources_before(tracker, node);
            return error;
        }
    }
    return 0;
}

/* What a first look finds was written before tracking began, and who is told of it copies everything anyway;
 * so was what is marked until then. */
static int drop_what_was(struct tracker *tracker)
{
    struct tracker_pass pass = {0};

    if (!tracker_look(tracker, 0, &pass)) {
        tracker_bitmap_clear(tracker->pending);
        return 0;
    }
    tracker_log_failure(tracker, pass.failed, pass.failed_first, pass.failed_last, pass.error);
    end_sources_before(tracker, &tracker->sources);
    return pass.error;
}

static int start(struct tracker *tracker, unsigned level, enum tracker_first first)
{
    struct tracker_bitmap *bitmap = tracker_bitmap_create(tracker->last);
    int error;

    if (!bitmap)
        return ERR_NOMEM;
    tracker->level = level;
    tracker->first = first;
    /* After the grace period in here every tracker_write() marks, or has written already, which the caller
     * sees when this has returned. */
    tracker_publish(tracker, bitmap);
    error = begin_sources(tracker);
    if (!error && first == TRACKER_NONE_DIRTY)
        error = drop_what_was(tracker);
    if (error) {
        tracker_bitmap_destroy(tracker_publish(tracker, NULL));
        return error;
    }
    if (first == TRACKER_ALL_DIRTY)
        dirty_bitmap_mark(&bitmap->pages, 0, tracker->last);
    forget_passes(tracker);
    atomic_write(&tracker->marked, 0u);
    tracker->whole_next = first == TRACKER_ALL_DIRTY; /* else that was the first look */
    tracker->since_ns = platform_time_ns();
    return 0;
}

int tracker_start(struct tracker *tracker, unsigned level, enum tracker_first first)
{
    int error = ERR_INVALID;

    if (!tracker_enter(tracker))
        return ERR_BUSY;
    if (level <= PT_LEAF_LEVEL_MAX && !tracker->pending)
        error = start(tracker, level, first);
    tracker_leave(tracker);
    return error;
}

int tracker_stop(struct tracker *tracker)
{
    int first = ERR_INVALID;

    if (!tracker_enter(tracker))
        return ERR_BUSY;
    if (tracker->pending) {
        first = end_sources_before(tracker, &tracker->sources);
        tracker_bitmap_destroy(tracker_publish(tracker, NULL));
    }
    tracker_leave(tracker);
    return first;
}

static bool has_source(const struct tracker *tracker, const struct tracker_source *source)
{
    list_for_each (node, &tracker->sources)
        if (node == &source->link)
            return true;
    return false;
}

int tracker_add_source(struct tracker *tracker, struct tracker_source *source)
{
    int error = 0;

    if (!tracker_enter(tracker))
        return ERR_BUSY;
    if (has_source(tracker, source))
        error = ERR_EXISTS;
    else if (tracker->pending)
        error = begin_source(tracker, source);
    if (!error) {
        list_append(&tracker->sources, &source->link);
        tracker->whole_next = true; /* what it did before was in no pass */
    }
    tracker_leave(tracker);
    return error;
}

/* What was written through it until now stays pending. */
static int take_leave(struct tracker *tracker, struct tracker_source *source)
{
    struct harvest_stats found = {0};
    int first = source->ops->pass(source, 0, tracker->last, &tracker->pending->pages, 0, &found);

    if (first)
        tracker_log_failure(tracker, source->name, 0, tracker->last, first);
    keep_first(&first, end_source(tracker, source));
    /* What it did not tell, and will not be asked again, may be anything; also what an unmap or a merge has
     * taken out, and not told yet. */
    if (first || found.leaving)
        dirty_bitmap_mark(&tracker->pending->pages, 0, tracker->last);
    return first;
}

int tracker_remove_source(struct tracker *tracker, struct tracker_source *source)
{
    int first = ERR_NOT_FOUND;

    if (!tracker_enter(tracker))
        return ERR_BUSY;
    if (has_source(tracker, source)) {
        first = tracker->pending ? take_leave(tracker, source) : 0;
        list_remove(&source->link);
    }
    tracker_leave(tracker);
    return first;
}
