#include "runtime/interrupt.h"

#include "base/clock.h"
#include "base/error.h"
#include "runtime/coro.h"
#include "runtime/pulse.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The handler has no other way to know whose thread it is on. Initial-exec: it is read without a
 * call into the loader. */
static _Thread_local __attribute__((tls_model("initial-exec"))) struct {
    struct vm *vm;
    struct pulse *pulse;
} self;

/* What is done with a signal belongs to the process, so this does, too. */
static struct {
    pthread_mutex_t lock;
    unsigned users;
    int number;
    struct sigaction before; /* read by the handler: set before it is installed */
} taken = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* --- on the worker's thread ------------------------------------------------------------------- */

/* Not twice: to set a hook Lua walks all calls of the coroutine, and in a deep recursion that takes
 * longer than a tick. How long it took tells when the next slice may end (worker_interrupt.c). */
void interrupt_arm(struct vm *vm)
{
    if (vm->armed)
        return;
    vm->armed = 1;
    if (!vm->current)
        return;
    /* clock_gettime is async-signal-safe. Of this thread's time: by the wall, a thread that the
     * system put aside just then had a slice ten times as long as it was away. */
    const int64_t before_ns = clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
    lua_sethook(vm->current, interrupt_hook, LUA_MASKCOUNT, 1);
    vm->arming_ns = clock_read_ns(CLOCK_THREAD_CPUTIME_ID) - before_ns;
}

void interrupt_hook(lua_State *L, lua_Debug *ar)
{
    struct vm *vm = vm_of(L);
    (void)ar;
    lua_sethook(L, NULL, 0, 0);
    if (!vm->armed || L != vm->current || !vm->interrupted)
        return;
    vm->armed = 0;
    switch (vm->interrupted(vm, L)) {
    case VERDICT_GIVE_WAY:
        if (coro_waitable(L))
            coro_hook_park(L);
        break;
    case VERDICT_QUIT:
        coro_hook_quit(L);
        break;
    default:
        break;
    }
}

/* It may come a little late: for a section that has ended, or on another one. */
__attribute__((no_sanitize("thread"))) static void on_signal(int number, siginfo_t *info,
                                                             void *context)
{
    const int saved = errno;
    struct pulse *pulse = self.pulse;
    if (pulse) {
        const uint64_t state = atomic_load_explicit(&pulse->state, memory_order_relaxed);
        if (pulse_is_in(state) &&
            atomic_load_explicit(&pulse->meant, memory_order_relaxed) == state)
            interrupt_arm(self.vm);
    } else if (taken.before.sa_flags & SA_SIGINFO) {
        taken.before.sa_sigaction(number, info, context);
    } else if (taken.before.sa_handler != SIG_DFL && taken.before.sa_handler != SIG_IGN) {
        taken.before.sa_handler(number);
    }
    errno = saved;
}

void interrupt_thread(struct vm *vm, struct pulse *pulse)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, taken.number);
    if (!pulse)
        pthread_sigmask(SIG_BLOCK, &set, NULL);
    self.vm = vm;
    self.pulse = pulse;
    if (pulse)
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* --- sending ---------------------------------------------------------------------------------- */

void interrupt_send(struct pulse *pulse, uint64_t state)
{
    atomic_store_explicit(&pulse->meant, state, memory_order_relaxed); /* the kill is a barrier */
    pthread_kill(pulse->thread, taken.number);
}

/* --- the signal ------------------------------------------------------------------------------- */

#ifdef __SANITIZE_THREAD__
/* TSan puts a handler of its own before ours, which holds the signal back until the thread calls
 * into libc; a Lua loop never does. So ours goes to the kernel directly, with the rest as libc set
 * it. */
static void bypass(int number)
{
    struct {
        void (*handler)(int, siginfo_t *, void *);
        unsigned long flags;
        void (*restorer)(void);
        unsigned long mask;
    } kernel;
    if (syscall(SYS_rt_sigaction, number, NULL, &kernel, sizeof kernel.mask))
        return;
    kernel.handler = on_signal;
    syscall(SYS_rt_sigaction, number, &kernel, NULL, sizeof kernel.mask);
}
#else
static void bypass(int number)
{
    (void)number;
}
#endif

static int take(int number, struct neap_error *err)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigemptyset(&action.sa_mask);
    if (sigaction(number, NULL, &taken.before) || sigaction(number, &action, NULL))
        return error_set(err, NEAP_EINVAL, "cannot take signal %d: %s", number, strerror(errno));
    bypass(number);
    taken.number = number;
    return NEAP_OK;
}

int interrupt_open(int number, struct neap_error *err)
{
    int rc = NEAP_OK;
    number = number ? number : SIGURG;
    pthread_mutex_lock(&taken.lock);
    if (taken.users == 0)
        rc = take(number, err);
    else if (taken.number != number)
        rc = error_set(err, NEAP_EINVAL,
                       "another executor of this process uses signal %d to preempt: give both the "
                       "same",
                       taken.number);
    taken.users += rc == NEAP_OK;
    pthread_mutex_unlock(&taken.lock);
    return rc;
}

void interrupt_close(void)
{
    pthread_mutex_lock(&taken.lock);
    if (--taken.users == 0)
        sigaction(taken.number, &taken.before, NULL);
    pthread_mutex_unlock(&taken.lock);
}
