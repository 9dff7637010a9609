/* SPDX-License-Identifier: Apache-2.0 */
/* WebSocket at the API server: exec translated to SPDY, port-forward in a tunnel, watches; and who may. */
#include "io/ws/channels.h"
#include "io/ws/handshake.h"
#include "io/ws/ws.h"
#include "lib/fake_kubelet.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define PODS "/api/v1/namespaces/default/pods/"
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
#define V5 "v5.channel.k8s.io"
#define FORWARD "SPDY/3.1+portforward.k8s.io"

typedef struct socket {
	t_kubelet *k;
	sp_http_exchange *ex;
	uint16_t status;
	bool closed, ws_closed;
	uint16_t close_code;
	char accept[32], protocol[64];
	sp_ws *ws;
	sp_buf text; /* messages, each with its kind in front ('t', 'b') and a line end */
} socket;

static void ws_message(void *arg, sp_ws_kind kind, const uint8_t *bytes, size_t n, bool last)
{
	socket *s = arg;
	(void)last;
	(void)sp_buf_char(&s->text, kind == SP_WS_TEXT ? 't' : 'b');
	(void)sp_buf_append(&s->text, bytes, n);
	(void)sp_buf_char(&s->text, '\n');
}

static void ws_close(void *arg, uint16_t code, sp_str reason, const sp_err *err)
{
	socket *s = arg;
	(void)reason, (void)err;
	s->ws = NULL;
	s->ws_closed = true;
	s->close_code = code;
}

static const sp_ws_handler ws_handler = {.on_message = ws_message, .on_close = ws_close};

static void nothing_data(void *arg, const uint8_t *bytes, size_t n)
{
	(void)arg, (void)bytes, (void)n;
}
static void nothing_end(void *arg)
{
	(void)arg;
}
static void nothing_error(void *arg, const sp_err *err)
{
	(void)arg, (void)err;
}

static void copy(sp_http_exchange *ex, sp_str name, char *out, size_t size)
{
	(void)snprintf(out, size, SP_FMT, SP_ARG(sp_http_find(&ex->headers, name)));
}

static void on_tunnel(sp_http_exchange *ex, sp_stream *stream)
{
	static const sp_stream_handler nobody = {nothing_data, nothing_end, nothing_error, NULL};
	static const sp_ws_conn_opts opts = {.core.client = true};
	socket *s = ex->arg;
	s->status = 101;
	copy(ex, SP_STR("sec-websocket-accept"), s->accept, sizeof s->accept);
	copy(ex, SP_STR("sec-websocket-protocol"), s->protocol, sizeof s->protocol);
	if (sp_ws_open(s->k->asker->api.maker.world, stream, &opts, &ws_handler, s, &s->ws, NULL) == SP_OK) {
		sp_ws_read(s->ws, true);
		return;
	}
	sp_stream_handle(stream, &nobody, NULL);
	sp_stream_close(stream);
	s->ws_closed = true;
}

static void on_response(sp_http_exchange *ex)
{
	((socket *)ex->arg)->status = ex->status;
}

static void on_body(sp_http_exchange *ex, const uint8_t *bytes, size_t n)
{
	(void)sp_buf_append(&((socket *)ex->arg)->text, bytes, n);
}

static void on_close(sp_http_exchange *ex, const sp_err *err)
{
	socket *s = ex->arg;
	(void)err;
	s->ex = NULL;
	s->closed = true;
}

static bool is_ws_closed(void *arg)
{
	return ((socket *)arg)->ws_closed;
}

static void socket_done(void *arg)
{
	socket *s = arg;
	sp_sim *sim = s->k->asker->api.sim;
	if (s->ws != NULL) {
		sp_ws_abort(s->ws);
		(void)sp_sim_run(sim, is_ws_closed, s, sp_sim_now_ns(sim) + 100 * SECOND);
	}
	sp_buf_done(&s->text);
}

static bool is_settled(void *arg)
{
	return ((socket *)arg)->closed;
}

static bool run(t_kubelet *k, bool (*until)(void *arg), void *arg)
{
	sp_sim *sim = k->asker->api.sim;
	return sp_sim_run(sim, until, arg, sp_sim_now_ns(sim) + 60 * SECOND);
}

