/* SPDX-License-Identifier: Apache-2.0 */
/* CertificateApproval, CertificateSigning and CertificateSubjectRestriction. Who approves and signs requests
 * for certificates must be allowed to for their signer. U: kubernetes
 * plugin/pkg/admission/certificates/{approval,signing,subjectrestriction}, pkg/registry/certificates
 * authorization. */
#include "apiserver/admission/admission.h"
#include "apiserver/auth.h"
#include "base/base64.h"
#include "io/csr_check.h"
#include "kube/meta.h"

#define CLIENT_SIGNER "kubernetes.io/kube-apiserver-client"

static bool allows(const api_admit *a, sp_str verb, sp_str name)
{
	sp_str reason;
	const api_attributes what = {.is_resource = true,
				     .verb = verb,
				     .group = SP_STR("certificates.k8s.io"),
				     .resource = SP_STR("signers"),
				     .name = name};
	return api_decide(a->w->server, &a->w->arena, &a->w->r->user, &what, &reason) == API_ALLOW;
}

/* The signer itself, or all of its domain. */
static bool may(const api_admit *a, const char *verb, sp_str signer)
{
	sp_str domain = signer, all;
	if (a->w->r == NULL)
		return true;
	if (allows(a, sp_str_c(verb), signer))
		return true;
	ptrdiff_t slash = sp_str_index(signer, '/');
	domain.len = slash < 0 ? signer.len : (size_t)slash;
	all = sp_arena_printf(&a->w->arena, SP_FMT "/*", SP_ARG(domain));
	return all.ptr != NULL && allows(a, sp_str_c(verb), all);
}

static bool concerns(const api_admit *a, const char *subresource)
{
	return a->op == API_OP_UPDATE &&
	       api_admit_is(a, "certificates.k8s.io", "certificatesigningrequests", subresource);
}

static sp_str signer_of(const api_admit *a)
{
	return sp_kv_str(sp_kv_get(a->old, "spec"), "signerName");
}

bool api_admit_certificate_approval(const api_admit *a)
{
	if (!concerns(a, "approval") || may(a, "approve", signer_of(a)))
		return true;
	return api_admit_forbid(a, "user not permitted to approve requests with signerName \"" SP_FMT "\"",
				SP_ARG(signer_of(a)));
}

bool api_admit_certificate_signing(const api_admit *a)
{
	if (!concerns(a, "status"))
		return true;
	yyjson_mut_val *now = sp_kv_get(a->obj, "status"), *was = sp_kv_get(a->old, "status");
	if (sp_kv_equal(sp_kv_get(now, "certificate"), sp_kv_get(was, "certificate")) &&
	    sp_kv_equal(sp_kv_get(now, "conditions"), sp_kv_get(was, "conditions")))
		return true;
	return may(a, "sign", signer_of(a)) ||
	       api_admit_forbid(a, "user not permitted to sign requests with signerName \"" SP_FMT "\"",
				SP_ARG(signer_of(a)));
}

bool api_admit_certificate_subject(const api_admit *a)
{
	if (a->op != API_OP_CREATE ||
	    !api_admit_is(a, "certificates.k8s.io", "certificatesigningrequests", ""))
		return true;
	yyjson_mut_val *spec = sp_kv_get(a->obj, "spec");
	sp_str text = sp_kv_str(spec, "request");
	size_t n = 0;
	uint8_t *pem = sp_arena_try_alloc(&a->w->arena, text.len + 1);
	if (!sp_kv_is(spec, "signerName", CLIENT_SIGNER))
		return true;
	/* Validation has refused what can't be read; without room nothing is let through. */
	bool forbidden = pem == NULL ||
			 (sp_base64_decode(text, pem, &n, NULL) == SP_OK &&
			  sp_csr_has_organization((sp_str){(const char *)pem, n}, SP_STR("system:masters")));
	return !forbidden || api_admit_forbid(a, "use of " CLIENT_SIGNER
						 " signer with system:masters group is not allowed");
}
