/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/patch/json_patch.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/limits.h"
#include "base/num.h"
#include "kube/patch/members.h"
#include "kube/patch/patch_int.h"

/* Pointers in errors are cut, not the patch. */
#define DETAIL_BYTES_MAX 2048u

/* One run over a document. */
typedef struct run {
	sp_arena *arena;
	yyjson_mut_doc *doc;
	yyjson_mut_val *root;
	size_t copied_bytes;
	sp_patch_error *perr;
} run;

typedef struct op {
	const char *name;
	sp_str path, from;
	bool has_path, has_from;
	yyjson_mut_val *value; /* NULL: not given */
} op;

/* Where a pointer leads: a container and the last token. */
typedef struct place {
	yyjson_mut_val *container; /* object or array; NULL: a step is missing */
	sp_str key;
	size_t depth;
} place;

/* The patch does not apply: clients that sent it get one sentence, admission and the log the cause. */
static SP_PRINTF(2, 3) sp_code refuse(run *r, const char *fmt, ...)
{
	char text[DETAIL_BYTES_MAX];
	va_list ap;
	(void)sp_patch_fail(r->arena, r->perr, SP_EINVAL, 422, "Invalid",
			    "the server rejected our request due to an error in our request");
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (r->perr != NULL && n > 0)
		r->perr->detail =
			sp_arena_try_dup(r->arena, (sp_str){text, SP_MIN((size_t)n, sizeof text - 1)});
	return SP_EINVAL;
}

/* ~1 is '/', ~0 is '~', in one pass. */
static bool unescape(run *r, sp_str token, sp_str *ret)
{
	if (sp_str_index(token, '~') < 0) {
		*ret = token;
		return true;
	}
	char *out = sp_arena_try_alloc(r->arena, token.len);
	if (out == NULL)
		return false;
	size_t n = 0;
	for (size_t i = 0; i < token.len; i++) {
		char c = token.ptr[i];
		if (c == '~' && i + 1 < token.len && (token.ptr[i + 1] == '0' || token.ptr[i + 1] == '1')) {
			c = token.ptr[i + 1] == '0' ? '~' : '/';
			i++;
		}
		out[n++] = c;
	}
	*ret = (sp_str){out, n};
	return true;
}

/* Go's strconv.Atoi: an optional sign, then digits. */
static bool parse_index(sp_str s, int64_t *ret)
{
	if (s.len > 1 && s.ptr[0] == '+' && s.ptr[1] != '-' && s.ptr[1] != '+')
		s = sp_str_sub(s, 1, s.len);
	return sp_parse_i64(s, INT32_MIN, INT32_MAX, ret, NULL) == SP_OK;
}

/* Array index of a token, negative ones counted from the end; false unless 0 <= index < n. */
static bool array_index(sp_str key, size_t n, size_t *ret)
{
	int64_t i = 0;
	if (!parse_index(key, &i))
		return false;
	if (i < 0)
		i += (int64_t)n;
	if (i < 0 || i >= (int64_t)n)
		return false;
	*ret = (size_t)i;
	return true;
}

static yyjson_mut_val *child(yyjson_mut_val *container, sp_str key)
{
	size_t i = 0;
	if (yyjson_mut_is_obj(container))
		return sp_jmut_get(container, key);
	if (yyjson_mut_is_arr(container) && array_index(key, yyjson_mut_arr_size(container), &i))
		return yyjson_mut_arr_get(container, i);
	return NULL;
}

/* Follows all tokens but the last. What stands before the first '/' is ignored, as upstream does. */
static bool locate(run *r, sp_str path, place *ret)
{
	*ret = (place){0};
	sp_str rest = path, token;
	if (!sp_str_cut(&rest, '/', &token))
		return true;
	yyjson_mut_val *at = r->root;
	size_t depth = 1;
	while (sp_str_cut(&rest, '/', &token)) {
		if (!unescape(r, token, &token))
			return false;
		at = child(at, token);
		if (!yyjson_mut_is_ctn(at))
			return true;
		depth++;
	}
	if (!unescape(r, rest, &ret->key))
		return false;
	ret->container = at;
	ret->depth = depth;
	return true;
}

/* True when v nests at most `left` deep. */
static bool depth_fits(yyjson_mut_val *v, size_t left)
{
	size_t idx, max;
	yyjson_mut_val *key, *val;
	if (!yyjson_mut_is_ctn(v))
		return true;
	if (left == 0)
		return false;
	if (yyjson_mut_is_arr(v)) {
		yyjson_mut_arr_foreach(v, idx, max, val)
		{
			if (!depth_fits(val, left - 1))
				return false;
		}
		return true;
	}
	yyjson_mut_obj_foreach(v, idx, max, key, val)
	{
		(void)key;
		if (!depth_fits(val, left - 1))
			return false;
	}
	return true;
}

