/* SPDX-License-Identifier: Apache-2.0 */
/* FieldsV1, the JSON form of a field set. */
#include "base/limits.h"
#include "base/num.h"
#include "kube/apply/fieldset.h"

/* A key or value element: the text behind its prefix is JSON of its own. */
static sp_code parse_json_part(sp_arena *a, sp_str text, yyjson_mut_val **ret, sp_err *err)
{
	yyjson_mut_doc *doc = sp_json_doc(a);
	if (doc == NULL)
		return sp_fail(err, SP_ENOMEM, "no room for a path element");
	return sp_json_parse_mut(a, text, doc, ret, err);
}

/* A text in quotes without escapes. */
static bool take_plain_text(sp_str *in, sp_str *ret)
{
	sp_str at = *in;
	if (!sp_str_take(&at, SP_STR("\"")))
		return false;
	size_t n = 0;
	while (n < at.len && at.ptr[n] != '"') {
		if (at.ptr[n] == '\\' || (unsigned char)at.ptr[n] < 0x20)
			return false;
		n++;
	}
	if (n == at.len)
		return false;
	*ret = sp_str_sub(at, 0, n);
	*in = sp_str_sub(at, n + 1, at.len);
	return true;
}

static bool take_plain_value(sp_str *in, sp_pe_value *ret)
{
	*ret = (sp_pe_value){.kind = SP_PV_STR};
	if (take_plain_text(in, &ret->s))
		return true;
	size_t n = 0;
	while (n < in->len && n < 18 && in->ptr[n] >= '0' && in->ptr[n] <= '9')
		n++;
	if (n == 0 || (n > 1 && in->ptr[0] == '0') ||
	    sp_parse_i64(sp_str_sub(*in, 0, n), 0, INT64_MAX, &ret->i, NULL) != SP_OK)
		return false;
	ret->kind = SP_PV_INT;
	*in = sp_str_sub(*in, n, in->len);
	return true;
}

#define PLAIN_KEYS_MAX 4u

/* What nearly all keys look like: sorted names, plain texts and small integers. False: the JSON parser
 * decides. */
static bool parse_plain_keys(sp_arena *a, sp_str text, sp_pe *ret)
{
	sp_pe_key keys[PLAIN_KEYS_MAX];
	uint32_t n = 0;
	if (!sp_str_take(&text, SP_STR("{")))
		return false;
	do {
		if (n == PLAIN_KEYS_MAX || !take_plain_text(&text, &keys[n].name) ||
		    !sp_str_take(&text, SP_STR(":")) || !take_plain_value(&text, &keys[n].value) ||
		    (n > 0 && sp_str_cmp(keys[n - 1].name, keys[n].name) >= 0))
			return false;
		n++;
	} while (sp_str_take(&text, SP_STR(",")));
	sp_pe_key *copy = sp_str_eq(text, SP_STR("}")) ? sp_try_new(a, sp_pe_key, n) : NULL;
	if (copy == NULL)
		return false;
	memcpy(copy, keys, n * sizeof(*keys));
	*ret = (sp_pe){.kind = SP_PE_KEY, .keys = copy, .n_keys = n};
	return true;
}

static sp_code parse_keys(sp_arena *a, sp_str text, sp_pe *ret, sp_err *err)
{
	yyjson_mut_val *object = NULL, *key, *val;
	if (parse_plain_keys(a, text, ret))
		return SP_OK;
	SP_TRY(parse_json_part(a, text, &object, err));
	if (!yyjson_mut_is_obj(object))
		return sp_fail(err, SP_EINVAL, "key path element is not an object");
	size_t idx, max, n = 0;
	sp_pe_key *keys = sp_try_new(a, sp_pe_key, yyjson_mut_obj_size(object) + 1);
	if (keys == NULL)
		return sp_fail(err, SP_ENOMEM, "no room for a path element");
	yyjson_mut_obj_foreach(object, idx, max, key, val)
	{
		sp_pe_key k = {.name = sp_jmut_str(key)};
		if (!sp_pe_value_of(val, &k.value))
			return sp_fail(err, SP_EINVAL, "key of a path element is not a scalar");
		size_t at = n;
		while (at > 0 && sp_str_cmp(keys[at - 1].name, k.name) > 0) {
			keys[at] = keys[at - 1];
			at--;
		}
		if (n >= 64)
			return sp_fail(err, SP_EINVAL, "path element has too many keys");
		keys[at] = k;
		n++;
	}
	*ret = (sp_pe){.kind = SP_PE_KEY, .keys = keys, .n_keys = (uint32_t)n};
	return SP_OK;
}

