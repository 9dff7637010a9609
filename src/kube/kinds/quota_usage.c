/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kinds/quota_usage.h"

#include <stdlib.h>

#include "base/time.h"
#include "kube/kinds/pod.h"
#include "kube/kinds/resources.h"
#include "kube/meta.h"

#define NANOS ((__int128)1000000000)
#define MISSING_BYTES_MAX ((size_t)64 << 10)
#define CLASS_INFIX ".storageclass.storage.k8s.io/"
#define DEVICES_SUFFIX ".deviceclass.resource.k8s.io/devices"
#define DEVICES_MOST 32 /* of one claim (AllocationResultsMaxSize) */
#define DEVICE_CLASS "deviceclass.resource.kubernetes.io/"
#define CLASS_ANNOTATION "volume.beta.kubernetes.io/storage-class"

static void add_count(sp_amounts *out, sp_str name, size_t n)
{
	const sp_qty qty = {(__int128)n * NANOS, SP_QTY_DECIMAL_SI};
	sp_amounts_set(out, name, &qty);
}

/* "count/pods", "count/deployments.apps" */
static sp_str count_name(const sp_quota_ctx *x)
{
	sp_group_resource gr = x->gr;
	return sp_arena_printf(x->arena, "count/" SP_FMT "%s" SP_FMT, SP_ARG(gr.resource),
			       gr.group.len > 0 ? "." : "", SP_ARG(gr.group));
}

/* ---- everything: counted ---- */

/* Names from before there was "count/". */
static const char *const aliases[] = {"configmaps", "resourcequotas", "replicationcontrollers", "secrets"};

static bool has_alias(const sp_quota_ctx *x)
{
	return x->gr.group.len == 0 && SP_STR_IN(x->gr.resource, aliases);
}

static bool object_counts(const sp_quota_ctx *x, sp_str name)
{
	return sp_str_eq(name, count_name(x)) || (has_alias(x) && sp_str_eq(name, x->gr.resource));
}

static void object_usage(const sp_quota_ctx *x, yyjson_mut_val *obj, sp_amounts *out)
{
	(void)obj;
	add_count(out, count_name(x), 1);
	if (has_alias(x))
		add_count(out, x->gr.resource, 1);
}

/* ---- services ---- */

static bool service_counts(const sp_quota_ctx *x, sp_str name)
{
	static const char *const names[] = {"count/services", "services", "services.nodeports",
					    "services.loadbalancers"};
	(void)x;
	return SP_STR_IN(name, names);
}

static size_t n_node_ports(yyjson_mut_val *spec)
{
	yyjson_mut_val *ports = sp_kv_list(spec, "ports");
	bool balancer = sp_kv_is(spec, "type", "LoadBalancer");
	if (!balancer)
		return sp_kv_is(spec, "type", "NodePort") ? sp_kv_len(ports) : 0;
	if (!sp_kv_has(spec, "allocateLoadBalancerNodePorts") ||
	    sp_kv_bool(spec, "allocateLoadBalancerNodePorts"))
		return sp_kv_len(ports);
	size_t n = 0;
	SP_KV_EACH (p, i, ports)
		n += sp_kv_i64(p, "nodePort", 0) != 0;
	return n;
}

static void service_usage(const sp_quota_ctx *x, yyjson_mut_val *obj, sp_amounts *out)
{
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	(void)x;
	add_count(out, SP_STR("count/services"), 1);
	add_count(out, SP_STR("services"), 1);
	add_count(out, SP_STR("services.loadbalancers"), sp_kv_is(spec, "type", "LoadBalancer"));
	add_count(out, SP_STR("services.nodeports"), n_node_ports(spec));
}

/* ---- claims ---- */

static const char *const claim_names[] = {"count/persistentvolumeclaims", "persistentvolumeclaims",
					  "requests.storage"};
static const char *const class_suffixes[] = {CLASS_INFIX "persistentvolumeclaims",
					     CLASS_INFIX "requests.storage"};

static bool claim_counts(const sp_quota_ctx *x, sp_str name)
{
	(void)x;
	if (SP_STR_IN(name, claim_names))
		return true;
	for (size_t i = 0; i < SP_LEN(class_suffixes); i++) {
		if (sp_str_ends(name, sp_str_c(class_suffixes[i])))
			return true;
	}
	return false;
}

