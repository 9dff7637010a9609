/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/reqinfo.h"

#include "kube/names.h"

/* The segments of a path between its slashes, consumed from the front; only the last may be empty. */
typedef struct segments {
	sp_str rest;
	bool any;
} segments;

static segments split(sp_str path)
{
	while (path.len > 0 && path.ptr[0] == '/')
		path = sp_str_sub(path, 1, path.len);
	while (path.len > 0 && path.ptr[path.len - 1] == '/')
		path.len--;
	return (segments){path, path.len > 0};
}

static size_t count(const segments *s)
{
	size_t n = s->any ? 1 : 0;
	for (size_t i = 0; i < s->rest.len && s->any; i++)
		n += s->rest.ptr[i] == '/';
	return n;
}

/* The next segment without taking it; empty at the end. */
static sp_str peek(const segments *s)
{
	ptrdiff_t slash = s->any ? sp_str_index(s->rest, '/') : 0;
	return sp_str_sub(s->rest, 0, slash < 0 ? s->rest.len : (size_t)slash);
}

static sp_str take(segments *s)
{
	sp_str head = peek(s);
	s->any = head.len < s->rest.len;
	s->rest = sp_str_sub(s->rest, head.len + 1, s->rest.len);
	return head;
}

static sp_str method_verb(sp_str method)
{
	static const struct {
		sp_str method, verb;
	} rows[] = {
		{SP_STR_INIT("GET"), SP_STR_INIT("get")},     {SP_STR_INIT("HEAD"), SP_STR_INIT("get")},
		{SP_STR_INIT("POST"), SP_STR_INIT("create")}, {SP_STR_INIT("PUT"), SP_STR_INIT("update")},
		{SP_STR_INIT("PATCH"), SP_STR_INIT("patch")}, {SP_STR_INIT("DELETE"), SP_STR_INIT("delete")},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		if (sp_str_eq(method, rows[i].method))
			return rows[i].verb;
	}
	return SP_STR("");
}

bool api_query_flag(const sp_url_query *query, sp_str key)
{
	const sp_url_pair *pair = sp_url_query_find(query, key);
	return pair != NULL && !sp_str_eq(pair->value, SP_STR("0")) &&
	       !sp_str_eq_nocase(pair->value, SP_STR("false"));
}

/* The name that a field selector fixes: "metadata.name=x" among its terms; empty when none does. */
static sp_str selected_name(sp_str selector)
{
	while (selector.len > 0) {
		sp_str term;
		(void)sp_str_next(&selector, ',', &term);
		if (!sp_str_take(&term, SP_STR("metadata.name=")))
			continue;
		(void)sp_str_take(&term, SP_STR("="));
		if (sp_name_path_segment(term).n == 0)
			return term;
	}
	return (sp_str){NULL, 0};
}

static void read_selectors(const sp_url_query *query, api_reqinfo *ret)
{
	if (ret->name.len == 0 && sp_str_eq(ret->verb, SP_STR("get"))) {
		ret->verb = api_query_flag(query, SP_STR("watch")) ? SP_STR("watch") : SP_STR("list");
		ret->name = selected_name(sp_url_query_get(query, SP_STR("fieldSelector")));
	} else if (ret->name.len == 0 && sp_str_eq(ret->verb, SP_STR("delete"))) {
		ret->verb = SP_STR("deletecollection");
	}
	if (!ret->watch_path &&
	    (sp_str_eq(ret->verb, SP_STR("list")) || sp_str_eq(ret->verb, SP_STR("watch")) ||
	     sp_str_eq(ret->verb, SP_STR("deletecollection")))) {
		ret->field_selector = sp_url_query_get(query, SP_STR("fieldSelector"));
		ret->label_selector = sp_url_query_get(query, SP_STR("labelSelector"));
	}
}

/* The part behind the version: [namespaces/NS/]RESOURCE[/NAME[/SUBRESOURCE[/…]]]. */
static void read_resource(segments s, api_reqinfo *ret)
{
	size_t n = count(&s);
	if (sp_str_eq(peek(&s), SP_STR("namespaces")) && n > 1) {
		segments at = s;
		(void)take(&at);
		ret->ns = take(&at);
		sp_str third = peek(&at);
		if (n > 2 && !sp_str_eq(third, SP_STR("status")) && !sp_str_eq(third, SP_STR("finalize")))
			s = at;
	}
	ret->resource = take(&s);
	ret->name = take(&s);
	if (sp_str_eq(ret->verb, SP_STR("proxy"))) {
		ret->rest = s.rest;
		return;
	}
	ret->subresource = take(&s);
	ret->rest = s.rest;
}

static sp_code lower(sp_arena *a, sp_str s, sp_str *ret, sp_err *err)
{
	char *out = sp_arena_try_alloc(a, s.len + 1);
	if (out == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for the request");
	for (size_t i = 0; i < s.len; i++)
		out[i] = (char)(s.ptr[i] >= 'A' && s.ptr[i] <= 'Z' ? s.ptr[i] | 0x20 : s.ptr[i]);
	*ret = (sp_str){out, s.len};
	return SP_OK;
}

sp_code api_reqinfo_parse(sp_arena *a, sp_str method, sp_str encoded_path, const sp_url_query *query,
			  api_reqinfo *ret, sp_err *err)
{
	api_reqinfo info = {0};
	SP_TRY(sp_url_decode_path(a, encoded_path, &info.path, err));
	SP_TRY(lower(a, method, &info.verb, err));
	segments s = split(info.path);
	size_t n = count(&s);
	bool core = sp_str_eq(peek(&s), SP_STR("api"));
	if (n < 3 || (!core && (n < 4 || !sp_str_eq(peek(&s), SP_STR("apis"))))) {
		*ret = info;
		return SP_OK;
	}
	info.is_resource = true;
	info.prefix = take(&s);
	if (!core)
		info.group = take(&s);
	info.version = take(&s);
	sp_str special = peek(&s);
	if (sp_str_eq(special, SP_STR("watch")) || sp_str_eq(special, SP_STR("proxy"))) {
		if (count(&s) < 2)
			return sp_fail(err, SP_EINVAL,
				       "unable to determine kind and namespace from url, " SP_FMT,
				       SP_ARG(encoded_path));
		info.verb = take(&s);
		info.watch_path = true;
	} else {
		info.verb = method_verb(method);
	}
	read_resource(s, &info);
	read_selectors(query, &info);
	*ret = info;
	return SP_OK;
}
