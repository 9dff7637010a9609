/* SPDX-License-Identifier: Apache-2.0 */
#include "network/services/proxy.h"

#include "base/alloc.h"
#include "base/map.h"
#include "network/objects.h"
#include "network/services/flows.h"
#include "network/services/rules.h"

#define COMMANDS_BYTES_MAX ((size_t)64 << 20)
#define SERVICE_BYTES_MAX ((size_t)64 << 20)
#define SLICES_MAX 1000u
#define PLACE_BYTES_MAX ((size_t)1 << 16)
#define CIDRS_KEY "servicecidrs" /* of no service: theirs have a slash */
#define RETRY_MIN_NS UINT64_C(100000000)
#define RETRY_MAX_NS UINT64_C(30000000000)

/* A service, and the rules for it; all of it in the arena. */
typedef struct drawing {
	sp_arena arena;
	net_service service[NET_FAMILIES];
	net_rules rules[NET_FAMILIES];
} drawing;

/* What the kernel has of a service, and what it is to have after the transaction under way. */
typedef struct entry {
	drawing now, next;
	sp_str key; /* "namespace/name" */
	char text[SP_OBJECT_KEY_BYTES];
	sp_list turn;  /* of the proxy's dirty or changing ones; in none */
	bool is_again; /* it became dirty while it was changing */
	bool is_changing;
} entry;

struct net_proxy {
	sp_world *world;
	net_proxy_opts opts;
	sp_informer *services, *slices, *cidrs, *node;
	unsigned by_service; /* index of slices */
	sp_informer_watch services_watch, slices_watch, cidrs_watch, node_watch;
	sp_arena place_arena;
	net_place place;
	sp_map entries;          /* by key */
	sp_list dirty, changing; /* whose objects changed; whose rules the transaction under way changes */
	sp_defer flush;
	sp_timer retry;
	uint64_t retry_ns;
	sp_buf commands;
	bool may_stray[NET_FAMILIES]; /* endpoints of UDP changed: flows are to be looked through */
	net_family sweeping;          /* the one under way, by these */
	net_flows *flows;
	uint64_t round_ns, sweep_ns; /* when the round, and its sweep, began */
	bool is_full;                /* the round draws everything */
	bool is_set_up, is_running, is_stopping;
	void (*stopped)(void *arg);
	void *arg;
};

/* ---- what changed ---- */

static void soil(net_proxy *p, entry *e)
{
	e->is_again = e->is_changing;
	if (!e->is_changing && sp_list_is_empty(&e->turn))
		sp_list_push_back(&p->dirty, &e->turn);
}

static bool is_synced(const net_proxy *p)
{
	return sp_informer_is_synced(p->services) && sp_informer_is_synced(p->slices);
}

/* Something is to be done, and is not yet. Before the first state is known nobody is late. */
static void wait_for_round(net_proxy *p)
{
	net_status *s = p->opts.status;
	s->queued_ns = sp_wall_ns(p->world);
	if (s->pending_ns == 0 && is_synced(p))
		s->pending_ns = sp_now_ns(p->world);
	sp_defer_call(p->world, &p->flush);
}

static void mark(net_proxy *p, sp_str key)
{
	entry *e = sp_map_get(&p->entries, key);
	if (e == NULL) {
		e = SP_NEW(entry);
		SP_ASSERT(key.len <= sizeof e->text);
		memcpy(e->text, key.ptr, key.len);
		e->key = (sp_str){e->text, key.len};
		sp_list_init(&e->turn);
		sp_arena_init(&e->now.arena, SERVICE_BYTES_MAX);
		sp_arena_init(&e->next.arena, SERVICE_BYTES_MAX);
		/* Ends the process without memory: nobody would look at the service again. */
		SP_ASSERT(sp_map_put(&p->entries, e->key, e, NULL) == SP_OK);
	}
	soil(p, e);
	wait_for_round(p);
}

static void on_service(void *arg, const sp_object *old, const sp_object *now)
{
	net_status *s = ((net_proxy *)arg)->opts.status;
	s->services++;
	s->services_pending++;
	mark(arg, now != NULL ? now->key : old->key);
}

