#include "model/config_reader.h"

#include "base/buf.h"
#include "base/mem.h"
#include "model/config_options.h"

#include <ini.h>

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECTION_BYTES 49 /* what inih keeps of a section's name */

enum handed { NOTHING, KEY, MORE }; /* the line that inih got last and must call us back for */

struct reader { /* one read, its thread */
    const char *next, *end;
    int line;
    const struct config_events *events;
    void *user;
    const struct section_kind *kind; /* of the section we are in, or NULL */
    enum handed handed;
    bool comment; /* the line handed over ended in one */
    bool lost;    /* the key above was bad: skip what continues it */
    char *key;    /* the one being read, or NULL */
    int key_line;
    bool cut;
    struct buf value;
};

static bool is_space(char c) /* as inih's isspace in the C locale */
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
}

__attribute__((format(printf, 3, 4))) static void problem(struct reader *r, const char *key,
                                                          const char *format, ...)
{
    char text[200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    r->events->problem(r->user, r->line, key, text);
}

/* The value is whole once the next key, section or the end is seen. */
static void end_item(struct reader *r)
{
    if (r->key) {
        struct config_item item = {r->key, buf_string(&r->value), r->key_line, r->cut};
        r->events->item(r->user, &item);
    }
    free(r->key);
    r->key = NULL;
    r->value.len = 0;
    r->cut = false;
}

static bool quotes_open(const struct buf *value)
{
    bool open = false;
    for (size_t i = 0; i < value->len; i++) {
        if (open && value->data[i] == '\\')
            i++;
        else if (value->data[i] == '"')
            open = !open;
    }
    return open;
}

static int on_pair(void *user, const char *section, const char *name, const char *value)
{
    (void)section; /* cut at 49 bytes, and stale after a bad header: we keep our own */
    struct reader *r = user;
    enum handed handed = r->handed;
    r->handed = NOTHING;
    if (handed == KEY && !*name) {
        problem(r, NULL, "there is no key before the `=`");
        r->lost = true;
        return 1;
    }
    if (handed == KEY) {
        r->key = mem_text(name);
        r->key_line = r->line;
    } else {
        buf_byte(&r->value, ' ');
    }
    buf_text(&r->value, value);
    if (r->comment && quotes_open(&r->value))
        r->cut = true;
    return 1;
}

static void syntax_error(struct reader *r)
{
    problem(r, NULL, "neither `key = value` nor a [section] nor a comment");
    r->handed = NOTHING;
    r->lost = true;
}

/* Hands a line to inih, or an empty one where it does not fit. */
static char *hand(struct reader *r, enum handed what, const char *s, const char *e, char *out,
                  int size)
{
    size_t len = (size_t)(e - s), indent = what == MORE;
    if (len + indent > (size_t)size - 1) {
        problem(r, NULL,
                "the line is %zu bytes long, at most %d fit (continue a long value on indented "
                "lines, or take it from a file where file:PATH is allowed)",
                len + indent, size - 1);
        if (what == KEY)
            r->lost = true;
        *out = 0;
        return out;
    }
    *out = ' ';
    memcpy(out + indent, s, len);
    out[indent + len] = 0;
    r->handed = what;
    return out;
}

static bool looks_like_header(const char *s, const char *e)
{
    const char *word = s + 1;
    size_t len = 0;
    while (word + len < e && is_name(word[len]))
        len++;
    return *s == '[' && e[-1] == ']' && section_find(word, len);
}

/* `word =` always; `word:` only where it is a key we know, as values may hold "http://". */
static bool looks_like_key(const struct reader *r, const char *s, const char *e)
{
    const char *p = s;
    while (p < e && is_name(*p))
        p++;
    if (p == s)
        return false;
    char *word = mem_format("%.*s", (int)(p - s), s);
    bool known = r->kind && option_find(r->kind, word);
    free(word);
    while (p < e && is_space(*p))
        p++;
    return p < e && (*p == '=' || (*p == ':' && known));
}

static void header(struct reader *r, const char *s, const char *e)
{
    end_item(r);
    r->lost = false;
    r->kind = NULL;
    const char *close = memchr(s, ']', (size_t)(e - s));
    if (!close) {
        r->events->section(r->user, NULL, r->line);
        problem(r, NULL, "the [section] has no closing ]");
        return;
    }
    struct buf name = {0};
    for (const char *p = s + 1; p < close; p++) {
        if (!is_space(*p))
            buf_byte(&name, (uint8_t)*p);
        else if (name.len && !is_space(p[1]) && p + 1 < close)
            buf_byte(&name, ' ');
    }
    size_t word = strcspn(buf_string(&name), " ");
    if (name.len > SECTION_BYTES) {
        r->events->section(r->user, NULL, r->line);
        problem(r, NULL, "the section's name is %zu bytes long, at most %d fit", name.len,
                SECTION_BYTES);
    } else {
        r->kind = section_find(name.data, word);
        r->events->section(r->user, name.data, r->line);
        if (close + 1 < e)
            problem(r, NULL, "there is something after the ] (put keys on lines of their own)");
    }
    buf_close(&name);
}

static const char *before_comment(const char *s, const char *e) /* inih's rule: after a space */
{
    for (const char *p = s + 1; p < e; p++)
        if (*p == ';' && is_space(p[-1]))
            return p;
    return e;
}

static char *take_line(struct reader *r, const char *s, const char *e, char *out, int size)
{
    const char *line = s;
    *out = 0;
    while (s < e && is_space(*s))
        s++;
    if (s == e || *s == ';' || *s == '#')
        return out; /* a comment may be of any length */
    const char *end = before_comment(s, e);
    r->comment = end < e;
    e = end;
    while (is_space(e[-1]))
        e--;
    bool indented = s > line;
    if (indented ? looks_like_header(s, e) : *s == '[') {
        header(r, s, e);
        if (indented)
            problem(r, NULL, "a [section] must not be indented");
        return memcpy(out, "[s]", sizeof "[s]"); /* inih forgets the key above */
    }
    if (indented && !looks_like_key(r, s, e)) {
        if (!r->key && !r->lost)
            syntax_error(r);
        return r->key && !r->lost ? hand(r, MORE, s, e, out, size) : out;
    }
    end_item(r);
    r->lost = false;
    if (indented) {
        const char *p = s;
        while (is_name(*p))
            p++;
        char *key = mem_format("%.*s", (int)(p - s), s);
        problem(r, key, "a key must not be indented: an indented line continues the value above");
        free(key);
    }
    return hand(r, KEY, s, e, out, size);
}

static char *on_line(char *out, int size, void *user) /* inih's fgets */
{
    struct reader *r = user;
    if (r->handed != NOTHING)
        syntax_error(r);
    if (r->next == r->end)
        return NULL;
    const char *s = r->next;
    const char *newline = memchr(s, '\n', (size_t)(r->end - s));
    const char *e = newline ? newline : r->end;
    r->next = newline ? newline + 1 : r->end;
    r->line++;
    if (memchr(s, 0, (size_t)(e - s))) {
        problem(r, NULL, "a NUL byte: this is no UTF-8 text; the rest is not read");
        r->next = r->end;
        *out = 0;
        return out;
    }
    return take_line(r, s, e, out, size);
}

void config_read_text(const char *text, size_t len, const struct config_events *events, void *user)
{
    struct reader r = {.next = text, .end = text + len, .events = events, .user = user};
    if (len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        r.next += 3;
    ini_parse_stream(on_line, &r, on_pair, &r);
    end_item(&r);
    buf_close(&r.value);
}
