/* SPDX-License-Identifier: Apache-2.0 */
/* CSIDriver, CSINode and CSIStorageCapacity of storage.k8s.io/v1. */
#include "kube/formats.h"
#include "kube/kinds/columns.h"
#include "kube/kinds/go_json.h"
#include "kube/kinds/hooks.h"
#include "kube/kinds/volume_sources.h"
#include "kube/kinds/warn.h"
#include "kube/meta.h"

/* -- CSIDriver ------------------------------------------------------------------------------------------ */

static void driver_defaults(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *spec = sp_kv_need_obj(c->doc, obj, "spec");
	SP_KIND_NEED(c, spec != NULL);
	if (spec == NULL || sp_kv_list(spec, "volumeLifecycleModes") != NULL)
		return;
	yyjson_mut_val *modes = yyjson_mut_arr(c->doc);
	SP_KIND_NEED(c, modes != NULL && yyjson_mut_arr_add_str(c->doc, modes, "Persistent") &&
				sp_kv_set(c->doc, spec, "volumeLifecycleModes", modes));
}

/* Behind a feature gate that is off. */
static const char gated[] = "preventPodSchedulingIfMissing";

static void driver_prepare_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	(void)c;
	sp_kv_drop(sp_kv_get(obj, "spec"), gated);
}

/* Upstream counts changes only: the first generation is 0. */
static void driver_prepare_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	if (!sp_kv_has(sp_kv_get(old, "spec"), gated))
		sp_kv_drop(sp_kv_get(obj, "spec"), gated);
	if (!sp_kv_equal(sp_kv_get(obj, "spec"), sp_kv_get(old, "spec")))
		sp_meta_bump_generation(c, obj, old);
}

#define TOKEN_SECONDS_MIN 600
#define TOKEN_SECONDS_MAX (INT64_C(1) << 32)

static void token_requests(sp_violations *v, yyjson_mut_val *requests, const sp_path *path)
{
	SP_AUTO_STRSET audiences = {0};
	SP_KV_EACH (request, i, requests) {
		const sp_path *at = SP_AT_I(path, i);
		sp_str audience = sp_kv_str(request, "audience");
		int64_t seconds = sp_kv_i64(request, "expirationSeconds", TOKEN_SECONDS_MIN);
		if (!sp_strset_add(&audiences, audience, v)) {
			sp_v_duplicate(v, SP_AT(at, "audience"), audience);
			continue;
		}
		if (seconds < TOKEN_SECONDS_MIN)
			sp_v_invalid(v, SP_AT(at, "expirationSeconds"), seconds,
				     "may not specify a duration less than 10 minutes");
		if (seconds > TOKEN_SECONDS_MAX)
			sp_v_invalid(v, SP_AT(at, "expirationSeconds"), seconds,
				     "may not specify a duration larger than 2^32 seconds");
	}
}

