/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials that change while a client runs: tokens in files, certificates that it asks for. */
#include "base/base64.h"
#include "client/accounts.h"
#include "client/certificate.h"
#include "io/tls/x509.h"
#include "keys/pki.h"
#include "kube/view.h"
#include "lib/client_host.h"
#include "lib/store_help.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define RBAC(resource) SP_GVR("rbac.authorization.k8s.io", "v1", resource)

typedef struct rig {
	t_api api;
	t_user admin, user;
} rig;

static rig *open_rig(const sp_client_config *credentials)
{
	rig *r = sp_new(T_ARENA, rig, 1);
	t_no_faults();
	(void)(t_api_open(&r->api, &(sp_sim_opts){.seed = t_random()}, NULL) && t_api_guard(&r->api) &&
	       t_user_open(&r->admin, &r->api, "admin", true) &&
	       t_user_open_as(&r->user, &r->api, "user", credentials));
	return r;
}

static void pass(rig *r, uint64_t seconds)
{
	sp_sim_run_until(r->api.sim, sp_sim_now_ns(r->api.sim) + seconds * SECOND);
}

static yyjson_val *answer(t_user *u)
{
	yyjson_val *v = NULL;
	sp_str body = sp_arena_try_dup(T_ARENA, sp_buf_view(&u->body));
	return sp_json_parse(T_ARENA, body, &v, NULL) == SP_OK ? v : NULL;
}

/* ---- tokens ---- */

static bool make_account(rig *r, const char *name)
{
	return t_ask_ok(&r->admin,
			&(sp_ask){.verb = SP_ASK_CREATE,
				  .gvr = SP_SERVICEACCOUNTS,
				  .ns = SP_STR("default"),
				  .body = sp_arena_printf(T_ARENA, "{\"metadata\":{\"name\":\"%s\"}}", name)},
			SP_OK);
}

static bool delete_account(rig *r, const char *ns, const char *name)
{
	return t_ask_ok(&r->admin,
			&(sp_ask){.verb = SP_ASK_DELETE,
				  .gvr = SP_SERVICEACCOUNTS,
				  .ns = sp_str_c(ns),
				  .name = sp_str_c(name)},
			SP_OK);
}

/* The user's file has a token of that account from now on. */
static bool put_token(rig *r, const char *name)
{
	const sp_ask ask = {.verb = SP_ASK_CREATE,
			    .gvr = SP_SERVICEACCOUNTS,
			    .ns = SP_STR("default"),
			    .name = sp_str_c(name),
			    .subresource = SP_STR("token"),
			    .body = SP_STR("{\"spec\":{\"audiences\":[]}}")};
	return t_ask_ok(&r->admin, &ask, SP_OK) &&
	       sp_file_replace(r->user.world, SP_STR("/token"),
			       sp_view_str_at(answer(&r->admin), "status.token"), 0600, T_ERR) == SP_OK;
}

/* Whom the server takes the user for; empty: the test has failed. */
static sp_str whoami(rig *r)
{
	const sp_ask ask = {.verb = SP_ASK_CREATE,
			    .gvr = SP_GVR("authentication.k8s.io", "v1", "selfsubjectreviews"),
			    .body = SP_STR("{}")};
	sp_str who = SP_STR("");
	if (t_ask_ok(&r->user, &ask, SP_OK))
		who = sp_view_str_at(answer(&r->user), "status.userInfo.username");
	return who;
}

SP_TEST(sim_credentials, tokens_are_read_again)
{
	static const struct {
		const char *what;
		sp_client_config with;
	} rows[] = {
		{"a token", {.h2 = true}},
		{"a certificate too",
		 {.h2 = true, .source = SP_STR_INIT("/none"), .cert_pem = SP_STR_INIT("x")}},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		sp_client_config config = rows[i].with;
		t_row("%s", rows[i].what);
		config.token = SP_STR("not.a.token");
		config.token_file = SP_STR("/token");
		rig *r = open_rig(&config);
		T_TRUE(!t_failed());
		T_TRUE(make_account(r, "a"));
		T_TRUE(make_account(r, "b"));
		T_TRUE(put_token(r, "a"));
		T_EQ_C(whoami(r), "system:serviceaccount:default:a"); /* 401, and once more */
		T_TRUE(put_token(r, "b"));
		T_EQ_C(whoami(r), "system:serviceaccount:default:a");
		pass(r, 61);
		(void)whoami(r);
		T_EQ_C(whoami(r), "system:serviceaccount:default:b");
	}
}

static void on_ready(void *arg)
{
	*(bool *)arg = true;
}

