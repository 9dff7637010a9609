/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an update may keep because the old object has it, and fields behind gates that are off.
 * U: kubernetes pkg/api/pod/util.go.
 */
#include "kube/kinds/pod_int.h"
#include "kube/meta.h"

static sp_pod_walk probe_walk(sp_violations *v, yyjson_mut_val *spec)
{
	return (sp_pod_walk){.arena = v->arena, .v = v, .spec = spec, .host_users = true};
}

/* True when a check of the old spec alone finds something. */
static bool finds(sp_arena *a, yyjson_mut_val *spec, void (*check)(sp_pod_walk *w))
{
	sp_violations v;
	sp_violations_init(&v, a);
	sp_pod_walk w = probe_walk(&v, spec);
	check(&w);
	return v.n > 0;
}

static void check_spread(sp_pod_walk *w)
{
	SP_KV_EACH (constraint, i, sp_kv_list(w->spec, "topologySpreadConstraints"))
		sp_label_selector_validate(w->v, SP_PATH("x"), sp_kv_get(constraint, "labelSelector"), 0);
}

static void check_match_keys(sp_pod_walk *w)
{
	w->options = SP_POD_BAD_SPREAD_SELECTOR;
	sp_pod_match_keys_validate(w, SP_PATH("x"), sp_kv_list(w->spec, "topologySpreadConstraints"));
}

static void check_token_paths(sp_pod_walk *w)
{
	SP_KV_EACH (volume, i, sp_kv_list(w->spec, "volumes")) {
		SP_KV_EACH (source, k, sp_kv_list(sp_kv_get(volume, "projected"), "sources")) {
			yyjson_mut_val *token = sp_kv_get(source, "serviceAccountToken");
			if (token != NULL)
				sp_v_local_non_reserved_path(w->v, SP_PATH("x"), sp_kv_str(token, "path"));
		}
	}
}

static bool bad_affinity_selector(yyjson_mut_val *spec)
{
	static const char *const kinds[] = {"podAffinity", "podAntiAffinity"};
	yyjson_mut_val *affinity = sp_kv_get(spec, "affinity");
	for (size_t k = 0; k < SP_LEN(kinds); k++) {
		yyjson_mut_val *side = sp_kv_get(affinity, kinds[k]);
		SP_KV_EACH (term, i, sp_kv_list(side, "requiredDuringSchedulingIgnoredDuringExecution")) {
			if (sp_label_selector_has_bad_value(sp_kv_get(term, "labelSelector")))
				return true;
		}
		SP_KV_EACH (weighted, i,
			    sp_kv_list(side, "preferredDuringSchedulingIgnoredDuringExecution")) {
			if (sp_label_selector_has_bad_value(
				    sp_kv_path(weighted, "podAffinityTerm", "labelSelector", NULL)))
				return true;
		}
	}
	return false;
}

static bool bad_node_affinity(yyjson_mut_val *spec)
{
	yyjson_mut_val *required = sp_kv_path(spec, "affinity", "nodeAffinity",
					      "requiredDuringSchedulingIgnoredDuringExecution", NULL);
	SP_KV_EACH (term, i, sp_kv_list(required, "nodeSelectorTerms")) {
		if (sp_label_selector_has_bad_value(term)) /* both have matchExpressions with values */
			return true;
	}
	return false;
}

static bool old_sysctls_conflict(yyjson_mut_val *spec)
{
	SP_KV_EACH (item, i, sp_kv_list(sp_kv_get(spec, "securityContext"), "sysctls")) {
		if (sp_pod_host_sysctl_conflict(sp_kv_str(item, "name"), spec))
			return true;
	}
	return false;
}

static bool init_restart_resize(yyjson_mut_val *spec)
{
	SP_KV_EACH (container, i, sp_kv_list(spec, "initContainers")) {
		SP_KV_EACH (policy, k, sp_kv_list(container, "resizePolicy")) {
			if (!sp_pod_is_sidecar(container) &&
			    sp_kv_is(policy, "restartPolicy", "RestartContainer"))
				return true;
		}
	}
	return false;
}

static bool userns_devices(yyjson_mut_val *spec)
{
	if (!yyjson_mut_is_false(sp_kv_get(spec, "hostUsers")))
		return false;
	for (size_t list = 0; list < SP_POD_CONTAINER_LISTS; list++) {
		SP_KV_EACH (container, i, sp_kv_list(spec, sp_pod_lists[list])) {
			if (sp_kv_list(container, "volumeDevices") != NULL)
				return true;
		}
	}
	return false;
}

/* Amounts of huge pages that are no multiple of the page. */
static bool indivisible_hugepages(yyjson_mut_val *spec)
{
	static const char *const which[] = {"limits", "requests"};
	for (size_t list = 0; list < SP_POD_CONTAINER_LISTS; list++) {
		SP_KV_EACH (container, i, sp_kv_list(spec, sp_pod_lists[list])) {
			for (size_t k = 0; k < SP_LEN(which); k++) {
				SP_KV_EACH_MEMBER (key, val, m,
						   sp_kv_map(sp_kv_get(container, "resources"), which[k])) {
					sp_str name = sp_jmut_str(key);
					sp_qty page, q = sp_kv_qty(val);
					if (sp_str_take(&name, SP_STR("hugepages-")) &&
					    sp_qty_parse(name, &page, NULL) == SP_OK &&
					    sp_qty_value(&page) > 0 &&
					    sp_qty_value(&q) % sp_qty_value(&page) != 0)
						return true;
				}
			}
		}
	}
	return false;
}

