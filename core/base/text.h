/* Small text tools: durations, sizes, times, names, UTF-8, did-you-mean. Pure; the process's locale
 * plays no part. A function that returns bool leaves *out alone when it returns false. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* "250ms" "1.5s" "2m" "1h30m" "1d", or a number of seconds ("0.25"): units d h m s ms, the larger
 * first, each once, a fraction only in the last. Milliseconds into *ms; a part of one counts as a
 * whole one, so that nothing is early. False for anything else, negatives and what does not fit. */
bool text_duration(const char *text, int64_t *ms);
/* The same in microseconds, for what may be less than a millisecond: "0.1ms". */
bool text_duration_us(const char *text, int64_t *us);
/* What text_duration reads back exactly: "1h30m", "1.5s", "250ms", "0s". */
void text_put_duration(struct buf *out, int64_t ms);

/* "100" "64K" "16M" "1G" (powers of 1024) into bytes. */
bool text_size(const char *text, int64_t *bytes);

/* A whole decimal integer of 64 bits, nothing around it, no "+". */
bool text_integer(const char *text, int64_t *out);

/* A finite decimal number ("-1" ".5" "2.5e-3"), nothing around it, rounded correctly. */
bool text_number(const char *text, double *out);

/* RFC 3339 ("2026-01-01T03:00:00Z", offsets and fractions too) or Unix seconds (not negative), to
 * Unix ms, rounded up. */
bool text_time(const char *text, int64_t *ms);
/* "2026-01-01T03:00:00.000Z" */
void text_put_time(struct buf *out, int64_t ms);

/* [A-Za-z0-9_-]+ of at most `max` bytes. */
bool text_name(const char *text, size_t len, size_t max);

/* The candidate nearest to `word` by edit distance (a swap of neighbours counts one), the first of
 * equals, or NULL where none is near: at most a third of the word's length (at least 1), never all
 * of it. */
const char *text_nearest(const char *word, const char *const *candidates, size_t count);

/* Appends `text` with each invalid UTF-8 sequence as U+FFFD. */
void text_put_utf8(struct buf *out, const char *text, size_t len);

#endif
