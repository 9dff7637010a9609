/* SPDX-License-Identifier: Apache-2.0 */
#include "node/batch.h"

#include "base/limits.h"

sp_code node_batch_init(node_batch *b, sp_cri *cri, sp_arena *a, size_t cap, void (*done)(node_batch *b),
			void *arg, sp_err *err)
{
	*b = (node_batch){.cri = cri, .arena = a, .cap = cap, .done = done, .arg = arg};
	b->items = sp_try_new(a, node_batch_item, cap);
	return b->items == NULL ? sp_fail(err, SP_ENOMEM, "no memory for calls of the runtime") : SP_OK;
}

const void *node_message_copy(sp_arena *a, const sp_pb_message *m, const void *from)
{
	SP_AUTO_BUF wire;
	sp_buf_init(&wire, SP_LIMIT_GRPC_MESSAGE_BYTES * 4);
	sp_pb_encode(m, from, &wire);
	if (sp_buf_code(&wire) != SP_OK)
		return NULL;
	sp_str bytes = wire.len == 0 ? SP_STR("") : sp_arena_try_dup(a, sp_buf_view(&wire));
	void *to = sp_arena_try_alloc(a, m->size);
	if (bytes.ptr == NULL || to == NULL || sp_pb_decode(m, bytes, a, to, NULL) != SP_OK)
		return NULL;
	return to;
}

static void on_done(sp_cri_call *c, int32_t status, sp_str message, const void *response)
{
	node_batch_item *i = c->arg;
	node_batch *b = i->batch;
	i->status = status;
	if (response != NULL) {
		i->response = node_message_copy(b->arena, sp_cri_methods[i->method].response, response);
		if (i->response == NULL) {
			i->status = SP_RPC_RESOURCE_EXHAUSTED;
			i->message = SP_STR("no memory for an answer of the runtime");
		}
	} else {
		i->message = sp_arena_try_dup(b->arena, message);
	}
	if (--b->n_left == 0)
		b->done(b);
}

void node_batch_add(node_batch *b, sp_cri_method method, const void *request, uint64_t timeout_ns)
{
	SP_ASSERT(b->n < b->cap);
	node_batch_item *i = &b->items[b->n++];
	*i = (node_batch_item){.batch = b, .method = method};
	i->call = (sp_cri_call){.done = on_done, .arg = i, .timeout_ns = timeout_ns};
	b->n_left++;
	b->cri->call(b->cri, method, request, &i->call);
}

void node_batch_cancel(node_batch *b)
{
	if (b->n_left == 0)
		return;
	for (size_t i = 0; i < b->n; i++)
		b->cri->cancel(b->cri, &b->items[i].call);
	b->n_left = 0;
}

const node_batch_item *node_batch_failed(const node_batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		if (b->items[i].status != SP_RPC_OK)
			return &b->items[i];
	}
	return NULL;
}
