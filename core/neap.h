/* neap: a scriptable task executor. Tasks are Lua 5.4 files, jobs run on a pool of threads.
 *
 *     struct neap_options options = {.size = sizeof options, .config_file = "neap.ini"};
 *     struct neap_request request = {.task = "mail.send", .args = "{\"user\":1}"};
 *     if (neap_open(&n, &options, &err) || neap_start(n, &err)) ...
 *     request.flags = NEAP_DELIVER;
 *     neap_submit(n, &request, &id, &err);
 *     while (neap_next(n, &outcome, -1) == NEAP_OK) { ...; neap_outcome_free(&outcome); }
 *     neap_close(n);
 *
 * Every function may be called from any thread unless it says otherwise; several executors may
 * live in one process. The library never exits, prints, changes directory or takes a signal.
 *
 * A function that returns int returns NEAP_OK or a negative code and then fills `err` (may be
 * NULL); what it was to give back is then left alone, unless it says otherwise. What needs the
 * threads (submit, get, job_log, cancel, stats, reload, drain, wait_idle) is NEAP_EINVAL before
 * neap_start; all of that and neap_next is NEAP_ECLOSED while neap_close runs.
 *
 * Times are Unix milliseconds, durations milliseconds, text is UTF-8 and ends in NUL. Text that is
 * handed in is copied. Names of tasks and queues that are handed out live until neap_close. */
#ifndef NEAP_H
#define NEAP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NEAP_VERSION "0.1.0"
#define NEAP_API __attribute__((visibility("default")))

/* Sizes and limits that callers meet. */
#define NEAP_ID_CHARS 13             /* a job id as text: Crockford base32 */
#define NEAP_TASK_MAX 40             /* bytes of a full task name */
#define NEAP_VALUE_MAX (1024 * 1024) /* bytes of encoded arguments or result */
#define NEAP_DEPTH_MAX 64            /* nesting of a value */
#define NEAP_PRIORITY_MIN (-128)
#define NEAP_PRIORITY_MAX 127

enum neap_code {
    NEAP_OK = 0,
    NEAP_EINVAL = -1,    /* bad argument or data from the caller */
    NEAP_ENOENT = -2,    /* no such task, job, queue or file */
    NEAP_EFULL = -3,     /* the queue is full and its policy is reject */
    NEAP_ECLOSED = -4,   /* intake has ended: draining, drained or closing */
    NEAP_ECONFIG = -5,   /* bad configuration; each mistake went to on_problem */
    NEAP_EIO = -6,       /* the system refused: file, memory of a script, thread */
    NEAP_ETIME = -7,     /* nothing happened in the time given */
    NEAP_EINTERNAL = -8, /* a bug in neap */
    NEAP_EAGAIN = -9,  /* NEAP_NOWAIT was set and the full queue would have made the caller wait */
    NEAP_ENOSPC = -10, /* the store has no room: refused for now */
    NEAP_ESTALE = -11, /* it is about an attempt that is not the job's any more */
    NEAP_ECONFLICT = -12, /* the state of the job or thing does not allow it; or a key
                             was used for another request */
};

struct neap_error {
    int code;
    char message[1020];
};

enum neap_state {
    NEAP_SCHEDULED, /* due later */
    NEAP_PENDING,   /* waits for other jobs */
    NEAP_AVAILABLE,
    NEAP_RUNNING,
    NEAP_COMPLETED,
    NEAP_RETRYABLE, /* failed, due again later */
    NEAP_DEAD,      /* attempts used up, or failed for good */
    NEAP_CANCELLED,
};
#define NEAP_STATES 8

enum neap_level { NEAP_DEBUG, NEAP_INFO, NEAP_WARN, NEAP_ERROR };

typedef struct neap neap;

/* One line of the log. Valid only during the call. */
struct neap_log_record {
    int level; /* enum neap_level */
    int64_t time_ms;
    const char *text; /* one line or several; never NULL */
    size_t text_len;
    const char *fields; /* a JSON object, or NULL */
    uint64_t job;       /* 0: not about a job */
    uint64_t parent;    /* the job that submitted it; 0: none */
    const char *task;   /* NULL: not about a task */
    unsigned generation, attempt;
    int printed;  /* 1: a task's print or io.write, 0: neap or neap.log */
    int scripted; /* 1: a task's neap.log (or print), 0: neap itself */
};

