/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kubelet's /metrics/resource, line by line: what a node, or one container, used up to an instant. The text
 * is Prometheus' exposition format 0.0.4. U: metrics-server pkg/scraper/client/resource/decode.go.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

typedef enum usage_family {
	USAGE_NODE_CPU,
	USAGE_NODE_MEMORY,
	USAGE_CONTAINER_CPU,
	USAGE_CONTAINER_MEMORY,
	USAGE_CONTAINER_START,
} usage_family;

/* Texts are as they were written: names of Kubernetes need no escapes. */
typedef struct usage_line {
	usage_family family;
	sp_str ns, pod, container; /* of containers; empty: not said */
	uint64_t value;            /* nanoseconds (of a processor, since the epoch), or bytes */
	bool has_time;
	int64_t at_ns; /* since the epoch */
} usage_line;

/*
 * Takes the next line that matters off *text. False at the end (*ret_code SP_OK), or when such a line can't
 * be read (SP_EINVAL): then nothing of the text is to be used.
 */
bool usage_text_next(sp_str *text, usage_line *ret, sp_code *ret_code);

/* A decimal number as a whole number of 10^-digits, cut off; SP_EINVAL for what is none or negative, the
 * largest for what is too large. */
sp_code usage_number(sp_str text, unsigned digits, uint64_t *ret) SP_MUST_USE;
