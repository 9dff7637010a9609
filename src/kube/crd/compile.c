/* SPDX-License-Identifier: Apache-2.0 */
/* OpenAPI v3 schema of a CRD version → struct sp_schema, with the structural rules. */
#include "base/limits.h"
#include "base/quote.h"
#include "kube/crd/crd_int.h"
#include "kube/regex.h"

typedef enum node_level { LEVEL_ROOT, LEVEL_ITEM, LEVEL_FIELD } node_level;

typedef struct compiler {
	sp_arena *arena;
	sp_violations *errors;
	sp_violations structural; /* not shown when upstream can't even make a structural schema */
	bool is_odd;
	const sp_schema *object_meta;
	size_t n_nodes;
	bool allows_pair; /* the next node's anyOf may be that of int-or-string */
} compiler;

static const sp_schema text_schema = {.kind = SP_K_STRING, .flags = SP_S_CRD};

static yyjson_mut_val *get(yyjson_mut_val *v, const char *key)
{
	return sp_jmut_get(v, sp_str_c(key));
}

static bool is_true(yyjson_mut_val *v, const char *key)
{
	return yyjson_mut_is_true(get(v, key));
}

static void misplaced(compiler *c, sp_str path, const char *child, const char *why)
{
	sp_v_text(&c->structural, SP_V_FORBIDDEN, sp_crd_path(c->arena, path, sp_str_c(child)),
		  "Forbidden: %s", why);
}

static void forbid(compiler *c, sp_str path, const char *child, const char *why)
{
	sp_v_text(c->errors, SP_V_FORBIDDEN, sp_crd_path(c->arena, path, sp_str_c(child)), "Forbidden: %s",
		  why);
}

static void require(compiler *c, sp_str path, const char *child, const char *why)
{
	sp_v_text(&c->structural, SP_V_REQUIRED, sp_crd_path(c->arena, path, sp_str_c(child)),
		  "Required value: %s", why);
}

/* Keywords of JSON schema that no CRD may use, with the reason. */
static const struct {
	const char *name, *why;
} unsupported[] = {
	{"$ref", "$ref is not supported"},
	{"additionalItems", "additionalItems is not supported"},
	{"definitions", "definitions is not supported"},
	{"dependencies", "dependencies is not supported"},
	{"id", "id is not supported"},
	{"patternProperties", "patternProperties is not supported"},
};

/* Keywords that are forbidden below allOf, anyOf, oneOf and not. */
static const struct {
	const char *name, *why;
} nested_forbidden[] = {
	{"type", "must be empty to be structural"},
	{"default", "must be undefined to be structural"},
	{"title", "must be empty to be structural"},
	{"description", "must be empty to be structural"},
	{"nullable", "must be false to be structural"},
	{"additionalProperties", "must be undefined to be structural"},
	{"x-kubernetes-preserve-unknown-fields", "must be false to be structural"},
	{"x-kubernetes-embedded-resource", "must be false to be structural"},
	{"x-kubernetes-int-or-string", "must be false to be structural"},
	{"x-kubernetes-list-map-keys", "must be empty to be structural"},
	{"x-kubernetes-list-type", "must be undefined to be structural"},
	{"x-kubernetes-map-type", "must be undefined to be structural"},
	{"x-kubernetes-validations", "must be empty to be structural"},
};

static sp_code node(compiler *c, yyjson_mut_val *v, node_level level, bool nested, sp_str path,
		    const sp_schema **ret);

/* [{type: integer}, {type: string}]: the one list of types that may stand beside int-or-string. */
static bool int_or_string_pair(yyjson_mut_val *list)
{
	static const char *const types[] = {"integer", "string"};
	if (yyjson_mut_arr_size(list) != 2)
		return false;
	for (size_t i = 0; i < 2; i++) {
		yyjson_mut_val *it = yyjson_mut_arr_get(list, i);
		if (yyjson_mut_obj_size(it) != 1 ||
		    !sp_str_eq(sp_jmut_str(get(it, "type")), sp_str_c(types[i])))
			return false;
	}
	return true;
}

