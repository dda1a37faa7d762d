/* What only the workers know: where their jobs are, what those have printed so far. They are asked
 * and answer as soon as they can; one that is inside C is not waited for. */
#include "engine/engine_ask.h"

#include "base/clock.h"
#include "base/mem.h"
#include "engine/engine_info.h"
#include "model/doc.h"

#include <stdlib.h>
#include <string.h>

#define PATIENCE_MS 250 /* for an answer of a worker */
#define UNSEEN_MAX 200
#define LIVE_MAX ((size_t)64 * 1024)

/* --- stacks -------------------------------------------------------------------------------------
 */

/* The workers that have not answered yet. */
static size_t find(const struct ask *ask, const void *worker)
{
    size_t i = 0;
    while (i < ask->n_workers && ask->workers[i] != worker)
        i++;
    return i;
}

static void end_stacks(struct engine *e, struct ask *ask)
{
    struct buf *out = &ask->call.reply;
    doc_array_close(out);
    if (ask->n_more)
        doc_integer(out, "more", (int64_t)ask->n_more);
    doc_close(out);
    ask_answer(e, ask, NEAP_OK);
}

static void put_run(const struct member *m, const struct shown_run *run, struct buf *out)
{
    char worker[64];
    member_name(m, worker, sizeof worker);
    doc_open(out, NULL);
    doc_id(out, "id", run->id);
    doc_text(out, "task", run->task->text);
    doc_integer(out, "attempt", run->attempt);
    doc_integer(out, "generation", run->generation);
    doc_text(out, "worker", worker);
    doc_text(out, "state", run->state);
    doc_integer(out, "for_ms", run->for_ms);
    doc_text(out, "traceback", run->traceback);
    doc_close(out);
}

static void take_stacks(struct engine *e, struct ask *ask, const struct shown *shown)
{
    const size_t at = find(ask, shown->worker);
    const struct member *m = member_of(e, shown->worker);
    if (at == ask->n_workers)
        return;
    ask->workers[at] = ask->workers[--ask->n_workers];
    for (size_t i = 0; m && i < shown->n_runs; i++)
        put_run(m, &shown->runs[i], &ask->call.reply);
    ask->n_more += shown->n_more;
    if (ask->n_workers)
        return;
    ask_forget(e, ask);
    end_stacks(e, ask);
}

static void put_unseen(const struct member *m, const struct job *job, bool inside, int64_t for_ms,
                       struct buf *out)
{
    char worker[64];
    member_name(m, worker, sizeof worker);
    doc_open(out, NULL);
    doc_id(out, "id", job->id);
    doc_text(out, "task", job->task->text);
    doc_integer(out, "attempt", job->attempt);
    doc_text(out, "worker", worker);
    doc_text(out, "state", inside ? "stuck" : "behind");
    doc_integer(out, "for_ms", for_ms);
    doc_text(out, "traceback",
             inside
                 ? "its worker did not answer within a quarter of a second: it is inside C code, "
                   "most likely"
                 : "it waits in a worker that is stuck in another job");
    doc_close(out);
}

/* What that worker is inside of does not let it look. */
static void put_stuck(const struct ask *ask, const struct member *m, struct buf *out)
{
    const int64_t now_ms = clock_unix_ms();
    size_t shown = 0;
    uint64_t inside = 0;
    const int64_t since_ns = worker_inside_since_ns(m->worker, &inside);
    for (const struct list *at = m->claims.next; at != &m->claims && shown < UNSEEN_MAX;
         at = at->next) {
        const struct job *job = LIST_ENTRY(at, struct claim, link)->job;
        if (info_state(job) != NEAP_RUNNING || (ask->call.id && ask->call.id != job->id))
            continue;
        const bool in = job->id == inside;
        put_unseen(m, job, in,
                   in ? (clock_mono_ns() - since_ns) / 1000000 : now_ms - job->running_since_ms,
                   out);
        shown++;
    }
}

