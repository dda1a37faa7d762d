/* Which worker runs which job: claims from the store into the workers' lines, and back where
 * another worker idles, something more urgent has come, or the worker computes on and on. */
#include "engine/engine_state.h"

#include "base/mem.h"

#include <stdlib.h>

#define RUN 8    /* lines at least so long may differ by so many jobs */
#define CLAIMS 8 /* at a time: so many fetches do not wait for each other */

static size_t line_of(const struct member *m)
{
    return line_length(worker_line(m->worker)) + m->n_batch;
}

static int64_t room_of(const struct member *m)
{
    return m->retiring ? 0 : member_room(m) - (int64_t)m->returning.len;
}

static bool has_slot(const struct member *m)
{
    return room_of(m) > 0;
}

static void flush(struct engine *e, struct member *m)
{
    struct neap_error err;
    if (!m->n_batch)
        return;
    int rank = NEAP_PRIORITY_MIN;
    for (size_t i = 0; i < m->n_batch; i++)
        rank = m->batch[i]->rank > rank ? m->batch[i]->rank : rank;
    line_put(worker_line(m->worker), m->batch, m->n_batch);
    m->n_batch = 0;
    if (worker_wake(m->worker, &err)) {
        member_failed(e, m, &err);
        return;
    }
    worker_urge(m->worker, rank);
}

void dispatch_recall(struct engine *e, struct member *m)
{
    struct job *jobs[LINE_SLOTS];
    const size_t count = line_recall(worker_line(m->worker), jobs);
    for (size_t left = count; left; left--)
        claim_give_back(e, jobs[left - 1]); /* the last first: each belongs before the one after */
    if (!m->n_batch)
        m->line_min = NEAP_PRIORITY_MAX;
    if (count)
        m->line_most = m->pool->line_least;
}

void dispatch_recall_all(struct engine *e)
{
    for (struct member *m = NULL; (m = member_next(e, m));)
        dispatch_recall(e, m);
}

/* --- claiming
 * ------------------------------------------------------------------------------------- */

struct choice {
    struct member *member; /* NULL: all are full */
    size_t line, next;     /* jobs in its line, and in the next shortest */
};

static void consider(struct choice *choice, struct member *m, size_t line)
{
    if (line < choice->line) {
        *choice = (struct choice){m, line, choice->line};
    } else if (line < choice->next) {
        choice->next = line;
    }
}

/* The member that takes the next jobs: one that idles, else the one with the shortest line. One
 * that computes takes them only where no other has a slot: else they were taken back at once. */
static struct choice pick(const struct pool *pool, bool computes)
{
    struct choice moving = {NULL, LINE_SLOTS, LINE_SLOTS}, last = moving;
    bool moves = !computes;
    for (const struct list *at = pool->members.next; at != &pool->members; at = at->next) {
        struct member *m = LIST_ENTRY(at, struct member, link);
        const size_t line = line_of(m);
        if (!has_slot(m) || line >= m->line_most)
            continue;
        if (!m->computes && line == 0 && worker_hungry(m->worker))
            return (struct choice){m, 0, 0};
        moves |= !m->computes;
        consider(m->computes ? &last : &moving, m, line);
    }
    return moves ? moving : last;
}

/* How many it takes before the lines are compared again. */
static size_t run_of(const struct choice *to)
{
    const size_t run = to->next - to->line + (to->line < RUN ? 1 : RUN);
    const size_t places = to->member->line_most - to->line, room = (size_t)room_of(to->member);
    const size_t most = places < room ? places : room;
    return run < most ? run : most;
}

/* Every worker is full: take a line back that holds something less urgent. */
static bool make_way(struct engine *e, struct pool *pool, int rank)
{
    for (struct list *at = pool->members.next; at != &pool->members; at = at->next) {
        struct member *m = LIST_ENTRY(at, struct member, link);
        flush(e, m);
        if (!m->retiring && m->line_min < rank && line_of(m)) {
            dispatch_recall(e, m);
            return has_slot(m);
        }
    }
    return false;
}

