/* neap.exec and os.execute in real jobs: what comes back, what is killed, what is never left over.
 * All of it twice: as the kernel is, and with pidfd_open taken away. */
#include "executor.h"
#include "processes.h"

#include <setjmp.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A task t.NAME whose body is `body`, with `neap`, `args` and `ctx`. */
static void task(struct executor *x, const char *name, const char *body)
{
    char path[64], text[4096];
    snprintf(path, sizeof path, "plugins/t/%s.lua", name);
    snprintf(text, sizeof text,
             "local neap = require 'neap'\nlocal dir = '%s/'\n"
             "local function say(...)\n"
             "  local t = table.pack(...)\n"
             "  for i = 1, t.n do t[i] = tostring(t[i]) end\n"
             "  return table.concat(t, ' | ')\n"
             "end\n"
             "local nap = '" PROCESSES_NAP "'\n"
             "return function(args, ctx)\n%s\nend\n",
             x->dir, (int)getpid(), body);
    executor_write(x, path, text);
}

static void open_with(struct executor *x, const char *body)
{
    executor_init(x);
    task(x, "run", body);
    executor_start(x, 0);
}

static void expect(const char *body, const char *want)
{
    struct executor x;
    open_with(&x, body);
    assert_string_equal(executor_run(&x, "t.run", NULL), want);
    executor_close(&x);
}

static int descriptors(void)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

/* --- what comes back -------------------------------------------------------------------------- */

static void it_tells_what_came_of_it(void **state)
{
    (void)state;
    expect("local r = neap.exec('echo out; echo err >&2; exit 3')\n"
           "return { r.code, r.signal == nil, r.stdout, r.stderr, r.truncated, r.timed_out }",
           "[3,true,\"out\\n\",\"err\\n\",false,false]");
    expect("local r = neap.exec('kill -TERM $$')\n"
           "return { r.signal, r.code == nil, r.stdout }",
           "[15,true,\"\"]");
    expect("local r = neap.exec({ 'sh', '-c', 'echo out; echo err >&2', 'sh', 7 }, "
           "{ stderr = 'stdout' })\n"
           "return { r.stdout, r.stderr }",
           "[\"out\\nerr\\n\",\"\"]");
    expect("return neap.exec({ 'printf', '%s.', 'a b', '', 1, 2.5, '$HOME' }).stdout",
           "\"a b..1.2.5.$HOME.\"");
    expect("local bytes = '\\0\\xff\\r\\n'\n"
           "return neap.exec({ 'cat' }, { stdin = bytes }).stdout == bytes",
           "true");
}

static void it_cannot_start(void **state)
{
    (void)state;
    expect("return say(neap.exec { 'no-such-program' })",
           "\"nil | no-such-program: No such file or directory | ENOENT\"");
    expect("return say(neap.exec { '' })", "\"nil | : No such file or directory | ENOENT\"");
    expect("return say(neap.exec { '/etc/passwd' })",
           "\"nil | /etc/passwd: Permission denied | EACCES\"");
    expect("local f = io.open(dir .. 'prog', 'w') f:write('echo') f:close()\n"
           "neap.exec { 'chmod', '+x', dir .. 'prog' }\n"
           "return select(3, neap.exec { dir .. 'prog' })",
           "\"ENOEXEC\"");
    expect("return say(neap.exec({ 'true' }, { cwd = '/no/such' }))",
           "\"nil | /no/such: No such file or directory | ENOENT\"");
    expect("return say(neap.exec({ 'true' }, { cwd = '/etc/passwd' }))",
           "\"nil | /etc/passwd: Not a directory | ENOTDIR\"");
    expect("return select(3, neap.exec { 'true', ('x'):rep(4000000) })", "\"E2BIG\"");
    expect("return say(neap.exec { 'true', ('x'):rep(5000000) })",
           "\"nil | Argument list too long | E2BIG\"");
    expect("return say(os.execute(('x'):rep(5000000)))", "\"nil | Argument list too long | 7\"");
}

