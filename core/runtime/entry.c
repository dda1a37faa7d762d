#include "runtime/entry.h"

#include "base/mem.h"
#include "model/codec.h"
#include "runtime/worker_run.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void entries_init(struct entries *entries)
{
    *entries = (struct entries){0};
    list_init(&entries->loaded);
}

static void set_newest(struct entries *entries, unsigned index, struct entry *entry)
{
    if (index >= entries->n_by_name) {
        const size_t grown = index + 64;
        entries->by_name = mem_grow(entries->by_name, grown, sizeof *entries->by_name);
        memset(entries->by_name + entries->n_by_name, 0,
               (grown - entries->n_by_name) * sizeof *entries->by_name);
        entries->n_by_name = grown;
    }
    entries->by_name[index] = entry;
}

/* --- loading ---------------------------------------------------------------------------------- */

static void push_files(lua_State *L, const struct source *source)
{
    lua_createtable(L, (int)source->n_files, 0);
    for (size_t i = 0; i < source->n_files; i++) {
        const struct source_file *file = &source->files[i];
        lua_createtable(L, 0, 3);
        lua_pushstring(L, file->path);
        lua_setfield(L, -2, "path");
        lua_pushlstring(L, file->data, file->len);
        lua_setfield(L, -2, "data");
        lua_pushboolean(L, file->task);
        lua_setfield(L, -2, "task");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

/* What main.load takes: {name=, dir=, single=, files={{path=, data=, task=}...}}. */
void entry_push_source(lua_State *L, struct source *source)
{
    lua_createtable(L, 0, 5);
    lua_pushlightuserdata(L, source); /* for core.helper; it outlives the plugin's environment */
    lua_setfield(L, -2, "source");
    lua_pushstring(L, source->name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, source->dir);
    lua_setfield(L, -2, "dir");
    lua_pushboolean(L, source->single);
    lua_setfield(L, -2, "single");
    push_files(L, source);
    lua_setfield(L, -2, "files");
}

static int field_ref(lua_State *L, int index, const char *name)
{
    if (lua_getfield(L, index, name) == LUA_TNIL) {
        lua_pop(L, 1);
        return LUA_NOREF;
    }
    return luaL_ref(L, LUA_REGISTRYINDEX);
}

static int params_of(lua_State *L) /* the function on top, popped */
{
    lua_Debug ar;
    lua_getinfo(L, ">u", &ar);
    return ar.isvararg || ar.nparams > 2 ? 2 : ar.nparams;
}

/* Stack of load_protected: 1 loaded (light), 2 what main.load returned. Fills in the refs. */
static void take_entries(lua_State *L, struct loaded *loaded)
{
    lua_getfield(L, 2, "tasks");
    for (size_t i = 0; i < loaded->plugin->n_tasks; i++) {
        struct entry *entry = &loaded->entries[i];
        entry->loaded = loaded;
        entry->info = &loaded->plugin->tasks[i];
        if (lua_getfield(L, 3, entry->info->name->text) != LUA_TTABLE)
            luaL_error(L, "task %s did not load as it did when it was staged",
                       entry->info->name->text);
        if (entry->info->config) {
            struct neap_error err;
            if (codec_decode(L, entry->info->config, entry->info->config_len, &err))
                luaL_error(L, "config: %s", err.message);
            lua_setfield(L, 4, "config");
        }
        entry->run_ref = field_ref(L, 4, "run");
        entry->check_ref = field_ref(L, 4, "args_check");
        lua_getfield(L, 4, "run");
        entry->params = params_of(L);
        if (lua_getfield(L, 4, "args_spec") == LUA_TTABLE) {
            entry->single_args = lua_getfield(L, -1, "type") == LUA_TSTRING;
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
        entry->ready = lua_getfield(L, 4, "setup") == LUA_TNIL;
        lua_pop(L, 1);
        entry->table_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    }
    loaded->string_ref = field_ref(L, 2, "string");
    lua_pushvalue(L, 2);
    loaded->table_ref = luaL_ref(L, LUA_REGISTRYINDEX);
}

static int load_protected(lua_State *L)
{
    struct loaded *loaded = lua_touserdata(L, 1);
    struct vm *vm = vm_of(L);
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm->main_ref);
    lua_getfield(L, -1, "load");
    lua_remove(L, -2);
    entry_push_source(L, loaded->plugin->source);
    lua_call(L, 1, 1);
    take_entries(L, loaded);
    return 0;
}

static struct loaded *loaded_new(struct plugin *plugin)
{
    struct loaded *loaded = mem_zero(1, sizeof *loaded);
    loaded->plugin = plugin_ref(plugin);
    loaded->current_in = UINT64_MAX;
    list_init(&loaded->blocked_jobs);
    loaded->entries = mem_zero(plugin->n_tasks, sizeof *loaded->entries);
    loaded->string_ref = loaded->table_ref = LUA_NOREF;
    for (size_t i = 0; i < plugin->n_tasks; i++)
        loaded->entries[i].table_ref = loaded->entries[i].run_ref = loaded->entries[i].check_ref =
            LUA_NOREF;
    return loaded;
}

static void loaded_free(struct loaded *loaded, lua_State *L)
{
    for (size_t i = 0; i < loaded->plugin->n_tasks; i++) {
        luaL_unref(L, LUA_REGISTRYINDEX, loaded->entries[i].table_ref);
        luaL_unref(L, LUA_REGISTRYINDEX, loaded->entries[i].run_ref);
        luaL_unref(L, LUA_REGISTRYINDEX, loaded->entries[i].check_ref);
    }
    luaL_unref(L, LUA_REGISTRYINDEX, loaded->string_ref);
    luaL_unref(L, LUA_REGISTRYINDEX, loaded->table_ref);
    plugin_unref(loaded->plugin);
    free(loaded->entries);
    ranks_close(&loaded->blocked);
    free(loaded);
}

struct entry *entries_load(struct entries *entries, lua_State *L, const struct task_info *info)
{
    struct vm *vm = vm_of(L);
    struct loaded *loaded = loaded_new(info->plugin);
    vm->string_owner = NULL;
    vm->loading = true;
    lua_pushcfunction(L, vm_traceback);
    lua_pushcfunction(L, load_protected);
    lua_pushlightuserdata(L, loaded);
    const int rc = lua_pcall(L, 1, 0, -3);
    vm->loading = false;
    if (rc != LUA_OK) {
        lua_remove(L, -2);
        loaded_free(loaded, L);
        return NULL;
    }
    lua_pop(L, 1);
    list_push(&entries->loaded, &loaded->link);
    struct entry *found = NULL;
    for (size_t i = 0; i < loaded->plugin->n_tasks; i++) {
        set_newest(entries, loaded->entries[i].info->name->index, &loaded->entries[i]);
        if (loaded->entries[i].info == info)
            found = &loaded->entries[i];
    }
    return found;
}

static int take_protected(lua_State *L) /* 1: loaded (light) */
{
    struct loaded *loaded = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, loaded->table_ref);
    luaL_unref(L, LUA_REGISTRYINDEX, loaded->table_ref);
    loaded->table_ref = LUA_NOREF;
    take_entries(L, loaded);
    return 0;
}

void entries_take(struct entries *entries, struct vm *vm, struct plugin *plugin, int table_ref)
{
    struct loaded *loaded = loaded_new(plugin);
    struct neap_error err;
    loaded->table_ref = table_ref;
    if (vm_call(vm, take_protected, loaded, &err)) {
        loaded_free(loaded, vm->L);
        return;
    }
    list_push(&entries->loaded, &loaded->link);
    for (size_t i = 0; i < loaded->plugin->n_tasks; i++)
        set_newest(entries, loaded->entries[i].info->name->index, &loaded->entries[i]);
}

/* --- the end of a version --------------------------------------------------------------------- */

static int tear_down(lua_State *L) /* 1: loaded (light) */
{
    const struct loaded *loaded = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm_of(L)->main_ref);
    lua_getfield(L, -1, "teardown");
    lua_rawgeti(L, LUA_REGISTRYINDEX, loaded->table_ref);
    lua_call(L, 1, 0);
    return 0;
}

