/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/bearer.h"
#include "apiserver/jwt.h"
#include "apiserver/local_signer.h"
#include "apiserver/pod_refs.h"
#include "apiserver/rules.h"
#include "apiserver/server.h"
#include "apiserver/static_tokens.h"
#include "apiserver/user.h"
#include "base/base64.h"
#include "io/tls/sign.h"
#include "lib/t.h"

#define ONE(text) ((api_strs){(sp_str[]){SP_STR_INIT(text)}, 1})

static api_rules rules_of(const char *json)
{
	yyjson_val *list = NULL;
	api_rules r;
	if (sp_json_parse(T_ARENA, sp_str_c(json), &list, T_ERR) == SP_OK &&
	    api_rules_read(T_ARENA, list, &r))
		return r;
	(void)t_fail(__FILE__, __LINE__, "rules can't be read");
	return (api_rules){0};
}

/* ---- rules ---- */

SP_TEST(auth, a_rule_allows)
{
	static const struct {
		const char *rule, *verb, *group, *resource, *sub, *name, *path;
		bool yes;
	} rows[] = {
		{"{\"verbs\":[\"get\"],\"apiGroups\":[\"\"],\"resources\":[\"pods\"]}", "get", "", "pods", "",
		 "x", NULL, true},
		{"{\"verbs\":[\"get\"],\"apiGroups\":[\"\"],\"resources\":[\"pods\"]}", "get", "", "pods",
		 "log", "x", NULL, false},
		{"{\"verbs\":[\"get\"],\"apiGroups\":[\"\"],\"resources\":[\"pods/log\"]}", "get", "", "pods",
		 "log", "", NULL, true},
		{"{\"verbs\":[\"get\"],\"apiGroups\":[\"apps\"],\"resources\":[\"*/scale\"]}", "get", "apps",
		 "deployments", "scale", "", NULL, true},
		{"{\"verbs\":[\"get\"],\"apiGroups\":[\"apps\"],\"resources\":[\"*/scale\"]}", "get", "apps",
		 "deployments", "", "", NULL, false},
		{"{\"verbs\":[\"*\"],\"apiGroups\":[\"*\"],\"resources\":[\"*\"]}", "x", "y", "z", "w", "",
		 NULL, true},
		{"{\"verbs\":[\"*\"],\"apiGroups\":[\"*\"],\"resources\":[\"*\"]}", "get", NULL, NULL, NULL,
		 NULL, "/x", false},
		{"{\"verbs\":[\"get\"],\"apiGroups\":[\"\"],\"resources\":[\"secrets\"],\"resourceNames\":["
		 "\"a\"]}",
		 "get", "", "secrets", "", "a", NULL, true},
		{"{\"verbs\":[\"get\"],\"apiGroups\":[\"\"],\"resources\":[\"secrets\"],\"resourceNames\":["
		 "\"a\"]}",
		 "get", "", "secrets", "", "", NULL, false},
		{"{\"verbs\":[\"get\"],\"nonResourceURLs\":[\"/a/*\"]}", "get", NULL, NULL, NULL, NULL,
		 "/a/b", true},
		{"{\"verbs\":[\"get\"],\"nonResourceURLs\":[\"/a/*\"]}", "get", NULL, NULL, NULL, NULL, "/a",
		 false},
		{"{\"verbs\":[\"get\"],\"nonResourceURLs\":[\"*\"]}", "get", NULL, NULL, NULL, NULL, "/a",
		 true},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%zu", i);
		char list[512];
		(void)snprintf(list, sizeof list, "[%s]", rows[i].rule);
		api_rules r = rules_of(list);
		T_TRUE(r.n == 1);
		const api_attributes what = {.is_resource = rows[i].path == NULL,
					     .verb = sp_str_c(rows[i].verb),
					     .group = sp_str_c(rows[i].group),
					     .resource = sp_str_c(rows[i].resource),
					     .subresource = sp_str_c(rows[i].sub),
					     .name = sp_str_c(rows[i].name),
					     .path = sp_str_c(rows[i].path)};
		T_TRUE(api_rule_allows(&r.items[0], &what) == rows[i].yes);
	}
}

