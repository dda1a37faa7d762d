/* luv in tasks: what it does on the worker's loop, and what is left of it when a job, a worker or
 * the executor ends. What it must bear is in tests/attack/run/luv.lua. */
#include "../support/executor.h"

#include <setjmp.h>

#include <cmocka.h>
#include <lua.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void open_with(struct executor *x, const char *text)
{
    executor_init(x);
    executor_write(x, "neap.ini", "[pool default]\nworkers = 1\n");
    executor_write(x, "plugins/t/task.lua", text);
    executor_start(x, 0);
    assert_string_equal(x->problems, "");
}

static int descriptors(void)
{
    int count = 0;
    DIR *d = opendir("/proc/self/fd");
    while (readdir(d))
        count++;
    closedir(d);
    return count;
}

static bool listens(int port)
{
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    const int rc = connect(fd, (struct sockaddr *)&address, sizeof address);
    close(fd);
    return rc == 0;
}

static const char echo_lua[] =
    "local neap, uv = require 'neap', require 'luv'\n"
    "return function()\n"
    "  local server, got = uv.new_tcp(), neap.signal()\n"
    "  assert(server:bind('127.0.0.1', 0))\n"
    "  assert(server:listen(8, function(err)\n"
    "    local peer = uv.new_tcp()\n"
    "    assert(not err and server:accept(peer))\n"
    "    peer:read_start(function(_, data) if data then peer:write(data:upper()) end end)\n"
    "  end))\n"
    "  local client = uv.new_tcp()\n"
    "  assert(client:connect('127.0.0.1', server:getsockname().port, function(err)\n"
    "    assert(not err, err)\n"
    "    client:read_start(function(_, data) got:set(data) end)\n"
    "    client:write({ 'hel', 'lo' })\n"
    "  end))\n"
    "  local ok, data = got:wait('10s')\n"
    "  return ok and data\n"
    "end\n";

static void works_on_the_workers_loop(void **state)
{
    struct executor x;
    (void)state;
    open_with(&x, echo_lua);
    assert_string_equal(executor_run(&x, "t.task", NULL), "\"HELLO\"");
    const int before = descriptors();
    for (int i = 0; i < 200; i++)
        assert_string_equal(executor_run(&x, "t.task", NULL), "\"HELLO\"");
    assert_true(descriptors() <=
                before + 8); /* the last job's are closed at the loop's next turn */
    executor_close(&x);
}

static const char listener_lua[] = "local neap, uv = require 'neap', require 'luv'\n"
                                   "return function(how, ctx)\n"
                                   "  local server = uv.new_tcp()\n"
                                   "  server:bind('127.0.0.1', 0)\n"
                                   "  server:listen(8, function() end)\n"
                                   "  print(server:getsockname().port)\n"
                                   "  local file = io.open(ctx.dir .. '/../../' .. how, 'w')\n"
                                   "  file:write(server:getsockname().port)\n"
                                   "  file:close()\n"
                                   "  if how == 'fails' then error('mine') end\n"
                                   "  if how == 'waits' then neap.sleep(60) end\n"
                                   "  if how == 'in_callback' then\n"
                                   "    uv.new_timer():start(0, 0, function() error('mine') end)\n"
                                   "    neap.sleep(60)\n"
                                   "  end\n"
                                   "end\n";

static int port_of(struct executor *x, const char *name)
{
    char path[256], text[32] = "";
    executor_await(x, name);
    snprintf(path, sizeof path, "%s/%s", x->dir, name);
    for (int i = 0; !atoi(text) && i < 1000; i++, usleep(1000)) {
        FILE *file = fopen(path, "r");
        if (!file || !fgets(text, sizeof text, file))
            text[0] = 0;
        if (file)
            fclose(file);
    }
    return atoi(text);
}

