/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "base/num.h"
#include "io/grpc/grpc_int.h"

#define SPARE_MAX 64u
/* Some centuries: added to a monotonic clock it does not overflow. */
#define FOREVER_NS (UINT64_MAX / 2)

struct sp_grpc_call {
	sp_list node; /* while spare */
	sp_grpc_server *server;
	const sp_grpc_service *service;
	const sp_grpc_method *method;
	sp_http_exchange *ex; /* NULL: cancelled */
	void *user;
	sp_arena arena;
	grpc_in in;
	sp_timer timer;
	uint64_t deadline_ns;
	sp_grpc_metadata *metadata;
	size_t n_metadata;
	bool begun;  /* the head is sent */
	bool handed; /* the handler knows of it */
};

struct sp_grpc_server {
	sp_world *world;
	const sp_grpc_service *services;
	size_t n_services, message_bytes;
	sp_list spare;
	size_t n_spare, n_calls;
};

sp_code sp_grpc_server_new(sp_world *w, const sp_grpc_server_opts *opts, sp_grpc_server **ret, sp_err *err)
{
	sp_grpc_server *s = sp_try_alloc(sizeof *s);
	if (s == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a gRPC server");
	s->world = w;
	s->services = opts->services;
	s->n_services = opts->n_services;
	s->message_bytes = grpc_message_limit(opts->message_bytes);
	sp_list_init(&s->spare);
	*ret = s;
	return SP_OK;
}

void sp_grpc_server_free(sp_grpc_server *s)
{
	if (s == NULL)
		return;
	SP_ASSERT(s->n_calls == 0);
	sp_list *node;
	while ((node = sp_list_pop_front(&s->spare)) != NULL) {
		sp_grpc_call *call = SP_CONTAINER_OF(node, sp_grpc_call, node);
		sp_arena_done(&call->arena);
		sp_free(call);
	}
	sp_free(s);
}

size_t sp_grpc_server_n_calls(const sp_grpc_server *s)
{
	return s->n_calls;
}

/* ---- answers ---- */

/* What every response's head has. */
static const sp_http_header head_fields[] = {
	{SP_STR_INIT("content-type"), SP_STR_INIT("application/grpc")},
	{SP_STR_INIT("grpc-accept-encoding"), SP_STR_INIT("identity")},
};
#define N_HEAD SP_LEN(head_fields)

/* The fields of a status, behind those of a head when there was none. */
static sp_code status_fields(sp_arena *a, const sp_grpc_status *st, bool with_head, sp_http_header **ret,
			     size_t *ret_n, sp_err *err)
{
	size_t n = 0;
	sp_http_header *h = sp_try_new(a, sp_http_header, N_HEAD + 2 + st->n_trailers);
	char *digits = sp_arena_try_alloc(a, SP_NUM_TEXT_BYTES);
	if (h == NULL || digits == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a status");
	for (size_t i = 0; i < N_HEAD && with_head; i++)
		h[n++] = head_fields[i];
	h[n++] = (sp_http_header){SP_STR("grpc-status"), {digits, sp_print_i64(digits, st->code)}};
	if (st->message.len > 0) {
		sp_str text = grpc_message_encode(a, st->message);
		if (text.ptr == NULL)
			return sp_fail(err, SP_ENOMEM, "no memory for a status");
		h[n++] = (sp_http_header){SP_STR("grpc-message"), text};
	}
	SP_TRY(grpc_metadata_put(a, st->trailers, st->n_trailers, h + n, err));
	*ret = h;
	*ret_n = n + st->n_trailers;
	return SP_OK;
}

/* An answer without a message: the status is in the head. */
static void status_only(sp_http_exchange *ex, uint16_t http_status, const sp_grpc_status *st)
{
	sp_http_header *h = NULL;
	size_t n = 0;
	if (status_fields(&ex->arena, st, true, &h, &n, NULL) != SP_OK ||
	    sp_http_respond(ex, http_status, h, n, (sp_str){NULL, 0}, NULL) != SP_OK)
		sp_http_reset(ex, SP_HTTP2_INTERNAL_ERROR);
}

static void refuse(sp_http_exchange *ex, uint16_t http_status, int32_t code, sp_str text)
{
	status_only(ex, http_status, &(sp_grpc_status){.code = code, .message = text});
}

static sp_code begin(sp_grpc_call *call, const sp_grpc_metadata *md, size_t n, sp_err *err)
{
	const sp_http_header *fields = head_fields;
	if (n > 0) {
		sp_http_header *h = sp_try_new(&call->arena, sp_http_header, N_HEAD + n);
		if (h == NULL)
			return sp_fail(err, SP_ENOMEM, "no memory for metadata");
		memcpy(h, head_fields, sizeof head_fields);
		SP_TRY(grpc_metadata_put(&call->arena, md, n, h + N_HEAD, err));
		fields = h;
	}
	SP_TRY(sp_http_begin(call->ex, 200, fields, N_HEAD + n, err));
	call->begun = true;
	return SP_OK;
}

static void answer_status(sp_grpc_call *call, const sp_grpc_status *st)
{
	sp_http_exchange *ex = call->ex;
	sp_http_header *h = NULL;
	size_t n = 0;
	sp_err err = {0};
	sp_grpc_status bad = {.code = SP_RPC_INTERNAL};
	if (status_fields(&ex->arena, st, !call->begun, &h, &n, &err) == SP_EINVAL) {
		bad.message = sp_str_c(err.msg); /* metadata of the handler that cannot travel */
		st = &bad;
	}
	if (!call->begun) {
		status_only(ex, 200, st);
		return;
	}
	if (status_fields(&ex->arena, st, false, &h, &n, NULL) != SP_OK ||
	    sp_http_end(ex, h, n, NULL) != SP_OK)
		sp_http_reset(ex, SP_HTTP2_INTERNAL_ERROR);
}

static void answer(sp_grpc_call *call, const sp_grpc_status *st, sp_str payload)
{
	static const sp_grpc_status ok = {0};
	sp_grpc_status instead;
	sp_err err = {0};
	st = st == NULL ? &ok : st;
	if (st->code == SP_RPC_OK) {
		bool one = !call->method->server_streams || payload.len > 0;
		SP_AUTO_BYTES frame = NULL;
		sp_code code =
			one ? grpc_frame_new(payload, call->server->message_bytes, &frame, &err) : SP_OK;
		if (code == SP_OK && !call->begun)
			code = begin(call, NULL, 0, &err);
		if (code == SP_OK && frame != NULL)
			code = sp_http_write_bytes(call->ex, frame, 0, frame->len, &err);
		if (code != SP_OK) {
			instead = (sp_grpc_status){.code = sp_code_lookup(code)->grpc_status,
						   .message = sp_str_c(err.msg)};
			st = &instead;
		}
	}
	answer_status(call, st);
}

/* ---- life ---- */

static void over_close(sp_http_exchange *ex, const sp_err *err)
{
	(void)ex, (void)err;
}
/* Of an exchange that has its answer. */
static const sp_http_events over_events = {.on_close = over_close};

static void detach(sp_grpc_call *call)
{
	sp_timer_stop(call->server->world, &call->timer);
	if (call->ex == NULL)
		return;
	sp_http_handle(call->ex, &over_events, NULL);
	sp_http_read(call->ex, false);
	call->ex = call->in.ex = NULL;
}

static void call_free(sp_grpc_call *call)
{
	sp_grpc_server *s = call->server;
	detach(call);
	grpc_in_done(&call->in);
	s->n_calls--;
	if (s->n_spare < SPARE_MAX) {
		s->n_spare++;
		sp_arena_rewind(&call->arena);
		sp_list_push_front(&s->spare, &call->node);
		return;
	}
	sp_arena_done(&call->arena);
	sp_free(call);
}

/* The exchange is detached: the handler, if it knows of the call, finishes it. */
static void cancel(sp_grpc_call *call)
{
	if (!call->handed) {
		call_free(call);
		return;
	}
	call->in.over = true;
	if (call->method->on_cancel != NULL)
		call->method->on_cancel(call->service->arg, call);
}

static void fail_and_cancel(sp_grpc_call *call, int32_t code, sp_str text)
{
	answer_status(call, &(sp_grpc_status){.code = code, .message = text});
	detach(call);
	cancel(call);
}

static void on_deadline(sp_timer *t)
{
	fail_and_cancel(t->arg, SP_RPC_DEADLINE_EXCEEDED, SP_STR("context deadline exceeded"));
}

/* ---- events ---- */

static sp_grpc_call *call_of(grpc_in *in)
{
	return SP_CONTAINER_OF(in, sp_grpc_call, in);
}

static void in_message(grpc_in *in, sp_str payload)
{
	sp_grpc_call *call = call_of(in);
	call->method->on_data(call->service->arg, call, payload);
}

static void in_end(grpc_in *in, bool any, sp_str payload)
{
	sp_grpc_call *call = call_of(in);
	if (call->method->client_streams) {
		call->method->on_half_close(call->service->arg, call);
	} else if (!any) {
		fail_and_cancel(call, SP_RPC_INTERNAL,
				SP_STR("cardinality violation: received no request message from "
				       "non-client-streaming RPC"));
	} else {
		call->handed = true;
		call->method->on_call(call->service->arg, call, payload);
	}
}

static void in_fail(grpc_in *in, int32_t code, const char *text)
{
	fail_and_cancel(call_of(in), code, sp_str_c(text));
}

static const grpc_in_ops in_ops = {in_message, in_end, in_fail};

static void on_body(sp_http_exchange *ex, const uint8_t *bytes, size_t n)
{
	grpc_in_body(&((sp_grpc_call *)ex->arg)->in, bytes, n);
}

static void on_end(sp_http_exchange *ex)
{
	grpc_in_end(&((sp_grpc_call *)ex->arg)->in);
}

static void on_writable(sp_http_exchange *ex)
{
	sp_grpc_call *call = ex->arg;
	if (call->handed && call->method->on_writable != NULL)
		call->method->on_writable(call->service->arg, call);
}

static void on_close(sp_http_exchange *ex, const sp_err *err)
{
	sp_grpc_call *call = ex->arg;
	(void)err;
	call->ex = call->in.ex = NULL;
	detach(call);
	cancel(call);
}

static const sp_http_events events = {
	.on_body = on_body, .on_end = on_end, .on_writable = on_writable, .on_close = on_close};

/* ---- requests ---- */

static sp_grpc_call *call_new(sp_grpc_server *s, sp_http_exchange *ex)
{
	sp_list *node = sp_list_pop_front(&s->spare);
	sp_grpc_call *call;
	if (node != NULL) {
		s->n_spare--;
		call = SP_CONTAINER_OF(node, sp_grpc_call, node);
		sp_arena arena = call->arena;
		*call = (sp_grpc_call){.arena = arena};
	} else {
		call = sp_try_alloc(sizeof *call);
		if (call == NULL)
			return NULL;
		sp_arena_init(&call->arena, GRPC_ARENA_BYTES);
	}
	s->n_calls++;
	sp_list_init(&call->node);
	call->server = s;
	call->ex = ex;
	call->deadline_ns = UINT64_MAX;
	call->timer.arg = call;
	call->in = (grpc_in){.ops = &in_ops,
			     .world = s->world,
			     .ex = ex,
			     .message_bytes = s->message_bytes,
			     .single = true};
	grpc_in_init(&call->in);
	return call;
}

/* Finds the method; false: refused. */
static bool find(const sp_grpc_server *s, sp_http_exchange *ex, const sp_grpc_service **ret_service,
		 const sp_grpc_method **ret_method)
{
	sp_str path = sp_str_sub(ex->path, 1, ex->path.len); /* HTTP has seen to the '/' */
	ptrdiff_t slash = sp_str_rindex(path, '/');
	if (slash < 0) {
		sp_str q = grpc_quote(&ex->arena, ex->path);
		refuse(ex, 200, SP_RPC_UNIMPLEMENTED,
		       sp_arena_printf(&ex->arena, "malformed method name: " SP_FMT, SP_ARG(q)));
		return false;
	}
	sp_str service = sp_str_sub(path, 0, (size_t)slash),
	       method = sp_str_sub(path, (size_t)slash + 1, path.len);
	size_t i = 0, k = 0;
	while (i < s->n_services && !sp_str_eq(s->services[i].name, service))
		i++;
	if (i == s->n_services) {
		refuse(ex, 200, SP_RPC_UNIMPLEMENTED,
		       sp_arena_printf(&ex->arena, "unknown service " SP_FMT, SP_ARG(service)));
		return false;
	}
	const sp_grpc_service *found = &s->services[i];
	while (k < found->n_methods && !sp_str_eq(found->methods[k].name, method))
		k++;
	if (k == found->n_methods) {
		refuse(ex, 200, SP_RPC_UNIMPLEMENTED,
		       sp_arena_printf(&ex->arena, "unknown method " SP_FMT " for service " SP_FMT,
				       SP_ARG(method), SP_ARG(service)));
		return false;
	}
	*ret_service = found;
	*ret_method = &found->methods[k];
	return true;
}

/* What is wrong before a service is looked for; true: refused. */
static bool is_refused(sp_http_exchange *ex)
{
	sp_arena *a = &ex->arena;
	sp_str type = sp_http_get(&ex->headers, SP_HTTP_CONTENT_TYPE);
	sp_str encoding = sp_http_get(&ex->headers, SP_HTTP_GRPC_ENCODING);
	if (ex->version != 20) {
		refuse(ex, 505, SP_RPC_INTERNAL, SP_STR("gRPC requires HTTP/2"));
	} else if (!grpc_is_content_type(type)) {
		refuse(ex, 415, SP_RPC_INVALID_ARGUMENT,
		       sp_arena_printf(a, "invalid gRPC request content-type " SP_FMT,
				       SP_ARG(grpc_quote(a, type))));
	} else if (ex->method_id != SP_HTTP_POST) {
		refuse(ex, 405, SP_RPC_INTERNAL,
		       sp_arena_printf(
			       a, "Received a HEADERS frame with :method " SP_FMT " which should be POST",
			       SP_ARG(grpc_quote(a, ex->method))));
	} else if (encoding.len > 0 && !sp_str_eq(encoding, SP_STR("identity"))) {
		refuse(ex, 200, SP_RPC_UNIMPLEMENTED,
		       sp_arena_printf(a, "grpc: Decompressor is not installed for grpc-encoding " SP_FMT,
				       SP_ARG(grpc_quote(a, encoding))));
	} else {
		return false;
	}
	return true;
}

/* Deadline and metadata; false: refused. */
static bool take_head(sp_grpc_call *call)
{
	sp_http_exchange *ex = call->ex;
	sp_arena *a = &ex->arena;
	sp_str timeout = sp_http_get(&ex->headers, SP_HTTP_GRPC_TIMEOUT);
	const sp_http_header *bad = NULL;
	sp_err err = {0};
	uint64_t ns = 0;
	if (timeout.ptr != NULL && grpc_timeout_parse(timeout, &ns, &err) != SP_OK) {
		refuse(ex, 400, SP_RPC_INTERNAL, sp_arena_printf(a, "malformed grpc-timeout: %s", err.msg));
		return false;
	}
	sp_code code = grpc_metadata_take(&call->arena, &ex->headers, false, &call->metadata,
					  &call->n_metadata, &bad, &err);
	if (code == SP_EINVAL) {
		refuse(ex, 400, SP_RPC_INTERNAL,
		       sp_arena_printf(a, "malformed binary metadata " SP_FMT " in header " SP_FMT ": %s",
				       SP_ARG(grpc_quote(a, bad->value)), SP_ARG(grpc_quote(a, bad->name)),
				       err.msg));
		return false;
	}
	if (code != SP_OK) {
		refuse(ex, 200, SP_RPC_RESOURCE_EXHAUSTED, sp_str_c(err.msg));
		return false;
	}
	uint64_t now = sp_now_ns(call->server->world);
	if (timeout.ptr == NULL || ns > FOREVER_NS || !sp_add(now, ns, &call->deadline_ns))
		return true;
	sp_timer_start(call->server->world, &call->timer, ns, on_deadline);
	return true;
}

void sp_grpc_server_serve(sp_grpc_server *s, sp_http_exchange *ex)
{
	const sp_grpc_service *service = NULL;
	const sp_grpc_method *method = NULL;
	if (is_refused(ex) || !find(s, ex, &service, &method))
		return;
	sp_grpc_call *call = call_new(s, ex);
	if (call == NULL) {
		refuse(ex, 200, SP_RPC_RESOURCE_EXHAUSTED, SP_STR("no memory for the call"));
		return;
	}
	call->service = service;
	call->method = method;
	call->in.single = !method->client_streams;
	if (!take_head(call)) {
		call_free(call);
		return;
	}
	sp_http_handle(ex, &events, call);
	sp_http_read(ex, true);
	if (method->client_streams) {
		call->handed = true;
		method->on_call(service->arg, call, (sp_str){NULL, 0});
	}
}

static void serve(void *arg, sp_http_exchange *ex)
{
	sp_grpc_server_serve(arg, ex);
}

void sp_grpc_server_http(sp_grpc_server *s, sp_http_server_opts *opts)
{
	opts->on_request = serve;
	opts->arg = s;
	opts->lax_authority = true;
	opts->limits.body_ns = FOREVER_NS;
}

/* ---- the handler's side ---- */

sp_arena *sp_grpc_call_arena(sp_grpc_call *call)
{
	return &call->arena;
}

void *sp_grpc_call_user(const sp_grpc_call *call)
{
	return call->user;
}

void sp_grpc_call_set_user(sp_grpc_call *call, void *user)
{
	call->user = user;
}

const sp_grpc_metadata *sp_grpc_call_metadata(const sp_grpc_call *call, size_t *ret_n)
{
	*ret_n = call->ex == NULL ? 0 : call->n_metadata; /* texts stand in the exchange */
	return call->ex == NULL ? NULL : call->metadata;
}

uint64_t sp_grpc_call_deadline(const sp_grpc_call *call)
{
	return call->deadline_ns;
}

bool sp_grpc_call_is_cancelled(const sp_grpc_call *call)
{
	return call->ex == NULL;
}

const sp_http_exchange *sp_grpc_call_exchange(const sp_grpc_call *call)
{
	return call->ex;
}

static sp_code cancelled(sp_err *err)
{
	return sp_fail(err, SP_ECANCELED, "the gRPC call is cancelled");
}

sp_code sp_grpc_call_peer_cred(const sp_grpc_call *call, sp_peer_cred *ret, sp_err *err)
{
	if (call->ex == NULL)
		return cancelled(err);
	return sp_stream_peer_cred((sp_stream *)(uintptr_t)call->ex->stream, ret, err);
}

void sp_grpc_call_read(sp_grpc_call *call, bool on)
{
	SP_ASSERT(call->method->client_streams);
	grpc_in_read(&call->in, on);
}

sp_code sp_grpc_call_head(sp_grpc_call *call, const sp_grpc_metadata *md, size_t n, sp_err *err)
{
	if (call->ex == NULL)
		return cancelled(err);
	if (call->begun)
		return sp_fail(err, SP_EINVAL, "the head is sent already");
	return begin(call, md, n, err);
}

sp_code sp_grpc_call_send_frame(sp_grpc_call *call, sp_bytes *frame, sp_err *err)
{
	SP_ASSERT(call->method->server_streams && frame->len >= GRPC_HEAD_BYTES);
	if (call->ex == NULL)
		return cancelled(err);
	if (!call->begun)
		SP_TRY(begin(call, NULL, 0, err));
	return sp_http_write_bytes(call->ex, frame, 0, frame->len, err);
}

sp_code sp_grpc_call_send(sp_grpc_call *call, sp_str payload, sp_err *err)
{
	SP_AUTO_BYTES frame = NULL;
	SP_TRY(grpc_frame_new(payload, call->server->message_bytes, &frame, err));
	SP_ASSERT(frame != NULL);
	return sp_grpc_call_send_frame(call, frame, err);
}

bool sp_grpc_call_is_full(const sp_grpc_call *call)
{
	return call->ex != NULL && sp_http_is_full(call->ex);
}

void sp_grpc_call_finish(sp_grpc_call *call, const sp_grpc_status *status, sp_str payload)
{
	SP_ASSERT(call->handed);
	if (call->ex != NULL)
		answer(call, status, payload);
	call_free(call);
}

void sp_grpc_call_fail(sp_grpc_call *call, const sp_err *err)
{
	sp_grpc_status st = {.code = sp_code_lookup(err->code)->grpc_status, .message = sp_str_c(err->msg)};
	sp_grpc_call_finish(call, &st, (sp_str){NULL, 0});
}
