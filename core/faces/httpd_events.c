/* Server-sent events: one subscription of neap's a client. The engine's thread appends, within a
 * bound; who does not read in time is told so and dropped. */
#include "faces/httpd_errands.h"
#include "faces/httpd_routes.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define BEHIND_BYTES ((size_t)256 * 1024)
#define BEAT_NS INT64_C(15000000000)
#define EVENT_STREAM "text/event-stream"

struct watch {           /* the request's */
    neap_events *events; /* the errands' thread */
    int64_t last_ns;     /* something was sent; under the request's lock */
};

static void on_event(void *user, const char *json, size_t len)
{
    struct httpd_request *r = user;
    struct httpd_pipe *pipe = &r->pipe;
    struct watch *w = pipe->state;
    pthread_mutex_lock(&r->lock);
    if (pipe->open && !pipe->ended) {
        if (pipe->bytes.len - pipe->taken > BEHIND_BYTES) {
            buf_text(&pipe->bytes,
                     "event: dropped\ndata: {\"event\":\"dropped\",\"why\":\"the client "
                     "does not read fast enough\"}\n\n");
            pipe->ended = true;
        } else {
            buf_text(&pipe->bytes, "data: ");
            buf_put(&pipe->bytes, json, len);
            buf_text(&pipe->bytes, "\n\n");
        }
        w->last_ns = clock_mono_ns();
        httpd_pipe_wake(r);
    }
    pthread_mutex_unlock(&r->lock);
}

static void beat(struct httpd_request *r, int64_t now_ns) /* under the lock */
{
    struct watch *w = r->pipe.state;
    if (now_ns - w->last_ns < BEAT_NS || r->pipe.ended || r->pipe.bytes.len > r->pipe.taken)
        return;
    w->last_ns = now_ns;
    buf_text(&r->pipe.bytes, ": still here\n\n");
    httpd_pipe_wake(r);
}

static void closed(struct httpd_request *r) /* an errand */
{
    struct watch *w = r->pipe.state;
    if (w->events)
        neap_events_close(r->h->n, w->events);
    w->events = NULL;
}

static void free_watch(struct httpd_request *r)
{
    free(r->pipe.state);
}

static void open_watch(struct httpd_request *r) /* an errand */
{
    struct watch *w = r->pipe.state;
    struct neap_error err = {0};
    const int rc = neap_events_open(r->h->n, r->params, r->n_params, r, on_event, &w->events, &err);
    httpd_replied(r, &(struct neap_reply){.code = rc, .message = rc ? err.message : NULL}, 0,
                  false);
}

static enum MHD_Result answer_opened(struct httpd_request *r)
{
    struct httpd_problem p = {0};
    if (r->reply.code == NEAP_OK)
        return httpd_answer_pipe(r, EVENT_STREAM);
    httpd_problem_of(&p, r->reply.code, r->reply.message);
    return httpd_refuse(r, &p);
}

enum MHD_Result httpd_run_events(struct httpd_request *r)
{
    struct watch *w = r->pipe.state = mem_zero(1, sizeof *w);
    w->last_ns = clock_mono_ns();
    r->pipe.closed = closed;
    r->pipe.beat = beat;
    r->pipe.free_state = free_watch;
    buf_text(&r->pipe.bytes, ": neap\n\n"); /* so that the header goes out */
    r->pipe.open = true;
    httpd_ask_begin(r);
    httpd_errand(r, open_watch);
    return httpd_await(r, answer_opened, 0);
}
