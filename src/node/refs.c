/* SPDX-License-Identifier: Apache-2.0 */
/* Config maps and secrets that pods of this node use, each followed by an informer of its own: the node may
 * read no others. */
#include "base/alloc.h"
#include "node/node_int.h"

#define REFS_MAX 1024u /* of one pod */

static sp_gvr gvr_of(node_ref_kind kind)
{
	switch (kind) {
	case NODE_REF_CONFIG_MAP:
		return SP_CONFIGMAPS;
	case NODE_REF_SECRET:
		return SP_SECRETS;
	case NODE_REF_KINDS_:
		break;
	}
	SP_UNREACHABLE();
}

static bool uses(const node_worker *w, const node_ref *r)
{
	for (size_t i = 0; i < w->refs.n; i++) {
		if (w->refs.at[i] == r)
			return true;
	}
	return false;
}

static void poke_users(const node_ref *r)
{
	SP_LIST_FOREACH (node, &r->agent->workers) {
		node_worker *w = SP_CONTAINER_OF(node, node_worker, node);
		if (uses(w, r))
			node_worker_poke(w);
	}
}

static void on_change(void *arg, const sp_object *old, const sp_object *now)
{
	(void)old, (void)now;
	poke_users(arg);
}

/* Also told when there is no such object. */
static void on_synced(void *arg)
{
	poke_users(arg);
}

static void ref_free(node_ref *r)
{
	sp_informer_watch_remove(&r->watch);
	sp_informers_free(r->set);
	sp_free((void *)(uintptr_t)r->key.ptr);
	sp_free(r);
}

static sp_code follow(node_ref *r, sp_err *err)
{
	SP_AUTO_BUF selector;
	sp_buf_init(&selector, 1024);
	(void)sp_buf_printf(&selector, "metadata.name=" SP_FMT, SP_ARG(r->name));
	SP_TRY(sp_informers_new(r->agent->client, r->agent->log, &r->set, err));
	SP_TRY(sp_informers_get(r->set,
				&(sp_informer_opts){.gvr = gvr_of(r->kind),
						    .ns = r->ns,
						    .field_selector = sp_buf_view(&selector)},
				&r->informer, err));
	sp_informer_keep_all(r->informer);
	sp_informer_watch_add(r->informer, &r->watch);
	sp_informers_start(r->set);
	sp_informers_on_synced(r->set, on_synced, r);
	return sp_map_put(&r->agent->refs, r->key, r, NULL);
}

static sp_code ref_new(node_agent *a, node_ref_kind kind, sp_str key, sp_str ns, sp_str name, node_ref **ret,
		       sp_err *err)
{
	node_ref *r = SP_NEW(node_ref);
	char *text = sp_alloc(key.len);
	memcpy(text, key.ptr, key.len);
	*r = (node_ref){.agent = a, .kind = kind, .key = {text, key.len}};
	r->name = sp_str_sub(r->key, key.len - name.len, key.len);
	r->ns = sp_str_sub(r->key, key.len - name.len - 1 - ns.len, key.len - name.len - 1);
	r->watch = (sp_informer_watch){.on_change = on_change, .arg = r};
	sp_list_init(&r->watch.node);
	sp_code code = follow(r, err);
	if (code != SP_OK) {
		ref_free(r);
		return code;
	}
	*ret = r;
	return SP_OK;
}

static void release(node_agent *a, node_ref *r)
{
	if (--r->n_users > 0)
		return;
	(void)sp_map_remove(&a->refs, r->key);
	ref_free(r);
}

static sp_str ref_key(sp_buf *out, node_ref_kind kind, sp_str ns, sp_str name)
{
	sp_buf_clear(out);
	(void)sp_buf_printf(out, "%d/" SP_FMT "/" SP_FMT, (int)kind, SP_ARG(ns), SP_ARG(name));
	return sp_buf_view(out);
}

/* ---- what a pod refers to ---- */

typedef struct collect {
	node_agent *agent;
	sp_str ns;
	node_refs found;
	sp_err *err;
	sp_code code;
} collect;

