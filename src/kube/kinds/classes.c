/* SPDX-License-Identifier: Apache-2.0 */
/* RuntimeClass of node.k8s.io/v1 and PriorityClass of scheduling.k8s.io/v1. */
#include "kube/formats.h"
#include "kube/kinds/columns.h"
#include "kube/kinds/go_json.h"
#include "kube/kinds/hooks.h"
#include "kube/kinds/pod_int.h"
#include "kube/kinds/resources.h"
#include "kube/kinds/warn.h"
#include "kube/meta.h"

/* -- RuntimeClass --------------------------------------------------------------------------------------- */

static const sp_go_field toleration_fields[] = {{"Key", "key", SP_GO_STR, NULL},
						{"Operator", "operator", SP_GO_STR, NULL},
						{"Value", "value", SP_GO_STR, NULL},
						{"Effect", "effect", SP_GO_STR, NULL},
						{"TolerationSeconds", "tolerationSeconds", SP_GO_PTR, NULL}};
static const sp_go_type go_toleration = {toleration_fields, SP_LEN(toleration_fields)};

/* Tolerations are compared without their seconds. */
static void tolerations_validate(sp_kind_ctx *c, yyjson_mut_val *list, const sp_path *path)
{
	static const char *const members[] = {"key", "operator", "value", "effect"};
	SP_AUTO_STRSET seen = {0};
	sp_pod_tolerations_validate(c->errors, path, list);
	SP_KV_EACH (toleration, i, list) {
		SP_AUTO_BUF key;
		sp_buf_init(&key, c->arena->limit_bytes);
		for (size_t k = 0; k < SP_LEN(members); k++) {
			(void)sp_json_write_str(&key, sp_kv_str(toleration, members[k]));
			(void)sp_buf_char(&key, ',');
		}
		sp_str text = sp_arena_try_dup(c->arena, sp_buf_view(&key));
		SP_KIND_NEED(c, text.ptr != NULL);
		if (text.ptr != NULL && !sp_strset_add(&seen, text, c->errors))
			sp_v_duplicate(c->errors, SP_AT_I(path, i),
				       sp_bad_text(sp_go_struct(c->arena, &go_toleration, toleration)));
	}
}

static void overhead_validate(sp_kind_ctx *c, yyjson_mut_val *overhead, const sp_path *path)
{
	yyjson_mut_val *requirements = yyjson_mut_obj(c->doc);
	yyjson_mut_val *fixed = yyjson_mut_val_mut_copy(c->doc, sp_kv_get(overhead, "podFixed"));
	SP_KIND_NEED(c, requirements != NULL && (fixed != NULL || !sp_kv_has(overhead, "podFixed")) &&
				sp_kv_set(c->doc, requirements, "limits", fixed));
	sp_res_requirements_validate(c->errors, path, requirements, NULL, 0);
}

static void runtime_validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_str handler = sp_kv_str(obj, "handler");
	yyjson_mut_val *scheduling = sp_kv_get(obj, "scheduling");
	sp_meta_validate(c, obj);
	if (handler.len == 0)
		sp_v_required(c->errors, SP_PATH("handler"), "%s", "");
	else
		sp_v_dns1123_label(c->errors, SP_PATH("handler"), handler);
	if (sp_kv_has(obj, "overhead"))
		overhead_validate(c, sp_kv_get(obj, "overhead"), SP_PATH("overhead"));
	sp_labels_validate(c->errors, SP_PATH("scheduling.nodeSelector"),
			   sp_kv_map(scheduling, "nodeSelector"));
	tolerations_validate(c, sp_kv_list(scheduling, "tolerations"), SP_PATH("scheduling.tolerations"));
}

static void runtime_validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	sp_str handler = sp_kv_str(obj, "handler");
	runtime_validate(c, obj);
	sp_meta_validate_update(c, obj, old);
	if (!sp_str_eq(handler, sp_kv_str(old, "handler")))
		sp_v_invalid(c->errors, SP_PATH("handler"), handler, "field is immutable");
}

