/* SPDX-License-Identifier: Apache-2.0 */
/* Types: the constant ones, making others, and their text. */
#include "kube/cel/lib.h"

#define SIMPLE(var, k, text) const sp_cel_type var = {.kind = (k), .name = SP_STR_INIT(text)}
#define PARAMS(...) ((const sp_cel_type *const[]){__VA_ARGS__})
#define WITH1(var, k, text, p) \
	const sp_cel_type var = {.kind = (k), .name = SP_STR_INIT(text), .n_params = 1, .params = PARAMS(p)}
#define LIST(var, p) WITH1(var, SP_CEL_LIST, "list", p)
#define OPTIONAL(var, p) WITH1(var, SP_CEL_OPTIONAL, "optional_type", p)
#define MAP(var, k, v)            \
	const sp_cel_type var = { \
		.kind = SP_CEL_MAP, .name = SP_STR_INIT("map"), .n_params = 2, .params = PARAMS(k, v)}

SIMPLE(sp_cel_dyn, SP_CEL_DYN, "dyn");
SIMPLE(sp_cel_null, SP_CEL_NULL, "null_type");
SIMPLE(sp_cel_bool, SP_CEL_BOOL, "bool");
SIMPLE(sp_cel_int, SP_CEL_INT, "int");
SIMPLE(sp_cel_uint, SP_CEL_UINT, "uint");
SIMPLE(sp_cel_double, SP_CEL_DOUBLE, "double");
SIMPLE(sp_cel_string, SP_CEL_STRING, "string");
SIMPLE(sp_cel_bytes, SP_CEL_BYTES, "bytes");
SIMPLE(sp_cel_timestamp, SP_CEL_TIMESTAMP, "google.protobuf.Timestamp");
SIMPLE(sp_cel_duration, SP_CEL_DURATION, "google.protobuf.Duration");
SIMPLE(cel_t_optional, SP_CEL_OPAQUE, "optional_type"); /* as a value */
SIMPLE(cel_t_type, SP_CEL_TYPE, "type");
SIMPLE(cel_t_error, SP_CEL_ERROR, "error");
SIMPLE(cel_t_a, SP_CEL_PARAM, "A");
SIMPLE(cel_t_b, SP_CEL_PARAM, "B");
LIST(sp_cel_list_dyn, &sp_cel_dyn);
MAP(sp_cel_map_dyn, &sp_cel_dyn, &sp_cel_dyn);
LIST(cel_t_list_a, &cel_t_a);
LIST(cel_t_list_list_a, &cel_t_list_a);
LIST(cel_t_list_string, &sp_cel_string);
LIST(cel_t_list_int, &sp_cel_int);
LIST(cel_t_list_uint, &sp_cel_uint);
LIST(cel_t_list_double, &sp_cel_double);
LIST(cel_t_list_bool, &sp_cel_bool);
LIST(cel_t_list_bytes, &sp_cel_bytes);
LIST(cel_t_list_timestamp, &sp_cel_timestamp);
LIST(cel_t_list_duration, &sp_cel_duration);
MAP(cel_t_map_ab, &cel_t_a, &cel_t_b);
MAP(cel_t_map_string_string_list, &sp_cel_string, &cel_t_list_string);
OPTIONAL(cel_t_optional_a, &cel_t_a);
OPTIONAL(cel_t_optional_b, &cel_t_b);
OPTIONAL(cel_t_optional_dyn, &sp_cel_dyn);
OPTIONAL(cel_t_optional_list_a, &cel_t_list_a);
OPTIONAL(cel_t_optional_map_ab, &cel_t_map_ab);
OPTIONAL(cel_t_optional_string, &sp_cel_string);
OPTIONAL(cel_t_optional_format, &cel_t_format);
WITH1(cel_t_type_a, SP_CEL_TYPE, "type", &cel_t_a);

