/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kubelet API over HTTPS: what the API server and operators ask a node for. Everybody is identified by a
 * client certificate or by a token that the API reviews, and what they may do is asked of the API, too. U:
 * kubernetes pkg/kubelet/server.
 */
#pragma once

#include "io/tls.h"
#include "node/agent.h"

typedef struct node_server node_server;

typedef struct node_server_opts {
	sp_str address; /* "0.0.0.0:10250"; port 0: any */
	sp_tls_config
		*tls; /* with client_auth REQUEST, so that certificates are looked at; a reference is taken */
} node_server_opts;

sp_code node_server_open(node_agent *a, const node_server_opts *o, node_server **ret,
			 sp_err *err) SP_MUST_USE;
/* For handshakes that begin from now on; a reference is taken. */
void node_server_set_tls(node_server *s, sp_tls_config *tls);
/* With the port that was bound. */
sp_str node_server_address(const node_server *s);
/* Ends every request. done comes once; then free it. */
void node_server_close(node_server *s, void (*done)(void *arg), void *arg);
void node_server_free(node_server *s);
