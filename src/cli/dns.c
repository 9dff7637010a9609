/* SPDX-License-Identifier: Apache-2.0 */
/* `sampan dns`: names of Services and pods, and of everything else by way of the node's resolvers. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/version.h"
#include "cli/cli.h"
#include "cli/flags.h"
#include "client/call.h"
#include "io/file.h"
#include "io/uv/uv.h"
#include "network/dns/server.h"

#define RESOLV_BYTES_MAX ((size_t)64 << 10)

typedef struct flags {
	sp_str kubeconfig, address, domain, resolv_conf, log_level;
} flags;

typedef struct process {
	flags f;
	sp_arena arena;
	sp_world *world;
	sp_log *log;
	sp_client_config config;
	sp_client *client;
	sp_informers *informers;
	dns_zone *zone;
	dns_forwarder *forwarder;
	dns_server *server;
	sp_signal_watch *term, *interrupt;
	bool stopping;
	sp_code failed;
} process;

static int64_t wall_ns(void *arg)
{
	return sp_wall_ns(((process *)arg)->world);
}

/* ---- the end ---- */

static void on_client_closed(void *arg)
{
	sp_world_stop(((process *)arg)->world);
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
	SP_TRY(sp_file_read_arena(p->world, p->f.resolv_conf, &p->arena, RESOLV_BYTES_MAX, &text, err));
	size_t n = dns_resolv_conf(&p->arena, text, servers);
	return dns_forwarder_new(p->world, servers, n, &p->forwarder, err);
}

/* Before that it would say of names that there are none. */
static void on_synced(void *arg)
{
	process *p = arg;
	sp_err err = {0};
	const dns_server_opts o = {
		.address = p->f.address, .zone = p->zone, .forwarder = p->forwarder, .log = p->log};
	if (p->stopping)
		return;
	p->failed = dns_server_new(p->world, &o, &p->server, &err);
	if (p->failed == SP_OK) {
		sp_log(p->log, SP_LOG_INFO, "serving", SP_KS("address", dns_server_address(p->server)));
		return;
	}
	sp_log(p->log, SP_LOG_ERROR, "can't serve", SP_KE(&err));
	on_stop(p, SIGTERM);
}

static sp_code start(process *p, sp_err *err)
{
	sp_log_level level;
	if (p->f.kubeconfig.len == 0)
		return sp_fail(err, SP_EINVAL, "--kubeconfig is missing");
	SP_TRY(sp_log_level_parse(p->f.log_level, &level, err));
	sp_hash_key seed;
	sp_random(p->world, &seed, sizeof seed);
	sp_hash_seed_set(seed);
	p->log = sp_log_new(&(sp_log_opts){.level = level,
					   .format = isatty(STDERR_FILENO) ? SP_LOG_TEXT : SP_LOG_JSON,
					   .component = "dns",
					   .wall_ns = wall_ns,
					   .write = sp_log_to_stderr,
					   .arg = p});
	sp_log_dump_on_crash(p->log);
	SP_TRY(sp_client_config_load(p->world, &p->arena, p->f.kubeconfig, SP_STR(""), &p->config, err));
	const sp_client_opts client = {.config = &p->config, .user_agent = SP_STR("sampan-dns/" SP_VERSION)};
	SP_TRY(sp_client_new(p->world, &client, &p->client, err));
	SP_TRY(sp_informers_new(p->client, p->log, &p->informers, err));
	SP_TRY(dns_zone_new(p->informers, p->f.domain, &p->zone, err));
	SP_TRY(open_forwarder(p, err));
	sp_informers_on_synced(p->informers, on_synced, p);
	SP_TRY(sp_signal_watch_new(p->world, SIGTERM, on_stop, p, &p->term, err));
	SP_TRY(sp_signal_watch_new(p->world, SIGINT, on_stop, p, &p->interrupt, err));
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
	sp_signal_watch_free(p->term);
	sp_signal_watch_free(p->interrupt);
	sp_log_free(p->log);
	sp_world_uv_free(p->world);
	sp_arena_done(&p->arena);
}

static sp_code run_all(process *p, sp_err *err)
{
	sp_arena_init(&p->arena, (size_t)8 << 20);
	sp_code code = sp_world_uv_new(&p->world, err);
	if (code == SP_OK)
		code = start(p, err);
	if (code == SP_OK)
		sp_world_run(p->world);
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
	bool help;
	if (cli_flags_parse(table, SP_LEN(table), argc, argv, &help, &err) != SP_OK) {
		(void)fprintf(stderr, "sampan dns: %s\n", err.msg);
		return CLI_EXIT_USAGE;
	}
	if (help) {
		cli_flags_help("sampan dns [FLAGS]", table, SP_LEN(table));
		return 0;
	}
	sp_code code = run_all(&p, &err);
	if (code == SP_OK)
		return 0;
	(void)fprintf(stderr, "sampan dns: %s\n", err.msg);
	return sp_code_lookup(code)->exit_code;
}
