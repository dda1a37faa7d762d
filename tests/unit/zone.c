#include "model/zone.h"

#include <assert.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/date.h"

#define LENGTH(a) (sizeof(a) / sizeof *(a))
#define HOUR 3600

static uint64_t seed = 1;

static int64_t next_random(int64_t low, int64_t high)
{
    assert(low < high);
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return low + (int64_t)(seed % (uint64_t)(high - low));
}

/* What libc says. */
static int offset_of_libc(int64_t unix_s)
{
    const time_t t = (time_t)unix_s;
    struct tm tm;
    assert_non_null(localtime_r(&t, &tm));
    return (int)tm.tm_gmtoff;
}

static int64_t year_start(int64_t year)
{
    return date_to_days((struct date){year, 1, 1}) * DATE_DAY_S;
}

static void check_instant(const char *name, const struct zone *zone, int64_t unix_s)
{
    const struct zone_span span = zone_span(zone, unix_s);
    const int want = offset_of_libc(unix_s);
    if (span.offset_s != want || span.start_s > unix_s || span.end_s <= unix_s)
        fail_msg("%s at %" PRId64 ": %d from %" PRId64 " to %" PRId64 ", not %d", name, unix_s,
                 span.offset_s, span.start_s, span.end_s, want);
}

/* Random instants, and both sides of each change, of the past and of the footer's years. */
static void check_zone(const char *name)
{
    struct zone *zone;
    struct neap_error err;
    if (zone_open(&zone, name, &err))
        fail_msg("%s", err.message);
    setenv("TZ", name, 1);
    tzset();
    for (int i = 0; i < 300; i++)
        check_instant(name, zone, next_random(year_start(1950), year_start(2500)));
    for (int64_t at_s = year_start(1850); at_s < year_start(2100);) {
        const struct zone_span span = zone_span(zone, at_s);
        check_instant(name, zone, at_s);
        if (span.end_s == INT64_MAX)
            break;
        check_instant(name, zone, span.end_s - 1);
        check_instant(name, zone, span.end_s);
        assert_int_equal(zone_span(zone, span.end_s).start_s, span.end_s);
        at_s = span.end_s;
    }
    zone_free(zone);
}

static const char *const zones[] = {
    "Etc/UTC",
    "Europe/Paris",
    "Europe/Dublin",
    "America/New_York",
    "America/St_Johns",
    "America/Nuuk",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Asia/Gaza",
    "Asia/Tehran",
    "Africa/Casablanca",
    "Africa/Monrovia",
    "Pacific/Apia",
    "Antarctica/Troll",
    "America/Scoresbysund",
    "America/Argentina/Buenos_Aires",
    "Etc/GMT-14",
};

static void agrees_with_libc(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(zones); i++)
        check_zone(zones[i]);
    setenv("TZ", "UTC", 1);
    tzset();
}

static void utc_needs_no_file(void **state)
{
    (void)state;
    static const char *const names[] = {NULL, "UTC"};
    for (size_t i = 0; i < LENGTH(names); i++) {
        struct zone *zone;
        assert_int_equal(zone_open(&zone, names[i], NULL), NEAP_OK);
        const struct zone_span span = zone_span(zone, 1700000000);
        assert_int_equal(span.offset_s, 0);
        assert_true(span.start_s == INT64_MIN && span.end_s == INT64_MAX);
        zone_span(zone, ZONE_TIME_MAX);
        zone_span(zone, -ZONE_TIME_MAX);
        zone_free(zone);
    }
    zone_free(NULL);
}

static void local_is_the_machines(void **state)
{
    (void)state;
    struct zone *zone;
    unsetenv("TZ");
    tzset();
    assert_int_equal(zone_open(&zone, "local", NULL), NEAP_OK);
    for (int i = 0; i < 100; i++)
        check_instant("local", zone, next_random(year_start(1990), year_start(2100)));
    zone_free(zone);
}

static void refuse_name(const char *name)
{
    struct zone *zone = NULL;
    struct neap_error err;
    assert_int_equal(zone_open(&zone, name, &err), NEAP_EINVAL);
    assert_non_null(strstr(err.message, "is not the name of a time zone"));
    assert_null(zone);
}

