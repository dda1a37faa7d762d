/* Jobs that wait for other jobs; several at once; submitting without waiting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/executor.h"

static int setup(void **state)
{
    struct executor *x = calloc(1, sizeof *x);
    executor_init(x);
    executor_write(x, "neap.ini", "[queue shut]\npaused = yes\n");
    executor_write(x, "plugins/held.lua", "return { queue = 'shut', run = function() end }");
    executor_write(x, "plugins/ok.lua",
                   "return function(args, ctx) return { n = args.n, after = ctx.after } end");
    executor_write(x, "plugins/bad.lua", "return function() error('no') end");
    executor_write(x, "plugins/many.lua",
                   "local neap = require 'neap'\n"
                   "return function(args)\n"
                   "  local list = {}\n"
                   "  for i = 1, args.n do list[i] = { 'ok', { n = i } } end\n"
                   "  local last, jobs = neap.group(list, 'join', {})\n"
                   "  local ok, sum = last:wait()\n"
                   "  return { ok = ok, sum = sum, jobs = #jobs }\n"
                   "end");
    executor_write(x, "plugins/join.lua",
                   "local neap = require 'neap'\n"
                   "return function(args, ctx)\n"
                   "  local sum = 0\n"
                   "  for _, id in ipairs(ctx.after) do\n"
                   "    local ok, part = neap.job(id):wait()\n"
                   "    sum = sum + part.n\n"
                   "  end\n"
                   "  return sum\n"
                   "end");
    executor_write(x, "plugins/chain.lua",
                   "local neap = require 'neap'\n"
                   "return function(args)\n"
                   "  local list = {}\n"
                   "  for i = 1, args.n do list[i] = { i == args.bad and 'bad' or 'ok', {} } end\n"
                   "  local jobs, states = neap.chain(list), {}\n"
                   "  jobs[#jobs]:wait()\n"
                   "  for i = 1, #jobs do\n"
                   "    local s = jobs[i]:state()\n"
                   "    states[s] = (states[s] or 0) + 1\n"
                   "  end\n"
                   "  return states\n"
                   "end");
    executor_start(x, 0);
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    executor_close(*state);
    free(*state);
    return 0;
}

static uint64_t submit_after(struct executor *x, const char *task, const uint64_t *after, size_t n,
                             int after_failed)
{
    uint64_t id = 0;
    struct neap_error err = {0};
    const struct neap_request request = {.task = task,
                                         .after = after,
                                         .n_after = n,
                                         .after_failed = after_failed,
                                         .flags = NEAP_DELIVER};
    if (neap_submit(x->n, &request, &id, &err))
        fail_msg("%s", err.message);
    return id;
}

static int state_of(struct executor *x, uint64_t id)
{
    struct neap_job job;
    assert_int_equal(neap_get(x->n, id, &job, NULL), NEAP_OK);
    const int found = job.state;
    neap_job_free(&job);
    return found;
}

static uint64_t hold(struct executor *x)
{
    uint64_t id = 0;
    assert_int_equal(neap_submit(x->n, &(struct neap_request){.task = "held"}, &id, NULL), NEAP_OK);
    return id;
}

static void waits_for_all_of_them(void **state)
{
    struct executor *x = *state;
    const uint64_t parents[] = {hold(x), hold(x)};
    const uint64_t id = submit_after(x, "ok", parents, 2, NEAP_AFTER_CANCEL);
    assert_int_equal(state_of(x, id), NEAP_PENDING);
    executor_reload(x, "");
    char text[256], want[64], first[NEAP_ID_CHARS + 1], second[NEAP_ID_CHARS + 1];
    const struct neap_outcome outcome = executor_next(x, text, sizeof text);
    assert_int_equal(outcome.id, id);
    neap_id_text(parents[0], first);
    neap_id_text(parents[1], second);
    snprintf(want, sizeof want, "{\"after\":[\"%s\",\"%s\"]}", first, second);
    assert_string_equal(text, want);
}

static void a_parent_that_fails(void **state)
{
    struct executor *x = *state;
    const uint64_t parent = hold(x);
    const uint64_t gone = submit_after(x, "ok", &parent, 1, NEAP_AFTER_CANCEL);
    const uint64_t its_child = submit_after(x, "ok", &gone, 1, NEAP_AFTER_CANCEL);
    const uint64_t runs = submit_after(x, "ok", &parent, 1, NEAP_AFTER_RUN);
    assert_int_equal(neap_cancel(x->n, parent, NULL), NEAP_OK);
    int states[3] = {-1, -1, -1};
    for (int i = 0; i < 3; i++) {
        char text[256];
        const struct neap_outcome o = executor_next(x, text, sizeof text);
        states[o.id == gone ? 0 : o.id == its_child ? 1 : o.id == runs ? 2 : 9] = o.state;
    }
    assert_int_equal(states[0], NEAP_CANCELLED);
    assert_int_equal(states[1], NEAP_CANCELLED);
    assert_int_equal(states[2], NEAP_COMPLETED);
}

static void parents_that_have_ended(void **state)
{
    struct executor *x = *state;
    uint64_t done = 0, bad = 0;
    char text[256];
    assert_int_equal(neap_submit(x->n, &(struct neap_request){.task = "ok"}, &done, NULL), NEAP_OK);
    assert_int_equal(neap_submit(x->n, &(struct neap_request){.task = "bad"}, &bad, NULL), NEAP_OK);
    EXECUTOR_UNTIL(x, completed, 1);
    EXECUTOR_UNTIL(x, dead, 1);
    submit_after(x, "ok", &done, 1, NEAP_AFTER_CANCEL);
    assert_int_equal(executor_next(x, text, sizeof text).state, NEAP_COMPLETED);
    submit_after(x, "ok", &bad, 1, NEAP_AFTER_RUN);
    assert_int_equal(executor_next(x, text, sizeof text).state, NEAP_COMPLETED);
    submit_after(x, "ok", &bad, 1, NEAP_AFTER_CANCEL);
    assert_int_equal(executor_next(x, text, sizeof text).state, NEAP_CANCELLED);
    assert_non_null(strstr(text, "which it waited for, failed"));
}

static void unknown_parents_are_refused(void **state)
{
    struct executor *x = *state;
    const uint64_t none = 42;
    struct neap_error err;
    const struct neap_request request = {.task = "ok", .after = &none, .n_after = 1};
    assert_int_equal(neap_submit(x->n, &request, NULL, &err), NEAP_ENOENT);
    assert_int_equal(executor_totals(x).submitted, 0);
}

static void a_pending_job_can_be_cancelled(void **state)
{
    struct executor *x = *state;
    const uint64_t parent = hold(x);
    const uint64_t id = submit_after(x, "ok", &parent, 1, NEAP_AFTER_CANCEL);
    char text[256];
    assert_int_equal(neap_cancel(x->n, id, NULL), NEAP_OK);
    assert_int_equal(executor_next(x, text, sizeof text).state, NEAP_CANCELLED);
    executor_reload(x, ""); /* the parent runs and finds nobody */
    EXECUTOR_UNTIL(x, completed, 1);
}

