/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.0, HTTP/1.1 (RFC 9112) and HTTP/2 (RFC 9113), server and client, behind one interface, over any
 * sp_stream. The protocol shows only in `version`.
 *
 * An exchange is one request with its response. Both sides see the same object: an incoming message (a
 * server's request, a client's response) that arrives by events, and an outgoing one that is written with the
 * functions below. Everything an exchange points at stands in its arena or its connection and is good until
 * its on_close returned. on_close comes exactly once, last, whatever happened: it is the one place to release
 * what belongs to an exchange.
 *
 *   server:  on_request(arg, ex) -> sp_http_handle(ex, &events, me), then respond at once or later
 *   client:  sp_http_request_start(client, &req, &events, me, &ex, err)
 *
 * Events may come from inside sp_http_read, sp_http_read_body and sp_http_server_accept; on_close never comes
 * from inside a function of an exchange, but at the end of this turn of the loop.
 */
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "io/stream.h"
#include "io/world.h"

/* ---- names, fields ---- */

/* Names that are looked up often, found without a search. */
typedef enum sp_http_name {
	SP_HTTP_TE,
	SP_HTTP_AGE,
	SP_HTTP_DATE,
	SP_HTTP_ETAG,
	SP_HTTP_HOST,
	SP_HTTP_VARY,
	SP_HTTP_ALLOW,
	SP_HTTP_RANGE,
	SP_HTTP_ACCEPT,
	SP_HTTP_COOKIE,
	SP_HTTP_EXPECT,
	SP_HTTP_ORIGIN,
	SP_HTTP_SERVER,
	SP_HTTP_TRAILER,
	SP_HTTP_UPGRADE,
	SP_HTTP_AUDIT_ID,
	SP_HTTP_IF_MATCH,
	SP_HTTP_LOCATION,
	SP_HTTP_CONNECTION,
	SP_HTTP_KEEP_ALIVE,
	SP_HTTP_SET_COOKIE,
	SP_HTTP_USER_AGENT,
	SP_HTTP_GRPC_STATUS,
	SP_HTTP_RETRY_AFTER,
	SP_HTTP_CONTENT_TYPE,
	SP_HTTP_GRPC_MESSAGE,
	SP_HTTP_GRPC_TIMEOUT,
	SP_HTTP_AUTHORIZATION,
	SP_HTTP_CACHE_CONTROL,
	SP_HTTP_GRPC_ENCODING,
	SP_HTTP_IF_NONE_MATCH,
	SP_HTTP_CONTENT_LENGTH,
	SP_HTTP_ACCEPT_ENCODING,
	SP_HTTP_X_FORWARDED_FOR,
	SP_HTTP_CONTENT_ENCODING,
	SP_HTTP_IMPERSONATE_USER,
	SP_HTTP_PROXY_CONNECTION,
	SP_HTTP_WWW_AUTHENTICATE,
	SP_HTTP_SEC_WEBSOCKET_KEY,
	SP_HTTP_TRANSFER_ENCODING,
	SP_HTTP_X_FORWARDED_PROTO,
	SP_HTTP_SEC_WEBSOCKET_VERSION,
	SP_HTTP_SEC_WEBSOCKET_PROTOCOL,
	SP_HTTP_X_STREAM_PROTOCOL_VERSION,
	SP_HTTP_NAME_COUNT_
} sp_http_name;

typedef enum sp_http_method {
	SP_HTTP_GET,
	SP_HTTP_HEAD,
	SP_HTTP_POST,
	SP_HTTP_PUT,
	SP_HTTP_PATCH,
	SP_HTTP_DELETE,
	SP_HTTP_OPTIONS,
	SP_HTTP_CONNECT,
	SP_HTTP_TRACE,
	SP_HTTP_OTHER, /* see the text */
} sp_http_method;

/* Names are lower-case in both directions. */
typedef struct sp_http_header {
	sp_str name, value;
} sp_http_header;

