/* No script holds a worker, another job or the process: each task of tests/attack/hold ends at its
 * deadline, when it is cancelled and at a drain, and what runs beside it is none the worse. */
#include "../support/executor.h"
#include "../support/tree.h"

#include <setjmp.h>

#include <cmocka.h>
#include <lauxlib.h>

#include "model/codec.h"

#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* How late an end may be, less the time that our threads were ready to run and the machine ran
 * something else. What is too late is tried again, TRIES times: a page fault, a signal that came
 * just after a look. Sanitizers and valgrind are slow without that. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { SLACK_MS = 1500, TRIES = 3 };
#else
enum { SLACK_MS = 100, TRIES = 3 };
#endif
enum { TIMEOUT_MS = 300, CANCEL_MS = 50, HONEST = 1000, ATTACKS_MAX = 512 };

static const char *const plugins[] = {"loops", "floods"};
enum { PLUGINS = sizeof plugins / sizeof *plugins };

struct attack {
    char task[32], name[96], codes[64];
};
struct attacks {
    struct attack at[ATTACKS_MAX];
    int count;
};

static int slack_ms(void)
{
    const char *slow = getenv("NEAP_SLOW");
    return slow ? SLACK_MS * atoi(slow) : SLACK_MS;
}

/* For how long threads of this process have been kept waiting for a CPU. */
static int64_t starved_ms(void)
{
    int64_t sum_ns = 0;
    glob_t tasks;
    if (glob("/proc/self/task/*/schedstat", 0, NULL, &tasks))
        return 0;
    for (size_t i = 0; i < tasks.gl_pathc; i++) {
        long long ran_ns, waited_ns;
        FILE *file = fopen(tasks.gl_pathv[i], "r");
        if (file && fscanf(file, "%lld %lld", &ran_ns, &waited_ns) == 2)
            sum_ns += waited_ns;
        if (file)
            fclose(file);
    }
    globfree(&tasks);
    return sum_ns / 1000000;
}

static void write_tree(struct executor *x, int workers)
{
    char path[128], ini[256];
    char *cases = tree_repository_file("tests/attack/cases.lua");
    char *probe = tree_repository_file("tests/attack/probe.lua");
    snprintf(ini, sizeof ini,
             "[neap]\nmax_stuck = 0\ngrace = 20s\n[pool default]\nworkers = %d\nmemory = 64M\n"
             "[queue narrow]\ncapacity = 1000\nwhen_full = reject\n",
             workers);
    executor_write(x, "neap.ini", ini);
    executor_write(x, "plugins/probe/task.lua", probe);
    executor_write(x, "plugins/honest/task.lua",
                   "local neap = require 'neap'\n"
                   "local seen = {}\n"
                   "return function(n)\n"
                   "  local t, mine = {}, n\n"
                   "  seen[n] = true\n"
                   "  for i = 1, 200 do t[i] = (i * n) % 211 end\n"
                   "  if n % 3 == 0 then neap.sleep(0.01) end\n"
                   "  table.sort(t, function(a, b) return a < b end)\n"
                   "  local text = ('%d'):rep(10, ' '):format(table.unpack(t, 1, 10))\n"
                   "  if n % 5 == 0 then neap.async(neap.sleep, 0.001):wait() end\n"
                   "  assert(mine == n and seen[n] and #t == 200 and #text >= 19)\n"
                   "  return n * 3\n"
                   "end\n");
    for (int i = 0; i < PLUGINS; i++) {
        snprintf(path, sizeof path, "tests/attack/hold/%s.lua", plugins[i]);
        char *task = tree_repository_file(path);
        snprintf(path, sizeof path, "plugins/%s/task.lua", plugins[i]);
        executor_write(x, path, task);
        snprintf(path, sizeof path, "plugins/%s/lib/cases.lua", plugins[i]);
        executor_write(x, path, cases);
        free(task);
    }
    free(cases);
    free(probe);
}