/* Why a container has no such place. */
static sp_str no_place(run *r, yyjson_mut_val *container, sp_str key)
{
	int64_t i;
	if (yyjson_mut_is_obj(container))
		return sp_arena_printf(
			r->arena, "Unable to remove nonexistent key: " SP_FMT ": missing value", SP_ARG(key));
	if (parse_index(key, &i))
		return sp_arena_printf(r->arena,
				       "Unable to access invalid index: %lld: invalid index referenced",
				       (long long)i);
	return sp_arena_printf(r->arena, "strconv.Atoi: parsing \"" SP_FMT "\": invalid syntax", SP_ARG(key));
}

static sp_code refuse_add(run *r, const op *o, sp_str why)
{
	if (sp_str_eq(sp_str_c(o->name), SP_STR("copy")))
		return refuse(r, "error while adding value during copy: " SP_FMT, SP_ARG(why));
	return refuse(r, "error in %s for path: '" SP_FMT "': " SP_FMT, o->name, SP_ARG(o->path),
		      SP_ARG(why));
}

static sp_code place_add(run *r, const place *p, yyjson_mut_val *val, const op *o)
{
	if (p->depth > SP_LIMIT_JSON_DEPTH || !depth_fits(val, SP_LIMIT_JSON_DEPTH - p->depth))
		return refuse(r, "the value would nest too deeply at: '" SP_FMT "'", SP_ARG(o->path));
	if (yyjson_mut_is_obj(p->container))
		return sp_jmut_set(r->doc, p->container, p->key, val) ? SP_OK
								      : sp_patch_no_room(r->arena, r->perr);
	size_t n = yyjson_mut_arr_size(p->container);
	int64_t i = (int64_t)n;
	if (!sp_str_eq(p->key, SP_STR("-")) && !parse_index(p->key, &i))
		return refuse_add(r, o,
				  sp_arena_printf(r->arena,
						  "value was not a proper array index: '" SP_FMT "': " SP_FMT,
						  SP_ARG(p->key), SP_ARG(no_place(r, p->container, p->key))));
	if (i < 0)
		i += (int64_t)n + 1;
	if (i < 0 || i > (int64_t)n)
		return refuse_add(r, o, no_place(r, p->container, p->key));
	(void)yyjson_mut_arr_insert(p->container, val, (size_t)i); /* the index is in range */
	return SP_OK;
}

/* Takes the value out of its container; NULL when there is none. */
static yyjson_mut_val *place_remove(const place *p)
{
	yyjson_mut_val *val = child(p->container, p->key);
	size_t i = 0;
	if (val == NULL)
		return NULL;
	if (yyjson_mut_is_obj(p->container))
		(void)sp_jmut_remove(p->container, p->key);
	else if (array_index(p->key, yyjson_mut_arr_size(p->container), &i))
		(void)yyjson_mut_arr_remove(p->container, i);
	return val;
}

/* Resolves the path or the from of an operation; refused when a step is missing. `missing` and `quote` are
 * upstream's words for it. */
static sp_code resolve(run *r, const op *o, bool from, const char *missing, const char *quote, place *ret)
{
	sp_str path = from ? o->from : o->path;
	if (from ? !o->has_from : !o->has_path)
		return refuse(r, "%s operation failed to decode %s: missing value", o->name,
			      from ? "from" : "path");
	if (!locate(r, path, ret))
		return sp_patch_no_room(r->arena, r->perr);
	if (ret->container == NULL)
		return refuse(r, "%s operation does not apply: %s: %s" SP_FMT "%s: missing value", o->name,
			      missing, quote, SP_ARG(path), quote);
	return SP_OK;
}

static yyjson_mut_val *value_or_null(run *r, const op *o)
{
	return o->value != NULL ? o->value : yyjson_mut_null(r->doc);
}

static sp_code op_add(run *r, const op *o)
{
	place p = {0};
	SP_TRY(resolve(r, o, false, "doc is missing path", "\"", &p));
	yyjson_mut_val *val = value_or_null(r, o);
	return val != NULL ? place_add(r, &p, val, o) : sp_patch_no_room(r->arena, r->perr);
}

