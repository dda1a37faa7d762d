#include "parts/sqlite_sql.h"

/* jobs: what has not ended. `sort` is its place in the line of its queue (level << 48 + the time
 * since when, or from when, it may run), and NULL where it is in none; `held` is that place while
 * it is on hold. `due`: when it becomes available, if that was later when the row was written;
 * `again` the same of retries. What became due since needs no writing: a delayed row sorts where it
 * belongs.
 *
 * An index costs a fifth of the rate of submissions, so most are partial and empty as a rule. State
 * 6 is NEAP_DEAD. */
const char *const sqlite_sql_steps[NEAP_SCHEMA] = {
    "CREATE TABLE jobs(id INTEGER PRIMARY KEY, queue INTEGER NOT NULL, task INTEGER NOT NULL,"
    " state INTEGER NOT NULL, sort INTEGER, held INTEGER, due INTEGER, again INTEGER,"
    " expires INTEGER, body BLOB NOT NULL) STRICT;"
    "CREATE INDEX jobs_line ON jobs(queue, sort) WHERE sort IS NOT NULL;"
    "CREATE INDEX jobs_due ON jobs(due) WHERE due IS NOT NULL AND sort IS NOT NULL;"
    "CREATE INDEX jobs_again ON jobs(again) WHERE again IS NOT NULL AND sort IS NOT NULL;"
    "CREATE INDEX jobs_held ON jobs(task) WHERE held IS NOT NULL;"
    "CREATE INDEX jobs_expires ON jobs(expires) WHERE expires IS NOT NULL;"
    "CREATE TABLE ended(id INTEGER PRIMARY KEY, queue INTEGER NOT NULL, task INTEGER NOT NULL,"
    " state INTEGER NOT NULL, finished INTEGER NOT NULL, owes INTEGER, key BLOB, key_until INTEGER,"
    " body BLOB NOT NULL) STRICT;"
    "CREATE INDEX ended_done ON ended(finished) WHERE state <> 6;"
    "CREATE INDEX ended_dead ON ended(finished) WHERE state = 6;"
    "CREATE INDEX ended_owing ON ended(id) WHERE owes IS NOT NULL;"
    "CREATE TABLE edges(parent INTEGER, child INTEGER, PRIMARY KEY(parent, child))"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE uniques(key BLOB PRIMARY KEY, id INTEGER NOT NULL, at_ms INTEGER NOT NULL,"
    " until INTEGER) STRICT, WITHOUT ROWID;"
    "CREATE INDEX uniques_until ON uniques(until) WHERE until IS NOT NULL;"
    "CREATE TABLE notes(key TEXT PRIMARY KEY, data BLOB NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE names(kind INTEGER, n INTEGER, text TEXT NOT NULL, PRIMARY KEY(kind, n))"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE tallies(queue INTEGER, task INTEGER, state INTEGER, n INTEGER NOT NULL,"
    " PRIMARY KEY(queue, task, state)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE facts(key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
};

#define JOB_COLUMNS "jobs(id, queue, task, state, sort, held, due, again, expires, body) VALUES"
#define JOB_ROW "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
#define ENDED_COLUMNS "ended(id, queue, task, state, finished, owes, key, key_until, body) VALUES"
#define ENDED_ROW "(?, ?, ?, ?, ?, ?, ?, ?, ?)"
#define TIMES_4(row) row "," row "," row "," row
#define TIMES_16(row) TIMES_4(TIMES_4(row))
_Static_assert(SQL_ROWS == 16, "as many as TIMES_16 makes");

#define ROW "id, queue, task, state, due, held, body"
#define LOOK "SELECT id, queue, task, state, due, held, 0 FROM jobs"
#define LOOK_ENDED "SELECT id, queue, task, state, NULL, NULL, 1 FROM ended"

const char *const sqlite_sql_texts[SQL_COUNT] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_PUT_JOB] = "INSERT OR REPLACE INTO " JOB_COLUMNS JOB_ROW,
    [SQL_ADD_JOBS] = "INSERT OR FAIL INTO " JOB_COLUMNS TIMES_16(JOB_ROW),
    [SQL_DROP_JOBS] = "DELETE FROM jobs WHERE id BETWEEN ? AND ?",
    [SQL_PUT_ENDED] = "INSERT OR REPLACE INTO " ENDED_COLUMNS ENDED_ROW,
    [SQL_ADD_ENDED] = "INSERT OR FAIL INTO " ENDED_COLUMNS TIMES_16(ENDED_ROW),
    [SQL_DROP_ENDED] = "DELETE FROM ended WHERE id BETWEEN ? AND ?",
    [SQL_PUT_EDGE] = "INSERT OR IGNORE INTO edges(parent, child) VALUES(?, ?)",
    [SQL_DROP_EDGE] = "DELETE FROM edges WHERE parent = ? AND child = ?",
    [SQL_PUT_UNIQUE] = "INSERT OR REPLACE INTO uniques(key, id, at_ms) VALUES(?, ?, ?)",
    [SQL_ORPHAN_UNIQUE] = "UPDATE uniques SET until = ? WHERE key = ? AND id = ?",
    [SQL_DROP_UNIQUE] = "DELETE FROM uniques WHERE key = ? AND id = ?",
    [SQL_EXPIRE_UNIQUES] = "DELETE FROM uniques WHERE key IN (SELECT key FROM uniques"
                           " WHERE until IS NOT NULL AND until <= ? ORDER BY until LIMIT 256)",
    [SQL_PUT_NOTE] = "INSERT OR REPLACE INTO notes(key, data) VALUES(?, ?)",
    [SQL_DROP_NOTE] = "DELETE FROM notes WHERE key = ?",
    [SQL_PUT_NAME] = "INSERT OR REPLACE INTO names(kind, n, text) VALUES(?, ?, ?)",
    [SQL_PUT_TALLY] = "INSERT OR REPLACE INTO tallies(queue, task, state, n) VALUES(?, ?, ?, ?)",
    [SQL_DROP_TALLY] = "DELETE FROM tallies WHERE queue = ? AND task = ? AND state = ?",
    [SQL_PUT_FACT] = "INSERT OR REPLACE INTO facts(key, value) VALUES(?, ?)",
    [SQL_UNHOLD] = "UPDATE jobs SET sort = held, held = NULL WHERE task = ? AND held IS NOT NULL",
    [SQL_JOB] = "SELECT " ROW " FROM jobs WHERE id = ?",
    [SQL_ENDED] = "SELECT id, queue, task, state, owes, NULL, body FROM ended WHERE id = ?",
    [SQL_LINE_SAME] = "SELECT " ROW " FROM jobs WHERE queue = ? AND sort = ? AND id > ?"
                      " AND sort IS NOT NULL ORDER BY id",
    [SQL_LINE_NEXT] = "SELECT " ROW ", sort FROM jobs WHERE queue = ? AND sort > ? AND sort <= ?"
                      " AND sort IS NOT NULL ORDER BY sort, id",
    [SQL_LINE_LEVEL] = "SELECT sort FROM jobs WHERE queue = ? AND sort >= ? AND sort IS NOT NULL"
                       " ORDER BY sort LIMIT 1",
    [SQL_DELAYED_SAME] = "SELECT " ROW " FROM jobs INDEXED BY jobs_due WHERE due = ? AND id > ?"
                         " AND due IS NOT NULL AND sort IS NOT NULL ORDER BY id",
    [SQL_DELAYED_NEXT] = "SELECT " ROW " FROM jobs INDEXED BY jobs_due WHERE due > ?"
                         " AND due IS NOT NULL AND sort IS NOT NULL ORDER BY due, id",
    [SQL_DUE] = "SELECT id, due FROM jobs INDEXED BY jobs_due WHERE due >= ? AND due <= ?"
                " AND due IS NOT NULL AND sort IS NOT NULL",
    [SQL_DUE_AGAIN] = "SELECT id, again FROM jobs INDEXED BY jobs_again WHERE again >= ?"
                      " AND again <= ? AND again IS NOT NULL AND sort IS NOT NULL",
    [SQL_COUNT_DUE] = "SELECT count(*) FROM jobs INDEXED BY jobs_due WHERE due <= ?"
                      " AND due IS NOT NULL AND sort IS NOT NULL",
    [SQL_COUNT_DUE_AGAIN] = "SELECT count(*) FROM jobs INDEXED BY jobs_again WHERE again <= ?"
                            " AND again IS NOT NULL AND sort IS NOT NULL",
    [SQL_HELD] = "SELECT id, queue, state, due FROM jobs WHERE task = ? AND held IS NOT NULL",
    [SQL_HELD_TASKS] = "SELECT DISTINCT task FROM jobs INDEXED BY jobs_held WHERE held IS NOT NULL",
    [SQL_CHILDREN] = "SELECT child FROM edges WHERE parent = ? AND child > ? ORDER BY child",
    [SQL_ANY_EDGE] = "SELECT 1 FROM edges LIMIT 1",
    [SQL_UNIQUE] = "SELECT id, at_ms, until FROM uniques WHERE key = ?",
    [SQL_UNIQUE_DUE] = "SELECT 1 FROM uniques WHERE until IS NOT NULL AND until <= ? LIMIT 1",
    [SQL_OWING] = "SELECT id FROM ended WHERE owes IS NOT NULL AND id > ? ORDER BY id",
    [SQL_EXPIRED] = "SELECT id, expires FROM jobs WHERE expires >= ? AND expires <= ?"
                    " AND expires IS NOT NULL ORDER BY expires, id",
    [SQL_NEXT_EXPIRY] = "SELECT expires FROM jobs WHERE expires > ? AND expires IS NOT NULL"
                        " ORDER BY expires LIMIT 1",
    [SQL_OLDEST_DONE] = "SELECT id, queue, task, state, finished, key, key_until FROM ended"
                        " WHERE state <> 6 ORDER BY finished, id",
    [SQL_OLDEST_DEAD] = "SELECT id, queue, task, state, finished, key, key_until FROM ended"
                        " WHERE state = 6 ORDER BY finished, id",
    [SQL_SCAN] = LOOK " WHERE id > ?1 UNION ALL " LOOK_ENDED " WHERE id > ?1 ORDER BY id",
    [SQL_SCAN_JOBS] = LOOK " WHERE id > ? ORDER BY id",
    [SQL_SCAN_ENDED] = LOOK_ENDED " WHERE id > ? ORDER BY id",
    [SQL_SCAN_BACK] = LOOK " WHERE id < ?1 UNION ALL " LOOK_ENDED " WHERE id < ?1 ORDER BY id DESC",
    [SQL_SCAN_JOBS_BACK] = LOOK " WHERE id < ? ORDER BY id DESC",
    [SQL_SCAN_ENDED_BACK] = LOOK_ENDED " WHERE id < ? ORDER BY id DESC",
    [SQL_NOTES] = "SELECT key, data FROM notes",
    [SQL_NAMES] = "SELECT n, text FROM names WHERE kind = ? ORDER BY n",
    [SQL_TALLIES] = "SELECT queue, task, state, n FROM tallies",
    [SQL_ALL_JOBS] = "SELECT " ROW " FROM jobs ORDER BY id",
    [SQL_ALL_ENDED] = "SELECT id, queue, task, state, NULL, NULL, body FROM ended ORDER BY id",
    [SQL_FACT] = "SELECT value FROM facts WHERE key = ?",
};
