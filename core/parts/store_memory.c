/* Jobs in memory: the index is the line, a table finds them by id, lists keep what is on hold and
 * what has ended. */
#include "parts/store_memory.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

#define CLAIMS_AHEAD 16 /* ids: waiting jobs may have left the caches */

/* The line. */

static bool on_promoted(void *user, struct job *job)
{
    memory_set_state(user, job, NEAP_AVAILABLE, false);
    return true;
}

static bool can_expire(const struct store *s, const struct heap_node *node)
{
    const struct job *job = job_table_find(&s->jobs, node->tie);
    return job && !memory_has_ended(job);
}

/* Entries of jobs that ended in time stay behind; this drops them now and then. */
static void sweep_expiries(struct store *s)
{
    struct heap old = s->expiries;
    s->expiries = (struct heap){0};
    for (struct heap_node *node; (node = heap_pop(&old));) {
        if (can_expire(s, node))
            heap_push(&s->expiries, node);
        else
            free(HEAP_ENTRY(node, struct expiry, node));
    }
    heap_close(&old);
}

static void watch_expiry(struct store *s, const struct job *job)
{
    if (s->expiries.len > EXPIRIES_SPARE + 2 * s->jobs.count)
        sweep_expiries(s);
    struct expiry *expiry = mem_zero(1, sizeof *expiry);
    expiry->node.key = job_terms(job)->expires_ms;
    expiry->node.tie = job->id;
    heap_push(&s->expiries, &expiry->node);
}

/* Into the index, with the state that due.key asks for. */
static void line_up(struct store *s, struct job *job, int state, int64_t now_ms)
{
    const bool later = job->due.key > now_ms;
    const int delayed = state == NEAP_RETRYABLE ? NEAP_RETRYABLE : NEAP_SCHEDULED;
    if (job_terms(job)->expires_ms && job_terms(job)->expires_ms <= now_ms)
        watch_expiry(s, job); /* it passed while the job ran */
    memory_set_state(s, job, later ? delayed : NEAP_AVAILABLE, false);
    index_put(s->index, job, now_ms);
}

static void leave_line(struct store *s, struct job *job)
{
    if (job->where == JOB_HELD)
        list_remove(&job->place);
    if (job->where == JOB_HELD || job->where == JOB_WAITS)
        job->where = JOB_NOWHERE;
    else if (!job->claimed)
        index_remove(s->index, job);
}

/* The functions of the table: jobs in line. */

static int open_memory(struct store **out, const struct store_env *env, struct neap_error *err)
{
    (void)err;
    struct store *s = mem_zero(1, sizeof *s);
    s->cache = env->cache;
    job_table_init(&s->jobs);
    s->index = index_new();
    index_watch(s->index, on_promoted, s);
    list_init(&s->held);
    memory_limit(s, &env->limits);
    *out = s;
    return NEAP_OK;
}

static void drop(void *user, struct job *job)
{
    job_free(((struct store *)user)->cache, job);
}

static void close_memory(struct store *s)
{
    if (!s)
        return;
    index_free(s->index);
    job_table_each(&s->jobs, s, drop);
    job_table_close(&s->jobs);
    shelf_close(&s->completed.shelf);
    shelf_close(&s->dead.shelf);
    edges_close(&s->edges);
    uniques_close(&s->uniques);
    notes_close(&s->notes);
    for (struct heap_node *node; (node = heap_pop(&s->expiries));)
        free(HEAP_ENTRY(node, struct expiry, node));
    heap_close(&s->expiries);
    free(s);
}

static void wait_for_parents(struct store *s, struct job *job)
{
    for (uint32_t i = 0; i < job_terms(job)->after->count; i++) {
        const struct job *parent = job_table_find(&s->jobs, job_terms(job)->after->ids[i]);
        if (parent && !memory_has_ended(parent))
            edges_add(&s->edges, parent->id, job->id);
    }
    memory_set_state(s, job, NEAP_PENDING, false);
    job->where = JOB_WAITS;
}

/* What few jobs have. False: it waits for others. */
static bool put_terms(struct store *s, struct job *job, int64_t now_ms)
{
    const struct job_terms *terms = job->terms;
    const bool waits = terms->after && terms->after->waiting;
    if (terms->unique)
        uniques_put(&s->uniques, job);
    if (terms->expires_ms > now_ms || (terms->expires_ms && !waits))
        watch_expiry(s, job);
    if (waits)
        wait_for_parents(s, job);
    return !waits;
}

static void put(struct store *s, struct job *job, int64_t now_ms)
{
    assert(job->id && job->gate && !job->claimed && job->where == JOB_NOWHERE);
    memory_see_time(s, now_ms);
    job->place = (struct list){0};
    job->due.key = job->available_ms;
    if (job->available_ms < job->submitted_ms)
        job->available_ms = job->submitted_ms;
    if (job->due.key <= now_ms)
        job->state = NEAP_AVAILABLE;
    else if (job->state != NEAP_RETRYABLE)
        job->state = NEAP_SCHEDULED;
    job_table_add(&s->jobs, job);
    s->counts[job->state]++;
    if (!job->terms || put_terms(s, job, now_ms))
        index_put(s->index, job, now_ms);
}

