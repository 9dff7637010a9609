/* SPDX-License-Identifier: Apache-2.0 */
/* What the API server passes on: logs, proxies, upgrades; and how it fails. */
#include "lib/fake_kubelet.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define PODS "/api/v1/namespaces/default/pods/"
#define SERVICES "/api/v1/namespaces/default/services/"
#define FAILURE \
	"{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\""
#define GET(p)                               \
	{                                    \
		.method = "GET", .path = (p) \
	}

static void rows_of_kubelet(const t_ask_row *rows, size_t n)
{
	t_kubelet *k = t_kubelet_open();
	if (k != NULL)
		t_ask_all(k->asker, rows, n);
}

SP_TEST(api_proxy, logs)
{
	static const t_ask_row rows[] = {
		{GET(PODS "p/log"), 200, "GET /containerLogs/default/p/c\n*"},
		{GET(PODS "p/log?container=c&follow=true&tailLines=5&timestamps&previous=0&sinceSeconds=7&"
			  "limitBytes=9"),
		 200,
		 "GET /containerLogs/default/p/c?follow=true&limitBytes=9&sinceSeconds=7&tailLines=5&"
		 "timestamps=true\n*"},
		{GET(PODS "p/log?sinceTime=2026-01-01T00:00:00Z"), 200,
		 "GET /containerLogs/default/p/c?sinceTime=2026-01-01T00%3A00%3A00Z\n*"},
		{GET(PODS "two/log"), 400,
		 FAILURE "a container name must be specified for pod two, choose one of: [a b]\",\"reason\":"
			 "\"BadRequest\",\"code\":400}\n"},
		{GET(PODS "init/log"), 400, FAILURE "*pod init, choose one of: [i m n]\"*"},
		{GET(PODS "init/log?container=i"), 200, "GET /containerLogs/default/init/i\n*"},
		{GET(PODS "p/log?container=x"), 400, FAILURE "container x is not valid for pod p\"*"},
		{GET(PODS "free/log"), 204, ""},
		{GET(PODS "none/log"), 404, FAILURE "pods \\\"none\\\" not found\"*"},
		{GET(PODS "p/log?tailLines=x"), 400,
		 FAILURE "strconv.ParseInt: parsing \\\"x\\\": invalid syntax\"*"},
		{GET(PODS "p/log?tailLines=-1"), 422, "*must be greater than or equal to 0*"},
		{GET(PODS "p/log?limitBytes=0"), 422, "*limitBytes*must be greater than 0*"},
		{GET(PODS "p/log?sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z"), 422,
		 "*at most one of `sinceTime` or `sinceSeconds` may be specified*"},
		{GET(PODS "p/log?stream=Stdout"), 422, "*stream: Forbidden: may not be specified*"},
		{GET(PODS "p/log?sinceTime=yesterday"), 400, "*parsing time*"},
	};
	rows_of_kubelet(rows, SP_LEN(rows));
}

SP_TEST(api_proxy, what_the_node_refuses)
{
	static const t_ask_row rows[] = {
		{GET(PODS "faults/log?container=s400"), 400,
		 FAILURE "no such thing\",\"reason\":\"BadRequest\",\"code\":400}\n"},
		{GET(PODS "faults/log?container=s404"), 404,
		 FAILURE
		 "the server could not find the requested resource ( pods/log faults)\",\"reason\":"
		 "\"NotFound\",\"details\":{\"name\":\"faults\",\"kind\":\"pods/log\"},\"code\":404}\n"},
		{GET(PODS "faults/log?container=s500"), 500,
		 FAILURE "Internal error occurred: no such thing\",\"reason\":\"InternalError\"*"},
		{GET(PODS "faults/log?container=s503"), 503,
		 FAILURE "the server is currently unable to handle the request ( pods/log faults)\"*"},
		{GET(PODS "p/exec?command=ls"), 400,
		 FAILURE "Upgrade request required\",\"reason\":\"BadRequest\",\"code\":400}\n"},
		{GET(PODS "two/exec?command=ls"), 400, FAILURE "a container name must be specified*"},
		{GET(PODS "free/portforward"), 400, FAILURE "pod free does not have a host assigned\"*"},
		{GET(PODS "p/exec?command=ls&dryRun=All"), 400, FAILURE "dryRun is not supported\"*"},
		{{.method = "PUT", .path = PODS "p/exec"}, 405, NULL},
	};
	rows_of_kubelet(rows, SP_LEN(rows));
}

