/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cri_client.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "io/grpc.h"

#define ANSWER_BYTES_MAX ((size_t)64 << 20) /* of one decoded answer; the wire has 16 MiB */

typedef struct cri_client {
	sp_cri base;
	sp_world *world;
	sp_http_client *http;
	sp_grpc_channel channel;
	size_t n_open;
} cri_client;

/* What stands behind a call or a subscription under way. */
typedef struct flight {
	sp_grpc_rpc rpc;
	cri_client *client;
	const sp_cri_method_info *method;
	sp_cri_call *call; /* one of the two */
	sp_cri_events *events;
	sp_defer failed; /* it could not even be sent */
	sp_err why;
} flight;

static cri_client *client_of(sp_cri *c)
{
	return SP_CONTAINER_OF(c, cri_client, base);
}

static void flight_free(flight *f)
{
	f->client->n_open--;
	sp_defer_cancel(&f->failed);
	sp_free(f);
}

/* The owner is told last: it may begin another call or release what the flight belongs to. */
static void end(flight *f, int32_t status, sp_str message, const void *response)
{
	sp_cri_call *call = f->call;
	sp_cri_events *events = f->events;
	flight_free(f);
	if (call != NULL) {
		call->impl = NULL;
		call->done(call, status, message, response);
	} else {
		events->impl = NULL;
		events->on_end(events, status, message);
	}
}

static void on_failed(sp_defer *d)
{
	flight *f = d->arg;
	sp_err why = f->why;
	end(f, sp_code_lookup(why.code)->grpc_status, sp_str_c(why.msg), NULL);
}

static void fail_later(flight *f)
{
	sp_defer_call(f->client->world, &f->failed);
}

static void on_end(sp_grpc_rpc *rpc, const sp_grpc_status *status, sp_str payload)
{
	flight *f = rpc->arg;
	sp_arena arena;
	sp_err err = {0};
	void *response;
	if (status->code != SP_RPC_OK || f->call == NULL) {
		end(f, status->code, status->message, NULL);
		return;
	}
	sp_arena_init(&arena, ANSWER_BYTES_MAX);
	response = sp_arena_try_alloc(&arena, f->method->response->size);
	sp_code code = response == NULL ? sp_fail(&err, SP_ENOMEM, "no memory for an answer of the runtime")
					: sp_pb_decode(f->method->response, payload, &arena, response, &err);
	if (code == SP_OK)
		end(f, SP_RPC_OK, (sp_str){NULL, 0}, response);
	else
		end(f, SP_RPC_INTERNAL, sp_str_c(err.msg), NULL);
	sp_arena_done(&arena);
}

static void on_event(sp_grpc_rpc *rpc, sp_str payload)
{
	flight *f = rpc->arg;
	sp_cri_events *events = f->events;
	sp_cri_container_event_response event;
	sp_arena arena;
	sp_err err = {0};
	sp_arena_init(&arena, ANSWER_BYTES_MAX);
	if (sp_pb_decode(f->method->response, payload, &arena, &event, &err) == SP_OK) {
		events->on_event(events, &event);
	} else { /* events may have been lost with this one */
		sp_grpc_rpc_cancel(rpc);
		f->why = err;
		fail_later(f);
	}
	sp_arena_done(&arena);
}

