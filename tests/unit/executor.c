/* The executor through its public API: order, delays, limits, waiting, retries, isolation,
 * shutdown. */
#include "../support/executor.h"

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Waits until the file exists: how a task tells that it has got somewhere. */
static void await_file(struct executor *x, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", x->dir, name);
    for (int i = 0; i < 4000 && access(path, F_OK); i++)
        usleep(5000);
    assert_int_equal(access(path, F_OK), 0);
}

/* A task that blocks its worker until DIR/go exists (no waiting: it computes). */
static void write_blocker(struct executor *x)
{
    char text[1024];
    snprintf(text, sizeof text,
             "return function(args)\n"
             "  io.open('%s/' .. (args.tell or 'blocked'), 'w'):close()\n"
             "  repeat local f = io.open('%s/' .. (args.go or 'go')) until f\n"
             "  return 'free'\n"
             "end\n",
             x->dir, x->dir);
    executor_write(x, "plugins/t/block.lua", text);
}

#define ONE_WORKER "[pool default]\nworkers = 1\nslots = 1\n"

/* --- results and errors --------------------------------------------------------------------------
 */

static void runs_jobs(void **state)
{
    struct executor x;
    (void)state;
    executor_init(&x);
    executor_write(&x, "plugins/t/add.lua", "return function(a) return a.x + a.y end");
    executor_write(&x, "plugins/one.lua",
                   "return { run = function(args, ctx) return ctx.task .. ctx.attempt end }");
    executor_start(&x, 0);
    assert_string_equal(x.problems, "");
    assert_string_equal(executor_run(&x, "t.add", "{\"x\":1,\"y\":2}"), "3");
    assert_string_equal(executor_run(&x, "t.add", "{\"x\":9223372036854775806,\"y\":1}"),
                        "9223372036854775807");
    assert_string_equal(executor_run(&x, "one", NULL), "\"one1\"");
    executor_close(&x);
}

static void reports_errors(void **state)
{
    static const struct {
        const char *body, *message, *traceback;
    } cases[] = {
        {"error('plain')", "t/e.lua:2: plain", "t/e.lua:2"},
        {"error({1})", "(error object is a table value)", "t/e.lua:2"},
        {"error(nil)", "(error object is a nil value)", "t/e.lua:2"},
        {"error(setmetatable({}, {__tostring = function() return 'mine' end}))", "mine",
         "t/e.lua:2"},
        {"error(io.stdout)", "file (stdout)", "t/e.lua:2"},
        {"local function f() return 1 + f() end return f()", "stack overflow", "t/e.lua:2"},
        {"return args:missing()", "attempt to call a nil value (method 'missing')", "t/e.lua:2"},
        {"return nil, 'no luck'", "no luck", NULL},
        {"return print", "result: a function cannot cross", NULL},
        {"undeclared = 1", "global 'undeclared' is not declared", "t/e.lua:2"},
        {"load(string.char(27) .. 'Lua')()", "t/e.lua:2", "t/e.lua:2"},
        {"local s = string.dump(print)", "string.dump is not available", "t/e.lua:2"},
        {"os.exit()", "os.exit is not available", "t/e.lua:2"},
    };
    struct executor x;
    (void)state;
    executor_init(&x);
    executor_write(&x, "plugins/t/e.lua", "return 1");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[32], text[256];
        snprintf(name, sizeof name, "plugins/e%zu/e.lua", i);
        snprintf(text, sizeof text, "return function(args)\n%s\nend", cases[i].body);
        executor_write(&x, name, text);
    }
    executor_write(&x, "plugins/t/e.lua", "return function() return 'still works' end");
    executor_start(&x, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char task[32];
        struct neap_outcome out;
        snprintf(task, sizeof task, "e%zu.e", i);
        executor_submit(&x, task, "{}");
        assert_int_equal(neap_next(x.n, &out, 20000), NEAP_OK);
        const char *want = strchr(cases[i].message, '/') == cases[i].message + 1
                               ? cases[i].message + 1
                               : cases[i].message;
        if (out.state != NEAP_DEAD || !strstr(out.message, want))
            fail_msg("%s: state %d, '%s'", cases[i].body, out.state, out.message);
        if (cases[i].traceback &&
            (!out.traceback || !strstr(out.traceback, cases[i].traceback + 1)))
            fail_msg("%s: traceback '%s'", cases[i].body, out.traceback);
        assert_string_equal(out.code, "error");
        neap_outcome_free(&out);
    }
    assert_string_equal(executor_run(&x, "t.e", NULL), "\"still works\"");
    executor_close(&x);
}

