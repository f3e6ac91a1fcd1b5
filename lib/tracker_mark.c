/* SPDX-License-Identifier: BSD-2-Clause */
/* Marks of what the hypervisor itself writes, and the change of the bitmap that they go to: tracker_state.h
 * has the argument why none is lost. */
#include "lib/error.h"
#include "lib/log.h"
#include "lib/mutant.h"
#include "lib/rcu.h"
#include "lib/tracker_state.h"

/* Inside a read section. */
static void mark(struct tracker *tracker, uint64_t gpa, uint64_t last)
{
    struct tracker_bitmap *pending = rcu_dereference(&tracker->pending);

    if (!pending || gpa > pending->pages.last)
        return;
    if (last > pending->pages.last)
        last = pending->pages.last;
    dirty_bitmap_mark(&pending->pages, gpa, last);
    atomic_fetch_add(&tracker->marked, (last >> PAGE_LG2) - (gpa >> PAGE_LG2) + 1);
}

void tracker_mark(struct tracker *tracker, uint64_t gpa, uint64_t last)
{
    rcu_read_lock();
    mark(tracker, gpa, last);
    rcu_read_unlock();
}

/* Both in one read section: tracker_publish() may rely on it that a write which saw nothing to mark in is
 * over after a grace period. */
static int write_page(struct tracker *tracker, uint64_t gpa, const void *data, size_t bytes)
{
    int error;

    rcu_read_lock();
    if (mutant(MARK_BEFORE_WRITE))
        mark(tracker, gpa, gpa + bytes - 1);
    error = tracker->config.write(tracker->config.context, gpa, data, bytes);
    /* Also when it failed: some of it may have been written. */
    if (!mutant(MARK_BEFORE_WRITE))
        mark(tracker, gpa, gpa + bytes - 1);
    rcu_read_unlock();
    return error;
}

int tracker_write(struct tracker *tracker, uint64_t gpa, const void *data, size_t bytes)
{
    const uint8_t *from = data;
    int error = 0;

    if (!tracker->config.write || (bytes && gpa + bytes - 1 < gpa))
        return ERR_INVALID;
    while (!error && bytes) {
        uint64_t room = PAGE_SIZE - gpa % PAGE_SIZE;
        size_t step = bytes < room ? bytes : room;

        error = write_page(tracker, gpa, from, step);
        gpa += step;
        from += step;
        bytes -= step;
    }
    return error;
}

struct tracker_bitmap *tracker_publish(struct tracker *tracker, struct tracker_bitmap *bitmap)
{
    struct tracker_bitmap *before = tracker->pending;

    rcu_assign_pointer(&tracker->pending, bitmap);
    synchronize_rcu();
    return before;
}

/* Splits what is covered newly, in every source. */
static int split_rest(struct tracker *tracker, uint64_t last)
{
    list_for_each (node, &tracker->sources) {
        struct tracker_source *source = list_entry(node, struct tracker_source, link);
        int error = source->ops->split(source, tracker->last + 1, last, tracker->level);

        if (error) {
            log_error("track: %s: %s cannot be split from %#lx on: %s", tracker->info.name, source->name,
                      (unsigned long)tracker->last + 1, error_text(error));
            return error;
        }
    }
    return 0;
}

static void redirect_sources(struct tracker *tracker, struct tracker_bitmap *bitmap)
{
    list_for_each (node, &tracker->sources) {
        struct tracker_source *source = list_entry(node, struct tracker_source, link);

        source->ops->redirect(source, &bitmap->pages);
    }
}

static int resize(struct tracker *tracker, uint64_t last)
{
    struct tracker_bitmap *bitmap = tracker_bitmap_create(last), *before;
    int error = bitmap ? 0 : ERR_NOMEM;

    if (!error && last > tracker->last && tracker->level < PT_LEAF_LEVEL_MAX)
        error = split_rest(tracker, last);
    if (error) {
        tracker_bitmap_destroy(bitmap);
        return error;
    }
    if (mutant(RESIZE_LOSES_MARKS))
        tracker_bitmap_add(bitmap, tracker->pending);
    before = tracker_publish(tracker, bitmap);
    redirect_sources(tracker, bitmap);
    if (!mutant(RESIZE_LOSES_MARKS))
        tracker_bitmap_add(bitmap, before);
    tracker_bitmap_destroy(before);
    if (last > tracker->last && tracker->first == TRACKER_ALL_DIRTY)
        dirty_bitmap_mark(&bitmap->pages, tracker->last + 1, last);
    tracker->whole_next = true; /* what is covered newly was in no pass, and parts are cut elsewhere */
    return 0;
}

int tracker_resize(struct tracker *tracker, uint64_t last)
{
    int error = tracker_check_last(last);

    if (error)
        return error;
    if (!tracker_enter(tracker))
        return ERR_BUSY;
    if (tracker->pending && last != tracker->last)
        error = resize(tracker, last);
    if (!error)
        tracker->last = last;
    tracker_leave(tracker);
    return error;
}
