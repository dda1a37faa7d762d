/* The public API: puts the parts together and carries a host's calls to the engine. */
#include "neap.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "model/json.h"
#include "runtime/loader.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Shared by the host's threads; each part says who guards it. */
struct neap {
    struct neap_options options; /* constant; its pointers are only used by neap_open and reload */
    char *config_file, **settings, **plugins, *task_file; /* copies of what it points to */
    struct names *names;
    struct gates *gates;
    struct id_source ids;
    struct worker_env worker;
    struct preload *preloads; /* fixed once started */
    struct loader *loader;
    struct engine *engine;
    pthread_mutex_t lock; /* guards the two below: references are taken and given under it */
    struct catalogue *catalogue;
    struct config *config;
    pthread_mutex_t problem_lock; /* held over on_problem only, so that it is never called twice at once */
    pthread_mutex_t reload_lock;  /* one reload at a time */
    pthread_mutex_t outbox_lock;  /* guards outbox; the descriptor is readable while it is not empty */
    struct list outbox;
    int outbox_fd;
    bool started;
    atomic_bool closed; /* intake has ended */
    bool has_file_task;
    char file_task[NEAP_TASK_MAX + 1];
};

/* --- callbacks ---------------------------------------------------------------------------------- */

static void on_problem(void *user, const char *text)
{
    neap *n = user;
    if (!n->options.on_problem)
        return;
    pthread_mutex_lock(&n->problem_lock);
    n->options.on_problem(n->options.user, text);
    pthread_mutex_unlock(&n->problem_lock);
}

/* The engine hears of it first, so that no job for a new task gets there before the task does. */
static void on_publish(void *user, struct catalogue *catalogue)
{
    neap *n = user;
    if (n->engine) {
        struct catalogue_note *note = mem_zero(1, sizeof *note);
        note->message.kind = ENGINE_CATALOGUE;
        note->catalogue = catalogue_ref(catalogue);
        mailbox_post(engine_mailbox(n->engine), &note->message);
    }
    pthread_mutex_lock(&n->lock);
    struct catalogue *old = n->catalogue;
    n->catalogue = catalogue;
    pthread_mutex_unlock(&n->lock);
    catalogue_unref(old);
}

static void on_deliver(void *user, struct list *deliveries)
{
    neap *n = user;
    pthread_mutex_lock(&n->outbox_lock);
    const bool was_empty = list_empty(&n->outbox);
    list_splice(&n->outbox, deliveries);
    if (was_empty)
        eventfd_write(n->outbox_fd, 1);
    pthread_mutex_unlock(&n->outbox_lock);
    if (n->options.on_ready)
        n->options.on_ready(n->options.user);
}

static void on_fatal(void *user, const char *text)
{
    neap *n = user;
    if (n->options.on_fatal)
        n->options.on_fatal(n->options.user, text);
}

static struct catalogue *current_catalogue(neap *n)
{
    pthread_mutex_lock(&n->lock);
    struct catalogue *catalogue = catalogue_ref(n->catalogue);
    pthread_mutex_unlock(&n->lock);
    return catalogue;
}

static struct config *current_config(neap *n)
{
    pthread_mutex_lock(&n->lock);
    struct config *config = config_ref(n->config);
    pthread_mutex_unlock(&n->lock);
    return config;
}

/* --- open and close ----------------------------------------------------------------------------- */

static char **copy_texts(const char *const *texts, size_t count)
{
    char **copy = mem_zero(count + 1, sizeof *copy);
    for (size_t i = 0; i < count; i++)
        copy[i] = mem_text(texts[i]);
    return copy;
}

static void free_texts(char **texts)
{
    for (char **at = texts; at && *at; at++)
        free(*at);
    free(texts);
}

static int read_config(neap *n, struct config **out, struct neap_error *err)
{
    const struct config_source source = {
        .file = n->config_file,
        .settings = (const char *const *)n->settings,
        .n_settings = n->options.n_settings,
        .plugins = (const char *const *)n->plugins,
        .n_plugins = n->options.n_plugins,
        .service = n->options.flags & NEAP_SERVICE,
        .problem = on_problem,
        .user = n,
    };
    int rc = config_load(out, &source, err);
    if (rc == NEAP_OK && n->config) {
        rc = config_may_replace(n->config, *out, &source, err);
        if (rc) {
            config_unref(*out);
            *out = NULL;
        }
    }
    return rc;
}

