#include "runtime/monitor.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/thread.h"
#include "runtime/interrupt.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TICKS_A_SLICE 4
#define TICK_MAX_NS INT64_C(10000000)
#define TICK_MIN_NS INT64_C(25000)
#define IDLE_LOOKS 4 /* before it sleeps: jobs that come now and then do not rouse it each time */

/* Owner: its thread; the others touch `pulses`, `asleep` and `stopping` under the lock. */
struct monitor {
    pthread_t thread;
    pthread_mutex_t lock; /* under it only signals are sent and `stuck` is called */
    pthread_cond_t roused;
    struct list pulses;
    int64_t tick_ns;
    int64_t next_ns; /* when it looks next */
    int64_t grace_ns;
    atomic_bool asleep; /* cleared without the lock by who rouses it */
    bool stopping;
    void *user;
    void (*stuck)(void *user, struct pulse *pulse, uint64_t state);
};

static bool has_to_end(const struct pulse *p, int64_t now_ns)
{
    const uint64_t job = atomic_load_explicit(&p->job, memory_order_relaxed);
    if (atomic_load_explicit(&p->brief, memory_order_relaxed))
        return now_ns >= atomic_load_explicit(&p->deadline_ns, memory_order_relaxed);
    return now_ns >= atomic_load_explicit(&p->deadline_ns, memory_order_relaxed) ||
           atomic_load_explicit(&p->stop, memory_order_relaxed) ||
           (job && job == atomic_load_explicit(&p->cancel, memory_order_relaxed));
}

/* When it is to be looked at again. */
static int64_t look_at(struct monitor *m, struct pulse *p, int64_t now_ns)
{
    const uint64_t state = atomic_load_explicit(&p->state, memory_order_acquire);
    if (!pulse_is_in(state))
        return INT64_MAX;
    if (state != p->seen) {
        p->seen = state;
        p->overdue_ns = 0;
        p->told = false;
    }
    const bool overdue = has_to_end(p, now_ns);
    if (overdue && p->overdue_ns == 0)
        p->overdue_ns = now_ns;
    if (overdue && !p->told && now_ns - p->overdue_ns >= m->grace_ns) {
        p->told = true;
        m->stuck(m->user, p, state);
    }
    const int64_t slice_ends_ns = atomic_load_explicit(&p->entered_ns, memory_order_relaxed) +
                                  atomic_load_explicit(&p->patience_ns, memory_order_relaxed);
    if (overdue || now_ns >= slice_ends_ns ||
        atomic_load_explicit(&p->urgent, memory_order_relaxed)) {
        interrupt_send(p, state);
        return now_ns; /* and again at the next tick, if it did not help */
    }
    const int64_t deadline_ns = atomic_load_explicit(&p->deadline_ns, memory_order_relaxed);
    return slice_ends_ns < deadline_ns ? slice_ends_ns : deadline_ns;
}

/* A section that begins after a look ends its slice no sooner than a slice from then, so that long
 * it may sleep if nothing it saw ends before. */
static int64_t look_every_ns(const struct monitor *m)
{
    const int64_t slice_ns = TICKS_A_SLICE * m->tick_ns;
    return slice_ns < TICK_MAX_NS ? slice_ns : TICK_MAX_NS;
}

static void look_at_all(struct monitor *m)
{
    const int64_t now_ns = clock_mono_ns();
    const int64_t first_ns = now_ns + m->tick_ns;
    m->next_ns = now_ns + look_every_ns(m);
    for (struct list *at = m->pulses.next; at != &m->pulses; at = at->next) {
        const int64_t next_ns = look_at(m, LIST_ENTRY(at, struct pulse, link), now_ns);
        if (next_ns < m->next_ns)
            m->next_ns = next_ns > first_ns ? next_ns : first_ns;
    }
}

static bool all_idle(const struct monitor *m)
{
    for (const struct list *at = m->pulses.next; at != &m->pulses; at = at->next)
        if (!atomic_load(&LIST_ENTRY(at, struct pulse, link)->idle))
            return false;
    return true;
}

/* Either this sees that a worker is not idle any more, or that worker sees that the monitor sleeps:
 * both write before they read, sequentially consistent. Who rouses it before a worker is up has
 * it look a few times. */
