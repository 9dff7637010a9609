/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens of nodes that join, and what nodes get when they have: in the simulator. */
#include "base/base64.h"
#include "contracts/signer.h"
#include "kube/view.h"
#include "lib/ctl_host.h"
#include "lib/store_help.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
/* id abcdef, secret 0123456789abcdef, for signing */
#define TOKEN(more)                                                                                        \
	"{\"metadata\":{\"name\":\"bootstrap-token-abcdef\"},\"type\":\"bootstrap.kubernetes.io/token\","  \
	"\"stringData\":{\"token-id\":\"abcdef\",\"token-secret\":\"0123456789abcdef\",\"usage-bootstrap-" \
	"signing\":\"true\"" more "}}"

/* HMAC of header and "hello" by another program. */
#define SIGNATURE                                    \
	"eyJhbGciOiJIUzI1NiIsImtpZCI6ImFiY2RlZiJ9.." \
	"MxsnbCjBaYzcbNIFa06F-wuF9LX26rhMlrL4zA1511s"

static t_ctl *open_rig(const char *list, const char *cidrs)
{
	t_ctl *t = sp_new(T_ARENA, t_ctl, 1);
	t_no_faults();
	t->config.cluster_cidrs = sp_str_c(cidrs);
	(void)t_ctl_open(t, &(sp_sim_opts){.seed = t_random()}, list);
	return t;
}

static sp_str signature(t_ctl *t)
{
	yyjson_val *data = sp_view_at(t_ctl_get(t, SP_CONFIGMAPS, "kube-public", "cluster-info"), "data");
	sp_str s = sp_json_str(sp_json_last(data, SP_STR("jws-kubeconfig-abcdef")));
	return s.ptr == NULL ? SP_STR("") : s;
}

SP_TEST(sim_tokens, sign_the_cluster)
{
	t_ctl *t = open_rig("bootstrap-signer-controller", "");
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(
		t, SP_CONFIGMAPS, "kube-public",
		"{\"metadata\":{\"name\":\"cluster-info\"},\"data\":{\"kubeconfig\":\"hello\"}}"));
	T_TRUE(t_ctl_create(t, SP_SECRETS, "kube-system", TOKEN("")));
	t_ctl_run(t, 2 * SECOND);
	T_EQ_C(signature(t), SIGNATURE);
	T_TRUE(t_ctl_delete(t, SP_SECRETS, "kube-system", "bootstrap-token-abcdef", ""));
	t_ctl_run(t, 2 * SECOND);
	T_EQ_C(signature(t), "");
}

SP_TEST(sim_tokens, expire)
{
	t_ctl *t = open_rig("token-cleaner-controller", "");
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_SECRETS, "kube-system", TOKEN("")));
	sp_str made = t_ctl_text(t_ctl_get(t, SP_SECRETS, "kube-system", "bootstrap-token-abcdef"),
				 "metadata.creationTimestamp");
	T_TRUE(made.len > 0);
	t_ctl_run(t, 5 * SECOND);
	T_TRUE(t_ctl_get(t, SP_SECRETS, "kube-system", "bootstrap-token-abcdef") != NULL);
	sp_str patch =
		sp_arena_printf(T_ARENA, "{\"stringData\":{\"expiration\":\"" SP_FMT "\"}}", SP_ARG(made));
	T_TRUE(t_ctl_patch(t, SP_SECRETS, "kube-system", "bootstrap-token-abcdef", "", patch.ptr));
	T_TRUE(t_ctl_wait_gone(t, SP_SECRETS, "kube-system", "bootstrap-token-abcdef"));
	/* What can't be read has passed. */
	T_TRUE(t_ctl_create(t, SP_SECRETS, "kube-system", TOKEN(",\"expiration\":\"soon\"")));
	T_TRUE(t_ctl_wait_gone(t, SP_SECRETS, "kube-system", "bootstrap-token-abcdef"));
}

/* ---- tokens in secrets ---- */

#define ACCOUNT_TOKENS "serviceaccount-token-controller"
#define ACCOUNT_SECRET(more)                                                                                 \
	"{\"metadata\":{\"name\":\"s\",\"annotations\":{\"kubernetes.io/service-account.name\":\"bot\"" more \
	"}},\"type\":\"kubernetes.io/service-account-token\"}"

