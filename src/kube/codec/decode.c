/* SPDX-License-Identifier: Apache-2.0 */
/* Objects, lists and maps; the way in. */
#include "base/map.h"
#include "kube/codec/decode_int.h"

/* `old` is what an earlier member of the same name left, or NULL. *ret is NULL for the zero value. */
static sp_code decode_value(sp_decoder *d, const sp_schema *s, const sp_place *at, yyjson_val *v,
			    yyjson_mut_val *old, yyjson_mut_val **ret);

static sp_code made(sp_decoder *d, yyjson_mut_val *v, yyjson_mut_val **ret)
{
	*ret = v;
	return v != NULL ? SP_OK : sp_decoder_no_room(d);
}

static sp_code add(sp_decoder *d, yyjson_mut_val *object, sp_str name, yyjson_mut_val *value)
{
	yyjson_mut_val *key = yyjson_mut_strn(d->doc, name.ptr, name.len);
	return key != NULL && value != NULL && yyjson_mut_obj_add(object, key, value) ? SP_OK
										      : sp_decoder_no_room(d);
}

sp_code sp_decode_zero(sp_decoder *d, const sp_schema *s, yyjson_mut_val **ret)
{
	if (s->kind == SP_K_OBJECT && !sp_canon_is_any(s))
		return sp_decode_build(d, s, NULL, ret);
	sp_str text = sp_canon_is_any(s) ? SP_STR("null") : sp_canon_zero_text(s);
	if (text.ptr[0] == '"')
		return made(d, yyjson_mut_strn(d->doc, text.ptr + 1, text.len - 2), ret);
	if (text.ptr[0] == '0')
		return made(d, yyjson_mut_uint(d->doc, 0), ret);
	return made(d, text.ptr[0] == 'f' ? yyjson_mut_false(d->doc) : yyjson_mut_null(d->doc), ret);
}

/* A list or map that is there, though it be empty: Go's structs tell it from none. */
static bool is_given(const sp_field *f, const yyjson_mut_val *v)
{
	return v != NULL && (f->schema->kind == SP_K_LIST || f->schema->kind == SP_K_MAP) &&
	       sp_canon_type(v) != YYJSON_TYPE_NULL;
}

sp_code sp_decode_build(sp_decoder *d, const sp_schema *s, yyjson_mut_val *const *slots, yyjson_mut_val **ret)
{
	yyjson_mut_val *object = yyjson_mut_obj(d->doc);
	if (object == NULL)
		return sp_decoder_no_room(d);
	for (sp_canon_iter it = sp_canon_members(s); sp_canon_next(&it);) {
		yyjson_mut_val *v = slots != NULL ? slots[it.slot] : NULL;
		switch (is_given(it.field, v) ? SP_CANON_VALUE : sp_canon_field(it.field, v)) {
		case SP_CANON_OMIT:
			continue;
		case SP_CANON_NULL:
			SP_TRY(made(d, yyjson_mut_null(d->doc), &v));
			break;
		case SP_CANON_ZERO:
			SP_TRY(sp_decode_zero(d, it.field->schema, &v));
			break;
		case SP_CANON_VALUE:
		default:
			break;
		}
		SP_TRY(add(d, object, it.field->name, v));
	}
	*ret = object;
	return SP_OK;
}

typedef struct members {
	const sp_schema *schema;
	yyjson_mut_val **slots;
	bool *seen;
	size_t hint;
} members;

static sp_code members_init(sp_decoder *d, members *m, const sp_schema *s, yyjson_mut_val *old)
{
	size_t n = sp_canon_slots(s);
	*m = (members){.schema = s};
	m->slots = sp_try_new(d->arena, yyjson_mut_val *, n + 1);
	m->seen = sp_try_new(d->arena, bool, n + 1);
	if (m->slots == NULL || m->seen == NULL)
		return sp_decoder_no_room(d);
	if (old == NULL || sp_canon_type(old) != YYJSON_TYPE_OBJ)
		return SP_OK;
	for (sp_members it = sp_members_of(old); sp_members_next(&it);) {
		sp_canon_at found;
		if (sp_canon_find(s, sp_members_name(&it), 0, &found))
			m->slots[found.slot] = sp_members_value(&it);
	}
	return SP_OK;
}

