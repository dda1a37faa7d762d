#include "base/heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct item {
    int number;
    struct heap_node node;
};

#define ITEM(n) HEAP_ENTRY(n, struct item, node)
#define ITEMS 300

/* The oracle: the nodes in the heap, in order. */
struct sorted {
    struct heap_node *nodes[ITEMS];
    size_t len;
};

static uint64_t seed = 1;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static int compare(const struct heap_node *a, const struct heap_node *b)
{
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    return a->tie < b->tie ? -1 : a->tie > b->tie;
}

static void sorted_insert(struct sorted *s, struct heap_node *node)
{
    size_t i = s->len++;
    for (; i > 0 && compare(node, s->nodes[i - 1]) < 0; i--)
        s->nodes[i] = s->nodes[i - 1];
    s->nodes[i] = node;
}

static void sorted_remove(struct sorted *s, const struct heap_node *node)
{
    size_t i = 0;
    while (s->nodes[i] != node)
        i++;
    s->len--;
    memmove(s->nodes + i, s->nodes + i + 1, (s->len - i) * sizeof(struct heap_node *));
}

static void is_empty_at_first(void **state)
{
    (void)state;
    struct heap h = {0};
    assert_null(heap_min(&h));
    assert_null(heap_pop(&h));
    heap_close(&h);
}

static void orders_by_key_then_tie(void **state)
{
    (void)state;
    struct heap h = {0};
    struct item items[] = {
        {3, {.key = 5, .tie = 1}},         {1, {.key = INT64_MIN, .tie = 9}},
        {5, {.key = INT64_MAX, .tie = 0}}, {4, {.key = 5, .tie = UINT64_MAX}},
        {2, {.key = -1, .tie = 3}},
    };
    for (size_t i = 0; i < 5; i++)
        heap_push(&h, &items[i].node);
    for (int number = 1; number <= 5; number++) {
        struct heap_node *node = heap_pop(&h);
        assert_int_equal(ITEM(node)->number, number);
        assert_int_equal(node->pos, 0);
    }
    heap_close(&h);
}

static void random_operations_against_a_sorted_array(void **state)
{
    (void)state;
    static struct item items[ITEMS];
    static struct sorted sorted;
    struct heap h = {0};
    for (int round = 0; round < 60000; round++) {
        /* Long runs of mostly pushing and mostly taking, so that it fills and empties. */
        const bool filling = round / 5000 % 2 == 0;
        struct item *item = &items[next_random() % ITEMS];
        if (item->node.pos && next_random() % 4 == 0) {
            heap_remove(&h, &item->node);
            sorted_remove(&sorted, &item->node);
            assert_int_equal(item->node.pos, 0);
        } else if (!item->node.pos && (filling || next_random() % 4 == 0)) {
            item->node.key = (int64_t)(next_random() % 50);
            item->node.tie = (uint64_t)(item - items);
            heap_push(&h, &item->node);
            sorted_insert(&sorted, &item->node);
        } else if (!filling) {
            struct heap_node *node = heap_pop(&h);
            assert_ptr_equal(node, sorted.len ? sorted.nodes[0] : NULL);
            if (node)
                sorted_remove(&sorted, node);
        }
        assert_int_equal(h.len, sorted.len);
        assert_ptr_equal(heap_min(&h), sorted.len ? sorted.nodes[0] : NULL);
    }
    while (sorted.len) {
        struct heap_node *node = heap_pop(&h);
        assert_ptr_equal(node, sorted.nodes[0]);
        sorted_remove(&sorted, node);
    }
    assert_null(heap_pop(&h));
    heap_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_empty_at_first),
        cmocka_unit_test(orders_by_key_then_tie),
        cmocka_unit_test(random_operations_against_a_sorted_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
