/* How many CPUs this process may use. */
#ifndef BASE_CPUS_H
#define BASE_CPUS_H

/* The CPUs of the calling thread's affinity mask, and no more than the cgroup's CPU quota (v1 or
 * v2), rounded up. At least 1. */
int cpus_available(void);

/* The quota alone, read below `root` ("" for the real system): the smallest of this process's
 * cgroup and those above it. 0: none. */
int cpus_quota(const char *root);

#endif
