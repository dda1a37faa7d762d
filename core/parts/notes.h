/* Small facts by key, in order of the keys: a few hundred at most. Owner: the store. */
#ifndef PARTS_NOTES_H
#define PARTS_NOTES_H

#include <stddef.h>

struct note {
    char *key;
    void *data;
    size_t len;
};

struct notes { /* zeroed: none */
    struct note *items;
    size_t count, cap;
};

void notes_set(struct notes *notes, const char *key, const void *data, size_t len); /* NULL: gone */
/* Good until the next notes_set; NULL: none. */
const struct note *notes_find(const struct notes *notes, const char *key);
void notes_each(const struct notes *notes, const char *prefix, void *user,
                void (*each)(void *user, const char *key, const void *data, size_t len));
void notes_close(struct notes *notes);

#endif
