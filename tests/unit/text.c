#include "base/text.h"

#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LENGTH(a) (sizeof(a) / sizeof *(a))
#define NOTHING INT64_C(-987654321) /* what a function that fails must leave alone */

struct row {
    const char *text;
    int64_t want; /* NOTHING: refused */
};

static void check_rows(bool (*read)(const char *text, int64_t *out), const struct row *rows,
                       size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int64_t got = NOTHING;
        if (read(rows[i].text, &got) != (rows[i].want != NOTHING) || got != rows[i].want)
            fail_msg("\"%s\": %" PRId64 ", not %" PRId64, rows[i].text, got, rows[i].want);
    }
}

static void durations(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"250ms", 250},
        {"1.5s", 1500},
        {"2m", 120000},
        {"1h30m", 5400000},
        {"1d", 86400000},
        {"1d2h3m4s5ms", 93784005},
        {"1m30.25s", 90250},
        {"0", 0},
        {"0s", 0},
        {"0.25", 250},
        {".5", 500},
        {".5s", 500},
        {"5", 5000},
        {"007", 7000},
        {"0.07s", 70}, /* 71 by way of a double, rounded up */
        {"0.0001", 1},
        {"0.00000000000000000000000000000000000000000000000000001", 1},
        {"1.001", 1001},
        {"1.0010", 1001},
        {"1.00100000000000000000000000000001", 1002},
        {"0.5ms", 1},
        {"1.5d", 129600000},
        {"9223372036854775807ms", INT64_MAX},
        {"9223372036854775.807", INT64_MAX},
        {"9223372036854775808ms", NOTHING},
        {"9223372036854775807.1ms", NOTHING},
        {"9223372036854775.8070001", NOTHING},
        {"9223372036854775s808ms", NOTHING},
        {"106751991168d", NOTHING},
        {"99999999999999999999", NOTHING},
        {"", NOTHING},
        {"s", NOTHING},
        {".", NOTHING},
        {"5.", NOTHING},
        {"5.s", NOTHING},
        {"-1", NOTHING},
        {"-1s", NOTHING},
        {"+1s", NOTHING},
        {" 1s", NOTHING},
        {"1s ", NOTHING},
        {"1 s", NOTHING},
        {"1S", NOTHING},
        {"1h30", NOTHING},
        {"30m1h", NOTHING},
        {"1s1s", NOTHING},
        {"1.5h30m", NOTHING},
        {"1.2.3s", NOTHING},
        {"1.2.3", NOTHING},
        {"1,5s", NOTHING},
        {"1e3", NOTHING},
        {"0x10", NOTHING},
        {"inf", NOTHING},
        {"5min", NOTHING},
        {"5sec", NOTHING},
        {"1w", NOTHING},
        {"1h 30m", NOTHING},
    };
    check_rows(text_duration, rows, LENGTH(rows));
}

static void durations_in_microseconds(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"0.1ms", 100},
        {"10ms", 10000},
        {"0.0001ms", 1},
        {"0.001", 1000},
        {"1s500ms", 1500000},
        {"1d", INT64_C(86400000000)},
        {"0", 0},
        {"9223372036854775.807ms", INT64_MAX},
        {"us", NOTHING},
        {"9223372036854775.808ms", NOTHING},
        {"100us", NOTHING},
        {"1ms1s", NOTHING},
    };
    check_rows(text_duration_us, rows, LENGTH(rows));
}

static void durations_as_text(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"0s", 0},           {"1ms", 1},
        {"250ms", 250},      {"1s", 1000},
        {"1.001s", 1001},    {"1.5s", 1500},
        {"10s", 10000},      {"1m", 60000},
        {"1m30s", 90000},    {"1m250ms", 60250},
        {"1h30m", 5400000},  {"1d", 86400000},
        {"1d1ms", 86400001}, {"106751991167d7h12m55.807s", INT64_MAX},
        {"-2s", -2000},      {"-106751991167d7h12m55.808s", INT64_MIN},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct buf b = {0};
        int64_t back = -1;
        text_put_duration(&b, rows[i].want);
        assert_string_equal(buf_string(&b), rows[i].text);
        if (rows[i].want >= 0) {
            assert_true(text_duration(rows[i].text, &back));
            assert_int_equal(back, rows[i].want);
        }
        buf_close(&b);
    }
}

