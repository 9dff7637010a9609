/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of pods, for controllers that own pods and expect what they made or deleted: the owner is looked at
 * again, and what was expected is noted. A new orphan wakes every owner of its namespace, who then sees
 * whether its selector matches. U: the pod handlers of kubernetes
 * pkg/controller/{replicaset,daemon,statefulset}.
 */
#pragma once

#include "client/expect.h"
#include "controllers/common.h"
#include "controllers/deletion.h"

typedef struct owned_pods {
	controller *c;
	const char *api_version, *kind; /* of the owners */
	sp_informer *owners;
	unsigned by_namespace; /* index of the owners */
	sp_expect expect;      /* by the owner's key */
	sp_informer_watch watch;
} owned_pods;

/* The first of all, so that done is always right. */
void owned_pods_init(owned_pods *o, controller *c, const char *api_version, const char *kind);
/* `pods` keeps ctl_pod_view. In open, when the owners are followed already. */
sp_code owned_pods_follow(owned_pods *o, sp_informer *owners, sp_informer *pods, sp_err *err) SP_MUST_USE;
void owned_pods_done(owned_pods *o);

/* What came of a pod that the job's owner was to get or lose: it is told of by an event about the owner, and
 * what will not be seen any more is not waited for. SP_OK also when it is of no use to try again. */
sp_code owned_pod_created(owned_pods *o, const sp_job *job, const sp_event_ref *owner,
			  const sp_answer *a) SP_MUST_USE;
sp_code owned_pod_deleted(owned_pods *o, const sp_job *job, const sp_event_ref *owner, const sp_object *pod,
			  const sp_answer *a) SP_MUST_USE;
