/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who signs service-account tokens: a key in this process for now, a process without a network later. Keys
 * never pass this seam, only what is to be signed, signatures and public keys.
 */
#pragma once

#include "base/err.h"

typedef struct sp_signer sp_signer;

/* One signature wanted. Embedded in its owner; in place until done was called. */
typedef struct sp_sign_call {
	sp_str input; /* borrowed until done */
	/* Comes once, from the loop, never from inside sign. `signature` as JWS has it (RFC 7518: r and s of
	 * ECDSA next to each other), good during the call; err is NULL when there is one. */
	void (*done)(struct sp_sign_call *c, sp_str signature, const sp_err *err);
	void *arg;                 /* the owner's */
	struct sp_sign_call *next; /* the signer's */
} sp_sign_call;

struct sp_signer {
	/* Signs with the current key. */
	void (*sign)(sp_signer *s, sp_sign_call *c);
	/* Without calls under way. */
	void (*free)(sp_signer *s);
	sp_str algorithm;          /* of the current key: "ES256" … */
	const sp_str *public_keys; /* PEM; the current key is the first, then those that still verify */
	size_t n_public_keys;
};
