/* Filters on the command line: state=dead queue=mail, as the daemon understands them. */
#ifndef FACES_CLIENT_FILTER_H
#define FACES_CLIENT_FILTER_H

#include "base/buf.h"
#include "faces/cli_options.h"
#include "faces/client_format.h"

/* Is it a term (name=value, priority>5) and no id? */
bool filter_is_term(const char *operand);

/* The operands from `first` on as a query, "?state=dead&id=A,B": terms, and ids among them. What
 * the terms mean is the daemon's to say. CLI_USAGE having said what is neither. */
int filter_query(const struct cli_args *args, size_t first, struct buf *query);

/* One event: as it came with -o json and jsonl, else a line. */
void client_event_put(struct buf *out, enum client_format format, struct json_text text);

#endif
