/* SipHash-2-4 with 128 bits of output and a fixed key (Aumasson, Bernstein 2012): far better mixed
 * than hash.h, for keys that stand in for what they were made of. */
#ifndef BASE_SIPHASH_H
#define BASE_SIPHASH_H

#include <stddef.h>

#define SIPHASH_BYTES 16

void siphash(const void *data, size_t len, unsigned char out[SIPHASH_BYTES]);

#endif
