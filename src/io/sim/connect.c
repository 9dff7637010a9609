/* SPDX-License-Identifier: Apache-2.0 */
/* Listeners and connecting. A request to connect is repeated while the other host is down or parted, as TCP's
 * is. */
#include <errno.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "io/sim/sim_int.h"

#define RETRY_NS UINT64_C(1000000000)
#define TRIES_MAX 7 /* 1 + 2 + … + 64 s, as Linux does */

typedef struct sim_listener {
	sp_listener base;
	sp_list node;
	sp_address at;
	char text[SP_ADDRESS_TEXT_BYTES]; /* at.name stands here */
	void (*on_accept)(void *arg, sp_stream *s);
	void *arg;
	bool reuse_port;
} sim_listener;

static bool is_zero(const uint8_t *ip, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (ip[i] != 0)
			return false;
	}
	return true;
}

static bool is_wildcard(const sp_address *a)
{
	return is_zero(a->ip, a->kind == SP_ADDRESS_IP4 ? 4 : 16);
}

static bool is_loopback(const sp_address *a)
{
	return a->kind == SP_ADDRESS_IP4 ? a->ip[0] == 127 : is_zero(a->ip, 15) && a->ip[15] == 1;
}

static bool is_ip(const sp_address *a)
{
	return a->kind == SP_ADDRESS_IP4 || a->kind == SP_ADDRESS_IP6;
}

/* Whether a connect to `to` reaches who listens on `at`, on one host. */
static bool reaches(const sp_address *to, const sp_address *at)
{
	if (is_ip(to) != is_ip(at))
		return false;
	if (!is_ip(to))
		return to->kind == at->kind && sp_str_eq(to->name, at->name);
	if (to->port != at->port)
		return false;
	if (is_wildcard(at))
		return at->kind == SP_ADDRESS_IP6 || to->kind == SP_ADDRESS_IP4;
	return to->kind == at->kind && memcmp(to->ip, at->ip, sizeof to->ip) == 0;
}

/* The listener of a host; of several (reuse_port) any. */
static sim_listener *find(const sp_sim_host *h, const sp_address *to)
{
	sim_listener *found = NULL;
	uint64_t n_found = 0;
	SP_LIST_FOREACH (n, &h->sim->worlds) {
		sim_world *w = SP_CONTAINER_OF(n, sim_world, node);
		if (w->host != h || !w->alive)
			continue;
		SP_LIST_FOREACH (m, &w->listeners) {
			sim_listener *l = SP_CONTAINER_OF(m, sim_listener, node);
			if (reaches(to, &l->at) &&
			    (++n_found == 1 || sp_sim_random_below(h->sim, n_found) == 0))
				found = l;
		}
	}
	return found;
}

static bool is_taken(const sp_sim_host *h, const sp_address *at, bool reuse_port)
{
	SP_LIST_FOREACH (n, &h->sim->worlds) {
		sim_world *w = SP_CONTAINER_OF(n, sim_world, node);
		if (w->host != h || !w->alive)
			continue;
		SP_LIST_FOREACH (m, &w->listeners) {
			const sim_listener *l = SP_CONTAINER_OF(m, sim_listener, node);
			if ((reaches(at, &l->at) || reaches(&l->at, at)) && !(reuse_port && l->reuse_port))
				return true;
		}
	}
	return false;
}

static bool is_mine(const sp_sim_host *h, const sp_address *a)
{
	return is_wildcard(a) || is_loopback(a) ||
	       (a->kind == SP_ADDRESS_IP4 && memcmp(a->ip, h->ip4, 4) == 0);
}

static sp_code bind_to(sim_listener *l, sp_sim_host *h, sp_str text, sp_err *err)
{
	SP_TRY(sp_address_parse(text, &l->at, err));
	if (l->at.kind == SP_ADDRESS_FD)
		return sp_fail(err, SP_EUNSUPPORTED, "this world has no descriptors");
	if (l->at.kind == SP_ADDRESS_NAME)
		return sp_fail(err, SP_EINVAL, "address '" SP_FMT "': names cannot be listened on",
			       SP_ARG(text));
	if (is_ip(&l->at) && !is_mine(h, &l->at))
		return sp_fail_sys(err, EADDRNOTAVAIL, "bind '" SP_FMT "'", SP_ARG(text));
	if (is_ip(&l->at) && l->at.port == 0) {
		do
			l->at.port = h->next_port++;
		while (is_taken(h, &l->at, false));
	}
	if (is_taken(h, &l->at, l->reuse_port))
		return sp_fail_sys(err, EADDRINUSE, "bind '" SP_FMT "'", SP_ARG(text));
	if (!is_ip(&l->at)) {
		memcpy(l->text, l->at.name.ptr, l->at.name.len);
		l->at.name.ptr = l->text;
	}
	(void)sp_address_print(&l->at, l->base.address, sizeof l->base.address);
	return SP_OK;
}

