/* Rows of jobs. New ones are written SQL_ROWS in one statement, and those whose ids follow each
 * other go in one; where a row is replaced, it is done by itself. The order among jobs of one
 * transaction does not matter: each has a row of its own, and goes before it is put elsewhere. */
#include <stdlib.h>

#include "model/name.h"
#include "parts/gate.h"
#include "parts/store_sqlite.h"

#define SMALL_BYTES 4096 /* larger ones are written one by one: their bodies need memory */

enum table { JOBS_TABLE, ENDED_TABLE, NO_TABLE };

struct added { /* new rows of a table that are still to be written */
    const struct job *jobs[SQL_ROWS];
    int n;
};

struct run { /* of ids that go from a table */
    uint64_t first, next;
};

/* Owner: the engine, for one commit. */
struct writer {
    struct store *s;
    struct added added[NO_TABLE];
    struct run runs[NO_TABLE];
};

static enum table table_of_row(const struct job *job)
{
    if (!job->row)
        return NO_TABLE;
    const int state = job->row - 1;
    return state == NEAP_COMPLETED || state == NEAP_DEAD || state == NEAP_CANCELLED ? ENDED_TABLE
                                                                                    : JOBS_TABLE;
}

static enum table table_for(const struct job *job)
{
    if (job->gone || job->where == JOB_LEAVING)
        return NO_TABLE;
    return store_ended(job) ? ENDED_TABLE : JOBS_TABLE;
}

static uint32_t queue_number(struct store *s, const struct gate *gate)
{
    return sqlite_names_number(&s->queues, gate->index, gate, gate->name);
}

uint32_t store_task_number(struct store *s, const struct task_name *task)
{
    return sqlite_names_number(&s->tasks, task->index, task, task->text);
}

static void bind_time(sqlite3_stmt *stmt, int at, int64_t value) /* 0: none */
{
    if (value)
        sqlite3_bind_int64(stmt, at, value);
    else
        sqlite3_bind_null(stmt, at);
}

static int bind_head(struct store *s, sqlite3_stmt *stmt, int at, const struct job *job)
{
    sqlite3_bind_int64(stmt, at++, row_of_id(job->id));
    sqlite3_bind_int64(stmt, at++, queue_number(s, job->gate));
    sqlite3_bind_int64(stmt, at++, store_task_number(s, job->task));
    sqlite3_bind_int64(stmt, at++, job->state);
    return at;
}

static int bind_live(struct store *s, sqlite3_stmt *stmt, int at, const struct job *job)
{
    const int64_t due = row_due(job);
    const bool held = job->where == JOB_HELD;
    at = bind_head(s, stmt, at, job);
    sqlite3_bind_null(stmt, at);
    sqlite3_bind_null(stmt, at + 1);
    if (job->state != NEAP_PENDING)
        sqlite3_bind_int64(stmt, held ? at + 1 : at, row_sort(job));
    bind_time(stmt, at + 2, due);
    bind_time(stmt, at + 3, job->state == NEAP_RETRYABLE ? due : 0);
    bind_time(stmt, at + 4, job_terms(job)->expires_ms);
    return at + 5;
}

static int bind_ended(struct store *s, sqlite3_stmt *stmt, int at, const struct job *job)
{
    at = bind_head(s, stmt, at, job);
    sqlite3_bind_int64(stmt, at, job->finished_ms);
    bind_time(stmt, at + 1, job->owes_on_dead);
    sqlite3_bind_null(stmt, at + 2);
    sqlite3_bind_null(stmt, at + 3);
    if (job_terms(job)->unique) {
        sqlite3_bind_blob(stmt, at + 2, job_terms(job)->unique->key, JOB_KEY_BYTES, SQLITE_STATIC);
        sqlite3_bind_int64(stmt, at + 3, job->submitted_ms + job_terms(job)->unique->within_ms);
    }
    return at + 4;
}

/* One statement with as many rows as it has places for. */
static int put(struct store *s, enum table table, enum sqlite_sql which,
               const struct job *const *jobs, int n)
{
    sqlite3_stmt *stmt = sqlite_file_sql(&s->file, which);
    size_t ends[SQL_ROWS + 1] = {0};
    s->scratch.len = 0;
    for (int i = 0; i < n; i++) {
        row_encode(&s->scratch, jobs[i], s->file.session);
        ends[i + 1] = s->scratch.len;
    }
    for (int i = 0, at = 1; i < n; i++) {
        at = table == JOBS_TABLE ? bind_live(s, stmt, at, jobs[i])
                                 : bind_ended(s, stmt, at, jobs[i]);
        sqlite3_bind_blob64(stmt, at++, s->scratch.data + ends[i], ends[i + 1] - ends[i],
                            SQLITE_STATIC);
    }
    return sqlite_step(stmt);
}