/* Fields in the order of arrival, repeats included. */
typedef struct sp_http_fields {
	sp_http_header *at;
	uint32_t n, cap;
	uint16_t first[SP_HTTP_NAME_COUNT_]; /* index + 1 of the first field of that name; 0 = none */
} sp_http_fields;

/* The value of the first field of that name; {NULL, 0} when there is none, {p, 0} when it is empty. */
static inline sp_str sp_http_get(const sp_http_fields *f, sp_http_name name)
{
	return f->first[name] == 0 ? (sp_str){NULL, 0} : f->at[f->first[name] - 1].value;
}
/* The same for any lower-case name. */
sp_str sp_http_find(const sp_http_fields *f, sp_str name);
/* Whether a comma-separated list, over all fields of that name, has the token (case does not matter). */
bool sp_http_has_token(const sp_http_fields *f, sp_http_name name, sp_str token);
/* The reason phrase of a status ("Not Found"); empty for unknown ones. */
sp_str sp_http_reason(uint16_t status);
/* The id of a lower-case name, or SP_HTTP_NAME_COUNT_. */
sp_http_name sp_http_name_of(sp_str name);
/* For proxies: true when the field belongs to one connection only and must not be passed on (RFC 9110
 * section 7.6.1). Fields named by `connection` are the caller's to drop. */
bool sp_http_is_hop_by_hop(sp_str name);

/* ---- exchanges ---- */

typedef struct sp_http_exchange sp_http_exchange;

/* Any member but on_close may be NULL. */
typedef struct sp_http_events {
	/* Client: the head of the final response is here (status, headers). */
	void (*on_response)(sp_http_exchange *ex);
	/* Client: an interim response (1xx but 101); its fields are good during the call. */
	void (*on_interim)(sp_http_exchange *ex, uint16_t status, const sp_http_fields *headers);
	/* A slice of the incoming body, good during the call. NULL: the body is dropped. */
	void (*on_body)(sp_http_exchange *ex, const uint8_t *bytes, size_t n);
	/* The incoming message is whole; `trailers` are filled. Comes for an empty body too. */
	void (*on_end)(sp_http_exchange *ex);
	/* The outgoing queue fell to half of its mark after it had been full. */
	void (*on_writable)(sp_http_exchange *ex);
	/* The connection (HTTP/1.1 Upgrade, CONNECT) or the HTTP/2 stream is now the caller's, who sets the
	 * handler at once. on_close follows with err NULL. */
	void (*on_tunnel)(sp_http_exchange *ex, sp_stream *s);
	/* The end. A client's exchange ends with its response, whether or not its request was written. err is
	 * NULL when both messages are whole and ours was handed to the connection. Otherwise
	 * SP_ECANCELED (the peer or we reset it; see reset_code), SP_ETIMEOUT (deadline, stalled peer),
	 * SP_EUNAVAILABLE (no connection, or it broke; the request may have been processed; sys_errno tells
	 * why it could not be made), SP_EUNAUTH (the peer's certificate is not trusted), SP_EPROTO,
	 * SP_ETOOLARGE. Not for calls on `ex`. */
	void (*on_close)(sp_http_exchange *ex, const sp_err *err);
} sp_http_events;

struct sp_http_exchange {
	sp_world *world;
	sp_arena arena; /* of the exchange: the fields stand in it, and the owner may use it */
	const sp_http_events *events;
	void *arg; /* the owner's */

	/* the request, on both sides */
	sp_str method, scheme; /* "http" or "https" */
	sp_str authority;      /* Host or :authority as sent; may be empty (HTTP/1.0) */
	sp_str path;           /* path and query as sent, or "*"; empty for CONNECT */
	sp_str protocol;       /* Upgrade (HTTP/1.1) or :protocol (RFC 8441), when the client offers one */
	sp_http_method method_id;
	uint8_t version; /* 10, 11, 20; of the connection */
	bool is_client;

	uint16_t status;                  /* of the response; 0 = none yet */
	sp_http_fields headers, trailers; /* incoming */
	int64_t content_length;           /* incoming; -1 = not known before the end */

