/* SPDX-License-Identifier: Apache-2.0 */
/* A version of a definition to what requests work with: kind, schema, columns, subresources. */
#include <openssl/sha.h>

#include "apiserver/custom/convert.h"
#include "apiserver/custom/custom_int.h"
#include "base/alloc.h"
#include "base/base64.h"
#include "base/hash.h"
#include "kube/crd/crd.h"
#include "kube/meta.h"

#define HASH_BYTES 8u

bool custom_texts(sp_arena *a, yyjson_mut_val *list, const sp_str **ret, uint16_t *ret_n)
{
	size_t n = sp_kv_len(list);
	*ret_n = 0;
	*ret = NULL;
	if (n == 0)
		return true;
	sp_str *texts = n > UINT16_MAX ? NULL : sp_try_new(a, sp_str, n);
	if (texts == NULL)
		return false;
	SP_KV_EACH (item, i, list) {
		texts[i] = sp_arena_try_dup(a, sp_jmut_str(item));
		if (texts[i].ptr == NULL && sp_jmut_str(item).len > 0)
			return false;
	}
	*ret = texts;
	*ret_n = (uint16_t)n;
	return true;
}

/* ---- the kind ---- */

/* U: apiserver pkg/endpoints/discovery/storageversionhash.go. */
static sp_str storage_hash(sp_arena *a, const sp_kind *k)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	sp_str text = sp_arena_printf(a, SP_FMT "/" SP_FMT "/" SP_FMT, SP_ARG(k->group), SP_ARG(k->version),
				      SP_ARG(k->kind));
	char *out = sp_arena_try_alloc(a, sp_base64_text_len(HASH_BYTES) + 1);
	if (text.ptr == NULL || out == NULL ||
	    SHA256((const unsigned char *)text.ptr, text.len, digest) == NULL)
		return (sp_str){NULL, 0};
	sp_base64_encode(out, digest, HASH_BYTES);
	return (sp_str){out, sp_base64_text_len(HASH_BYTES)};
}

static const uint8_t sub_verbs = SP_VERB_GET | SP_VERB_PATCH | SP_VERB_UPDATE;

static bool read_subresources(sp_arena *a, yyjson_mut_val *version, sp_kind *ret)
{
	yyjson_mut_val *subs = sp_kv_get(version, "subresources");
	sp_subresource *list;
	if (!sp_kv_has(subs, "status") && !sp_kv_has(subs, "scale"))
		return true;
	list = sp_try_new(a, sp_subresource, 2);
	if (list == NULL)
		return false;
	if (sp_kv_has(subs, "status"))
		list[ret->n_subresources++] =
			(sp_subresource){.name = SP_STR("status"), .kind = ret->kind, .verbs = sub_verbs};
	if (sp_kv_has(subs, "scale"))
		list[ret->n_subresources++] = (sp_subresource){.name = SP_STR("scale"),
							       .group = SP_STR("autoscaling"),
							       .version = SP_STR("v1"),
							       .kind = SP_STR("Scale"),
							       .verbs = sub_verbs};
	ret->subresources = list;
	return true;
}

bool custom_kind_read(sp_arena *a, yyjson_mut_val *obj, yyjson_mut_val *version, sp_kind *ret)
{
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	yyjson_mut_val *names = sp_kv_path(obj, "status", "acceptedNames", NULL);
	if (sp_kv_str(names, "kind").len == 0)
		names = sp_kv_get(spec, "names");
	*ret = (sp_kind){.group = sp_arena_try_dup(a, sp_kv_str(spec, "group")),
			 .version = sp_arena_try_dup(a, sp_kv_str(version, "name")),
			 .kind = sp_arena_try_dup(a, sp_kv_str(names, "kind")),
			 .list_kind = sp_arena_try_dup(a, sp_kv_str(names, "listKind")),
			 .plural = sp_arena_try_dup(a, sp_kv_str(names, "plural")),
			 .singular = sp_arena_try_dup(a, sp_kv_str(names, "singular")),
			 .verbs = SP_VERBS_ALL,
			 .namespaced = sp_kv_is(spec, "scope", "Namespaced"),
			 .storage = sp_kv_bool(version, "storage")};
	if (ret->storage)
		ret->storage_hash = storage_hash(a, ret);
	return ret->plural.ptr != NULL && ret->kind.ptr != NULL && ret->version.ptr != NULL &&
	       custom_texts(a, sp_kv_list(names, "shortNames"), &ret->short_names, &ret->n_short_names) &&
	       custom_texts(a, sp_kv_list(names, "categories"), &ret->categories, &ret->n_categories) &&
	       read_subresources(a, version, ret);
}

