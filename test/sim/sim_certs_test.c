/* SPDX-License-Identifier: Apache-2.0 */
/* Certificate requests: approved, signed, refused, cleaned away. */
#include <string.h>

#include "base/base64.h"
#include "contracts/cert_signer.h"
#include "kube/view.h"
#include "lib/csrs.h"
#include "lib/ctl_host.h"
#include "lib/store_help.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define LIST                                              \
	"certificatesigningrequest-approving-controller," \
	"certificatesigningrequest-signing-controller,"   \
	"certificatesigningrequest-cleaner-controller"
#define REQUESTS SP_GVR("certificates.k8s.io", "v1", "certificatesigningrequests")
#define CLIENT "kubernetes.io/kube-apiserver-client"
#define KUBELET "kubernetes.io/kube-apiserver-client-kubelet"
#define SERVING "kubernetes.io/kubelet-serving"
#define APPROVED \
	"{\"status\":{\"conditions\":[{\"type\":\"Approved\",\"status\":\"True\",\"reason\":\"Me\"}]}}"

/* A signer that has one certificate for all, or one reason for none. */
typedef struct fake {
	sp_cert_signer base;
	sp_world *world;
	sp_defer answer;
	sp_cert_call *call;
	sp_code code;
	const char *why;
	size_t n_asked;
	int64_t duration_s; /* of the last one */
} fake;

static void on_answer(sp_defer *d)
{
	fake *f = d->arg;
	sp_err err = {0};
	sp_cert_call *c = f->call;
	f->call = NULL;
	if (f->code == SP_OK) {
		c->done(c, SP_STR(T_CERTIFICATE), NULL);
		return;
	}
	(void)sp_fail(&err, f->code, "%s", f->why);
	c->done(c, SP_STR(""), &err);
}

static void fake_sign(sp_cert_signer *s, sp_cert_call *c)
{
	fake *f = SP_CONTAINER_OF(s, fake, base);
	SP_ASSERT(f->call == NULL); /* tests ask for one at a time */
	f->n_asked++;
	f->duration_s = c->duration_s;
	f->call = c;
	sp_defer_call(f->world, &f->answer);
}

typedef struct rig {
	t_ctl t;
	fake signer;
} rig;

static rig *open_rig(void)
{
	rig *r = sp_new(T_ARENA, rig, 1);
	t_no_faults();
	r->signer.base.sign = fake_sign;
	sp_defer_init(&r->signer.answer, on_answer, &r->signer);
	r->t.config.cert_signer = &r->signer.base;
	(void)t_ctl_open(&r->t, &(sp_sim_opts){.seed = t_random()}, LIST);
	r->signer.world = r->t.manager.world;
	return r;
}

static bool ask_for(rig *r, const char *signer, const char *pem, const char *usages, const char *more)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, 8192);
	(void)sp_base64_append(&text, pem, strlen(pem));
	sp_str request = sp_buf_view(&text);
	sp_str body = sp_arena_printf(T_ARENA,
				      "{\"metadata\":{\"name\":\"r\"},\"spec\":{\"signerName\":\"%s\","
				      "\"request\":\"" SP_FMT "\",\"usages\":[%s]%s}}",
				      signer, SP_ARG(request), usages, more);
	return t_ctl_create(&r->t, REQUESTS, "", body.ptr);
}

static bool is(rig *r, const char *path, const char *want)
{
	return t_ctl_wait(&r->t, REQUESTS, "", "r", path, want);
}

static bool is_signed(rig *r)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, 8192);
	(void)sp_base64_append(&text, T_CERTIFICATE, strlen(T_CERTIFICATE));
	sp_str want = sp_arena_try_dup(T_ARENA, sp_buf_view(&text));
	return is(r, "status.certificate", want.ptr);
}

#define KUBELET_USAGES "\"digital signature\",\"client auth\""

SP_TEST(sim_certs, kubelets_are_approved)
{
	rig *r = open_rig();
	T_TRUE(!t_failed());
	T_TRUE(ask_for(r, KUBELET, T_CSR_NODE, KUBELET_USAGES, ",\"expirationSeconds\":600"));
	T_TRUE(is(r, "status.conditions[0].type", "Approved"));
	T_TRUE(is(r, "status.conditions[0].reason", "AutoApproved"));
	T_TRUE(is(r, "status.conditions[0].message",
		  "Auto approving kubelet client certificate after SubjectAccessReview."));
	T_TRUE(is_signed(r));
	T_EQ_U64(r->signer.n_asked, 1);
	T_EQ_I64(r->signer.duration_s, 600);
}

