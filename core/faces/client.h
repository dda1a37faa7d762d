/* The line to a daemon: HTTP over its unix socket, or over TCP. */
#ifndef FACES_CLIENT_H
#define FACES_CLIENT_H

#include "base/buf.h"
#include "faces/cli_options.h"
#include "faces/cli_signals.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client;      /* main thread */
struct client_call; /* main thread: one request under way */

/* Finds the daemon: --socket or --url, NEAP_SOCKET, [http] socket of the configuration,
 * ./neap.sock. An exit status, having said what is wrong; connects later, with the first request.
 * `signals` (may be NULL) end what waits. */
int client_open(struct client **out, const struct cli_args *args, struct signals *signals);
void client_close(struct client *c); /* NULL is fine */

const char *client_command(const struct client *c); /* for messages */
/* From now on waits also end, with 128+SIGPIPE, when the reader of this descriptor has gone. */
void client_watch_reader(struct client *c, int fd);

/* From now on nothing is said where the daemon does not answer: who asks tries again. */
void client_try_again(struct client *c);
int client_unreached(const struct client *c, const char *text); /* CLI_UNREACHED, maybe said */

struct client_request {
    const char *method; /* NULL: GET */
    const char *path;   /* behind /api/v1, percent-encoded, with the query */
    const char *body;   /* NULL: none. Borrowed until the call has ended */
    size_t body_len;
    const char *type;   /* of the body; NULL: JSON */
    const char *header; /* one more, "Name: value"; NULL: none */
    bool patient;       /* it may take as long as it likes, else two minutes */
    /* Takes a good answer (2xx) piece by piece; NULL: it is gathered. */
    void (*on_data)(void *user, const char *data, size_t len);
    void *user;
};

struct client_reply {
    long status;     /* of HTTP */
    struct buf body; /* close it */
};

/* Sends and waits for the answer, whatever it is. CLI_OK, or an exit status having said why there
 * is none (quietly where a signal came). */
int client_send(struct client *c, const struct client_request *request, struct client_reply *reply);
/* The same, and what is no good answer is said: client_problem. `body` gets the document. */
int client_ask(struct client *c, const struct client_request *request, struct buf *body);
int client_get(struct client *c, const char *path, struct buf *body);

/* In steps, for several at once: begin; client_turn until it has ended; finish frees it. */
struct client_call *client_begin(struct client *c, const struct client_request *request);
bool client_ended(const struct client_call *call);
int client_finish(struct client_call *call, struct client_reply *reply);
void client_abort(struct client_call *call); /* NULL is fine */
/* Moves all calls on; waits at most timeout_ms (-1: no limit) for something to happen. CLI_OK, or
 * the exit status for a signal or a reader that left. */
int client_turn(struct client *c, int timeout_ms);

/* Says what a reply that is no success says of `what` (NULL: nothing in particular), each mistake
 * in a line of its own; returns the exit status for it. */
int client_problem(const struct client *c, const struct client_reply *reply, const char *what);

/* Percent-encoded, for paths and queries. */
void client_escape(struct buf *out, const char *text, size_t len);
/* ?name=value or &name=value. */
void client_param(struct buf *path, const char *name, const char *value);

#endif
