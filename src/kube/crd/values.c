/* SPDX-License-Identifier: Apache-2.0 */
/* Defaults and pruning of custom resources. */
#include "base/limits.h"
#include "kube/crd/crd_int.h"
#include "kube/patch/members.h"

/* Built-in parts (metadata) have their own defaulting and pruning. */
static bool is_ours(const sp_schema *s)
{
	return s != NULL && (s->flags & SP_S_CRD) != 0;
}

static bool put_default(yyjson_mut_doc *doc, yyjson_mut_val *object, const sp_field *f)
{
	/* The text was written by the compiler; the document's own allocator holds the copy. */
	yyjson_read_err err;
	yyjson_doc *parsed = yyjson_read_opts((char *)(uintptr_t)f->def.ptr, f->def.len, YYJSON_READ_NOFLAG,
					      &doc->alc, &err);
	yyjson_mut_val *val = parsed == NULL ? NULL : yyjson_val_mut_copy(doc, yyjson_doc_get_root(parsed));
	return val != NULL && sp_jmut_set(doc, object, f->name, val);
}

bool sp_crd_default(yyjson_mut_doc *doc, const sp_schema *s, yyjson_mut_val *v)
{
	size_t idx, max;
	yyjson_mut_val *key, *val;
	if (!is_ours(s))
		return true;
	if (yyjson_mut_is_arr(v) && s->kind == SP_K_LIST) {
		yyjson_mut_arr_foreach(v, idx, max, val)
		{
			if (!sp_crd_default(doc, s->items, val))
				return false;
		}
		return true;
	}
	if (!yyjson_mut_is_obj(v))
		return true;
	for (uint16_t i = 0; i < s->n_fields; i++) {
		const sp_field *f = &s->fields[i];
		val = sp_jmut_get(v, f->name);
		bool null = val != NULL && yyjson_mut_is_null(val) && (f->schema->flags & SP_S_NULLABLE) == 0;
		if (f->def.len > 0 && (val == NULL || null) && !put_default(doc, v, f))
			return false;
		if (null && f->def.len == 0 && is_ours(f->schema))
			(void)sp_jmut_remove(v, f->name);
	}
	yyjson_mut_obj_foreach(v, idx, max, key, val)
	{
		const sp_field *f = sp_schema_field(s, sp_jmut_str(key), NULL);
		if (!sp_crd_default(doc, f != NULL ? f->schema : s->items, val))
			return false;
	}
	return true;
}

typedef struct pruner {
	void (*fn)(void *arg, sp_str path);
	void *arg;
	sp_buf path;
} pruner;

static void prune(pruner *p, const sp_schema *s, yyjson_mut_val *v)
{
	size_t idx, max, len = p->path.len;
	yyjson_mut_val *val;
	if (!is_ours(s))
		return;
	if (yyjson_mut_is_arr(v)) {
		yyjson_mut_arr_foreach(v, idx, max, val)
		{
			(void)sp_buf_printf(&p->path, "[%zu]", idx);
			prune(p, s->items, val);
			p->path.len = SP_MIN(len, p->path.len);
		}
		return;
	}
	if (!yyjson_mut_is_obj(v))
		return;
	yyjson_mut_obj_iter it;
	yyjson_mut_val *key;
	yyjson_mut_obj_iter_init(v, &it);
	while ((key = yyjson_mut_obj_iter_next(&it)) != NULL) {
		sp_str name = sp_jmut_str(key);
		const sp_field *f = sp_schema_field(s, name, NULL);
		const sp_schema *m = f != NULL ? f->schema : s->items;
		(void)sp_buf_str(&p->path, p->path.len > 0 ? SP_STR(".") : SP_STR(""));
		(void)sp_buf_str(&p->path, name);
		if (m != NULL) {
			prune(p, m, yyjson_mut_obj_iter_get_val(key));
		} else if ((s->flags & SP_S_PRESERVE_UNKNOWN) == 0) {
			if (p->fn != NULL)
				p->fn(p->arg, sp_buf_view(&p->path));
			(void)yyjson_mut_obj_iter_remove(&it);
		}
		p->path.len = SP_MIN(len, p->path.len);
	}
}

void sp_crd_prune(const sp_schema *schema, yyjson_mut_val *object, void (*fn)(void *arg, sp_str path),
		  void *arg)
{
	pruner p = {.fn = fn, .arg = arg};
	sp_buf_init(&p.path, SP_LIMIT_REQUEST_BODY_BYTES);
	prune(&p, schema, object);
	sp_buf_done(&p.path);
}
