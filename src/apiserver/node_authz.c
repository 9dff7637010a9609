/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/node_authz.h"

#include "apiserver/pod_refs.h"
#include "apiserver/server_int.h"

#define SCRATCH_BYTES ((size_t)64 << 20)
#define CLAIMS_MAX 4096u /* looked at for one question */

typedef struct asker {
	api_server *server;
	sp_arena *arena;
	const api_attributes *what;
	sp_str node;
	sp_str *reason;
} asker;

static api_decision none(asker *q, const char *why)
{
	*q->reason = sp_str_c(why);
	return API_NO_OPINION;
}

static bool is_verb(const asker *q, const char *verbs)
{
	sp_str list = sp_str_c(verbs), verb;
	while (sp_str_cut(&list, ' ', &verb)) {
		if (sp_str_eq(verb, q->what->verb))
			return true;
	}
	return sp_str_eq(list, q->what->verb);
}

/* ---- the pods of the node ---- */

typedef struct pod_walk {
	asker *q;
	api_ref_kind kind;
	sp_str name; /* looked for; empty: every reference goes to `each` */
	bool (*each)(struct pod_walk *w, sp_str ns, sp_str name);
	void *arg;
	sp_str ns; /* of the pod at hand */
	bool found, failed;
} pod_walk;

static bool on_ref(void *arg, sp_str name)
{
	pod_walk *w = arg;
	if (w->each != NULL)
		return w->each(w, w->ns, name);
	w->found = sp_str_eq(name, w->name);
	return !w->found;
}

static sp_store_visit visit(void *arg, const sp_store_entry *e)
{
	pod_walk *w = arg;
	sp_record rec;
	sp_arena scratch;
	yyjson_val *pod = NULL;
	sp_str rest = e->rest;
	if (sp_record_decode(e->record, &rec, NULL) != SP_OK) {
		w->failed = true;
		return SP_STORE_STOP;
	}
	/* A pod that does not hold the name need not be parsed; names of claims may be made of two. */
	if (w->each == NULL && w->kind != API_REF_CLAIM && sp_str_find(rec.object, w->name) < 0)
		return SP_STORE_SKIP;
	sp_arena_init(&scratch, SCRATCH_BYTES);
	w->failed =
		!sp_str_cut(&rest, '/', &w->ns) || sp_json_parse(&scratch, rec.object, &pod, NULL) != SP_OK;
	bool go_on = !w->failed && api_pod_refs(&scratch, pod, w->kind, on_ref, w);
	sp_arena_done(&scratch);
	return go_on ? SP_STORE_TAKE : SP_STORE_STOP;
}

/* Over all pods bound to the node, in one namespace or (empty) everywhere. False: they can't be read. */
static bool walk_pods(pod_walk *w, sp_str ns)
{
	sp_store_chunk chunk = {.more = true}, next;
	sp_store_query query = {.resource = SP_STR("/registry/pods/"), .indexed = &w->q->node};
	if (ns.len > 0)
		query.prefix = sp_arena_printf(w->q->arena, SP_FMT "/", SP_ARG(ns));
	while (chunk.more && !w->found && !w->failed) {
		query.from = (sp_str){chunk.next, chunk.next_len};
		if (sp_store_range(w->q->server->store, &query, visit, w, &next, NULL) != SP_OK)
			return false;
		chunk = next;
		query.revision = chunk.revision;
	}
	return !w->failed;
}

static bool refers(asker *q, api_ref_kind kind, sp_str ns, sp_str name)
{
	pod_walk w = {.q = q, .kind = kind, .name = name};
	return ns.len > 0 && name.len > 0 && walk_pods(&w, ns) && w.found;
}

/* ---- through volumes ---- */

typedef struct claim_list {
	sp_str ns[CLAIMS_MAX], names[CLAIMS_MAX];
	size_t n;
} claim_list;

static bool add_claim(pod_walk *w, sp_str ns, sp_str name)
{
	claim_list *list = w->arg;
	if (list->n == CLAIMS_MAX)
		return false;
	list->ns[list->n] = sp_arena_try_dup(w->q->arena, ns);
	list->names[list->n] = sp_arena_try_dup(w->q->arena, name);
	w->failed = list->ns[list->n].ptr == NULL || list->names[list->n].ptr == NULL;
	list->n++;
	return !w->failed;
}

