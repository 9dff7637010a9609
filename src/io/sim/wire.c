/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is under way between the ends of a connection. Each direction carries chunks that arrive in order
 * after a latency, then wait unread; while the hosts are parted they stall. What breaks a connection comes
 * from here.
 */
#include <errno.h>

#include "base/alloc.h"
#include "io/sim/stream_int.h"

static void arm_arrival(sim_half *h)
{
	if (sp_list_is_empty(&h->chunks) || sim_event_is_queued(&h->arrival) || h->stalled)
		return;
	const sim_chunk *first = SP_CONTAINER_OF(h->chunks.next, sim_chunk, node);
	sim_event_at(h->conn->sim, &h->arrival, first->at_ns);
}

sim_chunk *sim_chunk_new(size_t len)
{
	sim_chunk *c = sp_alloc(sizeof *c + len);
	c->len = len;
	c->fin = len == 0;
	sp_list_init(&c->node);
	return c;
}

void sim_chunk_send(sim_half *h, sim_chunk *c)
{
	sp_sim *s = h->conn->sim;
	uint64_t at = s->now_ns + sim_conn_latency(h->conn);
	c->at_ns = SP_MAX(at, h->last_ns) + c->len * UINT64_C(1000000000) / s->opts.bytes_per_s;
	h->last_ns = c->at_ns;
	h->n_flying += c->len;
	sp_list_push_back(&h->chunks, &c->node);
	arm_arrival(h);
}

static void drop_chunks(sim_half *h)
{
	sp_list *node;
	sim_event_stop(h->conn->sim, &h->arrival);
	while ((node = sp_list_pop_front(&h->chunks)) != NULL)
		sp_free(SP_CONTAINER_OF(node, sim_chunk, node));
	h->n_flying = 0;
}

void sim_reset_send(sim_conn *c, unsigned to)
{
	sim_stream *s = c->end[to];
	if (s != NULL && s->reset_errno == 0 && !sim_event_is_queued(&s->reset))
		sim_event_at(c->sim, &s->reset, c->sim->now_ns + sim_conn_latency(c));
}

static void take_chunk(sim_half *h, const sim_chunk *c)
{
	if (c->fin) {
		h->fin = true;
		return;
	}
	if (h->rx_at > 0 && h->rx_len > 0)
		memmove(h->rx, h->rx + h->rx_at, h->rx_len);
	h->rx_at = 0;
	if (h->rx_len + c->len > h->rx_cap) {
		size_t cap = SP_MAX(h->rx_cap * 2, h->rx_len + c->len);
		uint8_t *grown = sp_alloc(cap);
		if (h->rx_len > 0)
			memcpy(grown, h->rx, h->rx_len);
		sp_free(h->rx);
		h->rx = grown;
		h->rx_cap = cap;
	}
	memcpy(h->rx + h->rx_len, c->bytes, c->len);
	h->rx_len += c->len;
}

static void on_arrival(sim_event *e)
{
	sim_half *h = SP_CONTAINER_OF(e, sim_half, arrival);
	sim_conn *conn = h->conn;
	sim_stream *to = conn->end[1 - h->from];
	if (sim_conn_is_parted(conn)) {
		h->stalled = true;
		return;
	}
	if (to == NULL || to->reset_errno != 0) {
		const sim_chunk *last = SP_CONTAINER_OF(h->chunks.prev, sim_chunk, node);
		if (!last->fin || last->node.prev != &h->chunks)
			sim_reset_send(conn, h->from); /* bytes nobody takes */
		drop_chunks(h);
		return;
	}
	sim_chunk *c = SP_CONTAINER_OF(h->chunks.next, sim_chunk, node);
	sp_list_remove(&c->node);
	h->n_flying -= c->len;
	if (h->broken || sim_chance(conn->sim, conn->sim->opts.faults.reset_ppm)) {
		h->broken = true;
		sim_reset_send(conn, 0);
		sim_reset_send(conn, 1);
	} else {
		take_chunk(h, c);
		sim_stream_wake(to);
	}
	sp_free(c);
	arm_arrival(h);
}

