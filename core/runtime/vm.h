/* One isolated Lua state: standard libraries, the Lua half (scripts/), what it costs. A worker has
 * one, staging makes one a plugin. Everything here belongs to the thread that owns the state. */
#ifndef RUNTIME_VM_H
#define RUNTIME_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lauxlib.h>
#include <lua.h>

#include "base/buf.h"
#include "base/slabs.h"
#include "neap.h"

struct fiber;
struct preload;
struct run;
struct task_info;
struct worker;

#define VM_TASKS 8

struct vm {
    lua_State *L;
    struct slabs slabs;             /* what it allocates */
    size_t bytes, limit_bytes;      /* in use; limit 0: none, beyond it allocations fail */
    size_t soft_bytes;              /* beyond it `interrupted` is asked; 0: never */
    bool limited;                   /* the two count now: C's own calls do not expect to fail */
    bool over;                      /* beyond the soft one: the interrupt is on its way */
    uint64_t allocated_bytes;       /* ever */
    size_t live_bytes;              /* in use at the end of the collector's last cycle */
    bool cycled;                    /* there was one since vm_pace */
    struct worker *worker;          /* NULL while staging */
    const struct preload *preloads; /* the host's C modules */
    struct run *run;                /* the job whose Lua code runs now; NULL: none */
    struct fiber *fiber;         /* of it; NULL: none, or a callback of the loop: nothing waits */
    lua_State *volatile current; /* the coroutine that runs now (see interrupt.h) */
    volatile int armed;          /* an interrupt is on its way to it */
    volatile int64_t arming_ns;  /* what it took to send the last one */
    int (*interrupted)(struct vm *vm, lua_State *L); /* enum verdict: what is to be done about it */
    bool loading; /* a plugin's files run their top level: acting functions refuse */
    bool strict;  /* sandbox = strict: a short list of what tasks may reach */
    bool bound;   /* staging left something in it that no worker's state has */
    bool doomed;  /* staging is past its deadline: nothing may go on */
    void (*look)(lua_State *L, lua_Debug *ar); /* of staging: at each resume, too, as a new
                                                  coroutine begins to count at 0; or NULL */
    bool raised;          /* a kill could not park: its error unwinds, to-be-closed variables run */
    lua_State *raised_in; /* the coroutine whose hook raised last, unless a pcall held that */
    bool parking;         /* a yield of ours is on its way down to the runtime */
    unsigned closing;     /* to-be-closed variables of a kill run: what they call is not killed */
    unsigned unyieldable; /* levels of the chain of coroutines that cannot yield (a sort
                             comparator...) */
    const char *stack;    /* where its thread's C stack began; NULL: unknown */
    int main_ref;         /* the prelude's table of entry points */
    int string_meta_ref;
    const void *string_owner; /* whose `string` the methods of strings are now */
    char *at;                 /* the file whose top level runs; owned */
    struct vm_task {          /* tasks submitted last, by the address of the name */
        const char *text;     /* of Lua, kept by the registry */
        uint64_t serial;      /* of the catalogue */
        const struct task_info *info;
    } tasks[VM_TASKS];
    struct buf scratch; /* to encode into; here, so that an error of Lua does not leak it */
};

/* `staging`: acting functions and file access refuse for good. NEAP_EIO where there is no memory.
 */
int vm_init(struct vm *vm, bool staging, struct neap_error *err);
void vm_close(struct vm *vm); /* zeroed is fine */
/* To another place, and maybe another thread; `from` is zeroed. */
void vm_move(struct vm *to, struct vm *from);

static inline struct vm *vm_of(lua_State *L) /* the state's owner; fast */
{
    void *vm;
    lua_getallocf(L, &vm);
    return (struct vm *)vm;
}

static inline struct buf *vm_scratch(struct vm *vm) /* emptied; good until the next call */
{
    vm->scratch.len = 0;
    return &vm->scratch;
}

/* After a cycle of the collector (vm->cycled): when the next one begins. */
void vm_pace(struct vm *vm);

/* Calls f(light userdata `arg`) protected, from outside any job. An error comes back in `err`, with
 * its traceback. */
int vm_call(struct vm *vm, lua_CFunction f, void *arg, struct neap_error *err);

/* Pushes the chunk of scripts/NAME: the built-in one, or while developing the file under
 * $NEAP_SCRIPTS. Raises. */
void vm_load_script(lua_State *L, const char *name);

/* Message handler for protected calls: turns any error value into a table {message=, traceback=}.
 */
int vm_traceback(lua_State *L);

/* Pushes a traceback of L from the caller on, without frames of our own. */
void vm_push_traceback(lua_State *L);
/* The same from L's innermost frame on, in vm_scratch; needs no memory of Lua's. */
const char *vm_traceback_text(lua_State *L);

/* The same, into `out`: also while vm_scratch is in use. */
void vm_put_traceback(lua_State *L, struct buf *out);

/* Raises where the limit leaves no more than that: for calls of C code that must not run out of
 * memory half-way. */
void vm_check_room(lua_State *L, size_t bytes);

/* The text of an error value: __tostring where there is one, else its type ("a table value"). Never
 * raises. Pushes it. */
const char *vm_error_text(lua_State *L, int index, size_t *len);

/* Raises "NAME cannot be called while a file loads" while vm->loading. */
void vm_check_acting(lua_State *L, const char *name);
/* Raises "NAME is not available in a strict sandbox" while vm->strict. */
void vm_check_trusted(lua_State *L, const char *name);

#endif
