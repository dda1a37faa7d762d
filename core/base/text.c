#include "base/text.h"

#include <assert.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/date.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char *skip_digits(const char *p)
{
    while (is_digit(*p))
        p++;
    return p;
}

/* Reads "12.5" or ".5" times `unit`, rounded up, in integers: a double would make 0.07 s 71 ms.
 * *text moves behind it. */
static bool take_scaled(const char **text, int64_t unit, int64_t *out, bool *fraction)
{
    const char *p = *text;
    int64_t value = 0;
    for (; is_digit(*p); p++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *p - '0', &value))
            return false;
    if (p == *text && !(*p == '.' && is_digit(p[1])))
        return false;
    if (__builtin_mul_overflow(value, unit, &value))
        return false;
    *fraction = *p == '.';
    if (*fraction) {
        const char *first = p + 1;
        p = skip_digits(first);
        if (p == first)
            return false;
        int64_t part = 0;
        bool rest = false;
        for (const char *digit = p; digit-- > first;) { /* nested floors are exact */
            part += (*digit - '0') * unit;
            rest |= part % 10 != 0;
            part /= 10;
        }
        if (__builtin_add_overflow(value, part + rest, &value))
            return false;
    }
    *text = p;
    *out = value;
    return true;
}

struct unit {
    char name[3];
    int64_t ms;
};

static const struct unit units[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1},
};
#define UNITS (sizeof units / sizeof *units)

/* The length of the number at `p`, so that its unit is known before it is scaled. */
static size_t number_span(const char *p)
{
    return strspn(p, "0123456789.");
}

static const struct unit *unit_at(const char *p)
{
    const size_t len = strspn(p, "abcdefghijklmnopqrstuvwxyz");
    for (size_t i = 0; i < UNITS; i++)
        if (strlen(units[i].name) == len && !memcmp(p, units[i].name, len))
            return &units[i];
    return NULL;
}

/* Into units of which there are `per_ms` in a millisecond. */
static bool duration(const char *text, int64_t per_ms, int64_t *out)
{
    bool fraction = false;
    int64_t sum = 0, part;
    if (!text[number_span(text)]) {
        if (!take_scaled(&text, 1000 * per_ms, &part, &fraction) || *text)
            return false;
        *out = part;
        return true;
    }
    const struct unit *last = NULL;
    while (*text) {
        const struct unit *unit = unit_at(text + number_span(text));
        if (!unit || (last && unit <= last) || fraction ||
            !take_scaled(&text, unit->ms * per_ms, &part, &fraction) || unit_at(text) != unit ||
            __builtin_add_overflow(sum, part, &sum))
            return false;
        text += strlen(unit->name);
        last = unit;
    }
    *out = sum;
    return true;
}

bool text_duration(const char *text, int64_t *ms)
{
    return duration(text, 1, ms);
}

bool text_duration_us(const char *text, int64_t *us)
{
    return duration(text, 1000, us);
}

/* Takes the whole `unit_ms` out of *rest. */
static void put_unit(struct buf *out, uint64_t *rest, uint64_t unit_ms, const char *name)
{
    if (*rest >= unit_ms)
        buf_format(out, "%" PRIu64 "%s", *rest / unit_ms, name);
    *rest %= unit_ms;
}

void text_put_duration(struct buf *out, int64_t ms)
{
    if (ms < 0)
        buf_byte(out, '-');
    uint64_t rest = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
    if (rest == 0)
        buf_text(out, "0s");
    put_unit(out, &rest, 86400000, "d");
    put_unit(out, &rest, 3600000, "h");
    put_unit(out, &rest, 60000, "m");
    if (rest >= 1000) {
        buf_format(out, "%" PRIu64, rest / 1000);
        if (rest % 1000) {
            buf_format(out, ".%03d", (int)(rest % 1000));
            while (out->data[out->len - 1] == '0')
                out->len--;
        }
        buf_byte(out, 's');
    } else if (rest) {
        buf_format(out, "%dms", (int)rest);
    }
}

