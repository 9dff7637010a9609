/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is counted of admission. Plugins are counted in an array and become series when they are told: there
 * are some twenty calls per write, nearly all of them shorter than the first bound of the histogram.
 * U: apiserver pkg/admission/metrics/metrics.go.
 */
#pragma once

#include "apiserver/admission/admission.h"
#include "apiserver/admission/hook_call.h"

#define API_COUNTED_PLUGINS_MAX 64u

typedef struct api_admission_counts {
	struct {
		uint32_t n;
		uint64_t ns;                                          /* of all of them */
	} plugins[API_COUNTED_PLUGINS_MAX][2][API_OP_CONNECT + 1][2]; /* validates, op, rejected */
} api_admission_counts;

/* A plugin of the table was asked, and took that long. */
void api_count_plugin(api_server *s, api_operation op, size_t i_plugin, bool validates, bool rejected,
		      uint64_t took_ns);
/* A step is over: all plugins, and the webhooks after them. Both times are of sp_clock_ns; hooks_began_ns 0:
 * none was asked. */
void api_count_step(api_server *s, api_operation op, bool validates, bool rejected, uint64_t began_ns,
		    uint64_t hooks_began_ns);
/* A webhook was asked. */
void api_count_webhook(api_server *s, api_operation op, const api_hook_call *c, uint64_t began_ns);

/* Into the series that are told. */
void api_counts_flush(struct api_server *s);