/* Of libraries. Upstream declares most as object types and the two of the net package as opaque ones. */
SIMPLE(cel_t_url, SP_CEL_STRUCT, "kubernetes.URL");
SIMPLE(cel_t_ip, SP_CEL_OPAQUE, "net.IP");
SIMPLE(cel_t_cidr, SP_CEL_OPAQUE, "net.CIDR");
SIMPLE(cel_t_quantity, SP_CEL_STRUCT, "kubernetes.Quantity");
SIMPLE(cel_t_semver, SP_CEL_STRUCT, "kubernetes.Semver");
SIMPLE(cel_t_format, SP_CEL_STRUCT, "kubernetes.NamedFormat");
SIMPLE(sp_cel_authorizer_type, SP_CEL_STRUCT, "kubernetes.authorization.Authorizer");
SIMPLE(cel_t_path_check, SP_CEL_STRUCT, "kubernetes.authorization.PathCheck");
SIMPLE(cel_t_group_check, SP_CEL_STRUCT, "kubernetes.authorization.GroupCheck");
SIMPLE(sp_cel_resource_check_type, SP_CEL_STRUCT, "kubernetes.authorization.ResourceCheck");
SIMPLE(cel_t_decision, SP_CEL_STRUCT, "kubernetes.authorization.Decision");

static const sp_cel_field json_patch_fields[] = {
	{SP_STR_INIT("op"), &sp_cel_string},
	{SP_STR_INIT("path"), &sp_cel_string},
	{SP_STR_INIT("from"), &sp_cel_string},
	{SP_STR_INIT("value"), &sp_cel_dyn},
};
const sp_cel_type sp_cel_json_patch_type = {.kind = SP_CEL_STRUCT,
					    .name = SP_STR_INIT("JSONPatch"),
					    .fields = json_patch_fields,
					    .n_fields = SP_LEN(json_patch_fields)};

static const sp_cel_type *with_params(sp_arena *a, sp_cel_kind kind, sp_str name, const sp_cel_type *p,
				      const sp_cel_type *q)
{
	sp_cel_type *t = sp_try_new(a, sp_cel_type, 1);
	const sp_cel_type **params = sp_try_new(a, const sp_cel_type *, 2);
	if (t == NULL || params == NULL)
		return NULL;
	params[0] = p;
	params[1] = q;
	*t = (sp_cel_type){
		.kind = (uint8_t)kind, .n_params = q == NULL ? 1 : 2, .name = name, .params = params};
	return t;
}

const sp_cel_type *sp_cel_list_of(sp_arena *a, const sp_cel_type *elem)
{
	return elem->kind == SP_CEL_DYN ? &sp_cel_list_dyn
					: with_params(a, SP_CEL_LIST, SP_STR("list"), elem, NULL);
}

const sp_cel_type *sp_cel_map_of(sp_arena *a, const sp_cel_type *key, const sp_cel_type *value)
{
	return with_params(a, SP_CEL_MAP, SP_STR("map"), key, value);
}

const sp_cel_type *sp_cel_optional_of(sp_arena *a, const sp_cel_type *value)
{
	return with_params(a, SP_CEL_OPTIONAL, SP_STR("optional_type"), value, NULL);
}

const sp_cel_type *sp_cel_struct_of(sp_arena *a, sp_str name, const sp_cel_field *fields, size_t n)
{
	sp_cel_type *t = sp_try_new(a, sp_cel_type, 1);
	if (t != NULL)
		*t = (sp_cel_type){
			.kind = SP_CEL_STRUCT, .name = name, .fields = fields, .n_fields = (uint32_t)n};
	return t;
}

bool sp_cel_type_eq(const sp_cel_type *a, const sp_cel_type *b)
{
	if (a == b)
		return true;
	if (a->kind != b->kind || a->n_params != b->n_params || !sp_str_eq(a->name, b->name))
		return false;
	for (unsigned i = 0; i < a->n_params; i++) {
		if (!sp_cel_type_eq(a->params[i], b->params[i]))
			return false;
	}
	return true;
}

static void text_of(sp_buf *out, const sp_cel_type *t)
{
	bool wrapped = (t->flags & SP_CEL_T_NULLABLE) != 0;
	if (t->kind == SP_CEL_PARAM)
		(void)sp_buf_printf(out, "<" SP_FMT ">", SP_ARG(t->name));
	else
		(void)sp_buf_printf(out, "%s" SP_FMT "%s", wrapped ? "wrapper(" : "", SP_ARG(t->name),
				    wrapped ? ")" : "");
	for (unsigned i = 0; i < t->n_params; i++) {
		(void)sp_buf_str(out, i == 0 ? SP_STR("(") : SP_STR(", "));
		text_of(out, t->params[i]);
	}
	if (t->n_params > 0)
		(void)sp_buf_char(out, ')');
}

sp_str sp_cel_type_text(sp_arena *a, const sp_cel_type *t)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 16);
	text_of(&out, t);
	return sp_buf_code(&out) == SP_OK ? sp_arena_try_dup(a, sp_buf_view(&out)) : (sp_str){NULL, 0};
}