static sp_code op_remove(run *r, const op *o)
{
	place p = {0};
	SP_TRY(resolve(r, o, false, "doc is missing path", "\"", &p));
	return place_remove(&p) != NULL ? SP_OK
					: refuse(r, "error in remove for path: '" SP_FMT "': " SP_FMT,
						 SP_ARG(o->path), SP_ARG(no_place(r, p.container, p.key)));
}

static sp_code op_replace(run *r, const op *o)
{
	if (o->has_path && o->path.len == 0) {
		if (!yyjson_mut_is_ctn(o->value))
			return refuse(r, "replace operation value must be object or array");
		r->root = o->value;
		return SP_OK;
	}
	place p = {0};
	SP_TRY(resolve(r, o, false, "doc is missing path", "", &p));
	yyjson_mut_val *val = value_or_null(r, o);
	size_t i = 0;
	if (val == NULL)
		return sp_patch_no_room(r->arena, r->perr);
	if (yyjson_mut_is_obj(p.container))
		return place_add(r, &p, val, o);
	if (!array_index(p.key, yyjson_mut_arr_size(p.container), &i))
		return refuse(
			r, "replace operation does not apply: doc is missing key: " SP_FMT ": missing value",
			SP_ARG(o->path));
	if (!depth_fits(val, SP_LIMIT_JSON_DEPTH - SP_MIN(p.depth, (size_t)SP_LIMIT_JSON_DEPTH)))
		return refuse(r, "the value would nest too deeply at: '" SP_FMT "'", SP_ARG(o->path));
	(void)yyjson_mut_arr_replace(p.container, i, val); /* the index is in range */
	return SP_OK;
}

static sp_code op_move(run *r, const op *o)
{
	place p = {0};
	SP_TRY(resolve(r, o, true, "doc is missing from path", "", &p));
	yyjson_mut_val *val = place_remove(&p);
	if (val == NULL)
		return refuse(r, "error in move for path: '" SP_FMT "': " SP_FMT, SP_ARG(p.key),
			      SP_ARG(no_place(r, p.container, p.key)));
	SP_TRY(resolve(r, o, false, "doc is missing destination path", "", &p));
	return place_add(r, &p, val, o);
}

static sp_code op_copy(run *r, const op *o)
{
	place from = {0}, to = {0};
	SP_TRY(resolve(r, o, true, "doc is missing from path", "", &from));
	yyjson_mut_val *val = child(from.container, from.key), *copy = NULL;
	if (val == NULL && yyjson_mut_is_arr(from.container))
		return refuse(r, "error in copy for from: '" SP_FMT "': " SP_FMT, SP_ARG(o->from),
			      SP_ARG(no_place(r, from.container, from.key)));
	SP_TRY(resolve(r, o, false, "doc is missing destination path", "", &to));
	if (val == NULL) {
		copy = yyjson_mut_null(r->doc); /* upstream copies an absent member as null */
	} else {
		SP_AUTO_BUF text;
		sp_buf_init(&text, SP_JSON_PATCH_COPY_BYTES_MAX - r->copied_bytes);
		sp_code code = sp_json_write_mut(&text, val);
		if (code == SP_ETOOLARGE)
			return refuse(r, "the copy operations add too many bytes at: '" SP_FMT "'",
				      SP_ARG(o->from));
		if (code != SP_OK)
			return sp_patch_no_room(r->arena, r->perr);
		r->copied_bytes += text.len;
		copy = yyjson_mut_val_mut_copy(r->doc, val);
	}
	return copy != NULL ? place_add(r, &to, copy, o) : sp_patch_no_room(r->arena, r->perr);
}

static sp_code op_test(run *r, const op *o)
{
	yyjson_mut_val *val = NULL;
	if (o->has_path && o->path.len == 0) {
		val = r->root;
	} else {
		place p = {0};
		SP_TRY(resolve(r, o, false, "is missing path", "", &p));
		val = child(p.container, p.key);
		if (val == NULL && yyjson_mut_is_arr(p.container))
			return refuse(r, "error in test for path: '" SP_FMT "': " SP_FMT, SP_ARG(o->path),
				      SP_ARG(no_place(r, p.container, p.key)));
	}
	bool nothing = val == NULL || yyjson_mut_is_null(val);
	bool want_nothing = o->value == NULL || yyjson_mut_is_null(o->value);
	if (nothing ? want_nothing : !want_nothing && sp_jmut_equal(val, o->value))
		return SP_OK;
	return refuse(r, "testing value " SP_FMT " failed: test failed", SP_ARG(o->path));
}

