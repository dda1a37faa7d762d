/* Jobs that have ended: kept, pinned, forgotten. One that is forgotten stays in the table as gone
 * until its row is. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "parts/gate.h"
#include "parts/store_sqlite.h"

static int kind_of(const struct job *job)
{
    return job->state == NEAP_DEAD ? KEPT_DEAD : KEPT_DONE;
}

static void orphan(struct store *s, const struct job *job)
{
    if (s->n_orphans == s->cap_orphans) {
        s->cap_orphans = s->cap_orphans ? s->cap_orphans * 2 : 16;
        s->orphans = mem_grow(s->orphans, s->cap_orphans, sizeof *s->orphans);
    }
    struct orphan *o = &s->orphans[s->n_orphans++];
    memcpy(o->key, job_terms(job)->unique->key, JOB_KEY_BYTES);
    o->id = job->id;
    o->until_ms = job->submitted_ms + job_terms(job)->unique->within_ms;
}

/* It must be in no line and counted in its state. */
void store_forget(struct store *s, struct job *job)
{
    if (job_terms(job)->unique)
        orphan(s, job);
    if (list_linked(&job->place))
        list_remove(&job->place);
    s->counts[store_counted_as(job)]--;
    job->gone = true;
    job->where = JOB_NOWHERE;
    store_note(s, job);
}

static void keep(struct store *s, struct job *job)
{
    s->kept[kind_of(job)]++;
    s->ended_since++;
    store_visit(s, job, JOB_KEPT);
}

void store_unkeep(struct store *s, struct job *job)
{
    s->kept[kind_of(job)]--;
    job->where = JOB_NOWHERE;
}

void store_end(struct store *s, struct job *job, int state, bool kept, int64_t now_ms)
{
    assert(job->where == JOB_NOWHERE);
    store_set_state(s, job, state, false);
    const int64_t most = kind_of(job) == KEPT_DEAD ? s->limits.dead : s->limits.completed;
    kept = kept && most >= 0;
    job->finished_ms = now_ms;
    if (job->pins)
        store_visit(s, job, kept ? JOB_PINNED : JOB_LEAVING);
    else if (kept)
        keep(s, job);
    else
        store_forget(s, job);
    store_note(s, job);
}

void store_pin(struct store *s, struct job *job)
{
    assert(job->pins < UINT16_MAX);
    if (job->pins++ == 0 && job->where == JOB_KEPT) {
        store_unkeep(s, job);
        job->where = JOB_PINNED;
    }
}

static void unpin(struct store *s, struct job *job)
{
    assert(job->pins > 0);
    if (--job->pins > 0)
        return;
    if (job->where == JOB_PINNED)
        keep(s, job);
    else if (job->where == JOB_LEAVING)
        store_forget(s, job);
    if (job->where == JOB_KEPT || job->where == JOB_AWAY || job->where == JOB_HELD ||
        job->where == JOB_WAITS) { /* it only visits from now on */
        list_remove(&job->place);
        list_push(&s->visitors, &job->place);
    }
}

void store_unpin(struct store *s, struct job *const *jobs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        unpin(s, jobs[i]);
}

/* --- limits -------------------------------------------------------------------------------------
 */

/* A row about to go, as a job that is gone: nothing of its body matters any more. */
static void forget_row(struct store *s, sqlite3_stmt *row, uint64_t id)
{
    struct job *job = job_new(s->cache, NULL, 0);
    const void *key = sqlite3_column_blob(row, 5);
    job->id = id;
    job->gate = (struct gate *)sqlite_names_thing(&s->queues, sqlite3_column_int64(row, 1));
    job->task = sqlite_names_thing(&s->tasks, sqlite3_column_int64(row, 2));
    job->state = (uint8_t)sqlite3_column_int64(row, 3) & 0xf;
    job->row = (uint8_t)(job->state + 1);
    if (key && sqlite3_column_bytes(row, 5) == JOB_KEY_BYTES) {
        job_terms_own(job)->unique = mem_zero(1, sizeof *job_terms(job)->unique);
        memcpy(job_terms(job)->unique->key, key, JOB_KEY_BYTES);
        job_terms(job)->unique->within_ms = sqlite3_column_int64(row, 6);
    }
    if (!job->gate || !store_ended(job)) {
        store_break(s, "a row is damaged");
        job_free(s->cache, job);
        return;
    }
    job_table_add(&s->jobs, job);
    s->kept[kind_of(job)]--;
    store_forget(s, job);
}

/* One that is in memory goes if nobody holds it there, or wants it elsewhere by now. */
static bool forget_here(struct store *s, struct job *job)
{
    if (job->gone || job->pins || job->where != JOB_KEPT)
        return false;
    store_unkeep(s, job);
    store_forget(s, job);
    return true;
}

static size_t forget_oldest(struct store *s, int kind, size_t most)
{
    const int64_t max = kind == KEPT_DEAD ? s->limits.dead : s->limits.completed;
    const int64_t max_ms = kind == KEPT_DEAD ? s->limits.dead_ms : s->limits.completed_ms;
    sqlite3_stmt *stmt =
        sqlite_file_sql(&s->file, kind == KEPT_DEAD ? SQL_OLDEST_DEAD : SQL_OLDEST_DONE);
    size_t n = 0;
    int rc = SQLITE_DONE;
    if (!max && !max_ms)
        return 0;
    while (n < most && !s->broken) {
        const bool many = max && s->kept[kind] > (max > 0 ? max : 0);
        if ((!many && !max_ms) || (rc = sqlite3_step(stmt)) != SQLITE_ROW)
            break;
        if (!many && s->now_ms - sqlite3_column_int64(stmt, 4) < max_ms)
            break;
        const uint64_t id = id_of_row(sqlite3_column_int64(stmt, 0));
        struct job *job = job_table_find(&s->jobs, id);
        if (job && !forget_here(s, job))
            continue;
        if (!job)
            forget_row(s, stmt, id);
        n++;
    }
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        store_break(s, "reading what has ended");
    sqlite3_reset(stmt);
    return n;
}

size_t store_forget_old(struct store *s, size_t most)
{
    const size_t n = forget_oldest(s, KEPT_DONE, most);
    return n + forget_oldest(s, KEPT_DEAD, most - n);
}
