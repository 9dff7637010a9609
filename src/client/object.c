/* SPDX-License-Identifier: Apache-2.0 */
#include "client/object.h"

#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json_out.h"
#include "base/limits.h"
#include "base/num.h"

#define OBJECT_BYTES_MAX ((size_t)16 << 20)
#define LAST_APPLIED "kubectl.kubernetes.io/last-applied-configuration"

const sp_object *sp_object_ref(const sp_object *o)
{
	sp_object *mine = (sp_object *)(uintptr_t)o; /* the count is the only member that changes */
	(void)atomic_fetch_add_explicit(&mine->n_refs, 1, memory_order_relaxed);
	return o;
}

const sp_object *sp_object_unref(const sp_object *o)
{
	sp_object *mine = (sp_object *)(uintptr_t)o;
	if (mine != NULL && atomic_fetch_sub_explicit(&mine->n_refs, 1, memory_order_acq_rel) == 1)
		sp_free(mine);
	return NULL;
}

/* ---- projections ---- */

/* A member that is kept: whole, or those of its members that are below. */
typedef struct node {
	struct node *next, *below;
	sp_str name;
	bool whole;
} node;

struct sp_projection {
	node root; /* below NULL: everything is kept */
	bool bare; /* metadata */
};

sp_projection *sp_projection_new(void)
{
	return sp_try_alloc(sizeof(sp_projection));
}

void sp_projection_bare(sp_projection *p)
{
	p->bare = true;
}

static void nodes_free(node *n)
{
	while (n != NULL) {
		node *next = n->next;
		nodes_free(n->below);
		sp_free(n);
		n = next;
	}
}

void sp_projection_free(sp_projection *p)
{
	if (p != NULL)
		nodes_free(p->root.below);
	sp_free(p);
}

static node *find(const node *parent, sp_str name)
{
	for (node *n = parent->below; n != NULL; n = n->next) {
		if (sp_str_eq(n->name, name))
			return n;
	}
	return NULL;
}

static node *find_or_make(node *parent, sp_str name)
{
	node *n = find(parent, name);
	if (n != NULL)
		return n;
	n = sp_try_alloc(sizeof *n + name.len);
	if (n == NULL)
		return NULL;
	memcpy(n + 1, name.ptr, name.len);
	n->name = (sp_str){(const char *)(n + 1), name.len};
	n->next = parent->below;
	parent->below = n;
	return n;
}

bool sp_projection_add(sp_projection *p, sp_str path)
{
	node *at = &p->root;
	sp_str step;
	while (sp_str_next(&path, '.', &step)) {
		at = find_or_make(at, step);
		if (at == NULL)
			return false;
	}
	at->whole = true;
	return true;
}

/* ---- writing what is kept ---- */

static void write_value(sp_jout *j, yyjson_val *key, yyjson_val *v)
{
	sp_jout_key(j, sp_json_str(key));
	(void)sp_json_write(j->out, v); /* SP_EINVAL can't be: no number that came from text is infinite */
	j->comma = true;
}

/* All members but the one named. */
static void write_without(sp_jout *j, yyjson_val *object, sp_str but)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(object);
	yyjson_val *key;
	sp_jout_open(j, '{');
	while ((key = yyjson_obj_iter_next(&it)) != NULL) {
		if (!sp_str_eq(sp_json_str(key), but))
			write_value(j, key, yyjson_obj_iter_get_val(key));
	}
	sp_jout_close(j, '}');
}

static bool is_bare(sp_str name)
{
	static const char *const names[] = {
		"name",       "namespace",        "uid", "resourceVersion", "ownerReferences",
		"finalizers", "deletionTimestamp"};
	for (size_t i = 0; i < SP_LEN(names); i++) {
		if (sp_str_eq(name, sp_str_c(names[i])))
			return true;
	}
	return false;
}

static void write_metadata(sp_jout *j, yyjson_val *meta, bool bare)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(meta);
	yyjson_val *key;
	sp_jout_open(j, '{');
	while ((key = yyjson_obj_iter_next(&it)) != NULL) {
		yyjson_val *v = yyjson_obj_iter_get_val(key);
		sp_str name = sp_json_str(key);
		if (sp_str_eq(name, SP_STR("managedFields")) || (bare && !is_bare(name)))
			continue;
		if (!sp_str_eq(name, SP_STR("annotations")) || !yyjson_is_obj(v)) {
			write_value(j, key, v);
			continue;
		}
		sp_jout_key(j, name);
		write_without(j, v, SP_STR(LAST_APPLIED));
	}
	sp_jout_close(j, '}');
}

static void write_kept(sp_jout *j, yyjson_val *object, const node *n)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(object);
	yyjson_val *key;
	sp_jout_open(j, '{');
	while ((key = yyjson_obj_iter_next(&it)) != NULL) {
		yyjson_val *v = yyjson_obj_iter_get_val(key);
		const node *at = find(n, sp_json_str(key));
		if (at == NULL)
			continue;
		if (at->whole || !yyjson_is_obj(v)) {
			write_value(j, key, v);
			continue;
		}
		sp_jout_key(j, sp_json_str(key));
		write_kept(j, v, at);
	}
	sp_jout_close(j, '}');
}

