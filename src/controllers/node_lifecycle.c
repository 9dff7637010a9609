/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nodes: taints that follow their conditions, and the end of trust in a node that is not heard of. A node is
 * heard of when its Lease or its Ready condition changes, by our own clock. U: kubernetes
 * pkg/controller/nodelifecycle.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/map.h"
#include "controllers/fan.h"
#include "controllers/node_zones.h"
#include "controllers/pods.h"
#include "controllers/table.h"

#define NS_PER_S UINT64_C(1000000000)
#define GRACE_NS (50 * NS_PER_S)   /* node-monitor-grace-period */
#define STARTUP_NS (60 * NS_PER_S) /* node-startup-grace-period */
#define BODY_BYTES_MAX ((size_t)1 << 20)
#define PREFIX "node.kubernetes.io/"

typedef struct node_view {
	sp_str deleted;
	bool unschedulable;
	sp_vlist taints, conditions;
	sp_vmap labels;
} node_view;
SP_VIEW(node_view_desc, node_view, "v1/Node", SP_V(node_view, deleted, "metadata.deletionTimestamp"),
	SP_V(node_view, unschedulable, "spec.unschedulable"), SP_V(node_view, taints, "spec.taints"),
	SP_V(node_view, conditions, "status.conditions"), SP_V(node_view, labels, "metadata.labels"));

typedef struct lease_view {
	sp_str renewed;
} lease_view;
SP_VIEW(lease_view_desc, lease_view, "coordination.k8s.io/v1/Lease",
	SP_V(lease_view, renewed, "spec.renewTime"));

/* When a node was heard of. */
typedef struct health {
	uint64_t heard_ns;
	char renewed[40], heartbeat[40], uid[64];
	node_place place;
	size_t key_len;
	char key[];
} health;

typedef struct node_controller {
	controller base;
	sp_informer *nodes, *leases, *pods;
	unsigned pods_by_node;
	sp_informer_watch watch, lease_watch;
	sp_map healths;
	node_zones zones;
} node_controller;

typedef struct run {
	node_controller *c;
	sp_job *job;
	const sp_object *object;
	node_view view;
	ctl_conditions conditions;
	uint64_t left_ns; /* of trust; 0: it is over */
	uint64_t turn_ns; /* until it may be evicted from; 0: not known, or it may */
	bool evicts;      /* taints that drive pods away may stand */
	sp_str ready;     /* status of Ready, as it is and as it is to be */
	ctl_pod *pods;
	size_t n_pods;
	sp_call call;
	fan fan;
	sp_code code;
	sp_err err;
} run;

static void end(run *x, sp_code code, const sp_err *err)
{
	if (code != SP_OK && code != SP_ECONFLICT && err != NULL)
		sp_log(x->c->base.log, SP_LOG_WARN, "node: trying again", SP_KS("name", x->job->key),
		       SP_KE(err));
	uint64_t again_ns = x->left_ns > 0 ? x->left_ns + NS_PER_S / 10 : 0;
	if (x->turn_ns > 0 && (again_ns == 0 || x->turn_ns < again_ns))
		again_ns = x->turn_ns;
	if (code == SP_OK && again_ns > 0)
		sp_job_again(x->job, again_ns);
	else
		sp_job_done(x->job, code);
}

/* ---- heartbeats ---- */

static health *health_of(node_controller *c, sp_str name)
{
	health *h = sp_map_get(&c->healths, name);
	if (h != NULL)
		return h;
	h = sp_try_alloc(sizeof *h + name.len);
	if (h == NULL)
		return NULL;
	h->heard_ns = sp_now_ns(c->base.world);
	h->key_len = name.len;
	memcpy(h->key, name.ptr, name.len);
	if (sp_map_put(&c->healths, (sp_str){h->key, name.len}, h, NULL) == SP_OK)
		return h;
	sp_free(h);
	return NULL;
}

/* True: the text is another one than last time. */
static bool note(char last[40], sp_str text)
{
	size_t n = SP_MIN(text.len, (size_t)39);
	if (strlen(last) == n && (n == 0 || memcmp(last, text.ptr, n) == 0))
		return false;
	if (n > 0)
		memcpy(last, text.ptr, n);
	last[n] = '\0';
	return true;
}

