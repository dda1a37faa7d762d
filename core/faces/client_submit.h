/* What `neap submit` sends, and what it makes of the answers. */
#ifndef FACES_CLIENT_SUBMIT_H
#define FACES_CLIENT_SUBMIT_H

#include "faces/cli_client.h"

/* Appends the members of a request that options give, each behind a comma: ,"queue":"mail" and so
 * on. CLI_OK, or CLI_USAGE having said what is wrong. */
int submit_options(const struct cli_args *args, struct buf *out);

/* Takes NDJSON from standard input until its end and submits it, some lines at a time as they come:
 * whole requests, or where `task` is given its arguments, with `members` as submit_options made
 * them. One line of answer an input. An exit status. */
int submit_lines(struct command *c, const char *task, const struct buf *members);

#endif
