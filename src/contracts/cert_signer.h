/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who signs certificates: the keys process, seen from the controllers (src/keys). It decides by itself what
 * may be signed for a signer's name at all; whether somebody approved is the controller's to know.
 */
#pragma once

#include "base/err.h"

typedef struct sp_cert_signer sp_cert_signer;

/* One certificate wanted. Embedded in its owner; in place until done was called. Texts are copied. */
typedef struct sp_cert_call {
	sp_str request, signer; /* PEM; "kubernetes.io/kubelet-serving" … */
	const sp_str *usages;
	size_t n_usages;
	int64_t duration_s; /* 0: the signer's own */
	/* Comes once, from the loop, never from inside sign: PEM, or why not (SP_EFORBIDDEN, SP_EINVAL: such
	 * a request is never signed). */
	void (*done)(struct sp_cert_call *c, sp_str certificate, const sp_err *err);
	void *arg;  /* the owner's */
	void *impl; /* the signer's */
} sp_cert_call;

struct sp_cert_signer {
	void (*sign)(sp_cert_signer *s, sp_cert_call *c);
	/* Ends every call that is under way with SP_ECANCELED. */
	void (*cancel)(sp_cert_signer *s);
	/* The same, and releases the signer. It may run the loop: not from inside. */
	void (*free)(sp_cert_signer *s);
};
