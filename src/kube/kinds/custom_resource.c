/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CustomResourceDefinition of apiextensions.k8s.io/v1. Rules of schemas are in kube/crd.
 * U: apiextensions-apiserver pkg/apis/apiextensions, pkg/registry/customresourcedefinition/strategy.go.
 */
#include "kube/kinds/custom_resource.h"

#include "kube/formats.h"
#include "kube/kinds/hooks.h"
#include "kube/kinds/webhook_client.h"
#include "kube/kinds/workload.h"
#include "kube/meta.h"

#define APPROVAL "api-approved.kubernetes.io"
#define APPROVAL_LINK ", see https://github.com/kubernetes/enhancements/pull/1111"

static sp_str lower(sp_arena *a, sp_str s)
{
	char *text = sp_arena_try_alloc(a, s.len + 1);
	for (size_t i = 0; text != NULL && i < s.len; i++)
		text[i] = s.ptr[i] >= 'A' && s.ptr[i] <= 'Z' ? (char)(s.ptr[i] | 0x20) : s.ptr[i];
	return (sp_str){text, text != NULL ? s.len : 0};
}

/* The storage version is one of those that were stored. */
static void store_version(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *status, *list;
	SP_KV_EACH (version, i, sp_kv_list(sp_kv_get(obj, "spec"), "versions")) {
		if (!sp_kv_bool(version, "storage"))
			continue;
		sp_str name = sp_kv_str(version, "name");
		SP_KV_EACH (stored, k, sp_kv_list(sp_kv_get(obj, "status"), "storedVersions")) {
			if (sp_str_eq(name, sp_jmut_str(stored)))
				return;
		}
		status = sp_kv_need_obj(c->doc, obj, "status");
		list = status != NULL ? sp_kv_need_list(c->doc, status, "storedVersions") : NULL;
		SP_KIND_NEED(c, list != NULL && sp_kv_append_str(c->doc, list, name));
		return;
	}
}

static void defaults(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *names = sp_kv_path(obj, "spec", "names", NULL);
	sp_str kind = sp_kv_str(names, "kind");
	if (names != NULL && kind.len > 0) {
		if (sp_kv_str(names, "singular").len == 0)
			SP_KIND_NEED(c, sp_kv_set_str(c->doc, names, "singular", lower(c->arena, kind)));
		if (sp_kv_str(names, "listKind").len == 0)
			SP_KIND_NEED(c,
				     sp_kv_set_str(c->doc, names, "listKind",
						   sp_arena_printf(c->arena, SP_FMT "List", SP_ARG(kind))));
	}
	if (sp_kv_list(sp_kv_get(obj, "status"), "storedVersions") == NULL)
		store_version(c, obj);
}

static void prepare_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	store_version(c, obj);
}

static void prepare_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	(void)old;
	store_version(c, obj);
}

void sp_crd_name_validate(sp_violations *v, const sp_path *path, sp_str shown, sp_str name,
			  const char *before)
{
	sp_name_faults f = sp_name_dns1035_label(name);
	sp_str text = {"", 0};
	for (size_t i = 0; i < f.n; i++)
		text = sp_arena_printf(v->arena, SP_FMT "%s" SP_FMT SP_FMT, SP_ARG(text), i > 0 ? "," : "",
				       SP_ARG(f.items[i].prefix), SP_ARG(f.items[i].text));
	if (f.n > 0)
		sp_v_invalid(v, path, shown, "%s" SP_FMT, before, SP_ARG(text));
}

static void name_list(sp_violations *v, const sp_path *path, yyjson_mut_val *list)
{
	SP_KV_EACH (item, i, list) {
		sp_str s = sp_jmut_str(item);
		sp_crd_name_validate(v, SP_AT_I(path, i), s, s, "");
	}
}

