/* One submission: asked for, stored, and answered with the job's document. */
#include "faces/httpd_asks.h"

#include "faces/httpd_body.h"
#include "faces/httpd_routes.h"
#include "faces/httpd_submit.h"

#include "base/mem.h"

#include <string.h>

#define ROOM_MS 30000
#define KEY_WITHIN_MS (24 * 3600 * 1000)

int httpd_submit(neap *n, struct httpd_submission *s, const char *key, void *user,
                 neap_submitted_fn *done, struct neap_error *err)
{
    if (key) {
        s->unique = (struct neap_unique){
            .key = key, .within_ms = KEY_WITHIN_MS, .states = (1u << NEAP_STATES) - 1, .exact = 1};
        s->request.unique = &s->unique;
    }
    return neap_submit_start(n, &s->request, ROOM_MS, user, done, err);
}

void httpd_submit_problem(struct httpd_problem *p, int code, const char *message)
{
    const char *pointer = httpd_submission_pointer(message);
    httpd_problem_of(p, code, message);
    if (pointer && (code == NEAP_EINVAL || code == NEAP_ENOENT))
        httpd_problem_add(p, PART_BODY, pointer, "%s", message);
}

static void put_id(struct buf *out, uint64_t id, bool duplicate)
{
    char text[NEAP_ID_CHARS + 1];
    if (id) {
        neap_id_text(id, text);
        buf_format(out, "{\"id\":\"%s\",\"duplicate\":%s", text, duplicate ? "true" : "false");
    } else {
        buf_text(out, "{\"id\":null,\"duplicate\":false,\"dropped\":true");
    }
}

void httpd_submit_put(struct buf *out, uint64_t id, bool duplicate)
{
    put_id(out, id, duplicate);
    buf_byte(out, '}');
}

static void on_submitted(void *user, const struct neap_submitted *answer)
{
    const struct neap_reply reply = {
        .code = answer->code, .text = answer->text, .len = answer->len, .message = answer->message};
    httpd_replied(user, &reply, answer->id, answer->duplicate);
}

static enum MHD_Result answer_job(struct httpd_request *r, const struct buf *text)
{
    char id[NEAP_ID_CHARS + 1];
    neap_id_text(r->id, id);
    char *where = mem_format("/api/v1/jobs/%s", id);
    const enum MHD_Result rc =
        httpd_answer_with(r, r->id && !r->duplicate ? 201 : 200, HTTPD_JSON, text->data, text->len,
                          r->id ? "Location" : NULL, where);
    free(where);
    return rc;
}

/* The job's document behind what the submission itself tells; without one, where it was forgotten
 * at its end already, that alone. */
static enum MHD_Result answer_document(struct httpd_request *r)
{
    struct buf text = {0};
    const struct buf *document = &r->reply.text;
    const char *rest = document->len ? memchr(document->data, ',', document->len) : NULL;
    put_id(&text, r->id, r->duplicate);
    if (rest)
        buf_put(&text, rest, document->len - (size_t)(rest - document->data));
    else
        buf_byte(&text, '}');
    buf_byte(&text, '\n');
    const enum MHD_Result rc = answer_job(r, &text);
    buf_close(&text);
    return rc;
}

static enum MHD_Result answer_submitted(struct httpd_request *r)
{
    struct httpd_problem p = {0};
    if (r->reply.code != NEAP_OK) {
        httpd_submit_problem(&p, r->reply.code, r->reply.message);
        return httpd_refuse(r, &p);
    }
    r->id = r->reply.id;
    r->duplicate = r->reply.duplicate;
    if (r->id == 0 || r->minimal || r->wait_ms == 0)
        return answer_document(r);
    const struct neap_ask ask = {
        .size = sizeof ask, .what = NEAP_ASK_WAIT, .id = r->id, .timeout_ms = r->wait_ms};
    return httpd_ask(r, &ask, answer_document, 0);
}

enum MHD_Result httpd_run_submit(struct httpd_request *r)
{
    struct httpd_submission s = {0};
    struct httpd_problem p = {0};
    struct neap_error err = {0};
    if (r->content == CONTENT_NDJSON)
        return httpd_run_bulk(r);
    if (httpd_wait_param(r, &r->wait_ms, &p) &&
        httpd_submission_read(&s, r->body.data, r->body.len, &p) && r->key && s.request.unique)
        httpd_problem_add(&p, PART_BODY, "/unique", "cannot stand beside an Idempotency-Key");
    if (httpd_problem_any(&p)) {
        httpd_submission_close(&s);
        return httpd_refuse(r, &p);
    }
    if (!r->minimal && r->wait_ms == 0)
        s.request.flags |= NEAP_DOCUMENT;
    httpd_ask_begin(r);
    const int rc = httpd_submit(r->h->n, &s, r->key, r, on_submitted, &err);
    httpd_submission_close(&s);
    if (rc)
        httpd_replied(r, &(struct neap_reply){.code = rc, .message = err.message}, 0, false);
    return httpd_await(r, answer_submitted, 0);
}