static void refuses_names_that_lead_elsewhere(void **state)
{
    (void)state;
    char longest[2000];
    static const char *const bad[] = {
        "",
        "/etc/passwd",
        "../../etc/passwd",
        "Europe/../Europe/Paris",
        "Europe/..",
        "./UTC",
        "Europe//Paris",
        "Europe/",
        "Europe/ Paris",
        "Europe\nParis",
        "Europe/P\xc3\xa9ris",
        "a\\b",
    };
    for (size_t i = 0; i < LENGTH(bad); i++)
        refuse_name(bad[i]);
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    refuse_name(longest);
}

static char directory[] = "/tmp/neap-zone-XXXXXX";

static int make_directory(void **state)
{
    (void)state;
    return !mkdtemp(directory) || setenv("TZDIR", directory, 1);
}

static int remove_directory(void **state)
{
    (void)state;
    char path[sizeof directory + 10];
    snprintf(path, sizeof path, "%s/Made", directory);
    unlink(path);
    unsetenv("TZDIR");
    return rmdir(directory);
}

static void write_made(const void *data, size_t len)
{
    char path[sizeof directory + 10];
    snprintf(path, sizeof path, "%s/Made", directory);
    unlink(path); /* a file cut and written again may wait for the disk */
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    if (len)
        assert_int_equal(fwrite(data, len, 1, f), 1);
    assert_int_equal(fclose(f), 0);
}

static void looks_in_tzdir_first(void **state)
{
    (void)state;
    struct zone *zone = NULL;
    struct neap_error err;
    assert_int_equal(zone_open(&zone, "Mars/Olympus", &err), NEAP_ENOENT);
    char want[200];
    snprintf(want, sizeof want, "no time zone Mars/Olympus in %s or /usr/share/zoneinfo",
             directory);
    assert_string_equal(err.message, want);
    assert_int_equal(zone_open(&zone, "Europe", &err), NEAP_ENOENT); /* a directory */
    assert_int_equal(zone_open(&zone, "Europe/Paris/x", &err), NEAP_ENOENT);
    assert_int_equal(zone_open(&zone, "Europe/Paris", &err), NEAP_OK);
    zone_free(zone);
    unsetenv("TZDIR");
    assert_int_equal(zone_open(&zone, "Made", &err), NEAP_ENOENT);
    assert_string_equal(err.message, "no time zone Made in /usr/share/zoneinfo");
    setenv("TZDIR", directory, 1);
}

static void put_number(struct buf *b, int64_t value, int bytes)
{
    while (bytes-- > 0)
        buf_byte(b, (uint8_t)((uint64_t)value >> 8 * bytes));
}

static void put_header(struct buf *b, char version, uint32_t leaps, uint32_t times, uint32_t types)
{
    static const char reserved[15];
    buf_text(b, "TZif");
    buf_byte(b, (uint8_t)version);
    buf_put(b, reserved, sizeof reserved);
    const uint32_t counts[] = {0, 0, leaps, times, types, 4};
    for (size_t i = 0; i < LENGTH(counts); i++)
        put_number(b, counts[i], 4);
}

/* Two types, one hour apart; `times` changes between them, an hour after another from 1000000 on.
 */
static void put_body(struct buf *b, uint32_t times, int time_bytes)
{
    for (uint32_t i = 0; i < times; i++)
        put_number(b, 1000000 + (int64_t)i * HOUR, time_bytes);
    for (uint32_t i = 0; i < times; i++)
        buf_byte(b, (uint8_t)(1 - i % 2));
    for (int i = 0; i < 2; i++) {
        put_number(b, (i + 1) * HOUR, 4);
        buf_byte(b, (uint8_t)i);
        buf_byte(b, 0);
    }
    buf_put(b, "ABC", 4);
}

