/* Lines on standard error: the executor's log, and whatever else must not tear a progress bar. */
#ifndef FACES_CLI_LOG_H
#define FACES_CLI_LOG_H

#include "base/buf.h"
#include "neap.h"

#include <stdbool.h>

enum cli_log_style {
    LOG_PLAIN,   /* run, map: what tasks print and log, and what nothing else would tell */
    LOG_LINES,   /* serve on a terminal: logfmt */
    LOG_OBJECTS, /* serve elsewhere: a JSON object a line */
    LOG_JOURNAL, /* serve under systemd: its priority, then logfmt without what the journal adds */
};

/* Set up before the executor starts, then read by all of its threads; each line is one write. Only
 * style and level change later, by the main thread: atomic, for others write lines meanwhile. */
struct cli_log {
    _Atomic(enum cli_log_style) style;
    _Atomic int level; /* cli_log_line says nothing below it; the library filters its own */
    bool all; /* LOG_PLAIN: also what neap itself says of jobs and of its own doing (--log-level) */
    bool bar; /* a progress bar may stand in the last line of the terminal */
};

/* A neap_options.on_log; `user` is a struct cli_log. Any thread. */
void cli_log_record(void *user, const struct neap_log_record *record);
/* Writes whole lines to stderr at once, out of the way of the bar. Any thread. */
void cli_log_write(const struct cli_log *log, const struct buf *lines);
/* One line of the program itself, not about a job; `fields` is a JSON object or NULL. */
void cli_log_line(struct cli_log *log, int level, const char *text, const char *fields);

#endif
