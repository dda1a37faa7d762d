#include "faces/httpd_routes.h"

#include "base/mem.h"
#include "base/text.h"
#include "faces/httpd_uri.h"

#include <stdlib.h>
#include <string.h>

/* clang-format off */
#define FILTER_PAGE "filter limit cursor order wide"

const struct httpd_route httpd_routes[] = {
    {"POST", "/api/v1/jobs", "submitJob", "Submit a job, or with NDJSON one for each line",
     httpd_run_submit, 0, NULL, "wait", "Submission", "Submitted", ROUTE_CHANGES | ROUTE_BODY | ROUTE_NDJSON},
    {"GET", "/api/v1/jobs", "listJobs", "Jobs that match a filter, page by page",
     httpd_run_ask, NEAP_ASK_JOBS, NULL, FILTER_PAGE, NULL, "JobPage", 0},
    {"GET", "/api/v1/jobs/{id}", "getJob", "A job; with `wait` once it has ended",
     httpd_run_ask, NEAP_ASK_JOB, NULL, "wait", NULL, "Job", 0},
    {"PATCH", "/api/v1/jobs/{id}", "editJob", "Another priority or due time for a job that has not started",
     httpd_run_ask, NEAP_ASK_EDIT, NULL, "", "JobEdit", "Job", ROUTE_CHANGES | ROUTE_BODY},
    {"DELETE", "/api/v1/jobs/{id}", "deleteJob", "Forget a job that has ended",
     httpd_run_ask, NEAP_ASK_DELETE, NULL, "", NULL, "Deleted", ROUTE_CHANGES},
    {"POST", "/api/v1/jobs/{id}/cancel", "cancelJob", "Cancel a job, also one that runs",
     httpd_run_ask, NEAP_ASK_CANCEL, NULL, "", NULL, "Job", ROUTE_CHANGES},
    {"POST", "/api/v1/jobs/{id}/retry", "retryJob", "Run a job that has ended again, or one that is due later now",
     httpd_run_ask, NEAP_ASK_RETRY, NULL, "", NULL, "Job", ROUTE_CHANGES},
    {"GET", "/api/v1/jobs/{id}/log", "getJobLog", "What a job printed, also while it runs",
     httpd_run_ask, NEAP_ASK_LOG, NULL, "offset wait", NULL, "Log", 0},
    {"GET", "/api/v1/jobs/{id}/explain", "explainJob", "Why a job does not run",
     httpd_run_ask, NEAP_ASK_EXPLAIN, NULL, "", NULL, "Explanation", 0},
    {"GET", "/api/v1/jobs/{id}/stack", "getJobStack", "Where a running job is, as a Lua traceback",
     httpd_run_ask, NEAP_ASK_STACK, NULL, "", NULL, "Stacks", 0},
    {"POST", "/api/v1/bulk/cancel", "cancelJobs", "Cancel all jobs that match a filter",
     httpd_run_ask, NEAP_ASK_BULK, "cancel", "filter all dry_run", NULL, "BulkResult", ROUTE_CHANGES},
    {"POST", "/api/v1/bulk/retry", "retryJobs", "Run all jobs that match a filter again",
     httpd_run_ask, NEAP_ASK_BULK, "retry", "filter all dry_run", NULL, "BulkResult", ROUTE_CHANGES},
    {"POST", "/api/v1/bulk/delete", "deleteJobs", "Forget all jobs that match a filter",
     httpd_run_ask, NEAP_ASK_BULK, "delete", "filter all dry_run", NULL, "BulkResult", ROUTE_CHANGES},
    {"POST", "/api/v1/bulk/edit", "editJobs", "Another priority or due time for all jobs that match a filter",
     httpd_run_ask, NEAP_ASK_BULK, "edit", "filter all dry_run due", "JobEdit", "BulkResult",
     ROUTE_CHANGES | ROUTE_BODY | ROUTE_BODY_OPTIONAL},
    {"GET", "/api/v1/queues", "listQueues", "All queues, with their limits and what they hold",
     httpd_run_ask, NEAP_ASK_QUEUES, NULL, "", NULL, "Queues", 0},
    {"GET", "/api/v1/queues/{name}", "getQueue", "A queue",
     httpd_run_ask, NEAP_ASK_QUEUE, NULL, "", NULL, "Queue", 0},
    {"PATCH", "/api/v1/queues/{name}", "limitQueue", "Limits that beat the configuration, until `default` takes them away",
     httpd_run_ask, NEAP_ASK_QUEUE_LIMITS, NULL, "", "QueueLimits", "Queue", ROUTE_CHANGES | ROUTE_BODY},
    {"POST", "/api/v1/queues/{name}/pause", "pauseQueue", "Start none of its jobs, until resumed",
     httpd_run_ask, NEAP_ASK_QUEUE_PAUSE, NULL, "", NULL, "Queue", ROUTE_CHANGES},
    {"POST", "/api/v1/queues/{name}/resume", "resumeQueue", "Start its jobs again",
     httpd_run_ask, NEAP_ASK_QUEUE_RESUME, NULL, "", NULL, "Queue", ROUTE_CHANGES},
    {"GET", "/api/v1/tasks", "listTasks", "All tasks",
     httpd_run_ask, NEAP_ASK_TASKS, NULL, "", NULL, "Tasks", 0},
    {"GET", "/api/v1/tasks/{name}", "getTask", "A task: its settings, arguments, generation, and why it could not be loaded",
     httpd_run_ask, NEAP_ASK_TASK, NULL, "", NULL, "Task", 0},
    {"GET", "/api/v1/schedules", "listSchedules", "All schedules, with their next runs",
     httpd_run_ask, NEAP_ASK_SCHEDULES, NULL, "", NULL, "Schedules", 0},
    {"GET", "/api/v1/schedules/{name}", "getSchedule", "A schedule",
     httpd_run_ask, NEAP_ASK_SCHEDULE, NULL, "", NULL, "Schedule", 0},
    {"POST", "/api/v1/schedules/{name}/run", "runSchedule", "Submit its job now, whatever its times are",
     httpd_run_ask, NEAP_ASK_SCHEDULE_RUN, NULL, "", NULL, "Schedule", ROUTE_CHANGES},
    {"POST", "/api/v1/schedules/{name}/pause", "pauseSchedule", "Submit none of its jobs, until resumed",
     httpd_run_ask, NEAP_ASK_SCHEDULE_PAUSE, NULL, "", NULL, "Schedule", ROUTE_CHANGES},
    {"POST", "/api/v1/schedules/{name}/resume", "resumeSchedule", "Submit its jobs again",
     httpd_run_ask, NEAP_ASK_SCHEDULE_RESUME, NULL, "", NULL, "Schedule", ROUTE_CHANGES},
    {"GET", "/api/v1/workers", "listWorkers", "The workers and what they run",
     httpd_run_ask, NEAP_ASK_WORKERS, NULL, "", NULL, "Workers", 0},
    {"GET", "/api/v1/stats", "getStats", "Counters since the start",
     httpd_run_ask, NEAP_ASK_STATS, NULL, "", NULL, "Stats", 0},
    {"GET", "/api/v1/stack", "getStacks", "Where all running jobs are, as Lua tracebacks",
     httpd_run_ask, NEAP_ASK_STACK, NULL, "", NULL, "Stacks", 0},
    {"GET", "/api/v1/events", "streamEvents", "Changes of jobs as they are stored, as server-sent events",
     httpd_run_events, 0, NULL, "filter", NULL, "text/event-stream", 0},
    {"POST", "/api/v1/reload", "reload", "Read the configuration and all plugins again",
     httpd_run_reload, 0, NULL, "", NULL, "Reloaded", ROUTE_CHANGES},
    {"POST", "/api/v1/backup", "backup", "Write a copy of the store to a file of the daemon's machine",
     httpd_run_ask, NEAP_ASK_BACKUP, NULL, "", "Backup", "BackupResult", ROUTE_CHANGES | ROUTE_BODY},
    {"GET", "/healthz", "getHealth", "200 while neap answers",
     httpd_run_health, NEAP_ASK_JOB, NULL, "", NULL, "Status", ROUTE_PUBLIC},
    {"GET", "/readyz", "getReady", "200 while neap takes jobs",
     httpd_run_ready, NEAP_ASK_STATS, NULL, "", NULL, "Status", ROUTE_PUBLIC},
    {"GET", "/metrics", "getMetrics", "Metrics in the text format of Prometheus",
     httpd_run_ask, NEAP_ASK_METRICS, NULL, "", NULL, "text/plain", 0},
    {"GET", "/openapi.json", "getOpenapi", "This description",
     httpd_run_openapi, 0, NULL, "", NULL, "object", 0},
    {NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, 0},
};

