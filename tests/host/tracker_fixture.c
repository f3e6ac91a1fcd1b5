/* SPDX-License-Identifier: BSD-2-Clause */
/* A tracker with two sources that are told what to find, and when to fail. */
#include "tests/host/tracker_fixture.h"
#include "lib/rcu.h"
#include <stdio.h>

struct tracker *tracker;
struct fake_source source_a, source_b;
char source_calls[1024];
uint64_t report_words[WORDS + 4096];
struct dirty_bitmap report;
struct guest_memory guest_memory;
unsigned parts_run;

static int called(struct tracker_source *source, enum fake_op op)
{
    static const char *const names[] = {"start", "stop", "pass", "split", "merge", "redirect"};
    struct fake_source *fake = CONTAINER_OF(source, struct fake_source, source);
    size_t used = strlen(source_calls);

    snprintf(source_calls + used, sizeof source_calls - used, "%s%s %s", used ? ", " : "", names[op],
             source->name);
    return fake->fail[op];
}

static int fake_start(struct tracker_source *source, unsigned level, struct dirty_bitmap *unmapped)
{
    struct fake_source *fake = CONTAINER_OF(source, struct fake_source, source);
    int error = called(source, START);

    if (error)
        return error;
    assert_null(fake->unmapped);
    fake->unmapped = unmapped;
    fake->level = level;
    return 0;
}

static int fake_stop(struct tracker_source *source)
{
    struct fake_source *fake = CONTAINER_OF(source, struct fake_source, source);

    assert_non_null(fake->unmapped);
    fake->unmapped = NULL;
    return called(source, STOP);
}

int fake_source_pass(struct tracker_source *source, uint64_t first, uint64_t last,
                     struct dirty_bitmap *bitmap, unsigned flags, struct harvest_stats *stats)
{
    struct fake_source *fake = CONTAINER_OF(source, struct fake_source, source);

    fake->flags = flags;
    fake->first = first;
    fake->last = last;
    stats->tables += 10;
    stats->entries += 100;
    stats->pruned += fake->pruned;
    stats->leaving += fake->leaving;
    stats->invalidation_ns += 5;
    if (fake->finds && fake->finds >= first && fake->finds <= last) {
        dirty_bitmap_mark(bitmap, fake->finds, fake->finds);
        stats->dirty++;
        fake->finds = 0;
    }
    (void)called(source, PASS);
    return fake->fails_at && fake->fails_at >= first && fake->fails_at <= last ? ERR_HARDWARE
                                                                               : fake->fail[PASS];
}

static int fake_range(struct tracker_source *source, uint64_t first, uint64_t last, enum fake_op op)
{
    struct fake_source *fake = CONTAINER_OF(source, struct fake_source, source);

    fake->first = first;
    fake->last = last;
    return called(source, op);
}

static int fake_split(struct tracker_source *source, uint64_t first, uint64_t last, unsigned level)
{
    assert_int_equal(level, CONTAINER_OF(source, struct fake_source, source)->level);
    return fake_range(source, first, last, SPLIT);
}

static int fake_merge(struct tracker_source *source, uint64_t first, uint64_t last)
{
    return fake_range(source, first, last, MERGE);
}

static void fake_redirect(struct tracker_source *source, struct dirty_bitmap *unmapped)
{
    struct fake_source *fake = CONTAINER_OF(source, struct fake_source, source);
    uint64_t at = fake->marks_when_redirected;

    (void)called(source, REDIRECT);
    if (at)
        dirty_bitmap_mark(fake->unmapped, at, at);
    fake->unmapped = unmapped;
}

const struct tracker_source_ops fake_source_ops = {
    .start = fake_start,
    .stop = fake_stop,
    .pass = fake_source_pass,
    .split = fake_split,
    .merge = fake_merge,
    .redirect = fake_redirect,
};

static int guest_write(void *context, uint64_t gpa, const void *data, size_t bytes)
{
    assert_ptr_equal(context, &guest_memory.word);
    if (guest_memory.pass_before_write) {
        guest_memory.pass_before_write = false;
        assert_int_equal(tracker_pass(tracker, &report, 0, NULL), 0);
    }
    guest_memory.writes++;
    guest_memory.gpa = gpa;
    guest_memory.bytes = bytes;
    assert_true(gpa / PAGE_SIZE == (gpa + bytes - 1) / PAGE_SIZE);
    if (bytes == sizeof guest_memory.word)
        memcpy(&guest_memory.word, data, bytes);
    return guest_memory.error;
}

/* The last part first: nobody promises an order. */
static void run_backwards(unsigned parts, void (*part)(void *argument, unsigned n), void *argument)
{
    while (parts--) {
        part(argument, parts);
        parts_run++;
    }
}

struct tracker *tracker_make(const char *name, unsigned parts)
{
    struct tracker_config config = {.name = name,
                                    .last = LAST,
                                    .write = guest_write,
                                    .run = parts ? run_backwards : NULL,
                                    .parts = parts,
                                    .context = &guest_memory.word};
    int error = 1;
    struct tracker *made = tracker_create(&config, &error);

    assert_int_equal(made == NULL, error != 0);
    return made;
}

unsigned lines_with(const char *text)
{
    unsigned count = 0;

    for (const char *at = host_log(); (at = strstr(at, text)); at += strlen(text))
        count++;
    return count;
}

int tracker_setup(void **state)
{
    (void)state;
    source_a = (struct fake_source){.source = {.name = "a", .ops = &fake_source_ops}};
    source_b = (struct fake_source){.source = {.name = "b", .ops = &fake_source_ops}};
    memset(report_words, 0, sizeof report_words);
    report = (struct dirty_bitmap){report_words, 0, LAST};
    guest_memory = (struct guest_memory){0};
    parts_run = 0;
    rcu_cpu_online();
    host_log_clear();
    tracker = tracker_make("vm", 0);
    assert_int_equal(tracker_add_source(tracker, &source_a.source), 0);
    assert_int_equal(tracker_add_source(tracker, &source_b.source), 0);
    source_calls[0] = 0;
    return 0;
}

int tracker_teardown(void **state)
{
    struct tracker_info info;

    (void)state;
    memset(source_a.fail, 0, sizeof source_a.fail);
    memset(source_b.fail, 0, sizeof source_b.fail);
    tracker_info(tracker, &info);
    if (info.tracks)
        assert_int_equal(tracker_stop(tracker), 0);
    assert_int_equal(tracker_destroy(tracker), 0);
    rcu_barrier();
    rcu_cpu_offline();
    return 0;
}

void tracker_begin(enum tracker_first first)
{
    assert_int_equal(tracker_start(tracker, 0, first), 0);
    source_calls[0] = 0;
}

/* A pass, and how many pages it reports. */
uint64_t pages_of_pass(void)
{
    struct tracker_pass result;

    memset(report_words, 0, sizeof report_words);
    assert_int_equal(tracker_pass(tracker, &report, 0, &result), 0);
    return result.reported;
}

bool is_reported(uint64_t gpa)
{
    return bitmap_test(report_words, gpa / PAGE_SIZE);
}
