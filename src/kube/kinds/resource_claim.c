/* SPDX-License-Identifier: Apache-2.0 */
/* ResourceClaim, ResourceClaimTemplate and DeviceClass of resource.k8s.io/v1. */
#include "kube/kinds/columns.h"
#include "kube/kinds/device.h"
#include "kube/kinds/go_json.h"
#include "kube/kinds/hooks.h"
#include "kube/kinds/pod.h"
#include "kube/kinds/resources.h"
#include "kube/kinds/volume_sources.h"
#include "kube/kinds/workload.h"
#include "kube/meta.h"

#define REQUESTS_MAX 32
#define CONSTRAINTS_MAX 32
#define CONFIG_MAX 32
#define ALTERNATIVES_MAX 8
#define RESERVED_MAX 256
#define STATUS_CONDITIONS_MAX 8
#define STATUS_DATA_BYTES_MAX 10240

/* -- defaults ------------------------------------------------------------------------------------------- */

static void count_default(sp_kind_ctx *c, yyjson_mut_val *request)
{
	if (sp_kv_is(request, "allocationMode", "ExactCount") && sp_kv_i64(request, "count", 0) == 0)
		SP_KIND_NEED(c, sp_kv_set_i64(c->doc, request, "count", 1));
}

static void requests_defaults(sp_kind_ctx *c, yyjson_mut_val *spec)
{
	SP_KV_EACH (request, i, sp_kv_list(sp_kv_get(spec, "devices"), "requests")) {
		if (sp_kv_has(request, "exactly"))
			count_default(c, sp_kv_get(request, "exactly"));
		SP_KV_EACH (sub, k, sp_kv_list(request, "firstAvailable")) {
			count_default(c, sub);
		}
	}
}

static void claim_defaults(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	requests_defaults(c, sp_kv_get(obj, "spec"));
}

static void template_defaults(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	requests_defaults(c, sp_kv_path(obj, "spec", "spec", NULL));
}

/* -- requests ------------------------------------------------------------------------------------------- */

static void toleration(sp_violations *v, yyjson_mut_val *t, const sp_path *path)
{
	static const char *const operators[] = {"Equal", "Exists"};
	static const char *const effects[] = {"NoExecute", "NoSchedule", "None"};
	sp_str key = sp_kv_str(t, "key"), value = sp_kv_str(t, "value"), op = sp_kv_str(t, "operator");
	if (key.len > 0)
		sp_label_key_validate(v, SP_AT(path, "key"), key);
	if (sp_str_eq(op, SP_STR("Exists")) && value.len > 0)
		sp_v_invalid(v, SP_AT(path, "value"), value, "must be empty for operator `Exists`");
	else if (sp_str_eq(op, SP_STR("Equal")))
		sp_v_faults(v, SP_AT(path, "value"), value, sp_name_label_value(value));
	SP_V_ENUM(v, SP_AT(path, "operator"), op, operators);
	SP_V_ENUM_OPT(v, SP_AT(path, "effect"), sp_kv_str(t, "effect"), effects);
}

/* What an exact request and an alternative have in common. */
static void wish(sp_violations *v, yyjson_mut_val *request, const sp_path *path)
{
	static const char *const modes[] = {"All", "ExactCount"};
	sp_str class_name = sp_kv_str(request, "deviceClassName"),
	       mode = sp_kv_str(request, "allocationMode");
	int64_t count = sp_kv_i64(request, "count", 0);
	if (class_name.len == 0)
		sp_v_required(v, SP_AT(path, "deviceClassName"), "%s", "");
	else
		sp_v_dns1123_subdomain(v, SP_AT(path, "deviceClassName"), class_name);
	sp_device_selectors(v, sp_kv_list(request, "selectors"), SP_AT(path, "selectors"));
	if (!SP_STR_IN(mode, modes))
		sp_v_not_supported(v, SP_AT(path, "allocationMode"), sp_bad_named(mode), modes,
				   SP_LEN(modes));
	else if (sp_str_eq(mode, SP_STR("All")) && count != 0)
		sp_v_invalid(v, SP_AT(path, "count"), count,
			     "must not be specified when allocationMode is 'All'");
	else if (sp_str_eq(mode, SP_STR("ExactCount")) && count <= 0)
		sp_v_invalid(v, SP_AT(path, "count"), count, "must be greater than zero");
	SP_KV_EACH (t, i, sp_kv_list(request, "tolerations")) {
		toleration(v, t, SP_AT_I(SP_AT(path, "tolerations"), i));
	}
}

