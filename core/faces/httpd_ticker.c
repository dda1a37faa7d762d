/* What libmicrohttpd does not do: it knows only silence, while a client that sends a byte now and
 * then is as bad; and it does not look at connections that are suspended. A connection is ended by
 * shutting its socket down, which libmicrohttpd then finds. */
#include "faces/httpd_request.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#define TICK_NS INT64_C(100000000)
#define BYTES_A_SECOND 65536 /* each so many bytes of a body give it a second more */

static bool is_slow(const struct httpd *h, const struct httpd_conn *c, int64_t now_ns)
{
    const int64_t since_ns = now_ns - c->since_ns;
    if (c->phase == PHASE_HEADER) /* when there are too many, nobody may be silent for long */
        return since_ns > (h->n_conns < h->max_connections ? h->header_ns : HTTPD_SILENT_NS);
    return c->phase == PHASE_BODY &&
           since_ns > h->body_ns + (int64_t)(c->received / BYTES_A_SECOND) * 1000000000;
}

static void end_slow(struct httpd *h, int64_t now_ns) /* under h->lock */
{
    for (struct list *at = h->conns.next; at != &h->conns; at = at->next) {
        struct httpd_conn *c = LIST_ENTRY(at, struct httpd_conn, link);
        if (c->shut || !is_slow(h, c, now_ns))
            continue;
        c->shut = true;
        shutdown(c->fd, SHUT_RDWR);
    }
}

struct waits { /* requests that wait, each with a reference */
    struct httpd_request **requests;
    struct pollfd *fds;
    bool *late;
    size_t count;
};

static void gather(struct httpd *h, int64_t now_ns, struct waits *w) /* under h->lock */
{
    w->requests = mem_zero(h->n_requests + 1, sizeof(struct httpd_request *));
    w->fds = mem_zero(h->n_requests + 1, sizeof *w->fds);
    w->late = mem_zero(h->n_requests + 1, sizeof *w->late);
    for (struct list *at = h->requests.next; at != &h->requests; at = at->next) {
        struct httpd_request *r = LIST_ENTRY(at, struct httpd_request, link);
        pthread_mutex_lock(&r->lock);
        if (r->waiting && r->conn) {
            httpd_hold(r);
            w->requests[w->count] = r;
            w->late[w->count] = r->deadline_ns && now_ns >= r->deadline_ns;
            w->fds[w->count++] = (struct pollfd){.fd = r->conn->fd, .events = POLLRDHUP};
        }
        if (r->pipe.open && r->pipe.beat)
            r->pipe.beat(r, now_ns);
        pthread_mutex_unlock(&r->lock);
    }
    if (w->count)
        poll(w->fds, w->count, 0);
}

static void release(struct waits *w)
{
    for (size_t i = 0; i < w->count; i++) {
        if (w->fds[i].revents)
            httpd_release(w->requests[i], RELEASE_GONE);
        else if (w->late[i])
            httpd_release(w->requests[i], RELEASE_TIME);
        httpd_drop(w->requests[i]);
    }
    free(w->requests);
    free(w->fds);
    free(w->late);
}

static void sleep_a_tick(struct httpd *h) /* under h->lock */
{
    const int64_t until_ns = clock_mono_ns() + TICK_NS;
    const struct timespec until = {until_ns / 1000000000, until_ns % 1000000000};
    if (h->n_conns == 0)
        pthread_cond_wait(&h->changed, &h->lock);
    else
        pthread_cond_timedwait(&h->changed, &h->lock, &until);
}

void *httpd_ticker(void *httpd)
{
    struct httpd *h = httpd;
    pthread_mutex_lock(&h->lock);
    while (!h->ending) {
        struct waits waits = {0};
        const int64_t now_ns = clock_mono_ns();
        end_slow(h, now_ns);
        gather(h, now_ns, &waits);
        pthread_mutex_unlock(&h->lock);
        release(&waits);
        pthread_mutex_lock(&h->lock);
        if (!h->ending)
            sleep_a_tick(h);
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}
