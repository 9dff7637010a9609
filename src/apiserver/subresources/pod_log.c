/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of a container, which its node has. What can be said without the node is said here: mistakes, and
 * the emptiness of a pod that has none. U: kubernetes pkg/registry/core/pod/{rest/log,strategy}.go,
 * ValidatePodLogOptions; apiserver pkg/registry/generic/rest/{streamer,response_checker}.go.
 */
#include "apiserver/proxy/connect.h"
#include "apiserver/subresources/log_socket.h"
#include "apiserver/subresources/subresources.h"
#include "base/alloc.h"
#include "base/num.h"
#include "base/quote.h"
#include "kube/meta.h"

#define QUERY_BYTES_MAX ((size_t)64 << 10)
#define REFUSAL_BYTES_MAX ((size_t)50000)
#define QUOTED_BYTES_MAX (8 * REFUSAL_BYTES_MAX)

typedef struct log_stream {
	api_proxy_job job;
	api_request *r;       /* NULL: the client is gone */
	sp_http_exchange *up; /* NULL: over */
	sp_str address, url;  /* in r's arena */
	sp_buf refusal;
	bool ended;
	api_log_socket socket;
	bool by_socket; /* the handshake was answered: what comes goes there */
} log_stream;

/* ---- options ---- */

static bool check_options(api_request *r, yyjson_mut_val *o)
{
	sp_violations v;
	bool since = sp_kv_has(o, "sinceSeconds");
	sp_violations_init(&v, r->arena);
	if (sp_kv_has(o, "tailLines"))
		sp_v_non_negative(&v, SP_PATH("tailLines"), sp_kv_i64(o, "tailLines", 0));
	if (sp_kv_i64(o, "limitBytes", 1) < 1)
		sp_v_invalid(&v, SP_PATH("limitBytes"), sp_kv_i64(o, "limitBytes", 0),
			     "must be greater than 0");
	if (since && sp_url_query_find(&r->query, SP_STR("sinceTime")) != NULL)
		sp_v_forbidden(&v, SP_PATH("[]"),
			       "at most one of `sinceTime` or `sinceSeconds` may be specified");
	else if (sp_kv_i64(o, "sinceSeconds", 1) < 1)
		sp_v_invalid(&v, SP_PATH("sinceSeconds"), sp_kv_i64(o, "sinceSeconds", 0),
			     "must be greater than 0");
	/* Upstream's gate PodLogsQuerySplitStreams is off. */
	if (sp_url_query_find(&r->query, SP_STR("stream")) != NULL)
		sp_v_forbidden(&v, SP_PATH("stream"), "may not be specified");
	if (v.n == 0)
		return true;
	sp_status s = sp_status_invalid(r->arena, (sp_group_resource){SP_STR(""), SP_STR("PodLogOptions")},
					r->info.name, &v);
	api_reply_status(r, &s);
	return false;
}

/* In the order of Go's Encode: keys sorted. */
static sp_code put_query(sp_buf *out, yyjson_mut_val *o)
{
	static const struct {
		const char *name;
		bool is_number;
	} params[] = {{"follow", false},      {"limitBytes", true}, {"previous", false},
		      {"sinceSeconds", true}, {"sinceTime", false}, {"tailLines", true},
		      {"timestamps", false}};
	for (size_t i = 0; i < SP_LEN(params); i++) {
		const char *name = params[i].name;
		const char *mark = out->len == 0 ? "?" : "&";
		if (params[i].is_number && sp_kv_has(o, name)) {
			(void)sp_buf_printf(out, "%s%s=%lld", mark, name, (long long)sp_kv_i64(o, name, 0));
		} else if (sp_kv_str(o, name).len > 0) {
			(void)sp_buf_printf(out, "%s%s=", mark, name);
			(void)sp_url_escape(out, sp_kv_str(o, name));
		} else if (sp_kv_bool(o, name)) {
			(void)sp_buf_printf(out, "%s%s=true", mark, name);
		}
	}
	return sp_buf_code(out);
}

/* ---- refusals of the node ---- */