static void sizes(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"0", 0},
        {"100", 100},
        {"64K", 65536},
        {"16M", 16777216},
        {"1G", 1073741824},
        {"8589934591G", INT64_C(8589934591) << 30},
        {"9223372036854775807", INT64_MAX},
        {"8589934592G", NOTHING},
        {"9223372036854775808", NOTHING},
        {"", NOTHING},
        {"K", NOTHING},
        {"1k", NOTHING},
        {"1KB", NOTHING},
        {"1T", NOTHING},
        {"1.5K", NOTHING},
        {"-1", NOTHING},
        {"1 K", NOTHING},
        {" 1", NOTHING},
        {"1\n", NOTHING},
    };
    check_rows(text_size, rows, LENGTH(rows));
}

static void integers(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"0", 0},
        {"-0", 0},
        {"007", 7},
        {"-12", -12},
        {"9223372036854775807", INT64_MAX},
        {"-9223372036854775808", INT64_MIN},
        {"9223372036854775808", NOTHING},
        {"-9223372036854775809", NOTHING},
        {"99999999999999999999999", NOTHING},
        {"", NOTHING},
        {"-", NOTHING},
        {"+1", NOTHING},
        {"--1", NOTHING},
        {" 1", NOTHING},
        {"1 ", NOTHING},
        {"1.0", NOTHING},
        {"1e3", NOTHING},
        {"0x1", NOTHING},
        {"1,000", NOTHING},
    };
    check_rows(text_integer, rows, LENGTH(rows));
}

static void numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double want;
    } rows[] = {
        {"0", 0.0},
        {"-1", -1.0},
        {"0.1", 0.1},
        {".5", 0.5},
        {"-.5", -0.5},
        {"2.5e-3", 0.0025},
        {"1E+3", 1000.0},
        {"1e308", 1e308},
        {"1e-400", 0.0},
        {"4.9e-324", 4.9e-324},
        {"9007199254740993", 9007199254740992.0},
        {"123456789012345678901234567890", 123456789012345678901234567890.0},
        {"2.2250738585072011e-308", 2.2250738585072011e-308},
    };
    static const char *const bad[] = {
        "",    "-",   ".",     "1.",   "+1",  "1e", "1e+", "e5",  "1e400", "-1e400", "inf",
        "nan", "NAN", "0x1p3", "0x10", "1,5", " 1", "1 ",  "1_0", "1.2.3", "--1",    "infinity",
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        double got = -99;
        assert_true(text_number(rows[i].text, &got));
        assert_memory_equal(&got, &rows[i].want, sizeof got);
    }
    for (size_t i = 0; i < LENGTH(bad); i++) {
        double got = -99;
        if (text_number(bad[i], &got) || got != -99.0)
            fail_msg("\"%s\" was taken", bad[i]);
    }
    double got = 1;
    assert_true(text_number("-0", &got));
    assert_true(got == 0 && signbit(got));
}

