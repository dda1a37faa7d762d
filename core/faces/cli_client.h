/* The frame of a client command. */
#ifndef FACES_CLI_CLIENT_H
#define FACES_CLI_CLIENT_H

#include "faces/cli.h"
#include "faces/cli_output.h"
#include "faces/cli_signals.h"
#include "faces/client.h"
#include "faces/client_format.h"

struct command { /* main thread: one client command under way */
    const struct cli_args *args;
    const char *name;
    struct client *client;
    struct signals signals;
    struct output output;
    enum client_format format;
};

/* Connects (lazily), runs `body`, flushes the output; returns the exit status. -o of a command that
 * has it goes to `format`. */
int command_run(const struct cli_args *args, int (*body)(struct command *command));

/* A question whose answer is a document: gets `path`, prints it by -o, as a table with `table`. */
int command_print(struct command *command, const char *path, const char *list, const char *key,
                  void (*table)(struct command *command, const json_t *document));

/* From here on SIGINT and SIGTERM end what waits for the daemon, and the command ends well. */
void command_hear_signals(struct command *command);

/* Flushes; CLI_OK or why not, having said so. */
int command_flush(struct command *command);

/* NULL with what is wrong said where there is no such operand: "which job?" */
const char *command_operand(const struct command *command, size_t index, const char *which);

#endif
