/* FNV-1a, 64 bits: to tell contents apart, not to withstand an attacker. Pure. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HASH_START UINT64_C(0xcbf29ce484222325)

static inline uint64_t hash_bytes(uint64_t hash, const void *data, size_t len)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static inline uint64_t hash_text(uint64_t hash, const char *text) /* its end counts, too */
{
    return hash_bytes(hash, text, strlen(text) + 1);
}

/* Not the same value as hash_bytes: eight bytes at a time, for whole files. */
static inline uint64_t hash_block(uint64_t hash, const void *data, size_t len)
{
    const char *p = data;
    for (; len >= sizeof hash; len -= sizeof hash, p += sizeof hash) {
        uint64_t word;
        memcpy(&word, p, sizeof word);
        hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 32;
    }
    return hash_bytes(hash, p, len);
}

#endif
