#include "model/zone.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/date.h"
#include "base/error.h"
#include "base/mem.h"

#define FILE_MAX (1 << 20) /* bytes; the largest of tzdata has 4,000 */
#define NAME_MAX_BYTES 100
#define TIMES_MAX 2000     /* as elsewhere; tzdata has 240 */
#define OFFSET_MAX_S 93600 /* RFC 8536: should be within -25 and +26 hours */

/* A day of the year and a time on it, when the offset changes. */
struct edge {
    char kind; /* 'M': month, week, weekday; 'J': day 1-365 without Feb 29; 'N': day 0-365 */
    int month, week, day;
    int time_s; /* of wall time before the change; may lie in other days */
};

/* The footer: what holds after the last transition. */
struct rule {
    int std_s, dst_s;       /* offsets east of UTC */
    bool has_dst;           /* else the edges are not set */
    struct edge start, end; /* of daylight saving */
};

struct zone {
    size_t count;
    int64_t *times;   /* ascending */
    int32_t *offsets; /* offsets[i] holds from times[i] */
    int32_t first_s;  /* before the first */
    bool has_rule;    /* else the last offset holds for ever */
    struct rule rule;
};

/* The footer is a POSIX TZ string, with RFC 8536's hours to 167. */

static bool take_number(const char **p, int max, int *out)
{
    int value = 0;
    const char *first = *p;
    for (; **p >= '0' && **p <= '9'; (*p)++) {
        value = value * 10 + **p - '0';
        if (value > max)
            return false;
    }
    *out = value;
    return *p != first;
}

/* [+-]h[:m[:s]] */
static bool take_time(const char **p, int max_hours, int *out_s)
{
    const bool negative = **p == '-';
    int hours, minutes = 0, seconds = 0;
    if (**p == '-' || **p == '+')
        (*p)++;
    if (!take_number(p, max_hours, &hours))
        return false;
    if (**p == ':') {
        (*p)++;
        if (!take_number(p, 59, &minutes))
            return false;
        if (**p == ':') {
            (*p)++;
            if (!take_number(p, 59, &seconds))
                return false;
        }
    }
    const int total = hours * 3600 + minutes * 60 + seconds;
    *out_s = negative ? -total : total;
    return true;
}

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool take_abbreviation(const char **p)
{
    const bool quoted = **p == '<';
    *p += quoted;
    const char *first = *p;
    while (is_letter(**p) || (quoted && **p && strchr("+-0123456789", **p)))
        (*p)++;
    if (*p - first < 3)
        return false;
    if (quoted && *(*p)++ != '>')
        return false;
    return true;
}

static bool take_char(const char **p, char c)
{
    if (**p != c)
        return false;
    (*p)++;
    return true;
}

/* ",M3.2.0/2" */
static bool take_edge(const char **p, struct edge *out)
{
    if (!take_char(p, ','))
        return false;
    *out = (struct edge){.kind = 'N', .time_s = 7200};
    if (take_char(p, 'M')) {
        out->kind = 'M';
        if (!take_number(p, 12, &out->month) || !take_char(p, '.') ||
            !take_number(p, 5, &out->week) || !take_char(p, '.') || !take_number(p, 6, &out->day) ||
            out->month < 1 || out->week < 1)
            return false;
    } else {
        if (take_char(p, 'J'))
            out->kind = 'J';
        if (!take_number(p, 365, &out->day) || (out->kind == 'J' && out->day < 1))
            return false;
    }
    return !take_char(p, '/') || take_time(p, 167, &out->time_s);
}

static bool parse_rule(const char *p, struct rule *out)
{
    int west_s;
    if (!take_abbreviation(&p) || !take_time(&p, 24, &west_s))
        return false;
    *out = (struct rule){.std_s = -west_s};
    if (!*p)
        return true;
    if (!take_abbreviation(&p))
        return false;
    out->has_dst = true;
    out->dst_s = out->std_s + 3600;
    if (*p != ',') {
        if (!take_time(&p, 24, &west_s))
            return false;
        out->dst_s = -west_s;
    }
    return take_edge(&p, &out->start) && take_edge(&p, &out->end) && !*p;
}

static int64_t edge_day(const struct edge *edge, int64_t year)
{
    const int64_t new_year = date_to_days((struct date){year, 1, 1});
    if (edge->kind == 'N')
        return new_year + edge->day;
    if (edge->kind == 'J')
        return new_year + edge->day - 1 + (edge->day >= 60 && date_leap(year));
    const int64_t first = date_to_days((struct date){year, edge->month, 1});
    int day = (edge->day - date_weekday(first) + 7) % 7 + 7 * (edge->week - 1);
    if (day >= date_month_days(year, edge->month))
        day -= 7; /* week 5 is the last one */
    return first + day;
}

