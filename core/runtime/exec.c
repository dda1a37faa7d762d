#include "runtime/exec.h"

#include "base/mem.h"
#include "runtime/anchor.h"
#include "runtime/run.h"
#include "runtime/vm.h"
#include "runtime/worker_run.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES 65536  /* of a pipe at once */
#define READS_IN_A_ROW 4  /* of one pipe, before others have their turn */
#define DRAIN_MS 200      /* how long the pipes may stay open once the program has ended */
#define DIE_MS 1000       /* how long a program may take to die that has been killed */
#define LOOK_MS 10        /* between two looks whether it has ended, without a pidfd */
#define LAST_LOOKS_MS 100 /* of a worker's end at what it has killed */

enum exec_state {
    EXEC_WAITING, /* for a place */
    EXEC_RUNNING,
    EXEC_KILLED,   /* out of time */
    EXEC_DRAINING, /* it has ended, a pipe is still open */
    EXEC_DONE
};

struct output {
    uv_poll_t poll;
    int fd; /* -1: closed */
    struct buf data;
    bool truncated;
};

/* Owner: its worker's thread. Lives until it has been closed or stopped, its process has ended and
 * the loop has closed its handles. */
struct exec {
    struct op op;                /* first */
    struct worker_errand errand; /* its place is there */
    struct list link;            /* in the worker's list, while it has handles */
    struct worker *worker;
    struct run *run; /* whose log gets the output; NULL: it is kept */
    struct child *child;
    struct process_spec spec; /* its own copies, in `block`, but for the input */
    int anchor;
    char *block;
    int64_t timeout_ms;
    size_t max_bytes;
    enum exec_state state;
    bool unwanted; /* nobody comes back for it */
    bool errand_due;
    bool timed_out;
    int error, status;
    struct neap_error why;
    struct output out[2];
    uv_poll_t end; /* of the process: readable then */
    int pidfd;
    uv_timer_t look; /* at its end, instead */
    uv_timer_t timer;
    unsigned handles; /* initialised and not yet closed by the loop */
};

struct execs { /* of a worker; owner: its thread */
    struct list list;
};
static const char execs_key;

/* --- the end of it ---------------------------------------------------------------------------- */

static void free_exec(struct exec *exec)
{
    for (int i = 0; i < 2; i++)
        buf_close(&exec->out[i].data);
    free(exec->block);
    free(exec);
}

static void free_if_over(struct exec *exec)
{
    if (exec->handles || exec->child || !exec->unwanted || exec->errand_due)
        return;
    if (list_linked(&exec->link))
        list_remove(&exec->link);
    free_exec(exec);
}

static void on_closed(uv_handle_t *handle)
{
    struct exec *exec = handle->data;
    exec->handles--;
    free_if_over(exec);
}

static void close_handle(void *handle) /* that has been initialised, perhaps closed already */
{
    if (((uv_handle_t *)handle)->data && !uv_is_closing(handle))
        uv_close(handle, on_closed);
}

static void close_output(struct output *output)
{
    if (output->fd < 0)
        return;
    close_handle(&output->poll); /* stops it at once, so the descriptor may go */
    close(output->fd);
    output->fd = -1;
}

static void close_end(struct exec *exec)
{
    close_handle(&exec->end);
    close_handle(&exec->look);
    if (exec->pidfd >= 0)
        close(exec->pidfd);
    exec->pidfd = -1;
}

static void let_go_of_input(struct exec *exec)
{
    anchor_give(exec->worker, exec->anchor);
    exec->anchor = ANCHOR_NONE;
}

static void let_go(struct exec *exec) /* of the process: what is left of its group is killed */
{
    if (exec->child)
        child_free(exec->child);
    exec->child = NULL;
}

static void finish(struct exec *exec)
{
    const bool unwanted = exec->unwanted;
    exec->state = EXEC_DONE;
    let_go(exec);
    for (int i = 0; i < 2; i++)
        close_output(&exec->out[i]);
    close_end(exec);
    close_handle(&exec->timer);
    if (unwanted)
        free_if_over(exec);
    else
        op_done(&exec->op);
}

