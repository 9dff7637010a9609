/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/admission/admission.h"

#include <stdarg.h>
#include <stdio.h>

#include "apiserver/admission/counts.h"
#include "kube/meta.h"

/* U: kubernetes pkg/kubeapiserver/options/plugins.go. Plugins without steps are behind feature gates that are
 * off by default: they are known, and nothing comes of it. */
const api_admission_plugin api_admission_plugins[] = {
	[API_PLUGIN_MUTATING_WEBHOOK] = {.name = "MutatingAdmissionWebhook",
					 .mutate = NULL,
					 .validate = NULL},
	[API_PLUGIN_VALIDATING_WEBHOOK] = {.name = "ValidatingAdmissionWebhook",
					   .mutate = NULL,
					   .validate = NULL},
	[API_PLUGIN_PROVISION_NAMESPACE] = {"NamespaceAutoProvision", .is_off = true},
	{"AlwaysAdmit", .is_off = true},
	{.name = "NamespaceLifecycle", .mutate = api_admit_namespace_lifecycle, .validate = NULL},
	{"NamespaceExists", NULL, api_admit_namespace_exists, .is_off = true},
	{"LimitPodHardAntiAffinityTopology", NULL, api_admit_anti_affinity, .is_off = true},
	{.name = "LimitRanger",
	 .mutate = api_admit_limit_ranger,
	 .validate = api_admit_limit_ranger_validate},
	{.name = "ServiceAccount",
	 .mutate = api_admit_service_account,
	 .validate = api_admit_service_account_validate},
	{.name = "NodeRestriction", .mutate = api_admit_node_restriction, .validate = NULL},
	{.name = "TaintNodesByCondition", .mutate = api_admit_taint_nodes, .validate = NULL},
	{"AlwaysPullImages", api_admit_pull_images, api_admit_pull_images_validate, .is_off = true},
	{.name = "PodSecurity", .mutate = NULL, .validate = api_admit_pod_security},
	{"PodNodeSelector", api_admit_node_selector, api_admit_node_selector_validate, .is_off = true},
	{.name = "Priority", .mutate = api_admit_priority, .validate = api_admit_priority_class_validate},
	{.name = "DefaultTolerationSeconds", .mutate = api_admit_default_tolerations, .validate = NULL},
	{"PodTolerationRestriction", api_admit_tolerations, api_admit_tolerations_validate, .is_off = true},
	{"EventRateLimit", NULL, api_admit_event_rate, .is_off = true, .needs_config = true},
	{"ExtendedResourceToleration", api_admit_extended_resources, NULL, .is_off = true},
	{.name = "DefaultStorageClass", .mutate = api_admit_default_storage_class, .validate = NULL},
	{.name = "StorageObjectInUseProtection", .mutate = api_admit_storage_protection, .validate = NULL},
	{.name = "PodGroupProtection", .mutate = NULL, .validate = NULL},
	{"OwnerReferencesPermissionEnforcement", NULL, api_admit_owner_references, .is_off = true},
	{.name = "PersistentVolumeClaimResize", .mutate = NULL, .validate = api_admit_claim_resize},
	{.name = "RuntimeClass",
	 .mutate = api_admit_runtime_class,
	 .validate = api_admit_runtime_class_validate},
	{.name = "CertificateApproval", .mutate = NULL, .validate = api_admit_certificate_approval},
	{.name = "CertificateSigning", .mutate = NULL, .validate = api_admit_certificate_signing},
	{.name = "ClusterTrustBundleAttest", .mutate = NULL, .validate = NULL},
	{.name = "CertificateSubjectRestriction", .mutate = NULL, .validate = api_admit_certificate_subject},
	{.name = "DefaultIngressClass", .mutate = api_admit_default_ingress_class, .validate = NULL},
	{"DenyServiceExternalIPs", NULL, api_admit_external_ips, .is_off = true},
	{.name = "PodTopologyLabels", .mutate = api_admit_topology_labels, .validate = NULL},
	{.name = "PodGroupWorkloadExists", .mutate = NULL, .validate = NULL},
	{.name = "NodeDeclaredFeatureValidator", .mutate = NULL, .validate = api_admit_declared_features},
	{.name = "JobValidation", .mutate = NULL, .validate = NULL},
	{.name = "PodResizeValidator", .mutate = NULL, .validate = api_admit_pod_resize},
	{.name = "MutatingAdmissionPolicy", .mutate = api_admit_mutating_policy, .validate = NULL},
	{.name = "ValidatingAdmissionPolicy", .mutate = NULL, .validate = api_admit_validating_policy},
	{.name = "ResourceQuota", .mutate = NULL, .validate = api_admit_quota},
	{"AlwaysDeny", api_admit_deny, api_admit_deny, .is_off = true},
};
const size_t api_n_admission_plugins = SP_LEN(api_admission_plugins);
_Static_assert(SP_LEN(api_admission_plugins) <= API_COUNTED_PLUGINS_MAX, "a bit and a counter for each");

