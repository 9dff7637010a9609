/* SPDX-License-Identifier: Apache-2.0 */
/* Objects beyond those that every Kubernetes cluster has. */
#pragma once

#include "base/arena.h"
#include "client/call.h"

#define CLI_SAMPLE_NAME "hello"
#define CLI_SAMPLE_IMAGE "localhost/sampan-sample:latest"
/* The group of whom a join token authenticates, as kubeadm names it: what cli_join_addons binds roles to. */
#define CLI_JOIN_GROUP "system:bootstrappers:kubeadm:default-node-token"

typedef struct cli_addon {
	sp_gvr gvr;
	sp_str ns, name, json;
} cli_addon;

/* In the order in which they are applied, in the arena. `node_ip` is where DNS is served. */
const cli_addon *cli_addons(sp_arena *a, sp_str node_ip, size_t *ret_n);

/* Roles, and their bindings, of what is ours and not upstream's: the DNS server, the local-path provisioner.
 * The API server of `sampan server` makes them, so they are there before anybody asks. */
const cli_addon *cli_role_addons(size_t *ret_n);

/* What a cluster needs so that nodes may join it by tokens; `address` is the API server's, host:port. Made
 * when the first token is. */
const cli_addon *cli_join_addons(sp_arena *a, sp_str address, sp_str ca_pem, size_t *ret_n);