static void write_root(sp_jout *j, yyjson_val *root, const sp_projection *p)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(root);
	yyjson_val *key;
	bool all = p == NULL || p->root.below == NULL;
	sp_jout_open(j, '{');
	while ((key = yyjson_obj_iter_next(&it)) != NULL) {
		yyjson_val *v = yyjson_obj_iter_get_val(key);
		sp_str name = sp_json_str(key);
		const node *at = all ? NULL : find(&p->root, name);
		if (sp_str_eq(name, SP_STR("kind")) || sp_str_eq(name, SP_STR("apiVersion")))
			continue;
		if (sp_str_eq(name, SP_STR("metadata")) && yyjson_is_obj(v)) {
			sp_jout_key(j, name);
			write_metadata(j, v, p != NULL && p->bare);
		} else if (all || (at != NULL && (at->whole || !yyjson_is_obj(v)))) {
			write_value(j, key, v);
		} else if (at != NULL) {
			sp_jout_key(j, name);
			write_kept(j, v, at);
		}
	}
	sp_jout_close(j, '}');
}

/* ---- objects ---- */

static char *put(char *at, sp_str s, sp_str *ret)
{
	if (s.len > 0)
		memcpy(at, s.ptr, s.len);
	*ret = (sp_str){at, s.len};
	return at + s.len;
}

static uint64_t revision_of(yyjson_val *meta)
{
	uint64_t revision = 0;
	sp_str text = sp_json_str(sp_json_last(meta, SP_STR("resourceVersion")));
	return sp_parse_u64(text, 0, UINT64_MAX, &revision, NULL) == SP_OK ? revision : 0;
}

sp_code sp_object_new(yyjson_val *tree, const sp_projection *p, const sp_object **ret, sp_err *err)
{
	yyjson_val *meta = sp_json_last(tree, SP_STR("metadata"));
	sp_str name = sp_json_str(sp_json_last(meta, SP_STR("name")));
	sp_str ns = sp_json_str(sp_json_last(meta, SP_STR("namespace")));
	sp_str uid = sp_json_str(sp_json_last(meta, SP_STR("uid")));
	SP_AUTO_BUF text;
	sp_buf_init(&text, OBJECT_BYTES_MAX);
	if (name.len == 0)
		return sp_fail(err, SP_EINVAL, "an object without metadata.name");
	sp_jout j = sp_jout_to(&text);
	write_root(&j, tree, p);
	if (sp_buf_code(&text) != SP_OK)
		return sp_fail(err, sp_buf_code(&text), "no room for object '" SP_FMT "'", SP_ARG(name));
	size_t n = sizeof(sp_object) + ns.len + 1 + name.len + uid.len + text.len;
	sp_object *o = sp_try_alloc(n);
	if (o == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for object '" SP_FMT "'", SP_ARG(name));
	atomic_init(&o->n_refs, 1);
	o->n_bytes = (uint32_t)n;
	o->revision = revision_of(meta);
	char *at = put((char *)(o + 1), ns, &o->ns);
	if (ns.len > 0)
		*at++ = '/';
	at = put(at, name, &o->name);
	o->key = (sp_str){(const char *)(o + 1), (size_t)(at - (char *)(o + 1))};
	at = put(at, uid, &o->uid);
	(void)put(at, sp_buf_view(&text), &o->json);
	*ret = o;
	return SP_OK;
}

sp_code sp_object_parse(sp_arena *a, sp_str json, const sp_projection *p, const sp_object **ret, sp_err *err)
{
	yyjson_val *tree;
	SP_TRY(sp_json_parse(a, json, &tree, err));
	return sp_object_new(tree, p, ret, err);
}

/* ---- keys ---- */

void sp_object_key_split(sp_str key, sp_str *ret_ns, sp_str *ret_name)
{
	*ret_ns = (sp_str){NULL, 0};
	*ret_name = key;
	(void)sp_str_cut(ret_name, '/', ret_ns);
}

size_t sp_object_key(char out[SP_OBJECT_KEY_BYTES], sp_str ns, sp_str name)
{
	sp_str part;
	if (ns.len > SP_LIMIT_NAME_BYTES || name.len > SP_LIMIT_NAME_BYTES)
		return 0;
	char *at = put(out, ns, &part);
	if (ns.len > 0)
		*at++ = '/';
	return (size_t)(put(at, name, &part) - out);
}

sp_str sp_object_key_join(sp_arena *a, sp_str ns, sp_str name)
{
	return ns.len == 0 ? sp_arena_try_dup(a, name) : SP_CONCAT(a, ns, SP_STR("/"), name);
}
