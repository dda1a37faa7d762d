/* Results of `map -k`: kept until everything before them is out. Bounded by its caller, who starts
 * nothing new while map_order_full. */
#ifndef FACES_MAP_ORDER_H
#define FACES_MAP_ORDER_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ORDER_MAX_BYTES ((size_t)64 * 1024 * 1024)

struct order_slot {
    char *data; /* output, then the line of the job log; NULL: nothing, or not there yet */
    size_t text_len, log_len;
    bool here;
};

struct map_order {            /* main thread; zeroed is empty */
    struct order_slot *slots; /* a ring: place p is at p % cap, cap a power of two */
    size_t cap;
    uint64_t next; /* the first place that is not out */
    uint64_t end;  /* after the last place ever put */
    size_t held_bytes;
};

void map_order_close(struct map_order *o);
/* The result for place `place` (counted from 0, each given once), and its line for the job log. */
void map_order_put(struct map_order *o, uint64_t place, const struct buf *text,
                   const struct buf *log);
/* Appends what is next in order, if it is there. */
bool map_order_take(struct map_order *o, struct buf *text, struct buf *log);
/* The same, stepping over places that will never come. */
bool map_order_take_rest(struct map_order *o, struct buf *text, struct buf *log);
bool map_order_full(const struct map_order *o);

#endif
