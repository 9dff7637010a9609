/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"
#include "base/quote.h"
#include "base/utf8.h"
#include "io/grpc/grpc_int.h"

/* A status message is a sentence; headers have limits (C-core: 8 KiB of metadata). */
#define MESSAGE_MAX ((size_t)4 << 10)

/* ---- grpc-timeout ---- */

static const struct {
	char unit;
	uint64_t ns;
} units[] = {
	{'n', 1},
	{'u', 1000},
	{'m', 1000000},
	{'S', UINT64_C(1000000000)},
	{'M', UINT64_C(60000000000)},
	{'H', UINT64_C(3600000000000)},
};
#define TIMEOUT_MAX UINT64_C(99999999)

static sp_code timeout_bad(sp_str text, const char *what, sp_err *err)
{
	SP_AUTO_BUF quoted;
	sp_buf_init(&quoted, 1024);
	(void)sp_quote_go(&quoted, sp_str_sub(text, 0, 64));
	return sp_fail(err, SP_EINVAL, "%s" SP_FMT, what, SP_ARG(sp_buf_view(&quoted)));
}

sp_code grpc_timeout_parse(sp_str text, uint64_t *ret_ns, sp_err *err)
{
	if (text.len < 2)
		return timeout_bad(text, "transport: timeout string is too short: ", err);
	if (text.len > GRPC_TIMEOUT_TEXT_BYTES)
		return timeout_bad(text, "transport: timeout string is too long: ", err);
	size_t i = 0;
	while (i < SP_LEN(units) && units[i].unit != text.ptr[text.len - 1])
		i++;
	if (i == SP_LEN(units))
		return timeout_bad(text, "transport: timeout unit is not recognized: ", err);
	sp_str digits = sp_str_sub(text, 0, text.len - 1);
	uint64_t v;
	if (sp_parse_u64(digits, 0, TIMEOUT_MAX, &v, NULL) != SP_OK) {
		sp_err inner = {0};
		(void)timeout_bad(digits, "strconv.ParseUint: parsing ", &inner);
		return sp_fail(err, SP_EINVAL, "%s: invalid syntax", inner.msg);
	}
	if (!sp_mul(v, units[i].ns, ret_ns))
		*ret_ns = UINT64_MAX;
	return SP_OK;
}

size_t grpc_timeout_print(char out[GRPC_TIMEOUT_TEXT_BYTES], uint64_t ns)
{
	char digits[SP_NUM_TEXT_BYTES];
	size_t i = 0;
	uint64_t v = ns;
	while (v > TIMEOUT_MAX && i + 1 < SP_LEN(units)) {
		i++;
		v = ns / units[i].ns + (ns % units[i].ns > 0);
	}
	size_t n = sp_print_u64(digits, v); /* 2^64 ns are 5 million hours */
	memcpy(out, digits, n);
	out[n] = units[i].unit;
	return n + 1;
}

/* ---- grpc-message ---- */

static bool is_plain(const sp_str s, size_t i)
{
	char c = s.ptr[i];
	/* A blank at either end would not be a field's value in HTTP/2. */
	return c > ' ' ? c <= '~' && c != '%' : c == ' ' && i > 0 && i + 1 < s.len;
}

static void escape(sp_buf *out, const char *bytes, size_t n)
{
	static const char digits[] = "0123456789ABCDEF";
	for (size_t i = 0; i < n; i++) {
		uint8_t b = (uint8_t)bytes[i];
		(void)sp_buf_append(out, (char[]){'%', digits[b >> 4], digits[b & 15]}, 3);
	}
}

sp_str grpc_message_encode(sp_arena *a, sp_str message)
{
	sp_str s = message;
	if (s.len > MESSAGE_MAX) {
		s.len = MESSAGE_MAX;
		while (s.len > MESSAGE_MAX - SP_UTF8_MAX_BYTES && ((uint8_t)s.ptr[s.len] & 0xc0) == 0x80)
			s.len--;
	}
	size_t i = 0;
	while (i < s.len && is_plain(s, i))
		i++;
	if (i == s.len)
		return s.len == 0 ? s : sp_arena_try_dup(a, s);
	SP_AUTO_BUF out;
	sp_buf_init(&out, 9 * MESSAGE_MAX); /* U+FFFD for a byte */
	for (i = 0; i < s.len;) {
		if (is_plain(s, i)) {
			(void)sp_buf_char(&out, s.ptr[i++]); /* sticky */
			continue;
		}
		uint32_t rune;
		char utf8[SP_UTF8_MAX_BYTES];
		size_t n = sp_utf8_decode(sp_str_sub(s, i, s.len), &rune);
		escape(&out, utf8, sp_utf8_encode(utf8, rune));
		i += n;
	}
	return sp_buf_code(&out) == SP_OK ? sp_arena_try_dup(a, sp_buf_view(&out)) : (sp_str){NULL, 0};
}

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

