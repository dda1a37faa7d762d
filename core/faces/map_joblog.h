/* The log of jobs in GNU parallel's columns and two of ours behind them, and which inputs it says
 * are done. */
#ifndef FACES_MAP_JOBLOG_H
#define FACES_MAP_JOBLOG_H

#include "base/buf.h"
#include "neap.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum joblog_mode {
    JOBLOG_NEW,    /* an existing file is replaced */
    JOBLOG_RESUME, /* inputs that it names are done */
    JOBLOG_FAILED, /* those that ended well are */
};

struct joblog_seen { /* how often an input is in the log, by a hash of 128 bits */
    uint64_t hash[2];
    uint64_t count; /* 0: an empty place */
};

struct joblog { /* main thread */
    int fd;     /* -1: none */
    int error;  /* errno of the write that failed */
    const char *path;
    struct buf pending;       /* lines of results that are on stdout */
    struct joblog_seen *seen; /* open addressing; cap is a power of two or 0 */
    size_t n_seen, cap_seen;
};

struct joblog_entry { /* borrows */
    uint64_t seq;
    const char *task, *arg;
    size_t arg_len, output_len;
    const struct neap_outcome *outcome;
};

/* Opens `path` (NULL: none) and reads it if resuming. An exit status, having said what is wrong. */
int joblog_open(struct joblog *log, const char *path, enum joblog_mode mode);
/* Writes what is pending; the exit status of all writes, having said what is wrong. */
int joblog_close(struct joblog *log);

/* Is one more such input done already? */
bool joblog_done(struct joblog *log, const char *task, const char *arg, size_t arg_len);

void joblog_put_line(struct buf *out, const struct joblog_entry *entry);
/* Writes `pending`: only once the results are on stdout, so that a resumed run loses none. */
void joblog_flush(struct joblog *log);

#endif
