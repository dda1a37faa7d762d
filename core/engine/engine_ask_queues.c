/* Queues as documents, and what was set for them at run time: kept in the notes of the store as
 * "queue:NAME", so that it lasts over restarts, and beats the configuration until taken away. */
#include "engine/engine_ask.h"

#include "base/mem.h"
#include "model/doc.h"
#include "model/msgpack.h"

#include <stdlib.h>
#include <string.h>

#define NOTE_PREFIX "queue:"

/* --- the note -----------------------------------------------------------------------------------
 */

static void put_pair(struct buf *out, const char *key, int64_t value)
{
    msgpack_text(out, key, strlen(key));
    msgpack_integer(out, value);
}

static void save(struct engine *e, const struct queue *q)
{
    const struct queue_override *o = &q->over;
    struct buf out = {0};
    char *key = mem_format(NOTE_PREFIX "%s", q->gate->name);
    const size_t pairs =
        (size_t)o->has_paused + o->sets.concurrency + o->sets.rate + o->sets.capacity;
    msgpack_map(&out, pairs);
    if (o->has_paused)
        put_pair(&out, "paused", o->limits.paused);
    if (o->sets.concurrency)
        put_pair(&out, "concurrency", o->limits.concurrency);
    if (o->sets.rate)
        put_pair(&out, "rate_ns", o->limits.rate_interval_ns);
    if (o->sets.capacity)
        put_pair(&out, "capacity", o->limits.capacity);
    e->ops->set_note(e->store, key, pairs ? out.data : NULL, pairs ? out.len : 0);
    free(key);
    buf_close(&out);
}

static void take_pair(struct queue_override *o, const struct msgpack_item *key, int64_t value)
{
    if (key->len == 6 && memcmp(key->text, "paused", 6) == 0) {
        o->has_paused = true;
        o->limits.paused = value != 0;
    } else if (key->len == 11 && memcmp(key->text, "concurrency", 11) == 0) {
        o->sets.concurrency = true;
        o->limits.concurrency = value;
    } else if (key->len == 7 && memcmp(key->text, "rate_ns", 7) == 0) {
        o->sets.rate = true;
        o->limits.rate_interval_ns = value;
    } else if (key->len == 8 && memcmp(key->text, "capacity", 8) == 0) {
        o->sets.capacity = true;
        o->limits.capacity = value;
    }
}

/* What a newer neap has put there besides is passed over. */
static void read_note(struct queue_override *o, const void *data, size_t len)
{
    struct msgpack_reader r = msgpack_reader(data, len);
    struct msgpack_item map, key, value;
    if (len == 0 || msgpack_read(&r, &map) || map.type != MSGPACK_MAP)
        return;
    for (size_t i = 0; i < map.len; i++) {
        if (msgpack_read(&r, &key) || key.type != MSGPACK_TEXT || msgpack_read(&r, &value) ||
            value.type != MSGPACK_INTEGER || value.integer < 0)
            return;
        take_pair(o, &key, value.integer);
    }
}

void queue_recall(struct engine *e, struct queue *q)
{
    size_t len = 0;
    char *key = mem_format(NOTE_PREFIX "%s", q->gate->name);
    const void *data = e->ops->note(e->store, key, &len);
    if (data)
        read_note(&q->over, data, len);
    free(key);
}

/* --- limits in force ----------------------------------------------------------------------------
 */

static bool is_overridden(const struct queue_override *o)
{
    return o->has_paused || o->sets.concurrency || o->sets.rate || o->sets.capacity;
}

static const struct config_queue *configured(const struct engine *e, const struct queue *q)
{
    return config_queue_find(e->config, q->gate->name);
}

/* The gate's capacity is the loader's to set, at each publication, but where this beats it. */
void queue_override_apply(struct engine *e, struct queue *q)
{
    const struct queue_override *o = &q->over;
    const struct config_queue *plan = configured(e, q);
    q->limits = (struct config_queue *)plan;
    if (!is_overridden(o))
        return;
    q->effective = plan ? *plan
                        : (struct config_queue){.name = q->gate->name,
                                                .capacity = strtoll(CONFIG_CAPACITY, NULL, 10)};
    if (o->has_paused)
        q->effective.paused = o->limits.paused;
    if (o->sets.concurrency)
        q->effective.concurrency = o->limits.concurrency;
    if (o->sets.rate)
        q->effective.rate_interval_ns = o->limits.rate_interval_ns;
    if (o->sets.capacity)
        q->effective.capacity = o->limits.capacity;
    q->limits = &q->effective;
    atomic_store(&q->gate->capacity, q->effective.capacity);
}

static void changed(struct engine *e, struct queue *q)
{
    save(e, q);
    if (!is_overridden(&q->over)) {
        const struct config_queue *plan = configured(e, q);
        atomic_store(&q->gate->capacity,
                     plan ? plan->capacity : strtoll(CONFIG_CAPACITY, NULL, 10));
    }
    dispatch_recall_all(e); /* what has not started starts under the new limits */
    queues_follow(e);
}

static void set_limits(struct queue *q, const struct ask *ask)
{
    struct queue_override *o = &q->over;
    if (ask->sets.concurrency) {
        o->sets.concurrency = !ask->resets.concurrency;
        o->limits.concurrency = ask->limits.concurrency;
    }
    if (ask->sets.rate) {
        o->sets.rate = !ask->resets.rate;
        o->limits.rate_interval_ns = ask->limits.rate_interval_ns;
    }
    if (ask->sets.capacity) {
        o->sets.capacity = !ask->resets.capacity;
        o->limits.capacity = ask->limits.capacity;
    }
}

/* Where the configuration says the same there is nothing to beat. */
static void set_paused(struct engine *e, struct queue *q, bool paused)
{
    const struct config_queue *plan = configured(e, q);
    q->over.has_paused = paused != (plan && plan->paused);
    q->over.limits.paused = paused;
}

