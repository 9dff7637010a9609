/* SPDX-License-Identifier: Apache-2.0 */
/* `sampan apiserver`: the API server alone, as the invoking user. */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "apiserver/admission/config.h"
#include "apiserver/bootstrap/bootstrap.h"
#include "apiserver/cors.h"
#include "apiserver/front.h"
#include "apiserver/local_signer.h"
#include "apiserver/tokens.h"
#include "base/duration.h"
#include "base/json_out.h"
#include "base/log.h"
#include "base/num.h"
#include "cli/addons.h"
#include "cli/apiserver_audit.h"
#include "cli/apiserver_fixed.h"
#include "cli/apiserver_front.h"
#include "cli/apiserver_gates.h"
#include "cli/apiserver_tls.h"
#include "cli/cli.h"
#include "cli/cluster.h"
#include "cli/keys_child.h"
#include "cli/process.h"
#include "cli/renewal.h"
#include "io/file.h"
#include "keys/pki.h"
#include "keys/remote.h"
#include "store/lmdb/lmdb.h"

#define CA_BYTES_MAX ((size_t)1 << 20) /* and of other files named by flags */
#define LIST_MAX 32u
#define SEATS_MAX 1000000
#define GRACE_NS UINT64_C(5000000000)
#define SECOND_NS INT64_C(1000000000)
#define HOUR_NS (3600 * SECOND_NS)
#define TOKEN_NS_MAX ((INT64_C(1) << 32) * SECOND_NS)

typedef struct flags {
	sp_str data_dir, bind_address, tls_cert, tls_key, client_ca, log_level, advertise;
	sp_str enable_plugins, disable_plugins, admission_config;
	sp_str authorization, service_cidrs, node_ports, event_ttl;
	cli_front_flags front;
	sp_str kubelet_ca, kubelet_cert, kubelet_key, kubelet_address_types;
	sp_str token_file, issuers, signing_key, signing_endpoint, key_files, audiences, jwks_uri;
	bool bootstrap_tokens, extend_expiration, own_roles;
	int64_t port, listen_fd, max_inflight, max_mutating;
	bool fairness;
	cli_audit_flags audit;
	cli_fixed fixed;
	bool anonymous, privileged;
	sp_str request_timeout;
	sp_str cors, gates, runtime_config, tls_min_version, tls_suites, token_max;
	int64_t watch_timeout_s, not_ready_s, unreachable_s, verbosity;
} flags;

typedef struct process {
	flags f;
	cli_process base;
	sp_store *store;
	sp_tls_source *tls;
	sp_tls_opts tls_choice; /* versions and suites */
	api_server *server;
	api_front *front;
	sp_signal_watch *hangup;
	keys_pki pki;
	api_authorization authorization;
	api_admission_choice admission;
	api_admission_config *admission_config;
	const api_cors *cors;
	sp_signer *signer;
	cli_keys_child *keys; /* unless somebody else signs */
	api_tokens *tokens;
	sp_str client_ca_pem;
	api_kubelet_opts kubelet, kubelet_before; /* before: requests may still use them */
	cli_renewal renewal;
	cli_audit audit;
	cli_front front_proxy;
	bool own_keys, bootstrapping, stopping, drained;
	sp_code failed;
} process;

/* ---- TLS ---- */

static sp_code load_tls(process *p, sp_tls_config **ret, sp_err *err)
{
	static const sp_str alpn[] = {SP_STR_INIT("h2"), SP_STR_INIT("http/1.1")};
	sp_tls_opts opts = {.alpn = alpn,
			    .n_alpn = SP_LEN(alpn),
			    .client_auth = SP_TLS_CLIENT_REQUEST,
			    .tls13_only = p->tls_choice.tls13_only,
			    .ciphers = p->tls_choice.ciphers};
	SP_AUTO_BUF front_ca;
	sp_buf_init(&front_ca, SP_LIMIT_PEM_BYTES);
	const sp_tls_files files = {
		.cert = p->f.tls_cert.len > 0 ? p->f.tls_cert : p->pki.tls_crt,
		.key = p->f.tls_cert.len > 0 ? p->f.tls_key : p->pki.tls_key,
		.ca = p->f.client_ca.len > 0 ? p->f.client_ca : p->pki.ca_crt,
	};
	if (p->front_proxy.ca_file.len > 0)
		SP_TRY(sp_file_read_all(p->base.world, p->front_proxy.ca_file, &front_ca, err));
	opts.also_ca_pem = sp_buf_view(&front_ca);
	return sp_tls_server_config_from_files(p->base.world, &files, &opts, ret, err);
}