static sp_str missing_text(const char *owned, const char *wanted)
{
	api_rules have = rules_of(owned), want = rules_of(wanted), missing = {0};
	SP_AUTO_BUF out;
	sp_buf_init(&out, 65536);
	if (api_rules_missing(T_ARENA, &have, &want, &missing, T_ERR) != SP_OK ||
	    !api_rules_compact(T_ARENA, &missing) || api_rules_print(T_ARENA, &out, &missing) != SP_OK)
		(void)t_fail(__FILE__, __LINE__, "what is missing can't be told");
	return sp_arena_try_dup(T_ARENA, sp_buf_view(&out));
}

SP_TEST(auth, rules_that_are_missing)
{
	static const char pods[] =
		"[{\"verbs\":[\"get\"],\"apiGroups\":[\"\"],\"resources\":[\"configmaps\"]}]";
	T_EQ_STR(missing_text(pods, pods), SP_STR(""));
	T_EQ_STR(missing_text("[]", "[]"), SP_STR(""));
	T_EQ_STR(
		missing_text(pods,
			     "[{\"verbs\":[\"get\",\"list\"],\"apiGroups\":[\"\"],\"resources\":[\"secrets\","
			     "\"configmaps\"]}]"),
		SP_STR("{APIGroups:[\"\"], Resources:[\"configmaps\"], Verbs:[\"list\"]}\n"
		       "{APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"get\" \"list\"]}"));
	/* Everything of resources covers no path, a name no collection, an asterisk a subresource. */
	T_EQ_STR(missing_text("[{\"verbs\":[\"*\"],\"apiGroups\":[\"*\"],\"resources\":[\"*\"]}]",
			      "[{\"verbs\":[\"get\"],\"nonResourceURLs\":[\"/a\"]}]"),
		 SP_STR("{NonResourceURLs:[\"/a\"], Verbs:[\"get\"]}"));
	T_EQ_STR(missing_text("[{\"verbs\":[\"get\"],\"apiGroups\":[\"\"],\"resources\":[\"pods\"],"
			      "\"resourceNames\":[\"a\"]}]",
			      "[{\"verbs\":[\"get\"],\"apiGroups\":[\"\"],\"resources\":[\"pods\"]}]"),
		 SP_STR("{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"get\"]}"));
	T_EQ_STR(missing_text("[{\"verbs\":[\"get\"],\"apiGroups\":[\"\"],\"resources\":[\"*/log\"]}]",
			      "[{\"verbs\":[\"get\"],\"apiGroups\":[\"\"],\"resources\":[\"pods/log\"]}]"),
		 SP_STR(""));
}

SP_TEST(auth, more_actions_than_the_limit)
{
	SP_AUTO_BUF json;
	sp_buf_init(&json, 1 << 20);
	(void)sp_buf_str(&json, SP_STR("[{\"apiGroups\":[\"\"],\"verbs\":["));
	for (unsigned i = 0; i < 400; i++)
		(void)sp_buf_printf(&json, "%s\"v%u\"", i > 0 ? "," : "", i);
	(void)sp_buf_str(&json, SP_STR("],\"resources\":["));
	for (unsigned i = 0; i < 400; i++)
		(void)sp_buf_printf(&json, "%s\"r%u\"", i > 0 ? "," : "", i);
	T_OK(sp_buf_str(&json, SP_STR("]}]")));
	T_TRUE(sp_buf_char(&json, 0) == SP_OK);
	api_rules want = rules_of(json.ptr), have = {0}, missing;
	T_CODE(api_rules_missing(T_ARENA, &have, &want, &missing, T_ERR), SP_ETOOLARGE);
}

/* ---- users ---- */

