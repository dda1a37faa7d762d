/* Jobs that wait for jobs or for room: what they give up, how they get it back, how they end. */
#include "executor.h"

#include <setjmp.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A task that waits in Lua until a job of t.go has run; t.parent waits for a job of t.child. */
static void write_family(struct executor *x)
{
    executor_write(x, "plugins/t/child.lua",
                   "local neap = require 'neap'\n"
                   "return { queue = 'child', run = function(name)\n"
                   "  local s = neap.shared('gates')\n"
                   "  while not s:get(name) do neap.sleep('5ms') end\n"
                   "  return 'child'\n"
                   "end }");
    executor_write(x, "plugins/t/open.lua",
                   "return { queue = 'child', run = function(name) "
                   "require('neap').shared('gates'):set(name, true) end }");
    executor_write(x, "plugins/t/parent.lua",
                   "local neap = require 'neap'\n"
                   "return { queue = 'parent', run = function(name)\n"
                   "  local ok, r = neap.submit('t.child', name):wait()\n"
                   "  return ok and 'parent' or r.code\n"
                   "end }");
    executor_write(x, "plugins/t/one.lua",
                   "return { queue = 'parent', run = function(n) return n end }");
}

/* Outcomes until the one with this result (JSON): how many others came before it. */
static int next_until(struct executor *x, const char *result)
{
    char text[64];
    int others = 0;
    while (executor_next(x, text, sizeof text), strcmp(text, result) != 0)
        others++;
    return others;
}

/* The parent's place was taken by a job that has not started, behind a worker that computes. */
static void places_come_back_before_new_starts(void **state)
{
    struct executor x;
    (void)state;
    executor_init(&x);
    write_family(&x);
    executor_write_blocker(&x);
    executor_write(
        &x, "neap.ini",
        "[pool a]\nworkers = 1\nqueues = parent, child\n[pool b]\nworkers = 1\nqueues = parent, b\n"
        "[queue parent]\nconcurrency = 1\n[queue child]\n[queue b]\n");
    executor_write(&x, "plugins/t/nap.lua",
                   "return { queue = 'parent', run = function() require('neap').sleep('50ms') "
                   "return 'nap' end }");
    executor_start(&x, 0);
    executor_submit(&x, "t.parent", "\"p\"");
    EXECUTOR_UNTIL(&x, submitted, 2);
    EXECUTOR_UNTIL(&x, running, 2);
    for (int i = 0; i < 20; i++)
        executor_submit(&x, "t.nap", NULL); /* one at a time through the place of the parent */
    next_until(&x, "\"nap\"");
    executor_submit(&x, "t.open", "\"p\"");
    next_until(&x, "nil"); /* of t.open */
    /* those that ran until the child had seen it, and the one then under way */
    assert_true(next_until(&x, "\"parent\"") < 8);
    assert_int_equal(neap_wait_idle(x.n, 20000), NEAP_OK);
    executor_close(&x);
}

/* One that waits for its place must not keep other queues' jobs from free slots. */
static void a_missing_place_blocks_no_slots(void **state)
{
    struct executor x;
    (void)state;
    executor_init(&x);
    write_family(&x);
    executor_write(&x, "plugins/t/hold.lua",
                   "local neap = require 'neap'\n"
                   "return { queue = 'parent', run = function()\n"
                   "  while not neap.shared('gates'):get('hold') do neap.sleep('5ms') end return "
                   "'hold' end }");
    executor_write(&x, "plugins/t/free.lua", "return function() return 'free' end");
    executor_write(&x, "neap.ini",
                   "[pool default]\nworkers = 1\nslots = 10\n[queue parent]\nconcurrency = 1\n");
    executor_start(&x, 0);
    executor_submit(&x, "t.parent", "\"p\"");
    EXECUTOR_UNTIL(&x, running, 2);
    executor_submit(&x, "t.hold", NULL); /* takes the place of the parent and keeps it */
    EXECUTOR_UNTIL(&x, running, 3);
    executor_submit(&x, "t.open", "\"p\"");
    executor_expect(&x, "nil");
    EXECUTOR_UNTIL(&x, completed, 2);
    executor_submit(&x, "t.free", NULL);
    executor_expect(&x, "\"free\"");
    executor_submit(&x, "t.open", "\"hold\"");
    executor_expect(&x, "nil");
    executor_expect(&x, "\"hold\"");
    executor_expect(&x, "\"parent\"");
    executor_close(&x);
}