static void misuse_raises(void **state)
{
    static const char *const wrong[][2] = {
        {"()", "neap.exec: a list of arguments or a command as a string, got nil"},
        {"(1)", "neap.exec: a list of arguments or a command as a string, got number"},
        {"{}", "neap.exec: the list of arguments is empty"},
        {"{ 'a', {} }", "neap.exec: argument 2 is table, not a string or number"},
        {"{ 'a', cwd = '/' }", "neap.exec: unknown key 'cwd' in the list of arguments (options are "
                               "the second argument)"},
        {"{ 'a\\0b' }", "neap.exec: an argument contains a zero byte"},
        {"('a\\0b')", "neap.exec: the command contains a zero byte"},
        {"('a', 1)", "neap.exec: options are a table, got number"},
        {"('a', { 1 })", "neap.exec: the keys of options are names"},
        {"('a', { timout = 1 })", "neap.exec: unknown option 'timout' (did you mean 'timeout'?)"},
        {"('a', { stdin = {} })", "neap.exec: stdin is a string, got table"},
        {"('a', { cwd = '' })", "neap.exec: cwd is the path of a directory"},
        {"('a', { stderr = 'x' })",
         "neap.exec: stderr is \"stdout\", where it then goes, or not given"},
        {"('a', { clear_env = 1 })", "neap.exec: clear_env is true or false, got number"},
        {"('a', { env = 1 })", "neap.exec: env is a table, got number"},
        {"('a', { env = { 'x' } })", "neap.exec: the keys of env are names of variables"},
        {"('a', { env = { ['x=y'] = 1 } })", "neap.exec: the keys of env are names of variables"},
        {"('a', { env = { X = true } })", "neap.exec: env.X is a string, a number, or false to "
                                          "take it away, got boolean"},
        {"('a', { max_output = '2G' })", "neap.exec: max_output is at most 256M"},
    };
    struct executor x;
    char body[512];
    (void)state;
    executor_init(&x);
    task(&x, "run",
         "local f = assert(load('local neap = ... neap.exec' .. args))\n"
         "local ok, message = pcall(f, neap)\n"
         "return ok or (message:gsub('^.-:%d+: ', ''))");
    executor_start(&x, 0);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char *json = NULL, *want = NULL;
        size_t len;
        FILE *f = open_memstream(&json, &len);
        fputc('"', f);
        for (const char *at = wrong[i][0]; *at; at++)
            fprintf(f, *at == '"' || *at == '\\' ? "\\%c" : "%c", *at);
        fputc('"', f);
        fclose(f);
        f = open_memstream(&want, &len);
        fputc('"', f);
        for (const char *at = wrong[i][1]; *at; at++)
            fprintf(f, *at == '"' ? "\\%c" : "%c", *at);
        fputc('"', f);
        fclose(f);
        snprintf(body, sizeof body, "%s", executor_run(&x, "t.run", json));
        assert_string_equal(body, want);
        free(json);
        free(want);
    }
    executor_close(&x);
}

static void environment_and_directory(void **state)
{
    (void)state;
    setenv("NEAP_TEST_A", "host", 1);
    setenv("NEAP_TEST_B", "host", 1);
    expect("return neap.exec('echo $NEAP_TEST_A $NEAP_TEST_B $NEAP_TEST_C', "
           "{ env = { NEAP_TEST_A = false, NEAP_TEST_C = 5 } }).stdout",
           "\"host 5\\n\"");
    expect("return neap.exec({ '/usr/bin/env' }, { env = { X = 'a=b' }, clear_env = true }).stdout",
           "\"X=a=b\\n\"");
    expect("return neap.exec({ 'pwd' }, { cwd = '/usr/bin' }).stdout", "\"/usr/bin\\n\"");
    /* the PATH that the program sees is where it is looked for */
    expect("local f = io.open(dir .. 'mine', 'w') f:write('#!/bin/sh\\necho mine') f:close()\n"
           "neap.exec { 'chmod', '+x', dir .. 'mine' }\n"
           "return neap.exec({ 'mine' }, { env = { PATH = '/no/such::' .. dir } }).stdout",
           "\"mine\\n\"");
    unsetenv("NEAP_TEST_A");
    unsetenv("NEAP_TEST_B");
}

static void input_of_any_size(void **state)
{
    (void)state;
    expect("return neap.exec({ 'cat' }).stdout", "\"\"");
    expect("return neap.exec({ 'wc', '-c' }, { stdin = ('x'):rep(10 << 20) }).stdout",
           "\"10485760\\n\"");
    expect("return neap.exec('exec <&-; sleep 0.05; echo ok', { stdin = ('x'):rep(10 << 20) })"
           ".stdout",
           "\"ok\\n\"");
    expect("return neap.exec({ 'true' }, { stdin = ('x'):rep(10 << 20) }).code", "0");
    expect("local s = ('0123456789'):rep(100000)\n"
           "return neap.exec({ 'cat' }, { stdin = s, max_output = '2M' }).stdout == s",
           "true");
}

