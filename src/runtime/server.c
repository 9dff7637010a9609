/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/server.h"

#include "base/alloc.h"
#include "runtime/server_lists.h"

#define MESSAGE_BYTES ((size_t)16 << 20)
#define CRI_SERVICES 2

struct cri_server {
	sp_world *world;
	sp_cri *cri;
	sp_grpc_server *grpc;
	sp_http_server *http;
	sp_listener *listener;
	sp_grpc_service services[CRI_SERVICES + 1];
	sp_grpc_method methods[SP_CRI_METHODS_ + CRI_LIST_STREAMS];
	sp_list streams; /* event streams */
	void (*on_closed)(void *arg);
	void *closed_arg;
};

/* ---- unary calls ---- */

/* In the call's arena. */
typedef struct unary {
	cri_server *server;
	sp_grpc_call *grpc;
	sp_cri_call call;
	sp_cri_method method;
} unary;

static void finish(sp_grpc_call *call, int32_t code, sp_str message)
{
	const sp_grpc_status status = {.code = code, .message = message};
	sp_grpc_call_finish(call, &status, SP_STR(""));
}

static void on_done(sp_cri_call *c, int32_t code, sp_str message, const void *response)
{
	unary *u = c->arg;
	if (code != SP_RPC_OK) {
		finish(u->grpc, code, message);
		return;
	}
	SP_AUTO_BUF out;
	sp_buf_init(&out, MESSAGE_BYTES);
	sp_pb_encode(sp_cri_methods[u->method].response, response, &out);
	if (sp_buf_code(&out) != SP_OK)
		finish(u->grpc, SP_RPC_RESOURCE_EXHAUSTED, SP_STR("the response is too large"));
	else
		sp_grpc_call_finish(u->grpc, NULL, sp_buf_view(&out));
}

static void on_cancel(void *arg, sp_grpc_call *grpc)
{
	cri_server *s = arg;
	unary *u = sp_grpc_call_user(grpc);
	if (u == NULL)
		return;
	s->cri->cancel(s->cri, &u->call);
	finish(grpc, SP_RPC_CANCELLED, SP_STR(""));
}

static sp_str name_of(sp_grpc_call *grpc)
{
	const sp_http_exchange *ex = sp_grpc_call_exchange(grpc);
	return sp_str_sub(ex->path, (size_t)(sp_str_rindex(ex->path, '/') + 1), ex->path.len);
}

static sp_cri_method method_of(sp_grpc_call *grpc)
{
	sp_str name = name_of(grpc);
	sp_cri_method m = 0;
	while (!sp_str_eq(sp_cri_methods[m].name, name))
		m++; /* the server has found the name in our table */
	return m;
}

static void on_call(void *arg, sp_grpc_call *grpc, sp_str payload)
{
	cri_server *s = arg;
	sp_arena *a = sp_grpc_call_arena(grpc);
	sp_cri_method method = method_of(grpc);
	const sp_pb_message *m = sp_cri_methods[method].request;
	sp_err err;
	void *request = sp_arena_alloc(a, m->size);
	if (sp_pb_decode(m, payload, a, request, &err) != SP_OK) {
		sp_grpc_call_fail(grpc, &err);
		return;
	}
	unary *u = sp_new(a, unary, 1);
	*u = (unary){.server = s, .grpc = grpc, .method = method, .call = {.done = on_done, .arg = u}};
	sp_grpc_call_set_user(grpc, u);
	s->cri->call(s->cri, method, request, &u->call);
}

/* ---- events ---- */

typedef struct events {
	sp_list node;
	cri_server *server;
	sp_grpc_call *grpc;
	sp_cri_events events;
} events;

static void end_events(events *e, int32_t code, sp_str message)
{
	e->server->cri->unsubscribe(e->server->cri, &e->events);
	sp_list_remove(&e->node);
	finish(e->grpc, code, message);
	sp_free(e);
}

static void on_event(sp_cri_events *x, const sp_cri_container_event_response *event)
{
	events *e = x->arg;
	SP_AUTO_BUF out;
	sp_buf_init(&out, MESSAGE_BYTES);
	sp_pb_encode(&sp_cri_container_event_response_message, event, &out);
	/* A client that does not read loses the stream, never single events. */
	if (sp_buf_code(&out) != SP_OK || sp_grpc_call_send(e->grpc, sp_buf_view(&out), NULL) != SP_OK)
		end_events(e, SP_RPC_RESOURCE_EXHAUSTED, SP_STR("events were not read"));
}

static void on_events_end(sp_cri_events *x, int32_t code, sp_str message)
{
	end_events(x->arg, code, message);
}

static void on_events_cancel(void *arg, sp_grpc_call *grpc)
{
	(void)arg;
	end_events(sp_grpc_call_user(grpc), SP_RPC_CANCELLED, SP_STR(""));
}

