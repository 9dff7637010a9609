/* SPDX-License-Identifier: Apache-2.0 */
/* What a write of a job's status may say: a finished job stays finished, counters only grow. */
#include "base/map.h"
#include "kube/formats.h"
#include "kube/kinds/go_json.h"
#include "kube/kinds/job.h"
#include "kube/kinds/workload.h"
#include "kube/meta.h"

bool sp_job_condition_is(yyjson_mut_val *obj, const char *type, const char *status)
{
	SP_KV_EACH (cond, i, sp_kv_list(sp_kv_get(obj, "status"), "conditions")) {
		if (sp_kv_is(cond, "type", type) && sp_kv_is(cond, "status", status))
			return true;
	}
	return false;
}

static bool is_true(yyjson_mut_val *obj, const char *type)
{
	return sp_job_condition_is(obj, type, "True");
}

static bool is_finished(yyjson_mut_val *obj)
{
	return is_true(obj, "Complete") || is_true(obj, "Failed");
}

/* A status write with what changed in it: most rules hold only for what a write touches. */
typedef struct status_write {
	sp_violations *v;
	yyjson_mut_val *obj, *old, *spec, *status, *was;
	bool complete, failed, target, criteria, finished; /* conditions now */
	bool complete_changed, failed_changed, target_changed, criteria_changed, finished_changed;
	bool indexed;
} status_write;

static bool changed(const status_write *w, const char *name)
{
	return !sp_kv_equal(sp_kv_get(w->status, name), sp_kv_get(w->was, name));
}

static status_write write_of(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	status_write w = {.v = c->errors, .obj = obj, .old = old};
	w.spec = sp_kv_get(obj, "spec");
	w.status = sp_kv_get(obj, "status");
	w.was = sp_kv_get(old, "status");
	w.complete = is_true(obj, "Complete");
	w.failed = is_true(obj, "Failed");
	w.target = is_true(obj, "FailureTarget");
	w.criteria = is_true(obj, "SuccessCriteriaMet");
	w.finished = is_finished(obj);
	w.complete_changed = w.complete != is_true(old, "Complete");
	w.failed_changed = w.failed != is_true(old, "Failed");
	w.target_changed = w.target != is_true(old, "FailureTarget");
	w.criteria_changed = w.criteria != is_true(old, "SuccessCriteriaMet");
	w.finished_changed = w.finished != is_finished(old);
	w.indexed = sp_kv_is(w.spec, "completionMode", "Indexed");
	return w;
}

static void uncounted(const status_write *w)
{
	static const char *const lists[] = {"succeeded", "failed"};
	SP_AUTO_STRSET seen = {0};
	const sp_path *path = SP_PATH("status.uncountedTerminatedPods");
	for (size_t k = 0; k < SP_LEN(lists); k++) {
		yyjson_mut_val *list = sp_kv_list(sp_kv_get(w->status, "uncountedTerminatedPods"), lists[k]);
		const sp_path *at = SP_AT_STR(path, sp_str_c(lists[k]));
		SP_KV_EACH (uid, i, list) {
			if (sp_jmut_str(uid).len == 0)
				sp_v_invalid(w->v, SP_AT_I(at, i), "", "must not be empty");
			else if (!sp_strset_add(&seen, sp_jmut_str(uid), w->v))
				sp_v_duplicate(w->v, SP_AT_I(at, i), sp_bad_named(sp_jmut_str(uid)));
		}
	}
}

static void conditions_error(const status_write *w, const char *text)
{
	sp_v_invalid(w->v, SP_PATH("status.conditions"), sp_bad_omit(), "%s", text);
}

/* Which conditions go together. */
static void end_conditions(const status_write *w)
{
	if ((w->complete_changed || w->failed_changed) && w->complete && w->failed)
		conditions_error(w, "cannot set Complete=True and Failed=true conditions");
	if ((w->complete_changed || w->target_changed) && w->complete && w->target)
		conditions_error(w, "cannot set Complete=True and FailureTarget=true conditions");
}