/* The Ready condition; NULL: there is none. */
static yyjson_val *ready_of(sp_vlist conditions)
{
	SP_VLIST_FOREACH(c, conditions)
	{
		if (sp_str_eq(sp_json_str(sp_json_last(c, SP_STR("type"))), SP_STR("Ready")))
			return c;
	}
	return NULL;
}

static bool is_ready(sp_vlist conditions)
{
	return sp_str_eq(sp_json_str(sp_json_last(ready_of(conditions), SP_STR("status"))), SP_STR("True"));
}

/* How long a node may be silent: one that never said whether it is ready has another measure. */
static uint64_t grace_of(const node_controller *c, bool has_spoken)
{
	const controllers_config *config = c->base.config;
	if (has_spoken)
		return config->node_monitor_grace_ns == 0 ? GRACE_NS : config->node_monitor_grace_ns;
	return config->node_startup_grace_ns == 0 ? STARTUP_NS : config->node_startup_grace_ns;
}

static sp_code listen(run *x, sp_err *err)
{
	health *h = health_of(x->c, x->job->key);
	lease_view lease = {.renewed = SP_STR("")};
	uint64_t now = sp_now_ns(x->c->base.world);
	const sp_object *o = sp_informer_get_in(x->c->leases, SP_STR("kube-node-lease"), x->job->key);
	if (h == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a node");
	if (o != NULL)
		SP_TRY(sp_view(x->job->arena, o->json, &lease_view_desc, &lease, err));
	bool renewed = note(h->renewed, lease.renewed),
	     beat = note(h->heartbeat, sp_json_str(sp_json_last(ready_of(x->view.conditions),
								SP_STR("lastHeartbeatTime"))));
	if (renewed || beat)
		h->heard_ns = now;
	uint64_t until = h->heard_ns + grace_of(x->c, ready_of(x->view.conditions) != NULL);
	x->left_ns = until > now ? until - now : 0;
	return SP_OK;
}

/* ---- conditions of a node that is not heard of ---- */

static void doubt(run *x)
{
	const char *const types[] = {"Ready", "MemoryPressure", "DiskPressure", "PIDPressure"};
	sp_str now = ctl_now(x->c->base.world, x->job->arena);
	for (size_t i = 0; i < SP_LEN(types); i++) {
		const ctl_condition *old = ctl_condition_find(&x->conditions, types[i]);
		if (old != NULL && sp_str_eq(old->status, SP_STR("Unknown")))
			continue;
		ctl_condition_set(
			&x->conditions,
			&(ctl_condition){.type = sp_str_c(types[i]),
					 .status = SP_STR("Unknown"),
					 .reason = old != NULL ? SP_STR("NodeStatusUnknown")
							       : SP_STR("NodeStatusNeverUpdated"),
					 .message = old != NULL
							    ? SP_STR("Kubelet stopped posting node status.")
							    : SP_STR("Kubelet never posted node status."),
					 .transition = now},
			false);
	}
}

/* ---- taints ---- */

typedef struct rule {
	const char *type, *status, *key;
} rule;
static const rule rules[] = {
	{"Ready", "False", PREFIX "not-ready"},
	{"Ready", "Unknown", PREFIX "unreachable"},
	{"MemoryPressure", "True", PREFIX "memory-pressure"},
	{"DiskPressure", "True", PREFIX "disk-pressure"},
	{"PIDPressure", "True", PREFIX "pid-pressure"},
	{"NetworkUnavailable", "True", PREFIX "network-unavailable"},
};

/* Whether a taint of ours should be there; false for those of others too. */
static bool is_wanted(run *x, sp_str key, bool no_execute)
{
	if (sp_str_eq(key, SP_STR(PREFIX "unschedulable")))
		return !no_execute && x->view.unschedulable;
	for (size_t i = 0; i < SP_LEN(rules); i++) {
		const ctl_condition *c = ctl_condition_find(&x->conditions, rules[i].type);
		if (sp_str_eq(key, sp_str_c(rules[i].key)))
			return c != NULL && sp_str_eq(c->status, sp_str_c(rules[i].status)) &&
			       (!no_execute || (i < 2 && x->evicts));
	}
	return false;
}

static bool is_ours(sp_str key, sp_str effect)
{
	bool no_execute = sp_str_eq(effect, SP_STR("NoExecute"));
	if (!no_execute && !sp_str_eq(effect, SP_STR("NoSchedule")))
		return false;
	if (!no_execute && sp_str_eq(key, SP_STR(PREFIX "unschedulable")))
		return true;
	for (size_t i = 0; i < (no_execute ? 2 : SP_LEN(rules)); i++) {
		if (sp_str_eq(key, sp_str_c(rules[i].key)))
			return true;
	}
	return false;
}

static bool has_taint(const run *x, sp_str key, const char *effect)
{
	SP_VLIST_FOREACH(t, x->view.taints)
	{
		if (sp_str_eq(sp_json_str(sp_json_last(t, SP_STR("key"))), key) &&
		    sp_str_eq(sp_json_str(sp_json_last(t, SP_STR("effect"))), sp_str_c(effect)))
			return true;
	}
	return false;
}

static void add_taint(run *x, sp_jout *j, sp_str key, const char *effect, bool *changed)
{
	if (!is_wanted(x, key, effect[2] == 'E') || has_taint(x, key, effect))
		return;
	*changed = true;
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("key"), key);
	sp_jout_member_str(j, SP_STR("effect"), sp_str_c(effect));
	if (effect[2] == 'E')
		sp_jout_member_str(j, SP_STR("timeAdded"), ctl_now(x->c->base.world, x->job->arena));
	sp_jout_close(j, '}');
}

