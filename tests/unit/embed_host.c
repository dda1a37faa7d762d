/* An executor inside a program: C modules for its tasks, a poll loop, several threads, several
 * executors. */
#include "../support/executor.h"

#include <setjmp.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>

static void open_only(struct executor *x, void (*on_ready)(void *user))
{
    struct neap_error err = {0};
    snprintf(x->ini, sizeof x->ini, "%s/neap.ini", x->dir);
    if (access(x->ini, F_OK))
        executor_write(x, "neap.ini", "");
    const struct neap_options options = {
        .size = sizeof options,
        .config_file = x->ini,
        .user = x,
        .on_ready = on_ready,
    };
    if (neap_open(&x->n, &options, &err))
        fail_msg("%s", err.message);
}

/* --- C modules ----------------------------------------------------------------------------------
 */

static atomic_int opened, called;

static int host_call(lua_State *L)
{
    lua_pushinteger(L, luaL_checkinteger(L, 1) * 2);
    atomic_fetch_add(&called, 1);
    return 1;
}

static int open_host(void *lua_state)
{
    lua_State *L = lua_state;
    atomic_fetch_add(&opened, 1);
    lua_newtable(L);
    lua_pushcfunction(L, host_call);
    lua_setfield(L, -2, "double");
    lua_pushvalue(L, 1); /* the name, as of any module */
    lua_setfield(L, -2, "name");
    return 1;
}

static int open_other(void *lua_state)
{
    lua_pushliteral((lua_State *)lua_state, "another");
    return 1;
}

static int open_broken(void *lua_state)
{
    return luaL_error(lua_state, "the host is not in the mood");
}

static void tasks_use_the_hosts_module(void **state)
{
    enum { JOBS = 200 };
    struct executor x;
    struct neap_error err;
    char text[256];
    (void)state;
    executor_init(&x);
    executor_write(&x, "neap.ini", "[pool default]\nworkers = 2\n");
    executor_write(&x, "plugins/a/one.lua",
                   "return function(n) local host = require 'host'\n"
                   "  host.mine = (host.mine or 0) + 1 return host.double(n) end");
    executor_write(
        &x, "plugins/b/two.lua",
        "local host return { setup = function() host = require 'host' end,\n"
        "  run = function() return { host.name, host.mine == nil, require('host') == host,\n"
        "    (require 'other') } end }");
    executor_write(&x, "plugins/c/wrong.lua", "return function() return require 'broken' end");
    executor_write(&x, "plugins/c/misuse.lua", "return function() require('host').double({}) end");
    open_only(&x, NULL);
    assert_int_equal(neap_preload(x.n, "host", open_host, &err), NEAP_OK);
    assert_int_equal(neap_preload(x.n, "other", open_other, &err), NEAP_OK);
    assert_int_equal(neap_preload(x.n, "broken", open_broken, &err), NEAP_OK);
    assert_int_equal(neap_start(x.n, &err), NEAP_OK);
    for (int i = 0; i < JOBS; i++)
        executor_submit(&x, "a.one", "21");
    for (int i = 0; i < JOBS; i++) {
        executor_next(&x, text, sizeof text);
        assert_string_equal(text, "42");
    }
    assert_int_equal(atomic_load(&called), JOBS);
    assert_in_range(atomic_load(&opened), 1, 2); /* once a worker */
    assert_string_equal(executor_run(&x, "b.two", NULL), "[\"host\",true,true,\"another\"]");
    executor_submit(&x, "c.wrong", NULL);
    executor_next(&x, text, sizeof text);
    assert_non_null(strstr(text, "not in the mood"));
    executor_submit(&x, "c.misuse", NULL);
    executor_next(&x, text, sizeof text);
    assert_non_null(strstr(text, "number expected, got table"));
    assert_string_equal(executor_run(&x, "a.one", "1"), "2");
    executor_close(&x);
}