#define TEXT "{\"type\":\"string\"}"
const struct httpd_param_doc httpd_param_docs[] = {
    {"state", TEXT, "States, separated by commas: scheduled, pending, available, running, completed, retryable, dead, cancelled", true},
    {"queue", TEXT, "Queues, separated by commas; `*` stands for any characters", true},
    {"task", TEXT, "Tasks, likewise: `mail.*`", true},
    {"id", TEXT, "Ids, separated by commas", true},
    {"parent", TEXT, "The id of the job that submitted them", true},
    {"error", TEXT, "Codes of their last error, separated by commas: error, args, timeout, memory, stuck, crash", true},
    {"older", TEXT, "Submitted longer ago than this duration, or before this time", true},
    {"newer", TEXT, "Submitted less long ago than this duration, or since this time", true},
    {"text", TEXT, "A part of the message of their last error", true},
    {"priority", TEXT, "`3`, `>5`, `<0`", true},
    {"limit", "{\"type\":\"integer\",\"minimum\":1,\"maximum\":1000,\"default\":100}", "Jobs in one answer, at most", false},
    {"cursor", TEXT, "`next` of the page before", false},
    {"order", "{\"enum\":[\"newest\",\"oldest\"],\"default\":\"newest\"}", "Which ones come first, by submission", false},
    {"wide", "{\"enum\":[\"yes\",\"no\"],\"default\":\"no\"}", "With arguments, results, tracebacks and attempts", false},
    {"wait", TEXT, "Answer once there is what is asked for, at the latest after this duration (10m at most)", false},
    {"offset", "{\"type\":\"integer\",\"minimum\":0}", "Bytes of the log to leave out", false},
    {"all", "{\"enum\":[\"yes\",\"no\"],\"default\":\"no\"}", "Without any filter all jobs are meant only with `yes`", false},
    {"dry_run", "{\"enum\":[\"yes\",\"no\"],\"default\":\"no\"}", "Only count", false},
    {"due", TEXT, "The new due time: a time, a duration from now, or `now`", false},
    {NULL, NULL, NULL, false},
};
/* clang-format on */

