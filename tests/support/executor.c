#include "executor.h"

#include <setjmp.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the texts of all executors */

static void append(char *to, size_t size, const char *text, size_t len)
{
    pthread_mutex_lock(&lock);
    const size_t have = strlen(to);
    if (have + len + 2 < size) {
        memcpy(to + have, text, len);
        strcpy(to + have + len, "\n");
    }
    pthread_mutex_unlock(&lock);
}

static void on_log(void *user, const struct neap_log_record *record)
{
    struct executor *x = user;
    if (record->printed)
        append(x->printed, sizeof x->printed, record->text, record->text_len);
}

static void on_problem(void *user, const char *text)
{
    struct executor *x = user;
    append(x->problems, sizeof x->problems, text, strlen(text));
}

void executor_init(struct executor *x)
{
    memset(x, 0, sizeof *x);
    strcpy(x->dir, "/tmp/neap-test-XXXXXX");
    assert_non_null(mkdtemp(x->dir));
    char path[128];
    snprintf(path, sizeof path, "%s/plugins", x->dir);
    assert_int_equal(mkdir(path, 0777), 0);
}

void executor_write(struct executor *x, const char *path, const char *text)
{
    char full[256];
    snprintf(full, sizeof full, "%s/%s", x->dir, path);
    for (char *slash = full + strlen(x->dir) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = 0;
        mkdir(full, 0777);
    }
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static int names_store(const char *ini)
{
    char text[4096];
    FILE *file = fopen(ini, "r");
    assert_non_null(file);
    const size_t len = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[len] = 0;
    return strstr(text, "[store]") != NULL;
}

void executor_start(struct executor *x, unsigned flags)
{
    struct neap_error err = {0};
    snprintf(x->ini, sizeof x->ini, "%s/neap.ini", x->dir);
    if (access(x->ini, F_OK))
        executor_write(x, "neap.ini", "");
    /* NEAP_TEST_WINDOW=N: all in a file, with so few jobs in memory. Under asan that finds who
     * keeps a pointer to a job over a commit. */
    const char *window = getenv("NEAP_TEST_WINDOW");
    char store[128], size[64]; /* the default is in the current directory, which tests share */
    const char *settings[] = {store, size};
    snprintf(store, sizeof store, "[store] url=sqlite:%s/neap.db", x->dir);
    snprintf(size, sizeof size, "[store] window=%s", window ? window : "");
    const bool named = names_store(x->ini);
    const struct neap_options options = {
        .size = sizeof options,
        .flags = flags,
        .settings = settings,
        .n_settings = named    ? 0
                      : window ? 2
                               : flags == NEAP_SERVICE,
        .config_file = x->ini,
        .user = x,
        .on_log = on_log,
        .on_problem = on_problem,
    };
    if (neap_open(&x->n, &options, &err) || neap_start(x->n, &err))
        fail_msg("%s\n%s", err.message, x->problems);
}

void executor_reload(struct executor *x, const char *ini)
{
    struct neap_error err;
    executor_write(x, "neap.ini", ini);
    if (neap_reload(x->n, &err))
        fail_msg("%s\n%s", err.message, x->problems);
}

void executor_close(struct executor *x)
{
    char command[128];
    neap_close(x->n);
    snprintf(command, sizeof command, "rm -rf %s", x->dir);
    assert_int_equal(system(command), 0);
}

int executor_printed(struct executor *x, const char *text)
{
    pthread_mutex_lock(&lock);
    const int found = strstr(x->printed, text) != NULL;
    pthread_mutex_unlock(&lock);
    return found;
}

void executor_await_printed(struct executor *x, const char *text)
{
    for (int left = 4000; !executor_printed(x, text); executor_pause(&left))
        ;
}

void executor_await(struct executor *x, const char *name)
{
    char path[256];
    int left = 4000;
    snprintf(path, sizeof path, "%s/%s", x->dir, name);
    while (access(path, F_OK))
        executor_pause(&left);
}

void executor_write_blocker(struct executor *x)
{
    char text[1024];
    snprintf(text, sizeof text,
             "return function(args)\n"
             "  args = args or {}\n"
             "  io.open('%s/' .. (args.tell or 'blocked'), 'w'):close()\n"
             "  repeat local f = io.open('%s/' .. (args.go or 'go')) until f\n"
             "  return 'free'\n"
             "end\n",
             x->dir, x->dir);
    executor_write(x, "plugins/t/block.lua", text);
}

void executor_rouse(struct executor *x, int workers)
{
    char text[64];
    for (int i = 0; i < workers; i++) {
        snprintf(text, sizeof text, "{\"tell\": \"rouse%d\", \"go\": \"roused\"}", i);
        executor_submit(x, "t.block", text);
    }
    for (int i = 0; i < workers; i++) {
        snprintf(text, sizeof text, "rouse%d", i);
        executor_await(x, text);
    }
    executor_write(x, "roused", "");
    for (int i = 0; i < workers; i++)
        executor_next(x, text, sizeof text);
}

int64_t executor_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void executor_pause(int *left)
{
    if (--*left < 0)
        fail_msg("it did not come within 20 s");
    usleep(5000);
}

uint64_t executor_request(struct executor *x, struct neap_request request)
{
    uint64_t id = 0;
    struct neap_error err = {0};
    request.flags |= NEAP_DELIVER;
    if (neap_submit(x->n, &request, &id, &err))
        fail_msg("%s", err.message);
    return id;
}

uint64_t executor_submit(struct executor *x, const char *task, const char *json)
{
    uint64_t id = 0;
    struct neap_error err;
    const struct neap_request request = {.task = task, .args = json, .flags = NEAP_DELIVER};
    if (neap_submit(x->n, &request, &id, &err))
        fail_msg("%s", err.message);
    return id;
}

struct neap_outcome executor_next(struct executor *x, char *out, size_t size)
{
    struct neap_outcome outcome;
    if (neap_next(x->n, &outcome, 60000) != NEAP_OK)
        fail_msg("no outcome within 60 s");
    char *json = outcome.result ? neap_to_json(outcome.result, outcome.result_len) : NULL;
    snprintf(out, size, "%s", json ? json : outcome.message ? outcome.message : "nil");
    free(json);
    const struct neap_outcome copy = outcome;
    neap_outcome_free(&outcome);
    return copy;
}

void executor_expect(struct executor *x, const char *want)
{
    char text[256];
    executor_next(x, text, sizeof text);
    assert_string_equal(text, want);
}

const char *executor_run(struct executor *x, const char *task, const char *json)
{
    static _Thread_local char result[8192];
    executor_submit(x, task, json);
    const struct neap_outcome outcome = executor_next(x, result, sizeof result);
    if (outcome.state != NEAP_COMPLETED)
        fail_msg("%s %s: %s", task, json ? json : "", result);
    return result;
}

struct neap_counters executor_totals(struct executor *x)
{
    struct neap_stats stats;
    assert_int_equal(neap_stats(x->n, &stats, NULL), NEAP_OK);
    const struct neap_counters total = stats.total;
    neap_stats_free(&stats);
    return total;
}
