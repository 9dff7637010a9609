/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sampan join`: this machine gets its node's certificate with a token, and the kubeconfig that names it. U:
 * kubeadm join, kubelet's TLS bootstrap.
 *
 * Nobody is trusted before: what the server says of itself must be signed with the token, and its authority
 * be the one whose hash is in the token, when there is one.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base64.h"
#include "base/json_out.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/host_names.h"
#include "cli/join.h"
#include "cli/process.h"
#include "client/certificate.h"
#include "client/cluster_info.h"
#include "io/file.h"

#define NS_PER_S UINT64_C(1000000000)
#define TEXT_BYTES_MAX ((size_t)256 << 10)

typedef struct flags {
	cli_secret token;
	sp_str server, data_dir, node_name, log_level;
	int64_t timeout_s;
} flags;

typedef struct join {
	flags f;
	cli_process base;
	sp_join_token token;
	sp_client_config stranger, config; /* before and after the server proved itself */
	sp_client *first, *client;
	sp_call call;
	sp_certificate *certificate;
	sp_timer limit;
	sp_code code;
	sp_err err;
	bool over;
} join;

/* ---- ends ---- */

static void on_client_closed(void *arg)
{
	sp_world_stop(((join *)arg)->base.world);
}

static void close_client(void *arg)
{
	join *j = arg;
	if (j->client != NULL)
		sp_client_close(j->client, on_client_closed, j);
	else
		sp_client_close(j->first, on_client_closed, j);
}

static void end(join *j, sp_code code, const sp_err *err)
{
	if (j->over)
		return;
	j->over = true;
	j->code = code;
	if (err != NULL && err != &j->err)
		j->err = *err;
	sp_timer_stop(j->base.world, &j->limit);
	sp_call_cancel(&j->call);
	if (j->certificate != NULL)
		sp_certificate_close(j->certificate, close_client, j);
	else
		close_client(j);
}

static void on_limit(sp_timer *t)
{
	join *j = t->arg;
	(void)sp_fail(
		&j->err, SP_ETIMEOUT,
		j->certificate != NULL
			? "nobody signed this node's certificate within %lld s: does the server run its "
			  "controllers, and may the token's group join?"
			: "the server did not answer within %lld s",
		(long long)j->f.timeout_s);
	end(j, SP_ETIMEOUT, &j->err);
}

/* ---- the kubeconfig ---- */

static sp_code write_kubeconfig(join *j, sp_err *err)
{
	sp_arena *a = &j->base.arena;
	SP_AUTO_BUF out;
	sp_buf_init(&out, TEXT_BYTES_MAX);
	sp_str pem = cli_join_certificate(a, j->f.data_dir);
	(void)sp_buf_printf(&out,
			    "apiVersion: v1\nkind: Config\nclusters:\n- name: sampan\n  cluster:\n"
			    "    server: https://" SP_FMT "\n    certificate-authority-data: ",
			    SP_ARG(j->config.address));
	(void)sp_base64_append(&out, j->config.ca_pem.ptr, j->config.ca_pem.len);
	(void)sp_buf_printf(&out,
			    "\nusers:\n- name: node\n  user:\n    client-certificate: " SP_FMT
			    "\n    client-key: " SP_FMT
			    "\ncontexts:\n- name: sampan\n  context:\n    cluster: sampan\n    user: node\n"
			    "current-context: sampan\n",
			    SP_ARG(pem), SP_ARG(pem));
	if (sp_buf_code(&out) != SP_OK)
		return sp_fail(err, SP_ENOMEM, "no room for a kubeconfig");
	return sp_file_replace(j->base.world, cli_join_kubeconfig(a, j->f.data_dir), sp_buf_view(&out), 0600,
			       err);
}

static void on_certificate(void *arg)
{
	join *j = arg;
	end(j, write_kubeconfig(j, &j->err), &j->err);
}

/* ---- the certificate ---- */

static sp_code ask_certificate(join *j, sp_err *err)
{
	static const sp_str group = SP_STR_INIT("system:nodes");
	sp_arena *a = &j->base.arena;
	j->config.token = sp_arena_printf(a, SP_FMT "." SP_FMT, SP_ARG(j->token.id), SP_ARG(j->token.secret));
	SP_TRY(sp_client_new(j->base.world,
			     &(sp_client_opts){.config = &j->config, .user_agent = SP_STR("sampan-join")},
			     &j->client, err));
	const sp_certificate_opts o = {
		.client = j->client,
		.log = j->base.log,
		.path = cli_join_certificate(a, j->f.data_dir),
		.signer = SP_STR("kubernetes.io/kube-apiserver-client-kubelet"),
		.usages = SP_STR("[\"digital signature\",\"client auth\"]"),
		.names = {.common_name = SP_CONCAT(a, SP_STR("system:node:"), j->f.node_name),
			  .organizations = &group,
			  .n_organizations = 1},
		.changed = on_certificate,
		.arg = j};
	SP_TRY(sp_certificate_new(&o, &j->certificate, err));
	if (sp_certificate_is_there(j->certificate))
		on_certificate(j);
	return SP_OK;
}

static void on_first_closed(void *arg)
{
	join *j = arg;
	if (ask_certificate(j, &j->err) != SP_OK) {
		j->over = true;
		j->code = j->err.code;
		sp_world_stop(j->base.world);
	}
}

/* ---- who the server is ---- */

static void on_info(sp_call *c, const sp_answer *a)
{
	join *j = c->arg;
	sp_code code = a->code;
	if (code == SP_ENOTFOUND || code == SP_EFORBIDDEN)
		code = sp_fail(&j->err, code,
			       "the server does not tell strangers who it is (no ConfigMap "
			       "kube-public/cluster-info for everybody)");
	else if (code != SP_OK)
		j->err = *a->err;
	if (code == SP_OK)
		code = sp_join_verify(&j->base.arena, a->body, &j->token, &j->config, &j->err);
	if (code != SP_OK)
		end(j, code, &j->err);
	else
		sp_client_close(j->first, on_first_closed, j);
}

/* "https://10.0.0.1:6443", the scheme and the port may be left out. */
static sp_code read_server(join *j, sp_err *err)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, TEXT_BYTES_MAX);
	sp_str server = j->f.server;
	if (sp_str_find(server, SP_STR("://")) < 0)
		server = SP_CONCAT(&j->base.arena, SP_STR("https://"), server);
	sp_jout out = sp_jout_to(&text);
	sp_jout_open(&out, '{');
	sp_jout_member_open(&out, SP_STR("clusters"), '[');
	sp_jout_open(&out, '{');
	sp_jout_member_open(&out, SP_STR("cluster"), '{');
	sp_jout_member_str(&out, SP_STR("server"), server);
	sp_jout_member_bool(&out, SP_STR("insecure-skip-tls-verify"), true);
	sp_jout_close(&out, '}');
	sp_jout_close(&out, '}');
	sp_jout_close(&out, ']');
	sp_jout_close(&out, '}');
	sp_str json = sp_arena_try_dup(&j->base.arena, sp_buf_view(&text));
	if (sp_buf_code(&text) != SP_OK || json.ptr == NULL)
		return sp_fail(err, SP_EINVAL, "--server is too long");
	if (sp_client_config_cluster(&j->base.arena, json, &j->stranger, err) != SP_OK ||
	    !sp_str_eq(j->stranger.scheme, SP_STR("https")))
		return sp_fail(err, SP_EINVAL, "--server '" SP_FMT "' is no https://HOST:PORT",
			       SP_ARG(j->f.server));
	return SP_OK;
}

static sp_code start(join *j, sp_err *err)
{
	if (j->f.server.len == 0 || j->f.token.len == 0)
		return sp_fail(err, SP_EINVAL,
			       "--server and --token are needed: 'sampan token create' on the server prints "
			       "both");
	if (!sp_str_starts(j->f.data_dir, SP_STR("/")) || j->f.timeout_s < 1 || j->f.timeout_s > 86400)
		return sp_fail(err, SP_EINVAL, "--data-dir is an absolute path, --timeout 1 to 86400");
	SP_TRY(sp_join_token_parse(cli_secret_view(&j->f.token), &j->token, err));
	SP_TRY(cli_process_open(&j->base, "join", j->f.log_level, err));
	if (j->f.node_name.len == 0)
		j->f.node_name = cli_host_name(&j->base.arena);
	SP_TRY(read_server(j, err));
	SP_TRY(sp_dir_make(j->base.world, SP_CONCAT(&j->base.arena, j->f.data_dir, SP_STR("/pki")), 0700,
			   err));
	SP_TRY(sp_client_new(j->base.world,
			     &(sp_client_opts){.config = &j->stranger, .user_agent = SP_STR("sampan-join")},
			     &j->first, err));
	j->limit.arg = j;
	sp_timer_start(j->base.world, &j->limit, (uint64_t)j->f.timeout_s * NS_PER_S, on_limit);
	j->call = (sp_call){.done = on_info, .arg = j};
	sp_call_start(j->first, &j->call,
		      &(sp_ask){.gvr = SP_CONFIGMAPS,
				.ns = SP_STR("kube-public"),
				.name = SP_STR("cluster-info"),
				.within_ns = (uint64_t)j->f.timeout_s * NS_PER_S});
	return SP_OK;
}

int cli_join(int argc, char **argv)
{
	join j = {.f = {.data_dir = SP_STR("/var/lib/sampan"), .log_level = SP_STR("info"), .timeout_s = 60}};
	const cli_flag table[] = {
		{"data-dir", CLI_STR, &j.f.data_dir, "where the certificate and the kubeconfig are kept"},
		{"log-level", CLI_STR, &j.f.log_level, "error, warn, info, debug or trace"},
		{"node-name", CLI_STR, &j.f.node_name, "name of this node; default: of the machine"},
		{"server", CLI_STR, &j.f.server, "https://HOST:PORT of the cluster"},
		{"timeout", CLI_I64, &j.f.timeout_s, "seconds to wait for the certificate"},
		{"token", CLI_SECRET, &j.f.token, "as 'sampan token create' prints it"},
	};
	int status;
	if (!cli_begin("join", NULL, table, SP_LEN(table), argc, argv, &status))
		return status;
	sp_code code = start(&j, &j.err);
	if (code == SP_OK) {
		sp_world_run(j.base.world);
		code = j.code;
	}
	sp_certificate_free(j.certificate);
	sp_client_free(j.client);
	sp_client_free(j.first);
	cli_process_done(&j.base);
	return cli_end("join", code, &j.err);
}

sp_str cli_join_kubeconfig(sp_arena *a, sp_str data_dir)
{
	return SP_CONCAT(a, data_dir, SP_STR("/pki/node.kubeconfig"));
}

sp_str cli_join_certificate(sp_arena *a, sp_str data_dir)
{
	return SP_CONCAT(a, data_dir, SP_STR("/pki/node.pem"));
}
