/* SPDX-License-Identifier: Apache-2.0 */
/* What an update of a pod may change. */
#include "kube/kinds/diff.h"
#include "kube/kinds/pod_int.h"
#include "kube/meta.h"

#define APPARMOR_PREFIX SP_STR("container.apparmor.security.beta.kubernetes.io/")
#define MIRROR SP_STR("kubernetes.io/config.mirror")

void sp_pod_annotation_updates_validate(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	const sp_path *path = SP_PATH("metadata.annotations");
	yyjson_mut_val *now = sp_kv_map(sp_meta(obj), "annotations"),
		       *was = sp_kv_map(sp_meta(old), "annotations");
	SP_KV_EACH_MEMBER (key, val, i, was) {
		sp_str k = sp_jmut_str(key);
		bool armor = sp_str_starts(k, APPARMOR_PREFIX);
		if (!armor && !sp_str_eq(k, MIRROR))
			continue;
		yyjson_mut_val *kept = sp_jmut_get(now, k);
		if (kept == NULL || !sp_str_eq(sp_jmut_str(kept), sp_jmut_str(val)))
			sp_v_forbidden(c->errors, SP_AT_KEY(path, k), "may not remove or update %s",
				       armor ? "AppArmor annotations" : "mirror pod annotation");
	}
	SP_KV_EACH_MEMBER (key, val, i, now) {
		(void)val;
		sp_str k = sp_jmut_str(key);
		bool armor = sp_str_starts(k, APPARMOR_PREFIX);
		if ((armor || sp_str_eq(k, MIRROR)) && sp_jmut_get(was, k) == NULL)
			sp_v_forbidden(c->errors, SP_AT_KEY(path, k), "may not add %s",
				       armor ? "AppArmor annotations" : "mirror pod annotation");
	}
	sp_pod_walk w = {.arena = c->arena, .v = c->errors, .spec = sp_kv_get(obj, "spec")};
	w.options = sp_pod_options(c->arena, sp_kv_get(old, "spec"), sp_meta(old));
	sp_pod_annotations_validate(&w, path, now);
}

/* False: the lists have different lengths, and nothing more can be said. */
static bool containers_kept(sp_violations *v, const sp_path *path, yyjson_mut_val *now, yyjson_mut_val *was)
{
	if (sp_kv_len(now) != sp_kv_len(was)) {
		sp_v_forbidden(v, path, "pod updates may not add or remove containers");
		return false;
	}
	SP_KV_EACH (container, i, now) {
		const sp_path *at = SP_AT_I(path, i);
		if (sp_kv_str(container, "image").len == 0)
			sp_v_required(v, SP_AT(at, "image"), "%s", "");
		sp_pod_image_blanks_validate(v, at, container);
	}
	return true;
}

/* False: no more is checked. */
static bool deadline_kept(sp_violations *v, const sp_path *path, yyjson_mut_val *now, yyjson_mut_val *was)
{
	static const char name[] = "activeDeadlineSeconds";
	int64_t seconds = sp_kv_i64(now, name, 0), before = sp_kv_i64(was, name, 0);
	if (!sp_kv_has(now, name)) {
		if (sp_kv_has(was, name))
			sp_v_invalid(v, path, (yyjson_mut_val *)NULL,
				     "must not update from a positive integer to nil value");
		return true;
	}
	if (seconds < 0 || seconds > INT32_MAX) {
		sp_v_range(v, path, seconds, 0, INT32_MAX);
		return false;
	}
	if (sp_kv_has(was, name) && before < seconds) {
		sp_v_invalid(v, path, seconds, "must be less than or equal to previous value");
		return false;
	}
	return true;
}

/* The text of a toleration without its seconds. */
static sp_str toleration_key(sp_arena *a, yyjson_mut_val *toleration)
{
	sp_str key = sp_kv_str(toleration, "key"), op = sp_kv_str(toleration, "operator");
	sp_str value = sp_kv_str(toleration, "value"), effect = sp_kv_str(toleration, "effect");
	return sp_arena_printf(a, SP_FMT "|" SP_FMT "|" SP_FMT "|" SP_FMT, SP_ARG(key), SP_ARG(op),
			       SP_ARG(value), SP_ARG(effect));
}

static void tolerations_kept(sp_kind_ctx *c, const sp_path *path, yyjson_mut_val *now, yyjson_mut_val *was)
{
	SP_AUTO_STRSET fresh = {.map = {0}};
	SP_KV_EACH (toleration, i, now)
		(void)sp_strset_add(&fresh, toleration_key(c->arena, toleration), c->errors);
	SP_KV_EACH (toleration, i, was) {
		if (!sp_strset_has(&fresh, toleration_key(c->arena, toleration))) {
			sp_v_forbidden(
				c->errors, path,
				"existing toleration can not be modified except its tolerationSeconds");
			return;
		}
	}
	sp_pod_tolerations_validate(c->errors, path, now);
}

