#include "parts/children.h"

#include "base/list.h"
#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

#define LAST_REAP_MS 1000 /* how long children_free waits for what has been killed to be gone */

/* Owner: none; everything in it is guarded by the lock. */
struct children {
    pthread_mutex_t lock;
    struct list waiting; /* for a place, oldest first */
    struct list placed;  /* those that have one */
    struct list lost;    /* killed, but nobody else will reap them */
    unsigned held;       /* struct child that somebody may still free */
    bool closed;
    struct children_counts counts;
};

enum child_state { CHILD_WAITING, CHILD_PLACED, CHILD_GONE };

struct child {
    struct list link;
    struct children *table;
    struct child_request request;
    enum child_state state;
    pid_t pid;   /* of the leader; 0: not started, or reaped */
    int status;  /* once `ended` */
    bool killed; /* its group */
    bool ended;  /* the leader, seen so, perhaps not reaped */
    bool let_go; /* by its owner: what remains is the table's */
};

/* --- processes; all under the lock ------------------------------------------------------------ */

static void kill_group(struct child *child)
{
    if (!child->pid)
        return;
    if (!child->ended && !child->killed)
        child->table->counts.killed++;
    child->killed = true;
    kill(-child->pid, SIGKILL);
}

static int exit_status(const siginfo_t *info) /* as waitpid has it */
{
    return info->si_code == CLD_EXITED ? W_EXITCODE(info->si_status, 0)
                                       : W_EXITCODE(0, info->si_status);
}

/* Looks without reaping (WNOWAIT in `how`) or reaps. */
static bool look(struct child *child, int how)
{
    siginfo_t info = {0};
    int rc;
    while ((rc = waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | how)) && errno == EINTR)
        ;
    if (rc == 0 && info.si_pid == 0)
        return false;
    if (!child->ended)
        child->status = rc ? -1 : exit_status(&info);
    child->ended = true;
    if (rc || !(how & WNOWAIT)) /* ECHILD: not ours any more */
        child->pid = 0;
    return true;
}

static void reap_lost(struct children *t)
{
    for (struct list *at = t->lost.next, *next; at != &t->lost; at = next) {
        struct child *child = LIST_ENTRY(at, struct child, link);
        next = at->next;
        if (!look(child, 0))
            continue;
        list_remove(&child->link);
        if (child->let_go)
            free(child);
    }
}

/* --- places; all under the lock --------------------------------------------------------------- */

static void give_place(struct children *t, struct child *child)
{
    child->state = CHILD_PLACED;
    list_push(&t->placed, &child->link);
    t->counts.running++;
    if (t->counts.running > t->counts.most)
        t->counts.most = t->counts.running;
}

static void give_places(struct children *t)
{
    while (t->counts.running < t->counts.max && !list_empty(&t->waiting)) {
        struct child *child = LIST_ENTRY(list_shift(&t->waiting), struct child, link);
        t->counts.waiting--;
        give_place(t, child);
        child->request.granted(child->request.user);
    }
}

/* Takes the place away, and the process if it runs. */
static void take_back(struct children *t, struct child *child)
{
    list_remove(&child->link);
    if (child->state == CHILD_WAITING)
        t->counts.waiting--;
    else
        t->counts.running--;
    child->state = CHILD_GONE;
    if (!child->pid)
        return;
    kill_group(child); /* also after the leader has ended: what it left in its group */
    if (!look(child, 0))
        list_push(&t->lost, &child->link);
}

/* --- the table -------------------------------------------------------------------------------- */

struct children *children_new(unsigned max)
{
    struct children *t = mem_zero(1, sizeof *t);
    pthread_mutex_init(&t->lock, NULL);
    list_init(&t->waiting);
    list_init(&t->placed);
    list_init(&t->lost);
    t->counts.max = max ? max : 1;
    return t;
}