static int put_one(struct store *s, enum table table, const struct job *job)
{
    return put(s, table, table == JOBS_TABLE ? SQL_PUT_JOB : SQL_PUT_ENDED, &job, 1);
}

static int put_added(struct writer *w, enum table table)
{
    struct added *added = &w->added[table];
    int rc = SQLITE_OK;
    if (added->n == SQL_ROWS)
        rc = put(w->s, table, table == JOBS_TABLE ? SQL_ADD_JOBS : SQL_ADD_ENDED, added->jobs,
                 added->n);
    else
        for (int i = 0; !rc && i < added->n; i++)
            rc = put_one(w->s, table, added->jobs[i]);
    added->n = 0;
    return rc;
}

static int drop_run(struct writer *w, enum table table)
{
    struct run *run = &w->runs[table];
    if (run->first == run->next)
        return SQLITE_OK;
    sqlite3_stmt *stmt =
        sqlite_file_sql(&w->s->file, table == JOBS_TABLE ? SQL_DROP_JOBS : SQL_DROP_ENDED);
    sqlite3_bind_int64(stmt, 1, row_of_id(run->first));
    sqlite3_bind_int64(stmt, 2, row_of_id(run->next - 1));
    run->first = run->next;
    return sqlite_step(stmt);
}

static int add(struct writer *w, enum table table, const struct job *job)
{
    struct added *added = &w->added[table];
    if (job_extra_bytes(job) > SMALL_BYTES)
        return put_one(w->s, table, job);
    added->jobs[added->n++] = job;
    return added->n == SQL_ROWS ? put_added(w, table) : SQLITE_OK;
}

static int drop(struct writer *w, enum table table, uint64_t id)
{
    struct run *run = &w->runs[table];
    const int rc = id == run->next ? SQLITE_OK : drop_run(w, table);
    if (run->first == run->next)
        run->first = id;
    run->next = id + 1;
    return rc;
}

static int write_job(struct writer *w, const struct job *job)
{
    struct store *s = w->s;
    const enum table was = table_of_row(job), now = table_for(job);
    const uint32_t queue = queue_number(s, job->gate), task = store_task_number(s, job->task);
    int rc = SQLITE_OK;
    if (was != NO_TABLE)
        tallies_at(&s->tallies, queue, task, job->row - 1u)->delta--;
    if (now != NO_TABLE)
        tallies_at(&s->tallies, queue, task, job->state)->delta++;
    if (was == now)
        return now == NO_TABLE ? SQLITE_OK : put_one(s, now, job);
    if (was != NO_TABLE)
        rc = drop(w, was, job->id);
    return rc || now == NO_TABLE ? rc : add(w, now, job);
}

static int by_id(const void *a, const void *b)
{
    const uint64_t x = (*(struct job *const *)a)->id, y = (*(struct job *const *)b)->id;
    return (x > y) - (x < y);
}

/* In order of their ids, which is near that of the file: those submitted together end together,
 * though in another order, as several workers ran them. */
int store_write_jobs(struct store *s)
{
    struct writer w = {.s = s};
    int rc = SQLITE_OK;
    if (s->n_noted)
        qsort(s->noted, s->n_noted, sizeof *s->noted, by_id);
    for (size_t i = 0; !rc && i < s->n_noted; i++)
        rc = write_job(&w, s->noted[i]);
    for (enum table table = JOBS_TABLE; table < NO_TABLE; table++) {
        if (!rc)
            rc = drop_run(&w, table);
        if (!rc)
            rc = put_added(&w, table);
    }
    return rc;
}

void store_jobs_written(struct store *s)
{
    for (size_t i = 0; i < s->n_noted; i++) {
        struct job *job = s->noted[i];
        const bool gone = job->gone;
        job->dirty = false;
        job->row = table_for(job) == NO_TABLE ? 0 : (uint8_t)(job->state + 1);
        job->row_stale = false;
        if (gone) {
            job_table_remove(&s->jobs, job);
            job_free(s->cache, job);
        }
    }
    s->n_noted = 0;
}
