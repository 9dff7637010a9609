/* SPDX-License-Identifier: Apache-2.0 */
#include "controllers/daemon_set_int.h"

#include <string.h>

#include "base/alloc.h"
#include "base/map.h"
#include "controllers/table.h"

#define NS_PER_S UINT64_C(1000000000)
#define FIRST_PAUSE_NS NS_PER_S /* before a failed pod is deleted once more */
#define PAUSE_NS_MAX (UINT64_C(15) * 60 * NS_PER_S)
#define SWEEP_NS (60 * NS_PER_S)
#define SWEPT_AT_ONCE 64u

SP_VIEW(ds_view_desc, ds_view, "apps/v1/DaemonSet", SP_V(ds_view, deleted, "metadata.deletionTimestamp"),
	SP_V(ds_view, generation, "metadata.generation"), SP_V(ds_view, annotations, "metadata.annotations"),
	SP_V(ds_view, selector, "spec.selector"), SP_V(ds_view, template_, "spec.template"),
	SP_V(ds_view, strategy, "spec.updateStrategy.type"),
	SP_V(ds_view, max_unavailable, "spec.updateStrategy.rollingUpdate.maxUnavailable"),
	SP_V(ds_view, max_surge, "spec.updateStrategy.rollingUpdate.maxSurge"),
	SP_V(ds_view, min_ready_s, "spec.minReadySeconds"),
	SP_VH(ds_view, history, "spec.revisionHistoryLimit"),
	SP_V(ds_view, observed, "status.observedGeneration"),
	SP_V(ds_view, n_desired, "status.desiredNumberScheduled"),
	SP_V(ds_view, n_current, "status.currentNumberScheduled"),
	SP_V(ds_view, n_misscheduled, "status.numberMisscheduled"),
	SP_V(ds_view, n_ready, "status.numberReady"),
	SP_V(ds_view, n_updated, "status.updatedNumberScheduled"),
	SP_V(ds_view, n_available, "status.numberAvailable"),
	SP_V(ds_view, n_unavailable, "status.numberUnavailable"),
	SP_V(ds_view, collisions, "status.collisionCount"));

typedef struct place_view {
	yyjson_val *required;
} place_view;
SP_VIEW(place_view_desc, place_view, "v1/Pod",
	SP_V(place_view, required,
	     "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution"));

/* ---- failed pods: deleted with growing pauses, for a kubelet may refuse each new one ---- */

typedef struct ds_failure {
	uint64_t pause_ns, since_ns;
	size_t key_len;
	char key[];
} ds_failure;

static bool is_over(const ds_failure *f, uint64_t now_ns)
{
	return now_ns - f->since_ns > 2 * PAUSE_NS_MAX;
}

static void sweep(ds_controller *c, uint64_t now_ns)
{
	ds_failure *old[SWEPT_AT_ONCE];
	size_t n = 0;
	const sp_map_entry *e;
	if (now_ns - c->swept_ns < SWEEP_NS)
		return;
	c->swept_ns = now_ns;
	for (size_t i = 0; n < SWEPT_AT_ONCE && (e = sp_map_next(&c->failures, &i)) != NULL;) {
		if (is_over(e->value, now_ns))
			old[n++] = e->value;
	}
	for (size_t i = 0; i < n; i++) {
		(void)sp_map_remove(&c->failures, (sp_str){old[i]->key, old[i]->key_len});
		sp_free(old[i]);
	}
}

/* One more failure at that place; 0: the pod may go now, else how long it waits. */
static uint64_t pause_of(ds_controller *c, sp_str key)
{
	uint64_t now_ns = sp_now_ns(c->base.world);
	sweep(c, now_ns);
	ds_failure *f = sp_map_get(&c->failures, key);
	if (f != NULL && !is_over(f, now_ns)) {
		if (now_ns - f->since_ns < f->pause_ns)
			return f->pause_ns;
		f->pause_ns = SP_MIN(2 * f->pause_ns, PAUSE_NS_MAX);
		f->since_ns = now_ns;
		return 0;
	}
	if (f == NULL) {
		f = sp_try_alloc(sizeof *f + key.len);
		if (f == NULL)
			return 0; /* the next one is deleted without a pause, too */
		f->key_len = key.len;
		memcpy(f->key, key.ptr, key.len);
		if (sp_map_put(&c->failures, (sp_str){f->key, key.len}, f, NULL) != SP_OK) {
			sp_free(f);
			return 0;
		}
	}
	f->pause_ns = FIRST_PAUSE_NS;
	f->since_ns = now_ns;
	return 0;
}

