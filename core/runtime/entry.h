/* Tasks as loaded in one worker's Lua state. A plugin's version is loaded whole at the first job
 * that needs it, and torn down when a newer one is in use and its last job here has ended. Owned by
 * the worker. */
#ifndef RUNTIME_ENTRY_H
#define RUNTIME_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/ranks.h"
#include "parts/catalogue.h"
#include "runtime/vm.h"

struct fiber;

struct loaded { /* a plugin's version */
    struct list link;
    struct plugin *plugin; /* a reference */
    struct entry *entries; /* as plugin->tasks */
    unsigned uses;         /* jobs that run it */
    uint64_t current_in;   /* serial of the last catalogue that was seen to have it */
    struct fiber *holder;  /* preempted: until it waits or ends nobody else runs in this version */
    struct ranks blocked;  /* fibers that are to run after it, */
    struct list blocked_jobs; /* and jobs that have not started */
    int string_ref;           /* its `string`, for methods of strings */
    int table_ref;            /* the Lua side of it */
};

struct entry { /* a task of it */
    struct loaded *loaded;
    const struct task_info *info;
    int table_ref;          /* the Lua side: {run=, setup=, state=, ...} */
    int run_ref, check_ref; /* check: LUA_NOREF without a schema */
    bool ready;             /* nothing left to set up */
    int params;             /* of run: 0, 1 (args) or 2 (args, ctx) */
    bool single_args; /* its schema is one type, not a table of fields: absent args are nil, not {}
                       */
};

struct entries {
    struct list loaded;
    struct entry **by_name; /* by task_name index: the newest loaded */
    size_t n_by_name;
};

void entries_init(struct entries *entries);
void entries_close(struct entries *entries, struct vm *vm); /* runs teardowns; it is empty then */
/* Without teardowns, whoever still uses what: of a state that is given up. */
void entries_abandon(struct entries *entries, struct vm *vm);

/* The entry of exactly this version, or NULL: not loaded yet. */
static inline struct entry *entries_find(const struct entries *entries,
                                         const struct task_info *info)
{
    const unsigned index = info->name->index;
    struct entry *entry = index < entries->n_by_name ? entries->by_name[index] : NULL;
    return entry && entry->info == info ? entry : NULL;
}

/* Loads the plugin of `info`. NULL with the error object {message=, traceback=} on top of L. */
struct entry *entries_load(struct entries *entries, lua_State *L, const struct task_info *info);

/* A plugin that is loaded in the state already: what main.load gave is at `table_ref`, which it
 * takes over. Where that fails it is as if it were not. */
void entries_take(struct entries *entries, struct vm *vm, struct plugin *plugin, int table_ref);

static inline void entry_use(struct entry *entry)
{
    entry->loaded->uses++;
}
/* Tears the version down where it is superseded (not the one in `catalogue`) and unused. */
void entry_release(struct entries *entries, struct vm *vm, struct entry *entry,
                   const struct catalogue *catalogue);
/* After a new catalogue: tears down what nobody uses. */
void entries_sweep(struct entries *entries, struct vm *vm, const struct catalogue *catalogue);

/* Pushes {source=, name=, dir=, single=, files={{path=, data=, task=}...}}, what main.load takes.
 */
void entry_push_source(lua_State *L, struct source *source);

/* Makes the methods of strings those of the entry's plugin. */
void entry_switch(struct vm *vm, const struct entry *entry);

#endif