static void on_hangup(void *arg, int signal)
{
	process *p = arg;
	(void)signal;
	cli_renewal_now(&p->renewal);
}

/* ---- the end ---- */

static void on_store_closed(void *arg)
{
	process *p = arg;
	p->store = NULL;
	sp_world_stop(p->base.world);
}

/* The server has no request any more, and the audit log is written. */
static void on_told(void *arg)
{
	process *p = arg;
	p->drained = true;
	if (!p->bootstrapping)
		sp_store_close(p->store, on_store_closed, p);
}

static void on_drained(void *arg)
{
	process *p = arg;
	cli_audit_close(&p->audit, on_told, p);
}

static void on_stop(void *arg, int signal)
{
	process *p = arg;
	if (p->stopping)
		_exit(128 + signal); /* asked twice */
	p->stopping = true;
	api_front_close(p->front);
	p->front = NULL;
	api_server_drain(p->server, GRACE_NS, on_drained, p);
}

/* ---- the beginning ---- */

static sp_code check_flags(const flags *f, sp_err *err)
{
	if ((f->tls_cert.len > 0) != (f->tls_key.len > 0))
		return sp_fail(err, SP_EINVAL, "--tls-cert-file and --tls-private-key-file go together");
	if ((f->kubelet_cert.len > 0) != (f->kubelet_key.len > 0))
		return sp_fail(err, SP_EINVAL,
			       "--kubelet-client-certificate and --kubelet-client-key go together");
	if (f->max_inflight < 0 || f->max_inflight > SEATS_MAX || f->max_mutating < 0 ||
	    f->max_mutating > SEATS_MAX)
		return sp_fail(err, SP_EINVAL,
			       "--max-requests-inflight and --max-mutating-requests-inflight are 0 to %d",
			       SEATS_MAX);
	if (f->fairness && f->max_inflight + f->max_mutating == 0)
		return sp_fail(err, SP_EINVAL,
			       "--max-requests-inflight and --max-mutating-requests-inflight are not both 0");
	SP_TRY(cli_front_check(&f->front, err));
	SP_TRY(cli_fixed_check(&f->fixed, err));
	SP_TRY(cli_gates_check(f->gates, err));
	SP_TRY(cli_runtime_config_check(f->runtime_config, err));
	if (f->watch_timeout_s < 1 || f->watch_timeout_s > UINT32_MAX)
		return sp_fail(err, SP_EINVAL, "--min-request-timeout is 1 or more seconds");
	if (f->listen_fd < 0 || f->listen_fd > 65535)
		return sp_fail(err, SP_EINVAL, "--listen-fd is a descriptor");
	if (f->port < 0 || f->port > 65535)
		return sp_fail(err, SP_EINVAL, "--secure-port is 0 to 65535");
	if (f->signing_endpoint.len > 0 && (f->signing_key.len > 0 || f->key_files.len > 0))
		return sp_fail(err, SP_EINVAL,
			       "cannot set mutually exclusive flags `%s` and "
			       "`--service-account-signing-endpoint` at the same time",
			       f->signing_key.len > 0 ? "--service-account-signing-key-file"
						      : "--service-account-key-file");
	if (f->data_dir.len == 0 || f->data_dir.ptr[0] != '/')
		return sp_fail(err, SP_EINVAL, "--data-dir is an absolute path");
	return SP_OK;
}

static sp_str host_port(process *p, sp_str host, sp_str port)
{
	bool v6 = sp_str_index(host, ':') >= 0;
	return sp_arena_printf(&p->base.arena, "%s" SP_FMT "%s:" SP_FMT, v6 ? "[" : "", SP_ARG(host),
			       v6 ? "]" : "", SP_ARG(port));
}

static sp_code open_store(process *p, sp_err *err)
{
	const sp_store_lmdb_opts opts = {
		.dir = sp_arena_printf(&p->base.arena, SP_FMT "/db", SP_ARG(p->f.data_dir))};
	SP_TRY(sp_dir_make(p->base.world, p->f.data_dir, 0700, err));
	return sp_store_lmdb_open(p->base.world, &opts, &p->store, err);
}