static t_ctl *open_accounts(bool faults)
{
	t_ctl *t = sp_new(T_ARENA, t_ctl, 1);
	if (!faults)
		t_no_faults();
	t->config.root_ca_pem = SP_STR("CA");
	(void)t_ctl_open(t, &(sp_sim_opts){.seed = t_random()}, ACCOUNT_TOKENS);
	return t;
}

static sp_str note(t_ctl *t, const char *name)
{
	yyjson_val *all = sp_view_at(t_ctl_get(t, SP_SECRETS, "default", "s"), "metadata.annotations");
	sp_str text = sp_json_str(sp_json_last(all, sp_str_c(name)));
	return text.ptr == NULL ? SP_STR("") : text;
}

static sp_str token_of(t_ctl *t)
{
	sp_str text = t_ctl_text(t_ctl_get(t, SP_SECRETS, "default", "s"), "data.token");
	uint8_t *bytes = sp_arena_alloc(T_ARENA, text.len + 1);
	size_t n = 0;
	return sp_base64_decode(text, bytes, &n, NULL) == SP_OK ? (sp_str){(const char *)bytes, n}
								: SP_STR("");
}

static bool has_token(t_ctl *t)
{
	for (unsigned i = 0; i < 60 && token_of(t).len == 0 && !t_failed(); i++)
		t_ctl_run(t, SECOND);
	return token_of(t).len > 0;
}

/* Whom the API server takes a token for. */
static sp_str whom(t_ctl *t, sp_str token)
{
	yyjson_val *root = NULL;
	sp_str body = sp_arena_printf(T_ARENA, "{\"spec\":{\"token\":\"" SP_FMT "\"}}", SP_ARG(token));
	t_ask(&t->user, &(sp_ask){.verb = SP_ASK_CREATE,
				  .gvr = SP_GVR("authentication.k8s.io", "v1", "tokenreviews"),
				  .body = body});
	if (t->user.code != SP_OK ||
	    sp_json_parse(T_ARENA, sp_arena_try_dup(T_ARENA, sp_buf_view(&t->user.body)), &root, T_ERR) !=
		    SP_OK)
		return SP_STR("no answer");
	return t_ctl_text(root, "status.user.username");
}

SP_TEST(sim_tokens, of_accounts)
{
	t_ctl *t = open_accounts(false);
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_SERVICEACCOUNTS, "default", "{\"metadata\":{\"name\":\"bot\"}}"));
	sp_str uid = t_ctl_text(t_ctl_get(t, SP_SERVICEACCOUNTS, "default", "bot"), "metadata.uid");
	T_TRUE(t_ctl_create(t, SP_SECRETS, "default", ACCOUNT_SECRET("")));
	T_TRUE(has_token(t));
	sp_str first = token_of(t);
	T_EQ_STR(note(t, "kubernetes.io/service-account.uid"), uid);
	T_EQ_C(t_ctl_text(t_ctl_get(t, SP_SECRETS, "default", "s"), "data.namespace"), "ZGVmYXVsdA==");
	yyjson_val *data = sp_view_at(t_ctl_get(t, SP_SECRETS, "default", "s"), "data");
	T_EQ_C(sp_json_str(sp_json_last(data, SP_STR("ca.crt"))), "Q0E=");
	T_EQ_C(whom(t, first), "system:serviceaccount:default:bot");
	/* What is taken away comes back; the token stays as long as it is there. */
	T_TRUE(t_ctl_patch(t, SP_SECRETS, "default", "s", "",
			   "{\"data\":{\"namespace\":null,\"ca.crt\":\"eA==\"}}"));
	t_ctl_run(t, 5 * SECOND);
	data = sp_view_at(t_ctl_get(t, SP_SECRETS, "default", "s"), "data");
	T_EQ_C(sp_json_str(sp_json_last(data, SP_STR("ca.crt"))), "Q0E=");
	T_EQ_STR(token_of(t), first);
	T_TRUE(t_ctl_patch(t, SP_SECRETS, "default", "s", "", "{\"data\":{\"token\":null}}"));
	T_TRUE(has_token(t));
	T_TRUE(!sp_str_eq(token_of(t), first));
	/* It goes with the secret. */
	first = token_of(t);
	T_TRUE(t_ctl_delete(t, SP_SECRETS, "default", "s", ""));
	t_ctl_run(t, 20 * SECOND);
	T_EQ_C(whom(t, first), "");
}