SP_TEST(auth, names_of_users)
{
	sp_str ns, name;
	T_TRUE(api_user_service_account(SP_STR("system:serviceaccount:d:s"), &ns, &name));
	T_EQ_STR(ns, SP_STR("d"));
	T_EQ_STR(name, SP_STR("s"));
	T_TRUE(!api_user_service_account(SP_STR("system:serviceaccount:d"), &ns, &name));
	T_TRUE(!api_user_service_account(SP_STR("system:serviceaccount:D:s"), &ns, &name));
	T_TRUE(!api_user_service_account(SP_STR("bob"), &ns, &name));
	T_TRUE(api_user_node_name(SP_STR("system:node:n"), &name));
	T_EQ_STR(name, SP_STR("n"));
	T_TRUE(!api_user_node_name(SP_STR("system:node:"), &name));
	const sp_str nodes[] = {SP_STR("system:nodes")};
	api_user u = {.name = SP_STR("system:node:n"), .groups = nodes, .n_groups = 1};
	T_TRUE(api_user_is_node(&u, &name));
	u.n_groups = 0;
	T_TRUE(!api_user_is_node(&u, &name));
	T_TRUE(api_user_settle_groups(T_ARENA, &u));
	T_TRUE(api_user_is_in(&u, SP_STR("system:authenticated")));
	T_TRUE(api_user_settle_groups(T_ARENA, &u));
	T_EQ_U64(u.n_groups, 1);
	u = (api_user){.name = SP_STR("system:anonymous")};
	T_TRUE(api_user_settle_groups(T_ARENA, &u));
	T_EQ_U64(u.n_groups, 0);
}

SP_TEST(auth, authorization_modes)
{
	api_authorization a;
	T_OK(api_authorization_modes(SP_STR("Node,RBAC"), &a, T_ERR));
	T_EQ_U64(a.n, 2);
	T_CODE(api_authorization_modes(SP_STR("RBAC,RBAC"), &a, T_ERR), SP_EINVAL);
	T_CODE(api_authorization_modes(SP_STR("Nope"), &a, T_ERR), SP_EINVAL);
	T_CODE(api_authorization_modes(SP_STR(""), &a, T_ERR), SP_EINVAL);
}

SP_TEST(auth, admission_plugins_by_name)
{
	static const struct {
		const char *on, *off, *why;
	} rows[] = {
		{"NodeRestriction,NoSuch", "", "enable-admission-plugins plugin \"NoSuch\" is unknown"},
		{"", "noderestriction", "disable-admission-plugins plugin \"noderestriction\" is unknown"},
		{"PodSecurity", "LimitRanger,PodSecurity",
		 "[PodSecurity] in enable-admission-plugins and disable-admission-plugins overlapped"},
		{"ImagePolicyWebhook", "", "--enable-admission-plugins: ImagePolicyWebhook is not built yet"},
	};
	api_admission_choice c = {1, 1}, two;
	sp_err err;
	T_OK(api_admission_choose(SP_STR(""), SP_STR("ImagePolicyWebhook"), &c, T_ERR));
	T_TRUE(c.enabled == 0 && c.disabled == 0);
	T_OK(api_admission_choose(SP_STR("AlwaysPullImages"), SP_STR("MutatingAdmissionWebhook"), &c, T_ERR));
	T_OK(api_admission_choose(SP_STR(""), SP_STR("PodSecurity,MutatingAdmissionWebhook"), &two, T_ERR));
	T_TRUE(c.enabled != 0 && (c.enabled & (c.enabled - 1)) == 0 && (c.enabled & c.disabled) == 0);
	T_TRUE(two.enabled == 0 && (two.disabled & c.disabled) == c.disabled && two.disabled != c.disabled);
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		T_CODE(api_admission_choose(sp_str_c(rows[i].on), sp_str_c(rows[i].off), &c, &err),
		       SP_EINVAL);
		T_EQ_C(sp_str_c(err.msg), rows[i].why);
	}
}

/* ---- bearer tokens ---- */

