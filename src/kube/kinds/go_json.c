/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/codec/canon.h"
#include "kube/kinds/go_rows.h"

EXPORT(sp_go_taint, STR("Key", "key"), STR("Value", "value"), STR("Effect", "effect"),
       PTR("TimeAdded", "timeAdded"));
LOCAL(scope, STR("ScopeName", "scopeName"), STR("Operator", "operator"), PTR("Values", "values"));
EXPORT(sp_go_scope_selector, STRUCT_LIST("MatchExpressions", "matchExpressions", &scope));
EXPORT(sp_go_ip, STR("IP", "ip"));

static void write_struct(sp_buf *out, const sp_go_type *type, yyjson_mut_val *v, yyjson_mut_val *outer);

static void write_list(sp_buf *out, const sp_go_type *type, yyjson_mut_val *list)
{
	(void)sp_buf_char(out, '[');
	SP_KV_EACH (item, i, list) {
		if (i > 0)
			(void)sp_buf_char(out, ',');
		write_struct(out, type, item, NULL);
	}
	(void)sp_buf_char(out, ']');
}

static void write_or(sp_buf *out, yyjson_mut_val *v, sp_str absent)
{
	if (v != NULL)
		sp_bad_write_json(out, v);
	else
		(void)sp_buf_str(out, absent);
}

/* A value that is there, or one that is never null. */
static void write_value(sp_buf *out, const sp_go_field *f, yyjson_mut_val *v, yyjson_mut_val *outer)
{
	switch (f->kind) {
	case SP_GO_STR:
		(void)sp_json_write_str(out, v != NULL ? sp_jmut_str(v) : SP_STR(""));
		return;
	case SP_GO_BOOL:
	case SP_GO_OUTER_BOOL:
		(void)sp_buf_str(out, yyjson_mut_is_true(v) ? SP_STR("true") : SP_STR("false"));
		return;
	case SP_GO_I64:
		(void)sp_buf_i64(out, sp_kv_num(v, 0));
		return;
	case SP_GO_STRUCT:
	case SP_GO_STRUCT_PTR:
		write_struct(out, f->type, v, outer);
		return;
	case SP_GO_STRUCT_LIST:
		write_list(out, f->type, v);
		return;
	case SP_GO_INT_OR_STR:
		write_or(out, v, SP_STR("0"));
		return;
	case SP_GO_QUANTITY:
		write_or(out, v, SP_STR("\"0\""));
		return;
	case SP_GO_PTR:
	case SP_GO_OUTER_PTR:
	case SP_GO_MEMBERS:
		break;
	}
	write_or(out, v, SP_STR("null"));
}

static void write_field(sp_buf *out, const sp_go_field *f, yyjson_mut_val *v, yyjson_mut_val *outer)
{
	if (v == NULL && (f->kind == SP_GO_STRUCT_PTR || f->kind == SP_GO_STRUCT_LIST))
		(void)sp_buf_str(out, SP_STR("null"));
	else
		write_value(out, f, v, outer);
}

static void write_key(sp_buf *out, sp_str key, bool *first)
{
	if (!*first)
		(void)sp_buf_char(out, ',');
	*first = false;
	(void)sp_json_write_str(out, key);
	(void)sp_buf_char(out, ':');
}

static void write_members(sp_buf *out, yyjson_mut_val *object, bool *first)
{
	if (object == NULL)
		return;
	for (sp_members m = sp_members_of(object); sp_members_next(&m);) {
		if (sp_bad_member_omitted(m.key))
			continue;
		write_key(out, sp_members_name(&m), first);
		sp_bad_write_json(out, sp_members_value(&m));
	}
}

static void write_struct(sp_buf *out, const sp_go_type *type, yyjson_mut_val *v, yyjson_mut_val *outer)
{
	bool first = true;
	(void)sp_buf_char(out, '{');
	for (size_t i = 0; i < type->n; i++) {
		const sp_go_field *f = &type->fields[i];
		bool outside = f->kind == SP_GO_OUTER_BOOL || f->kind == SP_GO_OUTER_PTR;
		yyjson_mut_val *member = sp_kv_get(outside ? outer : v, f->json);
		if (f->kind == SP_GO_MEMBERS) {
			write_members(out, member, &first);
			continue;
		}
		write_key(out, sp_str_c(f->go), &first);
		write_field(out, f, member, v);
	}
	(void)sp_buf_char(out, '}');
}

sp_str sp_go_struct(sp_arena *a, const sp_go_type *type, yyjson_mut_val *v)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, a->limit_bytes);
	write_struct(&out, type, v, NULL);
	return sp_arena_try_dup(a, sp_buf_view(&out));
}

sp_str sp_go_list(sp_arena *a, const sp_go_type *type, yyjson_mut_val *list)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, a->limit_bytes);
	if (list == NULL)
		return SP_STR("null");
	write_list(&out, type, list);
	return sp_arena_try_dup(a, sp_buf_view(&out));
}

void sp_v_immutable_go(sp_violations *v, const sp_path *path, const sp_go_type *type, yyjson_mut_val *now,
		       yyjson_mut_val *old)
{
	if (sp_kv_equal(now, old))
		return;
	sp_v_invalid(v, path, sp_bad_text(now != NULL ? sp_go_struct(v->arena, type, now) : SP_STR("null")),
		     "field is immutable");
}
