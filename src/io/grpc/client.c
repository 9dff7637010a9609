/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "base/num.h"
#include "base/version.h"
#include "io/grpc/grpc_int.h"

#define PING_NS UINT64_C(330000000000)

/* What stands behind an open rpc. It outlives the exchange when messages are held back. */
typedef struct grpc_client_call {
	sp_grpc_rpc *rpc;
	sp_http_exchange *ex; /* NULL: closed */
	sp_arena arena;
	grpc_in in;
	sp_timer timer;
	sp_grpc_status status; /* of the server, once its message ended */
	size_t message_bytes;
	bool streaming, local_closed, server_streams;
} grpc_client_call;

void sp_grpc_client_http(sp_http_client_opts *opts)
{
	opts->ping_ns = PING_NS;
}

/* ---- life ---- */

static void over_close(sp_http_exchange *ex, const sp_err *err)
{
	(void)ex, (void)err;
}
/* Of an exchange that nobody waits for. */
static const sp_http_events over_events = {.on_close = over_close};

/* The exchange goes its own way; with `reset` it ends now. */
static void detach(grpc_client_call *c, bool reset)
{
	sp_timer_stop(c->in.world, &c->timer);
	c->rpc->impl = NULL;
	if (c->ex == NULL)
		return;
	sp_http_handle(c->ex, &over_events, NULL);
	if (reset)
		sp_http_reset(c->ex, SP_HTTP2_CANCEL);
	c->ex = c->in.ex = NULL;
}

static void call_free(grpc_client_call *c)
{
	grpc_in_done(&c->in);
	sp_arena_done(&c->arena);
	sp_free(c);
}

static void end(grpc_client_call *c, const sp_grpc_status *st, sp_str payload, bool reset)
{
	sp_grpc_rpc *rpc = c->rpc;
	detach(c, reset);
	rpc->on_end(rpc, st, payload);
	call_free(c);
}

static void end_with(grpc_client_call *c, int32_t code, sp_str text)
{
	end(c, &(sp_grpc_status){.code = code, .message = text}, (sp_str){NULL, 0}, true);
}

static void on_deadline(sp_timer *t)
{
	end_with(t->arg, SP_RPC_DEADLINE_EXCEEDED, SP_STR("context deadline exceeded"));
}

/* ---- messages ---- */

static grpc_client_call *call_of(grpc_in *in)
{
	return SP_CONTAINER_OF(in, grpc_client_call, in);
}

static void in_message(grpc_in *in, sp_str payload)
{
	sp_grpc_rpc *rpc = call_of(in)->rpc;
	if (rpc->on_data != NULL)
		rpc->on_data(rpc, payload);
}

static void in_end(grpc_in *in, bool any, sp_str payload)
{
	grpc_client_call *c = call_of(in);
	if (c->status.code != SP_RPC_OK) {
		payload = (sp_str){NULL, 0};
	} else if (!c->server_streams && !any) {
		c->status = (sp_grpc_status){.code = SP_RPC_INTERNAL,
					     .message = SP_STR("cardinality violation: received no response "
							       "message from non-server-streaming RPC")};
	}
	/* A server that has answered wants no more requests. */
	end(c, &c->status, payload, !c->local_closed);
}

static void in_fail(grpc_in *in, int32_t code, const char *text)
{
	end_with(call_of(in), code, sp_str_c(text));
}

static const grpc_in_ops in_ops = {in_message, in_end, in_fail};

/* ---- the response ---- */

static sp_str unexpected_http(grpc_client_call *c, uint16_t status, sp_str more)
{
	return sp_arena_printf(&c->arena,
			       "unexpected HTTP status code received from server: %u (" SP_FMT ")" SP_FMT,
			       (unsigned)status, SP_ARG(sp_http_reason(status)), SP_ARG(more));
}

/* The custom fields of a head or of trailers; false: the call is over. */
static bool take_metadata(grpc_client_call *c, const sp_http_fields *f, sp_grpc_metadata **ret, size_t *ret_n)
{
	const sp_http_header *bad = NULL;
	sp_err err = {0};
	sp_code code = grpc_metadata_take(&c->arena, f, true, ret, ret_n, &bad, &err);
	if (code == SP_OK)
		return true;
	if (code == SP_EINVAL)
		end_with(c, SP_RPC_INTERNAL,
			 sp_arena_printf(&c->arena, "transport: malformed " SP_FMT ": %s", SP_ARG(bad->name),
					 err.msg));
	else
		end_with(c, SP_RPC_RESOURCE_EXHAUSTED, sp_str_c(err.msg));
	return false;
}