static void copy_options(neap *n, const struct neap_options *options)
{
    n->options = *options;
    n->config_file = mem_text(options->config_file);
    n->task_file = mem_text(options->task_file);
    n->settings = copy_texts(options->settings, options->n_settings);
    n->plugins = copy_texts(options->plugins, options->n_plugins);
}

static int open_loader(neap *n, struct neap_error *err)
{
    const struct loader_env env = {
        .names = n->names,
        .gates = n->gates,
        .service = n->options.flags & NEAP_SERVICE,
        .roots = {.task_file = n->task_file},
        .user = n,
        .publish = on_publish,
        .problem = on_problem,
    };
    const int rc = loader_new(&n->loader, &env, n->config, err);
    if (rc || !n->task_file)
        return rc;
    size_t n_dirs = 0;
    while (n->config->plugins[n_dirs])
        n_dirs++;
    const struct source_roots roots = {
        .dirs = (const char *const *)n->config->plugins,
        .n_dirs = n_dirs,
        .task_file = n->task_file,
    };
    n->has_file_task = source_file_task(&roots, n->file_task, err) == NEAP_OK;
    return n->has_file_task ? NEAP_OK : err->code;
}

static int open_parts(neap *n, struct neap_error *err)
{
    int rc = read_config(n, &n->config, err);
    if (rc)
        return rc;
    n->worker = (struct worker_env){
        .ids = &n->ids,
        .names = n->names,
        .gates = n->gates,
        .shared = shared_set_new(),
        .log_user = n->options.user,
        .log = n->options.on_log,
    };
    atomic_init(&n->worker.log_level, n->config->log_level);
    rc = open_loader(n, err);
    if (rc)
        return rc;
    const struct engine_env env = {
        .worker = &n->worker,
        .store = &store_memory,
        .user = n,
        .deliver = on_deliver,
        .fatal = on_fatal,
    };
    return engine_new(&n->engine, &env, n->config, n->catalogue, err);
}

int neap_open(neap **out, const struct neap_options *options, struct neap_error *err)
{
    struct neap_error own;
    err = err ? err : &own;
    *out = NULL;
    if (!options || options->size != sizeof *options)
        return error_set(err, NEAP_EINVAL, "options.size is not that of this libneap (%s)", NEAP_VERSION);
    const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return error_set(err, NEAP_EIO, "eventfd: %s", strerror(errno));
    neap *n = mem_zero(1, sizeof *n);
    n->outbox_fd = fd;
    copy_options(n, options);
    pthread_mutex_init(&n->lock, NULL);
    pthread_mutex_init(&n->problem_lock, NULL);
    pthread_mutex_init(&n->reload_lock, NULL);
    pthread_mutex_init(&n->outbox_lock, NULL);
    list_init(&n->outbox);
    n->names = names_new();
    n->gates = gates_new();
    const int rc = open_parts(n, err);
    if (rc)
        neap_close(n);
    else
        *out = n;
    return rc;
}

int neap_preload(neap *n, const char *name, int (*open)(void *lua_state), struct neap_error *err)
{
    if (n->started || !name || !*name || !open)
        return error_set(err, NEAP_EINVAL, "neap_preload takes a name and a function, before neap_start");
    struct preload *preload = mem_zero(1, sizeof *preload);
    preload->name = mem_text(name);
    preload->open = open;
    preload->next = n->preloads;
    n->worker.preloads = n->preloads = preload;
    return NEAP_OK;
}

int neap_start(neap *n, struct neap_error *err)
{
    if (n->started)
        return error_set(err, NEAP_EINVAL, "it has been started already");
    const int rc = engine_start(n->engine, err);
    n->started = true; /* also where it failed: neap_close cleans up */
    return rc ? rc : loader_start(n->loader, n->config->watch, err);
}

static void free_options(neap *n)
{
    free(n->config_file);
    free(n->task_file);
    free_texts(n->settings);
    free_texts(n->plugins);
}