static void many_parents_share_one_place(void **state)
{
    static const char *const inis[] = {
        "[pool default]\nworkers = 2\nslots = 1\n[queue parent]\nconcurrency = 1\n",
        "[pool default]\nworkers = 2\nslots = 2\n[queue parent]\nconcurrency = 2\n[queue "
        "child]\nconcurrency = 1\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof inis / sizeof *inis; i++) {
        struct executor x;
        executor_init(&x);
        write_family(&x);
        executor_write(&x, "neap.ini", inis[i]);
        executor_start(&x, 0);
        executor_submit(&x, "t.open", "\"all\"");
        for (int k = 0; k < 200; k++)
            executor_submit(&x, "t.parent", "\"all\"");
        executor_expect(&x, "nil");
        for (int k = 0; k < 200; k++)
            executor_expect(&x, "\"parent\"");
        const struct neap_counters total = executor_totals(&x);
        assert_int_equal(total.completed, 401);
        assert_int_equal(total.running + total.waiting, 0);
        executor_close(&x);
    }
}

static void waits_end_in_time(void **state)
{
    struct executor x;
    (void)state;
    executor_init(&x);
    write_family(&x);
    executor_write(&x, "plugins/t/brief.lua",
                   "local neap = require 'neap'\n"
                   "return function()\n"
                   "  local child = neap.submit('t.child', 'never')\n"
                   "  local times = 0\n"
                   "  for i = 1, 20 do local ok, e = child:wait('5ms') if not ok and e.code == "
                   "'timeout' then times = times + 1 end end\n"
                   "  child:cancel()\n"
                   "  local ok, e = child:wait(10)\n"
                   "  return { times, ok, e.code }\n"
                   "end");
    executor_write(&x, "neap.ini", "[pool default]\nworkers = 1\nslots = 1\n");
    executor_start(&x, 0);
    executor_submit(&x, "t.brief", NULL);
    assert_int_equal(neap_wait_idle(x.n, 1), NEAP_ETIME);
    assert_int_equal(neap_wait_idle(x.n, 0), NEAP_ETIME);
    executor_expect(&x, "[20,false,\"cancelled\"]");
    assert_int_equal(neap_wait_idle(x.n, 0), NEAP_OK);
    struct neap_stats stats;
    assert_int_equal(neap_stats(x.n, &stats, NULL), NEAP_OK);
    assert_int_equal(stats.reloads, 0); /* waiting is no reload */
    neap_stats_free(&stats);
    executor_close(&x);
}

/* Cancelled in every way of waiting, with what they wait for going on or ending at the same time.
 */
static void waiting_jobs_can_be_cancelled(void **state)
{
    struct executor x;
    uint64_t ids[60];
    char text[64];
    (void)state;
    executor_init(&x);
    write_family(&x);
    executor_write(&x, "plugins/t/stuff.lua",
                   "local neap = require 'neap'\n"
                   "return { queue = 'parent', run = function() for i = 1, 5 do "
                   "neap.submit('t.one', i, { queue = 'full' }) end return 'stuffed' end }");
    executor_write(
        &x, "neap.ini",
        "[pool default]\nworkers = 2\nslots = 100\n[queue parent]\nconcurrency = 3\n[queue child]\n"
        "[queue full]\ncapacity = 2\npaused = yes\n");
    executor_start(&x, 0);
    for (int i = 0; i < 60; i++)
        ids[i] = i % 3 ? executor_submit(&x, "t.parent", i % 2 ? "\"x\"" : "\"y\"")
                       : executor_submit(&x, "t.stuff", NULL);
    usleep(30000);
    executor_submit(&x, "t.open", "\"x\"");
    for (int i = 0; i < 60; i++)
        neap_cancel(x.n, ids[i], NULL);
    for (int i = 0; i < 61; i++)
        executor_next(&x, text, sizeof text);
    executor_submit(&x, "t.open", "\"y\"");
    executor_reload(
        &x,
        "[pool default]\nworkers = 2\nslots = 100\n[queue parent]\nconcurrency = 3\n[queue child]\n"
        "[queue full]\ncapacity = 2\n");
    assert_int_equal(neap_wait_idle(x.n, 20000), NEAP_OK);
    const struct neap_counters total = executor_totals(&x);
    assert_int_equal(total.submitted, total.completed + total.cancelled);
    assert_int_equal(total.waiting + total.running, 0);
    executor_close(&x);
}

