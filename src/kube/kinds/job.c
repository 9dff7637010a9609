/* SPDX-License-Identifier: Apache-2.0 */
/* Job of batch/v1. Its spec's rules are in job_spec.c, those of its status in job_status.c. */
#include "kube/kinds/job.h"
#include "kube/kinds/go_json.h"

#include "kube/kinds/columns.h"
#include "kube/kinds/hooks.h"
#include "kube/kinds/pod.h"
#include "kube/kinds/workload.h"
#include "kube/meta.h"

/* How pods and their job find each other; the short ones are from before domains were asked for. */
static const char uid_label[] = "batch.kubernetes.io/controller-uid", old_uid_label[] = "controller-uid";
static const char name_label[] = "batch.kubernetes.io/job-name", old_name_label[] = "job-name";

static yyjson_mut_val *template_of(yyjson_mut_val *obj)
{
	return sp_kv_path(obj, "spec", "template", NULL);
}

static yyjson_mut_val *template_labels(yyjson_mut_val *obj)
{
	return sp_kv_path(obj, "spec", "template", "metadata", "labels", NULL);
}

/* A job without labels has those of its template. */
static void label_defaults(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *labels = template_labels(obj), *meta = sp_kv_need_obj(c->doc, obj, "metadata");
	SP_KIND_NEED(c, meta != NULL);
	if (sp_kv_len(labels) > 0 && sp_kv_map(meta, "labels") == NULL)
		SP_KIND_NEED(c, sp_kv_set(c->doc, meta, "labels", yyjson_mut_val_mut_copy(c->doc, labels)));
}

static void defaults(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *spec = sp_kv_need_obj(c->doc, obj, "spec");
	SP_KIND_NEED(c, spec != NULL);
	if (spec == NULL)
		return;
	if (!sp_kv_has(spec, "parallelism"))
		sp_default_i64(c, spec, "completions", 1);
	sp_default_i64(c, spec, "parallelism", 1);
	sp_default_i64(c, spec, "backoffLimit", sp_kv_has(spec, "backoffLimitPerIndex") ? INT32_MAX : 6);
	label_defaults(c, obj);
	if (!sp_kv_has(spec, "completionMode"))
		sp_default_str(c, spec, "completionMode", "NonIndexed");
	sp_default_bool(c, spec, "suspend", false);
	if (!sp_kv_has(spec, "podReplacementPolicy"))
		sp_default_str(c, spec, "podReplacementPolicy",
			       sp_kv_has(spec, "podFailurePolicy") ? "Failed" : "TerminatingOrFailed");
	sp_default_bool(c, spec, "manualSelector", false);
	sp_job_spec_inner_defaults(c, spec);
}

/* Labels that tie the pods to this job, and the selector for them. */
static void generate_selector(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	sp_str uid = sp_kv_str(sp_meta(obj), "uid"), name = sp_meta_name(obj);
	const struct {
		const char *key;
		sp_str value;
	} labels[] = {{old_name_label, name}, {name_label, name}, {old_uid_label, uid}, {uid_label, uid}};
	yyjson_mut_val *pod = sp_kv_need_obj(c->doc, spec, "template");
	yyjson_mut_val *meta = pod != NULL ? sp_kv_need_obj(c->doc, pod, "metadata") : NULL;
	yyjson_mut_val *to = meta != NULL ? sp_kv_need_obj(c->doc, meta, "labels") : NULL;
	yyjson_mut_val *selector = sp_kv_need_obj(c->doc, spec, "selector");
	yyjson_mut_val *match = selector != NULL ? sp_kv_need_obj(c->doc, selector, "matchLabels") : NULL;
	SP_KIND_NEED(c, to != NULL && match != NULL);
	if (to == NULL || match == NULL)
		return;
	for (size_t i = 0; i < SP_LEN(labels); i++) {
		if (!sp_kv_has(to, labels[i].key))
			SP_KIND_NEED(c, sp_kv_set_str(c->doc, to, labels[i].key, labels[i].value));
	}
	if (!sp_kv_has(match, uid_label))
		SP_KIND_NEED(c, sp_kv_set_str(c->doc, match, uid_label, uid));
	/* Errors show them, and maps are shown in order. */
	SP_KIND_NEED(c, sp_jmut_sort(c->arena, to) && sp_jmut_sort(c->arena, match));
}

static void prepare_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *meta = sp_meta(obj), *labels = template_labels(obj);
	bool manual = sp_kv_bool(sp_kv_get(obj, "spec"), "manualSelector");
	/* Labels taken from the template are the same Go map as the template's. */
	bool shared = sp_kv_len(labels) > 0 && sp_kv_equal(sp_kv_get(meta, "labels"), labels);
	if (!manual)
		generate_selector(c, obj);
	if (shared)
		SP_KIND_NEED(c, sp_kv_set(c->doc, meta, "labels",
					  yyjson_mut_val_mut_copy(c->doc, template_labels(obj))));
	sp_pod_template_drop_disabled(template_of(obj), NULL);
}