static void files_require_it_at_their_top_level(void **state)
{
    struct executor x;
    struct neap_error err = {0};
    const struct neap_module modules[] = {{"host", open_host}, {"other", open_other}};
    (void)state;
    executor_init(&x);
    executor_write(&x, "neap.ini", "");
    executor_write(&x, "plugins/a/top.lua",
                   "local host, other = require 'host', require 'other'\n"
                   "return function(n) return { host.double(n), other } end");
    snprintf(x.ini, sizeof x.ini, "%s/neap.ini", x.dir);
    const struct neap_options options = {.size = sizeof options,
                                         .config_file = x.ini,
                                         .modules = modules,
                                         .n_modules = 2,
                                         .user = &x};
    if (neap_open(&x.n, &options, &err) || neap_start(x.n, &err))
        fail_msg("%s", err.message);
    assert_int_equal(neap_broken(x.n), 0);
    assert_string_equal(executor_run(&x, "a.top", "4"), "[8,\"another\"]");
    executor_close(&x);
}

/* Where ./dev puts tests/modules: build/CONFIG/modules, beside the directory of this program. */
static void find_modules_there(void)
{
    char program[512], path[600];
    const ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
    assert_true(len > 0);
    program[len] = 0;
    for (int i = 0; i < 2; i++)
        *strrchr(program, '/') = 0;
    snprintf(path, sizeof path, "%s/modules/?.so;;", program);
    setenv("LUA_CPATH_5_4", path, 1);
}

static void tasks_load_modules_from_files(void **state)
{
    struct executor x;
    (void)state;
    executor_init(&x);
    executor_write(
        &x, "plugins/t/sum.lua",
        "local probe = require 'probe' return function(a) return probe.add(a[1], a[2]) end");
    find_modules_there();
    executor_start(&x, 0);
    assert_string_equal(x.problems, "");
    assert_string_equal(executor_run(&x, "t.sum", "[40,2]"), "42");
    unsetenv("LUA_CPATH_5_4");
    executor_close(&x);
}

/* --- a poll loop --------------------------------------------------------------------------------
 */

static atomic_int readied;

static void on_ready(void *user)
{
    (void)user;
    atomic_fetch_add(&readied, 1);
}

static bool readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

/* Tasks write into a pipe of the host's; the loop waits for both. */
static void fits_a_poll_loop(void **state)
{
    enum { JOBS = 100 };
    struct executor x;
    struct neap_error err;
    int ends[2], bytes = 0, outcomes = 0;
    char code[256];
    (void)state;
    assert_int_equal(pipe(ends), 0);
    executor_init(&x);
    snprintf(code, sizeof code,
             "return function(n) require('neap').sleep(n / 1000)\n"
             "  local f = io.open('/dev/fd/%d', 'w') f:write('x') f:close() return n end",
             ends[1]);
    executor_write(&x, "plugins/t/tell.lua", code);
    open_only(&x, on_ready);
    assert_int_equal(neap_start(x.n, &err), NEAP_OK);
    const int fd = neap_fd(x.n);
    assert_false(readable(fd));
    for (int i = 0; i < JOBS; i++) {
        char args[16];
        snprintf(args, sizeof args, "%d", i % 20);
        executor_submit(&x, "t.tell", args);
    }
    struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = ends[0], .events = POLLIN}};
    while (outcomes < JOBS || bytes < JOBS) {
        assert_true(poll(fds, 2, 20000) > 0);
        struct neap_outcome out;
        char buffer[64];
        if (fds[0].revents) {
            assert_int_equal(neap_next(x.n, &out, 0), NEAP_OK); /* readable: there is one */
            assert_int_equal(out.state, NEAP_COMPLETED);
            neap_outcome_free(&out);
            outcomes++;
        }
        if (fds[1].revents)
            bytes += (int)read(ends[0], buffer, sizeof buffer);
    }
    assert_int_equal(outcomes, JOBS);
    assert_int_equal(bytes, JOBS);
    assert_false(readable(fd));
    assert_in_range(atomic_load(&readied), 1, JOBS);
    executor_submit(&x, "t.tell", "0");
    struct pollfd again = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&again, 1, 20000), 1);
    assert_true(readable(fd)); /* until it is fetched */
    executor_close(&x);
    close(ends[0]);
    close(ends[1]);
}