SP_TEST(api_proxy, proxies)
{
	static const t_ask_row rows[] = {
		{GET(PODS "p/proxy/a/b%20c/?q=1&r"), 200,
		 "GET /a/b%20c/?q=1&r\n*x-forwarded-for: 10.0.0.2\nx-forwarded-uri: " PODS
		 "p/proxy/a/b%20c/\n"},
		{{.method = "POST",
		  .path = PODS "p:8080/proxy/x",
		  .type = "a/b",
		  .body = SP_STR_INIT("body")},
		 200,
		 "POST /x\n*content-type: a/b\n*content-length: 4\nbody"},
		{{.method = "DELETE", .path = PODS "http:p:8080/proxy/x"}, 200, "DELETE /x\n*"},
		{{.method = "DELETE", .path = PODS "p/proxy?method=DELETE"},
		 200,
		 "DELETE /?method=DELETE\n*"},
		{{.method = "OPTIONS", .path = PODS "p/proxy/x"}, 200, "OPTIONS /x\n*"},
		{{.method = "PATCH", .path = SERVICES "svc:web/proxy/", .body = SP_STR_INIT("{}")},
		 200,
		 "PATCH /\n*{}"},
		{GET(SERVICES "svc:80/proxy/y/../z"), 200, "GET /z\n*"},
		{GET("/api/v1/nodes/n/proxy/healthz"), 200, "GET /healthz\n*"},
		{GET("/api/v1/nodes/n:8080/proxy/metrics"), 200, "GET /metrics\n*"},
		{GET(PODS "p/proxy"), 301, ""},
		{GET(PODS "p/proxy/s404"), 404, "no such thing"},
		{GET(PODS "p/proxy/html"), 200, "<a href=\"" PODS "p/proxy/q\">q</a><a href='rel'>r</a>"},
	};
	rows_of_kubelet(rows, SP_LEN(rows));
}

SP_TEST(api_proxy, where_nobody_is)
{
	static const t_ask_row rows[] = {
		{GET(PODS "p:9/proxy/"), 503,
		 FAILURE "error trying to reach service: dial tcp 10.0.0.3:9: connect: connection "
			 "refused\",\"reason\":\"ServiceUnavailable\",\"code\":503}\n"},
		{GET(PODS "a:b:c:d/proxy/"), 400, FAILURE "invalid pod request \\\"a:b:c:d\\\"\"*"},
		{GET(PODS "ftp:p:1/proxy/"), 400, FAILURE "invalid pod request \\\"ftp:p:1\\\"\"*"},
		{GET(PODS "two/proxy/"), 400, FAILURE "address not allowed\"*"},
		{GET(PODS "none/proxy/"), 404, FAILURE "pods \\\"none\\\" not found\"*"},
		{GET(SERVICES "svc:81/proxy/"), 503,
		 FAILURE "no service port 81 found for service \\\"svc\\\"\"*"},
		{GET(SERVICES "svc:other/proxy/"), 503,
		 FAILURE "no endpoints available for service \\\"svc:other\\\"\"*"},
		{GET(SERVICES "none/proxy/"), 404, FAILURE "endpoints \\\"none\\\" not found\"*"},
		{GET("/api/v1/nodes/none/proxy/"), 404, FAILURE "nodes \\\"none\\\" not found\"*"},
		{{.method = "PATCH",
		  .path = "/api/v1/nodes/n/status",
		  .type = "application/merge-patch+json",
		  .body = SP_STR_INIT("{\"status\":{\"addresses\":[{\"type\":\"X\",\"address\":\"y\"}],"
				      "\"daemonEndpoints\":{\"kubeletEndpoint\":{\"Port\":9}}}}")},
		 200,
		 NULL},
		{GET(PODS "p/log"), 500,
		 FAILURE "no preferred addresses found; known addresses: [{X y}]\",\"code\":500}\n"},
		{{.method = "PATCH",
		  .path = "/api/v1/nodes/n/status",
		  .type = "application/merge-patch+json",
		  .body = SP_STR_INIT("{\"status\":{\"addresses\":[{\"type\":\"InternalIP\",\"address\":\"10."
				      "0.0.3\"}]}}")},
		 200,
		 NULL},
		{GET(PODS "p/log"), 500,
		 FAILURE "Get \\\"http://10.0.0.3:9/containerLogs/default/p/c\\\": dial tcp 10.0.0.3:9: "
			 "connect: connection refused\",\"code\":500}\n"},
	};
	rows_of_kubelet(rows, SP_LEN(rows));
}

