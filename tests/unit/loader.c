/* The loader on real directories; staging is a stand-in: a chunk must compile and return a function
 * or a table {queue = NAME, needs = KEY of its configuration}. */
#include "runtime/loader.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lualib.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "runtime/stage.h"
#include "tree.h"

enum { WAIT_MS = 20000, RELOADS = 300 };

/* --- the stand-in -------------------------------------------------------------------------------
 */

static void complain(const struct stage_env *env, const char *where, const char *what)
{
    char text[1024];
    snprintf(text, sizeof text, "%s: %s", where, what);
    env->problem(env->user, text);
}

struct wanted {
    const char *key;
    bool found;
};

static void see_key(void *user, const char *key, const char *value, bool secret)
{
    struct wanted *wanted = user;
    (void)value;
    (void)secret;
    wanted->found |= !strcmp(key, wanted->key);
}

static bool stage_file(lua_State *L, const struct source_file *file, const char *path,
                       const struct stage_env *env, struct task_info *info, const char *task)
{
    const char *queue = NULL;
    struct wanted wanted = {0};
    if (!strncmp(path, "neap:", 5)) { /* stock: needs the real thing */
        lua_pushcfunction(L, luaopen_base);
    } else if (!file->len) {
        complain(env, path, "the file is empty");
        return false;
    } else if (luaL_loadbufferx(L, file->data, file->len, path, "t") || lua_pcall(L, 0, 1, 0)) {
        complain(env, path, lua_tostring(L, -1));
        return false;
    }
    if (lua_istable(L, -1)) {
        lua_getfield(L, -1, "queue");
        queue = lua_tostring(L, -1);
        lua_getfield(L, -2, "needs");
        wanted.key = lua_tostring(L, -1);
        if (wanted.key)
            config_task_each(env->config, task, &wanted, see_key);
        if (wanted.key && !wanted.found) {
            complain(env, path, "a configuration key is missing");
            return false;
        }
    } else if (!lua_isfunction(L, -1)) {
        complain(env, path, "no task");
        return false;
    }
    const char *configured = config_task_queue(env->config, task);
    info->name = names_intern(env->names, task);
    info->gate = gates_intern(env->gates, configured ? configured : queue ? queue : "default");
    return true;
}

int stage_plugin(struct source *source, unsigned generation, const struct stage_env *env,
                 struct plugin **out, struct neap_error *err)
{
    lua_State *L = luaL_newstate();
    luaL_requiref(L, "_G", luaopen_base, 1);
    lua_settop(L, 0);
    size_t count = 0, n = 0;
    bool good = true;
    for (size_t i = 0; i < source->n_files; i++)
        count += source->files[i].task;
    struct plugin *plugin = plugin_new(source_ref(source), generation, count);
    for (size_t i = 0; i < source->n_files; i++) {
        const struct source_file *file = &source->files[i];
        char task[128];
        snprintf(task, sizeof task, "%s.%.*s", source->name, (int)strlen(file->path) - 4,
                 file->path);
        if (source->single)
            snprintf(task, sizeof task, "%s", source->name);
        if (!file->task)
            continue;
        char *path = source_path(source, file->path);
        plugin->tasks[n].file = i;
        good &= stage_file(L, file, path, env, &plugin->tasks[n++], task);
        lua_settop(L, 0);
        free(path);
    }
    lua_close(L);
    if (good) {
        *out = plugin;
        return NEAP_OK;
    }
    plugin_unref(plugin);
    return error_set(err, NEAP_ECONFIG, "plugin %s is broken", source->name);
}

/* --- what a test looks at -----------------------------------------------------------------------
 */

struct fixture {
    struct tree tree;
    struct names *names;
    struct gates *gates;
    struct config *config;
    struct loader *loader;
    struct neap_error err;
    char root[512];
    pthread_mutex_t lock; /* guards what follows */
    struct catalogue *catalogue;
    char *problems; /* a line each */
    bool backwards; /* a generation went back */
};

static const struct plugin *find_plugin(const struct catalogue *c, const char *name)
{
    for (size_t i = 0; c && i < c->n_plugins; i++)
        if (!strcmp(c->plugins[i]->source->name, name))
            return c->plugins[i];
    return NULL;
}

