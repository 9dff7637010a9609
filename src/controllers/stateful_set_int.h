/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One sync of a StatefulSet: its history is brought up to date, its pods are put into slots (one per ordinal
 * that should be, and those that are too many), every slot is told what to do (stateful_set_decide.c, without
 * any call), then claims are written, then pods, then the status. Each write's event brings the next sync.
 * U: kubernetes pkg/controller/statefulset.
 */
#pragma once

#include "controllers/history.h"
#include "controllers/owned_pods.h"
#include "controllers/pods.h"

#define STS_POD_NAME "statefulset.kubernetes.io/pod-name"
#define STS_POD_INDEX "apps.kubernetes.io/pod-index"

typedef struct sts_view {
	sp_str deleted, policy, strategy, service, when_deleted, when_scaled;
	int64_t generation, replicas, min_ready_s, history, start, partition;
	bool has_replicas, has_history, has_start;
	yyjson_val *selector, *template_, *rolling, *max_unavailable;
	sp_vmap annotations;
	sp_vlist claims; /* volumeClaimTemplates */
	/* status */
	sp_str current, update;
	int64_t observed, n, n_ready, n_current, n_updated, n_available, collisions;
} sts_view;

/* ---- stateful_set_decide.c: what should be done ---- */

typedef enum sts_act { STS_KEEP, STS_CREATE, STS_DELETE, STS_FIX /* its labels of identity */ } sts_act;

/* A pod that is there, or should be. */
typedef struct sts_slot {
	int64_t ordinal;
	const ctl_pod *pod; /* NULL: there is none */
	sp_str name;
	sp_str revision; /* the pod's, or the one that it is to be made from */
	bool is_current; /* to be made from the current revision, not from the new one */
	bool is_stale;   /* a claim waits for its deletion with another pod of that name */
	bool owners_fit; /* claims have the owners that the retention policy asks for */
	bool has_identity;
	/* decided */
	bool claims, owners; /* claims are to be made when absent; their owners are to be set */
	sts_act act;
	/* of stateful_set_write.c */
	bool failed;
} sts_slot;

typedef struct sts_rules {
	bool is_going, is_parallel, on_delete;
	int64_t min_ready_s, now_s;
	int64_t partition;       /* lowest index that is updated */
	int64_t max_unavailable; /* 0: not asked for; then pods are updated one after the other */
	int64_t replicas;
	sp_str current, update; /* names of revisions */
} sts_rules;

typedef struct sts_counts {
	int64_t n, n_ready, n_available, n_current, n_updated;
	sp_str current;
	int64_t wait_s; /* until a pod is available; 0: none waits */
} sts_counts;

/* "web-3" of "web" is 3; -1 when the name is no pod's of that set. */
int64_t sts_ordinal(sp_str set, sp_str pod);
/* Whether a pod that is to be made gets the current revision. */
bool sts_is_made_from_current(const sts_view *v, int64_t ordinal);
/* `replicas` by ordinal, `condemned` from the highest ordinal down. */
void sts_decide(const sts_rules *r, sts_slot *replicas, size_t n, sts_slot *condemned, size_t n_condemned,
		sts_counts *ret);

/* ---- stateful_set_claims.c: claims of volumes ---- */

extern const sp_view_desc *const sts_claim_view;

/* Owners of a claim as they stand in it, and those it should have. */
typedef struct sts_claim_rule {
	bool when_deleted, when_scaled;              /* Delete */
	bool is_scaled_down;                         /* the pod is one too many */
	sp_str set_name, set_uid, pod_name, pod_uid; /* pod_uid empty: the pod is not made yet */
} sts_claim_rule;

bool sts_claim_is_stale(sp_vlist owners, sp_str pod_name, sp_str pod_uid);
bool sts_claim_owners_fit(sp_vlist owners, const sts_claim_rule *r);
/* Another controller has it: the policy cannot hold. */
bool sts_claim_has_other_controller(sp_vlist owners, const sts_claim_rule *r);
/* "[…]" as they should be. Errors: those of the buffer. */
sp_code sts_claim_owners(sp_buf *out, sp_vlist owners, const sts_claim_rule *r);

/* ---- the sync ---- */

typedef struct sts_controller {
	controller base;
	sp_informer *sets, *pods, *claims;
	unsigned pods_by_owner, pod_orphans;
	sp_informer_watch watch;
	owned_pods owned;
	revisions revisions;
} sts_controller;

/* A claim to be made or to get other owners. */
typedef struct sts_claim_write {
	sts_slot *slot;
	sp_str name, body;
	bool create;
} sts_claim_write;

typedef struct sts_run {
	sts_controller *c;
	sp_job *job;
	const sp_object *object;
	sts_view view;
	int64_t replicas;
	sp_selector selector;
	history history;
	claim claim;
	ctl_pod *pods;
	size_t n_pods;
	sts_slot *slots, *condemned; /* one list, first those that should be */
	size_t n_slots, n_condemned;
	const ctl_revision *current; /* NULL: the set is going */
	sts_counts counts;
	sts_claim_write *claim_writes;
	size_t n_claim_writes;
	sts_slot **pod_writes;
	size_t n_pod_writes;
	fan fan;
	sp_call call;
	sp_code code;
	sp_err err;
} sts_run;

/* Fills is_stale and owners_fit of a slot. */
sp_code sts_look_at_claims(sts_run *x, sts_slot *s, sp_err *err) SP_MUST_USE;
/* Lists what the slots ask for. */
sp_code sts_list_claim_writes(sts_run *x, sp_err *err) SP_MUST_USE;
sp_code sts_ask_claim(fan *f, size_t i, sp_ask *q, sp_err *err);
sp_code sts_on_claim(fan *f, size_t i, const sp_answer *a);
/* The name of a slot's claim, by its template, in the arena. */
sp_str sts_claim_name(const sts_run *x, yyjson_val *template_, const sts_slot *s);

/* The pod of a slot. */
sp_code sts_pod_body(sts_run *x, const sts_slot *s, sp_str *ret, sp_err *err) SP_MUST_USE;
/* Everything that was decided, then the status; ends the sync. */
void sts_write(sts_run *x);
void sts_event(sts_run *x, const char *verb, const sts_slot *s, sp_str pvc, sp_str failure);
void sts_end(sts_run *x, sp_code code, const sp_err *err);
