/* SPDX-License-Identifier: Apache-2.0 */
#include "io/ttrpc/conn.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "io/pump.h"

#define HIGH_BYTES ((size_t)1 << 20)
/* Every open call may answer with a full message while the peer reads nothing. */
#define LIMIT_BYTES (16 * SP_LIMIT_TTRPC_MESSAGE_BYTES)

/* What both sides share: a pump, one timer for the nearest deadline, and why it ended. */
typedef struct wire {
	sp_pump pump;
	sp_timer timer;
	bool have_err, gone;
	sp_err err;
} wire;

static void note_err(wire *l, const sp_err *err)
{
	if (l->have_err)
		return;
	l->have_err = true;
	l->err = *err;
}

static void set_timer(wire *l, uint64_t deadline_ns, void (*fn)(sp_timer *))
{
	sp_world *w = l->pump.world;
	if (deadline_ns == UINT64_MAX || l->gone) {
		sp_timer_stop(w, &l->timer);
		return;
	}
	uint64_t now = sp_now_ns(w);
	sp_timer_start(w, &l->timer, deadline_ns > now ? deadline_ns - now : 0, fn);
}

/* ---- server ---- */

struct sp_ttrpc_server_conn {
	wire wire;
	sp_ttrpc_server_core *core;
	sp_ttrpc_server_opts opts;
	sp_defer turn; /* calls finish outside of feed too */
	bool draining;
};

static void server_turn(sp_ttrpc_server_conn *c);

static void server_end(sp_ttrpc_server_conn *c, const sp_err *err, bool drain)
{
	if (err != NULL)
		note_err(&c->wire, err);
	sp_ttrpc_server_core_end(c->core);
	sp_pump_close(&c->wire.pump, drain);
}

static void server_maybe_free(sp_ttrpc_server_conn *c)
{
	if (!c->wire.gone || sp_ttrpc_server_core_n_calls(c->core) > 0)
		return;
	sp_timer_stop(c->wire.pump.world, &c->wire.timer);
	sp_defer_cancel(&c->turn);
	if (c->opts.on_close != NULL)
		c->opts.on_close(c->opts.arg, c->wire.have_err ? &c->wire.err : NULL);
	sp_ttrpc_server_core_free(c->core);
	sp_pump_done(&c->wire.pump);
	sp_free(c);
}

static void server_expire(sp_timer *t)
{
	sp_ttrpc_server_conn *c = t->arg;
	sp_ttrpc_server_core_expire(c->core, sp_now_ns(c->wire.pump.world));
	server_turn(c);
}

/* After anything happened: write, move the timer, end a drain. */
static void server_turn(sp_ttrpc_server_conn *c)
{
	if (c->wire.gone)
		return;
	if (sp_buf_code(&c->wire.pump.out) != SP_OK) {
		sp_err err = {0};
		(void)sp_fail(&err, sp_buf_code(&c->wire.pump.out), "ttrpc send queue is full");
		server_end(c, &err, false);
		return;
	}
	if (c->wire.pump.out.len > 0)
		sp_pump_flush(&c->wire.pump);
	set_timer(&c->wire, sp_ttrpc_server_core_deadline(c->core), server_expire);
	if (c->draining && sp_ttrpc_server_core_n_active(c->core) == 0)
		server_end(c, NULL, true);
}

static void server_bytes(void *arg, const uint8_t *bytes, size_t n)
{
	sp_ttrpc_server_conn *c = arg;
	sp_err err = {0};
	uint64_t now = sp_now_ns(c->wire.pump.world);
	if (sp_ttrpc_server_core_feed(c->core, (sp_str){(const char *)bytes, n}, now, &err) != SP_OK)
		server_end(c, &err, false);
	else
		server_turn(c);
}

static void server_on_end(void *arg)
{
	server_end(arg, NULL, false); /* the client went away: nobody reads answers */
}

static void server_fail(void *arg, const sp_err *err)
{
	server_end(arg, err, false);
}

static void server_gone(void *arg)
{
	sp_ttrpc_server_conn *c = arg;
	c->wire.gone = true;
	sp_ttrpc_server_core_end(c->core);
	server_maybe_free(c);
}

static const sp_pump_handler server_handler = {server_bytes, server_on_end, server_fail, NULL, server_gone};

static void server_changed(void *owner)
{
	sp_ttrpc_server_conn *c = owner;
	sp_defer_call(c->wire.pump.world, &c->turn);
}

static void server_on_turn(sp_defer *d)
{
	sp_ttrpc_server_conn *c = d->arg;
	if (c->wire.gone)
		server_maybe_free(c);
	else
		server_turn(c);
}