static sp_code collect_add(collect *c, node_ref_kind kind, sp_str name)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, 1024);
	sp_str key = ref_key(&text, kind, c->ns, name);
	SP_TRY(sp_buf_code(&text));
	node_ref *r = sp_map_get(&c->agent->refs, key);
	for (size_t i = 0; r != NULL && i < c->found.n; i++) {
		if (c->found.at[i] == r)
			return SP_OK;
	}
	if (c->found.n == c->found.cap) {
		size_t cap = c->found.cap == 0 ? 8 : c->found.cap * 2;
		node_ref **at = cap > REFS_MAX ? NULL
					       : sp_try_realloc(c->found.at, c->found.cap * sizeof(void *),
								cap * sizeof(void *));
		if (at == NULL)
			return sp_fail(c->err, SP_ETOOLARGE, "the pod refers to too many objects");
		c->found.at = at;
		c->found.cap = cap;
	}
	if (r == NULL)
		SP_TRY(ref_new(c->agent, kind, key, c->ns, name, &r, c->err));
	r->n_users++;
	c->found.at[c->found.n++] = r;
	return SP_OK;
}

static void add(collect *c, node_ref_kind kind, yyjson_val *holder, const char *path)
{
	sp_str name = sp_view_str_at(holder, path);
	if (name.len != 0 && c->code == SP_OK)
		c->code = collect_add(c, kind, name);
}

static void of_volume(collect *c, yyjson_val *volume)
{
	yyjson_val *source;
	size_t i, n;
	add(c, NODE_REF_CONFIG_MAP, volume, "configMap.name");
	add(c, NODE_REF_SECRET, volume, "secret.secretName");
	yyjson_arr_foreach(sp_view_at(volume, "projected.sources"), i, n, source)
	{
		add(c, NODE_REF_CONFIG_MAP, source, "configMap.name");
		add(c, NODE_REF_SECRET, source, "secret.name");
	}
}

static void of_container(collect *c, const node_container *k)
{
	SP_VLIST_FOREACH(source, k->v.env_from)
	{
		add(c, NODE_REF_CONFIG_MAP, source, "configMapRef.name");
		add(c, NODE_REF_SECRET, source, "secretRef.name");
	}
	SP_VLIST_FOREACH(var, k->v.env)
	{
		add(c, NODE_REF_CONFIG_MAP, var, "valueFrom.configMapKeyRef.name");
		add(c, NODE_REF_SECRET, var, "valueFrom.secretKeyRef.name");
	}
}

sp_code node_refs_update(node_agent *agent, node_refs *refs, const node_pod *p, sp_err *err)
{
	collect c = {.agent = agent, .ns = p->v.ns, .err = err};
	SP_VLIST_FOREACH(volume, p->v.volumes)
	of_volume(&c, volume);
	for (size_t i = 0; i < p->n_containers; i++)
		of_container(&c, &p->containers[i]);
	SP_VLIST_FOREACH(secret, p->v.pull_secrets)
	add(&c, NODE_REF_SECRET, secret, "name");
	node_refs_clear(agent, refs);
	*refs = c.found;
	return c.code;
}

void node_refs_clear(node_agent *agent, node_refs *refs)
{
	for (size_t i = 0; i < refs->n; i++)
		release(agent, refs->at[i]);
	sp_free(refs->at);
	*refs = (node_refs){0};
}

bool node_refs_are_known(const node_refs *refs)
{
	for (size_t i = 0; i < refs->n; i++) {
		if (!sp_informer_is_synced(refs->at[i]->informer))
			return false;
	}
	return true;
}

sp_str node_refs_get(void *arg, node_ref_kind kind, sp_str ns, sp_str name)
{
	node_agent *a = arg;
	SP_AUTO_BUF text;
	sp_buf_init(&text, 1024);
	const node_ref *r = sp_map_get(&a->refs, ref_key(&text, kind, ns, name));
	const sp_object *o = r == NULL ? NULL : sp_informer_get_in(r->informer, ns, name);
	return o == NULL ? (sp_str){NULL, 0} : o->json;
}
