/* Everything at once, at random: jobs that submit, wait, fail, snooze and cancel each other on
 * limited queues, hosts that do the same, the configuration and the plugins changing meanwhile. In
 * the end all has ended, the counters add up, and no outcome is missing. NEAP_SEED=N repeats a run.
 */
#include "executor.h"

#include <setjmp.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { HOSTS = 3, RUN_MS = 2500, JOBS_MOST = 4000 };

static const char chaos[] =
    "local neap = require 'neap'\n"
    "local queues = { 'fast', 'mid', 'slow', 'drops', 'refuses', 'one' }\n"
    "local tasks = { 't.chaos', 't.chaos', 't.chaos', 'u.leaf' }\n"
    "local random = math.random\n"
    "local function options()\n"
    "  local o = { queue = queues[random(#queues)], priority = random(-20, 20) }\n"
    "  if random(4) == 1 then o.delay = random(30) / 1000 end\n"
    "  if random(8) == 1 then o.expires = random(30) / 1000 end\n"
    "  if random(3) == 1 then o.retry = { max = random(0, 3), base = '1ms' } end\n"
    "  return o\n"
    "end\n"
    "local function wait(job)\n"
    "  if random(3) == 1 then return job:wait(random(20) / 1000) end\n"
    "  return job:wait()\n"
    "end\n"
    "local deeds = {\n"
    "  function() neap.sleep(random(5) / 1000) end,\n"
    "  function() local n = 0 for i = 1, random(20000) do n = n + i end end,\n"
    "  function(depth, ctx, jobs)\n"
    "    local job = neap.submit(tasks[random(#tasks)], { depth = depth - 1 }, options())\n"
    "    jobs[#jobs + 1] = job\n"
    "  end,\n"
    "  function(depth, ctx) ctx:submit('u.leaf', { depth = 0 }, options()) end,\n"
    "  function(_, _, jobs) if #jobs > 0 then wait(jobs[random(#jobs)]) end end,\n"
    "  function(_, _, jobs) if #jobs > 0 then jobs[random(#jobs)]:cancel() end end,\n"
    "  function(_, _, jobs) if #jobs > 0 then jobs[random(#jobs)]:state() end end,\n"
    "  function(_, _, jobs) neap.all(jobs) end,\n"
    "  function(_, ctx) ctx:progress(random(), 'on it') end,\n"
    "  function() neap.shared('count'):incr('deeds') end,\n"
    "  function() if random(10) == 1 then neap.stats() end end,\n"
    "}\n"
    "local ends = {\n"
    "  function() error('no', 0) end, function() error({}) end, function(ctx) ctx:retry(random(5) "
    "/ 1000) end,\n"
    "  function(ctx) ctx:snooze(random(5) / 1000) end, function(ctx) ctx:cancel('why not') end,\n"
    "  function(ctx) ctx:fail('for good') end, function() return nil, 'a message' end,\n"
    "}\n"
    "return { retry = { max = 2, base = '1ms' }, run = function(args, ctx)\n"
    "  local jobs <close> = setmetatable({}, { __close = function() "
    "neap.shared('count'):incr('closed') end })\n"
    "  for i = 1, args.depth > 0 and random(6) or 0 do deeds[random(#deeds)](args.depth, ctx, "
    "jobs) end\n"
    "  if random(3) == 1 then return ends[random(#ends)](ctx) end\n"
    "  return args.depth\n"
    "end, on_dead = function(_, ctx) if random(2) == 1 then neap.sleep('2ms') end if random(20) == "
    "1 then error('again') end end }\n";

static const char leaf[] =
    "return function() if math.random(4) == 1 then require('neap').sleep('3ms') end end\n";

static const char *const inis[] = {
    "[pool a]\nworkers = 2\nslots = 3\nqueues = *\n[pool b]\nworkers = 1\nslots = 40\nqueues = "
    "mid, slow\n"
    "[queue fast]\ncapacity = 40\n[queue mid]\nconcurrency = 3\n[queue slow]\nrate = "
    "2000/s\nageing = 20ms\n"
    "[queue drops]\ncapacity = 5\nwhen_full = drop\n[queue refuses]\ncapacity = 5\nwhen_full = "
    "reject\n[queue one]\nconcurrency = 1\n",
    "[pool a]\nworkers = 3\nslots = 1\nqueues = *\n[pool b]\nworkers = 2\nslots = 2\nqueues = mid, "
    "one\n"
    "[queue fast]\ncapacity = 10\nageing = 5ms\n[queue mid]\nconcurrency = 1\n[queue slow]\npaused "
    "= yes\n"
    "[queue drops]\ncapacity = 5\nwhen_full = drop\n[queue refuses]\ncapacity = 5\nwhen_full = "
    "reject\n[queue one]\nconcurrency = 1\nrate = 3000/s\n",
    "[pool b]\nworkers = 2\nslots = 10\nqueues = *\n[pool a]\nworkers = 1\nslots = 100\nqueues = "
    "fast\n"
    "[queue fast]\n[queue mid]\n[queue slow]\nageing = 1ms\n"
    "[queue drops]\n[queue refuses]\ncapacity = 2\nwhen_full = reject\n[queue one]\n",
};

