#include "base/thread.h"

#include <signal.h>
#include <sys/prctl.h>

#define SLACK_NS 10000UL

/* The mask is inherited: none is delivered before the thread could block it. */
int thread_start(pthread_t *thread, size_t stack_bytes, void *(*run)(void *arg), void *arg)
{
    sigset_t all, old;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    if (stack_bytes)
        pthread_attr_setstacksize(&attr, stack_bytes);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    const int failed = pthread_create(thread, &attr, run, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    return failed;
}

void thread_be_prompt(void)
{
    prctl(PR_SET_TIMERSLACK, SLACK_NS);
}