typedef struct value_view {
	yyjson_val *spec;
} value_view;
SP_VIEW(node_claim_desc, value_view, "v1/PersistentVolumeClaim", SP_V(value_view, spec, "spec"));
SP_VIEW(node_volume_desc, value_view, "v1/PersistentVolume", SP_V(value_view, spec, "spec"));
SP_VIEW(node_attachment_desc, value_view, "storage.k8s.io/v1/VolumeAttachment",
	SP_V(value_view, spec, "spec"));
SP_VIEW(node_slice_desc, value_view, "resource.k8s.io/v1/ResourceSlice", SP_V(value_view, spec, "spec"));

static yyjson_val *spec_of(asker *q, const char *prefix, const sp_view_desc *desc, sp_str ns, sp_str name)
{
	value_view v;
	return api_view_stored(q->server, q->arena, prefix, ns, name, desc, &v, NULL) == SP_OK ? v.spec
											       : NULL;
}

typedef struct secret_search {
	sp_str ns, name;
} secret_search;

static bool is_other_secret(void *arg, sp_str ns, sp_str name)
{
	const secret_search *s = arg;
	return !sp_str_eq(s->ns, ns) || !sp_str_eq(s->name, name);
}

/* Is the secret one of the volume that the claim is bound to? */
static bool is_secret_of_claim(asker *q, sp_str claim_ns, sp_str claim, const secret_search *s)
{
	yyjson_val *spec = spec_of(q, "/registry/persistentvolumeclaims/", &node_claim_desc, claim_ns, claim);
	spec = spec_of(q, "/registry/persistentvolumes/", &node_volume_desc, SP_STR(""),
		       sp_view_str_at(spec, "volumeName"));
	if (spec == NULL || !sp_str_eq(sp_view_str_at(spec, "claimRef.namespace"), claim_ns) ||
	    !sp_str_eq(sp_view_str_at(spec, "claimRef.name"), claim))
		return false;
	return !api_volume_secrets(spec, is_other_secret, (void *)(uintptr_t)s);
}

static bool refers_through_volumes(asker *q)
{
	const secret_search s = {q->what->ns, q->what->name};
	claim_list *list = sp_try_new(q->arena, claim_list, 1);
	pod_walk w = {.q = q, .kind = API_REF_CLAIM, .each = add_claim, .arg = list};
	if (list == NULL || !walk_pods(&w, SP_STR("")))
		return false;
	for (size_t i = 0; i < list->n; i++) {
		if (is_secret_of_claim(q, list->ns[i], list->names[i], &s))
			return true;
	}
	return false;
}

/* ---- paths from an object to the node ---- */

static bool has_secret(asker *q)
{
	return refers(q, API_REF_SECRET, q->what->ns, q->what->name) || refers_through_volumes(q);
}
static bool has_config_map(asker *q)
{
	return refers(q, API_REF_CONFIG_MAP, q->what->ns, q->what->name);
}
static bool has_claim(asker *q)
{
	return refers(q, API_REF_CLAIM, q->what->ns, q->what->name);
}
static bool has_resource_claim(asker *q)
{
	return refers(q, API_REF_RESOURCE_CLAIM, q->what->ns, q->what->name);
}
static bool has_account(asker *q)
{
	return refers(q, API_REF_SERVICE_ACCOUNT, q->what->ns, q->what->name);
}
static bool has_pod(asker *q)
{
	return refers(q, API_REF_POD, q->what->ns, q->what->name);
}
static bool has_volume(asker *q)
{
	yyjson_val *spec =
		spec_of(q, "/registry/persistentvolumes/", &node_volume_desc, SP_STR(""), q->what->name);
	return refers(q, API_REF_CLAIM, sp_view_str_at(spec, "claimRef.namespace"),
		      sp_view_str_at(spec, "claimRef.name"));
}
static bool has_attachment(asker *q)
{
	yyjson_val *spec =
		spec_of(q, "/registry/volumeattachments/", &node_attachment_desc, SP_STR(""), q->what->name);
	return sp_str_eq(sp_view_str_at(spec, "nodeName"), q->node);
}
static bool has_slice(asker *q)
{
	yyjson_val *spec =
		spec_of(q, "/registry/resourceslices/", &node_slice_desc, SP_STR(""), q->what->name);
	return sp_str_eq(sp_view_str_at(spec, "nodeName"), q->node);
}

static api_decision by_path(asker *q, bool (*has)(asker *q))
{
	if (q->what->name.len == 0)
		return none(q, "No Object name found");
	if (has(q))
		return API_ALLOW;
	*q->reason = sp_arena_printf(
		q->arena, "no relationship found between node '" SP_FMT "' and this object", SP_ARG(q->node));
	return API_NO_OPINION;
}

/* ---- kinds of rules ---- */

