/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Approved requests to Kubernetes' own signers get their certificates: from whoever holds the authority's key
 * (contracts/cert_signer.h). U: kubernetes pkg/controller/certificates/signer.
 */
#include "base/base64.h"
#include "base/log.h"
#include "contracts/cert_signer.h"
#include "controllers/cert_requests.h"
#include "controllers/table.h"

#define BODY_BYTES_MAX ((size_t)4 << 20)
#define LEAST_S 600

static const struct {
	const char *name;
	sp_str (*fault)(sp_arena *a, const csr *c, const sp_x509_info *who); /* NULL: none */
} signers[] = {
	{"kubernetes.io/kube-apiserver-client", csr_client_fault},
	{"kubernetes.io/kube-apiserver-client-kubelet", csr_kubelet_client_fault},
	{"kubernetes.io/kubelet-serving", csr_kubelet_serving_fault},
	{"kubernetes.io/legacy-unknown", NULL},
};

typedef struct signing {
	controller base;
	sp_informer *requests;
	sp_informer_watch watch;
} signing;

typedef struct run {
	signing *c;
	sp_job *job;
	const sp_object *object;
	csr csr;
	sp_cert_call sign;
	sp_call call;
} run;

/* ---- the answer ---- */

static void on_written(sp_call *c, const sp_answer *a)
{
	const run *x = c->arg;
	sp_job_done(x->job, a->code == SP_ENOTFOUND ? SP_OK : a->code);
}

static void write_status(run *x, sp_buf *body)
{
	if (sp_buf_code(body) != SP_OK) {
		sp_job_done(x->job, sp_buf_code(body));
		return;
	}
	x->call = (sp_call){.done = on_written, .arg = x};
	sp_call_start(x->c->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_MERGE_UPDATE,
				.gvr = csr_gvr,
				.name = x->object->name,
				.subresource = SP_STR("status"),
				.body = sp_buf_view(body)});
}

static void write_failure(run *x, sp_str why)
{
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	const ctl_condition failed = {.type = SP_STR("Failed"),
				      .status = SP_STR("True"),
				      .reason = SP_STR("SignerValidationFailure"),
				      .message = why,
				      .update = ctl_now(x->c->base.world, x->job->arena)};
	sp_code code = csr_with_condition(x->object, &x->csr, &failed, &body);
	if (code == SP_OK)
		write_status(x, &body);
	else
		sp_job_done(x->job, code);
}

static void write_certificate(run *x, sp_str pem)
{
	SP_AUTO_BUF body, text;
	sp_buf_init(&body, BODY_BYTES_MAX);
	sp_buf_init(&text, BODY_BYTES_MAX);
	if (sp_base64_append(&text, pem.ptr, pem.len) != SP_OK) {
		sp_job_done(x->job, sp_buf_code(&text));
		return;
	}
	sp_jout j = sp_jout_to(&body);
	ctl_status_open(&j, x->object);
	sp_jout_member_str(&j, SP_STR("certificate"), sp_buf_view(&text));
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	write_status(x, &body);
}

/* What the signer refuses by itself is no more to be had by asking again. */
static void on_signed(sp_cert_call *c, sp_str certificate, const sp_err *err)
{
	run *x = c->arg;
	if (err == NULL) {
		write_certificate(x, certificate);
		return;
	}
	sp_log(x->c->base.log, SP_LOG_WARN, "certificate request: not signed", SP_KS("name", x->object->name),
	       SP_KE(err));
	if (err->code == SP_EFORBIDDEN || err->code == SP_EINVAL)
		write_failure(x, sp_str_c(err->msg));
	else
		sp_job_done(x->job, err->code);
}

/* ---- a sync ---- */

static void sign(run *x, sp_str pem)
{
	size_t n = 0;
	sp_str *usages = sp_try_new(x->job->arena, sp_str, x->csr.usages.n + 1);
	if (usages == NULL) {
		sp_job_done(x->job, SP_ENOMEM);
		return;
	}
	SP_VLIST_FOREACH(v, x->csr.usages)
	usages[n++] = sp_json_str(v);
	int64_t asked = x->csr.expiration_s;
	x->sign = (sp_cert_call){.request = pem,
				 .signer = x->csr.signer,
				 .usages = usages,
				 .n_usages = n,
				 .duration_s = asked > 0 && asked < LEAST_S ? LEAST_S : asked,
				 .done = on_signed,
				 .arg = x};
	sp_cert_signer *s = x->c->base.config->cert_signer;
	s->sign(s, &x->sign);
}

static size_t signer_index(sp_str name)
{
	size_t i = 0;
	while (i < SP_LEN(signers) && !sp_str_eq(name, sp_str_c(signers[i].name)))
		i++;
	return i;
}

static void look(run *x, size_t signer)
{
	sp_x509_info who;
	sp_str pem = csr_pem(x->job->arena, x->csr.request), fault = SP_STR("");
	if (sp_x509_request_inspect(pem, x->job->arena, &who, NULL) != SP_OK) {
		sp_job_done(x->job, SP_EINVAL);
		return;
	}
	if (signers[signer].fault != NULL)
		fault = signers[signer].fault(x->job->arena, &x->csr, &who);
	if (fault.len > 0)
		write_failure(x, fault);
	else
		sign(x, pem);
}

static void sync_request(controller *base, sp_job *job)
{
	signing *c = SP_CONTAINER_OF(base, signing, base);
	const sp_object *o = sp_informer_get(c->requests, job->key);
	run *x = sp_new(job->arena, run, 1);
	*x = (run){.c = c, .job = job};
	if (o != NULL)
		x->object = ctl_hold(job->arena, o);
	if (x->object == NULL || csr_read(job->arena, o, &x->csr, NULL) != SP_OK) {
		sp_job_done(job, o == NULL ? SP_OK : SP_ENOMEM);
		return;
	}
	size_t signer = signer_index(x->csr.signer);
	if (x->csr.certificate.len > 0 || !csr_is_approved(&x->csr) || csr_has(&x->csr, "Failed") ||
	    signer == SP_LEN(signers))
		sp_job_done(job, SP_OK);
	else
		look(x, signer);
}

static sp_code open_signing(controller *base, sp_err *err)
{
	signing *c = SP_CONTAINER_OF(base, signing, base);
	if (base->config->cert_signer == NULL)
		return sp_fail(err, SP_EUNSUPPORTED, "nobody here signs certificates");
	SP_TRY(controller_follow(base, csr_gvr, csr_view, &c->requests, err));
	controller_watch(c->requests, &c->watch, controller_enqueue, base);
	return SP_OK;
}

const controller_type controller_cert_sign = {.name = "certificatesigningrequest-signing-controller",
					      .account = "certificate-controller",
					      .size_bytes = sizeof(signing),
					      .open = open_signing,
					      .sync = sync_request};
