#include "runtime/loader_versions.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/mem.h"
#include "runtime/stage.h"

enum {
    AGAIN_MS = 50,       /* between two looks at what is not whole yet */
    MOVED_MS = 50,       /* how long a plugin must be gone, or elsewhere, to be believed */
    POLL_MS = 10,        /* the same looks where somebody waits for them */
    ALONE_MS = 250,      /* how long changes without an end put off a plugin of one file, */
    MANY_MS = 5000,      /* of several files, */
    TRANSFER_MS = 60000, /* and during a transfer */
    LOAD_MS = 6000,      /* what versions_load waits for at most */
};

/* One plugin name, kept for good, so that its generations never go back.
 *
 *   place differs ─► settles ─► judged: fresh | bad | gone | nothing new ─► committed */
struct known {
    char name[NEAP_TASK_MAX + 1];
    unsigned generation;   /* last published */
    struct plugin *plugin; /* in force, or NULL */
    uint64_t stamp, shape; /* of the place as judged last; 0: it was nowhere */
    char *dir;             /* of that place */
    uint64_t bad;          /* what was found broken there; 0: it is whole */
    char *complaint;       /* what was said about that; NULL: nothing */
    uint64_t seen;         /* a stamp that differs, */
    int64_t seen_ms;       /* first seen then; */
    int64_t changing_ms;   /* it differs in some way since; 0: it does not */
    struct verdict {       /* of the round under way */
        bool given, gone, mended;
        uint64_t stamp, shape, bad;
        char *dir, *complaint;
        struct plugin *fresh;
    } verdict;
};

struct texts {
    char **items;
    size_t count;
};

struct versions {
    struct loader_env env;
    char *task_file;
    struct config *config; /* in force; NULL before the first load */
    struct known *known;   /* by name */
    size_t n_known, cap_known;
    struct source_listing listing;
    struct texts said, saying; /* what listing complained of before, and does now */
    uint64_t serial;
    atomic_size_t broken;  /* read by any thread for statistics */
    struct buf complaints; /* of the staging under way, a line each */
};

struct round { /* one pass over everything, until it is committed */
    struct config *config;
    bool whole;   /* a load: also what did not change is held against `config` */
    bool eager;   /* take what is there, settled or not */
    bool refused; /* a plugin that is good now would not be */
    bool unsafe;  /* somebody else may change one */
};

struct versions *versions_new(const struct loader_env *env)
{
    struct versions *v = mem_zero(1, sizeof *v);
    v->env = *env;
    v->task_file = mem_text(env->roots.task_file);
    return v;
}

static void texts_close(struct texts *t)
{
    for (size_t i = 0; i < t->count; i++)
        free(t->items[i]);
    free(t->items);
    *t = (struct texts){0};
}

static void verdict_close(struct verdict *verdict)
{
    plugin_unref(verdict->fresh);
    free(verdict->dir);
    free(verdict->complaint);
    *verdict = (struct verdict){0};
}

void versions_free(struct versions *v)
{
    if (!v)
        return;
    for (size_t i = 0; i < v->n_known; i++) {
        verdict_close(&v->known[i].verdict);
        plugin_unref(v->known[i].plugin);
        free(v->known[i].dir);
        free(v->known[i].complaint);
    }
    buf_close(&v->complaints);
    free(v->known);
    source_listing_close(&v->listing);
    texts_close(&v->said);
    texts_close(&v->saying);
    config_unref(v->config);
    free(v->task_file);
    free(v);
}

const struct source_listing *versions_listing(const struct versions *v)
{
    return &v->listing;
}

const char *const *versions_roots(const struct versions *v, size_t *count)
{
    char **dirs = v->config->plugins;
    *count = 0;
    while (dirs && dirs[*count])
        ++*count;
    return (const char *const *)dirs;
}

size_t versions_broken(const struct versions *v)
{
    return atomic_load_explicit(&v->broken, memory_order_relaxed);
}

