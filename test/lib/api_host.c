/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/api_host.h"

#include <stdio.h>

#include "apiserver/bootstrap/bootstrap.h"
#include "apiserver/local_signer.h"
#include "apiserver/tokens.h"
#include "base/log.h"
#include "io/tls/x509.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define BODY_BYTES_MAX ((size_t)64 << 20)
#define HEADERS_MAX 5u
#define TRIES 20u

/* ---- the server ---- */

static int64_t wall_ns(void *arg)
{
	(void)arg;
	return 0;
}

static void write_nothing(void *arg, sp_str line)
{
	(void)arg;
	(void)line;
}

static void on_accept(void *arg, sp_stream *s)
{
	api_server_accept(((t_api *)arg)->server, s);
}

static void on_drained(void *arg)
{
	((t_api *)arg)->drained = true;
}

static bool is_drained(void *arg)
{
	return ((t_api *)arg)->drained;
}

static void on_closed(void *arg)
{
	((t_api *)arg)->closed = true;
}

static bool is_closed(void *arg)
{
	return ((t_api *)arg)->closed;
}

static void fail_unless(bool ok, const char *what)
{
	if (!ok)
		(void)t_fail(__FILE__, __LINE__, "%s", what);
}

bool t_api_drain(t_api *t, uint64_t grace_ns, uint64_t until_ns)
{
	if (!t->draining) {
		t->draining = true;
		sp_listener_close(t->listener);
		if (t->server == NULL)
			return false;
		api_server_drain(t->server, grace_ns, on_drained, t);
	}
	return t->drained || sp_sim_run(t->sim, is_drained, t, until_ns);
}

static void guard_end(t_api *t)
{
	api_tokens_free(t->tokens);
	if (t->signer != NULL)
		t->signer->free(t->signer);
}

static void api_close(void *arg)
{
	t_api *t = arg;
	uint64_t until = sp_sim_now_ns(t->sim) + 100 * SECOND;
	sp_sim_calm(t->sim);
	bool ok = t_api_drain(t, SECOND, until);
	if (t->server != NULL) {
		fail_unless(ok, "the server does not drain");
		if (ok)
			api_server_free(t->server);
	}
	if (ok || t->server == NULL) /* nobody uses them */
		guard_end(t);
	if (t->store != NULL) {
		sp_store_close(t->store, on_closed, t);
		fail_unless(sp_sim_run(t->sim, is_closed, t, until + 100 * SECOND),
			    "the store does not close");
	}
	sp_log_free(t->log);
	sp_sim_free(t->sim);
}

/* What pods need to be admitted. The network may break already: what is not known to be there is asked for
 * again. */
static bool make_basics(t_api *t)
{
	static const t_req requests[] = {
		{.method = "POST",
		 .path = "/api/v1/namespaces",
		 .body = SP_STR_INIT("{\"metadata\":{\"name\":\"default\"}}"),
		 .within_ns = 20 * SECOND},
		{.method = "POST",
		 .path = "/api/v1/namespaces/default/serviceaccounts",
		 .body = SP_STR_INIT("{\"metadata\":{\"name\":\"default\"}}"),
		 .within_ns = 20 * SECOND},
	};
	t_call call;
	bool ok = t_client_open(&t->maker, t, "maker", false);
	t_call_init(&call);
	for (size_t i = 0; i < SP_LEN(requests) && ok; i++) {
		unsigned n_tries = 0;
		do
			ok = t_call_wait(&t->maker, &call, &requests[i]) && n_tries++ < TRIES;
		while (ok && call.status != 201 && call.status != 409);
	}
	t_call_done(&call);
	return ok;
}

