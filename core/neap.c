/* The life of an executor: puts the parts together, carries a host's calls to the engine. */
#include "neap_private.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* --- callbacks ----------------------------------------------------------------------------------
 */

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

struct catalogue *host_catalogue(neap *n)
{
    pthread_mutex_lock(&n->lock);
    struct catalogue *catalogue = catalogue_ref(n->catalogue);
    pthread_mutex_unlock(&n->lock);
    return catalogue;
}

struct config *host_config(neap *n)
{
    pthread_mutex_lock(&n->lock);
    struct config *config = config_ref(n->config);
    pthread_mutex_unlock(&n->lock);
    return config;
}

/* --- open and close -----------------------------------------------------------------------------
 */

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
        .preloads = (const struct preload *const *)&n->preloads,
        .keep = &n->tried,
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

static bool add_module(neap *n, const char *name, int (*open)(void *lua_state))
{
    if (!name || !*name || !open)
        return false;
    struct preload *preload = mem_zero(1, sizeof *preload);
    preload->name = mem_text(name);
    preload->open = open;
    preload->next = n->preloads;
    n->worker.preloads = n->preloads = preload;
    return true;
}

static int add_modules(neap *n, const struct neap_options *options, struct neap_error *err)
{
    for (size_t i = 0; i < options->n_modules; i++)
        if (!add_module(n, options->modules[i].name, options->modules[i].open))
            return error_set(err, NEAP_EINVAL, "options.modules: each has a name and a function");
    return NEAP_OK;
}

