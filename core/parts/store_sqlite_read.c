/* Reading besides the line: single jobs, lists, and what the engine asks for by other keys. What is
 * noted and not yet committed is in memory only, and counts. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "parts/gate.h"
#include "parts/store_sqlite.h"

static int where_of(const struct job *job, bool ended, bool held)
{
    if (ended)
        return JOB_KEPT;
    return job->state == NEAP_PENDING ? JOB_WAITS : held ? JOB_HELD : JOB_AWAY;
}

/* Its task was let go in this turn: the rows follow with the commit. */
static bool is_let_go(const struct store *s, const struct task_name *task)
{
    for (size_t i = 0; i < s->n_unholds; i++)
        if (s->unholds[i].task == task)
            return true;
    return false;
}

static void place_read(struct store *s, struct job *job, bool ended, bool held)
{
    job_table_add(&s->jobs, job);
    if (held && is_let_go(s, job->task))
        store_let_go(s, job, s->now_ms);
    else
        store_visit(s, job, where_of(job, ended, held));
}

static void say_damaged(struct store *s, uint64_t id)
{
    char text[NEAP_ID_CHARS + 1], what[160];
    neap_id_text(id, text);
    snprintf(what, sizeof what,
             "the row of job %s is damaged; put a backup in the file's place, or read what is left "
             "with neap dump",
             text);
    store_break(s, what);
}

static struct job *read_from(struct store *s, enum sqlite_sql which, uint64_t id)
{
    sqlite3_stmt *stmt = sqlite_file_sql(&s->file, which);
    sqlite3_bind_int64(stmt, 1, row_of_id(id));
    const int rc = sqlite3_step(stmt);
    struct job *job = NULL;
    if (rc == SQLITE_ROW) {
        job = row_decode(s, stmt, which == SQL_ENDED);
        if (job)
            place_read(s, job, which == SQL_ENDED,
                       sqlite3_column_type(stmt, ROW_HELD) != SQLITE_NULL);
    }
    if (rc == SQLITE_ROW && !job)
        say_damaged(s, id);
    else if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        store_break(s, "reading a job");
    sqlite3_reset(stmt);
    return job;
}

struct job *store_read(struct store *s, uint64_t id)
{
    struct job *job = job_table_find(&s->jobs, id);
    if (job)
        return job->gone ? NULL : job;
    job = read_from(s, SQL_JOB, id);
    return job || s->broken ? job : read_from(s, SQL_ENDED, id);
}

/* --- lists --------------------------------------------------------------------------------------
 */

#define ENDED_STATES (1u << NEAP_COMPLETED | 1u << NEAP_DEAD | 1u << NEAP_CANCELLED)

/* The table that has its row, or will have after the commit. */
enum { NO_TABLE, JOBS_TABLE, ENDED_TABLE };

static int table_of_state(int state)
{
    return ENDED_STATES >> state & 1 ? ENDED_TABLE : JOBS_TABLE;
}

static int table_of_row(const struct job *job)
{
    return job->row ? table_of_state(job->row - 1) : NO_TABLE;
}

/* Jobs that the file does not have where they belong now, in the order of the query. */
struct unsaved {
    uint64_t *ids;
    size_t count, cap, at;
};

