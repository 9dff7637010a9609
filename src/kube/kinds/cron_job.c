/* SPDX-License-Identifier: Apache-2.0 */
/* CronJob of batch/v1. */
#include "kube/kinds/columns.h"
#include "kube/kinds/cron.h"
#include "kube/kinds/hooks.h"
#include "kube/kinds/job.h"
#include "kube/kinds/pod.h"
#include "kube/kinds/workload.h"
#include "kube/meta.h"

/* Jobs add eleven characters to the name. */
#define NAME_BYTES_MAX 52u

static yyjson_mut_val *job_spec(yyjson_mut_val *obj)
{
	return sp_kv_path(obj, "spec", "jobTemplate", "spec", NULL);
}

static void defaults(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *spec = sp_kv_need_obj(c->doc, obj, "spec");
	SP_KIND_NEED(c, spec != NULL);
	if (spec == NULL)
		return;
	if (sp_kv_str(spec, "concurrencyPolicy").len == 0)
		SP_KIND_NEED(c, sp_kv_set_str(c->doc, spec, "concurrencyPolicy", SP_STR("Allow")));
	sp_default_bool(c, spec, "suspend", false);
	sp_default_i64(c, spec, "successfulJobsHistoryLimit", 3);
	sp_default_i64(c, spec, "failedJobsHistoryLimit", 1);
	sp_job_spec_inner_defaults(c, job_spec(obj));
}

static void prepare_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	(void)c;
	sp_pod_template_drop_disabled(sp_kv_get(job_spec(obj), "template"), NULL);
}

static void prepare_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	(void)c;
	sp_pod_template_drop_disabled(sp_kv_get(job_spec(obj), "template"),
				      sp_kv_get(job_spec(old), "template"));
}

static bool names_zone(sp_str schedule)
{
	return sp_str_find(schedule, SP_STR("TZ")) >= 0;
}

static void schedule(sp_kind_ctx *c, yyjson_mut_val *spec, yyjson_mut_val *old, const sp_path *path)
{
	sp_str text = sp_kv_str(spec, "schedule"), why;
	sp_cron cron;
	if (text.len == 0) {
		sp_v_required(c->errors, path, "%s", "");
		return;
	}
	if (sp_cron_parse(c->arena, text, &cron, &why) != SP_OK)
		sp_v_invalid(c->errors, path, text, SP_FMT, SP_ARG(why));
	if (!names_zone(text))
		return;
	if (!names_zone(sp_kv_str(old, "schedule")))
		sp_v_invalid(c->errors, path, text,
			     "cannot use TZ or CRON_TZ in schedule, use timeZone field instead");
	else if (sp_kv_has(spec, "timeZone"))
		sp_v_invalid(c->errors, path, text,
			     "cannot use both timeZone field and TZ or CRON_TZ in schedule");
}

#define ZONE_PART_BYTES_MAX 14u

/* A part of a zone's name between slashes. */
static bool zone_part(sp_str s)
{
	static const char others[] = ".-_+";
	if (s.len == 0 || s.len > ZONE_PART_BYTES_MAX || s.ptr[0] == '-' || sp_str_eq(s, SP_STR(".")) ||
	    sp_str_eq(s, SP_STR("..")))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char ch = s.ptr[i];
		bool alnum = (ch >= '0' && ch <= '9') || ((ch | 0x20) >= 'a' && (ch | 0x20) <= 'z');
		if (!alnum && (ch == 0 || strchr(others, ch) == NULL))
			return false;
	}
	return true;
}

static void time_zone(sp_violations *v, yyjson_mut_val *spec, const sp_path *path)
{
	sp_str name = sp_kv_str(spec, "timeZone"), rest = name, part;
	bool formed = true;
	if (!sp_kv_has(spec, "timeZone"))
		return;
	if (name.len == 0) {
		sp_v_invalid(v, path, name, "timeZone must be nil or non-empty string");
		return;
	}
	for (bool more = true; more && formed;) {
		more = sp_str_cut(&rest, '/', &part);
		formed = zone_part(more ? part : rest);
	}
	if (formed && sp_str_eq_nocase(name, SP_STR("Local")))
		sp_v_invalid(v, path, name,
			     "timeZone must be an explicit time zone as defined in "
			     "https://www.iana.org/time-zones");
	if (!formed || (!sp_zone_exists(name) && !sp_str_eq(name, SP_STR("Local"))))
		sp_v_invalid(v, path, name, "unknown time zone " SP_FMT, SP_ARG(name));
}

static void concurrency(sp_violations *v, yyjson_mut_val *spec, const sp_path *path)
{
	static const char *const policies[] = {"Allow", "Forbid", "Replace"};
	sp_str policy = sp_kv_str(spec, "concurrencyPolicy");
	if (policy.len == 0)
		sp_v_required(v, path, "%s", "");
	else if (!SP_STR_IN(policy, policies))
		sp_v_not_supported(v, path, sp_bad_named(policy), policies, SP_LEN(policies));
}

