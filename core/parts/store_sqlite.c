/* Jobs in a file of SQLite's: the functions of the table. */
#include "parts/store_sqlite.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/mem.h"
#include "model/name.h"
#include "parts/gate.h"
#include "parts/sqlite_backup.h"

#define WINDOW 10000
#define WEIGH_MS 1000

bool store_ended(const struct job *job)
{
    return job->state == NEAP_COMPLETED || job->state == NEAP_DEAD || job->state == NEAP_CANCELLED;
}

int store_counted_as(const struct job *job)
{
    return job->claimed ? NEAP_RUNNING : job->state;
}

void store_set_state(struct store *s, struct job *job, int state, bool claimed)
{
    s->counts[store_counted_as(job)]--;
    job->state = (uint8_t)state & 0xf;
    job->claimed = claimed;
    s->counts[store_counted_as(job)]++;
}

void store_see_time(struct store *s, int64_t now_ms)
{
    if (now_ms > s->now_ms)
        s->now_ms = now_ms;
}

void store_note(struct store *s, struct job *job)
{
    if (job->dirty)
        return;
    job->dirty = true;
    if (s->n_noted == s->cap_noted) {
        s->cap_noted = s->cap_noted ? s->cap_noted * 2 : 256;
        s->noted = mem_grow(s->noted, s->cap_noted, sizeof(struct job *));
    }
    s->noted[s->n_noted++] = job;
}

void store_tell(struct store *s, int level, const char *format, ...)
{
    char text[600];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (s->log)
        s->log(s->user, level, text);
}

void store_break(struct store *s, const char *what)
{
    if (s->broken)
        return;
    const int code = sqlite3_extended_errcode(s->file.db);
    const bool said = code != SQLITE_OK && code != SQLITE_ROW && code != SQLITE_DONE;
    s->broken = true;
    snprintf(s->broken_why, sizeof s->broken_why, "%s: %s%s%s", s->file.path, what,
             said ? ": " : "", said ? sqlite3_errmsg(s->file.db) : "");
    store_tell(s, NEAP_ERROR, "%s", s->broken_why);
}

/* --- open and close -----------------------------------------------------------------------------
 */