static void driver_spec(sp_violations *v, yyjson_mut_val *spec)
{
	static const struct {
		const char *member, *shown;
	} required[] = {{"attachRequired", "attachedRequired"},
			{"podInfoOnMount", "podInfoOnMount"},
			{"storageCapacity", "storageCapacity"},
			{"seLinuxMount", "seLinuxMount"}};
	static const char *const policies[] = {"File", "None", "ReadWriteOnceWithFSType"};
	static const char *const modes[] = {"Persistent", "Ephemeral"};
	const sp_path *path = SP_PATH("spec");
	sp_str policy = sp_kv_str(spec, "fsGroupPolicy");
	int64_t period = sp_kv_i64(spec, "nodeAllocatableUpdatePeriodSeconds", 10);
	for (size_t i = 0; i < SP_LEN(required); i++) {
		if (!sp_kv_has(spec, required[i].member))
			sp_v_required(v, SP_AT_STR(path, sp_str_c(required[i].shown)), "%s", "");
	}
	if (sp_kv_has(spec, "fsGroupPolicy") && !SP_STR_IN(policy, policies))
		sp_v_not_supported(v, SP_AT(path, "fsGroupPolicy"), sp_bad_named(policy), policies,
				   SP_LEN(policies));
	token_requests(v, sp_kv_list(spec, "tokenRequests"), SP_AT(path, "tokenRequests"));
	SP_KV_EACH (mode, i, sp_kv_list(spec, "volumeLifecycleModes")) {
		if (!SP_STR_IN(sp_jmut_str(mode), modes))
			sp_v_not_supported(v, SP_AT(path, "volumeLifecycleModes"),
					   sp_bad_named(sp_jmut_str(mode)), modes, SP_LEN(modes));
	}
	if (period < 10)
		sp_v_invalid(v, SP_AT(path, "nodeAllocatableUpdatePeriodSeconds"), period,
			     "must be greater than or equal to 10 seconds");
	if (sp_kv_has(spec, "serviceAccountTokenInSecrets") && sp_kv_list(spec, "tokenRequests") == NULL)
		sp_v_invalid(v, SP_AT(path, "serviceAccountTokenInSecrets"),
			     sp_kv_get(spec, "serviceAccountTokenInSecrets"),
			     "serviceAccountTokenInSecrets is set but no tokenRequests are specified");
}

static void driver_validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_meta_validate(c, obj);
	driver_spec(c->errors, sp_kv_get(obj, "spec"));
}

static void driver_validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	yyjson_mut_val *spec = sp_kv_get(obj, "spec"), *was = sp_kv_get(old, "spec");
	sp_meta_validate_update(c, obj, old);
	driver_spec(c->errors, spec);
	sp_v_immutable(c->errors, SP_PATH("spec.attachedRequired"), sp_kv_get(spec, "attachRequired"),
		       sp_kv_get(was, "attachRequired"));
	sp_v_immutable(c->errors, SP_PATH("spec.volumeLifecycleModes"),
		       sp_kv_get(spec, "volumeLifecycleModes"), sp_kv_get(was, "volumeLifecycleModes"));
}

static void warn_tokens(sp_kind_ctx *c, yyjson_mut_val *spec)
{
	if (sp_kv_list(spec, "tokenRequests") != NULL && !sp_kv_has(spec, "serviceAccountTokenInSecrets"))
		sp_warn(c,
			"spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to "
			"true to prevent possible logging of tokens in volume attributes");
}

static void driver_warn(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	warn_tokens(c, sp_kv_get(obj, "spec"));
}

static void driver_warn_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	if (!sp_kv_equal(sp_kv_get(spec, "tokenRequests"), sp_kv_path(old, "spec", "tokenRequests", NULL)))
		warn_tokens(c, spec);
}

static yyjson_mut_val *flag_cell(sp_kind_ctx *c, yyjson_mut_val *obj, const char *name, bool absent)
{
	yyjson_mut_val *flag = sp_kv_path(obj, "spec", name, NULL);
	yyjson_mut_val *v = yyjson_mut_bool(c->doc, flag != NULL ? yyjson_mut_is_true(flag) : absent);
	SP_KIND_NEED(c, v != NULL);
	return v;
}

static yyjson_mut_val *attach_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return flag_cell(c, obj, "attachRequired", true);
}

static yyjson_mut_val *pod_info_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return flag_cell(c, obj, "podInfoOnMount", false);
}

static yyjson_mut_val *capacity_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return flag_cell(c, obj, "storageCapacity", false);
}

static yyjson_mut_val *republish_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return flag_cell(c, obj, "requiresRepublish", false);
}

static yyjson_mut_val *tokens_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	SP_AUTO_BUF text = {.len = 0};
	yyjson_mut_val *requests = sp_kv_path(obj, "spec", "tokenRequests", NULL);
	if (requests == NULL)
		return sp_cell_str(c, SP_STR("<unset>"));
	sp_buf_init(&text, c->arena->limit_bytes);
	SP_KV_EACH (request, i, requests) {
		(void)sp_buf_str(&text, i > 0 ? SP_STR(",") : SP_STR(""));
		(void)sp_buf_str(&text, sp_kv_str(request, "audience"));
	}
	return sp_cell_buf(c, &text);
}

