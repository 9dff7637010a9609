/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec, attach and port-forward: the runtime gives an address for one stream, and the bytes of the upgraded
 * connection are passed on as they are, SPDY or WebSocket. U: kubernetes pkg/kubelet/server/server.go,
 * apimachinery pkg/util/proxy/upgradeaware.go.
 */
#include "base/alloc.h"
#include "base/num.h"
#include "io/splice.h"
#include "node/serve_int.h"

#define HEADERS_MAX 64u
#define REFUSAL_BYTES_MAX ((size_t)64 << 10)

typedef struct stream_proxy {
	node_request *r; /* NULL: the client is gone */
	sp_http_exchange *upstream;
	sp_stream *back; /* to the runtime, while the client's is not there yet */
	sp_splice *splice;
	sp_buf refusal;
	uint16_t status;
	bool tunnel;
} stream_proxy;

static void proxy_free(stream_proxy *p)
{
	if (p->r != NULL || p->upstream != NULL || p->splice != NULL)
		return;
	if (p->back != NULL)
		sp_stream_close(p->back);
	sp_buf_done(&p->refusal);
	sp_free(p);
}

/* The exchange with the client is over; the bytes may still flow. */
static void on_end(node_request *r)
{
	stream_proxy *p = r->state;
	p->r = NULL;
	if (p->upstream != NULL && !p->tunnel)
		sp_http_reset(p->upstream, SP_HTTP2_CANCEL);
	proxy_free(p);
}

/* ---- bytes ---- */

static void on_spliced(void *arg, const sp_err *err)
{
	stream_proxy *p = arg;
	(void)err;
	p->splice = NULL;
	proxy_free(p);
}

static void on_client_tunnel(sp_http_exchange *ex, sp_stream *front)
{
	node_request *r = ex->arg;
	stream_proxy *p = r->state;
	sp_stream *back = SP_TAKE(p->back);
	if (back == NULL || sp_splice_start(front, back, on_spliced, p, &p->splice, NULL) != SP_OK) {
		sp_stream_handle(front, &sp_stream_waiting, NULL);
		sp_stream_close(front);
		if (back != NULL)
			sp_stream_close(back);
	}
}

static void on_client_close(sp_http_exchange *ex, const sp_err *err)
{
	node_request *r = ex->arg;
	(void)err;
	sp_review_cancel(&r->review);
	r->agent->cri->cancel(r->agent->cri, &r->call);
	sp_list_remove(&r->node);
	on_end(r);
	sp_free(r);
}

static const sp_http_events client_events = {.on_tunnel = on_client_tunnel, .on_close = on_client_close};

/* Fields that belong to one connection, or to us, stay behind. */
static size_t copy_fields(const sp_http_fields *from, sp_http_header *to, bool from_client)
{
	size_t n = 0;
	for (uint32_t i = 0; i < from->n && n < HEADERS_MAX; i++) {
		sp_str name = from->at[i].name;
		if (sp_http_is_hop_by_hop(name) || sp_str_eq(name, SP_STR("host")) ||
		    sp_str_eq(name, SP_STR("date")) || sp_str_eq(name, SP_STR("content-length")) ||
		    (from_client && sp_str_eq(name, SP_STR("authorization"))))
			continue;
		to[n++] = from->at[i];
	}
	return n;
}

/* ---- the runtime's side ---- */

static void on_upstream_tunnel(sp_http_exchange *ex, sp_stream *back)
{
	stream_proxy *p = ex->arg;
	sp_http_header headers[HEADERS_MAX];
	sp_stream_handle(back, &sp_stream_waiting, NULL);
	p->tunnel = true;
	if (p->r == NULL) {
		sp_stream_close(back);
		return;
	}
	p->back = back;
	size_t n = copy_fields(&ex->headers, headers, false);
	sp_http_handle(p->r->ex, &client_events, p->r);
	if (sp_http_accept_tunnel(p->r->ex, headers, n, NULL) != SP_OK)
		sp_http_reset(p->r->ex, SP_HTTP2_INTERNAL_ERROR);
}