static bool is_set(void *arg)
{
	return *(bool *)arg;
}

/* A change by update is two requests of two identities, and neither's new token is missed. */
SP_TEST(sim_credentials, both_halves_of_an_update_have_tries)
{
	const sp_client_config config = {
		.h2 = true, .token = SP_STR("not.a.token"), .token_file = SP_STR("/token")};
	const sp_str account = SP_STR("root-ca-cert-publisher");
	rig *r = open_rig(&config);
	sp_accounts *set;
	sp_client *client;
	bool *ready = sp_new(T_ARENA, bool, 1);
	T_TRUE(!t_failed());
	T_TRUE(make_account(r, "a"));
	T_TRUE(t_ask_ok(
		&r->admin,
		&(sp_ask){.verb = SP_ASK_CREATE,
			  .gvr = RBAC("clusterrolebindings"),
			  .body = SP_STR("{\"metadata\":{\"name\":\"a\"},\"roleRef\":{\"apiGroup\":"
					 "\"rbac.authorization.k8s.io\",\"kind\":\"ClusterRole\",\"name\":"
					 "\"cluster-admin\"},\"subjects\":[{\"kind\":\"ServiceAccount\","
					 "\"namespace\":\"default\",\"name\":\"a\"}]}")},
		SP_OK));
	T_TRUE(t_ask_ok(&r->admin,
			&(sp_ask){.verb = SP_ASK_CREATE,
				  .gvr = SP_CONFIGMAPS,
				  .ns = SP_STR("default"),
				  .body = SP_STR("{\"metadata\":{\"name\":\"m\"}}")},
			SP_OK));
	T_TRUE(put_token(r, "a"));
	T_EQ_C(whoami(r), "system:serviceaccount:default:a");
	T_OK(sp_accounts_new(r->user.client, NULL, SP_STR("kube-system"), &set, T_ERR));
	T_DEFER(sp_accounts_free, set);
	T_OK(sp_accounts_client(set, account, &client, T_ERR));
	sp_accounts_start(set, on_ready, ready);
	T_TRUE(sp_sim_run(r->api.sim, is_set, ready, sp_sim_now_ns(r->api.sim) + 100 * SECOND));
	T_TRUE(delete_account(r, "default", "a"));
	T_TRUE(delete_account(r, "kube-system", account.ptr));
	T_TRUE(make_account(r, "a"));
	T_TRUE(put_token(r, "a"));
	pass(r, 60);
	sp_client *own = r->user.client;
	r->user.client = client;
	const sp_ask update = {.verb = SP_ASK_MERGE_UPDATE,
			       .gvr = SP_CONFIGMAPS,
			       .ns = SP_STR("default"),
			       .name = SP_STR("m"),
			       .body = SP_STR("{\"data\":{\"a\":\"1\"}}")};
	t_ask(&r->user, &update);
	r->user.client = own;
	T_CODE(r->user.code, SP_OK);
}

/* ---- certificates ---- */

#define REQUESTS SP_GVR("certificates.k8s.io", "v1", "certificatesigningrequests")
#define LIFE_S 10000

typedef struct asker {
	rig *r;
	sp_certificate *certificate;
	sp_x509_ca *ca;
	unsigned n_changes;
	bool closed;
} asker;

static void on_changed(void *arg)
{
	((asker *)arg)->n_changes++;
}

static void asker_close(void *arg)
{
	asker *a = arg;
	sp_sim *s = a->r->api.sim;
	sp_certificate_close(a->certificate, on_ready, &a->closed);
	if (sp_sim_run(s, is_set, &a->closed, sp_sim_now_ns(s) + 100 * SECOND))
		sp_certificate_free(a->certificate);
	else
		(void)t_fail(__FILE__, __LINE__, "it does not close");
}

static int64_t now_s(const asker *a)
{
	return sp_wall_ns(a->r->user.world) / (int64_t)SECOND;
}

static bool make_ca(asker *a)
{
	SP_AUTO_KEY key = NULL;
	SP_AUTO_BUF pem;
	sp_buf_init(&pem, 10000);
	const sp_x509_template t = {.common_name = SP_STR("ca"),
				    .not_before_s = now_s(a),
				    .not_after_s = now_s(a) + 1000 * LIFE_S,
				    .usages = SP_X509_CA};
	if (sp_key_new(&key, T_ERR) != SP_OK || sp_x509_issue(&t, key, NULL, &pem, T_ERR) != SP_OK ||
	    sp_x509_ca_new(sp_buf_view(&pem), key, &a->ca, T_ERR) != SP_OK)
		return false;
	T_DEFER(sp_x509_ca_free, a->ca);
	return true;
}