sp_code sp_ttrpc_serve(sp_world *w, sp_stream *s, const sp_ttrpc_server_opts *opts,
		       sp_ttrpc_server_conn **ret, sp_err *err)
{
	sp_ttrpc_server_conn *c = sp_try_alloc(sizeof *c);
	if (c == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a ttrpc connection");
	c->opts = *opts;
	c->wire.timer.arg = c;
	sp_defer_init(&c->turn, server_on_turn, c);
	sp_pump_marks marks = {HIGH_BYTES, HIGH_BYTES, LIMIT_BYTES};
	sp_pump_init(&c->wire.pump, w, s, &marks, &server_handler, c);
	sp_code code = sp_ttrpc_server_core_new(opts->services, opts->n_services, opts->calls_max, c,
						server_changed, &c->wire.pump.out, &c->core, err);
	if (code != SP_OK) {
		sp_pump_done(&c->wire.pump);
		sp_free(c);
		return code;
	}
	sp_pump_start(&c->wire.pump);
	sp_pump_read(&c->wire.pump, true);
	*ret = c;
	return SP_OK;
}

void sp_ttrpc_server_close(sp_ttrpc_server_conn *c)
{
	server_end(c, NULL, false);
}

void sp_ttrpc_server_drain(sp_ttrpc_server_conn *c)
{
	c->draining = true;
	sp_pump_read(&c->wire.pump, false);
	sp_defer_call(c->wire.pump.world, &c->turn);
}

sp_stream *sp_ttrpc_call_stream(const sp_ttrpc_call *call)
{
	sp_ttrpc_server_conn *c = sp_ttrpc_call_owner(call);
	return c->wire.pump.stream;
}

bool sp_ttrpc_call_is_full(const sp_ttrpc_call *call)
{
	sp_ttrpc_server_conn *c = sp_ttrpc_call_owner(call);
	return sp_pump_is_full(&c->wire.pump);
}

/* ---- client ---- */

struct sp_ttrpc_client {
	wire wire;
	sp_ttrpc_client_core *core;
	void (*on_close)(void *arg, const sp_err *err);
	void *arg;
};

static void client_end(sp_ttrpc_client *c, const sp_err *err)
{
	if (err != NULL)
		note_err(&c->wire, err);
	sp_pump_close(&c->wire.pump, false); /* calls end in client_gone, from the loop */
}

static void client_expire(sp_timer *t)
{
	sp_ttrpc_client *c = t->arg;
	sp_ttrpc_client_core_expire(c->core, sp_now_ns(c->wire.pump.world));
	set_timer(&c->wire, sp_ttrpc_client_core_deadline(c->core), client_expire);
}

static void client_bytes(void *arg, const uint8_t *bytes, size_t n)
{
	sp_ttrpc_client *c = arg;
	sp_err err = {0};
	if (sp_ttrpc_client_core_feed(c->core, (sp_str){(const char *)bytes, n}, &err) != SP_OK) {
		client_end(c, &err);
		return;
	}
	set_timer(&c->wire, sp_ttrpc_client_core_deadline(c->core), client_expire);
}

static void client_on_end(void *arg)
{
	client_end(arg, NULL);
}

static void client_fail(void *arg, const sp_err *err)
{
	client_end(arg, err);
}

static void client_gone(void *arg)
{
	sp_ttrpc_client *c = arg;
	c->wire.gone = true;
	sp_timer_stop(c->wire.pump.world, &c->wire.timer);
	sp_ttrpc_client_core_end(c->core, NULL);
	if (c->on_close != NULL)
		c->on_close(c->arg, c->wire.have_err ? &c->wire.err : NULL);
	sp_ttrpc_client_core_free(c->core);
	sp_pump_done(&c->wire.pump);
	sp_free(c);
}

static const sp_pump_handler client_handler = {client_bytes, client_on_end, client_fail, NULL, client_gone};

sp_code sp_ttrpc_client_open(sp_world *w, sp_stream *s, void (*on_close)(void *arg, const sp_err *err),
			     void *arg, sp_ttrpc_client **ret, sp_err *err)
{
	sp_ttrpc_client *c = sp_try_alloc(sizeof *c);
	if (c == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a ttrpc connection");
	c->on_close = on_close;
	c->arg = arg;
	c->wire.timer.arg = c;
	/* A client always reads: a server that waits for it would wait for ever. */
	sp_pump_marks marks = {HIGH_BYTES, SIZE_MAX, LIMIT_BYTES};
	sp_pump_init(&c->wire.pump, w, s, &marks, &client_handler, c);
	sp_code code = sp_ttrpc_client_core_new(&c->wire.pump.out, &c->core, err);
	if (code != SP_OK) {
		sp_pump_done(&c->wire.pump);
		sp_free(c);
		return code;
	}
	sp_pump_start(&c->wire.pump);
	sp_pump_read(&c->wire.pump, true);
	*ret = c;
	return SP_OK;
}

void sp_ttrpc_client_close(sp_ttrpc_client *c)
{
	client_end(c, NULL);
}

/* After something was queued: out with it, or out with the connection. */
static sp_code client_sent(sp_ttrpc_client *c, sp_code code)
{
	sp_pump *p = &c->wire.pump;
	if (sp_buf_code(&p->out) != SP_OK) {
		sp_err err = {0};
		(void)sp_fail(&err, sp_buf_code(&p->out), "ttrpc send queue is full");
		client_end(c, &err);
	} else if (code == SP_OK) {
		sp_pump_flush(p);
		set_timer(&c->wire, sp_ttrpc_client_core_deadline(c->core), client_expire);
	}
	return code;
}

sp_code sp_ttrpc_client_call(sp_ttrpc_client *c, sp_ttrpc_rpc *rpc, const sp_ttrpc_call_opts *opts,
			     sp_err *err)
{
	if (c->wire.pump.want_close)
		return sp_fail(err, SP_EUNAVAILABLE, "ttrpc: closed");
	return client_sent(c,
			   sp_ttrpc_client_core_call(c->core, rpc, opts, sp_now_ns(c->wire.pump.world), err));
}

sp_code sp_ttrpc_client_send(sp_ttrpc_client *c, sp_ttrpc_rpc *rpc, sp_str payload, sp_err *err)
{
	return client_sent(c, sp_ttrpc_rpc_send(rpc, payload, err));
}

sp_code sp_ttrpc_client_close_send(sp_ttrpc_client *c, sp_ttrpc_rpc *rpc, sp_err *err)
{
	return client_sent(c, sp_ttrpc_rpc_close_send(rpc, err));
}

bool sp_ttrpc_client_is_full(const sp_ttrpc_client *c)
{
	return sp_pump_is_full(&c->wire.pump);
}
