/* SPDX-License-Identifier: Apache-2.0 */
/* Kubelets write only what is about their own node. U: kubernetes plugin/pkg/admission/noderestriction. */
#include <stdlib.h>

#include "apiserver/admission/admission.h"
#include "apiserver/auth.h"
#include "apiserver/node_scope.h"
#include "apiserver/pod_refs.h"
#include "kube/meta.h"

#define MIRROR "kubernetes.io/config.mirror"
#define TEXT_BYTES_MAX ((size_t)4 << 20)

static const char *operation_name(const api_admit *a)
{
	static const char *const names[] = {
		[API_OP_CREATE] = "CREATE", [API_OP_UPDATE] = "UPDATE", [API_OP_DELETE] = "DELETE"};
	return names[a->op];
}

static sp_str node_of(yyjson_mut_val *pod)
{
	return sp_kv_str(sp_kv_get(pod, "spec"), "nodeName");
}

/* ---- pods ---- */

static bool check_owner(const api_admit *a, sp_str node)
{
	yyjson_mut_val *owners = sp_kv_list(sp_meta(a->obj), "ownerReferences");
	yyjson_mut_val *o = yyjson_mut_arr_get_first(owners), *own;
	if (sp_kv_len(owners) > 1)
		return api_admit_forbid(a,
					"node \"" SP_FMT
					"\" can only create pods with a single owner reference set to itself",
					SP_ARG(node));
	if (o == NULL || !sp_kv_is(o, "apiVersion", "v1") || !sp_kv_is(o, "kind", "Node") ||
	    !sp_str_eq(sp_kv_str(o, "name"), node))
		return api_admit_forbid(
			a, "node \"" SP_FMT "\" can only create pods with an owner reference set to itself",
			SP_ARG(node));
	if (!sp_kv_bool(o, "controller"))
		return api_admit_forbid(
			a,
			"node \"" SP_FMT
			"\" can only create pods with a controller owner reference set to itself",
			SP_ARG(node));
	if (sp_kv_bool(o, "blockOwnerDeletion"))
		return api_admit_forbid(
			a, "node \"" SP_FMT "\" must not set blockOwnerDeletion on an owner reference",
			SP_ARG(node));
	own = api_admit_load(a, "/registry/minions/", SP_STR(""), node);
	sp_str uid = sp_kv_str(sp_meta(own), "uid"), said = sp_kv_str(o, "uid");
	if (own == NULL) {
		sp_status s = sp_status_not_found(&a->w->arena,
						  (sp_group_resource){SP_STR(""), SP_STR("nodes")}, node);
		return api_admit_refuse(a, &s);
	}
	return sp_str_eq(uid, said) ||
	       api_admit_forbid(a, "node " SP_FMT " UID mismatch: expected " SP_FMT " got " SP_FMT,
				SP_ARG(node), SP_ARG(said), SP_ARG(uid));
}

static bool on_ref(void *arg, sp_str name)
{
	(void)arg;
	(void)name;
	return false;
}

/* The pod without its mark, as if it were to refer to something. */
static yyjson_val *unmarked(const api_admit *a)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, TEXT_BYTES_MAX);
	yyjson_val *pod = NULL;
	yyjson_mut_val *copy = yyjson_mut_val_mut_copy(a->w->doc, a->obj);
	if (copy == NULL)
		return NULL;
	sp_kv_drop(sp_kv_get(sp_meta(copy), "annotations"), MIRROR);
	if (sp_json_write_mut(&text, copy) != SP_OK ||
	    sp_json_parse(&a->w->arena, sp_buf_view(&text), &pod, NULL) != SP_OK)
		return NULL;
	return pod;
}