/* --- documents ----------------------------------------------------------------------------------
 */

static void put_limit(struct buf *out, const char *key, int64_t value)
{
    if (value)
        doc_integer(out, key, value);
}

static void put_limits(const struct queue *q, struct buf *out)
{
    static const char *const policies[] = {"block", "reject", "drop"};
    const struct config_queue *l = q->limits;
    doc_bool(out, "paused", l && l->paused);
    put_limit(out, "concurrency", l ? l->concurrency : 0);
    put_limit(out, "capacity", atomic_load(&q->gate->capacity));
    doc_text(out, "when_full", policies[atomic_load(&q->gate->policy)]);
    if (l && l->rate_interval_ns)
        doc_float(out, "rate_per_second", 1e9 / (double)l->rate_interval_ns);
    if (l && l->ageing_ms)
        doc_float(out, "ageing_seconds", (double)l->ageing_ms / 1000);
}

static void put_overrides(const struct queue *q, struct buf *out)
{
    const struct queue_override *o = &q->over;
    if (!is_overridden(o))
        return;
    doc_array(out, "overridden");
    if (o->has_paused)
        doc_text(out, NULL, "paused");
    if (o->sets.concurrency)
        doc_text(out, NULL, "concurrency");
    if (o->sets.rate)
        doc_text(out, NULL, "rate");
    if (o->sets.capacity)
        doc_text(out, NULL, "capacity");
    doc_array_close(out);
}

static void put_pools(struct engine *e, const struct queue *q, struct buf *out)
{
    doc_array(out, "pools");
    for (size_t i = 0; i < e->n_pools; i++)
        if (q->pools >> i & 1)
            doc_text(out, NULL, e->pools[i].name);
    doc_array_close(out);
}

static void put_counts(const struct queue *q, size_t running, struct buf *out)
{
    const struct counters *c = &q->counters;
    doc_integer(out, "running", (int64_t)running);
    doc_integer(out, "waiting", (int64_t)(c->live - running));
    doc_integer(out, "blocked_submitters", atomic_load(&q->gate->blocked));
    doc_integer(out, "submitted", (int64_t)c->submitted);
    doc_integer(out, "completed", (int64_t)c->became[NEAP_COMPLETED]);
    doc_integer(out, "failed", (int64_t)c->failed);
    doc_integer(out, "dead", (int64_t)c->became[NEAP_DEAD]);
    doc_integer(out, "cancelled", (int64_t)c->became[NEAP_CANCELLED]);
    doc_integer(out, "rejected", (int64_t)atomic_load(&q->gate->rejected));
    doc_integer(out, "dropped", (int64_t)atomic_load(&q->gate->dropped));
}

/* How many of each queue have started, by index. To free(). */
static size_t *count_started(const struct engine *e)
{
    size_t *started = mem_zero(e->n_queues + 1, sizeof *started);
    for (struct member *m = NULL; (m = member_next(e, m));) {
        for (const struct list *at = m->claims.next; at != &m->claims; at = at->next) {
            const struct job *job = LIST_ENTRY(at, struct claim, link)->job;
            started[job->gate->index] += !(job->flags & JOB_ON_DEAD) &&
                                         atomic_load_explicit(&job->started, memory_order_acquire);
        }
    }
    return started;
}

static void put_queue(struct engine *e, const struct queue *q, size_t running, struct buf *out)
{
    doc_open(out, NULL);
    doc_text(out, "name", q->gate->name);
    put_limits(q, out);
    put_overrides(q, out);
    put_pools(e, q, out);
    put_counts(q, running, out);
    doc_close(out);
}

static bool is_shown(const struct queue *q)
{
    return atomic_load(&q->gate->open) || q->counters.live || is_overridden(&q->over);
}

static void answer_all(struct engine *e, struct ask *ask)
{
    struct buf *out = &ask->call.reply;
    size_t *started = count_started(e);
    doc_open(out, NULL);
    doc_array(out, "queues");
    for (size_t i = 0; i < e->n_queues; i++)
        if (is_shown(e->queues[i]))
            put_queue(e, e->queues[i], started[i], out);
    doc_array_close(out);
    doc_close(out);
    free(started);
    ask_answer(e, ask, NEAP_OK);
}

/* NULL: there is none, which is answered. */
static struct queue *queue_asked(struct engine *e, struct ask *ask)
{
    const struct gate *gate = gates_find(e->env.worker->gates, ask->name);
    struct queue *q = gate ? queue_of(e, gate) : NULL;
    if (q && is_shown(q))
        return q;
    const char **names = mem_zero(e->n_queues + 1, sizeof *names);
    size_t count = 0;
    for (size_t i = 0; i < e->n_queues; i++)
        if (is_shown(e->queues[i]))
            names[count++] = e->queues[i]->gate->name;
    ask_refuse_name(e, ask, "queue", names, count);
    free(names);
    return NULL;
}

void ask_queue(struct engine *e, struct ask *ask)
{
    if (ask->what == NEAP_ASK_QUEUES) {
        answer_all(e, ask);
        return;
    }
    struct queue *q = queue_asked(e, ask);
    if (!q)
        return;
    if (ask->what == NEAP_ASK_QUEUE_LIMITS)
        set_limits(q, ask);
    else if (ask->what != NEAP_ASK_QUEUE)
        set_paused(e, q, ask->what == NEAP_ASK_QUEUE_PAUSE);
    if (ask->what != NEAP_ASK_QUEUE)
        changed(e, q);
    size_t *started = count_started(e);
    put_queue(e, q, started[q->gate->index], &ask->call.reply);
    free(started);
    ask_answer(e, ask, NEAP_OK);
}
