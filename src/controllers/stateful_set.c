/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "controllers/stateful_set_int.h"
#include "controllers/table.h"

SP_VIEW(sts_view_desc, sts_view, "apps/v1/StatefulSet", SP_V(sts_view, deleted, "metadata.deletionTimestamp"),
	SP_V(sts_view, generation, "metadata.generation"),
	SP_V(sts_view, annotations, "metadata.annotations"), SP_VH(sts_view, replicas, "spec.replicas"),
	SP_V(sts_view, selector, "spec.selector"), SP_V(sts_view, template_, "spec.template"),
	SP_V(sts_view, claims, "spec.volumeClaimTemplates"), SP_V(sts_view, service, "spec.serviceName"),
	SP_V(sts_view, policy, "spec.podManagementPolicy"),
	SP_V(sts_view, strategy, "spec.updateStrategy.type"),
	SP_V(sts_view, rolling, "spec.updateStrategy.rollingUpdate"),
	SP_V(sts_view, partition, "spec.updateStrategy.rollingUpdate.partition"),
	SP_V(sts_view, max_unavailable, "spec.updateStrategy.rollingUpdate.maxUnavailable"),
	SP_VH(sts_view, history, "spec.revisionHistoryLimit"),
	SP_V(sts_view, min_ready_s, "spec.minReadySeconds"), SP_VH(sts_view, start, "spec.ordinals.start"),
	SP_V(sts_view, when_deleted, "spec.persistentVolumeClaimRetentionPolicy.whenDeleted"),
	SP_V(sts_view, when_scaled, "spec.persistentVolumeClaimRetentionPolicy.whenScaled"),
	SP_V(sts_view, current, "status.currentRevision"), SP_V(sts_view, update, "status.updateRevision"),
	SP_V(sts_view, observed, "status.observedGeneration"), SP_V(sts_view, n, "status.replicas"),
	SP_V(sts_view, n_ready, "status.readyReplicas"), SP_V(sts_view, n_current, "status.currentReplicas"),
	SP_V(sts_view, n_updated, "status.updatedReplicas"),
	SP_V(sts_view, n_available, "status.availableReplicas"),
	SP_V(sts_view, collisions, "status.collisionCount"));

/* ---- slots ---- */

static int by_ordinal_down(const void *x, const void *y)
{
	const sts_slot *a = x, *b = y;
	return (a->ordinal < b->ordinal) - (a->ordinal > b->ordinal);
}

static sp_str name_of(const sts_run *x, int64_t ordinal)
{
	return sp_arena_printf(x->job->arena, SP_FMT "-%lld", SP_ARG(x->object->name), (long long)ordinal);
}

static void fill(sts_slot *s, const ctl_pod *p)
{
	s->pod = p;
	s->name = p->object->name;
	s->revision = sp_vmap_str(p->labels, SP_STR(CTL_REVISION_HASH));
	s->has_identity = sp_str_eq(sp_vmap_str(p->labels, SP_STR(STS_POD_NAME)), s->name);
}

/* Slots without a pod: what their pods are to be made from. */
static sp_code fill_empty(sts_run *x, sp_str current, sp_str update, sp_err *err)
{
	for (size_t i = 0; i < x->n_slots; i++) {
		sts_slot *s = &x->slots[i];
		if (s->pod != NULL)
			continue;
		s->name = name_of(x, s->ordinal);
		s->has_identity = true;
		s->is_current = sts_is_made_from_current(&x->view, s->ordinal);
		s->revision = s->is_current ? current : update;
		if (s->name.ptr == NULL)
			return sp_fail(err, SP_ETOOLARGE, "no room for a name");
	}
	return SP_OK;
}

