/* The line of jobs that wait: which one runs next. Pure code, time is an argument; owner: the
 * engine.
 *
 * Per queue the available jobs in order (index_line.h); over all queues a heap of due times for
 * those that are not yet. Over the queues a pool serves: highest (aged) priority first, then round
 * robin among queues at that level (index_pool.h). Costs O(log n) in jobs at worst, mostly O(1),
 * and does not grow with the number of idle queues. A job links itself (where, place, due). */
#ifndef PARTS_INDEX_H
#define PARTS_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/job.h"

struct index;

struct index *index_new(void);
void index_free(struct index *index); /* the jobs in it are the caller's; it only forgets them */

/* Changes queue number `queue` (gate->index); queues begin at first mention, without ageing, open,
 * and served by no pool. With ageing_ms > 0 a job's priority is priority + waited / ageing_ms,
 * rounded down, at most NEAP_PRIORITY_MAX. Jobs already in line move over. */
void index_queue(struct index *index, unsigned queue, int64_t ageing_ms);
/* Which pools (numbers 0..63, bit n) serve it. */
void index_serve(struct index *index, unsigned queue, uint64_t pools);
/* A shut queue is skipped by claims (paused, at its concurrency, waiting for its rate). */
void index_shut(struct index *index, unsigned queue, bool shut);
/* Each claim may shut it: a pop takes one job of it. */
void index_limit(struct index *index, unsigned queue, bool limited);

/* Is told of each job that becomes available by promotion, just before it is in line. False: the
 * job is not to be in line, its owner keeps it elsewhere. */
void index_watch(struct index *index, bool (*promoted)(void *user, struct job *job), void *user);

/* Puts a job in line by its gate, priority, due.key (not before, Unix ms) and id. With due.key <=
 * now it is available since available_ms, else scheduled until then. Order within a priority:
 * available_ms, then id; a job that comes back (handed back) so takes its old place. */
void index_put(struct index *index, struct job *job, int64_t now_ms);
/* It must be in. What was available has due.key = 0 after. */
void index_remove(struct index *index, struct job *job);

/* Moves what is due by now into the lines, available_ms set to its due time. Returns the number. */
size_t index_promote(struct index *index, int64_t now_ms);
int64_t index_next_due_ms(const struct index *index); /* INT64_MAX: none */

/* Calls `stays` for the available jobs of a queue in their order, or for all scheduled ones; from
 * the first for which it returns false on, none stays: all those are taken out and handed to
 * `gone`. */
struct index_thin {
    bool (*stays)(void *user, struct job *job);
    void (*gone)(void *user, struct job *job);
    void *user;
};
void index_thin_line(struct index *index, unsigned queue, const struct index_thin *thin);
void index_thin_due(struct index *index, const struct index_thin *thin);

/* The best job the pool may run, or NULL. now_ms matters for ageing. */
struct job *index_peek(struct index *index, unsigned pool, int64_t now_ms);
/* Takes it out, and those after it while they are of the same queue and priority: at most `max`, at
 * least 1. So it does the same as pops of one, fewer looks aside. 0: there is none. */
size_t index_pop(struct index *index, unsigned pool, int64_t now_ms, struct job **out, size_t max);

size_t index_waiting(const struct index *index, unsigned queue); /* available and scheduled */
size_t index_available(const struct index *index, unsigned queue);
size_t index_scheduled(const struct index *index);                  /* of all queues */
int64_t index_ageing_ms(const struct index *index, unsigned queue); /* 0: none */

#endif
