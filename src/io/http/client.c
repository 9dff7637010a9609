/* SPDX-License-Identifier: Apache-2.0 */
/* The client's pool: origins, their connections, and the exchanges that wait for one. */
#include "base/alloc.h"
#include "base/map.h"
#include "base/num.h"
#include "io/http/http_int.h"
#include "io/pump.h"

#include <stdio.h>

#define KEY_MAX_BYTES 512u
#define TRIES_MAX 3u

struct sp_http_client {
	http_pool pool;
	sp_http_client_opts opts;
	sp_map origins;
	uint32_t n_origins;
	bool closing;
	sp_defer gone;
	void (*closed)(void *arg);
	void *closed_arg;
};

typedef struct http_origin {
	sp_http_client *client;
	sp_str key, address, server_name;
	bool tls, h2, h1_only;
	bool known_h1; /* what the last connection spoke: then one more may be opened per waiting exchange */
	const void *tls_config;
	sp_list conns, dials, waiting, over;
	uint32_t n_conns, n_dials, n_waiting;
	uint64_t n_numbered, n_covered; /* exchanges that waited; those that a failed dial was for */
	sp_defer turn;
	char text[];
} http_origin;

typedef struct dialing {
	sp_http_dial dial;
	sp_list node;
	http_origin *origin;
	uint64_t n_covered; /* who waited when it began */
} dialing;

const sp_http_client_opts *http_client_opts(const http_origin *o)
{
	return &o->client->opts;
}

/* ---- exchanges in line ---- */

static void wait_nothing(http_ex *ex)
{
	(void)ex;
}

static void wait_reset(http_ex *ex)
{
	http_origin *o = ex->origin;
	sp_list_remove(&ex->node);
	sp_list_push_back(&o->over, &ex->node);
	o->n_waiting--;
	sp_defer_call(ex->pub.world, &o->turn);
}

static const http_ops waiting_ops = {.out = wait_nothing, .read = wait_nothing, .reset = wait_reset};

static void enqueue(http_origin *o, http_ex *ex, bool first)
{
	ex->ops = &waiting_ops;
	ex->conn = NULL;
	ex->pub.stream = NULL;
	o->n_waiting++;
	ex->call->number = ++o->n_numbered;
	if (first)
		sp_list_push_front(&o->waiting, &ex->node);
	else
		sp_list_push_back(&o->waiting, &ex->node);
	sp_defer_call(ex->pub.world, &o->turn);
}

bool http_client_again(http_ex *ex, bool untouched)
{
	http_call *call = ex->call;
	http_origin *o = ex->origin;
	bool may = untouched || (call->reused && !call->answered && !ex->head_in &&
				 http_method_is_idempotent(ex->pub.method_id));
	if (!may || ex->why != SP_OK || o->client->closing || call->n_tries >= TRIES_MAX ||
	    (call->streaming && ex->pub.n_body_out > 0))
		return false;
	if (!call->streaming && !http_call_body(ex))
		return false;
	sp_http_fields none = {0};
	ex->pub.headers = none;
	ex->head_out = ex->deferred = ex->refused = ex->stream_closed = ex->regular_seen = false;
	ex->head_bytes = 0;
	ex->pub.status = 0;
	ex->pub.content_length = -1;
	sp_list_remove(&ex->node);
	enqueue(o, ex, true);
	return true;
}

/* ---- origins ---- */

static void origin_turn(sp_defer *d);

static void on_gone(sp_defer *d)
{
	sp_http_client *c = d->arg;
	void (*done)(void *arg) = c->closed;
	if (c->n_origins > 0 || done == NULL)
		return;
	c->closed = NULL;
	done(c->closed_arg);
}

static void origin_free(http_origin *o)
{
	sp_http_client *c = o->client;
	(void)sp_map_remove(&c->origins, o->key);
	sp_defer_cancel(&o->turn);
	if (o->tls_config != NULL && c->opts.connector->release != NULL)
		c->opts.connector->release(o->tls_config);
	sp_free(o);
	c->n_origins--;
	if (c->closing)
		sp_defer_call(c->pool.world, &c->gone);
}

