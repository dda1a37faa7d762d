/* Where jobs live. A backend is a const table of functions; one conformance suite (tests/store)
 * runs over all. Owner: the engine, which alone calls it. The store owns every job that was put,
 * until it is forgotten.
 *
 * A pointer to a job is good until the next `commit`; for longer only while the job is claimed,
 * pinned, or in line within the window that a durable backend keeps in memory. So who keeps a job
 * over a turn keeps its id. From its claim until it is in a line, its `place` is the engine's to
 * use.
 *
 * A durable backend writes nothing before `commit`: put, finish and the others change jobs in
 * memory and note them; commit writes all of it as one transaction. After NEAP_OK it is on disk. */
#ifndef PARTS_STORE_H
#define PARTS_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "model/job.h"

struct store;
struct names;
struct gates;

/* What is kept after the end; the oldest go first. 0: no limit; negative counts: keep none. */
struct store_limits {
    int64_t completed, dead; /* records (cancelled count with completed) */
    size_t bytes;            /* job_extra_bytes of what is kept; memory backend only */
    int64_t completed_ms, dead_ms;
};

struct store_env {
    const char *path; /* sqlite: the file */
    struct store_limits limits;
    size_t window;       /* jobs of one queue, and delayed ones, kept in memory; 0: the default */
    struct names *names; /* to find task and queue of a job read back: both are interned, */
    struct gates *gates; /* known to the catalogue or not */
    struct pool_cache *cache; /* for jobs: the engine's; NULL: malloc */
    int64_t now_ms;
    void *user;
    void (*log)(void *user, int level, const char *text); /* NULL: nobody listens */
};

struct store_counts {
    size_t states[NEAP_STATES]; /* claimed jobs count as running */
};

/* Where jobs are looked for, and how far that has got. */
struct store_query {
    uint64_t after;           /* begins behind this id; 0: at the first. Moved on by the scan */
    bool newest_first;        /* descending ids; after 0 begins at the last */
    unsigned states;          /* bit n: enum neap_state n; 0: all. Claimed jobs count as running */
    const struct gate *queue; /* NULL: any */
    const struct task_name *task; /* NULL: any */
    size_t look; /* look at no more than so many jobs (and a few); bounds the time */
    bool end;    /* set: there is nothing behind `after` */
};

struct store_report {               /* for metrics; zeroed where the backend has no such thing */
    size_t in_memory, memory_bytes; /* jobs with their record in memory, and what they take */
    int64_t file_bytes, wal_bytes;
    uint64_t commits, commit_ns, commit_max_ns; /* since the open */
    bool full; /* the disk is: jobs of hosts are refused until there is room again */
};

struct store_ops {
    const char *name;
    bool durable; /* what was committed survives a crash */

    /* NEAP_EIO: the file cannot be used (locked by another process, corrupted, newer, not ours):
     * the message says which, names it and what to do, and nothing was changed. */
    int (*open)(struct store **out, const struct store_env *env, struct neap_error *err);
    void (*close)(struct store *s); /* frees every job too; what is not committed is lost */
    void (*limit)(struct store *s, const struct store_limits *limits); /* after a reload */

    /* Takes the job over. available_ms says whether it is scheduled (due.key, from here on) or
     * available, and `state` is set so (retryable stays where it is due later); with after->waiting
     * > 0 it is pending, in no line, until release. Its id must be new. If it has `unique`, its key
     * now names this job. */
    void (*put)(struct store *s, struct job *job, int64_t now_ms);
    /* Undoes a put of this turn, where commit has said NEAP_ENOSPC; frees the job. */
    void (*withdraw)(struct store *s, struct job *job);
    /* The next jobs this pool may run, of one queue and priority; how many: at least 1, at most
     * `max`; 0: there is none. What is due by now is promoted first. They stay the store's, marked
     * claimed, `token` one higher; `state` stays available, the engine reads `started`. While they
     * are claimed their due.key means nothing. Needs no commit. Only between commit and the next
     * put. */
    size_t (*claim)(struct store *s, unsigned pool, int64_t now_ms, struct job **out, size_t max);
    const struct job *(*peek)(struct store *s, unsigned pool, int64_t now_ms);
    /* A claimed job that did not run goes back to its old place. Needs no commit. */
    void (*give_back)(struct store *s, struct job *job, int64_t now_ms);
    /* A claimed job, or one in line, leaves the line and keeps its state ("no such task"), until
     * unhold puts back to their old places all those of a task. */
    void (*hold)(struct store *s, struct job *job);
    void (*unhold)(struct store *s, const struct task_name *task, int64_t now_ms);
    /* Calls `each` for every task that has jobs on hold, once or more often. */
    void (*each_held)(struct store *s, void *user,
                      void (*each)(void *user, const struct task_name *task));
    /* A claimed job's attempt ended. `token` is the one that its claim gave it: NEAP_ESTALE, and
     * nothing changes, where it is another by now. `state`:
     * completed, dead or cancelled: result, error and log are set already. Kept within limits, or
     *   forgotten at once where `keep` is false and nobody pins it: the pointer is then gone;
     * retryable or scheduled: back in line, due.key says when (by now: available from now). */
    int (*finish)(struct store *s, struct job *job, uint32_t token, int state, bool keep,
                  int64_t now_ms);
    /* A job in line, pending or on hold ends so (cancelled, or dead); `keep` as for finish. */
    void (*end)(struct store *s, struct job *job, int state, bool keep, int64_t now_ms);
    /* A job in line, pending or on hold gets another priority and due time (0: at once). */
    void (*edit)(struct store *s, struct job *job, int priority, int64_t due_ms, int64_t now_ms);
    /* A pending job, after->waiting 0 by now, goes in line, or among the delayed by its due.key. */
    void (*release)(struct store *s, struct job *job, int64_t now_ms);
    /* A job that has ended is in line again as at its submission: attempt and crashes 0, without
     * result and error; available from now. */
    void (*revive)(struct store *s, struct job *job, int64_t now_ms);
    void (*forget)(struct store *s, struct job *job); /* one that has ended and nobody pins */
    void (*changed)(struct store *s,
                    struct job *job); /* in after->waiting or crashes: to be kept */
    /* While pinned a job that has ended stays readable whatever `keep` and the limits say, and does
     * not count for them. Pins count. The last unpin does what its end would have done, and
     * forgets those that the limits would have forgotten by now, so the pointers may be gone after
     * it. Not kept through a crash. */
    void (*pin)(struct store *s, struct job *job);
    void (*unpin)(struct store *s, struct job *const *jobs, size_t count);

