/* The life cycle, pure: what becomes of a job when an attempt ends.
 *
 *   scheduled ─► available ─► running ─► completed
 *                    ▲           ├─► retryable ─► available
 *                    └───────────┤   (snoozed: scheduled)
 *                                ├─► dead
 *                                └─► cancelled
 */
#ifndef MODEL_LIFE_H
#define MODEL_LIFE_H

#include <stdint.h>

#include "model/job.h"

enum outcome_kind {
    OUTCOME_COMPLETED,
    OUTCOME_FAILED,      /* an error: retried while the policy allows */
    OUTCOME_RETRY,       /* ctx:retry(after): as failed, but due when it says */
    OUTCOME_SNOOZED,     /* ctx:snooze(after): later, the attempt does not count */
    OUTCOME_CANCELLED,   /* ctx:cancel or neap_cancel */
    OUTCOME_DEAD,        /* ctx:fail: dead now */
    OUTCOME_HANDED_BACK, /* not run, or given back at a drain: the attempt does not count */
};

struct life {
    int state;        /* enum neap_state that follows */
    int64_t due_ms;   /* of scheduled and retryable; else 0 */
    uint32_t attempt; /* attempts used so far; the next claim runs this + 1 */
};

/* job->attempt is the one that ended. `after_ms` counts for OUTCOME_RETRY and OUTCOME_SNOOZED
 * (negative: 0). `random` is 0..1, for the jitter. `policy` may be NULL: no retries. Time saturates
 * below INT64_MAX. */
struct life job_next(const struct job *job, enum outcome_kind kind, int64_t after_ms,
                     const struct retry *policy, int64_t now_ms, double random);

/* Delay before retry number `n` (1 for the first): exponential base*2^(n-1), linear base*n, fixed
 * base; at most cap (a negative cap: no limit), then spread by ±jitter, so it may pass the cap by
 * jitter. Never below 0; saturates, never overflows. */
int64_t retry_delay(const struct retry *policy, uint32_t n, double random);

/* Each unset (negative) field of `over` falls to `under`. */
struct retry retry_merge(const struct retry *over, const struct retry *under);

#endif
