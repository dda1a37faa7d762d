/* What of the line is in memory: of each queue the jobs up to its edge, and the delayed ones up to
 * theirs. What lies behind an edge is read when less than half of a window is left; what is more
 * than two windows goes back behind it.
 *
 * A delayed row needs no writing when it becomes due: it sorts by that time already. If it becomes
 * due behind the edge of the delayed, the edges of all queues are drawn anew (overrun). */
#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "parts/gate.h"
#include "parts/index_levels.h"
#include "parts/store_sqlite.h"

#define TIME_BITS 48
#define TIME_MAX ((INT64_C(1) << TIME_BITS) - 1)

static const struct edge nothing = {.key = INT64_MIN};

static bool behind(const struct edge *edge, int64_t key, uint64_t id)
{
    return !edge->all && (key > edge->key || (key == edge->key && id > edge->id));
}

static bool is_delayed(const struct job *job)
{
    return job->state == NEAP_SCHEDULED || job->state == NEAP_RETRYABLE;
}

static struct edge *edge_of(struct store *s, unsigned queue)
{
    if (queue >= s->n_lines) {
        const unsigned n = queue < 8 ? 16 : queue * 2;
        s->lines = mem_grow(s->lines, n, sizeof *s->lines);
        for (unsigned i = s->n_lines; i < n; i++)
            s->lines[i] = (struct edge){.all = true};
        s->n_lines = n;
    }
    return &s->lines[queue];
}

/* The order of the index: as the file's but for queues with ageing. */
static int64_t key_of(const struct store *s, const struct job *job)
{
    const int64_t ageing_ms = index_ageing_ms(s->index, job->gate->index);
    return ageing_ms ? job->available_ms - job->priority * ageing_ms : row_sort(job);
}

/* --- in and out ---------------------------------------------------------------------------------
 */

void store_visit(struct store *s, struct job *job, int where)
{
    job->where = (uint8_t)where & 0xf;
    if (!list_linked(&job->place))
        list_push(&s->visitors, &job->place);
}

/* By its state; a delayed one may be due already, then it is promoted like the others. */
static void enter_index(struct store *s, struct job *job)
{
    const bool due = is_delayed(job) && job->due.key <= s->now_ms;
    if (list_linked(&job->place))
        list_remove(&job->place);
    job->where = JOB_NOWHERE;
    index_put(s->index, job, due ? job->due.key - 1 : s->now_ms);
}

static bool is_behind(struct store *s, const struct job *job)
{
    if (is_delayed(job))
        return behind(&s->delayed, job->due.key, job->id);
    return behind(edge_of(s, job->gate->index), key_of(s, job), job->id);
}

void window_enter(struct store *s, struct job *job, int state, int64_t now_ms)
{
    const bool later = job->due.key > now_ms;
    const int delayed = state == NEAP_RETRYABLE ? NEAP_RETRYABLE : NEAP_SCHEDULED;
    if (job_terms(job)->expires_ms && job_terms(job)->expires_ms <= now_ms)
        store_watch_expiry(s, job);
    store_set_state(s, job, later ? delayed : NEAP_AVAILABLE, false);
    if (!later && job->available_ms > s->reach_ms)
        s->reach_ms = job->available_ms;
    if (!later)
        job->due.key = 0;
    if (is_behind(s, job))
        store_visit(s, job, JOB_AWAY);
    else
        enter_index(s, job);
}

void window_keep_head(struct store *s, unsigned queue)
{
    if (!edge_of(s, queue)->all && !index_available(s->index, queue))
        window_refill(s, queue);
}

void window_leave(struct store *s, struct job *job)
{
    const int where = job->where;
    if (job->claimed)
        return;
    if (where == JOB_DUE || where == JOB_LINED || where == JOB_SORTED) {
        index_remove(s->index, job);
        window_keep_head(s, job->gate->index);
    }
    job->where = JOB_NOWHERE;
}

/* --- reading ahead ------------------------------------------------------------------------------
 */

struct batch { /* of jobs read and in no table yet */
    struct job **jobs;
    size_t count, max;
};

/* Reads what the statement gives; false: enough, or it failed. */
static bool read_rows(struct store *s, sqlite3_stmt *stmt, struct batch *batch, size_t enough,
                      bool delayed)
{
    int rc = SQLITE_ROW;
    while (batch->count < enough && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        if (job_table_find(&s->jobs, id_of_row(sqlite3_column_int64(stmt, ROW_ID))))
            continue;
        struct job *job = row_decode(s, stmt, false);
        if (!job) {
            store_break(s, "a row is damaged");
            break;
        }
        if (is_delayed(job) != delayed) { /* a delayed one that sorts here, behind its edge */
            job_free(s->cache, job);
            continue;
        }
        if (batch->count == batch->max) {
            batch->max = batch->max ? batch->max * 2 : 64;
            batch->jobs = mem_grow(batch->jobs, batch->max, sizeof *batch->jobs);
        }
        batch->jobs[batch->count++] = job;
    }
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        store_break(s, "reading the line");
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE;
}

