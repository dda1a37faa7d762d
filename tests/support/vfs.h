/* A disk that may lose power, for tests of what SQLite keeps on it: a VFS before the system's own
 * that knows what was synced and what was only written. Databases, their WAL and journals; others
 * pass through. Any thread, under a lock of its own. No real fsync is made: a test that ends by
 * itself loses nothing either way. */
#ifndef TESTS_SUPPORT_VFS_H
#define TESTS_SUPPORT_VFS_H

#include <stdbool.h>
#include <stdint.h>

/* Operations are writes, truncations, syncs and deletions, counted from 1. */
struct vfs_plan {
    long power_at;      /* the power goes in this operation; 0: never */
    long sync_fails_at; /* syncs from this operation on fail with EIO, and what was to be synced is
                           dropped, as Linux does; 0: never */
    uint64_t seed;      /* of what survives */
    void (*on_power)(void); /* after the files are what survived; NULL: _exit(VFS_POWER) */
};
#define VFS_POWER 42 /* exit status */

/* Makes it the default VFS of this process. Before any database is opened; once. */
void vfs_install(const struct vfs_plan *plan);
/* Writes that make a file longer fail with "disk full". */
void vfs_fill(bool full);
/* The power goes now. Does not return. */
void vfs_cut_power(void) __attribute__((noreturn));
long vfs_operations(void);
long vfs_syncs(void);

#endif
