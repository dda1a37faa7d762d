/* The child processes of an executor: at most so many at once over all its workers, in the order in
 * which they were asked for, and a list by which the groups of a worker that is lost are killed.
 * Any thread may call anything; a struct child belongs to who took it.
 *
 *   take ─► waiting ─granted─► placed ─started─► running ─free─► (its group killed, it reaped)
 *
 * Why no signal hits a stranger: the number of a group stays taken while its leader, our child, has
 * not been reaped. A group is killed, and its leader reaped, under the table's lock only, and
 * nothing is killed that has been reaped. Watching for the leader's end leaves it unreaped. (A host
 * that ignores SIGCHLD, or reaps children that are not its own, takes that away.) */
#ifndef PARTS_CHILDREN_H
#define PARTS_CHILDREN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct children;
struct child;

struct child_request {
    const void *owner; /* whose thread takes it: a worker */
    uint64_t job;
    /* The place is there: once, unless `placed` was true at once. On the thread that freed it and
     * under the table's lock, so that who frees a waiting child knows whether it has been told:
     * it may only post. */
    void (*granted)(void *user);
    void *user;
};

struct children_counts {
    unsigned max, running, waiting, most; /* running: places taken; most: at once, so far */
    uint64_t started, killed;             /* processes; groups killed while their leader lived */
};

struct children *children_new(unsigned max);
/* After all workers: reaps what has been killed, for at most a second. Where a lost worker still
 * holds a child, the table goes with that. NULL is fine. */
void children_free(struct children *t);
struct children_counts children_counts(struct children *t);

struct child *children_take(struct children *t, const struct child_request *request, bool *placed);
/* It is the leader of a process group of its own. False: the owner was given up meanwhile, the
 * group has been killed. */
bool child_started(struct child *child, pid_t pid);
void child_kill(struct child *child); /* the whole group; nothing if it has not started */
/* Has the leader ended? Its wait status then, -1 where somebody else has reaped it. */
bool child_ended(struct child *child, int *status);
/* Gives the place back: kills what is left of the group, a leader that has not ended too. True:
 * it was still waiting, and `granted` has not been called. */
bool child_free(struct child *child);

/* A worker is given up: the groups of all its children are killed, its places are free, what it
 * waited for is forgotten. Returns how many were killed; they are reaped as others come and go, and
 * by children_counts. */
unsigned children_kill_owner(struct children *t, const void *owner);
/* Reaps those of them that have died; true: some have not, look again soon. */
bool children_reap(struct children *children);

#endif