/* No available job of the file is available since later than this. */
static int64_t latest_ms(const struct store *s)
{
    int64_t time = s->now_ms > s->reach_ms ? s->now_ms : s->reach_ms;
    if (!s->delayed.all && s->delayed.key > time)
        time = s->delayed.key;
    return time < 0 ? 0 : time < TIME_MAX ? time : TIME_MAX;
}

/* The available rows of one level behind `edge`, until there are `enough`. */
static bool read_level(struct store *s, unsigned queue, int64_t level, const struct edge *from,
                       struct batch *batch, size_t enough)
{
    const int64_t first = level << TIME_BITS;
    const uint32_t number = s->queues.numbers[queue];
    int64_t after = first - 1;
    if (from->key >= first) {
        sqlite3_stmt *same = sqlite_file_sql(&s->file, SQL_LINE_SAME);
        after = from->key;
        sqlite3_bind_int64(same, 1, number);
        sqlite3_bind_int64(same, 2, after);
        sqlite3_bind_int64(same, 3, row_of_id(from->id));
        if (!read_rows(s, same, batch, enough, false))
            return false;
    }
    sqlite3_stmt *next = sqlite_file_sql(&s->file, SQL_LINE_NEXT);
    sqlite3_bind_int64(next, 1, number);
    sqlite3_bind_int64(next, 2, after);
    sqlite3_bind_int64(next, 3, first + latest_ms(s));
    return read_rows(s, next, batch, enough, false);
}

/* The first level, from this one on, that has rows; LEVELS: none. */
static int64_t next_level(struct store *s, unsigned queue, int64_t level)
{
    sqlite3_stmt *stmt = sqlite_file_sql(&s->file, SQL_LINE_LEVEL);
    sqlite3_bind_int64(stmt, 1, s->queues.numbers[queue]);
    sqlite3_bind_int64(stmt, 2, level << TIME_BITS);
    const int rc = sqlite3_step(stmt);
    const int64_t sort = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        store_break(s, "reading the line");
    sqlite3_reset(stmt);
    return rc == SQLITE_ROW ? sort >> TIME_BITS : LEVELS;
}

/* Where the edge of a queue with ageing crosses a level. */
static struct edge edge_at(const struct edge *edge, int64_t level, int64_t ageing_ms)
{
    const int64_t priority = NEAP_PRIORITY_MAX - level, first = level << TIME_BITS;
    if (edge->key == INT64_MIN)
        return nothing;
    const int64_t time = edge->key + priority * ageing_ms;
    if (time < 0)
        return (struct edge){.key = first - 1};
    return (struct edge){.key = first + (time < TIME_MAX ? time : TIME_MAX), .id = edge->id};
}

struct keyed {
    int64_t key;
    struct job *job;
};

static int by_key(const void *a, const void *b)
{
    const struct keyed *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->job->id < y->job->id ? -1 : 1;
}

/* Levels overlap: their rows are merged, and what is too much is left for another time. */
static void merge(const struct store *s, struct batch *batch)
{
    struct keyed *all = mem_zero(batch->count + 1, sizeof *all);
    for (size_t i = 0; i < batch->count; i++)
        all[i] = (struct keyed){key_of(s, batch->jobs[i]), batch->jobs[i]};
    qsort(all, batch->count, sizeof *all, by_key);
    for (size_t i = 0; i < batch->count; i++)
        batch->jobs[i] = all[i].job;
    free(all);
}

/* The next rows of a line in its order; true: there are no more behind them. */
static bool read_line(struct store *s, unsigned queue, struct batch *batch)
{
    const struct edge edge = *edge_of(s, queue);
    const int64_t ageing_ms = index_ageing_ms(s->index, queue);
    bool end = true;
    int64_t level = 0;
    if (!ageing_ms && edge.key != INT64_MIN)
        level = edge.key >> TIME_BITS;
    for (; (level = next_level(s, queue, level)) < LEVELS && !s->broken; level++) {
        const struct edge from = ageing_ms ? edge_at(&edge, level, ageing_ms) : edge;
        const size_t enough = ageing_ms ? batch->count + s->window : s->window;
        end = read_level(s, queue, level, &from, batch, enough) && end;
        if (!ageing_ms && !end)
            break;
    }
    if (ageing_ms)
        merge(s, batch);
    while (batch->count > s->window) {
        job_free(s->cache, batch->jobs[--batch->count]);
        end = false;
    }
    return end;
}

