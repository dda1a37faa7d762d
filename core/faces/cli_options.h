/* Parsing of a command's options by its table. The table also drives -h, the man page and the shell
 * completions, so that none of them can drift. */
#ifndef FACES_CLI_OPTIONS_H
#define FACES_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cli_command;

struct cli_option {
    const char *name; /* without the dashes */
    char letter;      /* 0: no short form */
    const char *arg;  /* what its argument is called; NULL: takes none. FILE and DIR complete;
                       * "[=X]": may be  left out, then it is "" */
    const char *help;
    const char *values; /* the words it may be, separated by one space; NULL: anything */
    bool hidden;
};

struct cli_given { /* one option as found on the command line; borrows from argv */
    const struct cli_option *option;
    const char *value; /* NULL: it takes none */
};

struct cli_args { /* main thread */
    const struct cli_command *command;
    struct cli_given *given;
    size_t n_given;
    const char **operands;
    size_t n_operands;
    const char *const *tail; /* what follows :::, as it is; NULL: there was none */
    size_t n_tail;
    bool help; /* -h was given: the rest is unchecked */
};

/* Parses argv[0..argc), which starts after the command. Options and operands may be mixed; `--`
 * ends the options. CLI_OK, or CLI_USAGE after having said on stderr what is wrong. Close it either
 * way. */
int cli_args_parse(struct cli_args *out, const struct cli_command *command, int argc,
                   const char *const *argv);
void cli_args_close(struct cli_args *args);

/* Must the option's argument be there, maybe as the next word? */
static inline bool cli_needs_word(const struct cli_option *option)
{
    return option->arg && option->arg[0] != '[';
}

/* Naming an option that the command's table lacks is a bug. */
bool cli_has(const struct cli_args *args, const char *name);
const char *cli_value(const struct cli_args *args, const char *name); /* the last one; NULL: none */
/* The values of a repeatable option in order, to free(); never NULL. */
const char **cli_values(const struct cli_args *args, const char *name, size_t *count);
/* A whole number in min..max into *out, which stays as it is where the option was not given.
 * False after having said on stderr what is wrong. */
bool cli_integer(const struct cli_args *args, const char *name, int64_t min, int64_t max,
                 int64_t *out);
/* As neap_request.timeout_ms has it: 0 where the option was not given, -1 for none. False after
 * having said on stderr what is wrong. */
bool cli_timeout(const struct cli_args *args, const char *name, int64_t *out);

#endif
