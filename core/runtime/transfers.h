/* Transfers of libcurl on a worker's own loop: one multi handle a worker, so that connections are
 * used again, its sockets in uv_poll, its timer and all deadlines in two uv_timers. Everything here
 * is the worker's thread's.
 *
 *   init ─► start ─► waits for its turn ─► runs ─► done(t)
 *                                └─────────┴─► transfer_close, at any time but in a callback of
 *                                              libcurl: its socket is closed before it returns
 *
 * A transfer waits for its turn while too many names are being looked up (each lookup is a thread),
 * or while the process is short of descriptors. */
#ifndef RUNTIME_TRANSFERS_H
#define RUNTIME_TRANSFERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/heap.h"
#include "base/list.h"
#include "base/curl.h"

struct transfers;
struct worker;

enum transfer_state { TRANSFER_NEW, TRANSFER_WAITS, TRANSFER_RUNS, TRANSFER_ENDED };

struct transfer {            /* a member of its owner's struct */
    struct transfers *owner; /* NULL: closed */
    CURL *easy;
    void (*done)(struct transfer *t); /* from the loop; may close it */
    void *user;
    struct list link; /* among those that wait */
    struct heap_node deadline;
    enum transfer_state state;
    bool by_name;   /* its host must be looked up */
    bool stays;     /* CURLOPT_CONNECT_ONLY: done means connected; it keeps its deadline */
    bool added;     /* to the multi handle */
    bool resolving; /* counts among the lookups */
    bool starved;   /* there was no descriptor for its socket */
    bool expired;   /* its deadline has passed */
    int64_t timeout_ms;
    CURLcode code;               /* of the end */
    char error[CURL_ERROR_SIZE]; /* more about it; may be empty */
};

/* Of this worker; made, and libcurl opened, at the first call. NULL: libcurl cannot be used. */
struct transfers *transfers_of(struct worker *worker, struct neap_error *err);
const struct curl *transfers_curl(const struct transfers *transfers);
struct uv_loop_s *transfers_loop(const struct transfers *transfers);

/* Makes the easy handle, with what all our transfers have in common. */
void transfer_init(struct transfer *t, struct transfers *owner, void (*done)(struct transfer *t));
/* `host` as in the URL: numeric ones need no lookup. timeout_ms 0: none. `done` is not called
 * before this returns. */
void transfer_start(struct transfer *t, const char *host, size_t host_len, int64_t timeout_ms);
/* What it says of its end stays. Again: nothing. */
void transfer_close(struct transfer *t);

/* Bytes that transfers hold in memory of C: all of a worker's together at most what its Lua state
 * may. False: too many. */
bool transfers_hold(struct transfers *o, size_t bytes);
void transfers_release(struct transfers *o, size_t bytes);

/* What to tell the user of an end that is no success. */
const char *transfer_text(const struct transfer *t);

#endif
