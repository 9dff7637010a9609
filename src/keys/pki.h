/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server without any flags needs to be talked to: a certificate authority of its own and a serving
 * certificate, made once in the data directory and kept, and the kubeconfigs of its clients.
 *
 *   ca.crt ca.key                  signs the others; clients' certificates are trusted when it signed them
 *   apiserver.crt apiserver.key    for localhost, the names inside a cluster and the service address
 *   NAME.kubeconfig                one for each client, made anew at each start
 *   front-proxy-ca.crt             signed front-proxy-client.crt and nothing else: its key is not kept
 *   NAME.crt NAME.key              of those that need files: what the API server is to kubelets, what a
 *                                  kubelet serves with
 *
 * Keys are readable by the owner only. A certificate of which less than three tenths are left
 * (KEYS_PKI_LEFT), or that lacks a name wanted, is made anew when it is asked for.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "io/world.h"

/* What is left of a lifetime when it is time for the next certificate. */
#define KEYS_PKI_LEFT(seconds) ((seconds) / 10 * 3 + (seconds) % 10 * 3 / 10)
#define KEYS_PKI_LIFETIME_S INT64_C(31536000)

typedef struct keys_pki {
	sp_str ca_crt, tls_crt, tls_key; /* paths, in the arena */
} keys_pki;

typedef struct keys_pki_opts {
	sp_str dir; /* absolute; must exist */
	const sp_str *ips;
	size_t n_ips;         /* further addresses of the serving certificate */
	sp_str service_cidrs; /* "10.96.0.0/16", two with a comma: the first address of each is the API's, too
			       */
	int64_t lifetime_s;   /* of what the authority signs; 0: a year */
} keys_pki_opts;

/* The authority and the serving certificate. Both functions block on the disk: at start-up only. */
sp_code keys_pki_ensure(sp_world *w, sp_arena *a, const keys_pki_opts *o, keys_pki *ret,
			sp_err *err) SP_MUST_USE;

/* A client of the API server: who it is to the server, and the kubeconfig that says so. */
typedef struct keys_pki_client {
	const char *file; /* in the directory */
	sp_str user, group;
} keys_pki_client;

extern const keys_pki_client keys_pki_admin; /* admin.kubeconfig: user admin, group system:masters */

/* A certificate and its key as files, signed by the authority. */
typedef struct keys_pki_pair {
	const char *file; /* in the directory, without ".crt" */
	sp_str name, group;
	const sp_str *dns, *ips;
	size_t n_dns, n_ips;
	bool serves; /* else it is a client's */
} keys_pki_pair;

extern const keys_pki_pair keys_pki_kubelet_client; /* user kube-apiserver-kubelet-client */

/*
 * Names that the API server serves with, of whatever cluster domain, and patterns that could be one; no node
 * may have them. Letters and a dot at the end do not count.
 */
bool keys_pki_is_cluster_name(sp_str name);

/* Keeps the pair that is there unless it ends soon or says something else. Paths in the arena. */
sp_code keys_pki_pair_ensure(sp_world *w, sp_arena *a, const keys_pki_opts *o, const keys_pki_pair *pair,
			     sp_str *ret_crt, sp_str *ret_key, sp_err *err) SP_MUST_USE;

/*
 * What the API server is to aggregated ones: front-proxy-client.crt and .key, of an authority of their own,
 * as long as which they last (ten years): aggregated servers would not trust another one before they are told
 * of it. At a start with less than KEYS_PKI_LEFT of that both are made anew. Paths in the arena.
 */
typedef struct keys_pki_front_proxy {
	sp_str crt, key, ca_crt;
} keys_pki_front_proxy;
sp_code keys_pki_front_proxy_ensure(sp_world *w, sp_arena *a, const keys_pki_opts *o,
				    keys_pki_front_proxy *ret, sp_err *err) SP_MUST_USE;

/* The kubeconfig of a client with a new key and certificate; `address` is host:port of the server. */
sp_code keys_pki_kubeconfig(sp_world *w, sp_arena *a, const keys_pki_opts *o, sp_str address,
			    const keys_pki_client *client, sp_err *err) SP_MUST_USE;