void neap_close(neap *n)
{
    if (!n)
        return;
    atomic_store(&n->closed, true);
    loader_free(n->loader);
    engine_free(n->engine);
    for (struct list *at; (at = list_shift(&n->outbox));)
        delivery_free(LIST_ENTRY(at, struct delivery, link));
    for (struct preload *at = n->preloads, *next; at; at = next) {
        next = at->next;
        free(at->name);
        free(at);
    }
    catalogue_unref(n->catalogue);
    config_unref(n->config);
    shared_set_free(n->worker.shared);
    gates_free(n->gates);
    names_free(n->names);
    pthread_mutex_destroy(&n->lock);
    pthread_mutex_destroy(&n->problem_lock);
    pthread_mutex_destroy(&n->reload_lock);
    pthread_mutex_destroy(&n->outbox_lock);
    close(n->outbox_fd);
    free_options(n);
    free(n);
}

/* --- asking the engine -------------------------------------------------------------------------- */

struct host_call { /* on the asking thread's stack; the engine's between post and done */
    struct call call;
    sem_t done;
};

static void host_done(struct call *call)
{
    sem_post(&((struct host_call *)(void *)call)->done);
}

static int ask(neap *n, struct host_call *host, int kind)
{
    struct call *call = &host->call;
    call->message.kind = kind;
    call->done = host_done;
    sem_init(&host->done, 0, 0);
    mailbox_post(engine_mailbox(n->engine), &call->message);
    while (sem_wait(&host->done) && errno == EINTR)
        ;
    sem_destroy(&host->done);
    return call->rc;
}

static int not_started(struct neap_error *err)
{
    return error_set(err, NEAP_EINVAL, "the executor has not been started");
}

/* --- submit ------------------------------------------------------------------------------------- */

static int pack_args(const struct neap_request *request, struct buf *out, struct neap_error *err)
{
    const size_t len = request->args && !request->args_len ? strlen(request->args) : request->args_len;
    if (!request->args)
        return NEAP_OK;
    if (!(request->flags & NEAP_MSGPACK))
        return json_to_msgpack(request->args, len, out, err);
    if (len > NEAP_VALUE_MAX)
        return error_set(err, NEAP_EINVAL, "args: more than %d bytes", NEAP_VALUE_MAX);
    buf_put(out, request->args, len);
    return NEAP_OK;
}

static int find_gate(neap *n, const struct neap_request *request, const struct task_info *info,
                     struct gate **out, struct neap_error *err)
{
    *out = request->queue ? gates_find(n->gates, request->queue) : info->gate;
    if (*out && atomic_load(&(*out)->open))
        return NEAP_OK;
    return error_set(err, NEAP_ENOENT, "no such queue: %s", request->queue ? request->queue : info->gate->name);
}

static int check_request(const struct neap_request *r, struct neap_error *err)
{
    if (!r->task)
        return error_set(err, NEAP_EINVAL, "a request names a task");
    if (r->priority_set && (r->priority < NEAP_PRIORITY_MIN || r->priority > NEAP_PRIORITY_MAX))
        return error_set(err, NEAP_EINVAL, "priority %d is out of range %d to %d", r->priority, NEAP_PRIORITY_MIN,
                         NEAP_PRIORITY_MAX);
    if (r->delay_ms < 0 || r->at_ms < 0 || r->expires_ms < 0 || (r->delay_ms && r->at_ms))
        return error_set(err, NEAP_EINVAL, "times are not negative, and either delay_ms or at_ms is set");
    return NEAP_OK;
}

static int build_job(neap *n, const struct neap_request *r, const struct catalogue *catalogue,
                     struct job **out, struct neap_error *err)
{
    struct buf args = {0};
    struct gate *gate;
    int rc = check_request(r, err);
    if (rc)
        return rc;
    const struct task_name *name = names_find(n->names, r->task);
    const struct task_info *info = name ? catalogue_task(catalogue, name) : NULL;
    if (!info)
        return catalogue_no_task(catalogue, r->task, err);
    rc = find_gate(n, r, info, &gate, err);
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
        if (r->retry) {
            const struct retry retry = {r->retry->max, r->retry->backoff, r->retry->base_ms, r->retry->cap_ms,
                                        r->retry->jitter};
            job->retry = mem_copy(&retry, sizeof retry);
        }
    }
    buf_close(&args);
    return rc;
}