static int load_names(struct store *s, struct sqlite_names *names, int kind)
{
    sqlite3_stmt *stmt = sqlite_file_sql(&s->file, SQL_NAMES);
    int rc;
    sqlite3_bind_int64(stmt, 1, kind);
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(stmt, 1);
        if (sqlite3_column_int64(stmt, 0) != names->count + 1 || !text ||
            strlen(text) > NEAP_TASK_MAX) {
            rc = SQLITE_CORRUPT;
            break;
        }
        if (kind == 0) {
            struct gate *gate = gates_intern(s->gates, text);
            sqlite_names_number(names, gate->index, gate, gate->name);
        } else {
            const struct task_name *task = names_intern(s->names, text);
            sqlite_names_number(names, task->index, task, task->text);
        }
    }
    sqlite3_reset(stmt);
    names->written = names->count;
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int load_tallies(struct store *s)
{
    sqlite3_stmt *stmt = sqlite_file_sql(&s->file, SQL_TALLIES);
    int rc;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const int64_t queue = sqlite3_column_int64(stmt, 0), task = sqlite3_column_int64(stmt, 1);
        const int64_t state = sqlite3_column_int64(stmt, 2), n = sqlite3_column_int64(stmt, 3);
        if (!sqlite_names_thing(&s->queues, queue) || !sqlite_names_thing(&s->tasks, task) ||
            state < 0 || state >= NEAP_STATES || n < 0) {
            rc = SQLITE_CORRUPT;
            break;
        }
        tallies_at(&s->tallies, (uint32_t)queue, (uint32_t)task, (uint32_t)state)->n = n;
        s->counts[state] += (size_t)n;
    }
    s->kept[KEPT_DEAD] = (int64_t)s->counts[NEAP_DEAD];
    s->kept[KEPT_DONE] = (int64_t)(s->counts[NEAP_COMPLETED] + s->counts[NEAP_CANCELLED]);
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int load_notes(struct store *s)
{
    sqlite3_stmt *stmt = sqlite_file_sql(&s->file, SQL_NOTES);
    int rc;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *key = (const char *)sqlite3_column_text(stmt, 0);
        const void *data = sqlite3_column_blob(stmt, 1);
        notes_set(&s->notes, key, data ? data : "", (size_t)sqlite3_column_bytes(stmt, 1));
    }
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int load_reach(struct store *s)
{
    sqlite3_stmt *stmt = sqlite_file_sql(&s->file, SQL_FACT);
    sqlite3_bind_text(stmt, 1, "reach", -1, SQLITE_STATIC);
    const int rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        s->reach_ms = s->reach_row_ms = sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int damaged(struct store *s, int rc, struct neap_error *err)
{
    return error_set(err, NEAP_EIO,
                     "%s: is damaged (%s); put a backup in its place, or read what is left with "
                     "neap dump",
                     s->file.path, s->broken ? s->broken_why : sqlite3_errstr(rc));
}

int store_load_names(struct store *s, struct neap_error *err)
{
    int rc = load_names(s, &s->queues, 0);
    if (!rc)
        rc = load_names(s, &s->tasks, 1);
    if (!rc)
        rc = load_tallies(s);
    return rc ? damaged(s, rc, err) : NEAP_OK;
}

static int load(struct store *s, struct neap_error *err)
{
    if (store_load_names(s, err))
        return NEAP_EIO;
    int rc = load_notes(s);
    if (!rc)
        rc = load_reach(s);
    if (!rc) {
        s->expired_ms = INT64_MIN;
        store_next_expiry(s);
        store_look_for_edges(s);
        window_init(s);
    }
    return rc || s->broken ? damaged(s, rc, err) : NEAP_OK;
}

static void drop(void *user, struct job *job)
{
    job_free(((struct store *)user)->cache, job);
}

static void close_sqlite(struct store *s)
{
    if (!s)
        return;
    sqlite_backup_stop(&s->backup);
    index_free(s->index);
    job_table_each(&s->jobs, s, drop);
    job_table_close(&s->jobs);
    edges_close(&s->fresh);
    uniques_close(&s->uniques);
    notes_close(&s->notes);
    notes_close(&s->noted_notes);
    tallies_close(&s->tallies);
    sqlite_names_close(&s->queues);
    sqlite_names_close(&s->tasks);
    for (struct heap_node *node; (node = heap_pop(&s->expiries));)
        free(HEAP_ENTRY(node, struct expiry, node));
    heap_close(&s->expiries);
    for (size_t i = 0; i < s->n_unholds; i++)
        free(s->unholds[i].queues);
    free(s->unholds);
    free(s->noted);
    free(s->taken);
    free(s->orphans);
    free(s->lines);
    buf_close(&s->scratch);
    if (s->broken)
        sqlite_file_leave(&s->file); /* a failed sync is not tried again */
    sqlite_file_close(&s->file);
    free(s);
}

static int open_sqlite(struct store **out, const struct store_env *env, struct neap_error *err)
{
    struct store *s = mem_zero(1, sizeof *s);
    s->limits = env->limits;
    s->window = env->window ? env->window : WINDOW;
    s->names = env->names;
    s->gates = env->gates;
    s->cache = env->cache;
    s->now_ms = env->now_ms;
    s->user = env->user;
    s->log = env->log;
    job_table_init(&s->jobs);
    s->index = index_new();
    index_watch(s->index, store_promoted, s);
    list_init(&s->visitors);
    list_init(&s->pinned);
    int rc = sqlite_file_open(&s->file, env->path, err);
    if (!rc)
        rc = load(s, err);
    if (rc) {
        sqlite_file_leave(&s->file);
        close_sqlite(s);
        return rc;
    }
    if (!sqlite_file_reserve(&s->file))
        store_tell(s, NEAP_WARN, "no room for the reserve %s", s->file.reserve);
    *out = s;
    return NEAP_OK;
}

static void limit(struct store *s, const struct store_limits *limits)
{
    s->limits = *limits;
}

/* --- jobs in line -------------------------------------------------------------------------------
 */

static bool is_live(struct store *s, uint64_t id)
{
    const struct job *job = store_read(s, id);
    return job && !store_ended(job);
}

static void wait_for_parents(struct store *s, struct job *job)
{
    for (uint32_t i = 0; i < job_terms(job)->after->count; i++)
        if (is_live(s, job_terms(job)->after->ids[i]))
            edges_add(&s->fresh, job_terms(job)->after->ids[i], job->id);
    store_set_state(s, job, NEAP_PENDING, false);
    store_visit(s, job, JOB_WAITS);
}

static void put(struct store *s, struct job *job, int64_t now_ms)
{
    assert(job->id && job->gate && job->task && !job->claimed && job->where == JOB_NOWHERE);
    store_see_time(s, now_ms);
    job->place = (struct list){0};
    job->due.key = job->available_ms;
    if (job->available_ms < job->submitted_ms)
        job->available_ms = job->submitted_ms;
    job_table_add(&s->jobs, job);
    s->counts[store_counted_as(job)]++;
    if (job_terms(job)->unique)
        uniques_put(&s->uniques, job);
    if (job_terms(job)->expires_ms > now_ms) /* else window_enter sees it */
        store_watch_expiry(s, job);
    if (job_terms(job)->after && job_terms(job)->after->waiting)
        wait_for_parents(s, job);
    else
        window_enter(s, job, job->state, now_ms);
    store_note(s, job);
}

static void withdraw(struct store *s, struct job *job)
{
    assert(!job->claimed && !store_ended(job) && !job->row);
    window_leave(s, job);
    if (job_terms(job)->unique)
        uniques_remove(&s->uniques, job);
    if (job->terms) {
        free(job->terms->unique); /* or its key would be an orphan */
        job->terms->unique = NULL;
    }
    store_forget(s, job);
}

static size_t claim(struct store *s, unsigned pool, int64_t now_ms, struct job **out, size_t max)
{
    window_promote(s, now_ms);
    const size_t count = index_pop(s->index, pool, now_ms, out, max);
    for (size_t i = 0; i < count; i++) {
        struct job *job = out[i];
        store_set_state(s, job, NEAP_AVAILABLE, true);
        job->token++;
        job->place = (struct list){0};
        job->row_stale = true;
    }
    if (count)
        window_keep_head(s, out[0]->gate->index);
    return count;
}

static const struct job *peek(struct store *s, unsigned pool, int64_t now_ms)
{
    window_promote(s, now_ms);
    return index_peek(s->index, pool, now_ms);
}

static void give_back(struct store *s, struct job *job, int64_t now_ms)
{
    assert(job->claimed);
    job->place = (struct list){0};
    job->due.key = 0;
    window_enter(s, job, NEAP_AVAILABLE, now_ms);
    if (job->where == JOB_AWAY)
        store_note(s, job); /* its token has changed */
}

static void hold(struct store *s, struct job *job)
{
    assert(!store_ended(job) && job->where != JOB_HELD);
    if (job->claimed) {
        job->place = (struct list){0};
        job->due.key = 0;
    }
    window_leave(s, job);
    store_set_state(s, job, job->state, false);
    store_visit(s, job, JOB_HELD);
    store_note(s, job);
}

static void each_held(struct store *s, void *user,
                      void (*each)(void *user, const struct task_name *task))
{
    sqlite3_stmt *stmt = sqlite_file_sql(&s->file, SQL_HELD_TASKS);
    int rc;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const struct task_name *task = sqlite_names_thing(&s->tasks, sqlite3_column_int64(stmt, 0));
        if (task)
            each(user, task);
    }
    if (rc != SQLITE_DONE)
        store_break(s, "reading what is on hold");
    sqlite3_reset(stmt);
    const struct task_name *last = NULL;
    for (size_t i = 0; i < s->n_noted; i++) {
        const struct job *job = s->noted[i];
        if (job->where == JOB_HELD && job->task != last)
            each(user, last = job->task);
    }
}