static void nowait_never_blocks(void **state)
{
    struct executor x;
    struct neap_error err;
    (void)state;
    executor_init(&x);
    executor_write(&x, "neap.ini",
                   "[queue default]\ncapacity = 3\nwhen_full = block\npaused = yes\n");
    executor_write(&x, "plugins/t/nop.lua", "return function() end");
    executor_start(&x, 0);
    const struct neap_request request = {.task = "t.nop", .flags = NEAP_NOWAIT};
    for (int i = 0; i < 3; i++)
        assert_int_equal(neap_submit(x.n, &request, NULL, &err), NEAP_OK);
    assert_int_equal(neap_submit(x.n, &request, NULL, &err), NEAP_EAGAIN);
    assert_non_null(strstr(err.message, "queue default is full"));
    executor_close(&x);
}

/* --- several threads ----------------------------------------------------------------------------
 */

struct crowd { /* shared by the threads */
    struct executor x;
    atomic_int seen[4000];
    atomic_int left;
};

static void *submit_many(void *arg)
{
    struct crowd *crowd = arg;
    static atomic_uint next_tag;
    for (int i = 0; i < 1000; i++) {
        const struct neap_request request = {.task = "t.echo",
                                             .args = "1",
                                             .tag = atomic_fetch_add(&next_tag, 1),
                                             .flags = NEAP_DELIVER};
        if (neap_submit(crowd->x.n, &request, NULL, NULL) != NEAP_OK)
            abort();
    }
    return NULL;
}

static void *fetch_many(void *arg)
{
    struct crowd *crowd = arg;
    struct neap_outcome out;
    while (atomic_load(&crowd->left) > 0) {
        if (neap_next(crowd->x.n, &out, 20) != NEAP_OK)
            continue;
        atomic_fetch_add(&crowd->seen[out.tag], 1);
        atomic_fetch_sub(&crowd->left, 1);
        neap_outcome_free(&out);
    }
    return NULL;
}

static void any_thread_may_call(void **state)
{
    static struct crowd crowd;
    pthread_t threads[6];
    (void)state;
    executor_init(&crowd.x);
    executor_write(&crowd.x, "plugins/t/echo.lua", "return function(a) return a end");
    executor_start(&crowd.x, 0);
    atomic_store(&crowd.left, 4000);
    for (int i = 0; i < 6; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, i < 4 ? submit_many : fetch_many, &crowd), 0);
    for (int i = 0; i < 6; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 4000; i++)
        assert_int_equal(atomic_load(&crowd.seen[i]), 1);
    assert_int_equal(executor_totals(&crowd.x).completed, 4000);
    executor_close(&crowd.x);
}

enum { WAITERS = 4 };

struct waiter { /* one blocking call on a thread of its own */
    neap *n;
    int kind, rc;
    atomic_int thread; /* its id, once it is about to call */
};

static void *wait_inside(void *arg)
{
    struct waiter *waiter = arg;
    const struct neap_request request = {.task = "t.nap"};
    atomic_store(&waiter->thread, (int)syscall(SYS_gettid));
    struct neap_outcome out;
    if (waiter->kind == 0)
        waiter->rc = neap_next(waiter->n, &out, -1);
    else if (waiter->kind == 1)
        waiter->rc = neap_wait_idle(waiter->n, -1);
    else if (waiter->kind == 2)
        waiter->rc = neap_submit(waiter->n, &request, NULL, NULL); /* the queue is full */
    else
        waiter->rc = neap_drain(waiter->n, 3600000, NULL);
    return NULL;
}

/* It sleeps, so it is inside; or it has returned. */
static bool is_inside(struct waiter *waiter)
{
    char path[64], state = 0;
    const int thread = atomic_load(&waiter->thread);
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", thread);
    FILE *file = thread ? fopen(path, "r") : NULL;
    if (!file)
        return thread != 0;
    const int found = fscanf(file, "%*d (%*[^)]) %c", &state);
    fclose(file);
    return found != 1 || state == 'S';
}

