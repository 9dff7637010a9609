/* SPDX-License-Identifier: Apache-2.0 */
/* CRI on a socket, with a runtime that only has lists: their streamed forms. */
#include "runtime/server.h"

#include "base/alloc.h"
#include "base/num.h"
#include "io/grpc.h"
#include "io/uv/uv.h"
#include "lib/t.h"
#include "runtime/server_lists.h"

typedef struct rig {
	sp_cri cri;
	sp_world *world;
	cri_server *server;
	sp_http_client *http;
	sp_grpc_channel channel;
	sp_grpc_rpc rpc;
	sp_cri_call *call; /* held back */
	size_t n_items;
	bool hold;
	sp_defer answer;
	/* what came */
	size_t n_messages, n_got, bytes;
	bool in_order, ended;
	int32_t code;
	unsigned n_cancelled;
} rig;

/* Image 7 has the id 7 and many digits before it. */
static void answer(sp_defer *d)
{
	rig *r = d->arg;
	sp_arena a;
	sp_arena_init(&a, (size_t)64 << 20);
	sp_cri_list_images_response list = {.images.n = r->n_items};
	list.images.at = sp_new(&a, sp_cri_image, r->n_items + 1);
	for (size_t i = 0; i < r->n_items; i++)
		list.images.at[i].id = sp_arena_printf(&a, "%01000zu", i);
	sp_cri_call *c = SP_TAKE(r->call);
	c->impl = NULL;
	c->done(c, SP_RPC_OK, SP_STR(""), &list);
	sp_arena_done(&a);
}

static void on_call(sp_cri *cri, sp_cri_method method, const void *request, sp_cri_call *c)
{
	rig *r = SP_CONTAINER_OF(cri, rig, cri);
	const sp_cri_list_images_request *q = request;
	SP_ASSERT(method == SP_CRI_LIST_IMAGES);
	SP_ASSERT(q->filter != NULL && sp_str_eq(q->filter->image->image, SP_STR("i")));
	r->call = c;
	c->impl = r;
	if (!r->hold)
		sp_defer_call(r->world, &r->answer);
	else
		sp_grpc_rpc_cancel(&r->rpc);
}

static void stop(rig *r)
{
	sp_world_stop(r->world);
}

static void on_cancel(sp_cri *cri, sp_cri_call *c)
{
	rig *r = SP_CONTAINER_OF(cri, rig, cri);
	c->impl = NULL;
	r->call = NULL;
	sp_defer_cancel(&r->answer);
	r->n_cancelled++;
	stop(r);
}

static void on_data(sp_grpc_rpc *rpc, sp_str payload)
{
	rig *r = rpc->arg;
	sp_arena a;
	sp_arena_init(&a, (size_t)64 << 20);
	sp_cri_list_images_response list;
	uint64_t id;
	r->n_messages++;
	r->bytes += payload.len;
	if (sp_pb_decode(&sp_cri_list_images_response_message, payload, &a, &list, NULL) != SP_OK)
		list.images.n = 0;
	for (size_t i = 0; i < list.images.n; i++, r->n_got++)
		r->in_order = r->in_order &&
			      sp_parse_u64(list.images.at[i].id, 0, UINT64_MAX, &id, NULL) == SP_OK &&
			      id == r->n_got;
	sp_arena_done(&a);
}

static void on_end(sp_grpc_rpc *rpc, const sp_grpc_status *status, sp_str payload)
{
	rig *r = rpc->arg;
	(void)payload;
	r->ended = true;
	r->code = status->code;
	stop(r);
}

static void on_closed(void *arg)
{
	stop(arg);
}

static void rig_done(void *arg)
{
	rig *r = arg;
	sp_grpc_rpc_cancel(&r->rpc);
	if (r->http != NULL) {
		sp_http_client_close(r->http, on_closed, r);
		sp_world_run(r->world);
		sp_http_client_free(r->http);
	}
	if (r->server != NULL) {
		cri_server_close(r->server, 0, on_closed, r);
		sp_world_run(r->world);
		cri_server_free(r->server);
	}
	sp_world_uv_free(r->world);
}

static sp_code begin(rig *r, size_t n_items, sp_err *err)
{
	sp_http_client_opts o = {.connector = &sp_http_connector_plain};
	sp_str address = sp_arena_printf(T_ARENA, "unix:%s/s", t_tmpdir());
	*r = (rig){.cri = {.call = on_call, .cancel = on_cancel}, .n_items = n_items, .in_order = true};
	sp_defer_init(&r->answer, answer, r);
	SP_TRY(sp_world_uv_new(&r->world, err));
	T_DEFER(rig_done, r);
	SP_TRY(cri_server_new(r->world, &r->cri, NULL, address, &r->server, err));
	sp_grpc_client_http(&o);
	SP_TRY(sp_http_client_new(r->world, &o, &r->http, err));
	r->channel = (sp_grpc_channel){.http = r->http, .address = address};
	return SP_OK;
}

static sp_code stream(rig *r, sp_err *err)
{
	static const char filter[] = "\x0a\x05\x0a\x03\x0a\x01i";
	r->rpc = (sp_grpc_rpc){.on_data = on_data, .on_end = on_end, .arg = r};
	const sp_grpc_rpc_opts o = {.service = SP_STR("runtime.v1.ImageService"),
				    .method = SP_STR("StreamImages"),
				    .payload = {filter, sizeof filter - 1},
				    .server_streams = true};
	SP_TRY(sp_grpc_rpc_start(&r->channel, &r->rpc, &o, err));
	sp_world_run(r->world);
	return SP_OK;
}

static rig the_rig;

/* More than one message may have, and more than may wait for the client. */
SP_TEST(cri_server, a_list_in_many_messages)
{
	rig *r = &the_rig;
	const size_t n = t_torture() ? 500 : 24000; /* 24 MB */
	T_OK(begin(r, n, T_ERR));
	T_OK(stream(r, T_ERR));
	T_EQ_I64(r->code, SP_RPC_OK);
	T_EQ_U64(r->n_got, n);
	T_TRUE(r->in_order && r->n_messages > n / 100 && r->bytes > n * 1000);
}

SP_TEST(cri_server, an_empty_list)
{
	rig *r = &the_rig;
	T_OK(begin(r, 0, T_ERR));
	T_OK(stream(r, T_ERR));
	T_EQ_I64(r->code, SP_RPC_OK);
	T_EQ_U64(r->n_messages, 0);
}

/* The client leaves before there is an answer: the runtime is told. */
SP_TEST(cri_server, a_list_nobody_waits_for)
{
	rig *r = &the_rig;
	T_OK(begin(r, 5, T_ERR));
	r->hold = true;
	T_OK(stream(r, T_ERR));
	T_EQ_U64(r->n_cancelled, 1);
	T_TRUE(!r->ended);
}

SP_TEST(cri_server, streams_have_the_fields_of_lists)
{
	for (size_t i = 0; i < CRI_LIST_STREAMS; i++) {
		const sp_cri_method_info *m = &sp_cri_methods[cri_list_streams[i].list];
		t_row("%zu", i);
		T_EQ_U64(m->response->n_slots, 1);
		T_EQ_U64(m->response->slots[0].number, 1);
		T_TRUE(m->response->slots[0].is_list && m->response->slots[0].message != NULL);
	}
}
