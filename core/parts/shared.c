#include "parts/shared.h"

#include "base/hash.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct item {
    struct item *next; /* in its bucket */
    uint64_t hash;
    int64_t expires_ms; /* 0: never */
    size_t key_len, len;
    char bytes[]; /* the key, then the value */
};

struct shared {
    struct shared *next;  /* in the set */
    pthread_mutex_t lock; /* guards all below; nothing is called under it but a `change` */
    struct item **buckets;
    size_t n_buckets, count, bytes;
    char name[];
};

struct shared_set {
    pthread_mutex_t lock; /* guards the list; maps never go */
    struct shared *maps;
};

struct shared_set *shared_set_new(void)
{
    struct shared_set *set = mem_zero(1, sizeof *set);
    pthread_mutex_init(&set->lock, NULL);
    return set;
}

static void map_free(struct shared *map)
{
    for (size_t i = 0; i < map->n_buckets; i++) {
        for (struct item *item = map->buckets[i], *next; item; item = next) {
            next = item->next;
            free(item);
        }
    }
    pthread_mutex_destroy(&map->lock);
    free(map->buckets);
    free(map);
}

void shared_set_free(struct shared_set *set)
{
    if (!set)
        return;
    for (struct shared *map = set->maps, *next; map; map = next) {
        next = map->next;
        map_free(map);
    }
    pthread_mutex_destroy(&set->lock);
    free(set);
}

struct shared *shared_open(struct shared_set *set, const char *name)
{
    pthread_mutex_lock(&set->lock);
    struct shared *map = set->maps;
    size_t count = 0;
    for (; map && strcmp(map->name, name) != 0; count++)
        map = map->next;
    if (!map && count < SHARED_MAPS_MAX) {
        map = mem_zero(1, sizeof *map + strlen(name) + 1);
        strcpy(map->name, name);
        pthread_mutex_init(&map->lock, NULL);
        map->n_buckets = 64;
        map->buckets = mem_zero(map->n_buckets, sizeof *map->buckets);
        map->next = set->maps;
        set->maps = map;
    }
    pthread_mutex_unlock(&set->lock);
    return map;
}

/* --- the table; the lock is held ---------------------------------------------------------------
 */

static uint64_t hash_of(const char *key, size_t len)
{
    return hash_bytes(HASH_START, key, len);
}

/* Where the key is linked, or would be. */
static struct item **find(struct shared *map, const char *key, size_t len, uint64_t hash)
{
    struct item **at = &map->buckets[hash & (map->n_buckets - 1)];
    while (*at &&
           ((*at)->hash != hash || (*at)->key_len != len || memcmp((*at)->bytes, key, len) != 0))
        at = &(*at)->next;
    return at;
}

static void drop(struct shared *map, struct item **at)
{
    struct item *item = *at;
    *at = item->next;
    map->count--;
    map->bytes -= item->key_len + item->len;
    free(item);
}

static bool expired(const struct item *item, int64_t now_ms)
{
    return item->expires_ms && item->expires_ms <= now_ms;
}

static void sweep(struct shared *map, int64_t now_ms)
{
    for (size_t i = 0; i < map->n_buckets; i++)
        for (struct item **at = &map->buckets[i]; *at;)
            if (expired(*at, now_ms))
                drop(map, at);
            else
                at = &(*at)->next;
}

static void grow(struct shared *map)
{
    const size_t n = map->n_buckets * 2;
    struct item **buckets = mem_zero(n, sizeof *buckets);
    for (size_t i = 0; i < map->n_buckets; i++) {
        for (struct item *item = map->buckets[i], *next; item; item = next) {
            next = item->next;
            item->next = buckets[item->hash & (n - 1)];
            buckets[item->hash & (n - 1)] = item;
        }
    }
    free(map->buckets);
    map->buckets = buckets;
    map->n_buckets = n;
}

static struct item **find_live(struct shared *map, const char *key, size_t len, int64_t now_ms)
{
    struct item **at = find(map, key, len, hash_of(key, len));
    if (*at && expired(*at, now_ms)) {
        drop(map, at);
        at = find(map, key, len, hash_of(key, len));
    }
    return at;
}

