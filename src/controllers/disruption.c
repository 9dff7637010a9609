/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"
#include "controllers/disruption_int.h"
#include "controllers/table.h"
#include "kube/kinds/values.h"

#define NS_PER_S UINT64_C(1000000000)
#define DELETION_S 120 /* so long an eviction may take to become a deletion */
#define BODY_BYTES_MAX ((size_t)4 << 20)
#define SELECTOR_BYTES_MAX ((size_t)4096)

SP_VIEW(view_desc, budget_view, "policy/v1/PodDisruptionBudget",
	SP_V(budget_view, generation, "metadata.generation"), SP_V(budget_view, selector, "spec.selector"),
	SP_V(budget_view, min_available, "spec.minAvailable"),
	SP_V(budget_view, max_unavailable, "spec.maxUnavailable"), SP_V(budget_view, status, "status"));

static const sp_gvr budgets_gvr = {SP_STR_INIT("policy"), SP_STR_INIT("v1"),
				   SP_STR_INIT("poddisruptionbudgets")};

typedef struct run {
	disruptions *d;
	sp_job *job;
	const sp_object *object;
	budget_view view;
	sp_selector selector;
	ctl_pod *pods; /* that it is about */
	size_t n_pods;
	int64_t expected, desired, healthy;
	int64_t again_s; /* when an eviction is to be looked at once more; 0: never */
	budget_scale scale;
	sp_call call;
} run;

/* ---- writing ---- */

static sp_event_ref about(const run *x)
{
	return ctl_event_ref(x->object, "policy/v1", "PodDisruptionBudget");
}

static void end(const run *x)
{
	if (x->again_s > 0)
		sp_job_again(x->job, (uint64_t)x->again_s * NS_PER_S);
	else
		sp_job_done(x->job, SP_OK);
}

static void on_written(sp_call *c, const sp_answer *a)
{
	const run *x = c->arg;
	if (a->code == SP_OK || a->code == SP_ENOTFOUND)
		end(x);
	else
		sp_job_done(x->job, a->code);
}

/* The status as it is, and what is to become of it. */
typedef struct draft {
	yyjson_mut_doc *doc;
	yyjson_mut_val *was, *now;
} draft;

static sp_code draft_open(const run *x, draft *d, sp_err *err)
{
	d->doc = sp_json_doc(x->job->arena);
	d->was = d->now = NULL;
	if (d->doc == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a status");
	if (x->view.status == NULL) {
		d->now = yyjson_mut_obj(d->doc);
	} else {
		SP_TRY(sp_json_thaw(x->job->arena, x->view.status, &d->was, err));
		d->now = yyjson_mut_val_mut_copy(d->doc, d->was);
	}
	return d->now == NULL ? sp_fail(err, SP_ENOMEM, "no memory for a status") : SP_OK;
}

static bool set_condition(const run *x, const draft *d, const char *status, const char *reason, sp_str why)
{
	yyjson_mut_val *list = sp_kv_need_list(d->doc, d->now, "conditions"), *c = NULL;
	SP_KV_EACH (item, i, list) {
		if (sp_kv_is(item, "type", "DisruptionAllowed"))
			c = item;
	}
	if (c == NULL && list != NULL)
		c = yyjson_mut_arr_add_obj(d->doc, list);
	bool flips = !sp_kv_is(c, "status", status);
	return c != NULL && sp_kv_set_str(d->doc, c, "type", SP_STR("DisruptionAllowed")) &&
	       sp_kv_set_str(d->doc, c, "status", sp_str_c(status)) &&
	       sp_kv_set_i64(d->doc, c, "observedGeneration", sp_kv_i64(d->now, "observedGeneration", 0)) &&
	       (!flips ||
		sp_kv_set_str(d->doc, c, "lastTransitionTime", ctl_now(x->d->base.world, x->job->arena))) &&
	       sp_kv_set_str(d->doc, c, "reason", sp_str_c(reason)) &&
	       sp_kv_set_str(d->doc, c, "message", why);
}

/* Writes what changed, or ends. */
static sp_code write_draft(run *x, const draft *d, sp_err *err)
{
	bool changed;
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	SP_TRY(sp_patch_member(&body, x->job->arena, "status", d->was, d->now, x->object, &changed, err));
	if (!changed) {
		end(x);
		return SP_OK;
	}
	x->call = (sp_call){.done = on_written, .arg = x};
	sp_call_start(x->d->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_MERGE_UPDATE,
				.gvr = budgets_gvr,
				.ns = x->object->ns,
				.name = x->object->name,
				.subresource = SP_STR("status"),
				.body = sp_buf_view(&body)});
	return SP_OK;
}