static void times(const status_write *w)
{
	const sp_path *path = SP_PATH("status"), *at = SP_AT(path, "completionTime");
	yyjson_mut_val *end = sp_kv_get(w->status, "completionTime"),
		       *start = sp_kv_get(w->status, "startTime");
	bool end_changed = changed(w, "completionTime"), start_changed = changed(w, "startTime");
	if ((w->complete_changed || end_changed) && end != NULL && !w->complete)
		sp_v_invalid(w->v, at, end,
			     "cannot set completionTime when there is no Complete=True condition");
	if ((w->complete_changed || end_changed) && end == NULL && w->complete)
		sp_v_required(w->v, at, "completionTime is required for Complete jobs");
	/* canonical UTC texts sort as the instants do */
	if ((start_changed || end_changed) && start != NULL && end != NULL &&
	    sp_str_cmp(sp_jmut_str(end), sp_jmut_str(start)) < 0)
		sp_v_invalid(w->v, at, end, "must be equal to or after `startTime`");
}

static void end_reasons(const status_write *w)
{
	if ((w->failed_changed || changed(w, "failedIndexes")) && w->failed && !w->target)
		conditions_error(w,
				 "cannot set Failed=True condition without the FailureTarget=true condition");
	if ((w->complete_changed || w->criteria_changed) && w->complete && !w->criteria)
		conditions_error(
			w,
			"cannot set Complete=True condition without the SuccessCriteriaMet=true condition");
}

static void finished(sp_kind_ctx *c, const status_write *w)
{
	static const sp_go_field fields[] = {{"Succeeded", "succeeded", SP_GO_PTR, NULL},
					     {"Failed", "failed", SP_GO_PTR, NULL}};
	static const sp_go_type type = {fields, SP_LEN(fields)};
	const sp_path *path = SP_PATH("status");
	yyjson_mut_val *pods = sp_kv_get(w->status, "uncountedTerminatedPods");
	int64_t active = sp_kv_i64(w->status, "active", 0);
	bool nothing_to_do = sp_kv_bool(w->spec, "suspend") && sp_kv_i64(w->spec, "completions", -1) == 0;
	if (!w->finished)
		return;
	if ((w->finished_changed || changed(w, "active")) && active > 0)
		sp_v_invalid(w->v, SP_AT(path, "active"), active, "active>0 is invalid for finished job");
	if ((w->finished_changed || changed(w, "startTime")) && !nothing_to_do &&
	    !sp_kv_has(w->status, "startTime"))
		sp_v_required(w->v, SP_AT(path, "startTime"), "startTime is required for finished job");
	if ((w->finished_changed || changed(w, "uncountedTerminatedPods")) &&
	    (sp_kv_list(pods, "failed") != NULL || sp_kv_list(pods, "succeeded") != NULL))
		sp_v_invalid(w->v, SP_AT(path, "uncountedTerminatedPods"),
			     sp_bad_text(sp_go_struct(c->arena, &type, pods)),
			     "must be empty for finished job");
}

static void indexes(sp_kind_ctx *c, const status_write *w)
{
	const sp_path *path = SP_PATH("status"), *at_failed = SP_AT(path, "failedIndexes");
	const sp_path *at_completed = SP_AT(path, "completedIndexes");
	sp_str completed = sp_kv_str(w->status, "completedIndexes"), why;
	sp_str failed = sp_kv_str(w->status, "failedIndexes");
	bool has_failed = sp_kv_has(w->status, "failedIndexes"), counted = sp_kv_has(w->spec, "completions");
	bool completed_changed = changed(w, "completedIndexes"), failed_changed = changed(w, "failedIndexes");
	bool per_index = sp_kv_has(w->spec, "backoffLimitPerIndex");
	int64_t completions = sp_kv_i64(w->spec, "completions", 0), total;
	if (completed_changed && counted && !sp_job_indexes(c->arena, completed, completions, &total, &why))
		sp_v_invalid(w->v, at_completed, completed, "error parsing completedIndexes: " SP_FMT,
			     SP_ARG(why));
	if (failed_changed && counted && per_index && has_failed &&
	    !sp_job_indexes(c->arena, failed, completions, &total, &why))
		sp_v_invalid(w->v, at_failed, failed, "error parsing failedIndexes: " SP_FMT, SP_ARG(why));
	if (completed_changed && completed.len > 0 && !w->indexed)
		sp_v_invalid(w->v, at_completed, completed,
			     "cannot set non-empty completedIndexes when non-indexed completion mode");
	if (failed_changed && !per_index && has_failed)
		sp_v_invalid(w->v, at_failed, failed,
			     "cannot set non-null failedIndexes when backoffLimitPerIndex is null");
	int64_t both = (failed_changed || completed_changed) && counted && has_failed
			       ? sp_job_indexes_overlap(completed, failed, completions)
			       : -1;
	if (both >= 0)
		sp_v_invalid(w->v, at_failed, failed,
			     "failedIndexes and completedIndexes overlap at index: %lld", (long long)both);
}

