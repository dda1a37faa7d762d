/* Why a job does not run: every reason there is, the most telling first. */
#include "engine/engine_ask.h"

#include "base/clock.h"
#include "base/text.h"
#include "engine/engine_info.h"
#include "model/doc.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NAMED_MAX 20 /* jobs that one reason names */

/* The document as it grows: `why` gets each reason's sentence. */
struct reasons {
    struct engine *e;
    const struct job *job;
    struct buf *out; /* the array of reasons */
    struct buf *why;
};

/* Opens the object of one reason, to be closed by the caller. */
__attribute__((format(printf, 3, 4))) static void reason(struct reasons *r, const char *code,
                                                         const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (r->why->len)
        buf_text(r->why, "; ");
    buf_text(r->why, text);
    doc_open(r->out, NULL);
    doc_text(r->out, "reason", code);
    doc_text(r->out, "text", text);
}

static void time_text(int64_t ms, char *out, size_t size)
{
    struct buf text = {0};
    text_put_time(&text, ms);
    snprintf(out, size, "%s", buf_string(&text));
    buf_close(&text);
}

/* --- before it is in line -----------------------------------------------------------------------
 */

static void explain_pending(struct reasons *r)
{
    const struct job_after *after = job_terms(r->job)->after;
    unsigned named = 0;
    reason(r, "pending", "it waits for %u other %s to end", after ? after->waiting : 0,
           after && after->waiting == 1 ? "job" : "jobs");
    doc_array(r->out, "jobs");
    for (uint32_t i = 0; after && i < after->count && named < NAMED_MAX; i++) {
        const struct job *other = r->e->ops->get(r->e->store, after->ids[i]);
        if (!other || job_has_ended(other))
            continue;
        doc_open(r->out, NULL);
        doc_id(r->out, "id", other->id);
        doc_text(r->out, "task", other->task->text);
        doc_text(r->out, "state", neap_state_name(info_state(other)));
        doc_close(r->out);
        named++;
    }
    doc_array_close(r->out);
    doc_close(r->out);
}

static void explain_due(struct reasons *r)
{
    const struct job *job = r->job;
    char due[40];
    time_text(job->due.key, due, sizeof due);
    if (job->state == NEAP_RETRYABLE)
        reason(r, "retry", "attempt %u failed (%.200s), the next is due at %s", job->attempt,
               job_left(job)->error ? job_left(job)->error->message : "", due);
    else
        reason(r, "due", "it is due at %s", due);
    doc_time(r->out, "due_at", job->due.key);
    doc_close(r->out);
}

/* --- in line ------------------------------------------------------------------------------------
 */

/* Jobs that have started, of that queue (NULL: any) in that member (NULL: any). */
static void name_running(struct reasons *r, const struct queue *q, uint64_t pools)
{
    unsigned named = 0;
    doc_array(r->out, "running");
    for (struct member *m = NULL; (m = member_next(r->e, m)) && named < NAMED_MAX;) {
        if (!(pools >> m->pool->index & 1))
            continue;
        for (struct list *at = m->claims.next; at != &m->claims && named < NAMED_MAX;
             at = at->next) {
            const struct claim *claim = LIST_ENTRY(at, struct claim, link);
            if ((q && claim->queue != q) || info_state(claim->job) != NEAP_RUNNING)
                continue;
            doc_id(r->out, NULL, claim->job->id);
            named++;
        }
    }
    doc_array_close(r->out);
}

static void explain_queue(struct reasons *r, const struct queue *q)
{
    const char *name = q->gate->name;
    const struct config_queue *limits = q->limits;
    const int64_t now_ns = clock_mono_ns(), ready_ns = rate_ready_ns(&q->rate);
    if (limits && limits->paused) {
        reason(r, "paused", "queue %s is paused", name);
        doc_text(r->out, "queue", name);
        doc_close(r->out);
    }
    if (!q->pools) {
        reason(r, "no_pool", "no pool serves queue %s", name);
        doc_text(r->out, "queue", name);
        doc_close(r->out);
    }
    if (limits && !queue_has_place(q)) {
        reason(r, "concurrency", "queue %s runs %lld jobs already, as many as it may", name,
               (long long)q->running);
        doc_integer(r->out, "concurrency", limits->concurrency);
        name_running(r, q, UINT64_MAX);
        doc_close(r->out);
    }
    if (q->rate.interval_ns && ready_ns > now_ns) {
        char when[40];
        const int64_t next_ms = clock_unix_ms() + (ready_ns - now_ns) / 1000000;
        time_text(next_ms, when, sizeof when);
        reason(r, "rate", "the rate of queue %s lets the next job start at %s", name, when);
        doc_time(r->out, "next_at", next_ms);
        doc_close(r->out);
    }
}

