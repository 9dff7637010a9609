/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"
#include "controllers/deletion.h"
#include "controllers/deployment_int.h"
#include "controllers/table.h"

#define BODY_BYTES_MAX ((size_t)1 << 20)

SP_VIEW(dep_view_desc, dep_view, "apps/v1/Deployment", SP_V(dep_view, deleted, "metadata.deletionTimestamp"),
	SP_V(dep_view, strategy, "spec.strategy.type"), SP_V(dep_view, generation, "metadata.generation"),
	SP_VH(dep_view, replicas, "spec.replicas"), SP_V(dep_view, min_ready_s, "spec.minReadySeconds"),
	SP_VH(dep_view, history, "spec.revisionHistoryLimit"),
	SP_VH(dep_view, deadline_s, "spec.progressDeadlineSeconds"), SP_V(dep_view, paused, "spec.paused"),
	SP_V(dep_view, selector, "spec.selector"), SP_V(dep_view, template_, "spec.template"),
	SP_V(dep_view, max_surge, "spec.strategy.rollingUpdate.maxSurge"),
	SP_V(dep_view, max_unavailable, "spec.strategy.rollingUpdate.maxUnavailable"),
	SP_V(dep_view, annotations, "metadata.annotations"), SP_V(dep_view, labels, "metadata.labels"),
	SP_V(dep_view, n, "status.replicas"), SP_V(dep_view, n_updated, "status.updatedReplicas"),
	SP_V(dep_view, n_ready, "status.readyReplicas"),
	SP_V(dep_view, n_available, "status.availableReplicas"),
	SP_V(dep_view, n_unavailable, "status.unavailableReplicas"),
	SP_VH(dep_view, n_terminating, "status.terminatingReplicas"),
	SP_V(dep_view, observed, "status.observedGeneration"),
	SP_V(dep_view, collisions, "status.collisionCount"), SP_V(dep_view, conditions, "status.conditions"));

/* ---- events ---- */

static bool is_deployment(const ctl_owner *o)
{
	return sp_str_eq(o->kind, SP_STR("Deployment")) && sp_str_starts(o->api_version, SP_STR("apps/"));
}

/* True: the set has a controller. */
static bool wake_owner(dep_controller *d, sp_arena *a, const sp_object *set)
{
	ctl_owner owner;
	if (!ctl_controller_of_object(a, set, &owner))
		return false;
	if (is_deployment(&owner))
		sp_queue_add(d->base.queue, sp_object_key_join(a, set->ns, owner.name));
	return true;
}

static void on_set(void *arg, const sp_object *old, const sp_object *now)
{
	dep_controller *d = arg;
	const sp_object *o;
	sp_arena a;
	sp_arena_init(&a, (size_t)64 << 20);
	if (old != NULL)
		(void)wake_owner(d, &a, old);
	if (now != NULL && !wake_owner(d, &a, now)) { /* somebody may adopt it */
		sp_index_at at = sp_informer_find(d->deployments, d->by_namespace, now->ns);
		while ((o = sp_index_next(&at)) != NULL)
			sp_queue_add(d->base.queue, o->key);
	}
	sp_arena_done(&a);
}

/* Recreate waits for the last old pod. */
static void on_pod(void *arg, const sp_object *old, const sp_object *now)
{
	dep_controller *d = arg;
	ctl_owner owner;
	sp_arena a;
	if (now != NULL)
		return;
	sp_arena_init(&a, (size_t)64 << 20);
	if (ctl_controller_of_object(&a, old, &owner) && sp_str_eq(owner.kind, SP_STR("ReplicaSet"))) {
		const sp_object *set = sp_informer_get_in(d->sets, old->ns, owner.name);
		if (set != NULL)
			(void)wake_owner(d, &a, set);
	}
	sp_arena_done(&a);
}

/* ---- writes ---- */

static void write_set_patch(const dep_run *x, sp_buf *out, const dep_set *s)
{
	char text[SP_NUM_TEXT_BYTES], max[SP_NUM_TEXT_BYTES], desired[SP_NUM_TEXT_BYTES];
	bool scales = s->want != s->replicas || s->touch;
	sp_jout jout = sp_jout_to(out), *j = &jout;
	sp_jout_open(j, '{');
	sp_jout_member_open(j, SP_STR("metadata"), '{');
	sp_jout_member_str(j, SP_STR("uid"), s->object->uid);
	sp_jout_member_str(j, SP_STR("resourceVersion"),
			   (sp_str){text, sp_print_u64(text, s->object->revision)});
	sp_jout_member_open(j, SP_STR("annotations"), '{');
	if (s->patch.len > 0)
		sp_jout_raw(j, s->patch);
	if (scales) {
		sp_jout_member_str(j, SP_STR(DEP_DESIRED),
				   (sp_str){desired, sp_print_i64(desired, x->replicas)});
		sp_jout_member_str(j, SP_STR(DEP_MAX), (sp_str){max, sp_print_i64(max, dep_max_replicas(x))});
	}
	sp_jout_close(j, '}');
	sp_jout_close(j, '}');
	sp_jout_member_open(j, SP_STR("spec"), '{');
	if (scales)
		sp_jout_member_i64(j, SP_STR("replicas"), s->want);
	if (s->patch_min_ready)
		sp_jout_member_i64(j, SP_STR("minReadySeconds"), x->view.min_ready_s);
	sp_jout_close(j, '}');
	sp_jout_close(j, '}');
}

