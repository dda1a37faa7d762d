/* One transaction with all that was noted. Nothing in memory says that it is written before it is:
 * where the disk is full the transaction is gone, and everything is still noted. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "model/name.h"
#include "parts/gate.h"
#include "parts/store_sqlite.h"

#define REACH_AHEAD_MS 60000 /* so that `reach` is not written with every commit */

/* --- on hold ------------------------------------------------------------------------------------
 */

void store_let_go(struct store *s, struct job *job, int64_t now_ms)
{
    if (job->due.key > 0 && job->due.key <= now_ms)
        job->available_ms = job->due.key; /* it became due meanwhile */
    window_enter(s, job, job->state, now_ms);
    store_note(s, job);
}

void store_unhold(struct store *s, const struct task_name *task, int64_t now_ms)
{
    struct list *lists[] = {&s->visitors, &s->pinned};
    for (int i = 0; i < 2; i++) {
        for (struct list *at = lists[i]->next, *next; at != lists[i]; at = next) {
            struct job *job = LIST_ENTRY(at, struct job, place);
            next = at->next;
            if (job->where == JOB_HELD && job->task == task)
                store_let_go(s, job, now_ms);
        }
    }
    s->unholds = mem_grow(s->unholds, s->n_unholds + 1, sizeof *s->unholds);
    s->unholds[s->n_unholds++] = (struct unhold){.task = task};
}

static void join_queue(struct unhold *u, struct gate *gate)
{
    for (size_t i = 0; i < u->n_queues; i++)
        if (u->queues[i] == gate)
            return;
    if (u->n_queues == u->cap_queues) {
        u->cap_queues = u->cap_queues ? u->cap_queues * 2 : 4;
        u->queues = mem_grow(u->queues, u->cap_queues, sizeof *u->queues);
    }
    u->queues[u->n_queues++] = gate;
}

/* Which rows it lets go; those of jobs in memory are written with these. */
static int look_at_held(struct store *s, struct unhold *u, uint32_t task)
{
    sqlite3_stmt *stmt = sqlite_file_sql(&s->file, SQL_HELD);
    int rc;
    u->due = u->due_again = u->n_queues = 0;
    u->later = false;
    u->delayed = s->delayed;
    if (u->delayed.all || u->delayed.key > s->now_ms)
        u->delayed = (struct edge){.key = s->now_ms, .id = UINT64_MAX};
    sqlite3_bind_int64(stmt, 1, task);
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct gate *gate =
            (struct gate *)sqlite_names_thing(&s->queues, sqlite3_column_int64(stmt, 1));
        const int64_t due = sqlite3_column_int64(stmt, 3);
        if (gate)
            join_queue(u, gate);
        const uint64_t id = id_of_row(sqlite3_column_int64(stmt, 0));
        if (!due || job_table_find(&s->jobs, id))
            continue;
        if (due > u->delayed.key || (due == u->delayed.key && id > u->delayed.id))
            u->later = true;
        else
            ++*(sqlite3_column_int64(stmt, 2) == NEAP_RETRYABLE ? &u->due_again : &u->due);
    }
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int write_unholds(struct store *s)
{
    int rc = SQLITE_OK;
    for (size_t i = 0; !rc && i < s->n_unholds; i++) {
        sqlite3_stmt *stmt = sqlite_file_sql(&s->file, SQL_UNHOLD);
        const uint32_t task = store_task_number(s, s->unholds[i].task);
        rc = look_at_held(s, &s->unholds[i], task);
        if (rc || !s->unholds[i].n_queues)
            continue;
        sqlite3_bind_int64(stmt, 1, task);
        rc = sqlite_step(stmt);
    }
    return rc;
}

