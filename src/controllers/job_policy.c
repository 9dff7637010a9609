/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a failed pod means to its job (spec.podFailurePolicy), and when enough indexes have succeeded
 * (spec.successPolicy). U: kubernetes pkg/controller/job/pod_failure_policy.go, success_policy.go.
 */
#include "controllers/job_int.h"

static const struct {
	const char *name;
	job_action action;
} actions[] = {{"Ignore", JOB_IGNORE},
	       {"Count", JOB_COUNT},
	       {"FailIndex", JOB_FAIL_INDEX},
	       {"FailJob", JOB_FAIL_JOB}};

static sp_str member(yyjson_val *object, const char *name)
{
	return sp_json_str(sp_json_last(object, sp_str_c(name)));
}

/* A rule whose action is not known, or means nothing to this job, does not speak. */
static job_action action_of(const job_run *x, yyjson_val *rule)
{
	sp_str name = member(rule, "action");
	for (size_t i = 0; i < SP_LEN(actions); i++) {
		if (sp_str_eq(name, sp_str_c(actions[i].name)))
			return actions[i].action == JOB_FAIL_INDEX && !x->view.has_index_limit
				       ? JOB_NO_RULE
				       : actions[i].action;
	}
	return JOB_NO_RULE;
}

static bool has_number(yyjson_val *list, int64_t n)
{
	size_t i, len;
	yyjson_val *v;
	yyjson_arr_foreach(list, i, len, v)
	{
		if (yyjson_get_sint(v) == n)
			return true;
	}
	return false;
}

/* The container that ended as the rule says; NULL: none did. */
static yyjson_val *find_container(sp_vlist statuses, yyjson_val *wanted)
{
	sp_str name = member(wanted, "containerName");
	bool in = sp_str_eq(member(wanted, "operator"), SP_STR("In"));
	SP_VLIST_FOREACH(v, statuses)
	{
		yyjson_val *end = sp_json_last(sp_json_last(v, SP_STR("state")), SP_STR("terminated"));
		int64_t code = yyjson_get_sint(sp_json_last(end, SP_STR("exitCode")));
		if (end == NULL || code == 0 || (name.len > 0 && !sp_str_eq(name, member(v, "name"))))
			continue;
		if (has_number(sp_json_last(wanted, SP_STR("values")), code) == in)
			return v;
	}
	return NULL;
}

static yyjson_val *find_condition(sp_vlist conditions, yyjson_val *patterns)
{
	size_t i, len;
	yyjson_val *pattern;
	yyjson_arr_foreach(patterns, i, len, pattern)
	{
		sp_str status = member(pattern, "status");
		SP_VLIST_FOREACH(v, conditions)
		{
			if (sp_str_eq(member(v, "type"), member(pattern, "type")) &&
			    sp_str_eq(member(v, "status"), status.len > 0 ? status : SP_STR("True")))
				return v;
		}
	}
	return NULL;
}

static sp_str say_container(const job_run *x, const job_pod *p, yyjson_val *status, unsigned rule)
{
	yyjson_val *end = sp_json_last(sp_json_last(status, SP_STR("state")), SP_STR("terminated"));
	return sp_arena_printf(x->job->arena,
			       "Container " SP_FMT " for pod " SP_FMT "/" SP_FMT
			       " failed with exit code %lld matching FailJob rule at index %u",
			       SP_ARG(member(status, "name")), SP_ARG(p->pod.object->ns),
			       SP_ARG(p->pod.object->name),
			       (long long)yyjson_get_sint(sp_json_last(end, SP_STR("exitCode"))), rule);
}

static sp_str say_condition(const job_run *x, const job_pod *p, yyjson_val *condition, unsigned rule)
{
	return sp_arena_printf(x->job->arena,
			       "Pod " SP_FMT "/" SP_FMT " has condition " SP_FMT
			       " matching FailJob rule at index %u",
			       SP_ARG(p->pod.object->ns), SP_ARG(p->pod.object->name),
			       SP_ARG(member(condition, "type")), rule);
}

job_action job_policy_of(const job_run *x, const job_pod *p, sp_str *ret_message)
{
	unsigned i = 0;
	SP_VLIST_FOREACH(rule, x->view.failure_rules)
	{
		job_action action = action_of(x, rule);
		yyjson_val *codes = sp_json_last(rule, SP_STR("onExitCodes")), *container = NULL,
			   *condition = NULL;
		if (codes != NULL) {
			container = find_container(p->pod.containers, codes);
			if (container == NULL)
				container = find_container(p->init_containers, codes);
		} else {
			condition = find_condition(p->pod.conditions,
						   sp_json_last(rule, SP_STR("onPodConditions")));
		}
		if (action != JOB_NO_RULE && (container != NULL || condition != NULL)) {
			if (ret_message != NULL && action == JOB_FAIL_JOB)
				*ret_message = container != NULL ? say_container(x, p, container, i)
								 : say_condition(x, p, condition, i);
			return action;
		}
		i++;
	}
	return JOB_NO_RULE;
}

bool job_policy_counts(const job_run *x, const job_pod *p)
{
	return job_policy_of(x, p, NULL) != JOB_IGNORE;
}

sp_str job_policy_fails(const job_run *x)
{
	sp_str message = SP_STR("");
	if (x->view.failure_rules.n == 0)
		return message;
	for (size_t i = 0; i < x->n_pods && message.len == 0; i++) {
		if (x->pods[i].failed)
			(void)job_policy_of(x, &x->pods[i], &message); /* the message is the answer */
	}
	return message;
}

/* ---- success ---- */

/* How many indexes are listed, and how many of them have succeeded. */
static bool count_listed(const job_run *x, sp_str text, int64_t *ret_listed, int64_t *ret_done)
{
	bool *listed = sp_try_new(x->job->arena, bool, (size_t)x->view.completions + 1);
	*ret_listed = *ret_done = 0;
	if (listed == NULL)
		return false;
	job_index_read(x, text, listed);
	for (int64_t i = 0; i < x->view.completions; i++) {
		*ret_listed += listed[i];
		*ret_done += listed[i] && x->done_indexes[i];
	}
	return true;
}

static bool is_met(const job_run *x, yyjson_val *rule)
{
	sp_str indexes = member(rule, "succeededIndexes");
	yyjson_val *count = sp_json_last(rule, SP_STR("succeededCount"));
	int64_t listed = x->view.completions, done = x->succeeded;
	if (indexes.len > 0 && !count_listed(x, indexes, &listed, &done))
		return false;
	return count != NULL ? done >= yyjson_get_sint(count) : indexes.len > 0 && done >= listed;
}

sp_str job_policy_succeeds(const job_run *x)
{
	unsigned i = 0;
	if (!x->indexed)
		return SP_STR("");
	SP_VLIST_FOREACH(rule, x->view.success_rules)
	{
		if (is_met(x, rule))
			return sp_arena_printf(x->job->arena, "Matched rules at index %u", i);
		i++;
	}
	return SP_STR("");
}
