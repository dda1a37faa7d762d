/* How a command fails; the exit status for what the library says. */
#include "faces/cli.h"

#include "base/buf.h"
#include "neap.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct cli_command *cli_command_find(const char *name)
{
    for (const struct cli_command *c = cli_commands; c->name; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

int cli_fail(int status, const char *command, const char *format, ...)
{
    struct buf line = {0};
    char *text = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    buf_format(&line, "neap%s%s: %s\n", command ? " " : "", command ? command : "",
               text ? text : format);
    fwrite(line.data, 1, line.len, stderr); /* stderr is unbuffered: one write */
    buf_close(&line);
    free(text);
    return status;
}

int cli_status_of(int code)
{
    switch (code) {
    case NEAP_OK:
        return CLI_OK;
    case NEAP_EINVAL:
        return CLI_DATA;
    case NEAP_ENOENT:
        return CLI_NOINPUT;
    case NEAP_EFULL:
    case NEAP_EAGAIN:
    case NEAP_ECLOSED:
        return CLI_REFUSED;
    case NEAP_ECONFIG:
        return CLI_CONFIG;
    default:
        return CLI_INTERNAL;
    }
}
