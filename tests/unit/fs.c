/* neap.fs in real jobs: while they wait, where they cannot, and when they are killed. */
#include "executor.h"

#include <setjmp.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void task(struct executor *x, const char *name, const char *body)
{
    char path[64], text[4096];
    snprintf(path, sizeof path, "plugins/t/%s.lua", name);
    snprintf(text, sizeof text,
             "local neap = require 'neap'\nlocal fs = neap.fs\nlocal dir = '%s/'\n"
             "local here = dir:gsub('%%p', '%%%%%%0')\n"
             "local function say(...)\n"
             "  local t = table.pack(...)\n"
             "  for i = 1, t.n do t[i] = tostring(t[i]):gsub(here, '') end\n"
             "  return table.concat(t, ' | ')\n"
             "end\n"
             "return function(args, ctx)\n%s\nend\n",
             x->dir, body);
    executor_write(x, path, text);
}

static void expect(const char *body, const char *want)
{
    struct executor x;
    char text[2048];
    executor_init(&x);
    task(&x, "run", body);
    executor_start(&x, 0);
    snprintf(text, sizeof text, "\"%s\"", want);
    assert_string_equal(executor_run(&x, "t.run", NULL), text);
    executor_close(&x);
}

static void reads_and_writes(void **state)
{
    (void)state;
    expect("return say(fs.write(dir .. 'x', 'one\\0two'), #fs.read(dir .. 'x'))", "true | 7");
    expect("fs.write(dir .. 'x', 'long text') fs.write(dir .. 'x', 'new')\n"
           "return fs.read(dir .. 'x')",
           "new");
    expect("fs.write(dir .. 'x', 'a', { append = true })\n"
           "return say(fs.write(dir .. 'x', 'b', { append = true }), fs.read(dir .. 'x'))",
           "true | ab");
    expect("fs.write(dir .. 'x', '') return '<' .. fs.read(dir .. 'x') .. '>'", "<>");
    expect("local s = ('0123456789abcdef'):rep(200000)\n"
           "fs.write(dir .. 'x', s) return tostring(fs.read(dir .. 'x') == s)",
           "true");
    expect("return fs.read('/proc/self/stat'):match('^%d+') and 'of no size'", "of no size");
}

static void errors_name_the_path(void **state)
{
    (void)state;
    expect("return say(fs.read(dir .. 'no'))", "nil | no: No such file or directory | ENOENT");
    expect("return say(fs.read(dir))", "nil | : Is a directory | EISDIR");
    expect("return say(fs.write(dir .. 'no/x', ''))",
           "nil | no/x: No such file or directory | ENOENT");
    expect("return say(fs.write('/dev/full', 'x'))",
           "nil | /dev/full: No space left on device | ENOSPC");
    expect("return say(fs.write_atomic(dir .. 'no/x', ''))",
           "nil | no/x: No such file or directory | ENOENT");
    expect("return say(fs.stat(dir .. 'no'))", "nil | no: No such file or directory | ENOENT");
    expect("return say(fs.list(dir .. 'neap.ini'))", "nil | neap.ini: Not a directory | ENOTDIR");
    expect("return say(fs.rename(dir .. 'no', dir .. 'x'))",
           "nil | no: No such file or directory | ENOENT");
    expect("return say(fs.remove(dir .. 'no', { recursive = true }))",
           "nil | no: No such file or directory | ENOENT");
}

static void what_is_too_large(void **state)
{
    (void)state;
    expect("fs.write(dir .. 'x', '12345')\n"
           "return say(fs.read(dir .. 'x', { max = 5 }))",
           "12345");
    expect("fs.write(dir .. 'x', '12345')\n"
           "return say(fs.read(dir .. 'x', { max = 4 }))",
           "nil | x: larger than 4 bytes | EFBIG");
    expect("return say(fs.read('/dev/zero', { max = '1M' }))",
           "nil | /dev/zero: larger than 1048576 bytes | EFBIG");
    expect("neap.exec { 'truncate', '-s', '65M', dir .. 'x' }\n"
           "return say(fs.read(dir .. 'x'))",
           "nil | x: larger than 67108864 bytes | EFBIG");
}

/* Nobody is at the other end. */
static void a_fifo_holds_nobody(void **state)
{
    (void)state;
    expect("neap.exec { 'mkfifo', dir .. 'f' }\n"
           "return say(fs.read(dir .. 'f'), fs.write(dir .. 'f', 'x'))",
           " | nil | f: No such device or address | ENXIO");
}