static void on_upstream_response(sp_http_exchange *ex)
{
	stream_proxy *p = ex->arg;
	p->status = ex->status;
}
static void on_upstream_body(sp_http_exchange *ex, const uint8_t *bytes, size_t n)
{
	stream_proxy *p = ex->arg;
	(void)sp_buf_append(&p->refusal, bytes, n);
}
static void on_upstream_close(sp_http_exchange *ex, const sp_err *err)
{
	stream_proxy *p = ex->arg;
	p->upstream = NULL;
	if (p->r != NULL && !p->tunnel) {
		if (p->status != 0)
			node_answer(p->r, p->status, SP_FMT, SP_ARG(sp_buf_view(&p->refusal)));
		else
			node_answer(p->r, 502, "error dialing backend: %s",
				    err == NULL ? "no answer" : err->msg);
	}
	proxy_free(p);
}

static const sp_http_events upstream_events = {.on_response = on_upstream_response,
					       .on_body = on_upstream_body,
					       .on_tunnel = on_upstream_tunnel,
					       .on_close = on_upstream_close};

/* "http://127.0.0.1:35001/exec/token" into address and path. */
static bool cut_url(sp_str url, sp_str *ret_address, sp_str *ret_path)
{
	if (!sp_str_take(&url, SP_STR("http://")))
		return false;
	ptrdiff_t slash = sp_str_index(url, '/');
	if (slash <= 0)
		return false;
	*ret_address = sp_str_sub(url, 0, (size_t)slash);
	*ret_path = sp_str_sub(url, (size_t)slash, url.len);
	return true;
}

static void connect_to(node_request *r, sp_str url)
{
	sp_http_header headers[HEADERS_MAX];
	sp_err err = {0};
	sp_http_request req = {.method = r->ex->method, .protocol = r->ex->protocol};
	if (!cut_url(url, &req.address, &req.path)) {
		node_answer(r, 500, "the runtime gave no address of a stream");
		return;
	}
	if (r->ex->protocol.len == 0) {
		node_answer(r, 400, "Upgrade request required");
		return;
	}
	stream_proxy *p = SP_NEW(stream_proxy);
	p->r = r;
	sp_buf_init(&p->refusal, REFUSAL_BYTES_MAX);
	r->state = p;
	r->end = on_end;
	req.headers = headers;
	req.n_headers = copy_fields(&r->ex->headers, headers, true);
	if (sp_http_request_start(r->agent->http, &req, &upstream_events, p, &p->upstream, &err) != SP_OK)
		node_answer(r, 502, "error dialing backend: %s", err.msg);
}

static void runtime_failed(node_request *r, int32_t status, sp_str message)
{
	node_answer(r,
		    status == SP_RPC_INVALID_ARGUMENT ? 400
		    : status == SP_RPC_NOT_FOUND      ? 404
						      : 500,
		    SP_FMT, SP_ARG(message));
}

static void on_exec(sp_cri_call *c, int32_t status, sp_str message, const void *response)
{
	const sp_cri_exec_response *answer = response;
	if (status != SP_RPC_OK)
		runtime_failed(c->arg, status, message);
	else
		connect_to(c->arg, answer->url);
}
static void on_attach(sp_cri_call *c, int32_t status, sp_str message, const void *response)
{
	const sp_cri_attach_response *answer = response;
	if (status != SP_RPC_OK)
		runtime_failed(c->arg, status, message);
	else
		connect_to(c->arg, answer->url);
}
static void on_forward(sp_cri_call *c, int32_t status, sp_str message, const void *response)
{
	const sp_cri_port_forward_response *answer = response;
	if (status != SP_RPC_OK)
		runtime_failed(c->arg, status, message);
	else
		connect_to(c->arg, answer->url);
}

/* ---- what is asked ---- */

static bool flag(const node_request *r, const char *name)
{
	sp_str v = sp_url_query_get(&r->query, sp_str_c(name));
	return sp_str_eq(v, SP_STR("1")) || sp_str_eq(v, SP_STR("true"));
}

/* The running container of the pod, by the API's status: the runtime's id without its scheme. */
static sp_str container_id(node_request *r, const node_worker *w, sp_str container)
{
	static const char *const lists[] = {"status.containerStatuses", "status.initContainerStatuses",
					    "status.ephemeralContainerStatuses"};
	yyjson_val *tree, *item;
	size_t i, n;
	if (sp_json_parse(&r->ex->arena, w->latest->json, &tree, NULL) != SP_OK)
		return (sp_str){NULL, 0};
	for (size_t k = 0; k < SP_LEN(lists); k++) {
		yyjson_arr_foreach(sp_view_at(tree, lists[k]), i, n, item)
		{
			sp_str id = sp_view_str_at(item, "containerID");
			ptrdiff_t at = sp_str_find(id, SP_STR("://"));
			if (sp_str_eq(sp_view_str_at(item, "name"), container) && at >= 0)
				return sp_str_sub(id, (size_t)at + 3, id.len);
		}
	}
	return (sp_str){NULL, 0};
}