bool text_size(const char *text, int64_t *bytes)
{
    static const char suffixes[] = "KMG";
    const char *end = skip_digits(text);
    int64_t unit = 1, value;
    if (end == text)
        return false;
    if (*end) {
        const char *suffix = strchr(suffixes, *end);
        if (!suffix || end[1])
            return false;
        unit = (int64_t)1 << 10 * (suffix - suffixes + 1);
    }
    bool fraction;
    if (!take_scaled(&text, unit, &value, &fraction))
        return false;
    *bytes = value;
    return true;
}

bool text_integer(const char *text, int64_t *out)
{
    const bool negative = *text == '-';
    text += negative;
    if (!*text)
        return false;
    int64_t value = 0; /* counted down: the least integer has no positive twin */
    for (; *text; text++)
        if (!is_digit(*text) || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, *text - '0', &value))
            return false;
    if (!negative && value == INT64_MIN)
        return false;
    *out = negative ? value : -value;
    return true;
}

static bool is_number(const char *p)
{
    p += *p == '-';
    const char *end = skip_digits(p);
    if (*end == '.') {
        p = end + 1;
        end = skip_digits(p);
    }
    if (end == p)
        return false;
    if (*end == 'e' || *end == 'E') {
        p = end + 1;
        p += *p == '-' || *p == '+';
        end = skip_digits(p);
        if (end == p)
            return false;
    }
    return !*end;
}

bool text_number(const char *text, double *out)
{
    if (!is_number(text))
        return false;
    /* This locale is built into libc: making it allocates nothing. */
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    assert(plain);
    const double value = strtod_l(text, NULL, plain);
    freelocale(plain);
    if (!isfinite(value))
        return false;
    *out = value;
    return true;
}

/* Exactly `count` digits, and then `after` unless that is 0; *text moves behind them. */
static bool take_digits(const char **text, int count, char after, int *out)
{
    const char *p = *text;
    int value = 0;
    for (int i = 0; i < count; i++, p++) {
        if (!is_digit(*p))
            return false;
        value = value * 10 + *p - '0';
    }
    if (after && *p++ != after)
        return false;
    *text = p;
    *out = value;
    return true;
}

/* "Z" or "+02:00", in seconds east; nothing may follow. */
static bool take_offset(const char *p, int *offset_s)
{
    if ((*p == 'Z' || *p == 'z') && !p[1]) {
        *offset_s = 0;
        return true;
    }
    const char sign = *p;
    int hour, minute;
    if (sign != '+' && sign != '-')
        return false;
    p++;
    if (!take_digits(&p, 2, ':', &hour) || !take_digits(&p, 2, 0, &minute) || *p || hour > 23 ||
        minute > 59)
        return false;
    *offset_s = (sign == '-' ? -1 : 1) * (hour * 3600 + minute * 60);
    return true;
}

static bool unix_time(const char *p, int64_t *ms)
{
    int64_t value;
    bool fraction;
    if (!take_scaled(&p, 1000, &value, &fraction) || *p)
        return false;
    *ms = value;
    return true;
}

bool text_time(const char *text, int64_t *ms)
{
    const char *p = text;
    int year, month, day, hour, minute, second, offset_s;
    int64_t fraction_ms = 0;
    bool fraction;
    if (!take_digits(&p, 4, '-', &year))
        return unix_time(text, ms);
    if (!take_digits(&p, 2, '-', &month) || !take_digits(&p, 2, 0, &day) || !*p ||
        !strchr("Tt ", *p))
        return false;
    p++;
    if (!take_digits(&p, 2, ':', &hour) || !take_digits(&p, 2, ':', &minute) ||
        !take_digits(&p, 2, 0, &second))
        return false;
    if (*p == '.' && !take_scaled(&p, 1000, &fraction_ms, &fraction))
        return false;
    if (!take_offset(p, &offset_s))
        return false;
    if (month < 1 || month > 12 || day < 1 || day > date_month_days(year, month) || hour > 23 ||
        minute > 59 || second > 60) /* 60: a leap second, which Unix time counts as the next */
        return false;
    const int64_t days = date_to_days((struct date){year, month, day});
    const int64_t seconds = days * DATE_DAY_S + hour * 3600 + minute * 60 + second - offset_s;
    *ms = seconds * 1000 + fraction_ms;
    return true;
}

