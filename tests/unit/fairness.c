/* A job that computes without end on the only worker: who starts meanwhile, how soon, and who does
 * not. The limits are those of medians: the machine may do other things. */
#include "executor.h"

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SLICE_MS = 10, ROUNDS = 200 };

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void start(struct executor *x)
{
    executor_init(x);
    executor_write(x, "neap.ini", "[pool default]\nworkers = 1\nslice = 10ms\n");
    executor_write(
        x, "plugins/s/spin.lua",
        "return { timeout = '60s', run = function() print 'spins' while true do end end }");
    executor_write(
        x, "plugins/z/spin.lua",
        "return { timeout = '60s', run = function() print 'z spins' while true do end end "
        "}");
    executor_write(x, "plugins/s/one.lua", "return function(n) return n end");
    executor_write(x, "plugins/o/one.lua", "return function(n) return n end");
    executor_start(x, 0);
    assert_string_equal(x->problems, "");
}

static uint64_t spin(struct executor *x, const char *task, const char *says, int priority)
{
    const uint64_t id = executor_request(
        x, (struct neap_request){.task = task, .priority_set = 1, .priority = priority});
    executor_await_printed(x, says);
    return id;
}

static void stop(struct executor *x, uint64_t id)
{
    char text[256];
    assert_int_equal(neap_cancel(x->n, id, NULL), NEAP_OK);
    const struct neap_outcome out = executor_next(x, text, sizeof text);
    assert_true(out.id == id && out.state == NEAP_CANCELLED);
}

/* The median of the times from submit to start of a short job of another plugin. (Its outcome may
 * take 5 ms more: the engine is not woken for each.) */
static double latency_ms(struct executor *x, int priority)
{
    double start_ms[ROUNDS], end_ms[ROUNDS];
    struct timespec pause = {0, 0};
    char text[64];
    for (int i = 0; i < ROUNDS; i++) {
        const double before_ms = now_ms();
        executor_request(
            x, (struct neap_request){
                   .task = "o.one", .args = "1", .priority_set = 1, .priority = priority});
        const struct neap_outcome out = executor_next(x, text, sizeof text);
        end_ms[i] = now_ms() - before_ms;
        start_ms[i] = (double)(out.started_ms - out.submitted_ms);
        assert_string_equal(text, "1");
        pause.tv_nsec = (i * 7919 % 10000) * 1000; /* at any point of a slice */
        nanosleep(&pause, NULL);
    }
    qsort(start_ms, ROUNDS, sizeof *start_ms, by_value);
    qsort(end_ms, ROUNDS, sizeof *end_ms, by_value);
    print_message(
        "# priority %d: started p50 %.0f ms, p99 %.0f, max %.0f; ended p50 %.1f, max %.1f\n",
        priority, start_ms[ROUNDS / 2], start_ms[ROUNDS * 99 / 100], start_ms[ROUNDS - 1],
        end_ms[ROUNDS / 2], end_ms[ROUNDS - 1]);
    return start_ms[ROUNDS / 2];
}

static void others_start_meanwhile(void **state)
{
    struct executor x;
    (void)state;
    start(&x);
    const uint64_t id = spin(&x, "s.spin", "spins", 0);
    assert_true(latency_ms(&x, 0) <= 2 * SLICE_MS);
    assert_true(latency_ms(&x, 10) <= SLICE_MS);
    stop(&x, id);
    executor_close(&x);
}

static void lesser_ones_and_the_same_plugin_do_not(void **state)
{
    struct executor x;
    char text[256];
    (void)state;
    start(&x);
    const uint64_t id = spin(&x, "s.spin", "spins", 0);
    for (int i = 0; i < 200; i++)
        executor_submit(&x, "s.one", "5");
    executor_request(
        &x, (struct neap_request){.task = "s.one", .args = "7", .priority_set = 1, .priority = 20});
    executor_request(&x, (struct neap_request){
                             .task = "o.one", .args = "6", .priority_set = 1, .priority = -10});
    for (int i = 0; i < 5; i++)
        assert_string_equal(executor_run(&x, "o.one", "1"), "1");
    assert_int_equal(executor_totals(&x).waiting, 202);
    stop(&x, id);
    int sum = 0;
    for (int i = 0; i < 202; i++) {
        const struct neap_outcome out = executor_next(&x, text, sizeof text);
        assert_true(out.state == NEAP_COMPLETED && out.attempt == 1);
        sum += atoi(text);
    }
    assert_int_equal(sum, 200 * 5 + 6 + 7);
    executor_close(&x);
}

/* What is set aside takes no slot: jobs of other plugins get past any number of it. And when all
 * may start again, no more do than there are slots. */
