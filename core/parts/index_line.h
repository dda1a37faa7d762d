/* The available jobs of one queue in order: priority, then available_ms, then id. Owner: the
 * engine.
 *
 * A FIFO for each priority, because jobs nearly always come in order. One that belongs far inside a
 * FIFO (promoted late, handed back out of order) goes to a heap beside them, so nothing is ever
 * searched for. With ageing all jobs are in that heap, by available_ms - priority * ageing_ms: the
 * order by aged priority, which no passing of time changes. */
#ifndef PARTS_INDEX_LINE_H
#define PARTS_INDEX_LINE_H

#include <stdint.h>

#include "base/heap.h"
#include "base/list.h"
#include "model/job.h"
#include "parts/index_levels.h"

#define LINE_CHUNK 16 /* FIFOs made at a time: most queues use few priorities */

struct index_line { /* zeroed: empty, no ageing */
    int64_t ageing_ms;
    struct levels levels;                     /* FIFOs that have jobs */
    struct list *chunks[LEVELS / LINE_CHUNK]; /* heads of the FIFOs; NULL: none of them used yet */
    struct heap sorted;
};

void index_line_close(struct index_line *line); /* forgets the jobs */
/* Changes the ageing; the jobs move over. */
void index_line_age(struct index_line *line, int64_t ageing_ms);

void index_line_put(struct index_line *line, struct job *job);    /* sets job->where */
void index_line_remove(struct index_line *line, struct job *job); /* and due.key = 0 */
struct job *index_line_head(const struct index_line *line);       /* NULL: empty */
/* Removes the first jobs, of one priority: at most `max`, at least 1, and one alone where they are
 * not all in FIFOs. 0: it is empty. */
size_t index_line_take(struct index_line *line, struct job **out, size_t max);
/* Without ageing: the level of the head, which is not fetched if it need not be. */
unsigned index_line_level(const struct index_line *line); /* LEVEL_NONE: empty */

#endif
