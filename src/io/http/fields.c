/* SPDX-License-Identifier: Apache-2.0 */
#include "io/http/http_int.h"

/* In the order of the enum, which is by length. */
static const sp_str known[SP_HTTP_NAME_COUNT_] = {
	SP_STR_INIT("te"),
	SP_STR_INIT("age"),
	SP_STR_INIT("date"),
	SP_STR_INIT("etag"),
	SP_STR_INIT("host"),
	SP_STR_INIT("vary"),
	SP_STR_INIT("allow"),
	SP_STR_INIT("range"),
	SP_STR_INIT("accept"),
	SP_STR_INIT("cookie"),
	SP_STR_INIT("expect"),
	SP_STR_INIT("origin"),
	SP_STR_INIT("server"),
	SP_STR_INIT("trailer"),
	SP_STR_INIT("upgrade"),
	SP_STR_INIT("audit-id"),
	SP_STR_INIT("if-match"),
	SP_STR_INIT("location"),
	SP_STR_INIT("connection"),
	SP_STR_INIT("keep-alive"),
	SP_STR_INIT("set-cookie"),
	SP_STR_INIT("user-agent"),
	SP_STR_INIT("grpc-status"),
	SP_STR_INIT("retry-after"),
	SP_STR_INIT("content-type"),
	SP_STR_INIT("grpc-message"),
	SP_STR_INIT("grpc-timeout"),
	SP_STR_INIT("authorization"),
	SP_STR_INIT("cache-control"),
	SP_STR_INIT("grpc-encoding"),
	SP_STR_INIT("if-none-match"),
	SP_STR_INIT("content-length"),
	SP_STR_INIT("accept-encoding"),
	SP_STR_INIT("x-forwarded-for"),
	SP_STR_INIT("content-encoding"),
	SP_STR_INIT("impersonate-user"),
	SP_STR_INIT("proxy-connection"),
	SP_STR_INIT("www-authenticate"),
	SP_STR_INIT("sec-websocket-key"),
	SP_STR_INIT("transfer-encoding"),
	SP_STR_INIT("x-forwarded-proto"),
	SP_STR_INIT("sec-websocket-version"),
	SP_STR_INIT("sec-websocket-protocol"),
	SP_STR_INIT("x-stream-protocol-version"),
};

#define KNOWN_MAX_BYTES 25u
/* The first name of each length; the next entry ends it. */
static const uint8_t first_of[KNOWN_MAX_BYTES + 2] = {
	[0] = 0,
	[1] = 0,
	[2] = SP_HTTP_TE,
	[3] = SP_HTTP_AGE,
	[4] = SP_HTTP_DATE,
	[5] = SP_HTTP_ALLOW,
	[6] = SP_HTTP_ACCEPT,
	[7] = SP_HTTP_TRAILER,
	[8] = SP_HTTP_AUDIT_ID,
	[9] = SP_HTTP_CONNECTION,
	[10] = SP_HTTP_CONNECTION,
	[11] = SP_HTTP_GRPC_STATUS,
	[12] = SP_HTTP_CONTENT_TYPE,
	[13] = SP_HTTP_AUTHORIZATION,
	[14] = SP_HTTP_CONTENT_LENGTH,
	[15] = SP_HTTP_ACCEPT_ENCODING,
	[16] = SP_HTTP_CONTENT_ENCODING,
	[17] = SP_HTTP_SEC_WEBSOCKET_KEY,
	[18] = SP_HTTP_SEC_WEBSOCKET_VERSION,
	[19] = SP_HTTP_SEC_WEBSOCKET_VERSION,
	[20] = SP_HTTP_SEC_WEBSOCKET_VERSION,
	[21] = SP_HTTP_SEC_WEBSOCKET_VERSION,
	[22] = SP_HTTP_SEC_WEBSOCKET_PROTOCOL,
	[23] = SP_HTTP_X_STREAM_PROTOCOL_VERSION,
	[24] = SP_HTTP_X_STREAM_PROTOCOL_VERSION,
	[25] = SP_HTTP_X_STREAM_PROTOCOL_VERSION,
	[26] = SP_HTTP_NAME_COUNT_,
};