static void list_problem(void *user, const char *text)
{
    struct versions *v = user;
    struct texts *t = &v->saying;
    t->items = mem_grow(t->items, t->count + 1, sizeof *t->items);
    t->items[t->count++] = mem_text(text);
    for (size_t i = 0; i < v->said.count; i++)
        if (!strcmp(v->said.items[i], text))
            return;
    v->env.problem(v->env.user, text);
}

/* The last listing stays where a new one fails. */
static int list(struct versions *v, const struct config *config, struct neap_error *err)
{
    struct source_listing listing;
    struct source_roots roots = {.dirs = (const char *const *)config->plugins,
                                 .required = config->plugins_set,
                                 .guarded = v->env.service,
                                 .task_file = v->task_file};
    while (roots.dirs && roots.dirs[roots.n_dirs])
        roots.n_dirs++;
    int rc = source_list(&roots, &listing, v, list_problem, err);
    texts_close(&v->said);
    v->said = v->saying;
    v->saying = (struct texts){0};
    if (rc)
        return rc;
    source_listing_close(&v->listing);
    v->listing = listing;
    return NEAP_OK;
}

static const struct source_place *find_place(const struct versions *v, const char *name)
{
    for (size_t low = 0, high = v->listing.n_places; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, v->listing.places[middle].name);
        if (!order)
            return &v->listing.places[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* Places and known plugins are both in order of name. */
static void meet(struct versions *v)
{
    size_t k = 0;
    for (size_t i = 0; i < v->listing.n_places; i++, k++) {
        const struct source_place *place = &v->listing.places[i];
        while (k < v->n_known && strcmp(v->known[k].name, place->name) < 0)
            k++;
        if (k < v->n_known && !strcmp(v->known[k].name, place->name))
            continue;
        if (v->n_known == v->cap_known) {
            v->cap_known = v->cap_known ? v->cap_known * 2 : 16;
            v->known = mem_grow(v->known, v->cap_known, sizeof *v->known);
        }
        memmove(v->known + k + 1, v->known + k, (v->n_known - k) * sizeof *v->known);
        v->known[k] = (struct known){0};
        memcpy(v->known[k].name, place->name, sizeof place->name);
        v->n_known++;
    }
}

static uint64_t hash_number(uint64_t hash, int64_t number)
{
    return hash_bytes(hash, &number, sizeof number);
}

static void hash_setting(void *user, const char *key, const char *value, bool secret)
{
    uint64_t *hash = user;
    *hash = hash_number(hash_text(hash_text(*hash, key), value), secret);
}

/* Of what staging takes from the configuration for a plugin's tasks. */
static uint64_t settings_hash(const struct config *config, const struct plugin *plugin)
{
    uint64_t hash = HASH_START;
    for (size_t i = 0; i < plugin->n_tasks; i++) {
        const char *task = plugin->tasks[i].name->text;
        const char *queue = config_task_queue(config, task);
        struct retry retry = RETRY_UNSET;
        config_task_retry(config, task, &retry);
        hash = hash_number(hash_number(hash_text(hash, task), retry.max), retry.backoff);
        hash = hash_number(hash_number(hash, retry.base_ms), retry.cap_ms);
        hash = hash_bytes(hash, &retry.jitter, sizeof retry.jitter);
        hash = hash_number(hash, config_task_priority(config, task));
        hash = hash_number(hash, config_task_timeout(config, task));
        hash = hash_text(hash, queue ? queue : "");
        config_task_each(config, task, &hash, hash_setting);
    }
    return hash;
}

static void stage_problem(void *user, const char *text)
{
    struct versions *v = user;
    if (v->complaints.len)
        buf_byte(&v->complaints, '\n');
    buf_text(&v->complaints, text);
    v->env.problem(v->env.user, text);
}

static struct plugin *stage(struct versions *v, const struct known *k, const struct round *round,
                            struct source *source)
{
    struct stage_env env = {.config = round->config,
                            .names = v->env.names,
                            .gates = v->env.gates,
                            .preloads = v->env.preloads ? *v->env.preloads : NULL,
                            .keep = v->serial ? NULL : v->env.keep,
                            .service = v->env.service,
                            .user = v,
                            .problem = stage_problem};
    struct plugin *plugin = NULL;
    struct neap_error err = {0};
    v->complaints.len = 0;
    if (stage_plugin(source, k->generation + 1, &env, &plugin, &err)) {
        if (!v->complaints.len)
            stage_problem(v, err.message);
        return NULL;
    }
    plugin->config_hash = settings_hash(round->config, plugin);
    return plugin;
}

static bool same_source(const struct source *a, const struct source *b)
{
    return a->hash == b->hash && a->single == b->single && !strcmp(a->dir, b->dir);
}

/* The version in force, under a configuration that is about to be. */
static void judge_again(struct versions *v, struct known *k, struct round *round)
{
    if (!k->plugin || settings_hash(round->config, k->plugin) == k->plugin->config_hash)
        return;
    k->verdict.fresh = stage(v, k, round, k->plugin->source);
    if (!k->verdict.fresh)
        round->refused = true;
}

static void judge_source(struct versions *v, struct known *k, struct round *round,
                         struct source *source)
{
    struct verdict *verdict = &k->verdict;
    assert(source);
    uint64_t bad = source->hash | 1;
    if (k->plugin && same_source(k->plugin->source, source)) {
        if (round->whole)
            judge_again(v, k, round);
        return;
    }
    if (round->whole || k->bad != bad) { /* else it was looked at before */
        verdict->fresh = stage(v, k, round, source);
        if (verdict->fresh)
            return;
        free(verdict->complaint);
        verdict->complaint = mem_text(buf_string(&v->complaints));
    }
    verdict->bad = bad;
    if (round->whole)
        judge_again(v, k, round);
}

/* False: it changes under our eyes. */
static bool judge_place(struct versions *v, struct known *k, struct round *round,
                        const struct source_place *place)
{
    struct source *source = NULL;
    struct neap_error err;
    const bool unsafe = v->env.service && place->unsafe;
    int rc = unsafe ? error_set(&err, NEAP_ECONFIG, "%s", place->unsafe)
                    : source_read(place, &source, &err);
    if (rc == NEAP_ETIME)
        return false;
    round->unsafe |= unsafe;
    k->verdict.given = true;
    k->verdict.stamp = place->stamp;
    k->verdict.shape = place->shape;
    k->verdict.dir = mem_text(place->dir);
    if (!rc) {
        judge_source(v, k, round, source);
        source_unref(source);
        return true;
    }
    k->verdict.bad = hash_text(HASH_START, err.message) | 1;
    k->verdict.complaint = mem_text(err.message);
    if (round->whole || k->verdict.bad != k->bad)
        v->env.problem(v->env.user, err.message);
    if (round->whole)
        judge_again(v, k, round);
    return true;
}

static bool is_elsewhere(const struct known *k, const struct source_place *place)
{
    return k->dir && strcmp(k->dir, place->dir) != 0;
}

/* How long to leave it alone yet. A plugin that is gone or elsewhere may be in the midst of being
 * replaced (mv P old; mv new P), and a file from the future has no age. */
static int64_t settle_ms(struct known *k, const struct source_place *place, int64_t unix_ms)
{
    const uint64_t stamp = place ? place->stamp : 0;
    const int64_t mono_ms = clock_mono_ms();
    int64_t wait_ms = place ? source_settle_ms(place, unix_ms, place->shape != k->shape) : 0;
    if (!k->changing_ms || k->seen != stamp) {
        k->seen = stamp;
        k->seen_ms = mono_ms;
    }
    if (!k->changing_ms)
        k->changing_ms = mono_ms;
    if (!place || is_elsewhere(k, place) || place->newest_ms > unix_ms) {
        const int64_t left_ms = k->seen_ms + MOVED_MS - mono_ms;
        return left_ms > wait_ms ? left_ms : wait_ms;
    }
    const int64_t most_ms = place->busy ? TRANSFER_MS : place->files > 1 ? MANY_MS : ALONE_MS;
    return mono_ms - k->changing_ms < most_ms ? wait_ms : 0;
}

/* Milliseconds until it is worth looking again; 0: nothing is left to do. */
static int64_t judge(struct versions *v, struct known *k, struct round *round)
{
    const struct source_place *place = find_place(v, k->name);
    if (k->verdict.given)
        return 0;
    bool same = place ? place->stamp == k->stamp && !is_elsewhere(k, place) : !k->stamp;
    if (same) {
        k->changing_ms = 0;
        if (!place || !round->whole)
            return 0;
        if (!k->bad) {
            k->verdict = (struct verdict){
                .given = true, .stamp = k->stamp, .shape = k->shape, .dir = mem_text(k->dir)};
            judge_again(v, k, round);
            return 0;
        }
    } else if (!round->eager) {
        int64_t wait_ms = settle_ms(k, place, v->listing.unix_ms);
        if (wait_ms > 0)
            return wait_ms < AGAIN_MS ? wait_ms : AGAIN_MS;
    }
    if (!place)
        k->verdict = (struct verdict){.given = true, .gone = true};
    else if (!judge_place(v, k, round, place))
        return AGAIN_MS;
    return 0;
}

static int64_t judge_all(struct versions *v, struct round *round)
{
    int64_t wait_ms = 0;
    meet(v);
    for (size_t i = 0; i < v->n_known; i++) {
        int64_t ms = judge(v, &v->known[i], round);
        if (ms && (!wait_ms || ms < wait_ms))
            wait_ms = ms;
    }
    return wait_ms;
}

/* True: the catalogue changes. */
static bool commit_one(struct known *k)
{
    struct verdict *verdict = &k->verdict;
    if (!verdict->given)
        return false;
    bool changed = verdict->gone || verdict->fresh || k->bad != verdict->bad;
    bool mended = !verdict->gone && k->bad && !verdict->bad;
    if (verdict->gone || verdict->fresh) {
        plugin_unref(k->plugin);
        k->plugin = verdict->fresh;
        verdict->fresh = NULL;
    }
    if (k->plugin)
        k->generation = k->plugin->generation;
    k->stamp = verdict->stamp;
    k->shape = verdict->shape;
    k->bad = verdict->bad;
    k->changing_ms = 0;
    free(k->dir);
    k->dir = verdict->dir;
    if (!verdict->bad || verdict->complaint) {
        free(k->complaint);
        k->complaint = verdict->complaint;
    }
    *verdict = (struct verdict){.mended = mended};
    return changed;
}

static void name_gate(struct gates *gates, bool *named, unsigned count, const char *queue)
{
    struct gate *gate = gates_find(gates, queue);
    if (gate && gate->index < count)
        named[gate->index] = true;
}

/* Queues exist that the configuration or a task names. */
static void set_gates(struct versions *v)
{
    const struct config *config = v->config;
    struct gates *gates = v->env.gates;
    for (size_t i = 0; i < config->n_queues; i++)
        gates_intern(gates, config->queues[i].name);
    for (size_t i = 0; i < config->n_pools; i++)
        for (char **queue = config->pools[i].queues; *queue; queue++)
            if (strcmp(*queue, "*") != 0)
                gates_intern(gates, *queue);
    const unsigned count = gates_count(gates);
    bool *named = mem_zero(count, sizeof *named);
    for (size_t i = 0; i < config->n_queues; i++)
        name_gate(gates, named, count, config->queues[i].name);
    for (size_t i = 0; i < config->n_pools; i++)
        for (char **queue = config->pools[i].queues; *queue; queue++)
            name_gate(gates, named, count, *queue);
    for (size_t i = 0; i < v->n_known; i++)
        for (size_t t = 0; v->known[i].plugin && t < v->known[i].plugin->n_tasks; t++)
            named[v->known[i].plugin->tasks[t].gate->index] = true;
    const int64_t usual = strtoll(CONFIG_CAPACITY, NULL, 10);
    for (unsigned i = 0; i < count; i++) {
        struct gate *gate = gates_at(gates, i);
        const struct config_queue *queue = config_queue_find(config, gate->name);
        atomic_store(&gate->capacity, queue ? queue->capacity : usual);
        atomic_store(&gate->policy, queue ? queue->when_full : GATE_BLOCK);
        atomic_store(&gate->open, named[i]);
    }
    free(named);
}

static void publish(struct versions *v)
{
    struct plugin **plugins = mem_zero(v->n_known, sizeof(struct plugin *));
    size_t count = 0, broken = 0;
    struct broken_plugin *bad = mem_zero(v->n_known, sizeof *bad);
    for (size_t i = 0; i < v->n_known; i++) {
        struct known *k = &v->known[i];
        if (k->plugin)
            plugins[count++] = plugin_ref(k->plugin);
        if (!k->bad)
            continue;
        memcpy(bad[broken].name, k->name, sizeof k->name);
        bad[broken].dir = k->dir;
        bad[broken++].error = k->complaint;
    }
    atomic_store_explicit(&v->broken, broken, memory_order_relaxed);
    set_gates(v);
    struct catalogue *catalogue = catalogue_new(++v->serial, config_ref(v->config), plugins, count,
                                                names_count(v->env.names), broken);
    catalogue_set_broken(catalogue, bad);
    free(bad);
    free(plugins);
    v->env.publish(v->env.user, catalogue);
}

static void commit(struct versions *v, struct round *round)
{
    bool changed = round->whole;
    if (round->whole) {
        config_ref(round->config);
        config_unref(v->config);
        v->config = round->config;
    }
    for (size_t i = 0; i < v->n_known; i++)
        changed |= commit_one(&v->known[i]);
    if (changed)
        publish(v);
    for (size_t i = 0; i < v->n_known; i++) {
        struct known *k = &v->known[i];
        if (!k->verdict.mended)
            continue;
        char *text = mem_format("%s is whole again", k->name);
        v->env.problem(v->env.user, text);
        free(text);
        k->verdict.mended = false;
    }
}

static void forget(struct versions *v)
{
    for (size_t i = 0; i < v->n_known; i++)
        verdict_close(&v->known[i].verdict);
}

int64_t versions_look(struct versions *v)
{
    struct round round = {.config = v->config};
    if (list(v, v->config, NULL))
        return -1; /* said; the next look every 2 s tries again */
    int64_t wait_ms = judge_all(v, &round);
    commit(v, &round);
    return wait_ms ? wait_ms : -1;
}

static void report_restless(struct versions *v)
{
    for (size_t i = 0; i < v->n_known; i++) {
        const struct source_place *place = find_place(v, v->known[i].name);
        if (v->known[i].verdict.given || !place || place->stamp == v->known[i].stamp)
            continue;
        char *text =
            mem_format("%s keeps changing: plugin %s is left as it was", place->dir, place->name);
        v->env.problem(v->env.user, text);
        free(text);
    }
}

static void pause_ms(int64_t ms)
{
    nanosleep(&(struct timespec){.tv_nsec = (long)ms * 1000000}, NULL);
}

/* A one-off command takes what it finds; a daemon waits for a deploy that is under way. */
int versions_load(struct versions *v, struct config *config, struct neap_error *err)
{
    struct round round = {.config = config, .whole = true, .eager = !v->env.service};
    const int64_t until_ms = clock_mono_ms() + LOAD_MS;
    int rc;
    texts_close(&v->said);
    while (!(rc = list(v, config, err)) && judge_all(v, &round) && !round.refused) {
        if (clock_mono_ms() >= until_ms && round.eager) {
            report_restless(v);
            break;
        }
        round.eager |= clock_mono_ms() >= until_ms;
        pause_ms(POLL_MS);
    }
    if (!rc && round.unsafe && !v->serial) /* later the last good version serves on */
        rc = error_set(err, NEAP_ECONFIG, "others may change a plugin");
    else if (!rc && round.refused)
        rc = error_set(err, NEAP_ECONFIG, "the new configuration breaks a plugin that works now");
    if (rc)
        forget(v);
    else
        commit(v, &round);
    return rc;
}