static const struct {
	sp_str name;
	sp_code (*run)(run *r, const op *o);
} ops[] = {
	{SP_STR_INIT("add"), op_add},         {SP_STR_INIT("remove"), op_remove},
	{SP_STR_INIT("replace"), op_replace}, {SP_STR_INIT("move"), op_move},
	{SP_STR_INIT("copy"), op_copy},       {SP_STR_INIT("test"), op_test},
};

/* A text member of an operation; false with 400 when it is something else. null counts as absent. */
static bool text_member(run *r, yyjson_mut_val *item, const char *name, sp_str *ret, bool *ret_has)
{
	yyjson_mut_val *v = sp_jmut_get(item, sp_str_c(name));
	*ret_has = yyjson_mut_is_str(v);
	if (v == NULL || yyjson_mut_is_null(v))
		return true;
	if (!*ret_has) {
		(void)sp_patch_fail(r->arena, r->perr, SP_EINVAL, 400, "BadRequest",
				    "error decoding patch: json: cannot unmarshal %s into Go struct field "
				    "jsonPatchOp.%s of type string",
				    sp_patch_json_word(v), name);
		return false;
	}
	*ret = sp_jmut_str(v);
	return true;
}

static sp_code op_run(run *r, yyjson_mut_val *item)
{
	op o = {0};
	sp_str name = {0};
	bool has_name = false;
	if (!text_member(r, item, "op", &name, &has_name) ||
	    !text_member(r, item, "path", &o.path, &o.has_path) ||
	    !text_member(r, item, "from", &o.from, &o.has_from))
		return SP_EINVAL;
	yyjson_mut_val *value = sp_jmut_get(item, SP_STR("value"));
	if (value != NULL) {
		/* The value leaves the patch for the document, so it may not stay linked in it. */
		o.value = yyjson_mut_val_mut_copy(r->doc, value);
		if (o.value == NULL)
			return sp_patch_no_room(r->arena, r->perr);
	}
	for (size_t i = 0; i < SP_LEN(ops); i++) {
		o.name = ops[i].name.ptr;
		if (sp_str_eq(ops[i].name, name))
			return ops[i].run(r, &o);
	}
	return refuse(r, "Unexpected kind: " SP_FMT, SP_ARG(name));
}

static sp_code patch_parse(run *r, sp_str text, yyjson_mut_val **ret)
{
	sp_err err = {0};
	yyjson_mut_val *v = NULL;
	sp_code code = sp_json_parse_mut(r->arena, text, r->doc, &v, &err);
	if (code == SP_EINVAL)
		return sp_patch_fail(r->arena, r->perr, code, 400, "BadRequest", "error decoding patch: %s",
				     err.msg);
	if (code != SP_OK)
		return sp_patch_no_room(r->arena, r->perr);
	if (!yyjson_mut_is_arr(v) && !yyjson_mut_is_null(v))
		return sp_patch_fail(r->arena, r->perr, SP_EINVAL, 400, "BadRequest",
				     "error decoding patch: json: cannot unmarshal %s into Go value of type "
				     "[]handlers.jsonPatchOp",
				     sp_patch_json_word(v));
	size_t idx, max;
	yyjson_mut_val *item;
	yyjson_mut_arr_foreach(v, idx, max, item)
	{
		if (!yyjson_mut_is_obj(item) && !yyjson_mut_is_null(item))
			return sp_patch_fail(
				r->arena, r->perr, SP_EINVAL, 400, "BadRequest",
				"error decoding patch: json: cannot unmarshal %s into Go value of "
				"type handlers.jsonPatchOp",
				sp_patch_json_word(item));
	}
	*ret = v;
	return SP_OK;
}

sp_code sp_json_patch_apply(sp_arena *a, yyjson_mut_doc *doc, yyjson_mut_val *object, sp_str patch,
			    yyjson_mut_val **ret, sp_patch_error *perr)
{
	run r = {.arena = a, .doc = doc, .root = object, .perr = perr};
	yyjson_mut_val *list = NULL, *item;
	SP_TRY(patch_parse(&r, patch, &list));
	size_t n = yyjson_mut_arr_size(list), idx, max;
	if (n > SP_JSON_PATCH_OPS_MAX)
		return sp_patch_fail(a, perr, SP_ETOOLARGE, 413, "RequestEntityTooLarge",
				     "Request entity is too large: The allowed maximum operations in a JSON "
				     "patch is %u, got %zu",
				     SP_JSON_PATCH_OPS_MAX, n);
	yyjson_mut_arr_foreach(list, idx, max, item)
	{
		SP_TRY(op_run(&r, item));
	}
	*ret = r.root;
	return SP_OK;
}