static void index_slice(void *arg, const sp_object *o, yyjson_val *object, sp_index_keys *keys)
{
	char key[SP_OBJECT_KEY_BYTES];
	sp_str service = net_slice_service(object);
	(void)arg;
	size_t n = service.len == 0 ? 0 : sp_object_key(key, o->ns, service);
	sp_index_emit(keys, (sp_str){key, n});
}

static void mark_service_of(net_proxy *p, const sp_object *slice)
{
	SP_CLEANUP(sp_arena_done) sp_arena a;
	char key[SP_OBJECT_KEY_BYTES];
	yyjson_val *root = NULL;
	sp_arena_init(&a, SERVICE_BYTES_MAX);
	if (slice == NULL || sp_json_parse(&a, slice->json, &root, NULL) != SP_OK)
		return;
	sp_str service = net_slice_service(root);
	size_t n = service.len == 0 ? 0 : sp_object_key(key, slice->ns, service);
	if (n > 0)
		mark(p, (sp_str){key, n});
}

static void on_slice(void *arg, const sp_object *old, const sp_object *now)
{
	net_status *s = ((net_proxy *)arg)->opts.status;
	s->endpoints++;
	s->endpoints_pending++;
	mark_service_of(arg, old);
	mark_service_of(arg, now);
}

static void on_cidr(void *arg, const sp_object *old, const sp_object *now)
{
	(void)old, (void)now;
	mark(arg, SP_STR(CIDRS_KEY));
}

static void soil_all(net_proxy *p)
{
	const sp_map_entry *m;
	for (size_t i = 0; (m = sp_map_next(&p->entries, &i)) != NULL;)
		soil(p, m->value);
}

/* U: ProxyHealthServer.NodeEligible; the taint is the cluster autoscaler's. */
static bool is_eligible(const net_node_view *v)
{
	SP_VLIST_FOREACH(taint, v->taints)
	{
		if (sp_str_eq(sp_json_str(yyjson_obj_get(taint, "key")),
			      SP_STR("ToBeDeletedByClusterAutoscaler")))
			return false;
	}
	return v->deleted_at.len == 0;
}

/* Our zone decides which endpoints we use. */
static void on_node(void *arg, const sp_object *old, const sp_object *now)
{
	net_proxy *p = arg;
	SP_CLEANUP(sp_arena_done) sp_arena a;
	net_node_view v = {0};
	sp_arena_init(&a, SERVICE_BYTES_MAX);
	(void)old;
	if (now != NULL && net_view_node(&a, now->json, &v, NULL) != SP_OK)
		return;
	p->opts.status->is_eligible = now != NULL && is_eligible(&v);
	if (sp_str_eq(v.zone, p->place.zone))
		return;
	sp_arena_reset(&p->place_arena);
	p->place.zone = sp_arena_try_dup(&p->place_arena, v.zone);
	soil_all(p);
	wait_for_round(p);
}

/* ---- a transaction ---- */

static void blank(drawing *d)
{
	sp_arena_reset(&d->arena);
	memset(d->service, 0, sizeof d->service);
	memset(d->rules, 0, sizeof d->rules);
}

static sp_code draw_service(net_proxy *p, entry *e, sp_err *err)
{
	sp_str texts[SLICES_MAX];
	size_t n = 0;
	drawing *d = &e->next;
	const sp_object *o = sp_informer_get(p->services, e->key);
	if (o == NULL)
		return SP_OK;
	sp_index_at at = sp_informer_find(p->slices, p->by_service, e->key);
	for (const sp_object *s; n < SLICES_MAX && (s = sp_index_next(&at)) != NULL;)
		texts[n++] = s->json;
	if (sp_str_eq(e->key, p->opts.here)) {
		n = 1;
		SP_TRY(net_service_here(&d->arena, o->json, p->opts.here_ip, &p->place, &texts[0], err));
	}
	for (net_family f = 0; f < NET_FAMILIES; f++) {
		SP_TRY(net_service_read(&d->arena, o->json, texts, n, f, &p->place, &d->service[f], err));
		SP_TRY(net_rules_of(&d->arena, &d->service[f], f, &d->rules[f], err));
	}
	return SP_OK;
}

