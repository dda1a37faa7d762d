#include "parts/store_dump.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "model/name.h"
#include "parts/gate.h"
#include "parts/store_sqlite.h"

struct store_dump {
    struct store s; /* as much of one as reading rows needs */
};

int store_dump_open(struct store_dump **out, const char *path, int64_t now_ms,
                    struct neap_error *err)
{
    struct store_dump *d = mem_zero(1, sizeof *d);
    struct store *s = &d->s;
    int rc = sqlite_file_read(&s->file, path, err);
    if (!rc) {
        s->names = names_new();
        s->gates = gates_new();
        s->now_ms = now_ms;
        s->delayed = (struct edge){.key = now_ms, .id = UINT64_MAX};
        rc = store_load_names(s, err);
    }
    if (rc)
        store_dump_close(d);
    else
        *out = d;
    return rc;
}

void store_dump_close(struct store_dump *d)
{
    if (!d)
        return;
    sqlite_names_close(&d->s.queues);
    sqlite_names_close(&d->s.tasks);
    tallies_close(&d->s.tallies);
    names_free(d->s.names);
    gates_free(d->s.gates);
    sqlite_file_close(&d->s.file);
    free(d);
}

struct reading {
    size_t rows, damaged;
    int code; /* why it ended: SQLITE_DONE */
};

static void read_table(struct store *s, enum sqlite_sql which, struct reading *r, void *user,
                       void (*each)(void *user, const struct job *job))
{
    sqlite3_stmt *stmt = sqlite_file_sql(&s->file, which);
    while ((r->code = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct job *job = row_decode(s, stmt, which == SQL_ALL_ENDED);
        r->rows++;
        r->damaged += !job;
        if (job && sqlite3_column_type(stmt, ROW_HELD) != SQLITE_NULL)
            job->where = JOB_HELD;
        if (job && each)
            each(user, job);
        job_free(s->cache, job);
    }
    sqlite3_reset(stmt);
}

int store_dump_each(struct store_dump *d, void *user,
                    void (*each)(void *user, const struct job *job), struct neap_error *err)
{
    struct reading r = {0};
    const char *path = d->s.file.path;
    read_table(&d->s, SQL_ALL_JOBS, &r, user, each);
    const int first = r.code;
    read_table(&d->s, SQL_ALL_ENDED, &r, user, each);
    if (first != SQLITE_DONE || r.code != SQLITE_DONE)
        return error_set(err, NEAP_EIO, "%s: is damaged, there may be more jobs in it (%s)", path,
                         sqlite3_errstr(first != SQLITE_DONE ? first : r.code));
    if (r.damaged)
        return error_set(err, NEAP_EIO, "%s: is damaged, %zu of %zu jobs are left out", path,
                         r.damaged, r.rows);
    return NEAP_OK;
}

/* --- the check ----------------------------------------------------------------------------------
 */

struct check {
    struct store *s;
    struct tallies seen;
    void *user;
    void (*problem)(void *user, const char *text);
};

static void count_job(void *user, const struct job *job)
{
    struct check *c = user;
    const uint32_t queue = c->s->queues.numbers[job->gate->index];
    const uint32_t task = c->s->tasks.numbers[job->task->index];
    tallies_at(&c->seen, queue, task, job->row - 1u)->n++;
}

static void check_pages(struct check *c)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(c->s->file.db, "PRAGMA integrity_check", -1, &stmt, NULL)) {
        c->problem(c->user, sqlite3_errmsg(c->s->file.db));
        return;
    }
    int rc;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(stmt, 0);
        if (text && strcmp(text, "ok") != 0)
            c->problem(c->user, text);
    }
    if (rc != SQLITE_DONE)
        c->problem(c->user, sqlite3_errmsg(c->s->file.db));
    sqlite3_finalize(stmt);
}

static void check_rows(struct check *c, enum sqlite_sql which, const char *table)
{
    struct reading r = {0};
    char text[128];
    read_table(c->s, which, &r, c, count_job);
    if (r.damaged) {
        snprintf(text, sizeof text, "%s: %zu of %zu rows are damaged", table, r.damaged, r.rows);
        c->problem(c->user, text);
    }
    if (r.code != SQLITE_DONE) {
        snprintf(text, sizeof text, "%s: cannot be read: %s", table, sqlite3_errstr(r.code));
        c->problem(c->user, text);
    }
}

static void compare_tallies(struct check *c, struct tallies *a, struct tallies *b, bool both)
{
    char text[160];
    for (size_t i = 0; i < a->n_slots; i++) {
        const struct tally *t = &a->slots[i];
        if (!t->queue)
            continue;
        const int64_t other = tallies_at(b, t->queue, t->task, t->state)->n;
        if (t->n != other && (both || !other)) {
            snprintf(text, sizeof text, "tallies: queue %u, task %u, %s: %lld, and %lld rows",
                     t->queue, t->task, neap_state_name((int)t->state),
                     (long long)(both ? t->n : other), (long long)(both ? other : t->n));
            c->problem(c->user, text);
        }
    }
}

void store_dump_check(struct store_dump *d, void *user,
                      void (*problem)(void *user, const char *text))
{
    struct check c = {.s = &d->s, .user = user, .problem = problem};
    check_pages(&c);
    check_rows(&c, SQL_ALL_JOBS, "jobs");
    check_rows(&c, SQL_ALL_ENDED, "ended");
    compare_tallies(&c, &d->s.tallies, &c.seen, true);
    compare_tallies(&c, &c.seen, &d->s.tallies, false);
    tallies_close(&c.seen);
}
