/* An executor for a test: a directory of plugins of its own, files written from strings. */
#ifndef TESTS_SUPPORT_EXECUTOR_H
#define TESTS_SUPPORT_EXECUTOR_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "neap.h"

struct executor {
    neap *n;
    char dir[64]; /* removed by executor_close */
    char ini[96];
    char problems[4096]; /* what on_problem said, a line each */
    char printed[65536]; /* what the tasks printed, a line each */
    int log_lock;
};

/* Makes the directory with plugins/ in it. */
void executor_init(struct executor *x);
/* Writes DIR/`path`, with the directories above it. */
void executor_write(struct executor *x, const char *path, const char *text);
/* Opens and starts it with neap.ini, if written. Fails the test on an error. */
void executor_start(struct executor *x, unsigned flags);
void executor_close(struct executor *x);
/* Writes neap.ini and reloads. Fails the test on an error. */
void executor_reload(struct executor *x, const char *ini);

/* Has a task printed that? While tasks print, x->printed itself must not be looked at. */
int executor_printed(struct executor *x, const char *text);
void executor_await_printed(struct executor *x, const char *text);
/* Waits until DIR/`name` exists: how a task tells that it has got somewhere. */
void executor_await(struct executor *x, const char *name);
/* Writes task t.block: it makes DIR/args.tell ("blocked") and then computes, without ever waiting,
 * until DIR/args.go ("go") exists; returns "free". */
void executor_write_blocker(struct executor *x);
/* After that, each of the workers, of one pool, has its thread and state; uses t.block. Once. */
void executor_rouse(struct executor *x, int workers);
int64_t executor_now_ms(void); /* Unix */

uint64_t executor_submit(struct executor *x, const char *task, const char *json);
uint64_t executor_request(struct executor *x, struct neap_request request); /* adds NEAP_DELIVER */
/* The next outcome within 20 s; frees it. Returns its result or error message as JSON text in
 * `out`. */
struct neap_outcome executor_next(struct executor *x, char *out, size_t size);
/* Fails the test if the next one's text is not `want`. */
void executor_expect(struct executor *x, const char *want);
/* Submits one job and returns its result as JSON; fails the test if it does not complete. */
const char *executor_run(struct executor *x, const char *task, const char *json);
struct neap_counters executor_totals(struct executor *x);
/* Until that field of the totals is `value`; fails after 20 s. */
#define EXECUTOR_UNTIL(x, field, value)                                                            \
    for (int left_ = 4000; executor_totals(x).field != (value); executor_pause(&left_))            \
        ;
void executor_pause(int *left);

#endif