sp_http_name sp_http_name_of(sp_str name)
{
	if (name.len == 0 || name.len > KNOWN_MAX_BYTES)
		return SP_HTTP_NAME_COUNT_;
	for (unsigned i = first_of[name.len]; i < first_of[name.len + 1]; i++) {
		if (known[i].ptr[name.len - 1] == name.ptr[name.len - 1] &&
		    memcmp(known[i].ptr, name.ptr, name.len) == 0)
			return (sp_http_name)i;
	}
	return SP_HTTP_NAME_COUNT_;
}

bool http_fields_add(sp_http_fields *f, sp_arena *a, sp_http_name id, sp_str name, sp_str value)
{
	if (f->n == f->cap) {
		uint32_t cap = f->cap == 0 ? 16 : f->cap * 2;
		sp_http_header *at = sp_arena_try_grow(a, f->at, f->cap * sizeof *at, cap * sizeof *at);
		if (at == NULL)
			return false;
		f->at = at;
		f->cap = cap;
	}
	f->at[f->n++] = (sp_http_header){name, value};
	if (id != SP_HTTP_NAME_COUNT_ && f->first[id] == 0)
		f->first[id] = (uint16_t)f->n;
	return true;
}

sp_str sp_http_find(const sp_http_fields *f, sp_str name)
{
	sp_http_name id = sp_http_name_of(name);
	if (id != SP_HTTP_NAME_COUNT_)
		return sp_http_get(f, id);
	for (uint32_t i = 0; i < f->n; i++)
		if (sp_str_eq(f->at[i].name, name))
			return f->at[i].value;
	return (sp_str){NULL, 0};
}

bool sp_http_has_token(const sp_http_fields *f, sp_http_name name, sp_str token)
{
	if (f->first[name] == 0)
		return false;
	for (uint32_t i = f->first[name] - 1u; i < f->n; i++) {
		if (!sp_str_eq(f->at[i].name, known[name]))
			continue;
		sp_str rest = f->at[i].value;
		sp_str one;
		while (sp_str_cut(&rest, ',', &one))
			if (sp_str_eq_nocase(sp_str_trim(one), token))
				return true;
		if (sp_str_eq_nocase(sp_str_trim(rest), token))
			return true;
	}
	return false;
}

bool sp_http_is_hop_by_hop(sp_str name)
{
	switch ((int)sp_http_name_of(name)) {
	case SP_HTTP_CONNECTION:
	case SP_HTTP_KEEP_ALIVE:
	case SP_HTTP_PROXY_CONNECTION:
	case SP_HTTP_TE:
	case SP_HTTP_TRAILER:
	case SP_HTTP_TRANSFER_ENCODING:
	case SP_HTTP_UPGRADE:
		return true;
	default:
		return false;
	}
}

/* ---- what may stand where ---- */

#define N 1u  /* in a field name, lower-case token characters */
#define T 2u  /* in a token */
#define V 4u  /* in a field value */
#define U 8u  /* in a request target */
#define A 16u /* in an authority */

/* RFC 9110 section 5.6.2 (token), 5.5 (field value); RFC 3986 section 3.2 (authority). A target is taken as
 * it is used in practice: anything visible but '#', and bytes above ASCII. */
static const uint8_t class_of[256] = {
	['\t'] = V,
	[' '] = V,
	['!'] = N | T | V | U | A,
	['"'] = V | U,
	['#'] = N | T | V,
	['$'] = N | T | V | U | A,
	['%'] = N | T | V | U | A,
	['&'] = N | T | V | U | A,
	['\''] = N | T | V | U | A,
	['('] = V | U | A,
	[')'] = V | U | A,
	['*'] = N | T | V | U | A,
	['+'] = N | T | V | U | A,
	[','] = V | U | A,
	['-'] = N | T | V | U | A,
	['.'] = N | T | V | U | A,
	['/'] = V | U,
	['0' ... '9'] = N | T | V | U | A,
	[':'] = V | U | A,
	[';'] = V | U | A,
	['<'] = V | U,
	['='] = V | U | A,
	['>'] = V | U,
	['?'] = V | U,
	['@'] = V | U,
	['A' ... 'Z'] = T | V | U | A,
	['['] = V | U | A,
	['\\'] = V | U,
	[']'] = V | U | A,
	['^'] = N | T | V | U,
	['_'] = N | T | V | U | A,
	['`'] = N | T | V | U,
	['a' ... 'z'] = N | T | V | U | A,
	['{'] = V | U,
	['|'] = N | T | V | U,
	['}'] = V | U,
	['~'] = N | T | V | U | A,
	[0x80 ... 0xff] = V | U,
};

