/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ttrpc frames and messages at a server (even first byte) or a client (odd) with open calls: any bytes, cut
 * in any way, give the same answers and events; metadata of whatever decodes can be walked.
 */
#include "base/alloc.h"
#include "io/ttrpc/client_core.h"
#include "io/ttrpc/server_core.h"

static uint64_t hash;

static void mix(sp_str s)
{
	for (size_t i = 0; i < s.len; i++)
		hash = (hash ^ (uint8_t)s.ptr[i]) * UINT64_C(1099511628211);
	hash = (hash ^ 0xff) * UINT64_C(1099511628211);
}

static void walk(const sp_ttrpc_request *r)
{
	sp_ttrpc_metadata m;
	size_t n = 0;
	for (size_t i = 0; sp_ttrpc_metadata_next(r, &i, &m); n++) {
		mix(m.key);
		mix(m.value);
	}
	SP_ASSERT(n <= SP_TTRPC_METADATA_MAX);
}

static void answer(void *arg, sp_ttrpc_call *call, sp_str payload)
{
	(void)arg;
	walk(sp_ttrpc_call_request(call));
	mix(payload);
	sp_ttrpc_call_finish(call, NULL, payload);
}
static void wait(void *arg, sp_ttrpc_call *call, sp_str payload)
{
	(void)arg;
	(void)call;
	mix(payload);
}
static void chat(void *arg, sp_ttrpc_call *call, sp_str payload)
{
	(void)arg;
	mix(payload);
	(void)sp_ttrpc_call_send(call, payload, NULL);
	if (payload.len == 3)
		sp_ttrpc_call_finish(call, NULL, payload);
}
static void over(void *arg, sp_ttrpc_call *call)
{
	(void)arg;
	mix(SP_STR("over"));
	sp_ttrpc_call_finish(call, NULL, (sp_str){NULL, 0});
}

static const sp_ttrpc_method methods[] = {
	{SP_STR_INIT("A"), .on_call = answer},
	{SP_STR_INIT("W"), .on_call = wait, .on_cancel = over},
	{SP_STR_INIT("C"), .client_streams = true, .server_streams = true, .on_call = wait, .on_data = chat,
	 .on_half_close = over, .on_cancel = over},
};
static const sp_ttrpc_service services[] = {{SP_STR_INIT("S"), methods, SP_LEN(methods), NULL}};

static uint64_t run_server(sp_str in, size_t step, sp_buf *out)
{
	sp_ttrpc_server_core *c = NULL;
	hash = 1;
	SP_ASSERT(sp_ttrpc_server_core_new(services, 1, 8, NULL, NULL, out, &c, NULL) == SP_OK);
	for (size_t at = 0; at < in.len; at += step)
		SP_ASSERT(sp_ttrpc_server_core_feed(c, sp_str_sub(in, at, at + step), 1000, NULL) == SP_OK);
	sp_ttrpc_server_core_expire(c, 5000);
	sp_ttrpc_server_core_end(c);
	sp_ttrpc_server_core_free(c);
	return hash;
}

static void rpc_data(sp_ttrpc_rpc *rpc, sp_str payload)
{
	(void)rpc;
	mix(payload);
}
static void rpc_end(sp_ttrpc_rpc *rpc, const sp_ttrpc_status *status, sp_str payload)
{
	SP_ASSERT(!sp_ttrpc_rpc_is_open(rpc));
	mix(status->message);
	mix(status->details);
	mix(payload);
}

static uint64_t run_client(sp_str in, size_t step, sp_buf *out)
{
	sp_ttrpc_client_core *c = NULL;
	sp_ttrpc_rpc rpcs[3] = {
		{.on_end = rpc_end}, {.on_end = rpc_end, .on_data = rpc_data}, {.on_end = rpc_end}};
	hash = 1;
	SP_ASSERT(sp_ttrpc_client_core_new(out, &c, NULL) == SP_OK);
	for (size_t i = 0; i < 3; i++) {
		sp_ttrpc_call_opts o = {.service = SP_STR("S"), .method = SP_STR("A"), .timeout_ns = i * 100};
		SP_ASSERT(sp_ttrpc_client_core_call(c, &rpcs[i], &o, 0, NULL) == SP_OK);
	}
	for (size_t at = 0; at < in.len; at += step)
		SP_ASSERT(sp_ttrpc_client_core_feed(c, sp_str_sub(in, at, at + step), NULL) == SP_OK);
	sp_ttrpc_client_core_expire(c, 150);
	sp_ttrpc_client_core_end(c, NULL);
	SP_ASSERT(sp_ttrpc_client_core_n_calls(c) == 0);
	sp_ttrpc_client_core_free(c);
	return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > 1 << 15)
		return 0;
	SP_AUTO_BUF whole;
	SP_AUTO_BUF cut;
	sp_buf_init(&whole, 1 << 24);
	sp_buf_init(&cut, 1 << 24);
	sp_str in = {(const char *)data + 1, size - 1};
	uint64_t (*run)(sp_str, size_t, sp_buf *) = data[0] % 2 == 0 ? run_server : run_client;
	SP_ASSERT(run(in, size, &whole) == run(in, 1 + data[0] / 2, &cut));
	SP_ASSERT(sp_str_eq(sp_buf_view(&whole), sp_buf_view(&cut)));
	return 0;
}
