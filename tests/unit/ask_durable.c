/* neap_ask where jobs are in a file: what is set lasts over restarts, what has ended is still
 * there, lists and bulk actions go over jobs that are not in memory, a backup opens. */
#include "../support/asking.h"

#include <setjmp.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void write_ini(struct executor *x, const char *file)
{
    char text[512];
    snprintf(text, sizeof text,
             "[store]\nurl = sqlite:%s\nwindow = 100\n[pool default]\nworkers = 1\n"
             "[queue mail]\nconcurrency = 2\n",
             file);
    executor_write(x, "neap.ini", text);
}

static void start(struct executor *x)
{
    executor_init(x);
    write_ini(x, "neap.db");
    executor_write(x, "plugins/t/add.lua", "return function(a) return a.x end");
    executor_write(x, "plugins/mail/send.lua",
                   "return { queue = 'mail', run = function(a) return a.x end }");
    executor_write(x, "plugins/t/bad.lua", "return function(a) error('no luck') end");
    executor_write(x, "plugins/t/much.lua",
                   "return function(a) print(('x'):rep(9000)) for i = 1, 8 do\n"
                   "  print(('y'):rep(9999)) end print('last') end");
    executor_start(x, 0);
}

static void restart(struct executor *x)
{
    neap_close(x->n);
    executor_start(x, 0);
}

static uint64_t submit(struct executor *x, const char *task, int64_t delay_ms)
{
    uint64_t id;
    struct neap_error err = {0};
    const struct neap_request request = {.task = task, .args = "{\"x\":1}", .delay_ms = delay_ms};
    if (neap_submit(x->n, &request, &id, &err))
        fail_msg("%s", err.message);
    return id;
}

static size_t count(const char *text, const char *what)
{
    size_t n = 0;
    for (; (text = strstr(text, what)); text += strlen(what))
        n++;
    return n;
}

static const char *named(struct executor *x, int what, const char *name, const char *const *params)
{
    return asking_text(x, NEAP_OK, (struct neap_ask){.what = what, .name = name}, params);
}

static void settings_of_queues_last(void **state)
{
    struct executor x;
    const char *const limits[] = {"concurrency=7", "rate=2/s", NULL};
    (void)state;
    start(&x);
    named(&x, NEAP_ASK_QUEUE_PAUSE, "default", NULL);
    named(&x, NEAP_ASK_QUEUE_LIMITS, "mail", limits);
    const uint64_t id = submit(&x, "t.add", 0);
    restart(&x);
    const char *text = named(&x, NEAP_ASK_QUEUE, "default", NULL);
    assert_has(text, "\"paused\":true");
    assert_has(text, "\"overridden\":[\"paused\"]");
    text = named(&x, NEAP_ASK_QUEUE, "mail", NULL);
    assert_has(text, "\"concurrency\":7");
    assert_has(text, "\"rate_per_second\":2.0");
    text = ASK_FAILS(&x, NEAP_ETIME, NEAP_ASK_WAIT, .id = id, .timeout_ms = 50);
    assert_has(text, "\"held\":\"its queue is paused\"");
    named(&x, NEAP_ASK_QUEUE_RESUME, "default", NULL);
    ASK(&x, NEAP_ASK_WAIT, .id = id, .timeout_ms = -1);
    const char *const back[] = {"concurrency=default", "rate=default", NULL};
    named(&x, NEAP_ASK_QUEUE_LIMITS, "mail", back);
    restart(&x);
    assert_has(named(&x, NEAP_ASK_QUEUE, "default", NULL), "\"paused\":false");
    text = named(&x, NEAP_ASK_QUEUE, "mail", NULL);
    assert_has(text, "\"concurrency\":2");
    assert_lacks(text, "overridden");
    executor_close(&x);
}

