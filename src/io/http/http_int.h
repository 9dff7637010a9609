/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this folder share. An http_ex is the exchange of http.h with what the transports need; a
 * transport (HTTP/1, HTTP/2, a client's waiting line) stands behind http_ops. A connection calls http_in_*
 * with what arrives and takes the outgoing chunks; both happen only from the stream's events or from the
 * connection's turn (an sp_defer), never from inside a function of the owner. So no exchange dies under a
 * caller's feet.
 */
#pragma once

#include "base/buf.h"
#include "base/limits.h"
#include "base/list.h"
#include "io/http.h"

#define HTTP_NS_PER_S UINT64_C(1000000000)
/* Bodies and pieces up to this are copied beside their head: cheaper than a reference and an iovec. */
#define HTTP_COPY_MAX ((size_t)4 << 10)
#define HTTP_OUT_HIGH_BYTES ((size_t)256 << 10)
/* The largest gRPC message with its head, behind a queue that is not full. */
#define HTTP_QUEUE_LIMIT_BYTES (SP_LIMIT_GRPC_MESSAGE_BYTES + ((size_t)1 << 20))
#define HTTP_DATE_BYTES 29u

typedef struct http_ex http_ex;
typedef struct http_conn http_conn;

/* ---- fields ---- */

/* One more field; name and value stand in the arena. False: no memory. */
bool http_fields_add(sp_http_fields *f, sp_arena *a, sp_http_name id, sp_str name, sp_str value) SP_MUST_USE;
/* A lower-case field name and a value that may stand in a head. */
bool http_name_ok(sp_str name);
bool http_value_ok(sp_str value);
/* All of them; SP_EINVAL names the bad one. */
sp_code http_headers_check(const sp_http_header *h, size_t n, sp_err *err) SP_MUST_USE;
sp_http_method http_method_of(sp_str method);
bool http_method_ok(sp_str method);
bool http_method_is_idempotent(sp_http_method m);
/* host[:port] as a server accepts it: no user, no blanks, brackets only around an IPv6 text. */
bool http_authority_ok(sp_str authority, bool lax);
/* Visible ASCII without '#', or bytes above it. */
bool http_target_ok(sp_str target);
/* Whether a response of that status, to that method, has a body. */
bool http_has_body(uint16_t status, sp_http_method m);

/* ---- output of a connection: text and references, gathered into one write ---- */

#define HTTP_OUT_REFS 16u

typedef struct http_ref {
	size_t text_end; /* it stands after that much text */
	sp_bytes *owner;
	const char *ptr;
	size_t len;
} http_ref;

typedef struct http_batch {
	sp_buf text;
	http_ref refs[HTTP_OUT_REFS];
	unsigned n_refs;
	size_t n_ref_bytes;
} http_batch;

typedef struct http_out {
	sp_world *world;
	sp_stream *stream;
	http_batch batch[2];
	unsigned fill;  /* which batch is filled; the other flies */
	size_t n_flown; /* bytes of the flying batch already written */
	sp_write req;
	bool writing, failed;
	uint64_t progress_ns;
	void (*on_progress)(http_conn *c); /* a write ended; look at failed and http_out_is_full */
	http_conn *conn;
} http_out;

void http_out_init(http_out *o, sp_world *w, sp_stream *s, http_conn *c, void (*on_progress)(http_conn *c));
void http_out_done(http_out *o);
/* Where to append text. */
static inline sp_buf *http_out_text(http_out *o)
{
	return &o->batch[o->fill].text;
}
/* Body bytes: copied when small or without an owner, else referenced. Only while not full. */
void http_out_body(http_out *o, sp_bytes *owner, const char *ptr, size_t len);
/* Starts writing unless a write is under way. Sets failed when an append had no memory. */
void http_out_flush(http_out *o);
size_t http_out_queued(const http_out *o);
static inline bool http_out_is_idle(const http_out *o)
{
	return !o->writing && http_out_queued(o) == 0;
}
static inline bool http_out_is_full(const http_out *o)
{
	const http_batch *b = &o->batch[o->fill];
	return b->n_refs == HTTP_OUT_REFS || b->text.len + b->n_ref_bytes >= HTTP_OUT_HIGH_BYTES;
}

/* ---- exchanges ---- */

typedef struct http_chunk {
	struct http_chunk *next;
	sp_bytes *owner; /* NULL: in the arena, at most HTTP_COPY_MAX */
	const char *ptr;
	size_t len;
} http_chunk;

/* Head of the outgoing message as a transport writes it. */
typedef struct http_head {
	uint16_t status;
	const sp_http_header *headers;
	size_t n;
	int64_t content_length; /* -1: not known */
	bool add_length;        /* it is not among the headers */
	bool empty;             /* no body follows: the head ends the message */
} http_head;

typedef struct http_ops {
	/* Renders it now; may fail and be tried again. */
	sp_code (*head)(http_ex *ex, const http_head *h, sp_err *err);
	sp_code (*interim)(http_ex *ex, const http_head *h, sp_err *err);
	sp_code (*tunnel)(http_ex *ex, const http_head *h, sp_err *err);
	void (*out)(http_ex *ex);                /* chunks or the end were queued */
	void (*read)(http_ex *ex);               /* reading changed */
	void (*consumed)(http_ex *ex, size_t n); /* body bytes left our hands; may be NULL */
	void (*reset)(http_ex *ex);              /* ex->why and reset_code say how */
} http_ops;

typedef struct http_pool {
	sp_world *world;
	sp_http_limits limits;
	sp_list spare;
	uint32_t n_spare, n_live;
	int64_t date_s;
	char date[HTTP_DATE_BYTES];
} http_pool;

struct http_ex {
	sp_http_exchange pub;
	const http_ops *ops;
	http_conn *conn;
	http_pool *pool;
	sp_list node;
	sp_timer deadline;
	sp_code why; /* SP_OK, or what on_close will say */
	const char *why_text;
	bool late; /* the deadline passed and was answered: on_close says so */

	/* incoming */
	bool reading, head_in, in_ended, end_told, discard;
	sp_buf held; /* came while not reading */
	void (*body_done)(sp_http_exchange *ex, const sp_err *err, sp_str body);
	sp_buf body;
	bool collecting;
	size_t head_bytes; /* of the incoming head or trailers so far */

	/* outgoing */
	bool begun, out_ended, no_body, above_mark, head_out;
	http_chunk *chunks, **chunks_tail, *spare_chunks;
	size_t queued_bytes;
	int64_t out_left; /* of content-length; -1 = not known */
	sp_http_header *out_trailers;
	size_t n_out_trailers;

	/* HTTP/2 */
	int32_t stream_id;
	sp_list ready; /* of the connection: something to do in its turn */
	bool deferred; /* the library waits for nghttp2_session_resume_data */
	bool refused;  /* malformed: what still comes of it is dropped */
	bool stream_closed, trailing, too_large, expects, want_tunnel, regular_seen, sending, receiving;
	uint64_t in_ns, out_ns; /* last progress */
	/* client */
	struct http_origin *origin;
	struct http_call *call;
};

/* Client: what is needed to send the request, again if need be; in the exchange's arena. */
typedef struct http_call {
	sp_http_header *headers;
	size_t n_headers;
	sp_bytes *body;
	bool streaming, tunnel, has_length;
	bool reused;   /* the connection had served another one */
	bool answered; /* a byte of a response came */
	unsigned n_tries;
	uint64_t number; /* among those that ever waited for its origin */
} http_call;

static inline http_ex *http_ex_of(sp_http_exchange *pub)
{
	return SP_CONTAINER_OF(pub, http_ex, pub);
}

void http_pool_init(http_pool *p, sp_world *w, const sp_http_limits *limits, uint64_t idle_ns);
void http_pool_done(http_pool *p);
/* NULL: no memory. */
http_ex *http_ex_new(http_pool *p) SP_MUST_USE;
/* Tells on_close (err NULL: ex->why decides) and releases the exchange. */
void http_ex_close(http_ex *ex, const sp_err *err);
/* Remembers the first reason only. */
static inline void http_ex_fail(http_ex *ex, sp_code why, const char *text)
{
	if (ex->why == SP_OK) {
		ex->why = why;
		ex->why_text = text;
	}
}

/* What a transport received. */
void http_in_body(http_ex *ex, const uint8_t *bytes, size_t n);
void http_in_end(http_ex *ex);
/* After sp_http_read(true): gives what was held back. */
void http_in_resume(http_ex *ex);
/* Whether body bytes can go somewhere now. */
static inline bool http_in_wants(const http_ex *ex)
{
	return ex->reading || ex->discard;
}

/* The first chunk, or NULL; after n of its bytes were taken. */
void http_chunk_taken(http_ex *ex, size_t n);
/* Tells on_writable when it is time; true when it was called (there may be more to send). */
bool http_out_tell(http_ex *ex);
static inline bool http_out_whole(const http_ex *ex)
{
	return ex->out_ended && ex->chunks == NULL;
}

/* Client: the whole body into the empty queue, or back into it. False: no memory. */
bool http_call_body(http_ex *ex) SP_MUST_USE;

/* IMF-fixdate of now, HTTP_DATE_BYTES, good until the next call. */
const char *http_date(http_pool *p);

/* ---- connections ---- */

typedef struct http_conn_ops {
	/* No new exchanges; ends when the present ones are over. */
	void (*drain)(http_conn *c);
	/* Ends now; the exchanges get the error. */
	void (*kill)(http_conn *c, const sp_err *err);
	/* Client: takes the exchange, whose request is in ex->call. */
	void (*start)(http_conn *c, http_ex *ex);
	/* Client: how many more exchanges fit now. */
	uint32_t (*room)(const http_conn *c);
} http_conn_ops;

struct http_conn {
	sp_list node;
	const http_conn_ops *ops;
	sp_http_server *server; /* or */
	struct http_origin *origin;
	http_pool *pool;
	sp_world *world;
	sp_stream *stream;
	http_out out;
	sp_defer turn;
	sp_timer timer;
	uint64_t timer_at_ns;
	bool busy;    /* inside feed or turn: the end of it does what a turn would */
	bool closing; /* the stream is being closed */
	bool draining, is_tls;
};

void http_conn_init(http_conn *c, const http_conn_ops *ops, http_pool *pool, sp_stream *s,
		    void (*turn)(sp_defer *d), void (*on_progress)(http_conn *c));
static inline void http_conn_schedule(http_conn *c)
{
	if (!c->busy && !c->closing)
		sp_defer_call(c->world, &c->turn);
}
/* Fires fn at due_ns or a little earlier: the function looks again. 0 = never. Cheap when due only moves
 * away. */
void http_conn_arm(http_conn *c, uint64_t due_ns, void (*fn)(sp_timer *t));
/* Stops everything and closes the stream; on_close of its handler follows. */
void http_conn_close(http_conn *c);
/* The connection leaves its server or origin; the caller releases it. */
void http_conn_gone(http_conn *c);

/* What an exchange is told when its connection broke because of err (or NULL). */
const sp_err *http_conn_broke(const http_conn *c, const sp_err *err, sp_err *own);

sp_code http1_server_start(sp_http_server *s, http_pool *pool, sp_stream *stream, sp_err *err) SP_MUST_USE;
sp_code http2_server_start(sp_http_server *s, http_pool *pool, sp_stream *stream, sp_str first,
			   sp_err *err) SP_MUST_USE;
/* A new connection of the server enters its list. */
void http_server_add(sp_http_server *s, http_conn *c);
void http_server_remove(sp_http_server *s, http_conn *c);
const sp_http_server_opts *http_server_opts(const sp_http_server *s);

sp_code http1_client_start(struct http_origin *o, http_pool *pool, sp_stream *stream, http_conn **ret,
			   sp_err *err) SP_MUST_USE;
sp_code http2_client_start(struct http_origin *o, http_pool *pool, sp_stream *stream, http_conn **ret,
			   sp_err *err) SP_MUST_USE;

/* Client: there may be room for waiting exchanges now, or the connection is not used any more. */
void http_client_room(http_conn *c);
/* The connection is gone. */
void http_client_lost(http_conn *c);
/* Puts the exchange back in line when that is allowed: `untouched` = the peer provably did not look at it.
 * False: the caller closes it. */
bool http_client_again(http_ex *ex, bool untouched);
const sp_http_client_opts *http_client_opts(const struct http_origin *o);

/* The stream, which will first give `bytes` again (and then the end), is ready for a new owner. SP_ENOMEM:
 * nothing happened. */
sp_code http_stream_unread(sp_stream *s, sp_str bytes, bool ended, sp_err *err) SP_MUST_USE;