static void unload(struct entries *entries, struct vm *vm, struct loaded *loaded)
{
    struct neap_error err;
    list_remove(&loaded->link);
    for (size_t i = 0; i < loaded->plugin->n_tasks; i++) {
        const unsigned index = loaded->entries[i].info->name->index;
        if (index < entries->n_by_name && entries->by_name[index] == &loaded->entries[i])
            entries->by_name[index] = NULL;
    }
    if (vm->string_owner == loaded)
        vm->string_owner = NULL;
    entry_switch(vm, &loaded->entries[0]);
    if (!vm->worker)
        vm_call(vm, tear_down, loaded, &err);
    else if (worker_call(vm->worker, tear_down, loaded, &err)) /* what a task does wrong it logs */
        worker_log(vm->worker, NULL, NEAP_ERROR, err.message, strlen(err.message), NULL, false);
    vm->string_owner = NULL;
    loaded_free(loaded, vm->L);
}

static bool superseded(struct loaded *loaded, const struct catalogue *catalogue)
{
    if (!catalogue)
        return true;
    if (loaded->current_in == catalogue->serial)
        return false;
    for (size_t i = 0; i < catalogue->n_plugins; i++) {
        if (catalogue->plugins[i] != loaded->plugin)
            continue;
        loaded->current_in = catalogue->serial;
        return false;
    }
    return true;
}

void entry_release(struct entries *entries, struct vm *vm, struct entry *entry,
                   const struct catalogue *catalogue)
{
    struct loaded *loaded = entry->loaded;
    assert(loaded->uses > 0);
    if (--loaded->uses > 0)
        return;
    if (superseded(loaded, catalogue))
        unload(entries, vm, loaded);
}

void entries_sweep(struct entries *entries, struct vm *vm, const struct catalogue *catalogue)
{
    for (struct list *at = entries->loaded.next, *next; at != &entries->loaded; at = next) {
        struct loaded *loaded = LIST_ENTRY(at, struct loaded, link);
        next = at->next;
        if (loaded->uses == 0 && superseded(loaded, catalogue))
            unload(entries, vm, loaded);
    }
}

void entries_close(struct entries *entries, struct vm *vm)
{
    entries_sweep(entries, vm, NULL);
    assert(list_empty(&entries->loaded));
    free(entries->by_name);
    entries_init(entries);
}

void entries_abandon(struct entries *entries, struct vm *vm)
{
    for (struct list *at; (at = list_shift(&entries->loaded));)
        loaded_free(LIST_ENTRY(at, struct loaded, link), vm->L);
    free(entries->by_name);
    entries_init(entries);
}

void entry_switch(struct vm *vm, const struct entry *entry)
{
    const struct loaded *loaded = entry->loaded;
    if (vm->string_owner == loaded)
        return;
    vm->string_owner = loaded;
    lua_rawgeti(vm->L, LUA_REGISTRYINDEX, vm->string_meta_ref);
    lua_rawgeti(vm->L, LUA_REGISTRYINDEX, loaded->string_ref);
    lua_setfield(vm->L, -2, "__index");
    lua_pop(vm->L, 1);
}