/* A mirror pod must not be a way to read anything. */
static bool check_references(const api_admit *a, sp_str node)
{
	static const struct {
		api_ref_kind kind;
		const char *text;
	} kinds[] = {{API_REF_SERVICE_ACCOUNT, "serviceaccounts"},
		     {API_REF_SECRET, "secrets"},
		     {API_REF_CONFIG_MAP, "configmaps"},
		     {API_REF_CLAIM, "persistentvolumeclaims"},
		     {API_REF_RESOURCE_CLAIM, "resourceclaims"}};
	yyjson_val *pod = unmarked(a);
	if (pod == NULL) {
		api_write_fail(a->w, SP_ETOOLARGE, NULL);
		return false;
	}
	for (size_t i = 0; i < SP_LEN(kinds); i++) {
		if (!api_pod_refs(&a->w->arena, pod, kinds[i].kind, on_ref, NULL))
			return api_admit_forbid(a,
						"node \"" SP_FMT "\" can not create pods that reference %s",
						SP_ARG(node), kinds[i].text);
	}
	return true;
}

static bool create_pod(const api_admit *a, sp_str node)
{
	if (!sp_kv_has(sp_kv_get(sp_meta(a->obj), "annotations"), MIRROR))
		return api_admit_forbid(a,
					"pod does not have \"" MIRROR "\" annotation, node \"" SP_FMT
					"\" can only create mirror pods",
					SP_ARG(node));
	if (!sp_str_eq(node_of(a->obj), node))
		return api_admit_forbid(
			a, "node \"" SP_FMT "\" can only create pods with spec.nodeName set to itself",
			SP_ARG(node));
	return check_owner(a, node) && check_references(a, node);
}

static bool write_pod(const api_admit *a, sp_str node)
{
	if (a->op == API_OP_CREATE)
		return create_pod(a, node);
	if (a->op == API_OP_UPDATE)
		return api_admit_forbid(a,
					"unexpected operation \"UPDATE\", node \"" SP_FMT
					"\" can only create and delete mirror pods",
					SP_ARG(node));
	return sp_str_eq(node_of(a->old), node) ||
	       api_admit_forbid(a,
				"node \"" SP_FMT "\" can only delete pods with spec.nodeName set to itself",
				SP_ARG(node));
}

static bool write_pod_status(const api_admit *a, sp_str node)
{
	yyjson_mut_val *now = sp_kv_get(a->obj, "status"), *then = sp_kv_get(a->old, "status");
	if (a->op != API_OP_UPDATE)
		return api_admit_forbid(a, "unexpected operation \"%s\"", operation_name(a));
	if (!sp_str_eq(node_of(a->old), node))
		return api_admit_forbid(
			a,
			"node \"" SP_FMT
			"\" can only update pod status for pods with spec.nodeName set to itself",
			SP_ARG(node));
	if (!sp_kv_equal(sp_kv_get(sp_meta(a->obj), "labels"), sp_kv_get(sp_meta(a->old), "labels")))
		return api_admit_forbid(a, "node \"" SP_FMT "\" cannot update labels through pod status",
					SP_ARG(node));
	if (!sp_kv_equal(sp_kv_get(now, "resourceClaimStatuses"), sp_kv_get(then, "resourceClaimStatuses")))
		return api_admit_forbid(a, "node \"" SP_FMT "\" cannot update resource claim statues",
					SP_ARG(node));
	return sp_kv_equal(sp_kv_get(now, "extendedResourceClaimStatus"),
			   sp_kv_get(then, "extendedResourceClaimStatus")) ||
	       api_admit_forbid(a, "node \"" SP_FMT "\" cannot update extended resource claim status",
				SP_ARG(node));
}

static bool evict_pod(const api_admit *a, sp_str node)
{
	const api_reqinfo *i = &a->w->r->info;
	yyjson_mut_val *pod = api_admit_load(a, "/registry/pods/", i->ns, i->name);
	if (pod == NULL) {
		sp_status s = sp_status_not_found(&a->w->arena, a->w->res->gr, i->name);
		return api_admit_refuse(a, &s);
	}
	return sp_str_eq(node_of(pod), node) ||
	       api_admit_forbid(a, "node " SP_FMT " can only evict pods with spec.nodeName set to itself",
				SP_ARG(node));
}

