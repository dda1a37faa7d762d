#include "parts/catalogue.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

enum { THREADS = 4, ROUNDS = 20000 };

static struct source *source_of(const char *name)
{
    struct source *source = mem_zero(1, sizeof *source);
    source->refs = 1;
    snprintf(source->name, sizeof source->name, "%s", name);
    source->dir = mem_text("plugins");
    return source;
}

static struct plugin *plugin_of(struct names *names, const char *name, const char *const *tasks)
{
    size_t count = 0;
    while (tasks[count])
        count++;
    struct plugin *plugin = plugin_new(source_of(name), 3, count);
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(plugin->tasks[i].plugin, plugin);
        plugin->tasks[i].name = names_intern(names, tasks[i]);
        plugin->tasks[i].summary = mem_text("does it");
        plugin->tasks[i].args_schema = mem_text("{}");
        plugin->tasks[i].config = mem_text("x");
    }
    return plugin;
}

static struct config *any_config(void)
{
    struct config *config = NULL;
    struct neap_error err;
    assert_int_equal(config_load(&config, &(struct config_source){0}, &err), NEAP_OK);
    return config;
}

static struct catalogue *make(struct names *names)
{
    struct plugin *plugins[] = {
        plugin_of(names, "log", (const char *const[]){"log.write", NULL}),
        plugin_of(names, "mail", (const char *const[]){"mail.send", "mail.report", NULL}),
    };
    names_intern(names, "gone.task");
    return catalogue_new(7, any_config(), plugins, 2, names_count(names), 1);
}

static void finds_tasks_by_name(void **state)
{
    (void)state;
    struct names *names = names_new();
    struct catalogue *c = make(names);
    assert_int_equal(c->serial, 7);
    assert_int_equal(c->broken, 1);
    const struct task_info *task = catalogue_task(c, names_find(names, "mail.report"));
    assert_string_equal(task->name->text, "mail.report");
    assert_int_equal(task->plugin->generation, 3);
    assert_null(catalogue_task(c, names_find(names, "gone.task")));
    assert_null(catalogue_task(c, names_intern(names, "came.later")));
    catalogue_unref(c);
    names_free(names);
}

static void a_timeout_given_at_submit_beats_the_task_s(void **state)
{
    (void)state;
    const struct task_info task = {.timeout_ms = 5000}, endless = {.timeout_ms = 0};
    struct job *job = job_new(NULL, NULL, 0);
    assert_int_equal(catalogue_timeout(&task, job), 5000);
    assert_int_equal(catalogue_timeout(&endless, job), 0);
    job_terms_own(job)->timeout_ms = 0;
    assert_int_equal(catalogue_timeout(&task, job), 0);
    job_terms_own(job)->timeout_ms = 7;
    assert_int_equal(catalogue_timeout(&endless, job), 7);
    job_terms_own(job)->timeout_ms = INT64_MAX; /* it must fit in nanoseconds */
    assert_in_range(catalogue_timeout(&task, job), 1, INT64_MAX / 1000000);
    job_free(NULL, job);
}

static void suggests_a_task(void **state)
{
    (void)state;
    struct names *names = names_new();
    struct catalogue *c = make(names);
    struct neap_error err;
    char longest[3000];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    assert_int_equal(catalogue_no_task(c, "mail.sned", &err), NEAP_ENOENT);
    assert_string_equal(err.message, "no such task: mail.sned (did you mean mail.send?)");
    assert_int_equal(catalogue_no_task(c, "else", &err), NEAP_ENOENT);
    assert_string_equal(err.message, "no such task: else");
    assert_int_equal(catalogue_no_task(c, longest, &err), NEAP_ENOENT);
    assert_int_equal(catalogue_no_task(c, "", NULL), NEAP_ENOENT);
    catalogue_unref(c);
    names_free(names);
}

static void an_empty_one_works(void **state)
{
    (void)state;
    struct neap_error err;
    struct catalogue *c = catalogue_new(1, any_config(), NULL, 0, 0, 0);
    assert_int_equal(catalogue_no_task(c, "x", &err), NEAP_ENOENT);
    catalogue_unref(c);
    catalogue_unref(NULL);
    plugin_unref(NULL);
}

static void *hold_and_drop(void *arg)
{
    struct catalogue *c = arg;
    for (int i = 0; i < ROUNDS; i++) {
        struct catalogue *mine = catalogue_ref(c);
        struct plugin *plugin = plugin_ref(mine->plugins[i % 2]);
        catalogue_unref(mine);
        plugin_unref(plugin);
    }
    catalogue_unref(c);
    return NULL;
}

static void threads_share_it(void **state)
{
    (void)state;
    struct names *names = names_new();
    struct catalogue *c = make(names);
    struct plugin *kept = plugin_ref(c->plugins[1]);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, hold_and_drop, catalogue_ref(c));
    catalogue_unref(c);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(kept->refs, 1); /* a worker's version outlives its catalogue */
    assert_string_equal(kept->source->name, "mail");
    plugin_unref(kept);
    names_free(names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_tasks_by_name),
        cmocka_unit_test(a_timeout_given_at_submit_beats_the_task_s),
        cmocka_unit_test(suggests_a_task),
        cmocka_unit_test(an_empty_one_works),
        cmocka_unit_test(threads_share_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
