/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_int.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/utf8.h"

static void *arena_malloc(void *ctx, size_t size)
{
	return sp_arena_try_alloc(ctx, size);
}

static void *arena_realloc(void *ctx, void *p, size_t old_size, size_t size)
{
	return size <= old_size ? p : sp_arena_try_grow(ctx, p, old_size, size);
}

static void arena_free(void *ctx, void *p)
{
	(void)ctx;
	(void)p;
}

yyjson_alc sp_json_alc(sp_arena *a)
{
	return (yyjson_alc){arena_malloc, arena_realloc, arena_free, a};
}

/* True when no value lies below more than SP_LIMIT_JSON_DEPTH containers. Linear: the values of a document
 * stand in one array, each container knows where it ends. */
static bool depth_ok(yyjson_val *root, size_t n_vals)
{
	/* Most texts have fewer containers than may nest. */
	size_t n_containers = 0;
	for (size_t i = 0; i < n_vals; i++)
		n_containers += sp_json_tag_is_container(root[i].tag) ? 1 : 0;
	if (n_containers <= SP_LIMIT_JSON_DEPTH)
		return true;
	yyjson_val *ends[SP_LIMIT_JSON_DEPTH];
	size_t depth = 0;
	for (yyjson_val *v = root; v < root + n_vals; v++) {
		while (depth > 0 && v >= ends[depth - 1])
			depth--;
		if (unsafe_yyjson_is_ctn(v)) {
			if (depth == SP_LIMIT_JSON_DEPTH)
				return false;
			ends[depth++] = unsafe_yyjson_get_next(v);
		}
	}
	return true;
}

