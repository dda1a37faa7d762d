/* What a host may ask: outcomes, jobs, counters, tasks, settings. */
#include "neap_private.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

/* --- outcomes -----------------------------------------------------------------------------------
 */

static struct delivery *take_delivery(neap *n)
{
    pthread_mutex_lock(&n->outbox_lock);
    struct list *first = list_shift(&n->outbox);
    if (first && list_empty(&n->outbox)) {
        eventfd_t ignored;
        eventfd_read(n->outbox_fd, &ignored);
    }
    pthread_mutex_unlock(&n->outbox_lock);
    return first ? LIST_ENTRY(first, struct delivery, link) : NULL;
}

static int next_outcome(neap *n, struct neap_outcome *out, int timeout_ms)
{
    const int64_t until_ms = clock_mono_ms() + timeout_ms;
    while (!atomic_load(&n->closing)) {
        struct delivery *delivery = take_delivery(n);
        if (delivery) {
            *out = delivery->outcome;
            out->newest = id_last(&n->ids) == out->id;
            return NEAP_OK;
        }
        const int64_t left_ms = timeout_ms < 0 ? -1 : until_ms - clock_mono_ms();
        if (timeout_ms >= 0 && left_ms <= 0)
            return NEAP_ETIME;
        struct pollfd fd = {.fd = n->outbox_fd, .events = POLLIN};
        poll(&fd, 1, (int)left_ms);
    }
    return NEAP_ECLOSED;
}

int neap_next(neap *n, struct neap_outcome *out, int timeout_ms)
{
    int rc = host_enter_early(n, NULL);
    if (rc)
        return rc;
    rc = next_outcome(n, out, timeout_ms);
    host_leave(n);
    return rc;
}

void neap_outcome_free(struct neap_outcome *out)
{
    delivery_free(out->owned);
    *out = (struct neap_outcome){0};
}

int neap_fd(neap *n)
{
    return n->outbox_fd;
}

/* --- jobs and counters --------------------------------------------------------------------------
 */

static int ask_about(neap *n, struct host_call *host, int kind, struct neap_error *err)
{
    int rc = host_enter(n, err);
    if (rc)
        return rc;
    rc = host_ask(n, host, kind);
    host_leave(n);
    switch (rc) {
    case NEAP_ENOENT:
        return error_set(err, rc, "no such job");
    case NEAP_EINVAL:
        return error_set(err, rc, "the job has ended");
    case NEAP_ECLOSED:
        return error_set(err, rc, "the executor is closing");
    default:
        return rc;
    }
}

int neap_get(neap *n, uint64_t id, struct neap_job *out, struct neap_error *err)
{
    struct host_call host = {.call = {.id = id, .deadline_ms = INT64_MAX, .user = out}};
    return ask_about(n, &host, ENGINE_CALL_GET, err);
}

void neap_job_free(struct neap_job *job)
{
    free(job->owned);
    *job = (struct neap_job){0};
}

int neap_job_log(neap *n, uint64_t id, char **text, size_t *len, struct neap_error *err)
{
    struct host_call host = {.call = {.id = id, .deadline_ms = INT64_MAX}};
    const int rc = ask_about(n, &host, ENGINE_CALL_LOG, err);
    if (rc == NEAP_OK) {
        *len = host.call.reply.len;
        *text = buf_take(&host.call.reply);
    }
    return rc;
}

int neap_cancel(neap *n, uint64_t id, struct neap_error *err)
{
    struct host_call host = {.call = {.id = id, .deadline_ms = INT64_MAX}};
    return ask_about(n, &host, ENGINE_CALL_CANCEL, err);
}

int neap_stats(neap *n, struct neap_stats *out, struct neap_error *err)
{
    struct host_call host = {.call = {.deadline_ms = INT64_MAX, .user = out}};
    return ask_about(n, &host, ENGINE_CALL_STATS, err);
}

void neap_stats_free(struct neap_stats *stats)
{
    free(stats->owned);
    *stats = (struct neap_stats){0};
}

int neap_wait_idle(neap *n, int timeout_ms)
{
    struct host_call host = {
        .call = {.deadline_ms = timeout_ms < 0 ? INT64_MAX : host_deadline(timeout_ms)}};
    return ask_about(n, &host, ENGINE_CALL_IDLE, NULL);
}

/* --- tasks and settings -------------------------------------------------------------------------
 */

size_t neap_broken(neap *n)
{
    return loader_broken(n->loader);
}

const char *neap_file_task(neap *n)
{
    return n->has_file_task ? n->file_task : NULL;
}

void neap_config_rows(neap *n, void *user,
                      void (*row)(void *user, const char *section, const char *key,
                                  const char *value, const char *origin))
{
    struct config *config = host_config(n);
    config_rows(config, user, row);
    config_unref(config);
}

char *neap_config_look(const char *file, const char *section, const char *key, char **origin)
{
    return config_look(file, section, key, origin);
}

int64_t neap_config_int(neap *n, const char *section, const char *key, int64_t otherwise)
{
    struct config *config = host_config(n);
    const int64_t value = config_int(config, section, key, otherwise);
    config_unref(config);
    return value;
}

int neap_config_text(neap *n, const char *section, const char *key, char **out,
                     struct neap_error *err)
{
    struct config *config = host_config(n);
    const int rc = config_text(config, section, key, out, err);
    config_unref(config);
    return rc;
}
