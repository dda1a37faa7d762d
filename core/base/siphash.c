#include "base/siphash.h"

#include <stdint.h>
#include <string.h>

struct sip {
    uint64_t a, b, c, d;
};

static uint64_t turn(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static void rounds(struct sip *s, int n)
{
    while (n-- > 0) {
        s->a += s->b;
        s->c += s->d;
        s->b = turn(s->b, 13) ^ s->a;
        s->d = turn(s->d, 16) ^ s->c;
        s->a = turn(s->a, 32);
        s->c += s->b;
        s->a += s->d;
        s->b = turn(s->b, 17) ^ s->c;
        s->d = turn(s->d, 21) ^ s->a;
        s->c = turn(s->c, 32);
    }
}

static void take_word(struct sip *s, uint64_t word)
{
    s->d ^= word;
    rounds(s, 2);
    s->a ^= word;
}

static uint64_t read_word(const unsigned char *at, size_t len) /* little endian, len <= 8 */
{
    uint64_t word = 0;
    for (size_t i = 0; i < len; i++)
        word |= (uint64_t)at[i] << (8 * i);
    return word;
}

static void write_word(unsigned char *at, uint64_t word)
{
    for (int i = 0; i < 8; i++)
        at[i] = (unsigned char)(word >> (8 * i));
}

void siphash(const void *data, size_t len, unsigned char out[SIPHASH_BYTES])
{
    /* the key is bytes 0, 1, ..., 15, as in the authors' test vectors */
    const uint64_t k0 = UINT64_C(0x0706050403020100), k1 = UINT64_C(0x0f0e0d0c0b0a0908);
    struct sip s = {k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d) ^ 0xee,
                    k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573)};
    const unsigned char *at = data;
    const size_t whole = len / 8;
    for (size_t i = 0; i < whole; i++)
        take_word(&s, read_word(at + 8 * i, 8));
    take_word(&s, read_word(at + 8 * whole, len % 8) | (uint64_t)len << 56);
    s.c ^= 0xee;
    rounds(&s, 4);
    write_word(out, s.a ^ s.b ^ s.c ^ s.d);
    s.b ^= 0xdd;
    rounds(&s, 4);
    write_word(out + 8, s.a ^ s.b ^ s.c ^ s.d);
}
