#include "parts/running.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"

#define MAGIC UINT64_C(0x31306e757270656e) /* "neprun01" in the file */
#define LOOK 1024                          /* slots looked at before giving up */

/* The file, in the byte order of this machine: it makes no sense on another one. */
struct table {
    uint64_t magic, slots;
    uint64_t unused[6];                  /* the slots begin at a cache line */
    _Atomic uint64_t ids[RUNNING_SLOTS]; /* 0: free; workers take and leave slots */
};

struct running {
    struct table *table;
};

_Static_assert(sizeof(_Atomic uint64_t) == 8, "an id in the file has 8 bytes");

static int failed(struct neap_error *err, const char *path, int number)
{
    return error_set(err, NEAP_EIO, "%s: %s (the table of running jobs)", path, strerror(number));
}

/* The whole size, with blocks behind it. */
static int make_room(int fd, const char *path, struct neap_error *err)
{
    struct stat st;
    if (fstat(fd, &st))
        return failed(err, path, errno);
    if (!S_ISREG(st.st_mode) || (st.st_size != 0 && st.st_size != (off_t)sizeof(struct table)))
        return error_set(err, NEAP_EIO, "%s: is no table of running jobs; move it away", path);
    const int number = posix_fallocate(fd, 0, sizeof(struct table));
    return number ? failed(err, path, number) : NEAP_OK;
}

static int map(struct running *r, int fd, const char *path, struct neap_error *err)
{
    void *at = mmap(NULL, sizeof *r->table, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        return failed(err, path, errno);
    r->table = at;
    if (!r->table->magic && !r->table->slots) { /* new */
        r->table->slots = RUNNING_SLOTS;
        r->table->magic = MAGIC;
    }
    if (r->table->magic == MAGIC && r->table->slots == RUNNING_SLOTS)
        return NEAP_OK;
    return error_set(err, NEAP_EIO, "%s: is no table of running jobs; move it away", path);
}

int running_open(struct running **out, const char *path, struct neap_error *err)
{
    int rc, fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (fd < 0)
        return failed(err, path, errno);
    struct running *r = mem_zero(1, sizeof *r);
    rc = make_room(fd, path, err);
    if (!rc)
        rc = map(r, fd, path, err);
    close(fd);
    if (!rc)
        *out = r;
    else
        running_close(r);
    return rc;
}

void running_close(struct running *r)
{
    if (!r)
        return;
    if (r->table)
        munmap(r->table, sizeof *r->table);
    free(r);
}

void running_each(const struct running *r, void *user, void (*each)(void *user, uint64_t id))
{
    for (uint32_t i = 0; i < RUNNING_SLOTS; i++) {
        const uint64_t id = atomic_load_explicit(&r->table->ids[i], memory_order_relaxed);
        if (id)
            each(user, id);
    }
}

void running_clear(struct running *r)
{
    for (uint32_t i = 0; i < RUNNING_SLOTS; i++)
        atomic_store_explicit(&r->table->ids[i], 0, memory_order_relaxed);
}

/* Relaxed throughout: no thread reads another's slot but to see whether it is free. */
uint32_t running_begin(struct running *r, uint64_t id, uint32_t near)
{
    for (uint32_t i = 0; i < LOOK; i++) {
        const uint32_t slot = (near + i) % RUNNING_SLOTS;
        _Atomic uint64_t *at = &r->table->ids[slot];
        uint64_t free_slot = 0;
        if (!atomic_load_explicit(at, memory_order_relaxed) &&
            atomic_compare_exchange_strong_explicit(at, &free_slot, id, memory_order_relaxed,
                                                    memory_order_relaxed))
            return slot;
    }
    return RUNNING_NONE;
}

void running_end(struct running *r, uint32_t slot)
{
    if (slot != RUNNING_NONE)
        atomic_store_explicit(&r->table->ids[slot], 0, memory_order_relaxed);
}
