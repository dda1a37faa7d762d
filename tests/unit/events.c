/* neap_events: who listens hears of each change, in order, after it is committed. */
#include "../support/asking.h"

#include <setjmp.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct heard {
    pthread_mutex_t lock;
    char text[1 << 16];
};

static void on_event(void *user, const char *json, size_t len)
{
    struct heard *heard = user;
    pthread_mutex_lock(&heard->lock);
    const size_t have = strlen(heard->text);
    if (have + len + 2 < sizeof heard->text)
        snprintf(heard->text + have, sizeof heard->text - have, "%.*s\n", (int)len, json);
    pthread_mutex_unlock(&heard->lock);
}

static bool has_heard(struct heard *heard, const char *what)
{
    pthread_mutex_lock(&heard->lock);
    const bool found = strstr(heard->text, what) != NULL;
    pthread_mutex_unlock(&heard->lock);
    return found;
}

static void await(struct heard *heard, const char *what)
{
    for (int left = 4000; !has_heard(heard, what); executor_pause(&left))
        ;
}

static neap_events *listen(struct executor *x, struct heard *heard, const char *name,
                           const char *value)
{
    neap_events *events = NULL;
    struct neap_error err = {0};
    const struct neap_param param = {name, value};
    memset(heard->text, 0, sizeof heard->text);
    pthread_mutex_init(&heard->lock, NULL);
    if (neap_events_open(x->n, &param, name != NULL, heard, on_event, &events, &err))
        fail_msg("%s", err.message);
    return events;
}

static void start(struct executor *x)
{
    executor_init(x);
    executor_write(x, "plugins/t/add.lua", "return function(a) return a.x end");
    executor_write(x, "plugins/t/bad.lua",
                   "return { retry = { max = 1, base = 0.01, jitter = 0 },\n"
                   "  run = function(a) error('no luck') end }");
    executor_start(x, 0);
}

static uint64_t submit(struct executor *x, const char *task, int64_t delay_ms)
{
    uint64_t id;
    const struct neap_request request = {.task = task, .args = "{\"x\":1}", .delay_ms = delay_ms};
    assert_int_equal(neap_submit(x->n, &request, &id, NULL), NEAP_OK);
    return id;
}

/* The states in the order they were heard, for one task. */
static void states(struct heard *heard, const char *task, char *out, size_t size)
{
    char want[64];
    snprintf(want, sizeof want, "\"task\":\"%s\"", task);
    *out = 0;
    for (const char *at = heard->text; (at = strstr(at, want)); at++) {
        char state[32];
        assert_int_equal(sscanf(strstr(at, "\"state\":\"") + 9, "%31[a-z]", state), 1);
        const size_t have = strlen(out);
        snprintf(out + have, size - have, "%s ", state);
    }
}

static void tells_a_life(void **state)
{
    static struct heard heard;
    struct executor x;
    char text[256];
    (void)state;
    start(&x);
    neap_events *events = listen(&x, &heard, NULL, NULL);
    submit(&x, "t.add", 0);
    await(&heard, "completed");
    submit(&x, "t.bad", 0);
    await(&heard, "\"state\":\"dead\"");
    const uint64_t late = submit(&x, "t.add", 3600000);
    ASK(&x, NEAP_ASK_CANCEL, .id = late);
    await(&heard, "cancelled");
    neap_events_close(x.n, events);
    states(&heard, "t.add", text, sizeof text);
    assert_string_equal(text, "available running completed scheduled cancelled ");
    states(&heard, "t.bad", text, sizeof text);
    assert_string_equal(text, "available running retryable running dead ");
    assert_has(heard.text, "\"error\":{\"code\":\"error\",\"message\":\"");
    assert_has(heard.text, "{\"event\":\"job\",\"id\":\"");
    executor_close(&x);
}

static void filters(void **state)
{
    static struct heard all, dead, none;
    struct executor x;
    (void)state;
    start(&x);
    neap_events *a = listen(&x, &all, NULL, NULL);
    neap_events *d = listen(&x, &dead, "state", "dead");
    neap_events *n = listen(&x, &none, "queue", "mail");
    submit(&x, "t.bad", 0);
    await(&all, "\"state\":\"dead\"");
    await(&dead, "\"state\":\"dead\"");
    neap_events_close(x.n, a);
    neap_events_close(x.n, d);
    neap_events_close(x.n, n);
    assert_lacks(dead.text, "available");
    assert_string_equal(none.text, "");
    executor_close(&x);
}

static void refuses_what_is_no_filter(void **state)
{
    static struct heard heard;
    struct executor x;
    struct neap_error err = {0};
    neap_events *events = NULL;
    const struct neap_param params[] = {{"stat", "dead"}};
    (void)state;
    start(&x);
    assert_int_equal(neap_events_open(x.n, params, 1, &heard, on_event, &events, &err),
                     NEAP_EINVAL);
    assert_has(err.message, "did you mean state?");
    neap_events_close(x.n, NULL);
    executor_close(&x);
}

static void says_nothing_after_the_close(void **state)
{
    static struct heard heard;
    struct executor x;
    (void)state;
    start(&x);
    for (int i = 0; i < 20; i++) {
        neap_events *events = listen(&x, &heard, NULL, NULL);
        submit(&x, "t.add", 0);
        neap_events_close(x.n, events);
        const size_t len = strlen(heard.text);
        assert_string_equal(executor_run(&x, "t.add", "{\"x\":4}"), "4");
        assert_int_equal(strlen(heard.text), len);
    }
    listen(&x, &heard, NULL, NULL); /* neap_close frees it */
    executor_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_a_life),
        cmocka_unit_test(filters),
        cmocka_unit_test(refuses_what_is_no_filter),
        cmocka_unit_test(says_nothing_after_the_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
