/* Memory for neap's own bookkeeping: never NULL, the process aborts when there is none (said once,
 * here). Memory that scripts ask for goes through the Lua allocator instead and fails the script.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>
#include <string.h>

_Noreturn void mem_none(void);             /* says that there is none, and aborts */
void *mem_alloc(size_t size);              /* uninitialised */
void *mem_zero(size_t count, size_t size); /* zeroed; count * size is checked */
void *mem_grow(void *old, size_t count, size_t size);
char *mem_text(const char *text); /* copy; NULL stays NULL */
void *mem_copy(const void *data, size_t size);
char *mem_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A few lines of zeros; `bytes` is a constant, 16 at least. For GCC's memset of such a size is
 * `rep stos`, which takes longer to begin than all this. */
static inline __attribute__((always_inline)) void mem_clear(void *at, size_t bytes)
{
    static const char zeros[16];
#pragma GCC unroll 32
    for (size_t i = 0; i + sizeof zeros <= bytes; i += sizeof zeros)
        memcpy((char *)at + i, zeros, sizeof zeros);
    memcpy((char *)at + bytes - sizeof zeros, zeros, sizeof zeros);
}

#endif
