/* The workers, and what each has in hand. */
#include "engine/engine_ask.h"

#include "base/clock.h"
#include "engine/engine_info.h"
#include "model/doc.h"

#define NAMED_MAX 32 /* running jobs named for one worker */

static const char *state_of(const struct member *m, uint64_t inside)
{
    if (m->retiring)
        return "retiring";
    if (m->computes)
        return "computing";
    return inside || m->jobs ? "busy" : "idle";
}

/* Returns how many have started. */
static int64_t put_running(const struct member *m, struct buf *out)
{
    int64_t running = 0;
    doc_array(out, "jobs");
    for (const struct list *at = m->claims.next; at != &m->claims; at = at->next) {
        const struct claim *claim = LIST_ENTRY(at, struct claim, link);
        const struct job *job = claim->job;
        if (info_state(job) != NEAP_RUNNING || ++running > NAMED_MAX)
            continue;
        doc_open(out, NULL);
        doc_id(out, "id", job->id);
        doc_text(out, "task", job->task->text);
        doc_integer(out, "attempt", job->attempt);
        doc_time(out, "started_at", job->running_since_ms);
        doc_bool(out, "waits_for_jobs", claim->stage != CLAIM_ON);
        doc_close(out);
    }
    doc_array_close(out);
    return running;
}

static void put_worker(const struct member *m, const char *state, struct buf *out)
{
    char name[64];
    uint64_t inside = 0;
    size_t limit = 0;
    const int64_t since_ns = m->worker ? worker_inside_since_ns(m->worker, &inside) : 0;
    member_name(m, name, sizeof name);
    doc_open(out, NULL);
    doc_text(out, "name", name);
    doc_text(out, "pool", m->pool->name);
    doc_text(out, "state", state ? state : state_of(m, inside));
    doc_id(out, "inside", inside);
    if (inside)
        doc_float(out, "inside_seconds", (double)(clock_mono_ns() - since_ns) / 1e9);
    doc_integer(out, "running", put_running(m, out));
    doc_integer(out, "in_line", (int64_t)line_length(worker_line(m->worker)));
    doc_integer(out, "slots", m->pool->slots);
    doc_integer(out, "free_slots", member_room(m) > 0 ? member_room(m) : 0);
    doc_integer(out, "generation", (int64_t)worker_serial(m->worker));
    doc_integer(out, "memory_bytes", (int64_t)worker_memory(m->worker, &limit));
    if (limit)
        doc_integer(out, "memory_limit_bytes", (int64_t)limit);
    doc_integer(out, "preemptions", (int64_t)worker_preemptions(m->worker));
    doc_close(out);
}

void ask_workers(struct engine *e, struct ask *ask)
{
    struct buf *out = &ask->call.reply;
    doc_open(out, NULL);
    doc_array(out, "workers");
    for (struct member *m = NULL; (m = member_next(e, m));)
        put_worker(m, NULL, out);
    for (struct list *at = e->ghosts.next; at != &e->ghosts; at = at->next)
        put_worker(LIST_ENTRY(at, struct member, link), "stuck", out);
    doc_array_close(out);
    doc_close(out);
    ask_answer(e, ask, NEAP_OK);
}
