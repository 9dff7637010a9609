/* SPDX-License-Identifier: Apache-2.0 */
/* What is told to the other server, and what is said of it. */
#include <ctype.h>
#include <string.h>

#include "apiserver/proxy/proxy.h"
#include "apiserver/request_header.h"
#include "base/num.h"

sp_code api_proxy_escape_path(sp_buf *out, sp_str path)
{
	static const char hex[] = "0123456789ABCDEF", plain[] = "-._~$&+,/:;=@";
	for (size_t i = 0; i < path.len; i++) {
		uint8_t c = (uint8_t)path.ptr[i];
		bool keep = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			    (c != 0 && strchr(plain, c) != NULL);
		if (keep)
			(void)sp_buf_char(out, (char)c);
		else
			(void)sp_buf_append(out, (char[]){'%', hex[c >> 4], hex[c & 15]}, 3);
	}
	return sp_buf_code(out);
}

sp_str api_proxy_host_of(sp_str address)
{
	ptrdiff_t colon = sp_str_rindex(address, ':');
	sp_str host = colon < 0 ? address : sp_str_sub(address, 0, (size_t)colon);
	if (host.len > 2 && host.ptr[0] == '[')
		host = sp_str_sub(host, 1, host.len - 1);
	return host;
}

static bool is_replaced(const api_proxy_target *t, sp_str name)
{
	for (size_t i = 0; i < t->n_headers; i++) {
		if (sp_str_eq(t->headers[i].name, name))
			return true;
	}
	return false;
}

/* Its links could not be found in a compressed page. */
static bool takes_html(const api_request *r)
{
	return sp_str_find(sp_http_get(&r->ex->headers, SP_HTTP_ACCEPT), SP_STR("text/html")) >= 0;
}

/* Credentials are for us; how we act is told by other means. */
static bool stays_behind(const api_request *r, const api_proxy_target *t, sp_str name)
{
	static const sp_str names[] = {SP_STR_INIT("host"), SP_STR_INIT("content-length"),
				       SP_STR_INIT("expect"), SP_STR_INIT("authorization"),
				       SP_STR_INIT("x-forwarded-for")};
	for (size_t i = 0; i < SP_LEN(names); i++) {
		if (sp_str_eq(names[i], name))
			return true;
	}
	return sp_http_is_hop_by_hop(name) || sp_str_starts(name, SP_STR("impersonate-")) ||
	       api_header_names_user(r->server, name) ||
	       (t->rewrite && sp_str_eq(name, SP_STR("accept-encoding")) && takes_html(r)) ||
	       (t->drop.len > 0 && sp_str_starts(name, t->drop)) || is_replaced(t, name) ||
	       sp_http_has_token(&r->ex->headers, SP_HTTP_CONNECTION, name);
}

/* All that other proxies said, and who it is that they or the client came by. */
static sp_str forwarded_for(api_request *r)
{
	sp_str so_far = {NULL, 0}, peer = {NULL, 0};
	const sp_http_fields *f = &r->ex->headers;
	if (r->ex->stream != NULL)
		peer = api_proxy_host_of(sp_str_c(r->ex->stream->remote));
	for (uint32_t i = 0; i < f->n; i++) {
		if (!sp_str_eq(f->at[i].name, SP_STR("x-forwarded-for")))
			continue;
		so_far = so_far.len == 0 ? f->at[i].value
					 : sp_arena_printf(r->arena, SP_FMT ", " SP_FMT, SP_ARG(so_far),
							   SP_ARG(f->at[i].value));
	}
	if (peer.len == 0 || so_far.len == 0)
		return peer.len == 0 ? so_far : peer;
	return sp_arena_printf(r->arena, SP_FMT ", " SP_FMT, SP_ARG(so_far), SP_ARG(peer));
}

static sp_str forwarded_uri(api_request *r, const api_proxy_target *t)
{
	sp_str path = t->path, head;
	if (sp_str_cut(&path, '?', &head))
		path = head;
	return sp_arena_printf(r->arena, SP_FMT "%s" SP_FMT, SP_ARG(t->prefix),
			       path.len > 0 && path.ptr[0] == '/' ? "" : "/", SP_ARG(path));
}

sp_http_header *api_proxy_fields(api_request *r, const api_proxy_target *t, size_t *ret_n)
{
	const sp_http_fields *f = &r->ex->headers;
	sp_http_header *to = sp_try_new(r->arena, sp_http_header, f->n + t->n_headers + 3);
	size_t n = 0;
	if (to == NULL)
		return NULL;
	for (uint32_t i = 0; i < f->n; i++) {
		if (!stays_behind(r, t, f->at[i].name))
			to[n++] = f->at[i];
	}
	for (size_t i = 0; i < t->n_headers; i++)
		to[n++] = t->headers[i];
	sp_str via = forwarded_for(r);
	if (via.len > 0)
		to[n++] = (sp_http_header){SP_STR("x-forwarded-for"), via};
	if (t->rewrite && r->ex->protocol.len == 0)
		to[n++] = (sp_http_header){SP_STR("x-forwarded-uri"), forwarded_uri(r, t)};
	if (r->ex->content_length > 0 && r->ex->protocol.len == 0)
		to[n++] =
			(sp_http_header){SP_STR("content-length"),
					 sp_arena_printf(r->arena, "%lld", (long long)r->ex->content_length)};
	*ret_n = n;
	return to;
}

sp_str api_proxy_why(sp_arena *a, sp_str address, const sp_err *err)
{
	if (err == NULL)
		return SP_STR("EOF");
	sp_str msg = sp_str_c(err->msg);
	if (err->code == SP_EUNAUTH)
		return sp_arena_printf(a, "tls: failed to verify certificate: x509: " SP_FMT, SP_ARG(msg));
	if (sp_str_find(msg, SP_STR("connect to")) < 0)
		return sp_arena_try_dup(a, msg);
	if (err->code == SP_ETIMEOUT)
		return sp_arena_printf(a, "dial tcp " SP_FMT ": i/o timeout", SP_ARG(address));
	if (err->sys_errno == 0)
		return sp_arena_printf(a, "dial tcp " SP_FMT ": " SP_FMT, SP_ARG(address), SP_ARG(msg));
	const char *text = strerror(err->sys_errno);
	return sp_arena_printf(a, "dial tcp " SP_FMT ": connect: %c%s", SP_ARG(address),
			       tolower((unsigned char)text[0]), text[0] == '\0' ? "" : text + 1);
}
