/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "io/sim/sim_int.h"

/* A network does not keep more than this. */
#define FLYING_MAX 100000u

struct sp_sim_link {
	sp_list node; /* of the world */
	sim_world *world;
	uint16_t port;
	void (*on_message)(void *arg, sp_sim_host *from, sp_str message);
	void *arg;
};

typedef struct letter {
	sp_list node; /* of sim->flying */
	sim_event arrival;
	sp_sim_host *from, *to;
	uint16_t port;
	size_t len;
	char bytes[];
} letter;

static sp_sim_link *find(const sim_world *w, uint16_t port)
{
	SP_LIST_FOREACH (n, &w->links) {
		sp_sim_link *l = SP_CONTAINER_OF(n, sp_sim_link, node);
		if (l->port == port)
			return l;
	}
	return NULL;
}

sp_code sp_sim_link_new(sp_world *w, uint16_t port,
			void (*on_message)(void *arg, sp_sim_host *from, sp_str message), void *arg,
			sp_sim_link **ret, sp_err *err)
{
	sim_world *world = sim_of(w);
	if (find(world, port) != NULL)
		return sp_fail(err, SP_EEXISTS, "link port %u is in use", port);
	sp_sim_link *l = sp_try_alloc(sizeof *l);
	if (l == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a link");
	l->world = world;
	l->port = port;
	l->on_message = on_message;
	l->arg = arg;
	sp_list_init(&l->node);
	sp_list_push_back(&world->links, &l->node);
	*ret = l;
	return SP_OK;
}

void sp_sim_link_free(sp_sim_link *l)
{
	if (l == NULL)
		return;
	sp_list_remove(&l->node);
	sp_free(l);
}

void sim_links_forget(sim_world *w)
{
	SP_LIST_FOREACH (n, &w->links)
		sp_sim_link_free(SP_CONTAINER_OF(n, sp_sim_link, node));
}

static void letter_free(letter *m)
{
	m->from->sim->n_flying--;
	sim_event_stop(m->from->sim, &m->arrival);
	sp_list_remove(&m->node);
	sp_free(m);
}

static void on_arrival(sim_event *e)
{
	letter *m = SP_CONTAINER_OF(e, letter, arrival);
	sp_sim *s = m->from->sim;
	const sp_sim_link *l = m->to->main == NULL ? NULL : find(m->to->main, m->port);
	if (l != NULL && !sim_is_cut(s, m->from, m->to)) {
		sim_trace_bytes(s, m->bytes, m->len);
		l->on_message(l->arg, m->from, (sp_str){m->bytes, m->len});
	}
	letter_free(m);
}

static sp_code send_one(sp_sim_link *l, sp_sim_host *to, sp_str bytes, sp_err *err)
{
	sp_sim *s = l->world->sim;
	if (s->n_flying >= FLYING_MAX)
		return SP_OK; /* lost */
	letter *m = sp_try_alloc(sizeof *m + bytes.len);
	if (m == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a message");
	m->from = l->world->host;
	m->to = to;
	m->port = l->port;
	m->len = bytes.len;
	if (bytes.len > 0)
		memcpy(m->bytes, bytes.ptr, bytes.len);
	sp_list_init(&m->node);
	sp_list_push_back(&s->flying, &m->node);
	s->n_flying++;
	sim_event_init(&m->arrival, NULL, SIM_MESSAGE, on_arrival);
	sim_event_at(s, &m->arrival, s->now_ns + sim_latency_ns(s, m->from, to));
	return SP_OK;
}

sp_code sp_sim_link_send(sp_sim_link *l, sp_sim_host *to, sp_str message, sp_err *err)
{
	sp_sim *s = l->world->sim;
	if (message.len > SP_SIM_MESSAGE_BYTES)
		return sp_fail(err, SP_ETOOLARGE, "a message has at most %u bytes", SP_SIM_MESSAGE_BYTES);
	if (!l->world->alive || sim_is_cut(s, l->world->host, to) || sim_chance(s, s->opts.faults.loss_ppm))
		return SP_OK;
	SP_TRY(send_one(l, to, message, err));
	return sim_chance(s, s->opts.faults.dup_ppm) ? send_one(l, to, message, err) : SP_OK;
}

void sim_messages_done(sp_sim *s)
{
	SP_LIST_FOREACH (n, &s->flying)
		letter_free(SP_CONTAINER_OF(n, letter, node));
}