/* Most of them are not in memory. */
static void goes_over_many(void **state)
{
    struct executor x;
    (void)state;
    start(&x);
    named(&x, NEAP_ASK_QUEUE_PAUSE, "default", NULL);
    for (int i = 0; i < 1500; i++)
        submit(&x, "t.add", i % 3 ? 0 : 3600000);
    size_t total = 0;
    char cursor[32] = "order=newest";
    for (int pages = 0; pages < 20; pages++) {
        const char *text = ASK_WITH(&x, NEAP_ASK_JOBS, "limit=100", cursor);
        total += count(text, "\"task\"");
        const char *next = strstr(text, "\"next\":\"");
        if (!next)
            break;
        snprintf(cursor, sizeof cursor, "cursor=%.13s", next + 8);
    }
    assert_int_equal(total, 1500);
    const char *const edit[] = {"state=available", "priority=3", NULL};
    assert_has(named(&x, NEAP_ASK_BULK, "edit", edit), "\"matched\":1000,\"changed\":1000");
    const char *const cancel[] = {"state=scheduled", NULL};
    assert_has(named(&x, NEAP_ASK_BULK, "cancel", cancel), "\"matched\":500,\"changed\":500");
    restart(&x);
    assert_int_equal(count(ASK_WITH(&x, NEAP_ASK_JOBS, "priority=3", "limit=1000"), "\"task\""),
                     1000);
    const char *const gone[] = {"state=cancelled", NULL};
    assert_has(named(&x, NEAP_ASK_BULK, "delete", gone), "\"changed\":500");
    named(&x, NEAP_ASK_QUEUE_RESUME, "default", NULL);
    assert_int_equal(neap_wait_idle(x.n, 60000), NEAP_OK);
    assert_int_equal(
        count(ASK_WITH(&x, NEAP_ASK_JOBS, "state=completed", "limit=1000"), "\"task\""), 1000);
    executor_close(&x);
}

static void old_jobs_run_again(void **state)
{
    struct executor x;
    (void)state;
    start(&x);
    const uint64_t id = submit(&x, "t.bad", 0);
    ASK(&x, NEAP_ASK_WAIT, .id = id, .timeout_ms = -1);
    executor_write(&x, "plugins/t/bad.lua", "return function(a) return 'mended' end");
    restart(&x);
    const char *text = ASK(&x, NEAP_ASK_JOB, .id = id);
    assert_has(text, "\"state\":\"dead\"");
    assert_has(text, "no luck");
    ASK(&x, NEAP_ASK_RETRY, .id = id);
    assert_has(ASK(&x, NEAP_ASK_WAIT, .id = id, .timeout_ms = -1), "\"result\":\"mended\"");
    assert_has(ASK(&x, NEAP_ASK_DELETE, .id = id), "deleted");
    restart(&x);
    ASK_FAILS(&x, NEAP_ENOENT, NEAP_ASK_JOB, .id = id);
    executor_close(&x);
}

static void offsets_of_logs_last(void **state)
{
    struct executor x;
    (void)state;
    start(&x);
    const uint64_t id = submit(&x, "t.much", 0);
    ASK(&x, NEAP_ASK_WAIT, .id = id, .timeout_ms = -1);
    for (int i = 0; i < 2; i++) {
        const char *text = ASK(&x, NEAP_ASK_LOG, .id = id);
        assert_has(text, "\"next\":89006,\"ended\":true");
        assert_has(text, "yyy\\nlast\\n");
        const char *params[] = {"offset=89001", NULL};
        text = asking_text(&x, NEAP_OK, (struct neap_ask){.what = NEAP_ASK_LOG, .id = id}, params);
        assert_has(text, "\"text\":\"last\\n\",\"offset\":89001");
        restart(&x);
    }
    executor_close(&x);
}

static void a_backup_opens(void **state)
{
    struct executor x;
    char path[128];
    (void)state;
    start(&x);
    snprintf(path, sizeof path, "%s/copy.db", x.dir);
    for (int i = 0; i < 500; i++)
        submit(&x, "t.add", 3600000);
    const uint64_t id = submit(&x, "t.add", 0);
    ASK(&x, NEAP_ASK_WAIT, .id = id, .timeout_ms = -1);
    assert_has(named(&x, NEAP_ASK_BACKUP, path, NULL), "\"path\":\"");
    assert_int_equal(access(path, F_OK), 0);
    asking_text(&x, NEAP_EIO, (struct neap_ask){.what = NEAP_ASK_BACKUP, .name = path}, NULL);
    neap_close(x.n);
    write_ini(&x, "copy.db");
    executor_start(&x, 0);
    assert_has(ASK(&x, NEAP_ASK_JOB, .id = id), "\"state\":\"completed\"");
    assert_int_equal(
        count(ASK_WITH(&x, NEAP_ASK_JOBS, "state=scheduled", "limit=1000"), "\"task\""), 500);
    executor_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_of_queues_last), cmocka_unit_test(goes_over_many),
        cmocka_unit_test(old_jobs_run_again),      cmocka_unit_test(offsets_of_logs_last),
        cmocka_unit_test(a_backup_opens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
