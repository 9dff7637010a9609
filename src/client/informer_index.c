/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/alloc.h"
#include "client/informer_int.h"

void sp_index_emit(sp_index_keys *k, sp_str key)
{
	if (key.len == 0 || k->n == INDEX_KEYS_MAX)
		return;
	for (size_t i = 0; i < k->n; i++) {
		if (sp_str_eq(k->keys[i], key))
			return;
	}
	k->keys[k->n++] = key;
}

void sp_index_emit_parts(sp_index_keys *k, const sp_str *parts, size_t n)
{
	size_t at = k->n_text;
	for (size_t i = 0; i < n; i++) {
		if (parts[i].len > sizeof k->text - at)
			return;
		if (parts[i].len > 0)
			memcpy(k->text + at, parts[i].ptr, parts[i].len);
		at += parts[i].len;
	}
	sp_index_emit(k, (sp_str){k->text + k->n_text, at - k->n_text});
	k->n_text = at;
}

void sp_index_by_namespace(void *arg, const sp_object *o, yyjson_val *object, sp_index_keys *keys)
{
	(void)arg;
	(void)object;
	sp_index_emit(keys, o->ns);
}

void sp_index_by_controller(void *arg, const sp_object *o, yyjson_val *object, sp_index_keys *keys)
{
	yyjson_val *meta = sp_json_last(object, SP_STR("metadata")), *owner;
	size_t i, n;
	(void)arg;
	(void)o;
	yyjson_arr_foreach(sp_json_last(meta, SP_STR("ownerReferences")), i, n, owner)
	{
		if (yyjson_is_true(sp_json_last(owner, SP_STR("controller"))))
			sp_index_emit(keys, sp_json_str(sp_json_last(owner, SP_STR("uid"))));
	}
}

/* ---- buckets ---- */

static informer_bucket *bucket_make(informer_index *index, sp_str key)
{
	informer_bucket *b = sp_map_get(&index->buckets, key);
	if (b != NULL)
		return b;
	b = sp_try_alloc(sizeof *b + key.len);
	if (b == NULL)
		return NULL;
	b->index = index;
	b->head.prev = b->head.next = &b->head;
	b->key_len = key.len;
	memcpy(b->key, key.ptr, key.len);
	if (sp_map_put(&index->buckets, (sp_str){b->key, key.len}, b, NULL) == SP_OK)
		return b;
	sp_free(b);
	return NULL;
}

static void bucket_drop_empty(informer_bucket *b)
{
	if (b->n > 0)
		return;
	(void)sp_map_remove(&b->index->buckets, (sp_str){b->key, b->key_len});
	sp_free(b);
}

/* ---- nodes ---- */

static sp_index_node *node_new(informer_index *index, informer_item *item, sp_str key)
{
	sp_index_node *n = sp_try_alloc(sizeof *n);
	informer_bucket *b = n == NULL ? NULL : bucket_make(index, key);
	if (b == NULL) {
		sp_free(n);
		return NULL;
	}
	b->n++; /* counted before it can be found, so that the bucket stays */
	n->bucket = b;
	n->item = item;
	return n;
}

sp_code informer_index_make(sp_informer *i, informer_item *item, const sp_object *o, yyjson_val *tree,
			    sp_index_node **ret, sp_err *err)
{
	sp_index_node *first = NULL;
	for (unsigned k = 0; k < i->n_indexes; k++) {
		sp_index_keys *keys = &i->set->keys;
		keys->n = keys->n_text = 0;
		i->indexes[k].fn(i->indexes[k].arg, o, tree, keys);
		for (size_t j = 0; j < keys->n; j++) {
			sp_index_node *n = node_new(&i->indexes[k], item, keys->keys[j]);
			if (n == NULL) {
				informer_index_drop(first);
				return sp_fail(err, SP_ENOMEM, "no memory for an index");
			}
			n->next_of_item = first;
			first = n;
		}
	}
	*ret = first;
	return SP_OK;
}

void informer_index_link(sp_index_node *nodes)
{
	for (sp_index_node *n = nodes; n != NULL; n = n->next_of_item) {
		sp_index_node *head = &n->bucket->head;
		n->prev = head->prev;
		n->next = head;
		head->prev->next = n;
		head->prev = n;
	}
}

void informer_index_drop(sp_index_node *nodes)
{
	while (nodes != NULL) {
		sp_index_node *n = nodes;
		nodes = n->next_of_item;
		if (n->next != NULL) {
			n->prev->next = n->next;
			n->next->prev = n->prev;
		}
		n->bucket->n--;
		bucket_drop_empty(n->bucket);
		sp_free(n);
	}
}

/* ---- reading ---- */

sp_code sp_informer_index(sp_informer *i, sp_index_fn *fn, void *arg, unsigned *ret, sp_err *err)
{
	for (unsigned k = 0; k < i->n_indexes; k++) {
		if (i->indexes[k].fn == fn && i->indexes[k].arg == arg) {
			*ret = k;
			return SP_OK;
		}
	}
	SP_ASSERT(!i->started);
	if (i->n_indexes == INDEXES_MAX)
		return sp_fail(err, SP_ETOOLARGE, "more than %u indexes of one informer", INDEXES_MAX);
	informer_index *index = &i->indexes[i->n_indexes];
	index->fn = fn;
	index->arg = arg;
	sp_map_init(&index->buckets);
	*ret = i->n_indexes++;
	return SP_OK;
}

sp_index_at sp_informer_find(const sp_informer *i, unsigned index, sp_str key)
{
	SP_ASSERT(index < i->n_indexes);
	const informer_bucket *b = sp_map_get(&i->indexes[index].buckets, key);
	return b == NULL ? (sp_index_at){NULL, NULL} : (sp_index_at){b->head.next, &b->head};
}

const sp_object *sp_index_next(sp_index_at *at)
{
	const sp_index_node *n = at->node;
	if (n == at->end)
		return NULL;
	at->node = n->next;
	return n->item->object;
}

size_t sp_informer_find_count(const sp_informer *i, unsigned index, sp_str key)
{
	SP_ASSERT(index < i->n_indexes);
	const informer_bucket *b = sp_map_get(&i->indexes[index].buckets, key);
	return b == NULL ? 0 : b->n;
}