static void put_file(struct buf *b, char version, uint32_t times, const char *footer)
{
    if (!version) {
        put_header(b, version, 0, times, 2);
        put_body(b, times, 4);
        return;
    }
    put_header(b, version, 0, 0, 1);
    put_number(b, 0, 6); /* the type and its name */
    put_number(b, 0, 4);
    put_header(b, version, 0, times, 2);
    put_body(b, times, 8);
    buf_text(b, footer);
}

static int open_made(struct zone **zone, const struct buf *file, struct neap_error *err)
{
    write_made(file->data, file->len);
    return zone_open(zone, "Made", err);
}

static void every_version(void **state)
{
    (void)state;
    static const char versions[] = {0, '2', '3', '4'};
    for (size_t i = 0; i < LENGTH(versions); i++) {
        struct buf file = {0};
        struct zone *zone;
        struct neap_error err;
        put_file(&file, versions[i], 3, "\n\n");
        if (open_made(&zone, &file, &err))
            fail_msg("%s", err.message);
        const int offsets[] = {1, 2, 1, 2};
        for (int n = 0; n < 4; n++)
            assert_int_equal(zone_span(zone, 1000000 - 1 + n * HOUR).offset_s, offsets[n] * HOUR);
        assert_true(zone_span(zone, 0).start_s == INT64_MIN);
        assert_int_equal(zone_span(zone, 0).end_s, 1000000);
        assert_int_equal(zone_span(zone, ZONE_TIME_MAX).start_s, 1000000 + 2 * HOUR);
        assert_true(zone_span(zone, ZONE_TIME_MAX).end_s == INT64_MAX);
        zone_free(zone);
        buf_close(&file);
    }
}

/* Offsets in quarters of an hour at an instant under a footer. */
static int quarters(const char *footer, int64_t unix_s)
{
    struct buf file = {0};
    struct zone *zone;
    struct neap_error err;
    put_file(&file, '3', 0, footer);
    if (open_made(&zone, &file, &err))
        fail_msg("%s", err.message);
    const struct zone_span span = zone_span(zone, unix_s);
    assert_true(span.start_s <= unix_s && unix_s < span.end_s);
    zone_free(zone);
    buf_close(&file);
    return span.offset_s / 900;
}

static void footers(void **state)
{
    (void)state;
    const int64_t winter = year_start(2030) + 10 * DATE_DAY_S, summer = winter + 180 * DATE_DAY_S;
    const int64_t leap = year_start(2032);
    static const char all_year[] = "\nEST5EDT,0/0,J365/25\n";
    assert_int_equal(quarters("\n<+0545>-5:45\n", summer), 23);
    assert_int_equal(quarters("\nABC+3:30:00\n", summer), -14);
    assert_int_equal(quarters("\nCET-1CEST,M3.5.0,M10.5.0/3\n", summer), 8);
    assert_int_equal(quarters("\nCET-1CEST,M3.5.0,M10.5.0/3\n", winter), 4);
    assert_int_equal(quarters("\nIST-1GMT0,M10.5.0,M3.5.0/1\n", summer), 4); /* negative saving */
    assert_int_equal(quarters("\nIST-1GMT0,M10.5.0,M3.5.0/1\n", winter), 0);
    assert_int_equal(quarters("\n<+1030>-10:30<+11>-11,M10.1.0,M4.1.0\n", winter), 44);
    for (int day = 0; day < 800; day += 9)
        assert_int_equal(quarters(all_year, winter + day * DATE_DAY_S), -16);
    assert_int_equal(quarters(all_year, year_start(2031) + 5 * HOUR - 1), -16);
    assert_int_equal(quarters(all_year, year_start(2031) + 5 * HOUR), -16);
    /* J60 is March 1 in every year; 59 is Feb 29 in a leap year. */
    assert_int_equal(quarters("\nAAA0BBB,J60/0,J300/0\n", leap + 60 * DATE_DAY_S - 1), 0);
    assert_int_equal(quarters("\nAAA0BBB,J60/0,J300/0\n", leap + 60 * DATE_DAY_S), 4);
    assert_int_equal(quarters("\nAAA0BBB,59/0,300/0\n", leap + 59 * DATE_DAY_S - 1), 0);
    assert_int_equal(quarters("\nAAA0BBB,59/0,300/0\n", leap + 59 * DATE_DAY_S), 4);
    /* Times of 167 hours either way reach into the neighbouring years. */
    assert_int_equal(quarters("\nAAA0BBB,J365/167,J100/0\n", leap + 5 * DATE_DAY_S), 0);
    assert_int_equal(quarters("\nAAA0BBB,J365/167,J100/0\n", leap + 6 * DATE_DAY_S), 4);
    assert_int_equal(quarters("\nAAA0BBB,J1/-167,J100/0\n", leap - 6 * DATE_DAY_S), 4);
    assert_int_equal(quarters("\nAAA0BBB,J1/-167,J100/0\n", leap - 7 * DATE_DAY_S), 0);
}

