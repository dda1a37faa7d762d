/* Names of queues or tasks as small numbers in the file, from 1. What they name here are gates and
 * task names; each has an index of its own. Owner: the store. */
#ifndef PARTS_SQLITE_NAMES_H
#define PARTS_SQLITE_NAMES_H

#include <stdint.h>

struct sqlite_names {    /* zeroed: none */
    uint32_t *numbers;   /* by index; 0: it has none yet */
    const void **things; /* by number - 1 */
    const char **texts;  /* of them; borrowed */
    uint32_t n_numbers, count, cap;
    uint32_t written; /* numbers up to here are in the file */
};

void sqlite_names_close(struct sqlite_names *names);
uint32_t sqlite_names_number(struct sqlite_names *names, unsigned index, const void *thing,
                             const char *text); /* made if need be */
const void *sqlite_names_thing(const struct sqlite_names *names, int64_t number); /* NULL: none */

#endif