/* U: apimachinery pkg/api/errors/errors.go, NewGenericServerResponse, without a verb. */
static void generic_response(api_request *r, uint16_t code, sp_str text)
{
	static const struct {
		uint16_t code;
		const char *reason, *message;
	} known[] = {
		{409, "Conflict", "the server reported a conflict"},
		{404, "NotFound", "the server could not find the requested resource"},
		{401, "Unauthorized", "the server has asked for the client to provide credentials"},
		{405, "MethodNotAllowed", "the server does not allow this method on the requested resource"},
		{429, "TooManyRequests",
		 "the server has received too many requests and has asked us to try again later"},
		{503, "ServiceUnavailable", "the server is currently unable to handle the request"},
		{504, "Timeout",
		 "the server was unable to return a response in the time allotted, but may still be "
		 "processing the request"},
	};
	SP_AUTO_BUF quoted;
	sp_buf_init(&quoted, QUOTED_BYTES_MAX);
	sp_status s = {.code = code, .has_details = true, .name = r->info.name, .kind = SP_STR("pods/log")};
	for (size_t i = 0; i < SP_LEN(known); i++) {
		if (known[i].code != code)
			continue;
		s.reason = sp_str_c(known[i].reason);
		s.message = sp_str_c(known[i].message);
	}
	if (code == 403) {
		s.reason = SP_STR("Forbidden");
		s.message = text;
	} else if (s.reason.len == 0 && code >= 500) {
		(void)sp_quote_go(&quoted, text);
		s.reason = SP_STR("InternalError");
		s.message = sp_arena_printf(r->arena,
					    "an error on the server (" SP_FMT
					    ") has prevented the request from succeeding",
					    SP_ARG(sp_buf_view(&quoted)));
	} else if (s.reason.len == 0) {
		s.message = sp_arena_printf(
			r->arena,
			"the server responded with the status code %u but did not return more information",
			code);
	}
	s.message = sp_arena_printf(r->arena, SP_FMT " ( pods/log " SP_FMT ")", SP_ARG(s.message),
				    SP_ARG(r->info.name));
	api_reply_status(r, &s);
}

static void refuse(api_request *r, uint16_t code, sp_str text)
{
	if (code == 500) {
		sp_status s = sp_status_internal(r->arena, text);
		api_reply_status(r, &s);
	} else if (code == 400) {
		api_reply_bad_request(r, text);
	} else {
		generic_response(r, code, text);
	}
}

/* ---- the log ---- */

static void maybe_free(log_stream *l)
{
	if (l->r != NULL || l->up != NULL || l->socket.ws != NULL)
		return;
	api_proxy_job_end(&l->job);
	sp_buf_done(&l->refusal);
	sp_free(l);
}

static void cut(log_stream *l)
{
	if (l->socket.ws != NULL)
		sp_ws_abort(l->socket.ws);
	if (l->r != NULL)
		sp_http_reset(l->r->ex, SP_HTTP2_CANCEL);
	if (l->up != NULL)
		sp_http_reset(l->up, SP_HTTP2_CANCEL);
}

static void abort_job(api_proxy_job *j)
{
	cut(SP_CONTAINER_OF(j, log_stream, job));
}

static void on_gone(api_request *r)
{
	log_stream *l = r->state;
	r->state = NULL;
	l->r = NULL;
	if (l->up != NULL && l->socket.ws == NULL)
		sp_http_reset(l->up, SP_HTTP2_CANCEL);
	maybe_free(l);
}

/* ---- to a WebSocket ---- */

static void on_socket_open(void *arg)
{
	const log_stream *l = arg;
	if (l->up != NULL)
		sp_http_read(l->up, true);
}

static void on_socket_gone(void *arg)
{
	log_stream *l = arg;
	if (l->up != NULL)
		sp_http_reset(l->up, SP_HTTP2_CANCEL);
	maybe_free(l);
}

static void on_socket_tunnel(api_request *r, sp_stream *stream)
{
	log_stream *l = r->state;
	if (api_log_socket_open(&l->socket, r->server->world, stream) != SP_OK)
		return; /* the exchange ends */
	if (l->up == NULL)
		api_log_socket_end(&l->socket);
}

/* The node has the log: now the client's handshake is answered. */
static void open_socket(log_stream *l)
{
	sp_str protocol;
	uint16_t refusal = api_log_socket_judge(l->r, &l->socket, &protocol);
	if (refusal != 0) {
		api_reply(l->r, refusal, SP_STR(""), SP_STR(""));
		sp_http_reset(l->up, SP_HTTP2_CANCEL);
		return;
	}
	sp_http_read(l->up, false);
	l->by_socket = true;
	l->socket.on_open = l->socket.on_drain = on_socket_open;
	l->socket.on_gone = on_socket_gone;
	l->socket.arg = l;
	l->r->on_tunnel = on_socket_tunnel;
	if (!api_log_socket_accept(l->r, protocol))
		sp_http_reset(l->up, SP_HTTP2_CANCEL);
}

static void send_to_socket(log_stream *l, sp_str bytes)
{
	if (api_log_socket_send(&l->socket, bytes) != SP_OK)
		cut(l);
	else if (sp_ws_is_full(l->socket.ws))
		sp_http_read(l->up, false);
}

/* ---- to an answer ---- */

static bool is_refusal(const sp_http_exchange *up)
{
	return up->status < 200 || up->status > 206;
}

static void on_response(sp_http_exchange *up)
{
	log_stream *l = up->arg;
	if (l->r == NULL || is_refusal(up))
		return;
	if (api_log_socket_wanted(l->r))
		open_socket(l);
	else if (!api_begin(l->r, 200, SP_STR("text/plain"), false))
		cut(l);
}

