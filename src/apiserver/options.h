/* SPDX-License-Identifier: Apache-2.0 */
/* The query parameters of each verb, checked as upstream checks them. A function that returns false has
 * answered the request. U: apimachinery pkg/apis/meta/{internalversion,v1}/validation. */
#pragma once

#include "apiserver/request.h"
#include "kube/selector.h"

typedef enum api_rv_match { API_RV_UNSET, API_RV_EXACT, API_RV_NOT_OLDER } api_rv_match;

typedef struct api_list_options {
	sp_selector labels, fields;
	sp_str name; /* of a metadata.name field selector, or empty */
	bool has_rv; /* a resourceVersion other than "" */
	uint64_t rv;
	api_rv_match match;
	uint64_t limit; /* 0 = none */
	sp_str cont;    /* continue */
	bool has_timeout;
	int64_t timeout_s;
	bool bookmarks, has_send_initial, send_initial;
} api_list_options;

/* Of list, watch and deletecollection. */
bool api_list_options_read(api_request *r, api_list_options *ret);

/* Of get: true when the resourceVersion can be served. */
bool api_get_options_check(api_request *r);

typedef enum api_field_validation { API_FV_WARN, API_FV_STRICT, API_FV_IGNORE } api_field_validation;

typedef struct api_write_options {
	bool dry_run;
	api_field_validation fields;
	sp_str manager; /* fieldManager, or the front of the User-Agent */
	bool force;
} api_write_options;

/* `kind`: "CreateOptions", "UpdateOptions", "PatchOptions"; `is_apply`: the patch is an apply patch. */
bool api_write_options_read(api_request *r, const char *kind, bool is_apply, api_write_options *ret);

/* Parses a revision as Go's ParseUint does. SP_EINVAL, with its words in *ret_why: the arena's, all of `text`
 * among them. */
sp_code api_revision_parse(sp_arena *a, sp_str text, uint64_t *ret, sp_str *ret_why) SP_MUST_USE;