static yyjson_mut_val *modes_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_cell_texts(c, sp_kv_path(obj, "spec", "volumeLifecycleModes", NULL), ",", "<none>");
}

static const sp_cell driver_cells[] = {
	{SP_STR_INIT("AttachRequired"), attach_cell},       {SP_STR_INIT("PodInfoOnMount"), pod_info_cell},
	{SP_STR_INIT("StorageCapacity"), capacity_cell},    {SP_STR_INIT("TokenRequests"), tokens_cell},
	{SP_STR_INIT("RequiresRepublish"), republish_cell}, {SP_STR_INIT("Modes"), modes_cell}};

const sp_kind_hooks sp_hooks_csi_driver = {
	.flags = SP_KIND_RETURNS_DELETED,
	.defaults = driver_defaults,
	.prepare_create = driver_prepare_create,
	.prepare_update = driver_prepare_update,
	.validate = driver_validate,
	.validate_update = driver_validate_update,
	.warn_create = driver_warn,
	.warn_update = driver_warn_update,
	.cells = driver_cells,
	.n_cells = SP_LEN(driver_cells),
};

/* -- CSINode -------------------------------------------------------------------------------------------- */

#define NODE_ID_BYTES_MAX 256

static void node_driver(sp_violations *v, yyjson_mut_val *driver, sp_strset *names, const sp_path *path)
{
	SP_AUTO_STRSET keys = {0};
	sp_str name = sp_kv_str(driver, "name"), id = sp_kv_str(driver, "nodeID");
	sp_csi_driver_name_validate(v, SP_AT(path, "name"), name);
	if (id.len == 0)
		sp_v_required(v, SP_AT(path, "nodeID"), "%s", "");
	if (id.len > NODE_ID_BYTES_MAX)
		sp_v_invalid(v, SP_AT(path, "nodeID"), id, "must be %d characters or less",
			     NODE_ID_BYTES_MAX);
	sp_v_non_negative(v, SP_AT(path, "allocatable.count"),
			  sp_kv_i64(sp_kv_get(driver, "allocatable"), "count", 0));
	if (!sp_strset_add(names, name, v))
		sp_v_duplicate(v, SP_AT(path, "name"), name);
	SP_KV_EACH (item, i, sp_kv_list(driver, "topologyKeys")) {
		sp_str key = sp_jmut_str(item);
		if (key.len == 0)
			sp_v_required(v, path, "%s", "");
		if (!sp_strset_add(&keys, key, v))
			sp_v_duplicate(v, path, key);
		sp_v_qualified_name(v, path, key);
	}
}

static void node_validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	SP_AUTO_STRSET names = {0};
	sp_meta_validate(c, obj);
	SP_KV_EACH (driver, i, sp_kv_list(sp_kv_get(obj, "spec"), "drivers")) {
		node_driver(c->errors, driver, &names, SP_AT_I(SP_PATH("spec.drivers"), i));
	}
}

static const sp_go_field node_driver_fields[] = {{"Name", "name", SP_GO_STR, NULL},
						 {"NodeID", "nodeID", SP_GO_STR, NULL},
						 {"TopologyKeys", "topologyKeys", SP_GO_PTR, NULL},
						 {"Allocatable", "no", SP_GO_PTR, NULL}};
static const sp_go_type go_node_driver = {node_driver_fields, SP_LEN(node_driver_fields)};

