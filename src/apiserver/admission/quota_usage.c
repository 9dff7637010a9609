/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/admission/quota.h"

#include <stdlib.h>

#include "kube/kinds/pod.h"
#include "kube/kinds/resources.h"
#include "kube/meta.h"

#define NANOS ((__int128)1000000000)
#define MISSING_BYTES_MAX ((size_t)64 << 10)
#define CLASS_INFIX ".storageclass.storage.k8s.io/"
#define CLASS_ANNOTATION "volume.beta.kubernetes.io/storage-class"

static void add_count(api_amounts *out, sp_str name, size_t n)
{
	const sp_qty qty = {(__int128)n * NANOS, SP_QTY_DECIMAL_SI};
	api_amounts_set(out, name, &qty);
}

static bool on_create(const api_admit *a)
{
	return a->op == API_OP_CREATE && a->w->ctx.subresource.len == 0;
}

static bool on_change(const api_admit *a)
{
	return a->op != API_OP_DELETE && a->w->ctx.subresource.len == 0;
}

/* "count/pods", "count/deployments.apps" */
static sp_str count_name(const api_admit *a)
{
	sp_group_resource gr = a->w->res->gr;
	return sp_arena_printf(&a->w->arena, "count/" SP_FMT "%s" SP_FMT, SP_ARG(gr.resource),
			       gr.group.len > 0 ? "." : "", SP_ARG(gr.group));
}

/* ---- everything: counted ---- */

/* Names from before there was "count/". */
static const char *const aliases[] = {"configmaps", "resourcequotas", "replicationcontrollers", "secrets"};

static bool has_alias(const api_admit *a)
{
	return a->w->res->gr.group.len == 0 && SP_STR_IN(a->w->res->gr.resource, aliases);
}

static bool object_counts(const api_admit *a, sp_str name)
{
	return sp_str_eq(name, count_name(a)) || (has_alias(a) && sp_str_eq(name, a->w->res->gr.resource));
}

static void object_usage(const api_admit *a, yyjson_mut_val *obj, api_amounts *out)
{
	(void)obj;
	add_count(out, count_name(a), 1);
	if (has_alias(a))
		add_count(out, a->w->res->gr.resource, 1);
}

/* ---- services ---- */

