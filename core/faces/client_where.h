/* Where the daemon is that a client command talks to. */
#ifndef FACES_CLIENT_WHERE_H
#define FACES_CLIENT_WHERE_H

#include "faces/cli_options.h"

struct where {           /* main thread */
    char *base;          /* URL before the path */
    char *path;          /* of the socket, as it is connected to; NULL: TCP */
    char *shown;         /* what messages call it */
    char *authorization; /* a header; NULL: none */
    int dir_fd;          /* of a socket whose path is too long for connect(2); -1: none */
};

/* An exit status, having said what is wrong. Close it either way. */
int where_find(struct where *w, const struct cli_args *args);
void where_close(struct where *w);

/* Says that it does not answer, or ended the connection, and why (errno, or 0 and `why`); returns
 * CLI_UNREACHED. */
int where_fail(const struct where *w, const char *command, bool connecting, int number,
               const char *why);

#endif