static void destroy(struct children *t)
{
    for (struct list *at; (at = list_shift(&t->lost));) /* beyond our reach: init reaps them */
        free(LIST_ENTRY(at, struct child, link));
    pthread_mutex_destroy(&t->lock);
    free(t);
}

void children_free(struct children *t)
{
    if (!t)
        return;
    pthread_mutex_lock(&t->lock);
    reap_lost(t);
    for (int left_ms = LAST_REAP_MS; left_ms && !list_empty(&t->lost); left_ms--) {
        pthread_mutex_unlock(&t->lock);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        pthread_mutex_lock(&t->lock);
        reap_lost(t);
    }
    t->closed = true;
    const bool free_now = t->held == 0;
    pthread_mutex_unlock(&t->lock);
    if (free_now)
        destroy(t);
}

struct children_counts children_counts(struct children *t)
{
    pthread_mutex_lock(&t->lock);
    reap_lost(t);
    const struct children_counts counts = t->counts;
    pthread_mutex_unlock(&t->lock);
    return counts;
}

unsigned children_kill_owner(struct children *t, const void *owner)
{
    struct list *const lists[] = {&t->waiting, &t->placed};
    unsigned killed = 0;
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < 2; i++) {
        for (struct list *at = lists[i]->next, *next; at != lists[i]; at = next) {
            struct child *child = LIST_ENTRY(at, struct child, link);
            next = at->next;
            if (child->request.owner != owner)
                continue;
            killed += child->pid && !child->ended;
            take_back(t, child);
        }
    }
    give_places(t);
    pthread_mutex_unlock(&t->lock);
    return killed;
}

bool children_reap(struct children *t)
{
    pthread_mutex_lock(&t->lock);
    reap_lost(t);
    const bool left = !list_empty(&t->lost);
    pthread_mutex_unlock(&t->lock);
    return left;
}

/* --- one child -------------------------------------------------------------------------------- */

struct child *children_take(struct children *t, const struct child_request *request, bool *placed)
{
    struct child *child = mem_zero(1, sizeof *child);
    child->table = t;
    child->request = *request;
    pthread_mutex_lock(&t->lock);
    reap_lost(t);
    t->held++;
    *placed = t->counts.running < t->counts.max && list_empty(&t->waiting);
    if (*placed) {
        give_place(t, child);
    } else {
        list_push(&t->waiting, &child->link);
        t->counts.waiting++;
    }
    pthread_mutex_unlock(&t->lock);
    return child;
}

bool child_started(struct child *child, pid_t pid)
{
    struct children *t = child->table;
    pthread_mutex_lock(&t->lock);
    assert(!child->pid && child->state != CHILD_WAITING);
    child->pid = pid;
    t->counts.started++;
    const bool wanted = child->state == CHILD_PLACED;
    if (!wanted) {
        kill_group(child);
        list_push(&t->lost, &child->link);
    }
    pthread_mutex_unlock(&t->lock);
    return wanted;
}

void child_kill(struct child *child)
{
    pthread_mutex_lock(&child->table->lock);
    kill_group(child);
    pthread_mutex_unlock(&child->table->lock);
}

bool child_ended(struct child *child, int *status)
{
    pthread_mutex_lock(&child->table->lock);
    const bool ended = child->ended || !child->pid || look(child, WNOWAIT);
    *status = child->ended ? child->status : -1;
    pthread_mutex_unlock(&child->table->lock);
    return ended;
}

bool child_free(struct child *child)
{
    struct children *t = child->table;
    pthread_mutex_lock(&t->lock);
    const bool waited = child->state == CHILD_WAITING;
    if (child->state != CHILD_GONE)
        take_back(t, child);
    reap_lost(t);
    child->let_go = true;
    if (!list_linked(&child->link))
        free(child);
    give_places(t);
    const bool last = --t->held == 0 && t->closed;
    pthread_mutex_unlock(&t->lock);
    if (last)
        destroy(t);
    return waited;
}
