/* neap_ask about single jobs: their document, waiting, orders. */
#include "../support/asking.h"

#include <setjmp.h>

#include <cmocka.h>

#include <semaphore.h>
#include <stdio.h>
#include <string.h>

static void start(struct executor *x)
{
    executor_init(x);
    executor_write_blocker(x);
    executor_write(x, "plugins/t/add.lua", "return function(a) return a.x + a.y end");
    executor_write(x, "plugins/t/bad.lua", "return function(a) error('no luck') end");
    executor_start(x, 0);
}

static uint64_t submit(struct executor *x, const char *task, const char *args, int64_t delay_ms)
{
    uint64_t id;
    const struct neap_request request = {.task = task, .args = args, .delay_ms = delay_ms};
    assert_int_equal(neap_submit(x->n, &request, &id, NULL), NEAP_OK);
    return id;
}

static void tells_of_a_job(void **state)
{
    struct executor x;
    char want[64] = "\"id\":\"";
    (void)state;
    start(&x);
    const uint64_t id = submit(&x, "t.add", "{\"x\":1,\"y\":2}", 0);
    const char *text = ASK(&x, NEAP_ASK_WAIT, .id = id, .timeout_ms = -1);
    neap_id_text(id, want + strlen(want));
    assert_has(text, want);
    assert_has(text, "\"task\":\"t.add\",\"queue\":\"default\",\"state\":\"completed\"");
    assert_has(text, "\"args\":{\"x\":1,\"y\":2}");
    assert_has(text, "\"result\":3");
    assert_has(text, "\"finished_at\":\"2");
    assert_lacks(text, "due_at");
    assert_lacks(text, "error");
    text = ASK(&x, NEAP_ASK_JOB, .id = id);
    assert_has(text, "\"state\":\"completed\"");
    executor_close(&x);
}

static void tells_of_an_error(void **state)
{
    struct executor x;
    (void)state;
    start(&x);
    const uint64_t id = submit(&x, "t.bad", NULL, 0);
    const char *text = ASK(&x, NEAP_ASK_WAIT, .id = id, .timeout_ms = -1);
    assert_has(text, "\"state\":\"dead\"");
    assert_has(text, "\"code\":\"error\"");
    assert_has(text, "bad.lua:1: no luck\"");
    assert_has(text, "\"traceback\":\"stack traceback:");
    executor_close(&x);
}

static void waits_no_longer_than_asked(void **state)
{
    struct executor x;
    (void)state;
    start(&x);
    const uint64_t id = submit(&x, "t.add", "{\"x\":1,\"y\":2}", 3600000);
    const char *text = ASK_FAILS(&x, NEAP_ETIME, NEAP_ASK_WAIT, .id = id, .timeout_ms = 20);
    assert_has(text, "\"state\":\"scheduled\"");
    assert_has(text, "\"due_at\":\"2");
    text = ASK_FAILS(&x, NEAP_ETIME, NEAP_ASK_WAIT, .id = id);
    assert_has(text, "\"state\":\"scheduled\"");
    executor_close(&x);
}

static void cancels(void **state)
{
    struct executor x;
    (void)state;
    start(&x);
    const uint64_t late = submit(&x, "t.add", "{\"x\":1,\"y\":2}", 3600000);
    assert_has(ASK(&x, NEAP_ASK_CANCEL, .id = late), "\"state\":\"cancelled\"");
    assert_has(ASK_FAILS(&x, NEAP_ECONFLICT, NEAP_ASK_CANCEL, .id = late), "cancelled");
    const uint64_t busy = submit(&x, "t.block", NULL, 0);
    executor_await(&x, "blocked");
    assert_has(ASK(&x, NEAP_ASK_CANCEL, .id = busy), "\"state\":\"running\"");
    assert_has(ASK(&x, NEAP_ASK_WAIT, .id = busy, .timeout_ms = -1), "\"state\":\"cancelled\"");
    executor_close(&x);
}

struct late {
    sem_t done;
    int code;
};

static void on_late(void *user, const struct neap_reply *reply)
{
    struct late *late = user;
    late->code = reply->code;
    assert_non_null(reply->message);
    sem_post(&late->done);
}

static void answers_all_at_the_close(void **state)
{
    struct executor x;
    struct late late[2] = {{.code = 1}, {.code = 1}};
    (void)state;
    start(&x);
    const uint64_t id = submit(&x, "t.add", "{\"x\":1,\"y\":2}", 3600000);
    for (int i = 0; i < 2; i++) {
        const struct neap_ask ask = {
            .size = sizeof ask, .what = NEAP_ASK_WAIT, .id = id, .timeout_ms = i ? 3600000 : -1};
        sem_init(&late[i].done, 0, 0);
        assert_int_equal(neap_ask(x.n, &ask, &late[i], on_late, NULL), NEAP_OK);
    }
    executor_close(&x);
    for (int i = 0; i < 2; i++) {
        sem_wait(&late[i].done);
        assert_int_equal(late[i].code, NEAP_ECLOSED);
        sem_destroy(&late[i].done);
    }
}

static void tells_counters(void **state)
{
    struct executor x;
    (void)state;
    start(&x);
    const uint64_t id = submit(&x, "t.add", "{\"x\":1,\"y\":2}", 0);
    ASK(&x, NEAP_ASK_WAIT, .id = id, .timeout_ms = -1);
    const char *text = ASK(&x, NEAP_ASK_STATS);
    assert_has(text, "\"total\":{\"submitted\":1,\"completed\":1,");
    assert_has(text, "\"tasks\":{\"t.add\":{\"submitted\":1,");
    assert_has(text, "\"jobs\":{\"scheduled\":0,");
    assert_has(text, "\"completed\":1,");
    executor_close(&x);
}

static void refuses(void **state)
{
    struct executor x;
    (void)state;
    start(&x);
    assert_has(ASK_FAILS(&x, NEAP_ENOENT, NEAP_ASK_JOB, .id = 5), "no such job: 0000000000005");
    assert_has(ASK_FAILS(&x, NEAP_ENOENT, NEAP_ASK_WAIT, .id = 5), "no such job");
    assert_has(ASK_FAILS(&x, NEAP_ENOENT, NEAP_ASK_CANCEL, .id = 5), "no such job");
    assert_has(ASK_FAILS(&x, NEAP_EINVAL, NEAP_ASK_JOB), "no job id");
    assert_has(ASK_FAILS(&x, NEAP_EINVAL, -1), "no such question");
    assert_has(ASK_FAILS(&x, NEAP_EINVAL, 1000), "no such question");
    assert_has(ASK_WITH_FAILS(&x, NEAP_EINVAL, NEAP_ASK_STATS, "limit=3"), "limit");
    const struct neap_ask small = {.size = 8};
    assert_int_equal(neap_ask(x.n, &small, NULL, on_late, NULL), NEAP_EINVAL);
    executor_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_of_a_job),
        cmocka_unit_test(tells_of_an_error),
        cmocka_unit_test(waits_no_longer_than_asked),
        cmocka_unit_test(cancels),
        cmocka_unit_test(answers_all_at_the_close),
        cmocka_unit_test(tells_counters),
        cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