static int refused(struct job *job, uint64_t *id, struct neap_error *err)
{
    struct gate *gate = job->gate;
    const bool drop = atomic_load(&gate->policy) == GATE_DROP;
    atomic_fetch_add(drop ? &gate->dropped : &gate->rejected, 1);
    job_free(job);
    if (id)
        *id = 0;
    return drop ? NEAP_OK : error_set(err, NEAP_EFULL, "queue %s is full", gate->name);
}

static int wait_for_room(neap *n, struct job *job, uint64_t *id, struct neap_error *err)
{
    struct host_call host = {.call = {.id = job->id, .job = job, .deadline_ms = INT64_MAX}};
    const uint64_t job_id = job->id;
    const int rc = ask(n, &host, ENGINE_CALL_ROOM);
    if (rc) {
        job_free(job);
        return error_set(err, NEAP_ECLOSED, "the executor is closing");
    }
    if (id)
        *id = job_id;
    return NEAP_OK;
}

int neap_submit(neap *n, const struct neap_request *request, uint64_t *id, struct neap_error *err)
{
    struct job *job = NULL;
    if (!n->started)
        return not_started(err);
    if (atomic_load(&n->closed))
        return error_set(err, NEAP_ECLOSED, "the executor takes no more jobs");
    struct catalogue *catalogue = current_catalogue(n);
    const int rc = build_job(n, request, catalogue, &job, err);
    catalogue_unref(catalogue);
    if (rc)
        return rc;
    if (gate_enter(job->gate)) {
        if (id)
            *id = job->id;
        mailbox_post(engine_mailbox(n->engine), &job->message);
        return NEAP_OK;
    }
    if (atomic_load(&job->gate->policy) != GATE_BLOCK)
        return refused(job, id, err);
    if (request->flags & NEAP_NOWAIT) {
        error_set(err, NEAP_EAGAIN, "queue %s is full", job->gate->name);
        job_free(job);
        return NEAP_EAGAIN;
    }
    return wait_for_room(n, job, id, err);
}

/* --- outcomes ----------------------------------------------------------------------------------- */

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

int neap_next(neap *n, struct neap_outcome *out, int timeout_ms)
{
    const int64_t until_ms = clock_mono_ms() + timeout_ms;
    for (;;) {
        struct delivery *delivery = take_delivery(n);
        if (delivery) {
            *out = delivery->outcome;
            return NEAP_OK;
        }
        const int64_t left_ms = timeout_ms < 0 ? -1 : until_ms - clock_mono_ms();
        if (timeout_ms >= 0 && left_ms <= 0)
            return NEAP_ETIME;
        struct pollfd fd = {.fd = n->outbox_fd, .events = POLLIN};
        poll(&fd, 1, (int)left_ms);
    }
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

/* --- jobs, counters, tasks ---------------------------------------------------------------------- */

int neap_get(neap *n, uint64_t id, struct neap_job *out, struct neap_error *err)
{
    struct host_call host = {.call = {.id = id, .deadline_ms = INT64_MAX, .user = out}};
    if (!n->started)
        return not_started(err);
    const int rc = ask(n, &host, ENGINE_CALL_GET);
    return rc ? error_set(err, rc, "no such job") : NEAP_OK;
}

void neap_job_free(struct neap_job *job)
{
    free(job->owned);
    *job = (struct neap_job){0};
}

int neap_cancel(neap *n, uint64_t id, struct neap_error *err)
{
    struct host_call host = {.call = {.id = id, .deadline_ms = INT64_MAX}};
    if (!n->started)
        return not_started(err);
    const int rc = ask(n, &host, ENGINE_CALL_CANCEL);
    return rc ? error_set(err, rc, rc == NEAP_ENOENT ? "no such job" : "the job has ended") : NEAP_OK;
}

int neap_stats(neap *n, struct neap_stats *out, struct neap_error *err)
{
    struct host_call host = {.call = {.deadline_ms = INT64_MAX, .user = out}};
    return n->started ? ask(n, &host, ENGINE_CALL_STATS) : not_started(err);
}

void neap_stats_free(struct neap_stats *stats)
{
    free(stats->owned);
    *stats = (struct neap_stats){0};
}

int neap_wait_idle(neap *n, int timeout_ms)
{
    struct host_call host = {.call = {.deadline_ms = timeout_ms < 0 ? INT64_MAX : clock_unix_ms() + timeout_ms}};
    return n->started ? ask(n, &host, ENGINE_CALL_IDLE) : NEAP_EINVAL;
}

size_t neap_broken(neap *n)
{
    return loader_broken(n->loader);
}

static struct neap_task describe(const struct task_info *info)
{
    const struct source *source = info->plugin->source;
    return (struct neap_task){
        .name = mem_text(info->name->text),
        .summary = mem_text(info->summary),
        .file = mem_format("%s/%s", source->dir, source->files[info->file].path),
        .queue = mem_text(info->gate->name),
        .generation = info->plugin->generation,
        .args_schema = mem_text(info->args_schema),
    };
}

int neap_tasks(neap *n, struct neap_task **out, size_t *count, struct neap_error *err)
{
    struct catalogue *catalogue = current_catalogue(n);
    struct neap_task *tasks = mem_zero(catalogue->n_tasks, sizeof *tasks);
    size_t found = 0;
    (void)err;
    for (size_t p = 0; p < catalogue->n_plugins; p++)
        for (size_t t = 0; t < catalogue->plugins[p]->n_tasks; t++)
            tasks[found++] = describe(&catalogue->plugins[p]->tasks[t]);
    catalogue_unref(catalogue);
    *out = tasks;
    *count = found;
    return NEAP_OK;
}

void neap_tasks_free(struct neap_task *tasks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free((void *)tasks[i].name);
        free((void *)tasks[i].summary);
        free((void *)tasks[i].file);
        free((void *)tasks[i].queue);
        free((void *)tasks[i].args_schema);
    }
    free(tasks);
}

