/* The state of one `neap map`, shared by its parts: cli_map.c turns the wheel, map_feed.c makes
 * jobs of inputs, map_deliver.c makes output of outcomes. */
#ifndef FACES_MAP_STATE_H
#define FACES_MAP_STATE_H

#include "faces/cli_output.h"
#include "faces/cli_schema.h"
#include "faces/cli_session.h"
#include "faces/cli_stop.h"
#include "faces/map_halt.h"
#include "faces/map_input.h"
#include "faces/map_joblog.h"
#include "faces/map_order.h"
#include "faces/map_progress.h"

struct map_hand {   /* an input whose job has not ended; its index is the request's tag */
    uint64_t seq;   /* number of the input, from 1 */
    uint64_t place; /* in the order of results, from 0 */
    char *arg;      /* NULL: a free place */
    size_t arg_len;
};

enum map_want {             /* what feeding waits for */
                WANT_ENDS,  /* of jobs: enough are in hand */
                WANT_INPUT, /* standard input must become readable */
                WANT_ROOM,  /* in the queue: an input is ready */
                WANT_TURN,  /* nothing */
                WANT_NONE,  /* the input has ended */
};

enum map_end {
    END_JOB,     /* a job's own end */
    END_BAD,     /* the input is no good */
    END_REFUSED, /* the queue is full and does not wait */
};

struct map { /* main thread */
    const struct cli_args *args;
    struct session session;
    struct signals signals;
    struct stopper stopper;
    struct output output;
    struct map_input input;
    struct map_order order;
    struct joblog log;
    struct progress progress;
    struct halt halt;
    struct map_counts counts;
    struct schema *schema;

    /* options */
    bool rows, ordered, tag, json, bar;
    bool convert;       /* `field` was named with --as: text becomes what it wants */
    const char *field;  /* that an input fills; NULL: the input is the whole argument */
    int64_t retries;    /* -1: not given */
    int64_t timeout_ms; /* as in neap_request */
    int64_t jobs;       /* most in hand */

    struct map_hand *hands;
    size_t cap_hands, in_hand, hand_bytes;
    size_t *unused, n_unused; /* free places among the first cap_hands */
    struct map_hand *waiting; /* the input that found no room in the queue; NULL: none */
    uint64_t places;          /* given out */
    enum map_want want;
    bool halted;
    int status;                   /* what ended the run early; CLI_OK: nothing */
    struct buf value, text, line; /* for one input or outcome at a time */
};

/* map_feed.c */
int map_plan_field(struct map *m); /* an exit status, having said what is wrong */
void map_feed(
    struct map *m); /* makes jobs of inputs until `want` is not WANT_TURN, or for a while */
struct map_hand *map_hand_take(struct map *m, const char *arg, size_t len);
void map_hand_free(struct map *m, struct map_hand *hand);

/* map_deliver.c */
bool map_take(struct map *m); /* delivers what has ended by now; false: there was nothing */
void map_end(struct map *m, struct map_hand *hand, const struct neap_outcome *outcome,
             enum map_end how);     /* frees the hand */
bool map_flush(struct map *m);      /* false: standard output is no more */
void map_flush_rest(struct map *m); /* also what -k holds back */

#endif
