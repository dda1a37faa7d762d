/* Interrupting Lua code wherever it is, without cost while nobody does: a thread-directed signal
 * whose handler, on the worker's own thread, sets a count hook on the coroutine that runs; the hook
 * asks vm->interrupted what to do. (Prior art: Go's SIGURG preemption; lua.c's SIGINT handler sets
 * a hook the same way.)
 *
 *   monitor, engine ─pthread_kill─► handler ─lua_sethook─► hook ─► vm->interrupted ─► verdict
 *
 * Hooks are per coroutine, so who switches coroutines calls interrupt_follow. A hook that finds
 * nothing armed takes itself away: one that was left behind does no harm. */
#ifndef RUNTIME_INTERRUPT_H
#define RUNTIME_INTERRUPT_H

#include <stdint.h>

#include "neap.h"
#include "runtime/vm.h"

struct pulse;

enum verdict {
    VERDICT_GO_ON,
    VERDICT_GIVE_WAY, /* park, if it can here; else it is asked again at the next tick */
    VERDICT_QUIT,     /* the job, or what runs on the main state, is being killed */
};

/* Sets the hook. On vm's own thread: from the handler, the allocator, the runtime. */
void interrupt_arm(struct vm *vm);

void interrupt_hook(struct lua_State *L, lua_Debug *ar);

/* From now on `L` runs (NULL: nothing does). */
static inline void interrupt_follow(struct vm *vm, lua_State *L)
{
    vm->current = L;
    if (vm->armed && L)
        lua_sethook(L, interrupt_hook, LUA_MASKCOUNT, 1);
}

/* The signal is taken while at least one executor is open; `number` 0: SIGURG. A handler that was
 * there before still gets the signals that are not ours. NEAP_EINVAL: another open executor uses
 * another number, or the system refuses it. Any thread. */
int interrupt_open(int number, struct neap_error *err);
void interrupt_close(void);

/* Any thread, while the pulse's thread has not been joined: signals it, if its state still is
 * `state` by then. */
void interrupt_send(struct pulse *pulse, uint64_t state);

/* This thread runs `vm`; its signals count while `pulse` says so. NULL, NULL at its end. */
void interrupt_thread(struct vm *vm, struct pulse *pulse);

#endif
