/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/streams.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "io/spdy/translate.h"
#include "io/ws/handshake.h"
#include "io/ws/tunnel.h"

#define TICKET_NS (UINT64_C(60) * 1000000000)
#define TICKET_BYTES ((size_t)4 << 20)
#define IDLE_NS (UINT64_C(4) * 3600 * 1000000000)
#define PROTOCOLS_BYTES 1024u
#define SPDY "SPDY/3.1"

/* ---- tickets ---- */

void rt_ticket_free(rt_ticket *t)
{
	sp_timer_stop(t->owner->r->world, &t->timer);
	(void)sp_map_remove(&t->owner->tickets, (sp_str){t->token, RT_TOKEN_CHARS});
	rt_container_unref(t->container);
	rt_sandbox_unref(t->sandbox);
	sp_arena_done(&t->arena);
	sp_free(t);
}

static void on_expired(sp_timer *timer)
{
	rt_ticket_free(timer->arg);
}

static sp_code new_ticket(rt *r, rt_ticket_kind kind, rt_ticket **ret, sp_err *err)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
	rt_streams *o = r->streams;
	uint8_t bytes[RT_TOKEN_CHARS];
	if (sp_map_count(&o->tickets) >= RT_TICKETS_MAX)
		return sp_fail(err, SP_ETOOLARGE, "maximum number of in-flight requests exceeded");
	rt_ticket *t = SP_NEW(rt_ticket);
	*t = (rt_ticket){.owner = o, .kind = kind, .timer = {.arg = t}};
	sp_arena_init(&t->arena, TICKET_BYTES);
	sp_random(r->world, bytes, sizeof bytes);
	for (size_t i = 0; i < sizeof bytes; i++)
		t->token[i] = letters[bytes[i] & 63];
	sp_code code = sp_map_put(&o->tickets, (sp_str){t->token, RT_TOKEN_CHARS}, t, NULL);
	if (code != SP_OK) {
		rt_ticket_free(t);
		return sp_fail(err, code, "no memory for a request");
	}
	sp_timer_start(r->world, &t->timer, TICKET_NS, on_expired);
	*ret = t;
	return SP_OK;
}

static sp_str url_of(rt_job *j, const rt_ticket *t)
{
	static const char *const paths[] = {"exec", "attach", "portforward"};
	return sp_arena_printf(&j->arena, "http://" SP_FMT "/%s/%.*s",
			       SP_ARG(sp_listener_address(t->owner->listener)), paths[t->kind],
			       (int)RT_TOKEN_CHARS, t->token);
}

/* ---- the requests for URLs ---- */

typedef struct wanted {
	bool tty, in, out, err;
} wanted;

static sp_code running(rt_job *j, sp_str id, const wanted *w, rt_container **ret, sp_err *err)
{
	if (id.len == 0)
		return sp_fail(err, SP_EINVAL, "missing required container_id");
	if (w->tty && w->err)
		return sp_fail(err, SP_EINVAL, "tty and stderr cannot both be true");
	if (!w->in && !w->out && !w->err)
		return sp_fail(err, SP_EINVAL, "one of stdin, stdout, or stderr must be set");
	SP_TRY(rt_need_container(j->r, id, ret, err));
	if (rt_container_state(*ret) != SP_CRI_CONTAINER_RUNNING)
		return sp_fail(err, SP_ECONFLICT, "container is in %s state", rt_state_name(*ret));
	return SP_OK;
}

static sp_code container_ticket(rt_job *j, rt_ticket_kind kind, sp_str id, const wanted *w, rt_ticket **ret,
				sp_err *err)
{
	rt_container *c = NULL;
	rt_ticket *t = NULL;
	SP_TRY(running(j, id, w, &c, err));
	SP_TRY(new_ticket(j->r, kind, &t, err));
	SP_ASSERT(c != NULL && t != NULL);
	*ret = t;
	t->container = c;
	t->sandbox = c->sandbox;
	c->n_refs++;
	c->sandbox->n_refs++;
	t->tty = w->tty;
	t->in = w->in;
	t->out = w->out;
	t->err = w->err;
	return SP_OK;
}

