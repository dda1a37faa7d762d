/* Job ids: 64 bits, 42 of Unix milliseconds above 22 of sequence: they order by time of creation.
 * The sequence counts on from one millisecond to the next. Never 0. Outside C they are 13
 * characters of Crockford base32 (neap_id_text, neap_id_parse in neap.h). */
#ifndef MODEL_ID_H
#define MODEL_ID_H

#include <stdatomic.h>
#include <stdint.h>

struct id_source {
    _Atomic uint64_t last; /* shared: submitters on any thread take ids without asking the engine */
};

/* Any thread. Greater than every id taken before it, also when the clock steps back. */
uint64_t id_next(struct id_source *source, int64_t now_ms);
/* So many in a row, count > 0: the first of them. Who uses some of them later, when others have
 * taken theirs, says how much later that may be. */
uint64_t id_next_some(struct id_source *source, int64_t now_ms, unsigned count);

/* The last that was taken; 0: none yet. */
uint64_t id_last(const struct id_source *source);

/* Ids from now on are greater than this one. */
void id_after(struct id_source *source, uint64_t id);

#endif
