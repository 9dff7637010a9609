/* SPDX-License-Identifier: Apache-2.0 */
/* Intrusive doubly linked list. A node is in at most one list; a node that is in none points at itself. */
#pragma once

#include "base/defs.h"

typedef struct sp_list {
	struct sp_list *prev, *next;
} sp_list;

static inline void sp_list_init(sp_list *l)
{
	l->prev = l->next = l;
}
static inline bool sp_list_is_empty(const sp_list *l)
{
	return l->next == l;
}
static inline void sp_list_insert_before(sp_list *at, sp_list *node)
{
	node->prev = at->prev;
	node->next = at;
	at->prev->next = node;
	at->prev = node;
}
static inline void sp_list_push_back(sp_list *head, sp_list *node)
{
	sp_list_insert_before(head, node);
}
static inline void sp_list_push_front(sp_list *head, sp_list *node)
{
	sp_list_insert_before(head->next, node);
}
/* Takes the node out of its list; harmless when it is in none. */
static inline void sp_list_remove(sp_list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	sp_list_init(node);
}
/* The first node, taken out, or NULL. */
static inline sp_list *sp_list_pop_front(sp_list *head)
{
	sp_list *node = head->next;
	if (node == head)
		return NULL;
	sp_list_remove(node);
	return node;
}

/* The current node may be removed in the body. */
#define SP_LIST_FOREACH(node, head)                                                    \
	for (sp_list *node = (head)->next, *node##_next_ = node->next; node != (head); \
	     node = node##_next_, node##_next_ = node->next)
