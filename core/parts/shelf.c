#include "parts/shelf.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "model/job.h"

#define SHELF_MIN 64

static struct shelf_entry *entry_of(const struct shelf *shelf, uint64_t number)
{
    return &shelf->ring[number & (shelf->cap - 1)];
}

void shelf_close(struct shelf *shelf)
{
    free(shelf->ring);
    *shelf = (struct shelf){0};
}

static __attribute__((noinline)) void resize(struct shelf *shelf, size_t cap)
{
    struct shelf wide = *shelf;
    wide.cap = cap;
    wide.ring = mem_alloc(cap * sizeof *wide.ring);
    for (uint64_t number = shelf->first; number < shelf->next; number++)
        *entry_of(&wide, number) = *entry_of(shelf, number);
    free(shelf->ring);
    *shelf = wide;
}

void shelf_push(struct shelf *shelf, struct job *job, size_t bytes)
{
    bytes = bytes < UINT32_MAX ? bytes : UINT32_MAX;
    if (shelf->next - shelf->first == shelf->cap)
        resize(shelf, shelf->cap ? shelf->cap * 2 : SHELF_MIN);
    job->due.key = (int64_t)shelf->next;
    *entry_of(shelf, shelf->next++) = (struct shelf_entry){
        .job = job,
        .id = job->id,
        .finished_ms = job->finished_ms,
        .bytes = (uint32_t)bytes,
        .state = job->state,
        .plain = !job->terms && !job->left &&
                 atomic_load_explicit(&job->refs, memory_order_acquire) == 1,
        .block = job->block,
    };
    shelf->count++;
    shelf->bytes += bytes;
}

void shelf_trim(struct shelf *shelf)
{
    if (shelf->cap > SHELF_MIN && shelf->next - shelf->first < shelf->cap / 4)
        resize(shelf, shelf->cap / 2);
}

void shelf_remove(struct shelf *shelf, struct job *job)
{
    struct shelf_entry *entry = entry_of(shelf, (uint64_t)job->due.key);
    assert(entry->job == job);
    if (entry == entry_of(shelf, shelf->first)) {
        shelf_shift(shelf);
    } else {
        shelf->count--;
        shelf->bytes -= entry->bytes;
        entry->job = NULL;
    }
    job->due.key = 0;
    shelf_trim(shelf);
}