/* A null leaves structs and scalars as they were; what is nil in Go becomes that. */
static bool null_clears(const sp_field *f)
{
	switch ((sp_schema_kind)f->schema->kind) {
	case SP_K_LIST:
	case SP_K_MAP:
	case SP_K_BYTES:
	case SP_K_ANY:
	case SP_K_TIME:
	case SP_K_MICROTIME:
	case SP_K_QUANTITY:
		return true;
	case SP_K_STRING:
	case SP_K_BOOL:
	case SP_K_I32:
	case SP_K_I64:
	case SP_K_F64:
	case SP_K_DURATION:
	case SP_K_INT_OR_STRING:
	case SP_K_RAW:
	case SP_K_FIELDS_V1:
	case SP_K_JSON:
	case SP_K_OBJECT:
	case SP_K_PROPS_OR_ARRAY:
	case SP_K_PROPS_OR_BOOL:
	case SP_K_PROPS_OR_STRINGS:
	case SP_K_COUNT_:
	default:
		return (f->flags & SP_F_POINTER) != 0;
	}
}

/* Go's name of an embedded struct is that of its type. */
static sp_str embedded_name(const sp_field *via)
{
	sp_str type = via->schema->go_type;
	return sp_str_sub(type, (size_t)(sp_str_rindex(type, '.') + 1), type.len);
}

static sp_code decode_member(sp_decoder *d, members *m, const sp_place *at, sp_str name, yyjson_val *v)
{
	sp_canon_at found;
	if (!sp_canon_find(m->schema, name, m->hint, &found))
		return sp_decoder_complain(d, SP_UNKNOWN_FIELD, at, name);
	const sp_field *f = found.field;
	size_t slot = found.slot;
	bool type_meta = sp_canon_is_type_meta(f);
	m->hint = slot + 1;
	if (m->seen[slot])
		SP_TRY(sp_decoder_complain(d, SP_DUPLICATE_FIELD, at, name));
	m->seen[slot] = true;
	sp_place place = {.up = at, .kind = SP_PLACE_FIELD, .name = name, .owner = m->schema};
	for (size_t i = 0; i < SP_LEN(found.via) && found.via[i] != NULL; i++)
		place.via[i] = embedded_name(found.via[i]);
	if (type_meta)
		place.via[0] = SP_STR("TypeMeta");
	if (sp_val_type(v) == YYJSON_TYPE_NULL) {
		if (f->schema->kind == SP_K_DURATION && (f->flags & SP_F_POINTER) == 0)
			return sp_fail(d->err, SP_EINVAL, "time: invalid duration \"\"");
		if (null_clears(f))
			m->slots[slot] = NULL;
		return SP_OK;
	}
	SP_TRY(decode_value(d, f->schema, &place, v, m->slots[slot], &m->slots[slot]));
	if (type_meta && at != NULL)
		m->slots[slot] = NULL; /* inside another object they do not get into storage */
	return SP_OK;
}

static sp_code decode_object(sp_decoder *d, const sp_schema *s, const sp_place *at, yyjson_val *v,
			     yyjson_mut_val *old, yyjson_mut_val **ret)
{
	members m;
	SP_TRY(members_init(d, &m, s, old));
	yyjson_val *key = unsafe_yyjson_get_first(v);
	for (size_t n = sp_val_count(v); n > 0; n--, key = unsafe_yyjson_get_next(key + 1))
		SP_TRY(decode_member(d, &m, at, sp_val_text(key), key + 1));
	return sp_decode_build(d, s, m.slots, ret);
}

/* An element of a list or map: null is the zero value, and so is what does not fit (an error by then). */
static sp_code decode_element(sp_decoder *d, const sp_schema *s, const sp_place *at, yyjson_val *v,
			      yyjson_mut_val **ret)
{
	yyjson_mut_val *made_item = NULL;
	if (sp_val_type(v) != YYJSON_TYPE_NULL)
		SP_TRY(decode_value(d, s, at, v, NULL, &made_item));
	else if (s->kind == SP_K_DURATION)
		return sp_fail(d->err, SP_EINVAL, "time: invalid duration \"\"");
	if (made_item == NULL)
		SP_TRY(sp_decode_zero(d, s, &made_item));
	*ret = made_item;
	return SP_OK;
}