static void prepare_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	label_defaults(c, obj);
	sp_pod_template_drop_disabled(template_of(obj), template_of(old));
}

/* What an old object permits an update. */
typedef struct job_options {
	unsigned pod;
	bool bad_values, prefixed_labels, mutable_template;
} job_options;

static job_options options_of(sp_kind_ctx *c, yyjson_mut_val *old)
{
	job_options o = {.pod = sp_pod_template_options(c->arena, template_of(old)), .prefixed_labels = true};
	if (old == NULL)
		return o;
	yyjson_mut_val *status = sp_kv_get(old, "status");
	bool waits = !sp_kv_has(status, "startTime") || sp_job_condition_is(old, "Suspended", "True");
	o.bad_values = sp_label_selector_has_bad_value(sp_kv_path(old, "spec", "selector", NULL));
	o.prefixed_labels =
		sp_kv_has(template_labels(old), name_label) && sp_kv_has(template_labels(old), uid_label);
	o.mutable_template =
		sp_kv_bool(sp_kv_get(old, "spec"), "suspend") && waits && sp_kv_i64(status, "active", 0) == 0;
	return o;
}

static void has_label(sp_violations *v, yyjson_mut_val *labels, const char *key, sp_str value)
{
	const sp_path *path = SP_AT_KEY(SP_PATH("spec.template.metadata.labels"), sp_str_c(key));
	if (!sp_kv_has(labels, key))
		sp_v_required(v, path, "must be '" SP_FMT "'", SP_ARG(value));
	else if (!sp_str_eq(sp_kv_str(labels, key), value))
		sp_v_invalid(v, path, labels, "must be '" SP_FMT "'", SP_ARG(value));
}

/* A selector that the server made must be the one it would make. */
static void generated_selector(sp_kind_ctx *c, yyjson_mut_val *obj, const job_options *o)
{
	yyjson_mut_val *spec = sp_kv_get(obj, "spec"), *selector = sp_kv_get(spec, "selector");
	yyjson_mut_val *labels = template_labels(obj), *expected = yyjson_mut_obj(c->doc);
	sp_str uid = sp_kv_str(sp_meta(obj), "uid"), name = sp_meta_name(obj);
	const struct {
		const char *key;
		sp_str value;
		bool prefixed;
	} wanted[] = {{old_uid_label, uid, false},
		      {old_name_label, name, false},
		      {uid_label, uid, true},
		      {name_label, name, true}};
	sp_selector s;
	if (sp_kv_bool(spec, "manualSelector") || selector == NULL)
		return;
	if (uid.len == 0)
		sp_v_required(c->errors, SP_PATH("metadata.uid"), "%s", "");
	for (size_t i = 0; i < SP_LEN(wanted); i++) {
		if (wanted[i].prefixed && !o->prefixed_labels)
			continue;
		has_label(c->errors, labels, wanted[i].key, wanted[i].value);
		SP_KIND_NEED(c, expected != NULL &&
					sp_kv_set_str(c->doc, expected, wanted[i].key, wanted[i].value));
	}
	if (sp_kv_selector(c, selector, &s) && !sp_kv_selects(c, &s, expected))
		sp_v_invalid(c->errors, SP_PATH("spec.selector"), selector, "`selector` not auto-generated");
}

static void spec_validate(sp_kind_ctx *c, yyjson_mut_val *obj, const job_options *o)
{
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	const sp_path *path = SP_PATH("spec");
	sp_job_template_spec_validate(c, spec, path, o->pod);
	if (!sp_kv_has(spec, "selector"))
		sp_v_required(c->errors, SP_AT(path, "selector"), "%s", "");
	sp_label_selector_validate(c->errors, SP_AT(path, "selector"), sp_kv_get(spec, "selector"),
				   o->bad_values ? SP_LABEL_SELECTOR_BAD_VALUES : 0);
	sp_v_selects_template(c, spec, SP_AT(path, "template"));
}

static void job_validate(sp_kind_ctx *c, yyjson_mut_val *obj, const job_options *o)
{
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	int64_t completions = sp_kv_i64(spec, "completions", 0);
	sp_str name = sp_meta_name(obj);
	sp_meta_validate(c, obj);
	generated_selector(c, obj, o);
	spec_validate(c, obj, o);
	if (!sp_kv_is(spec, "completionMode", "Indexed") || completions <= 0)
		return;
	sp_str host = sp_arena_printf(c->arena, SP_FMT "-%lld", SP_ARG(name), (long long)completions - 1);
	if (sp_name_dns1123_label(host).n > 0)
		sp_v_invalid(c->errors, SP_PATH("metadata.name"), name,
			     "will not able to create pod with invalid DNS label: " SP_FMT, SP_ARG(host));
}

