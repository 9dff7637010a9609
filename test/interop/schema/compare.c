/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compares the built-in types with the OpenAPI documents of Kubernetes: compare DIRECTORY, which holds
 * swagger.json and v3/ *.json (api/openapi-spec of its source). Each difference is a line; the last one sums
 * up. From v2: members, types, required, list and map types, patch marks. From v3: defaults.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "kube/schema.h"

static int passed, failed;
static bool differs;

#define DIFFER(...)                                       \
	do {                                              \
		differs = true;                           \
		printf(__VA_ARGS__), (void)putchar('\n'); \
	} while (0)

/* Names of definitions that are no objects of ours. */
static const char *const refs[SP_K_COUNT_] = {
	[SP_K_QUANTITY] = "io.k8s.apimachinery.pkg.api.resource.Quantity",
	[SP_K_TIME] = "io.k8s.apimachinery.pkg.apis.meta.v1.Time",
	[SP_K_MICROTIME] = "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime",
	[SP_K_DURATION] = "io.k8s.apimachinery.pkg.apis.meta.v1.Duration",
	[SP_K_INT_OR_STRING] = "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
	[SP_K_RAW] = "io.k8s.apimachinery.pkg.runtime.RawExtension",
	[SP_K_FIELDS_V1] = "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1",
	[SP_K_JSON] = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON",
	[SP_K_PROPS_OR_ARRAY] =
		"io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray",
	[SP_K_PROPS_OR_BOOL] =
		"io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool",
	[SP_K_PROPS_OR_STRINGS] =
		"io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray",
};

static const char *const types[SP_K_COUNT_] = {
	[SP_K_STRING] = "string", [SP_K_BOOL] = "boolean", [SP_K_I32] = "integer", [SP_K_I64] = "integer",
	[SP_K_F64] = "number",    [SP_K_BYTES] = "string", [SP_K_LIST] = "array",  [SP_K_MAP] = "object",
};

static yyjson_val *member(yyjson_val *v, const char *name)
{
	return yyjson_obj_get(v, name);
}

static sp_str text(yyjson_val *v, const char *name)
{
	return sp_json_str(member(v, name));
}

/* The definition a property refers to, without what stands before its name. */
static sp_str reference(yyjson_val *prop)
{
	yyjson_val *all = member(prop, "allOf");
	sp_str ref = text(yyjson_arr_size(all) == 1 ? yyjson_arr_get_first(all) : prop, "$ref");
	ptrdiff_t slash = sp_str_rindex(ref, '/');
	return slash < 0 ? ref : sp_str_sub(ref, (size_t)slash + 1, ref.len);
}

static void compare_type(sp_str at, const sp_schema *s, yyjson_val *prop)
{
	sp_str ref = reference(prop), want = s->kind == SP_K_OBJECT ? s->name : sp_str_c(refs[s->kind]);
	if (!sp_str_eq(ref, want)) {
		DIFFER(SP_FMT ": refers to '" SP_FMT "', upstream '" SP_FMT "'", SP_ARG(at), SP_ARG(want),
		       SP_ARG(ref));
		return;
	}
	if (want.len != 0)
		return;
	sp_str type = text(prop, "type"), format = text(prop, "format");
	if (!sp_str_eq(type, sp_str_c(types[s->kind])) || !sp_str_eq(format, sp_str_c(s->format)))
		DIFFER(SP_FMT ": type '%s' '%s', upstream '" SP_FMT "' '" SP_FMT "'", SP_ARG(at),
		       types[s->kind] == NULL ? "" : types[s->kind], s->format == NULL ? "" : s->format,
		       SP_ARG(type), SP_ARG(format));
	if (s->kind == SP_K_LIST)
		compare_type(at, s->items, member(prop, "items"));
	if (s->kind == SP_K_MAP)
		compare_type(at, s->items, member(prop, "additionalProperties"));
}

static void compare_text(sp_str at, const char *what, sp_str ours, sp_str theirs)
{
	if (!sp_str_eq(ours, theirs))
		DIFFER(SP_FMT ": %s '" SP_FMT "', upstream '" SP_FMT "'", SP_ARG(at), what, SP_ARG(ours),
		       SP_ARG(theirs));
}

