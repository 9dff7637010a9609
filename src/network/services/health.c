/* SPDX-License-Identifier: Apache-2.0 */
#include "network/services/health.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/list.h"
#include "io/http.h"

#define CONNECTIONS_MAX 100u /* of one port */
#define TEXT_BYTES_MAX ((size_t)1 << 20)
#define NAME_BYTES 512u

/* A port that is listened at. */
typedef struct door {
	sp_list node;
	net_health *health;
	net_health_kind kind;
	sp_listener *listener;
	sp_http_server *http;
	/* of a service */
	char text[NAME_BYTES];
	sp_str ns, name;
	uint16_t port;
	size_t n_local;
} door;

struct net_health {
	sp_world *world;
	sp_log *log;
	net_status *status;
	sp_list doors, closing;
	void (*stopped)(void *arg);
	void *arg;
	sp_defer none_left;
};

/* ---- answers ---- */

static void answer(sp_http_exchange *ex, uint16_t status, const char *type, sp_str weight, sp_str body)
{
	const sp_http_header headers[] = {
		{.name = SP_STR("content-type"), .value = sp_str_c(type)},
		{.name = SP_STR("x-content-type-options"), .value = SP_STR("nosniff")},
		{.name = SP_STR("x-load-balancing-endpoint-weight"), .value = weight},
	};
	size_t n = SP_LEN(headers) - (weight.len == 0);
	if (sp_http_respond(ex, status, headers, n, body, NULL) != SP_OK)
		sp_http_reset(ex, SP_HTTP2_INTERNAL_ERROR);
}

#define JSON "application/json"
#define TEXT "text/plain; charset=utf-8"

static void tell_health(door *d, sp_http_exchange *ex, bool live)
{
	net_status *s = d->health->status;
	uint64_t now = sp_now_ns(d->health->world);
	bool fine = net_status_is_healthy(s, now) && (live || s->is_eligible);
	SP_AUTO_BUF out;
	sp_buf_init(&out, TEXT_BYTES_MAX);
	s->answers[live][!fine]++;
	(void)net_status_health(s, now, sp_wall_ns(d->health->world), !live, &out);
	answer(ex, fine ? 200 : 503, JSON, SP_STR(""), sp_buf_view(&out));
}

static void tell_healthz(door *d, sp_http_exchange *ex)
{
	tell_health(d, ex, false);
}

static void tell_livez(door *d, sp_http_exchange *ex)
{
	tell_health(d, ex, true);
}

static void tell_metrics(door *d, sp_http_exchange *ex)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, TEXT_BYTES_MAX);
	(void)net_status_metrics(d->health->status, &out);
	answer(ex, 200, "text/plain; version=0.0.4; charset=utf-8", SP_STR(""), sp_buf_view(&out));
}

static void tell_mode(door *d, sp_http_exchange *ex)
{
	(void)d;
	answer(ex, 200, TEXT, SP_STR(""), SP_STR("nftables"));
}

static void tell_ok(door *d, sp_http_exchange *ex)
{
	(void)d;
	answer(ex, 200, TEXT, SP_STR(""), SP_STR("ok"));
}

static void tell_service(door *d, sp_http_exchange *ex)
{
	bool healthy = net_status_is_healthy(d->health->status, sp_now_ns(d->health->world));
	sp_str weight = sp_arena_printf(&ex->arena, "%zu", d->n_local);
	sp_str body = sp_arena_printf(&ex->arena,
				      "{\n\t\"service\": {\n\t\t\"namespace\": \"" SP_FMT
				      "\",\n\t\t\"name\": \"" SP_FMT "\"\n\t},\n\t\"localEndpoints\": %zu,\n"
				      "\t\"serviceProxyHealthy\": %s\n}",
				      SP_ARG(d->ns), SP_ARG(d->name), d->n_local, healthy ? "true" : "false");
	answer(ex, d->n_local > 0 && healthy ? 200 : 503, JSON, weight, body);
}

static const struct {
	net_health_kind kind;
	sp_str path;
	void (*tell)(door *d, sp_http_exchange *ex);
} paths[] = {
	{NET_HEALTH_PROXY, {"/healthz", 8}, tell_healthz},   {NET_HEALTH_PROXY, {"/livez", 6}, tell_livez},
	{NET_HEALTH_METRICS, {"/metrics", 8}, tell_metrics}, {NET_HEALTH_METRICS, {"/healthz", 8}, tell_ok},
	{NET_HEALTH_METRICS, {"/proxyMode", 10}, tell_mode},
};

static void on_request(void *arg, sp_http_exchange *ex)
{
	door *d = arg;
	sp_str rest = ex->path, path = SP_STR("");
	if (d->kind == NET_HEALTH_SERVICE) {
		tell_service(d, ex);
		return;
	}
	(void)sp_str_next(&rest, '?', &path);
	for (size_t i = 0; i < SP_LEN(paths); i++) {
		if (paths[i].kind == d->kind && sp_str_eq(paths[i].path, path)) {
			paths[i].tell(d, ex);
			return;
		}
	}
	answer(ex, 404, TEXT, SP_STR(""), SP_STR("404 page not found\n"));
}