/* What comes into its line now, all of it of that queue. */
static void begin_run(struct member *m, const struct queue *q)
{
    if (line_of(m) == 0) {
        m->line_min = NEAP_PRIORITY_MAX;
        m->line_pools = UINT64_C(1) << m->pool->index;
    }
    m->line_pools |= q->pools;
}

static void put_in_line(struct engine *e, struct member *m, struct queue *q, struct job *job)
{
    if (job->rank < m->line_min)
        m->line_min = job->rank;
    claim_new(e, m, q, job);
    m->batch[m->n_batch++] = job;
}

/* A job that cannot run now. */
static void turn_away(struct engine *e, struct job *job, bool expired)
{
    e->ops->give_back(e->store, job, e->now_ms);
    if (expired)
        job_end_waiting(e, job, NEAP_CANCELLED);
    else
        job_hold(e, job);
}

/* Jobs of one queue and rank. */
static void put_run(struct engine *e, struct member *m, struct job *const *jobs, size_t count)
{
    struct queue *q = queue_of(e, jobs[0]->gate);
    const int rank = queue_rank(e, q, jobs[0]);
    if (m->line_min < rank && line_of(m)) {
        flush(e, m); /* they must not queue behind lesser ones */
        dispatch_recall(e, m);
    }
    begin_run(m, q);
    for (size_t i = 0; i < count; i++) {
        struct job *job = jobs[i];
        const bool known = catalogue_task(e->catalogue, job->task);
        const int64_t expires_ms = job_terms(job)->expires_ms;
        const bool expired = expires_ms && expires_ms <= e->now_ms;
        job->rank = (int8_t)rank;
        if (known && !expired)
            put_in_line(e, m, q, job);
        else
            turn_away(e, job, expired);
    }
}

static void hand_out_on_dead(struct engine *e, struct pool *pool)
{
    for (struct member *m; !list_empty(&pool->on_dead) && (m = pick(pool, true).member);) {
        struct job *job = LIST_ENTRY(list_shift(&pool->on_dead), struct job, place);
        struct queue *q = queue_of(e, job->gate);
        begin_run(m, q);
        job->rank = (int8_t)queue_rank(e, q, job);
        put_in_line(e, m, q, job);
    }
}

/* One step of handing out, of one job unless the pool is `alone`; false: there is nothing more to
 * do for it. */
static bool hand_out(struct engine *e, struct pool *pool, bool computes, bool alone)
{
    const struct choice to = pick(pool, computes);
    if (!to.member && !computes)
        return false;
    if (!to.member) {
        const struct job *best = e->ops->peek(e->store, pool->index, e->now_ms);
        return best && make_way(e, pool, queue_rank(e, queue_of(e, best->gate), best));
    }
    for (size_t left = alone ? run_of(&to) : 1; left;) {
        struct job *jobs[CLAIMS];
        const size_t most = left < CLAIMS ? left : CLAIMS;
        const size_t count = e->ops->claim(e->store, pool->index, e->now_ms, jobs, most);
        if (!count)
            return false;
        put_run(e, to.member, jobs, count);
        left -= count;
    }
    return true;
}

/* A job to each pool in turn, so that pools which serve the same queue share it. */
static void hand_out_all(struct engine *e, bool computes)
{
    uint64_t open = e->n_pools < POOLS_MAX ? (UINT64_C(1) << e->n_pools) - 1 : UINT64_MAX;
    while (open)
        for (size_t i = 0; i < e->n_pools; i++)
            if (open >> i & 1 && !hand_out(e, &e->pools[i], computes, !(open & (open - 1))))
                open &= ~(UINT64_C(1) << i);
}

/* --- taking back
 * ---------------------------------------------------------------------------------- */

/* Could another worker run what waits before this one? */
static bool someone_moves(const struct engine *e, const struct member *m)
{
    for (struct member *other = NULL; (other = member_next(e, other));)
        if (other != m && m->line_pools >> other->pool->index & 1 && !other->computes &&
            has_slot(other))
            return true;
    return false;
}