static void on_publish(void *user, struct catalogue *catalogue)
{
    struct fixture *f = user;
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < catalogue->n_plugins; i++) {
        const struct plugin *new = catalogue->plugins[i];
        const struct plugin *old = find_plugin(f->catalogue, new->source->name);
        f->backwards |= old && new->generation < old->generation;
        f->backwards |= old && new != old &&new->generation == old->generation;
    }
    f->backwards |= f->catalogue && catalogue->serial != f->catalogue->serial + 1;
    struct catalogue *before = f->catalogue;
    f->catalogue = catalogue;
    pthread_mutex_unlock(&f->lock);
    catalogue_unref(before);
}

static void on_problem(void *user, const char *text)
{
    struct fixture *f = user;
    pthread_mutex_lock(&f->lock);
    char *more = mem_format("%s%s\n", f->problems ? f->problems : "", text);
    free(f->problems);
    f->problems = more;
    pthread_mutex_unlock(&f->lock);
}

static struct catalogue *now(struct fixture *f)
{
    pthread_mutex_lock(&f->lock);
    struct catalogue *c = f->catalogue ? catalogue_ref(f->catalogue) : NULL;
    pthread_mutex_unlock(&f->lock);
    return c;
}

static unsigned generation(struct fixture *f, const char *plugin) /* 0: it is not there */
{
    struct catalogue *c = now(f);
    const struct plugin *found = find_plugin(c, plugin);
    unsigned number = found ? found->generation : 0;
    catalogue_unref(c);
    return number;
}

static int said(struct fixture *f, const char *text) /* how often */
{
    int times = 0;
    pthread_mutex_lock(&f->lock);
    for (const char *at = f->problems; at && (at = strstr(at, text)); at++)
        times++;
    pthread_mutex_unlock(&f->lock);
    return times;
}

/* Is `task` there, with `text` in its file (or nowhere, with NULL)? */
static bool serves(struct fixture *f, const char *task, const char *text)
{
    const struct task_name *name = names_find(f->names, task);
    struct catalogue *c = now(f);
    const struct task_info *info = name && c ? catalogue_task(c, name) : NULL;
    bool yes = info ? text && strstr(info->plugin->source->files[info->file].data, text) : !text;
    catalogue_unref(c);
    return yes;
}

#define WAIT_FOR(condition)                                                                        \
    do {                                                                                           \
        const int64_t until_ms = clock_mono_ms() + WAIT_MS;                                        \
        while (!(condition) && clock_mono_ms() < until_ms)                                         \
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);                               \
        if (!(condition))                                                                          \
            fail_msg("waited in vain for: %s; problems: %s", #condition, f->problems);             \
    } while (0)

static struct config *configure(struct fixture *f, const char *const *settings)
{
    struct config *config = NULL;
    const char *dirs[] = {f->root};
    size_t n = 0;
    while (settings && settings[n])
        n++;
    struct config_source source = {.settings = settings,
                                   .n_settings = n,
                                   .plugins = dirs,
                                   .n_plugins = f->root[0] != 0,
                                   .problem = on_problem,
                                   .user = f};
    if (config_load(&config, &source, &f->err))
        fail_msg("%s", f->err.message);
    return config;
}

static int open_loader(struct fixture *f, bool service)
{
    struct loader_env env = {.names = f->names,
                             .gates = f->gates,
                             .service = service,
                             .user = f,
                             .publish = on_publish,
                             .problem = on_problem};
    if (!f->config)
        f->config = configure(f, NULL);
    return loader_new(&f->loader, &env, f->config, &f->err);
}

static void start(struct fixture *f)
{
    assert_int_equal(open_loader(f, true), NEAP_OK);
    assert_int_equal(loader_start(f->loader, &f->err), NEAP_OK);
}

static int reload(struct fixture *f, const char *const *settings)
{
    struct config *config = configure(f, settings);
    int rc = loader_reload(f->loader, config, &f->err);
    config_unref(config);
    return rc;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    tree_init(&f->tree);
    tree_mkdir(&f->tree, "plugins");
    tree_path(&f->tree, "plugins", f->root);
    f->names = names_new();
    f->gates = gates_new();
    pthread_mutex_init(&f->lock, NULL);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    loader_free(f->loader);
    assert_false(f->backwards);
    catalogue_unref(f->catalogue);
    config_unref(f->config);
    names_free(f->names);
    gates_free(f->gates);
    pthread_mutex_destroy(&f->lock);
    free(f->problems);
    tree_close(&f->tree);
    free(f);
    return 0;
}

static int count_fds(void)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