SP_TEST(sim_tokens, of_accounts_are_renewed)
{
	t_ctl *t = open_accounts(false);
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_SERVICEACCOUNTS, "default", "{\"metadata\":{\"name\":\"bot\"}}"));
	T_TRUE(t_ctl_create(t, SP_SECRETS, "default", ACCOUNT_SECRET("")));
	T_TRUE(has_token(t));
	sp_str first = token_of(t);
	T_TRUE(note(t, "sampan.dev/token-renewed-after").len > 0);
	T_TRUE(t_ctl_patch(t, SP_SECRETS, "default", "s", "",
			   "{\"metadata\":{\"annotations\":{\"sampan.dev/token-renewed-after\":"
			   "\"2001-01-01T00:00:00Z\"}}}"));
	t_ctl_run(t, 5 * SECOND);
	T_TRUE(token_of(t).len > 0 && !sp_str_eq(token_of(t), first));
	T_EQ_C(whom(t, first), "system:serviceaccount:default:bot"); /* who has it has time */
	/* One that somebody else wrote, without that annotation, stays. */
	T_TRUE(t_ctl_patch(t, SP_SECRETS, "default", "s", "",
			   "{\"metadata\":{\"annotations\":{\"sampan.dev/token-renewed-after\":null}},"
			   "\"data\":{\"token\":\"eA==\"}}"));
	t_ctl_run(t, 5 * SECOND);
	T_EQ_C(token_of(t), "x");
}

/* Nobody can write into one that is immutable: it is left, and goes with its account all the same. */
SP_TEST(sim_tokens, of_accounts_immutable)
{
	t_ctl *t = open_accounts(false);
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_SERVICEACCOUNTS, "default", "{\"metadata\":{\"name\":\"bot\"}}"));
	T_TRUE(t_ctl_create(
		t, SP_SECRETS, "default",
		"{\"immutable\":true,\"metadata\":{\"name\":\"s\",\"annotations\":{\"kubernetes.io/"
		"service-account.name\":\"bot\"}},\"type\":\"kubernetes.io/service-account-token\"}"));
	t_ctl_run(t, 5 * SECOND);
	T_EQ_C(token_of(t), "");
	T_TRUE(t_ctl_delete(t, SP_SERVICEACCOUNTS, "default", "bot", ""));
	T_TRUE(t_ctl_wait_gone(t, SP_SECRETS, "default", "s"));
}

SP_TEST(sim_tokens, of_accounts_go_with_them)
{
	t_ctl *t = open_accounts(true);
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_SERVICEACCOUNTS, "default", "{\"metadata\":{\"name\":\"bot\"}}"));
	T_TRUE(t_ctl_create(t, SP_SECRETS, "default",
			    ACCOUNT_SECRET(",\"kubernetes.io/service-account.uid\":\"another\"")));
	T_TRUE(t_ctl_wait_gone(t, SP_SECRETS, "default", "s"));
	T_TRUE(t_ctl_create(t, SP_SECRETS, "default", ACCOUNT_SECRET("")));
	T_TRUE(has_token(t));
	T_TRUE(t_ctl_delete(t, SP_SERVICEACCOUNTS, "default", "bot", ""));
	T_TRUE(t_ctl_wait_gone(t, SP_SECRETS, "default", "s"));
	T_TRUE(t_ctl_create(t, SP_SECRETS, "default", ACCOUNT_SECRET("")));
	T_TRUE(t_ctl_wait_gone(t, SP_SECRETS, "default", "s"));
}

/* ---- tokens of upstream's controller ---- */

typedef struct signing {
	sp_sign_call call;
	sp_buf claims, token;
	bool done;
} signing;

static void on_signed(sp_sign_call *c, sp_str header, sp_str signature, const sp_err *err)
{
	signing *x = c->arg;
	(void)err;
	(void)sp_buf_str(&x->token, header);
	(void)sp_buf_char(&x->token, '.');
	(void)sp_buf_str(&x->token, sp_buf_view(&x->claims));
	(void)sp_buf_char(&x->token, '.');
	(void)sp_buf_str(&x->token, signature);
	x->done = true;
}

