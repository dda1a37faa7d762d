#include "faces/cli_options.h"

#include "base/mem.h"
#include "base/text.h"
#include "faces/cli.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct cli_option help_option = {.name = "help", .letter = 'h'};

static const struct cli_option *find_long(const struct cli_command *command, const char *name,
                                          size_t len)
{
    if (len == strlen(help_option.name) && memcmp(name, help_option.name, len) == 0)
        return &help_option;
    for (const struct cli_option *o = command->options; o && o->name; o++)
        if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
            return o;
    return NULL;
}

static const struct cli_option *find_short(const struct cli_command *command, char letter)
{
    if (letter == help_option.letter)
        return &help_option;
    for (const struct cli_option *o = command->options; o && o->name; o++)
        if (o->letter == letter)
            return o;
    return NULL;
}

static int unknown_long(const struct cli_command *command, const char *name, size_t len)
{
    const char *names[64] = {help_option.name};
    size_t count = 1;
    for (const struct cli_option *o = command->options; o && o->name && count < 64; o++)
        if (!o->hidden)
            names[count++] = o->name;
    char *word = mem_format("%.*s", (int)len, name);
    const char *near = text_nearest(word, names, count);
    if (near)
        cli_fail(CLI_USAGE, command->name, "unknown option --%s (did you mean --%s?)", word, near);
    else
        cli_fail(CLI_USAGE, command->name, "unknown option --%s (neap %s -h lists them)", word,
                 command->name);
    free(word);
    return CLI_USAGE;
}

static bool word_in(const char *words, const char *word)
{
    const size_t len = strlen(word);
    for (const char *at = words; at; at = strchr(at, ' ') ? strchr(at, ' ') + 1 : NULL)
        if (len && strncmp(at, word, len) == 0 && (at[len] == 0 || at[len] == ' '))
            return true;
    return false;
}

static int give(struct cli_args *args, const struct cli_option *option, const char *value)
{
    if (option == &help_option) {
        args->help = true;
        return CLI_OK;
    }
    if (option->values && value && !word_in(option->values, value))
        return cli_fail(CLI_USAGE, args->command->name, "--%s: \"%s\" is none of: %s", option->name,
                        value, option->values);
    args->given = mem_grow(args->given, args->n_given + 1, sizeof *args->given);
    args->given[args->n_given++] = (struct cli_given){option, value};
    return CLI_OK;
}

/* What is left of the command line: the parser takes arguments of options from it. */
struct line {
    const char *const *argv;
    int at, argc;
};

static int parse_long(struct cli_args *args, struct line *line, const char *text)
{
    const size_t len = strcspn(text, "=");
    const struct cli_option *option = find_long(args->command, text, len);
    if (!option)
        return unknown_long(args->command, text, len);
    const char *value = text[len] == '=' ? text + len + 1 : NULL;
    if (value && !option->arg)
        return cli_fail(CLI_USAGE, args->command->name, "--%s takes no argument", option->name);
    if (!value && option->arg && !cli_needs_word(option))
        value = "";
    if (!value && option->arg) {
        if (line->at == line->argc)
            return cli_fail(CLI_USAGE, args->command->name, "--%s needs %s", option->name,
                            option->arg);
        value = line->argv[line->at++];
    }
    return give(args, option, value);
}

static int parse_short(struct cli_args *args, struct line *line, const char *letters)
{
    for (const char *at = letters; *at; at++) {
        const struct cli_option *option = find_short(args->command, *at);
        if (!option)
            return cli_fail(CLI_USAGE, args->command->name,
                            "unknown option -%c (neap %s -h lists them; -- ends the options)", *at,
                            args->command->name);
        const char *value = NULL;
        if (option->arg && !cli_needs_word(option))
            value = "";
        else if (option->arg && at[1])
            value = at + 1;
        else if (option->arg && line->at < line->argc)
            value = line->argv[line->at++];
        else if (option->arg)
            return cli_fail(CLI_USAGE, args->command->name, "-%c needs %s", *at, option->arg);
        const int rc = give(args, option, value);
        if (rc || (value && cli_needs_word(option)))
            return rc;
    }
    return CLI_OK;
}

