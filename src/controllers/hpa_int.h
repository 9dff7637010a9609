/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Horizontal autoscalers: how many replicas a target should have, by what its pods use. U: kubernetes
 * pkg/controller/podautoscaler.
 */
#pragma once

#include "base/map.h"
#include "client/discover.h"
#include "controllers/common.h"
#include "controllers/hpa_calc.h"
#include "controllers/hpa_kinds.h"
#include "controllers/hpa_limits.h"

/* What is remembered of one autoscaler between its syncs. */
typedef struct hpa_memory {
	sp_str key; /* heap */
	hpa_past past;
	sp_arena arena; /* of the selector */
	sp_selector selector;
	bool has_selector;
} hpa_memory;

typedef struct hpas {
	controller base;
	sp_informer *autoscalers, *pods;
	unsigned pods_by_namespace;
	sp_informer_watch watch;
	sp_map memories; /* by key */
	hpa_kinds kinds;
	const char *custom_version; /* of custom.metrics.k8s.io, as the server told at that time; or NULL */
	uint64_t custom_ns;
	/* of the command line */
	uint64_t period_ns;
	int32_t downscale_window_s;
	double tolerance;
	int64_t cpu_initialization_ns, readiness_delay_ns;
} hpas;

typedef struct hpa_view {
	sp_str kind, name, api_version; /* of the target */
	int64_t least, most;
	bool has_least;
	sp_vlist metrics, conditions;
	yyjson_val *behavior, *status;
	sp_str last_scale;
	int64_t status_desired;
} hpa_view;

/* What became of one metric. */
typedef struct hpa_metric {
	bool failed;
	int32_t replicas;
	sp_str name;           /* in messages */
	sp_str status;         /* JSON of its MetricStatus */
	const char *reason;    /* failed: of the condition and the event */
	sp_str inner, message; /* why: of those two, and of the whole */
} hpa_metric;

typedef struct hpa_run hpa_run;

struct hpa_run {
	hpas *h;
	sp_job *job;
	sp_arena *arena; /* the job's */
	const sp_object *o;
	hpa_view v;
	hpa_memory *memory;
	ctl_conditions conditions;
	sp_call call;
	sp_discover discover;
	int64_t now_ns; /* wall clock */

	/* the target */
	sp_gvr target;
	sp_str scale; /* JSON */
	int32_t current, status_replicas;
	sp_str selector_text;
	sp_selector selector;

	/* its pods */
	hpa_pod *pods;
	yyjson_val **pod_trees;
	size_t n_pods;

	/* metrics, one after the other */
	yyjson_val **specs;
	hpa_metric *metrics;
	size_t n_metrics, i_metric;
	void (*resolved)(hpa_run *x, const sp_gvr *gvr, sp_str why); /* of hpa_resolve */
	sp_str resolving_group, resolving_kind;

	/* what comes of it */
	bool has_statuses; /* of metrics */
	int32_t desired;
	sp_str rescale_reason;
	bool rescaled;
	unsigned n_tries;
};

/* ---- hpa.c ---- */

/* The resource of a kind. `then` gets NULL and why when there is none; now or later. */
void hpa_resolve(hpa_run *x, sp_str group, sp_str kind,
		 void (*then)(hpa_run *x, const sp_gvr *gvr, sp_str why));
/* What a failed request means, in client-go's words. */
sp_str hpa_why(const hpa_run *x, const sp_answer *a, const char *verb, sp_str resource);
void hpa_event(const hpa_run *x, bool is_warning, const char *reason, sp_str message);
void hpa_condition(hpa_run *x, const char *type, bool is_true, const char *reason, sp_str message);

/* ---- hpa_pods.c: the pods of the selector ---- */

SP_MUST_USE sp_code hpa_pods_read(hpa_run *x, sp_err *err);
/* What they ask for of a resource, of one container or (empty) all; into the pods. SP_EINVAL with upstream's
 * text. */
SP_MUST_USE sp_code hpa_pods_requests(hpa_run *x, sp_str container, sp_str resource, sp_err *err);
/* Other autoscalers that select one of these pods: an error of upstream's, or empty. */
sp_str hpa_ambiguity(hpa_run *x);
sp_code hpa_keep_selector(hpa_run *x);
extern const sp_view_desc *const hpa_pod_view;

/* ---- hpa_metric.c: one metric of the spec, x->i_metric ---- */

/* hpa_metric_done comes, now or later. */
void hpa_metric_start(hpa_run *x);
void hpa_metric_done(hpa_run *x); /* hpa.c */

/* ---- hpa_fetch.c: what the metrics APIs say ---- */

typedef struct hpa_fetched {
	hpa_sample *samples; /* by pod; or values without names */
	size_t n;
} hpa_fetched;
/* `then` gets the values or why there are none; now or later. */
typedef void hpa_fetched_fn(hpa_run *x, const hpa_fetched *f, sp_str why);
void hpa_fetch_resource(hpa_run *x, sp_str resource, sp_str container, hpa_fetched_fn *then);
void hpa_fetch_pods(hpa_run *x, sp_str metric, yyjson_val *selector, hpa_fetched_fn *then);
void hpa_fetch_object(hpa_run *x, yyjson_val *object, sp_str metric, yyjson_val *selector,
		      hpa_fetched_fn *then);
void hpa_fetch_external(hpa_run *x, sp_str metric, yyjson_val *selector, hpa_fetched_fn *then);

/* ---- hpa_status.c ---- */

/* The new status is written when it differs; then the job ends. */
void hpa_status_write(hpa_run *x);
/* Go's text of a *metav1.LabelSelector, NULL: none. */
sp_str hpa_selector_text(sp_arena *a, yyjson_val *selector);
/* Thousandths as a quantity. */
sp_str hpa_amount_text(sp_arena *a, int64_t milli, bool binary);
