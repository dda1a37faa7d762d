/* What jobs print and log: line by line, long lines in pieces, the last of it kept with the job. */
#include "../support/executor.h"

#include <setjmp.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_MAX (64 * 1024)
#define PIECE_MAX (16 * 1024)

/* Owner: the test; the log function fills it under the lock. */
struct seen {
    pthread_mutex_t lock;
    size_t records, bytes, longest, cut;
    char last[256], fields[256];
};

static void on_log(void *user, const struct neap_log_record *record)
{
    struct seen *seen = user;
    if (!record->scripted)
        return;
    pthread_mutex_lock(&seen->lock);
    seen->records++;
    seen->bytes += record->text_len;
    if (record->text_len > seen->longest)
        seen->longest = record->text_len;
    if (record->text_len && ((unsigned char)record->text[0] & 0xC0) == 0x80)
        seen->cut++; /* begins in the middle of a character */
    snprintf(seen->last, sizeof seen->last, "%.*s",
             (int)(record->text_len < 200 ? record->text_len : 200), record->text);
    snprintf(seen->fields, sizeof seen->fields, "%s", record->fields ? record->fields : "");
    pthread_mutex_unlock(&seen->lock);
}

static void start(struct executor *x, struct seen *seen)
{
    struct neap_error err;
    memset(seen, 0, sizeof *seen);
    pthread_mutex_init(&seen->lock, NULL);
    executor_init(x);
    executor_write(x, "plugins/t/put.lua",
                   "return function(a)\n"
                   "  for _ = 1, a.times or 1 do io.write((a.text:rep(a.count or 1))) end\n"
                   "end\n");
    executor_write(
        x, "plugins/t/log.lua",
        "local neap = require 'neap'\n"
        "return function(a)\n"
        "  for i = 1, a.times do\n"
        "    neap.log.info(a.text:rep(a.count), { i = i, note = '\\0\\255', list = { 1 } })\n"
        "  end\n"
        "end\n");
    executor_write(
        x, "plugins/t/odd.lua",
        "local neap = require 'neap'\n"
        "return function()\n"
        "  assert(not pcall(neap.log.info))\n"
        "  assert(not pcall(neap.log.info, 'text', 'no table'))\n"
        "  assert(not pcall(neap.log.info, 'text', { f = print }))\n"
        "  neap.log.info(setmetatable({}, { __tostring = function() return 'odd' end }))\n"
        "  neap.log.warn(12) neap.log.error(nil)\n"
        "  warn('a ', 1, ' b') warn('@on')\n"
        "end\n");
    const struct neap_options options = {.size = sizeof options,
                                         .plugins = (const char *[]){x->ini},
                                         .n_plugins = 1,
                                         .user = seen,
                                         .on_log = on_log};
    snprintf(x->ini, sizeof x->ini, "%s/plugins", x->dir);
    assert_int_equal(neap_open(&x->n, &options, &err), NEAP_OK);
    assert_int_equal(neap_start(x->n, &err), NEAP_OK);
    assert_int_equal(neap_broken(x->n), 0);
}

/* Runs a job that is kept; its log. To free(). */
static char *run(struct executor *x, const char *task, const char *args, size_t *len)
{
    struct neap_job job;
    char *text = NULL;
    uint64_t id;
    const struct neap_request request = {.task = task, .args = args};
    assert_int_equal(neap_submit(x->n, &request, &id, NULL), NEAP_OK);
    assert_int_equal(neap_wait_idle(x->n, 20000), NEAP_OK);
    assert_int_equal(neap_get(x->n, id, &job, NULL), NEAP_OK);
    if (job.state != NEAP_COMPLETED)
        fail_msg("%s %s: %s", task, args, job.message);
    neap_job_free(&job);
    assert_int_equal(neap_job_log(x->n, id, &text, len, NULL), NEAP_OK);
    return text;
}

static void long_lines_come_in_pieces(void **state)
{
    static const char *const texts[] = {"x", "\\u00e9", "\\u20ac", "\\ud83d\\ude00"};
    struct executor x;
    struct seen seen;
    char args[128];
    size_t len;
    (void)state;
    start(&x, &seen);
    for (size_t i = 0; i < 4; i++) {
        seen.records = seen.bytes = seen.longest = 0;
        snprintf(args, sizeof args, "{\"text\":\"%s\",\"count\":100000}", texts[i]);
        free(run(&x, "t.put", args, &len));
        assert_int_equal(seen.bytes, (i + 1) * 100000);
        assert_true(seen.longest <= PIECE_MAX && seen.longest > PIECE_MAX - 4);
        assert_int_equal(seen.cut, 0);
    }
    seen.records = seen.bytes = 0;
    free(run(&x, "t.put", "{\"text\":\"ab\\ncd\\n\\nef\",\"times\":3}", &len));
    assert_int_equal(seen.records, 10); /* ab cd - efab cd - efab cd - ef */
    assert_string_equal(seen.last, "ef");
    executor_close(&x);
}

static void the_last_is_kept(void **state)
{
    struct executor x;
    struct seen seen;
    size_t len;
    (void)state;
    start(&x, &seen);
    char *text = run(&x, "t.put", "{\"text\":\"one\\ntwo\\nthree\"}", &len);
    assert_string_equal(text, "one\ntwo\nthree\n");
    free(text);
    text = run(&x, "t.put", "{\"text\":\"0123456789abcde\\n\",\"times\":100000}", &len);
    assert_int_equal(len, KEPT_MAX);
    assert_memory_equal(text + len - 16, "0123456789abcde\n", 16);
    free(text);
    text = run(&x, "t.log", "{\"text\":\"y\",\"count\":1000000,\"times\":20}", &len);
    assert_true(len <= KEPT_MAX);
    assert_memory_equal(text + len - 3, "yy\n", 3);
    free(text);
    text = run(&x, "t.log", "{\"text\":\"z\",\"count\":65535,\"times\":20}", &len);
    assert_true(len <= KEPT_MAX);
    free(text);
    executor_close(&x);
}

static void fields_are_json(void **state)
{
    struct executor x;
    struct seen seen;
    size_t len;
    (void)state;
    start(&x, &seen);
    free(run(&x, "t.log", "{\"text\":\"t\",\"count\":1,\"times\":1}", &len));
    assert_string_equal(seen.last, "t");
    assert_non_null(strstr(seen.fields, "\"i\":1"));
    assert_non_null(strstr(seen.fields, "\"list\":[1]"));
    assert_non_null(strstr(seen.fields, "\"note\":\"\\u0000\357\277\275\""));
    char *text = run(&x, "t.odd", NULL, &len);
    assert_string_equal(text, "odd\n12\nnil\na 1 b\n");
    free(text);
    executor_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_lines_come_in_pieces),
        cmocka_unit_test(the_last_is_kept),
        cmocka_unit_test(fields_are_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