sp_code sim_listen(sp_world *base, sp_str address, const sp_listen_opts *opts,
		   void (*on_accept)(void *arg, sp_stream *s), void *arg, sp_listener **ret, sp_err *err)
{
	sim_world *w = sim_of(base);
	sim_listener *l = sp_try_alloc(sizeof *l);
	if (l == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a listener");
	l->base.world = base;
	l->on_accept = on_accept;
	l->arg = arg;
	l->reuse_port = opts->reuse_port;
	sp_code code = bind_to(l, w->host, address, err);
	if (code != SP_OK) {
		sp_free(l);
		return code;
	}
	sp_list_init(&l->node);
	sp_list_push_back(&w->listeners, &l->node);
	*ret = &l->base;
	return SP_OK;
}

void sim_listener_close(sp_listener *base)
{
	sim_listener *l = SP_CONTAINER_OF(base, sim_listener, base);
	sp_list_remove(&l->node);
	sp_free(l);
}

void sim_listeners_close_all(sim_world *w)
{
	SP_LIST_FOREACH (n, &w->listeners)
		sim_listener_close(&SP_CONTAINER_OF(n, sim_listener, node)->base);
}

/* ---- connecting ---- */

typedef struct connecting {
	sp_connect_req *req;
	sp_list node;
	sim_world *world;
	sim_event event; /* the next stage */
	sp_timer timeout;
	sp_sim_host *target; /* NULL: there is no such host */
	sp_address to;
	uint32_t n_tries;
	int errnum;
	bool unresolved;
	sim_stream *stream; /* made, not told yet */
	char text[SP_LIMIT_NAME_BYTES + 8];
} connecting;

static void release(connecting *c)
{
	sp_timer_stop(&c->world->base, &c->timeout);
	sim_event_stop(c->world->sim, &c->event);
	sp_list_remove(&c->node);
	if (c->stream != NULL)
		sim_stream_drop(c->stream);
	sp_free(c);
}

static void finish(connecting *c, sim_stream *s, const sp_err *err)
{
	sp_connect_req *req = c->req;
	sp_err copy = *err;
	req->impl = NULL;
	release(c);
	req->done(req, s == NULL ? NULL : sim_stream_base(s), &copy);
}

static void on_failed(sim_event *e)
{
	connecting *c = SP_CONTAINER_OF(e, connecting, event);
	sp_err err = {0};
	if (c->unresolved)
		(void)sp_fail(&err, SP_EUNAVAILABLE, "resolve '%s': no such host", c->text); /* told here */
	else
		(void)sp_fail_sys(&err, c->errnum, "connect to '%s'", c->text); /* told here */
	finish(c, NULL, &err);
}

static void next_stage(connecting *c, uint64_t delay_ns, uint8_t kind, void (*fn)(sim_event *e))
{
	c->event.fn = fn;
	c->event.kind = kind;
	sim_event_at(c->world->sim, &c->event, c->world->sim->now_ns + delay_ns);
}

static void fail_later(connecting *c, int errnum, uint64_t delay_ns)
{
	c->errnum = errnum;
	next_stage(c, delay_ns, SIM_CONNECTED, on_failed);
}

static void on_timeout(sp_timer *t)
{
	connecting *c = t->arg;
	sp_err err = {0};
	(void)sp_fail(&err, SP_ETIMEOUT, "connect to '%s': no answer in time", c->text); /* told here */
	finish(c, NULL, &err);
}

/* Nobody answers: once more, or the end. */
static void try_again(connecting *c)
{
	if (c->n_tries == TRIES_MAX)
		fail_later(c, ETIMEDOUT, 0);
	else
		next_stage(c, RETRY_NS << c->n_tries++, c->event.kind, c->event.fn);
}

static void on_connected(sim_event *e)
{
	static const sp_err none = {0};
	connecting *c = SP_CONTAINER_OF(e, connecting, event);
	if (sim_is_cut(c->world->sim, c->world->host, c->target))
		try_again(c);
	else
		finish(c, SP_TAKE(c->stream), &none);
}

static void accept_at(connecting *c, sim_listener *l, uint64_t way_ns)
{
	sp_sim *s = c->world->sim;
	sim_stream *ends[2] = {NULL, NULL};
	if (sim_conn_new(c->world, sim_of(l->base.world), ends, NULL) != SP_OK) {
		fail_later(c, ECONNRESET, way_ns);
		return;
	}
	char local[32] = "";
	SP_ASSERT(ends[0] != NULL && ends[1] != NULL);
	if (is_ip(&c->to)) {
		sp_sim_host *h = c->world->host;
		(void)snprintf(local, sizeof local, "%s:%u", is_loopback(&c->to) ? "127.0.0.1" : h->ip,
			       h->next_port++); /* fits */
	}
	sim_stream_name(ends[0], local, c->text, !is_ip(&c->to));
	sim_stream_name(ends[1], c->text, local, !is_ip(&c->to));
	c->stream = ends[0];
	next_stage(c, way_ns, SIM_CONNECTED, on_connected);
	sp_sim_trace(s, sim_of(l->base.world)->id);
	l->on_accept(l->arg, sim_stream_base(ends[1]));
}

static void on_syn(sim_event *e)
{
	connecting *c = SP_CONTAINER_OF(e, connecting, event);
	sp_sim *s = c->world->sim;
	if (c->target == NULL || sim_is_cut(s, c->world->host, c->target) || c->target->is_off) {
		try_again(c);
		return;
	}
	uint64_t way_ns = sim_latency_ns(s, c->world->host, c->target);
	sim_listener *l = sim_chance(s, s->opts.faults.refuse_ppm) ? NULL : find(c->target, &c->to);
	if (l == NULL)
		fail_later(c, is_ip(&c->to) || c->to.kind == SP_ADDRESS_ABSTRACT ? ECONNREFUSED : ENOENT,
			   way_ns);
	else
		accept_at(c, l, way_ns);
}

/* Which host an address belongs to. */
static void resolve(connecting *c)
{
	sp_sim_host *h = c->world->host;
	const sp_sim *s = h->sim;
	c->target = is_ip(&c->to) && !is_mine(h, &c->to) ? NULL : h;
	for (uint32_t i = 0; i < s->n_hosts; i++) {
		sp_sim_host *other = s->hosts[i];
		SP_ASSERT(other != NULL);
		if (c->to.kind == SP_ADDRESS_IP4 && memcmp(c->to.ip, other->ip4, 4) == 0)
			c->target = other;
		if (c->to.kind != SP_ADDRESS_NAME || !sp_str_eq(c->to.name, sp_str_c(other->name)))
			continue;
		c->target = other;
		c->to.kind = SP_ADDRESS_IP4;
		memcpy(c->to.ip, other->ip4, 4);
	}
	if (c->to.kind == SP_ADDRESS_NAME && sp_str_eq(c->to.name, SP_STR("localhost"))) {
		c->to.kind = SP_ADDRESS_IP4;
		memcpy(c->to.ip, (uint8_t[]){127, 0, 0, 1}, 4);
	}
	c->unresolved = c->to.kind == SP_ADDRESS_NAME;
}

sp_code sim_connect(sp_world *base, sp_connect_req *r, sp_str address, uint64_t timeout_ns, sp_err *err)
{
	sim_world *w = sim_of(base);
	sp_address a;
	r->impl = NULL;
	SP_TRY(sp_address_parse(address, &a, err));
	if (a.kind == SP_ADDRESS_FD)
		return sp_fail(err, SP_EINVAL, "address '" SP_FMT "' cannot be connected to",
			       SP_ARG(address));
	if (!w->alive)
		return sp_fail(err, SP_EUNAVAILABLE, "this process is gone");
	connecting *c = sp_try_alloc(sizeof *c);
	if (c == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory to connect");
	c->world = w;
	c->req = r;
	c->timeout.arg = c;
	(void)sp_address_print(&a, c->text, sizeof c->text); /* for messages; unix names are kept in it */
	SP_ASSERT(sp_address_parse(sp_str_c(c->text), &c->to, NULL) == SP_OK);
	sim_event_init(&c->event, w, SIM_SYN, on_syn);
	resolve(c);
	sp_list_init(&c->node);
	sp_list_push_back(&w->connects, &c->node);
	if (c->unresolved)
		fail_later(c, 0, sim_latency_ns(w->sim, w->host, w->host));
	else
		next_stage(c, sim_latency_ns(w->sim, w->host, c->target == NULL ? w->host : c->target),
			   SIM_SYN, on_syn);
	if (timeout_ns != 0)
		sp_timer_start(base, &c->timeout, timeout_ns, on_timeout);
	r->impl = c;
	return SP_OK;
}

void sim_connect_cancel(sp_world *base, sp_connect_req *r)
{
	(void)base;
	release(SP_TAKE(r->impl));
}

void sim_connects_cut(sim_world *w)
{
	SP_LIST_FOREACH (n, &w->connects)
		fail_later(SP_CONTAINER_OF(n, connecting, node), ECONNRESET, 0);
}

void sim_connects_cancel_all(sim_world *w)
{
	SP_LIST_FOREACH (n, &w->connects)
		sim_connect_cancel(&w->base, SP_CONTAINER_OF(n, connecting, node)->req);
}