/* --- tests --------------------------------------------------------------------------------------
 */

static void loads_what_is_there(void **state)
{
    struct fixture *f = *state;
    tree_write(&f->tree, "plugins/good/t.lua", "return function() end");
    tree_write(&f->tree, "plugins/hello.lua", "return {queue = 'greetings'}");
    tree_write(&f->tree, "plugins/bad/t.lua", "return function(");
    assert_int_equal(open_loader(f, false), NEAP_OK);
    assert_int_equal(generation(f, "good"), 1);
    assert_true(serves(f, "good.t", "function"));
    assert_true(serves(f, "hello", "greetings"));
    assert_int_equal(generation(f, "bad"), 0);
    assert_int_equal(loader_broken(f->loader), 1);
    assert_int_equal(said(f, "plugins/bad/t.lua"), 2); /* once by us, once by Lua */
    assert_true(gates_find(f->gates, "greetings")->open);
    assert_true(gates_find(f->gates, "default")->open);
    assert_int_equal(gates_find(f->gates, "default")->capacity, 1000000);
}

static void a_missing_root_fails(void **state)
{
    struct fixture *f = *state;
    tree_path(&f->tree, "elsewhere", f->root);
    assert_int_equal(open_loader(f, false), NEAP_ENOENT);
    assert_non_null(strstr(f->err.message, "elsewhere"));
    assert_null(f->catalogue);
}

static void an_edit_is_a_new_generation(void **state)
{
    struct fixture *f = *state;
    tree_write(&f->tree, "plugins/p/t.lua", "return function() return 1 end");
    tree_write(&f->tree, "plugins/q/t.lua", "return function() return 1 end");
    start(f);
    tree_write(&f->tree, "plugins/p/t.lua", "return function() return 2 end");
    WAIT_FOR(serves(f, "p.t", "return 2"));
    assert_int_equal(generation(f, "p"), 2);
    tree_write(&f->tree, "plugins/p/t.lua", "return function() return 2 end"); /* only a touch */
    tree_write(&f->tree, "plugins/q/lib/x.lua", "return 1");
    WAIT_FOR(generation(f, "q") == 2);
    tree_write(&f->tree, "plugins/q/lib/x.lua", "return 2");
    WAIT_FOR(generation(f, "q") == 3);
    assert_int_equal(generation(f, "p"), 2);
    tree_write(&f->tree, "plugins/q/.new", "return function() return 9 end");
    tree_rename(&f->tree, "plugins/q/.new", "plugins/q/t.lua");
    WAIT_FOR(serves(f, "q.t", "return 9"));
    assert_null(f->problems);
}

static void a_broken_edit_keeps_the_last_good_version(void **state)
{
    struct fixture *f = *state;
    tree_write(&f->tree, "plugins/p/t.lua", "return function() return 1 end");
    tree_write(&f->tree, "plugins/q/t.lua", "return function() return 1 end");
    start(f);
    tree_write(&f->tree, "plugins/p/t.lua", "return (nothing");
    WAIT_FOR(loader_broken(f->loader) == 1);
    tree_write(&f->tree, "plugins/q/t.lua", "return function() return 2 end");
    WAIT_FOR(serves(f, "q.t", "return 2"));
    tree_write(&f->tree, "plugins/p/t.lua", "return (nothing"); /* the same mistake again */
    tree_write(&f->tree, "plugins/q/t.lua", "return function() return 3 end");
    WAIT_FOR(serves(f, "q.t", "return 3"));
    assert_int_equal(said(f, "')' expected"), 1);
    assert_true(serves(f, "p.t", "return 1"));
    tree_write(&f->tree, "plugins/p/t.lua", "%s", "");
    WAIT_FOR(said(f, "p/t.lua: the file is empty"));
    tree_write(&f->tree, "plugins/p/t.lua", "return error('odd')");
    WAIT_FOR(said(f, "odd"));
    assert_int_equal(generation(f, "p"), 1);
    assert_int_equal(said(f, "whole again"), 0);
    tree_write(&f->tree, "plugins/p/t.lua", "return function() return 1 end"); /* as it was */
    WAIT_FOR(said(f, "p is whole again"));
    assert_int_equal(generation(f, "p"), 1);
    assert_int_equal(loader_broken(f->loader), 0);
    tree_write(&f->tree, "plugins/p/t.lua", "return (nothing");
    WAIT_FOR(said(f, "')' expected") == 2);
    tree_write(&f->tree, "plugins/p/t.lua", "return function() return 2 end");
    WAIT_FOR(said(f, "p is whole again") == 2);
    assert_int_equal(generation(f, "p"), 2);
}

