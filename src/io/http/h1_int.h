/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1 connections: what server and client share. */
#pragma once

#include <llhttp.h>

#include "io/http/http_int.h"

typedef enum h1_body { H1_BODY_NONE, H1_BODY_LENGTH, H1_BODY_CHUNKED, H1_BODY_UNTIL_CLOSE } h1_body;

typedef struct h1_conn {
	http_conn base;
	llhttp_t parser;
	http_ex *ex; /* the one under way */
	sp_buf in;   /* read and not parsed */
	/* of the message being parsed */
	sp_http_fields *fields;
	sp_str name;
	uint16_t fail_status;
	const char *fail_text;
	bool begun, head_done, expects, keep_alive, interim;
	/* of the message being written */
	h1_body out_body;
	bool out_done, close_after;
	/* of the connection */
	bool client, sniffing, peer_ended, reading, tunnel;
	bool ending;    /* closes when everything is written */
	bool lingering; /* our direction ended: waits a little for the peer's, lest a reset eats our words */
	bool shut;
	uint64_t in_ns, since_ns; /* last byte; begin of the state the timer watches */
} h1_conn;

static inline h1_conn *h1_of(http_conn *c)
{
	return SP_CONTAINER_OF(c, h1_conn, base);
}

extern const http_ops h1_ops;
extern const llhttp_settings_t h1_settings;

h1_conn *h1_conn_new(http_pool *pool, sp_stream *s, const http_conn_ops *ops, bool client) SP_MUST_USE;
/* Forgets the message and exchange that are over. */
void h1_next(h1_conn *c);
/* Does what the last event left to do: parses, writes, ends. */
void h1_work(h1_conn *c);
/* Ends at once; the exchange gets the error. */
void h1_kill(h1_conn *c, const sp_err *err);
/* Remembers why the head is refused, and makes the parser stop. */
int h1_refuse(h1_conn *c, uint16_t status, const char *text);
/* When the timer has something to do, and what: of both sides. 0 = never. */
uint64_t h1_due(const h1_conn *c);
void h1_timeout(h1_conn *c);
/* One framing of the message: content-length or chunked, whatever the parser let through. */
int h1_check_framing(h1_conn *c);
/* "name: value\r\n" for all of them. Room was reserved. */
char *h1_put(char *at, sp_str s);
char *h1_put_headers(char *at, const sp_http_header *h, size_t n);
size_t h1_headers_bytes(const sp_http_header *h, size_t n);

/* Server: the head of a request is whole; 0, or what h1_refuse returned. */
int h1_server_head(h1_conn *c);
void h1_server_refuse(h1_conn *c, uint16_t status, sp_code why);
void h1_server_done(h1_conn *c);
sp_code h1_server_render(h1_conn *c, const http_head *h, sp_err *err) SP_MUST_USE;
/* The first bytes of a connection. True: they were dealt with, and c may be gone (HTTP/2). */
bool h1_server_sniff(h1_conn *c, const uint8_t *bytes, size_t n);

int h1_client_head(h1_conn *c);
void h1_client_done(h1_conn *c);
/* The response is broken: no status, a text. */
void h1_client_refuse(h1_conn *c);
