#include "parts/sqlite_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"

#define PAGE_BYTES 4096
#define MOST_FRAMES 4000 /* 16 MiB of log: a page that changes often is written over once */
#define LEAST_FRAMES 64
#define RESERVE_BYTES (INT64_C(4) << 20)
#define RESERVE_LEAST (INT64_C(64) << 10)

int sqlite_file_run(struct sqlite_file *f, const char *sql)
{
    return sqlite3_exec(f->db, sql, NULL, NULL, NULL);
}

/* Why the file cannot be used, and what to do. */
static int refuse(const struct sqlite_file *f, int code, struct neap_error *err)
{
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return error_set(err, NEAP_EIO,
                         "%s: another process has it open; a daemon that runs already? Stop that "
                         "one, or set [store] url to another file",
                         f->path);
    case SQLITE_NOTADB:
        return error_set(err, NEAP_EIO,
                         "%s: is not a store of neap; move it away, or set [store] url to another "
                         "file",
                         f->path);
    case SQLITE_CORRUPT:
    case SQLITE_SCHEMA:
    case SQLITE_ERROR:
        return error_set(err, NEAP_EIO,
                         "%s: is damaged (%s); put a backup in its place, or read what is left "
                         "with neap dump",
                         f->path, sqlite3_errmsg(f->db));
    default:
        return error_set(err, NEAP_EIO, "%s: %s (%s)", f->path, sqlite3_errmsg(f->db),
                         strerror(sqlite3_system_errno(f->db)));
    }
}

static int64_t pragma_number(struct sqlite_file *f, const char *sql, int *rc)
{
    sqlite3_stmt *stmt = NULL;
    int64_t value = 0;
    if (!*rc)
        *rc = sqlite3_prepare_v2(f->db, sql, -1, &stmt, NULL);
    if (!*rc) {
        const int step = sqlite3_step(stmt);
        *rc = step == SQLITE_ROW ? SQLITE_OK : step == SQLITE_DONE ? SQLITE_CORRUPT : step;
        value = *rc ? 0 : sqlite3_column_int64(stmt, 0);
    }
    sqlite3_finalize(stmt);
    return value;
}

/* --- what is there ------------------------------------------------------------------------------
 */

/* The first bytes, read as sqlite would: closing a descriptor of our own would drop the locks that
 * another executor of this process has on the file. */
static int read_header(struct sqlite_file *f, unsigned char *head, int len)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    sqlite3_filename name = sqlite3_create_filename(f->path, "", "", 0, NULL);
    sqlite3_file *file = mem_zero(1, (size_t)vfs->szOsFile);
    int rc = vfs->xOpen(vfs, name, file, SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB, NULL);
    sqlite3_int64 size = 0;
    if (!rc)
        rc = file->pMethods->xFileSize(file, &size);
    if (!rc && size)
        rc = file->pMethods->xRead(file, head, len, 0);
    if (rc == SQLITE_IOERR_SHORT_READ)
        rc = SQLITE_OK; /* the rest is zeroed */
    if (file->pMethods)
        file->pMethods->xClose(file);
    free(file);
    sqlite3_free_filename(name);
    return rc ? rc : size ? SQLITE_ROW : SQLITE_DONE;
}

