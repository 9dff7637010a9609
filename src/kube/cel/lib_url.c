/* SPDX-License-Identifier: Apache-2.0 */
/* URLs. U: apiserver pkg/cel/library/urls.go, Go net/url */
#include "base/quote.h"
#include "base/url.h"
#include "kube/cel/opaque.h"

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The scheme before the first colon, in lower case. NULL: fine (also without a scheme). */
static const char *take_scheme(sp_arena *a, sp_str *s, sp_str *ret)
{
	*ret = (sp_str){NULL, 0};
	for (size_t i = 0; i < s->len; i++) {
		char c = s->ptr[i];
		if (is_alpha(c))
			continue;
		if (is_digit(c) || c == '+' || c == '-' || c == '.') {
			if (i == 0)
				return NULL;
			continue;
		}
		if (c != ':')
			return NULL;
		if (i == 0)
			return "missing protocol scheme";
		char *p = sp_arena_try_alloc(a, i);
		for (size_t k = 0; p != NULL && k < i; k++)
			p[k] = (char)(s->ptr[k] >= 'A' && s->ptr[k] <= 'Z' ? s->ptr[k] + ('a' - 'A')
									   : s->ptr[k]);
		*ret = (sp_str){p, p == NULL ? 0 : i};
		*s = sp_str_sub(*s, i + 1, s->len);
		return NULL;
	}
	return NULL;
}

static int hex(char c)
{
	if (is_digit(c))
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The first malformed escape, quoted as Go does; {NULL, 0}: none. */
static sp_str bad_escape(sp_arena *a, sp_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] != '%')
			continue;
		if (i + 2 >= s.len || hex(s.ptr[i + 1]) < 0 || hex(s.ptr[i + 2]) < 0) {
			SP_AUTO_BUF out;
			sp_buf_init(&out, 256);
			(void)sp_buf_str(&out, SP_STR("invalid URL escape "));
			(void)sp_quote_go(&out, sp_str_sub(s, i, i + 3));
			return sp_arena_try_dup(a, sp_buf_view(&out));
		}
	}
	return (sp_str){NULL, 0};
}

static bool valid_port(sp_str port)
{
	if (port.len == 0)
		return true;
	for (size_t i = 1; i < port.len; i++) {
		if (!is_digit(port.ptr[i]))
			return false;
	}
	return port.ptr[0] == ':';
}

static sp_str bad_port(sp_arena *a, sp_str port)
{
	return sp_arena_printf(a, "invalid port \"" SP_FMT "\" after host", SP_ARG(port));
}

/* Characters that a host may not have. */
static sp_str bad_host(sp_arena *a, sp_str host)
{
	for (size_t i = 0; i < host.len; i++) {
		char c = host.ptr[i];
		bool fine = is_alpha(c) || is_digit(c) || (unsigned char)c >= 0x80 ||
			    (c != '\0' && strchr("-_.~!$&'()*+,;=:[]<>\"%", c) != NULL);
		if (!fine)
			return sp_arena_printf(a, "invalid character \"%s%c\" in host name",
					       c == '\\' ? "\\" : "", c);
	}
	return (sp_str){NULL, 0};
}

/* user:password@host:port */
static sp_str parse_authority(sp_arena *a, sp_str auth, cel_url *ret)
{
	ptrdiff_t at = sp_str_rindex(auth, '@');
	sp_str host = at < 0 ? auth : sp_str_sub(auth, (size_t)at + 1, auth.len), why;
	if (sp_str_starts(host, SP_STR("["))) {
		ptrdiff_t end = sp_str_rindex(host, ']');
		if (end < 0)
			return SP_STR("missing ']' in host");
		if (!valid_port(sp_str_sub(host, (size_t)end + 1, host.len)))
			return bad_port(a, sp_str_sub(host, (size_t)end + 1, host.len));
	} else {
		ptrdiff_t colon = sp_str_rindex(host, ':');
		if (colon >= 0 && !valid_port(sp_str_sub(host, (size_t)colon, host.len)))
			return bad_port(a, sp_str_sub(host, (size_t)colon, host.len));
	}
	why = bad_escape(a, host);
	if (why.len == 0)
		why = bad_host(a, host);
	for (ptrdiff_t i = 0; why.len == 0 && i < at; i++) {
		char c = auth.ptr[i];
		if (!is_alpha(c) && !is_digit(c) && (c == '\0' || strchr("-._:~!$&'()*+,;=%@", c) == NULL))
			return SP_STR("net/url: invalid userinfo");
	}
	ret->host = host;
	return why;
}