/* A handshake and what came of it; NULL: none was begun. */
static socket *open_socket(t_kubelet *k, const char *path, const char *protocols, const char *origin,
			   const char *accept)
{
	static const sp_http_events events = {
		.on_response = on_response, .on_body = on_body, .on_tunnel = on_tunnel, .on_close = on_close};
	sp_http_header fields[5] = {{SP_STR("sec-websocket-key"), SP_STR(KEY)},
				    {SP_STR("sec-websocket-version"), SP_STR("13")}};
	size_t n = 2;
	if (protocols != NULL)
		fields[n++] = (sp_http_header){SP_STR("sec-websocket-protocol"), sp_str_c(protocols)};
	if (origin != NULL)
		fields[n++] = (sp_http_header){SP_STR("origin"), sp_str_c(origin)};
	if (accept != NULL)
		fields[n++] = (sp_http_header){SP_STR("accept"), sp_str_c(accept)};
	socket *s = sp_new(T_ARENA, socket, 1);
	s->k = k;
	sp_buf_init(&s->text, (size_t)16 << 20);
	t_defer(socket_done, s);
	const sp_http_request q = {.address = SP_STR("server:80"),
				   .path = sp_str_c(path),
				   .protocol = SP_STR("websocket"),
				   .headers = fields,
				   .n_headers = n};
	if (sp_http_request_start(k->asker->api.maker.http, &q, &events, s, &s->ex, t_err()) != SP_OK) {
		(void)t_fail(__FILE__, __LINE__, "no request: %s", t_err()->msg);
		return NULL;
	}
	if (run(k, is_settled, s))
		return s;
	(void)t_fail(__FILE__, __LINE__, "no answer");
	return NULL;
}

static bool nobody_is_there(void *arg)
{
	return ((const t_kubelet *)arg)->n_tunnels == 0;
}

/* ---- commands ---- */

static bool send_bytes(socket *s, const char *bytes, size_t n)
{
	const sp_iov part = {bytes, n};
	return s->ws != NULL && sp_ws_send(s->ws, SP_WS_BINARY, &part, 1, NULL) == SP_OK;
}

SP_TEST(api_socket, a_command)
{
	t_kubelet *k = t_kubelet_open();
	socket *s = k == NULL ? NULL
			      : open_socket(k, PODS "p/exec?command=x&stdin=1&stdout=1&container=c", V5, NULL,
					    NULL);
	if (s == NULL)
		return;
	T_EQ_U64(s->status, 101);
	T_EQ_C(sp_str_c(s->accept), ACCEPT);
	T_EQ_C(sp_str_c(s->protocol), V5);
	T_TRUE(send_bytes(s, "\0hello", 6) && send_bytes(s, "\xff\0", 2));
	T_TRUE(run(k, is_ws_closed, s));
	T_EQ_U64(s->close_code, SP_WS_NORMAL);
	T_EQ_STR(sp_buf_view(&s->text),
		 SP_STR("b\x01\nb\x01hello\nb\x03{\"metadata\":{},\"status\":\"Success\"}\n"));
	T_TRUE(run(k, nobody_is_there, k));
}

SP_TEST(api_socket, a_command_without_input)
{
	t_kubelet *k = t_kubelet_open();
	socket *s = k == NULL ? NULL : open_socket(k, PODS "p/attach?stdout=1&stderr=1", V5, NULL, NULL);
	if (s == NULL)
		return;
	T_TRUE(run(k, is_ws_closed, s));
	T_EQ_STR(sp_buf_view(&s->text),
		 SP_STR("b\x01\nb\x01out\nb\x03{\"metadata\":{},\"status\":\"Success\"}\n"));
}

SP_TEST(api_socket, what_goes_wrong_is_told_on_the_error_channel)
{
	static const struct {
		const char *path, *says;
	} rows[] = {
		{PODS "faults/exec?command=x&stdout=1&container=s404",
		 "b\x03{\"metadata\":{},\"status\":\"Failure\",\"message\":\"Internal error occurred: unable "
		 "to "
		 "upgrade connection: no such thing\",*\"code\":500}\n"},
		{PODS "faults/exec?command=x&stdout=1&container=s400",
		 "b\x03*unable to upgrade connection: no such thing*"},
	};
	t_kubelet *k = t_kubelet_open();
	for (size_t i = 0; k != NULL && i < SP_LEN(rows); i++) {
		socket *s = open_socket(k, rows[i].path, V5, NULL, NULL);
		if (s == NULL)
			return;
		T_TRUE(run(k, is_ws_closed, s));
		if (!t_is_like(sp_buf_view(&s->text), rows[i].says))
			T_FAIL("got '" SP_FMT "'", SP_ARG(sp_buf_view(&s->text)));
	}
}

SP_TEST(api_socket, a_client_that_vanishes)
{
	t_kubelet *k = t_kubelet_open();
	socket *s =
		k == NULL ? NULL : open_socket(k, PODS "p/exec?command=x&stdin=1&stdout=1", V5, NULL, NULL);
	if (s == NULL || s->ws == NULL)
		return;
	T_TRUE(send_bytes(s, "\0x", 2));
	sp_sim_run_until(k->asker->api.sim, sp_sim_now_ns(k->asker->api.sim) + SECOND);
	T_EQ_U64(k->n_tunnels, 1);
	sp_ws_abort(s->ws);
	T_TRUE(run(k, nobody_is_there, k));
}

