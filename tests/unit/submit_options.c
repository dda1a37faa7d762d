/* The options of neap.submit and ctx:submit: what they take, and what they say of mistakes. The
 * handle that they return. */
#include "../support/executor.h"

#include <setjmp.h>

#include <cmocka.h>

#include <string.h>

/* args: the options. As both calls say it: nil, or the error without who says it. */
static const char try_lua[] = "local neap = require 'neap'\n"
                              "local function why(...)\n"
                              "  local ok, e = pcall(...)\n"
                              "  return not ok and e:gsub('^.-submit: ', '', 1) or nil\n"
                              "end\n"
                              "return function(args, ctx)\n"
                              "  local a = why(neap.submit, 't.echo', 1, args)\n"
                              "  local b = why(ctx.submit, ctx, 't.echo', 1, args)\n"
                              "  assert(a == b, tostring(a) .. ' / ' .. tostring(b))\n"
                              "  return a or 'fine'\n"
                              "end\n";

#define DURATION                                                                                   \
    "a duration is a number of seconds or text such as \\\"250ms\\\", \\\"1m30s\\\", got "

static const struct {
    const char *options, *want;
} cases[] = {
    {"{}", "fine"},
    {"{\"timeout\":1.5}", "fine"},
    {"{\"timeout\":\"1m\"}", "fine"},
    {"{\"timeout\":\"none\",\"retry\":2,\"priority\":\"high\"}", "fine"},
    {"{\"timeout\":0,\"delay\":\"1ms\",\"expires\":60}", "fine"},
    {"{\"timeout\":\"soon\"}", "timeout: " DURATION "soon"},
    {"{\"timeout\":-1}", "timeout: " DURATION "number"},
    {"{\"timeout\":false}", "timeout: " DURATION "boolean"},
    {"{\"timout\":1}", "unknown option 'timout' (did you mean 'timeout'?)"},
    {"{\"dealy\":1}", "unknown option 'dealy' (did you mean 'delay'?)"},
    {"{\"colour\":1}", "unknown option 'colour'"},
    {"{\"delay\":1,\"at\":1}", "either delay or at, not both"},
    {"{\"priority\":\"hihg\"}",
     "priority is an integer from -128 to 127 or low, normal, high, critical"},
    {"{\"queue\":\"defualt\"}", "unknown queue 'defualt' (did you mean 'default'?)"},
    {"{\"retry\":-1}", "retry.max is an integer from 0 to 1000000"},
    {"{\"retry\":{\"mxa\":1}}", "unknown retry option 'mxa' (did you mean 'max'?)"},
    {"[1]", "the keys of options are names"},
    {"7", "options are a table"},
};

static void options(void **state)
{
    struct executor x;
    (void)state;
    executor_init(&x);
    executor_write(&x, "plugins/t/echo.lua", "return function(a) return a end");
    executor_write(&x, "plugins/t/try.lua", try_lua);
    executor_start(&x, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *got = executor_run(&x, "t.try", cases[i].options);
        const size_t len = strlen(got);
        if (len < 2 || strlen(cases[i].want) != len - 2 ||
            memcmp(got + 1, cases[i].want, len - 2) != 0)
            fail_msg("%s: %s, not \"%s\"", cases[i].options, got, cases[i].want);
    }
    executor_close(&x);
}

static const char handle_lua[] =
    "local neap = require 'neap'\n"
    "local function why(f, ...)\n"
    "  local ok, e = pcall(f, ...)\n"
    "  return not ok and tostring(e):gsub('^%S+: ', '', 1) or nil\n"
    "end\n"
    "return function(_, ctx)\n"
    "  local a, b = neap.submit('t.echo', 1), ctx:submit('t.echo', 2)\n"
    "  assert(type(a) == 'userdata' and #a.id == 13 and tostring(a) == 'job ' .. a.id)\n"
    "  assert(a ~= b and a.id < b.id and neap.job(a.id) == a and ({ [a] = 7 })[neap.job(a)] == 7)\n"
    "  local ok, got = a:wait()\n"
    "  assert(ok and got == 1 and a.colour == nil and a:state() == 'completed')\n"
    "  local null = neap.null\n"
    "  assert(tostring(null):find('^userdata: 0x') and tostring(a) ~= tostring(null))\n"
    "  assert(why(function() return null.id end) == 'attempt to index a userdata value')\n"
    "  assert(why(a.wait, null):find('neap.job expected, got light userdata', 1, true))\n"
    "  assert(why(function() a.id = 1 end):find('attempt to index a userdata', 1, true))\n"
    "  assert(why(neap.job, null):find('a job is what neap.submit returned', 1, true))\n"
    "  assert(why(neap.job, 'FZZZZZZZZZZZZ'):find('no job has this id', 1, true))\n"
    "  for _, id in ipairs { '0000000000000', '0000000000001', 'E000000000000' } do\n"
    "    assert(neap.job(id).id == id and neap.job(id):state() == nil)\n"
    "  end\n"
    "  assert(why(neap.submit, 't.echo', a):find('a userdata cannot cross', 1, true))\n"
    "  return true\n"
    "end\n";

static void handles(void **state)
{
    struct executor x;
    (void)state;
    executor_init(&x);
    executor_write(&x, "plugins/t/echo.lua", "return function(a) return a end");
    executor_write(&x, "plugins/t/try.lua", handle_lua);
    executor_start(&x, 0);
    assert_string_equal(executor_run(&x, "t.try", NULL), "true");
    executor_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(options), cmocka_unit_test(handles)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
