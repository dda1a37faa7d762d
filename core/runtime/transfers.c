#include "runtime/transfers.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "runtime/op.h"
#include "runtime/worker_run.h"

#include <uv.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOOKUPS_MAX 32 /* names looked up at once: each is a thread of libcurl's */
#define CONNECTIONS_KEPT 64
#define IDLE_NS (30 * INT64_C(1000000000)) /* unused connections are closed after that */
#define RETRY_NS (100 * INT64_C(1000000))  /* between two attempts to get a descriptor */
#define RETRIES 64                         /* of those that lack one, at each attempt */

/* Owner: the worker's thread. */
struct transfers {
    struct curl curl;
    uv_loop_t *loop;
    CURLM *multi;     /* NULL: not needed now */
    uv_timer_t timer; /* of libcurl */
    uv_timer_t clock; /* deadlines, retries, idling */
    struct heap deadlines;
    struct list to_resolve, starved; /* transfers that wait */
    const struct vm *vm;             /* of the worker: its soft limit holds here, too */
    size_t held_bytes;
    size_t added, lookups;
    uint64_t started;       /* for the heap's ties */
    size_t freed;           /* transfers that ended since the starved were looked at */
    int64_t close_ns;       /* nothing runs: when what is connected still is closed */
    int64_t retry_ns;       /* when the starved are looked at, whatever has ended */
    int64_t armed_ns;       /* what the clock is set to; INT64_MAX: stopped */
    curl_socket_t last_fd;  /* the one given out last */
    curl_socket_t fd_limit; /* descriptors from here on are for the rest of the process */
    int handles;            /* the two timers, until they are closed */
};

struct watched { /* a socket of libcurl's, while it wants to hear of it */
    uv_poll_t poll;
    struct transfers *owner;
    curl_socket_t fd;
    int events; /* of libuv's */
};

static const char kept_key;

static void settle(struct transfers *o);
static void arm_clock(struct transfers *o);

/* --- sockets and the timer -------------------------------------------------------------------- */

/* After an error on the socket libuv says no more than that, and stops. libcurl is to find out
 * which it was: where the server had closed a connection that was used again, it tries another. */
static void on_poll(uv_poll_t *poll, int status, int events)
{
    const struct watched *socket = poll->data;
    struct transfers *o = socket->owner;
    int flags = 0, running;
    if (status < 0)
        events = socket->events;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    o->curl.multi_socket_action(o->multi, socket->fd, flags, &running); /* may unwatch it */
    if (status < 0 && !uv_is_closing((uv_handle_t *)poll))
        uv_poll_start(poll, socket->events, on_poll);
    settle(o);
}

static void on_unwatched(uv_handle_t *handle)
{
    free(handle->data);
}

static struct watched *watch(struct transfers *o, curl_socket_t fd)
{
    struct watched *socket = mem_zero(1, sizeof *socket);
    socket->owner = o;
    socket->fd = fd;
    const int rc = uv_poll_init_socket(o->loop, &socket->poll, fd);
    assert(rc == 0);
    (void)rc;
    socket->poll.data = socket;
    o->curl.multi_assign(o->multi, fd, socket);
    return socket;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *of_socket)
{
    struct watched *socket = of_socket;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (socket) {
            uv_poll_stop(&socket->poll);
            uv_close((uv_handle_t *)&socket->poll, on_unwatched);
        }
        return 0;
    }
    if (!socket)
        socket = watch(user, fd);
    socket->events =
        (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    uv_poll_start(&socket->poll, socket->events, on_poll);
    return 0;
}

