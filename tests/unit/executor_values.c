/* Values cross between jobs, and to and from neap.shared, as they are, or are refused with the path
 * of what cannot: as arguments, as results and as shared values. */
#include "../support/executor.h"

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

/* lib/same.lua: are two values the same to the last bit, with the kinds of numbers? */
static const char same_lua[] =
    "local function same(a, b)\n"
    "  if math.type(a) == 'float' and math.type(b) == 'float' then\n"
    "    return string.pack('d', a) == string.pack('d', b) or (a ~= a and b ~= b)\n"
    "  end\n"
    "  if type(a) ~= 'table' or type(b) ~= 'table' then\n"
    "    return math.type(a) == math.type(b) and rawequal(a, b)\n"
    "  end\n"
    "  for k, v in next, a do if not same(v, b[k]) then return false end end\n"
    "  for k in next, b do if a[k] == nil then return false end end\n"
    "  return true\n"
    "end\n"
    "return same\n";

static const char good_lua[] =
    "local neap, same = require 'neap', require 'same'\n"
    "local null, array = neap.null, neap.array\n"
    "local function nested(n) local t = {} for _ = 2, n do t = { t } end return t end\n"
    "local values = {\n"
    "  0, 1, -1, 127, 128, 255, 256, -32, -33, -128, -129, 32767, 32768, 65535, 65536, "
    "2147483647,\n"
    "  2147483648, 4294967295, 4294967296, -2147483648, -2147483649, 1 << 53, (1 << 53) + 1,\n"
    "  math.maxinteger, math.mininteger, math.maxinteger - 1, math.mininteger + 1,\n"
    "  0.0, -0.0, 1.0, -1.5, 0.1, 2.0 ^ 53, 2.0 ^ 63, -(2.0 ^ 63), 1e308, 5e-324, math.huge,\n"
    "  -math.huge, 0 / 0, true, false, null, '', 'a', 'h\\u{e9}', '\\0', '\\xff\\xfe\\0\\n',\n"
    "  ('x'):rep(31), ('x'):rep(32), ('x'):rep(255), ('x'):rep(256), ('x'):rep(65536),\n"
    "  ('x'):rep(1000000), {}, array {}, { 1 }, { 1, 2, 3 }, { {}, {}, array {} }, { null, null "
    "},\n"
    "  array { 1, nil, 3 } and { 1, null, 3 }, { a = 1 }, { a = { b = { c = null } } },\n"
    "  { [1] = 'a', [3] = 'c' }, { [-1] = 1, [0] = 2 }, { [1.5] = 'x', [math.huge] = 'y' },\n"
    "  { [true] = 1, [false] = 0 }, { [math.maxinteger] = 1, [math.mininteger] = 2 },\n"
    "  { 1, 2, x = 3 }, { ['\\0'] = '\\0', [''] = '' }, { ['1'] = 'text', [1] = 'number' },\n"
    "  nested(63),\n"
    "}\n"
    "for i = 0, 62 do\n"
    "  values[#values + 1] = 1 << i values[#values + 1] = -(1 << i) values[#values + 1] = (1 << i) "
    "- 1\n"
    "end\n"
    "return function()\n"
    "  local map, jobs = neap.shared('values'), {}\n"
    "  for i, v in ipairs(values) do\n"
    "    jobs[i] = neap.submit('t.echo', { v = v })\n"
    "    map:set('v', v)\n"
    "    assert(same(map:get('v'), v), 'shared value ' .. i)\n"
    "  end\n"
    "  for i, job in ipairs(jobs) do\n"
    "    local ok, got = job:wait()\n"
    "    assert(ok, i .. ': ' .. tostring(got))\n"
    "    assert(same(got, { v = values[i] }), 'value ' .. i)\n"
    "  end\n"
    "  local ok, got = neap.submit('t.echo', array {}):wait()\n"
    "  assert(ok and getmetatable(got) == 'neap.array')\n"
    "  ok, got = neap.submit('t.echo', {}):wait()\n"
    "  assert(ok and type(got) == 'table' and getmetatable(got) == nil)\n"
    "  ok, got = neap.submit('t.echo', { { 1, array {} }, array { 1, nil, 3 } }):wait()\n"
    "  assert(ok and getmetatable(got[1][2]) == 'neap.array' and got[2][2] == null and got[2][3] "
    "== 3)\n"
    "  ok, got = neap.submit('t.none'):wait()\n"
    "  assert(ok and got == nil)\n"
    "  ok, got = neap.submit('t.echo'):wait()\n"
    "  assert(ok and type(got) == 'table' and next(got) == nil)\n"
    "  return #values\n"
    "end\n";

