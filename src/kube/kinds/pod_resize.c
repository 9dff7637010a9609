/* SPDX-License-Identifier: Apache-2.0 */
/* The resize subresource: cpu and memory of a running pod. */
#include "kube/kinds/pod_int.h"
#include "kube/kinds/resources.h"
#include "kube/meta.h"

/* A resource that was there is gone. */
static bool removed(yyjson_mut_val *now, yyjson_mut_val *was)
{
	if (sp_kv_len(was) > sp_kv_len(now))
		return true;
	SP_KV_EACH_MEMBER (key, val, i, was) {
		(void)val;
		if (sp_jmut_get(now, sp_jmut_str(key)) == NULL)
			return true;
	}
	return false;
}

static void removals_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *now, yyjson_mut_val *was,
			      const char *what)
{
	static const char *const lists[] = {"requests", "limits"};
	for (size_t i = 0; i < SP_LEN(lists); i++) {
		if (removed(sp_kv_map(now, lists[i]), sp_kv_map(was, lists[i])))
			sp_v_forbidden(v, SP_AT_STR(path, sp_str_c(lists[i])), "%s %.*ss cannot be removed",
				       what, (int)strlen(lists[i]) - 1, lists[i]);
	}
}

/* False: lengths or names differ, and the lists cannot be compared. */
static bool order_kept(sp_violations *v, const sp_path *path, yyjson_mut_val *now, yyjson_mut_val *was,
		       const char *list)
{
	yyjson_mut_val *old = yyjson_mut_arr_get_first(was);
	bool kept = true;
	if (sp_kv_len(now) != sp_kv_len(was)) {
		sp_v_forbidden(v, path, "%s may not be added or removed on resize", list);
		return false;
	}
	SP_KV_EACH (container, i, now) {
		if (!sp_str_eq(sp_kv_str(container, "name"), sp_kv_str(old, "name"))) {
			sp_v_forbidden(v, SP_AT(SP_AT_I(path, i), "name"),
				       "%s may not be renamed or reordered on resize", list);
			kept = false;
		}
		old = old->next;
	}
	return kept;
}

/* Puts the old cpu and memory into `holder`.resources, and nothing but requests and limits stays there. */
static void take_back(sp_kind_ctx *c, yyjson_mut_val *holder, yyjson_mut_val *old_resources, bool drop_others)
{
	static const char *const lists[] = {"requests", "limits"}, *const names[] = {"cpu", "memory"};
	yyjson_mut_val *resources = sp_kv_get(holder, "resources");
	if (resources == NULL && old_resources == NULL)
		return;
	resources = sp_kv_need_obj(c->doc, holder, "resources");
	for (size_t i = 0; resources != NULL && i < SP_LEN(lists); i++) {
		yyjson_mut_val *list = sp_kv_need_obj(c->doc, resources, lists[i]);
		yyjson_mut_val *old = sp_kv_map(old_resources, lists[i]);
		for (size_t k = 0; list != NULL && k < SP_LEN(names); k++)
			SP_KIND_NEED(c, old == NULL ? sp_kv_set(c->doc, list, names[k], NULL)
						    : sp_kv_copy(c->doc, list, old, names[k]));
		SP_KIND_NEED(c, list != NULL);
	}
	SP_KIND_NEED(c, resources != NULL);
	if (drop_others)
		sp_kv_drop(resources, "claims");
}

static bool has_resources(yyjson_mut_val *spec)
{
	yyjson_mut_val *own = sp_kv_get(spec, "resources");
	return sp_kv_map(own, "requests") != NULL || sp_kv_map(own, "limits") != NULL;
}

static void pod_level(sp_kind_ctx *c, const sp_path *path, yyjson_mut_val *copy, yyjson_mut_val *now,
		      yyjson_mut_val *was)
{
	yyjson_mut_val *own = sp_kv_get(now, "resources"), *old = sp_kv_get(was, "resources");
	if (old != NULL && own == NULL) {
		sp_v_forbidden(c->errors, SP_AT(path, "resources"), "pod-level resources cannot be removed");
		return;
	}
	removals_validate(c->errors, SP_AT(path, "resources"), own, old, "pod-level resource");
	take_back(c, copy, old, false);
	if (!sp_kv_equal_core("ResourceRequirements", sp_kv_get(copy, "resources"), old))
		sp_v_forbidden(c->errors, path, "only cpu and memory resources are mutable at pod-level");
}

static void restart_on_resize(sp_violations *v, const sp_path *path, yyjson_mut_val *container)
{
	SP_KV_EACH (policy, i, sp_kv_list(container, "resizePolicy")) {
		if (sp_kv_is(policy, "restartPolicy", "RestartContainer"))
			sp_v_forbidden(v, path,
				       "non-sidecar init containers with a resize policy of RestartContainer "
				       "cannot be "
				       "resized");
	}
}