static void job_template(sp_kind_ctx *c, yyjson_mut_val *spec, const sp_path *path, unsigned options)
{
	static const char *const manual[] = {"nil", "false"};
	sp_job_template_spec_validate(c, spec, path, options);
	if (sp_kv_has(spec, "selector"))
		sp_v_invalid(c->errors, SP_AT(path, "selector"), sp_kv_get(spec, "selector"),
			     "`selector` will be auto-generated");
	if (sp_kv_bool(spec, "manualSelector"))
		sp_v_not_supported(c->errors, SP_AT(path, "manualSelector"), sp_bad_bool(true), manual,
				   SP_LEN(manual));
}

static void spec_validate(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	static const char *const deadline[] = {"startingDeadlineSeconds"};
	static const char *const limits[] = {"successfulJobsHistoryLimit", "failedJobsHistoryLimit"};
	sp_violations *v = c->errors;
	yyjson_mut_val *spec = sp_kv_get(obj, "spec"), *was = sp_kv_get(old, "spec");
	const sp_path *path = SP_PATH("spec");
	unsigned options =
		sp_pod_template_options(c->arena, old != NULL ? sp_kv_get(job_spec(old), "template") : NULL);
	schedule(c, spec, was, SP_AT(path, "schedule"));
	SP_V_COUNTS(v, path, spec, deadline);
	if (old == NULL || !sp_kv_equal(sp_kv_get(spec, "timeZone"), sp_kv_get(was, "timeZone")))
		time_zone(v, spec, SP_AT(path, "timeZone"));
	concurrency(v, spec, SP_AT(path, "concurrencyPolicy"));
	job_template(c, job_spec(obj), SP_AT(path, "jobTemplate.spec"), options);
	SP_V_COUNTS(v, path, spec, limits);
}

static void validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_meta_validate(c, obj);
	spec_validate(c, obj, NULL);
	if (sp_meta_name(obj).len > NAME_BYTES_MAX)
		sp_v_invalid(c->errors, SP_PATH("metadata.name"), sp_meta_name(obj),
			     "must be no more than 52 characters");
}

static void validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	sp_meta_validate_update(c, obj, old);
	spec_validate(c, obj, old);
}

static void warn_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_pod_owner_name_warn(c, obj);
	sp_job_spec_warn(c, SP_PATH("spec.jobTemplate.spec"), job_spec(obj));
}

static void warn_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	if (sp_kv_i64(sp_meta(obj), "generation", 0) != sp_kv_i64(sp_meta(old), "generation", 0))
		sp_job_spec_warn(c, SP_PATH("spec.jobTemplate.spec"), job_spec(obj));
	if (names_zone(sp_kv_str(sp_kv_get(obj, "spec"), "schedule")))
		sp_warn(c, "cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see "
			   "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more "
			   "details");
}

/* -- columns -------------------------------------------------------------------------------------------- */

static yyjson_mut_val *zone_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_cell_str_or(c, sp_kv_get(obj, "spec"), "timeZone", "<none>");
}

static yyjson_mut_val *suspend_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *suspend = sp_kv_path(obj, "spec", "suspend", NULL);
	if (suspend == NULL)
		return sp_cell_str(c, SP_STR("<unset>"));
	return sp_cell_str(c, yyjson_mut_is_true(suspend) ? SP_STR("True") : SP_STR("False"));
}

static yyjson_mut_val *active_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_cell_len(c, sp_kv_path(obj, "status", "active", NULL));
}

static yyjson_mut_val *last_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_str last = sp_kv_str(sp_kv_get(obj, "status"), "lastScheduleTime");
	return last.len == 0 ? sp_cell_str(c, SP_STR("<none>")) : sp_cell_age(c, last);
}

static yyjson_mut_val *names_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_pod_container_names_cell(c, sp_kv_path(job_spec(obj), "template", "spec", NULL));
}

static yyjson_mut_val *images_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_pod_images_cell(c, sp_kv_path(job_spec(obj), "template", "spec", NULL));
}

static yyjson_mut_val *selector_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_cell_selector(c, sp_kv_get(job_spec(obj), "selector"));
}

static const sp_sub_hooks subs[] = {{.name = SP_STR_INIT("status"), .reset_fields = sp_reset_spec}};
static const sp_cell cells[] = {
	{SP_STR_INIT("Timezone"), zone_cell},    {SP_STR_INIT("Suspend"), suspend_cell},
	{SP_STR_INIT("Active"), active_cell},    {SP_STR_INIT("Last Schedule"), last_cell},
	{SP_STR_INIT("Containers"), names_cell}, {SP_STR_INIT("Images"), images_cell},
	{SP_STR_INIT("Selector"), selector_cell}};

const sp_kind_hooks sp_hooks_cron_job = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE | SP_KIND_GENERATION | SP_KIND_HAS_STATUS,
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
	.cells = cells,
	.n_cells = SP_LEN(cells),
};
