/* Tasks that do their worst, tests/attack/run: each ends as it says and leaves its worker usable.
 * Files that do at their top level, tests/attack/load, are for tests/unit/stage.c. */
#include "../support/executor.h"

#include <setjmp.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lualib.h>

#include "model/codec.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILES_MAX = 64, NAME_LEN = 64, TEXT_LEN = 65536 };

static const char *from(const char *path)
{
    static char full[512];
    const char *root = getenv("NEAP_ROOT");
    snprintf(full, sizeof full, "%s/tests/attack/%s", root ? root : ".", path);
    return full;
}

static const char *read_file(const char *path)
{
    static char text[TEXT_LEN];
    FILE *file = fopen(from(path), "r");
    if (!file) {
        fail_msg("no %s: run this from the root of the repository", from(path));
        return "";
    }
    const size_t len = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    assert_true(len < sizeof text - 1);
    text[len] = 0;
    return text;
}

/* The names of the .lua files of a directory, without the suffix. */
static int list(const char *dir, char names[FILES_MAX][NAME_LEN])
{
    int count = 0;
    DIR *d = opendir(from(dir));
    if (!d) {
        fail_msg("no %s: run this from the root of the repository", from(dir));
        return 0;
    }
    for (struct dirent *e; (e = readdir(d)) && count < FILES_MAX;) {
        const size_t len = strlen(e->d_name);
        if (len > 4 && strcmp(e->d_name + len - 4, ".lua") == 0)
            snprintf(names[count++], NAME_LEN, "%.*s", (int)len - 4, e->d_name);
    }
    closedir(d);
    assert_true(count > 0 && count < FILES_MAX);
    return count;
}

/* --- run ----------------------------------------------------------------------------------------
 */

/* The next outcome: its state, and the text of its result or message. */
static int next(struct executor *x, char *text, size_t size)
{
    struct neap_outcome outcome;
    if (neap_next(x->n, &outcome, 60000) != NEAP_OK)
        fail_msg("no outcome within 60 s");
    char *json = outcome.result ? neap_to_json(outcome.result, outcome.result_len) : NULL;
    snprintf(text, size, "%s", json ? json : outcome.message ? outcome.message : "");
    free(json);
    const int state = outcome.state;
    neap_outcome_free(&outcome);
    return state;
}

static void run_case(struct executor *x, const char *plugin, const char *sandbox, lua_State *L)
{
    if (lua_getfield(L, -1, "only") == LUA_TSTRING && strcmp(lua_tostring(L, -1), sandbox) != 0) {
        lua_pop(L, 1);
        return;
    }
    lua_pop(L, 1);
    char task[NAME_LEN + 8], args[256], text[16384];
    lua_getfield(L, -1, "name");
    lua_getfield(L, -2, "state");
    lua_getfield(L, -3, "text");
    snprintf(task, sizeof task, "%.*s.task", NAME_LEN - 1, plugin);
    snprintf(args, sizeof args, "{\"case\":\"%s\"}", lua_tostring(L, -3));
    executor_submit(x, task, args);
    const char *state = neap_state_name(next(x, text, sizeof text));
    if (strcmp(state, lua_tostring(L, -2)) != 0 || !strstr(text, lua_tostring(L, -1)))
        fail_msg("%s: %s: %s: %s", plugin, lua_tostring(L, -3), state, text);
    executor_submit(x, "probe.task", NULL);
    if (next(x, text, sizeof text) != NEAP_COMPLETED)
        fail_msg("after %s: %s: %s", plugin, lua_tostring(L, -3), text);
    lua_pop(L, 3);
}

static void run_cases(struct executor *x, const char *plugin, const char *sandbox)
{
    char task[NAME_LEN + 8];
    struct neap_outcome outcome;
    lua_State *L = luaL_newstate();
    snprintf(task, sizeof task, "%.*s.task", NAME_LEN - 1, plugin);
    executor_submit(x, task, NULL);
    assert_int_equal(neap_next(x->n, &outcome, 60000), NEAP_OK);
    if (outcome.state != NEAP_COMPLETED)
        fail_msg("%s: %s", plugin, outcome.message);
    assert_int_equal(codec_decode(L, outcome.result, outcome.result_len, NULL), NEAP_OK);
    neap_outcome_free(&outcome);
    const int count = (int)lua_rawlen(L, -1);
    assert_true(count > 0);
    for (int i = 1; i <= count; i++, lua_pop(L, 1)) {
        lua_rawgeti(L, -1, i);
        run_case(x, plugin, sandbox, L);
    }
    lua_close(L);
}

static void end_as_they_say(const char *sandbox)
{
    struct executor x;
    static char names[FILES_MAX][NAME_LEN];
    char path[256], ini[128];
    executor_init(&x);
    snprintf(ini, sizeof ini, "[pool default]\nworkers = 1\nsandbox = %s\n", sandbox);
    executor_write(&x, "neap.ini", ini);
    executor_write(&x, "plugins/probe/task.lua", read_file("probe.lua"));
    const int count = list("run", names);
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "plugins/%.*s/lib/cases.lua", NAME_LEN - 1, names[i]);
        executor_write(&x, path, read_file("cases.lua"));
        char file[NAME_LEN + 8];
        snprintf(file, sizeof file, "run/%.*s.lua", NAME_LEN - 1, names[i]);
        snprintf(path, sizeof path, "plugins/%.*s/task.lua", NAME_LEN - 1, names[i]);
        executor_write(&x, path, read_file(file));
    }
    executor_start(&x, 0);
    assert_string_equal(x.problems, "");
    for (int i = 0; i < count; i++)
        run_cases(&x, names[i], sandbox);
    const char *lines =
        "one\t2\t3.0\tnil\ttrue\n\ntwo\nlines\na1 1.5 2\nbc\nto stderr\nno newline\n";
    if (!strstr(x.printed, lines))
        fail_msg("printed:\n%s", x.printed);
    executor_close(&x);
}

static void ends_as_it_says(void **state)
{
    (void)state;
    end_as_they_say("standard");
}

static void ends_as_it_says_in_strict(void **state)
{
    (void)state;
    end_as_they_say("strict");
}

/* --- load ---------------------------------------------------------------------------------------
 */

static void goes_on_without_it(void **state)
{
    struct executor x;
    (void)state;
    executor_init(&x);
    executor_write(&x, "neap.ini", "[pool default]\nworkers = 1\n");
    executor_write(&x, "plugins/loop/task.lua", read_file("load/pcall_loop.lua"));
    executor_write(&x, "plugins/probe/task.lua", read_file("probe.lua"));
    executor_start(&x, 0);
    assert_non_null(strstr(x.problems, "plugins/loop/task.lua: the top level of the file did not"));
    assert_string_equal(executor_run(&x, "probe.task", NULL), "\"fine\"");
    executor_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_as_it_says),
        cmocka_unit_test(ends_as_it_says_in_strict),
        cmocka_unit_test(goes_on_without_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
