/* A host's job on its way in. */
#include "neap_private.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/json.h"
#include "model/unique.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int pack_args(const struct neap_request *request, struct buf *out, struct neap_error *err)
{
    const bool json = !(request->flags & NEAP_MSGPACK);
    const size_t len =
        json && request->args && !request->args_len ? strlen(request->args) : request->args_len;
    if (!request->args || (len == 0 && !json))
        return NEAP_OK;
    if (json)
        return json_to_msgpack(request->args, len, out, err);
    if (len > NEAP_VALUE_MAX)
        return error_set(err, NEAP_EINVAL, "args: more than %d bytes", NEAP_VALUE_MAX);
    const int rc =
        json_from_msgpack(request->args, len, out, err); /* only to see that it is well formed */
    out->len = 0;
    buf_put(out, request->args, len);
    return rc;
}

static int no_queue(neap *n, const char *name, struct neap_error *err)
{
    const unsigned count = gates_count(n->gates);
    const char **names = mem_zero(count, sizeof *names);
    size_t open = 0;
    for (unsigned i = 0; i < count; i++)
        if (atomic_load(&gates_at(n->gates, i)->open))
            names[open++] = gates_at(n->gates, i)->name;
    const char *near = strlen(name) <= 2 * NEAP_TASK_MAX ? text_nearest(name, names, open) : NULL;
    const int rc =
        near ? error_set(err, NEAP_ENOENT, "no such queue: %s (did you mean %s?)", name, near)
             : error_set(err, NEAP_ENOENT, "no such queue: %.200s", name);
    free(names);
    return rc;
}

static int find_gate(neap *n, const struct neap_request *request, const struct task_info *info,
                     struct gate **out, struct neap_error *err)
{
    assert(info->gate);
    struct gate *gate = *out = request->queue ? gates_find(n->gates, request->queue) : info->gate;
    if (gate && atomic_load(&gate->open))
        return NEAP_OK;
    return no_queue(n, gate ? gate->name : request->queue, err);
}

static int check_retry(const struct neap_retry *r, struct neap_error *err)
{
    if (r->max < -1 || r->base_ms < -1 || r->base_ms > TIME_MAX_MS || r->cap_ms < -1 ||
        r->cap_ms > TIME_MAX_MS || r->backoff < -1 || r->backoff > NEAP_FIXED || !(r->jitter <= 1))
        return error_set(err, NEAP_EINVAL,
                         "retry: max, base_ms and cap_ms are -1 or more, backoff is one of enum "
                         "neap_backoff or -1, jitter is at most 1");
    return NEAP_OK;
}

static int check_request(const struct neap_request *r, struct neap_error *err)
{
    if (!r || !r->task)
        return error_set(err, NEAP_EINVAL, "a request names a task");
    if (r->flags & ~(unsigned)(NEAP_DELIVER | NEAP_NOWAIT | NEAP_MSGPACK | NEAP_DOCUMENT))
        return error_set(err, NEAP_EINVAL, "unknown flags %#x", r->flags);
    if (r->priority_set && (r->priority < NEAP_PRIORITY_MIN || r->priority > NEAP_PRIORITY_MAX))
        return error_set(err, NEAP_EINVAL, "priority %d is out of range %d to %d", r->priority,
                         NEAP_PRIORITY_MIN, NEAP_PRIORITY_MAX);
    if (r->delay_ms < 0 || r->at_ms < 0 || r->expires_ms < 0 || (r->delay_ms && r->at_ms))
        return error_set(err, NEAP_EINVAL,
                         "times are not negative, and either delay_ms or at_ms is set");
    if (r->delay_ms > TIME_MAX_MS || r->at_ms > TIME_MAX_MS || r->expires_ms > TIME_MAX_MS)
        return error_set(err, NEAP_EINVAL, "a time is too far away");
    if (r->timeout_ms < -1 || r->timeout_ms > TIME_MAX_MS)
        return error_set(err, NEAP_EINVAL, "timeout_ms is -1 (none), 0 (the task's) or more");
    if (r->n_after > NEAP_AFTER_MAX || (r->n_after && !r->after))
        return error_set(err, NEAP_EINVAL, "after: at most %d ids", NEAP_AFTER_MAX);
    if (r->after_failed != NEAP_AFTER_CANCEL && r->after_failed != NEAP_AFTER_RUN)
        return error_set(err, NEAP_EINVAL, "after_failed is one of enum neap_after_failed");
    return r->retry ? check_retry(r->retry, err) : NEAP_OK;
}

static int check_unique(const struct neap_unique *u, struct neap_error *err)
{
    if (u->within_ms < 0 || u->within_ms > TIME_MAX_MS || u->states >> NEAP_STATES)
        return error_set(err, NEAP_EINVAL,
                         "unique: within_ms is not negative, states has bits of enum neap_state");
    if (u->key && u->n_by)
        return error_set(err, NEAP_EINVAL, "unique: either a key or names of arguments");
    return NEAP_OK;
}