static bool all_of(sp_str s, uint8_t class)
{
	for (size_t i = 0; i < s.len; i++)
		if ((class_of[(uint8_t)s.ptr[i]] & class) == 0)
			return false;
	return true;
}

bool http_name_ok(sp_str name)
{
	return name.len > 0 && all_of(name, N);
}

bool http_value_ok(sp_str value)
{
	return all_of(value, V);
}

bool http_method_ok(sp_str method)
{
	return method.len > 0 && method.len <= 32 && all_of(method, T);
}

bool http_target_ok(sp_str target)
{
	return target.len > 0 && all_of(target, U);
}

bool http_authority_ok(sp_str authority, bool lax)
{
	if (lax)
		return all_of(authority, V | U);
	if (!all_of(authority, A))
		return false;
	ptrdiff_t open = sp_str_index(authority, '['), close = sp_str_rindex(authority, ']');
	if (open < 0 && close < 0) {
		/* one colon at most, and only digits behind it */
		ptrdiff_t colon = sp_str_index(authority, ':');
		if (colon < 0)
			return true;
		for (size_t i = (size_t)colon + 1; i < authority.len; i++)
			if (authority.ptr[i] < '0' || authority.ptr[i] > '9')
				return false;
		return colon > 0;
	}
	if (open != 0 || close < 3 || sp_str_index(sp_str_sub(authority, 1, authority.len), '[') >= 0 ||
	    sp_str_index(authority, ']') != close)
		return false;
	sp_str port = sp_str_sub(authority, (size_t)close + 1, authority.len);
	if (port.len == 0)
		return true;
	if (port.ptr[0] != ':')
		return false;
	for (size_t i = 1; i < port.len; i++)
		if (port.ptr[i] < '0' || port.ptr[i] > '9')
			return false;
	return true;
}

sp_code http_headers_check(const sp_http_header *h, size_t n, sp_err *err)
{
	for (size_t i = 0; i < n; i++) {
		if (!http_name_ok(h[i].name))
			return sp_fail(err, SP_EINVAL, "bad header name '" SP_FMT "'", SP_ARG(h[i].name));
		if (!http_value_ok(h[i].value))
			return sp_fail(err, SP_EINVAL, "bad value of header " SP_FMT, SP_ARG(h[i].name));
	}
	return SP_OK;
}

/* ---- methods and statuses ---- */

static const sp_str methods[] = {
	[SP_HTTP_GET] = SP_STR_INIT("GET"),         [SP_HTTP_HEAD] = SP_STR_INIT("HEAD"),
	[SP_HTTP_POST] = SP_STR_INIT("POST"),       [SP_HTTP_PUT] = SP_STR_INIT("PUT"),
	[SP_HTTP_PATCH] = SP_STR_INIT("PATCH"),     [SP_HTTP_DELETE] = SP_STR_INIT("DELETE"),
	[SP_HTTP_OPTIONS] = SP_STR_INIT("OPTIONS"), [SP_HTTP_CONNECT] = SP_STR_INIT("CONNECT"),
	[SP_HTTP_TRACE] = SP_STR_INIT("TRACE"),
};

sp_http_method http_method_of(sp_str method)
{
	for (size_t i = 0; i < SP_LEN(methods); i++)
		if (sp_str_eq(methods[i], method))
			return (sp_http_method)i;
	return SP_HTTP_OTHER;
}

bool http_method_is_idempotent(sp_http_method m)
{
	return m != SP_HTTP_POST && m != SP_HTTP_PATCH && m != SP_HTTP_CONNECT && m != SP_HTTP_OTHER;
}

