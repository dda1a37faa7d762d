/* Which job was put last with a key. In memory; a durable store has a table of its own. Owner: the
 * store. */
#ifndef PARTS_UNIQUES_H
#define PARTS_UNIQUES_H

#include <stddef.h>
#include <stdint.h>

#include "base/heap.h"
#include "model/job.h"

struct unique_row;

struct uniques {
    struct unique_row **buckets; /* a power of two of them; zeroed: none yet */
    size_t n_buckets, count;
    struct heap ending; /* rows whose job is gone, by when they go too */
};

void uniques_close(struct uniques *uniques);
void uniques_put(struct uniques *uniques, const struct job *job); /* the key names it from now on */
uint64_t uniques_find(const struct uniques *uniques, const unsigned char key[JOB_KEY_BYTES],
                      int64_t *at_ms); /* 0: none */
/* The job is forgotten: its row stays for the rest of its within_ms. */
void uniques_orphan(struct uniques *uniques, const struct job *job, int64_t now_ms);
void uniques_expire(struct uniques *uniques, int64_t now_ms); /* drops what stayed so */
void uniques_each(const struct uniques *uniques, void *user,
                  void (*each)(void *user, const unsigned char *key, uint64_t id, int64_t at_ms));
void uniques_remove(struct uniques *uniques, const struct job *job); /* as if never put */

#endif