static void the_footer_begins_after_the_last_time(void **state)
{
    (void)state;
    struct buf file = {0};
    struct zone *zone;
    put_file(&file, '2', 3, "\nXXX7\n");
    assert_int_equal(open_made(&zone, &file, NULL), NEAP_OK);
    assert_int_equal(zone_span(zone, 1000000 + 2 * HOUR - 1).offset_s, 1 * HOUR);
    assert_int_equal(zone_span(zone, 1000000 + 2 * HOUR).offset_s, -7 * HOUR);
    assert_int_equal(zone_span(zone, 1000000 + 2 * HOUR).start_s, 1000000 + 2 * HOUR);
    zone_free(zone);
    buf_close(&file);
}

static void refuse(const struct buf *file, const char *why)
{
    struct zone *zone = NULL;
    struct neap_error err;
    assert_int_equal(open_made(&zone, file, &err), NEAP_EIO);
    if (!strstr(err.message, why))
        fail_msg("\"%s\", not \"%s\"", err.message, why);
    assert_non_null(strstr(err.message, "cannot use the time zone /tmp/neap-zone-"));
    assert_null(zone);
}

static void refuses_bad_footers(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "CET",
        "C-1",
        "CET-25",
        "CET-1:60",
        "CET-1:00:60",
        "CET-1x",
        "<CET-1",
        "<CE>-1",
        "CET-1CEST",
        "CET-1CEST,M3.5.0",
        "CET-1CEST,M3.5.0,M10.5.0/3,",
        "CET-1CEST,M0.5.0,M10.5.0",
        "CET-1CEST,M13.5.0,M10.5.0",
        "CET-1CEST,M3.0.0,M10.5.0",
        "CET-1CEST,M3.6.0,M10.5.0",
        "CET-1CEST,M3.5.7,M10.5.0",
        "CET-1CEST,M3.5,M10.5.0",
        "CET-1CEST,J0,J100",
        "CET-1CEST,J366,J100",
        "CET-1CEST,366,100",
        "CET-1CEST,0/168,100",
        "CET-1CEST,0/-168,100",
        "CET-1CEST,0/,100",
        "CET-1CEST,99999999999999999999,100",
        "CET--1",
        " CET-1",
        "/etc/passwd",
    };
    for (size_t i = 0; i < LENGTH(bad); i++) {
        struct buf file = {0};
        put_file(&file, '3', 1, "\n");
        buf_text(&file, bad[i]);
        buf_text(&file, "\n");
        refuse(&file, "its footer is not a time zone rule");
        buf_close(&file);
    }
}