static void on_events_call(void *arg, sp_grpc_call *grpc, sp_str payload)
{
	cri_server *s = arg;
	events *e = SP_NEW(events);
	(void)payload; /* without fields */
	*e = (events){.server = s, .grpc = grpc};
	e->events = (sp_cri_events){.on_event = on_event, .on_end = on_events_end, .arg = e};
	sp_list_push_back(&s->streams, &e->node);
	sp_grpc_call_set_user(grpc, e);
	(void)sp_grpc_call_head(grpc, NULL, 0, NULL); /* a call that is gone is told so by on_cancel */
	s->cri->subscribe(s->cri, &e->events);
}

/* ---- life ---- */

static void on_accept(void *arg, sp_stream *stream)
{
	cri_server *s = arg;
	sp_http_server_accept(s->http, stream);
}

static void on_list_call(void *arg, sp_grpc_call *grpc, sp_str payload)
{
	cri_server *s = arg;
	sp_str name = name_of(grpc);
	size_t which = 0;
	while (!sp_str_eq(cri_list_streams[which].name, name))
		which++;
	cri_list_stream_call(s->cri, which, grpc, payload);
}

static size_t fill_methods(sp_str service, sp_grpc_method *at)
{
	size_t n = 0;
	for (size_t i = 0; i < SP_CRI_METHODS_; i++) {
		const sp_cri_method_info *m = &sp_cri_methods[i];
		bool streams = m->server_streams;
		if (sp_str_eq(m->service, service))
			at[n++] = (sp_grpc_method){.name = m->name,
						   .server_streams = streams,
						   .on_call = streams ? on_events_call : on_call,
						   .on_cancel = streams ? on_events_cancel : on_cancel};
	}
	for (size_t i = 0; i < CRI_LIST_STREAMS; i++) {
		if (sp_str_eq(sp_cri_methods[cri_list_streams[i].list].service, service))
			at[n++] = (sp_grpc_method){.name = cri_list_streams[i].name,
						   .server_streams = true,
						   .on_call = on_list_call,
						   .on_writable = cri_list_stream_writable,
						   .on_cancel = cri_list_stream_cancel};
	}
	return n;
}

static void fill_services(cri_server *s)
{
	const sp_str names[CRI_SERVICES] = {sp_cri_methods[SP_CRI_VERSION].service,
					    sp_cri_methods[SP_CRI_LIST_IMAGES].service};
	sp_grpc_method *at = s->methods;
	for (size_t i = 0; i < CRI_SERVICES; i++) {
		size_t n = fill_methods(names[i], at);
		s->services[i] = (sp_grpc_service){.name = names[i], .methods = at, .n_methods = n, .arg = s};
		at += n;
	}
	SP_ASSERT(at == s->methods + SP_LEN(s->methods));
}

sp_code cri_server_new(sp_world *w, sp_cri *cri, const sp_grpc_service *also, sp_str address,
		       cri_server **ret, sp_err *err)
{
	cri_server *s = SP_NEW(cri_server);
	*s = (cri_server){.world = w, .cri = cri};
	sp_list_init(&s->streams);
	fill_services(s);
	if (also != NULL)
		s->services[CRI_SERVICES] = *also;
	const sp_grpc_server_opts grpc = {.services = s->services,
					  .n_services = CRI_SERVICES + (also != NULL ? 1 : 0),
					  .message_bytes = MESSAGE_BYTES};
	sp_http_server_opts http = {.on_request = NULL};
	sp_code code = sp_grpc_server_new(w, &grpc, &s->grpc, err);
	if (code == SP_OK) {
		sp_grpc_server_http(s->grpc, &http);
		code = sp_http_server_new(w, &http, &s->http, err);
	}
	if (code == SP_OK)
		code = sp_listen(w, address, NULL, on_accept, s, &s->listener, err);
	if (code != SP_OK) {
		cri_server_free(s);
		return code;
	}
	*ret = s;
	return SP_OK;
}

static void on_drained(void *arg)
{
	cri_server *s = arg;
	s->on_closed(s->closed_arg);
}

void cri_server_close(cri_server *s, uint64_t grace_ns, void (*done)(void *arg), void *arg)
{
	s->on_closed = done;
	s->closed_arg = arg;
	sp_listener_close(SP_TAKE(s->listener));
	SP_LIST_FOREACH (n, &s->streams)
		end_events(SP_CONTAINER_OF(n, events, node), SP_RPC_UNAVAILABLE,
			   SP_STR("the runtime is stopping"));
	sp_http_server_drain(s->http, grace_ns, on_drained, s);
}

void cri_server_free(cri_server *s)
{
	if (s == NULL)
		return;
	sp_listener_close(s->listener);
	if (s->http != NULL)
		sp_http_server_free(s->http);
	sp_grpc_server_free(s->grpc);
	sp_free(s);
}