static sp_code decode_list(sp_decoder *d, const sp_schema *s, const sp_place *at, yyjson_val *v,
			   yyjson_mut_val **ret)
{
	yyjson_mut_val *list = yyjson_mut_arr(d->doc);
	if (list == NULL)
		return sp_decoder_no_room(d);
	yyjson_val *item = unsafe_yyjson_get_first(v);
	for (size_t n = sp_val_count(v), i = 0; i < n; i++, item = unsafe_yyjson_get_next(item)) {
		yyjson_mut_val *made_item = NULL;
		sp_place place = {.up = at, .kind = SP_PLACE_INDEX, .index = i};
		SP_TRY(decode_element(d, s->items, &place, item, &made_item));
		yyjson_mut_arr_append(list, made_item);
	}
	*ret = list;
	return SP_OK;
}

static sp_code decode_map(sp_decoder *d, const sp_schema *s, const sp_place *at, yyjson_val *v,
			  yyjson_mut_val *old, yyjson_mut_val **ret)
{
	size_t n_old = old != NULL && sp_canon_type(old) == YYJSON_TYPE_OBJ ? unsafe_yyjson_get_len(old) : 0;
	size_t n = sp_val_count(v);
	size_t used = 0;
	sp_pair *pairs = sp_try_new(d->arena, sp_pair, n_old + n + 1);
	SP_CLEANUP(sp_map_done) sp_map seen;
	sp_map_init(&seen);
	if (pairs == NULL)
		return sp_decoder_no_room(d);
	if (n_old != 0) {
		for (sp_members it = sp_members_of(old); sp_members_next(&it); used++)
			pairs[used] = (sp_pair){sp_members_name(&it), sp_members_value(&it), used};
	}
	yyjson_val *key = unsafe_yyjson_get_first(v);
	for (size_t i = 0; i < n; i++, used++, key = unsafe_yyjson_get_next(key + 1)) {
		sp_pair *p = &pairs[used];
		*p = (sp_pair){.key = sp_val_text(key), .order = used};
		void *earlier = NULL;
		if (d->strict != NULL && sp_map_put(&seen, p->key, p, &earlier) != SP_OK)
			return sp_decoder_no_room(d);
		if (earlier != NULL)
			SP_TRY(sp_decoder_complain(d, SP_DUPLICATE_FIELD, at, p->key));
		sp_place place = {.up = at, .kind = SP_PLACE_KEY, .name = p->key};
		SP_TRY(decode_element(d, s->items, &place, key + 1, &p->value));
	}
	return made(d, sp_decode_sorted(d, pairs, used), ret);
}

/* The apiextensions unions: a schema, or the other form; what is neither counts as nothing. */
static sp_code decode_props(sp_decoder *d, const sp_schema *s, const sp_place *at, yyjson_val *v,
			    yyjson_mut_val **ret)
{
	static const sp_schema text = {.kind = SP_K_STRING};
	sp_schema list = {.kind = SP_K_LIST, .items = s->kind == SP_K_PROPS_OR_STRINGS ? &text : s->items};
	/* Their own decoder is not strict. */
	sp_strict *strict = d->strict;
	sp_code code = SP_OK;
	yyjson_type type = sp_val_type(v);
	d->strict = NULL;
	if (type == YYJSON_TYPE_OBJ)
		code = decode_value(d, s->items, at, v, NULL, ret);
	else if (s->kind == SP_K_PROPS_OR_BOOL && type == YYJSON_TYPE_BOOL)
		code = made(d, yyjson_mut_bool(d->doc, unsafe_yyjson_is_true(v)), ret);
	else if (s->kind == SP_K_PROPS_OR_BOOL)
		code = sp_fail(d->err, SP_EINVAL, "boolean or JSON schema expected");
	else if (type == YYJSON_TYPE_ARR && sp_val_count(v) != 0)
		code = decode_list(d, &list, at, v, ret);
	else
		*ret = NULL;
	d->strict = strict;
	return code;
}