static const char bad_lua[] =
    "local neap = require 'neap'\n"
    "local function nested(n) local t = {} for _ = 2, n do t = { t } end return t end\n"
    "local cycle = { name = {} }\n"
    "cycle.name.up = cycle\n"
    "local odd = { [{}] = 1 }\n"
    "local function make() return {\n"
    "  { { list = { 1, { print } } }, '.list[2][1]: a function cannot cross' },\n"
    "  { { ['odd key'] = print }, '[\"odd key\"]: a function cannot cross' },\n"
    "  { { co = coroutine.create(print) }, '.co: a coroutine cannot cross' },\n"
    "  { { file = neap.shared('x') }, '.file: a userdata cannot cross' },\n"
    "  { { a = { b = cycle } }, '.a.b.name.up: refers back to ' },\n"
    "  { { a = odd }, 'a table cannot be a key' },\n"
    "  { nested(65), 'nested deeper than 64' },\n"
    "  { { a = ('x'):rep(1 << 20) }, 'larger than 1024 KiB' },\n"
    "  { { a = neap.array { [1] = 1, [1000] = 2 } }, 'too many holes' },\n"
    "  { { a = neap.array { x = 1 } }, 'not an index of an array' },\n"
    "} end\n"
    "local function check(what, message, text)\n"
    "  message = tostring(message)\n"
    "  assert(message:find(what, 1, true) and message:find(text, 1, true), message .. ' - ' .. "
    "text)\n"
    "end\n"
    "return function(args)\n"
    "  local cases = make()\n"
    "  if args.i then return cases[args.i][1] end\n"
    "  local map = neap.shared('bad')\n"
    "  for i, case in ipairs(cases) do\n"
    "    local ok, e = pcall(neap.submit, 't.echo', case[1])\n"
    "    assert(not ok) check('neap.submit: args', e, case[2])\n"
    "    ok, e = pcall(map.set, map, 'k', case[1])\n"
    "    assert(not ok and map:get('k') == nil) check('value', e, case[2])\n"
    "    ok, e = neap.submit('t.bad', { i = i }):wait()\n"
    "    assert(not ok and e.code == 'error') check('result', e, case[2])\n"
    "    ok, e = pcall(neap.json.encode, case[1])\n"
    "    assert(not ok) check('value', e, case[2])\n"
    "    ok, e = pcall(neap.log.info, 'text', case[1])\n"
    "    assert(not ok) check('fields', e, case[2])\n"
    "  end\n"
    "  return #cases\n"
    "end\n";

/* Values at random: what crosses comes back the same. */
static const char random_lua[] =
    "local neap, same = require 'neap', require 'same'\n"
    "local random = math.random\n"
    "local make\n"
    "local scalars = {\n"
    "  function() return random(0) end, function() return random(0) >> random(0, 63) end,\n"
    "  function() return string.unpack('d', string.pack('j', random(0))) end,\n"
    "  function() return random() < 0.5 end, function() return neap.null end,\n"
    "  function()\n"
    "    local t = {}\n"
    "    for i = 1, random(0, 40) do t[i] = string.char(random(0, 255)) end\n"
    "    return table.concat(t)\n"
    "  end,\n"
    "}\n"
    "local function key()\n"
    "  local k\n"
    "  repeat k = scalars[random(#scalars)]() until k == k and k ~= neap.null\n"
    "  return k\n"
    "end\n"
    "function make(depth)\n"
    "  if depth == 0 or random() < 0.3 then return (scalars[random(#scalars)]()) end\n"
    "  local t = {}\n"
    "  for i = 1, random(0, 6) do\n"
    "    if random() < 0.5 then t[i] = make(depth - 1) else t[key()] = make(depth - 1) end\n"
    "  end\n"
    "  return t\n"
    "end\n"
    "return function(args)\n"
    "  math.randomseed(args.seed)\n"
    "  local map, jobs, values = neap.shared('random'), {}, {}\n"
    "  for i = 1, 300 do\n"
    "    values[i] = { v = make(5) }\n"
    "    jobs[i] = neap.submit('t.echo', values[i])\n"
    "    map:set('v', values[i])\n"
    "    assert(same(map:get('v'), values[i]), 'shared value ' .. i)\n"
    "  end\n"
    "  for i, job in ipairs(jobs) do\n"
    "    local ok, got = job:wait()\n"
    "    assert(ok and same(got, values[i]), 'value ' .. i .. ' of seed ' .. args.seed)\n"
    "  end\n"
    "end\n";

static void start(struct executor *x)
{
    executor_init(x);
    executor_write(x, "neap.ini", "[pool default]\nworkers = 2\n");
    executor_write(x, "plugins/t/lib/same.lua", same_lua);
    executor_write(x, "plugins/t/echo.lua", "return function(args) return args end");
    executor_write(x, "plugins/t/none.lua", "return function() end");
    executor_write(x, "plugins/t/good.lua", good_lua);
    executor_write(x, "plugins/t/bad.lua", bad_lua);
    executor_write(x, "plugins/t/random.lua", random_lua);
    executor_start(x, 0);
    assert_string_equal(x->problems, "");
}

static void good_ones_come_back(void **state)
{
    struct executor x;
    (void)state;
    start(&x);
    assert_string_equal(executor_run(&x, "t.good", NULL), "261");
    executor_close(&x);
}

static void bad_ones_are_refused_by_path(void **state)
{
    struct executor x;
    (void)state;
    start(&x);
    assert_string_equal(executor_run(&x, "t.bad", NULL), "10");
    executor_close(&x);
}

static void random_ones_come_back(void **state)
{
    struct executor x;
    char args[32];
    (void)state;
    start(&x);
    for (int seed = 1; seed <= 5; seed++) {
        snprintf(args, sizeof args, "{\"seed\":%d}", seed);
        executor_run(&x, "t.random", args);
    }
    executor_close(&x);
}

/* From a host they come as JSON, and go back as JSON. */
static void json_comes_and_goes(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"9223372036854775807", "9223372036854775807"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"1.5", "1.5"},
        {"1e300", "1e+300"},
        {"\"\\u0000\\u00e9\\ud83d\\ude00\"", "\"\\u0000\303\251\360\237\230\200\""},
        {"[]", "[]"},
        {"{}", "{}"},
        {"[[],{},null]", "[[],{},null]"},
        {"{\"a\":[1,2,{\"b\":null}]}", "{\"a\":[1,2,{\"b\":null}]}"},
        {"null", "null"},
    };
    struct executor x;
    (void)state;
    start(&x);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(executor_run(&x, "t.echo", cases[i].in), cases[i].out);
    executor_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_ones_come_back),
        cmocka_unit_test(bad_ones_are_refused_by_path),
        cmocka_unit_test(random_ones_come_back),
        cmocka_unit_test(json_comes_and_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