/* ---- fields ---- */

typedef struct answer {
	sp_http_exchange *ex;
	uint16_t status;
	bool closed, tunnel_closed;
	sp_buf body;
	char location[128];
	sp_stream *s; /* an upgrade's */
	bool ended;
} answer;

static void on_response(sp_http_exchange *ex)
{
	answer *a = ex->arg;
	a->status = ex->status;
	(void)snprintf(a->location, sizeof a->location, SP_FMT,
		       SP_ARG(sp_http_get(&ex->headers, SP_HTTP_LOCATION)));
}

static void on_body(sp_http_exchange *ex, const uint8_t *bytes, size_t n)
{
	answer *a = ex->arg;
	(void)sp_buf_append(&a->body, bytes, n);
}

static void stream_data(void *arg, const uint8_t *bytes, size_t n)
{
	answer *a = arg;
	(void)sp_buf_append(&a->body, bytes, n);
}

static void stream_end(void *arg)
{
	answer *a = arg;
	a->ended = true;
	sp_stream_close(a->s);
}

static void stream_error(void *arg, const sp_err *err)
{
	answer *a = arg;
	(void)err;
	sp_stream_close(a->s);
}

static void stream_close(void *arg)
{
	answer *a = arg;
	a->s = NULL;
	a->tunnel_closed = true;
}

static const sp_stream_handler stream_handler = {stream_data, stream_end, stream_error, stream_close};

static void on_tunnel(sp_http_exchange *ex, sp_stream *s)
{
	answer *a = ex->arg;
	a->s = s;
	a->status = 101;
	sp_stream_handle(s, &stream_handler, a);
}

static void on_close(sp_http_exchange *ex, const sp_err *err)
{
	answer *a = ex->arg;
	(void)err;
	a->ex = NULL;
	a->closed = true;
}

static const sp_http_events events = {
	.on_response = on_response, .on_body = on_body, .on_tunnel = on_tunnel, .on_close = on_close};

static void answer_done(void *arg)
{
	answer *a = arg;
	if (a->s != NULL)
		sp_stream_close(a->s);
	sp_buf_done(&a->body);
}

static answer *answer_new(void)
{
	answer *a = sp_new(T_ARENA, answer, 1);
	sp_buf_init(&a->body, (size_t)128 << 20);
	t_defer(answer_done, a);
	return a;
}

static bool ask(t_kubelet *k, answer *a, const sp_http_request *q)
{
	sp_http_request with = *q;
	with.address = SP_STR("server:80");
	return sp_http_request_start(k->asker->api.maker.http, &with, &events, a, &a->ex, t_err()) == SP_OK;
}

static bool is_closed(void *arg)
{
	return ((answer *)arg)->closed;
}

static bool run(t_kubelet *k, bool (*until)(void *arg), void *arg)
{
	sp_sim *sim = k->asker->api.sim;
	return sp_sim_run(sim, until, arg, sp_sim_now_ns(sim) + 60 * SECOND);
}

SP_TEST(api_proxy, fields_that_go_on)
{
	static const sp_http_header fields[] = {{SP_STR_INIT("impersonate-user"), SP_STR_INIT("bob")},
						{SP_STR_INIT("x-mine"), SP_STR_INIT("1")},
						{SP_STR_INIT("x-forwarded-for"), SP_STR_INIT("1.2.3.4")}};
	t_kubelet *k = t_kubelet_open();
	if (k == NULL)
		return;
	answer *a = answer_new();
	T_TRUE(ask(k, a,
		   &(sp_http_request){.path = SP_STR(PODS "p/proxy/x"), .headers = fields, .n_headers = 3}));
	T_TRUE(run(k, is_closed, a));
	sp_str body = sp_buf_view(&a->body);
	T_EQ_U64(a->status, 200);
	T_TRUE(sp_str_find(body, SP_STR("impersonate")) < 0);
	T_TRUE(sp_str_find(body, SP_STR("x-mine: 1\n")) > 0);
	T_TRUE(sp_str_find(body, SP_STR("host: server:80\n")) > 0);
	T_TRUE(sp_str_find(body, SP_STR("x-forwarded-for: 1.2.3.4, 10.0.0.2\n")) > 0);
}

