/* The inside of the sqlite store: what its files share. Owner of all of it: the engine.
 *
 * The file holds a row for each job that was committed: in `jobs` until it has ended, then in
 * `ended`. In memory are jobs that are claimed or pinned, of each queue the first of the line (up
 * to its edge), the delayed ones that are due first (up to theirs), and visitors, which go with the
 * next commit: what was read, put behind an edge, held, or has ended. **A job in memory is the
 * truth, whatever its row says**: reading skips rows of jobs that are in the table.
 *
 *      put ─► noted ─commit─► row in jobs ─────────────► row in ended ─► gone
 *               │             ▲      │ refill              ▲
 *               ▼             │      ▼                     │
 *         line or delayed ────┴── claimed ──── finish ─► noted
 */
#ifndef PARTS_STORE_SQLITE_H
#define PARTS_STORE_SQLITE_H

#include "parts/edges.h"
#include "parts/index.h"
#include "parts/job_table.h"
#include "parts/notes.h"
#include "parts/sqlite_file.h"
#include "parts/sqlite_names.h"
#include "parts/store.h"
#include "parts/tallies.h"
#include "parts/uniques.h"

/* How far memory reaches: every job of the line (of the delayed) whose (key, id) is not behind this
 * is in memory. `all`: all of them are. */
struct edge {
    int64_t key;
    uint64_t id;
    bool all;
};

enum { KEPT_DONE, KEPT_DEAD }; /* cancelled ones are among the done */

struct expiry {            /* a job that `expired` is to give besides what the file knows */
    struct heap_node node; /* key: Unix ms; tie: the job's id */
};

struct pair {
    uint64_t parent, child;
};

struct orphan { /* a unique key whose job is forgotten */
    unsigned char key[JOB_KEY_BYTES];
    uint64_t id;
    int64_t until_ms;
};

struct unhold { /* rows that commit lets go */
    const struct task_name *task;
    struct edge delayed;   /* which of them still are: those behind this */
    size_t due, due_again; /* of them scheduled, retryable, and due by now */
    bool later;            /* of them are due later */
    struct gate **queues;  /* whose lines they join */
    size_t n_queues, cap_queues;
};

struct store {
    struct sqlite_file file;
    struct sqlite_names queues, tasks;
    struct tallies tallies; /* of rows, by queue, task and state */
    struct store_limits limits;
    struct names *names;
    struct gates *gates;
    void *user;
    void (*log)(void *user, int level, const char *text);

    struct pool_cache *cache; /* NULL: malloc */
    struct job_table jobs;
    struct index *index;
    size_t counts[NEAP_STATES];   /* claimed jobs as running */
    int64_t kept[2];              /* ended and not pinned, by KEPT_ */
    struct list visitors, pinned; /* by `place`: in memory, neither claimed nor in the index */
    struct job **noted;
    size_t n_noted, cap_noted;

    size_t window;
    struct edge *lines; /* by number of the queue */
    unsigned n_lines;
    struct edge delayed; /* by due time */
    int64_t now_ms;      /* the latest time seen */
    int64_t reach_ms;    /* no available job is available since later than that */
    int64_t reach_row_ms;

    struct edges fresh; /* not committed yet */
    bool has_edges;     /* the file has some: each job that ends is looked for there */
    struct pair *taken;
    size_t n_taken, cap_taken;
    struct uniques uniques; /* not committed yet */
    struct orphan *orphans;
    size_t n_orphans, cap_orphans;
    bool uniques_due;                /* some may have outlived their time: the next commit looks */
    struct notes notes, noted_notes; /* all; those to be written, empty ones to be deleted */
    struct unhold *unholds;
    size_t n_unholds;

    struct heap expiries;
    int64_t expired_ms; /* rows up to here were given, to the id beside it */
    uint64_t expired_id;
    int64_t next_expiry_ms; /* of rows behind that */