static void on_response(sp_http_exchange *ex)
{
	grpc_client_call *c = ex->arg;
	sp_str type = sp_http_get(&ex->headers, SP_HTTP_CONTENT_TYPE);
	if (!grpc_is_content_type(type)) {
		sp_str more = SP_STR("; malformed header: missing HTTP content-type");
		if (type.ptr != NULL)
			more = sp_arena_printf(&c->arena,
					       "; transport: received unexpected content-type " SP_FMT,
					       SP_ARG(grpc_quote(&c->arena, type)));
		end_with(c, grpc_status_of_http(ex->status), unexpected_http(c, ex->status, more));
		return;
	}
	c->in.encoding = sp_arena_try_dup(&c->arena, sp_http_get(&ex->headers, SP_HTTP_GRPC_ENCODING));
	if (sp_http_get(&ex->headers, SP_HTTP_GRPC_STATUS).ptr != NULL || c->rpc->on_head == NULL)
		return;
	sp_grpc_metadata *md = NULL;
	size_t n = 0;
	if (take_metadata(c, &ex->headers, &md, &n))
		c->rpc->on_head(c->rpc, md, n);
}

static void on_body(sp_http_exchange *ex, const uint8_t *bytes, size_t n)
{
	grpc_in_body(&((grpc_client_call *)ex->arg)->in, bytes, n);
}

/* The status of a whole response; false: the call is over. */
static bool take_status(grpc_client_call *c, const sp_http_exchange *ex)
{
	const sp_http_fields *f = &ex->trailers;
	if (sp_http_get(f, SP_HTTP_GRPC_STATUS).ptr == NULL && f->n == 0 && ex->n_body_in == 0)
		f = &ex->headers; /* a status only */
	sp_str text = sp_http_get(f, SP_HTTP_GRPC_STATUS), message = sp_http_get(f, SP_HTTP_GRPC_MESSAGE);
	int64_t code = 0;
	if (text.ptr == NULL && ex->status != 200) {
		end_with(c, grpc_status_of_http(ex->status),
			 unexpected_http(c, ex->status, (sp_str){NULL, 0}));
		return false;
	}
	if (text.ptr == NULL) {
		end_with(c, SP_RPC_INTERNAL, SP_STR("server closed the stream without sending trailers"));
		return false;
	}
	if (sp_parse_i64(text, 0, INT32_MAX, &code, NULL) != SP_OK) {
		end_with(c, SP_RPC_UNKNOWN,
			 sp_arena_printf(&c->arena, "transport: malformed grpc-status: " SP_FMT,
					 SP_ARG(grpc_quote(&c->arena, text))));
		return false;
	}
	sp_grpc_metadata *md = NULL;
	if (!take_metadata(c, f, &md, &c->status.n_trailers))
		return false;
	c->status.trailers = md;
	c->status.code = (int32_t)code;
	c->status.message = grpc_message_decode(&c->arena, message);
	return true;
}

static void on_end(sp_http_exchange *ex)
{
	grpc_client_call *c = ex->arg;
	if (take_status(c, ex))
		grpc_in_end(&c->in);
}

static void on_writable(sp_http_exchange *ex)
{
	grpc_client_call *c = ex->arg;
	if (c->rpc->on_writable != NULL && c->streaming && !c->local_closed)
		c->rpc->on_writable(c->rpc);
}

static void on_close(sp_http_exchange *ex, const sp_err *err)
{
	grpc_client_call *c = ex->arg;
	c->ex = c->in.ex = NULL;
	if (err == NULL) {
		SP_ASSERT(c->in.ended); /* what it sent waits until it is wanted */
		return;
	}
	if (err->code != SP_ECANCELED) {
		end_with(c, sp_code_lookup(err->code)->grpc_status, sp_str_c(err->msg));
		return;
	}
	const char *name = grpc_reset_name(ex->reset_code);
	char number[32];
	(void)snprintf(number, sizeof number, "unknown error code 0x%x", (unsigned)ex->reset_code); /* fits */
	end_with(c, grpc_status_of_reset(ex->reset_code),
		 sp_arena_printf(&c->arena, "stream terminated by RST_STREAM with error code: %s",
				 name == NULL ? number : name));
}

static const sp_http_events events = {.on_response = on_response,
				      .on_body = on_body,
				      .on_end = on_end,
				      .on_writable = on_writable,
				      .on_close = on_close};

/* ---- the request ---- */

static bool is_name(sp_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '/')
			return false;
	}
	return s.len > 0;
}

