/* SPDX-License-Identifier: Apache-2.0 */
/* DeleteOptions: from the body, or from the query when there is no body. */
#pragma once

#include "apiserver/request.h"
#include "base/json.h"

typedef struct api_delete_options {
	bool has_grace, has_orphan, orphan, has_dry_run;
	int64_t grace_s;
	sp_str policy;        /* "Foreground", "Background", "Orphan" or empty */
	sp_str dry_run;       /* "All" once checked */
	sp_str uid, revision; /* preconditions, or empty */
} api_delete_options;

/* The options that an object of that kind says (an Eviction carries one); NULL says nothing. */
void api_delete_options_of(yyjson_mut_val *obj, api_delete_options *ret);

/* False: they are malformed, and the request has been answered. */
bool api_delete_options_read(api_request *r, sp_str body, api_delete_options *ret);
