/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's side of one ttrpc connection, without I/O. Calls of one connection run side by side and end in
 * any order. Bad requests are answered with upstream's status and words, on the stream they name; the
 * connection goes on. U: containerd/ttrpc server.go, services.go.
 *
 * A call belongs to its handler from on_call until sp_ttrpc_call_finish, which comes exactly once, also after
 * on_cancel (the client is gone or its time is over; nothing is sent any more).
 */
#pragma once

#include "base/heap.h"
#include "io/ttrpc/frame.h"
#include "io/ttrpc/message.h"

typedef struct sp_ttrpc_call sp_ttrpc_call;
typedef struct sp_ttrpc_server_core sp_ttrpc_server_core;

typedef struct sp_ttrpc_method {
	sp_str name; /* the bare name, "Create" */
	bool client_streams, server_streams;
	/* The request; of a method with client_streams the first message, if it came along (payload not
	 * empty). May finish at once. */
	void (*on_call)(void *arg, sp_ttrpc_call *call, sp_str payload);
	/* Methods with client_streams only: further messages, and their end. */
	void (*on_data)(void *arg, sp_ttrpc_call *call, sp_str payload);
	void (*on_half_close)(void *arg, sp_ttrpc_call *call);
	/* May be NULL. */
	void (*on_cancel)(void *arg, sp_ttrpc_call *call);
} sp_ttrpc_method;

typedef struct sp_ttrpc_service {
	sp_str name; /* full protobuf name, "containerd.task.v2.Task" */
	const sp_ttrpc_method *methods;
	size_t n_methods;
	void *arg;
} sp_ttrpc_service;

/*
 * The tables stay as long as the core. calls_max: at once; 0 = 4096; above: RESOURCE_EXHAUSTED.
 * changed(owner) tells that a handler sent or finished: there may be output, or nothing left to wait for;
 * NULL = not wanted.
 */
sp_code sp_ttrpc_server_core_new(const sp_ttrpc_service *services, size_t n_services, size_t calls_max,
				 void *owner, void (*changed)(void *owner), sp_buf *out,
				 sp_ttrpc_server_core **ret, sp_err *err) SP_MUST_USE;
/* All calls were finished (asserted). NULL is a no-op. */
void sp_ttrpc_server_core_free(sp_ttrpc_server_core *c);

/* now_ns is the monotonic clock; deadlines count from it. An error (SP_ENOMEM, a full queue) ends the
 * connection. */
sp_code sp_ttrpc_server_core_feed(sp_ttrpc_server_core *c, sp_str bytes, uint64_t now_ns,
				  sp_err *err) SP_MUST_USE;
/* The connection is gone: every call gets on_cancel. No call comes after this. */
void sp_ttrpc_server_core_end(sp_ttrpc_server_core *c);
/* When sp_ttrpc_server_core_expire wants to be called; UINT64_MAX: never. */
uint64_t sp_ttrpc_server_core_deadline(const sp_ttrpc_server_core *c);
/* Ends calls whose time is over with DEADLINE_EXCEEDED. */
void sp_ttrpc_server_core_expire(sp_ttrpc_server_core *c, uint64_t now_ns);
/* Calls that still can send, and calls whose handler has not finished. */
size_t sp_ttrpc_server_core_n_active(const sp_ttrpc_server_core *c);
size_t sp_ttrpc_server_core_n_calls(const sp_ttrpc_server_core *c);

/* The request, with its metadata; its views are good during on_call only. */
const sp_ttrpc_request *sp_ttrpc_call_request(const sp_ttrpc_call *call);
/* Monotonic; UINT64_MAX = none. */
uint64_t sp_ttrpc_call_deadline(const sp_ttrpc_call *call);
/* The handler's own pointer. */
void *sp_ttrpc_call_user(const sp_ttrpc_call *call);
void sp_ttrpc_call_set_user(sp_ttrpc_call *call, void *user);
/* As given to sp_ttrpc_server_core_new: the connection. */
void *sp_ttrpc_call_owner(const sp_ttrpc_call *call);
/* True after on_cancel. */
bool sp_ttrpc_call_is_cancelled(const sp_ttrpc_call *call);

/* Sends one message of a method with server_streams. SP_ECANCELED after on_cancel; SP_ETOOLARGE above 4 MiB.
 */
sp_code sp_ttrpc_call_send(sp_ttrpc_call *call, sp_str payload, sp_err *err);
/*
 * Ends the call: status NULL or OK with the answer's payload (empty for server_streams), or a status. An
 * answer above 4 MiB becomes RESOURCE_EXHAUSTED. The call is gone afterwards.
 */
void sp_ttrpc_call_finish(sp_ttrpc_call *call, const sp_ttrpc_status *status, sp_str payload);
/* The same with an error of ours, mapped by the table of base/err.h. */
void sp_ttrpc_call_fail(sp_ttrpc_call *call, const sp_err *err);