static void open_executor(struct executor *x, int workers)
{
    executor_init(x);
    write_tree(x, workers);
    executor_start(x, 0);
    assert_string_equal(x->problems, "");
}

static void take_case(lua_State *L, const char *task, struct attacks *all)
{
    struct attack *a = &all->at[all->count];
    lua_getfield(L, -1, "name");
    lua_getfield(L, -2, "text");
    strcpy(a->task, task);
    snprintf(a->name, sizeof a->name, "%s", lua_tostring(L, -2));
    snprintf(a->codes, sizeof a->codes, "%s", lua_tostring(L, -1));
    lua_pop(L, 2);
    const char *only = getenv("NEAP_ATTACK"); /* while developing: one of them */
    if (!only || strcmp(only, a->name) == 0)
        all->count++;
    assert_true(all->count < ATTACKS_MAX);
}

static void list_cases(struct executor *x, const char *plugin, struct attacks *all)
{
    char task[32];
    struct neap_outcome outcome;
    lua_State *L = luaL_newstate();
    snprintf(task, sizeof task, "%.20s.task", plugin);
    executor_submit(x, task, NULL);
    assert_int_equal(neap_next(x->n, &outcome, 20000), NEAP_OK);
    if (outcome.state != NEAP_COMPLETED)
        fail_msg("%s: %s", plugin, outcome.message);
    assert_int_equal(codec_decode(L, outcome.result, outcome.result_len, NULL), NEAP_OK);
    neap_outcome_free(&outcome);
    const bool some = getenv("NEAP_SHORT") && !getenv("NEAP_ATTACK"); /* one of four */
    for (lua_Integer i = 1; lua_rawgeti(L, -1, i) == LUA_TTABLE; lua_pop(L, 1), i++)
        if (!some || i % 4 == 1)
            take_case(L, task, all);
    lua_close(L);
}

static struct attacks *list_all(struct executor *x)
{
    static struct attacks all;
    all.count = 0;
    for (int i = 0; i < PLUGINS; i++)
        list_cases(x, plugins[i], &all);
    assert_true(all.count > 0);
    return &all;
}

static uint64_t start(struct executor *x, const struct attack *a, int64_t timeout_ms, uint64_t tag)
{
    char args[128];
    snprintf(args, sizeof args, "{\"case\":\"%s\"}", a->name);
    return executor_request(
        x,
        (struct neap_request){.task = a->task, .args = args, .timeout_ms = timeout_ms, .tag = tag});
}

static void end(struct executor *x, struct neap_outcome *out)
{
    if (neap_next(x->n, out, 60000) != NEAP_OK)
        fail_msg("no outcome within 60 s");
}

/* One of the codes listed, as a whole word. */
static bool expected(const struct attack *a, const struct neap_outcome *out)
{
    const char *at = out->code ? strstr(a->codes, out->code) : NULL;
    return out->state == NEAP_DEAD && at && strchr(" ", at[strlen(out->code)]);
}

static void show(const struct attack *a, const char *how, const struct neap_outcome *out)
{
    print_error("%s: %s: %s: %s, code %s, after %.1f ms: %.300s\n%.2000s\n", a->task, a->name, how,
                neap_state_name(out->state), out->code ? out->code : "none", out->run_ms,
                out->message ? out->message : "", out->traceback ? out->traceback : "");
}

/* Whatever was done to it, the worker and the plugin are as before. */
static int is_usable(struct executor *x, const struct attack *a)
{
    char text[512];
    int bad = 0;
    for (int i = 0; i < 2; i++) {
        const char *want = i ? "\"969696969696\"" : "\"fine\"";
        executor_submit(x, i ? a->task : "probe.task", i ? "{\"case\":\"peer\"}" : NULL);
        const struct neap_outcome out = executor_next(x, text, sizeof text);
        if (out.state != NEAP_COMPLETED || strcmp(text, want) != 0) {
            print_error("after %s: %s: %s\n", a->name, i ? "peer" : "probe", text);
            bad++;
        }
    }
    return bad;
}

