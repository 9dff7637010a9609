/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_out.h"
#include "scheduler/config.h"
#include "scheduler/plugins/plugins.h"

static bool filters(const sched_profile *p, size_t id)
{
	return p->filters[id] && (sched_plugins[id]->filter != NULL || sched_plugins[id]->prefilter != NULL);
}

static bool scores(const sched_profile *p, size_t id)
{
	return p->scores[id];
}

static void print_set(sp_jout *j, const char *point, const sched_profile *p,
		      bool (*has)(const sched_profile *p, size_t id))
{
	sp_jout_member_open(j, sp_str_c(point), '{');
	sp_jout_member_open(j, SP_STR("enabled"), '[');
	for (size_t id = 0; id < SCHED_PLUGINS_; id++) {
		if (!has(p, id))
			continue;
		sp_jout_open(j, '{');
		sp_jout_member_str(j, SP_STR("name"), sp_str_c(sched_plugins[id]->name));
		if (has == scores)
			sp_jout_member_i64(j, SP_STR("weight"), p->weights[id]);
		sp_jout_close(j, '}');
	}
	sp_jout_close(j, ']');
	sp_jout_close(j, '}');
}

static void print_profile(sp_jout *j, const sched_profile *p)
{
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("schedulerName"), p->scheduler_name);
	sp_jout_member_open(j, SP_STR("plugins"), '{');
	print_set(j, "filter", p, filters);
	print_set(j, "score", p, scores);
	sp_jout_close(j, '}');
	sp_jout_close(j, '}');
}

void sched_config_print(const sched_config *c, sp_buf *out)
{
	sp_jout j = sp_jout_to(out);
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, SP_STR("apiVersion"), SP_STR("kubescheduler.config.k8s.io/v1"));
	sp_jout_member_str(&j, SP_STR("kind"), SP_STR("KubeSchedulerConfiguration"));
	sp_jout_member_i64(&j, SP_STR("podInitialBackoffSeconds"),
			   (int64_t)(c->initial_backoff_ns / UINT64_C(1000000000)));
	sp_jout_member_i64(&j, SP_STR("podMaxBackoffSeconds"),
			   (int64_t)(c->max_backoff_ns / UINT64_C(1000000000)));
	sp_jout_member_open(&j, SP_STR("profiles"), '[');
	for (size_t i = 0; i < c->n_profiles; i++)
		print_profile(&j, &c->profiles[i]);
	sp_jout_close(&j, ']');
	sp_jout_close(&j, '}');
}