static bool on_pods(const api_admit *a, sp_str node)
{
	sp_str sub = a->w->r->info.subresource;
	if (sub.len == 0)
		return write_pod(a, node);
	if (sp_str_eq(sub, SP_STR("status")))
		return write_pod_status(a, node);
	if (sp_str_eq(sub, SP_STR("eviction")))
		return evict_pod(a, node);
	return api_admit_forbid(
		a, "unexpected pod subresource \"" SP_FMT "\", only 'status' and 'eviction' are allowed",
		SP_ARG(sub));
}

/* ---- nodes ---- */

static sp_str domain_of(sp_str key)
{
	sp_str domain;
	return sp_str_cut(&key, '/', &domain) ? domain : (sp_str){NULL, 0};
}

/* The domain itself or one below it. */
static bool is_within(sp_str domain, const char *of)
{
	sp_str suffix = sp_str_c(of);
	return sp_str_eq(domain, suffix) || (sp_str_ends(domain, suffix) && domain.len > suffix.len &&
					     domain.ptr[domain.len - suffix.len - 1] == '.');
}

/* U: kubelet pkg/apis/well_known_labels.go */
static bool is_kubelet_label(sp_str key)
{
	static const char *const labels[] = {
		"kubernetes.io/hostname",
		"topology.kubernetes.io/zone",
		"topology.kubernetes.io/region",
		"failure-domain.beta.kubernetes.io/zone",
		"failure-domain.beta.kubernetes.io/region",
		"beta.kubernetes.io/instance-type",
		"node.kubernetes.io/instance-type",
		"kubernetes.io/os",
		"kubernetes.io/arch",
		"beta.kubernetes.io/os",
		"beta.kubernetes.io/arch",
	};
	sp_str domain = domain_of(key);
	return SP_STR_IN(key, labels) || is_within(domain, "kubelet.kubernetes.io") ||
	       is_within(domain, "node.kubernetes.io");
}

static bool is_forbidden(sp_str key)
{
	sp_str domain = domain_of(key);
	return is_within(domain, "node-restriction.kubernetes.io") ||
	       ((is_within(domain, "kubernetes.io") || is_within(domain, "k8s.io")) &&
		!is_kubelet_label(key));
}

static int by_text(const void *a, const void *b)
{
	return sp_str_cmp(*(const sp_str *)a, *(const sp_str *)b);
}

static void add_changed(yyjson_mut_val *from, yyjson_mut_val *other, bool both, sp_str *keys, size_t *n)
{
	SP_KV_EACH_MEMBER (key, value, i, from) {
		yyjson_mut_val *was = sp_jmut_get(other, sp_jmut_str(key));
		bool changed = was == NULL || (both && !sp_str_eq(sp_jmut_str(was), sp_jmut_str(value)));
		if (changed && is_forbidden(sp_jmut_str(key)))
			keys[(*n)++] = sp_jmut_str(key);
	}
}

/* "a, b": the labels that a kubelet may not touch and that were touched. Empty: none. */
static bool forbidden_labels(const api_admit *a, sp_str *ret)
{
	yyjson_mut_val *now = sp_kv_map(sp_meta(a->obj), "labels");
	yyjson_mut_val *then = a->old == NULL ? NULL : sp_kv_map(sp_meta(a->old), "labels");
	sp_str *keys = sp_try_new(&a->w->arena, sp_str, sp_kv_len(now) + sp_kv_len(then) + 1);
	size_t n = 0;
	if (keys == NULL) {
		api_write_fail(a->w, SP_ENOMEM, NULL);
		return false;
	}
	add_changed(now, then, true, keys, &n);
	add_changed(then, now, false, keys, &n);
	qsort(keys, n, sizeof *keys, by_text);
	*ret = n == 0 ? (sp_str){NULL, 0} : keys[0];
	for (size_t i = 1; i < n; i++)
		*ret = sp_arena_printf(&a->w->arena, SP_FMT ", " SP_FMT, SP_ARG(*ret), SP_ARG(keys[i]));
	return true;
}

