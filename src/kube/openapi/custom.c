/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Definitions of CRDs: their schemas as written, completed with what every object has; for version 2 without
 * what it cannot say. Upstream: apiextensions-apiserver pkg/controller/openapi/builder and
 * pkg/controller/openapi/v2/conversion.go.
 */
#include "kube/openapi/openapi_int.h"

#define META "io.k8s.apimachinery.pkg.apis.meta.v1."
#define API_VERSION_TEXT "APIVersion defines the group and version of the object's form."
#define KIND_TEXT "Kind names what the object is, in CamelCase."
#define METADATA_TEXT "Standard object's metadata: what each one has."

sp_str oa_custom_name(oa *w, const sp_kind *k, const char *suffix)
{
	SP_AUTO_BUF name;
	sp_buf_init(&name, (size_t)1 << 12);
	sp_str rest = k->group;
	for (ptrdiff_t dot; (dot = sp_str_rindex(rest, '.')) >= 0; rest.len = (size_t)dot) {
		(void)sp_buf_str(&name, sp_str_sub(rest, (size_t)dot + 1, rest.len));
		(void)sp_buf_char(&name, '.');
	}
	(void)sp_buf_printf(&name, SP_FMT "." SP_FMT "." SP_FMT, SP_ARG(rest), SP_ARG(k->version),
			    SP_ARG(suffix[0] != '\0' && k->list_kind.len > 0 ? k->list_kind : k->kind));
	if (suffix[0] != '\0' && k->list_kind.len == 0)
		(void)sp_buf_str(&name, sp_str_c(suffix));
	return sp_arena_try_dup(w->arena, sp_buf_view(&name));
}

static void member_text(oa *w, sp_str name, sp_str description)
{
	sp_jout_member_open(&w->j, name, '{');
	sp_jout_member_str(&w->j, SP_STR("description"), description);
	sp_jout_member_str(&w->j, SP_STR("type"), SP_STR("string"));
	sp_jout_close(&w->j, '}');
}

static void member_meta(oa *w, sp_str type)
{
	sp_jout_member_open(&w->j, SP_STR("metadata"), '{');
	if (w->v3) {
		sp_jout_member_open(&w->j, SP_STR("allOf"), '[');
		oa_write_ref(w, type);
		sp_jout_close(&w->j, ']');
	} else {
		oa_member_ref(w, type);
	}
	sp_jout_member_str(&w->j, SP_STR("description"), SP_STR(METADATA_TEXT));
	sp_jout_close(&w->j, '}');
}

static bool is_true(yyjson_val *v, sp_str name)
{
	return yyjson_is_true(sp_json_last(v, name));
}

static bool type_is(yyjson_val *v, sp_str type)
{
	return sp_str_eq(sp_json_str(sp_json_last(v, SP_STR("type"))), type);
}

/* What version 2 leaves out of one node. */
typedef struct cuts {
	bool type, children, junctors, nullable, required;
} cuts;

static cuts cuts_of(const oa *w, yyjson_val *v)
{
	cuts c = {false, false, false, false, false};
	if (w->v3)
		return c;
	bool nullable = is_true(v, SP_STR("nullable"));
	bool preserve = is_true(v, SP_STR("x-kubernetes-preserve-unknown-fields"));
	c.junctors = c.nullable = true;
	c.children = nullable || preserve;
	c.type = nullable || (preserve && type_is(v, SP_STR("object"))) ||
		 (type_is(v, SP_STR("array")) && (c.children || sp_json_last(v, SP_STR("items")) == NULL));
	c.required = is_true(sp_json_last(v, SP_STR("additionalProperties")), SP_STR("nullable"));
	return c;
}

