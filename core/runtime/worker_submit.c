/* What is taken ahead for jobs that a task submits one after another (struct submits). */
#include "runtime/worker_state.h"

#include "base/clock.h"

#include <time.h>

#define AHEAD 32 /* ids, and places of a queue, from the second job of a section on */

/* Who submits without a pause gets far ahead of the engine and of those who run the jobs, who may
 * have to share one CPU meanwhile; and each job of a long line is out of the caches when its turn
 * comes. So it goes at half its speed while it is ahead of them, if they are fast enough for that
 * to matter. */
#define LOOK_JOBS 256 /* of a section */
#define NAP_NS 30000
#define AHEAD_LENGTH 16384              /* of the queue */
#define SLOW_GROWTH (LOOK_JOBS * 3 / 4) /* of it since the last look: they are not */

uint64_t worker_new_id(struct worker *w, int64_t *now_ms)
{
    struct submits *s = &w->submits;
    const uint64_t section = atomic_load_explicit(&w->pulse.state, memory_order_relaxed);
    if (clock_moved(&s->ticks))
        s->now_ms = clock_unix_ms();
    if (s->section != section) {
        s->section = section;
        s->count = 0;
        s->id = s->end;
    }
    s->count++;
    if (s->id == s->end || s->ids_ms != s->now_ms) {
        const unsigned count = s->count > 1 ? AHEAD : 1;
        s->ids_ms = s->now_ms;
        s->id = id_next_some(w->env->ids, s->now_ms, count);
        s->end = s->id + count;
    }
    *now_ms = s->now_ms;
    return s->id++;
}

static bool is_ahead(struct submits *s, struct gate *gate)
{
    const int64_t length = gate_length(gate), growth = length - s->length;
    s->length = length;
    return length > AHEAD_LENGTH && growth < SLOW_GROWTH;
}

static void nap(void)
{
    const struct timespec time = {.tv_nsec = NAP_NS};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

bool worker_enter(struct worker *w, struct gate *gate)
{
    struct submits *s = &w->submits;
    if (s->places && s->gate != gate)
        worker_give_back_places(w);
    s->gate = gate;
    if (!s->places)
        s->places = gate_enter_some(gate, s->count > 1 ? AHEAD : 1);
    if (!s->places)
        return false;
    s->places--;
    if (s->count % LOOK_JOBS == 0 && is_ahead(s, gate))
        nap();
    return true;
}

void worker_give_back_places(struct worker *w)
{
    struct submits *s = &w->submits;
    const int64_t places = s->places;
    s->places = 0;
    if (gate_give_back(s->gate, places))
        mailbox_nudge(w->env->engine);
}