	const sp_stream *stream; /* connection below: peer addresses, TLS peer; NULL in a client that waits */
	uint64_t n_body_in, n_body_out;
	uint32_t reset_code; /* HTTP/2 error code of a reset by either side (0 = NO_ERROR, 8 = CANCEL …) */
};

static inline void sp_http_handle(sp_http_exchange *ex, const sp_http_events *events, void *arg)
{
	ex->events = events;
	ex->arg = arg;
}

/*
 * Whether body bytes are wanted. A server starts with false, a client with true. The first true sends
 * "100 Continue" when the client waits for it. While false, nothing is read from an HTTP/1 peer and an HTTP/2
 * peer gets no window: that is the back-pressure. A server that ends its response without having read the
 * body has the rest dropped (little) or the connection closed (much, HTTP/1).
 */
void sp_http_read(sp_http_exchange *ex, bool on);

/*
 * Reads the whole body, instead of on_body and on_end. `done` comes once: with the body (good until on_close;
 * empty when there is none), or with SP_ETOOLARGE as soon as it is known to exceed limit_bytes (a server then
 * answers 413) or SP_ENOMEM. It does not come when the exchange closes before.
 */
void sp_http_read_body(sp_http_exchange *ex, size_t limit_bytes,
		       void (*done)(sp_http_exchange *ex, const sp_err *err, sp_str body));

/* ---- the outgoing message ---- */

/*
 * The whole response in one call: head, content-length and body. `body` is copied. Adds date, and
 * content-length where the status has one; with HEAD the body is measured and not sent. `headers` is good for
 * the call. SP_EINVAL: a name or value that may not stand in a head (nothing was sent), or the response has
 * begun; SP_ENOMEM. After an error the caller may respond again or reset.
 */
sp_code sp_http_respond(sp_http_exchange *ex, uint16_t status, const sp_http_header *headers, size_t n,
			sp_str body, sp_err *err);
/* The same with a body by reference: takes one reference of its own (NULL = empty). */
sp_code sp_http_respond_bytes(sp_http_exchange *ex, uint16_t status, const sp_http_header *headers, size_t n,
			      sp_bytes *body, sp_err *err);

/*
 * Streaming: begin, write …, end. A content-length among the headers is kept and must be met; without one the
 * body is chunked (HTTP/1.1), ended by closing (HTTP/1.0) or framed by HTTP/2. The head goes out at the end
 * of this turn of the loop, before any body. A client's request is begun by sp_http_request_start.
 */
sp_code sp_http_begin(sp_http_exchange *ex, uint16_t status, const sp_http_header *headers, size_t n,
		      sp_err *err);
/* Copies. Accepts any amount up to 17 MiB queued: look at sp_http_is_full. SP_ETOOLARGE, SP_ENOMEM,
 * SP_EINVAL (not begun, ended, more than content-length). */
sp_code sp_http_write(sp_http_exchange *ex, sp_str bytes, sp_err *err);
/* len bytes from offset on, by reference (one of its own, until written). */
sp_code sp_http_write_bytes(sp_http_exchange *ex, sp_bytes *b, size_t offset, size_t len, sp_err *err);
/* True while a producer should hold back until on_writable. */
bool sp_http_is_full(const sp_http_exchange *ex);
/* Bytes accepted by write and not yet handed to the connection. */
size_t sp_http_queued(const sp_http_exchange *ex);
/* Whether the outgoing message has been ended; some of it may still be queued. */
bool sp_http_is_ended(const sp_http_exchange *ex);
/* Ends the outgoing message. Trailers (n may be 0) are dropped where the protocol cannot carry them. */
sp_code sp_http_end(sp_http_exchange *ex, const sp_http_header *trailers, size_t n, sp_err *err);

/* An interim response: 102, 103. Servers only, before the response. */
sp_code sp_http_interim(sp_http_exchange *ex, uint16_t status, const sp_http_header *headers, size_t n,
			sp_err *err);

/*
 * Server: accepts the upgrade (`protocol` is not empty) or CONNECT, with further headers; answers 101 or 200
 * as the protocol says, and on_tunnel gives the stream. A body is to be read first (SP_EINVAL). HTTP/1.1 adds
 * connection and upgrade fields itself.
 */