static bool is_cut(const cuts *c, sp_str key)
{
	static const sp_str junctors[] = {SP_STR_INIT("allOf"), SP_STR_INIT("anyOf"), SP_STR_INIT("oneOf"),
					  SP_STR_INIT("not")};
	for (size_t i = 0; c->junctors && i < SP_LEN(junctors); i++)
		if (sp_str_eq(key, junctors[i]))
			return true;
	return (c->type && sp_str_eq(key, SP_STR("type"))) ||
	       (c->children && (sp_str_eq(key, SP_STR("properties")) || sp_str_eq(key, SP_STR("items")))) ||
	       (c->nullable && sp_str_eq(key, SP_STR("nullable"))) ||
	       (c->required && sp_str_eq(key, SP_STR("required")));
}

static void write_node(oa *w, yyjson_val *v, bool root);

static void write_json(oa *w, yyjson_val *v)
{
	sp_jout_raw(&w->j, SP_STR(""));
	(void)sp_json_write(w->j.out, v);
}

/* Properties with those that every object has; the given ones of these names are replaced. */
static void member_properties(oa *w, yyjson_val *props, bool object)
{
	sp_jout_member_open(&w->j, SP_STR("properties"), '{');
	yyjson_obj_iter it = yyjson_obj_iter_with(props);
	for (yyjson_val *key; (key = yyjson_obj_iter_next(&it)) != NULL;) {
		sp_str name = sp_json_str(key);
		if (object && (sp_str_eq(name, SP_STR("apiVersion")) || sp_str_eq(name, SP_STR("kind")) ||
			       sp_str_eq(name, SP_STR("metadata"))))
			continue;
		sp_jout_key(&w->j, name);
		write_node(w, yyjson_obj_iter_get_val(key), false);
	}
	if (object) {
		member_text(w, SP_STR("apiVersion"), SP_STR(API_VERSION_TEXT));
		member_text(w, SP_STR("kind"), SP_STR(KIND_TEXT));
		member_meta(w, SP_STR(META "ObjectMeta"));
	}
	sp_jout_close(&w->j, '}');
}

/* Required names; in version 2 without those that may be null. `embedded` adds kind and apiVersion. */
static void member_required(oa *w, yyjson_val *v, bool embedded)
{
	yyjson_val *list = sp_json_last(v, SP_STR("required")),
		   *props = sp_json_last(v, SP_STR("properties"));
	bool open = false, kind = false, version = false;
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	for (yyjson_val *item; (item = yyjson_arr_iter_next(&it)) != NULL;) {
		sp_str name = sp_json_str(item);
		if (!w->v3 && is_true(sp_json_last(props, name), SP_STR("nullable")))
			continue;
		if (!open)
			sp_jout_member_open(&w->j, SP_STR("required"), '[');
		open = true;
		kind = kind || sp_str_eq(name, SP_STR("kind"));
		version = version || sp_str_eq(name, SP_STR("apiVersion"));
		sp_jout_str(&w->j, name);
	}
	if (embedded && !(kind && version) && !open) {
		sp_jout_member_open(&w->j, SP_STR("required"), '[');
		open = true;
	}
	if (embedded && !kind)
		sp_jout_str(&w->j, SP_STR("kind"));
	if (embedded && !version)
		sp_jout_str(&w->j, SP_STR("apiVersion"));
	if (open)
		sp_jout_close(&w->j, ']');
}

/* The members of a node; schemas beside the structure (allOf …) go out as they are. */
static void write_members(oa *w, yyjson_val *v, bool root, const cuts *c)
{
	bool preserve = is_true(v, SP_STR("x-kubernetes-preserve-unknown-fields"));
	bool embedded = is_true(v, SP_STR("x-kubernetes-embedded-resource")) && (w->v3 || !preserve);
	yyjson_obj_iter it = yyjson_obj_iter_with(v);
	for (yyjson_val *key; (key = yyjson_obj_iter_next(&it)) != NULL;) {
		sp_str name = sp_json_str(key);
		yyjson_val *val = yyjson_obj_iter_get_val(key);
		if (is_cut(c, name) || sp_str_eq(name, SP_STR("properties")) ||
		    sp_str_eq(name, SP_STR("required")))
			continue;
		sp_jout_key(&w->j, name);
		bool schema =
			sp_str_eq(name, SP_STR("items")) || sp_str_eq(name, SP_STR("additionalProperties"));
		if (schema && yyjson_is_obj(val))
			write_node(w, val, false);
		else
			write_json(w, val);
	}
	yyjson_val *props = c->children ? NULL : sp_json_last(v, SP_STR("properties"));
	if (props != NULL || root || embedded)
		member_properties(w, props, root || embedded);
	if (!c->required)
		member_required(w, v, embedded);
	if (w->v3 && is_true(v, SP_STR("x-kubernetes-int-or-string")) &&
	    sp_json_last(v, SP_STR("anyOf")) == NULL && sp_json_last(v, SP_STR("allOf")) == NULL)
		sp_jout_member_raw(&w->j, SP_STR("anyOf"),
				   SP_STR("[{\"type\":\"integer\"},{\"type\":\"string\"}]"));
}

