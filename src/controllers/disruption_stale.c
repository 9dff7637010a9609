/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pods marked for an eviction that did not come: after two minutes the condition DisruptionTarget is no
 * longer true. Those that the kubelet itself ends may take as long as they like.
 */
#include <string.h>

#include "base/num.h"
#include "controllers/disruption_int.h"

#define NS_PER_S UINT64_C(1000000000)
#define STALE_S 120
#define BODY_BYTES_MAX ((size_t)4096)

typedef struct stale_run {
	sp_job *job;
	sp_call call;
} stale_run;

/* Seconds until the mark is stale (0: it is); false: there is none that could be. */
static bool stale_after(const disruptions *d, const ctl_pod *p, int64_t *ret_s)
{
	ctl_conditions all;
	if (!ctl_pod_is_active(p))
		return false;
	ctl_conditions_read(p->conditions, &all);
	const ctl_condition *c = ctl_condition_find(&all, "DisruptionTarget");
	if (c == NULL || !sp_str_eq(c->status, SP_STR("True")) ||
	    sp_str_eq(c->reason, SP_STR("TerminationByKubelet")))
		return false;
	int64_t left = ctl_seconds(c->transition) + STALE_S - ctl_now_s(d->base.world);
	*ret_s = SP_MAX(left, 0);
	return true;
}

void stale_pod_enqueue(disruptions *d, const ctl_pod *p)
{
	char key[SP_OBJECT_KEY_BYTES + 1];
	int64_t after_s;
	sp_str name = p->object->key;
	if (name.len >= SP_OBJECT_KEY_BYTES || !stale_after(d, p, &after_s))
		return;
	key[0] = STALE_MARK[0];
	memcpy(key + 1, name.ptr, name.len);
	sp_queue_add_after(d->base.queue, (sp_str){key, name.len + 1}, (uint64_t)after_s * NS_PER_S);
}

static void on_written(sp_call *c, const sp_answer *a)
{
	const stale_run *x = c->arg;
	sp_job_done(x->job, a->code == SP_ENOTFOUND ? SP_OK : a->code);
}

static void write_condition(const disruptions *d, sp_job *job, const sp_object *pod)
{
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	sp_jout j = sp_jout_to(&body);
	ctl_status_open(&j, pod);
	sp_jout_member_open(&j, SP_STR("conditions"), '[');
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, SP_STR("type"), SP_STR("DisruptionTarget"));
	sp_jout_member_str(&j, SP_STR("status"), SP_STR("False"));
	sp_jout_member_str(&j, SP_STR("lastTransitionTime"), ctl_now(d->base.world, job->arena));
	sp_jout_key(&j, SP_STR("reason"));
	sp_jout_null(&j);
	sp_jout_key(&j, SP_STR("message"));
	sp_jout_null(&j);
	sp_jout_close(&j, '}');
	sp_jout_close(&j, ']');
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	stale_run *x = sp_new(job->arena, stale_run, 1);
	*x = (stale_run){.job = job, .call = {.done = on_written, .arg = x}};
	sp_call_start(d->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_STRATEGIC_PATCH,
				.gvr = SP_PODS,
				.ns = pod->ns,
				.name = pod->name,
				.subresource = SP_STR("status"),
				.body = sp_buf_view(&body)});
}

void stale_pod_sync(disruptions *d, sp_job *job, sp_str key)
{
	const sp_object *o = sp_informer_get(d->pods, key);
	ctl_pod p;
	int64_t after_s = 0;
	if (o == NULL || ctl_pod_read(job->arena, o, &p, NULL) != SP_OK || !stale_after(d, &p, &after_s))
		sp_job_done(job, SP_OK);
	else if (after_s > 0)
		sp_job_again(job, (uint64_t)after_s * NS_PER_S);
	else
		write_condition(d, job, o);
}
