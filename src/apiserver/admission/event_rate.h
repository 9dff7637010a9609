/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EventRateLimit: a bucket of events for the server, each namespace, each user, or each object and source.
 * U: kubernetes plugin/pkg/admission/eventratelimit
 */
#pragma once

#include "base/json.h"

typedef struct api_event_rate api_event_rate;

/* From the plugin's configuration, which was checked; NULL: without limits. One owner, ended by free. */
api_event_rate *api_event_rate_new(yyjson_mut_val *config);
void api_event_rate_free(api_event_rate *e);

typedef enum api_event_limit {
	API_EVENTS_SERVER,
	API_EVENTS_NAMESPACE,
	API_EVENTS_USER,
	API_EVENTS_SOURCE_AND_OBJECT,
	API_EVENT_LIMIT_COUNT_
} api_event_limit;

/*
 * Takes one event out of every limit's bucket at that time, by its keys (the server's is empty). Appends
 * "limit reached on type X for key Y" to `why`, with ", " in between, for each that has none left; returns
 * how many. Those that have keep what they gave.
 */
size_t api_event_rate_take(api_event_rate *e, const sp_str keys[API_EVENT_LIMIT_COUNT_], uint64_t now_ns,
			   sp_buf *why);
