/* A host with a module of its own for the tasks: they take from its stock, it stays the host's.
 *
 *     build/release/embed_module examples/embed/order.lua
 *     cc embed_module.c $(pkg-config --cflags --libs neap lua5.4)
 */
#include <neap.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

/* The host's data. Tasks run on several threads at once, so it needs a lock like anything else. */
static struct {
    const char *item;
    lua_Integer left;
} stock[] = {{"apple", 5}, {"pear", 2}};

static pthread_mutex_t stock_lock = PTHREAD_MUTEX_INITIALIZER;

/* How many are left after `count` were taken; negative: so many are missing, nothing was taken. */
static lua_Integer take(const char *item, lua_Integer count)
{
    lua_Integer left = -count;
    pthread_mutex_lock(&stock_lock);
    for (size_t i = 0; i < sizeof stock / sizeof *stock; i++) {
        if (strcmp(stock[i].item, item) != 0)
            continue;
        left = stock[i].left - count;
        if (left >= 0)
            stock[i].left = left;
    }
    pthread_mutex_unlock(&stock_lock);
    return left;
}

/* stock.take(item, count): what is left, or nil and a message. Nothing of Lua is called under the
 * lock: any of its functions may raise, and would leave it locked. */
static int stock_take(lua_State *L)
{
    const char *item = luaL_checkstring(L, 1);
    const lua_Integer count = luaL_checkinteger(L, 2);
    luaL_argcheck(L, count > 0, 2, "not positive");
    const lua_Integer left = take(item, count);
    if (left < 0) {
        lua_pushnil(L);
        lua_pushfstring(L, "%s: %I missing", item, (LUAI_UACINT)-left);
        return 2;
    }
    lua_pushinteger(L, left);
    return 1;
}

/* For neap_preload: what `require "stock"` calls, once a plugin and worker. */
static int open_stock(void *lua_state)
{
    static const luaL_Reg functions[] = {{"take", stock_take}, {NULL, NULL}};
    lua_State *L = lua_state;
    luaL_newlib(L, functions);
    return 1;
}

static void print_problem(void *user, const char *text)
{
    (void)user;
    fprintf(stderr, "%s\n", text);
}

static int order(neap *n, const char *args, struct neap_error *err)
{
    const struct neap_request request = {
        .task = neap_file_task(n), .args = args, .flags = NEAP_DELIVER};
    return neap_submit(n, &request, NULL, err);
}

static int run(neap *n, struct neap_error *err)
{
    enum { ORDERS = 6 };
    for (int i = 0; i < ORDERS; i++) {
        const int rc =
            order(n, i % 2 ? "{\"item\":\"apple\",\"count\":2}" : "{\"item\":\"pear\"}", err);
        if (rc)
            return rc;
    }
    for (int i = 0; i < ORDERS; i++) {
        struct neap_outcome out;
        neap_next(n, &out, -1);
        char *json = out.result ? neap_to_json(out.result, out.result_len) : NULL;
        printf("%s: %s\n", neap_state_name(out.state), json ? json : out.message);
        free(json);
        neap_outcome_free(&out);
    }
    return NEAP_OK;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: embed_module order.lua\n");
        return 64;
    }
    const struct neap_options options = {
        .size = sizeof options,
        .task_file = argv[1],
        .on_problem = print_problem,
    };
    struct neap_error err = {0};
    neap *n = NULL;
    int rc = neap_open(&n, &options, &err);
    if (rc == NEAP_OK)
        rc = neap_preload(n, "stock", open_stock, &err);
    if (rc == NEAP_OK)
        rc = neap_start(n, &err);
    if (rc == NEAP_OK)
        rc = run(n, &err);
    neap_close(n);
    if (rc)
        fprintf(stderr, "embed_module: %s\n", err.message);
    else
        for (size_t i = 0; i < sizeof stock / sizeof *stock; i++)
            printf("%s left: %" PRId64 "\n", stock[i].item, (int64_t)stock[i].left);
    return rc ? 1 : 0;
}