/* The first call is the creation, when there is one. */
static sp_code ask(fan *f, size_t i, sp_ask *q, sp_err *err)
{
	dep_run *x = f->arg;
	q->gvr = SP_REPLICASETS;
	q->ns = x->object->ns;
	if (x->create && i == 0) {
		q->verb = SP_ASK_CREATE;
		q->body = x->create_body;
		return SP_OK;
	}
	const dep_set *s = x->writes[i - x->create];
	if (s->drop)
		return ctl_deletion(x->job->arena, SP_REPLICASETS, s->object, NULL, q, err);
	q->name = s->object->name;
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	write_set_patch(x, &body, s);
	q->verb = SP_ASK_MERGE_PATCH;
	q->body = sp_arena_try_dup(x->job->arena, sp_buf_view(&body));
	return sp_buf_code(&body) == SP_OK && q->body.ptr != NULL
		       ? SP_OK
		       : sp_fail(err, SP_ETOOLARGE, "no room for a patch");
}

static void tell_scaled(dep_run *x, sp_str name, int64_t from, int64_t to)
{
	sp_event_ref ref = ctl_event_ref(x->object, "apps/v1", "Deployment");
	sp_events_emitf(x->d->base.events, &ref, false, "ScalingReplicaSet",
			"Scaled %s replica set " SP_FMT " from %lld to %lld", to > from ? "up" : "down",
			SP_ARG(name), (long long)from, (long long)to);
}

static sp_code on_created(dep_run *x, const sp_answer *a)
{
	if (a->code == SP_OK) {
		if (x->create_replicas > 0)
			tell_scaled(x, x->create_name, 0, x->create_replicas);
		if (x->view.has_deadline_s)
			dep_progress(x, "True", "NewReplicaSetCreated",
				     sp_arena_printf(x->job->arena, "Created new replica set \"" SP_FMT "\"",
						     SP_ARG(x->create_name)));
		return SP_OK;
	}
	if (ctl_namespace_goes(a))
		return SP_OK;
	if (a->code == SP_EEXISTS) {
		/* Ours, not seen yet, or of a template with the same hash: the next one gets another name. */
		const sp_object *o = sp_informer_get_in(x->d->sets, x->object->ns, x->create_name);
		if (o != NULL)
			x->collisions++;
		return a->code;
	}
	sp_event_ref ref = ctl_event_ref(x->object, "apps/v1", "Deployment");
	sp_events_emitf(x->d->base.events, &ref, true, "ReplicaSetCreateError",
			"Failed to create new replica set \"" SP_FMT "\": " SP_FMT, SP_ARG(x->create_name),
			SP_ARG(a->message));
	if (x->view.has_deadline_s)
		dep_progress(x, "False", "ReplicaSetCreateError",
			     sp_arena_printf(x->job->arena,
					     "Failed to create new replica set \"" SP_FMT "\": " SP_FMT,
					     SP_ARG(x->create_name), SP_ARG(a->message)));
	return a->code;
}

static sp_code each(fan *f, size_t i, const sp_answer *a)
{
	dep_run *x = f->arg;
	if (x->create && i == 0)
		return on_created(x, a);
	const dep_set *s = x->writes[i - x->create];
	if (a->code == SP_OK && !s->drop && s->want != s->replicas)
		tell_scaled(x, s->object->name, s->replicas, s->want);
	return a->code == SP_ENOTFOUND || (s->drop && ctl_is_deleted(a)) ? SP_OK : a->code;
}

static void on_all_written(fan *f)
{
	dep_run *x = f->arg;
	x->code = f->code;
	x->err = f->err;
	dep_write_status(x, x->scaled);
}