static sp_code decode_value(sp_decoder *d, const sp_schema *s, const sp_place *at, yyjson_val *v,
			    yyjson_mut_val *old, yyjson_mut_val **ret)
{
	if (sp_canon_is_any(s))
		return sp_decode_any(d, at, v, ret);
	yyjson_type want = s->kind == SP_K_LIST ? YYJSON_TYPE_ARR : YYJSON_TYPE_OBJ;
	switch ((sp_schema_kind)s->kind) {
	case SP_K_OBJECT:
	case SP_K_LIST:
	case SP_K_MAP:
		if (sp_val_type(v) != want) {
			sp_decoder_mismatch(d, at, sp_decoder_what(d, v, false), s);
			return SP_OK;
		}
		if (s->kind == SP_K_LIST)
			return decode_list(d, s, at, v, ret);
		return s->kind == SP_K_MAP ? decode_map(d, s, at, v, old, ret)
					   : decode_object(d, s, at, v, old, ret);
	case SP_K_PROPS_OR_ARRAY:
	case SP_K_PROPS_OR_BOOL:
	case SP_K_PROPS_OR_STRINGS:
		return decode_props(d, s, at, v, ret);
	case SP_K_ANY:
	case SP_K_STRING:
	case SP_K_BOOL:
	case SP_K_I32:
	case SP_K_I64:
	case SP_K_F64:
	case SP_K_BYTES:
	case SP_K_QUANTITY:
	case SP_K_TIME:
	case SP_K_MICROTIME:
	case SP_K_DURATION:
	case SP_K_INT_OR_STRING:
	case SP_K_RAW:
	case SP_K_FIELDS_V1:
	case SP_K_JSON:
	case SP_K_COUNT_:
	default:
		*ret = NULL; /* so that an earlier member does not shine through: zero times, misfits */
		return sp_decode_scalar(d, s, at, v, ret);
	}
}

sp_code sp_decode_json(sp_arena *a, const sp_schema *schema, sp_str text, yyjson_mut_doc *doc,
		       sp_strict *strict, yyjson_mut_val **ret, sp_err *err)
{
	yyjson_val *root = NULL;
	yyjson_mut_val *object = NULL;
	sp_decoder d = {.arena = a, .doc = doc, .strict = strict, .err = err};
	SP_TRY(sp_json_parse_raw(a, text, &root, err));
	if (sp_val_type(root) == YYJSON_TYPE_NULL)
		SP_TRY(sp_decode_zero(&d, schema, &object));
	else
		SP_TRY(decode_value(&d, schema, NULL, root, NULL, &object));
	if (d.saved.code != SP_OK) {
		if (err != NULL)
			*err = d.saved;
		return d.saved.code;
	}
	*ret = object;
	return SP_OK;
}

sp_code sp_decode_type_meta(sp_arena *a, sp_str text, sp_str *ret_api_version, sp_str *ret_kind, sp_err *err)
{
	static const sp_str names[] = {SP_STR_INIT("apiVersion"), SP_STR_INIT("kind")};
	sp_str found[SP_LEN(names)] = {0};
	yyjson_val *root = NULL;
	sp_decoder d = {.arena = a};
	if (sp_json_parse_raw(a, text, &root, err) != SP_OK)
		return sp_wrap(err, "couldn't get version/kind; json parse error");
	if (sp_val_type(root) != YYJSON_TYPE_OBJ && sp_val_type(root) != YYJSON_TYPE_NULL) {
		sp_str what = sp_decoder_what(&d, root, false);
		return sp_fail(err, SP_EINVAL,
			       "couldn't get version/kind; json parse error: json: cannot unmarshal " SP_FMT
			       " into Go value of type struct { APIVersion string "
			       "\"json:\\\"apiVersion,omitempty\\\"\"; Kind string "
			       "\"json:\\\"kind,omitempty\\\"\" }",
			       SP_ARG(what));
	}
	size_t n = sp_val_type(root) == YYJSON_TYPE_OBJ ? sp_val_count(root) : 0;
	yyjson_val *key = unsafe_yyjson_get_first(root);
	for (; n > 0; n--, key = unsafe_yyjson_get_next(key + 1)) {
		for (size_t i = 0; i < SP_LEN(names); i++) {
			/* This one reader is encoding/json's own, which ignores case. */
			if (!sp_str_eq_nocase(sp_val_text(key), names[i]) ||
			    sp_val_type(key + 1) == YYJSON_TYPE_NULL)
				continue;
			sp_str what = sp_decoder_what(&d, key + 1, false);
			if (sp_val_type(key + 1) != YYJSON_TYPE_STR)
				return sp_fail(err, SP_EINVAL,
					       "couldn't get version/kind; json parse error: json: cannot "
					       "unmarshal " SP_FMT " into Go struct field ." SP_FMT
					       " of type string",
					       SP_ARG(what), SP_ARG(names[i]));
			found[i] = sp_val_text(key + 1);
		}
	}
	*ret_api_version = found[0];
	*ret_kind = found[1];
	return SP_OK;
}
