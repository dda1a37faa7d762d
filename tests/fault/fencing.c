/* An attempt that is over cannot end its job a second time: neither the store nor the engine takes
 * an outcome whose token is of an earlier claim. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "engine/engine_state.h"
#include "executor.h"
#include "neap_private.h"

static void write_store(struct executor *x, const char *kind)
{
    char text[200];
    if (strcmp(kind, "sqlite") == 0)
        snprintf(text, sizeof text, "[store]\nurl = sqlite:%s/neap.db\n", x->dir);
    else
        snprintf(text, sizeof text, "[store]\nurl = memory\n");
    strcat(text, "[pool default]\nworkers = 1\n");
    executor_write(x, "neap.ini", text);
}

/* Opened and not started: the store is this thread's. */
static struct job *claimed(const struct store_ops *ops, struct store *s, int64_t now_ms)
{
    struct job *job = NULL;
    assert_int_equal(ops->claim(s, 0, now_ms, &job, 1), 1);
    return job;
}

static void store_takes_one(void **state)
{
    struct executor x;
    struct neap_error err;
    executor_init(&x);
    write_store(&x, *state);
    executor_write(&x, "plugins/t/one.lua", "return function() end\n");
    snprintf(x.ini, sizeof x.ini, "%s/neap.ini", x.dir);
    const struct neap_options options = {.size = sizeof options, .config_file = x.ini};
    if (neap_open(&x.n, &options, &err))
        fail_msg("%s", err.message);
    struct store *s = x.n->engine->store;
    const struct store_ops *ops = x.n->engine->ops;
    const int64_t now_ms = executor_now_ms();
    struct job *job = job_new(NULL, NULL, 0);
    const uint64_t id = job->id = id_next(&x.n->ids, now_ms);
    job->task = names_intern(x.n->names, "t.one");
    job->gate = gates_intern(x.n->gates, "default");
    job->submitted_ms = now_ms;
    ops->put(s, job, now_ms);
    assert_int_equal(ops->commit(s, &err), NEAP_OK);

    assert_ptr_equal(claimed(ops, s, now_ms), ops->get(s, id));
    job = ops->get(s, id);
    const uint32_t first = job->token;
    assert_int_equal(ops->finish(s, job, first + 1, NEAP_COMPLETED, true, now_ms), NEAP_ESTALE);
    assert_int_equal(ops->finish(s, job, first, NEAP_RETRYABLE, true, now_ms), NEAP_OK);
    assert_int_equal(ops->finish(s, job, first, NEAP_COMPLETED, true, now_ms), NEAP_ESTALE);
    assert_int_equal(ops->commit(s, &err), NEAP_OK);
    assert_ptr_equal(claimed(ops, s, now_ms), ops->get(s, id));
    job = ops->get(s, id);
    assert_true(job->token > first);
    assert_int_equal(ops->finish(s, job, first, NEAP_COMPLETED, true, now_ms), NEAP_ESTALE);
    assert_true(job->claimed && !job_left(job)->result);
    ops->give_back(s, job, now_ms);
    assert_ptr_equal(claimed(ops, s, now_ms), ops->get(s, id));
    job = ops->get(s, id);
    assert_int_equal(ops->finish(s, job, job->token - 1, NEAP_DEAD, true, now_ms), NEAP_ESTALE);
    assert_int_equal(ops->finish(s, job, job->token, NEAP_COMPLETED, true, now_ms), NEAP_OK);
    assert_int_equal(ops->commit(s, &err), NEAP_OK);
    assert_int_equal(ops->get(s, id)->state, NEAP_COMPLETED);
    executor_close(&x);
}

/* As a worker that was given up would post it if it could. */
static void post_outcome(struct executor *x, struct job *job, uint32_t token)
{
    struct outcome *outcome = outcome_new(NULL, job, OUTCOME_COMPLETED);
    outcome->token = token;
    outcome->result = mem_copy("\xa5stale", 6);
    outcome->result_len = 6;
    mailbox_post(engine_mailbox(x->n->engine), &outcome->message);
}

static void engine_takes_one(void **state)
{
    struct executor x;
    struct neap_job job;
    struct neap_error err;
    char text[100];
    executor_init(&x);
    write_store(&x, *state);
    executor_write_blocker(&x);
    executor_start(&x, 0);
    const uint64_t id = executor_submit(&x, "t.block", NULL);
    executor_await(&x, "blocked");
    assert_int_equal(neap_get(x.n, id, &job, &err), NEAP_OK); /* and the engine sleeps again */
    neap_job_free(&job);
    struct job *inside = x.n->engine->ops->get(x.n->engine->store, id);
    post_outcome(&x, inside, inside->token - 1);
    post_outcome(&x, inside, inside->token + 1);
    assert_int_equal(neap_get(x.n, id, &job, &err), NEAP_OK);
    assert_int_equal(job.state, NEAP_RUNNING);
    neap_job_free(&job);
    executor_write(&x, "go", "");
    const struct neap_outcome outcome = executor_next(&x, text, sizeof text);
    assert_int_equal(outcome.state, NEAP_COMPLETED);
    assert_string_equal(text, "\"free\"");
    executor_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"memory: store", store_takes_one, NULL, NULL, "memory"},
        {"memory: engine", engine_takes_one, NULL, NULL, "memory"},
        {"sqlite: store", store_takes_one, NULL, NULL, "sqlite"},
        {"sqlite: engine", engine_takes_one, NULL, NULL, "sqlite"},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
