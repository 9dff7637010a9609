/* SPDX-License-Identifier: Apache-2.0 */
#include "io/ttrpc/client_core.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "base/num.h"

#define BUCKETS 64u
#define KEEP_BYTES ((size_t)64 << 10)

struct sp_ttrpc_client_core {
	sp_buf *out;
	sp_buf scratch;
	sp_ttrpc_reader reader;
	sp_list buckets[BUCKETS];
	sp_heap timers;
	size_t n_calls;
	uint32_t next_id;
	bool ended;
};

sp_code sp_ttrpc_client_core_new(sp_buf *out, sp_ttrpc_client_core **ret, sp_err *err)
{
	sp_ttrpc_client_core *c = sp_try_alloc(sizeof *c);
	if (c == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a ttrpc connection");
	c->out = out;
	c->next_id = 1;
	sp_buf_init(&c->scratch, 2 * SP_LIMIT_TTRPC_MESSAGE_BYTES);
	sp_ttrpc_reader_init(&c->reader);
	for (size_t i = 0; i < BUCKETS; i++)
		sp_list_init(&c->buckets[i]);
	sp_heap_init(&c->timers);
	*ret = c;
	return SP_OK;
}

static sp_list *bucket(sp_ttrpc_client_core *c, uint32_t id)
{
	return &c->buckets[(id >> 1) % BUCKETS];
}

static sp_ttrpc_rpc *find(sp_ttrpc_client_core *c, uint32_t id)
{
	SP_LIST_FOREACH (node, bucket(c, id)) {
		sp_ttrpc_rpc *rpc = SP_CONTAINER_OF(node, sp_ttrpc_rpc, node);
		if (rpc->id == id)
			return rpc;
	}
	return NULL;
}

void sp_ttrpc_rpc_cancel(sp_ttrpc_rpc *rpc)
{
	sp_ttrpc_client_core *c = rpc->core;
	if (c == NULL)
		return;
	sp_heap_remove(&c->timers, &rpc->timer);
	sp_list_remove(&rpc->node);
	rpc->core = NULL;
	c->n_calls--;
}

void sp_ttrpc_client_core_free(sp_ttrpc_client_core *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		while (!sp_list_is_empty(&c->buckets[i]))
			sp_ttrpc_rpc_cancel(SP_CONTAINER_OF(c->buckets[i].next, sp_ttrpc_rpc, node));
	}
	sp_heap_done(&c->timers);
	sp_ttrpc_reader_done(&c->reader);
	sp_buf_done(&c->scratch);
	sp_free(c);
}

size_t sp_ttrpc_client_core_n_calls(const sp_ttrpc_client_core *c)
{
	return c->n_calls;
}

/* ---- calling ---- */

static sp_code encode_request(sp_ttrpc_client_core *c, const sp_ttrpc_call_opts *o, sp_err *err)
{
	if (c->scratch.cap > KEEP_BYTES) {
		sp_buf_done(&c->scratch);
		sp_buf_init(&c->scratch, 2 * SP_LIMIT_TTRPC_MESSAGE_BYTES);
	}
	sp_buf_clear(&c->scratch);
	if (o->payload.len > SP_LIMIT_TTRPC_MESSAGE_BYTES)
		return sp_ttrpc_oversize(o->payload.len, err);
	int64_t timeout = o->timeout_ns > INT64_MAX ? INT64_MAX : (int64_t)o->timeout_ns;
	sp_code code = sp_ttrpc_request_encode(&c->scratch, o->service, o->method, o->payload, timeout,
					       o->metadata, o->n_metadata);
	return code == SP_OK ? SP_OK : sp_fail(err, code, "no memory for a ttrpc request");
}

static uint8_t request_flags(const sp_ttrpc_call_opts *o)
{
	if (o->client_streams)
		return SP_TTRPC_REMOTE_OPEN;
	return o->server_streams ? SP_TTRPC_REMOTE_CLOSED : 0;
}

sp_code sp_ttrpc_client_core_call(sp_ttrpc_client_core *c, sp_ttrpc_rpc *rpc, const sp_ttrpc_call_opts *o,
				  uint64_t now_ns, sp_err *err)
{
	SP_ASSERT(rpc->core == NULL);
	if (c->ended || c->next_id > UINT32_MAX - 2)
		return sp_fail(err, SP_EUNAVAILABLE, "ttrpc: closed");
	SP_TRY(encode_request(c, o, err));
	uint64_t deadline = UINT64_MAX;
	if (o->timeout_ns != 0 && !sp_add(now_ns, o->timeout_ns, &deadline))
		deadline = UINT64_MAX;
	rpc->timer = (sp_heap_node){0};
	if (deadline != UINT64_MAX && sp_heap_push(&c->timers, &rpc->timer, deadline) != SP_OK)
		return sp_fail(err, SP_ENOMEM, "no memory for a deadline");
	sp_code code = sp_ttrpc_frame_put(c->out, c->next_id, SP_TTRPC_REQUEST, request_flags(o),
					  sp_buf_view(&c->scratch), err);
	if (code != SP_OK) {
		sp_heap_remove(&c->timers, &rpc->timer);
		return code;
	}
	rpc->core = c;
	rpc->id = c->next_id;
	rpc->local_closed = !o->client_streams;
	sp_list_init(&rpc->node);
	sp_list_push_back(bucket(c, rpc->id), &rpc->node);
	c->next_id += 2;
	c->n_calls++;
	return SP_OK;
}

