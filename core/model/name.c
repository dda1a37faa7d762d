#include "model/name.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

/* Open addressing, linear probes, never more than half full; nothing is ever taken out. */
struct names {
    pthread_mutex_t lock; /* guards the rest; held for a few probes only */
    struct task_name **slots;
    size_t size; /* a power of two */
    size_t count;
};

/* The slot that holds `text`, or the free one where it belongs. */
static struct task_name **slot_of(const struct names *names, const char *text)
{
    size_t i = hash_text(HASH_START, text) & (names->size - 1);
    while (names->slots[i] && strcmp(names->slots[i]->text, text) != 0)
        i = (i + 1) & (names->size - 1);
    return &names->slots[i];
}

static void grow(struct names *names)
{
    struct task_name **old = names->slots;
    const size_t old_size = names->size;
    names->size *= 2;
    names->slots = mem_zero(names->size, sizeof(struct task_name *));
    for (size_t i = 0; i < old_size; i++)
        if (old[i])
            *slot_of(names, old[i]->text) = old[i];
    free(old);
}

struct names *names_new(void)
{
    struct names *names = mem_zero(1, sizeof *names);
    pthread_mutex_init(&names->lock, NULL);
    names->size = 64;
    names->slots = mem_zero(names->size, sizeof(struct task_name *));
    return names;
}

void names_free(struct names *names)
{
    if (!names)
        return;
    for (size_t i = 0; i < names->size; i++)
        free(names->slots[i]);
    free(names->slots);
    pthread_mutex_destroy(&names->lock);
    free(names);
}

const struct task_name *names_find(struct names *names, const char *text)
{
    pthread_mutex_lock(&names->lock);
    const struct task_name *name = *slot_of(names, text);
    pthread_mutex_unlock(&names->lock);
    return name;
}

const struct task_name *names_intern(struct names *names, const char *text)
{
    const size_t len = strlen(text);
    assert(len <= NEAP_TASK_MAX);
    pthread_mutex_lock(&names->lock);
    struct task_name **slot = slot_of(names, text);
    if (!*slot) {
        if ((names->count + 1) * 2 > names->size) {
            grow(names);
            slot = slot_of(names, text);
        }
        *slot = mem_zero(1, sizeof **slot);
        (*slot)->index = (unsigned)names->count++;
        memcpy((*slot)->text, text, len + 1);
    }
    const struct task_name *name = *slot;
    pthread_mutex_unlock(&names->lock);
    return name;
}

size_t names_count(struct names *names)
{
    pthread_mutex_lock(&names->lock);
    const size_t count = names->count;
    pthread_mutex_unlock(&names->lock);
    return count;
}