    bool broken; /* a read or a commit failed: the next commit says so */
    char broken_why[512];
    bool full;
    bool told_full;     /* by a commit that wrote nothing: hosts are refused */
    size_t ended_since; /* kept since the last commit */
    uint64_t commits, commit_ns, commit_max_ns;
    int64_t weighed_ms; /* when the records in memory were */
    size_t weight_bytes;
    struct sqlite_backup *backup;
    struct buf scratch;
};

/* store_sqlite.c */
bool store_ended(const struct job *job);
int store_counted_as(const struct job *job);
void store_set_state(struct store *s, struct job *job, int state, bool claimed);
void store_see_time(struct store *s, int64_t now_ms);
void store_note(struct store *s, struct job *job); /* its row is to be written */
void store_tell(struct store *s, int level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int store_load_names(struct store *s, struct neap_error *err); /* and tallies */
void store_break(struct store *s, const char *what);           /* what sqlite said last, too */

/* store_sqlite_window.c: the edges. */
void window_init(struct store *s); /* after the tallies are read */
void window_enter(struct store *s, struct job *job, int state, int64_t now_ms);
void window_leave(struct store *s, struct job *job);
void window_refill(struct store *s, unsigned queue);
void window_redraw(struct store *s, unsigned queue); /* rows have come from elsewhere */
void window_refill_delayed(struct store *s);
void window_promote(struct store *s, int64_t now_ms);
void window_keep_head(struct store *s, unsigned queue); /* after a job of it has left the index */
void window_keep(struct store *s);                      /* puts back what is too much */
void window_fill(struct store *s);                      /* reads ahead what is too little */
void window_age(struct store *s, unsigned queue, int64_t ageing_ms);
void store_visit(struct store *s, struct job *job, int where);
bool store_promoted(void *user, struct job *job);

/* store_sqlite_rows.c: a job as a row. */
enum { ROW_ID, ROW_QUEUE, ROW_TASK, ROW_STATE, ROW_DUE, ROW_HELD, ROW_BODY }; /* columns read */
void row_encode(struct buf *out, const struct job *job,
                uint32_t session); /* behind what is there */
/* A job that is in no table yet; NULL: the bytes are damaged. */
struct job *row_decode(struct store *s, sqlite3_stmt *row, bool ended);
int64_t row_sort(const struct job *job); /* its place in the line, in the file's terms */
int64_t row_due(const struct job *job);  /* 0: it is not delayed */

/* store_sqlite_read.c */
struct job *store_read(struct store *s, uint64_t id);
size_t store_scan(struct store *s, struct store_query *query, struct job **out, size_t max);
void store_look_for_edges(struct store *s); /* after they have changed */
size_t store_children(struct store *s, uint64_t parent, uint64_t *out, size_t max);
uint64_t store_unique(struct store *s, const unsigned char *key, int64_t *at_ms);
size_t store_owing(struct store *s, uint64_t after, uint64_t *out, size_t max);
size_t store_expired(struct store *s, int64_t now_ms, uint64_t *out, size_t max);
void store_watch_expiry(struct store *s, const struct job *job);
void store_next_expiry(struct store *s);

/* store_sqlite_ended.c */
void store_end(struct store *s, struct job *job, int state, bool kept, int64_t now_ms);
void store_forget(struct store *s, struct job *job);
void store_pin(struct store *s, struct job *job);
void store_unpin(struct store *s, struct job *const *jobs, size_t count);
void store_unkeep(struct store *s, struct job *job);
size_t store_forget_old(struct store *s, size_t most);

/* store_sqlite_jobs.c: the rows of jobs that are noted. */
int store_write_jobs(struct store *s);    /* an SQLite code */
void store_jobs_written(struct store *s); /* they are on the disk */
uint32_t store_task_number(struct store *s, const struct task_name *task);

/* store_sqlite_commit.c */
int store_commit(struct store *s, struct neap_error *err);
bool store_dirty(const struct store *s);
bool store_roomy(struct store *s);
void store_let_go(struct store *s, struct job *job, int64_t now_ms); /* one on hold */
void store_unhold(struct store *s, const struct task_name *task, int64_t now_ms);

#endif