/* After the commit: the rows are in their lines, so edges are drawn anew. */
static void unholds_written(struct store *s)
{
    for (size_t i = 0; i < s->n_unholds; i++) {
        struct unhold *u = &s->unholds[i];
        s->counts[NEAP_SCHEDULED] -= u->due;
        s->counts[NEAP_RETRYABLE] -= u->due_again;
        s->counts[NEAP_AVAILABLE] += u->due + u->due_again;
        if (u->later) {
            s->delayed = u->delayed;
            window_refill_delayed(s);
        }
        for (size_t q = 0; q < u->n_queues; q++)
            window_redraw(s, u->queues[q]->index);
        free(u->queues);
    }
    free(s->unholds);
    s->unholds = NULL;
    s->n_unholds = 0;
}

/* --- the rest -----------------------------------------------------------------------------------
 */

static int write_pair(struct store *s, enum sqlite_sql which, uint64_t parent, uint64_t child)
{
    sqlite3_stmt *stmt = sqlite_file_sql(&s->file, which);
    sqlite3_bind_int64(stmt, 1, row_of_id(parent));
    sqlite3_bind_int64(stmt, 2, row_of_id(child));
    return sqlite_step(stmt);
}

struct writing {
    struct store *s;
    int rc;
};

static void write_edge(void *user, uint64_t parent, uint64_t child)
{
    struct writing *w = user;
    if (!w->rc)
        w->rc = write_pair(w->s, SQL_PUT_EDGE, parent, child);
}

static int write_edges(struct store *s)
{
    struct writing w = {.s = s};
    edges_each(&s->fresh, &w, write_edge);
    for (size_t i = 0; !w.rc && i < s->n_taken; i++)
        w.rc = write_pair(s, SQL_DROP_EDGE, s->taken[i].parent, s->taken[i].child);
    return w.rc;
}

static void write_unique(void *user, const unsigned char *key, uint64_t id, int64_t at_ms)
{
    struct writing *w = user;
    sqlite3_stmt *stmt = sqlite_file_sql(&w->s->file, SQL_PUT_UNIQUE);
    sqlite3_bind_blob(stmt, 1, key, JOB_KEY_BYTES, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 2, row_of_id(id));
    sqlite3_bind_int64(stmt, 3, at_ms);
    if (!w->rc)
        w->rc = sqlite_step(stmt);
}

static int write_orphan(struct store *s, const struct orphan *o)
{
    const bool over = o->until_ms <= s->now_ms;
    sqlite3_stmt *stmt = sqlite_file_sql(&s->file, over ? SQL_DROP_UNIQUE : SQL_ORPHAN_UNIQUE);
    int at = 1;
    if (!over)
        sqlite3_bind_int64(stmt, at++, o->until_ms);
    sqlite3_bind_blob(stmt, at, o->key, JOB_KEY_BYTES, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, at + 1, row_of_id(o->id));
    return sqlite_step(stmt);
}

static int write_uniques(struct store *s)
{
    struct writing w = {.s = s};
    uniques_each(&s->uniques, &w, write_unique);
    for (size_t i = 0; !w.rc && i < s->n_orphans; i++)
        w.rc = write_orphan(s, &s->orphans[i]);
    if (w.rc || !s->uniques_due)
        return w.rc;
    sqlite3_stmt *stmt = sqlite_file_sql(&s->file, SQL_EXPIRE_UNIQUES);
    sqlite3_bind_int64(stmt, 1, s->now_ms);
    return sqlite_step(stmt);
}

static void write_note(void *user, const char *key, const void *data, size_t len)
{
    struct writing *w = user;
    const struct note *note = notes_find(&w->s->notes, key);
    sqlite3_stmt *stmt = sqlite_file_sql(&w->s->file, note ? SQL_PUT_NOTE : SQL_DROP_NOTE);
    (void)data;
    (void)len;
    sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
    if (note) /* never NULL, which a length of 0 might be */
        sqlite3_bind_blob64(stmt, 2, note->len ? note->data : "", note->len, SQLITE_STATIC);
    if (!w->rc)
        w->rc = sqlite_step(stmt);
}

