/* A queue's door: what submitters on any thread need to know of it at once. Gates live as long as
 * the executor. `room` is taken before a job travels to the engine, so that `reject` is known on
 * the spot. */
#ifndef PARTS_GATE_H
#define PARTS_GATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "neap.h"

enum gate_policy { GATE_BLOCK, GATE_REJECT, GATE_DROP };

#define GATE_PLENTY 131072
#define GATE_EXITS 32 /* threads with a count of their own; others share one */
#define GATE_NO_EXIT GATE_EXITS

struct gate_exit {
    char apart[64];
    atomic_int_least64_t left; /* written by one thread, so it needs no locked instruction */
    char apart_too[64];
};

struct gate {
    unsigned index; /* 0, 1, 2...: the engine's queues are an array by it */
    char name[NEAP_TASK_MAX + 1];
    atomic_int policy;             /* enum gate_policy; the loader sets it */
    atomic_bool open;              /* named by the INI or a loaded task now; the loader sets it */
    atomic_int_least64_t capacity; /* 0: no limit; the loader sets it */
    atomic_uint blocked; /* submitters that wait for room; who makes room tells the engine */
    atomic_uint_least64_t rejected, dropped; /* by gate_refuse */
    /* entered - left: jobs not running. Counts with cache lines to themselves, as each job
     * changes them on different threads. */
    char apart[64];
    atomic_int_least64_t entered;   /* submitters count it */
    atomic_int_least64_t seen_left; /* `left` when one of them looked last: there were no fewer */
    char apart_too[64];
    atomic_int_least64_t left; /* by all who have no exit; the sum is what has left */
    char apart_again[64];
    _Atomic(struct gate_exit *)
        exits[GATE_EXITS]; /* owned; made at first use; never change after */
};

struct gates; /* the table of them; a lock guards it */

struct gates *gates_new(void);
void gates_free(struct gates *gates);                           /* NULL is fine */
struct gate *gates_find(struct gates *gates, const char *name); /* NULL: unknown */
/* Makes it if need be: shut (open false), without limit, GATE_BLOCK. At most NEAP_TASK_MAX bytes.
 */
struct gate *gates_intern(struct gates *gates, const char *name);
struct gate *gates_at(struct gates *gates, unsigned index); /* index < gates_count */
unsigned gates_count(struct gates *gates);

/* Any thread.
 *
 * A submitter that waits for room must count itself in `blocked` first and try gate_enter once more
 * before it sleeps: so either it sees the place, or gate_leave sees it. */
bool gate_enter(struct gate *gate); /* takes a place; false: full, nothing taken */
/* Takes `count` places where GATE_PLENTY are free, else one. How many; 0: full. Who takes more than
 * it has jobs for gives them back within a moment: others may be refused for them meanwhile, but
 * only once they have filled all those that were free. */
int64_t gate_enter_some(struct gate *gate, int64_t count);
/* Gives places back that no job has taken. True: as gate_leave. */
bool gate_give_back(struct gate *gate, int64_t count);
int64_t gate_length(struct gate *gate); /* places that are taken: jobs that do not run */
void gate_restore(struct gate *gate, int64_t count); /* so many wait since an earlier process */
void gate_force(struct gate *gate); /* takes one whatever the capacity (retries, hand-backs) */
/* A job is turned away: counts it. True: as dropped, for the queue's policy says so; false: as
 * rejected. */
bool gate_refuse(struct gate *gate);
/* Gives a place back. True: there is room and submitters wait for it, tell the engine. */
bool gate_leave(struct gate *gate);

/* An exit number, in all gates, for the thread that will use it; GATE_NO_EXIT: all are taken. */
unsigned gates_take_exit(struct gates *gates);
void gates_give_exit(struct gates *gates, unsigned number); /* that thread has ended */
/* As gate_leave, by the thread that has this exit. It may miss a submitter who begins to wait in
 * this very moment: the engine, which is who waits for them, looks again every few milliseconds
 * while a job runs. */
bool gate_leave_by(struct gate *gate, unsigned number);

#endif
