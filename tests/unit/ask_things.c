/* Queues, tasks, metrics and explanations of neap_ask. */
#include "../support/asking.h"

#include <setjmp.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INI "[pool default]\nworkers = 1\n[queue mail]\nconcurrency = 2\n[queue slow]\nrate = 1/h\n"

static void start(struct executor *x)
{
    executor_init(x);
    executor_write_blocker(x);
    executor_write(x, "neap.ini", INI);
    executor_write(x, "plugins/t/add.lua",
                   "return { summary = 'Adds', args = { x = 'integer' }, timeout = '5s',\n"
                   "  retry = 3, run = function(a) return a.x end }");
    executor_write(x, "plugins/mail/send.lua",
                   "local neap = require 'neap'\n"
                   "return { queue = 'mail', run = function(a) neap.sleep(3600) end }");
    executor_write(x, "plugins/slow/down.lua",
                   "return { queue = 'slow', run = function(a) return 1 end }");
    executor_write(x, "plugins/broken/one.lua", "return { run = 3 }");
    executor_start(x, 0);
}

static uint64_t submit(struct executor *x, const char *task, const char *args, int64_t delay_ms)
{
    uint64_t id;
    struct neap_error err = {0};
    const struct neap_request request = {.task = task, .args = args, .delay_ms = delay_ms};
    if (neap_submit(x->n, &request, &id, &err))
        fail_msg("%s", err.message);
    return id;
}

static const char *named(struct executor *x, int code, int what, const char *name,
                         const char *const *params)
{
    return asking_text(x, code, (struct neap_ask){.what = what, .name = name}, params);
}

static void pauses_queues(void **state)
{
    struct executor x;
    (void)state;
    start(&x);
    assert_has(named(&x, NEAP_OK, NEAP_ASK_QUEUE_PAUSE, "default", NULL),
               "\"paused\":true,\"capacity\":1000000,\"when_full\":\"block\","
               "\"overridden\":[\"paused\"]");
    const uint64_t id = submit(&x, "t.add", "{\"x\":1}", 0);
    const char *text = ASK_FAILS(&x, NEAP_ETIME, NEAP_ASK_WAIT, .id = id, .timeout_ms = 50);
    assert_has(text, "\"held\":\"its queue is paused\"");
    assert_has(ASK(&x, NEAP_ASK_EXPLAIN, .id = id), "\"reason\":\"paused\"");
    executor_reload(&x, INI "[queue default]\nconcurrency = 3\n"); /* it stays */
    text = named(&x, NEAP_OK, NEAP_ASK_QUEUE, "default", NULL);
    assert_has(text, "\"paused\":true,\"concurrency\":3");
    text = named(&x, NEAP_OK, NEAP_ASK_QUEUE_RESUME, "default", NULL);
    assert_has(text, "\"paused\":false");
    assert_lacks(text, "overridden");
    ASK(&x, NEAP_ASK_WAIT, .id = id, .timeout_ms = -1);
    executor_reload(&x, INI "[queue default]\npaused = yes\n");
    text = named(&x, NEAP_OK, NEAP_ASK_QUEUE_RESUME, "default", NULL);
    assert_has(text, "\"paused\":false");
    assert_has(text, "\"overridden\":[\"paused\"]");
    assert_has(named(&x, NEAP_ENOENT, NEAP_ASK_QUEUE, "mial", NULL), "did you mean mail?");
    assert_has(named(&x, NEAP_EINVAL, NEAP_ASK_QUEUE, "", NULL), "no name");
    executor_close(&x);
}

static const char *limits(struct executor *x, int code, const char *name, const char *const *params)
{
    return named(x, code, NEAP_ASK_QUEUE_LIMITS, name, params);
}
#define LIMITS(x, code, name, ...) limits(x, code, name, (const char *const[]){__VA_ARGS__, NULL})

static void limits_queues(void **state)
{
    struct executor x;
    (void)state;
    start(&x);
    const char *text = LIMITS(&x, NEAP_OK, "mail", "concurrency=1", "rate=60/m", "capacity=7");
    assert_has(text, "\"concurrency\":1,\"capacity\":7");
    assert_has(text, "\"rate_per_second\":1.0");
    assert_has(text, "\"overridden\":[\"concurrency\",\"rate\",\"capacity\"]");
    assert_has(ASK(&x, NEAP_ASK_QUEUES), "\"name\":\"mail\",\"paused\":false,\"concurrency\":1");
    executor_reload(&x, INI "[queue other]\nrate = 1/s\n"); /* the loader sets capacities anew */
    text = named(&x, NEAP_OK, NEAP_ASK_QUEUE, "mail", NULL);
    assert_has(text, "\"concurrency\":1,\"capacity\":7");
    text = LIMITS(&x, NEAP_OK, "mail", "concurrency=default", "rate=none");
    assert_has(text, "\"concurrency\":2,\"capacity\":7");
    assert_lacks(text, "rate_per_second");
    assert_has(text, "\"overridden\":[\"rate\",\"capacity\"]");
    text = LIMITS(&x, NEAP_OK, "mail", "rate=default", "capacity=default");
    assert_lacks(text, "overridden");
    assert_has(text, "\"capacity\":1000000");
    assert_has(LIMITS(&x, NEAP_EINVAL, "mail", "rate=fast"), "rate: it is a rate");
    assert_has(LIMITS(&x, NEAP_EINVAL, "mail", "concurrency=0"), "concurrency");
    assert_has(limits(&x, NEAP_EINVAL, "mail", NULL), "nothing to change");
    executor_close(&x);
}