sp_code rt_exec(rt_job *j, sp_err *err)
{
	const sp_cri_exec_request *q = j->request;
	const wanted w = {q->tty, q->stdin, q->stdout, q->stderr};
	rt_ticket *t;
	if (q->cmd.n == 0)
		return sp_fail(err, SP_EINVAL, "no command to run");
	SP_TRY(container_ticket(j, RT_TICKET_EXEC, q->container_id, &w, &t, err));
	sp_str *args = sp_try_new(&t->arena, sp_str, q->cmd.n);
	for (size_t i = 0; args != NULL && i < q->cmd.n; i++)
		args[i] = sp_arena_try_dup(&t->arena, q->cmd.at[i]);
	if (args == NULL) {
		rt_ticket_free(t);
		return sp_fail(err, SP_ETOOLARGE, "the command is too long");
	}
	t->args = args;
	t->n_args = q->cmd.n;
	sp_cri_exec_response *a = sp_new(&j->arena, sp_cri_exec_response, 1);
	a->url = url_of(j, t);
	j->response = a;
	return SP_OK;
}

sp_code rt_attach(rt_job *j, sp_err *err)
{
	const sp_cri_attach_request *q = j->request;
	const wanted w = {q->tty, q->stdin, q->stdout, q->stderr};
	rt_ticket *t;
	SP_TRY(container_ticket(j, RT_TICKET_ATTACH, q->container_id, &w, &t, err));
	sp_cri_attach_response *a = sp_new(&j->arena, sp_cri_attach_response, 1);
	a->url = url_of(j, t);
	j->response = a;
	return SP_OK;
}

sp_code rt_port_forward(rt_job *j, sp_err *err)
{
	const sp_cri_port_forward_request *q = j->request;
	rt_sandbox *s;
	rt_ticket *t = NULL;
	if (q->pod_sandbox_id.len == 0)
		return sp_fail(err, SP_EINVAL, "missing required pod_sandbox_id");
	SP_TRY(rt_need_sandbox(j->r, q->pod_sandbox_id, &s, err));
	if (s->rec.phase != RT_SANDBOX_READY || s->stopping)
		return sp_fail(err, SP_ECONFLICT, "sandbox container is not running");
	SP_TRY(new_ticket(j->r, RT_TICKET_FORWARD, &t, err));
	SP_ASSERT(t != NULL);
	t->sandbox = s;
	s->n_refs++;
	sp_cri_port_forward_response *a = sp_new(&j->arena, sp_cri_port_forward_response, 1);
	a->url = url_of(j, t);
	j->response = a;
	return SP_OK;
}

/* ---- HTTP ---- */

/* One upgrade; in the exchange's arena until the tunnel stands. */
typedef struct upgrade {
	rt_streams *owner;
	rt_ticket *ticket; /* taken */
	const sp_channel_protocol *protocol;
	bool websocket;
	char accept[SP_WS_ACCEPT_BYTES];
} upgrade;

static void refuse(sp_http_exchange *ex, uint16_t status, sp_str text)
{
	(void)!sp_http_respond(ex, status, NULL, 0, text, NULL); /* fails when the client is gone */
}

/* The protocols a client offers, all fields of that name in one list. */
static sp_str offered(const sp_http_exchange *ex, sp_http_name name, char room[PROTOCOLS_BYTES])
{
	size_t n = 0;
	sp_str key = name == SP_HTTP_SEC_WEBSOCKET_PROTOCOL ? SP_STR("sec-websocket-protocol")
							    : SP_STR("x-stream-protocol-version");
	for (uint32_t i = 0; i < ex->headers.n; i++) {
		const sp_http_header *h = &ex->headers.at[i];
		if (!sp_str_eq(h->name, key) || h->value.len + 1 > PROTOCOLS_BYTES - n)
			continue;
		if (n > 0)
			room[n++] = ',';
		memcpy(room + n, h->value.ptr, h->value.len);
		n += h->value.len;
	}
	return (sp_str){room, n};
}

static void drop_stream(sp_stream *s)
{
	sp_stream_handle(s, &sp_stream_no_handler, NULL);
	sp_stream_close(s);
}

static void on_translated(void *arg, const sp_err *err)
{
	(void)arg, (void)err; /* both ends tell their own */
}

/* A WebSocket client of exec or attach: a SPDY client of our own stands between. */
static sp_code translate(upgrade *u, sp_stream *client, sp_stream **ret, sp_err *err)
{
	const rt_ticket *t = u->ticket;
	sp_stream *pair[2];
	sp_translate *tr;
	const sp_translate_opts opts = {
		.protocol = u->protocol, .in = t->in, .out = t->out, .err = t->err, .tty = t->tty};
	SP_TRY(sp_stream_pair(u->owner->r->world, pair, err));
	sp_code code =
		sp_translate_start(u->owner->r->world, client, pair[0], &opts, on_translated, NULL, &tr, err);
	if (code != SP_OK) {
		drop_stream(pair[0]);
		drop_stream(pair[1]);
		return code;
	}
	*ret = pair[1];
	return SP_OK;
}

