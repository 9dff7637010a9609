/* SPDX-License-Identifier: Apache-2.0 */
/* What a write of a pod may set. U: kubernetes pkg/registry/core/pod/strategy.go. */
#include "kube/kinds/pod_int.h"
#include "kube/meta.h"

static bool append(yyjson_mut_doc *doc, yyjson_mut_val *list, yyjson_mut_val *item)
{
	(void)doc;
	return list != NULL && item != NULL && yyjson_mut_arr_append(list, item);
}

/* The pod's own label values become requirements of the selector. */
static void apply_label_keys(sp_kind_ctx *c, yyjson_mut_val *holder, const char *member, const char *op,
			     yyjson_mut_val *labels)
{
	yyjson_mut_val *selector = sp_kv_get(holder, "labelSelector");
	SP_KV_EACH (key, i, selector != NULL ? sp_kv_list(holder, member) : NULL) {
		yyjson_mut_val *value = sp_jmut_get(labels, sp_jmut_str(key));
		if (value == NULL)
			continue;
		yyjson_mut_val *list = sp_kv_need_list(c->doc, selector, "matchExpressions");
		yyjson_mut_val *req = yyjson_mut_obj(c->doc), *values = yyjson_mut_arr(c->doc);
		bool ok = req != NULL && sp_kv_set_str(c->doc, req, "key", sp_jmut_str(key)) &&
			  sp_kv_set_str(c->doc, req, "operator", sp_str_c(op)) &&
			  append(c->doc, values, yyjson_mut_val_mut_copy(c->doc, value)) &&
			  sp_kv_set(c->doc, req, "values", values) && append(c->doc, list, req);
		SP_KIND_NEED(c, ok);
	}
}

static void merge_label_keys(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	static const char *const kinds[] = {"podAffinity", "podAntiAffinity"};
	yyjson_mut_val *spec = sp_kv_get(obj, "spec"), *labels = sp_kv_get(sp_meta(obj), "labels");
	for (size_t k = 0; k < SP_LEN(kinds); k++) {
		yyjson_mut_val *side = sp_kv_path(spec, "affinity", kinds[k], NULL);
		SP_KV_EACH (weighted, i,
			    sp_kv_list(side, "preferredDuringSchedulingIgnoredDuringExecution")) {
			yyjson_mut_val *term = sp_kv_get(weighted, "podAffinityTerm");
			apply_label_keys(c, term, "matchLabelKeys", "In", labels);
			apply_label_keys(c, term, "mismatchLabelKeys", "NotIn", labels);
		}
		SP_KV_EACH (term, i, sp_kv_list(side, "requiredDuringSchedulingIgnoredDuringExecution")) {
			apply_label_keys(c, term, "matchLabelKeys", "In", labels);
			apply_label_keys(c, term, "mismatchLabelKeys", "NotIn", labels);
		}
	}
	SP_KV_EACH (constraint, i, sp_kv_list(spec, "topologySpreadConstraints"))
		apply_label_keys(c, constraint, "matchLabelKeys", "In", labels);
}

static void gated_condition(sp_kind_ctx *c, yyjson_mut_val *status)
{
	static const char *const members[][2] = {
		{"type", "PodScheduled"},
		{"status", "False"},
		{"reason", "SchedulingGated"},
		{"message", "Scheduling is blocked due to non-empty scheduling gates"},
	};
	char when[SP_TIME_TEXT_BYTES];
	size_t n = sp_time_print(when, c->now, 0);
	yyjson_mut_val *list = sp_kv_need_list(c->doc, status, "conditions"), *cond = yyjson_mut_obj(c->doc);
	bool ok = cond != NULL;
	for (size_t i = 0; ok && i < SP_LEN(members); i++)
		ok = sp_kv_set_str(c->doc, cond, members[i][0], sp_str_c(members[i][1]));
	ok = ok && sp_kv_set_str(c->doc, cond, "lastTransitionTime", (sp_str){when, n}) &&
	     append(c->doc, list, cond);
	SP_KIND_NEED(c, ok);
}

/* The profile type that an AppArmor annotation means, NULL: none; *file is what follows "localhost/". */
static const char *armor_type(sp_str annotation, sp_str *file)
{
	*file = annotation;
	if (sp_str_eq(annotation, SP_STR("unconfined")))
		return "Unconfined";
	if (sp_str_eq(annotation, SP_STR("runtime/default")))
		return "RuntimeDefault";
	bool local = sp_str_take(file, SP_STR("localhost/")) && file->len > 0 &&
		     sp_str_trim(*file).len == file->len;
	return local ? "Localhost" : NULL;
}