static void output_is_cut_and_the_program_goes_on(void **state)
{
    (void)state;
    expect("local r = neap.exec('head -c 20000000 /dev/zero; echo end >&2; exit 4', "
           "{ max_output = 1000 })\n"
           "return { #r.stdout, r.stderr, r.truncated, r.code }",
           "[1000,\"end\\n\",true,4]");
    expect("local r = neap.exec('head -c 1048577 /dev/zero')\n"
           "return { #r.stdout, r.truncated }",
           "[1048576,true]");
    expect("local r = neap.exec('head -c 1048576 /dev/zero >&2')\n"
           "return { #r.stderr, r.truncated }",
           "[1048576,false]");
    expect("local r = neap.exec('echo x', { max_output = 0 })\n"
           "return { r.stdout, r.truncated }",
           "[\"\",true]");
    /* closed early, both */
    expect("local r = neap.exec('echo a; exec >&- 2>&-; sleep 0.1; exit 5')\n"
           "return { r.stdout, r.code }",
           "[\"a\\n\",5]");
}

static void works_in_coroutines(void **state)
{
    (void)state;
    expect("local function echo(i)\n"
           "  coroutine.yield('first ' .. i)\n"
           "  return neap.exec({ 'echo', i }).stdout\n"
           "end\n"
           "local out = {}\n"
           "for i = 1, 3 do\n"
           "  local co = coroutine.wrap(function() return coroutine.wrap(function()\n"
           "    return select(2, pcall(neap.exec, { 'echo', i })).stdout end)() end)\n"
           "  out[i] = co()\n"
           "end\n"
           "return out",
           "[\"1\\n\",\"2\\n\",\"3\\n\"]");
    expect("local ok, message = pcall(table.sort, { 2, 1 }, function() neap.exec('true') end)\n"
           "return message:match('neap.exec cannot wait here')",
           "\"neap.exec cannot wait here\"");
}

static void execute_is_the_stock_one(void **state)
{
    struct executor x;
    (void)state;
    expect("return { os.execute() }", "[true]");
    expect("return { os.execute('exit 0') }", "[true,\"exit\",0]");
    expect("return say(os.execute('exit 9'))", "\"nil | exit | 9\"");
    expect("return say(os.execute('kill -KILL $$'))", "\"nil | signal | 9\"");
    expect("local ok, m = pcall(io.popen, 'true') return m:match('neap.exec runs programs')",
           "\"neap.exec runs programs\"");
    open_with(&x, "print 'before' return (os.execute('echo from; echo the program >&2; cat'))");
    assert_string_equal(executor_run(&x, "t.run", NULL), "true");
    assert_true(executor_printed(&x, "before\nfrom\nthe program\n"));
    executor_close(&x);
}

/* --- what is killed --------------------------------------------------------------------------- */

static void a_timeout_kills_the_group(void **state)
{
    (void)state;
    expect("local began = neap.now()\n"
           "local r = neap.exec('echo some; ' .. nap .. '11 & ' .. nap .. '12', { timeout = "
           "'100ms' })\n"
           "return { r.timed_out, r.signal, r.code == nil, r.stdout, neap.now() - began < 5 }",
           "[true,9,true,\"some\\n\",true]");
    until_processes('1', 0);
    expect("return neap.exec('true', { timeout = 0 }).timed_out", "false");
}

/* What a program leaves behind in its group goes with it; it has a moment to write what it has. */
static void what_stays_behind_is_killed(void **state)
{
    (void)state;
    expect("local began = neap.now()\n"
           "local r = neap.exec(nap .. '21 & (sleep 0.02; echo late) & echo now')\n"
           "return { r.code, r.stdout, neap.now() - began < 5 }",
           "[0,\"now\\nlate\\n\",true]");
    until_processes('2', 0);
    expect("return neap.exec(nap .. '31 >&- 2>&- & exit 6').code", "6");
    until_processes('3', 0);
}