static sp_str class_of(yyjson_mut_val *claim)
{
	sp_str old = sp_meta_annotation(claim, CLASS_ANNOTATION);
	return old.len > 0 ? old : sp_kv_str(sp_kv_get(claim, "spec"), "storageClassName");
}

static bool storage_of(yyjson_mut_val *claim, sp_qty *ret)
{
	yyjson_mut_val *asked =
		sp_kv_get(sp_kv_path(claim, "spec", "resources", "requests", NULL), "storage");
	yyjson_mut_val *given = sp_kv_get(sp_kv_path(claim, "status", "allocatedResources", NULL), "storage");
	if (asked == NULL)
		return false;
	*ret = sp_kv_qty(asked);
	sp_qty more = sp_kv_qty(given);
	if (given != NULL && sp_qty_cmp(&more, ret) > 0)
		*ret = more;
	return true;
}

static void claim_usage(const sp_quota_ctx *x, yyjson_mut_val *obj, sp_amounts *out)
{
	sp_str class = class_of(obj);
	sp_qty storage;
	add_count(out, SP_STR("count/persistentvolumeclaims"), 1);
	add_count(out, SP_STR("persistentvolumeclaims"), 1);
	if (class.len > 0)
		add_count(
			out,
			sp_arena_printf(x->arena, SP_FMT CLASS_INFIX "persistentvolumeclaims", SP_ARG(class)),
			1);
	if (!storage_of(obj, &storage))
		return;
	sp_amounts_set(out, SP_STR("requests.storage"), &storage);
	if (class.len > 0)
		sp_amounts_set(
			out, sp_arena_printf(x->arena, SP_FMT CLASS_INFIX "requests.storage", SP_ARG(class)),
			&storage);
}

static bool among(sp_str s, yyjson_mut_val *values)
{
	SP_KV_EACH (v, i, values) {
		if (sp_str_eq(sp_jmut_str(v), s))
			return true;
	}
	return false;
}

/* A text against a scope's operator; an empty one is one that is not there. */
static bool meets(const sp_quota_scope *scope, sp_str s)
{
	if (sp_str_eq(scope->op, SP_STR("Exists")))
		return s.len > 0;
	if (sp_str_eq(scope->op, SP_STR("DoesNotExist")))
		return s.len == 0;
	bool in = s.len > 0 && among(s, scope->values);
	return sp_str_eq(scope->op, SP_STR("NotIn")) ? !in : in;
}

static bool claim_in_scope(const sp_quota_ctx *x, const sp_quota_scope *scope, yyjson_mut_val *obj)
{
	yyjson_mut_val *spec = sp_kv_get(obj, "spec"), *status = sp_kv_get(obj, "status");
	(void)x;
	if (!sp_str_eq(scope->name, SP_STR("VolumeAttributesClass")))
		return false;
	sp_str wanted = sp_kv_str(spec, "volumeAttributesClassName");
	sp_str current = sp_kv_str(status, "currentVolumeAttributesClassName");
	sp_str target = sp_kv_str(sp_kv_get(status, "modifyVolumeStatus"), "targetVolumeAttributesClassName");
	if (wanted.len == 0 && current.len == 0 && target.len == 0)
		return meets(scope, SP_STR(""));
	return (wanted.len > 0 && meets(scope, wanted)) || (current.len > 0 && meets(scope, current)) ||
	       (target.len > 0 && meets(scope, target));
}

/* ---- claims on devices ---- */

static bool device_counts(const sp_quota_ctx *x, sp_str name)
{
	(void)x;
	return sp_str_eq(name, SP_STR("count/resourceclaims.resource.k8s.io")) ||
	       sp_str_ends(name, SP_STR(DEVICES_SUFFIX));
}

/* The most devices a request may be given. */
static int64_t devices_of(yyjson_mut_val *request)
{
	if (sp_kv_is(request, "allocationMode", "All"))
		return DEVICES_MOST;
	return sp_kv_is(request, "allocationMode", "ExactCount") ? sp_kv_i64(request, "count", 0) : 0;
}

