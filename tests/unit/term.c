#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "faces/table.h"
#include "faces/term.h"

static void shows(const char *text, enum term_how how, const char *wanted)
{
    struct buf out = {0};
    term_text(&out, text, strlen(text), how);
    assert_string_equal(buf_string(&out), wanted);
    buf_close(&out);
}

static void text_does_a_terminal_no_harm(void **state)
{
    (void)state;
    shows("plain \\ text", TERM_LINE, "plain \\ text");
    shows("a\nb\tc\rd", TERM_LINE, "a\\nb\\tc\\rd");
    shows("a\nb\tc\rd", TERM_LINES, "a\nb\tc\\rd");
    shows("\033[31m\a\b\177", TERM_LINES, "\\x1b[31m\\x07\\x08\\x7f");
    shows("\302\233"
          "2J",
          TERM_LINE, "\\x9b2J"); /* CSI in eight bits */
    /* NOLINTNEXTLINE(misc-misleading-bidirectional): that is the point */
    shows("\342\200\256x\342\201\246", TERM_LINE, "\\u{202e}x\\u{2066}"); /* turned round */
    shows("\377\302", TERM_LINE, "\357\277\275\357\277\275");
    shows("\303\251\346\227\245\360\237\231\202", TERM_LINE,
          "\303\251\346\227\245\360\237\231\202");
}

static void widths_are_columns(void **state)
{
    (void)state;
    const char *mixed = "a\303\251\346\227\245b"; /* 1 1 2 1 columns */
    assert_int_equal(term_width("abc", 3), 3);
    assert_int_equal(term_width(mixed, strlen(mixed)), 5);
    assert_int_equal(term_fit(mixed, strlen(mixed), 3), 3); /* the wide one does not fit */
    assert_int_equal(term_fit(mixed, strlen(mixed), 4), 6);
    assert_int_equal(term_fit("abc", 3, 2), 2);
    assert_int_equal(term_fit("abc", 3, 9), 3);
}

static const struct table_column columns[] = {
    {"NAME", false, NULL}, {"N", true, NULL}, {"NOTE", false, NULL}};

static void row(struct table *t, const char *name, int64_t number, const char *note)
{
    table_text(t, name);
    table_number(t, number);
    table_text(t, note);
}

static void columns_line_up(void **state)
{
    (void)state;
    struct table t;
    struct buf out = {0};
    table_init(&t, columns, 3);
    t.fit = 0;
    row(&t, "a", 5, NULL);
    row(&t, "longer", 12345, "x\ny");
    table_put(&t, &out);
    row(&t, "b", 6, "z"); /* the next page is as wide */
    table_put(&t, &out);
    assert_string_equal(buf_string(&out), "NAME        N  NOTE\n"
                                          "a           5\n"
                                          "longer  12345  x\\ny\n"
                                          "b           6  z\n");
    table_close(&t);
    buf_close(&out);
}

static void the_last_column_gives_way(void **state)
{
    (void)state;
    struct table t;
    struct buf out = {0};
    table_init(&t, columns, 3);
    t.fit = 12;
    row(&t, "name", 1, "a note that is long");
    table_put(&t, &out);
    assert_string_equal(buf_string(&out), "NAME  N  NOT\nname  1  a n\n");
    table_close(&t);
    buf_close(&out);
}

static void spans(void **state)
{
    (void)state;
    const struct {
        int64_t ms;
        const char *wanted;
    } rows[] = {{0, "0ms"},       {999, "999ms"},    {1000, "1s"},
                {119999, "119s"}, {120000, "2m"},    {7199999, "119m"},
                {7200000, "2h"},  {172800000, "2d"}, {31536000000, "365d"},
                {-5, "0ms"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf out = {0};
        term_span(&out, rows[i].ms);
        assert_string_equal(buf_string(&out), rows[i].wanted);
        buf_close(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_does_a_terminal_no_harm),
        cmocka_unit_test(widths_are_columns),
        cmocka_unit_test(columns_line_up),
        cmocka_unit_test(the_last_column_gives_way),
        cmocka_unit_test(spans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