static void validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	job_options o = options_of(c, NULL);
	job_validate(c, obj, &o);
}

/* The old template with what a suspended job may change taken from the new one. NULL: no room. */
static yyjson_mut_val *with_scheduling(sp_kind_ctx *c, yyjson_mut_val *now, yyjson_mut_val *was)
{
	static const char *const members[] = {"nodeSelector", "tolerations", "schedulingGates"};
	static const char *const of_meta[] = {"annotations", "labels"};
	yyjson_mut_val *copy = yyjson_mut_val_mut_copy(c->doc, was);
	yyjson_mut_val *spec = sp_kv_need_obj(c->doc, copy, "spec");
	yyjson_mut_val *meta = sp_kv_need_obj(c->doc, copy, "metadata");
	yyjson_mut_val *new_spec = sp_kv_get(now, "spec"), *affinity = sp_kv_get(new_spec, "affinity");
	SP_KIND_NEED(c, spec != NULL && meta != NULL);
	if (spec == NULL || meta == NULL)
		return NULL;
	for (size_t i = 0; i < SP_LEN(members); i++)
		SP_KIND_NEED(c, sp_kv_copy(c->doc, spec, new_spec, members[i]));
	for (size_t i = 0; i < SP_LEN(of_meta); i++)
		SP_KIND_NEED(c, sp_kv_copy(c->doc, meta, sp_kv_get(now, "metadata"), of_meta[i]));
	if (affinity == NULL) {
		sp_kv_drop(sp_kv_get(spec, "affinity"), "nodeAffinity");
		return copy;
	}
	yyjson_mut_val *to = sp_kv_need_obj(c->doc, spec, "affinity");
	SP_KIND_NEED(c, to != NULL && sp_kv_copy(c->doc, to, affinity, "nodeAffinity"));
	return copy;
}

/* Resources of containers that have the same names in the same order come from the new spec. */
static void take_resources(sp_kind_ctx *c, yyjson_mut_val *to, yyjson_mut_val *from, const char *list)
{
	yyjson_mut_val *mine = sp_kv_list(to, list), *theirs = sp_kv_list(from, list);
	if (sp_kv_len(mine) != sp_kv_len(theirs))
		return;
	yyjson_mut_val *other = yyjson_mut_arr_get_first(theirs);
	SP_KV_EACH (container, i, mine) {
		if (sp_str_eq(sp_kv_str(container, "name"), sp_kv_str(other, "name")))
			SP_KIND_NEED(c, sp_kv_copy(c->doc, container, other, "resources"));
		other = other->next;
	}
}

static void template_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old, const job_options *o)
{
	yyjson_mut_val *now = template_of(obj), *was = template_of(old);
	if (!o->mutable_template) {
		sp_v_immutable_go(c->errors, SP_PATH("spec.template"), &sp_go_pod_template_spec, now, was);
		return;
	}
	was = with_scheduling(c, now, was);
	yyjson_mut_val *was_spec = sp_kv_get(was, "spec"), *spec = sp_kv_get(now, "spec");
	take_resources(c, was_spec, spec, "containers");
	take_resources(c, was_spec, spec, "initContainers");
	/* an affinity that is empty now is none */
	sp_v_immutable_go(c->errors, SP_PATH("spec.template.spec"), &sp_go_pod_spec, spec, was_spec);
}

static void completions_update(sp_violations *v, yyjson_mut_val *spec, yyjson_mut_val *old)
{
	const sp_path *path = SP_PATH("spec.completions");
	yyjson_mut_val *now = sp_kv_get(spec, "completions"), *was = sp_kv_get(old, "completions");
	if (!sp_kv_is(spec, "completionMode", "Indexed"))
		sp_v_immutable(v, path, now, was);
	else if (now != NULL && !sp_kv_equal(now, was) &&
		 sp_kv_num(now, 0) != sp_kv_i64(spec, "parallelism", 0))
		sp_v_invalid(v, path, now, "can only be modified in tandem with spec.parallelism");
}

