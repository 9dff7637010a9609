/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leader election by a Lease: one of several processes leads at a time. Who leads renews the lease every
 * retry_ns; who can't for renew_ns stops leading; the others take it when it was not renewed for lease_ns by
 * their own clock. U: client-go tools/leaderelection.
 */
#pragma once

#include "client/call.h"

typedef struct sp_log sp_log;
typedef struct sp_election sp_election;

typedef struct sp_election_opts {
	sp_client *client;
	sp_log *log;                           /* NULL: silent */
	sp_str ns, name;                       /* of the Lease: "kube-system", "kube-controller-manager" */
	sp_str identity;                       /* unique: "host_uuid" */
	uint64_t lease_ns, renew_ns, retry_ns; /* 0: 15 s, 10 s, 2 s */
	void (*on_leading)(void *arg);
	/* Not any more; the caller must stop acting at once. Comes only after on_leading. */
	void (*on_lost)(void *arg);
	/* Somebody (else or we) leads; may be NULL. */
	void (*on_leader)(void *arg, sp_str identity);
	void *arg;
} sp_election_opts;

/* Texts are copied. Begins at once. */
sp_code sp_election_new(const sp_election_opts *o, sp_election **ret, sp_err *err) SP_MUST_USE;
/* Ends; a lease we hold is given back so that another may take it at once. done comes once, within 2 s (then
 * free it); no on_lost. */
void sp_election_close(sp_election *e, void (*done)(void *arg), void *arg);
void sp_election_free(sp_election *e);