/* Told to stop just when the attempt ends in another way: it does not run again. */
static void a_cancelled_job_is_not_retried(void **state)
{
    struct executor x;
    char text[2048];
    (void)state;
    executor_init(&x);
    snprintf(text, sizeof text,
             "return { retry = { max = 5, base = '10ms' }, run = function(_, ctx)\n"
             "  io.open('%s/in' .. ctx.attempt, 'w'):close()\n"
             "  repeat local f = io.open('%s/go') until f\n"
             "  error('no', 0)\n"
             "end }",
             x.dir, x.dir);
    executor_write(&x, "plugins/t/fail.lua", text);
    executor_write(
        &x, "plugins/t/snooze.lua",
        "return function(_, ctx)\n"
        "  local t = os.clock() while os.clock() - t < 0.05 do end ctx:snooze('1h') end");
    executor_start(&x, 0);
    const uint64_t id = executor_submit(&x, "t.fail", NULL);
    executor_await(&x, "in1");
    assert_int_equal(neap_cancel(x.n, id, NULL), NEAP_OK);
    executor_write(&x, "go", "");
    struct neap_outcome out = executor_next(&x, text, sizeof text);
    assert_int_equal(out.state, NEAP_CANCELLED);
    assert_int_equal(out.attempt, 1);
    const uint64_t other = executor_submit(&x, "t.snooze", NULL);
    EXECUTOR_UNTIL(&x, running, 1);
    assert_int_equal(neap_cancel(x.n, other, NULL), NEAP_OK);
    out = executor_next(&x, text, sizeof text);
    assert_int_equal(out.state, NEAP_CANCELLED);
    assert_int_equal(neap_wait_idle(x.n, 20000), NEAP_OK);
    assert_int_equal(executor_totals(&x).cancelled, 2);
    executor_close(&x);
}

/* on_dead that waits for a job is stopped by a drain; then that job ends. */
static void on_dead_may_wait(void **state)
{
    struct executor x;
    (void)state;
    executor_init(&x);
    write_family(&x);
    executor_write(&x, "plugins/t/dies.lua",
                   "local neap = require 'neap'\n"
                   "return { queue = 'parent', run = function(name) error('no', 0) end,\n"
                   "  on_dead = function(name) print(neap.submit('t.child', name):wait()) end }");
    executor_write(&x, "neap.ini",
                   "[pool default]\nworkers = 1\nslots = 2\n[queue parent]\nconcurrency = "
                   "1\n[queue later]\npaused = yes\n");
    executor_start(&x, 0);
    executor_submit(&x, "t.dies", "\"a\"");
    executor_expect(&x, "no");
    executor_submit(&x, "t.open", "\"a\"");
    executor_expect(&x, "nil");
    assert_int_equal(neap_wait_idle(x.n, 20000), NEAP_OK);
    assert_string_equal(x.printed, "true\tchild\n");
    executor_write(
        &x, "plugins/t/dies.lua",
        "local neap = require 'neap'\n"
        "return { run = function(name) error('no', 0) end,\n"
        "  on_dead = function(name, ctx) print(neap.submit('t.one', 1, { queue = 'later' }).id) \n"
        "    local job = neap.submit('t.one', 1, { queue = 'later' }) print('waits', job.id) "
        "job:wait() end }");
    struct neap_error err;
    assert_int_equal(neap_reload(x.n, &err), NEAP_OK);
    executor_submit(&x, "t.dies", "\"b\"");
    executor_expect(&x, "no");
    for (int left = 4000; !executor_printed(&x, "waits"); executor_pause(&left))
        ;
    uint64_t id;
    char text[14] = {0};
    memcpy(text, strstr(x.printed, "waits\t") + 6, 13);
    assert_int_equal(neap_id_parse(text, &id), NEAP_OK);
    EXECUTOR_UNTIL(&x, waiting, 2);
    assert_int_equal(neap_drain(x.n, 100, NULL), NEAP_ETIME);
    assert_int_equal(neap_cancel(x.n, id, NULL), NEAP_OK);
    assert_int_equal(executor_totals(&x).waiting, 1);
    executor_close(&x);
}

