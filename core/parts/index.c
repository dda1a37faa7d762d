#include "parts/index.h"

#include <assert.h>
#include <stdlib.h>

#include "base/heap.h"
#include "base/mem.h"
#include "parts/gate.h"
#include "parts/index_line.h"
#include "parts/index_pool.h"

/* Longer ageing (35 years) is none: keeps keys far from overflow. */
#define AGEING_MAX_MS (INT64_C(1) << 40)

struct queue {
    struct index_line line;
    struct index_turn turn;
    struct heap_node step; /* in index->steps while its head's aged priority will still rise */
    size_t available, scheduled;
    bool shut, limited;
};

/* Owner: the engine. Between calls each queue's turn has the level of its head as of now_ms. */
struct index {
    struct queue **queues; /* by number; NULL: not mentioned yet */
    unsigned n_queues;
    int64_t now_ms;    /* the latest time seen */
    struct heap due;   /* scheduled jobs */
    struct heap steps; /* queues with ageing, by when their level changes */
    struct index_pools pools;
    bool (*promoted)(void *user, struct job *job);
    void *user;
};

struct index *index_new(void)
{
    struct index *index = mem_zero(1, sizeof *index);
    index->now_ms = INT64_MIN;
    return index;
}

void index_free(struct index *index)
{
    if (!index)
        return;
    for (unsigned i = 0; i < index->n_queues; i++) {
        if (index->queues[i])
            index_line_close(&index->queues[i]->line);
        free(index->queues[i]);
    }
    free(index->queues);
    heap_close(&index->due);
    heap_close(&index->steps);
    index_pools_close(&index->pools);
    free(index);
}

static struct queue *queue_make(struct index *index, unsigned number)
{
    if (number >= index->n_queues) {
        const unsigned n = number < 8 ? 16 : number * 2;
        index->queues = mem_grow(index->queues, n, sizeof(struct queue *));
        for (unsigned i = index->n_queues; i < n; i++)
            index->queues[i] = NULL;
        index->n_queues = n;
    }
    struct queue *q = mem_zero(1, sizeof *q);
    index_turn_init(&q->turn);
    q->step.tie = number;
    return index->queues[number] = q;
}

static inline struct queue *queue_at(struct index *index, unsigned number)
{
    if (number < index->n_queues && index->queues[number])
        return index->queues[number];
    return queue_make(index, number);
}

static struct queue *queue_of(struct index *index, const struct job *job)
{
    return queue_at(index, job->gate->index);
}

static int64_t periods_waited(const struct job *job, int64_t ageing_ms, int64_t now_ms)
{
    return now_ms > job->available_ms ? (now_ms - job->available_ms) / ageing_ms : 0;
}

/* The level of the queue's head, and when that will change (INT64_MAX: not by itself). */
static unsigned head_level(const struct queue *q, int64_t now_ms, int64_t *until_ms)
{
    const int64_t ageing = q->line.ageing_ms;
    *until_ms = INT64_MAX;
    if (q->shut)
        return LEVEL_NONE;
    if (!ageing)
        return index_line_level(&q->line);
    const struct job *head = index_line_head(&q->line);
    if (!head)
        return LEVEL_NONE;
    const int64_t periods = periods_waited(head, ageing, now_ms);
    if (periods >= NEAP_PRIORITY_MAX - head->priority)
        return level_of(NEAP_PRIORITY_MAX);
    *until_ms = head->available_ms + (periods + 1) * ageing;
    return level_of(head->priority + (int)periods);
}

static void refresh(struct index *index, struct queue *q, bool served)
{
    int64_t until_ms;
    const unsigned level = head_level(q, index->now_ms, &until_ms);
    index_turn_set(&index->pools, &q->turn, level, served);
    if (q->step.pos && q->step.key != until_ms)
        heap_remove(&index->steps, &q->step);
    if (!q->step.pos && until_ms != INT64_MAX) {
        q->step.key = until_ms;
        heap_push(&index->steps, &q->step);
    }
}

void index_queue(struct index *index, unsigned queue, int64_t ageing_ms)
{
    struct queue *q = queue_at(index, queue);
    index_line_age(&q->line, ageing_ms > 0 && ageing_ms <= AGEING_MAX_MS ? ageing_ms : 0);
    refresh(index, q, false);
}

void index_serve(struct index *index, unsigned queue, uint64_t pools)
{
    index_turn_serve(&index->pools, &queue_at(index, queue)->turn, pools);
}

void index_shut(struct index *index, unsigned queue, bool shut)
{
    struct queue *q = queue_at(index, queue);
    if (q->shut == shut)
        return;
    q->shut = shut;
    refresh(index, q, false);
}

void index_limit(struct index *index, unsigned queue, bool limited)
{
    queue_at(index, queue)->limited = limited;
}

void index_watch(struct index *index, bool (*promoted)(void *user, struct job *job), void *user)
{
    index->promoted = promoted;
    index->user = user;
}

static void see_time(struct index *index, int64_t now_ms)
{
    if (now_ms > index->now_ms)
        index->now_ms = now_ms;
}

