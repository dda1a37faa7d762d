/* An executor on a file: what a restart and a crash leave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/executor.h"

#define INI "[store]\nurl = sqlite:neap.db\n[pool default]\nworkers = 2\n"
#define PAUSED INI "[queue shut]\npaused = yes\n"
#define OPEN INI "[queue shut]\n"

static int setup(void **state)
{
    struct executor *x = calloc(1, sizeof *x);
    executor_init(x);
    executor_write(x, "neap.ini", PAUSED);
    executor_write(x, "plugins/held.lua",
                   "return { queue = 'shut', run = function(args, ctx)\n"
                   "  print('held ' .. tostring(args.n) .. ' ' .. ctx.attempt .. ';')\n"
                   "  return args.n end }");
    executor_write(x, "plugins/quick.lua",
                   "return function(args) print('quick'); return args.n end");
    executor_write(x, "plugins/killer.lua",
                   "local neap = require 'neap'\n"
                   "return function(args)\n"
                   "  if args.calm then return 'calm' end\n"
                   "  neap.exec('kill -9 $PPID')\n"
                   "  neap.sleep(10)\n"
                   "end");
    executor_write(
        x, "plugins/sad.lua",
        "local neap = require 'neap'\n"
        "local function exists(p) local f = io.open(p) if f then f:close() end return f end\n"
        "return { run = function(args) error('sad') end,\n"
        "  on_dead = function(args, ctx, err)\n"
        "    assert(io.open(args.tell, 'w')):close()\n"
        "    if not exists(args.go) then neap.sleep(60) end\n"
        "    print('on_dead ' .. err.message)\n"
        "  end }");
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    struct executor *x = *state;
    executor_close(x);
    free(x);
    return 0;
}

static void stop(struct executor *x)
{
    neap_close(x->n);
    x->n = NULL;
}

static void restart(struct executor *x, const char *ini)
{
    if (x->n)
        stop(x);
    executor_write(x, "neap.ini", ini);
    executor_start(x, 0);
}

static uint64_t submit(struct executor *x, struct neap_request request)
{
    uint64_t id = 0;
    struct neap_error err = {0};
    if (neap_submit(x->n, &request, &id, &err))
        fail_msg("%s", err.message);
    return id;
}

static int state_of(struct executor *x, uint64_t id)
{
    struct neap_job job;
    struct neap_error err;
    const int rc = neap_get(x->n, id, &job, &err);
    const int found = rc ? rc : job.state;
    if (rc == NEAP_OK)
        neap_job_free(&job);
    return found;
}

static void until_state(struct executor *x, uint64_t id, int state)
{
    for (int left = 4000; state_of(x, id) != state; executor_pause(&left))
        ;
}

/* In another process, which dies by kill -9 once `act` is over; what it tells goes to `told`. */
static void in_a_process_that_dies(struct executor *x, const char *ini,
                                   void (*act)(struct executor *x, uint64_t *told), uint64_t *told)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    const pid_t pid = fork();
    if (pid == 0) {
        uint64_t words[8] = {0};
        restart(x, ini);
        act(x, words);
        if (write(ends[1], words, sizeof words) != sizeof words)
            _exit(9);
        raise(SIGKILL);
    }
    close(ends[1]);
    const ssize_t got = read(ends[0], told, 8 * sizeof *told);
    close(ends[0]);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    if (got == 0) /* it died inside `act` */
        memset(told, 0, 8 * sizeof *told);
}

static void in_order_after_a_restart(void **state)
{
    struct executor *x = *state;
    restart(x, PAUSED);
    for (int i = 0; i < 50; i++) {
        char args[32];
        snprintf(args, sizeof args, "{\"n\":%d}", i);
        submit(x, (struct neap_request){
                      .task = "held", .args = args, .priority_set = 1, .priority = i % 5});
    }
    restart(x, INI "[queue shut]\nconcurrency = 1\n");
    assert_int_equal(executor_totals(x).submitted, 50);
    EXECUTOR_UNTIL(x, completed, 50);
    stop(x);
    const char *at = x->printed;
    for (int priority = 4; priority >= 0; priority--) {
        for (int i = priority; i < 50; i += 5) {
            char want[32];
            snprintf(want, sizeof want, "held %d 1;", i);
            const char *found = strstr(at, want);
            if (!found)
                fail_msg("%s is not behind %.30s", want, at);
            at = found;
        }
    }
}

static void put_some(struct executor *x, uint64_t *told)
{
    const int64_t later = executor_now_ms() + 3600000;
    told[0] = submit(x, (struct neap_request){.task = "held", .args = "{\"n\":9007199254740993}"});
    told[1] =
        submit(x, (struct neap_request){.task = "quick", .args = "{\"n\":7}", .at_ms = later});
    told[2] = submit(x, (struct neap_request){.task = "quick", .args = "{\"n\":7}"});
    told[3] = submit(x, (struct neap_request){.task = "held", .after = told, .n_after = 1});
    told[4] = submit(
        x, (struct neap_request){.task = "held", .unique = &(struct neap_unique){.key = "one"}});
    until_state(x, told[2], NEAP_COMPLETED);
}

