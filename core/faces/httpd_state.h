/* What the parts of the server share. */
#ifndef FACES_HTTPD_STATE_H
#define FACES_HTTPD_STATE_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/list.h"
#include "base/mailbox.h"
#include "faces/httpd.h"
#include "faces/httpd_lib.h"

#define HTTPD_SILENT_NS INT64_C(1000000000) /* so long a connection is let alone in any case */
#define HTTPD_HEADER_BYTES 16384
#define HTTPD_BLOCK_BYTES 16384 /* of an answer that is made on the way */

enum httpd_phase {
    PHASE_HEADER, /* nothing, or a part of a header, is there */
    PHASE_BODY,
    PHASE_BUSY, /* answering */
};

/* An accepted connection, from libmicrohttpd's first word of it to its last, after which the
 * descriptor is closed: under httpd.lock `fd` is good. */
struct httpd_conn {
    struct list link;
    int fd;                 /* constant */
    bool over;              /* it came when there were enough: gets 503. Constant */
    enum httpd_phase phase; /* the rest under httpd.lock */
    int64_t since_ns;       /* begin of the phase */
    uint64_t received;      /* bytes of the body */
    bool shut;
};

struct httpd_listener { /* constant while it runs */
    struct httpd *h;
    struct MHD_Daemon *daemon; /* NULL: not used */
    int fd;
    pthread_t thread; /* which runs the daemon */
    bool has_thread;
    int wake_fd;               /* readable: a connection was resumed, or it is to end */
    atomic_bool woken, ending; /* written by whoever wakes it */
    bool local;                /* the unix socket */
    bool any_address;          /* 0.0.0.0 or [::] */
    char *where;               /* "127.0.0.1:8080", or the path */
    char address[INET6_ADDRSTRLEN];
    dev_t dev; /* of the socket's file: it is removed only while it is ours */
    ino_t ino;
};
enum { LISTEN_LOCAL, LISTEN_TCP, LISTENERS };

struct httpd {
    struct httpd_lib lib; /* constant once started, as the rest up to `lock` */
    neap *n;
    char *token, **hosts;
    size_t max_body;
    unsigned max_connections, max_per_address;
    bool leaves_gaps; /* libmicrohttpd before 1.0: see httpd_guard.c */
    int64_t header_ns, body_ns;
    void *user;
    int (*reload)(void *user, struct neap_error *err);
    void (*log)(void *user, int level, const char *text, const char *fields);
    bool (*logs)(void *user, int level);
    struct httpd_listener listeners[LISTENERS];
    struct mailbox errands;
    struct message quit;
    pthread_mutex_t lock;   /* guards what follows; taken before a request's lock */
    pthread_cond_t changed; /* the first connection has come, or it stops */
    struct list conns, requests;
    size_t n_conns, n_requests;
    struct buf openapi; /* once it was asked for */
    bool ending;        /* the ticker's end */
    pthread_t ticker, reloader, errands_thread;
    bool has_ticker, has_reloader, has_errands;
    atomic_bool reloading;          /* one at a time */
    atomic_bool draining, stopping; /* read by any thread at any time */
};

/* httpd_listen.c: a listening descriptor, non-blocking; neap codes. */
int httpd_listen_local(struct httpd_listener *l, const char *path, struct neap_error *err);
int httpd_listen_tcp(struct httpd_listener *l, const char *text, struct neap_error *err);
/* Can others than this machine reach it? */
bool httpd_listen_is_loopback(const char *text);
void httpd_listen_remove(const struct httpd_listener *l); /* the socket's file */

/* httpd_server.c: any thread, after it has resumed a connection. */
void httpd_wake(struct httpd_listener *l);

/* httpd_ticker.c: closes what is slow, ends what waits too long or for nobody, heartbeats. */
void *httpd_ticker(void *httpd);

#endif
