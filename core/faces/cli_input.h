/* What commands are given besides options of their own. */
#ifndef FACES_CLI_INPUT_H
#define FACES_CLI_INPUT_H

#include "base/buf.h"
#include "faces/cli_options.h"
#include "faces/cli_schema.h"

/* Standard input to its end. CLI_OK, or an exit status having said why not. */
int cli_stdin(const char *command, struct buf *text);

/* --arg NAME=VALUE, each, as one MessagePack map, converted by the schema (NULL: all is text).
 * CLI_OK, or an exit status having said what is wrong. */
int cli_pairs(const struct cli_args *args, const struct schema *schema, struct buf *out);

/* --priority: a number, or low normal high critical. False having said what is wrong; *out stays
 * where it was not given. */
bool cli_priority(const struct cli_args *args, int64_t *out);

#endif