static void stacks_late(struct engine *e, struct ask *ask)
{
    for (struct member *m = NULL; (m = member_next(e, m));)
        if (find(ask, m->worker) < ask->n_workers)
            put_stuck(ask, m, &ask->call.reply);
    end_stacks(e, ask);
}

static void ask_members(struct engine *e, struct ask *ask, const struct claim *claim)
{
    ask->serial = ++e->asks.serial;
    for (struct member *m = NULL; (m = member_next(e, m));) {
        if (!m->jobs || (claim && claim->member != m))
            continue;
        ask->workers = mem_grow(ask->workers, ask->n_workers + 1, sizeof *ask->workers);
        ask->workers[ask->n_workers++] = m->worker;
        worker_ask_stacks(m->worker, ask->call.id, ask->serial);
    }
}

void ask_stacks(struct engine *e, struct ask *ask)
{
    const struct job *job = ask->call.id ? ask_job(e, ask) : NULL;
    if (ask->call.id && !job)
        return;
    if (job && info_state(job) != NEAP_RUNNING) {
        ask_refuse(e, ask, NEAP_ECONFLICT, "it does not run: %s", neap_state_name(info_state(job)));
        return;
    }
    doc_open(&ask->call.reply, NULL);
    doc_array(&ask->call.reply, "jobs");
    ask_members(e, ask, job ? job->claim : NULL);
    if (!ask->n_workers) {
        end_stacks(e, ask);
        return;
    }
    ask->place = ASK_LOOKS;
    list_push(&e->asks.looks, &ask->call.waiting);
    ask->call.deadline_ms = clock_unix_ms() + PATIENCE_MS;
    call_park(e, &ask->call);
}

/* --- logs ---------------------------------------------------------------------------------------
 *
 * A job's log is what its ended attempts printed (job_left(job)->log, the last 64 KiB) and what the
 * running one has (more->live, as far as its worker has shown it). Offsets count all that was ever
 * printed, so they last when the beginning is dropped. */

struct log_part { /* text that ends at byte `end` */
    const char *text;
    size_t len;
    uint64_t end;
};

/* A durable store keeps no count: after a restart what it has is all. */
static uint64_t ended_bytes(const struct job *job)
{
    return job_left(job)->log_end > job_left(job)->log_len ? job_left(job)->log_end
                                                           : job_left(job)->log_len;
}

static void put_part(const struct log_part *part, uint64_t from, uint64_t *first, struct buf *out)
{
    const uint64_t begin = part->end - part->len;
    const uint64_t at = from > begin ? from : begin;
    if (at >= part->end)
        return;
    if (!out->len)
        *first = at;
    buf_put(out, part->text + (at - begin), (size_t)(part->end - at));
}

static const struct claim_more *more_of(const struct job *job)
{
    return job->claim ? job->claim->more : NULL;
}

static uint64_t known_end(const struct job *job)
{
    const struct claim_more *more = more_of(job);
    return ended_bytes(job) + (more ? more->live_end : 0);
}

static void put_log(struct ask *ask, const struct job *job)
{
    const struct claim_more *more = more_of(job);
    const struct log_part parts[] = {
        {job_left(job)->log, job_left(job)->log_len, ended_bytes(job)},
        {more ? more->live.data : NULL, more ? more->live.len : 0, known_end(job)},
    };
    struct buf *out = &ask->call.reply, text = {0};
    uint64_t first = ask->offset < known_end(job) ? ask->offset : known_end(job);
    const bool gap = parts[1].end - parts[1].len > parts[0].end; /* what is before it is gone */
    for (size_t i = gap; i < 2; i++)
        if (parts[i].len)
            put_part(&parts[i], ask->offset, &first, &text);
    doc_open(out, NULL);
    doc_id(out, "id", job->id);
    doc_text_n(out, "text", text.data ? text.data : "", text.len);
    doc_integer(out, "offset", (int64_t)first);
    doc_integer(out, "next", (int64_t)known_end(job));
    doc_bool(out, "ended", job_has_ended(job));
    doc_close(out);
    buf_close(&text);
}

