/* SPDX-License-Identifier: Apache-2.0 */
/* Flags and certificate of a component's HTTPS endpoints (client/status_server.h), as kube-scheduler's and
 * kube-controller-manager's. U: apiserver pkg/server/options (serving.go, authorization.go). */
#pragma once

#include "cli/process.h"
#include "client/status_server.h"

/* Zero-initialised but for the flags, which hold the verb's defaults. */
typedef struct cli_endpoints {
	sp_str bind_address, cert_file, key_file, client_ca_file, open_paths;
	int64_t port; /* 0: no endpoints */

	sp_tls_config *tls;
	sp_status_server *server; /* NULL: none */
} cli_endpoints;

#define CLI_ENDPOINTS_DEFAULTS(port_)                                    \
	{                                                                \
		.bind_address = SP_STR_INIT("0.0.0.0"), .port = (port_), \
		.open_paths = SP_STR_INIT("/healthz,/readyz,/livez")     \
	}

/* Rows of the verb's table of flags, in their alphabetic places. */
#define CLI_ENDPOINTS_FLAGS_FRONT(e)                                                                   \
	{"authorization-always-allow-paths", CLI_STR, &(e)->open_paths, "paths that anybody may ask"}, \
		{"bind-address", CLI_STR, &(e)->bind_address, "of health and metrics, over HTTPS"},    \
	{                                                                                              \
		"client-ca-file", CLI_STR, &(e)->client_ca_file,                                       \
			"authorities of clients that ask there; default: the kubeconfig's"             \
	}
#define CLI_ENDPOINTS_FLAG_PORT(e)                                                   \
	{                                                                            \
		"secure-port", CLI_I64, &(e)->port, "of health and metrics; 0: none" \
	}
#define CLI_ENDPOINTS_FLAGS_TLS(e)                                                        \
	{"tls-cert-file", CLI_STR, &(e)->cert_file, "default: one that it signs itself"}, \
	{                                                                                 \
		"tls-private-key-file", CLI_STR, &(e)->key_file, "its key"                \
	}

/* Opens what the flags say: `o` names checks and pages; client and authorities are the process's. */
sp_code cli_endpoints_open(cli_endpoints *e, cli_process *p, const char *component, sp_str ca_pem,
			   const sp_status_opts *o, sp_err *err) SP_MUST_USE;
/* After sp_status_server_close of the server, if there is one. */
void cli_endpoints_done(cli_endpoints *e);
