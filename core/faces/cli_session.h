/* An executor opened as the common options say, and the task that the operand names. */
#ifndef FACES_CLI_SESSION_H
#define FACES_CLI_SESSION_H

#include "base/buf.h"
#include "faces/cli_log.h"
#include "faces/cli_options.h"
#include "faces/cli_signals.h"
#include "neap.h"

struct session_plan {
    unsigned flags;     /* neap_flags */
    bool system_config; /* without any other, /etc/neap/neap.ini counts */
    bool log;           /* hand the log to session.log */
    enum cli_log_style style;
    const char *operand; /* FILE or TASK; NULL: none */
    /* What is wrong with a plugin; NULL: kept in session.problems. Any thread. */
    void (*on_problem)(void *session, const char *text);
};

struct session { /* main thread, but for log */
    neap *n;
    const struct cli_args *args;
    struct cli_log log;
    char *task;              /* the full name of the operand's task */
    char *schema;            /* of its arguments, JSON; NULL: none */
    const char *config_file; /* NULL: none */
    struct buf problems;     /* one a line */
    size_t n_problems;
    const char **plugins; /* --plugins; private, as the rest */
    size_t n_plugins;
    const char **settings;
    size_t n_settings;
    char *workers, *level;
    void (*on_problem)(void *session, const char *text);
    bool opening; /* only then `told` is kept: the last problem, not to be said again */
    char *told;
    int fatal_fd; /* readable once the executor cannot go on */
};

/* -c, NEAP_CONFIG, ./neap.ini, and /etc/neap/neap.ini where that counts; NULL: none. */
const char *cli_config_file(const struct cli_args *args, bool system_config);

bool operand_is_file(const char *operand); /* has a '/' or ends in .lua */

/* Opens; finds the operand's task, if any. An exit status, having said what is wrong. Close it
 * either way. */
int session_open(struct session *s, const struct cli_args *args, const struct session_plan *plan);
int session_start(struct session *s);
/* Closes all, the executor for at most limit_ms: false, it hangs, and the process can only _exit.
 */
bool session_close(struct session *s, int limit_ms);

void session_say_problems(struct session *s); /* on stderr */

/* How many tasks there are, in how many plugins. False having said why not. */
bool session_count(struct session *s, size_t *tasks, size_t *plugins);

/* Waits for the jobs that jobs submitted. False: a signal came first. */
bool session_wait_idle(struct session *s, struct signals *signals);
/* How many jobs are dead by now. 0: the executor does not say. */
uint64_t session_dead(struct session *s);

#endif