static int ascending(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static int descending(const void *a, const void *b)
{
    return ascending(b, a);
}

static bool is_beyond(const struct store_query *query, uint64_t id)
{
    return !query->after || (query->newest_first ? id < query->after : id > query->after);
}

static void add_unsaved(struct unsaved *u, const struct store_query *query, const struct job *job)
{
    if (job->gone || table_of_row(job) == table_of_state(job->state) || !is_beyond(query, job->id))
        return;
    if (u->count == u->cap) {
        u->cap = u->cap ? u->cap * 2 : 64;
        u->ids = mem_grow(u->ids, u->cap, sizeof *u->ids);
    }
    u->ids[u->count++] = job->id;
}

static struct unsaved find_unsaved(const struct store *s, const struct store_query *query)
{
    struct unsaved u = {0};
    for (size_t i = 0; i < s->n_noted; i++)
        add_unsaved(&u, query, s->noted[i]);
    for (const struct list *at = s->pinned.next; at != &s->pinned; at = at->next) {
        const struct job *job = LIST_ENTRY(at, struct job, place);
        if (!job->dirty) /* one that leaves has no row */
            add_unsaved(&u, query, job);
    }
    if (u.count)
        qsort(u.ids, u.count, sizeof *u.ids, query->newest_first ? descending : ascending);
    return u;
}

struct candidate {
    uint64_t id;
    int state; /* of its row, by now */
    const void *queue, *task;
};

static int state_by_now(const struct store *s, sqlite3_stmt *row, uint64_t id, int state)
{
    const struct task_name *task =
        sqlite_names_thing(&s->tasks, sqlite3_column_int64(row, ROW_TASK));
    const bool in_line = sqlite3_column_type(row, ROW_HELD) == SQLITE_NULL || is_let_go(s, task);
    const int64_t due = sqlite3_column_int64(row, ROW_DUE);
    const struct edge *edge = &s->delayed;
    if ((state != NEAP_SCHEDULED && state != NEAP_RETRYABLE) || !in_line)
        return state;
    if (!edge->all && (due > edge->key || (due == edge->key && id > edge->id)))
        return state;
    return NEAP_AVAILABLE;
}

/* The next row of the file whose job is still in that table; false: none. */
static bool next_row(struct store *s, sqlite3_stmt *stmt, struct candidate *c)
{
    int rc;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        c->id = id_of_row(sqlite3_column_int64(stmt, ROW_ID));
        const struct job *job = job_table_find(&s->jobs, c->id);
        const int state = (int)sqlite3_column_int64(stmt, ROW_STATE);
        if (job && (job->gone || table_of_row(job) != table_of_state(job->state)))
            continue;
        c->state = state_by_now(s, stmt, c->id, state);
        c->queue = sqlite_names_thing(&s->queues, sqlite3_column_int64(stmt, ROW_QUEUE));
        c->task = sqlite_names_thing(&s->tasks, sqlite3_column_int64(stmt, ROW_TASK));
        return true;
    }
    if (rc != SQLITE_DONE)
        store_break(s, "reading a list of jobs");
    return false;
}

static bool is_wanted(const struct store_query *query, const struct job *job, struct candidate c)
{
    if (job)
        c = (struct candidate){job->id, store_counted_as(job), job->gate, job->task};
    return (!query->states || query->states >> c.state & 1) &&
           (!query->queue || c.queue == query->queue) && (!query->task || c.task == query->task);
}

static sqlite3_stmt *scan_of(struct store *s, const struct store_query *query)
{
    const bool back = query->newest_first;
    enum sqlite_sql which = back ? SQL_SCAN_BACK : SQL_SCAN;
    if (query->states && !(query->states & ENDED_STATES))
        which = back ? SQL_SCAN_JOBS_BACK : SQL_SCAN_JOBS;
    else if (query->states && !(query->states & ~ENDED_STATES))
        which = back ? SQL_SCAN_ENDED_BACK : SQL_SCAN_ENDED;
    sqlite3_stmt *stmt = sqlite_file_sql(&s->file, which);
    const uint64_t from = query->after ? query->after : back ? UINT64_MAX : 0;
    sqlite3_bind_int64(stmt, 1, row_of_id(from));
    return stmt;
}