static void runtime_warn(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	SP_KV_EACH_MEMBER (key, val, i, sp_kv_path(obj, "scheduling", "nodeSelector", NULL)) {
		const char *instead = sp_node_label_deprecated(sp_jmut_str(key));
		(void)val;
		if (instead != NULL)
			sp_warn_at(c, SP_PATH("scheduling.nodeSelector"), "%s", instead);
	}
}

static void runtime_warn_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	(void)old;
	runtime_warn(c, obj);
}

const sp_kind_hooks sp_hooks_runtime_class = {
	.flags = SP_KIND_CREATE_ON_UPDATE,
	.validate = runtime_validate,
	.validate_update = runtime_validate_update,
	.warn_create = runtime_warn,
	.warn_update = runtime_warn_update,
};

/* -- PriorityClass -------------------------------------------------------------------------------------- */

#define USER_PRIORITY_MAX INT64_C(1000000000)

/* The two classes every cluster has. */
static const struct {
	sp_str name;
	int64_t value;
} system_classes[] = {{SP_STR_INIT("system-node-critical"), 2 * USER_PRIORITY_MAX + 1000},
		      {SP_STR_INIT("system-cluster-critical"), 2 * USER_PRIORITY_MAX}};

#define RESERVED "priority class names with 'system-' prefix are reserved for system use only. error: "

static void system_name(sp_violations *v, yyjson_mut_val *obj, sp_str name)
{
	const sp_path *path = SP_PATH("metadata.name");
	for (size_t i = 0; i < SP_LEN(system_classes); i++) {
		if (!sp_str_eq(system_classes[i].name, name))
			continue;
		if (sp_kv_i64(obj, "value", 0) != system_classes[i].value)
			sp_v_forbidden(v, path, RESERVED "value of " SP_FMT " PriorityClass must be %lld",
				       SP_ARG(name), (long long)system_classes[i].value);
		else if (sp_kv_bool(obj, "globalDefault"))
			sp_v_forbidden(v, path,
				       RESERVED "globalDefault of " SP_FMT " PriorityClass must be false",
				       SP_ARG(name));
		return;
	}
	sp_v_forbidden(v, path, RESERVED SP_FMT " is not a known system priority class", SP_ARG(name));
}

static void priority_validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	static const char *const policies[] = {"PreemptLowerPriority", "Never"};
	sp_str name = sp_meta_name(obj), policy = sp_kv_str(obj, "preemptionPolicy");
	sp_meta_validate(c, obj);
	if (sp_str_starts(name, SP_STR("system-")))
		system_name(c->errors, obj, name);
	else if (sp_kv_i64(obj, "value", 0) > USER_PRIORITY_MAX)
		sp_v_forbidden(c->errors, SP_PATH("value"),
			       "maximum allowed value of a user defined priority is %lld",
			       (long long)USER_PRIORITY_MAX);
	if (!sp_kv_has(obj, "preemptionPolicy"))
		return;
	if (policy.len == 0)
		sp_v_required(c->errors, SP_PATH("preemptionPolicy"), "%s", "");
	else if (!SP_STR_IN(policy, policies))
		sp_v_not_supported(c->errors, SP_PATH("preemptionPolicy"), sp_bad_named(policy), policies,
				   SP_LEN(policies));
}

static void priority_validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	sp_meta_validate_update(c, obj, old);
	if (sp_kv_i64(obj, "value", 0) != sp_kv_i64(old, "value", 0))
		sp_v_forbidden(c->errors, SP_PATH("value"), "may not be changed in an update.");
	sp_v_immutable(c->errors, SP_PATH("preemptionPolicy"), sp_kv_get(obj, "preemptionPolicy"),
		       sp_kv_get(old, "preemptionPolicy"));
}

const sp_kind_hooks sp_hooks_priority_class = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE | SP_KIND_GENERATION,
	.validate = priority_validate,
	.validate_update = priority_validate_update,
};