static sp_code put_data(sp_ttrpc_rpc *rpc, uint8_t flags, sp_str payload, sp_err *err)
{
	if (rpc->core == NULL || rpc->local_closed)
		return sp_fail(err, SP_ECANCELED, "ttrpc: stream closed");
	return sp_ttrpc_frame_put(rpc->core->out, rpc->id, SP_TTRPC_DATA, flags, payload, err);
}

sp_code sp_ttrpc_rpc_send(sp_ttrpc_rpc *rpc, sp_str payload, sp_err *err)
{
	return put_data(rpc, 0, payload, err);
}

sp_code sp_ttrpc_rpc_close_send(sp_ttrpc_rpc *rpc, sp_err *err)
{
	SP_TRY(put_data(rpc, SP_TTRPC_REMOTE_CLOSED | SP_TTRPC_NO_DATA, (sp_str){NULL, 0}, err));
	rpc->local_closed = true;
	return SP_OK;
}

/* ---- answers ---- */

static void end_rpc(sp_ttrpc_rpc *rpc, const sp_ttrpc_status *status, sp_str payload)
{
	sp_ttrpc_rpc_cancel(rpc); /* its owner may use it for the next call at once */
	rpc->on_end(rpc, status, payload);
}

static void end_with(sp_ttrpc_rpc *rpc, int32_t code, sp_str message)
{
	end_rpc(rpc, &(sp_ttrpc_status){.code = code, .message = message}, (sp_str){NULL, 0});
}

static void on_response(sp_ttrpc_rpc *rpc, sp_str payload)
{
	sp_ttrpc_response r;
	sp_err err = {0};
	if (sp_ttrpc_response_decode(payload, &r, &err) != SP_OK)
		end_with(rpc, SP_RPC_INTERNAL, sp_str_c(err.msg));
	else
		end_rpc(rpc, &r.status, r.payload);
}

static void on_data(sp_ttrpc_client_core *c, sp_ttrpc_rpc *rpc, const sp_ttrpc_frame *f, sp_str payload)
{
	uint32_t id = rpc->id;
	if (rpc->on_data == NULL) {
		end_with(rpc, SP_RPC_INTERNAL,
			 SP_STR("received data from non-streaming server: protocol error"));
		return;
	}
	if ((f->flags & SP_TTRPC_NO_DATA) == 0)
		rpc->on_data(rpc, payload);
	if ((f->flags & SP_TTRPC_REMOTE_CLOSED) != 0 && find(c, id) == rpc)
		end_with(rpc, SP_RPC_OK, (sp_str){NULL, 0});
}

sp_code sp_ttrpc_client_core_feed(sp_ttrpc_client_core *c, sp_str bytes, sp_err *err)
{
	sp_ttrpc_frame f;
	sp_str payload;
	bool oversize = false;
	sp_code code = SP_OK;
	while (!c->ended && sp_ttrpc_reader_next(&c->reader, &bytes, &f, &payload, &oversize, &code)) {
		sp_ttrpc_rpc *rpc = find(c, f.stream);
		if (rpc == NULL)
			continue;
		if (oversize) {
			sp_err why = {0};
			(void)sp_ttrpc_oversize(f.length, &why);
			end_with(rpc, SP_RPC_RESOURCE_EXHAUSTED, sp_str_c(why.msg));
		} else if (f.type == SP_TTRPC_RESPONSE) {
			on_response(rpc, payload);
		} else if (f.type == SP_TTRPC_DATA) {
			on_data(c, rpc, &f, payload);
		} else {
			end_with(rpc, SP_RPC_INTERNAL, SP_STR("unexpected message received: protocol error"));
		}
	}
	return code == SP_OK ? SP_OK : sp_fail(err, code, "no memory for a ttrpc message");
}

void sp_ttrpc_client_core_end(sp_ttrpc_client_core *c, const sp_err *err)
{
	c->ended = true;
	sp_str message = err == NULL ? SP_STR("ttrpc: closed") : sp_str_c(err->msg);
	for (size_t i = 0; i < BUCKETS; i++) {
		while (!sp_list_is_empty(&c->buckets[i]))
			end_with(SP_CONTAINER_OF(c->buckets[i].next, sp_ttrpc_rpc, node), SP_RPC_UNAVAILABLE,
				 message);
	}
}

uint64_t sp_ttrpc_client_core_deadline(const sp_ttrpc_client_core *c)
{
	const sp_heap_node *first = sp_heap_peek(&c->timers);
	return first == NULL ? UINT64_MAX : first->key;
}

void sp_ttrpc_client_core_expire(sp_ttrpc_client_core *c, uint64_t now_ns)
{
	sp_heap_node *first;
	while ((first = sp_heap_peek(&c->timers)) != NULL && first->key <= now_ns)
		end_with(SP_CONTAINER_OF(first, sp_ttrpc_rpc, timer), SP_RPC_DEADLINE_EXCEEDED,
			 SP_STR("context deadline exceeded"));
}