/* The list as it should be. True: it differs. */
static bool write_taints(run *x, sp_jout *j)
{
	bool changed = false;
	sp_jout_open(j, '[');
	SP_VLIST_FOREACH(t, x->view.taints)
	{
		sp_str key = sp_json_str(sp_json_last(t, SP_STR("key")));
		sp_str effect = sp_json_str(sp_json_last(t, SP_STR("effect")));
		if (is_ours(key, effect) && !is_wanted(x, key, sp_str_eq(effect, SP_STR("NoExecute")))) {
			changed = true;
			continue;
		}
		if (j->comma)
			(void)sp_buf_char(j->out, ',');
		(void)sp_json_write(j->out, t);
		j->comma = true;
	}
	for (size_t i = 0; i < SP_LEN(rules); i++)
		add_taint(x, j, sp_str_c(rules[i].key), "NoSchedule", &changed);
	add_taint(x, j, SP_STR(PREFIX "unschedulable"), "NoSchedule", &changed);
	for (size_t i = 0; i < 2; i++)
		add_taint(x, j, sp_str_c(rules[i].key), "NoExecute", &changed);
	sp_jout_close(j, ']');
	return changed;
}

/* Pods are driven away when it is this node's turn; one that is being left goes on to be, by either taint. */
static void decide_evicting(run *x)
{
	health *h = sp_map_get(&x->c->healths, x->job->key);
	bool fails = !sp_str_eq(x->ready, SP_STR("True"));
	bool has = has_taint(x, SP_STR(PREFIX "not-ready"), "NoExecute") ||
		   has_taint(x, SP_STR(PREFIX "unreachable"), "NoExecute");
	if (!fails || h == NULL || x->c->zones.all_are_full)
		return;
	x->evicts = has ||
		    node_zones_may_evict(&x->c->zones, &h->place, sp_now_ns(x->c->base.world), &x->turn_ns);
}

/* ---- labels ---- */

static const struct {
	const char *now, *old;
} twins[] = {
	{"kubernetes.io/os", "beta.kubernetes.io/os"},
	{"kubernetes.io/arch", "beta.kubernetes.io/arch"},
};

/* The older name of a label says the same. True: one is written. */
static bool write_labels(const run *x, sp_jout *j)
{
	bool changed = false;
	for (size_t i = 0; i < SP_LEN(twins); i++) {
		sp_str want = sp_vmap_str(x->view.labels, sp_str_c(twins[i].now));
		sp_str have = sp_vmap_str(x->view.labels, sp_str_c(twins[i].old));
		if (want.ptr == NULL || (have.ptr != NULL && sp_str_eq(want, have)))
			continue;
		if (!changed)
			sp_jout_member_open(j, SP_STR("labels"), '{');
		changed = true;
		sp_jout_member_str(j, sp_str_c(twins[i].old), want);
	}
	if (changed)
		sp_jout_close(j, '}');
	return changed;
}