/* On a worker: with no arena but its own. */
static sp_code save_snapshot(void *arg, sp_str name, sp_err *err)
{
	const process *p = arg;
	SP_AUTO_BUF path;
	sp_buf_init(&path, PATH_MAX);
	(void)sp_buf_printf(&path, SP_FMT "/" CLI_SNAPSHOTS, SP_ARG(p->f.data_dir));
	SP_TRY(sp_dir_make(p->base.world, sp_buf_view(&path), 0700, err));
	(void)sp_buf_printf(&path, "/" SP_FMT, SP_ARG(name));
	if (sp_buf_code(&path) != SP_OK)
		return sp_fail(err, SP_EINVAL, "the path of the snapshot is too long");
	return sp_store_lmdb_snapshot(p->store, sp_buf_view(&path), err);
}

/* ---- tokens ---- */

/* "a,b" as a list in the arena. */
static sp_str *split(process *p, sp_str text, size_t *ret_n)
{
	size_t n = 0;
	sp_str *items = sp_new(&p->base.arena, sp_str, LIST_MAX);
	while (text.len > 0 && n < LIST_MAX) {
		if (!sp_str_cut(&text, ',', &items[n])) {
			items[n] = text;
			text.len = 0;
		}
		n++;
	}
	*ret_n = n;
	return items;
}

/* Somebody else's, a key of this process, or a keys process of our own. */
static sp_code open_signer(process *p, sp_err *err)
{
	sp_str endpoint = p->f.signing_endpoint;
	if (p->f.signing_key.len > 0)
		return api_local_signer_open(p->base.world, p->f.signing_key, &p->signer, err);
	if (endpoint.len == 0)
		SP_TRY(cli_keys_child_start(p->base.world, p->base.log, p->f.data_dir, &p->keys, &endpoint,
					    err));
	return keys_remote_signer_open(p->base.world, p->base.log, endpoint, &p->signer, err);
}

/* What the flag says, within what the signer can do; 0: as long as the signer lets them live. */
static sp_code max_of_tokens(process *p, int64_t *ret_s, sp_err *err)
{
	int64_t ns = 0, most_s = p->signer->max_expiration_s;
	SP_TRY(sp_duration_parse(p->f.token_max, &ns, err));
	if (ns != 0 && (ns < HOUR_NS || ns > TOKEN_NS_MAX))
		return sp_fail(err, SP_EINVAL,
			       "the service-account-max-token-expiration must be between 1 hour and 2^32 "
			       "seconds");
	if (most_s > 0 && ns / SECOND_NS > most_s)
		return sp_fail(err, SP_EINVAL,
			       "service-account-max-token-expiration cannot be set longer than the token "
			       "expiration supported by service-account-signing-endpoint: %llds > %llds",
			       (long long)(ns / SECOND_NS), (long long)most_s);
	*ret_s = ns / SECOND_NS;
	return SP_OK;
}

static sp_code open_tokens(process *p, sp_err *err)
{
	api_tokens_opts o = {.jwks_uri = p->f.jwks_uri,
			     .no_bootstrap = !p->f.bootstrap_tokens,
			     .extend_expiration = p->f.extend_expiration};
	o.issuers = split(p, p->f.issuers, &o.n_issuers);
	o.audiences = split(p, p->f.audiences, &o.n_audiences);
	sp_str *files = split(p, p->f.key_files, &o.n_verifiers);
	if (o.n_issuers == 0)
		return sp_fail(err, SP_EINVAL, "--service-account-issuer is empty");
	SP_TRY(open_signer(p, err));
	SP_TRY(max_of_tokens(p, &o.max_expiration_s, err));
	for (size_t i = 0; i < o.n_verifiers; i++)
		SP_TRY(sp_file_read_arena(p->base.world, files[i], &p->base.arena, CA_BYTES_MAX, &files[i],
					  err));
	if (p->f.token_file.len > 0)
		SP_TRY(sp_file_read_arena(p->base.world, p->f.token_file, &p->base.arena, CA_BYTES_MAX,
					  &o.static_csv, err));
	o.signer = p->signer;
	o.verifiers = files;
	return api_tokens_new(&o, &p->tokens, err);
}

/* ---- kubelets and what they run ---- */

/* A certificate of our own authority says to kubelets who we are, unless flags name one. */
static sp_code kubelet_files(process *p, sp_tls_files *ret, sp_err *err)
{
	const keys_pki_opts pki = {.dir = p->f.data_dir, .ips = &p->f.advertise, .n_ips = 1};
	*ret = (sp_tls_files){p->f.kubelet_cert, p->f.kubelet_key, p->f.kubelet_ca};
	if (ret->cert.len > 0 || !p->own_keys)
		return SP_OK;
	return keys_pki_pair_ensure(p->base.world, &p->base.arena, &pki, &keys_pki_kubelet_client, &ret->cert,
				    &ret->key, err);
}

