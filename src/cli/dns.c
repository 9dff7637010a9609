/* SPDX-License-Identifier: Apache-2.0 */
/* `sampan dns`: names of Services and pods, and of everything else by way of the node's resolvers. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/version.h"
#include "cli/cli.h"
#include "cli/process.h"
#include "client/call.h"
#include "io/file.h"
#include "network/dns/server.h"
#include "runtime/confine.h"

#define RESOLV_BYTES_MAX ((size_t)64 << 10)

typedef struct flags {
	sp_str kubeconfig, address, domain, resolv_conf, log_level;
} flags;

typedef struct process {
	flags f;
	cli_process base;
	sp_client_config config;
	sp_client *client;
	sp_informers *informers;
	dns_zone *zone;
	dns_forwarder *forwarder;
	dns_server *server;
	bool stopping;
	sp_code failed;
} process;

/* ---- the end ---- */

static void on_client_closed(void *arg)
{
	sp_world_stop(((process *)arg)->base.world);
}

static void on_server_closed(void *arg)
{
	process *p = arg;
	sp_client_close(p->client, on_client_closed, p);
}

static void on_stop(void *arg, int signal)
{
	process *p = arg;
	if (p->stopping)
		_exit(128 + signal); /* asked twice */
	p->stopping = true;
	if (p->server != NULL)
		dns_server_close(p->server, on_server_closed, p);
	else
		on_server_closed(p);
}

/* ---- the beginning ---- */

static sp_code open_forwarder(process *p, sp_err *err)
{
	sp_str text, servers[DNS_SERVERS_MAX];
	SP_TRY(sp_file_read_arena(p->base.world, p->f.resolv_conf, &p->base.arena, RESOLV_BYTES_MAX, &text,
				  err));
	size_t n = dns_resolv_conf(&p->base.arena, text, servers);
	return dns_forwarder_new(p->base.world, servers, n, &p->forwarder, err);
}

/* Before that it would say of names that there are none. */
static void on_synced(void *arg)
{
	process *p = arg;
	sp_err err = {0};
	const dns_server_opts o = {
		.address = p->f.address, .zone = p->zone, .forwarder = p->forwarder, .log = p->base.log};
	if (p->stopping)
		return;
	p->failed = dns_server_new(p->base.world, &o, &p->server, &err);
	if (p->failed == SP_OK) {
		sp_log(p->base.log, SP_LOG_INFO, "serving", SP_KS("address", dns_server_address(p->server)));
		return;
	}
	sp_log(p->base.log, SP_LOG_ERROR, "can't serve", SP_KE(&err));
	on_stop(p, SIGTERM);
}

static sp_code start(process *p, sp_err *err)
{
	if (p->f.kubeconfig.len == 0)
		return sp_fail(err, SP_EINVAL, "--kubeconfig is missing");
	SP_TRY(cli_process_open(&p->base, "dns", p->f.log_level, err));
	SP_TRY(sp_client_config_load(p->base.world, &p->base.arena, p->f.kubeconfig, SP_STR(""), &p->config,
				     err));
	const sp_client_opts client = {.config = &p->config, .user_agent = SP_STR("sampan-dns/" SP_VERSION)};
	SP_TRY(sp_client_new(p->base.world, &client, &p->client, err));
	SP_TRY(sp_informers_new(p->client, p->base.log, &p->informers, err));
	SP_TRY(dns_zone_new(p->informers, p->f.domain, &p->zone, err));
	SP_TRY(open_forwarder(p, err));
	sp_informers_on_synced(p->informers, on_synced, p);
	SP_TRY(cli_process_on_stop(&p->base, on_stop, p, err));
	/* It hears everybody, and on nodes that joined it is root, whose the node's credentials are. */
	SP_TRY(rt_confine(err));
	sp_informers_start(p->informers);
	return SP_OK;
}

static void finish(process *p)
{
	dns_server_free(p->server);
	dns_forwarder_free(p->forwarder);
	dns_zone_free(p->zone);
	sp_informers_free(p->informers);
	sp_client_free(p->client);
	cli_process_done(&p->base);
}

static sp_code run_all(process *p, sp_err *err)
{
	sp_code code = start(p, err);
	if (code == SP_OK)
		sp_world_run(p->base.world);
	finish(p);
	return code == SP_OK ? p->failed : code;
}

int cli_dns(int argc, char **argv)
{
	process p = {.f = {.address = SP_STR("0.0.0.0:53"),
			   .domain = SP_STR("cluster.local"),
			   .resolv_conf = SP_STR("/etc/resolv.conf"),
			   .log_level = SP_STR("info")}};
	const cli_flag table[] = {
		{"address", CLI_STR, &p.f.address, "where to serve, UDP and TCP"},
		{"cluster-domain", CLI_STR, &p.f.domain, "the zone of services and pods"},
		{"kubeconfig", CLI_STR, &p.f.kubeconfig, "where the API server is, and who we are"},
		{"log-level", CLI_STR, &p.f.log_level, "error, warn, info, debug or trace"},
		{"resolv-conf", CLI_STR, &p.f.resolv_conf, "whose servers are asked for other names"},
	};
	sp_err err = {0};
	int status;
	if (!cli_begin("dns", NULL, table, SP_LEN(table), argc, argv, &status))
		return status;
	sp_code code = run_all(&p, &err);
	return cli_end("dns", code, err.code != SP_OK ? &err : NULL);
}
