/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gRPC over HTTP/2, server and client, on the exchanges of io/http.h: unary calls and the three streaming
 * kinds. Messages are bytes; what they mean is the caller's (base/pb.h). Compression is not offered: both
 * sides say "identity". U: grpc/grpc doc/PROTOCOL-HTTP2.md; texts and choices it leaves open as in
 * grpc/grpc-go.
 *
 * Events come from the loop, never from inside a function of this header.
 */
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "io/http.h"
#include "io/rpc_status.h"

/*
 * A pair of custom metadata. Keys are lower-case; names the protocol reserves are not among them. The value
 * of a key that ends in "-bin" is any bytes and travels as base64; others are printable ASCII, without blanks
 * at their ends.
 */
typedef struct sp_grpc_metadata {
	sp_str key, value;
} sp_grpc_metadata;

typedef struct sp_grpc_status {
	int32_t code;   /* SP_RPC_…; a peer may send any number */
	sp_str message; /* UTF-8; what is sent is cut at 4 KiB */
	const sp_grpc_metadata *trailers;
	size_t n_trailers;
} sp_grpc_status;

/* The first value of a key; {NULL, 0} when absent. */
sp_str sp_grpc_metadata_get(const sp_grpc_metadata *md, size_t n, sp_str key);

/* ---- server ---- */

typedef struct sp_grpc_server sp_grpc_server;

/*
 * One call. It belongs to its handler from on_call until sp_grpc_call_finish (or fail), which comes exactly
 * once, also after on_cancel.
 */
typedef struct sp_grpc_call sp_grpc_call;

typedef struct sp_grpc_method {
	sp_str name; /* the bare name, "RunPodSandbox" */
	bool client_streams, server_streams;
	/* The call is here: with its one request, or with an empty payload before the messages of a method
	 * with client_streams. Payloads are good during the call. May finish at once. */
	void (*on_call)(void *arg, sp_grpc_call *call, sp_str payload);
	/* Methods with client_streams only: a message; the client sends no more. */
	void (*on_data)(void *arg, sp_grpc_call *call, sp_str payload);
	void (*on_half_close)(void *arg, sp_grpc_call *call);
	/* There is room again after sp_grpc_call_is_full said otherwise. May be NULL. */
	void (*on_writable)(void *arg, sp_grpc_call *call);
	/* Once: the client cancelled or is gone, or the deadline passed (which was answered). Nothing is sent
	 * any more. May be NULL. */
	void (*on_cancel)(void *arg, sp_grpc_call *call);
} sp_grpc_method;

typedef struct sp_grpc_service {
	sp_str name; /* full protobuf name, "runtime.v1.RuntimeService" */
	const sp_grpc_method *methods;
	size_t n_methods;
	void *arg;
} sp_grpc_service;

typedef struct sp_grpc_server_opts {
	const sp_grpc_service *services; /* stay as long as the server */
	size_t n_services;
	size_t message_bytes; /* of one message, in or out; 0 = SP_LIMIT_GRPC_MESSAGE_BYTES, which is the most
			       */
} sp_grpc_server_opts;

sp_code sp_grpc_server_new(sp_world *w, const sp_grpc_server_opts *opts, sp_grpc_server **ret,
			   sp_err *err) SP_MUST_USE;
/* All calls were finished (asserted) and no HTTP server asks it any more. NULL is a no-op. */
void sp_grpc_server_free(sp_grpc_server *s);
/*
 * Serves one request (a handler for sp_http_server_opts.on_request). What is no gRPC is refused: 415 for
 * another content-type, 405 for another method, 505 for HTTP/1, 400 for a bad head, UNIMPLEMENTED for an
 * unknown service, method or grpc-encoding.
 */
void sp_grpc_server_serve(sp_grpc_server *s, sp_http_exchange *ex);
/* Sets what an HTTP server that serves only this one needs: on_request, arg, any :authority, and no time
 * limit for request bodies, since a stream may say nothing for hours. */
void sp_grpc_server_http(sp_grpc_server *s, sp_http_server_opts *opts);
/* Calls whose handler has not finished. */
size_t sp_grpc_server_n_calls(const sp_grpc_server *s);

/* Memory of the call, up to 64 MiB; gone with finish. */
sp_arena *sp_grpc_call_arena(sp_grpc_call *call);
/* The handler's own pointer. */
void *sp_grpc_call_user(const sp_grpc_call *call);
void sp_grpc_call_set_user(sp_grpc_call *call, void *user);
/* Custom metadata of the request, decoded; none after on_cancel. */
const sp_grpc_metadata *sp_grpc_call_metadata(const sp_grpc_call *call, size_t *ret_n);
/* Monotonic; UINT64_MAX = none. */
uint64_t sp_grpc_call_deadline(const sp_grpc_call *call);
/* True after on_cancel. */
bool sp_grpc_call_is_cancelled(const sp_grpc_call *call);
/* The request: headers, authority, TLS peer (stream->tls). NULL after on_cancel. */
const sp_http_exchange *sp_grpc_call_exchange(const sp_grpc_call *call);
/* The process at the other end of a unix socket. SP_EUNSUPPORTED elsewhere; SP_ECANCELED after on_cancel. */
sp_code sp_grpc_call_peer_cred(const sp_grpc_call *call, sp_peer_cred *ret, sp_err *err) SP_MUST_USE;

/* Whether messages are wanted (methods with client_streams; at first they are). While not, the client gets no
 * window beyond what is on its way. */
