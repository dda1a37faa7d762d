/* Lists of jobs, bulk actions and backups: a bounded step a turn, so that one over millions of jobs
 * stalls nobody. */
#include "engine/engine_ask.h"

#include "base/clock.h"
#include "base/mem.h"
#include "engine/engine_doc.h"
#include "engine/engine_info.h"
#include "model/doc.h"

#include <stdlib.h>
#include <string.h>

#define TURN_NS INT64_C(2000000) /* for all steps of a turn, but one at least */
#define CHANGES 128              /* of a turn: a file takes some 50 us to write each */
#define BATCH 64                 /* jobs between two looks at the clock */
#define LOOK 512                 /* that the store may look at for some more of them */
#define FETCH 4096 /* jobs taken at once of a store that looks at all of them each time */
#define ANSWER_BYTES (8 << 20) /* of a list: then it ends early, and `next` says where */
#define LIVE_STATES                                                                                \
    (1u << NEAP_SCHEDULED | 1u << NEAP_PENDING | 1u << NEAP_AVAILABLE | 1u << NEAP_RUNNING |       \
     1u << NEAP_RETRYABLE)
#define ENDED_STATES (1u << NEAP_COMPLETED | 1u << NEAP_DEAD | 1u << NEAP_CANCELLED)

/* How far one has got. Owned by its ask. Jobs are kept by id: what is done to one may make the
 * store forget another, and pointers last until the next commit only. */
struct ask_steps {
    struct store_query query; /* end: `ids` are the last */
    uint64_t *ids;
    size_t n_ids, next;
    uint64_t last; /* looked at */
    size_t count;  /* jobs in the list */
    uint64_t matched, changed;
    bool begun; /* a backup */
};

/* --- which jobs ---------------------------------------------------------------------------------
 */

/* One name, and nobody ever had it: then no job can match. */
static bool find_names(struct engine *e, const struct filter *f, struct store_query *query)
{
    const char *queue = filter_only(&f->queues), *task = filter_only(&f->tasks);
    query->queue = queue ? gates_find(e->env.worker->gates, queue) : NULL;
    query->task = task ? names_find(e->env.worker->names, task) : NULL;
    return (!queue || query->queue) && (!task || query->task);
}

/* The ids that the filter names, behind the cursor, in the order asked for. */
static void take_named(const struct ask *ask, struct ask_steps *s)
{
    const struct filter *f = &ask->filter;
    const uint64_t after = ask->cursor;
    s->ids = mem_zero(f->n_ids, sizeof *s->ids);
    s->query.end = true;
    for (size_t i = 0; i < f->n_ids; i++) {
        const uint64_t id = f->ids[s->query.newest_first ? f->n_ids - 1 - i : i];
        if (!after || (s->query.newest_first ? id < after : id > after))
            s->ids[s->n_ids++] = id;
    }
}

static struct ask_steps *steps_new(struct engine *e, const struct ask *ask)
{
    struct ask_steps *s = mem_zero(1, sizeof *s);
    s->query.newest_first = ask->what == NEAP_ASK_JOBS && ask->newest_first;
    s->query.after = ask->cursor;
    s->query.states = ask->filter.states;
    if (ask->filter.ids)
        take_named(ask, s);
    else if (!find_names(e, &ask->filter, &s->query))
        s->query.end = true;
    else
        s->ids = mem_zero(e->ops->durable ? BATCH : FETCH, sizeof *s->ids);
    return s;
}

static void fetch(struct engine *e, struct ask_steps *s)
{
    const size_t max = e->ops->durable ? BATCH : FETCH;
    struct job **jobs = mem_zero(max, sizeof *jobs);
    s->query.look = LOOK;
    s->n_ids = e->ops->scan(e->store, &s->query, jobs, max);
    s->next = 0;
    for (size_t i = 0; i < s->n_ids; i++)
        s->ids[i] = jobs[i]->id;
    free(jobs);
}

static bool is_meant(const struct ask *ask, const struct job *job)
{
    const struct filter_job seen = doc_filter_job(job);
    return filter_matches(&ask->filter, &seen);
}