bool http_has_body(uint16_t status, sp_http_method m)
{
	return status >= 200 && status != 204 && status != 304 && m != SP_HTTP_HEAD;
}

/* The registry of statuses of RFC 9110 and its companions, ascending. */
static const struct {
	uint16_t status;
	sp_str reason;
} reasons[] = {
	{100, SP_STR_INIT("Continue")},
	{101, SP_STR_INIT("Switching Protocols")},
	{102, SP_STR_INIT("Processing")},
	{103, SP_STR_INIT("Early Hints")},
	{200, SP_STR_INIT("OK")},
	{201, SP_STR_INIT("Created")},
	{202, SP_STR_INIT("Accepted")},
	{203, SP_STR_INIT("Non-Authoritative Information")},
	{204, SP_STR_INIT("No Content")},
	{205, SP_STR_INIT("Reset Content")},
	{206, SP_STR_INIT("Partial Content")},
	{207, SP_STR_INIT("Multi-Status")},
	{208, SP_STR_INIT("Already Reported")},
	{226, SP_STR_INIT("IM Used")},
	{300, SP_STR_INIT("Multiple Choices")},
	{301, SP_STR_INIT("Moved Permanently")},
	{302, SP_STR_INIT("Found")},
	{303, SP_STR_INIT("See Other")},
	{304, SP_STR_INIT("Not Modified")},
	{305, SP_STR_INIT("Use Proxy")},
	{307, SP_STR_INIT("Temporary Redirect")},
	{308, SP_STR_INIT("Permanent Redirect")},
	{400, SP_STR_INIT("Bad Request")},
	{401, SP_STR_INIT("Unauthorized")},
	{402, SP_STR_INIT("Payment Required")},
	{403, SP_STR_INIT("Forbidden")},
	{404, SP_STR_INIT("Not Found")},
	{405, SP_STR_INIT("Method Not Allowed")},
	{406, SP_STR_INIT("Not Acceptable")},
	{407, SP_STR_INIT("Proxy Authentication Required")},
	{408, SP_STR_INIT("Request Timeout")},
	{409, SP_STR_INIT("Conflict")},
	{410, SP_STR_INIT("Gone")},
	{411, SP_STR_INIT("Length Required")},
	{412, SP_STR_INIT("Precondition Failed")},
	{413, SP_STR_INIT("Content Too Large")},
	{414, SP_STR_INIT("URI Too Long")},
	{415, SP_STR_INIT("Unsupported Media Type")},
	{416, SP_STR_INIT("Range Not Satisfiable")},
	{417, SP_STR_INIT("Expectation Failed")},
	{421, SP_STR_INIT("Misdirected Request")},
	{422, SP_STR_INIT("Unprocessable Content")},
	{423, SP_STR_INIT("Locked")},
	{424, SP_STR_INIT("Failed Dependency")},
	{425, SP_STR_INIT("Too Early")},
	{426, SP_STR_INIT("Upgrade Required")},
	{428, SP_STR_INIT("Precondition Required")},
	{429, SP_STR_INIT("Too Many Requests")},
	{431, SP_STR_INIT("Request Header Fields Too Large")},
	{451, SP_STR_INIT("Unavailable For Legal Reasons")},
	{500, SP_STR_INIT("Internal Server Error")},
	{501, SP_STR_INIT("Not Implemented")},
	{502, SP_STR_INIT("Bad Gateway")},
	{503, SP_STR_INIT("Service Unavailable")},
	{504, SP_STR_INIT("Gateway Timeout")},
	{505, SP_STR_INIT("HTTP Version Not Supported")},
	{506, SP_STR_INIT("Variant Also Negotiates")},
	{507, SP_STR_INIT("Insufficient Storage")},
	{508, SP_STR_INIT("Loop Detected")},
	{511, SP_STR_INIT("Network Authentication Required")},
};

sp_str sp_http_reason(uint16_t status)
{
	size_t low = 0, high = SP_LEN(reasons);
	while (low < high) {
		size_t mid = (low + high) / 2;
		if (reasons[mid].status == status)
			return reasons[mid].reason;
		if (reasons[mid].status < status)
			low = mid + 1;
		else
			high = mid;
	}
	return (sp_str){NULL, 0};
}