static bool open_certificate(asker *a)
{
	static const sp_str group = SP_STR_INIT("system:nodes"), dns = SP_STR_INIT("n1");
	const sp_certificate_opts o = {.client = a->r->user.client,
				       .log = a->r->api.log,
				       .path = SP_STR("/pair.pem"),
				       .signer = SP_STR("kubernetes.io/kubelet-serving"),
				       .usages = SP_STR("[\"digital signature\",\"server auth\"]"),
				       .names = {.common_name = SP_STR("system:node:n1"),
						 .organizations = &group,
						 .n_organizations = 1,
						 .dns = &dns,
						 .n_dns = 1},
				       .changed = on_changed,
				       .arg = a};
	if (sp_certificate_new(&o, &a->certificate, T_ERR) != SP_OK)
		return false;
	T_DEFER(asker_close, a);
	return true;
}

static asker *open_asker(void)
{
	asker *a = sp_new(T_ARENA, asker, 1);
	a->r = open_rig(&(sp_client_config){.h2 = true});
	if (t_failed() || !make_ca(a) || !open_certificate(a))
		(void)t_fail(__FILE__, __LINE__, "no certificate is asked for: %s", T_ERR->msg);
	return a;
}

/* The one request there is, signed or not; NULL: none. */
static yyjson_val *request(asker *a)
{
	if (!t_ask_ok(&a->r->admin, &(sp_ask){.verb = SP_ASK_LIST, .gvr = REQUESTS}, SP_OK))
		return NULL;
	return yyjson_arr_get_first(sp_view_at(answer(&a->r->admin), "items"));
}

static bool has_request(asker *a, uint64_t within_s)
{
	for (uint64_t s = 0; request(a) == NULL; s += 10) {
		if (s >= within_s)
			return false;
		pass(a->r, 10);
	}
	return true;
}

/* The request as PEM; or one of the same names and another key. */
static sp_str request_pem(asker *a, bool other_key)
{
	SP_AUTO_KEY key = NULL;
	SP_AUTO_BUF pem;
	size_t n = 0;
	static const sp_str group = SP_STR_INIT("system:nodes"), dns = SP_STR_INIT("n1");
	const sp_x509_template t = {.common_name = SP_STR("system:node:n1"),
				    .organizations = &group,
				    .n_organizations = 1,
				    .dns = &dns,
				    .n_dns = 1};
	sp_str text = sp_view_str_at(request(a), "spec.request");
	uint8_t *bytes = sp_arena_try_alloc(T_ARENA, text.len + 1);
	sp_buf_init(&pem, 10000);
	if (sp_base64_decode(text, bytes, &n, T_ERR) != SP_OK || sp_key_new(&key, T_ERR) != SP_OK ||
	    sp_x509_request_new(&t, key, &pem, T_ERR) != SP_OK)
		return SP_STR("");
	return other_key ? sp_arena_try_dup(T_ARENA, sp_buf_view(&pem)) : (sp_str){(const char *)bytes, n};
}

/* Somebody approves and signs it; then the request is of no use any more. */
static bool sign(asker *a, bool other_key)
{
	SP_AUTO_BUF pem, text;
	static const sp_str usages[] = {SP_STR_INIT("digital signature"), SP_STR_INIT("server auth")};
	sp_str name = sp_view_str_at(request(a), "metadata.name");
	sp_buf_init(&pem, 10000);
	sp_buf_init(&text, 20000);
	const sp_x509_request r = {.pem = request_pem(a, other_key),
				   .usages = usages,
				   .n_usages = 2,
				   .not_before_s = now_s(a),
				   .not_after_s = now_s(a) + LIFE_S};
	if (sp_x509_request_sign(&r, a->ca, &pem, T_ERR) != SP_OK)
		return false;
	(void)sp_base64_append(&text, pem.ptr, pem.len);
	sp_ask patch = {
		.verb = SP_ASK_MERGE_PATCH,
		.gvr = REQUESTS,
		.name = name,
		.subresource = SP_STR("approval"),
		.body = SP_STR("{\"status\":{\"conditions\":[{\"type\":\"Approved\",\"status\":\"True\","
			       "\"reason\":\"Me\"}]}}")};
	bool ok = t_ask_ok(&a->r->admin, &patch, SP_OK);
	patch.subresource = SP_STR("status");
	patch.body = sp_arena_printf(T_ARENA, "{\"status\":{\"certificate\":\"" SP_FMT "\"}}",
				     SP_ARG(sp_buf_view(&text)));
	ok = ok && t_ask_ok(&a->r->admin, &patch, SP_OK);
	pass(a->r, 30); /* it may have to be followed anew */
	return ok &&
	       t_ask_ok(&a->r->admin, &(sp_ask){.verb = SP_ASK_DELETE, .gvr = REQUESTS, .name = name}, SP_OK);
}

