/* Two plugins in one Lua state share nothing that either could change: tests/support/isolation.lua
 * walks all that is reachable from each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "runtime/vm.h"

static void nothing_is_shared(void **state)
{
    (void)state;
    struct vm vm;
    struct neap_error err;
    char path[512];
    const char *root = getenv("NEAP_ROOT");
    snprintf(path, sizeof path, "%s/tests/support/isolation.lua", root ? root : ".");
    if (vm_init(&vm, false, &err))
        fail_msg("%s", err.message);
    lua_State *L = vm.L;
    if (luaL_loadfile(L, path))
        fail_msg("%s", lua_tostring(L, -1));
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm.main_ref);
    lua_getfield(L, -1, "load");
    lua_remove(L, -2);
    vm.loading = true;
    if (lua_pcall(L, 1, 1, 0))
        fail_msg("%s", lua_tostring(L, -1));
    for (int i = 1; lua_rawgeti(L, -1, i) == LUA_TSTRING; i++, lua_pop(L, 1))
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
    lua_pop(L, 1);
    assert_int_equal(lua_rawlen(L, -1), 0);
    vm_close(&vm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_shared)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