static sp_str asked_container(node_request *r)
{
	sp_str name = r->segments[r->n_segments - 1];
	node_worker *w = node_request_pod(r, r->segments[1], r->segments[2]);
	if (w == NULL)
		return (sp_str){NULL, 0};
	sp_str id = container_id(r, w, name);
	if (id.len == 0)
		node_answer(r, 404, "container not found (\"" SP_FMT "\")", SP_ARG(name));
	return id;
}

static void ask(node_request *r, sp_cri_method method, const void *request,
		void (*done)(sp_cri_call *c, int32_t status, sp_str message, const void *response))
{
	r->call = (sp_cri_call){.done = done, .arg = r, .timeout_ns = NODE_CALL_TIMEOUT_NS};
	r->agent->cri->call(r->agent->cri, method, request, &r->call);
}

void node_serve_exec(node_request *r)
{
	sp_str id = asked_container(r);
	sp_str *words = sp_try_new(&r->ex->arena, sp_str, r->query.n + 1);
	size_t n = 0;
	if (id.len == 0 || words == NULL)
		return;
	for (size_t i = 0; i < r->query.n; i++) {
		if (sp_str_eq(r->query.pairs[i].key, SP_STR("command")))
			words[n++] = r->query.pairs[i].value;
	}
	ask(r, SP_CRI_EXEC,
	    &(sp_cri_exec_request){.container_id = id,
				   .cmd = {.at = words, .n = n},
				   .tty = flag(r, "tty"),
				   .stdin = flag(r, "input"),
				   .stdout = flag(r, "output"),
				   .stderr = flag(r, "error") && !flag(r, "tty")},
	    on_exec);
}

void node_serve_attach(node_request *r)
{
	sp_str id = asked_container(r);
	if (id.len == 0)
		return;
	ask(r, SP_CRI_ATTACH,
	    &(sp_cri_attach_request){.container_id = id,
				     .tty = flag(r, "tty"),
				     .stdin = flag(r, "input"),
				     .stdout = flag(r, "output"),
				     .stderr = flag(r, "error") && !flag(r, "tty")},
	    on_attach);
}

static void on_sandboxes(sp_cri_call *c, int32_t status, sp_str message, const void *response)
{
	node_request *r = c->arg;
	const sp_cri_list_pod_sandbox_response *list = response;
	const sp_cri_pod_sandbox *found = NULL;
	int32_t ports[64];
	size_t n = 0;
	if (status != SP_RPC_OK) {
		runtime_failed(r, status, message);
		return;
	}
	for (size_t i = 0; i < list->items.n; i++) {
		const sp_cri_pod_sandbox *b = &list->items.at[i];
		if (b->state == SP_CRI_SANDBOX_READY && (found == NULL || b->created_at > found->created_at))
			found = b;
	}
	if (found == NULL) {
		node_answer(r, 404, "pod \"" SP_FMT "\" has no sandbox", SP_ARG(r->segments[2]));
		return;
	}
	for (size_t i = 0; i < r->query.n && n < SP_LEN(ports); i++) {
		uint64_t port;
		if (sp_str_eq(r->query.pairs[i].key, SP_STR("port")) &&
		    sp_parse_u64(r->query.pairs[i].value, 1, 65535, &port, NULL) == SP_OK)
			ports[n++] = (int32_t)port;
	}
	sp_str id = sp_arena_try_dup(&r->ex->arena, found->id);
	ask(r, SP_CRI_PORT_FORWARD,
	    &(sp_cri_port_forward_request){.pod_sandbox_id = id, .port = {.at = ports, .n = n}}, on_forward);
}

void node_serve_forward(node_request *r)
{
	const node_worker *w = node_request_pod(r, r->segments[1], r->segments[2]);
	if (w == NULL)
		return;
	sp_pb_pair label = {SP_STR(NODE_LABEL_POD_UID), w->uid};
	sp_cri_pod_sandbox_filter filter = {.label_selector = {.at = &label, .n = 1}};
	ask(r, SP_CRI_LIST_POD_SANDBOX, &(sp_cri_list_pod_sandbox_request){.filter = &filter}, on_sandboxes);
}
