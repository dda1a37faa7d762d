#include "runtime/loader.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/thread.h"
#include "runtime/loader_versions.h"
#include "runtime/loader_watch.h"

enum {
    QUIET_MS = 50,     /* after the last event */
    POSTPONE_MS = 500, /* but not longer after the first */
    RESCAN_MS = 2000,
};

struct request { /* on the stack of the thread that waits in loader_reload */
    struct config *config;
    struct neap_error *err;
    int rc;
    bool done;
};

struct loader {
    struct loader_env env;
    struct versions *versions; /* the loader's thread; before it starts, the opener's */

    pthread_mutex_t lock; /* guards the two below; nothing is called under it */
    pthread_cond_t turned;
    struct request *request; /* the one under way */
    bool ending;

    pthread_t thread;
    bool started;   /* set before anybody else knows the loader */
    uv_loop_t loop; /* used by its thread, but for uv_async_send */
    uv_async_t wake;
    uv_timer_t look_timer, rescan_timer;
    struct watches *watches;
    uint64_t dirty_since_ms; /* of the loop's clock; 0: nothing happened since the last look */
    uint64_t again_ms;       /* when the last look wanted another one; 0: it did not */
    bool warned;
};

int loader_new(struct loader **out, const struct loader_env *env, struct config *config,
               struct neap_error *err)
{
    struct loader *l = mem_zero(1, sizeof *l);
    l->env = *env;
    l->versions = versions_new(env);
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->turned, NULL);
    int rc = versions_load(l->versions, config, err);
    if (rc) {
        loader_free(l);
        return rc;
    }
    *out = l;
    return NEAP_OK;
}

static void on_look(uv_timer_t *timer);

static void look_in(struct loader *l, uint64_t ms)
{
    uv_timer_start(&l->look_timer, on_look, ms, 0);
}

static void on_event(void *user)
{
    struct loader *l = user;
    uv_update_time(&l->loop);
    const uint64_t now_ms = uv_now(&l->loop);
    if (!l->dirty_since_ms)
        l->dirty_since_ms = now_ms;
    uint64_t latest_ms = l->dirty_since_ms + POSTPONE_MS;
    if (l->again_ms && l->again_ms < latest_ms)
        latest_ms = l->again_ms;
    if (now_ms + QUIET_MS <= latest_ms)
        look_in(l, QUIET_MS);
    else
        look_in(l, latest_ms > now_ms ? latest_ms - now_ms : 0);
}

static void sync_watches(struct loader *l)
{
    size_t n_roots;
    const char *const *roots = versions_roots(l->versions, &n_roots);
    if (watches_sync(l->watches, versions_listing(l->versions), roots, n_roots))
        on_event(l); /* what happened before the watch was there */
    const int error = watches_error(l->watches);
    if (!error || l->warned)
        return;
    char *text =
        mem_format("cannot watch all plugin directories (%s); looking every %d s instead%s",
                   uv_strerror(error), RESCAN_MS / 1000,
                   error == UV_ENOSPC ? " (fs.inotify.max_user_watches is used up)" : "");
    l->env.problem(l->env.user, text);
    free(text);
    l->warned = true;
}

static void look(struct loader *l)
{
    uv_timer_stop(&l->look_timer);
    l->dirty_since_ms = 0;
    l->again_ms = 0;
    const int64_t wait_ms = versions_look(l->versions);
    sync_watches(l);
    if (wait_ms < 0)
        return;
    uv_update_time(&l->loop);
    l->again_ms = uv_now(&l->loop) + (uint64_t)wait_ms;
    look_in(l, (uint64_t)wait_ms);
}

static void on_look(uv_timer_t *timer)
{
    look(timer->data);
}

static void take_request(struct loader *l, struct request *request)
{
    const int rc = versions_load(l->versions, request->config, request->err);
    sync_watches(l);
    on_event(l); /* what was left because it kept changing */
    pthread_mutex_lock(&l->lock);
    request->rc = rc;
    request->done = true;
    pthread_cond_broadcast(&l->turned);
    pthread_mutex_unlock(&l->lock);
}

static void on_wake(uv_async_t *wake)
{
    struct loader *l = wake->data;
    pthread_mutex_lock(&l->lock);
    struct request *request = l->request && !l->request->done ? l->request : NULL;
    const bool ending = l->ending;
    pthread_mutex_unlock(&l->lock);
    if (request)
        take_request(l, request);
    if (ending)
        uv_stop(&l->loop);
}

static void *loader_main(void *arg)
{
    struct loader *l = arg;
    l->watches = watches_new(&l->loop, l, on_event);
    uv_timer_start(&l->rescan_timer, on_look, RESCAN_MS, RESCAN_MS);
    look(l);
    uv_run(&l->loop, UV_RUN_DEFAULT);
    watches_free(l->watches);
    uv_close((uv_handle_t *)&l->wake, NULL);
    uv_close((uv_handle_t *)&l->look_timer, NULL);
    uv_close((uv_handle_t *)&l->rescan_timer, NULL);
    uv_run(&l->loop, UV_RUN_DEFAULT);
    return NULL;
}

int loader_start(struct loader *l, struct neap_error *err)
{
    int rc = uv_loop_init(&l->loop);
    if (rc)
        return error_set(err, NEAP_EIO, "loader: %s", uv_strerror(rc));
    rc = uv_async_init(&l->loop, &l->wake, on_wake);
    if (rc) {
        uv_loop_close(&l->loop);
        return error_set(err, NEAP_EIO, "loader: %s", uv_strerror(rc));
    }
    uv_timer_init(&l->loop, &l->look_timer);
    uv_timer_init(&l->loop, &l->rescan_timer);
    l->wake.data = l->look_timer.data = l->rescan_timer.data = l;
    rc = thread_start(&l->thread, 0, loader_main, l);
    if (rc) {
        uv_close((uv_handle_t *)&l->wake, NULL);
        uv_close((uv_handle_t *)&l->look_timer, NULL);
        uv_close((uv_handle_t *)&l->rescan_timer, NULL);
        uv_run(&l->loop, UV_RUN_DEFAULT);
        uv_loop_close(&l->loop);
        return error_set(err, NEAP_EIO, "loader: no thread: %s", strerror(rc));
    }
    l->started = true;
    return NEAP_OK;
}

int loader_reload(struct loader *l, struct config *config, struct neap_error *err)
{
    struct request request = {.config = config, .err = err};
    pthread_mutex_lock(&l->lock);
    while (l->request)
        pthread_cond_wait(&l->turned, &l->lock);
    l->request = &request;
    if (l->started) {
        uv_async_send(&l->wake);
        while (!request.done)
            pthread_cond_wait(&l->turned, &l->lock);
    } else {
        pthread_mutex_unlock(&l->lock);
        request.rc = versions_load(l->versions, config, err);
        pthread_mutex_lock(&l->lock);
    }
    l->request = NULL;
    pthread_cond_broadcast(&l->turned);
    pthread_mutex_unlock(&l->lock);
    return request.rc;
}

size_t loader_broken(struct loader *l)
{
    return versions_broken(l->versions);
}

void loader_free(struct loader *l)
{
    if (!l)
        return;
    if (l->started) {
        pthread_mutex_lock(&l->lock);
        assert(!l->request);
        l->ending = true;
        pthread_mutex_unlock(&l->lock);
        uv_async_send(&l->wake);
        pthread_join(l->thread, NULL);
        const int rc = uv_loop_close(&l->loop);
        assert(!rc);
        (void)rc;
    }
    versions_free(l->versions);
    pthread_cond_destroy(&l->turned);
    pthread_mutex_destroy(&l->lock);
    free(l);
}
