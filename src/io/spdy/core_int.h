/* SPDX-License-Identifier: Apache-2.0 */
/* Private to core.c (frames in) and core_send.c (frames out, streams). */
#pragma once

#include "base/list.h"
#include "io/spdy/core.h"

enum {
	SPDY_SYN_STREAM = 1,
	SPDY_SYN_REPLY = 2,
	SPDY_RST_STREAM = 3,
	SPDY_SETTINGS = 4,
	SPDY_PING = 6,
	SPDY_GOAWAY = 7,
	SPDY_HEADERS = 8,
	SPDY_WINDOW_UPDATE = 9,
};

#define SPDY_VERSION 3u
#define SPDY_FLAG_FIN 0x01u
#define SPDY_FLAG_UNIDIRECTIONAL 0x02u
#define SPDY_SETTING_INITIAL_WINDOW 7u
#define SPDY_DEFAULT_WINDOW 65536
#define SPDY_ID_MAX 0x7fffffffu
#define SPDY_BUCKETS 64u

struct sp_spdy_cs {
	sp_list node; /* in its bucket; in none once closed */
	uint32_t id;
	bool local; /* opened by us */
	bool replied, local_closed, remote_closed, blocked, carried_data, settled;
	int64_t send_window, recv_window;
	uint64_t unacked_bytes; /* consumed, not yet given back by WINDOW_UPDATE */
	sp_buf block;
	void *user;
};

struct sp_spdy_core {
	sp_spdy_opts opts;
	const sp_spdy_events *events;
	void *arg;
	sp_buf *out;
	sp_spdy_deflater *deflater;
	sp_spdy_inflater *inflater;

	/* the frame being read */
	uint8_t head[8];
	size_t n_head;
	uint32_t left; /* of its payload */
	bool in_data;
	sp_buf control;
	sp_buf block;
	sp_spdy_cs *data_stream; /* of the DATA frame; NULL = dropped */

	sp_list buckets[SPDY_BUCKETS];
	sp_list zombies; /* closed, not released */
	uint32_t next_id, last_peer_id, next_ping;
	size_t n_open, n_peer_open;
	uint32_t n_resets;
	bool stopped, goaway_sent, goaway_received;

	/* sending */
	bool peer_windows, session_window;
	bool peer_knows; /* our windows: its answer to proof_ping came */
	uint32_t proof_ping;
	int64_t initial_send_window;
	uint64_t session_sent, session_credit;
};

sp_spdy_cs *spdy_find(sp_spdy_core *c, uint32_t id);
/* NULL: no memory. */
sp_spdy_cs *spdy_stream_new(sp_spdy_core *c, uint32_t id, bool local) SP_MUST_USE;
/* Moves it to the closed ones when both directions ended. */
void spdy_stream_settle(sp_spdy_core *c, sp_spdy_cs *s);
/* Closes both directions without a frame. */
void spdy_stream_kill(sp_spdy_core *c, sp_spdy_cs *s);
void spdy_send_rst(sp_spdy_core *c, uint32_t id, uint32_t status);
void spdy_send_u32s(sp_spdy_core *c, uint16_t type, uint32_t a, uint32_t b, size_t n);
void spdy_send_hello(sp_spdy_core *c);
/* Ends the session: GOAWAY, on_failed. */
sp_code spdy_fail(sp_spdy_core *c, sp_code code, const char *why);
/* Bytes that may be sent now. */
size_t spdy_send_room(const sp_spdy_core *c, const sp_spdy_cs *s);
