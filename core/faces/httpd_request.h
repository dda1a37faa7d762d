/* One request, from its request line to its answer. */
#ifndef FACES_HTTPD_REQUEST_H
#define FACES_HTTPD_REQUEST_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/list.h"
#include "base/mailbox.h"
#include "faces/httpd_problem.h"
#include "faces/httpd_state.h"

#define HTTPD_JSON "application/json"
#define HTTPD_NDJSON "application/x-ndjson"
#define HTTPD_METRICS "text/plain; version=0.0.4; charset=utf-8"
#define HTTPD_PARAMS 24 /* of one query */

struct httpd_route;
struct httpd_request;
typedef enum MHD_Result httpd_step(struct httpd_request *r);

enum httpd_release { RELEASE_NOT, RELEASE_GONE, RELEASE_TIME, RELEASE_STOP };
enum httpd_content { CONTENT_NONE, CONTENT_JSON, CONTENT_NDJSON };

struct httpd_reply { /* what neap said; its texts are owned */
    int code;
    struct buf text;
    char *message, *param;
    uint64_t id;
    bool duplicate;
};

/* Bytes on their way into an answer that is made while it goes out; under the request's lock. */
struct httpd_pipe {
    bool open, waiting; /* waiting: the connection is suspended until there are bytes */
    bool ended;         /* what is there is the last */
    bool broken;        /* ends at once, so that the client sees that it is not whole */
    struct buf bytes;
    size_t taken;  /* of them */
    bool answered; /* a response takes the bytes */
    /* NULL: nothing to do */
    void (*refill)(struct httpd_request *r); /* before it would wait; libmicrohttpd's thread */
    void (*closed)(struct httpd_request *r); /* an errand: nobody takes any more */
    void (*beat)(struct httpd_request *r, int64_t now_ns); /* the ticker, now and then */
    void *state;                                           /* of who fills it */
    void (*free_state)(struct httpd_request *r);           /* with the request */
};

/* libmicrohttpd's thread of its listener, but for what is marked */
struct httpd_request {
    struct httpd *h;
    struct httpd_listener *listener;
    struct httpd_conn *conn; /* NULL once it has ended */
    struct list link;        /* h->requests, under h->lock */
    atomic_uint refs;        /* who answers later holds one */
    char *uri;               /* as it came */
    const char *method;
    const struct httpd_route *route;
    char *name;  /* of the path, decoded; NULL: none */
    uint64_t id; /* likewise, a job's */
    struct neap_param params[HTTPD_PARAMS];
    size_t n_params;
    enum httpd_content content;
    char *key;       /* Idempotency-Key */
    bool minimal;    /* Prefer: return=minimal */
    int64_t wait_ms; /* of a submission, and whether it made a job */
    bool duplicate;
    struct buf body;
    bool begun, answered, close;
    int64_t begun_ns;
    int status;            /* of the answer */
    httpd_step *then;      /* what to do with a reply */
    struct message errand; /* see httpd_errands.h */
    /* under `lock`, from any thread */
    pthread_mutex_t lock;
    struct MHD_Connection *connection; /* NULL once it has ended */
    bool waiting;                      /* suspended for the reply */
    bool replied;
    enum httpd_release release;
    int64_t deadline_ns; /* 0: none */
    struct httpd_reply reply;
    struct httpd_pipe pipe;
    void (*run_errand)(struct httpd_request *r), (*next_errand)(struct httpd_request *r);
};

/* Called by libmicrohttpd. */
void *httpd_on_uri(void *listener, const char *uri, struct MHD_Connection *connection);
enum MHD_Result httpd_on_request(void *listener, struct MHD_Connection *connection, const char *url,
                                 const char *method, const char *version, const char *data,
                                 size_t *len, void **request);
void httpd_on_completed(void *listener, struct MHD_Connection *connection, void **request,
                        enum MHD_RequestTerminationCode why);
void httpd_on_connection(void *listener, struct MHD_Connection *connection, void **conn,
                         enum MHD_ConnectionNotificationCode what);

void httpd_hold(struct httpd_request *r);
void httpd_drop(struct httpd_request *r); /* any thread */

/* Before a question to neap: takes the reference that httpd_replied gives back. */
void httpd_ask_begin(struct httpd_request *r);
/* Any thread, once for each begin. `reply` is copied. */
void httpd_replied(struct httpd_request *r, const struct neap_reply *reply, uint64_t id,
                   bool duplicate);
/* Suspends until the reply is there, then `then` goes on; limit_ms 0: as long as it takes. */
enum MHD_Result httpd_await(struct httpd_request *r, httpd_step *then, int64_t limit_ms);
/* Any thread. Ends a wait without a reply; false: it was not waiting. */
bool httpd_release(struct httpd_request *r, enum httpd_release why);

/* Answers; `text` is copied. */
enum MHD_Result httpd_answer(struct httpd_request *r, int status, const char *type,
                             const char *text, size_t len);
enum MHD_Result httpd_answer_with(struct httpd_request *r, int status, const char *type,
                                  const char *text, size_t len, const char *header,
                                  const char *value);
enum MHD_Result httpd_refuse(struct httpd_request *r, struct httpd_problem *p); /* closes p */
/* 200 with whatever comes through r->pipe, which the caller has set up. */
enum MHD_Result httpd_answer_pipe(struct httpd_request *r, const char *type);
/* Any thread, under r->lock: appended bytes are taken, or the end is seen. */
void httpd_pipe_wake(struct httpd_request *r);
/* NULL: it was not given. */
const char *httpd_param(const struct httpd_request *r, const char *name);

#endif
