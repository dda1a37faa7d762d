#include "faces/httpd_uri.h"

#include "base/mem.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static int hex(char c)
{
    return c >= '0' && c <= '9'                 ? c - '0'
           : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                : -1;
}

static int escaped(const char *at) /* the byte of a %XX, or -1 */
{
    return hex(at[1]) < 0 || hex(at[2]) < 0 ? -1 : hex(at[1]) * 16 + hex(at[2]);
}

bool httpd_uri_check(const char *uri, struct httpd_problem *p)
{
    if (*uri != '/') {
        httpd_problem_set(p, 400, "the target of a request is a path");
        return false;
    }
    for (const char *at = uri; *at; at++) {
        const unsigned char c = (unsigned char)*at;
        const int byte = c == '%' ? escaped(at) : 'x';
        if (c <= ' ' || c >= 0x7f || c == '#') /* what else is to be escaped harms nobody */
            httpd_problem_set(p, 400,
                              "the target of a request has a character that is to be "
                              "escaped as %%%02X",
                              c);
        else if (byte < 0)
            httpd_problem_set(p, 400, "the target of a request has a %% that is no escape");
        else if (byte < ' ' || byte == 0x7f)
            httpd_problem_set(p, 400, "the target of a request has an escaped control character");
        if (httpd_problem_any(p))
            return false;
    }
    return true;
}

bool httpd_uri_part(const char **at, const char **part, size_t *len)
{
    if (**at != '/')
        return false;
    *part = *at + 1;
    *len = strcspn(*part, "/?");
    *at = *part + *len;
    return true;
}

char *httpd_uri_decode(const char *text, size_t len)
{
    char *out = mem_alloc(len + 1);
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        const bool escape = text[i] == '%';
        out[n++] = escape ? (char)escaped(text + i) : text[i];
        i += escape ? 2 : 0;
    }
    out[n] = '\0';
    return out;
}

static bool is_there(const struct neap_param *params, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(params[i].name, name) == 0)
            return true;
    return false;
}

bool httpd_uri_query(const char *uri, bool repeat, struct neap_param *out, size_t max,
                     size_t *count, struct httpd_problem *p)
{
    const char *at = strchr(uri, '?');
    while (at && at[1]) {
        const char *item = at + 1;
        const size_t len = strcspn(item, "&");
        const size_t name_len = strcspn(item, "=&");
        at = item[len] ? item + len : NULL;
        if (len == 0)
            continue;
        char *name = httpd_uri_decode(item, name_len);
        if (*count == max)
            httpd_problem_set(p, 400, "more than %zu parameters", max);
        else if (is_there(out, *count, name) && !(repeat && strcmp(name, "priority") == 0))
            httpd_problem_add(p, PART_QUERY, name,
                              "stands twice; several values are separated by "
                              "commas");
        if (httpd_problem_any(p)) {
            free(name);
            return false;
        }
        const size_t skip = name_len < len ? name_len + 1 : len;
        out[(*count)++] =
            (struct neap_param){.name = name, .value = httpd_uri_decode(item + skip, len - skip)};
    }
    return true;
}

bool httpd_query_has(const char *uri, const char *name)
{
    const size_t len = strlen(name);
    for (const char *at = strchr(uri, '?'); at; at = strchr(at + 1, '&'))
        if (strncmp(at + 1, name, len) == 0 && strchr("=&", at[1 + len]))
            return true;
    return false;
}
