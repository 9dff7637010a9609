/* SPDX-License-Identifier: Apache-2.0 */
/* An informer, shared by the set (informers.c), the cache (informer.c) and its indexes (informer_index.c). */
#pragma once

#include "base/map.h"
#include "client/informer.h"

#define INDEXES_MAX 16u
#define INDEX_KEYS_MAX 1000u /* as many as an EndpointSlice has endpoints at most */

typedef struct sp_index_node {
	struct sp_index_node *prev, *next; /* in the bucket; its head closes the circle */
	struct sp_index_node *next_of_item;
	struct informer_bucket *bucket;
	struct informer_item *item;
} sp_index_node;

/* All objects under one key of an index. */
typedef struct informer_bucket {
	sp_index_node head;
	struct informer_index *index;
	size_t n, key_len;
	char key[];
} informer_bucket;

typedef struct informer_index {
	sp_index_fn *fn;
	void *arg;
	sp_map buckets;
} informer_index;

/* A place in the cache. */
typedef struct informer_item {
	const sp_object *object;
	sp_index_node *nodes;
	uint64_t state; /* the number of the state that had it last */
} informer_item;

struct sp_index_keys {
	sp_str keys[INDEX_KEYS_MAX];
	size_t n, n_text;
	char text[1024]; /* of keys made of parts */
};

struct sp_informers {
	sp_client *client;
	sp_log *log;
	sp_list list;
	sp_defer synced;
	void (*on_synced)(void *arg);
	void *synced_arg;
	sp_index_keys keys; /* of the object that is being indexed */
};

struct sp_informer {
	sp_informers *set;
	sp_list node;
	sp_arena arena;
	sp_informer_opts o; /* texts in the arena */
	sp_reflector *reflector;
	sp_projection *projection;
	bool keep_all, started, synced, absent;
	sp_map items; /* by the object's key */
	uint64_t state, revision;
	informer_index indexes[INDEXES_MAX];
	unsigned n_indexes;
	sp_list watches;
	sp_list *cursor; /* the watch to be told next */
};

extern const sp_reflector_sink informer_sink;

/* Drops everything that is kept; tells nobody. */
void informer_clear(sp_informer *i);
/* A state became whole. */
void informers_check_synced(sp_informers *s);

/* The nodes of an object in all indexes, not yet findable. SP_ENOMEM: none. */
sp_code informer_index_make(sp_informer *i, informer_item *item, const sp_object *o, yyjson_val *tree,
			    sp_index_node **ret, sp_err *err) SP_MUST_USE;
/* Makes them findable / takes them out and releases them. */
void informer_index_link(sp_index_node *nodes);
void informer_index_drop(sp_index_node *nodes);