/* A budget that can't be computed lets nobody go. */
static void fail_safe(run *x, sp_str why)
{
	draft d;
	sp_code code = draft_open(x, &d, NULL);
	if (code == SP_OK && (!sp_kv_set_i64(d.doc, d.now, "disruptionsAllowed", 0) ||
			      !set_condition(x, &d, "False", "SyncFailed", why)))
		code = SP_ENOMEM;
	if (code == SP_OK)
		code = write_draft(x, &d, NULL);
	if (code != SP_OK)
		sp_job_done(x->job, code);
}

/* ---- evictions under way ---- */

/* Evictions of pods that are still to be deleted stay in the status; those that took too long are told. */
static bool keep_disrupted(run *x, const draft *d, yyjson_mut_val **ret)
{
	yyjson_mut_val *was = sp_kv_map(d->was, "disruptedPods"), *now = yyjson_mut_obj(d->doc);
	int64_t now_s = ctl_now_s(x->d->base.world);
	*ret = now;
	for (size_t i = 0; now != NULL && was != NULL && i < x->n_pods; i++) {
		const ctl_pod *p = &x->pods[i];
		yyjson_mut_val *at = p->deleted.len > 0 ? NULL : sp_jmut_get(was, p->object->name);
		if (at == NULL)
			continue;
		int64_t left = ctl_seconds(sp_jmut_str(at)) + DELETION_S - now_s;
		if (left < 0) {
			sp_event_ref ref = ctl_event_ref(p->object, "v1", "Pod");
			sp_str ns = x->object->ns; /* twice, as upstream */
			sp_events_emitf(x->d->base.events, &ref, true, "NotDeleted",
					"Pod was expected by PDB " SP_FMT "/" SP_FMT
					" to be deleted but it wasn't",
					SP_ARG(ns), SP_ARG(ns));
			continue;
		}
		if (x->again_s == 0 || left + 1 < x->again_s)
			x->again_s = left + 1;
		if (!sp_jmut_set_str(d->doc, now, p->object->name, sp_jmut_str(at)))
			return false;
	}
	return now != NULL;
}

static void count_healthy(run *x, yyjson_mut_val *disrupted)
{
	int64_t now_s = ctl_now_s(x->d->base.world);
	for (size_t i = 0; i < x->n_pods; i++) {
		const ctl_pod *p = &x->pods[i];
		yyjson_mut_val *at = sp_jmut_get(disrupted, p->object->name);
		bool leaves = at != NULL && ctl_seconds(sp_jmut_str(at)) + DELETION_S > now_s;
		x->healthy += p->deleted.len == 0 && !leaves && p->is_ready;
	}
}

static bool fill(run *x, const draft *d)
{
	yyjson_mut_val *disrupted;
	if (!keep_disrupted(x, d, &disrupted))
		return false;
	count_healthy(x, disrupted);
	int64_t allowed = x->healthy - x->desired;
	if (x->expected <= 0 || allowed <= 0)
		allowed = 0;
	if (sp_kv_len(disrupted) == 0)
		sp_kv_drop(d->now, "disruptedPods");
	else if (!sp_kv_set(d->doc, d->now, "disruptedPods", disrupted))
		return false;
	return sp_kv_set_i64(d->doc, d->now, "observedGeneration", x->view.generation) &&
	       sp_kv_set_i64(d->doc, d->now, "currentHealthy", x->healthy) &&
	       sp_kv_set_i64(d->doc, d->now, "desiredHealthy", x->desired) &&
	       sp_kv_set_i64(d->doc, d->now, "expectedPods", x->expected) &&
	       sp_kv_set_i64(d->doc, d->now, "disruptionsAllowed", allowed) &&
	       set_condition(x, d, allowed > 0 ? "True" : "False",
			     allowed > 0 ? "SufficientPods" : "InsufficientPods", SP_STR(""));
}

static void write_status(run *x)
{
	draft d;
	sp_err err = {0};
	sp_code code = draft_open(x, &d, &err);
	if (code == SP_OK && !fill(x, &d))
		code = sp_fail(&err, SP_ENOMEM, "no memory for a status");
	if (code == SP_OK)
		code = write_draft(x, &d, &err);
	if (code != SP_OK)
		sp_job_done(x->job, code);
}

/* ---- what is wanted ---- */