static void sleep_while_idle(struct monitor *m)
{
    atomic_store(&m->asleep, true);
    while (atomic_load(&m->asleep) && all_idle(m) && !m->stopping)
        pthread_cond_wait(&m->roused, &m->lock);
    atomic_store(&m->asleep, false);
}

static void sleep_till_next(struct monitor *m)
{
    const struct timespec until = {m->next_ns / 1000000000, m->next_ns % 1000000000};
    pthread_cond_timedwait(&m->roused, &m->lock, &until);
}

static void *monitor_main(void *arg)
{
    struct monitor *m = arg;
    int idle_looks = 0;
    pthread_mutex_lock(&m->lock);
    while (!m->stopping) {
        idle_looks = all_idle(m) ? idle_looks + 1 : 0;
        if (idle_looks > IDLE_LOOKS) {
            sleep_while_idle(m);
            idle_looks = 0;
        }
        look_at_all(m);
        if (!m->stopping)
            sleep_till_next(m);
    }
    pthread_mutex_unlock(&m->lock);
    return NULL;
}

void monitor_rouse(struct monitor *m)
{
    if (!atomic_load(&m->asleep) || !atomic_exchange(&m->asleep, false))
        return;
    pthread_mutex_lock(&m->lock); /* it waits by now, or has not looked yet */
    pthread_mutex_unlock(&m->lock);
    pthread_cond_signal(&m->roused); /* not under the lock: it would wake only to wait for that */
}

static void set_tick(struct monitor *m)
{
    m->tick_ns = TICK_MAX_NS;
    for (const struct list *at = m->pulses.next; at != &m->pulses; at = at->next) {
        const int64_t tick_ns = LIST_ENTRY(at, struct pulse, link)->slice_ns / TICKS_A_SLICE;
        if (tick_ns < m->tick_ns)
            m->tick_ns = tick_ns > TICK_MIN_NS ? tick_ns : TICK_MIN_NS;
    }
}

void monitor_watch(struct monitor *m, struct pulse *pulse)
{
    pthread_mutex_lock(&m->lock);
    const int64_t every_ns = look_every_ns(m);
    list_push(&m->pulses, &pulse->link);
    set_tick(m);
    const bool sooner = look_every_ns(m) < every_ns;
    pthread_mutex_unlock(&m->lock);
    if (sooner)
        pthread_cond_signal(&m->roused);
    else
        monitor_rouse(m); /* else it looks soon enough by itself */
}

void monitor_unwatch(struct monitor *m, struct pulse *pulse)
{
    pthread_mutex_lock(&m->lock);
    list_remove(&pulse->link);
    set_tick(m);
    pthread_mutex_unlock(&m->lock);
}

int monitor_start(struct monitor **out, int64_t grace_ns, void *user,
                  void (*stuck)(void *user, struct pulse *pulse, uint64_t state),
                  struct neap_error *err)
{
    struct monitor *m = mem_zero(1, sizeof *m);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&m->lock, NULL);
    pthread_cond_init(&m->roused, &attr);
    pthread_condattr_destroy(&attr);
    list_init(&m->pulses);
    m->tick_ns = TICK_MAX_NS;
    m->grace_ns = grace_ns;
    m->user = user;
    m->stuck = stuck;
    const int failed = thread_start(&m->thread, 0, monitor_main, m);
    if (failed) {
        pthread_cond_destroy(&m->roused);
        pthread_mutex_destroy(&m->lock);
        free(m);
        return error_set(err, NEAP_EIO, "cannot start the monitor's thread: %s", strerror(failed));
    }
    *out = m;
    return NEAP_OK;
}

void monitor_leave(struct monitor *m)
{
    if (!m)
        return;
    pthread_mutex_lock(&m->lock);
    m->stopping = true;
    pthread_mutex_unlock(&m->lock);
    pthread_cond_signal(&m->roused);
}

void monitor_stop(struct monitor *m)
{
    if (!m)
        return;
    monitor_leave(m);
    pthread_join(m->thread, NULL);
    pthread_cond_destroy(&m->roused);
    pthread_mutex_destroy(&m->lock);
    free(m);
}