/* One node; the depth is that of the CRD. */
static void write_node(oa *w, yyjson_val *v, bool root)
{
	cuts c = cuts_of(w, v);
	sp_jout_open(&w->j, '{');
	write_members(w, v, root, &c);
	sp_jout_close(&w->j, '}');
}

static void member_selectable(oa *w, const sp_openapi_custom *c)
{
	if (c->n_selectable == 0)
		return;
	sp_jout_member_open(&w->j, SP_STR("x-kubernetes-selectable-fields"), '[');
	for (size_t i = 0; i < c->n_selectable; i++) {
		sp_str path = c->selectable[i];
		(void)sp_str_take(&path, SP_STR("."));
		sp_jout_open(&w->j, '{');
		sp_jout_member_str(&w->j, SP_STR("fieldPath"), path);
		sp_jout_close(&w->j, '}');
	}
	sp_jout_close(&w->j, ']');
}

static void write_list(oa *w, const sp_openapi_custom *c, sp_str item)
{
	const sp_kind *k = c->kind;
	sp_jout *j = &w->j;
	sp_jout_key(j, oa_custom_name(w, k, "List"));
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("description"), SP_STR("Objects of one kind."));
	sp_jout_member_open(j, SP_STR("properties"), '{');
	member_text(w, SP_STR("apiVersion"), SP_STR(API_VERSION_TEXT));
	member_text(w, SP_STR("kind"), SP_STR(KIND_TEXT));
	sp_jout_member_open(j, SP_STR("items"), '{');
	sp_jout_member_str(j, SP_STR("description"), SP_STR("The objects."));
	sp_jout_key(j, SP_STR("items"));
	oa_write_ref(w, item);
	sp_jout_member_str(j, SP_STR("type"), SP_STR("array"));
	sp_jout_close(j, '}');
	member_meta(w, SP_STR(META "ListMeta"));
	sp_jout_close(j, '}');
	sp_jout_member_raw(j, SP_STR("required"), SP_STR("[\"items\"]"));
	sp_jout_member_str(j, SP_STR("type"), SP_STR("object"));
	oa_member_gvk(w, k, k->list_kind);
	member_selectable(w, c);
	sp_jout_close(j, '}');
}

void oa_write_custom_definitions(oa *w, const sp_openapi_custom *c)
{
	sp_str name = oa_custom_name(w, c->kind, "");
	bool open = c->preserve_unknown || is_true(c->schema, SP_STR("x-kubernetes-preserve-unknown-fields"));
	sp_jout_key(&w->j, name);
	sp_jout_open(&w->j, '{');
	/* Clients of version 2 would refuse every field that is not named. */
	if (c->schema == NULL || (!w->v3 && open)) {
		sp_jout_member_str(&w->j, SP_STR("type"), SP_STR("object"));
	} else {
		cuts cut = cuts_of(w, c->schema);
		write_members(w, c->schema, true, &cut);
	}
	oa_member_gvk(w, c->kind, c->kind->kind);
	member_selectable(w, c);
	sp_jout_close(&w->j, '}');
	write_list(w, c, name);
}
