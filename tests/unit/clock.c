#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void wait_us(int64_t us)
{
    const int64_t until_ns = clock_mono_ns() + us * 1000;
    while (clock_mono_ns() < until_ns)
        ;
}

static void says_when_the_clock_has_moved(void **state)
{
    (void)state;
    uint64_t ticks = 0;
    assert_true(clock_moved(&ticks));
    for (int i = 0; i < 100; i++) {
        wait_us(100);
        assert_true(clock_moved(&ticks));
    }
    while (!clock_moved(&ticks)) /* it goes on to look where nothing is found */
        ;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_when_the_clock_has_moved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