static void permissions(void **state)
{
    (void)state;
    umask(022);
    expect(
        "fs.write(dir .. 'x', '') fs.write(dir .. 'y', '', { mode = '600' })\n"
        "fs.write(dir .. 'z', '', { mode = '777' })\n"
        "return say(fs.stat(dir .. 'x').mode, fs.stat(dir .. 'y').mode, fs.stat(dir .. 'z').mode)",
        "644 | 600 | 777");
    expect("fs.write_atomic(dir .. 'x', '') fs.write_atomic(dir .. 'y', '', { mode = '0640' })\n"
           "fs.write_atomic(dir .. 'y', 'new')\n"
           "return say(fs.stat(dir .. 'x').mode, fs.stat(dir .. 'y').mode, fs.read(dir .. 'y'))",
           "644 | 640 | new");
}

static void atomic_is_all_or_nothing(void **state)
{
    (void)state;
    expect("fs.mkdir(dir .. 'd') fs.mkdir(dir .. 'd/x')\n"
           "local function names() local t = {}\n"
           "  for i, e in ipairs(fs.list(dir .. 'd')) do t[i] = e.name end return #t end\n"
           "return say(fs.write_atomic(dir .. 'd/x', 'data'), names())",
           "nil | 1");
    expect("fs.write(dir .. 'real', 'old') neap.exec { 'ln', '-s', 'real', dir .. 'link' }\n"
           "fs.write_atomic(dir .. 'link', 'new')\n"
           "return say(fs.read(dir .. 'real'), fs.stat(dir .. 'link').type)",
           "old | file");
    struct executor x;
    executor_init(&x);
    task(&x, "write",
         "for i = 1, 100 do assert(fs.write_atomic(dir .. 'x', (i % 2 .. ''):rep(100000))) end\n"
         "neap.shared('t'):set('done', true)");
    task(&x, "read",
         "local n = 0\n"
         "repeat\n"
         "  local s = fs.read(dir .. 'x')\n"
         "  if s then assert(#s == 100000 and s == s:sub(1, 1):rep(100000)) n = n + 1 end\n"
         "until neap.shared('t'):get('done')\n"
         "return n > 0");
    executor_start(&x, 0);
    char text[64];
    executor_submit(&x, "t.read", NULL);
    executor_submit(&x, "t.write", NULL);
    for (int i = 0; i < 2; i++)
        assert_int_equal(executor_next(&x, text, sizeof text).state, NEAP_COMPLETED);
    executor_close(&x);
}

static void names_and_directories(void **state)
{
    (void)state;
    expect("return say(fs.mkdir(dir .. 'a'), fs.mkdir(dir .. 'a'))",
           "true | nil | a: File exists | EEXIST");
    expect("return say(fs.mkdir(dir .. 'a//b/c/', { parents = true }),\n"
           "  fs.mkdir(dir .. 'a/b/c', { parents = true }), fs.stat(dir .. 'a/b/c').type)",
           "true | true | directory");
    expect("fs.write(dir .. 'f', '')\n"
           "return say(fs.mkdir(dir .. 'f/a/b', { parents = true }))",
           "nil | f: File exists | EEXIST");
    expect("fs.write(dir .. 'a', 'x')\n"
           "return say(fs.rename(dir .. 'a', dir .. 'b'), fs.read(dir .. 'b'),\n"
           "  (fs.stat(dir .. 'a')))",
           "true | x | nil");
    expect("fs.mkdir(dir .. 'd') fs.write(dir .. 'd/f', '12345') fs.mkdir(dir .. 'd/s')\n"
           "neap.exec { 'ln', '-s', '/no/such', dir .. 'd/l' }\n"
           "local t = {}\n"
           "for i, e in ipairs(fs.list(dir .. 'd')) do\n"
           "  assert(math.abs(e.mtime - neap.now()) < 60)\n"
           "  t[i] = say(e.name, e.type, e.type == 'file' and e.size) end\n"
           "table.sort(t) return table.concat(t, ', ')",
           "f | file | 5, l | link | false, s | directory | false");
}