/* The next job that is meant, or NULL: none of the next BATCH is. */
static struct job *next_job(struct engine *e, struct ask *ask, size_t *looked)
{
    struct ask_steps *s = ask->steps;
    if (s->next == s->n_ids && !s->query.end)
        fetch(e, s);
    while (s->next < s->n_ids && (*looked)++ < BATCH) {
        s->last = s->ids[s->next++];
        struct job *job = e->ops->get(e->store, s->last);
        if (job && is_meant(ask, job))
            return job;
    }
    return NULL;
}

static bool is_through(const struct ask_steps *s)
{
    return s->next == s->n_ids && s->query.end;
}

/* --- lists --------------------------------------------------------------------------------------
 */

static void end_list(struct engine *e, struct ask *ask)
{
    struct buf *out = &ask->call.reply;
    doc_array_close(out);
    if (is_through(ask->steps))
        doc_null(out, "next");
    else
        doc_id(out, "next", ask->steps->last);
    doc_close(out);
    ask_answer(e, ask, NEAP_OK);
}

/* True: it is answered. */
static bool list_step(struct engine *e, struct ask *ask)
{
    struct ask_steps *s = ask->steps;
    struct buf *out = &ask->call.reply;
    size_t looked = 0;
    for (const struct job *job; (job = next_job(e, ask, &looked));) {
        doc_job(e, job, info_state(job), ask->wide, out);
        if (++s->count == ask->limit || out->len >= ANSWER_BYTES) {
            end_list(e, ask);
            return true;
        }
    }
    if (!is_through(s))
        return false;
    end_list(e, ask);
    return true;
}

/* --- bulk ---------------------------------------------------------------------------------------
 */

static bool would_change(struct engine *e, const struct ask *ask, const struct job *job)
{
    switch (ask->verb) {
    case BULK_CANCEL:
        return !job_has_ended(job);
    case BULK_RETRY:
        return order_may_retry(e, job, NULL) == NEAP_OK;
    case BULK_DELETE:
        return order_may_delete(e, job, NULL) == NEAP_OK;
    default:
        return order_may_edit(e, job, NULL) == NEAP_OK;
    }
}

static bool change(struct engine *e, const struct ask *ask, struct job *job)
{
    switch (ask->verb) {
    case BULK_CANCEL:
        return job_cancel(e, job->id) == NEAP_OK;
    case BULK_RETRY:
        return order_retry(e, job, NULL) == NEAP_OK;
    case BULK_DELETE:
        return order_delete(e, job, NULL) == NEAP_OK;
    default:
        return order_edit(e, job, ask, NULL) == NEAP_OK;
    }
}

static void end_bulk(struct engine *e, struct ask *ask)
{
    const struct ask_steps *s = ask->steps;
    struct buf *out = &ask->call.reply;
    doc_open(out, NULL);
    doc_text(out, "action", ask->name);
    doc_integer(out, "matched", (int64_t)s->matched);
    doc_integer(out, "changed", (int64_t)s->changed);
    doc_integer(out, "skipped", (int64_t)(s->matched - s->changed));
    doc_bool(out, "dry_run", ask->dry_run);
    doc_close(out);
    ask_answer(e, ask, NEAP_OK);
}

static bool bulk_step(struct engine *e, struct ask *ask)
{
    struct ask_steps *s = ask->steps;
    size_t looked = 0;
    for (struct job *job; (job = next_job(e, ask, &looked));) {
        const bool changed = ask->dry_run ? would_change(e, ask, job) : change(e, ask, job);
        s->matched++;
        s->changed += changed;
        e->asks.changes += changed && !ask->dry_run && e->ops->durable;
    }
    if (!is_through(s))
        return false;
    end_bulk(e, ask);
    return true;
}

/* What a retry or a cancel can change at all; a filter may ask for less. */
static unsigned states_of(const struct ask *ask)
{
    static const unsigned states[] = {
        [BULK_CANCEL] = LIVE_STATES,
        [BULK_RETRY] = 1u << NEAP_DEAD | 1u << NEAP_CANCELLED | 1u << NEAP_RETRYABLE,
        [BULK_DELETE] = ENDED_STATES,
        [BULK_EDIT] = LIVE_STATES,
    };
    return states[ask->verb];
}

/* --- backup -------------------------------------------------------------------------------------
 */