SP_TEST(auth, bearer_headers)
{
	static const struct {
		const char *header, *token;
	} rows[] = {{"Bearer abc", "abc"},
		    {"bearer abc", "abc"},
		    {" Bearer abc ", "abc"},
		    {"Bearer", ""},
		    {"Bearer  abc", ""},
		    {"Basic abc", ""},
		    {"", ""},
		    {"Bearer a b", "a"}};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].header);
		T_EQ_STR(api_bearer_token(sp_str_c(rows[i].header)), sp_str_c(rows[i].token));
	}
}

SP_TEST(auth, bearer_subprotocols)
{
#define P "base64url.bearer.authorization.k8s.io."
	sp_str token;
	T_OK(api_bearer_from_protocols(T_ARENA, SP_STR("v4.channel.k8s.io"), &token, T_ERR));
	T_EQ_STR(token, SP_STR(""));
	T_OK(api_bearer_from_protocols(T_ARENA, SP_STR("v4.channel.k8s.io, " P "dG9rZW4"), &token, T_ERR));
	T_EQ_STR(token, SP_STR("token"));
	T_CODE(api_bearer_from_protocols(T_ARENA, SP_STR(P "dG9rZW4"), &token, T_ERR), SP_EINVAL);
	T_CODE(api_bearer_from_protocols(T_ARENA, SP_STR("a," P "dG9rZW4," P "dG9rZW4"), &token, T_ERR),
	       SP_EINVAL);
	T_CODE(api_bearer_from_protocols(T_ARENA, SP_STR("a," P "d$"), &token, T_ERR), SP_EINVAL);
	T_CODE(api_bearer_from_protocols(T_ARENA, SP_STR("a," P "_w"), &token, T_ERR), SP_EINVAL);
#undef P
}

SP_TEST(auth, tokens_of_a_file)
{
	api_static_tokens t;
	T_OK(api_static_tokens_parse(
		T_ARENA,
		SP_STR("abc,bob,u1\n\n\"d,e\"\"f\",ann,u2,\"g1,g2\"\r\nabc,eve,u3\n,x,y\n"
		       "last,joe,\n"),
		&t, T_ERR));
	T_EQ_U64(t.n, 3);
	const api_user *u = api_static_tokens_find(&t, SP_STR("d,e\"f"));
	T_TRUE(u != NULL && u->n_groups == 2);
	T_EQ_STR(u->groups[1], SP_STR("g2"));
	u = api_static_tokens_find(&t, SP_STR("abc"));
	T_TRUE(u != NULL);
	T_EQ_STR(u->name, SP_STR("eve"));
	T_TRUE(api_static_tokens_find(&t, SP_STR("ab")) == NULL);
	T_TRUE(api_static_tokens_find(&t, SP_STR("")) == NULL);
	static const char *const bad[] = {"a,b", "\"a,b,c\n", "a\"b,c,d\n", "\"a\"b,c,d\n"};
	for (size_t i = 0; i < SP_LEN(bad); i++) {
		t_row("%s", bad[i]);
		T_CODE(api_static_tokens_parse(T_ARENA, sp_str_c(bad[i]), &t, T_ERR), SP_EINVAL);
	}
}

/* ---- JWT ---- */

SP_TEST(auth, base64url)
{
	static const struct {
		const char *text, *bytes;
	} rows[] = {{"", ""}, {"Zg", "f"}, {"Zm8", "fo"}, {"Zm9v", "foo"}, {"_-8", "\xff\xef"}};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		uint8_t out[16];
		size_t n;
		SP_AUTO_BUF text;
		sp_buf_init(&text, 64);
		t_row("%s", rows[i].text);
		T_OK(sp_base64url_decode(sp_str_c(rows[i].text), out, &n, T_ERR));
		T_EQ_STR(((sp_str){(char *)out, n}), sp_str_c(rows[i].bytes));
		T_OK(sp_base64url_append(&text, out, n));
		T_EQ_STR(sp_buf_view(&text), sp_str_c(rows[i].text));
	}
	static const char *const bad[] = {"Z", "Zg==", "Zm9v\n", "Z+", "Z/", "Zh", "Zm9"};
	for (size_t i = 0; i < SP_LEN(bad); i++) {
		uint8_t out[16];
		size_t n;
		t_row("%s", bad[i]);
		T_CODE(sp_base64url_decode(sp_str_c(bad[i]), out, &n, T_ERR), SP_EINVAL);
	}
}

