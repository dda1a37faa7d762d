/* What neap_ask learns from workers: stacks, logs of running jobs, what they have in hand. */
#include "../support/asking.h"

#include <setjmp.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lua.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void start(struct executor *x)
{
    char text[1024];
    executor_init(x);
    executor_write(x, "neap.ini", "[pool default]\nworkers = 2\nslots = 10\n");
    executor_write_blocker(x);
    executor_write(x, "plugins/t/nap.lua",
                   "local neap = require 'neap'\n"
                   "local function deep(a)\n"
                   "  neap.sleep(3600)\n"
                   "end\n"
                   "return function(a)\n"
                   "  deep(a)\n"
                   "  return 1\n"
                   "end\n");
    executor_write(x, "plugins/t/several.lua",
                   "local neap = require 'neap'\n"
                   "return function(a)\n"
                   "  local h = neap.async(function() neap.sleep(3600) end)\n"
                   "  h:wait()\n"
                   "end\n");
    executor_write(x, "plugins/sort/loop.lua",
                   "return function(a)\n"
                   "  table.sort({ 1, 2, 3 }, function() while true do end end)\n"
                   "end\n");
    snprintf(text, sizeof text,
             "local neap = require 'neap'\n"
             "return function(args)\n"
             "  for i = 1, args.n do\n"
             "    print('line ' .. i)\n"
             "    repeat neap.sleep(0.005) until io.open('%s/go' .. i)\n"
             "  end\n"
             "  if args.much then print(('x'):rep(1000)) print(('y'):rep(70000)) end\n"
             "  if args.fail then error('no luck') end\n"
             "  print('last')\n"
             "end\n",
             x->dir);
    executor_write(x, "plugins/log/lines.lua", text);
    executor_start(x, 0);
}

static uint64_t submit(struct executor *x, const char *task, const char *args)
{
    uint64_t id;
    struct neap_error err = {0};
    const struct neap_request request = {.task = task, .args = args};
    if (neap_submit(x->n, &request, &id, &err))
        fail_msg("%s", err.message);
    return id;
}

/* --- stacks -------------------------------------------------------------------------------------
 */

static void shows_where_jobs_are(void **state)
{
    struct executor x;
    (void)state;
    start(&x);
    assert_has(ASK(&x, NEAP_ASK_STACK), "{\"jobs\":[]}");
    const uint64_t nap = submit(&x, "t.nap", NULL);
    asking_until(&x, nap, "\"state\":\"running\"");
    const char *text = ASK(&x, NEAP_ASK_STACK, .id = nap);
    for (int left = 4000; !strstr(text, "\"state\":\"waiting\""); executor_pause(&left))
        text = ASK(&x, NEAP_ASK_STACK, .id = nap);
    assert_has(text, "\"task\":\"t.nap\",\"attempt\":1,\"generation\":1,\"worker\":\"default/");
    assert_has(text, "nap.lua:3: in upvalue 'deep'\\n\\t");
    assert_has(text, "nap.lua:6: in function");
    const uint64_t block = submit(&x, "t.block", NULL);
    executor_await(&x, "blocked");
    text = ASK(&x, NEAP_ASK_STACK, .id = block);
    for (int left = 4000; !strstr(text, "block.lua:4: in function"); executor_pause(&left))
        text = ASK(&x, NEAP_ASK_STACK, .id = block); /* it may still be where it told us */
    assert_lacks(text, "t.nap");
    const uint64_t several = submit(&x, "t.several", NULL);
    asking_until(&x, several, "\"state\":\"running\"");
    text = ASK(&x, NEAP_ASK_STACK, .id = several);
    for (int left = 4000; !strstr(text, "\"state\":\"waiting\""); executor_pause(&left))
        text = ASK(&x, NEAP_ASK_STACK, .id = several);
    assert_has(text, "in neap.async: stack traceback");
    text = ASK(&x, NEAP_ASK_STACK);
    assert_has(text, "t.nap");
    assert_has(text, "t.block");
    ASK(&x, NEAP_ASK_CANCEL, .id = nap);
    ASK(&x, NEAP_ASK_WAIT, .id = nap, .timeout_ms = -1);
    assert_has(ASK_FAILS(&x, NEAP_ECONFLICT, NEAP_ASK_STACK, .id = nap), "does not run: cancelled");
    assert_has(ASK_FAILS(&x, NEAP_ENOENT, NEAP_ASK_STACK, .id = 5), "no such job");
    executor_write(&x, "go", "");
    ASK(&x, NEAP_ASK_WAIT, .id = block, .timeout_ms = -1);
    executor_close(&x);
}

