/* SPDX-License-Identifier: Apache-2.0 */
/* Resources of the whole pod: sums over containers, the pod's own requirements, its quality of service. */
#include "kube/kinds/pod_int.h"
#include "kube/kinds/resources.h"

/* *sum[name] += qty, made zero first. */
static bool add_to(sp_arena *a, sp_map *sum, sp_str name, const sp_qty *q)
{
	sp_qty *have = sp_map_get(sum, name);
	if (have == NULL) {
		have = sp_try_new(a, sp_qty, 1);
		if (have == NULL || sp_map_put(sum, name, have, NULL) != SP_OK)
			return false;
	}
	if (!sp_qty_add(have, q))
		have->nanos = q->nanos; /* beyond any amount there is; the error texts stay finite */
	return true;
}

static bool add_list(sp_arena *a, sp_map *sum, yyjson_mut_val *list)
{
	SP_KV_EACH_MEMBER (key, val, i, list) {
		sp_qty q = sp_kv_qty(val);
		if (!add_to(a, sum, sp_jmut_str(key), &q))
			return false;
	}
	return true;
}

static bool max_of(sp_arena *a, sp_map *into, const sp_map *from)
{
	const sp_map_entry *e;
	for (size_t i = 0; (e = sp_map_next(from, &i)) != NULL;) {
		sp_qty *have = sp_map_get(into, e->key), *other = e->value;
		if (have == NULL) {
			have = sp_try_new(a, sp_qty, 1);
			if (have == NULL || sp_map_put(into, e->key, have, NULL) != SP_OK)
				return false;
			*have = *other;
		} else if (sp_qty_cmp(other, have) > 0) {
			*have = *other;
		}
	}
	return true;
}

/* While an init container runs, the sidecars before it run too. */
static bool init_peak(sp_arena *a, yyjson_mut_val *spec, const char *which, sp_map *total, sp_map *peak)
{
	sp_map sidecars;
	bool ok = true;
	sp_map_init(&sidecars);
	SP_KV_EACH (container, i, sp_kv_list(spec, "initContainers")) {
		yyjson_mut_val *list = sp_kv_map(sp_kv_get(container, "resources"), which);
		if (sp_pod_is_sidecar(container)) {
			ok = ok && add_list(a, total, list) && add_list(a, &sidecars, list) &&
			     max_of(a, peak, &sidecars);
			continue;
		}
		sp_map now;
		sp_map_init(&now);
		ok = ok && add_list(a, &now, list);
		const sp_map_entry *e;
		for (size_t k = 0; ok && (e = sp_map_next(&sidecars, &k)) != NULL;)
			ok = add_to(a, &now, e->key, e->value);
		ok = ok && max_of(a, peak, &now);
		sp_map_done(&now);
	}
	sp_map_done(&sidecars);
	return ok;
}

bool sp_pod_aggregate(sp_arena *a, yyjson_mut_val *spec, const char *which, sp_map *ret)
{
	sp_map peak;
	bool ok = true;
	sp_map_init(&peak);
	SP_KV_EACH (container, i, sp_kv_list(spec, "containers"))
		ok = ok && add_list(a, ret, sp_kv_map(sp_kv_get(container, "resources"), which));
	ok = ok && init_peak(a, spec, which, ret, &peak) && max_of(a, ret, &peak);
	sp_map_done(&peak);
	return ok;
}

static void below_pod(sp_pod_walk *w, const sp_path *path, const char *which, bool only_hugepages)
{
	yyjson_mut_val *list = sp_kv_map(sp_kv_get(w->spec, "resources"), which);
	sp_map sums;
	sp_map_init(&sums);
	if (!sp_pod_aggregate(w->arena, w->spec, which, &sums))
		w->v->code = SP_ENOMEM;
	SP_KV_EACH_MEMBER (key, val, i, list) {
		sp_str name = sp_jmut_str(key);
		const sp_qty *sum = sp_map_get(&sums, name);
		sp_qty pod = sp_kv_qty(val);
		if (sum == NULL || sp_qty_cmp(sum, &pod) <= 0 ||
		    (only_hugepages && !sp_res_is_hugepage(name)))
			continue;
		sp_str have = sp_qty_print(w->arena, pod), need = sp_qty_print(w->arena, *sum);
		sp_v_invalid(w->v, SP_AT_KEY(SP_AT_STR(path, sp_str_c(which)), name), have,
			     "must be greater than or equal to aggregate container %s of " SP_FMT, which,
			     SP_ARG(need));
	}
	sp_map_done(&sums);
}

