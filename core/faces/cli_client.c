#include "faces/cli_client.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

static bool has_option(const struct cli_args *args, const char *name)
{
    for (const struct cli_option *o = args->command->options; o && o->name; o++)
        if (strcmp(o->name, name) == 0)
            return true;
    return false;
}

int command_run(const struct cli_args *args, int (*body)(struct command *command))
{
    struct command command = {.args = args, .name = args->command->name, .signals.fd = -1};
    command.format = has_option(args, "output") ? client_format(args) : FORMAT_TABLE;
    output_open(&command.output, &command.signals);
    int status = client_open(&command.client, args, &command.signals);
    if (status == CLI_OK)
        status = body(&command);
    const int written = command_flush(&command);
    output_close(&command.output);
    client_close(command.client);
    signals_close(&command.signals);
    return written ? written : status;
}

void command_hear_signals(struct command *command)
{
    signals_open(&command->signals, false);
}

int command_flush(struct command *command)
{
    output_flush(&command->output);
    return output_status(&command->output, command->name);
}

int command_print(struct command *command, const char *path, const char *list, const char *key,
                  void (*table)(struct command *command, const json_t *document))
{
    struct buf body = {0};
    const int status = client_get(command->client, path, &body);
    if (status)
        return status;
    if (!client_print(output_buf(&command->output), command->format, &body, list, key)) {
        json_t *document = json_read(json_text_of(&body));
        table(command, document);
        json_decref(document);
    }
    buf_close(&body);
    return CLI_OK;
}

const char *command_operand(const struct command *command, size_t index, const char *which)
{
    if (index < command->args->n_operands)
        return command->args->operands[index];
    cli_fail(CLI_USAGE, command->name, "%s (usage: neap %s %s)", which, command->name,
             command->args->command->operands);
    return NULL;
}