enum neap_flags {
    /* A daemon's defaults: a watch on plugins, 20 retries, a timeout of 1 h; and plugins that
     * others than root and this process's user may change are refused. Else none of that. */
    NEAP_SERVICE = 1,
    /* Work for once: the memory store, whatever [store] says; no schedules, no [task *] on_dead. */
    NEAP_MEMORY = 2,
};

struct neap_module { /* see neap_preload */
    const char *name;
    int (*open)(void *lua_state);
};

/* The functions may be called from any of neap's threads, and from a caller's inside neap_open and
 * neap_reload; on_log by several at once, each of the others by one at a time. They must return
 * soon and must not call into the same executor. Zeroed fields mean the default; all is copied. */
struct neap_options {
    size_t size; /* sizeof(struct neap_options) */
    unsigned flags;
    const char *config_file;     /* INI file; NULL: none, all defaults */
    const char *const *settings; /* "[section] key=value", each beats the file */
    size_t n_settings;
    const char *const *plugins; /* directories of plugins instead of the configured ones */
    size_t n_plugins;
    const char *task_file; /* a Lua file to load as a one-task plugin (or inside its plugin) */
    const struct neap_module
        *modules; /* C modules that task files may require at their top level */
    size_t n_modules;
    int signal; /* that interrupts workers, on their own threads; 0: SIGURG. See neap_start */
    void *user; /* handed to the functions below */
    void (*on_log)(void *user, const struct neap_log_record *record);
    /* One mistake in the configuration or a plugin: FILE:LINE: ... */
    void (*on_problem)(void *user, const char *text);
    void (*on_fatal)(void *user, const char *text); /* the executor cannot go on */
    void (*on_ready)(void *user); /* there are outcomes; may wake a host's loop (see neap_fd) */
};

/* Opens an executor: reads the configuration, loads every plugin once, starts no thread.
 * All mistakes in the configuration go to on_problem, then NEAP_ECONFIG. A broken task does not
 * fail the open: it is reported through on_problem and counted (neap_broken). `*out` is for
 * neap_close; NULL on an error. NEAP_EINVAL: options of another size; NEAP_EIO, NEAP_ENOENT: a
 * file. */
NEAP_API int neap_open(neap **out, const struct neap_options *options, struct neap_error *err);

/* A C module for the tasks' `require name`, called once in each plugin's environment of each
 * worker, on the worker's thread. `open` is a lua_CFunction. What is added here is not there yet
 * while neap_open loads the plugins: files that require it at their top level need it in
 * options.modules, whose `open` is also called on the threads that load. Between neap_open and
 * neap_start, on one thread; NEAP_EINVAL after that. */
NEAP_API int neap_preload(neap *n, const char *name, int (*open)(void *lua_state),
                          struct neap_error *err);

/* Starts the threads, those of workers with their first job; they block all signals but one:
 * options.signal, whose handler is ours while an executor of this process is open (a handler of the
 * host's is still called for signals to other threads, and put back by neap_close). Executors open
 * at the same time need the same signal. Once. After an error (NEAP_EIO: no thread, no memory) all
 * that is left to do is neap_close. */
NEAP_API int neap_start(neap *n, struct neap_error *err);

/* Stops at once what still runs, as neap_drain(n, 0), joins the threads, frees everything, also the
 * outcomes that nobody took. Jobs are stopped wherever they are in Lua; a thread that is inside a C
 * function and does not come back for `grace` is left behind, with the memory it may still use.
 * Other threads may still be inside calls: those return NEAP_ECLOSED,
 * or what they found before; neap_close waits for that. No call may begin once it has begun, and
 * none of this executor's functions above may call it. NULL is fine. */
NEAP_API void neap_close(neap *n);

