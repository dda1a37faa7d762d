/* A shared library that is opened at its first use, because linking it would make every start
 * longer. What is called of it is a struct of function pointers, filled by name. */
#ifndef BASE_LIBRARY_H
#define BASE_LIBRARY_H

#include <stddef.h>

#include "neap.h"

struct library_symbol {
    const char *name;
    size_t place; /* of its pointer in the struct */
};

/* Any thread. NEAP_EIO: it is not there (`hint` names it and what to install), or lacks a symbol.
 * It stays in the process for good: code of it may be on its way in any thread. */
int library_open(const char *file, const char *hint, const struct library_symbol *symbols,
                 size_t count, void *out, struct neap_error *err);

#endif
