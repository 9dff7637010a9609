/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a component counts about itself, and the text that Prometheus scrapes. A family is a row of a constant
 * table; a series comes into being when it is first counted. There is a ceiling of series: what would make
 * more is not counted, and how often that was is a series of its own.
 */
#pragma once

#include "base/buf.h"

#define SP_METRIC_LABELS_MAX 9u
#define SP_METRIC_BOUNDS_MAX 24u

typedef enum sp_metric_type { SP_METRIC_COUNTER, SP_METRIC_GAUGE, SP_METRIC_HISTOGRAM } sp_metric_type;

typedef struct sp_metric_bounds {
	double at[SP_METRIC_BOUNDS_MAX]; /* ascending */
	size_t n;
} sp_metric_bounds;

typedef struct sp_metric_family {
	const char *name, *help;
	sp_metric_type type;
	const char *labels[SP_METRIC_LABELS_MAX]; /* names; their order is that of the values */
	const sp_metric_bounds *bounds;           /* of a histogram */
	bool sli;                                 /* told at /metrics/slis */
} sp_metric_family;

typedef struct sp_metrics sp_metrics;

/* `families` stays. What is not counted is counted in the family `dropped`, a counter without labels. */
sp_metrics *sp_metrics_new(const sp_metric_family *families, size_t n, size_t series_max, size_t dropped);
void sp_metrics_free(sp_metrics *m);

/* `id` is a row of the table; `labels` are the values, as many as it has names. A value is cut at 128 bytes.
 */
void sp_metric_add(sp_metrics *m, size_t id, const sp_str *labels, double by);
void sp_metric_set(sp_metrics *m, size_t id, const sp_str *labels, double to);
/* Of a histogram. */
void sp_metric_observe(sp_metrics *m, size_t id, const sp_str *labels, double value);
/* The same n times; without a series when n is 0. */
void sp_metric_observe_many(sp_metrics *m, size_t id, const sp_str *labels, double value, uint64_t n);
/* The value of a counter or gauge, the count of a histogram; 0 when there is no such series. For tests. */
double sp_metric_get(const sp_metrics *m, size_t id, const sp_str *labels);
/* Forgets the series of a family whose things come and go. */
void sp_metric_clear(sp_metrics *m, size_t id);

/* Everything as text of version 0.0.4: of /metrics, or of /metrics/slis. Errors are the buffer's. */
sp_code sp_metrics_write(const sp_metrics *m, bool slis, sp_buf *out);