#define NEAP_PRIORITY_UNSET 1000
enum neap_request_flags {
    NEAP_DELIVER = 1,  /* hand the outcome to neap_next */
    NEAP_NOWAIT = 2,   /* NEAP_EAGAIN at once where a queue's policy would block the caller */
    NEAP_MSGPACK = 4,  /* args are MessagePack (one whole value), else JSON */
    NEAP_DOCUMENT = 8, /* neap_submit_start: the answer comes with the job's document */
};

struct neap_retry {
    int max;                 /* retries after the first attempt; -1: as the task says */
    int64_t base_ms, cap_ms; /* -1: as the task says */
    int backoff;             /* enum neap_backoff; -1: as the task says */
    double jitter; /* 0..1: part of the delay that is random; negative: as the task says */
};
enum neap_backoff { NEAP_EXPONENTIAL, NEAP_LINEAR, NEAP_FIXED };

/* Where a job with the same key is there already, none is made: the submission's id is that job's.
 * The key is made of the task, the queue aside, and of arguments or a text. */
struct neap_unique {
    const char *key;       /* this text instead of arguments; NULL: arguments */
    const char *const *by; /* names of the arguments that count */
    size_t n_by;           /* 0: all arguments */
    int64_t within_ms;     /* only a job submitted so recently is in the way; 0: however long ago */
    unsigned states;       /* bit n: one in enum neap_state n is; 0: all that have not ended */
    int exact;             /* not 0: it must be the same request, else NEAP_ECONFLICT */
};
enum neap_after_failed { NEAP_AFTER_CANCEL, NEAP_AFTER_RUN };
#define NEAP_AFTER_MAX 100000

struct neap_request {
    const char *task;
    const void *args;               /* copied; NULL: no arguments */
    size_t args_len;                /* 0 with JSON args: strlen; with MessagePack: no arguments */
    const char *queue;              /* NULL: the task's */
    int priority_set, priority;     /* priority counts only where priority_set is not 0 */
    int64_t delay_ms;               /* not before so long from now */
    int64_t at_ms;                  /* not before this time; 0: at once */
    int64_t expires_ms;             /* cancelled if not started by then; 0: never */
    const struct neap_retry *retry; /* NULL: the task's */
    int64_t timeout_ms;             /* of each attempt; 0: the task's, -1: none */
    uint64_t tag;                   /* the caller's own number, comes back in the outcome */
    unsigned flags;
    const struct neap_unique *unique; /* NULL: any number of the same */
    const uint64_t *after; /* jobs that must have ended first: it is pending until then */
    size_t n_after;
    int after_failed; /* enum neap_after_failed: it is cancelled too, or runs, where one of them is
                         dead or cancelled */
};

/* Submits a job. NEAP_OK: it is accepted, stored where the store is durable, and `*id` (may be
 * NULL) is set; with when_full = drop and a full queue `*id` is 0. Where a queue with when_full =
 * block is full it waits its turn for room. NEAP_ENOENT: no such task, queue, or job in `after`;
 * NEAP_EINVAL: something else in the request; NEAP_EFULL, NEAP_EAGAIN: the queue; NEAP_ENOSPC: the
 * disk; NEAP_ECONFLICT: see neap_unique; NEAP_ECLOSED: after neap_drain or while closing, also
 * where it waited. */
NEAP_API int neap_submit(neap *n, const struct neap_request *request, uint64_t *id,
                         struct neap_error *err);

/* The answer to a submission; valid only during the call. */
struct neap_submitted {
    int code;            /* enum neap_code, as neap_submit returns */
    uint64_t id;         /* 0: dropped */
    int duplicate;       /* `id` is of the job that was there already (neap_unique) */
    const char *message; /* why not; NULL with NEAP_OK */
    const char *text;    /* NEAP_DOCUMENT: as NEAP_ASK_JOB answers, of when it was accepted; NULL:
                            not asked for, or the job is forgotten already */
    size_t len;
};
typedef void neap_submitted_fn(void *user, const struct neap_submitted *answer);

/* Submits without waiting for the answer. What is wrong with the request itself is returned at
 * once; after NEAP_OK `done` is called once, on the caller's thread before this returns or on one
 * of neap's; it must return soon and not call into the executor. room_ms: how long it may wait for
 * room, then NEAP_EFULL; -1: for ever. */
