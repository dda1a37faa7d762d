#include "model/config_options.h"

#include "model/config.h"

#include <string.h>

#define FIELD(type, field) .offset = offsetof(type, field), .size = sizeof((type *)0)->field

static const char *const levels[] = {"debug", "info", "warn", "error", NULL};
static const char *const formats[] = {"auto", "logfmt", "json", NULL};
static const char *const policies[] = {"block", "reject", "drop", NULL};
static const char *const backoffs[] = {"exponential", "linear", "fixed", NULL};
static const char *const sandboxes[] = {"standard", "strict", NULL};
static const char *const overlaps[] = {"skip", "allow", NULL};
static const char *const catchups[] = {"skip", "once", "all", NULL};

static const struct option neap_options[] = {
    {.key = "plugins",
     .type = OPTION_PATHS,
     .flags = OPTION_RESTART,
     .fallback = "plugins",
     FIELD(struct config, plugins),
     .help =
         "Directories of plugins, separated by commas; an earlier one shadows a whole plugin. A "
         "directory named here must exist, the default one need not."},
    {.key = "include",
     .type = OPTION_PATTERNS,
     .help =
         "More files to read after this one, separated by commas; `*`, `?` and `[...]` match, in "
         "alphabetical order. Only in a file."},
    {.key = "drain",
     .type = OPTION_DURATION,
     .fallback = "25s",
     FIELD(struct config, drain_ms),
     .help = "How long running jobs may go on when neap is told to stop."},
    {.key = "watch",
     .type = OPTION_BOOL,
     .flags = OPTION_RESTART,
     .fallback = "no",
     .service_fallback = "yes",
     FIELD(struct config, watch),
     .help = "Load plugins again when their files change."},
    {.key = "max_children",
     .type = OPTION_WORKERS,
     .flags = OPTION_RESTART,
     .fallback = "auto",
     .min = 1,
     .max = 10000,
     FIELD(struct config, max_children),
     .help = "Processes of `neap.exec` at once; further ones wait. `auto` is the number of CPUs "
             "that this process may use."},
    {.key = "grace",
     .type = OPTION_DURATION,
     .flags = OPTION_RESTART,
     .fallback = "2s",
     .min = 100,
     .max = 3600000,
     FIELD(struct config, grace_ms),
     .help = "How long a call into C may outlive its job's deadline or cancelling. Then its worker "
             "is given up and replaced."},
    {.key = "max_stuck",
     .type = OPTION_INTEGER,
     .flags = OPTION_RESTART,
     .fallback = "8",
     .max = 10000,
     FIELD(struct config, max_stuck),
     .help = "Workers that may be given up so. At the next one the process gives up and exits with "
             "70, for its supervisor to start it again."},
};

static const struct option pool_options[] = {
    {.key = "workers",
     .type = OPTION_WORKERS,
     .fallback = "auto",
     .min = 1,
     .max = 1024,
     FIELD(struct config_pool, workers),
     .help = "Threads; `auto` is the number of CPUs that this process may use (affinity and cgroup "
             "quota)."},
    {.key = "slots",
     .type = OPTION_INTEGER,
     .fallback = "1024",
     .min = 1,
     .max = 1000000,
     FIELD(struct config_pool, slots),
     .help = "Jobs that one worker may have in hand."},
    {.key = "queues",
     .type = OPTION_QUEUES,
     .fallback = "*",
     FIELD(struct config_pool, queues),
     .help =
         "The queues it serves, separated by commas; `*` is every queue that no other pool names."},
    {.key = "slice",
     .type = OPTION_DURATION_US,
     .flags = OPTION_RESTART,
     .fallback = "10ms",
     .min = 100,
     .max = 60000000,
     FIELD(struct config_pool, slice_us),
     .help = "How long a job may compute while another plugin's job waits for its worker."},
    {.key = "memory",
     .type = OPTION_SIZE,
     .flags = OPTION_NONE | OPTION_RESTART,
     .fallback = "256M",
     .min = 4 * 1024 * 1024,
     FIELD(struct config_pool, memory_bytes),
     .help = "What the Lua state of one worker may hold. Past it, the job that took the most is "
             "stopped."},
    {.key = "sandbox",
     .type = OPTION_CHOICE,
     .choices = sandboxes,
     .flags = OPTION_RESTART,
     .fallback = "standard",
     FIELD(struct config_pool, strict),
     .help = "What tasks may reach. `strict` is a short list, for code that nobody has read; see "
             "docs/tasks.md."},
};

