/* SPDX-License-Identifier: Apache-2.0 */
#include "controllers/cert_requests.h"

#include "base/base64.h"
#include "kube/kinds/values.h"

const sp_gvr csr_gvr = {SP_STR_INIT("certificates.k8s.io"), SP_STR_INIT("v1"),
			SP_STR_INIT("certificatesigningrequests")};

SP_VIEW(csr_desc, csr, "certificates.k8s.io/v1/CertificateSigningRequest", SP_V(csr, request, "spec.request"),
	SP_V(csr, signer, "spec.signerName"), SP_V(csr, username, "spec.username"),
	SP_V(csr, uid, "spec.uid"), SP_V(csr, usages, "spec.usages"), SP_V(csr, groups, "spec.groups"),
	SP_V(csr, extra, "spec.extra"), SP_V(csr, expiration_s, "spec.expirationSeconds"),
	SP_V(csr, conditions, "status.conditions"), SP_V(csr, certificate, "status.certificate"),
	SP_V(csr, created, "metadata.creationTimestamp"));
const sp_view_desc *const csr_view = &csr_desc;

sp_code csr_read(sp_arena *a, const sp_object *o, csr *ret, sp_err *err)
{
	return sp_view(a, o->json, &csr_desc, ret, err);
}

sp_str csr_pem(sp_arena *a, sp_str base64)
{
	size_t n = 0;
	uint8_t *bytes = sp_arena_try_alloc(a, base64.len + 1);
	if (bytes == NULL || sp_base64_decode(base64, bytes, &n, NULL) != SP_OK)
		return (sp_str){NULL, 0};
	return (sp_str){(const char *)bytes, n};
}

bool csr_has(const csr *c, const char *condition)
{
	ctl_conditions all;
	ctl_conditions_read(c->conditions, &all);
	return ctl_condition_find(&all, condition) != NULL;
}

bool csr_is_approved(const csr *c)
{
	return csr_has(c, "Approved") && !csr_has(c, "Denied");
}

/* ---- what is never signed ---- */

static bool has_usage(const csr *c, const char *usage)
{
	SP_VLIST_FOREACH(v, c->usages)
	{
		if (sp_str_eq(sp_json_str(v), sp_str_c(usage)))
			return true;
	}
	return false;
}

/* Exactly a signature and that usage, with or without the encipherment that RSA needs. */
static bool has_usages_of(const csr *c, const char *usage)
{
	SP_VLIST_FOREACH(v, c->usages)
	{
		const char *const fine[] = {"digital signature", "key encipherment", usage};
		if (!SP_STR_IN(sp_json_str(v), fine))
			return false;
	}
	return has_usage(c, usage) && has_usage(c, "digital signature");
}

static sp_str usages_fault(sp_arena *a, const csr *c, const char *usage)
{
	if (has_usages_of(c, usage))
		return SP_STR("");
	bool client = sp_str_eq(sp_str_c(usage), SP_STR("client auth"));
	return sp_arena_printf(a, "usages did not match [%s%sdigital signature key encipherment%s%s]",
			       client ? usage : "", client ? " " : "", client ? "" : " ",
			       client ? "" : usage);
}

static bool is_of_nodes(const sp_x509_info *who)
{
	return who->organizations.n == 1 && sp_str_eq(who->organizations.items[0], SP_STR("system:nodes"));
}

static sp_str name_fault(const sp_x509_info *who)
{
	return sp_str_starts(who->common_name, SP_STR("system:node:"))
		       ? SP_STR("")
		       : SP_STR("subject common name does not begin with system:node:");
}

sp_str csr_kubelet_client_fault(sp_arena *a, const csr *c, const sp_x509_info *who)
{
	if (!is_of_nodes(who))
		return SP_STR("subject organization is not system:nodes");
	if (who->dns.n > 0)
		return SP_STR("DNS subjectAltNames are not allowed");
	if (who->emails.n > 0)
		return SP_STR("Email subjectAltNames are not allowed");
	if (who->ips.n > 0)
		return SP_STR("IP subjectAltNames are not allowed");
	if (who->uris.n > 0)
		return SP_STR("URI subjectAltNames are not allowed");
	sp_str fault = name_fault(who);
	return fault.len > 0 ? fault : usages_fault(a, c, "client auth");
}

