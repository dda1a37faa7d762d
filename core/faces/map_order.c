#include "faces/map_order.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>

#define SLOT_BYTES (sizeof(struct order_slot) + 32) /* what a result without output costs */

void map_order_close(struct map_order *o)
{
    for (size_t i = 0; i < o->cap; i++)
        free(o->slots[i].data);
    free(o->slots);
    *o = (struct map_order){0};
}

static void make_room(struct map_order *o, uint64_t place)
{
    if (place - o->next < o->cap)
        return;
    size_t cap = o->cap ? o->cap : 64;
    while (place - o->next >= cap)
        cap *= 2;
    struct order_slot *slots = mem_zero(cap, sizeof *slots);
    for (uint64_t p = o->next; p < o->next + o->cap; p++)
        slots[p & (cap - 1)] = o->slots[p & (o->cap - 1)];
    free(o->slots);
    o->slots = slots;
    o->cap = cap;
}

void map_order_put(struct map_order *o, uint64_t place, const struct buf *text,
                   const struct buf *log)
{
    assert(place >= o->next);
    make_room(o, place);
    struct order_slot *slot = &o->slots[place & (o->cap - 1)];
    assert(!slot->here);
    *slot = (struct order_slot){NULL, text->len, log->len, true};
    if (text->len + log->len) {
        slot->data = mem_alloc(text->len + log->len);
        struct buf both = {slot->data, 0, text->len + log->len};
        buf_put(&both, text->data, text->len);
        buf_put(&both, log->data, log->len);
    }
    o->held_bytes += SLOT_BYTES + text->len + log->len;
    if (place >= o->end)
        o->end = place + 1;
}

bool map_order_take(struct map_order *o, struct buf *text, struct buf *log)
{
    struct order_slot *slot = o->cap ? &o->slots[o->next & (o->cap - 1)] : NULL;
    if (!slot || !slot->here)
        return false;
    if (slot->data) {
        buf_put(text, slot->data, slot->text_len);
        buf_put(log, slot->data + slot->text_len, slot->log_len);
    }
    o->held_bytes -= SLOT_BYTES + slot->text_len + slot->log_len;
    free(slot->data);
    *slot = (struct order_slot){0};
    o->next++;
    return true;
}

bool map_order_take_rest(struct map_order *o, struct buf *text, struct buf *log)
{
    while (o->next < o->end) {
        if (map_order_take(o, text, log))
            return true;
        o->next++;
    }
    return false;
}

bool map_order_full(const struct map_order *o)
{
    return o->held_bytes > ORDER_MAX_BYTES;
}