static void checks_arguments(void **state)
{
    struct executor x;
    struct neap_outcome out;
    char text[512];
    (void)state;
    executor_init(&x);
    executor_write(&x, "plugins/t/u.lua",
                   "return { args = { user = 'integer', mode = { 'string', default = 'fast' } },\n"
                   "  run = function(args) return args.user .. args.mode end }");
    executor_start(&x, 0);
    assert_string_equal(executor_run(&x, "t.u", "{\"user\":7}"), "\"7fast\"");
    executor_submit(&x, "t.u", "{\"usr\":7}");
    out = executor_next(&x, text, sizeof text);
    assert_int_equal(out.state, NEAP_DEAD);
    assert_non_null(strstr(text, "user"));
    executor_close(&x);
}

/* --- order and time
 * ------------------------------------------------------------------------------- */

static void runs_by_priority_then_age(void **state)
{
    struct executor x;
    char text[512];
    int last_priority = 1000, last_seq = -1;
    (void)state;
    executor_init(&x);
    write_blocker(&x);
    executor_write(&x, "neap.ini", ONE_WORKER);
    executor_write(&x, "plugins/t/echo.lua", "return function(a) return a end");
    executor_start(&x, 0);
    executor_submit(&x, "t.block", "{}");
    await_file(&x, "blocked");
    srand(7);
    for (int i = 0; i < 200; i++) {
        const int priority = rand() % 256 - 128;
        char args[64];
        snprintf(args, sizeof args, "{\"p\":%d,\"i\":%d}", priority, i);
        const struct neap_request request = {.task = "t.echo",
                                             .args = args,
                                             .priority_set = 1,
                                             .priority = priority,
                                             .flags = NEAP_DELIVER};
        assert_int_equal(neap_submit(x.n, &request, NULL, NULL), NEAP_OK);
    }
    executor_write(&x, "go", "");
    executor_next(&x, text, sizeof text);
    assert_string_equal(text, "\"free\"");
    for (int i = 0; i < 200; i++) {
        int priority, seq;
        executor_next(&x, text, sizeof text);
        const char *p = strstr(text, "\"p\":"), *s = strstr(text, "\"i\":");
        assert_true(p && s);
        priority = atoi(p + 4);
        seq = atoi(s + 4);
        assert_true(priority < last_priority || (priority == last_priority && seq > last_seq));
        last_priority = priority;
        last_seq = seq;
    }
    executor_close(&x);
}