/* The job does not come back for it. The process dies now; its end is looked at by the loop. */
static void give_up(struct exec *exec)
{
    exec->unwanted = true;
    let_go_of_input(exec);
    if (exec->state == EXEC_WAITING) {
        if (child_free(exec->child))
            exec->errand_due = false;
        exec->child = NULL;
    } else if (exec->child) {
        child_kill(exec->child);
        for (int i = 0; i < 2; i++)
            close_output(&exec->out[i]);
        close_handle(&exec->timer);
    }
    free_if_over(exec);
}

static void stop(struct op *op)
{
    give_up(exec_of(op));
}

/* --- while it runs ---------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer);

static void after(struct exec *exec, enum exec_state state, int64_t ms)
{
    exec->state = state;
    if (!exec->unwanted) /* else its timer is closed */
        uv_timer_start(&exec->timer, on_timer, (uint64_t)ms, 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct exec *exec = timer->data;
    if (exec->state == EXEC_RUNNING) {
        exec->timed_out = true;
        child_kill(exec->child);
        after(exec, EXEC_KILLED, DIE_MS);
    } else {
        finish(exec);
    }
}

static void finish_if_drained(struct exec *exec)
{
    if (exec->state == EXEC_DRAINING && exec->out[0].fd < 0 && exec->out[1].fd < 0)
        finish(exec);
}

static void look_at_end(struct exec *exec)
{
    if (!child_ended(exec->child, &exec->status))
        return;
    close_end(exec);
    after(exec, EXEC_DRAINING, DRAIN_MS);
    finish_if_drained(exec);
}

static void on_end(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    look_at_end(poll->data);
}

static void on_look(uv_timer_t *timer)
{
    look_at_end(timer->data);
}

static void take_output(struct exec *exec, struct output *output, const char *data, size_t len)
{
    if (exec->run) {
        run_print(exec->run, data, len);
        return;
    }
    const size_t room = exec->max_bytes - output->data.len;
    output->truncated |= len > room;
    buf_put(&output->data, data, len < room ? len : room);
}

static void on_output(uv_poll_t *poll, int status, int events)
{
    struct exec *exec = poll->data;
    struct output *output = poll == &exec->out[0].poll ? &exec->out[0] : &exec->out[1];
    char data[READ_BYTES];
    (void)status, (void)events;
    for (int i = 0; i < READS_IN_A_ROW; i++) {
        const ssize_t n = read(output->fd, data, sizeof data);
        if (n > 0) {
            take_output(exec, output, data, (size_t)n);
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            close_output(output);
            finish_if_drained(exec);
            return;
        } else if (errno == EAGAIN) {
            return;
        }
    }
}

/* --- starting --------------------------------------------------------------------------------- */

static int add_poll(struct exec *exec, uv_poll_t *poll, int fd, uv_poll_cb callback)
{
    const int rc = uv_poll_init(worker_loop(exec->worker), poll, fd);
    if (rc)
        return -rc;
    poll->data = exec;
    exec->handles++;
    uv_poll_start(poll, UV_READABLE, callback);
    return 0;
}

static void add_timer(struct exec *exec, uv_timer_t *timer)
{
    uv_timer_init(worker_loop(exec->worker), timer);
    timer->data = exec;
    exec->handles++;
}

static int watch(struct exec *exec, pid_t pid)
{
    int rc = 0;
    uv_update_time(worker_loop(exec->worker)); /* the worker may have computed for long */
    add_timer(exec, &exec->timer);
    for (int i = 0; i < 2 && !rc; i++)
        if (exec->out[i].fd >= 0)
            rc = add_poll(exec, &exec->out[i].poll, exec->out[i].fd, on_output);
    exec->pidfd = process_fd(pid);
    if (!rc && exec->pidfd >= 0)
        rc = add_poll(exec, &exec->end, exec->pidfd, on_end);
    if (exec->pidfd < 0) {
        add_timer(exec, &exec->look);
        uv_timer_start(&exec->look, on_look, LOOK_MS, LOOK_MS);
    }
    if (exec->timeout_ms)
        after(exec, EXEC_RUNNING, exec->timeout_ms);
    return rc;
}

static void start(struct exec *exec)
{
    pid_t pid;
    int fds[2];
    exec->state = EXEC_RUNNING;
    exec->error = process_start(&exec->spec, &pid, fds, &exec->why);
    let_go_of_input(exec);
    if (!exec->error) {
        exec->out[0].fd = fds[0];
        exec->out[1].fd = fds[1];
        if (!child_started(exec->child, pid))
            exec->error = error_set(&exec->why, ECANCELED, "the worker was given up");
        else if ((exec->error = watch(exec, pid)))
            error_set(&exec->why, exec->error, "cannot watch a program: %s", strerror(exec->error));
    }
    assert(!exec->unwanted); /* all this on one thread */
    if (exec->error)
        finish(exec);
}