/* ---- writing ---- */

static void on_taints(sp_call *c, const sp_answer *a)
{
	run *x = c->arg;
	end(x, a->code == SP_ENOTFOUND ? SP_OK : a->code, a->err);
}

static void ask(run *x, sp_str subresource, sp_str body, void (*done)(sp_call *c, const sp_answer *a))
{
	x->call = (sp_call){.done = done, .arg = x};
	sp_call_start(x->c->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_MERGE_PATCH,
				.gvr = SP_NODES,
				.name = x->object->name,
				.subresource = subresource,
				.body = body});
}

static void taint(run *x)
{
	char revision[24];
	SP_AUTO_BUF list, body;
	sp_buf_init(&list, BODY_BYTES_MAX);
	sp_buf_init(&body, BODY_BYTES_MAX);
	sp_jout j = sp_jout_to(&list);
	decide_evicting(x);
	bool tainted = write_taints(x, &j);
	int n = snprintf(revision, sizeof revision, "%llu", (unsigned long long)x->object->revision);
	j = sp_jout_to(&body);
	sp_jout_open(&j, '{');
	sp_jout_member_open(&j, SP_STR("metadata"), '{');
	sp_jout_member_str(&j, SP_STR("uid"), x->object->uid);
	sp_jout_member_str(&j, SP_STR("resourceVersion"), (sp_str){revision, (size_t)n});
	bool labelled = write_labels(x, &j);
	sp_jout_close(&j, '}');
	if (tainted) {
		sp_jout_member_open(&j, SP_STR("spec"), '{');
		sp_jout_member_raw(&j, SP_STR("taints"), sp_buf_view(&list));
		sp_jout_close(&j, '}');
	}
	sp_jout_close(&j, '}');
	if (tainted || labelled)
		ask(x, SP_STR(""), sp_buf_view(&body), on_taints);
	else
		end(x, x->code, &x->err);
}

/* Pods of a node that is not ready are not ready, whatever they said last. */
static sp_code ask_pod(fan *f, size_t i, sp_ask *q, sp_err *err)
{
	const run *x = f->arg;
	(void)err;
	q->verb = SP_ASK_STRATEGIC_PATCH;
	q->gvr = SP_PODS;
	q->ns = x->pods[i].object->ns;
	q->name = x->pods[i].object->name;
	q->subresource = SP_STR("status");
	q->body = SP_STR("{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\"}]}}");
	return SP_OK;
}

static sp_code each_pod(fan *f, size_t i, const sp_answer *a)
{
	(void)f;
	(void)i;
	return a->code == SP_ENOTFOUND ? SP_OK : a->code;
}

static void on_pods(fan *f)
{
	run *x = f->arg;
	x->code = f->code;
	x->err = f->err;
	taint(x);
}

