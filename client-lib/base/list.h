/* list.h: an intrusive doubly linked list; the head is a node of its own ring.
 * A node that is in no list points to itself, so removing it again does no harm. */
#ifndef PPI_LIST_H
#define PPI_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct ppi_list {
    struct ppi_list *next, *previous;
};

static inline void ppi_list_init(struct ppi_list *list)
{
    list->next = list->previous = list;
}

static inline bool ppi_list_empty(const struct ppi_list *list)
{
    return list->next == list;
}

static inline void ppi_list_append(struct ppi_list *list, struct ppi_list *node)
{
    node->previous = list->previous;
    node->next = list;
    list->previous->next = node;
    list->previous = node;
}

static inline void ppi_list_remove(struct ppi_list *node)
{
    node->next->previous = node->previous;
    node->previous->next = node->next;
    ppi_list_init(node);
}

/* The first node, taken out; NULL if there is none. */
static inline struct ppi_list *ppi_list_take(struct ppi_list *list)
{
    struct ppi_list *node = list->next;

    if (node == list)
        return NULL;
    ppi_list_remove(node);
    return node;
}

#endif