static bool start_server(t_api *t)
{
	const api_authorizer mode = t->guarded ? API_AUTHORIZER_RBAC : API_AUTHORIZER_ALWAYS_ALLOW;
	const api_server_opts o = {
		.store = t->store,
		.log = t->log,
		.authorization = {.modes = {(uint8_t)mode}, .n = 1},
		.tokens = t->tokens,
		.service_cidrs = sp_str_c(t->service_cidrs == NULL ? "10.96.0.0/16" : t->service_cidrs),
		.node_ports = SP_STR("30000-32767"),
		.audit = t->audit,
		.kubelet = {.plain = true},
		.front_proxy = t->front,
		.seats = t->seats,
		.cors = t->cors,
		.admission = t->admission,
		.request_timeout_ns = t->request_timeout_ns,
		.tolerate = t->tolerate,
		.no_privileged = t->no_privileged,
		.admission_config = t->admission_config,
		.snapshots = t->snapshots};
	sp_code code = api_server_new(t->world, &o, &t->server, t_err());
	if (code == SP_OK)
		code = sp_listen(t->world, SP_STR("0.0.0.0:80"), NULL, on_accept, t, &t->listener, t_err());
	if (code != SP_OK)
		(void)t_fail(__FILE__, __LINE__, "the server does not start: %s", t_err()->msg);
	return code == SP_OK;
}

bool t_api_stop(t_api *t, uint64_t grace_ns)
{
	if (!t_api_drain(t, grace_ns, sp_sim_now_ns(t->sim) + grace_ns + 10 * SECOND)) {
		(void)t_fail(__FILE__, __LINE__, "the server does not drain");
		return false;
	}
	api_server_free(t->server);
	t->server = NULL;
	t->listener = NULL;
	t->draining = t->drained = false;
	return true;
}

bool t_api_start(t_api *t)
{
	return start_server(t);
}

bool t_api_restart(t_api *t, uint64_t grace_ns)
{
	return t_api_stop(t, grace_ns) && t_api_start(t);
}

bool t_api_open(t_api *t, const sp_sim_opts *opts, const sp_store_mem_opts *store)
{
	static const sp_store_mem_opts plain = {.commit_ns = 1000000};
	*t = (t_api){.sim = sp_sim_new(opts)};
	T_DEFER(api_close, t);
	t->host = sp_sim_host_new(t->sim, "server", NULL, NULL);
	t->world = sp_sim_world(t->host);
	t->log = sp_log_new(&(sp_log_opts){.wall_ns = wall_ns, .write = write_nothing});
	sp_code code = sp_store_mem_open(t->world, store == NULL ? &plain : store, &t->store, t_err());
	if (code != SP_OK) {
		(void)t_fail(__FILE__, __LINE__, "the store does not open: %s", t_err()->msg);
		return false;
	}
	if (!start_server(t))
		return false;
	if (make_basics(t))
		return true;
	(void)t_fail(__FILE__, __LINE__, "the namespace can't be made");
	return false;
}

/* ---- rights ---- */

static bool open_tokens(t_api *t)
{
	static const sp_str issuer = SP_STR_INIT("https://server");
	SP_AUTO_KEY key = NULL;
	SP_AUTO_BUF pem;
	sp_buf_init(&pem, 10000);
	if (sp_key_new(&key, t_err()) != SP_OK || sp_key_print(key, &pem, t_err()) != SP_OK ||
	    api_local_signer_new(t->world, sp_buf_view(&pem), &t->signer, t_err()) != SP_OK)
		return false;
	const api_tokens_opts o = {.signer = t->signer,
				   .issuers = &issuer,
				   .n_issuers = 1,
				   .extend_expiration = true,
				   .max_expiration_s = t->token_max_s};
	return api_tokens_new(&o, &t->tokens, t_err()) == SP_OK;
}

static void on_bootstrapped(void *arg, sp_code code, const sp_err *err)
{
	t_api *t = arg;
	t->bootstrapped = true;
	if (code != SP_OK)
		(void)t_fail(__FILE__, __LINE__, "no first objects: %s", err->msg);
}

static bool is_bootstrapped(void *arg)
{
	return ((t_api *)arg)->bootstrapped;
}

