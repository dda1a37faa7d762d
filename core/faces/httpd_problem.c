#include "faces/httpd_problem.h"

#include "faces/cli_value.h"
#include "neap.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX 1500 /* of one detail */

static const struct {
    int status;
    const char *phrase, *code;
} statuses[] = {
    {400, "Bad Request", "malformed"},
    {401, "Unauthorized", "unauthorized"},
    {403, "Forbidden", "forbidden"},
    {404, "Not Found", "not_found"},
    {405, "Method Not Allowed", "method_not_allowed"},
    {408, "Request Timeout", "timeout"},
    {409, "Conflict", "conflict"},
    {411, "Length Required", "length_required"},
    {413, "Content Too Large", "too_large"},
    {415, "Unsupported Media Type", "unsupported_media_type"},
    {421, "Misdirected Request", "wrong_host"},
    {422, "Unprocessable Content", "invalid"},
    {500, "Internal Server Error", "internal"},
    {501, "Not Implemented", "not_implemented"},
    {503, "Service Unavailable", "unavailable"},
    {505, "HTTP Version Not Supported", "version_not_supported"},
    {507, "Insufficient Storage", "no_space"},
};
#define STATUSES (sizeof statuses / sizeof *statuses)

static size_t find(int status)
{
    size_t i = 0;
    while (i < STATUSES && statuses[i].status != status)
        i++;
    return i;
}

const char *httpd_phrase(int status)
{
    const size_t i = find(status);
    return i < STATUSES ? statuses[i].phrase : "Error";
}

void httpd_problem_set(struct httpd_problem *p, int status, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const size_t i = find(status);
    p->status = status;
    p->code = i < STATUSES ? statuses[i].code : "error";
    p->detail.len = 0;
    buf_text(&p->detail, text);
}

void httpd_problem_add(struct httpd_problem *p, enum httpd_part part, const char *name,
                       const char *format, ...)
{
    static const char *const words[] = {"pointer", "parameter", "header", "path"};
    char text[TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!p->status)
        httpd_problem_set(p, part == PART_BODY ? 422 : 400, "%s%s%s",
                          part == PART_BODY && *name == '/' ? name + 1 : name, *name ? ": " : "",
                          text);
    if (p->errors.len)
        buf_byte(&p->errors, ',');
    buf_format(&p->errors, "{\"%s\":", words[part]);
    value_json_text(&p->errors, name, strlen(name));
    buf_text(&p->errors, ",\"detail\":");
    value_json_text(&p->errors, text, strlen(text));
    buf_byte(&p->errors, '}');
}

void httpd_problem_of(struct httpd_problem *p, int code, const char *message)
{
    const struct {
        int neap, status, retry_s;
        const char *code;
    } map[] = {
        {NEAP_EINVAL, 422, 0, "invalid"},     {NEAP_ENOENT, 404, 0, "not_found"},
        {NEAP_ECONFLICT, 409, 0, "conflict"}, {NEAP_ESTALE, 409, 0, "conflict"},
        {NEAP_EFULL, 503, 1, "queue_full"},   {NEAP_EAGAIN, 503, 1, "queue_full"},
        {NEAP_ENOSPC, 507, 10, "no_space"},   {NEAP_ECLOSED, 503, 5, "stopping"},
        {NEAP_ECONFIG, 422, 0, "bad_config"}, {NEAP_EIO, 500, 0, "io"},
        {NEAP_ETIME, 503, 1, "unavailable"},
    };
    for (size_t i = 0; i < sizeof map / sizeof *map; i++) {
        if (map[i].neap != code)
            continue;
        httpd_problem_set(p, map[i].status, "%s", message ? message : httpd_phrase(map[i].status));
        p->code = map[i].code;
        p->retry_after_s = map[i].retry_s;
        return;
    }
    httpd_problem_set(p, 500, "%s", message ? message : "code without a meaning");
}

bool httpd_problem_any(const struct httpd_problem *p)
{
    return p->status != 0;
}

void httpd_problem_put(const struct httpd_problem *p, struct buf *out)
{
    buf_format(out, "{\"title\":\"%s\",\"status\":%d,\"code\":\"%s\",\"detail\":",
               httpd_phrase(p->status), p->status, p->code);
    value_json_text(out, p->detail.data ? p->detail.data : "", p->detail.len);
    if (p->errors.len) {
        buf_text(out, ",\"errors\":[");
        buf_put(out, p->errors.data, p->errors.len);
        buf_byte(out, ']');
    }
    buf_byte(out, '}');
}

void httpd_problem_close(struct httpd_problem *p)
{
    buf_close(&p->detail);
    buf_close(&p->errors);
    buf_close(&p->value);
}
