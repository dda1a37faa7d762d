/* Workers that do not come back from a C function: replaced, what they had in hand goes on
 * elsewhere, and what they bring when they do come back is refused. */
#include "../support/executor.h"

#include <setjmp.h>

#include <cmocka.h>
#include <lauxlib.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { SLACK_MS = 1500 };
#else
enum { SLACK_MS = 100 };
#endif
enum { TIMEOUT_MS = 100, GRACE_MS = 200, TRIES = 5 };

/* --- a C module that blocks ------------------------------------------------------------------- */

static sem_t gate;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool open_now, children_may_end;
static atomic_int inside, finalized;

static void go_in(void)
{
    atomic_fetch_add(&inside, 1);
}

static int by_semaphore(lua_State *L)
{
    go_in();
    while (sem_wait(&gate) && errno == EINTR)
        ;
    return lua_gettop(L);
}

static int by_mutex(lua_State *L)
{
    go_in();
    pthread_mutex_lock(&lock);
    pthread_mutex_unlock(&lock);
    return lua_gettop(L);
}

static int by_usleep(lua_State *L)
{
    go_in();
    while (!atomic_load(&open_now))
        usleep(1000);
    return lua_gettop(L);
}

static int by_nanosleep(lua_State *L)
{
    go_in();
    while (!atomic_load(&open_now)) {
        struct timespec left = {.tv_nsec = 50000000};
        while (nanosleep(&left, &left) && errno == EINTR)
            ;
    }
    return lua_gettop(L);
}

static int by_spinning(lua_State *L)
{
    go_in();
    while (!atomic_load(&open_now))
        ;
    return lua_gettop(L);
}

