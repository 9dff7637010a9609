/* SPDX-License-Identifier: Apache-2.0 */
/* Events of both API groups: one stored object, two shapes. */
#pragma once

#include "kube/kinds/kinds.h"

/* Upstream's legacyValidateEvent, by the names the request's version has for the fields. */
typedef struct sp_event_names {
	const char *object, *controller, *instance, *message; /* "involvedObject" or "regarding" … */
} sp_event_names;
void sp_event_validate(sp_kind_ctx *c, yyjson_mut_val *obj, const sp_event_names *names);