static void closes_what_a_job_leaves_open(void **state)
{
    static const char *const ways[] = {"ends", "fails", "in_callback", "waits"};
    struct executor x;
    char text[256];
    (void)state;
    open_with(&x, listener_lua);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct neap_error err;
        snprintf(text, sizeof text, "\"%s\"", ways[i]);
        const uint64_t id = executor_submit(&x, "t.task", text);
        const int port = port_of(&x, ways[i]);
        if (strcmp(ways[i], "waits") == 0) {
            assert_true(listens(port));
            assert_int_equal(neap_cancel(x.n, id, &err), NEAP_OK);
        }
        executor_next(&x, text, sizeof text);
        for (int left = 2000; listens(port); executor_pause(&left))
            ;
    }
    executor_close(&x);
}

/* Requests that threads of libuv's have, and handles that are at work, when all ends. */
static void ends_with_the_executor(void **state)
{
    static const char lua[] = "local neap, uv = require 'neap', require 'luv'\n"
                              "return function()\n"
                              "  for _ = 1, 100 do uv.fs_stat('/tmp', function() end) end\n"
                              "  uv.getaddrinfo('localhost', nil, nil, function() end)\n"
                              "  uv.new_fs_poll():start('/tmp', 1, function() end)\n"
                              "  uv.new_timer():start(0, 1, function() end)\n"
                              "  uv.new_idle():start(function() end)\n"
                              "  local tcp = uv.new_tcp()\n"
                              "  tcp:connect('127.0.0.1', 1, function() end)\n"
                              "  print('begun')\n"
                              "  neap.sleep(60)\n"
                              "end\n";
    (void)state;
    for (int i = 0; i < 10; i++) {
        struct executor x;
        open_with(&x, lua);
        executor_submit(&x, "t.task", NULL);
        for (int left = 4000; !executor_printed(&x, "begun"); executor_pause(&left))
            ;
        executor_close(&x);
    }
}

/* A callback sees its own plugin: its globals, its methods of strings, its place in the log. */
static void callbacks_are_their_jobs(void **state)
{
    struct executor x;
    char text[256];
    (void)state;
    executor_init(&x);
    executor_write(&x, "neap.ini", "[pool default]\nworkers = 1\n");
    static const char lua[] = "local neap, uv = require 'neap', require 'luv'\n"
                              "local mine = '%s'\n"
                              "string.mine = function() return mine end\n"
                              "return function()\n"
                              "  local done, n = neap.signal(), 0\n"
                              "  local timer = uv.new_timer()\n"
                              "  timer:start(0, 1, function()\n"
                              "    n = n + 1\n"
                              "    assert((''):mine() == mine)\n"
                              "    if n == 50 then print(mine) done:set(n) end\n"
                              "  end)\n"
                              "  return select(2, done:wait('20s'))\n"
                              "end\n";
    for (int i = 0; i < 4; i++) {
        char source[1024];
        snprintf(text, sizeof text, "plugins/p%d/task.lua", i);
        char name[8] = {'p', (char)('0' + i), 0};
        snprintf(source, sizeof source, lua, name);
        executor_write(&x, text, source);
    }
    executor_start(&x, 0);
    assert_string_equal(x.problems, "");
    for (int i = 0; i < 20; i++) {
        snprintf(text, sizeof text, "p%d.task", i % 4);
        executor_submit(&x, text, NULL);
    }
    for (int i = 0; i < 20; i++) {
        assert_int_equal(executor_next(&x, text, sizeof text).state, NEAP_COMPLETED);
        assert_string_equal(text, "50");
    }
    executor_close(&x);
}

/* Another plugin's job makes it give way all the time, but between two waits it sees no callback.
 */