/* `allow_types`: the list itself may be int-or-string's; `first_pair`: that of its first item. */
static sp_code node_list(compiler *c, yyjson_mut_val *v, const char *key, bool allow_types, bool first_pair,
			 sp_str path, const sp_schema *const **ret, uint16_t *ret_n)
{
	yyjson_mut_val *list = get(v, key), *item;
	size_t n = yyjson_mut_is_arr(list) ? yyjson_mut_arr_size(list) : 0, idx, max;
	if (n == 0 || (allow_types && int_or_string_pair(list)))
		return SP_OK;
	const sp_schema **out = sp_try_new(c->arena, const sp_schema *, n);
	if (out == NULL || n > UINT16_MAX)
		return SP_ETOOLARGE;
	yyjson_mut_arr_foreach(list, idx, max, item)
	{
		sp_str at = sp_arena_printf(c->arena, SP_FMT ".%s[%zu]", SP_ARG(path), key, idx);
		c->allows_pair = first_pair && idx == 0;
		SP_TRY(node(c, item, LEVEL_FIELD, true, at, &out[idx]));
	}
	*ret = out;
	*ret_n = (uint16_t)n;
	return SP_OK;
}

static sp_code texts(compiler *c, yyjson_mut_val *list, bool as_json, const sp_str **ret, uint16_t *ret_n)
{
	size_t n = yyjson_mut_is_arr(list) ? yyjson_mut_arr_size(list) : 0, idx, max;
	yyjson_mut_val *item;
	if (n == 0)
		return SP_OK;
	sp_str *out = sp_try_new(c->arena, sp_str, n);
	if (out == NULL || n > UINT16_MAX)
		return SP_ETOOLARGE;
	yyjson_mut_arr_foreach(list, idx, max, item)
	{
		SP_AUTO_BUF text;
		sp_buf_init(&text, SP_LIMIT_REQUEST_BODY_BYTES);
		if (as_json)
			SP_TRY(sp_json_write_mut(&text, item));
		out[idx] = sp_arena_try_dup(c->arena, as_json ? sp_buf_view(&text) : sp_jmut_str(item));
	}
	*ret = out;
	*ret_n = (uint16_t)n;
	return SP_OK;
}

static void number(yyjson_mut_val *v, const char *key, uint32_t bit, sp_rules *r, double *ret)
{
	yyjson_mut_val *n = get(v, key);
	if (!yyjson_mut_is_num(n))
		return;
	*ret = yyjson_mut_get_num(n);
	r->has |= bit;
}

static void count(yyjson_mut_val *v, const char *key, uint32_t bit, sp_rules *r, int64_t *ret)
{
	yyjson_mut_val *n = get(v, key);
	if (!yyjson_mut_is_int(n))
		return;
	*ret = yyjson_mut_get_sint(n);
	r->has |= bit;
}

static sp_code pattern(compiler *c, yyjson_mut_val *v, sp_str path, sp_rules *r)
{
	sp_str why;
	r->pattern = sp_arena_try_dup(c->arena, sp_jmut_str(get(v, "pattern")));
	if (r->pattern.len == 0)
		return sp_jmut_str(get(v, "pattern")).len == 0 ? SP_OK : SP_ENOMEM;
	sp_code code = sp_regex_compile(c->arena, r->pattern, &r->regex, &why, NULL);
	if (code != SP_EINVAL)
		return code;
	SP_AUTO_BUF shown;
	sp_buf_init(&shown, SP_LIMIT_REQUEST_BODY_BYTES);
	SP_TRY(sp_quote_go(&shown, r->pattern));
	sp_v_text(c->errors, SP_V_INVALID, sp_crd_path(c->arena, path, SP_STR("pattern")),
		  "Invalid value: " SP_FMT ": must be a valid regular expression, but isn't: " SP_FMT,
		  SP_ARG(sp_buf_view(&shown)), SP_ARG(why));
	return SP_OK;
}