/* None of them is in C for long. */
static void assert_none_stuck(struct executor *x)
{
    struct neap_stats stats;
    assert_int_equal(neap_stats(x->n, &stats, NULL), NEAP_OK);
    assert_int_equal(stats.stuck, 0);
    neap_stats_free(&stats);
}

/* --- alone ------------------------------------------------------------------------------------ */

/* With one job of another plugin and one of its own beside it. */
static int attack_alone(struct executor *x, const struct attack *a)
{
    int bad = 0;
    bool late = true;
    for (int i = 0; late && i < TRIES; i++) {
        const int64_t before_ms = starved_ms();
        start(x, a, TIMEOUT_MS, 1);
        executor_submit(x, "probe.task", NULL);
        executor_submit(x, a->task, "{\"case\":\"peer\"}");
        for (int ended = 0; ended < 3; ended++) {
            struct neap_outcome out;
            end(x, &out);
            const bool is_attack = out.tag == 1;
            if (is_attack)
                late = out.finished_ms - out.started_ms - (starved_ms() - before_ms) >
                       TIMEOUT_MS + slack_ms();
            if (is_attack ? !expected(a, &out) : out.state != NEAP_COMPLETED) {
                show(a, is_attack ? "alone" : "beside it", &out);
                bad++;
            } else if (is_attack && late) {
                show(a, "late", &out);
            }
            neap_outcome_free(&out);
        }
    }
    return bad + late + is_usable(x, a);
}

static void each_alone(void **state)
{
    struct executor x;
    int bad = 0;
    (void)state;
    open_executor(&x, 1);
    const struct attacks *all = list_all(&x);
    for (int i = 0; i < all->count; i++)
        bad += attack_alone(&x, &all->at[i]);
    assert_none_stuck(&x);
    assert_int_equal(bad, 0);
    executor_close(&x);
}

/* --- cancelled -------------------------------------------------------------------------------- */

static void await_running(struct executor *x, uint64_t id)
{
    struct neap_job job;
    for (int left = 4000; neap_get(x->n, id, &job, NULL) == NEAP_OK; executor_pause(&left)) {
        const int now = job.state;
        neap_job_free(&job);
        if (now == NEAP_RUNNING)
            return;
    }
}

static int attack_cancelled(struct executor *x, const struct attack *a)
{
    struct neap_outcome out;
    bool late = true;
    for (int i = 0; late && i < TRIES; i++) {
        const uint64_t id = start(x, a, -1, 1);
        await_running(x, id);
        usleep(CANCEL_MS * 1000);
        const int64_t asked_ms = executor_now_ms(), before_ms = starved_ms();
        const bool by_itself = neap_cancel(x->n, id, NULL) != NEAP_OK;
        end(x, &out);
        late = out.finished_ms - (starved_ms() - before_ms) > asked_ms + slack_ms();
        const bool fine = out.state == NEAP_CANCELLED || expected(a, &out);
        if (!fine || (by_itself && strcmp(a->codes, "timeout") == 0) || late)
            show(a, late ? "late when cancelled" : "cancelled", &out);
        neap_outcome_free(&out);
        if (!fine)
            return 1;
    }
    return late + is_usable(x, a);
}

static void each_cancelled(void **state)
{
    struct executor x;
    int bad = 0;
    (void)state;
    open_executor(&x, 1);
    const struct attacks *all = list_all(&x);
    for (int i = 0; i < all->count; i++)
        bad += attack_cancelled(&x, &all->at[i]);
    assert_none_stuck(&x);
    assert_int_equal(bad, 0);
    executor_close(&x);
}

/* --- all at once ------------------------------------------------------------------------------ */