static int make_unique(struct job *job, const struct neap_unique *u, struct neap_error *err)
{
    const struct unique_by by = {u->key, u->key ? strlen(u->key) : 0, u->by, u->n_by};
    struct job_unique unique = {.states = (uint8_t)(u->states ? u->states : UNIQUE_STATES),
                                .exact = u->exact,
                                .within_ms = u->within_ms};
    int rc = check_unique(u, err);
    if (rc == NEAP_OK)
        rc = unique_key(job->task->text, job->args, job->args_len, &by, unique.key, err);
    if (rc == NEAP_OK)
        job_terms_own(job)->unique = mem_copy(&unique, sizeof unique);
    return rc;
}

static struct job *make_job(neap *n, const struct neap_request *r, const struct task_info *info,
                            struct gate *gate, const struct buf *args)
{
    const int64_t now_ms = clock_unix_ms();
    struct job *job = job_new(NULL, args->data, args->len);
    job->message.kind = ENGINE_SUBMIT;
    job->id = id_next(&n->ids, now_ms);
    if (r->tag)
        job_terms_own(job)->tag = r->tag;
    job->task = info->name;
    job->gate = gate;
    job->priority = (int8_t)(r->priority_set ? r->priority : info->priority);
    job->flags = r->flags & NEAP_DELIVER ? JOB_DELIVER : 0;
    job->submitted_ms = now_ms;
    job->available_ms = r->delay_ms ? now_ms + r->delay_ms : r->at_ms;
    if (r->expires_ms)
        job_terms_own(job)->expires_ms = r->expires_ms;
    if (r->timeout_ms)
        job_terms_own(job)->timeout_ms = r->timeout_ms < 0 ? 0 : r->timeout_ms;
    if (r->retry) {
        const struct retry retry = {r->retry->max, r->retry->backoff, r->retry->base_ms,
                                    r->retry->cap_ms, r->retry->jitter};
        job_terms_own(job)->retry = mem_copy(&retry, sizeof retry);
    }
    if (r->n_after)
        job_terms_own(job)->after = job_after_new(
            r->after, r->n_after, r->after_failed == NEAP_AFTER_RUN ? AFTER_RUN : AFTER_CANCEL);
    return job;
}

static int build_job(neap *n, const struct neap_request *r, const struct catalogue *catalogue,
                     struct job **out, struct neap_error *err)
{
    struct buf args = {0};
    struct gate *gate;
    const struct task_name *name = names_find(n->names, r->task);
    const struct task_info *info = name ? catalogue_task(catalogue, name) : NULL;
    if (!info)
        return catalogue_no_task(catalogue, r->task, err);
    int rc = find_gate(n, r, info, &gate, err);
    if (rc == NEAP_OK)
        rc = pack_args(r, &args, err);
    if (rc == NEAP_OK)
        *out = make_job(n, r, info, gate, &args);
    if (rc == NEAP_OK && r->unique)
        rc = make_unique(*out, r->unique, err);
    if (rc && *out) {
        job_free(NULL, *out);
        *out = NULL;
    }
    buf_close(&args);
    return rc;
}

/* --- on its way: the call that the engine answers -----------------------------------------------
 */

struct submission { /* the engine's until it is answered */
    struct call call;
    void *user;
    neap_submitted_fn *done;
};

static struct neap_submitted answer_of(const struct call *call, const char *queue)
{
    struct neap_submitted answer = {.code = call->rc, .id = call->id};
    if (call->rc != NEAP_OK)
        answer.id = 0;
    switch (call->rc) {
    case NEAP_OK:
        answer.duplicate = call->duplicate;
        answer.text = call->reply.len ? call->reply.data : NULL;
        answer.len = call->reply.len;
        break;
    case NEAP_ECLOSED:
        answer.message = "the executor takes no more jobs";
        break;
    case NEAP_EIO:
        answer.message = "the store failed: whether the job is stored is unknown";
        break;
    case NEAP_ETIME:
        answer.code = NEAP_EFULL;
        answer.message = queue;
        break;
    default:
        answer.message = call->reply.len ? call->reply.data : "the disk is full";
    }
    return answer;
}

static void submission_done(struct call *call)
{
    struct submission *s = (struct submission *)(void *)call;
    char full[NEAP_TASK_MAX + 32] = "";
    if (call->job)
        snprintf(full, sizeof full, "queue %s is full", call->job->gate->name);
    const struct neap_submitted answer = answer_of(call, full);
    s->done(s->user, &answer);
    job_free(NULL, call->job);
    buf_close(&call->reply);
    free(s);
}