static void compare_marks(sp_str at, const sp_field *f, yyjson_val *prop)
{
	static const char *const list_types[] = {"atomic", "set", "map"};
	static const char *const map_types[] = {"granular", "atomic"};
	const sp_schema *s = f->schema;
	bool stated = (s->flags & SP_S_TYPE_STATED) != 0;
	bool list = s->kind == SP_K_LIST || s->kind == SP_K_BYTES;
	compare_text(at, "list type", sp_str_c(stated && list ? list_types[s->list_type] : NULL),
		     text(prop, "x-kubernetes-list-type"));
	compare_text(at, "map type", sp_str_c(stated && !list ? map_types[s->map_type] : NULL),
		     text(prop, "x-kubernetes-map-type"));
	yyjson_val *keys = member(prop, "x-kubernetes-list-map-keys");
	if (yyjson_arr_size(keys) != s->n_list_keys)
		DIFFER(SP_FMT ": %u keys, upstream %zu", SP_ARG(at), s->n_list_keys, yyjson_arr_size(keys));
	for (size_t i = 0; i < s->n_list_keys && i < yyjson_arr_size(keys); i++)
		compare_text(at, "key", s->list_keys[i], sp_json_str(yyjson_arr_get(keys, i)));
	static const char *const strategies[] = {"", "merge",      "replace",
						 "", "retainKeys", "merge,retainKeys"};
	uint32_t strategy = (f->flags / SP_F_SMP_MERGE) & 7;
	compare_text(at, "patch strategy", strategy < 6 ? sp_str_c(strategies[strategy]) : SP_STR("?"),
		     text(prop, "x-kubernetes-patch-strategy"));
	compare_text(at, "merge key", f->merge_key, text(prop, "x-kubernetes-patch-merge-key"));
}

static bool requires(yyjson_val *definition, sp_str name)
{
	yyjson_val *list = member(definition, "required");
	for (size_t i = 0; i < yyjson_arr_size(list); i++)
		if (sp_str_eq(sp_json_str(yyjson_arr_get(list, i)), name))
			return true;
	return false;
}

/* Members of an object in JSON: inline ones of their holder. */
static size_t count(const sp_schema *s)
{
	size_t n = 0;
	for (size_t i = 0; i < s->n_fields; i++)
		n += (s->fields[i].flags & SP_F_INLINE) != 0 ? count(s->fields[i].schema) : 1;
	return n;
}

static void compare_definition(const sp_schema *s, yyjson_val *definition)
{
	yyjson_val *props = member(definition, "properties"), *key;
	yyjson_obj_iter it = yyjson_obj_iter_with(props);
	static const char *const map_types[] = {"", "atomic"};
	compare_text(s->name, "map type", sp_str_c(map_types[s->map_type]),
		     text(definition, "x-kubernetes-map-type"));
	if (count(s) != yyjson_obj_size(props))
		DIFFER(SP_FMT ": %zu members, upstream %zu", SP_ARG(s->name), count(s),
		       yyjson_obj_size(props));
	while ((key = yyjson_obj_iter_next(&it)) != NULL) {
		char at[256];
		int n = snprintf(at, sizeof at, SP_FMT ".%s", SP_ARG(s->name), yyjson_get_str(key));
		sp_str where = {at, n < 0 ? 0 : (size_t)n};
		sp_str name = sp_json_str(key);
		const sp_field *f = sp_schema_field(s, name, NULL);
		if (f == NULL) {
			DIFFER("%s: not there", at);
			continue;
		}
		yyjson_val *prop = yyjson_obj_iter_get_val(key);
		compare_type(where, f->schema, prop);
		compare_marks(where, f, prop);
		if (((f->flags & SP_F_REQUIRED) != 0) != requires(definition, name))
			DIFFER("%s: required differs", at);
	}
}

/* -- defaults: OpenAPI v3 also prints the zero value of what is always there -- */

static const char *zero_default(const sp_schema *s, bool always)
{
	switch ((sp_schema_kind)s->kind) {
	case SP_K_OBJECT:
		return "{}";
	case SP_K_STRING:
		return always ? "\"\"" : "";
	case SP_K_I32:
	case SP_K_I64:
	case SP_K_F64:
		return always ? "0" : "";
	case SP_K_BOOL:
		return always ? "false" : "";
	case SP_K_ANY:
	case SP_K_BYTES:
	case SP_K_QUANTITY:
	case SP_K_TIME:
	case SP_K_MICROTIME:
	case SP_K_DURATION:
	case SP_K_INT_OR_STRING:
	case SP_K_RAW:
	case SP_K_FIELDS_V1:
	case SP_K_JSON:
	case SP_K_LIST:
	case SP_K_MAP:
	case SP_K_PROPS_OR_ARRAY:
	case SP_K_PROPS_OR_BOOL:
	case SP_K_PROPS_OR_STRINGS:
	case SP_K_COUNT_:
		break;
	}
	return "";
}