/* As upstream: without an authority kubelets are not verified, pods and services never. */
static sp_code open_kubelets(process *p, sp_err *err)
{
	sp_tls_files files;
	sp_tls_opts o = {.insecure_skip_verify = p->f.kubelet_ca.len == 0};
	SP_TRY(kubelet_files(p, &files, err));
	p->kubelet.address_types = p->f.kubelet_address_types;
	SP_TRY(sp_tls_client_config_from_files(p->base.world, &files, &o, &p->kubelet.tls, err));
	o.insecure_skip_verify = true;
	files.ca = SP_STR("");
	SP_TRY(sp_tls_client_config_from_files(p->base.world, &files, &o, &p->kubelet.unverified_tls, err));
	return sp_tls_client_config(&o, &p->kubelet.others_tls, err);
}

static void close_kubelets(api_kubelet_opts *k)
{
	sp_tls_config_unref(k->tls);
	sp_tls_config_unref(k->unverified_tls);
	sp_tls_config_unref(k->others_tls);
}

/* Serving, and what we are to kubelets. Our own authority makes them anew before. */
static sp_code reload(void *arg, sp_err *err)
{
	process *p = arg;
	sp_tls_config *config = NULL;
	const keys_pki_opts pki = {.dir = p->f.data_dir,
				   .ips = &p->f.advertise,
				   .n_ips = 1,
				   .service_cidrs = p->f.service_cidrs};
	const api_kubelet_opts before = p->kubelet;
	if (p->own_keys) {
		SP_CLEANUP(sp_arena_done) sp_arena scratch;
		keys_pki made;
		sp_arena_init(&scratch, CA_BYTES_MAX);
		SP_TRY(keys_pki_ensure(p->base.world, &scratch, &pki, &made, err));
	}
	SP_TRY(load_tls(p, &config, err));
	sp_tls_source_set(p->tls, config);
	sp_tls_config_unref(config);
	sp_code code = open_kubelets(p, err);
	if (code != SP_OK) {
		p->kubelet = before;
		return code;
	}
	close_kubelets(&p->kubelet_before);
	p->kubelet_before = before;
	api_server_set_kubelet(p->server, &p->kubelet);
	return SP_OK;
}

/* ---- the server ---- */

static uint32_t seats_of(const flags *f)
{
	return f->fairness ? (uint32_t)(f->max_inflight + f->max_mutating) : 0;
}

static sp_code open_server(process *p, sp_err *err)
{
	int64_t ttl_ns, timeout_ns;
	SP_TRY(sp_duration_parse(p->f.event_ttl, &ttl_ns, err));
	SP_TRY(sp_duration_parse(p->f.request_timeout, &timeout_ns, err));
	if (timeout_ns <= 0)
		return sp_fail(err, SP_EINVAL, "--request-timeout is positive");
	if (ttl_ns < 0)
		return sp_fail(err, SP_EINVAL, "--event-ttl is not negative");
	const api_server_opts opts = {.store = p->store,
				      .log = p->base.log,
				      .authorization = p->authorization,
				      .admission = p->admission,
				      .admission_config = p->admission_config,
				      .no_anonymous = !p->f.anonymous,
				      .no_privileged = !p->f.privileged,
				      .tokens = p->tokens,
				      .service_cidrs = p->f.service_cidrs,
				      .node_ports = p->f.node_ports,
				      .kubelet = p->kubelet,
				      .front_proxy = p->front_proxy.opts,
				      .audit = cli_audit_opts(&p->audit),
				      .cors = p->cors,
				      .seats = seats_of(&p->f),
				      .request_timeout_ns = (uint64_t)timeout_ns,
				      .min_request_timeout_s = (uint32_t)p->f.watch_timeout_s,
				      .tolerate = {true, p->f.not_ready_s, p->f.unreachable_s},
				      .event_ttl_ns = (uint64_t)ttl_ns,
				      .snapshots = {save_snapshot, p}};
	return api_server_new(p->base.world, &opts, &p->server, err);
}

/* The port that was bound, with the address clients are told. */
static sp_str advertised(process *p)
{
	sp_str bound = api_front_address(p->front);
	ptrdiff_t colon = sp_str_rindex(bound, ':');
	return host_port(p, p->f.advertise, sp_str_sub(bound, (size_t)(colon + 1), bound.len));
}

