/* Lists, filters and bulk actions of neap_ask, retry, delete, edit. */
#include "../support/asking.h"

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void start(struct executor *x)
{
    executor_init(x);
    executor_write_blocker(x);
    executor_write(x, "plugins/t/add.lua", "return function(a) return a.x end");
    executor_write(x, "plugins/mail/send.lua",
                   "return { queue = 'mail', run = function(a) return a.x end }");
    executor_write(x, "plugins/t/bad.lua", "return function(a) error('no luck') end");
    executor_write(x, "plugins/t/once.lua",
                   "return function(a, ctx)\n"
                   "  if not io.open(a.file) then error('no file') end\n"
                   "  return 'there'\n"
                   "end");
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

static void end_all(struct executor *x)
{
    assert_int_equal(neap_wait_idle(x->n, 20000), NEAP_OK);
}

static size_t count(const char *text, const char *what)
{
    size_t n = 0;
    for (; (text = strstr(text, what)); text += strlen(what))
        n++;
    return n;
}

/* The cursor of a list, or "". */
static const char *next_of(const char *text)
{
    static char next[NEAP_ID_CHARS + 1];
    const char *at = strstr(text, "\"next\":\"");
    snprintf(next, sizeof next, "%.*s", at ? NEAP_ID_CHARS : 0, at ? at + 8 : "");
    return next;
}

static void lists_in_pages(void **state)
{
    struct executor x;
    size_t total = 0;
    char cursor[64] = "cursor=", first[NEAP_ID_CHARS + 1], id[NEAP_ID_CHARS + 1];
    (void)state;
    start(&x);
    uint64_t ids[250];
    for (int i = 0; i < 250; i++)
        ids[i] = submit(&x, "t.add", "{\"x\":1}", 3600000);
    const char *text = ASK_WITH(&x, NEAP_ASK_JOBS, "limit=100", "order=oldest");
    neap_id_text(ids[0], first);
    assert_has(text, first);
    for (int pages = 1;; pages++) {
        total += count(text, "\"state\":\"scheduled\"");
        if (strstr(text, "\"next\":null")) {
            assert_int_equal(pages, 3);
            break;
        }
        strcpy(cursor + 7, next_of(text));
        text = ASK_WITH(&x, NEAP_ASK_JOBS, "limit=100", "order=oldest", cursor);
    }
    assert_int_equal(total, 250);
    text = ASK_WITH(&x, NEAP_ASK_JOBS, "limit=1");
    neap_id_text(ids[249], id);
    assert_has(text, id);
    assert_int_equal(count(text, "\"id\""), 1);
    assert_lacks(text, "args");
    assert_has(ASK_WITH(&x, NEAP_ASK_JOBS, "limit=1", "wide=yes"), "\"args\":{\"x\":1}");
    executor_close(&x);
}

static void filters(void **state)
{
    struct executor x;
    char id[64] = "id=", two[96], parent[64] = "parent=";
    (void)state;
    start(&x);
    const uint64_t add = submit(&x, "t.add", "{\"x\":1}", 0);
    const uint64_t mail = submit(&x, "mail.send", "{\"x\":2}", 0);
    submit(&x, "t.bad", NULL, 0);
    submit(&x, "mail.send", "{\"x\":3}", 3600000);
    for (int left = 4000; count(ASK(&x, NEAP_ASK_JOBS), "finished_at") < 3; executor_pause(&left))
        ;
#define COUNT(...) count(ASK_WITH(&x, NEAP_ASK_JOBS, __VA_ARGS__), "\"id\"")
    assert_int_equal(COUNT("limit=10"), 4);
    assert_int_equal(COUNT("state=completed"), 2);
    assert_int_equal(COUNT("state=completed,dead"), 3);
    assert_int_equal(COUNT("queue=mail"), 2);
    assert_int_equal(COUNT("queue=mail", "state=scheduled"), 1);
    assert_int_equal(COUNT("task=t.*"), 2);
    assert_int_equal(COUNT("task=t.add"), 1);
    assert_int_equal(COUNT("task=never.was"), 0);
    assert_int_equal(COUNT("error=error"), 1);
    assert_int_equal(COUNT("text=no luck"), 1);
    assert_int_equal(COUNT("text=other"), 0);
    assert_int_equal(COUNT("older=1h"), 0);
    assert_int_equal(COUNT("newer=1h"), 4);
    assert_int_equal(COUNT("priority=>0"), 0);
    assert_int_equal(COUNT("priority=<=0"), 4);
    neap_id_text(add, id + 3);
    assert_int_equal(COUNT(id), 1);
    snprintf(two, sizeof two, "%s,", id);
    neap_id_text(mail, two + strlen(two));
    assert_int_equal(COUNT(two), 2);
    assert_int_equal(COUNT(two, "queue=mail"), 1);
    neap_id_text(add, parent + 7);
    assert_int_equal(COUNT(parent), 0);
    executor_close(&x);
}

static void refuses_bad_parameters(void **state)
{
    static const struct {
        const char *param, *name, *message;
    } cases[] = {
        {"stat=dead", "stat", "did you mean state?"},
        {"limti=3", "limti", "did you mean limit?"},
        {"state=deda", "state", "did you mean dead?"},
        {"state=", "state", "empty"},
        {"limit=0", "limit", "from 1 to 1000"},
        {"limit=1001", "limit", "from 1 to 1000"},
        {"order=up", "order", "newest or oldest"},
        {"cursor=!", "cursor", "next"},
        {"id=xyz", "id", "no job id"},
        {"older=soon", "older", "no duration"},
        {"priority=999", "priority", "no priority"},
        {"task=a b", "task", "no name or pattern"},
        {"wide=perhaps", "wide", "yes or no"},
        {"offset=1", "offset", "no such parameter"},
    };
    struct executor x;
    (void)state;
    start(&x);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *params[] = {cases[i].param, NULL};
        struct answer answer = asking(&x, (struct neap_ask){.what = NEAP_ASK_JOBS}, params);
        assert_int_equal(answer.code, NEAP_EINVAL);
        assert_string_equal(answer.param, cases[i].name);
        assert_has(answer.message, cases[i].message);
        answer_free(&answer);
    }
    assert_has(ASK_WITH_FAILS(&x, NEAP_EINVAL, NEAP_ASK_JOBS, "limit=1", "limit=2"), "twice");
    executor_close(&x);
}

