/* SPDX-License-Identifier: Apache-2.0 */
/* Replication controllers, pod templates and bindings. */
#include "base/limits.h"
#include "kube/formats.h"
#include "kube/kinds/cells.h"
#include "kube/kinds/hooks.h"
#include "kube/kinds/pod.h"
#include "kube/meta.h"

static yyjson_mut_val *template_of(yyjson_mut_val *obj)
{
	return sp_kv_get(sp_kv_get(obj, "spec"), "template");
}

/* Every pair of the selector is among the labels. */
static bool selects(yyjson_mut_val *selector, yyjson_mut_val *labels, sp_violations *v)
{
	sp_map by_key;
	bool all = true;
	sp_map_init(&by_key);
	SP_KV_EACH_MEMBER (key, val, i, labels) {
		if (sp_map_put(&by_key, sp_jmut_str(key), val, NULL) != SP_OK)
			v->code = SP_ENOMEM;
	}
	SP_KV_EACH_MEMBER (key, val, i, selector) {
		yyjson_mut_val *have = sp_map_get(&by_key, sp_jmut_str(key));
		all = all && have != NULL && sp_str_eq(sp_jmut_str(have), sp_jmut_str(val));
	}
	sp_map_done(&by_key);
	return all;
}

static void template_validate(sp_kind_ctx *c, yyjson_mut_val *obj, unsigned options)
{
	static const char *const always[] = {"Always"};
	yyjson_mut_val *pod_template = template_of(obj),
		       *selector = sp_kv_map(sp_kv_get(obj, "spec"), "selector");
	yyjson_mut_val *labels = sp_kv_get(sp_meta(pod_template), "labels"),
		       *spec = sp_kv_get(pod_template, "spec");
	const sp_path *path = SP_PATH("spec.template");
	if (pod_template == NULL) {
		sp_v_required(c->errors, path, "%s", "");
		return;
	}
	if (!selects(selector, labels, c->errors))
		sp_v_invalid(c->errors, SP_AT(path, "metadata.labels"), labels,
			     "`selector` does not match template `labels`");
	sp_pod_template_validate(c, pod_template, path, options);
	if (!sp_kv_is(spec, "restartPolicy", "Always"))
		sp_v_not_supported(c->errors, SP_AT(path, "spec.restartPolicy"),
				   sp_bad_named(sp_kv_str(spec, "restartPolicy")), always, 1);
	if (sp_kv_has(spec, "activeDeadlineSeconds"))
		sp_v_forbidden(c->errors, SP_AT(path, "spec.activeDeadlineSeconds"),
			       "activeDeadlineSeconds in ReplicationController is not Supported");
}

static void spec_validate(sp_kind_ctx *c, yyjson_mut_val *obj, unsigned options)
{
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	const sp_path *path = SP_PATH("spec");
	sp_v_non_negative(c->errors, SP_AT(path, "minReadySeconds"), sp_kv_i64(spec, "minReadySeconds", 0));
	if (sp_kv_map(spec, "selector") == NULL)
		sp_v_required(c->errors, SP_AT(path, "selector"), "%s", "");
	if (!sp_kv_has(spec, "replicas"))
		sp_v_required(c->errors, SP_AT(path, "replicas"), "%s", "");
	else
		sp_v_non_negative(c->errors, SP_AT(path, "replicas"), sp_kv_i64(spec, "replicas", 0));
	template_validate(c, obj, options);
}

/* Declarative validation checks this name in 1.36; its text counts bytes. */
static sp_name_faults controller_name(sp_str name)
{
	sp_name_faults f = sp_name_dns1123_subdomain(name);
	if (name.len > SP_LIMIT_NAME_BYTES && f.n > 0)
		f.items[0].text = SP_STR("must be no more than 253 bytes");
	return f;
}

static void validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_meta_validate(c, obj);
	spec_validate(c, obj, 0);
}

static void validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	sp_meta_validate_update(c, obj, old);
	spec_validate(c, obj, sp_pod_template_options(c->arena, template_of(old)));
}

