/* [task PATTERN] on_dead: a job that dies is told of by another, stored in the same transaction. */
#include "engine/engine_state.h"

#include "base/mem.h"
#include "model/msgpack.h"

#include <string.h>

static void put_text(struct buf *out, const char *key, const char *text)
{
    msgpack_text(out, key, strlen(key));
    msgpack_text(out, text, strlen(text));
}

static void put_error(struct buf *out, const struct job_error *error)
{
    msgpack_text(out, "error", 5);
    msgpack_map(out, error->traceback ? 3 : 2);
    put_text(out, "code", error->code);
    put_text(out, "message", error->message);
    if (error->traceback)
        put_text(out, "traceback", error->traceback);
}

#define ALERT_ROOM (256 * 1024) /* for what is not `args`: two texts of 64 KiB and the rest */

/* Its arguments are left out where both would be more than a value may have. */
static void put_alert(struct buf *out, const struct job *job)
{
    char id[NEAP_ID_CHARS + 1];
    const bool with_args = job->args_len && job->args_len <= NEAP_VALUE_MAX - ALERT_ROOM;
    neap_id_text(job->id, id);
    msgpack_map(out, (size_t)4 + with_args + (job_left(job)->error != NULL));
    put_text(out, "job", id);
    put_text(out, "task", job->task->text);
    put_text(out, "queue", job->gate->name);
    msgpack_text(out, "attempt", 7);
    msgpack_integer(out, job->attempt);
    if (with_args) {
        msgpack_text(out, "args", 4);
        buf_put(out, job->args, job->args_len);
    }
    if (job_left(job)->error)
        put_error(out, job_left(job)->error);
}

void job_alert(struct engine *e, const struct job *job)
{
    const char *task = e->env.standing ? config_task_on_dead(e->config, job->task->text) : NULL;
    const struct task_name *name = task ? names_find(e->env.worker->names, task) : NULL;
    const struct task_info *info = name ? catalogue_task(e->catalogue, name) : NULL;
    struct buf args = {0};
    if (!task)
        return;
    if (!info) {
        engine_log(e, NEAP_ERROR, job, "on_dead: no such task: %s", task);
        return;
    }
    put_alert(&args, job);
    struct job *alert = job_new(&e->cache, args.data, args.len);
    buf_close(&args);
    alert->id = id_next(e->env.worker->ids, e->now_ms);
    alert->parent = job->id;
    alert->task = info->name;
    alert->gate = info->gate;
    alert->priority = info->priority;
    alert->submitted_ms = e->now_ms;
    gate_force(alert->gate); /* a full queue is no reason not to hear of it */
    job_accept(e, alert);
}