static sp_code draw_cidrs(net_proxy *p, entry *e, sp_err *err)
{
	drawing *d = &e->next;
	for (net_family f = 0; f < NET_FAMILIES; f++) {
		net_strs all = {0};
		const sp_object *o;
		for (size_t at = 0; (o = sp_informer_next(p->cidrs, &at)) != NULL;)
			SP_TRY(net_service_cidr_read(&d->arena, o->json, f, &all, err));
		SP_TRY(net_rules_of_cidrs(&d->arena, &all, f, &d->rules[f], err));
	}
	return SP_OK;
}

/* One that can't be drawn keeps its rules and is said; others go on. */
static void draw(net_proxy *p, entry *e)
{
	sp_err err = {0};
	blank(&e->next);
	sp_code code =
		sp_str_eq(e->key, SP_STR(CIDRS_KEY)) ? draw_cidrs(p, e, &err) : draw_service(p, e, &err);
	if (code != SP_OK) {
		sp_log(p->opts.log, SP_LOG_ERROR, "a service has no rules", SP_KS("service", e->key),
		       SP_KE(&err));
		return;
	}
	e->is_changing = true;
	sp_list_push_back(&p->changing, &e->turn);
}

static void add_changes(net_proxy *p,
			sp_code (*add)(const net_rules *old, const net_rules *now, net_family f, sp_buf *out))
{
	static const net_rules nothing;
	SP_LIST_FOREACH (node, &p->changing) {
		entry *e = SP_CONTAINER_OF(node, entry, turn);
		for (net_family f = 0; f < NET_FAMILIES; f++)
			(void)add(p->is_set_up ? &e->now.rules[f] : &nothing, &e->next.rules[f], f,
				  &p->commands);
	}
}

static void entry_free(entry *e)
{
	sp_arena_done(&e->now.arena);
	sp_arena_done(&e->next.arena);
	sp_free(e);
}

/* Of both families; a service without addresses any more has neither port nor endpoints. */
static void tell_health(net_proxy *p, const entry *e)
{
	const net_service *v4 = &e->now.service[NET_V4], *v6 = &e->now.service[NET_V6];
	sp_str rest = e->key, ns = SP_STR("");
	if (!sp_str_cut(&rest, '/', &ns))
		return;
	net_health_service(p->opts.health, ns, rest, v4->health_port != 0 ? v4->health_port : v6->health_port,
			   SP_MAX(v4->n_local_ready, v6->n_local_ready));
}

static void settle(net_proxy *p, entry *e, bool done)
{
	bool again = e->is_again || !done;
	e->is_changing = e->is_again = false;
	if (done) {
		drawing old = e->now;
		e->now = e->next;
		e->next = old;
		for (net_family f = 0; f < NET_FAMILIES; f++) {
			p->may_stray[f] |= !net_flows_alike(&e->next.service[f], &e->now.service[f]);
			net_status_count(p->opts.status, f, &e->next.service[f], &e->now.service[f]);
		}
		tell_health(p, e);
		blank(&e->next);
	}
	if (again) {
		soil(p, e);
	} else if (e->now.rules[NET_V4].n + e->now.rules[NET_V6].n == 0) {
		(void)sp_map_remove(&p->entries, e->key);
		entry_free(e);
	}
}

static void settle_all(net_proxy *p, bool done)
{
	for (sp_list *n; (n = sp_list_pop_front(&p->changing)) != NULL;)
		settle(p, SP_CONTAINER_OF(n, entry, turn), done);
}

static void on_retry(sp_timer *t)
{
	sp_defer_call(((net_proxy *)t->arg)->world, &((net_proxy *)t->arg)->flush);
}

/* The rules are there, and no flow strays any more. */
static void end_round(net_proxy *p)
{
	net_status *s = p->opts.status;
	p->is_running = false;
	if (p->is_set_up) {
		uint64_t ns = sp_clock_ns(p->world) - p->round_ns;
		net_histogram_add(&s->sync, ns);
		net_histogram_add(p->is_full ? &s->full : &s->partial, ns);
		s->updated_ns = sp_wall_ns(p->world);
		s->pending_ns = sp_list_is_empty(&p->dirty) ? 0 : sp_now_ns(p->world);
	}
	if (p->is_stopping)
		p->stopped(p->arg);
	else
		sp_defer_call(p->world, &p->flush); /* what became dirty meanwhile */
}