static bool same_member(yyjson_mut_val *now, yyjson_mut_val *then, const char *name)
{
	return sp_kv_equal(sp_kv_get(now, name), sp_kv_get(then, name));
}

static bool create_node(const api_admit *a, sp_str node)
{
	sp_str labels;
	if (sp_kv_has(sp_kv_get(a->obj, "spec"), "configSource"))
		return api_admit_forbid(
			a, "node \"" SP_FMT "\" is not allowed to create pods with a non-nil configSource",
			SP_ARG(node));
	if (!forbidden_labels(a, &labels))
		return false;
	return labels.len == 0 ||
	       api_admit_forbid(a, "node \"" SP_FMT "\" is not allowed to set the following labels: " SP_FMT,
				SP_ARG(node), SP_ARG(labels));
}

static bool update_node(const api_admit *a, sp_str node)
{
	yyjson_mut_val *now = sp_kv_get(a->obj, "spec"), *then = sp_kv_get(a->old, "spec");
	sp_str labels;
	if (sp_kv_has(now, "configSource") && !same_member(now, then, "configSource"))
		return api_admit_forbid(
			a,
			"node \"" SP_FMT
			"\" is not allowed to update configSource to a new non-nil configSource",
			SP_ARG(node));
	if (!same_member(now, then, "taints"))
		return api_admit_forbid(a, "node \"" SP_FMT "\" is not allowed to modify taints",
					SP_ARG(node));
	if (!same_member(sp_meta(a->obj), sp_meta(a->old), "ownerReferences"))
		return api_admit_forbid(a, "node \"" SP_FMT "\" is not allowed to modify ownerReferences",
					SP_ARG(node));
	if (!forbidden_labels(a, &labels))
		return false;
	return labels.len == 0 ||
	       api_admit_forbid(a, "is not allowed to modify labels: " SP_FMT, SP_ARG(labels));
}

static bool on_nodes(const api_admit *a, sp_str node)
{
	sp_str name = sp_meta_name(a->obj != NULL ? a->obj : a->old);
	if (!sp_str_eq(name, node))
		return api_admit_forbid(a, "node \"" SP_FMT "\" is not allowed to modify node \"" SP_FMT "\"",
					SP_ARG(node), SP_ARG(name));
	if (a->op == API_OP_DELETE)
		return true;
	return a->op == API_OP_CREATE ? create_node(a, node) : update_node(a, node);
}

/* ---- claims ---- */

/* The claim without what kubelets report. */
static yyjson_mut_val *without_report(const api_admit *a, yyjson_mut_val *claim)
{
	static const char *const reported[] = {"capacity", "conditions", "allocatedResourceStatuses",
					       "allocatedResources"};
	yyjson_mut_val *copy = yyjson_mut_val_mut_copy(a->w->doc, claim);
	sp_kv_drop(sp_meta(copy), "resourceVersion");
	sp_kv_drop(sp_meta(copy), "managedFields");
	for (size_t i = 0; i < SP_LEN(reported); i++)
		sp_kv_drop(sp_kv_get(copy, "status"), reported[i]);
	return copy;
}

static bool on_claims(const api_admit *a, sp_str node)
{
	if (!sp_str_eq(a->w->r->info.subresource, SP_STR("status")))
		return api_admit_forbid(a, "may only update PVC status");
	if (a->op != API_OP_UPDATE)
		return api_admit_forbid(a, "unexpected operation \"%s\"", operation_name(a));
	yyjson_mut_val *now = without_report(a, a->obj), *then = without_report(a, a->old);
	if (now == NULL || then == NULL) {
		api_write_fail(a->w, SP_ENOMEM, NULL);
		return false;
	}
	return sp_kv_equal(now, then) ||
	       api_admit_forbid(a,
				"node \"" SP_FMT "\" is not allowed to update fields other than "
				"status.quantity and status.conditions",
				SP_ARG(node));
}

/* ---- tokens ---- */

