/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/request_header.h"

#include "apiserver/server_int.h"
#include "io/tls.h"

static bool has(const sp_strs *list, sp_str text)
{
	for (size_t i = 0; i < list->n; i++) {
		if (sp_str_eq(list->items[i], text))
			return true;
	}
	return false;
}

/* The first value that is not empty, by the order of the names. */
static sp_str first_of(const sp_http_fields *h, const sp_strs *names)
{
	for (size_t i = 0; i < names->n; i++) {
		sp_str value = sp_http_find(h, names->items[i]);
		if (value.len > 0)
			return value;
	}
	return (sp_str){NULL, 0};
}

static bool read_groups(api_request *r, const sp_strs *names)
{
	const sp_http_fields *h = &r->ex->headers;
	sp_str *groups = sp_try_new(r->arena, sp_str, names->n * h->n + 1);
	size_t n = 0;
	if (groups == NULL)
		return false;
	for (size_t i = 0; i < names->n; i++) {
		for (uint32_t k = 0; k < h->n; k++) {
			if (sp_str_eq(h->at[k].name, names->items[i]) && h->at[k].value.len > 0)
				groups[n++] = h->at[k].value;
		}
	}
	r->user.groups = groups;
	r->user.n_groups = n;
	return true;
}

static bool read_extra(api_request *r, const sp_strs *prefixes)
{
	const sp_http_fields *h = &r->ex->headers;
	api_extra *extra = sp_try_new(r->arena, api_extra, prefixes->n * h->n + 1);
	if (extra == NULL)
		return false;
	for (size_t i = 0; i < prefixes->n; i++) {
		sp_str prefix = prefixes->items[i];
		for (uint32_t k = 0; k < h->n; k++) {
			if (sp_str_starts(h->at[k].name, prefix) &&
			    !api_extra_add(r->arena, extra, &r->user.n_extra,
					   api_extra_key(r->arena, h->at[k].name, prefix.len),
					   h->at[k].value))
				return false;
		}
	}
	r->user.extra = extra;
	return true;
}

static bool begins(const sp_strs *prefixes, sp_str text)
{
	for (size_t i = 0; i < prefixes->n; i++) {
		if (sp_str_starts(text, prefixes->items[i]))
			return true;
	}
	return false;
}

bool api_header_names_user(const api_server *s, sp_str name)
{
	const api_front_proxy_opts *o = &s->front_proxy;
	return sp_str_starts(name, SP_STR("x-remote-")) || has(&o->user_headers, name) ||
	       has(&o->uid_headers, name) || has(&o->group_headers, name) || begins(&o->extra_prefixes, name);
}

api_named api_user_by_header(api_request *r)
{
	const api_front_proxy_opts *o = &r->server->front_proxy;
	const sp_tls_peer *peer = r->ex->stream == NULL ? NULL : r->ex->stream->tls;
	if (peer == NULL || !peer->also_verified)
		return API_NAMED_NONE;
	if (o->names.n > 0 && !has(&o->names, peer->cert.common_name))
		return API_NAMED_REFUSED;
	sp_str name = first_of(&r->ex->headers, &o->user_headers);
	if (name.len == 0)
		return API_NAMED_NONE;
	r->user = (api_user){.name = name, .uid = first_of(&r->ex->headers, &o->uid_headers)};
	return read_groups(r, &o->group_headers) && read_extra(r, &o->extra_prefixes) ? API_NAMED_USER
										      : API_NAMED_NO_ROOM;
}
