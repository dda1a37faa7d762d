#include "parts/index_line.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/mem.h"

/* How many jobs at either end of a FIFO are looked at before one goes to the heap. Submitters on
 * several threads come a little out of order, and a worker hands back a few at a time. */
#define NEAR 8

/* available_ms in a key of the heap, below the level: good until the year 10889. */
#define TIME_BITS 48
#define TIME_MAX ((INT64_C(1) << TIME_BITS) - 1)

static struct job *job_of_place(const struct list *node)
{
    return LIST_ENTRY(node, struct job, place);
}

static struct job *job_of_due(const struct heap_node *node)
{
    return HEAP_ENTRY(node, struct job, due);
}

static bool earlier(const struct job *a, const struct job *b)
{
    if (a->available_ms != b->available_ms)
        return a->available_ms < b->available_ms;
    return a->id < b->id;
}

static struct list *fifo_of(const struct index_line *line, unsigned level)
{
    return &line->chunks[level / LINE_CHUNK][level % LINE_CHUNK];
}

static struct list *fifo_made(struct index_line *line, unsigned level)
{
    struct list **chunk = &line->chunks[level / LINE_CHUNK];
    if (!*chunk) {
        *chunk = mem_alloc(LINE_CHUNK * sizeof **chunk);
        for (unsigned i = 0; i < LINE_CHUNK; i++)
            list_init(&(*chunk)[i]);
    }
    return fifo_of(line, level);
}

/* The node before which the job belongs, or NULL: far from both ends. */
static struct list *place_near_end(struct list *fifo, const struct job *job)
{
    struct list *at = fifo;
    if (fifo->next != fifo && earlier(job, job_of_place(fifo->next)))
        return fifo->next;
    for (int i = 0; i < NEAR; i++, at = at->prev)
        if (at->prev == fifo || earlier(job_of_place(at->prev), job))
            return at;
    at = fifo->next;
    for (int i = 0; i < NEAR; i++, at = at->next)
        if (earlier(job, job_of_place(at)))
            return at;
    return NULL;
}

static int64_t key_of(const struct index_line *line, const struct job *job)
{
    const int64_t time = job->available_ms;
    if (line->ageing_ms)
        return time - job->priority * line->ageing_ms;
    const int64_t within = time < 0 ? 0 : time < TIME_MAX ? time : TIME_MAX;
    return ((int64_t)level_of(job->priority) << TIME_BITS) + within;
}

void index_line_close(struct index_line *line)
{
    for (unsigned i = 0; i < LEVELS / LINE_CHUNK; i++)
        free(line->chunks[i]);
    heap_close(&line->sorted);
    *line = (struct index_line){0};
}

static void put_before(struct index_line *line, struct list *at, unsigned level, struct job *job)
{
    list_insert(at, &job->place);
    levels_add(&line->levels, level);
    job->where = JOB_LINED;
}

static void put_sorted(struct index_line *line, struct job *job)
{
    job->due.key = key_of(line, job);
    job->due.tie = job->id;
    heap_push(&line->sorted, &job->due);
    job->where = JOB_SORTED;
}

/* Not at the end of a FIFO, or of none that is there. */
static void put_elsewhere(struct index_line *line, struct job *job)
{
    const unsigned level = level_of(job->priority);
    struct list *at = line->ageing_ms ? NULL : place_near_end(fifo_made(line, level), job);
    if (at)
        put_before(line, at, level, job);
    else
        put_sorted(line, job);
}

void index_line_put(struct index_line *line, struct job *job)
{
    const unsigned level = level_of(job->priority);
    if (!line->ageing_ms && line->chunks[level / LINE_CHUNK]) {
        struct list *fifo = fifo_of(line, level);
        if (fifo->prev == fifo || earlier(job_of_place(fifo->prev), job)) {
            put_before(line, fifo, level, job);
            return;
        }
    }
    put_elsewhere(line, job);
}

void index_line_remove(struct index_line *line, struct job *job)
{
    if (job->where == JOB_LINED) {
        const unsigned level = level_of(job->priority);
        list_remove(&job->place);
        if (list_empty(fifo_of(line, level)))
            levels_drop(&line->levels, level);
    } else {
        assert(job->where == JOB_SORTED);
        heap_remove(&line->sorted, &job->due);
    }
    job->where = JOB_NOWHERE;
    job->due.key = 0;
}

struct job *index_line_head(const struct index_line *line)
{
    const unsigned level = levels_first(&line->levels);
    const struct heap_node *least = heap_min(&line->sorted);
    struct job *aside = least ? job_of_due(least) : NULL;
    if (level == LEVEL_NONE)
        return aside;
    struct job *first = job_of_place(fifo_of(line, level)->next);
    if (!aside || aside->priority < first->priority)
        return first;
    return aside->priority > first->priority || earlier(aside, first) ? aside : first;
}

/* Links nobody beside them: who is the first now was fetched, but it may not be here yet. */
static size_t shift(struct index_line *line, unsigned level, struct job **out, size_t max)
{
    struct list *fifo = fifo_of(line, level), *at = fifo->next;
    size_t count = 0;
    for (; count < max && at != fifo; count++) {
        struct job *job = out[count] = job_of_place(at);
        at = at->next;
        job->place = (struct list){0};
        job->where = JOB_NOWHERE;
    }
    fifo->next = at;
    at->prev = fifo;
    if (at == fifo)
        levels_drop(&line->levels, level);
    return count;
}

size_t index_line_take(struct index_line *line, struct job **out, size_t max)
{
    const unsigned level = levels_first(&line->levels);
    if (!line->sorted.len)
        return level == LEVEL_NONE ? 0 : shift(line, level, out, max);
    out[0] = index_line_head(line);
    index_line_remove(line, out[0]);
    return 1;
}

unsigned index_line_level(const struct index_line *line)
{
    const unsigned level = levels_first(&line->levels);
    const struct heap_node *least = heap_min(&line->sorted);
    const unsigned aside = least ? level_of(job_of_due(least)->priority) : LEVEL_NONE;
    return aside < level ? aside : level;
}

void index_line_age(struct index_line *line, int64_t ageing_ms)
{
    if (line->ageing_ms == ageing_ms)
        return;
    struct list all;
    list_init(&all);
    for (struct job *job; (job = index_line_head(line));) {
        index_line_remove(line, job);
        list_push(&all, &job->place);
    }
    line->ageing_ms = ageing_ms;
    for (struct list *node; (node = list_shift(&all));)
        index_line_put(line, job_of_place(node));
}
