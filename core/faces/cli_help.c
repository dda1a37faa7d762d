/* neap help and neap version. */
#include "faces/cli.h"

#include "base/buf.h"
#include "faces/cli_output.h"
#include "faces/httpd.h"
#include "neap.h"

#include <string.h>

#define WIDTH 80
#define COLUMN 26 /* where explanations begin */

static void put_spaces(struct buf *out, size_t count)
{
    while (count--)
        buf_byte(out, ' ');
}

/* Words of `text` in lines that begin at column `indent`; the first one is at column `at` already.
 */
static void put_wrapped(struct buf *out, const char *text, size_t at, size_t indent)
{
    bool first = true;
    while (*text) {
        const size_t len = strcspn(text, " ");
        if (!first && at + 1 + len > WIDTH) {
            buf_byte(out, '\n');
            put_spaces(out, indent);
            at = indent;
        } else if (!first) {
            buf_byte(out, ' ');
            at++;
        }
        buf_put(out, text, len);
        at += len;
        text += len + (text[len] == ' ');
        first = false;
    }
    buf_byte(out, '\n');
}

static void put_row(struct buf *out, const char *left, const char *right)
{
    size_t at = 2 + strlen(left);
    buf_format(out, "  %s", left);
    if (at + 2 > COLUMN) {
        buf_byte(out, '\n');
        at = 0;
    }
    put_spaces(out, COLUMN - at);
    put_wrapped(out, right, COLUMN, COLUMN);
}

static void put_option(struct buf *out, const struct cli_option *o)
{
    struct buf left = {0};
    if (o->letter)
        buf_format(&left, "-%c, ", o->letter);
    else
        buf_text(&left, "    ");
    buf_format(&left, "--%s", o->name);
    if (o->arg)
        buf_format(&left, "%s%s", cli_needs_word(o) ? " " : "", o->arg);
    put_row(out, buf_string(&left), o->help);
    buf_close(&left);
}

static void put_command_help(struct buf *out, const struct cli_command *c)
{
    const bool options = c->options && c->options->name && !c->options->hidden;
    buf_format(out, "usage: neap %s%s%s%s\n", c->name, options ? " [options]" : "",
               *c->operands ? " " : "", c->operands);
    for (const char *const *text = c->text; text && *text; text++) {
        buf_byte(out, '\n');
        put_wrapped(out, *text, 0, 0);
    }
    buf_text(out, "\noptions:\n");
    for (const struct cli_option *o = c->options; o && o->name; o++)
        if (!o->hidden)
            put_option(out, o);
    put_option(out, &(struct cli_option){"help", 'h', NULL, "print this", NULL, false});
}

static void put_statuses(struct buf *out)
{
    buf_text(out, "\nexit status:\n");
    for (const struct cli_status *s = cli_statuses; s->meaning; s++)
        buf_format(out, "  %3d%s  %s\n", s->status, s->status == CLI_SIGNAL ? "+" : " ",
                   s->meaning);
}

void cli_help_text(struct buf *out, const struct cli_command *command)
{
    if (command) {
        put_command_help(out, command);
        return;
    }
    buf_text(out, "usage: neap COMMAND [options]\n\n"
                  "Runs tasks written in Lua on a pool of threads.\n\ncommands:\n");
    for (const struct cli_command *c = cli_commands; c->name; c++)
        put_row(out, c->name, c->summary);
    buf_text(out, "\nneap COMMAND -h explains a command.\n");
    put_statuses(out);
}

int cli_help(const struct cli_args *args)
{
    struct output out;
    const char *shell = cli_value(args, "completion");
    const struct cli_command *command = NULL;
    if (args->n_operands && !(command = cli_command_find(args->operands[0])))
        return cli_fail(CLI_USAGE, "help", "no such command: %s", args->operands[0]);
    output_open(&out, NULL);
    if (shell)
        cli_completion(output_buf(&out), shell);
    else if (cli_has(args, "man"))
        cli_man_page(output_buf(&out));
    else if (cli_has(args, "openapi"))
        httpd_openapi(output_buf(&out));
    else
        cli_help_text(output_buf(&out), command);
    return output_end(&out, "help");
}

int cli_version(const struct cli_args *args)
{
    struct output out;
    output_open(&out, NULL);
    buf_text(output_buf(&out), "neap " NEAP_VERSION "\n");
    return output_end(&out, args->command->name);
}
