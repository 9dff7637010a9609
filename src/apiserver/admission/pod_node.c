/* SPDX-License-Identifier: Apache-2.0 */
/* What a pod's node has to do with it: PodTopologyLabels, NodeDeclaredFeatureValidator, PodResizeValidator.
 * U: kubernetes plugin/pkg/admission/{podtopologylabels,nodedeclaredfeatures,podresize}/admission.go,
 * component-helpers nodedeclaredfeatures */
#include "apiserver/admission/admission.h"
#include "kube/kinds/amounts.h"
#include "kube/kinds/pod.h"
#include "kube/meta.h"

#define NODES "/registry/minions/"
#define OS "kubernetes.io/os"
#define FEATURES_BYTES_MAX ((size_t)512)

static yyjson_mut_val *node_named(const api_admit *a, sp_str name)
{
	return api_admit_load(a, NODES, SP_STR(""), name);
}

static sp_str node_of(yyjson_mut_val *pod)
{
	return sp_kv_str(sp_kv_get(pod, "spec"), "nodeName");
}

/* ---- PodTopologyLabels ---- */

/* The node that the write gives a pod; empty: none. */
static sp_str node_given(const api_admit *a)
{
	if (api_admit_is(a, "", "pods", ""))
		return node_of(a->obj);
	/* The old way, POST to "bindings", is another resource to upstream's plugins. */
	if (!api_admit_is(a, "", "pods", "binding") || a->w->r->sub == NULL)
		return SP_STR("");
	yyjson_mut_val *target = sp_kv_get(a->obj, "target");
	return sp_kv_is(target, "kind", "Node") ? sp_kv_str(target, "name") : SP_STR("");
}

bool api_admit_topology_labels(const api_admit *a)
{
	static const char *const copied[] = {"topology.kubernetes.io/zone", "topology.kubernetes.io/region"};
	sp_str name = a->op == API_OP_CREATE ? node_given(a) : SP_STR("");
	yyjson_mut_val *from = sp_kv_map(sp_meta(name.len > 0 ? node_named(a, name) : NULL), "labels");
	yyjson_mut_doc *doc = a->w->doc;
	for (size_t i = 0; i < SP_LEN(copied); i++) {
		yyjson_mut_val *to;
		if (!sp_kv_has(from, copied[i]))
			continue;
		to = sp_kv_need_obj(doc, sp_kv_need_obj(doc, a->obj, "metadata"), "labels");
		SP_KIND_NEED(&a->w->ctx, to != NULL && sp_kv_copy(doc, to, from, copied[i]));
	}
	return true;
}

/* ---- NodeDeclaredFeatureValidator ---- */

/* A change of what init containers that end have. */
static bool resizes_init(yyjson_mut_val *now, yyjson_mut_val *was)
{
	yyjson_mut_val *list = sp_kv_list(now, "initContainers");
	SP_KV_EACH (old, i, sp_kv_list(was, "initContainers")) {
		yyjson_mut_val *new = yyjson_mut_arr_get(list, i);
		if (!sp_pod_is_sidecar(old) &&
		    !sp_kv_equal_core("ResourceRequirements", sp_kv_get(new, "resources"),
				      sp_kv_get(old, "resources")))
			return true;
	}
	return false;
}

static bool resizes_pod(yyjson_mut_val *now, yyjson_mut_val *was)
{
	yyjson_mut_val *new = sp_kv_get(now, "resources"), *old = sp_kv_get(was, "resources");
	return (new == NULL) != (old == NULL) || !sp_kv_equal_core("ResourceRequirements", new, old);
}

/* By name. The other features there are concern no update. */
static const struct {
	const char *name;
	bool (*needed)(yyjson_mut_val *now, yyjson_mut_val *was);
} features[] = {
	{"InPlacePodLevelResourcesVerticalScaling", resizes_pod},
	{"InPlacePodVerticalScalingInitContainers", resizes_init},
};

static bool declares(yyjson_mut_val *node, const char *feature)
{
	SP_KV_EACH (f, i, sp_kv_list(sp_kv_get(node, "status"), "declaredFeatures")) {
		if (sp_str_eq(sp_jmut_str(f), sp_str_c(feature)))
			return true;
	}
	return false;
}

/* Is it an update of the spec of a pod that has a node, itself or by such a subresource? */
static bool changes_spec(const api_admit *a)
{
	return a->op == API_OP_UPDATE && node_of(a->obj).len > 0 &&
	       sp_kv_i64(sp_meta(a->obj), "generation", 0) != sp_kv_i64(sp_meta(a->old), "generation", 0);
}