/* An edge may lie a week outside its year, hence the two years on either side. */
static struct zone_span rule_span(const struct rule *rule, int64_t unix_s)
{
    struct zone_span span = {INT64_MIN, INT64_MAX, rule->std_s};
    if (!rule->has_dst)
        return span;
    const int64_t now = date_from_days(date_floor(unix_s, DATE_DAY_S)).year;
    for (int64_t year = now - 2; year <= now + 2; year++) {
        for (int starts = 0; starts < 2; starts++) {
            const struct edge *edge = starts ? &rule->start : &rule->end;
            const int64_t at_s = edge_day(edge, year) * DATE_DAY_S + edge->time_s -
                                 (starts ? rule->std_s : rule->dst_s);
            if (at_s > unix_s) {
                if (at_s < span.end_s)
                    span.end_s = at_s;
            } else if (at_s > span.start_s || (at_s == span.start_s && starts)) {
                /* an end and a start at once: daylight saving all year */
                span.start_s = at_s;
                span.offset_s = starts ? rule->dst_s : rule->std_s;
            }
        }
    }
    return span;
}

struct zone_span zone_span(const struct zone *zone, int64_t unix_s)
{
    assert(unix_s >= -ZONE_TIME_MAX && unix_s <= ZONE_TIME_MAX);
    const size_t count = zone->count;
    if (zone->has_rule && (!count || unix_s >= zone->times[count - 1])) {
        struct zone_span span = rule_span(&zone->rule, unix_s);
        if (count && span.start_s < zone->times[count - 1])
            span.start_s = zone->times[count - 1];
        return span;
    }
    size_t low = 0, high = count; /* how many times are <= unix_s */
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (zone->times[middle] <= unix_s)
            low = middle + 1;
        else
            high = middle;
    }
    return (struct zone_span){
        .start_s = low ? zone->times[low - 1] : INT64_MIN,
        .end_s = low < count ? zone->times[low] : INT64_MAX,
        .offset_s = low ? zone->offsets[low - 1] : zone->first_s,
    };
}

static int64_t big_endian(const unsigned char *p, size_t size)
{
    uint64_t value = p[0] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | p[i];
    return (int64_t)value;
}

#define HEADER_BYTES 44

struct header {
    unsigned char version;
    uint32_t isut, isstd, leaps, times, types, chars;
};

static bool read_header(const unsigned char *p, size_t len, struct header *out)
{
    if (len < HEADER_BYTES || memcmp(p, "TZif", 4) != 0)
        return false;
    uint32_t *const counts[] = {&out->isut,  &out->isstd, &out->leaps,
                                &out->times, &out->types, &out->chars};
    out->version = p[4];
    for (size_t i = 0; i < 6; i++)
        *counts[i] = (uint32_t)big_endian(p + 20 + 4 * i, 4);
    return true;
}

static uint64_t body_bytes(const struct header *h, size_t time_bytes)
{
    return (uint64_t)h->times * (time_bytes + 1) + (uint64_t)h->types * 6 + h->chars +
           (uint64_t)h->leaps * (time_bytes + 4) + h->isstd + h->isut;
}

/* The data block at `p`, whose size was checked. NULL, or what is wrong with it. */
static const char *read_body(struct zone *zone, const struct header *h, const unsigned char *p,
                             size_t time_bytes)
{
    const unsigned char *indexes = p + h->times * time_bytes;
    const unsigned char *types = indexes + h->times;
    if (h->types == 0 || h->types > 256)
        return "it has no types";
    if (h->times > TIMES_MAX)
        return "it has too many times";
    if (h->leaps)
        return "its times count leap seconds";
    for (size_t i = 0; i < h->types; i++) {
        const int64_t offset = big_endian(types + 6 * i, 4);
        if (offset < -OFFSET_MAX_S || offset > OFFSET_MAX_S)
            return "an offset is out of range";
    }
    zone->first_s = (int32_t)big_endian(types, 4);
    zone->count = h->times;
    zone->times = mem_zero(h->times, sizeof *zone->times);
    zone->offsets = mem_zero(h->times, sizeof *zone->offsets);
    for (size_t i = 0; i < h->times; i++) {
        zone->times[i] = big_endian(p + i * time_bytes, time_bytes);
        if (i && zone->times[i] <= zone->times[i - 1])
            return "its times are not in order";
        if (indexes[i] >= h->types)
            return "a time has no type";
        zone->offsets[i] = (int32_t)big_endian(types + 6 * (size_t)indexes[i], 4);
    }
    return NULL;
}

/* "\n" rule "\n" to the end; an empty rule says nothing. */
static const char *read_footer(struct zone *zone, const unsigned char *p, size_t len)
{
    char text[128];
    const unsigned char *end = len > 1 && p[0] == '\n' ? memchr(p + 1, '\n', len - 1) : NULL;
    if (!end || (size_t)(end - p) > sizeof text)
        return "its footer is cut off";
    const size_t text_len = (size_t)(end - p) - 1;
    memcpy(text, p + 1, text_len);
    text[text_len] = 0;
    if (!text_len)
        return NULL;
    if (strlen(text) != text_len || !parse_rule(text, &zone->rule))
        return "its footer is not a time zone rule";
    zone->has_rule = true;
    return NULL;
}