static const char *bulk(struct executor *x, int code, const char *verb, const char *const *params)
{
    return asking_text(x, code, (struct neap_ask){.what = NEAP_ASK_BULK, .name = verb}, params);
}
#define BULK(x, code, verb, ...) bulk(x, code, verb, (const char *const[]){__VA_ARGS__, NULL})

static void acts_in_bulk(void **state)
{
    struct executor x;
    (void)state;
    start(&x);
    for (int i = 0; i < 300; i++)
        submit(&x, i % 3 ? "mail.send" : "t.add", "{\"x\":1}", 3600000);
    assert_has(BULK(&x, NEAP_OK, "edit", "queue=mail", "priority=5", "dry_run=yes"),
               "\"matched\":200,\"changed\":200,\"skipped\":0,\"dry_run\":true");
    assert_int_equal(count(ASK_WITH(&x, NEAP_ASK_JOBS, "priority=5", "limit=1000"), "\"id\""), 0);
    assert_has(BULK(&x, NEAP_OK, "edit", "queue=mail", "priority=5"), "\"changed\":200");
    assert_int_equal(count(ASK_WITH(&x, NEAP_ASK_JOBS, "priority=5", "limit=1000"), "\"id\""), 200);
    assert_has(BULK(&x, NEAP_OK, "edit", "priority==5", "priority=6"), "\"changed\":200");
    assert_has(BULK(&x, NEAP_OK, "cancel", "task=t.add", "dry_run=1"),
               "\"matched\":100,\"changed\":100");
    assert_has(BULK(&x, NEAP_OK, "cancel", "task=t.add"), "\"matched\":100,\"changed\":100");
    assert_has(BULK(&x, NEAP_OK, "cancel", "task=t.add"), "\"matched\":0,\"changed\":0");
    assert_has(BULK(&x, NEAP_OK, "cancel", "task=t.add", "state=cancelled"),
               "\"matched\":100,\"changed\":0,\"skipped\":100");
    assert_has(BULK(&x, NEAP_OK, "edit", "all=yes", "due=now"), "\"changed\":200");
    end_all(&x);
    assert_int_equal(executor_totals(&x).completed, 200);
    assert_has(BULK(&x, NEAP_OK, "retry", "state=cancelled"), "\"changed\":100");
    end_all(&x);
    assert_int_equal(executor_totals(&x).completed, 300);
    assert_has(BULK(&x, NEAP_OK, "delete", "all=yes"), "\"matched\":300,\"changed\":300");
    assert_has(ASK(&x, NEAP_ASK_JOBS), "{\"jobs\":[],\"next\":null}");
    assert_has(BULK(&x, NEAP_EINVAL, "delete", "dry_run=yes"), "filter");
    assert_has(BULK(&x, NEAP_EINVAL, "remove", "all=yes"), "no such verb");
    assert_has(BULK(&x, NEAP_EINVAL, "edit", "all=yes"), "nothing to change");
    assert_has(BULK(&x, NEAP_EINVAL, "cancel", "all=yes", "due=now"), "due");
    executor_close(&x);
}

