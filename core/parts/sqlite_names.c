#include "parts/sqlite_names.h"

#include <stdlib.h>

#include "base/mem.h"

void sqlite_names_close(struct sqlite_names *names)
{
    free(names->numbers);
    free(names->things);
    free(names->texts);
    *names = (struct sqlite_names){0};
}

static void widen(struct sqlite_names *names, unsigned index)
{
    const uint32_t n = index < 8 ? 16 : index * 2;
    names->numbers = mem_grow(names->numbers, n, sizeof *names->numbers);
    for (uint32_t i = names->n_numbers; i < n; i++)
        names->numbers[i] = 0;
    names->n_numbers = n;
}

uint32_t sqlite_names_number(struct sqlite_names *names, unsigned index, const void *thing,
                             const char *text)
{
    if (index >= names->n_numbers)
        widen(names, index);
    if (names->numbers[index])
        return names->numbers[index];
    if (names->count == names->cap) {
        names->cap = names->cap ? names->cap * 2 : 16;
        names->things = mem_grow(names->things, names->cap, sizeof *names->things);
        names->texts = mem_grow(names->texts, names->cap, sizeof *names->texts);
    }
    names->things[names->count] = thing;
    names->texts[names->count] = text;
    return names->numbers[index] = ++names->count;
}

const void *sqlite_names_thing(const struct sqlite_names *names, int64_t number)
{
    return number >= 1 && number <= (int64_t)names->count ? names->things[number - 1] : NULL;
}