static const char *read_zone(struct zone *zone, const unsigned char *p, size_t len)
{
    struct header h;
    size_t time_bytes = 4;
    if (!read_header(p, len, &h))
        return "it is not a TZif file";
    p += HEADER_BYTES;
    len -= HEADER_BYTES;
    uint64_t body = body_bytes(&h, time_bytes);
    if (body > len)
        return "it is cut off";
    if (h.version >= '2') { /* the same again, with 64 bits */
        p += body;
        len -= (size_t)body;
        time_bytes = 8;
        if (!read_header(p, len, &h))
            return "it is cut off";
        p += HEADER_BYTES;
        len -= HEADER_BYTES;
        body = body_bytes(&h, time_bytes);
        if (body > len)
            return "it is cut off";
    }
    const char *wrong = read_body(zone, &h, p, time_bytes);
    if (!wrong && time_bytes == 8)
        wrong = read_footer(zone, p + body, len - (size_t)body);
    return wrong;
}

/* Reads a whole regular file of at most FILE_MAX bytes; else false with errno. */
static bool read_file(const char *path, struct buf *out)
{
    struct stat st;
    bool done = false;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return false;
    if (fstat(fd, &st))
        goto out;
    errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
    if (!S_ISREG(st.st_mode))
        goto out;
    while (out->len <= FILE_MAX) {
        buf_reserve(out, 4096);
        const ssize_t got = read(fd, out->data + out->len, 4096);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            done = got == 0;
            goto out;
        }
        out->len += (size_t)got;
    }
    errno = EFBIG;
out:
    close(fd); /* leaves errno alone: the file was only read */
    return done;
}

static int load(struct zone **out, const char *path, struct neap_error *err)
{
    struct buf bytes = {0};
    int rc = NEAP_OK;
    if (!read_file(path, &bytes)) {
        rc = errno == ENOENT || errno == ENOTDIR || errno == EISDIR ? NEAP_ENOENT : NEAP_EIO;
        error_set(err, rc, "cannot read the time zone %s: %s", path, strerror(errno));
        goto out;
    }
    struct zone *zone = mem_zero(1, sizeof *zone);
    const char *wrong = read_zone(zone, (const unsigned char *)bytes.data, bytes.len);
    if (wrong) {
        zone_free(zone);
        rc = error_set(err, NEAP_EIO, "cannot use the time zone %s: %s", path, wrong);
        goto out;
    }
    *out = zone;
out:
    buf_close(&bytes);
    return rc;
}

/* Parts of letters, digits and "_+-." between single slashes; none leads out of the directory. */
static bool is_zone_name(const char *name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789_+-.";
    if (strlen(name) > NAME_MAX_BYTES)
        return false;
    for (;;) {
        const size_t len = strspn(name, allowed);
        if (len == 0 || name[0] == '.' || (name[len] && name[len] != '/'))
            return false;
        if (!name[len])
            return true;
        name += len + 1;
    }
}

/* NEAP_ENOENT if it is not in this directory. */
static int load_from(struct zone **out, const char *directory, const char *name,
                     struct neap_error *err)
{
    char *path = mem_format("%s/%s", directory, name);
    const int rc = load(out, path, err);
    free(path);
    return rc;
}

static int search(struct zone **out, const char *name, struct neap_error *err)
{
    static const char standard[] = "/usr/share/zoneinfo";
    const char *own = getenv("TZDIR");
    struct stat st;
    if (own && *own) {
        const int rc = load_from(out, own, name, err);
        if (rc != NEAP_ENOENT)
            return rc;
    } else {
        own = NULL;
    }
    const int rc = load_from(out, standard, name, err);
    if (rc != NEAP_ENOENT)
        return rc;
    if (stat(standard, &st) && (!own || stat(own, &st)))
        return error_set(err, rc,
                         "no time zone %s: this machine has no time zone database in %s%s%s"
                         " (install the package tzdata, or use UTC)",
                         name, own ? own : "", own ? " or " : "", standard);
    return error_set(err, rc, "no time zone %s in %s%s%s", name, own ? own : "", own ? " or " : "",
                     standard);
}

int zone_open(struct zone **out, const char *name, struct neap_error *err)
{
    int rc = NEAP_ENOENT;
    if (name && !strcmp(name, "local")) {
        rc = load(out, "/etc/localtime", err);
        if (rc != NEAP_ENOENT)
            return rc;
    } else if (name && strcmp(name, "UTC") != 0) {
        if (!is_zone_name(name))
            return error_set(err, NEAP_EINVAL,
                             "\"%.*s\" is not the name of a time zone (one is Europe/Paris)",
                             NAME_MAX_BYTES, name);
        return search(out, name, err);
    }
    *out = mem_zero(1, sizeof **out); /* no times, no rule: UTC for ever */
    return NEAP_OK;
}

void zone_free(struct zone *zone)
{
    if (!zone)
        return;
    free(zone->times);
    free(zone->offsets);
    free(zone);
}