static uint32_t big_endian(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static int newer(const struct sqlite_file *f, int64_t version, struct neap_error *err)
{
    return error_set(err, NEAP_EIO,
                     "%s: was written by a newer neap (schema %lld, this one knows %d); use that "
                     "one, or set [store] url to another file",
                     f->path, (long long)version, NEAP_SCHEMA);
}

/* Before sqlite opens it: what is not ours is not touched, not even by a recovery. A first write
 * that was interrupted leaves a journal and a header that may be anything. */
static int look_before(struct sqlite_file *f, struct neap_error *err)
{
    unsigned char head[100] = {0};
    const int rc = read_header(f, head, sizeof head);
    if (rc == SQLITE_DONE)
        return NEAP_OK; /* empty */
    if (rc != SQLITE_ROW)
        return error_set(err, NEAP_EIO, "%s: cannot be read (%s)", f->path, sqlite3_errstr(rc));
    const bool ours =
        memcmp(head, "SQLite format 3", 16) == 0 && big_endian(head + 68) == NEAP_APPLICATION_ID;
    char *journal = mem_format("%s-journal", f->path);
    const bool interrupted = !ours && big_endian(head + 68) == 0 && access(journal, F_OK) == 0;
    free(journal);
    if (!ours && !interrupted)
        return refuse(f, SQLITE_NOTADB, err);
    return big_endian(head + 60) > NEAP_SCHEMA ? newer(f, big_endian(head + 60), err) : NEAP_OK;
}

static int find_path(struct sqlite_file *f, const char *path, struct neap_error *err)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    const int room = vfs->mxPathname + 1;
    char *full = mem_zero(1, (size_t)room);
    char *local = mem_format("%s%s", *path == '/' ? "" : "./", path); /* never ":memory:" */
    f->path = mem_text(local);
    const int rc = vfs->xFullPathname(vfs, local, room, full);
    free(local);
    if (rc && (rc & 0xff) != SQLITE_OK && rc != SQLITE_OK_SYMLINK) {
        free(full);
        return error_set(err, NEAP_EIO, "%s: cannot be reached (%s)", f->path, sqlite3_errstr(rc));
    }
    free(f->path);
    f->path = full;
    f->reserve = mem_format("%s-ballast", f->path);
    return NEAP_OK;
}

