/* Every question of neap_ask with wrong and odd ids, names and parameters: each is answered once,
 * with a code that neap.h names, and a message or a document. */
#include "../support/asking.h"

#include <setjmp.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const NAMES[] = {
    NULL,     "",     "default",  "no.such", "t.add",          "nightly",   "*",
    "cancel", "edit", "\xff\xfe", "a\nb",    "../../../etc/x", "broken.one"};

static const struct neap_param PARAMS[][2] = {
    {{"state", "dead"}, {"limit", "1"}},
    {{"nothing", "1"}, {NULL, NULL}},
    {{"", ""}, {NULL, NULL}},
    {{"priority", "300"}, {"due", "now"}},
    {{"priority", "3"}, {"due", "never"}},
    {{"all", "yes"}, {"dry_run", "yes"}},
    {{"concurrency", "-1"}, {"rate", "1/s"}},
    {{"concurrency", "default"}, {"rate", "default"}},
    {{"offset", "18446744073709551616"}, {NULL, NULL}},
    {{"offset", "9223372036854775807"}, {NULL, NULL}},
    {{"cursor", "zzzzzzzzzzzzz"}, {NULL, NULL}},
    {{"id", "0000000000001,zzzzzzzzzzzzz"}, {NULL, NULL}},
    {{"text", "\xff\xfe"}, {NULL, NULL}},
    {{"state", NULL}, {NULL, NULL}},
    {{NULL, "x"}, {NULL, NULL}},
};

static void start(struct executor *x)
{
    executor_init(x);
    executor_write(x, "neap.ini", "[schedule nightly]\ntask = t.add\ncron = 0 3 * * *\n");
    executor_write(x, "plugins/t/add.lua", "return function(a) return a.x end");
    executor_write(x, "plugins/broken/one.lua", "return 3");
    executor_start(x, 0);
}

struct replied {
    int count, code, what;
};

static void check(void *user, const struct neap_reply *reply)
{
    struct replied *r = user;
    json_error_t error;
    r->code = reply->code;
    if (reply->text) {
        assert_int_equal(strlen(reply->text), reply->len);
        json_t *json = r->what == NEAP_ASK_METRICS ? json_object()
                                                   : json_loadb(reply->text, reply->len, 0, &error);
        if (!json)
            fail_msg("question %d: %s: %s", r->what, error.text, reply->text);
        json_decref(json);
    } else {
        assert_non_null(reply->message);
        assert_true(*reply->message);
        json_t *text = json_string(reply->message); /* NULL where it is no UTF-8 */
        assert_non_null(text);
        json_decref(text);
    }
    assert_int_equal(__atomic_add_fetch(&r->count, 1, __ATOMIC_SEQ_CST), 1); /* the last */
}

static void ask_one(struct executor *x, struct neap_ask ask)
{
    struct replied r = {.what = ask.what};
    ask.size = sizeof ask;
    assert_int_equal(neap_ask(x->n, &ask, &r, check, NULL), NEAP_OK);
    for (int left = 4000; !__atomic_load_n(&r.count, __ATOMIC_SEQ_CST); executor_pause(&left))
        ;
    assert_true(r.code <= 0 && r.code >= NEAP_ECONFLICT && r.code != NEAP_EINTERNAL);
}

static bool acts_for_good(int what)
{
    return what == NEAP_ASK_BACKUP;
}

static void answers_all(void **state)
{
    struct executor x;
    uint64_t ids[5] = {0, 1, UINT64_MAX};
    (void)state;
    start(&x);
    const struct neap_request now = {.task = "t.add", .args = "{\"x\":\"\xc3\xa9\"}"};
    struct neap_request late = now;
    late.delay_ms = 3600000;
    assert_int_equal(neap_submit(x.n, &now, &ids[3], NULL), NEAP_OK);
    assert_int_equal(neap_submit(x.n, &late, &ids[4], NULL), NEAP_OK);
    for (int what = 0; what <= NEAP_ASK_BACKUP + 1; what++) {
        for (size_t i = 0; i < 5; i++)
            ask_one(&x, (struct neap_ask){.what = what, .id = ids[i]});
        for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES && !acts_for_good(what); i++)
            ask_one(&x, (struct neap_ask){.what = what, .id = ids[i % 5], .name = NAMES[i]});
        for (size_t i = 0; i < sizeof PARAMS / sizeof *PARAMS; i++)
            ask_one(&x, (struct neap_ask){.what = what,
                                          .id = ids[4],
                                          .name = what == NEAP_ASK_BULK ? "edit" : "default",
                                          .params = PARAMS[i],
                                          .n_params = PARAMS[i][1].name ? 2 : 1});
    }
    executor_close(&x);
}

/* A memory store has nothing to back up, and says so. */
static void needs_a_file_to_back_up(void **state)
{
    struct executor x;
    (void)state;
    executor_init(&x);
    executor_start(&x, NEAP_MEMORY);
    assert_has(asking_text(&x, NEAP_EINVAL,
                           (struct neap_ask){.what = NEAP_ASK_BACKUP, .name = "/tmp/x"}, NULL),
               "nothing to back up");
    executor_close(&x);
}

static void asks_before_the_start_are_refused(void **state)
{
    struct executor x;
    struct replied r = {0};
    const struct neap_options options = {.size = sizeof options};
    const struct neap_ask ask = {.size = sizeof ask, .what = NEAP_ASK_STATS};
    struct neap_error err = {0};
    (void)state;
    executor_init(&x);
    assert_int_equal(neap_open(&x.n, &options, &err), NEAP_OK);
    assert_int_equal(neap_ask(x.n, &ask, &r, check, &err), NEAP_EINVAL);
    assert_int_equal(r.count, 0);
    executor_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_all),
        cmocka_unit_test(needs_a_file_to_back_up),
        cmocka_unit_test(asks_before_the_start_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