static void refuses_bad_files(void **state)
{
    (void)state;
    struct buf file = {0};
    refuse(&file, "it is not a TZif file");
    buf_text(&file, "# tzdb data for Europe and environs, which is text and not a TZif file\n");
    refuse(&file, "it is not a TZif file");
    file.len = 0;
    put_header(&file, 0, 0, 0, 0);
    buf_put(&file, "ABC", 4);
    refuse(&file, "it has no types");
    file.len = 0;
    put_header(&file, 0, 0, UINT32_MAX, UINT32_MAX);
    refuse(&file, "it is cut off");
    file.len = 0;
    put_file(&file, 0, 3000, "");
    refuse(&file, "it has too many times");
    file.len = 0;
    put_file(&file, 0, 3, "");
    file.data[44 + 4 + 3] = 0; /* the second time is before the first */
    file.data[44 + 4] = 0;
    file.data[44 + 5] = 0;
    refuse(&file, "its times are not in order");
    file.len = 0;
    put_file(&file, 0, 3, "");
    file.data[44 + 12] = 2;
    refuse(&file, "a time has no type");
    file.len = 0;
    put_file(&file, 0, 3, "");
    file.data[44 + 15] = 1;
    refuse(&file, "an offset is out of range");
    file.len = 0;
    put_header(&file, 0, 1, 0, 2);
    put_body(&file, 0, 4);
    put_number(&file, 1, 8);
    refuse(&file, "its times count leap seconds");
    buf_close(&file);
}

static void refuses_files_cut_anywhere(void **state)
{
    (void)state;
    static const char versions[] = {0, '2'};
    for (size_t i = 0; i < LENGTH(versions); i++) {
        struct buf file = {0};
        put_file(&file, versions[i], 3, "\nXXX7YYY,M3.2.0,M11.1.0\n");
        for (size_t len = 0; len < file.len; len++) {
            struct zone *zone = NULL;
            struct buf cut = {0};
            buf_put(&cut, file.data, len); /* so that reading beyond is seen */
            assert_int_equal(open_made(&zone, &cut, NULL), NEAP_EIO);
            buf_close(&cut);
        }
        buf_close(&file);
    }
}

/* Whatever is accepted must answer. */
static void survives_random_bytes(void **state)
{
    (void)state;
    struct buf good = {0};
    int accepted = 0;
    put_file(&good, '2', 5, "\nXXX7YYY,M3.2.0,M11.1.0\n");
    for (int round = 0; round < 1500; round++) {
        struct zone *zone = NULL;
        struct buf file = {0};
        buf_put(&file, good.data, good.len);
        for (int64_t n = next_random(1, 4); n > 0; n--)
            file.data[next_random(0, (int64_t)file.len)] = (char)next_random(0, 256);
        if (open_made(&zone, &file, NULL) == NEAP_OK) {
            accepted++;
            for (int n = 0; n < 20; n++) {
                const int64_t t = next_random(-ZONE_TIME_MAX, ZONE_TIME_MAX);
                const struct zone_span span = zone_span(zone, n % 2 ? t : t >> 20);
                assert_true(span.start_s < span.end_s);
            }
        }
        zone_free(zone);
        buf_close(&file);
    }
    assert_true(accepted > 50);
    buf_close(&good);
}

static void takes_no_special_or_huge_file(void **state)
{
    (void)state;
    char path[sizeof directory + 10];
    struct zone *zone = NULL;
    struct neap_error err;
    snprintf(path, sizeof path, "%s/Made", directory);
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(zone_open(&zone, "Made", &err), NEAP_EIO); /* and does not wait for a writer */
    unlink(path);
    write_made("", 0);
    assert_int_equal(truncate(path, 3 << 20), 0);
    assert_int_equal(zone_open(&zone, "Made", &err), NEAP_EIO);
    assert_non_null(strstr(err.message, "too large"));
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_libc),
        cmocka_unit_test(utc_needs_no_file),
        cmocka_unit_test(local_is_the_machines),
        cmocka_unit_test(refuses_names_that_lead_elsewhere),
    };
    const struct CMUnitTest made[] = {
        cmocka_unit_test(looks_in_tzdir_first),
        cmocka_unit_test(every_version),
        cmocka_unit_test(footers),
        cmocka_unit_test(the_footer_begins_after_the_last_time),
        cmocka_unit_test(refuses_bad_footers),
        cmocka_unit_test(refuses_bad_files),
        cmocka_unit_test(refuses_files_cut_anywhere),
        cmocka_unit_test(survives_random_bytes),
        cmocka_unit_test(takes_no_special_or_huge_file),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed + cmocka_run_group_tests_name("made", made, make_directory, remove_directory);
}
