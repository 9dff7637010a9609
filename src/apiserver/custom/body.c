/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Custom resources on their way in and out: metadata by its own schema, everything else pruned and defaulted
 * by that of the version. U: apiextensions-apiserver pkg/apiserver/customresource_handler.go
 * (schemaCoercingDecoder, unstructuredDefaulter), pkg/apiserver/schema/objectmeta.
 */
#include "apiserver/custom/custom_int.h"
#include "apiserver/write.h"
#include "base/limits.h"
#include "base/num.h"
#include "kube/crd/crd.h"
#include "kube/decode.h"
#include "kube/encode.h"
#include "kube/meta.h"

#define TEXT_BYTES_MAX (SP_LIMIT_REQUEST_BODY_BYTES * 4)
#define SCRATCH_BYTES ((size_t)64 << 20)

/* ---- metadata ---- */

typedef struct coercion {
	sp_arena *arena;
	yyjson_mut_doc *doc;
	sp_strict *strict;
	sp_buf path;
	sp_err *err;
} coercion;

static void complain(coercion *c, sp_str text)
{
	if (c->strict->n < SP_STRICT_MAX && text.ptr != NULL)
		c->strict->items[c->strict->n++] = text;
}

/* `unknown field "metadata.junk"` of a part, with the path of the part in front. */
static void complain_below(coercion *c, const sp_strict *found)
{
	for (size_t i = 0; i < found->n; i++) {
		sp_str rest = found->items[i], path = sp_buf_view(&c->path);
		if (path.len > 0 && sp_str_take(&rest, SP_STR("unknown field \"")))
			rest = sp_arena_printf(c->arena, "unknown field \"" SP_FMT "." SP_FMT, SP_ARG(path),
					       SP_ARG(rest));
		else
			rest = found->items[i];
		complain(c, rest);
	}
}

/* Decodes the metadata of an object as that of any kind, and puts back what comes of it. */
static sp_code coerce_metadata(coercion *c, yyjson_mut_val *obj)
{
	static const sp_str wrapper =
		SP_STR_INIT("io.k8s.apimachinery.pkg.apis.meta.v1.PartialObjectMetadata");
	yyjson_mut_val *meta = sp_jmut_get(obj, SP_STR("metadata")), *made = NULL;
	sp_strict found = {0};
	SP_AUTO_BUF text;
	sp_buf_init(&text, TEXT_BYTES_MAX);
	if (meta == NULL)
		return SP_OK;
	(void)sp_buf_str(&text, SP_STR("{\"metadata\":"));
	SP_TRY(sp_json_write_mut(&text, meta));
	SP_TRY(sp_buf_char(&text, '}'));
	SP_TRY(sp_decode_json(c->arena, sp_schema_by_name(wrapper), sp_buf_view(&text), c->doc, &found, &made,
			      c->err));
	complain_below(c, &found);
	yyjson_mut_val *decoded = sp_kv_get(made, "metadata");
	if (decoded == NULL)
		decoded = yyjson_mut_obj(c->doc);
	return decoded != NULL && sp_jmut_set(c->doc, obj, SP_STR("metadata"), decoded) ? SP_OK
											: SP_ETOOLARGE;
}

static bool is_ours(const sp_schema *s)
{
	return s != NULL && (s->flags & SP_S_CRD) != 0;
}

static sp_code coerce(coercion *c, const sp_schema *s, yyjson_mut_val *v, bool root, unsigned depth);

static sp_code coerce_below(coercion *c, const sp_schema *s, yyjson_mut_val *v, unsigned depth)
{
	size_t len = c->path.len;
	SP_KV_EACH (item, i, v) {
		(void)sp_buf_printf(&c->path, "[%zu]", i);
		SP_TRY(coerce(c, s->items, item, false, depth + 1));
		c->path.len = len;
	}
	SP_KV_EACH_MEMBER (key, val, k, v) {
		const sp_field *f = sp_schema_field(s, sp_jmut_str(key), NULL);
		(void)sp_buf_printf(&c->path, "%s" SP_FMT, len > 0 ? "." : "", SP_ARG(sp_jmut_str(key)));
		SP_TRY(coerce(c, f != NULL ? f->schema : s->items, val, false, depth + 1));
		c->path.len = len;
	}
	return sp_buf_code(&c->path);
}