static void end_log(struct engine *e, struct ask *ask)
{
    struct job *job = e->ops->get(e->store, ask->call.id); /* pinned, so it is there */
    ask_forget(e, ask);
    put_log(ask, job);
    ask_answer(e, ask, NEAP_OK);
    e->ops->unpin(e->store, &job, 1);
}

/* Asks the worker, unless it is asked already. False: there is nothing to wait for. */
static bool look_for_more(struct ask *ask, const struct job *job)
{
    if (!job->claim || info_state(job) != NEAP_RUNNING)
        return !ask->now;
    struct claim_more *more = claim_more(job->claim);
    if (ask->now && ask->serial)
        return more->shows < ask->serial;
    if (ask->now || !more->followed)
        worker_follow(job->claim->member->worker, job->id, more->live_end, ask->now);
    ask->serial = more->shows + 1;
    more->followed = true;
    return true;
}

static void log_step(struct engine *e, struct ask *ask)
{
    const struct job *job = e->ops->get(e->store, ask->call.id); /* pinned, so it is there */
    const bool more = known_end(job) > ask->offset && !ask->now;
    if (job_has_ended(job) || more || !look_for_more(ask, job))
        end_log(e, ask);
}

void ask_log(struct engine *e, struct ask *ask)
{
    struct job *job = ask_job(e, ask);
    const int64_t now_ms = clock_unix_ms();
    if (!job)
        return;
    ask->now = ask->call.deadline_ms <= now_ms;
    if (ask->now)
        ask->call.deadline_ms = now_ms + PATIENCE_MS;
    if (job->pins == UINT16_MAX) {
        ask_refuse(e, ask, NEAP_EFULL, "too many follow it already");
        return;
    }
    e->ops->pin(e->store, job);
    ask->place = ASK_LOOKS;
    list_push(&e->asks.looks, &ask->call.waiting);
    call_park(e, &ask->call);
    log_step(e, ask);
}

static void take_printed(struct engine *e, struct shown *shown)
{
    const struct job *job = e->ops->get(e->store, shown->job);
    if (!job || !job->claim || job->attempt != shown->attempt)
        return;
    struct claim_more *more = claim_more(job->claim);
    more->followed = false;
    more->shows++;
    if (shown->end - shown->text.len > more->live_end)
        more->live.len = 0; /* some of it fell out before it could be shown */
    const uint64_t known = more->live_end, begin = shown->end - shown->text.len;
    const size_t skip = known > begin ? (size_t)(known - begin) : 0;
    if (skip < shown->text.len)
        buf_put(&more->live, shown->text.data + skip, shown->text.len - skip);
    more->live_end = shown->end > known ? shown->end : known;
    if (more->live.len > 2 * LIVE_MAX) {
        const size_t over = more->live.len - LIVE_MAX;
        memmove(more->live.data, more->live.data + over, LIVE_MAX);
        more->live.len = LIVE_MAX;
    }
}

/* --- both ---------------------------------------------------------------------------------------
 */

void looks_take(struct engine *e, struct shown *shown)
{
    if (!shown->serial)
        take_printed(e, shown);
    for (struct list *at = e->asks.looks.next, *next; at != &e->asks.looks; at = next) {
        struct ask *ask = ask_of(LIST_ENTRY(at, struct call, waiting));
        next = at->next;
        if (shown->serial && ask->what == NEAP_ASK_STACK && ask->serial == shown->serial)
            take_stacks(e, ask, shown);
    }
    shown_free(shown);
}

void looks_turn(struct engine *e)
{
    for (struct list *at = e->asks.looks.next, *next; at != &e->asks.looks; at = next) {
        struct ask *ask = ask_of(LIST_ENTRY(at, struct call, waiting));
        next = at->next;
        if (ask->what == NEAP_ASK_LOG)
            log_step(e, ask);
    }
}

void look_late(struct engine *e, struct ask *ask)
{
    if (ask->what == NEAP_ASK_STACK)
        stacks_late(e, ask);
    else
        end_log(e, ask);
}