static void alternatives(sp_violations *v, yyjson_mut_val *list, const sp_path *path)
{
	SP_AUTO_STRSET names = {0};
	if (!sp_device_list_fits(v, path, list, ALTERNATIVES_MAX))
		return;
	SP_KV_EACH (sub, i, list) {
		sp_str name = sp_kv_str(sub, "name");
		sp_v_dns1123_label(v, SP_AT(SP_AT_I(path, i), "name"), name);
		wish(v, sub, SP_AT_I(path, i));
		if (!sp_strset_add(&names, name, v))
			sp_v_duplicate(v, SP_AT_I(path, i), name);
	}
}

static void request_validate(sp_violations *v, yyjson_mut_val *request, const sp_path *path)
{
	yyjson_mut_val *exactly = sp_kv_get(request, "exactly"),
		       *first = sp_kv_list(request, "firstAvailable");
	sp_v_dns1123_label(v, SP_AT(path, "name"), sp_kv_str(request, "name"));
	if (exactly == NULL && first == NULL)
		sp_v_required(v, path, "exactly one of `exactly` or `firstAvailable` is required");
	else if (exactly != NULL && first != NULL)
		sp_v_invalid(
			v, path, sp_bad_text(SP_STR("null")),
			"exactly one of `exactly` or `firstAvailable` is required, but multiple fields are "
			"set");
	else if (first != NULL)
		alternatives(v, first, SP_AT(path, "firstAvailable"));
	else
		wish(v, exactly, SP_AT(path, "exactly"));
}

/* True for the name of a request of the claim, or "request/alternative". */
static bool names_request(yyjson_mut_val *devices, sp_str name)
{
	sp_str sub = name, request;
	bool with_sub = sp_str_cut(&sub, '/', &request);
	SP_KV_EACH (r, i, sp_kv_list(devices, "requests")) {
		if (!sp_str_eq(sp_kv_str(r, "name"), with_sub ? request : name))
			continue;
		if (!with_sub)
			return true;
		SP_KV_EACH (s, k, sp_kv_list(r, "firstAvailable")) {
			if (sp_str_eq(sp_kv_str(s, "name"), sub))
				return true;
		}
	}
	return false;
}

#define REQUEST_NAME                                                                                         \
	"must be the name of a request in the claim or the name of a request and a subrequest separated by " \
	"'/'"

static void request_ref(sp_violations *v, yyjson_mut_val *devices, sp_str name, const sp_path *path)
{
	sp_str sub = name, request;
	bool with_sub = sp_str_cut(&sub, '/', &request);
	if (with_sub && sp_str_index(sub, '/') >= 0) {
		sp_v_invalid(v, path, name, REQUEST_NAME);
		return;
	}
	sp_v_dns1123_label(v, path, with_sub ? request : name);
	if (with_sub)
		sp_v_dns1123_label(v, path, sub);
	if (!names_request(devices, name))
		sp_v_invalid(v, path, name, REQUEST_NAME);
}

static void request_refs(sp_violations *v, yyjson_mut_val *devices, yyjson_mut_val *list, const sp_path *path)
{
	SP_AUTO_STRSET seen = {0};
	if (!sp_device_list_fits(v, path, list, REQUESTS_MAX))
		return;
	SP_KV_EACH (name, i, list) {
		request_ref(v, devices, sp_jmut_str(name), SP_AT_I(path, i));
		if (!sp_strset_add(&seen, sp_jmut_str(name), v))
			sp_v_duplicate(v, SP_AT_I(path, i), sp_jmut_str(name));
	}
}

static void constraint_validate(sp_violations *v, yyjson_mut_val *devices, yyjson_mut_val *constraint,
				const sp_path *path)
{
	static const char *const attributes[] = {"matchAttribute", "distinctAttribute"};
	request_refs(v, devices, sp_kv_list(constraint, "requests"), SP_AT(path, "requests"));
	for (size_t i = 0; i < SP_LEN(attributes); i++) {
		const sp_path *at = SP_AT_STR(path, sp_str_c(attributes[i]));
		sp_str name = sp_kv_str(constraint, attributes[i]);
		if (!sp_kv_has(constraint, attributes[i]))
			continue;
		sp_device_qualified_name(v, at, name);
		if (sp_str_index(name, '/') < 0)
			sp_v_invalid(
				v, at, sp_bad_named(name),
				"a fully qualified name must be a domain and a name separated by a slash");
		return;
	}
	sp_v_required(v, path,
		      "exactly one of \"matchAttribute\" or \"distinctAttribute\" is required, but multiple "
		      "fields are set");
}