static int finish(struct store *s, struct job *job, uint32_t token, int state, bool keep,
                  int64_t now_ms)
{
    if (!job->claimed || job->token != token)
        return NEAP_ESTALE;
    store_see_time(s, now_ms);
    job->place = (struct list){0};
    if (state == NEAP_RETRYABLE || state == NEAP_SCHEDULED) {
        job->available_ms = now_ms; /* due by now: behind what waits already */
        window_enter(s, job, state, now_ms);
        store_note(s, job);
    } else {
        store_end(s, job, state, keep, now_ms);
    }
    return NEAP_OK;
}

static void end(struct store *s, struct job *job, int state, bool keep, int64_t now_ms)
{
    assert(!job->claimed && !store_ended(job));
    store_see_time(s, now_ms);
    window_leave(s, job);
    store_end(s, job, state, keep, now_ms);
}

static void edit(struct store *s, struct job *job, int priority, int64_t due_ms, int64_t now_ms)
{
    assert(!job->claimed && !store_ended(job));
    const bool lined = job->where != JOB_HELD && job->where != JOB_WAITS;
    if (lined)
        window_leave(s, job);
    job->priority = (int8_t)priority;
    job->due.key = due_ms;
    if (job->where != JOB_WAITS && due_ms <= now_ms && job->available_ms > now_ms)
        job->available_ms = now_ms;
    if (job->where == JOB_HELD)
        store_set_state(s, job,
                        due_ms <= now_ms               ? NEAP_AVAILABLE
                        : job->state == NEAP_RETRYABLE ? NEAP_RETRYABLE
                                                       : NEAP_SCHEDULED,
                        false);
    if (lined)
        window_enter(s, job, job->state, now_ms);
    store_note(s, job);
}

