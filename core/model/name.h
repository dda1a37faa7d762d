/* Task names, interned for the life of an executor, so that jobs carry a pointer and compare by it.
 * Thread-safe: a lock guards the table; names never move or go. Only names of tasks that were
 * loaded once are interned, so that input from outside cannot fill it. */
#ifndef MODEL_NAME_H
#define MODEL_NAME_H

#include <stddef.h>

#include "neap.h"

struct task_name {
    unsigned index; /* 0, 1, 2...: catalogues and counters are arrays by it */
    char text[NEAP_TASK_MAX + 1];
};

struct names;

struct names *names_new(void);
void names_free(struct names *names);
const struct task_name *names_find(struct names *names, const char *text);   /* NULL: unknown */
const struct task_name *names_intern(struct names *names, const char *text); /* checked: fits */
size_t names_count(struct names *names);

#endif