/* Letters that a path keeps as they are; others are written as %XX. */
static bool plain_in_path(char c)
{
	return is_alpha(c) || is_digit(c) || (c != '\0' && strchr("-_.~$&+,/:;=@!'()*[]", c) != NULL);
}

/* What EscapedPath gives: the path as written when that is a proper way to write it, else escaped anew. */
static sp_str escaped_path(sp_arena *a, sp_str path)
{
	bool fine = true;
	for (size_t i = 0; i < path.len; i++)
		fine &= plain_in_path(path.ptr[i]) || path.ptr[i] == '%';
	if (fine)
		return path;
	SP_AUTO_BUF out;
	sp_buf_init(&out, CEL_TEXT_BYTES_MAX);
	sp_str raw = path;
	if (sp_url_decode_path(a, path, &raw, NULL) != SP_OK)
		raw = path;
	for (size_t i = 0; i < raw.len; i++) {
		char c = raw.ptr[i];
		bool keep = is_alpha(c) || is_digit(c) || (c != '\0' && strchr("-_.~$&+,/:;=@", c) != NULL);
		(void)(keep ? sp_buf_char(&out, c)
			    : sp_buf_printf(&out, "%%%02X", (unsigned)(unsigned char)c));
	}
	return sp_arena_try_dup(a, sp_buf_view(&out));
}

