/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/leader.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/version.h"
#include "io/process_metrics.h"

#define METRICS_BYTES_MAX ((size_t)16 << 20)

/* ---- the end ---- */

static void on_closed(void *arg)
{
	cli_leader *l = arg;
	if (--l->n_open == 0)
		sp_world_stop(l->base.world);
}

static void on_given_back(void *arg)
{
	cli_leader *l = arg;
	sp_client_close(l->client, on_closed, l);
}

static void stop(cli_leader *l)
{
	l->is_stopping = true;
	l->n_open = 1;
	if (l->has_begun) {
		l->n_open++;
		l->close(l, on_closed, l);
	}
	if (l->endpoints.server != NULL) {
		l->n_open++;
		sp_status_server_close(l->endpoints.server, on_closed, l);
	}
	if (l->election != NULL)
		sp_election_close(l->election, on_given_back, l); /* the client is needed for that */
	else
		sp_client_close(l->client, on_closed, l);
}

static void on_stop(void *arg, int signal)
{
	cli_leader *l = arg;
	if (l->is_stopping)
		_exit(128 + signal); /* asked twice */
	stop(l);
}

/* ---- the beginning ---- */

static void lead(void *arg)
{
	cli_leader *l = arg;
	sp_err err = {0};
	if (l->begin(l, &err) == SP_OK) {
		l->has_begun = true;
		return;
	}
	sp_log(l->base.log, SP_LOG_ERROR, "it does not start", SP_KE(&err));
	l->failed = err.code;
	if (!l->is_stopping)
		stop(l);
}

/* Whoever leads now must not be disturbed by us: whatever is under way ends with this process. */
static void on_lost(void *arg)
{
	cli_leader *l = arg;
	l->election = NULL;
	sp_log(l->base.log, SP_LOG_ERROR, "leadership lost: this process ends");
	_exit(1);
}

sp_code cli_leader_open(cli_leader *l, sp_err *err)
{
	SP_TRY(cli_process_open(&l->base, l->component, l->log_level, err));
	sp_arena *a = &l->base.arena;
	if (l->kubeconfig.len > 0)
		SP_TRY(sp_client_config_load(l->base.world, a, l->kubeconfig, l->context, &l->config, err));
	else
		SP_TRY(sp_client_config_in_cluster(
			l->base.world, a, sp_str_c(secure_getenv("KUBERNETES_SERVICE_HOST")),
			sp_str_c(secure_getenv("KUBERNETES_SERVICE_PORT")), SP_STR(""), &l->config, err));
	const sp_client_opts o = {.config = &l->config,
				  .user_agent = sp_arena_printf(a, "sampan-%s/" SP_VERSION, l->component)};
	SP_TRY(sp_client_new(l->base.world, &o, &l->client, err));
	l->status.client = l->client;
	l->status.arg = l;
	SP_TRY(cli_endpoints_open(&l->endpoints, &l->base, l->component, l->config.ca_pem, &l->status, err));
	return cli_process_on_stop(&l->base, on_stop, l, err);
}

void cli_leader_metrics(const cli_leader *l, sp_buf *out)
{
	SP_CLEANUP(sp_arena_done) sp_arena a;
	sp_arena_init(&a, METRICS_BYTES_MAX);
	(void)sp_buf_printf(
		out,
		"# HELP leader_election_master_status [ALPHA] Gauge of if the reporting system is "
		"master of the relevant lease, 0 indicates backup, 1 indicates master.\n"
		"# TYPE leader_election_master_status gauge\n"
		"leader_election_master_status{name=\"" SP_FMT "\"} %d\n",
		SP_ARG(l->lease_name), l->has_begun ? 1 : 0);
	sp_process_metrics(l->base.world, &a, out);
}

/* "host_4f1d…": unique for each process. */
static sp_code elect(cli_leader *l, sp_err *err)
{
	char host[256] = "";
	if (gethostname(host, sizeof host - 1) != 0)
		host[0] = '\0';
	const sp_election_opts o = {.client = l->client,
				    .log = l->base.log,
				    .ns = l->lease_ns,
				    .name = l->lease_name,
				    .identity =
					    sp_arena_printf(&l->base.arena, "%s_%016llx", host,
							    (unsigned long long)sp_random_u64(l->base.world)),
				    .on_leading = lead,
				    .on_lost = on_lost,
				    .arg = l};
	return sp_election_new(&o, &l->election, err);
}

sp_code cli_leader_run(cli_leader *l, sp_code code, sp_err *err)
{
	if (code == SP_OK && l->elect)
		code = elect(l, err);
	else if (code == SP_OK)
		lead(l);
	if (code != SP_OK)
		return code;
	sp_world_run(l->base.world);
	return l->failed;
}

void cli_leader_done(cli_leader *l)
{
	sp_election_free(l->election);
	cli_endpoints_done(&l->endpoints);
	sp_client_free(l->client);
	cli_process_done(&l->base);
}

int cli_leader_end(const cli_leader *l, sp_code code, const sp_err *err)
{
	return cli_end(l->component, code, l->failed != SP_OK ? NULL : err);
}
