/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates of kubelets are approved when who asks may have them: the API server is asked for the right to
 * create certificatesigningrequests/selfnodeclient (one's own) or /nodeclient. U: kubernetes
 * pkg/controller/certificates/approver.
 */
#include "base/log.h"
#include "controllers/cert_requests.h"
#include "controllers/table.h"

#define BODY_BYTES_MAX ((size_t)4 << 20)
#define KUBELET_CLIENT "kubernetes.io/kube-apiserver-client-kubelet"

typedef struct approver {
	controller base;
	sp_informer *requests;
	sp_informer_watch watch;
} approver;

/* Rights that are enough, the first one first. */
static const struct {
	const char *subresource, *message;
	bool self_only;
} rights[] = {
	{"selfnodeclient", "Auto approving self kubelet client certificate after SubjectAccessReview.", true},
	{"nodeclient", "Auto approving kubelet client certificate after SubjectAccessReview.", false},
};

typedef struct run {
	csr_approval approval;
	approver *c;
	bool is_self;
	size_t right; /* asked for */
	sp_call call;
} run;

static void ask_right(run *x);

static void on_review(sp_call *c, const sp_answer *a)
{
	run *x = c->arg;
	yyjson_val *root;
	sp_job *job = x->approval.job;
	sp_code code = a->code == SP_OK ? sp_json_parse(job->arena, a->body, &root, NULL) : a->code;
	if (code != SP_OK) {
		sp_job_done(job, code);
		return;
	}
	if (yyjson_is_true(sp_view_at(root, "status.allowed"))) {
		csr_approval_write(&x->approval, sp_str_c(rights[x->right].message));
		return;
	}
	x->right++;
	ask_right(x);
}

static void write_review(const run *x, sp_jout *j)
{
	sp_jout_open(j, '{');
	sp_jout_member_open(j, SP_STR("spec"), '{');
	sp_jout_member_str(j, SP_STR("user"), x->approval.csr.username);
	sp_jout_member_str(j, SP_STR("uid"), x->approval.csr.uid);
	sp_jout_member_open(j, SP_STR("groups"), '[');
	SP_VLIST_FOREACH(g, x->approval.csr.groups)
	sp_jout_str(j, sp_json_str(g));
	sp_jout_close(j, ']');
	if (x->approval.csr.extra != NULL) {
		SP_AUTO_BUF extra;
		sp_buf_init(&extra, BODY_BYTES_MAX);
		(void)sp_json_write(&extra, x->approval.csr.extra);
		sp_jout_member_raw(j, SP_STR("extra"), sp_buf_view(&extra));
	}
	sp_jout_member_open(j, SP_STR("resourceAttributes"), '{');
	sp_jout_member_str(j, SP_STR("group"), SP_STR("certificates.k8s.io"));
	sp_jout_member_str(j, SP_STR("resource"), SP_STR("certificatesigningrequests"));
	sp_jout_member_str(j, SP_STR("subresource"), sp_str_c(rights[x->right].subresource));
	sp_jout_member_str(j, SP_STR("verb"), SP_STR("create"));
	sp_jout_member_str(j, SP_STR("version"), SP_STR("*"));
	sp_jout_close(j, '}');
	sp_jout_close(j, '}');
	sp_jout_close(j, '}');
}

/* Whoever may not have it now may be given the right: the request comes again, more and more seldom. */
static void ask_right(run *x)
{
	while (x->right < SP_LEN(rights) && rights[x->right].self_only && !x->is_self)
		x->right++;
	if (x->right == SP_LEN(rights)) {
		sp_log(x->c->base.log, SP_LOG_DEBUG, "certificate request: who asks may not have it",
		       SP_KS("name", x->approval.object->name));
		sp_job_done(x->approval.job, SP_EFORBIDDEN);
		return;
	}
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	sp_jout j = sp_jout_to(&body);
	write_review(x, &j);
	x->call = (sp_call){.done = on_review, .arg = x};
	sp_call_start(x->c->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_CREATE,
				.gvr = SP_GVR("authorization.k8s.io", "v1", "subjectaccessreviews"),
				.body = sp_buf_view(&body)});
}

static void sync_request(controller *base, sp_job *job)
{
	approver *c = SP_CONTAINER_OF(base, approver, base);
	run *x = sp_new(job->arena, run, 1);
	*x = (run){.c = c, .approval = {.client = base->client, .job = job}};
	if (!csr_approval_open(&x->approval, sp_informer_get(c->requests, job->key), KUBELET_CLIENT,
			       csr_kubelet_client_fault))
		return;
	x->is_self = sp_str_eq(x->approval.csr.username, x->approval.who.common_name);
	ask_right(x);
}

static sp_code open_approver(controller *base, sp_err *err)
{
	approver *c = SP_CONTAINER_OF(base, approver, base);
	SP_TRY(controller_follow(base, csr_gvr, csr_view, &c->requests, err));
	controller_watch(c->requests, &c->watch, controller_enqueue, base);
	return SP_OK;
}

const controller_type controller_cert_approve = {.name = "certificatesigningrequest-approving-controller",
						 .account = "certificate-controller",
						 .size_bytes = sizeof(approver),
						 .open = open_approver,
						 .sync = sync_request};
