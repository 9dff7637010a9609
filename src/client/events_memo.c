/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "base/hash.h"
#include "client/events_int.h"

#define NS_PER_S INT64_C(1000000000)
#define SIMILAR_NS (600 * UINT64_C(1000000000)) /* aggregateIntervalInSeconds */
#define BURST 25                                /* spamBurst */
#define EACH_NS (300 * NS_PER_S)                /* 1 / spamQPS */

static sp_str text_of(const memo_key *k)
{
	return (sp_str){(const char *)k->at, sizeof k->at};
}

void memo_init(memo_table *t)
{
	sp_map_init(&t->map);
	sp_list_init(&t->order);
	t->n = 0;
}

void memo_forget(memo_table *t, memo *m)
{
	(void)sp_map_remove(&t->map, text_of(&m->key));
	sp_list_remove(&m->node);
	sp_free(m);
	t->n--;
}

void memo_done(memo_table *t)
{
	while (!sp_list_is_empty(&t->order))
		memo_forget(t, SP_CONTAINER_OF(t->order.next, memo, node));
	sp_map_done(&t->map);
}

memo *memo_get(memo_table *t, memo_key key, bool *ret_new)
{
	memo *m = sp_map_get(&t->map, text_of(&key));
	*ret_new = m == NULL;
	if (m != NULL) {
		sp_list_remove(&m->node);
		sp_list_push_back(&t->order, &m->node);
		return m;
	}
	if (t->n >= MEMO_MOST)
		memo_forget(t, SP_CONTAINER_OF(t->order.next, memo, node));
	m = sp_try_alloc(sizeof *m);
	if (m == NULL)
		return NULL;
	m->key = key;
	m->due_ns = INT64_MIN;
	sp_list_init(&m->node);
	if (sp_map_put(&t->map, text_of(&m->key), m, NULL) != SP_OK) {
		sp_free(m);
		return NULL;
	}
	sp_list_push_back(&t->order, &m->node);
	t->n++;
	return m;
}

memo_key memo_key_of(const sp_str *parts, size_t n)
{
	sp_hash_key seed = sp_hash_seed();
	memo_key k = {{n, ~n}};
	for (size_t i = 0; i < n; i++) { /* each part under the hashes so far: lengths and order count */
		const sp_hash_key a = {seed.k0 ^ k.at[0], seed.k1 + i};
		const sp_hash_key b = {~seed.k1 ^ k.at[1], seed.k0 + i};
		k.at[0] = sp_siphash13(a, parts[i].ptr, parts[i].len);
		k.at[1] = sp_siphash13(b, parts[i].ptr, parts[i].len);
	}
	return k;
}

bool memo_take_token(memo *m, uint64_t now_ns)
{
	int64_t now = (int64_t)now_ns, due = SP_MAX(m->due_ns, now - BURST * EACH_NS) + EACH_NS;
	if (due > now)
		return false;
	m->due_ns = due;
	return true;
}

bool memo_is_similar(memo *m, uint64_t message_hash, uint64_t now_ns)
{
	if (now_ns - m->last_ns > SIMILAR_NS)
		m->n_locals = 0;
	m->last_ns = now_ns;
	bool known = false;
	for (uint32_t i = 0; i < m->n_locals && !known; i++)
		known = m->locals[i] == message_hash;
	if (!known) {
		if (m->n_locals == MEMO_LOCALS) /* one of them makes room, as upstream */
			m->n_locals--;
		m->locals[m->n_locals++] = message_hash;
	}
	return m->n_locals >= MEMO_LOCALS;
}
