#include "faces/term.h"

#include "base/text.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

bool term_is(int fd)
{
    const char *type = getenv("TERM");
    return isatty(fd) && type && *type && strcmp(type, "dumb") != 0;
}

bool term_colour(int fd)
{
    const char *none = getenv("NO_COLOR");
    return term_is(fd) && !(none && *none);
}

static size_t dimension(const char *name, bool columns, size_t otherwise)
{
    const char *text = getenv(name);
    struct winsize size = {0};
    int64_t number;
    if (text && text_integer(text, &number) && number > 0 && number < 100000)
        return (size_t)number;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
        return otherwise;
    const size_t told = columns ? size.ws_col : size.ws_row;
    return told ? told : otherwise;
}

size_t term_columns(void)
{
    return dimension("COLUMNS", true, 80);
}

size_t term_rows(void)
{
    return dimension("LINES", false, 24);
}

/* The code point at `text`, which is valid UTF-8, and its bytes. */
static uint32_t decode(const char *text, size_t left, size_t *len)
{
    const unsigned char *p = (const unsigned char *)text;
    *len = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (*len > left)
        *len = 1;
    uint32_t point = *len == 1 ? p[0] : p[0] & (0x7fu >> *len);
    for (size_t i = 1; i < *len; i++)
        point = point << 6 | (p[i] & 0x3f);
    return point;
}

static bool turns_direction(uint32_t point)
{
    return point == 0x061c || point == 0x200e || point == 0x200f ||
           (point >= 0x202a && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
}

static void put_point(struct buf *out, uint32_t point, const char *bytes, size_t len,
                      enum term_how how)
{
    if (how == TERM_LINES && (point == '\n' || point == '\t'))
        buf_byte(out, (uint8_t)point);
    else if (point == '\n' || point == '\t' || point == '\r')
        buf_format(out, "\\%c", point == '\n' ? 'n' : point == '\t' ? 't' : 'r');
    else if (point < 0x20 || (point >= 0x7f && point < 0xa0))
        buf_format(out, "\\x%02x", (unsigned)point);
    else if (turns_direction(point) || point == 0x2028 || point == 0x2029)
        buf_format(out, "\\u{%x}", (unsigned)point);
    else
        buf_put(out, bytes, len);
}

void term_text(struct buf *out, const char *text, size_t len, enum term_how how)
{
    struct buf valid = {0};
    size_t step;
    text_put_utf8(&valid, text, len);
    for (size_t at = 0; at < valid.len; at += step) {
        const uint32_t point = decode(valid.data + at, valid.len - at, &step);
        put_point(out, point, valid.data + at, step, how);
    }
    buf_close(&valid);
}

/* Columns of the start of `text` that has at most `columns`; *bytes: how much of it that is. */
static size_t measure(const char *text, size_t len, size_t columns, size_t *bytes)
{
    const locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    const locale_t before = utf8 ? uselocale(utf8) : (locale_t)0;
    size_t width = 0, at = 0, step;
    for (; at < len; at += step) {
        const uint32_t point = decode(text + at, len - at, &step);
        const int cells = point < 0x80 ? 1 : utf8 ? wcwidth((wchar_t)point) : 1;
        const size_t wide = cells < 0 ? 1 : (size_t)cells;
        if (width + wide > columns)
            break;
        width += wide;
    }
    *bytes = at;
    if (utf8) {
        uselocale(before);
        freelocale(utf8);
    }
    return width;
}

static bool plain(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] >= 0x80)
            return false;
    return true;
}

size_t term_width(const char *text, size_t len)
{
    if (plain(text, len))
        return len;
    size_t bytes;
    return measure(text, len, SIZE_MAX, &bytes);
}

size_t term_fit(const char *text, size_t len, size_t columns)
{
    if (plain(text, len))
        return len < columns ? len : columns;
    size_t bytes;
    measure(text, len, columns, &bytes);
    return bytes;
}

void screen_draw(struct screen *s, struct output *out, const char *text, size_t len)
{
    struct buf *b = output_buf(out);
    const size_t most = term_rows() > 1 ? term_rows() - 1 : 1;
    size_t rows = 0;
    if (s->rows)
        buf_format(b, "\033[%zuA", s->rows);
    for (size_t at = 0; at < len && rows < most; rows++) {
        const char *end = memchr(text + at, '\n', len - at);
        const size_t step = end ? (size_t)(end - (text + at)) : len - at;
        buf_text(b, "\033[K"); /* first: a line of full width leaves the cursor on its end */
        buf_put(b, text + at, step);
        buf_byte(b, '\n');
        at += step + 1;
    }
    buf_text(b, "\033[J");
    s->rows = rows;
    output_flush(out);
}

void term_span(struct buf *out, int64_t ms)
{
    const int64_t s = ms / 1000;
    if (ms < 1000)
        buf_format(out, "%lldms", (long long)(ms < 0 ? 0 : ms));
    else if (s < 120)
        buf_format(out, "%llds", (long long)s);
    else if (s < 2 * 3600)
        buf_format(out, "%lldm", (long long)(s / 60));
    else if (s < 2 * 86400)
        buf_format(out, "%lldh", (long long)(s / 3600));
    else
        buf_format(out, "%lldd", (long long)(s / 86400));
}