const char *neap_file_task(neap *n)
{
    return n->has_file_task ? n->file_task : NULL;
}

/* --- reload and drain --------------------------------------------------------------------------- */

int neap_reload(neap *n, struct neap_error *err)
{
    struct config *config = NULL;
    struct neap_error own;
    err = err ? err : &own;
    if (!n->started)
        return not_started(err);
    pthread_mutex_lock(&n->reload_lock);
    int rc = read_config(n, &config, err);
    if (rc == NEAP_OK)
        rc = loader_reload(n->loader, config, err);
    if (rc == NEAP_OK) {
        struct host_call host = {.call = {.deadline_ms = INT64_MAX, .user = config}};
        rc = ask(n, &host, ENGINE_CALL_CONFIG);
        pthread_mutex_lock(&n->lock);
        struct config *old = n->config;
        n->config = config_ref(config);
        pthread_mutex_unlock(&n->lock);
        config_unref(old);
    }
    config_unref(config);
    pthread_mutex_unlock(&n->reload_lock);
    return rc;
}

int neap_drain(neap *n, int64_t timeout_ms, struct neap_error *err)
{
    if (!n->started)
        return not_started(err);
    atomic_store(&n->closed, true);
    struct config *config = current_config(n);
    const int64_t limit_ms = timeout_ms < 0 ? config->drain_ms : timeout_ms;
    config_unref(config);
    struct host_call host = {.call = {.deadline_ms = clock_unix_ms() + limit_ms}};
    const int rc = ask(n, &host, ENGINE_CALL_DRAIN);
    return rc ? error_set(err, rc, "some jobs did not end in time") : NEAP_OK;
}

void neap_config_rows(neap *n, void *user,
                      void (*row)(void *user, const char *section, const char *key, const char *value,
                                  const char *origin))
{
    struct config *config = current_config(n);
    config_rows(config, user, row);
    config_unref(config);
}

int64_t neap_config_int(neap *n, const char *section, const char *key, int64_t otherwise)
{
    struct config *config = current_config(n);
    int64_t value = otherwise;
    if (strcmp(section, "neap") == 0 && strcmp(key, "drain") == 0)
        value = config->drain_ms;
    else if (strcmp(section, "neap") == 0 && strcmp(key, "watch") == 0)
        value = config->watch;
    else if (strcmp(section, "log") == 0 && strcmp(key, "level") == 0)
        value = config->log_level;
    else if (strcmp(section, "log") == 0 && strcmp(key, "format") == 0)
        value = config->log_format;
    config_unref(config);
    return value;
}
