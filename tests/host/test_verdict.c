/* SPDX-License-Identifier: BSD-2-Clause */
/* The demo's verdict: PASS with figures as they must be, and FAIL, with the reason, for each one that is not.
 */
#include "lib/error.h"
#include "lib/units.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include "tests/target/demo_verdict.c" /* the hypervisor's tests are no part of the library */
#include <stdlib.h>
#include <string.h>

static const struct demo_outcome good = {
    .passes = 3,
    .submitted = 200,
    .judged = 200,
    .reported = 190,
    .commands = 20,
    .rounds = 50,
    .probing = true,
    .probes = 12,
    .freed_meanwhile = 80,
    .tables_freed = 100,
    .before = {{.free_pages = 1000, .dma_pages = 5}, {.queued = 7, .freed = 7}, .faults = 2},
    .settled = {.rcu = {.queued = 107, .freed = 107}},
    .after = {{.free_pages = 1000, .dma_pages = 5}, {.queued = 110, .freed = 110}, .faults = 2},
};

/* One figure that is wrong, and what the verdict must say. */
struct wrong {
    size_t offset; /* of a uint64_t */
    uint64_t value;
    const char *says;
};

#define WRONG(field, value, says)                                                                            \
    {                                                                                                        \
        offsetof(struct demo_outcome, field), value, says                                                    \
    }

static const struct wrong wrongs[] = {
    WRONG(missed, 1, "(missed 1)"),
    WRONG(extra, 4, "(extra 4)"),
    WRONG(submitted, 0, "(nothing was written; judged 200 of 0 page writes)"),
    WRONG(judged, 199, "(judged 199 of 200 page writes)"),
    WRONG(failed_commands, 2, "(2 commands failed)"),
    WRONG(strays, 3, "(3 of 12 probes landed elsewhere)"),
    WRONG(probes, 0, "(no probe of a remapped page)"),
    WRONG(after.faults, 3, "(1 faults)"),
    WRONG(freed_meanwhile, 0, "(no table page was freed while passes ran)"),
    WRONG(tables_freed, 101, "(101 table pages freed, 100 came to RCU)"),
    WRONG(settled.rcu.freed, 106, "(100 pages came to RCU, 99 were freed)"),
    WRONG(quarantined, 1, "(1 table pages in quarantine)"),
    WRONG(after.pages.free_pages, 999, "(free pages: 1000 before, 999 after)"),
    WRONG(after.pages.dma_pages, 6, "(pages for DMA: 5 before, 6 after)"),
};

/* The verdict on this outcome; *text, which the caller frees, is what was printed. */
static bool verdict(const struct demo_outcome *outcome, char **text)
{
    FILE *console = stdout;
    size_t bytes;
    bool pass;

    stdout = open_memstream(text, &bytes);
    assert_non_null(stdout);
    pass = demo_verdict(outcome);
    fclose(stdout);
    stdout = console;
    return pass;
}

static void fails_with(const struct demo_outcome *outcome, const char *says)
{
    char *text;

    assert_false(verdict(outcome, &text));
    assert_int_equal(strncmp(text, "verdict: FAIL (", 15), 0);
    if (!strstr(text, says))
        fail_msg("not \"%s\": %s", says, text);
    free(text);
}

static void test_pass(void **state)
{
    char *text;

    (void)state;
    assert_true(verdict(&good, &text));
    assert_string_equal(text, "verdict: PASS (3 passes, 200 page writes, missed 0, extra 0, 100 table pages "
                              "freed, none waiting, no fault)\n");
    free(text);
}

static void test_each_wrong_figure_fails(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(wrongs); i++) {
        struct demo_outcome outcome = good;

        memcpy((char *)&outcome + wrongs[i].offset, &wrongs[i].value, sizeof(wrongs[i].value));
        fails_with(&outcome, wrongs[i].says);
    }
}

static void test_early_end_fails(void **state)
{
    struct demo_outcome outcome = good;

    (void)state;
    outcome.error = ERR_TIMEOUT;
    outcome.missed = 1;
    fails_with(&outcome, error_text(ERR_TIMEOUT));
    fails_with(&outcome, "; missed 1)");
}

/* Everything at once is cut, not overrun. */
static void test_all_wrong_fails(void **state)
{
    struct demo_outcome outcome = good;

    (void)state;
    outcome.error = ERR_TIMEOUT;
    for (unsigned i = 0; i < ARRAY_SIZE(wrongs); i++)
        memset((char *)&outcome + wrongs[i].offset, 0xfe, sizeof(uint64_t));
    fails_with(&outcome, "(ended early: ");
}

static void test_one_queue_needs_no_probe(void **state)
{
    struct demo_outcome outcome = good;
    char *text;

    (void)state;
    outcome.probing = false;
    outcome.probes = 0;
    assert_true(verdict(&outcome, &text));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pass),
        cmocka_unit_test(test_each_wrong_figure_fails),
        cmocka_unit_test(test_early_end_fails),
        cmocka_unit_test(test_all_wrong_fails),
        cmocka_unit_test(test_one_queue_needs_no_probe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