static void count_devices(const sp_quota_ctx *x, yyjson_mut_val *request, sp_amounts *out, bool max)
{
	sp_str class = sp_kv_str(request, "deviceClassName");
	sp_str name = sp_arena_printf(x->arena, SP_FMT DEVICES_SUFFIX, SP_ARG(class));
	const sp_qty qty = {(__int128)devices_of(request) * NANOS, SP_QTY_DECIMAL_SI};
	if (max)
		sp_amounts_max(out, name, &qty);
	else
		sp_amounts_add(out, name, &qty);
}

/* Of alternatives the worst one of each class counts. */
static void device_usage(const sp_quota_ctx *x, yyjson_mut_val *obj, sp_amounts *out)
{
	add_count(out, SP_STR("count/resourceclaims.resource.k8s.io"), 1);
	SP_KV_EACH (request, i, sp_kv_list(sp_kv_path(obj, "spec", "devices", NULL), "requests")) {
		sp_amounts worst;
		sp_amounts_init(&worst, x->arena);
		SP_KV_EACH (sub, k, sp_kv_list(request, "firstAvailable"))
			count_devices(x, sub, &worst, true);
		sp_amounts_add_all(out, &worst);
		if (sp_kv_has(request, "exactly"))
			count_devices(x, sp_kv_get(request, "exactly"), out, false);
	}
}

/* ---- pods ---- */

bool sp_quota_pod_is_terminating(yyjson_mut_val *pod)
{
	return sp_kv_i64(sp_kv_get(pod, "spec"), "activeDeadlineSeconds", -1) >= 0;
}

static bool pod_counts(const sp_quota_ctx *x, sp_str name)
{
	static const char *const names[] = {"count/pods",
					    "cpu",
					    "memory",
					    "ephemeral-storage",
					    "requests.cpu",
					    "requests.memory",
					    "requests.ephemeral-storage",
					    "limits.cpu",
					    "limits.memory",
					    "limits.ephemeral-storage",
					    "pods"};
	(void)x;
	sp_str rest = name;
	return SP_STR_IN(name, names) || sp_str_starts(name, SP_STR("hugepages-")) ||
	       sp_str_starts(name, SP_STR("requests.hugepages-")) ||
	       sp_str_starts(name, SP_STR("requests." DEVICE_CLASS)) ||
	       (sp_str_take(&rest, SP_STR("requests.")) && !sp_res_is_native(name));
}

/* What a resource of pods is called in quotas: as it is, of requests, of limits. */
static void add_named(const sp_quota_ctx *x, sp_amounts *out, const char *prefix, const sp_amount *item)
{
	sp_amounts_set(out, sp_arena_printf(x->arena, "%s" SP_FMT, prefix, SP_ARG(item->name)), &item->qty);
}

static void name_requests(const sp_quota_ctx *x, const sp_amounts *requests, sp_amounts *out)
{
	static const char *const plain[] = {"cpu", "memory", "ephemeral-storage"};
	for (size_t i = 0; i < requests->n; i++) {
		sp_str name = requests->items[i].name;
		bool both = SP_STR_IN(name, plain) || sp_str_starts(name, SP_STR("hugepages-"));
		if (both)
			add_named(x, out, "", &requests->items[i]);
		if (both || !sp_res_is_native(name) || sp_str_starts(name, SP_STR(DEVICE_CLASS)))
			add_named(x, out, "requests.", &requests->items[i]);
	}
}

static void name_limits(const sp_quota_ctx *x, const sp_amounts *limits, sp_amounts *out)
{
	static const char *const plain[] = {"cpu", "memory", "ephemeral-storage"};
	for (size_t i = 0; i < limits->n; i++) {
		if (SP_STR_IN(limits->items[i].name, plain))
			add_named(x, out, "limits.", &limits->items[i]);
	}
}

static bool is_over(const sp_quota_ctx *x, yyjson_mut_val *pod)
{
	static const char *const phases[] = {"Failed", "Succeeded"};
	sp_time deleted;
	yyjson_mut_val *meta = sp_meta(pod);
	if (SP_STR_IN(sp_kv_str(sp_kv_get(pod, "status"), "phase"), phases))
		return true;
	if (!sp_kv_has(meta, "deletionTimestamp") || !sp_kv_has(meta, "deletionGracePeriodSeconds"))
		return false;
	return sp_time_parse(sp_kv_str(meta, "deletionTimestamp"), &deleted, NULL) == SP_OK &&
	       x->now_s > deleted.seconds + sp_kv_i64(meta, "deletionGracePeriodSeconds", 0);
}