static sp_code open_door(process *p, sp_str address, sp_err *err)
{
	return api_front_open(p->base.world, p->server, address, p->tls, &p->front, err);
}

/* On a socket that listens already clients wait: they are let in when the first objects are made, without
 * which nobody has a right. */
static sp_code open_late(process *p, sp_err *err)
{
	if (p->f.listen_fd == 0 || p->stopping)
		return SP_OK;
	return open_door(p, sp_arena_printf(&p->base.arena, "fd:%d", (int)p->f.listen_fd), err);
}

static sp_code listen_tls(process *p, sp_err *err)
{
	sp_tls_config *config = NULL;
	const keys_pki_opts pki = {.dir = p->f.data_dir,
				   .ips = &p->f.advertise,
				   .n_ips = 1,
				   .service_cidrs = p->f.service_cidrs};
	sp_str port = sp_arena_printf(&p->base.arena, "%u", (unsigned)p->f.port);
	if (p->own_keys)
		SP_TRY(keys_pki_ensure(p->base.world, &p->base.arena, &pki, &p->pki, err));
	SP_TRY(load_tls(p, &config, err));
	p->tls = sp_tls_source_new(config);
	sp_tls_config_unref(config);
	p->renewal = (cli_renewal){.world = p->base.world,
				   .log = p->base.log,
				   .path = p->f.tls_cert.len > 0 ? p->f.tls_cert : p->pki.tls_crt,
				   .reload = reload,
				   .arg = p};
	cli_renewal_start(&p->renewal);
	if (p->f.listen_fd == 0)
		SP_TRY(open_door(p, host_port(p, p->f.bind_address, port), err));
	if (!p->own_keys || p->f.listen_fd > 0)
		return SP_OK;
	return keys_pki_kubeconfig(p->base.world, &p->base.arena, &pki, advertised(p), &keys_pki_admin, err);
}

static void on_bootstrapped(void *arg, sp_code code, const sp_err *err)
{
	process *p = arg;
	p->bootstrapping = false;
	if (p->drained) { /* stopped in the meantime */
		sp_store_close(p->store, on_store_closed, p);
		return;
	}
	if (p->stopping)
		return;
	sp_err own = {0};
	if (code == SP_OK && open_late(p, &own) != SP_OK) {
		code = own.code;
		err = &own;
	}
	if (code == SP_OK) {
		sp_str file = sp_str_c(p->own_keys ? keys_pki_admin.file : "");
		sp_log(p->base.log, SP_LOG_INFO, "serving", SP_KS("address", api_front_address(p->front)),
		       SP_KS("kubeconfig", file));
		return;
	}
	sp_log(p->base.log, SP_LOG_ERROR, "the first objects can't be made", SP_KE(err));
	p->failed = code;
	on_stop(p, SIGTERM);
}

/* The prefix of the family that services have by default. */
static sp_str first_of(sp_str list)
{
	sp_str first;
	return sp_str_cut(&list, ',', &first) ? first : list;
}

/* Requests are answered from now on, but readiness is told when this is done. */
static sp_code bootstrap(process *p, sp_err *err)
{
	sp_str bound = p->front == NULL ? SP_STR("") : api_front_address(p->front);
	uint64_t port = (uint64_t)p->f.port;
	if (bound.len > 0)
		SP_TRY(sp_parse_u64(sp_str_sub(bound, (size_t)(sp_str_rindex(bound, ':') + 1), bound.len), 0,
				    65535, &port, err));
	SP_TRY(sp_file_read_arena(p->base.world, p->f.client_ca.len > 0 ? p->f.client_ca : p->pki.ca_crt,
				  &p->base.arena, CA_BYTES_MAX, &p->client_ca_pem, err));
	size_t n = 0;
	const cli_addon *roles = cli_role_addons(&n);
	api_bootstrap_object *more = sp_new(&p->base.arena, api_bootstrap_object, n);
	for (size_t i = 0; i < n; i++)
		more[i] = (api_bootstrap_object){roles[i].gvr.group.ptr,
						 roles[i].gvr.version.ptr,
						 roles[i].gvr.resource.ptr,
						 roles[i].ns,
						 roles[i].name,
						 roles[i].json};
	api_bootstrap_opts opts = {.more = more,
				   .n_more = p->f.own_roles ? n : 0,
				   .address = p->f.advertise,
				   .port = (uint16_t)port,
				   .service_cidr = first_of(p->f.service_cidrs),
				   .client_ca = p->client_ca_pem};
	cli_front_tell(&p->base.arena, &p->f.front, &p->front_proxy, &opts);
	p->bootstrapping = true;
	api_bootstrap(p->server, &opts, on_bootstrapped, p);
	return SP_OK;
}