static void tasks_come_and_go(void **state)
{
    struct fixture *f = *state;
    tree_write(&f->tree, "plugins/p/t.lua", "return function() return 1 end");
    start(f);
    tree_write(&f->tree, "plugins/p/u.lua", "return function() return 1 end");
    WAIT_FOR(serves(f, "p.u", "return 1"));
    tree_remove(&f->tree, "plugins/p/t.lua");
    WAIT_FOR(serves(f, "p.t", NULL));
    tree_rename(&f->tree, "plugins/p/u.lua", "plugins/p/v.lua");
    WAIT_FOR(serves(f, "p.u", NULL) && serves(f, "p.v", "return 1"));
    assert_int_equal(generation(f, "p"), 4);
    tree_rename(&f->tree, "plugins/p", "plugins/q");
    WAIT_FOR(serves(f, "p.v", NULL) && serves(f, "q.v", "return 1"));
    assert_int_equal(generation(f, "p"), 0);
    tree_rename(&f->tree, "plugins/q", "plugins/p");
    WAIT_FOR(serves(f, "p.v", "return 1"));
    assert_int_equal(generation(f, "p"), 5); /* it never goes back */
    tree_mkdir(&f->tree, "plugins/later");
    tree_write(&f->tree, "plugins/single.lua", "return function() return 1 end");
    WAIT_FOR(serves(f, "single", "return 1"));
    tree_write(&f->tree, "plugins/later/t.lua", "return function() return 1 end");
    WAIT_FOR(serves(f, "later.t", "return 1"));
    tree_remove(&f->tree, "plugins/single.lua");
    tree_run(&f->tree, "rm -r plugins/later");
    WAIT_FOR(serves(f, "single", NULL) && serves(f, "later.t", NULL));
    assert_null(f->problems);
}

static void a_root_may_appear_and_move(void **state)
{
    struct fixture *f = *state;
    char before[512];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(f->tree.dir), 0);
    f->root[0] = 0; /* the default, ./plugins, need not be there */
    tree_run(&f->tree, "rmdir plugins");
    start(f);
    tree_write(&f->tree, "v1/p/t.lua", "return function() return 1 end");
    tree_write(&f->tree, "v2/p/t.lua", "return function() return 2 end");
    tree_flip(&f->tree, "plugins", "v1");
    WAIT_FOR(serves(f, "p.t", "return 1"));
    for (int i = 0; i < 6; i++) {
        tree_flip(&f->tree, "plugins", i % 2 ? "v1" : "v2");
        WAIT_FOR(serves(f, "p.t", i % 2 ? "return 1" : "return 2"));
    }
    tree_write(&f->tree, "v1/p/t.lua", "return function() return 3 end");
    WAIT_FOR(serves(f, "p.t", "return 3"));
    assert_int_equal(generation(f, "p"), 8);
    tree_remove(&f->tree, "plugins");
    WAIT_FOR(serves(f, "p.t", NULL));
    assert_int_equal(chdir(before), 0);
}

static void a_required_root_that_vanishes_is_kept(void **state)
{
    struct fixture *f = *state;
    tree_write(&f->tree, "plugins/p/t.lua", "return function() return 1 end");
    start(f);
    tree_rename(&f->tree, "plugins", "away");
    WAIT_FOR(said(f, "no such directory of plugins"));
    assert_true(serves(f, "p.t", "return 1"));
    assert_int_equal(reload(f, NULL), NEAP_ENOENT);
    tree_write(&f->tree, "away/p/t.lua", "return function() return 2 end");
    tree_rename(&f->tree, "away", "plugins");
    WAIT_FOR(serves(f, "p.t", "return 2"));
    assert_int_equal(reload(f, NULL), NEAP_OK);
}

