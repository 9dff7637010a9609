/* SPDX-License-Identifier: Apache-2.0 */
/* Options in a query, by their schema. U: apimachinery pkg/runtime/conversion.go, metav1/conversion.go. */
#include "apiserver/proxy/connect.h"
#include "base/num.h"
#include "base/time.h"

static bool refuse_number(api_request *r, const char *fn, sp_str text)
{
	bool digits = text.len > 0;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		digits = digits &&
			 ((c >= '0' && c <= '9') || (i == 0 && text.len > 1 && (c == '-' || c == '+')));
	}
	api_reply_bad_request(r, sp_arena_printf(r->arena, "%s: parsing \"" SP_FMT "\": %s", fn, SP_ARG(text),
						 digits ? "value out of range" : "invalid syntax"));
	return false;
}

static bool no_room(api_request *r)
{
	api_reply_error(r, SP_ETOOLARGE, NULL);
	return false;
}

static bool put_number(api_request *r, yyjson_mut_doc *doc, yyjson_mut_val *o, const char *name, sp_str text)
{
	int64_t n;
	if (sp_parse_i64(text, INT64_MIN, INT64_MAX, &n, NULL) != SP_OK)
		return refuse_number(r, "strconv.ParseInt", text);
	return sp_kv_set_i64(doc, o, name, n) || no_room(r);
}

/* A time that is none is the zero time in upstream's conversion, an absent one. */
static bool put_time(api_request *r, yyjson_mut_doc *doc, yyjson_mut_val *o, const char *name, sp_str text)
{
	sp_time t;
	char out[SP_TIME_TEXT_BYTES];
	if (text.len == 0)
		return true;
	if (sp_time_parse(text, &t, NULL) != SP_OK) {
		api_reply_bad_request(r, sp_arena_printf(r->arena,
							 "parsing time \"" SP_FMT
							 "\" as \"2006-01-02T15:04:05Z07:00\": cannot "
							 "parse \"" SP_FMT "\" as \"2006\"",
							 SP_ARG(text), SP_ARG(text)));
		return false;
	}
	return sp_kv_set_str(doc, o, name, (sp_str){out, sp_time_print(out, t, 0)}) || no_room(r);
}

/* "1,2" and repeated. */
static bool put_ports(api_request *r, yyjson_mut_doc *doc, yyjson_mut_val *list, sp_str text)
{
	while (text.len > 0) {
		sp_str one;
		uint64_t n;
		(void)sp_str_next(&text, ',', &one);
		if (sp_parse_u64(one, 0, 65535, &n, NULL) != SP_OK) {
			api_reply_bad_request(
				r, sp_arena_printf(r->arena,
						   "cannot convert to []int32: strconv.ParseUint: parsing "
						   "\"" SP_FMT "\": invalid syntax",
						   SP_ARG(one)));
			return false;
		}
		if (!yyjson_mut_arr_add_uint(doc, list, n))
			return no_room(r);
	}
	return true;
}

static bool put_list(api_request *r, yyjson_mut_doc *doc, yyjson_mut_val *o, const sp_field *f,
		     const char *name)
{
	yyjson_mut_val *list = sp_kv_need_list(doc, o, name);
	if (list == NULL)
		return no_room(r);
	for (size_t i = 0; i < r->query.n; i++) {
		if (!sp_str_eq(r->query.pairs[i].key, f->name))
			continue;
		if (f->schema->items->kind == SP_K_STRING) {
			if (!sp_kv_append_str(doc, list, r->query.pairs[i].value))
				return no_room(r);
		} else if (!put_ports(r, doc, list, r->query.pairs[i].value)) {
			return false;
		}
	}
	return true;
}

static bool put_field(api_request *r, yyjson_mut_doc *doc, yyjson_mut_val *o, const sp_field *f, sp_str text)
{
	const char *name = sp_arena_printf(r->arena, SP_FMT, SP_ARG(f->name)).ptr;
	if (name == NULL)
		return no_room(r);
	switch ((sp_schema_kind)f->schema->kind) {
	case SP_K_STRING:
		return sp_kv_set_str(doc, o, name, text) || no_room(r);
	case SP_K_BOOL:
		return sp_kv_set_bool(doc, o, name, api_query_flag(&r->query, f->name)) || no_room(r);
	case SP_K_I32:
	case SP_K_I64:
		return put_number(r, doc, o, name, text);
	case SP_K_TIME:
		return put_time(r, doc, o, name, text);
	case SP_K_LIST:
		return put_list(r, doc, o, f, name);
	case SP_K_ANY:
	case SP_K_F64:
	case SP_K_BYTES:
	case SP_K_QUANTITY:
	case SP_K_MICROTIME:
	case SP_K_DURATION:
	case SP_K_INT_OR_STRING:
	case SP_K_RAW:
	case SP_K_FIELDS_V1:
	case SP_K_JSON:
	case SP_K_OBJECT:
	case SP_K_MAP:
	case SP_K_PROPS_OR_ARRAY:
	case SP_K_PROPS_OR_BOOL:
	case SP_K_PROPS_OR_STRINGS:
	case SP_K_COUNT_:
		break;
	}
	return true; /* no option is one */
}

yyjson_mut_val *api_query_options(api_request *r, yyjson_mut_doc *doc, const sp_schema *schema)
{
	yyjson_mut_val *o = doc == NULL ? NULL : yyjson_mut_obj(doc);
	if (o == NULL) {
		(void)no_room(r);
		return NULL;
	}
	for (size_t i = 0; i < schema->n_fields; i++) {
		const sp_field *f = &schema->fields[i];
		const sp_url_pair *p = sp_url_query_find(&r->query, f->name);
		if (p == NULL || sp_str_eq(f->name, SP_STR("kind")) ||
		    sp_str_eq(f->name, SP_STR("apiVersion")))
			continue;
		if (!put_field(r, doc, o, f, p->value))
			return NULL;
	}
	return o;
}