static void names_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *names)
{
	static const char mixed[] = "may have mixed case, but should otherwise match: ";
	static const char *const members[] = {"plural", "singular", "kind", "listKind"};
	sp_str kind = sp_kv_str(names, "kind"), list_kind = sp_kv_str(names, "listKind");
	for (size_t i = 0; i < SP_LEN(members); i++) {
		sp_str s = sp_kv_str(names, members[i]);
		if (s.len > 0)
			sp_crd_name_validate(v, SP_AT_STR(path, sp_str_c(members[i])), s,
					     i >= 2 ? lower(v->arena, s) : s, i >= 2 ? mixed : "");
	}
	name_list(v, SP_AT(path, "shortNames"), sp_kv_list(names, "shortNames"));
	if (kind.len > 0 && sp_str_eq(kind, list_kind))
		sp_v_invalid(v, SP_AT(path, "listKind"), list_kind, "kind and listKind may not be the same");
	name_list(v, SP_AT(path, "categories"), sp_kv_list(names, "categories"));
}

static bool review_version(sp_str s)
{
	static const char *const known[] = {"v1", "v1beta1"};
	return SP_STR_IN(s, known);
}

static bool any_review_version(yyjson_mut_val *list)
{
	SP_KV_EACH (item, i, list) {
		if (review_version(sp_jmut_str(item)))
			return true;
	}
	return false;
}

/* `strict`: one of the versions must be known to the server. */
static void review_versions(sp_violations *v, yyjson_mut_val *list, bool strict)
{
	const sp_path *path = SP_PATH("spec.conversion.conversionReviewVersions");
	SP_AUTO_STRSET seen = {0};
	if (list == NULL)
		sp_v_required(v, path, "%s", "");
	SP_KV_EACH (item, i, list) {
		sp_str s = sp_jmut_str(item);
		if (!sp_strset_add(&seen, s, v))
			sp_v_invalid(v, SP_AT_I(path, i), s, "duplicate version");
		else
			sp_v_faults(v, SP_AT_I(path, i), s, sp_name_dns1035_label(s));
	}
	if (list != NULL && strict && !any_review_version(list))
		sp_v_invalid(v, path, list, "must include at least one of v1, v1beta1");
}

static void conversion_validate(sp_violations *v, yyjson_mut_val *conversion, bool strict)
{
	static const char *const strategies[] = {"None", "Webhook"};
	const sp_path *client = SP_PATH("spec.conversion.webhookClientConfig");
	yyjson_mut_val *webhook = sp_kv_get(conversion, "webhook");
	yyjson_mut_val *config = sp_kv_get(webhook, "clientConfig");
	yyjson_mut_val *versions = sp_kv_list(webhook, "conversionReviewVersions");
	SP_V_ENUM(v, SP_PATH("spec.conversion.strategy"), sp_kv_str(conversion, "strategy"), strategies);
	if (!sp_kv_is(conversion, "strategy", "Webhook")) {
		if (config != NULL)
			sp_v_forbidden(v, client, "should not be set when strategy is not set to Webhook");
		if (versions != NULL)
			sp_v_forbidden(v, SP_PATH("spec.conversion.conversionReviewVersions"),
				       "should not be set when strategy is not set to Webhook");
		return;
	}
	if (config == NULL)
		sp_v_required(v, client, "required when strategy is set to Webhook");
	else if (sp_kv_has(config, "url") == sp_kv_has(config, "service"))
		sp_v_required(v, client, "exactly one of url or service is required");
	else if (sp_kv_has(config, "url"))
		sp_v_webhook_url(v, SP_AT(client, "url"), sp_kv_str(config, "url"));
	else
		sp_v_webhook_service(v, SP_AT(client, "service"), sp_kv_get(config, "service"), false);
	review_versions(v, versions, strict);
}