static void a_reload_takes_config_into_force(void **state)
{
    struct fixture *f = *state;
    tree_write(&f->tree, "plugins/p/t.lua", "return {queue = 'own', needs = 'key'}");
    tree_write(&f->tree, "plugins/q/t.lua", "return function() return 1 end");
    f->config =
        configure(f, (const char *[]){"[task p.t] config.key=1", "[queue x] capacity=5", NULL});
    assert_int_equal(open_loader(f, true), NEAP_OK);
    struct gate *x = gates_find(f->gates, "x");
    assert_true(x->open && x->capacity == 5);
    assert_int_equal(reload(f, (const char *[]){"[task p.t] config.key=1", NULL}), NEAP_OK);
    assert_int_equal(generation(f, "p"), 1);
    assert_false(x->open);
    const char *changed[] = {"[task p.t] config.key=2", "[queue own] capacity=7", NULL};
    assert_int_equal(reload(f, changed), NEAP_OK);
    assert_int_equal(generation(f, "p"), 2);
    assert_int_equal(generation(f, "q"), 1);
    assert_int_equal(gates_find(f->gates, "own")->capacity, 7);
    const char *moved[] = {"[task p.t] config.key=2", "[task p.t] queue=x", NULL};
    assert_int_equal(reload(f, moved), NEAP_OK);
    assert_int_equal(generation(f, "p"), 3);
    assert_true(x->open);
    assert_false(gates_find(f->gates, "own")->open);
    const char *timed[] = {"[task p.t] config.key=2", "[task p.t] queue=x", "[task p.*] timeout=5s",
                           NULL};
    assert_int_equal(reload(f, timed), NEAP_OK);
    assert_int_equal(generation(f, "p"), 4);
    assert_int_equal(generation(f, "q"), 1);
}

static void a_reload_is_all_or_nothing(void **state)
{
    struct fixture *f = *state;
    const char *fine[] = {"[task p.t] config.key=1", NULL};
    tree_write(&f->tree, "plugins/p/t.lua", "return {needs = 'key'}");
    tree_write(&f->tree, "plugins/q/t.lua", "return function() return 1 end");
    f->config = configure(f, fine);
    assert_int_equal(open_loader(f, true), NEAP_OK);
    tree_write(&f->tree, "plugins/q/t.lua", "return function() return 2 end");
    const char *bad[] = {"[task q.t] config.key=1", "[queue x] capacity=5", NULL};
    assert_int_equal(reload(f, bad), NEAP_ECONFIG);
    assert_int_equal(said(f, "a configuration key is missing"), 1);
    assert_true(serves(f, "q.t", "return 1"));
    assert_null(gates_find(f->gates, "x"));
    assert_int_equal(reload(f, fine), NEAP_OK);
    assert_true(serves(f, "q.t", "return 2"));
    /* What is broken by itself refuses nothing; its last good version takes the new settings. */
    tree_write(&f->tree, "plugins/p/t.lua", "return (");
    const char *other[] = {"[task p.t] config.key=2", NULL};
    assert_int_equal(reload(f, other), NEAP_OK);
    assert_int_equal(loader_broken(f->loader), 1);
    assert_true(serves(f, "p.t", "needs"));
    assert_int_equal(generation(f, "p"), 2);
    assert_int_equal(reload(f, NULL), NEAP_ECONFIG);
    assert_int_equal(loader_broken(f->loader), 1);
}

static void a_plugin_the_config_mends(void **state)
{
    struct fixture *f = *state;
    tree_write(&f->tree, "plugins/p/t.lua", "return {needs = 'key'}");
    start(f);
    assert_int_equal(loader_broken(f->loader), 1);
    assert_int_equal(reload(f, (const char *[]){"[task p.t] config.key=1", NULL}), NEAP_OK);
    assert_int_equal(generation(f, "p"), 1);
    assert_int_equal(said(f, "p is whole again"), 1);
}

static void *reload_often(void *arg)
{
    struct fixture *f = arg;
    for (int i = 0; i < 20; i++) {
        struct neap_error err;
        if (loader_reload(f->loader, f->config, &err))
            on_problem(f, err.message);
    }
    return NULL;
}

static void many_reload_at_once(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[4];
    tree_write(&f->tree, "plugins/p/t.lua", "return function() return 1 end");
    start(f);
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, reload_often, f);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_null(f->problems);
    struct catalogue *c = now(f);
    assert_true(c->serial > 80);
    catalogue_unref(c);
    assert_int_equal(generation(f, "p"), 1);
}