static void validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	static const struct {
		const char *name;
		const sp_go_type *type; /* NULL: prints as JSON */
	} immutable[] = {{"completionMode", NULL},
			 {"podFailurePolicy", &sp_go_pod_failure_policy},
			 {"backoffLimitPerIndex", NULL},
			 {"managedBy", NULL},
			 {"successPolicy", &sp_go_success_policy}};
	job_options o = options_of(c, old);
	yyjson_mut_val *spec = sp_kv_get(obj, "spec"), *was = sp_kv_get(old, "spec");
	const sp_path *path = SP_PATH("spec");
	job_validate(c, obj, &o);
	sp_meta_validate_update(c, obj, old);
	spec_validate(c, obj, &o);
	completions_update(c->errors, spec, was);
	sp_v_immutable(c->errors, SP_AT(path, "selector"), sp_kv_get(spec, "selector"),
		       sp_kv_get(was, "selector"));
	template_update(c, obj, old, &o);
	for (size_t i = 0; i < SP_LEN(immutable); i++) {
		const sp_path *at = SP_AT_STR(path, sp_str_c(immutable[i].name));
		yyjson_mut_val *member = sp_kv_get(spec, immutable[i].name),
			       *was_member = sp_kv_get(was, immutable[i].name);
		if (immutable[i].type != NULL)
			sp_v_immutable_go(c->errors, at, immutable[i].type, member, was_member);
		else
			sp_v_immutable(c->errors, at, member, was_member);
	}
}

static void warn_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_pod_owner_name_warn(c, obj);
	sp_job_spec_warn(c, SP_PATH("spec"), sp_kv_get(obj, "spec"));
}

static void warn_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	if (sp_kv_i64(sp_meta(obj), "generation", 0) != sp_kv_i64(sp_meta(old), "generation", 0))
		sp_job_spec_warn(c, SP_PATH("spec"), sp_kv_get(obj, "spec"));
}

/* -- columns -------------------------------------------------------------------------------------------- */

static yyjson_mut_val *status_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	static const char *const ended[] = {"Complete", "Failed"};
	static const char *const going[] = {"Suspended", "FailureTarget", "SuccessCriteriaMet"};
	for (size_t i = 0; i < SP_LEN(ended); i++) {
		if (sp_job_condition_is(obj, ended[i], "True"))
			return sp_cell_str(c, sp_str_c(ended[i]));
	}
	if (sp_kv_has(sp_meta(obj), "deletionTimestamp"))
		return sp_cell_str(c, SP_STR("Terminating"));
	for (size_t i = 0; i < SP_LEN(going); i++) {
		if (sp_job_condition_is(obj, going[i], "True"))
			return sp_cell_str(c, sp_str_c(going[i]));
	}
	return sp_cell_str(c, SP_STR("Running"));
}

static yyjson_mut_val *completions_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	long long done = (long long)sp_kv_i64(sp_kv_get(obj, "status"), "succeeded", 0);
	long long parallelism = (long long)sp_kv_i64(spec, "parallelism", 0);
	if (sp_kv_has(spec, "completions"))
		return sp_cell_printf(c, "%lld/%lld", done, (long long)sp_kv_i64(spec, "completions", 0));
	if (parallelism > 1)
		return sp_cell_printf(c, "%lld/1 of %lld", done, parallelism);
	return sp_cell_printf(c, "%lld/1", done);
}

static yyjson_mut_val *duration_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *status = sp_kv_get(obj, "status");
	sp_time from, to = c->now;
	if (!sp_kv_time(status, "startTime", &from))
		return sp_cell_str(c, SP_STR(""));
	if (sp_kv_has(status, "completionTime") && !sp_kv_time(status, "completionTime", &to))
		to = c->now;
	return sp_cell_span(c, from, to);
}

static sp_str successful_text(sp_arena *a, yyjson_mut_val *obj)
{
	return sp_arena_printf(a, "%lld", (long long)sp_kv_i64(sp_kv_get(obj, "status"), "succeeded", 0));
}

static const sp_sub_hooks subs[] = {{.name = SP_STR_INIT("status"),
				     .validate_update = sp_job_status_validate,
				     .reset_fields = sp_reset_spec}};
static const sp_cell cells[] = {{SP_STR_INIT("Status"), status_cell},
				{SP_STR_INIT("Completions"), completions_cell},
				{SP_STR_INIT("Duration"), duration_cell},
				SP_WORKLOAD_CELLS,
				{SP_STR_INIT("Selector"), sp_workload_selector_cell}};
static const sp_selectable selectable[] = {{SP_STR_INIT("status.successful"), successful_text}};

const sp_kind_hooks sp_hooks_job = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE | SP_KIND_GENERATION | SP_KIND_HAS_STATUS |
		 SP_KIND_ORPHANS_BY_DEFAULT,
	.defaults = defaults,
	.prepare_create = prepare_create,
	.prepare_update = prepare_update,
	.validate = validate,
	.validate_update = validate_update,
	.warn_create = warn_create,
	.warn_update = warn_update,
	.reset_fields = sp_reset_status,
	.subs = subs,
	.n_subs = SP_LEN(subs),
	.selectable = selectable,
	.n_selectable = SP_LEN(selectable),
	.cells = cells,
	.n_cells = SP_LEN(cells),
};