static bool bind_strangers(t_api *t)
{
	static const t_req binding = {
		.method = "POST",
		.path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
		.body = SP_STR_INIT("{\"metadata\":{\"name\":\"strangers\"},\"roleRef\":{\"apiGroup\":"
				    "\"rbac.authorization.k8s.io\",\"kind\":\"ClusterRole\",\"name\":"
				    "\"cluster-admin\"},\"subjects\":[{\"kind\":\"Group\",\"apiGroup\":"
				    "\"rbac.authorization.k8s.io\",\"name\":\"system:unauthenticated\"}]}"),
		.within_ns = 20 * SECOND};
	t_call call;
	unsigned n_tries = 0;
	bool ok;
	t_call_init(&call);
	do
		ok = t_call_wait(&t->maker, &call, &binding) && n_tries++ < TRIES;
	while (ok && call.status != 201 && call.status != 409);
	t_call_done(&call);
	return ok;
}

bool t_api_guard(t_api *t)
{
	static const api_bootstrap_opts o = {.address = SP_STR_INIT("127.0.0.1"),
					     .port = 80,
					     .service_cidr = SP_STR_INIT("10.96.0.0/16"),
					     .front_proxy_names = SP_STR_INIT("[]")};
	if (!open_tokens(t)) {
		(void)t_fail(__FILE__, __LINE__, "no tokens: %s", t_err()->msg);
		return false;
	}
	api_bootstrap(t->server, &o, on_bootstrapped, t);
	if (!sp_sim_run(t->sim, is_bootstrapped, t, sp_sim_now_ns(t->sim) + 100 * SECOND) || t_failed() ||
	    !bind_strangers(t)) {
		(void)t_fail(__FILE__, __LINE__, "the server can't be guarded");
		return false;
	}
	t->guarded = true;
	return t_api_restart(t, SECOND);
}

/* ---- clients ---- */

static void on_client_closed(void *arg)
{
	((t_client *)arg)->closed = true;
}

static bool client_closed(void *arg)
{
	return ((t_client *)arg)->closed;
}

static void client_close(void *arg)
{
	t_client *c = arg;
	sp_sim *s = c->api->sim;
	sp_http_client_close(c->http, on_client_closed, c);
	bool ok = sp_sim_run(s, client_closed, c, sp_sim_now_ns(s) + 100 * SECOND);
	fail_unless(ok, "a client does not close");
	if (ok)
		sp_http_client_free(c->http);
}

bool t_client_open(t_client *c, t_api *t, const char *name, bool h2)
{
	*c = (t_client){.api = t, .host = sp_sim_host_new(t->sim, name, NULL, NULL), .h2 = h2};
	c->world = sp_sim_world(c->host);
	const sp_http_client_opts o = {.connector = &sp_http_connector_plain};
	if (sp_http_client_new(c->world, &o, &c->http, t_err()) != SP_OK) {
		(void)t_fail(__FILE__, __LINE__, "no client: %s", t_err()->msg);
		return false;
	}
	T_DEFER(client_close, c);
	return true;
}

/* ---- calls ---- */

void t_call_init(t_call *c)
{
	*c = (t_call){.ex = NULL};
	sp_buf_init(&c->body, BODY_BYTES_MAX);
}

void t_call_done(t_call *c)
{
	sp_buf_done(&c->body);
}

static void copy_header(sp_http_exchange *ex, sp_http_name name, char *out, size_t n)
{
	(void)snprintf(out, n, SP_FMT, SP_ARG(sp_http_get(&ex->headers, name)));
}

static void copy_cors(const sp_http_exchange *ex, t_call *c)
{
	static const char *const names[] = {"allow-origin", "allow-methods", "allow-headers",
					    "expose-headers", "allow-credentials"};
	size_t n = 0;
	for (size_t i = 0; i < SP_LEN(names) && n < sizeof c->cors; i++) {
		char name[64];
		(void)snprintf(name, sizeof name, "access-control-%s", names[i]);
		n += (size_t)snprintf(c->cors + n, sizeof c->cors - n, "%s" SP_FMT, i == 0 ? "" : "|",
				      SP_ARG(sp_http_find(&ex->headers, sp_str_c(name))));
	}
}

