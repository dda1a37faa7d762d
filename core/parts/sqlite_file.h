/* The file of the sqlite store: one connection with an exclusive lock, its schema, its statements.
 *
 * Also what lies beside it: the reserve (PATH-ballast), blocks that are given up when the disk is
 * full, so that what has ended still gets in. Owner: one thread. */
#ifndef PARTS_SQLITE_FILE_H
#define PARTS_SQLITE_FILE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "neap.h"
#include "parts/sqlite_sql.h"

struct sqlite_file {
    sqlite3 *db;
    char *path;      /* absolute */
    char *reserve;   /* its reserve's */
    const char *wal; /* sqlite's own name of it */
    sqlite3_stmt *statements[SQL_COUNT];
    uint32_t session; /* tells this process's rows from those of earlier ones */
    int frames;       /* pages in the log, as of the last commit */
    int most_frames;  /* from where it is taken over into the file */
    int64_t reserve_bytes;
};

/* Makes the file (mode 0600) where there is none. NEAP_EIO: it is locked, damaged, newer or not
 * ours, and unchanged; the message names it and says what to do. */
int sqlite_file_open(struct sqlite_file *f, const char *path, struct neap_error *err);
/* For reading what no process has open; changes nothing beside it either. NEAP_ECONFLICT: one has;
 * NEAP_ENOENT: there is no such file; NEAP_EIO as above. */
int sqlite_file_read(struct sqlite_file *f, const char *path, struct neap_error *err);
/* From now on nothing is written, not even by the close: what is there is for the next one. */
void sqlite_file_leave(struct sqlite_file *f);
void sqlite_file_close(struct sqlite_file *f); /* zeroed is fine */

int sqlite_file_run(struct sqlite_file *f, const char *sql); /* an SQLite code */
/* Takes the log over into the file where that is due; with `all` always, and gives its blocks up.
 * An SQLite code: SQLITE_FULL is harmless. */
int sqlite_file_checkpoint(struct sqlite_file *f, bool all);
/* True: what sqlite refused last was for lack of room. */
bool sqlite_file_is_full(const struct sqlite_file *f, int code);

bool sqlite_file_reserve(struct sqlite_file *f); /* takes the blocks; false: there are none */
/* Besides that: are there as many bytes again, on the disk or in free pages of the file? */
bool sqlite_file_has_room(struct sqlite_file *f);
void sqlite_file_shrink(struct sqlite_file *f); /* gives some free pages back to the disk */
void sqlite_file_give_up(struct sqlite_file *f);

/* Ids as rowids: the order stays though those are signed. */
static inline int64_t row_of_id(uint64_t id)
{
    return (int64_t)(id ^ UINT64_C(1) << 63);
}

static inline uint64_t id_of_row(int64_t row)
{
    return (uint64_t)row ^ UINT64_C(1) << 63;
}

static inline sqlite3_stmt *sqlite_file_sql(struct sqlite_file *f, enum sqlite_sql which)
{
    return f->statements[which];
}

/* For what gives no rows, or whose rows nobody wants: an SQLite code. */
static inline int sqlite_step(sqlite3_stmt *stmt)
{
    const int rc = sqlite3_step(stmt);
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

#endif
