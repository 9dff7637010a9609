/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/cel_show.h"

#include <math.h>
#include <stdlib.h>

#include "base/quote.h"
#include "kube/crd/crd.h"

static void show_double(sp_buf *out, double d)
{
	if (isnan(d) || isinf(d)) {
		(void)sp_buf_printf(out, "double(\"%s\")",
				    isnan(d) ? "NaN"
				    : d < 0  ? "-Infinity"
					     : "Infinity");
		return;
	}
	sp_buf text;
	sp_buf_init(&text, 4096);
	(void)cel_f64_fixed(&text, d);
	(void)sp_buf_str(out, sp_buf_view(&text));
	if (sp_str_index(sp_buf_view(&text), '.') < 0)
		(void)sp_buf_str(out, SP_STR(".0"));
	sp_buf_done(&text);
}

static int by_text(const void *a, const void *b)
{
	return sp_str_cmp(*(const sp_str *)a, *(const sp_str *)b);
}

static void show_entries(cel_ctx *c, sp_buf *out, sp_cel_val v)
{
	cel_iter it = cel_iter_of(v);
	sp_cel_val key, e;
	size_t n = 0;
	sp_str *lines = sp_try_new(c->arena, sp_str, sp_cel_size(v) + 1);
	while (lines != NULL && cel_iter_next(c, &it, &key, &e)) {
		sp_buf line;
		sp_buf_init(&line, 1 << 24);
		if (v.kind == SP_CEL_MAP) {
			cel_show_literal(c, &line, key);
			(void)sp_buf_str(&line, SP_STR(": "));
		}
		cel_show_literal(c, &line, e);
		lines[n++] = sp_arena_try_dup(c->arena, sp_buf_view(&line));
		sp_buf_done(&line);
	}
	if (v.kind == SP_CEL_MAP && n > 0)
		qsort(lines, n, sizeof(*lines), by_text);
	(void)sp_buf_char(out, v.kind == SP_CEL_MAP ? '{' : '[');
	for (size_t i = 0; i < n; i++)
		(void)sp_buf_printf(out, "%s" SP_FMT, i == 0 ? "" : ", ", SP_ARG(lines[i]));
	(void)sp_buf_char(out, v.kind == SP_CEL_MAP ? '}' : ']');
}

void cel_show_literal(cel_ctx *c, sp_buf *out, sp_cel_val v)
{
	char time[SP_TIME_TEXT_BYTES];
	switch (v.kind) {
	case SP_CEL_UINT:
		(void)sp_buf_printf(out, "%lluu", (unsigned long long)v.u);
		break;
	case SP_CEL_DOUBLE:
		show_double(out, v.d);
		break;
	case SP_CEL_STRING:
		(void)sp_quote_go(out, sp_cel_str(v));
		break;
	case SP_CEL_BYTES:
		(void)sp_buf_str(out, SP_STR("b\""));
		for (size_t i = 0; i < v.len; i++)
			(void)sp_buf_printf(out, "\\%03o", (unsigned)(unsigned char)v.text[i]);
		(void)sp_buf_char(out, '"');
		break;
	case SP_CEL_TIMESTAMP:
		(void)sp_buf_printf(out, "timestamp(\"%.*s\")", (int)cel_time_text(time, v), time);
		break;
	case SP_CEL_DURATION:
		(void)sp_buf_str(out, SP_STR("duration(\""));
		(void)cel_duration_seconds(out, v.i);
		(void)sp_buf_str(out, SP_STR("s\")"));
		break;
	case SP_CEL_LIST:
	case SP_CEL_MAP:
		show_entries(c, out, v);
		break;
	case SP_CEL_OPTIONAL:
		(void)sp_buf_str(out, v.ptr == NULL ? SP_STR("optional.none()") : SP_STR("optional.of("));
		if (v.ptr != NULL) {
			cel_show_literal(c, out, *cel_optional_ptr(v));
			(void)sp_buf_char(out, ')');
		}
		break;
	default:
		cel_show(c, out, v);
		break;
	}
}

bool cel_schema_type(sp_arena *a, yyjson_val *schema, bool root, const sp_schema **ret_schema,
		     const sp_cel_type **ret_type)
{
	yyjson_mut_doc *doc = sp_json_doc(a);
	sp_violations errors;
	if (doc == NULL)
		return false;
	sp_violations_init(&errors, a);
	/* The compiler wants an object at the root: other schemas stand as its field. */
	yyjson_mut_val *editable = yyjson_val_mut_copy(doc, schema);
	if (!root) {
		yyjson_mut_val *outer = yyjson_mut_obj(doc), *props = yyjson_mut_obj(doc);
		(void)yyjson_mut_obj_add_str(doc, outer, "type", "object");
		(void)yyjson_mut_obj_add_val(doc, outer, "properties", props);
		(void)yyjson_mut_obj_add_val(doc, props, "x", editable);
		editable = outer;
	}
	if (sp_crd_compile(a, editable, SP_STR("schema"), NULL, false, &errors, ret_schema) != SP_OK ||
	    *ret_schema == NULL)
		return false;
	const sp_field *inner = root ? NULL : sp_schema_field(*ret_schema, SP_STR("x"), NULL);
	if (!root && inner == NULL)
		return false;
	if (!root)
		*ret_schema = inner->schema;
	return sp_cel_type_of_schema(a, *ret_schema, SP_STR("self"), root, ret_type) == SP_OK &&
	       *ret_type != NULL;
}
