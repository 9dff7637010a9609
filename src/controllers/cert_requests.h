/* SPDX-License-Identifier: Apache-2.0 */
/* CertificateSigningRequests as their controllers see them. U: kubernetes pkg/apis/certificates/helpers.go,
 * pkg/controller/certificates. */
#pragma once

#include "controllers/common.h"
#include "io/tls/x509.h"

extern const sp_gvr csr_gvr;

typedef struct csr {
	sp_str request, signer, username, uid, certificate, created; /* request, certificate: base64 of PEM */
	sp_vlist usages, groups, conditions;
	yyjson_val *extra;
	int64_t expiration_s; /* 0: not said */
} csr;

/* What all of them keep. */
extern const sp_view_desc *const csr_view;
sp_code csr_read(sp_arena *a, const sp_object *o, csr *ret, sp_err *err) SP_MUST_USE;

/* The PEM of a request or certificate; {NULL, 0} when it is none or there is no room. */
sp_str csr_pem(sp_arena *a, sp_str base64);

bool csr_is_approved(const csr *c);
bool csr_has(const csr *c, const char *condition);

/* Why such a request is not signed for that signer, as upstream words it; empty: it may be. The text is in
 * the arena or a constant. */
sp_str csr_kubelet_client_fault(sp_arena *a, const csr *c, const sp_x509_info *who);
sp_str csr_kubelet_serving_fault(sp_arena *a, const csr *c, const sp_x509_info *who);
sp_str csr_client_fault(sp_arena *a, const csr *c, const sp_x509_info *who);

/* The text of the request with one more condition, for a write of its status or approval. The buffer's code.
 */
sp_code csr_with_condition(const sp_object *o, const csr *c, const ctl_condition *more,
			   sp_buf *ret) SP_MUST_USE;

/* ---- approving ---- */

/* One request on its way to its approval; job and client are set by who begins, the rest is zero. */
typedef struct csr_approval {
	sp_client *client;
	sp_job *job;
	const sp_object *object; /* held as long as the job's arena */
	csr csr;
	sp_x509_info who; /* what it asks for */
	sp_call call;
} csr_approval;

/*
 * Takes a request up, `o` as the cache has it (NULL: it is gone). False: it is of another signer, decided
 * already, or one that the signer's rules (`fault`: one of the above) would refuse; the job is done then.
 */
bool csr_approval_open(csr_approval *x, const sp_object *o, const char *signer,
		       sp_str (*fault)(sp_arena *a, const csr *c, const sp_x509_info *who));
/* Writes the condition Approved with that message; the job is done with the answer. */
void csr_approval_write(csr_approval *x, sp_str message);