/* ---- ports ---- */

SP_TEST(api_socket, a_port_in_a_tunnel)
{
	t_kubelet *k = t_kubelet_open();
	socket *s = k == NULL ? NULL : open_socket(k, PODS "p/portforward", FORWARD, NULL, NULL);
	if (s == NULL)
		return;
	T_EQ_U64(s->status, 101);
	T_EQ_C(sp_str_c(s->accept), ACCEPT);
	T_EQ_C(sp_str_c(s->protocol), FORWARD);
	T_TRUE(send_bytes(s, "bytes", 5)); /* the kubelet of this test sends back what it gets */
	sp_sim_run_until(k->asker->api.sim, sp_sim_now_ns(k->asker->api.sim) + SECOND);
	T_EQ_C(sp_buf_view(&s->text), "bbytes\n");
	sp_ws_close(s->ws, SP_WS_NORMAL, SP_STR(""));
	T_TRUE(run(k, is_ws_closed, s));
	T_TRUE(run(k, nobody_is_there, k));
}

/* ---- logs ---- */

SP_TEST(api_socket, logs)
{
	static const struct {
		const char *protocols, *chosen, *like;
	} rows[] = {
		{NULL, "", "b\nbGET /containerLogs/default/p/c?tailLines=2\n*"},
		{"binary.k8s.io", "binary.k8s.io", "b\nbGET /containerLogs/default/p/c?tailLines=2\n*"},
		{"v9.x, base64.binary.k8s.io, binary.k8s.io", "base64.binary.k8s.io",
		 "t\ntR0VUIC9jb250YWluZXJMb2dz*"},
	};
	t_kubelet *k = t_kubelet_open();
	for (size_t i = 0; k != NULL && i < SP_LEN(rows) && !t_failed(); i++) {
		t_row("%zu", i);
		socket *s = open_socket(k, PODS "p/log?tailLines=2", rows[i].protocols, NULL, NULL);
		if (s == NULL)
			return;
		T_EQ_U64(s->status, 101);
		T_EQ_C(sp_str_c(s->protocol), rows[i].chosen);
		T_TRUE(run(k, is_ws_closed, s));
		T_EQ_U64(s->close_code, SP_WS_NORMAL);
		if (!t_is_like(sp_buf_view(&s->text), rows[i].like))
			T_FAIL("got '" SP_FMT "'", SP_ARG(sp_buf_view(&s->text)));
	}
}

SP_TEST(api_socket, a_long_log)
{
	t_kubelet *k = t_kubelet_open();
	socket *s = k == NULL ? NULL : open_socket(k, PODS "faults/log?container=big", NULL, NULL, NULL);
	if (s == NULL)
		return;
	T_TRUE(s->ws != NULL);
	/* A reader that stops holds the kubelet back; one that goes ends it. */
	sp_ws_read(s->ws, false);
	sp_sim_run_until(k->asker->api.sim, sp_sim_now_ns(k->asker->api.sim) + 5 * SECOND);
	T_TRUE(k->n_big > 0 && k->n_big < (size_t)8 << 20);
	size_t before = k->n_big;
	T_TRUE(s->ws != NULL);
	sp_ws_read(s->ws, true);
	sp_sim_run_until(k->asker->api.sim, sp_sim_now_ns(k->asker->api.sim) + SECOND);
	T_TRUE(k->n_big > before && s->ws != NULL);
	sp_ws_abort(s->ws);
	sp_sim_run_until(k->asker->api.sim, sp_sim_now_ns(k->asker->api.sim) + SECOND);
	before = k->n_big;
	sp_sim_run_until(k->asker->api.sim, sp_sim_now_ns(k->asker->api.sim) + 5 * SECOND);
	T_EQ_U64(k->n_big, before);
}

/* ---- watches ---- */

#define MAPS "/api/v1/namespaces/default/configmaps"

SP_TEST(api_socket, watches)
{
	static const t_req make = {
		.method = "POST", .path = MAPS, .body = SP_STR_INIT("{\"metadata\":{\"name\":\"m\"}}")};
	static const struct {
		const char *accept, *like;
	} rows[] = {
		{NULL, "t{\"type\":\"ADDED\",\"object\":{\"kind\":\"ConfigMap\",*\"name\":\"m\"*}}\n\n"},
		{"application/vnd.kubernetes.protobuf", "b*ADDED*k8s*m*\n"},
	};
	t_kubelet *k = t_kubelet_open();
	if (k == NULL)
		return;
	t_ask_one(k->asker, &make, 201, NULL);
	for (size_t i = 0; i < SP_LEN(rows) && !t_failed(); i++) {
		socket *s = open_socket(k, MAPS "?watch=true&timeoutSeconds=5", NULL, "http://a.page",
					rows[i].accept);
		if (s == NULL)
			return;
		T_EQ_U64(s->status, 101);
		T_TRUE(run(k, is_ws_closed, s));
		T_EQ_U64(s->close_code, SP_WS_NORMAL);
		if (!t_is_like(sp_buf_view(&s->text), rows[i].like))
			T_FAIL("got '" SP_FMT "'", SP_ARG(sp_buf_view(&s->text)));
	}
}