static void withdraw(struct store *s, struct job *job)
{
    assert(!job->claimed && !memory_has_ended(job));
    leave_line(s, job);
    if (job_terms(job)->unique)
        uniques_remove(&s->uniques, job);
    job_table_remove(&s->jobs, job);
    s->counts[memory_counted_as(job)]--;
    job_free(s->cache, job);
}

static size_t claim(struct store *s, unsigned pool, int64_t now_ms, struct job **out, size_t max)
{
    memory_see_time(s, now_ms);
    index_promote(s->index, now_ms);
    const size_t count = index_pop(s->index, pool, now_ms, out, max);
    for (size_t i = 0; i < count; i++) {
        struct job *job = out[i];
        assert(job->state == NEAP_AVAILABLE && !job->claimed);
        job_table_fetch_front(&s->jobs, job->id + CLAIMS_AHEAD);
        job->claimed = true;
        job->token++;
    }
    s->counts[NEAP_AVAILABLE] -= count;
    s->counts[NEAP_RUNNING] += count;
    return count;
}

static const struct job *peek(struct store *s, unsigned pool, int64_t now_ms)
{
    index_promote(s->index, now_ms);
    return index_peek(s->index, pool, now_ms);
}

static void give_back(struct store *s, struct job *job, int64_t now_ms)
{
    assert(job->claimed);
    job->place = (struct list){0};
    job->due.key = 0;
    line_up(s, job, NEAP_AVAILABLE, now_ms);
}

static void hold(struct store *s, struct job *job)
{
    assert(!memory_has_ended(job) && job->where != JOB_HELD);
    leave_line(s, job);
    if (job->claimed)
        job->due.key = 0;
    memory_set_state(s, job, job->state, false);
    job->where = JOB_HELD;
    list_push(&s->held, &job->place);
}

static void unhold(struct store *s, const struct task_name *task, int64_t now_ms)
{
    for (struct list *at = s->held.next, *next; at != &s->held; at = next) {
        struct job *job = LIST_ENTRY(at, struct job, place);
        next = at->next;
        if (job->task != task)
            continue;
        list_remove(at);
        job->where = JOB_NOWHERE;
        if (job->due.key > 0 && job->due.key <= now_ms)
            job->available_ms = job->due.key; /* it became due meanwhile */
        line_up(s, job, job->state, now_ms);
    }
}

static void each_held(struct store *s, void *user,
                      void (*each)(void *user, const struct task_name *task))
{
    const struct task_name *last = NULL; /* they come in runs; a task may be told more than once */
    for (const struct list *at = s->held.next; at != &s->held; at = at->next) {
        const struct job *job = LIST_ENTRY(at, struct job, place);
        if (job->task != last)
            each(user, job->task);
        last = job->task;
    }
}

static int finish(struct store *s, struct job *job, uint32_t token, int state, bool keep,
                  int64_t now_ms)
{
    if (!job->claimed || job->token != token)
        return NEAP_ESTALE;
    memory_see_time(s, now_ms);
    if (state == NEAP_RETRYABLE || state == NEAP_SCHEDULED) {
        job->available_ms = now_ms; /* due by now: behind what waits already */
        line_up(s, job, state, now_ms);
    } else {
        memory_end(s, job, state, keep, now_ms);
    }
    return NEAP_OK;
}

static void end(struct store *s, struct job *job, int state, bool keep, int64_t now_ms)
{
    assert(!job->claimed && !memory_has_ended(job));
    memory_see_time(s, now_ms);
    leave_line(s, job);
    memory_end(s, job, state, keep, now_ms);
}

static void edit(struct store *s, struct job *job, int priority, int64_t due_ms, int64_t now_ms)
{
    assert(!job->claimed && !memory_has_ended(job));
    const bool lined = job->where != JOB_HELD && job->where != JOB_WAITS;
    if (lined)
        index_remove(s->index, job);
    job->priority = (int8_t)priority;
    job->due.key = due_ms;
    if (job->where != JOB_WAITS && due_ms <= now_ms && job->available_ms > now_ms)
        job->available_ms = now_ms; /* it was due later */
    if (job->where == JOB_HELD)
        memory_set_state(s, job,
                         due_ms <= now_ms               ? NEAP_AVAILABLE
                         : job->state == NEAP_RETRYABLE ? NEAP_RETRYABLE
                                                        : NEAP_SCHEDULED,
                         false);
    if (lined)
        line_up(s, job, job->state, now_ms);
}

static void release(struct store *s, struct job *job, int64_t now_ms)
{
    assert(job->where == JOB_WAITS);
    job->where = JOB_NOWHERE;
    job->available_ms = now_ms;
    line_up(s, job, NEAP_SCHEDULED, now_ms);
}

/* The functions of the table: jobs that have ended. */

static void revive(struct store *s, struct job *job, int64_t now_ms)
{
    assert(memory_has_ended(job));
    if (job->where == JOB_KEPT)
        memory_unkeep(s, job);
    job->where = JOB_NOWHERE;
    job_reset(job);
    job->available_ms = now_ms;
    line_up(s, job, NEAP_AVAILABLE, now_ms);
}

