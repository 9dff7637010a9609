/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration, objects and texts of the client library. */
#include "client/client_int.h"

#include "base/url.h"
#include "client/object.h"
#include "client/patch.h"
#include "io/file.h"
#include "io/uv/uv.h"
#include "lib/t.h"

#define CLUSTER "\"clusters\":[{\"name\":\"c\",\"cluster\":{\"server\":\"%s\"%s}}],"
#define CONTEXT                                                                                              \
	"\"contexts\":[{\"name\":\"x\",\"context\":{\"cluster\":\"c\",\"user\":\"u\",\"namespace\":\"n1\"}}" \
	"],"                                                                                                 \
	"\"current-context\":\"x\","

static sp_str config_text(const char *server, const char *cluster, const char *user)
{
	return sp_arena_printf(T_ARENA, "{" CONTEXT CLUSTER "\"users\":[{\"name\":\"u\",\"user\":{%s}}]}",
			       server, cluster, user);
}

static sp_code parse(sp_str text, sp_client_config *c, sp_err *err)
{
	return sp_client_config_parse(NULL, T_ARENA, text, SP_STR("/etc/k"), SP_STR(""), c, err);
}

SP_TEST(client, servers)
{
	static const struct {
		const char *server, *scheme, *address, *prefix;
	} rows[] = {
		{"https://10.0.0.1:6443", "https", "10.0.0.1:6443", ""},
		{"https://api.example", "https", "api.example:443", ""},
		{"http://api.example/", "http", "api.example:80", ""},
		{"https://[::1]:6443", "https", "[::1]:6443", ""},
		{"https://[::1]", "https", "[::1]:443", ""},
		{"https://r.example/k8s/clusters/c-1//", "https", "r.example:443", "/k8s/clusters/c-1"},
		{"api.example:8443", "https", "api.example:8443", ""},
		{"https://", NULL, NULL, NULL},
		{"", NULL, NULL, NULL},
		{"https://a:0", NULL, NULL, NULL},
		{"https://a:65536", NULL, NULL, NULL},
		{"https://u:p@a:1", NULL, NULL, NULL},
		{"https://:1", NULL, NULL, NULL},
		{"https://a/x?y", NULL, NULL, NULL},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].server);
		sp_client_config c;
		sp_code code = parse(config_text(rows[i].server, "", "\"token\":\"t\""), &c, T_ERR);
		if (rows[i].scheme == NULL) {
			T_CODE(code, SP_EINVAL);
			continue;
		}
		T_OK(code);
		T_EQ_C(c.scheme, rows[i].scheme);
		T_EQ_C(c.address, rows[i].address);
		T_EQ_C(c.prefix, rows[i].prefix);
		T_EQ_C(c.namespace_, "n1");
		T_EQ_C(c.token, "t");
	}
}

SP_TEST(client, refused_configurations)
{
	static const struct {
		const char *cluster, *user, *says;
		sp_code code;
	} rows[] = {
		{"", "\"exec\":{\"command\":\"x\"}", "kubeconfig: credentials by exec are not supported",
		 SP_EUNSUPPORTED},
		{"", "\"auth-provider\":{\"name\":\"gcp\"}",
		 "kubeconfig: credentials by auth-provider are not supported", SP_EUNSUPPORTED},
		{",\"proxy-url\":\"http://p\"", "", "kubeconfig: proxy-url is not supported",
		 SP_EUNSUPPORTED},
		{",\"certificate-authority-data\":\"!\"", "",
		 "kubeconfig: certificate-authority-data: illegal base64 data at input byte 0", SP_EINVAL},
		{",\"certificate-authority\":\"ca.crt\"", "", "kubeconfig: certificate-authority is a file",
		 SP_EUNSUPPORTED},
		{",\"insecure-skip-tls-verify\":true,\"certificate-authority-data\":\"QQ==\"", "",
		 "kubeconfig: insecure-skip-tls-verify and certificate-authority exclude each other",
		 SP_EINVAL},
		{"", "\"client-key-data\":\"QQ==\"",
		 "kubeconfig: a client certificate and its key go together", SP_EINVAL},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		sp_client_config c;
		sp_err err = {0};
		t_row("%s", rows[i].says);
		sp_str text = config_text("https://a", rows[i].cluster, rows[i].user);
		T_CODE(parse(text, &c, &err), rows[i].code);
		T_EQ_C(sp_str_c(err.msg), rows[i].says);
	}
}