static sp_code request_fill(sp_arena *a, const sp_grpc_channel *ch, const sp_grpc_rpc_opts *o,
			    sp_http_request *req, sp_err *err)
{
	size_t n = 0;
	sp_http_header *h = sp_try_new(a, sp_http_header, 5 + o->n_metadata);
	char *timeout = sp_arena_try_alloc(a, GRPC_TIMEOUT_TEXT_BYTES);
	sp_str path = sp_arena_printf(a, "/" SP_FMT "/" SP_FMT, SP_ARG(o->service), SP_ARG(o->method));
	if (h == NULL || timeout == NULL || path.ptr == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a gRPC call");
	h[n++] = (sp_http_header){SP_STR("content-type"), SP_STR("application/grpc")};
	h[n++] = (sp_http_header){SP_STR("user-agent"), SP_STR("grpc-c-sampan/" SP_VERSION)};
	h[n++] = (sp_http_header){SP_STR("te"), SP_STR("trailers")};
	h[n++] = (sp_http_header){SP_STR("grpc-accept-encoding"), SP_STR("identity")};
	if (o->timeout_ns != 0) {
		size_t len = grpc_timeout_print(timeout, o->timeout_ns);
		h[n++] = (sp_http_header){SP_STR("grpc-timeout"), {timeout, len}};
	}
	SP_TRY(grpc_metadata_put(a, o->metadata, o->n_metadata, h + n, err));
	*req = (sp_http_request){.scheme = ch->tls ? SP_STR("https") : SP_STR("http"),
				 .address = ch->address,
				 .tls_config = ch->tls_config,
				 .h2 = !ch->tls,
				 .method = SP_STR("POST"),
				 .authority = ch->authority,
				 .path = path,
				 .headers = h,
				 .n_headers = n + o->n_metadata,
				 .streaming = o->client_streams};
	return SP_OK;
}

static sp_code request_send(const sp_grpc_channel *ch, grpc_client_call *c, const sp_grpc_rpc_opts *o,
			    sp_err *err)
{
	sp_http_request req;
	SP_AUTO_BYTES frame = NULL;
	if (!is_name(o->service) || !is_name(o->method))
		return sp_fail(err, SP_EINVAL, "bad gRPC method '" SP_FMT "/" SP_FMT "'", SP_ARG(o->service),
			       SP_ARG(o->method));
	SP_TRY(request_fill(&c->arena, ch, o, &req, err));
	if (!o->client_streams)
		SP_TRY(grpc_frame_new(o->payload, c->message_bytes, &frame, err));
	req.body = frame;
	return sp_http_request_start(ch->http, &req, &events, c, &c->ex, err);
}

sp_code sp_grpc_rpc_start(const sp_grpc_channel *ch, sp_grpc_rpc *rpc, const sp_grpc_rpc_opts *opts,
			  sp_err *err)
{
	SP_ASSERT(rpc->impl == NULL && rpc->on_end != NULL);
	grpc_client_call *c = sp_try_alloc(sizeof *c);
	if (c == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a gRPC call");
	c->rpc = rpc;
	c->streaming = opts->client_streams;
	c->local_closed = !opts->client_streams;
	c->server_streams = opts->server_streams;
	c->message_bytes = grpc_message_limit(ch->message_bytes);
	sp_arena_init(&c->arena, GRPC_ARENA_BYTES);
	sp_code code = request_send(ch, c, opts, err);
	if (code != SP_OK) {
		sp_arena_done(&c->arena);
		sp_free(c);
		return code;
	}
	c->in = (grpc_in){.ops = &in_ops,
			  .world = c->ex->world,
			  .ex = c->ex,
			  .message_bytes = c->message_bytes,
			  .is_client = true,
			  .single = !opts->server_streams};
	grpc_in_init(&c->in);
	c->timer.arg = c;
	if (opts->timeout_ns != 0)
		sp_timer_start(c->in.world, &c->timer, SP_MIN(opts->timeout_ns, UINT64_MAX / 2), on_deadline);
	rpc->impl = c;
	return SP_OK;
}

sp_code sp_grpc_rpc_send(sp_grpc_rpc *rpc, sp_str payload, sp_err *err)
{
	grpc_client_call *c = rpc->impl;
	if (c == NULL || c->ex == NULL || c->local_closed)
		return sp_fail(err, SP_ECANCELED, "the gRPC call is over");
	return grpc_send(c->ex, payload, c->message_bytes, err);
}

sp_code sp_grpc_rpc_close_send(sp_grpc_rpc *rpc, sp_err *err)
{
	grpc_client_call *c = rpc->impl;
	if (c == NULL || c->ex == NULL || c->local_closed)
		return sp_fail(err, SP_ECANCELED, "the gRPC call is over");
	SP_TRY(sp_http_end(c->ex, NULL, 0, err));
	c->local_closed = true;
	return SP_OK;
}

bool sp_grpc_rpc_is_full(const sp_grpc_rpc *rpc)
{
	return rpc->impl != NULL && rpc->impl->ex != NULL && sp_http_is_full(rpc->impl->ex);
}

void sp_grpc_rpc_read(sp_grpc_rpc *rpc, bool on)
{
	if (rpc->impl != NULL && rpc->impl->server_streams)
		grpc_in_read(&rpc->impl->in, on);
}

void sp_grpc_rpc_cancel(sp_grpc_rpc *rpc)
{
	grpc_client_call *c = rpc->impl;
	if (c == NULL)
		return;
	detach(c, true);
	call_free(c);
}
