#include "parts/line.h"

#include <assert.h>

#include "base/fetch.h"

#define FETCHED_AHEAD 2 /* jobs: as long as a small one runs, its memory takes to come */

#define LOW_LEAST 32 /* no shorter line runs low */

static uint32_t head_of(uint64_t ends)
{
    return (uint32_t)(ends >> 32);
}

static uint32_t tail_of(uint64_t ends)
{
    return (uint32_t)ends;
}

static uint64_t ends_of(uint32_t head, uint32_t tail)
{
    return (uint64_t)head << 32 | tail;
}

void line_init(struct line *line)
{
    atomic_init(&line->low, LINE_SLOTS);
    atomic_init(&line->ends, 0);
    for (size_t i = 0; i < LINE_SLOTS; i++) {
        atomic_init(&line->slots[i], NULL);
        atomic_init(&line->priorities[i], 0);
    }
}

size_t line_length(const struct line *line)
{
    const uint64_t ends = atomic_load(&line->ends);
    return tail_of(ends) - head_of(ends);
}

void line_put(struct line *line, struct job *const *jobs, size_t count)
{
    uint64_t ends = atomic_load_explicit(&line->ends, memory_order_relaxed);
    const uint32_t tail = tail_of(ends); /* only this thread moves the tail */
    assert(count <= LINE_SLOTS - line_length(line));
    for (size_t i = 0; i < count; i++) {
        const size_t at = (tail + i) % LINE_SLOTS;
        atomic_store_explicit(&line->slots[at], jobs[i], memory_order_relaxed);
        atomic_store_explicit(&line->priorities[at], jobs[i]->rank, memory_order_relaxed);
    }
    uint64_t grown;
    do { /* the worker that sees the tail sees the slots and the jobs */
        grown = ends_of(head_of(ends), tail + (uint32_t)count);
    } while (!atomic_compare_exchange_weak(&line->ends, &ends, grown));
    const uint32_t length = tail + (uint32_t)count - head_of(ends);
    atomic_store_explicit(&line->low, length < LOW_LEAST ? LINE_SLOTS : length / 2,
                          memory_order_relaxed);
}

size_t line_recall(struct line *line, struct job **out)
{
    uint64_t ends = atomic_load_explicit(&line->ends, memory_order_relaxed);
    uint32_t tail;
    do {
        tail = tail_of(ends);
        if (head_of(ends) == tail)
            return 0;
    } while (!atomic_compare_exchange_weak_explicit(&line->ends, &ends, ends_of(tail, tail),
                                                    memory_order_acquire, memory_order_relaxed));
    size_t count = 0;
    for (uint32_t i = head_of(ends); i != tail; i++)
        out[count++] = atomic_load_explicit(&line->slots[i % LINE_SLOTS], memory_order_relaxed);
    return count;
}

bool line_peek(const struct line *line, int *rank, uint32_t *position)
{
    const uint64_t ends = atomic_load_explicit(&line->ends, memory_order_acquire);
    *position = head_of(ends);
    if (head_of(ends) == tail_of(ends))
        return false;
    *rank =
        atomic_load_explicit(&line->priorities[head_of(ends) % LINE_SLOTS], memory_order_relaxed);
    return true;
}

uint32_t line_tail(const struct line *line)
{
    return tail_of(atomic_load_explicit(&line->ends, memory_order_relaxed));
}

/* What the worker will touch of a job soon: others wrote it, so it is in no cache of its own. */
static void fetch_soon(const struct line *line, uint64_t ends)
{
    const uint32_t position = head_of(ends) + FETCHED_AHEAD;
    if (!line_is_before(position, tail_of(ends)))
        return;
    const struct job *job =
        atomic_load_explicit(&line->slots[position % LINE_SLOTS], memory_order_relaxed);
    job_fetch(job);
    fetch_line(job->args);
}

struct job *line_take(struct line *line, int priority)
{
    uint64_t ends = atomic_load_explicit(&line->ends, memory_order_acquire);
    for (;;) {
        const uint32_t head = head_of(ends);
        if (head == tail_of(ends))
            return NULL;
        const size_t at = head % LINE_SLOTS;
        struct job *job = atomic_load_explicit(&line->slots[at], memory_order_relaxed);
        if (atomic_load_explicit(&line->priorities[at], memory_order_relaxed) < priority)
            return NULL;
        const uint64_t taken = ends_of(head + 1, tail_of(ends));
        if (atomic_compare_exchange_weak_explicit(&line->ends, &ends, taken, memory_order_acquire,
                                                  memory_order_acquire)) {
            fetch_soon(line, taken);
            return job;
        }
    }
}