static int take_operand(struct cli_args *args, const char *text)
{
    if (args->n_operands == args->command->most)
        return cli_fail(
            CLI_USAGE, args->command->name, "unexpected argument \"%s\" (usage: neap %s%s%s)", text,
            args->command->name, *args->command->operands ? " " : "", args->command->operands);
    args->operands[args->n_operands++] = text;
    return CLI_OK;
}

int cli_args_parse(struct cli_args *out, const struct cli_command *command, int argc,
                   const char *const *argv)
{
    struct line line = {argv, 0, argc};
    bool options = true;
    int rc = CLI_OK;
    *out = (struct cli_args){.command = command};
    out->operands = mem_zero((size_t)argc + 1, sizeof *out->operands);
    while (rc == CLI_OK && !out->help && line.at < argc) {
        const char *text = argv[line.at++];
        if (command->tail && strcmp(text, ":::") == 0) {
            out->tail = argv + line.at;
            out->n_tail = (size_t)(argc - line.at);
            break;
        }
        if (options && strcmp(text, "--") == 0)
            options = false;
        else if (options && strncmp(text, "--", 2) == 0)
            rc = parse_long(out, &line, text + 2);
        else if (options && text[0] == '-' && text[1])
            rc = parse_short(out, &line, text + 1);
        else
            rc = take_operand(out, text);
    }
    return rc;
}

void cli_args_close(struct cli_args *args)
{
    free(args->given);
    free(args->operands);
    *args = (struct cli_args){0};
}

static void assert_known(const struct cli_args *args, const char *name)
{
    assert(find_long(args->command, name, strlen(name)));
    (void)args, (void)name;
}

bool cli_has(const struct cli_args *args, const char *name)
{
    assert_known(args, name);
    for (size_t i = 0; i < args->n_given; i++)
        if (strcmp(args->given[i].option->name, name) == 0)
            return true;
    return false;
}

const char *cli_value(const struct cli_args *args, const char *name)
{
    const char *value = NULL;
    assert_known(args, name);
    for (size_t i = 0; i < args->n_given; i++)
        if (strcmp(args->given[i].option->name, name) == 0)
            value = args->given[i].value;
    return value;
}

const char **cli_values(const struct cli_args *args, const char *name, size_t *count)
{
    const char **values = mem_zero(args->n_given + 1, sizeof *values);
    assert_known(args, name);
    *count = 0;
    for (size_t i = 0; i < args->n_given; i++)
        if (strcmp(args->given[i].option->name, name) == 0)
            values[(*count)++] = args->given[i].value;
    return values;
}

bool cli_integer(const struct cli_args *args, const char *name, int64_t min, int64_t max,
                 int64_t *out)
{
    const char *value = cli_value(args, name);
    int64_t number;
    if (!value)
        return true;
    if (!text_integer(value, &number) || number < min || number > max) {
        cli_fail(CLI_USAGE, args->command->name,
                 "--%s: \"%s\" is not a whole number from %lld to %lld", name, value,
                 (long long)min, (long long)max);
        return false;
    }
    *out = number;
    return true;
}

bool cli_timeout(const struct cli_args *args, const char *name, int64_t *out)
{
    const char *value = cli_value(args, name);
    int64_t ms = 0;
    if (value && strcmp(value, "none") != 0 && !text_duration(value, &ms)) {
        cli_fail(CLI_USAGE, args->command->name,
                 "--%s: \"%s\" is not a duration (such as 250ms, 1.5s, 2m or 1h30m), or none", name,
                 value);
        return false;
    }
    *out = value && ms == 0 ? -1 : ms;
    return true;
}
