/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/base64.h"
#include "base/json_int.h"
#include "base/utf8.h"
#include "base/yaml_int.h"

typedef struct writer {
	const sp_libyaml *lib;
	yaml_emitter_t emitter;
	sp_buf *out;
	sp_err *err;
} writer;

static int take_output(void *arg, unsigned char *bytes, size_t n)
{
	writer *w = arg;
	return sp_buf_append(w->out, bytes, n) == SP_OK;
}

static sp_code no_memory(writer *w)
{
	return sp_fail(w->err, SP_ENOMEM, "yaml: out of memory");
}

/* `made`: whether the event could be. The emitter takes it, also on failure. */
static sp_code emit(writer *w, yaml_event_t *event, int made)
{
	if (made == 0)
		return no_memory(w);
	if (w->lib->emitter_emit(&w->emitter, event) != 0)
		return SP_OK;
	if (sp_buf_code(w->out) != SP_OK)
		return sp_fail(w->err, sp_buf_code(w->out), "yaml: the text needs more room than is allowed");
	if (w->emitter.error == YAML_MEMORY_ERROR)
		return no_memory(w);
	return sp_fail(w->err, SP_EINVAL, "yaml: %s",
		       w->emitter.problem != NULL ? w->emitter.problem
						  : "unknown problem generating YAML content");
}

static sp_code put_scalar(writer *w, sp_str s, const char *tag, yaml_scalar_style_t style)
{
	yaml_event_t event;
	if (s.len > INT32_MAX)
		return sp_fail(w->err, SP_ETOOLARGE, "yaml: text of %zu bytes", s.len);
	/* libyaml wants pointers to non-const and does not write through them. */
	const yaml_char_t *text = (const yaml_char_t *)(s.len != 0 ? s.ptr : "");
	int implicit = tag == NULL;
	int made = w->lib->scalar(&event, NULL, (const yaml_char_t *)tag, text, (int)s.len, implicit,
				  implicit, style);
	return emit(w, &event, made);
}

/* Base 60, which is text here and a number to others: [-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)? */
static bool is_base60(sp_str s)
{
	size_t i = s.len != 0 && (s.ptr[0] == '-' || s.ptr[0] == '+') ? 1 : 0;
	size_t groups = 0;
#define DIGIT(at) ((at) < s.len && s.ptr[at] >= '0' && s.ptr[at] <= '9')
	if (!DIGIT(i))
		return false;
	while (DIGIT(i) || (i < s.len && s.ptr[i] == '_'))
		i++;
	for (; i < s.len && s.ptr[i] == ':' && DIGIT(i + 1); groups++) {
		bool two = DIGIT(i + 2);
		if (two && s.ptr[i + 1] > '5')
			return false;
		i += two ? 3 : 2;
	}
	if (groups != 0 && i < s.len && s.ptr[i] == '.') {
		for (i++; DIGIT(i) || (i < s.len && s.ptr[i] == '_'); i++)
			;
	}
#undef DIGIT
	return groups != 0 && i == s.len;
}

/* Text that is not UTF-8: base64 in lines of 70, tagged. */
static sp_code put_binary(writer *w, sp_str s)
{
	SP_AUTO_BUF text;
	SP_AUTO_BUF lines;
	sp_buf_init(&text, w->out->limit_bytes);
	sp_buf_init(&lines, w->out->limit_bytes);
	sp_base64_append(&text, s.ptr, s.len);
	for (size_t i = 0; i < text.len; i += 70) {
		sp_buf_append(&lines, text.ptr + i, SP_MIN(text.len - i, (size_t)70));
		if (text.len >= 70)
			sp_buf_char(&lines, '\n');
	}
	if (sp_buf_code(&text) != SP_OK || sp_buf_code(&lines) != SP_OK)
		return no_memory(w);
	bool literal = text.len >= 70;
	return put_scalar(w, sp_buf_view(&lines), "tag:yaml.org,2002:binary",
			  literal ? YAML_LITERAL_SCALAR_STYLE : YAML_PLAIN_SCALAR_STYLE);
}

/* Line breaks of Unicode, which upstream writes in a form that does not read back. */
static bool has_break(sp_str s)
{
	return sp_str_find(s, SP_STR("\xc2\x85")) >= 0 || sp_str_find(s, SP_STR("\xe2\x80\xa8")) >= 0 ||
	       sp_str_find(s, SP_STR("\xe2\x80\xa9")) >= 0;
}

