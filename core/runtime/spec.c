#include "runtime/spec.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "runtime/coro.h"
#include "runtime/vm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lualib.h>

#define SPEC_MS 10000 /* of real time for one test; virtual time is free */
#define SPEC_MIB 512
#define LOOK_EVERY 1000 /* instructions between two looks at the clock */
#define FILE_MAX (16 * 1024 * 1024)

/* Owner: the thread that runs the file. */
struct spec {
    struct vm vm; /* first: the state leads here */
    const struct spec_env *env;
    const char *path;
    struct buf text;            /* of the file */
    char *name;                 /* the test that runs; owned */
    int64_t began_ms, until_ns; /* of that test */
    bool late;                  /* past that; else, if it is doomed, too big */
};

static struct spec *spec_of(lua_State *L)
{
    return (struct spec *)(void *)vm_of(L);
}

static int64_t limit_ms(const struct spec *spec)
{
    return spec->env->options->limit_ms ? spec->env->options->limit_ms : SPEC_MS;
}

/* Past a limit every instruction raises, so that no pcall in a loop outlives it. */
static void look(lua_State *L, lua_Debug *ar)
{
    struct spec *spec = spec_of(L);
    (void)ar;
    spec->late |= clock_read_ns(CLOCK_MONOTONIC_COARSE) >= spec->until_ns;
    spec->vm.doomed |= spec->late || spec->vm.bytes > (size_t)SPEC_MIB * 1024 * 1024;
    if (!spec->vm.doomed)
        return;
    lua_sethook(L, look, LUA_MASKCOUNT, 1);
    coro_quit(L);
}

static void tell(struct spec *spec, int kind, const char *name, const char *message,
                 const char *traceback)
{
    const struct neap_test_options *options = spec->env->options;
    const struct neap_test_result result = {
        .file = spec->path,
        .name = name,
        .kind = kind,
        .message = message && *message ? message : NULL,
        .traceback = traceback && *traceback ? traceback : NULL,
        .took_ms = clock_mono_ms() - spec->began_ms,
    };
    if (options->on_result)
        options->on_result(options->user, &result);
}

/* --- what the Lua side calls ------------------------------------------------------------------ */

/* core.begin(name): a test begins, and its time. */
static int spec_begin(lua_State *L)
{
    struct spec *spec = spec_of(L);
    const char *name = luaL_checkstring(L, 1);
    free(spec->name);
    spec->name = mem_text(name);
    spec->began_ms = clock_mono_ms();
    spec->until_ns = clock_read_ns(CLOCK_MONOTONIC_COARSE) + limit_ms(spec) * 1000000;
    return 0;
}

/* core.report(kind, name [, message [, traceback]]) */
static int spec_report(lua_State *L)
{
    static const char *const kinds[] = {"ok", "failed", "pending", "error", NULL};
    const int kind = luaL_checkoption(L, 1, NULL, kinds); /* as enum neap_test_kind */
    tell(spec_of(L), kind, luaL_checkstring(L, 2), luaL_optstring(L, 3, NULL),
         luaL_optstring(L, 4, NULL));
    return 0;
}

/* core.say(text): what the spec prints */
static int spec_say(lua_State *L)
{
    size_t len;
    const struct neap_test_options *options = spec_of(L)->env->options;
    const char *text = luaL_checklstring(L, 1, &len);
    if (options->on_print)
        options->on_print(options->user, text, len);
    return 0;
}

/* core.set_loading(flag): does a task's file run its top level? */
static int spec_set_loading(lua_State *L)
{
    vm_of(L)->loading = lua_toboolean(L, 1);
    return 0;
}

/* core.helper(): no FILE is run here, so nothing lies beside one. */
static int spec_helper(lua_State *L)
{
    lua_pushnil(L);
    return 1;
}

/* parts.script(name): the chunk of scripts/NAME */
static int spec_script(lua_State *L)
{
    vm_load_script(L, luaL_checkstring(L, 1));
    return 1;
}

/* --- the file --------------------------------------------------------------------------------- */

