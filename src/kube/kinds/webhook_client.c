/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kinds/webhook_client.h"

#define FORM "; desired format: https://host[/path]"

/* The parts of a URL as Go's parser sees them. */
typedef struct url_parts {
	sp_str scheme, user, host, query, fragment;
	bool has_user;
} url_parts;

static bool scheme_char(char ch, bool first)
{
	bool letter = (ch | 0x20) >= 'a' && (ch | 0x20) <= 'z';
	return letter || (!first && ((ch >= '0' && ch <= '9') || ch == '+' || ch == '-' || ch == '.'));
}

static bool is_hex(char ch)
{
	return (ch >= '0' && ch <= '9') || ((ch | 0x20) >= 'a' && (ch | 0x20) <= 'f');
}

/* The first % without two digits; a text that Go shows: at most three bytes. Empty: none. */
static sp_str bad_escape(sp_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '%' && (i + 2 >= s.len || !is_hex(s.ptr[i + 1]) || !is_hex(s.ptr[i + 2])))
			return sp_str_sub(s, i, SP_MIN(i + 3, s.len));
	}
	return (sp_str){"", 0};
}

/* What makes it no URL, or "". */
static const char *url_fault(sp_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.ptr[i] < ' ' || s.ptr[i] == 0x7f)
			return "net/url: invalid control character in URL";
	}
	return s.len > 0 && s.ptr[0] == ':' ? "missing protocol scheme" : "";
}

/* A path that is taken for a scheme, when there is none. */
static bool is_colon_first(const url_parts *u, sp_str url)
{
	ptrdiff_t colon = sp_str_index(url, ':'), slash = sp_str_index(url, '/');
	return u->scheme.len == 0 && colon >= 0 && (slash < 0 || colon < slash);
}

static url_parts parts_of(sp_arena *a, sp_str s)
{
	url_parts u = {.has_user = false};
	ptrdiff_t at;
	size_t n = 0;
	if ((at = sp_str_index(s, '#')) >= 0) {
		u.fragment = sp_str_sub(s, (size_t)at + 1, s.len);
		s = sp_str_sub(s, 0, (size_t)at);
	}
	while (n < s.len && scheme_char(s.ptr[n], n == 0))
		n++;
	if (n > 0 && n < s.len && s.ptr[n] == ':') {
		char *lower = sp_arena_try_alloc(a, n);
		for (size_t i = 0; lower != NULL && i < n; i++)
			lower[i] = s.ptr[i] >= 'A' && s.ptr[i] <= 'Z' ? (char)(s.ptr[i] | 0x20) : s.ptr[i];
		u.scheme = (sp_str){lower, lower != NULL ? n : 0};
		s = sp_str_sub(s, n + 1, s.len);
	}
	if ((at = sp_str_index(s, '?')) >= 0) {
		u.query = sp_str_sub(s, (size_t)at + 1, s.len);
		s = sp_str_sub(s, 0, (size_t)at);
	}
	if (!sp_str_take(&s, SP_STR("//")))
		return u;
	if ((at = sp_str_index(s, '/')) >= 0)
		s = sp_str_sub(s, 0, (size_t)at);
	if ((at = sp_str_rindex(s, '@')) >= 0) {
		u.has_user = true;
		u.user = sp_str_sub(s, 0, (size_t)at);
		s = sp_str_sub(s, (size_t)at + 1, s.len);
	}
	u.host = s;
	return u;
}

void sp_v_webhook_url(sp_violations *v, const sp_path *path, sp_str url)
{
	const char *fault = url_fault(url);
	if (fault[0] != 0) {
		sp_v_required(v, path, "url must be a valid URL: parse \"" SP_FMT "\": %s" FORM, SP_ARG(url),
			      fault);
		return;
	}
	url_parts u = parts_of(v->arena, url);
	sp_str escape = bad_escape(url);
	if (is_colon_first(&u, url)) {
		sp_v_required(v, path,
			      "url must be a valid URL: parse \"" SP_FMT
			      "\": first path segment in URL cannot contain colon" FORM,
			      SP_ARG(url));
		return;
	}
	if (escape.len > 0) {
		sp_v_required(v, path,
			      "url must be a valid URL: parse \"" SP_FMT "\": invalid URL escape \"" SP_FMT
			      "\"" FORM,
			      SP_ARG(url), SP_ARG(escape));
		return;
	}
	if (!sp_str_eq(u.scheme, SP_STR("https")))
		sp_v_invalid(v, path, u.scheme, "'https' is the only allowed URL scheme" FORM);
	if (u.host.len == 0)
		sp_v_invalid(v, path, u.host, "host must be specified" FORM);
	if (u.has_user)
		sp_v_invalid(v, path, u.user, "user information is not permitted in the URL");
	if (u.fragment.len > 0)
		sp_v_invalid(v, path, u.fragment, "fragments are not permitted in the URL");
	if (u.query.len > 0)
		sp_v_invalid(v, path, u.query, "query parameters are not permitted in the URL");
}

static void service_path(sp_violations *v, const sp_path *path, sp_str text)
{
	if (text.len == 0 || sp_str_eq(text, SP_STR("/")))
		return;
	if (sp_str_eq(text, SP_STR("//"))) {
		sp_v_invalid(v, path, text, "segment[0] may not be empty");
		return;
	}
	if (text.ptr[0] != '/')
		sp_v_invalid(v, path, text, "must start with a '/'");
	sp_str rest = sp_str_sub(text, 1, text.len), step;
	if (sp_str_ends(rest, SP_STR("/")))
		rest = sp_str_sub(rest, 0, rest.len - 1);
	size_t i = 0;
	for (bool more = true; more; i++) {
		more = sp_str_cut(&rest, '/', &step);
		if (!more)
			step = rest;
		if (step.len == 0) {
			sp_v_invalid(v, path, text, "segment[%zu] may not be empty", i);
			continue;
		}
		sp_name_faults f = sp_name_dns1123_subdomain(step);
		for (size_t k = 0; k < f.n; k++)
			sp_v_invalid(v, path, text, "segment[%zu]: " SP_FMT SP_FMT, i,
				     SP_ARG(f.items[k].prefix), SP_ARG(f.items[k].text));
	}
}

void sp_v_webhook_service(sp_violations *v, const sp_path *path, yyjson_mut_val *service, bool swapped)
{
	const char *name = swapped ? "namespace" : "name", *ns = swapped ? "name" : "namespace";
	int64_t port = sp_kv_i64(service, "port", 0);
	if (sp_kv_str(service, name).len == 0)
		sp_v_required(v, SP_AT(path, "name"), "%s", "");
	if (sp_kv_str(service, ns).len == 0)
		sp_v_required(v, SP_AT(path, "namespace"), "%s", "");
	if (port < 1 || port > 65535)
		sp_v_invalid(v, SP_AT(path, "port"), port,
			     "port is not valid: must be between 1 and 65535, inclusive");
	if (sp_kv_has(service, "path"))
		service_path(v, SP_AT(path, "path"), sp_kv_str(service, "path"));
}