SP_TEST(client, contexts)
{
	sp_client_config c;
	sp_err err = {0};
	sp_str text = SP_STR("apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts:\n"
			     "- {name: a, context: {cluster: k, user: one}}\n"
			     "- {name: b, context: {cluster: k, user: two, namespace: ns}}\n"
			     "- {name: bad, context: {cluster: none}}\n"
			     "clusters:\n- name: k\n  cluster:\n    server: https://h:1\n"
			     "    certificate-authority-data: UEVN\n    tls-server-name: kube\n"
			     "users:\n- name: one\n  user: {username: u, password: p}\n"
			     "- name: two\n  user: {token: t, as: boss, as-groups: [g1, g2]}\n");
	T_OK(parse(text, &c, T_ERR));
	T_EQ_C(c.username, "u");
	T_EQ_C(c.password, "p");
	T_EQ_C(c.namespace_, "default");
	T_EQ_C(c.ca_pem, "PEM");
	T_EQ_C(c.server_name, "kube");
	T_OK(sp_client_config_parse(NULL, T_ARENA, text, SP_STR("/"), SP_STR("b"), &c, T_ERR));
	T_EQ_C(c.token, "t");
	T_EQ_C(c.as, "boss");
	T_EQ_U64(c.n_as_groups, 2);
	T_EQ_C(c.as_groups[1], "g2");
	T_EQ_C(c.namespace_, "ns");
	T_CODE(sp_client_config_parse(NULL, T_ARENA, text, SP_STR("/"), SP_STR("bad"), &c, &err),
	       SP_ENOTFOUND);
	T_EQ_C(sp_str_c(err.msg), "kubeconfig: no cluster 'none' among the clusters");
	T_CODE(sp_client_config_parse(NULL, T_ARENA, text, SP_STR("/"), SP_STR("z"), &c, NULL), SP_ENOTFOUND);
}

static void write_file(sp_world *w, const char *name, const char *text)
{
	sp_str path = sp_arena_printf(T_ARENA, "%s/%s", t_tmpdir(), name);
	if (sp_file_replace(w, path, sp_str_c(text), 0600, T_ERR) != SP_OK)
		(void)t_fail(__FILE__, __LINE__, "%s", t_err()->msg);
}

SP_TEST(client, files)
{
	sp_world *w;
	sp_client_config c;
	T_OK(sp_world_uv_new(&w, T_ERR));
	T_DEFER(sp_world_uv_free, w);
	write_file(w, "ca", "PEM");
	write_file(w, "tok", " secret\n");
	write_file(
		w, "k",
		"apiVersion: v1\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: k, user: u}}]\n"
		"clusters: [{name: k, cluster: {server: 'https://h:1', certificate-authority: ca}}]\n"
		"users: [{name: u, user: {tokenFile: tok}}]\n");
	T_OK(sp_client_config_load(w, T_ARENA, sp_arena_printf(T_ARENA, "%s/k", t_tmpdir()), SP_STR(""), &c,
				   T_ERR));
	T_EQ_C(c.ca_pem, "PEM");
	T_EQ_C(c.token, "secret");
	T_EQ_STR(c.token_file, sp_arena_printf(T_ARENA, "%s/tok", t_tmpdir()));
}

SP_TEST(client, in_a_pod)
{
	sp_world *w;
	sp_client_config c;
	T_OK(sp_world_uv_new(&w, T_ERR));
	T_DEFER(sp_world_uv_free, w);
	write_file(w, "ca.crt", "PEM");
	write_file(w, "token", "secret\n");
	write_file(w, "namespace", "here");
	sp_str dir = sp_str_c(t_tmpdir());
	T_OK(sp_client_config_in_cluster(w, T_ARENA, SP_STR("fd00::1"), SP_STR("443"), dir, &c, T_ERR));
	T_EQ_C(c.address, "[fd00::1]:443");
	T_EQ_C(c.token, "secret");
	T_EQ_C(c.namespace_, "here");
	T_CODE(sp_client_config_in_cluster(w, T_ARENA, SP_STR(""), SP_STR(""), dir, &c, NULL), SP_EINVAL);
}