static void on_place(struct worker_errand *errand, struct worker *worker)
{
    struct exec *exec = LIST_ENTRY(errand, struct exec, errand);
    (void)worker;
    exec->errand_due = false;
    if (exec->unwanted)
        free_if_over(exec);
    else
        start(exec);
}

static void granted(void *user) /* any thread, under the table's lock */
{
    struct exec *exec = user;
    worker_send(exec->worker, &exec->errand);
}

/* --- a worker's end --------------------------------------------------------------------------- */

static bool all_ended(const struct execs *execs)
{
    int status;
    for (const struct list *at = execs->list.next; at != &execs->list; at = at->next) {
        const struct exec *exec = LIST_ENTRY(at, struct exec, link);
        if (exec->child && !child_ended(exec->child, &status))
            return false;
    }
    return true;
}

/* Its jobs have ended: all that is left has been killed. Whatever is not gone in a moment, the
 * table reaps. */
static void execs_close(void *thing)
{
    struct execs *execs = thing;
    for (int left_ms = LAST_LOOKS_MS; left_ms && !all_ended(execs); left_ms--)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    for (struct list *at; (at = list_shift(&execs->list));) {
        struct exec *exec = LIST_ENTRY(at, struct exec, link);
        if (exec->state != EXEC_DONE)
            finish(exec);
    }
    free(execs);
}

static void enlist(struct exec *exec)
{
    struct execs *execs = worker_kept(exec->worker, &execs_key);
    if (!execs) {
        execs = mem_zero(1, sizeof *execs);
        list_init(&execs->list);
        worker_keep(exec->worker, &execs_key, execs, execs_close);
    }
    list_push(&execs->list, &exec->link);
}

/* --- for the Lua half ------------------------------------------------------------------------- */

static char *put(char **at, const void *data, size_t len)
{
    char *copy = *at;
    if (len)
        memcpy(copy, data, len);
    *at += len;
    return copy;
}

static void copy_spec(struct exec *exec, const struct process_spec *from)
{
    const size_t cwd_len = from->cwd ? strlen(from->cwd) + 1 : 0;
    char *at = exec->block = mem_alloc(from->args_len + from->vars_len + cwd_len + 1);
    struct process_spec *to = &exec->spec;
    *to = *from;
    to->args = put(&at, from->args, from->args_len);
    to->vars = put(&at, from->vars, from->vars_len);
    if (from->cwd)
        to->cwd = put(&at, from->cwd, cwd_len);
}

struct exec *exec_open(lua_State *L, const struct exec_request *request)
{
    struct run *run = vm_of(L)->run;
    struct exec *exec = mem_zero(1, sizeof *exec);
    bool placed;
    copy_spec(exec, &request->spec);
    exec->anchor = request->anchor;
    exec->worker = run_worker(run);
    exec->run = request->log ? run : NULL;
    exec->timeout_ms = request->timeout_ms;
    exec->max_bytes = request->max_bytes;
    exec->errand.run = on_place;
    exec->errand_due = true;
    exec->status = -1;
    exec->pidfd = exec->out[0].fd = exec->out[1].fd = -1;
    enlist(exec);
    op_open(L, &exec->op, stop);
    const struct child_request child = {
        .owner = run_worker(run), .job = run->job->id, .granted = granted, .user = exec};
    exec->child = children_take(worker_env(run_worker(run))->children, &child, &placed);
    if (placed) {
        exec->errand_due = false;
        start(exec);
    }
    return exec;
}

struct op *exec_op(struct exec *exec)
{
    return &exec->op;
}

struct exec *exec_of(struct op *op)
{
    return (struct exec *)op;
}

struct exec_result exec_result(const struct exec *exec)
{
    return (struct exec_result){
        .error = exec->error,
        .message = exec->why.message,
        .status = exec->status,
        .truncated = exec->out[0].truncated || exec->out[1].truncated,
        .timed_out = exec->timed_out,
        .out = {&exec->out[0].data, &exec->out[1].data},
    };
}

void exec_close(struct exec *exec)
{
    op_close(&exec->op);
    exec->unwanted = true;
    free_if_over(exec);
}