static bool is_signed(void *arg)
{
	return ((const signing *)arg)->done;
}

/* As kube-controller-manager signs it: for default/bot of that uid, for the secret "s". */
static sp_str sign(t_ctl *t, sp_str uid, const char *subject)
{
	sp_str text = sp_arena_printf(T_ARENA,
				      "{\"iss\":\"kubernetes/serviceaccount\","
				      "\"kubernetes.io/serviceaccount/namespace\":\"default\","
				      "\"kubernetes.io/serviceaccount/secret.name\":\"s\","
				      "\"kubernetes.io/serviceaccount/service-account.name\":\"bot\","
				      "\"kubernetes.io/serviceaccount/service-account.uid\":\"" SP_FMT "\","
				      "\"sub\":\"%s\"}",
				      SP_ARG(uid), subject);
	signing *x = sp_new(T_ARENA, signing, 1);
	sp_buf_init(&x->claims, 10000);
	sp_buf_init(&x->token, 20000);
	T_DEFER(sp_buf_done, &x->claims);
	T_DEFER(sp_buf_done, &x->token);
	(void)sp_base64url_append(&x->claims, text.ptr, text.len);
	x->call = (sp_sign_call){.claims = sp_buf_view(&x->claims), .done = on_signed, .arg = x};
	t->api.signer->sign(t->api.signer, &x->call);
	(void)sp_sim_run(t->api.sim, is_signed, x, sp_sim_now_ns(t->api.sim) + 20 * SECOND);
	return sp_buf_view(&x->token);
}

static void put_token(t_ctl *t, sp_str token)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, 20000);
	(void)sp_base64_append(&text, token.ptr, token.len);
	(void)t_ctl_patch(
		t, SP_SECRETS, "default", "s", "",
		sp_arena_printf(T_ARENA, "{\"data\":{\"token\":\"" SP_FMT "\"}}", SP_ARG(sp_buf_view(&text)))
			.ptr);
}

static sp_str label_of(t_ctl *t, const char *secret, const char *label)
{
	yyjson_val *labels = sp_view_at(t_ctl_get(t, SP_SECRETS, "default", secret), "metadata.labels");
	return sp_json_str(sp_json_last(labels, sp_str_c(label)));
}

/* The label is written behind the answer. */
static sp_str last_used(t_ctl *t)
{
	t_ctl_run(t, SECOND);
	return label_of(t, "s", "kubernetes.io/legacy-token-last-used");
}

static sp_str today(t_ctl *t)
{
	char *text = sp_new(T_ARENA, char, SP_TIME_TEXT_BYTES);
	(void)sp_time_print(text, (sp_time){sp_wall_ns(t->api.world) / (int64_t)SECOND, 0}, 0);
	return (sp_str){text, 10};
}

SP_TEST(sim_tokens, of_upstreams_controller)
{
	static const char bot[] = "system:serviceaccount:default:bot";
	t_ctl *t = open_rig("namespace-controller", "");
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_SERVICEACCOUNTS, "default", "{\"metadata\":{\"name\":\"bot\"}}"));
	T_TRUE(t_ctl_create(t, SP_SECRETS, "default", ACCOUNT_SECRET("")));
	sp_str uid = t_ctl_text(t_ctl_get(t, SP_SERVICEACCOUNTS, "default", "bot"), "metadata.uid");
	sp_str good = sign(t, uid, bot), other_uid = sign(t, SP_STR("another"), bot);
	sp_str other = sign(t, uid, "system:serviceaccount:default:default");
	T_EQ_C(whom(t, good), ""); /* the secret does not have it */
	T_EQ_C(last_used(t), "");
	put_token(t, good);
	T_EQ_C(whom(t, good), bot);
	T_EQ_STR(last_used(t), today(t));
	put_token(t, other_uid);
	T_EQ_C(whom(t, other_uid), "");
	put_token(t, other);
	T_EQ_C(whom(t, other), "");
	t_ctl_run(t, 20 * SECOND);
	T_EQ_C(whom(t, good), ""); /* the secret has another one by now */
	put_token(t, good);
	T_EQ_C(whom(t, good), bot);
	T_TRUE(t_ctl_patch(t, SP_SECRETS, "default", "s", "",
			   "{\"metadata\":{\"labels\":{\"kubernetes.io/legacy-token-invalid-since\":"
			   "\"2001-01-01\"}}}"));
	t_ctl_run(t, 20 * SECOND);
	T_EQ_C(whom(t, good), "");
	T_TRUE(t_ctl_patch(t, SP_SECRETS, "default", "s", "",
			   "{\"metadata\":{\"labels\":{\"kubernetes.io/"
			   "legacy-token-last-used\":\"2001-01-01\"}}}"));
	t_ctl_run(t, 20 * SECOND);
	T_EQ_C(whom(t, good), ""); /* refused, and noted all the same */
	T_EQ_STR(last_used(t), today(t));
	T_TRUE(t_ctl_patch(t, SP_SECRETS, "default", "s", "", "{\"metadata\":{\"labels\":null}}"));
	T_EQ_C(whom(t, good), bot);
	T_TRUE(t_ctl_delete(t, SP_SERVICEACCOUNTS, "default", "bot", ""));
	t_ctl_run(t, 20 * SECOND);
	T_EQ_C(whom(t, good), "");
}