/* U: url.parse. via_request: no fragment is cut, and it begins with a scheme or a slash. */
static sp_str parse(sp_arena *a, sp_str text, bool via_request, cel_url *ret)
{
	sp_str rest = text, why = {NULL, 0};
	*ret = (cel_url){.text = text};
	for (size_t i = 0; i < text.len; i++) {
		if ((unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 0x7f)
			return SP_STR("net/url: invalid control character in URL");
	}
	if (text.len == 0 && via_request)
		return SP_STR("empty url");
	if (sp_str_eq(text, SP_STR("*"))) {
		ret->path = text;
		return why;
	}
	const char *bad = take_scheme(a, &rest, &ret->scheme);
	if (bad != NULL)
		return sp_str_c(bad);
	ptrdiff_t mark = sp_str_index(rest, '?');
	if (mark >= 0) {
		ret->query = sp_str_sub(rest, (size_t)mark + 1, rest.len);
		rest = sp_str_sub(rest, 0, (size_t)mark);
	}
	if (!sp_str_starts(rest, SP_STR("/"))) {
		if (ret->scheme.len > 0)
			return why; /* opaque: mailto:x */
		if (via_request)
			return SP_STR("invalid URI for request");
		sp_str segment = rest;
		(void)sp_str_cut(&rest, '/', &segment);
		if (sp_str_index(segment, ':') >= 0)
			return SP_STR("first path segment in URL cannot contain colon");
	}
	bool authority = ret->scheme.len > 0 || (!via_request && !sp_str_starts(rest, SP_STR("///")));
	if (authority && sp_str_starts(rest, SP_STR("//"))) {
		sp_str auth = sp_str_sub(rest, 2, rest.len);
		ptrdiff_t slash = sp_str_index(auth, '/');
		rest = slash < 0 ? (sp_str){NULL, 0} : sp_str_sub(auth, (size_t)slash, auth.len);
		why = parse_authority(a, slash < 0 ? auth : sp_str_sub(auth, 0, (size_t)slash), ret);
	}
	if (why.len == 0)
		why = bad_escape(a, rest);
	ret->path = escaped_path(a, rest);
	return why;
}

sp_str cel_url_parse(sp_arena *a, sp_str text, cel_url *ret)
{
	sp_str why = parse(a, text, true, ret);
	if (why.len == 0) {
		sp_str bare = text;
		ptrdiff_t hash = sp_str_index(text, '#');
		if (hash >= 0)
			bare = sp_str_sub(text, 0, (size_t)hash);
		why = parse(a, bare, false, ret);
		ret->text = text;
		return why;
	}
	SP_AUTO_BUF out;
	sp_buf_init(&out, CEL_TEXT_BYTES_MAX);
	(void)sp_buf_str(&out, SP_STR("parse "));
	(void)sp_quote_go(&out, text);
	(void)sp_buf_printf(&out, ": " SP_FMT, SP_ARG(why));
	sp_str s = sp_arena_try_dup(a, sp_buf_view(&out));
	return s.len == 0 ? SP_STR("out of memory") : s;
}

bool sp_cel_is_url(sp_arena *scratch, sp_str text)
{
	cel_url u;
	return parse(scratch, text, true, &u).len == 0;
}

static sp_cel_val url(cel_ctx *c, const sp_cel_val *a)
{
	cel_url *u = sp_try_new(c->arena, cel_url, 1);
	if (u == NULL)
		return cel_oom(c);
	sp_str why = cel_url_parse(c->arena, sp_cel_str(a[0]), u);
	if (why.len > 0)
		return cel_errorf(c, "URL parse error during conversion from string: " SP_FMT, SP_ARG(why));
	return cel_opaque(&cel_t_url, u);
}

static sp_cel_val is_url(cel_ctx *c, const sp_cel_val *a)
{
	cel_url u;
	return sp_cel_of_bool(cel_url_parse(c->arena, sp_cel_str(a[0]), &u).len == 0);
}

static const cel_url *of(sp_cel_val v)
{
	return v.ptr;
}

static sp_cel_val scheme(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	return sp_cel_of_str(of(a[0])->scheme);
}

static sp_cel_val host(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	return sp_cel_of_str(of(a[0])->host);
}

/* Where the port's colon stands, or the length. */
static size_t colon_of(sp_str h)
{
	ptrdiff_t colon = sp_str_rindex(h, ':'), bracket = sp_str_rindex(h, ']');
	return colon >= 0 && colon > bracket ? (size_t)colon : h.len;
}

static sp_cel_val hostname(cel_ctx *c, const sp_cel_val *a)
{
	sp_str h = of(a[0])->host;
	(void)c;
	h = sp_str_sub(h, 0, colon_of(h));
	if (sp_str_starts(h, SP_STR("[")) && sp_str_ends(h, SP_STR("]")))
		h = sp_str_sub(h, 1, h.len - 1);
	return sp_cel_of_str(h);
}

static sp_cel_val port(cel_ctx *c, const sp_cel_val *a)
{
	sp_str h = of(a[0])->host;
	(void)c;
	return sp_cel_of_str(sp_str_sub(h, colon_of(h) + 1, h.len));
}

static sp_cel_val path(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	return sp_cel_of_str(of(a[0])->path);
}

static sp_cel_val query(cel_ctx *c, const sp_cel_val *a)
{
	sp_url_query q;
	sp_cel_val map = cel_map_new(c, 4);
	if (sp_url_query_parse(c->arena, of(a[0])->query, &q, NULL) != SP_OK)
		return cel_oom(c);
	for (size_t i = 0; i < q.n && !cel_is_err(map); i++) {
		sp_cel_val key = sp_cel_of_str(q.pairs[i].key), list;
		if (cel_find(c, map, key, &list) != CEL_FOUND)
			list = cel_list_new(c, 1);
		if (cel_is_err(list) || !cel_list_append(c, &list, sp_cel_of_str(q.pairs[i].value)) ||
		    !cel_map_set(c, &map, key, list))
			return cel_oom(c);
	}
	return map;
}

#define S &sp_cel_string
#define URL &cel_t_url
#define NOMINAL CEL_COST_NOMINAL

CEL_LIBRARY(cel_lib_url, SP_CEL_LIB_K8S, CEL_FN_COST("url", "string_to_url", CEL_COST_TRAVERSE, url, URL, S),
	    CEL_MEMBER_COST("getScheme", "url_get_scheme", NOMINAL, scheme, S, URL),
	    CEL_MEMBER_COST("getHost", "url_get_host", NOMINAL, host, S, URL),
	    CEL_MEMBER_COST("getHostname", "url_get_hostname", NOMINAL, hostname, S, URL),
	    CEL_MEMBER_COST("getPort", "url_get_port", NOMINAL, port, S, URL),
	    CEL_MEMBER_COST("getEscapedPath", "url_get_escaped_path", NOMINAL, path, S, URL),
	    CEL_MEMBER_COST("getQuery", "url_get_query", NOMINAL, query, &cel_t_map_string_string_list, URL),
	    CEL_FN("isURL", "is_url_string", is_url, &sp_cel_bool, S));
