/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims on devices: what of them is shared between the looks at a pod (resource_claim_pod.c) and at a claim
 * (resource_claim_use.c). Both kinds of keys stand in one queue, "pod:NS/NAME" and "claim:NS/NAME".
 * U: kubernetes pkg/controller/resourceclaim.
 */
#pragma once

#include "base/map.h"
#include "controllers/common.h"
#include "controllers/table.h"

#define RC_CLAIMS SP_GVR("resource.k8s.io", "v1", "resourceclaims")
#define RC_TEMPLATES SP_GVR("resource.k8s.io", "v1", "resourceclaimtemplates")
#define RC_FINALIZER "resource.kubernetes.io/delete-protection"
#define RC_ANNOTATION "resource.kubernetes.io/pod-claim-name"
#define RC_BODY_BYTES_MAX ((size_t)2 << 20)

typedef struct rc_pod {
	sp_str node, deleted, phase;
	sp_str extended;           /* the claim that the scheduler made for extended resources */
	sp_vlist claims, statuses; /* spec.resourceClaims, status.resourceClaimStatuses */
} rc_pod;
extern const sp_view_desc *const rc_pod_view;

typedef struct rc_claim {
	sp_str deleted;
	sp_vlist finalizers, owners, reserved;
	sp_vmap annotations;
	yyjson_val *allocation; /* NULL: it has none */
} rc_claim;
extern const sp_view_desc *const rc_claim_view;

typedef struct resource_claims {
	controller base;
	sp_informer *pods, *claims, *templates;
	unsigned pods_by_claim, pods_by_template, claims_by_owner;
	sp_informer_watch pod_watch, claim_watch, template_watch;
	sp_map made; /* by pod and name in the pod: claims that were made and that the cache has not shown yet
		      */
} resource_claims;

/* The claim that an entry of a pod's spec.resourceClaims stands for. */
typedef struct rc_name {
	sp_str name;     /* empty: not made yet, or none is needed */
	bool is_settled; /* false: not made yet */
	bool is_made;    /* from a template: it has to be owned by the pod */
} rc_name;
rc_name rc_name_of(const rc_pod *pod, yyjson_val *entry);

/* An index of pods by the keys of their claims. */
sp_index_fn rc_index_pods;

/* None of its containers runs or ever will. */
bool rc_is_over(const rc_pod *pod);
bool rc_has_finalizer(const rc_claim *claim);

/* Notes a claim just made for an entry of the pod with that uid; without memory a second one may be made,
 * which goes with the pod. */
void rc_made_note(resource_claims *c, sp_arena *a, sp_str uid, sp_str entry, const sp_object *claim);
/* Its name, in the arena, while the cache has not come so far; empty: none was made. */
sp_str rc_made_name(resource_claims *c, sp_arena *a, sp_str uid, sp_str entry);

/* End the job. `o` is held by its arena. */
void rc_sync_pod(resource_claims *c, sp_job *job, const sp_object *o);
void rc_sync_claim(resource_claims *c, sp_job *job, const sp_object *o);
