/* What a task gets at is a list, one for each sandbox, kept in tests/support: whoever adds to it
 * says so there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "runtime/vm.h"

static char *path_of(const char *name)
{
    const char *root = getenv("NEAP_ROOT");
    return mem_format("%s/tests/support/%s", root ? root : ".", name);
}

static char *read_file(const char *path)
{
    struct buf text = {0};
    char part[4096];
    FILE *file = fopen(path, "r");
    if (!file)
        fail_msg("no %s", path);
    for (size_t len; (len = fread(part, 1, sizeof part, file)) > 0;)
        buf_put(&text, part, len);
    fclose(file);
    buf_string(&text);
    return buf_take(&text);
}

/* What is reached, for NEAP_ACTUAL=DIR to be written out there: the list of next time. */
static void keep(const char *name, const char *text)
{
    const char *dir = getenv("NEAP_ACTUAL");
    if (!dir)
        return;
    char *path = mem_format("%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    free(path);
}

static void fail_at_difference(const char *name, const char *want, const char *have)
{
    int line = 1;
    while (*want && *want == *have) {
        line += *want == '\n';
        want++, have++;
    }
    while (line > 1 && want[-1] != '\n')
        want--, have--;
    fail_msg("tests/support/%s:%d: expected \"%.*s\", reached \"%.*s\" (NEAP_ACTUAL=DIR writes it)",
             name, line, (int)strcspn(want, "\n"), want, (int)strcspn(have, "\n"), have);
}

static void reaches(const char *name, bool strict)
{
    struct vm vm;
    struct neap_error err;
    char *script = path_of("reach.lua"), *golden = path_of(name);
    char *want = read_file(golden);
    if (vm_init(&vm, false, &err))
        fail_msg("%s", err.message);
    vm.strict = strict;
    lua_State *L = vm.L;
    if (luaL_loadfile(L, script))
        fail_msg("%s", lua_tostring(L, -1));
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm.main_ref);
    lua_getfield(L, -1, "load");
    lua_remove(L, -2);
    if (lua_pcall(L, 1, 1, 0))
        fail_msg("%s", lua_tostring(L, -1));
    const char *have = lua_tostring(L, -1);
    keep(name, have);
    if (strcmp(want, have) != 0)
        fail_at_difference(name, want, have);
    vm_close(&vm);
    free(want);
    free(golden);
    free(script);
}

static void standard(void **state)
{
    (void)state;
    reaches("reach_standard.txt", false);
}

static void strict(void **state)
{
    (void)state;
    reaches("reach_strict.txt", true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(standard), cmocka_unit_test(strict)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