/* Jobs in memory that the edge has passed: they have no row there yet, or visit. */
static void adopt(struct store *s, struct list *from, bool delayed, const struct gate *gate)
{
    for (struct list *at = from->next, *next; at != from; at = next) {
        struct job *job = LIST_ENTRY(at, struct job, place);
        next = at->next;
        if (job->where == JOB_AWAY && is_delayed(job) == delayed && (!gate || job->gate == gate) &&
            !is_behind(s, job))
            enter_index(s, job);
    }
}

void window_refill(struct store *s, unsigned queue)
{
    struct edge *edge = edge_of(s, queue);
    struct batch batch = {0};
    const struct gate *gate = gates_at(s->gates, queue);
    const bool known = queue < s->queues.n_numbers && s->queues.numbers[queue];
    const bool end = !known || read_line(s, queue, &batch);
    for (size_t i = 0; i < batch.count; i++) {
        struct job *job = batch.jobs[i];
        job_table_add(&s->jobs, job);
        enter_index(s, job);
        if (i + 1 == batch.count && !end)
            *edge = (struct edge){.key = key_of(s, job), .id = job->id};
    }
    free(batch.jobs);
    if (end)
        edge->all = true;
    adopt(s, &s->visitors, false, gate);
    adopt(s, &s->pinned, false, gate);
}

void window_refill_delayed(struct store *s)
{
    struct batch batch = {0};
    sqlite3_stmt *same = sqlite_file_sql(&s->file, SQL_DELAYED_SAME);
    sqlite3_stmt *next = sqlite_file_sql(&s->file, SQL_DELAYED_NEXT);
    sqlite3_bind_int64(same, 1, s->delayed.key);
    sqlite3_bind_int64(same, 2, row_of_id(s->delayed.id));
    sqlite3_bind_int64(next, 1, s->delayed.key);
    const bool end =
        read_rows(s, same, &batch, s->window, true) && read_rows(s, next, &batch, s->window, true);
    for (size_t i = 0; i < batch.count; i++) {
        struct job *job = batch.jobs[i];
        job_table_add(&s->jobs, job);
        enter_index(s, job);
        if (i + 1 == batch.count && !end)
            s->delayed = (struct edge){.key = job->due.key, .id = job->id};
    }
    free(batch.jobs);
    if (end)
        s->delayed.all = true;
    adopt(s, &s->visitors, true, NULL);
    adopt(s, &s->pinned, true, NULL);
}

/* --- drawing edges anew -------------------------------------------------------------------------
 */

static void go_away(void *user, struct job *job)
{
    struct store *s = user;
    job->where = JOB_NOWHERE;
    if (job->row_stale)
        store_note(s, job); /* so that no claim of it gets the same token again */
    store_visit(s, job, JOB_AWAY);
}

static bool is_within(void *user, struct job *job)
{
    return !is_behind(user, job);
}

void window_redraw(struct store *s, unsigned queue)
{
    struct edge *edge = edge_of(s, queue);
    *edge = nothing;
    window_refill(s, queue);
    if (!edge->all)
        index_thin_line(s->index, queue, &(struct index_thin){is_within, go_away, s});
}

struct thinning {
    struct store *s;
    size_t left;
    struct edge *edge;
};

static bool is_in_window(void *user, struct job *job)
{
    struct thinning *t = user;
    if (!t->left)
        return false;
    if (--t->left == 0)
        *t->edge = is_delayed(job) ? (struct edge){.key = job->due.key, .id = job->id}
                                   : (struct edge){.key = key_of(t->s, job), .id = job->id};
    return true;
}

static void leave_window(void *user, struct job *job)
{
    struct thinning *t = user;
    go_away(t->s, job);
}

void window_keep(struct store *s)
{
    struct thinning t = {.s = s};
    const struct index_thin thin = {is_in_window, leave_window, &t};
    const unsigned queues = gates_count(s->gates);
    for (unsigned q = 0; q < queues; q++) {
        const size_t available = index_available(s->index, q);
        t.left = s->window;
        t.edge = edge_of(s, q);
        if (available > 2 * s->window)
            index_thin_line(s->index, q, &thin);
    }
    t.left = s->window;
    t.edge = &s->delayed;
    if (index_scheduled(s->index) > 2 * s->window)
        index_thin_due(s->index, &thin);
}