static void on_timer(uv_timer_t *timer)
{
    struct transfers *o = timer->data;
    int running;
    o->curl.multi_socket_action(o->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    settle(o);
    uv_stop(o->loop); /* it looks at timers before it polls: what is ready must run now */
}

static int on_timeout(CURLM *multi, long timeout_ms, void *user)
{
    struct transfers *o = user;
    (void)multi;
    uv_timer_stop(&o->timer);
    if (timeout_ms >= 0) {
        uv_update_time(o->loop); /* it may be as old as the last look at the loop */
        uv_timer_start(&o->timer, on_timer, (uint64_t)timeout_ms, 0);
    }
    return 0;
}

/* --- what libcurl asks of a transfer ---------------------------------------------------------- */

static void resolved(struct transfer *t)
{
    if (!t->resolving)
        return;
    t->resolving = false;
    t->owner->lookups--;
}

/* Sockets that no child inherits. The last descriptors are left to others: a process without any
 * cannot even open a file. */
static curl_socket_t on_open(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct transfer *t = user;
    (void)purpose;
    resolved(t);
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                    address->protocol);
    t->owner->last_fd = fd < 0 ? t->owner->fd_limit : fd;
    if (fd >= t->owner->fd_limit) {
        close(fd);
        fd = -1;
        errno = EMFILE;
    }
    if (fd < 0) {
        t->starved |= errno == EMFILE || errno == ENFILE;
        return CURL_SOCKET_BAD;
    }
    return fd;
}

/* Connected, maybe over a connection that was there already. */
/* NOLINTNEXTLINE(readability-non-const-parameter): libcurl's */
static int on_request(void *user, char *to, char *from, int to_port, int from_port)
{
    (void)to, (void)from, (void)to_port, (void)from_port;
    resolved(user);
    return CURL_PREREQFUNC_OK;
}

/* --- the life of a transfer ------------------------------------------------------------------- */