/* Host of an authority, without port and brackets. */
static sp_str host_of(sp_str authority)
{
	ptrdiff_t colon = sp_str_rindex(authority, ':'), end = sp_str_rindex(authority, ']');
	if (end > 0 && authority.ptr[0] == '[')
		return sp_str_sub(authority, 1, (size_t)end);
	return colon < 0 ? authority : sp_str_sub(authority, 0, (size_t)colon);
}

/* NULL: *err says why. */
static http_origin *origin_get(sp_http_client *c, const sp_http_request *r, sp_err *err)
{
	char text[KEY_MAX_BYTES];
	bool tls = sp_str_eq(r->scheme, SP_STR("https"));
	bool h1_only = tls && r->protocol.len > 0;
	sp_str name = !tls                     ? SP_STR("")
		      : r->server_name.len > 0 ? r->server_name
		      : r->authority.len > 0   ? host_of(r->authority)
					       : host_of(r->address);
	int n = snprintf(text, sizeof text, "%d%d%d|%p|" SP_FMT "|" SP_FMT, tls, r->h2, h1_only,
			 r->tls_config, SP_ARG(name), SP_ARG(r->address));
	if (n < 0 || (size_t)n >= sizeof text) {
		(void)sp_fail(err, SP_EINVAL, "the address is too long");
		return NULL;
	}
	sp_str key = {text, (size_t)n};
	http_origin *o = sp_map_get(&c->origins, key);
	if (o != NULL)
		return o;
	o = sp_try_alloc(sizeof *o + key.len);
	if (o == NULL) {
		(void)sp_fail(err, SP_ENOMEM, "no memory for an HTTP origin");
		return NULL;
	}
	memcpy(o->text, text, key.len);
	o->key = (sp_str){o->text, key.len};
	o->address = sp_str_sub(o->key, key.len - r->address.len, key.len);
	o->server_name =
		sp_str_sub(o->key, key.len - r->address.len - 1 - name.len, key.len - r->address.len - 1);
	o->client = c;
	o->tls = tls;
	o->h2 = r->h2;
	o->h1_only = h1_only;
	o->known_h1 = !tls && !r->h2;
	o->tls_config = r->tls_config;
	sp_list_init(&o->conns);
	sp_list_init(&o->dials);
	sp_list_init(&o->waiting);
	sp_list_init(&o->over);
	sp_defer_init(&o->turn, origin_turn, o);
	if (sp_map_put(&c->origins, o->key, o, NULL) != SP_OK) {
		sp_free(o);
		(void)sp_fail(err, SP_ENOMEM, "no memory for an HTTP origin");
		return NULL;
	}
	c->n_origins++;
	if (o->tls_config != NULL && c->opts.connector->hold != NULL)
		c->opts.connector->hold(o->tls_config);
	return o;
}

/* Those up to that number: who came after a dial had begun is not failed by it, but gets one of its own. */
static void fail_waiting(http_origin *o, const sp_err *why, uint64_t n_covered)
{
	sp_err err = {0};
	bool keep = why->code == SP_ECANCELED || why->code == SP_ETIMEOUT || why->code == SP_EUNAUTH;
	(void)sp_fail(&err, keep ? why->code : SP_EUNAVAILABLE, "HTTP: cannot connect to " SP_FMT ": %s",
		      SP_ARG(o->address), why->msg);
	err.sys_errno = why->sys_errno;
	sp_list *node;
	sp_list mine, later; /* what a callback adds is not for this error; n_waiting counts these too */
	sp_list_init(&mine);
	sp_list_init(&later);
	while ((node = sp_list_pop_front(&o->waiting)) != NULL)
		sp_list_push_back(SP_CONTAINER_OF(node, http_ex, node)->call->number <= n_covered ? &mine
												  : &later,
				  node);
	while ((node = sp_list_pop_front(&later)) != NULL)
		sp_list_push_back(&o->waiting, node);
	while ((node = sp_list_pop_front(&mine)) != NULL) {
		o->n_waiting--;
		http_ex_close(SP_CONTAINER_OF(node, http_ex, node), &err);
	}
}

/* ---- connecting ---- */

