/* SPDX-License-Identifier: Apache-2.0 */
#include "controllers/slice_topology.h"

#include <stdlib.h>

#include "base/quantity.h"

#define ZONE "topology.kubernetes.io/zone"
#define AUTO "auto" /* the key of the index */
#define ZONES_BYTES_MAX ((size_t)16 << 20)

typedef struct node_view {
	sp_vmap labels, allocatable;
	sp_vlist conditions;
} node_view;
SP_VIEW(node_desc, node_view, "v1/Node", SP_V(node_view, labels, "metadata.labels"),
	SP_V(node_view, allocatable, "status.allocatable"), SP_V(node_view, conditions, "status.conditions"));

/* ---- zones ---- */

/* What counts of a node; zone in the arena it was read by. */
typedef struct capacity {
	bool counts; /* ready, and for pods of anybody */
	sp_str zone;
	int64_t cpu; /* thousandths */
} capacity;

static bool is_ready(sp_vlist conditions)
{
	SP_VLIST_FOREACH(c, conditions)
	{
		if (sp_str_eq(sp_json_str(sp_json_last(c, SP_STR("type"))), SP_STR("Ready")))
			return sp_str_eq(sp_json_str(sp_json_last(c, SP_STR("status"))), SP_STR("True"));
	}
	return false;
}

static bool is_excluded(sp_vmap labels)
{
	return sp_vmap_str(labels, SP_STR("node-role.kubernetes.io/control-plane")).ptr != NULL ||
	       sp_vmap_str(labels, SP_STR("node-role.kubernetes.io/master")).ptr != NULL;
}

static capacity read_node(sp_arena *a, const sp_object *o)
{
	node_view v;
	sp_qty cpu;
	capacity c = {.counts = false};
	if (o == NULL || sp_view(a, o->json, &node_desc, &v, NULL) != SP_OK || is_excluded(v.labels) ||
	    !is_ready(v.conditions))
		return c;
	c.counts = true;
	c.zone = sp_vmap_str(v.labels, SP_STR(ZONE));
	if (sp_qty_parse(sp_vmap_str(v.allocatable, SP_STR("cpu")), &cpu, NULL) == SP_OK)
		c.cpu = SP_MAX(sp_qty_milli(&cpu), INT64_C(0));
	return c;
}

static topology_zone *zone_of(slice_topology *t, sp_str name)
{
	size_t i = 0;
	while (i < t->n_zones && !sp_str_eq(t->zones[i].name, name))
		i++;
	if (i == t->n_zones)
		t->zones[t->n_zones++] = (topology_zone){.name = sp_arena_try_dup(&t->arena, name)};
	return t->zones[i].name.ptr == NULL ? NULL : &t->zones[i];
}

static int order(const void *a, const void *b)
{
	return sp_str_cmp(((const topology_zone *)a)->name, ((const topology_zone *)b)->name);
}

/* False: of one of the nodes too little is known. */
static bool add_nodes(slice_topology *t, sp_arena *a, double *total)
{
	const sp_object *o;
	for (size_t at = 0; (o = sp_informer_next(t->nodes, &at)) != NULL;) {
		sp_arena_reset(a);
		capacity c = read_node(a, o);
		if (!c.counts)
			continue;
		topology_zone *z = c.zone.len == 0 || c.cpu == 0 ? NULL : zone_of(t, c.zone);
		if (z == NULL)
			return false;
		z->ratio += (double)c.cpu;
		*total += (double)c.cpu;
	}
	return true;
}

static sp_code count_zones(slice_topology *t)
{
	double total = 0;
	sp_arena a;
	if (t->is_counted)
		return SP_OK;
	sp_arena_reset(&t->arena);
	t->n_zones = 0;
	t->zones = sp_try_new(&t->arena, topology_zone, sp_informer_count(t->nodes) + 1);
	if (t->zones == NULL)
		return SP_ENOMEM;
	sp_arena_init(&a, ZONES_BYTES_MAX);
	if (!add_nodes(t, &a, &total) || t->n_zones < 2)
		t->n_zones = 0;
	sp_arena_done(&a);
	for (size_t i = 0; i < t->n_zones; i++)
		t->zones[i].ratio /= total;
	qsort(t->zones, t->n_zones, sizeof *t->zones, order);
	t->is_counted = true;
	return SP_OK;
}

/* ---- changes ---- */

static bool is_same(const capacity *a, const capacity *b)
{
	return a->counts == b->counts && a->cpu == b->cpu && sp_str_eq(a->zone, b->zone);
}

