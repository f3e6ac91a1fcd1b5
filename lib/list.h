/* SPDX-License-Identifier: BSD-2-Clause */
/* A doubly linked circular list whose nodes live inside what they link. */
#pragma once

#include "lib/compiler.h"
#include <stdbool.h>

struct list {
    struct list *next;
    struct list *prev;
};

static inline void list_init(struct list *head)
{
    head->next = head;
    head->prev = head;
}

static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

/* Puts node at the end of the list; node must not be on any list. */
static inline void list_append(struct list *head, struct list *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

#define list_entry(node, type, member) CONTAINER_OF(node, type, member)

#define list_for_each(node, head) for (struct list *node = (head)->next; node != (head); node = node->next)

/* The body may remove node. */
#define list_for_each_safe(node, head)                                                                       \
    for (struct list *node = (head)->next, *node##_next = node->next; node != (head);                        \
         node = node##_next, node##_next = node->next)
