/* neap.shared: named maps that all workers of an executor share, the one thread-safe thing scripts
 * have in common. Values are bytes (an encoded Lua value). One lock a map, held only to touch the
 * table. Any thread. A key with a time to live is gone once it is over. Times are monotonic
 * milliseconds; ttl_ms 0: for ever. */
#ifndef PARTS_SHARED_H
#define PARTS_SHARED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "neap.h"

#define SHARED_BYTES_MAX (64 * 1024 * 1024) /* keys and values of one map */
#define SHARED_MAPS_MAX 1000

struct shared;     /* one map; lives as long as the set */
struct shared_set; /* all of an executor's */

struct shared_item { /* what put and add take; nothing in it is kept */
    const char *key;
    size_t key_len;
    const void *value;
    size_t len;
    int64_t ttl_ms;
};

struct shared_set *shared_set_new(void);
void shared_set_free(struct shared_set *set);
struct shared *shared_open(struct shared_set *set,
                           const char *name); /* made on first use; NULL: there are too many */

/* NEAP_EFULL past SHARED_BYTES_MAX, after what has expired was swept. */
int shared_put(struct shared *map, const struct shared_item *item, int64_t now_ms);
/* As put, but NEAP_EINVAL where the key exists. */
int shared_add(struct shared *map, const struct shared_item *item, int64_t now_ms);
/* Appends the value to `out`; false: no such key. */
bool shared_get(struct shared *map, const char *key, size_t key_len, struct buf *out,
                int64_t now_ms);
bool shared_delete(struct shared *map, const char *key, size_t key_len);

/* Turns the value kept under a key into another, in one step that no other thread sees half done.
 * `change` reads `old` (len 0: no such key) and writes `out`; it must not block, call back or
 * raise. It returns NEAP_OK, or an error that leaves the value alone. */
int shared_change(struct shared *map, const char *key, size_t key_len, int64_t ttl_ms,
                  int64_t now_ms,
                  int (*change)(void *user, const void *old, size_t len, struct buf *out),
                  void *user);

/* Appends the live keys, each as a 32-bit length and its bytes, to `out`; returns how many. */
size_t shared_keys(struct shared *map, struct buf *out, int64_t now_ms);

#endif