static void status_validate(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	static const char *const counts[] = {"replicas", "fullyLabeledReplicas", "readyReplicas",
					     "availableReplicas", "observedGeneration"};
	static const char *const parts[] = {"fullyLabeledReplicas", "readyReplicas", "availableReplicas"};
	yyjson_mut_val *status = sp_kv_get(obj, "status");
	const sp_path *path = SP_PATH("status");
	int64_t all = sp_kv_i64(status, "replicas", 0), ready = sp_kv_i64(status, "readyReplicas", 0);
	int64_t available = sp_kv_i64(status, "availableReplicas", 0);
	sp_meta_validate_update(c, obj, old);
	for (size_t i = 0; i < SP_LEN(counts); i++)
		sp_v_non_negative(c->errors, SP_AT_STR(path, sp_str_c(counts[i])),
				  sp_kv_i64(status, counts[i], 0));
	for (size_t i = 0; i < SP_LEN(parts); i++) {
		int64_t n = sp_kv_i64(status, parts[i], 0);
		if (n > all)
			sp_v_invalid(c->errors, SP_AT_STR(path, sp_str_c(parts[i])), n,
				     "cannot be greater than status.replicas");
	}
	if (available > ready)
		sp_v_invalid(c->errors, SP_AT(path, "availableReplicas"), available,
			     "cannot be greater than readyReplicas");
}

static void defaults(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *spec = sp_kv_get(obj, "spec"),
		       *labels = sp_kv_map(sp_meta(template_of(obj)), "labels");
	if (!yyjson_mut_is_obj(spec))
		return;
	sp_pod_template_defaults(c, template_of(obj));
	if (labels == NULL)
		return;
	if (sp_kv_map(spec, "selector") == NULL)
		SP_KIND_NEED(c, sp_kv_set(c->doc, spec, "selector", yyjson_mut_val_mut_copy(c->doc, labels)));
	if (sp_kv_map(sp_meta(obj), "labels") == NULL)
		SP_KIND_NEED(c, sp_kv_set(c->doc, sp_kv_need_obj(c->doc, obj, "metadata"), "labels",
					  yyjson_mut_val_mut_copy(c->doc, labels)));
}

static void prepare_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	(void)c;
	sp_pod_template_drop_disabled(template_of(obj), NULL);
}

static void prepare_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	(void)c;
	sp_pod_template_drop_disabled(template_of(obj), template_of(old));
}

void sp_pod_owner_name_warn(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_name_faults faults = sp_name_dns1123_label(sp_meta_name(obj));
	SP_AUTO_BUF text;
	sp_buf_init(&text, 4096);
	for (size_t i = 0; i < faults.n; i++) {
		(void)sp_buf_str(&text, i > 0 ? SP_STR(" ") : SP_STR(""));
		(void)sp_buf_str(&text, faults.items[i].text);
	}
	sp_str all = sp_buf_view(&text);
	if (faults.n > 0)
		sp_warn(c,
			"metadata.name: this is used in Pod names and hostnames, which can result in "
			"surprising behavior; "
			"a DNS label is recommended: [" SP_FMT "]",
			SP_ARG(all));
}

static void warn_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_pod_owner_name_warn(c, obj);
	sp_pod_template_warn(c, SP_PATH("spec.template"), template_of(obj));
}

/* Only after a change, and then about the old template: upstream takes one for the other. */
static void warn_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	if (sp_kv_i64(sp_meta(obj), "generation", 0) != sp_kv_i64(sp_meta(old), "generation", 0))
		sp_pod_template_warn(c, SP_PATH("spec.template"), template_of(old));
}

static yyjson_mut_val *desired_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_cell_i64(c, sp_kv_i64(sp_kv_get(obj, "spec"), "replicas", 0));
}

static yyjson_mut_val *current_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_cell_i64(c, sp_kv_i64(sp_kv_get(obj, "status"), "replicas", 0));
}

static yyjson_mut_val *ready_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_cell_i64(c, sp_kv_i64(sp_kv_get(obj, "status"), "readyReplicas", 0));
}

static yyjson_mut_val *names_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_pod_container_names_cell(c, sp_kv_get(template_of(obj), "spec"));
}

static yyjson_mut_val *images_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_pod_images_cell(c, sp_kv_get(template_of(obj), "spec"));
}

static yyjson_mut_val *selector_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_cell_labels(c, sp_kv_map(sp_kv_get(obj, "spec"), "selector"));
}

static const sp_cell cells[] = {
	{SP_STR_INIT("Desired"), desired_cell}, {SP_STR_INIT("Current"), current_cell},
	{SP_STR_INIT("Ready"), ready_cell},     {SP_STR_INIT("Containers"), names_cell},
	{SP_STR_INIT("Images"), images_cell},   {SP_STR_INIT("Selector"), selector_cell},
};