static void release(struct store *s, struct job *job, int64_t now_ms)
{
    assert(job->where == JOB_WAITS);
    job->where = JOB_NOWHERE;
    job->available_ms = now_ms;
    window_enter(s, job, NEAP_SCHEDULED, now_ms);
    store_note(s, job);
}

/* --- jobs that have ended -----------------------------------------------------------------------
 */

static void revive(struct store *s, struct job *job, int64_t now_ms)
{
    assert(store_ended(job));
    if (job->where == JOB_KEPT)
        store_unkeep(s, job);
    job->where = JOB_NOWHERE;
    job_reset(job);
    job->available_ms = now_ms;
    window_enter(s, job, NEAP_AVAILABLE, now_ms);
    store_note(s, job);
}

static void forget(struct store *s, struct job *job)
{
    assert(job->where == JOB_KEPT);
    store_unkeep(s, job);
    store_forget(s, job);
}

static void paid(struct store *s, struct job *job)
{
    job->owes_on_dead = false;
    store_note(s, job);
}

static bool prune(struct store *s, int64_t now_ms)
{
    store_see_time(s, now_ms);
    sqlite3_stmt *stmt = sqlite_file_sql(&s->file, SQL_UNIQUE_DUE);
    sqlite3_bind_int64(stmt, 1, s->now_ms);
    if (sqlite3_step(stmt) == SQLITE_ROW)
        s->uniques_due = true;
    sqlite3_reset(stmt);
    return store_forget_old(s, STORE_PRUNE_STEP) == STORE_PRUNE_STEP;
}

/* --- what else is known -------------------------------------------------------------------------
 */

static int64_t next_expiry_ms(struct store *s)
{
    const struct heap_node *node = heap_min(&s->expiries);
    return node && node->key < s->next_expiry_ms ? node->key : s->next_expiry_ms;
}

static void set_note(struct store *s, const char *key, const void *data, size_t len)
{
    notes_set(&s->notes, key, data, len);
    notes_set(&s->noted_notes, key, "", 0);
}

static const void *note(struct store *s, const char *key, size_t *len)
{
    const struct note *found = notes_find(&s->notes, key);
    *len = found ? found->len : 0;
    return found ? found->data : NULL;
}

