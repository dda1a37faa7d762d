/* Programs whose job is ended by something else: a deadline, its own code, a worker that is lost.
 */
#include "executor.h"
#include "processes.h"

#include <setjmp.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void task(struct executor *x, const char *name, const char *fields, const char *body)
{
    char path[64], text[4096];
    snprintf(path, sizeof path, "plugins/t/%s.lua", name);
    snprintf(text, sizeof text,
             "local neap = require 'neap'\nlocal dir = '%s/'\n"
             "local nap = '" PROCESSES_NAP "'\n"
             "return { %s run = function(args, ctx)\n%s\nend }\n",
             x->dir, (int)getpid(), fields, body);
    executor_write(x, path, text);
}

static void a_deadline(void **state)
{
    static const char *const bodies[] = {
        "neap.exec(nap .. '11 & ' .. nap .. '12')",
        "os.execute(nap .. '11 & ' .. nap .. '12')",
        "while true do pcall(neap.exec, nap .. '11 & ' .. nap .. '12') end",
        "coroutine.wrap(function() while true do pcall(os.execute, nap .. '11') end end)()",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct executor x;
        char text[256];
        executor_init(&x);
        task(&x, "run", "timeout = '200ms',", bodies[i]);
        executor_start(&x, 0);
        executor_submit(&x, "t.run", NULL);
        const struct neap_outcome outcome = executor_next(&x, text, sizeof text);
        assert_int_equal(outcome.state, NEAP_DEAD);
        if (!strstr(text, "0.2"))
            fail_msg("%s", text);
        until_processes('1', 0);
        executor_close(&x);
        no_child_is_left();
    }
}

/* What an async function runs ends with it, and with the job; the job goes on meanwhile. */
static void async_functions(void **state)
{
    struct executor x;
    (void)state;
    executor_init(&x);
    task(&x, "run", "",
         "local both = neap.async(neap.exec, nap .. '21')\n"
         "local slow = neap.async(neap.exec, nap .. '22 & ' .. nap .. '23')\n"
         "local r = neap.exec('echo meanwhile').stdout\n"
         "slow:cancel()\n"
         "local ok = slow:wait()\n"
         "local f = neap.race { function() return neap.exec('echo first').stdout end,\n"
         "                      function() return neap.exec(nap .. '24') end }\n"
         "return { r, ok }");
    executor_write(&x, "neap.ini", "[neap]\nmax_children = 5\n");
    executor_start(&x, 0);
    assert_string_equal(executor_run(&x, "t.run", NULL), "[\"meanwhile\\n\",false]");
    until_processes('2', 0);
    executor_close(&x);
    no_child_is_left();
}

static pid_t first_of(const struct executor *x, int *count)
{
    char path[128], line[32];
    pid_t first = 0;
    *count = 0;
    snprintf(path, sizeof path, "%s/pids", x->dir);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if ((*count)++ == 0)
            first = (pid_t)atoi(line);
    if (file)
        fclose(file);
    return first;
}

/* A worker stuck in C is given up: the program of another job there is killed, and that job runs
 * again elsewhere. */
static void a_lost_worker(void **state)
{
    struct executor x;
    char fifo[128], text[512];
    int count;
    (void)state;
    executor_init(&x);
    snprintf(fifo, sizeof fifo, "%s/fifo", x.dir);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    task(&x, "run", "", "return neap.exec('echo $$ >>' .. dir .. 'pids; ' .. nap .. '31').code");
    task(&x, "stuck", "timeout = '100ms',", "io.open(dir .. 'fifo')");
    task(&x, "echo", "", "return 'echo'");
    executor_write(&x, "neap.ini",
                   "[neap]\ngrace = 100ms\nmax_children = 1\n[pool default]\nworkers = 1\n");
    executor_start(&x, 0);
    const uint64_t id = executor_submit(&x, "t.run", NULL);
    until_processes('3', 2);
    executor_submit(&x, "t.stuck", NULL);
    const struct neap_outcome outcome = executor_next(&x, text, sizeof text);
    assert_int_equal(outcome.state, NEAP_DEAD);
    pid_t first = 0;
    for (int left = 4000; first = first_of(&x, &count), count < 2;)
        executor_pause(&left);
    for (int left = 4000; kill(-first, 0) == 0;)
        executor_pause(&left);
    until_processes('3', 2);                 /* the second ones */
    const int writer = open(fifo, O_WRONLY); /* it comes back: nothing of the new ones is touched */
    assert_true(writer >= 0);
    close(writer);
    assert_string_equal(executor_run(&x, "t.echo", NULL), "\"echo\"");
    until_processes('3', 2);
    neap_cancel(x.n, id, NULL);
    assert_int_equal(executor_next(&x, text, sizeof text).state, NEAP_CANCELLED);
    until_processes('3', 0);
    executor_close(&x);
    no_child_is_left();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deadline),
        cmocka_unit_test(async_functions),
        cmocka_unit_test(a_lost_worker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