static void rewritten_without_end(void **state)
{
    struct fixture *f = *state;
    static const char *const broken[] = {"return (", "error 'x'", "", "return 5"};
    tree_write(&f->tree, "plugins/p/t.lua", "return function() return 0 end");
    start(f);
    const int64_t began_ms = clock_mono_ms();
    for (int i = 1; generation(f, "p") < 4 && clock_mono_ms() < began_ms + WAIT_MS; i++) {
        if (i % 3 == 0)
            tree_write(&f->tree, "plugins/p/t.lua", "%s", broken[i / 3 % 4]);
        else
            tree_write(&f->tree, "plugins/p/t.lua", "return function() return %d end", i);
        nanosleep(&(struct timespec){.tv_nsec = rand() % 30 * 1000000}, NULL);
    }
    assert_true(generation(f, "p") >= 4); /* not put off for good */
    tree_write(&f->tree, "plugins/p/t.lua", "return function() return 'end' end");
    WAIT_FOR(serves(f, "p.t", "'end'"));
    assert_int_equal(loader_broken(f->loader), 0);
}

static void descriptors_stay_flat(void **state)
{
    struct fixture *f = *state;
    tree_write(&f->tree, "plugins/p/t.lua", "return function() return 0 end");
    tree_write(&f->tree, "plugins/q/t.lua", "return (");
    start(f);
    WAIT_FOR(reload(f, NULL) == NEAP_OK);
    const int before = count_fds();
    for (int i = 0; i < RELOADS; i++) {
        struct catalogue *c = now(f);
        uint64_t serial = c->serial;
        catalogue_unref(c);
        tree_run(&f->tree, "rm -rf plugins/d%d", (i + 4) % 5);
        tree_mkdir(&f->tree, "plugins/p/lib");
        char path[64];
        snprintf(path, sizeof path, "plugins/d%d/lib/x/y.lua", i % 5);
        tree_write(&f->tree, path, "return %d", i);
        assert_int_equal(reload(f, NULL), NEAP_OK);
        c = now(f);
        assert_true(c->serial > serial);
        catalogue_unref(c);
    }
    assert_int_equal(count_fds(), before);
}

static void moved_directories_are_watched_anew(void **state)
{
    struct fixture *f = *state;
    char text[64];
    tree_write(&f->tree, "plugins/p/t.lua", "return function() return 0 end");
    start(f);
    const int64_t began_ms = clock_mono_ms();
    for (int i = 1; i <= 10; i++) {
        snprintf(text, sizeof text, "return %d end", i);
        tree_run(&f->tree, "rm -rf plugins/p; mkdir plugins/p");
        tree_write(&f->tree, "plugins/p/t.lua", "return function() return %d end", i);
        WAIT_FOR(serves(f, "p.t", text));
        snprintf(text, sizeof text, "return -%d end", i);
        tree_write(&f->tree, "plugins/p/t.lua", "return function() return -%d end", i);
        WAIT_FOR(serves(f, "p.t", text));
    }
    print_message("             20 changes took %d ms\n", (int)(clock_mono_ms() - began_ms));
}

/* In a user namespace without a single inotify watch: a look every 2 s, and one warning. */
static int without_watches(struct fixture *f)
{
    if (unshare(CLONE_NEWUSER))
        return 77;
    int fd = open("/proc/sys/user/max_inotify_watches", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1)
        return 77;
    close(fd);
    start(f);
    tree_write(&f->tree, "plugins/p/t.lua", "return function() return 2 end");
    const int64_t until_ms = clock_mono_ms() + WAIT_MS;
    while (!serves(f, "p.t", "return 2") && clock_mono_ms() < until_ms)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    int times = said(f, "cannot watch all plugin directories");
    loader_free(f->loader);
    f->loader = NULL;
    return times == 1 && serves(f, "p.t", "return 2") ? 0 : 1;
}

static void works_without_watches(void **state)
{
    struct fixture *f = *state;
    int status;
    tree_write(&f->tree, "plugins/p/t.lua", "return function() return 1 end");
    pid_t child = fork();
    if (!child)
        _exit(without_watches(f));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(loads_what_is_there),
        TEST(a_missing_root_fails),
        TEST(an_edit_is_a_new_generation),
        TEST(a_broken_edit_keeps_the_last_good_version),
        TEST(tasks_come_and_go),
        TEST(a_root_may_appear_and_move),
        TEST(a_required_root_that_vanishes_is_kept),
        TEST(a_reload_takes_config_into_force),
        TEST(a_reload_is_all_or_nothing),
        TEST(a_plugin_the_config_mends),
        TEST(many_reload_at_once),
        TEST(rewritten_without_end),
        TEST(descriptors_stay_flat),
        TEST(moved_directories_are_watched_anew),
        TEST(works_without_watches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