static void put_digits(struct buf *out, int value, int count, char after)
{
    char text[8];
    text[count] = after;
    for (int i = count; i-- > 0; value /= 10)
        text[i] = (char)('0' + value % 10);
    buf_put(out, text, (size_t)count + 1);
}

void text_put_time(struct buf *out, int64_t ms)
{
    const int64_t day_ms = (int64_t)DATE_DAY_S * 1000;
    const int64_t days = date_floor(ms, day_ms);
    const int of_day = (int)((ms % day_ms + day_ms) % day_ms);
    const struct date date = date_from_days(days);
    if (date.year < 0 || date.year > 9999)
        buf_format(out, "%04" PRId64 "-", date.year);
    else
        put_digits(out, (int)date.year, 4, '-');
    put_digits(out, date.month, 2, '-');
    put_digits(out, date.day, 2, 'T');
    put_digits(out, of_day / 3600000, 2, ':');
    put_digits(out, of_day / 60000 % 60, 2, ':');
    put_digits(out, of_day / 1000 % 60, 2, '.');
    put_digits(out, of_day % 1000, 3, 'Z');
}

bool text_name(const char *text, size_t len, size_t max)
{
    if (len == 0 || len > max)
        return false;
    for (size_t i = 0; i < len; i++) {
        const char c = text[i], lower = (char)(c | 0x20);
        if (!is_digit(c) && !(lower >= 'a' && lower <= 'z') && c != '_' && c != '-')
            return false;
    }
    return true;
}

#define NEAREST_MAX 64 /* bytes of a word worth a suggestion */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment: insert, delete, replace, swap neighbours. Both at most NEAREST_MAX. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t rows[3][NEAREST_MAX + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b_len; j++)
        last[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            row[j] = least(least(last[j], row[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
        size_t *oldest = before;
        before = last;
        last = row;
        row = oldest;
    }
    return last[b_len];
}

const char *text_nearest(const char *word, const char *const *candidates, size_t count)
{
    const size_t len = strlen(word);
    const char *nearest = NULL;
    if (len > NEAREST_MAX)
        return NULL;
    size_t bound = (len < 3 ? 1 : len / 3) + 1; /* look for less than this */
    for (size_t i = 0; i < count; i++) {
        const size_t other = strlen(candidates[i]);
        if (other > NEAREST_MAX)
            continue;
        const size_t d = distance(word, len, candidates[i], other);
        if (d < bound && (d == 0 || d < (len > other ? len : other))) {
            nearest = candidates[i];
            bound = d;
        }
    }
    return nearest;
}

/* The bytes of the sequence at `s` (1-4), `*valid` or not. Of an invalid one as many as could have
 * begun a valid one, at least 1: what Unicode recommends to replace by one U+FFFD. */
static size_t utf8_span(const unsigned char *s, size_t len, bool *valid)
{
    unsigned char low = 0x80, high = 0xbf; /* what the second byte may be */
    size_t want;
    if (s[0] < 0x80)
        want = 1;
    else if (s[0] >= 0xc2 && s[0] <= 0xdf)
        want = 2;
    else if (s[0] >= 0xe0 && s[0] <= 0xef)
        want = 3;
    else if (s[0] >= 0xf0 && s[0] <= 0xf4)
        want = 4;
    else {
        *valid = false;
        return 1;
    }
    if (s[0] == 0xe0)
        low = 0xa0; /* shorter would do */
    else if (s[0] == 0xed)
        high = 0x9f; /* surrogates */
    else if (s[0] == 0xf0)
        low = 0x90; /* shorter would do */
    else if (s[0] == 0xf4)
        high = 0x8f; /* beyond U+10FFFF */
    size_t got = 1;
    while (got < want && got < len && s[got] >= low && s[got] <= high) {
        low = 0x80;
        high = 0xbf;
        got++;
    }
    *valid = got == want;
    return got;
}

void text_put_utf8(struct buf *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        bool valid;
        const size_t span = utf8_span((const unsigned char *)text + i, len - i, &valid);
        if (valid)
            buf_put(out, text + i, span);
        else
            buf_text(out, "\xef\xbf\xbd");
        i += span;
    }
}
