/* SPDX-License-Identifier: Apache-2.0 */
/* What holds for the spec of a job, also inside a CronJob. */
#include "base/map.h"
#include "kube/formats.h"
#include "kube/kinds/go_json.h"
#include "kube/kinds/job.h"
#include "kube/kinds/pod.h"
#include "kube/kinds/workload.h"
#include "kube/meta.h"

#define INDEXED_PARALLELISM_MAX 100000
#define FAILED_INDEXES_MAX 100000
#define MANY_COMPLETIONS 100000
#define MANY_PARALLELISM_MAX 10000
#define MANY_FAILED_INDEXES_MAX 10000
#define RULES_MAX 20
#define EXIT_CODES_MAX 255
#define CONDITION_PATTERNS_MAX 20
#define MANAGED_BY_BYTES_MAX 63
#define SUCCEEDED_INDEXES_BYTES_MAX 65536

void sp_job_spec_inner_defaults(sp_kind_ctx *c, yyjson_mut_val *spec)
{
	SP_KV_EACH (rule, i, sp_kv_list(sp_kv_get(spec, "podFailurePolicy"), "rules")) {
		SP_KV_EACH (pattern, k, sp_kv_list(rule, "onPodConditions")) {
			sp_default_str(c, pattern, "status", "True");
		}
	}
	sp_pod_template_defaults(c, sp_kv_get(spec, "template"));
}

void sp_job_spec_warn(sp_kind_ctx *c, const sp_path *path, yyjson_mut_val *spec)
{
	if (sp_kv_is(spec, "completionMode", "Indexed") &&
	    sp_kv_i64(spec, "completions", 0) > MANY_COMPLETIONS &&
	    sp_kv_i64(spec, "parallelism", 0) > MANY_PARALLELISM_MAX)
		sp_warn_at(
			c, path,
			"In Indexed Jobs with a number of completions higher than 10^5 and a parallelism "
			"higher than 10^4, Kubernetes might not be able to track completedIndexes when a big "
			"number of indexes fail");
	sp_pod_template_warn(c, SP_AT(path, "template"), sp_kv_get(spec, "template"));
}

/* Figures that only indexed jobs may have, and their limits. */
static void indexed(sp_violations *v, yyjson_mut_val *spec, const sp_path *path)
{
	bool completes = sp_kv_has(spec, "completions"), limited = sp_kv_has(spec, "maxFailedIndexes");
	int64_t completions = sp_kv_i64(spec, "completions", 0);
	int64_t parallelism = sp_kv_i64(spec, "parallelism", 0);
	int64_t failed = sp_kv_i64(spec, "maxFailedIndexes", 0);
	const sp_path *at_parallelism = SP_AT(path, "parallelism"),
		      *at_failed = SP_AT(path, "maxFailedIndexes");
	if (!completes)
		sp_v_required(v, SP_AT(path, "completions"), "when completion mode is Indexed");
	if (parallelism > INDEXED_PARALLELISM_MAX)
		sp_v_invalid(v, at_parallelism, parallelism,
			     "must be less than or equal to %d when completion mode is Indexed",
			     INDEXED_PARALLELISM_MAX);
	if (completes && limited && failed > completions)
		sp_v_invalid(v, at_failed, failed, "must be less than or equal to completions");
	if (failed > FAILED_INDEXES_MAX)
		sp_v_invalid(v, at_failed, failed, "must be less than or equal to %d", FAILED_INDEXES_MAX);
	if (completions <= MANY_COMPLETIONS || !sp_kv_has(spec, "backoffLimitPerIndex"))
		return;
	if (!limited)
		sp_v_required(v, at_failed, "must be specified when completions is above %d",
			      MANY_COMPLETIONS);
	if (parallelism > MANY_PARALLELISM_MAX)
		sp_v_invalid(v, at_parallelism, parallelism,
			     "must be less than or equal to %d when completions are above %d and used with "
			     "backoff limit per index",
			     MANY_PARALLELISM_MAX, MANY_COMPLETIONS);
	if (failed > MANY_FAILED_INDEXES_MAX)
		sp_v_invalid(v, at_failed, failed,
			     "must be less than or equal to %d when completions are above %d and used with "
			     "backoff limit per index",
			     MANY_FAILED_INDEXES_MAX, MANY_COMPLETIONS);
}