/* What aggregated servers read of a user is ours alone to say, by whatever names it goes. */
SP_TEST(api_proxy, nobody_says_who_they_are)
{
	static const sp_str users[] = {SP_STR_INIT("x-user")}, uids[] = {SP_STR_INIT("x-uid")},
			    groups[] = {SP_STR_INIT("x-team")}, extra[] = {SP_STR_INIT("x-more-")};
	static const sp_http_header fields[] = {{SP_STR_INIT("x-remote-user"), SP_STR_INIT("forged")},
						{SP_STR_INIT("x-remote-group"), SP_STR_INIT("forged")},
						{SP_STR_INIT("x-remote-extra-a"), SP_STR_INIT("forged")},
						{SP_STR_INIT("x-user"), SP_STR_INIT("forged")},
						{SP_STR_INIT("x-uid"), SP_STR_INIT("forged")},
						{SP_STR_INIT("x-team"), SP_STR_INIT("forged")},
						{SP_STR_INIT("x-more-a"), SP_STR_INIT("forged")},
						{SP_STR_INIT("x-team-of"), SP_STR_INIT("mine")}};
	static const char *const paths[] = {PODS "p/proxy/x", SERVICES "svc:web/proxy/x",
					    "/api/v1/nodes/n/proxy/x"};
	t_kubelet *k = t_kubelet_open();
	if (k == NULL)
		return;
	k->asker->api.front = (api_front_proxy_opts){.user_headers = {users, 1},
						     .uid_headers = {uids, 1},
						     .group_headers = {groups, 1},
						     .extra_prefixes = {extra, 1}};
	T_TRUE(t_api_restart(&k->asker->api, SECOND));
	for (size_t i = 0; i < SP_LEN(paths); i++) {
		answer *a = answer_new();
		t_row("%s", paths[i]);
		T_TRUE(ask(k, a,
			   &(sp_http_request){.path = sp_str_c(paths[i]),
					      .headers = fields,
					      .n_headers = SP_LEN(fields)}));
		T_TRUE(run(k, is_closed, a));
		T_EQ_U64(a->status, 200);
		T_TRUE(sp_str_find(sp_buf_view(&a->body), SP_STR("forged")) < 0);
		T_TRUE(sp_str_find(sp_buf_view(&a->body), SP_STR("x-team-of: mine\n")) > 0);
	}
}

SP_TEST(api_proxy, locations)
{
	static const struct {
		const char *path, *location;
	} rows[] = {
		{PODS "p/proxy/moved", PODS "p/proxy/x/y?z"},
		{PODS "p/proxy/gone", "http://else.where/x"},
		{PODS "p/proxy?a=b", PODS "p/proxy/?a=b"},
	};
	t_kubelet *k = t_kubelet_open();
	for (size_t i = 0; k != NULL && i < SP_LEN(rows); i++) {
		answer *a = answer_new();
		t_row("%s", rows[i].path);
		T_TRUE(ask(k, a, &(sp_http_request){.path = sp_str_c(rows[i].path)}));
		T_TRUE(run(k, is_closed, a));
		T_EQ_C(sp_str_c(a->location), rows[i].location);
	}
}

/* ---- back-pressure ---- */

static bool has_much(void *arg)
{
	return ((const t_kubelet *)arg)->n_big >= ((size_t)1 << 20);
}

SP_TEST(api_proxy, a_slow_reader_holds_the_server_back)
{
	t_kubelet *k = t_kubelet_open();
	if (k == NULL)
		return;
	sp_sim *sim = k->asker->api.sim;
	answer *a = answer_new();
	T_TRUE(ask(k, a, &(sp_http_request){.path = SP_STR(PODS "faults/log?container=big")}));
	sp_http_read(a->ex, false);
	(void)run(k, has_much, k);
	sp_sim_run_until(sim, sp_sim_now_ns(sim) + 30 * SECOND);
	if (!t_torture()) {
		T_TRUE(k->n_big > 0 && k->n_big < ((size_t)4 << 20));
		T_TRUE(a->ex != NULL);
	}
	if (a->ex != NULL)
		sp_http_read(a->ex, true);
	T_TRUE(run(k, is_closed, a));
	T_EQ_U64(a->body.len, (size_t)64 << 20);
}

SP_TEST(api_proxy, who_goes_ends_the_other)
{
	t_kubelet *k = t_kubelet_open();
	if (k == NULL)
		return;
	answer *a = answer_new();
	T_TRUE(ask(k, a, &(sp_http_request){.path = SP_STR(PODS "p/proxy/big")}));
	(void)run(k, has_much, k);
	if (a->ex != NULL)
		sp_http_reset(a->ex, SP_HTTP2_CANCEL);
	T_TRUE(run(k, is_closed, a));
	sp_sim_run_until(k->asker->api.sim, sp_sim_now_ns(k->asker->api.sim) + SECOND);
	size_t so_far = k->n_big;
	sp_sim_run_until(k->asker->api.sim, sp_sim_now_ns(k->asker->api.sim) + 10 * SECOND);
	T_EQ_U64(k->n_big, so_far);
}