/* Calls f(...) once it is freed: no instruction of Lua is between. */
static int then_call(lua_State *L)
{
    by_usleep(L);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

static int then_try(lua_State *L)
{
    by_usleep(L);
    lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
    return lua_gettop(L);
}

static int in_finalizer(lua_State *L)
{
    by_usleep(L);
    atomic_fetch_add(&finalized, 1);
    return 0;
}

static int with_finalizer(lua_State *L)
{
    lua_newuserdatauv(L, 1, 0);
    lua_newtable(L);
    lua_pushcfunction(L, in_finalizer);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    return 1;
}

static int may_end(lua_State *L)
{
    lua_pushboolean(L, atomic_load(&children_may_end));
    return 1;
}

static int open_block(void *lua_state)
{
    static const luaL_Reg functions[] = {{"semaphore", by_semaphore}, {"mutex", by_mutex},
                                         {"usleep", by_usleep},       {"nanosleep", by_nanosleep},
                                         {"spin", by_spinning},       {"call", then_call},
                                         {"try", then_try},           {"finalizer", with_finalizer},
                                         {"may_end", may_end},        {NULL, NULL}};
    luaL_newlib((lua_State *)lua_state, functions);
    return 1;
}

static void shut(void)
{
    atomic_store(&open_now, false);
    atomic_store(&inside, 0);
    atomic_store(&finalized, 0);
    sem_init(&gate, 0, 0);
    pthread_mutex_lock(&lock);
}

static void set_free(void)
{
    atomic_store(&open_now, true);
    pthread_mutex_unlock(&lock);
    sem_post(&gate);
}

static void await_inside(int count)
{
    for (int left = 4000; atomic_load(&inside) < count; executor_pause(&left))
        ;
}

/* --- the executor ----------------------------------------------------------------------------- */

/* Static: what a close leaves behind for a thread that is still stuck is not lost to LSan. */
static struct executor x;
static pthread_mutex_t text_lock = PTHREAD_MUTEX_INITIALIZER;
static char printed[4096]; /* under it */
static atomic_int came_back, given_up, left_behind;
static char fatal[256]; /* before `is_fatal` */
static atomic_bool is_fatal;

static void on_log(void *user, const struct neap_log_record *record)
{
    (void)user;
    pthread_mutex_lock(&text_lock);
    if (record->printed)
        strncat(printed, record->text, sizeof printed - strlen(printed) - 1);
    pthread_mutex_unlock(&text_lock);
    came_back += strstr(record->text, "came back") != NULL;
    given_up += strstr(record->text, "is stuck in C code") != NULL;
    left_behind += strstr(record->text, "1 thread stuck in C code left behind") != NULL;
}

static bool has_printed(const char *text)
{
    pthread_mutex_lock(&text_lock);
    const bool found = strstr(printed, text) != NULL;
    pthread_mutex_unlock(&text_lock);
    return found;
}

static void forget_printed(void)
{
    pthread_mutex_lock(&text_lock);
    printed[0] = 0;
    pthread_mutex_unlock(&text_lock);
}

static void on_fatal(void *user, const char *text)
{
    (void)user;
    snprintf(fatal, sizeof fatal, "%s", text);
    atomic_store(&is_fatal, true);
}

static const char task_lua[] =
    "local neap, block = require 'neap', require 'block'\n"
    "local function after(ctx)\n"
    "  print('late after')\n"
    "  neap.submit('t.late')\n"
    "  ctx:progress(0.5, 'late')\n"
    "  ctx:submit('t.late')\n"
    "end\n"
    "local ways = {}\n"
    "function ways.call(ctx) block.call(neap.submit, 't.late') end\n"
    "function ways.try(ctx) block.try(neap.submit, 't.late') block.try(ctx.submit, ctx, 't.late')\n"
    "  block.try(ctx.progress, ctx, 0.5) block.try(neap.log.error, 'late') end\n"
    "function ways.print(ctx) block.try(print, 'late') end\n"
    "function ways.pcall() while true do pcall(block.usleep) end end\n"
    "function ways.sort() table.sort({ 3, 2, 1 }, function() block.usleep() return false end) end\n"
    "function ways.coroutine() coroutine.wrap(function() pcall(block.usleep) end)() end\n"
    "function ways.async() neap.async(block.usleep):wait() end\n"
    "function ways.close() local _ <close> = setmetatable({}, { __close = block.usleep }) end\n"
    "function ways.late_close()\n"
    "  local _ <close> = setmetatable({}, { __close = function() print('late close') end })\n"
    "  block.usleep()\n"
    "end\n"
    "function ways.killed_close()\n"
    "  local _ <close> = setmetatable({}, { __close = block.usleep })\n"
    "  while true do end\n"
    "end\n"
    "function ways.submitted(ctx) ctx:submit('t.late') block.usleep() end\n"
    "function ways.finalizer()\n"
    "  block.finalizer()\n"
    "  collectgarbage()\n"
    "end\n"
    "return function(way, ctx)\n"
    "  if ways[way] then ways[way](ctx) else block[way]() end\n"
    "  after(ctx)\n"
    "end\n";

static void start(const char *ini)
{
    struct neap_error err;
    static const struct neap_module modules[] = {{"block", open_block}};
    executor_init(&x);
    executor_write(&x, "neap.ini", ini);
    executor_write(&x, "plugins/t/block.lua", task_lua);
    executor_write(&x, "plugins/t/late.lua", "return function() print('late job') end");
    executor_write(&x, "plugins/u/wait.lua",
                   "local neap = require 'neap'\n"
                   "return function(n, ctx)\n"
                   "  print('waits ' .. n)\n"
                   "  neap.sleep(0.4)\n"
                   "  return ctx.attempt\n"
                   "end\n");
    executor_write(&x, "plugins/u/ok.lua", "return function() return 'ok' end");
    executor_write(&x, "plugins/u/child.lua",
                   "local neap, block = require 'neap', require 'block'\n"
                   "return function() while not block.may_end() do neap.sleep(0.001) end end\n");
    executor_write(&x, "plugins/u/lends.lua",
                   "local neap = require 'neap'\n"
                   "return function()\n"
                   "  local child = neap.submit('u.child')\n"
                   "  local function wait() return child:wait() end\n"
                   "  local both = { neap.async(wait), neap.async(wait) }\n"
                   "  print 'lends'\n"
                   "  return #neap.all(both)\n"
                   "end\n");
    snprintf(x.ini, sizeof x.ini, "%s/neap.ini", x.dir);
    const struct neap_options options = {.size = sizeof options,
                                         .config_file = x.ini,
                                         .modules = modules,
                                         .n_modules = 1,
                                         .on_log = on_log,
                                         .on_fatal = on_fatal};
    forget_printed();
    came_back = given_up = left_behind = 0;
    atomic_store(&is_fatal, false);
    assert_int_equal(neap_open(&x.n, &options, &err), NEAP_OK);
    assert_int_equal(neap_start(x.n, &err), NEAP_OK);
    assert_int_equal(neap_broken(x.n), 0);
}

static uint64_t block(const char *way, int64_t timeout_ms)
{
    char args[64];
    snprintf(args, sizeof args, "\"%s\"", way);
    return executor_request(
        &x,
        (struct neap_request){.task = "t.block", .args = args, .timeout_ms = timeout_ms, .tag = 7});
}

static uint64_t stuck(void)
{
    struct neap_stats stats;
    assert_int_equal(neap_stats(x.n, &stats, NULL), NEAP_OK);
    const uint64_t count = stats.stuck;
    assert_int_equal(stats.n_workers, 1);
    neap_stats_free(&stats);
    return count;
}

static void await_back(int count)
{
    for (int left = 4000; came_back < count; executor_pause(&left))
        ;
}

static struct neap_outcome outcome(void)
{
    struct neap_outcome out;
    if (neap_next(x.n, &out, 20000) != NEAP_OK)
        fail_msg("no outcome within 20 s");
    return out;
}

static const char one_worker[] =
    "[neap]\ngrace = 200ms\nmax_stuck = 1000\n[pool default]\nworkers = 1\n";

/* --- replaced --------------------------------------------------------------------------------- */

static const char *const ways[] = {"semaphore", "mutex",    "usleep", "nanosleep",  "spin",
                                   "call",      "try",      "print",  "pcall",      "sort",
                                   "coroutine", "async",    "close",  "late_close", "killed_close",
                                   "submitted", "finalizer"};
enum { WAYS = sizeof ways / sizeof *ways };

/* It is in the middle of that with another job that waits, one that is in line. True: in time. */
static bool ends_in_time(const char *way, bool cancelled)
{
    char text[64];
    bool in_time = false;
    shut();
    forget_printed();
    executor_submit(&x, "u.wait", "1");
    for (int left = 4000; !has_printed("waits 1"); executor_pause(&left))
        ;
    const uint64_t id = block(way, cancelled ? -1 : TIMEOUT_MS);
    await_inside(1);
    const int64_t asked_ms = executor_now_ms();
    if (cancelled)
        assert_int_equal(neap_cancel(x.n, id, NULL), NEAP_OK);
    executor_submit(&x, "u.ok", NULL);
    for (int i = 0; i < 3; i++) {
        struct neap_outcome out = outcome();
        if (out.tag == 7) {
            if (out.state != (cancelled ? NEAP_CANCELLED : NEAP_DEAD) ||
                (!cancelled && strcmp(out.code, "timeout") != 0))
                fail_msg("%s: %s, %s", way, neap_state_name(out.state), out.message);
            in_time =
                out.finished_ms - asked_ms <= (cancelled ? 0 : TIMEOUT_MS) + GRACE_MS + SLACK_MS;
        } else {
            char *json = neap_to_json(out.result, out.result_len);
            snprintf(text, sizeof text, "%s", json ? json : "");
            free(json);
            if (out.state != NEAP_COMPLETED ||
                (strcmp(text, "1") != 0 && strcmp(text, "\"ok\"") != 0))
                fail_msg("%s: beside it: %s: %s", way, neap_state_name(out.state), out.message);
        }
        neap_outcome_free(&out);
    }
    return in_time;
}

static void each_is_replaced(bool cancelled)
{
    int times = 0;
    start(one_worker);
    for (int i = 0; i < WAYS; i++) {
        bool in_time = cancelled && strcmp(ways[i], "killed_close") == 0; /* not inside before */
        for (int tries = 0; !in_time && tries < TRIES; tries++) {
            in_time = ends_in_time(ways[i], cancelled);
            assert_int_equal(stuck(), ++times);
            assert_int_equal(given_up, times);
            assert_string_equal(executor_run(&x, "u.ok", NULL), "\"ok\"");
            set_free();
            await_back(times);
            assert_string_equal(executor_run(&x, "u.ok", NULL), "\"ok\"");
        }
        if (!in_time)
            fail_msg("%s: too late", ways[i]);
        assert_int_equal(neap_wait_idle(x.n, 20000), NEAP_OK);
        if (has_printed("late") || executor_totals(&x).submitted != (uint64_t)times * 5)
            fail_msg("%s went on: %s", ways[i], printed);
        assert_true(atomic_load(&finalized) <= 1);
    }
    executor_close(&x);
    assert_int_equal(left_behind, 0);
}

static void at_its_deadline(void **state)
{
    (void)state;
    each_is_replaced(false);
}

static void when_cancelled(void **state)
{
    (void)state;
    each_is_replaced(true);
}

/* One that comes back before its grace is over is not stuck: its job ends as late as it is. */
static void not_when_it_comes_back(void **state)
{
    (void)state;
    start("[neap]\ngrace = 20s\n[pool default]\nworkers = 1\n");
    shut();
    block("usleep", TIMEOUT_MS);
    await_inside(1);
    usleep((TIMEOUT_MS + 50) * 1000);
    set_free();
    struct neap_outcome out = outcome();
    assert_int_equal(out.state, NEAP_DEAD);
    assert_string_equal(out.code, "timeout");
    neap_outcome_free(&out);
    assert_int_equal(stuck(), 0);
    assert_false(has_printed("late"));
    executor_close(&x);
}

/* --- many ------------------------------------------------------------------------------------- */

static void past_max_stuck_it_is_fatal(void **state)
{
    (void)state;
    start("[neap]\ngrace = 100ms\nmax_stuck = 2\n[pool default]\nworkers = 1\n");
    shut();
    for (int i = 0; i < 3; i++) {
        assert_false(atomic_load(&is_fatal));
        block("usleep", 50);
        struct neap_outcome out = outcome();
        assert_string_equal(out.code, "timeout");
        neap_outcome_free(&out);
    }
    for (int left = 4000; !atomic_load(&is_fatal); executor_pause(&left))
        ;
    assert_string_equal(fatal, "3 workers are stuck in C code, more than max_stuck = 2");
    set_free();
    await_back(3);
    executor_close(&x);
}

static int times_printed(const char *text)
{
    int times = 0;
    pthread_mutex_lock(&text_lock);
    for (const char *at = printed; (at = strstr(at, text)); at++)
        times++;
    pthread_mutex_unlock(&text_lock);
    return times;
}

static void await_lent(int times)
{
    for (int left = 4000; times_printed("lends") < times; executor_pause(&left))
        ;
    assert_string_equal(executor_run(&x, "u.ok", NULL), "\"ok\""); /* it waits by now */
}

/* Beside it a job waited for others; so it does elsewhere when the thread comes back and finds
 * answers for it, which do not get it going here: what it has lent is its own there. */
static void what_answers_bring_is_not_for_it(void **state)
{
    (void)state;
    start(one_worker);
    shut();
    atomic_store(&children_may_end, false);
    const uint64_t id = executor_submit(&x, "u.lends", NULL);
    await_lent(1);
    block("usleep", TIMEOUT_MS);
    struct neap_outcome out = outcome();
    assert_string_equal(out.code, "timeout");
    neap_outcome_free(&out);
    await_lent(2);
    set_free();
    await_back(1);
    atomic_store(&children_may_end, true);
    out = outcome();
    assert_true(out.id == id && out.state == NEAP_COMPLETED);
    neap_outcome_free(&out);
    executor_close(&x);
}

static void retried_and_stuck_again(void **state)
{
    (void)state;
    start(one_worker);
    shut();
    const struct neap_retry retry = {2, 0, 0, NEAP_FIXED, 0};
    executor_request(
        &x, (struct neap_request){
                .task = "t.block", .args = "\"usleep\"", .timeout_ms = 50, .retry = &retry});
    struct neap_outcome out = outcome();
    assert_int_equal(out.state, NEAP_DEAD);
    assert_int_equal(out.attempt, 3);
    neap_outcome_free(&out);
    assert_int_equal(stuck(), 3);
    set_free();
    await_back(3);
    executor_close(&x);
}

/* In the teardown of a worker that ends: there is nobody to hand anything to. */
static void in_a_last_teardown(void **state)
{
    (void)state;
    start("[neap]\ngrace = 200ms\nmax_stuck = 1000\n[pool default]\nworkers = 2\n");
    executor_write(&x, "plugins/v/last.lua",
                   "local block = require 'block'\n"
                   "return { run = block.usleep, teardown = block.usleep }");
    assert_int_equal(neap_reload(x.n, NULL), NEAP_OK);
    shut();
    for (int i = 0; i < 2; i++)
        executor_submit(&x, "v.last", NULL);
    await_inside(2); /* one in each worker: the one that ends has loaded it */
    set_free();
    for (int i = 0; i < 2; i++) {
        struct neap_outcome out = outcome();
        assert_int_equal(out.state, NEAP_COMPLETED);
        neap_outcome_free(&out);
    }
    shut();
    executor_reload(&x, one_worker);
    await_inside(1);
    for (int left = 4000; stuck() < 1; executor_pause(&left))
        ;
    set_free();
    await_back(1);
    assert_string_equal(executor_run(&x, "u.ok", NULL), "\"ok\"");
    executor_close(&x);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void drained_with_one(void **state)
{
    (void)state;
    start(one_worker);
    shut();
    block("semaphore", -1);
    await_inside(1);
    const int64_t before_ms = executor_now_ms();
    assert_int_equal(neap_drain(x.n, 50, NULL), NEAP_ETIME);
    assert_true(executor_now_ms() - before_ms < 5000);
    set_free();
    await_back(given_up); /* else the close may leave it behind, with its memory */
    executor_close(&x);
    assert_int_equal(left_behind, 0);
}

static void closed_with_one(void **state)
{
    (void)state;
    start(one_worker);
    shut();
    block("semaphore", -1);
    await_inside(1);
    const int64_t before_ms = executor_now_ms();
    executor_close(&x); /* it will not come back within this time */
    assert_true(executor_now_ms() - before_ms < 5000);
    assert_int_equal(left_behind, 1);
    set_free(); /* the thread ends in what is left for it */
    usleep(300000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_its_deadline),
        cmocka_unit_test(when_cancelled),
        cmocka_unit_test(not_when_it_comes_back),
        cmocka_unit_test(past_max_stuck_it_is_fatal),
        cmocka_unit_test(in_a_last_teardown),
        cmocka_unit_test(retried_and_stuck_again),
        cmocka_unit_test(what_answers_bring_is_not_for_it),
        cmocka_unit_test(drained_with_one),
        cmocka_unit_test(closed_with_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
