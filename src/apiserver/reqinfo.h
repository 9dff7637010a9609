/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request asks for, read from its method, path and query alone: the attributes that authorization,
 * audit and routing share. U: k8s.io/apiserver pkg/endpoints/request/requestinfo.go.
 */
#pragma once

#include "base/url.h"

typedef struct api_reqinfo {
	bool is_resource; /* below /api/VERSION or /apis/GROUP/VERSION, and names a resource */
	bool watch_path;  /* the deprecated /api/v1/watch/… form */
	sp_str path;      /* decoded */
	/* "get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "proxy" or
	 * empty; for other paths the method in lower case. */
	sp_str verb;
	sp_str prefix, group, version; /* "apis", "apps", "v1" */
	sp_str ns, resource, subresource, name;
	sp_str rest; /* what follows the subresource: "a/b" of …/pods/x/proxy/a/b; not decoded twice */
	sp_str field_selector, label_selector; /* of list, watch and deletecollection */
} api_reqinfo;

/*
 * Fills *ret from an HTTP method, the target's path (still encoded) and its query. Texts live in the arena or
 * in the arguments. SP_EINVAL: a malformed escape, or a special verb with nothing behind it; SP_ETOOLARGE: no
 * room.
 */
sp_code api_reqinfo_parse(sp_arena *a, sp_str method, sp_str encoded_path, const sp_url_query *query,
			  api_reqinfo *ret, sp_err *err) SP_MUST_USE;

/* Go's strconv.ParseBool on a query parameter as upstream reads it: absent is false; present counts as true
 * unless it is "false" or "0" in any case. */
bool api_query_flag(const sp_url_query *query, sp_str key);