/* A driver that stays may change how many volumes it takes, nothing else. */
static void node_validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	node_validate(c, obj);
	SP_KV_EACH (was, i, sp_kv_list(sp_kv_get(old, "spec"), "drivers")) {
		SP_KV_EACH (now, k, sp_kv_list(sp_kv_get(obj, "spec"), "drivers")) {
			if (!sp_str_eq(sp_kv_str(was, "name"), sp_kv_str(now, "name")))
				continue;
			if (!sp_kv_equal(sp_kv_get(was, "nodeID"), sp_kv_get(now, "nodeID")) ||
			    !sp_kv_equal(sp_kv_get(was, "topologyKeys"), sp_kv_get(now, "topologyKeys")))
				sp_v_invalid(c->errors, SP_PATH("spec.drivers"),
					     sp_bad_text(sp_go_struct(c->arena, &go_node_driver, now)),
					     "field is immutable");
		}
	}
}

static yyjson_mut_val *drivers_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_cell_len(c, sp_kv_path(obj, "spec", "drivers", NULL));
}

static const sp_cell node_cells[] = {{SP_STR_INIT("Drivers"), drivers_cell}};

const sp_kind_hooks sp_hooks_csi_node = {
	.flags = SP_KIND_RETURNS_DELETED,
	.validate = node_validate,
	.validate_update = node_validate_update,
	.cells = node_cells,
	.n_cells = SP_LEN(node_cells),
};

/* -- CSIStorageCapacity --------------------------------------------------------------------------------- */

static void capacity_rules(sp_kind_ctx *c, yyjson_mut_val *obj, unsigned options)
{
	sp_str name = sp_kv_str(obj, "storageClassName");
	sp_meta_validate(c, obj);
	sp_label_selector_validate(c->errors, SP_PATH("nodeTopology"), sp_kv_get(obj, "nodeTopology"),
				   options);
	sp_v_faults(c->errors, SP_PATH("storageClassName"), name, sp_name_dns1123_subdomain(name));
	if (sp_kv_has(obj, "capacity"))
		sp_v_qty_non_negative(c->errors, SP_PATH("capacity"), sp_kv_get(obj, "capacity"));
}

static void capacity_validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	capacity_rules(c, obj, 0);
}

static void capacity_validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	sp_violations found;
	sp_violations_init(&found, c->arena);
	sp_label_selector_validate(&found, NULL, sp_kv_get(old, "nodeTopology"), 0);
	capacity_rules(c, obj, found.n > 0 ? SP_LABEL_SELECTOR_BAD_VALUES : 0);
	sp_meta_validate_update(c, obj, old);
	sp_v_immutable(c->errors, SP_PATH("nodeTopology"), sp_kv_get(obj, "nodeTopology"),
		       sp_kv_get(old, "nodeTopology"));
	sp_v_immutable(c->errors, SP_PATH("storageClassName"), sp_kv_get(obj, "storageClassName"),
		       sp_kv_get(old, "storageClassName"));
}

static void capacity_warn(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *topology = sp_kv_get(obj, "nodeTopology");
	const sp_path *path = SP_PATH("nodeTopology");
	SP_KV_EACH (req, i, sp_kv_list(topology, "matchExpressions")) {
		sp_str key = sp_kv_str(req, "key");
		const char *instead = sp_node_label_deprecated(key);
		if (instead != NULL)
			sp_warn_at(c, SP_AT(SP_AT_I(SP_AT(path, "matchExpressions"), i), "key"),
				   SP_FMT " is %s", SP_ARG(key), instead);
	}
	SP_KV_EACH_MEMBER (key, val, i, sp_kv_map(topology, "matchLabels")) {
		const char *instead = sp_node_label_deprecated(sp_jmut_str(key));
		(void)val;
		if (instead != NULL)
			sp_warn_at(c, SP_AT_STR(SP_AT(path, "matchLabels"), sp_jmut_str(key)), "%s", instead);
	}
}

static void capacity_warn_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	(void)old;
	capacity_warn(c, obj);
}

const sp_kind_hooks sp_hooks_csi_storage_capacity = {
	.validate = capacity_validate,
	.validate_update = capacity_validate_update,
	.warn_create = capacity_warn,
	.warn_update = capacity_warn_update,
};