static void shows_tasks(void **state)
{
    struct executor x;
    (void)state;
    start(&x);
    const char *text = ASK(&x, NEAP_ASK_TASKS);
    assert_has(text, "\"name\":\"t.add\",\"plugin\":\"t\",\"summary\":\"Adds\",\"file\":\"");
    assert_has(text, "\"timeout_seconds\":5.0,\"retry\":{\"max\":3,\"backoff\":\"exponential\"");
    assert_has(text, "\"args\":{\"x\":{");
    assert_has(text, "\"broken\":[{\"plugin\":\"broken\"");
    assert_has(text, "one.lua");
    assert_has(named(&x, NEAP_OK, NEAP_ASK_TASK, "mail.send", NULL), "\"queue\":\"mail\"");
    assert_has(named(&x, NEAP_ENOENT, NEAP_ASK_TASK, "mail.sned", NULL), "did you mean mail.send?");
    assert_has(named(&x, NEAP_ENOENT, NEAP_ASK_TASK, "broken.one", NULL), "one.lua");
    executor_write(&x, "plugins/mail/send.lua", "return {");
    executor_reload(&x, INI);
    text = named(&x, NEAP_OK, NEAP_ASK_TASK, "mail.send", NULL);
    assert_has(text, "\"generation\":1");
    assert_has(text, "\"load_error\":\"");
    executor_write(&x, "plugins/mail/send.lua", "return { queue = 'mail', run = print }");
    executor_reload(&x, INI);
    text = named(&x, NEAP_OK, NEAP_ASK_TASK, "mail.send", NULL);
    assert_has(text, "\"generation\":2");
    assert_lacks(text, "load_error");
    executor_close(&x);
}

static void shows_schedules(void **state)
{
    struct executor x;
    (void)state;
    executor_init(&x);
    executor_write(&x, "neap.ini",
                   "[schedule nightly]\ntask = t.one\ncron = 0 3 * * *\ntz = Europe/Paris\n"
                   "[schedule often]\ntask = t.one\nevery = 1h\n");
    executor_write(&x, "plugins/t/one.lua", "return function() return 1 end");
    executor_start(&x, 0);
    const char *text = ASK(&x, NEAP_ASK_SCHEDULES);
    assert_has(text,
               "{\"schedules\":[{\"name\":\"nightly\",\"task\":\"t.one\",\"cron\":\"0 3 * * *\"");
    assert_has(text, "\"every\":\"1h\",\"every_seconds\":3600.0");
    assert_has(text, "\"next_at\":\"2");
    assert_has(text, "\"next\":[\"2");
    text = named(&x, NEAP_OK, NEAP_ASK_SCHEDULE_PAUSE, "nightly", NULL);
    assert_has(text, "\"paused\":true");
    assert_has(text, "\"next\":[]");
    assert_has(named(&x, NEAP_OK, NEAP_ASK_SCHEDULE_RUN, "nightly", NULL), "\"id\":\"");
    EXECUTOR_UNTIL(&x, completed, 1);
    text = named(&x, NEAP_OK, NEAP_ASK_SCHEDULE_RESUME, "nightly", NULL);
    assert_has(text, "\"paused\":false");
    assert_has(text, "\"last_job\":\"");
    assert_has(named(&x, NEAP_ENOENT, NEAP_ASK_SCHEDULE, "nigthly", NULL), "did you mean nightly?");
    executor_close(&x);
}

