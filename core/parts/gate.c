#include "parts/gate.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

#define LOOK_EVERY 64

struct gates {
    pthread_mutex_t lock; /* guards all below; the gates themselves are shared and never move */
    struct gate **all;    /* by index */
    unsigned count;
    unsigned *slots;  /* hash table by name: index + 1, or 0; never more than half full */
    unsigned n_slots; /* a power of two */
    uint32_t exits;   /* bit n: exit n is taken */
};

struct gates *gates_new(void)
{
    struct gates *gates = mem_zero(1, sizeof *gates);
    pthread_mutex_init(&gates->lock, NULL);
    gates->n_slots = 16;
    gates->slots = mem_zero(gates->n_slots, sizeof *gates->slots);
    gates->all = mem_zero(gates->n_slots / 2, sizeof(struct gate *));
    return gates;
}

static void gate_free(struct gate *gate)
{
    for (unsigned i = 0; i < GATE_EXITS; i++)
        free(atomic_load_explicit(&gate->exits[i], memory_order_relaxed));
    free(gate);
}

void gates_free(struct gates *gates)
{
    if (!gates)
        return;
    for (unsigned i = 0; i < gates->count; i++)
        gate_free(gates->all[i]);
    free(gates->all);
    free(gates->slots);
    pthread_mutex_destroy(&gates->lock);
    free(gates);
}

/* The slot of this name, or the empty one where it belongs. */
static unsigned *slot_of(const struct gates *gates, const char *name)
{
    const unsigned mask = gates->n_slots - 1;
    uint64_t at = hash_text(HASH_START, name);
    for (at ^= at >> 32;; at++) {
        unsigned *slot = &gates->slots[at & mask];
        if (!*slot || !strcmp(gates->all[*slot - 1]->name, name))
            return slot;
    }
}

static void grow(struct gates *gates)
{
    gates->n_slots *= 2;
    free(gates->slots);
    gates->slots = mem_zero(gates->n_slots, sizeof *gates->slots);
    gates->all = mem_grow(gates->all, gates->n_slots / 2, sizeof(struct gate *));
    for (unsigned i = 0; i < gates->count; i++)
        *slot_of(gates, gates->all[i]->name) = i + 1;
}

static struct gate *add(struct gates *gates, const char *name)
{
    const size_t len = strlen(name);
    assert(len <= NEAP_TASK_MAX);
    if (gates->count == gates->n_slots / 2)
        grow(gates);
    struct gate *gate = mem_zero(1, sizeof *gate);
    memcpy(gate->name, name, len + 1);
    gate->index = gates->count;
    unsigned *slot = slot_of(gates, name);
    gates->all[gates->count++] = gate;
    *slot = gates->count;
    return gate;
}

struct gate *gates_find(struct gates *gates, const char *name)
{
    pthread_mutex_lock(&gates->lock);
    const unsigned slot = *slot_of(gates, name);
    struct gate *gate = slot ? gates->all[slot - 1] : NULL;
    pthread_mutex_unlock(&gates->lock);
    return gate;
}

struct gate *gates_intern(struct gates *gates, const char *name)
{
    pthread_mutex_lock(&gates->lock);
    const unsigned slot = *slot_of(gates, name);
    struct gate *gate = slot ? gates->all[slot - 1] : add(gates, name);
    pthread_mutex_unlock(&gates->lock);
    return gate;
}

struct gate *gates_at(struct gates *gates, unsigned index)
{
    pthread_mutex_lock(&gates->lock);
    assert(index < gates->count);
    struct gate *gate = gates->all[index];
    pthread_mutex_unlock(&gates->lock);
    return gate;
}

unsigned gates_count(struct gates *gates)
{
    pthread_mutex_lock(&gates->lock);
    const unsigned count = gates->count;
    pthread_mutex_unlock(&gates->lock);
    return count;
}

unsigned gates_take_exit(struct gates *gates)
{
    pthread_mutex_lock(&gates->lock);
    const unsigned number = ~gates->exits ? (unsigned)__builtin_ctz(~gates->exits) : GATE_NO_EXIT;
    if (number != GATE_NO_EXIT)
        gates->exits |= UINT32_C(1) << number;
    pthread_mutex_unlock(&gates->lock);
    return number;
}