bool sp_pod_armor_is(yyjson_mut_val *field, sp_str annotation)
{
	sp_str file;
	const char *type = armor_type(annotation, &file);
	return type != NULL && sp_kv_is(field, "type", type) &&
	       (type[0] != 'L' || sp_str_eq(sp_kv_str(field, "localhostProfile"), file));
}

/* An AppArmor annotation without a field becomes the field. */
static void apparmor_field(sp_kind_ctx *c, yyjson_mut_val *container, sp_str key, sp_str profile,
			   yyjson_mut_val *pod_profile)
{
	sp_str file;
	const char *type = armor_type(profile, &file);
	bool local = type != NULL && type[0] == 'L';
	if (sp_pod_armor_is(pod_profile, profile))
		return;
	if (type != NULL) {
		yyjson_mut_val *sc = sp_kv_need_obj(c->doc, container, "securityContext");
		yyjson_mut_val *field = sp_kv_need_obj(c->doc, sc, "appArmorProfile");
		bool ok = field != NULL && sp_kv_set_str(c->doc, field, "type", sp_str_c(type)) &&
			  (!local || sp_kv_set_str(c->doc, field, "localhostProfile", file));
		SP_KIND_NEED(c, ok);
	}
	sp_warn(c,
		"metadata.annotations[" SP_FMT
		"]: deprecated since v1.30; use the \"appArmorProfile\" field instead",
		SP_ARG(key));
}

static void apparmor_annotations(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *spec = sp_kv_get(obj, "spec"), *annotations = sp_kv_map(sp_meta(obj), "annotations");
	yyjson_mut_val *pod_profile = sp_kv_path(spec, "securityContext", "appArmorProfile", NULL);
	if (annotations == NULL || sp_kv_is(sp_kv_get(spec, "os"), "name", "windows"))
		return;
	for (size_t list = 0; list < SP_POD_CONTAINER_LISTS; list++) {
		SP_KV_EACH (container, i, sp_kv_list(spec, sp_pod_lists[list])) {
			sp_str name = sp_kv_str(container, "name");
			sp_str key = sp_arena_printf(c->arena,
						     "container.apparmor.security.beta.kubernetes.io/" SP_FMT,
						     SP_ARG(name));
			yyjson_mut_val *annotation = sp_jmut_get(annotations, key);
			if (annotation != NULL &&
			    sp_kv_path(container, "securityContext", "appArmorProfile", NULL) == NULL)
				apparmor_field(c, container, key, sp_jmut_str(annotation), pod_profile);
		}
	}
}

void sp_pod_prepare_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *spec = sp_kv_get(obj, "spec"), *status;
	sp_str sent = sp_kv_str(sp_kv_get(obj, "status"), "qosClass"),
	       qos = sent.len > 0 ? sent : sp_pod_qos(spec);
	sp_kv_drop(obj, "status");
	status = sp_kv_need_obj(c->doc, obj, "status");
	SP_KIND_NEED(c, status != NULL && sp_kv_set_str(c->doc, status, "phase", SP_STR("Pending")) &&
				sp_kv_set_str(c->doc, status, "qosClass", qos));
	sp_pod_drop_disabled(spec, NULL);
	if (status != NULL && sp_kv_list(spec, "schedulingGates") != NULL)
		gated_condition(c, status);
	merge_label_keys(c, obj);
	apparmor_annotations(c, obj);
}

void sp_pod_prepare_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	(void)c;
	sp_pod_drop_disabled(sp_kv_get(obj, "spec"), sp_kv_get(old, "spec"));
}

/* Conditions without an observedGeneration keep that of the old condition of their type, in order. */
static void keep_observed_generations(sp_kind_ctx *c, yyjson_mut_val *status, yyjson_mut_val *was)
{
	sp_map next; /* type to the old condition to take from */
	yyjson_mut_val *old_list = sp_kv_list(was, "conditions");
	sp_map_init(&next);
	if (sp_kv_i64(status, "observedGeneration", 0) == 0)
		SP_KIND_NEED(c, sp_kv_copy(c->doc, status, was, "observedGeneration"));
	SP_KV_EACH (cond, i, old_list) {
		sp_str type = sp_kv_str(cond, "type");
		if (sp_map_get(&next, type) == NULL)
			SP_KIND_NEED(c, sp_map_put(&next, type, cond, NULL) == SP_OK);
	}
	SP_KV_EACH (cond, i, sp_kv_list(status, "conditions")) {
		/* types repeat only in odd objects: later ones of a type get none */
		yyjson_mut_val *old = sp_map_remove(&next, sp_kv_str(cond, "type"));
		if (sp_kv_i64(cond, "observedGeneration", 0) == 0 && old != NULL)
			SP_KIND_NEED(c, sp_kv_copy(c->doc, cond, old, "observedGeneration"));
	}
	sp_map_done(&next);
}

