/* Where a worker sleeps. As long as its loop has neither a handle nor a request of anybody's, or is
 * not even open: on its mailbox, which is one system call to sleep and one to be woken; the loop
 * does not turn. Else in the loop, which an event descriptor wakes (a uv_async_t makes who is woken
 * wait for who wakes it, and that one has just lost its core to it). */
#include "runtime/worker_state.h"

#include "base/clock.h"
#include "base/error.h"
#include "runtime/monitor.h"

#include <sys/eventfd.h>
#include <unistd.h>

#define IDLE_STEP_BYTES (64 * 1024) /* allocated since the collector's last step when idle */

/* --- the loop --------------------------------------------------------------------------------- */

static void on_wake(uv_poll_t *wake, int status, int events)
{
    (void)status;
    (void)events;
    struct worker *w = wake->data;
    eventfd_read(w->wake_fd, &(eventfd_t){0}); /* the loop turns, that is all */
}

void worker_poke(void *worker)
{
    eventfd_write(((struct worker *)worker)->wake_fd, 1);
}

/* uv_run looks at its timers before it polls: one that fired there must keep it from sleeping on.
 */
static void on_timer(uv_timer_t *timer)
{
    uv_stop(timer->loop);
}

int worker_open_loop(struct worker *w, struct neap_error *err)
{
    const char *why = "no descriptor is left";
    if (w->looping)
        return NEAP_OK;
    w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->wake_fd < 0)
        goto fail;
    int rc = uv_loop_init(&w->loop);
    if (rc)
        goto fail_loop;
    rc = uv_poll_init(&w->loop, &w->wake, w->wake_fd);
    if (rc)
        goto fail_wake;
    w->wake.data = w;
    uv_poll_start(&w->wake, UV_READABLE, on_wake);
    uv_timer_init(&w->loop, &w->timer);
    w->looping = true;
    return NEAP_OK;

fail_wake:
    uv_loop_close(&w->loop);
fail_loop:
    why = uv_strerror(rc);
    close(w->wake_fd);
fail:
    return error_set(err, NEAP_EIO, "cannot open a worker's loop: %s", why);
}

void worker_close_loop(struct worker *w)
{
    if (!w->looping)
        return;
    w->looping = false;
    uv_close((uv_handle_t *)&w->wake, NULL);
    uv_close((uv_handle_t *)&w->timer, NULL);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    uv_loop_close(&w->loop);
    close(w->wake_fd);
}

struct walk {
    const struct worker *w;
    bool found;
};

static void look_whose(uv_handle_t *handle, void *arg)
{
    struct walk *walk = arg;
    walk->found |= handle != (const uv_handle_t *)&walk->w->wake &&
                   handle != (const uv_handle_t *)&walk->w->timer;
}

/* Can anything come out of the loop but what `wake` and `timer` are for? */
static bool loop_is_used(struct worker *w)
{
    if (!w->looping)
        return false;
    if (w->loop.active_reqs.count > 0 || w->loop.active_handles > 2)
        return true;
    struct walk walk = {w, false};
    uv_walk(&w->loop, look_whose,
            &walk); /* also what is closing, and what does not keep it alive */
    return walk.found;
}

/* --- sleeping --------------------------------------------------------------------------------- */

/* When the next thing is due by itself; INT64_MAX: nothing is. */
static int64_t next_due_ns(const struct worker *w)
{
    const struct rank *sleeper = ranks_min(&w->sleepers);
    const struct rank *deadline = ranks_min(&w->deadlines);
    int64_t due_ns = w->follow_due_ns;
    due_ns = sleeper && sleeper->key < due_ns ? sleeper->key : due_ns;
    return deadline && deadline->key < due_ns ? deadline->key : due_ns;
}

static void arm_timer(struct worker *w)
{
    const int64_t due_ns = next_due_ns(w);
    if (due_ns == INT64_MAX) {
        uv_timer_stop(&w->timer);
        return;
    }
    const int64_t left_ns = due_ns - w->now_ns; /* at most a turn old: never too short */
    uv_update_time(&w->loop);
    uv_timer_start(&w->timer, on_timer, left_ns > 0 ? (uint64_t)(left_ns + 999999) / 1000000 : 0,
                   0);
}

/* Idle time is for the collector: one step for a good deal of garbage. */
static void collect(struct worker *w)
{
    if (w->vm.allocated_bytes - w->stepped_bytes < IDLE_STEP_BYTES)
        return;
    w->stepped_bytes = w->vm.allocated_bytes;
    lua_gc(w->vm.L, LUA_GCSTEP, 0);
}

/* False if something came between the last look and now (see worker_wake). */
static bool becomes_idle(struct worker *w)
{
    if (worker_has_work(w))
        return false;
    atomic_store(&w->pulse.idle, true);
    if (line_length(&w->line))
        return false;
    mailbox_nudge(w->env->engine);
    collect(w);
    return true;
}

void worker_sleep(struct worker *w)
{
    bool idle = becomes_idle(w);
    w->callbacks_ns = 0;
    if (loop_is_used(w)) {
        arm_timer(w);
        idle = idle && mailbox_sleep(&w->mailbox);
        uv_run(&w->loop, idle ? UV_RUN_ONCE : UV_RUN_NOWAIT);
    } else {
        idle = idle && mailbox_wait(&w->mailbox, next_due_ns(w));
        if (w->looping)
            uv_update_time(&w->loop); /* luv reckons from there */
    }
    if (idle || atomic_load_explicit(&w->pulse.idle, memory_order_relaxed)) {
        atomic_store(&w->pulse.idle, false);
        monitor_rouse(w->env->monitor);
        w->alone = true;
    }
}