static void print_selector(const run *x, sp_buf *out)
{
	yyjson_val *key, *requirement;
	size_t i, n;
	(void)sp_buf_str(out, SP_STR("&LabelSelector{MatchLabels:map[string]string{"));
	yyjson_obj_iter it = yyjson_obj_iter_with(sp_json_last(x->view.selector, SP_STR("matchLabels")));
	while ((key = yyjson_obj_iter_next(&it)) != NULL)
		(void)sp_buf_printf(out, SP_FMT ": " SP_FMT ",", SP_ARG(sp_json_str(key)),
				    SP_ARG(sp_json_str(yyjson_obj_iter_get_val(key))));
	(void)sp_buf_str(out, SP_STR("},MatchExpressions:[]LabelSelectorRequirement{"));
	yyjson_arr_foreach(sp_json_last(x->view.selector, SP_STR("matchExpressions")), i, n, requirement)
	{
		yyjson_val *value;
		size_t k, m;
		(void)sp_buf_printf(out,
				    "LabelSelectorRequirement{Key:" SP_FMT ",Operator:" SP_FMT ",Values:[",
				    SP_ARG(sp_json_str(sp_json_last(requirement, SP_STR("key")))),
				    SP_ARG(sp_json_str(sp_json_last(requirement, SP_STR("operator")))));
		yyjson_arr_foreach(sp_json_last(requirement, SP_STR("values")), k, m, value)(void)
			sp_buf_printf(out, "%s" SP_FMT, k == 0 ? "" : " ", SP_ARG(sp_json_str(value)));
		(void)sp_buf_str(out, SP_STR("],},"));
	}
	(void)sp_buf_str(out, SP_STR("},}"));
}

static void tell_unmanaged(const run *x)
{
	sp_event_ref ref = about(x);
	SP_AUTO_BUF text;
	sp_buf_init(&text, SELECTOR_BYTES_MAX);
	print_selector(x, &text);
	sp_str selector = sp_buf_view(&text);
	sp_events_emitf(
		x->d->base.events, &ref, true, "UnmanagedPods",
		"Pods selected by this PodDisruptionBudget (selector: " SP_FMT
		") were found to be unmanaged. As a result, the status of the PDB cannot be calculated "
		"correctly, which may result in undefined behavior. To account for these pods please "
		"set \".spec.minAvailable\" field of the PDB to an integer value.",
		SP_ARG(selector));
}

static void on_scale(budget_scale *s)
{
	run *x = s->arg;
	sp_event_ref ref = about(x);
	if (s->code != SP_OK) {
		sp_str why = sp_str_c(s->err.msg);
		sp_events_emitf(x->d->base.events, &ref, true, "CalculateExpectedPodCountFailed",
				"Failed to calculate the number of expected pods: " SP_FMT, SP_ARG(why));
		fail_safe(x, why);
		return;
	}
	if (s->n_unmanaged > 0)
		tell_unmanaged(x);
	x->expected = s->total;
	if (x->view.max_unavailable != NULL)
		x->desired =
			SP_MAX(x->expected - ctl_int_or_percent(x->view.max_unavailable, x->expected, true),
			       INT64_C(0));
	else
		x->desired = ctl_int_or_percent(x->view.min_available, x->expected, true);
	write_status(x);
}

static void find_wanted(run *x)
{
	bool percent = yyjson_is_str(x->view.min_available);
	if (x->view.max_unavailable != NULL || percent) {
		x->scale = (budget_scale){.d = x->d,
					  .arena = x->job->arena,
					  .ns = x->object->ns,
					  .pods = x->pods,
					  .n_pods = x->n_pods,
					  .done = on_scale,
					  .arg = x};
		budget_scale_start(&x->scale);
		return;
	}
	if (x->view.min_available != NULL) {
		x->desired = yyjson_get_sint(x->view.min_available);
		x->expected = (int64_t)x->n_pods;
	}
	write_status(x);
}

/* ---- a sync ---- */

static bool selects(const budget_view *v, const sp_selector *s, const ctl_pod *p)
{
	return v->selector != NULL && sp_labels_match_json(s, p->labels.object);
}

