/* SPDX-License-Identifier: BSD-2-Clause */
/* lull.cfg: what is taken, what is refused with which line, and what is read back. */
#include "lib/config.h"
#include "lib/error.h"
#include "tests/host/unit.h"
#include <stdlib.h>
#include <string.h>

static void assert_fine(const char *text)
{
    unsigned line;
    const char *why;

    assert_int_equal(config_check(text, &line, &why), 0);
}

static void assert_refused(const char *text, unsigned wrong_line, const char *reason)
{
    unsigned line = 0;
    const char *why = NULL;

    assert_int_equal(config_check(text, &line, &why), ERR_MALFORMED);
    assert_int_equal(line, wrong_line);
    assert_non_null(strstr(why, reason));
}

static void text_without_settings_is_fine(void **state)
{
    (void)state;
    assert_fine("");
    assert_fine("\n\n");
    assert_fine("# run = nothing\n   # colour = red\n \t \r\n");
}

static void every_key_is_taken(void **state)
{
    (void)state;
    assert_fine("run = demo; poweroff\nconsole = 0x2f8\ndebug_exit=0xf4\napic = x2apic\ncpus = 256\n"
                "log = debug\npanic = halt\ndmar_poke = 4:0xff,0x30:1\niommu = second-stage\n"
                "iommu_levels = 5\ntrust = 0000:00:1f.2,00Fe:ff:00.0");
    assert_fine("console = auto\napic = auto\ninterrupt_remapping = off\n");
    assert_fine("interrupt_remapping = on");
    assert_fine("chain = 64");
    assert_fine("reset = none");
    assert_fine("reset = auto");
    assert_fine("errata_off = some-erratum,another\n");
    assert_fine("dirty_self_test = on");
    assert_fine("dirty_self_test = off");
    assert_fine("prune = auto");
    assert_fine("prune = on");
    assert_fine("prune = off");
    assert_fine("ats = 0000:01:00.0,0000:02:1f.7");
}

static void wrong_lines_are_named(void **state)
{
    (void)state;
    assert_refused("colour = red", 1, "no such key");
    assert_refused("# fine\n\nrun = demo\ncolour = red\n", 4, "no such key");
    assert_refused("run demo\n", 1, "key = value");
    assert_refused("\n= demo\n", 2, "key = value");
    assert_refused("Run = demo\n", 1, "no such key");
    assert_refused("runs = demo\nru = x\n", 1, "no such key");
}

static void key_given_twice_is_refused_where_it_comes_again(void **state)
{
    (void)state;
    assert_refused("log = info\ncpus = 2\n log=debug\n", 3, "before");
}