static int read_text(struct spec *spec, struct neap_error *err)
{
    FILE *file = fopen(spec->path, "rbe");
    if (!file)
        return error_set(err, errno == ENOENT ? NEAP_ENOENT : NEAP_EIO, "%s: %s", spec->path,
                         strerror(errno));
    size_t n;
    do {
        buf_reserve(&spec->text, BUFSIZ);
        n = fread(spec->text.data + spec->text.len, 1, BUFSIZ, file);
        spec->text.len += n;
    } while (n > 0 && spec->text.len < FILE_MAX);
    const int rc =
        ferror(file) ? error_set(err, NEAP_EIO, "%s: %s", spec->path, strerror(errno)) : NEAP_OK;
    fclose(file);
    return rc;
}

static int run_file(lua_State *L) /* 1: spec (light) */
{
    static const luaL_Reg functions[] = {
        {"begin", spec_begin},   {"report", spec_report},           {"say", spec_say},
        {"helper", spec_helper}, {"set_loading", spec_set_loading}, {NULL, NULL},
    };
    struct spec *spec = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, spec->vm.main_ref);
    lua_getfield(L, -1, "parts");
    lua_getfield(L, -1, "core");
    luaL_setfuncs(L, functions, 0);
    lua_pop(L, 1);
    lua_pushcfunction(L, spec_script);
    lua_setfield(L, -2, "script");
    spec->vm.look = look;
    lua_sethook(L, look, LUA_MASKCOUNT, LOOK_EVERY);
    vm_load_script(L, "neap/test/run.lua");
    lua_insert(L, -2);
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "file");
    lua_pushstring(L, spec->path);
    lua_pushlstring(L, spec->text.data ? spec->text.data : "", spec->text.len);
    lua_pushstring(L, spec->env->options->filter);
    lua_call(L, 3, 0);
    return 0;
}

static int try_filter(lua_State *L) /* 1: the pattern (light) */
{
    lua_getglobal(L, "string");
    lua_getfield(L, -1, "find");
    lua_pushliteral(L, "");
    lua_pushstring(L, lua_touserdata(L, 1));
    lua_call(L, 2, 0);
    return 0;
}

int spec_check_filter(const char *filter, struct neap_error *err)
{
    lua_State *L = luaL_newstate();
    int rc = NEAP_OK;
    if (!L)
        return error_set(err, NEAP_EIO, "no memory for a Lua state");
    luaL_requiref(L, "string", luaopen_string, 1);
    lua_pushcfunction(L, try_filter);
    lua_pushlightuserdata(L, (void *)filter);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK)
        rc = error_set(err, NEAP_EINVAL, "filter: %s", lua_tostring(L, -1));
    lua_close(L);
    return rc;
}

static void say_doomed(struct spec *spec)
{
    static const char rest[] = "what follows in this file was not run";
    char *text = spec->late
                     ? mem_format("%s: did not end within %g s of real time; %s", spec->path,
                                  (double)limit_ms(spec) / 1000, rest)
                     : mem_format("%s: needs more than %d MiB; %s", spec->path, SPEC_MIB, rest);
    tell(spec, NEAP_TEST_FAILED, spec->name ? spec->name : "", text, NULL);
    free(text);
}

static void run_limited(struct spec *spec)
{
    lua_State *L = spec->vm.L;
    spec->vm.limit_bytes = (size_t)SPEC_MIB * 2 * 1024 * 1024; /* for one giant block */
    spec->vm.limited = true;
    lua_pushcfunction(L, run_file);
    lua_pushlightuserdata(L, spec);
    const int rc = lua_pcall(L, 1, 0, 0);
    spec->vm.limited = false;
    lua_sethook(L, NULL, 0, 0);
    if (spec->vm.doomed)
        say_doomed(spec);
    else if (rc != LUA_OK)
        tell(spec, NEAP_TEST_ERROR, "", lua_tostring(L, -1), NULL);
}

int spec_run(const char *path, const struct spec_env *env, struct neap_error *err)
{
    struct spec spec = {.path = path};
    int rc = vm_init(&spec.vm, false, err);
    if (rc)
        return rc;
    spec.env = env;
    spec.vm.preloads = env->preloads;
    spec.vm.stack = __builtin_frame_address(0);
    spec.began_ms = clock_mono_ms();
    spec.until_ns = clock_read_ns(CLOCK_MONOTONIC_COARSE) + limit_ms(&spec) * 1000000;
    rc = read_text(&spec, err);
    if (!rc)
        run_limited(&spec);
    vm_close(&spec.vm);
    buf_close(&spec.text);
    free(spec.name);
    return rc;
}