static sp_code below_websocket(upgrade *u, sp_stream *client, sp_stream **ret, sp_err *err)
{
	static const sp_ws_conn_opts tunnel = {.core = {.pieces = true}};
	if (u->ticket->kind == RT_TICKET_FORWARD)
		return sp_ws_tunnel_open(u->owner->r->world, client, &tunnel, ret, err);
	return translate(u, client, ret, err);
}

/* v4 is what the translation speaks towards us. */
static const sp_channel_protocol *inner_protocol(void)
{
	return sp_channel_choose(SP_STR("v4.channel.k8s.io"), true, 4);
}

static void on_tunnel(sp_http_exchange *ex, sp_stream *s)
{
	upgrade *u = ex->arg;
	rt_ticket *t = SP_TAKE(u->ticket);
	u->ticket = t;
	sp_err err;
	if (u->websocket && below_websocket(u, s, &s, &err) != SP_OK) {
		drop_stream(s);
		rt_ticket_free(SP_TAKE(u->ticket));
		return;
	}
	u->ticket = NULL;
	if (t->kind == RT_TICKET_FORWARD)
		rt_forward_start(u->owner, t, s);
	else
		rt_remote_start(u->owner, t, s, u->websocket ? inner_protocol() : u->protocol);
}

static void on_exchange_close(sp_http_exchange *ex, const sp_err *err)
{
	upgrade *u = ex->arg;
	(void)err;
	if (u->ticket != NULL)
		rt_ticket_free(u->ticket);
}

static const sp_http_events upgrade_events = {.on_tunnel = on_tunnel, .on_close = on_exchange_close};

static rt_ticket *take_ticket(rt_streams *o, sp_str path)
{
	static const sp_str prefixes[] = {[RT_TICKET_EXEC] = SP_STR_INIT("/exec/"),
					  [RT_TICKET_ATTACH] = SP_STR_INIT("/attach/"),
					  [RT_TICKET_FORWARD] = SP_STR_INIT("/portforward/")};
	sp_str head;
	if (sp_str_cut(&path, '?', &head))
		path = head;
	for (size_t i = 0; i < SP_LEN(prefixes); i++) {
		sp_str token = path;
		if (!sp_str_take(&token, prefixes[i]))
			continue;
		rt_ticket *t = sp_map_get(&o->tickets, token);
		if (t == NULL || t->kind != (rt_ticket_kind)i)
			return NULL;
		(void)sp_map_remove(&o->tickets, token); /* good once */
		sp_timer_stop(o->r->world, &t->timer);
		return t;
	}
	return NULL;
}

static sp_code choose(upgrade *u, const sp_http_exchange *ex, sp_str *ret_name, sp_err *err)
{
	char room[PROTOCOLS_BYTES];
	bool forward = u->ticket->kind == RT_TICKET_FORWARD;
	sp_str list = offered(
		ex, u->websocket ? SP_HTTP_SEC_WEBSOCKET_PROTOCOL : SP_HTTP_X_STREAM_PROTOCOL_VERSION, room);
	static const sp_str tunnels[] = {SP_STR_INIT(SP_WS_TUNNEL_PORT_FORWARD)};
	static const sp_str plain[] = {SP_STR_INIT("portforward.k8s.io")};
	if (forward) {
		if (sp_ws_protocol_choose(list, u->websocket ? tunnels : plain, 1, ret_name))
			return SP_OK;
		if (!u->websocket && list.len == 0)
			return SP_OK;
	} else {
		u->protocol = sp_channel_choose(list, !u->websocket, u->websocket ? 5 : 4);
		*ret_name = u->protocol != NULL ? u->protocol->name : SP_STR("");
		if (u->protocol != NULL)
			return SP_OK;
	}
	return sp_fail(err, SP_EFORBIDDEN,
		       "unable to upgrade: none of the protocols \"" SP_FMT "\" is supported", SP_ARG(list));
}