static void look_at_failed(ds_run *x, const ds_node *node, ds_pod *p)
{
	sp_event_ref ref = ctl_event_ref(x->object, "apps/v1", "DaemonSet");
	const sp_object *o = p->pod.object;
	bool failed = sp_str_eq(p->pod.phase, SP_STR("Failed"));
	sp_str key = sp_arena_printf(x->job->arena, SP_FMT "/%lld/" SP_FMT, SP_ARG(x->object->uid),
				     (long long)x->view.observed, SP_ARG(node->name));
	uint64_t pause_ns = failed ? pause_of(x->c, key) : 0;
	p->waits = pause_ns > 0;
	if (p->waits)
		sp_queue_add_after(x->c->base.queue, x->job->key, pause_ns);
	else
		sp_events_emitf(
			x->c->base.events, &ref, failed, failed ? "FailedDaemonPod" : "SucceededDaemonPod",
			"Found %s daemon pod " SP_FMT "/" SP_FMT " on node " SP_FMT ", will try to %s it",
			failed ? "failed" : "succeeded", SP_ARG(o->ns), SP_ARG(o->name), SP_ARG(node->name),
			failed ? "kill" : "delete");
}

static void look_at_all_failed(ds_run *x)
{
	for (size_t i = 0; i < x->n_nodes; i++) {
		const ds_node *node = &x->nodes[i];
		for (ds_pod *p = node->pods; p != NULL && node->may_stay; p = p->next) {
			if (p->pod.deleted.len == 0 && ctl_pod_is_over(&p->pod))
				look_at_failed(x, node, p);
		}
	}
}

/* ---- nodes and pods ---- */

static bool is_updated(const ds_run *x, const ds_pod *p)
{
	const history *h = &x->history;
	sp_str hash = sp_vmap_str(p->pod.labels, SP_STR(CTL_REVISION_HASH));
	sp_str generation = ds_template_generation(x);
	for (size_t i = 0; hash.len > 0 && i < h->n; i++) {
		if (h->all[i].is_equal && sp_str_eq(ctl_revision_hash_of(&h->all[i]), hash))
			return true;
	}
	return generation.len > 0 &&
	       sp_str_eq(sp_vmap_str(p->pod.labels, SP_STR("pod-template-generation")), generation);
}