static void gates_kept(sp_kind_ctx *c, const sp_path *path, yyjson_mut_val *now, yyjson_mut_val *was)
{
	SP_AUTO_STRSET old = {.map = {0}};
	SP_KV_EACH (gate, i, was)
		(void)sp_strset_add(&old, sp_kv_str(gate, "name"), c->errors);
	SP_KV_EACH (gate, i, now) {
		sp_str name = sp_kv_str(gate, "name");
		if (!sp_strset_has(&old, name))
			sp_v_forbidden(c->errors, SP_AT(SP_AT_I(path, i), "name"),
				       "only deletion is allowed, but found new scheduling gate '" SP_FMT "'",
				       SP_ARG(name));
	}
}

/* A gated pod's node selector may grow. */
static void node_selector_grows(sp_violations *v, const sp_path *path, yyjson_mut_val *now,
				yyjson_mut_val *was)
{
	SP_KV_EACH_MEMBER (key, val, i, was) {
		yyjson_mut_val *kept = sp_jmut_get(now, sp_jmut_str(key));
		if (kept != NULL && sp_str_eq(sp_jmut_str(kept), sp_jmut_str(val)))
			continue;
		sp_v_invalid(v, path, now,
			     "only additions to spec.nodeSelector are allowed (no mutations or deletions)");
		return;
	}
}

/* True when `now` starts with all of `was`. */
static bool starts_with(yyjson_mut_val *now, yyjson_mut_val *was)
{
	yyjson_mut_val *item = yyjson_mut_arr_get_first(now);
	if (sp_kv_len(now) < sp_kv_len(was))
		return false;
	SP_KV_EACH (old, i, was) {
		if (!sp_kv_equal(item, old))
			return false;
		item = item->next;
	}
	return true;
}

static bool term_grows(yyjson_mut_val *now, yyjson_mut_val *was)
{
	yyjson_mut_val *old_expr = sp_kv_list(was, "matchExpressions"),
		       *old_fields = sp_kv_list(was, "matchFields");
	yyjson_mut_val *expr = sp_kv_list(now, "matchExpressions"), *fields = sp_kv_list(now, "matchFields");
	if (old_expr == NULL && old_fields == NULL && (expr != NULL || fields != NULL))
		return false;
	return starts_with(expr, old_expr) && starts_with(fields, old_fields);
}

#define REQUIRED_TERMS "requiredDuringSchedulingIgnoredDuringExecution"

/* Terms of a gated pod's node affinity may only become narrower. */
static void node_affinity_narrows(sp_violations *v, const sp_path *path, yyjson_mut_val *now,
				  yyjson_mut_val *was)
{
	yyjson_mut_val *old_terms = sp_kv_list(sp_kv_get(was, REQUIRED_TERMS), "nodeSelectorTerms");
	yyjson_mut_val *terms = sp_kv_list(sp_kv_get(now, REQUIRED_TERMS), "nodeSelectorTerms");
	const sp_path *at = SP_AT(path, REQUIRED_TERMS ".nodeSelectorTerms");
	yyjson_mut_val *term = yyjson_mut_arr_get_first(terms);
	if (old_terms != NULL && sp_kv_len(old_terms) != sp_kv_len(terms)) {
		sp_v_invalid(v, at, sp_bad_text(sp_go_list(v->arena, &sp_go_node_selector_term, terms)),
			     "no additions/deletions to non-empty NodeSelectorTerms list are allowed");
		return;
	}
	SP_KV_EACH (old, i, old_terms) {
		if (!term_grows(term, old))
			sp_v_invalid(v, SP_AT_I(at, i),
				     sp_bad_text(sp_go_struct(v->arena, &sp_go_node_selector_term, term)),
				     "only additions are allowed (no mutations or deletions)");
		term = term->next;
	}
}

static void restore_images(sp_kind_ctx *c, yyjson_mut_val *spec, yyjson_mut_val *old_spec, const char *list)
{
	yyjson_mut_val *old = yyjson_mut_arr_get_first(sp_kv_list(old_spec, list));
	SP_KV_EACH (container, i, sp_kv_list(spec, list)) {
		SP_KIND_NEED(c, sp_kv_copy(c->doc, container, old, "image"));
		old = old->next;
	}
}

/* Puts the old node selection of a gated pod into `spec`, after checking what changed in it. */
static void gated_selection(sp_kind_ctx *c, const sp_path *path, yyjson_mut_val *spec,
			    yyjson_mut_val *old_spec)
{
	yyjson_mut_val *selector = sp_kv_map(spec, "nodeSelector"),
		       *old_selector = sp_kv_map(old_spec, "nodeSelector");
	yyjson_mut_val *affinity = sp_kv_get(spec, "affinity"),
		       *old_affinity = sp_kv_get(old_spec, "affinity");
	yyjson_mut_val *node = sp_kv_get(affinity, "nodeAffinity"),
		       *old_node = sp_kv_get(old_affinity, "nodeAffinity");
	if (!sp_kv_equal(selector, old_selector)) {
		node_selector_grows(c->errors, SP_AT(path, "nodeSelector"), selector, old_selector);
		SP_KIND_NEED(c, sp_kv_copy(c->doc, spec, old_spec, "nodeSelector"));
	}
	if (sp_kv_equal(node, old_node))
		return;
	node_affinity_narrows(c->errors, SP_AT(path, "affinity.nodeAffinity"), node, old_node);
	affinity = sp_kv_need_obj(c->doc, spec, "affinity");
	SP_KIND_NEED(c,
		     affinity != NULL &&
			     (old_node == NULL ? sp_kv_set(c->doc, affinity, "nodeAffinity", NULL)
					       : sp_kv_copy(c->doc, affinity, old_affinity, "nodeAffinity")));
}