/* Most nodes have no rules: they need no memory for them. */
static sp_code keep_rules(compiler *c, const sp_rules *r, const sp_rules **ret)
{
	unsigned n = (unsigned)r->n_enums + r->n_required + r->n_all_of + r->n_any_of + r->n_one_of;
	if (r->has == 0 && n == 0 && r->not_ == NULL && r->pattern.len == 0 && r->format.len == 0 &&
	    r->cel == NULL)
		return SP_OK;
	sp_rules *kept = sp_try_new(c->arena, sp_rules, 1);
	if (kept == NULL)
		return SP_ENOMEM;
	*kept = *r;
	*ret = kept;
	return SP_OK;
}

static sp_code rules(compiler *c, yyjson_mut_val *v, sp_str path, const sp_rules **ret)
{
	bool is_pair = is_true(v, "x-kubernetes-int-or-string");
	bool ios = is_pair || c->allows_pair;
	bool first_pair = is_pair && !int_or_string_pair(get(v, "anyOf"));
	c->allows_pair = false;
	sp_rules made = {0}, *r = &made;
	number(v, "minimum", SP_R_MINIMUM, r, &r->minimum);
	number(v, "maximum", SP_R_MAXIMUM, r, &r->maximum);
	number(v, "multipleOf", SP_R_MULTIPLE_OF, r, &r->multiple_of);
	count(v, "minLength", SP_R_MIN_LENGTH, r, &r->min_length);
	count(v, "maxLength", SP_R_MAX_LENGTH, r, &r->max_length);
	count(v, "minItems", SP_R_MIN_ITEMS, r, &r->min_items);
	count(v, "maxItems", SP_R_MAX_ITEMS, r, &r->max_items);
	count(v, "minProperties", SP_R_MIN_PROPERTIES, r, &r->min_properties);
	count(v, "maxProperties", SP_R_MAX_PROPERTIES, r, &r->max_properties);
	r->has |= ios && int_or_string_pair(get(v, "anyOf")) ? SP_R_INT_OR_STRING : 0;
	r->has |= is_true(v, "exclusiveMinimum") ? SP_R_EXCLUSIVE_MINIMUM : 0;
	r->has |= is_true(v, "exclusiveMaximum") ? SP_R_EXCLUSIVE_MAXIMUM : 0;
	r->format = sp_arena_try_dup(c->arena, sp_jmut_str(get(v, "format")));
	SP_TRY(sp_crd_format_compile(c->arena, r));
	SP_TRY(pattern(c, v, path, r));
	SP_TRY(texts(c, get(v, "enum"), true, &r->enums, &r->n_enums));
	SP_TRY(texts(c, get(v, "required"), false, &r->required, &r->n_required));
	SP_TRY(node_list(c, v, "allOf", false, first_pair, path, &r->all_of, &r->n_all_of));
	SP_TRY(node_list(c, v, "anyOf", ios, false, path, &r->any_of, &r->n_any_of));
	SP_TRY(node_list(c, v, "oneOf", false, false, path, &r->one_of, &r->n_one_of));
	if (yyjson_mut_is_obj(get(v, "not")))
		SP_TRY(node(c, get(v, "not"), LEVEL_FIELD, true, sp_crd_path(c->arena, path, SP_STR("not")),
			    &r->not_));
	SP_TRY(sp_crd_rules_read(c->arena, v, &r->cel));
	return keep_rules(c, &made, ret);
}

static int by_name(const void *x, const void *y)
{
	const sp_field *a = x, *b = y;
	return sp_str_cmp(a->name, b->name);
}