static const struct option queue_options[] = {
    {.key = "concurrency",
     .type = OPTION_INTEGER,
     .flags = OPTION_NONE,
     .fallback = "none",
     .min = 1,
     .max = 1000000,
     FIELD(struct config_queue, concurrency),
     .help = "Jobs running at once, over all pools."},
    {.key = "capacity",
     .type = OPTION_INTEGER,
     .flags = OPTION_NONE,
     .fallback = CONFIG_CAPACITY,
     .min = 1,
     .max = 1000000000,
     FIELD(struct config_queue, capacity),
     .help = "Jobs that are not running."},
    {.key = "when_full",
     .type = OPTION_CHOICE,
     .choices = policies,
     .fallback = "block",
     FIELD(struct config_queue, when_full),
     .help = "What becomes of a submission to a full queue: it waits, fails, or is dropped and "
             "counted."},
    {.key = "rate",
     .type = OPTION_RATE,
     .flags = OPTION_NONE,
     .fallback = "none",
     FIELD(struct config_queue, rate_interval_ns),
     .help = "Starts per time, evenly spread."},
    {.key = "ageing",
     .type = OPTION_DURATION,
     .flags = OPTION_NONE,
     .fallback = "none",
     .min = 1,
     FIELD(struct config_queue, ageing_ms),
     .help = "Adds 1 to a job's priority for each such period that it has waited."},
    {.key = "paused",
     .type = OPTION_BOOL,
     .fallback = "no",
     FIELD(struct config_queue, paused),
     .help = "Takes jobs but starts none."},
};

static const struct option task_options[] = {
    {.key = "queue",
     .type = OPTION_QUEUE,
     FIELD(struct config_task, queue),
     .help = "The queue its jobs wait in."},
    {.key = "priority",
     .type = OPTION_PRIORITY,
     .min = NEAP_PRIORITY_MIN,
     .max = NEAP_PRIORITY_MAX,
     FIELD(struct config_task, priority),
     .help = "Higher goes first."},
    {.key = "timeout",
     .type = OPTION_DURATION,
     .flags = OPTION_NONE,
     FIELD(struct config_task, timeout_ms),
     .help = "How long one attempt may take, from its start, waiting included; then it fails with "
             "the code `timeout`. `none` and 0: any time."},
    {.key = "retry.max",
     .type = OPTION_INTEGER,
     .max = 1000000,
     FIELD(struct config_task, retry.max),
     .help = "Retries after the first attempt; `retry = N` is short for it."},
    {.key = "retry.backoff",
     .type = OPTION_CHOICE,
     .choices = backoffs,
     FIELD(struct config_task, retry.backoff),
     .help = "How the delay between attempts grows."},
    {.key = "retry.base",
     .type = OPTION_DURATION,
     FIELD(struct config_task, retry.base_ms),
     .help = "The delay before the first retry."},
    {.key = "retry.cap",
     .type = OPTION_DURATION,
     FIELD(struct config_task, retry.cap_ms),
     .help = "The longest delay."},
    {.key = "retry.jitter",
     .type = OPTION_NUMBER,
     .max = 1,
     FIELD(struct config_task, retry.jitter),
     .help = "The part of the delay that is random."},
    {.key = "on_dead",
     .type = OPTION_TASK,
     .flags = OPTION_NONE,
     FIELD(struct config_task, on_dead),
     .help = "A task to tell when a job dies (not one of `run` or `map`): a job of it is submitted "
             "with the arguments `job`, "
             "`task`, `queue`, `args`, `attempt` and `error` (`code`, `message`, `traceback`), "
             "stored together with the death. Never for jobs of such a task itself."},
    {.key = "config.",
     .type = OPTION_CONFIG,
     .help = "A value of the task's own configuration. `env:NAME` takes an environment variable, "
             "`file:PATH` a file's contents without the last newline; both are read at start and "
             "at each "
             "reload, and shown by name only."},
};