static void values_that_do_not_fit_are_refused(void **state)
{
    static const char *const wrong[] = {
        "run =",
        "console = com1",
        "console = 65536",
        "console = 0",
        "console = 0x3f8 x",
        "debug_exit = auto",
        "apic = X2APIC",
        "chain = 63",
        "chain = many",
        "cpus = 0",
        "cpus = 257",
        "cpus = -1",
        "cpus = 18446744073709551617",
        "log = loud",
        "panic = no",
        "iommu = nested",
        "iommu_levels = 2",
        "trust = 00:1f.2",
        "trust = 0000:00:20.0",
        "trust = 0000:00:1f.8",
        "trust = 0000:00:1f.2,",
        "trust = 0000:00:1f.2 0000:00:1f.3",
        "ats = on",
        "ats = 0000:01:00.0,",
        "ats =",
        "interrupt_remapping = yes",
        "interrupt_remapping =",
        "dirty_self_test = no",
        "dirty_self_test =",
        "prune = yes",
        "prune =",
        "reset = off",
        "reset =",
        "errata_off =",
        "errata_off = all,",
        "errata_off = ,all",
        "dmar_poke = 4",
        "dmar_poke = 4:",
        "dmar_poke = 4:256",
        "dmar_poke = 4:1,",
        "dmar_poke = :1",
        "dmar_poke = 65536:1",
        "dmar_poke = 4:1;5:1",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_refused(wrong[i], 1, "takes ");
}

static void value_as_long_as_allowed_is_taken_and_no_longer_one(void **state)
{
    char text[CONFIG_VALUE_MAX + 16] = "run = ";

    (void)state;
    memset(text + strlen(text), 'x', CONFIG_VALUE_MAX - 1);
    assert_fine(text);
    text[strlen(text)] = 'x';
    assert_refused(text, 1, "too long");
}

static void values_are_read_back_without_blanks_around(void **state)
{
    const char *text = "# log = error\r\n  log\t=  debug \r\nrun = test vtd*; poweroff = 1\ncpus=2";
    char value[64];

    (void)state;
    assert_fine("log = debug");
    assert_true(config_get(text, "log", value, sizeof(value)));
    assert_string_equal(value, "debug");
    assert_true(config_get(text, "run", value, sizeof(value)));
    assert_string_equal(value, "test vtd*; poweroff = 1");
    assert_true(config_get(text, "cpus", value, sizeof(value)));
    assert_string_equal(value, "2");
}

static void key_that_is_not_there_reads_as_empty(void **state)
{
    char value[8] = "old";

    (void)state;
    assert_false(config_get("run = x\n", "ru", value, sizeof(value)));
    assert_string_equal(value, "");
    assert_false(config_get("", "run", value, sizeof(value)));
}

static void value_is_cut_to_the_buffer(void **state)
{
    char value[4];

    (void)state;
    assert_true(config_get("run = poweroff", "run", value, sizeof(value)));
    assert_string_equal(value, "pow");
}

static void numbers_are_read_up_to_their_end(void **state)
{
    const char *text = "0x1F:255,18446744073709551615,18446744073709551616";
    uint64_t value;

    (void)state;
    assert_true(config_number(&text, UINT8_MAX, &value));
    assert_int_equal(value, 0x1f);
    assert_int_equal(*text++, ':');
    assert_false(config_number(&text, 254, &value));
    assert_int_equal(*text, '2');
    assert_true(config_number(&text, 255, &value));
    assert_int_equal(value, 255);
    text++;
    assert_true(config_number(&text, UINT64_MAX, &value));
    assert_true(value == UINT64_MAX);
    text++;
    assert_false(config_number(&text, UINT64_MAX, &value));
}

static void number_without_digits_is_none(void **state)
{
    uint64_t value;

    (void)state;
    for (const char *const *text = (const char *const[]){"", "x", "0x", "-1", " 1", "0xg", NULL}; *text;
         text++) {
        const char *at = *text;

        assert_false(config_number(&at, UINT64_MAX, &value));
        assert_ptr_equal(at, *text);
    }
}

/* Each cut and each changed byte of a good text is taken or refused, and nothing beyond its end is read: the
 * text is a heap block of just its size, watched by the address sanitizer. */
static void damaged_text_is_never_read_beyond(void **state)
{
    static const char good[] = "run = demo\n#\ndmar_poke = 0x4:255\ncpus = 16";

    (void)state;
    for (size_t bytes = 0; bytes < sizeof(good); bytes++) {
        for (unsigned change = 0; change < 256; change++) {
            char *text = malloc(bytes + 1);
            char value[CONFIG_VALUE_MAX];
            unsigned line;
            const char *why;

            assert_non_null(text);
            memcpy(text, good, bytes);
            text[bytes] = 0;
            if (bytes > 0)
                text[bytes - 1] = (char)change;
            if (config_check(text, &line, &why) == 0)
                config_get(text, "cpus", value, sizeof(value));
            free(text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_without_settings_is_fine),
        cmocka_unit_test(every_key_is_taken),
        cmocka_unit_test(wrong_lines_are_named),
        cmocka_unit_test(key_given_twice_is_refused_where_it_comes_again),
        cmocka_unit_test(values_that_do_not_fit_are_refused),
        cmocka_unit_test(value_as_long_as_allowed_is_taken_and_no_longer_one),
        cmocka_unit_test(values_are_read_back_without_blanks_around),
        cmocka_unit_test(key_that_is_not_there_reads_as_empty),
        cmocka_unit_test(value_is_cut_to_the_buffer),
        cmocka_unit_test(numbers_are_read_up_to_their_end),
        cmocka_unit_test(number_without_digits_is_none),
        cmocka_unit_test(damaged_text_is_never_read_beyond),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