/* --v says it in upstream's numbers, if it is there. */
static sp_str log_level(const flags *f)
{
	if (f->verbosity < 0)
		return f->log_level;
	return f->verbosity >= 6 ? SP_STR("trace") : f->verbosity >= 4 ? SP_STR("debug") : SP_STR("info");
}

static sp_code open_admission(process *p, sp_err *err)
{
	sp_str path = p->f.admission_config, text;
	ptrdiff_t slash = sp_str_rindex(path, '/');
	if (path.len == 0)
		return SP_OK;
	SP_TRY(sp_file_read_arena(p->base.world, path, &p->base.arena, CA_BYTES_MAX, &text, err));
	return api_admission_config_new(p->base.world, sp_str_sub(path, 0, (size_t)slash), text,
					&p->admission_config, err);
}

static sp_code start(process *p, sp_err *err)
{
	SP_TRY(check_flags(&p->f, err));
	SP_TRY(api_authorization_modes(p->f.authorization, &p->authorization, err));
	SP_TRY(api_admission_choose(p->f.enable_plugins, p->f.disable_plugins, &p->admission, err));
	SP_TRY(cli_process_open(&p->base, "apiserver", log_level(&p->f), err));
	SP_TRY(cli_tls_choose(&p->base.arena, p->f.tls_min_version, p->f.tls_suites, &p->tls_choice, err));
	SP_TRY(api_cors_read(&p->base.arena, p->f.cors, &p->cors, err));
	SP_TRY(open_admission(p, err));
	SP_TRY(open_store(p, err));
	SP_TRY(open_tokens(p, err));
	p->own_keys = p->f.tls_cert.len == 0 || p->f.client_ca.len == 0;
	SP_TRY(open_kubelets(p, err));
	SP_TRY(cli_front_open(p->base.world, &p->base.arena, p->f.data_dir, &p->f.front, &p->front_proxy,
			      err));
	SP_TRY(cli_audit_open(p->base.world, p->base.log, &p->f.audit, &p->audit, err));
	SP_TRY(open_server(p, err));
	SP_TRY(cli_process_on_stop(&p->base, on_stop, p, err));
	SP_TRY(sp_signal_watch_new(p->base.world, SIGHUP, on_hangup, p, &p->hangup, err));
	SP_TRY(listen_tls(p, err));
	return bootstrap(p, err);
}

static void nothing(void *arg)
{
	(void)arg;
}

static void finish(process *p)
{
	sp_signal_watch_free(p->hangup);
	api_front_close(p->front);
	api_server_free(p->server);
	api_admission_config_free(p->admission_config);
	api_tokens_free(p->tokens);
	if (p->signer != NULL)
		p->signer->free(p->signer);
	cli_audit_close(&p->audit, nothing, NULL);
	cli_keys_child_free(p->keys);
	if (p->store != NULL) { /* the start failed half way */
		sp_store_close(p->store, on_store_closed, p);
		sp_world_run(p->base.world);
	}
	cli_audit_done(&p->audit);
	sp_tls_source_free(p->tls);
	close_kubelets(&p->kubelet);
	close_kubelets(&p->kubelet_before);
	cli_renewal_stop(&p->renewal);
	cli_process_done(&p->base);
}