static const struct option schedule_options[] = {
    {.key = "task",
     .type = OPTION_TASK,
     FIELD(struct config_schedule, task),
     .help = "The task to run. Required."},
    {.key = "cron",
     .type = OPTION_CRON,
     .help =
         "When: five fields, minute hour day month weekday. Either this or `every`. Where day and "
         "weekday are both restricted, either may match."},
    {.key = "every",
     .type = OPTION_DURATION,
     .min = 10,
     FIELD(struct config_schedule, every_ms),
     .help = "The time from one start to the next."},
    {.key = "tz",
     .type = OPTION_ZONE,
     .help = "The time zone that `cron` counts in: `local` (the default), `UTC` or a name as "
             "`Europe/Paris`."},
    {.key = "overlap",
     .type = OPTION_CHOICE,
     .choices = overlaps,
     .fallback = "skip",
     FIELD(struct config_schedule, overlap),
     .help = "What to do when the last job has not ended: `skip` this one, or `allow` both."},
    {.key = "catchup",
     .type = OPTION_CHOICE,
     .choices = catchups,
     .fallback = "skip",
     FIELD(struct config_schedule, catchup),
     .help = "What becomes of ticks that were missed, by more than a minute, because neap did not "
             "run or the clock was put forward: `skip` them, run `once` for all of them, or run "
             "`all`, one after another unless they may overlap (the last 1,000)."},
    {.key = "args",
     .type = OPTION_JSON,
     .help = "The job's arguments. ` ;` would start a comment: write `\\u003b` for a semicolon."},
};

static const struct option store_options[] = {
    {.key = "url",
     .type = OPTION_STORE,
     .flags = OPTION_RESTART,
     .fallback = "memory",
     .service_fallback = "sqlite:neap.db",
     FIELD(struct config, store_url),
     .help =
         "Where jobs live: `sqlite:PATH` is one file that survives crashes (beside it PATH-wal, "
         "PATH-running and PATH-ballast), `memory` forgets all at the end. `run` and `map` "
         "always use memory."},
    {.key = "keep_completed",
     .type = OPTION_KEEP,
     .fallback = "24h, 100000",
     FIELD(struct config, keep_completed),
     .help = "How long, and how many, jobs that completed or were cancelled are remembered, with "
             "result and log."},
    {.key = "keep_dead",
     .type = OPTION_KEEP,
     .fallback = "30d, 100000",
     FIELD(struct config, keep_dead),
     .help = "Likewise for dead jobs."},
    {.key = "window",
     .type = OPTION_INTEGER,
     .flags = OPTION_RESTART,
     .fallback = "10000",
     .min = 4,
     .max = 10000000,
     FIELD(struct config, window),
     .help = "Jobs of one queue, and delayed ones, that are held in memory. What waits behind them "
             "is read from the file when its turn comes near."},
};

static const struct option http_options[] = {
    {.key = "socket",
     .type = OPTION_SOCKET,
     .flags = OPTION_RESTART | OPTION_NONE,
     .fallback = "neap.sock",
     FIELD(struct config, http_socket),
     .help = "The unix socket that `neap serve` listens on and the client commands talk to. Only "
             "the user that it runs as may open it."},
    {.key = "listen",
     .type = OPTION_LISTEN,
     .flags = OPTION_RESTART | OPTION_NONE,
     .fallback = "none",
     FIELD(struct config, http_listen),
     .help =
         "An address of TCP to listen on, too. One that other machines can reach takes a token."},
    {.key = "token",
     .type = OPTION_SECRET,
     .flags = OPTION_RESTART | OPTION_NONE,
     .fallback = "none",
     FIELD(struct config, http_token),
     .help = "What requests over TCP must show as `Authorization: Bearer TOKEN`: a variable of the "
             "environment, or a file's contents without the last newline. Read at start."},
    {.key = "hosts",
     .type = OPTION_HOSTS,
     .flags = OPTION_RESTART | OPTION_NONE,
     .fallback = "none",
     FIELD(struct config, http_hosts),
     .help = "Names by which requests over TCP may call this host, beside localhost and the "
             "address that it listens on."},
    {.key = "max_body",
     .type = OPTION_SIZE,
     .flags = OPTION_RESTART,
     .fallback = "8M",
     .min = 1024,
     .max = 1024 * 1024 * 1024,
     FIELD(struct config, http_max_body),
     .help = "The largest body of a request."},
    {.key = "max_connections",
     .type = OPTION_INTEGER,
     .flags = OPTION_RESTART,
     .fallback = "1024",
     .min = 8,
     .max = 100000,
     FIELD(struct config, http_max_connections),
     .help = "Connections at once. With more, the one that has been silent for longest is closed; "
             "where none is silent, the new one gets 503."},
    {.key = "max_per_address",
     .type = OPTION_INTEGER,
     .flags = OPTION_RESTART | OPTION_NONE,
     .fallback = "none",
     .min = 1,
     .max = 100000,
     FIELD(struct config, http_max_per_address),
     .help = "Connections from one address of TCP; further ones are closed at once. Not for a "
             "daemon behind a proxy, where all come from one."},
    {.key = "header_timeout",
     .type = OPTION_DURATION,
     .flags = OPTION_RESTART,
     .fallback = "10s",
     .min = 100,
     .max = 3600000,
     FIELD(struct config, http_header_ms),
     .help = "How long a request's header may take, and how long a connection may be idle before "
             "it. Then it is closed."},
    {.key = "body_timeout",
     .type = OPTION_DURATION,
     .flags = OPTION_RESTART,
     .fallback = "10s",
     .min = 100,
     .max = 3600000,
     FIELD(struct config, http_body_ms),
     .help = "How long a request's body may take, and a second more for each 64 KiB of it. Then "
             "the connection is closed."},
};