static void post(neap *n, struct job *job, int kind, bool document, int64_t room_ms, void *user,
                 neap_submitted_fn *done)
{
    struct submission *s = mem_zero(1, sizeof *s);
    s->user = user;
    s->done = done;
    s->call.message.kind = kind;
    s->call.id = job->id;
    s->call.job = job;
    s->call.document = document;
    s->call.deadline_ms = room_ms < 0 ? INT64_MAX : host_deadline(room_ms);
    s->call.done = submission_done;
    mailbox_post(engine_mailbox(n->engine), &s->call.message);
}

/* Who waits for room already goes first. */
static bool take_room(struct gate *gate, bool may_wait)
{
    return !(may_wait && atomic_load(&gate->blocked)) && gate_enter(gate);
}

static int refused(struct job *job, neap_submitted_fn *done, void *user, struct neap_error *err)
{
    struct gate *gate = job->gate;
    const bool drop = gate_refuse(gate);
    job_free(NULL, job);
    if (!drop)
        return error_set(err, NEAP_EFULL, "queue %s is full", gate->name);
    done(user, &(struct neap_submitted){.code = NEAP_OK});
    return NEAP_OK;
}

static int send(neap *n, struct job *job, unsigned flags, int64_t room_ms, void *user,
                neap_submitted_fn *done, struct neap_error *err)
{
    assert(job);
    struct gate *gate = job->gate;
    const bool document = flags & NEAP_DOCUMENT;
    room_ms = flags & NEAP_NOWAIT ? 0 : room_ms;
    const bool blocks = atomic_load(&gate->policy) == GATE_BLOCK;
    if (take_room(gate, blocks && room_ms != 0)) {
        post(n, job, ENGINE_CALL_SUBMIT, document, -1, user, done);
        return NEAP_OK;
    }
    if (!blocks)
        return refused(job, done, user, err);
    if (room_ms != 0) {
        post(n, job, ENGINE_CALL_ROOM, document, room_ms, user, done);
        return NEAP_OK;
    }
    error_set(err, NEAP_EAGAIN, "queue %s is full", gate->name);
    job_free(NULL, job);
    return NEAP_EAGAIN;
}

/* --- the public functions -----------------------------------------------------------------------
 */

static int begin(neap *n, const struct neap_request *request, struct job **job,
                 struct neap_error *err)
{
    int rc = check_request(request, err);
    if (rc == NEAP_OK)
        rc = host_enter(n, err);
    if (rc)
        return rc;
    if (atomic_load(&n->closed)) {
        rc = error_set(err, NEAP_ECLOSED, "the executor takes no more jobs");
    } else {
        struct catalogue *catalogue = host_catalogue(n);
        rc = build_job(n, request, catalogue, job, err);
        catalogue_unref(catalogue);
    }
    if (rc)
        host_leave(n);
    return rc;
}

int neap_submit_start(neap *n, const struct neap_request *request, int64_t room_ms, void *user,
                      neap_submitted_fn *done, struct neap_error *err)
{
    struct job *job = NULL;
    int rc = begin(n, request, &job, err);
    if (rc)
        return rc;
    rc = send(n, job, request->flags, room_ms, user, done, err);
    host_leave(n);
    return rc;
}

struct waiter { /* on the stack of who submits */
    sem_t done;
    uint64_t *id;
    struct neap_error *err;
    int rc;
};

static void wake(void *user, const struct neap_submitted *answer)
{
    struct waiter *w = user;
    w->rc = answer->code;
    if (answer->code)
        error_set(w->err, answer->code, "%s", answer->message);
    else if (w->id)
        *w->id = answer->id;
    sem_post(&w->done);
}

/* Without waiting for the engine: nothing is to be learnt from it. */
static bool send_quickly(neap *n, struct job *job, uint64_t *id)
{
    assert(job);
    if (engine_is_durable(n->engine) || job_terms(job)->unique || job_terms(job)->after ||
        !take_room(job->gate, atomic_load(&job->gate->policy) == GATE_BLOCK))
        return false;
    if (id)
        *id = job->id;
    mailbox_post(engine_mailbox(n->engine), &job->message);
    return true;
}

int neap_submit(neap *n, const struct neap_request *request, uint64_t *id, struct neap_error *err)
{
    struct job *job = NULL;
    struct waiter waiter = {.id = id, .err = err};
    int rc = begin(n, request, &job, err);
    if (rc)
        return rc;
    if (!send_quickly(n, job, id)) {
        sem_init(&waiter.done, 0, 0);
        rc = send(n, job, request->flags & NEAP_NOWAIT, -1, &waiter, wake, err);
        while (rc == NEAP_OK && sem_wait(&waiter.done) && errno == EINTR)
            ;
        sem_destroy(&waiter.done);
        rc = rc ? rc : waiter.rc;
    }
    host_leave(n);
    return rc;
}