sp_code sp_http_accept_tunnel(sp_http_exchange *ex, const sp_http_header *headers, size_t n, sp_err *err);

/* HTTP/2 error codes (RFC 9113 section 7), for sp_http_reset. */
enum {
	SP_HTTP2_NO_ERROR = 0,
	SP_HTTP2_PROTOCOL_ERROR = 1,
	SP_HTTP2_INTERNAL_ERROR = 2,
	SP_HTTP2_REFUSED_STREAM = 7,
	SP_HTTP2_CANCEL = 8,
	SP_HTTP2_ENHANCE_YOUR_CALM = 11,
};
/* Gives the exchange up: RST_STREAM with the code, or the HTTP/1 connection ends. on_close follows with
 * SP_ECANCELED. Harmless on an exchange that is over. */
void sp_http_reset(sp_http_exchange *ex, uint32_t code);

/* on_close with SP_ETIMEOUT unless the exchange is over by then (monotonic; 0 takes it back). A server whose
 * response has not begun answers 504 first. */
void sp_http_deadline(sp_http_exchange *ex, uint64_t at_ns);

/* ---- limits ---- */

/* 0 = the default. */
typedef struct sp_http_limits {
	size_t header_bytes; /* of one head: names, values and 32 per field; 64 KiB; 431 */
	uint32_t n_headers;  /* 256; 431 */
	size_t target_bytes; /* 16 KiB; 414 */
	size_t arena_bytes;  /* of one exchange; 64 MiB */
	size_t queue_bytes;  /* mark of sp_http_is_full; 256 KiB */
	uint32_t n_streams;  /* concurrent, per HTTP/2 connection; 250 */
	uint32_t stream_window, connection_window; /* what an HTTP/2 peer may send ahead; 256 KiB, 1 MiB */
	uint64_t header_ns; /* for a whole head, from its first byte (or from accept); 10 s */
	uint64_t idle_ns;   /* between requests; 180 s */
	uint64_t body_ns;   /* without a byte of a body that is being read; 60 s */
	uint64_t write_ns;  /* without progress of what we write; 60 s */
} sp_http_limits;

/* ---- server ---- */

typedef struct sp_http_server sp_http_server;

typedef struct sp_http_server_opts {
	sp_http_limits limits;
	uint32_t n_connections; /* more are closed at once; 0 = 10,000 */
	bool lax_authority;     /* any :authority / Host text without control bytes: gRPC over unix sockets
				   (grpc-java sends the socket's path, grpc/grpc-java#12664) */
	/* The head of a request is whole. The handler must respond, reset, or keep the exchange and do so
	 * later; it sets events with sp_http_handle, or none. */
	void (*on_request)(void *arg, sp_http_exchange *ex);
	void *arg;
} sp_http_server_opts;

sp_code sp_http_server_new(sp_world *w, const sp_http_server_opts *opts, sp_http_server **ret,
			   sp_err *err) SP_MUST_USE;
/* Owns the stream from now on. HTTP/2 by ALPN "h2" or by the client preface, else HTTP/1. */
void sp_http_server_accept(sp_http_server *s, sp_stream *stream);
/*
 * Ends gracefully: idle connections close, others after their exchanges (HTTP/1: "connection: close"; HTTP/2:
 * GOAWAY, a round trip later GOAWAY with the last stream). After grace_ns the rest is cut. New connections
 * are closed. done comes once, when no connection is left.
 */
void sp_http_server_drain(sp_http_server *s, uint64_t grace_ns, void (*done)(void *arg), void *arg);
size_t sp_http_server_connections(const sp_http_server *s);
/* Only without connections: before the first, or after drain's done. */
void sp_http_server_free(sp_http_server *s);

/* ---- client ---- */

