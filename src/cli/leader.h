/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A component of which one at a time works: a client by kubeconfig or from inside a pod, a lease, the
 * component while it is held, and its orderly end. What leads must stop at once when the lease is lost, so
 * the process ends then.
 */
#pragma once

#include "cli/endpoints.h"
#include "cli/process.h"
#include "client/election.h"

/* Embedded in the verb's own struct, zero-initialised but for the first two groups. */
typedef struct cli_leader {
	/* Flags, with the verb's defaults. */
	sp_str kubeconfig, context, log_level, lease_ns, lease_name;
	bool elect;
	cli_endpoints endpoints;

	/* The verb's. */
	const char *component; /* "scheduler": in logs and the user agent */
	/* Starts the component; from the loop, or from inside cli_leader_run. */
	sp_code (*begin)(struct cli_leader *l, sp_err *err);
	/* Ends a component that was begun. */
	void (*close)(struct cli_leader *l, void (*done)(void *arg), void *arg);
	/* What it tells over HTTPS, beside its health; client, address and the like are filled in here, `arg`
	 * is the leader. */
	sp_status_opts status;

	cli_process base;
	sp_client_config config;
	sp_client *client;
	sp_election *election;
	unsigned n_open; /* parts that are still to close */
	bool has_begun, is_stopping;
	sp_code failed;
} cli_leader;

/* Rows of the verb's table of flags, in their alphabetic places. */
#define CLI_LEADER_FLAG_CONTEXT(l)                                                               \
	{                                                                                        \
		"context", CLI_STR, &(l)->context, "of the kubeconfig; default: its current one" \
	}
#define CLI_LEADER_FLAGS(l)                                                                           \
	{"kubeconfig", CLI_STR, &(l)->kubeconfig, "where the API server is; default: the pod's own"}, \
		{"leader-elect", CLI_BOOL, &(l)->elect, "work only while holding the lease"},         \
		{"leader-elect-resource-name", CLI_STR, &(l)->lease_name, "name of the lease"},       \
		{"leader-elect-resource-namespace", CLI_STR, &(l)->lease_ns, "its namespace"},        \
	{                                                                                             \
		"log-level", CLI_STR, &(l)->log_level, "error, warn, info, debug or trace"            \
	}

/* Appends what every such process counts: whether it leads, and what the kernel says of it. */
void cli_leader_metrics(const cli_leader *l, sp_buf *out);

/* Process, client and endpoints. The verb reads its files afterwards; then cli_leader_run, also after an
 * error here, for everything is released there. */
sp_code cli_leader_open(cli_leader *l, sp_err *err) SP_MUST_USE;

/* Runs until a signal, or returns `code` when that is an error already. */
sp_code cli_leader_run(cli_leader *l, sp_code code, sp_err *err);

/* After the verb released its component: client, log, world. */
void cli_leader_done(cli_leader *l);

/* The exit status of what cli_leader_run returned; an error's message is printed unless it was logged. */
int cli_leader_end(const cli_leader *l, sp_code code, const sp_err *err);