static bool end_backup(struct engine *e, struct ask *ask, int rc, const struct neap_error *err)
{
    e->asks.backup = NULL;
    if (rc) {
        ask_refuse(e, ask, rc, "%s", err->message);
        return true;
    }
    doc_open(&ask->call.reply, NULL);
    doc_text(&ask->call.reply, "path", ask->name);
    doc_close(&ask->call.reply);
    ask_answer(e, ask, NEAP_OK);
    return true;
}

static bool backup_step(struct engine *e, struct ask *ask)
{
    struct neap_error err = {0, "the backup failed"};
    int rc = NEAP_EAGAIN;
    if (!ask->steps->begun) {
        ask->steps->begun = true;
        rc = e->ops->backup_begin(e->store, ask->name, &err);
        if (rc == NEAP_OK)
            return false;
        return end_backup(e, ask, rc, &err);
    }
    rc = e->ops->backup_step(e->store, &err);
    return rc != NEAP_EAGAIN && end_backup(e, ask, rc, &err);
}

static bool may_back_up(struct engine *e, struct ask *ask)
{
    if (!e->ops->backup_begin) {
        ask_refuse(e, ask, NEAP_EINVAL, "the %s store keeps nothing to back up", e->ops->name);
        return false;
    }
    if (e->asks.backup) {
        ask_refuse(e, ask, NEAP_ECONFLICT, "another backup is being made");
        return false;
    }
    e->asks.backup = ask;
    return true;
}

/* --- turns --------------------------------------------------------------------------------------
 */

void ask_begin_steps(struct engine *e, struct ask *ask)
{
    if (ask->what == NEAP_ASK_BACKUP && !may_back_up(e, ask))
        return;
    if (ask->what == NEAP_ASK_BULK && !ask->filter.states)
        ask->filter.states = states_of(ask);
    ask->steps = steps_new(e, ask);
    if (ask->what == NEAP_ASK_JOBS) {
        doc_open(&ask->call.reply, NULL);
        doc_array(&ask->call.reply, "jobs");
    }
    ask->place = ASK_STEPS;
    list_push(&e->asks.steps, &ask->call.waiting);
}

static bool step(struct engine *e, struct ask *ask)
{
    switch (ask->what) {
    case NEAP_ASK_JOBS:
        return list_step(e, ask);
    case NEAP_ASK_BULK:
        return bulk_step(e, ask);
    default:
        return backup_step(e, ask);
    }
}

/* In turn, a step each, until the time is up. */
void asks_turn(struct engine *e)
{
    e->asks.changes = 0;
    if (list_empty(&e->asks.steps))
        return;
    const int64_t until_ns = clock_mono_ns() + TURN_NS;
    while (!list_empty(&e->asks.steps) && e->asks.changes < CHANGES) {
        struct ask *ask = ask_of(LIST_ENTRY(list_shift(&e->asks.steps), struct call, waiting));
        ask->place = ASK_NOWHERE;
        if (!step(e, ask)) {
            ask->place = ASK_STEPS;
            list_push(&e->asks.steps, &ask->call.waiting);
        }
        if (clock_mono_ns() >= until_ns)
            return;
    }
}

/* Why a job does not run shows only then. */
void asks_settle(struct engine *e)
{
    for (struct list *at; (at = list_shift(&e->asks.settled));) {
        struct ask *ask = ask_of(LIST_ENTRY(at, struct call, waiting));
        ask->place = ASK_NOWHERE;
        ask_explain(e, ask);
    }
}

static void stop_steps(struct engine *e)
{
    for (struct list *at; (at = list_shift(&e->asks.steps));) {
        struct ask *ask = ask_of(LIST_ENTRY(at, struct call, waiting));
        if (e->asks.backup == ask && ask->steps->begun)
            e->ops->backup_stop(e->store);
        e->asks.backup = e->asks.backup == ask ? NULL : e->asks.backup;
        ask->call.reply.len = 0;
        ask_answer(e, ask, NEAP_ECLOSED);
    }
}

void asks_stop(struct engine *e)
{
    stop_steps(e);
    for (struct list *at; (at = list_shift(&e->asks.looks));) {
        struct ask *ask = ask_of(LIST_ENTRY(at, struct call, waiting));
        ask->call.reply.len = 0;
        ask_answer(e, ask, NEAP_ECLOSED);
    }
}

void ask_steps_free(struct ask_steps *steps)
{
    if (steps)
        free(steps->ids);
    free(steps);
}
