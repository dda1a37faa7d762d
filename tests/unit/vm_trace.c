/* Tracebacks: the task's own frames, in stock Lua's form, at little cost however deep the stack. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "runtime/vm.h"

#include <stdio.h>
#include <string.h>

/* Runs the script protected; its traceback. Good until the next call. */
static const char *trace_of(struct vm *vm, const char *script)
{
    lua_State *L = vm->L;
    lua_settop(L, 0);
    lua_pushcfunction(L, vm_traceback);
    if (luaL_loadbuffer(L, script, strlen(script), "@task.lua"))
        fail_msg("%s", lua_tostring(L, -1));
    assert_int_equal(lua_pcall(L, 0, 0, 1), LUA_ERRRUN);
    assert_int_equal(lua_getfield(L, -1, "traceback"), LUA_TSTRING);
    return lua_tostring(L, -1);
}

static int count(const char *text, const char *what)
{
    int n = 0;
    for (; (text = strstr(text, what)); text += strlen(what))
        n++;
    return n;
}

static const struct {
    const char *script, *trace;
} cases[] = {
    {"error('x')", "stack traceback:\n"
                   "\t[C]: in function 'error'\n"
                   "\ttask.lua:1: in main chunk"},
    {"local t = {}\nfunction t.f() local x = nil; return x.y end\n"
     "local function g() t.f() return 1 end\ng()",
     "stack traceback:\n"
     "\ttask.lua:2: in field 'f'\n"
     "\ttask.lua:3: in local 'g'\n"
     "\ttask.lua:4: in main chunk"},
    {"local t = setmetatable({}, {__index = function() error('x') end})\nreturn t.x, 1",
     "stack traceback:\n"
     "\t[C]: in function 'error'\n"
     "\ttask.lua:1: in metamethod 'index'\n"
     "\ttask.lua:2: in main chunk"},
    {"local function f() error('x') end\nlocal function g() return f() end\ng()",
     "stack traceback:\n"
     "\t[C]: in function 'error'\n"
     "\ttask.lua:1: in function <task.lua:1>\n"
     "\t(...tail calls...)\n"
     "\ttask.lua:3: in main chunk"},
};

static void is_as_lua_writes_it(void **state)
{
    (void)state;
    struct vm vm;
    assert_int_equal(vm_init(&vm, false, NULL), NEAP_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(trace_of(&vm, cases[i].script), cases[i].trace);
    vm_close(&vm);
}

static void leaves_levels_out(void **state)
{
    (void)state;
    static const struct {
        int levels, shown;
        const char *says;
    } depths[] = {{5, 6, NULL},           {19, 20, NULL},
                  {20, 21, NULL},         {21, 21, "(skipping"},
                  {900, 21, "(skipping"}, {5000, 11, "(and many more levels)"}};
    struct vm vm;
    char script[256];
    assert_int_equal(vm_init(&vm, false, NULL), NEAP_OK);
    for (size_t i = 0; i < sizeof depths / sizeof *depths; i++) {
        snprintf(
            script, sizeof script,
            "local function f(n) if n == 0 then local x = nil; return x.y end f(n - 1) return 1 "
            "end\nf(%d)",
            depths[i].levels - 1);
        const char *trace = trace_of(&vm, script);
        if (count(trace, "task.lua:") != depths[i].shown ||
            (depths[i].says && !strstr(trace, depths[i].says)))
            fail_msg("%d levels: %d shown: %s", depths[i].levels, count(trace, "task.lua:"), trace);
    }
    vm_close(&vm);
}

/* The stock function takes hundreds of ms for this. */
static void is_quick_in_deep_stacks(void **state)
{
    (void)state;
    struct vm vm;
    assert_int_equal(vm_init(&vm, false, NULL), NEAP_OK);
    lua_State *L = vm.L;
    assert_int_equal(luaL_dostring(L, "function deep(n, f) if n == 0 then f() else deep(n - 1, f) "
                                      "end return 1 end"),
                     LUA_OK);
    lua_settop(L, 0);
    lua_pushcfunction(L, vm_traceback);
    lua_getglobal(L, "deep");
    lua_pushinteger(L, 150000);
    lua_getglobal(L, "error");
    const int64_t before = clock_mono_ns();
    assert_int_equal(lua_pcall(L, 2, 0, 1), LUA_ERRRUN);
    print_message("an error 150,000 levels deep: %d ms\n",
                  (int)((clock_mono_ns() - before) / 1000000));
    lua_getfield(L, -1, "traceback");
    assert_non_null(strstr(lua_tostring(L, -1), "in function 'deep'"));
    vm_close(&vm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_as_lua_writes_it),
        cmocka_unit_test(leaves_levels_out),
        cmocka_unit_test(is_quick_in_deep_stacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
