/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's side of one ttrpc connection, without I/O. Calls run side by side; each ends exactly once with
 * on_end, or is forgotten by sp_ttrpc_rpc_cancel. U: containerd/ttrpc client.go.
 */
#pragma once

#include "base/heap.h"
#include "base/list.h"
#include "io/ttrpc/frame.h"
#include "io/ttrpc/message.h"

typedef struct sp_ttrpc_client_core sp_ttrpc_client_core;

/* One call. Embedded in its owner; zero-initialised; in place until on_end or cancel. */
typedef struct sp_ttrpc_rpc {
	/* One message of the server (streaming methods only). May be NULL. */
	void (*on_data)(struct sp_ttrpc_rpc *rpc, sp_str payload);
	/* The end: status.code SP_RPC_OK with the answer, or what went wrong. Views are good during the call.
	 */
	void (*on_end)(struct sp_ttrpc_rpc *rpc, const sp_ttrpc_status *status, sp_str payload);
	void *arg;
	/* of the core */
	sp_list node;
	sp_heap_node timer;
	sp_ttrpc_client_core *core;
	uint32_t id;
	bool local_closed;
} sp_ttrpc_rpc;

typedef struct sp_ttrpc_call_opts {
	sp_str service, method;
	sp_str payload;
	uint64_t timeout_ns; /* 0 = none; it travels with the request */
	const sp_ttrpc_metadata *metadata;
	size_t n_metadata;
	bool client_streams, server_streams;
} sp_ttrpc_call_opts;

sp_code sp_ttrpc_client_core_new(sp_buf *out, sp_ttrpc_client_core **ret, sp_err *err) SP_MUST_USE;
/* Calls still open are forgotten. NULL is a no-op. */
void sp_ttrpc_client_core_free(sp_ttrpc_client_core *c);

/* SP_EUNAVAILABLE: the connection ended or its stream numbers are used up; SP_ETOOLARGE: the request is above
 * 4 MiB. On an error the rpc stays untouched. */
sp_code sp_ttrpc_client_core_call(sp_ttrpc_client_core *c, sp_ttrpc_rpc *rpc, const sp_ttrpc_call_opts *opts,
				  uint64_t now_ns, sp_err *err) SP_MUST_USE;
/* One more message of a call with client_streams; then its end. */
sp_code sp_ttrpc_rpc_send(sp_ttrpc_rpc *rpc, sp_str payload, sp_err *err) SP_MUST_USE;
sp_code sp_ttrpc_rpc_close_send(sp_ttrpc_rpc *rpc, sp_err *err) SP_MUST_USE;
/* No event after this. The server is not told: the protocol has no word for it. */
void sp_ttrpc_rpc_cancel(sp_ttrpc_rpc *rpc);
static inline bool sp_ttrpc_rpc_is_open(const sp_ttrpc_rpc *rpc)
{
	return rpc->core != NULL;
}

/* An error ends the connection. Frames for calls that are over are ignored. */
sp_code sp_ttrpc_client_core_feed(sp_ttrpc_client_core *c, sp_str bytes, sp_err *err) SP_MUST_USE;
/* The connection is gone: every call ends with UNAVAILABLE, "ttrpc: closed" or the text of err. */
void sp_ttrpc_client_core_end(sp_ttrpc_client_core *c, const sp_err *err);
uint64_t sp_ttrpc_client_core_deadline(const sp_ttrpc_client_core *c);
/* Calls whose time is over end with DEADLINE_EXCEEDED. */
void sp_ttrpc_client_core_expire(sp_ttrpc_client_core *c, uint64_t now_ns);
size_t sp_ttrpc_client_core_n_calls(const sp_ttrpc_client_core *c);
