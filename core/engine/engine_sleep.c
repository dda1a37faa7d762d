/* How long the engine sleeps between two turns, and what wakes it. */
#include "engine/engine_state.h"

#include "base/clock.h"
#include "base/lane.h"
#include "engine/engine_schedules.h"

#define CLOCK_LOOK_NS INT64_C(1000000000) /* while something is due: somebody may set the clock */
#define REAP_LOOK_MS 10 /* how often a killed process is looked at until it has died */
/* When a hint that was missed is made good, if lanes are used. */
#define MISSED_NS INT64_C(1000000)
#define NAP_NS INT64_C(100000)
#define GATHERED 256 /* messages in lanes that are worth a turn */

/* --- what is due ------------------------------------------------------------------------------ */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* When the next thing is due by the wall clock, as monotonic ns; INT64_MAX: nothing is. */
static int64_t next_due_ns(const struct engine *e)
{
    int64_t due_ms = least(index_next_due_ms(e->ops->index(e->store)), engine_next_tick_ms(e));
    due_ms = least(due_ms, e->ops->next_expiry_ms(e->store));
    if (due_ms == INT64_MAX)
        return INT64_MAX;
    const int64_t now_ns = clock_read_ns(CLOCK_REALTIME);
    const int64_t left_ns =
        due_ms > (now_ns + CLOCK_LOOK_NS) / 1000000 ? CLOCK_LOOK_NS : due_ms * 1000000 - now_ns;
    return clock_mono_ns() + (left_ns > 0 ? left_ns : 0);
}

static bool keeps_records(const struct engine *e)
{
    struct store_counts counts;
    e->ops->counts(e->store, &counts);
    return counts.states[NEAP_COMPLETED] + counts.states[NEAP_DEAD] +
               counts.states[NEAP_CANCELLED] >
           0;
}

static int64_t next_ns(const struct engine *e)
{
    if (!list_empty(&e->asks.steps))
        return 0; /* at once, after a look at the mailbox */
    int64_t next = least(next_due_ns(e), queues_next_ns(e));
    int64_t timer_ms = heap_min(&e->timers) ? heap_min(&e->timers)->key : INT64_MAX;
    if (!list_empty(&e->drain_calls))
        timer_ms = least(timer_ms, e->drain_until_ms);
    if (e->full)
        timer_ms = least(timer_ms, e->full_look_ms);
    if (e->reaping)
        timer_ms = least(timer_ms, e->mono_ms + REAP_LOOK_MS);
    if (keeps_records(e))
        timer_ms = least(timer_ms, e->prune_ms);
    return timer_ms < INT64_MAX / 1000000 ? least(next, timer_ms * 1000000) : next;
}

/* --- sleeping --------------------------------------------------------------------------------- */

/* How much has been put in the lanes since they were looked at. */
static uint64_t lanes_length(const struct engine *e)
{
    struct member *m = NULL;
    bool ghosts = false;
    uint64_t length = 0;
    for (const struct lane *lane; (lane = lane_after(e, &m, &ghosts));)
        length += lane_more(lane);
    return length;
}

/* Sleeps until a post, a nudge, a hint or `until_ns`. Who puts something in a lane hints; a hint
 * given in the moment in which the engine lies down may reach nobody (base/mailbox.c). Only a
 * worker that is not idle hints, and it says that it is not before; so if none is busy when the
 * engine has lain down, whatever is put later finds it asleep. Else it looks a little later again,
 * which is soon if it is in use and otherwise BUSY_TURN_MS. What such a worker put was in its lane
 * by then: its store and its hint are a few instructions apart. */
static void sleep_until(struct engine *e, int64_t until_ns)
{
    if (!mailbox_lie_down(&e->mailbox))
        return;
    bool up = lanes_length(e) > 0;
    if (!up && pools_busy(e)) {
        const int64_t now_ns = clock_mono_ns();
        until_ns = least(until_ns, now_ns + BUSY_TURN_MS * INT64_C(1000000));
        if (e->lanes_used && until_ns > now_ns + MISSED_NS)
            up = mailbox_rest(&e->mailbox, now_ns + MISSED_NS) || lanes_length(e) > 0;
    }
    if (!up)
        mailbox_rest(&e->mailbox, until_ns);
    mailbox_get_up(&e->mailbox);
}

/* While every worker has jobs in its line, nobody is worse off if the engine lets what they put in
 * their lanes gather: it takes a hundred messages for little more than one, and each of its turns
 * takes a core from a worker. A nap ends early for anything in the mailbox, for a worker whose line
 * runs low (line_is_low) and for one that has nothing left to run. */
static void rest_until(struct engine *e, int64_t until_ns)
{
    if (!e->lanes_used || !pools_fed(e)) {
        sleep_until(e, until_ns);
    } else if (lanes_length(e) < GATHERED) {
        const int64_t nap_ns = clock_mono_ns() + NAP_NS;
        mailbox_nap(&e->mailbox, least(until_ns, nap_ns));
    }
}

void engine_sleep(struct engine *e)
{
    if (e->stopping)
        sleep_until(e, INT64_MAX);
    else
        rest_until(e, next_ns(e));
}
