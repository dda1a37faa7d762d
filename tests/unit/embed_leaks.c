/* Executors that come and go leave nothing behind: no descriptor, no thread, no memory. */
#include "../support/executor.h"

#include <setjmp.h>

#include <cmocka.h>

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1 /* what they keep in memory grows; ASan looks for leaks itself */
#else
#define SANITIZED 0
#endif

static size_t entries(const char *path)
{
    size_t count = 0;
    DIR *dir = opendir(path);
    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static size_t descriptors(void)
{
    return entries("/proc/self/fd");
}

static size_t tasks(void)
{
    return entries("/proc/self/task");
}

/* The kernel counts a joined thread for a moment longer. */
static void await_tasks(size_t count)
{
    for (int i = 0; i < 4000 && tasks() > count; i++)
        usleep(5000);
    assert_int_equal(tasks(), count);
}

static long resident_kb(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*s %ld", &pages), 1);
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

struct shop { /* what the cycles open */
    struct executor x;
    char plugins[128], file[128];
    const char *dirs[1];
};

static void shop_init(struct shop *shop)
{
    executor_init(&shop->x);
    executor_write(&shop->x, "plugins/t/echo.lua", "return function(a) return a end");
    executor_write(&shop->x, "plugins/t/nap.lua",
                   "return function() require('neap').sleep('1h') end");
    executor_write(&shop->x, "plugins/t/fail.lua", "return function() error('no') end");
    executor_write(&shop->x, "plugins/t/tree.lua",
                   "return function(n, ctx) local neap = require 'neap'\n"
                   "  if n > 0 then for i = 1, 3 do neap.submit('t.tree', n - 1) end end\n"
                   "  neap.shared('s'):set(ctx.id, n) return neap.submit('t.nap', nil, { delay = "
                   "'1h' }).id end");
    executor_write(&shop->x, "plugins/bad/bad.lua", "return {");
    executor_write(&shop->x, "neap.ini",
                   "[pool default]\nworkers = 2\n[queue small]\ncapacity = 1\nwhen_full = reject\n"
                   "[schedule tick]\ntask = t.echo\nevery = 1h\n");
    snprintf(shop->plugins, sizeof shop->plugins, "%s/plugins", shop->x.dir);
    snprintf(shop->file, sizeof shop->file, "%s/neap.ini", shop->x.dir);
    shop->dirs[0] = shop->plugins;
}

static struct neap_options options_of(const struct shop *shop, unsigned flags)
{
    return (struct neap_options){
        .size = sizeof(struct neap_options),
        .flags = flags,
        .config_file = shop->file,
        .plugins = shop->dirs,
        .n_plugins = 1,
    };
}

static void submit(neap *n, const char *task, const char *args, const char *queue, int64_t delay_ms)
{
    struct neap_error err;
    const struct neap_request request = {
        .task = task, .args = args, .queue = queue, .delay_ms = delay_ms, .flags = NEAP_DELIVER};
    const int rc = neap_submit(n, &request, NULL, &err);
    if (rc != NEAP_OK && rc != NEAP_EFULL)
        fail_msg("%s: %s", task, err.message);
}

/* Jobs in every state, one outcome fetched and not the others. */
static void work(neap *n)
{
    struct neap_outcome out;
    submit(n, "t.echo", "[1,\"two\",{\"three\":3}]", NULL, 0);
    assert_int_equal(neap_next(n, &out, 20000), NEAP_OK);
    assert_int_equal(out.state, NEAP_COMPLETED);
    neap_outcome_free(&out);
    submit(n, "t.nap", NULL, NULL, 0);
    submit(n, "t.fail", NULL, NULL, 0);
    submit(n, "t.tree", "2", NULL, 0);
    submit(n, "t.echo", "1", NULL, 3600000);
    for (int i = 0; i < 3; i++)
        submit(n, "t.nap", NULL, "small", 0);
}

enum { ENDINGS = 5 };

static void cycle(const struct shop *shop, int ending)
{
    struct neap_error err;
    neap *n;
    struct neap_options options = options_of(shop, ending == 4 ? NEAP_SERVICE | NEAP_MEMORY : 0);
    if (ending == 0) {
        options.config_file = "/no/such.ini";
        assert_int_equal(neap_open(&n, &options, &err), NEAP_ECONFIG);
        return;
    }
    assert_int_equal(neap_open(&n, &options, &err), NEAP_OK);
    if (ending > 1) {
        assert_int_equal(neap_start(n, &err), NEAP_OK);
        work(n);
    }
    if (ending == 3)
        neap_drain(n, 10, &err);
    neap_close(n);
}

static void cycles_leave_nothing(void **state)
{
    enum { CYCLES = 200, GROWTH_KB = 4096 };
    struct shop shop;
    long warm_kb = 0;
    (void)state;
    shop_init(&shop);
    for (int i = 0; i < ENDINGS; i++)
        cycle(&shop, i); /* libuv and others open what they keep for the process */
    const size_t fds = descriptors(), threads = tasks();
    for (int i = 0; i < CYCLES; i++) {
        cycle(&shop, i % ENDINGS);
        if (i == CYCLES / 2)
            warm_kb = resident_kb();
    }
    assert_int_equal(descriptors(), fds);
    await_tasks(threads);
    const long grown_kb = resident_kb() - warm_kb;
    print_message("%d cycles: %ld kB more after the last %d\n", CYCLES, grown_kb, CYCLES / 2);
    if (!SANITIZED)
        assert_true(grown_kb < GROWTH_KB);
    executor_close(&shop.x);
}

static void *cycle_on_a_thread(void *arg)
{
    for (int i = 0; i < 2 * ENDINGS; i++)
        cycle(arg, 1 + i % (ENDINGS - 1));
    return NULL;
}

static void cycles_at_once_leave_nothing(void **state)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    struct shop shop;
    (void)state;
    shop_init(&shop);
    cycle(&shop, 4);
    const size_t fds = descriptors();
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, cycle_on_a_thread, &shop), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(descriptors(), fds);
    executor_close(&shop.x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cycles_leave_nothing),
        cmocka_unit_test(cycles_at_once_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