static void open_multi(struct transfers *o)
{
    const struct curl *curl = &o->curl;
    o->multi = curl->multi_init();
    assert(o->multi);
    curl->multi_setopt(o->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl->multi_setopt(o->multi, CURLMOPT_SOCKETDATA, o);
    curl->multi_setopt(o->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    curl->multi_setopt(o->multi, CURLMOPT_TIMERDATA, o);
}

/* Are few descriptors left? They are given out from the lowest. Then other workers may lack what
 * idle connections hold here. */
static bool crowded(const struct transfers *o)
{
    return o->last_fd >= o->fd_limit / 4 * 3 && list_empty(&o->starved);
}

/* libcurl alone would keep four for each transfer that runs: none to speak of after a burst. */
static void bound_connections(struct transfers *o)
{
    size_t most = o->added * 4 > CONNECTIONS_KEPT ? o->added * 4 : CONNECTIONS_KEPT;
    if (crowded(o))
        most = o->added ? o->added : 1;
    o->curl.multi_setopt(o->multi, CURLMOPT_MAXCONNECTS, (long)most);
}

static void run(struct transfer *t)
{
    struct transfers *o = t->owner;
    if (!o->multi)
        open_multi(o);
    t->state = TRANSFER_RUNS;
    t->starved = false;
    t->resolving = t->by_name;
    o->lookups += t->by_name;
    const CURLMcode rc = o->curl.multi_add_handle(o->multi, t->easy);
    assert(rc == CURLM_OK);
    (void)rc;
    t->added = true;
    o->added++;
    bound_connections(o);
}

static void take_out(struct transfer *t) /* of the multi handle, or of those that wait */
{
    struct transfers *o = t->owner;
    if (list_linked(&t->link))
        list_remove(&t->link);
    resolved(t);
    if (!t->added)
        return;
    t->added = false;
    o->curl.multi_remove_handle(o->multi, t->easy);
    o->freed++;
    o->added--;
    bound_connections(o);
    if (o->added == 0)
        o->close_ns = clock_mono_ns() + (crowded(o) ? 0 : IDLE_NS);
}

/* What stays connected is left to its owner, who polls its socket. */
static void end(struct transfer *t, CURLcode code)
{
    struct transfers *o = t->owner;
    const bool connected = t->stays && (t->state == TRANSFER_ENDED || code == CURLE_OK);
    if (!connected) {
        take_out(t);
        if (t->deadline.pos)
            heap_remove(&o->deadlines, &t->deadline);
    }
    t->code = code;
    t->state = TRANSFER_ENDED;
    t->done(t);
}

static void starve(struct transfer *t)
{
    struct transfers *o = t->owner;
    if (list_empty(&o->starved))
        o->retry_ns = clock_mono_ns() + RETRY_NS;
    t->state = TRANSFER_WAITS;
    list_push(&o->starved, &t->link);
}

static void take_messages(struct transfers *o)
{
    int left;
    for (CURLMsg *message; (message = o->curl.multi_info_read(o->multi, &left));) {
        char *private = NULL;
        const CURLcode code = message->data.result;
        o->curl.easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        struct transfer *t = (struct transfer *)(void *)private;
        if (code && t->starved) {
            take_out(t);
            o->freed--; /* it held nothing that others could use */
            starve(t);
        } else {
            resolved(t);
            end(t, code);
        }
    }
}

static void begin_waiting(struct transfers *o)
{
    while (o->lookups < LOOKUPS_MAX && !list_empty(&o->to_resolve))
        run(LIST_ENTRY(list_shift(&o->to_resolve), struct transfer, link));
    for (; o->freed && !list_empty(&o->starved); o->freed--)
        run(LIST_ENTRY(list_shift(&o->starved), struct transfer, link));
    o->freed = 0;
}

static void settle(struct transfers *o)
{
    take_messages(o);
    begin_waiting(o);
    arm_clock(o);
}

/* --- the clock -------------------------------------------------------------------------------- */

static void expire(struct transfer *t)
{
    t->expired = true;
    if (t->starved && t->state == TRANSFER_WAITS)
        snprintf(t->error, sizeof t->error, "too many open files (see ulimit -n)");
    else
        snprintf(t->error, sizeof t->error, "not done within %.15g s",
                 (double)t->timeout_ms / 1000);
    end(t, CURLE_OPERATION_TIMEDOUT);
}

static void on_clock(uv_timer_t *clock)
{
    struct transfers *o = clock->data;
    const int64_t now_ns = clock_mono_ns();
    o->armed_ns = INT64_MAX;
    for (struct heap_node *node; (node = heap_min(&o->deadlines)) && node->key <= now_ns;) {
        heap_pop(&o->deadlines);
        expire(HEAP_ENTRY(node, struct transfer, deadline));
    }
    if (!list_empty(&o->starved) && o->retry_ns <= now_ns) {
        o->freed = RETRIES;
        o->retry_ns = now_ns + RETRY_NS;
    }
    begin_waiting(o);
    if (o->multi && !o->added && o->close_ns <= now_ns) {
        uv_timer_stop(&o->timer);
        o->curl.multi_cleanup(o->multi); /* closes what is still connected */
        o->multi = NULL;
    }
    arm_clock(o);
    uv_stop(o->loop);
}

static void arm_clock(struct transfers *o)
{
    const struct heap_node *first = heap_min(&o->deadlines);
    int64_t due_ns = first ? first->key : INT64_MAX;
    if (!list_empty(&o->starved) && due_ns > o->retry_ns)
        due_ns = o->retry_ns;
    if (o->multi && !o->added && due_ns > o->close_ns)
        due_ns = o->close_ns;
    if (due_ns == o->armed_ns)
        return;
    o->armed_ns = due_ns;
    if (due_ns == INT64_MAX) {
        uv_timer_stop(&o->clock);
        return;
    }
    const int64_t left_ns = due_ns - clock_mono_ns();
    uv_update_time(o->loop);
    uv_timer_start(&o->clock, on_clock, left_ns > 0 ? (uint64_t)(left_ns + 999999) / 1000000 : 0,
                   0);
}

/* --- for the owners of transfers -------------------------------------------------------------- */

static bool is_name(const char *host, size_t len)
{
    char text[64];
    struct in_addr address;
    if (len >= sizeof text || len == 0)
        return true;
    memcpy(text, host, len);
    text[len] = 0;
    return text[0] != '[' && strcasecmp(text, "localhost") != 0 &&
           inet_pton(AF_INET, text, &address) != 1;
}

void transfer_init(struct transfer *t, struct transfers *owner, void (*done)(struct transfer *t))
{
    const struct curl *curl = &owner->curl;
    memset(t, 0, sizeof *t);
    t->owner = owner;
    t->done = done;
    t->easy = curl->easy_init();
    assert(t->easy);
    curl->easy_setopt(t->easy, CURLOPT_PRIVATE, t);
    curl->easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->error);
    curl->easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
    curl->easy_setopt(t->easy, CURLOPT_QUICK_EXIT,
                      1L); /* a lookup is left behind, not waited for */
    curl->easy_setopt(t->easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl->easy_setopt(t->easy, CURLOPT_OPENSOCKETDATA, t);
    curl->easy_setopt(t->easy, CURLOPT_PREREQFUNCTION, on_request);
    curl->easy_setopt(t->easy, CURLOPT_PREREQDATA, t);
    curl->easy_setopt(t->easy, CURLOPT_CAPATH, NULL); /* without, parsed certificates are kept */
}

void transfer_start(struct transfer *t, const char *host, size_t host_len, int64_t timeout_ms)
{
    struct transfers *o = t->owner;
    assert(t->state == TRANSFER_NEW);
    t->by_name = is_name(host, host_len);
    t->timeout_ms = timeout_ms;
    if (t->stays)
        o->curl.easy_setopt(t->easy, CURLOPT_CONNECT_ONLY, 1L);
    if (timeout_ms) {
        t->deadline.key = clock_mono_ns() + timeout_ms * 1000000;
        t->deadline.tie = ++o->started;
        heap_push(&o->deadlines, &t->deadline);
    }
    t->state = TRANSFER_WAITS;
    list_push(t->by_name ? &o->to_resolve : &o->starved, &t->link);
    if (!t->by_name && list_first(&o->starved) == &t->link) { /* nobody lacks a descriptor */
        list_remove(&t->link);
        run(t);
    }
    begin_waiting(o);
    arm_clock(o);
}

void transfer_close(struct transfer *t)
{
    struct transfers *o = t->owner;
    if (!o)
        return;
    if (t->deadline.pos)
        heap_remove(&o->deadlines, &t->deadline);
    take_out(t);
    if (!t->error[0])
        snprintf(t->error, sizeof t->error, "%s", o->curl.easy_strerror(t->code));
    o->curl.easy_cleanup(t->easy);
    t->easy = NULL;
    t->owner = NULL;
    t->state = TRANSFER_ENDED;
    begin_waiting(o);
    arm_clock(o);
}

bool transfers_hold(struct transfers *o, size_t bytes)
{
    if (o->vm->soft_bytes && o->held_bytes + bytes > o->vm->soft_bytes)
        return false;
    o->held_bytes += bytes;
    return true;
}

void transfers_release(struct transfers *o, size_t bytes)
{
    assert(o->held_bytes >= bytes);
    o->held_bytes -= bytes;
}

const char *transfer_text(const struct transfer *t)
{
    return t->error[0] ? t->error : t->owner->curl.easy_strerror(t->code);
}

/* --- one a worker ----------------------------------------------------------------------------- */

static void on_timer_closed(uv_handle_t *handle)
{
    struct transfers *o = handle->data;
    if (--o->handles == 0)
        free(o);
}

static void transfers_close(void *thing)
{
    struct transfers *o = thing;
    assert(o->added == 0 && o->held_bytes == 0 && list_empty(&o->to_resolve) &&
           list_empty(&o->starved));
    if (o->multi)
        o->curl.multi_cleanup(o->multi);
    curl_close(&o->curl);
    heap_close(&o->deadlines);
    uv_close((uv_handle_t *)&o->timer, on_timer_closed);
    uv_close((uv_handle_t *)&o->clock, on_timer_closed);
}

static curl_socket_t fd_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur > 1 << 30)
        return 1 << 30;
    return (curl_socket_t)(limit.rlim_cur - limit.rlim_cur / 8);
}

struct transfers *transfers_of(struct worker *worker, struct neap_error *err)
{
    struct transfers *o = worker_kept(worker, &kept_key);
    if (o)
        return o;
    o = mem_zero(1, sizeof *o);
    if (curl_open(&o->curl, err)) {
        free(o);
        return NULL;
    }
    o->loop = worker_loop(worker);
    o->vm = worker_vm(worker);
    o->fd_limit = fd_limit();
    list_init(&o->to_resolve);
    list_init(&o->starved);
    uv_timer_init(o->loop, &o->timer);
    uv_timer_init(o->loop, &o->clock);
    o->timer.data = o->clock.data = o;
    o->handles = 2;
    o->armed_ns = INT64_MAX;
    worker_keep(worker, &kept_key, o, transfers_close);
    return o;
}

const struct curl *transfers_curl(const struct transfers *transfers)
{
    return &transfers->curl;
}

uv_loop_t *transfers_loop(const struct transfers *transfers)
{
    return transfers->loop;
}
