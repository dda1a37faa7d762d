/* The line before one worker: jobs claimed for it that have not started. The engine puts and takes
 * back, the worker takes; so a job never waits behind one that computes while another worker idles.
 *
 * Lock-free ring: one 64-bit word holds head and tail, both only ever grow, so a compare-and-swap
 * that succeeds proves that nobody moved either end meanwhile (no ABA: taking back moves head to
 * tail instead of tail to head). */
#ifndef PARTS_LINE_H
#define PARTS_LINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/job.h"

#define LINE_SLOTS 2048 /* power of two */

struct line {
    _Atomic uint64_t ends; /* head << 32 | tail */
    _Atomic uint32_t low;  /* see line_is_low; by the engine, read without order: only a hint */
    _Atomic(struct job *) slots[LINE_SLOTS];
    _Atomic int8_t priorities[LINE_SLOTS]; /* beside them: a job may be gone once it is recalled */
};

void line_init(struct line *line);
size_t line_length(const struct line *line);

/* Engine. At most LINE_SLOTS - line_length() jobs, in order. */
void line_put(struct line *line, struct job *const *jobs, size_t count);
/* Engine. Takes back all that the worker has not taken, in order; room for LINE_SLOTS. */
size_t line_recall(struct line *line, struct job **out);
/* Worker. The rank of the next job and its position, which only ever grows; false: there is none.
 */
bool line_peek(const struct line *line, int *rank, uint32_t *position);
uint32_t line_tail(const struct line *line); /* the position that the next one put will get */
static inline bool line_is_before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}
/* Worker. The next job if its rank is at least `priority`, else NULL. It counts as started from
 * here. */
struct job *line_take(struct line *line, int priority);
/* Worker. Half of what was there after the last put has been taken: true once, and not where that
 * was little. */
static inline bool line_is_low(const struct line *line)
{
    const uint64_t ends = atomic_load_explicit(&line->ends, memory_order_relaxed);
    return (uint32_t)ends - (uint32_t)(ends >> 32) ==
           atomic_load_explicit(&line->low, memory_order_relaxed);
}

#endif