static uint32_t hex4(const char *p)
{
	uint32_t v = 0;
	for (size_t i = 0; i < 4; i++) {
		char c = p[i];
		v = v * 16 + (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	return v;
}

/* Length of the escape at p if it stands for a character, 0 for a lone surrogate. */
static size_t escape_len(const char *p, size_t n)
{
	if (p[1] != 'u')
		return 2;
	uint32_t u = hex4(p + 2);
	if (u < 0xd800 || u > 0xdfff)
		return 6;
	bool pair = u < 0xdc00 && n >= 12 && p[6] == '\\' && p[7] == 'u' && hex4(p + 8) >= 0xdc00 &&
		    hex4(p + 8) <= 0xdfff;
	return pair ? 12 : 0;
}

/*
 * Text that keeps the grammar, with what is no character replaced by U+FFFD as Go reads it: escapes of lone
 * surrogates, malformed UTF-8 (one for each byte). `to` has three bytes for each of the text. Returns the
 * length.
 */
static size_t mend(sp_str text, char *to)
{
	static const char replacement[] = "\xef\xbf\xbd";
	size_t n = 0;
	for (size_t i = 0; i < text.len;) {
		sp_str rest = {text.ptr + i, text.len - i};
		bool escape = *rest.ptr == '\\';
		size_t len = escape ? escape_len(rest.ptr, rest.len) : sp_utf8_len(rest);
		memcpy(to + n, len != 0 ? rest.ptr : replacement, len != 0 ? len : 3);
		n += len != 0 ? len : 3;
		i += len != 0 ? len : escape ? 6 : 1;
	}
	return n;
}

/* The number that yyjson refused at `pos`, for the message. */
static sp_str number_at(sp_str text, size_t pos)
{
	static const char number_bytes[] = "0123456789+-.eE";
	size_t from = SP_MIN(pos, text.len);
	while (from > 0 && memchr(number_bytes, text.ptr[from - 1], sizeof number_bytes - 1) != NULL)
		from--;
	size_t to = from;
	while (to < text.len && memchr(number_bytes, text.ptr[to], sizeof number_bytes - 1) != NULL)
		to++;
	return sp_str_sub(text, from, to);
}

static sp_code no_room(sp_str text, sp_err *err)
{
	return sp_fail(err, SP_ETOOLARGE, "JSON of %zu bytes needs more memory than is allowed here",
		       text.len);
}

static sp_code parse_failed(sp_str text, const yyjson_read_err *why, sp_err *err)
{
	if (why->code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
		return no_room(text, err);
	SP_TRY(sp_json_explain(text, err));
	return sp_fail(err, SP_EINVAL,
		       "json: cannot unmarshal number " SP_FMT " into Go value of type float64",
		       SP_ARG(number_at(text, why->pos)));
}

/* Reads in place: the tree's strings stand in the copy. */
static yyjson_doc *read_copy(sp_arena *a, sp_str text, yyjson_read_flag flags, bool mended,
			     yyjson_read_err *why)
{
	size_t size;
	char *copy = NULL;
	if (sp_mul(text.len, (size_t)(mended ? 3 : 1), &size) &&
	    sp_add(size, (size_t)YYJSON_PADDING_SIZE, &size))
		copy = sp_arena_try_alloc(a, size);
	if (copy == NULL) {
		why->code = YYJSON_READ_ERROR_MEMORY_ALLOCATION;
		return NULL;
	}
	size_t n = text.len;
	if (mended)
		n = mend(text, copy);
	else
		memcpy(copy, text.ptr, n);
	yyjson_alc alc = sp_json_alc(a);
	return yyjson_read_opts(copy, n, flags | YYJSON_READ_INSITU, &alc, why);
}

static sp_code parse(sp_arena *a, sp_str text, yyjson_read_flag flags, yyjson_doc **ret, sp_err *err)
{
	if (text.len == 0)
		return sp_json_explain(text, err);
	yyjson_read_err why = {0};
	yyjson_doc *doc = read_copy(a, text, flags, false, &why);
	if (doc == NULL && why.code == YYJSON_READ_ERROR_INVALID_STRING &&
	    sp_json_explain(text, NULL) == SP_OK)
		doc = read_copy(a, text, flags, true, &why);
	if (doc == NULL)
		return parse_failed(text, &why, err);
	if (!depth_ok(yyjson_doc_get_root(doc), yyjson_doc_get_val_count(doc)))
		return sp_fail(err, SP_ETOOLARGE, "exceeded max depth");
	*ret = doc;
	return SP_OK;
}

sp_code sp_json_parse(sp_arena *a, sp_str text, yyjson_val **ret, sp_err *err)
{
	yyjson_doc *doc = NULL;
	SP_TRY(parse(a, text, YYJSON_READ_NOFLAG, &doc, err));
	*ret = yyjson_doc_get_root(doc);
	return SP_OK;
}

sp_code sp_json_parse_raw(sp_arena *a, sp_str text, yyjson_val **ret, sp_err *err)
{
	yyjson_doc *doc = NULL;
	SP_TRY(parse(a, text, YYJSON_READ_NUMBER_AS_RAW, &doc, err));
	*ret = yyjson_doc_get_root(doc);
	return SP_OK;
}

bool sp_json_raw_i64(const yyjson_val *v, int64_t *ret)
{
	sp_str text = {v->uni.str, sp_json_tag_len(v->tag)};
	return sp_parse_i64(text, INT64_MIN, INT64_MAX, ret, NULL) == SP_OK;
}

bool sp_json_raw_f64(const yyjson_val *v, double *ret)
{
	yyjson_val number;
	const char *end = yyjson_read_number(v->uni.str, &number, YYJSON_READ_NOFLAG, NULL, NULL);
	if (end == NULL)
		return false;
	SP_ASSERT(end == v->uni.str + sp_json_tag_len(v->tag));
	if (sp_json_tag_subtype(number.tag) == YYJSON_SUBTYPE_REAL)
		*ret = number.uni.f64;
	else if (sp_json_tag_subtype(number.tag) == YYJSON_SUBTYPE_SINT)
		*ret = (double)number.uni.i64;
	else
		*ret = (double)number.uni.u64;
	return true;
}

yyjson_mut_doc *sp_json_doc(sp_arena *a)
{
	yyjson_alc alc = sp_json_alc(a);
	return yyjson_mut_doc_new(&alc);
}

/*
 * The mutable twin of n values: the same array with links. A container points at its last child (an object at
 * its last key), children are linked in a circle; see "Mutable JSON Structure" in yyjson.h.
 */
static void thaw(const yyjson_val *from, yyjson_mut_val *to, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const yyjson_val *v = &from[i];
		to[i].tag = v->tag;
		to[i].uni = v->uni;
		size_t len = sp_json_tag_len(v->tag);
		if (!sp_json_tag_is_container(v->tag) || len == 0)
			continue;
		bool object = sp_json_tag_is_object(v->tag);
		size_t n_children = object ? len * 2 : len;
		size_t first = i + 1;
		size_t child = first;
		size_t before = first; /* the child before the last one */
		for (size_t k = 1; k < n_children; k++) {
			size_t step = sp_json_tag_is_container(from[child].tag)
					      ? from[child].uni.ofs / sizeof *from
					      : 1;
			to[child].next = &to[child + step];
			before = child;
			child += step;
		}
		to[child].next = &to[first];
		to[i].uni.ptr = &to[object ? before : child];
	}
}

sp_code sp_json_thaw(sp_arena *a, const yyjson_val *v, yyjson_mut_val **ret, sp_err *err)
{
	size_t n = sp_json_tag_is_container(v->tag) ? v->uni.ofs / sizeof *v : 1;
	yyjson_mut_val *vals = sp_try_new(a, yyjson_mut_val, n);
	if (vals == NULL)
		return sp_fail(err, SP_ETOOLARGE, "JSON of %zu values needs more memory than is allowed here",
			       n);
	thaw(v, vals, n);
	*ret = vals;
	return SP_OK;
}

sp_code sp_json_parse_mut(sp_arena *a, sp_str text, yyjson_mut_doc *doc, yyjson_mut_val **ret, sp_err *err)
{
	SP_ASSERT(doc != NULL); /* all its memory is the arena's, so the values need not be known to it */
	yyjson_doc *parsed = NULL;
	SP_TRY(parse(a, text, YYJSON_READ_NOFLAG, &parsed, err));
	return sp_json_thaw(a, yyjson_doc_get_root(parsed), ret, err);
}
