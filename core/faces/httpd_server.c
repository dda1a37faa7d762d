/* The server as a whole: starts the daemons of libmicrohttpd, one a listener, and ends them. */
#include "faces/httpd_errands.h"
#include "faces/httpd_request.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/thread.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define POOL_BYTES                                                                                 \
    ((size_t)32 * 1024) /* libmicrohttpd's, of one connection: header and buffers                  \
                         */
#define SPARE 64        /* connections that may end while others begin */
#define ANSWERS_NS INT64_C(500000000)
#define LOOK_MS 1000
#define IDLE_LOOKS 2
#define IDLE_S 60 /* nobody reads what is to be sent */

static char **split_hosts(const char *text)
{
    char **list = mem_zero(1, sizeof *list);
    size_t count = 0;
    for (const char *at = text ? text : ""; *at;) {
        const size_t skip = strspn(at, ", \t"), len = strcspn(at + skip, ", \t");
        if (len) {
            list = mem_grow(list, count + 2, sizeof *list);
            list[count++] = mem_format("%.*s", (int)len, at + skip);
            list[count] = NULL;
        }
        at += skip + len;
    }
    return list;
}

static struct httpd *make(const struct httpd_options *o)
{
    struct httpd *h = mem_zero(1, sizeof *h);
    pthread_condattr_t attr;
    h->n = o->n;
    h->token = mem_text(o->token);
    h->hosts = split_hosts(o->hosts);
    h->max_body = o->max_body;
    h->max_connections = o->max_connections;
    h->max_per_address = o->max_per_address;
    h->header_ns = o->header_ms * 1000000;
    h->body_ns = o->body_ms * 1000000;
    h->user = o->user;
    h->reload = o->reload;
    h->log = o->log;
    h->logs = o->logs;
    mailbox_init(&h->errands, NULL, NULL);
    pthread_mutex_init(&h->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&h->changed, &attr);
    pthread_condattr_destroy(&attr);
    list_init(&h->conns);
    list_init(&h->requests);
    for (size_t i = 0; i < LISTENERS; i++)
        h->listeners[i] = (struct httpd_listener){.h = h, .fd = -1, .wake_fd = -1};
    return h;
}

void httpd_free(struct httpd *h)
{
    if (!h)
        return;
    for (char **at = h->hosts; *at; at++)
        free(*at);
    for (size_t i = 0; i < LISTENERS; i++)
        free(h->listeners[i].where);
    free(h->hosts);
    buf_close(&h->openapi);
    free(h->token);
    mailbox_close(&h->errands);
    pthread_mutex_destroy(&h->lock);
    pthread_cond_destroy(&h->changed);
    free(h);
}

/* Without connections, until something comes; but it looks a few times after the last one: where
 * there were as many as there may be, libmicrohttpd listens again only when it runs after that. */
static int wait_ms(struct httpd_listener *l, int *idle_looks)
{
    MHD_UNSIGNED_LONG_LONG ms;
    pthread_mutex_lock(&l->h->lock);
    if (!list_empty(&l->h->conns))
        *idle_looks = 0;
    else if (*idle_looks <= IDLE_LOOKS)
        (*idle_looks)++;
    pthread_mutex_unlock(&l->h->lock);
    if (l->h->lib.get_timeout(l->daemon, &ms))
        return ms < LOOK_MS ? (int)ms : LOOK_MS;
    return *idle_looks > IDLE_LOOKS ? -1 : LOOK_MS;
}

/* The daemon's loop. Not libmicrohttpd's own: that sleeps again before it looks at what came, where
 * it is exactly 128 events at once (0.9.75), and not for a moment but until something else happens.
 */
