/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/endpoints.h"

#include "io/file.h"

static sp_code check_port(const cli_endpoints *e, sp_err *err)
{
	if (e->port < 0 || e->port > 65535)
		return sp_fail(err, SP_EINVAL, "--secure-port: %lld is no port", (long long)e->port);
	if ((e->cert_file.len == 0) != (e->key_file.len == 0))
		return sp_fail(err, SP_EINVAL,
			       "--tls-cert-file and --tls-private-key-file are given together or not at all");
	return SP_OK;
}

/* A certificate of its own signature, as upstream makes when it is given none. */
static sp_code own_certificate(cli_process *p, sp_str name, sp_buf *cert, sp_buf *key_pem, sp_err *err)
{
	SP_AUTO_KEY key = NULL;
	int64_t now_s = sp_wall_ns(p->world) / 1000000000;
	static const sp_str names[] = {SP_STR_INIT("localhost")}, ips[] = {SP_STR_INIT("127.0.0.1")};
	const sp_x509_template t = {.common_name = name,
				    .dns = names,
				    .n_dns = SP_LEN(names),
				    .ips = ips,
				    .n_ips = SP_LEN(ips),
				    .not_before_s = now_s - 3600,
				    .not_after_s = now_s + (int64_t)365 * 24 * 3600,
				    .usages = SP_X509_SERVER};
	SP_TRY(sp_key_new(&key, err));
	SP_TRY(sp_x509_issue(&t, key, NULL, cert, err));
	return sp_key_print(key, key_pem, err);
}

static sp_code open_tls(cli_endpoints *e, cli_process *p, const char *component, sp_str ca_pem, sp_err *err)
{
	sp_tls_opts o = {.ca_pem = ca_pem, .client_auth = SP_TLS_CLIENT_REQUEST};
	SP_AUTO_BUF cert;
	SP_AUTO_BUF key;
	sp_buf_init(&cert, (size_t)64 << 10);
	sp_buf_init(&key, (size_t)64 << 10);
	if (e->client_ca_file.len > 0)
		SP_TRY(sp_file_read_arena(p->world, e->client_ca_file, &p->arena, SP_LIMIT_PEM_BYTES,
					  &o.ca_pem, err));
	if (e->cert_file.len > 0)
		return sp_tls_server_config_from_files(
			p->world, &(sp_tls_files){.cert = e->cert_file, .key = e->key_file}, &o, &e->tls,
			err);
	sp_code code = sp_buf_reserve(&key, 4096) == NULL
			       ? sp_fail(err, SP_ENOMEM, "no memory for a key")
			       : own_certificate(p, sp_str_c(component), &cert, &key, err);
	o.cert_pem = sp_buf_view(&cert);
	o.key_pem = sp_buf_view(&key);
	if (code == SP_OK)
		code = sp_tls_server_config(&o, &e->tls, err);
	sp_buf_cleanse(&key);
	return code;
}

sp_code cli_endpoints_open(cli_endpoints *e, cli_process *p, const char *component, sp_str ca_pem,
			   const sp_status_opts *o, sp_err *err)
{
	sp_status_opts all = *o;
	SP_TRY(check_port(e, err));
	if (e->port == 0)
		return SP_OK;
	SP_TRY(open_tls(e, p, component, ca_pem, err));
	bool v6 = sp_str_index(e->bind_address, ':') >= 0;
	all.address = sp_arena_printf(&p->arena, v6 ? "[" SP_FMT "]:%d" : SP_FMT ":%d",
				      SP_ARG(e->bind_address), (int)e->port);
	all.tls = e->tls;
	all.open = e->open_paths;
	SP_TRY(sp_status_server_open(&all, &e->server, err));
	sp_log(p->log, SP_LOG_INFO, "health and metrics are served",
	       SP_KS("address", sp_status_server_address(e->server)));
	return SP_OK;
}

void cli_endpoints_done(cli_endpoints *e)
{
	sp_status_server_free(e->server);
	(void)sp_tls_config_unref(e->tls);
}
