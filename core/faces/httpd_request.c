/* A request's way through the server. libmicrohttpd calls us when its request line is read, when
 * its header is, for each piece of the body, and when it is whole; after a wait it calls that last
 * one again. */
#include "faces/httpd_request.h"

#include "base/clock.h"
#include "base/mem.h"
#include "faces/cli_value.h"
#include "faces/httpd_errands.h"
#include "faces/httpd_guard.h"
#include "faces/httpd_routes.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

void httpd_hold(struct httpd_request *r)
{
    atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
}

void httpd_drop(struct httpd_request *r)
{
    if (atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < r->n_params; i++) {
        free((void *)r->params[i].name);
        free((void *)r->params[i].value);
    }
    if (r->pipe.free_state)
        r->pipe.free_state(r);
    buf_close(&r->body);
    buf_close(&r->reply.text);
    buf_close(&r->pipe.bytes);
    free(r->reply.message);
    free(r->reply.param);
    free(r->uri);
    free(r->name);
    free(r->key);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

const char *httpd_param(const struct httpd_request *r, const char *name)
{
    for (size_t i = 0; i < r->n_params; i++)
        if (strcmp(r->params[i].name, name) == 0)
            return r->params[i].value;
    return NULL;
}

/* ---- connections */

/* With more connections than there may be, the one goes that has been silent for longest: nobody
 * who has something to ask waits behind those who only hold a connection. */
static bool make_room(struct httpd *h, int64_t now_ns)
{
    struct httpd_conn *oldest = NULL;
    for (struct list *at = h->conns.next; at != &h->conns; at = at->next) {
        struct httpd_conn *c = LIST_ENTRY(at, struct httpd_conn, link);
        if (c->phase == PHASE_HEADER && !c->shut && now_ns - c->since_ns > HTTPD_SILENT_NS &&
            (!oldest || c->since_ns < oldest->since_ns))
            oldest = c;
    }
    if (!oldest)
        return false;
    oldest->shut = true;
    shutdown(oldest->fd, SHUT_RDWR);
    return true;
}

static void connection_begins(struct httpd *h, struct MHD_Connection *connection, void **conn)
{
    struct httpd_conn *c = *conn = mem_zero(1, sizeof *c);
    c->fd = h->lib.get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    c->since_ns = clock_mono_ns();
    pthread_mutex_lock(&h->lock);
    if (h->n_conns >= h->max_connections)
        c->over = !make_room(h, c->since_ns);
    list_push(&h->conns, &c->link);
    if (h->n_conns++ == 0)
        pthread_cond_signal(&h->changed);
    pthread_mutex_unlock(&h->lock);
}

void httpd_on_connection(void *listener, struct MHD_Connection *connection, void **conn,
                         enum MHD_ConnectionNotificationCode what)
{
    struct httpd *h = ((struct httpd_listener *)listener)->h;
    struct httpd_conn *c = *conn;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        connection_begins(h, connection, conn);
    } else if (c) {
        pthread_mutex_lock(&h->lock);
        list_remove(&c->link);
        h->n_conns--;
        pthread_mutex_unlock(&h->lock);
        free(c);
        *conn = NULL;
    }
}

static void enter_phase(struct httpd_request *r, enum httpd_phase phase)
{
    pthread_mutex_lock(&r->h->lock);
    r->conn->phase = phase;
    r->conn->since_ns = clock_mono_ns();
    r->conn->received = 0;
    pthread_mutex_unlock(&r->h->lock);
}

/* ---- answers */

static void common_headers(struct httpd_request *r, struct MHD_Response *response, const char *type)
{
    const struct httpd_lib *lib = &r->h->lib;
    lib->add_response_header(response, "Content-Type", type);
    lib->add_response_header(response, "Cache-Control", "no-store");
    lib->add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (r->close || atomic_load(&r->h->stopping))
        lib->add_response_header(response, "Connection", "close");
}

static enum MHD_Result queue(struct httpd_request *r, int status, struct MHD_Response *response)
{
    r->answered = true;
    r->status = status;
    const enum MHD_Result rc =
        r->h->lib.queue_response(r->connection, (unsigned int)status, response);
    r->h->lib.destroy_response(response);
    return rc;
}