static sp_code find_pods(run *x, sp_err *err)
{
	const sp_object *o;
	const disruptions *d = x->d;
	size_t n = sp_informer_find_count(d->pods, d->pods_by_namespace, x->object->ns);
	x->pods = sp_try_new(x->job->arena, ctl_pod, n + 1);
	if (x->pods == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for pods");
	sp_index_at at = sp_informer_find(d->pods, d->pods_by_namespace, x->object->ns);
	while ((o = sp_index_next(&at)) != NULL) {
		ctl_pod *p = &x->pods[x->n_pods];
		SP_TRY(ctl_pod_read(x->job->arena, o, p, err));
		if (!selects(&x->view, &x->selector, p))
			continue;
		if (ctl_hold(x->job->arena, o) == NULL)
			return sp_fail(err, SP_ENOMEM, "no memory for pods");
		x->n_pods++;
	}
	return SP_OK;
}

static void sync_budget(disruptions *d, sp_job *job)
{
	const sp_object *o = sp_informer_get(d->budgets, job->key);
	sp_err err = {0};
	if (o == NULL) {
		sp_job_done(job, SP_OK);
		return;
	}
	run *x = sp_new(job->arena, run, 1);
	*x = (run){.d = d, .job = job, .object = ctl_hold(job->arena, o)};
	sp_code code =
		x->object == NULL ? SP_ENOMEM : sp_view(job->arena, o->json, &view_desc, &x->view, &err);
	if (code != SP_OK) {
		sp_job_done(job, code);
		return;
	}
	sp_event_ref ref = about(x);
	code = x->view.selector == NULL
		       ? SP_OK
		       : ctl_selector(job->arena, x->view.selector, false, &x->selector, &err);
	if (code == SP_OK)
		code = find_pods(x, &err);
	if (code != SP_OK) {
		sp_events_emitf(d->base.events, &ref, true, "NoPods", "Failed to get pods: %s", err.msg);
		fail_safe(x, sp_str_c(err.msg));
		return;
	}
	if (x->n_pods == 0)
		sp_events_emitf(d->base.events, &ref, false, "NoPods", "No matching pods found");
	find_wanted(x);
}

static void sync_any(controller *c, sp_job *job)
{
	disruptions *d = SP_CONTAINER_OF(c, disruptions, base);
	sp_str key = job->key;
	if (sp_str_take(&key, SP_STR(STALE_MARK)))
		stale_pod_sync(d, job, key);
	else
		sync_budget(d, job);
}

/* ---- events ---- */

/* Budgets that are about the pod. The eviction of one of several is refused, so this is told. */
static void wake_budgets(disruptions *d, sp_arena *a, const ctl_pod *p, bool tell)
{
	const sp_object *o, *first = NULL;
	size_t n = 0;
	sp_index_at at = sp_informer_find(d->budgets, d->budgets_by_namespace, p->object->ns);
	while ((o = sp_index_next(&at)) != NULL) {
		budget_view v;
		sp_selector s;
		if (sp_view(a, o->json, &view_desc, &v, NULL) != SP_OK || v.selector == NULL ||
		    ctl_selector(a, v.selector, false, &s, NULL) != SP_OK || !selects(&v, &s, p))
			continue;
		sp_queue_add(d->base.queue, o->key);
		first = n++ == 0 ? o : first;
	}
	if (n < 2 || !tell)
		return;
	sp_event_ref ref = ctl_event_ref(p->object, "v1", "Pod");
	sp_events_emitf(d->base.events, &ref, true, "MultiplePodDisruptionBudgets",
			"Pod \"" SP_FMT "\"/\"" SP_FMT
			"\" matches multiple PodDisruptionBudgets.  Chose \"" SP_FMT "\" arbitrarily.",
			SP_ARG(p->object->ns), SP_ARG(p->object->name), SP_ARG(first->name));
}

static void on_pod(void *arg, const sp_object *old, const sp_object *now)
{
	disruptions *d = arg;
	ctl_pod p;
	sp_arena a;
	sp_arena_init(&a, (size_t)64 << 20);
	if (old != NULL && ctl_pod_read(&a, old, &p, NULL) == SP_OK)
		wake_budgets(d, &a, &p, false);
	if (now != NULL && ctl_pod_read(&a, now, &p, NULL) == SP_OK) {
		wake_budgets(d, &a, &p, true);
		stale_pod_enqueue(d, &p);
	}
	sp_arena_done(&a);
}

/* ---- life ---- */

static sp_code open_disruption(controller *c, sp_err *err)
{
	disruptions *d = SP_CONTAINER_OF(c, disruptions, base);
	SP_TRY(controller_follow(c, budgets_gvr, &view_desc, &d->budgets, err));
	SP_TRY(controller_follow(c, SP_PODS, ctl_pod_view, &d->pods, err));
	SP_TRY(sp_informer_index(d->budgets, sp_index_by_namespace, NULL, &d->budgets_by_namespace, err));
	SP_TRY(sp_informer_index(d->pods, sp_index_by_namespace, NULL, &d->pods_by_namespace, err));
	SP_TRY(budget_scale_open(d, err));
	controller_watch(d->budgets, &d->budget_watch, controller_enqueue, c);
	controller_watch(d->pods, &d->pod_watch, on_pod, d);
	return SP_OK;
}

const controller_type controller_disruption = {.name = "disruption-controller",
					       .component = "controllermanager",
					       .size_bytes = sizeof(disruptions),
					       .n_workers = 1,
					       .open = open_disruption,
					       .sync = sync_any};