/* ---- doors ---- */

static void on_accept(void *arg, sp_stream *stream)
{
	sp_http_server_accept(((door *)arg)->http, stream);
}

static void door_free(door *d)
{
	sp_list_remove(&d->node);
	sp_listener_close(d->listener);
	if (d->http != NULL)
		sp_http_server_free(d->http);
	sp_free(d);
}

static void check_end(net_health *h)
{
	if (h->stopped != NULL && sp_list_is_empty(&h->closing))
		sp_defer_call(h->world, &h->none_left);
}

static void on_drained(void *arg)
{
	door *d = arg;
	net_health *h = d->health;
	door_free(d);
	check_end(h);
}

static void door_close(door *d)
{
	sp_list_remove(&d->node);
	sp_list_push_back(&d->health->closing, &d->node);
	sp_listener_close(SP_TAKE(d->listener));
	sp_http_server_drain(d->http, 0, on_drained, d);
}

static door *door_new(net_health *h, net_health_kind kind)
{
	door *d = SP_NEW(door);
	*d = (door){.health = h, .kind = kind};
	sp_list_init(&d->node);
	return d;
}

/* Owns the door: it is among the open ones, or gone. */
static sp_code door_open(door *d, const sp_str *addresses, size_t n, sp_err *err)
{
	net_health *h = d->health;
	const sp_http_server_opts http = {
		.n_connections = CONNECTIONS_MAX, .on_request = on_request, .arg = d};
	sp_code code = sp_http_server_new(h->world, &http, &d->http, err);
	for (size_t i = 0; i < n && d->http != NULL && d->listener == NULL; i++)
		code = sp_listen(h->world, addresses[i], NULL, on_accept, d, &d->listener, err);
	if (code != SP_OK) {
		door_free(d);
		return code;
	}
	sp_list_push_back(&h->doors, &d->node);
	return SP_OK;
}

sp_code net_health_listen(net_health *h, net_health_kind kind, sp_str address, sp_err *err)
{
	return door_open(door_new(h, kind), &address, 1, err);
}

static door *find(net_health *h, sp_str ns, sp_str name)
{
	SP_LIST_FOREACH (node, &h->doors) {
		door *d = SP_CONTAINER_OF(node, door, node);
		if (d->kind == NET_HEALTH_SERVICE && sp_str_eq(d->ns, ns) && sp_str_eq(d->name, name))
			return d;
	}
	return NULL;
}

static void open_service(net_health *h, sp_str ns, sp_str name, uint16_t port, size_t n_local)
{
	char any[2][16];
	sp_err err = {0};
	door *d = door_new(h, NET_HEALTH_SERVICE);
	if (ns.len + name.len > sizeof d->text) {
		door_free(d);
		return;
	}
	memcpy(d->text, ns.ptr, ns.len);
	memcpy(d->text + ns.len, name.ptr, name.len);
	d->ns = (sp_str){d->text, ns.len};
	d->name = (sp_str){d->text + ns.len, name.len};
	d->port = port;
	d->n_local = n_local;
	/* The first takes IPv4, too; a machine may have no IPv6. */
	const sp_str addresses[] = {{any[0], (size_t)snprintf(any[0], sizeof any[0], "[::]:%u", port)},
				    {any[1], (size_t)snprintf(any[1], sizeof any[1], "0.0.0.0:%u", port)}};
	if (door_open(d, addresses, SP_LEN(addresses), &err) != SP_OK)
		sp_log(h->log, SP_LOG_ERROR, "a health check node port can't be had", SP_KS("namespace", ns),
		       SP_KS("name", name), SP_KU("port", port), SP_KE(&err));
}

void net_health_service(net_health *h, sp_str ns, sp_str name, uint16_t port, size_t n_local)
{
	door *d = find(h, ns, name);
	if (d != NULL && d->port == port) {
		d->n_local = n_local;
		return;
	}
	if (d != NULL)
		door_close(d);
	if (port != 0)
		open_service(h, ns, name, port, n_local);
}

/* ---- life ---- */

static void on_none_left(sp_defer *defer)
{
	net_health *h = defer->arg;
	h->stopped(h->arg);
}

net_health *net_health_new(sp_world *w, sp_log *log, net_status *status)
{
	net_health *h = SP_NEW(net_health);
	*h = (net_health){.world = w, .log = log, .status = status};
	sp_list_init(&h->doors);
	sp_list_init(&h->closing);
	sp_defer_init(&h->none_left, on_none_left, h);
	return h;
}

void net_health_stop(net_health *h, void (*done)(void *arg), void *arg)
{
	h->stopped = done;
	h->arg = arg;
	while (!sp_list_is_empty(&h->doors))
		door_close(SP_CONTAINER_OF(h->doors.next, door, node));
	check_end(h);
}

void net_health_free(net_health *h)
{
	if (h == NULL)
		return;
	sp_defer_cancel(&h->none_left);
	while (!sp_list_is_empty(&h->doors))
		door_free(SP_CONTAINER_OF(h->doors.next, door, node));
	SP_ASSERT(sp_list_is_empty(&h->closing));
	sp_free(h);
}