static sp_crd_shared shared_of(yyjson_mut_val *versions)
{
	yyjson_mut_val *first = versions != NULL ? yyjson_mut_arr_get_first(versions) : NULL;
	sp_crd_shared s = {versions != NULL, versions != NULL, versions != NULL, versions != NULL};
	SP_KV_EACH (version, i, versions) {
		s.schema = s.schema && sp_kv_equal(sp_kv_get(version, "schema"), sp_kv_get(first, "schema"));
		/* an empty status is not the same as none */
		s.subresources =
			s.subresources &&
			sp_kv_has(version, "subresources") == sp_kv_has(first, "subresources") &&
			!sp_kv_path(version, "subresources", "status", NULL) ==
				!sp_kv_path(first, "subresources", "status", NULL) &&
			sp_kv_equal(sp_kv_get(version, "subresources"), sp_kv_get(first, "subresources"));
		s.columns = s.columns && sp_kv_equal(sp_kv_get(version, "additionalPrinterColumns"),
						     sp_kv_get(first, "additionalPrinterColumns"));
		s.fields = s.fields && sp_kv_equal(sp_kv_get(version, "selectableFields"),
						   sp_kv_get(first, "selectableFields"));
	}
	return s;
}

/* The versions as upstream prints its internal ones; parts that are shared are null. */
static yyjson_mut_val *shown_versions(sp_kind_ctx *c, yyjson_mut_val *versions, const sp_crd_shared *s)
{
	static const struct {
		const char *shown, *name;
	} members[] = {{"Name", "name"},
		       {"Served", "served"},
		       {"Storage", "storage"},
		       {"Deprecated", "deprecated"},
		       {"DeprecationWarning", "deprecationWarning"},
		       {"Schema", "schema"},
		       {"Subresources", "subresources"},
		       {"AdditionalPrinterColumns", "additionalPrinterColumns"},
		       {"SelectableFields", "selectableFields"}};
	const bool hidden[SP_LEN(members)] = {
		[5] = s->schema, [6] = s->subresources, [7] = s->columns, [8] = s->fields};
	yyjson_mut_val *list = versions != NULL ? yyjson_mut_arr(c->doc) : yyjson_mut_null(c->doc);
	SP_KIND_NEED(c, list != NULL);
	SP_KV_EACH (version, i, versions) {
		yyjson_mut_val *item = list != NULL ? yyjson_mut_arr_add_obj(c->doc, list) : NULL;
		for (size_t k = 0; item != NULL && k < SP_LEN(members); k++) {
			yyjson_mut_val *from = hidden[k] ? NULL : sp_kv_get(version, members[k].name);
			yyjson_mut_val *to = from != NULL       ? yyjson_mut_val_mut_copy(c->doc, from)
					     : k >= 1 && k <= 3 ? yyjson_mut_bool(c->doc, false)
								: yyjson_mut_null(c->doc);
			SP_KIND_NEED(c, to != NULL &&
						yyjson_mut_obj_add_val(c->doc, item, members[k].shown, to));
		}
		SP_KIND_NEED(c, item != NULL);
	}
	return list;
}

static void versions_validate(sp_kind_ctx *c, yyjson_mut_val *versions, const sp_crd_shared *shared)
{
	const sp_path *path = SP_PATH("spec.versions");
	sp_violations *v = c->errors;
	size_t n_storage = 0;
	bool unique = true;
	SP_AUTO_STRSET seen = {0};
	SP_KV_EACH (schemaless, k, versions) {
		if (sp_kv_path(schemaless, "schema", "openAPIV3Schema", NULL) == NULL)
			sp_v_required(v, SP_AT(SP_AT_I(path, k), "schema.openAPIV3Schema"), "%s", "");
	}
	SP_KV_EACH (version, i, versions) {
		sp_str name = sp_kv_str(version, "name");
		n_storage += sp_kv_bool(version, "storage") ? 1 : 0;
		unique = sp_strset_add(&seen, name, v) && unique;
		sp_crd_name_validate(v, SP_AT(SP_AT_I(path, i), "name"), name, name, "");
		sp_crd_version_validate(c, version, SP_AT_I(path, i), shared);
	}
	if (!unique)
		sp_v_invalid(v, path, shown_versions(c, versions, shared),
			     "must contain unique version names");
	if (n_storage != 1)
		sp_v_invalid(v, path, shown_versions(c, versions, shared),
			     "must have exactly one version marked as storage version");
	if (sp_kv_len(versions) > 0) {
		sp_str first = sp_kv_str(yyjson_mut_arr_get_first(versions), "name");
		if (first.len > 0)
			sp_crd_name_validate(v, SP_PATH("spec.version"), first, first, "");
	}
}