NEAP_API int neap_submit_start(neap *n, const struct neap_request *request, int64_t room_ms,
                               void *user, neap_submitted_fn *done, struct neap_error *err);

struct neap_outcome {
    uint64_t id, tag;
    int state; /* NEAP_COMPLETED, NEAP_DEAD or NEAP_CANCELLED */
    unsigned attempt, generation;
    int newest; /* 1: no job has been given an id after its own, when neap_next returns */
    const char *task;
    const void *result; /* MessagePack; NULL: nil */
    size_t result_len;
    const char *code, *message, *traceback;        /* of the error that ended it, or NULL */
    int64_t submitted_ms, started_ms, finished_ms; /* started: of the last attempt; 0: never */
    double run_ms;                                 /* last attempt, waiting included */
    double cpu_ms;                                 /* that it computed, of run_ms */
    uint64_t bytes; /* that it allocated in Lua, freed again or not */
    void *owned;    /* what neap_outcome_free frees */
};

/* The next outcome of a job submitted with NEAP_DELIVER, in order of completion; each goes to one
 * caller, who gives it to neap_outcome_free. timeout_ms: 0 returns at once, -1 waits for ever;
 * NEAP_ETIME when nothing came. Jobs that a drain left unrun have none. */
NEAP_API int neap_next(neap *n, struct neap_outcome *out, int timeout_ms);
NEAP_API void neap_outcome_free(struct neap_outcome *out);

/* A descriptor for poll(2) that is readable while neap_next has an outcome (or would return
 * NEAP_ECLOSED). Never read it, never close it; it is good until neap_close. */
NEAP_API int neap_fd(neap *n);

struct neap_job {
    uint64_t id, parent;
    int state, priority;
    unsigned attempt;
    int64_t submitted_ms, due_ms; /* due 0: it is in line, runs or has ended */
    char task[NEAP_TASK_MAX + 1], queue[NEAP_TASK_MAX + 1];
    const char *held;    /* why it cannot start, e.g. "no such task"; NULL: it can, or has */
    const char *message; /* of its last error, or NULL */
    double progress;     /* 0..1 as the attempt that runs told (ctx:progress); negative: nothing */
    const char *progress_text; /* NULL: none */
    void *owned;               /* what neap_job_free frees; the texts with it */
};
/* What is known of a job. NEAP_ENOENT: it never was, or is forgotten: where the store is memory a
 * job submitted with NEAP_DELIVER at its end, others some time after it. Free with neap_job_free.
 */
NEAP_API int neap_get(neap *n, uint64_t id, struct neap_job *out, struct neap_error *err);
NEAP_API void neap_job_free(struct neap_job *job);

/* What its attempts printed, the last 64 KiB, up to the end of the last attempt: any bytes and a
 * NUL that `*len` does not count, to free(). NEAP_ENOENT as for neap_get. */
NEAP_API int neap_job_log(neap *n, uint64_t id, char **text, size_t *len, struct neap_error *err);

/* Cancels a job in any state: one that has not started ends at once, one that runs is stopped
 * wherever it is in Lua, and will not run again. Returns before that.
 * NEAP_ENOENT as for neap_get; NEAP_EINVAL: it has ended. */
NEAP_API int neap_cancel(neap *n, uint64_t id, struct neap_error *err);

/* Counters since the start: submitted = completed + dead + cancelled + running + waiting, at any
 * time, in each row. Failed and retried count attempts; dropped and rejected what was never
 * submitted, in the rows of queues and the total only. Runs of on_dead are not counted. Histograms
 * have one bucket a power of two of microseconds: bucket i counts values below 2^i us (the last one
 * everything else). */
