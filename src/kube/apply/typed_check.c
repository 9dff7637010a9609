/* SPDX-License-Identifier: Apache-2.0 */
/* Does a tree fit its schema, in the words of structured-merge-diff. */
#include "base/limits.h"
#include "kube/apply/typed_int.h"
#include "kube/patch/patch_int.h"

#define CHECK_ERRORS_MAX 50u

typedef struct check_run {
	sp_arena *arena;
	sp_buf path, text;
	size_t n;
	bool allow_duplicates;
	sp_code code; /* out of room */
} check_run;

/* Begins a line; false: enough were told. */
static bool begin_report(check_run *c)
{
	if (c->n++ >= CHECK_ERRORS_MAX)
		return false;
	(void)sp_buf_str(&c->text, SP_STR("\n  "));
	(void)sp_buf_str(&c->text, sp_buf_view(&c->path));
	if (c->path.len > 0)
		(void)sp_buf_str(&c->text, SP_STR(": "));
	return true;
}

static void report(check_run *c, const char *fmt, ...) SP_PRINTF(2, 3);
static void report(check_run *c, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* cut when a name is long */
	va_end(ap);
	if (begin_report(c))
		(void)sp_buf_str(&c->text, sp_str_c(text));
}

/* Go's %#v (syntax) or %v of the value, as upstream's wrapper of it prints; the buffer's limit cuts it. */
static void report_value(check_run *c, const char *expected, yyjson_mut_val *v, bool syntax)
{
	if (!begin_report(c))
		return;
	(void)sp_buf_printf(&c->text, "expected %s, got ", expected);
	(void)sp_buf_str(&c->text, syntax ? SP_STR("&value.valueUnstructured{Value:") : SP_STR("&{"));
	(void)(syntax ? sp_json_write_go_syntax(&c->text, v) : sp_json_write_go(&c->text, v));
	(void)sp_buf_char(&c->text, '}');
}

static void check_scalar(check_run *c, const sp_schema *s, yyjson_mut_val *v)
{
	if (yyjson_mut_is_null(v) || s->kind == SP_K_INT_OR_STRING) /* has no type in upstream's schema */
		return;
	switch ((sp_schema_kind)s->kind) {
	case SP_K_I32:
	case SP_K_I64:
	case SP_K_F64:
		if (!yyjson_mut_is_num(v))
			report(c, "expected numeric (int or float), got %s", sp_patch_go_type(v));
		return;
	case SP_K_STRING:
	case SP_K_BYTES:
	case SP_K_DURATION:
		if (!yyjson_mut_is_str(v))
			report_value(c, "string", v, true);
		return;
	case SP_K_BOOL:
		if (!yyjson_mut_is_bool(v))
			report_value(c, "boolean", v, false);
		return;
	case SP_K_ANY:
	case SP_K_QUANTITY:
	case SP_K_TIME:
	case SP_K_MICROTIME:
	case SP_K_INT_OR_STRING:
	case SP_K_RAW:
	case SP_K_FIELDS_V1:
	case SP_K_JSON:
	case SP_K_OBJECT:
	case SP_K_LIST:
	case SP_K_MAP:
	case SP_K_PROPS_OR_ARRAY:
	case SP_K_PROPS_OR_BOOL:
	case SP_K_PROPS_OR_STRINGS:
	case SP_K_COUNT_:
		break;
	}
	if (yyjson_mut_is_ctn(v))
		report_value(c, "any scalar", v, false);
}

static void check(check_run *c, const sp_schema *s, yyjson_mut_val *v, bool root);

static void check_step(check_run *c, const sp_pe *pe, const sp_schema *s, yyjson_mut_val *v)
{
	size_t len = c->path.len;
	if (sp_pe_text(&c->path, pe) != SP_OK) {
		c->code = SP_ETOOLARGE;
		return;
	}
	if (s == NULL)
		report(c, "field not declared in schema");
	else
		check(c, s, v, false);
	c->path.len = len;
}

