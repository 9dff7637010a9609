/* SPDX-License-Identifier: Apache-2.0 */
#include "controllers/hpa_kinds.h"

#include "base/alloc.h"

#define KEY_BYTES_MAX 512u

typedef struct entry {
	sp_gvr gvr;
	uint64_t since_ns;
	sp_str key;
	char texts[];
} entry;

/* "Kind.group"; empty: too long. */
static sp_str key_of(char key[KEY_BYTES_MAX], sp_str group, sp_str kind)
{
	if (kind.len + group.len >= KEY_BYTES_MAX)
		return (sp_str){NULL, 0};
	memcpy(key, kind.ptr, kind.len);
	key[kind.len] = '.';
	if (group.len > 0)
		memcpy(key + kind.len + 1, group.ptr, group.len);
	return (sp_str){key, kind.len + 1 + group.len};
}

static sp_str add(char **at, sp_str s)
{
	char *to = *at;
	if (s.len > 0)
		memcpy(to, s.ptr, s.len);
	*at += s.len;
	return (sp_str){to, s.len};
}

static entry *entry_new(sp_str key, const sp_gvr *gvr, uint64_t now_ns)
{
	entry *e = sp_try_alloc(sizeof *e + key.len + gvr->group.len + gvr->version.len + gvr->resource.len);
	if (e == NULL)
		return NULL;
	char *at = e->texts;
	e->since_ns = now_ns;
	e->key = add(&at, key);
	e->gvr.group = add(&at, gvr->group);
	e->gvr.version = add(&at, gvr->version);
	e->gvr.resource = add(&at, gvr->resource);
	return e;
}

void hpa_kinds_init(hpa_kinds *k)
{
	sp_map_init(&k->entries);
}

void hpa_kinds_done(hpa_kinds *k)
{
	sp_map_done_values(&k->entries);
}

const sp_gvr *hpa_kinds_get(const hpa_kinds *k, sp_str group, sp_str kind, uint64_t now_ns)
{
	char text[KEY_BYTES_MAX];
	sp_str key = key_of(text, group, kind);
	const entry *e = key.len > 0 ? sp_map_get(&k->entries, key) : NULL;
	return e != NULL && now_ns - e->since_ns < HPA_KINDS_FRESH_NS ? &e->gvr : NULL;
}

void hpa_kinds_put(hpa_kinds *k, sp_str kind, const sp_gvr *gvr, uint64_t now_ns)
{
	char text[KEY_BYTES_MAX];
	sp_str key = key_of(text, gvr->group, kind);
	entry *e = key.len > 0 ? entry_new(key, gvr, now_ns) : NULL;
	void *old = NULL;
	if (e == NULL)
		return;
	if (sp_map_count(&k->entries) >= HPA_KINDS_MAX) {
		hpa_kinds_done(k);
		hpa_kinds_init(k);
	}
	if (sp_map_put(&k->entries, e->key, e, &old) != SP_OK)
		old = e;
	sp_free(old);
}