static void callbacks_wait_for_a_preempted_job(void **state)
{
    static const char lua[] = "local neap, uv = require 'neap', require 'luv'\n"
                              "return function()\n"
                              "  local n, seen = 0, 0\n"
                              "  uv.new_timer():start(0, 1, function() n = n + 1 end)\n"
                              "  for _ = 1, 15 do\n"
                              "    local before, began = n, os.clock()\n"
                              "    while os.clock() - began < 0.02 do assert(n == before) end\n"
                              "    neap.sleep(0.002)\n"
                              "    if n > before then seen = seen + 1 end\n"
                              "  end\n"
                              "  return seen > 10 or seen\n"
                              "end\n";
    struct executor x;
    char text[256];
    (void)state;
    executor_init(&x);
    executor_write(&x, "neap.ini", "[pool default]\nworkers = 1\nslice = 1ms\n");
    executor_write(&x, "plugins/t/task.lua", lua);
    executor_write(
        &x, "plugins/other/task.lua",
        "local neap = require 'neap'\n"
        "return function() for _ = 1, 400 do neap.sleep(0.001) end return 'other' end\n");
    executor_start(&x, 0);
    executor_submit(&x, "other.task", NULL);
    executor_submit(&x, "t.task", NULL);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(executor_next(&x, text, sizeof text).state, NEAP_COMPLETED);
        if (strcmp(text, "true") != 0 && strcmp(text, "\"other\"") != 0)
            fail_msg("%s", text);
    }
    executor_close(&x);
}

/* The worker sleeps elsewhere while its loop has nothing: then it turns again for whatever is
 * opened, be it unref'd, and the loop's clock is right. */
static void the_loop_turns_again_after_a_sleep(void **state)
{
    static const char lua[] =
        "local neap, uv = require 'neap', require 'luv'\n"
        "return function()\n"
        "  for i = 1, 3 do\n"
        "    neap.sleep(0.06)\n"
        "    local fired, timer, began = neap.signal(), uv.new_timer(), uv.hrtime()\n"
        "    timer:start(30, 0, function() fired:set() end)\n"
        "    if i > 1 then timer:unref() end\n"
        "    assert(fired:wait('20s'))\n"
        "    assert(uv.hrtime() - began > 28e6)\n"
        "    timer:close()\n"
        "  end\n"
        "end\n";
    struct executor x;
    (void)state;
    open_with(&x, lua);
    for (int i = 0; i < 2; i++)
        assert_string_equal(executor_run(&x, "t.task", NULL), "nil");
    executor_close(&x);
}

static atomic_bool came_back;

static int block(lua_State *L)
{
    (void)L;
    for (int i = 0; i < 1200; i++) /* longer than the grace, whatever signal comes */
        poll(NULL, 0, 1);
    atomic_store(&came_back, true);
    return 0;
}

static int luaopen_block(void *lua_state)
{
    lua_pushcfunction((lua_State *)lua_state, block);
    return 1;
}

/* A callback blocks in C: the worker is given up, and what luv had there is freed once it is back.
 */
static void a_callback_blocks(void **state)
{
    static const char lua[] = "local neap, uv = require 'neap', require 'luv'\n"
                              "return function(how)\n"
                              "  if how == 'fine' then return how end\n"
                              "  local block = require 'block'\n"
                              "  uv.new_timer():start(0, 1, function() end)\n"
                              "  uv.new_idle():start(function() end)\n"
                              "  local tcp = uv.new_tcp()\n"
                              "  tcp:bind('127.0.0.1', 0)\n"
                              "  tcp:listen(1, function() end)\n"
                              "  uv.fs_stat('/tmp', function() end)\n"
                              "  uv.new_timer():start(0, 0, function() block() end)\n"
                              "  neap.sleep(60)\n"
                              "end\n";
    struct executor x;
    struct neap_error err;
    char text[256];
    (void)state;
    executor_init(&x);
    executor_write(&x, "neap.ini", "[neap]\ngrace = 100ms\n[pool default]\nworkers = 1\n");
    executor_write(&x, "plugins/t/task.lua", lua);
    snprintf(x.ini, sizeof x.ini, "%s/neap.ini", x.dir);
    const struct neap_options options = {.size = sizeof options, .config_file = x.ini};
    assert_int_equal(neap_open(&x.n, &options, &err), NEAP_OK);
    assert_int_equal(neap_preload(x.n, "block", luaopen_block, &err), NEAP_OK);
    assert_int_equal(neap_start(x.n, &err), NEAP_OK);
    executor_submit(&x, "t.task", "\"blocks\"");
    assert_int_equal(executor_next(&x, text, sizeof text).state, NEAP_DEAD);
    assert_non_null(strstr(text, "stuck in C"));
    assert_string_equal(executor_run(&x, "t.task", "\"fine\""), "\"fine\"");
    for (int left = 4000; !atomic_load(&came_back); executor_pause(&left))
        ;
    assert_string_equal(executor_run(&x, "t.task", "\"fine\""), "\"fine\"");
    executor_close(&x);
}