void gates_give_exit(struct gates *gates, unsigned number)
{
    if (number == GATE_NO_EXIT)
        return;
    pthread_mutex_lock(&gates->lock);
    gates->exits &= ~(UINT32_C(1) << number);
    pthread_mutex_unlock(&gates->lock);
}

/* All orders but those of `seen_left`, a hint, and of the exits are sequentially consistent: the
 * handshake of `blocked` and `left` needs it. */

/* Each count only grows: the sum is at most what has left by now. */
static int64_t left_of(struct gate *gate)
{
    int64_t left = atomic_load(&gate->left);
    for (unsigned i = 0; i < GATE_EXITS; i++) {
        struct gate_exit *out = atomic_load_explicit(&gate->exits[i], memory_order_acquire);
        if (out)
            left += atomic_load_explicit(&out->left, memory_order_acquire);
    }
    return left;
}

int64_t gate_length(struct gate *gate)
{
    const int64_t left = left_of(gate);
    return atomic_load(&gate->entered) - left;
}

/* The same, for the next who asks as well. */
static int64_t look_at_left(struct gate *gate)
{
    const int64_t left = left_of(gate);
    atomic_store_explicit(&gate->seen_left, left, memory_order_relaxed);
    return left;
}

/* Submitters fetch the line of `left` only when what they know of it does not do. */
static bool has_room(struct gate *gate, int64_t entered)
{
    const int64_t capacity = atomic_load(&gate->capacity);
    if (capacity <= 0 ||
        entered - atomic_load_explicit(&gate->seen_left, memory_order_relaxed) < capacity)
        return true;
    return entered - look_at_left(gate) < capacity;
}

/* What is known of `left` may be old: seldom, it is looked at. */
static bool has_plenty(struct gate *gate, int64_t entered)
{
    const int64_t most = atomic_load(&gate->capacity) - GATE_PLENTY;
    if (most <= -GATE_PLENTY)
        return true;
    if (most <= 0)
        return false;
    if (entered - atomic_load_explicit(&gate->seen_left, memory_order_relaxed) < most)
        return true;
    return entered % LOOK_EVERY == 0 && entered - look_at_left(gate) < most;
}

int64_t gate_enter_some(struct gate *gate, int64_t count)
{
    int64_t entered = atomic_load(&gate->entered);
    while (has_room(gate, entered)) {
        const int64_t places = count > 1 && has_plenty(gate, entered) ? count : 1;
        if (atomic_compare_exchange_weak(&gate->entered, &entered, entered + places))
            return places;
    }
    return 0;
}

bool gate_enter(struct gate *gate)
{
    return gate_enter_some(gate, 1);
}

void gate_restore(struct gate *gate, int64_t count)
{
    atomic_fetch_add(&gate->entered, count);
}

void gate_force(struct gate *gate)
{
    atomic_fetch_add(&gate->entered, 1);
}

bool gate_refuse(struct gate *gate)
{
    const bool drop = atomic_load(&gate->policy) == GATE_DROP;
    atomic_fetch_add(drop ? &gate->dropped : &gate->rejected, 1);
    return drop;
}

/* Does somebody wait for room that there is? */
static bool is_wanted(struct gate *gate)
{
    if (atomic_load(&gate->blocked) == 0)
        return false;
    const int64_t length = gate_length(gate), capacity = atomic_load(&gate->capacity);
    assert(length >= 0);
    return capacity <= 0 || length < capacity;
}

bool gate_give_back(struct gate *gate, int64_t count)
{
    atomic_fetch_sub(&gate->entered, count);
    return is_wanted(gate);
}

bool gate_leave(struct gate *gate)
{
    atomic_fetch_add(&gate->left, 1);
    return is_wanted(gate);
}

static struct gate_exit *add_exit(struct gate *gate, unsigned number)
{
    struct gate_exit *out = mem_zero(1, sizeof *out);
    atomic_store_explicit(&gate->exits[number], out, memory_order_release);
    return out;
}

bool gate_leave_by(struct gate *gate, unsigned number)
{
    if (number == GATE_NO_EXIT)
        return gate_leave(gate);
    struct gate_exit *out = atomic_load_explicit(&gate->exits[number], memory_order_acquire);
    if (!out)
        out = add_exit(gate, number);
    const int64_t left = atomic_load_explicit(&out->left, memory_order_relaxed);
    atomic_store_explicit(&out->left, left + 1, memory_order_release);
    return is_wanted(gate);
}
