/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/reqinfo.h"

#include "lib/t.h"

SP_TEST(reqinfo, reads_paths)
{
	static const struct {
		const char *method, *path, *query;
		const char *verb, *group, *version, *ns, *resource, *name, *subresource, *rest;
	} rows[] = {
		{"GET", "/api/v1/pods", "", "list", "", "v1", "", "pods", "", "", ""},
		{"GET", "/api/v1/pods", "watch=true", "watch", "", "v1", "", "pods", "", "", ""},
		{"GET", "/api/v1/pods", "watch=0", "list", "", "v1", "", "pods", "", "", ""},
		{"GET", "/api/v1/pods", "watch", "watch", "", "v1", "", "pods", "", "", ""},
		{"GET", "/api/v1/pods", "fieldSelector=metadata.name%3Dx", "list", "", "v1", "", "pods", "x",
		 "", ""},
		{"GET", "/api/v1/pods", "fieldSelector=a%3Db,metadata.name%3D%3Dx&watch=1", "watch", "", "v1",
		 "", "pods", "x", "", ""},
		{"GET", "/api/v1/pods", "fieldSelector=metadata.name%3Da%2Fb", "list", "", "v1", "", "pods",
		 "", "", ""},
		{"HEAD", "/api/v1/namespaces/n/pods/p", "", "get", "", "v1", "n", "pods", "p", "", ""},
		{"POST", "/api/v1/namespaces/n/pods/p/exec", "", "create", "", "v1", "n", "pods", "p", "exec",
		 ""},
		{"GET", "/api/v1/namespaces/n/pods/p/proxy/a/b", "", "get", "", "v1", "n", "pods", "p",
		 "proxy", "a/b"},
		{"GET", "/api/v1/namespaces", "", "list", "", "v1", "", "namespaces", "", "", ""},
		{"GET", "/api/v1/namespaces/n", "", "get", "", "v1", "n", "namespaces", "n", "", ""},
		{"PUT", "/api/v1/namespaces/n/finalize", "", "update", "", "v1", "n", "namespaces", "n",
		 "finalize", ""},
		{"PUT", "/api/v1/namespaces/n/status", "", "update", "", "v1", "n", "namespaces", "n",
		 "status", ""},
		{"DELETE", "/apis/apps/v1/namespaces/n/deployments", "", "deletecollection", "apps", "v1",
		 "n", "deployments", "", "", ""},
		{"DELETE", "/apis/apps/v1/namespaces/n/deployments/d/", "", "delete", "apps", "v1", "n",
		 "deployments", "d", "", ""},
		{"PATCH", "/apis/apps/v1/namespaces/n/deployments/d/scale", "", "patch", "apps", "v1", "n",
		 "deployments", "d", "scale", ""},
		{"GET", "/api/v1/watch/namespaces/n/pods", "", "watch", "", "v1", "n", "pods", "", "", ""},
		{"OPTIONS", "/api/v1/pods", "", "", "", "v1", "", "pods", "", "", ""},
		{"GET", "/api/v1/p%6Fds", "", "list", "", "v1", "", "pods", "", "", ""},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s %s?%s", rows[i].method, rows[i].path, rows[i].query);
		sp_url_query q;
		api_reqinfo r;
		T_OK(sp_url_query_parse(T_ARENA, sp_str_c(rows[i].query), &q, T_ERR));
		T_OK(api_reqinfo_parse(T_ARENA, sp_str_c(rows[i].method), sp_str_c(rows[i].path), &q, &r,
				       T_ERR));
		T_TRUE(r.is_resource);
		T_EQ_C(r.verb, rows[i].verb);
		T_EQ_C(r.group, rows[i].group);
		T_EQ_C(r.version, rows[i].version);
		T_EQ_C(r.ns, rows[i].ns);
		T_EQ_C(r.resource, rows[i].resource);
		T_EQ_C(r.name, rows[i].name);
		T_EQ_C(r.subresource, rows[i].subresource);
		T_EQ_C(r.rest, rows[i].rest);
	}
}

SP_TEST(reqinfo, other_paths_are_no_resources)
{
	static const char *const rows[] = {
		"/", "", "/api", "/api/v1", "/apis/apps", "/apis/apps/v1", "/healthz/a/b/c", "//api//"};
	const sp_url_query none = {0};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i]);
		api_reqinfo r;
		T_OK(api_reqinfo_parse(T_ARENA, SP_STR("GET"), sp_str_c(rows[i]), &none, &r, T_ERR));
		T_TRUE(!r.is_resource);
		T_EQ_C(r.verb, "get");
		T_EQ_C(r.path, rows[i]);
	}
}

SP_TEST(reqinfo, refuses_what_has_no_meaning)
{
	const sp_url_query none = {0};
	api_reqinfo r;
	T_CODE(api_reqinfo_parse(T_ARENA, SP_STR("GET"), SP_STR("/api/v1/watch"), &none, &r, T_ERR),
	       SP_EINVAL);
	T_EQ_C(sp_str_c(t_err()->msg), "unable to determine kind and namespace from url, /api/v1/watch");
	T_CODE(api_reqinfo_parse(T_ARENA, SP_STR("GET"), SP_STR("/api/v1/pods/%zz"), &none, &r, T_ERR),
	       SP_EINVAL);
	T_EQ_C(sp_str_c(t_err()->msg), "invalid URL escape \"%zz\"");
}

SP_TEST(url, query_pairs)
{
	sp_url_query q;
	T_OK(sp_url_query_parse(T_ARENA, SP_STR("a=1&b=x+y%2B&&c&d=1;2&%zz=1&a=2&e="), &q, T_ERR));
	T_EQ_U64(q.n, 5);
	T_EQ_C(sp_url_query_get(&q, SP_STR("a")), "1");
	T_EQ_C(sp_url_query_get(&q, SP_STR("b")), "x y+");
	T_TRUE(sp_url_query_find(&q, SP_STR("c")) != NULL);
	T_TRUE(sp_url_query_find(&q, SP_STR("d")) == NULL);
	T_EQ_C(q.pairs[3].value, "2");
	char *many = sp_arena_try_alloc(T_ARENA, SP_URL_PAIRS_MAX + 1);
	T_TRUE(many != NULL);
	memset(many, '&', SP_URL_PAIRS_MAX + 1);
	T_CODE(sp_url_query_parse(T_ARENA, (sp_str){many, SP_URL_PAIRS_MAX + 1}, &q, T_ERR), SP_ETOOLARGE);
}