/* ---- texts ---- */

SP_TEST(client, paths)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1000);
	T_OK(client_path(&out, &SP_PODS, SP_STR("n"), SP_STR("p"), SP_STR("status")));
	T_EQ_C(sp_buf_view(&out), "/api/v1/namespaces/n/pods/p/status");
	sp_buf_clear(&out);
	T_OK(client_path(&out, &SP_DEPLOYMENTS, SP_STR(""), SP_STR(""), SP_STR("")));
	T_EQ_C(sp_buf_view(&out), "/apis/apps/v1/deployments");
	sp_buf_clear(&out);
	T_OK(client_path(&out, &SP_GVR("rbac.authorization.k8s.io", "v1", "clusterroles"), SP_STR(""),
			 SP_STR("system:x y"), SP_STR("")));
	T_EQ_C(sp_buf_view(&out), "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Ax%20y");
	sp_buf_clear(&out);
	T_OK(sp_query_add(&out, "labelSelector", SP_STR("a in (b,c),d!=\xc3\xa4")));
	T_OK(sp_query_add(&out, "limit", SP_STR("5")));
	T_EQ_C(sp_buf_view(&out), "labelSelector=a%20in%20%28b%2Cc%29%2Cd%21%3D%C3%A4&limit=5");
}

SP_TEST(client, codes_of_statuses)
{
	T_EQ_I64(sp_code_of_status(SP_STR("AlreadyExists"), 409), SP_EEXISTS);
	T_EQ_I64(sp_code_of_status(SP_STR("Conflict"), 409), SP_ECONFLICT);
	T_EQ_I64(sp_code_of_status(SP_STR(""), 409), SP_ECONFLICT);
	T_EQ_I64(sp_code_of_status(SP_STR("Expired"), 410), SP_EGONE);
	T_EQ_I64(sp_code_of_status(SP_STR("unheard of"), 422), SP_EINVAL);
	T_EQ_I64(sp_code_of_status(SP_STR(""), 599), SP_EINTERNAL);
}

/* ---- objects ---- */

static const char pod[] =
	"{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"p\",\"namespace\":\"n\",\"uid\":"
	"\"u\","
	"\"resourceVersion\":\"12\",\"managedFields\":[{\"manager\":\"m\"}],\"annotations\":{\"a\":\"1\","
	"\"kubectl.kubernetes.io/last-applied-configuration\":\"{}\"}},\"spec\":{\"nodeName\":\"x\","
	"\"containers\":[{\"name\":\"c\"}],\"affinity\":{\"podAffinity\":{\"q\":1},\"nodeAffinity\":{\"r\":2}"
	"}},"
	"\"status\":{\"phase\":\"Running\"}}";

static void object_drop(void *o)
{
	sp_object_unref(o);
}

static void check_object(const char *paths, const char *want)
{
	const sp_object *o;
	sp_projection *p = sp_projection_new();
	sp_str rest = sp_str_c(paths), one;
	T_TRUE(p != NULL);
	bool ok = true;
	while (sp_str_cut(&rest, ' ', &one))
		ok = ok && sp_projection_add(p, one);
	sp_code code = ok ? sp_object_parse(T_ARENA, sp_str_c(pod), p, &o, T_ERR) : SP_ENOMEM;
	sp_projection_free(p);
	T_OK(code);
	T_DEFER(object_drop, (void *)(uintptr_t)o);
	T_EQ_C(o->key, "n/p");
	T_EQ_C(o->ns, "n");
	T_EQ_C(o->name, "p");
	T_EQ_C(o->uid, "u");
	T_EQ_U64(o->revision, 12);
	T_EQ_C(o->json, want);
}

