#include "model/id.h"

#include "neap.h"

#define SEQUENCE_BITS 22
#define SEQUENCE_MASK ((UINT64_C(1) << SEQUENCE_BITS) - 1)

uint64_t id_next_some(struct id_source *source, int64_t now_ms, unsigned count)
{
    const uint64_t now = now_ms > 0 ? (uint64_t)now_ms : 0;
    /* Relaxed: the id is the only thing handed over. */
    uint64_t last = atomic_load_explicit(&source->last, memory_order_relaxed), next;
    do {
        next = last + 1;
        if (now > last >> SEQUENCE_BITS) /* the sequence goes on */
            next = now << SEQUENCE_BITS | (next & SEQUENCE_MASK);
    } while (!atomic_compare_exchange_weak_explicit(&source->last, &last, next + count - 1,
                                                    memory_order_relaxed, memory_order_relaxed));
    return next;
}

uint64_t id_next(struct id_source *source, int64_t now_ms)
{
    return id_next_some(source, now_ms, 1);
}

void id_after(struct id_source *source, uint64_t id)
{
    uint64_t last = atomic_load_explicit(&source->last, memory_order_relaxed);
    while (last < id && !atomic_compare_exchange_weak_explicit(
                            &source->last, &last, id, memory_order_relaxed, memory_order_relaxed))
        ;
}

uint64_t id_last(const struct id_source *source)
{
    return atomic_load_explicit(&source->last, memory_order_relaxed);
}

/* Crockford's: no I, L, O, U. Ascending in ASCII, so texts sort as their numbers do. */
static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void neap_id_text(uint64_t id, char out[NEAP_ID_CHARS + 1])
{
    for (int i = NEAP_ID_CHARS; i-- > 0; id >>= 5)
        out[i] = alphabet[id & 31];
    out[NEAP_ID_CHARS] = 0;
}

/* 0-31, or -1. */
static int digit_value(char c)
{
    if (c >= 'a' && c <= 'z')
        c = (char)(c - 'a' + 'A');
    if (c == 'O')
        return 0;
    if (c == 'I' || c == 'L')
        return 1;
    for (int value = 0; value < 32; value++)
        if (alphabet[value] == c)
            return value;
    return -1;
}

int neap_id_parse(const char *text, uint64_t *id)
{
    uint64_t value = 0;
    if (!text)
        return NEAP_EINVAL;
    for (int i = 0; i < NEAP_ID_CHARS; i++) { /* stops at the NUL of a shorter text */
        const int digit = digit_value(text[i]);
        if (digit < 0 || value >> 59)
            return NEAP_EINVAL;
        value = value << 5 | (unsigned)digit;
    }
    if (text[NEAP_ID_CHARS])
        return NEAP_EINVAL;
    *id = value;
    return NEAP_OK;
}
