#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct item {
    int number;
    struct list link;
};

#define ITEM(node) LIST_ENTRY(node, struct item, link)

/* The numbers in order as digits, read in both directions. */
static int digits(const struct list *head)
{
    int forth = 0, back = 0, place = 1;
    for (const struct list *node = head->next; node != head; node = node->next)
        forth = forth * 10 + ITEM(node)->number;
    for (const struct list *node = head->prev; node != head; node = node->prev, place *= 10)
        back += place * ITEM(node)->number;
    assert_int_equal(forth, back);
    return forth;
}

static void keeps_order(void **state)
{
    (void)state;
    struct list head;
    struct item items[4] = {{.number = 1}, {.number = 2}, {.number = 3}, {.number = 4}};
    list_init(&head);
    assert_true(list_empty(&head));
    assert_null(list_first(&head));
    assert_null(list_shift(&head));
    for (int i = 0; i < 3; i++) {
        assert_false(list_linked(&items[i].link));
        list_push(&head, &items[i].link);
        assert_true(list_linked(&items[i].link));
    }
    assert_int_equal(digits(&head), 123);
    list_insert(&items[1].link, &items[3].link);
    assert_int_equal(digits(&head), 1423);
    list_remove(&items[1].link);
    assert_false(list_linked(&items[1].link));
    assert_int_equal(digits(&head), 143);
    assert_ptr_equal(list_first(&head), &items[0].link);
    assert_int_equal(ITEM(list_shift(&head))->number, 1);
    assert_int_equal(ITEM(list_shift(&head))->number, 4);
    assert_int_equal(ITEM(list_shift(&head))->number, 3);
    assert_true(list_empty(&head));
    assert_false(list_linked(&items[2].link));
}

static void splices_to_the_end(void **state)
{
    (void)state;
    struct list a, b;
    struct item items[4] = {{.number = 1}, {.number = 2}, {.number = 3}, {.number = 4}};
    list_init(&a);
    list_init(&b);
    list_splice(&a, &b);
    assert_true(list_empty(&a) && list_empty(&b));
    list_push(&b, &items[0].link);
    list_push(&b, &items[1].link);
    list_splice(&a, &b);
    assert_int_equal(digits(&a), 12);
    assert_true(list_empty(&b));
    list_push(&b, &items[2].link);
    list_push(&b, &items[3].link);
    list_splice(&a, &b);
    assert_int_equal(digits(&a), 1234);
    list_splice(&a, &b);
    assert_int_equal(digits(&a), 1234);
    assert_int_equal(digits(&b), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_order),
        cmocka_unit_test(splices_to_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
