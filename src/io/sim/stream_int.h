/* SPDX-License-Identifier: Apache-2.0 */
/* Between stream.c (what an owner sees) and wire.c (what is under way). */
#pragma once

#include "io/sim/sim_int.h"

typedef struct sim_chunk {
	sp_list node;
	uint64_t at_ns;
	size_t len;
	bool fin;
	uint8_t bytes[];
} sim_chunk;

typedef struct sim_conn sim_conn;

typedef struct sim_half {
	sim_conn *conn;
	unsigned from; /* index of the end that writes */
	sp_list chunks;
	size_t n_flying;
	uint64_t last_ns;
	sim_event arrival; /* of the first chunk */
	bool stalled;
	bool broken; /* a chunk was lost: nothing behind it counts */
	uint8_t *rx; /* arrived, unread */
	size_t rx_at, rx_len, rx_cap;
	bool fin;
} sim_half;

struct sim_stream {
	sp_stream base;
	sp_list node; /* of the world's streams */
	sp_list turn; /* of its dirty or closing ones */
	sim_world *world;
	sim_conn *conn;
	unsigned side;
	sp_list writes;
	size_t write_at;
	bool want_read, shut_wanted, shut_sent, blocked, ended, failed, closing;
	bool error_due; /* a write failed: the owner is told after what is unread */
	int reset_errno;
	sp_code write_code;
	sim_event readable, writable, reset, give_up;
	bool is_unix;
	int64_t peer_pid;
};

struct sim_conn {
	sp_list node;
	sp_sim *sim;
	sp_sim_host *host[2];
	sim_stream *end[2]; /* NULL: gone */
	sim_half half[2];
	size_t window;
	bool lost_reset[2]; /* towards this end, while parted */
};

static inline sim_half *sim_incoming(const sim_stream *s)
{
	return &s->conn->half[1 - s->side];
}

static inline uint64_t sim_conn_latency(const sim_conn *c)
{
	return sim_latency_ns(c->sim, c->host[0], c->host[1]);
}

static inline bool sim_conn_is_parted(const sim_conn *c)
{
	return sim_is_cut(c->sim, c->host[0], c->host[1]);
}

/* ---- stream.c ---- */
/* Something to tell the owner may be there. */
void sim_stream_wake(sim_stream *s);

/* ---- wire.c ---- */
/* The events of an end and of the direction it writes. */
void sim_wire_init(sim_stream *s);
/* Of len bytes, to be filled in; an empty one is the end of the direction. */
sim_chunk *sim_chunk_new(size_t len);
void sim_chunk_send(sim_half *h, sim_chunk *c);
/* The connection breaks at this end, a latency later. */
void sim_reset_send(sim_conn *c, unsigned to);
/* Unread bytes are lost, and with them the end behind them. */
void sim_drop_unread(sim_half *h);
/* The reader took something: a writer that waits may go on. */
void sim_room_made(sim_half *h);
/* Both ends are gone. */
void sim_conn_free(sim_conn *c);
