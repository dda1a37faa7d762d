#include "model/name.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void interns_once(void **state)
{
    (void)state;
    struct names *names = names_new();
    assert_null(names_find(names, "mail.send"));
    char text[] = "mail.send";
    const struct task_name *name = names_intern(names, text);
    assert_string_equal(name->text, "mail.send");
    assert_int_equal(name->index, 0);
    text[0] = 'x'; /* it keeps a copy */
    assert_ptr_equal(names_intern(names, "mail.send"), name);
    assert_ptr_equal(names_find(names, "mail.send"), name);
    assert_null(names_find(names, text));
    assert_int_equal(names_intern(names, "mail.sen")->index, 1);
    assert_int_equal(names_count(names), 2);
    names_free(names);
    names_free(NULL);
}

static void the_longest_name_fits_and_no_longer_one_is_found(void **state)
{
    (void)state;
    struct names *names = names_new();
    char longest[NEAP_TASK_MAX + 2];
    memset(longest, 'a', sizeof longest);
    longest[NEAP_TASK_MAX] = 0;
    const struct task_name *name = names_intern(names, longest);
    assert_string_equal(name->text, longest);
    longest[NEAP_TASK_MAX] = 'a';
    longest[NEAP_TASK_MAX + 1] = 0;
    assert_null(names_find(names, longest));
    names_free(names);
}

static void stays_put_while_the_table_grows(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    struct names *names = names_new();
    static const struct task_name *known[COUNT];
    char text[NEAP_TASK_MAX + 1];
    for (int i = 0; i < COUNT; i++) {
        snprintf(text, sizeof text, "plugin%d.task%d", i % 7, i);
        known[i] = names_intern(names, text);
    }
    for (int i = 0; i < COUNT; i++) {
        snprintf(text, sizeof text, "plugin%d.task%d", i % 7, i);
        assert_ptr_equal(names_find(names, text), known[i]);
        assert_int_equal(known[i]->index, i);
        assert_string_equal(known[i]->text, text);
    }
    assert_int_equal(names_count(names), COUNT);
    names_free(names);
}

#define THREADS 4
#define NAMES 500

struct user {
    struct names *names;
    const struct task_name *known[NAMES];
};

static void *intern_all(void *arg)
{
    struct user *user = arg;
    char text[NEAP_TASK_MAX + 1];
    for (int i = 0; i < NAMES; i++) {
        snprintf(text, sizeof text, "task%d", i);
        user->known[i] = names_find(user->names, text);
        if (!user->known[i])
            user->known[i] = names_intern(user->names, text);
    }
    return NULL;
}

static void threads_agree(void **state)
{
    (void)state;
    struct names *names = names_new();
    pthread_t threads[THREADS];
    static struct user users[THREADS];
    for (int i = 0; i < THREADS; i++) {
        users[i].names = names;
        assert_int_equal(pthread_create(&threads[i], NULL, intern_all, &users[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(names_count(names), NAMES);
    for (int i = 1; i < THREADS; i++)
        assert_memory_equal(users[i].known, users[0].known, sizeof users[0].known);
    names_free(names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(interns_once),
        cmocka_unit_test(the_longest_name_fits_and_no_longer_one_is_found),
        cmocka_unit_test(stays_put_while_the_table_grows),
        cmocka_unit_test(threads_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
