/* Jobs in memory: the index is the line, a table finds them by id, two lists keep what has ended.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "parts/index.h"
#include "parts/job_table.h"
#include "parts/store.h"

/* Jobs of one kind of end, the oldest first. */
struct kept {
    struct list jobs;
    size_t count, max;
    int64_t max_ms;
};

/* Owner: the engine. */
struct store {
    struct job_table jobs;
    struct index *index;
    size_t counts[NEAP_STATES];   /* claimed jobs as running */
    struct kept completed, dead;  /* cancelled ones are among the completed */
    size_t kept_bytes, max_bytes; /* of both */
    int64_t now_ms;               /* the latest time seen */
};

static void see_time(struct store *s, int64_t now_ms)
{
    if (now_ms > s->now_ms)
        s->now_ms = now_ms;
}

static int counted_as(const struct job *job)
{
    return job->claimed ? NEAP_RUNNING : job->state;
}

static void set_state(struct store *s, struct job *job, int state, bool claimed)
{
    s->counts[counted_as(job)]--;
    job->state = (uint8_t)state;
    job->claimed = claimed;
    s->counts[counted_as(job)]++;
}

static bool has_ended(const struct job *job)
{
    return job->state == NEAP_COMPLETED || job->state == NEAP_DEAD || job->state == NEAP_CANCELLED;
}

/* What has ended. */

static struct kept *kept_of(struct store *s, const struct job *job)
{
    return job->state == NEAP_DEAD ? &s->dead : &s->completed;
}

static void forget(struct store *s, struct job *job)
{
    job_table_remove(&s->jobs, job);
    s->counts[counted_as(job)]--;
    job_free(job);
}

static void unkeep(struct store *s, struct job *job)
{
    struct kept *kept = kept_of(s, job);
    list_remove(&job->place);
    kept->count--;
    s->kept_bytes -= (size_t)job->due.tie;
    job->where = JOB_NOWHERE;
}

static struct job *oldest_of(const struct kept *kept)
{
    struct list *node = list_first(&kept->jobs);
    return node ? LIST_ENTRY(node, struct job, place) : NULL;
}

static struct job *over_limit(const struct kept *kept, int64_t now_ms)
{
    struct job *job = oldest_of(kept);
    if (!job)
        return NULL;
    const bool many = kept->max && kept->count > kept->max;
    const bool old = kept->max_ms && now_ms - job->finished_ms >= kept->max_ms;
    return many || old ? job : NULL;
}

/* The job that the limits say must go first, or NULL. */
static struct job *next_to_go(struct store *s)
{
    struct job *job = over_limit(&s->completed, s->now_ms);
    if (!job)
        job = over_limit(&s->dead, s->now_ms);
    if (job || !s->max_bytes || s->kept_bytes <= s->max_bytes)
        return job;
    struct job *a = oldest_of(&s->completed), *b = oldest_of(&s->dead);
    return !a || (b && b->finished_ms < a->finished_ms) ? b : a;
}

static size_t forget_some(struct store *s, size_t most, const struct job *spared)
{
    size_t n = 0;
    for (; n < most; n++) {
        struct job *job = next_to_go(s);
        if (!job || job == spared)
            break;
        unkeep(s, job);
        forget(s, job);
    }
    return n;
}

static void keep_ended(struct store *s, struct job *job)
{
    struct kept *kept = kept_of(s, job);
    list_push(&kept->jobs, &job->place);
    kept->count++;
    job->due.tie = job_extra_bytes(job); /* `due` is free now; what is kept may shrink later */
    s->kept_bytes += job->due.tie;
    job->where = JOB_KEPT;
    forget_some(s, 2, job); /* faster than they come, a little at a time */
}

static void end(struct store *s, struct job *job, int state, bool keep, int64_t now_ms)
{
    assert(job->where == JOB_NOWHERE);
    set_state(s, job, state, false);
    job->finished_ms = now_ms;
    if (job->pins)
        job->where = keep ? JOB_PINNED : JOB_LEAVING;
    else if (keep)
        keep_ended(s, job);
    else
        forget(s, job);
}

/* The line. */

static void on_promoted(void *user, struct job *job)
{
    set_state(user, job, NEAP_AVAILABLE, false);
}

/* Into the index, with the state that due.key asks for. */
static void line_up(struct store *s, struct job *job, int state, int64_t now_ms)
{
    const bool later = job->due.key > now_ms;
    const int delayed = state == NEAP_RETRYABLE ? NEAP_RETRYABLE : NEAP_SCHEDULED;
    set_state(s, job, later ? delayed : NEAP_AVAILABLE, false);
    index_put(s->index, job, now_ms);
}

static void leave_line(struct store *s, struct job *job)
{
    if (job->where == JOB_HELD)
        job->where = JOB_NOWHERE;
    else if (!job->claimed)
        index_remove(s->index, job);
}

/* The functions of the table. */

static int memory_open(struct store **out, const char *url, const struct store_limits *limits,
                       struct neap_error *err)
{
    (void)url;
    (void)err;
    const struct store_limits none = {0}, *l = limits ? limits : &none;
    struct store *s = mem_zero(1, sizeof *s);
    job_table_init(&s->jobs);
    s->index = index_new();
    index_watch(s->index, on_promoted, s);
    list_init(&s->completed.jobs);
    list_init(&s->dead.jobs);
    s->completed.max = l->completed;
    s->completed.max_ms = l->completed_ms;
    s->dead.max = l->dead;
    s->dead.max_ms = l->dead_ms;
    s->max_bytes = l->bytes;
    *out = s;
    return NEAP_OK;
}