/* ---- matching */

/* `name` and `name_len`: of what stands for {id} or {name}. */
static bool matches(const char *pattern, const char *path, const char **name, size_t *name_len)
{
    const char *want, *part;
    size_t want_len, len;
    *name = NULL;
    while (httpd_uri_part(&pattern, &want, &want_len)) {
        if (!httpd_uri_part(&path, &part, &len))
            return false;
        if (*want == '{') {
            *name = part;
            *name_len = len;
            if (len == 0)
                return false;
        } else if (want_len != len || memcmp(want, part, len) != 0) {
            return false;
        }
    }
    return *path == '\0' || *path == '?';
}

static bool same_method(const char *method, const struct httpd_route *route)
{
    return strcmp(method, route->method) == 0 ||
           (strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

bool httpd_routes_find(struct httpd_request *r, const char *method)
{
    const char *name;
    size_t len;
    for (const struct httpd_route *at = httpd_routes; at->method; at++) {
        if (!same_method(method, at) || !matches(at->path, r->uri, &name, &len))
            continue;
        r->route = at;
        r->method = at->method;
        return true;
    }
    return false;
}

static void put_method(struct buf *out, const char *method)
{
    buf_format(out, "%s%s", out->len ? ", " : "", method);
    if (strcmp(method, "GET") == 0)
        buf_text(out, ", HEAD");
}

static const char *nearest_path(const char *uri)
{
    const char *paths[64];
    size_t count = 0;
    char *path = mem_format("%.*s", (int)strcspn(uri, "?"), uri), *full = NULL;
    for (const struct httpd_route *at = httpd_routes; at->method && count < 64; at++)
        if (!strchr(at->path, '{'))
            paths[count++] = at->path;
    const char *near = text_nearest(path, paths, count), *name;
    size_t len;
    full = mem_format("/api/v1%s", path);
    for (const struct httpd_route *at = httpd_routes; at->method; at++)
        if (matches(at->path, full, &name, &len))
            near = at->path;
    free(path);
    free(full);
    return near;
}

void httpd_routes_missing(const struct httpd_request *r, const char *method,
                          struct httpd_problem *p)
{
    const char *name;
    size_t len;
    for (const struct httpd_route *at = httpd_routes; at->method; at++)
        if (matches(at->path, r->uri, &name, &len))
            put_method(&p->value, at->method);
    if (p->value.len) {
        p->header = "Allow";
        httpd_problem_set(p, 405, "%.20s is not for this path, but %s", method,
                          buf_string(&p->value));
        return;
    }
    const char *near = strlen(r->uri) < 200 ? nearest_path(r->uri) : NULL;
    if (near)
        httpd_problem_set(p, 404, "no such path (did you mean %s?)", near);
    else
        httpd_problem_set(p, 404, "no such path: /openapi.json lists them");
}

/* ---- path and query */

static bool is_word_of(const char *word, const char *words)
{
    const size_t len = strlen(word);
    for (const char *at = words; (at = strstr(at, word)); at += len)
        if ((at == words || at[-1] == ' ') && (!at[len] || at[len] == ' '))
            return true;
    return false;
}

bool httpd_routes_takes(const struct httpd_route *route, const char *name)
{
    const bool filters = is_word_of("filter", route->params);
    for (const struct httpd_param_doc *doc = httpd_param_docs; doc->name; doc++)
        if (strcmp(doc->name, name) == 0)
            return doc->filter ? filters : is_word_of(name, route->params);
    return false;
}

static bool check_param(const struct httpd_route *route, const char *name, struct httpd_problem *p)
{
    const char *known[32];
    size_t count = 0;
    if (httpd_routes_takes(route, name))
        return true;
    for (const struct httpd_param_doc *doc = httpd_param_docs; doc->name && count < 32; doc++)
        if (httpd_routes_takes(route, doc->name))
            known[count++] = doc->name;
    const char *near = text_nearest(name, known, count);
    if (near)
        httpd_problem_add(p, PART_QUERY, name, "no such parameter (did you mean %s?)", near);
    else
        httpd_problem_add(p, PART_QUERY, name, "no such parameter");
    return false;
}

static bool check_path(struct httpd_request *r, struct httpd_problem *p)
{
    const char *part;
    size_t len;
    matches(r->route->path, r->uri, &part, &len);
    if (!part)
        return true;
    r->name = httpd_uri_decode(part, len);
    if (strstr(r->route->path, "{id}") && neap_id_parse(r->name, &r->id) != NEAP_OK) {
        httpd_problem_set(p, 404, "no such job: an id has %d characters, letters and digits",
                          NEAP_ID_CHARS);
        return false;
    }
    return true;
}

bool httpd_routes_values(struct httpd_request *r, struct httpd_problem *p)
{
    const bool twice = r->route->what == NEAP_ASK_BULK;
    if (!check_path(r, p) ||
        !httpd_uri_query(r->uri, twice, r->params, HTTPD_PARAMS, &r->n_params, p))
        return false;
    for (size_t i = 0; i < r->n_params; i++)
        check_param(r->route, r->params[i].name, p);
    return !httpd_problem_any(p);
}

enum MHD_Result httpd_routes_run(struct httpd_request *r)
{
    return r->route->run(r);
}