/* It cannot give way there, but it can be looked at. */
static void shows_what_cannot_give_way(void **state)
{
    struct executor x;
    (void)state;
    start(&x);
    const uint64_t id = submit(&x, "sort.loop", NULL);
    asking_until(&x, id, "\"state\":\"running\"");
    const char *text = ASK(&x, NEAP_ASK_STACK, .id = id);
    for (int left = 4000; !strstr(text, "\"state\":\"computing\""); executor_pause(&left))
        text = ASK(&x, NEAP_ASK_STACK, .id = id);
    assert_has(text, "loop.lua:2: in function");
    assert_has(text, "in field 'sort'");
    ASK(&x, NEAP_ASK_CANCEL, .id = id);
    executor_close(&x);
}

/* The job goes on as if nobody had looked. */
static void a_look_changes_nothing(void **state)
{
    struct executor x;
    (void)state;
    executor_init(&x);
    executor_write(
        &x, "plugins/t/sum.lua",
        "return function(a)\n"
        "  local s = 0\n"
        "  local t = {}\n"
        "  for i = 1, a.n do s = s + i % 7; t[i % 100] = tostring(i) .. ('%d'):format(i) end\n"
        "  return s\n"
        "end\n");
    executor_start(&x, 0);
    const uint64_t id = executor_submit(&x, "t.sum", "{\"n\":3000000}");
    (void)id;
    struct neap_outcome out;
    int looks = 0;
    while (neap_next(x.n, &out, 0) == NEAP_ETIME && ++looks)
        ASK(&x, NEAP_ASK_STACK);
    assert_int_equal(out.state, NEAP_COMPLETED);
    char *json = neap_to_json(out.result, out.result_len);
    assert_string_equal(json, "8999997");
    free(json);
    neap_outcome_free(&out);
    executor_close(&x);
}

/* Until the file DIR/go exists, whatever signals come. */
static char go[96];

static int l_block(lua_State *L)
{
    (void)L;
    while (access(go, F_OK))
        usleep(1000);
    return 0;
}

static int open_block(void *lua_state)
{
    lua_pushcfunction(lua_state, l_block);
    return 1;
}

/* A worker inside C is not waited for. */
static void reports_what_is_stuck(void **state)
{
    struct executor x;
    struct neap_error err = {0};
    (void)state;
    executor_init(&x);
    executor_write(&x, "neap.ini", "");
    executor_write(&x, "plugins/t/c.lua", "return function() require('blocks')() end");
    snprintf(x.ini, sizeof x.ini, "%s/neap.ini", x.dir);
    snprintf(go, sizeof go, "%s/go", x.dir);
    const struct neap_options options = {.size = sizeof options, .config_file = x.ini};
    assert_int_equal(neap_open(&x.n, &options, &err), NEAP_OK);
    assert_int_equal(neap_preload(x.n, "blocks", open_block, &err), NEAP_OK);
    assert_int_equal(neap_start(x.n, &err), NEAP_OK);
    const uint64_t id = submit(&x, "t.c", NULL);
    asking_until(&x, id, "\"state\":\"running\"");
    const char *text = ASK(&x, NEAP_ASK_STACK, .id = id);
    for (int left = 4000; !strstr(text, "\"state\":\"stuck\""); executor_pause(&left))
        text = ASK(&x, NEAP_ASK_STACK);
    assert_has(text, "inside C code");
    executor_write(&x, "go", "");
    ASK(&x, NEAP_ASK_WAIT, .id = id, .timeout_ms = -1);
    executor_close(&x);
}

/* --- logs ---------------------------------------------------------------------------------------
 */

static const char *log_from(struct executor *x, uint64_t id, uint64_t offset, int64_t timeout_ms)
{
    char param[40];
    const char *params[] = {param, NULL};
    snprintf(param, sizeof param, "offset=%llu", (unsigned long long)offset);
    return asking_text(x, NEAP_OK,
                       (struct neap_ask){.what = NEAP_ASK_LOG, .id = id, .timeout_ms = timeout_ms},
                       params);
}

static uint64_t number_of(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    assert_non_null(at);
    return strtoull(at + strlen(key), NULL, 10);
}

static void follows_what_is_printed(void **state)
{
    struct executor x;
    (void)state;
    start(&x);
    const uint64_t id = submit(&x, "log.lines", "{\"n\":3}");
    const char *text = log_from(&x, id, 0, 20000);
    assert_has(text, "\"text\":\"line 1\\n\",\"offset\":0,\"next\":7,\"ended\":false");
    text = log_from(&x, id, 7, 30);
    assert_has(text, "\"text\":\"\",\"offset\":7,\"next\":7,\"ended\":false");
    executor_write(&x, "go1", "");
    text = log_from(&x, id, 7, 20000);
    assert_has(text, "\"text\":\"line 2\\n\",\"offset\":7,\"next\":14");
    assert_has(log_from(&x, id, 3, 0), "\"text\":\"e 1\\nline 2\\n\",\"offset\":3,\"next\":14");
    executor_write(&x, "go2", "");
    executor_write(&x, "go3", "");
    char all[4096] = "";
    for (uint64_t at = 14;;) {
        text = log_from(&x, id, at, 20000);
        at = number_of(text, "\"next\":");
        strcat(all, text);
        if (strstr(text, "\"ended\":true"))
            break;
    }
    assert_has(all, "line 3\\n");
    assert_has(all, "last\\n");
    assert_has(log_from(&x, id, 0, 0),
               "\"text\":\"line 1\\nline 2\\nline 3\\nlast\\n\",\"offset\":0,\"next\":26,"
               "\"ended\":true");
    assert_has(log_from(&x, id, 99, 20000),
               "\"text\":\"\",\"offset\":26,\"next\":26,\"ended\":true");
    executor_close(&x);
}

