/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The quota controller: the usage of each ResourceQuota, counted anew from what there is. Only kinds that
 * some quota limits are followed, so a cluster without quotas pays nothing; of kinds that are only counted
 * the cache holds no more than names. U: kubernetes pkg/controller/resourcequota.
 */
#pragma once

#include "client/discover.h"
#include "controllers/common.h"
#include "kube/kinds/quota_usage.h"

/* A kind that some quota limits. */
typedef struct quota_kind {
	struct quotas *q;
	sp_group_resource gr; /* texts in this allocation's arena */
	sp_gvr gvr;           /* without a version while nobody knows where it is served */
	const sp_quota_evaluator *evaluator;
	sp_informer *informer; /* NULL as long */
	unsigned by_namespace;
	sp_informer_watch watch;
	sp_arena arena;
	bool is_needed; /* of the last look at all quotas */
} quota_kind;

typedef struct quotas {
	controller base;
	sp_informer *all; /* the quotas */
	unsigned by_namespace;
	sp_informer_watch watch;
	sp_informers *set; /* of the kinds */
	quota_kind **kinds;
	size_t n_kinds, cap;
	sp_discover discover;
	sp_timer timer; /* of the next discovery, while a kind is not found */
	bool has_less;  /* a quota is gone or limits less: kinds may be let go */
} quotas;

sp_code quota_kinds_open(quotas *q, sp_err *err) SP_MUST_USE;
void quota_kinds_done(quotas *q);
/* Follows whatever these limits are about, and lets go what no quota needs any more. SP_ENOMEM. Not from
 * inside a handler. */
sp_code quota_kinds_need(quotas *q, yyjson_mut_val *hard, sp_err *err) SP_MUST_USE;

/* Whether a limit of spec.hard is about that kind. */
bool quota_kind_is_limited(const quota_kind *k, const sp_quota_ctx *x, yyjson_mut_val *hard);
/* The trees of a cached object; NULL: no room. */
yyjson_mut_val *quota_parse(sp_arena *a, const sp_object *o);
/* All quotas are looked at. */
void quota_wake_all(quotas *q);
