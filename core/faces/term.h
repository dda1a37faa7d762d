/* What a terminal is told: its size, text that can do it no harm, and text drawn in one place again
 * and again. */
#ifndef FACES_TERM_H
#define FACES_TERM_H

#include "base/buf.h"
#include "faces/cli_output.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool term_is(int fd);      /* a terminal that can move its cursor */
bool term_colour(int fd);  /* the same, and NO_COLOR does not say otherwise */
size_t term_columns(void); /* of standard output: COLUMNS, what the terminal says, or 80 */
size_t term_rows(void);

enum term_how {
    TERM_LINE,  /* all in one line: what ends a line is shown as \n */
    TERM_LINES, /* newlines and tabs stay */
};
/* Appends UTF-8 that shows what is in `text` and does nothing else: controls as \xHH, what turns
 * the direction of writing as \u{HHHH}, what is no UTF-8 as U+FFFD. */
void term_text(struct buf *out, const char *text, size_t len, enum term_how how);

/* Columns that clean UTF-8 takes; and as many bytes of it as fit in `columns`. */
size_t term_width(const char *text, size_t len);
size_t term_fit(const char *text, size_t len, size_t columns);

struct screen { /* main thread; zeroed: nothing is drawn yet */
    size_t rows;
};
/* Draws whole lines over what was drawn before; they fit the width. Cut to the height. */
void screen_draw(struct screen *s, struct output *out, const char *text, size_t len);

/* "12s" "3m" "2h" "5d": a time span in one unit, rounded down. */
void term_span(struct buf *out, int64_t ms);

#endif