static void pods_left(const status_write *w)
{
	const sp_path *path = SP_PATH("status");
	int64_t terminating = sp_kv_i64(w->status, "terminating", 0),
		ready = sp_kv_i64(w->status, "ready", 0);
	if ((w->finished_changed || changed(w, "terminating")) && terminating > 0 && w->finished)
		sp_v_invalid(w->v, SP_AT(path, "terminating"), terminating,
			     "terminating>0 is invalid for finished job");
	if ((changed(w, "ready") || changed(w, "active")) && sp_kv_has(w->status, "ready") &&
	    ready > sp_kv_i64(w->status, "active", 0))
		sp_v_invalid(w->v, SP_AT(path, "ready"), ready, "cannot set more ready pods than active");
}

static void success_criteria(const status_write *w)
{
	if (w->criteria && w->failed)
		conditions_error(w, "cannot set SuccessCriteriaMet=True and Failed=true conditions");
	if (w->criteria && w->target)
		conditions_error(w, "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions");
	if (sp_kv_has(w->spec, "successPolicy") && !w->criteria && w->complete)
		conditions_error(w, "cannot set Complete=True for Job with SuccessPolicy unless "
				    "SuccessCriteriaMet=True");
}

/* Against the old status: nothing that was final goes away. */
static void transition(const status_write *w)
{
	static const char *const terminal[] = {"Failed", "Complete", "FailureTarget"};
	const sp_path *path = SP_PATH("status");
	int64_t failed = sp_kv_i64(w->status, "failed", 0), succeeded = sp_kv_i64(w->status, "succeeded", 0);
	bool elastic = w->indexed &&
		       sp_kv_equal(sp_kv_get(w->spec, "completions"), sp_kv_get(w->spec, "parallelism"));
	bool resuming = is_true(w->old, "Suspended") && sp_job_condition_is(w->obj, "Suspended", "False");
	for (size_t i = 0; i < SP_LEN(terminal); i++) {
		if (is_true(w->old, terminal[i]) && !is_true(w->obj, terminal[i]))
			sp_v_invalid(w->v, SP_AT(path, "conditions"), sp_bad_omit(),
				     "cannot disable the terminal %s=True condition", terminal[i]);
	}
	if (failed < sp_kv_i64(w->was, "failed", 0))
		sp_v_invalid(w->v, SP_AT(path, "failed"), failed, "cannot decrease the failed counter");
	if (!elastic && succeeded < sp_kv_i64(w->was, "succeeded", 0))
		sp_v_invalid(w->v, SP_AT(path, "succeeded"), succeeded,
			     "cannot decrease the succeeded counter");
	if (sp_kv_has(w->status, "completionTime") && sp_kv_has(w->was, "completionTime") &&
	    changed(w, "completionTime"))
		sp_v_invalid(w->v, SP_AT(path, "completionTime"), sp_kv_get(w->status, "completionTime"),
			     "field is immutable");
	if (changed(w, "startTime") && !resuming && sp_kv_has(w->was, "startTime") &&
	    !sp_kv_bool(w->spec, "suspend"))
		sp_v_invalid(w->v, SP_AT(path, "startTime"), sp_kv_get(w->status, "startTime"),
			     "field is immutable for unsuspended job once set");
	if (is_true(w->old, "SuccessCriteriaMet") && !w->criteria)
		conditions_error(w, "cannot disable the SuccessCriteriaMet=True condition");
	if (is_true(w->old, "Complete") && !is_true(w->old, "SuccessCriteriaMet") && w->criteria)
		conditions_error(w, "cannot set SuccessCriteriaMet=True for Job already has Complete=true "
				    "conditions");
}

void sp_job_status_validate(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	static const char *const counts[] = {"active", "succeeded", "failed", "ready", "terminating"};
	status_write w = write_of(c, obj, old);
	sp_meta_validate_update(c, obj, old);
	SP_V_COUNTS(c->errors, SP_PATH("status"), w.status, counts);
	uncounted(&w);
	end_conditions(&w);
	times(&w);
	end_reasons(&w);
	finished(c, &w);
	indexes(c, &w);
	pods_left(&w);
	success_criteria(&w);
	transition(&w);
}
