#include "faces/cli_output.h"

#include "faces/cli.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE_BYTES 4096 /* a pipe that polls as writable takes PIPE_BUF bytes without blocking */

void output_open(struct output *o, struct signals *signals)
{
    *o = (struct output){.fd = STDOUT_FILENO, .signals = signals};
}

void output_close(struct output *o)
{
    buf_close(&o->held);
}

struct buf *output_buf(struct output *o)
{
    return &o->held;
}

static bool may_block(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && !S_ISREG(st.st_mode);
}

static bool told_twice(const struct output *o)
{
    return o->signals && o->signals->count > 1;
}

/* Waits until `fd` takes bytes; false when a second signal says that waiting is over. */
static bool wait_writable(struct output *o)
{
    struct pollfd fds[] = {{.fd = o->fd, .events = POLLOUT},
                           {.fd = o->signals ? o->signals->fd : -1, .events = POLLIN}};
    while (poll(fds, 2, told_twice(o) ? 0 : -1) >= 0 || errno == EINTR) {
        if (o->signals)
            signals_poll(o->signals);
        if (fds[0].revents)
            return true;
        if (told_twice(o))
            return false;
    }
    return true;
}

static bool write_piece(struct output *o, bool wait)
{
    size_t len = o->held.len - o->written;
    if (wait && !wait_writable(o)) {
        o->error = EINTR;
        return false;
    }
    if (wait && len > PIECE_BYTES)
        len = PIECE_BYTES;
    const ssize_t n = write(o->fd, o->held.data + o->written, len);
    if (n >= 0)
        o->written += (size_t)n;
    else if (errno != EINTR && errno != EAGAIN)
        o->error = errno;
    return o->error == 0;
}

bool output_flush(struct output *o)
{
    const bool wait = !o->error && o->held.len && may_block(o->fd);
    while (!o->error && o->written < o->held.len && write_piece(o, wait))
        ;
    o->held.len = o->written = 0;
    return o->error == 0;
}

bool output_orphaned(const struct output *o)
{
    struct pollfd fd = {.fd = o->fd};
    return poll(&fd, 1, 0) == 1 && (fd.revents & POLLERR);
}

int output_status(const struct output *o, const char *command)
{
    if (o->error == 0)
        return CLI_OK;
    if (o->error == EPIPE)
        return CLI_SIGNAL + SIGPIPE;
    if (o->error == EINTR)
        return CLI_SIGNAL + o->signals->first;
    return cli_fail(CLI_OUTPUT, command, "cannot write output: %s", strerror(o->error));
}

int output_end(struct output *o, const char *command)
{
    output_flush(o);
    const int status = output_status(o, command);
    output_close(o);
    return status;
}
