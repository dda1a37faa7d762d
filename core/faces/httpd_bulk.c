/* Submissions line by line. The lines come whole, as the body; the answers go out in their order
 * while later lines are still being submitted, and a client that does not read its answers holds up
 * its own lines. If it goes away, the lines that were not begun are not submitted. */
#include "faces/httpd_routes.h"

#include "base/mem.h"
#include "faces/httpd_submit.h"

#include <stdlib.h>
#include <string.h>

#define WINDOW 1024                 /* lines in hand at once */
#define AHEAD_BYTES ((size_t)65536) /* of answers that nobody has read */

struct bulk_line { /* under the request's lock */
    struct httpd_request *r;
    bool answered;
    int code;
    uint64_t id;
    bool duplicate;
    struct buf problem; /* its JSON, where it was not submitted */
};

struct bulk {                       /* the request's, which lives until the last answer is there */
    size_t at;                      /* in the body; libmicrohttpd's thread */
    struct bulk_line lines[WINDOW]; /* a ring; this and the rest under the request's lock */
    size_t first, count;
    bool all; /* no more lines */
};

static struct bulk *bulk_of(const struct httpd_request *r)
{
    return r->pipe.state;
}

static void put_answer(struct bulk_line *line, struct buf *out)
{
    if (line->code == NEAP_OK) {
        httpd_submit_put(out, line->id, line->duplicate);
    } else {
        buf_text(out, "{\"error\":");
        buf_put(out, line->problem.data, line->problem.len);
        buf_byte(out, '}');
    }
    buf_byte(out, '\n');
    buf_close(&line->problem);
}

static void move_answers(struct httpd_request *r) /* under the lock */
{
    struct bulk *b = bulk_of(r);
    bool moved = false;
    for (; b->count && b->lines[b->first].answered; b->count--) {
        put_answer(&b->lines[b->first], &r->pipe.bytes);
        b->first = (b->first + 1) % WINDOW;
        moved = true;
    }
    if (b->all && b->count == 0)
        r->pipe.ended = moved = true;
    if (moved)
        httpd_pipe_wake(r);
}

static void answer_line(struct bulk_line *line, int code, const char *message,
                        struct httpd_problem *p)
{
    struct httpd_problem own = {0};
    if (code && !p)
        httpd_submit_problem(p = &own, code, message);
    pthread_mutex_lock(&line->r->lock);
    line->code = code;
    if (p)
        httpd_problem_put(p, &line->problem);
    line->answered = true;
    move_answers(line->r);
    pthread_mutex_unlock(&line->r->lock);
    httpd_problem_close(&own);
}

static void on_submitted(void *user, const struct neap_submitted *answer)
{
    struct bulk_line *line = user;
    struct httpd_request *r = line->r;
    line->id = answer->id;
    line->duplicate = answer->duplicate;
    answer_line(line, answer->code, answer->message, NULL);
    httpd_drop(r);
}

static void submit_line(struct httpd_request *r, struct bulk_line *line, const char *text,
                        size_t len)
{
    struct httpd_submission s;
    struct httpd_problem p = {0};
    struct neap_error err = {0};
    if (!httpd_submission_read(&s, text, len, &p)) {
        answer_line(line, NEAP_EINVAL, NULL, &p);
    } else {
        httpd_hold(r);
        const int rc = httpd_submit(r->h->n, &s, NULL, line, on_submitted, &err);
        if (rc) {
            answer_line(line, rc, err.message, NULL);
            httpd_drop(r);
        }
    }
    httpd_submission_close(&s);
    httpd_problem_close(&p);
}

/* The next line that is not empty. */
static bool next_line(struct httpd_request *r, struct bulk *b, const char **text, size_t *len)
{
    while (b->at < r->body.len) {
        const char *from = r->body.data + b->at;
        const char *end = memchr(from, '\n', r->body.len - b->at);
        *len = end ? (size_t)(end - from) : r->body.len - b->at;
        b->at += *len + (end ? 1 : 0);
        *text = from;
        for (size_t i = 0; i < *len; i++)
            if (!strchr(" \t\r", from[i]))
                return true;
    }
    return false;
}

/* Takes a place in the ring; NULL: it is full, or there is enough to read. */
static struct bulk_line *take_place(struct httpd_request *r, struct bulk *b)
{
    struct bulk_line *line = NULL;
    pthread_mutex_lock(&r->lock);
    if (b->count < WINDOW && !r->pipe.broken && r->pipe.bytes.len - r->pipe.taken < AHEAD_BYTES) {
        line = &b->lines[(b->first + b->count++) % WINDOW];
        *line = (struct bulk_line){.r = r};
    }
    pthread_mutex_unlock(&r->lock);
    return line;
}

static void refill(struct httpd_request *r)
{
    struct bulk *b = bulk_of(r);
    const char *text;
    size_t len;
    struct bulk_line *line;
    while (!b->all && (line = take_place(r, b))) {
        if (next_line(r, b, &text, &len)) {
            submit_line(r, line, text, len);
            continue;
        }
        pthread_mutex_lock(&r->lock);
        b->count--; /* the place that was taken for it is the last */
        b->all = true;
        move_answers(r);
        pthread_mutex_unlock(&r->lock);
    }
}

static void bulk_free(struct httpd_request *r)
{
    struct bulk *b = bulk_of(r);
    for (size_t i = 0; i < b->count; i++)
        buf_close(&b->lines[(b->first + i) % WINDOW].problem);
    free(b);
}

enum MHD_Result httpd_run_bulk(struct httpd_request *r)
{
    struct httpd_problem p = {0};
    if (r->key)
        httpd_problem_add(&p, PART_HEADER, "Idempotency-Key",
                          "is for one job: give lines a `unique` instead");
    else if (httpd_param(r, "wait"))
        httpd_problem_add(&p, PART_QUERY, "wait", "is for one job");
    if (httpd_problem_any(&p))
        return httpd_refuse(r, &p);
    r->pipe.state = mem_zero(1, sizeof(struct bulk));
    r->pipe.refill = refill;
    r->pipe.free_state = bulk_free;
    return httpd_answer_pipe(r, HTTPD_NDJSON);
}