sp_str csr_kubelet_serving_fault(sp_arena *a, const csr *c, const sp_x509_info *who)
{
	if (!is_of_nodes(who))
		return SP_STR("subject organization is not system:nodes");
	if (who->dns.n + who->ips.n == 0)
		return SP_STR("DNS or IP subjectAltName is required");
	if (who->emails.n > 0)
		return SP_STR("Email subjectAltNames are not allowed");
	if (who->uris.n > 0)
		return SP_STR("URI subjectAltNames are not allowed");
	sp_str fault = usages_fault(a, c, "server auth");
	return fault.len > 0 ? fault : name_fault(who);
}

sp_str csr_client_fault(sp_arena *a, const csr *c, const sp_x509_info *who)
{
	static const char *const fine[] = {"digital signature", "key encipherment", "client auth"};
	(void)who;
	SP_VLIST_FOREACH(v, c->usages)
	{
		sp_str usage = sp_json_str(v);
		if (!SP_STR_IN(usage, fine))
			return sp_arena_printf(a, "invalid usage for client certificate: " SP_FMT,
					       SP_ARG(usage));
	}
	return has_usage(c, "client auth")
		       ? SP_STR("")
		       : SP_STR("missing required usage for client certificate: client auth");
}

sp_code csr_with_condition(const sp_object *o, const csr *c, const ctl_condition *more, sp_buf *ret)
{
	ctl_conditions all;
	ctl_conditions_read(c->conditions, &all);
	ctl_condition_set(&all, more, true);
	sp_jout j = sp_jout_to(ret);
	ctl_status_open(&j, o);
	ctl_conditions_write(&j, &all);
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	return sp_buf_code(ret);
}

/* ---- approving ---- */

#define BODY_BYTES_MAX ((size_t)4 << 20)

bool csr_approval_open(csr_approval *x, const sp_object *o, const char *signer,
		       sp_str (*fault)(sp_arena *a, const csr *c, const sp_x509_info *who))
{
	sp_arena *a = x->job->arena;
	if (o != NULL)
		x->object = ctl_hold(a, o);
	if (o == NULL || x->object == NULL || csr_read(a, o, &x->csr, NULL) != SP_OK) {
		sp_job_done(x->job, o == NULL ? SP_OK : SP_ENOMEM);
		return false;
	}
	bool is_open = x->csr.certificate.len == 0 && !csr_has(&x->csr, "Approved") &&
		       !csr_has(&x->csr, "Denied") && sp_str_eq(x->csr.signer, sp_str_c(signer));
	if (is_open && sp_x509_request_inspect(csr_pem(a, x->csr.request), a, &x->who, NULL) == SP_OK &&
	    fault(a, &x->csr, &x->who).len == 0)
		return true;
	sp_job_done(x->job, SP_OK);
	return false;
}

static void on_approved(sp_call *c, const sp_answer *a)
{
	const csr_approval *x = c->arg;
	sp_job_done(x->job, a->code == SP_ENOTFOUND ? SP_OK : a->code);
}

void csr_approval_write(csr_approval *x, sp_str message)
{
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	const ctl_condition approved = {.type = SP_STR("Approved"),
					.status = SP_STR("True"),
					.reason = SP_STR("AutoApproved"),
					.message = message};
	sp_code code = csr_with_condition(x->object, &x->csr, &approved, &body);
	if (code != SP_OK) {
		sp_job_done(x->job, code);
		return;
	}
	x->call = (sp_call){.done = on_approved, .arg = x};
	sp_call_start(x->client, &x->call,
		      &(sp_ask){.verb = SP_ASK_MERGE_UPDATE,
				.gvr = csr_gvr,
				.name = x->object->name,
				.subresource = SP_STR("approval"),
				.body = sp_buf_view(&body)});
}