/* ---- what is compiled ---- */

static bool read_columns(sp_arena *a, yyjson_mut_val *version, sp_kind *ret)
{
	yyjson_mut_val *list = sp_kv_list(version, "additionalPrinterColumns");
	size_t n = sp_kv_len(list);
	sp_column *columns = n > UINT16_MAX ? NULL : sp_try_new(a, sp_column, n + 1);
	if (columns == NULL)
		return false;
	SP_KV_EACH (column, i, list)
		columns[i] = (sp_column){.name = sp_arena_try_dup(a, sp_kv_str(column, "name")),
					 .type = sp_arena_try_dup(a, sp_kv_str(column, "type")),
					 .format = sp_arena_try_dup(a, sp_kv_str(column, "format")),
					 .description = sp_arena_try_dup(a, sp_kv_str(column, "description")),
					 .path = sp_arena_try_dup(a, sp_kv_str(column, "jsonPath")),
					 .priority = (int32_t)sp_kv_i64(column, "priority", 0)};
	ret->columns = columns;
	ret->n_columns = (uint16_t)n;
	return true;
}

/* A column whose path can't be read: upstream then shows none of them. */
static sp_code make_plan(api_custom *v, sp_err *err)
{
	sp_code code = sp_table_plan_make(&v->arena, &v->kind, &v->res.plan, err);
	if (code != SP_EINVAL)
		return code;
	v->kind.n_columns = 0;
	return sp_table_plan_make(&v->arena, &v->kind, &v->res.plan, err);
}

/* Its own paths for clients to select by; those of all versions for the header of what is stored. */
static bool read_selectable(api_custom *v, yyjson_mut_val *obj, yyjson_mut_val *version)
{
	sp_arena *a = &v->arena;
	yyjson_mut_val *versions = sp_kv_list(sp_kv_get(obj, "spec"), "versions"), *own;
	size_t n = 0, cap = 0;
	SP_KV_EACH (each, i, versions)
		cap += sp_kv_len(sp_kv_list(each, "selectableFields"));
	if (cap == 0)
		return true;
	own = sp_kv_list(version, "selectableFields");
	sp_str *paths = sp_try_new(a, sp_str, cap);
	sp_selectable *all = sp_try_new(a, sp_selectable, cap);
	if (paths == NULL || all == NULL)
		return false;
	SP_KV_EACH (field, k, own)
		paths[k] = sp_arena_try_dup(a, sp_kv_str(field, "jsonPath"));
	SP_KV_EACH (other, j, versions) {
		SP_KV_EACH (field, m, sp_kv_list(other, "selectableFields")) {
			sp_str path = sp_kv_str(field, "jsonPath");
			bool known = false;
			(void)sp_str_take(&path, SP_STR("."));
			for (size_t x = 0; x < n; x++)
				known = known || sp_str_eq(all[x].name, path);
			if (!known)
				all[n++].name = sp_arena_try_dup(a, path);
		}
	}
	v->selectable = paths;
	v->n_selectable = sp_kv_len(own);
	v->hooks.selectable = all;
	v->hooks.n_selectable = n;
	return true;
}

static bool read_scale(api_custom *v, yyjson_mut_val *version)
{
	sp_arena *a = &v->arena;
	yyjson_mut_val *scale = sp_kv_path(version, "subresources", "scale", NULL);
	v->has_status = sp_kv_path(version, "subresources", "status", NULL) != NULL;
	v->has_scale = scale != NULL;
	v->spec_replicas = sp_arena_try_dup(a, sp_kv_str(scale, "specReplicasPath"));
	v->status_replicas = sp_arena_try_dup(a, sp_kv_str(scale, "statusReplicasPath"));
	v->label_selector = sp_arena_try_dup(a, sp_kv_str(scale, "labelSelectorPath"));
	return !v->has_scale || (v->spec_replicas.ptr != NULL && v->status_replicas.ptr != NULL);
}

