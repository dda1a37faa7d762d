#include "model/job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

static void holds_its_arguments(void **state)
{
    (void)state;
    struct job *job = job_new(NULL, "\x93\1\2\3", 4);
    assert_int_equal(job->args_len, 4);
    assert_memory_equal(job->args, "\x93\1\2\3", 4);
    assert_int_equal(job->id, 0);
    assert_int_equal(job_terms(job)->timeout_ms, -1);
    assert_null(job_left(job)->error);
    job_free(NULL, job);
}

static void leaves_arguments_to_be_filled_in(void **state)
{
    (void)state;
    struct job *job = job_new(NULL, NULL, 1000);
    assert_int_equal(job->args_len, 1000);
    memset(job->args, 'x', 1000);
    job_free(NULL, job);
    job = job_new(NULL, NULL, 0);
    assert_int_equal(job->args_len, 0);
    assert_int_equal(job_extra_bytes(job), 0);
    job_free(NULL, job);
    job_free(NULL, NULL);
}

static void is_small(void **state)
{
    (void)state;
    assert_true(sizeof(struct job) <= 224);
}

static void frees_what_it_owns(void **state)
{
    (void)state;
    struct job *job = job_new(NULL, "a", 1);
    job_terms_own(job)->retry = mem_copy(&RETRY_UNSET, sizeof(struct retry));
    job_left_own(job)->error = job_error_new("error", 1, "m", 1, NULL, 0);
    job_left_own(job)->result = mem_text("r");
    job_left_own(job)->result_len = 1;
    job_left_own(job)->log = mem_text("log");
    job_left_own(job)->log_len = 3;
    assert_int_equal(job_extra_bytes(job), 1 + 1 + 3 + sizeof(struct job_error) + 2);
    job_free(NULL, job); /* the sanitizer sees a leak */
}

static void error_copies_its_texts(void **state)
{
    (void)state;
    char message[] = "a\0b, boom", traceback[] = "stack: t.lua:3";
    struct job_error *e = job_error_new("timeout", 7, message, 9, traceback, 14);
    memset(message, '?', sizeof message);
    memset(traceback, '?', sizeof traceback);
    assert_string_equal(e->code, "timeout");
    assert_int_equal(e->attempt, 7);
    assert_memory_equal(e->message, "a\0b, boom", 10);
    assert_string_equal(e->traceback, "stack: t.lua:3");
    assert_int_equal(e->text_bytes, 10 + 15);
    free(e);
}

static void error_without_texts(void **state)
{
    (void)state;
    struct job_error *e = job_error_new("error", 1, NULL, 0, NULL, 0);
    assert_string_equal(e->message, "");
    assert_null(e->traceback);
    free(e);
    e = job_error_new("error", 1, "x", 1, "", 0);
    assert_string_equal(e->traceback, "");
    free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_its_arguments),
        cmocka_unit_test(leaves_arguments_to_be_filled_in),
        cmocka_unit_test(is_small),
        cmocka_unit_test(frees_what_it_owns),
        cmocka_unit_test(error_copies_its_texts),
        cmocka_unit_test(error_without_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