sp_str grpc_message_decode(sp_arena *a, sp_str text)
{
	if (text.len == 0)
		return text;
	char *out = sp_arena_try_alloc(a, text.len);
	if (out == NULL)
		return (sp_str){NULL, 0};
	size_t n = 0;
	for (size_t i = 0; i < text.len; i++) {
		out[n] = text.ptr[i];
		if (text.ptr[i] == '%' && text.len - i > 2 && hex(text.ptr[i + 1]) >= 0 &&
		    hex(text.ptr[i + 2]) >= 0) {
			out[n] = (char)(hex(text.ptr[i + 1]) << 4 | hex(text.ptr[i + 2]));
			i += 2;
		}
		n++;
	}
	return (sp_str){out, n};
}

/* ---- others ---- */

bool grpc_is_content_type(sp_str value)
{
	return sp_str_take(&value, SP_STR("application/grpc")) &&
	       (value.len == 0 || value.ptr[0] == '+' || value.ptr[0] == ';');
}

sp_str grpc_quote(sp_arena *a, sp_str s)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, 6 * MESSAGE_MAX);
	if (sp_quote_go(&out, sp_str_sub(s, 0, MESSAGE_MAX)) != SP_OK)
		return (sp_str){NULL, 0};
	return sp_arena_try_dup(a, sp_buf_view(&out));
}

int32_t grpc_status_of_http(uint16_t status)
{
	static const struct {
		uint16_t http;
		int32_t code;
	} rows[] = {
		{400, SP_RPC_INTERNAL},      {401, SP_RPC_UNAUTHENTICATED}, {403, SP_RPC_PERMISSION_DENIED},
		{404, SP_RPC_UNIMPLEMENTED}, {429, SP_RPC_UNAVAILABLE},     {502, SP_RPC_UNAVAILABLE},
		{503, SP_RPC_UNAVAILABLE},   {504, SP_RPC_UNAVAILABLE},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		if (rows[i].http == status)
			return rows[i].code;
	}
	return SP_RPC_UNKNOWN;
}

static const struct {
	const char *name;
	int32_t code;
} resets[] = {
	{"NO_ERROR", SP_RPC_INTERNAL},
	{"PROTOCOL_ERROR", SP_RPC_INTERNAL},
	{"INTERNAL_ERROR", SP_RPC_INTERNAL},
	{"FLOW_CONTROL_ERROR", SP_RPC_INTERNAL},
	{"SETTINGS_TIMEOUT", SP_RPC_INTERNAL},
	{"STREAM_CLOSED", SP_RPC_UNKNOWN},
	{"FRAME_SIZE_ERROR", SP_RPC_INTERNAL},
	{"REFUSED_STREAM", SP_RPC_UNAVAILABLE},
	{"CANCEL", SP_RPC_CANCELLED},
	{"COMPRESSION_ERROR", SP_RPC_INTERNAL},
	{"CONNECT_ERROR", SP_RPC_INTERNAL},
	{"ENHANCE_YOUR_CALM", SP_RPC_RESOURCE_EXHAUSTED},
	{"INADEQUATE_SECURITY", SP_RPC_PERMISSION_DENIED},
	{"HTTP_1_1_REQUIRED", SP_RPC_INTERNAL},
};

int32_t grpc_status_of_reset(uint32_t h2_code)
{
	return h2_code < SP_LEN(resets) ? resets[h2_code].code : SP_RPC_UNKNOWN;
}

const char *grpc_reset_name(uint32_t h2_code)
{
	return h2_code < SP_LEN(resets) ? resets[h2_code].name : NULL;
}