static void groups_and_chains(void **state)
{
    struct executor *x = *state;
    assert_string_equal(executor_run(x, "many", "{\"n\":300}"),
                        "{\"jobs\":300,\"ok\":true,\"sum\":45150}");
    assert_string_equal(executor_run(x, "chain", "{\"n\":50}"), "{\"completed\":50}");
}

/* One cancel after the other, not one inside the other. */
static void a_long_chain_is_cancelled(void **state)
{
    struct executor *x = *state;
    assert_string_equal(executor_run(x, "chain", "{\"n\":20000,\"bad\":1}"),
                        "{\"cancelled\":19999,\"dead\":1}");
}

static void count_done(void *user, const struct neap_submitted *answer)
{
    assert_int_equal(answer->code, NEAP_OK);
    assert_int_not_equal(answer->id, 0);
    atomic_fetch_add((atomic_int *)user, 1);
}

static void note_code(void *user, const struct neap_submitted *answer)
{
    atomic_store((atomic_int *)user, answer->code);
}

static void without_waiting(void **state)
{
    struct executor *x = *state;
    atomic_int done = 0;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(neap_submit_start(x->n, &(struct neap_request){.task = "ok"}, -1, &done,
                                           count_done, NULL),
                         NEAP_OK);
    EXECUTOR_UNTIL(x, completed, 1000);
    assert_int_equal(atomic_load(&done), 1000);
    assert_int_equal(neap_submit_start(x->n, &(struct neap_request){.task = "none"}, -1, &done,
                                       count_done, NULL),
                     NEAP_ENOENT);
}

