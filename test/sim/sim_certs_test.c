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
