/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/rpc.h"

#define MESSAGE_BYTES ((size_t)4 << 20) /* ttrpc's own limit */
#define RESPONSE_BYTES ((size_t)16 << 20)

static void on_end(sp_ttrpc_rpc *rpc, const sp_ttrpc_status *status, sp_str payload)
{
	rt_rpc *r = rpc->arg;
	sp_err err;
	if (status->code != SP_RPC_OK) {
		(void)sp_fail(&err, sp_code_of_grpc((uint32_t)status->code), SP_FMT, SP_ARG(status->message));
		r->done(r, NULL, &err);
		return;
	}
	if (r->response == NULL) {
		r->done(r, NULL, NULL);
		return;
	}
	sp_arena a;
	sp_arena_init(&a, RESPONSE_BYTES);
	void *response = sp_arena_try_alloc(&a, r->response->size);
	sp_code code = response == NULL ? sp_fail(&err, SP_ENOMEM, "no memory for the answer") : SP_OK;
	if (code == SP_OK)
		code = sp_pb_decode(r->response, payload, &a, response, &err);
	r->done(r, code == SP_OK ? response : NULL, code == SP_OK ? NULL : &err);
	sp_arena_done(&a);
}

sp_code rt_rpc_start(sp_ttrpc_client *c, rt_rpc *r, const rt_rpc_method *m, const void *request, sp_err *err)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, MESSAGE_BYTES);
	sp_pb_encode(m->request, request, &out);
	if (sp_buf_code(&out) != SP_OK)
		return sp_fail(err, sp_buf_code(&out), "request " SP_FMT " is too large", SP_ARG(m->name));
	r->response = m->response;
	r->rpc = (sp_ttrpc_rpc){.on_end = on_end, .arg = r};
	const sp_ttrpc_call_opts opts = {.service = m->service,
					 .method = m->name,
					 .payload = sp_buf_view(&out),
					 .timeout_ns = m->timeout_ns};
	return sp_ttrpc_client_call(c, &r->rpc, &opts, err);
}

void rt_rpc_cancel(rt_rpc *r)
{
	if (sp_ttrpc_rpc_is_open(&r->rpc))
		sp_ttrpc_rpc_cancel(&r->rpc);
}