static void removes(void **state)
{
    (void)state;
    expect("fs.mkdir(dir .. 'd') fs.write(dir .. 'd/f', '')\n"
           "return say(fs.remove(dir .. 'd'), fs.remove(dir .. 'd/f'), fs.remove(dir .. 'd'))",
           "nil | true | true");
    expect("fs.mkdir(dir .. 'd') neap.exec { 'ln', '-s', 'd', dir .. 'l' }\n"
           "return say(fs.remove(dir .. 'l'), fs.stat(dir .. 'd').type)",
           "true | directory");
    /* nothing through a link, however it is written */
    expect("fs.mkdir(dir .. 'keep/sub', { parents = true }) fs.write(dir .. 'keep/f', '')\n"
           "fs.mkdir(dir .. 'd/a/b', { parents = true }) fs.write(dir .. 'd/a/f', '')\n"
           "neap.exec { 'ln', '-s', dir .. 'keep', dir .. 'd/a/l' }\n"
           "neap.exec { 'ln', '-s', dir .. 'keep', dir .. 'l' }\n"
           "return say(fs.remove(dir .. 'd/', { recursive = true }), (fs.stat(dir .. 'd')),\n"
           "  fs.remove(dir .. 'l/', { recursive = true }), (fs.stat(dir .. 'l')),\n"
           "  #fs.list(dir .. 'keep'))",
           "true | nil | true | nil | 2");
    expect("fs.write(dir .. 'f', '')\n"
           "return say(fs.remove(dir .. 'f', { recursive = true }), (fs.stat(dir .. 'f')))",
           "true | nil");
    expect("fs.mkdir(dir .. 'a/b', { parents = true })\n"
           "for _, p in ipairs { '/', '///', '.', '..', dir .. 'a/.', dir .. 'a/b/..' } do\n"
           "  local ok, message, code = fs.remove(p, { recursive = true })\n"
           "  assert(not ok and code == 'EINVAL', message)\n"
           "end\n"
           "return fs.stat(dir .. 'a/b').type",
           "directory");
    expect("fs.mkdir(dir .. ('d/'):rep(150), { parents = true })\n"
           "return say(fs.remove(dir .. 'd', { recursive = true }), (fs.stat(dir .. 'd')))",
           "true | nil");
}

static void misuse_raises(void **state)
{
    (void)state;
    expect(
        "local t = {}\n"
        "for _, f in ipairs {\n"
        "  function() fs.read() end, function() fs.read('a\\0b') end,\n"
        "  function() fs.read('x', { maxx = 1 }) end, function() fs.read('x', { max = {} }) end,\n"
        "  function() fs.write('x') end, function() fs.write('x', '', { mode = 644 }) end,\n"
        "  function() fs.write('x', '', { mode = '888' }) end,\n"
        "  function() fs.write('x', '', { append = 1 }) end,\n"
        "  function() fs.mkdir('x', { recursive = true }) end,\n"
        "  function() fs.remove('x', 1) end, function() fs.rename('x') end,\n"
        "} do\n"
        "  local ok, message = pcall(f)\n"
        "  assert(not ok)\n"
        "  t[#t + 1] = message:gsub('^.-:%d+: ', ''):gsub('\"', '')\n"
        "end\n"
        "assert(not fs.stat('x'))\n"
        "return table.concat(t, '; ')",
        "bad argument #1 to 'read' (string expected, got no value); "
        "bad argument #1 to 'read' (a path contains no zero byte); "
        "neap.fs.read: unknown option 'maxx' (did you mean 'max'?); "
        "neap.fs.read: max: a size is a whole number of bytes or text such as 64K, 16M, got "
        "table; "
        "bad argument #2 to 'write' (string expected, got no value); "
        "neap.fs.write: mode is octal digits as a string, such as 644; "
        "neap.fs.write: mode is octal digits as a string, such as 644; "
        "neap.fs.write: append is true or false, got number; "
        "neap.fs.mkdir: unknown option 'recursive'; "
        "neap.fs.remove: options are a table, got number; "
        "bad argument #2 to 'rename' (string expected, got no value)");
}

/* --- waiting ---------------------------------------------------------------------------------- */

/* On one worker: the one looks at the disk until the other has run. */
static void others_run_meanwhile(void **state)
{
    struct executor x;
    char text[64];
    (void)state;
    executor_init(&x);
    task(&x, "look", "while not neap.shared('t'):get('go') do fs.stat(dir) end return 'went'");
    task(&x, "go", "neap.shared('t'):set('go', true)");
    executor_write(&x, "neap.ini", "[pool default]\nworkers = 1\n");
    executor_start(&x, 0);
    executor_submit(&x, "t.look", NULL);
    executor_submit(&x, "t.go", NULL);
    executor_next(&x, text, sizeof text);
    executor_next(&x, text, sizeof text);
    assert_string_equal(text, "\"went\"");
    executor_close(&x);
}