/* Merges the rows with what is not saved yet. */
size_t store_scan(struct store *s, struct store_query *query, struct job **out, size_t max)
{
    sqlite3_stmt *stmt = scan_of(s, query);
    struct unsaved unsaved = find_unsaved(s, query);
    struct candidate row;
    size_t n = 0, looked = 0;
    bool more = next_row(s, stmt, &row);
    query->end = false;
    while (n < max && (!query->look || looked++ < query->look)) {
        const bool fresh = unsaved.at < unsaved.count;
        if (!more && !fresh) {
            query->end = true;
            break;
        }
        const bool first =
            fresh && (!more || (query->newest_first ? unsaved.ids[unsaved.at] > row.id
                                                    : unsaved.ids[unsaved.at] < row.id));
        struct candidate c = row;
        if (first)
            c.id = unsaved.ids[unsaved.at++];
        struct job *job = job_table_find(&s->jobs, c.id);
        query->after = c.id;
        if (is_wanted(query, job, c) && (job = store_read(s, c.id)))
            out[n++] = job;
        if (!first)
            more = next_row(s, stmt, &row);
    }
    sqlite3_reset(stmt);
    free(unsaved.ids);
    if (s->broken)
        query->end = true;
    return n;
}

/* --- other keys ---------------------------------------------------------------------------------
 */

static uint64_t last_taken(const struct store *s, uint64_t parent)
{
    for (size_t i = s->n_taken; i > 0; i--)
        if (s->taken[i - 1].parent == parent)
            return s->taken[i - 1].child;
    return 0;
}

static void take(struct store *s, uint64_t parent, uint64_t child)
{
    if (s->n_taken == s->cap_taken) {
        s->cap_taken = s->cap_taken ? s->cap_taken * 2 : 64;
        s->taken = mem_grow(s->taken, s->cap_taken, sizeof *s->taken);
    }
    s->taken[s->n_taken++] = (struct pair){parent, child};
}

void store_look_for_edges(struct store *s)
{
    sqlite3_stmt *stmt = sqlite_file_sql(&s->file, SQL_ANY_EDGE);
    const int rc = sqlite3_step(stmt);
    s->has_edges = rc == SQLITE_ROW;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        store_break(s, "reading dependencies");
    sqlite3_reset(stmt);
}

static size_t written_children(struct store *s, uint64_t parent, uint64_t *out, size_t max)
{
    sqlite3_stmt *stmt = sqlite_file_sql(&s->file, SQL_CHILDREN);
    size_t n = 0;
    int rc = SQLITE_DONE;
    sqlite3_bind_int64(stmt, 1, row_of_id(parent));
    sqlite3_bind_int64(stmt, 2, row_of_id(0));
    const bool any = max && (rc = sqlite3_step(stmt)) == SQLITE_ROW;
    const uint64_t last = any ? last_taken(s, parent) : 0;
    if (last) {
        sqlite3_reset(stmt);
        sqlite3_bind_int64(stmt, 2, row_of_id(last));
        rc = sqlite3_step(stmt);
    }
    for (; any && rc == SQLITE_ROW; rc = sqlite3_step(stmt)) {
        out[n] = id_of_row(sqlite3_column_int64(stmt, 0));
        take(s, parent, out[n]);
        if (++n == max)
            break;
    }
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        store_break(s, "reading dependencies");
    sqlite3_reset(stmt);
    return n;
}

size_t store_children(struct store *s, uint64_t parent, uint64_t *out, size_t max)
{
    const size_t n = s->has_edges ? written_children(s, parent, out, max) : 0;
    return n + edges_take(&s->fresh, parent, out + n, max - n);
}

uint64_t store_unique(struct store *s, const unsigned char *key, int64_t *at_ms)
{
    uint64_t id = uniques_find(&s->uniques, key, at_ms);
    if (!id) {
        sqlite3_stmt *stmt = sqlite_file_sql(&s->file, SQL_UNIQUE);
        sqlite3_bind_blob(stmt, 1, key, JOB_KEY_BYTES, SQLITE_STATIC);
        const int rc = sqlite3_step(stmt);
        if (rc == SQLITE_ROW) {
            const bool over = sqlite3_column_type(stmt, 2) != SQLITE_NULL &&
                              sqlite3_column_int64(stmt, 2) <= s->now_ms;
            id = over ? 0 : id_of_row(sqlite3_column_int64(stmt, 0));
            *at_ms = sqlite3_column_int64(stmt, 1);
        } else if (rc != SQLITE_DONE) {
            store_break(s, "reading a unique key");
        }
        sqlite3_reset(stmt);
    }
    for (size_t i = 0; id && i < s->n_orphans; i++)
        if (s->orphans[i].id == id && s->orphans[i].until_ms <= s->now_ms)
            id = 0;
    return id;
}

