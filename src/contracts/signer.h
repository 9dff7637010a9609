/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who signs service-account tokens: the keys process or any other signer of upstream's protocol (src/keys),
 * or a key in this process. Keys never pass this seam, only what is to be signed, signatures and public keys.
 */
#pragma once

#include "base/err.h"

typedef struct sp_signer sp_signer;

/* One signature wanted. Embedded in its owner; in place until done was called. */
typedef struct sp_sign_call {
	sp_str claims; /* the payload in base64url, borrowed until done */
	/* Comes once, from the loop, never from inside sign. Header and signature in base64url, good during
	 * the call; the header names a key that is among the signer's. err is NULL when there are some. */
	void (*done)(struct sp_sign_call *c, sp_str header, sp_str signature, const sp_err *err);
	void *arg;                 /* the owner's */
	struct sp_sign_call *next; /* the signer's */
} sp_sign_call;

/* A key that verifies what was signed. */
typedef struct sp_signer_key {
	sp_str id;   /* as headers name it */
	sp_str pem;  /* "PUBLIC KEY" */
	bool hidden; /* not told to others (OIDC discovery) */
} sp_signer_key;

struct sp_signer {
	void (*sign)(sp_signer *s, sp_sign_call *c);
	/* Without calls under way. */
	void (*free)(sp_signer *s);
	const sp_signer_key *keys; /* good until the loop goes on */
	size_t n_keys;
	uint64_t generation;      /* another number when keys have changed */
	int64_t max_expiration_s; /* tokens last no longer; 0: as long as is asked for */
};