static void accept_upgrade(upgrade *u, sp_http_exchange *ex, sp_str name)
{
	sp_str key = sp_http_get(&ex->headers, SP_HTTP_SEC_WEBSOCKET_KEY);
	sp_http_header headers[2];
	size_t n = 0;
	if (u->websocket) {
		if (!sp_ws_key_is_valid(key)) {
			refuse(ex, 400, SP_STR("bad Sec-WebSocket-Key\n"));
			return;
		}
		sp_ws_accept_of(key, u->accept);
		headers[n++] =
			(sp_http_header){SP_STR("sec-websocket-accept"), {u->accept, sizeof u->accept}};
	}
	if (name.len > 0)
		headers[n++] = (sp_http_header){u->websocket ? SP_STR("sec-websocket-protocol")
							     : SP_STR("x-stream-protocol-version"),
						name};
	sp_err err;
	if (sp_http_accept_tunnel(ex, headers, n, &err) != SP_OK)
		refuse(ex, 400, SP_STR("unable to upgrade\n"));
}

static void on_request(void *arg, sp_http_exchange *ex)
{
	rt_streams *o = arg;
	sp_err err;
	sp_str name = {NULL, 0};
	upgrade *u = sp_new(&ex->arena, upgrade, 1);
	u->owner = o;
	sp_http_handle(ex, &upgrade_events, u);
	bool spdy = sp_str_eq_nocase(ex->protocol, SP_STR(SPDY));
	u->websocket = sp_str_eq_nocase(ex->protocol, SP_STR("websocket"));
	if (!spdy && !u->websocket) {
		refuse(ex, 400, SP_STR("an upgrade to SPDY/3.1 or websocket is needed\n"));
		return;
	}
	u->ticket = o->closing ? NULL : take_ticket(o, ex->path);
	if (u->ticket == NULL)
		refuse(ex, 404, SP_STR("404 page not found\n"));
	else if (choose(u, ex, &name, &err) != SP_OK)
		refuse(ex, 403, sp_str_c(err.msg));
	else
		accept_upgrade(u, ex, name);
}

/* ---- sessions ---- */

static void maybe_closed(rt_streams *o)
{
	if (o->closing && o->http_closed && sp_list_is_empty(&o->sessions))
		o->on_closed(o->closed_arg);
}

void rt_session_begin(rt_session *s, rt_streams *o, rt_ticket *t, void (*stop)(rt_session *s))
{
	s->owner = o;
	s->ticket = t;
	s->stop = stop;
	sp_list_push_back(&o->sessions, &s->node);
}

void rt_session_end(rt_session *s)
{
	rt_streams *o = s->owner;
	sp_list_remove(&s->node);
	rt_ticket_free(s->ticket);
	maybe_closed(o);
}

/* ---- life ---- */

static void on_accept(void *arg, sp_stream *s)
{
	rt_streams *o = arg;
	sp_http_server_accept(o->http, s);
}

sp_code rt_streams_new(rt *r, rt_streams **ret, sp_err *err)
{
	rt_streams *o = SP_NEW(rt_streams);
	*o = (rt_streams){.r = r};
	sp_map_init(&o->tickets);
	sp_list_init(&o->sessions);
	const sp_http_server_opts opts = {
		.on_request = on_request, .arg = o, .lax_authority = true, .limits = {.idle_ns = IDLE_NS}};
	sp_code code = sp_http_server_new(r->world, &opts, &o->http, err);
	if (code == SP_OK)
		code = sp_listen(r->world, r->opts->stream_address, NULL, on_accept, o, &o->listener, err);
	if (code != SP_OK) {
		rt_streams_free(o);
		return code;
	}
	*ret = o;
	return SP_OK;
}

static void on_drained(void *arg)
{
	rt_streams *o = arg;
	o->http_closed = true;
	maybe_closed(o);
}

void rt_streams_close(rt_streams *o, void (*done)(void *arg), void *arg)
{
	const sp_map_entry *e;
	o->closing = true;
	o->on_closed = done;
	o->closed_arg = arg;
	sp_listener_close(SP_TAKE(o->listener));
	for (size_t i = 0; (e = sp_map_next(&o->tickets, &i)) != NULL; i = 0)
		rt_ticket_free(e->value);
	SP_LIST_FOREACH (n, &o->sessions) {
		rt_session *s = SP_CONTAINER_OF(n, rt_session, node);
		s->stop(s);
	}
	sp_http_server_drain(o->http, 0, on_drained, o);
}

void rt_streams_free(rt_streams *o)
{
	if (o == NULL)
		return;
	sp_listener_close(o->listener);
	if (o->http != NULL)
		sp_http_server_free(o->http);
	sp_map_done(&o->tickets);
	sp_free(o);
}