static int look_at(const struct attacks *all, const struct neap_outcome *out, char *seen)
{
    int bad = seen[out->tag]++;
    if (out->tag < HONEST) {
        char want[32];
        char *json = out->result ? neap_to_json(out->result, out->result_len) : NULL;
        snprintf(want, sizeof want, "%d", (int)out->tag * 3);
        bad += !json || strcmp(json, want) != 0;
        if (bad)
            print_error("honest job %d: %s %s\n", (int)out->tag, json ? json : "nil",
                        out->message ? out->message : "");
        free(json);
        return bad;
    }
    const struct attack *a = &all->at[out->tag - HONEST];
    bad += !expected(a, out);
    if (bad)
        show(a, "with all others", out);
    return bad;
}

static void start_all(struct executor *x, const struct attacks *all)
{
    char args[32];
    for (int i = 0; i < HONEST; i++) {
        snprintf(args, sizeof args, "%d", i);
        executor_request(
            x, (struct neap_request){.task = "honest.task", .args = args, .tag = (uint64_t)i});
        if (i < all->count)
            start(x, &all->at[i], TIMEOUT_MS, (uint64_t)HONEST + (uint64_t)i);
    }
}

static void all_at_once(void **state)
{
    static char seen[HONEST + ATTACKS_MAX];
    struct executor x;
    int bad = 0;
    (void)state;
    open_executor(&x, 2);
    const struct attacks *all = list_all(&x);
    start_all(&x, all);
    for (int i = 0; i < HONEST + all->count; i++) {
        struct neap_outcome out;
        end(&x, &out);
        bad += look_at(all, &out, seen);
        neap_outcome_free(&out);
    }
    bad += is_usable(&x, &all->at[0]);
    assert_none_stuck(&x);
    assert_int_equal(bad, 0);
    executor_close(&x);
}

/* --- the end ---------------------------------------------------------------------------------- */

/* They are what stands in the way of a drain, and of a close. */
static int attack_at_the_end(const struct attack *a, bool drained)
{
    enum { DRAIN_MS = 50, CLOSE_MS = 2000 }; /* the threads are gone: how starved they were, too */
    struct executor x;
    bool late = true;
    for (int i = 0; late && i < TRIES; i++) {
        open_executor(&x, 1);
        await_running(&x, start(&x, a, -1, 1));
        usleep(20000);
        const int64_t asked_ms = executor_now_ms(), before_ms = starved_ms();
        if (drained)
            neap_drain(x.n, DRAIN_MS, NULL);
        const int64_t starved = starved_ms() - before_ms, drained_ms = executor_now_ms();
        executor_close(&x);
        const int64_t closed_ms = executor_now_ms();
        late = drained_ms - asked_ms - starved > DRAIN_MS + slack_ms() ||
               closed_ms - drained_ms > CLOSE_MS + slack_ms();
        if (late)
            print_error("%s: %s: drained after %d ms, closed after %d\n", a->task, a->name,
                        (int)(drained_ms - asked_ms), (int)(closed_ms - drained_ms));
    }
    return late;
}

static void none_outlives_a_drain(void **state)
{
    struct executor x;
    int bad = 0;
    (void)state;
    open_executor(&x, 1);
    const struct attacks *all = list_all(&x);
    executor_close(&x);
    for (int i = 0; i < all->count; i++)
        bad += attack_at_the_end(&all->at[i], i % 2);
    assert_int_equal(bad, 0);
}

/* --- code that is not run's ------------------------------------------------------------------- */

