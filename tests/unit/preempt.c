/* Preemption never shows in what a program computes: tests/support/random_programs.lua in stock Lua
 * and interrupted at every instruction, at every few, and now and then with the hook off between.
 * The same by the real monitor is in preempt_jobs.c. */
#include "../support/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/coro.h"
#include "runtime/interrupt.h"
#include "runtime/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

enum way { EVERY_INSTRUCTION, EVERY_FEW, NOW_AND_THEN, N_WAYS };

struct bench {
    struct vm vm; /* first: interrupted() gets from one to the other */
    struct run run;
    enum way way;
    unsigned left, random;
    uint64_t parked, refused;
};

static unsigned random_of(struct bench *b, unsigned below)
{
    b->random = b->random * 1664525 + 1013904223;
    return (b->random >> 8) % below;
}

static int interrupted(struct vm *vm, lua_State *L)
{
    struct bench *b = (struct bench *)vm;
    const bool waitable = coro_waitable(L);
    b->refused += !waitable;
    if (waitable && b->left == 0) {
        b->left = b->way == EVERY_INSTRUCTION ? 0 : random_of(b, 40);
        return VERDICT_GIVE_WAY;
    }
    b->left -= b->left > 0;
    interrupt_arm(vm);
    return VERDICT_GO_ON;
}

static int nothing(lua_State *L)
{
    (void)L;
    return 0;
}

/* What a program calls at odd places: waits, or has the interrupt come soon. */
static int wait(lua_State *L)
{
    struct bench *b = (struct bench *)vm_of(L);
    if (random_of(b, 2) == 0)
        interrupt_arm(&b->vm);
    if (random_of(b, 3) == 0 && coro_waitable(L))
        return coro_park(L, nothing);
    return 0;
}

static lua_State *stock(const char *text)
{
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    if (luaL_loadbuffer(L, text, strlen(text), "@random_programs.lua") || lua_pcall(L, 0, 1, 0))
        fail_msg("%s", lua_tostring(L, -1));
    return L;
}

static void digest_of(lua_State *L, int seed, char *out, size_t size)
{
    lua_getfield(L, 1, "run");
    lua_pushinteger(L, seed);
    lua_pushcfunction(L, nothing);
    if (lua_pcall(L, 2, 1, 0))
        fail_msg("%s", lua_tostring(L, -1));
    snprintf(out, size, "%s", lua_tostring(L, -1));
    lua_settop(L, 1);
}

static void bench_start(struct bench *b, const char *text)
{
    struct neap_error err;
    memset(b, 0, sizeof *b);
    if (vm_init(&b->vm, false, &err))
        fail_msg("%s", err.message);
    lua_State *L = b->vm.L;
    if (luaL_loadbuffer(L, text, strlen(text), "@random_programs.lua") || lua_pcall(L, 0, 1, 0))
        fail_msg("%s", lua_tostring(L, -1));
    lua_setglobal(L, "programs");
    b->run.main.co = lua_newthread(L);
    b->vm.interrupted = interrupted;
    b->vm.run = &b->run;
    b->vm.fiber = &b->run.main;
}

static void digest_preempted(struct bench *b, int seed, char *out, size_t size)
{
    lua_State *co = b->run.main.co; /* used again and again */
    int args = 2, status;
    lua_getglobal(co, "programs");
    lua_getfield(co, -1, "run");
    lua_remove(co, -2);
    lua_pushinteger(co, seed);
    lua_pushcfunction(co, wait);
    b->random = (unsigned)seed;
    b->left = 0;
    b->vm.armed = 1;
    while ((status = coro_run(co, b->vm.L, args)) == LUA_YIELD) {
        assert_true(b->vm.parking);
        assert_int_equal(b->vm.unyieldable, 0);
        b->vm.parking = false;
        b->parked++;
        b->vm.armed = b->way != NOW_AND_THEN || random_of(b, 4) == 0;
        args = 0;
    }
    if (status != LUA_OK)
        fail_msg("seed %d: %s", seed, lua_tostring(co, -1));
    snprintf(out, size, "%s", lua_tostring(co, -1));
    lua_settop(co, 0);
}

static void compare(enum way way, int first, int count)
{
    struct bench b;
    char want[64], got[64];
    char *text = tree_repository_file("tests/support/random_programs.lua");
    lua_State *L = stock(text);
    bench_start(&b, text);
    b.way = way;
    for (int seed = first; seed < first + count; seed++) {
        digest_of(L, seed, want, sizeof want);
        digest_preempted(&b, seed, got, sizeof got);
        if (strcmp(want, got) != 0)
            fail_msg("seed %d, way %d: %s, and %s preempted", seed, way, want, got);
    }
    print_message("# %llu preemptions and waits, %llu where nothing can wait\n",
                  (unsigned long long)b.parked, (unsigned long long)b.refused);
    assert_true(b.parked > (uint64_t)count * 100 && b.refused > 0);
    b.vm.run = NULL;
    b.vm.fiber = NULL;
    vm_close(&b.vm);
    lua_close(L);
    free(text);
}

/* NEAP_PROGRAMS: how many, for the long tier. */
static int programs(int usual)
{
    const char *asked = getenv("NEAP_PROGRAMS");
    return asked ? atoi(asked) : getenv("NEAP_SHORT") ? usual / 5 : usual;
}

static void at_every_instruction(void **state)
{
    (void)state;
    compare(EVERY_INSTRUCTION, 1, programs(30));
}

static void at_every_few(void **state)
{
    (void)state;
    compare(EVERY_FEW, 100000, programs(200));
}

static void now_and_then(void **state)
{
    (void)state;
    compare(NOW_AND_THEN, 200000, programs(200));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_every_instruction),
        cmocka_unit_test(at_every_few),
        cmocka_unit_test(now_and_then),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
