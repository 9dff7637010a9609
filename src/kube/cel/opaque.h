/* SPDX-License-Identifier: Apache-2.0 */
/* What values of Kubernetes' libraries hold. Only for the files of kube/cel. */
#pragma once

#include "base/ip.h"
#include "base/quantity.h"
#include "kube/cel/lib.h"

typedef struct cel_semver {
	uint64_t major, minor, patch;
	sp_str pre, build; /* joined by dots, without their signs */
} cel_semver;

int cel_semver_compare(const cel_semver *a, const cel_semver *b);

typedef struct cel_url {
	sp_str text;                      /* as given */
	sp_str scheme, host, path, query; /* path as it is escaped */
} cel_url;

/* Go's url.ParseRequestURI, then Parse. NULL: fine; else its whole complaint, in the arena ("" without room).
 */
sp_str cel_url_parse(sp_arena *a, sp_str text, cel_url *ret);

typedef struct cel_authz {
	const sp_cel_authorizer *authorizer;
	sp_cel_authz_query query;
} cel_authz;

/* A format by its name, and how long upstream takes its pattern to be. */
typedef struct cel_format cel_format;
const cel_format *cel_format_named(sp_str name);
uint64_t cel_format_regex_size(const cel_format *f);