/* ---- tokens of old ---- */

#define OLD_SECRET(name, labels)                                                                        \
	"{\"metadata\":{\"name\":\"" name "\",\"annotations\":{\"kubernetes.io/service-account.name\":" \
	"\"bot\"},\"labels\":{" labels "}},\"type\":\"kubernetes.io/service-account-token\"}"
#define HOUR (3600 * SECOND)

static sp_str since(t_ctl *t, const char *name)
{
	return label_of(t, name, "kubernetes.io/legacy-token-invalid-since");
}

static void days_pass(t_ctl *t, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		t_ctl_run(t, 24 * HOUR);
}

/* Two days count as a year. */
SP_TEST(sim_tokens, of_old_go_when_nobody_uses_them)
{
	static const char *const stay[] = {"asked", "mounted", "env", "used", "odd"};
	t_ctl *t = sp_new(T_ARENA, t_ctl, 1);
	t_no_faults();
	t->config.legacy_token_unused_ns = 48 * HOUR;
	T_TRUE(t_ctl_open(t, &(sp_sim_opts){.seed = t_random()},
			  "legacy-serviceaccount-token-cleaner-controller"));
	t_ask(&t->user, &(sp_ask){.verb = SP_ASK_DELETE,
				  .gvr = SP_CONFIGMAPS,
				  .ns = SP_STR("kube-system"),
				  .name = SP_STR("kube-apiserver-legacy-service-account-token-tracking")});
	T_TRUE(t_ctl_create(
		t, SP_SERVICEACCOUNTS, "default",
		"{\"metadata\":{\"name\":\"bot\"},\"secrets\":[{\"name\":\"s\"},{\"name\":\"mounted\"},"
		"{\"name\":\"env\"},{\"name\":\"used\"},{\"name\":\"odd\"}]}"));
	T_TRUE(t_ctl_create(t, SP_SECRETS, "default", OLD_SECRET("s", "")));
	T_TRUE(t_ctl_create(t, SP_SECRETS, "default", OLD_SECRET("asked", "")));
	T_TRUE(t_ctl_create(t, SP_SECRETS, "default", OLD_SECRET("mounted", "")));
	T_TRUE(t_ctl_create(t, SP_SECRETS, "default", OLD_SECRET("env", "")));
	T_TRUE(t_ctl_create(t, SP_SECRETS, "default",
			    OLD_SECRET("used", "\"kubernetes.io/legacy-token-last-used\":\"2099-01-01\"")));
	T_TRUE(t_ctl_create(t, SP_SECRETS, "default",
			    OLD_SECRET("odd", "\"kubernetes.io/legacy-token-last-used\":\"long-ago\"")));
	T_TRUE(t_ctl_create(
		t, SP_PODS, "default",
		"{\"metadata\":{\"name\":\"p\"},\"spec\":{\"volumes\":[{\"name\":\"v\",\"projected\":{"
		"\"sources\":[{\"secret\":{\"name\":\"mounted\"}}]}}],\"containers\":[{\"name\":\"c\","
		"\"image\":\"i\",\"env\":[{\"name\":\"E\",\"valueFrom\":{\"secretKeyRef\":{\"name\":"
		"\"env\",\"key\":\"token\"}}}]}]}}"));
	days_pass(t, 4); /* nobody says that uses are noted */
	T_EQ_C(since(t, "s"), "");
	sp_str today = sp_str_sub(
		t_ctl_text(t_ctl_get(t, SP_SECRETS, "default", "s"), "metadata.creationTimestamp"), 0, 10);
	T_TRUE(t_ctl_create(
		t, SP_CONFIGMAPS, "kube-system",
		sp_arena_printf(T_ARENA,
				"{\"metadata\":{\"name\":\"kube-apiserver-legacy-service-account-token-"
				"tracking\"},\"data\":{\"since\":\"" SP_FMT "\"}}",
				SP_ARG(today))
			.ptr));
	days_pass(t, 1);
	T_EQ_U64(since(t, "s").len, 10);
	days_pass(t, 2);
	T_EQ_U64(since(t, "s").len, 10); /* it is still there */
	days_pass(t, 2);
	T_TRUE(t_ctl_get(t, SP_SECRETS, "default", "s") == NULL);
	for (size_t i = 0; i < SP_LEN(stay); i++) {
		t_row("%s", stay[i]);
		T_TRUE(t_ctl_get(t, SP_SECRETS, "default", stay[i]) != NULL);
		T_EQ_C(since(t, stay[i]), "");
	}
}

