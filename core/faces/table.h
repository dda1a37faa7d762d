/* Rows in columns, as wide as what is in them; on a terminal one column gives way so that a row
 * stays a line. */
#ifndef FACES_TABLE_H
#define FACES_TABLE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_column {
    const char *title;
    bool right;                              /* numbers */
    const char *(*colour)(const char *text); /* the numbers of an SGR sequence; NULL: none */
};

#define TABLE_COLUMNS 16
struct table { /* main thread */
    const struct table_column *columns;
    size_t n_columns;
    size_t fit; /* columns of the terminal; the last one is cut to fit. 0: as long as it is */
    bool colours, titled;
    size_t widths[TABLE_COLUMNS]; /* kept from one put to the next, so that pages look alike */
    char **cells;
    size_t n_cells;
};

/* For standard output. */
void table_init(struct table *t, const struct table_column *columns, size_t count);
void table_close(struct table *t);

/* The cells, row by row. Text may be anything (NULL: nothing). */
void table_text(struct table *t, const char *text);
void table_number(struct table *t, int64_t number);
void table_take(struct table *t, struct buf *text); /* and empties the buffer */

/* Prints what was added since the last time, below the titles at the first. */
void table_put(struct table *t, struct buf *out);
/* The titles again with the next rows: for what is drawn anew. */
void table_again(struct table *t);

#endif