#define NEAP_BUCKETS 40
struct neap_counters {
    uint64_t submitted, completed, failed, retried, dead, cancelled, dropped, rejected;
    uint64_t running, waiting; /* now: has started (it may wait for something in Lua), has not */
    uint64_t run_us[NEAP_BUCKETS], wait_us[NEAP_BUCKETS]; /* of ended attempts */
    double run_sum_s, wait_sum_s, cpu_sum_s;              /* of ended attempts; cpu: computing */
    uint64_t bytes_sum; /* allocated in Lua by them, freed again or not */
};
struct neap_stats_row {
    const char *name;
    struct neap_counters counters;
};
struct neap_stats {
    struct neap_counters total;
    size_t n_queues, n_tasks, n_workers;
    struct neap_stats_row *queues, *tasks; /* tasks: those with a job so far */
    uint64_t reloads;                      /* catalogues of tasks published since the start */
    uint64_t broken;                       /* plugins whose newest version is broken now */
    uint64_t stuck;       /* workers given up because a call into C did not come back */
    uint64_t preemptions; /* times a job computed for a whole slice and its worker looked around */
    int64_t uptime_ms;
    void *owned;
};
NEAP_API int neap_stats(neap *n, struct neap_stats *out, struct neap_error *err);
NEAP_API void neap_stats_free(struct neap_stats *stats);

/* Reads the configuration again and rescans the plugins. All or nothing: on NEAP_ECONFIG each
 * mistake (also a changed key that only counts at start) went to on_problem, the old one stays.
 * When it returns NEAP_OK all starts are by the new one. Reloads on several threads go one by one.
 */
NEAP_API int neap_reload(neap *n, struct neap_error *err);

/* Questions and orders about jobs, queues, schedules and workers. Answers are documents in JSON;
 * docs/documents.md says what is in them. Durations and times in params are text as in the INI. */
enum neap_what {
    NEAP_ASK_JOB,  /* id: the whole document of a job */
    NEAP_ASK_WAIT, /* id, timeout_ms: its document once it has ended; NEAP_ETIME: as it is by then
                    */
    NEAP_ASK_JOBS, /* filter terms, limit, cursor, order=newest|oldest, wide=yes:
                      {"jobs":[...],"next":cursor|null}. A few jobs a turn of the engine; where
                      the store is memory, all of them for each 4096 */
    NEAP_ASK_LOG,  /* id; offset. What it printed from there on, also in a running attempt:
                      {"text","offset","next","ended"}. timeout_ms: waits so long for more */
    NEAP_ASK_EXPLAIN, /* id: {"id","state","why","reasons":[...]}: why it does not run */
    NEAP_ASK_CANCEL,  /* id: its document after that, as for the next three */
    NEAP_ASK_RETRY,   /* id: one that has ended runs again; one that is due later is due now */
    NEAP_ASK_DELETE,  /* id: forgets one that has ended: {"id","deleted":true} */
    NEAP_ASK_EDIT,    /* id; priority, due (a time, a duration from now, or now) */
    NEAP_ASK_BULK,    /* name: cancel, retry, delete or edit; filter terms or all=yes, dry_run=yes;
                         {"matched","changed","skipped","dry_run"}. With edit priority=3 and due
                         are what to set; the filter's is then written priority==3 or priority=>3 */
    NEAP_ASK_QUEUES,
    NEAP_ASK_QUEUE,        /* name */
    NEAP_ASK_QUEUE_PAUSE,  /* name; it lasts over restarts, until resumed */
    NEAP_ASK_QUEUE_RESUME, /* name */
    NEAP_ASK_QUEUE_LIMITS, /* name; concurrency, rate, capacity: beat the configuration, also after
                              a restart; "default" takes that away */
    NEAP_ASK_TASKS,
    NEAP_ASK_TASK, /* name */
    NEAP_ASK_SCHEDULES,
    NEAP_ASK_SCHEDULE,        /* name */
    NEAP_ASK_SCHEDULE_RUN,    /* name: now, whatever its times are */
    NEAP_ASK_SCHEDULE_PAUSE,  /* name; it lasts over restarts */
    NEAP_ASK_SCHEDULE_RESUME, /* name */
    NEAP_ASK_WORKERS,
    NEAP_ASK_STATS,
    NEAP_ASK_METRICS, /* Prometheus text, version 0.0.4 */
    NEAP_ASK_STACK,   /* id, or 0 for all running jobs: Lua tracebacks of where they are */
    NEAP_ASK_BACKUP,  /* name: path of a file that does not exist */
};

struct neap_param {
    const char *name, *value;
};