static int write_notes(struct store *s)
{
    struct writing w = {.s = s};
    notes_each(&s->noted_notes, "", &w, write_note);
    return w.rc;
}

static int write_names(struct store *s, const struct sqlite_names *names, int kind)
{
    sqlite3_stmt *stmt = sqlite_file_sql(&s->file, SQL_PUT_NAME);
    int rc = SQLITE_OK;
    for (uint32_t n = names->written; !rc && n < names->count; n++) {
        sqlite3_bind_int64(stmt, 1, kind);
        sqlite3_bind_int64(stmt, 2, n + 1);
        sqlite3_bind_text(stmt, 3, names->texts[n], -1, SQLITE_STATIC);
        rc = sqlite_step(stmt);
    }
    return rc;
}

static int write_tallies(struct store *s)
{
    int rc = SQLITE_OK;
    for (size_t i = 0; !rc && i < s->tallies.n_slots; i++) {
        const struct tally *t = &s->tallies.slots[i];
        const int64_t n = t->n + t->delta;
        if (!t->delta)
            continue;
        sqlite3_stmt *stmt = sqlite_file_sql(&s->file, n ? SQL_PUT_TALLY : SQL_DROP_TALLY);
        sqlite3_bind_int64(stmt, 1, t->queue);
        sqlite3_bind_int64(stmt, 2, t->task);
        sqlite3_bind_int64(stmt, 3, t->state);
        if (n)
            sqlite3_bind_int64(stmt, 4, n);
        rc = sqlite_step(stmt);
    }
    return rc;
}

static int write_reach(struct store *s)
{
    if (s->reach_ms <= s->reach_row_ms)
        return SQLITE_OK;
    sqlite3_stmt *stmt = sqlite_file_sql(&s->file, SQL_PUT_FACT);
    sqlite3_bind_text(stmt, 1, "reach", -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 2, s->reach_ms + REACH_AHEAD_MS);
    return sqlite_step(stmt);
}

/* Jobs last but for what counts them: they find out which names are new. */
static int write_all(struct store *s)
{
    int rc = sqlite_step(sqlite_file_sql(&s->file, SQL_BEGIN));
    if (!rc)
        rc = write_unholds(s);
    if (!rc)
        rc = store_write_jobs(s);
    if (!rc)
        rc = write_names(s, &s->queues, 0);
    if (!rc)
        rc = write_names(s, &s->tasks, 1);
    if (!rc)
        rc = write_edges(s);
    if (!rc)
        rc = write_uniques(s);
    if (!rc)
        rc = write_notes(s);
    if (!rc)
        rc = write_tallies(s);
    if (!rc)
        rc = write_reach(s);
    if (!rc)
        rc = sqlite_step(sqlite_file_sql(&s->file, SQL_COMMIT));
    return rc;
}

/* --- after it -----------------------------------------------------------------------------------
 */

/* Entries that the file tells from now on. */
static void expiries_written(struct store *s)
{
    struct heap old = s->expiries;
    s->expiries = (struct heap){0};
    for (struct heap_node *node; (node = heap_pop(&old));) {
        if (node->key <= s->expired_ms) {
            heap_push(&s->expiries, node);
            continue;
        }
        if (node->key < s->next_expiry_ms)
            s->next_expiry_ms = node->key;
        free(HEAP_ENTRY(node, struct expiry, node));
    }
    heap_close(&old);
}

static void all_written(struct store *s)
{
    store_jobs_written(s);
    if (s->fresh.count || s->n_taken)
        store_look_for_edges(s);
    edges_close(&s->fresh);
    uniques_close(&s->uniques);
    notes_close(&s->noted_notes);
    tallies_written(&s->tallies, true);
    s->n_taken = s->n_orphans = s->ended_since = 0;
    s->uniques_due = false;
    s->queues.written = s->queues.count;
    s->tasks.written = s->tasks.count;
    if (s->reach_ms > s->reach_row_ms)
        s->reach_row_ms = s->reach_ms + REACH_AHEAD_MS;
    if (s->expiries.len)
        expiries_written(s);
}

