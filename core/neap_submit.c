/* A host's job on its way in. */
#include "neap_private.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/json.h"

#include <assert.h>
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
    if (r->flags & ~(unsigned)(NEAP_DELIVER | NEAP_NOWAIT | NEAP_MSGPACK))
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
    return r->retry ? check_retry(r->retry, err) : NEAP_OK;
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
    if (rc == NEAP_OK) {
        const int64_t now_ms = clock_unix_ms();
        struct job *job = *out = job_new(args.data, args.len);
        job->message.kind = ENGINE_SUBMIT;
        job->id = id_next(&n->ids, now_ms);
        job->tag = r->tag;
        job->task = name;
        job->gate = gate;
        job->priority = (int8_t)(r->priority_set ? r->priority : info->priority);
        job->flags = r->flags & NEAP_DELIVER ? JOB_DELIVER : 0;
        job->submitted_ms = now_ms;
        job->due.key = r->delay_ms ? now_ms + r->delay_ms : r->at_ms;
        job->expires_ms = r->expires_ms;
        if (r->timeout_ms)
            job->timeout_ms = r->timeout_ms < 0 ? 0 : r->timeout_ms;
        if (r->retry) {
            const struct retry retry = {r->retry->max, r->retry->backoff, r->retry->base_ms,
                                        r->retry->cap_ms, r->retry->jitter};
            job->retry = mem_copy(&retry, sizeof retry);
        }
    }
    buf_close(&args);
    return rc;
}

static int refused(struct job *job, uint64_t *id, struct neap_error *err)
{
    struct gate *gate = job->gate;
    const bool drop = gate_refuse(gate);
    job_free(job);
    if (id)
        *id = 0;
    return drop ? NEAP_OK : error_set(err, NEAP_EFULL, "queue %s is full", gate->name);
}

static int wait_for_room(neap *n, struct job *job, uint64_t *id, struct neap_error *err)
{
    struct host_call host = {.call = {.id = job->id, .job = job, .deadline_ms = INT64_MAX}};
    const uint64_t job_id = job->id;
    const int rc = host_ask(n, &host, ENGINE_CALL_ROOM);
    if (rc) {
        job_free(job);
        return error_set(err, NEAP_ECLOSED, "the executor takes no more jobs");
    }
    if (id)
        *id = job_id;
    return NEAP_OK;
}

/* Who waits for room already goes first. */
static bool take_room(struct gate *gate, bool may_wait)
{
    return !(may_wait && atomic_load(&gate->blocked)) && gate_enter(gate);
}

static int submit(neap *n, struct job *job, bool may_wait, uint64_t *id, struct neap_error *err)
{
    assert(job);
    struct gate *gate = job->gate;
    const bool blocks = atomic_load(&gate->policy) == GATE_BLOCK;
    if (take_room(gate, blocks && may_wait)) {
        if (id)
            *id = job->id;
        mailbox_post(engine_mailbox(n->engine), &job->message);
        return NEAP_OK;
    }
    if (!blocks)
        return refused(job, id, err);
    if (may_wait)
        return wait_for_room(n, job, id, err);
    error_set(err, NEAP_EAGAIN, "queue %s is full", gate->name);
    job_free(job);
    return NEAP_EAGAIN;
}

int neap_submit(neap *n, const struct neap_request *request, uint64_t *id, struct neap_error *err)
{
    struct job *job = NULL;
    int rc = check_request(request, err);
    if (rc == NEAP_OK)
        rc = host_enter(n, err);
    if (rc)
        return rc;
    if (atomic_load(&n->closed)) {
        rc = error_set(err, NEAP_ECLOSED, "the executor takes no more jobs");
    } else {
        struct catalogue *catalogue = host_catalogue(n);
        rc = build_job(n, request, catalogue, &job, err);
        catalogue_unref(catalogue);
    }
    if (rc == NEAP_OK)
        rc = submit(n, job, !(request->flags & NEAP_NOWAIT), id, err);
    host_leave(n);
    return rc;
}