int cli_apiserver(int argc, char **argv)
{
	process p = {.f = {.data_dir = SP_STR("/var/lib/sampan"),
			   .bind_address = SP_STR("0.0.0.0"),
			   .advertise = SP_STR("127.0.0.1"),
			   .log_level = SP_STR("info"),
			   .authorization = SP_STR("Node,RBAC"),
			   .service_cidrs = SP_STR("10.96.0.0/16"),
			   .node_ports = SP_STR("30000-32767"),
			   .event_ttl = SP_STR("1h0m0s"),
			   .kubelet_address_types = SP_STR(API_KUBELET_ADDRESS_TYPES),
			   .issuers = SP_STR("https://kubernetes.default.svc"),
			   .anonymous = true,
			   .privileged = true,
			   .bootstrap_tokens = true,
			   .extend_expiration = true,
			   .fairness = true,
			   .front = {.names = SP_STR("front-proxy-client"),
				     .users = SP_STR("X-Remote-User"),
				     .uids = SP_STR("X-Remote-Uid"),
				     .groups = SP_STR("X-Remote-Group"),
				     .extra = SP_STR("X-Remote-Extra-")},
			   .audit = {.format = SP_STR("json")},
			   .max_inflight = 400,
			   .max_mutating = 200,
			   .request_timeout = SP_STR("1m0s"),
			   .token_max = SP_STR("0s"),
			   .tls_min_version = SP_STR("VersionTLS12"),
			   .watch_timeout_s = 1800,
			   .not_ready_s = 300,
			   .unreachable_s = 300,
			   .verbosity = -1,
			   .port = 6443}};
	const cli_flag table[] = {
		{"admission-control-config-file", CLI_STR, &p.f.admission_config,
		 "what admission plugins are told (AdmissionConfiguration)"},
		{"advertise-address", CLI_STR, &p.f.advertise, "address clients are told to use"},
		{"allow-privileged", CLI_BOOL, &p.f.privileged, "containers may be privileged"},
		{"anonymous-auth", CLI_BOOL, &p.f.anonymous,
		 "requests without credentials are system:anonymous"},
		{"api-audiences", CLI_STR, &p.f.audiences, "whom tokens are for; default: the issuer"},
		{"audit-log-format", CLI_STR, &p.f.audit.format, "json"},
		{"audit-log-maxage", CLI_I64, &p.f.audit.max_age_days,
		 "days that old audit logs stay; 0: for good"},
		{"audit-log-maxbackup", CLI_I64, &p.f.audit.max_backups, "old audit logs that stay; 0: all"},
		{"audit-log-maxsize", CLI_I64, &p.f.audit.max_mib,
		 "MiB of an audit log before it is changed; 0: 100"},
		{"audit-log-path", CLI_STR, &p.f.audit.path, "where audit events go; -: standard output"},
		{"audit-policy-file", CLI_STR, &p.f.audit.policy_file,
		 "which requests are audited (audit.k8s.io/v1 Policy)"},
		{"authorization-mode", CLI_STR, &p.f.authorization,
		 "who decides, in this order: Node, RBAC, AlwaysAllow, AlwaysDeny"},
		{"bind-address", CLI_STR, &p.f.bind_address, "address to listen at"},
		{"client-ca-file", CLI_STR, &p.f.client_ca, "certificates that sign clients' certificates"},
		{"cors-allowed-origins", CLI_STR, &p.f.cors,
		 "origins whose pages may read answers: regular expressions with ^ or // and $ or :"},
		{"data-dir", CLI_STR, &p.f.data_dir, "database, keys and the administrator's kubeconfig"},
		{"default-not-ready-toleration-seconds", CLI_I64, &p.f.not_ready_s,
		 "how long pods that say nothing of it stay on a node that is not ready"},
		{"default-unreachable-toleration-seconds", CLI_I64, &p.f.unreachable_s,
		 "and on one that is not reached"},
		{"disable-admission-plugins", CLI_STR, &p.f.disable_plugins,
		 "names of those that are on by default ('sampan plugins' lists them)"},
		{"enable-admission-plugins", CLI_STR, &p.f.enable_plugins,
		 "names of those that are off by default and have to be on ('sampan plugins' lists them)"},
		{"enable-bootstrap-token-auth", CLI_BOOL, &p.f.bootstrap_tokens,
		 "secrets of type bootstrap.kubernetes.io/token are credentials"},
		{"enable-priority-and-fairness", CLI_BOOL, &p.f.fairness,
		 "flow schemas and priority levels say which requests wait"},
		{"event-ttl", CLI_STR, &p.f.event_ttl, "how long events are kept, as 1h30m; 0: for good"},
		{"feature-gates", CLI_STR, &p.f.gates,
		 "name=true|false, as they are by default in 1.36: no other value is taken"},
		{"kubelet-certificate-authority", CLI_STR, &p.f.kubelet_ca,
		 "who signs what kubelets serve with; without it they are not verified"},
		{"kubelet-client-certificate", CLI_STR, &p.f.kubelet_cert,
		 "what kubelets know this server by; default: one of the data directory's authority"},
		{"kubelet-client-key", CLI_STR, &p.f.kubelet_key, "its key"},
		{"kubelet-preferred-address-types", CLI_STR, &p.f.kubelet_address_types,
		 "which of a node's addresses to use, best first"},
		{"listen-fd", CLI_I64, &p.f.listen_fd,
		 "descriptor of a socket that listens already, at --secure-port; clients are let in when the "
		 "first objects are made"},
		{"log-level", CLI_STR, &p.f.log_level, "error, warn, info, debug or trace"},
		{"max-mutating-requests-inflight", CLI_I64, &p.f.max_mutating,
		 "requests that are worked on at once: this many"},
		{"max-requests-inflight", CLI_I64, &p.f.max_inflight, "and this many more"},
		{"min-request-timeout", CLI_I64, &p.f.watch_timeout_s,
		 "seconds: a watch that names no end lasts once to twice that"},
		{"proxy-client-cert-file", CLI_STR, &p.f.front.cert,
		 "what aggregated servers know this server by; default: one of an authority of its own"},
		{"proxy-client-key-file", CLI_STR, &p.f.front.key, "its key"},
		{"request-timeout", CLI_STR, &p.f.request_timeout,
		 "how long a request may take that is no watch and no connection, as 1m0s"},
		{"requestheader-allowed-names", CLI_STR, &p.f.front.names,
		 "names of front proxies' certificates; empty: any"},
		{"requestheader-client-ca-file", CLI_STR, &p.f.front.ca,
		 "certificates that sign those of front proxies, here and at aggregated servers"},
		{"requestheader-extra-headers-prefix", CLI_STR, &p.f.front.extra,
		 "how headers with more about the user begin"},
		{"requestheader-group-headers", CLI_STR, &p.f.front.groups, "headers with the user's groups"},
		{"requestheader-uid-headers", CLI_STR, &p.f.front.uids, "headers with the user's uid"},
		{"requestheader-username-headers", CLI_STR, &p.f.front.users, "headers with the user's name"},
		{"runtime-config", CLI_STR, &p.f.runtime_config,
		 "group/version=true|false, as they are served by default in 1.36: no other value is taken"},
		{"sampan-roles", CLI_BOOL, &p.f.own_roles,
		 "make the roles of what sampan has beyond upstream: its DNS server, its local-path "
		 "provisioner"},
		{"secure-port", CLI_I64, &p.f.port, "port of HTTPS"},
		{"service-account-extend-token-expiration", CLI_BOOL, &p.f.extend_expiration,
		 "tokens that pods get by default last a year"},
		{"service-account-issuer", CLI_STR, &p.f.issuers,
		 "issuer of tokens, then others that are accepted"},
		{"service-account-jwks-uri", CLI_STR, &p.f.jwks_uri, "where others find the keys of tokens"},
		{"service-account-key-file", CLI_STR, &p.f.key_files, "further keys that verify tokens"},
		{"service-account-max-token-expiration", CLI_STR, &p.f.token_max,
		 "how long tokens live at most that are asked for, as 24h; 0: as long as the signer lets "
		 "them"},
		{"service-account-signing-endpoint", CLI_STR, &p.f.signing_endpoint,
		 "socket of who signs tokens; default: a keys process of our own"},
		{"service-account-signing-key-file", CLI_STR, &p.f.signing_key,
		 "key that signs tokens, read into this process"},
		{"service-cluster-ip-range", CLI_STR, &p.f.service_cidrs,
		 "prefix of services' addresses, or one of each family"},
		{"service-node-port-range", CLI_STR, &p.f.node_ports, "ports of nodes that services get"},
		{"tls-cert-file", CLI_STR, &p.f.tls_cert, "certificate to serve with, and its chain"},
		{"tls-cipher-suites", CLI_STR, &p.f.tls_suites,
		 "suites of TLS 1.2 by their IANA names; default: all that are strong"},
		{"tls-min-version", CLI_STR, &p.f.tls_min_version, "VersionTLS12 or VersionTLS13"},
		{"tls-private-key-file", CLI_STR, &p.f.tls_key, "its key"},
		{"token-auth-file", CLI_STR, &p.f.token_file, "lines token,user,uid,\"group,group\""},
		{"v", CLI_I64, &p.f.verbosity,
		 "the log's level as upstream numbers it: debug from 4, trace from 6"},
	};
	cli_flag all[SP_LEN(table) + CLI_FIXED_MAX];
	memcpy(all, table, sizeof table);
	size_t n = SP_LEN(table) + cli_fixed_flags(&p.f.fixed, &all[SP_LEN(table)]);
	sp_err err = {0};
	int status;
	if (!cli_begin("apiserver", NULL, all, n, argc, argv, &status))
		return status;
	sp_code code = start(&p, &err);
	if (code == SP_OK)
		sp_world_run(p.base.world);
	finish(&p);
	return code == SP_OK ? cli_end("apiserver", p.failed, NULL) : cli_end("apiserver", code, &err);
}