static const struct {
    const char *path, *text;
} others[] = {
    {"plugins/setup/task.lua",
     "return { setup = function() while true do pcall(error) end end, run = print }"},
    {"plugins/setup/sound.lua", "return function() return 'sound' end"},
    {"plugins/dead/task.lua", "return { on_dead = function() while true do pcall(error) end end,\n"
                              "  run = function() error('x') end }"},
    {"plugins/dead/sound.lua", "return function() return 'sound' end"},
    {"plugins/teardown/task.lua",
     "return { teardown = function() while true do pcall(error) end end, run = print }"},
    {"plugins/teardown/sound.lua", "return function() return 'sound' end"},
    {"plugins/helper/task.lua", "return function() pcall(require, 'helper') end"},
    {"plugins/helper/lib/helper.lua", "while os.getenv('NEAP_TEST_LOOPS') do pcall(error) end"},
    {"plugins/helper/sound.lua", "return function() return 'sound' end"},
    {"plugins/top/task.lua", "while os.getenv('NEAP_TEST_LOOPS') do pcall(error) end return print"},
    {"plugins/top/nested.lua", "return function() end"},
};

static void write_others(struct executor *x)
{
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        executor_write(x, others[i].path, others[i].text);
}

static void ends_with(struct executor *x, const char *task, int state, const char *code)
{
    struct neap_outcome out;
    const int64_t before_ms = starved_ms();
    executor_request(x, (struct neap_request){.task = task, .timeout_ms = TIMEOUT_MS});
    end(x, &out);
    const int64_t took_ms = out.finished_ms - out.started_ms - (starved_ms() - before_ms);
    if (out.state != state || (code && (!out.code || strcmp(out.code, code) != 0)) ||
        took_ms > TIMEOUT_MS + slack_ms() * TRIES)
        fail_msg("%s: %s, code %s, after %d ms: %s", task, neap_state_name(out.state),
                 out.code ? out.code : "none", (int)took_ms, out.message ? out.message : "");
    neap_outcome_free(&out);
}

/* Setup, on_dead, teardown, a helper and a top level that loop once they are in a worker. */
static void other_code_ends(void **state)
{
    struct executor x;
    (void)state;
    executor_init(&x);
    write_tree(&x, 1);
    write_others(&x);
    executor_start(&x, 0);
    assert_string_equal(x.problems, "");
    setenv("NEAP_TEST_LOOPS", "1", 1);
    ends_with(&x, "setup.task", NEAP_DEAD, "timeout");
    ends_with(&x, "setup.task", NEAP_DEAD, "timeout");
    assert_string_equal(executor_run(&x, "setup.sound", NULL), "\"sound\"");
    ends_with(&x, "dead.task", NEAP_DEAD, "error");
    assert_string_equal(executor_run(&x, "dead.sound", NULL), "\"sound\"");
    assert_int_equal(neap_wait_idle(x.n, 20000), NEAP_OK); /* on_dead has its end, too */
    ends_with(&x, "helper.task", NEAP_DEAD, "timeout");
    assert_string_equal(executor_run(&x, "helper.sound", NULL), "\"sound\"");
    ends_with(&x, "top.task", NEAP_DEAD, "timeout");
    ends_with(&x, "top.nested", NEAP_DEAD, "timeout");
    unsetenv("NEAP_TEST_LOOPS");
    ends_with(&x, "top.nested", NEAP_COMPLETED, NULL);
    ends_with(&x, "teardown.task", NEAP_COMPLETED, NULL);
    for (int i = 0; i < 3; i++) { /* its old version is torn down beside others' jobs */
        executor_write(&x, "plugins/teardown/sound.lua",
                       i % 2 ? "return function() return 'sound' end"
                             : "return function() return 'new' end");
        assert_int_equal(neap_reload(x.n, NULL), NEAP_OK);
        assert_string_equal(executor_run(&x, "setup.sound", NULL), "\"sound\"");
        assert_string_equal(executor_run(&x, "teardown.sound", NULL),
                            i % 2 ? "\"sound\"" : "\"new\"");
        ends_with(&x, "teardown.task", NEAP_COMPLETED, NULL);
    }
    assert_none_stuck(&x);
    executor_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_alone),      cmocka_unit_test(each_cancelled),
        cmocka_unit_test(all_at_once),     cmocka_unit_test(none_outlives_a_drain),
        cmocka_unit_test(other_code_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