struct neap_ask {
    size_t size; /* sizeof(struct neap_ask) */
    int what;    /* enum neap_what */
    uint64_t id;
    const char *name;
    const struct neap_param *params; /* unknown names and bad values are NEAP_EINVAL */
    size_t n_params;
    int64_t timeout_ms; /* of WAIT and LOG; -1: for ever */
};

/* Valid only during the call. */
struct neap_reply {
    int code;         /* enum neap_code */
    const char *text; /* the document, ends in NUL; NULL on an error */
    size_t len;
    const char *message; /* of an error; NULL: none */
    const char *param;   /* the name of the params entry that is wrong, or NULL */
};
typedef void neap_reply_fn(void *user, const struct neap_reply *reply);

/* Asks without waiting. `done` is called exactly once where this returns NEAP_OK, on the engine's
 * thread or on the caller's before it returns; it must return soon and not call into the executor.
 * Codes in the reply: NEAP_ENOENT: no such job, queue, task or schedule; NEAP_ECONFLICT: its state
 * does not allow it (the job has ended, it runs); NEAP_EINVAL: a parameter; NEAP_ETIME: WAIT, with
 * the document as it is; NEAP_ECLOSED: closing, or intake has ended; NEAP_EIO.
 * An error is returned, and `done` not called, only before neap_start, once neap_close has begun,
 * and for an ask of another size. */
NEAP_API int neap_ask(neap *n, const struct neap_ask *ask, void *user, neap_reply_fn *done,
                      struct neap_error *err);

/* Listens to changes of jobs' states: `on_event` is called on the engine's thread, after the
 * commit, with one JSON object: {"event":"job","id","task","queue","state","attempt","at"}, with
 * "error" where there is one. It must return soon and not call into the executor. `params`: filter
 * terms as of NEAP_ASK_JOBS (state: the new one). That a job has started is told within some
 * milliseconds; of a job that was due later only that. Close it before neap_close, which frees what
 * is still open. */
typedef struct neap_events neap_events;
NEAP_API int neap_events_open(neap *n, const struct neap_param *params, size_t n_params, void *user,
                              void (*on_event)(void *user, const char *json, size_t len),
                              neap_events **out, struct neap_error *err);
NEAP_API void neap_events_close(neap *n, neap_events *events); /* none comes after it returns */

/* Ends intake and starts, for good; lets running jobs finish (and on_dead run) for at most
 * `timeout_ms` (negative: as configured), then stops the rest. Jobs that wait for jobs which will
 * not start are stopped before that. What had not started stays unrun, what was stopped is handed
 * back unrun. NEAP_ETIME if something had to be stopped, or computes and could not be. Submits that
 * wait for room return NEAP_ECLOSED. A second drain, also meanwhile, can only shorten the first. */
NEAP_API int neap_drain(neap *n, int64_t timeout_ms, struct neap_error *err);

/* Waits until every job, also those that jobs submitted, has ended and on_dead has run; outcomes
 * are with neap_next by then. timeout_ms: -1 waits for ever. NEAP_ETIME: not yet; NEAP_ECLOSED: a
 * drain has ended and left jobs unrun. */
NEAP_API int neap_wait_idle(neap *n, int timeout_ms);

/* How many plugins there are whose newest version could not be loaded. */
NEAP_API size_t neap_broken(neap *n);

/* The tasks known now, in order of plugin and file. Free with neap_tasks_free. */
struct neap_task {
    const char *name, *summary, *file, *queue;
    unsigned generation;
    /* {"user":{"type":"integer","optional":false},...} or {"type":...} as JSON; NULL: none */
    const char *args_schema;
};
NEAP_API int neap_tasks(neap *n, struct neap_task **out, size_t *count, struct neap_error *err);
NEAP_API void neap_tasks_free(struct neap_task *tasks, size_t count);
/* The name of the task that options.task_file became, or NULL. Valid until neap_close. */
NEAP_API const char *neap_file_task(neap *n);

/* Every setting with its value and where it came from, as printed by `neap config`:
 * calls `row` for each, in order. */
NEAP_API void neap_config_rows(neap *n, void *user,
                               void (*row)(void *user, const char *section, const char *key,
                                           const char *value, const char *origin));