static flight *take_off(cri_client *c, sp_cri_method method, const void *request, uint64_t timeout_ns)
{
	flight *f = SP_NEW(flight);
	SP_AUTO_BUF payload;
	f->client = c;
	f->method = &sp_cri_methods[method];
	f->rpc = (sp_grpc_rpc){.on_end = on_end, .arg = f};
	sp_defer_init(&f->failed, on_failed, f);
	c->n_open++;
	if (f->method->server_streams)
		f->rpc.on_data = on_event;
	sp_buf_init(&payload, SP_LIMIT_GRPC_MESSAGE_BYTES);
	if (request != NULL)
		sp_pb_encode(f->method->request, request, &payload);
	sp_code code = sp_buf_code(&payload);
	if (code != SP_OK)
		code = sp_fail(&f->why, code, "a request to the runtime is too large");
	else
		code = sp_grpc_rpc_start(&c->channel, &f->rpc,
					 &(sp_grpc_rpc_opts){.service = f->method->service,
							     .method = f->method->name,
							     .payload = sp_buf_view(&payload),
							     .timeout_ns = timeout_ns,
							     .server_streams = f->method->server_streams},
					 &f->why);
	if (code != SP_OK)
		fail_later(f);
	return f;
}

static void cri_call(sp_cri *cri, sp_cri_method method, const void *request, sp_cri_call *call)
{
	SP_ASSERT(call->impl == NULL);
	SP_ASSERT(!sp_cri_methods[method].server_streams);
	flight *f = take_off(client_of(cri), method, request, call->timeout_ns);
	f->call = call;
	call->impl = f;
}

static void cancel(flight *f)
{
	if (f == NULL)
		return;
	sp_grpc_rpc_cancel(&f->rpc);
	flight_free(f);
}

static void cri_cancel(sp_cri *cri, sp_cri_call *call)
{
	(void)cri;
	cancel(SP_TAKE(call->impl));
}

static void cri_subscribe(sp_cri *cri, sp_cri_events *events)
{
	SP_ASSERT(events->impl == NULL);
	flight *f = take_off(client_of(cri), SP_CRI_GET_CONTAINER_EVENTS, NULL, 0);
	f->events = events;
	events->impl = f;
}

static void cri_unsubscribe(sp_cri *cri, sp_cri_events *events)
{
	(void)cri;
	cancel(SP_TAKE(events->impl));
}

static void on_closed(void *arg)
{
	cri_client *c = arg;
	sp_http_client_free(c->http);
	sp_free((void *)(uintptr_t)c->channel.address.ptr);
	sp_free(c);
}

static void cri_free(sp_cri *cri)
{
	cri_client *c = client_of(cri);
	SP_ASSERT(c->n_open == 0);
	sp_http_client_close(c->http, on_closed, c);
}

/* "unix:///run/x" and "unix:/run/x" to what sp_connect takes. */
static sp_code address_of(sp_str endpoint, sp_str *ret_path, sp_err *err)
{
	sp_str path = endpoint;
	if (!sp_str_take(&path, SP_STR("unix://")) && !sp_str_take(&path, SP_STR("unix:")))
		path = endpoint;
	if (path.len == 0 || path.ptr[0] != '/')
		return sp_fail(err, SP_EINVAL, "container runtime endpoint '" SP_FMT "' is not unix:///path",
			       SP_ARG(endpoint));
	*ret_path = path;
	return SP_OK;
}

sp_code node_cri_client_new(sp_world *w, sp_str endpoint, sp_cri **ret, sp_err *err)
{
	sp_http_client_opts opts = {.connector = &sp_http_connector_plain};
	sp_str path = {NULL, 0};
	SP_TRY(address_of(endpoint, &path, err));
	cri_client *c = SP_NEW(cri_client);
	c->base = (sp_cri){.call = cri_call,
			   .cancel = cri_cancel,
			   .subscribe = cri_subscribe,
			   .unsubscribe = cri_unsubscribe,
			   .free = cri_free};
	c->world = w;
	sp_grpc_client_http(&opts);
	sp_code code = sp_http_client_new(w, &opts, &c->http, err);
	if (code != SP_OK) {
		sp_free(c);
		return code;
	}
	char *address = sp_alloc(path.len + 5);
	memcpy(address, "unix:", 5);
	memcpy(address + 5, path.ptr, path.len);
	c->channel = (sp_grpc_channel){.http = c->http, .address = {address, path.len + 5}};
	*ret = &c->base;
	return SP_OK;
}
