/* Threads of ours: they block every signal, which is the host's to take. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>
#include <stddef.h>

/* As pthread_create: 0 or an errno. stack_bytes 0: whatever the host's limit is. */
int thread_start(pthread_t *thread, size_t stack_bytes, void *(*run)(void *arg), void *arg);

/* Waits of the calling thread end up to 10 us late instead of 50, which is Linux' default. */
void thread_be_prompt(void);

#endif
