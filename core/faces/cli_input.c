#include "faces/cli_input.h"

#include "base/mem.h"
#include "base/text.h"
#include "faces/cli.h"
#include "faces/cli_value.h"
#include "neap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INPUT_MAX (64 * 1024 * 1024) /* bytes of JSON text, however little it amounts to */

int cli_stdin(const char *command, struct buf *text)
{
    ssize_t n = 1;
    if (isatty(STDIN_FILENO))
        cli_fail(0, command, "reading the arguments as JSON from the terminal; end with Ctrl-D");
    while (n > 0 && text->len <= INPUT_MAX) {
        buf_reserve(text, 65536);
        n = read(STDIN_FILENO, text->data + text->len, 65536);
        if (n > 0)
            text->len += (size_t)n;
        else if (n < 0 && errno == EINTR)
            n = 1;
    }
    if (n < 0)
        return cli_fail(CLI_DATA, command, "standard input: %s", strerror(errno));
    if (n > 0)
        return cli_fail(CLI_DATA, command, "standard input: over %d MiB", INPUT_MAX >> 20);
    return CLI_OK;
}

static int take_pair(const char *command, const struct schema *schema, const char *pair,
                     struct buf *out)
{
    const char *equals = strchr(pair, '=');
    if (!equals || equals == pair)
        return cli_fail(CLI_USAGE, command, "--arg %s: write it as name=value", pair);
    char *name = mem_format("%.*s", (int)(equals - pair), pair);
    struct buf why = {0};
    int status = CLI_OK;
    value_put_text(out, name, strlen(name));
    if (!schema_convert(schema, name, equals + 1, strlen(equals + 1), out, &why))
        status = cli_fail(CLI_DATA, command, "--arg %s: %s", name, buf_string(&why));
    buf_close(&why);
    free(name);
    return status;
}

static bool same_name(const char *a, const char *b)
{
    const size_t len = strcspn(a, "=");
    return len == strcspn(b, "=") && memcmp(a, b, len) == 0;
}

int cli_pairs(const struct cli_args *args, const struct schema *schema, struct buf *out)
{
    size_t count;
    const char **pairs = cli_values(args, "arg", &count);
    const char *command = args->command->name;
    int status = CLI_OK;
    value_put_map(out, count);
    for (size_t i = 0; i < count && status == CLI_OK; i++) {
        for (size_t k = 0; k < i && status == CLI_OK; k++)
            if (same_name(pairs[i], pairs[k]))
                status = cli_fail(CLI_USAGE, command, "--arg %s: given twice", pairs[i]);
        if (status == CLI_OK)
            status = take_pair(command, schema, pairs[i], out);
    }
    free(pairs);
    return status;
}

bool cli_priority(const struct cli_args *args, int64_t *out)
{
    static const struct {
        const char *name;
        int priority;
    } words[] = {{"low", -10}, {"normal", 0}, {"high", 10}, {"critical", 20}};
    const char *value = cli_value(args, "priority");
    int64_t number;
    if (!value)
        return true;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(value, words[i].name) == 0) {
            *out = words[i].priority;
            return true;
        }
    }
    if (!text_integer(value, &number) || number < NEAP_PRIORITY_MIN || number > NEAP_PRIORITY_MAX) {
        cli_fail(CLI_USAGE, args->command->name,
                 "--priority: \"%s\" is not a whole number from %d to %d, nor low, normal, high or "
                 "critical",
                 value, NEAP_PRIORITY_MIN, NEAP_PRIORITY_MAX);
        return false;
    }
    *out = number;
    return true;
}
