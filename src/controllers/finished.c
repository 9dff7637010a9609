/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs with ttlSecondsAfterFinished go that long after their end. U: kubernetes
 * pkg/controller/ttlafterfinished. */
#include "controllers/deletion.h"
#include "controllers/table.h"

#define NS_PER_S UINT64_C(1000000000)

typedef struct ttl_view {
	sp_str deleted;
	int64_t ttl_s;
	bool has_ttl_s;
	sp_vlist conditions;
} ttl_view;
SP_VIEW(ttl_view_desc, ttl_view, "batch/v1/Job", SP_V(ttl_view, deleted, "metadata.deletionTimestamp"),
	SP_VH(ttl_view, ttl_s, "spec.ttlSecondsAfterFinished"),
	SP_V(ttl_view, conditions, "status.conditions"));

typedef struct ttl_controller {
	controller base;
	sp_informer *jobs;
	sp_informer_watch watch;
} ttl_controller;

/* Seconds since 1970 at which it was over; 0: it is not. */
static int64_t finished_s(sp_vlist conditions)
{
	ctl_conditions c;
	const char *const types[] = {"Complete", "Failed"};
	ctl_conditions_read(conditions, &c);
	for (size_t i = 0; i < SP_LEN(types); i++) {
		const ctl_condition *v = ctl_condition_find(&c, types[i]);
		if (v != NULL && sp_str_eq(v->status, SP_STR("True")))
			return ctl_seconds(v->transition);
	}
	return 0;
}

static void sync_job(controller *base, sp_job *job)
{
	ttl_controller *c = SP_CONTAINER_OF(base, ttl_controller, base);
	const sp_object *o = sp_informer_get(c->jobs, job->key);
	ttl_view v;
	if (o == NULL || sp_view(job->arena, o->json, &ttl_view_desc, &v, NULL) != SP_OK || !v.has_ttl_s ||
	    v.deleted.len > 0 || finished_s(v.conditions) == 0) {
		sp_job_done(job, SP_OK);
		return;
	}
	int64_t left = finished_s(v.conditions) + v.ttl_s - ctl_now_s(base->world);
	if (left > 0) {
		sp_job_again(job, (uint64_t)left * NS_PER_S);
		return;
	}
	ctl_delete(base->client, job, SP_JOBS, o, &(sp_delete_opts){.propagation = SP_STR("Foreground")});
}

static sp_code open_ttl(controller *base, sp_err *err)
{
	ttl_controller *c = SP_CONTAINER_OF(base, ttl_controller, base);
	SP_TRY(controller_follow(base, SP_JOBS, &ttl_view_desc, &c->jobs, err));
	controller_watch(c->jobs, &c->watch, controller_enqueue, base);
	return SP_OK;
}

const controller_type controller_ttl_finished = {.name = "ttl-after-finished-controller",
						 .size_bytes = sizeof(ttl_controller),
						 .open = open_ttl,
						 .sync = sync_job};