static void times(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-01-01T03:00:00Z", INT64_C(1767236400000)},
        {"2026-01-01t03:00:00z", INT64_C(1767236400000)},
        {"2026-01-01 03:00:00Z", INT64_C(1767236400000)},
        {"2026-01-01T03:00:00.5Z", INT64_C(1767236400500)},
        {"2026-01-01T03:00:00.123456789Z", INT64_C(1767236400124)},
        {"2026-01-01T03:00:00.000Z", INT64_C(1767236400000)},
        {"2026-01-01T05:30:00+02:30", INT64_C(1767236400000)},
        {"2025-12-31T20:00:00-07:00", INT64_C(1767236400000)},
        {"2026-01-01T03:00:00-00:00", INT64_C(1767236400000)},
        {"2024-02-29T00:00:00Z", INT64_C(1709164800000)},
        {"2000-02-29T23:59:60Z", INT64_C(951868800000)},
        {"0000-01-01T00:00:00Z", INT64_C(-62167219200000)},
        {"9999-12-31T23:59:59.999Z", INT64_C(253402300799999)},
        {"1900-03-01T00:00:00Z", INT64_C(-2203891200000)},
        {"0", 0},
        {"1767236400", INT64_C(1767236400000)},
        {"1767236400.25", INT64_C(1767236400250)},
        {"2026", 2026000},
        {"", NOTHING},
        {"now", NOTHING},
        {"-1", NOTHING},
        {"1e9", NOTHING},
        {"9223372036854776", NOTHING},
        {"2026-01-01", NOTHING},
        {"2026-01-01T03:00:00", NOTHING}, /* whose time? */
        {"2026-01-01T03:00Z", NOTHING},
        {"2026-01-01T03:00:00.Z", NOTHING},
        {"2026-01-01T03:00:00ZZ", NOTHING},
        {"2026-01-01T03:00:00+0200", NOTHING},
        {"2026-01-01T03:00:00+02:00 ", NOTHING},
        {"2026-01-01T03:00:00+24:00", NOTHING},
        {"2026-01-01T03:00:00+02:60", NOTHING},
        {"2026-00-01T00:00:00Z", NOTHING},
        {"2026-13-01T00:00:00Z", NOTHING},
        {"2026-01-00T00:00:00Z", NOTHING},
        {"2026-04-31T00:00:00Z", NOTHING},
        {"2025-02-29T00:00:00Z", NOTHING},
        {"1900-02-29T00:00:00Z", NOTHING},
        {"2026-01-01T24:00:00Z", NOTHING},
        {"2026-01-01T00:60:00Z", NOTHING},
        {"2026-01-01T00:00:61Z", NOTHING},
        {"26-01-01T00:00:00Z", NOTHING},
        {"2026-1-01T00:00:00Z", NOTHING},
        {"2026/01/01T00:00:00Z", NOTHING},
        {" 2026-01-01T00:00:00Z", NOTHING},
    };
    check_rows(text_time, rows, LENGTH(rows));
}

static void times_as_text(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"1970-01-01T00:00:00.000Z", 0},
        {"1969-12-31T23:59:59.999Z", -1},
        {"2026-01-01T03:00:00.007Z", INT64_C(1767236400007)},
        {"2024-02-29T12:00:00.000Z", INT64_C(1709208000000)},
        {"0000-01-01T00:00:00.000Z", INT64_C(-62167219200000)},
        {"9999-12-31T23:59:59.999Z", INT64_C(253402300799999)},
        {"292278994-08-17T07:12:55.807Z", INT64_MAX},
        {"-292275055-05-16T16:47:04.192Z", INT64_MIN},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct buf b = {0};
        text_put_time(&b, rows[i].want);
        assert_string_equal(buf_string(&b), rows[i].text);
        buf_close(&b);
    }
    for (int64_t day = -800000; day < 2900000; day += 97) { /* back and forth, years -220 to 9909 */
        struct buf b = {0};
        int64_t back = 0;
        const int64_t ms = day * 86400000 + (day * 7919 & 0x3ffffff);
        text_put_time(&b, ms);
        if (ms >= INT64_C(-62167219200000)) {
            assert_true(text_time(buf_string(&b), &back));
            assert_int_equal(back, ms);
        }
        buf_close(&b);
    }
}

static void names(void **state)
{
    (void)state;
    assert_true(text_name("a", 1, 40));
    assert_true(text_name("Mail_2-b", 8, 8));
    assert_true(text_name("a.b", 1, 40)); /* only the first byte is asked about */
    assert_false(text_name("", 0, 40));
    assert_false(text_name("abc", 3, 2));
    for (int c = 0; c < 256; c++) {
        const char byte = (char)c;
        const bool want =
            c && strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", c);
        assert_int_equal(text_name(&byte, 1, 1), want);
    }
}

