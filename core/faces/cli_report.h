/* One ended job, told to people or to programs. */
#ifndef FACES_CLI_REPORT_H
#define FACES_CLI_REPORT_H

#include "base/buf.h"
#include "neap.h"

#include <stdbool.h>
#include <stdint.h>

struct report_input { /* borrows */
    uint64_t seq;     /* from 1 */
    const char *arg;
    size_t arg_len;
    bool json; /* arg is the text of a JSON value, not itself the value */
};

/* A line of JSON: seq, arg, id, state, result, error. */
void report_row(struct buf *out, const struct report_input *input,
                const struct neap_outcome *outcome);

/* "neap: TASK: MESSAGE", the input (NULL: not said) and the traceback, indented. */
void report_failure(struct buf *out, const struct report_input *input,
                    const struct neap_outcome *outcome);

#endif