static sp_code conn_start(http_origin *o, sp_stream *s, sp_err *err)
{
	sp_http_client *c = o->client;
	http_conn *conn = NULL;
	bool h2 = o->h2 || sp_str_eq(s->alpn, SP_STR("h2"));
	SP_TRY(h2 ? http2_client_start(o, &c->pool, s, &conn, err)
		  : http1_client_start(o, &c->pool, s, &conn, err));
	o->known_h1 = !h2;
	sp_list_push_back(&o->conns, &conn->node);
	o->n_conns++;
	return SP_OK;
}

static void on_dialed(sp_http_dial *d, sp_stream *s, const sp_err *err)
{
	dialing *di = SP_CONTAINER_OF(d, dialing, dial);
	http_origin *o = di->origin;
	sp_err own = {0};
	uint64_t n_covered = di->n_covered;
	sp_list_remove(&di->node);
	sp_free(di);
	o->n_dials--;
	if (s != NULL && conn_start(o, s, &own) != SP_OK) {
		sp_stream_handle(s, &sp_stream_no_handler, NULL);
		sp_stream_close(s);
		s = NULL;
		err = &own;
	}
	if (s == NULL)
		o->n_covered = SP_MAX(o->n_covered, n_covered);
	if (s == NULL && o->n_conns == 0 && o->n_dials == 0)
		fail_waiting(o, err, o->n_covered);
	sp_defer_call(o->client->pool.world, &o->turn);
}