static void *run_daemon(void *listener)
{
    struct httpd_listener *l = listener;
    const struct httpd_lib *lib = &l->h->lib;
    const int fd = lib->get_daemon_info(l->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = l->wake_fd, .events = POLLIN}};
    int idle_looks = 0;
    while (!atomic_load(&l->ending)) {
        poll(fds, 2, wait_ms(l, &idle_looks));
        if (fds[1].revents)
            eventfd_read(l->wake_fd, &(eventfd_t){0});
        atomic_store(&l->woken, false); /* before it looks: what is resumed from here on wakes it */
        lib->run(l->daemon);
    }
    return NULL;
}

/* libmicrohttpd has a wake of its own, but takes it back before it has looked at all it is for. */
void httpd_wake(struct httpd_listener *l)
{
    if (!atomic_exchange(&l->woken, true))
        eventfd_write(l->wake_fd, 1);
}

static int start_daemon(struct httpd *h, struct httpd_listener *l, struct neap_error *err)
{
    const struct MHD_OptionItem options[] = {
        {MHD_OPTION_LISTEN_SOCKET, l->fd, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)POOL_BYTES, NULL},
        {MHD_OPTION_CONNECTION_LIMIT, (intptr_t)h->max_connections + SPARE, NULL},
        {MHD_OPTION_PER_IP_CONNECTION_LIMIT, l->local ? 0 : (intptr_t)h->max_per_address, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S, NULL},
        {MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL},
        {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)httpd_on_uri, l},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)httpd_on_completed, l},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)httpd_on_connection, l},
        {MHD_OPTION_END, 0, NULL}};
    l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    l->daemon = h->lib.start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
                                    httpd_on_request, l, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
    l->has_thread = l->daemon && l->wake_fd >= 0 && !thread_start(&l->thread, 0, run_daemon, l);
    return l->has_thread ? NEAP_OK
                         : error_set(err, NEAP_EIO, "%s: libmicrohttpd does not start", l->where);
}

static void stop_daemon(struct httpd *h, struct httpd_listener *l)
{
    if (l->has_thread) {
        atomic_store(&l->ending, true);
        eventfd_write(l->wake_fd, 1);
        pthread_join(l->thread, NULL);
    }
    if (l->daemon)
        h->lib.stop_daemon(l->daemon);
    if (l->wake_fd >= 0)
        close(l->wake_fd);
    l->has_thread = false;
    l->daemon = NULL;
    l->wake_fd = -1;
}

static int check_options(const struct httpd_options *o, struct neap_error *err)
{
    if (o->listen && !o->token && !httpd_listen_is_loopback(o->listen))
        return error_set(
            err, NEAP_EINVAL,
            "[http] listen: %s can be reached from elsewhere, which takes a token: set "
            "[http] token to env:NAME or file:PATH",
            o->listen);
    return o->token && !*o->token ? error_set(err, NEAP_EINVAL, "[http] token: it is empty")
                                  : NEAP_OK;
}

/* Each connection is a descriptor, and neap needs some itself. */
static void fit_descriptors(struct httpd *h)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == RLIM_INFINITY)
        return;
    const rlim_t room = limit.rlim_cur > 512 ? limit.rlim_cur - 256 : limit.rlim_cur / 2;
    if (h->max_connections <= room)
        return;
    struct buf text = {0};
    buf_format(&text, "[http] max_connections is %llu: this process may have %llu open files",
               (unsigned long long)room, (unsigned long long)limit.rlim_cur);
    h->log(h->user, NEAP_WARN, buf_string(&text), NULL);
    buf_close(&text);
    h->max_connections = (unsigned)room;
}