static void pod_usage(const sp_quota_ctx *x, yyjson_mut_val *obj, sp_amounts *out)
{
	sp_amounts requests, limits;
	add_count(out, SP_STR("count/pods"), 1);
	if (is_over(x, obj))
		return;
	sp_amounts_init(&requests, x->arena);
	sp_amounts_init(&limits, x->arena);
	sp_pod_amounts(&requests, obj, "requests", true);
	sp_pod_amounts(&limits, obj, "limits", true);
	add_count(out, SP_STR("pods"), 1);
	name_requests(x, &requests, out);
	name_limits(x, &limits, out);
	out->failed = out->failed || requests.failed || limits.failed;
}

static bool crosses(yyjson_mut_val *term)
{
	return sp_kv_list(term, "namespaces") != NULL || sp_kv_has(term, "namespaceSelector");
}

static bool crosses_namespaces(yyjson_mut_val *pod)
{
	static const char *const kinds[] = {"podAffinity", "podAntiAffinity"};
	for (size_t k = 0; k < SP_LEN(kinds); k++) {
		yyjson_mut_val *affinity = sp_kv_path(pod, "spec", "affinity", kinds[k], NULL);
		SP_KV_EACH (t, i, sp_kv_list(affinity, "requiredDuringSchedulingIgnoredDuringExecution")) {
			if (crosses(t))
				return true;
		}
		SP_KV_EACH (t, j, sp_kv_list(affinity, "preferredDuringSchedulingIgnoredDuringExecution")) {
			if (crosses(sp_kv_get(t, "podAffinityTerm")))
				return true;
		}
	}
	return false;
}

static bool pod_in_scope(const sp_quota_ctx *x, const sp_quota_scope *scope, yyjson_mut_val *obj)
{
	bool best_effort = sp_str_eq(sp_pod_qos(sp_kv_get(obj, "spec")), SP_STR("BestEffort"));
	(void)x;
	if (sp_str_eq(scope->name, SP_STR("Terminating")))
		return sp_quota_pod_is_terminating(obj);
	if (sp_str_eq(scope->name, SP_STR("NotTerminating")))
		return !sp_quota_pod_is_terminating(obj);
	if (sp_str_eq(scope->name, SP_STR("BestEffort")))
		return best_effort;
	if (sp_str_eq(scope->name, SP_STR("NotBestEffort")))
		return !best_effort;
	if (sp_str_eq(scope->name, SP_STR("PriorityClass")))
		return meets(scope, sp_kv_str(sp_kv_get(obj, "spec"), "priorityClassName"));
	return sp_str_eq(scope->name, SP_STR("CrossNamespacePodAffinity")) && crosses_namespaces(obj);
}

/* Names that every container has to say something of when they are limited, sorted. */
static const struct {
	const char *name, *list, *resource;
} said[] = {
	{"cpu", "requests", "cpu"},
	{"limits.cpu", "limits", "cpu"},
	{"limits.memory", "limits", "memory"},
	{"memory", "requests", "memory"},
	{"requests.cpu", "requests", "cpu"},
	{"requests.memory", "requests", "memory"},
};

static int by_text(const void *a, const void *b)
{
	return sp_str_cmp(*(const sp_str *)a, *(const sp_str *)b);
}

/* Appends "requests.cpu for: a,b" when containers are silent about it. */
static bool add_silent(const sp_quota_ctx *x, sp_buf *out, size_t row, yyjson_mut_val *spec)
{
	static const char *const lists[] = {"containers", "initContainers"};
	size_t n = 0, room = sp_kv_len(sp_kv_list(spec, lists[0])) + sp_kv_len(sp_kv_list(spec, lists[1]));
	sp_str *names = sp_try_new(x->arena, sp_str, room + 1);
	for (size_t l = 0; l < SP_LEN(lists) && names != NULL; l++) {
		SP_KV_EACH (c, i, sp_kv_list(spec, lists[l])) {
			if (!sp_kv_has(sp_kv_path(c, "resources", said[row].list, NULL), said[row].resource))
				names[n++] = sp_kv_str(c, "name");
		}
	}
	if (n == 0)
		return false;
	qsort(names, n, sizeof *names, by_text);
	(void)sp_buf_printf(out, "%s%s for: ", out->len == 0 ? "must specify " : "; ", said[row].name);
	for (size_t i = 0; i < n; i++)
		(void)sp_buf_printf(out, "%s" SP_FMT, i == 0 ? "" : ",", SP_ARG(names[i]));
	return true;
}

