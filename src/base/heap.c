/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"

#include "base/alloc.h"

void sp_heap_init(sp_heap *h)
{
	*h = (sp_heap){0};
}

void sp_heap_done(sp_heap *h)
{
	for (size_t i = 0; i < h->n; i++)
		h->nodes[i]->place = 0;
	sp_free(h->nodes);
	sp_heap_init(h);
}

static bool before(const sp_heap_node *a, const sp_heap_node *b)
{
	return a->key != b->key ? a->key < b->key : a->seq < b->seq;
}

static void set(sp_heap *h, size_t i, sp_heap_node *node)
{
	h->nodes[i] = node;
	node->place = i + 1;
}

static void sift_up(sp_heap *h, size_t i, sp_heap_node *node)
{
	while (i > 0) {
		size_t parent = (i - 1) / 2;
		if (!before(node, h->nodes[parent]))
			break;
		set(h, i, h->nodes[parent]);
		i = parent;
	}
	set(h, i, node);
}

static void sift_down(sp_heap *h, size_t i, sp_heap_node *node)
{
	for (;;) {
		size_t child = 2 * i + 1;
		if (child >= h->n)
			break;
		if (child + 1 < h->n && before(h->nodes[child + 1], h->nodes[child]))
			child++;
		if (!before(h->nodes[child], node))
			break;
		set(h, i, h->nodes[child]);
		i = child;
	}
	set(h, i, node);
}

sp_code sp_heap_push(sp_heap *h, sp_heap_node *node, uint64_t key)
{
	SP_ASSERT(node->place == 0);
	if (h->n == h->cap) {
		size_t cap = h->cap == 0 ? 16 : h->cap * 2;
		sp_heap_node **nodes = sp_try_realloc(h->nodes, h->cap * sizeof(sp_heap_node *),
						      cap * sizeof(sp_heap_node *));
		if (nodes == NULL)
			return SP_ENOMEM;
		h->nodes = nodes;
		h->cap = cap;
	}
	node->key = key;
	node->seq = h->next_seq++;
	h->n++;
	sift_up(h, h->n - 1, node);
	return SP_OK;
}

sp_heap_node *sp_heap_peek(const sp_heap *h)
{
	return h->n == 0 ? NULL : h->nodes[0];
}

sp_heap_node *sp_heap_pop(sp_heap *h)
{
	sp_heap_node *node = sp_heap_peek(h);
	if (node != NULL)
		sp_heap_remove(h, node);
	return node;
}

void sp_heap_remove(sp_heap *h, sp_heap_node *node)
{
	if (node->place == 0)
		return;
	size_t i = node->place - 1;
	SP_ASSERT(i < h->n);
	SP_ASSERT(h->nodes[i] == node);
	node->place = 0;
	sp_heap_node *last = h->nodes[--h->n];
	if (last == node)
		return;
	if (i > 0 && before(last, h->nodes[(i - 1) / 2]))
		sift_up(h, i, last);
	else
		sift_down(h, i, last);
}