struct told {
    char text[512];
    atomic_int done;
};

static void note_text(void *user, const struct neap_submitted *answer)
{
    struct told *told = user;
    assert_int_equal(answer->code, NEAP_OK);
    if (answer->text)
        snprintf(told->text, sizeof told->text, "%.*s", (int)answer->len, answer->text);
    atomic_store(&told->done, 1);
}

static void submit_and_note(struct executor *x, unsigned flags, struct told *told)
{
    const struct neap_unique unique = {.key = "one"};
    *told = (struct told){0};
    assert_int_equal(neap_submit_start(x->n,
                                       &(struct neap_request){.task = "held",
                                                              .args = "{\"n\":1}",
                                                              .unique = &unique,
                                                              .flags = flags},
                                       -1, told, note_text, NULL),
                     NEAP_OK);
    for (int left = 4000; !atomic_load(&told->done); executor_pause(&left))
        ;
}

/* Of a job that was there already, too. */
static void the_answer_brings_the_document(void **state)
{
    struct executor *x = *state;
    struct told first, again, plain;
    submit_and_note(x, NEAP_DOCUMENT, &first);
    submit_and_note(x, NEAP_DOCUMENT, &again);
    submit_and_note(x, 0, &plain);
    assert_non_null(strstr(first.text, "\"task\":\"held\",\"queue\":\"shut\""));
    assert_non_null(strstr(first.text, "\"state\":\"available\""));
    assert_non_null(strstr(first.text, "\"args\":{\"n\":1}"));
    assert_string_equal(first.text, again.text);
    assert_string_equal(plain.text, "");
}

static void room_is_waited_for_so_long(void **state)
{
    struct executor *x = *state;
    executor_reload(x, "[queue shut]\npaused = yes\ncapacity = 1\n");
    hold(x);
    atomic_int code = 1, later = 1;
    const struct neap_request request = {.task = "held"};
    const int64_t from_ms = executor_now_ms();
    assert_int_equal(neap_submit_start(x->n, &request, 30, &code, note_code, NULL), NEAP_OK);
    assert_int_equal(neap_submit_start(x->n, &request, -1, &later, note_code, NULL), NEAP_OK);
    for (int left = 4000; atomic_load(&code) == 1; executor_pause(&left))
        ;
    assert_int_equal(atomic_load(&code), NEAP_EFULL);
    assert_true(executor_now_ms() - from_ms >= 29);
    assert_int_equal(atomic_load(&later), 1);
    executor_reload(x, "");
    for (int left = 4000; atomic_load(&later) == 1; executor_pause(&left))
        ;
    assert_int_equal(atomic_load(&later), NEAP_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(waits_for_all_of_them, setup, teardown),
        cmocka_unit_test_setup_teardown(a_parent_that_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(parents_that_have_ended, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_parents_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_pending_job_can_be_cancelled, setup, teardown),
        cmocka_unit_test_setup_teardown(groups_and_chains, setup, teardown),
        cmocka_unit_test_setup_teardown(a_long_chain_is_cancelled, setup, teardown),
        cmocka_unit_test_setup_teardown(without_waiting, setup, teardown),
        cmocka_unit_test_setup_teardown(the_answer_brings_the_document, setup, teardown),
        cmocka_unit_test_setup_teardown(room_is_waited_for_so_long, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