static void retries(void **state)
{
    struct executor x;
    char args[200], name[96];
    (void)state;
    start(&x);
    snprintf(args, sizeof args, "{\"file\":\"%s/there\"}", x.dir);
    const uint64_t id = submit(&x, "t.once", args, 0);
    end_all(&x);
    assert_has(ASK(&x, NEAP_ASK_JOB, .id = id), "no file");
    snprintf(name, sizeof name, "there");
    executor_write(&x, name, "x");
    assert_has(ASK(&x, NEAP_ASK_RETRY, .id = id), "\"state\":\"available\"");
    const char *text = ASK(&x, NEAP_ASK_WAIT, .id = id, .timeout_ms = -1);
    assert_has(text, "\"result\":\"there\"");
    assert_lacks(text, "\"error\":");
    assert_has(text, "\"attempt\":1");
    const struct neap_counters c = executor_totals(&x);
    assert_int_equal(c.submitted, c.completed + c.dead + c.cancelled + c.running + c.waiting);
    const uint64_t late = submit(&x, "t.add", "{\"x\":1}", 3600000);
    assert_has(ASK_FAILS(&x, NEAP_ECONFLICT, NEAP_ASK_RETRY, .id = late), "has not ended");
    executor_close(&x);
}

static void deletes(void **state)
{
    struct executor x;
    (void)state;
    start(&x);
    const uint64_t late = submit(&x, "t.add", "{\"x\":1}", 3600000);
    assert_has(ASK_FAILS(&x, NEAP_ECONFLICT, NEAP_ASK_DELETE, .id = late), "cancel it first");
    ASK(&x, NEAP_ASK_CANCEL, .id = late);
    assert_has(ASK(&x, NEAP_ASK_DELETE, .id = late), "\"deleted\":true");
    assert_has(ASK_FAILS(&x, NEAP_ENOENT, NEAP_ASK_JOB, .id = late), "no such job");
    executor_close(&x);
}

static const char *edit(struct executor *x, int code, uint64_t id, const char *const *params)
{
    return asking_text(x, code, (struct neap_ask){.what = NEAP_ASK_EDIT, .id = id}, params);
}
#define EDIT(x, code, id, ...) edit(x, code, id, (const char *const[]){__VA_ARGS__, NULL})

static void edits(void **state)
{
    struct executor x;
    (void)state;
    start(&x);
    const uint64_t late = submit(&x, "t.add", "{\"x\":1}", 3600000);
    const char *text = EDIT(&x, NEAP_OK, late, "priority=high");
    assert_has(text, "\"priority\":10");
    text = EDIT(&x, NEAP_OK, late, "priority=7");
    assert_has(text, "\"priority\":7");
    assert_has(text, "\"due_at\"");
    text = EDIT(&x, NEAP_OK, late, "due=2099-01-02T03:04:05Z");
    assert_has(text, "\"due_at\":\"2099-01-02T03:04:05.000Z\"");
    assert_has(text, "\"priority\":7");
    assert_has(EDIT(&x, NEAP_EINVAL, late, "priority=hi"), "priority: it is ");
    assert_has(EDIT(&x, NEAP_EINVAL, late, "due=whenever"), "due: it is a time");
    assert_has(edit(&x, NEAP_EINVAL, late, NULL), "nothing to change");
    assert_has(EDIT(&x, NEAP_EINVAL, late, "priorty=3"), "did you mean priority?");
    EDIT(&x, NEAP_OK, late, "due=now");
    assert_has(ASK(&x, NEAP_ASK_WAIT, .id = late, .timeout_ms = -1), "\"state\":\"completed\"");
    assert_has(EDIT(&x, NEAP_ECONFLICT, late, "due=now"), "ended");
    const uint64_t busy = submit(&x, "t.block", NULL, 0);
    executor_await(&x, "blocked");
    assert_has(EDIT(&x, NEAP_ECONFLICT, busy, "due=now"), "runs");
    ASK(&x, NEAP_ASK_CANCEL, .id = busy);
    executor_close(&x);
}

/* While a long list is made, jobs go in and out. */
static void stalls_nobody(void **state)
{
    struct executor x;
    (void)state;
    start(&x);
    for (int i = 0; i < 3000; i++)
        submit(&x, "t.add", "{\"x\":1}", 3600000);
    for (int i = 0; i < 20; i++) {
        assert_has(ASK_WITH(&x, NEAP_ASK_JOBS, "text=nothing like this"), "{\"jobs\":[]");
        assert_string_equal(executor_run(&x, "t.add", "{\"x\":4}"), "4");
    }
    executor_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_in_pages),
        cmocka_unit_test(filters),
        cmocka_unit_test(refuses_bad_parameters),
        cmocka_unit_test(acts_in_bulk),
        cmocka_unit_test(retries),
        cmocka_unit_test(deletes),
        cmocka_unit_test(edits),
        cmocka_unit_test(stalls_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