/* A setting that is a number, yes or no (1, 0), a choice (its place among them), a duration (ms) or
 * a rate (ns between starts): ("pool default", "workers"). `otherwise`: no such section or key, or
 * text. */
NEAP_API int64_t neap_config_int(neap *n, const char *section, const char *key, int64_t otherwise);
/* A setting of [http] that is text (socket, listen, token, hosts), to free(): a path as it is to be
 * opened, of the token its value. NULL where it is none. NEAP_ECONFIG: the token cannot be read. */
NEAP_API int neap_config_text(neap *n, const char *section, const char *key, char **out,
                              struct neap_error *err);

/* What a configuration file (and those it includes) says of one setting, without opening an
 * executor: for programs that look for a daemon. Mistakes elsewhere in it do not matter. The text
 * as it is written, to free(), and where, "FILE:LINE", in `*origin`, to free(), too; NULL: nothing.
 */
NEAP_API char *neap_config_look(const char *file, const char *section, const char *key,
                                char **origin);

/* Specs: *_test.lua beside the tasks, see docs/testing.md. */
enum neap_test_kind {
    NEAP_TEST_PASSED,
    NEAP_TEST_FAILED,
    NEAP_TEST_PENDING,
    NEAP_TEST_ERROR, /* not a test: what kept tests of a file, or of a block in it, from running */
};
struct neap_test_result {            /* valid only during the call */
    const char *file, *name;         /* name: of the blocks and the test; "" for a whole file */
    int kind;                        /* enum neap_test_kind */
    const char *message, *traceback; /* NULL: none */
    int64_t took_ms;
};
struct neap_test_options {    /* zeroed fields mean the default */
    size_t size;              /* sizeof(struct neap_test_options) */
    const char *const *paths; /* files, or directories to search; default: those of the plugins */
    size_t n_paths;
    const char *filter; /* a Lua pattern: only tests whose full name it matches */
    int64_t limit_ms;   /* real time of one test; 0: 10 s */
    void *user;         /* handed to the functions below, which are called on the caller's thread */
    void (*on_result)(void *user, const struct neap_test_result *result);
    void (*on_print)(void *user, const char *text, size_t len); /* what a spec prints */
};
/* Runs specs on the caller's thread, each file in a Lua state of its own with at most 512 MiB;
 * needs no neap_start. NEAP_OK also where tests failed: on_result knows. NEAP_ENOENT: no such path,
 * or no specs; NEAP_EINVAL: a filter that is no pattern, options of another size. */
NEAP_API int neap_test(neap *n, const struct neap_test_options *options, struct neap_error *err);

/* Reads the file of a store ([store] url = sqlite:PATH) that no process has open: a stopped
 * daemon's, or a copy. Changes nothing; needs no executor. Calls `each` with the document of each
 * job (docs/documents.md), as NEAP_ASK_JOB gives it, those that have not ended first, in order of
 * their ids. NEAP_ENOENT: no such file; NEAP_ECONFLICT: a process has it open; NEAP_EIO: it is no
 * store, or damaged, and `each` has had what could be read. */
NEAP_API int neap_dump(const char *path, void *user,
                       void (*each)(void *user, const char *json, size_t len),
                       struct neap_error *err);
/* Looks at all of it: pages, indexes, jobs, counts. Calls `problem` for each that it finds.
 * Errors as above where it cannot be read at all. */
NEAP_API int neap_dump_check(const char *path, void *user,
                             void (*problem)(void *user, const char *text), struct neap_error *err);

/* Text and values. */
NEAP_API void neap_id_text(uint64_t id, char out[NEAP_ID_CHARS + 1]);
NEAP_API int neap_id_parse(const char *text, uint64_t *id);
NEAP_API const char *neap_state_name(int state);
/* One line of JSON from MessagePack, to free(); NULL only for malformed bytes. */
NEAP_API char *neap_to_json(const void *msgpack, size_t len);
/* MessagePack from JSON text, to free(); NULL with `err`. */
NEAP_API void *neap_from_json(const char *json, size_t json_len, size_t *len,
                              struct neap_error *err);

#ifdef __cplusplus
}
#endif
#endif