SP_TEST(auth, jwt_apart)
{
	/* {"alg":"ES256","kid":"k1"}.{"iss":"x","exp":12.5}.sig */
	const sp_str token =
		SP_STR("eyJhbGciOiJFUzI1NiIsImtpZCI6ImsxIn0.eyJpc3MiOiJ4IiwiZXhwIjoxMi41fQ.c2ln");
	api_jwt t;
	double when;
	T_OK(api_jwt_parse(T_ARENA, token, &t, T_ERR));
	T_EQ_STR(t.alg, SP_STR("ES256"));
	T_EQ_STR(t.kid, SP_STR("k1"));
	T_EQ_STR(t.signature, SP_STR("sig"));
	T_TRUE(sp_str_starts(token, t.input));
	T_TRUE(api_jwt_date(t.claims, "exp", &when) && when > 12.4 && when < 12.6);
	T_TRUE(!api_jwt_date(t.claims, "nbf", &when));
	/* {"alg":"none"}.{}., with crit, not JSON, two parts … */
	static const char *const bad[] = {"",
					  "a",
					  "a.b",
					  "..",
					  "e30.e30.",
					  "e30.e30.c2ln",
					  "W10.e30.c2ln",
					  "eyJhbGciOiJub25lIn0.e30.",
					  "eyJhbGciOiJFUzI1NiIsImNyaXQiOltdfQ.e30.c2ln",
					  "!.e30.c2ln"};
	for (size_t i = 0; i < SP_LEN(bad); i++) {
		t_row("%s", bad[i]);
		T_CODE(api_jwt_parse(T_ARENA, sp_str_c(bad[i]), &t, T_ERR), SP_EINVAL);
	}
}

SP_TEST(auth, signatures)
{
	SP_AUTO_KEY key = NULL;
	SP_AUTO_KEY other = NULL;
	SP_AUTO_BUF sig;
	sp_buf_init(&sig, 4096);
	sp_jws_alg alg;
	T_OK(sp_key_new(&key, T_ERR));
	T_OK(sp_key_new(&other, T_ERR));
	T_OK(sp_jws_alg_of(key, &alg, T_ERR));
	T_EQ_STR(sp_jws_name(alg), SP_STR("ES256"));
	T_OK(sp_jws_sign(key, SP_STR("text"), &sig, T_ERR));
	T_EQ_U64(sig.len, 64);
	T_OK(sp_jws_verify(key, SP_STR("text"), sp_buf_view(&sig), T_ERR));
	T_CODE(sp_jws_verify(key, SP_STR("texu"), sp_buf_view(&sig), T_ERR), SP_EUNAUTH);
	T_CODE(sp_jws_verify(other, SP_STR("text"), sp_buf_view(&sig), T_ERR), SP_EUNAUTH);
	T_CODE(sp_jws_verify(key, SP_STR("text"), sp_str_sub(sp_buf_view(&sig), 0, 63), T_ERR), SP_EUNAUTH);
	memset(sig.ptr, 0, sig.len);
	T_CODE(sp_jws_verify(key, SP_STR("text"), sp_buf_view(&sig), T_ERR), SP_EUNAUTH);
	sp_key_numbers numbers;
	T_OK(sp_key_public_numbers(key, &numbers, T_ERR));
	T_TRUE(numbers.curve != NULL && numbers.n_first == 32 && numbers.n_second == 32);
}