enum MHD_Result httpd_answer_with(struct httpd_request *r, int status, const char *type,
                                  const char *text, size_t len, const char *header,
                                  const char *value)
{
    struct MHD_Response *response =
        r->h->lib.create_response_from_buffer(len, (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
    if (!response)
        return MHD_NO;
    common_headers(r, response, type);
    if (header)
        r->h->lib.add_response_header(response, header, value);
    return queue(r, status, response);
}

enum MHD_Result httpd_answer(struct httpd_request *r, int status, const char *type,
                             const char *text, size_t len)
{
    return httpd_answer_with(r, status, type, text, len, NULL, NULL);
}

enum MHD_Result httpd_refuse(struct httpd_request *r, struct httpd_problem *p)
{
    struct buf text = {0};
    httpd_problem_put(p, &text);
    buf_byte(&text, '\n');
    if (p->retry_after_s) {
        p->header = "Retry-After";
        p->value.len = 0;
        buf_format(&p->value, "%d", p->retry_after_s);
    }
    const enum MHD_Result rc =
        httpd_answer_with(r, p->status, HTTPD_PROBLEM_TYPE, text.data, text.len, p->header,
                          p->header ? buf_string(&p->value) : NULL);
    buf_close(&text);
    httpd_problem_close(p);
    return rc;
}

static void resume(struct httpd_request *r) /* under its lock */
{
    r->h->lib.resume_connection(r->connection);
    httpd_wake(r->listener);
}

/* ---- answers that are made on the way */

static ssize_t pipe_read(void *cls, uint64_t pos, char *out, size_t max)
{
    struct httpd_request *r = cls;
    struct httpd_pipe *pipe = &r->pipe;
    ssize_t n = 0;
    (void)pos;
    if (pipe->refill)
        pipe->refill(r);
    pthread_mutex_lock(&r->lock);
    const size_t left = pipe->bytes.len - pipe->taken;
    if (pipe->broken || (!left && !pipe->ended && atomic_load(&r->h->stopping))) {
        n = MHD_CONTENT_READER_END_WITH_ERROR;
    } else if (left) {
        n = (ssize_t)(left < max ? left : max);
        memcpy(out, pipe->bytes.data + pipe->taken, (size_t)n);
        pipe->taken += (size_t)n;
        if (pipe->taken * 2 >= pipe->bytes.len) {
            pipe->bytes.len -= pipe->taken;
            memmove(pipe->bytes.data, pipe->bytes.data + pipe->taken, pipe->bytes.len);
            pipe->taken = 0;
        }
    } else if (pipe->ended) {
        n = MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        pipe->waiting = true;
        r->h->lib.suspend_connection(r->connection);
    }
    pthread_mutex_unlock(&r->lock);
    return n;
}

static void pipe_closed(void *cls)
{
    struct httpd_request *r = cls;
    pthread_mutex_lock(&r->lock);
    r->pipe.open = false;
    pthread_mutex_unlock(&r->lock);
    if (r->pipe.closed)
        httpd_errand(r, r->pipe.closed);
    httpd_drop(r);
}

void httpd_pipe_wake(struct httpd_request *r)
{
    if (!r->pipe.waiting || !r->connection)
        return;
    r->pipe.waiting = false;
    resume(r);
}

enum MHD_Result httpd_answer_pipe(struct httpd_request *r, const char *type)
{
    struct MHD_Response *response = r->h->lib.create_response_from_callback(
        MHD_SIZE_UNKNOWN, HTTPD_BLOCK_BYTES, pipe_read, r, pipe_closed);
    if (!response)
        return MHD_NO;
    httpd_hold(r);
    r->pipe.answered = true;
    pthread_mutex_lock(&r->lock);
    r->pipe.open = true;
    pthread_mutex_unlock(&r->lock);
    common_headers(r, response, type);
    return queue(r, 200, response);
}

/* ---- waiting for neap: `stopping` is looked at under the request's lock, so that whoever sets it
 * and then takes each lock once has met all who wait */

void httpd_ask_begin(struct httpd_request *r)
{
    httpd_hold(r);
    free(r->reply.message);
    free(r->reply.param);
    r->reply.text.len = 0;
    r->reply = (struct httpd_reply){.text = r->reply.text};
    r->replied = false; /* nobody else knows of the request now */
}

static void keep_reply(struct httpd_reply *to, const struct neap_reply *reply)
{
    to->code = reply->code;
    to->text.len = 0;
    buf_put(&to->text, reply->text, reply->text ? reply->len : 0);
    to->message = mem_text(reply->message);
    to->param = mem_text(reply->param);
}

void httpd_replied(struct httpd_request *r, const struct neap_reply *reply, uint64_t id,
                   bool duplicate)
{
    pthread_mutex_lock(&r->lock);
    if (r->release == RELEASE_NOT) {
        keep_reply(&r->reply, reply);
        r->reply.id = id;
        r->reply.duplicate = duplicate;
        r->replied = true;
        if (r->waiting)
            resume(r);
        r->waiting = false;
    }
    pthread_mutex_unlock(&r->lock);
    httpd_drop(r);
}

static enum MHD_Result go_on(struct httpd_request *r)
{
    struct httpd_problem p = {0};
    pthread_mutex_lock(&r->lock);
    const enum httpd_release release = r->release;
    const bool waiting = r->waiting;
    pthread_mutex_unlock(&r->lock);
    if (waiting)
        return MHD_YES;
    if (release == RELEASE_GONE)
        return MHD_NO;
    if (release != RELEASE_STOP)
        return r->then(r);
    httpd_problem_of(&p, NEAP_ECLOSED, "neap is stopping");
    return httpd_refuse(r, &p);
}

enum MHD_Result httpd_await(struct httpd_request *r, httpd_step *then, int64_t limit_ms)
{
    r->then = then;
    pthread_mutex_lock(&r->lock);
    if (!r->replied && atomic_load(&r->h->stopping)) {
        r->release = RELEASE_STOP;
    } else if (!r->replied) {
        r->waiting = true;
        r->deadline_ns = limit_ms ? clock_mono_ns() + limit_ms * 1000000 : 0;
        r->h->lib.suspend_connection(r->connection);
    }
    const bool waiting = r->waiting;
    pthread_mutex_unlock(&r->lock);
    return waiting ? MHD_YES : go_on(r);
}

bool httpd_release(struct httpd_request *r, enum httpd_release why)
{
    pthread_mutex_lock(&r->lock);
    const bool released = r->waiting && r->connection;
    if (released) {
        r->release = why;
        r->waiting = false;
        r->reply.code = NEAP_ETIME;
        resume(r);
    }
    pthread_mutex_unlock(&r->lock);
    return released;
}

/* ---- from libmicrohttpd */

void *httpd_on_uri(void *listener, const char *uri, struct MHD_Connection *connection)
{
    struct httpd_listener *l = listener;
    struct httpd_request *r = mem_zero(1, sizeof *r);
    atomic_init(&r->refs, 1);
    pthread_mutex_init(&r->lock, NULL);
    r->h = l->h;
    r->listener = l;
    r->connection = connection;
    r->uri = mem_text(uri);
    r->begun_ns = clock_mono_ns();
    pthread_mutex_lock(&r->h->lock);
    list_push(&r->h->requests, &r->link);
    r->h->n_requests++;
    pthread_mutex_unlock(&r->h->lock);
    return r;
}

static enum MHD_Result begin(struct httpd_request *r, const char *method, const char *version)
{
    struct httpd_problem p = {0};
    r->begun = true;
    r->conn = r->h->lib.get_connection_info(r->connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
                  ->socket_context;
    if (!r->conn)
        return MHD_NO;
    enter_phase(r, PHASE_BODY);
    if (!httpd_guard(r, method, version, &p)) {
        enter_phase(r, PHASE_BUSY);
        return httpd_refuse(r, &p);
    }
    return MHD_YES;
}

static enum MHD_Result collect(struct httpd_request *r, const char *data, size_t *len)
{
    if (r->answered || r->body.len + *len > r->h->max_body)
        return MHD_NO;
    buf_put(&r->body, data, *len);
    pthread_mutex_lock(&r->h->lock);
    r->conn->received += *len;
    pthread_mutex_unlock(&r->h->lock);
    *len = 0;
    return MHD_YES;
}

enum MHD_Result httpd_on_request(void *listener, struct MHD_Connection *connection, const char *url,
                                 const char *method, const char *version, const char *data,
                                 size_t *len, void **request)
{
    struct httpd_request *r = *request;
    (void)listener, (void)connection, (void)url;
    if (!r)
        return MHD_NO;
    if (!r->begun)
        return begin(r, method, version);
    if (*len)
        return collect(r, data, len);
    if (r->answered)
        return MHD_YES;
    if (r->then)
        return go_on(r);
    enter_phase(r, PHASE_BUSY);
    return httpd_routes_run(r);
}

static void log_access(const struct httpd_request *r)
{
    struct buf fields = {0};
    const size_t len = strcspn(r->uri, "?");
    buf_format(&fields, "{\"method\":");
    value_json_text(&fields, r->method ? r->method : "", r->method ? strlen(r->method) : 0);
    buf_text(&fields, ",\"path\":");
    value_json_text(&fields, r->uri, len < 200 ? len : 200);
    buf_format(&fields, ",\"status\":%d,\"ms\":%.1f}", r->status,
               (double)(clock_mono_ns() - r->begun_ns) / 1e6);
    r->h->log(r->h->user, NEAP_DEBUG, "http", buf_string(&fields));
    buf_close(&fields);
}

void httpd_on_completed(void *listener, struct MHD_Connection *connection, void **request,
                        enum MHD_RequestTerminationCode why)
{
    struct httpd_request *r = *request;
    (void)listener, (void)connection, (void)why;
    if (!r)
        return;
    *request = NULL;
    struct httpd *h = r->h;
    pthread_mutex_lock(&h->lock);
    list_remove(&r->link);
    h->n_requests--;
    if (r->conn) {
        r->conn->phase = PHASE_HEADER; /* of the next one */
        r->conn->since_ns = clock_mono_ns();
    }
    pthread_mutex_unlock(&h->lock);
    if (h->log && h->logs(h->user, NEAP_DEBUG))
        log_access(r);
    if (r->pipe.closed && !r->pipe.answered)
        httpd_errand(r, r->pipe.closed);
    pthread_mutex_lock(&r->lock);
    r->connection = NULL;
    r->conn = NULL;
    r->waiting = r->pipe.waiting = false;
    pthread_mutex_unlock(&r->lock);
    httpd_drop(r);
}