static sp_code read_pods(sts_run *x, sp_err *err)
{
	const claim *k = &x->claim;
	x->n_slots = (size_t)x->replicas;
	x->pods = sp_try_new(x->job->arena, ctl_pod, k->n_owned + 1);
	x->slots = sp_try_new(x->job->arena, sts_slot, x->n_slots + k->n_owned + 1);
	if (x->pods == NULL || x->slots == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for %lld replicas", (long long)x->replicas);
	x->condemned = x->slots + x->n_slots;
	int64_t first = x->view.has_start ? x->view.start : 0;
	for (size_t i = 0; i < x->n_slots; i++)
		x->slots[i].ordinal = first + (int64_t)i;
	for (x->n_pods = 0; x->n_pods < k->n_owned; x->n_pods++) {
		ctl_pod *p = &x->pods[x->n_pods];
		SP_TRY(ctl_pod_read(x->job->arena, k->owned[x->n_pods], p, err));
		int64_t ordinal = sts_ordinal(x->object->name, p->object->name);
		bool wanted = ordinal >= first && ordinal < first + x->replicas;
		sts_slot *s = wanted ? &x->slots[ordinal - first] : &x->condemned[x->n_condemned++];
		s->ordinal = ordinal;
		fill(s, p);
	}
	qsort(x->condemned, x->n_condemned, sizeof *x->condemned, by_ordinal_down);
	return SP_OK;
}

/* ---- a sync ---- */

static int64_t max_unavailable(const sts_run *x)
{
	if (x->view.max_unavailable == NULL)
		return 0;
	return SP_MAX(ctl_int_or_percent(x->view.max_unavailable, x->replicas, false), INT64_C(1));
}

static sp_code decide(sts_run *x, sp_err *err)
{
	sp_str update = x->current != NULL ? x->history.now->name : x->view.update;
	const sts_rules r = {.is_going = x->current == NULL,
			     .is_parallel = sp_str_eq(x->view.policy, SP_STR("Parallel")),
			     .on_delete = sp_str_eq(x->view.strategy, SP_STR("OnDelete")),
			     .min_ready_s = x->view.min_ready_s,
			     .now_s = ctl_now_s(x->c->base.world),
			     .partition = x->view.partition,
			     .max_unavailable = max_unavailable(x),
			     .replicas = x->replicas,
			     .current = x->current != NULL ? x->current->name : x->view.current,
			     .update = update};
	SP_TRY(read_pods(x, err));
	SP_TRY(fill_empty(x, r.current, r.update, err));
	for (size_t i = 0; i < x->n_slots + x->n_condemned; i++)
		SP_TRY(sts_look_at_claims(x, &x->slots[i], err));
	sts_decide(&r, x->slots, x->n_slots, x->condemned, x->n_condemned, &x->counts);
	return SP_OK;
}

static void on_claimed(claim *k)
{
	sts_run *x = k->arg;
	sp_err err = {0};
	sp_code code = k->code;
	if (code != SP_OK)
		err = k->err;
	else
		code = decide(x, &err);
	if (code != SP_OK)
		sts_end(x, code, &err);
	else
		sts_write(x);
}

static bool is_member(claim *k, const sp_object *o)
{
	return sts_ordinal(k->owner->name, o->name) >= 0;
}

static void claim_pods(sts_run *x)
{
	x->claim = (claim){.c = &x->c->base,
			   .arena = x->job->arena,
			   .children = x->c->pods,
			   .children_gvr = SP_PODS,
			   .by_owner = x->c->pods_by_owner,
			   .orphans = x->c->pod_orphans,
			   .owner = x->object,
			   .owner_gvr = SP_STATEFULSETS,
			   .owner_api_version = "apps/v1",
			   .owner_kind = "StatefulSet",
			   .owner_is_going = x->view.deleted.len > 0,
			   .selector = x->selector,
			   .is_member = is_member,
			   .done = on_claimed,
			   .arg = x};
	claim_start(&x->claim);
}

static void on_history(history *h)
{
	sts_run *x = h->arg;
	if (h->code != SP_OK) {
		sts_end(x, h->code, &h->err);
		return;
	}
	x->current = h->now;
	for (size_t i = 0; i < h->n; i++) {
		if (sp_str_eq(h->all[i].name, x->view.current))
			x->current = &h->all[i];
	}
	claim_pods(x);
}

static sp_code begin(sts_run *x, sp_err *err)
{
	SP_TRY(sp_view(x->job->arena, x->object->json, &sts_view_desc, &x->view, err));
	x->replicas = x->view.has_replicas ? x->view.replicas : 1;
	x->history = (history){.revisions = &x->c->revisions,
			       .arena = x->job->arena,
			       .owner = x->object,
			       .owner_gvr = SP_STATEFULSETS,
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
	sts_controller *c = SP_CONTAINER_OF(base, sts_controller, base);
	const sp_object *o = sp_informer_get(c->sets, job->key);
	sp_err err = {0};
	if (o == NULL)
		sp_expect_forget(&c->owned.expect, job->key);
	if (o == NULL || !sp_expect_is_met(&c->owned.expect, job->key)) {
		sp_job_done(job, SP_OK); /* the change that is expected looks at it again */
		return;
	}
	sts_run *x = sp_new(job->arena, sts_run, 1);
	x->c = c;
	x->job = job;
	x->object = ctl_hold(job->arena, o);
	sp_code code = x->object == NULL ? sp_fail(&err, SP_ENOMEM, "no memory") : begin(x, &err);
	if (code != SP_OK)
		sts_end(x, code, &err);
	else if (x->view.deleted.len > 0)
		claim_pods(x); /* only the status is kept up */
	else
		history_start(&x->history);
}

static sp_code open_sets(controller *base, sp_err *err)
{
	sts_controller *c = SP_CONTAINER_OF(base, sts_controller, base);
	owned_pods_init(&c->owned, base, "apps/v1", "StatefulSet");
	SP_TRY(controller_follow(base, SP_STATEFULSETS, &sts_view_desc, &c->sets, err));
	SP_TRY(controller_follow(base, SP_PODS, ctl_pod_view, &c->pods, err));
	SP_TRY(controller_follow(base, SP_PERSISTENTVOLUMECLAIMS, sts_claim_view, &c->claims, err));
	SP_TRY(sp_informer_index(c->pods, sp_index_by_controller, NULL, &c->pods_by_owner, err));
	SP_TRY(sp_informer_index(c->pods, ctl_index_orphans, NULL, &c->pod_orphans, err));
	SP_TRY(revisions_follow(&c->revisions, base, "StatefulSet", err));
	controller_watch(c->sets, &c->watch, controller_enqueue, base);
	return owned_pods_follow(&c->owned, c->sets, c->pods, err);
}

static void close_sets(controller *base)
{
	owned_pods_done(&SP_CONTAINER_OF(base, sts_controller, base)->owned);
}

const controller_type controller_stateful_set = {.name = "statefulset-controller",
						 .size_bytes = sizeof(sts_controller),
						 .open = open_sets,
						 .sync = sync_set,
						 .done = close_sets};