static void completion_mode(sp_violations *v, yyjson_mut_val *spec, const sp_path *path)
{
	static const char *const modes[] = {"NonIndexed", "Indexed"};
	static const char *const per_index[] = {"backoffLimitPerIndex", "maxFailedIndexes"};
	sp_str mode = sp_kv_str(spec, "completionMode");
	if (sp_kv_has(spec, "completionMode") && !SP_STR_IN(mode, modes))
		sp_v_not_supported(v, SP_AT(path, "completionMode"), sp_bad_named(mode), modes,
				   SP_LEN(modes));
	if (sp_str_eq(mode, SP_STR("Indexed")))
		indexed(v, spec, path);
	bool without = !sp_kv_has(spec, "completionMode") || sp_str_eq(mode, SP_STR("NonIndexed"));
	for (size_t i = 0; without && i < SP_LEN(per_index); i++) {
		if (sp_kv_has(spec, per_index[i]))
			sp_v_invalid(v, SP_AT_STR(path, sp_str_c(per_index[i])),
				     sp_kv_i64(spec, per_index[i], 0), "requires indexed completion mode");
	}
}

/* -- podFailurePolicy ----------------------------------------------------------------------------------- */

static bool has_container(yyjson_mut_val *spec, sp_str name)
{
	static const char *const lists[] = {"containers", "initContainers"};
	yyjson_mut_val *pod = sp_kv_path(spec, "template", "spec", NULL);
	for (size_t i = 0; i < SP_LEN(lists); i++) {
		SP_KV_EACH (container, k, sp_kv_list(pod, lists[i])) {
			if (sp_str_eq(sp_kv_str(container, "name"), name))
				return true;
		}
	}
	return false;
}

static void exit_values(sp_violations *v, yyjson_mut_val *codes, const sp_path *path)
{
	yyjson_mut_val *values = sp_kv_list(codes, "values");
	size_t n = sp_kv_len(values);
	bool ordered = true, in = sp_kv_is(codes, "operator", "In");
	if (n == 0)
		sp_v_invalid(v, path, values, "at least one value is required");
	else if (n > EXIT_CODES_MAX)
		sp_v_too_many(v, path, (int64_t)n, EXIT_CODES_MAX);
	SP_KV_EACH (item, i, values) {
		int64_t code = sp_kv_num(item, 0);
		size_t k = 0;
		bool seen = false;
		if (in && code == 0)
			sp_v_invalid(v, SP_AT_I(path, i), code, "must not be 0 for the In operator");
		/* over the limit there is an error already; this would be quadratic */
		for (yyjson_mut_val *was = yyjson_mut_arr_get_first(values); n <= EXIT_CODES_MAX && k < i;
		     was = was->next, k++) {
			seen = seen || sp_kv_num(was, 0) == code;
			ordered = ordered && (k + 1 < i || sp_kv_num(was, 0) <= code);
		}
		if (seen)
			sp_v_duplicate(v, SP_AT_I(path, i), code);
	}
	if (!ordered)
		sp_v_invalid(v, path, values, "must be ordered");
}

/* A text of a table: Required naming all of it when empty. */
static void one_of(sp_violations *v, const sp_path *path, sp_str s, const char *const *texts, size_t n)
{
	SP_AUTO_BUF list = {.len = 0};
	if (s.len > 0) {
		if (!sp_str_in(s, texts, n))
			sp_v_not_supported(v, path, sp_bad_named(s), texts, n);
		return;
	}
	sp_buf_init(&list, 1024);
	for (size_t i = 0; i < n; i++)
		(void)sp_buf_printf(&list, "%s\"%s\"", i > 0 ? " " : "", texts[i]);
	sp_str text = sp_buf_view(&list);
	sp_v_required(v, path, "valid values: [" SP_FMT "]", SP_ARG(text));
}

static void on_exit_codes(sp_violations *v, yyjson_mut_val *spec, yyjson_mut_val *codes, const sp_path *path)
{
	static const char *const operators[] = {"In", "NotIn"};
	sp_str name = sp_kv_str(codes, "containerName");
	one_of(v, SP_AT(path, "operator"), sp_kv_str(codes, "operator"), operators, SP_LEN(operators));
	if (sp_kv_has(codes, "containerName") && !has_container(spec, name))
		sp_v_invalid(v, SP_AT(path, "containerName"), name,
			     "must be one of the container or initContainer names in the pod template");
	exit_values(v, codes, SP_AT(path, "values"));
}

