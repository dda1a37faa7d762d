/* Jobs that have ended and are remembered, the oldest first: a ring of entries, so that the next
 * ones to go are known ahead and can be fetched while one goes. Owner: its store. While a job is in
 * here its due.key is its number in the ring. */
#ifndef PARTS_SHELF_H
#define PARTS_SHELF_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct job;

/* With what must be known of it to forget it: so nobody need look at the job, which has long left
 * the caches. */
struct shelf_entry {
    struct job *job; /* NULL: taken out before its turn */
    uint64_t id;
    int64_t finished_ms;
    uint32_t bytes;
    uint8_t state, block;
    bool plain; /* it owns nothing, and is nobody else's: only its memory is to be given back */
};

struct shelf { /* zeroed: empty */
    struct shelf_entry *ring;
    size_t cap;           /* a power of two, or 0 */
    uint64_t first, next; /* numbers; `first` is never of one that was taken out */
    size_t count, bytes;  /* of the jobs in it */
};

void shelf_close(struct shelf *shelf);
void shelf_push(struct shelf *shelf, struct job *job, size_t bytes); /* as the newest */
void shelf_remove(struct shelf *shelf, struct job *job);
void shelf_trim(struct shelf *shelf); /* after some of them: gives memory back that is too much */

/* The one that is `behind` places behind the oldest; NULL: none, or it was taken out. */
static inline const struct shelf_entry *shelf_at(const struct shelf *shelf, size_t behind)
{
    const uint64_t number = shelf->first + behind;
    if (number >= shelf->next)
        return NULL;
    const struct shelf_entry *entry = &shelf->ring[number & (shelf->cap - 1)];
    return entry->job ? entry : NULL;
}

static inline const struct shelf_entry *shelf_oldest(const struct shelf *shelf) /* NULL: empty */
{
    return shelf_at(shelf, 0);
}

/* Takes the oldest, which must be there. */
static inline struct shelf_entry shelf_shift(struct shelf *shelf)
{
    const uint64_t mask = shelf->cap - 1;
    const struct shelf_entry oldest = shelf->ring[shelf->first & mask];
    assert(oldest.job);
    shelf->count--;
    shelf->bytes -= oldest.bytes;
    do
        shelf->first++;
    while (shelf->first < shelf->next && !shelf->ring[shelf->first & mask].job);
    return oldest;
}

#endif