void sim_drop_unread(sim_half *h)
{
	h->rx_len = 0;
	h->fin = false;
}

static void on_reset(sim_event *e)
{
	sim_stream *s = SP_CONTAINER_OF(e, sim_stream, reset);
	sim_conn *c = s->conn;
	if (sim_conn_is_parted(c)) {
		c->lost_reset[s->side] = true;
		return;
	}
	if (s->reset_errno != 0)
		return;
	s->reset_errno = ECONNRESET;
	if ((sp_sim_random(c->sim) & 1) != 0)
		sim_drop_unread(sim_incoming(s));
	sim_stream_wake(s);
}

static void on_give_up(sim_event *e)
{
	sim_stream *s = SP_CONTAINER_OF(e, sim_stream, give_up);
	if (s->reset_errno == 0)
		s->reset_errno = ETIMEDOUT;
	sim_stream_wake(s);
}

void sim_room_made(sim_half *h)
{
	sim_stream *from = h->conn->end[h->from];
	if (from != NULL && from->blocked && !sim_event_is_queued(&from->writable))
		sim_event_at(h->conn->sim, &from->writable, h->conn->sim->now_ns + sim_conn_latency(h->conn));
}

void sim_conn_free(sim_conn *c)
{
	for (unsigned i = 0; i < 2; i++) {
		drop_chunks(&c->half[i]);
		sp_free(c->half[i].rx);
	}
	sp_list_remove(&c->node);
	sp_free(c);
}

void sim_wire_init(sim_stream *s)
{
	sim_half *h = &s->conn->half[s->side];
	h->conn = s->conn;
	h->from = s->side;
	sp_list_init(&h->chunks);
	sim_event_init(&h->arrival, s->world, SIM_ARRIVAL, on_arrival);
	sim_event_init(&s->reset, s->world, SIM_RESET, on_reset);
	sim_event_init(&s->give_up, s->world, SIM_RESET, on_give_up);
}

/* ---- faults ---- */

static bool is_between(const sim_conn *c, const sp_sim_host *a, const sp_sim_host *b)
{
	return (c->host[0] == a && c->host[1] == b) || (c->host[0] == b && c->host[1] == a);
}

void sim_conns_parted(sp_sim *s, const sp_sim_host *a, const sp_sim_host *b)
{
	uint64_t wait = s->opts.give_up_ns;
	SP_LIST_FOREACH (n, &s->conns) {
		sim_conn *c = SP_CONTAINER_OF(n, sim_conn, node);
		for (unsigned i = 0; i < 2 && is_between(c, a, b); i++) {
			if (c->end[i] != NULL)
				sim_event_at(s, &c->end[i]->give_up,
					     s->now_ns + wait + sp_sim_random_below(s, wait));
		}
	}
}

void sim_conns_healed(sp_sim *s, const sp_sim_host *a, const sp_sim_host *b)
{
	SP_LIST_FOREACH (n, &s->conns) {
		sim_conn *c = SP_CONTAINER_OF(n, sim_conn, node);
		for (unsigned i = 0; i < 2 && is_between(c, a, b); i++) {
			sim_half *h = &c->half[i];
			if (c->end[i] != NULL)
				sim_event_stop(s, &c->end[i]->give_up);
			if (h->stalled) {
				h->stalled = false;
				sim_event_at(s, &h->arrival, s->now_ns + sim_conn_latency(c));
			}
			if (c->lost_reset[i]) {
				c->lost_reset[i] = false;
				sim_reset_send(c, i);
			}
		}
	}
}

void sp_sim_reset_streams(sp_sim_host *a, sp_sim_host *b)
{
	SP_LIST_FOREACH (n, &a->sim->conns) {
		sim_conn *c = SP_CONTAINER_OF(n, sim_conn, node);
		for (unsigned i = 0; i < 2 && is_between(c, a, b); i++)
			sim_reset_send(c, i);
	}
}