/* Where it is new, with the mode that its log gets, too. */
static int make_file(struct sqlite_file *f, struct neap_error *err)
{
    const int fd = open(f->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    else if (errno != EEXIST)
        return error_set(err, NEAP_EIO, "%s: cannot be made: %s", f->path, strerror(errno));
    return NEAP_OK;
}

/* --- making it ours -----------------------------------------------------------------------------
 */

/* All steps in one transaction. */
static int migrate(struct sqlite_file *f, int64_t version)
{
    if (version == NEAP_SCHEMA)
        return SQLITE_OK;
    int rc = sqlite_file_run(f, "BEGIN IMMEDIATE");
    for (int64_t step = version; !rc && step < NEAP_SCHEMA; step++)
        rc = sqlite_file_run(f, sqlite_sql_steps[step]);
    char *sql = mem_format("PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
                           NEAP_APPLICATION_ID, NEAP_SCHEMA);
    if (!rc)
        rc = sqlite_file_run(f, sql);
    free(sql);
    if (rc && !sqlite3_get_autocommit(f->db))
        sqlite_file_run(f, "ROLLBACK");
    return rc;
}

static bool answers(struct sqlite_file *f, const char *sql, const char *want)
{
    sqlite3_stmt *stmt = NULL;
    bool yes = false;
    if (!sqlite3_prepare_v2(f->db, sql, -1, &stmt, NULL) && sqlite3_step(stmt) == SQLITE_ROW)
        yes = strcmp((const char *)sqlite3_column_text(stmt, 0), want) == 0;
    sqlite3_finalize(stmt);
    return yes;
}

/* The lock comes with the first read: with locking_mode set before it, no other connection may
 * ever share the log. A new file gets its schema before it has a log, so that the file itself says
 * whose it is from then on. */
static int take_over(struct sqlite_file *f, struct neap_error *err)
{
    int rc = SQLITE_OK;
    sqlite3_busy_timeout(f->db, 0);
    if (!answers(f, "PRAGMA locking_mode = EXCLUSIVE", "exclusive"))
        return refuse(f, sqlite3_errcode(f->db), err);
    const int64_t application = pragma_number(f, "PRAGMA application_id", &rc);
    const int64_t version = pragma_number(f, "PRAGMA user_version", &rc);
    const int64_t tables = pragma_number(f, "SELECT count(*) FROM sqlite_schema", &rc);
    if (rc)
        return refuse(f, rc, err);
    if (application != NEAP_APPLICATION_ID && (application || version || tables))
        return refuse(f, SQLITE_NOTADB, err);
    if (version > NEAP_SCHEMA)
        return newer(f, version, err);
    if (version < NEAP_SCHEMA)
        rc = sqlite_file_run(f, "PRAGMA synchronous = EXTRA; PRAGMA auto_vacuum = INCREMENTAL");
    if (!rc)
        rc = migrate(f, version);
    if (rc)
        return refuse(f, rc, err);
    if (!answers(f, "PRAGMA journal_mode = WAL", "wal"))
        return error_set(err, NEAP_EIO, "%s: SQLite cannot keep a log beside it (%s)", f->path,
                         sqlite3_errmsg(f->db));
    rc = sqlite_file_run(f, "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;"
                            "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -32768;"
                            "PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF;"
                            "PRAGMA journal_size_limit = 67108864; BEGIN IMMEDIATE; COMMIT");
    return rc ? refuse(f, rc, err) : NEAP_OK;
}

static int prepare_all(struct sqlite_file *f, struct neap_error *err)
{
    for (int i = 0; i < SQL_COUNT; i++) {
        const int rc = sqlite3_prepare_v3(f->db, sqlite_sql_texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                                          &f->statements[i], NULL);
        if (rc)
            return refuse(f, rc, err);
    }
    return NEAP_OK;
}

static int on_commit(void *user, sqlite3 *db, const char *name, int frames)
{
    struct sqlite_file *f = user;
    (void)db;
    (void)name;
    f->frames = frames;
    return SQLITE_OK;
}

static int64_t disk_room(const struct sqlite_file *f)
{
    struct statvfs fs;
    if (statvfs(f->path, &fs) || !fs.f_frsize || fs.f_bavail >= INT64_MAX / fs.f_frsize)
        return INT64_MAX / 2;
    return (int64_t)(fs.f_bavail * fs.f_frsize);
}

/* On a small disk the log and the reserve are small. */
static void fit_to_disk(struct sqlite_file *f)
{
    const int64_t room = disk_room(f);
    const int64_t frames = room / 16 / PAGE_BYTES;
    f->most_frames = frames > MOST_FRAMES    ? MOST_FRAMES
                     : frames < LEAST_FRAMES ? LEAST_FRAMES
                                             : (int)frames;
    f->reserve_bytes = RESERVE_BYTES;
    while (f->reserve_bytes > room / 8 && f->reserve_bytes > RESERVE_LEAST)
        f->reserve_bytes /= 2;
}

int sqlite_file_open(struct sqlite_file *f, const char *path, struct neap_error *err)
{
    *f = (struct sqlite_file){.session = (uint32_t)(clock_read_ns(CLOCK_REALTIME) / 1000)};
    int rc = find_path(f, path, err);
    if (!rc)
        rc = make_file(f, err);
    if (!rc)
        rc = look_before(f, err);
    if (!rc) {
        const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
        const int code = sqlite3_open_v2(f->path, &f->db, flags, NULL);
        rc = code ? refuse(f, code, err) : NEAP_OK;
    }
    if (rc)
        goto out;
    sqlite3_db_config(f->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(f->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL); /* until it is ours */
    rc = take_over(f, err);
    if (rc)
        goto out;
    sqlite3_db_config(f->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    rc = prepare_all(f, err); /* after that: it would have each statement made again */
    if (rc) {
        sqlite_file_leave(f);
        goto out;
    }
    sqlite3_wal_hook(f->db, on_commit, f);
    f->wal = sqlite3_filename_wal(sqlite3_db_filename(f->db, "main"));
    fit_to_disk(f);
out:
    if (rc)
        sqlite_file_close(f);
    return rc;
}

/* --- reading only -------------------------------------------------------------------------------
 */

static int in_use(const struct sqlite_file *f, struct neap_error *err)
{
    return error_set(err, NEAP_ECONFLICT,
                     "%s: a daemon has it open; let it make a copy (neap backup FILE), or stop it",
                     f->path);
}

/* With the lock for itself it needs no index of the log in a file, so nothing is written though
 * the log is read; and the log stays where it is. */
static int open_writable(struct sqlite_file *f)
{
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int rc = sqlite3_open_v2(f->path, &f->db, flags, NULL);
    if (rc)
        return rc;
    sqlite3_db_config(f->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    rc = sqlite_file_run(f, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA query_only = ON");
    int64_t version = 0;
    if (!rc)
        version = pragma_number(f, "PRAGMA user_version", &rc);
    return !rc && version > NEAP_SCHEMA ? SQLITE_NOTADB : rc;
}

/* Where nothing may be written: without its log, if there is none. */
static int open_unwritable(struct sqlite_file *f)
{
    const int flags =
        SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_URI;
    struct stat st;
    char *log = mem_format("%s-wal", f->path);
    const bool logged = stat(log, &st) == 0 && st.st_size > 0;
    free(log);
    if (logged)
        return SQLITE_READONLY;
    struct buf uri = {0};
    buf_text(&uri, "file:");
    for (const char *at = f->path; *at; at++) {
        if (strchr("%?# ", *at))
            buf_format(&uri, "%%%02X", (unsigned char)*at);
        else
            buf_byte(&uri, (uint8_t)*at);
    }
    buf_text(&uri, "?immutable=1");
    sqlite3_close(f->db);
    f->db = NULL;
    const int rc = sqlite3_open_v2(buf_string(&uri), &f->db, flags, NULL);
    buf_close(&uri);
    return rc;
}

int sqlite_file_read(struct sqlite_file *f, const char *path, struct neap_error *err)
{
    *f = (struct sqlite_file){.session = 0};
    int rc = find_path(f, path, err);
    if (!rc && access(f->path, R_OK) != 0)
        rc = error_set(err, errno == ENOENT ? NEAP_ENOENT : NEAP_EIO, "%s: %s", f->path,
                       strerror(errno));
    if (!rc)
        rc = look_before(f, err);
    if (rc)
        goto out;
    int code = open_writable(f);
    if (code && (code & 0xff) != SQLITE_BUSY && access(f->path, W_OK) != 0)
        code = open_unwritable(f);
    if ((code & 0xff) == SQLITE_BUSY)
        rc = in_use(f, err);
    else if (code)
        rc = refuse(f, code, err);
    else
        rc = prepare_all(f, err);
out:
    if (rc)
        sqlite_file_close(f);
    return rc;
}

void sqlite_file_leave(struct sqlite_file *f)
{
    if (f->db)
        sqlite3_db_config(f->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
}

void sqlite_file_close(struct sqlite_file *f)
{
    for (int i = 0; i < SQL_COUNT; i++)
        sqlite3_finalize(f->statements[i]);
    sqlite3_close(f->db);
    free(f->path);
    free(f->reserve);
    *f = (struct sqlite_file){0};
}

/* --- room ---------------------------------------------------------------------------------------
 */

int sqlite_file_checkpoint(struct sqlite_file *f, bool all)
{
    if (!all && f->frames < f->most_frames)
        return SQLITE_OK;
    int left = 0, done = 0;
    const int mode = all ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
    const int rc = sqlite3_wal_checkpoint_v2(f->db, NULL, mode, &left, &done);
    if (!rc && done == left)
        f->frames = 0;
    return rc;
}

bool sqlite_file_is_full(const struct sqlite_file *f, int code)
{
    if ((code & 0xff) == SQLITE_FULL)
        return true;
    const int number = sqlite3_system_errno(f->db);
    return code == SQLITE_IOERR_WRITE && (number == EDQUOT || number == ENOSPC);
}

bool sqlite_file_reserve(struct sqlite_file *f)
{
    const int fd = open(f->reserve, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return false;
    const bool ok = posix_fallocate(fd, 0, f->reserve_bytes) == 0;
    if (!ok && ftruncate(fd, 0) != 0) { /* part of it helps nobody */
    }
    close(fd);
    return ok;
}

bool sqlite_file_has_room(struct sqlite_file *f)
{
    int rc = SQLITE_OK;
    const int64_t pages = pragma_number(f, "PRAGMA freelist_count", &rc);
    return !rc && disk_room(f) + pages * PAGE_BYTES >= f->reserve_bytes;
}

void sqlite_file_shrink(struct sqlite_file *f)
{
    if (!sqlite_file_run(f, "PRAGMA incremental_vacuum(32)"))
        sqlite_file_checkpoint(f, true);
}

void sqlite_file_give_up(struct sqlite_file *f)
{
    const int fd = open(f->reserve, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return;
    if (ftruncate(fd, 0) != 0) { /* then it stays: nothing is worse than before */
    }
    close(fd);
}
