/* raw THREADS JOBS integer|table FILE: the limit. Each thread has one Lua state and one coroutine
 * and does nothing for a job but decode its arguments and resume the function of FILE. Prints the
 * seconds from the first job to the last. */
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <lauxlib.h>
#include <lualib.h>

#include "base/buf.h"
#include "model/codec.h"

struct raw { /* one thread's, made by main */
    pthread_t thread;
    lua_State *state, *co;
    long jobs;
    const struct buf *args;
};

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void *run(void *arg)
{
    const struct raw *raw = arg;
    struct neap_error err;
    for (long i = 0; i < raw->jobs; i++) {
        lua_pushvalue(raw->state, 1);
        lua_xmove(raw->state, raw->co, 1);
        int results = codec_decode(raw->co, raw->args->data, raw->args->len, &err);
        assert(results == NEAP_OK);
        const int rc = lua_resume(raw->co, raw->state, 1, &results);
        assert(rc == LUA_OK);
        lua_pop(raw->co, results);
    }
    return NULL;
}

static void encode(lua_State *L, const char *kind, struct buf *args)
{
    if (strcmp(kind, "integer") == 0) {
        lua_pushinteger(L, 123456);
    } else {
        lua_createtable(L, 0, 2);
        lua_pushinteger(L, 123456);
        lua_setfield(L, -2, "id");
        lua_pushliteral(L, "render");
        lua_setfield(L, -2, "name");
    }
    struct neap_error err;
    const int rc = codec_encode(L, -1, "args", args, &err);
    assert(rc == NEAP_OK);
    lua_pop(L, 1);
}

static void open_raw(struct raw *raw, const char *file)
{
    raw->state = luaL_newstate();
    assert(raw->state);
    luaL_openlibs(raw->state);
    if (luaL_dofile(raw->state, file) != LUA_OK || !lua_isfunction(raw->state, -1)) {
        fprintf(stderr, "raw: %s returns no function\n", file);
        exit(1);
    }
    raw->co = lua_newthread(raw->state); /* the function is below it */
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: raw THREADS JOBS integer|table FILE\n");
        return 64;
    }
    const int n = atoi(argv[1]);
    struct raw *raws = calloc((size_t)n, sizeof *raws);
    assert(raws);
    struct buf args = {0};
    for (int i = 0; i < n; i++)
        open_raw(&raws[i], argv[4]);
    encode(raws[0].state, argv[3], &args);
    const double began = seconds_now();
    for (int i = 0; i < n; i++) {
        raws[i].args = &args;
        raws[i].jobs = atol(argv[2]) / n;
        const int rc = pthread_create(&raws[i].thread, NULL, run, &raws[i]);
        assert(rc == 0);
    }
    for (int i = 0; i < n; i++)
        pthread_join(raws[i].thread, NULL);
    printf("%.6f\n", seconds_now() - began);
    for (int i = 0; i < n; i++)
        lua_close(raws[i].state);
    buf_close(&args);
    free(raws);
    return 0;
}