struct submitter {
    struct executor *x;
    int rc;
};

static void *submit_one(void *arg)
{
    struct submitter *s = arg;
    const struct neap_request request = {.task = "t.one", .args = "0", .queue = "full"};
    s->rc = neap_submit(s->x->n, &request, NULL, NULL);
    return NULL;
}

/* Room that nobody runs for: made by an expiry, a cancel, a larger capacity, and none in a drain.
 */
static void hosts_wait_for_room(void **state)
{
    struct executor x;
    (void)state;
    executor_init(&x);
    write_family(&x);
    executor_write(&x, "neap.ini",
                   "[pool default]\nworkers = 1\n[queue full]\ncapacity = 2\npaused = yes\n");
    executor_start(&x, 0);
    const uint64_t first =
        executor_request(&x, (struct neap_request){.task = "t.one", .queue = "full"});
    executor_request(&x, (struct neap_request){.task = "t.one",
                                               .queue = "full",
                                               .expires_ms = executor_now_ms() + 100});
    struct submitter s[4];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        s[i] = (struct submitter){&x, 1};
        pthread_create(&threads[i], NULL, submit_one, &s[i]);
    }
    EXECUTOR_UNTIL(&x, submitted, 3); /* by the expiry */
    neap_cancel(x.n, first, NULL);
    EXECUTOR_UNTIL(&x, submitted, 4);
    executor_reload(&x, "[pool default]\nworkers = 1\n[queue full]\ncapacity = 3\npaused = yes\n");
    EXECUTOR_UNTIL(&x, submitted, 5);
    assert_int_equal(neap_drain(x.n, 0, NULL), NEAP_OK);
    int refused = 0;
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        refused += s[i].rc == NEAP_ECLOSED;
    }
    assert_int_equal(refused, 1);
    assert_int_equal(executor_totals(&x).waiting, 3);
    executor_close(&x);
}

/* Jobs that look again and again do not keep out the job that they look for. */
static void pollers_let_others_start(void **state)
{
    struct executor x;
    char text[64];
    (void)state;
    executor_init(&x);
    executor_write(&x, "neap.ini", "[pool default]\nworkers = 1\nslots = 1000\n");
    executor_write(&x, "plugins/t/poll.lua",
                   "local neap = require 'neap'\n"
                   "local come = 0\n"
                   "return function(n)\n"
                   "  come = come + 1\n"
                   "  while come < n do neap.sleep(0) end\n"
                   "end");
    executor_start(&x, 0);
    for (int i = 0; i < 300; i++)
        executor_submit(&x, "t.poll", "300");
    for (int i = 0; i < 300; i++)
        assert_int_equal(executor_next(&x, text, sizeof text).state, NEAP_COMPLETED);
    executor_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pollers_let_others_start),
        cmocka_unit_test(places_come_back_before_new_starts),
        cmocka_unit_test(a_missing_place_blocks_no_slots),
        cmocka_unit_test(many_parents_share_one_place),
        cmocka_unit_test(waits_end_in_time),
        cmocka_unit_test(waiting_jobs_can_be_cancelled),
        cmocka_unit_test(a_cancelled_job_is_not_retried),
        cmocka_unit_test(on_dead_may_wait),
        cmocka_unit_test(hosts_wait_for_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