static bool has_audience(yyjson_mut_val *pod, sp_str audience)
{
	SP_KV_EACH (volume, i, sp_kv_list(sp_kv_get(pod, "spec"), "volumes")) {
		SP_KV_EACH (source, k, sp_kv_list(sp_kv_get(volume, "projected"), "sources")) {
			yyjson_mut_val *token = sp_kv_get(source, "serviceAccountToken");
			if (token != NULL && sp_str_eq(sp_kv_str(token, "audience"), audience))
				return true;
		}
	}
	return false;
}

/* CSI drivers get tokens for the audiences that they state. */
static bool driver_has_audience(const api_admit *a, sp_str driver, sp_str audience)
{
	yyjson_mut_val *d =
		driver.len == 0 ? NULL : api_admit_load(a, "/registry/csidrivers/", SP_STR(""), driver);
	SP_KV_EACH (request, i, sp_kv_list(sp_kv_get(d, "spec"), "tokenRequests")) {
		if (sp_str_eq(sp_kv_str(request, "audience"), audience))
			return true;
	}
	return false;
}

static sp_str driver_of_claim(const api_admit *a, sp_str ns, sp_str claim)
{
	yyjson_mut_val *pvc = api_admit_load(a, "/registry/persistentvolumeclaims/", ns, claim);
	yyjson_mut_val *pv = api_admit_load(a, "/registry/persistentvolumes/", SP_STR(""),
					    sp_kv_str(sp_kv_get(pvc, "spec"), "volumeName"));
	return sp_kv_str(sp_kv_path(pv, "spec", "csi", NULL), "driver");
}

static bool volumes_have_audience(const api_admit *a, yyjson_mut_val *pod, sp_str audience)
{
	sp_str ns = a->w->r->info.ns;
	SP_KV_EACH (volume, i, sp_kv_list(sp_kv_get(pod, "spec"), "volumes")) {
		sp_str claim = sp_kv_str(sp_kv_get(volume, "persistentVolumeClaim"), "claimName");
		if (sp_kv_has(volume, "ephemeral"))
			claim = sp_arena_printf(&a->w->arena, SP_FMT "-" SP_FMT, SP_ARG(sp_meta_name(pod)),
						SP_ARG(sp_kv_str(volume, "name")));
		sp_str driver = claim.len > 0 ? driver_of_claim(a, ns, claim)
					      : sp_kv_str(sp_kv_get(volume, "csi"), "driver");
		if (driver_has_audience(a, driver, audience))
			return true;
	}
	return false;
}

/* A kubelet gets tokens for whom its pods talk to, not for anybody. `asked`: as in the request, none is the
 * API. */
static bool check_audience(const api_admit *a, yyjson_mut_val *pod)
{
	yyjson_mut_val *list = sp_kv_list(sp_kv_get(a->obj, "spec"), "audiences");
	sp_str asked = sp_jmut_str(yyjson_mut_arr_get_first(list)), reason;
	const api_user *user = &a->w->r->user;
	if (sp_kv_len(list) > 1)
		return api_admit_forbid(a, "node may only request 0 or 1 audiences");
	if (has_audience(pod, asked) || volumes_have_audience(a, pod, asked))
		return true;
	const api_attributes what = {.is_resource = true,
				     .verb = SP_STR("request-serviceaccounts-token-audience"),
				     .resource = asked,
				     .ns = a->w->r->info.ns,
				     .name = a->w->r->info.name};
	return api_decide(a->w->server, &a->w->arena, user, &what, &reason) == API_ALLOW ||
	       api_admit_forbid(a,
				"audience \"" SP_FMT "\" not found in pod spec volume, " SP_FMT
				" is not authorized to request tokens for this audience",
				SP_ARG(asked), SP_ARG(user->name));
}