static void on_node(void *arg, const sp_object *old, const sp_object *now)
{
	slice_topology *t = arg;
	const sp_object *o;
	sp_arena a;
	sp_arena_init(&a, ZONES_BYTES_MAX);
	capacity was = read_node(&a, old), is = read_node(&a, now);
	bool same = is_same(&was, &is);
	sp_arena_done(&a);
	if (same)
		return;
	t->is_counted = false;
	sp_index_at at = sp_informer_find(t->services, t->services_auto, SP_STR(AUTO));
	while ((o = sp_index_next(&at)) != NULL)
		sp_queue_add(t->c->queue, o->key);
}

bool slice_topology_is_auto(sp_vmap annotations)
{
	sp_str mode = sp_vmap_str(annotations, SP_STR("service.kubernetes.io/topology-aware-hints"));
	if (mode.ptr == NULL)
		mode = sp_vmap_str(annotations, SP_STR("service.kubernetes.io/topology-mode"));
	return sp_str_eq(mode, SP_STR("Auto")) || sp_str_eq(mode, SP_STR("auto"));
}

static void index_auto(void *arg, const sp_object *o, yyjson_val *object, sp_index_keys *keys)
{
	yyjson_val *meta = sp_json_last(object, SP_STR("metadata"));
	(void)arg;
	(void)o;
	if (slice_topology_is_auto((sp_vmap){sp_json_last(meta, SP_STR("annotations"))}))
		sp_index_emit(keys, SP_STR(AUTO));
}

sp_code slice_topology_open(slice_topology *t, controller *c, sp_informer *nodes, sp_informer *services,
			    sp_err *err)
{
	t->c = c;
	t->nodes = nodes;
	t->services = services;
	sp_arena_init(&t->arena, ZONES_BYTES_MAX);
	key_set_init(&t->hinted);
	if (sp_informer_keep(nodes, &node_desc) != SP_OK)
		return sp_fail(err, SP_ENOMEM, "no memory for an informer");
	SP_TRY(sp_informer_index(services, index_auto, NULL, &t->services_auto, err));
	controller_watch(nodes, &t->watch, on_node, t);
	return SP_OK;
}

void slice_topology_done(slice_topology *t)
{
	key_set_done(&t->hinted);
	sp_arena_done(&t->arena);
}

/* ---- a service ---- */

static void tell(const slice_topology *t, const sp_object *service, const char *family, topology_outcome o,
		 size_t n)
{
	const sp_event_ref about = ctl_event_ref(service, "v1", "Service");
	const char *message = topology_message(o);
	if (o == TOPOLOGY_HINTED)
		sp_events_emitf(t->c->events, &about, false, "TopologyAwareHintsEnabled",
				"%s, addressType: %s", message, family);
	else if (o == TOPOLOGY_FEW_ENDPOINTS || o == TOPOLOGY_OVERLOAD)
		sp_events_emitf(t->c->events, &about, true, "TopologyAwareHintsDisabled",
				"%s (%zu endpoints, %zu zones), addressType: %s", message, n, t->n_zones,
				family);
	else
		sp_events_emitf(t->c->events, &about, true, "TopologyAwareHintsDisabled",
				"%s, addressType: %s", message, family);
}

sp_code slice_topology_hint(slice_topology *t, const sp_object *service, const char *family,
			    topology_slice *slices, size_t n)
{
	size_t n_ready;
	SP_TRY(count_zones(t));
	topology_outcome o = topology_hints(t->zones, t->n_zones, slices, n, &n_ready);
	if (o != TOPOLOGY_HINTED)
		(void)key_set_remove(&t->hinted, service->key);
	if (o != TOPOLOGY_HINTED || !key_set_has(&t->hinted, service->key))
		tell(t, service, family, o, n_ready);
	if (o == TOPOLOGY_HINTED)
		(void)key_set_add(&t->hinted, service->key); /* without memory it is told again */
	return SP_OK;
}

void slice_topology_off(slice_topology *t, const sp_object *service, const char *family)
{
	const sp_event_ref about = ctl_event_ref(service, "v1", "Service");
	if (key_set_remove(&t->hinted, service->key))
		sp_events_emitf(t->c->events, &about, true, "TopologyAwareHintsDisabled",
				"Topology Aware Hints has been disabled, addressType: %s", family);
}

void slice_topology_forget(slice_topology *t, sp_str key)
{
	(void)key_set_remove(&t->hinted, key);
}
