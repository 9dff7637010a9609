/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Eviction: a deletion that asks the pod's disruption budget first. The budget's status and the pod change in
 * one commit. U: kubernetes pkg/registry/core/pod/storage/eviction.go,
 * pkg/registry/policy/poddisruptionbudget.
 */
#include "apiserver/admission/hooks.h"
#include "apiserver/delete.h"
#include "apiserver/subresources/subresources.h"
#include "base/num.h"
#include "kube/meta.h"
#include "kube/selector.h"

#define BUDGETS "/registry/poddisruptionbudgets/"
/* Evictions that a budget's controller has not seen confirmed. */
#define DISRUPTED_PODS_MAX 2000u
#define SELECTOR_BYTES_MAX ((size_t)1 << 20)

typedef struct budgets {
	api_write *w;
	yyjson_mut_val *labels;
	yyjson_mut_val *first;
	size_t n;
} budgets;

/* ---- refusals ---- */

static bool refuse(api_write *w, sp_status s)
{
	api_write_refuse(w, &s);
	return false;
}

static bool refuse_now(api_write *w, sp_str cause_text, int32_t retry_s)
{
	const sp_status_cause cause = {SP_STR("DisruptionBudget"), cause_text, {NULL, 0}};
	sp_status s = sp_status_too_many_requests(
		SP_STR("Cannot evict pod as it would violate the pod's disruption budget."), retry_s);
	s.has_details = true;
	s.causes = &cause;
	s.n_causes = 1;
	return refuse(w, s);
}

static bool refuse_unseen(api_write *w, yyjson_mut_val *pdb)
{
	return refuse_now(w,
			  sp_arena_printf(&w->arena,
					  "The disruption budget " SP_FMT
					  " is still being processed by the server.",
					  SP_ARG(sp_meta_name(pdb))),
			  10);
}

static bool forbid(api_write *w, yyjson_mut_val *pdb, sp_str why)
{
	const sp_group_resource gr = {SP_STR("policy"), SP_STR("poddisruptionbudget")};
	return refuse(w, sp_status_forbidden(&w->arena, gr, sp_meta_name(pdb), why));
}

/* ---- budgets ---- */

static bool selects(api_write *w, yyjson_mut_val *selector, yyjson_mut_val *labels)
{
	sp_selector s;
	sp_str why;
	sp_label packed[64];
	size_t n = 0;
	yyjson_val *root = NULL;
	SP_AUTO_BUF text;
	sp_buf_init(&text, SELECTOR_BYTES_MAX);
	if (selector == NULL || sp_json_write_mut(&text, selector) != SP_OK ||
	    sp_json_parse(&w->arena, sp_buf_view(&text), &root, NULL) != SP_OK ||
	    sp_labels_of_object(&w->arena, root, &s, &why) != SP_OK)
		return false; /* a selector that can't be read selects nothing */
	SP_KV_EACH_MEMBER (key, value, i, labels) {
		if (n < SP_LEN(packed))
			packed[n++] = (sp_label){sp_jmut_str(key), sp_jmut_str(value)};
	}
	return sp_labels_match(&s, packed, n);
}

static bool look_at(void *arg, yyjson_mut_val *pdb)
{
	budgets *b = arg;
	if (!selects(b->w, sp_kv_get(sp_kv_get(pdb, "spec"), "selector"), b->labels))
		return true;
	if (b->n++ == 0)
		b->first = pdb;
	return true;
}

static bool is_ready(yyjson_mut_val *pod)
{
	SP_KV_EACH (c, i, sp_kv_list(sp_kv_get(pod, "status"), "conditions")) {
		if (sp_kv_is(c, "type", "Ready"))
			return sp_kv_is(c, "status", "True");
	}
	return false;
}

/* A pod that is not healthy may go when that takes nothing from the budget. */
static bool may_go_unhealthy(yyjson_mut_val *pdb)
{
	yyjson_mut_val *status = sp_kv_get(pdb, "status");
	int64_t desired = sp_kv_i64(status, "desiredHealthy", 0);
	return sp_kv_is(sp_kv_get(pdb, "spec"), "unhealthyPodEvictionPolicy", "AlwaysAllow") ||
	       (sp_kv_i64(status, "currentHealthy", 0) >= desired && desired > 0);
}

static yyjson_mut_val *find_condition(yyjson_mut_val *pdb)
{
	SP_KV_EACH (c, i, sp_kv_list(sp_kv_get(pdb, "status"), "conditions")) {
		if (sp_kv_is(c, "type", "DisruptionAllowed"))
			return c;
	}
	return NULL;
}