static sp_code put_text(writer *w, sp_str s)
{
	if (!sp_str_is_utf8(s))
		return put_binary(w, s);
	if (sp_str_index(s, '\n') >= 0)
		return put_scalar(w, s, NULL, YAML_LITERAL_SCALAR_STYLE);
	bool plain = sp_yaml_resolve(s).tag == SP_YAML_STR && !is_base60(s) && !has_break(s);
	return put_scalar(w, s, NULL, plain ? YAML_PLAIN_SCALAR_STYLE : YAML_DOUBLE_QUOTED_SCALAR_STYLE);
}

/* Upstream makes YAML of the JSON text: a double that was written without fraction is an integer by then. */
static sp_code put_number(writer *w, const yyjson_mut_val *v)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, 4096);
	if (sp_json_write_mut(&text, v) != SP_OK)
		return no_memory(w);
	sp_yaml_scalar n = sp_yaml_resolve(sp_buf_view(&text));
	sp_buf_clear(&text);
	yyjson_mut_val real = {0};
	unsafe_yyjson_set_real(&real, n.f64);
	if (n.tag == SP_YAML_INT)
		sp_buf_i64(&text, n.i64);
	else if (n.tag == SP_YAML_UINT)
		sp_buf_u64(&text, n.u64);
	else
		(void)sp_json_write_go(&text, &real);
	return sp_buf_code(&text) != SP_OK ? no_memory(w)
					   : put_scalar(w, sp_buf_view(&text), NULL, YAML_PLAIN_SCALAR_STYLE);
}

static sp_code put_word(writer *w, const yyjson_mut_val *v)
{
	bool null = sp_json_tag_type(v->tag) == YYJSON_TYPE_NULL;
	bool is_true = sp_json_tag_subtype(v->tag) == YYJSON_SUBTYPE_TRUE;
	sp_str word = null ? SP_STR("null") : is_true ? SP_STR("true") : SP_STR("false");
	return put_scalar(w, word, NULL, YAML_PLAIN_SCALAR_STYLE);
}

/* ---- order of keys: letters by code point and after the rest, numbers by value ---- */

