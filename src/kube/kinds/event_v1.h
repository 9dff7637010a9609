/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events as events.k8s.io/v1 shows them; core/v1 is stored. U: kubernetes pkg/apis/events/v1/conversion.go.
 */
#pragma once

#include "kube/kinds/kinds.h"

/* Turns an event of one group into the other's, in place, apiVersion included. False: no room. The arena is
 * not used. */
bool sp_event_v1_to_core(sp_arena *a, yyjson_mut_doc *doc, yyjson_mut_val *obj) SP_MUST_USE;
bool sp_event_core_to_v1(sp_arena *a, yyjson_mut_doc *doc, yyjson_mut_val *obj) SP_MUST_USE;