static bool has_step(const api_admit *a, size_t i, bool validates)
{
	const api_admission_plugin *p = &api_admission_plugins[i];
	return (validates ? p->validate : p->mutate) != NULL && api_admission_is_on(a->w->server, i);
}

static bool run(const api_admit *a, size_t i, bool validates)
{
	const api_admission_plugin *p = &api_admission_plugins[i];
	api_server *s = a->w->server; /* which is there, too, when the write was refused and is gone */
	api_operation op = a->op;
	uint64_t step_began_ns = a->w->step_began_ns, began_ns = sp_clock_ns(s->world);
	bool ok = validates ? p->validate(a) : p->mutate(a);
	api_count_plugin(s, op, i, validates, !ok, sp_clock_ns(s->world) - began_ns);
	if (!ok)
		api_count_step(s, op, validates, true, step_began_ns, 0);
	return ok;
}

bool api_admit_mutate(const api_admit *a)
{
	if (a->op == API_OP_CONNECT)
		return true;
	a->w->step_began_ns = sp_clock_ns(a->w->server->world);
	for (size_t i = 0; i < api_n_admission_plugins; i++) {
		if (has_step(a, i, false) && !run(a, i, false))
			return false;
	}
	return true;
}

bool api_admit_validate(const api_admit *a)
{
	a->w->step_began_ns = sp_clock_ns(a->w->server->world);
	for (size_t i = 0; i < api_n_admission_plugins; i++) {
		if (has_step(a, i, true) && !run(a, i, true))
			return false;
	}
	return true;
}

/* ---- for plugins ---- */

bool api_admit_is(const api_admit *a, const char *group, const char *resource, const char *subresource)
{
	const sp_kind *k = a->w->res->kind;
	return sp_str_eq(k->plural, sp_str_c(resource)) && sp_str_eq(k->group, sp_str_c(group)) &&
	       sp_str_eq(a->w->ctx.subresource, sp_str_c(subresource));
}

sp_str api_admit_name(const api_admit *a)
{
	if (a->op == API_OP_CONNECT)
		return a->w->r->info.name;
	return sp_meta_name(a->obj != NULL ? a->obj : a->old);
}

sp_str api_admit_namespace(const api_admit *a)
{
	const sp_kind *k = a->w->res->kind;
	if (a->op == API_OP_CONNECT)
		return a->w->r->info.ns;
	yyjson_mut_val *one = a->obj != NULL ? a->obj : a->old;
	bool is_namespace = k->group.len == 0 && sp_str_eq(k->plural, SP_STR("namespaces"));
	return is_namespace ? sp_meta_name(one) : sp_meta_namespace(one);
}

bool api_admit_refuse(const api_admit *a, const sp_status *status)
{
	api_write_refuse(a->w, status);
	return false;
}

bool api_admit_forbid(const api_admit *a, const char *fmt, ...)
{
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	char *why = n < 0 ? NULL : sp_arena_try_alloc(&a->w->arena, (size_t)n + 1);
	if (why != NULL)
		(void)vsnprintf(why, (size_t)n + 1, fmt, again);
	va_end(again);
	va_end(ap);
	sp_status s = sp_status_forbidden(&a->w->arena, a->w->res->gr, api_admit_name(a),
					  why == NULL ? SP_STR("") : sp_str_c(why));
	return api_admit_refuse(a, &s);
}

sp_status api_admit_bad_result(api_write *w, const sp_status *refusal)
{
	/* Of `X in version "v1" cannot be handled as a X: why` only the why. */
	sp_str why = refusal->message;
	ptrdiff_t at = sp_str_find(why, SP_STR(" cannot be handled as a "));
	if (at >= 0) {
		sp_str rest = sp_str_sub(why, (size_t)at, why.len);
		ptrdiff_t colon = sp_str_find(rest, SP_STR(": "));
		why = colon >= 0 ? sp_str_sub(rest, (size_t)colon + 2, rest.len) : why;
	}
	return sp_status_internal(&w->arena, why);
}