static sp_code property(compiler *c, yyjson_mut_val *v, sp_str name, bool typed, bool nested, sp_str path,
			sp_field *ret)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, SP_LIMIT_REQUEST_BODY_BYTES);
	ret->name = name;
	yyjson_mut_val *def = get(v, "default");
	if (def != NULL && !yyjson_mut_is_null(def)) {
		SP_TRY(sp_json_write_mut(&text, def));
		ret->def = sp_arena_try_dup(c->arena, sp_buf_view(&text));
	}
	/* The type of the object and its metadata are those of every object. */
	if (typed && sp_str_eq(name, SP_STR("metadata")) && c->object_meta != NULL) {
		ret->schema = c->object_meta;
		return SP_OK;
	}
	return node(c, v, LEVEL_FIELD, nested, path, &ret->schema);
}

/* Properties, plus the three that every object of a kind has. */
static sp_code properties(compiler *c, yyjson_mut_val *v, bool typed, bool nested, sp_str path, sp_schema *s)
{
	static const char *const common[] = {"apiVersion", "kind", "metadata"};
	yyjson_mut_val *list = get(v, "properties"), *key, *val;
	size_t n = 0, idx, max,
	       cap = (yyjson_mut_is_obj(list) ? yyjson_mut_obj_size(list) : 0) + (typed ? SP_LEN(common) : 0);
	if (cap == 0)
		return SP_OK;
	sp_field *f = sp_try_new(c->arena, sp_field, cap);
	uint16_t *order = sp_try_new(c->arena, uint16_t, cap);
	if (f == NULL || order == NULL || cap > UINT16_MAX)
		return SP_ETOOLARGE;
	yyjson_mut_obj_foreach(list, idx, max, key, val)
	{
		sp_str name = sp_arena_try_dup(c->arena, sp_jmut_str(key));
		sp_str at =
			sp_crd_path_key(c->arena, sp_crd_path(c->arena, path, SP_STR("properties")), name);
		SP_TRY(property(c, val, name, typed, nested, at, &f[n++]));
	}
	for (size_t i = 0; typed && i < SP_LEN(common); i++) {
		if (sp_jmut_get(list, sp_str_c(common[i])) != NULL)
			continue;
		f[n] = (sp_field){.name = sp_str_c(common[i]), .schema = &text_schema};
		if (i == 2)
			f[n].schema = c->object_meta;
		n += f[n].schema != NULL;
	}
	qsort(f, n, sizeof(*f), by_name);
	for (size_t i = 0; i < n; i++)
		order[i] = (uint16_t)i;
	s->fields = f;
	s->by_name = order;
	s->n_fields = (uint16_t)n;
	return SP_OK;
}

static const struct {
	const char *name;
	sp_schema_kind kind;
} types[] = {
	{"string", SP_K_STRING}, {"boolean", SP_K_BOOL},  {"integer", SP_K_I64},
	{"number", SP_K_F64},    {"object", SP_K_OBJECT}, {"array", SP_K_LIST},
};