static void explains(void **state)
{
    struct executor x;
    (void)state;
    start(&x);
    const uint64_t late = submit(&x, "t.add", "{\"x\":1}", 3600000);
    const char *text = ASK(&x, NEAP_ASK_EXPLAIN, .id = late);
    assert_has(text, "\"state\":\"scheduled\",\"why\":\"it is due at 2");
    assert_has(text, "\"reason\":\"due\"");
    for (int i = 0; i < 2; i++)
        asking_until(&x, submit(&x, "mail.send", NULL, 0), "\"state\":\"running\"");
    const uint64_t third = submit(&x, "mail.send", NULL, 0);
    text = ASK(&x, NEAP_ASK_EXPLAIN, .id = third);
    assert_has(text, "queue mail runs 2 jobs already");
    assert_has(text, "\"running\":[\"");
    const uint64_t first = submit(&x, "slow.down", NULL, 0);
    ASK(&x, NEAP_ASK_WAIT, .id = first, .timeout_ms = -1);
    assert_has(ASK(&x, NEAP_ASK_EXPLAIN, .id = first), "it has ended: completed");
    const uint64_t next = submit(&x, "slow.down", NULL, 0);
    assert_has(ASK(&x, NEAP_ASK_EXPLAIN, .id = next), "\"reason\":\"rate\"");
    const uint64_t block = submit(&x, "t.block", NULL, 0);
    executor_await(&x, "blocked");
    assert_has(ASK(&x, NEAP_ASK_EXPLAIN, .id = block), "it runs in worker default/1");
    const uint64_t behind = submit(&x, "t.add", "{\"x\":1}", 0);
    text = ASK(&x, NEAP_ASK_EXPLAIN, .id = behind);
    assert_has(text, "worker");
    ASK(&x, NEAP_ASK_CANCEL, .id = block);
    assert_has(ASK_FAILS(&x, NEAP_ENOENT, NEAP_ASK_EXPLAIN, .id = 77), "no such job");
    executor_close(&x);
}

static void explains_what_it_waits_for(void **state)
{
    struct executor x;
    uint64_t id;
    char want[32];
    (void)state;
    start(&x);
    const uint64_t parent = submit(&x, "t.add", "{\"x\":1}", 3600000);
    const struct neap_request request = {
        .task = "t.add", .args = "{\"x\":1}", .after = &parent, .n_after = 1};
    assert_int_equal(neap_submit(x.n, &request, &id, NULL), NEAP_OK);
    const char *text = ASK(&x, NEAP_ASK_EXPLAIN, .id = id);
    assert_has(text, "\"state\":\"pending\",\"why\":\"it waits for 1 other job to end\"");
    neap_id_text(parent, want);
    assert_has(text, want);
    assert_has(ASK(&x, NEAP_ASK_JOB, .id = id), "\"after\":[\"");
    executor_close(&x);
}

static void tells_metrics(void **state)
{
    struct executor x;
    (void)state;
    start(&x);
    const uint64_t id = submit(&x, "t.add", "{\"x\":1}", 0);
    ASK(&x, NEAP_ASK_WAIT, .id = id, .timeout_ms = -1);
    const char *text = ASK(&x, NEAP_ASK_METRICS);
    assert_has(text, "# TYPE neap_jobs_total counter\n");
    assert_has(text, "neap_jobs_total{queue=\"default\",state=\"completed\"} 1\n");
    assert_has(text, "neap_task_jobs_total{task=\"t.add\",state=\"completed\"} 1\n");
    assert_has(text, "neap_job_run_seconds_bucket{queue=\"default\",le=\"+Inf\"} 1\n");
    assert_has(text, "neap_job_run_seconds_count{queue=\"default\"} 1\n");
    assert_has(text, "neap_plugins_broken 1\n");
    assert_has(text, "process_open_fds ");
    assert_has(text, "process_start_time_seconds ");
    executor_close(&x);
}

/* Each series belongs to the family before it, names and types are sound, no series comes twice. */
static void metrics_are_well_formed(void **state)
{
    struct executor x;
    static char text[1 << 20];
    char family[128] = "", type[32] = "";
    (void)state;
    start(&x);
    snprintf(text, sizeof text, "%s", ASK(&x, NEAP_ASK_METRICS));
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        if (strncmp(line, "# HELP ", 7) == 0)
            continue;
        if (sscanf(line, "# TYPE %127s %31s", family, type) == 2) {
            const bool total = strlen(family) > 6 && !strcmp(family + strlen(family) - 6, "_total");
            assert_int_equal(total, !strcmp(type, "counter"));
            continue;
        }
        if (strncmp(line, family, strlen(family)) != 0 || !strrchr(line, ' '))
            fail_msg("%s in family %s", line, family);
        char *end;
        strtod(strrchr(line, ' ') + 1, &end);
        assert_int_equal(*end, 0);
    }
    executor_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pauses_queues), cmocka_unit_test(limits_queues),
        cmocka_unit_test(shows_tasks),   cmocka_unit_test(shows_schedules),
        cmocka_unit_test(explains),      cmocka_unit_test(explains_what_it_waits_for),
        cmocka_unit_test(tells_metrics), cmocka_unit_test(metrics_are_well_formed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