SP_TEST(sim_certs, others_wait_for_somebody)
{
	rig *r = open_rig();
	T_TRUE(!t_failed());
	T_TRUE(ask_for(r, CLIENT, T_CSR_USER, "\"client auth\"", ""));
	t_ctl_run(&r->t, 5 * SECOND);
	T_EQ_U64(r->signer.n_asked, 0);
	T_TRUE(t_ctl_patch(&r->t, REQUESTS, "", "r", "approval", APPROVED));
	T_TRUE(is_signed(r));
	/* Answered, it goes after an hour. */
	t_ctl_run(&r->t, 3590 * SECOND);
	T_TRUE(is_signed(r));
	t_ctl_run(&r->t, 60 * SECOND);
	T_TRUE(t_ctl_get(&r->t, REQUESTS, "", "r") == NULL);
}

SP_TEST(sim_certs, what_is_never_signed)
{
	static const struct {
		const char *signer, *pem, *usages, *why;
	} rows[] = {
		{SERVING, T_CSR_NODE, "\"digital signature\",\"server auth\"",
		 "DNS or IP subjectAltName is required"},
		{SERVING, T_CSR_SERVING, "\"server auth\"",
		 "usages did not match [digital signature key encipherment server auth]"},
		{KUBELET, T_CSR_USER, KUBELET_USAGES, "subject organization is not system:nodes"},
		{KUBELET, T_CSR_NODE, "\"client auth\",\"server auth\"",
		 "usages did not match [client auth digital signature key encipherment]"},
		{CLIENT, T_CSR_USER, "\"digital signature\"",
		 "missing required usage for client certificate: client auth"},
		{CLIENT, T_CSR_USER, "\"server auth\"", "invalid usage for client certificate: server auth"},
	};
	rig *r = open_rig();
	T_TRUE(!t_failed());
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%zu", i);
		T_TRUE(ask_for(r, rows[i].signer, rows[i].pem, rows[i].usages, ""));
		T_TRUE(t_ctl_patch(&r->t, REQUESTS, "", "r", "approval", APPROVED));
		T_TRUE(is(r, "status.conditions[1].type", "Failed"));
		T_TRUE(is(r, "status.conditions[1].reason", "SignerValidationFailure"));
		T_TRUE(is(r, "status.conditions[1].message", rows[i].why));
		T_TRUE(t_ctl_delete(&r->t, REQUESTS, "", "r", ""));
	}
	T_EQ_U64(r->signer.n_asked, 0);
}

SP_TEST(sim_certs, a_signer_that_does_not_sign)
{
	rig *r = open_rig();
	T_TRUE(!t_failed());
	r->signer.code = SP_EUNAVAILABLE;
	r->signer.why = "nobody answers";
	T_TRUE(ask_for(r, CLIENT, T_CSR_USER, "\"client auth\"", ""));
	T_TRUE(t_ctl_patch(&r->t, REQUESTS, "", "r", "approval", APPROVED));
	t_ctl_run(&r->t, 10 * SECOND);
	T_TRUE(r->signer.n_asked > 1);
	T_EQ_C(t_ctl_text(t_ctl_get(&r->t, REQUESTS, "", "r"), "status.conditions[1].type"), "");
	r->signer.code = SP_EFORBIDDEN;
	r->signer.why = "never";
	T_TRUE(is(r, "status.conditions[1].type", "Failed"));
	T_TRUE(is(r, "status.conditions[1].message", "never"));
}

SP_TEST(sim_certs, without_an_answer_for_a_day)
{
	rig *r = open_rig();
	T_TRUE(!t_failed());
	T_TRUE(ask_for(r, CLIENT, T_CSR_USER, "\"client auth\"", ""));
	t_ctl_run(&r->t, 86300 * SECOND);
	T_TRUE(t_ctl_get(&r->t, REQUESTS, "", "r") != NULL);
	t_ctl_run(&r->t, 200 * SECOND);
	T_TRUE(t_ctl_get(&r->t, REQUESTS, "", "r") == NULL);
}

/* ---- serving certificates of kubelets ---- */