size_t store_owing(struct store *s, uint64_t after, uint64_t *out, size_t max)
{
    sqlite3_stmt *stmt = sqlite_file_sql(&s->file, SQL_OWING);
    size_t n = 0;
    int rc = SQLITE_DONE;
    sqlite3_bind_int64(stmt, 1, row_of_id(after));
    while (n < max && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const uint64_t id = id_of_row(sqlite3_column_int64(stmt, 0));
        const struct job *job = job_table_find(&s->jobs, id);
        if (!job || (!job->gone && job->owes_on_dead && store_ended(job)))
            out[n++] = id;
    }
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        store_break(s, "reading who owes an on_dead");
    sqlite3_reset(stmt);
    return n;
}

/* --- expiry -------------------------------------------------------------------------------------
 */

/* What the file does not store_tell: it is not in there yet, or was given already. */
void store_watch_expiry(struct store *s, const struct job *job)
{
    struct expiry *expiry = mem_zero(1, sizeof *expiry);
    expiry->node.key = job_terms(job)->expires_ms;
    expiry->node.tie = job->id;
    heap_push(&s->expiries, &expiry->node);
}

static bool can_expire(const struct store *s, uint64_t id)
{
    const struct job *job = job_table_find(&s->jobs, id);
    return !job || (!job->gone && !store_ended(job));
}

void store_next_expiry(struct store *s)
{
    sqlite3_stmt *stmt = sqlite_file_sql(&s->file, SQL_NEXT_EXPIRY);
    sqlite3_bind_int64(stmt, 1, s->expired_ms);
    const int rc = sqlite3_step(stmt);
    s->next_expiry_ms = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : INT64_MAX;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        store_break(s, "reading what expires");
    sqlite3_reset(stmt);
}

static size_t expired_rows(struct store *s, int64_t now_ms, uint64_t *out, size_t max)
{
    sqlite3_stmt *stmt = sqlite_file_sql(&s->file, SQL_EXPIRED);
    size_t n = 0;
    int rc = SQLITE_DONE;
    sqlite3_bind_int64(stmt, 1, s->expired_ms);
    sqlite3_bind_int64(stmt, 2, now_ms);
    while (n < max && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const uint64_t id = id_of_row(sqlite3_column_int64(stmt, 0));
        const int64_t at_ms = sqlite3_column_int64(stmt, 1);
        if (at_ms == s->expired_ms && id <= s->expired_id)
            continue;
        s->expired_ms = at_ms;
        s->expired_id = id;
        if (can_expire(s, id))
            out[n++] = id;
    }
    if (rc == SQLITE_DONE) {
        s->expired_ms = now_ms > s->expired_ms ? now_ms : s->expired_ms;
        s->expired_id = UINT64_MAX;
    } else if (rc != SQLITE_ROW) {
        store_break(s, "reading what expires");
    }
    sqlite3_reset(stmt);
    return n;
}

size_t store_expired(struct store *s, int64_t now_ms, uint64_t *out, size_t max)
{
    size_t n = 0;
    for (struct heap_node *node;
         n < max && (node = heap_min(&s->expiries)) && node->key <= now_ms;) {
        heap_pop(&s->expiries);
        const struct job *job = store_read(s, node->tie);
        if (job && !store_ended(job))
            out[n++] = node->tie;
        free(HEAP_ENTRY(node, struct expiry, node));
    }
    if (n < max && s->next_expiry_ms <= now_ms) {
        n += expired_rows(s, now_ms, out + n, max - n);
        store_next_expiry(s);
        if (n == max) /* there may be more of the same time */
            s->next_expiry_ms = s->expired_ms;
    }
    return n;
}
