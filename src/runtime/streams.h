/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server behind the URLs that Exec, Attach and PortForward answer. A URL has a random token, is good
 * for one request within a minute. Over SPDY/3.1; WebSocket clients are translated to it inside this process
 * (io/spdy/translate.h, io/ws/tunnel.h). U: k8s.io/cri-streaming pkg/streaming.
 *
 * Private to streams*.c; others see rt_streams in rt_int.h.
 */
#pragma once

#include "io/http.h"
#include "io/spdy/forward.h"
#include "io/spdy/remote.h"
#include "io/spdy/session.h"
#include "runtime/command.h"
#include "runtime/rt_int.h"

#define RT_TOKEN_CHARS 16u
#define RT_TICKETS_MAX 1000u

typedef enum rt_ticket_kind { RT_TICKET_EXEC, RT_TICKET_ATTACH, RT_TICKET_FORWARD } rt_ticket_kind;

/* A request that waits for its client. */
typedef struct rt_ticket {
	rt_streams *owner;
	sp_arena arena; /* of the arguments */
	char token[RT_TOKEN_CHARS];
	rt_ticket_kind kind;
	rt_container *container; /* a reference; NULL for FORWARD */
	rt_sandbox *sandbox;     /* a reference */
	const sp_str *args;
	size_t n_args;
	bool tty, in, out, err;
	sp_timer timer;
} rt_ticket;

struct rt_streams {
	rt *r;
	sp_http_server *http;
	sp_listener *listener;
	sp_map tickets;   /* by token */
	sp_list sessions; /* rt_session.node */
	void (*on_closed)(void *arg);
	void *closed_arg;
	bool closing, http_closed;
};

/* A client that came. */
typedef struct rt_session {
	sp_list node;
	rt_streams *owner;
	rt_ticket *ticket; /* its own */
	void (*stop)(struct rt_session *s);
} rt_session;

void rt_ticket_free(rt_ticket *t);

/* A client is there: its connection, upgraded, carries SPDY. Takes both over, also when it fails. */
void rt_remote_start(rt_streams *o, rt_ticket *t, sp_stream *transport, const sp_channel_protocol *protocol);
void rt_forward_start(rt_streams *o, rt_ticket *t, sp_stream *transport);

void rt_session_begin(rt_session *s, rt_streams *o, rt_ticket *t, void (*stop)(rt_session *s));
/* Gives the ticket back; the memory is the caller's. */
void rt_session_end(rt_session *s);
