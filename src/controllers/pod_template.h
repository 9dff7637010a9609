/* SPDX-License-Identifier: Apache-2.0 */
/* New pods from a template. */
#pragma once

#include "controllers/common.h"

typedef struct pod_template {
	yyjson_val *template_;      /* PodTemplateSpec */
	sp_str generate_name, name; /* one of them or both */
	const sp_object *owner;
	const char *owner_api_version, *owner_kind;
	/* More, as JSON text of members: "\"a\":\"b\",…"; may be empty. They go before the template's. */
	sp_str labels, annotations, finalizers;
	/* Instead of the template's spec, as text; empty: the template's. */
	sp_str spec;
} pod_template;

/* Appends the pod's body. Errors: those of the buffer. */
sp_code pod_template_write(sp_buf *out, const pod_template *t);