static void on_conditions(sp_violations *v, yyjson_mut_val *patterns, const sp_path *path)
{
	static const char *const statuses[] = {"False", "True", "Unknown"};
	if (sp_kv_len(patterns) > CONDITION_PATTERNS_MAX)
		sp_v_too_many(v, path, (int64_t)sp_kv_len(patterns), CONDITION_PATTERNS_MAX);
	SP_KV_EACH (pattern, i, patterns) {
		const sp_path *at = SP_AT_I(path, i);
		sp_v_qualified_name(v, SP_AT(at, "type"), sp_kv_str(pattern, "type"));
		one_of(v, SP_AT(at, "status"), sp_kv_str(pattern, "status"), statuses, SP_LEN(statuses));
	}
}

static void failure_rule(sp_violations *v, yyjson_mut_val *spec, yyjson_mut_val *rule, const sp_path *path)
{
	static const char *const actions[] = {"Count", "FailIndex", "FailJob", "Ignore"};
	sp_str action = sp_kv_str(rule, "action");
	yyjson_mut_val *codes = sp_kv_get(rule, "onExitCodes"),
		       *conditions = sp_kv_list(rule, "onPodConditions");
	if (!sp_str_eq(action, SP_STR("FailIndex")))
		one_of(v, SP_AT(path, "action"), action, actions, SP_LEN(actions));
	else if (!sp_kv_has(spec, "backoffLimitPerIndex"))
		sp_v_invalid(v, SP_AT(path, "action"), sp_bad_named(action),
			     "requires the backoffLimitPerIndex to be set");
	if (codes != NULL)
		on_exit_codes(v, spec, codes, SP_AT(path, "onExitCodes"));
	on_conditions(v, conditions, SP_AT(path, "onPodConditions"));
	if (codes != NULL && conditions != NULL)
		sp_v_invalid(v, path, sp_bad_omit(),
			     "specifying both OnExitCodes and OnPodConditions is not supported");
	if (codes == NULL && conditions == NULL)
		sp_v_invalid(v, path, sp_bad_omit(),
			     "specifying one of OnExitCodes and OnPodConditions is required");
}

static void failure_policy(sp_violations *v, yyjson_mut_val *spec, const sp_path *path)
{
	yyjson_mut_val *rules = sp_kv_list(sp_kv_get(spec, "podFailurePolicy"), "rules");
	if (sp_kv_len(rules) > RULES_MAX)
		sp_v_too_many(v, path, (int64_t)sp_kv_len(rules), RULES_MAX);
	SP_KV_EACH (rule, i, rules) {
		failure_rule(v, spec, rule, SP_AT_I(path, i));
	}
}

/* -- successPolicy -------------------------------------------------------------------------------------- */

static void success_rule(sp_violations *v, int64_t completions, yyjson_mut_val *rule, const sp_path *path)
{
	bool has_indexes = sp_kv_has(rule, "succeededIndexes"), has_count = sp_kv_has(rule, "succeededCount");
	sp_str indexes = sp_kv_str(rule, "succeededIndexes"), why;
	int64_t count = sp_kv_i64(rule, "succeededCount", 0), total = 0;
	const sp_path *at = SP_AT(path, "succeededIndexes"), *at_count = SP_AT(path, "succeededCount");
	if (!has_count && !has_indexes)
		sp_v_required(v, path,
			      "at least one of succeededCount or succeededIndexes must be specified");
	if (indexes.len > SUCCEEDED_INDEXES_BYTES_MAX)
		sp_v_too_long(v, at, SUCCEEDED_INDEXES_BYTES_MAX);
	if (!sp_job_indexes(v->arena, indexes, completions, &total, &why))
		sp_v_invalid(v, at, indexes, "error parsing succeededIndexes: " SP_FMT, SP_ARG(why));
	if (!has_count)
		return;
	sp_v_non_negative(v, at_count, count);
	if (count > completions)
		sp_v_invalid(v, at_count, count,
			     "must be less than or equal to %lld (the number of specified completions)",
			     (long long)completions);
	if (has_indexes && count > total)
		sp_v_invalid(v, at_count, count,
			     "must be less than or equal to %lld (the number of indexes in the specified "
			     "succeededIndexes field)",
			     (long long)total);
}