/* Does any worker of a pool that serves the queue have room? */
static bool has_room(const struct engine *e, const struct queue *q)
{
    for (struct member *m = NULL; (m = member_next(e, m));)
        if (q->pools >> m->pool->index & 1 && !m->retiring && member_room(m) > 0 && !m->computes)
            return true;
    return false;
}

static void explain_workers(struct reasons *r, const struct queue *q)
{
    if (!q->pools || has_room(r->e, q))
        return;
    reason(r, "workers", "all workers that serve queue %s are busy", q->gate->name);
    name_running(r, NULL, q->pools);
    doc_close(r->out);
}

/* How many of its queue may go first: those in line, but the job itself. Of a durable store the
 * line in memory is a part only: there, all that have not started. */
static void explain_order(struct reasons *r, const struct queue *q)
{
    const struct engine *e = r->e;
    const size_t lined = index_available(e->ops->index(e->store), q->gate->index);
    const size_t live = (size_t)(q->counters.live - (uint64_t)q->running);
    const size_t available = e->ops->durable && live > lined ? live : lined;
    const size_t ahead = available > 1 ? available - 1 : 0;
    if (!ahead)
        return;
    reason(r, "order", "up to %zu jobs of queue %s are before it in line (its priority is %d)",
           ahead, q->gate->name, r->job->priority);
    doc_integer(r->out, "ahead_at_most", (int64_t)ahead);
    doc_integer(r->out, "priority", r->job->priority);
    doc_close(r->out);
}

static void explain_claimed(struct reasons *r)
{
    const struct claim *claim = r->job->claim;
    char worker[64];
    member_name(claim->member, worker, sizeof worker);
    if (info_state(r->job) == NEAP_RUNNING) {
        const bool parked = claim->stage != CLAIM_ON;
        reason(r, "running", "it runs in worker %s%s", worker,
               parked ? " and waits for other jobs or for room" : "");
    } else {
        uint64_t inside = 0;
        worker_inside_since_ns(claim->member->worker, &inside);
        reason(r, "line", "it is in the line of worker %s, which starts it next", worker);
        doc_id(r->out, "running", inside);
    }
    doc_text(r->out, "worker", worker);
    doc_close(r->out);
}

static void simple(struct reasons *r, const char *code, const char *text)
{
    reason(r, code, "%s", text);
    doc_close(r->out);
}

static void explain_waiting(struct reasons *r)
{
    struct engine *e = r->e;
    const struct queue *q = queue_of(e, r->job->gate);
    const size_t before = r->why->len;
    if (e->draining)
        simple(r, "drain", "the executor drains: nothing starts any more");
    if (r->job->where == JOB_HELD) {
        reason(r, "no_task", "there is no task %s now; it starts once there is",
               r->job->task->text);
        doc_close(r->out);
    } else if (r->job->where == JOB_WAITS) {
        explain_pending(r);
    } else if (job_due_ms(r->job)) {
        explain_due(r);
    }
    explain_queue(r, q);
    if (r->why->len == before || r->job->state == NEAP_AVAILABLE) {
        explain_workers(r, q);
        explain_order(r, q);
    }
    if (r->why->len == before)
        simple(r, "next", "nothing holds it: it starts next");
}

void ask_explain(struct engine *e, struct ask *ask)
{
    const struct job *job = ask_job(e, ask);
    struct buf list = {0}, why = {0};
    struct buf *out = &ask->call.reply;
    if (!job)
        return;
    struct reasons r = {e, job, &list, &why};
    doc_array(&list, NULL);
    if (job_has_ended(job))
        reason(&r, "ended", "it has ended: %s", neap_state_name(job->state)), doc_close(&list);
    else if (job->claim)
        explain_claimed(&r);
    else
        explain_waiting(&r);
    doc_array_close(&list);
    doc_open(out, NULL);
    doc_id(out, "id", job->id);
    doc_text(out, "task", job->task->text);
    doc_text(out, "queue", job->gate->name);
    doc_text(out, "state", neap_state_name(info_state(job)));
    doc_text(out, "why", buf_string(&why));
    doc_json(out, "reasons", buf_string(&list));
    doc_close(out);
    buf_close(&list);
    buf_close(&why);
    ask_answer(e, ask, NEAP_OK);
}