static api_decision read_named(asker *q, bool (*has)(asker *q))
{
	if (!is_verb(q, "get list watch"))
		return none(q, "can only read resources of this type");
	if (q->what->subresource.len > 0)
		return none(q, "cannot read subresource");
	if (q->what->ns.len == 0)
		return none(q, "can only read namespaced object of this type");
	return by_path(q, has);
}

static api_decision get_only(asker *q, bool (*has)(asker *q))
{
	if (!is_verb(q, "get"))
		return none(q, "can only get individual resources of this type");
	if (q->what->subresource.len > 0)
		return none(q, "cannot get subresource");
	return by_path(q, has);
}

static bool selects_node(const asker *q, const char *field)
{
	sp_selector s;
	sp_str value;
	return sp_fields_parse(q->arena, q->what->field_selector, &s, NULL) == SP_OK &&
	       sp_selector_exact(&s, sp_str_c(field), &value) && sp_str_eq(value, q->node);
}

/* ---- one function per resource ---- */

static api_decision on_secrets(asker *q)
{
	return read_named(q, has_secret);
}

static api_decision on_config_maps(asker *q)
{
	return read_named(q, has_config_map);
}

static api_decision on_claims(asker *q)
{
	if (!sp_str_eq(q->what->subresource, SP_STR("status")))
		return get_only(q, has_claim);
	if (!is_verb(q, "update patch"))
		return none(q, "can only get/update/patch this type");
	return by_path(q, has_claim);
}

static api_decision on_volumes(asker *q)
{
	return get_only(q, has_volume);
}

static api_decision on_resource_claims(asker *q)
{
	return get_only(q, has_resource_claim);
}

static api_decision on_attachments(asker *q)
{
	return get_only(q, has_attachment);
}

static api_decision on_accounts(asker *q)
{
	if (is_verb(q, "get") && q->what->subresource.len == 0)
		return read_named(q, has_account);
	if (!is_verb(q, "create") || q->what->name.len == 0)
		return none(q, "can only create tokens for individual service accounts");
	if (!sp_str_eq(q->what->subresource, SP_STR("token")))
		return none(q, "can only create token subresource of serviceaccount");
	return by_path(q, has_account);
}

static api_decision on_leases(asker *q)
{
	if (!is_verb(q, "get create update patch delete"))
		return none(q, "can only get, create, update, patch, or delete a node lease");
	if (!sp_str_eq(q->what->ns, SP_STR("kube-node-lease")))
		return none(q, "can only access leases in the \"kube-node-lease\" system namespace");
	/* The name of a new one is checked by admission. */
	if (!is_verb(q, "create") && !sp_str_eq(q->what->name, q->node))
		return none(q, "can only access node lease with the same name as the requesting node");
	return API_ALLOW;
}

static api_decision on_csi_nodes(asker *q)
{
	if (!is_verb(q, "get create update patch delete"))
		return none(q, "can only get, create, update, patch, or delete a CSINode");
	if (q->what->subresource.len > 0)
		return none(q, "cannot authorize CSINode subresources");
	if (!is_verb(q, "create") && !sp_str_eq(q->what->name, q->node))
		return none(q, "can only access CSINode with the same name as the requesting node");
	return API_ALLOW;
}

static api_decision on_slices(asker *q)
{
	if (q->what->subresource.len > 0)
		return none(q, "cannot authorize ResourceSlice subresources");
	if (is_verb(q, "create"))
		return API_ALLOW; /* admission looks at its content */
	if (is_verb(q, "get update patch delete"))
		return by_path(q, has_slice);
	if (!is_verb(q, "watch list deletecollection"))
		return none(
			q,
			"only the following verbs are allowed for a ResourceSlice: get, watch, list, create, "
			"update, patch, delete, deletecollection");
	return selects_node(q, "spec.nodeName") ? API_ALLOW
						: none(q, "can only list/watch/deletecollection "
							  "resourceslices with nodeName field selector");
}

static api_decision read_node(asker *q)
{
	if (sp_str_eq(q->what->name, q->node))
		return API_ALLOW;
	*q->reason =
		q->what->name.len == 0
			? sp_arena_printf(q->arena,
					  "node '" SP_FMT "' cannot read all nodes, only its own Node object",
					  SP_ARG(q->node))
			: sp_arena_printf(q->arena,
					  "node '" SP_FMT "' cannot read '" SP_FMT
					  "', only its own Node object",
					  SP_ARG(q->node), SP_ARG(q->what->name));
	return API_NO_OPINION;
}

