/* Starting a program as the leader of a process group of its own. Any thread. */
#ifndef RUNTIME_PROCESS_H
#define RUNTIME_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

struct process_spec { /* all borrowed */
    const char *args; /* NUL-terminated, one after the other; the first is the program */
    size_t args_len;
    const char *vars; /* NUL-terminated: NAME=VALUE sets, NAME takes away */
    size_t vars_len;
    bool clear_vars; /* begin with an empty environment */
    const char *cwd; /* NULL: the current directory */
    const char *in;  /* its standard input; NULL: empty */
    size_t in_len;
    bool merge; /* stderr goes where stdout goes */
};

/* Starts it: default signals, none blocked, and of our descriptors only 0 to 2. `out` are the ends
 * to read its stdout and stderr from (merged: the second is -1), non-blocking. 0, or an errno with
 * what failed in `text`. */
int process_start(const struct process_spec *spec, pid_t *pid, int out[2], struct neap_error *err);

/* A descriptor that is readable once the process has ended; -1: this kernel has none. */
int process_fd(pid_t pid);

#endif
