/* SPDX-License-Identifier: Apache-2.0 */
/* How rules see values of a schema: types, and the sizes that estimates assume. U: apiserver
 * pkg/cel/common/schemas.go */
#include "base/limits.h"
#include "kube/cel/value.h"

#define MAX_BYTES ((uint64_t)SP_LIMIT_REQUEST_BODY_BYTES)
#define DEPTH_MAX 64u

/* What metadata of a custom resource shows to its rules. */
static const sp_schema text_schema = {.kind = SP_K_STRING, .flags = SP_S_CRD};
static const sp_field meta_fields[] = {
	{.name = SP_STR_INIT("generateName"), .schema = &text_schema},
	{.name = SP_STR_INIT("name"), .schema = &text_schema},
};
static const uint16_t meta_order[] = {0, 1};
static const sp_schema meta_schema = {
	.kind = SP_K_OBJECT, .flags = SP_S_CRD, .n_fields = 2, .fields = meta_fields, .by_name = meta_order};

sp_str cel_schema_format(const sp_schema *s)
{
	return s->rules != NULL && s->rules->format.len > 0 ? s->rules->format : sp_str_c(s->format);
}

bool cel_schema_is_struct(const sp_schema *s, bool root)
{
	if (s->kind != SP_K_OBJECT)
		return s->kind == SP_K_RAW || s->kind == SP_K_FIELDS_V1;
	return root || s->n_fields > 0 || (s->flags & SP_S_EMBEDDED_RESOURCE) != 0 || s->items == NULL;
}

const sp_schema *cel_schema_field(const sp_schema *s, bool root, sp_str name)
{
	bool restricted = (s->flags & SP_S_CRD) != 0 && (root || (s->flags & SP_S_EMBEDDED_RESOURCE) != 0);
	if (restricted && sp_str_eq(name, SP_STR("metadata")))
		return &meta_schema;
	if (restricted && (sp_str_eq(name, SP_STR("kind")) || sp_str_eq(name, SP_STR("apiVersion"))))
		return &text_schema;
	const sp_field *f =
		s->kind != SP_K_OBJECT || s->n_fields == 0 ? NULL : sp_schema_field(s, name, NULL);
	return f == NULL ? NULL : f->schema;
}

/* What upstream shows of a kind within itself: an object without fields (JSONSchemaProps of CRDs).
 * U: apiserver pkg/cel/openapi/resolver/refs.go. */
static const sp_schema empty_schema = {.kind = SP_K_OBJECT};
static const sp_schema map_of_empty = {.kind = SP_K_MAP, .items = &empty_schema},
		       list_of_empty = {.kind = SP_K_LIST, .items = &empty_schema};

const sp_schema *cel_schema_within(const sp_schema *s, const sp_schema *parent)
{
	if (s == parent)
		return &empty_schema;
	if (s->items != parent || (s->kind != SP_K_MAP && s->kind != SP_K_LIST))
		return s;
	return s->kind == SP_K_MAP ? &map_of_empty : &list_of_empty;
}

/* The elements of a list or map that are shown as such, NULL of others. */
static const sp_schema *elements(const sp_schema *s, bool root)
{
	if (s->kind == SP_K_LIST || s->kind == SP_K_MAP)
		return s->items;
	return s->kind == SP_K_OBJECT && !cel_schema_is_struct(s, root) ? s->items : NULL;
}

static bool is_embedded(const sp_schema *s)
{
	return (s->flags & SP_S_EMBEDDED_RESOURCE) != 0;
}

/* Whether rules see the value at all. */
static bool exposed(const sp_schema *s, unsigned depth)
{
	switch (s->kind) {
	case SP_K_ANY:
	case SP_K_JSON:
	case SP_K_QUANTITY: /* upstream's schema of it has no single type */
	case SP_K_PROPS_OR_ARRAY:
	case SP_K_PROPS_OR_BOOL:
	case SP_K_PROPS_OR_STRINGS:
		return false;
	case SP_K_LIST:
	case SP_K_MAP:
		return s->items != NULL && depth < DEPTH_MAX && exposed(s->items, depth + 1);
	case SP_K_OBJECT: {
		const sp_schema *e = elements(s, is_embedded(s));
		return e == NULL || (depth < DEPTH_MAX && exposed(e, depth + 1));
	}
	default:
		return true;
	}
}

static const sp_cel_type *text_type(const sp_schema *s)
{
	sp_str f = cel_schema_format(s);
	if (sp_str_eq(f, SP_STR("byte")))
		return &sp_cel_bytes;
	if (sp_str_eq(f, SP_STR("duration")))
		return &sp_cel_duration;
	if (sp_str_eq(f, SP_STR("date")) || sp_str_eq(f, SP_STR("date-time")))
		return &sp_cel_timestamp;
	return &sp_cel_string;
}

static const sp_cel_type *scalar_type(const sp_schema *s)
{
	switch (s->kind) {
	case SP_K_BOOL:
		return &sp_cel_bool;
	case SP_K_I32:
	case SP_K_I64:
		return &sp_cel_int;
	case SP_K_F64:
		return &sp_cel_double;
	case SP_K_BYTES:
		return &sp_cel_bytes;
	case SP_K_TIME:
	case SP_K_MICROTIME:
		return &sp_cel_timestamp;
	case SP_K_INT_OR_STRING:
		return &sp_cel_dyn;
	case SP_K_DURATION:
		return &sp_cel_string;
	default:
		return text_type(s);
	}
}