static void success_policy(sp_kind_ctx *c, yyjson_mut_val *spec, const sp_path *path)
{
	sp_violations *v = c->errors;
	yyjson_mut_val *policy = sp_kv_get(spec, "successPolicy"), *rules = sp_kv_list(policy, "rules");
	const sp_path *at = SP_AT(path, "rules");
	if (policy == NULL)
		return;
	if (!sp_kv_is(spec, "completionMode", "Indexed")) {
		sp_v_invalid(v, path, sp_bad_text(sp_go_struct(c->arena, &sp_go_success_policy, policy)),
			     "requires indexed completion mode");
		return;
	}
	if (rules == NULL)
		sp_v_required(v, at,
			      "at least one rules must be specified when the successPolicy is specified");
	if (sp_kv_len(rules) > RULES_MAX)
		sp_v_too_many(v, at, (int64_t)sp_kv_len(rules), RULES_MAX);
	SP_KV_EACH (rule, i, rules) {
		success_rule(v, sp_kv_i64(spec, "completions", 0), rule, SP_AT_I(at, i));
	}
}

/* -- all of it ------------------------------------------------------------------------------------------ */

static void replacement_policy(sp_violations *v, yyjson_mut_val *spec, const sp_path *path)
{
	static const char *const policies[] = {"Failed", "TerminatingOrFailed"};
	sp_str policy = sp_kv_str(spec, "podReplacementPolicy");
	size_t n = sp_kv_has(spec, "podFailurePolicy") ? 1 : SP_LEN(policies);
	if (sp_kv_has(spec, "podReplacementPolicy") && !sp_str_in(policy, policies, n))
		sp_v_not_supported(v, path, sp_bad_named(policy), policies, n);
}

static void restart_policy(sp_violations *v, yyjson_mut_val *spec, const sp_path *path)
{
	static const char *const policies[] = {"OnFailure", "Never"};
	sp_str policy = sp_kv_str(sp_kv_path(spec, "template", "spec", NULL), "restartPolicy");
	if (policy.len == 0 || sp_str_eq(policy, SP_STR("Always")))
		sp_v_required(v, path, "valid values: \"OnFailure\", \"Never\"");
	else if (!SP_STR_IN(policy, policies))
		sp_v_not_supported(v, path, sp_bad_named(policy), policies, SP_LEN(policies));
	else if (sp_kv_has(spec, "podFailurePolicy") && !sp_str_eq(policy, SP_STR("Never")))
		sp_v_invalid(v, path, sp_bad_named(policy),
			     "only \"Never\" is supported when podFailurePolicy is specified");
}

void sp_job_template_spec_validate(sp_kind_ctx *c, yyjson_mut_val *spec, const sp_path *path,
				   unsigned pod_options)
{
	static const char *const counts[] = {"parallelism",
					     "completions",
					     "activeDeadlineSeconds",
					     "backoffLimit",
					     "ttlSecondsAfterFinished",
					     "backoffLimitPerIndex",
					     "maxFailedIndexes"};
	sp_violations *v = c->errors;
	sp_str managed_by = sp_kv_str(spec, "managedBy");
	SP_V_COUNTS(v, path, spec, counts);
	if (sp_kv_has(spec, "maxFailedIndexes") && !sp_kv_has(spec, "backoffLimitPerIndex"))
		sp_v_required(v, SP_AT(path, "backoffLimitPerIndex"), "when maxFailedIndexes is specified");
	if (sp_kv_has(spec, "managedBy"))
		sp_v_domain_prefixed_path(v, SP_AT(path, "managedBy"), managed_by);
	if (managed_by.len > MANAGED_BY_BYTES_MAX)
		sp_v_too_long(v, SP_AT(path, "managedBy"), MANAGED_BY_BYTES_MAX);
	completion_mode(v, spec, path);
	failure_policy(v, spec, SP_AT(path, "podFailurePolicy.rules"));
	success_policy(c, spec, SP_AT(path, "successPolicy"));
	replacement_policy(v, spec, SP_AT(path, "podReplacementPolicy"));
	sp_pod_template_validate(c, sp_kv_get(spec, "template"), SP_AT(path, "template"), pod_options);
	restart_policy(v, spec, SP_AT(path, "template.spec.restartPolicy"));
}
