/* What the kernel says of this process. Any thread. */
#ifndef BASE_PROCFS_H
#define BASE_PROCFS_H

#include <stdint.h>

struct procfs {              /* -1: not known */
    double cpu_s, started_s; /* started: Unix */
    int64_t resident_bytes, virtual_bytes;
    int64_t open_fds, max_fds, threads;
};

void procfs_read(struct procfs *out);

#endif
