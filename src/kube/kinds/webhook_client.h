/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How webhooks are reached: an https URL or a service. Admission webhooks and conversion webhooks of CRDs.
 * U: apiserver pkg/util/webhook/validation.go.
 */
#pragma once

#include "kube/formats.h"

void sp_v_webhook_url(sp_violations *v, const sp_path *path, sp_str url);
/*
 * `service` has name, namespace, path and port. `swapped`: the errors of an absent name and an absent
 * namespace are exchanged, as upstream's admission does by mistake.
 */
void sp_v_webhook_service(sp_violations *v, const sp_path *path, yyjson_mut_val *service, bool swapped);
