/* The statements of the sqlite store, prepared once. */
#ifndef PARTS_SQLITE_SQL_H
#define PARTS_SQLITE_SQL_H

enum sqlite_sql {
    SQL_BEGIN,
    SQL_COMMIT,
    /* Writing. */
    SQL_PUT_JOB,
    SQL_ADD_JOBS, /* SQL_ROWS new ones at once: half of a statement's price is its start */
    SQL_DROP_JOBS,
    SQL_PUT_ENDED,
    SQL_ADD_ENDED,
    SQL_DROP_ENDED,
    SQL_PUT_EDGE,
    SQL_DROP_EDGE,
    SQL_PUT_UNIQUE,
    SQL_ORPHAN_UNIQUE,
    SQL_DROP_UNIQUE,
    SQL_EXPIRE_UNIQUES,
    SQL_PUT_NOTE,
    SQL_DROP_NOTE,
    SQL_PUT_NAME,
    SQL_PUT_TALLY,
    SQL_DROP_TALLY,
    SQL_PUT_FACT,
    SQL_UNHOLD,
    /* Reading. */
    SQL_JOB,
    SQL_ENDED,
    SQL_LINE_SAME,
    SQL_LINE_NEXT,
    SQL_LINE_LEVEL,
    SQL_DELAYED_SAME,
    SQL_DELAYED_NEXT,
    SQL_DUE,
    SQL_DUE_AGAIN,
    SQL_COUNT_DUE,
    SQL_COUNT_DUE_AGAIN,
    SQL_HELD,
    SQL_HELD_TASKS,
    SQL_CHILDREN,
    SQL_ANY_EDGE,
    SQL_UNIQUE,
    SQL_UNIQUE_DUE,
    SQL_OWING,
    SQL_EXPIRED,
    SQL_NEXT_EXPIRY,
    SQL_OLDEST_DONE,
    SQL_OLDEST_DEAD,
    SQL_SCAN,
    SQL_SCAN_JOBS,
    SQL_SCAN_ENDED,
    SQL_SCAN_BACK,
    SQL_SCAN_JOBS_BACK,
    SQL_SCAN_ENDED_BACK,
    SQL_NOTES,
    SQL_NAMES,
    SQL_TALLIES,
    SQL_FACT,
    SQL_ALL_JOBS,
    SQL_ALL_ENDED,
    SQL_COUNT,
};

#define SQL_ROWS 16
#define NEAP_SCHEMA 1                  /* the version that this code writes */
#define NEAP_APPLICATION_ID 0x6e656170 /* "neap" */

extern const char *const sqlite_sql_texts[SQL_COUNT];
extern const char *const sqlite_sql_steps[NEAP_SCHEMA]; /* from version n to n + 1 */

#endif