struct stress {
    struct executor x;
    atomic_bool over, collected;
    atomic_uint jobs, delivered, taken;
    unsigned seed;
};

struct host {
    struct stress *s;
    unsigned seed;
    uint64_t ids[64];
};

static unsigned below(unsigned *seed, unsigned n)
{
    *seed = *seed * 1103515245u + 12345u;
    return (*seed >> 16) % n;
}

static void check_row(const char *name, const struct neap_counters *c)
{
    if (c->submitted != c->completed + c->dead + c->cancelled + c->running + c->waiting)
        fail_msg("%s: submitted %llu, completed %llu, dead %llu, cancelled %llu, running %llu, "
                 "waiting %llu",
                 name, (unsigned long long)c->submitted, (unsigned long long)c->completed,
                 (unsigned long long)c->dead, (unsigned long long)c->cancelled,
                 (unsigned long long)c->running, (unsigned long long)c->waiting);
}

static struct neap_counters check_stats(neap *n)
{
    struct neap_stats stats;
    uint64_t in_queues = 0, in_tasks = 0;
    assert_int_equal(neap_stats(n, &stats, NULL), NEAP_OK);
    check_row("total", &stats.total);
    for (size_t i = 0; i < stats.n_queues; i++) {
        check_row(stats.queues[i].name, &stats.queues[i].counters);
        in_queues += stats.queues[i].counters.submitted;
    }
    for (size_t i = 0; i < stats.n_tasks; i++) {
        check_row(stats.tasks[i].name, &stats.tasks[i].counters);
        in_tasks += stats.tasks[i].counters.submitted;
    }
    assert_int_equal(in_queues, stats.total.submitted);
    assert_int_equal(in_tasks, stats.total.submitted);
    const struct neap_counters total = stats.total;
    neap_stats_free(&stats);
    return total;
}

static void submit(struct host *h)
{
    static const char *const queues[] = {NULL, "fast", "mid", "slow", "drops", "refuses", "one"};
    const struct neap_retry retry = {
        .max = (int)below(&h->seed, 3), .base_ms = 1, .cap_ms = -1, .backoff = -1, .jitter = -1};
    struct neap_request r = {
        .task = below(&h->seed, 8) ? "t.chaos" : "u.leaf",
        .args = below(&h->seed, 3) ? "{\"depth\":2}" : "{\"depth\":0}",
        .queue = queues[below(&h->seed, 7)],
        .priority_set = 1,
        .priority = (int)below(&h->seed, 40) - 20,
        .delay_ms = below(&h->seed, 4) ? 0 : below(&h->seed, 30),
        .expires_ms = below(&h->seed, 6) ? 0 : executor_now_ms() + below(&h->seed, 40),
        .retry = below(&h->seed, 2) ? &retry : NULL,
        .flags = (below(&h->seed, 2) ? NEAP_DELIVER : 0) | (below(&h->seed, 2) ? NEAP_NOWAIT : 0),
    };
    uint64_t id = 0;
    const int rc = neap_submit(h->s->x.n, &r, &id, NULL);
    if (rc != NEAP_OK) {
        assert_true(rc == NEAP_EFULL || rc == NEAP_EAGAIN || rc == NEAP_ENOENT);
        return;
    }
    if (id && r.flags & NEAP_DELIVER)
        atomic_fetch_add(&h->s->delivered, 1);
    h->ids[below(&h->seed, 64)] = id;
    atomic_fetch_add(&h->s->jobs, 1);
}

static void look(neap *n, uint64_t id)
{
    struct neap_job job;
    char *log;
    size_t len;
    if (neap_get(n, id, &job, NULL) == NEAP_OK) {
        assert_true(job.id == id);
        neap_job_free(&job);
    }
    if (neap_job_log(n, id, &log, &len, NULL) == NEAP_OK)
        free(log);
}

static void *host_main(void *arg)
{
    struct host *h = arg;
    struct stress *s = h->s;
    while (!atomic_load(&s->over)) {
        const unsigned what = below(&h->seed, 20);
        const uint64_t id = h->ids[below(&h->seed, 64)];
        if (what < 12 && atomic_load(&s->jobs) < JOBS_MOST)
            submit(h);
        else if (what < 14)
            neap_cancel(s->x.n, id, NULL);
        else if (what < 16)
            look(s->x.n, id);
        else if (what == 16)
            check_stats(s->x.n);
        else if (what == 17)
            neap_wait_idle(s->x.n, (int)below(&h->seed, 3));
        else
            usleep(below(&h->seed, 2000));
    }
    return NULL;
}

