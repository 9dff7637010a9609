/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the replicas that metrics ask for to those that are wanted: what was recommended lately, how fast a
 * target may grow and shrink, and the ends of its range. Pure; times are of a clock that only goes forward.
 * U: kubernetes pkg/controller/podautoscaler/horizontal.go, normalizeDesiredReplicas….
 */
#pragma once

#include "base/err.h"

typedef struct hpa_moment {
	int32_t replicas; /* recommended; or by how many the target was changed */
	int64_t at_ns;
} hpa_moment;

/* Moments that count no more are used again; beyond HPA_MOMENTS_MAX the oldest one is. */
#define HPA_MOMENTS_MAX 1024u
typedef struct hpa_moments {
	hpa_moment *items; /* heap */
	size_t n, cap;
} hpa_moments;

/* What is remembered of one autoscaler. */
typedef struct hpa_past {
	hpa_moments recommended, grown, shrunk;
} hpa_past;
void hpa_past_done(hpa_past *p);

typedef enum hpa_select { HPA_SELECT_MAX, HPA_SELECT_MIN, HPA_SELECT_DISABLED } hpa_select;

typedef struct hpa_policy {
	bool is_percent; /* else pods */
	int32_t value, period_s;
} hpa_policy;

#define HPA_POLICIES_MAX 16u
typedef struct hpa_rules {
	hpa_select select;
	int32_t window_s; /* of stabilization */
	hpa_policy policies[HPA_POLICIES_MAX];
	size_t n;
} hpa_rules;

typedef struct hpa_bounds {
	int64_t now_ns;
	int32_t least, most; /* replicas */
	int32_t current;
	bool has_behavior;
	hpa_rules up, down; /* with behavior */
	int32_t window_s;   /* of stabilization, without */
} hpa_bounds;

/* Reasons and messages of conditions; constants. */
typedef struct hpa_limited {
	int32_t replicas;
	const char *able_reason, *able_message; /* AbleToScale, which is True */
	bool is_limited;                        /* ScalingLimited */
	const char *reason, *message;
} hpa_limited;

/* The first recommendation, when there is none. */
void hpa_past_begin(hpa_past *p, int32_t current, int64_t now_ns);
/* Remembers `wanted` and gives what comes of it. */
hpa_limited hpa_limit(hpa_past *p, const hpa_bounds *b, int32_t wanted);
/* The target was changed. */
void hpa_past_scaled(hpa_past *p, const hpa_bounds *b, int32_t from, int32_t to);
