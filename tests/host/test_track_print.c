/* SPDX-License-Identifier: BSD-2-Clause */
/* What the command "track" shows of passes and trackers. It belongs to arch, which is not built for the host,
 * so it is part of this program as text. */
#include "arch/track_print.c"
#include "tests/host/tracker_fixture.h"
#include <unistd.h>

static char shown[1 << 14];
static FILE *file;
static int saved;

/* JSON goes to the console as the log does; the rest to the standard output. */
static void begin_show(void)
{
    host_log_clear();
    file = tmpfile();
    saved = dup(STDOUT_FILENO);
    fflush(stdout);
    dup2(fileno(file), STDOUT_FILENO);
}

static void end_show(void)
{
    size_t bytes;

    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    rewind(file);
    bytes = fread(shown, 1, sizeof shown - 1, file);
    snprintf(shown + bytes, sizeof shown - bytes, "%s", host_log());
    fclose(file);
}

static void assert_shown(const char *text)
{
    if (!strstr(shown, text))
        fail_msg("there is no \"%s\" in:\n%s", text, shown);
}

static struct tracker_pass pass(int expected)
{
    struct tracker_pass result;

    memset(report_words, 0, sizeof report_words);
    assert_int_equal(tracker_pass(tracker, &report, 0, &result), expected);
    return result;
}

static void show_pass(const struct tracker_pass *result, bool json)
{
    begin_show();
    (json ? track_print_pass_json : track_print_pass)(result, &report);
    end_show();
}

static void show_all(bool json)
{
    begin_show();
    track_print_all(json);
    end_show();
}

static void a_pass_shows_its_ranges(void **state)
{
    struct tracker_pass result;

    (void)state;
    tracker_begin(TRACKER_NONE_DIRTY);
    tracker_mark(tracker, 3 * PAGE_SIZE, 5 * PAGE_SIZE - 1);
    tracker_mark(tracker, LAST, LAST);
    result = pass(0);
    show_pass(&result, false);
    assert_shown("pass 1: 3 pages reported, ");
    assert_shown("  0x3000 to 0x4fff\n  0xfffff000 to 0xffffffff\n");
    assert_null(strstr(shown, "failed"));
    show_pass(&result, true);
    assert_shown("\"ranges\":[[12288,20479],[4294963200,4294967295]],\"range_count\":2");
    assert_null(strstr(shown, "failed"));
    assert_null(strstr(shown, "error"));
    assert_shown("\"leaving\":0,");
}

static void a_pass_shows_what_was_beside_it(void **state)
{
    struct tracker_pass result;

    (void)state;
    tracker_begin(TRACKER_NONE_DIRTY);
    result = pass(0);
    show_pass(&result, false);
    assert_null(strstr(shown, "beside"));
    source_a.leaving = 2;
    source_b.leaving = 1;
    result = pass(0);
    show_pass(&result, false);
    assert_shown("  3 unmaps or merges were beside it: the next one has what they took out\n");
    show_pass(&result, true);
    assert_shown("\"leaving\":3,");
}

static void a_pass_that_failed_shows_who(void **state)
{
    struct tracker_pass result;

    (void)state;
    tracker_begin(TRACKER_NONE_DIRTY);
    tracker_mark(tracker, 0, 0);
    source_b.fail[PASS] = ERR_TIMEOUT;
    result = pass(ERR_TIMEOUT);
    show_pass(&result, false);
    assert_shown("  failed: b, from 0 to 0xffffffff: no answer in time; 1 pages wait for the next pass\n");
    show_pass(&result, true);
    assert_shown("\"carried\":1,");
    assert_shown("\"error\":\"no answer in time\",\"failed_source\":\"b\",\"failed_first\":0,"
                 "\"failed_last\":4294967295,");
}

static void trackers_show_whose_newest_pass_failed(void **state)
{
    (void)state;
    tracker_begin(TRACKER_NONE_DIRTY);
    source_b.fail[PASS] = ERR_TIMEOUT;
    pass(ERR_TIMEOUT);
    show_all(false);
    assert_shown("vm               0xffffffff  4K  1 passes, 1 failed, 0 pages reported");
    assert_shown("\n  the newest pass failed: b: no answer in time\n");
    show_all(true);
    assert_shown("\"failed\":1,");
    assert_shown("\"failed_source\":\"b\"");
    source_b.fail[PASS] = 0;
    pass(0);
    show_all(false);
    assert_shown("2 passes, 1 failed, ");
    assert_null(strstr(shown, "the newest"));
    show_all(true);
    assert_null(strstr(shown, "failed_source"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TRACKER_TEST(a_pass_shows_its_ranges),
        TRACKER_TEST(a_pass_shows_what_was_beside_it),
        TRACKER_TEST(a_pass_that_failed_shows_who),
        TRACKER_TEST(trackers_show_whose_newest_pass_failed),
    };

    host_memory_init(64 * MIB);
    return cmocka_run_group_tests_name("track_print", tests, NULL, NULL);
}