/* Addresses of services are no pods'. */
SP_TEST(sim_ipam, services_are_spared)
{
	t_ctl *t = sp_new(T_ARENA, t_ctl, 1);
	t_no_faults();
	t->config.cluster_cidrs = SP_STR("10.1.0.0/22");
	t->config.service_cidrs = SP_STR("10.1.0.0/24,10.1.2.128/25");
	T_TRUE(t_ctl_open(t, &(sp_sim_opts){.seed = t_random()}, "node-ipam-controller"));
	T_TRUE(t_ctl_create(t, SP_NODES, "", "{\"metadata\":{\"name\":\"a\"}}"));
	T_TRUE(t_ctl_wait(t, SP_NODES, "", "a", "spec.podCIDR", "10.1.1.0/24"));
	T_TRUE(t_ctl_create(t, SP_NODES, "", "{\"metadata\":{\"name\":\"b\"}}"));
	T_TRUE(t_ctl_wait(t, SP_NODES, "", "b", "spec.podCIDR", "10.1.3.0/24"));
}

SP_TEST(sim_ipam, nodes_get_ranges)
{
	t_ctl *t = open_rig("node-ipam-controller,ttl-controller", "10.1.0.0/23, fd00::/63");
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_NODES, "", "{\"metadata\":{\"name\":\"a\"}}"));
	T_TRUE(t_ctl_wait(t, SP_NODES, "", "a", "spec.podCIDR", "10.1.0.0/24"));
	T_TRUE(t_ctl_wait(t, SP_NODES, "", "a", "spec.podCIDRs[1]", "fd00::/64"));
	T_TRUE(t_ctl_create(t, SP_NODES, "",
			    "{\"metadata\":{\"name\":\"own\"},\"spec\":{\"podCIDR\":\"10.1.1.0/24\","
			    "\"podCIDRs\":[\"10.1.1.0/24\"]}}"));
	T_TRUE(t_ctl_create(t, SP_NODES, "", "{\"metadata\":{\"name\":\"b\"}}"));
	t_ctl_run(t, 5 * SECOND);
	T_TRUE(t_ctl_wait(t, SP_NODES, "", "b", "spec.podCIDR", "")); /* there is no more */
	size_t n;
	yyjson_val *events = t_ctl_list(t, SP_EVENTS_CORE, "default", "", &n);
	T_TRUE(n > 0);
	T_EQ_C(t_ctl_text(yyjson_arr_get(events, 0), "message"), "Node b status is now: CIDRNotAvailable");
	T_TRUE(t_ctl_delete(t, SP_NODES, "", "own", ""));
	T_TRUE(t_ctl_wait(t, SP_NODES, "", "b", "spec.podCIDR", "10.1.1.0/24"));
	yyjson_val *all = sp_view_at(t_ctl_get(t, SP_NODES, "", "b"), "metadata.annotations");
	T_EQ_C(sp_json_str(sp_json_last(all, SP_STR("node.alpha.kubernetes.io/ttl"))), "0");
}