#define APPROVER "kubelet-serving-approver"
#define SERVING_USAGES "\"digital signature\",\"server auth\""
#define RBAC(resource) SP_GVR("rbac.authorization.k8s.io", "v1", resource)
#define STATUS(ip) "{\"status\":{\"addresses\":[{\"type\":\"InternalIP\",\"address\":\"" ip "\"}]}}"
#define NODE_STATUS(ip)                                                                          \
	"{\"status\":{\"addresses\":[{\"type\":\"InternalIP\",\"address\":\"" ip "\"},"          \
	"{\"type\":\"InternalDNS\",\"address\":\"kubernetes.default.svc\"},"                     \
	"{\"type\":\"InternalDNS\",\"address\":\"other\"},{\"type\":\"InternalIP\",\"address\":" \
	"\"127.0.0.1\"},{\"type\":\"InternalIP\",\"address\":\"10.96.0.1\"}]}}"

static bool add_node(rig *r, const char *name, const char *status)
{
	sp_str json = sp_arena_printf(T_ARENA, "{\"metadata\":{\"name\":\"%s\"}}", name);
	return t_ctl_create(&r->t, SP_NODES, "", json.ptr) &&
	       t_ctl_patch(&r->t, SP_NODES, "", name, "status", status);
}

/* What `sampan server` gives the approver; and those of the group may ask as nodes do. */
static bool add_role(rig *r, const char *group)
{
	sp_str asks = sp_arena_printf(
		T_ARENA,
		"{\"metadata\":{\"name\":\"y\"},\"roleRef\":{\"apiGroup\":\"rbac.authorization.k8s.io\","
		"\"kind\":\"ClusterRole\",\"name\":\"system:node\"},\"subjects\":[{\"kind\":\"Group\","
		"\"name\":\"%s\"}]}",
		group);
	return t_ctl_create(
		       &r->t, RBAC("clusterroles"), "",
		       "{\"metadata\":{\"name\":\"x\"},\"rules\":[{\"apiGroups\":[\"certificates.k8s.io\"],"
		       "\"resources\":[\"certificatesigningrequests/approval\"],\"verbs\":[\"update\"]},{"
		       "\"apiGroups\":[\"certificates.k8s.io\"],\"resources\":[\"signers\"],"
		       "\"resourceNames\":[\"" SERVING "\"],\"verbs\":[\"approve\"]}]}") &&
	       t_ctl_create(&r->t, RBAC("clusterrolebindings"), "",
			    "{\"metadata\":{\"name\":\"x\"},\"roleRef\":{\"apiGroup\":"
			    "\"rbac.authorization.k8s.io\",\"kind\":\"ClusterRole\",\"name\":\"x\"},"
			    "\"subjects\":[{\"kind\":\"ServiceAccount\",\"namespace\":\"kube-system\","
			    "\"name\":\"" APPROVER "\"}]}") &&
	       t_ctl_create(&r->t, RBAC("clusterrolebindings"), "", asks.ptr);
}

static void ask_as_node(t_user *node, const char *pem)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, 8192);
	(void)sp_base64_append(&text, pem, strlen(pem));
	sp_str body = sp_arena_printf(T_ARENA,
				      "{\"apiVersion\":\"certificates.k8s.io/v1\",\"kind\":"
				      "\"CertificateSigningRequest\",\"metadata\":{\"name\":\"r\"},\"spec\":{"
				      "\"signerName\":\"" SERVING "\",\"request\":\"" SP_FMT
				      "\",\"usages\":[" SERVING_USAGES "]}}",
				      SP_ARG(sp_buf_view(&text)));
	(void)t_ask_ok(node, &(sp_ask){.verb = SP_ASK_CREATE, .gvr = REQUESTS, .body = body}, SP_OK);
}

typedef struct serving_rig {
	rig *r;
	t_user node;
} serving_rig;

static serving_rig *open_serving(const char *group)
{
	serving_rig *s = sp_new(T_ARENA, serving_rig, 1);
	const sp_str groups = sp_str_c(group);
	const sp_client_config node = {
		.as = SP_STR("system:node:n1"), .as_groups = &groups, .n_as_groups = 1, .h2 = true};
	s->r = sp_new(T_ARENA, rig, 1);
	t_no_faults();
	(void)(t_ctl_open(&s->r->t, &(sp_sim_opts){.seed = t_random()}, APPROVER) &&
	       t_user_open_as(&s->node, &s->r->t.api, "n1", &node) && add_role(s->r, group));
	return s;
}