void sp_pod_prepare_status(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	yyjson_mut_val *meta = sp_meta(obj), *status = sp_kv_need_obj(c->doc, obj, "status");
	yyjson_mut_val *was = sp_kv_get(old, "status");
	SP_KIND_NEED(c, status != NULL);
	sp_kv_drop(meta, "deletionTimestamp");
	SP_KIND_NEED(c, sp_kv_copy(c->doc, meta, sp_meta(old), "ownerReferences"));
	if (sp_kv_str(status, "qosClass").len == 0)
		SP_KIND_NEED(c, sp_kv_copy(c->doc, status, was, "qosClass"));
	keep_observed_generations(c, status, was);
}

/* Everything but managedFields and resourceVersion goes back. */
static void restore_meta(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	static const char *const back[] = {"annotations",       "labels",  "finalizers", "ownerReferences",
					   "deletionTimestamp", "selfLink"};
	for (size_t i = 0; i < SP_LEN(back); i++)
		SP_KIND_NEED(c, sp_kv_copy(c->doc, sp_meta(obj), sp_meta(old), back[i]));
}

static void bump_if_changed(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	if (!sp_kind_same(c, "spec", sp_kv_get(obj, "spec"), sp_kv_get(old, "spec")))
		sp_meta_bump_generation(c, obj, old);
}

/* The old spec with one member of the new. */
static void spec_with(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old, const char *member)
{
	yyjson_mut_val *value = sp_kv_get(sp_kv_get(obj, "spec"), member);
	SP_KIND_NEED(c, sp_kv_copy(c->doc, obj, old, "spec"));
	SP_KIND_NEED(c, sp_kv_set(c->doc, sp_kv_get(obj, "spec"), member, value));
}

void sp_pod_prepare_ephemeral(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	spec_with(c, obj, old, "ephemeralContainers");
	SP_KIND_NEED(c, sp_kv_copy(c->doc, obj, old, "status"));
	restore_meta(c, obj, old);
	sp_pod_drop_disabled(sp_kv_get(obj, "spec"), sp_kv_get(old, "spec"));
	bump_if_changed(c, obj, old);
}

/* The old containers with the new resources, when names agree; else the new ones, to be refused. */
static void merge_resources(sp_kind_ctx *c, yyjson_mut_val *spec, yyjson_mut_val *now,
			    yyjson_mut_val *old_spec, const char *list)
{
	yyjson_mut_val *fresh = sp_kv_list(now, list), *was = sp_kv_list(old_spec, list);
	yyjson_mut_val *old_item = yyjson_mut_arr_get_first(was);
	bool same = true;
	SP_KV_EACH (container, i, fresh) {
		same = same && sp_str_eq(sp_kv_str(container, "name"), sp_kv_str(old_item, "name"));
		old_item = old_item->next;
	}
	if (!same || fresh == NULL) {
		SP_KIND_NEED(c, sp_kv_set(c->doc, spec, list, sp_kv_get(now, list)));
		return;
	}
	yyjson_mut_val *target = yyjson_mut_arr_get_first(sp_kv_list(spec, list));
	SP_KV_EACH (container, i, fresh) {
		SP_KIND_NEED(c, sp_kv_copy(c->doc, target, container, "resources") &&
					sp_kv_copy(c->doc, target, container, "resizePolicy"));
		target = target->next;
	}
}

void sp_pod_prepare_resize(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	yyjson_mut_val *now = sp_kv_get(obj, "spec"), *old_spec = sp_kv_get(old, "spec");
	bool same = true;
	for (size_t list = SP_POD_INIT; list <= SP_POD_REGULAR; list++)
		same = same && sp_kv_len(sp_kv_list(now, sp_pod_lists[list])) ==
				       sp_kv_len(sp_kv_list(old_spec, sp_pod_lists[list]));
	if (same) {
		spec_with(c, obj, old, "resources");
		for (size_t list = SP_POD_INIT; c->code == SP_OK && list <= SP_POD_REGULAR; list++)
			merge_resources(c, sp_kv_get(obj, "spec"), now, old_spec, sp_pod_lists[list]);
		SP_KIND_NEED(c, sp_kv_copy(c->doc, obj, old, "status"));
		restore_meta(c, obj, old);
	}
	sp_pod_drop_disabled(sp_kv_get(obj, "spec"), old_spec);
	bump_if_changed(c, obj, old);
}
