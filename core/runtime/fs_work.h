/* What neap.fs does to the disk: each call blocks its thread, a pool's or the worker's own. */
#ifndef RUNTIME_FS_WORK_H
#define RUNTIME_FS_WORK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/buf.h"

/* Owner: the worker's thread before and after the work, the thread that does it meanwhile. */
struct fs_request {
    char *path, *to; /* owned; `to` of rename */
    const char *in;  /* what to write; borrowed */
    size_t in_len;
    struct buf data;       /* what has been read; of list: struct fs_entry... */
    int64_t max_bytes;     /* read: more is an error */
    int mode;              /* write: permissions, or -1 */
    bool append;           /* write */
    bool deep;             /* mkdir: with parents; remove: with all that is inside */
    atomic_bool cancelled; /* set by the worker: what takes long ends early with ECANCELED */
    /* the outcome */
    int error;      /* errno; 0: it is done */
    char *at, *why; /* owned: the path that failed and what is wrong, where not `path` and errno */
    struct stat st;
};

struct fs_entry { /* followed by the name's bytes; not aligned: copy it out */
    int64_t size, mtime_ns;
    uint32_t mode, name_len;
};

struct fs_request *fs_request_new(const char *path, const char *to);
void fs_request_free(struct fs_request *request); /* NULL is fine */

void fs_read(struct fs_request *r);
void fs_write(struct fs_request *r);
void fs_write_atomic(struct fs_request *r);
void fs_stat(struct fs_request *r);
void fs_list(struct fs_request *r);
void fs_mkdir(struct fs_request *r);
void fs_remove(struct fs_request *r);
void fs_rename(struct fs_request *r);

#endif
