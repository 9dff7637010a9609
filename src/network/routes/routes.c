/* SPDX-License-Identifier: Apache-2.0 */
#include "network/routes/routes.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "io/world.h"

#define NODES_BYTES_MAX ((size_t)256 << 20)
#define NODES_MAX 5000u
#define RETRY_NS UINT64_C(10000000000)

struct net_routes {
	sp_world *world;
	net_routes_opts opts;
	sp_informer *nodes;
	sp_informer_watch watch;
	sp_defer flush;
	sp_timer retry;
	sp_route *at; /* as they were set last, or are being */
	size_t n;
	uint64_t refused; /* digest of what was told */
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

/* What is not granted is told when it is another than before. */
typedef struct refusals {
	net_routes *routes;
	uint64_t digest;
	bool tells;
} refusals;

static void on_refused(void *arg, const net_claim *c, const sp_cidr *prefix, const char *why)
{
	refusals *f = arg;
	char text[SP_IP_TEXT_BYTES];
	sp_str to = {text, sp_cidr_print(text, prefix)};
	f->digest = f->digest * 31 + (sp_fnv1a64(c->name) ^ sp_fnv1a64(to) ^ sp_fnv1a64(sp_str_c(why)));
	if (f->tells)
		sp_log(f->routes->opts.log, SP_LOG_WARN, "no route to the pods of a node",
		       SP_KS("node", c->name), SP_KS("prefix", to), SP_KC("why", why));
}

static size_t grant(net_routes *r, net_claim *claims, size_t n, sp_route *out)
{
	refusals f = {.routes = r};
	const net_grants g = {.own = r->opts.node,
			      .clusters = r->opts.clusters,
			      .n_clusters = r->opts.n_clusters,
			      .refused = on_refused,
			      .arg = &f};
	size_t n_routes = net_grants_make(&g, claims, n, out);
	if (f.digest != r->refused) {
		r->refused = f.digest;
		f.tells = true;
		n_routes = net_grants_make(&g, claims, n, out);
	}
	return n_routes;
}

/* False: no memory. */
static bool gather(net_routes *r, sp_route **ret, size_t *ret_n)
{
	SP_CLEANUP(sp_arena_done) sp_arena a;
	size_t n_nodes = SP_MIN(sp_informer_count(r->nodes), (size_t)NODES_MAX), n = 0;
	const sp_object *o;
	sp_arena_init(&a, NODES_BYTES_MAX);
	net_claim *claims = sp_try_new(&a, net_claim, n_nodes + 1);
	sp_route *at = sp_try_alloc((n_nodes + 1) * NET_CLAIM_PREFIXES_MAX * sizeof *at);
	if (claims == NULL || at == NULL) {
		sp_free(at);
		return false;
	}
	for (size_t i = 0; n < n_nodes && (o = sp_informer_next(r->nodes, &i)) != NULL;)
		n += net_claim_read(&a, o->json, &claims[n]);
	*ret = at;
	*ret_n = grant(r, claims, n, at);
	return true;
}

static bool is_same(const net_routes *r, const sp_route *at, size_t n)
{
	return r->was_set && r->n == n && (n == 0 || memcmp(r->at, at, n * sizeof *at) == 0);
}

static void on_flush(sp_defer *d)
{
	net_routes *r = d->arg;
	sp_route *at;
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
