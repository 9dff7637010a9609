/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sp_stream: one interface for every connected byte stream. A stream has an owner, who sets the handler, and
 * an implementation, which stands behind `ops`.
 *
 *  - Reading is off until sp_stream_read(s, true); on_data gets slices that are good during the call only.
 *    Turning reading off is the back-pressure: the kernel's (or TLS's, or HTTP/2's) window then fills.
 *  - Writing queues an embedded request; the bytes it names must stay until its `done`. A writer watches
 *    sp_stream_queued and stops producing above its own mark, until `done` of earlier ones.
 *  - shutdown sends the end of our direction after what is queued. close drops everything at once: queued
 * requests get their `done` with SP_ECANCELED, then on_close comes exactly once, then the stream is gone.
 *  - After on_end no on_data comes. After on_error only on_close comes, after the owner called close.
 */
#pragma once

#include "base/err.h"
#include "base/list.h"

typedef struct sp_stream sp_stream;
typedef struct sp_world sp_world;

typedef struct sp_iov {
	const void *ptr;
	size_t len;
} sp_iov;

#define SP_WRITE_IOV_MAX 8

typedef struct sp_write {
	sp_list node; /* of the implementation */
	sp_iov iov[SP_WRITE_IOV_MAX];
	size_t n_iov;
	void (*done)(struct sp_write *req, sp_code code); /* from the loop, in the order of the writes */
	void *arg;
	void *impl[3]; /* of the implementation */
} sp_write;

/* Bytes of all its pieces. */
static inline size_t sp_write_len(const sp_write *req)
{
	size_t n = 0;
	for (size_t i = 0; i < req->n_iov; i++)
		n += req->iov[i].len;
	return n;
}

typedef struct sp_stream_handler {
	void (*on_data)(void *arg, const uint8_t *bytes, size_t n);
	void (*on_end)(void *arg); /* the peer closed its direction */
	void (*on_error)(void *arg, const sp_err *err);
	void (*on_close)(void *arg); /* may be NULL */
} sp_stream_handler;

typedef struct sp_peer_cred {
	uint32_t uid, gid;
	int64_t pid;
} sp_peer_cred;

typedef struct sp_stream_ops {
	void (*read)(sp_stream *s, bool on);
	void (*write)(sp_stream *s, sp_write *req);
	void (*shutdown)(sp_stream *s);
	void (*close)(sp_stream *s);
	/* Optional; NULL = not supported. */
	sp_code (*peer_cred)(sp_stream *s, sp_peer_cred *ret, sp_err *err);
} sp_stream_ops;

/* First member of every implementation's struct. */
struct sp_stream {
	const sp_stream_ops *ops;
	sp_world *world;
	const sp_stream_handler *handler;
	void *arg;
	size_t queued_bytes;           /* kept by the implementation */
	char local[64], remote[64];    /* addresses as text, for logs and X-Forwarded-For; may be empty */
	sp_str alpn;                   /* chosen protocol of a TLS stream ("h2"), else empty */
	const struct sp_tls_peer *tls; /* what the peer proved, or NULL (io/tls.h) */
};

/* For a stream that nobody reads yet: it waits for whom it is for, who sees what became of it meanwhile. */
extern const sp_stream_handler sp_stream_waiting;

static inline void sp_stream_handle(sp_stream *s, const sp_stream_handler *h, void *arg)
{
	s->handler = h;
	s->arg = arg;
}
static inline void sp_stream_read(sp_stream *s, bool on)
{
	s->ops->read(s, on);
}
/* Cannot fail at once: errors arrive in `done` and on_error. */
static inline void sp_stream_write(sp_stream *s, sp_write *req)
{
	s->ops->write(s, req);
}
static inline void sp_stream_shutdown(sp_stream *s)
{
	s->ops->shutdown(s);
}
static inline void sp_stream_close(sp_stream *s)
{
	s->ops->close(s);
}
/* Bytes handed to write whose `done` has not come. */
static inline size_t sp_stream_queued(const sp_stream *s)
{
	return s->queued_bytes;
}
/* Credentials of the process at the other end of a unix socket; SP_EUNSUPPORTED elsewhere. */
sp_code sp_stream_peer_cred(sp_stream *s, sp_peer_cred *ret, sp_err *err) SP_MUST_USE;