static int start(struct httpd *h, const struct httpd_options *o, struct neap_error *err)
{
    struct httpd_listener *local = &h->listeners[LISTEN_LOCAL], *tcp = &h->listeners[LISTEN_TCP];
    int rc = httpd_lib_open(&h->lib, err);
    if (rc == NEAP_OK)
        rc = check_options(o, err);
    if (rc == NEAP_OK && o->socket)
        rc = httpd_listen_local(local, o->socket, err);
    if (rc == NEAP_OK && o->listen)
        rc = httpd_listen_tcp(tcp, o->listen, err);
    if (rc == NEAP_OK && thread_start(&h->ticker, 0, httpd_ticker, h))
        rc = error_set(err, NEAP_EIO, "no thread can be started");
    if (rc)
        return rc;
    h->has_ticker = true;
    h->leaves_gaps = strncmp(h->lib.get_version(), "0.", 2) == 0;
    if (httpd_errands_start(h))
        return error_set(err, NEAP_EIO, "no thread can be started");
    fit_descriptors(h);
    for (size_t i = 0; i < LISTENERS && rc == NEAP_OK; i++)
        if (h->listeners[i].fd >= 0)
            rc = start_daemon(h, &h->listeners[i], err);
    return rc;
}

int httpd_start(struct httpd **out, const struct httpd_options *options, struct neap_error *err)
{
    struct httpd *h = make(options);
    const int rc = start(h, options, err);
    *out = rc ? NULL : h;
    if (rc) {
        httpd_stop(h);
        httpd_free(h);
    }
    return rc;
}

void httpd_where(const struct httpd *h, struct buf *out)
{
    for (size_t i = 0; i < LISTENERS; i++)
        if (h->listeners[i].daemon)
            buf_format(out, "%s%s%s", out->len ? ", " : "", h->listeners[i].local ? "unix:" : "",
                       h->listeners[i].where);
}

void httpd_drain(struct httpd *h)
{
    if (h)
        atomic_store(&h->draining, true);
}

/* ---- the end */

static void end_accepting(struct httpd *h)
{
    for (size_t i = 0; i < LISTENERS; i++) {
        struct httpd_listener *l = &h->listeners[i];
        if (l->daemon)
            h->lib.quiesce_daemon(l->daemon);
        if (l->fd >= 0)
            close(l->fd);
        if (l->fd >= 0 && l->local)
            httpd_listen_remove(l);
        l->fd = -1;
    }
}

static void end_waits(struct httpd *h)
{
    pthread_mutex_lock(&h->lock);
    struct httpd_request **held = mem_zero(h->n_requests + 1, sizeof(struct httpd_request *));
    size_t count = 0;
    for (struct list *at = h->requests.next; at != &h->requests; at = at->next) {
        held[count] = LIST_ENTRY(at, struct httpd_request, link);
        httpd_hold(held[count++]);
    }
    pthread_mutex_unlock(&h->lock);
    for (size_t i = 0; i < count; i++) {
        struct httpd_request *r = held[i];
        httpd_release(r, RELEASE_STOP);
        pthread_mutex_lock(&r->lock);
        r->pipe.broken = r->pipe.ended = true;
        httpd_pipe_wake(r);
        pthread_mutex_unlock(&r->lock);
        httpd_drop(r);
    }
    free(held);
}

/* What is being answered gets a moment to go out. */
static void await_answers(struct httpd *h)
{
    const int64_t until_ns = clock_mono_ns() + ANSWERS_NS;
    size_t left = 1;
    while (left && clock_mono_ns() < until_ns) {
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
        pthread_mutex_lock(&h->lock);
        left = h->n_requests;
        pthread_mutex_unlock(&h->lock);
    }
}

void httpd_stop(struct httpd *h)
{
    if (!h)
        return;
    atomic_store(&h->draining, true);
    atomic_store(&h->stopping, true);
    end_accepting(h);
    end_waits(h);
    await_answers(h);
    for (size_t i = 0; i < LISTENERS; i++)
        stop_daemon(h, &h->listeners[i]);
    pthread_mutex_lock(&h->lock);
    h->ending = true;
    pthread_cond_signal(&h->changed);
    pthread_mutex_unlock(&h->lock);
    if (h->has_ticker)
        pthread_join(h->ticker, NULL);
    if (h->has_reloader)
        pthread_join(h->reloader, NULL);
    httpd_errands_stop(h);
    h->has_ticker = h->has_reloader = false;
}