static void where_it_cannot_wait(void **state)
{
    struct executor x;
    (void)state;
    expect("fs.write(dir .. 'x', '')\n"
           "local t = { 3, 1, 2 }\n"
           "table.sort(t, function(a, b) return fs.stat(dir .. 'x') and a < b end)\n"
           "local s = ('x'):gsub('.', function(c) return fs.stat(dir .. c).type end)\n"
           "return say(s, table.unpack(t))",
           "file | 1 | 2 | 3");
    expect("return coroutine.wrap(function() return coroutine.wrap(function()\n"
           "  fs.write(dir .. 'x', 'deep') coroutine.yield() end)() or fs.read(dir .. 'x') end)()",
           "deep");
    executor_init(&x);
    char text[512];
    snprintf(text, sizeof text,
             "local neap = require 'neap'\n"
             "return { run = function() return 'ran' end, teardown = function()\n"
             "  neap.fs.write('%s/torn', 'down') end }",
             x.dir);
    executor_write(&x, "plugins/t/run.lua", text);
    executor_start(&x, 0);
    assert_string_equal(executor_run(&x, "t.run", NULL), "\"ran\"");
    neap_close(x.n);
    x.n = NULL;
    snprintf(text, sizeof text, "%s/torn", x.dir);
    assert_int_equal(access(text, F_OK), 0);
    executor_close(&x);
}

/* --- the end of a job ------------------------------------------------------------------------- */

/* A killed job removes its temporary file in a __close, wherever it waits. */
static void a_killed_job_cleans_up(void **state)
{
    static const char *const waits[] = {
        "neap.sleep(1000)",
        "neap.exec('sleep 1000')",
        "while true do fs.stat(dir) end",
        "coroutine.wrap(function() neap.exec('sleep 1000') end)()",
    };
    (void)state;
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        struct executor x;
        char body[1024], text[256];
        executor_init(&x);
        snprintf(body, sizeof body,
                 "local temp = dir .. 'temp'\n"
                 "local _ <close> = setmetatable({}, { __close = function()\n"
                 "  assert(fs.read(temp) == 'data')\n"
                 "  assert(fs.remove(temp) and fs.write_atomic(dir .. 'closed', ''))\n"
                 "end })\n"
                 "fs.write(temp, 'data')\n"
                 "fs.write(dir .. 'there', '')\n%s",
                 waits[i]);
        task(&x, "run", body);
        executor_start(&x, 0);
        const uint64_t id = executor_submit(&x, "t.run", NULL);
        executor_await(&x, "there");
        assert_int_equal(neap_cancel(x.n, id, NULL), NEAP_OK);
        assert_int_equal(executor_next(&x, text, sizeof text).state, NEAP_CANCELLED);
        executor_await(&x, "closed");
        snprintf(text, sizeof text, "%s/temp", x.dir);
        assert_int_equal(access(text, F_OK), -1);
        executor_close(&x);
    }
}

/* Queued, at work, done but not taken: cancelled anywhere, and at last the executor is closed. */
static void cancelled_anywhere(void **state)
{
    struct executor x;
    uint64_t ids[100];
    char text[256];
    unsigned seed = 1;
    (void)state;
    executor_init(&x);
    task(&x, "run",
         "local d = dir .. 'tree' .. args\n"
         "for i = 1, 3 do\n"
         "  fs.mkdir(d .. '/a/b', { parents = true })\n"
         "  fs.write(d .. '/a/f', ('x'):rep(300000))\n"
         "  assert(#assert(fs.read(d .. '/a/f')) == 300000)\n"
         "  fs.write_atomic(d .. '/a/g', 'x')\n"
         "  assert(fs.list(d .. '/a'))\n"
         "  assert(fs.remove(d, { recursive = true }))\n"
         "end\n"
         "return 'done'");
    executor_write(&x, "neap.ini", "[pool default]\nworkers = 3\nslots = 1000\n");
    executor_start(&x, 0);
    for (int i = 0; i < 100; i++) {
        snprintf(text, sizeof text, "%d", i);
        ids[i] = executor_submit(&x, "t.run", text);
    }
    for (int i = 0; i < 80; i++) {
        neap_cancel(x.n, ids[rand_r(&seed) % 100], NULL);
        if (i % 10 == 0)
            usleep(1000);
    }
    for (int i = 0; i < 90; i++) {
        const struct neap_outcome outcome = executor_next(&x, text, sizeof text);
        assert_true(outcome.state == NEAP_CANCELLED || strcmp(text, "\"done\"") == 0);
    }
    executor_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_writes),      cmocka_unit_test(errors_name_the_path),
        cmocka_unit_test(what_is_too_large),     cmocka_unit_test(a_fifo_holds_nobody),
        cmocka_unit_test(permissions),           cmocka_unit_test(atomic_is_all_or_nothing),
        cmocka_unit_test(names_and_directories), cmocka_unit_test(removes),
        cmocka_unit_test(misuse_raises),         cmocka_unit_test(others_run_meanwhile),
        cmocka_unit_test(where_it_cannot_wait),  cmocka_unit_test(a_killed_job_cleans_up),
        cmocka_unit_test(cancelled_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