static sp_code doubt_pods(run *x, sp_err *err)
{
	const sp_object *o;
	size_t n = sp_informer_find_count(x->c->pods, x->c->pods_by_node, x->job->key);
	x->pods = sp_try_new(x->job->arena, ctl_pod, n + 1);
	if (x->pods == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for %zu pods", n);
	sp_index_at at = sp_informer_find(x->c->pods, x->c->pods_by_node, x->job->key);
	while ((o = sp_index_next(&at)) != NULL && !sp_str_eq(x->ready, SP_STR("True"))) {
		SP_TRY(ctl_pod_read(x->job->arena, o, &x->pods[x->n_pods], err));
		if (x->pods[x->n_pods].is_ready && ctl_hold(x->job->arena, o) != NULL)
			x->n_pods++;
	}
	x->fan = (fan){.client = x->c->base.client,
		       .arena = x->job->arena,
		       .n = x->n_pods,
		       .ask = ask_pod,
		       .each = each_pod,
		       .done = on_pods,
		       .arg = x};
	fan_start(&x->fan);
	return SP_OK;
}

static void on_status(sp_call *c, const sp_answer *a)
{
	run *x = c->arg;
	end(x, a->code == SP_ENOTFOUND ? SP_OK : a->code, a->err); /* its event brings the taints */
}

static void write_status(run *x)
{
	sp_event_ref ref = {.api_version = SP_STR("v1"),
			    .kind = SP_STR("Node"),
			    .name = x->object->name,
			    .uid = x->object->uid};
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	sp_jout j = sp_jout_to(&body);
	sp_events_emitf(x->c->base.events, &ref, false, "NodeNotReady",
			"Node " SP_FMT " status is now: NodeNotReady", SP_ARG(x->object->name));
	ctl_status_open(&j, x->object);
	ctl_conditions_write(&j, &x->conditions);
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	ask(x, SP_STR("status"), sp_buf_view(&body), on_status);
}

/* ---- a sync ---- */

static void tell(node_controller *c, sp_str name, sp_str uid, const char *reason, const char *what,
		 const char *where)
{
	const sp_event_ref about = {
		.api_version = SP_STR("v1"), .kind = SP_STR("Node"), .name = name, .uid = uid};
	sp_events_emitf(c->base.events, &about, false, reason,
			"Node " SP_FMT " event: %s " SP_FMT " %s Controller", SP_ARG(name), what,
			SP_ARG(name), where);
}

static void forget(node_controller *c, sp_str name)
{
	health *h = sp_map_remove(&c->healths, name);
	if (h != NULL)
		tell(c, name, sp_str_c(h->uid), "RemovingNode", "Removing Node", "from");
	sp_free(h);
}

/* Another node may have the name by now. */
static void greet(run *x)
{
	health *h = sp_map_get(&x->c->healths, x->job->key);
	if (h == NULL || sp_str_eq(sp_str_c(h->uid), x->object->uid))
		return;
	(void)snprintf(h->uid, sizeof h->uid, SP_FMT, SP_ARG(x->object->uid));
	tell(x->c, x->object->name, x->object->uid, "RegisteredNode", "Registered Node", "in");
}

static sp_code begin(run *x, sp_err *err)
{
	SP_TRY(sp_view(x->job->arena, x->object->json, &node_view_desc, &x->view, err));
	SP_TRY(listen(x, err));
	greet(x);
	ctl_conditions_read(x->view.conditions, &x->conditions);
	if (x->left_ns == 0)
		doubt(x);
	if (x->conditions.changed) {
		write_status(x);
		return SP_OK;
	}
	const ctl_condition *ready = ctl_condition_find(&x->conditions, "Ready");
	x->ready =
		ready == NULL ? SP_STR("True") : ready->status; /* one that never spoke has no ready pods */
	return doubt_pods(x, err);
}

static void sync_node(controller *base, sp_job *job)
{
	node_controller *c = SP_CONTAINER_OF(base, node_controller, base);
	const sp_object *o = sp_informer_get(c->nodes, job->key);
	sp_err err = {0};
	if (o == NULL) {
		forget(c, job->key);
		sp_job_done(job, SP_OK);
		return;
	}
	run *x = sp_new(job->arena, run, 1);
	*x = (run){.c = c, .job = job, .object = ctl_hold(job->arena, o)};
	sp_code code = x->object == NULL ? SP_ENOMEM : begin(x, &err);
	if (code != SP_OK)
		end(x, code, &err);
}

/* ---- zones ---- */

/* Region and zone as one text; empty: neither is known. */
static size_t zone_key(const node_view *v, char *room, size_t size)
{
	sp_str zone = sp_vmap_str(v->labels, SP_STR("topology.kubernetes.io/zone"));
	sp_str region = sp_vmap_str(v->labels, SP_STR("topology.kubernetes.io/region"));
	if (zone.len == 0)
		zone = sp_vmap_str(v->labels, SP_STR("failure-domain.beta.kubernetes.io/zone"));
	if (region.len == 0)
		region = sp_vmap_str(v->labels, SP_STR("failure-domain.beta.kubernetes.io/region"));
	if (zone.len == 0 && region.len == 0)
		return 0;
	int n = snprintf(room, size, SP_FMT ":" SP_FMT, SP_ARG(region), SP_ARG(zone));
	return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

/* A zone is another one now: every node is looked at. When some node is ready again after none was, all have
 * their whole time to be heard of. */
static void on_zones_changed(node_controller *c, bool was_all_full)
{
	const sp_map_entry *e;
	bool trust = was_all_full && !c->zones.all_are_full;
	for (size_t i = 0; (e = sp_map_next(&c->healths, &i)) != NULL;) {
		if (trust)
			((health *)e->value)->heard_ns = sp_now_ns(c->base.world);
		sp_queue_add(c->base.queue, e->key);
	}
}

static bool note_node(node_controller *c, const sp_object *o)
{
	node_view v;
	char key[600];
	sp_arena a;
	bool changed = false;
	health *h = health_of(c, o->name);
	sp_arena_init(&a, (size_t)16 << 20);
	if (h != NULL && sp_view(&a, o->json, &node_view_desc, &v, NULL) == SP_OK) {
		bool counts =
			sp_vmap_str(v.labels, SP_STR("node.kubernetes.io/exclude-disruption")).ptr == NULL;
		sp_str zone = {key, zone_key(&v, key, sizeof key)};
		if (node_zones_note(&c->zones, &h->place, zone, counts, is_ready(v.conditions), &changed) !=
		    SP_OK)
			sp_log(c->base.log, SP_LOG_WARN, "no memory for a zone of nodes",
			       SP_KS("name", o->name));
	}
	sp_arena_done(&a);
	return changed;
}

static void on_node(void *arg, const sp_object *old, const sp_object *now)
{
	node_controller *c = arg;
	bool was_all_full = c->zones.all_are_full, changed = false;
	health *h = now != NULL ? NULL : sp_map_get(&c->healths, old->name);
	if (now != NULL)
		changed = note_node(c, now);
	else if (h != NULL)
		changed = node_zones_forget(&c->zones, &h->place);
	if (changed)
		on_zones_changed(c, was_all_full);
	sp_queue_add(c->base.queue, (now != NULL ? now : old)->name);
}

/* Only a node that was given up needs to be looked at when its lease is renewed; others are when their time
 * comes. */
static void on_lease(void *arg, const sp_object *old, const sp_object *now)
{
	node_controller *c = arg;
	const health *h = now == NULL ? NULL : sp_map_get(&c->healths, now->name);
	(void)old;
	if (h != NULL && sp_now_ns(c->base.world) - h->heard_ns >= grace_of(c, true))
		sp_queue_add(c->base.queue, now->name);
}

static void keys_of_pod(void *arg, const sp_object *o, yyjson_val *object, sp_index_keys *keys)
{
	(void)arg;
	(void)o;
	sp_index_emit(keys,
		      sp_json_str(sp_json_last(sp_json_last(object, SP_STR("spec")), SP_STR("nodeName"))));
}

static sp_code open_nodes(controller *base, sp_err *err)
{
	node_controller *c = SP_CONTAINER_OF(base, node_controller, base);
	sp_map_init(&c->healths);
	node_zones_init(&c->zones, base->config->zone_limits);
	SP_TRY(controller_follow(base, SP_NODES, &node_view_desc, &c->nodes, err));
	SP_TRY(controller_follow(base, SP_PODS, ctl_pod_view, &c->pods, err));
	SP_TRY(sp_informers_get(base->informers,
				&(sp_informer_opts){.gvr = SP_LEASES, .ns = SP_STR("kube-node-lease")},
				&c->leases, err));
	sp_code code = sp_informer_keep(c->leases, &lease_view_desc);
	if (code != SP_OK)
		return sp_fail(err, code, "no memory for an informer");
	SP_TRY(sp_informer_index(c->pods, keys_of_pod, NULL, &c->pods_by_node, err));
	controller_watch(c->nodes, &c->watch, on_node, c);
	controller_watch(c->leases, &c->lease_watch, on_lease, c);
	return SP_OK;
}

static void done(controller *base)
{
	node_controller *c = SP_CONTAINER_OF(base, node_controller, base);
	sp_map_done_values(&c->healths);
	node_zones_done(&c->zones);
}

const controller_type controller_node_lifecycle = {.name = "node-lifecycle-controller",
						   .account = "node-controller",
						   .component = "node-controller",
						   .size_bytes = sizeof(node_controller),
						   .n_workers = 8,
						   .open = open_nodes,
						   .sync = sync_node,
						   .done = done};
