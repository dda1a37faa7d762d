#include "parts/sqlite_backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"

#define STEP_PAGES 512 /* 2 MiB: a few milliseconds */

struct sqlite_backup {
    char *path, *part; /* its name, and that while it is written */
    sqlite3 *to;
    sqlite3_backup *pages;
};

static int failed(struct neap_error *err, const char *path, int number)
{
    return error_set(err, NEAP_EIO, "%s: %s", path, strerror(number));
}

/* The file is made here, so that nobody else may read it. */
static int make_part(struct sqlite_backup *b, struct neap_error *err)
{
    if (access(b->path, F_OK) == 0)
        return error_set(err, NEAP_EIO, "%s: is there already; give another name", b->path);
    const int fd = open(b->part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        const int rc = failed(err, b->part, errno);
        free(b->part); /* whoever's it is, it is not ours to remove */
        b->part = NULL;
        return rc;
    }
    close(fd);
    return NEAP_OK;
}

static int open_part(struct sqlite_backup *b, sqlite3 *from, struct neap_error *err)
{
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int rc = sqlite3_open_v2(b->part, &b->to, flags, NULL);
    if (!rc) /* it is thrown away where anything goes wrong, and synced once at its end */
        rc = sqlite3_exec(b->to, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF", NULL, NULL,
                          NULL);
    if (!rc && !(b->pages = sqlite3_backup_init(b->to, "main", from, "main")))
        rc = sqlite3_errcode(b->to);
    return rc ? error_set(err, NEAP_EIO, "%s: %s", b->part, sqlite3_errmsg(b->to)) : NEAP_OK;
}

int sqlite_backup_begin(struct sqlite_backup **out, sqlite3 *from, const char *path,
                        struct neap_error *err)
{
    struct sqlite_backup *b = mem_zero(1, sizeof *b);
    b->path = mem_format("%s%s", *path == '/' ? "" : "./", path);
    b->part = mem_format("%s.part", b->path);
    int rc = make_part(b, err);
    if (!rc)
        rc = open_part(b, from, err);
    if (rc)
        sqlite_backup_stop(&b);
    else
        *out = b;
    return rc;
}

static int sync_path(const char *path, int flags)
{
    const int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0)
        return errno;
    const int number = fsync(fd) ? errno : 0;
    close(fd);
    return number;
}

static int sync_directory(const char *path)
{
    char *copy = mem_text(path), *slash = strrchr(copy, '/');
    slash[slash == copy] = '\0'; /* there is one: see begin */
    const int number = sync_path(copy, O_RDONLY | O_DIRECTORY);
    free(copy);
    return number;
}

/* Whole and synced before it has its name, which it takes from nobody. */
static int publish(const struct sqlite_backup *b)
{
    int number = sync_path(b->part, O_RDWR);
    if (!number && link(b->part, b->path))
        number = errno;
    if (!number)
        number = sync_directory(b->path);
    return number;
}

static void discard(struct sqlite_backup *b)
{
    sqlite3_backup_finish(b->pages);
    sqlite3_close(b->to);
    b->pages = NULL;
    b->to = NULL;
}

int sqlite_backup_step(struct sqlite_backup **backup, struct neap_error *err)
{
    struct sqlite_backup *b = *backup;
    const int code = sqlite3_backup_step(b->pages, STEP_PAGES);
    if (code == SQLITE_OK || (code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED)
        return NEAP_EAGAIN;
    int rc = NEAP_OK;
    if (code != SQLITE_DONE)
        rc = error_set(err, NEAP_EIO, "%s: %s", b->part, sqlite3_errstr(code));
    discard(b);
    if (!rc) {
        const int number = publish(b);
        rc = number ? failed(err, b->path, number) : NEAP_OK;
    }
    sqlite_backup_stop(backup);
    return rc;
}

void sqlite_backup_stop(struct sqlite_backup **backup)
{
    struct sqlite_backup *b = *backup;
    if (!b)
        return;
    discard(b);
    if (b->part)
        unlink(b->part);
    free(b->part);
    free(b->path);
    free(b);
    *backup = NULL;
}