static yyjson_mut_val *to_tree(const api_admit *a, sp_str record, uint64_t revision)
{
	sp_record rec;
	yyjson_mut_val *tree = NULL;
	if (sp_record_decode(record, &rec, NULL) != SP_OK ||
	    api_object_tree(&a->w->arena, &rec, revision, a->w->doc, &tree, NULL) != SP_OK)
		return NULL;
	return tree;
}

yyjson_mut_val *api_admit_load(const api_admit *a, const char *prefix, sp_str ns, sp_str name)
{
	sp_store_value value;
	sp_str rest = SP_CONCAT(&a->w->arena, ns, ns.len > 0 ? SP_STR("/") : SP_STR(""), name);
	if (rest.len == 0 || sp_store_get(a->w->server->store, (sp_store_key){sp_str_c(prefix), rest}, 0,
					  &value, NULL) != SP_OK)
		return NULL;
	yyjson_mut_val *tree = to_tree(a, sp_bytes_view(value.record), value.revision);
	sp_bytes_unref(value.record);
	return tree;
}

yyjson_mut_val *api_admit_need_namespace(const api_admit *a, sp_str ns)
{
	static const sp_group_resource namespaces = {SP_STR_INIT(""), SP_STR_INIT("namespaces")};
	yyjson_mut_val *found = api_admit_load(a, "/registry/namespaces/", SP_STR(""), ns);
	if (found != NULL)
		return found;
	sp_status s = sp_status_not_found(&a->w->arena, namespaces, ns);
	(void)api_admit_refuse(a, &s);
	return NULL;
}

typedef struct each {
	const api_admit *a;
	bool (*fn)(void *arg, yyjson_mut_val *obj);
	void *arg;
	bool stopped, failed;
} each;

static sp_store_visit visit(void *arg, const sp_store_entry *e)
{
	each *it = arg;
	yyjson_mut_val *obj = to_tree(it->a, e->record, e->revision);
	it->failed = obj == NULL;
	it->stopped = it->failed || !it->fn(it->arg, obj);
	return it->stopped ? SP_STORE_STOP : SP_STORE_TAKE;
}

bool api_admit_each(const api_admit *a, const char *prefix, sp_str ns,
		    bool (*fn)(void *arg, yyjson_mut_val *obj), void *arg)
{
	each it = {.a = a, .fn = fn, .arg = arg};
	sp_store_chunk chunk = {.more = true}, next;
	sp_store_query q = {.resource = sp_str_c(prefix)};
	if (ns.len > 0)
		q.prefix = sp_arena_printf(&a->w->arena, SP_FMT "/", SP_ARG(ns));
	while (chunk.more && !it.stopped) {
		q.from = (sp_str){chunk.next, chunk.next_len};
		if (sp_store_range(a->w->server->store, &q, visit, &it, &next, NULL) != SP_OK)
			return false;
		chunk = next;
		q.revision = chunk.revision;
	}
	return !it.failed;
}

typedef struct defaults {
	const char *const *annotations;
	size_t n;
	yyjson_mut_val *found;
} defaults;

static bool look_at_class(void *arg, yyjson_mut_val *obj)
{
	defaults *d = arg;
	bool is_default = false;
	for (size_t i = 0; i < d->n; i++)
		is_default =
			is_default || sp_str_eq(sp_meta_annotation(obj, d->annotations[i]), SP_STR("true"));
	if (!is_default)
		return true;
	int order = d->found == NULL ? 1
				     : sp_str_cmp(sp_kv_str(sp_meta(obj), "creationTimestamp"),
						  sp_kv_str(sp_meta(d->found), "creationTimestamp"));
	if (order > 0 || (order == 0 && sp_str_cmp(sp_meta_name(obj), sp_meta_name(d->found)) < 0))
		d->found = obj;
	return true;
}

yyjson_mut_val *api_admit_default_class(const api_admit *a, const char *prefix,
					const char *const *annotations, size_t n_annotations)
{
	defaults d = {annotations, n_annotations, NULL};
	return api_admit_each(a, prefix, SP_STR(""), look_at_class, &d) ? d.found : NULL;
}