void dispatch_take_back(struct engine *e, struct member *m)
{
    dispatch_recall(e, m);
    if (worker_blocked(m->worker))
        worker_share(m->worker);
}

static void stop_cancelled(const struct member *m)
{
    for (const struct list *at = m->claims.next; at != &m->claims; at = at->next) {
        const struct claim *claim = LIST_ENTRY(at, struct claim, link);
        if (claim->cancelled)
            worker_stop_job(m->worker, claim->job->id);
    }
}

/* A worker that does not end a resume for a while computes: nothing waits behind that which could
 * run elsewhere. */
static void look_at(struct engine *e, struct member *m)
{
    uint64_t job = 0;
    const int64_t since_ns = worker_inside_since_ns(m->worker, &job);
    if (job == 0 || job != m->inside) /* else it gave way and went on at once */
        m->inside_since_ns = since_ns;
    m->inside = job;
    m->computes = job && e->mono_ms - m->inside_since_ns / 1000000 >= BUSY_TURN_MS;
    if (!m->computes)
        return;
    if (m->cancels)
        stop_cancelled(m);
    if ((line_of(m) || worker_blocked(m->worker)) && someone_moves(e, m))
        dispatch_take_back(e, m);
}

static bool someone_idles(const struct pool *pool, bool *only_new)
{
    bool any = false;
    *only_new = true;
    for (const struct list *at = pool->members.next; at != &pool->members; at = at->next) {
        const struct member *m = LIST_ENTRY(at, struct member, link);
        if (!has_slot(m) || line_of(m) || !worker_hungry(m->worker))
            continue;
        any = true;
        *only_new &= worker_is_new(m->worker);
    }
    return any;
}

static bool is_inside(const struct member *m)
{
    uint64_t job;
    worker_inside_since_ns(m->worker, &job);
    return job != 0;
}

/* A worker that idles shares what waits before the others, where there is nothing else for it. None
 * is started for what another one is about to take. */
static void level(struct engine *e, struct pool *pool)
{
    bool only_new;
    if (!someone_idles(pool, &only_new) || e->ops->peek(e->store, pool->index, e->now_ms))
        return;
    for (struct member *m = NULL; (m = member_next(e, m));)
        if (m->line_pools >> pool->index & 1 && !worker_hungry(m->worker) &&
            (!only_new || is_inside(m)))
            dispatch_take_back(e, m);
}

/* Half a line was taken within a millisecond. For such small jobs a longer one means fewer turns,
 * and nothing waits long in it. */
static void line_adapt(const struct engine *e, struct member *m)
{
    if (m->line_ms == e->mono_ms && m->line_left >= m->line_most / 2 &&
        line_of(m) * 2 <= m->line_left)
        m->line_most = m->line_most * 2 < LINE_SLOTS ? m->line_most * 2 : LINE_SLOTS;
}

static void settle(struct engine *e, struct member *m)
{
    line_adapt(e, m);
    look_at(e, m);
    if (!m->retiring || m->leaving)
        return;
    dispatch_recall(e, m);
    if (m->jobs == 0) {
        m->leaving = true;
        worker_note(m->worker, WORKER_EXIT, 0);
    }
}

static void all_pools(struct engine *e, void (*each)(struct engine *e, struct pool *pool))
{
    for (size_t i = 0; i < e->n_pools; i++)
        each(e, &e->pools[i]);
}

void dispatch(struct engine *e)
{
    claims_return(e);
    for (struct member *m = NULL; (m = member_next(e, m));)
        settle(e, m);
    if (e->drain_stopped || e->stopping)
        return;
    if (!e->draining)
        all_pools(e, level);
    all_pools(e, hand_out_on_dead); /* also in a drain: it belongs to a job that ran */
    if (!e->draining) {
        hand_out_all(e, false);
        hand_out_all(e, true); /* what nobody else could take: what computes gives way to it */
    }
    all_pools(e, hand_out_on_dead); /* what had to make way */
    for (struct member *m = NULL; (m = member_next(e, m));) {
        flush(e, m);
        m->line_left = line_of(m);
        m->line_ms = e->mono_ms;
    }
}