static sp_code dial(http_origin *o, sp_err *err)
{
	sp_http_client *c = o->client;
	dialing *di = sp_try_alloc(sizeof *di);
	if (di == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory to connect");
	di->origin = o;
	di->n_covered = o->n_numbered;
	di->dial = (sp_http_dial){.world = c->pool.world,
				  .address = o->address,
				  .server_name = o->server_name,
				  .tls = o->tls,
				  .h1_only = o->h1_only,
				  .tls_config = o->tls_config,
				  .timeout_ns = c->opts.connect_ns,
				  .done = on_dialed};
	sp_list_init(&di->node);
	sp_list_push_back(&o->dials, &di->node);
	o->n_dials++;
	sp_code code = c->opts.connector->dial(c->opts.connector_arg, &di->dial, err);
	if (code != SP_OK) {
		sp_list_remove(&di->node);
		sp_free(di);
		o->n_dials--;
	}
	return code;
}

static http_conn *conn_with_room(const http_origin *o)
{
	SP_LIST_FOREACH (node, &o->conns) {
		http_conn *c = SP_CONTAINER_OF(node, http_conn, node);
		if (c->ops->room(c) > 0)
			return c;
	}
	return NULL;
}

static void origin_turn(sp_defer *d)
{
	http_origin *o = d->arg;
	sp_http_client *c = o->client;
	sp_list *node;
	while ((node = sp_list_pop_front(&o->over)) != NULL)
		http_ex_close(SP_CONTAINER_OF(node, http_ex, node), NULL);
	http_conn *conn;
	while (!sp_list_is_empty(&o->waiting) && (conn = conn_with_room(o)) != NULL) {
		http_ex *ex = SP_CONTAINER_OF(o->waiting.next, http_ex, node);
		sp_list_remove(&ex->node);
		o->n_waiting--;
		ex->call->n_tries++;
		conn->ops->start(conn, ex);
	}
	while (o->n_dials < (o->known_h1 ? o->n_waiting : SP_MIN(o->n_waiting, 1u)) && !c->closing &&
	       o->n_conns + o->n_dials < c->opts.n_per_origin) {
		sp_err err = {0};
		if (dial(o, &err) == SP_OK)
			continue;
		if (o->n_conns + o->n_dials == 0)
			fail_waiting(o, &err, o->n_numbered);
		break;
	}
	if (sp_list_is_empty(&o->waiting) && sp_list_is_empty(&o->over) && o->n_conns + o->n_dials == 0)
		origin_free(o);
}

void http_client_room(http_conn *c)
{
	if (c->origin->n_waiting > 0)
		sp_defer_call(c->world, &c->origin->turn);
}

void http_client_lost(http_conn *c)
{
	http_origin *o = c->origin;
	if (sp_list_is_empty(&c->node))
		return; /* it never came into the list */
	sp_list_remove(&c->node);
	o->n_conns--;
	sp_defer_call(c->world, &o->turn);
}

/* ---- requests ---- */

static sp_code request_check(const sp_http_request *r, sp_err *err)
{
	if (r->method.len > 0 && !http_method_ok(r->method))
		return sp_fail(err, SP_EINVAL, "bad method '" SP_FMT "'", SP_ARG(r->method));
	if (r->path.len > 0 && !http_target_ok(r->path))
		return sp_fail(err, SP_EINVAL, "bad path '" SP_FMT "'", SP_ARG(r->path));
	if (!http_authority_ok(r->authority, true) || !http_value_ok(r->protocol))
		return sp_fail(err, SP_EINVAL, "bad authority '" SP_FMT "'", SP_ARG(r->authority));
	if (r->scheme.len > 0 && !sp_str_eq(r->scheme, SP_STR("http")) &&
	    !sp_str_eq(r->scheme, SP_STR("https")))
		return sp_fail(err, SP_EINVAL, "unknown scheme '" SP_FMT "'", SP_ARG(r->scheme));
	SP_TRY(http_headers_check(r->headers, r->n_headers, err));
	for (size_t i = 0; i < r->n_headers; i++) {
		sp_str name = r->headers[i].name;
		if (sp_str_eq(name, SP_STR("host")) ||
		    (sp_http_is_hop_by_hop(name) && !sp_str_eq(name, SP_STR("te"))) ||
		    (!r->streaming && sp_str_eq(name, SP_STR("content-length"))))
			return sp_fail(err, SP_EINVAL, "header " SP_FMT " is the connection's own",
				       SP_ARG(name));
	}
	return SP_OK;
}

static void drop_body(void *arg)
{
	(void)sp_bytes_unref(arg);
}

/* Copies text into the arena; *bad when there is no memory. */
static sp_str keep(http_ex *ex, sp_str s, sp_str otherwise, bool *bad)
{
	if (s.len == 0)
		s = otherwise;
	sp_str copy = sp_arena_try_dup(&ex->pub.arena, s);
	*bad = *bad || copy.ptr == NULL;
	return copy;
}

static bool request_copy(http_ex *ex, const sp_http_request *r)
{
	bool bad = false;
	sp_http_exchange *p = &ex->pub;
	sp_str empty = SP_STR("");
	http_call *call = sp_try_new(&p->arena, http_call, 1);
	if (call == NULL)
		return false;
	ex->call = call;
	p->is_client = true;
	p->method = keep(ex, r->method, SP_STR("GET"), &bad);
	p->method_id = http_method_of(p->method);
	p->scheme = sp_str_eq(r->scheme, SP_STR("https")) ? SP_STR("https") : SP_STR("http");
	bool local = sp_str_starts(r->address, SP_STR("unix:"));
	p->authority = keep(ex, r->authority, local ? SP_STR("localhost") : r->address, &bad);
	p->path = keep(ex, r->path, p->method_id == SP_HTTP_CONNECT ? empty : SP_STR("/"), &bad);
	p->protocol = keep(ex, r->protocol, empty, &bad);
	call->n_headers = r->n_headers;
	call->headers = r->n_headers == 0 ? NULL : sp_try_new(&p->arena, sp_http_header, r->n_headers);
	bad = bad || (r->n_headers > 0 && call->headers == NULL);
	for (size_t i = 0; i < r->n_headers && !bad; i++) {
		call->headers[i].name = keep(ex, r->headers[i].name, empty, &bad);
		call->headers[i].value = keep(ex, r->headers[i].value, empty, &bad);
		if (sp_str_eq(call->headers[i].name, SP_STR("content-length"))) {
			call->has_length = true;
			bad = bad || sp_parse_i64(call->headers[i].value, 0, INT64_MAX, &ex->out_left,
						  NULL) != SP_OK;
		}
	}
	call->tunnel = r->protocol.len > 0 || p->method_id == SP_HTTP_CONNECT;
	call->streaming = r->streaming && !call->tunnel;
	if (bad)
		return false;
	if (r->body != NULL && !call->streaming && !call->tunnel) {
		if (!sp_arena_on_reset(&p->arena, drop_body, r->body))
			return false;
		call->body = sp_bytes_ref(r->body);
	}
	ex->begun = true;
	ex->reading = true;
	ex->out_ended = !call->streaming && !call->tunnel;
	return http_call_body(ex);
}

sp_code sp_http_request_start(sp_http_client *c, const sp_http_request *req, const sp_http_events *events,
			      void *arg, sp_http_exchange **ret, sp_err *err)
{
	sp_err own = {0};
	if (c->closing)
		return sp_fail(err, SP_EUNAVAILABLE, "the HTTP client is closed");
	SP_TRY(request_check(req, err));
	http_origin *o = origin_get(c, req, err == NULL ? &own : err);
	if (o == NULL)
		return err == NULL ? own.code : err->code;
	sp_defer_call(c->pool.world, &o->turn); /* also ends an origin that is not used after all */
	if (o->n_waiting >= c->opts.n_waiting)
		return sp_fail(err, SP_EUNAVAILABLE, "too many requests wait for " SP_FMT,
			       SP_ARG(o->address));
	http_ex *ex = http_ex_new(&c->pool);
	if (ex == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a request");
	if (!request_copy(ex, req)) {
		http_ex_close(ex, NULL); /* no events are set */
		return sp_fail(err, SP_ENOMEM, "no memory for a request");
	}
	sp_http_handle(&ex->pub, events, arg);
	ex->origin = o;
	enqueue(o, ex, false);
	if (req->deadline_ns != 0)
		sp_http_deadline(&ex->pub, req->deadline_ns);
	*ret = &ex->pub;
	return SP_OK;
}

/* ---- the client ---- */

sp_code sp_http_client_new(sp_world *w, const sp_http_client_opts *opts, sp_http_client **ret, sp_err *err)
{
	SP_ASSERT(opts->connector != NULL);
	sp_http_client *c = sp_try_alloc(sizeof *c);
	if (c == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for an HTTP client");
	http_pool_init(&c->pool, w, &opts->limits, 90 * HTTP_NS_PER_S);
	c->opts = *opts;
	if (c->opts.n_per_origin == 0)
		c->opts.n_per_origin = 64;
	if (c->opts.n_waiting == 0)
		c->opts.n_waiting = 1024;
	if (c->opts.connect_ns == 0)
		c->opts.connect_ns = 10 * HTTP_NS_PER_S;
	if (c->opts.ping_ns == 0)
		c->opts.ping_ns = 30 * HTTP_NS_PER_S;
	sp_map_init(&c->origins);
	sp_defer_init(&c->gone, on_gone, c);
	*ret = c;
	return SP_OK;
}

static void origin_close(http_origin *o, const sp_err *err)
{
	while (!sp_list_is_empty(&o->dials)) {
		dialing *di = SP_CONTAINER_OF(o->dials.next, dialing, node);
		sp_list_remove(&di->node);
		o->client->opts.connector->cancel(o->client->opts.connector_arg, &di->dial);
		o->n_dials--;
		sp_free(di);
	}
	fail_waiting(o, err, o->n_numbered);
	SP_LIST_FOREACH (node, &o->conns) {
		http_conn *c = SP_CONTAINER_OF(node, http_conn, node);
		c->ops->kill(c, err);
	}
	sp_defer_call(o->client->pool.world, &o->turn);
}

void sp_http_client_close(sp_http_client *c, void (*done)(void *arg), void *arg)
{
	sp_err err = {0};
	SP_ASSERT(!c->closing);
	c->closing = true;
	c->closed = done;
	c->closed_arg = arg;
	(void)sp_fail(&err, SP_ECANCELED, "the HTTP client was closed");
	const sp_map_entry *e;
	for (size_t i = 0; (e = sp_map_next(&c->origins, &i)) != NULL;)
		origin_close(e->value, &err);
	sp_defer_call(c->pool.world, &c->gone);
}

void sp_http_client_free(sp_http_client *c)
{
	if (c == NULL)
		return;
	SP_ASSERT(c->n_origins == 0);
	sp_defer_cancel(&c->gone);
	sp_map_done(&c->origins);
	http_pool_done(&c->pool);
	sp_free(c);
}