static sp_code compile_schema(api_custom *v, yyjson_mut_val *obj, yyjson_mut_val *version, sp_err *err)
{
	sp_violations errors;
	yyjson_mut_val *openapi = sp_kv_path(version, "schema", "openAPIV3Schema", NULL);
	const sp_schema *meta = sp_schema_by_name(SP_STR("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"));
	bool open = sp_kv_bool(sp_kv_get(obj, "spec"), "preserveUnknownFields");
	sp_violations_init(&errors, &v->arena);
	sp_code code = sp_crd_compile(&v->arena, openapi, SP_STR(""), meta, open, &errors, &v->kind.schema);
	/* A schema that is not structural prunes nothing. */
	if (code == SP_OK && v->kind.schema == NULL)
		code = sp_crd_compile(&v->arena, NULL, SP_STR(""), meta, true, &errors, &v->kind.schema);
	if (code == SP_OK)
		code = sp_crd_rules_compile(&v->arena, v->kind.schema);
	return code == SP_OK ? SP_OK : sp_fail(err, code, "no room for the schema");
}

/* Everything that decides about what is stored. */
static sp_code make_hash(api_custom *v, yyjson_mut_val *version, sp_err *err)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, CRD_TREE_BYTES);
	(void)sp_buf_str(&text, v->kind.version);
	for (size_t i = 0; i < v->hooks.n_selectable; i++)
		(void)sp_buf_printf(&text, "\n" SP_FMT, SP_ARG(v->hooks.selectable[i].name));
	yyjson_mut_val *schema = sp_kv_get(version, "schema");
	if (schema != NULL && sp_json_write_mut(&text, schema) != SP_OK)
		return sp_fail(err, SP_ETOOLARGE, "no room for the schema");
	v->hash = sp_fnv1a64(sp_buf_view(&text));
	return sp_buf_code(&text);
}

static sp_code fill_resource(api_custom *v, const custom_crd *crd, sp_err *err)
{
	sp_arena *a = &v->arena;
	const sp_kind *k = &v->kind;
	v->res.kind = k;
	v->res.stored = v->stored == NULL ? k : &v->stored->kind;
	v->res.gr = (sp_group_resource){k->group, k->plural};
	v->res.api_version = sp_arena_printf(a, SP_FMT "/" SP_FMT, SP_ARG(k->group), SP_ARG(k->version));
	v->res.type_meta = sp_arena_printf(a, "{\"apiVersion\":\"" SP_FMT "\",\"kind\":\"" SP_FMT "\",",
					   SP_ARG(v->res.api_version), SP_ARG(k->kind));
	v->res.prefix = sp_arena_try_dup(a, crd->prefix);
	v->res.schema_hash = v->stored == NULL ? v->hash : v->stored->hash;
	v->res.custom = v;
	if (v->res.type_meta.ptr == NULL || v->res.prefix.ptr == NULL)
		return sp_fail(err, SP_ENOMEM, "no room for the resource");
	return make_plan(v, err);
}

static sp_code fill(api_custom *v, const custom_version *from, yyjson_mut_val *obj, sp_err *err)
{
	yyjson_mut_val *version = NULL;
	SP_KV_EACH (each, i, sp_kv_list(sp_kv_get(obj, "spec"), "versions")) {
		if (sp_str_eq(sp_kv_str(each, "name"), from->kind.version))
			version = each;
	}
	if (version == NULL)
		return sp_fail(err, SP_ENOTFOUND, "the definition has changed");
	if (!custom_kind_read(&v->arena, obj, version, &v->kind) ||
	    !read_columns(&v->arena, version, &v->kind) || !read_selectable(v, obj, version) ||
	    !read_scale(v, version) || !custom_converter_read(&v->arena, obj, &v->converter))
		return sp_fail(err, SP_ENOMEM, "no room for the kind");
	SP_TRY(compile_schema(v, obj, version, err));
	SP_TRY(make_hash(v, version, err));
	custom_hooks(v);
	v->kind.hooks = &v->hooks;
	return fill_resource(v, from->crd, err);
}

sp_code custom_compile(const custom_version *from, yyjson_mut_val *obj, api_custom *stored, api_custom **ret,
		       sp_err *err)
{
	api_custom *v = sp_try_alloc(sizeof *v);
	if (v == NULL)
		return sp_fail(err, SP_ENOMEM, "no room for the version");
	v->n_refs = 1;
	v->stored = stored == NULL ? NULL : api_custom_ref(stored);
	sp_list_init(&v->lru);
	sp_arena_init(&v->arena, CRD_VERSION_BYTES);
	sp_code code = fill(v, from, obj, err);
	if (code == SP_OK)
		*ret = v;
	else
		(void)api_custom_unref(v);
	return code;
}
