/* map --halt soon|now,fail=N[%]: when failures end the run. Pure. */
#ifndef FACES_MAP_HALT_H
#define FACES_MAP_HALT_H

#include "faces/map_progress.h"

#include <stdbool.h>
#include <stdint.h>

struct halt {
    int64_t fail; /* this many failures, or per cent; 0: never */
    bool percent;
    bool now; /* stop what runs; else let it end */
};

bool halt_parse(struct halt *h, const char *text);
/* Per cent count of all inputs where their number is known, else of those that have ended, and then
 * not before the tenth. */
bool halt_reached(const struct halt *h, const struct map_counts *c);

#endif
