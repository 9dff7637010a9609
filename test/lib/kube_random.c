/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/kube_random.h"

static yyjson_mut_val *pick(yyjson_mut_doc *doc, uint64_t (*next)(void), const char *const *texts, size_t n)
{
	return yyjson_mut_str(doc, texts[next() % n]);
}

static yyjson_mut_val *random_text(yyjson_mut_doc *doc, const sp_schema *s, uint64_t (*next)(void))
{
	static const char *const strings[] = {"",     "a", "<&>",  "é\u2028",
					      "x\ny", "0", "true", "long text with words"};
	static const char *const bytes[] = {"", "AQ==", "aGVsbG8=", "AAECAwQF"};
	static const char *const quantities[] = {"0",    "1",     "500m", "1.5Gi", "100k",
						 "12E6", "1.500", "-3",   "1025Ki"};
	static const char *const times[] = {"2024-01-02T03:04:05Z", "1969-12-31T23:59:59Z",
					    "0001-01-01T00:00:00Z"};
	static const char *const micros[] = {"2024-01-02T03:04:05.678901Z", "1969-12-31T23:59:59.000001Z"};
	static const char *const durations[] = {"0s", "1h30m0s", "-1.5ms", "90s"};
	switch ((int)s->kind) {
	case SP_K_BYTES:
		return pick(doc, next, bytes, SP_LEN(bytes));
	case SP_K_QUANTITY:
		return pick(doc, next, quantities, SP_LEN(quantities));
	case SP_K_TIME:
		return pick(doc, next, times, SP_LEN(times));
	case SP_K_MICROTIME:
		return pick(doc, next, micros, SP_LEN(micros));
	case SP_K_DURATION:
		return pick(doc, next, durations, SP_LEN(durations));
	default:
		return pick(doc, next, strings, SP_LEN(strings));
	}
}

static yyjson_mut_val *random_object(yyjson_mut_doc *doc, const sp_schema *s, uint64_t (*next)(void),
				     unsigned depth, yyjson_mut_val *into)
{
	for (size_t i = 0; into != NULL && i < s->n_fields; i++) {
		const sp_field *f = &s->fields[i];
		if ((f->flags & SP_F_INLINE) != 0 && f->schema->kind == SP_K_OBJECT) {
			into = random_object(doc, f->schema, next, depth, into);
			continue;
		}
		if (next() % 3 == 0)
			continue;
		yyjson_mut_val *v = t_random_value(doc, f->schema, next, depth);
		if (v == NULL || !sp_jmut_set(doc, into, f->name, v))
			return NULL;
	}
	return into;
}

static yyjson_mut_val *random_children(yyjson_mut_doc *doc, const sp_schema *items, uint64_t (*next)(void),
				       unsigned depth, bool list)
{
	static const char *const keys[] = {"b", "a", "z/y", "é", "10", "9", ""};
	yyjson_mut_val *out = list ? yyjson_mut_arr(doc) : yyjson_mut_obj(doc);
	for (uint64_t n = next() % 3; out != NULL && n > 0; n--) {
		yyjson_mut_val *v = t_random_value(doc, items, next, depth);
		bool ok =
			v != NULL && (list ? yyjson_mut_arr_append(out, v)
					   : sp_jmut_set(doc, out, sp_str_c(keys[next() % SP_LEN(keys)]), v));
		if (!ok)
			return NULL;
	}
	return out;
}

yyjson_mut_val *t_random_value(yyjson_mut_doc *doc, const sp_schema *s, uint64_t (*next)(void),
			       unsigned depth)
{
	static const sp_schema text = {.kind = SP_K_STRING};
	static const sp_schema texts = {.kind = SP_K_MAP, .items = &text};
	if (depth == 0)
		return yyjson_mut_null(doc);
	switch ((int)s->kind) {
	case SP_K_BOOL:
		return yyjson_mut_bool(doc, next() % 2 != 0);
	case SP_K_I32:
		return yyjson_mut_sint(doc, (int32_t)(uint32_t)(next() >> (next() % 64)));
	case SP_K_I64:
		return yyjson_mut_sint(doc, (int64_t)(next() >> (next() % 64)));
	case SP_K_F64:
		return yyjson_mut_real(doc, (double)(next() % 1000) / 8);
	case SP_K_INT_OR_STRING:
		return next() % 2 == 0 ? yyjson_mut_str(doc, "50%")
				       : yyjson_mut_sint(doc, (int64_t)(next() % 100));
	case SP_K_RAW:
	case SP_K_FIELDS_V1:
	case SP_K_JSON:
	case SP_K_ANY:
		return t_random_value(doc, &texts, next, depth - 1);
	case SP_K_LIST:
		return random_children(doc, s->items, next, depth - 1, true);
	case SP_K_MAP:
		return random_children(doc, s->items, next, depth - 1, false);
	case SP_K_OBJECT:
		return random_object(doc, s, next, depth - 1, yyjson_mut_obj(doc));
	case SP_K_PROPS_OR_BOOL:
		if (next() % 2 == 0)
			return yyjson_mut_bool(doc, next() % 2 != 0);
		return t_random_value(doc, s->items, next, depth - 1);
	case SP_K_PROPS_OR_ARRAY:
		return next() % 2 == 0 ? random_children(doc, s->items, next, depth - 1, true)
				       : t_random_value(doc, s->items, next, depth - 1);
	case SP_K_PROPS_OR_STRINGS:
		return next() % 2 == 0 ? random_children(doc, &text, next, depth - 1, true)
				       : t_random_value(doc, s->items, next, depth - 1);
	default:
		return random_text(doc, s, next);
	}
}