static void *collect(void *arg)
{
    struct stress *s = arg;
    struct neap_outcome out;
    while (!atomic_load(&s->collected)) {
        if (neap_next(s->x.n, &out, 5) != NEAP_OK)
            continue;
        assert_true(out.state == NEAP_COMPLETED || out.state == NEAP_DEAD ||
                    out.state == NEAP_CANCELLED);
        atomic_fetch_add(&s->taken, 1);
        neap_outcome_free(&out);
    }
    return NULL;
}

static void reload(struct stress *s)
{
    struct neap_error err;
    if (neap_reload(s->x.n, &err) != NEAP_OK)
        fail_msg("%s\n%s", err.message, s->x.problems);
}

static void change_something(struct stress *s, unsigned round)
{
    char text[sizeof chaos + 64];
    switch (below(&s->seed, 6)) {
    case 0:
        snprintf(text, sizeof text, "-- round %u\n%s", round, chaos);
        executor_write(&s->x, "plugins/t/chaos.lua", text);
        break;
    case 1:
        executor_write(&s->x, "plugins/t/chaos.lua", "return function( -- broken");
        break;
    case 2: /* no leaf: its jobs are held */
        executor_write(&s->x, "plugins/u/leaf.lua", "");
        executor_write(&s->x, "plugins/u/leaf.lua", leaf);
        break;
    default:
        executor_write(&s->x, "neap.ini", inis[below(&s->seed, 3)]);
    }
    reload(s);
}

static void rename_leaf(struct stress *s, const char *from, const char *to)
{
    char old[128], new[128];
    snprintf(old, sizeof old, "%s/%s", s->x.dir, from);
    snprintf(new, sizeof new, "%s/%s", s->x.dir, to);
    rename(old, new);
}

static void survives_everything_at_once(void **state)
{
    static struct stress s;
    struct host hosts[HOSTS];
    pthread_t threads[HOSTS], collector;
    const char *given = getenv("NEAP_SEED");
    (void)state;
    s.seed = given ? (unsigned)atoi(given) : (unsigned)time(NULL);
    print_message("NEAP_SEED=%u\n", s.seed);
    executor_init(&s.x);
    executor_write(&s.x, "neap.ini", inis[0]);
    executor_write(&s.x, "plugins/t/chaos.lua", chaos);
    executor_write(&s.x, "plugins/u/leaf.lua", leaf);
    executor_start(&s.x, 0);
    pthread_create(&collector, NULL, collect, &s);
    for (unsigned i = 0; i < HOSTS; i++) {
        hosts[i] = (struct host){.s = &s, .seed = s.seed + 77 * i};
        pthread_create(&threads[i], NULL, host_main, &hosts[i]);
    }
    const int64_t end_ms = executor_now_ms() + RUN_MS;
    for (unsigned round = 0; executor_now_ms() < end_ms; round++) {
        if (round % 4 == 2)
            rename_leaf(&s, "plugins/u/leaf.lua", "leaf.kept");
        change_something(&s, round);
        if (round % 4 == 3)
            rename_leaf(&s, "leaf.kept", "plugins/u/leaf.lua");
        usleep(20000 + below(&s.seed, 60000));
    }
    atomic_store(&s.over, true);
    executor_write(&s.x, "neap.ini", inis[0]);
    executor_write(&s.x, "plugins/t/chaos.lua", chaos);
    executor_write(&s.x, "plugins/u/leaf.lua", leaf);
    reload(&s);
    for (int i = 0; i < HOSTS; i++)
        pthread_join(threads[i], NULL);
    if (neap_wait_idle(s.x.n, 60000) != NEAP_OK) {
        const struct neap_counters c = check_stats(s.x.n);
        fail_msg("not idle: %llu running, %llu waiting", (unsigned long long)c.running,
                 (unsigned long long)c.waiting);
    }
    const struct neap_counters total = check_stats(s.x.n);
    assert_int_equal(total.running + total.waiting, 0);
    assert_true(total.submitted >= atomic_load(&s.delivered));
    for (int left = 2000; atomic_load(&s.taken) != atomic_load(&s.delivered); executor_pause(&left))
        ;
    atomic_store(&s.collected, true);
    pthread_join(collector, NULL);
    print_message("%llu jobs: %llu completed, %llu dead, %llu cancelled, %llu retries, %llu "
                  "refused, %llu dropped\n",
                  (unsigned long long)total.submitted, (unsigned long long)total.completed,
                  (unsigned long long)total.dead, (unsigned long long)total.cancelled,
                  (unsigned long long)total.retried, (unsigned long long)total.rejected,
                  (unsigned long long)total.dropped);
    executor_close(&s.x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(survives_everything_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