static void close_ends_calls_under_way(void **state)
{
    pthread_t threads[WAITERS];
    struct waiter waiters[WAITERS];
    struct executor x;
    (void)state;
    executor_init(&x);
    executor_write(&x, "neap.ini",
                   "[pool default]\nworkers = 1\nslots = 1\n[queue default]\ncapacity = 1\n");
    executor_write(&x, "plugins/t/nap.lua", "return function() require('neap').sleep('1h') end");
    executor_start(&x, 0);
    const struct neap_request request = {.task = "t.nap"};
    assert_int_equal(neap_submit(x.n, &request, NULL, NULL), NEAP_OK);
    while (executor_totals(&x).waiting)
        usleep(1000);
    assert_int_equal(neap_submit(x.n, &request, NULL, NULL), NEAP_OK);
    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = (struct waiter){.n = x.n, .kind = i};
        assert_int_equal(pthread_create(&threads[i], NULL, wait_inside, &waiters[i]), 0);
        for (int tries = 0; tries < 20000 && !is_inside(&waiters[i]); tries++)
            usleep(1000);
    }
    neap_close(x.n);
    x.n = NULL;
    for (int i = 0; i < WAITERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(waiters[i].rc, NEAP_ECLOSED);
    }
    executor_close(&x);
}

/* --- several executors --------------------------------------------------------------------------
 */

static void executors_share_nothing(void **state)
{
    struct executor a, b;
    struct neap_error err;
    struct neap_stats stats;
    const char *who = "return { config = { who = 'string' }, run = function(_, ctx)\n"
                      "  local mine = require('neap').shared('names')\n"
                      "  return { ctx.config.who, mine:incr('count'), (require 'host') } end }";
    (void)state;
    executor_init(&a);
    executor_init(&b);
    executor_write(&a, "plugins/t/who.lua", who);
    executor_write(&b, "plugins/t/who.lua", who);
    executor_write(
        &a, "neap.ini",
        "[neap]\ndrain = 3s\n[pool default]\nworkers = 1\n[task t.who]\nconfig.who = a\n");
    executor_write(&b, "neap.ini",
                   "[neap]\ndrain = 4s\n[pool default]\nworkers = 3\n[task t.who]\nconfig.who = b\n"
                   "[queue mail]\ncapacity = 1\n");
    open_only(&a, NULL);
    open_only(&b, NULL);
    assert_int_equal(neap_preload(a.n, "host", open_other, &err), NEAP_OK);
    assert_int_equal(neap_preload(b.n, "host", open_broken, &err), NEAP_OK);
    assert_int_equal(neap_preload(b.n, "host", open_other, &err),
                     NEAP_OK); /* the last one counts */
    assert_int_equal(neap_start(a.n, &err), NEAP_OK);
    assert_int_equal(neap_start(b.n, &err), NEAP_OK);
    assert_int_equal(neap_config_int(a.n, "neap", "drain", 0), 3000);
    assert_int_equal(neap_config_int(b.n, "neap", "drain", 0), 4000);
    assert_int_equal(neap_stats(a.n, &stats, &err), NEAP_OK);
    assert_int_equal(stats.n_workers, 1);
    neap_stats_free(&stats);
    assert_int_equal(neap_stats(b.n, &stats, &err), NEAP_OK);
    assert_int_equal(stats.n_workers, 3);
    neap_stats_free(&stats);
    assert_string_equal(executor_run(&a, "t.who", NULL), "[\"a\",1,\"another\"]");
    assert_string_equal(executor_run(&b, "t.who", NULL), "[\"b\",1,\"another\"]");
    assert_string_equal(executor_run(&b, "t.who", NULL), "[\"b\",2,\"another\"]");
    const struct neap_request request = {.task = "t.who", .queue = "mail"};
    assert_int_equal(neap_submit(a.n, &request, NULL, &err), NEAP_ENOENT);
    assert_int_equal(neap_submit(b.n, &request, NULL, &err), NEAP_OK);
    executor_close(&a);
    assert_int_equal(neap_wait_idle(b.n, 20000), NEAP_OK);
    assert_string_equal(executor_run(&b, "t.who", NULL), "[\"b\",4,\"another\"]");
    executor_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_use_the_hosts_module),
        cmocka_unit_test(files_require_it_at_their_top_level),
        cmocka_unit_test(tasks_load_modules_from_files),
        cmocka_unit_test(fits_a_poll_loop),
        cmocka_unit_test(nowait_never_blocks),
        cmocka_unit_test(any_thread_may_call),
        cmocka_unit_test(close_ends_calls_under_way),
        cmocka_unit_test(executors_share_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
