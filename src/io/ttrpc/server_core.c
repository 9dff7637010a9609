/* SPDX-License-Identifier: Apache-2.0 */
#include "io/ttrpc/server_core.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/num.h"

#define BUCKETS 64u
#define CALLS_MAX 4096u

struct sp_ttrpc_call {
	sp_list node;       /* in its bucket while active, else among the core's idle ones */
	sp_heap_node timer; /* by deadline */
	sp_ttrpc_server_core *core;
	const sp_ttrpc_service *service;
	const sp_ttrpc_method *method;
	const sp_ttrpc_request *request; /* during on_call */
	void *user;
	uint64_t deadline_ns;
	uint32_t id;
	bool active; /* not answered, not cancelled */
	bool remote_closed;
};

struct sp_ttrpc_server_core {
	const sp_ttrpc_service *services;
	size_t n_services, calls_max;
	void *owner;
	void (*changed)(void *owner);
	sp_buf *out;
	sp_buf scratch;
	sp_ttrpc_reader reader;
	sp_list buckets[BUCKETS];
	sp_list idle;
	sp_heap timers;
	size_t n_active, n_calls;
	uint32_t last_id;
	bool ended;
};

sp_code sp_ttrpc_server_core_new(const sp_ttrpc_service *services, size_t n_services, size_t calls_max,
				 void *owner, void (*changed)(void *owner), sp_buf *out,
				 sp_ttrpc_server_core **ret, sp_err *err)
{
	sp_ttrpc_server_core *c = sp_try_alloc(sizeof *c);
	if (c == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a ttrpc connection");
	c->services = services;
	c->n_services = n_services;
	c->calls_max = calls_max == 0 ? CALLS_MAX : calls_max;
	c->owner = owner;
	c->changed = changed;
	c->out = out;
	/* room for a status around the largest payload; the frame checks the real limit */
	sp_buf_init(&c->scratch, 2 * SP_LIMIT_TTRPC_MESSAGE_BYTES);
	sp_ttrpc_reader_init(&c->reader);
	for (size_t i = 0; i < BUCKETS; i++)
		sp_list_init(&c->buckets[i]);
	sp_list_init(&c->idle);
	sp_heap_init(&c->timers);
	*ret = c;
	return SP_OK;
}

void sp_ttrpc_server_core_free(sp_ttrpc_server_core *c)
{
	if (c == NULL)
		return;
	SP_ASSERT(c->n_calls == 0);
	sp_heap_done(&c->timers);
	sp_ttrpc_reader_done(&c->reader);
	sp_buf_done(&c->scratch);
	sp_free(c);
}

size_t sp_ttrpc_server_core_n_active(const sp_ttrpc_server_core *c)
{
	return c->n_active;
}

size_t sp_ttrpc_server_core_n_calls(const sp_ttrpc_server_core *c)
{
	return c->n_calls;
}

/* ---- answers ---- */

static void scratch_reset(sp_ttrpc_server_core *c)
{
	if (c->scratch.cap <= (size_t)64 << 10) {
		sp_buf_clear(&c->scratch);
		return;
	}
	sp_buf_done(&c->scratch);
	sp_buf_init(&c->scratch, 2 * SP_LIMIT_TTRPC_MESSAGE_BYTES);
}

/* Errors of `out` stay in it: feed and the connection look there. */
static void send_response(sp_ttrpc_server_core *c, uint32_t id, const sp_ttrpc_status *status, sp_str payload)
{
	sp_err err = {0};
	scratch_reset(c);
	sp_code code = sp_ttrpc_response_encode(&c->scratch, status, payload);
	if (code == SP_OK)
		code = sp_ttrpc_frame_put(c->out, id, SP_TTRPC_RESPONSE, 0, sp_buf_view(&c->scratch), &err);
	else
		(void)sp_fail(&err, SP_ENOMEM, "no memory for the answer");
	if (code == SP_OK || sp_buf_code(c->out) != SP_OK)
		return;
	sp_ttrpc_status instead = {.code = SP_RPC_RESOURCE_EXHAUSTED, .message = sp_str_c(err.msg)};
	scratch_reset(c);
	if (sp_ttrpc_response_encode(&c->scratch, &instead, (sp_str){NULL, 0}) == SP_OK)
		(void)!sp_ttrpc_frame_put(c->out, id, SP_TTRPC_RESPONSE, 0, sp_buf_view(&c->scratch), NULL);
}

static void send_status(sp_ttrpc_server_core *c, uint32_t id, int32_t code, sp_str message)
{
	send_response(c, id, &(sp_ttrpc_status){.code = code, .message = message}, (sp_str){NULL, 0});
}

/* ---- calls ---- */

static sp_list *bucket(sp_ttrpc_server_core *c, uint32_t id)
{
	return &c->buckets[(id >> 1) % BUCKETS];
}

static sp_ttrpc_call *find(sp_ttrpc_server_core *c, uint32_t id)
{
	SP_LIST_FOREACH (node, bucket(c, id)) {
		sp_ttrpc_call *call = SP_CONTAINER_OF(node, sp_ttrpc_call, node);
		if (call->id == id)
			return call;
	}
	return NULL;
}

static void deactivate(sp_ttrpc_call *call)
{
	sp_ttrpc_server_core *c = call->core;
	if (!call->active)
		return;
	call->active = false;
	sp_heap_remove(&c->timers, &call->timer);
	sp_list_remove(&call->node);
	sp_list_push_back(&c->idle, &call->node);
	c->n_active--;
}

static void cancel(sp_ttrpc_call *call)
{
	deactivate(call);
	if (call->method->on_cancel != NULL)
		call->method->on_cancel(call->service->arg, call);
}

static void tell(sp_ttrpc_server_core *c)
{
	if (c->changed != NULL)
		c->changed(c->owner);
}

const sp_ttrpc_request *sp_ttrpc_call_request(const sp_ttrpc_call *call)
{
	return call->request;
}

uint64_t sp_ttrpc_call_deadline(const sp_ttrpc_call *call)
{
	return call->deadline_ns;
}

void *sp_ttrpc_call_user(const sp_ttrpc_call *call)
{
	return call->user;
}

void sp_ttrpc_call_set_user(sp_ttrpc_call *call, void *user)
{
	call->user = user;
}

void *sp_ttrpc_call_owner(const sp_ttrpc_call *call)
{
	return call->core->owner;
}

bool sp_ttrpc_call_is_cancelled(const sp_ttrpc_call *call)
{
	return !call->active;
}

sp_code sp_ttrpc_call_send(sp_ttrpc_call *call, sp_str payload, sp_err *err)
{
	SP_ASSERT(call->method->server_streams);
	if (!call->active)
		return sp_fail(err, SP_ECANCELED, "ttrpc call is cancelled");
	SP_TRY(sp_ttrpc_frame_put(call->core->out, call->id, SP_TTRPC_DATA, 0, payload, err));
	tell(call->core);
	return SP_OK;
}

void sp_ttrpc_call_finish(sp_ttrpc_call *call, const sp_ttrpc_status *status, sp_str payload)
{
	sp_ttrpc_server_core *c = call->core;
	bool ok = status == NULL || status->code == SP_RPC_OK;
	if (call->active && ok && call->method->server_streams) {
		uint8_t flags = SP_TTRPC_REMOTE_CLOSED | (payload.len == 0 ? SP_TTRPC_NO_DATA : 0);
		sp_err err = {0};
		if (sp_ttrpc_frame_put(c->out, call->id, SP_TTRPC_DATA, flags, payload, &err) ==
			    SP_ETOOLARGE &&
		    sp_buf_code(c->out) == SP_OK)
			send_status(c, call->id, SP_RPC_RESOURCE_EXHAUSTED, sp_str_c(err.msg));
	} else if (call->active) {
		send_response(c, call->id, status, payload);
	}
	deactivate(call);
	sp_list_remove(&call->node);
	c->n_calls--;
	sp_free(call);
	tell(c);
}

void sp_ttrpc_call_fail(sp_ttrpc_call *call, const sp_err *err)
{
	sp_ttrpc_status status = {.code = sp_code_lookup(err->code)->grpc_status,
				  .message = sp_str_c(err->msg)};
	sp_ttrpc_call_finish(call, &status, (sp_str){NULL, 0});
}

/* ---- deadlines ---- */

uint64_t sp_ttrpc_server_core_deadline(const sp_ttrpc_server_core *c)
{
	const sp_heap_node *first = sp_heap_peek(&c->timers);
	return first == NULL ? UINT64_MAX : first->key;
}

void sp_ttrpc_server_core_expire(sp_ttrpc_server_core *c, uint64_t now_ns)
{
	sp_heap_node *first;
	while ((first = sp_heap_peek(&c->timers)) != NULL && first->key <= now_ns) {
		sp_ttrpc_call *call = SP_CONTAINER_OF(first, sp_ttrpc_call, timer);
		send_status(c, call->id, SP_RPC_DEADLINE_EXCEEDED, SP_STR("context deadline exceeded"));
		cancel(call);
	}
}

void sp_ttrpc_server_core_end(sp_ttrpc_server_core *c)
{
	if (c->ended)
		return;
	c->ended = true;
	for (size_t i = 0; i < BUCKETS; i++) {
		while (!sp_list_is_empty(&c->buckets[i]))
			cancel(SP_CONTAINER_OF(c->buckets[i].next, sp_ttrpc_call, node));
	}
}

/* ---- requests ---- */

static const sp_ttrpc_service *find_service(const sp_ttrpc_server_core *c, sp_str name)
{
	for (size_t i = 0; i < c->n_services; i++) {
		if (sp_str_eq(c->services[i].name, name))
			return &c->services[i];
	}
	return NULL;
}

static const sp_ttrpc_method *find_method(const sp_ttrpc_service *s, sp_str name)
{
	for (size_t i = 0; i < s->n_methods; i++) {
		if (sp_str_eq(s->methods[i].name, name))
			return &s->methods[i];
	}
	return NULL;
}

static sp_ttrpc_call *call_new(sp_ttrpc_server_core *c, uint32_t id, const sp_ttrpc_request *req,
			       uint64_t now_ns)
{
	sp_ttrpc_call *call = sp_try_alloc(sizeof *call);
	if (call == NULL)
		return NULL;
	call->core = c;
	call->id = id;
	call->active = true;
	call->deadline_ns = UINT64_MAX;
	if (req->timeout_ns != 0 &&
	    !sp_add(now_ns, (uint64_t)SP_MAX(req->timeout_ns, INT64_C(0)), &call->deadline_ns))
		call->deadline_ns = UINT64_MAX;
	if (call->deadline_ns != UINT64_MAX &&
	    sp_heap_push(&c->timers, &call->timer, call->deadline_ns) != SP_OK) {
		sp_free(call);
		return NULL;
	}
	sp_list_init(&call->node);
	sp_list_push_back(bucket(c, id), &call->node);
	c->n_active++;
	c->n_calls++;
	return call;
}

static void status_of(sp_ttrpc_server_core *c, uint32_t id, int32_t code, const char *what, sp_str name)
{
	sp_err err = {0};
	(void)sp_fail(&err, SP_EINVAL, "%s" SP_FMT, what, SP_ARG(name));
	send_status(c, id, code, sp_str_c(err.msg));
}

static void on_request(sp_ttrpc_server_core *c, const sp_ttrpc_frame *f, sp_str payload, uint64_t now_ns)
{
	if (f->stream <= c->last_id) {
		send_status(c, f->stream, SP_RPC_INVALID_ARGUMENT,
			    SP_STR("StreamID cannot be re-used and must increment"));
		return;
	}
	c->last_id = f->stream;
	sp_ttrpc_request req;
	sp_err err = {0};
	if (sp_ttrpc_request_decode(payload, &req, &err) != SP_OK) {
		status_of(c, f->stream, SP_RPC_INVALID_ARGUMENT,
			  "unmarshal request error: ", sp_str_c(err.msg));
		return;
	}
	const sp_ttrpc_service *service = find_service(c, req.service);
	if (service == NULL) {
		status_of(c, f->stream, SP_RPC_UNIMPLEMENTED, "service ", req.service);
		return;
	}
	const sp_ttrpc_method *method = find_method(service, req.method);
	if (method == NULL) {
		status_of(c, f->stream, SP_RPC_UNIMPLEMENTED, "method ", req.method);
		return;
	}
	if (c->n_calls >= c->calls_max) {
		send_status(c, f->stream, SP_RPC_RESOURCE_EXHAUSTED, SP_STR("too many concurrent calls"));
		return;
	}
	sp_ttrpc_call *call = call_new(c, f->stream, &req, now_ns);
	if (call == NULL) {
		send_status(c, f->stream, SP_RPC_RESOURCE_EXHAUSTED, SP_STR("no memory for the call"));
		return;
	}
	call->service = service;
	call->method = method;
	call->request = &req;
	call->remote_closed = !method->client_streams;
	method->on_call(service->arg, call, req.payload);
	call = find(c, f->stream); /* it may be finished; nobody else can have its number yet */
	if (call == NULL)
		return;
	call->request = NULL;
	if ((f->flags & SP_TTRPC_REMOTE_CLOSED) != 0 && !call->remote_closed) {
		call->remote_closed = true;
		method->on_half_close(service->arg, call);
	}
}

static void on_data(sp_ttrpc_server_core *c, const sp_ttrpc_frame *f, sp_str payload)
{
	sp_ttrpc_call *call = find(c, f->stream);
	if (call == NULL) {
		send_status(c, f->stream, SP_RPC_INVALID_ARGUMENT, SP_STR("StreamID is no longer active"));
		return;
	}
	bool closes = (f->flags & SP_TTRPC_REMOTE_CLOSED) != 0;
	if ((f->flags & SP_TTRPC_NO_DATA) == 0) {
		if (call->remote_closed) {
			send_status(c, f->stream, SP_RPC_INVALID_ARGUMENT,
				    SP_STR("data handling error: ttrpc: stream closed"));
			cancel(call);
			return;
		}
		call->method->on_data(call->service->arg, call, payload);
		call = find(c, f->stream);
	}
	if (!closes || call == NULL)
		return;
	if (!call->remote_closed) {
		call->remote_closed = true;
		call->method->on_half_close(call->service->arg, call);
		call = find(c, f->stream);
	}
	if (payload.len > 0 && call != NULL) {
		send_status(c, f->stream, SP_RPC_INVALID_ARGUMENT,
			    SP_STR("data close message cannot include data"));
		cancel(call);
	}
}

sp_code sp_ttrpc_server_core_feed(sp_ttrpc_server_core *c, sp_str bytes, uint64_t now_ns, sp_err *err)
{
	sp_ttrpc_frame f;
	sp_str payload;
	bool oversize = false;
	sp_code code = SP_OK;
	while (!c->ended && sp_ttrpc_reader_next(&c->reader, &bytes, &f, &payload, &oversize, &code)) {
		sp_err why = {0};
		if (oversize) {
			(void)sp_ttrpc_oversize(f.length, &why);
			send_status(c, f.stream, SP_RPC_RESOURCE_EXHAUSTED, sp_str_c(why.msg));
		} else if (f.stream % 2 != 1) {
			send_status(c, f.stream, SP_RPC_INVALID_ARGUMENT,
				    SP_STR("StreamID must be odd for client initiated streams"));
		} else if (f.type == SP_TTRPC_DATA) {
			on_data(c, &f, payload);
		} else if (f.type == SP_TTRPC_REQUEST) {
			on_request(c, &f, payload, now_ns);
		}
		if (sp_buf_code(c->out) != SP_OK)
			return sp_fail(err, sp_buf_code(c->out), "ttrpc send queue is full");
	}
	return code == SP_OK ? SP_OK : sp_fail(err, code, "no memory for a ttrpc message");
}