/* One attempt to connect. The connector reads the first part and may use tcp and impl. */
typedef struct sp_http_dial {
	sp_world *world;
	sp_str address;         /* "host:port", "unix:/path" */
	sp_str server_name;     /* for TLS: the host of :authority, without port */
	bool tls;               /* scheme is https: the stream has `alpn` set ("h2" or "http/1.1") */
	bool h1_only;           /* an upgrade is wanted: do not offer h2 */
	const void *tls_config; /* of the request, as given */
	uint64_t timeout_ns;
	/* Once, from the loop: a stream, or NULL and the reason. */
	void (*done)(struct sp_http_dial *d, sp_stream *s, const sp_err *err);
	void *arg;
	sp_connect_req tcp;
	void *impl[2];
} sp_http_dial;

/* The seam to TCP, unix sockets and TLS; src/io/http does not know any of them. */
typedef struct sp_http_connector {
	sp_code (*dial)(void *arg, sp_http_dial *d, sp_err *err);
	void (*cancel)(void *arg, sp_http_dial *d); /* no done afterwards */
	/* A tls_config that is not NULL is in use by an origin, and not any more; may be NULL. */
	void (*hold)(const void *tls_config);
	void (*release)(const void *tls_config);
} sp_http_connector;
/* Plain TCP and unix sockets by sp_connect; https is SP_EUNSUPPORTED. arg is not used. */
extern const sp_http_connector sp_http_connector_plain;

typedef struct sp_http_client_opts {
	sp_http_limits limits; /* idle_ns: how long an unused connection is kept, 90 s */
	const sp_http_connector *connector;
	void *connector_arg;
	uint32_t n_per_origin; /* connections to one origin; 0 = 64. More requests wait. */
	uint32_t n_waiting;    /* requests that wait, per origin; 0 = 1,024. More: SP_EUNAVAILABLE */
	uint64_t connect_ns;   /* 0 = 10 s */
	uint64_t ping_ns; /* HTTP/2: PING after that long without a byte while exchanges are open, and the
			     connection is given up without an answer for half as long; 0 = 30 s */
} sp_http_client_opts;

typedef struct sp_http_client sp_http_client;

typedef struct sp_http_request {
	sp_str scheme;          /* "http" (or empty) or "https" */
	sp_str address;         /* where to connect; with the scheme and tls_config it is the origin */
	const void *tls_config; /* for the connector; compared by address */
	sp_str server_name;     /* whom the peer's certificate has to name; empty: the host of authority */
	bool h2;                /* HTTP/2 with prior knowledge on a plain stream (gRPC) */
	sp_str method;          /* empty = GET */
	sp_str authority;       /* empty = address, or "localhost" for a unix socket */
	sp_str path;            /* path and query; empty = "/" */
	sp_str protocol; /* asks for a tunnel: Upgrade (h1) or extended CONNECT (h2 origin); with method
			    CONNECT and no protocol: a plain tunnel to `authority` */
	const sp_http_header *headers; /* copied; without host, connection, transfer-encoding */
	size_t n_headers;
	sp_bytes *body;       /* the whole body by reference, or NULL */
	bool streaming;       /* the body comes by sp_http_write … sp_http_end */
	uint64_t deadline_ns; /* monotonic; 0 = none */
} sp_http_request;

sp_code sp_http_client_new(sp_world *w, const sp_http_client_opts *opts, sp_http_client **ret,
			   sp_err *err) SP_MUST_USE;
/*
 * Sends a request on a pooled connection, opening one when needed. Everything in req is copied or
 * referenced. It is repeated by itself only when the peer provably did not process it (GOAWAY below its
 * stream, REFUSED_STREAM) or, for idempotent methods with a repeatable body, when an idle connection turned
 * out to be closed. On error there is no exchange.
 */
sp_code sp_http_request_start(sp_http_client *c, const sp_http_request *req, const sp_http_events *events,
			      void *arg, sp_http_exchange **ret, sp_err *err) SP_MUST_USE;
/* Resets every exchange, closes every connection; done comes once, when all are gone. */
void sp_http_client_close(sp_http_client *c, void (*done)(void *arg), void *arg);
/* Only before the first request or after close's done. */
void sp_http_client_free(sp_http_client *c);