void sp_grpc_call_read(sp_grpc_call *call, bool on);

/* Sends the response's head now, with metadata; else it goes with the first message. SP_EINVAL: the head is
 * sent already, or a key or value that may not travel; SP_ECANCELED after on_cancel; SP_ENOMEM. */
sp_code sp_grpc_call_head(sp_grpc_call *call, const sp_grpc_metadata *md, size_t n, sp_err *err);
/* One message of a method with server_streams. SP_ECANCELED after on_cancel; SP_ETOOLARGE: above
 * message_bytes, or 17 MiB are queued; SP_ENOMEM. */
sp_code sp_grpc_call_send(sp_grpc_call *call, sp_str payload, sp_err *err);
/* The same with a frame of sp_grpc_frame_new, by reference (one of its own). */
sp_code sp_grpc_call_send_frame(sp_grpc_call *call, sp_bytes *frame, sp_err *err);
/* True while a handler should hold back until on_writable. */
bool sp_grpc_call_is_full(const sp_grpc_call *call);
/*
 * Ends the call: status NULL or OK with the answer's payload (of a method with server_streams: sent as the
 * last message unless it is empty), or a status. An answer that is too large becomes RESOURCE_EXHAUSTED. The
 * call is gone afterwards.
 */
void sp_grpc_call_finish(sp_grpc_call *call, const sp_grpc_status *status, sp_str payload);
/* The same with an error of ours, mapped by the table of base/err.h. */
void sp_grpc_call_fail(sp_grpc_call *call, const sp_err *err);

/* A message with its five bytes of head, to be sent to many. One reference, the caller's. SP_ETOOLARGE above
 * SP_LIMIT_GRPC_MESSAGE_BYTES; SP_ENOMEM. */
sp_code sp_grpc_frame_new(sp_str payload, sp_bytes **ret, sp_err *err) SP_MUST_USE;

/* ---- client ---- */

/* Where calls go. The caller's; stays in place while calls are open. The HTTP client has its connector and
 * outlives its calls. */
typedef struct sp_grpc_channel {
	sp_http_client *http;
	sp_str address;         /* "host:port", "unix:/path" */
	sp_str authority;       /* empty = address, or "localhost" for a unix socket */
	bool tls;               /* by the connector, with tls_config */
	const void *tls_config; /* for the connector */
	size_t message_bytes; /* of one message, in or out; 0 = SP_LIMIT_GRPC_MESSAGE_BYTES, which is the most
			       */
} sp_grpc_channel;

/* Sets what an HTTP client for gRPC needs: PING at most every 330 s. Servers in Go take more than one in five
 * minutes for abuse (grpc-go keepalive.EnforcementPolicy) and end the connection. */
void sp_grpc_client_http(sp_http_client_opts *opts);

/* One call. Embedded in its owner; zero-initialised but for the callbacks; in place until on_end or cancel.
 * The callbacks may be NULL, but for on_end. */
typedef struct sp_grpc_rpc {
	/* The response's head; not when the server answers with a status only. */
	void (*on_head)(struct sp_grpc_rpc *rpc, const sp_grpc_metadata *md, size_t n);
	/* One message of the server (server_streams only). */
	void (*on_data)(struct sp_grpc_rpc *rpc, sp_str payload);
	/* There is room again after sp_grpc_rpc_is_full said otherwise. */
	void (*on_writable)(struct sp_grpc_rpc *rpc);
	/* The end, once: SP_RPC_OK with the answer (without server_streams), or what went wrong. Views are
	 * good during the call. The rpc is free for another call already. */
	void (*on_end)(struct sp_grpc_rpc *rpc, const sp_grpc_status *status, sp_str payload);
	void *arg;
	struct grpc_client_call *impl; /* NULL: not open */
} sp_grpc_rpc;

typedef struct sp_grpc_rpc_opts {
	sp_str service, method;
	sp_str payload;      /* the request, without client_streams */
	uint64_t timeout_ns; /* 0 = none; it travels with the request, and ends it here too */
	const sp_grpc_metadata *metadata;
	size_t n_metadata;
	bool client_streams, server_streams;
} sp_grpc_rpc_opts;

/* SP_ETOOLARGE: the payload; SP_EINVAL: a service, method or metadata that may not travel; the errors of
 * sp_http_request_start. On an error the rpc stays closed. */
sp_code sp_grpc_rpc_start(const sp_grpc_channel *ch, sp_grpc_rpc *rpc, const sp_grpc_rpc_opts *opts,
			  sp_err *err) SP_MUST_USE;
/* One message of a call with client_streams; then their end. SP_ECANCELED: the call is over; SP_ETOOLARGE:
 * above message_bytes, or 17 MiB are queued; SP_ENOMEM. */
sp_code sp_grpc_rpc_send(sp_grpc_rpc *rpc, sp_str payload, sp_err *err);
sp_code sp_grpc_rpc_close_send(sp_grpc_rpc *rpc, sp_err *err);
/* True while a sender should hold back until on_writable. */
bool sp_grpc_rpc_is_full(const sp_grpc_rpc *rpc);
/* Whether messages are wanted (at first they are). */
void sp_grpc_rpc_read(sp_grpc_rpc *rpc, bool on);
/* No event after this; the server is told. Harmless on a call that is over. */
void sp_grpc_rpc_cancel(sp_grpc_rpc *rpc);
static inline bool sp_grpc_rpc_is_open(const sp_grpc_rpc *rpc)
{
	return rpc->impl != NULL;
}