/* A copy of the new spec with everything taken back that may change; the rest must be the old spec. */
static void rest_kept(sp_kind_ctx *c, const sp_path *path, yyjson_mut_val *now, yyjson_mut_val *was)
{
	static const char *const back[] = {"activeDeadlineSeconds", "schedulingGates", "tolerations"};
	static const char grace[] = "terminationGracePeriodSeconds";
	yyjson_mut_val *spec = yyjson_mut_val_mut_copy(c->doc, now);
	SP_KIND_NEED(c, spec != NULL);
	restore_images(c, spec, was, "containers");
	restore_images(c, spec, was, "initContainers");
	for (size_t i = 0; i < SP_LEN(back); i++)
		SP_KIND_NEED(c, sp_kv_copy(c->doc, spec, was, back[i]));
	if (sp_kv_i64(was, grace, 0) < 0 && sp_kv_i64(spec, grace, 0) == 1)
		SP_KIND_NEED(c, sp_kv_copy(c->doc, spec, was, grace));
	if (sp_kv_list(was, "schedulingGates") != NULL)
		gated_selection(c, path, spec, was);
	if (!sp_kind_same(c, "spec", spec, was))
		sp_v_forbidden(c->errors, path,
			       "pod updates may not change fields other than "
			       "`spec.containers[*].image`,`spec.initContainers[*].image`,"
			       "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
			       "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 "
			       "if it was "
			       "previously negative)\n" SP_FMT,
			       SP_ARG(sp_kind_diff_go(c, &sp_go_pod_spec, was, spec)));
}

void sp_pod_validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	yyjson_mut_val *now = sp_kv_get(obj, "spec"), *was = sp_kv_get(old, "spec");
	const sp_path *path = SP_PATH("spec");
	sp_violations *v = c->errors;
	sp_meta_validate_update(c, obj, old);
	sp_pod_whole_validate(c, obj, sp_pod_options(c->arena, was, sp_meta(old)) | SP_POD_IS_POD, false);
	sp_pod_annotation_updates_validate(c, obj, old);
	if (!containers_kept(v, SP_AT(path, "containers"), sp_kv_list(now, "containers"),
			     sp_kv_list(was, "containers")) ||
	    !containers_kept(v, SP_AT(path, "initContainers"), sp_kv_list(now, "initContainers"),
			     sp_kv_list(was, "initContainers")) ||
	    !deadline_kept(v, SP_AT(path, "activeDeadlineSeconds"), now, was))
		return;
	tolerations_kept(c, SP_AT(path, "tolerations"), sp_kv_list(now, "tolerations"),
			 sp_kv_list(was, "tolerations"));
	gates_kept(c, SP_AT(path, "schedulingGates"), sp_kv_list(now, "schedulingGates"),
		   sp_kv_list(was, "schedulingGates"));
	if (!sp_kind_same(c, "spec", now, was))
		rest_kept(c, path, now, was);
}

void sp_pod_validate_ephemeral(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	const sp_path *path = SP_PATH("spec.ephemeralContainers");
	yyjson_mut_val *was = sp_kv_get(old, "spec");
	sp_map fresh;
	if (sp_kv_has(sp_kv_get(sp_meta(old), "annotations"), "kubernetes.io/config.mirror")) {
		sp_v_forbidden(c->errors, SP_PATH(""), "static pods do not support ephemeral containers");
		return;
	}
	sp_meta_validate_update(c, obj, old);
	sp_pod_whole_validate(c, obj, sp_pod_options(c->arena, was, sp_meta(old)) | SP_POD_IS_POD, false);
	sp_pod_annotation_updates_validate(c, obj, old);
	sp_map_init(&fresh);
	SP_KV_EACH (container, i, sp_kv_list(sp_kv_get(obj, "spec"), "ephemeralContainers"))
		SP_KIND_NEED(c, sp_map_put(&fresh, sp_kv_str(container, "name"), container, NULL) == SP_OK);
	SP_KV_EACH (container, i, sp_kv_list(was, "ephemeralContainers")) {
		sp_str name = sp_kv_str(container, "name");
		yyjson_mut_val *kept = sp_map_get(&fresh, name);
		if (kept == NULL)
			sp_v_forbidden(c->errors, path,
				       "existing ephemeral containers \"" SP_FMT "\" may not be removed\n",
				       SP_ARG(name));
		else if (!sp_kv_equal_core("EphemeralContainer", kept, container))
			sp_v_forbidden(
				c->errors, path,
				"existing ephemeral containers \"" SP_FMT "\" may not be changed\n" SP_FMT,
				SP_ARG(name),
				SP_ARG(sp_kind_diff_go(c, &sp_go_ephemeral_container, container, kept)));
	}
	sp_map_done(&fresh);
}