static int by_value(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void is_never_early_and_rarely_late(void **state)
{
    enum { JOBS = 10000 };
    struct executor x;
    static int64_t late_ms[JOBS];
    (void)state;
    executor_init(&x);
    executor_write(&x, "plugins/t/nop.lua", "return function() end");
    executor_start(&x, 0);
    srand(3);
    int64_t *due = calloc(JOBS, sizeof *due);
    for (int i = 0; i < JOBS; i++) {
        due[i] = now_ms() + rand() % 2000;
        const struct neap_request request = {
            .task = "t.nop", .at_ms = due[i], .tag = (uint64_t)i, .flags = NEAP_DELIVER};
        assert_int_equal(neap_submit(x.n, &request, NULL, NULL), NEAP_OK);
    }
    for (int i = 0; i < JOBS; i++) {
        struct neap_outcome out;
        assert_int_equal(neap_next(x.n, &out, 20000), NEAP_OK);
        late_ms[i] = out.started_ms - due[out.tag];
        assert_true(late_ms[i] >= 0);
        neap_outcome_free(&out);
    }
    qsort(late_ms, JOBS, sizeof *late_ms, by_value);
    print_message("delays: median %lld ms, 99 %% %lld ms, worst %lld ms late\n",
                  (long long)late_ms[JOBS / 2], (long long)late_ms[JOBS * 99 / 100],
                  (long long)late_ms[JOBS - 1]);
    free(due);
    executor_close(&x);
}

static void urgent_overtakes_claimed(void **state)
{
    struct executor x;
    char text[128];
    (void)state;
    executor_init(&x);
    write_blocker(&x);
    executor_write(&x, "neap.ini", "[pool default]\nworkers = 1\n");
    executor_write(&x, "plugins/t/echo.lua", "return function(a) return a end");
    executor_start(&x, 0);
    executor_submit(&x, "t.block", "{}");
    await_file(&x, "blocked");
    for (int i = 0; i < 50; i++)
        executor_submit(&x, "t.echo", "0");
    const struct neap_request urgent = {
        .task = "t.echo", .args = "1", .priority_set = 1, .priority = 20, .flags = NEAP_DELIVER};
    assert_int_equal(neap_submit(x.n, &urgent, NULL, NULL), NEAP_OK);
    executor_totals(&x); /* the engine has dealt with all of them once it answers this */
    executor_write(&x, "go", "");
    executor_next(&x, text, sizeof text);
    executor_next(&x, text, sizeof text);
    assert_string_equal(text, "1");
    executor_close(&x);
}

static void nothing_waits_behind_one_that_computes(void **state)
{
    struct executor x;
    char text[128];
    (void)state;
    executor_init(&x);
    write_blocker(&x);
    executor_write(&x, "neap.ini", "[pool default]\nworkers = 2\n");
    executor_write(&x, "plugins/t/echo.lua", "return function(a) return a end");
    executor_start(&x, 0);
    executor_submit(&x, "t.block", "{\"tell\":\"b1\",\"go\":\"go1\"}");
    executor_submit(&x, "t.block", "{\"tell\":\"b2\",\"go\":\"go2\"}");
    await_file(&x, "b1");
    await_file(&x, "b2");
    for (int i = 0; i < 100; i++) /* half of them line up before either worker */
        executor_submit(&x, "t.echo", "0");
    executor_totals(&x);
    executor_write(&x, "go1", "");
    executor_next(&x, text, sizeof text);
    assert_string_equal(text, "\"free\"");
    for (int i = 0; i < 100; i++) {
        executor_next(&x, text, sizeof text);
        assert_string_equal(text, "0"); /* all, while the other still computes */
    }
    executor_write(&x, "go2", "");
    executor_next(&x, text, sizeof text);
    executor_close(&x);
}

/* --- limits
 * --------------------------------------------------------------------------------------- */

static void full_queues_do_as_told(void **state)
{
    struct executor x;
    struct neap_error err;
    uint64_t id;
    char text[128];
    (void)state;
    executor_init(&x);
    write_blocker(&x);
    executor_write(
        &x, "neap.ini",
        ONE_WORKER
        "[queue r]\ncapacity = 10\nwhen_full = reject\n[queue d]\ncapacity = 10\nwhen_full = drop\n"
        "[queue b]\ncapacity = 10\nwhen_full = block\n");
    executor_write(&x, "plugins/t/r.lua", "return { queue = 'r', run = function() end }");
    executor_write(&x, "plugins/t/d.lua", "return { queue = 'd', run = function() end }");
    executor_write(&x, "plugins/t/b.lua", "return { queue = 'b', run = function() end }");
    executor_start(&x, 0);
    executor_submit(&x, "t.block", "{}");
    await_file(&x, "blocked");
    struct neap_request request = {.task = "t.r", .flags = NEAP_DELIVER};
    for (int i = 0; i < 15; i++)
        assert_int_equal(neap_submit(x.n, &request, &id, &err), i < 10 ? NEAP_OK : NEAP_EFULL);
    request.task = "t.d";
    for (int i = 0; i < 15; i++) {
        assert_int_equal(neap_submit(x.n, &request, &id, &err), NEAP_OK);
        assert_int_equal(id != 0, i < 10);
    }
    request.task = "t.b";
    request.flags |= NEAP_NOWAIT;
    for (int i = 0; i < 15; i++)
        assert_int_equal(neap_submit(x.n, &request, &id, &err), i < 10 ? NEAP_OK : NEAP_EAGAIN);
    struct neap_counters total = executor_totals(&x);
    assert_int_equal(total.rejected, 5);
    assert_int_equal(total.dropped, 5);
    assert_int_equal(total.waiting, 30);
    assert_int_equal(total.submitted, 31);
    executor_write(&x, "go", "");
    request.flags = NEAP_DELIVER; /* now it blocks until there is room, and there will be */
    assert_int_equal(neap_submit(x.n, &request, &id, &err), NEAP_OK);
    for (int i = 0; i < 32; i++)
        executor_next(&x, text, sizeof text);
    assert_int_equal(neap_wait_idle(x.n, 20000), NEAP_OK);
    total = executor_totals(&x);
    assert_int_equal(total.completed, 32);
    assert_int_equal(total.waiting, 0);
    assert_int_equal(total.running, 0);
    executor_close(&x);
}

static void scripts_see_full_queues(void **state)
{
    struct executor x;
    (void)state;
    executor_init(&x);
    executor_write(
        &x, "neap.ini",
        "[pool default]\nworkers = 1\n[queue r]\ncapacity = 10\nwhen_full = reject\npaused = yes\n"
        "[queue b]\ncapacity = 3\nwhen_full = block\n");
    executor_write(&x, "plugins/t/r.lua", "return { queue = 'r', run = function() end }");
    executor_write(&x, "plugins/t/b.lua", "return { queue = 'b', run = function(n) return n end }");
    executor_write(&x, "plugins/t/fill.lua",
                   "local neap = require 'neap'\n"
                   "return function()\n"
                   "  local ok, why = 0, nil\n"
                   "  for i = 1, 12 do local j, e = neap.submit('t.r', {}) if j then ok = ok + 1 "
                   "else why = e end end\n"
                   "  local jobs = {}\n"
                   "  for i = 1, 50 do jobs[i] = neap.submit('t.b', i) end\n"
                   "  local results, errors = neap.all(jobs)\n"
                   "  local sum = 0 for i = 1, 50 do sum = sum + results[i] end\n"
                   "  return { ok, why, sum, errors == nil }\n"
                   "end");
    executor_start(&x, 0);
    assert_string_equal(executor_run(&x, "t.fill", NULL), "[10,\"full\",1275,true]");
    executor_close(&x);
}

static void concurrency_and_rate_hold(void **state)
{
    struct executor x;
    char text[128];
    (void)state;
    executor_init(&x);
    executor_write(
        &x, "neap.ini",
        "[pool default]\nworkers = 2\n[queue c]\nconcurrency = 3\n[queue rate]\nrate = 50/s\n");
    executor_write(&x, "plugins/t/c.lua",
                   "local neap = require 'neap'\n"
                   "return { queue = 'c', run = function()\n"
                   "  local s = neap.shared('c')\n"
                   "  local n = s:incr('now')\n"
                   "  neap.sleep(0.01)\n"
                   "  s:incr('now', -1)\n"
                   "  return n\n"
                   "end }");
    executor_write(&x, "plugins/t/rate.lua", "return { queue = 'rate', run = function() end }");
    executor_start(&x, 0);
    int most = 0;
    for (int i = 0; i < 60; i++)
        executor_submit(&x, "t.c", "{}");
    for (int i = 0; i < 60; i++) {
        executor_next(&x, text, sizeof text);
        most = atoi(text) > most ? atoi(text) : most;
    }
    assert_int_equal(most, 3);
    const int64_t begin = now_ms();
    for (int i = 0; i < 21; i++)
        executor_submit(&x, "t.rate", "{}");
    for (int i = 0; i < 21; i++)
        executor_next(&x, text, sizeof text);
    assert_true(now_ms() - begin >= 20 * 20 - 5);
    executor_close(&x);
}

/* --- waiting for jobs
 * ------------------------------------------------------------------------------ */

static void parents_never_deadlock(void **state)
{
    static const char *const inis[] = {
        ONE_WORKER, "[pool default]\nworkers = 1\n[queue default]\nconcurrency = 1\n",
        ONE_WORKER "[queue default]\nconcurrency = 1\n"};
    (void)state;
    for (size_t i = 0; i < sizeof inis / sizeof *inis; i++) {
        struct executor x;
        executor_init(&x);
        executor_write(&x, "neap.ini", inis[i]);
        executor_write(&x, "plugins/t/tree.lua",
                       "local neap = require 'neap'\n"
                       "return function(n)\n"
                       "  if n == 0 then return 1 end\n"
                       "  local a, b = neap.submit('t.tree', n - 1), neap.submit('t.tree', n - 1)\n"
                       "  local r = assert(neap.all { a, b })\n"
                       "  return r[1] + r[2]\n"
                       "end");
        executor_start(&x, 0);
        assert_string_equal(executor_run(&x, "t.tree", "6"), "64");
        executor_close(&x);
    }
}

static void waits_tell_what_became_of_it(void **state)
{
    struct executor x;
    (void)state;
    executor_init(&x);
    executor_write(&x, "plugins/t/fail.lua", "return function() error('no', 0) end");
    executor_write(&x, "plugins/t/slow.lua", "return function() require('neap').sleep(30) end");
    executor_write(&x, "plugins/t/parent.lua",
                   "local neap = require 'neap'\n"
                   "return function()\n"
                   "  local ok, e = neap.submit('t.fail'):wait()\n"
                   "  local slow = neap.submit('t.slow')\n"
                   "  local ok2, e2 = slow:wait('20ms')\n"
                   "  local before = slow:state()\n"
                   "  assert(slow:cancel())\n"
                   "  local ok3, e3 = slow:wait()\n"
                   "  local late = neap.submit('t.slow', {}, { delay = '1h' })\n"
                   "  local s4 = late:state()\n"
                   "  assert(late:cancel())\n"
                   "  return { ok, e.message, e.code, ok2, e2.code, before, ok3, e3.code, s4, "
                   "late:state(), (pcall(neap.submit, 't.fial')) }\n"
                   "end");
    executor_start(&x, 0);
    assert_string_equal(executor_run(&x, "t.parent", NULL),
                        "[false,\"no\",\"error\",false,\"timeout\",\"running\",false,\"cancelled\","
                        "\"scheduled\",\"cancelled\",false]");
    executor_close(&x);
}

static void thousands_sleep_in_one_worker(void **state)
{
    enum { JOBS = 5000 };
    struct executor x;
    char text[64];
    (void)state;
    executor_init(&x);
    executor_write(&x, "neap.ini", "[pool default]\nworkers = 1\nslots = 10000\n");
    executor_write(&x, "plugins/t/nap.lua",
                   "return function() require('neap').sleep('300ms') return true end");
    executor_start(&x, 0);
    const int64_t begin = now_ms();
    for (int i = 0; i < JOBS; i++)
        executor_submit(&x, "t.nap", NULL);
    for (int i = 0; i < JOBS; i++)
        executor_next(&x, text, sizeof text);
    const int64_t took = now_ms() - begin;
    assert_true(took >= 300);
    assert_true(took < 300 * JOBS / 10);
    executor_close(&x);
}

/* --- failure
 * --------------------------------------------------------------------------------------- */

static void retries_and_gives_up(void **state)
{
    struct executor x;
    char text[256];
    (void)state;
    executor_init(&x);
    executor_write(
        &x, "plugins/t/flaky.lua",
        "return { retry = { max = 3, base = '10ms', jitter = 0 }, run = function(a, ctx)\n"
        "  if ctx.attempt <= a.fail then error('try ' .. ctx.attempt, 0) end return ctx.attempt "
        "end,\n"
        "  on_dead = function(a, ctx, err) print('dead', err.message, ctx.attempt) end }");
    executor_write(&x, "plugins/t/verdict.lua",
                   "local neap = require 'neap'\n"
                   "local snoozed = 0\n"
                   "return { retry = { max = 5, base = '1ms' }, run = function(how, ctx)\n"
                   "  if how == 'fail' then pcall(ctx.fail, ctx, 'for good') end\n"
                   "  if how == 'cancel' then ctx:cancel('never mind') end\n"
                   "  if how == 'snooze' then snoozed = snoozed + 1 if snoozed < 4 then "
                   "ctx:snooze('5ms') end end\n"
                   "  if how == 'retry' and ctx.attempt < 3 then ctx:retry('5ms', 'again') end\n"
                   "  return { ctx.attempt, snoozed }\n"
                   "end }");
    executor_start(&x, 0);
    assert_string_equal(executor_run(&x, "t.flaky", "{\"fail\":3}"), "4");
    executor_submit(&x, "t.flaky", "{\"fail\":4}");
    struct neap_outcome out = executor_next(&x, text, sizeof text);
    assert_int_equal(out.state, NEAP_DEAD);
    assert_int_equal(out.attempt, 4);
    assert_string_equal(text, "try 4");
    assert_int_equal(neap_wait_idle(x.n, 20000), NEAP_OK);
    assert_string_equal(x.printed, "dead\ttry 4\t4\n");
    executor_submit(&x, "t.verdict", "\"fail\"");
    out = executor_next(&x, text, sizeof text);
    assert_int_equal(out.state, NEAP_DEAD);
    assert_int_equal(out.attempt, 1);
    assert_string_equal(text, "for good");
    executor_submit(&x, "t.verdict", "\"cancel\"");
    out = executor_next(&x, text, sizeof text);
    assert_int_equal(out.state, NEAP_CANCELLED);
    assert_string_equal(executor_run(&x, "t.verdict", "\"retry\""), "[3,0]");
    assert_string_equal(executor_run(&x, "t.verdict", "\"snooze\""), "[1,4]");
    const struct neap_counters total = executor_totals(&x);
    assert_int_equal(total.dead, 2);
    assert_int_equal(total.cancelled, 1);
    assert_int_equal(total.retried, 3 + 3 + 2);
    executor_close(&x);
}

static void children_come_with_completion(void **state)
{
    struct executor x;
    char text[256];
    (void)state;
    executor_init(&x);
    executor_write(&x, "plugins/t/child.lua", "return function(n) print('child', n) end");
    executor_write(&x, "plugins/t/parent.lua",
                   "return { run = function(ok, ctx) ctx:submit('t.child', tostring(ok)) if not ok "
                   "then error('x') end end }");
    executor_start(&x, 0);
    executor_run(&x, "t.parent", "true");
    executor_submit(&x, "t.parent", "false");
    executor_next(&x, text, sizeof text);
    assert_int_equal(neap_wait_idle(x.n, 20000), NEAP_OK);
    assert_string_equal(x.printed, "child\ttrue\n");
    assert_int_equal(executor_totals(&x).submitted, 3);
    assert_int_equal(executor_totals(&x).waiting, 0);
    executor_close(&x);
}

static void expired_jobs_are_cancelled(void **state)
{
    struct executor x;
    char text[128];
    (void)state;
    executor_init(&x);
    write_blocker(&x);
    executor_write(&x, "neap.ini", ONE_WORKER);
    executor_start(&x, 0);
    executor_submit(&x, "t.block", "{}");
    await_file(&x, "blocked");
    const struct neap_request request = {
        .task = "t.block", .expires_ms = now_ms() + 30, .tag = 9, .flags = NEAP_DELIVER};
    assert_int_equal(neap_submit(x.n, &request, NULL, NULL), NEAP_OK);
    const struct neap_outcome out =
        executor_next(&x, text, sizeof text); /* while the worker is still busy */
    assert_int_equal(out.tag, 9);
    assert_int_equal(out.state, NEAP_CANCELLED);
    executor_write(&x, "go", "");
    executor_next(&x, text, sizeof text);
    executor_close(&x);
}

static void setup_runs_once(void **state)
{
    struct executor x;
    char text[128];
    (void)state;
    executor_init(&x);
    executor_write(&x, "neap.ini", "[pool default]\nworkers = 1\n[task t.s]\nconfig.base = 10\n");
    executor_write(&x, "plugins/t/s.lua",
                   "local neap = require 'neap'\n"
                   "local setups = 0\n"
                   "return { config = { base = 'integer' },\n"
                   "  setup = function(config) setups = setups + 1 neap.sleep('20ms') return { n = "
                   "config.base + setups } end,\n"
                   "  run = function(_, ctx) ctx.state.n = ctx.state.n + 1 return { ctx.state.n, "
                   "setups, ctx.config.base } end,\n"
                   "  teardown = function(state) print('bye', state.n) end }");
    executor_start(&x, 0);
    for (int i = 0; i < 5; i++)
        executor_submit(&x, "t.s", NULL);
    for (int i = 0; i < 5; i++) {
        char want[32];
        executor_next(&x, text, sizeof text);
        snprintf(want, sizeof want, "[%d,1,10]", 12 + i);
        assert_string_equal(text, want);
    }
    executor_close(&x);
    assert_string_equal(x.printed, "bye\t16\n");
}

/* --- isolation
 * ------------------------------------------------------------------------------------- */

static void plugins_do_not_see_each_other(void **state)
{
    struct executor x;
    char text[256];
    (void)state;
    executor_init(&x);
    executor_write(&x, "neap.ini", "[pool default]\nworkers = 1\n");
    executor_write(
        &x, "plugins/bad/spoil.lua",
        "mine = 1\n"
        "function string.shout(s) return s:upper() .. '!' end\n"
        "local own = ('x'):shout()\n"
        "string.format = nil table.insert = nil math.pi = 3 coroutine.wrap = nil os.time = nil\n"
        "require('neap').sleep = nil require('neap').json.encode = nil\n"
        "package.loaded.neap = nil\n"
        "local meta = getmetatable('') \n"
        "return function()\n"
        "  pcall(function() getmetatable('').__index = nil end)\n"
        "  pcall(setmetatable, _G, nil)\n"
        "  pcall(rawset, _G, 'theirs', 1)\n"
        "  require('neap').sleep('1ms')\n"
        "  return own .. ('y'):shout()\n"
        "end");
    executor_write(
        &x, "plugins/good/look.lua",
        "local neap = require 'neap'\n"
        "return function()\n"
        "  neap.sleep('1ms')\n"
        "  return { mine == nil, theirs == nil, ('x').shout == nil, string.format ~= nil, "
        "table.insert ~= nil, math.pi > 3.1,\n"
        "    coroutine.wrap ~= nil, os.time ~= nil, neap.json.encode ~= nil, ('%d'):format(3) }\n"
        "end");
    executor_start(&x, 0);
    executor_submit(&x, "bad.spoil", NULL);
    executor_next(&x, text, sizeof text);
    for (int i = 0; i < 20; i++) {
        executor_submit(&x, "bad.spoil", NULL);
        executor_submit(&x, "good.look", NULL);
    }
    for (int i = 0; i < 40; i++) {
        executor_next(&x, text, sizeof text);
        if (text[0] == '[')
            assert_string_equal(text, "[true,true,true,true,true,true,true,true,true,\"3\"]");
    }
    executor_close(&x);
}

static void two_executors_in_one_process(void **state)
{
    struct executor a, b;
    (void)state;
    executor_init(&a);
    executor_init(&b);
    executor_write(&a, "plugins/t/who.lua", "return function() return 'a' end");
    executor_write(&b, "plugins/t/who.lua", "return function() return 'b' end");
    executor_start(&a, 0);
    executor_start(&b, 0);
    for (int i = 0; i < 100; i++) {
        assert_string_equal(executor_run(&a, "t.who", NULL), "\"a\"");
        assert_string_equal(executor_run(&b, "t.who", NULL), "\"b\"");
    }
    executor_close(&a);
    assert_string_equal(executor_run(&b, "t.who", NULL), "\"b\"");
    executor_close(&b);
}

/* --- the end
 * --------------------------------------------------------------------------------------- */

static void drains(void **state)
{
    struct executor x;
    char text[128];
    (void)state;
    executor_init(&x);
    executor_write(&x, "neap.ini", ONE_WORKER);
    executor_write(&x, "plugins/t/nap.lua",
                   "return function() print('in') require('neap').sleep('100ms') return true end");
    executor_write(&x, "plugins/t/long.lua",
                   "return function() print('in') require('neap').sleep('1h') end");
    executor_start(&x, 0);
    for (int i = 0; i < 3; i++)
        executor_submit(&x, "t.nap", NULL);
    while (executor_totals(&x).waiting == 3)
        usleep(1000);
    assert_int_equal(neap_drain(x.n, 20000, NULL), NEAP_OK);
    executor_next(&x, text, sizeof text);
    struct neap_outcome out;
    assert_int_equal(neap_next(x.n, &out, 0), NEAP_ETIME); /* the others did not start */
    const struct neap_request request = {.task = "t.nap"};
    assert_int_equal(neap_submit(x.n, &request, NULL, NULL), NEAP_ECLOSED);
    executor_close(&x);

    executor_init(&x);
    executor_write(&x, "plugins/t/long.lua", "return function() require('neap').sleep('1h') end");
    executor_start(&x, 0);
    executor_submit(&x, "t.long", NULL);
    while (executor_totals(&x).waiting)
        usleep(1000);
    assert_int_equal(neap_drain(x.n, 50, NULL), NEAP_ETIME);
    executor_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_jobs),
        cmocka_unit_test(reports_errors),
        cmocka_unit_test(checks_arguments),
        cmocka_unit_test(runs_by_priority_then_age),
        cmocka_unit_test(is_never_early_and_rarely_late),
        cmocka_unit_test(urgent_overtakes_claimed),
        cmocka_unit_test(nothing_waits_behind_one_that_computes),
        cmocka_unit_test(full_queues_do_as_told),
        cmocka_unit_test(scripts_see_full_queues),
        cmocka_unit_test(concurrency_and_rate_hold),
        cmocka_unit_test(parents_never_deadlock),
        cmocka_unit_test(waits_tell_what_became_of_it),
        cmocka_unit_test(thousands_sleep_in_one_worker),
        cmocka_unit_test(retries_and_gives_up),
        cmocka_unit_test(children_come_with_completion),
        cmocka_unit_test(expired_jobs_are_cancelled),
        cmocka_unit_test(setup_runs_once),
        cmocka_unit_test(plugins_do_not_see_each_other),
        cmocka_unit_test(two_executors_in_one_process),
        cmocka_unit_test(drains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