static sp_code write_all(dep_run *x, bool rollout, sp_err *err)
{
	x->writes = sp_try_new(x->job->arena, dep_set *, x->n_sets + 1);
	if (x->writes == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for %zu sets", x->n_sets);
	for (size_t i = 0; i < x->n_sets; i++) {
		dep_set *s = &x->sets[i];
		if (s->drop || s->touch || s->want != s->replicas || s->patch.len > 0 || s->patch_min_ready)
			x->writes[x->n_writes++] = s;
	}
	x->scaled = rollout;
	x->fan = (fan){.client = x->d->base.client,
		       .arena = x->job->arena,
		       .n = x->n_writes + (x->create ? 1 : 0),
		       .ask = ask,
		       .each = each,
		       .done = on_all_written,
		       .arg = x};
	fan_start(&x->fan);
	return SP_OK;
}

/* ---- a sync ---- */

static sp_code decide(dep_run *x, bool *ret_rollout, sp_err *err)
{
	bool create, recreates = sp_str_eq(x->view.strategy, SP_STR("Recreate"));
	*ret_rollout = true;
	if (x->view.deleted.len > 0) {
		*ret_rollout = false;
		return dep_sync_revision(x, false, err);
	}
	dep_paused_condition(x);
	if (x->view.paused || dep_is_scaling(x)) {
		*ret_rollout = false;
		SP_TRY(dep_sync_revision(x, false, err));
		dep_scale(x);
		return x->view.paused ? dep_clean_up(x, err) : SP_OK;
	}
	SP_TRY(dep_sync_revision(x, !recreates, err));
	if (recreates) {
		if (dep_recreate(x, &create))
			return create ? dep_sync_revision(x, true, err) : SP_OK;
	} else if (x->create || dep_roll(x)) {
		return SP_OK;
	}
	dep_counts c = dep_count(x);
	return dep_is_complete(x, &c) ? dep_clean_up(x, err) : SP_OK;
}

static void on_claimed(claim *k)
{
	dep_run *x = k->arg;
	sp_err err = {0};
	bool rollout;
	sp_code code = k->code;
	if (code != SP_OK) {
		dep_end(x, code, &k->err);
		return;
	}
	code = dep_read_sets(x, &err);
	if (code == SP_OK)
		code = decide(x, &rollout, &err);
	if (code == SP_OK)
		code = write_all(x, rollout, &err);
	if (code != SP_OK)
		dep_end(x, code, &err);
}

static sp_code begin(dep_run *x, sp_err *err)
{
	claim *k = &x->claim;
	SP_TRY(sp_view(x->job->arena, x->object->json, &dep_view_desc, &x->view, err));
	x->replicas = x->view.has_replicas ? x->view.replicas : 1;
	x->collisions = x->view.collisions;
	ctl_conditions_read(x->view.conditions, &x->conditions);
	*k = (claim){.c = &x->d->base,
		     .arena = x->job->arena,
		     .children = x->d->sets,
		     .children_gvr = SP_REPLICASETS,
		     .by_owner = x->d->by_owner,
		     .orphans = x->d->orphans,
		     .owner = x->object,
		     .owner_gvr = SP_DEPLOYMENTS,
		     .owner_api_version = "apps/v1",
		     .owner_kind = "Deployment",
		     .owner_is_going = x->view.deleted.len > 0,
		     .done = on_claimed,
		     .arg = x};
	return ctl_selector(x->job->arena, x->view.selector, false, &k->selector, err);
}

static void sync_deployment(controller *c, sp_job *job)
{
	dep_controller *d = SP_CONTAINER_OF(c, dep_controller, base);
	const sp_object *o = sp_informer_get(d->deployments, job->key);
	sp_err err = {0};
	if (o == NULL) {
		sp_job_done(job, SP_OK);
		return;
	}
	dep_run *x = sp_new(job->arena, dep_run, 1);
	x->d = d;
	x->job = job;
	x->object = ctl_hold(job->arena, o);
	sp_code code = x->object == NULL ? sp_fail(&err, SP_ENOMEM, "no memory") : begin(x, &err);
	if (code == SP_OK)
		claim_start(&x->claim);
	else
		dep_end(x, code, &err);
}

static sp_code open_deployments(controller *c, sp_err *err)
{
	dep_controller *d = SP_CONTAINER_OF(c, dep_controller, base);
	SP_TRY(controller_follow(c, SP_DEPLOYMENTS, &dep_view_desc, &d->deployments, err));
	SP_TRY(controller_follow(c, SP_REPLICASETS, dep_set_view, &d->sets, err));
	SP_TRY(controller_follow(c, SP_PODS, ctl_pod_view, &d->pods, err));
	SP_TRY(sp_informer_index(d->sets, sp_index_by_controller, NULL, &d->by_owner, err));
	SP_TRY(sp_informer_index(d->sets, ctl_index_orphans, NULL, &d->orphans, err));
	SP_TRY(sp_informer_index(d->deployments, sp_index_by_namespace, NULL, &d->by_namespace, err));
	SP_TRY(sp_informer_index(d->pods, sp_index_by_controller, NULL, &d->pods_by_owner, err));
	controller_watch(d->deployments, &d->watch, controller_enqueue, c);
	controller_watch(d->sets, &d->set_watch, on_set, d);
	controller_watch(d->pods, &d->pod_watch, on_pod, d);
	return SP_OK;
}

const controller_type controller_deployment = {.name = "deployment-controller",
					       .size_bytes = sizeof(dep_controller),
					       .open = open_deployments,
					       .sync = sync_deployment};
