/* What the commands of `neap` share. Everything in faces/ runs on the main thread, unless it says
 * otherwise, and knows nothing of the executor but neap.h. */
#ifndef FACES_CLI_H
#define FACES_CLI_H

#include <stddef.h>

#include "faces/cli_options.h"

enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1,     /* a job failed */
    CLI_USAGE = 64,     /* the command line */
    CLI_DATA = 65,      /* bad input data */
    CLI_NOINPUT = 66,   /* no such file or task */
    CLI_UNREACHED = 69, /* the daemon does not answer */
    CLI_INTERNAL = 70,
    CLI_OUTPUT = 74,  /* output cannot be written */
    CLI_REFUSED = 75, /* refused for now: a queue is full */
    CLI_CONFIG = 78,  /* bad configuration or broken tasks */
    CLI_SIGNAL = 128, /* + the number of the signal */
};

struct cli_command {
    const char *name, *summary;
    const char *operands;             /* the synopsis after the options */
    const struct cli_option *options; /* ends in an entry without a name; NULL: only -h */
    const char *const *text;          /* paragraphs, ending in NULL: for -h and the man page */
    size_t most;                      /* operands it takes */
    int tail;                         /* 1: what follows ::: is taken as it is */
    int (*run)(const struct cli_args *args); /* returns an exit status */
};

extern const struct cli_command cli_commands[];               /* ends in an entry without a name */
const struct cli_command *cli_command_find(const char *name); /* NULL: none */
struct cli_status {
    int status;
    const char *meaning;
};
extern const struct cli_status cli_statuses[]; /* ends in an entry without a meaning */

/* Says "neap COMMAND: text" on stderr (command NULL: "neap: text") and returns `status`. */
__attribute__((format(printf, 3, 4))) int cli_fail(int status, const char *command,
                                                   const char *format, ...);
/* The exit status for a negative code of the library. */
int cli_status_of(int code);

int cli_run(const struct cli_args *args);
int cli_map(const struct cli_args *args);
int cli_serve(const struct cli_args *args);
int cli_check(const struct cli_args *args);
int cli_new(const struct cli_args *args);
int cli_test(const struct cli_args *args);
int cli_config(const struct cli_args *args);
int cli_submit(const struct cli_args *args);
int cli_ls(const struct cli_args *args);
int cli_show(const struct cli_args *args);
int cli_logs(const struct cli_args *args);
int cli_wait(const struct cli_args *args);
int cli_explain(const struct cli_args *args);
int cli_cancel(const struct cli_args *args);
int cli_retry(const struct cli_args *args);
int cli_rm(const struct cli_args *args);
int cli_edit(const struct cli_args *args);
int cli_queue(const struct cli_args *args);
int cli_schedule(const struct cli_args *args);
int cli_stats(const struct cli_args *args);
int cli_stack(const struct cli_args *args);
int cli_events(const struct cli_args *args);
int cli_reload(const struct cli_args *args);
int cli_backup(const struct cli_args *args);
int cli_dump(const struct cli_args *args);
int cli_version(const struct cli_args *args);
int cli_help(const struct cli_args *args);

/* The help of one command, or of all if NULL. */
struct buf;
void cli_help_text(struct buf *out, const struct cli_command *command);
/* Generated from the tables; cli_completion is false for a shell it does not know. */
void cli_man_page(struct buf *out);
int cli_completion(struct buf *out, const char *shell);

#endif