#define META                                                                                          \
	"{\"metadata\":{\"name\":\"p\",\"namespace\":\"n\",\"uid\":\"u\",\"resourceVersion\":\"12\"," \
	"\"annotations\":{\"a\":\"1\"}}"

SP_TEST(client, projections)
{
	check_object("", META ",\"spec\":{\"nodeName\":\"x\",\"containers\":[{\"name\":\"c\"}],\"affinity\":{"
			      "\"podAffinity\":{\"q\":1},\"nodeAffinity\":{\"r\":2}}},\"status\":{\"phase\":"
			      "\"Running\"}}");
	check_object("status.phase ", META ",\"status\":{\"phase\":\"Running\"}}");
	check_object("spec.nodeName spec.containers ",
		     META ",\"spec\":{\"nodeName\":\"x\",\"containers\":[{\"name\":\"c\"}]}}");
	check_object("spec.affinity.podAffinity spec.absent metadata.name ",
		     META ",\"spec\":{\"affinity\":{\"podAffinity\":{\"q\":1}}}}");
	check_object("spec.affinity.podAffinity spec.affinity ",
		     META ",\"spec\":{\"affinity\":{\"podAffinity\":{\"q\":1},\"nodeAffinity\":{\"r\":2}}}}");
}

SP_TEST(client, keys)
{
	char key[SP_OBJECT_KEY_BYTES], long_name[300];
	sp_str ns, name;
	memset(long_name, 'a', sizeof long_name);
	T_EQ_U64(sp_object_key(key, SP_STR("n"), SP_STR("p")), 3);
	T_EQ_U64(sp_object_key(key, SP_STR(""), SP_STR("p")), 1);
	T_EQ_U64(sp_object_key(key, SP_STR(""), (sp_str){long_name, sizeof long_name}), 0);
	sp_object_key_split(SP_STR("n/p"), &ns, &name);
	T_EQ_C(ns, "n");
	T_EQ_C(name, "p");
	sp_object_key_split(SP_STR("p"), &ns, &name);
	T_EQ_C(ns, "");
	T_EQ_C(name, "p");
	T_EQ_C(sp_object_key_join(T_ARENA, SP_STR("n"), SP_STR("p")), "n/p");
}

static void drop_object(void *arg)
{
	sp_object_unref(*(const sp_object **)arg);
}

SP_TEST(client, finalizers_are_patched)
{
	static const struct {
		const char *without, *with, *want;
	} rows[] = {
		{"", "", "\"a\",\"b\""},   {"a", "", "\"b\""},        {"none", "", "\"a\",\"b\""},
		{"b", "b", "\"a\",\"b\""}, {"a", "a", "\"b\",\"a\""}, {"", "c", "\"a\",\"b\",\"c\""},
	};
	static const sp_object *o;
	yyjson_val *list;
	T_OK(sp_object_parse(
		T_ARENA, SP_STR("{\"metadata\":{\"name\":\"x\",\"uid\":\"u\",\"resourceVersion\":\"7\"}}"),
		NULL, &o, T_ERR));
	t_defer(drop_object, &o);
	T_OK(sp_json_parse(T_ARENA, SP_STR("[\"a\",\"b\"]"), &list, T_ERR));
	const sp_vlist now = {yyjson_arr_get_first(list), yyjson_arr_size(list)};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		SP_AUTO_BUF out;
		sp_buf_init(&out, 1024);
		t_row("without '%s', with '%s'", rows[i].without, rows[i].with);
		T_OK(sp_patch_finalizers(&out, o, now, sp_str_c(rows[i].without), sp_str_c(rows[i].with)));
		T_EQ_STR(sp_buf_view(&out), sp_arena_printf(T_ARENA,
							    "{\"metadata\":{\"uid\":\"u\","
							    "\"resourceVersion\":\"7\",\"finalizers\":[%s]}}",
							    rows[i].want));
	}
	SP_AUTO_BUF small;
	sp_buf_init(&small, 8);
	T_TRUE(sp_patch_finalizers(&small, o, now, SP_STR(""), SP_STR("")) != SP_OK);
}
