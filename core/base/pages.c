#include "base/pages.h"

#include <stdint.h>

#include <sys/mman.h>

static char *map(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

/* Mostly the system puts one next to the last. */
void *pages_map(size_t bytes)
{
    char *at = map(bytes);
    if (!at || (uintptr_t)at % bytes == 0)
        return at;
    munmap(at, bytes);
    at = map(2 * bytes);
    if (!at)
        return NULL;
    const size_t before = bytes - (uintptr_t)at % bytes;
    munmap(at, before);
    if (before < bytes)
        munmap(at + before + bytes, bytes - before);
    return at + before;
}

void pages_unmap(void *at, size_t bytes)
{
    munmap(at, bytes);
}

void pages_populate(void *at, size_t bytes)
{
#ifdef MADV_POPULATE_WRITE
    madvise(at, bytes, MADV_POPULATE_WRITE);
#else
    (void)at;
    (void)bytes;
#endif
}