static sp_str our_default(const sp_field *f)
{
	if (f->def.len != 0 && (f->flags & SP_F_DEF_UNPUBLISHED) == 0)
		return f->def;
	if ((f->flags & SP_F_POINTER) != 0)
		return SP_STR("");
	return sp_str_c(zero_default(f->schema, (f->flags & SP_F_OMITEMPTY) == 0));
}

static void compare_defaults(const sp_schema *s, yyjson_val *definition)
{
	yyjson_val *key;
	yyjson_obj_iter it = yyjson_obj_iter_with(member(definition, "properties"));
	while ((key = yyjson_obj_iter_next(&it)) != NULL) {
		const sp_field *f = sp_schema_field(s, sp_json_str(key), NULL);
		yyjson_val *want = member(yyjson_obj_iter_get_val(key), "default");
		char *json = want == NULL ? NULL : yyjson_val_write(want, 0, NULL);
		char at[256];
		int n = snprintf(at, sizeof at, SP_FMT ".%s", SP_ARG(s->name), yyjson_get_str(key));
		if (f != NULL)
			compare_text((sp_str){at, n < 0 ? 0 : (size_t)n}, "default", our_default(f),
				     sp_str_c(json));
		free(json);
	}
}

/* -- files -- */

/* A package is ours when one of our types is in it. */
static bool is_ours(sp_str name)
{
	ptrdiff_t dot = sp_str_rindex(name, '.');
	sp_str package = sp_str_sub(name, 0, dot < 0 ? 0 : (size_t)dot + 1);
	for (size_t i = 0; i < SP_K_COUNT_; i++)
		if (sp_str_eq(name, sp_str_c(refs[i])))
			return false;
	for (size_t i = 0; i < sp_n_schema_types; i++)
		if (sp_str_starts(sp_schema_types[i]->name, package) && package.len != 0)
			return true;
	return false;
}

static void compare_all(yyjson_val *definitions, void (*compare)(const sp_schema *, yyjson_val *))
{
	yyjson_val *key;
	yyjson_obj_iter it = yyjson_obj_iter_with(definitions);
	while ((key = yyjson_obj_iter_next(&it)) != NULL) {
		sp_str name = sp_json_str(key);
		const sp_schema *s = sp_schema_by_name(name);
		if (s == NULL && !is_ours(name))
			continue;
		differs = false;
		if (s == NULL)
			DIFFER(SP_FMT ": not there", SP_ARG(name));
		else
			compare(s, yyjson_obj_iter_get_val(key));
		passed += !differs;
		failed += differs;
	}
}

static yyjson_doc *read_json(const char *dir, const char *file)
{
	char path[4096];
	(void)snprintf(path, sizeof path, "%s/%s", dir, file);
	yyjson_read_err err;
	yyjson_doc *doc = yyjson_read_file(path, 0, NULL, &err);
	if (doc == NULL) {
		(void)fprintf(stderr, "%s: %s\n", path, err.msg);
		exit(2);
	}
	return doc;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		(void)fprintf(stderr, "usage: compare DIRECTORY\n");
		return 2;
	}
	yyjson_doc *doc = read_json(argv[1], "swagger.json");
	compare_all(member(yyjson_doc_get_root(doc), "definitions"), compare_definition);
	yyjson_doc_free(doc);
	char v3[4096];
	(void)snprintf(v3, sizeof v3, "%s/v3", argv[1]);
	DIR *d = opendir(v3);
	if (d == NULL) {
		(void)fprintf(stderr, "%s: cannot read\n", v3);
		return 2;
	}
	for (struct dirent *e; (e = readdir(d)) != NULL;) {
		if (!sp_str_ends(sp_str_c(e->d_name), SP_STR(".json")))
			continue;
		doc = read_json(v3, e->d_name);
		compare_all(member(member(yyjson_doc_get_root(doc), "components"), "schemas"),
			    compare_defaults);
		yyjson_doc_free(doc);
	}
	(void)closedir(d);
	printf("%d passed, %d failed\n", passed, failed);
	return failed != 0 || passed == 0;
}
