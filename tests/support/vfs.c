/* What a disk without power keeps: for each file the bytes that were synced, and of what was
 * written or cut off since then any part, in any order, in sectors of 512 bytes. */
#include "vfs.h"

#include <assert.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/mem.h"

#define SECTOR 512
#define GRACE_US 2000 /* for other threads to note what they were told before the power went */

struct change { /* since the last sync */
    bool cut;   /* the file was truncated to `offset`; else written there */
    size_t offset, len;
    uint8_t *data;
};

struct image { /* for ever once seen; under disk.lock */
    struct image *next;
    char *path;
    uint8_t *synced;
    size_t len;
    bool there;   /* its name is on the disk for sure */
    bool deleted; /* but that is not synced */
    bool made;    /* with its first sync SQLite syncs the directory */
    struct change *changes;
    size_t n_changes;
};

struct handle { /* of an open file; SQLite's */
    sqlite3_file base;
    struct image *image; /* NULL: passes through */
    sqlite3_file *real;
};

static struct {
    pthread_mutex_t lock;
    struct vfs_plan plan;
    sqlite3_vfs *real;
    struct image *images;
    long operations, syncs;
    bool full;
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint64_t next_random(void)
{
    uint64_t x = disk.plan.seed ? disk.plan.seed : 1;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return disk.plan.seed = x;
}

static bool chance(unsigned percent)
{
    return (next_random() >> 20) % 100 < percent;
}

/* The bytes of a file. */

static void resize(struct image *i, size_t len)
{
    i->synced = mem_grow(i->synced, len ? len : 1, 1);
    if (len > i->len)
        memset(i->synced + i->len, 0, len - i->len);
    i->len = len;
}

static void put(struct image *i, size_t offset, const uint8_t *data, size_t len)
{
    if (offset + len > i->len)
        resize(i, offset + len);
    memcpy(i->synced + offset, data, len);
}

static void apply(struct image *i, const struct change *c)
{
    if (c->cut)
        resize(i, c->offset);
    else
        put(i, c->offset, c->data, c->len);
}

static void forget_changes(struct image *i)
{
    for (size_t n = 0; n < i->n_changes; n++)
        free(i->changes[n].data);
    i->n_changes = 0;
}

static void note(struct image *i, bool cut, size_t offset, const void *data, size_t len)
{
    i->changes = mem_grow(i->changes, i->n_changes + 1, sizeof *i->changes);
    struct change *c = &i->changes[i->n_changes++];
    *c = (struct change){.cut = cut, .offset = offset, .len = len};
    if (len)
        c->data = mem_copy(data, len);
}

/* The end of the power. */

/* Some sectors of a change get to the disk. */
static void tear(struct image *i, const struct change *c, unsigned percent)
{
    if (c->cut) {
        if (chance(percent))
            resize(i, c->offset);
        return;
    }
    for (size_t at = 0; at < c->len;) {
        size_t len = SECTOR - (c->offset + at) % SECTOR;
        if (len > c->len - at)
            len = c->len - at;
        if (chance(percent))
            put(i, c->offset + at, c->data + at, len);
        at += len;
    }
}

static void shuffle(struct image *i)
{
    for (size_t n = i->n_changes; n > 1; n--) {
        const size_t other = next_random() % n;
        const struct change c = i->changes[n - 1];
        i->changes[n - 1] = i->changes[other];
        i->changes[other] = c;
    }
}

/* Kinds of bad luck: nothing unsynced, all of it, whole changes, sectors, sectors in any order. */
static void survive(struct image *i, unsigned kind)
{
    static const unsigned shares[] = {50, 90, 10, 97};
    const unsigned percent = shares[next_random() % 4];
    if (kind == 4)
        shuffle(i);
    for (size_t n = 0; n < i->n_changes; n++) {
        const struct change *c = &i->changes[n];
        if (kind == 1 || (kind == 2 && chance(percent)))
            apply(i, c);
        else if (kind >= 3)
            tear(i, c, percent);
    }
}

static void write_out(const struct image *i)
{
    const bool gone = (!i->there && chance(50)) || (i->deleted && chance(50));
    if (gone) {
        unlink(i->path);
        return;
    }
    const int fd = open(i->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert(fd >= 0);
    for (size_t at = 0; at < i->len;) {
        const ssize_t n = write(fd, i->synced + at, i->len - at);
        assert(n > 0);
        at += (size_t)n;
    }
    close(fd);
}

static _Noreturn void lose_power(void)
{
    usleep(GRACE_US);
    const unsigned kind = (unsigned)(next_random() >> 8) % 5;
    for (struct image *i = disk.images; i; i = i->next) {
        if (!i->there && i->deleted)
            continue; /* came and went */
        survive(i, kind);
        write_out(i);
    }
    if (disk.plan.on_power)
        disk.plan.on_power();
    _exit(VFS_POWER);
}

/* Counts one; the lock is held. */
static void operation(void)
{
    if (++disk.operations == disk.plan.power_at)
        lose_power();
}

/* Files. */

static struct image *image_of(const char *path)
{
    struct image *i = disk.images;
    while (i && strcmp(i->path, path) != 0)
        i = i->next;
    if (!i) {
        i = mem_zero(1, sizeof *i);
        i->path = mem_text(path);
        i->next = disk.images;
        disk.images = i;
    }
    return i;
}

/* What is there when a file is opened has been there for long. */
static void load(struct image *i, sqlite3_file *real)
{
    sqlite3_int64 size = 0;
    assert(real->pMethods);
    i->there = real->pMethods->xFileSize(real, &size) == SQLITE_OK && size > 0;
    resize(i, (size_t)size);
    if (size) {
        const int rc = real->pMethods->xRead(real, i->synced, (int)size, 0);
        assert(rc == SQLITE_OK);
    }
}

static int vfs_close(sqlite3_file *file)
{
    struct handle *h = (struct handle *)file;
    return h->real->pMethods->xClose(h->real);
}

static int vfs_read(sqlite3_file *file, void *to, int len, sqlite3_int64 at)
{
    struct handle *h = (struct handle *)file;
    return h->real->pMethods->xRead(h->real, to, len, at);
}

static int vfs_write(sqlite3_file *file, const void *data, int len, sqlite3_int64 at)
{
    struct handle *h = (struct handle *)file;
    sqlite3_int64 size = 0;
    int rc = SQLITE_OK;
    pthread_mutex_lock(&disk.lock);
    if (disk.full && h->real->pMethods->xFileSize(h->real, &size) == SQLITE_OK && at + len > size)
        rc = SQLITE_FULL;
    if (!rc && h->image) {
        note(h->image, false, (size_t)at, data, (size_t)len);
        operation();
    }
    pthread_mutex_unlock(&disk.lock);
    return rc ? rc : h->real->pMethods->xWrite(h->real, data, len, at);
}

static int vfs_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct handle *h = (struct handle *)file;
    pthread_mutex_lock(&disk.lock);
    if (h->image) {
        note(h->image, true, (size_t)size, NULL, 0);
        operation();
    }
    pthread_mutex_unlock(&disk.lock);
    return h->real->pMethods->xTruncate(h->real, size);
}

/* A name that has come or gone is so on the disk as well. */
static void directory_synced(struct image *made)
{
    made->made = false;
    made->there = true;
    for (struct image *i = disk.images; i; i = i->next)
        if (i->deleted)
            i->there = false;
}

static int vfs_sync(sqlite3_file *file, int flags)
{
    struct handle *h = (struct handle *)file;
    struct image *i = h->image;
    (void)flags;
    if (!i)
        return SQLITE_OK;
    pthread_mutex_lock(&disk.lock);
    operation();
    disk.syncs++;
    const bool fails = disk.plan.sync_fails_at && disk.operations >= disk.plan.sync_fails_at;
    for (size_t n = 0; n < i->n_changes && !fails; n++)
        apply(i, &i->changes[n]);
    forget_changes(i);
    if (!fails && i->made)
        directory_synced(i);
    i->there = i->there || !fails; /* as file systems do with a new file */
    pthread_mutex_unlock(&disk.lock);
    return fails ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static int vfs_size(sqlite3_file *file, sqlite3_int64 *size)
{
    struct handle *h = (struct handle *)file;
    return h->real->pMethods->xFileSize(h->real, size);
}

static int vfs_lock(sqlite3_file *file, int level)
{
    struct handle *h = (struct handle *)file;
    return h->real->pMethods->xLock(h->real, level);
}

static int vfs_unlock(sqlite3_file *file, int level)
{
    struct handle *h = (struct handle *)file;
    return h->real->pMethods->xUnlock(h->real, level);
}

static int vfs_check_lock(sqlite3_file *file, int *out)
{
    struct handle *h = (struct handle *)file;
    return h->real->pMethods->xCheckReservedLock(h->real, out);
}

static int vfs_control(sqlite3_file *file, int op, void *arg)
{
    struct handle *h = (struct handle *)file;
    /* Space that is taken in chunks would be written where nobody sees it. */
    if (op == SQLITE_FCNTL_SIZE_HINT || op == SQLITE_FCNTL_CHUNK_SIZE)
        return SQLITE_OK;
    return h->real->pMethods->xFileControl(h->real, op, arg);
}

static int vfs_sector(sqlite3_file *file)
{
    struct handle *h = (struct handle *)file;
    return h->real->pMethods->xSectorSize(h->real);
}

static int vfs_traits(sqlite3_file *file)
{
    struct handle *h = (struct handle *)file;
    return h->real->pMethods->xDeviceCharacteristics(h->real);
}

/* Version 1: no shared memory and no mapping, which nobody could see. A store that is the only user
 * of its file needs neither. */
static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = vfs_close,
    .xRead = vfs_read,
    .xWrite = vfs_write,
    .xTruncate = vfs_truncate,
    .xSync = vfs_sync,
    .xFileSize = vfs_size,
    .xLock = vfs_lock,
    .xUnlock = vfs_unlock,
    .xCheckReservedLock = vfs_check_lock,
    .xFileControl = vfs_control,
    .xSectorSize = vfs_sector,
    .xDeviceCharacteristics = vfs_traits,
};

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out)
{
    struct handle *h = (struct handle *)file;
    (void)vfs;
    memset(h, 0, sizeof *h);
    h->real = (sqlite3_file *)(h + 1);
    const int rc = disk.real->xOpen(disk.real, path, h->real, flags, out);
    if (h->real->pMethods)
        h->base.pMethods = &methods;
    if (rc || !path ||
        !(flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)))
        return rc;
    pthread_mutex_lock(&disk.lock);
    h->image = image_of(path);
    if (h->image->deleted || !h->image->n_changes) {
        forget_changes(h->image);
        h->image->deleted = false;
        load(h->image, h->real);
        h->image->made = !h->image->there && !(flags & SQLITE_OPEN_MAIN_DB);
    }
    pthread_mutex_unlock(&disk.lock);
    return rc;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync_directory)
{
    (void)vfs;
    pthread_mutex_lock(&disk.lock);
    struct image *i = image_of(path);
    operation();
    forget_changes(i);
    i->deleted = true;
    if (sync_directory)
        i->there = false;
    pthread_mutex_unlock(&disk.lock);
    return disk.real->xDelete(disk.real, path, 0);
}

