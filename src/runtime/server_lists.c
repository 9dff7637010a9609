/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/server_lists.h"

#define ITEM_BYTES_MAX ((size_t)16 << 20)
#define BATCH_BYTES ((size_t)64 << 10) /* a message is sent when it is this large */

const cri_list_stream cri_list_streams[CRI_LIST_STREAMS] = {
	{SP_STR_INIT("StreamPodSandboxes"), SP_CRI_LIST_POD_SANDBOX},
	{SP_STR_INIT("StreamContainers"), SP_CRI_LIST_CONTAINERS},
	{SP_STR_INIT("StreamContainerStats"), SP_CRI_LIST_CONTAINER_STATS},
	{SP_STR_INIT("StreamPodSandboxStats"), SP_CRI_LIST_POD_SANDBOX_STATS},
	{SP_STR_INIT("StreamPodSandboxMetrics"), SP_CRI_LIST_POD_SANDBOX_METRICS},
	{SP_STR_INIT("StreamImages"), SP_CRI_LIST_IMAGES},
};

typedef struct batch {
	struct batch *next;
	sp_str bytes;
} batch;

/* In the call's arena. */
typedef struct list_stream {
	sp_cri *cri;
	sp_grpc_call *grpc;
	sp_cri_call call;
	sp_cri_method list;
	batch *first, **last; /* still to be sent */
	bool listed;
} list_stream;

static void finish(list_stream *s, int32_t code, sp_str message)
{
	const sp_grpc_status status = {.code = code, .message = message};
	sp_grpc_call_finish(s->grpc, &status, SP_STR(""));
}

/* Ends the call when nothing is left to send. */
static void send_on(list_stream *s)
{
	while (s->first != NULL) {
		if (sp_grpc_call_is_full(s->grpc))
			return; /* goes on when there is room */
		sp_err err;
		if (sp_grpc_call_send(s->grpc, s->first->bytes, &err) != SP_OK) {
			sp_grpc_call_fail(s->grpc, &err);
			return;
		}
		s->first = s->first->next;
	}
	finish(s, SP_RPC_OK, SP_STR(""));
}

static bool keep(list_stream *s, sp_buf *bytes)
{
	sp_arena *a = sp_grpc_call_arena(s->grpc);
	batch *b = sp_try_new(a, batch, 1);
	sp_str copy = sp_arena_try_dup(a, sp_buf_view(bytes));
	if (b == NULL || copy.len != bytes->len)
		return false;
	b->bytes = copy;
	*s->last = b;
	s->last = &b->next;
	sp_buf_clear(bytes);
	return true;
}

/*
 * Every list's response is one repeated field with the number of the stream's: items one after the other are
 * a message of either kind, wherever they are cut.
 */
static bool cut(list_stream *s, const void *response)
{
	typedef SP_PB_LIST(void) any_list;
	const sp_pb_message *m = sp_cri_methods[s->list].response;
	const sp_pb_slot *slot = &m->slots[0];
	const any_list *all = (const void *)((const char *)response + slot->offset);
	SP_ASSERT(m->n_slots == 1 && slot->is_list && m->size == sizeof *all);
	SP_AUTO_BUF bytes;
	sp_buf_init(&bytes, ITEM_BYTES_MAX);
	for (size_t i = 0; i < all->n; i++) {
		const any_list one = {(char *)all->at + i * slot->message->size, 1};
		sp_pb_encode(m, &one, &bytes);
		if (sp_buf_code(&bytes) != SP_OK || (bytes.len >= BATCH_BYTES && !keep(s, &bytes)))
			return false;
	}
	return bytes.len == 0 || keep(s, &bytes);
}

static void on_done(sp_cri_call *c, int32_t code, sp_str message, const void *response)
{
	list_stream *s = c->arg;
	s->listed = true;
	if (code != SP_RPC_OK)
		finish(s, code, message);
	else if (!cut(s, response))
		finish(s, SP_RPC_RESOURCE_EXHAUSTED, SP_STR("the list is too large"));
	else
		send_on(s);
}

void cri_list_stream_call(sp_cri *cri, size_t which, sp_grpc_call *grpc, sp_str payload)
{
	sp_arena *a = sp_grpc_call_arena(grpc);
	sp_cri_method list = cri_list_streams[which].list;
	const sp_pb_message *m = sp_cri_methods[list].request;
	sp_err err;
	void *request = sp_arena_alloc(a, m->size);
	if (sp_pb_decode(m, payload, a, request, &err) != SP_OK) {
		sp_grpc_call_fail(grpc, &err);
		return;
	}
	list_stream *s = sp_new(a, list_stream, 1);
	*s = (list_stream){.cri = cri, .grpc = grpc, .list = list, .call = {.done = on_done, .arg = s}};
	s->last = &s->first;
	sp_grpc_call_set_user(grpc, s);
	cri->call(cri, list, request, &s->call);
}

void cri_list_stream_writable(void *arg, sp_grpc_call *grpc)
{
	list_stream *s = sp_grpc_call_user(grpc);
	(void)arg;
	if (s->listed)
		send_on(s);
}

void cri_list_stream_cancel(void *arg, sp_grpc_call *grpc)
{
	list_stream *s = sp_grpc_call_user(grpc);
	(void)arg;
	if (!s->listed)
		s->cri->cancel(s->cri, &s->call);
	finish(s, SP_RPC_CANCELLED, SP_STR(""));
}