static sp_code read_pods(ds_run *x, sp_err *err)
{
	const claim *k = &x->claim;
	x->pods = sp_try_new(x->job->arena, ds_pod, k->n_owned + 1);
	if (x->pods == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for %zu pods", k->n_owned);
	for (x->n_pods = 0; x->n_pods < k->n_owned; x->n_pods++) {
		ds_pod *p = &x->pods[x->n_pods];
		place_view place;
		SP_TRY(ctl_pod_read(x->job->arena, k->owned[x->n_pods], &p->pod, err));
		SP_TRY(sp_view(x->job->arena, k->owned[x->n_pods]->json, &place_view_desc, &place, err));
		p->target = ds_target(p->pod.node, place.required);
		p->is_updated = is_updated(x, p);
	}
	ds_sort(x->pods, x->n_pods);
	return SP_OK;
}

static sp_code put_node(ds_run *x, sp_map *by_name, sp_str name, ds_node **ret, sp_err *err)
{
	ds_node *node = &x->nodes[x->n_nodes];
	*node = (ds_node){.name = name};
	if (sp_map_put(by_name, name, node, NULL) != SP_OK)
		return sp_fail(err, SP_ENOMEM, "no memory for nodes");
	x->n_nodes++;
	*ret = node;
	return SP_OK;
}

static sp_code read_nodes(ds_run *x, sp_map *by_name, sp_err *err)
{
	const sp_object *o;
	for (size_t at = 0; (o = sp_informer_next(x->c->nodes, &at)) != NULL;) {
		const sp_object *held = ctl_hold(x->job->arena, o);
		ds_node *node = NULL;
		sp_fit_node n;
		if (held == NULL)
			return sp_fail(err, SP_ENOMEM, "no memory for nodes");
		SP_TRY(sp_view(x->job->arena, held->json, sp_fit_node_view, &n, err));
		SP_TRY(put_node(x, by_name, held->name, &node, err));
		SP_ASSERT(node != NULL);
		node->exists = true;
		ds_fit(x->spec, &n, node);
	}
	return SP_OK;
}

/* Every pod that is not as good as gone on its node's list, in the order of the pods. */
static sp_code place_pods(ds_run *x, sp_map *by_name, sp_err *err)
{
	for (size_t i = x->n_pods; i > 0; i--) {
		ds_pod *p = &x->pods[i - 1];
		if (p->target.len == 0 || (p->pod.deleted.len > 0 && ctl_pod_is_over(&p->pod)))
			continue;
		ds_node *node = sp_map_get(by_name, p->target);
		if (node == NULL)
			SP_TRY(put_node(x, by_name, p->target, &node, err));
		SP_ASSERT(node != NULL);
		p->next = node->pods;
		node->pods = p;
	}
	return SP_OK;
}

static sp_code read_all(ds_run *x, sp_err *err)
{
	sp_map by_name;
	size_t most = sp_informer_count(x->c->nodes) + x->claim.n_owned + 1;
	SP_TRY(read_pods(x, err));
	SP_TRY(ds_make_spec(x, err));
	x->nodes = sp_try_new(x->job->arena, ds_node, most);
	if (x->nodes == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for %zu nodes", most);
	sp_map_init(&by_name);
	sp_code code = read_nodes(x, &by_name, err);
	if (code == SP_OK)
		code = place_pods(x, &by_name, err);
	sp_map_done(&by_name);
	return code;
}

/* ---- a sync ---- */

static bool rolls(const ds_run *x)
{
	return sp_str_eq(x->view.strategy, SP_STR("RollingUpdate"));
}

static void set_rules(ds_run *x)
{
	int64_t n_desired = 0;
	for (size_t i = 0; i < x->n_nodes; i++)
		n_desired += x->nodes[i].should_run;
	x->rules = (ds_rules){.allows_surge = rolls(x) && ctl_int_or_percent(x->view.max_surge, 1, true) > 0,
			      .max_unavailable = ctl_int_or_percent(x->view.max_unavailable, n_desired, true),
			      .max_surge = ctl_int_or_percent(x->view.max_surge, n_desired, true),
			      .min_ready_s = x->view.min_ready_s,
			      .now_s = ctl_now_s(x->c->base.world)};
	if (x->rules.max_unavailable == 0 && x->rules.max_surge == 0)
		x->rules.max_unavailable = 1;
}

static void on_claimed(claim *k)
{
	ds_run *x = k->arg;
	sp_err err = {0};
	sp_code code = k->code;
	if (code != SP_OK)
		err = k->err;
	else
		code = read_all(x, &err);
	if (code != SP_OK) {
		ds_end(x, code, &err);
		return;
	}
	if (ds_has_twins(x)) {
		ds_merge_twins(x); /* what it changes wakes the set */
		return;
	}
	set_rules(x);
	x->may_act = sp_expect_is_met(&x->c->owned.expect, x->job->key);
	if (x->may_act) {
		look_at_all_failed(x);
		if (!ds_manage(&x->rules, x->nodes, x->n_nodes) && rolls(x))
			ds_roll(&x->rules, x->nodes, x->n_nodes);
	}
	ds_write(x);
}

static void on_history(history *h)
{
	ds_run *x = h->arg;
	if (h->code != SP_OK) {
		ds_end(x, h->code, &h->err);
		return;
	}
	x->claim = (claim){.c = &x->c->base,
			   .arena = x->job->arena,
			   .children = x->c->pods,
			   .children_gvr = SP_PODS,
			   .by_owner = x->c->pods_by_owner,
			   .orphans = x->c->pod_orphans,
			   .owner = x->object,
			   .owner_gvr = SP_DAEMONSETS,
			   .owner_api_version = "apps/v1",
			   .owner_kind = "DaemonSet",
			   .selector = x->selector,
			   .done = on_claimed,
			   .arg = x};
	claim_start(&x->claim);
}

/* *ret_done: there is nothing to do. */
static sp_code begin(ds_run *x, bool *ret_done, sp_err *err)
{
	SP_TRY(sp_view(x->job->arena, x->object->json, &ds_view_desc, &x->view, err));
	*ret_done = x->view.deleted.len > 0; /* the garbage collector's */
	if (yyjson_obj_size(x->view.selector) == 0) {
		sp_event_ref ref = ctl_event_ref(x->object, "apps/v1", "DaemonSet");
		sp_events_emitf(x->c->base.events, &ref, true, "SelectingAll",
				"This daemon set is selecting all pods. A non-empty selector is required.");
		*ret_done = true;
	}
	x->history = (history){.revisions = &x->c->revisions,
			       .arena = x->job->arena,
			       .owner = x->object,
			       .owner_gvr = SP_DAEMONSETS,
			       .template_ = x->view.template_,
			       .annotations = x->view.annotations,
			       .collisions = x->view.collisions,
			       .done = on_history,
			       .arg = x};
	SP_TRY(ctl_selector(x->job->arena, x->view.selector, false, &x->selector, err));
	x->history.selector = x->selector;
	return SP_OK;
}

static void sync_set(controller *base, sp_job *job)
{
	ds_controller *c = SP_CONTAINER_OF(base, ds_controller, base);
	const sp_object *o = sp_informer_get(c->sets, job->key);
	sp_err err = {0};
	bool done = false;
	if (o == NULL) {
		sp_expect_forget(&c->owned.expect, job->key);
		sp_job_done(job, SP_OK);
		return;
	}
	ds_run *x = sp_new(job->arena, ds_run, 1);
	x->c = c;
	x->job = job;
	x->object = ctl_hold(job->arena, o);
	sp_code code = x->object == NULL ? sp_fail(&err, SP_ENOMEM, "no memory") : begin(x, &done, &err);
	if (code != SP_OK || done)
		ds_end(x, code, &err);
	else
		history_start(&x->history);
}

/* ---- what changes ---- */

static bool same(yyjson_val *a, yyjson_val *b)
{
	return a == NULL || b == NULL ? a == b : yyjson_equals(a, b);
}

/* Whether a node is as it was, as far as daemons care. */
static bool is_as_before(const sp_object *old, const sp_object *now)
{
	sp_arena a;
	yyjson_val *x, *y;
	sp_arena_init(&a, (size_t)16 << 20);
	bool is = sp_json_parse(&a, old->json, &x, NULL) == SP_OK &&
		  sp_json_parse(&a, now->json, &y, NULL) == SP_OK &&
		  same(sp_view_at(x, "metadata.labels"), sp_view_at(y, "metadata.labels")) &&
		  same(sp_view_at(x, "spec.taints"), sp_view_at(y, "spec.taints"));
	sp_arena_done(&a);
	return is;
}

static void on_node(void *arg, const sp_object *old, const sp_object *now)
{
	ds_controller *c = arg;
	const sp_object *o;
	if (old != NULL && now != NULL && is_as_before(old, now))
		return;
	for (size_t at = 0; (o = sp_informer_next(c->sets, &at)) != NULL;)
		sp_queue_add(c->base.queue, o->key);
}

static sp_code open_sets(controller *base, sp_err *err)
{
	ds_controller *c = SP_CONTAINER_OF(base, ds_controller, base);
	owned_pods_init(&c->owned, base, "apps/v1", "DaemonSet");
	sp_map_init(&c->failures);
	SP_TRY(controller_follow(base, SP_DAEMONSETS, &ds_view_desc, &c->sets, err));
	SP_TRY(controller_follow(base, SP_PODS, ctl_pod_view, &c->pods, err));
	SP_TRY(controller_follow(base, SP_PODS, &place_view_desc, &c->pods, err));
	SP_TRY(controller_follow(base, SP_NODES, sp_fit_node_view, &c->nodes, err));
	SP_TRY(sp_informer_index(c->pods, sp_index_by_controller, NULL, &c->pods_by_owner, err));
	SP_TRY(sp_informer_index(c->pods, ctl_index_orphans, NULL, &c->pod_orphans, err));
	SP_TRY(revisions_follow(&c->revisions, base, "DaemonSet", err));
	controller_watch(c->sets, &c->watch, controller_enqueue, base);
	controller_watch(c->nodes, &c->node_watch, on_node, c);
	return owned_pods_follow(&c->owned, c->sets, c->pods, err);
}

static void close_sets(controller *base)
{
	ds_controller *c = SP_CONTAINER_OF(base, ds_controller, base);
	owned_pods_done(&c->owned);
	sp_map_done_values(&c->failures);
}

const controller_type controller_daemon_set = {.name = "daemonset-controller",
					       .account = "daemon-set-controller",
					       .size_bytes = sizeof(ds_controller),
					       .open = open_sets,
					       .sync = sync_set,
					       .done = close_sets};