static bool service_counts(const api_admit *a, sp_str name)
{
	static const char *const names[] = {"count/services", "services", "services.nodeports",
					    "services.loadbalancers"};
	(void)a;
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

static void service_usage(const api_admit *a, yyjson_mut_val *obj, api_amounts *out)
{
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	(void)a;
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

static bool claim_counts(const api_admit *a, sp_str name)
{
	(void)a;
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

static void claim_usage(const api_admit *a, yyjson_mut_val *obj, api_amounts *out)
{
	sp_str class = class_of(obj);
	sp_qty storage;
	add_count(out, SP_STR("count/persistentvolumeclaims"), 1);
	add_count(out, SP_STR("persistentvolumeclaims"), 1);
	if (class.len > 0)
		add_count(out,
			  sp_arena_printf(&a->w->arena, SP_FMT CLASS_INFIX "persistentvolumeclaims",
					  SP_ARG(class)),
			  1);
	if (!storage_of(obj, &storage))
		return;
	api_amounts_set(out, SP_STR("requests.storage"), &storage);
	if (class.len > 0)
		api_amounts_set(
			out,
			sp_arena_printf(&a->w->arena, SP_FMT CLASS_INFIX "requests.storage", SP_ARG(class)),
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
static bool meets(const api_quota_scope *scope, sp_str s)
{
	if (sp_str_eq(scope->op, SP_STR("Exists")))
		return s.len > 0;
	if (sp_str_eq(scope->op, SP_STR("DoesNotExist")))
		return s.len == 0;
	bool in = s.len > 0 && among(s, scope->values);
	return sp_str_eq(scope->op, SP_STR("NotIn")) ? !in : in;
}

static bool claim_in_scope(const api_admit *a, const api_quota_scope *scope, yyjson_mut_val *obj)
{
	yyjson_mut_val *spec = sp_kv_get(obj, "spec"), *status = sp_kv_get(obj, "status");
	(void)a;
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

/* ---- pods ---- */

static bool is_terminating(yyjson_mut_val *pod)
{
	return sp_kv_i64(sp_kv_get(pod, "spec"), "activeDeadlineSeconds", -1) >= 0;
}

static bool pod_handles(const api_admit *a)
{
	if (a->op == API_OP_UPDATE && a->w->ctx.subresource.len == 0)
		return is_terminating(a->obj) != is_terminating(a->old);
	return on_create(a) || (a->op == API_OP_UPDATE && sp_str_eq(a->w->ctx.subresource, SP_STR("resize")));
}

static bool pod_counts(const api_admit *a, sp_str name)
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
	(void)a;
	sp_str rest = name;
	return SP_STR_IN(name, names) || sp_str_starts(name, SP_STR("hugepages-")) ||
	       sp_str_starts(name, SP_STR("requests.hugepages-")) ||
	       (sp_str_take(&rest, SP_STR("requests.")) && !sp_res_is_native(name));
}

/* What a resource of pods is called in quotas: as it is, of requests, of limits. */
static void add_named(const api_admit *a, api_amounts *out, const char *prefix, const api_amount *item)
{
	api_amounts_set(out, sp_arena_printf(&a->w->arena, "%s" SP_FMT, prefix, SP_ARG(item->name)),
			&item->qty);
}

static void name_requests(const api_admit *a, const api_amounts *requests, api_amounts *out)
{
	static const char *const plain[] = {"cpu", "memory", "ephemeral-storage"};
	for (size_t i = 0; i < requests->n; i++) {
		sp_str name = requests->items[i].name;
		bool both = SP_STR_IN(name, plain) || sp_str_starts(name, SP_STR("hugepages-"));
		if (both)
			add_named(a, out, "", &requests->items[i]);
		if (both || !sp_res_is_native(name))
			add_named(a, out, "requests.", &requests->items[i]);
	}
}

static void name_limits(const api_admit *a, const api_amounts *limits, api_amounts *out)
{
	static const char *const plain[] = {"cpu", "memory", "ephemeral-storage"};
	for (size_t i = 0; i < limits->n; i++) {
		if (SP_STR_IN(limits->items[i].name, plain))
			add_named(a, out, "limits.", &limits->items[i]);
	}
}

static bool is_over(const api_admit *a, yyjson_mut_val *pod)
{
	static const char *const phases[] = {"Failed", "Succeeded"};
	sp_time deleted;
	yyjson_mut_val *meta = sp_meta(pod);
	if (SP_STR_IN(sp_kv_str(sp_kv_get(pod, "status"), "phase"), phases))
		return true;
	if (!sp_kv_has(meta, "deletionTimestamp") || !sp_kv_has(meta, "deletionGracePeriodSeconds"))
		return false;
	return sp_time_parse(sp_kv_str(meta, "deletionTimestamp"), &deleted, NULL) == SP_OK &&
	       a->w->ctx.now.seconds > deleted.seconds + sp_kv_i64(meta, "deletionGracePeriodSeconds", 0);
}

static void pod_usage(const api_admit *a, yyjson_mut_val *obj, api_amounts *out)
{
	api_amounts requests, limits;
	add_count(out, SP_STR("count/pods"), 1);
	if (is_over(a, obj))
		return;
	api_amounts_init(&requests, &a->w->arena);
	api_amounts_init(&limits, &a->w->arena);
	api_pod_amounts(&requests, obj, "requests", true);
	api_pod_amounts(&limits, obj, "limits", true);
	add_count(out, SP_STR("pods"), 1);
	name_requests(a, &requests, out);
	name_limits(a, &limits, out);
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

static bool pod_in_scope(const api_admit *a, const api_quota_scope *scope, yyjson_mut_val *obj)
{
	bool best_effort = sp_str_eq(sp_pod_qos(sp_kv_get(obj, "spec")), SP_STR("BestEffort"));
	(void)a;
	if (sp_str_eq(scope->name, SP_STR("Terminating")))
		return is_terminating(obj);
	if (sp_str_eq(scope->name, SP_STR("NotTerminating")))
		return !is_terminating(obj);
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
static bool add_silent(const api_admit *a, sp_buf *out, size_t row, yyjson_mut_val *spec)
{
	static const char *const lists[] = {"containers", "initContainers"};
	size_t n = 0, room = sp_kv_len(sp_kv_list(spec, lists[0])) + sp_kv_len(sp_kv_list(spec, lists[1]));
	sp_str *names = sp_try_new(&a->w->arena, sp_str, room + 1);
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

static sp_str pod_missing(const api_admit *a, yyjson_mut_val *hard, yyjson_mut_val *obj)
{
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	yyjson_mut_val *own = sp_kv_get(spec, "resources");
	SP_AUTO_BUF text;
	sp_buf_init(&text, MISSING_BYTES_MAX);
	if (sp_kv_map(own, "requests") != NULL || sp_kv_map(own, "limits") != NULL)
		return SP_STR(""); /* the pod speaks for all */
	for (size_t i = 0; i < SP_LEN(said); i++) {
		if (sp_kv_has(hard, said[i].name))
			(void)add_silent(a, &text, i, spec);
	}
	return sp_arena_try_dup(&a->w->arena, sp_buf_view(&text));
}

/* ---- the table ---- */

static const api_quota_evaluator evaluators[] = {
	{SP_STR_INIT("pods"), pod_handles, pod_counts, pod_usage, pod_in_scope, pod_missing},
	{SP_STR_INIT("services"), on_change, service_counts, service_usage, NULL, NULL},
	{SP_STR_INIT("persistentvolumeclaims"), on_change, claim_counts, claim_usage, claim_in_scope, NULL},
};
static const api_quota_evaluator counting = {
	.handles = on_create, .counts = object_counts, .usage = object_usage};

const api_quota_evaluator *api_quota_evaluator_of(const api_admit *a)
{
	for (size_t i = 0; i < SP_LEN(evaluators) && a->w->res->gr.group.len == 0; i++) {
		if (sp_str_eq(evaluators[i].resource, a->w->res->gr.resource))
			return &evaluators[i];
	}
	return &counting;
}
