/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API server: HTTP requests on Kubernetes objects over a store. The life of a write and of a watch event
 * are in ARCHITECTURE.md.
 */
#pragma once

#include "apiserver/snapshots.h"
#include "base/err.h"
#include "io/stream.h"
#include "io/world.h"

typedef struct api_server api_server;
struct sp_store;
struct sp_log;

typedef enum api_authorizer {
	API_AUTHORIZER_NODE,
	API_AUTHORIZER_RBAC,
	API_AUTHORIZER_ALWAYS_ALLOW,
	API_AUTHORIZER_ALWAYS_DENY,
	API_AUTHORIZER_COUNT_
} api_authorizer;

/* Who decides, in their order. */
typedef struct api_authorization {
	uint8_t modes[API_AUTHORIZER_COUNT_]; /* api_authorizer */
	size_t n;
} api_authorization;

/* "Node,RBAC", as kube-apiserver's --authorization-mode. SP_EINVAL. */
sp_code api_authorization_modes(sp_str text, api_authorization *ret, sp_err *err) SP_MUST_USE;

/* Which admission plugins are on: those that are by default, less `disabled`, and `enabled`. A bit each. */
typedef struct api_admission_choice {
	uint64_t enabled, disabled;
} api_admission_choice;

/*
 * kube-apiserver's --enable-admission-plugins and --disable-admission-plugins, lists of names. SP_EINVAL: a
 * name nobody knows, one in both lists, or one of a plugin that is not there; with upstream's texts for the
 * first two. U: apiserver pkg/server/options/admission.go
 */
sp_code api_admission_choose(sp_str enable, sp_str disable, api_admission_choice *ret,
			     sp_err *err) SP_MUST_USE;

/* How pods, services and nodes are reached. The configurations outlive the server. */
typedef struct api_kubelet_opts {
	struct sp_tls_config *tls;            /* of the kubelets; HTTP/1.1 only, for upgrades come by */
	struct sp_tls_config *unverified_tls; /* the same for logs of which the client wants no check */
	struct sp_tls_config *others_tls;     /* of pods and services; nobody is verified */
	sp_str address_types;                 /* which of a node's addresses, best first; empty: upstream's */
	bool plain;                           /* kubelets speak HTTP: for simulations, which have no TLS */
} api_kubelet_opts;

/*
 * A front proxy says in a request's header who the user is. The one that we are to aggregated API servers,
 * and those that stand in front of us: whoever shows a certificate of the connection's second authorities
 * (sp_tls_peer.also_verified). The lists outlive the server; header names are lower-case.
 */
typedef struct api_front_proxy_opts {
	sp_str cert_pem, key_pem; /* ours; empty: aggregated servers do not know us */
	sp_strs names;            /* of certificates that are believed; none: all */
	sp_strs user_headers, uid_headers, group_headers, extra_prefixes;
} api_front_proxy_opts;

#define API_KUBELET_PORT 10250 /* of a node that tells none */
#define API_KUBELET_ADDRESS_TYPES "Hostname,InternalDNS,InternalIP,ExternalDNS,ExternalIP"

/* Takes an audit event's line, with its newline. False: it could not be taken and is lost. */
typedef struct api_audit_sink {
	bool (*write)(void *arg, sp_str line);
	void *arg;
} api_audit_sink;

/* What is told of requests, and whom. Both outlive the server. */
typedef struct api_audit_opts {
	const struct api_audit_policy *policy; /* NULL: nothing is told */
	api_audit_sink sink;
} api_audit_opts;

/* What DefaultTolerationSeconds gives to pods; upstream's 300 of both unless `is_set`. */
typedef struct api_toleration_seconds {
	bool is_set;
	int64_t not_ready, unreachable;
} api_toleration_seconds;

typedef struct api_server_opts {
	struct sp_store *store; /* outlives the server */
	struct sp_log *log;     /* outlives the server */
	api_authorization authorization;
	api_admission_choice admission;
	const struct api_admission_config *admission_config; /* or NULL; outlives the server */
	bool no_anonymous;                                   /* requests without credentials are refused */
	bool no_privileged;        /* no container may be privileged, and none a host process */
	struct api_tokens *tokens; /* bearer tokens, or NULL; outlives the server */
	sp_str service_cidrs;      /* "10.96.0.0/16", with two families "a,b" */
	sp_str node_ports;         /* "30000-32767" */
	api_kubelet_opts kubelet;
	api_front_proxy_opts front_proxy;
	api_audit_opts audit;
	const struct api_cors *cors; /* cors.h; NULL: no other origin is allowed; outlives the server */
	uint32_t seats;              /* requests that are worked on at once; 0: any number */
	api_toleration_seconds tolerate;
	uint64_t request_timeout_ns;    /* what is not long-running may take; 0: a minute */
	uint32_t min_request_timeout_s; /* a watch that names no end lasts once to twice that; 0: half an hour
					 */
	uint64_t event_ttl_ns;          /* how long an event is kept after its last write; 0: for good */
	api_snapshot_opts snapshots;
} api_server_opts;

sp_code api_server_new(sp_world *w, const api_server_opts *opts, api_server **ret, sp_err *err) SP_MUST_USE;
/* A client's connection; the server owns it from now on. */
void api_server_accept(api_server *s, sp_stream *stream);
/* Ends requests within grace_ns, watches at once; done comes once, and then the server may be freed. */
void api_server_drain(api_server *s, uint64_t grace_ns, void (*done)(void *arg), void *arg);
/* Without connections: before the first, or after drain's done. */
void api_server_free(api_server *s);
/* Kubelets are reached by these from now on. Those before may still be used by requests that have begun. */
void api_server_set_kubelet(api_server *s, const api_kubelet_opts *o);