unsigned sp_pod_options(sp_arena *a, yyjson_mut_val *old_spec, yyjson_mut_val *old_meta)
{
	static const struct {
		unsigned option;
		bool (*old_has)(yyjson_mut_val *spec);
	} rows[] = {
		{SP_POD_BAD_SELECTOR_VALUES, bad_affinity_selector},
		{SP_POD_BAD_NODE_AFFINITY_VALUES, bad_node_affinity},
		{SP_POD_INDIVISIBLE_HUGEPAGES, indivisible_hugepages},
		{SP_POD_HOST_SYSCTLS, old_sysctls_conflict},
		{SP_POD_INIT_RESTART_RESIZE, init_restart_resize},
		{SP_POD_USERNS_DEVICES, userns_devices},
	};
	static const struct {
		unsigned option;
		void (*check)(sp_pod_walk *w);
	} checks[] = {
		{SP_POD_BAD_SPREAD_SELECTOR, check_spread},
		{SP_POD_BAD_MATCH_LABEL_KEYS, check_match_keys},
		{SP_POD_NON_LOCAL_TOKEN_PATH, check_token_paths},
	};
	unsigned options = 0;
	if (old_spec == NULL)
		return 0;
	for (size_t i = 0; i < SP_LEN(rows); i++)
		options |= rows[i].old_has(old_spec) ? rows[i].option : 0;
	for (size_t i = 0; i < SP_LEN(checks); i++)
		options |= finds(a, old_spec, checks[i].check) ? checks[i].option : 0;
	if (sp_kv_has(sp_kv_get(old_spec, "securityContext"), "seLinuxChangePolicy"))
		options |= SP_POD_ANY_SELINUX_POLICY;
	yyjson_mut_val *cost =
		sp_kv_get(sp_kv_get(old_meta, "annotations"), "controller.kubernetes.io/pod-deletion-cost");
	if (cost != NULL && !sp_pod_deletion_cost_fits(sp_jmut_str(cost)))
		options |= SP_POD_BAD_DELETION_COST;
	return options;
}

unsigned sp_pod_template_options(sp_arena *a, yyjson_mut_val *old_template)
{
	return sp_pod_options(a, sp_kv_get(old_template, "spec"), sp_meta(old_template));
}

static bool uses_stop_signal(yyjson_mut_val *spec)
{
	for (size_t list = 0; list < SP_POD_CONTAINER_LISTS; list++) {
		SP_KV_EACH (container, i, sp_kv_list(spec, sp_pod_lists[list])) {
			if (sp_kv_has(sp_kv_get(container, "lifecycle"), "stopSignal"))
				return true;
		}
	}
	return false;
}

static bool uses_projection(yyjson_mut_val *spec, const char *name)
{
	SP_KV_EACH (volume, i, sp_kv_list(spec, "volumes")) {
		SP_KV_EACH (source, k, sp_kv_list(sp_kv_get(volume, "projected"), "sources")) {
			if (sp_kv_has(source, name))
				return true;
		}
	}
	return false;
}

static void drop_projection(yyjson_mut_val *spec, const char *name)
{
	SP_KV_EACH (volume, i, sp_kv_list(spec, "volumes")) {
		SP_KV_EACH (source, k, sp_kv_list(sp_kv_get(volume, "projected"), "sources"))
			sp_kv_drop(source, name);
	}
}

void sp_pod_drop_disabled(yyjson_mut_val *spec, yyjson_mut_val *old_spec)
{
	static const char *const projections[] = {"clusterTrustBundle", "podCertificate"};
	for (size_t i = 0; i < SP_LEN(projections); i++) {
		if (!uses_projection(old_spec, projections[i]))
			drop_projection(spec, projections[i]);
	}
	if (!sp_kv_has(old_spec, "schedulingGroup"))
		sp_kv_drop(spec, "schedulingGroup");
	if (uses_stop_signal(old_spec))
		return;
	for (size_t list = 0; list < SP_POD_CONTAINER_LISTS; list++) {
		SP_KV_EACH (container, i, sp_kv_list(spec, sp_pod_lists[list])) {
			yyjson_mut_val *lifecycle = sp_kv_get(container, "lifecycle");
			if (!sp_kv_has(lifecycle, "stopSignal"))
				continue;
			sp_kv_drop(lifecycle, "stopSignal");
			if (sp_kv_len(lifecycle) == 0)
				sp_kv_drop(container, "lifecycle");
		}
	}
}

void sp_pod_template_drop_disabled(yyjson_mut_val *pod_template, yyjson_mut_val *old_template)
{
	sp_pod_drop_disabled(sp_kv_get(pod_template, "spec"), sp_kv_get(old_template, "spec"));
}