/* A fiber has lent its job's slot, and is ended by a callback while the answer that brings the slot
 * back is on its way: the child has ended, and the callback gives the engine time to say so. */
static void a_slot_comes_back_to_the_job(void **state)
{
    static const char lua[] =
        "local neap, uv = require 'neap', require 'luv'\n"
        "local ended = false\n"
        "local function spend(ms)\n"
        "  local began = uv.hrtime()\n"
        "  while uv.hrtime() - began < ms * 1e6 do end\n"
        "end\n"
        "local function callback(timer, handle)\n"
        "  if not ended then return end\n"
        "  timer:stop()\n"
        "  spend(10)\n"
        "  handle:cancel()\n"
        "end\n"
        "local function run(how)\n"
        "  if how == 'child' then spend(3) ended = true return end\n"
        "  ended = false\n"
        "  local child, timer = neap.submit('t.task', 'child'), uv.new_timer()\n"
        "  local handle = neap.async(function() return child:wait() end)\n"
        "  timer:start(1, 1, function() callback(timer, handle) end)\n"
        "  local _, e = handle:wait()\n"
        "  return e.code\n"
        "end\n"
        "return { run = run, timeout = '5s', retry = { max = 0 } }\n";
    struct executor x;
    (void)state;
    executor_init(&x);
    executor_write(&x, "neap.ini", "[pool default]\nworkers = 1\nslots = 1\n");
    executor_write(&x, "plugins/t/task.lua", lua);
    executor_start(&x, 0);
    assert_string_equal(x.problems, "");
    for (int i = 0; i < 5; i++)
        assert_string_equal(executor_run(&x, "t.task", NULL), "\"cancelled\"");
    executor_close(&x);
}

static void signals(void **state)
{
    static const char lua[] =
        "local neap = require 'neap'\n"
        "return function()\n"
        "  local s = neap.signal()\n"
        "  local ok, e = s:wait(0.01)\n"
        "  assert(not ok and e.code == 'timeout' and not s.is_set())\n"
        "  local a = neap.async(function() return s:wait() end)\n"
        "  local b = neap.async(function() return select(3, s:wait('10s')) end)\n"
        "  neap.sleep(0)\n"
        "  assert(s:set(1, nil, 3) and not s:set(2))\n"
        "  assert(select('#', s:wait()) == 4 and select('#', a:wait()) == 5)\n"
        "  local _, second, third = b:wait()\n"
        "  return { (select(2, s:wait())), second == nil, third }\n"
        "end\n";
    struct executor x;
    (void)state;
    open_with(&x, lua);
    assert_string_equal(executor_run(&x, "t.task", NULL), "[1,true,3]");
    executor_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(works_on_the_workers_loop),
        cmocka_unit_test(closes_what_a_job_leaves_open),
        cmocka_unit_test(ends_with_the_executor),
        cmocka_unit_test(callbacks_are_their_jobs),
        cmocka_unit_test(callbacks_wait_for_a_preempted_job),
        cmocka_unit_test(the_loop_turns_again_after_a_sleep),
        cmocka_unit_test(a_callback_blocks),
        cmocka_unit_test(a_slot_comes_back_to_the_job),
        cmocka_unit_test(signals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
