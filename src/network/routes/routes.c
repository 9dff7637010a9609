/* SPDX-License-Identifier: Apache-2.0 */
#include "network/routes/routes.h"

#include "base/alloc.h"
#include "base/json.h"
#include "io/world.h"

#define NODE_BYTES_MAX ((size_t)4 << 20)
#define NODES_MAX 5000u
#define RETRY_NS UINT64_C(10000000000)

/* ---- one node ---- */

static bool address_of(yyjson_val *node, bool v4, sp_ip *ret)
{
	yyjson_val *item;
	size_t i, n;
	yyjson_arr_foreach(sp_view_at(node, "status.addresses"), i, n, item)
	{
		if (sp_str_eq(sp_view_str_at(item, "type"), SP_STR("InternalIP")) &&
		    sp_ip_parse(sp_view_str_at(item, "address"), ret) && ret->v4 == v4)
			return true;
	}
	return false;
}

static bool is_sane(const net_route *r)
{
	sp_ip network = sp_cidr_network(&r->to);
	return !r->to.ip.mapped && r->to.n_bits >= (r->to.ip.v4 ? 8 : 16) && !sp_ip_is_loopback(&network) &&
	       !sp_ip_is_link_local_unicast(&network) && !sp_ip_is_link_local_multicast(&network) &&
	       !sp_ip_is_unspecified(&r->via) && !sp_ip_is_loopback(&r->via) &&
	       !sp_cidr_contains(&r->to, &r->via);
}

static void add(yyjson_val *node, sp_str prefix, net_route *out, size_t *n)
{
	net_route *r = &out[*n];
	if (*n < NET_ROUTES_OF_NODE_MAX && sp_cidr_parse(prefix, &r->to) &&
	    address_of(node, r->to.ip.v4, &r->via) && is_sane(r))
		(*n)++;
}

size_t net_routes_of(sp_str node_json, net_route out[NET_ROUTES_OF_NODE_MAX])
{
	SP_CLEANUP(sp_arena_done) sp_arena a;
	yyjson_val *node, *item;
	size_t i, n_items, n = 0;
	sp_arena_init(&a, NODE_BYTES_MAX);
	if (sp_json_parse(&a, node_json, &node, NULL) != SP_OK)
		return 0;
	yyjson_val *many = sp_view_at(node, "spec.podCIDRs");
	yyjson_arr_foreach(many, i, n_items, item)
	{
		add(node, sp_json_str(item), out, &n);
	}
	if (many == NULL)
		add(node, sp_view_str_at(node, "spec.podCIDR"), out, &n);
	return n;
}

/* ---- all of them ---- */

struct net_routes {
	sp_world *world;
	net_routes_opts opts;
	sp_informer *nodes;
	sp_informer_watch watch;
	sp_defer flush;
	sp_timer retry;
	net_route *at; /* as they were set last, or are being */
	size_t n;
	bool was_set, is_setting, is_dirty, is_stopping;
	void (*stopped)(void *arg);
	void *arg;
};

static void on_retry(sp_timer *t)
{
	net_routes *r = t->arg;
	sp_defer_call(r->world, &r->flush);
}

static void on_set(void *arg, const sp_err *err)
{
	net_routes *r = arg;
	r->is_setting = false;
	r->was_set = err == NULL;
	if (r->is_stopping) {
		r->stopped(r->arg);
		return;
	}
	if (err != NULL) {
		sp_log(r->opts.log, SP_LOG_WARN, "a route to pods of another node can't be set", SP_KE(err));
		sp_timer_start(r->world, &r->retry, RETRY_NS, on_retry);
	}
	if (r->is_dirty)
		sp_defer_call(r->world, &r->flush);
}

/* False: no memory. */
static bool gather(net_routes *r, net_route **ret, size_t *ret_n)
{
	size_t n_nodes = SP_MIN(sp_informer_count(r->nodes), (size_t)NODES_MAX), n = 0;
	net_route *at = sp_try_alloc((n_nodes + 1) * NET_ROUTES_OF_NODE_MAX * sizeof *at);
	const sp_object *o;
	if (at == NULL)
		return false;
	for (size_t i = 0, k = 0; k < n_nodes && (o = sp_informer_next(r->nodes, &i)) != NULL; k++) {
		if (!sp_str_eq(o->name, r->opts.node))
			n += net_routes_of(o->json, &at[n]);
	}
	*ret = at;
	*ret_n = n;
	return true;
}

static bool is_same(const net_routes *r, const net_route *at, size_t n)
{
	return r->was_set && r->n == n && (n == 0 || memcmp(r->at, at, n * sizeof *at) == 0);
}

static void on_flush(sp_defer *d)
{
	net_routes *r = d->arg;
	net_route *at;
	size_t n;
	if (r->is_setting || r->is_stopping || !sp_informer_is_synced(r->nodes))
		return;
	r->is_dirty = false;
	if (!gather(r, &at, &n)) {
		sp_timer_start(r->world, &r->retry, RETRY_NS, on_retry);
		return;
	}
	if (is_same(r, at, n)) {
		sp_free(at);
		return;
	}
	sp_free(r->at);
	r->at = at;
	r->n = n;
	r->is_setting = true;
	sp_timer_stop(r->world, &r->retry);
	r->opts.router->set(r->opts.router, r->at, r->n, on_set, r);
}

static void on_node(void *arg, const sp_object *old, const sp_object *now)
{
	net_routes *r = arg;
	(void)old, (void)now;
	r->is_dirty = true;
	sp_defer_call(r->world, &r->flush);
}

static void on_synced(void *arg)
{
	on_node(arg, NULL, NULL);
}

sp_code net_routes_new(sp_world *w, const net_routes_opts *o, net_routes **ret, sp_err *err)
{
	net_routes *r = SP_NEW(net_routes);
	r->world = w;
	r->opts = *o;
	r->retry.arg = r;
	sp_defer_init(&r->flush, on_flush, r);
	sp_code code = sp_informers_get(o->informers, &(sp_informer_opts){.gvr = SP_NODES}, &r->nodes, err);
	if (code == SP_OK)
		code = sp_informer_keep_path(r->nodes, SP_STR("spec.podCIDR"));
	if (code == SP_OK)
		code = sp_informer_keep_path(r->nodes, SP_STR("spec.podCIDRs"));
	if (code == SP_OK)
		code = sp_informer_keep_path(r->nodes, SP_STR("status.addresses"));
	if (code != SP_OK) {
		sp_free(r);
		return code;
	}
	r->watch = (sp_informer_watch){.on_change = on_node, .arg = r};
	sp_informer_watch_add(r->nodes, &r->watch);
	sp_informers_on_synced(o->informers, on_synced, r);
	*ret = r;
	return SP_OK;
}

void net_routes_stop(net_routes *r, void (*done)(void *arg), void *arg)
{
	r->is_stopping = true;
	r->stopped = done;
	r->arg = arg;
	sp_timer_stop(r->world, &r->retry);
	if (!r->is_setting)
		done(arg);
}

void net_routes_free(net_routes *r)
{
	if (r == NULL)
		return;
	sp_informer_watch_remove(&r->watch);
	sp_defer_cancel(&r->flush);
	sp_timer_stop(r->world, &r->retry);
	sp_free(r->at);
	sp_free(r);
}