static const struct option log_options[] = {
    {.key = "level",
     .type = OPTION_CHOICE,
     .choices = levels,
     .fallback = "info",
     FIELD(struct config, log_level),
     .help = "What is logged, from here up."},
    {.key = "format",
     .type = OPTION_CHOICE,
     .choices = formats,
     .fallback = "auto",
     FIELD(struct config, log_format),
     .help = "`auto` is logfmt on a terminal, the same with a priority where stderr is systemd's "
             "journal, JSON lines elsewhere."},
};

#define OPTIONS(table) .options = table, .n_options = sizeof table / sizeof *table

const struct section_kind section_kinds[SECTIONS] = {
    {.name = "neap",
     .number = SECTION_NEAP,
     OPTIONS(neap_options),
     .help = "The process as a whole."},
    {.name = "pool",
     .argument = "NAME",
     .number = SECTION_POOL,
     OPTIONS(pool_options),
     .record_size = sizeof(struct config_pool),
     .help =
         "A group of worker threads. Without any such section there is one pool, `default`. Pools "
         "come and go only at a restart."},
    {.name = "queue",
     .argument = "NAME",
     .number = SECTION_QUEUE,
     OPTIONS(queue_options),
     .record_size = sizeof(struct config_queue),
     .help = "A line of jobs and its limits."},
    {.name = "task",
     .argument = "PATTERN",
     .number = SECTION_TASK,
     OPTIONS(task_options),
     .record_size = sizeof(struct config_task),
     .help =
         "Settings of tasks, over what their files say. The pattern is a task (`mail.report`), all "
         "tasks of a plugin (`mail.*`) or all tasks (`*`); for each key the most specific section "
         "that has it wins."},
    {.name = "schedule",
     .argument = "NAME",
     .number = SECTION_SCHEDULE,
     OPTIONS(schedule_options),
     .record_size = sizeof(struct config_schedule),
     .help = "A job that `neap serve` submits on time."},
    {.name = "store",
     .number = SECTION_STORE,
     OPTIONS(store_options),
     .help = "Where jobs live, and what is remembered of them."},
    {.name = "http",
     .number = SECTION_HTTP,
     OPTIONS(http_options),
     .help = "The HTTP API of `neap serve`; see docs/api.md."},
    {.name = "log",
     .number = SECTION_LOG,
     OPTIONS(log_options),
     .help = "neap's own log, on stderr."},
};

const struct section_kind *section_find(const char *name, size_t len)
{
    for (size_t i = 0; i < SECTIONS; i++)
        if (strlen(section_kinds[i].name) == len && memcmp(section_kinds[i].name, name, len) == 0)
            return &section_kinds[i];
    return NULL;
}

const struct option *option_find(const struct section_kind *kind, const char *key)
{
    if (kind->number == SECTION_TASK && strcmp(key, "retry") == 0)
        key = "retry.max";
    for (size_t i = 0; i < kind->n_options; i++) {
        const struct option *option = &kind->options[i];
        if (option->type == OPTION_CONFIG ? strncmp(key, option->key, strlen(option->key)) == 0
                                          : strcmp(key, option->key) == 0)
            return option;
    }
    return NULL;
}