static void spec_validate(sp_kind_ctx *c, yyjson_mut_val *spec, const sp_path *path)
{
	SP_AUTO_STRSET names = {0};
	sp_violations *v = c->errors;
	yyjson_mut_val *devices = sp_kv_get(spec, "devices"), *requests = sp_kv_list(devices, "requests");
	yyjson_mut_val *constraints = sp_kv_list(devices, "constraints"),
		       *configs = sp_kv_list(devices, "config");
	const sp_path *at = SP_AT(path, "devices"), *at_requests = SP_AT(at, "requests");
	const sp_path *at_constraints = SP_AT(at, "constraints"), *at_config = SP_AT(at, "config");
	bool fits = sp_device_list_fits(v, at_requests, requests, REQUESTS_MAX);
	SP_KV_EACH (request, i, fits ? requests : NULL) {
		request_validate(v, request, SP_AT_I(at_requests, i));
		if (!sp_strset_add(&names, sp_kv_str(request, "name"), v))
			sp_v_duplicate(v, SP_AT_I(at_requests, i), sp_kv_str(request, "name"));
	}
	fits = sp_device_list_fits(v, at_constraints, constraints, CONSTRAINTS_MAX);
	SP_KV_EACH (constraint, i, fits ? constraints : NULL) {
		constraint_validate(v, devices, constraint, SP_AT_I(at_constraints, i));
	}
	fits = sp_device_list_fits(v, at_config, configs, CONFIG_MAX);
	SP_KV_EACH (config, i, fits ? configs : NULL) {
		request_refs(v, devices, sp_kv_list(config, "requests"),
			     SP_AT(SP_AT_I(at_config, i), "requests"));
		sp_device_config(c, config, SP_AT_I(at_config, i));
	}
}

/* -- ResourceClaim -------------------------------------------------------------------------------------- */

static void immutable_spec(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old, const sp_go_type *type)
{
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	if (!sp_kv_equal(spec, sp_kv_get(old, "spec")))
		sp_v_invalid(c->errors, SP_PATH("spec"), sp_bad_text(sp_go_struct(c->arena, type, spec)),
			     "field is immutable");
}

static void claim_validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_meta_validate(c, obj);
	spec_validate(c, sp_kv_get(obj, "spec"), SP_PATH("spec"));
}

static void claim_validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	sp_meta_validate(c, obj);
	sp_meta_validate_update(c, obj, old);
	immutable_spec(c, obj, old, &sp_go_resource_claim_spec);
}

static void reserved_for(sp_violations *v, yyjson_mut_val *list, const sp_path *path)
{
	static const char *const needed[] = {"resource", "name", "uid"};
	SP_AUTO_STRSET uids = {0};
	if (!sp_device_list_fits(v, path, list, RESERVED_MAX))
		return;
	SP_KV_EACH (ref, i, list) {
		sp_str uid = sp_kv_str(ref, "uid");
		for (size_t k = 0; k < SP_LEN(needed); k++) {
			if (sp_kv_str(ref, needed[k]).len == 0)
				sp_v_required(v, SP_AT_STR(SP_AT_I(path, i), sp_str_c(needed[k])), "%s", "");
		}
		if (!sp_strset_add(&uids, uid, v))
			sp_v_duplicate(v, SP_AT_I(path, i), sp_bad_named(uid));
	}
}