static sp_str why_not(api_write *w, yyjson_mut_val *pdb)
{
	yyjson_mut_val *status = sp_kv_get(pdb, "status"), *condition = find_condition(pdb);
	int64_t have = sp_kv_i64(status, "currentHealthy", 0), need = sp_kv_i64(status, "desiredHealthy", 0);
	sp_str name = sp_meta_name(pdb), text = sp_kv_str(condition, "message");
	bool told = sp_kv_is(condition, "status", "False") && text.len > 0;
	if (told && sp_kv_is(condition, "reason", "SyncFailed"))
		return sp_arena_printf(&w->arena,
				       "The disruption budget " SP_FMT
				       " does not allow evicting pods currently because it failed "
				       "sync: " SP_FMT,
				       SP_ARG(name), SP_ARG(text));
	if (have <= need)
		return sp_arena_printf(&w->arena,
				       "The disruption budget " SP_FMT
				       " needs %lld healthy pods and has %lld currently",
				       SP_ARG(name), (long long)need, (long long)have);
	sp_str reason = sp_kv_str(condition, "reason");
	if (told)
		return sp_arena_printf(&w->arena,
				       "The disruption budget " SP_FMT
				       " does not allow evicting pods currently (" SP_FMT "): " SP_FMT,
				       SP_ARG(name), SP_ARG(reason), SP_ARG(text));
	return sp_arena_printf(&w->arena,
			       "The disruption budget " SP_FMT " does not allow evicting pods currently",
			       SP_ARG(name));
}

static bool set_condition(api_write *w, yyjson_mut_val *pdb)
{
	yyjson_mut_val *status = sp_kv_get(pdb, "status"), *c = find_condition(pdb);
	yyjson_mut_val *list = sp_kv_need_list(w->doc, status, "conditions");
	bool changes = !sp_kv_is(c, "status", "False");
	if (c == NULL && list != NULL)
		c = yyjson_mut_arr_add_obj(w->doc, list);
	return c != NULL && sp_kv_set_str(w->doc, c, "type", SP_STR("DisruptionAllowed")) &&
	       sp_kv_set_str(w->doc, c, "status", SP_STR("False")) &&
	       sp_kv_set_i64(w->doc, c, "observedGeneration", sp_kv_i64(status, "observedGeneration", 0)) &&
	       (!changes || sp_kv_set_str(w->doc, c, "lastTransitionTime", w->now_str)) &&
	       sp_kv_set_str(w->doc, c, "reason", SP_STR("InsufficientPods")) &&
	       sp_kv_set_str(w->doc, c, "message", SP_STR(""));
}

/* Takes one disruption from the budget, in the same commit. */
static bool charge(api_write *w, yyjson_mut_val *pdb, yyjson_mut_val *pod, bool dry_run)
{
	yyjson_mut_val *status = sp_kv_need_obj(w->doc, pdb, "status");
	int64_t allowed = sp_kv_i64(status, "disruptionsAllowed", 0);
	const api_resource *res = api_resource_by_kind(&w->server->resources, SP_STR("policy"), SP_STR("v1"),
						       SP_STR("PodDisruptionBudget"));
	if (sp_kv_i64(status, "observedGeneration", 0) < sp_kv_i64(sp_meta(pdb), "generation", 0))
		return refuse_unseen(w, pdb);
	if (allowed < 0)
		return forbid(w, pdb, SP_STR("pdb disruptions allowed is negative"));
	if (sp_kv_len(sp_kv_map(status, "disruptedPods")) > DISRUPTED_PODS_MAX)
		return forbid(w, pdb,
			      SP_STR("DisruptedPods map too big - too many evictions not confirmed by PDB "
				     "controller"));
	if (allowed == 0)
		return refuse_now(w, why_not(w, pdb), 0);
	if (dry_run)
		return true;
	yyjson_mut_val *disrupted = sp_kv_need_obj(w->doc, status, "disruptedPods");
	if (disrupted == NULL || !sp_kv_set_i64(w->doc, status, "disruptionsAllowed", allowed - 1) ||
	    !sp_jmut_set_str(w->doc, disrupted, sp_meta_name(pod), w->now_str) ||
	    (allowed == 1 && !set_condition(w, pdb))) {
		api_write_fail(w, SP_ETOOLARGE, NULL);
		return false;
	}
	return api_write_also_put(w, res, pdb);
}