static sp_code struct_type(sp_arena *a, const sp_schema *s, sp_str name, bool root, const sp_cel_type **ret)
{
	sp_cel_type *t = sp_try_new(a, sp_cel_type, 1);
	if (t == NULL)
		return SP_ENOMEM;
	*t = (sp_cel_type){
		.kind = SP_CEL_STRUCT, .flags = root ? SP_CEL_T_ROOT_ : 0, .name = name, .schema = s};
	*ret = t;
	return SP_OK;
}

sp_code sp_cel_type_of_schema(sp_arena *a, const sp_schema *s, sp_str name, bool root,
			      const sp_cel_type **ret)
{
	*ret = NULL;
	if (!exposed(s, 0))
		return SP_OK;
	if (cel_schema_is_struct(s, root))
		return struct_type(a, s, name, root, ret);
	const sp_schema *items = elements(s, root);
	if (items == NULL) {
		*ret = scalar_type(s);
		return SP_OK;
	}
	bool list = s->kind == SP_K_LIST;
	const sp_cel_type *elem;
	sp_str path = SP_CONCAT(a, name, list ? SP_STR(".@idx") : SP_STR(".@elem"));
	if (path.len == 0)
		return SP_ENOMEM;
	SP_TRY(sp_cel_type_of_schema(a, items, path, is_embedded(items), &elem));
	if (elem == NULL)
		return SP_OK;
	*ret = list ? sp_cel_list_of(a, elem) : sp_cel_map_of(a, &sp_cel_string, elem);
	return *ret == NULL ? SP_ENOMEM : SP_OK;
}

/* ---- sizes ---- */

static uint64_t not_negative(int64_t n)
{
	return n < 0 ? 0 : (uint64_t)n;
}

static bool has(const sp_schema *s, uint32_t rule)
{
	return s->rules != NULL && (s->rules->has & rule) != 0;
}

static uint64_t text_max(const sp_schema *s)
{
	sp_str f = cel_schema_format(s);
	bool bytes = s->kind == SP_K_BYTES || sp_str_eq(f, SP_STR("byte"));
	if (s->kind == SP_K_TIME || s->kind == SP_K_MICROTIME || sp_str_eq(f, SP_STR("date-time")) ||
	    sp_str_eq(f, SP_STR("duration")))
		return 32;
	if (sp_str_eq(f, SP_STR("date")))
		return 12;
	if (has(s, SP_R_MAX_LENGTH))
		return not_negative(s->rules->max_length) * (bytes ? 1 : 4);
	if (!bytes && s->rules != NULL && s->rules->n_enums > 0) {
		uint64_t most = 0;
		for (uint16_t i = 0; i < s->rules->n_enums; i++)
			most = SP_MAX(most, (uint64_t)(s->rules->enums[i].len > 2 ? s->rules->enums[i].len - 2
										  : 0));
		return most;
	}
	return MAX_BYTES - 2;
}

static uint64_t text_min(const sp_schema *s)
{
	sp_str f = cel_schema_format(s);
	if (s->kind == SP_K_TIME || s->kind == SP_K_MICROTIME || sp_str_eq(f, SP_STR("date-time")))
		return 21;
	if (sp_str_eq(f, SP_STR("date")))
		return 12;
	return sp_str_eq(f, SP_STR("duration")) ? 3 : 2;
}

static bool is_required(const sp_schema *s, const sp_field *f)
{
	if (f->def.len > 0)
		return false;
	if ((f->flags & SP_F_REQUIRED) != 0)
		return true;
	for (uint16_t i = 0; s->rules != NULL && i < s->rules->n_required; i++) {
		if (sp_str_eq(s->rules->required[i], f->name))
			return true;
	}
	return false;
}

static uint64_t min_size(const sp_schema *s, bool root, unsigned depth)
{
	if (elements(s, root) != NULL)
		return 2;
	if (!cel_schema_is_struct(s, root)) {
		switch (s->kind) {
		case SP_K_BOOL:
			return 4;
		case SP_K_I32:
		case SP_K_I64:
		case SP_K_F64:
		case SP_K_INT_OR_STRING:
			return 1;
		default:
			return text_min(s);
		}
	}
	uint64_t n = 2;
	for (uint16_t i = 0; i < s->n_fields && depth < DEPTH_MAX; i++) {
		const sp_field *f = &s->fields[i];
		if (!is_required(s, f))
			continue;
		const sp_schema *seen = cel_schema_field(s, root, f->name);
		if (seen != NULL && exposed(seen, 0))
			n += f->name.len + min_size(seen, is_embedded(seen), depth + 1) + 4;
	}
	return n;
}

uint64_t sp_cel_min_serialized_size(const sp_schema *schema, bool root)
{
	return min_size(schema, root, 0);
}

uint64_t sp_cel_max_elements(const sp_schema *s)
{
	const sp_schema *items = elements(s, false);
	if (s->kind == SP_K_LIST) {
		if (has(s, SP_R_MAX_ITEMS))
			return not_negative(s->rules->max_items);
		return items == NULL ? 0 : (MAX_BYTES - 2) / (min_size(items, is_embedded(items), 0) + 1);
	}
	if (items != NULL) {
		if (has(s, SP_R_MAX_PROPERTIES))
			return not_negative(s->rules->max_properties);
		return (MAX_BYTES - 2) / (min_size(items, is_embedded(items), 0) + 6);
	}
	switch (s->kind) {
	case SP_K_INT_OR_STRING:
	case SP_K_STRING:
	case SP_K_BYTES:
	case SP_K_TIME:
	case SP_K_MICROTIME:
	case SP_K_DURATION:
		return text_max(s);
	default:
		return 0;
	}
}
