/* SPDX-License-Identifier: Apache-2.0 */
/* Deletions of an object as a cache has it, and of no other one that has got its name since. */
#pragma once

#include "controllers/common.h"

/* Fills q's verb, resource, namespace, name and body, which stays in the arena; `more`
 * (NULL: nothing) beside the object's uid. SP_ENOMEM. */
sp_code ctl_deletion(sp_arena *a, sp_gvr gvr, const sp_object *o, const sp_delete_opts *more, sp_ask *q,
		     sp_err *err) SP_MUST_USE;
/* What such a deletion (without a revision) is answered with when the object is gone, now or before. */
bool ctl_is_deleted(const sp_answer *a);

/* All that a job has to do: the object is deleted, and the job is done with the answer. */
void ctl_delete(sp_client *c, sp_job *job, sp_gvr gvr, const sp_object *o, const sp_delete_opts *more);

/* A pod that has to leave its node. In place until the job is done. */
typedef struct ctl_eviction {
	sp_client *client;
	sp_job *job;
	const sp_object *pod; /* held by the caller */
	sp_call call;
} ctl_eviction;

/* Its condition DisruptionTarget says why (`reason` and `message` need no escapes in JSON; `now` as ctl_now),
 * then it is deleted, and the job is done with the answer; gone already is SP_OK. U: kubernetes
 * pkg/controller/tainteviction addConditionAndDeletePod. */
void ctl_evict(ctl_eviction *e, sp_str now, const char *reason, const char *message);