/* An element that stands before in an associative list. */
static void check_twice(check_run *c, const sp_typed_items_list *l, const sp_pe *pe, size_t idx)
{
	size_t first = 0;
	if (sp_typed_list_find(l, pe, &first) == 0 || l->sorted[first]->at >= idx)
		return;
	SP_AUTO_BUF text;
	sp_buf_init(&text, 4096);
	(void)sp_pe_text(&text, pe);
	sp_str shown = sp_buf_view(&text);
	report(c, "duplicate entries for key " SP_FMT, SP_ARG(shown));
}

static void check_list(check_run *c, const sp_schema *s, yyjson_mut_val *v)
{
	size_t idx, max;
	yyjson_mut_val *item;
	sp_typed_items_list l = {0};
	bool keyed = !sp_typed_list_atomic(s);
	if (keyed && !c->allow_duplicates)
		c->code = sp_typed_list_load(c->arena, s, v, &l);
	yyjson_mut_arr_foreach(v, idx, max, item)
	{
		sp_pe pe = {.kind = SP_PE_INDEX, .value = {.kind = SP_PV_INT, .i = (int64_t)idx}};
		sp_str text = {0};
		sp_code code = keyed ? sp_typed_item_pe(c->arena, s, item, &pe, &text) : SP_OK;
		if (code == SP_EINVAL) {
			report(c, "element %zu: " SP_FMT, idx, SP_ARG(text));
			return;
		}
		if (c->code == SP_OK)
			c->code = code;
		if (c->code != SP_OK)
			return;
		check_twice(c, &l, &pe, idx);
		check_step(c, &pe, sp_typed_items(s), item);
	}
}

static void check_map(check_run *c, const sp_schema *s, yyjson_mut_val *v, bool root)
{
	size_t idx, max;
	yyjson_mut_val *key, *val;
	yyjson_mut_obj_foreach(v, idx, max, key, val)
	{
		bool named = false;
		sp_pe pe = {.kind = SP_PE_FIELD, .name = sp_jmut_str(key)};
		const sp_schema *m = sp_typed_member(s, pe.name, &named);
		bool type = root &&
			    (sp_str_eq(pe.name, SP_STR("apiVersion")) || sp_str_eq(pe.name, SP_STR("kind")));
		if (m != NULL || !type)
			check_step(c, &pe, m, val);
		if (m == NULL && !type)
			return;
	}
}

static void check(check_run *c, const sp_schema *s, yyjson_mut_val *v, bool root)
{
	sp_atom atom = sp_typed_atom(s, v);
	if (c->code != SP_OK || (yyjson_mut_is_null(v) && atom != SP_ATOM_SCALAR))
		return;
	if (atom == SP_ATOM_SCALAR)
		check_scalar(c, s, v);
	else if (atom == SP_ATOM_LIST && yyjson_mut_is_arr(v))
		check_list(c, s, v);
	else if (atom == SP_ATOM_MAP && yyjson_mut_is_obj(v))
		check_map(c, s, v, root);
	else
		report_value(c, atom == SP_ATOM_LIST ? "list" : "map", v, false);
}

sp_code sp_typed_check(sp_arena *a, const sp_schema *schema, yyjson_mut_val *v, bool allow_duplicates,
		       sp_str *ret_text)
{
	check_run c = {.arena = a, .allow_duplicates = allow_duplicates};
	sp_buf_init(&c.path, SP_LIMIT_REQUEST_BODY_BYTES);
	sp_buf_init(&c.text, SP_LIMIT_REQUEST_BODY_BYTES);
	check(&c, schema == NULL ? &sp_typed_deduced : schema, v, true);
	sp_str text = sp_buf_view(&c.text);
	sp_code code = c.code != SP_OK ? c.code : c.n > 0 ? SP_EINVAL : SP_OK;
	if (code == SP_EINVAL && ret_text != NULL) {
		*ret_text = c.n == 1 ? sp_arena_try_dup(a, sp_str_sub(text, 3, text.len))
				     : sp_arena_printf(a, "errors:" SP_FMT, SP_ARG(text));
	}
	sp_buf_done(&c.path);
	sp_buf_done(&c.text);
	return code;
}