static void check_node(compiler *c, yyjson_mut_val *v, node_level level, bool nested, sp_str path)
{
	static const char *const where[] = {"must not be empty at the root",
					    "must not be empty for specified array items",
					    "must not be empty for specified object fields"};
	sp_str type = sp_jmut_str(get(v, "type"));
	bool ios = is_true(v, "x-kubernetes-int-or-string"),
	     embedded = is_true(v, "x-kubernetes-embedded-resource");
	bool keep = is_true(v, "x-kubernetes-preserve-unknown-fields");
	for (size_t i = 0; i < SP_LEN(unsupported); i++) {
		if (get(v, unsupported[i].name) != NULL)
			forbid(c, path, unsupported[i].name, unsupported[i].why);
		c->is_odd = c->is_odd || get(v, unsupported[i].name) != NULL;
	}
	if (is_true(v, "uniqueItems"))
		forbid(c, path, "uniqueItems",
		       "uniqueItems cannot be set to true since the runtime complexity becomes quadratic");
	sp_crd_keywords(c->arena, v, path, c->errors);
	c->is_odd = c->is_odd || yyjson_mut_is_false(get(v, "x-kubernetes-preserve-unknown-fields"));
	for (size_t i = 0; nested && i < SP_LEN(nested_forbidden); i++) {
		yyjson_mut_val *bad = get(v, nested_forbidden[i].name);
		if (bad != NULL && !yyjson_mut_is_false(bad))
			misplaced(c, path, nested_forbidden[i].name, nested_forbidden[i].why);
	}
	if (nested)
		return;
	if (sp_str_eq(type, SP_STR("array")) && get(v, "items") == NULL)
		require(c, path, "items", "must be specified");
	if (embedded && !sp_str_eq(type, SP_STR("object")))
		require(c, path, "type", "must be object if x-kubernetes-embedded-resource is true");
	else if (type.len == 0 && !ios && !keep)
		require(c, path, "type", where[level]);
	if (level == LEVEL_ROOT && type.len > 0 && !sp_str_eq(type, SP_STR("object")))
		sp_v_text(&c->structural, SP_V_INVALID, sp_crd_path(c->arena, path, SP_STR("type")),
			  "Invalid value: \"" SP_FMT "\": must be object at the root", SP_ARG(type));
	if (level == LEVEL_ROOT && get(v, "additionalProperties") != NULL)
		misplaced(c, path, "additionalProperties", "must not be used at the root");
	else if (get(v, "additionalProperties") != NULL && yyjson_mut_obj_size(get(v, "properties")) > 0)
		forbid(c, path, "additionalProperties",
		       "additionalProperties and properties are mutual exclusive");
	yyjson_mut_val *meta = sp_jmut_path(v, "properties", "metadata", NULL);
	yyjson_mut_val *inner = get(meta, "properties");
	size_t allowed = (size_t)(get(inner, "name") != NULL) + (size_t)(get(inner, "generateName") != NULL);
	size_t plain = (size_t)(get(meta, "type") != NULL) + (size_t)(inner != NULL) +
		       (size_t)(get(meta, "default") != NULL);
	if (level == LEVEL_ROOT && meta != NULL &&
	    (yyjson_mut_obj_size(meta) != plain || yyjson_mut_obj_size(inner) != allowed))
		misplaced(c, path, "properties[metadata]",
			  "must not specify anything other than name and generateName, but metadata is "
			  "implicitly "
			  "specified");
}

static sp_code container(compiler *c, yyjson_mut_val *v, node_level level, bool nested, sp_str path,
			 sp_schema *s)
{
	sp_str list_type = sp_jmut_str(get(v, "x-kubernetes-list-type"));
	sp_str map_type = sp_jmut_str(get(v, "x-kubernetes-map-type"));
	yyjson_mut_val *items = get(v, "items"), *more = get(v, "additionalProperties");
	s->list_type = sp_str_eq(list_type, SP_STR("set"))   ? SP_LIST_SET
		       : sp_str_eq(list_type, SP_STR("map")) ? SP_LIST_MAP
							     : SP_LIST_ATOMIC;
	s->map_type = sp_str_eq(map_type, SP_STR("atomic")) ? SP_MAP_ATOMIC : SP_MAP_GRANULAR;
	if (yyjson_mut_is_obj(items))
		SP_TRY(node(c, items, LEVEL_ITEM, nested, sp_crd_path(c->arena, path, SP_STR("items")),
			    &s->items));
	if (yyjson_mut_is_obj(more))
		SP_TRY(node(c, more, LEVEL_FIELD, nested,
			    sp_crd_path(c->arena, path, SP_STR("additionalProperties")), &s->items));
	SP_TRY(texts(c, get(v, "x-kubernetes-list-map-keys"), false, &s->list_keys, &s->n_list_keys));
	bool typed = level == LEVEL_ROOT || (s->flags & SP_S_EMBEDDED_RESOURCE) != 0;
	return properties(c, v, typed, nested, path, s);
}