static bool is_digit(uint32_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(uint32_t c)
{
	return (c | 0x20) - 'a' < 26u || c >= 0xaa;
}

/* The number at s[at], after `n`; *ret_end is behind its digits. */
static uint64_t number_at(sp_str s, size_t at, uint64_t n, size_t *ret_end)
{
	for (; at < s.len && is_digit((uint8_t)s.ptr[at]); at++)
		n = n * 10 + (uint64_t)(s.ptr[at] - '0');
	*ret_end = at;
	return n;
}

static int order_of(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int compare_at(sp_str a, sp_str b, size_t i, uint32_t ca, uint32_t cb)
{
	bool la = is_letter(ca);
	bool lb = is_letter(cb);
	uint64_t start = 0;
	size_t end_a;
	size_t end_b;
	if (la && lb)
		return order_of(ca, cb);
	if (la || lb)
		return lb ? -1 : 1;
	if (ca == '0' || cb == '0') {
		for (size_t j = i; j > 0 && is_digit((uint8_t)a.ptr[j - 1]) && start == 0; j--)
			start = a.ptr[j - 1] != '0' ? 1 : 0;
	}
	uint64_t na = number_at(a, i, start, &end_a);
	uint64_t nb = number_at(b, i, start, &end_b);
	int c = order_of(na, nb);
	c = c != 0 ? c : order_of(end_a, end_b);
	return c != 0 ? c : order_of(ca, cb);
}

static sp_str name_of(const yyjson_mut_val *key)
{
	return (sp_str){key->uni.str, sp_json_tag_len(key->tag)};
}

static int by_name(const void *x, const void *y)
{
	sp_str a = name_of(*(const yyjson_mut_val *const *)x);
	sp_str b = name_of(*(const yyjson_mut_val *const *)y);
	for (size_t i = 0; i < a.len && i < b.len;) {
		uint32_t ca;
		uint32_t cb;
		size_t n = sp_utf8_decode(sp_str_sub(a, i, a.len), &ca);
		(void)sp_utf8_decode(sp_str_sub(b, i, b.len), &cb);
		if (ca != cb)
			return compare_at(a, b, i, ca, cb);
		i += n;
	}
	return order_of(a.len, b.len);
}

/* A plain key << would be a merge; upstream writes it so and does not read it back. */
static sp_code put_key(writer *w, sp_str s)
{
	return sp_str_eq(s, SP_STR("<<")) ? put_scalar(w, s, NULL, YAML_DOUBLE_QUOTED_SCALAR_STYLE)
					  : put_text(w, s);
}

static sp_code put_value(writer *w, const yyjson_mut_val *v, size_t depth);

static sp_code put_members(writer *w, const yyjson_mut_val **keys, size_t n, size_t depth)
{
	for (size_t i = 0; i < n; i++) {
		SP_TRY(put_key(w, name_of(keys[i])));
		SP_TRY(put_value(w, keys[i]->next, depth));
	}
	return SP_OK;
}

static sp_code put_object(writer *w, const yyjson_mut_val *v, size_t depth)
{
	yaml_event_t event;
	size_t n = sp_json_tag_len(v->tag);
	SP_TRY(emit(w, &event, w->lib->mapping_start(&event, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE)));
	const yyjson_mut_val **keys = n == 0 ? NULL : sp_try_alloc(n * sizeof(void *));
	if (n != 0 && keys == NULL)
		return no_memory(w);
	const yyjson_mut_val *key = v->uni.ptr;
	for (size_t i = 0; i < n; i++) {
		key = key->next->next;
		keys[i] = key;
	}
	if (n > 1)
		qsort(keys, n, sizeof(void *), by_name);
	sp_code code = put_members(w, keys, n, depth + 1);
	sp_free(keys);
	SP_TRY(code);
	return emit(w, &event, w->lib->mapping_end(&event));
}

static sp_code put_array(writer *w, const yyjson_mut_val *v, size_t depth)
{
	yaml_event_t event;
	const yyjson_mut_val *item = v->uni.ptr;
	SP_TRY(emit(w, &event, w->lib->sequence_start(&event, NULL, NULL, 1, YAML_BLOCK_SEQUENCE_STYLE)));
	for (size_t n = sp_json_tag_len(v->tag); n > 0; n--) {
		item = item->next;
		SP_TRY(put_value(w, item, depth + 1));
	}
	return emit(w, &event, w->lib->sequence_end(&event));
}

static sp_code put_value(writer *w, const yyjson_mut_val *v, size_t depth)
{
	if (depth == SP_JSON_BUILD_DEPTH)
		return sp_fail(w->err, SP_ETOOLARGE, "exceeded max depth");
	switch (sp_json_tag_type(v->tag)) {
	case YYJSON_TYPE_OBJ:
		return put_object(w, v, depth);
	case YYJSON_TYPE_ARR:
		return put_array(w, v, depth);
	case YYJSON_TYPE_STR:
		return put_text(w, name_of(v));
	case YYJSON_TYPE_NUM:
	case YYJSON_TYPE_RAW:
		return put_number(w, v);
	default:
		return put_word(w, v);
	}
}

static sp_code put_document(writer *w, const yyjson_mut_val *v)
{
	yaml_event_t event;
	SP_TRY(emit(w, &event, w->lib->stream_start(&event, YAML_UTF8_ENCODING)));
	SP_TRY(emit(w, &event, w->lib->document_start(&event, NULL, NULL, NULL, 1)));
	SP_TRY(put_value(w, v, 0));
	SP_TRY(emit(w, &event, w->lib->document_end(&event, 1)));
	w->emitter.open_ended = 0; /* no "..." after text whose last line breaks count */
	return emit(w, &event, w->lib->stream_end(&event));
}

sp_code sp_yaml_write(sp_buf *out, const yyjson_mut_val *v, sp_err *err)
{
	writer w = {.lib = sp_libyaml_open(err), .out = out, .err = err};
	if (w.lib == NULL)
		return SP_EUNSUPPORTED;
	if (w.lib->emitter_initialize(&w.emitter) == 0)
		return no_memory(&w);
	w.lib->emitter_set_output(&w.emitter, take_output, &w);
	w.lib->emitter_set_unicode(&w.emitter, 1);
	sp_code code = put_document(&w, v);
	w.lib->emitter_delete(&w.emitter);
	return code;
}