/* *ret_known false: a prefix of a later version. */
static sp_code parse_pe(sp_arena *a, sp_str text, sp_pe *ret, bool *ret_known, sp_err *err)
{
	*ret_known = true;
	if (text.len < 2 || text.ptr[1] != ':')
		return sp_fail(err, SP_EINVAL, "missing colon in path element '" SP_FMT "'", SP_ARG(text));
	sp_str rest = sp_str_sub(text, 2, text.len);
	yyjson_mut_val *v = NULL;
	switch (text.ptr[0]) {
	case 'f':
		*ret = (sp_pe){.kind = SP_PE_FIELD, .name = rest};
		return SP_OK;
	case 'k':
		return parse_keys(a, rest, ret, err);
	case 'v':
		SP_TRY(parse_json_part(a, rest, &v, err));
		*ret = (sp_pe){.kind = SP_PE_VALUE};
		if (!sp_pe_value_of(v, &ret->value))
			return sp_fail(err, SP_EINVAL, "value path element is not a scalar");
		return SP_OK;
	case 'i':
		*ret = (sp_pe){.kind = SP_PE_INDEX};
		ret->value.kind = SP_PV_INT;
		return sp_parse_i64(rest, INT32_MIN, INT32_MAX, &ret->value.i, err);
	default:
		*ret_known = false;
		return SP_OK;
	}
}

/* *ret is NULL for {}. */
static sp_code parse_set(sp_arena *a, yyjson_mut_val *v, size_t depth, sp_fieldset **ret, bool *ret_self,
			 sp_err *err)
{
	*ret = NULL;
	*ret_self = false;
	if (!yyjson_mut_is_obj(v))
		return sp_fail(err, SP_EINVAL, "field set is not an object");
	if (depth > SP_LIMIT_JSON_DEPTH)
		return sp_fail(err, SP_ETOOLARGE, "field set nests too deeply");
	size_t idx, max;
	yyjson_mut_val *key, *val;
	sp_fieldset *s = sp_fieldset_new(a);
	if (s == NULL)
		return sp_fail(err, SP_ENOMEM, "no room for a field set");
	yyjson_mut_obj_foreach(v, idx, max, key, val)
	{
		sp_str text = sp_jmut_str(key);
		if (sp_str_eq(text, SP_STR("."))) {
			*ret_self = true;
			continue;
		}
		sp_pe pe;
		bool known = false, self = false;
		sp_fieldset *child = NULL;
		SP_TRY(parse_pe(a, text, &pe, &known, err));
		SP_TRY(parse_set(a, val, depth + 1, &child, &self, err));
		if (!known)
			continue;
		sp_fs_entry e = {.pe = pe, .member = self || child == NULL, .child = child};
		if (!sp_fieldset_append(a, s, &e))
			return sp_fail(err, SP_ENOMEM, "no room for a field set");
	}
	sp_fieldset_seal(s);
	*ret = s->n == 0 ? NULL : s;
	return SP_OK;
}

sp_code sp_fieldset_parse(sp_arena *a, yyjson_mut_val *fields_v1, sp_fieldset **ret, sp_err *err)
{
	bool self = false;
	return parse_set(a, fields_v1, 0, ret, &self, err);
}

static bool pe_key(sp_buf *text, const sp_pe *pe)
{
	sp_buf_clear(text);
	switch (pe->kind) {
	case SP_PE_FIELD:
		(void)sp_buf_str(text, SP_STR("f:"));
		(void)sp_buf_str(text, pe->name);
		break;
	case SP_PE_KEY:
		(void)sp_buf_str(text, SP_STR("k:{"));
		for (uint32_t i = 0; i < pe->n_keys; i++) {
			if (i > 0)
				(void)sp_buf_char(text, ',');
			(void)sp_json_write_str(text, pe->keys[i].name);
			(void)sp_buf_char(text, ':');
			(void)sp_pe_value_json(text, &pe->keys[i].value);
		}
		(void)sp_buf_char(text, '}');
		break;
	case SP_PE_VALUE:
		(void)sp_buf_str(text, SP_STR("v:"));
		(void)sp_pe_value_json(text, &pe->value);
		break;
	case SP_PE_INDEX:
		(void)sp_buf_printf(text, "i:%lld", (long long)pe->value.i);
		break;
	}
	return sp_buf_code(text) == SP_OK;
}

static yyjson_mut_val *set_json(yyjson_mut_doc *doc, const sp_fieldset *s, bool self, sp_buf *text)
{
	yyjson_mut_val *out = yyjson_mut_obj(doc);
	if (out == NULL)
		return NULL;
	if (self && !yyjson_mut_obj_add_obj(doc, out, "."))
		return NULL;
	for (uint32_t i = 0; s != NULL && i < s->n; i++) {
		const sp_fs_entry *e = &s->entries[i];
		yyjson_mut_val *child = set_json(doc, e->child, e->member && e->child != NULL, text);
		if (child == NULL || !pe_key(text, &e->pe) ||
		    !yyjson_mut_obj_add(out, yyjson_mut_strncpy(doc, text->ptr, text->len), child))
			return NULL;
	}
	return out;
}

yyjson_mut_val *sp_fieldset_json(yyjson_mut_doc *doc, const sp_fieldset *s)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, SP_LIMIT_REQUEST_BODY_BYTES);
	return set_json(doc, s, false, &text);
}