static sp_str replicas_field(sp_arena *a, yyjson_mut_val *obj)
{
	return sp_arena_printf(a, "%lld", (long long)sp_kv_i64(sp_kv_get(obj, "status"), "replicas", 0));
}

static const sp_selectable selectable[] = {{SP_STR_INIT("status.replicas"), replicas_field}};
static const char *const reset[] = {"status", NULL}, *const status_reset[] = {"spec", NULL};
static const sp_sub_hooks subs[] = {
	{.name = SP_STR_INIT("status"), .validate_update = status_validate, .reset_fields = status_reset}};

const sp_kind_hooks sp_hooks_replication_controller = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE | SP_KIND_HAS_STATUS | SP_KIND_GENERATION |
		 SP_KIND_ORPHANS_BY_DEFAULT,
	.name = controller_name,
	.defaults = defaults,
	.prepare_create = prepare_create,
	.prepare_update = prepare_update,
	.validate = validate,
	.validate_update = validate_update,
	.warn_create = warn_create,
	.warn_update = warn_update,
	.reset_fields = reset,
	.subs = subs,
	.n_subs = SP_LEN(subs),
	.selectable = selectable,
	.n_selectable = SP_LEN(selectable),
	.cells = cells,
	.n_cells = SP_LEN(cells),
};

static yyjson_mut_val *own_template(yyjson_mut_val *obj)
{
	return sp_kv_get(obj, "template");
}

static void template_prepare_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	SP_KIND_NEED(c, sp_kv_set_i64(c->doc, sp_meta(obj), "generation", 1));
	sp_pod_template_drop_disabled(own_template(obj), NULL);
}

static void template_prepare_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	sp_pod_template_drop_disabled(own_template(obj), own_template(old));
	if (!sp_kind_same(c, "template", own_template(obj), own_template(old)))
		sp_meta_bump_generation(c, obj, old);
}

static void pod_template_validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_meta_validate(c, obj);
	sp_pod_template_validate(c, own_template(obj), SP_PATH("template"), 0);
}

static void pod_template_validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	sp_meta_validate_update(c, obj, old);
	sp_pod_template_validate(c, own_template(obj), SP_PATH("template"),
				 sp_pod_template_options(c->arena, own_template(old)));
}

static void pod_template_defaults(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_pod_template_defaults(c, own_template(obj));
}

static void pod_template_warn(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_pod_template_warn(c, SP_PATH("template"), own_template(obj));
}

static void pod_template_warn_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	if (sp_kv_i64(sp_meta(obj), "generation", 0) != sp_kv_i64(sp_meta(old), "generation", 0))
		pod_template_warn(c, obj);
}

static yyjson_mut_val *template_names_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_pod_container_names_cell(c, sp_kv_get(own_template(obj), "spec"));
}

static yyjson_mut_val *template_images_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_pod_images_cell(c, sp_kv_get(own_template(obj), "spec"));
}

static yyjson_mut_val *template_labels_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_cell_labels(c, sp_kv_map(sp_meta(own_template(obj)), "labels"));
}

static const sp_cell template_cells[] = {
	{SP_STR_INIT("Containers"), template_names_cell},
	{SP_STR_INIT("Images"), template_images_cell},
	{SP_STR_INIT("Pod Labels"), template_labels_cell},
};

const sp_kind_hooks sp_hooks_pod_template = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE | SP_KIND_RETURNS_DELETED,
	.defaults = pod_template_defaults,
	.prepare_create = template_prepare_create,
	.prepare_update = template_prepare_update,
	.validate = pod_template_validate,
	.validate_update = pod_template_validate_update,
	.warn_create = pod_template_warn,
	.warn_update = pod_template_warn_update,
	.cells = template_cells,
	.n_cells = SP_LEN(template_cells),
};

static void binding_validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	static const char *const kinds[] = {"Node", "<empty>"};
	yyjson_mut_val *target = sp_kv_get(obj, "target");
	sp_str kind = sp_kv_str(target, "kind");
	if (kind.len > 0 && !sp_str_eq(kind, SP_STR("Node")))
		sp_v_not_supported(c->errors, SP_PATH("target.kind"), kind, kinds, SP_LEN(kinds));
	if (sp_kv_str(target, "name").len == 0)
		sp_v_required(c->errors, SP_PATH("target.name"), "%s", "");
}

const sp_kind_hooks sp_hooks_binding = {.validate = binding_validate};