static void spec_validate(sp_kind_ctx *c, yyjson_mut_val *spec, bool strict)
{
	static const char *const scopes[] = {"Cluster", "Namespaced"};
	static const char *const needed[] = {"plural", "singular", "kind", "listKind"};
	sp_violations *v = c->errors;
	sp_str group = sp_kv_str(spec, "group");
	yyjson_mut_val *names = sp_kv_get(spec, "names"), *versions = sp_kv_list(spec, "versions");
	sp_crd_shared shared = shared_of(versions);
	if (group.len == 0)
		sp_v_required(v, SP_PATH("spec.group"), "%s", "");
	else if (sp_name_dns1123_subdomain(group).n > 0)
		sp_v_dns1123_subdomain(v, SP_PATH("spec.group"), group);
	else if (sp_str_index(group, '.') < 0)
		sp_v_invalid(v, SP_PATH("spec.group"), group, "should be a domain with at least one dot");
	SP_V_ENUM(v, SP_PATH("spec.scope"), sp_kv_str(spec, "scope"), scopes);
	versions_validate(c, sp_kv_get(spec, "versions"), &shared);
	for (size_t i = 0; i < SP_LEN(needed); i++) {
		if (sp_kv_str(names, needed[i]).len == 0)
			sp_v_required(v, SP_AT_STR(SP_PATH("spec.names"), sp_str_c(needed[i])), "%s", "");
	}
	names_validate(v, SP_PATH("spec.names"), names);
	sp_crd_shared_validate(c, spec, &shared);
	if (sp_kv_bool(spec, "preserveUnknownFields") &&
	    !sp_kv_is(sp_kv_get(spec, "conversion"), "strategy", "None"))
		sp_v_invalid(v, SP_PATH("spec.conversion.strategy"),
			     sp_kv_str(sp_kv_get(spec, "conversion"), "strategy"),
			     "must be None if spec.preserveUnknownFields is true");
	conversion_validate(v, sp_kv_get(spec, "conversion"), strict);
}

static void stored_validate(sp_violations *v, yyjson_mut_val *obj)
{
	const sp_path *path = SP_PATH("status.storedVersions");
	yyjson_mut_val *stored = sp_kv_list(sp_kv_get(obj, "status"), "storedVersions");
	yyjson_mut_val *versions = sp_kv_list(sp_kv_get(obj, "spec"), "versions");
	SP_AUTO_STRSET names = {0}, kept = {0};
	if (stored == NULL) {
		sp_v_invalid(v, path, (yyjson_mut_val *)NULL, "must have at least one stored version");
		return;
	}
	SP_KV_EACH (item, i, stored)
		(void)sp_strset_add(&kept, sp_jmut_str(item), v);
	SP_KV_EACH (version, k, versions) {
		sp_str name = sp_kv_str(version, "name");
		(void)sp_strset_add(&names, name, v);
		if (sp_kv_bool(version, "storage") && !sp_strset_has(&kept, name))
			sp_v_invalid(v, path, stored, "must have the storage version " SP_FMT, SP_ARG(name));
	}
	SP_KV_EACH (item, j, stored) {
		sp_str s = sp_jmut_str(item);
		if (!sp_strset_has(&names, s))
			sp_v_invalid(
				v, SP_AT_I(path, j), s,
				"missing from spec.versions; " SP_FMT
				" was previously a storage version, and must remain in spec.versions until "
				"a storage migration ensures no data remains persisted in " SP_FMT
				" and removes " SP_FMT " from status.storedVersions",
				SP_ARG(s), SP_ARG(s), SP_ARG(s));
	}
}