static sp_code gather_flows(net_proxy *p, net_family f, sp_err *err)
{
	const sp_map_entry *m;
	p->flows = net_flows_new();
	for (size_t i = 0; (m = sp_map_next(&p->entries, &i)) != NULL;)
		SP_TRY(net_flows_add(p->flows, &((entry *)m->value)->now.service[f], err));
	return SP_OK;
}

static void sweep_from(net_proxy *p, net_family f);

/* Flows that stay by an error are looked at again after the next transaction. */
static void on_swept(void *arg, size_t n, const sp_err *err)
{
	net_proxy *p = arg;
	net_flows_free(SP_TAKE(p->flows));
	net_histogram_add(&p->opts.status->sweeps[p->sweeping], sp_clock_ns(p->world) - p->sweep_ns);
	p->opts.status->n_swept[p->sweeping] += n;
	if (err != NULL) {
		p->may_stray[p->sweeping] = true;
		sp_log(p->opts.log, SP_LOG_ERROR, "UDP flows to endpoints that are gone may have stayed",
		       SP_KE(err));
	} else if (n > 0) {
		sp_log(p->opts.log, SP_LOG_DEBUG, "UDP flows to endpoints that are gone were removed",
		       SP_KU("flows", n));
	}
	sweep_from(p, p->sweeping + 1);
}

static void sweep_from(net_proxy *p, net_family f)
{
	while (f < NET_FAMILIES && !p->may_stray[f])
		f++;
	if (f == NET_FAMILIES || p->is_stopping) {
		end_round(p);
		return;
	}
	sp_err err = {0};
	p->may_stray[f] = false;
	p->sweeping = f;
	p->sweep_ns = sp_clock_ns(p->world);
	if (gather_flows(p, f, &err) != SP_OK)
		on_swept(p, 0, &err);
	else if (net_flows_is_empty(p->flows))
		on_swept(p, 0, NULL);
	else
		p->opts.sweeper->sweep(p->opts.sweeper, f == NET_V4, net_flows_is_stale, p->flows, on_swept,
				       p);
}

static void on_run(void *arg, const sp_err *err)
{
	net_proxy *p = arg;
	settle_all(p, err == NULL);
	p->is_set_up = err == NULL;
	if (err == NULL) {
		p->retry_ns = RETRY_MIN_NS;
		sweep_from(p, NET_V4);
		return;
	}
	/* The kernel may have another table than we think: begin anew. */
	p->opts.status->failures++;
	sp_log(p->opts.log, SP_LOG_ERROR, "nftables refused the rules of services", SP_KE(err));
	if (!p->is_stopping) {
		sp_timer_start(p->world, &p->retry, p->retry_ns, on_retry);
		p->retry_ns = SP_MIN(2 * p->retry_ns, RETRY_MAX_NS);
	}
	end_round(p);
}

/* Every service is drawn again, into tables that are empty. */
static void begin_anew(net_proxy *p)
{
	(void)net_rules_setup(&p->commands);
	soil_all(p);
}

static void on_flush(sp_defer *d)
{
	net_proxy *p = d->arg;
	if (p->is_running || p->is_stopping || sp_timer_is_running(&p->retry) || !is_synced(p) ||
	    (p->is_set_up && sp_list_is_empty(&p->dirty)))
		return;
	if (p->opts.status->pending_ns == 0)
		p->opts.status->pending_ns = sp_now_ns(p->world);
	sp_buf_clear(&p->commands);
	p->round_ns = sp_clock_ns(p->world);
	p->is_full = !p->is_set_up;
	if (!p->is_set_up)
		begin_anew(p);
	p->opts.status->services_pending = p->opts.status->endpoints_pending = 0;
	for (sp_list *n; (n = sp_list_pop_front(&p->dirty)) != NULL;)
		draw(p, SP_CONTAINER_OF(n, entry, turn));
	add_changes(p, net_rules_take);
	add_changes(p, net_rules_put);
	if (sp_buf_code(&p->commands) == SP_OK && p->commands.len == 0) {
		p->is_running = true;
		settle_all(p, true);
		sweep_from(p, NET_V4);
		return;
	}
	if (sp_buf_code(&p->commands) != SP_OK) {
		sp_log(p->opts.log, SP_LOG_ERROR, "the rules of services are too many");
		settle_all(p, false);
		return;
	}
	p->is_running = true;
	p->opts.runner->run(p->opts.runner, sp_buf_view(&p->commands), on_run, p);
}