SP_TEST(api_socket, a_watch_sees_changes_and_the_servers_end)
{
	static const t_req make = {
		.method = "POST", .path = MAPS, .body = SP_STR_INIT("{\"metadata\":{\"name\":\"m\"}}")};
	t_kubelet *k = t_kubelet_open();
	socket *s = k == NULL ? NULL : open_socket(k, MAPS "?watch=1", NULL, "http://a.page", NULL);
	if (s == NULL)
		return;
	t_ask_one(k->asker, &make, 201, NULL);
	sp_sim_run_until(k->asker->api.sim, sp_sim_now_ns(k->asker->api.sim) + SECOND);
	T_TRUE(t_is_like(sp_buf_view(&s->text), "t{\"type\":\"ADDED\"*\"name\":\"m\"*\n"));
	T_TRUE(t_api_drain(&k->asker->api, SECOND, sp_sim_now_ns(k->asker->api.sim) + 20 * SECOND));
	T_TRUE(run(k, is_ws_closed, s));
}

SP_TEST(api_socket, handshakes_that_are_refused)
{
	static const struct {
		const char *path, *protocols, *origin;
		uint16_t status;
	} rows[] = {
		{MAPS "?watch=1", NULL, NULL, 403},
		{MAPS "?watch=1", NULL, "null", 403},
		{MAPS "?watch=1", "a, b", "http://a.page", 400},
		{MAPS "?watch=1&labelSelector=%21%21", NULL, "http://a.page", 400},
		{PODS "none/exec?command=x&stdout=1", V5, NULL, 404},
		{PODS "two/exec?command=x&stdout=1", V5, NULL, 400},
		{PODS "p/log", "channel.k8s.io", NULL, 403},
		{PODS "p/log?tailLines=-1", NULL, NULL, 422},
		{PODS "faults/log?container=s404", NULL, NULL, 404},
		{PODS "none/log", NULL, NULL, 404},
		{PODS "free/log", NULL, NULL, 204},
	};
	t_kubelet *k = t_kubelet_open();
	for (size_t i = 0; k != NULL && i < SP_LEN(rows); i++) {
		t_row("%zu", i);
		socket *s = open_socket(k, rows[i].path, rows[i].protocols, rows[i].origin, NULL);
		if (s == NULL)
			return;
		T_EQ_U64(s->status, rows[i].status);
	}
}

/* ---- admission ---- */

SP_TEST(api_socket, policies_see_connections)
{
	static const t_ask_row rows[] = {
		{{.method = "POST",
		  .path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
		  .body = SP_STR_INIT(
			  "{\"metadata\":{\"name\":\"p.x\"},\"spec\":{\"matchConstraints\":{"
			  "\"resourceRules\":[{"
			  "\"apiGroups\":[\"\"],\"apiVersions\":[\"v1\"],\"operations\":[\"CONNECT\"],"
			  "\"resources\":[\"pods/exec\"]}]},\"validations\":[{\"expression\":"
			  "\"object.command[0] != 'sh' && request.operation == 'CONNECT' && request.name == "
			  "'p' && "
			  "request.namespace == 'default' && request.kind.kind == 'PodExecOptions'\","
			  "\"message\":\"no shells\"}]}}")},
		 201,
		 NULL},
		{{.method = "POST",
		  .path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
		  .body = SP_STR_INIT("{\"metadata\":{\"name\":\"b\"},\"spec\":{\"policyName\":\"p.x\","
				      "\"validationActions\":[\"Deny\"]}}")},
		 201,
		 NULL},
	};
	static const t_ask_row asked[] = {
		{{.method = "POST", .path = PODS "p/exec?command=sh&stdout=1"},
		 422,
		 "*\"message\":\"pods \\\"p\\\" is forbidden: ValidatingAdmissionPolicy 'p.x' with binding "
		 "'b' "
		 "denied request: no shells\"*"},
		{{.method = "POST", .path = PODS "p/exec?command=ls&stdout=1"},
		 400,
		 "*Upgrade request required*"},
		{{.method = "POST", .path = PODS "p/attach?stdout=1"}, 400, "*Upgrade request required*"},
	};
	t_kubelet *k = t_kubelet_open();
	if (k == NULL)
		return;
	t_ask_all(k->asker, rows, SP_LEN(rows));
	sp_sim_run_until(k->asker->api.sim, sp_sim_now_ns(k->asker->api.sim) + SECOND);
	t_ask_all(k->asker, asked, SP_LEN(asked));
}
