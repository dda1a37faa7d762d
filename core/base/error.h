/* Filling a caller's struct neap_error; names of errno. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "neap.h"

/* Formats into `err` (may be NULL), cutting what does not fit; returns `code`. */
__attribute__((format(printf, 3, 4))) int error_set(struct neap_error *err, int code,
                                                    const char *format, ...);

/* "ENOENT" and the like. */
const char *error_name(int number);

#endif
