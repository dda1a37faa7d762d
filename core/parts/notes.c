#include "parts/notes.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* The place of the first key that is not before `key`. */
static size_t place_of(const struct notes *notes, const char *key)
{
    size_t low = 0, high = notes->count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (strcmp(notes->items[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct note *notes_find(const struct notes *notes, const char *key)
{
    const size_t at = place_of(notes, key);
    return at < notes->count && strcmp(notes->items[at].key, key) == 0 ? &notes->items[at] : NULL;
}

static void insert(struct notes *notes, size_t at, const char *key)
{
    if (notes->count == notes->cap) {
        notes->cap = notes->cap ? notes->cap * 2 : 8;
        notes->items = mem_grow(notes->items, notes->cap, sizeof *notes->items);
    }
    memmove(&notes->items[at + 1], &notes->items[at], (notes->count - at) * sizeof *notes->items);
    notes->items[at] = (struct note){.key = mem_text(key)};
    notes->count++;
}

static void drop(struct notes *notes, size_t at)
{
    free(notes->items[at].key);
    free(notes->items[at].data);
    notes->count--;
    memmove(&notes->items[at], &notes->items[at + 1], (notes->count - at) * sizeof *notes->items);
}

void notes_set(struct notes *notes, const char *key, const void *data, size_t len)
{
    const size_t at = place_of(notes, key);
    const bool found = at < notes->count && strcmp(notes->items[at].key, key) == 0;
    if (!data) {
        if (found)
            drop(notes, at);
        return;
    }
    if (!found)
        insert(notes, at, key);
    void *copy = mem_copy(data, len);
    free(notes->items[at].data);
    notes->items[at].data = copy;
    notes->items[at].len = len;
}

void notes_each(const struct notes *notes, const char *prefix, void *user,
                void (*each)(void *user, const char *key, const void *data, size_t len))
{
    const size_t len = strlen(prefix);
    for (size_t i = place_of(notes, prefix);
         i < notes->count && strncmp(notes->items[i].key, prefix, len) == 0; i++)
        each(user, notes->items[i].key, notes->items[i].data, notes->items[i].len);
}

void notes_close(struct notes *notes)
{
    while (notes->count)
        drop(notes, notes->count - 1);
    free(notes->items);
    *notes = (struct notes){0};
}