/* ---- upgrades ---- */

static void on_written(sp_write *req, sp_code code)
{
	(void)req, (void)code;
}

static void say(sp_stream *s, sp_write *req, const char *text)
{
	*req = (sp_write){.n_iov = 1, .iov = {{text, strlen(text)}}, .done = on_written};
	sp_stream_write(s, req);
}

static bool has_body(void *arg)
{
	const answer *a = arg;
	return a->body.len > 0 || a->closed;
}

static bool has_tunnel(void *arg)
{
	const answer *a = arg;
	return a->s != NULL || a->closed;
}

static bool tunnel_is_over(void *arg)
{
	return ((const answer *)arg)->tunnel_closed;
}

static bool nobody_is_there(void *arg)
{
	return ((const t_kubelet *)arg)->n_tunnels == 0;
}

SP_TEST(api_proxy, connections_are_joined)
{
	sp_write req;
	t_kubelet *k = t_kubelet_open();
	if (k == NULL)
		return;
	answer *a = answer_new();
	T_TRUE(ask(k, a,
		   &(sp_http_request){.path = SP_STR(PODS "p/portforward"),
				      .method = SP_STR("POST"),
				      .protocol = SP_STR("SPDY/3.1")}));
	T_TRUE(run(k, has_tunnel, a) && a->s != NULL);
	sp_stream_read(a->s, true);
	say(a->s, &req, "there and back");
	a->closed = false;
	T_TRUE(run(k, has_body, a));
	T_EQ_C(sp_buf_view(&a->body), "there and back");
	T_EQ_U64(k->n_tunnels, 1);
	sp_stream_shutdown(a->s);
	T_TRUE(run(k, tunnel_is_over, a));
	T_TRUE(a->ended);
	T_TRUE(run(k, nobody_is_there, k));
}

SP_TEST(api_proxy, joined_connections_end_together)
{
	t_kubelet *k = t_kubelet_open();
	if (k == NULL)
		return;
	answer *a = answer_new();
	T_TRUE(ask(k, a,
		   &(sp_http_request){.path = SP_STR(PODS "p/proxy/ws"), .protocol = SP_STR("something")}));
	T_TRUE(run(k, has_tunnel, a) && a->s != NULL);
	sp_stream_close(a->s);
	T_TRUE(run(k, nobody_is_there, k));
	/* What is joined when the server stops is cut by the end of the test. */
	answer *b = answer_new();
	T_TRUE(ask(k, b,
		   &(sp_http_request){.path = SP_STR(PODS "p/proxy/ws"), .protocol = SP_STR("something")}));
	T_TRUE(run(k, has_tunnel, b) && b->s != NULL);
	T_TRUE(t_api_drain(&k->asker->api, SECOND, sp_sim_now_ns(k->asker->api.sim) + 20 * SECOND));
	T_TRUE(run(k, nobody_is_there, k));
}

SP_TEST(api_proxy, upgrades_that_are_refused)
{
	static const struct {
		const char *path;
		uint16_t status;
		const char *like;
	} rows[] = {
		{PODS "faults/exec?container=s404", 404, "no such thing"},
		{PODS "faults/exec?container=s200", 500,
		 FAILURE "invalid upgrade response: status code 200\",\"code\":500}\n"},
		{PODS "p:9/proxy/x", 500,
		 FAILURE "error dialing backend: dial tcp 10.0.0.3:9: connect: connection "
			 "refused\",\"code\":500}\n"},
	};
	t_kubelet *k = t_kubelet_open();
	for (size_t i = 0; k != NULL && i < SP_LEN(rows); i++) {
		answer *a = answer_new();
		t_row("%s", rows[i].path);
		T_TRUE(ask(k, a,
			   &(sp_http_request){.path = sp_str_c(rows[i].path),
					      .method = SP_STR("POST"),
					      .protocol = SP_STR("SPDY/3.1")}));
		T_TRUE(run(k, is_closed, a));
		T_EQ_U64(a->status, rows[i].status);
		if (!t_is_like(sp_buf_view(&a->body), rows[i].like))
			T_FAIL("got '" SP_FMT "'", SP_ARG(sp_buf_view(&a->body)));
	}
}