static void a_cancelled_job_leaves_no_process(void **state)
{
    struct executor x;
    char text[256];
    (void)state;
    executor_init(&x);
    task(&x, "run",
         "local temp <close> = setmetatable({}, { __close = function()\n"
         "  local r, why = neap.exec('true')\n"
         "  neap.fs.write(dir .. 'closed', tostring(r) .. ' ' .. tostring(why))\n"
         "end })\n"
         "neap.exec(nap .. '41 & (' .. nap .. '42 & ' .. nap .. '43); ' .. nap .. '44')");
    executor_start(&x, 0);
    const uint64_t id = executor_submit(&x, "t.run", NULL);
    until_processes('4', 4);
    assert_int_equal(neap_cancel(x.n, id, NULL), NEAP_OK);
    assert_int_equal(executor_next(&x, text, sizeof text).state, NEAP_CANCELLED);
    until_processes('4', 0);
    executor_await(&x, "closed");
    for (int left = 4000; waitid(P_ALL, 0, &(siginfo_t){0}, WEXITED | WNOHANG | WNOWAIT) == 0;)
        executor_pause(&left); /* the loop reaps it */
    executor_close(&x);
    no_child_is_left();
}

/* Those that wait for a place, those that have just got one, those that run: cancelled anywhere. */
static void cancelled_anywhere(void **state)
{
    struct executor x;
    uint64_t ids[200];
    char text[256];
    unsigned seed = 1;
    (void)state;
    executor_init(&x);
    task(&x, "run",
         "return neap.exec { 'sh', '-c', 'sleep 0.00' .. args, 'mark' .. nap .. '5' }.code");
    executor_write(&x, "neap.ini",
                   "[neap]\nmax_children = 2\n[pool default]\nworkers = 3\nslots = 1000\n");
    executor_write_blocker(&x);
    executor_start(&x, 0);
    executor_rouse(&x, 3);
    int before = 0;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 200; i++)
            ids[i] = executor_submit(&x, "t.run", "\"5\"");
        for (int i = 0; i < 150; i++) {
            neap_cancel(x.n, ids[rand_r(&seed) % 200], NULL);
            if (i % 10 == 0)
                usleep(2000);
        }
        for (int i = 0; i < 200; i++) {
            const struct neap_outcome outcome = executor_next(&x, text, sizeof text);
            assert_true(outcome.state == NEAP_CANCELLED || strcmp(text, "0") == 0);
        }
        until_processes('5', 0);
        if (round == 0) /* by now every worker has opened its loop */
            before = descriptors();
    }
    assert_string_equal(executor_run(&x, "t.run", "\"0\""), "0"); /* all places are free again */
    for (int left = 4000; descriptors() > before + 1;)
        executor_pause(&left);
    executor_close(&x);
    no_child_is_left();
}

static void closing_leaves_nothing(void **state)
{
    struct executor x;
    (void)state;
    executor_init(&x);
    task(&x, "run", "neap.exec(nap .. '61 & ' .. nap .. '62')");
    executor_write(&x, "neap.ini",
                   "[neap]\nmax_children = 4\n[pool default]\nworkers = 2\nslots = 100\n");
    executor_start(&x, 0);
    for (int i = 0; i < 20; i++)
        executor_submit(&x, "t.run", NULL);
    until_processes('6', 12); /* 4 shells and their 8 */
    executor_close(&x);
    no_child_is_left();
    until_processes('6', 0);
}

/* --- how many --------------------------------------------------------------------------------- */

static void never_more_than_allowed(void **state)
{
    struct executor x;
    char body[1024], text[64];
    int most = 0;
    (void)state;
    executor_init(&x);
    snprintf(body, sizeof body,
             "local r = neap.exec([[cd %s/now; : >$$; ls | wc -l; sleep 0.01; rm $$]])\n"
             "return tonumber(r.stdout)",
             x.dir);
    task(&x, "run", body);
    executor_write(&x, "now/.keep", "");
    executor_write(&x, "neap.ini",
                   "[neap]\nmax_children = 3\n[pool default]\nworkers = 2\nslots = 1000\n");
    executor_start(&x, 0);
    for (int i = 0; i < 150; i++)
        executor_submit(&x, "t.run", NULL);
    for (int i = 0; i < 150; i++) {
        assert_int_equal(executor_next(&x, text, sizeof text).state, NEAP_COMPLETED);
        assert_in_range(atoi(text), 1, 3);
        if (atoi(text) > most)
            most = atoi(text);
    }
    assert_int_equal(most, 3);
    executor_close(&x);
}

static void nothing_leaks(void **state)
{
    struct executor x;
    (void)state;
    executor_init(&x);
    executor_write(&x, "neap.ini", "[pool default]\nworkers = 1\n");
    task(&x, "run",
         "for _ = 1, 20 do\n"
         "  neap.exec('echo x; echo y >&2', { stdin = 'z' })\n"
         "  neap.exec { 'no-such-program' }\n"
         "  neap.exec({ 'true' }, { cwd = '/no/such' })\n"
         "  neap.exec('sleep 100 &', { timeout = '1ms' })\n"
         "  os.execute('exit 1')\n"
         "end");
    executor_start(&x, 0);
    executor_run(&x, "t.run", NULL);
    const int before = descriptors();
    executor_run(&x, "t.run", NULL);
    for (int left = 4000; descriptors() > before;)
        executor_pause(&left);
    no_child_is_left();
    executor_close(&x);
}