/* RFC 7515, appendix A.3: a signature by somebody else. */
SP_TEST(auth, signature_of_rfc_7515)
{
	static const char pem[] = "-----BEGIN PUBLIC KEY-----\n"
				  "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV7\n"
				  "6e8Tus9uPHvRVEXH8UTNG72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==\n"
				  "-----END PUBLIC KEY-----\n";
	static const char token[] =
		"eyJhbGciOiJFUzI1NiJ9."
		"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19"
		"yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-"
		"F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1"
		"Q";
	SP_AUTO_KEY key = NULL;
	api_jwt t;
	T_OK(sp_key_parse_public(sp_str_c(pem), &key, T_ERR));
	T_OK(api_jwt_parse(T_ARENA, sp_str_c(token), &t, T_ERR));
	T_OK(sp_jws_verify(key, t.input, t.signature, T_ERR));
}

/* ---- what pods refer to ---- */

static bool gather(void *arg, sp_str name)
{
	SP_ASSERT(sp_buf_printf(arg, SP_FMT " ", SP_ARG(name)) == SP_OK);
	return true;
}

static sp_str refs(yyjson_val *pod, api_ref_kind kind)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, 4096);
	(void)sp_buf_reserve(&out, 1024);
	if (sp_buf_code(&out) == SP_OK)
		(void)api_pod_refs(T_ARENA, pod, kind, gather, &out);
	return sp_arena_try_dup(T_ARENA, sp_str_trim(sp_buf_view(&out)));
}

SP_TEST(auth, what_a_pod_refers_to)
{
	static const char text[] =
		"{\"metadata\":{\"name\":\"p\"},\"spec\":{\"serviceAccountName\":\"sa\",\"imagePullSecrets\":"
		"[{\"name\":"
		"\"s1\"}],\"containers\":[{\"env\":[{\"valueFrom\":{\"secretKeyRef\":{\"name\":\"s2\"}}},{"
		"\"valueFrom\":{"
		"\"configMapKeyRef\":{\"name\":\"c1\"}}}]}],\"initContainers\":[{\"envFrom\":[{\"secretRef\":"
		"{\"name\":"
		"\"s3\"}},{\"configMapRef\":{\"name\":\"c2\"}}]}],\"volumes\":[{\"name\":\"a\",\"secret\":{"
		"\"secretName\":"
		"\"s4\"}},{\"name\":\"b\",\"projected\":{\"sources\":[{\"secret\":{\"name\":\"s5\"}},{"
		"\"configMap\":{"
		"\"name\":\"c3\"}}]}},{\"name\":\"d\",\"persistentVolumeClaim\":{\"claimName\":\"v1\"}},{"
		"\"name\":\"e\","
		"\"ephemeral\":{}},{\"name\":\"f\",\"csi\":{\"nodePublishSecretRef\":{\"name\":\"s6\"}}}],"
		"\"resourceClaims\":[{\"name\":\"x\",\"resourceClaimName\":\"r1\"},{\"name\":\"y\"}]},"
		"\"status\":{"
		"\"resourceClaimStatuses\":[{\"name\":\"y\",\"resourceClaimName\":\"r2\"}]}}";
	yyjson_val *pod = NULL;
	T_OK(sp_json_parse(T_ARENA, sp_str_c(text), &pod, T_ERR));
	T_EQ_STR(refs(pod, API_REF_POD), SP_STR("p"));
	T_EQ_STR(refs(pod, API_REF_SERVICE_ACCOUNT), SP_STR("sa"));
	T_EQ_STR(refs(pod, API_REF_SECRET), SP_STR("s1 s2 s3 s4 s5 s6"));
	T_EQ_STR(refs(pod, API_REF_CONFIG_MAP), SP_STR("c1 c2 c3"));
	T_EQ_STR(refs(pod, API_REF_CLAIM), SP_STR("v1 p-e"));
	T_EQ_STR(refs(pod, API_REF_RESOURCE_CLAIM), SP_STR("r1 r2"));
	T_OK(sp_json_parse(T_ARENA,
			   SP_STR("{\"metadata\":{\"name\":\"p\",\"annotations\":{\"kubernetes.io/"
				  "config.mirror\":\"\"}},"
				  "\"spec\":{\"imagePullSecrets\":[{\"name\":\"s1\"}]}}"),
			   &pod, T_ERR));
	T_EQ_STR(refs(pod, API_REF_SECRET), SP_STR(""));
}