void vfs_install(const struct vfs_plan *plan)
{
    static sqlite3_vfs vfs;
    disk.plan = *plan;
    disk.real = sqlite3_vfs_find("unix");
    assert(disk.real && !vfs.zName);
    vfs = *disk.real;
    vfs.zName = "power";
    vfs.szOsFile = (int)sizeof(struct handle) + disk.real->szOsFile;
    vfs.pNext = NULL;
    vfs.xOpen = vfs_open;
    vfs.xDelete = vfs_delete;
    const int rc = sqlite3_vfs_register(&vfs, 1);
    assert(rc == SQLITE_OK);
    (void)rc;
}

void vfs_fill(bool full)
{
    pthread_mutex_lock(&disk.lock);
    disk.full = full;
    pthread_mutex_unlock(&disk.lock);
}

void vfs_cut_power(void)
{
    pthread_mutex_lock(&disk.lock);
    lose_power();
}

long vfs_operations(void)
{
    pthread_mutex_lock(&disk.lock);
    const long n = disk.operations;
    pthread_mutex_unlock(&disk.lock);
    return n;
}

long vfs_syncs(void)
{
    pthread_mutex_lock(&disk.lock);
    const long n = disk.syncs;
    pthread_mutex_unlock(&disk.lock);
    return n;
}
