/* Workers come with their first job: threads that nobody needs are not started, and one that cannot
 * be started is told of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "executor.h"

#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

enum { ENGINE_AND_MONITOR = 2, WORKERS = 4 };

static int threads(void)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/task");
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));)
        count += e->d_name[0] != '.';
    closedir(dir);
    return count;
}

static void open_with(struct executor *x, const char *ini)
{
    executor_init(x);
    executor_write_blocker(x);
    executor_write(x, "plugins/t/run.lua", "return function(n) return n end");
    executor_write(x, "neap.ini", ini);
}

static void threads_come_with_jobs(void **state)
{
    struct executor x;
    const int before = threads();
    (void)state;
    open_with(&x, "[pool default]\nworkers = 4\n");
    executor_start(&x, 0);
    const int idle = threads();
    assert_true(SANITIZED || idle == before + ENGINE_AND_MONITOR);
    assert_string_equal(executor_run(&x, "t.run", "1"), "1");
    assert_int_equal(threads(), idle + 1);
    executor_rouse(&x, WORKERS);
    assert_int_equal(threads(), idle + WORKERS);
    executor_close(&x);
}

static void one_reloads_and_closes_without_any(void **state)
{
    struct executor x;
    struct neap_error err = {0};
    (void)state;
    open_with(&x, "[pool default]\nworkers = 4\n");
    executor_start(&x, 0);
    executor_write(&x, "plugins/t/run.lua", "return function(n) return n + 1 end");
    assert_int_equal(neap_reload(x.n, &err), NEAP_OK);
    executor_write(&x, "neap.ini", "[pool default]\nworkers = 2\n");
    assert_int_equal(neap_reload(x.n, &err), NEAP_OK);
    assert_string_equal(executor_run(&x, "t.run", "1"), "2"); /* by the newest catalogue */
    executor_rouse(&x, 2);
    executor_write(&x, "neap.ini", "[pool default]\nworkers = 3\n");
    assert_int_equal(neap_reload(x.n, &err), NEAP_OK);
    assert_int_equal(neap_drain(x.n, 1000, &err), NEAP_OK);
    executor_close(&x);
}

static atomic_int fatal;

static void on_fatal(void *user, const char *text)
{
    (void)user;
    fatal += strstr(text, "pool default: cannot start a worker thread") != NULL;
}

/* No room for a stack. */
static void one_that_cannot_start_is_told_of(void **state)
{
    struct executor x;
    struct rlimit old, tight;
    struct neap_error err = {0};
    unsigned long pages = 0;
    int left = 4000;
    (void)state;
    if (SANITIZED)
        skip();
    open_with(&x, "[pool default]\nworkers = 2\n");
    snprintf(x.ini, sizeof x.ini, "%s/neap.ini", x.dir);
    const struct neap_options options = {
        .size = sizeof options, .config_file = x.ini, .on_fatal = on_fatal};
    assert_int_equal(neap_open(&x.n, &options, &err), NEAP_OK);
    assert_int_equal(neap_start(x.n, &err), NEAP_OK);
    FILE *statm = fopen("/proc/self/statm", "r");
    assert_int_equal(fscanf(statm, "%lu", &pages), 1);
    fclose(statm);
    getrlimit(RLIMIT_AS, &old);
    tight = old;
    tight.rlim_cur = pages * 4096 + 4 * 1024 * 1024;
    assert_int_equal(setrlimit(RLIMIT_AS, &tight), 0);
    executor_submit(&x, "t.run", "1");
    while (!fatal)
        executor_pause(&left);
    setrlimit(RLIMIT_AS, &old);
    executor_write(&x, "neap.ini", "[pool default]\nworkers = 2\n#\n");
    assert_int_equal(neap_reload(x.n, &err), NEAP_OK); /* makes new ones */
    assert_int_equal(neap_wait_idle(x.n, 20000), NEAP_OK);
    assert_int_equal(fatal, 1);
    executor_close(&x);
}

/* A worker opens its loop for the first call that needs one. */
static void without_a_descriptor_that_call_fails(void **state)
{
    struct executor x;
    struct rlimit old, none;
    (void)state;
    open_with(&x, "[pool default]\nworkers = 1\n");
    executor_write(&x, "plugins/t/read.lua",
                   "return function(path)\n"
                   "  local ok, e = pcall(require('neap').fs.read, path)\n"
                   "  return ok and 'read' or e\n"
                   "end\n");
    executor_start(&x, 0);
    assert_string_equal(executor_run(&x, "t.run", "1"), "1");
    getrlimit(RLIMIT_NOFILE, &old);
    none = old;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_non_null(strstr(executor_run(&x, "t.read", "\"/dev/null\""), "no descriptor is left"));
    assert_string_equal(executor_run(&x, "t.run", "2"), "2");
    setrlimit(RLIMIT_NOFILE, &old);
    assert_string_equal(executor_run(&x, "t.read", "\"/dev/null\""), "\"read\"");
    executor_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_cannot_start_is_told_of), /* first: libc keeps stacks */
        cmocka_unit_test(threads_come_with_jobs),
        cmocka_unit_test(without_a_descriptor_that_call_fails),
        cmocka_unit_test(one_reloads_and_closes_without_any),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
