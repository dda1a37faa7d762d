/* neap.shared's maps: values, times to live, limits, and threads that count together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "parts/shared.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static struct shared_item item(const char *key, const char *value, int64_t ttl_ms)
{
    return (struct shared_item){key, strlen(key), value, strlen(value), ttl_ms};
}

static bool holds(struct shared *map, const char *key, const char *value, int64_t now_ms)
{
    struct buf out = {0};
    const bool found = shared_get(map, key, strlen(key), &out, now_ms);
    const bool same = found && strcmp(buf_string(&out), value) == 0;
    buf_close(&out);
    return same;
}

static bool absent(struct shared *map, const char *key, int64_t now_ms)
{
    struct buf out = {0};
    const bool found = shared_get(map, key, strlen(key), &out, now_ms);
    buf_close(&out);
    return !found;
}

static void keeps_values(void **state)
{
    (void)state;
    struct shared_set *set = shared_set_new();
    struct shared *map = shared_open(set, "a"), *other = shared_open(set, "b");
    struct shared_item x = item("x", "1", 0), again = item("x", "2", 0);
    assert_ptr_equal(map, shared_open(set, "a"));
    assert_int_equal(shared_put(map, &x, 0), NEAP_OK);
    assert_true(holds(map, "x", "1", 0));
    assert_true(absent(other, "x", 0));
    assert_int_equal(shared_add(map, &again, 0), NEAP_EINVAL);
    assert_true(holds(map, "x", "1", 0));
    assert_int_equal(shared_put(map, &again, 0), NEAP_OK);
    assert_true(holds(map, "x", "2", 0));
    assert_true(shared_delete(map, "x", 1));
    assert_false(shared_delete(map, "x", 1));
    shared_set_free(set);
}

static void forgets_in_time(void **state)
{
    (void)state;
    struct shared_set *set = shared_set_new();
    struct shared *map = shared_open(set, "a");
    struct shared_item x = item("x", "1", 100), y = item("x", "2", 0);
    struct buf keys = {0};
    shared_put(map, &x, 1000);
    assert_true(holds(map, "x", "1", 1099));
    assert_true(absent(map, "x", 1100));
    assert_int_equal(shared_add(map, &y, 1100), NEAP_OK);
    shared_put(map, &x, 2000);
    assert_int_equal(shared_keys(map, &keys, 2050), 1);
    keys.len = 0;
    assert_int_equal(shared_keys(map, &keys, 2100), 0);
    buf_close(&keys);
    shared_set_free(set);
}

static void has_a_limit(void **state)
{
    (void)state;
    const size_t big = SHARED_BYTES_MAX / 2;
    struct shared_set *set = shared_set_new();
    struct shared *map = shared_open(set, "a");
    char *bytes = calloc(1, big);
    struct shared_item one = {"1", 1, bytes, big, 50}, two = {"2", 1, bytes, big, 0};
    assert_int_equal(shared_put(map, &one, 0), NEAP_OK);
    assert_int_equal(shared_put(map, &two, 10), NEAP_EFULL);
    assert_int_equal(shared_put(map, &two, 50), NEAP_OK); /* the first has expired */
    assert_int_equal(shared_put(map, &two, 60), NEAP_OK); /* in its own place */
    free(bytes);
    shared_set_free(set);
}

static void many_keys(void **state)
{
    (void)state;
    struct shared_set *set = shared_set_new();
    struct shared *map = shared_open(set, "a");
    char key[16];
    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof key, "k%d", i);
        struct shared_item x = item(key, key, 0);
        assert_int_equal(shared_put(map, &x, 0), NEAP_OK);
    }
    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_true(holds(map, key, key, 0));
    }
    shared_set_free(set);
}

static int plus_one(void *user, const void *old, size_t len, struct buf *out)
{
    int64_t value = 0;
    (void)user;
    if (len)
        memcpy(&value, old, sizeof value);
    value++;
    buf_put(out, &value, sizeof value);
    return NEAP_OK;
}

static void *count_up(void *map)
{
    for (int i = 0; i < 20000; i++)
        shared_change(map, "n", 1, 0, 0, plus_one, NULL);
    return NULL;
}

static void threads_count_together(void **state)
{
    (void)state;
    struct shared_set *set = shared_set_new();
    struct shared *map = shared_open(set, "a");
    struct buf out = {0};
    pthread_t threads[4];
    int64_t value;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, map), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_true(shared_get(map, "n", 1, &out, 0));
    memcpy(&value, out.data, sizeof value);
    assert_int_equal(value, 80000);
    buf_close(&out);
    shared_set_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_values),
        cmocka_unit_test(forgets_in_time),
        cmocka_unit_test(has_a_limit),
        cmocka_unit_test(many_keys),
        cmocka_unit_test(threads_count_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
