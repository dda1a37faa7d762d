/* The Lua files built into the program: scripts/, plugins/ and share/, sorted. Constant, so any
 * thread may read. tools/embed.lua writes them into build/gen/embedded.c. */
#ifndef BASE_EMBEDDED_H
#define BASE_EMBEDDED_H

#include <stdbool.h>
#include <stddef.h>

struct embedded_file {
    const char *path;          /* "scripts/x.lua" */
    const unsigned char *data; /* followed by a NUL that length does not count */
    size_t length;             /* bytes */
    const unsigned char
        *code; /* of scripts/: the same as bytecode of the Lua that built it; or NULL */
    size_t code_length;
};

/* What a task among them declares, so that nobody needs to run its file to know: read off by
 * tools/declare.lua at build time. -1, NAN or NULL: it says nothing about that. */
struct embedded_task {
    const char *plugin, *name, *file; /* "mail", "mail.send", "send.lua" */
    const char *summary, *queue;
    const char *args_schema, *config; /* JSON; config: checked, where the INI gives none */
    int priority;                     /* or NO_PRIORITY */
    long long timeout_ms;
    int retry_max, retry_backoff;
    long long retry_base_ms, retry_cap_ms;
    double retry_jitter;
    bool has_on_dead, reentrant;
};

extern const struct embedded_task embedded_tasks[]; /* in order of plugin and file; likewise */
extern const struct embedded_file embedded_files[]; /* ends in an entry of NULLs */
extern const size_t embedded_count;

#endif