static bool has_cel(const sp_schema *s)
{
	bool has = (s->rules != NULL && s->rules->cel != NULL) ||
		   (s->items != NULL && (s->items->flags & SP_S_HAS_CEL) != 0);
	for (uint16_t i = 0; i < s->n_fields; i++)
		has = has || (s->fields[i].schema->flags & SP_S_HAS_CEL) != 0;
	return has;
}

static sp_code node(compiler *c, yyjson_mut_val *v, node_level level, bool nested, sp_str path,
		    const sp_schema **ret)
{
	if (++c->n_nodes > SP_CRD_SCHEMA_NODES_MAX)
		return SP_ETOOLARGE;
	sp_schema *s = sp_try_new(c->arena, sp_schema, 1);
	if (s == NULL)
		return SP_ENOMEM;
	sp_str type = sp_jmut_str(get(v, "type"));
	s->kind = SP_K_ANY;
	s->flags = SP_S_CRD;
	for (size_t i = 0; i < SP_LEN(types); i++) {
		if (sp_str_eq(type, sp_str_c(types[i].name)))
			s->kind = (uint8_t)types[i].kind;
	}
	if (is_true(v, "x-kubernetes-int-or-string"))
		s->kind = SP_K_INT_OR_STRING;
	s->flags |= is_true(v, "nullable") ? SP_S_NULLABLE : 0;
	s->flags |= is_true(v, "x-kubernetes-preserve-unknown-fields") ? SP_S_PRESERVE_UNKNOWN : 0;
	s->flags |= is_true(v, "x-kubernetes-embedded-resource") ? SP_S_EMBEDDED_RESOURCE : 0;
	check_node(c, v, level, nested, path);
	SP_TRY(container(c, v, level, nested, path, s));
	SP_TRY(rules(c, v, path, &s->rules));
	s->flags |= has_cel(s) ? SP_S_HAS_CEL : 0;
	*ret = s;
	return SP_OK;
}

static int by_text(const void *x, const void *y)
{
	const sp_violation *a = x, *b = y;
	int c = sp_str_cmp(a->field, b->field);
	return c != 0 ? c : sp_str_cmp(a->message, b->message);
}

sp_code sp_crd_compile(sp_arena *a, yyjson_mut_val *openapi, sp_str path, const sp_schema *object_meta,
		       bool preserve_unknown, sp_violations *errors, const sp_schema **ret)
{
	compiler c = {.arena = a, .errors = errors, .object_meta = object_meta};
	const sp_schema *s = NULL;
	*ret = NULL;
	sp_violations_init(&c.structural, a);
	if (openapi == NULL) {
		sp_schema *any = sp_try_new(a, sp_schema, 1);
		if (any == NULL)
			return SP_ENOMEM;
		*any = (sp_schema){.kind = SP_K_OBJECT, .flags = SP_S_CRD | SP_S_PRESERVE_UNKNOWN};
		*ret = any;
		return SP_OK;
	}
	size_t before = errors->n;
	sp_code code = node(&c, openapi, LEVEL_ROOT, false, path, &s);
	if (code != SP_OK)
		return code;
	for (size_t i = 0; i < c.structural.n && !c.is_odd; i++)
		sp_v_text(errors, c.structural.items[i].type, c.structural.items[i].field, SP_FMT,
			  SP_ARG(c.structural.items[i].message));
	if (errors->code != SP_OK || c.structural.code != SP_OK)
		return errors->code != SP_OK ? errors->code : c.structural.code;
	if (errors->n > before) {
		qsort(errors->items + before, errors->n - before, sizeof(*errors->items), by_text);
		return SP_OK;
	}
	if (preserve_unknown) {
		sp_schema *keep = sp_try_new(a, sp_schema, 1);
		if (keep == NULL)
			return SP_ENOMEM;
		*keep = *s;
		keep->flags |= SP_S_PRESERVE_UNKNOWN;
		s = keep;
	}
	*ret = s;
	return SP_OK;
}