/* Whether the request is approved within some seconds. */
static bool is_approved(serving_rig *s)
{
	t_ctl_run(&s->r->t, 5 * SECOND);
	yyjson_val *request = t_ctl_get(&s->r->t, REQUESTS, "", "r");
	return sp_str_eq(t_ctl_text(request, "status.conditions[0].type"), SP_STR("Approved"));
}

/* A node says of itself what it likes; it gets a certificate for what is its own. */
SP_TEST(sim_certs, nodes_serve_as_themselves_only)
{
	static const struct {
		const char *what, *pem, *other; /* an address of another node; NULL: there is none */
		bool approved;
	} rows[] = {
		{"its own", T_CSR_SERVING, NULL, true},
		{"its own beside another", T_CSR_SERVING, "10.0.0.6", true},
		{"the API server's name", T_CSR_SERVING_API, NULL, false},
		{"another name", T_CSR_SERVING_NAME, NULL, false},
		{"loopback", T_CSR_SERVING_LOOP, NULL, false},
		{"the service's address", T_CSR_SERVING_SERVICE, NULL, false},
		{"another node's address", T_CSR_SERVING, "10.0.0.5", false},
		{"another node's address, written otherwise", T_CSR_SERVING, "::ffff:10.0.0.5", false},
	};
	serving_rig *s = open_serving("system:nodes");
	T_TRUE(!t_failed());
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].what);
		T_TRUE(add_node(s->r, "n1", NODE_STATUS("10.0.0.5")));
		if (rows[i].other != NULL)
			T_TRUE(add_node(s->r, "n2",
					sp_arena_printf(T_ARENA, STATUS("%s"), rows[i].other).ptr));
		t_ctl_run(&s->r->t, 2 * SECOND);
		ask_as_node(&s->node, rows[i].pem);
		T_EQ_I64(is_approved(s), rows[i].approved);
		T_TRUE(t_ctl_delete(&s->r->t, REQUESTS, "", "r", ""));
		T_TRUE(t_ctl_delete(&s->r->t, SP_NODES, "", "n1", ""));
		if (rows[i].other != NULL)
			T_TRUE(t_ctl_delete(&s->r->t, SP_NODES, "", "n2", ""));
		t_ctl_run(&s->r->t, SECOND);
	}
}

SP_TEST(sim_certs, nodes_do_not_serve_behind_the_service)
{
	serving_rig *s = open_serving("system:nodes");
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(&s->r->t, SP_ENDPOINTS, "default",
			    "{\"metadata\":{\"name\":\"kubernetes\"},\"subsets\":[{\"addresses\":[{"
			    "\"ip\":\"10.0.0.5\"}],\"ports\":[{\"port\":6443}]}]}"));
	T_TRUE(add_node(s->r, "n1", NODE_STATUS("10.0.0.5")));
	t_ctl_run(&s->r->t, 2 * SECOND);
	ask_as_node(&s->node, T_CSR_SERVING);
	T_TRUE(!is_approved(s));
}

/* At its first start a node asks when it is not registered yet, or has no addresses. */
SP_TEST(sim_certs, nodes_are_waited_for)
{
	serving_rig *s = open_serving("system:nodes");
	T_TRUE(!t_failed());
	ask_as_node(&s->node, T_CSR_SERVING);
	t_ctl_run(&s->r->t, 3600 * SECOND); /* no back-off would be this short afterwards */
	T_TRUE(add_node(s->r, "n1", STATUS("10.0.0.6")));
	T_TRUE(!is_approved(s));
	t_ctl_run(&s->r->t, 3600 * SECOND);
	T_TRUE(t_ctl_patch(&s->r->t, SP_NODES, "", "n1", "status", STATUS("10.0.0.5")));
	T_TRUE(is_approved(s));
}

/* Somebody with a node's name who is none, and whoever is no node at all. */
SP_TEST(sim_certs, only_nodes_ask_for_nodes)
{
	serving_rig *s = open_serving("others");
	T_TRUE(!t_failed());
	T_TRUE(add_node(s->r, "n1", STATUS("10.0.0.5")));
	t_ctl_run(&s->r->t, 2 * SECOND);
	ask_as_node(&s->node, T_CSR_SERVING);
	T_TRUE(!is_approved(s));
	T_TRUE(t_ctl_delete(&s->r->t, REQUESTS, "", "r", ""));
	T_TRUE(ask_for(s->r, SERVING, T_CSR_SERVING, SERVING_USAGES, ""));
	T_TRUE(!is_approved(s));
}
