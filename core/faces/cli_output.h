/* Standard output: buffered, and watched for the reader that went away, the disk that is full and
 * the pipe that nobody empties. What cannot be written is remembered, never lost silently. */
#ifndef FACES_CLI_OUTPUT_H
#define FACES_CLI_OUTPUT_H

#include "base/buf.h"
#include "faces/cli_signals.h"

struct output { /* main thread */
    int fd;
    int error; /* errno of the write that failed: all that follows is dropped; 0: none */
    struct buf held;
    size_t written;          /* bytes at the start of `held` that are out already */
    struct signals *signals; /* a second signal ends a write that waits; NULL: nothing does */
};

void output_open(struct output *o, struct signals *signals);
void output_close(struct output *o); /* without flushing */

/* The buffer to append to; output_flush sends it. */
struct buf *output_buf(struct output *o);
/* Writes everything. False once something could not be written. */
bool output_flush(struct output *o);
/* Has the reader of a pipe gone? Asked without writing. */
bool output_orphaned(const struct output *o);

/* The exit status: CLI_OK, 128+SIGPIPE quietly for a reader that left, CLI_OUTPUT having said so.
 */
int output_status(const struct output *o, const char *command);
/* For commands that just print: flushes, closes and returns output_status. */
int output_end(struct output *o, const char *command);

#endif