void window_fill(struct store *s)
{
    const unsigned queues = gates_count(s->gates);
    for (unsigned q = 0; q < queues; q++)
        if (!edge_of(s, q)->all && index_available(s->index, q) < s->window / 2 + 1)
            window_refill(s, q);
    if (!s->delayed.all && index_scheduled(s->index) < s->window / 2 + 1)
        window_refill_delayed(s);
}

/* --- time ---------------------------------------------------------------------------------------
 */

bool store_promoted(void *user, struct job *job)
{
    struct store *s = user;
    store_set_state(s, job, NEAP_AVAILABLE, false);
    if (job->available_ms > s->reach_ms)
        s->reach_ms = job->available_ms;
    if (!is_behind(s, job))
        return true;
    store_visit(s, job, JOB_AWAY);
    return false;
}

static size_t count_rows(struct store *s, enum sqlite_sql which, int64_t now_ms)
{
    sqlite3_stmt *stmt = sqlite_file_sql(&s->file, which);
    size_t n = 0;
    int rc;
    sqlite3_bind_int64(stmt, 1, s->delayed.key);
    sqlite3_bind_int64(stmt, 2, now_ms);
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const uint64_t id = id_of_row(sqlite3_column_int64(stmt, 0));
        if (behind(&s->delayed, sqlite3_column_int64(stmt, 1), id))
            n += !job_table_find(&s->jobs, id);
    }
    if (rc != SQLITE_DONE)
        store_break(s, "reading what is due");
    sqlite3_reset(stmt);
    return n;
}

static void promote_visitors(struct store *s, struct list *visitors, int64_t now_ms)
{
    for (struct list *at = visitors->next; at != visitors; at = at->next) {
        struct job *job = LIST_ENTRY(at, struct job, place);
        if (job->where != JOB_AWAY || !is_delayed(job) || job->due.key > now_ms)
            continue;
        job->available_ms = job->due.key;
        job->due.key = 0;
        store_set_state(s, job, NEAP_AVAILABLE, false);
    }
}

/* Rows behind the edge of the delayed became due: they are in their lines, somewhere. */
static void overrun(struct store *s, int64_t now_ms)
{
    const size_t retries = count_rows(s, SQL_DUE_AGAIN, now_ms);
    const size_t due = count_rows(s, SQL_DUE, now_ms);
    s->counts[NEAP_RETRYABLE] -= retries;
    s->counts[NEAP_SCHEDULED] -= due - retries;
    s->counts[NEAP_AVAILABLE] += due;
    promote_visitors(s, &s->visitors, now_ms);
    promote_visitors(s, &s->pinned, now_ms);
    s->delayed = (struct edge){.key = now_ms, .id = UINT64_MAX};
    index_promote(s->index, now_ms);
    window_refill_delayed(s);
    const unsigned queues = gates_count(s->gates);
    for (unsigned q = 0; q < queues; q++)
        window_redraw(s, q);
}

void window_promote(struct store *s, int64_t now_ms)
{
    store_see_time(s, now_ms);
    if (!s->delayed.all && s->delayed.key <= now_ms)
        overrun(s, now_ms);
    index_promote(s->index, now_ms);
    if (!s->delayed.all && !index_scheduled(s->index))
        window_refill_delayed(s);
}

void window_age(struct store *s, unsigned queue, int64_t ageing_ms)
{
    if (index_ageing_ms(s->index, queue) == ageing_ms)
        return;
    index_queue(s->index, queue, ageing_ms);
    if (!edge_of(s, queue)->all)
        window_redraw(s, queue);
}

/* What is due by now counts as available, though its rows do not say so. */
static void count_due(struct store *s)
{
    static const enum sqlite_sql which[] = {SQL_COUNT_DUE_AGAIN, SQL_COUNT_DUE};
    size_t n[2] = {0};
    for (int i = 0; i < 2; i++) {
        sqlite3_stmt *stmt = sqlite_file_sql(&s->file, which[i]);
        sqlite3_bind_int64(stmt, 1, s->now_ms);
        if (sqlite3_step(stmt) == SQLITE_ROW)
            n[i] = (size_t)sqlite3_column_int64(stmt, 0);
        else
            store_break(s, "counting what is due");
        sqlite3_reset(stmt);
    }
    s->counts[NEAP_RETRYABLE] -= n[0];
    s->counts[NEAP_SCHEDULED] -= n[1] - n[0];
    s->counts[NEAP_AVAILABLE] += n[1];
}

void window_init(struct store *s)
{
    count_due(s);
    s->delayed = (struct edge){.key = s->now_ms, .id = UINT64_MAX};
    window_refill_delayed(s);
    const unsigned queues = gates_count(s->gates);
    for (unsigned q = 0; q < queues; q++)
        window_redraw(s, q);
}
