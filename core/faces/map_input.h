/* The inputs of `map`, one at a time: arguments, or pieces of a descriptor between separators.
 * Holds no more than the piece at hand and what one read brought along. */
#ifndef FACES_MAP_INPUT_H
#define FACES_MAP_INPUT_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum map_input_status {
    INPUT_ITEM,
    INPUT_WAIT,  /* call map_input_read once the descriptor is readable */
    INPUT_LONG,  /* a piece over the limit: its first bytes; the rest is skipped */
    INPUT_ERROR, /* the descriptor cannot be read: input->error */
    INPUT_END,
};

struct map_input { /* main thread */
    int fd;        /* -1: the list */
    char separator;
    bool skip_blank; /* pieces of white space only are no inputs */
    const char *const *list;
    size_t n_list, next;
    struct buf data;
    size_t at, scanned; /* the piece begins at `at`; bytes after it known to hold no separator */
    bool ended, skipping;
    int error;
};

void map_input_list(struct map_input *in, const char *const *list, size_t count);
void map_input_fd(struct map_input *in, int fd, char separator, bool skip_blank);
void map_input_close(struct map_input *in);

/* The next piece, valid until the next call of any of these. */
enum map_input_status map_input_next(struct map_input *in, const char **text, size_t *len);
void map_input_read(struct map_input *in);

/* Pieces to come where that can be known at little cost (a list, a regular file), else -1. Before
 * the first read. */
int64_t map_input_count(const struct map_input *in);

#endif
