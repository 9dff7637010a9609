/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which resources kinds are, as the server has told of late: autoscalers ask with each sync, all of them for
 * a few kinds. U: the mapper of kubernetes cmd/kube-controller-manager/app, which forgets every 30 s.
 */
#pragma once

#include "base/map.h"
#include "client/call.h"

#define HPA_KINDS_FRESH_NS (30 * UINT64_C(1000000000))
#define HPA_KINDS_MAX 256u /* then all are forgotten */

typedef struct hpa_kinds {
	sp_map entries;
} hpa_kinds;

void hpa_kinds_init(hpa_kinds *k);
void hpa_kinds_done(hpa_kinds *k);
/* NULL: not known, or not any more. Good until the next put. */
const sp_gvr *hpa_kinds_get(const hpa_kinds *k, sp_str group, sp_str kind, uint64_t now_ns);
/* Copies; without memory it is not remembered. */
void hpa_kinds_put(hpa_kinds *k, sp_str kind, const sp_gvr *gvr, uint64_t now_ns);
