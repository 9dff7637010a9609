/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an API server is and who we are there: a kubeconfig, or what a pod finds in its own file system.
 * U: client-go tools/clientcmd, rest/config.go.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

typedef struct sp_world sp_world;

#define SP_LIMIT_KUBECONFIG_BYTES ((size_t)4 << 20)

/* All texts live in the arena it was read into. */
typedef struct sp_client_config {
	sp_str scheme;      /* "https" or "http" */
	sp_str address;     /* "host:port", the port always there; IPv6 in brackets */
	sp_str prefix;      /* what stands before /api in paths: "" or "/k8s/clusters/c-x" */
	sp_str server_name; /* tls-server-name, or empty: the address's host */
	sp_str ca_pem, cert_pem, key_pem;
	bool insecure; /* insecure-skip-tls-verify */
	sp_str token;
	sp_str token_file; /* absolute; read again while the client runs; goes before `token` */
	sp_str username, password;
	sp_str as, as_uid; /* impersonation */
	const sp_str *as_groups;
	size_t n_as_groups;
	sp_str namespace_; /* of the context; "default" when it names none */
	bool h2;           /* HTTP/2 on a plain address too (tests); not a setting of files */
	/* The kubeconfig it was read from and what was asked of it: read again before the client's
	 * certificate ends. Empty: never. */
	sp_str source, context;
} sp_client_config;

/*
 * The context `context` (empty: current-context) of a kubeconfig, YAML or JSON. Files it names are read, at
 * paths relative to the kubeconfig's directory. Blocks: at start-up only. SP_EINVAL with what is wrong and
 * where; SP_EUNSUPPORTED: exec and auth-provider plugins, proxy-url; SP_ENOTFOUND: no such file or context.
 */
sp_code sp_client_config_load(sp_world *w, sp_arena *a, sp_str path, sp_str context, sp_client_config *ret,
			      sp_err *err) SP_MUST_USE;

/* The same from text; `dir` (absolute) is what relative paths count from. `w` NULL: a file that is named is
 * an error. */
sp_code sp_client_config_parse(sp_world *w, sp_arena *a, sp_str text, sp_str dir, sp_str context,
			       sp_client_config *ret, sp_err *err) SP_MUST_USE;

/* Where the first cluster of a kubeconfig is and whom to trust there, without a user: as in cluster-info,
 * which has no contexts. */
sp_code sp_client_config_cluster(sp_arena *a, sp_str text, sp_client_config *ret, sp_err *err) SP_MUST_USE;

/*
 * Inside a pod: host and port are those of KUBERNETES_SERVICE_HOST and _PORT; `dir` is the directory of the
 * service account (empty: /var/run/secrets/kubernetes.io/serviceaccount) with ca.crt, token and namespace.
 */
sp_code sp_client_config_in_cluster(sp_world *w, sp_arena *a, sp_str host, sp_str port, sp_str dir,
				    sp_client_config *ret, sp_err *err) SP_MUST_USE;
