/* SPDX-License-Identifier: Apache-2.0 */
/* Tolerations of pods, one wider than another. U: kubernetes pkg/util/tolerations */
#pragma once

#include "base/json.h"

/* True when whatever is tolerated by `t` is by `wide`, too. */
bool api_toleration_covers(yyjson_mut_val *wide, yyjson_mut_val *t);

/* Appends those of `more` (may be NULL) to the list, and drops each that another one covers; of equal ones
 * the first stays. False: no room. */
bool api_tolerations_merge(yyjson_mut_doc *doc, yyjson_mut_val *list, yyjson_mut_val *more);