static void changed(struct store *s, struct job *job)
{
    (void)s;
    (void)job;
}

/* The functions of the table: what else is known. */

static size_t take_children(struct store *s, uint64_t parent, uint64_t *out, size_t max)
{
    return s->edges.count ? edges_take(&s->edges, parent, out, max) : 0;
}

static uint64_t find_unique(struct store *s, const unsigned char key[JOB_KEY_BYTES], int64_t *at_ms)
{
    return uniques_find(&s->uniques, key, at_ms);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the table's type */
static size_t owing(struct store *s, uint64_t after, uint64_t *out, size_t max)
{
    (void)s; /* nothing is left of an earlier process */
    (void)after;
    (void)out;
    (void)max;
    return 0;
}

static void paid(struct store *s, struct job *job)
{
    (void)s;
    job->owes_on_dead = false;
}

static size_t expired(struct store *s, int64_t now_ms, uint64_t *out, size_t max)
{
    size_t n = 0;
    for (struct heap_node *node;
         n < max && (node = heap_min(&s->expiries)) && node->key <= now_ms;) {
        heap_pop(&s->expiries);
        if (can_expire(s, node))
            out[n++] = node->tie;
        free(HEAP_ENTRY(node, struct expiry, node));
    }
    return n;
}

static int64_t next_expiry_ms(struct store *s)
{
    return heap_min(&s->expiries) ? heap_min(&s->expiries)->key : INT64_MAX;
}

static void set_note(struct store *s, const char *key, const void *data, size_t len)
{
    notes_set(&s->notes, key, data, len);
}

static const void *note(struct store *s, const char *key, size_t *len)
{
    const struct note *found = notes_find(&s->notes, key);
    *len = found ? found->len : 0;
    return found ? found->data : NULL;
}

static void each_note(struct store *s, const char *prefix, void *user,
                      void (*each)(void *user, const char *key, const void *data, size_t len))
{
    notes_each(&s->notes, prefix, user, each);
}

static int commit(struct store *s, struct neap_error *err)
{
    (void)s;
    (void)err;
    return NEAP_OK;
}

static bool dirty(const struct store *s)
{
    (void)s;
    return false;
}

static bool roomy(struct store *s)
{
    (void)s;
    return true;
}

static struct job *get(struct store *s, uint64_t id)
{
    return job_table_find(&s->jobs, id);
}

static struct job *get_claimed(struct store *s, uint64_t id)
{
    return job_table_find_claimed(&s->jobs, id);
}

static bool is_wanted(const void *user, const struct job *job)
{
    const struct store_query *query = user;
    return (!query->states || query->states >> memory_counted_as(job) & 1) &&
           (!query->queue || job->gate == query->queue) &&
           (!query->task || job->task == query->task);
}

static size_t scan(struct store *s, struct store_query *query, struct job **out, size_t max)
{
    const struct job_scan how = {.after = query->after,
                                 .newest_first = query->newest_first,
                                 .wanted = is_wanted,
                                 .user = query};
    const size_t n = job_table_scan(&s->jobs, &how, out, max);
    if (n)
        query->after = out[n - 1]->id;
    query->end = n < max;
    return n;
}

static void counts(struct store *s, struct store_counts *out)
{
    for (int i = 0; i < NEAP_STATES; i++)
        out->states[i] = s->counts[i];
}

static void each_live(struct store *s, void *user,
                      void (*each)(void *user, struct gate *queue, const struct task_name *task,
                                   size_t count))
{
    (void)s; /* asked at the open, when there are none */
    (void)user;
    (void)each;
}

static struct index *index_of(struct store *s)
{
    return s->index;
}

static void set_ageing(struct store *s, unsigned queue, int64_t ageing_ms)
{
    index_queue(s->index, queue, ageing_ms);
}

static void report(struct store *s, struct store_report *out)
{
    *out = (struct store_report){.in_memory = s->jobs.count};
}

const struct store_ops store_memory = {
    .name = "memory",
    .durable = false,
    .open = open_memory,
    .close = close_memory,
    .limit = memory_limit,
    .put = put,
    .withdraw = withdraw,
    .claim = claim,
    .peek = peek,
    .give_back = give_back,
    .hold = hold,
    .unhold = unhold,
    .each_held = each_held,
    .finish = finish,
    .end = end,
    .edit = edit,
    .release = release,
    .revive = revive,
    .forget = memory_forget,
    .changed = changed,
    .pin = memory_pin,
    .unpin = memory_unpin,
    .take_children = take_children,
    .find_unique = find_unique,
    .owing = owing,
    .paid = paid,
    .expired = expired,
    .next_expiry_ms = next_expiry_ms,
    .set_note = set_note,
    .note = note,
    .each_note = each_note,
    .commit = commit,
    .dirty = dirty,
    .roomy = roomy,
    .get = get,
    .get_claimed = get_claimed,
    .scan = scan,
    .counts = counts,
    .each_live = each_live,
    .index = index_of,
    .set_ageing = set_ageing,
    .prune = memory_prune,
    .report = report,
};