static sp_str pod_missing(const sp_quota_ctx *x, yyjson_mut_val *hard, yyjson_mut_val *obj)
{
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	yyjson_mut_val *own = sp_kv_get(spec, "resources");
	SP_AUTO_BUF text;
	sp_buf_init(&text, MISSING_BYTES_MAX);
	if (sp_kv_map(own, "requests") != NULL || sp_kv_map(own, "limits") != NULL)
		return SP_STR(""); /* the pod speaks for all */
	for (size_t i = 0; i < SP_LEN(said); i++) {
		if (sp_kv_has(hard, said[i].name))
			(void)add_silent(x, &text, i, spec);
	}
	return sp_arena_try_dup(x->arena, sp_buf_view(&text));
}

/* ---- the table ---- */

static const sp_quota_evaluator evaluators[] = {
	{{SP_STR_INIT(""), SP_STR_INIT("pods")}, pod_counts, pod_usage, pod_in_scope, pod_missing},
	{{SP_STR_INIT(""), SP_STR_INIT("services")}, service_counts, service_usage, NULL, NULL},
	{{SP_STR_INIT(""), SP_STR_INIT("persistentvolumeclaims")},
	 claim_counts,
	 claim_usage,
	 claim_in_scope,
	 NULL},
	{{SP_STR_INIT("resource.k8s.io"), SP_STR_INIT("resourceclaims")},
	 device_counts,
	 device_usage,
	 NULL,
	 NULL},
};
static const sp_quota_evaluator counting = {.counts = object_counts, .usage = object_usage};

const sp_quota_evaluator *sp_quota_evaluator_of(sp_group_resource gr)
{
	for (size_t i = 0; i < SP_LEN(evaluators); i++) {
		if (sp_str_eq(evaluators[i].gr.resource, gr.resource) &&
		    sp_str_eq(evaluators[i].gr.group, gr.group))
			return &evaluators[i];
	}
	return &counting;
}

static bool in_scope(const sp_quota_ctx *x, const sp_quota_scope *scope, yyjson_mut_val *obj)
{
	const sp_quota_evaluator *e = sp_quota_evaluator_of(x->gr);
	return e->in_scope != NULL && e->in_scope(x, scope, obj);
}

bool sp_quota_scopes_match(const sp_quota_ctx *x, yyjson_mut_val *quota, yyjson_mut_val *obj)
{
	yyjson_mut_val *spec = sp_kv_get(quota, "spec");
	SP_KV_EACH (name, i, sp_kv_list(spec, "scopes")) {
		const sp_quota_scope scope = {sp_jmut_str(name), SP_STR("Exists"), NULL};
		if (!in_scope(x, &scope, obj))
			return false;
	}
	SP_KV_EACH (e, k, sp_kv_list(sp_kv_get(spec, "scopeSelector"), "matchExpressions")) {
		const sp_quota_scope scope = {sp_kv_str(e, "scopeName"), sp_kv_str(e, "operator"),
					      sp_kv_list(e, "values")};
		if (!in_scope(x, &scope, obj))
			return false;
	}
	return true;
}

/* ---- names ---- */

bool sp_quota_resource_of(sp_str name, sp_group_resource *ret)
{
	sp_str rest = name;
	const sp_quota_ctx none = {.arena = NULL};
	if (sp_str_take(&rest, SP_STR("count/"))) {
		*ret = (sp_group_resource){SP_STR(""), rest};
		if (sp_str_cut(&rest, '.', &ret->resource))
			ret->group = rest;
		return ret->resource.len > 0;
	}
	*ret = (sp_group_resource){SP_STR(""), name};
	if (SP_STR_IN(name, aliases))
		return true;
	for (size_t i = 0; i < SP_LEN(evaluators); i++) {
		if (!evaluators[i].counts(&none, name))
			continue;
		*ret = evaluators[i].gr;
		return true;
	}
	return false;
}