static void on_response(sp_http_exchange *ex)
{
	t_call *c = ex->arg;
	c->status = ex->status;
	copy_cors(ex, c);
	copy_header(ex, SP_HTTP_CONTENT_TYPE, c->type, sizeof c->type);
	copy_header(ex, SP_HTTP_CONTENT_ENCODING, c->encoding, sizeof c->encoding);
	copy_header(ex, SP_HTTP_RETRY_AFTER, c->retry_after, sizeof c->retry_after);
	copy_header(ex, SP_HTTP_AUDIT_ID, c->audit_id, sizeof c->audit_id);
	(void)snprintf(c->level_uid, sizeof c->level_uid, SP_FMT,
		       SP_ARG(sp_http_find(&ex->headers, SP_STR("x-kubernetes-pf-prioritylevel-uid"))));
}

static void on_body(sp_http_exchange *ex, const uint8_t *bytes, size_t n)
{
	t_call *c = ex->arg;
	(void)sp_buf_append(&c->body, bytes, n);
	if (c->on_bytes != NULL)
		c->on_bytes(c);
}

static void on_close(sp_http_exchange *ex, const sp_err *err)
{
	t_call *c = ex->arg;
	c->ex = NULL;
	c->closed = true;
	c->code = err == NULL ? SP_OK : err->code;
	if (c->on_done != NULL)
		c->on_done(c);
}

bool t_call_start(t_client *c, t_call *call, const t_req *q)
{
	static const sp_http_events events = {
		.on_response = on_response, .on_body = on_body, .on_close = on_close};
	sp_http_header headers[HEADERS_MAX];
	size_t n = 0;
	if (q->body.ptr != NULL)
		headers[n++] = (sp_http_header){SP_STR("content-type"),
						sp_str_c(q->type == NULL ? "application/json" : q->type)};
	if (q->accept != NULL)
		headers[n++] = (sp_http_header){SP_STR("accept"), sp_str_c(q->accept)};
	if (q->encoding != NULL)
		headers[n++] = (sp_http_header){SP_STR("accept-encoding"), sp_str_c(q->encoding)};
	if (q->origin != NULL)
		headers[n++] = (sp_http_header){SP_STR("origin"), sp_str_c(q->origin)};
	if (q->user != NULL)
		headers[n++] = (sp_http_header){SP_STR("impersonate-user"), sp_str_c(q->user)};
	if (q->node != NULL)
		headers[n++] =
			(sp_http_header){SP_STR("impersonate-extra-authentication.kubernetes.io%2fnode-name"),
					 sp_str_c(q->node)};
	SP_AUTO_BYTES body = q->body.ptr == NULL ? NULL : sp_bytes_try_dup(q->body);
	sp_buf_clear(&call->body);
	call->status = 0;
	call->closed = false;
	call->type[0] = call->encoding[0] = call->cors[0] = '\0';
	call->retry_after[0] = call->level_uid[0] = call->audit_id[0] = '\0';
	const sp_http_request o = {
		.address = SP_STR("server:80"),
		.h2 = c->h2,
		.method = sp_str_c(q->method),
		.path = sp_str_c(q->path),
		.headers = headers,
		.n_headers = n,
		.body = body,
		.deadline_ns = q->within_ns == 0 ? 0 : sp_now_ns(c->world) + q->within_ns,
	};
	call->code = sp_http_request_start(c->http, &o, &events, call, &call->ex, NULL);
	if (call->code != SP_OK)
		call->ex = NULL;
	return call->code == SP_OK;
}

static bool call_closed(void *arg)
{
	return ((t_call *)arg)->closed;
}

bool t_call_wait(t_client *c, t_call *call, const t_req *q)
{
	if (!t_call_start(c, call, q))
		return true;
	sp_sim *s = c->api->sim;
	if (sp_sim_run(s, call_closed, call, sp_sim_now_ns(s) + 60 * SECOND))
		return true;
	(void)t_fail(__FILE__, __LINE__, "no end: %s %s", q->method, q->path);
	sp_http_reset(call->ex, SP_HTTP2_CANCEL);
	(void)sp_sim_run(s, call_closed, call, sp_sim_now_ns(s) + 60 * SECOND);
	return false;
}
