/* Questions of neap_ask about single jobs, and the way of all of them. */
#include "engine/engine_ask.h"

#include "base/text.h"
#include "engine/engine_doc.h"
#include "engine/engine_info.h"
#include "model/doc.h"

#include <stdarg.h>
#include <stdio.h>

void ask_answer(struct engine *e, struct ask *ask, int rc)
{
    call_answer(e, &ask->call, rc);
}

void ask_refuse(struct engine *e, struct ask *ask, int rc, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(ask->message, sizeof ask->message, format, args);
    va_end(args);
    ask->call.reply.len = 0;
    ask_answer(e, ask, rc);
}

void ask_refuse_name(struct engine *e, struct ask *ask, const char *kind, const char *const *names,
                     size_t count)
{
    const char *near = text_nearest(ask->name, names, count);
    if (near)
        ask_refuse(e, ask, NEAP_ENOENT, "no such %s: %.64s (did you mean %s?)", kind, ask->name,
                   near);
    else
        ask_refuse(e, ask, NEAP_ENOENT, "no such %s: %.64s", kind, ask->name);
}

struct job *ask_job(struct engine *e, struct ask *ask)
{
    struct job *job = e->ops->get(e->store, ask->call.id);
    char id[NEAP_ID_CHARS + 1];
    if (job)
        return job;
    neap_id_text(ask->call.id, id);
    ask_refuse(e, ask, NEAP_ENOENT, "no such job: %s", id);
    return NULL;
}

void ask_with_job(struct engine *e, struct ask *ask, const struct job *job, int rc)
{
    doc_job(e, job, info_state(job), true, &ask->call.reply);
    ask_answer(e, ask, rc);
}

static void ask_about_job(struct engine *e, struct ask *ask)
{
    const struct job *job = ask_job(e, ask);
    if (job)
        ask_with_job(e, ask, job, NEAP_OK);
}

/* --- waiting ------------------------------------------------------------------------------------
 */

static void ask_wait(struct engine *e, struct ask *ask)
{
    const struct job *job = ask_job(e, ask);
    if (!job)
        return;
    if (job_has_ended(job)) {
        ask_with_job(e, ask, job, NEAP_OK);
    } else {
        ask->place = ASK_WAITS;
        waiters_add(e->waiters, &ask->call);
        call_park(e, &ask->call);
    }
}

void ask_ended(struct engine *e, struct ask *ask, const struct job *job, int state)
{
    ask->place = ASK_NOWHERE; /* the caller took it from there */
    doc_job(e, job, state, true, &ask->call.reply);
    ask_answer(e, ask, NEAP_OK);
}

void ask_late(struct engine *e, struct ask *ask)
{
    if (ask->what != NEAP_ASK_WAIT) {
        look_late(e, ask);
        return;
    }
    const struct job *job = ask_job(e, ask);
    if (job)
        ask_with_job(e, ask, job, NEAP_ETIME);
}

/* --- orders -------------------------------------------------------------------------------------
 */

static void ask_cancel(struct engine *e, struct ask *ask)
{
    struct job *job = ask_job(e, ask);
    if (!job)
        return;
    if (job_has_ended(job)) {
        ask_refuse(e, ask, NEAP_ECONFLICT, "it has ended: %s", neap_state_name(job->state));
        return;
    }
    e->ops->pin(e->store, job); /* its document is to be read once more */
    job_cancel(e, ask->call.id);
    ask_with_job(e, ask, job, NEAP_OK);
    e->ops->unpin(e->store, &job, 1);
}

void ask_forget(struct engine *e, struct ask *ask)
{
    if (ask->place == ASK_WAITS)
        waiters_remove(e->waiters, &ask->call);
    else if (ask->place != ASK_NOWHERE)
        list_remove(&ask->call.waiting);
    ask->place = ASK_NOWHERE;
}

void ask_take(struct engine *e, struct ask *ask)
{
    switch (ask->what) {
    case NEAP_ASK_JOB:
        ask_about_job(e, ask);
        break;
    case NEAP_ASK_WAIT:
        ask_wait(e, ask);
        break;
    case NEAP_ASK_CANCEL:
        ask_cancel(e, ask);
        break;
    case NEAP_ASK_JOBS:
    case NEAP_ASK_BULK:
    case NEAP_ASK_BACKUP:
        ask_begin_steps(e, ask);
        break;
    case NEAP_ASK_RETRY:
    case NEAP_ASK_DELETE:
    case NEAP_ASK_EDIT:
        ask_order(e, ask);
        break;
    case NEAP_ASK_LOG:
        ask_log(e, ask);
        break;
    case NEAP_ASK_STACK:
        ask_stacks(e, ask);
        break;
    case NEAP_ASK_WORKERS:
        ask_workers(e, ask);
        break;
    case NEAP_ASK_EXPLAIN:
        ask->place = ASK_SETTLED;
        list_push(&e->asks.settled, &ask->call.waiting);
        break;
    case NEAP_ASK_METRICS:
        ask_metrics(e, ask);
        break;
    case NEAP_ASK_STATS:
        ask_stats(e, ask);
        break;
    case NEAP_ASK_SCHEDULES:
    case NEAP_ASK_SCHEDULE:
    case NEAP_ASK_SCHEDULE_RUN:
    case NEAP_ASK_SCHEDULE_PAUSE:
    case NEAP_ASK_SCHEDULE_RESUME:
        ask_schedule(e, ask);
        break;
    default:
        ask_queue(e, ask);
        break;
    }
}