/* Who visited goes; who is pinned stays. */
static void sweep(struct store *s)
{
    for (struct list *at; (at = list_shift(&s->visitors));) {
        struct job *job = LIST_ENTRY(at, struct job, place);
        assert(!job->claimed && !job->dirty);
        if (job->pins) {
            list_push(&s->pinned, at);
        } else {
            job_table_remove(&s->jobs, job);
            job_free(s->cache, job);
        }
    }
}

static void is_full(struct store *s)
{
    if (!s->full)
        store_tell(s, NEAP_WARN,
                   "no room for %s: new jobs of hosts are refused until there is some again",
                   s->file.path);
    s->full = true;
    sqlite_file_give_up(&s->file);
    sqlite_file_checkpoint(&s->file, true); /* the log's blocks, where that can be */
}

static int tell_full(struct store *s, struct neap_error *err)
{
    s->told_full = true;
    return error_set(err, NEAP_ENOSPC, "%s: no room on the disk", s->file.path);
}

static int failed(struct store *s, int rc, struct neap_error *err)
{
    const bool full = sqlite_file_is_full(&s->file, rc);
    if (!full)
        store_break(s, "writing");
    tallies_written(&s->tallies, false);
    if (!sqlite3_get_autocommit(s->file.db))
        sqlite_file_run(&s->file, "ROLLBACK");
    if (!full)
        return error_set(err, NEAP_EIO, "%s", s->broken_why);
    is_full(s);
    return tell_full(s, err);
}

static bool has_writes(const struct store *s)
{
    return s->n_noted || s->n_taken || s->n_orphans || s->n_unholds || s->fresh.count ||
           s->uniques.count || s->noted_notes.count || s->uniques_due;
}

bool store_dirty(const struct store *s)
{
    return has_writes(s) || s->broken || !list_empty(&s->visitors);
}

static int write_timed(struct store *s, struct neap_error *err)
{
    const int64_t began_ns = clock_mono_ns();
    const int rc = write_all(s);
    if (rc)
        return failed(s, rc, err);
    const uint64_t took_ns = (uint64_t)(clock_mono_ns() - began_ns);
    s->commits++;
    s->commit_ns += took_ns;
    s->commit_max_ns = took_ns > s->commit_max_ns ? took_ns : s->commit_max_ns;
    all_written(s);
    return NEAP_OK;
}

int store_commit(struct store *s, struct neap_error *err)
{
    if (s->ended_since && !s->broken)
        store_forget_old(s, 2 * s->ended_since);
    window_keep(s);
    if (s->broken)
        return error_set(err, NEAP_EIO, "%s", s->broken_why);
    if (s->full && !s->told_full && has_writes(s)) /* the reserve is for what ends */
        return tell_full(s, err);
    if (has_writes(s) && write_timed(s, err))
        return s->broken ? NEAP_EIO : NEAP_ENOSPC;
    sweep(s);
    unholds_written(s);
    window_fill(s);
    const int rc = sqlite_file_checkpoint(&s->file, false);
    if (rc && sqlite_file_is_full(&s->file, rc))
        is_full(s);
    else if (rc && (rc & 0xff) != SQLITE_BUSY && (rc & 0xff) != SQLITE_LOCKED)
        store_break(s, "taking the log over"); /* what was committed is in the log */
    return NEAP_OK;
}

bool store_roomy(struct store *s)
{
    if (!s->full)
        return true;
    if (!sqlite_file_reserve(&s->file)) {
        sqlite_file_shrink(&s->file);
        return false;
    }
    if (!sqlite_file_has_room(&s->file)) { /* it would be full at once */
        sqlite_file_give_up(&s->file);
        return false;
    }
    store_tell(s, NEAP_INFO, "there is room for %s again", s->file.path);
    s->full = s->told_full = false;
    return true;
}