/* Containers may differ in cpu and memory only; the copy gets the old amounts. */
static void containers_validate(sp_kind_ctx *c, const sp_path *path, yyjson_mut_val *copy,
				yyjson_mut_val *was, size_t list)
{
	yyjson_mut_val *old = yyjson_mut_arr_get_first(sp_kv_list(was, sp_pod_lists[list]));
	bool init = list == SP_POD_INIT;
	SP_KV_EACH (container, i, sp_kv_list(copy, sp_pod_lists[list])) {
		const sp_path *at = SP_AT_I(SP_AT_STR(path, sp_str_c(sp_pod_lists[list])), i);
		bool modified = !sp_kv_equal_core("Container", container, old);
		take_back(c, container, sp_kv_get(old, "resources"), true);
		if (!sp_kv_equal_core("Container", container, old))
			sp_v_forbidden(c->errors, init ? at : path, "%s",
				       init ? "only cpu and memory resources for init or sidecar containers "
					      "are mutable"
					    : "only cpu and memory resources are mutable");
		if (init && modified && !sp_pod_is_sidecar(container))
			restart_on_resize(c->errors, at, container);
		old = old->next;
	}
}

static bool node_supports(yyjson_mut_val *old)
{
	SP_KV_EACH (status, i, sp_kv_list(sp_kv_get(old, "status"), "containerStatuses")) {
		if (sp_kv_path(status, "state", "running", NULL) != NULL)
			return sp_kv_has(status, "resources");
	}
	return true;
}

static void resized_validate(sp_kind_ctx *c, const sp_path *path, yyjson_mut_val *now, yyjson_mut_val *was)
{
	yyjson_mut_val *copy = yyjson_mut_val_mut_copy(c->doc, now);
	bool comparable = true;
	SP_KIND_NEED(c, copy != NULL);
	if (copy == NULL)
		return;
	if (has_resources(was) || has_resources(now))
		pod_level(c, path, copy, now, was);
	for (size_t k = 0; k < 2; k++) {
		size_t list = k == 0 ? SP_POD_REGULAR : SP_POD_INIT;
		comparable = order_kept(c->errors, SP_AT_STR(path, sp_str_c(sp_pod_lists[list])),
					sp_kv_list(now, sp_pod_lists[list]),
					sp_kv_list(was, sp_pod_lists[list]), sp_pod_lists[list]) &&
			     comparable;
	}
	if (!comparable)
		return;
	for (size_t list = SP_POD_INIT; list <= SP_POD_REGULAR; list++) {
		yyjson_mut_val *old = yyjson_mut_arr_get_first(sp_kv_list(was, sp_pod_lists[list]));
		SP_KV_EACH (container, i, sp_kv_list(now, sp_pod_lists[list])) {
			removals_validate(
				c->errors,
				SP_AT(SP_AT_I(SP_AT_STR(path, sp_str_c(sp_pod_lists[list])), i), "resources"),
				sp_kv_get(container, "resources"), sp_kv_get(old, "resources"), "resource");
			old = old->next;
		}
	}
	containers_validate(c, path, copy, was, SP_POD_REGULAR);
	containers_validate(c, path, copy, was, SP_POD_INIT);
	if (c->errors->n == 0 && !sp_kind_same(c, "spec", copy, was))
		sp_v_forbidden(c->errors, path, "only cpu and memory resources are mutable");
}

void sp_pod_validate_resize(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	const sp_path *path = SP_PATH("spec");
	yyjson_mut_val *now = sp_kv_get(obj, "spec"), *was = sp_kv_get(old, "spec");
	sp_str qos = sp_kv_str(sp_kv_get(old, "status"), "qosClass");
	if (sp_kv_has(sp_kv_get(sp_meta(old), "annotations"), "kubernetes.io/config.mirror")) {
		sp_v_forbidden(c->errors, SP_PATH(""), "static pods cannot be resized");
		return;
	}
	if (sp_kv_is(sp_kv_get(was, "os"), "name", "windows")) {
		sp_v_forbidden(c->errors, SP_PATH(""), "windows pods cannot be resized");
		return;
	}
	sp_meta_validate_update(c, obj, old);
	sp_pod_whole_validate(c, obj, sp_pod_options(c->arena, was, sp_meta(old)) | SP_POD_IS_POD, false);
	if (qos.len == 0)
		qos = sp_pod_qos(was);
	if (!sp_str_eq(qos, sp_pod_qos(now)))
		sp_v_invalid(c->errors, path, sp_bad_named(sp_kv_str(sp_kv_get(obj, "status"), "qosClass")),
			     "Pod QOS Class may not change as a result of resizing");
	if (!node_supports(old))
		sp_v_forbidden(c->errors, path, "Pod running on node without support for resize");
	if (sp_kv_list(sp_kv_get(old, "status"), "nodeAllocatableResourceClaimStatuses") != NULL)
		sp_v_forbidden(c->errors, path,
			       "pods with node allocatable resource claims cannot be resized");
	resized_validate(c, path, now, was);
}