static bool refuse_no_node(const api_admit *a)
{
	return api_admit_forbid(a, "node \"" SP_FMT "\" not found", SP_ARG(node_of(a->obj)));
}

bool api_admit_declared_features(const api_admit *a)
{
	bool any = false;
	if ((!api_admit_is(a, "", "pods", "") && !api_admit_is(a, "", "pods", "resize")) || !changes_spec(a))
		return true;
	yyjson_mut_val *now = sp_kv_get(a->obj, "spec"), *was = sp_kv_get(a->old, "spec");
	yyjson_mut_val *node = node_named(a, node_of(a->obj));
	SP_AUTO_BUF missing;
	sp_buf_init(&missing, FEATURES_BYTES_MAX);
	for (size_t i = 0; i < SP_LEN(features); i++) {
		if (!features[i].needed(now, was))
			continue;
		any = true;
		if (!declares(node, features[i].name))
			(void)sp_buf_printf(&missing, "%s%s", missing.len > 0 ? ", " : "", features[i].name);
	}
	if (any && node == NULL)
		return refuse_no_node(a);
	return missing.len == 0 || api_admit_forbid(a,
						    "pod update requires features " SP_FMT
						    " which are not available on node \"" SP_FMT "\"",
						    SP_ARG(sp_buf_view(&missing)), SP_ARG(node_of(a->obj)));
}

/* ---- PodResizeValidator ---- */

static bool refuse_resize(const api_admit *a, const char *reason, sp_str why)
{
	const sp_status_cause cause = {.reason = sp_str_c(reason)};
	sp_status s = sp_status_forbidden(&a->w->arena, a->w->res->gr, api_admit_name(a), why);
	s.causes = &cause;
	s.n_causes = 1;
	return api_admit_refuse(a, &s);
}

/* "cpu, requested: 2000, allocatable: 1000", in the arena; empty when there is enough. */
static sp_str too_much(const api_admit *a, yyjson_mut_val *node, const sp_amounts *requests, const char *what,
		       int64_t (*count)(const sp_qty *q))
{
	sp_qty has = sp_kv_qty(sp_kv_get(sp_kv_path(node, "status", "allocatable", NULL), what));
	const sp_qty *asked = sp_amounts_get(requests, sp_str_c(what));
	if (asked == NULL || sp_qty_cmp(asked, &has) <= 0)
		return SP_STR("");
	return sp_arena_printf(&a->w->arena, "%s, requested: %lld, allocatable: %lld", what,
			       (long long)count(asked), (long long)count(&has));
}

bool api_admit_pod_resize(const api_admit *a)
{
	sp_amounts requests;
	if (!api_admit_is(a, "", "pods", "resize") || !changes_spec(a))
		return true;
	yyjson_mut_val *node = node_named(a, node_of(a->obj));
	if (node == NULL)
		return refuse_no_node(a);
	yyjson_mut_val *labels = sp_kv_get(sp_meta(node), "labels");
	sp_str os = sp_kv_str(labels, OS);
	if (sp_kv_has(labels, OS) && !sp_str_eq(os, SP_STR("linux")))
		return refuse_resize(a, "UnsupportedPlatform",
				     sp_arena_printf(&a->w->arena,
						     "pod resize is only supported on linux nodes, node "
						     "\"" SP_FMT "\" is \"" SP_FMT "\"",
						     SP_ARG(sp_meta_name(node)), SP_ARG(os)));
	sp_amounts_init(&requests, &a->w->arena);
	sp_pod_amounts(&requests, a->obj, "requests", true);
	if (requests.failed) {
		api_write_fail(a->w, SP_ETOOLARGE, NULL);
		return false;
	}
	sp_str cpu = too_much(a, node, &requests, "cpu", sp_qty_milli);
	sp_str memory = too_much(a, node, &requests, "memory", sp_qty_value);
	if (cpu.len == 0 && memory.len == 0)
		return true;
	return refuse_resize(
		a, "NodeCapacity",
		sp_arena_printf(&a->w->arena,
				"node didn't have enough allocatable resources: " SP_FMT "%s" SP_FMT,
				SP_ARG(cpu), cpu.len > 0 && memory.len > 0 ? "; " : "", SP_ARG(memory)));
}
