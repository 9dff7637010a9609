/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request on its way through the server, and the ways to answer it. A request stands in its exchange's
 * arena and is gone after the exchange's on_close; work that outlives it (a write that is being committed)
 * keeps its own memory and forgets the request in on_gone.
 */
#pragma once

#include "apiserver/flow/level.h"
#include "apiserver/negotiate.h"
#include "apiserver/reqinfo.h"
#include "apiserver/resource.h"
#include "apiserver/user.h"
#include "io/http.h"
#include "kube/status.h"

typedef struct api_server api_server; /* apiserver/server_int.h */

/* Its place in priority and fairness; the texts are empty for requests that take none. */
typedef struct api_request_flow {
	api_ticket ticket;
	sp_str schema, level, schema_uid, level_uid;
	uint64_t began_ns;
} api_request_flow;

typedef struct api_request {
	api_server *server;
	sp_http_exchange *ex;
	sp_arena *arena; /* the exchange's */
	sp_url_query query;
	api_reqinfo info;
	const api_resource *res;   /* of resource requests */
	const sp_subresource *sub; /* or NULL */
	const api_resource *held;  /* a custom resource is kept as long as the request; or NULL */
	api_user user;
	api_output out; /* how an object goes back */
	sp_str audit_id;
	sp_str origin;           /* whose pages may read the answer: cors.h; empty: none */
	struct api_audit *audit; /* audit/event.c; NULL: nothing is told of it */
	sp_warnings warnings;
	api_request_flow flow;
	void (*on_admitted)(struct api_request *r); /* of api_flow_admit */
	uint64_t began_ns;
	uint64_t deadline_ns; /* of deadline.h; 0: none */
	sp_timer deadline;
	bool is_late;       /* nobody waits for what its handler says any more */
	bool dropped;       /* refused because there is too much to do */
	bool counted_long;  /* among the long-running ones */
	sp_str served_path; /* which path that is no resource answers; empty: none */
	bool answered;
	/* The exchange is over, answered or not: lets go of what the handler keeps in `state`. May be NULL.
	 */
	void (*on_gone)(struct api_request *r);
	void *state;
	void (*on_writable)(struct api_request *r);          /* a streamed answer may go on; may be NULL */
	void (*on_body)(struct api_request *r, sp_str body); /* of api_read_body */
	/* Of a body that is read piece by piece (sp_http_read), and of an accepted tunnel. */
	void (*on_piece)(struct api_request *r, const uint8_t *bytes, size_t n);
	void (*on_whole)(struct api_request *r);
	void (*on_tunnel)(struct api_request *r, sp_stream *s);
	struct api_watch_socket *socket; /* of a watch that becomes one: watch_socket.h */
} api_request;

/* Calls `then` with the whole body, good until the exchange is over; a body over the limit is answered 413.
 */
void api_read_body(api_request *r, void (*then)(api_request *r, sp_str body));

/* Adds a text to the answer's Warning headers; equal ones once. */
void api_warn(api_request *r, sp_str text);

/* Answers with a text, compressed when it is large; nothing else is sent for this request. */
void api_reply(api_request *r, uint16_t code, sp_str content_type, sp_str body);
/* The same as it is, with further headers (a cache-control replaces the usual one). */
#define API_REPLY_HEADERS_MAX 8u
void api_reply_with(api_request *r, uint16_t code, sp_str content_type, const sp_http_header *more,
		    size_t n_more, sp_str body);
/* Whether an answer of that size is to be compressed. */
bool api_gzips(const api_request *r, size_t n_bytes);
/* Answers with a Status in the negotiated medium. */
void api_reply_status(api_request *r, const sp_status *status);
/* Answers with JSON text of a type (its kind and apiVersion in front), in the negotiated medium. */
void api_reply_json(api_request *r, uint16_t code, const sp_schema *schema, sp_str json);
/* Answers with an object of r->res given as JSON, in the negotiated shape and medium. revision 0: it is not
 * stored. */
void api_reply_object(api_request *r, uint16_t code, sp_str json, uint64_t revision);

/*
 * Begins an answer whose body follows by sp_http_write and sp_http_end on the exchange. False: it could not
 * be begun, and the exchange has been reset.
 */
bool api_begin(api_request *r, uint16_t code, sp_str content_type, bool gzipped);

/* The same with the content type and all else among `more`, which stays (the arena's): what another server
 * said. */
bool api_begin_with(api_request *r, uint16_t code, const sp_http_header *more, size_t n_more);

/* What a failed call means to the client: NotFound and Conflict about r's object, and so on. */
sp_status api_status_of(api_request *r, sp_code code, const sp_err *err);
/* api_reply_status of that. */
void api_reply_error(api_request *r, sp_code code, const sp_err *err);