static sp_str content(asker *a)
{
	sp_str s;
	if (sp_file_read_arena(a->r->user.world, SP_STR("/pair.pem"), T_ARENA, 1 << 20, &s, T_ERR) != SP_OK)
		return SP_STR("");
	return s;
}

SP_TEST(sim_credentials, certificates_are_asked_for_in_time)
{
	asker *a = open_asker();
	T_TRUE(!t_failed());
	for (unsigned i = 0; i < 3; i++) {
		sp_str before = content(a);
		T_TRUE(has_request(a, 10));
		T_TRUE(sign(a, false));
		T_EQ_U64(a->n_changes, i + 1);
		T_TRUE(!sp_str_eq(content(a), before));
		pass(a->r, LIFE_S / 10 * 7 - 100);
		T_TRUE(request(a) == NULL);
		T_TRUE(has_request(a, LIFE_S / 10 * 2 + 200));
	}
}

SP_TEST(sim_credentials, only_what_was_asked_for_is_written)
{
	asker *a = open_asker();
	T_TRUE(!t_failed());
	T_TRUE(has_request(a, 10));
	T_TRUE(sign(a, false));
	sp_str before = content(a);
	T_TRUE(has_request(a, LIFE_S));
	T_TRUE(sign(a, true));
	T_EQ_U64(a->n_changes, 1);
	T_TRUE(sp_str_eq(content(a), before));
	T_TRUE(has_request(a, 100)); /* another one */
	T_TRUE(sign(a, false));
	T_EQ_U64(a->n_changes, 2);
	T_TRUE(!sp_str_eq(content(a), before));
}

/* ---- the front proxy ---- */

#define YEAR_S INT64_C(31536000)

/* The certificate of a start with certificates that live for a minute; its end; and that the authority's end
 * is the same. */
static bool front_proxy(sp_world *w, sp_str *ret_pem, int64_t *ret_end_s)
{
	const keys_pki_opts o = {.dir = SP_STR("/"), .lifetime_s = 60};
	keys_pki_front_proxy files;
	sp_x509_info *leaf, *ca;
	sp_str ca_pem;
	size_t n;
	if (keys_pki_front_proxy_ensure(w, T_ARENA, &o, &files, T_ERR) != SP_OK ||
	    sp_file_read_arena(w, files.crt, T_ARENA, 1 << 20, ret_pem, T_ERR) != SP_OK ||
	    sp_file_read_arena(w, files.ca_crt, T_ARENA, 1 << 20, &ca_pem, T_ERR) != SP_OK ||
	    sp_x509_inspect_pem(*ret_pem, T_ARENA, &leaf, &n, T_ERR) != SP_OK ||
	    sp_x509_inspect_pem(ca_pem, T_ARENA, &ca, &n, T_ERR) != SP_OK)
		return t_fail(__FILE__, __LINE__, "no front proxy: %s", T_ERR->msg);
	*ret_end_s = leaf[0].not_after_s;
	return leaf[0].not_after_s == ca[0].not_after_s;
}

/* A server that is not started again for years is known to aggregated ones all the same. */
SP_TEST(sim_credentials, the_front_proxy_lasts)
{
	sp_sim *sim = sp_sim_new(NULL);
	T_DEFER(sp_sim_free, sim);
	sp_sim_host *host = sp_sim_host_new(sim, "a", NULL, NULL);
	sp_world *w = sp_sim_world(host);
	sp_str first, now;
	int64_t end_s, start_s = sp_wall_ns(w) / (int64_t)SECOND;
	T_TRUE(front_proxy(w, &first, &end_s));
	T_TRUE(end_s > start_s + 9 * YEAR_S);
	sp_sim_clock_jump(host, 5 * YEAR_S * (int64_t)SECOND);
	T_TRUE(front_proxy(w, &now, &end_s));
	T_TRUE(sp_str_eq(now, first));
	sp_sim_clock_jump(host, 3 * YEAR_S * (int64_t)SECOND);
	T_TRUE(front_proxy(w, &now, &end_s));
	T_TRUE(!sp_str_eq(now, first));
	T_TRUE(end_s > start_s + 17 * YEAR_S);
}
