/* The inside of the memory store: what its files share. Owner of all of it: the engine. */
#ifndef PARTS_STORE_MEMORY_H
#define PARTS_STORE_MEMORY_H

#include "parts/edges.h"
#include "parts/index.h"
#include "parts/job_table.h"
#include "parts/shelf.h"
#include "parts/notes.h"
#include "parts/store.h"
#include "parts/uniques.h"

struct kept { /* jobs of one kind of end */
    struct shelf shelf;
    int64_t max, max_ms;
    uint64_t ended; /* ever; of a pinned one due.key tells which of them it was */
};

struct expiry {            /* of a job that may have ended since */
    struct heap_node node; /* key: Unix ms; tie: the job's id */
};
#define EXPIRIES_SPARE 1024 /* of jobs that ended, besides as many as there are jobs */

/* Owner: the engine. */
struct store {
    struct pool_cache *cache;
    struct job_table jobs;
    struct index *index;
    size_t counts[NEAP_STATES];  /* claimed jobs as running */
    struct kept completed, dead; /* cancelled ones are among the completed */
    size_t max_bytes;            /* of both */
    unsigned kept_since;         /* ended and kept since some were forgotten */
    struct list held;
    struct edges edges;
    struct uniques uniques;
    struct notes notes;
    struct heap expiries;
    int64_t now_ms; /* the latest time seen */
};

static inline void memory_see_time(struct store *s, int64_t now_ms)
{
    if (now_ms > s->now_ms)
        s->now_ms = now_ms;
}

static inline int memory_counted_as(const struct job *job)
{
    return job->claimed ? NEAP_RUNNING : job->state;
}

static inline void memory_set_state(struct store *s, struct job *job, int state, bool claimed)
{
    s->counts[memory_counted_as(job)]--;
    job->state = (uint8_t)state;
    job->claimed = claimed;
    s->counts[memory_counted_as(job)]++;
}

static inline bool memory_has_ended(const struct job *job)
{
    return job->state == NEAP_COMPLETED || job->state == NEAP_DEAD || job->state == NEAP_CANCELLED;
}

/* store_memory_ended.c: what is kept, and for how long. */
void memory_limit(struct store *s, const struct store_limits *limits);
void memory_end(struct store *s, struct job *job, int state, bool keep, int64_t now_ms);
void memory_unkeep(struct store *s, struct job *job); /* it is to leave the ended ones */
void memory_forget(struct store *s, struct job *job); /* one that is kept */
void memory_pin(struct store *s, struct job *job);
void memory_unpin(struct store *s, struct job *const *jobs, size_t count);
bool memory_prune(struct store *s, int64_t now_ms);

#endif