static void allocation_validate(sp_kind_ctx *c, yyjson_mut_val *obj, const sp_path *path)
{
	static const char *const sources[] = {"FromClaim", "FromClass"};
	sp_violations *v = c->errors;
	yyjson_mut_val *wanted = sp_kv_path(obj, "spec", "devices", NULL);
	yyjson_mut_val *allocation = sp_kv_path(obj, "status", "allocation", NULL);
	yyjson_mut_val *devices = sp_kv_get(allocation, "devices"), *results = sp_kv_list(devices, "results");
	yyjson_mut_val *configs = sp_kv_list(devices, "config");
	const sp_path *at_results = SP_AT(path, "devices.results"),
		      *at_config = SP_AT(path, "devices.config");
	bool fits = sp_device_list_fits(v, at_results, results, REQUESTS_MAX);
	SP_KV_EACH (result, i, fits ? results : NULL) {
		const sp_path *at = SP_AT_I(at_results, i);
		request_ref(v, wanted, sp_kv_str(result, "request"), SP_AT(at, "request"));
		sp_csi_driver_name_validate(v, SP_AT(at, "driver"), sp_kv_str(result, "driver"));
		sp_device_pool_name(v, SP_AT(at, "pool"), sp_kv_str(result, "pool"));
		sp_v_dns1123_label(v, SP_AT(at, "device"), sp_kv_str(result, "device"));
		sp_device_binding_conditions(v, result, at);
	}
	fits = sp_device_list_fits(v, at_config, configs, (size_t)2 * CONFIG_MAX);
	SP_KV_EACH (config, i, fits ? configs : NULL) {
		const sp_path *at = SP_AT_I(at_config, i);
		SP_V_ENUM(v, SP_AT(at, "source"), sp_kv_str(config, "source"), sources);
		request_refs(v, wanted, sp_kv_list(config, "requests"), SP_AT(at, "requests"));
		sp_device_config(c, config, at);
	}
	sp_node_selector_validate(v, SP_AT(path, "nodeSelector"), sp_kv_get(allocation, "nodeSelector"),
				  false);
}

static void device_status(sp_kind_ctx *c, yyjson_mut_val *device, const sp_path *path)
{
	sp_violations *v = c->errors;
	yyjson_mut_val *conditions = sp_kv_list(device, "conditions");
	sp_csi_driver_name_validate(v, SP_AT(path, "driver"), sp_kv_str(device, "driver"));
	sp_device_pool_name(v, SP_AT(path, "pool"), sp_kv_str(device, "pool"));
	sp_v_dns1123_label(v, SP_AT(path, "device"), sp_kv_str(device, "device"));
	(void)sp_device_list_fits(v, SP_AT(path, "conditions"), conditions, STATUS_CONDITIONS_MAX);
	sp_conditions_validate(v, SP_AT(path, "conditions"), conditions);
	if (sp_kv_has(device, "data"))
		sp_device_raw(c, sp_kv_get(device, "data"), SP_AT(path, "data"), STATUS_DATA_BYTES_MAX);
}

static bool same_entry(yyjson_mut_val *list, yyjson_mut_val *entry)
{
	SP_KV_EACH (other, i, list) {
		if (sp_kv_equal(other, entry))
			return true;
	}
	return false;
}

static void claim_status(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	sp_violations *v = c->errors;
	yyjson_mut_val *status = sp_kv_get(obj, "status"), *was = sp_kv_get(old, "status");
	yyjson_mut_val *reserved = sp_kv_list(status, "reservedFor"),
		       *allocation = sp_kv_get(status, "allocation");
	const sp_path *path = SP_PATH("status"), *at = SP_AT(path, "reservedFor");
	bool more = false;
	sp_meta_validate_update(c, obj, old);
	reserved_for(v, reserved, at);
	SP_KV_EACH (device, i, sp_kv_list(status, "devices")) {
		device_status(c, device, SP_AT_I(SP_AT(path, "devices"), i));
	}
	SP_KV_EACH (entry, i, sp_kv_len(reserved) <= RESERVED_MAX ? reserved : NULL) {
		more = more || !same_entry(sp_kv_list(was, "reservedFor"), entry);
	}
	if (reserved != NULL && allocation == NULL)
		sp_v_forbidden(v, at, "may not be specified when `allocated` is not set");
	else if (more && sp_kv_has(sp_meta(obj), "deletionTimestamp"))
		sp_v_forbidden(v, at,
			       "new entries may not be added while `deallocationRequested` or "
			       "`deletionTimestamp` are set");
	if (allocation != NULL && sp_kv_has(was, "allocation"))
		sp_v_immutable(v, SP_AT(path, "allocation"), allocation, sp_kv_get(was, "allocation"));
	else if (allocation != NULL)
		allocation_validate(c, obj, SP_AT(path, "allocation"));
}