typedef enum approval { APPROVAL_MISSING, APPROVAL_BYPASSED, APPROVAL_GIVEN, APPROVAL_INVALID } approval;

static approval approval_of(yyjson_mut_val *obj)
{
	sp_str s = sp_meta_annotation(obj, APPROVAL), scheme;
	if (s.len == 0)
		return APPROVAL_MISSING;
	if (sp_str_starts(s, SP_STR("unapproved")))
		return APPROVAL_BYPASSED;
	bool url = sp_str_cut(&s, ':', &scheme) && scheme.len > 0 && sp_str_take(&s, SP_STR("//")) &&
		   s.len > 0 && s.ptr[0] != '/';
	return url ? APPROVAL_GIVEN : APPROVAL_INVALID;
}

/* Groups of the community need a word that their API was approved. */
static void approval_validate(sp_violations *v, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	const sp_path *path = SP_AT_KEY(SP_PATH("metadata.annotations"), SP_STR(APPROVAL));
	sp_str group = sp_kv_str(sp_kv_get(obj, "spec"), "group");
	approval now = approval_of(obj);
	if (!sp_str_eq(group, SP_STR("k8s.io")) && !sp_str_ends(group, SP_STR(".k8s.io")) &&
	    !sp_str_eq(group, SP_STR("kubernetes.io")) && !sp_str_ends(group, SP_STR(".kubernetes.io")))
		return;
	if (old != NULL && approval_of(old) == now)
		return;
	if (now == APPROVAL_MISSING)
		sp_v_required(v, path,
			      "protected groups must have approval annotation \"" APPROVAL
			      "\"" APPROVAL_LINK);
	else if (now == APPROVAL_INVALID)
		sp_v_invalid(v, path, sp_meta_annotation(obj, APPROVAL),
			     "protected groups must have approval annotation \"" APPROVAL
			     "\" with either a URL or a reason starting with \"unapproved\"" APPROVAL_LINK);
}

/* What create and update check alike; `old` is NULL for a create. */
static void rest_validate(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	names_validate(c->errors, SP_PATH("status.acceptedNames"),
		       sp_kv_path(obj, "status", "acceptedNames", NULL));
	stored_validate(c->errors, obj);
	approval_validate(c->errors, obj, old);
	if (sp_kv_bool(spec, "preserveUnknownFields") &&
	    !sp_kv_bool(sp_kv_get(old, "spec"), "preserveUnknownFields"))
		sp_v_invalid(c->errors, SP_PATH("spec.preserveUnknownFields"), sp_bad_bool(true),
			     "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in "
			     "spec.versions[*].schema instead");
}

static void validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	sp_str wanted = sp_arena_printf(c->arena, SP_FMT "." SP_FMT,
					SP_ARG(sp_kv_str(sp_kv_get(spec, "names"), "plural")),
					SP_ARG(sp_kv_str(spec, "group")));
	sp_meta_validate_custom(c, obj);
	if (!sp_str_eq(sp_meta_name(obj), wanted))
		sp_v_invalid(c->errors, SP_PATH("metadata.name"), sp_meta_name(obj),
			     "must be spec.names.plural+\".\"+spec.group");
	spec_validate(c, spec, true);
	rest_validate(c, obj, NULL);
}

static bool established(yyjson_mut_val *obj)
{
	SP_KV_EACH (cond, i, sp_kv_list(sp_kv_get(obj, "status"), "conditions")) {
		if (sp_kv_is(cond, "type", "Established"))
			return sp_kv_is(cond, "status", "True");
	}
	return false;
}

static void same(sp_violations *v, const sp_path *path, yyjson_mut_val *now, yyjson_mut_val *old,
		 const char *name)
{
	if (!sp_str_eq(sp_kv_str(now, name), sp_kv_str(old, name)))
		sp_v_invalid(v, SP_AT_STR(path, sp_str_c(name)), sp_kv_str(now, name), "field is immutable");
}