static void on_synced(void *arg)
{
	sp_defer_call(((net_proxy *)arg)->world, &((net_proxy *)arg)->flush);
}

/* ---- life ---- */

static sp_code follow(net_proxy *p, sp_err *err)
{
	sp_str ours = sp_arena_printf(&p->place_arena, "metadata.name=" SP_FMT, SP_ARG(p->opts.node));
	const sp_informer_opts services = {.gvr = SP_SERVICES}, slices = {.gvr = SP_ENDPOINTSLICES},
			       cidrs = {.gvr = SP_SERVICECIDRS},
			       node = {.gvr = SP_NODES, .field_selector = ours};
	SP_TRY(sp_informers_get(p->opts.informers, &services, &p->services, err));
	SP_TRY(sp_informers_get(p->opts.informers, &slices, &p->slices, err));
	SP_TRY(sp_informers_get(p->opts.informers, &cidrs, &p->cidrs, err));
	SP_TRY(sp_informers_get(p->opts.informers, &node, &p->node, err));
	SP_TRY(sp_informer_index(p->slices, index_slice, NULL, &p->by_service, err));
	p->services_watch = (sp_informer_watch){.on_change = on_service, .arg = p};
	p->slices_watch = (sp_informer_watch){.on_change = on_slice, .arg = p};
	sp_informer_watch_add(p->services, &p->services_watch);
	sp_informer_watch_add(p->slices, &p->slices_watch);
	p->cidrs_watch = (sp_informer_watch){.on_change = on_cidr, .arg = p};
	p->node_watch = (sp_informer_watch){.on_change = on_node, .arg = p};
	sp_informer_watch_add(p->cidrs, &p->cidrs_watch);
	sp_informer_watch_add(p->node, &p->node_watch);
	sp_informers_on_synced(p->opts.informers, on_synced, p);
	mark(p, SP_STR(CIDRS_KEY));
	return SP_OK;
}

sp_code net_proxy_new(sp_world *w, const net_proxy_opts *o, net_proxy **ret, sp_err *err)
{
	net_proxy *p = SP_NEW(net_proxy);
	*p = (net_proxy){.world = w,
			 .opts = *o,
			 .place = {.node = o->node},
			 .retry = {.arg = p},
			 .retry_ns = RETRY_MIN_NS};
	sp_arena_init(&p->place_arena, PLACE_BYTES_MAX);
	sp_map_init(&p->entries);
	sp_list_init(&p->dirty);
	sp_list_init(&p->changing);
	sp_buf_init(&p->commands, COMMANDS_BYTES_MAX);
	sp_defer_init(&p->flush, on_flush, p);
	sp_code code = follow(p, err);
	if (code != SP_OK) {
		net_proxy_free(p);
		return code;
	}
	*ret = p;
	return SP_OK;
}

void net_proxy_stop(net_proxy *p, void (*done)(void *arg), void *arg)
{
	SP_ASSERT(!p->is_stopping);
	p->is_stopping = true;
	p->stopped = done;
	p->arg = arg;
	sp_timer_stop(p->world, &p->retry);
	if (!p->is_running)
		done(arg);
}

void net_proxy_free(net_proxy *p)
{
	const sp_map_entry *m;
	if (p == NULL)
		return;
	SP_ASSERT(!p->is_running);
	sp_timer_stop(p->world, &p->retry);
	sp_defer_cancel(&p->flush);
	sp_informer_watch_remove(&p->services_watch);
	sp_informer_watch_remove(&p->slices_watch);
	sp_informer_watch_remove(&p->cidrs_watch);
	sp_informer_watch_remove(&p->node_watch);
	for (size_t i = 0; (m = sp_map_next(&p->entries, &i)) != NULL;)
		entry_free(m->value);
	sp_map_done(&p->entries);
	sp_buf_done(&p->commands);
	sp_arena_done(&p->place_arena);
	sp_free(p);
}