/* Whose node is written is admission's to check. */
static api_decision on_nodes(asker *q)
{
	if (q->what->subresource.len == 0 && is_verb(q, "create update patch"))
		return API_ALLOW;
	if (q->what->subresource.len == 0 && is_verb(q, "get list watch"))
		return read_node(q);
	if (sp_str_eq(q->what->subresource, SP_STR("status")) && is_verb(q, "update patch"))
		return API_ALLOW;
	return API_NO_OPINION;
}

static api_decision read_pods(asker *q)
{
	if (selects_node(q, "spec.nodeName"))
		return API_ALLOW;
	if (q->what->name.len > 0)
		return by_path(q, has_pod);
	return none(q, "can only list/watch pods with spec.nodeName field selector");
}

static api_decision on_pods(asker *q)
{
	sp_str sub = q->what->subresource;
	if (sub.len == 0 && is_verb(q, "get"))
		return get_only(q, has_pod);
	if (sub.len == 0 && is_verb(q, "list watch"))
		return read_pods(q);
	if ((sub.len == 0 && is_verb(q, "create delete")) ||
	    (sp_str_eq(sub, SP_STR("status")) && is_verb(q, "update patch")) ||
	    (sp_str_eq(sub, SP_STR("eviction")) && is_verb(q, "create")))
		return API_ALLOW; /* admission limits it to its own */
	return API_NO_OPINION;
}

static api_decision on_nothing(asker *q)
{
	(void)q;
	return API_NO_OPINION;
}

static const struct {
	sp_str group, resource;
	api_decision (*decide)(asker *q);
} resources[] = {
	{SP_STR_INIT(""), SP_STR_INIT("secrets"), on_secrets},
	{SP_STR_INIT(""), SP_STR_INIT("configmaps"), on_config_maps},
	{SP_STR_INIT(""), SP_STR_INIT("persistentvolumeclaims"), on_claims},
	{SP_STR_INIT(""), SP_STR_INIT("persistentvolumes"), on_volumes},
	{SP_STR_INIT("resource.k8s.io"), SP_STR_INIT("resourceclaims"), on_resource_claims},
	{SP_STR_INIT("storage.k8s.io"), SP_STR_INIT("volumeattachments"), on_attachments},
	{SP_STR_INIT(""), SP_STR_INIT("serviceaccounts"), on_accounts},
	{SP_STR_INIT("coordination.k8s.io"), SP_STR_INIT("leases"), on_leases},
	{SP_STR_INIT("storage.k8s.io"), SP_STR_INIT("csinodes"), on_csi_nodes},
	{SP_STR_INIT("resource.k8s.io"), SP_STR_INIT("resourceslices"), on_slices},
	{SP_STR_INIT(""), SP_STR_INIT("nodes"), on_nodes},
	{SP_STR_INIT(""), SP_STR_INIT("pods"), on_pods},
	{SP_STR_INIT("certificates.k8s.io"), SP_STR_INIT("podcertificaterequests"), on_nothing},
};

static bool is_special(const api_attributes *what, size_t *ret)
{
	for (size_t i = 0; i < SP_LEN(resources) && what->is_resource; i++) {
		*ret = i;
		if (sp_str_eq(resources[i].resource, what->resource) &&
		    sp_str_eq(resources[i].group, what->group))
			return true;
	}
	return false;
}

api_decision api_node_may(api_server *s, sp_arena *a, sp_str node, const api_attributes *what,
			  sp_str *ret_reason)
{
	asker q = {.server = s, .arena = a, .what = what, .reason = ret_reason, .node = node};
	size_t i;
	*ret_reason = (sp_str){NULL, 0};
	return is_special(what, &i) ? resources[i].decide(&q) : API_NO_OPINION;
}

bool api_node_has_pod(api_server *s, sp_arena *a, sp_str node, const api_attributes *what)
{
	sp_str reason;
	asker q = {.server = s, .arena = a, .what = what, .reason = &reason, .node = node};
	return has_pod(&q);
}

api_decision api_node_decide(api_server *s, sp_arena *a, const api_user *user, const api_attributes *what,
			     sp_str *ret_reason)
{
	sp_str node;
	size_t i;
	*ret_reason = (sp_str){NULL, 0};
	if (!api_user_is_node(user, &node))
		return API_NO_OPINION;
	if (is_special(what, &i))
		return api_node_may(s, a, node, what, ret_reason);
	for (i = 0; i < s->node_rules.n; i++) {
		if (api_rule_allows(&s->node_rules.items[i], what))
			return API_ALLOW;
	}
	return API_NO_OPINION;
}
