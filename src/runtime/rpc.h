/* SPDX-License-Identifier: Apache-2.0 */
/* ttrpc calls with the messages of base/pb_struct.h: to the host process, to shims. */
#pragma once

#include "base/pb_struct.h"
#include "io/ttrpc/conn.h"

/* One call. Embedded in its owner; zero-initialised but for `done`; in place until done or cancel. */
typedef struct rt_rpc {
	/* Once, from the loop: the response (NULL when it has no fields), good during the call; or err. The
	 * call is free for another already. */
	void (*done)(struct rt_rpc *r, const void *response, const sp_err *err);
	void *arg;
	const sp_pb_message *response;
	sp_ttrpc_rpc rpc;
} rt_rpc;

typedef struct rt_rpc_method {
	sp_str service, name;
	const sp_pb_message *request, *response; /* response NULL: without fields */
	uint64_t timeout_ns;                     /* 0 = none */
} rt_rpc_method;

/* On an error the call stays idle. */
sp_code rt_rpc_start(sp_ttrpc_client *c, rt_rpc *r, const rt_rpc_method *m, const void *request,
		     sp_err *err) SP_MUST_USE;
/* No done after this. Harmless on an idle call. */
void rt_rpc_cancel(rt_rpc *r);