static void validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	yyjson_mut_val *spec = sp_kv_get(obj, "spec"), *before = sp_kv_get(old, "spec");
	yyjson_mut_val *names = sp_kv_get(spec, "names"), *old_names = sp_kv_get(before, "names");
	yyjson_mut_val *reviews =
		sp_kv_list(sp_kv_path(before, "conversion", "webhook", NULL), "conversionReviewVersions");
	sp_meta_validate_update_generic(c, obj, old);
	spec_validate(c, spec, reviews == NULL || any_review_version(reviews));
	if (established(old)) {
		same(c->errors, SP_PATH("spec"), spec, before, "scope");
		same(c->errors, SP_PATH("spec.names"), names, old_names, "kind");
	}
	same(c->errors, SP_PATH("spec"), spec, before, "group");
	same(c->errors, SP_PATH("spec.names"), names, old_names, "plural");
	rest_validate(c, obj, old);
}

static void status_validate(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	sp_meta_validate_update_generic(c, obj, old);
	names_validate(c->errors, SP_PATH("status.acceptedNames"),
		       sp_kv_path(obj, "status", "acceptedNames", NULL));
}

static void warn_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_crd_warn_formats(c, sp_kv_get(obj, "spec"), NULL);
}

static void warn_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	sp_crd_warn_formats(c, sp_kv_get(obj, "spec"), sp_kv_get(old, "spec"));
}

/* The definition waits until its objects are gone. U: customresourcedefinition/etcd.go, Delete. */
static bool prepare_delete(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	static const char finalizer[] = "customresourcecleanup.apiextensions.k8s.io";
	char now[SP_TIME_TEXT_BYTES];
	sp_str time = {now, sp_time_print(now, c->now, 0)};
	yyjson_mut_val *meta = sp_meta(obj), *list, *status, *conditions, *cond = NULL;
	bool has = false;
	if (sp_kv_has(meta, "deletionTimestamp"))
		return false;
	SP_KIND_NEED(c, sp_kv_set_str(c->doc, meta, "deletionTimestamp", time));
	list = sp_kv_need_list(c->doc, meta, "finalizers");
	SP_KV_EACH (f, i, list)
		has = has || sp_str_eq(sp_jmut_str(f), sp_str_c(finalizer));
	SP_KIND_NEED(c, list != NULL && (has || sp_kv_append_str(c->doc, list, sp_str_c(finalizer))));
	status = sp_kv_need_obj(c->doc, obj, "status");
	conditions = status != NULL ? sp_kv_need_list(c->doc, status, "conditions") : NULL;
	cond = conditions != NULL ? yyjson_mut_arr_add_obj(c->doc, conditions) : NULL;
	SP_KIND_NEED(c, cond != NULL && sp_kv_set_str(c->doc, cond, "type", SP_STR("Terminating")) &&
				sp_kv_set_str(c->doc, cond, "status", SP_STR("True")) &&
				sp_kv_set_str(c->doc, cond, "lastTransitionTime", time) &&
				sp_kv_set_str(c->doc, cond, "reason", SP_STR("InstanceDeletionPending")) &&
				sp_kv_set_str(c->doc, cond, "message",
					      SP_STR("CustomResourceDefinition marked for deletion; "
						     "CustomResource deletion will begin soon")));
	return true;
}

static const sp_sub_hooks subs[] = {
	{.name = SP_STR_INIT("status"), .validate_update = status_validate, .reset_fields = sp_reset_spec}};

const sp_kind_hooks sp_hooks_custom_resource_definition = {
	.flags = SP_KIND_GENERATION | SP_KIND_HAS_STATUS,
	.defaults = defaults,
	.prepare_create = prepare_create,
	.prepare_update = prepare_update,
	.prepare_delete = prepare_delete,
	.validate = validate,
	.validate_update = validate_update,
	.warn_create = warn_create,
	.warn_update = warn_update,
	.reset_fields = sp_reset_status,
	.subs = subs,
	.n_subs = SP_LEN(subs),
};