static void each_note(struct store *s, const char *prefix, void *user,
                      void (*each)(void *user, const char *key, const void *data, size_t len))
{
    notes_each(&s->notes, prefix, user, each);
}

static void counts(struct store *s, struct store_counts *out)
{
    for (int i = 0; i < NEAP_STATES; i++)
        out->states[i] = s->counts[i];
}

static void each_live(struct store *s, void *user,
                      void (*each)(void *user, struct gate *queue, const struct task_name *task,
                                   size_t count))
{
    for (size_t i = 0; i < s->tallies.n_slots; i++) {
        const struct tally *t = &s->tallies.slots[i];
        const struct job as = {.state = (uint8_t)t->state & 0xf};
        if (t->queue && t->n > 0 && !store_ended(&as))
            each(user, (struct gate *)sqlite_names_thing(&s->queues, t->queue),
                 sqlite_names_thing(&s->tasks, t->task), (size_t)t->n);
    }
}

static struct job *get_claimed(struct store *s, uint64_t id) /* those are in memory */
{
    return job_table_find_claimed(&s->jobs, id);
}

static struct index *index_of(struct store *s)
{
    return s->index;
}

static int64_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
}

/* It goes through all of them, so who asks often gets the same answer for a second. */
static size_t memory_bytes(struct store *s)
{
    if (s->weighed_ms + WEIGH_MS > s->now_ms)
        return s->weight_bytes;
    s->weighed_ms = s->now_ms;
    s->weight_bytes = 0;
    for (size_t i = 0; i < s->jobs.n_buckets; i++)
        for (const struct job *job = job_bucket_first(&s->jobs.buckets[i]); job;
             job = job->next_by_id)
            s->weight_bytes += sizeof *job + job_extra_bytes(job);
    return s->weight_bytes;
}

static void report(struct store *s, struct store_report *out)
{
    *out = (struct store_report){.in_memory = s->jobs.count,
                                 .memory_bytes = memory_bytes(s),
                                 .file_bytes = size_of(s->file.path),
                                 .wal_bytes = size_of(s->file.wal),
                                 .commits = s->commits,
                                 .commit_ns = s->commit_ns,
                                 .commit_max_ns = s->commit_max_ns,
                                 .full = s->full};
}

static int backup_begin(struct store *s, const char *path, struct neap_error *err)
{
    if (s->backup)
        return error_set(err, NEAP_EIO, "a backup is being written already");
    return sqlite_backup_begin(&s->backup, s->file.db, path, err);
}

static int backup_step(struct store *s, struct neap_error *err)
{
    return sqlite_backup_step(&s->backup, err);
}

static void backup_stop(struct store *s)
{
    sqlite_backup_stop(&s->backup);
}

const struct store_ops store_sqlite = {
    .name = "sqlite",
    .durable = true,
    .open = open_sqlite,
    .close = close_sqlite,
    .limit = limit,
    .put = put,
    .withdraw = withdraw,
    .claim = claim,
    .peek = peek,
    .give_back = give_back,
    .hold = hold,
    .unhold = store_unhold,
    .each_held = each_held,
    .finish = finish,
    .end = end,
    .edit = edit,
    .release = release,
    .revive = revive,
    .forget = forget,
    .changed = store_note,
    .pin = store_pin,
    .unpin = store_unpin,
    .take_children = store_children,
    .find_unique = store_unique,
    .owing = store_owing,
    .paid = paid,
    .expired = store_expired,
    .next_expiry_ms = next_expiry_ms,
    .set_note = set_note,
    .note = note,
    .each_note = each_note,
    .commit = store_commit,
    .dirty = store_dirty,
    .roomy = store_roomy,
    .get = store_read,
    .get_claimed = get_claimed,
    .scan = store_scan,
    .counts = counts,
    .each_live = each_live,
    .index = index_of,
    .set_ageing = window_age,
    .prune = prune,
    .report = report,
    .backup_begin = backup_begin,
    .backup_step = backup_step,
    .backup_stop = backup_stop,
};