static void nearest(void **state)
{
    (void)state;
    static const char *const keys[] = {"workers", "slots", "queues", "rate", "capacity", "drain"};
    static const struct {
        const char *word, *want;
    } rows[] = {
        {"workers", "workers"},
        {"worker", "workers"},
        {"wrokers", "workers"},
        {"slot", "slots"},
        {"sltos", "slots"},
        {"ratr", "rate"},
        {"arte", "rate"},
        {"capasity", "capacity"},
        {"capacety", "capacity"},
        {"kapazity", "capacity"},
        {"kapazitat", NULL},
        {"queue", "queues"},
        {"brain", "drain"},
        {"bran", NULL},
        {"x", NULL},
        {"", NULL},
        {"workersworkers", NULL},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        const char *got = text_nearest(rows[i].word, keys, LENGTH(keys));
        if (got != rows[i].want && (!got || !rows[i].want || strcmp(got, rows[i].want) != 0))
            fail_msg("%s: %s", rows[i].word, got ? got : "nothing");
    }
    assert_null(text_nearest("rate", keys, 0));
    static const char *const equals[] = {"cat", "bat"};
    assert_string_equal(text_nearest("rat", equals, 2), "cat");
    static const char *const one[] = {"n", "ab"};
    assert_null(text_nearest("j", one, 2)); /* nothing in common */
    assert_string_equal(text_nearest("a", one, 2), "ab");
    char endless[5000];
    memset(endless, 'a', sizeof endless - 1);
    endless[sizeof endless - 1] = 0;
    const char *const also_endless[] = {endless};
    assert_null(text_nearest(endless, keys, LENGTH(keys)));
    assert_null(text_nearest("rate", also_endless, 1));
}

#define BAD "\xef\xbf\xbd"

static void utf8(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"", ""},
        {"plain", "plain"},
        {"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8c\x8a", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8c\x8a"},
        {"\xff", BAD},
        {"a\x80z", "a" BAD "z"},
        {"\xc3", BAD},
        {"\xc3z", BAD "z"},
        {"\xe2\x82", BAD}, /* cut off: one */
        {"\xe2\x82z", BAD "z"},
        {"\xe2\x28\xa1", BAD "(" BAD},
        {"\xf0\x9f\x8c", BAD},
        {"\xc0\x80", BAD BAD}, /* longer than needed */
        {"\xe0\x80\x80", BAD BAD BAD},
        {"\xf0\x80\x80\x80", BAD BAD BAD BAD},
        {"\xed\xa0\x80", BAD BAD BAD}, /* a surrogate */
        {"\xed\x9f\xbf", "\xed\x9f\xbf"},
        {"\xee\x80\x80", "\xee\x80\x80"},
        {"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
        {"\xf4\x90\x80\x80", BAD BAD BAD BAD}, /* beyond U+10FFFF */
        {"\xf5\x80\x80\x80", BAD BAD BAD BAD},
        {"\xc3\xc3\xa9", BAD "\xc3\xa9"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct buf b = {0};
        const size_t len = strlen(rows[i].text);
        char *exact = mem_copy(rows[i].text, len); /* without a NUL behind it */
        text_put_utf8(&b, exact, len);
        assert_string_equal(buf_string(&b), rows[i].want);
        free(exact);
        buf_close(&b);
    }
    struct buf b = {0};
    text_put_utf8(&b, "a\0b", 3);
    assert_int_equal(b.len, 3);
    assert_memory_equal(b.data, "a\0b", 3);
    buf_close(&b);
}

/* Into a place where a decimal point is a comma, if the machine knows one. */
static bool leave_c_locale(void)
{
    static const char *const places[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "es_ES.UTF-8", "de_DE"};
    for (size_t i = 0; i < LENGTH(places); i++)
        if (setlocale(LC_ALL, places[i]))
            return true;
    return false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations),
        cmocka_unit_test(durations_in_microseconds),
        cmocka_unit_test(durations_as_text),
        cmocka_unit_test(sizes),
        cmocka_unit_test(integers),
        cmocka_unit_test(numbers),
        cmocka_unit_test(times),
        cmocka_unit_test(times_as_text),
        cmocka_unit_test(names),
        cmocka_unit_test(nearest),
        cmocka_unit_test(utf8),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (failed || !leave_c_locale())
        return failed;
    return cmocka_run_group_tests_name("elsewhere", tests, NULL, NULL);
}
