/* SPDX-License-Identifier: Apache-2.0 */
#include "client/expect.h"

#include <string.h>

#include "base/alloc.h"
#include "io/world.h"

#define LONGEST_NS (5 * 60 * UINT64_C(1000000000)) /* ExpectationsTimeout */

typedef struct entry {
	uint64_t since_ns;
	uint32_t n_creations;
	sp_map uids; /* of deletions; the keys stand behind the struct's key, values are the keys */
	size_t key_len;
	char texts[];
} entry;

void sp_expect_init(sp_expect *e, sp_world *w)
{
	e->world = w;
	sp_map_init(&e->entries);
}

static void entry_free(entry *n)
{
	if (n != NULL)
		sp_map_done(&n->uids);
	sp_free(n);
}

void sp_expect_done(sp_expect *e)
{
	const sp_map_entry *m;
	for (size_t at = 0; (m = sp_map_next(&e->entries, &at)) != NULL;)
		entry_free(m->value);
	sp_map_done(&e->entries);
}

bool sp_expect_is_met(sp_expect *e, sp_str key)
{
	const entry *n = sp_map_get(&e->entries, key);
	return n == NULL || (n->n_creations == 0 && sp_map_count(&n->uids) == 0) ||
	       sp_now_ns(e->world) - n->since_ns > LONGEST_NS;
}

static entry *entry_new(sp_str key, const sp_str *uids, size_t n_uids)
{
	size_t bytes = key.len;
	for (size_t i = 0; i < n_uids; i++)
		bytes += uids[i].len;
	entry *n = sp_try_alloc(sizeof *n + bytes);
	if (n == NULL)
		return NULL;
	char *at = n->texts + key.len;
	sp_map_init(&n->uids);
	n->key_len = key.len;
	memcpy(n->texts, key.ptr, key.len);
	for (size_t i = 0; i < n_uids; i++) {
		memcpy(at, uids[i].ptr, uids[i].len);
		if (sp_map_put(&n->uids, (sp_str){at, uids[i].len}, n, NULL) != SP_OK) {
			entry_free(n);
			return NULL;
		}
		at += uids[i].len;
	}
	return n;
}

sp_code sp_expect_set(sp_expect *e, sp_str key, uint32_t n_creations, const sp_str *uids, size_t n_deletions)
{
	void *old;
	entry *n = entry_new(key, uids, n_deletions);
	if (n == NULL)
		return SP_ENOMEM;
	n->since_ns = sp_now_ns(e->world);
	n->n_creations = n_creations;
	sp_code code = sp_map_put(&e->entries, (sp_str){n->texts, n->key_len}, n, &old);
	entry_free(code == SP_OK ? old : n);
	return code;
}

void sp_expect_created(sp_expect *e, sp_str key)
{
	entry *n = sp_map_get(&e->entries, key);
	if (n != NULL && n->n_creations > 0)
		n->n_creations--;
}

void sp_expect_deleted(sp_expect *e, sp_str key, sp_str uid)
{
	entry *n = sp_map_get(&e->entries, key);
	if (n != NULL)
		(void)sp_map_remove(&n->uids, uid);
}

void sp_expect_forget(sp_expect *e, sp_str key)
{
	entry_free(sp_map_remove(&e->entries, key));
}