static void enter_line(struct index *index, struct queue *q, struct job *job)
{
    job->due.key = 0;
    index_line_put(&q->line, job);
    q->available++;
    /* Behind the head it changes nothing. */
    if (q->line.ageing_ms || q->turn.level > level_of(job->priority))
        refresh(index, q, false);
}

void index_put(struct index *index, struct job *job, int64_t now_ms)
{
    assert(job->where == JOB_NOWHERE);
    see_time(index, now_ms);
    struct queue *q = queue_of(index, job);
    if (job->due.key <= now_ms) {
        enter_line(index, q, job);
        return;
    }
    job->due.tie = job->id;
    heap_push(&index->due, &job->due);
    job->where = JOB_DUE;
    q->scheduled++;
}

void index_remove(struct index *index, struct job *job)
{
    struct queue *q = queue_of(index, job);
    if (job->where == JOB_DUE) {
        heap_remove(&index->due, &job->due);
        job->where = JOB_NOWHERE;
        q->scheduled--;
    } else {
        index_line_remove(&q->line, job);
        q->available--;
        refresh(index, q, false);
    }
}

size_t index_promote(struct index *index, int64_t now_ms)
{
    size_t moved = 0;
    see_time(index, now_ms);
    for (struct heap_node *node; (node = heap_min(&index->due)) && node->key <= now_ms; moved++) {
        struct job *job = HEAP_ENTRY(node, struct job, due);
        struct queue *q = queue_of(index, job);
        heap_remove(&index->due, node);
        job->where = JOB_NOWHERE;
        q->scheduled--;
        job->available_ms = node->key;
        job->due.key = 0;
        if (!index->promoted || index->promoted(index->user, job))
            enter_line(index, q, job);
    }
    return moved;
}

void index_thin_line(struct index *index, unsigned queue, const struct index_thin *thin)
{
    struct queue *q = queue_at(index, queue);
    struct list staying;
    bool stay = true;
    list_init(&staying);
    for (struct job *job; (job = index_line_head(&q->line));) {
        index_line_remove(&q->line, job);
        stay = stay && thin->stays(thin->user, job);
        if (stay) {
            list_push(&staying, &job->place);
            continue;
        }
        q->available--;
        thin->gone(thin->user, job);
    }
    for (struct list *node; (node = list_shift(&staying));)
        index_line_put(&q->line, LIST_ENTRY(node, struct job, place));
    refresh(index, q, false);
}

void index_thin_due(struct index *index, const struct index_thin *thin)
{
    struct heap old = index->due;
    index->due = (struct heap){0};
    bool stay = true;
    for (struct heap_node *node; (node = heap_pop(&old));) {
        struct job *job = HEAP_ENTRY(node, struct job, due);
        stay = stay && thin->stays(thin->user, job);
        if (stay) {
            heap_push(&index->due, node);
            continue;
        }
        job->where = JOB_NOWHERE;
        queue_of(index, job)->scheduled--;
        thin->gone(thin->user, job);
    }
    heap_close(&old);
}

int64_t index_next_due_ms(const struct index *index)
{
    const struct heap_node *node = heap_min(&index->due);
    return node ? node->key : INT64_MAX;
}

/* The queue whose turn it is, levels brought up to now. */
static struct queue *next_queue(struct index *index, unsigned pool, int64_t now_ms, bool *alone)
{
    see_time(index, now_ms);
    for (struct heap_node *node; (node = heap_min(&index->steps)) && node->key <= index->now_ms;)
        refresh(index, HEAP_ENTRY(node, struct queue, step), false);
    struct index_turn *turn = index_pools_next(&index->pools, pool, alone);
    return turn ? LIST_ENTRY(turn, struct queue, turn) : NULL;
}

struct job *index_peek(struct index *index, unsigned pool, int64_t now_ms)
{
    bool alone;
    const struct queue *q = next_queue(index, pool, now_ms, &alone);
    return q ? index_line_head(&q->line) : NULL;
}

size_t index_pop(struct index *index, unsigned pool, int64_t now_ms, struct job **out, size_t max)
{
    bool alone;
    struct queue *q = next_queue(index, pool, now_ms, &alone);
    if (!q)
        return 0;
    const size_t count = index_line_take(&q->line, out, alone && !q->limited ? max : 1);
    q->available -= count;
    refresh(index, q, true);
    return count;
}

static const struct queue *queue_if(const struct index *index, unsigned queue)
{
    return queue < index->n_queues ? index->queues[queue] : NULL;
}

size_t index_available(const struct index *index, unsigned queue)
{
    const struct queue *q = queue_if(index, queue);
    return q ? q->available : 0;
}

size_t index_scheduled(const struct index *index)
{
    return index->due.len;
}

int64_t index_ageing_ms(const struct index *index, unsigned queue)
{
    const struct queue *q = queue_if(index, queue);
    return q ? q->line.ageing_ms : 0;
}

size_t index_waiting(const struct index *index, unsigned queue)
{
    const struct queue *q = queue_if(index, queue);
    return q ? q->available + q->scheduled : 0;
}