static void container_limits(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *limits)
{
	sp_map by_name;
	sp_map_init(&by_name);
	SP_KV_EACH_MEMBER (key, val, i, limits) {
		if (sp_map_put(&by_name, sp_jmut_str(key), val, NULL) != SP_OK)
			w->v->code = SP_ENOMEM;
	}
	SP_KV_EACH (container, i, sp_kv_list(w->spec, "containers")) {
		SP_KV_EACH_MEMBER (key, val, k, sp_kv_map(sp_kv_get(container, "resources"), "limits")) {
			yyjson_mut_val *bound = sp_map_get(&by_name, sp_jmut_str(key));
			sp_qty own = sp_kv_qty(val), pod = sp_kv_qty(bound);
			if (bound == NULL || sp_qty_cmp(&own, &pod) <= 0)
				continue;
			sp_str have = sp_qty_print(w->arena, own), most = sp_qty_print(w->arena, pod);
			sp_v_invalid(w->v,
				     SP_AT(SP_AT_KEY(SP_AT_I(SP_AT(path, "containers"), i), sp_jmut_str(key)),
					   "limits"),
				     have, "must be less than or equal to pod limits of " SP_FMT,
				     SP_ARG(most));
		}
	}
	sp_map_done(&by_name);
}

void sp_pod_level_resources_validate(sp_pod_walk *w, const sp_path *spec_path)
{
	yyjson_mut_val *resources = sp_kv_get(w->spec, "resources");
	const sp_path *path = SP_AT(spec_path, "resources");
	unsigned options = SP_RES_POD_LEVEL;
	if (resources == NULL)
		return;
	if (sp_str_eq(w->os, SP_STR("windows"))) {
		sp_v_forbidden(w->v, path, "may not be set for a windows pod");
		return;
	}
	if (sp_kv_list(resources, "claims") != NULL)
		sp_v_forbidden(w->v, SP_AT(path, "claims"),
			       "claims may not be set for Resources at pod-level");
	if ((w->options & SP_POD_INDIVISIBLE_HUGEPAGES) != 0)
		options |= SP_RES_INDIVISIBLE_HUGEPAGES;
	sp_res_requirements_validate(w->v, path, resources, &w->claims, options);
	below_pod(w, path, "requests", false);
	below_pod(w, path, "limits", true);
	container_limits(w, path, sp_kv_map(resources, "limits"));
}

/* cpu and memory of requests and limits, summed. */
typedef struct qos_sums {
	sp_qty requests[2], limits[2];
	bool guaranteed;
} qos_sums;

static const char *const compute[2] = {"cpu", "memory"};

static void qos_add(qos_sums *s, yyjson_mut_val *resources)
{
	yyjson_mut_val *requests = sp_kv_map(resources, "requests"), *limits = sp_kv_map(resources, "limits");
	for (size_t i = 0; i < SP_LEN(compute); i++) {
		sp_qty request = sp_kv_qty(sp_kv_get(requests, compute[i]));
		sp_qty limit = sp_kv_qty(sp_kv_get(limits, compute[i]));
		if (request.nanos > 0 && !sp_qty_add(&s->requests[i], &request))
			s->guaranteed = false;
		if (limit.nanos > 0 && !sp_qty_add(&s->limits[i], &limit))
			s->guaranteed = false;
		s->guaranteed = s->guaranteed && limit.nanos > 0;
	}
}

sp_str sp_pod_qos(yyjson_mut_val *spec)
{
	qos_sums s = {.guaranteed = true};
	yyjson_mut_val *own = sp_kv_get(spec, "resources");
	if (own != NULL) {
		qos_add(&s, own);
	} else {
		for (size_t list = SP_POD_INIT; list <= SP_POD_REGULAR; list++) {
			SP_KV_EACH (container, i, sp_kv_list(spec, sp_pod_lists[list]))
				qos_add(&s, sp_kv_get(container, "resources"));
		}
	}
	bool any = false;
	for (size_t i = 0; i < SP_LEN(compute); i++) {
		any = any || s.requests[i].nanos > 0 || s.limits[i].nanos > 0;
		s.guaranteed = s.guaranteed && sp_qty_cmp(&s.requests[i], &s.limits[i]) == 0;
	}
	if (!any)
		return SP_STR("BestEffort");
	return s.guaranteed ? SP_STR("Guaranteed") : SP_STR("Burstable");
}
