#include "base/mem.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void nothing_is_a_block_too(void **state)
{
    (void)state;
    void *blocks[] = {mem_alloc(0), mem_zero(0, 8), mem_zero(8, 0), mem_grow(NULL, 0, 8),
                      mem_copy(NULL, 0)};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        assert_non_null(blocks[i]);
        free(blocks[i]);
    }
}

static void zeroes_and_grows(void **state)
{
    (void)state;
    int *numbers = mem_zero(100, sizeof *numbers);
    for (int i = 0; i < 100; i++)
        assert_int_equal(numbers[i], 0);
    numbers[99] = 7;
    numbers = mem_grow(numbers, 10000, sizeof *numbers);
    assert_int_equal(numbers[99], 7);
    numbers[9999] = 1;
    free(numbers);
}

static void copies(void **state)
{
    (void)state;
    char *text = mem_text("neap");
    assert_string_equal(text, "neap");
    free(text);
    assert_null(mem_text(NULL));
    char *bytes = mem_copy("a\0b", 3);
    assert_memory_equal(bytes, "a\0b", 3);
    free(bytes);
    text = mem_format("%s-%d", "job", 12);
    assert_string_equal(text, "job-12");
    free(text);
}

static void a_size_that_overflows_aborts_and_says_so(void **state)
{
    (void)state;
    int fds[2], status;
    char said[200] = "";
    assert_int_equal(pipe(fds), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL); /* cmocka's handler would report a failed test */
        dup2(fds[1], STDERR_FILENO);
        mem_grow(NULL, SIZE_MAX / 2 + 2, 2); /* 2 bytes, if it wrapped */
        _exit(0);
    }
    close(fds[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_true(read(fds[0], said, sizeof said - 1) > 0);
    close(fds[0]);
    assert_string_equal(said, "neap: out of memory\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_a_block_too),
        cmocka_unit_test(zeroes_and_grows),
        cmocka_unit_test(copies),
        cmocka_unit_test(a_size_that_overflows_aborts_and_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