/* Of the object itself and of every embedded one. */
static sp_code coerce(coercion *c, const sp_schema *s, yyjson_mut_val *v, bool root, unsigned depth)
{
	if (depth == SP_JSON_BUILD_DEPTH)
		return SP_ETOOLARGE;
	if (!is_ours(s) || !yyjson_mut_is_ctn(v))
		return SP_OK;
	if (yyjson_mut_is_obj(v) && (root || (s->flags & SP_S_EMBEDDED_RESOURCE) != 0))
		SP_TRY(coerce_metadata(c, v));
	return coerce_below(c, s, v, depth);
}

/* ---- requests ---- */

static void on_pruned(void *arg, sp_str path)
{
	coercion *c = arg;
	complain(c, sp_arena_printf(c->arena, "unknown field \"" SP_FMT "\"", SP_ARG(path)));
}

static int by_text(const void *a, const void *b)
{
	return sp_str_cmp(*(const sp_str *)a, *(const sp_str *)b);
}

sp_code api_custom_coerce(api_write *w, sp_strict *strict, sp_err *err)
{
	const sp_schema *schema = w->body_res->kind->schema;
	coercion c = {.arena = &w->arena, .doc = w->doc, .strict = strict, .err = err};
	size_t before = strict->n;
	sp_buf_init(&c.path, TEXT_BYTES_MAX);
	sp_code code = coerce(&c, schema, w->obj, true, 0);
	sp_buf_done(&c.path);
	if (code != SP_OK)
		return code;
	sp_crd_prune(schema, w->obj, on_pruned, &c);
	qsort(strict->items + before, strict->n - before, sizeof(sp_str), by_text);
	return SP_OK;
}

/* ---- what is stored ---- */

bool api_custom_is_current(const api_custom *v, const sp_record *rec)
{
	return rec->schema_hash == v->hash && sp_str_eq(rec->version, v->kind.version);
}

bool api_custom_has_fields(const api_custom *v, const sp_record *rec)
{
	return rec->schema_hash == v->res.schema_hash || rec->schema_hash == v->hash;
}

bool api_custom_from_stored(const api_custom *v, yyjson_mut_doc *doc, yyjson_mut_val *obj)
{
	if (!sp_kv_set_str(doc, obj, "apiVersion", v->res.api_version))
		return false;
	sp_crd_prune(v->kind.schema, obj, NULL, NULL);
	return sp_crd_default(doc, v->kind.schema, obj);
}

yyjson_mut_val *api_custom_to_stored(const api_custom *v, yyjson_mut_doc *doc, yyjson_mut_val *obj)
{
	if (v->stored == NULL)
		return obj;
	yyjson_mut_val *copy = yyjson_mut_val_mut_copy(doc, obj);
	if (copy == NULL || !sp_kv_set_str(doc, copy, "apiVersion", v->stored->res.api_version))
		return NULL;
	sp_crd_prune(v->stored->kind.schema, copy, NULL, NULL);
	return copy;
}

sp_code api_custom_json(sp_buf *out, const api_custom *v, const sp_record *rec, uint64_t revision)
{
	char text[SP_NUM_TEXT_BYTES];
	sp_arena scratch;
	yyjson_mut_val *obj = NULL;
	sp_arena_init(&scratch, SCRATCH_BYTES);
	yyjson_mut_doc *doc = sp_json_doc(&scratch);
	sp_code code = doc == NULL ? SP_ENOMEM : sp_json_parse_mut(&scratch, rec->object, doc, &obj, NULL);
	if (code == SP_OK) {
		yyjson_mut_val *meta = sp_kv_need_obj(doc, obj, "metadata");
		sp_str rv = {text, sp_print_u64(text, revision)};
		bool ok = meta != NULL && api_custom_from_stored(v, doc, obj) &&
			  (revision == 0 || sp_kv_set_str(doc, meta, "resourceVersion", rv));
		if (revision == 0)
			sp_kv_drop(meta, "resourceVersion");
		code = ok ? sp_encode_json(out, v->kind.schema, obj) : SP_ETOOLARGE;
	}
	sp_arena_done(&scratch);
	return code;
}
