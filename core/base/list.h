/* Intrusive circular doubly linked list. A zeroed node is in no list. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *prev, *next;
};

#define LIST_ENTRY(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline void list_init(struct list *head)
{
    head->prev = head->next = head;
}

static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

static inline bool list_linked(const struct list *node)
{
    return node->next != NULL;
}

static inline void list_insert(struct list *before, struct list *node)
{
    node->prev = before->prev;
    node->next = before;
    before->prev->next = node;
    before->prev = node;
}

static inline void list_push(struct list *head, struct list *node) /* at the end */
{
    list_insert(head, node);
}

static inline void list_remove(struct list *node)
{
    assert(list_linked(node));
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->prev = node->next = NULL;
}

static inline struct list *list_first(const struct list *head) /* NULL if empty */
{
    return head->next == head ? NULL : head->next;
}

static inline struct list *list_shift(struct list *head) /* takes the first; NULL if empty */
{
    struct list *node = head->next;
    if (node == head)
        return NULL;
    head->next = node->next;
    node->next->prev = head;
    node->prev = node->next = NULL;
    return node;
}

static inline void list_splice(struct list *head, struct list *from) /* all of `from` to the end */
{
    if (list_empty(from))
        return;
    from->next->prev = head->prev;
    from->prev->next = head;
    head->prev->next = from->next;
    head->prev = from->prev;
    list_init(from);
}

#endif
