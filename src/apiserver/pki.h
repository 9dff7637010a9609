/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server without any flags needs to be talked to: a certificate authority of its own, a serving
 * certificate and an administrator's kubeconfig, made once in the data directory and kept.
 *
 *   ca.crt ca.key                  signs the two below; clients' certificates are trusted when it signed them
 *   apiserver.crt apiserver.key    for localhost, the names inside a cluster and the service address
 *   admin.kubeconfig               user admin, group system:masters
 *
 * Keys are readable by the owner only. A serving certificate that ends within 30 days, or that lacks a name
 * wanted, is made anew at start.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "io/world.h"

typedef struct api_pki {
	sp_str ca_crt, tls_crt, tls_key, kubeconfig; /* paths, in the arena */
} api_pki;

typedef struct api_pki_opts {
	sp_str dir; /* absolute; must exist */
	const sp_str *ips;
	size_t n_ips; /* further addresses of the serving certificate */
} api_pki_opts;

/* The authority and the serving certificate. Both functions block on the disk: at start-up only. */
sp_code api_pki_ensure(sp_world *w, sp_arena *a, const api_pki_opts *o, api_pki *ret,
		       sp_err *err) SP_MUST_USE;

/* The administrator's kubeconfig with a new client certificate; `address` is host:port of the server. */
sp_code api_pki_kubeconfig(sp_world *w, sp_arena *a, const api_pki_opts *o, sp_str address,
			   sp_err *err) SP_MUST_USE;