    /* The next pending jobs that wait for `parent`, at most `max`. Each is given once: `parent` has
     * ended. A job that has ended meanwhile may be among them. */
    size_t (*take_children)(struct store *s, uint64_t parent, uint64_t *out, size_t max);
    /* The job that was put last with this key, 0: none; its record may be gone. *at_ms: when it was
     * submitted. Kept as long as the job, and for unique->within_ms after that time. */
    uint64_t (*find_unique)(struct store *s, const unsigned char key[JOB_KEY_BYTES],
                            int64_t *at_ms);
    /* Ended jobs with `owes_on_dead`, behind id `after`: their on_dead has not run to its end.
     * `paid` takes the mark off one. */
    size_t (*owing)(struct store *s, uint64_t after, uint64_t *out, size_t max);
    void (*paid)(struct store *s, struct job *job);
    /* Jobs that have not ended and whose expires_ms is not after now, at most `max`. Each is given
     * once, and again when it goes back in line: the engine leaves alone what has started. And the
     * next such time (INT64_MAX: none; may be too early). */
    size_t (*expired)(struct store *s, int64_t now_ms, uint64_t *out, size_t max);
    int64_t (*next_expiry_ms)(struct store *s);

    /* Small facts of the engine by key (queue settings, schedules): data NULL takes it away. `note`
     * gives the length and a pointer good until the next set_note, or NULL. */
    void (*set_note)(struct store *s, const char *key, const void *data, size_t len);
    const void *(*note)(struct store *s, const char *key, size_t *len);
    void (*each_note)(struct store *s, const char *prefix, void *user,
                      void (*each)(void *user, const char *key, const void *data, size_t len));

    /* Everything since the last is acknowledged after this returns NEAP_OK. NEAP_ENOSPC: there is
     * no room, nothing of it is written, all of it is still noted: withdraw what hosts have put and
     * commit again. NEAP_EIO: the outcome is unknown; the process must end. */
    int (*commit)(struct store *s, struct neap_error *err);
    bool (*dirty)(const struct store *s); /* is there anything to commit? */
    /* While report.full: looks whether there is room again (takes its reserve back). Now and then.
     */
    bool (*roomy)(struct store *s);

    struct job *(*get)(struct store *s, uint64_t id); /* NULL: unknown or forgotten */
    /* The same if it is claimed, else NULL. Looks into no file. */
    struct job *(*get_claimed)(struct store *s, uint64_t id);
    /* Jobs that the query means, at most `max`; returns how many. */
    size_t (*scan)(struct store *s, struct store_query *query, struct job **out, size_t max);
    void (*counts)(struct store *s, struct store_counts *out);
    /* Right after the open: how many jobs have not ended, by queue and task. */
    void (*each_live)(struct store *s, void *user,
                      void (*each)(void *user, struct gate *queue, const struct task_name *task,
                                   size_t count));
    /* The line, for queue settings and its next due time. index_watch is the store's. */
    struct index *(*index)(struct store *s);
    /* In place of index_queue: the store may have jobs of the queue elsewhere. */
    void (*set_ageing)(struct store *s, unsigned queue, int64_t ageing_ms);
    /* Forgets what is over the limits, at most STORE_PRUNE_STEP jobs a call; true: more are. To be
     * called at the end of a turn, and for the age alone now and then: finish and end forget at the
     * pace at which they keep, but leave up to STORE_OVER_MAX of what they kept to this. */
    bool (*prune)(struct store *s, int64_t now_ms);
    void (*report)(struct store *s, struct store_report *out);

    /* A copy of the whole, in steps between turns; NULL where it cannot. begin: NEAP_EIO, err says
     * why. step: NEAP_OK done (and closed, fsynced), NEAP_EAGAIN more to do, else failed and
     * closed, the unfinished file removed. */
    int (*backup_begin)(struct store *s, const char *path, struct neap_error *err);
    int (*backup_step)(struct store *s, struct neap_error *err);
    void (*backup_stop)(struct store *s);
};
#define STORE_PRUNE_STEP 256
#define STORE_OVER_MAX 64

extern const struct store_ops store_memory, store_sqlite;

#endif