static bool on_accounts(const api_admit *a, sp_str node)
{
	yyjson_mut_val *ref = sp_kv_get(sp_kv_get(a->obj, "spec"), "boundObjectRef"), *pod;
	sp_str name = sp_kv_str(ref, "name"), uid = sp_kv_str(ref, "uid");
	if (a->op != API_OP_CREATE || !sp_str_eq(a->w->r->info.subresource, SP_STR("token")))
		return true;
	if (ref == NULL || !sp_kv_is(ref, "apiVersion", "v1") || !sp_kv_is(ref, "kind", "Pod") ||
	    name.len == 0)
		return api_admit_forbid(a, "node requested token not bound to a pod");
	if (uid.len == 0)
		return api_admit_forbid(a, "node requested token with a pod binding without a uid");
	pod = api_admit_load(a, "/registry/pods/", a->w->r->info.ns, name);
	if (pod == NULL) {
		sp_status s = sp_status_not_found(&a->w->arena,
						  (sp_group_resource){SP_STR(""), SP_STR("pods")}, name);
		return api_admit_refuse(a, &s);
	}
	if (!sp_str_eq(sp_kv_str(sp_meta(pod), "uid"), uid))
		return api_admit_forbid(
			a,
			"the UID in the bound object reference (" SP_FMT
			") does not match the UID in record. The object might have been deleted and "
			"then recreated",
			SP_ARG(uid));
	if (!sp_str_eq(node_of(pod), node))
		return api_admit_forbid(a,
					"node requested token bound to a pod scheduled on a different node");
	return check_audience(a, pod);
}

/* ---- what bears the node's name ---- */

static bool is_own(const api_admit *a, sp_str node)
{
	return sp_str_eq(sp_meta_name(a->obj != NULL ? a->obj : a->old), node);
}

static bool on_leases(const api_admit *a, sp_str node)
{
	if (!sp_str_eq(a->w->r->info.ns, SP_STR("kube-node-lease")))
		return api_admit_forbid(a,
					"can only access leases in the \"kube-node-lease\" system namespace");
	return is_own(a, node) ||
	       api_admit_forbid(a, "can only access node lease with the same name as the requesting node");
}

static bool on_csi_nodes(const api_admit *a, sp_str node)
{
	return is_own(a, node) ||
	       api_admit_forbid(a, "can only access CSINode with the same name as the requesting node");
}

static bool on_slices(const api_admit *a, sp_str node)
{
	if (a->op == API_OP_UPDATE)
		return true; /* the name of the node can't change */
	yyjson_mut_val *slice = a->op == API_OP_CREATE ? a->obj : a->old;
	return sp_str_eq(node_of(slice), node) ||
	       api_admit_forbid(a, "can only %s ResourceSlice with the same NodeName as the requesting node",
				a->op == API_OP_CREATE ? "create" : "delete");
}

static const struct {
	sp_str group, resource;
	bool (*check)(const api_admit *a, sp_str node);
} checks[] = {
	{SP_STR_INIT(""), SP_STR_INIT("pods"), on_pods},
	{SP_STR_INIT(""), SP_STR_INIT("nodes"), on_nodes},
	{SP_STR_INIT(""), SP_STR_INIT("persistentvolumeclaims"), on_claims},
	{SP_STR_INIT(""), SP_STR_INIT("serviceaccounts"), on_accounts},
	{SP_STR_INIT("coordination.k8s.io"), SP_STR_INIT("leases"), on_leases},
	{SP_STR_INIT("storage.k8s.io"), SP_STR_INIT("csinodes"), on_csi_nodes},
	{SP_STR_INIT("resource.k8s.io"), SP_STR_INIT("resourceslices"), on_slices},
};

bool api_admit_node_restriction(const api_admit *a)
{
	sp_str node;
	SP_ASSERT(a->w->r != NULL); /* a write without a client does not begin */
	/* An account that is limited to a node writes no more than the node. */
	if (!api_user_is_node(&a->w->r->user, &node) &&
	    !api_node_scoped(a->w->r->server, &a->w->arena, &a->w->r->user, &node))
		return true;
	for (size_t i = 0; i < SP_LEN(checks); i++) {
		if (sp_str_eq(checks[i].resource, a->w->res->gr.resource) &&
		    sp_str_eq(checks[i].group, a->w->res->gr.group))
			return checks[i].check(a, node);
	}
	return true;
}