static void on_bytes(sp_http_exchange *up, const uint8_t *bytes, size_t n)
{
	log_stream *l = up->arg;
	if (is_refusal(up)) {
		size_t room = REFUSAL_BYTES_MAX - SP_MIN(l->refusal.len, REFUSAL_BYTES_MAX);
		(void)sp_buf_append(&l->refusal, bytes, SP_MIN(n, room));
		return;
	}
	if (l->by_socket) {
		send_to_socket(l, (sp_str){(const char *)bytes, n});
		return;
	}
	if (l->r == NULL)
		return;
	if (sp_http_write(l->r->ex, (sp_str){(const char *)bytes, n}, NULL) != SP_OK)
		cut(l);
	else if (sp_http_is_full(l->r->ex))
		sp_http_read(up, false);
}

static void on_writable(api_request *r)
{
	const log_stream *l = r->state;
	if (l->up != NULL)
		sp_http_read(l->up, true);
}

static void on_end(sp_http_exchange *up)
{
	log_stream *l = up->arg;
	l->ended = true;
	if (l->by_socket) {
		api_log_socket_end(&l->socket);
		return;
	}
	if (l->r == NULL)
		return;
	if (is_refusal(up))
		refuse(l->r, up->status, sp_buf_view(&l->refusal));
	else if (sp_http_end(l->r->ex, NULL, 0, NULL) != SP_OK)
		cut(l);
}

static void on_close(sp_http_exchange *up, const sp_err *err)
{
	log_stream *l = up->arg;
	l->up = NULL;
	if (l->by_socket && !l->ended) {
		api_log_socket_end(&l->socket);
	} else if (l->r != NULL && !l->ended) {
		if (!l->r->answered)
			api_reply_plain(l->r,
					sp_arena_printf(l->r->arena, "Get \"" SP_FMT "\": " SP_FMT,
							SP_ARG(l->url),
							SP_ARG(api_proxy_why(l->r->arena, l->address, err))));
		else
			sp_http_reset(l->r->ex, SP_HTTP2_INTERNAL_ERROR); /* it is not the whole log */
	}
	maybe_free(l);
}

static void ask(api_request *r, const api_kubelet *k, sp_str path, bool unverified)
{
	static const sp_http_events events = {
		.on_response = on_response, .on_body = on_bytes, .on_end = on_end, .on_close = on_close};
	sp_err err = {0};
	const sp_http_request q = {.scheme = k->scheme,
				   .address = k->address,
				   .server_name = k->host,
				   .tls_config = unverified ? r->server->kubelet.unverified_tls
							    : r->server->kubelet.tls,
				   .path = path};
	log_stream *l = sp_try_alloc(sizeof *l);
	if (l == NULL) {
		api_reply_error(r, SP_ENOMEM, NULL);
		return;
	}
	*l = (log_stream){.r = r,
			  .address = k->address,
			  .url = sp_arena_printf(r->arena, SP_FMT "://" SP_FMT SP_FMT, SP_ARG(k->scheme),
						 SP_ARG(k->address), SP_ARG(path))};
	sp_buf_init(&l->refusal, REFUSAL_BYTES_MAX);
	api_proxy_job_begin(r->server->proxies, &l->job, abort_job);
	r->state = l;
	r->on_gone = on_gone;
	r->on_writable = on_writable;
	if (sp_http_request_start(api_proxies_client(r->server->proxies), &q, &events, l, &l->up, &err) !=
	    SP_OK)
		api_reply_plain(r,
				sp_arena_printf(r->arena, "Get \"" SP_FMT "\": %s", SP_ARG(l->url), err.msg));
}

static void answer(api_request *r, yyjson_mut_val *pod, yyjson_mut_val *options)
{
	api_kubelet k;
	SP_AUTO_BUF query;
	sp_str container = api_connect_container(r, pod, sp_kv_str(options, "container"));
	sp_str node = sp_kv_str(sp_kv_get(pod, "spec"), "nodeName");
	sp_buf_init(&query, QUERY_BYTES_MAX);
	if (container.len == 0)
		return;
	if (node.len == 0) {
		api_reply(r, 204, SP_STR(""), SP_STR(""));
		return;
	}
	if (!api_kubelet_find(r, node, &k))
		return;
	sp_code code = put_query(&query, options);
	sp_str path = sp_arena_printf(r->arena, "/containerLogs/" SP_FMT "/" SP_FMT "/" SP_FMT SP_FMT,
				      SP_ARG(r->info.ns), SP_ARG(r->info.name), SP_ARG(container),
				      SP_ARG(sp_buf_view(&query)));
	if (code != SP_OK || path.len == 0)
		api_reply_error(r, SP_ETOOLARGE, NULL);
	else
		ask(r, &k, path, sp_kv_bool(options, "insecureSkipTLSVerifyBackend"));
}

void api_pod_log(api_request *r)
{
	const sp_schema *schema = sp_schema_by_name(SP_STR("io.k8s.api.core.v1.PodLogOptions"));
	yyjson_mut_val *options = api_query_options(r, sp_json_doc(r->arena), schema);
	if (options == NULL || !check_options(r, options))
		return;
	yyjson_mut_val *pod = api_connect_load(r, "pods", r->info.ns, r->info.name);
	if (pod != NULL)
		answer(r, pod, options);
}