static void offsets_outlast_the_ring(void **state)
{
    struct executor x;
    (void)state;
    start(&x);
    executor_write(&x, "go1", "");
    const uint64_t id = submit(&x, "log.lines", "{\"n\":1,\"much\":true}");
    ASK(&x, NEAP_ASK_WAIT, .id = id, .timeout_ms = -1);
    const char *text = log_from(&x, id, 0, 0);
    const uint64_t end = 7 + 1001 + 70000 + 5 + 5; /* a long line goes out in pieces */
    assert_int_equal(number_of(text, "\"next\":"), end);
    assert_in_range(number_of(text, "\"offset\":"), end - 65536, end - 60000);
    assert_has(text, "yyy\\nlast\\n");
    text = log_from(&x, id, end - 5, 0);
    assert_has(text, "\"text\":\"last\\n\"");
    executor_close(&x);
}

struct follower {
    struct executor *x;
    uint64_t id;
    bool ended;
};

static void *follow(void *arg)
{
    struct follower *f = arg;
    for (uint64_t at = 0; !f->ended;) {
        const char *text = log_from(f->x, f->id, at, 20000);
        at = number_of(text, "\"next\":");
        f->ended = strstr(text, "\"ended\":true") != NULL;
    }
    return NULL;
}

static void many_follow_one_job(void **state)
{
    struct executor x;
    struct follower f[8];
    pthread_t threads[8];
    (void)state;
    start(&x);
    const uint64_t id = submit(&x, "log.lines", "{\"n\":3}");
    for (int i = 0; i < 8; i++) {
        f[i] = (struct follower){.x = &x, .id = id};
        pthread_create(&threads[i], NULL, follow, &f[i]);
    }
    for (int i = 1; i <= 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "go%d", i);
        executor_write(&x, name, "");
        usleep(20000);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        assert_true(f[i].ended);
    }
    executor_close(&x);
}

static void ask_count(void *user, const struct neap_reply *reply)
{
    (void)reply;
    ++*(int *)user;
}

static void a_close_ends_looks(void **state)
{
    struct executor x;
    struct follower f;
    (void)state;
    start(&x);
    f = (struct follower){.x = &x, .id = submit(&x, "t.nap", NULL)};
    struct neap_ask ask = {
        .size = sizeof ask, .what = NEAP_ASK_LOG, .id = f.id, .timeout_ms = 3600000};
    int replies = 0;
    assert_int_equal(neap_ask(x.n, &ask, &replies, ask_count, NULL), NEAP_OK);
    ask.what = NEAP_ASK_STACK;
    ask.id = 0;
    ask.timeout_ms = 0;
    assert_int_equal(neap_ask(x.n, &ask, &replies, ask_count, NULL), NEAP_OK);
    executor_close(&x);
    assert_int_equal(replies, 2);
}

/* --- workers ------------------------------------------------------------------------------------
 */

static void tells_of_workers(void **state)
{
    struct executor x;
    (void)state;
    start(&x);
    const uint64_t nap = submit(&x, "t.nap", NULL);
    asking_until(&x, nap, "\"state\":\"running\"");
    const char *text = ASK(&x, NEAP_ASK_WORKERS);
    assert_has(text, "{\"workers\":[{\"name\":\"default/1\",\"pool\":\"default\",\"state\":\"");
    assert_has(text, "\"name\":\"default/2\"");
    assert_has(text, "\"task\":\"t.nap\",\"attempt\":1,\"started_at\":\"2");
    assert_has(text, "\"slots\":10");
    assert_has(text, "\"generation\":1");
    assert_has(text, "\"memory_bytes\":");
    executor_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_where_jobs_are),    cmocka_unit_test(shows_what_cannot_give_way),
        cmocka_unit_test(a_look_changes_nothing),  cmocka_unit_test(reports_what_is_stuck),
        cmocka_unit_test(follows_what_is_printed), cmocka_unit_test(offsets_outlast_the_ring),
        cmocka_unit_test(many_follow_one_job),     cmocka_unit_test(a_close_ends_looks),
        cmocka_unit_test(tells_of_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