static void memory_close(struct store *s)
{
    if (!s)
        return;
    index_free(s->index);
    job_table_each(&s->jobs, job_free);
    job_table_close(&s->jobs);
    free(s);
}

static int memory_put(struct store *s, struct job *job, int64_t now_ms, struct neap_error *err)
{
    (void)err;
    assert(job->id && job->gate && !job->claimed && job->where == JOB_NOWHERE);
    see_time(s, now_ms);
    if (!job->available_ms)
        job->available_ms = job->due.key > job->submitted_ms ? job->due.key : job->submitted_ms;
    job_table_add(&s->jobs, job);
    s->counts[counted_as(job)]++;
    line_up(s, job, job->state, now_ms);
    return NEAP_OK;
}

static struct job *memory_claim(struct store *s, unsigned pool, int64_t now_ms)
{
    see_time(s, now_ms);
    index_promote(s->index, now_ms);
    struct job *job = index_pop(s->index, pool, now_ms);
    if (!job)
        return NULL;
    set_state(s, job, NEAP_AVAILABLE, true);
    atomic_store_explicit(&job->started, false, memory_order_relaxed); /* no worker has it yet */
    return job;
}

static const struct job *memory_peek(struct store *s, unsigned pool, int64_t now_ms)
{
    index_promote(s->index, now_ms);
    return index_peek(s->index, pool, now_ms);
}

static void memory_give_back(struct store *s, struct job *job, int64_t now_ms)
{
    assert(job->claimed);
    job->due.key = 0;
    line_up(s, job, NEAP_AVAILABLE, now_ms);
}

static void memory_hold(struct store *s, struct job *job)
{
    assert(!has_ended(job) && job->where != JOB_HELD);
    leave_line(s, job);
    set_state(s, job, job->state, false);
    job->where = JOB_HELD;
}

static void memory_unhold(struct store *s, struct job *job, int64_t now_ms)
{
    assert(job->where == JOB_HELD);
    job->where = JOB_NOWHERE;
    if (job->due.key > 0 && job->due.key <= now_ms)
        job->available_ms = job->due.key; /* it became due meanwhile */
    line_up(s, job, job->state, now_ms);
}

static int memory_finish(struct store *s, struct job *job, int state, bool keep, int64_t now_ms,
                         struct neap_error *err)
{
    (void)err;
    assert(job->claimed);
    see_time(s, now_ms);
    switch (state) {
    case NEAP_COMPLETED:
    case NEAP_DEAD:
    case NEAP_CANCELLED:
        end(s, job, state, keep, now_ms);
        break;
    case NEAP_RETRYABLE:
    case NEAP_SCHEDULED:
        job->available_ms = now_ms; /* due by now: behind what waits already */
        line_up(s, job, state, now_ms);
        break;
    default:
        assert(state == NEAP_RUNNING);
    }
    return NEAP_OK;
}

static int memory_cancel(struct store *s, struct job *job, bool keep, int64_t now_ms,
                         struct neap_error *err)
{
    (void)err;
    assert(!job->claimed && !has_ended(job));
    see_time(s, now_ms);
    leave_line(s, job);
    end(s, job, NEAP_CANCELLED, keep, now_ms);
    return NEAP_OK;
}

static void memory_pin(struct store *s, struct job *job)
{
    assert(job->pins < UINT16_MAX);
    if (job->pins++ == 0 && job->where == JOB_KEPT) {
        unkeep(s, job);
        job->where = JOB_PINNED;
    }
}

static void memory_unpin(struct store *s, struct job *job)
{
    assert(job->pins > 0);
    if (--job->pins > 0 || !has_ended(job))
        return;
    if (job->where == JOB_PINNED)
        keep_ended(s, job);
    else
        forget(s, job);
}

static int memory_commit(struct store *s, struct neap_error *err)
{
    (void)s;
    (void)err;
    return NEAP_OK;
}

static struct job *memory_get(struct store *s, uint64_t id)
{
    return job_table_find(&s->jobs, id);
}

static size_t memory_scan(struct store *s, uint64_t after, struct job **out, size_t max)
{
    return job_table_scan(&s->jobs, after, out, max);
}

static void memory_counts(struct store *s, struct store_counts *out)
{
    for (int i = 0; i < NEAP_STATES; i++)
        out->states[i] = s->counts[i];
}

static struct index *memory_index(struct store *s)
{
    return s->index;
}

static bool memory_prune(struct store *s, int64_t now_ms)
{
    see_time(s, now_ms);
    return forget_some(s, STORE_PRUNE_STEP, NULL) == STORE_PRUNE_STEP && next_to_go(s);
}

const struct store_ops store_memory = {
    .name = "memory",
    .durable = false,
    .open = memory_open,
    .close = memory_close,
    .put = memory_put,
    .claim = memory_claim,
    .peek = memory_peek,
    .give_back = memory_give_back,
    .hold = memory_hold,
    .unhold = memory_unhold,
    .finish = memory_finish,
    .cancel = memory_cancel,
    .pin = memory_pin,
    .unpin = memory_unpin,
    .commit = memory_commit,
    .get = memory_get,
    .scan = memory_scan,
    .counts = memory_counts,
    .index = memory_index,
    .prune = memory_prune,
};