static void whatever_was_acknowledged_is_there(void **state)
{
    struct executor *x = *state;
    uint64_t ids[8];
    in_a_process_that_dies(x, PAUSED, put_some, ids);
    restart(x, PAUSED);
    assert_int_equal(state_of(x, ids[0]), NEAP_AVAILABLE);
    assert_int_equal(state_of(x, ids[1]), NEAP_SCHEDULED);
    assert_int_equal(state_of(x, ids[3]), NEAP_PENDING);
    const uint64_t again = submit(
        x, (struct neap_request){.task = "held", .unique = &(struct neap_unique){.key = "one"}});
    assert_int_equal(again, ids[4]);
    assert_true(submit(x, (struct neap_request){.task = "held"}) > ids[4]);
    executor_reload(x, OPEN);
    until_state(x, ids[0], NEAP_COMPLETED);
    until_state(x, ids[3], NEAP_COMPLETED);
    executor_await_printed(x, "held 9007199254740993 1;");
}

/* NOLINTNEXTLINE(readability-non-const-parameter): as in_a_process_that_dies calls it */
static void submit_killer(struct executor *x, uint64_t *told)
{
    (void)told;
    const uint64_t id = submit(
        x, (struct neap_request){.task = "killer", .unique = &(struct neap_unique){.key = "one"}});
    until_state(x, id, NEAP_DEAD);
}

static void three_crashes_and_it_is_dead(void **state)
{
    struct executor *x = *state;
    uint64_t told[8];
    for (int i = 0; i < 3; i++)
        in_a_process_that_dies(x, INI, submit_killer, told);
    restart(x, INI);
    const uint64_t id = submit(
        x, (struct neap_request){.task = "killer",
                                 .args = "{\"calm\":true}",
                                 .unique = &(struct neap_unique){.key = "one", .states = 0xff}});
    struct neap_job job;
    assert_int_equal(neap_get(x->n, id, &job, NULL), NEAP_OK);
    assert_int_equal(job.state, NEAP_DEAD);
    assert_non_null(strstr(job.message, "died 3 times"));
    neap_job_free(&job);
    const uint64_t next = submit(x, (struct neap_request){.task = "quick"});
    until_state(x, next, NEAP_COMPLETED); /* the others go on */
}

static void begin_on_dead(struct executor *x, uint64_t *told)
{
    char args[256];
    snprintf(args, sizeof args, "{\"tell\":\"%s/tell\",\"go\":\"%s/go\"}", x->dir, x->dir);
    told[0] = submit(x, (struct neap_request){.task = "sad", .args = args});
    executor_await(x, "tell");
}

static void on_dead_runs_again_after_a_crash(void **state)
{
    struct executor *x = *state;
    uint64_t told[8];
    in_a_process_that_dies(x, INI, begin_on_dead, told);
    executor_write(x, "go", "");
    restart(x, INI);
    executor_await_printed(x, "on_dead ");
    assert_int_equal(state_of(x, told[0]), NEAP_DEAD);
    assert_int_equal(neap_wait_idle(x->n, 20000), NEAP_OK);
    x->printed[0] = 0;
    restart(x, INI);
    assert_int_equal(neap_wait_idle(x->n, 20000), NEAP_OK);
    stop(x);
    assert_null(strstr(x->printed, "on_dead")); /* once it has ended */
}

static void a_second_executor_is_refused(void **state)
{
    struct executor *x = *state;
    struct neap_error err = {0};
    char ini[128];
    restart(x, INI);
    snprintf(ini, sizeof ini, "%s/neap.ini", x->dir);
    const struct neap_options options = {.size = sizeof options, .config_file = ini};
    neap *other = NULL;
    assert_int_equal(neap_open(&other, &options, &err), NEAP_EIO);
    assert_null(other);
    assert_non_null(strstr(err.message, "neap.db"));
    submit(x, (struct neap_request){.task = "quick"});
    EXECUTOR_UNTIL(x, completed, 1);
}

static void a_drained_job_is_as_new(void **state)
{
    struct executor *x = *state;
    executor_write_blocker(x);
    restart(x, INI);
    const uint64_t id = submit(x, (struct neap_request){.task = "t.block"});
    executor_await(x, "blocked");
    assert_int_equal(neap_drain(x->n, 10, NULL), NEAP_ETIME);
    executor_write(x, "go", "");
    restart(x, INI);
    until_state(x, id, NEAP_COMPLETED);
    struct neap_job job;
    assert_int_equal(neap_get(x->n, id, &job, NULL), NEAP_OK);
    assert_int_equal(job.attempt, 1);
    neap_job_free(&job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(in_order_after_a_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(whatever_was_acknowledged_is_there, setup, teardown),
        cmocka_unit_test_setup_teardown(three_crashes_and_it_is_dead, setup, teardown),
        cmocka_unit_test_setup_teardown(on_dead_runs_again_after_a_crash, setup, teardown),
        cmocka_unit_test_setup_teardown(a_second_executor_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_drained_job_is_as_new, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