static bool ask_budgets(api_write *w, yyjson_mut_val *pod, bool dry_run)
{
	const api_admit admit = {.w = w};
	budgets b = {.w = w, .labels = sp_kv_map(sp_meta(pod), "labels")};
	if (!api_admit_each(&admit, BUDGETS, sp_meta_namespace(pod), look_at, &b)) {
		api_write_fail(w, SP_EIO, NULL);
		return false;
	}
	if (b.n > 1)
		return refuse(w, (sp_status){.code = 500,
					     .message = SP_STR("This pod has more than one "
							       "PodDisruptionBudget, which the eviction "
							       "subresource does not support.")});
	if (b.n == 0 || (!is_ready(pod) && may_go_unhealthy(b.first)))
		return true;
	return charge(w, b.first, pod, dry_run);
}

/* A pod that does not run disturbs nobody when it goes. */
static bool needs_no_budget(yyjson_mut_val *pod)
{
	static const char *const phases[] = {"Succeeded", "Failed", "Pending"};
	return sp_kv_has(sp_meta(pod), "deletionTimestamp") ||
	       SP_STR_IN(sp_kv_str(sp_kv_get(pod, "status"), "phase"), phases);
}

/* ---- the walk ---- */

static bool check_eviction(api_write *w, yyjson_mut_val *eviction, api_delete_options *o)
{
	if (!sp_str_eq(sp_meta_name(eviction), w->r->info.name))
		return refuse(w, sp_status_bad_request(
					 SP_STR("name in URL does not match name in Eviction object")));
	api_delete_options_of(sp_kv_get(eviction, "deleteOptions"), o);
	o->has_dry_run = o->has_dry_run || w->o.dry_run;
	return true;
}

static bool mark_target(api_write *w, yyjson_mut_val *pod)
{
	yyjson_mut_val *c = yyjson_mut_obj(w->doc);
	bool ok = c != NULL && sp_kv_set_str(w->doc, c, "type", SP_STR("DisruptionTarget")) &&
		  sp_kv_set_str(w->doc, c, "status", SP_STR("True")) &&
		  sp_kv_set_str(w->doc, c, "reason", SP_STR("EvictionByEvictionAPI")) &&
		  sp_kv_set_str(w->doc, c, "message", SP_STR("Eviction API: evicting")) &&
		  api_pod_condition_set(w, pod, c);
	if (!ok)
		api_write_fail(w, SP_ETOOLARGE, NULL);
	return ok;
}

/* Again from here when the pod or its budget has changed: the eviction was admitted. */
static void evict(api_write *w)
{
	sp_err err;
	api_delete_options o = {0};
	yyjson_mut_val *pod = NULL;
	if (!check_eviction(w, w->arg, &o))
		return;
	sp_code code = api_write_load(w, w->r->info.name, &pod, &err);
	if (code != SP_OK) {
		api_write_fail(w, code, &err);
		return;
	}
	if (o.revision.len > 0)
		w->again = NULL; /* a conflict is the client's */
	api_write_forget_also(w);
	if (!needs_no_budget(pod) && !ask_budgets(w, pod, o.has_dry_run))
		return;
	if (!o.has_dry_run && !mark_target(w, pod))
		return;
	w->obj = pod;
	api_write_delete(w, &o);
}

static void on_admitted(api_write *w)
{
	w->arg = w->obj;
	w->again = w->redo = evict;
	evict(w);
}

static void on_mutated(api_write *w)
{
	const api_admit admit = {.w = w, .op = API_OP_CREATE, .obj = w->obj, .is_body = true};
	api_admit_validating(&admit, on_admitted);
}

static void on_body(api_request *r, sp_str body)
{
	api_write *w = r->state;
	api_delete_options o = {0};
	w->body = body;
	w->reply = api_write_reply_success;
	if (!api_write_decode(w, w->body) || !api_write_namespace(w) || !check_eviction(w, w->obj, &o))
		return;
	const api_admit admit = {.w = w, .op = API_OP_CREATE, .obj = w->obj, .is_body = true};
	if (api_admit_mutate(&admit))
		api_hooks_mutate(&admit, on_mutated);
}

void api_evict_pod(api_request *r)
{
	api_write *w = api_write_new(r, "CreateOptions", false);
	if (w == NULL)
		return;
	w->body_res = api_subresource_body(&r->server->resources, r->res, r->sub);
	api_read_body(r, on_body);
}