static int open_parts(neap *n, const struct neap_options *options, struct neap_error *err)
{
    int rc = read_config(n, &n->config, err);
    if (rc)
        return rc;
    n->worker = (struct worker_env){
        .ids = &n->ids,
        .pool = n->pool,
        .names = n->names,
        .gates = n->gates,
        .shared = shared_set_new(),
        .tried = &n->tried,
        .grace_ns = n->config->grace_ms * 1000000,
        .children = children_new((unsigned)n->config->max_children),
        .log_user = n->options.user,
        .log = n->options.on_log,
    };
    atomic_init(&n->worker.log_level, n->config->log_level);
    rc = add_modules(n, options, err);
    if (rc == NEAP_OK)
        rc = open_loader(n, err);
    if (rc)
        return rc;
    host_check_names(n, n->config);
    const struct engine_env env = {
        .worker = &n->worker,
        .url = options->flags & NEAP_MEMORY ? "memory" : n->config->store_url,
        .standing = !(options->flags & NEAP_MEMORY),
        .signal = options->signal,
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
        return error_set(err, NEAP_EINVAL, "options.size is not that of this libneap (%s)",
                         NEAP_VERSION);
    if (options->flags & ~(unsigned)(NEAP_SERVICE | NEAP_MEMORY))
        return error_set(err, NEAP_EINVAL, "options.flags: %#x is unknown", options->flags);
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
    n->pool = pool_new();
    n->names = names_new();
    n->gates = gates_new();
    const int rc = open_parts(n, options, err);
    if (rc)
        neap_close(n);
    else
        *out = n;
    return rc;
}

int neap_preload(neap *n, const char *name, int (*open)(void *lua_state), struct neap_error *err)
{
    if (n->begun || !add_module(n, name, open))
        return error_set(err, NEAP_EINVAL,
                         "neap_preload takes a name and a function, before neap_start");
    return NEAP_OK;
}

int neap_start(neap *n, struct neap_error *err)
{
    if (n->begun)
        return error_set(err, NEAP_EINVAL, "it has been started already");
    n->begun = true;
    int rc = engine_start(n->engine, err);
    if (rc == NEAP_OK && n->config->watch)
        rc = loader_start(n->loader, err);
    n->started = rc == NEAP_OK; /* else all that is left to do is neap_close */
    return rc;
}

static void free_options(neap *n)
{
    free(n->config_file);
    free(n->task_file);
    free_texts(n->settings);
    free_texts(n->plugins);
}

static void wait_for_calls(neap *n)
{
    while (atomic_load(&n->calls)) {
        engine_refuse(n->engine);
        eventfd_write(n->outbox_fd, 1); /* wakes neap_next */
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
    }
}

void neap_close(neap *n)
{
    if (!n)
        return;
    atomic_store(&n->closed, true);
    atomic_store(&n->closing, true);
    engine_stop(n->engine);
    wait_for_calls(n);
    loader_free(n->loader);
    if (engine_is_haunted(n->engine)) { /* threads stuck in C may come back and look around */
        engine_rest(n->engine);
        return;
    }
    engine_free(n->engine);
    for (struct list *at; (at = list_shift(&n->outbox));)
        delivery_free(LIST_ENTRY(at, struct delivery, link));
    tried_free(atomic_exchange(&n->tried, NULL));
    for (struct preload *at = n->preloads, *next; at; at = next) {
        next = at->next;
        free(at->name);
        free(at);
    }
    catalogue_unref(n->catalogue);
    config_unref(n->config);
    shared_set_free(n->worker.shared);
    children_free(n->worker.children);
    gates_free(n->gates);
    names_free(n->names);
    pool_free(n->pool);
    pthread_mutex_destroy(&n->lock);
    pthread_mutex_destroy(&n->problem_lock);
    pthread_mutex_destroy(&n->reload_lock);
    pthread_mutex_destroy(&n->outbox_lock);
    close(n->outbox_fd);
    free_options(n);
    free(n);
}

/* --- asking the engine --------------------------------------------------------------------------
 */

void host_leave(neap *n)
{
    atomic_fetch_sub(&n->calls, 1);
}

int host_enter(neap *n, struct neap_error *err)
{
    if (!n->started)
        return error_set(err, NEAP_EINVAL, "the executor has not been started");
    return host_enter_early(n, err);
}

int host_enter_early(neap *n, struct neap_error *err)
{
    atomic_fetch_add(&n->calls, 1);
    if (!atomic_load(&n->closing))
        return NEAP_OK;
    host_leave(n);
    return error_set(err, NEAP_ECLOSED, "the executor is closing");
}

static void host_done(struct call *call)
{
    sem_post(&((struct host_call *)(void *)call)->done);
}

int host_ask(neap *n, struct host_call *host, int kind)
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

int64_t host_deadline(int64_t timeout_ms)
{
    const int64_t now_ms = clock_unix_ms();
    return timeout_ms > TIME_MAX_MS ? INT64_MAX : now_ms + timeout_ms;
}

/* --- reload and drain ---------------------------------------------------------------------------
 */

static int reload(neap *n, struct neap_error *err)
{
    struct config *config = NULL;
    int rc = read_config(n, &config, err);
    if (rc == NEAP_OK)
        rc = loader_reload(n->loader, config, err);
    if (rc == NEAP_OK) {
        host_check_names(n, config);
        struct host_call host = {.call = {.deadline_ms = INT64_MAX, .user = config}};
        rc = host_ask(n, &host, ENGINE_CALL_CONFIG);
        pthread_mutex_lock(&n->lock);
        struct config *old = n->config;
        n->config = config_ref(config);
        pthread_mutex_unlock(&n->lock);
        config_unref(old);
    }
    config_unref(config);
    return rc == NEAP_ECLOSED ? error_set(err, rc, "the executor is closing") : rc;
}

int neap_reload(neap *n, struct neap_error *err)
{
    struct neap_error own;
    err = err ? err : &own;
    int rc = host_enter(n, err);
    if (rc)
        return rc;
    pthread_mutex_lock(&n->reload_lock);
    rc = reload(n, err);
    pthread_mutex_unlock(&n->reload_lock);
    host_leave(n);
    return rc;
}

int neap_drain(neap *n, int64_t timeout_ms, struct neap_error *err)
{
    int rc = host_enter(n, err);
    if (rc)
        return rc;
    atomic_store(&n->closed, true);
    struct config *config = host_config(n);
    const int64_t limit_ms = timeout_ms < 0 ? config->drain_ms : timeout_ms;
    config_unref(config);
    struct host_call host = {.call = {.deadline_ms = host_deadline(limit_ms)}};
    rc = host_ask(n, &host, ENGINE_CALL_DRAIN);
    host_leave(n);
    if (rc == NEAP_ETIME)
        return error_set(err, rc, "some jobs did not end in time");
    return rc ? error_set(err, rc, "the executor is closing") : NEAP_OK;
}