static yyjson_mut_val *state_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *status = sp_kv_get(obj, "status");
	bool gone = sp_kv_has(sp_meta(obj), "deletionTimestamp");
	if (!sp_kv_has(status, "allocation"))
		return sp_cell_str(c, gone ? SP_STR("deleted") : SP_STR("pending"));
	return sp_cell_printf(c, "%sallocated%s", gone ? "deleted," : "",
			      sp_kv_list(status, "reservedFor") != NULL ? ",reserved" : "");
}

static const sp_sub_hooks claim_subs[] = {
	{.name = SP_STR_INIT("status"), .validate_update = claim_status, .reset_fields = sp_reset_spec}};
static const sp_cell claim_cells[] = {{SP_STR_INIT("State"), state_cell}};

const sp_kind_hooks sp_hooks_resource_claim = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE | SP_KIND_HAS_STATUS | SP_KIND_RETURNS_DELETED,
	.defaults = claim_defaults,
	.validate = claim_validate,
	.validate_update = claim_validate_update,
	.reset_fields = sp_reset_status,
	.subs = claim_subs,
	.n_subs = SP_LEN(claim_subs),
	.cells = claim_cells,
	.n_cells = SP_LEN(claim_cells),
};

/* -- ResourceClaimTemplate ------------------------------------------------------------------------------ */

static void template_validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	/* as upstream spells them: the Go name with a small letter */
	static const char *const forbidden[][2] = {
		{"name", "name"},
		{"generateName", "generateName"},
		{"namespace", "namespace"},
		{"selfLink", "selfLink"},
		{"uid", "uID"},
		{"resourceVersion", "resourceVersion"},
		{"generation", "generation"},
		{"creationTimestamp", "creationTimestamp"},
		{"deletionTimestamp", "deletionTimestamp"},
		{"deletionGracePeriodSeconds", "deletionGracePeriodSeconds"},
		{"ownerReferences", "ownerReferences"},
		{"finalizers", "finalizers"},
		{"managedFields", "managedFields"}};
	yyjson_mut_val *spec = sp_kv_get(obj, "spec"), *meta = sp_kv_get(spec, "metadata");
	sp_meta_validate(c, obj);
	sp_annotations_validate(c->errors, SP_PATH("spec.metadata.annotations"),
				sp_kv_map(meta, "annotations"));
	sp_labels_validate(c->errors, SP_PATH("spec.metadata.labels"), sp_kv_map(meta, "labels"));
	for (size_t i = 0; i < SP_LEN(forbidden); i++) {
		if (sp_kv_has(meta, forbidden[i][0]))
			sp_v_forbidden(c->errors,
				       SP_AT_STR(SP_PATH("spec.metadata"), sp_str_c(forbidden[i][1])),
				       "cannot be set");
	}
	spec_validate(c, sp_kv_get(spec, "spec"), SP_PATH("spec.spec"));
}

static void template_validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	template_validate(c, obj);
	sp_meta_validate_update(c, obj, old);
	immutable_spec(c, obj, old, &sp_go_resource_claim_template_spec);
}

const sp_kind_hooks sp_hooks_resource_claim_template = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE | SP_KIND_RETURNS_DELETED,
	.defaults = template_defaults,
	.validate = template_validate,
	.validate_update = template_validate_update,
};

/* -- DeviceClass ---------------------------------------------------------------------------------------- */

static void class_validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_violations *v = c->errors;
	yyjson_mut_val *spec = sp_kv_get(obj, "spec"), *configs = sp_kv_list(spec, "config");
	sp_str name = sp_kv_str(spec, "extendedResourceName");
	sp_meta_validate(c, obj);
	sp_device_selectors(v, sp_kv_list(spec, "selectors"), SP_PATH("spec.selectors"));
	bool fits = sp_device_list_fits(v, SP_PATH("spec.config"), configs, CONFIG_MAX);
	SP_KV_EACH (config, i, fits ? configs : NULL) {
		sp_device_config(c, config, SP_AT_I(SP_PATH("spec.config"), i));
	}
	if (sp_kv_has(spec, "extendedResourceName") && !sp_res_is_extended(name))
		sp_v_invalid(v, SP_PATH("spec.extendedResourceName"), name,
			     "must be a valid extended resource name");
}

static void class_validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	sp_meta_validate_update(c, obj, old);
	class_validate(c, obj);
}

const sp_kind_hooks sp_hooks_device_class = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE | SP_KIND_GENERATION | SP_KIND_RETURNS_DELETED,
	.validate = class_validate,
	.validate_update = class_validate_update,
};