static void others_get_past_many(void **state)
{
    enum { MANY = 500, SLOTS = 20 };
    struct executor x;
    char text[256];
    (void)state;
    executor_init(&x);
    executor_write(&x, "neap.ini", "[pool default]\nworkers = 1\nslots = 20\n");
    executor_write(&x, "plugins/s/nap.lua",
                   "local neap = require 'neap' local now, most = 0, 0\n"
                   "return function(a)\n"
                   "  if a == 'spin' then print 'spins' while true do end end\n"
                   "  now = now + 1 if now > most then most = now end\n"
                   "  neap.sleep('1ms')\n"
                   "  now = now - 1\n"
                   "  return most end");
    executor_write(&x, "plugins/o/one.lua", "return function(n) return n end");
    executor_start(&x, 0);
    const uint64_t id = executor_submit(&x, "s.nap", "\"spin\"");
    executor_await_printed(&x, "spins");
    for (int i = 0; i < MANY; i++)
        executor_submit(&x, "s.nap", "0");
    for (int i = 0; i < 5; i++)
        assert_string_equal(executor_run(&x, "o.one", "1"), "1");
    stop(&x, id);
    for (int i = 0; i < MANY; i++) {
        const struct neap_outcome out = executor_next(&x, text, sizeof text);
        assert_true(out.state == NEAP_COMPLETED && out.attempt == 1);
        assert_in_range(atoi(text), 1, SLOTS);
    }
    executor_close(&x);
}

/* Also those that were set aside before the spinner was cancelled are given back, whole. */
static void nothing_is_lost_on_cancel_and_drain(void **state)
{
    struct executor x;
    uint64_t ids[20];
    char text[256];
    (void)state;
    start(&x);
    const uint64_t id = spin(&x, "s.spin", "spins", 0);
    for (int i = 0; i < 20; i++)
        ids[i] = executor_submit(&x, "s.one", "5");
    assert_string_equal(executor_run(&x, "o.one", "1"), "1");
    for (int i = 0; i < 20; i += 2) {
        assert_int_equal(neap_cancel(x.n, ids[i], NULL), NEAP_OK);
        const struct neap_outcome out = executor_next(&x, text, sizeof text);
        assert_true(out.id == ids[i] && out.state == NEAP_CANCELLED);
    }
    stop(&x, id);
    for (int i = 1; i < 20; i += 2) {
        const struct neap_outcome out = executor_next(&x, text, sizeof text);
        assert_true(out.id == ids[i] && out.state == NEAP_COMPLETED && out.attempt == 1);
    }
    executor_close(&x);
}

static void two_that_compute_share(void **state)
{
    struct executor x;
    char text[256];
    struct timespec second = {1, 0};
    (void)state;
    start(&x);
    const uint64_t a = spin(&x, "s.spin", "spins", 0), b = spin(&x, "z.spin", "z spins", 0);
    nanosleep(&second, NULL);
    neap_cancel(x.n, a, NULL);
    neap_cancel(x.n, b, NULL);
    const double one = executor_next(&x, text, sizeof text).cpu_ms;
    const double two = executor_next(&x, text, sizeof text).cpu_ms;
    print_message("# %.0f and %.0f ms\n", one, two);
    assert_true(one > 0.7 * two && two > 0.7 * one);
    executor_close(&x);
}

/* Over hundreds of slices a lesser one does not run at all; an equal one does. */
static void lesser_ones_get_nothing(void **state)
{
    struct executor x;
    char text[64];
    (void)state;
    executor_init(&x);
    executor_write(&x, "neap.ini", "[pool default]\nworkers = 1\nslice = 1ms\n");
    executor_write(&x, "plugins/l/spin.lua",
                   "local neap = require('neap')\n"
                   "return function() local n = neap.shared('n') print 'spins' while true do "
                   "n:incr('turns') end end");
    executor_write(&x, "plugins/h/work.lua",
                   "local neap = require('neap')\n"
                   "return function() local n = neap.shared('n')\n"
                   "  local before, t = n:get('turns'), os.clock()\n"
                   "  while os.clock() - t < 0.3 do end\n"
                   "  return n:get('turns') - before end");
    executor_start(&x, 0);
    const uint64_t id = spin(&x, "l.spin", "spins", -10);
    executor_request(&x,
                     (struct neap_request){.task = "h.work", .priority_set = 1, .priority = 10});
    executor_expect(&x, "0");
    executor_request(&x,
                     (struct neap_request){.task = "h.work", .priority_set = 1, .priority = -10});
    executor_next(&x, text, sizeof text);
    assert_true(atoi(text) > 1000);
    stop(&x, id);
    executor_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(others_start_meanwhile),
        cmocka_unit_test(lesser_ones_and_the_same_plugin_do_not),
        cmocka_unit_test(others_get_past_many),
        cmocka_unit_test(nothing_is_lost_on_cancel_and_drain),
        cmocka_unit_test(lesser_ones_get_nothing),
        cmocka_unit_test(two_that_compute_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
