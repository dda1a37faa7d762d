/* Any bytes as the body of a submission: it is refused with a status and words that are themselves
 * sound JSON, or read; then its arguments are the text that the client sent, and mean what a parser
 * of the whole says. */
#include <assert.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "faces/httpd_body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_problem(const struct httpd_problem *p)
{
    struct buf text = {0};
    assert(p->status >= 400 && p->status < 500);
    httpd_problem_put(p, &text);
    json_t *json = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
    assert(json_integer_value(json_object_get(json, "status")) == p->status);
    json_decref(json);
    buf_close(&text);
}

static void check_args(const struct httpd_submission *s)
{
    json_t *whole = json_object_get(s->root, "args");
    const struct neap_request *r = &s->request;
    assert((whole != NULL) == (r->args != NULL));
    if (!whole)
        return;
    json_t *part = json_loadb(r->args, r->args_len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    assert(part && json_equal(part, whole));
    json_decref(part);
    size_t len;
    struct neap_error err = {0};
    void *packed = neap_from_json(r->args, r->args_len, &len, &err);
    assert(packed || *err.message);
    free(packed);
}

static void check_request(const struct neap_request *r)
{
    assert(r->task && *r->task);
    assert(r->delay_ms >= 0 && r->at_ms >= 0 && r->expires_ms >= 0 && r->timeout_ms >= -1);
    assert(!r->delay_ms || !r->at_ms);
    assert(r->priority >= NEAP_PRIORITY_MIN && r->priority <= NEAP_PRIORITY_MAX);
    uint64_t read = 0;
    for (size_t i = 0; i < r->n_after; i++)
        read ^= r->after[i]; /* all of them are there */
    assert(r->n_after || !read);
    for (size_t i = 0; r->unique && i < r->unique->n_by; i++)
        assert(r->unique->by[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct httpd_problem problem = {0};
    struct httpd_submission s;
    if (httpd_submission_read(&s, (const char *)data, size, &problem)) {
        assert(!httpd_problem_any(&problem));
        check_args(&s);
        check_request(&s.request);
    } else {
        check_problem(&problem);
    }
    httpd_submission_close(&s);
    httpd_problem_close(&problem);
    return 0;
}