static int store(struct shared *map, const struct shared_item *new, int64_t now_ms)
{
    struct item **at = find_live(map, new->key, new->key_len, now_ms);
    const size_t old = *at ? (*at)->key_len + (*at)->len : 0;
    const size_t size = new->key_len + new->len;
    if (map->bytes - old + size > SHARED_BYTES_MAX) {
        sweep(map, now_ms);
        at = find(map, new->key, new->key_len, hash_of(new->key, new->key_len));
        if (map->bytes - old + size > SHARED_BYTES_MAX)
            return NEAP_EFULL;
    }
    struct item *item = mem_alloc(sizeof *item + size);
    item->hash = hash_of(new->key, new->key_len);
    item->expires_ms = new->ttl_ms ? now_ms + new->ttl_ms : 0;
    item->key_len = new->key_len;
    item->len = new->len;
    memcpy(item->bytes, new->key, new->key_len);
    if (new->len)
        memcpy(item->bytes + new->key_len, new->value, new->len);
    if (*at)
        drop(map, at);
    item->next = *at;
    *at = item;
    map->count++;
    map->bytes += size;
    if (map->count > map->n_buckets)
        grow(map);
    return NEAP_OK;
}

/* --- what threads call -------------------------------------------------------------------------
 */

int shared_put(struct shared *map, const struct shared_item *item, int64_t now_ms)
{
    pthread_mutex_lock(&map->lock);
    const int rc = store(map, item, now_ms);
    pthread_mutex_unlock(&map->lock);
    return rc;
}

int shared_add(struct shared *map, const struct shared_item *item, int64_t now_ms)
{
    pthread_mutex_lock(&map->lock);
    const int rc =
        *find_live(map, item->key, item->key_len, now_ms) ? NEAP_EINVAL : store(map, item, now_ms);
    pthread_mutex_unlock(&map->lock);
    return rc;
}

bool shared_get(struct shared *map, const char *key, size_t key_len, struct buf *out,
                int64_t now_ms)
{
    pthread_mutex_lock(&map->lock);
    const struct item *item = *find_live(map, key, key_len, now_ms);
    if (item)
        buf_put(out, item->bytes + item->key_len, item->len);
    pthread_mutex_unlock(&map->lock);
    return item != NULL;
}

bool shared_delete(struct shared *map, const char *key, size_t key_len)
{
    pthread_mutex_lock(&map->lock);
    struct item **at = find(map, key, key_len, hash_of(key, key_len));
    const bool found = *at != NULL;
    if (found)
        drop(map, at);
    pthread_mutex_unlock(&map->lock);
    return found;
}

int shared_change(struct shared *map, const char *key, size_t key_len, int64_t ttl_ms,
                  int64_t now_ms,
                  int (*change)(void *user, const void *old, size_t len, struct buf *out),
                  void *user)
{
    struct buf value = {0};
    pthread_mutex_lock(&map->lock);
    const struct item *old = *find_live(map, key, key_len, now_ms);
    int rc = change(user, old ? old->bytes + key_len : NULL, old ? old->len : 0, &value);
    if (rc == NEAP_OK) {
        const int64_t left_ms = old && old->expires_ms ? old->expires_ms - now_ms : 0;
        const struct shared_item item = {key, key_len, value.data, value.len,
                                         ttl_ms ? ttl_ms : left_ms};
        rc = store(map, &item, now_ms);
    }
    pthread_mutex_unlock(&map->lock);
    buf_close(&value);
    return rc;
}

size_t shared_keys(struct shared *map, struct buf *out, int64_t now_ms)
{
    pthread_mutex_lock(&map->lock);
    sweep(map, now_ms);
    for (size_t i = 0; i < map->n_buckets; i++) {
        for (const struct item *item = map->buckets[i]; item; item = item->next) {
            const uint32_t len = (uint32_t)item->key_len;
            buf_put(out, &len, sizeof len);
            buf_put(out, item->bytes, item->key_len);
        }
    }
    const size_t count = map->count;
    pthread_mutex_unlock(&map->lock);
    return count;
}