/* --- the host's own --------------------------------------------------------------------------- */

static void on_signal(int number)
{
    (void)number;
}

static void signals_and_descriptors_stay_the_hosts(void **state)
{
    struct executor x;
    struct sigaction own = {.sa_handler = on_signal}, old[65], now;
    sigset_t blocked, before;
    (void)state;
    for (int i = 1; i < 65; i++)
        sigaction(i, NULL, &old[i]);
    sigaction(SIGCHLD, &own, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    const int open_fd = open("/dev/null", O_RDONLY); /* without close-on-exec */
    /* 32 and 33 are the C library's own, and so is what it does with them */
    open_with(&x, "local r = neap.exec([[sed -n -e '/^Sig[BIC][lgg]/s/\\t0*[18]*0*$//p' "
                  "/proc/self/status; ls /proc/self/fd]]).stdout:gsub('\\n', ' ')\n"
                  "local ids = neap.exec([[ps -o pid=,pgid=,sess= -p $$]]).stdout\n"
                  "local pid, group, session = ids:match('(%d+)%s+(%d+)%s+(%d+)')\n"
                  "return { r, pid == group, pid == session }");
    assert_string_equal(executor_run(&x, "t.run", NULL),
                        "[\"SigBlk: SigIgn: SigCgt: 0 1 2 3 \",true,false]");
    sigaction(SIGCHLD, NULL, &now);
    assert_ptr_equal(now.sa_handler, on_signal);
    executor_close(&x);
    close(open_fd);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    for (int i = 1; i < 65; i++)
        sigaction(i, &old[i], NULL);
}

/* A host that ignores SIGCHLD: the kernel reaps our children, and nobody knows what came of them.
 */
static void a_host_that_ignores_its_children(void **state)
{
    (void)state;
    struct executor x;
    open_with(&x, "local r = neap.exec('echo out; exit 3')\n"
                  "return { r.stdout, r.code == nil, r.signal == nil }");
    signal(SIGCHLD, SIG_IGN);
    assert_string_equal(executor_run(&x, "t.run", NULL), "[\"out\\n\",true,true]");
    signal(SIGCHLD, SIG_DFL);
    executor_close(&x);
}

/* --- both ways -------------------------------------------------------------------------------- */

static int without_pidfd(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_tells_what_came_of_it),
        cmocka_unit_test(it_cannot_start),
        cmocka_unit_test(misuse_raises),
        cmocka_unit_test(environment_and_directory),
        cmocka_unit_test(input_of_any_size),
        cmocka_unit_test(output_is_cut_and_the_program_goes_on),
        cmocka_unit_test(works_in_coroutines),
        cmocka_unit_test(execute_is_the_stock_one),
        cmocka_unit_test(a_timeout_kills_the_group),
        cmocka_unit_test(what_stays_behind_is_killed),
        cmocka_unit_test(a_cancelled_job_leaves_no_process),
        cmocka_unit_test(cancelled_anywhere),
        cmocka_unit_test(closing_leaves_nothing),
        cmocka_unit_test(never_more_than_allowed),
        cmocka_unit_test(nothing_leaks),
        cmocka_unit_test(signals_and_descriptors_stay_the_hosts),
        cmocka_unit_test(a_host_that_ignores_its_children),
    };
    const struct CMUnitTest again[] = {
        cmocka_unit_test(it_tells_what_came_of_it),
        cmocka_unit_test(output_is_cut_and_the_program_goes_on),
        cmocka_unit_test(a_timeout_kills_the_group),
        cmocka_unit_test(what_stays_behind_is_killed),
        cmocka_unit_test(a_cancelled_job_leaves_no_process),
        cmocka_unit_test(cancelled_anywhere),
        cmocka_unit_test(closing_leaves_nothing),
        cmocka_unit_test(nothing_leaks),
    };
    const int failed = cmocka_run_group_tests_name("exec", tests, NULL, NULL);
    if (without_pidfd())
        return failed;
    return failed + cmocka_run_group_tests_name("exec without pidfd", again, NULL, NULL);
}
